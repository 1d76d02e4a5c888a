//! One file per noun, one function per use case; the only place that decides.
//!
//! A use case asks `policy::permit`, then acts, appends to the trail and queues
//! what follows inside one named transaction, and returns plain values. It
//! must not know HTTP, nor how anything is rendered; time, chance, mail and
//! the database are given to it.
//!
//! Open medical content passes through the modules that say so and no other.

use std::sync::{Arc, Mutex, PoisonError};

use chacha20::ChaCha20Rng;
use chartkey_domain::blobs::BlobStore;
use chartkey_domain::clock::Clock;
use chartkey_domain::connections::Connectors;
use chartkey_domain::mail::Mailer;
use chartkey_domain::sync::DocumentPress;
use chartkey_store::jobs::NodeId;
use chartkey_store::{Store, StoreError};
use jiff::Timestamp;
use rand_core::{CryptoRng, SeedableRng as _};
use tokio::sync::Notify;

mod failure;
mod protect;
mod secrets;
mod stretch;

pub mod accounts;
pub mod admin;
pub mod analytics;
pub mod assisted;
pub mod audit;
pub mod blobs;
pub mod caller;
pub mod charts;
pub mod claims;
pub mod connections;
pub mod delivery;
pub mod document_requests;
pub mod events;
pub mod grants;
pub mod idempotency;
mod intake;
pub mod jobs;
pub mod keys;
pub mod letters;
pub mod limits;
pub mod mail;
pub mod patients;
pub mod providers;
pub mod records;
pub mod requests;
pub mod sessions;
pub mod shared_documents;
pub mod shares;
pub mod shl;
pub mod sync;
pub mod trail;
pub mod users;
#[cfg(feature = "testing")]
pub mod world;

pub use caller::{Caller, Origin, TokenSecret};
pub use failure::{Failure, NounError};
pub use protect::{Column, Protect, columns};

/// What the operator chose, as far as use cases need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address that people type, without a trailing slash.
    pub app_url: String,
    /// Who may open an account.
    pub registration: Registration,
    /// Types of providers that may open charts.
    pub caseload_types: Vec<String>,
    /// Whether mail leaves the machine; otherwise it lies in the outbox.
    pub mail_leaves: bool,
    /// How patient synchronisation is with other systems.
    pub pace: sync::Pace,
}

/// Who may open an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever was invited.
    Invite,
    /// Nobody.
    Closed,
}

/// Everything that the services are given.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance: seeds a generator for every use case.
    pub chance: Box<dyn CryptoRng + Send>,
    /// Mail.
    pub mailer: Arc<dyn Mailer>,
    /// The words of mails.
    pub press: Arc<dyn letters::LetterPress>,
    /// Large sealed bodies.
    pub blobs: Arc<dyn BlobStore>,
    /// Other systems.
    pub connectors: Arc<dyn Connectors>,
    /// FHIR resources as PDF, for platforms that take documents.
    pub document_press: Arc<dyn DocumentPress>,
    /// The server's own key.
    pub protect: Protect,
    /// What the operator chose.
    pub settings: Settings,
}

/// The services: a cheap handle that use cases take as their first argument.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    chance: Mutex<Box<dyn CryptoRng + Send>>,
    mailer: Arc<dyn Mailer>,
    press: Arc<dyn letters::LetterPress>,
    blobs: Arc<dyn BlobStore>,
    connectors: Arc<dyn Connectors>,
    document_press: Arc<dyn DocumentPress>,
    protect: Protect,
    settings: Settings,
    stretch: stretch::Stretch,
    limits: limits::Front,
    mail_vault: mail::MailVault,
    keys: keys::ServerKeys,
    read_keys: assisted::Cache,
    authors: assisted::Authors,
    hub: events::Hub,
    /// When this process started.
    started_at: Timestamp,
    /// Names this process in leases.
    node: NodeId,
    /// Wakes the worker.
    wake: Notify,
    /// Wakes the synchronisation.
    wake_sync: Notify,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

impl Service {
    /// Takes the parts, and makes or loads the keys that the program signs with.
    ///
    /// # Errors
    /// Where the database fails, or was written under another `ENCRYPTION_KEY`.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts {
            store,
            clock,
            mut chance,
            mailer,
            press,
            blobs,
            connectors,
            document_press,
            protect,
            settings,
        } = parts;
        let keys = keys::load_or_make(&store, &protect, &settings, &mut *chance).await?;
        let mut node = NodeId::default();
        chance.fill_bytes(&mut node);
        let started_at = clock.now();
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            chance: Mutex::new(chance),
            mailer,
            press,
            blobs,
            connectors,
            document_press,
            protect,
            settings,
            stretch: stretch::Stretch::default(),
            limits: limits::Front::default(),
            mail_vault: mail::MailVault::default(),
            keys,
            read_keys: assisted::Cache::default(),
            authors: assisted::Authors::default(),
            hub: events::Hub::default(),
            started_at,
            node,
            wake: Notify::new(),
            wake_sync: Notify::new(),
        })))
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// A generator of its own for one use case.
    pub fn rng(&self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.0
            .chance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }

    /// When this process started.
    pub fn started_at(&self) -> Timestamp {
        self.0.started_at
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The server's own key.
    pub fn protect(&self) -> &Protect {
        &self.0.protect
    }

    /// What the operator chose.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Large sealed bodies.
    pub fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.0.blobs
    }

    /// Other systems.
    pub(crate) fn connectors(&self) -> &Arc<dyn Connectors> {
        &self.0.connectors
    }

    /// FHIR resources as PDF.
    pub(crate) fn document_press(&self) -> &Arc<dyn DocumentPress> {
        &self.0.document_press
    }

    /// There may be something to synchronise.
    pub(crate) fn wake(&self) {
        self.0.wake_sync.notify_one();
    }

    /// The door through which mail leaves.
    pub fn mailer(&self) -> &Arc<dyn Mailer> {
        &self.0.mailer
    }

    /// The keys that the program made for itself.
    pub fn keys(&self) -> &keys::ServerKeys {
        &self.0.keys
    }

    /// Keys that assisted requests opened, encrypted under their tokens.
    pub(crate) fn read_keys(&self) -> &assisted::Cache {
        &self.0.read_keys
    }

    /// What assisted requests verified of who wrote what.
    pub(crate) fn authors(&self) -> &assisted::Authors {
        &self.0.authors
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> bool {
        let looked: Result<i64, StoreError> = self
            .store()
            .read("server.ready", |reader| reader.query_i64("SELECT 1", &[]))
            .await;
        looked.is_ok_and(|one| one == 1)
    }
}

/// Why the services could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// What is stored does not open.
    #[error("the database was written under another ENCRYPTION_KEY")]
    WrongKey,
}
