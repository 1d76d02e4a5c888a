//! Opening what was read: pages of sealed records become open ones.

use std::collections::HashMap;

use chartkey_crypto::{Secret, SecretBytes, sign::VerifyKey};

use crate::{
    Id,
    bytes::Bytes32,
    error::VaultError,
    keys::{AccountSecrets, VersionKey},
    patient::ReadKeys,
    protocol::{SealedPage, SealedRecord},
    record::{self, OpenHeader, Place},
};

/// Batch keys of a page, each opened once.
#[derive(Default)]
pub struct BatchKeys(HashMap<Id, Secret>);

impl std::fmt::Debug for BatchKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BatchKeys({})", self.0.len())
    }
}

impl BatchKeys {
    /// Opens whatever of the page's batches the caller's keys open.
    pub fn of_page(page: &SealedPage, keys: &ReadKeys, account: Option<&AccountSecrets>) -> Self {
        let mut open = HashMap::with_capacity(page.batches.len());
        for batch in &page.batches {
            if let Ok(key) = keys.batch_key(batch, account) {
                open.insert(batch.id, key);
            }
        }
        Self(open)
    }

    /// The key of a record's version.
    pub fn version_key(
        &self,
        record: &SealedRecord,
        keys: &ReadKeys,
    ) -> Result<VersionKey, VaultError> {
        keys.version_key(record, self.0.get(&record.batch))
    }
}

/// A record with its header open.
#[derive(Debug)]
pub struct OpenRecord {
    /// Where and when it lies; still sealed otherwise.
    pub header: OpenHeader,
    key: VersionKey,
    place: Place,
}

impl std::fmt::Debug for VersionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VersionKey")
    }
}

impl OpenRecord {
    /// Opens a record's header. Signatures are checked by [`Self::verify`],
    /// since lists of thousands show headers before anybody reads one.
    pub fn open(
        record: &SealedRecord,
        keys: &ReadKeys,
        batches: &BatchKeys,
    ) -> Result<Self, VaultError> {
        let key = batches.version_key(record, keys)?;
        let place = Place {
            patient: record.patient,
            record: record.id,
            version: record.version,
        };
        let header = record::open_header(&key, place, &record.commitment, &record.header)?;
        Ok(Self { header, key, place })
    }

    /// Checks the author's signature against any key the author ever had.
    pub fn verify(&self, author: &[VerifyKey]) -> Result<(), VaultError> {
        author
            .iter()
            .rev()
            .find_map(|key| self.header.verify(self.place, key).ok())
            .ok_or(VaultError::Statement("bad signature on a record"))
    }

    /// What names this very content, its author's word and signature; absent
    /// where nobody signed. See [`OpenHeader::signature_digest`].
    pub fn signature_digest(&self) -> Option<Bytes32> {
        self.header.signature_digest(self.place)
    }

    /// Opens the body from the record or from what its blob holds.
    pub fn open_body(
        &self,
        record: &SealedRecord,
        blob: Option<&[u8]>,
    ) -> Result<SecretBytes, VaultError> {
        let sealed = match (&record.body, blob) {
            (Some(body), _) => &body.0,
            (None, Some(blob)) => blob,
            (None, None) => return Err(VaultError::Input("the body was not fetched")),
        };
        record::open_body(
            &self.key,
            self.place,
            &record.commitment,
            &self.header.body_hash,
            sealed,
        )
    }

    /// The version key, for granting single records.
    pub const fn version_key(&self) -> &VersionKey {
        &self.key
    }

    /// The key and associated data of the body, for streams.
    pub fn body_seal(&self) -> (Secret, Vec<u8>) {
        record::body_seal(&self.key, self.place)
    }
}
