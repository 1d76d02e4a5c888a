//! Destinations: principals whose private half the server keeps, and the keys
//! of single versions sealed to them while those wait to be pushed.
//!
//! A destination is named in a statement signed by the account that attached
//! the patient: a manager, or the holder of a grant that allows download. Who
//! seals to it verifies that statement against the patient's chain first, so
//! the server can neither invent a destination nor widen one.

use std::collections::BTreeMap;

use chartkey_crypto::{
    encode,
    seal::{self, KemPrivate, KemPublic},
    sign::{Signature, SigningKey, VerifyKey},
};
use chartkey_fhir::{Compartment, Kinds, RecordType};
use jiff::Timestamp;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::{
    Id,
    account::VerifiedAccount,
    bytes::{Bytes, Bytes32},
    chain::Chain,
    error::VaultError,
    keys::{AccountSecrets, VersionKey},
    patient::OpenPatient,
    protocol::SealedPage,
    read::BatchKeys,
    record::Place,
    statement::{MAX_STATEMENT_BYTES, holder_hash, sealed_to_account},
};

const DOMAIN: &str = "destination";
const INFO: &[u8] = b"delivery";

/// What an account says of a destination that it attached a patient to.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct DestinationTerms {
    /// Whose record.
    pub patient: Id,
    /// The destination.
    pub connection: Id,
    /// What version keys are sealed to.
    pub key: KemPublic,
    /// Record types that go there; empty: all that the grant covers.
    pub types: Vec<RecordType>,
    /// Kinds of sensitivity that go there, besides records without any.
    pub kinds: Kinds,
    /// Who says so.
    pub account: Id,
    /// Under which grant; absent for a manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Id>,
    /// When.
    pub at: Timestamp,
}

/// [`DestinationTerms`] as signed: the exact text, and who vouches for it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SignedDestination {
    /// The JSON text, byte for byte as signed.
    pub body: String,
    /// By the account's signing key.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = Byte))]
    pub signature: Signature,
}

impl SignedDestination {
    /// Signs terms.
    ///
    /// # Errors
    /// [`VaultError::Internal`], never expected.
    pub fn sign(terms: &DestinationTerms, signer: &SigningKey) -> Result<Self, VaultError> {
        let body = serde_json::to_string(terms).map_err(|_| VaultError::Internal)?;
        let signature = signer.sign(DOMAIN, &[body.as_bytes()]);
        Ok(Self { body, signature })
    }

    /// The terms, whoever signed them.
    ///
    /// # Errors
    /// [`VaultError::Statement`].
    pub fn terms(&self) -> Result<DestinationTerms, VaultError> {
        if self.body.len() > MAX_STATEMENT_BYTES {
            return Err(VaultError::Statement("too long"));
        }
        serde_json::from_str(&self.body).map_err(|_| VaultError::Statement("not a statement"))
    }

    /// The terms, if one of an account's keys signed them.
    ///
    /// # Errors
    /// [`VaultError::Statement`].
    pub fn verify(&self, keys: &[VerifyKey]) -> Result<DestinationTerms, VaultError> {
        let signed = |key: &VerifyKey| {
            key.verify(DOMAIN, &[self.body.as_bytes()], &self.signature)
                .is_ok()
        };
        if !keys.iter().any(signed) {
            return Err(VaultError::Statement("bad signature"));
        }
        self.terms()
    }
}

impl DestinationTerms {
    /// Whether a record that lies there may go to this destination now, as far
    /// as the patient's chain tells: the account manages the record, or its
    /// grant lives, allows download and covers the record.
    pub fn allow(
        &self,
        chain: &Chain,
        record: Id,
        compartment: Compartment,
        now: Timestamp,
    ) -> bool {
        let wanted = self.types.is_empty() || self.types.contains(&compartment.record_type);
        if self.patient != chain.patient() || !wanted || !compartment.kinds.is_subset_of(self.kinds)
        {
            return false;
        }
        match self.grant {
            None => chain.managers().iter().any(|m| m.account == self.account),
            Some(grant) => chain.grant(grant).is_some_and(|known| {
                !known.is_ended(now)
                    && known.terms.valid_from <= now
                    && known.terms.may_download
                    && (known.terms.covers(compartment) || known.terms.names(record, compartment))
            }),
        }
    }

