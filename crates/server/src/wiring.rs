//! Where the parts meet: database, mail, blobs, key, services.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chartkey_domain::clock::Clock;
use chartkey_outside::blobs::FolderBlobs;
use chartkey_outside::connectors::{Adapters, ConnectorLimits};
use chartkey_outside::http::addresses::{AllowedHosts, AllowedHostsError};
use chartkey_outside::http::{HttpError, HttpSettings};
use chartkey_outside::mail::{self, MailConfig, MailConfigError};
use chartkey_service::sync::Pace;
use chartkey_service::{Parts, Protect, Registration, Service, Settings, StartError};
use chartkey_store::{Place, Store, StoreConfig, StoreError};
use zeroize::Zeroizing;

use crate::alone::Alone;
use crate::app::App;
use crate::chance::{SystemClock, system_rng};
use crate::config::{self, Config, Database};
use crate::keyfile;
use crate::paper::DocumentPaper;
use crate::press::Press;

/// Why the program could not start.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The data directory.
    #[error("the data directory cannot be used")]
    Data(#[source] io::Error),
    /// The database.
    #[error("the database cannot be opened ({})", .0.code())]
    Store(#[source] StoreError),
    /// The services.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Mail.
    #[error(transparent)]
    Mail(#[from] MailConfigError),
    /// Blobs.
    #[error("the folder of blobs cannot be used")]
    Blobs(#[source] chartkey_domain::blobs::BlobError),
    /// `CONNECTION_ALLOWED_HOSTS`.
    #[error("CONNECTION_ALLOWED_HOSTS cannot be read")]
    AllowedHosts(#[source] AllowedHostsError),
    /// The client for other systems.
    #[error("the client for other systems cannot be made")]
    Connectors(#[source] HttpError),
}

/// Opens the database that the configuration names, and applies migrations.
pub fn open_store(config: &Config) -> Result<Store, WiringError> {
    let place = match &config.database {
        Database::Sqlite => {
            keyfile::make_data_dir(&config.data).map_err(WiringError::Data)?;
            Place::File(config.sqlite_path())
        }
        Database::Postgres(url) => Place::Postgres {
            url: url.to_string(),
            schema: None,
        },
    };
    Store::open(&StoreConfig::new(place)).map_err(WiringError::Store)
}

/// The server's key: the environment's, or the data directory's.
fn encryption_key(config: &Config) -> Result<Zeroizing<String>, WiringError> {
    match &config.encryption_key {
        Some(key) => Ok(key.clone()),
        None => {
            keyfile::make_data_dir(&config.data).map_err(WiringError::Data)?;
            keyfile::read_or_make(&config.data, &mut system_rng()).map_err(WiringError::Data)
        }
    }
}

/// Everything, started.
pub async fn start(config: Config) -> Result<App, WiringError> {
    let store = open_store(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mail = mail::from_config(
        &MailConfig {
            from: config.mail_from.clone(),
            resend_api_key: config.resend_api_key.clone(),
            resend_api_url: config.resend_api_url.as_ref().map(ToString::to_string),
            smtp_url: config.smtp_url.clone(),
        },
        Arc::clone(&clock),
    )?;
    tracing::info!(carrier = mail.carrier, "mail");
    let blobs = FolderBlobs::open(&config.data.join("blobs")).map_err(WiringError::Blobs)?;
    let connectors = connectors(&config, &clock)?;
    let service = Service::start(Parts {
        store,
        clock,
        chance: Box::new(system_rng()),
        mailer: mail.mailer,
        press: Arc::new(Press::new(&config.app_url)),
        blobs: Arc::new(blobs),
        connectors: Arc::new(connectors),
        document_press: Arc::new(DocumentPaper),
        protect: Protect::new(&encryption_key(&config)?),
        settings: settings(&config, mail.outbox.is_none()),
    })
    .await?;
    Ok(App::new(config, service, mail.outbox))
}

/// Where nobody else can be working on the database, takes over what a process
/// before this one held when it died. What is answered is to be kept for as long as
/// this process serves.
pub async fn take_over(app: &App) -> Result<Option<Alone>, WiringError> {
    if !matches!(app.config().database, Database::Sqlite) {
        return Ok(None);
    }
    let alone = Alone::take(&app.config().data).map_err(WiringError::Data)?;
    if alone.is_some() {
        let taken = chartkey_service::sync::take_over(app.service()).await;
        taken.map_err(WiringError::Store)?;
    }
    Ok(alone)
}

/// The adapters of other systems, behind the guard for outgoing HTTP.
fn connectors(config: &Config, clock: &Arc<dyn Clock>) -> Result<Adapters, WiringError> {
    let hosts = config.connection_allowed_hosts.join(",");
    let allowed_hosts = AllowedHosts::parse(&hosts).map_err(WiringError::AllowedHosts)?;
    let usual = HttpSettings::default();
    let timeout = Duration::from_secs(config.connection_timeout_secs.into());
    let http = HttpSettings {
        allowed_hosts,
        connect_timeout: usual.connect_timeout.min(timeout),
        read_timeout: usual.read_timeout.min(timeout),
        timeout,
        ..usual
    };
    let chance = Box::new(system_rng());
    let limits = ConnectorLimits::default();
    Adapters::new(http, limits, Arc::clone(clock), chance).map_err(WiringError::Connectors)
}

fn settings(config: &Config, mail_leaves: bool) -> Settings {
    Settings {
        app_url: config.app_url.clone(),
        registration: match config.registration {
            config::Registration::Open => Registration::Open,
            config::Registration::Invite => Registration::Invite,
            config::Registration::Closed => Registration::Closed,
        },
        caseload_types: config.caseload_types.clone(),
        mail_leaves,
        pace: Pace {
            timeout_secs: config.connection_timeout_secs,
            retry_secs: config.connection_retry_secs,
        },
    }
}
