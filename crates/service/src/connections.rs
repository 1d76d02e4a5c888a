//! Connections: sources and destinations that an account configures, and the
//! patients on them.
//!
//! Where one leads and what it proves itself with is protected, and never said
//! again; credentials are forgotten when a connection is made to lead elsewhere.

mod attach;
pub mod directory;
pub mod hints;
pub mod launch;
mod opened;

use chartkey_crypto::Secret;
use chartkey_crypto::seal::KemPublic;
use chartkey_domain::connections::{ConnectionKind, Credentials, Direction};
use chartkey_domain::ids::{AccountId, ConnectionId};
use chartkey_domain::policy::{self, Action, ConnectionFacts, Noun, Permit, Refusal, Target};
use chartkey_domain::sync::{LinkState, Schedule};
use chartkey_domain::text;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_store::connections::{self as rows, ConnectionRow};
use chartkey_store::{Reader, StoreError, Tx};
use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{Caller, Failure, NounError, Service, sync, trail};

pub use attach::{
    AttachmentView, NewAttachment, PatientConnection, attach_patient, detach_patient,
    list_connection_patients, list_patient_connections, update_remote_patient,
};
pub(crate) use opened::{Opened, columns, pair};

/// Errors of this noun.
pub use chartkey_domain::sync::SyncError;

/// How a use case of synchronisation fails.
pub type SyncFailure = Failure<SyncError>;

impl NounError for SyncError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }

    fn field(&self) -> Option<&'static str> {
        Self::field(*self)
    }
}

/// Longest name, in characters.
const MAX_NAME: usize = 100;
/// Longest address, in bytes.
const MAX_URL: usize = 2_000;
/// Largest settings, in bytes of JSON.
const MAX_SETTINGS: usize = 16 << 10;

/// A connection to be made.
#[derive(Debug)]
pub struct NewConnection {
    /// From there, or to there.
    pub direction: Direction,
    /// Which system.
    pub kind: ConnectionKind,
    /// What people call it; the host where nothing is given.
    pub name: Option<String>,
    /// Where it leads.
    pub base_url: String,
    /// What it proves itself with.
    pub credentials: Credentials,
    /// What only its kind understands; an object.
    pub settings: Value,
    /// `hourly`, `daily`, `manual`, or a cron line.
    pub schedule: String,
}

/// What is to change of a connection.
#[derive(Debug, Default)]
pub struct ConnectionChange {
    /// Its name.
    pub name: Option<String>,
    /// Where it leads. Another place forgets the credentials.
    pub base_url: Option<String>,
    /// What it proves itself with.
    pub credentials: Option<Credentials>,
    /// What only its kind understands.
    pub settings: Option<Value>,
    /// When it is due.
    pub schedule: Option<String>,
    /// Stopped for now, or going on.
    pub paused: Option<bool>,
}

/// A connection, to its owner. Credentials are never said again.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    /// Its id.
    pub id: ConnectionId,
    /// Whose.
    pub owner: AccountId,
    /// From there, or to there.
    pub direction: Direction,
    /// Which system.
    pub kind: ConnectionKind,
    /// What people call it.
    pub name: String,
    /// Where it leads.
    pub base_url: String,
    /// The kind of its credentials.
    pub auth: String,
    /// What only its kind understands.
    pub settings: Value,
    /// When it is due.
    pub schedule: String,
    /// Whether it may be used.
    pub state: LinkState,
    /// Why not, as a word.
    pub problem: Option<String>,
    /// It takes no documents: a person files them.
    pub hands_off: bool,
    /// The address where the other end may hint; a secret.
    pub webhook_url: String,
    /// A destination's public key, to sign for when a patient is attached.
    pub public_key: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Whether a connection works.
#[derive(Debug, Clone)]
pub struct Verification {
    /// It does.
    pub works: bool,
    /// Why not, as a word.
    pub problem: Option<String>,
    /// The same in a sentence.
    pub sentence: String,
    /// What the other end calls the account.
    pub account: Option<String>,
    /// What it can do, in its adapter's words.
    pub notes: Vec<String>,
}

pub(crate) const fn facts(row: &ConnectionRow) -> ConnectionFacts {
    ConnectionFacts {
        id: row.id,
        owner: row.owner,
    }
}

/// Asks the policy about one's own connections as a whole.
pub(crate) fn permit_own(
    service: &Service,
    caller: &Caller,
    action: Action,
) -> Result<Permit, Refusal> {
    let account = caller.account()?.id;
    policy::permit(
        &caller.who,
        action,
        &Target::Account(account),
        service.now(),
    )
}