    /// Whether the grant that the terms name is the account's who signed them.
    fn is_holders(&self, open: &OpenPatient, me: Id, attacher: &VerifiedAccount) -> bool {
        let Some(grant) = self.grant else { return true };
        let Some(known) = open.chain.grant(grant) else {
            return false;
        };
        let salted = |salt: &Bytes32| {
            let sealed_to = known.terms.sealed_to;
            let mut met = attacher.fingerprints.iter();
            holder_hash(salt, self.account, &sealed_to) == known.terms.holder_hash
                && met.any(|f| sealed_to_account(salt, f) == sealed_to)
        };
        match &open.manager {
            Some(view) => view.holders.get(&grant).is_some_and(|h| salted(&h.salt)),
            // Not a manager: only one's own, whose keyring opened.
            None => self.account == me && open.keys.keyrings().iter().any(|k| k.grant == grant),
        }
    }
}

/// Associated data of a version key sealed to a destination.
pub fn delivery_aad(place: Place, connection: Id) -> Vec<u8> {
    encode::lp(&[
        b"delivery",
        place.patient.as_bytes(),
        place.record.as_bytes(),
        &place.version.to_be_bytes(),
        connection.as_bytes(),
    ])
}

/// Seals the key of one version to a destination.
pub fn seal_version_key(
    to: &KemPublic,
    place: Place,
    connection: Id,
    key: &VersionKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Bytes {
    let aad = delivery_aad(place, connection);
    Bytes(seal::seal_to(to, INFO, &aad, key.secret().as_bytes(), rng))
}

/// Opens the key of one version with a destination's private key. Whether it is
/// the version's, its commitment decides.
///
/// # Errors
/// [`VaultError::Open`].
pub fn open_version_key(
    with: &KemPrivate,
    place: Place,
    connection: Id,
    sealed: &Bytes,
) -> Result<VersionKey, VaultError> {
    let opened = with.open(INFO, &delivery_aad(place, connection), &sealed.0)?;
    opened
        .to_secret()
        .map(VersionKey::new)
        .ok_or(VaultError::Open)
}

/// A destination that versions are owed to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OwedDestination {
    /// Which.
    pub connection: Id,
    /// Who attached the patient, and on what terms.
    pub statement: SignedDestination,
}

/// A version that is owed to a destination.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OwedVersion {
    /// To which destination.
    pub connection: Id,
    /// Of which record.
    pub record: Id,
    /// Which version.
    pub version: u32,
}

/// A portion of what is owed, with what opens it for the caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Owed {
    /// Whose record.
    pub patient: Id,
    /// The destinations, each once.
    pub destinations: Vec<OwedDestination>,
    /// The versions, without bodies, and their batches.
    pub page: SealedPage,
    /// What is owed to whom.
    pub items: Vec<OwedVersion>,
    /// Whether there is more.
    pub more: bool,
}

/// A version key sealed to a destination.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OwedEnvelope {
    /// Which version, to whom.
    #[serde(flatten)]
    pub owed: OwedVersion,
    /// The sealed key.
    pub sealed: Bytes,
}

/// A portion of what was owed, sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SealedOwed {
    /// Whose record.
    pub patient: Id,
    /// What could be sealed.
    pub items: Vec<OwedEnvelope>,
}

