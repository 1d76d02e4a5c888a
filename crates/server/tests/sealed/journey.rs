//! What people do with sealed clients, from registration to recovery.

use chartkey_fhir::{Compartment, Kind, Kinds, RecordType};
use chartkey_fhir::{Limits, plan_import};
use chartkey_service::world::PASSWORD;
use chartkey_vault::client::Authorship;
use chartkey_vault::contents::clinical;
use chartkey_vault::http::Http;
use chartkey_vault::link::parse_url;
use chartkey_vault::sharing::LinkWords;
use chartkey_vault::visit::{Visit, Visitor};
use chartkey_vault::{Transport, VaultError};

use crate::wire::{CLINICAL, Person, Stage, act, texts};

const NOTE: &str = r#"{"resourceType":"Observation","id":"n","status":"final",
 "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],
 "code":{"text":"Ferritin by the provider"},"valueString":"ok"}"#;

/// Writes one resource into somebody's record.
async fn add(stage: &mut Stage, by: &mut Person, patient: chartkey_vault::Id, json: &str) {
    let plan = plan_import(json.as_bytes(), None, &Limits::default()).unwrap();
    let source = "provider";
    let done = by
        .client
        .import(patient, plan, None, source, Some("Dr. Ng"), act!(stage))
        .await
        .unwrap();
    assert_eq!(done.created, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_reads_what_was_granted_writes_and_is_revoked() {
    let mut stage = Stage::new().await;
    let mut ada = stage.patient("ada").await;
    let mut ng = stage.provider("ng").await;
    stage.import(&mut ada).await;
    let patient = ada.patient;
    let mut wish = stage.wish(&[RecordType::LabResults]);
    wish.write_types = vec![RecordType::LabResults];
    let granted = ada
        .client
        .share_with(patient, ng.id, &wish, act!(stage))
        .await;
    let grant = granted.unwrap();

    let seen = texts(&mut ng, patient).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].contains("Potassium serum"));

    // Written directly, read by both, adopted by its owner.
    add(&mut stage, &mut ng, patient, NOTE).await;
    assert_eq!(texts(&mut ng, patient).await.unwrap().len(), 2);
    let open = ada.client.settle(patient, act!(stage)).await.unwrap();
    assert_eq!(open.manager.as_ref().unwrap().unadopted, 0);
    assert_eq!(texts(&mut ada, patient).await.unwrap().len(), 4);
    assert_eq!(texts(&mut ng, patient).await.unwrap().len(), 2);
    let listing = ada.client.list(&open, false).await.unwrap();
    let by_ng = listing
        .records
        .iter()
        .find(|l| l.sealed.author == Some(ng.id));
    let read = ada
        .client
        .read(&open, by_ng.unwrap().sealed.id, None)
        .await
        .unwrap();
    assert_eq!(read.authorship, Authorship::Signed(ng.id));

    ada.client
        .end_grant(patient, grant, act!(stage))
        .await
        .unwrap();
    let refused = texts(&mut ng, patient).await;
    assert!(
        matches!(refused, Err(VaultError::Refused { status: 403, .. })),
        "{refused:?}"
    );
    let open = ada.client.settle(patient, act!(stage)).await.unwrap();
    let labs = Compartment::new(RecordType::LabResults, Kinds::EMPTY);
    assert_eq!(open.chain.current_epoch(labs).n, 2);
    assert_eq!(texts(&mut ada, patient).await.unwrap().len(), 4);
    stage.must_have_heard_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_by_its_url_and_ends_with_its_revocation() {
    let mut stage = Stage::new().await;
    let mut ada = stage.patient("ada").await;
    stage.import(&mut ada).await;
    let mut wish = stage.wish(&[RecordType::LabResults, RecordType::Conditions]);
    wish.may_download = true;
    let words = LinkWords {
        recipient_name: Some("Dr. Ng".to_owned()),
        send_email: Some("none".to_owned()),
        passcode: Some("garden gate 5".to_owned()),
        ..LinkWords::default()
    };
    let url = "https://chart.example";
    let made = ada
        .client
        .make_link(ada.patient, &wish, &words, url, act!(stage))
        .await
        .unwrap();
    assert!(made.shlink.is_some());
    let (token, key) = parse_url(&made.url).unwrap();
    let again = ada
        .client
        .link_url(ada.patient, made.grant, &token, url)
        .await;
    assert_eq!(*again.unwrap(), *made.url);

    let http = Http(stage.wire());
    let mut visitor = Visitor {
        passcode: None,
        name: Some("Dr. Ng".to_owned()),
    };
    let turned = Visit::open(&http, &made.url, &visitor).await.unwrap_err();
    assert_eq!(turned.code(), "share.passcode");
    visitor.passcode = Some("garden gate 5".to_owned());
    let visit = Visit::open(&http, &made.url, &visitor).await.unwrap();
    assert_eq!(visit.link.cover, wish.cover);
    assert!(visit.listing.unopened.is_empty());
    let held = visit.contents(&http, None).await.unwrap();
    let document = clinical(&held, &wish.types);
    assert_eq!(document.counts.records, 2);
    let told = serde_json::to_string(&document).unwrap();
    assert!(told.contains("Potassium serum") && !told.contains("Salbutamol"));

    ada.client
        .end_grant(ada.patient, made.grant, act!(stage))
        .await
        .unwrap();
    let gone = Visit::open(&http, &made.url, &visitor).await.unwrap_err();
    assert!(
        matches!(gone, VaultError::Refused { status: 410, .. }),
        "{gone:?}"
    );
    assert!(!stage.heard(&chartkey_vault::link::key_text(&key)));
    stage.must_have_heard_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_found_to_be_sensitive_leaves_those_who_may_not_follow() {
    let mut stage = Stage::new().await;
    let mut ada = stage.patient("ada").await;
    let mut ng = stage.provider("ng").await;
    stage.import(&mut ada).await;
    let patient = ada.patient;
    let wish = stage.wish(&[RecordType::Conditions]);
    ada.client
        .share_with(patient, ng.id, &wish, act!(stage))
        .await
        .unwrap();
    assert_eq!(texts(&mut ng, patient).await.unwrap().len(), 1);
    let open = ada.client.open(patient).await.unwrap();
    let listing = ada.client.list(&open, false).await.unwrap();
    let of_type =
        |t| move |l: &&chartkey_vault::reading::Listed| l.sealed.compartment.record_type == t;
    let condition = listing.records.iter().find(of_type(RecordType::Conditions));
    let to = Compartment::new(RecordType::Conditions, Kinds::of(Kind::MentalHealth));
    let record = condition.unwrap().sealed.id;
    ada.client
        .move_record(patient, record, to, act!(stage))
        .await
        .unwrap();
    assert!(texts(&mut ng, patient).await.unwrap().is_empty());
    assert_eq!(texts(&mut ada, patient).await.unwrap().len(), 3);
    let moved = ada.client.transport.find(record).await.unwrap();
    assert_eq!(moved.items[0].compartment, to);
    stage.must_have_heard_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_with_another_password_or_a_recovery_code() {
    let mut stage = Stage::new().await;
    let mut ada = stage.patient("ada").await;
    stage.import(&mut ada).await;
    let new = "orchard fence in october";
    let transport = &ada.client.transport;
    let act = act!(stage);
    let weak =
        transport.change_password(&ada.client.account, &ada.email, PASSWORD, "password", act);
    assert_eq!(weak.await.unwrap_err().code(), "password.too_short");
    let act = act!(stage);
    let changed = transport.change_password(&ada.client.account, &ada.email, PASSWORD, new, act);
    changed.await.unwrap();
    let http = Http(stage.wire());
    let refused = http.sign_in(&ada.email, PASSWORD).await;
    assert!(matches!(
        refused,
        Err(VaultError::Refused { status: 401, .. })
    ));

    let wire = stage.wire();
    let done = Http(wire.clone()).sign_in(&ada.email, new).await.unwrap();
    let mut again = stage.person(&ada.email, wire, done);
    assert_eq!(texts(&mut again, ada.patient).await.unwrap().len(), 3);
    again.client.check_own_keys().await.unwrap();
    assert!(!stage.heard(new) && !stage.heard(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_brings_everything_back_once() {
    let mut stage = Stage::new().await;
    let email = "ada@example.org";
    let http = Http(stage.wire());
    let person = serde_json::json!({"email": email, "name": "ada"});
    let made = http
        .register(
            chartkey_vault::session::Role::Patient,
            person.as_object().unwrap(),
            PASSWORD,
            act!(stage),
        )
        .await
        .unwrap();
    let mut ada = stage.sign_in(email).await;
    stage.import(&mut ada).await;
    let code = made.recovery.to_text();
    let new = "orchard fence in october";
    let wire = stage.wire();
    let recovering = Http(wire.clone());
    let recovered = recovering.recover(email, &code, new, act!(stage)).await;
    let (done, fresh) = recovered.unwrap();
    assert_ne!(*fresh.to_text(), *code);
    let mut back = stage.person(email, wire, done);
    assert_eq!(texts(&mut back, ada.patient).await.unwrap().len(), 3);
    let twice = Http(stage.wire())
        .recover(email, &code, new, act!(stage))
        .await;
    assert!(matches!(
        twice,
        Err(VaultError::Refused { status: 401, .. })
    ));
    assert!(!stage.heard(&code) && !stage.heard(&fresh.to_text()));
    stage.must_have_heard_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_and_assisted_clients_open_each_others_records() {
    let mut stage = Stage::new().await;
    // An account that lets the server hold its keys for a request.
    let conversation = std::sync::Arc::get_mut(&mut stage.conversation).unwrap();
    let token = conversation.patient("ada@example.org").await;
    let call = |method: &str, body: &str| {
        axum::http::Request::builder()
            .method(method)
            .uri("/api/records")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/fhir+json")
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap()
    };
    let stored = stage.conversation.raw(call("POST", NOTE)).await;
    assert_eq!(stored.status, 201, "{}", stored.text);
    let mut ada = stage.sign_in("ada@example.org").await;
    stage.import(&mut ada).await;
    let patient = ada.patient;
    assert_eq!(texts(&mut ada, patient).await.unwrap().len(), 4);
    let listed = stage.conversation.raw(call("GET", "")).await;
    assert_eq!(
        listed.json["items"].as_array().unwrap().len(),
        4,
        "{}",
        listed.text
    );
    assert!(listed.text.contains("Potassium serum"));
    stage.must_have_heard_nothing();
}

impl Stage {
    /// Neither the password nor a word of the import crossed in the clear.
    fn must_have_heard_nothing(&self) {
        assert!(!self.heard(PASSWORD));
        for word in CLINICAL {
            assert!(!self.heard(word), "{word} crossed in the clear");
        }
    }
}