/// Loads a connection and asks the policy.
pub(crate) fn permit_connection(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    id: ConnectionId,
    now: Timestamp,
) -> Result<(ConnectionRow, Permit), SyncFailure> {
    caller.account()?;
    let row = rows::lookup(db, id)?.ok_or(Refusal::Unknown(Noun::Connection))?;
    let permit = policy::permit(&caller.who, action, &Target::Connection(&facts(&row)), now)?;
    Ok((row, permit))
}

/// `POST /api/v1/connections`.
///
/// # Errors
/// The policy's, the input's, the database's.
pub async fn create_connection(
    service: &Service,
    caller: &Caller,
    new: NewConnection,
) -> Result<ConnectionView, SyncFailure> {
    let permit = permit_own(service, caller, Action::CreateConnection)?;
    let owner = permit.account().ok_or(Refusal::Unauthenticated)?;
    let now = service.now();
    let base_url = parse_url(&new.base_url)?;
    let settings = settings_text(&new.settings)?;
    let schedule = parse_schedule(&new.schedule, now)?;
    let name = match new.name.as_deref().map(str::trim).filter(|n| !n.is_empty()) {
        Some(name) => parse_name(name)?,
        None => host_of(&base_url).to_owned(),
    };
    let has_adapter = match new.direction {
        Direction::Source => service.connectors().source(new.kind).is_some(),
        Direction::Destination => service.connectors().platform(new.kind).is_some(),
    };
    if !has_adapter {
        return Err(SyncError::Kind.into());
    }
    let mut rng = service.rng();
    let id = ConnectionId::new(sync::ms(now), &mut rng);
    let secret = Secret::random(&mut rng);
    let protect = service.protect();
    let mut seal = |column, plain: &[u8]| protect.seal(column, id.0, plain, &mut rng);
    let mut row = ConnectionRow {
        id,
        owner,
        direction: new.direction,
        kind: new.kind,
        name_p: seal(columns::NAME, name.as_bytes()),
        base_url_p: seal(columns::BASE_URL, base_url.as_bytes()),
        host_hash: protect.lookup_hash("sync/host", host_of(&base_url).as_bytes()),
        auth: new.credentials.word().to_owned(),
        credentials_p: seal(columns::CREDENTIALS, &opened::encode(&new.credentials)?),
        settings,
        schedule,
        state: LinkState::Ok,
        problem: None,
        hands_off: false,
        secret_p: seal(columns::SECRET, secret.as_bytes()),
        public_key: (new.direction == Direction::Destination)
            .then(|| KemPublic::of(&secret).as_bytes().to_vec()),
        discovered_p: None,
        discovered_at: None,
        created_at: now,
        updated_at: now,
    };
    row.hands_off = Opened::open(service, row.clone())?.hands_off(service);
    let asking = caller.clone();
    let stored = row.clone();
    let mut rng = service.rng();
    service
        .store()
        .write("connection.create", move |tx| {
            rows::insert(tx, &stored)?;
            let entry = NewEntry::under(TrailAction::ConnectionCreate, now, &permit)
                .detail("connection", Detail::Id(stored.id.0))
                .detail("kind", Detail::Word(stored.kind.word()));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok::<_, SyncFailure>(())
        })
        .await?;
    view(service, row)
}

/// `GET /api/v1/connections`: one's own.
///
/// # Errors
/// The policy's, the database's.
pub async fn list_connections(
    service: &Service,
    caller: &Caller,
) -> Result<Vec<ConnectionView>, SyncFailure> {
    let permit = permit_own(service, caller, Action::ListConnections)?;
    let owner = permit.account().ok_or(Refusal::Unauthenticated)?;
    let listed = service
        .store()
        .read("connection.list", move |db| {
            rows::list(db, owner).map_err(SyncFailure::from)
        })
        .await?;
    listed.into_iter().map(|row| view(service, row)).collect()
}

/// `GET /api/v1/connections/{id}`.
///
/// # Errors
/// The policy's, the database's.
pub async fn find_connection(
    service: &Service,
    caller: &Caller,
    id: ConnectionId,
) -> Result<ConnectionView, SyncFailure> {
    let (row, _) = load(service, caller, Action::FindConnection, id).await?;
    view(service, row)
}

