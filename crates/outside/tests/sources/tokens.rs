//! Being let in: every kind of credentials, tokens that end, refreshing.

use std::collections::BTreeMap;

use chartkey_domain::connections::{
    Credentials, ErrorClass as Class, LaunchAnswer, LaunchAsk, Launcher as _,
};
use chartkey_fakes::fhir::{Aud, Record, Refresh, Shape};
use chartkey_fakes::{Fault, Rule};
use chartkey_outside::http::addresses::AllowedHosts;
use chartkey_outside::http::{HttpClient, HttpSettings};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::world::{Keeper, World, class};

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

#[tokio::test]
async fn fixed_credentials_go_into_every_call_as_configured() {
    let table = [
        (Credentials::None, None),
        (
            Credentials::Bearer {
                token: secret("t-1"),
            },
            Some(("authorization", "Bearer t-1")),
        ),
        (
            Credentials::Basic {
                username: secret("key"),
                password: secret(""),
            },
            Some(("authorization", "Basic a2V5Og==")),
        ),
        (
            Credentials::Header {
                name: "X-Api-Key".into(),
                value: secret("k-1"),
            },
            Some(("x-api-key", "k-1")),
        ),
    ];
    for (credentials, expected) in table {
        let mut world = World::new(Shape::Plain).await;
        world.credentials = credentials;
        world.pull(None).await;
        for call in world.server.stage().journal() {
            let said = ["authorization", "x-api-key"]
                .into_iter()
                .find_map(|name| Some((name, call.headers.get(name)?.as_str())));
            assert_eq!(said, expected, "{}", call.operation);
        }
    }
}

// 3
#[tokio::test]
async fn a_token_that_ends_in_the_middle_of_a_walk_is_renewed() {
    let world = World::with(Shape::Oracle, Record::Small).await;
    let first = world.first("Observation").await.unwrap();
    world.wait(600); // it lived for 570 seconds
    let second = world.page("Observation", first.next.as_deref()).await;
    assert!(second.is_ok());
    assert_eq!(world.server.stage().received("token").len(), 1);
    // And where the server alone knows that it is over.
    world.wait(120);
    world.server.forget_access_tokens();
    assert!(world.first("Condition").await.is_ok());
    assert_eq!(world.server.stage().received("token").len(), 2);
}

// 4
#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_is_used_again() {
    let world = World::with(Shape::Oracle, Record::Small).await;
    let before = world.keeper.refresh_token();
    for _ in 0..3 {
        world.wait(600);
        assert!(world.first("Condition").await.is_ok());
        assert_eq!(world.keeper.refresh_token(), before);
    }
    // Refreshed a moment ago: a server that thinks it too soon is believed.
    world.wait(10);
    world.server.forget_access_tokens();
    let error = world.first("Condition").await.err().unwrap();
    assert_eq!(error.class, Class::RateLimited);
    assert_eq!(error.retry_after.map(|wait| wait.as_secs()), Some(60));
    assert!(!world.keeper.lapsed() && world.keeper.turn_is_free());
}

// 5
#[tokio::test]
async fn a_rotated_refresh_token_is_stored_before_the_new_token_is_used() {
    let world = World::new(Shape::Epic).await;
    world.wait(7200);
    let before = world.keeper.refresh_token();
    let stage = world.server.stage();
    // What needs the new token fails; the refresh token must be kept by then.
    stage.set_faults(vec![Rule::every("search:*", Fault::status(500))]);
    assert_eq!(class(world.first("Condition").await), Class::Transient);
    assert_eq!(world.keeper.did(), ["take_turn", "store"]);
    assert_ne!(world.keeper.refresh_token(), before);
    stage.set_faults(Vec::new());
    world.wait(7200);
    assert!(world.first("Condition").await.is_ok());
}

