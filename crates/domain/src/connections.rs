//! Connections: configured instances of a source (where records come from) or a
//! destination (where documents are pushed), and the doors that reach them.
//!
//! The doors say what every system outside can be asked, and what its refusals
//! mean for us; how each of them speaks is written in `outside::connectors`. What
//! happens when (schedules, retries, the ledger of deliveries) is
//! `service::sync`. Nothing here knows a key of a record.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::doors::BoxFuture;
use crate::ids::{ConnectionId, PatientId};

/// Which system is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConnectionKind {
    /// Any FHIR R4 server, as source or destination.
    Fhir,
    /// Carepatron: clients are matched; documents are handed off to a person.
    Carepatron,
    /// Cliniko.
    Cliniko,
    /// Healthie.
    Healthie,
    /// Any platform with a plain REST interface, described by its settings.
    Rest,
}

impl ConnectionKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Fhir,
        Self::Carepatron,
        Self::Cliniko,
        Self::Healthie,
        Self::Rest,
    ];

    /// The word in API and database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fhir => "fhir",
            Self::Carepatron => "carepatron",
            Self::Cliniko => "cliniko",
            Self::Healthie => "healthie",
            Self::Rest => "rest",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Which way documents go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From there into the record.
    Source,
    /// From the record to there.
    Destination,
}

impl Direction {
    /// The word in API and database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }

    /// The direction of this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Source, Self::Destination]
            .into_iter()
            .find(|direction| direction.word() == word)
    }
}

/// What a connection proves itself with. Silent in `Debug`, wiped when dropped.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nothing: an open server.
    #[default]
    None,
    /// `Authorization: Bearer`.
    Bearer {
        /// The token.
        token: Zeroizing<String>,
    },
    /// `Authorization: Basic` (RFC 7617).
    Basic {
        /// The user, or an API key.
        username: Zeroizing<String>,
        /// The password; may be empty.
        password: Zeroizing<String>,
    },
    /// A header of its own, such as an API key's.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Zeroizing<String>,
    },
    /// SMART Backend Services: client credentials with a signed JWT
    /// (`private_key_jwt`, RFC 7523).
    BackendServices {
        /// Registered with the server.
        client_id: String,
        /// Where tokens come from; discovered where absent.
        token_url: Option<String>,
        /// PKCS#8 PEM of the signing key.
        private_key: Zeroizing<String>,
        /// `kid` of the key in the registered set.
        key_id: String,
        /// `ES384` or `RS384`.
        algorithm: String,
        /// What is asked for, such as `system/*.rs`.
        scope: String,
    },
    /// SMART standalone patient launch: the patient authorised us in a browser,
    /// and what came of it is kept by the [`TokenKeeper`].
    Smart {
        /// Registered with the server.
        client_id: String,
        /// For confidential clients: their secret, or the PKCS#8 PEM that signs
        /// their assertions where the settings say so (`client_auth`).
        client_secret: Option<Zeroizing<String>>,
        /// Where tokens are refreshed.
        token_url: String,
    },
}

impl Credentials {
    /// The word of its kind in API and database.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer { .. } => "bearer",
            Self::Basic { .. } => "basic",
            Self::Header { .. } => "header",
            Self::BackendServices { .. } => "backend_services",
            Self::Smart { .. } => "smart",
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Where a connection leads and how it is let in.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Which connection: limits and breakers are per host, tokens per connection.
    pub connection: ConnectionId,
    /// The system.
    pub kind: ConnectionKind,
    /// Without a trailing slash.
    pub base_url: String,
    /// What it proves itself with.
    pub credentials: Credentials,
    /// What only this kind understands (connectors' `settings`), as JSON; an empty
    /// object where nothing is set. Never a secret.
    pub settings: serde_json::Value,
}

/// An access token and what it takes to have another.
#[derive(Clone)]
pub struct TokenState {
    /// Sent as Bearer.
    pub access_token: Zeroizing<String>,
    /// When it ends; none where the server did not say.
    pub expires_at: Option<Timestamp>,
    /// For the next one.
    pub refresh_token: Option<Zeroizing<String>>,
    /// The patient that the token answer named (SMART `patient`).
    pub patient: Option<String>,
    /// What was granted.
    pub scope: Option<String>,
}

impl std::fmt::Debug for TokenState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenState")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Keeps the tokens of one connection, across calls, nodes and restarts.
///
/// A refresh is single-flight: whoever holds the turn refreshes, stores the answer
/// *before* using it (a rotated refresh token is worth one use), and gives the turn
/// back; everybody else waits and loads what was stored.
pub trait TokenKeeper: Send + Sync {
    /// What is stored.
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenState>, ConnectorError>>;
    /// Takes the turn to refresh, or says that somebody else has it: then load
    /// again after a moment.
    fn take_turn(&self) -> BoxFuture<'_, Result<bool, ConnectorError>>;
    /// Stores what a refresh brought, durably, and gives the turn back.
    fn store(&self, state: TokenState) -> BoxFuture<'_, Result<(), ConnectorError>>;
    /// Gives the turn back without a new token; `lapsed` when the authorisation is
    /// over and a person must renew it.
    fn give_up(&self, lapsed: bool) -> BoxFuture<'_, Result<(), ConnectorError>>;
}

