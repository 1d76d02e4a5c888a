//! FHIR from anywhere: parsed, planned, classified, told as a clinician reads it.

#![no_main]

use chartkey_fhir::{Limits, plan_import};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        max_bytes: 1 << 16,
        max_resources: 64,
        max_values: 10_000,
        ..Limits::default()
    };
    for media_type in [None, Some("application/fhir+ndjson")] {
        let Ok(plan) = plan_import(bytes, media_type, &limits) else {
            continue;
        };
        for item in &plan.items {
            // What was taken is read again, and is the same thing.
            let again = plan_import(&item.bytes, Some("application/fhir+json"), &limits);
            let again = again.expect("what was taken can be read again");
            assert!(again.items.len() <= 1 || again.bundle_type.is_some());
            assert!(!item.placements.is_empty(), "nothing is dropped");
            assert!(item.header.title.chars().count() <= 200);
        }
    }
});
