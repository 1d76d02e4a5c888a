//! One rule each, on hand-made records.

use chartkey_fhir::clinical::{
    ClinicalDocument, ClinicalRecord, FileInfo, Flag, MAX_RECORDS, Series, Table,
};
use chartkey_fhir::{Kind, Kinds, RecordType};
use serde_json::{Value, json};

fn record_type(resource: &Value) -> RecordType {
    match resource["resourceType"].as_str().unwrap_or_default() {
        "AllergyIntolerance" => RecordType::Allergies,
        "Condition" | "Flag" => RecordType::Conditions,
        "Immunization" => RecordType::Vaccines,
        "MedicationRequest" | "MedicationStatement" => RecordType::Prescriptions,
        "Patient" => RecordType::Demographics,
        "Observation" if resource["category"].to_string().contains("vital") => RecordType::Vitals,
        "Observation" => RecordType::LabResults,
        _ => RecordType::Other,
    }
}

fn record<'a>(id: &'a str, resource: &'a Value) -> ClinicalRecord<'a> {
    ClinicalRecord {
        id,
        record_type: record_type(resource),
        sensitivity: Kinds::EMPTY,
        resource: Some(resource),
        text: None,
        title: "untitled record",
        date: None,
        source: Some("Clinic"),
        author: None,
        sealed_by_server: false,
        file: None,
    }
}

fn document(resources: &[Value]) -> ClinicalDocument {
    let ids: Vec<String> = (0..resources.len())
        .map(|index| index.to_string())
        .collect();
    let records: Vec<_> = ids
        .iter()
        .zip(resources)
        .map(|(id, resource)| record(id, resource))
        .collect();
    ClinicalDocument::from_records(&records)
}

fn series(document: &ClinicalDocument) -> Vec<&Series> {
    let groups = document.sections.iter().flat_map(|section| &section.series);
    groups.flat_map(|group| &group.series).collect()
}

fn table<'d>(document: &'d ClinicalDocument, section: &str, title: &str) -> Option<&'d Table> {
    let section = document
        .sections
        .iter()
        .find(|found| found.key == section)?;
    section
        .tables
        .iter()
        .find(|table| table.title.as_deref() == Some(title))
}

fn lab(date: &str, value: f64) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"}]},
        "effectiveDateTime": date,
        "valueQuantity": {"value": value, "unit": "mmol/L", "code": "mmol/L"},
        "referenceRange": [{"low": {"value": 3.5, "unit": "mmol/L"}, "high": {"value": 5.1, "unit": "mmol/L"}}],
    })
}

#[test]
fn repeated_results_are_one_row_with_all_values_newest_first() {
    let document = document(&[
        lab("2024-03-01", 4.0),
        lab("2026-03", 5.4),
        lab("2025-03-01T08:00:00Z", 3.2),
    ]);
    let all = series(&document);
    let [potassium] = all.as_slice() else {
        panic!("{all:?}")
    };
    let told: Vec<_> = potassium
        .points
        .iter()
        .map(|p| (p.date.as_deref().unwrap(), p.value.as_str(), p.flag))
        .collect();
    assert_eq!(
        told,
        [
            ("2026-03", "5.4", Some(Flag::High)),
            ("2025-03-01", "3.2", Some(Flag::Low)),
            ("2024-03-01", "4", None)
        ]
    );
    assert_eq!(potassium.range.as_deref(), Some("3.5 – 5.1"));
    assert_eq!(potassium.spark.len(), 3);
    let heights: Vec<bool> = potassium.spark.iter().map(|[_, y]| *y > 0.5).collect();
    assert_eq!(heights, [false, false, true]);
}

#[test]
fn another_unit_is_another_row() {
    let mut other = lab("2026-01-01", 15.6);
    other["valueQuantity"] = json!({"value": 15.6, "unit": "mg/dL", "code": "mg/dL"});
    let document = document(&[lab("2026-01-01", 4.0), other]);
    assert_eq!(series(&document).len(), 2);
}

#[test]
fn the_laboratorys_word_wins_over_the_range() {
    let check = |interpretation: Value, value: f64, flag: Option<Flag>| {
        let mut result = lab("2026-01-01", value);
        result["interpretation"] = interpretation.clone();
        assert_eq!(
            series(&document(&[result]))[0].points[0].flag,
            flag,
            "{interpretation}"
        );
    };
    let code = |code: &str| json!([{"coding": [{"code": code}]}]);
    check(code("N"), 9.0, None);
    check(code("HH"), 4.0, Some(Flag::CriticalHigh));
    check(code("LL"), 4.0, Some(Flag::CriticalLow));
    check(code("A"), 4.0, Some(Flag::Abnormal));
    check(json!([]), 9.0, Some(Flag::High));
    check(code("something-local"), 9.0, None);
}

