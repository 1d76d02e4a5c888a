//! What a made-up system received, in the order it was received.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Entries that are kept; older ones are forgotten, but counted.
const MAX_ENTRIES: usize = 200_000;

/// Headers that say how a system was spoken to.
pub(crate) const HEADERS_OF_INTEREST: &[&str] = &[
    "accept",
    "authorization",
    "authorizationsource",
    "content-type",
    "cp-api-key",
    "if-match",
    "if-none-exist",
    "if-none-match",
    "prefer",
    "user-agent",
    "x-api-key",
];

/// One call, as it was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from one, since the start.
    pub number: u64,
    /// When its head had arrived.
    pub at: Timestamp,
    /// What it asks for, in the made-up system's own words: `search:Observation`.
    pub operation: String,
    /// Which call of this operation it is, counted from one.
    pub nth: u64,
    /// The HTTP method.
    pub method: String,
    /// The path with ids taken out, such as `/Patient/{id}`.
    pub template: String,
    /// The path as it was asked for.
    pub path: String,
    /// The query as it was asked for, without its question mark.
    pub query: String,
    /// Headers of interest, by their names in small letters. Authorization stands
    /// here in full: nothing here opens anything real.
    pub headers: BTreeMap<String, String>,
    /// SHA-256 of the body, in hexadecimal; absent where there was none.
    pub body_sha256: Option<String>,
    /// Length of the body, in bytes.
    pub body_len: usize,
    /// What was made to go wrong, by its word.
    pub fault: Option<String>,
    /// Whether the call was acted upon.
    pub acted: bool,
    /// What was answered, once it was; a call that was hung up on has none.
    pub status: Option<u16>,
}

/// All calls.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    next: u64,
}

impl Journal {
    /// Keeps an entry under a number of its own, which is returned.
    pub(crate) fn push(&mut self, mut entry: Entry) -> u64 {
        self.next += 1;
        entry.number = self.next;
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.next
    }

    pub(crate) fn answered(&mut self, number: u64, status: u16) {
        if let Some(entry) = self
            .entries
            .iter_mut()
            .rev()
            .find(|entry| entry.number == number)
        {
            entry.status = Some(status);
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
