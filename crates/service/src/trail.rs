//! Appending to the trail and to the log of public keys, inside the
//! transaction that does what they tell of.

use chartkey_domain::ids::{AccountId, Id, PatientId};
use chartkey_domain::trail::NewEntry;
use chartkey_store::trail::{Log, NewEntry as NewLeaf};
use chartkey_store::{StoreError, Tx};
use chartkey_vault::statement::SignedStatement;
use jiff::Timestamp;
use rand_core::CryptoRng;
use serde_json::json;

use crate::Caller;

/// Appends an entry, salted; its leaf index.
pub fn append(
    tx: &mut Tx,
    entry: NewEntry,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<u64, StoreError> {
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    tx.append(
        Log::Trail,
        &NewLeaf {
            salt: Some(salt),
            entry: entry.finish().as_str().to_owned(),
        },
    )
}

/// Appends an entry about what a caller did: from where, in which session.
pub fn append_by(
    tx: &mut Tx,
    entry: NewEntry,
    caller: &Caller,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<u64, StoreError> {
    let entry = entry.from(caller.origin.address);
    let entry = match caller.session_id() {
        Some(session) => entry.session(session),
        None => entry,
    };
    append(tx, entry, rng)
}

/// Whose chain of statements a key belongs to.
#[derive(Clone, Copy, Debug)]
pub enum KeyOwner {
    /// An account's public keys.
    Account(AccountId),
    /// A patient's, of one generation.
    Patient(PatientId),
}

/// Publishes that a statement introduced public keys: whoever it concerns can
/// watch this log, and whoever does not learns nothing but an id.
pub fn publish_keys(
    tx: &mut Tx,
    owner: KeyOwner,
    seq: u64,
    statement: &SignedStatement,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let (kind, id): (&str, Id) = match owner {
        KeyOwner::Account(id) => ("account", id.0),
        KeyOwner::Patient(id) => ("patient", id.0),
    };
    let hash = statement.hash();
    let entry = json!({
        "v": 1,
        "action": "keys.publish",
        "at": format!("{at:.3}"),
        "owner": { "kind": kind, "id": id.to_string() },
        "seq": seq,
        "statement": hex(hash.as_bytes()),
    });
    tx.append(
        Log::Keys,
        &NewLeaf {
            salt: None,
            entry: entry.to_string(),
        },
    )
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
