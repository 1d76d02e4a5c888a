//! The process: started on a data directory of its own, on either engine,
//! stopped, killed, started again.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use chartkey_store::{Place, Store, StoreConfig, StoreError, Tx};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Answer, Call, Connection};

/// How long a start, a stop or a mail may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// The one that `TEST_DATABASE_URL` names.
    Postgres,
}

/// The engines to test on: PostgreSQL where `TEST_DATABASE_URL` names one.
///
/// # Panics
/// Where `CI=true` and it does not.
pub fn engines() -> Vec<Engine> {
    let mut engines = vec![Engine::Sqlite];
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        engines.push(Engine::Postgres);
    } else {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(
            !ci,
            "TEST_DATABASE_URL is not set, so nothing would run on PostgreSQL"
        );
    }
    engines
}

/// Looks again and again until there is something to see.
///
/// # Panics
/// When patience ends.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        // Between two looks, not instead of one.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Output {
    /// Exit code; `None` for a signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// A server with a data directory of its own.
pub struct Server {
    binary: PathBuf,
    engine: Engine,
    schema: Option<String>,
    folder: TempDir,
    address: SocketAddr,
    settings: BTreeMap<String, String>,
    child: Option<Child>,
    started_in: Duration,
    idle: Mutex<Vec<Connection>>,
}

impl Server {
    /// Starts `binary` on a fresh data directory, in development.
    pub fn start(binary: impl AsRef<Path>, engine: Engine) -> Self {
        Self::start_with(binary, engine, &[])
    }

    /// Starts it with these settings in its environment.
    pub fn start_with(binary: impl AsRef<Path>, engine: Engine, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::prepare(binary, engine, settings);
        server.launch();
        server
    }

    /// A data directory and a port; nothing runs yet.
    pub fn prepare(binary: impl AsRef<Path>, engine: Engine, settings: &[(&str, &str)]) -> Self {
        // Not in a folder that may be memory, which flushes nothing.
        let beside = binary.as_ref().parent().expect("a binary lies in a folder");
        let folder = tempfile::Builder::new()
            .prefix("chartkey-")
            .tempdir_in(beside);
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Self {
            binary: binary.as_ref().to_owned(),
            engine,
            schema: (engine == Engine::Postgres).then(schema_name),
            folder: folder.expect("a folder for the data"),
            address: free_address(),
            settings: settings.collect(),
            child: None,
            started_in: Duration::ZERO,
            idle: Mutex::default(),
        }
    }

