//! Who wrote what assisted requests read: signatures, checked against the keys
//! that their authors published and the chain that their authors saw.
//!
//! What is remembered is public: verification keys, hashes of statements, and
//! digests of signatures that held. A key once an author's stays one (an older
//! record keeps its signature), and a statement once in a verified chain stays
//! in it, so nothing here goes out of date; forgetting costs only time.
//! It must not know what a record says.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chartkey_crypto::sign::VerifyKey;
use chartkey_vault::Id;
use chartkey_vault::bytes::Bytes32;
use chartkey_vault::protocol::{SealedPage, SealedRecord};
use chartkey_vault::read::OpenRecord;
use sha2::{Digest as _, Sha256};

/// Authors and patients remembered, at most.
const MANY: usize = 16_384;
/// Signatures remembered, at most: 32 bytes each.
const SIGNATURES: usize = 65_536;

/// What was verified before, of everybody.
#[derive(Default)]
pub struct Authors {
    keys: Mutex<HashMap<Id, Arc<[VerifyKey]>>>,
    chains: Mutex<HashMap<Id, Arc<HashSet<Bytes32>>>>,
    held: Mutex<HashSet<[u8; 32]>>,
}

/// What the records of one page are checked against.
pub(crate) struct Known {
    /// The keys that each author ever had; none for an account that is gone.
    pub(crate) keys: HashMap<Id, Arc<[VerifyKey]>>,
    /// The patient's chain.
    pub(crate) chain: Arc<HashSet<Bytes32>>,
}

/// What a check says of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorship {
    /// The author it names signed it.
    Signed,
    /// The author it names has no account any more: nobody can tell.
    Gone,
    /// The server sealed what a source delivered; nobody signed.
    Server,
}

/// A version was not written by whom it names, or not when it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotTheirs;

/// Who wrote the records of a page.
pub(crate) fn authors_of(page: &SealedPage) -> HashSet<Id> {
    page.items
        .iter()
        .filter_map(|record| record.author)
        .collect()
}

impl Authors {
    /// The keys that an author had when they were last looked up.
    pub(crate) fn keys(&self, author: Id) -> Option<Arc<[VerifyKey]>> {
        lock(&self.keys).get(&author).cloned()
    }

    /// Keeps the verified keys of an author.
    pub(crate) fn put_keys(&self, author: Id, keys: &Arc<[VerifyKey]>) {
        let mut known = lock(&self.keys);
        if known.len() >= MANY {
            known.clear();
        }
        known.insert(author, Arc::clone(keys));
    }

    /// The statements of a patient, as the chain was last verified.
    pub(crate) fn chain(&self, patient: Id) -> Option<Arc<HashSet<Bytes32>>> {
        lock(&self.chains).get(&patient).cloned()
    }

    /// Keeps the statements of a verified chain.
    pub(crate) fn put_chain(&self, patient: Id, hashes: HashSet<Bytes32>) {
        let mut known = lock(&self.chains);
        if known.len() >= MANY {
            known.clear();
        }
        known.insert(patient, Arc::new(hashes));
    }

    /// Checks an opened version, as `vault::Client::verify_record` does.
    pub(crate) fn check(
        &self,
        sealed: &SealedRecord,
        opened: &OpenRecord,
        known: &Known,
    ) -> Result<Authorship, NotTheirs> {
        let seen = opened.header.head.as_ref();
        if seen.is_some_and(|head| !known.chain.contains(head)) {
            return Err(NotTheirs);
        }
        let Some(author) = sealed.author else {
            // What is signed names who signed it.
            return match opened.header.is_signed() {
                true => Err(NotTheirs),
                false => Ok(Authorship::Server),
            };
        };
        let signed = opened.signature_digest().ok_or(NotTheirs)?;
        let keys = known.keys.get(&author).ok_or(NotTheirs)?;
        if keys.is_empty() {
            return Ok(Authorship::Gone);
        }
        let mut digest = Sha256::new_with_prefix(author.as_bytes());
        digest.update(signed.as_bytes());
        let name: [u8; 32] = digest.finalize().into();
        if lock(&self.held).contains(&name) {
            return Ok(Authorship::Signed);
        }
        opened.verify(keys).map_err(|_| NotTheirs)?;
        let mut held = lock(&self.held);
        if held.len() >= SIGNATURES {
            held.clear();
        }
        held.insert(name);
        Ok(Authorship::Signed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
