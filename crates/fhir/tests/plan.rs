//! What a plan promises to those who write it: bytes, identities, places,
//! headers.

use chartkey_fhir::{
    Compartment, Format, Header, ImportPlan, Kind, Limits, RecordType, header_for_file,
    header_for_text, parse, plan_import,
};

#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn plan(text: &str) -> ImportPlan {
    plan_import(
        text.as_bytes(),
        Some("application/fhir+json"),
        &Limits::default(),
    )
    .unwrap()
}

fn bundle(entries: &[&str]) -> String {
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
        entries.join(",")
    )
}

fn header(resource: &str) -> Header {
    plan(resource).items.remove(0).header
}

#[test]
fn identity_is_type_and_id_or_else_full_url_or_nothing() {
    let text = bundle(&[
        r#"{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p"}}"#,
        r#"{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Patient"}}"#,
        r#"{"resource":{"resourceType":"Patient"}}"#,
    ]);
    let plan = plan(&text);
    let identities: Vec<_> = plan
        .items
        .iter()
        .map(|item| item.identity.as_str())
        .collect();
    assert_eq!(identities, ["Patient/p", "urn:uuid:2", ""]);
    assert_eq!(plan.bundle_type.as_deref(), Some("transaction"));
}

#[test]
fn original_bytes_are_kept_and_canonical_bytes_ignore_versions() {
    let one = r#"{ "resourceType" : "Patient", "id":"p", "meta":{"versionId":"1"}, "x": 1.00 }"#;
    let other = r#"{"x":1.00,"id":"p","resourceType":"Patient","meta":{"versionId":"2"}}"#;
    let (one_plan, other_plan) = (plan(one), plan(other));
    assert_eq!(one_plan.items[0].bytes, one.as_bytes());
    assert_eq!(one_plan.items[0].canonical, other_plan.items[0].canonical);
}

#[test]
fn supporting_resources_go_where_they_are_referred_from() {
    let text = bundle(&[
        r#"{"resource":{"resourceType":"Practitioner","id":"dr","identifier":[{"system":"http://npi","value":"7"}]}}"#,
        r#"{"resource":{"resourceType":"PractitionerRole","id":"role","practitioner":{"reference":"Practitioner/dr"}}}"#,
        r#"{"resource":{"resourceType":"Condition","id":"c","code":{"text":"Depression"},"asserter":{"reference":"PractitionerRole/role"}}}"#,
        r#"{"resource":{"resourceType":"Immunization","id":"i","performer":[{"actor":{"reference":"Practitioner?identifier=http://npi|7"}}]}}"#,
        r#"{"resource":{"resourceType":"Location","id":"alone"}}"#,
    ]);
    let plan = plan(&text);
    let names = |at: usize| -> Vec<_> {
        plan.items[at]
            .placements
            .iter()
            .map(|place| place.name())
            .collect()
    };
    assert_eq!(names(0), ["vaccines", "conditions+mental-health"]);
    assert_eq!(names(1), ["conditions+mental-health"]);
    assert_eq!(names(2), ["conditions+mental-health"]);
    assert_eq!(names(4), ["other"]);
    assert!(plan.items[0].supporting && plan.items[4].supporting);
    assert!(!plan.items[2].supporting);
}

#[test]
fn a_label_of_the_bundle_holds_for_every_entry() {
    let text = r#"{"resourceType":"Bundle","type":"collection",
        "entry":[{"resource":{"resourceType":"Observation","status":"final"}}],
        "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]}}"#;
    let plan = plan(text);
    assert_eq!(
        plan.items[0].placements,
        [Compartment::new(RecordType::Other, Kind::Hiv.into())]
    );
}

#[test]
fn people_and_places_do_not_spread_kinds() {
    let text = bundle(&[
        r#"{"resource":{"resourceType":"Patient","id":"p","meta":{"security":[{"code":"SEX"}]}}}"#,
        r#"{"resource":{"resourceType":"QuestionnaireResponse","id":"q","source":{"reference":"Patient/p"},"subject":{"reference":"Patient/p"}}}"#,
    ]);
    let plan = plan(&text);
    assert!(plan.items[0].kinds.contains(Kind::SexualHealth));
    assert!(plan.items[1].kinds.is_empty());
}

#[test]
fn files_are_judged_by_name_type_and_text() {
    use chartkey_fhir::classify::{kinds_of_file, record_type_of_file};
    let dicom = record_type_of_file(None, Some("IM0001"), "application/dicom");
    assert_eq!(dicom, RecordType::Imaging);
    let titled = record_type_of_file(
        Some("Lab report March"),
        Some("scan.pdf"),
        "application/pdf",
    );
    assert_eq!(titled, RecordType::LabResults);
    assert_eq!(
        record_type_of_file(None, Some("scan.pdf"), "application/pdf"),
        RecordType::Documents
    );
    let text = kinds_of_file(
        None,
        Some("note.txt"),
        "text/plain",
        b"Started on methadone.",
    );
    assert!(text.contains(Kind::SubstanceUse));
    assert!(kinds_of_file(Some("HIV test"), None, "application/pdf", b"%PDF").contains(Kind::Hiv));
    assert!(kinds_of_file(None, Some("knee.pdf"), "application/pdf", b"HIV").is_empty());
}

