//! Requests for access: a provider asks, the patient answers, perhaps with less.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::grants::NewTerms;
use crate::text::TextError;

/// Longest message of whoever asks, in characters.
pub const MAX_MESSAGE_CHARS: usize = 1_000;
/// How long a request waits for its answer, in seconds.
pub const REQUEST_TTL_SECS: i64 = 30 * 24 * 60 * 60;
/// Most requests of one provider that may wait with one patient.
pub const MAX_WAITING: usize = 3;

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestStatus {
    /// Waiting for the patient.
    Pending,
    /// Granted, perhaps with less.
    Approved,
    /// Refused.
    Denied,
    /// Nobody answered in time.
    Expired,
}

impl RequestStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Approved, Self::Denied, Self::Expired];

    /// The word for the wire and for databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }

    /// The status of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// Where a stored request stands at `now`: one that nobody answered in its
    /// time has expired, whether or not a job has said so yet.
    #[must_use]
    pub fn at(self, created_at: Timestamp, now: Timestamp) -> Self {
        let age = now.duration_since(created_at);
        if self == Self::Pending && age >= SignedDuration::from_secs(REQUEST_TTL_SECS) {
            Self::Expired
        } else {
            self
        }
    }
}

/// What the patient says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Yes, to what was asked or to less.
    Approve,
    /// No.
    Deny,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Self; 2] = [Self::Approve, Self::Deny];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }

    /// The decision of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// Whether `given` is no more than `asked`: an answer may narrow what was asked,
/// since what goes beyond it is the patient's own offer, which is a new grant.
pub fn is_within(given: &NewTerms, asked: &NewTerms) -> bool {
    let records = match (&given.records, &asked.records) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(given), Some(asked)) => given.iter().all(|record| asked.contains(record)),
    };
    records
        && given.types.is_subset_of(asked.types)
        && given.kinds.is_subset_of(asked.kinds)
        && given.write_types.is_subset_of(asked.write_types)
        && given.expires_at <= asked.expires_at
        && (asked.may_download || !given.may_download)
        && (asked.may_reshare || !given.may_reshare)
}

/// Why a request, or an answer to one, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// No such request, or none that the caller may know of.
    #[error("no such request")]
    Unknown,
    /// It has an answer already, or waited too long.
    #[error("this request has been answered, or is too old")]
    Closed,
    /// As many wait with this patient as may.
    #[error("wait for an answer to what you asked before")]
    TooMany,
    /// The answer gives more than was asked.
    #[error("an answer may give less than was asked, not more")]
    Wider,
    /// The message is refused.
    #[error("message: {0}")]
    Message(TextError),
}

impl RequestError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 5] = [
        Self::Unknown,
        Self::Closed,
        Self::TooMany,
        Self::Wider,
        Self::Message(TextError::Empty),
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "request.unknown",
            Self::Closed => "request.closed",
            Self::TooMany => "request.too_many",
            Self::Wider => "request.wider",
            Self::Message(_) => "request.message",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordId;
    use crate::records::{Kind, Kinds, RecordType, RecordTypes};

    fn asked() -> NewTerms {
        NewTerms {
            types: [RecordType::Vitals, RecordType::Diet].into_iter().collect(),
            kinds: Kinds::of(Kind::Hiv),
            records: None,
            write_types: RecordTypes::of(RecordType::Diet),
            valid_from: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(100),
            may_download: true,
            may_reshare: false,
        }
    }

    #[test]
    fn an_answer_may_narrow_and_never_widen() {
        let same = asked();
        assert!(is_within(&same, &asked()));
        let narrower: [fn(&mut NewTerms); 6] = [
            |t| t.types = RecordTypes::of(RecordType::Vitals),
            |t| t.kinds = Kinds::EMPTY,
            |t| t.records = Some(vec![RecordId::NIL]),
            |t| t.write_types = RecordTypes::EMPTY,
            |t| t.expires_at -= SignedDuration::from_secs(1),
            |t| t.may_download = false,
        ];
        for change in narrower {
            let mut given = asked();
            change(&mut given);
            assert!(is_within(&given, &asked()));
            // And what was narrowed can't be asked wide again.
            assert!(!is_within(&asked(), &given));
        }
        let wider: [fn(&mut NewTerms); 5] = [
            |t| t.types = RecordTypes::all(),
            |t| t.kinds = Kinds::ALL,
            |t| t.write_types = RecordTypes::all(),
            |t| t.expires_at += SignedDuration::from_secs(1),
            |t| t.may_reshare = true,
        ];
        for change in wider {
            let mut given = asked();
            change(&mut given);
            assert!(!is_within(&given, &asked()));
        }
    }

    #[test]
    fn a_request_waits_thirty_days() {
        let created = Timestamp::UNIX_EPOCH;
        let after = |secs| crate::sessions::after(created, secs);
        let pending = RequestStatus::Pending;
        assert_eq!(pending.at(created, after(REQUEST_TTL_SECS - 1)), pending);
        assert_eq!(
            pending.at(created, after(REQUEST_TTL_SECS)),
            RequestStatus::Expired
        );
        let denied = RequestStatus::Denied;
        assert_eq!(denied.at(created, after(REQUEST_TTL_SECS)), denied);
    }
}
