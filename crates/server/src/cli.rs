//! The command line: one subcommand, one function. Exit code 0 when it did
//! what was asked, 1 when it did not, 2 for a wrong command line.

use std::ffi::OsString;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chartkey_domain::accounts::{Email, parse_name};
use chartkey_service::{Service, accounts, audit, events, jobs};
use clap::{Args, Parser, Subcommand};
use zeroize::Zeroizing;

use crate::api::problem::Problem;
use crate::config::{Config, Overrides, Sources};
use crate::{api, demo, listen, logs, process, wiring};

/// Patients own their medical record.
#[derive(Parser)]
#[command(name = "chartkey", version)]
struct Cli {
    /// Where <env>.yml lies.
    #[arg(long, global = true, default_value = "config", value_name = "DIR")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(Serve),
    /// Run a server with made-up people and a synthetic record.
    Demo(Demo),
    /// Apply migrations and stop.
    Migrate(Data),
    /// Administrators.
    #[command(subcommand)]
    Admin(Admin),
    /// The tamper-evident log.
    #[command(subcommand)]
    Audit(Audit),
    /// Print the description of the API (OpenAPI 3.1).
    Openapi,
    /// Ask a running server whether it is ready.
    Health(Health),
}

#[derive(Args)]
struct Data {
    /// Where SQLite, blobs and made keys live.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Args)]
struct Serve {
    /// Where to listen, such as 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    data: Data,
    /// Route groups: auth, records, sharing, audit, sync, web. All of them by default.
    #[arg(long, value_name = "LIST")]
    services: Option<String>,
}

#[derive(Args)]
struct Demo {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the demo keeps its data; deleting the folder starts it afresh.
    #[arg(long, value_name = "DIR", default_value = ".demo")]
    data: PathBuf,
}

#[derive(Subcommand)]
enum Admin {
    /// Make an administrator's account.
    Create {
        /// The address to sign in with.
        #[arg(long)]
        email: String,
        /// At least 15 characters.
        #[arg(long)]
        password: String,
        /// The name to show.
        #[arg(long, default_value = "Administrator")]
        name: String,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Subcommand)]
enum Audit {
    /// Check both logs whole; names the first entry that is wrong.
    Verify(Data),
}

#[derive(Args)]
struct Health {
    /// Where the server listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// Something that was asked for did not happen. Its text is for people.
struct Failed(String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        Self(text)
    }
}

/// Reads the command line of the process and does what it says.
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

fn run_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // Where the terminal has gone, nobody is left to tell.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = match cli.command {
        Command::Openapi => print(&api::document()),
        Command::Health(health) => ask_health(health.listen),
        Command::Serve(args) => serve(&cli.config, args),
        Command::Demo(args) => run_demo(&cli.config, args),
        Command::Migrate(data) => migrate(&cli.config, data),
        Command::Admin(Admin::Create {
            email,
            password,
            name,
            data,
        }) => create_admin(&cli.config, data, &email, Zeroizing::new(password), &name),
        Command::Audit(Audit::Verify(data)) => verify_audit(&cli.config, data),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(text)) => {
            let _ = writeln!(std::io::stderr(), "chartkey: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard output; a reader that has gone is not an error.
fn print(text: &str) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn load(config_dir: &std::path::Path, overrides: Overrides) -> Result<Config, Failed> {
    let sources = Sources {
        environment: std::env::vars().collect(),
        dotenv: std::fs::read_to_string(".env").ok(),
        config_dir: config_dir.to_path_buf(),
        overrides,
    };
    Ok(Config::load(&sources)?)
}

fn for_data(config_dir: &std::path::Path, data: Data) -> Result<Config, Failed> {
    let config = load(
        config_dir,
        Overrides {
            data: data.data,
            ..Overrides::default()
        },
    )?;
    process::forbid_core_dumps();
    Ok(config)
}

/// Runs one task to its end on a small runtime.
fn block_on<T>(task: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(task)
}

fn serve(config_dir: &std::path::Path, args: Serve) -> Result<(), Failed> {
    let begun = Instant::now();
    let config = load(
        config_dir,
        Overrides {
            listen: args.listen,
            data: args.data.data,
            services: args.services,
        },
    )?;
    logs::start(&config);
    process::forbid_core_dumps();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .map_err(|error| Failed(format!("cannot listen on {}: {error}", config.listen)))?;
        let address = listener.local_addr()?;
        let app = wiring::start(config).await?;
        let _alone = wiring::take_over(&app).await?;
        let (stop_jobs, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::spawn(jobs::run(app.service().clone(), async move {
            let _ = stopped.await;
        }));
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%address, environment = app.config().environment.as_str(), ms, "ready");
        let metrics = Arc::clone(app.metrics());
        let stop = stop_signal(app.service().clone());
        listen::serve(listener, api::router(app), metrics, stop).await;
        drop(stop_jobs);
        worker.await?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Resolves when the process is asked to stop; those who only listen are let
/// go, so that nobody waits for them.
async fn stop_signal(service: Service) {
    listen::stop_signal().await;
    events::close(&service);
}

/// Sets the demo up, says what there is, and serves until it is stopped.
fn run_demo(config_dir: &std::path::Path, args: Demo) -> Result<(), Failed> {
    let mut config = load(
        config_dir,
        Overrides {
            listen: Some(args.listen),
            data: Some(args.data),
            services: None,
        },
    )?;
    if !config.is_development() {
        return Err(Failed(
            "the demo runs in development only: unset CHARTKEY_ENV".to_owned(),
        ));
    }
    process::forbid_core_dumps();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind(config.listen)
            .await
            .map_err(|error| Failed(format!("cannot listen on {}: {error}", config.listen)))?;
        let (data, app_url) = (config.data.clone(), config.app_url.clone());
        let neighbours = demo::Neighbours::start(config.listen.port().saturating_add(1));
        if neighbours.is_some() {
            let here = "127.0.0.1".to_owned();
            config.connection_allowed_hosts.push(here);
        }
        let app = wiring::start(config).await?;
        let (email, password, name) = demo::admin();
        let (email, password) = (Email::parse(email)?, Zeroizing::new(password.to_owned()));
        // A demo that is started again has its administrator already.
        let _ = accounts::create_admin(app.service(), email, parse_name(name)?, password).await;
        let service = app.service().clone();
        let deliver = || {
            let service = service.clone();
            async move {
                if let Err(error) = jobs::run_due(&service).await {
                    tracing::warn!(?error, "mail was not delivered");
                }
            }
        };
        let progress = |step: &str| {
            let _ = writeln!(std::io::stderr(), "  {step} …");
        };
        let router = api::router(app.clone());
        let invitation =
            demo::prepare(router.clone(), deliver, &progress, neighbours.as_ref()).await?;
        let _alone = wiring::take_over(&app).await?;
        let (stop_jobs, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::spawn(jobs::run(app.service().clone(), async move {
            let _ = stopped.await;
        }));
        demo::show(&invitation, &app_url, &data)?;
        let metrics = Arc::clone(app.metrics());
        let stop = stop_signal(app.service().clone());
        listen::serve(listener, router, metrics, stop).await;
        drop(stop_jobs);
        worker.await?;
        Ok(())
    })
}

fn migrate(config_dir: &std::path::Path, data: Data) -> Result<(), Failed> {
    let config = for_data(config_dir, data)?;
    drop(wiring::open_store(&config)?);
    print("The database is up to date.\n")
}

fn create_admin(
    config_dir: &std::path::Path,
    data: Data,
    email: &str,
    password: Zeroizing<String>,
    name: &str,
) -> Result<(), Failed> {
    let config = for_data(config_dir, data)?;
    let (email, name) = (Email::parse(email)?, parse_name(name)?);
    block_on(async move {
        let app = wiring::start(config).await?;
        let made = chartkey_service::accounts::create_admin(app.service(), email, name, password)
            .await
            .map_err(|failure| Failed(Problem::from(failure).to_text()))?;
        let code = made.recovery_code.unwrap_or_default();
        print(&format!(
            "Administrator {}\nRecovery code, shown this once: {}\n",
            made.account,
            code.as_str()
        ))
    })
}

fn verify_audit(config_dir: &std::path::Path, data: Data) -> Result<(), Failed> {
    let config = for_data(config_dir, data)?;
    if matches!(config.database, crate::config::Database::Sqlite) && !config.sqlite_path().exists()
    {
        return Err(Failed(format!(
            "{} is missing",
            config.sqlite_path().display()
        )));
    }
    block_on(async move {
        let app = wiring::start(config).await?;
        for log in audit::verify_all(app.service()).await? {
            print(&format!(
                "{}: whole, {} entries, {} checkpoints\n",
                log.log.name(),
                log.size,
                log.checkpoints
            ))?;
        }
        Ok(())
    })
}

/// Asks `/readyz` over plain HTTP.
fn ask_health(listen: SocketAddr) -> Result<(), Failed> {
    let timeout = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&listen, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer)?;
    match answer.split_whitespace().nth(1) {
        Some("200") => print("ready\n"),
        Some(status) => Err(Failed(format!("the server answered {status}"))),
        None => Err(Failed("the server did not answer".to_owned())),
    }
}
