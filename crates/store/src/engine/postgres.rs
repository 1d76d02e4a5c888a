//! PostgreSQL through the synchronous client: one writing connection per node
//! and a few reading ones, all on blocking threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use postgres::Client;
use postgres::config::{Host, SslMode};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::Semaphore;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Connection, Reader, Row, StoreError, Value};

/// Reads at the same time; further ones wait.
const READERS: usize = 8;
/// Prepared statements kept per connection. Filters build a few dozen.
const STATEMENTS: usize = 256;

/// Where and how to connect. The URL may hold a password.
#[derive(Clone)]
pub(super) struct PgTarget {
    url: String,
    schema: Option<String>,
}

impl PgTarget {
    /// `schema` (a plain lower-case word) is created if it is missing, and
    /// everything happens in it; otherwise the server's default applies.
    pub(super) fn new(url: &str, schema: Option<&str>) -> Self {
        Self {
            url: url.to_owned(),
            schema: schema.map(str::to_owned),
        }
    }

    /// Creates the schema if it is missing; two nodes that start together
    /// take turns, because `IF NOT EXISTS` alone lets both try.
    pub(super) fn create_schema(&self) -> Result<(), StoreError> {
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if schema.is_empty() || !schema.bytes().all(plain) {
            return Err(StoreError::Refused("the schema's name"));
        }
        self.connect()?.batch(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('chartkey/{schema}', 0));
             CREATE SCHEMA IF NOT EXISTS {schema}; COMMIT"
        ))
    }

    pub(super) fn connect(&self) -> Result<PgConnection, StoreError> {
        let mut config: postgres::Config = self
            .url
            .parse()
            .map_err(|_| StoreError::Refused("the PostgreSQL URL"))?;
        config.application_name("chartkey");
        config.connect_timeout(std::time::Duration::from_secs(10));
        config.keepalives_idle(std::time::Duration::from_secs(30));
        let tcp = config
            .get_hosts()
            .iter()
            .any(|host| matches!(host, Host::Tcp(_)));
        let client = if tcp && config.get_ssl_mode() != SslMode::Disable {
            config.connect(tls()?)
        } else {
            config.connect(postgres::NoTls)
        };
        let client = client.map_err(|e| error(&e))?;
        let mut this = PgConnection {
            client,
            statements: HashMap::new(),
        };
        this.batch(
            "SET standard_conforming_strings = on; SET client_min_messages = warning;
             SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'",
        )?;
        if let Some(schema) = &self.schema {
            this.batch(&format!("SET search_path = {schema}"))?;
        }
        Ok(this)
    }
}

/// Certificates are checked against the system's roots and the host's name,
/// whatever `sslmode` says. By default (`prefer`) a server that speaks no TLS
/// at all is accepted; `sslmode=require` refuses it.
fn tls() -> Result<MakeRustlsConnect, StoreError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|_| StoreError::Unavailable)?
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

pub(crate) struct PgConnection {
    client: Client,
    statements: HashMap<String, postgres::Statement>,
}

impl PgConnection {
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).map_err(|e| error(&e))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        let statement = self.statement(sql)?;
        self.client
            .execute(&statement, &as_parameters(params))
            .map_err(|e| error(&e))
    }

    pub(super) fn query<T>(
        &mut self,
        most: usize,
        sql: &str,
        params: &[Value<'_>],
        map: &mut impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let statement = self.statement(sql)?;
        let rows = self
            .client
            .query(&statement, &as_parameters(params))
            .map_err(|e| error(&e))?;
        rows.iter()
            .take(most)
            .map(|row| map(&Row::postgres(row)))
            .collect()
    }

    fn statement(&mut self, sql: &str) -> Result<postgres::Statement, StoreError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&numbered(sql)).map_err(|e| error(&e))?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn error(error: &postgres::Error) -> StoreError {
    StoreError::from_postgres(error)
}

fn as_parameters<'a>(params: &'a [Value<'a>]) -> Vec<&'a (dyn postgres::types::ToSql + Sync)> {
    params
        .iter()
        .map(|value| value as &(dyn postgres::types::ToSql + Sync))
        .collect()
}

/// `?1` becomes `$1`, except inside quotes.
fn numbered(sql: &str) -> String {
    let mut quoted = false;
    sql.chars()
        .map(|c| match c {
            '\'' => {
                quoted = !quoted;
                c
            }
            '?' if !quoted => '$',
            _ => c,
        })
        .collect()
}

/// Reading connections on blocking threads.
pub(super) struct PgPool {
    target: PgTarget,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Reader>>,
}

impl PgPool {
    pub(super) fn new(target: PgTarget) -> Self {
        Self {
            target,
            turns: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::new(Vec::new()),
        }
    }

    pub(super) async fn read<T, E>(
        self: Arc<Self>,
        f: impl FnOnce(&mut Reader) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Unavailable)?;
        let work = tokio::task::spawn_blocking(move || {
            let answer = self.read_here(f);
            drop(turn);
            answer
        });
        work.await
            .unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }

    fn read_here<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&mut Reader) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut reader = self.begin()?;
        // If `f` panics its connection is dropped, and with it the snapshot.
        let answer = f(&mut reader);
        if reader.connection.batch("COMMIT").is_ok() {
            reader.failed = false;
            self.idle().push(reader);
        }
        answer
    }

    /// A connection that sat idle may have been closed by the other side;
    /// then the next is tried, and at last a new one.
    fn begin(&self) -> Result<Reader, StoreError> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        loop {
            let idle = self.idle().pop();
            let Some(mut reader) = idle else { break };
            if reader.connection.batch(BEGIN).is_ok() {
                return Ok(reader);
            }
        }
        let mut reader = Reader::new(Connection::Postgres(Box::new(self.target.connect()?)));
        reader.connection.batch(BEGIN)?;
        Ok(reader)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PgPool {
    fn drop(&mut self) {
        // Closing a connection waits for the network, which the synchronous
        // client refuses to do on a thread of an asynchronous runtime.
        let idle = std::mem::take(&mut *self.idle());
        if !idle.is_empty() {
            let _ = std::thread::Builder::new()
                .name("store-close".into())
                .spawn(move || drop(idle));
        }
    }
}
