//! Records as everybody but their readers knows them: which patient, which
//! compartment, whose. What they say is sealed, and unknown here.

pub use chartkey_fhir::{Compartment, Kind, Kinds, RecordType};
use thiserror::Error;

use crate::ids::{AccountId, RecordId};

/// A set of record types. As bits in memory only: what is stored or signed is names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RecordTypes(u32);

impl RecordTypes {
    /// No type.
    pub const EMPTY: Self = Self(0);

    /// Every type.
    pub fn all() -> Self {
        RecordType::ALL.into_iter().collect()
    }

    fn bit(record_type: RecordType) -> u32 {
        1 << (record_type as u32)
    }

    /// The set of exactly one type.
    pub fn of(record_type: RecordType) -> Self {
        Self(Self::bit(record_type))
    }

    /// Whether `record_type` is in the set.
    pub fn contains(self, record_type: RecordType) -> bool {
        self.0 & Self::bit(record_type) != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many types are in the set.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether everything here is also in `other`.
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The types in the set, in the order of screens.
    pub fn iter(self) -> impl Iterator<Item = RecordType> {
        RecordType::ALL
            .into_iter()
            .filter(move |record_type| self.contains(*record_type))
    }
}

impl FromIterator<RecordType> for RecordTypes {
    fn from_iter<I: IntoIterator<Item = RecordType>>(types: I) -> Self {
        types
            .into_iter()
            .fold(Self::EMPTY, |set, one| set.union(Self::of(one)))
    }
}

impl std::fmt::Debug for RecordTypes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.iter().map(RecordType::as_str))
            .finish()
    }
}

/// What the policy must know of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFacts {
    /// Its id.
    pub id: RecordId,
    /// Where it lies now.
    pub compartment: Compartment,
    /// The account that wrote it, if one did: its writer stays its reader while
    /// a grant of theirs lives.
    pub author: Option<AccountId>,
    /// Deleted by a manager: gone for everybody.
    pub deleted: bool,
    /// Shown to managers only: its author took it back, or it was found to be more
    /// sensitive than where it lies and is not yet sealed anew.
    pub withheld: bool,
}

/// Why a record or a write of records is refused, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// No such record, or none that the caller may know of.
    #[error("no such record")]
    Unknown,
    /// `If-Match` names another version than the newest.
    #[error("the record has another version by now")]
    VersionMismatch,
    /// A change without `If-Match`.
    #[error("say which version is changed")]
    VersionMissing,
    /// An id that is already taken, with other content.
    #[error("a record with this id exists")]
    Exists,
    /// The version is not the successor of the stored one.
    #[error("not the next version of this record")]
    NotNext,
    /// More records or batches than one write may carry.
    #[error("too many records in one write")]
    TooMany,
    /// A filter that only somebody who can open the records can apply.
    #[error("this can only be done where the record is open")]
    ClientSide,
    /// Epoch or grants have moved on: seal again.
    #[error("who may read has changed meanwhile; seal again")]
    CompartmentMoved,
    /// It is there and may be read, and what is stored does not open with any
    /// key that the reader holds: sealed as nonsense, or damaged.
    #[error("this record does not open")]
    Unopenable,
    /// It opens, and was not written by the account it names, or not after
    /// what it says its author saw.
    #[error("this record was not written by whom it names")]
    Unverified,
}

impl RecordError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 10] = [
        Self::Unknown,
        Self::VersionMismatch,
        Self::VersionMissing,
        Self::Exists,
        Self::NotNext,
        Self::TooMany,
        Self::ClientSide,
        Self::CompartmentMoved,
        Self::Unopenable,
        Self::Unverified,
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "record.unknown",
            Self::VersionMismatch => "record.version_mismatch",
            Self::VersionMissing => "record.version_missing",
            Self::Exists => "record.exists",
            Self::NotNext => "record.not_next",
            Self::TooMany => "record.too_many",
            Self::ClientSide => "client.side",
            Self::CompartmentMoved => "compartment.moved",
            Self::Unopenable => "record.unopenable",
            Self::Unverified => "record.unverified",
        }
    }
}

/// Most records that one sealed write may carry.
pub const MAX_RECORDS_PER_WRITE: usize = 10_000;
/// Most rows of a list, and how many come when nobody says.
pub const MAX_PAGE: u32 = 500;
/// Most rows of a list of headers, which are a few hundred bytes each.
pub const MAX_HEADERS: u32 = 1_000;
/// Rows of a list when nobody says.
pub const DEFAULT_PAGE: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_types_holds_exactly_what_was_put_in() {
        for one in RecordType::ALL {
            let set = RecordTypes::of(one);
            assert_eq!(set.iter().collect::<Vec<_>>(), [one]);
            assert!(set.is_subset_of(RecordTypes::all()));
            assert!(!RecordTypes::all().is_subset_of(set));
        }
        assert_eq!(RecordTypes::all().len(), 17);
        assert_eq!(
            RecordTypes::all().iter().collect::<Vec<_>>(),
            RecordType::ALL
        );
        assert!(RecordTypes::EMPTY.is_empty());
    }
}