/// What a refusal means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Credentials are wrong or over: a person must act.
    Auth,
    /// Not for us, by policy: never retried.
    Forbidden,
    /// Nothing there.
    NotFound,
    /// What was sent will never be taken like this.
    Invalid,
    /// It changed meanwhile, or is there already.
    Conflict,
    /// Slow down.
    RateLimited,
    /// May work later; certainly not acted upon.
    Transient,
    /// May have been acted upon: look before trying again.
    Unknown,
    /// That system cannot do this.
    Unsupported,
    /// Larger than it takes, or than we take.
    TooLarge,
    /// The answer is not what it claims to be.
    Broken,
    /// A search's pages, or the steps of a put, are over: begin again, without
    /// what was to be handed in.
    Expired,
    /// The address may not be called (private, not https, redirects there).
    Address,
    /// Several could be meant, and nobody guesses.
    Ambiguous,
}

impl ErrorClass {
    /// Whether the same call may succeed later without a person.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::Transient | Self::Unknown | Self::Expired | Self::Conflict
        )
    }

    /// The stable dotted word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Auth => "connection.auth",
            Self::Forbidden => "connection.forbidden",
            Self::NotFound => "connection.not_found",
            Self::Invalid => "connection.invalid",
            Self::Conflict => "connection.conflict",
            Self::RateLimited => "connection.rate_limited",
            Self::Transient => "connection.transient",
            Self::Unknown => "connection.timeout",
            Self::Unsupported => "connection.unsupported",
            Self::TooLarge => "connection.too_large",
            Self::Broken => "connection.broken",
            Self::Expired => "connection.expired",
            Self::Address => "connection.address",
            Self::Ambiguous => "connection.ambiguous",
        }
    }
}

/// The [`ConnectorError::remote_code`] of a token endpoint that has none of its own:
/// nothing can be asked for until there is a token, so it is not one call that
/// failed.
pub const TOKEN_ENDPOINT: &str = "token-endpoint";

/// Why a call to the other end failed. Holds no content, no address, no token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the other system: {}", class.code())]
pub struct ConnectorError {
    /// What it means for us.
    pub class: ErrorClass,
    /// When the other end said to come back, from now.
    pub retry_after: Option<Duration>,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// A code of the other end's own: at most 40 letters, digits, `-`, `_`, `.`.
    pub remote_code: Option<String>,
}

impl ConnectorError {
    /// An error of this class and nothing more.
    pub const fn new(class: ErrorClass) -> Self {
        Self {
            class,
            retry_after: None,
            status: None,
            remote_code: None,
        }
    }

    /// The stable dotted word.
    pub const fn code(&self) -> &'static str {
        self.class.code()
    }

    /// Whether it was about having a token, and so about every call.
    pub fn is_of_token(&self) -> bool {
        self.remote_code.as_deref() == Some(TOKEN_ENDPOINT)
    }
}

/// The result of a call to the other end.
pub type ConnectorResult<T> = Result<T, ConnectorError>;

// --- sources ------------------------------------------------------------------

/// One search that a pull walks through: a type with the parameters that its
/// server needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceQuery {
    /// Stable within a connection and patient, such as `Observation?category=laboratory`:
    /// cursors are kept under it.
    pub name: String,
    /// The FHIR resource type.
    pub resource_type: String,
    /// Whether `since` narrows it; else it is listed whole and compared.
    pub incremental: bool,
}

/// What a source can be asked for.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// The searches, `Patient` first.
    pub queries: Vec<SourceQuery>,
    /// What was discovered, to be kept by the caller and handed in again while
    /// fresh, so that a sync with nothing new makes no request for it. Opaque JSON.
    pub discovered: serde_json::Value,
}

/// One page of a search.
#[derive(Clone, Debug)]
pub struct SourcePage {
    /// The resources' exact JSON, without search outcomes and other includes'
    /// wrappers; each at most the size limit. Open content: on its way to be sealed.
    pub resources: Vec<Zeroizing<Vec<u8>>>,
    /// Newest `meta.lastUpdated` seen on it.
    pub newest: Option<Timestamp>,
    /// Handed in again for the next page; absent on the last.
    pub next: Option<String>,
    /// What these resources need to be understood and no search of a patient's brings,
    /// such as `Medication/5`: to be read one by one ([`Source::pointed`]).
    pub pointed: Vec<String>,
    /// Entries that could not be taken, and reasons why a search's results are not
    /// all there are (`paging.…`, the other end's own codes), by code. Where this
    /// is not empty, what a search did not bring is not known to be gone.
    pub refused: Vec<String>,
}

