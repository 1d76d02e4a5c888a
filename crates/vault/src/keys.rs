//! The key hierarchy: which key derives from which, and what names each.
//! Pure; the only place where purposes and associated data are spelled.

use std::sync::OnceLock;

use chartkey_crypto::{
    Secret, SecretBytes, derive, encode,
    seal::{self, KemPrivate, KemPublic},
    sign::{SigningKey, VerifyKey},
    wrap,
};
use chartkey_fhir::Compartment;
use rand_core::CryptoRng;

use crate::{
    Id,
    bytes::{Bytes, Bytes32},
    epoch::Epoch,
    error::VaultError,
    protocol::RecipientKind,
    statement::account_fingerprint,
};

/// An account's seed and what derives from it.
///
/// Expanded when first needed: an assisted read needs neither key pair.
pub struct AccountSecrets {
    account: Id,
    seed: Secret,
    kem: OnceLock<KemPrivate>,
    sign: OnceLock<SigningKey>,
    /// The seeds before this one, newest first.
    older: Vec<AccountSecrets>,
}

impl AccountSecrets {
    /// The secrets of `account`.
    pub const fn new(account: Id, seed: Secret) -> Self {
        Self {
            account,
            seed,
            kem: OnceLock::new(),
            sign: OnceLock::new(),
            older: Vec::new(),
        }
    }

    /// Takes the secrets that were the account's before: what was sealed to
    /// them goes on opening.
    pub fn push_older(&mut self, mut previous: Self) {
        let before = std::mem::take(&mut previous.older);
        self.older.push(previous);
        self.older.extend(before);
    }

    /// Unwraps the seeds before this one, each wrapped under its successor,
    /// newest first.
    pub fn take_previous(&mut self, wrapped: &[Bytes]) -> Result<(), VaultError> {
        for wrapped in wrapped {
            let newest = self.older.last().map_or(&self.seed, |o| &o.seed);
            let key = derive(newest, "account/previous", &[]);
            let seed = wrap::unwrap_secret(&key, &previous_seed_aad(self.account), &wrapped.0)?;
            self.older.push(Self::new(self.account, seed));
        }
        Ok(())
    }

    /// Wraps the seed before this one.
    pub fn wrap_previous(&self, previous: &Self, rng: &mut (impl CryptoRng + ?Sized)) -> Bytes {
        let key = derive(&self.seed, "account/previous", &[]);
        let aad = previous_seed_aad(self.account);
        Bytes(wrap::wrap(&key, &aad, previous.seed.as_bytes(), rng))
    }

    fn kem(&self) -> &KemPrivate {
        self.kem
            .get_or_init(|| KemPrivate::new(&derive(&self.seed, "account/kem", &[])))
    }

    /// Whose they are.
    pub const fn account(&self) -> Id {
        self.account
    }

    /// The seed itself, for wrapping under ways in.
    pub const fn seed(&self) -> &Secret {
        &self.seed
    }

    /// The public key that others seal to.
    pub fn kem_public(&self) -> KemPublic {
        self.kem().public()
    }

    /// Opens what was sealed to the account, to its keys of now or before.
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, VaultError> {
        if let Ok(open) = self.kem().open(info, aad, sealed) {
            return Ok(open);
        }
        let mut older = self.older.iter();
        older
            .find_map(|o| o.kem().open(info, aad, sealed).ok())
            .ok_or(VaultError::Open)
    }

    /// The fingerprint of its public keys.
    pub fn fingerprint(&self) -> Bytes32 {
        account_fingerprint(&self.kem_public(), &self.signing_key().verify_key())
    }

    /// Whether the account has, or had, the keys of this fingerprint.
    pub fn has_fingerprint(&self, is_it: impl Fn(&Bytes32) -> bool) -> bool {
        is_it(&self.fingerprint()) || self.older.iter().any(|o| is_it(&o.fingerprint()))
    }

    /// Signs for the account.
    pub fn signing_key(&self) -> &SigningKey {
        self.sign
            .get_or_init(|| SigningKey::from_secret(&derive(&self.seed, "account/sign", &[])))
    }

    /// Whether the account has, or had, a signing key with this public half.
    pub fn has_sign_key(&self, is_it: impl Fn(&VerifyKey) -> bool) -> bool {
        is_it(&self.signing_key().verify_key())
            || self
                .older
                .iter()
                .any(|o| is_it(&o.signing_key().verify_key()))
    }

