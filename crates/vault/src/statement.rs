//! Signed statements: what a patient or an account says about keys, grants
//! and epochs. Each names its predecessor, so that a server can neither
//! invent a reader nor swap a key nor roll back unnoticed.
//!
//! A statement travels as its exact JSON text with a signature over
//! `lp("chartkey/1/sign/statement", text)`; nobody re-serialises it.

use chartkey_crypto::{
    encode,
    seal::KemPublic,
    sign::{Signature, SigningKey, VerifyKey},
};
use chartkey_fhir::{Compartment, Kinds, RecordType};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Id, bytes::Bytes32, epoch::Epoch, error::VaultError};

mod read;

const DOMAIN: &str = "statement";
/// Longest statement accepted, in bytes.
pub const MAX_STATEMENT_BYTES: usize = 1 << 20;

/// The exact text of a statement and who vouches for it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SignedStatement {
    /// The statement's JSON text, byte for byte as signed.
    pub body: String,
    /// By the key that the statement's place in its chain demands.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = Byte))]
    pub signature: Signature,
    /// By the new key, where a statement introduces one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = Byte))]
    pub cosignature: Option<Signature>,
}

impl SignedStatement {
    /// Signs `statement`; `cosigner` is the key that it introduces.
    pub fn sign<S: Serialize>(
        statement: &S,
        signer: &SigningKey,
        cosigner: Option<&SigningKey>,
    ) -> Result<Self, VaultError> {
        let body = serde_json::to_string(statement).map_err(|_| VaultError::Internal)?;
        let signature = signer.sign(DOMAIN, &[body.as_bytes()]);
        let cosignature = cosigner.map(|key| key.sign(DOMAIN, &[body.as_bytes()]));
        Ok(Self {
            body,
            signature,
            cosignature,
        })
    }

    /// SHA-256 over body and signature: what the successor names.
    pub fn hash(&self) -> Bytes32 {
        let bytes = encode::lp(&[
            b"chartkey/1/statement",
            self.body.as_bytes(),
            self.signature.as_bytes(),
        ]);
        Bytes32(Sha256::digest(bytes).into())
    }

    /// Whether `key` made the signature.
    pub fn is_signed_by(&self, key: &VerifyKey) -> bool {
        key.verify(DOMAIN, &[self.body.as_bytes()], &self.signature)
            .is_ok()
    }

    /// Whether `key` made the cosignature.
    pub fn is_cosigned_by(&self, key: &VerifyKey) -> bool {
        self.cosignature
            .as_ref()
            .is_some_and(|s| key.verify(DOMAIN, &[self.body.as_bytes()], s).is_ok())
    }

    /// The statement, if its text is one of a patient's chain.
    pub fn patient_statement(&self) -> Result<PatientStatement, VaultError> {
        self.parse()
    }

    /// The statement, if its text is one of an account's chain.
    pub fn account_statement(&self) -> Result<AccountStatement, VaultError> {
        self.parse()
    }

    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, VaultError> {
        if self.body.len() > MAX_STATEMENT_BYTES {
            return Err(VaultError::Statement("too long"));
        }
        serde_json::from_slice(self.body.as_bytes())
            .map_err(|_| VaultError::Statement("not a statement"))
    }
}

/// A statement in a patient's chain.
#[derive(Clone, Debug, Serialize)]
pub struct PatientStatement {
    /// Whose chain.
    pub patient: Id,
    /// Position, from 0.
    pub seq: u64,
    /// Hash of the predecessor; absent for the first.
    pub prev: Option<Bytes32>,
    /// When the author says it was made.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub says: PatientSays,
}

/// What a statement in a patient's chain can say.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "grants are what chains are made of, and one is read at a time"
)]
pub enum PatientSays {
    /// A generation of the patient seed begins. Signed by the previous
    /// generation's key, cosigned by the new; the first by itself, cosigned by
    /// the account that begins the record.
    Generation(GenerationTerms),
    /// A grant is made. Signed by the patient's key; a re-share by the key that
    /// its parent names.
    Grant(GrantTerms),
    /// A living grant ends earlier or later than it said before.
    Terms {
        /// Which grant.
        grant: Id,
        /// Its new end.
        expires_at: Timestamp,
    },
    /// A grant ends now.
    End {
        /// Which grant.
        grant: Id,
    },
    /// Epochs begin, and the keyrings of `reissued` hold them where covered.
    Epochs {
        /// The new current epochs.
        begun: Vec<(Compartment, Epoch)>,
        /// Grants whose keyring was made anew with them.
        reissued: Vec<Id>,
    },
}

/// A generation of a patient's seed.
#[derive(Clone, Debug, Serialize)]
pub struct GenerationTerms {
    /// From 1.
    pub generation: u32,
    /// Verifies what this generation signs.
    pub sign_key: VerifyKey,
    /// What direct writers seal to.
    pub inbox_key: KemPublic,
    /// Who holds the seed.
    pub managers: Vec<ManagerRef>,
    /// Grants that live on; every other one ends here.
    pub carries: Vec<CarriedGrant>,
}

/// A manager, by account and by the key that the seed was sealed to.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ManagerRef {
    /// The account.
    pub account: Id,
    /// [`account_fingerprint`] of its keys.
    pub fingerprint: Bytes32,
}

