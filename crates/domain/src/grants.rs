//! Grants: signed terms, and what they come to at a moment. Whoever holds one,
//! account or link, the terms mean the same.
//!
//! This module knows no keys: that a grant ends here is what makes the server
//! refuse; that its holder can't open what comes later is `vault`'s work.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::ids::{AccountId, GrantId, PatientId, RecordId};
use crate::records::{Compartment, Kinds, RecordFacts, RecordType, RecordTypes};

pub use crate::purposes::Purpose;

/// A grant ends at most this long after it is made.
pub const MAX_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// A grant ends at least this long after it is made.
pub const MIN_LIFE: SignedDuration = SignedDuration::from_secs(1);
/// How far a client's clock may run ahead when it asks for the longest life.
pub const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(5);
/// Most single records that one grant may name.
pub const MAX_RECORDS: usize = 10_000;
/// Longest purpose in free words, in characters.
pub const MAX_PURPOSE_CHARS: usize = 200;

/// Who holds a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// An account.
    Account(AccountId),
    /// Whoever has the secret URL.
    Link,
}

/// Why a grant ended before its time, or that its time came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// A manager ended it, or its holder's account ended.
    Revoked,
    /// Its time came.
    Expired,
    /// A link was opened as often as it could be.
    UsedUp,
    /// A new generation of the patient's keys did not carry it over.
    NotCarried,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Revoked, Self::Expired, Self::UsedUp, Self::NotCarried];

    /// The word that databases and the trail keep.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::UsedUp => "used_up",
            Self::NotCarried => "not_carried",
        }
    }

    /// The reason of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What a grant is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantStatus {
    /// It counts.
    Active,
    /// Its time has not come.
    Scheduled,
    /// Withheld, perhaps for a while.
    Suspended,
    /// Its time has passed.
    Expired,
    /// A manager ended it.
    Revoked,
    /// A link opened as often as it could be.
    UsedUp,
}

impl GrantStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Scheduled,
        Self::Suspended,
        Self::Expired,
        Self::Revoked,
        Self::UsedUp,
    ];

    /// The word for the wire and for screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Scheduled => "scheduled",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::UsedUp => "used_up",
        }
    }

    /// Whether it is over for good. An ended grant is never extended.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Expired | Self::Revoked | Self::UsedUp)
    }
}

/// What the policy must know of a grant: its signed terms, and whether it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantFacts {
    /// Its id; for a link also the link's.
    pub id: GrantId,
    /// Whose record it is about.
    pub patient: PatientId,
    /// Who holds it.
    pub holder: Holder,
    /// The record types it lets read. Empty for a write-only grant.
    pub types: RecordTypes,
    /// The kinds of sensitivity it lets read; empty: none but ordinary records.
    pub kinds: Kinds,
    /// When single records are granted: these alone, and only while their
    /// compartment stays within `types` and `kinds`.
    pub records: Option<Vec<RecordId>>,
    /// The record types it lets write.
    pub write_types: RecordTypes,
    /// From when it counts, inclusive.
    pub valid_from: Timestamp,
    /// Until when it counts, exclusive.
    pub expires_at: Timestamp,
    /// Whether what is read may be taken along.
    pub may_download: bool,
    /// Whether its holder may share single records on.
    pub may_reshare: bool,
    /// For what was passed on under another grant: who did.
    pub passed_on_by: Option<AccountId>,
    /// Why it ended, if it did before its time or has been found ended.
    pub ended: Option<EndReason>,
    /// Withheld for now.
    pub suspended: bool,
}

impl GrantFacts {
    /// What it is at `now`. A grant is over at the very moment it expires.
    pub fn status(&self, now: Timestamp) -> GrantStatus {
        match self.ended {
            Some(EndReason::Revoked | EndReason::NotCarried) => GrantStatus::Revoked,
            Some(EndReason::UsedUp) => GrantStatus::UsedUp,
            Some(EndReason::Expired) => GrantStatus::Expired,
            None if self.expires_at <= now => GrantStatus::Expired,
            None if self.suspended => GrantStatus::Suspended,
            None if now < self.valid_from => GrantStatus::Scheduled,
            None => GrantStatus::Active,
        }
    }