    /// For the tags of what this account imports into records of others.
    pub fn dedup_key(&self) -> Secret {
        derive(&self.seed, "account/dedup", &[])
    }

    /// The same of now and before, newest first.
    pub fn dedup_keys(&self) -> Vec<Secret> {
        let older = self.older.iter().map(Self::dedup_key);
        std::iter::once(self.dedup_key()).chain(older).collect()
    }
}

fn previous_seed_aad(account: Id) -> Vec<u8> {
    encode::lp(&[b"way-in", b"previous", account.as_bytes()])
}

impl std::fmt::Debug for AccountSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountSecrets({})", self.account)
    }
}

/// The seed of one generation of a patient.
#[derive(Clone, Debug)]
pub struct PatientSeed {
    /// From 1.
    pub generation: u32,
    seed: Secret,
}

impl PatientSeed {
    /// Names the generation of a seed.
    pub const fn new(generation: u32, seed: Secret) -> Self {
        Self { generation, seed }
    }

    /// The seed itself, for sealing to managers.
    pub const fn secret(&self) -> &Secret {
        &self.seed
    }

    /// Signs the patient's statements.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_secret(&derive(&self.seed, "patient/sign", &[]))
    }

    /// Private half of the inbox.
    pub fn inbox(&self) -> Secret {
        derive(&self.seed, "patient/inbox", &[])
    }

    /// For identity and content tags.
    pub fn dedup_key(&self) -> Secret {
        derive(&self.seed, "patient/dedup", &[])
    }

    /// Wraps a grant's cover for managers.
    pub fn cover_key(&self, grant: Id) -> Secret {
        derive(&self.seed, "patient/cover", &[grant.as_bytes()])
    }

    /// K of a link.
    pub fn link_key(&self, grant: Id) -> LinkKey {
        LinkKey(derive(&self.seed, "link", &[grant.as_bytes()]))
    }

    /// The grant's own seed, in keyrings of this generation.
    pub fn grant_seed(&self, grant: Id) -> Secret {
        derive(&self.seed, "grant", &[grant.as_bytes()])
    }

    /// The key of a compartment in an epoch of this generation.
    pub fn compartment_key(&self, compartment: Compartment, epoch: Epoch) -> Secret {
        derive(
            &self.seed,
            "compartment",
            &[compartment.name().as_bytes(), &epoch.to_bytes()],
        )
    }

    /// Wraps the seed of the generation before.
    pub fn wrap_previous(
        &self,
        patient: Id,
        previous: &Self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Bytes {
        let key = derive(&self.seed, "generation/previous", &[]);
        let aad = previous_aad(patient, previous.generation);
        Bytes(wrap::wrap(&key, &aad, previous.seed.as_bytes(), rng))
    }

    /// Unwraps the seed of the generation before.
    pub fn unwrap_previous(
        &self,
        patient: Id,
        generation: u32,
        wrapped: &Bytes,
    ) -> Result<Self, VaultError> {
        let key = derive(&self.seed, "generation/previous", &[]);
        let seed = wrap::unwrap_secret(&key, &previous_aad(patient, generation), &wrapped.0)?;
        Ok(Self { generation, seed })
    }

    /// Seals the seed to a manager.
    pub fn seal_to_manager(
        &self,
        patient: Id,
        account: Id,
        key: &KemPublic,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Bytes {
        let aad = seed_aad(patient, self.generation, account);
        Bytes(seal::seal_to(
            key,
            b"patient-seed",
            &aad,
            self.seed.as_bytes(),
            rng,
        ))
    }

    /// Opens a seed sealed to a manager.
    pub fn open_as_manager(
        patient: Id,
        generation: u32,
        account: &AccountSecrets,
        sealed: &Bytes,
    ) -> Result<Self, VaultError> {
        let aad = seed_aad(patient, generation, account.account());
        let open = account.open(b"patient-seed", &aad, &sealed.0)?;
        let seed = open.to_secret().ok_or(VaultError::Open)?;
        Ok(Self { generation, seed })
    }
}

fn previous_aad(patient: Id, generation: u32) -> Vec<u8> {
    encode::lp(&[b"generation", patient.as_bytes(), &generation.to_be_bytes()])
}

fn seed_aad(patient: Id, generation: u32, account: Id) -> Vec<u8> {
    encode::lp(&[
        b"patient-seed",
        patient.as_bytes(),
        &generation.to_be_bytes(),
        account.as_bytes(),
    ])
}

/// K of a link: the secret in its URL's fragment and the key of its SMART
/// Health Links files.
#[derive(Clone, Debug)]
pub struct LinkKey(Secret);

impl LinkKey {
    /// From the 32 bytes in a URL.
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The 32 bytes.
    pub const fn secret(&self) -> &Secret {
        &self.0
    }

    /// What proves to the server that the holder has K.
    pub fn auth(&self) -> Bytes32 {
        Bytes32(*derive(&self.0, "link/auth", &[]).as_bytes())
    }

    /// Unwraps the keyring.
    pub fn keyring_key(&self) -> Secret {
        derive(&self.0, "link/keyring", &[])
    }

    /// Unwraps the cover.
    pub fn cover_key(&self) -> Secret {
        derive(&self.0, "link/cover", &[])
    }
}

/// Associated data of a batch key wrapped under a compartment key.
pub fn batch_aad(patient: Id, compartment: Compartment, epoch: Epoch, batch: Id) -> Vec<u8> {
    encode::lp(&[
        b"batch",
        patient.as_bytes(),
        compartment.name().as_bytes(),
        &epoch.to_bytes(),
        batch.as_bytes(),
    ])
}

/// Associated data of a batch key sealed directly to a principal.
pub fn envelope_aad(
    patient: Id,
    compartment: Compartment,
    to: RecipientKind,
    id: Id,
    batch: Id,
) -> Vec<u8> {
    let kind: &[u8] = match to {
        RecipientKind::Inbox => b"inbox",
        RecipientKind::Grant => b"grant",
        RecipientKind::Account => b"account",
    };
    encode::lp(&[
        b"envelope",
        patient.as_bytes(),
        compartment.name().as_bytes(),
        kind,
        id.as_bytes(),
        batch.as_bytes(),
    ])
}

/// Info of a directly sealed batch key.
pub const ENVELOPE_INFO: &[u8] = b"batch";
/// Info of a version key sealed to a grant of single records.
pub const VERSION_INFO: &[u8] = b"version";

/// Associated data of a version key sealed to a grant.
pub fn version_envelope_aad(patient: Id, record: Id, version: u32, grant: Id) -> Vec<u8> {
    encode::lp(&[
        b"version-envelope",
        patient.as_bytes(),
        record.as_bytes(),
        &version.to_be_bytes(),
        grant.as_bytes(),
    ])
}

/// Associated data of an epoch link.
pub fn epoch_link_aad(
    patient: Id,
    compartment: Compartment,
    epoch: Epoch,
    previous: Epoch,
) -> Vec<u8> {
    encode::lp(&[
        b"epoch-link",
        patient.as_bytes(),
        compartment.name().as_bytes(),
        &epoch.to_bytes(),
        &previous.to_bytes(),
    ])
}

/// The keys of one record version.
#[derive(Clone)]
pub struct VersionKey(Secret);

impl VersionKey {
    /// From the key of its batch.
    pub fn derive(batch_key: &Secret, record: Id, version: u32) -> Self {
        Self(derive(
            batch_key,
            "version",
            &[record.as_bytes(), &version.to_be_bytes()],
        ))
    }

    /// From a keyring or a version envelope.
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The key itself, for extra readers.
    pub const fn secret(&self) -> &Secret {
        &self.0
    }

    /// Opens and seals the header.
    pub fn header_key(&self) -> Secret {
        derive(&self.0, "header", &[])
    }

    /// Opens and seals the body.
    pub fn body_key(&self) -> Secret {
        derive(&self.0, "body", &[])
    }

    /// Binds content to this key: two readers cannot be shown two contents.
    pub fn commitment(&self) -> Bytes32 {
        Bytes32(*derive(&self.0, "commit", &[]).as_bytes())
    }
}

/// Associated data of a record's header or body.
pub fn content_aad(
    part: &str,
    patient: Id,
    record: Id,
    version: u32,
    commitment: &Bytes32,
) -> Vec<u8> {
    encode::lp(&[
        part.as_bytes(),
        patient.as_bytes(),
        record.as_bytes(),
        &version.to_be_bytes(),
        &commitment.0,
    ])
}
