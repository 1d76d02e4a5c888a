//! A grant's keyring and cover: what makes signed terms true, and the names
//! that go with them. Sealed to an account, or wrapped under a link's K.

use std::collections::BTreeMap;

use chartkey_crypto::{
    Secret, SecretBytes, derive, encode,
    seal::{self, KemPrivate, KemPublic},
    secret,
    sign::SigningKey,
    wrap,
};
use chartkey_fhir::Compartment;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::{
    Id,
    account::VerifiedAccount,
    bytes::{Bytes, Bytes32},
    epoch::Epoch,
    error::VaultError,
    keys::{AccountSecrets, LinkKey, PatientSeed, VersionKey},
    statement::sealed_to_account,
};

const KEYRING_INFO: &[u8] = b"keyring";
const COVER_INFO: &[u8] = b"cover";

/// Whom a keyring is sealed to.
#[derive(Clone, Debug)]
pub enum HolderKey {
    /// An account, by its public key.
    Account {
        /// Which.
        account: Id,
        /// Its current key.
        key: KemPublic,
        /// The fingerprint of its current keys.
        fingerprint: Bytes32,
    },
    /// Whoever has K.
    Link(LinkKey),
}

impl HolderKey {
    /// The id that the holder's hash is over.
    pub const fn holder_id(&self, grant: Id) -> Id {
        match self {
            Self::Account { account, .. } => *account,
            Self::Link(_) => grant,
        }
    }

    /// What the terms name as sealed to.
    pub fn sealed_to(&self, salt: &Bytes32) -> Bytes32 {
        match self {
            Self::Account { fingerprint, .. } => sealed_to_account(salt, fingerprint),
            Self::Link(k) => sealed_to_link(k),
        }
    }
}

/// What a link's terms name as sealed to: only K gives it.
pub fn sealed_to_link(key: &LinkKey) -> Bytes32 {
    use sha2::{Digest, Sha256};
    Bytes32(Sha256::digest(key.auth().0).into())
}

impl From<VerifiedAccount> for HolderKey {
    fn from(account: VerifiedAccount) -> Self {
        Self::Account {
            account: account.account,
            fingerprint: account.fingerprint(),
            key: account.kem_key,
        }
    }
}

/// Signs what a grant's holder passes on; `seed` is the grant's own.
pub fn reshare_key(seed: &Secret) -> SigningKey {
    SigningKey::from_secret(&derive(seed, "grant/reshare", &[]))
}

/// One compartment key in a keyring.
#[derive(Clone, Serialize, Deserialize)]
pub struct HeldCompartment {
    /// Which compartment.
    pub compartment: Compartment,
    /// Which epoch.
    pub epoch: Epoch,
    /// Its key.
    #[serde(with = "secret::secret_b64")]
    pub key: Secret,
}

impl std::fmt::Debug for HeldVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeldVersion({}, {})", self.record, self.version)
    }
}

/// One version key in a keyring.
#[derive(Clone, Serialize, Deserialize)]
pub struct HeldVersion {
    /// Of which record.
    pub record: Id,
    /// Of which version.
    pub version: u32,
    /// Its key.
    #[serde(with = "secret::secret_b64")]
    pub key: Secret,
}

/// What a grant's holder opens things with.
#[derive(Clone, Serialize, Deserialize)]
pub struct Keyring {
    /// Of which grant.
    pub grant: Id,
    /// Seed of the grant's own key pair.
    #[serde(with = "secret::secret_b64")]
    pub seed: Secret,
    /// Compartment keys, the newest epoch of each.
    pub compartments: Vec<HeldCompartment>,
    /// Version keys of single records.
    pub versions: Vec<HeldVersion>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({})", self.grant)
    }
}

impl Keyring {
    /// A keyring for whole compartments, made from a manager's seed.
    pub fn for_compartments(
        seed: &PatientSeed,
        grant: Id,
        holds: &BTreeMap<Compartment, Epoch>,
    ) -> Self {
        let compartments = holds
            .iter()
            .map(|(compartment, epoch)| HeldCompartment {
                compartment: *compartment,
                epoch: *epoch,
                key: seed.compartment_key(*compartment, *epoch),
            })
            .collect();
        Self {
            grant,
            seed: seed.grant_seed(grant),
            compartments,
            versions: Vec::new(),
        }
    }

    /// A keyring for single records.
    pub fn for_versions(seed: &PatientSeed, grant: Id, versions: Vec<HeldVersion>) -> Self {
        Self {
            grant,
            seed: seed.grant_seed(grant),
            compartments: Vec::new(),
            versions,
        }
    }

    /// A keyring of single records that a grant's holder passes on, with a seed of
    /// their own making.
    pub const fn passed_on(grant: Id, seed: Secret, versions: Vec<HeldVersion>) -> Self {
        Self {
            grant,
            seed,
            compartments: Vec::new(),
            versions,
        }
    }

    /// Signs what the holder passes on.
    pub fn reshare_key(&self) -> SigningKey {
        reshare_key(&self.seed)
    }

    /// The grant's private key.
    pub fn kem(&self) -> KemPrivate {
        KemPrivate::new(&self.seed)
    }