/// `PUT /api/v1/connections/{id}`.
///
/// # Errors
/// The policy's, the input's, the database's.
pub async fn update_connection(
    service: &Service,
    caller: &Caller,
    id: ConnectionId,
    change: ConnectionChange,
) -> Result<ConnectionView, SyncFailure> {
    let now = service.now();
    let (row, permit) = load(service, caller, Action::UpdateConnection, id).await?;
    let (changed, elsewhere) = changed(service, row, &change, now)?;
    let rescheduled = change.schedule.is_some();
    let asking = caller.clone();
    let stored = changed.clone();
    let mut rng = service.rng();
    service
        .store()
        .write("connection.update", move |tx| {
            rows::update(tx, &stored)?;
            if elsewhere {
                rows::delete_tokens(tx, id)?;
            }
            if rescheduled {
                sync::reschedule(tx, &stored, now)?;
            }
            let entry = NewEntry::under(TrailAction::ConnectionUpdate, now, &permit)
                .detail("connection", Detail::Id(id.0))
                .detail("elsewhere", Detail::Flag(elsewhere));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok::<_, SyncFailure>(())
        })
        .await?;
    service.wake();
    view(service, changed)
}

/// A connection as it is to be; whether it leads, or proves itself, elsewhere.
fn changed(
    service: &Service,
    row: ConnectionRow,
    change: &ConnectionChange,
    now: Timestamp,
) -> Result<(ConnectionRow, bool), SyncFailure> {
    let protect = service.protect();
    let mut rng = service.rng();
    let before = Opened::open(service, row)?;
    let mut row = before.row;
    let id = row.id;
    let mut seal = |column, plain: &[u8]| protect.seal(column, id.0, plain, &mut rng);
    let mut elsewhere = false;
    if let Some(name) = &change.name {
        row.name_p = seal(columns::NAME, parse_name(name)?.as_bytes());
    }
    if let Some(url) = &change.base_url {
        let url = parse_url(url)?;
        if url != before.endpoint.base_url {
            elsewhere = true;
            row.base_url_p = seal(columns::BASE_URL, url.as_bytes());
            row.host_hash = protect.lookup_hash("sync/host", host_of(&url).as_bytes());
        }
    }
    match &change.credentials {
        Some(credentials) => {
            elsewhere |= credentials.word() != row.auth;
            credentials.word().clone_into(&mut row.auth);
            row.credentials_p = seal(columns::CREDENTIALS, &opened::encode(credentials)?);
            (row.state, row.problem) = (LinkState::Ok, None);
        }
        None if elsewhere => {
            let none = Credentials::None;
            let had_some = row.auth != none.word();
            none.word().clone_into(&mut row.auth);
            row.credentials_p = seal(columns::CREDENTIALS, &opened::encode(&none)?);
            if had_some {
                row.state = LinkState::NeedsAttention;
                row.problem = Some("connection.auth".to_owned());
            }
        }
        None => {}
    }
    if elsewhere {
        (row.discovered_p, row.discovered_at) = (None, None);
    }
    if let Some(settings) = &change.settings {
        row.settings = settings_text(settings)?;
    }
    if let Some(schedule) = &change.schedule {
        row.schedule = parse_schedule(schedule, now)?;
    }
    match change.paused {
        Some(true) => (row.state, row.problem) = (LinkState::Paused, None),
        Some(false) if row.state == LinkState::Paused => row.state = LinkState::Ok,
        _ => {}
    }
    row.updated_at = now;
    row.hands_off = Opened::open(service, row.clone())?.hands_off(service);
    Ok((row, elsewhere))
}

/// `DELETE /api/v1/connections/{id}`, with everything that waits on it. What was
/// pulled stays in the record, what was pushed at the platform.
///
/// # Errors
/// The policy's, the database's.
pub async fn delete_connection(
    service: &Service,
    caller: &Caller,
    id: ConnectionId,
) -> Result<(), SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let mut rng = service.rng();
    service
        .store()
        .write("connection.delete", move |tx| {
            let (_, permit) = permit_connection(tx, &asking, Action::DeleteConnection, id, now)?;
            rows::delete(tx, id)?;
            let entry = NewEntry::under(TrailAction::ConnectionDelete, now, &permit)
                .detail("connection", Detail::Id(id.0));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(())
        })
        .await
}

