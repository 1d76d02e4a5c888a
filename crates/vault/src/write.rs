//! Writing: drafts become a sealed write, one batch for each compartment.
//! A manager wraps batch keys; everybody else seals them directly.

use std::collections::BTreeMap;

use chartkey_crypto::{
    Secret, SecretBytes,
    seal::{self, KemPublic},
    sign::SigningKey,
    wrap,
};
use chartkey_fhir::Compartment;
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::{
    Id,
    bytes::{Bytes, Bytes32},
    chain::Chain,
    error::VaultError,
    keys::{
        ENVELOPE_INFO, PatientSeed, VERSION_INFO, VersionKey, batch_aad, envelope_aad,
        version_envelope_aad,
    },
    protocol::{
        Envelope, NewSealedRecord, RecipientKind, SealedBatch, SealedWrite, VersionEnvelope,
    },
    record::{self, Fields, Place, Ties},
};

/// A record version that is to be written.
#[derive(Debug)]
pub struct Draft {
    /// A new id, or that of the record that gets a new version.
    pub record: Id,
    /// 1, or one more than the current.
    pub version: u32,
    /// Commitment of the current version.
    pub previous: Option<Bytes32>,
    /// Where it belongs.
    pub compartment: Compartment,
    /// Hidden from counts.
    pub supporting: bool,
    /// What its header says.
    pub fields: Fields,
    /// The body, or where it was streamed to.
    pub body: DraftBody,
    /// To find it again.
    pub identity_tag: Option<Bytes32>,
    /// To see it unchanged.
    pub content_tag: Bytes32,
}

/// The body of a draft.
#[derive(Debug)]
pub enum DraftBody {
    /// In memory.
    Open(SecretBytes),
    /// Streamed into a finished blob under a batch made before.
    Blob {
        /// The blob.
        blob: Id,
        /// SHA-256 of the open body.
        hash: Bytes32,
        /// The batch whose key it was sealed under.
        batch: NewBatch,
    },
}

/// A batch key before it is sealed to anybody.
#[derive(Debug)]
pub struct NewBatch {
    /// UUIDv7.
    pub id: Id,
    /// Its key; forgotten when the write ends.
    pub key: Secret,
}

impl NewBatch {
    /// A fresh batch.
    pub fn random(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let id = new_id(now, rng);
        Self {
            id,
            key: Secret::random(rng),
        }
    }
}

/// A fresh UUIDv7.
pub fn new_id(now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Id {
    Id::new(u64::try_from(now.as_millisecond()).unwrap_or(0), rng)
}

/// Who writes, and what they know.
#[derive(Debug)]
pub struct Writer<'a> {
    /// The patient's verified chain.
    pub chain: &'a Chain,
    /// The state it was read at.
    pub grants_version: u64,
    /// The newest seed, for managers: batches are wrapped.
    pub seed: Option<&'a PatientSeed>,
    /// The author; absent where the server seals what a source delivered.
    pub author: Option<Author<'a>>,
}

/// The account that writes.
#[derive(Debug)]
pub struct Author<'a> {
    /// Which.
    pub account: Id,
    /// Signs the headers.
    pub sign: &'a SigningKey,
    /// Direct batches are sealed to it as well.
    pub kem: &'a KemPublic,
}