#[test]
fn a_range_for_some_people_only_is_told_but_not_judged_by() {
    let mut result = lab("2026-01-01", 9.0);
    result["referenceRange"][0]["appliesTo"] = json!([{"text": "Children"}]);
    let document = document(&[result]);
    let all = series(&document);
    assert_eq!(all[0].points[0].flag, None);
    assert_eq!(all[0].range.as_deref(), Some("3.5 – 5.1 (Children)"));
}

#[test]
fn a_bound_is_no_number_to_judge_or_draw() {
    let mut result = lab("2026-01-01", 9.0);
    result["valueQuantity"]["comparator"] = json!("<");
    let document = document(&[result, lab("2025-01-01", 4.0)]);
    let all = series(&document);
    assert_eq!(all[0].points[0].value, "<9");
    assert_eq!(all[0].points[0].flag, None);
    assert!(all[0].spark.is_empty());
}

#[test]
fn blood_pressure_is_one_value() {
    let part = |code: &str, value: i64| {
        json!({"code": {"coding": [{"system": "http://loinc.org", "code": code}]},
               "valueQuantity": {"value": value, "unit": "mm[Hg]", "code": "mm[Hg]"}})
    };
    let document = document(&[json!({
        "resourceType": "Observation", "status": "final",
        "category": [{"coding": [{"code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9", "display": "Blood pressure panel"}]},
        "effectiveDateTime": "2026-01-01",
        "component": [part("8462-4", 80), part("8480-6", 120)],
    })]);
    let all = series(&document);
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].title.as_str(), all[0].unit.as_str()),
        ("Blood pressure", "mmHg")
    );
    assert_eq!(all[0].points[0].value, "120/80");
}

#[test]
fn a_missing_value_says_why_and_a_missing_date_says_so() {
    let mut result = lab("2026-01-01", 1.0);
    let fields = result.as_object_mut().unwrap();
    fields.remove("valueQuantity");
    fields.remove("effectiveDateTime");
    fields.insert("dataAbsentReason".into(), json!({"text": "Specimen lost"}));
    let document = document(&[result]);
    let point = &series(&document)[0].points[0];
    assert_eq!(point.value, "no value (specimen lost)");
    assert_eq!(point.date, None);
}

#[test]
fn a_critical_newest_result_is_an_alert_and_an_older_one_is_not() {
    let mut critical = lab("2026-01-01", 7.2);
    critical["interpretation"] = json!([{"coding": [{"code": "HH"}]}]);
    let alone = document(&[critical.clone()]);
    assert_eq!(alone.front.alerts.lines[0].title, "Potassium: 7.2 mmol/L");
    let followed = document(&[critical, lab("2026-01-02", 4.0)]);
    assert!(followed.front.alerts.lines.is_empty());
}

fn problem(code: &str, clinical: &str, verification: &str) -> Value {
    json!({
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"code": clinical}]},
        "verificationStatus": {"coding": [{"code": verification}]},
        "code": {"text": code},
        "onsetDateTime": "2019",
    })
}

#[test]
fn problems_stand_where_their_status_puts_them() {
    let document = document(&[
        problem("Asthma (disorder)", "active", "confirmed"),
        problem("Gout", "resolved", "confirmed"),
        problem("Lupus", "active", "refuted"),
        problem("Mumps", "active", "entered-in-error"),
    ]);
    let only = |title: &str| {
        let rows = &table(&document, "problems", title).unwrap().rows;
        assert_eq!(rows.len(), 1, "{title}");
        rows[0].title.clone()
    };
    assert_eq!(only("Active"), "Asthma");
    assert_eq!(only("Past"), "Gout");
    assert_eq!(only("Ruled out"), "Lupus");
    assert_eq!(document.front.problems.lines.len(), 1);
    assert_eq!(
        document.front.problems.lines[0].date.as_deref(),
        Some("2019")
    );
    assert_eq!(document.counts.entered_in_error, 1);
    assert!(!serde_json::to_string(&document).unwrap().contains("Mumps"));
    assert!(
        document
            .notes
            .iter()
            .any(|note| note.contains("1 record is marked by the source as entered in error"))
    );
}