    /// Starts what was prepared, stopped or killed, and waits until it is ready.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        if let Some(schema) = &self.schema {
            // Creates the schema where it is missing.
            drop(self.store());
            assert!(!schema.is_empty(), "a schema has a name");
        }
        let listen = self.address.to_string();
        let begun = Instant::now();
        let mut command = self.command(&["serve", "--listen", &listen]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let ready = follow(&mut child, &self.log_path());
        let told = ready.recv_timeout(PATIENCE);
        self.started_in = begun.elapsed();
        self.child = Some(child);
        assert!(
            told.is_ok(),
            "the server did not get ready:\n{}",
            self.log()
        );
    }

    /// From the start of the process to its word that it is ready.
    pub const fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).expect("it runs")
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as people write it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Which database it uses.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Everything that it logged, over all starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Kills it where it stands.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    fn end(&mut self, signal: Signal) {
        self.idle
            .get_mut()
            .expect("no thread panicked while it held it")
            .clear();
        let Some(mut child) = self.child.take() else {
            return;
        };
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // A process that has ended by itself is found out by waiting.
        let _ = kill_process(id.expect("a process has an id"), signal);
        child.wait().expect("a child can be waited for");
    }

    /// Runs another command of the binary on the same data.
    pub fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().expect("the binary starts");
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args);
        self.place(&mut command);
        command
    }

    /// Makes a command see what the server sees: its data, its settings, and
    /// the binary in the path.
    pub fn place(&self, command: &mut Command) {
        let beside = self.binary.parent().expect("a binary lies in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            // Neither a `.env` nor a `config` folder lies there.
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", format!("{}:{path}", beside.display()))
            .env("DATA_DIR", self.data())
            .env("CHARTKEY_ENV", "development")
            .env("LOG_FORMAT", "json")
            .env("APP_URL", self.url());
        if let Some(url) = self.database_url() {
            command.env("DATABASE_URL", url);
        }
        command.envs(&self.settings);
    }

    fn database_url(&self) -> Option<String> {
        let schema = self.schema.as_ref()?;
        let url = std::env::var("TEST_DATABASE_URL").expect("PostgreSQL was asked for");
        let join = if url.contains('?') { '&' } else { '?' };
        Some(format!("{url}{join}options=-c%20search_path%3D{schema}"))
    }

    /// The database itself. Only one of several processes where the server
    /// runs: a forger may use it at any time.
    pub fn store(&self) -> Store {
        let place = match &self.schema {
            None => Place::File(self.data().join("chartkey.db")),
            Some(schema) => Place::Postgres {
                url: std::env::var("TEST_DATABASE_URL").expect("PostgreSQL was asked for"),
                schema: Some(schema.clone()),
            },
        };
        Store::open(&StoreConfig::new(place)).expect("the database opens")
    }

    /// Leaves of the trail, counted one by one in the database.
    pub fn leaves(&self) -> u64 {
        let counted: Result<i64, StoreError> =
            block_on(self.store().read("test.count", |reader| {
                reader.query_i64("SELECT COUNT(*) FROM ledger WHERE log = 0", &[])
            }));
        u64::try_from(counted.expect("the trail can be counted")).expect("a count")
    }

    /// Sends a request over a connection that is kept for the next.
    #[track_caller]
    pub fn send(&self, call: &Call) -> Answer {
        let kept = self.idle().pop();
        let reused = kept.is_some();
        let mut connection = kept.unwrap_or_else(|| self.connect());
        let sent = match connection.send(call) {
            // The server may close a connection that it found idle.
            Err(_) if reused => {
                connection = self.connect();
                connection.send(call)
            }
            sent => sent,
        };
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => panic!("{}: {error}\n{}", call.name(), self.log()),
        };
        let endless = answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        if answer.header("connection") != Some("close") && !endless {
            self.idle().push(connection);
        }
        answer
    }

    /// A new connection.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the server accepts connections")
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle
            .lock()
            .expect("no thread panicked while it held it")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let Some(schema) = self.schema.take() else {
            return;
        };
        let place = Place::Postgres {
            url: std::env::var("TEST_DATABASE_URL").unwrap_or_default(),
            schema: Some(schema.clone()),
        };
        let Ok(store) = Store::open(&StoreConfig::new(place)) else {
            return;
        };
        // What cannot be dropped goes with the whole database.
        let _ = block_on(store.write("test.drop", move |tx: &mut Tx| {
            let dropped = tx.execute(&format!("DROP SCHEMA {schema} CASCADE"), &[]);
            dropped.map(drop)
        }));
    }
}

/// Copies what the process says into its log; tells when it says it is ready.
fn follow(child: &mut Child, log: &Path) -> Receiver<()> {
    let stderr = child.stderr.take().expect("it was asked for");
    let file = OpenOptions::new().create(true).append(true).open(log);
    let mut file = file.expect("a log can be written");
    let (told, ready) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = writeln!(file, "{line}");
            if line.contains("\"message\":\"ready\"") {
                let _ = told.send(());
            }
        }
    });
    ready
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a listener has an address")
}

fn schema_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Ids of processes that live together differ.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("outside_{}_{count}", std::process::id())
}

/// Runs a future of the store's, which on PostgreSQL needs threads to block.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    // Reads of PostgreSQL run on the runtime's threads for what blocks.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
