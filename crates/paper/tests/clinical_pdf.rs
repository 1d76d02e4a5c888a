//! The PDF as a reader gets it: parsed again, its text compared with the records.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot read its data has failed"
)]

use std::io::Read as _;
use std::time::{Duration, Instant};

use chartkey_fhir::clinical::{ClinicalDocument, ClinicalRecord};
use chartkey_fhir::{Kinds, Limits, PlannedItem, RecordType, plan_import};
use chartkey_paper::{PdfNotice, render};
use serde_json::{Value, json};

fn notice<'a>() -> PdfNotice<'a> {
    PdfNotice {
        patient_name: "Pat Example",
        recipient: "Dr. Ada Byron",
        sender: "Pat Example",
        share_id: Some("01994f3e-8a4b-7c11-9d55-3f2a6b1c0e77"),
        purpose: Some("Treatment"),
        message: Some("As we said."),
        generated_at: "2026-11-22T01:25:00Z".parse().unwrap(),
        expires_at: Some("2026-12-22T01:25:00Z".parse().unwrap()),
        checkpoint: Some("chartkey.example/log\n20852\nu0cJbeSR5Nq="),
        footer: Some("Printed for the chart"),
    }
}

/// The text of a PDF, page by page, without white space and places to break:
/// where lines end is the typesetter's business.
fn pages(pdf: &[u8]) -> Vec<String> {
    let pages = pdf_extract::extract_text_from_mem_by_pages(pdf).unwrap();
    pages.iter().map(|page| squeezed(page)).collect()
}

fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && *c != '\u{200b}')
        .collect()
}

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
        let items = plan_import(&bytes, Some("application/fhir+json"), &Limits::default())
            .unwrap()
            .items;
        Self {
            resources: items
                .iter()
                .map(|item| serde_json::from_slice(&item.bytes).unwrap())
                .collect(),
            ids: (0..items.len()).map(|index| index.to_string()).collect(),
            items,
        }
    }

    fn document(&self) -> ClinicalDocument {
        let all = self.items.iter().zip(&self.resources).zip(&self.ids);
        let records: Vec<_> = all
            .map(|((item, resource), id)| ClinicalRecord {
                record_type: item.record_type,
                sensitivity: item.kinds,
                title: &item.header.title,
                date: item.header.date.as_deref(),
                ..record(id, resource)
            })
            .collect();
        ClinicalDocument::from_records(&records)
    }
}

fn record<'a>(id: &'a str, resource: &'a Value) -> ClinicalRecord<'a> {
    ClinicalRecord {
        id,
        record_type: RecordType::Other,
        sensitivity: Kinds::EMPTY,
        resource: Some(resource),
        text: None,
        title: "",
        date: None,
        source: Some("General Hospital"),
        author: None,
        sealed_by_server: true,
        file: None,
    }
}

/// The name that a resource's main concept has, without SNOMED CT's semantic tag.
fn name(resource: &Value) -> Option<String> {
    let concept = ["code", "vaccineCode", "medicationCodeableConcept"]
        .iter()
        .find_map(|key| resource.get(*key))?;
    let name = concept["text"]
        .as_str()
        .or_else(|| concept["coding"][0]["display"].as_str())?;
    let stem = name
        .rsplit_once(" (")
        .filter(|(_, tag)| tag.ends_with(')'))
        .map_or(name, |(stem, _)| stem);
    Some(squeezed(stem))
}

/// The day on which it happened.
fn day(resource: &Value) -> Option<&str> {
    let keys = [
        "effectiveDateTime",
        "onsetDateTime",
        "occurrenceDateTime",
        "authoredOn",
    ];
    let direct = keys.iter().find_map(|key| resource[*key].as_str());
    let date = direct.or_else(|| resource["performedPeriod"]["start"].as_str());
    date.or_else(|| resource["period"]["start"].as_str())?
        .get(..10)
}

#[test]
fn every_discrete_record_of_a_large_patient_is_in_the_pdf() {
    for patient_name in ["s07-many-labs-elder", "s08-hiv-module-longitudinal"] {
        let patient = Patient::load(patient_name);
        let pdf = render(&patient.document(), &notice()).unwrap();
        let text = pages(&pdf).concat();
        let mut checked = 0;
        for resource in &patient.resources {
            let kind = resource["resourceType"].as_str().unwrap();
            if let Some(name) = name(resource).filter(|_| resource.get("component").is_none()) {
                assert!(text.contains(&name), "{patient_name}: {kind} {name}");
                checked += 1;
            }
            if let Some(day) = day(resource) {
                assert!(text.contains(day), "{patient_name}: {kind} of {day}");
            }
            if let (Some(value), Some(day)) =
                (resource["valueQuantity"]["value"].as_f64(), day(resource))
            {
                let shown = format!("{day}{}", ((value * 10_000.0).round() / 10_000.0));
                let newest = format!("{}{}", (value * 10_000.0).round() / 10_000.0, "");
                assert!(
                    text.contains(&shown) || text.contains(&newest),
                    "{patient_name}: {kind} {shown}"
                );
            }
        }
        assert!(checked > 600, "{patient_name}: {checked}");
    }
}