#[test]
fn what_was_not_given_or_must_not_be_taken_never_looks_given() {
    let vaccine = |status: &str| {
        json!({"resourceType": "Immunization", "status": status, "vaccineCode": {"text": format!("Vaccine {status}")},
               "occurrenceDateTime": "2020-05", "statusReason": {"text": "Refused"}})
    };
    let medicine = |name: &str, forbidden: bool| {
        json!({"resourceType": "MedicationRequest", "status": "active", "intent": "order", "doNotPerform": forbidden,
               "medicationCodeableConcept": {"text": name}})
    };
    let document = document(&[
        vaccine("completed"),
        vaccine("not-done"),
        medicine("Ramipril", false),
        medicine("Ibuprofen", true),
    ]);
    let titles = |section: &str, title: &str| -> Vec<&str> {
        table(&document, section, title)
            .unwrap()
            .rows
            .iter()
            .map(|row| row.title.as_str())
            .collect()
    };
    assert_eq!(titles("immunizations", "Given"), ["Vaccine completed"]);
    assert_eq!(titles("immunizations", "Not given"), ["Vaccine not-done"]);
    assert_eq!(titles("medications", "Current"), ["Ramipril"]);
    assert_eq!(
        titles("medications", "Not to be taken, or not taken"),
        ["Ibuprofen"]
    );
    let front: Vec<_> = document
        .front
        .medicines
        .lines
        .iter()
        .map(|line| (line.title.as_str(), line.urgent))
        .collect();
    assert_eq!(front, [("Not: Ibuprofen", true), ("Ramipril", false)]);
}

#[test]
fn absence_is_never_told_as_health() {
    let nothing = ClinicalDocument::from_records(&[]);
    let empty = nothing.front.allergies.empty.unwrap();
    assert!(
        empty.contains("does not mean that there are none"),
        "{empty}"
    );
    let partial = ClinicalDocument::covering(&[], &[RecordType::LabResults]);
    let empty = partial.front.allergies.empty.unwrap();
    assert!(empty.contains("not part of what was shared"), "{empty}");
    let known = document(&[json!({
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy"}]},
    })]);
    assert_eq!(known.front.allergies.empty, None);
    assert_eq!(known.front.allergies.lines[0].title, "No known allergy");
}

#[test]
fn dangerous_allergies_come_first_with_their_reactions() {
    let allergy = |name: &str, criticality: &str| {
        json!({"resourceType": "AllergyIntolerance", "clinicalStatus": {"coding": [{"code": "active"}]},
               "criticality": criticality, "code": {"text": name},
               "reaction": [{"manifestation": [{"text": "Anaphylaxis"}], "severity": "severe"}]})
    };
    let document = document(&[allergy("Pollen", "low"), allergy("Penicillin", "high")]);
    let lines = &document.front.allergies.lines;
    assert_eq!(lines[0].title, "Penicillin");
    assert!(lines[0].urgent && !lines[1].urgent);
    assert_eq!(lines[0].detail, "criticality high; Anaphylaxis (severe)");
}

