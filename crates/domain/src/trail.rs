//! The trail: what was done to whose record, by whom, from where, under which
//! grant. An entry becomes exact bytes here, once; those bytes are hashed, kept
//! and shown, and never written again in another way.
//!
//! An entry has no free text: ids, hashes, numbers, times and words that are
//! spelled in this program. So nothing medical, no name and no address of a
//! person can get into it, whatever a caller sends.

mod action;

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::grants::Purpose;
use crate::ids::{AccountId, GrantId, Id, PatientId, RecordId, SessionId};
use crate::records::RecordTypes;

pub use action::TrailAction;

/// Version of the shape of entries, their field `v`.
pub const SHAPE: u8 = 1;
/// Longest entry, in bytes. One with every field and every type is far shorter.
pub const MAX_ENTRY_BYTES: usize = 8 * 1024;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrailActor {
    /// An account.
    Account(AccountId),
    /// Whoever had this link.
    Link(GrantId),
    /// This program, by itself.
    System,
    /// Somebody who did not prove who they are.
    Nobody,
}

impl TrailActor {
    /// The word of an entry's `actor.kind`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Link(_) => "link",
            Self::System => "system",
            Self::Nobody => "nobody",
        }
    }

    /// The id of whoever did it, if they have one.
    pub const fn id(self) -> Option<Id> {
        match self {
            Self::Account(AccountId(id)) | Self::Link(GrantId(id)) => Some(id),
            Self::System | Self::Nobody => None,
        }
    }
}

impl From<crate::policy::Actor> for TrailActor {
    fn from(actor: crate::policy::Actor) -> Self {
        match actor {
            crate::policy::Actor::Nobody => Self::Nobody,
            crate::policy::Actor::Account(id) => Self::Account(id),
            crate::policy::Actor::Link(id) => Self::Link(id),
        }
    }
}

/// A detail of an entry: nothing that somebody typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// A word spelled in this program.
    Word(&'static str),
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(u64),
    /// An id.
    Id(Id),
    /// A hash, or a public key's fingerprint.
    Hash([u8; 32]),
    /// A time.
    At(Timestamp),
}

impl Detail {
    fn to_value(self) -> Value {
        match self {
            Self::Word(word) => word.into(),
            Self::Flag(flag) => flag.into(),
            Self::Number(number) => number.into(),
            Self::Id(id) => id.to_string().into(),
            Self::Hash(hash) => hex(&hash).into(),
            Self::At(at) => format!("{at:.3}").into(),
        }
    }
}

/// An entry being put together. What is not set is left out of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    action: TrailAction,
    at: Timestamp,
    actor: TrailActor,
    patient: Option<PatientId>,
    record: Option<RecordId>,
    version: Option<u32>,
    sealed_hash: Option<[u8; 32]>,
    previous_hash: Option<[u8; 32]>,
    grant: Option<GrantId>,
    types: RecordTypes,
    count: Option<u64>,
    from: Option<IpAddr>,
    session: Option<SessionId>,
    purpose: Option<Purpose>,
    assisted: bool,
    detail: Vec<(&'static str, Detail)>,
}

impl NewEntry {
    /// That `actor` did `action` at `at`.
    pub const fn new(action: TrailAction, at: Timestamp, actor: TrailActor) -> Self {
        Self {
            action,
            at,
            actor,
            patient: None,
            record: None,
            version: None,
            sealed_hash: None,
            previous_hash: None,
            grant: None,
            types: RecordTypes::EMPTY,
            count: None,
            from: None,
            session: None,
            purpose: None,
            assisted: false,
            detail: Vec::new(),
        }
    }

    /// That what `permit` permitted was done: its actor, patient, record and grant.
    pub fn under(action: TrailAction, at: Timestamp, permit: &crate::policy::Permit) -> Self {
        Self {
            patient: permit.patient_if_any(),
            record: permit.record(),
            grant: permit.grant(),
            ..Self::new(action, at, permit.actor().into())
        }
    }

    /// To whose record.
    #[must_use]
    pub fn patient(mut self, patient: PatientId) -> Self {
        self.patient = Some(patient);
        self
    }

    /// To which record.
    #[must_use]
    pub fn record(mut self, record: RecordId) -> Self {
        self.record = Some(record);
        self
    }

    /// Which version, and the hash of what lies sealed there.
    #[must_use]
    pub fn version(mut self, version: u32, sealed_hash: [u8; 32]) -> Self {
        self.version = Some(version);
        self.sealed_hash = Some(sealed_hash);
        self
    }

    /// The hash of what lay there before: of a moved record.
    #[must_use]
    pub fn previous_hash(mut self, hash: [u8; 32]) -> Self {
        self.previous_hash = Some(hash);
        self
    }

    /// Under or about which grant.
    #[must_use]
    pub fn grant(mut self, grant: GrantId) -> Self {
        self.grant = Some(grant);
        self
    }

    /// Which record types it touched.
    #[must_use]
    pub fn types(mut self, types: RecordTypes) -> Self {
        self.types = types;
        self
    }

    /// How many records, or how often.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// From which address.
    #[must_use]
    pub fn from(mut self, from: IpAddr) -> Self {
        // One address, one text: `::ffff:192.0.2.1` is `192.0.2.1`.
        self.from = Some(from.to_canonical());
        self
    }

    /// In which session.
    #[must_use]
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// What for.
    #[must_use]
    pub fn purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// That the server opened it, in its memory, for this request.
    #[must_use]
    pub fn assisted(mut self) -> Self {
        self.assisted = true;
        self
    }