/// Accounts whose verified keys are needed to seal a portion.
pub fn attachers(owed: &Owed) -> Vec<Id> {
    let mut accounts: Vec<Id> = owed
        .destinations
        .iter()
        .filter_map(|d| d.statement.terms().ok().map(|t| t.account))
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

/// Seals what is owed, as far as the statements hold and the caller's keys
/// reach. What a destination may not have is left out.
pub fn seal_owed(
    open: &OpenPatient,
    account: &AccountSecrets,
    attachers: &BTreeMap<Id, VerifiedAccount>,
    owed: &Owed,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> SealedOwed {
    let destinations: BTreeMap<Id, DestinationTerms> = owed
        .destinations
        .iter()
        .filter_map(|d| {
            let attacher = attachers.get(&d.statement.terms().ok()?.account)?;
            let terms = d.statement.verify(&attacher.sign_keys).ok()?;
            let fits = terms.connection == d.connection
                && terms.is_holders(open, account.account(), attacher);
            fits.then_some((d.connection, terms))
        })
        .collect();
    let batches = BatchKeys::of_page(&owed.page, &open.keys, Some(account));
    let mut items = Vec::with_capacity(owed.items.len());
    for item in &owed.items {
        let record = owed
            .page
            .items
            .iter()
            .find(|r| r.id == item.record && r.version == item.version);
        let (Some(record), Some(terms)) = (record, destinations.get(&item.connection)) else {
            continue;
        };
        if !terms.allow(&open.chain, record.id, record.compartment, now) {
            continue;
        }
        let Ok(key) = batches.version_key(record, &open.keys) else {
            continue;
        };
        if key.commitment() != record.commitment {
            continue;
        }
        let place = Place {
            patient: owed.patient,
            record: record.id,
            version: record.version,
        };
        items.push(OwedEnvelope {
            owed: *item,
            sealed: seal_version_key(&terms.key, place, item.connection, &key, rng),
        });
    }
    SealedOwed {
        patient: owed.patient,
        items,
    }
}

#[cfg(test)]
mod tests {
    use chartkey_crypto::Secret;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn id(n: u8) -> Id {
        Id::from_bytes([n; 16])
    }

    const PLACE: Place = Place {
        patient: Id::from_bytes([1; 16]),
        record: Id::from_bytes([2; 16]),
        version: 3,
    };

    #[test]
    fn a_version_key_opens_for_its_destination_in_its_place_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let private = KemPrivate::new(&Secret::random(&mut rng));
        let key = VersionKey::new(Secret::random(&mut rng));
        let sealed = seal_version_key(&private.public(), PLACE, id(4), &key, &mut rng);
        let open = |place, connection| open_version_key(&private, place, connection, &sealed);
        assert_eq!(open(PLACE, id(4)).unwrap().commitment(), key.commitment());
        let swapped = [
            Place {
                patient: id(9),
                ..PLACE
            },
            Place {
                record: id(9),
                ..PLACE
            },
            Place {
                version: 4,
                ..PLACE
            },
        ];
        for place in swapped {
            assert!(open(place, id(4)).is_err());
        }
        assert!(open(PLACE, id(9)).is_err());
        let other = KemPrivate::new(&Secret::random(&mut rng));
        assert!(open_version_key(&other, PLACE, id(4), &sealed).is_err());
    }

    #[test]
    fn a_destination_is_what_its_attacher_signed() {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let me = AccountSecrets::new(id(7), Secret::random(&mut rng));
        let terms = DestinationTerms {
            patient: id(1),
            connection: id(4),
            key: KemPublic::of(&Secret::random(&mut rng)),
            types: vec![RecordType::LabResults],
            kinds: Kinds::EMPTY,
            account: id(7),
            grant: Some(id(8)),
            at: Timestamp::UNIX_EPOCH,
        };
        let signed = SignedDestination::sign(&terms, me.signing_key()).unwrap();
        let mine = [me.signing_key().verify_key()];
        assert_eq!(signed.verify(&mine).unwrap(), terms);
        let other = AccountSecrets::new(id(7), Secret::random(&mut rng));
        assert!(signed.verify(&[other.signing_key().verify_key()]).is_err());
        let widened = SignedDestination {
            body: signed.body.replace("lab-results", "imaging"),
            ..signed
        };
        assert_ne!(widened.terms().unwrap(), terms);
        assert!(widened.verify(&mine).is_err());
    }
}
