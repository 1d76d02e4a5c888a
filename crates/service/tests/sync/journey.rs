//! From the provider into the record, from the record into the platform.

use chartkey_domain::sync::{DeliveryState, RunState};
use chartkey_service::assisted::RecordView;
use chartkey_service::sync::{self, Asked};

use crate::fakes::QUERIES;
use crate::support::{self, Practice, document, fill, glucose, upload};

#[tokio::test]
async fn documents_arrive_once_each_in_the_record_and_at_the_platform() {
    let mut practice = Practice::without_attachments().await;
    fill(&practice.fakes);
    practice.attach_source().await;
    practice.attach_destination().await;
    practice.pass(60).await;
    let titles = practice.titles().await;
    assert_eq!(titles.len(), 5, "{titles:?}");
    // The patient's own data is not of the types that the grant covers.
    let there = practice.fakes.documents();
    let titles: Vec<_> = there.iter().map(|d| d.title.as_str()).collect();
    assert_eq!(titles, ["Glucose g1", "Letter", "Plan", "Report"]);
    let letter = &there[1];
    assert_eq!(letter.bytes, b"%PDF Letter", "the attachment's own bytes");
    assert_eq!(letter.content_type, "application/pdf");
    assert!(
        letter
            .file_name
            .starts_with("2026-03-01_documents_provider_")
    );
    assert!(there[0].bytes.starts_with(b"%PDF Glucose g1"), "printed");
    assert!(practice.deliveries(DeliveryState::Owed).await.is_empty());
}

#[tokio::test]
async fn what_was_pulled_is_sealed_by_the_server_and_read_by_the_grantee() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.sync().await;
    let records = practice.records().await;
    assert!(records.iter().all(|r| r.author.is_none()));
    let source = practice.source.to_string();
    assert!(records.iter().all(|r| r.source == source));
    // People are told its name, which is sealed like everything else of it.
    let named = |r: &RecordView| r.fields.author_name.as_deref() == Some("County Hospital");
    assert!(records.iter().all(named));
    let seen = support::listed(&practice.world.service, &practice.dietician, practice.id()).await;
    assert_eq!(seen.len(), 4, "documents and laboratory values");
}

#[tokio::test]
async fn a_sync_with_nothing_new_makes_one_request_for_each_search() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.sync().await;
    // The overlap lists the last day again, and finds it as it was.
    practice.pass(2 * 24 * 3_600).await;
    practice.patient.caller = practice.world.sign_in("ada@example.org").await;
    practice.fakes.forget_calls();
    practice.sync().await;
    let mut calls = practice.fakes.calls();
    calls.sort();
    let mut expected: Vec<_> = QUERIES.iter().map(|q| format!("page {q} 0")).collect();
    expected.sort();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_changed_document_replaces_the_one_that_was_there() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.sync().await;
    let before = practice.fakes.documents();
    practice.pass(3_600).await;
    practice.fakes.serve(document("d1", "Letter, corrected"));
    practice.fakes.serve_file("Binary/d1", b"%PDF corrected");
    practice.sync().await;
    let after = practice.fakes.documents();
    let titles: Vec<_> = after.iter().map(|d| d.title.as_str()).collect();
    assert_eq!(
        titles,
        ["Glucose g1", "Letter, corrected", "Plan", "Report"]
    );
    let old = before.iter().find(|d| d.title == "Letter").unwrap();
    assert_eq!(practice.fakes.removed(), [old.id.as_str()]);
    let calls = practice.fakes.calls();
    let put = calls.iter().position(|c| c.starts_with("put Letter, c"));
    let removed = calls.iter().position(|c| c.starts_with("remove"));
    assert!(
        put < removed,
        "the new one is there before the old one goes"
    );
    let records = practice.records().await;
    assert_eq!(records.len(), 5);
    assert!(records.iter().any(|r| r.version == 2));
}

#[tokio::test]
async fn a_document_that_is_gone_at_the_source_is_noticed_and_kept() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.sync().await;
    practice.fakes.unserve("DocumentReference", "d2");
    // Two whole lists without it, a week apart.
    practice.pass(22 * 24 * 3_600).await;
    practice.patient.caller = practice.world.sign_in("ada@example.org").await;
    assert_eq!(practice.titles().await.len(), 5);
    assert_eq!(practice.fakes.titles().len(), 4, "and at the platform");
    let gone: Vec<_> = practice
        .log()
        .await
        .into_iter()
        .filter(|l| l.contains("no longer"))
        .collect();
    assert_eq!(
        gone,
        [
            "automatic update · success · 1 document is no longer at County Hospital. Nothing was deleted here."
        ]
    );
}

#[tokio::test]
async fn a_record_that_its_patient_deleted_does_not_come_back() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.sync().await;
    let letter = practice
        .records()
        .await
        .into_iter()
        .find(|r| r.fields.header.title == "Letter")
        .unwrap();
    let (service, caller) = (&practice.world.service, &practice.patient.caller);
    chartkey_service::records::delete_record(service, caller, letter.id, None)
        .await
        .unwrap();
    practice.pass(30).await;
    let caller = practice.patient.caller.clone();
    let asked = Asked {
        whole: true,
        ..Asked::default()
    };
    sync::start_sync(&practice.world.service, &caller, practice.id(), asked)
        .await
        .unwrap();
    practice.pass(60).await;
    assert_eq!(practice.titles().await.len(), 4);
    let log = practice.log().await;
    assert!(
        log.iter().any(|l| l.contains("stays at Practice Desk")),
        "{log:#?}"
    );
}