// 5
#[tokio::test]
async fn many_calls_at_once_refresh_once() {
    let world = World::new(Shape::Epic).await;
    let plan = world.plan().await;
    world.wait(7200);
    let stage = world.server.stage();
    stage.set_latency(std::time::Duration::from_millis(30));
    let calls = plan
        .queries
        .iter()
        .map(|query| world.ask(query, &plan.discovered, None, None));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1); // claims
    assert_eq!(stage.received("token").len(), 1);
}

// 6, 8
#[tokio::test]
async fn an_authorisation_that_is_over_asks_for_a_person() {
    let world = World::new(Shape::Epic).await;
    let lifetime = Some(3600);
    world
        .server
        .with_quirks(|quirks| quirks.grant_lifetime_secs = lifetime);
    world.wait(7200);
    let error = world.first("Condition").await.err().unwrap();
    assert_eq!(error.class, Class::Auth);
    assert_eq!(error.remote_code.as_deref(), Some("invalid_grant"));
    assert!(world.keeper.lapsed() && world.keeper.turn_is_free());
}

#[tokio::test]
async fn a_token_that_is_refused_right_after_it_was_renewed_ends_the_run() {
    let world = World::new(Shape::Epic).await;
    let stage = world.server.stage();
    stage.set_faults(vec![Rule::every("search:*", Fault::status(401))]);
    assert_eq!(class(world.first("Condition").await), Class::Auth);
    assert_eq!(stage.received("token").len(), 1);
    assert_eq!(stage.received("search:Condition").len(), 2);
}

// 7
#[tokio::test]
async fn a_token_endpoint_that_stumbles_is_not_a_search_that_failed() {
    for fault in [
        Fault::status(408),
        Fault::status(503),
        Fault::TimeoutBefore,
        Fault::Disconnect,
    ] {
        let world = World::with(Shape::Oracle, Record::Small).await;
        world.wait(600);
        let stage = world.server.stage();
        stage.set_faults(vec![Rule::nth("token", 1, fault.clone())]);
        let error = world.first("Condition").await.err().unwrap();
        assert_eq!(error.class, Class::Transient, "{fault:?}");
        assert_eq!(error.remote_code.as_deref(), Some("token-endpoint"));
        assert!(!world.keeper.lapsed() && world.keeper.turn_is_free());
        assert_eq!(stage.received("search:*").len(), 0);
        world.wait(120);
        assert!(world.first("Condition").await.is_ok());
    }
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_all_and_we_never_do() {
    let world = World::new(Shape::Epic).await;
    world
        .server
        .with_quirks(|quirks| quirks.refresh = Refresh::Rotate);
    for _ in 0..5 {
        world.wait(7200);
        assert!(world.first("Condition").await.is_ok());
    }
    let asked = world.server.stage().received("token");
    let bodies: std::collections::BTreeSet<_> =
        asked.iter().map(|call| call.body_sha256.clone()).collect();
    assert_eq!((asked.len(), bodies.len()), (5, 5));
}

async fn backend(algorithm: &str, private_key: &str, public_key: &[u8]) -> World {
    let mut world = World::new(Shape::Epic).await;
    let server = &world.server;
    server.register_partner("clinic", "key-1", algorithm, public_key);
    world.keeper = Keeper::default();
    world.credentials = Credentials::BackendServices {
        client_id: "clinic".into(),
        token_url: None, // discovered
        private_key: secret(private_key),
        key_id: "key-1".into(),
        algorithm: algorithm.into(),
        scope: "system/*.rs".into(),
    };
    world
}

fn es384() -> (&'static str, Vec<u8>) {
    let pem = include_str!("keys/es384.pem");
    let inside: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, inside).unwrap();
    let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, &der, &SystemRandom::new()).unwrap();
    (pem, pair.public_key().as_ref().to_vec())
}