    /// The key of a single record's version.
    pub fn version_key(&self, record: Id, version: u32) -> Option<VersionKey> {
        self.versions
            .iter()
            .find(|v| v.record == record && v.version == version)
            .map(|v| VersionKey::new(v.key.clone()))
    }

    /// Seals the keyring to its holder.
    pub fn seal(
        &self,
        patient: Id,
        holder: &HolderKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Bytes, VaultError> {
        let plain = SecretBytes::new(serde_json::to_vec(self).map_err(|_| VaultError::Internal)?);
        Ok(seal_for(
            KEYRING_INFO,
            patient,
            self.grant,
            holder,
            &plain,
            rng,
        ))
    }

    /// Opens a keyring sealed to an account.
    pub fn open(
        patient: Id,
        grant: Id,
        account: &AccountSecrets,
        sealed: &Bytes,
    ) -> Result<Self, VaultError> {
        let aad = holder_aad(patient, grant, account.account());
        let plain = account.open(KEYRING_INFO, &aad, &sealed.0)?;
        Self::parse(grant, &plain)
    }

    /// Opens a link's keyring.
    pub fn open_link(
        patient: Id,
        grant: Id,
        key: &LinkKey,
        sealed: &Bytes,
    ) -> Result<Self, VaultError> {
        let plain = wrap::unwrap(
            &key.keyring_key(),
            &holder_aad(patient, grant, grant),
            &sealed.0,
        )?;
        Self::parse(grant, &plain)
    }

    fn parse(grant: Id, plain: &SecretBytes) -> Result<Self, VaultError> {
        let keyring: Self = serde_json::from_slice(plain).map_err(|_| VaultError::Open)?;
        if keyring.grant != grant {
            return Err(VaultError::Open);
        }
        Ok(keyring)
    }
}

/// The names and words of a grant; never seen by the server.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Cover {
    /// The patient's name.
    pub patient_name: String,
    /// The patient's birth date, where the patient lets it be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    /// Who shares.
    pub sender: String,
    /// To whom.
    pub recipient: String,
    /// What for, in free words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The sender's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl std::fmt::Debug for Cover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cover")
    }
}

impl Cover {
    /// Seals the cover to a grant's holder.
    pub fn seal(
        &self,
        patient: Id,
        grant: Id,
        holder: &HolderKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Bytes, VaultError> {
        Ok(seal_for(
            COVER_INFO,
            patient,
            grant,
            holder,
            &self.plain()?,
            rng,
        ))
    }

    /// Wraps the cover for managers.
    pub fn wrap(
        &self,
        patient: Id,
        grant: Id,
        seed: &PatientSeed,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Bytes, VaultError> {
        let aad = holder_aad(patient, grant, patient);
        Ok(Bytes(wrap::wrap(
            &seed.cover_key(grant),
            &aad,
            &self.plain()?,
            rng,
        )))
    }

    /// Opens a cover sealed to an account.
    pub fn open(
        patient: Id,
        grant: Id,
        account: &AccountSecrets,
        sealed: &Bytes,
    ) -> Result<Self, VaultError> {
        let aad = holder_aad(patient, grant, account.account());
        Self::parse(&account.open(COVER_INFO, &aad, &sealed.0)?)
    }

    /// Opens a link's cover.
    pub fn open_link(
        patient: Id,
        grant: Id,
        key: &LinkKey,
        sealed: &Bytes,
    ) -> Result<Self, VaultError> {
        let aad = holder_aad(patient, grant, grant);
        Self::parse(&wrap::unwrap(&key.cover_key(), &aad, &sealed.0)?)
    }

    /// Opens the managers' copy.
    pub fn unwrap(
        patient: Id,
        grant: Id,
        seed: &PatientSeed,
        wrapped: &Bytes,
    ) -> Result<Self, VaultError> {
        let aad = holder_aad(patient, grant, patient);
        Self::parse(&wrap::unwrap(&seed.cover_key(grant), &aad, &wrapped.0)?)
    }

    fn plain(&self) -> Result<SecretBytes, VaultError> {
        serde_json::to_vec(self)
            .map(SecretBytes::new)
            .map_err(|_| VaultError::Internal)
    }

    fn parse(plain: &SecretBytes) -> Result<Self, VaultError> {
        serde_json::from_slice(plain).map_err(|_| VaultError::Open)
    }
}

fn holder_aad(patient: Id, grant: Id, holder: Id) -> Vec<u8> {
    encode::lp(&[
        b"holder",
        patient.as_bytes(),
        grant.as_bytes(),
        holder.as_bytes(),
    ])
}

fn seal_for(
    info: &[u8],
    patient: Id,
    grant: Id,
    holder: &HolderKey,
    plain: &SecretBytes,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Bytes {
    let aad = holder_aad(patient, grant, holder.holder_id(grant));
    Bytes(match holder {
        HolderKey::Account { key, .. } => seal::seal_to(key, info, &aad, plain, rng),
        HolderKey::Link(k) => {
            let key = if info == KEYRING_INFO {
                k.keyring_key()
            } else {
                k.cover_key()
            };
            wrap::wrap(&key, &aad, plain, rng)
        }
    })
}
