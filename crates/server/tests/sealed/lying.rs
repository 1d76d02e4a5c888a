//! A server that lies, over HTTP: its answers are changed on their way.

use chartkey_fhir::RecordType;
use chartkey_vault::VaultError;
use chartkey_vault::http::Http;
use chartkey_vault::sharing::LinkWords;
use chartkey_vault::visit::{Visit, Visitor};
use serde_json::{Value, json};

use crate::wire::{Stage, act, texts};

fn is_keys(path: &str) -> bool {
    path.starts_with("/api/patients/") && path.ends_with("/keys")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_about_a_patients_keys_is_refused() {
    let mut stage = Stage::new().await;
    let mut ada = stage.patient("ada").await;
    let ng = stage.provider("ng").await;
    stage.import(&mut ada).await;
    let patient = ada.patient;
    let wish = stage.wish(&[RecordType::LabResults]);
    let grant = ada
        .client
        .share_with(patient, ng.id, &wish, act!(stage))
        .await
        .unwrap();
    ada.client
        .end_grant(patient, grant, act!(stage))
        .await
        .unwrap();

    // The revocation is kept silent.
    ada.wire.lie(|path, answer| {
        if is_keys(path) {
            answer["statements"].as_array_mut().unwrap().truncate(2);
        }
    });
    assert_eq!(
        ada.client.open(patient).await.unwrap_err(),
        VaultError::RolledBack
    );
    // The terms of a grant are widened.
    ada.wire.lie(|path, answer| {
        if is_keys(path) {
            let body = &mut answer["statements"][1]["body"];
            *body = json!(
                body.as_str()
                    .unwrap()
                    .replace("lab-results", "prescriptions")
            );
        }
    });
    let widened = ada.client.open(patient).await.unwrap_err();
    assert!(matches!(widened, VaultError::Statement(_)), "{widened:?}");
    // Another patient's record in its place.
    let eve = stage.patient("eve").await;
    let stolen = eve.patient;
    ada.wire.lie(move |path, answer| {
        if is_keys(path) {
            answer["patient"] = json!(stolen);
        }
    });
    assert!(ada.client.open(patient).await.is_err());
    ada.wire.honest();
    ada.client.open(patient).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_public_key_is_refused() {
    let mut stage = Stage::new().await;
    let mut ada = stage.patient("ada").await;
    let ng = stage.provider("ng").await;
    let eve = stage.provider("eve").await;
    let patient = ada.patient;
    let wish = stage.wish(&[RecordType::LabResults]);
    ada.client
        .share_with(patient, ng.id, &wish, act!(stage))
        .await
        .unwrap();
    let (from, to) = (ng.id.to_string(), eve.id.to_string());
    let seen = ada.client.account_keys(eve.id).await.unwrap();
    assert_ne!(seen.account, ng.id);
    let wire = ada.wire.clone();
    let swapped = move |path: &str, answer: &mut Value| {
        if path == format!("/api/keys/{from}") {
            for statement in answer["statements"].as_array_mut().unwrap() {
                let body = statement["body"].as_str().unwrap().replace(&from, &to);
                statement["body"] = json!(body);
            }
        }
    };
    wire.lie(swapped);
    let refused = ada
        .client
        .share_with(patient, ng.id, &wish, act!(stage))
        .await;
    assert!(
        matches!(refused, Err(VaultError::Statement(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_was_changed_or_moved_does_not_open() {
    let mut stage = Stage::new().await;
    let mut ada = stage.patient("ada").await;
    stage.import(&mut ada).await;
    let patient = ada.patient;
    let one = |path: &str| path.starts_with("/api/records/") && !path.contains('?');
    ada.wire.lie(move |path, answer| {
        if one(path) {
            let body = answer["items"][0]["body"].as_str().unwrap().to_owned();
            let middle = body.len() / 2;
            let letter = if body.as_bytes()[middle] == b'A' {
                "B"
            } else {
                "A"
            };
            let changed = [&body[..middle], letter, &body[middle + 1..]].concat();
            answer["items"][0]["body"] = json!(changed);
        }
    });
    assert_eq!(texts(&mut ada, patient).await, Err(VaultError::Open));
    // Headers that change places are named, not hidden.
    ada.wire.lie(|path, answer| {
        if path.starts_with("/api/records?") {
            let first = answer["items"][0]["header"].take();
            answer["items"][0]["header"] = answer["items"][1]["header"].take();
            answer["items"][1]["header"] = first;
        }
    });
    let open = ada.client.open(patient).await.unwrap();
    let listing = ada.client.list(&open, false).await.unwrap();
    assert_eq!(listing.unopened.len(), 2);
    // Somebody else's name under it.
    let eve = stage.provider("eve").await;
    ada.wire.lie(move |path, answer| {
        if one(path) {
            answer["items"][0]["author"] = json!(eve.id);
        }
    });
    let refused = texts(&mut ada, patient).await;
    assert!(
        matches!(refused, Err(VaultError::Statement(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_answered_with_another_one_is_refused() {
    let mut stage = Stage::new().await;
    let mut ada = stage.patient("ada").await;
    stage.import(&mut ada).await;
    let url = "https://chart.example";
    let words = LinkWords::default();
    let mut urls = Vec::new();
    for types in [[RecordType::LabResults], [RecordType::Conditions]] {
        let wish = stage.wish(&types);
        let made = ada
            .client
            .make_link(ada.patient, &wish, &words, url, act!(stage))
            .await;
        urls.push(made.unwrap().url);
    }
    let wire = stage.wire();
    let visitor = Visitor::default();
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Value::Null));
    let keep = kept.clone();
    wire.lie(move |path, answer| {
        if path.starts_with("/api/records/shared/") && answer["grant"].is_string() {
            *keep.lock().unwrap() = answer.clone();
        }
    });
    Visit::open(&Http(wire.clone()), &urls[0], &visitor)
        .await
        .unwrap();
    wire.lie(move |_, answer| *answer = kept.lock().unwrap().clone());
    let refused = Visit::open(&Http(wire), &urls[1], &visitor).await;
    assert!(
        matches!(refused, Err(VaultError::Statement(_))),
        "{refused:?}"
    );
}