/// A file that a resource points to.
#[derive(Clone)]
pub struct SourceFile {
    /// As its bytes say, where they do; else as the server said.
    pub content_type: String,
    /// The bytes. Open content: on its way to be sealed.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SourceFile({} bytes)", self.bytes.len())
    }
}

/// What a connection turned out to reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// A name of the system or account, for people; never a patient's.
    pub account: Option<String>,
    /// What it can do, in words of the adapter's.
    pub notes: Vec<String>,
}

/// The door to sources.
pub trait Source: Send + Sync {
    /// A cheap call that says whether the connection works.
    fn verify<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
    ) -> BoxFuture<'a, ConnectorResult<Verified>>;

    /// What to walk through for one patient there. `known` is an earlier
    /// [`SourcePlan::discovered`] that is still fresh.
    fn plan<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        known: Option<&'a serde_json::Value>,
    ) -> BoxFuture<'a, ConnectorResult<SourcePlan>>;

    /// One page of a search: the first where `next` is none. `since` narrows an
    /// incremental search to what changed at or after that moment.
    fn page<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        ask: PageAsk<'a>,
    ) -> BoxFuture<'a, ConnectorResult<SourcePage>>;

    /// One resource that a page pointed to, its exact JSON.
    fn pointed<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        reference: &'a str,
    ) -> BoxFuture<'a, ConnectorResult<Zeroizing<Vec<u8>>>>;

    /// The bytes that an attachment's `url` leads to, at most `max_len`. Other
    /// origins get no token and must be allowed by configuration.
    fn file<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        url: &'a str,
        content_type: Option<&'a str>,
        max_len: usize,
    ) -> BoxFuture<'a, ConnectorResult<SourceFile>>;
}

/// Which page of which search.
#[derive(Clone, Copy, Debug)]
pub struct PageAsk<'a> {
    /// The patient's id at the source.
    pub patient: &'a str,
    /// The search.
    pub query: &'a SourceQuery,
    /// What the plan discovered.
    pub discovered: &'a serde_json::Value,
    /// Changed at or after; only for incremental searches.
    pub since: Option<Timestamp>,
    /// The last page's `next`.
    pub next: Option<&'a str>,
}

// --- authorising a source ---------------------------------------------------------

/// What a SMART standalone patient launch is begun with.
#[derive(Clone, Copy)]
pub struct LaunchAsk<'a> {
    /// Registered with the server.
    pub client_id: &'a str,
    /// Where the patient's browser comes back to, exactly as registered.
    pub redirect_uri: &'a str,
    /// What to ask for; chosen from what the server advertises where none.
    pub scope: Option<&'a str>,
    /// Random, bound to the person's session, checked when they come back.
    pub state: &'a str,
    /// PKCE: random, 43 to 128 characters of `[A-Za-z0-9-._~]`; kept until then.
    pub verifier: &'a str,
}

/// Where a patient's browser is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The whole URL.
    pub authorize_url: String,
    /// Where the code is traded, and tokens are refreshed later.
    pub token_url: String,
}

/// What a patient came back with, and what it is traded with.
#[derive(Clone, Copy)]
pub struct LaunchAnswer<'a> {
    /// From [`Launch`].
    pub token_url: &'a str,
    /// As asked with.
    pub client_id: &'a str,
    /// For confidential clients.
    pub client_secret: Option<&'a str>,
    /// As asked with.
    pub redirect_uri: &'a str,
    /// The code in the redirect.
    pub code: &'a str,
    /// As asked with.
    pub verifier: &'a str,
}

/// The door to providers' sign-in: SMART standalone patient launch.
pub trait Launcher: Send + Sync {
    /// Where to send the patient. Of the endpoint, only the address and the
    /// settings count.
    fn begin<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        ask: LaunchAsk<'a>,
    ) -> BoxFuture<'a, ConnectorResult<Launch>>;

    /// Trades the code for tokens. A code works once.
    fn finish<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        answer: LaunchAnswer<'a>,
    ) -> BoxFuture<'a, ConnectorResult<TokenState>>;
}

/// A provider in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEndpoint {
    /// As people know it, at most 200 characters.
    pub name: String,
    /// Its FHIR base, `https`, without a trailing slash.
    pub base_url: String,
}

// --- destinations -----------------------------------------------------------------

/// What a platform can do with documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a platform can or cannot"
)]
pub struct Capabilities {
    /// Clients can be looked for.
    pub find_client: bool,
    /// Clients can be created.
    pub create_client: bool,
    /// Documents can be put; else they are handed off to a person.
    pub put_document: bool,
    /// A document put before can be found by its marker.
    pub find_document: bool,
    /// Documents can be removed.
    pub remove_document: bool,
    /// Largest document, in bytes.
    pub max_bytes: u64,
}

