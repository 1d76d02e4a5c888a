use std::sync::Arc;

use chartkey_domain::connections::{
    ConnectionKind, ConnectorError, Connectors, Credentials, DedupeKey, Endpoint, ErrorClass,
    PutState, RemoteClient, Removed, TokenKeeper, TokenState,
};
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::ids::ConnectionId;
use chartkey_fakes::fhir::{FhirServer, LetIn, Record, Shape as Vendor};
use chartkey_fakes::platforms::fhir_sink::FhirSink;
use chartkey_fakes::{Fault, Rule};
use serde_json::json;
use zeroize::Zeroizing;

use super::bench::{
    BIRTH_DATE, Bench, DEDUPE, EMAIL, Fake, NoTokens, Shape, adapters, ann, clock, http, letter,
};

fn sink(bench: &Bench) -> &FhirSink {
    match &bench.fake {
        Fake::Fhir(running) => &running.platform,
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

/// The tokens that a patient's authorization brought.
struct Authorized(LetIn);

impl TokenKeeper for Authorized {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenState>, ConnectorError>> {
        Box::pin(async {
            Ok(Some(TokenState {
                access_token: Zeroizing::new(self.0.access_token.clone()),
                expires_at: None,
                refresh_token: None,
                patient: None,
                scope: None,
            }))
        })
    }

    fn take_turn(&self) -> BoxFuture<'_, Result<bool, ConnectorError>> {
        Box::pin(async { Ok(true) })
    }

    fn store(&self, _state: TokenState) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    fn give_up(&self, _lapsed: bool) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn another_server_takes_documents_by_token_and_what_was_taken_back_stands_again() {
    // This one looks at the identifier alone when it creates on a condition.
    let clock = clock();
    let server = FhirServer::start(Vendor::Plain, Arc::new(clock.clone()), 0)
        .await
        .unwrap();
    let patient = RemoteClient {
        id: server.load(Record::Small),
    };
    let tokens = Authorized(server.authorize(&patient.id, "patient/*.cruds"));
    let before = server.all("DocumentReference").len();
    let endpoint = Endpoint {
        connection: ConnectionId::from_bytes([2; 16]),
        kind: ConnectionKind::Fhir,
        base_url: server.base_url(),
        credentials: Credentials::Smart {
            client_id: "chartkey".to_owned(),
            client_secret: None,
            token_url: server.token_url(),
        },
        settings: json!({}),
    };
    let adapters = adapters(http(), &clock);
    let platform = adapters.platform(ConnectionKind::Fhir).unwrap();
    platform.verify(&endpoint, &tokens).await.unwrap();
    let (key, letter) = (DedupeKey(DEDUPE.to_owned()), letter());
    let put = async || {
        let mut resume = None;
        loop {
            let step = platform
                .put_document(
                    &endpoint,
                    &tokens,
                    &patient,
                    &letter,
                    &key,
                    resume.as_deref(),
                )
                .await;
            match step.unwrap() {
                PutState::Done(id) => return id,
                PutState::Pending(token) => resume = Some(token),
            }
        }
    };
    let status = |id: &str| {
        let all = server.all("DocumentReference");
        let (_, reference) = all.into_iter().find(|(own, _)| own == id).unwrap();
        reference["status"].as_str().unwrap().to_owned()
    };
    let id = put().await;
    let found = platform.find_document(&endpoint, &tokens, &patient, &key);
    assert_eq!(found.await, Ok(Some(id.clone())));
    let removed = platform.remove_document(&endpoint, &tokens, &patient, &id);
    assert_eq!(removed.await, Ok(Removed::Archived));
    assert_eq!(status(&id), "entered-in-error");
    let found = platform.find_document(&endpoint, &tokens, &patient, &key);
    assert_eq!(found.await, Ok(None));
    assert_eq!(put().await, id);
    assert_eq!(status(&id), "current");
    assert_eq!(server.all("DocumentReference").len(), before + 1);
}
