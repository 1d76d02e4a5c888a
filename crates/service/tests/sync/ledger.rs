//! The ledger of deliveries: nothing is sent twice, nothing is lost, and a person
//! can see and decide what the engine cannot.

use chartkey_domain::connections::ErrorClass;
use chartkey_domain::sync::{DeliveryState, LinkState};
use chartkey_service::connections::{self, ConnectionChange};
use chartkey_service::delivery;
use serde_json::json;

use crate::fakes::Fault;
use crate::support::{Practice, code, document, fill, glucose, upload};

/// The number of the first call that begins like this, in a clean run.
async fn first_call(begins: &str) -> usize {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.sync().await;
    let calls = practice.fakes.calls();
    calls.iter().position(|c| c.starts_with(begins)).unwrap()
}

#[tokio::test]
async fn a_platform_that_cannot_be_searched_leaves_it_to_a_person() {
    let mut practice = Practice::new().await;
    practice.fakes.caps.lock().unwrap().find_document = false;
    fill(&practice.fakes);
    let n = first_call("put ").await;
    practice.fakes.fail(n, Fault::Lost(ErrorClass::Unknown));
    practice.sync().await;
    practice.pass(24 * 3_600).await;
    let review = practice.deliveries(DeliveryState::NeedsReview).await;
    assert_eq!(review.len(), 1);
    assert!(review[0].sentence.contains("cannot be searched"));
    assert_eq!(
        practice.fakes.documents().len(),
        4,
        "not sent a second time"
    );
    // She looked: it is there.
    let (service, caller) = (&practice.world.service, &practice.dietician.caller);
    delivery::dismiss_delivery(service, caller, review[0].id)
        .await
        .unwrap();
    practice.pass(3_600).await;
    assert_eq!(practice.fakes.documents().len(), 4);
    let again =
        delivery::dismiss_delivery(service_of(&practice), caller_of(&practice), review[0].id);
    assert_eq!(code(&again.await.unwrap_err()), "delivery.state");
}

fn service_of(practice: &Practice) -> &chartkey_service::Service {
    &practice.world.service
}

fn caller_of(practice: &Practice) -> &chartkey_service::Caller {
    &practice.dietician.caller
}

#[tokio::test]
async fn what_is_refused_for_good_is_seen_and_can_be_tried_again() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    let n = first_call("put ").await;
    practice.fakes.fail(n, Fault::Refused(ErrorClass::Invalid));
    practice.sync().await;
    practice.pass(600).await;
    let dead = practice.deliveries(DeliveryState::Dead).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].problem.as_deref(), Some("connection.invalid"));
    assert_eq!(
        dead[0].sentence,
        "It was not sent to Practice Desk: it does not take this as it is."
    );
    assert_eq!(practice.fakes.documents().len(), 3);
    delivery::retry_delivery(service_of(&practice), caller_of(&practice), dead[0].id)
        .await
        .unwrap();
    practice.pass(600).await;
    assert_eq!(practice.fakes.documents().len(), 4);
}

#[tokio::test]
async fn a_platform_that_takes_no_documents_gets_them_by_hand() {
    let mut practice = Practice::without_attachments().await;
    practice.fakes.caps.lock().unwrap().put_document = false;
    fill(&practice.fakes);
    practice.attach_source().await;
    practice.attach_destination().await;
    practice.pass(60).await;
    practice.sync().await;
    let to_do = practice.deliveries(DeliveryState::HandedOff).await;
    assert_eq!(to_do.len(), 4);
    assert!(practice.fakes.calls().iter().all(|c| !c.starts_with("put")));
    let envelopes = crate::support::read(&practice.world.service, |db| {
        db.query_i64(
            "SELECT COUNT(*) FROM deliveries WHERE envelope IS NOT NULL",
            &[],
        )
    });
    assert_eq!(envelopes.await, 0, "nothing is sealed to it");
    delivery::confirm_hand_off(service_of(&practice), caller_of(&practice), to_do[0].id)
        .await
        .unwrap();
    assert_eq!(practice.deliveries(DeliveryState::HandedOff).await.len(), 3);
    let log = practice.log().await;
    assert!(
        log.iter()
            .any(|l| l.ends_with("Filed by hand in Practice Desk."))
    );
    // The platform opens its API: what waits is sent.
    practice.fakes.caps.lock().unwrap().put_document = true;
    practice.sync().await;
    let view = crate::support::listed(&practice.world.service, &practice.dietician, practice.id());
    view.await;
    practice.pass(60).await;
    assert_eq!(practice.fakes.documents().len(), 3);
}

