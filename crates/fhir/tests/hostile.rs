//! What somebody else's bytes may do: be refused or be taken in part, with a
//! code and a place, in bounded time. Never panic, never lose a good resource.

use std::time::{Duration, Instant};

use chartkey_fhir::{Format, Limits, ParseError, parse, plan_import};
use proptest::prelude::*;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1"}"#;

#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn refused(bytes: &[u8]) -> ParseError {
    plan_import(bytes, None, &Limits::default()).unwrap_err()
}

fn bundle(entries: &str) -> String {
    format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#)
}

#[test]
fn what_is_refused_says_why_and_where() {
    let too_large = Limits {
        max_bytes: 3,
        ..Limits::default()
    };
    assert_eq!(
        plan_import(b"{   }", None, &too_large).unwrap_err().code(),
        "fhir.too_large"
    );
    for (bytes, code) in [
        (&b""[..], "fhir.empty"),
        (b" \n\t ", "fhir.empty"),
        (b"\xef\xbb\xbf", "fhir.empty"),
        (
            b"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}",
            "fhir.not_utf8",
        ),
        (b"\xff\xfe{\0}\0", "fhir.not_utf8"),
        (b"[]", "fhir.not_object"),
        (b"hello", "fhir.not_object"),
        (b"<Patient/>", "fhir.syntax"),
        (b"{\"resourceType\":\"Patient\"", "fhir.truncated"),
        (
            b"{\"resourceType\":\"Patient\",\"id\":\"a",
            "fhir.truncated",
        ),
        (b"{\"resourceType\":\"Patient\",\"id\":tru}", "fhir.syntax"),
        (b"{\"resourceType\":\"Patient\"} x", "fhir.trailing"),
        (
            b"{\"resourceType\":\"Patient\"}{\"resourceType\":\"Patient\"}",
            "fhir.trailing",
        ),
        (b"{}", "fhir.type_missing"),
        (b"{\"resourceType\":5}", "fhir.type_missing"),
        (
            b"{\"resourceType\":\"patient; drop\"}",
            "fhir.type_malformed",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"resourceType\":\"Group\"}",
            "fhir.duplicate_key",
        ),
        (
            b"{\"resourceType\":\"Patient\",\"id\":\"1\",\"id\":\"2\"}",
            "fhir.duplicate_key",
        ),
        (
            b"{\"resourceType\":\"Bundle\",\"entry\":5}",
            "fhir.wrong_type",
        ),
    ] {
        let error = refused(bytes);
        assert_eq!(error.code(), code, "{}", String::from_utf8_lossy(bytes));
        assert!(error.offset <= bytes.len());
    }
    let error = refused(br#"{"resourceType":"Patient","name":[{"family":"secret word" x}]}"#);
    assert_eq!(error.code(), "fhir.syntax");
    assert_eq!(error.pointer, "/name/0");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn a_key_in_a_pointer_is_a_name_or_hidden() {
    let error = refused(br#"{"resourceType":"Patient","John has a secret":[1,x]}"#);
    assert_eq!(error.pointer, "/?/1");
}

#[test]
fn byte_order_mark_and_white_space_are_tolerated() {
    let text = format!("\u{feff}  \r\n{PATIENT}\n\n");
    let plan = plan_import(text.as_bytes(), None, &Limits::default()).unwrap();
    assert_eq!(plan.items[0].bytes, PATIENT.as_bytes());
}

#[test]
fn bad_entries_never_cost_the_good_ones() {
    let entries = [
        &format!(r#"{{"resource":{PATIENT}}}"#),
        "{}",
        "7",
        r#"{"resource":null,"request":{"method":"DELETE","url":"Patient/2"}}"#,
        r#"{"resource":{"id":"x"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"a","id":"b"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":broken}}"#,
        r#"{"resource":{"resourceType":"Patient","name":[{]}}}"#,
        r#"{"resource":[]}"#,
        r#"{"fullUrl":5,"resource":{"resourceType":"Observation","id":"o1","status":7,"code":"x","category":"laboratory"}}"#,
    ]
    .join(",");
    let text = bundle(&entries);
    let plan = plan_import(text.as_bytes(), None, &Limits::default()).unwrap();
    let taken: Vec<_> = plan
        .items
        .iter()
        .map(|item| (item.index, item.identity.as_str()))
        .collect();
    assert_eq!(taken, [(0, "Patient/p1"), (9, "Observation/o1")]);
    let rejected: Vec<_> = plan
        .rejected
        .iter()
        .map(|one| (one.index, one.code))
        .collect();
    let mut sorted = rejected.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            (1, "fhir.no_resource"),
            (2, "fhir.no_resource"),
            (3, "fhir.no_resource"),
            (4, "fhir.type_missing"),
            (5, "fhir.duplicate_key"),
            (6, "fhir.syntax"),
            (7, "fhir.syntax"),
            (8, "fhir.not_object"),
        ]
    );
    assert_eq!(plan.items[1].record_type.as_str(), "lab-results");
    let issues: Vec<_> = plan
        .issues
        .listed()
        .iter()
        .map(|i| (i.index, i.code))
        .collect();
    assert_eq!(issues, [(Some(9), "fhir.wrong_type")], "status is a number");
    assert_eq!(plan.issues.listed()[0].pointer, "/entry/9/resource/status");
}

#[test]
fn keys_that_occur_twice_elsewhere_are_reported_and_kept() {
    let text = r#"{"resourceType":"Patient","id":"1","name":[{"family":"a","family":"b"}]}"#;
    let plan = plan_import(text.as_bytes(), None, &Limits::default()).unwrap();
    assert_eq!(plan.items[0].bytes, text.as_bytes());
    let issue = &plan.issues.listed()[0];
    assert_eq!(
        (issue.code, issue.pointer.as_str()),
        ("fhir.duplicate_key", "/name/0/family")
    );
}

#[test]
fn lines_are_read_one_by_one() {
    let text = format!(
        "{PATIENT}\r\n\n{{broken\n{{\"resourceType\":\"Group\"}}\n{}\n",
        bundle(&format!("{{\"resource\":{PATIENT}}},{{}}"))
    );
    let ndjson = Some("application/fhir+ndjson; charset=utf-8");
    for content_type in [ndjson, None] {
        let plan = plan_import(text.as_bytes(), content_type, &Limits::default()).unwrap();
        let taken: Vec<_> = plan.items.iter().map(|item| item.index).collect();
        assert_eq!(taken, [0, 2, 3]);
        assert_eq!(plan.items[2].bytes, PATIENT.as_bytes());
        let mut rejected: Vec<_> = plan
            .rejected
            .iter()
            .map(|one| (one.index, one.code))
            .collect();
        rejected.sort_unstable();
        assert_eq!(rejected, [(1, "fhir.syntax"), (4, "fhir.no_resource")]);
    }
}

#[test]
fn what_a_server_says_about_its_search_is_no_record() {
    let text = bundle(
        r#"{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}},
           {"resource":{"resourceType":"OperationOutcome"}}"#,
    );
    let plan = plan_import(text.as_bytes(), None, &Limits::default()).unwrap();
    assert_eq!(plan.items.len(), 1);
    assert_eq!(plan.issues.listed()[0].code, "fhir.outcome");
}

#[test]
fn depth_bombs_are_refused_at_once() {
    let started = Instant::now();
    for opening in ["[", "{\"a\":", "[{\"a\":"] {
        let bomb = opening.repeat(2_000_000);
        assert!(refused(bomb.as_bytes()).code().starts_with("fhir."));
        let inside = format!(r#"{{"resourceType":"Patient","x":{bomb}"#);
        assert_eq!(refused(inside.as_bytes()).code(), "fhir.too_deep");
        let entry = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{bomb}"#);
        assert_eq!(refused(entry.as_bytes()).code(), "fhir.too_deep");
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_million_empty_entries_are_bounded() {
    let started = Instant::now();
    let text = bundle(&"{},".repeat(1_000_000));
    let error = refused(text.as_bytes());
    assert_eq!(error.code(), "fhir.too_many_resources");
    let fitting = bundle(vec!["{}"; 100_000].join(",").as_str());
    let plan = plan_import(fitting.as_bytes(), None, &Limits::default()).unwrap();
    assert_eq!((plan.items.len(), plan.rejected.len()), (0, 100_000));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn many_small_values_are_bounded() {
    let values = "[],".repeat(2_000_000);
    let text = format!(r#"{{"resourceType":"Patient","x":[{values}[]]}}"#);
    assert_eq!(refused(text.as_bytes()).code(), "fhir.too_many_values");
}

#[test]
fn a_web_of_references_ends() {
    let started = Instant::now();
    let mut entries = Vec::new();
    for n in 0..3_000 {
        let links: Vec<_> = (1..=20)
            .map(|k| {
                format!(
                    r#"{{"reference":"Observation/o{}"}}"#,
                    (n * 7 + k * 131) % 3_000
                )
            })
            .collect();
        let label = if n == 0 {
            r#","meta":{"security":[{"code":"HIV"}]}"#
        } else {
            ""
        };
        entries.push(format!(
            r#"{{"resource":{{"resourceType":"Observation","id":"o{n}","hasMember":[{}]{label}}}}}"#,
            links.join(",")
        ));
    }
    let text = bundle(&entries.join(","));
    let plan = plan_import(text.as_bytes(), None, &Limits::default()).unwrap();
    assert!(
        plan.items
            .iter()
            .filter(|item| !item.kinds.is_empty())
            .count()
            > 1_000
    );
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn placements_of_supporting_resources_are_bounded() {
    let labels = ["HIV", "PSY", "ETH", "SDV", "STD", "SCA"];
    let mut entries = vec![r#"{"resource":{"resourceType":"Practitioner","id":"dr"}}"#.to_owned()];
    for set in 0..64_u32 {
        let security: Vec<_> = labels
            .iter()
            .enumerate()
            .filter(|(bit, _)| set & (1 << bit) != 0)
            .map(|(_, label)| format!(r#"{{"code":"{label}"}}"#))
            .collect();
        let security = security.join(",");
        entries.push(format!(
            r#"{{"resource":{{"resourceType":"Condition","id":"c{set}","meta":{{"security":[{security}]}},"asserter":{{"reference":"Practitioner/dr"}}}}}}"#
        ));
    }
    let text = bundle(&entries.join(","));
    let plan = plan_import(text.as_bytes(), None, &Limits::default()).unwrap();
    assert_eq!(plan.items[0].placements.len(), 64);
    let tight = Limits {
        max_placements: 10,
        ..Limits::default()
    };
    let plan = plan_import(text.as_bytes(), None, &tight).unwrap();
    assert_eq!(plan.items[0].placements.len(), 10);
    assert_eq!(plan.issues.listed()[0].code, "fhir.too_many_placements");
}

const SAMPLES: &str = include_str!("../testdata/labelled/labelled.ndjson");

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Every original is found byte for byte in the input, whatever happened.
    #[test]
    fn mutated_samples_never_panic(
        first in 0_usize..1_200,
        count in 1_usize..4,
        cuts in prop::collection::vec((0.0_f64..1.0, any::<u8>(), 0_u8..4), 0..6),
        format in prop::sample::select(vec![Format::Auto, Format::FhirJson, Format::NdJson]),
    ) {
        let lines: Vec<_> = SAMPLES.lines().skip(first).take(count).collect();
        let joined = match format {
            Format::NdJson => lines.join("\n"),
            _ => bundle(&lines.join(",")),
        };
        let mut bytes = joined.into_bytes();
        for (place, byte, how) in cuts {
            if bytes.is_empty() { break }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in the sample")]
            let at = (place * bytes.len() as f64) as usize % bytes.len();
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => bytes[at] = b"{}[]\",:\\"[usize::from(byte % 8)],
            }
        }
        if let Ok(plan) = plan_import(&bytes, None, &Limits::default()) {
            for item in &plan.items {
                let found = memchr::memmem::find(&bytes, &item.bytes);
                prop_assert!(found.is_some(), "original bytes are kept");
                prop_assert!(!item.placements.is_empty());
                prop_assert!(!item.header.title.is_empty());
                prop_assert!(item.header.title.chars().count() <= 200);
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&item.canonical).is_ok());
            }
        }
        let _ = parse(&bytes, format, &Limits::default());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = plan_import(&bytes, None, &Limits::default());
        let _ = parse(&bytes, Format::NdJson, &Limits::default());
    }

    /// What we take, serde_json takes, and reads the same.
    #[test]
    fn arbitrary_json_like_text_is_read_as_serde_json_reads_it(
        text in r#"\{"resourceType":"Basic"(,"[a-c]{1,2}":(null|true|-?[0-9]{1,3}(\.[0-9]{1,2})?|"[a-z\\"]{0,4}"|\[1,?\]|\{"a":1\})){0,4}\}"#
    ) {
        let ours = plan_import(text.as_bytes(), None, &Limits::default()).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(ours, theirs, "{}", text);
    }
}
