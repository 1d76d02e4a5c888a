//! Sign-ins, tokens, passwords, recovery.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::conversation::{Conversation, PASSWORD};

#[tokio::test]
async fn signing_in_and_out() {
    let mut c = Conversation::new().await;
    c.patient("ada@example.org").await;
    c.say(
        "POST /api/auth/prelogin",
        None,
        Some(json!({"email": "ada@example.org"})),
    )
    .await;
    c.say(
        "POST /api/auth/prelogin",
        None,
        Some(json!({"email": "nobody@example.org"})),
    )
    .await;
    let login = json!({"email": "Ada@Example.org", "password": PASSWORD});
    let signed_in = c.say("POST /api/auth/login", None, Some(login)).await;
    let text = |name: &str| signed_in.json[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text("access_token"), text("refresh_token"));
    c.say("GET /api/auth/session", Some(&access), None).await;
    c.say("GET /api/auth/sessions", Some(&access), None).await;
    let body = json!({"refresh_token": refresh});
    let refreshed = c
        .say("POST /api/auth/refresh", None, Some(body.clone()))
        .await;
    let newer = refreshed.json["access_token"].as_str().unwrap().to_owned();
    c.say("GET /api/auth/session", Some(&access), None).await;
    c.say("POST /api/auth/refresh", None, Some(body)).await;
    c.say("GET /api/auth/session", Some(&newer), None).await;
    let other = c.sign_in("ada@example.org").await;
    c.say("POST /api/auth/logout", Some(&other), None).await;
    c.say("POST /api/auth/logout", Some(&other), None).await;
    c.say("POST /api/auth/logout", None, None).await;
    c.world.run_jobs().await;
    insta::assert_snapshot!(c.said());
}

#[tokio::test]
async fn signing_in_badly() {
    let mut c = Conversation::new().await;
    c.patient("ada@example.org").await;
    let zero = STANDARD.encode([0; 32]);
    for body in [
        json!({"email": "ada@example.org", "password": "not the password at all"}),
        json!({"email": "nobody@example.org", "password": PASSWORD}),
        json!({"email": "ada@example.org", "auth_key": zero}),
        json!({"email": "ada@example.org", "auth_key": "AAAA"}),
        json!({"email": "ada@example.org"}),
        json!({"email": "ada@example.org", "password": PASSWORD, "auth_key": zero}),
        json!({"email": "ada@example.org\nBcc: eve@example.org", "password": PASSWORD}),
    ] {
        c.say("POST /api/auth/login", None, Some(body)).await;
    }
    c.say(
        "POST /api/auth/refresh",
        None,
        Some(json!({"refresh_token": "nonsense"})),
    )
    .await;
    insta::assert_snapshot!(c.said());
}

#[tokio::test]
async fn tokens_that_do_not_count() {
    let mut c = Conversation::new().await;
    let token = c.patient("ada@example.org").await;
    c.say("GET /api/auth/session", Some("nonsense"), None).await;
    c.say(
        "GET /api/auth/session",
        Some(&token.replace('.', ".A")),
        None,
    )
    .await;
    c.world.pass(901);
    c.say("GET /api/auth/session", Some(&token), None).await;
    insta::assert_snapshot!(c.said());
}

#[tokio::test]
async fn ending_one_of_one_s_sessions() {
    let mut c = Conversation::new().await;
    let ada = c.patient("ada@example.org").await;
    let other = c.sign_in("ada@example.org").await;
    let eve = c.patient("eve@example.org").await;
    let session = c.say("GET /api/auth/session", Some(&other), None).await;
    let id = session.json["id"].as_str().unwrap().to_owned();
    let end = format!("DELETE /api/auth/sessions/{id}");
    c.say(&end, Some(&eve), None).await;
    c.say(&end, None, None).await;
    c.say(&end, Some(&ada), None).await;
    c.say("GET /api/auth/session", Some(&other), None).await;
    c.say("DELETE /api/auth/sessions/nonsense", Some(&ada), None)
        .await;
    insta::assert_snapshot!(c.said());
}

#[tokio::test]
async fn a_new_password() {
    let mut c = Conversation::new().await;
    let token = c.patient("ada@example.org").await;
    let other = c.sign_in("ada@example.org").await;
    let new = "eleven loud rivers in spring";
    let change =
        |current: &str, new: &str| Some(json!({"current_password": current, "new_password": new}));
    c.say("POST /api/auth/password", None, change(PASSWORD, new))
        .await;
    c.say(
        "POST /api/auth/password",
        Some(&token),
        change("wrong password indeed", new),
    )
    .await;
    c.say(
        "POST /api/auth/password",
        Some(&token),
        change(PASSWORD, "short"),
    )
    .await;
    c.say(
        "POST /api/auth/password",
        Some(&token),
        change(PASSWORD, new),
    )
    .await;
    c.say("GET /api/auth/session", Some(&other), None).await;
    c.say("GET /api/auth/session", Some(&token), None).await;
    c.world.run_jobs().await;
    insta::assert_snapshot!(c.said());
}

#[tokio::test]
async fn coming_back_with_a_recovery_code() {
    let mut c = Conversation::new().await;
    let ada = c.world.patient("ada@example.org").await;
    let new = "eleven loud rivers in spring";
    let recover = |code: &str| {
        Some(json!({"email": "ada@example.org", "recovery_code": code, "new_password": new}))
    };
    c.say("POST /api/auth/recover", None, recover("nonsense"))
        .await;
    c.say("POST /api/auth/recover", None, recover(&ada.recovery_code))
        .await;
    c.say("POST /api/auth/recover", None, recover(&ada.recovery_code))
        .await;
    let sealed = "application/vnd.chartkey.sealed+json";
    let proof = STANDARD.encode([1; 32]);
    let begin = json!({"email": "ada@example.org", "recovery_auth": proof});
    c.say_as("POST /api/auth/recover", None, sealed, Some(begin))
        .await;
    c.say_as(
        "POST /api/auth/recover",
        None,
        sealed,
        Some(json!({"email": "ada@example.org"})),
    )
    .await;
    c.world.run_jobs().await;
    insta::assert_snapshot!(c.said());
}
