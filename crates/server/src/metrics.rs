//! Counters for Prometheus, as text at `/metrics`.
//!
//! Labels are route templates, methods, statuses and dotted words of our own;
//! never an id, an address or anything that a person typed.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What a request was about.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

/// Which route a duration belongs to.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    running: Gauge<i64, AtomicI64>,
    /// Connections that are open now.
    pub connections: Gauge<i64, AtomicI64>,
}

fn buckets() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        let answered = Family::default();
        let seconds = Family::<Route, Histogram>::new_with_constructor(buckets);
        let running = Gauge::default();
        let connections = Gauge::default();
        let mut registry = Registry::with_prefix("chartkey");
        registry.register("http_requests", "Requests answered", answered.clone());
        registry.register("http_request_seconds", "Time to answer", seconds.clone());
        registry.register("http_requests_running", "Requests running", running.clone());
        registry.register("connections", "Connections open", connections.clone());
        Self {
            registry,
            answered,
            seconds,
            running,
            connections,
        }
    }
}

impl Metrics {
    /// A request began; count its end when the value is dropped.
    pub fn begin(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    /// A request was answered.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        self.answered
            .get_or_create(&Answered {
                method: method.to_owned(),
                route: route.clone(),
                status,
            })
            .inc();
        self.seconds
            .get_or_create(&Route { route })
            .observe(took.as_secs_f64());
    }

    /// All of it in the text format (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a `String` cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A running request; counted until dropped, also when its client goes away.
pub struct Running(Gauge<i64, AtomicI64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}