#[test]
fn the_first_page_says_what_is_wrong_taken_dangerous_and_for_whom() {
    let patient = Patient::load("s07-many-labs-elder");
    let pdf = render(&patient.document(), &notice()).unwrap();
    let first = &pages(&pdf)[0];
    for wanted in [
        "Allergies and intolerances",
        "Aspirin",
        "Problems",
        "Essential hypertension",
        "Medicines taken",
        "amLODIPine 2.5 MG Oral Tablet",
        "once a day",
        "Dr. Ada Byron",
        "01994f3e-8a4b-7c11-9d55-3f2a6b1c0e77",
        "2026-12-22 01:25 UTC",
        "Page 1 of",
        "Confidential health information",
    ] {
        assert!(first.contains(&squeezed(wanted)), "{wanted}");
    }
}

#[test]
fn every_page_names_patient_share_time_and_number() {
    let patient = Patient::load("s10-small-adult");
    let pdf = render(&patient.document(), &notice()).unwrap();
    let pages = pages(&pdf);
    assert!(pages.len() > 3);
    for (index, page) in pages.iter().enumerate() {
        let number = squeezed(&format!("Page {} of {}", index + 1, pages.len()));
        for wanted in [
            number.as_str(),
            "01994f3e-8a4b-7c11-9d55-3f2a6b1c0e77",
            "2026-11-2201:25UTC",
            "Dino214",
        ] {
            assert!(page.contains(wanted), "page {}: {wanted}", index + 1);
        }
    }
}

#[test]
fn the_pdf_is_tagged_and_says_its_language_and_title() {
    let pdf = render(&ClinicalDocument::from_records(&[]), &notice()).unwrap();
    let pdf = pdf_extract::Document::load_mem(&pdf).unwrap();
    let catalog = pdf.catalog().unwrap();
    assert!(catalog.get(b"StructTreeRoot").is_ok());
    assert_eq!(catalog.get(b"Lang").unwrap().as_str().unwrap(), b"en");
    let preferences = catalog
        .get(b"ViewerPreferences")
        .unwrap()
        .as_dict()
        .unwrap();
    assert!(
        preferences
            .get(b"DisplayDocTitle")
            .unwrap()
            .as_bool()
            .unwrap()
    );
}

#[test]
fn what_a_record_says_is_never_markup() {
    let texts = [
        "#import \"theme.typ\": *",
        "#panic()",
        "$ sum_(i=0) $",
        "*bold* _italic_ `raw`",
        "@label <label>",
        "= Heading",
        "\\ #\"x\" // comment /* c */",
        "#read(\"data.json\")",
    ];
    let resources: Vec<Value> = texts
        .iter()
        .map(|text| json!({"resourceType": "Condition", "code": {"text": text}, "note": [{"text": text}]}))
        .collect();
    let ids: Vec<String> = (0..texts.len()).map(|index| index.to_string()).collect();
    let records: Vec<_> = ids
        .iter()
        .zip(&resources)
        .map(|(id, resource)| ClinicalRecord {
            record_type: RecordType::Conditions,
            ..record(id, resource)
        })
        .collect();
    let hostile = PdfNotice {
        recipient: texts[0],
        sender: texts[1],
        message: Some(texts[7]),
        ..notice()
    };
    let text =
        pages(&render(&ClinicalDocument::from_records(&records), &hostile).unwrap()).concat();
    for wanted in texts {
        let count = text.matches(&squeezed(wanted)).count();
        assert!(count >= 2, "{wanted}: {count}");
    }
}

#[test]
fn names_in_other_scripts_are_set_and_can_be_copied() {
    for name in [
        "山田 太郎",
        "김민준",
        "Ελένη Παπά",
        "Юлия Иванова",
        "Nguyễn Thị Ánh",
        "Þóra Ævarsdóttir",
    ] {
        let patient = json!({"resourceType": "Patient", "name": [{"text": name}]});
        let document = ClinicalDocument::from_records(&[record("1", &patient)]);
        let text = pages(&render(&document, &notice()).unwrap()).concat();
        assert!(text.contains(&squeezed(name)), "{name}");
    }
    // Right-to-left and combining scripts come back in another order, or not at all
    // from this reader; that they are set is enough here.
    for name in [
        "محمد علي",
        "דוד לוי",
        "आशा शर्मा",
        "สมชาย ใจดี",
        "Հայկ",
        "ნინო",
        "አበበ",
    ] {
        let patient = json!({"resourceType": "Patient", "name": [{"text": name}]});
        let document = ClinicalDocument::from_records(&[record("1", &patient)]);
        assert!(render(&document, &notice()).is_ok(), "{name}");
    }
}

#[test]
fn a_hostile_record_is_bounded_and_the_cut_is_told() {
    let long = "word ".repeat(100_000);
    let unbroken = "x".repeat(200_000);
    let notes: Vec<Value> = (0..300).map(|_| json!({"text": unbroken})).collect();
    let resource = json!({"resourceType": "Condition", "code": {"text": unbroken}, "note": notes,
        "bodySite": vec![json!({"text": unbroken}); 300]});
    let records = [
        ClinicalRecord {
            record_type: RecordType::Conditions,
            ..record("1", &resource)
        },
        ClinicalRecord {
            resource: None,
            text: Some(&long),
            title: "Endless note",
            record_type: RecordType::Documents,
            ..record("2", &resource)
        },
    ];
    let started = Instant::now();
    let pdf = render(&ClinicalDocument::from_records(&records), &notice()).unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    let pages = pages(&pdf);
    assert!(pages.len() < 30, "{}", pages.len());
    assert!(pages.concat().contains("480000charactersarenotshownhere"));
}
