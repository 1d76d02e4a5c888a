//! The trail.

use chartkey_crypto::ledger::{NoteVerifier, verify_checkpoint};

use crate::conversation::Conversation;

#[tokio::test]
async fn the_trail_and_its_proofs() {
    let mut c = Conversation::new().await;
    let ada = c.patient("ada@example.org").await;
    let eve = c.patient("eve@example.org").await;
    c.world.pass(2);
    c.say("GET /api/audit", Some(&ada), None).await;
    c.say(
        "GET /api/audit?action=account.register&from=2026-11-22T00:00:00Z",
        Some(&ada),
        None,
    )
    .await;
    c.say("GET /api/audit?to=2026-11-22T00:00:00Z", Some(&ada), None)
        .await;
    c.say("GET /api/audit", None, None).await;
    c.say("GET /api/audit?from=yesterday", Some(&ada), None)
        .await;
    let profile = c.say("GET /api/patients/profile", Some(&eve), None).await;
    let patient = profile.json["patient_id"].as_str().unwrap().to_owned();
    c.say(
        &format!("GET /api/audit?patient_id={patient}"),
        Some(&ada),
        None,
    )
    .await;
    c.say("GET /api/audit/0/proof", Some(&ada), None).await;
    c.say("GET /api/audit/0/proof", Some(&eve), None).await;
    c.say("GET /api/audit/99/proof", Some(&ada), None).await;
    c.say("GET /api/audit/nonsense/proof", Some(&ada), None)
        .await;
    c.say("GET /api/audit/consistency?from=1&to=4", None, None)
        .await;
    c.say("GET /api/audit/consistency?from=4&to=1", None, None)
        .await;
    c.say("GET /api/audit/consistency?from=1", None, None).await;
    let note = c.told("/api/audit/checkpoint").await;
    assert_eq!(note.lines().nth(1), Some("8"), "{note}");
    let key = c.told("/api/audit/checkpoint/key").await;
    let log = NoteVerifier::from_vkey(key.trim_end()).unwrap();
    assert_eq!(verify_checkpoint(&note, &log).unwrap().size, 8);
    let key = c.told("/api/audit/checkpoint/key?log=keys").await;
    let other = NoteVerifier::from_vkey(key.trim_end()).unwrap();
    assert!(
        verify_checkpoint(&note, &other).is_err(),
        "each log has its own key"
    );
    insta::assert_snapshot!(c.said());
}

impl Conversation {
    async fn told(&self, path: &str) -> String {
        let request = axum::http::Request::get(path)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = self.raw(request).await;
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
        answer.text
    }
}