#[test]
fn dosage_is_told_in_words() {
    let check = |dosage: Value, told: &str| {
        let document = document(&[json!({
            "resourceType": "MedicationRequest", "status": "active", "intent": "order",
            "medicationCodeableConcept": {"text": "Metformin"}, "dosageInstruction": [dosage],
        })]);
        assert_eq!(document.front.medicines.lines[0].detail, told);
    };
    check(
        json!({"text": "1 tablet twice a day with meals"}),
        "1 tablet twice a day with meals",
    );
    check(
        json!({"timing": {"repeat": {"frequency": 2, "period": 1.0, "periodUnit": "d", "when": ["C"]}},
               "route": {"text": "oral"}, "doseAndRate": [{"doseQuantity": {"value": 500, "unit": "mg"}}]}),
        "500 mg, oral, twice a day, with meals",
    );
    check(
        json!({"timing": {"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}, "asNeededBoolean": true}),
        "once every 8 hours, as needed",
    );
    check(json!({}), "dosage not given");
}

#[test]
fn sensitive_kinds_are_named() {
    let resource = lab("2026-01-01", 4.0);
    let mut sensitive = record("1", &resource);
    sensitive.sensitivity = Kinds::of(Kind::Hiv);
    let document = ClinicalDocument::from_records(&[sensitive]);
    assert_eq!(document.sensitivity, ["HIV"]);
    assert_eq!(series(&document)[0].points[0].origin.sensitivity, ["HIV"]);
}

#[test]
fn files_and_texts_stand_among_the_documents() {
    let base = ClinicalRecord {
        id: "file",
        record_type: RecordType::Documents,
        sensitivity: Kinds::EMPTY,
        resource: None,
        text: None,
        title: "Discharge letter",
        date: Some("2024-02"),
        source: None,
        author: Some("Dr. Who"),
        sealed_by_server: false,
        file: Some(FileInfo {
            name: "letter.pdf",
            content_type: "application/pdf",
            size: 1_234_567,
        }),
    };
    let text = ClinicalRecord {
        id: "text",
        title: "Diary",
        text: Some("Slept well.\nAte little."),
        file: None,
        ..base
    };
    let document = ClinicalDocument::from_records(&[base, text]);
    let rows = &table(&document, "documents", "Files and texts")
        .unwrap()
        .rows;
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .any(|row| row.cells == ["2024-02", "application/pdf, 1.2 MB", "Dr. Who"])
    );
    let texts = &document.sections[0].texts;
    assert_eq!(texts[0].lines, ["Slept well.", "Ate little."]);
}

#[test]
fn hostile_shapes_are_read_without_harm() {
    let long = "x".repeat(1_000_000);
    let hostile = [
        json!({"resourceType": "Observation", "code": 7, "valueQuantity": {"value": "NaN"}, "component": {"code": []}}),
        json!({"resourceType": "Condition", "code": {"text": long}, "onsetDateTime": "2019-99-99", "note": {"text": 4}}),
        json!({"resourceType": "MedicationRequest", "dosageInstruction": "as told", "medicationReference": {"reference": "#me"}}),
        json!({"resourceType": "Patient", "name": "Plain String", "identifier": [[["x"]]]}),
        json!({"resourceType": ["Odd"], "status": {"a": 1}}),
        json!({"resourceType": "Bundle\u{202e}", "title": "\u{202e}gnp.exe\u{0}"}),
        json!([]),
        json!(null),
    ];
    let document = document(&hostile);
    assert_eq!(document.counts.shown, hostile.len());
    assert_eq!(document.shown_records().count(), hostile.len());
    let json = serde_json::to_string(&document).unwrap();
    assert!(json.len() < 20_000, "{}", json.len());
    assert!(!json.contains('\u{202e}') && !json.contains("\\u0000"));
}

#[test]
fn an_implant_is_an_alert_and_a_meter_is_not() {
    let device = |name: &str, status: &str| json!({"resourceType": "Device", "status": status, "type": {"text": name}});
    let document = document(&[
        device(
            "Implantable defibrillator, device (physical object)",
            "active",
        ),
        device("Cardiac pacemaker", "inactive"),
        device("Blood glucose meter", "active"),
    ]);
    let alerts: Vec<_> = document
        .front
        .alerts
        .lines
        .iter()
        .map(|line| line.title.as_str())
        .collect();
    assert_eq!(alerts, ["Implantable defibrillator, device"]);
}

#[test]
fn past_medicines_alone_are_not_told_as_none() {
    let document = document(&[json!({
        "resourceType": "MedicationRequest", "status": "stopped", "intent": "order",
        "medicationCodeableConcept": {"text": "Amoxicillin"},
    })]);
    let empty = document.front.medicines.empty.unwrap();
    assert!(empty.starts_with("No current medicines"), "{empty}");
}

#[test]
fn a_document_is_bounded_says_so_and_keeps_what_matters() {
    let bill = json!({"resourceType": "Claim"});
    let problem = problem("Asthma", "active", "confirmed");
    let old = lab("1990-01-01", 4.0);
    let ids: Vec<String> = (0..MAX_RECORDS + 10)
        .map(|index| index.to_string())
        .collect();
    let mut records: Vec<_> = ids
        .iter()
        .map(|id| ClinicalRecord {
            record_type: RecordType::Insurance,
            date: Some("2026-01-01"),
            ..record(id, &bill)
        })
        .collect();
    records.push(record("old", &old));
    records.push(record("problem", &problem));
    let document = ClinicalDocument::from_records(&records);
    assert_eq!(document.counts.cut, 12);
    assert_eq!(document.counts.shown, MAX_RECORDS);
    assert_eq!(document.front.problems.lines[0].title, "Asthma");
    assert_eq!(series(&document).len(), 1);
    assert!(
        document
            .notes
            .iter()
            .any(|note| note.contains("12 further records are not in it"))
    );
}
