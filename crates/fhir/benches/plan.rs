//! How long one resource takes from bytes to plan. The aim is 30 µs for an
//! average resource, so that an import is never held up by reading.

use std::hint::black_box;

use chartkey_fhir::{Limits, plan_import};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const RESOURCES: u64 = 1000;

/// NDJSON of the labelled resources, repeated to a thousand.
fn lines() -> Vec<u8> {
    let labelled = include_str!("../testdata/labelled/labelled.ndjson");
    let resources: Vec<String> = labelled
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|line| line.get("resource").map(ToString::to_string))
        .collect();
    let repeated = resources
        .iter()
        .cycle()
        .take(usize::try_from(RESOURCES).unwrap_or(0));
    repeated
        .fold(String::new(), |all, resource| all + resource + "\n")
        .into_bytes()
}

fn plan(criterion: &mut Criterion) {
    let input = lines();
    let mut group = criterion.benchmark_group("plan");
    group.throughput(Throughput::Elements(RESOURCES));
    group.bench_function("import_of_1000", |bencher| {
        bencher.iter(|| plan_import(black_box(&input), None, &Limits::default()));
    });
    group.finish();
}

criterion_group!(benches, plan);
criterion_main!(benches);
