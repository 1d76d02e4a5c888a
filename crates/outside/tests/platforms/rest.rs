use chartkey_domain::connections::{ErrorClass, PutState, Removed};
use chartkey_fakes::platforms::sha256;
use chartkey_fakes::{Fault, Rule};
use serde_json::{Value, json};

use super::bench::{BIRTH_DATE, Bench, DEDUPE, EMAIL, NoTokens, Shape, ann, letter};

async fn with(settings: Value) -> Bench {
    let mut bench = Bench::new(Shape::RestForm).await;
    bench.endpoint.settings = settings;
    bench
}

#[tokio::test]
async fn a_platform_can_what_its_description_says_and_no_more() {
    let bench = with(json!({"verify": {"path": "/account"}})).await;
    let platform = bench.platform();
    let can = platform.capabilities(&bench.endpoint);
    assert!(!can.find_client && !can.create_client && !can.put_document);
    assert!(!can.find_document && !can.remove_document);
    let client = bench.add_client(EMAIL, BIRTH_DATE);
    let refusals = [
        bench.find_clients().await.err(),
        platform
            .create_client(&bench.endpoint, &NoTokens, &ann())
            .await
            .err(),
        bench.find(&client, DEDUPE).await.err(),
        bench.step(&client, &letter(), None).await.err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap().class, ErrorClass::Unsupported);
    }
    let removed = platform.remove_document(&bench.endpoint, &NoTokens, &client, "1");
    assert_eq!(removed.await, Ok(Removed::NotSupported));
    assert_eq!(bench.stage.journal(), []);
}

#[tokio::test]
async fn a_webhook_gets_the_whole_document_and_drops_what_it_has() {
    let hook = json!({"webhook": {"path": "/hook", "deduplicates": true, "removals": true}});
    let bench = with(hook).await;
    let client = bench.add_client(EMAIL, BIRTH_DATE);
    let letter = letter();
    bench
        .stage
        .set_faults(vec![Rule::nth("hook", 1, Fault::TimeoutAfter)]);
    // Whoever drops repetitions may simply be sent it again.
    let lost = bench.step(&client, &letter, None).await.unwrap_err();
    assert_eq!(lost.class, ErrorClass::Transient);
    let put = bench.step(&client, &letter, None).await;
    assert_eq!(put, Ok(PutState::Done(DEDUPE.to_owned())));
    let there = bench.documents();
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].sha256, sha256(&letter.bytes));
    assert_eq!(there[0].client, client.id);

    let platform = bench.platform();
    let removed = platform
        .remove_document(&bench.endpoint, &NoTokens, &client, DEDUPE)
        .await;
    assert_eq!(removed, Ok(Removed::Archived));
    assert_eq!(bench.documents(), []);
}

#[tokio::test]
async fn a_webhook_that_does_not_drop_repetitions_is_unknown_when_its_answer_is_lost() {
    let bench = with(json!({"webhook": {"path": "/hook"}})).await;
    let client = bench.add_client(EMAIL, BIRTH_DATE);
    bench
        .stage
        .set_faults(vec![Rule::nth("hook", 1, Fault::TimeoutAfter)]);
    let lost = bench.step(&client, &letter(), None).await.unwrap_err();
    assert_eq!(lost.class, ErrorClass::Unknown);
    assert!(!bench.platform().capabilities(&bench.endpoint).find_document);
}

#[tokio::test]
async fn a_description_that_is_none_is_refused_before_a_call() {
    for settings in [
        json!({"verify": {"path": "account"}}),
        json!({"verify": {"path": "https://evil.example/"}}),
        json!({"verify": {"path": "//evil.example/"}}),
        json!({"verify": {"path": "/{nobody}"}}),
        json!({"verify": {"path": "/../admin"}}),
        json!({"verify": {"path": "/account", "method": "TRACE"}}),
        json!({"headers": {"host": "evil.example"}, "verify": {"path": "/account"}}),
        json!({"headers": {"Authorization": "x"}, "verify": {"path": "/account"}}),
        json!({"headers": {"x": "a\r\nb: c"}, "verify": {"path": "/account"}}),
        json!({"webhook": {"path": "/hook"}, "put_document": {"path": "/d"}}),
        json!({"find_document": {"path": "/d"}}),
    ] {
        let bench = with(settings.clone()).await;
        let refusal = bench.platform().verify(&bench.endpoint, &NoTokens).await;
        let class = refusal.unwrap_err().class;
        assert_eq!(class, ErrorClass::Invalid, "{settings}");
        assert_eq!(bench.stage.journal(), [], "{settings}");
    }
}

#[tokio::test]
async fn a_platform_that_cannot_be_asked_is_said_to_be_unasked() {
    let bench = with(json!({"webhook": {"path": "/hook"}})).await;
    let verified = bench.platform().verify(&bench.endpoint, &NoTokens).await;
    assert_eq!(verified.unwrap().notes, ["not_asked"]);
}
