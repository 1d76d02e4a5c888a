//! The contract harness: one test, run on every engine.
//!
//! Each run gets an empty, migrated store of its own: SQLite in memory, SQLite
//! in a temporary folder, and PostgreSQL in a fresh schema of the database
//! that `TEST_DATABASE_URL` names. Without that variable PostgreSQL is left
//! out on a developer's machine; where `CI=true` its absence fails the test.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Place, Store, StoreConfig};

/// Runs `test` once per engine, on a runtime of its own.
///
/// # Panics
/// If a store cannot be opened, or where `CI=true` and there is no PostgreSQL
/// to test on; and whenever `test` does.
#[expect(clippy::expect_used, reason = "a harness reports by panicking")]
pub fn for_each_engine<F, Fut>(test: F)
where
    F: Fn(Store) -> Fut,
    Fut: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    for engine in engines() {
        let store = Store::open(&StoreConfig::new(engine.place.clone()))
            .unwrap_or_else(|error| panic!("{}: {error:?}", engine.name));
        // Captured by the test runner, and shown when the test fails.
        eprintln!("on {}", engine.name);
        runtime.block_on(test(store));
    }
}

/// Runs `test` with a place that can be opened, closed and opened again.
///
/// # Panics
/// As [`for_each_engine`], except that nothing is opened here.
#[expect(clippy::expect_used, reason = "a harness reports by panicking")]
pub fn for_each_place<F, Fut>(test: F)
where
    F: Fn(Place) -> Fut,
    Fut: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    for engine in engines() {
        if !matches!(engine.place, Place::Memory) {
            eprintln!("on {}", engine.name);
            runtime.block_on(test(engine.place.clone()));
        }
    }
}

struct Engine {
    name: &'static str,
    place: Place,
    /// Holds the folder for as long as the test runs.
    _folder: Option<tempfile::TempDir>,
    /// The schema to drop when the test is done.
    _schema: Option<Schema>,
}

#[expect(clippy::expect_used, reason = "a harness reports by panicking")]
fn engines() -> Vec<Engine> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut engines = vec![
        Engine {
            name: "SQLite in memory",
            place: Place::Memory,
            _folder: None,
            _schema: None,
        },
        Engine {
            name: "SQLite on disk",
            place: Place::File(folder.path().join("test.db")),
            _folder: Some(folder),
            _schema: None,
        },
    ];
    match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => {
            let schema = Schema::new(url.clone());
            engines.push(Engine {
                name: "PostgreSQL",
                place: Place::Postgres {
                    url,
                    schema: Some(schema.name.clone()),
                },
                _folder: None,
                _schema: Some(schema),
            });
        }
        Err(_) => assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "TEST_DATABASE_URL is not set, so nothing would run on PostgreSQL"
        ),
    }
    engines
}

struct Schema {
    url: String,
    name: String,
}

impl Schema {
    fn new(url: String) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Unique among the processes that share the database: each test is
        // one, and ids of processes that live together differ.
        let mut name = format!("test_{}", std::process::id());
        let _ = write!(name, "_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let schema = Self { url, name };
        schema.drop_it();
        schema
    }

    /// On a plain thread, because the synchronous client refuses others.
    fn drop_it(&self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        let work = std::thread::spawn(move || {
            if let Ok(mut client) = postgres::Client::connect(&url, postgres::NoTls) {
                let _ = client.batch_execute(&format!(
                    "SET client_min_messages = warning; DROP SCHEMA IF EXISTS {name} CASCADE"
                ));
            }
        });
        let _ = work.join();
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.drop_it();
    }
}