#[tokio::test]
async fn one_listed_twice_is_stored_once_and_the_newest_wins() {
    let mut practice = Practice::new().await;
    let mut older = glucose("g1", 5.0);
    older["meta"] = serde_json::json!({"lastUpdated": "2026-11-01T00:00:00Z"});
    let mut newer = glucose("g1", 6.0);
    newer["meta"] = serde_json::json!({"lastUpdated": "2026-11-02T00:00:00Z"});
    practice.fakes.serve(newer.clone());
    practice.sync().await;
    practice.pass(60).await;
    practice.fakes.serve(older);
    practice.sync().await;
    let records = practice.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].version, 1, "what is older is not a new version");
}

#[tokio::test]
async fn the_log_tells_the_story_in_sentences() {
    let mut practice = Practice::without_attachments().await;
    fill(&practice.fakes);
    practice.attach_source().await;
    practice.pass(5).await;
    practice.attach_destination().await;
    upload(
        &practice.world.service,
        &practice.patient,
        &glucose("own", 4.0),
    )
    .await;
    practice.pass(5).await;
    let log = practice.log().await;
    assert_eq!(
        log[0],
        "automatic update · success · Read County Hospital: 5 new."
    );
    assert!(log.contains(&"push · success · Sent to Practice Desk.".to_owned()));
    assert!(log.contains(
        &"push · pending · 1 document waits for Practice Desk until the patient, or whoever connected it, signs in.".to_owned()
    ));
    for line in &log {
        for secret in ["Letter", "Glucose", "token", "p1", "Lovelace"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[tokio::test]
async fn a_sync_that_runs_is_not_begun_twice_and_one_asked_for_again_waits_a_moment() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.pass(60).await;
    let id = practice.id();
    let ask = |practice: &Practice| {
        let (service, caller) = (
            practice.world.service.clone(),
            practice.patient.caller.clone(),
        );
        async move {
            sync::start_sync(&service, &caller, id, Asked::default())
                .await
                .unwrap()
        }
    };
    let first = ask(&practice).await;
    let again = ask(&practice).await;
    assert_eq!(first.sync, again.sync);
    practice.run().await;
    let (service, caller) = (
        practice.world.service.clone(),
        practice.patient.caller.clone(),
    );
    let done = sync::find_sync(&service, &caller, first.sync)
        .await
        .unwrap();
    assert_eq!(done.state, RunState::Done);
    assert_eq!(done.runs.len(), 2, "the source and the destination");
    let soon = ask(&practice).await;
    assert_ne!(soon.sync, first.sync);
    assert!(soon.not_before.is_some());
    practice.run().await;
    let waits = sync::find_sync(&service, &caller, soon.sync).await.unwrap();
    assert_eq!(waits.state, RunState::Queued);
    practice.pass(11).await;
    let done = sync::find_sync(&service, &caller, soon.sync).await.unwrap();
    assert_eq!(done.state, RunState::Done);
}

#[tokio::test]
async fn a_request_that_waits_is_answered_when_the_documents_are_there() {
    let practice = Practice::new().await;
    fill(&practice.fakes);
    let (service, caller) = (&practice.world.service, &practice.patient.caller);
    let started = sync::start_sync(service, caller, practice.id(), Asked::default())
        .await
        .unwrap();
    sync::drive(service, started.sync, std::time::Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(practice.fakes.documents().len(), 4);
    let lines = sync::list_sync_logs(service, caller, started.sync)
        .await
        .unwrap();
    assert!(!lines.is_empty());
    // Left for the engine: nothing.
    assert_eq!(sync::run_due(&practice.engine).await.unwrap(), 0);
}

#[tokio::test]
async fn a_search_that_keeps_failing_holds_up_no_other_and_is_named() {
    let mut practice = Practice::without_attachments().await;
    fill(&practice.fakes);
    practice.fakes.keep_failing(Some("page Observation"));
    practice.attach_source().await;
    practice.run().await;
    assert_eq!(
        practice.titles().await.len(),
        4,
        "the others are there at once"
    );
    practice.pass(3 * 3_600).await;
    let log = practice.log().await;
    let told = "automatic update · success · Read County Hospital: 4 new. \
                1 kind of document could not be read there: Observation.";
    assert!(log.iter().any(|line| line == told), "{log:#?}");
    practice.fakes.keep_failing(None);
    practice.sync().await;
    assert_eq!(practice.titles().await.len(), 5);
}

#[tokio::test]
async fn a_file_that_keeps_failing_leaves_its_document_and_comes_when_it_can_be_had() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    practice.fakes.keep_failing(Some("file Binary/d2"));
    practice.pass(3 * 3_600).await;
    practice.sync().await;
    assert_eq!(
        practice.titles().await.len(),
        5,
        "{:#?}",
        practice.log().await
    );
    let bytes = |practice: &Practice| {
        let there = practice.fakes.documents();
        let report = there.into_iter().find(|d| d.title == "Report");
        String::from_utf8_lossy(&report.unwrap().bytes).into_owned()
    };
    assert_ne!(bytes(&practice), "%PDF Report", "printed, without its file");
    practice.fakes.keep_failing(None);
    practice.sync().await;
    practice.pass(3_600).await;
    assert_eq!(bytes(&practice), "%PDF Report");
    assert_eq!(practice.fakes.titles().len(), 4, "and once");
}