/// A grant that a new generation carries over, with its new key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CarriedGrant {
    /// Which grant.
    pub grant: Id,
    /// Replaces the key in its terms.
    pub grant_key: KemPublic,
    /// Replaces the other key in its terms, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reshare_key: Option<VerifyKey>,
    /// What the holder's new keyring opens.
    pub holds: Vec<(Compartment, Epoch)>,
}

/// Who holds a grant's keyring.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    /// A signed-in account; the keyring is sealed to its public key.
    Account,
    /// Whoever has the link; the keyring is wrapped under a key from K.
    Link,
}

/// The signed terms of a grant.
#[derive(Clone, Debug, Serialize)]
pub struct GrantTerms {
    /// Its id; for a link also the id K derives from.
    pub grant: Id,
    /// Generation in which it was made.
    pub generation: u32,
    /// What direct writers seal to for this grant.
    pub grant_key: KemPublic,
    /// Account or link.
    pub holder_kind: HolderKind,
    /// [`holder_hash`]: says nothing to writers, who lack the salt.
    pub holder_hash: Bytes32,
    /// What the keyring is sealed to: for an account [`sealed_to_account`] of
    /// its keys, salted so that writers cannot look the holder up among public
    /// keys; for a link SHA-256 of its authentication value.
    pub sealed_to: Bytes32,
    /// Types it covers; empty for write-only and by-record grants.
    pub types: Vec<RecordType>,
    /// Kinds it covers besides records without kinds.
    pub kinds: Kinds,
    /// For a grant of single records: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<Id>>,
    /// From when.
    pub valid_from: Timestamp,
    /// Till when.
    pub expires_at: Timestamp,
    /// Coded purpose of use (`TREAT`, …).
    pub purpose: String,
    /// May the holder download.
    pub may_download: bool,
    /// Types the holder may add.
    pub write_types: Vec<RecordType>,
    /// May the holder re-share.
    pub may_reshare: bool,
    /// Verifies what the holder re-shares; absent where they may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reshare_key: Option<VerifyKey>,
    /// For a re-share: the grant whose holder made it, and with which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// Compartment keys in the keyring.
    pub holds: Vec<(Compartment, Epoch)>,
}

impl GrantTerms {
    /// Whether the terms cover a compartment as a whole.
    pub fn covers(&self, compartment: Compartment) -> bool {
        self.records.is_none()
            && self.types.contains(&compartment.record_type)
            && compartment.kinds.is_subset_of(self.kinds)
    }

    /// Whether they are terms of single records that name this one, where it
    /// lies now.
    pub fn names(&self, record: Id, compartment: Compartment) -> bool {
        self.records.as_ref().is_some_and(|r| r.contains(&record))
            && self.types.contains(&compartment.record_type)
            && compartment.kinds.is_subset_of(self.kinds)
    }

    /// Whether these are terms that a holder of `parent` may pass on: single
    /// records, no wider, no longer, and not to be passed on again.
    pub fn is_reshare_of(&self, parent: &Self) -> bool {
        let named = match (&self.records, &parent.records) {
            (None, _) => false,
            (Some(some), None) => !some.is_empty(),
            (Some(some), Some(all)) => !some.is_empty() && some.iter().all(|id| all.contains(id)),
        };
        named
            && parent.may_reshare
            && parent.parent.is_none()
            && self.parent == Some(parent.grant)
            && self.holder_kind == HolderKind::Account
            && !self.may_reshare
            && self.reshare_key.is_none()
            && self.write_types.is_empty()
            && self.types.iter().all(|t| parent.types.contains(t))
            && self.kinds.is_subset_of(parent.kinds)
            && self.valid_from >= parent.valid_from
            && self.expires_at <= parent.expires_at
            && (parent.may_download || !self.may_download)
    }
}

/// The salted hash of a grant's holder; `sealed_to` as in its terms.
pub fn holder_hash(salt: &Bytes32, holder: Id, sealed_to: &Bytes32) -> Bytes32 {
    let bytes = encode::lp(&[
        b"chartkey/1/holder",
        &salt.0,
        holder.as_bytes(),
        &sealed_to.0,
    ]);
    Bytes32(Sha256::digest(bytes).into())
}

/// The fingerprint of an account's keys, of both: whoever seals to the next
/// key of an account needs to know that the chain which introduces it was
/// signed by the very signing key that was met before.
pub fn account_fingerprint(kem_key: &KemPublic, sign_key: &VerifyKey) -> Bytes32 {
    let bytes = encode::lp(&[
        b"chartkey/1/account-keys",
        kem_key.as_bytes(),
        sign_key.as_bytes(),
    ]);
    Bytes32(Sha256::digest(bytes).into())
}

/// What terms say of the account keys that a keyring is sealed to.
pub fn sealed_to_account(salt: &Bytes32, fingerprint: &Bytes32) -> Bytes32 {
    let bytes = encode::lp(&[b"chartkey/1/sealed-to", &salt.0, &fingerprint.0]);
    Bytes32(Sha256::digest(bytes).into())
}

/// A statement in an account's chain: its public keys. Signed by the
/// predecessor's signing key (the first by its own), cosigned by its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountStatement {
    /// Whose chain.
    pub account: Id,
    /// Position, from 0.
    pub seq: u64,
    /// Hash of the predecessor; absent for the first.
    pub prev: Option<Bytes32>,
    /// When it was made.
    pub at: Timestamp,
    /// What others seal to.
    pub kem_key: KemPublic,
    /// Verifies what the account signs.
    pub sign_key: VerifyKey,
}
