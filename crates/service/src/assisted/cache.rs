//! Keys that assisted requests opened, kept for the next request of the same
//! session: encrypted under the secret that its token carries, so that this
//! memory alone opens nothing. What may be read is decided by the policy each
//! time; the cache only saves the key encapsulation.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chartkey_crypto::{Secret, SecretBytes, derive, encode, wrap};
use chartkey_domain::ids::{PatientId, SessionId};
use chartkey_vault::grant::Keyring;
use chartkey_vault::keys::PatientSeed;
use chartkey_vault::patient::ReadKeys;
use chartkey_vault::protocol::EpochLink;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::Caller;

/// Most entries kept; beyond that all are forgotten, which costs a little time.
const MAX_ENTRIES: usize = 4_096;
/// Largest entry kept, in bytes: keyrings of single records can be long.
const MAX_BYTES: usize = 64 << 10;

/// The keys of recent assisted requests, encrypted.
#[derive(Default)]
pub struct Cache(Mutex<HashMap<(SessionId, PatientId), Vec<u8>>>);

#[derive(Serialize, Deserialize)]
struct Entry {
    seeds: Vec<(u32, KeptSecret)>,
    keyrings: Vec<Keyring>,
    links: Vec<EpochLink>,
}

#[derive(Serialize, Deserialize)]
struct KeptSecret(#[serde(with = "chartkey_crypto::secret::secret_b64")] Secret);

impl Cache {
    /// The keys of the caller's session for a patient, if they are here.
    pub(crate) fn get(&self, caller: &Caller, patient: PatientId) -> Option<ReadKeys> {
        let (session, secret) = caller.session.as_ref()?;
        let wrapped = self.lock().get(&(*session, patient))?.clone();
        let plain = wrap::unwrap(&key(secret), &place(*session, patient), &wrapped).ok()?;
        let entry: Entry = serde_json::from_slice(&plain).ok()?;
        let seeds = entry
            .seeds
            .into_iter()
            .map(|(generation, s)| PatientSeed::new(generation, s.0))
            .collect();
        Some(ReadKeys::new(patient.0, seeds, entry.keyrings, entry.links))
    }

    /// Keeps keys for the caller's session.
    pub(crate) fn put(
        &self,
        caller: &Caller,
        patient: PatientId,
        keys: &ReadKeys,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let Some((session, secret)) = caller.session.as_ref() else {
            return;
        };
        let entry = Entry {
            seeds: keys
                .seeds()
                .map(|s| (s.generation, KeptSecret(s.secret().clone())))
                .collect(),
            keyrings: keys.keyrings().to_vec(),
            links: keys.links().cloned().collect(),
        };
        let Ok(plain) = serde_json::to_vec(&entry).map(SecretBytes::new) else {
            return;
        };
        if plain.len() > MAX_BYTES {
            return;
        }
        let wrapped = wrap::wrap(&key(secret), &place(*session, patient), &plain, rng);
        let mut entries = self.lock();
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert((*session, patient), wrapped);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(SessionId, PatientId), Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(secret: &Secret) -> Secret {
    derive(secret, "session/cache", &[])
}

fn place(session: SessionId, patient: PatientId) -> Vec<u8> {
    encode::lp(&[b"cache", session.as_bytes(), patient.as_bytes()])
}