    /// What it lets read.
    pub fn coverage(&self) -> Coverage {
        Coverage {
            grant: self.id,
            types: self.types,
            kinds: self.kinds,
            records: self.records.clone(),
        }
    }
}

/// What a grant lets read: types and kinds, or single records within them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The grant that says so.
    pub grant: GrantId,
    /// The record types.
    pub types: RecordTypes,
    /// The kinds of sensitivity.
    pub kinds: Kinds,
    /// Single records, if it is about those.
    pub records: Option<Vec<RecordId>>,
}

impl Coverage {
    /// Whether it covers the whole compartment: its type is granted, every one
    /// of its kinds is, and the grant is not about single records.
    pub fn covers(&self, compartment: Compartment) -> bool {
        self.records.is_none() && self.spans(compartment)
    }

    /// Whether it covers this record.
    pub fn covers_record(&self, record: &RecordFacts) -> bool {
        self.spans(record.compartment)
            && self
                .records
                .as_ref()
                .is_none_or(|records| records.contains(&record.id))
    }

    /// Whether type and kinds are within the grant's.
    fn spans(&self, compartment: Compartment) -> bool {
        self.types.contains(compartment.record_type) && compartment.kinds.is_subset_of(self.kinds)
    }

    /// Whether it lets read nothing at all.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty() || self.records.as_ref().is_some_and(Vec::is_empty)
    }
}

/// Terms as a manager asks for them, before anything is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTerms {
    /// Record types to read; may be empty when some may be written.
    pub types: RecordTypes,
    /// Kinds to read.
    pub kinds: Kinds,
    /// Single records, if not everything of those types.
    pub records: Option<Vec<RecordId>>,
    /// Record types to write.
    pub write_types: RecordTypes,
    /// From when.
    pub valid_from: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// Whether what is read may be taken along.
    pub may_download: bool,
    /// Whether single records may be shared on.
    pub may_reshare: bool,
}

impl NewTerms {
    /// Whether these terms may be signed at `now`.
    ///
    /// # Errors
    /// The first rule they break.
    pub fn check(&self, now: Timestamp) -> Result<(), GrantError> {
        check_period(self.valid_from, self.expires_at, now)?;
        match &self.records {
            Some(records) if records.is_empty() => return Err(GrantError::Empty),
            Some(records) if records.len() > MAX_RECORDS => return Err(GrantError::TooManyRecords),
            _ => {}
        }
        if self.types.is_empty() && (self.write_types.is_empty() || self.records.is_some()) {
            return Err(GrantError::Empty);
        }
        if self.types.is_empty() && (self.may_download || self.may_reshare) {
            return Err(GrantError::NothingToTake);
        }
        Ok(())
    }
}

/// Whether a grant may run for this period: it ends from one second to 365 days
/// from `now`, and begins before it ends.
///
/// # Errors
/// The first rule the period breaks.
pub fn check_period(
    valid_from: Timestamp,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), GrantError> {
    let life = expires_at.duration_since(now);
    if life < MIN_LIFE {
        return Err(GrantError::ExpiryPast);
    }
    if life > MAX_LIFE + CLOCK_SLACK {
        return Err(GrantError::ExpiryFar);
    }
    if valid_from >= expires_at {
        return Err(GrantError::PeriodEmpty);
    }
    Ok(())
}

