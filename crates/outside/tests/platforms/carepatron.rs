use chartkey_domain::connections::{ErrorClass, Removed};
use chartkey_fakes::platforms::carepatron::Carepatron;
use chartkey_fakes::{Fault, Rule};
use jiff::SignedDuration;

use super::bench::{BIRTH_DATE, Bench, DEDUPE, EMAIL, Fake, NoTokens, Shape, ann, letter};

async fn bench() -> Bench {
    Bench::new(Shape::Carepatron).await
}

fn carepatron(bench: &Bench) -> &Carepatron {
    match &bench.fake {
        Fake::Carepatron(running) => &running.platform,
        _ => panic!("another platform"),
    }
}

#[tokio::test]
async fn an_export_is_begun_once_read_when_it_is_finished_and_kept_for_a_while() {
    let bench = bench().await;
    carepatron(&bench).set_reads(2);
    let client = bench.add_client(EMAIL, BIRTH_DATE);
    for _ in 0..2 {
        let wait = bench.find_clients().await.unwrap_err();
        assert_eq!(wait.class, ErrorClass::Transient);
        assert_eq!(wait.retry_after.map(|wait| wait.as_secs()), Some(15));
    }
    assert_eq!(bench.find_clients().await, Ok(vec![client.clone()]));
    assert_eq!(bench.find_clients().await, Ok(vec![client.clone()]));
    assert_eq!(bench.stage.received("create:export").len(), 1);

    // Too old: it does not lie about there, and another is begun.
    carepatron(&bench).set_reads(0);
    bench.clock.advance(SignedDuration::from_mins(10));
    assert_eq!(bench.find_clients().await, Ok(vec![client]));
    assert_eq!(bench.stage.received("create:export").len(), 2);
    assert_eq!(carepatron(&bench).exports(), 1);
}

#[tokio::test]
async fn an_export_that_failed_or_is_gone_is_begun_again() {
    let failed = Fault::Status {
        status: 200,
        retry_after: None,
        body: Some(r#"{"id":"job-1","status":"Failed"}"#.to_owned()),
    };
    for (fault, class) in [
        (failed, ErrorClass::Expired),
        (Fault::status(404), ErrorClass::NotFound),
    ] {
        let bench = bench().await;
        carepatron(&bench).set_reads(0);
        let client = bench.add_client(EMAIL, BIRTH_DATE);
        bench
            .stage
            .set_faults(vec![Rule::nth("read:export", 1, fault)]);
        assert_eq!(bench.find_clients().await.unwrap_err().class, class);
        assert_eq!(bench.find_clients().await, Ok(vec![client]));
        assert_eq!(bench.stage.received("create:export").len(), 2);
    }
}

#[tokio::test]
async fn documents_are_for_a_person_to_hand_over() {
    let bench = bench().await;
    let client = bench.add_client(EMAIL, BIRTH_DATE);
    let platform = bench.platform();
    let can = platform.capabilities(&bench.endpoint);
    assert!(can.find_client && !can.create_client && !can.put_document);
    let refusals = [
        bench.step(&client, &letter(), None).await.err(),
        bench.find(&client, DEDUPE).await.err(),
        platform
            .create_client(&bench.endpoint, &NoTokens, &ann())
            .await
            .err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap().class, ErrorClass::Unsupported);
    }
    let removed = platform.remove_document(&bench.endpoint, &NoTokens, &client, "1");
    assert_eq!(removed.await, Ok(Removed::NotSupported));
    assert_eq!(bench.stage.journal(), []);
}

#[tokio::test]
async fn paths_are_settings_and_the_workspace_is_required() {
    let mut bench = bench().await;
    bench.endpoint.settings = serde_json::json!({
        "provider_id": "workspace-1",
        "verify_path": "/ping",
    });
    let platform = bench.platform();
    platform.verify(&bench.endpoint, &NoTokens).await.unwrap();
    assert_eq!(bench.stage.received("ping").len(), 1);
    bench.endpoint.settings = serde_json::json!({});
    let platform = bench.platform();
    let refusal = platform.verify(&bench.endpoint, &NoTokens).await;
    assert_eq!(refusal.unwrap_err().class, ErrorClass::Invalid);
}

#[tokio::test]
async fn another_workspace_s_key_is_forbidden() {
    let mut bench = bench().await;
    bench.endpoint.settings = serde_json::json!({"provider_id": "workspace-2"});
    let refusal = bench.platform().verify(&bench.endpoint, &NoTokens).await;
    assert_eq!(refusal.unwrap_err().class, ErrorClass::Forbidden);
}
