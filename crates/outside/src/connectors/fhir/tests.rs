use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chartkey_domain::clock::FixedClock;
use chartkey_domain::connections::*;
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::ids::ConnectionId;
use jiff::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
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
