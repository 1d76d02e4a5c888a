//! The page for operators says of settings what the adapters take.

use chartkey_domain::connections::{ConnectionKind, Connectors, Credentials, Endpoint, ErrorClass};
use chartkey_domain::ids::ConnectionId;
use serde_json::Value;
use zeroize::Zeroizing;

use super::bench::{CLINIKO_KEY, NoTokens, adapters, clock, http};

const PAGE: &str = include_str!("../../../../docs/operate/platforms.md");

/// The samples: kind and settings.
fn samples() -> Vec<(ConnectionKind, Value)> {
    let after = PAGE.split("```json ").skip(1);
    after
        .map(|rest| {
            let (kind, rest) = rest.split_once('\n').unwrap();
            let (text, _) = rest.split_once("```").unwrap();
            let settings = serde_json::from_str(text).unwrap();
            (ConnectionKind::parse(kind).unwrap(), settings)
        })
        .collect()
}

#[tokio::test]
async fn every_sample_is_taken_and_with_one_word_more_none_is() {
    let samples = samples();
    for kind in ConnectionKind::ALL {
        assert!(samples.iter().any(|(known, _)| *known == kind), "{kind:?}");
    }
    // Nobody is there: settings that are taken get as far as the call.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let adapters = adapters(http(), &clock());
    for (kind, settings) in samples {
        let mut endpoint = Endpoint {
            connection: ConnectionId::from_bytes([1; 16]),
            kind,
            base_url: origin.clone(),
            credentials: Credentials::Bearer {
                token: Zeroizing::new(CLINIKO_KEY.to_owned()),
            },
            settings,
        };
        let platform = adapters.platform(kind).unwrap();
        let is_hook = endpoint.settings.get("webhook").is_some();
        match platform.verify(&endpoint, &NoTokens).await {
            Ok(_) => assert!(is_hook, "{kind:?}"),
            Err(refusal) => assert_eq!(refusal.class, ErrorClass::Transient, "{kind:?}"),
        }
        endpoint.settings["and_one_more"] = Value::from(1);
        let refusal = platform.verify(&endpoint, &NoTokens).await.unwrap_err();
        assert_eq!(refusal.class, ErrorClass::Invalid, "{kind:?}");
    }
}

#[test]
fn the_limits_on_the_page_are_those_that_hold_without_settings() {
    let adapters = adapters(http(), &clock());
    for (kind, settings) in samples() {
        let said = settings
            .get("max_bytes")
            .or_else(|| settings.pointer("/destination/max_bytes"))
            .and_then(Value::as_u64);
        let endpoint = Endpoint {
            connection: ConnectionId::from_bytes([1; 16]),
            kind,
            base_url: String::new(),
            credentials: Credentials::None,
            settings: Value::Null,
        };
        let platform = adapters.platform(kind).unwrap();
        if let Some(said) = said {
            let holds = platform.capabilities(&endpoint).max_bytes;
            assert_eq!(holds, said, "{kind:?}");
        }
    }
}
