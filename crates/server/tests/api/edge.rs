//! What every answer has, and what never reaches a handler.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

use crate::conversation::{Conversation, PASSWORD};

fn post(path: &str, media_type: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(path);
    if let Some(media_type) = media_type {
        request = request.header("content-type", media_type);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn every_answer_is_private_and_guarded() {
    let c = Conversation::new().await;
    for path in [
        "/healthz",
        "/api/patients/profile",
        "/no/such/place",
        "/api/docs",
    ] {
        let answer = c.raw(Request::get(path).body(Body::empty()).unwrap()).await;
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(
            header("x-content-type-options").as_deref(),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            header("cache-control").as_deref(),
            Some("no-store"),
            "{path}"
        );
        assert_eq!(header("x-frame-options").as_deref(), Some("DENY"), "{path}");
        assert!(header("strict-transport-security").is_some(), "{path}");
        assert!(header("x-request-id").is_some(), "{path}");
        let policy = header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn what_has_no_route_or_method_is_a_problem_too() {
    let c = Conversation::new().await;
    for (method, path, status) in [
        (Method::GET, "/no/such/place", 404),
        (Method::POST, "/healthz", 405),
        (Method::DELETE, "/api/auth/login", 405),
        (Method::GET, "/api/%ff", 404),
        (Method::GET, "/api/keys/%ff", 400),
    ] {
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let answer = c.raw(request).await;
        assert_eq!(answer.status, status, "{method} {path} {}", answer.text);
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn bodies_are_bounded_typed_and_text() {
    let c = Conversation::new().await;
    let json = Some("application/json");
    let huge = format!(r#"{{"email":"{}"}}"#, "a".repeat(300 << 10));
    for (media_type, body, status, code) in [
        (None, "{}".to_owned(), 415, "body.media_type"),
        (Some("text/plain"), "{}".to_owned(), 415, "body.media_type"),
        (
            Some("application/vnd.chartkey.sealed+json"),
            "{}".to_owned(),
            415,
            "body.media_type",
        ),
        (json, String::new(), 400, "body.malformed"),
        (json, "{".to_owned(), 400, "body.malformed"),
        (json, huge, 413, "body.too_large"),
        (
            json,
            r#"{"email":"a","email":"b"}"#.to_owned(),
            422,
            "body.invalid",
        ),
        (
            Some("application/json; charset=utf-8"),
            "{}".to_owned(),
            422,
            "body.invalid",
        ),
    ] {
        let answer = c.raw(post("/api/auth/login", media_type, body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json["code"].as_str()),
            (status, Some(code))
        );
    }
    let answer = c
        .raw(post("/api/auth/login", json, vec![0xff, 0xfe, 0x7b, 0]))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn problems_never_repeat_what_was_sent() {
    let c = Conversation::new().await;
    let marker = "MARKER-7f3c";
    for (path, body) in [
        (
            "/api/auth/login",
            json!({"email": marker, "password": marker}),
        ),
        ("/api/auth/login", json!({"email": {"marker": marker}})),
        (
            "/api/auth/login",
            json!({"email": "ada@example.org", "password": marker}),
        ),
        (
            "/api/patients/register",
            json!({"email": "a@b.example", "password": PASSWORD, "name": marker.repeat(100)}),
        ),
        ("/api/auth/verify-email", json!({"token": marker})),
        (
            "/api/auth/recover",
            json!({"email": "a@b.example", "recovery_code": marker, "new_password": marker}),
        ),
        ("/api/auth/refresh", json!({"refresh_token": marker})),
        ("/api/auth/refresh", json!([marker])),
        ("/api/auth/refresh", json!({"refresh_token": [marker]})),
    ] {
        let answer = c
            .raw(post(path, Some("application/json"), body.to_string()))
            .await;
        assert!(answer.status.is_client_error(), "{path} {}", answer.status);
        assert!(!answer.text.contains(marker), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_a_registration_count_once() {
    let c = Conversation::new().await;
    let body = json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada"}).to_string();
    let send = async |key: &str, body: &str| {
        let mut request = post(
            "/api/patients/register",
            Some("application/json"),
            body.to_owned(),
        );
        request
            .headers_mut()
            .insert("idempotency-key", key.parse().unwrap());
        c.raw(request).await
    };
    let first = send("key-1", &body).await;
    let second = send("key-1", &body).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201));
    assert_eq!(first.json["account_id"], second.json["account_id"]);
    assert!(first.json["recovery_code"].is_string());
    assert!(
        second.json["recovery_code"].is_null(),
        "a recovery code is not repeated"
    );
    let other = send("key-1", &body.replace("Ada", "Eve")).await;
    assert_eq!(other.json["code"], "idempotency.reused");
    for bad in ["a b", &"a".repeat(300)] {
        assert_eq!(
            send(bad, &body).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    c.world.run_jobs().await;
}

#[tokio::test]
async fn too_many_tries_are_asked_to_come_back() {
    let c = Conversation::new().await;
    let body = json!({"email": "ada@example.org", "auth_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="});
    let mut last = None;
    for _ in 0..12 {
        last = Some(
            c.raw(post(
                "/api/auth/login",
                Some("application/json"),
                body.to_string(),
            ))
            .await,
        );
    }
    let answer = last.unwrap();
    assert_eq!(answer.json["code"], "request.limited");
    let secs: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    // The window slides: two of them at most.
    assert!((1..=1_800).contains(&secs), "{secs}");
}

#[tokio::test]
async fn the_outbox_exists_in_development_only() {
    let get = || Request::get("/dev/mail.json").body(Body::empty()).unwrap();
    let development = Conversation::new().await;
    assert_eq!(development.raw(get()).await.status, StatusCode::OK);
    let key = ("ENCRYPTION_KEY", "b7d1f09c3a5e48d2967fe1c04ab8356d");
    let production = Conversation::with(&[("CHARTKEY_ENV", "production"), key]).await;
    assert_eq!(production.raw(get()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_node_serves_the_groups_that_it_was_told_to() {
    let c = Conversation::with(&[("SERVICES", "audit")]).await;
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(
        c.raw(get("/api/audit/checkpoint")).await.status,
        StatusCode::OK
    );
    assert_eq!(
        c.raw(get("/api/patients/profile")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(c.raw(get("/healthz")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_name_routes_and_nobody() {
    let mut c = Conversation::new().await;
    let token = c.patient("ada@example.org").await;
    c.say(
        "GET /api/keys/01a2011e-faa5-7aae-986e-4540251dab62",
        Some(&token),
        None,
    )
    .await;
    let answer = c
        .raw(Request::get("/metrics").body(Body::empty()).unwrap())
        .await;
    assert!(
        answer.text.contains(r#"route="/api/keys/{principal}""#),
        "{}",
        answer.text
    );
    assert!(
        !answer.text.contains("01a2011e") && !answer.text.contains("ada"),
        "{}",
        answer.text
    );
}