impl Writer<'_> {
    /// Seals drafts into one write. Fails with a conflict where a manager
    /// must end staleness first.
    pub fn seal(
        &self,
        drafts: &[Draft],
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SealedWrite, VaultError> {
        self.seal_keeping(drafts, now, rng).map(|(write, _)| write)
    }

    /// [`Self::seal`], and the key of each draft's version in their order, for
    /// whoever seals these to destinations as well.
    pub fn seal_keeping(
        &self,
        drafts: &[Draft],
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(SealedWrite, Vec<VersionKey>), VaultError> {
        let patient = self.chain.patient();
        let mut keys = Vec::with_capacity(drafts.len());
        let mut shared: BTreeMap<Compartment, NewBatch> = BTreeMap::new();
        let mut batches = Vec::new();
        let mut records = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let place = Place {
                patient,
                record: draft.record,
                version: draft.version,
            };
            let batch = match &draft.body {
                DraftBody::Blob { batch, .. } => {
                    batches.push(self.seal_batch(batch, draft.compartment, now, rng)?);
                    batch
                }
                DraftBody::Open(_) => match shared.entry(draft.compartment) {
                    std::collections::btree_map::Entry::Occupied(e) => &*e.into_mut(),
                    std::collections::btree_map::Entry::Vacant(e) => {
                        &*e.insert(NewBatch::random(now, rng))
                    }
                },
            };
            let key = VersionKey::derive(&batch.key, draft.record, draft.version);
            let mut sealed = self.seal_record(draft, place, batch.id, &key, rng)?;
            if draft.version > 1 {
                sealed.extra = self.seal_extra(place, draft.compartment, &key, now, rng);
            }
            records.push(sealed);
            keys.push(key);
        }
        for (compartment, batch) in &shared {
            batches.push(self.seal_batch(batch, *compartment, now, rng)?);
        }
        let write = SealedWrite {
            patient,
            grants_version: self.grants_version,
            batches,
            records,
        };
        Ok((write, keys))
    }

    fn seal_record(
        &self,
        draft: &Draft,
        place: Place,
        batch: Id,
        key: &VersionKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<NewSealedRecord, VaultError> {
        let ties = Ties {
            previous: draft.previous,
            head: Some(self.chain.head().hash),
        };
        let signer = self.author.as_ref().map(|a| a.sign);
        let (header, body, blob) = match &draft.body {
            DraftBody::Open(open) => {
                let sealed =
                    record::seal_version(key, place, &draft.fields, open, ties, signer, rng)?;
                (sealed.header, Some(sealed.body), None)
            }
            DraftBody::Blob { blob, hash, .. } => {
                let header =
                    record::seal_header(key, place, &draft.fields, *hash, ties, signer, rng)?;
                (header, None, Some(*blob))
            }
        };
        Ok(NewSealedRecord {
            id: draft.record,
            version: draft.version,
            batch,
            supporting: draft.supporting,
            header,
            body,
            blob,
            commitment: key.commitment(),
            identity_tag: draft.identity_tag,
            content_tag: draft.content_tag,
            extra: Vec::new(),
        })
    }

    /// Seals a version key to the grants of single records that the chain says
    /// cover it. The server's word is not asked, so it can invent no reader.
    pub(crate) fn seal_extra(
        &self,
        place: Place,
        compartment: Compartment,
        key: &VersionKey,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<VersionEnvelope> {
        self.chain
            .extra_readers(place.record, compartment, now)
            .map(|known| {
                let grant = known.terms.grant;
                let aad = version_envelope_aad(place.patient, place.record, place.version, grant);
                let key = key.secret().as_bytes();
                let sealed = seal::seal_to(&known.terms.grant_key, VERSION_INFO, &aad, key, rng);
                VersionEnvelope {
                    grant,
                    sealed: Bytes(sealed),
                }
            })
            .collect()
    }

    /// Wraps or seals a batch key for everybody who is to open it.
    pub(crate) fn seal_batch(
        &self,
        batch: &NewBatch,
        compartment: Compartment,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SealedBatch, VaultError> {
        match self.seed {
            Some(seed) => self.wrap_batch(seed, batch, compartment, now, rng),
            None => Ok(self.seal_direct(batch, compartment, now, rng)),
        }
    }

    fn wrap_batch(
        &self,
        seed: &PatientSeed,
        batch: &NewBatch,
        compartment: Compartment,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SealedBatch, VaultError> {
        if self.chain.is_stale(compartment, now) {
            return Err(VaultError::Conflict("compartment.moved".into()));
        }
        let patient = self.chain.patient();
        let epoch = self.chain.current_epoch(compartment);
        let key = seed.compartment_key(compartment, epoch);
        let aad = batch_aad(patient, compartment, epoch, batch.id);
        let wrapped = wrap::wrap(&key, &aad, batch.key.as_bytes(), rng);
        let envelopes = self
            .chain
            .covering(compartment, now)
            .filter(|g| !g.holds_epoch(compartment, epoch))
            .map(|g| {
                let to = (RecipientKind::Grant, g.terms.grant, &g.terms.grant_key);
                envelope(patient, compartment, batch, to, rng)
            })
            .collect();
        Ok(SealedBatch {
            id: batch.id,
            compartment,
            epoch: Some(epoch),
            wrapped: Some(Bytes(wrapped)),
            envelopes,
        })
    }

    fn seal_direct(
        &self,
        batch: &NewBatch,
        compartment: Compartment,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> SealedBatch {
        let patient = self.chain.patient();
        let inbox = (RecipientKind::Inbox, patient, self.chain.inbox_key());
        let mut envelopes = vec![envelope(patient, compartment, batch, inbox, rng)];
        for grant in self.chain.covering(compartment, now) {
            let to = (
                RecipientKind::Grant,
                grant.terms.grant,
                &grant.terms.grant_key,
            );
            envelopes.push(envelope(patient, compartment, batch, to, rng));
        }
        if let Some(author) = &self.author {
            let to = (RecipientKind::Account, author.account, author.kem);
            envelopes.push(envelope(patient, compartment, batch, to, rng));
        }
        SealedBatch {
            id: batch.id,
            compartment,
            epoch: None,
            wrapped: None,
            envelopes,
        }
    }
}

fn envelope(
    patient: Id,
    compartment: Compartment,
    batch: &NewBatch,
    (to, id, key): (RecipientKind, Id, &KemPublic),
    rng: &mut (impl CryptoRng + ?Sized),
) -> Envelope {
    let aad = envelope_aad(patient, compartment, to, id, batch.id);
    let sealed = seal::seal_to(key, ENVELOPE_INFO, &aad, batch.key.as_bytes(), rng);
    Envelope {
        to,
        id,
        sealed: Bytes(sealed),
    }
}
