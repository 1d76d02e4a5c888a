//! The labelled set: resources whose record type and kinds people decided by
//! reading them, against what the classifier says. It fails on any wrong record
//! type and on any kind that was missed, and on marking without need.

use std::collections::BTreeMap;

use chartkey_fhir::{Kind, Kinds, Limits, RecordType, plan_import};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Labelled<'a> {
    source: String,
    group: Option<String>,
    record_type: RecordType,
    kinds: Kinds,
    #[serde(default)]
    supporting: bool,
    note: Option<String>,
    full_url: Option<String>,
    #[serde(borrow)]
    resource: &'a RawValue,
}

struct Seen<'a> {
    wanted: &'a Labelled<'a>,
    record_type: RecordType,
    kinds: Kinds,
    supporting: bool,
    title: String,
}

const SET: &str = include_str!("../testdata/labelled/labelled.ndjson");

#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn labelled() -> Vec<Labelled<'static>> {
    SET.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Imports each group as one Bundle, and each lone resource by itself.
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn import<'a>(set: &'a [Labelled<'a>]) -> Vec<Seen<'a>> {
    let mut imports: BTreeMap<String, Vec<&Labelled<'_>>> = BTreeMap::new();
    for (line, wanted) in set.iter().enumerate() {
        let name = wanted
            .group
            .clone()
            .unwrap_or_else(|| format!("line {line}"));
        imports.entry(name).or_default().push(wanted);
    }
    let mut seen = Vec::new();
    for (name, members) in imports {
        let entry = |member: &&Labelled<'_>| match &member.full_url {
            Some(url) => format!(
                "{{\"fullUrl\":{url:?},\"resource\":{}}}",
                member.resource.get()
            ),
            None => format!("{{\"resource\":{}}}", member.resource.get()),
        };
        let entries: Vec<_> = members.iter().map(entry).collect();
        let bundle = format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{}]}}",
            entries.join(",")
        );
        let plan = plan_import(bundle.as_bytes(), None, &Limits::default()).unwrap();
        assert_eq!(
            plan.items.len(),
            members.len(),
            "{name}: {:?}",
            plan.rejected
        );
        for (wanted, item) in members.into_iter().zip(plan.items) {
            seen.push(Seen {
                wanted,
                record_type: item.record_type,
                kinds: item.kinds,
                supporting: item.supporting,
                title: item.header.title,
            });
        }
    }
    seen
}

fn describe(seen: &Seen<'_>) -> String {
    let wanted = seen.wanted;
    format!(
        "{} {} [{}] {}: wanted {} {:?}, got {} {:?}",
        wanted.source,
        wanted.group.as_deref().unwrap_or_default(),
        seen.title,
        wanted.note.as_deref().unwrap_or_default(),
        wanted.record_type,
        wanted.kinds,
        seen.record_type,
        seen.kinds,
    )
}

#[test]
fn every_labelled_resource_gets_its_record_type() {
    let set = labelled();
    assert!(set.len() >= 400, "the set has shrunk to {}", set.len());
    let seen = import(&set);
    let mut table: BTreeMap<(RecordType, RecordType), usize> = BTreeMap::new();
    for one in &seen {
        *table
            .entry((one.wanted.record_type, one.record_type))
            .or_default() += 1;
    }
    println!("{:<16} {:<16} {:>5}", "labelled", "classified", "count");
    for ((wanted, got), count) in &table {
        println!("{:<16} {:<16} {count:>5}", wanted.as_str(), got.as_str());
    }
    let wrong: Vec<_> = seen
        .iter()
        .filter(|one| {
            one.record_type != one.wanted.record_type || one.supporting != one.wanted.supporting
        })
        .map(describe)
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for record_type in RecordType::ALL {
        assert!(
            set.iter().any(|one| one.record_type == record_type),
            "no {record_type}"
        );
    }
}

#[test]
fn no_labelled_kind_is_missed_and_few_are_marked_without_need() {
    let set = labelled();
    let seen = import(&set);
    println!(
        "{:<14} {:>8} {:>6} {:>6} {:>7} {:>9}",
        "kind", "labelled", "found", "extra", "recall", "precision"
    );
    let mut extra_in_all = 0_usize;
    let mut found_in_all = 0_usize;
    for kind in Kind::ALL {
        let count = |wanted: bool, got: bool| {
            let fits = |one: &&Seen<'_>| {
                one.wanted.kinds.contains(kind) == wanted && one.kinds.contains(kind) == got
            };
            seen.iter().filter(fits).count()
        };
        let (found, missed, extra) = (count(true, true), count(true, false), count(false, true));
        let share = |part: usize, rest: usize| {
            f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(part + rest).unwrap())
        };
        println!(
            "{:<14} {:>8} {found:>6} {extra:>6} {:>7.3} {:>9.3}",
            kind.as_str(),
            found + missed,
            share(found, missed),
            share(found, extra)
        );
        assert!(found + missed >= 10, "too few examples of {kind}");
        extra_in_all += extra;
        found_in_all += found;
    }
    let described = |filter: &dyn Fn(&Seen<'_>) -> bool| {
        seen.iter()
            .filter(|one| filter(one))
            .map(describe)
            .collect::<Vec<_>>()
    };
    let missed = described(&|one| !one.wanted.kinds.is_subset_of(one.kinds));
    let extra = described(&|one| !one.kinds.is_subset_of(one.wanted.kinds));
    println!("marked beyond the label:\n{}", extra.join("\n"));
    assert!(
        missed.is_empty(),
        "{} missed:\n{}",
        missed.len(),
        missed.join("\n")
    );
    assert!(
        extra_in_all * 50 <= found_in_all,
        "{extra_in_all} marks without need"
    );
}
