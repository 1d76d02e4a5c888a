//! What an entry says about itself: its leaf, and the columns of its row.

use std::borrow::Cow;

use chartkey_crypto::ledger::{self, Hash};
use serde::Deserialize;

use super::Log;

/// The longest entry. Far above what any action has to say; it bounds what
/// reading a page of the trail can cost.
const MAX_ENTRY: usize = 64 * 1024;

/// The leaf that an entry makes; `None` if the salt does not fit the log.
pub(super) fn leaf_hash(log: Log, salt: Option<&[u8; 32]>, entry: &str) -> Option<Hash> {
    match (log, salt) {
        (Log::Trail, Some(salt)) => Some(ledger::entry_leaf_hash(salt, entry.as_bytes())),
        (Log::Keys, None) => Some(ledger::leaf_hash(entry.as_bytes())),
        _ => None,
    }
}

/// The columns that queries use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns<'a> {
    pub(super) at: i64,
    pub(super) action: Cow<'a, str>,
    pub(super) patient: Option<[u8; 16]>,
    pub(super) actor: Option<[u8; 16]>,
    pub(super) grant: Option<[u8; 16]>,
    pub(super) record: Option<[u8; 16]>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow, default)]
    actor: Option<Actor<'a>>,
    #[serde(borrow, default)]
    patient: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    grant: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    record: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

impl<'a> Columns<'a> {
    /// `None` if the entry is too long, is not JSON, lacks `action` or `at`,
    /// or has something other than an id where an id belongs.
    pub(super) fn of(entry: &'a str) -> Option<Self> {
        if entry.len() > MAX_ENTRY {
            return None;
        }
        let fields: Fields<'a> = serde_json::from_str(entry).ok()?;
        let at: jiff::Timestamp = fields.at.parse().ok()?;
        Some(Self {
            at: at.as_millisecond(),
            patient: id(fields.patient).ok()?,
            actor: id(fields.actor.and_then(|actor| actor.id)).ok()?,
            grant: id(fields.grant).ok()?,
            record: id(fields.record).ok()?,
            action: fields.action,
        })
    }
}

/// There is text where an id belongs, and it is not one.
struct NotAnId;

fn id(text: Option<Cow<'_, str>>) -> Result<Option<[u8; 16]>, NotAnId> {
    let Some(text) = text else {
        return Ok(None);
    };
    // An id has one spelling, hyphenated.
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(NotAnId);
    }
    let id = uuid::Uuid::try_parse(&text).map_err(|_| NotAnId)?;
    Ok(Some(id.into_bytes()))
}
