//! Registration, addresses, profiles, administrators.

use serde_json::json;

use crate::conversation::{Conversation, PASSWORD};

#[tokio::test]
async fn registering_and_verifying() {
    let mut c = Conversation::new().await;
    let new = json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada Lovelace",
        "date_of_birth": "1950-12-10", "phone": "+49 30 1234"});
    c.say("POST /api/patients/register", None, Some(new.clone()))
        .await;
    c.say("POST /api/patients/register", None, Some(new)).await;
    let provider = json!({"email": "bob@example.org", "password": PASSWORD, "name": "Bob",
        "type": "Dietician", "license_number": "D-1", "license_country": "de", "organization": "Practice"});
    c.say("POST /api/providers/register", None, Some(provider))
        .await;
    c.world.run_jobs().await;
    let mails = c.world.mail.list();
    let mail = mails
        .iter()
        .find(|mail| mail.to == "ada@example.org")
        .unwrap();
    let token = mail.text.split("/verify-email#token=").nth(1).unwrap();
    let token = token.split_whitespace().next().unwrap().to_owned();
    c.say(
        "POST /api/auth/verify-email",
        None,
        Some(json!({"token": token})),
    )
    .await;
    c.say(
        "POST /api/auth/verify-email",
        None,
        Some(json!({"token": token})),
    )
    .await;
    c.say(
        "POST /api/auth/verify-email",
        None,
        Some(json!({"token": "nonsense"})),
    )
    .await;
    insta::assert_snapshot!(c.said().replace(&token, "[token]"));
}

#[tokio::test]
async fn registering_badly() {
    let mut c = Conversation::new().await;
    for body in [
        json!({}),
        json!([]),
        json!({"email": 7, "password": PASSWORD, "name": "Ada"}),
        json!({"email": "ada", "password": PASSWORD, "name": " ", "date_of_birth": "1950-02-30"}),
        json!({"email": "ada@example.org", "password": "short", "name": "Ada"}),
        json!({"email": "ada@example.org", "password": "passwordpassword", "name": "Ada"}),
        json!({"email": "ada@example.org", "password": PASSWORD, "name": "Ada", "admin": true}),
        json!({"email": "ada@example.org", "password": PASSWORD, "name": "a\u{202e}b"}),
    ] {
        c.say("POST /api/patients/register", None, Some(body)).await;
    }
    let body = json!({"email": "bob@example.org", "password": PASSWORD, "name": "Bob", "type": "",
        "license_number": "", "license_country": ""});
    c.say("POST /api/providers/register", None, Some(body))
        .await;
    let sealed = "application/vnd.chartkey.sealed+json";
    let body = json!({"email": "ada@example.org", "name": "Ada", "account": {"account": "x"}});
    c.say_as("POST /api/patients/register", None, sealed, Some(body))
        .await;
    insta::assert_snapshot!(c.said());
}

#[tokio::test]
async fn one_s_own_profile() {
    let mut c = Conversation::new().await;
    let token = c.patient("ada@example.org").await;
    let token = Some(token.as_str());
    c.say("GET /api/patients/profile", None, None).await;
    c.say("GET /api/patients/profile", token, None).await;
    let change = json!({"name": "Ada L.", "phone": "", "assisted_access": false, "preferences": {"theme": "dark"}});
    c.say("PUT /api/patients/profile", token, Some(change))
        .await;
    c.say(
        "PUT /api/patients/profile",
        token,
        Some(json!({"date_of_birth": "tomorrow"})),
    )
    .await;
    c.say(
        "PUT /api/patients/profile",
        token,
        Some(json!({"preferences": "dark"})),
    )
    .await;
    c.say("POST /api/auth/verify-email/resend", token, None)
        .await;
    c.say("POST /api/auth/verify-email/resend", None, None)
        .await;
    insta::assert_snapshot!(c.said());
}

#[tokio::test]
async fn public_keys() {
    let mut c = Conversation::new().await;
    let token = c.patient("ada@example.org").await;
    let profile = c.say("GET /api/patients/profile", Some(&token), None).await;
    let id = profile.json["account_id"].as_str().unwrap().to_owned();
    c.say(&format!("GET /api/keys/{id}"), Some(&token), None)
        .await;
    c.say(&format!("GET /api/keys/{id}"), None, None).await;
    c.say("GET /api/keys/nonsense", Some(&token), None).await;
    insta::assert_snapshot!(c.said());
}

#[tokio::test]
async fn administrators() {
    let mut c = Conversation::new().await;
    c.world.admin("root@example.org").await;
    c.world.provider("bob@example.org").await;
    let ada = c.patient("ada@example.org").await;
    let root = c.sign_in("root@example.org").await;
    let root = Some(root.as_str());
    let listed = c
        .say("GET /api/admin/providers?verification=pending", root, None)
        .await;
    let bob = listed.json["items"][0]["id"].as_str().unwrap().to_owned();
    let decide = format!("POST /api/admin/providers/{bob}/verification");
    c.say(&decide, Some(&ada), Some(json!({"decision": "approve"})))
        .await;
    c.say(&decide, None, Some(json!({"decision": "approve"})))
        .await;
    c.say(&decide, root, Some(json!({"decision": "maybe"})))
        .await;
    c.say(
        &decide,
        root,
        Some(json!({"decision": "approve", "reason": "licence seen"})),
    )
    .await;
    c.say("GET /api/admin/providers", root, None).await;
    c.say("GET /api/admin/providers?verification=nonsense", root, None)
        .await;
    let unknown = "POST /api/admin/providers/00000000-0000-7000-8000-000000000000/verification";
    c.say(unknown, root, Some(json!({"decision": "approve"})))
        .await;
    let page = c.say("GET /api/admin/accounts?limit=2", root, None).await;
    let next = page.json["next"].as_str().unwrap().to_owned();
    let rest = c
        .say(
            &format!("GET /api/admin/accounts?limit=2&cursor={next}"),
            root,
            None,
        )
        .await;
    assert_eq!(rest.json["items"].as_array().unwrap().len(), 1);
    c.say("GET /api/admin/accounts?limit=0", root, None).await;
    c.say("GET /api/admin/accounts?cursor=nonsense", root, None)
        .await;
    c.say("GET /api/admin/accounts", Some(&ada), None).await;
    let disable = format!("POST /api/admin/accounts/{bob}/disable");
    c.say(&disable, root, Some(json!({"disabled": true}))).await;
    c.say(&disable, root, Some(json!({}))).await;
    c.world.run_jobs().await;
    insta::assert_snapshot!(c.said().replace(&next, "[cursor]"));
}
