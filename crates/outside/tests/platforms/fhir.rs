use chartkey_domain::connections::{ErrorClass, Removed};
use chartkey_fakes::platforms::fhir_sink::FhirSink;
use chartkey_fakes::{Fault, Rule};
use serde_json::json;

use super::bench::{BIRTH_DATE, Bench, DEDUPE, EMAIL, Fake, NoTokens, Shape, ann, letter};

fn sink(bench: &Bench) -> &FhirSink {
    match &bench.fake {
        Fake::Fhir(sink) => sink,
        _ => panic!("another platform"),
    }
}

#[tokio::test]
async fn the_patient_is_found_by_our_identifier_before_anything_else() {
    let bench = Bench::new(Shape::Fhir).await;
    let identifier = json!([{
        "system": "urn:chartkey:patient",
        "value": ann().patient.unwrap().to_string(),
    }]);
    bench.add_client(EMAIL, BIRTH_DATE);
    let id = sink(&bench).add_patient(&json!({
        "resourceType": "Patient", "identifier": identifier,
    }));
    let found = bench.find_clients().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, id);
    sink(&bench).add_patient(&json!({
        "resourceType": "Patient", "identifier": identifier,
    }));
    assert_eq!(bench.find_clients().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_patient_is_created_once_however_often() {
    let bench = Bench::new(Shape::Fhir).await;
    let create = async || {
        bench
            .platform()
            .create_client(&bench.endpoint, &NoTokens, &ann())
            .await
    };
    bench
        .stage
        .set_faults(vec![Rule::nth("create:Patient", 1, Fault::TimeoutAfter)]);
    assert_eq!(create().await.unwrap_err().class, ErrorClass::Unknown);
    let one = create().await.unwrap();
    assert_eq!(create().await.unwrap(), one);
    assert_eq!(bench.received.holdings().clients.len(), 1);
}

#[tokio::test]
async fn a_server_that_knows_conditional_creation_holds_it_once_without_a_look() {
    let bench = Bench::new(Shape::Fhir).await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let first = bench.put(&ann, &letter()).await;
    assert_eq!(bench.put(&ann, &letter()).await, first);
    assert_eq!(bench.documents().len(), 1);
    // The second file replaced the first.
    assert_eq!(sink(&bench).binaries(), 1);
}

#[tokio::test]
async fn a_server_that_gives_ids_itself_gets_the_file_posted() {
    let bench = Bench::new(Shape::Fhir).await;
    sink(&bench).set_creates_by_put(false);
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let id = bench.put(&ann, &letter()).await;
    let reference = sink(&bench).reference(&id).unwrap();
    assert_eq!(reference["content"][0]["attachment"]["url"], "Binary/b2");
    assert_eq!(bench.documents().len(), 1);
}

#[tokio::test]
async fn a_reference_says_whose_it_is_what_it_is_and_where_the_file_is() {
    let bench = Bench::new(Shape::Fhir).await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let id = bench.put(&ann, &letter()).await;
    let reference = sink(&bench).reference(&id).unwrap();
    let expected = json!({
        "resourceType": "DocumentReference",
        "id": id,
        "meta": {"versionId": "1"},
        "identifier": [{"system": "urn:chartkey:delivery", "value": "src:ABCDEFGHJKLMNPQR"}],
        "status": "current",
        "type": {"text": "letter"},
        "subject": {"reference": format!("Patient/{}", ann.id)},
        "date": "2026-11-02T10:00:20Z",
        "description": "Letter of Dr. O\u{2019}Neil",
        "content": [{"attachment": {
            "contentType": "application/pdf",
            "url": "Binary/ck-ABCDEFGHJKLMNPQR",
            "title": "2026-10-01_letter_clinic_ab12.pdf",
            "size": letter().bytes.len(),
        }}],
        "context": {"period": {"start": "2026-10-01"}},
    });
    assert_eq!(reference, expected);
}

#[tokio::test]
async fn a_server_that_does_not_search_by_identifier_is_not_believed() {
    let bench = Bench::new(Shape::Fhir).await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    bench.put(&ann, &letter()).await;
    sink(&bench).set_filters(false);
    let refusal = bench.find(&ann, "ZZZZZZZZZZZZZZZZ").await.unwrap_err();
    assert_eq!(refusal.class, ErrorClass::Unsupported);
    let found = bench.find(&ann, DEDUPE).await.unwrap();
    assert!(found.is_some());
}

#[tokio::test]
async fn removal_takes_back_or_deletes_as_settings_say() {
    let mut bench = Bench::new(Shape::Fhir).await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let remove = async |bench: &Bench, id: &str| {
        let platform = bench.platform();
        platform
            .remove_document(&bench.endpoint, &NoTokens, &ann, id)
            .await
    };
    let id = bench.put(&ann, &letter()).await;
    assert_eq!(remove(&bench, &id).await, Ok(Removed::Archived));
    let reference = sink(&bench).reference(&id).unwrap();
    assert_eq!(reference["status"], "entered-in-error");
    assert_eq!(sink(&bench).binaries(), 1);

    bench.endpoint.settings = json!({"destination": {"removal": "delete"}});
    let id = bench.put(&ann, &letter()).await;
    assert_eq!(remove(&bench, &id).await, Ok(Removed::Deleted));
    assert_eq!(sink(&bench).reference(&id), None);
    assert_eq!(sink(&bench).binaries(), 0);
}

#[tokio::test]
async fn a_reference_that_was_changed_meanwhile_is_a_conflict_and_tried_again() {
    let bench = Bench::new(Shape::Fhir).await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let id = bench.put(&ann, &letter()).await;
    bench.stage.set_faults(vec![Rule::nth(
        "update:DocumentReference",
        1,
        Fault::status(412),
    )]);
    let remove = async || {
        bench
            .platform()
            .remove_document(&bench.endpoint, &NoTokens, &ann, &id)
            .await
    };
    assert_eq!(remove().await.unwrap_err().class, ErrorClass::Conflict);
    assert_eq!(remove().await, Ok(Removed::Archived));
    let versions = bench.stage.received("update:DocumentReference");
    assert_eq!(versions[1].headers["if-match"], "W/\"1\"");
}

#[tokio::test]
async fn a_server_of_another_version_is_refused() {
    let bench = Bench::new(Shape::Fhir).await;
    let old = Fault::Status {
        status: 200,
        retry_after: None,
        body: Some(r#"{"resourceType":"CapabilityStatement","fhirVersion":"1.0.2"}"#.to_owned()),
    };
    bench
        .stage
        .set_faults(vec![Rule::every("capabilities:metadata", old)]);
    let refusal = bench.platform().verify(&bench.endpoint, &NoTokens).await;
    assert_eq!(refusal.unwrap_err().class, ErrorClass::Unsupported);
}