#[test]
fn references_against_the_base_of_the_referrer_come_first() {
    let condition = |base: &str, label: &str| {
        format!(
            r#"{{"fullUrl":"{base}/Condition/1","resource":{{"resourceType":"Condition","id":"1","meta":{{"security":[{{"code":"{label}"}}]}}}}}}"#
        )
    };
    let text = bundle(&[
        &condition("https://a.example/fhir", "HIV"),
        &condition("https://b.example/fhir", "N"),
        r#"{"fullUrl":"https://b.example/fhir/Procedure/1","resource":{"resourceType":"Procedure","id":"1","reasonReference":[{"reference":"Condition/1"}]}}"#,
        r#"{"fullUrl":"https://b.example/fhir/Procedure/2","resource":{"resourceType":"Procedure","id":"2","reasonReference":[{"reference":"https://a.example/fhir/Condition/1/_history/3"}]}}"#,
    ]);
    let plan = plan(&text);
    assert!(plan.items[2].kinds.is_empty());
    assert!(plan.items[3].kinds.contains(Kind::Hiv));
}

#[test]
fn headers_are_readable() {
    let glucose = header(
        r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2345-7","display":"Glucose [Mass/volume] in Serum or Plasma"}],"text":"Glucose"},
           "effectivePeriod":{"start":"2024-05"},"issued":"2024-06-01T00:00:00Z","valueQuantity":{"value":6.30,"comparator":"<","unit":"mmol/L"}}"#,
    );
    assert_eq!(glucose.title, "Glucose");
    assert_eq!(glucose.date.as_deref(), Some("2024-05"));
    assert_eq!(glucose.status.as_deref(), Some("final"));
    assert_eq!(glucose.value.as_deref(), Some("<6.30 mmol/L"));
    assert_eq!(glucose.codes[0].code.as_deref(), Some("2345-7"));

    let wrong = header(
        r#"{"resourceType":"Condition","clinicalStatus":{"coding":[{"code":"active"}]},"verificationStatus":{"coding":[{"code":"entered-in-error"}]},"code":{"coding":[{"code":"1"}]},"onsetDateTime":"sometime","recordedDate":"2020-02-30"}"#,
    );
    assert_eq!(wrong.status.as_deref(), Some("entered-in-error"));
    assert_eq!(wrong.title, "Condition (1)");
    assert_eq!(wrong.date, None);

    let name =
        header(r#"{"resourceType":"Patient","name":[{"given":["Ana","M."],"family":"Ruiz"}]}"#);
    assert_eq!(name.title, "Ana M. Ruiz");
    assert_eq!(
        header(r#"{"resourceType":"ExplanationOfBenefit"}"#).title,
        "Explanation of benefit"
    );
    let long = format!(
        r#"{{"resourceType":"List","title":"{}"}}"#,
        "wört ".repeat(100)
    );
    let long = header(&long).title;
    assert_eq!(long.chars().count(), 200);
    assert!(long.ends_with('…'));
}

#[test]
fn a_prescription_is_listed_under_the_medication_it_refers_to() {
    let text = bundle(&[
        r#"{"resource":{"resourceType":"MedicationRequest","id":"r","medicationReference":{"reference":"Medication/m"}}}"#,
        r#"{"resource":{"resourceType":"Medication","id":"m","code":{"coding":[{"code":"860975","display":"Metformin"}]}}}"#,
    ]);
    let plan = plan(&text);
    assert_eq!(plan.items[0].header.title, "Metformin");
    assert_eq!(
        plan.items[0].header.codes[0].code.as_deref(),
        Some("860975")
    );
}

#[test]
fn files_and_texts_have_headers_too() {
    let file = header_for_file(
        None,
        Some("C:\\scans\\x-ray.png"),
        "image/png",
        12,
        Some("2024-01-02"),
    );
    assert_eq!(
        (file.title.as_str(), file.size_bytes),
        ("x-ray.png", Some(12))
    );
    assert_eq!(file.date.as_deref(), Some("2024-01-02"));
    let text = header_for_text(None, "\n  Slept badly.\nMore.", Some("no date"));
    assert_eq!((text.title.as_str(), text.date), ("Slept badly.", None));
    assert_eq!(header_for_text(None, " ", None).title, "Note");
}

#[test]
fn headers_survive_storage() {
    let one = header(r#"{"resourceType":"Flag","status":"active","code":{"text":"x"}}"#);
    let json = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<Header>(&json).unwrap(), one);
    assert_eq!(
        serde_json::from_str::<Header>(r#"{"title":"x"}"#)
            .unwrap()
            .title,
        "x"
    );
}

#[test]
fn parsing_alone_gives_trees_and_bytes() {
    let text = bundle(&[r#"{"resource":{"resourceType":"Patient","id":"p","birthDate":"2000"}}"#]);
    let parsed = parse(text.as_bytes(), Format::Auto, &Limits::default()).unwrap();
    assert_eq!(parsed.resources[0].node.str_at("birthDate"), Some("2000"));
    assert!(parsed.issues().is_empty());
}

#[test]
fn free_words_for_documents_are_mapped() {
    use chartkey_fhir::classify::record_type_of_words as map;
    for (words, record_type) in [
        ("Lab Results", RecordType::LabResults),
        ("lab_results", RecordType::LabResults),
        ("Blood test", RecordType::LabResults),
        ("MRI knee", RecordType::Imaging),
        ("Meal plan", RecordType::Diet),
        ("Referral letter", RecordType::Documents),
        ("", RecordType::Documents),
    ] {
        assert_eq!(map(words), record_type, "{words}");
    }
}