/// Whom a platform's client must be, to be the patient.
#[derive(Clone, Debug, Default)]
pub struct ClientMatch {
    /// Name as people write it.
    pub name: Zeroizing<String>,
    /// E-mail address.
    pub email: Option<Zeroizing<String>>,
    /// Day of birth, `YYYY-MM-DD`.
    pub birth_date: Option<Zeroizing<String>>,
    /// Our id of the patient, for platforms that keep foreign identifiers.
    pub patient: Option<PatientId>,
}

/// A client as a platform knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteClient {
    /// Their id there.
    pub id: String,
}

/// A document on its way out. Open content, wiped when dropped.
#[derive(Clone)]
pub struct OutgoingDocument {
    /// What to call it there.
    pub title: Zeroizing<String>,
    /// `YYYY-MM-DD_type_source_shortid.pdf` and the like; safe in file systems.
    pub file_name: Zeroizing<String>,
    /// Of the bytes.
    pub content_type: String,
    /// The record type's word.
    pub record_type: String,
    /// The day it is about, where known.
    pub date: Option<String>,
    /// The bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for OutgoingDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutgoingDocument({} bytes)", self.bytes.len())
    }
}

/// Names one delivery of one version to one connection: 16 letters and digits.
/// The marker `src:<key>` goes wherever the platform lets it be found again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupeKey(pub String);

/// How far putting a document came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutState {
    /// It is there under this id.
    Done(String),
    /// A step is done, and there is another: keep the token durably and call
    /// again with it. Nothing is sent twice.
    Pending(String),
}

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Gone, or was already.
    Deleted,
    /// Hidden or marked, kept by the platform.
    Archived,
    /// The platform cannot.
    NotSupported,
}

/// The door to one kind of practice platform.
pub trait Platform: Send + Sync {
    /// What it can do, as configured.
    fn capabilities(&self, endpoint: &Endpoint) -> Capabilities;

    /// A cheap call that says whether the connection works.
    fn verify<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
    ) -> BoxFuture<'a, ConnectorResult<Verified>>;

    /// Clients that match; none, one or several. Never guesses.
    fn find_clients<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        who: &'a ClientMatch,
    ) -> BoxFuture<'a, ConnectorResult<Vec<RemoteClient>>>;

    /// Creates a client, silently: no welcome mail.
    fn create_client<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        who: &'a ClientMatch,
    ) -> BoxFuture<'a, ConnectorResult<RemoteClient>>;

    /// A document put before, by its key.
    fn find_document<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        client: &'a RemoteClient,
        key: &'a DedupeKey,
    ) -> BoxFuture<'a, ConnectorResult<Option<String>>>;

    /// Puts a document, or goes on where `resume` says.
    fn put_document<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        client: &'a RemoteClient,
        document: &'a OutgoingDocument,
        key: &'a DedupeKey,
        resume: Option<&'a str>,
    ) -> BoxFuture<'a, ConnectorResult<PutState>>;

    /// Removes a document that was put before.
    fn remove_document<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        client: &'a RemoteClient,
        document: &'a str,
    ) -> BoxFuture<'a, ConnectorResult<Removed>>;
}

/// All doors to other systems.
pub trait Connectors: Send + Sync {
    /// The source adapter of a kind; none where it is no source.
    fn source(&self, kind: ConnectionKind) -> Option<&dyn Source>;
    /// The destination adapter of a kind; none where it is no destination.
    fn platform(&self, kind: ConnectionKind) -> Option<&dyn Platform>;
    /// The way to a source's sign-in; none where a kind has none.
    fn launcher(&self, kind: ConnectionKind) -> Option<&dyn Launcher>;
    /// Reads a directory of providers, as vendors and registers publish it.
    ///
    /// # Errors
    /// [`ErrorClass::Broken`], [`ErrorClass::TooLarge`], [`ErrorClass::Unsupported`].
    fn read_directory(&self, json: &[u8]) -> ConnectorResult<Vec<ProviderEndpoint>>;
}

/// No doors at all: an installation that reaches no other system.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoConnectors;

impl Connectors for NoConnectors {
    fn source(&self, _: ConnectionKind) -> Option<&dyn Source> {
        None
    }

    fn platform(&self, _: ConnectionKind) -> Option<&dyn Platform> {
        None
    }

    fn launcher(&self, _: ConnectionKind) -> Option<&dyn Launcher> {
        None
    }

    fn read_directory(&self, _: &[u8]) -> ConnectorResult<Vec<ProviderEndpoint>> {
        Err(ConnectorError::new(ErrorClass::Unsupported))
    }
}