#[tokio::test]
async fn a_partner_proves_itself_with_a_signed_assertion() {
    let (es_pem, es_public) = es384();
    let rsa = include_str!("keys/rs384.pem");
    let table: [(&str, &str, &[u8]); 2] = [
        ("ES384", es_pem, &es_public),
        ("RS384", rsa, include_bytes!("keys/rs384.der")),
    ];
    for (algorithm, pem, public) in table {
        let world = backend(algorithm, pem, public).await;
        assert!(world.first("Condition").await.is_ok(), "{algorithm}");
        // Tokens live for five minutes; no assertion is shown twice.
        world.wait(400);
        assert!(world.first("Condition").await.is_ok(), "{algorithm}");
        assert_eq!(world.server.stage().received("token").len(), 2);
    }
}

#[tokio::test]
async fn a_partner_with_a_wrong_key_needs_a_person() {
    let (es_pem, es_public) = es384();
    let mut other = es_public.clone();
    other[40] ^= 1;
    let world = backend("ES384", es_pem, &other).await;
    let error = world.first("Condition").await.err().unwrap();
    assert_eq!(error.class, Class::Auth);
    assert_eq!(error.remote_code.as_deref(), Some("invalid_client"));
    // A key that is none is found out without a call.
    for (algorithm, pem) in [
        ("RS384", es_pem),
        ("HS256", es_pem),
        ("ES384", "-----BEGIN PRIVATE KEY-----"),
    ] {
        let world = backend(algorithm, pem, &es_public).await;
        assert_eq!(class(world.first("Condition").await), Class::Auth);
        assert_eq!(world.server.stage().received("token").len(), 0);
    }
}

/// Where a browser comes back to, with what.
async fn walk_through_sign_in(url: &str) -> BTreeMap<String, String> {
    let browser = HttpClient::new(HttpSettings {
        allowed_hosts: AllowedHosts::parse("127.0.0.1").unwrap(),
        ..HttpSettings::default()
    })
    .unwrap();
    let request = browser.request(reqwest::Method::GET, url).unwrap();
    let answer = browser.send(request, 1024).await.unwrap();
    assert_eq!(answer.status, 302);
    let location = answer.headers["location"].to_str().unwrap();
    let pairs = Url::parse(location).unwrap();
    pairs.query_pairs().into_owned().collect()
}

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const BACK: &str = "https://chartkey.example/connected";

fn ask<'a>() -> LaunchAsk<'a> {
    LaunchAsk {
        client_id: "chartkey",
        redirect_uri: BACK,
        scope: None,
        state: "state-1",
        verifier: VERIFIER,
    }
}

// 9, 30
#[tokio::test]
async fn a_patient_connects_their_provider_in_a_browser() {
    for (aud, setting) in [
        (Aud::Plain, "plain"),
        (Aud::Slash, "slash"),
        (Aud::Absent, "none"),
    ] {
        let mut world = World::new(Shape::Epic).await;
        world.server.with_quirks(|quirks| quirks.aud = aud);
        world.server.register_client("chartkey", "se:cret/+");
        world.settings = json!({"aud": setting});
        let endpoint = world.endpoint();
        let launcher = world.adapters.fhir();
        let launch = launcher.begin(&endpoint, ask()).await.unwrap();
        let back = walk_through_sign_in(&launch.authorize_url).await;
        assert_eq!(back["state"], "state-1");
        let answer = LaunchAnswer {
            token_url: &launch.token_url,
            client_id: "chartkey",
            client_secret: Some("se:cret/+"),
            redirect_uri: BACK,
            code: &back["code"],
            verifier: VERIFIER,
        };
        let state = launcher.finish(&endpoint, answer).await.unwrap();
        // The token is opaque: whose it is stands beside it.
        assert_eq!(state.patient.as_deref(), Some(world.patient.as_str()));
        assert!(state.refresh_token.is_some());
        let scope = state.scope.as_deref();
        let expected = "launch/patient openid fhirUser offline_access patient/*.rs";
        assert_eq!(scope, Some(expected));
        // A code works once.
        let again = launcher.finish(&endpoint, answer).await;
        assert_eq!(class(again), Class::Auth);
        // And what it brought opens the record, and is refreshed with the secret.
        let refresh = state.refresh_token.unwrap();
        world.keeper = Keeper::holding(&state.access_token, &refresh, state.expires_at);
        world.credentials = Credentials::Smart {
            client_id: "chartkey".into(),
            client_secret: Some(secret("se:cret/+")),
            token_url: launch.token_url,
        };
        world.wait(7200);
        assert!(world.first("Condition").await.is_ok());
    }
}

