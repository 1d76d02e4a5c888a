//! What may go where is asked again at the moment of sending.

use chartkey_domain::connections::Direction;
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};
use chartkey_domain::sync::{Authorization, DeliveryState};
use chartkey_fhir::RecordType as Type;
use chartkey_service::connections::{self, ConnectionChange, NewAttachment};
use chartkey_service::{delivery, sync};
use chartkey_vault::delivery::{DestinationTerms, SignedDestination};

use crate::support::{
    self, Practice, attachment, code, document, fill, glucose, new_connection, open, upload,
};

async fn pause(practice: &Practice, paused: bool) {
    let change = ConnectionChange {
        paused: Some(paused),
        ..ConnectionChange::default()
    };
    let (service, caller) = (&practice.world.service, &practice.dietician.caller);
    connections::update_connection(service, caller, practice.destination, change)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_grant_that_ends_cancels_what_waits_and_its_envelopes_are_gone_at_once() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    pause(&practice, true).await;
    practice.sync().await;
    assert_eq!(practice.deliveries(DeliveryState::Ready).await.len(), 4);
    let mut ada = open(&practice.world.service, &practice.patient).await;
    ada.revoke_grant(practice.grant).await.unwrap();
    let sealed = support::read(&practice.world.service, |db| {
        db.query_i64(
            "SELECT COUNT(*) FROM deliveries WHERE envelope IS NOT NULL",
            &[],
        )
    });
    assert_eq!(sealed.await, 0);
    pause(&practice, false).await;
    practice.pass(3_600).await;
    assert!(practice.fakes.documents().is_empty());
    assert_eq!(practice.deliveries(DeliveryState::Cancelled).await.len(), 4);
    assert!(
        practice.deliveries(DeliveryState::Cancelled).await[0]
            .record_type
            .is_none()
    );
    practice.fakes.serve(document("d9", "Later"));
    practice.sync().await;
    practice.pass(3_600).await;
    assert!(
        practice.fakes.documents().is_empty(),
        "nothing new is queued"
    );
    let caller = &practice.dietician.caller;
    let refused = sync::list_logs(&practice.world.service, caller, practice.id(), None, 10).await;
    assert_eq!(code(&refused.unwrap_err()), "grant.ended");
}

#[tokio::test]
async fn a_narrowed_grant_is_honoured_at_the_next_push() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    pause(&practice, true).await;
    practice.sync().await;
    // Narrowed: the old one ends, and a new one covers laboratory values only.
    let mut ada = open(&practice.world.service, &practice.patient).await;
    ada.revoke_grant(practice.grant).await.unwrap();
    let narrow = support::terms(
        &practice.world,
        practice.id(),
        RecordTypes::of(RecordType::LabResults),
    );
    ada.grant(practice.dietician.account, &narrow, None, None, None)
        .await
        .unwrap();
    practice.attach_destination().await;
    pause(&practice, false).await;
    practice.pass(3_600).await;
    assert_eq!(practice.fakes.titles(), ["Glucose g1"]);
    // What comes later is held against it as well.
    practice.fakes.serve(document("d9", "Later"));
    practice.fakes.serve(glucose("g9", 7.0));
    practice.sync().await;
    practice.pass(3_600).await;
    assert_eq!(practice.fakes.titles(), ["Glucose g1", "Glucose g9"]);
}

#[tokio::test]
async fn a_grant_that_has_run_out_is_noticed_without_anybody_ending_it() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    pause(&practice, true).await;
    practice.sync().await;
    practice.pass(61 * 24 * 3_600).await;
    practice.dietician.caller = practice.world.sign_in("dora@example.org").await;
    pause(&practice, false).await;
    practice.pass(3_600).await;
    assert!(practice.fakes.documents().is_empty());
}