/// `POST /api/v1/connections/{id}/verify`: one cheap call to the other end, and
/// what it means. A connection that works is used again.
///
/// # Errors
/// The policy's, the database's. That it does not work is an answer.
pub async fn verify_connection(
    service: &Service,
    caller: &Caller,
    id: ConnectionId,
) -> Result<Verification, SyncFailure> {
    let (row, _) = load(service, caller, Action::VerifyConnection, id).await?;
    let opened = Opened::open(service, row)?;
    let tokens = sync::Keeper::of_connection(service, &opened);
    let verified = match opened.row.direction {
        Direction::Source => {
            let source = opened.source(service)?;
            source.verify(&opened.endpoint, &tokens).await
        }
        Direction::Destination => {
            let platform = opened.platform(service)?;
            platform.verify(&opened.endpoint, &tokens).await
        }
    };
    let now = service.now();
    let (state, problem) = match &verified {
        Ok(_) => (LinkState::Ok, None),
        Err(error) => (LinkState::NeedsAttention, Some(error.code())),
    };
    let hands_off = opened.hands_off(service);
    let paused = opened.row.state == LinkState::Paused;
    service
        .store()
        .write("connection.verify", move |tx| {
            if !paused && (problem.is_none() || problem == Some("connection.auth")) {
                rows::update_state(tx, id, state, problem, now)?;
            }
            rows::update_hands_off(tx, id, hands_off)?;
            Ok::<_, SyncFailure>(())
        })
        .await?;
    service.wake();
    let sentence = match problem {
        None => format!("{} works.", &*opened.name),
        Some(code) => chartkey_domain::sync::Step::Attention.sentence(
            &opened.name,
            &chartkey_domain::sync::Counts::default(),
            Some(code),
        ),
    };
    let verified = verified.ok().unwrap_or_default();
    Ok(Verification {
        works: problem.is_none(),
        problem: problem.map(str::to_owned),
        sentence,
        account: verified.account,
        notes: verified.notes,
    })
}

async fn load(
    service: &Service,
    caller: &Caller,
    action: Action,
    id: ConnectionId,
) -> Result<(ConnectionRow, Permit), SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("connection.find", move |db| {
            permit_connection(db, &asking, action, id, now)
        })
        .await
}

fn view(service: &Service, row: ConnectionRow) -> Result<ConnectionView, SyncFailure> {
    let opened = Opened::open(service, row)?;
    let id = opened.row.id;
    let secret = hints::secret(service.protect(), id);
    let app_url = &service.settings().app_url;
    Ok(ConnectionView {
        id,
        owner: opened.row.owner,
        direction: opened.row.direction,
        kind: opened.row.kind,
        name: opened.name.to_string(),
        base_url: opened.endpoint.base_url,
        auth: opened.row.auth,
        // Ours among them, which the adapter is not handed.
        settings: serde_json::from_str(&opened.row.settings).unwrap_or_default(),
        schedule: opened.row.schedule,
        state: opened.row.state,
        problem: opened.row.problem,
        hands_off: opened.row.hands_off,
        webhook_url: format!("{app_url}/api/v1/webhooks/{id}/{secret}"),
        public_key: opened.row.public_key,
        created_at: opened.row.created_at,
        updated_at: opened.row.updated_at,
    })
}

fn parse_name(name: &str) -> Result<String, SyncFailure> {
    text::line(name, MAX_NAME).map_err(|error| Failure::Rule {
        code: error.code(),
        field: "name",
        message: error.to_string(),
    })
}

fn parse_schedule(text: &str, now: Timestamp) -> Result<String, SyncFailure> {
    Schedule::parse(text, now)
        .map(|schedule| schedule.as_str().to_owned())
        .map_err(|error| Failure::field("schedule", &error.to_string()))
}

fn settings_text(settings: &Value) -> Result<String, SyncFailure> {
    let text = match settings {
        Value::Null => "{}".to_owned(),
        Value::Object(_) => settings.to_string(),
        _ => return Err(Failure::field("settings", "must be an object")),
    };
    if text.len() > MAX_SETTINGS {
        return Err(Failure::field("settings", "too long"));
    }
    Ok(text)
}

/// An absolute `http` or `https` address without user, query and fragment.
/// Where it may lead is decided where it is called.
fn parse_url(url: &str) -> Result<String, SyncFailure> {
    let url = url.trim().trim_end_matches('/');
    let bad = |why| Failure::field("base_url", why);
    if url.len() > MAX_URL || !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("not an address"));
    }
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| {
            let head = url.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme)
                .then(|| url.get(scheme.len()..))
                .flatten()
        })
        .ok_or_else(|| bad("begins with https://"))?;
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() || host.contains('@') || rest.contains(['?', '#', '\\']) {
        return Err(bad("only a host and a path"));
    }
    Ok(url.to_owned())
}

/// Host and port of an address, lower-case.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// Marks a connection as waiting for its owner; whether that is news.
pub(crate) fn need_attention(
    tx: &mut Tx,
    id: ConnectionId,
    problem: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    rows::update_state(tx, id, LinkState::NeedsAttention, Some(problem), now)
}

/// A name as it may be shown to somebody who may know that much.
pub(crate) fn name_of(service: &Service, row: &ConnectionRow) -> Result<String, SyncFailure> {
    let name: Zeroizing<String> =
        service
            .protect()
            .open_text(columns::NAME, row.id.0, &row.name_p)?;
    Ok(name.to_string())
}
