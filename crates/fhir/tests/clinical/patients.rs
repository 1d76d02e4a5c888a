//! Whole patients, imported as a writer would import them.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;

use chartkey_fhir::clinical::{ClinicalDocument, ClinicalRecord};
use chartkey_fhir::{Limits, PlannedItem, plan_import};
use serde_json::Value;

const PATIENTS: [&str; 3] = [
    "s07-many-labs-elder",
    "s08-hiv-module-longitudinal",
    "s10-small-adult",
];

struct Patient {
    items: Vec<PlannedItem>,
    resources: Vec<Value>,
    ids: Vec<String>,
}

impl Patient {
    fn load(name: &str) -> Self {
        let path = format!(
            "{}/../../testdata/synthea/{name}.json.gz",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).unwrap();
        flate2::read::GzDecoder::new(file)
            .read_to_end(&mut bytes)
            .unwrap();
        let plan = plan_import(&bytes, Some("application/fhir+json"), &Limits::default()).unwrap();
        assert_eq!(plan.rejected.len(), 0);
        let items = plan.items;
        Self {
            resources: items
                .iter()
                .map(|item| serde_json::from_slice(&item.bytes).unwrap())
                .collect(),
            ids: (0..items.len())
                .map(|index| format!("record-{index}"))
                .collect(),
            items,
        }
    }

    fn records(&self) -> Vec<ClinicalRecord<'_>> {
        let all = self.items.iter().zip(&self.resources).zip(&self.ids);
        all.map(|((item, resource), id)| ClinicalRecord {
            id,
            record_type: item.record_type,
            sensitivity: item.kinds,
            resource: Some(resource),
            text: None,
            title: &item.header.title,
            date: item.header.date.as_deref(),
            source: Some("General Hospital"),
            author: None,
            sealed_by_server: true,
            file: None,
        })
        .collect()
    }
}

#[test]
fn every_record_of_a_large_patient_stands_in_the_document() {
    for name in PATIENTS {
        let patient = Patient::load(name);
        let records = patient.records();
        let document = ClinicalDocument::from_records(&records);
        let shown: HashSet<&str> = document.shown_records().collect();
        for (record, item) in records.iter().zip(&patient.items) {
            assert!(
                shown.contains(record.id),
                "{name}: {} {}",
                item.resource_type,
                item.header.title
            );
        }
        assert_eq!(document.counts.shown, records.len(), "{name}");
    }
}

#[test]
fn every_measured_number_stands_beside_its_date() {
    for name in PATIENTS {
        let patient = Patient::load(name);
        let document = ClinicalDocument::from_records(&patient.records());
        let points: HashMap<&str, (String, String)> = document
            .sections
            .iter()
            .flat_map(|section| &section.series)
            .flat_map(|group| &group.series)
            .flat_map(|series| &series.points)
            .flat_map(|point| {
                let told = (point.value.clone(), point.date.clone().unwrap_or_default());
                point
                    .origin
                    .records
                    .iter()
                    .map(move |id| (id.as_str(), told.clone()))
            })
            .collect();
        let mut checked = 0;
        for (resource, id) in patient.resources.iter().zip(&patient.ids) {
            let (Some(value), Some(date)) = (
                resource["valueQuantity"]["value"].as_f64(),
                resource["effectiveDateTime"].as_str(),
            ) else {
                continue;
            };
            let (told, when) = &points[id.as_str()];
            assert!(
                (told.parse::<f64>().unwrap() - value).abs() < 0.0001,
                "{name}: {told} for {value}"
            );
            assert_eq!(*when, date[..10], "{name}");
            checked += 1;
        }
        assert!(checked > 20, "{name}: {checked}");
    }
}

#[test]
fn the_first_page_answers_what_is_wrong_taken_and_dangerous() {
    let patient = Patient::load("s07-many-labs-elder");
    let document = ClinicalDocument::from_records(&patient.records());
    let front = &document.front;
    assert!(front.problems.lines.len() > 3, "{:?}", front.problems.lines);
    assert!(
        front
            .medicines
            .lines
            .iter()
            .any(|line| line.title.contains("amLODIPine"))
    );
    assert!(!front.allergies.lines.is_empty());
    let banner = document.patient.as_ref().unwrap();
    assert_eq!(
        banner.birth_date.as_deref(),
        patient.resources[0]["birthDate"].as_str()
    );
    assert_eq!(banner.sex.as_deref(), Some("Male"));
}

#[test]
fn a_record_from_two_sources_is_shown_once_and_counted_twice() {
    let patient = Patient::load("s10-small-adult");
    let ours = patient.records();
    let theirs: Vec<String> = patient.ids.iter().map(|id| format!("other-{id}")).collect();
    let copies = ours.iter().zip(&theirs).map(|(record, id)| ClinicalRecord {
        id,
        source: Some("Insurer"),
        ..*record
    });
    let both: Vec<ClinicalRecord<'_>> = ours.iter().copied().chain(copies).collect();
    let single = ClinicalDocument::from_records(&ours);
    let double = ClinicalDocument::from_records(&both);
    assert_eq!(double.front, single.front);
    assert_eq!(double.sources.len(), 2);
    assert_eq!(double.counts.repeated - single.counts.repeated, ours.len());
    let rows = |document: &ClinicalDocument| -> usize {
        document
            .sections
            .iter()
            .flat_map(|s| &s.tables)
            .map(|table| table.rows.len())
            .sum()
    };
    assert_eq!(rows(&double), rows(&single));
}

#[test]
fn the_document_survives_being_sent_as_json() {
    let patient = Patient::load("s10-small-adult");
    let document = ClinicalDocument::from_records(&patient.records());
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(
        serde_json::from_str::<ClinicalDocument>(&json).unwrap(),
        document
    );
}
