//! What handlers are given: the services, tokens, configuration, metrics.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chartkey_outside::mail::Outbox;
use chartkey_service::Service;

use crate::api;
use crate::api::edge::Edge;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::tokens::{SigningSecret, Tokens};

/// The state of the router. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    config: Config,
    service: Service,
    tokens: Tokens,
    metrics: Arc<Metrics>,
    outbox: Option<Arc<Outbox>>,
    openapi: OnceLock<Bytes>,
}

impl App {
    /// Over services that have started.
    pub fn new(config: Config, service: Service, outbox: Option<Arc<Outbox>>) -> Self {
        let secret = match &config.jwt_secret {
            Some(text) => SigningSecret::Hmac(text.clone()),
            None => SigningSecret::Ed25519(service.keys().token_seed.clone()),
        };
        let tokens = Tokens::new(&secret, &config.app_url);
        Self(Arc::new(Inner {
            config,
            service,
            tokens,
            metrics: Arc::default(),
            outbox,
            openapi: OnceLock::new(),
        }))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The services.
    pub fn service(&self) -> &Service {
        &self.0.service
    }

    /// Access tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Where mail lies when nobody carries it.
    pub fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.0.outbox.as_ref()
    }

    /// The API's description: made when somebody first asks for it, since it
    /// is a megabyte that most nodes are never asked for.
    pub fn openapi(&self) -> Bytes {
        let made = self.0.openapi.get_or_init(|| Bytes::from(api::document()));
        made.clone()
    }

    /// What the edge is configured with.
    pub fn edge(&self) -> Edge {
        Edge {
            trusted_proxies: self.config().trusted_proxies.clone().into(),
            metrics: Arc::clone(self.metrics()),
            https: self.config().app_url.starts_with("https://"),
        }
    }
}