#[tokio::test]
async fn a_code_is_worth_nothing_without_the_verifier() {
    let world = World::new(Shape::Epic).await;
    let endpoint = world.endpoint();
    let launcher = world.adapters.fhir();
    let launch = launcher.begin(&endpoint, ask()).await.unwrap();
    let back = walk_through_sign_in(&launch.authorize_url).await;
    let answer = LaunchAnswer {
        token_url: &launch.token_url,
        client_id: "chartkey",
        client_secret: None,
        redirect_uri: BACK,
        code: &back["code"],
        verifier: "another-verifier-another-verifier-another-one",
    };
    assert_eq!(class(launcher.finish(&endpoint, answer).await), Class::Auth);
}

#[tokio::test]
async fn a_verifier_that_is_too_short_is_not_sent_out() {
    let world = World::new(Shape::Epic).await;
    let endpoint = world.endpoint();
    let short = LaunchAsk {
        verifier: "short",
        ..ask()
    };
    let launch = world.adapters.fhir().begin(&endpoint, short).await;
    assert_eq!(class(launch), Class::Invalid);
    assert_eq!(world.server.stage().journal(), []);
}

#[tokio::test]
async fn a_code_whose_trade_got_no_answer_may_have_been_used() {
    let world = World::new(Shape::Epic).await;
    let endpoint = world.endpoint();
    let stage = world.server.stage();
    let token_url = world.server.token_url();
    let answer = LaunchAnswer {
        token_url: &token_url,
        client_id: "chartkey",
        client_secret: None,
        redirect_uri: BACK,
        code: "code-1",
        verifier: VERIFIER,
    };
    for (fault, expected) in [
        (Fault::TimeoutAfter, Class::Unknown),
        (Fault::Disconnect, Class::Unknown),
        (Fault::status(503), Class::Transient),
        (Fault::BrokenBody, Class::Auth),
    ] {
        stage.set_faults(vec![Rule::nth("token", 1, fault.clone())]);
        let state = world.adapters.fhir().finish(&endpoint, answer).await;
        assert_eq!(class(state), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn a_launch_may_prove_the_client_with_a_signed_assertion() {
    let (pem, public) = es384();
    let mut world = World::new(Shape::Epic).await;
    let server = &world.server;
    server.register_partner("chartkey", "key-1", "ES384", &public);
    world.settings = json!({"client_auth": "private_key_jwt", "key_id": "key-1"});
    let endpoint = world.endpoint();
    let launcher = world.adapters.fhir();
    let launch = launcher.begin(&endpoint, ask()).await.unwrap();
    let back = walk_through_sign_in(&launch.authorize_url).await;
    let answer = LaunchAnswer {
        token_url: &launch.token_url,
        client_id: "chartkey",
        client_secret: Some(pem),
        redirect_uri: BACK,
        code: &back["code"],
        verifier: VERIFIER,
    };
    let bare = LaunchAnswer {
        client_secret: None,
        ..answer
    };
    assert_eq!(class(launcher.finish(&endpoint, bare).await), Class::Auth);
    let state = launcher.finish(&endpoint, answer).await.unwrap();
    let refresh = state.refresh_token.unwrap();
    world.keeper = Keeper::holding(&state.access_token, &refresh, state.expires_at);
    world.credentials = Credentials::Smart {
        client_id: "chartkey".into(),
        client_secret: Some(secret(pem)),
        token_url: launch.token_url,
    };
    world.wait(7200);
    assert!(world.first("Condition").await.is_ok());
}
