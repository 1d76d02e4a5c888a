use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chartkey_domain::clock::FixedClock;
use chartkey_domain::connections::*;
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::ids::ConnectionId;
use jiff::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::FhirSource;
use crate::connectors::ConnectorLimits;
use crate::connectors::wire::Wire;
use crate::http::{HttpClient, HttpSettings, Looking, Names};

/// A name that is public when it is looked at, and private when it is called.
struct Rebinding(AtomicUsize);

impl Names for Rebinding {
    fn look_up(&self, _name: String) -> Looking {
        let first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
        let ip = if first { "203.0.114.1" } else { "127.0.0.1" };
        let address: SocketAddr = format!("{ip}:0").parse().unwrap();
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// Nothing to keep.
struct NoTokens;

impl TokenKeeper for NoTokens {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenState>, ConnectorError>> {
        Box::pin(async { Ok(None) })
    }

    fn take_turn(&self) -> BoxFuture<'_, Result<bool, ConnectorError>> {
        Box::pin(async { Ok(true) })
    }

    fn store(&self, _state: TokenState) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    fn give_up(&self, _lapsed: bool) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_name_that_turns_private_after_it_was_looked_at_is_not_called() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = Arc::new(Rebinding(AtomicUsize::new(0)));
    names.look_up("rebind.example".into()).await.unwrap(); // whoever looked first
    let http = HttpClient::with_resolver(HttpSettings::default(), names).unwrap();
    let clock = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
    let chance = Box::new(ChaCha20Rng::from_seed([7; 32]));
    let wire = Arc::new(Wire::new(http, clock, chance));
    let source = FhirSource::new(wire, ConnectorLimits::default());
    let endpoint = Endpoint {
        connection: ConnectionId::from_bytes([1; 16]),
        kind: ConnectionKind::Fhir,
        base_url: format!("https://rebind.example:{port}/fhir"),
        credentials: Credentials::None,
        settings: json!({}),
    };
    let url = format!("https://rebind.example:{port}/fhir/Binary/a");
    let query = SourceQuery {
        name: "Observation".into(),
        resource_type: "Observation".into(),
        incremental: false,
    };
    let ask = PageAsk {
        patient: "1",
        query: &query,
        discovered: &json!(null),
        since: None,
        next: None,
    };
    let errors = [
        source.verify(&endpoint, &NoTokens).await.err(),
        source.plan(&endpoint, &NoTokens, None).await.err(),
        source.page(&endpoint, &NoTokens, ask).await.err(),
        source
            .file(&endpoint, &NoTokens, &url, None, 10)
            .await
            .err(),
    ];
    for error in errors {
        assert_eq!(error.unwrap().class, ErrorClass::Address);
    }
    let knock = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    assert!(knock.is_err(), "somebody was at the door");
}

/// Pieces that are put where they do not belong.
const PIECES: [&[u8]; 9] = [
    b"{",
    b"]",
    b"\"",
    b"null",
    b"1e999",
    b"\\ud800",
    b"\xff\xfe",
    b"[[[[[[[[",
    b",\"entry\":",
];

/// `json`, hurt in a few places: cut, doubled, overwritten.
fn hurt(json: &[u8], chance: &mut ChaCha20Rng) -> Vec<u8> {
    let mut bytes = json.to_vec();
    for _ in 0..=chance.next_u32() % 4 {
        let at = usize::try_from(chance.next_u32()).unwrap() % bytes.len().max(1);
        let piece = PIECES[usize::try_from(chance.next_u32()).unwrap() % PIECES.len()];
        match chance.next_u32() % 3 {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, piece.iter().copied())),
            _ => {
                let end = (at + piece.len()).min(bytes.len());
                drop(bytes.splice(at..end, piece.iter().copied()));
            }
        }
    }
    bytes
}

#[test]
fn no_answer_whatever_is_in_it_makes_reading_it_panic() {
    let page = json!({"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "Observation", "id": "a", "subject": {"reference": "Patient/p"},
            "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}},
        {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "error",
            "code": "x", "details": {"coding": [{"code": "4127"}]}}]}},
        {"resource": {"resourceType": "Endpoint", "id": "e", "address": "https://a.example/b",
            "managingOrganization": {"reference": "#o"},
            "contained": [{"resourceType": "Organization", "id": "o", "name": "A"}]}}],
        "link": [{"relation": "next", "url": "https://fhir.example/R4?page=2"}]})
    .to_string();
    let base = url::Url::parse("https://fhir.example/R4/").unwrap();
    let mut chance = ChaCha20Rng::from_seed([3; 32]);
    let mut taken = 0;
    for _ in 0..20_000 {
        let bytes = hurt(page.as_bytes(), &mut chance);
        if let Ok(page) = super::bundle::read(&bytes, "p", 4096) {
            taken += page.resources.len();
            let walk = super::paging::Walk::begin(base.to_string());
            let onward = walk.onward(&base, page.next.as_deref(), false, 10);
            if let Some(next) = onward.next {
                let on = super::paging::Walk::resume(&next);
                assert!(on.is_err() || on.unwrap().url.starts_with("https://fhir.example/"));
            }
        }
        drop(super::bundle::read_one(&bytes, "p", 4096));
        drop(super::outcome::missing(&bytes));
        drop(super::directory::read(&bytes));
        assert!(super::file::sniff(&bytes).is_none_or(|kind| kind.contains('/')));
        if let Ok(text) = std::str::from_utf8(&bytes) {
            drop(super::paging::Walk::resume(text));
        }
    }
    assert!(taken > 1_000, "only {taken} were whole enough to be taken");
}
