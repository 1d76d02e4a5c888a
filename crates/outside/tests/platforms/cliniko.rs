use chartkey_domain::connections::{Credentials, ErrorClass, PutState};
use chartkey_fakes::{Fault, Rule};
use jiff::SignedDuration;
use zeroize::Zeroizing;

use super::bench::{BIRTH_DATE, Bench, EMAIL, Fake, NoTokens, Shape, ann, letter};

async fn bench() -> Bench {
    Bench::new(Shape::Cliniko).await
}

fn cliniko(bench: &Bench) -> &chartkey_fakes::platforms::cliniko::Cliniko {
    match &bench.fake {
        Fake::Cliniko(running) => &running.platform,
        _ => panic!("another platform"),
    }
}

#[tokio::test]
async fn every_call_says_who_calls_and_how_to_reach_them() {
    let mut bench = bench().await;
    bench
        .platform()
        .verify(&bench.endpoint, &NoTokens)
        .await
        .unwrap();
    let agents: Vec<String> = bench
        .stage
        .journal()
        .iter()
        .map(|entry| entry.headers["user-agent"].clone())
        .collect();
    assert_eq!(agents, ["Chartkey (it@practice.example)"]);
    for settings in [
        serde_json::json!({}),
        serde_json::json!({"contact_email": "nobody"}),
        serde_json::json!({"contact_email": "a@b.example)\r\nx: y"}),
    ] {
        bench.endpoint.settings = settings;
        let refusal = bench.platform().verify(&bench.endpoint, &NoTokens).await;
        assert_eq!(refusal.unwrap_err().class, ErrorClass::Invalid);
    }
}

#[tokio::test]
async fn a_shard_that_is_none_never_becomes_part_of_a_host() {
    let mut bench = bench().await;
    for key in [
        "key-au1.evil.example/",
        "key-a1",
        "key-aus1",
        "key-au",
        "key-au123",
        "key-AU1",
        "key-",
        "key-1au",
    ] {
        bench.endpoint.credentials = Credentials::Basic {
            username: Zeroizing::new(key.to_owned()),
            password: Zeroizing::default(),
        };
        let refusal = bench.platform().verify(&bench.endpoint, &NoTokens).await;
        assert_eq!(refusal.unwrap_err().class, ErrorClass::Auth, "{key}");
    }
    // A host of the connection's own counts only where the operator allows it.
    let bench = self::bench().await;
    let mut endpoint = bench.endpoint.clone();
    endpoint.base_url = "https://api.uk1.cliniko.com/v1".to_owned();
    let refusal = bench.platform().verify(&endpoint, &NoTokens).await;
    assert_eq!(refusal.unwrap_err().class, ErrorClass::Address);
    assert_eq!(bench.stage.journal(), []);
}

#[tokio::test]
async fn the_object_store_gets_every_field_and_never_the_key() {
    let bench = bench().await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    bench.put(&ann, &letter()).await;
    let uploads = bench.stage.received("upload");
    assert_eq!(uploads.len(), 1);
    assert_eq!(uploads[0].headers.get("authorization"), None);
    assert_eq!(uploads[0].status, Some(201));
}

#[tokio::test]
async fn an_attachment_is_done_when_it_is_taken_in_and_not_before() {
    let bench = bench().await;
    cliniko(&bench).set_polls(3);
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let letter = letter();
    let mut tokens: Vec<String> = Vec::new();
    loop {
        let resume = tokens.last().cloned();
        match bench.step(&ann, &letter, resume.as_deref()).await.unwrap() {
            PutState::Pending(token) => tokens.push(token),
            PutState::Done(id) => {
                assert_eq!(tokens.last(), Some(&format!("attachment:{id}")));
                break;
            }
        }
    }
    // up, made, and three times not yet
    assert_eq!(tokens.len(), 5);
    assert_eq!(bench.documents().len(), 1);
}

#[tokio::test]
async fn a_cleared_temporary_place_begins_again() {
    let bench = bench().await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let letter = letter();
    let PutState::Pending(token) = bench.step(&ann, &letter, None).await.unwrap() else {
        panic!("done at once");
    };
    cliniko(&bench).clear_temporary();
    let refusal = bench.step(&ann, &letter, Some(&token)).await.unwrap_err();
    assert_eq!(refusal.class, ErrorClass::Expired);
    assert_eq!(refusal.remote_code.as_deref(), Some("upload_url"));
    bench.put(&ann, &letter).await;
    assert_eq!(bench.documents().len(), 1);
}

#[tokio::test]
async fn a_limit_says_until_which_moment() {
    let bench = bench().await;
    cliniko(&bench).set_limit(2);
    let verify = async || bench.platform().verify(&bench.endpoint, &NoTokens).await;
    verify().await.unwrap();
    verify().await.unwrap();
    let refusal = verify().await.unwrap_err();
    assert_eq!(refusal.class, ErrorClass::RateLimited);
    // It is 20 seconds past the minute.
    assert_eq!(refusal.retry_after.map(|wait| wait.as_secs()), Some(40));
    bench.clock.advance(SignedDuration::from_secs(40));
    verify().await.unwrap();
}

#[tokio::test]
async fn the_store_s_refusals_say_nothing_about_the_key() {
    for (code, class) in [
        ("AccessDenied", ErrorClass::Transient),
        ("EntityTooLarge", ErrorClass::TooLarge),
    ] {
        let bench = bench().await;
        let ann = bench.add_client(EMAIL, BIRTH_DATE);
        let fault = Fault::Status {
            status: 403,
            retry_after: None,
            body: Some(format!("<Error><Code>{code}</Code></Error>")),
        };
        bench.stage.set_faults(vec![Rule::nth("upload", 1, fault)]);
        let refusal = bench.step(&ann, &letter(), None).await.unwrap_err();
        assert_eq!(refusal.class, class);
        assert_eq!(refusal.remote_code.as_deref(), Some(code));
        assert_eq!(bench.documents(), []);
    }
}

#[tokio::test]
async fn a_refused_field_is_named_and_its_value_is_not() {
    let bench = bench().await;
    let mut nameless = ann();
    nameless.name = Zeroizing::default();
    let made = bench
        .platform()
        .create_client(&bench.endpoint, &NoTokens, &nameless)
        .await;
    let refusal = made.unwrap_err();
    assert_eq!(refusal.class, ErrorClass::Invalid);
    assert_eq!(refusal.remote_code.as_deref(), Some("last_name"));
    assert_eq!(refusal.status, Some(422));
}