/// Reads an expiry as people write it: an RFC 3339 time, or a date, which means
/// the end of that day in UTC, but never later than the longest life allows.
///
/// # Errors
/// [`GrantError::ExpiryMalformed`] when it is neither.
pub fn parse_expiry(text: &str, now: Timestamp) -> Result<Timestamp, GrantError> {
    if let Some(day) = crate::text::parse_date(text) {
        let midnight = day
            .tomorrow()
            .and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC))
            .map_err(|_| GrantError::ExpiryMalformed)?
            .timestamp();
        let end = midnight - SignedDuration::from_secs(1);
        let last = now.saturating_add(MAX_LIFE).unwrap_or(Timestamp::MAX);
        let within_a_day = end.duration_since(last) < SignedDuration::from_hours(24);
        return Ok(if end > last && within_a_day {
            last
        } else {
            end
        });
    }
    if text.len() > 40 {
        return Err(GrantError::ExpiryMalformed);
    }
    text.parse().map_err(|_| GrantError::ExpiryMalformed)
}

/// The moment that many days ahead.
///
/// # Errors
/// [`GrantError::ExpiryPast`] for none, [`GrantError::ExpiryFar`] for more than 365.
pub fn expiry_in_days(days: u32, now: Timestamp) -> Result<Timestamp, GrantError> {
    match days {
        0 => Err(GrantError::ExpiryPast),
        1..=365 => now
            .checked_add(SignedDuration::from_hours(i64::from(days) * 24))
            .map_err(|_| GrantError::ExpiryFar),
        _ => Err(GrantError::ExpiryFar),
    }
}

/// Types in the order of screens, for statements and the trail.
pub fn in_order(types: RecordTypes) -> Vec<RecordType> {
    types.iter().collect()
}

/// Why a grant, or terms of one, are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GrantError {
    /// No such grant, or none that the caller may know of.
    #[error("no such grant")]
    Unknown,
    /// The grant has ended.
    #[error("the grant has ended")]
    Ended,
    /// It ends before it could be used.
    #[error("the expiry must lie at least one second ahead")]
    ExpiryPast,
    /// It ends too late.
    #[error("the expiry must lie at most 365 days ahead")]
    ExpiryFar,
    /// Neither a date nor a time.
    #[error("the expiry is neither a date nor a time")]
    ExpiryMalformed,
    /// It begins when it is over.
    #[error("it must begin before it ends")]
    PeriodEmpty,
    /// It lets read nothing and write nothing.
    #[error("choose what is shared")]
    Empty,
    /// Download or re-share of nothing.
    #[error("nothing can be read that could be taken along")]
    NothingToTake,
    /// It names too many single records.
    #[error("too many single records")]
    TooManyRecords,
    /// No such holder, or none who can hold a key.
    #[error("no such account to grant to")]
    HolderUnknown,
    /// Direct batches of a covered compartment wait for adoption.
    #[error("some of what would be shared must be adopted first")]
    Unadopted,
    /// A covered compartment is stale.
    #[error("some of what would be shared needs a new epoch first")]
    Stale,
}

impl GrantError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 12] = [
        Self::Unknown,
        Self::Ended,
        Self::ExpiryPast,
        Self::ExpiryFar,
        Self::ExpiryMalformed,
        Self::PeriodEmpty,
        Self::Empty,
        Self::NothingToTake,
        Self::TooManyRecords,
        Self::HolderUnknown,
        Self::Unadopted,
        Self::Stale,
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "grant.unknown",
            Self::Ended => "grant.ended",
            Self::ExpiryPast => "grant.expiry_past",
            Self::ExpiryFar => "grant.expiry_far",
            Self::ExpiryMalformed => "grant.expiry_malformed",
            Self::PeriodEmpty => "grant.period_empty",
            Self::Empty => "grant.empty",
            Self::NothingToTake => "grant.nothing_to_take",
            Self::TooManyRecords => "grant.too_many_records",
            Self::HolderUnknown => "grant.holder_unknown",
            Self::Unadopted => "grant.unadopted",
            Self::Stale => "grant.stale",
        }
    }
}

#[cfg(test)]
#[path = "grants/tests.rs"]
mod tests;