#[tokio::test]
async fn what_is_sensitive_goes_only_where_it_was_meant_to_go() {
    let mut practice = Practice::without_attachments().await;
    practice.attach_source().await;
    practice.attach_destination().await;
    let mut hidden = glucose("g2", 1.0);
    hidden["meta"] = serde_json::json!({"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]});
    practice.fakes.serve(hidden);
    practice.fakes.serve(glucose("g1", 5.0));
    practice.sync().await;
    practice.pass(60).await;
    assert_eq!(practice.fakes.titles(), ["Glucose g1"]);
    assert_eq!(practice.titles().await.len(), 2);
}

#[tokio::test]
async fn only_the_types_that_the_connection_is_for_are_pushed() {
    let mut practice = Practice::without_attachments().await;
    fill(&practice.fakes);
    practice.attach_source().await;
    let mut dora = open(&practice.world.service, &practice.dietician).await;
    let new = NewAttachment {
        record_types: vec![Type::LabResults],
        ..attachment(practice.id())
    };
    dora.attach_patient(practice.destination, new)
        .await
        .unwrap();
    practice.pass(60).await;
    assert_eq!(practice.fakes.titles(), ["Glucose g1"]);
}

#[tokio::test]
async fn a_destination_is_only_what_its_attacher_signed() {
    let practice = Practice::without_attachments().await;
    let (service, dora) = (&practice.world.service, &practice.dietician);
    let view = connections::find_connection(service, &dora.caller, practice.destination)
        .await
        .unwrap();
    let key = chartkey_crypto::seal::KemPublic::from_bytes(&view.public_key.unwrap()).unwrap();
    let secrets = chartkey_service::sessions::unlock(service, &dora.caller)
        .await
        .unwrap();
    let good = DestinationTerms {
        patient: practice.id().0,
        connection: practice.destination.0,
        key,
        types: Vec::new(),
        kinds: Kinds::EMPTY,
        account: dora.account.0,
        grant: Some(practice.grant.0),
        at: service.now(),
    };
    let mut refused = vec![None];
    let other = chartkey_vault::Id::from_bytes([9; 16]);
    for change in 0..6 {
        let mut terms = good.clone();
        match change {
            0 => terms.patient = other,
            1 => terms.connection = other,
            2 => terms.types = vec![Type::Imaging],
            3 => terms.account = other,
            4 => terms.grant = Some(other),
            _ => terms.grant = None,
        }
        refused.push(Some(
            SignedDestination::sign(&terms, secrets.signing_key()).unwrap(),
        ));
    }
    let ada = chartkey_service::sessions::unlock(service, &practice.patient.caller)
        .await
        .unwrap();
    refused.push(Some(
        SignedDestination::sign(&good, ada.signing_key()).unwrap(),
    ));
    for statement in refused {
        let new = NewAttachment {
            statement,
            ..attachment(practice.id())
        };
        let attached =
            connections::attach_patient(service, &dora.caller, practice.destination, new).await;
        assert_eq!(code(&attached.unwrap_err()), "connection.statement");
    }
    let new = NewAttachment {
        statement: Some(SignedDestination::sign(&good, secrets.signing_key()).unwrap()),
        ..attachment(practice.id())
    };
    connections::attach_patient(service, &dora.caller, practice.destination, new)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_connection_is_its_owners_and_a_patient_is_put_on_it_only_with_their_leave() {
    let practice = Practice::without_attachments().await;
    let world = &practice.world;
    let eve = world.patient("eve@example.org").await;
    let service = &world.service;
    let found = connections::find_connection(service, &eve.caller, practice.destination).await;
    assert_eq!(code(&found.unwrap_err()), "connection.unknown");
    let new = new_connection(Direction::Destination, "eve.example");
    let hers = connections::create_connection(service, &eve.caller, new)
        .await
        .unwrap();
    let mut assisted = open(service, &eve).await;
    let attached = assisted
        .attach_patient(hers.id, attachment(practice.id()))
        .await;
    assert_eq!(code(&attached.unwrap_err()), "patient.unknown");
    // The patient takes anybody off, and sees what there is.
    practice.attach_destination().await;
    let ada = &practice.patient.caller;
    let on = connections::list_patient_connections(service, ada, practice.id())
        .await
        .unwrap();
    assert_eq!(on.len(), 1);
    assert_eq!(on[0].name, "Practice Desk");
    connections::detach_patient(service, ada, practice.destination, practice.id())
        .await
        .unwrap();
    let refused =
        connections::detach_patient(service, &eve.caller, practice.destination, practice.id());
    assert_eq!(code(&refused.await.unwrap_err()), "connection.unknown");
}

#[tokio::test]
async fn who_holds_no_download_grant_seals_nothing_and_sees_no_owed_versions() {
    let practice = Practice::new().await;
    let service = &practice.world.service;
    let eve = practice.world.patient("eve@example.org").await;
    let owed = delivery::owed(service, &eve.caller, practice.id()).await;
    assert_eq!(code(&owed.unwrap_err()), "patient.unknown");
    upload(service, &practice.patient, &glucose("own", 4.2)).await;
    let owed = delivery::owed(service, &practice.dietician.caller, practice.id())
        .await
        .unwrap();
    assert!(owed.items.is_empty(), "the patient's own request sealed it");
}

#[tokio::test]
async fn credentials_are_forgotten_when_a_connection_leads_elsewhere() {
    let practice = Practice::without_attachments().await;
    let (service, caller) = (&practice.world.service, &practice.dietician.caller);
    let change = ConnectionChange {
        base_url: Some("https://evil.example/api".to_owned()),
        ..ConnectionChange::default()
    };
    let changed = connections::update_connection(service, caller, practice.destination, change)
        .await
        .unwrap();
    assert_eq!(changed.auth, "none");
    assert_eq!(changed.problem.as_deref(), Some("connection.auth"));
    let same = ConnectionChange {
        name: Some("Desk".to_owned()),
        ..ConnectionChange::default()
    };
    let (caller, id) = (&practice.patient.caller, practice.source);
    let changed = connections::update_connection(service, caller, id, same)
        .await
        .unwrap();
    assert_eq!(changed.auth, "bearer");
}

#[tokio::test]
async fn a_source_needs_to_know_who_the_patient_is_there() {
    let practice = Practice::without_attachments().await;
    let mut ada = open(&practice.world.service, &practice.patient).await;
    let new = NewAttachment {
        authorization: Some(Authorization {
            obtained_on: "2026-11-01".to_owned(),
            method: "paper".to_owned(),
            note: None,
        }),
        ..attachment(practice.id())
    };
    let refused = ada.attach_patient(practice.source, new).await;
    assert_eq!(code(&refused.unwrap_err()), "invalid remote_patient_id");
}
