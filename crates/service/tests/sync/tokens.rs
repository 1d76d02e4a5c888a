//! Tokens: one refreshes, everybody else waits for what it stored.

use chartkey_domain::connections::{Credentials, Direction, TokenState};
use chartkey_domain::sync::LinkState;
use chartkey_service::connections::{self, NewConnection};
use chartkey_service::sync;
use zeroize::Zeroizing;

use crate::support::{Practice, attachment, fill, new_connection, open};

#[tokio::test]
async fn a_source_that_the_patient_authorises_is_read_once_they_did() {
    let mut practice = Practice::without_attachments().await;
    fill(&practice.fakes);
    let (service, ada) = (
        practice.world.service.clone(),
        practice.patient.caller.clone(),
    );
    let new = NewConnection {
        credentials: Credentials::Smart {
            client_id: "app".to_owned(),
            client_secret: None,
            token_url: "https://fhir.example/token".to_owned(),
        },
        ..new_connection(Direction::Source, "fhir.example")
    };
    let smart = connections::create_connection(&service, &ada, new)
        .await
        .unwrap();
    open(&service, &practice.patient)
        .await
        .attach_patient(smart.id, attachment(practice.id()))
        .await
        .unwrap();
    practice.pass(60).await;
    let state = |practice: &Practice| {
        let (service, ada, id) = (service.clone(), ada.clone(), practice.id());
        async move {
            connections::list_patient_connections(&service, &ada, id)
                .await
                .unwrap()[0]
                .state
        }
    };
    assert_eq!(state(&practice).await, LinkState::NeedsAttention);
    assert!(practice.fakes.calls().is_empty());
    let tokens = TokenState {
        access_token: Zeroizing::new("at".to_owned()),
        expires_at: None,
        refresh_token: Some(Zeroizing::new("rt".to_owned())),
        patient: Some("p1".to_owned()),
        scope: None,
    };
    sync::store_tokens(&service, smart.id, practice.id(), tokens)
        .await
        .unwrap();
    practice.pass(60).await;
    assert_eq!(state(&practice).await, LinkState::Ok);
    assert_eq!(practice.titles().await.len(), 5);
}