#[tokio::test]
async fn no_client_or_several_is_never_guessed() {
    for clients in [0, 2] {
        let mut practice = Practice::without_attachments().await;
        fill(&practice.fakes);
        if clients == 2 {
            practice.fakes.client("client-2");
        } else {
            practice.fakes.caps.lock().unwrap().find_client = false;
        }
        practice.attach_source().await;
        practice.attach_destination().await;
        practice.pass(3_600).await;
        assert!(practice.fakes.documents().is_empty());
        let (service, caller) = (service_of(&practice), caller_of(&practice));
        let on = connections::list_patient_connections(service, caller, practice.id())
            .await
            .unwrap();
        let waits = on
            .iter()
            .find(|c| c.connection == practice.destination)
            .unwrap();
        assert_eq!(waits.state, LinkState::NeedsAttention);
        let calls = practice.fakes.calls();
        let asked = calls.iter().filter(|c| *c == "find_clients").count();
        assert!(asked <= 1, "nobody asks over and over: {calls:?}");
        let chosen = zeroize::Zeroizing::new("client-1".to_owned());
        connections::update_remote_patient(
            service,
            caller,
            practice.destination,
            practice.id(),
            chosen,
        )
        .await
        .unwrap();
        practice.pass(60).await;
        assert_eq!(practice.fakes.documents().len(), 4);
    }
}

#[tokio::test]
async fn a_client_is_created_where_the_owner_said_so_and_once() {
    let mut practice = Practice::without_attachments().await;
    fill(&practice.fakes);
    practice.fakes.caps.lock().unwrap().find_client = false;
    let change = ConnectionChange {
        settings: Some(json!({"client_policy": "auto"})),
        ..ConnectionChange::default()
    };
    let (service, caller) = (service_of(&practice), caller_of(&practice));
    connections::update_connection(service, caller, practice.destination, change)
        .await
        .unwrap();
    practice.attach_source().await;
    practice.attach_destination().await;
    practice.pass(3_600).await;
    assert_eq!(practice.fakes.clients(), ["client-1", "client-2"]);
    let there = practice.fakes.documents();
    assert_eq!(there.len(), 4);
    assert!(there.iter().all(|d| d.client == "client-2"));
}

#[tokio::test]
async fn what_the_patient_writes_is_owed_until_its_key_is_sealed() {
    let mut practice = Practice::new().await;
    upload(
        &practice.world.service,
        &practice.patient,
        &glucose("own", 4.2),
    )
    .await;
    // The request that wrote it sealed its key.
    assert!(practice.deliveries(DeliveryState::Owed).await.is_empty());
    practice.pass(60).await;
    assert_eq!(practice.fakes.titles(), ["Glucose own"]);
    let put = practice.fakes.documents();
    assert!(put[0].bytes.starts_with(b"%PDF Glucose own"));
}

#[tokio::test]
async fn an_older_version_that_waits_is_not_sent_when_a_newer_one_is_there() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    // Nobody is at home at the platform.
    practice.fakes.clients();
    let paused = ConnectionChange {
        paused: Some(true),
        ..ConnectionChange::default()
    };
    let (service, caller) = (service_of(&practice), caller_of(&practice));
    connections::update_connection(service, caller, practice.destination, paused)
        .await
        .unwrap();
    practice.sync().await;
    practice.pass(3_600).await;
    practice.fakes.serve(document("d1", "Letter, corrected"));
    practice.sync().await;
    let resumed = ConnectionChange {
        paused: Some(false),
        ..ConnectionChange::default()
    };
    let (service, caller) = (service_of(&practice), caller_of(&practice));
    connections::update_connection(service, caller, practice.destination, resumed)
        .await
        .unwrap();
    practice.pass(60).await;
    assert_eq!(
        practice.fakes.titles(),
        ["Glucose g1", "Letter, corrected", "Plan", "Report"]
    );
    assert!(
        practice.fakes.removed().is_empty(),
        "the old one never left"
    );
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_asked_ever_less_and_then_given_up() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.sync().await;
    practice.pass(3_600).await;
    upload(
        &practice.world.service,
        &practice.patient,
        &glucose("late", 4.2),
    )
    .await;
    practice.fakes.forget_calls();
    practice.fakes.go_down(ErrorClass::Transient);
    practice.pass(36 * 3_600).await;
    let dead = practice.deliveries(DeliveryState::Dead).await;
    assert_eq!(dead.len(), 1, "{:?}", practice.fakes.calls());
    assert!(dead[0].sentence.contains("cannot be reached"));
    let tries = practice
        .fakes
        .calls()
        .iter()
        .filter(|c| c.starts_with("put"))
        .count();
    assert!((8..=9).contains(&tries), "{tries}");
}
