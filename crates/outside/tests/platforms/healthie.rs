use chartkey_domain::connections::{ErrorClass, RemoteClient, Removed};
use chartkey_fakes::{Fault, Rule};
use zeroize::Zeroizing;

use super::bench::{BIRTH_DATE, Bench, EMAIL, NoTokens, Shape, ann, letter};

async fn bench() -> Bench {
    Bench::new(Shape::Healthie).await
}

fn says(body: &str) -> Fault {
    Fault::Status {
        status: 200,
        retry_after: None,
        body: Some(body.to_owned()),
    }
}

#[tokio::test]
async fn the_key_goes_as_it_is_with_the_words_that_healthie_asks_for() {
    let bench = bench().await;
    bench
        .platform()
        .verify(&bench.endpoint, &NoTokens)
        .await
        .unwrap();
    let call = &bench.stage.received("currentUser")[0];
    assert_eq!(call.headers["authorization"], "Basic made-up-key");
    assert_eq!(call.headers["authorizationsource"], "API");
}

#[tokio::test]
async fn a_refused_write_at_status_200_is_no_write() {
    let bench = bench().await;
    // The address is taken, by somebody who was born another day.
    bench.add_client(EMAIL, "1999-09-09");
    let made = bench
        .platform()
        .create_client(&bench.endpoint, &NoTokens, &ann())
        .await;
    let refusal = made.unwrap_err();
    assert_eq!(refusal.class, ErrorClass::Invalid);
    assert_eq!(refusal.status, Some(200));
    assert_eq!(refusal.remote_code.as_deref(), Some("email"));

    let nobody = RemoteClient { id: "404".into() };
    let refusal = bench.step(&nobody, &letter(), None).await.unwrap_err();
    assert_eq!(refusal.class, ErrorClass::Invalid);
    assert_eq!(refusal.remote_code.as_deref(), Some("rel_user_id"));
    assert_eq!(bench.documents(), []);
}

#[tokio::test]
async fn a_write_that_brings_nothing_back_is_not_taken_for_done() {
    let bench = bench().await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    for body in [
        r#"{"data":{"createDocument":null}}"#,
        r#"{"data":{"createDocument":{"document":null,"messages":[]}}}"#,
        r#"{"data":null}"#,
        r#"{"errors":[{"message":"Internal server error"}],"data":null}"#,
    ] {
        bench
            .stage
            .set_faults(vec![Rule::nth("createDocument", 1, says(body))]);
        let refusal = bench.step(&ann, &letter(), None).await.unwrap_err();
        assert_eq!(refusal.class, ErrorClass::Unknown, "{body}");
    }
}

#[tokio::test]
async fn errors_are_told_apart_by_the_one_code_there_is_and_by_what_they_say_of_keys() {
    let bench = bench().await;
    let check = async |body: &str, class: ErrorClass, code: Option<&str>| {
        bench
            .stage
            .set_faults(vec![Rule::nth("users", 1, says(body))]);
        let refusal = bench.find_clients().await.unwrap_err();
        assert_eq!(refusal.class, class, "{body}");
        assert_eq!(refusal.remote_code.as_deref(), code, "{body}");
    };
    check(
        r#"{"errors":[{"message":"Too many requests. Please try again later.","extensions":{"code":"TOO_MANY_REQUESTS"}}]}"#,
        ErrorClass::RateLimited,
        Some("TOO_MANY_REQUESTS"),
    )
    .await;
    check(
        r#"{"errors":[{"message":"API Key is not valid"}]}"#,
        ErrorClass::Auth,
        None,
    )
    .await;
    check(
        r#"{"errors":[{"message":"Query has complexity of 3000, which exceeds max complexity of 2000"}]}"#,
        ErrorClass::Invalid,
        None,
    )
    .await;
    check(
        r#"{"errors":[{"message":"Something about Ann Smith","extensions":{"code":"Ann Smith"}}]}"#,
        ErrorClass::Transient,
        None,
    )
    .await;
    check("<html>", ErrorClass::Broken, None).await;
}

#[tokio::test]
async fn a_client_without_an_address_says_so_and_nobody_is_written_to() {
    let bench = bench().await;
    let mut who = ann();
    who.email = None;
    let platform = bench.platform();
    platform
        .create_client(&bench.endpoint, &NoTokens, &who)
        .await
        .unwrap();
    assert_eq!(bench.received.holdings().mails, Vec::<String>::new());
}

#[tokio::test]
async fn a_document_is_shared_with_the_client_only_where_settings_say_so() {
    let mut bench = bench().await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    bench.put(&ann, &letter()).await;
    assert_eq!(bench.received.holdings().mails, Vec::<String>::new());
    bench.endpoint.settings = serde_json::json!({"share_with_client": true});
    bench.put(&ann, &letter()).await;
    assert_eq!(bench.received.holdings().mails, ["a document was shared"]);
}

#[tokio::test]
async fn finds_are_read_to_their_last_page() {
    let bench = bench().await;
    for number in 0..120 {
        bench.add_client(EMAIL, &format!("1900-01-{number:03}"));
    }
    let one = bench.add_client(EMAIL, BIRTH_DATE);
    assert_eq!(bench.find_clients().await, Ok(vec![one]));
    assert_eq!(bench.stage.received("users").len(), 3);
}

#[tokio::test]
async fn a_kind_of_file_that_would_break_out_of_its_place_does_not() {
    let bench = bench().await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let mut odd = letter();
    odd.content_type = "text/a\",\"share_with_rel\":true,\"x\":\"".to_owned();
    odd.title = Zeroizing::new("\"}} } } {{\\".to_owned());
    bench.put(&ann, &odd).await;
    assert_eq!(bench.received.holdings().mails, Vec::<String>::new());
    assert_eq!(bench.documents().len(), 1);
}

#[tokio::test]
async fn what_is_gone_already_is_removed() {
    let bench = bench().await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let platform = bench.platform();
    let removed = platform.remove_document(&bench.endpoint, &NoTokens, &ann, "404");
    assert_eq!(removed.await, Ok(Removed::Deleted));
}