    /// One detail more. Names are spelled in this program, and each is said once.
    #[must_use]
    pub fn detail(mut self, name: &'static str, detail: Detail) -> Self {
        self.detail.retain(|(known, _)| *known != name);
        self.detail.push((name, detail));
        self
    }

    /// The exact bytes to log, and what stands in them to look entries up by.
    pub fn finish(self) -> Entry {
        let at_ms = self.at.as_millisecond();
        let text = |id: Id| Value::from(id.to_string());
        let hash = |hash: [u8; 32]| Value::from(hex(&hash));
        let types: Vec<Value> = self.types.iter().map(|t| t.as_str().into()).collect();
        let mut actor = Object::default();
        actor.put("kind", Some(self.actor.kind().into()));
        actor.put("id", self.actor.id().map(text));
        let mut detail = Object::default();
        for (name, value) in &self.detail {
            detail.put(name, Some(value.to_value()));
        }
        let mut entry = Object::default();
        entry.put("v", Some(SHAPE.into()));
        entry.put("action", Some(self.action.as_str().into()));
        entry.put("at", Some(format_ms(at_ms).into()));
        entry.put_object("actor", actor);
        entry.put("patient", self.patient.map(|id| text(id.0)));
        entry.put("record", self.record.map(|id| text(id.0)));
        entry.put("version", self.version.map(Value::from));
        entry.put("sealed_hash", self.sealed_hash.map(hash));
        entry.put("previous_hash", self.previous_hash.map(hash));
        entry.put("grant", self.grant.map(|id| text(id.0)));
        entry.put("types", (!types.is_empty()).then(|| types.into()));
        entry.put("count", self.count.map(Value::from));
        entry.put("from", self.from.map(|from| from.to_string().into()));
        entry.put("session", self.session.map(|id| text(id.0)));
        entry.put("purpose", self.purpose.map(|purpose| purpose.code().into()));
        entry.put("assisted", self.assisted.then_some(Value::Bool(true)));
        entry.put_object("detail", detail);
        Entry {
            json: entry.finish(),
            columns: Columns {
                action: self.action,
                at_ms,
                actor: self.actor.id(),
                patient: self.patient,
                grant: self.grant,
                record: self.record,
            },
        }
    }
}

/// An entry as it is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    json: String,
    columns: Columns,
}

impl Entry {
    /// The exact bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.json.as_bytes()
    }

    /// The exact text.
    pub fn as_str(&self) -> &str {
        &self.json
    }

    /// What entries are looked up by.
    pub const fn columns(&self) -> &Columns {
        &self.columns
    }
}

/// What stands in an entry and, beside it, in columns of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// What was done.
    pub action: TrailAction,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// By whom.
    pub actor: Option<Id>,
    /// To whose record.
    pub patient: Option<PatientId>,
    /// Under or about which grant.
    pub grant: Option<GrantId>,
    /// To which record.
    pub record: Option<RecordId>,
}

impl Columns {
    /// Reads them out of an entry's bytes, so that a verifier can hold a row's
    /// columns against them.
    ///
    /// # Errors
    /// [`TrailError::Malformed`] when the bytes are not such an entry.
    pub fn read(entry: &str) -> Result<Self, TrailError> {
        if entry.len() > MAX_ENTRY_BYTES {
            return Err(TrailError::Malformed);
        }
        let entry: Value = serde_json::from_str(entry).map_err(|_| TrailError::Malformed)?;
        if entry.get("v").and_then(Value::as_u64) != Some(SHAPE.into()) {
            return Err(TrailError::Malformed);
        }
        let word = |name: &str| entry.get(name).and_then(Value::as_str);
        let at: Timestamp = word("at")
            .and_then(|at| at.parse().ok())
            .ok_or(TrailError::Malformed)?;
        Ok(Self {
            action: word("action")
                .and_then(TrailAction::parse)
                .ok_or(TrailError::Malformed)?,
            at_ms: at.as_millisecond(),
            actor: read_id(entry.get("actor").and_then(|actor| actor.get("id")))?,
            patient: read_id(entry.get("patient"))?.map(PatientId),
            grant: read_id(entry.get("grant"))?.map(GrantId),
            record: read_id(entry.get("record"))?.map(RecordId),
        })
    }
}

fn read_id(value: Option<&Value>) -> Result<Option<Id>, TrailError> {
    match value {
        None => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(|text| text.parse().ok())
            .map(Some)
            .ok_or(TrailError::Malformed),
    }
}

/// RFC 3339 in UTC with milliseconds, always three digits.
fn format_ms(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// A JSON object in the order in which it is written. (Maps of `serde_json` are
/// ordered by a feature that any crate of a build may switch.)
#[derive(Default)]
struct Object(String);

impl Object {
    /// A field, if there is a value. Names need no escaping.
    fn put(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.put_json(name, &value.to_string());
        }
    }

    /// A field that is an object, if anything is in it.
    fn put_object(&mut self, name: &str, object: Self) {
        if !object.0.is_empty() {
            self.put_json(name, &object.finish());
        }
    }

    fn put_json(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
    }

    fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
        .collect()
}

/// Why an entry can't be read, or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TrailError {
    /// The bytes are no entry.
    #[error("not an entry of the trail")]
    Malformed,
    /// No such entry, or none that the caller may know of.
    #[error("no such entry")]
    Unknown,
    /// A size of the tree that it never had, or has not yet.
    #[error("the trail has no such size")]
    SizeUnknown,
}

impl TrailError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 3] = [Self::Malformed, Self::Unknown, Self::SizeUnknown];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "audit.malformed",
            Self::Unknown => "audit.unknown",
            Self::SizeUnknown => "audit.size_unknown",
        }
    }
}

#[cfg(test)]
#[path = "trail/tests.rs"]
mod tests;
