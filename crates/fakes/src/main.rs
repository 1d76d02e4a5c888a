//! The made-up systems as a program: `chartkey-fakes [--port 9100]`.
//!
//! Each stands on a port of its own, one after the other from the port given, or
//! on any free ones. What it says first, and only, is one line of JSON: where
//! each is, and which patient it holds. It runs until it is ended.

use std::process::ExitCode;
use std::sync::Arc;

use chartkey_domain::clock::Clock;
use chartkey_fakes::fhir::{FhirServer, Record, Shape};
use chartkey_fakes::platforms::carepatron::Carepatron;
use chartkey_fakes::platforms::cliniko::Cliniko;
use chartkey_fakes::platforms::fhir_sink::FhirSink;
use chartkey_fakes::platforms::healthie::Healthie;
use chartkey_fakes::platforms::plain::Plain;
use jiff::Timestamp;
use serde_json::json;

/// The key that the platforms take, unless it has to look like theirs.
const KEY: &str = "made-up-key";

/// The real time.
struct Now;

impl Clock for Now {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of this program where the time comes from"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The port given, or 0; none when the words are others.
fn port() -> Option<u16> {
    let mut words = std::env::args().skip(1);
    match (words.next().as_deref(), words.next(), words.next()) {
        (None, _, _) => Some(0),
        (Some("--port"), Some(port), None) => port.parse().ok(),
        _ => None,
    }
}

async fn run(first: u16) -> std::io::Result<()> {
    let port = |nth: u16| {
        if first == 0 {
            0
        } else {
            first.saturating_add(nth)
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(Now);
    let mut said = serde_json::Map::new();
    let mut running = Vec::new();
    for (nth, name, shape, record) in [
        (0, "epic", Shape::Epic, Some(Record::Elder)),
        (1, "oracle", Shape::Oracle, Some(Record::Longitudinal)),
        (2, "fhir", Shape::Plain, Some(Record::Small)),
    ] {
        let server = FhirServer::start(shape, Arc::clone(&clock), port(nth)).await?;
        let patient = record.map(|record| server.load(record));
        said.insert(
            name.to_owned(),
            json!({"base_url": server.base_url(), "patient": patient}),
        );
        running.push(tokio::spawn(server.forever()));
    }
    let cliniko = Cliniko::start(Arc::clone(&clock), port(3), "made-up-key-au1").await?;
    let healthie = Healthie::start(Arc::clone(&clock), port(4), KEY).await?;
    let carepatron = Carepatron::start(Arc::clone(&clock), port(5), KEY, "workspace-1").await?;
    let plain = Plain::start(Arc::clone(&clock), port(6), KEY).await?;
    let sink = FhirSink::start(Arc::clone(&clock), port(7), KEY).await?;
    for (name, base_url, key) in [
        (
            "cliniko",
            format!("{}/v1", cliniko.origin()),
            "made-up-key-au1",
        ),
        ("healthie", format!("{}/graphql", healthie.origin()), KEY),
        ("carepatron", carepatron.origin().to_owned(), KEY),
        ("plain", plain.origin().to_owned(), KEY),
        ("fhir_sink", sink.origin().to_owned(), KEY),
    ] {
        said.insert(name.to_owned(), json!({"base_url": base_url, "key": key}));
    }
    running.push(tokio::spawn(cliniko.forever()));
    running.push(tokio::spawn(healthie.forever()));
    running.push(tokio::spawn(carepatron.forever()));
    running.push(tokio::spawn(plain.forever()));
    running.push(tokio::spawn(sink.forever()));
    #[expect(clippy::print_stdout, reason = "this is what the program says")]
    {
        println!("{}", serde_json::Value::Object(said));
    }
    for server in running {
        server.await.map_err(std::io::Error::other)?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match port() {
        Some(first) => run(first).await,
        None => Err(std::io::Error::other("chartkey-fakes [--port N]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
