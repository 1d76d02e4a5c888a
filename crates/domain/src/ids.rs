//! Ids of the nouns, one type each, so that a grant's id can't be passed where a
//! record's is meant. All are UUIDv7 over [`Id`]; none is a secret.

use std::fmt;
use std::str::FromStr;

pub use chartkey_vault::Id;
pub use chartkey_vault::id::ParseIdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Id);

        impl $name {
            /// The id of nothing: a query for it finds nothing.
            pub const NIL: Self = Self(Id::NIL);

            /// A new id, made at `at_ms` (Unix milliseconds).
            pub fn new(at_ms: u64, rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
                Self(Id::new(at_ms, rng))
            }

            /// The id of these bytes, as a database keeps them.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Id::from_bytes(bytes))
            }

            /// The sixteen bytes, as databases and associated data hold them.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Id {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )+};
}

ids! {
    /// Someone who signs in.
    AccountId;
    /// The person a record is about.
    PatientId;
    /// One item of the medical record; the practice API calls it a document.
    RecordId;
    /// A grant, whoever holds it. A link has the id of its grant.
    GrantId;
    /// The records that one write put into one compartment under one key.
    BatchId;
    /// A sign-in, from login until logout or the end of its day.
    SessionId;
    /// Somebody's request for access, waiting for the patient's answer.
    RequestId;
    /// A row of work to do later.
    JobId;
    /// A large sealed body, stored apart.
    BlobId;
    /// One visit to a link: what it fetches counts as one access.
    ViewId;
    /// A configured source or destination.
    ConnectionId;
    /// One run of a sync, or one thing it did: a line of the synchronization log.
    SyncId;
    /// One version of a document on its way to one destination.
    DeliveryId;
    /// Somebody's wish to have an unclaimed chart as their own.
    ClaimId;
    /// A request to a provider for documents.
    DocumentRequestId;
}

/// A link is a grant to whoever holds a secret URL, under the same id.
pub type LinkId = GrantId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_id_reads_and_prints_like_the_id_it_wraps() {
        let text = "0195e6d4-1c2b-7f3a-9c4d-0123456789ab";
        let id: RecordId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(RecordId::from_bytes(*id.as_bytes()), id);
        assert_eq!(Id::from(id).to_string(), text);
        assert_eq!(format!("{id:?}"), format!("RecordId({text})"));
        assert_eq!("".parse::<RecordId>(), Err(ParseIdError));
    }
}
