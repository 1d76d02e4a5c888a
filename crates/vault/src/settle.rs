//! What a manager's client does before it writes or grants: end staleness by
//! beginning epochs, and adopt what others sealed directly.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::wrap;
use chartkey_fhir::Compartment;
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::{
    Id,
    account::VerifiedAccount,
    bytes::Bytes,
    epoch::Epoch,
    error::VaultError,
    grant::{HolderKey, Keyring},
    keys::{batch_aad, epoch_link_aad},
    patient::OpenPatient,
    protocol::{AdoptedBatch, EpochLink, ReissuedKeyring, SealedAdoption, SealedEpochs, Unadopted},
    statement::{
        GrantTerms, HolderKind, PatientSays, PatientStatement, SignedStatement, holder_hash,
        sealed_to_account,
    },
};

/// Verified keys of accounts that hold grants.
pub type HolderKeys = BTreeMap<Id, VerifiedAccount>;

/// Accounts whose keys are needed to begin epochs for these compartments.
pub fn holders_needed(
    open: &OpenPatient,
    stale: &BTreeSet<Compartment>,
    now: Timestamp,
) -> Result<Vec<Id>, VaultError> {
    let manager = open.manager()?;
    Ok(open
        .chain
        .living(now)
        .filter(|g| g.terms.holder_kind == HolderKind::Account)
        .filter(|g| stale.iter().any(|c| g.terms.covers(*c)))
        .filter_map(|g| manager.holders.get(&g.terms.grant).map(|h| h.holder))
        .collect())
}

/// The key that a living grant's keyring is sealed to. An account's chain must
/// hold the keys that the grant was made for: so nobody can be put in the
/// holder's place afterwards.
///
/// # Errors
/// [`VaultError::NoKey`] where the holder is not known,
/// [`VaultError::Statement`] where somebody else is offered.
pub fn holder_key(
    open: &OpenPatient,
    terms: &GrantTerms,
    accounts: &HolderKeys,
) -> Result<HolderKey, VaultError> {
    if terms.holder_kind == HolderKind::Link {
        return Ok(HolderKey::Link(open.link_key(terms.grant)?));
    }
    let holders = &open.manager()?.holders;
    let holder = holders.get(&terms.grant).ok_or(VaultError::NoKey)?;
    let account = accounts.get(&holder.holder).ok_or(VaultError::NoKey)?;
    let mut met = account.fingerprints.iter();
    if holder_hash(&holder.salt, holder.holder, &terms.sealed_to) != terms.holder_hash
        || !met.any(|f| sealed_to_account(&holder.salt, f) == terms.sealed_to)
    {
        return Err(VaultError::Statement("not the holder of the grant"));
    }
    Ok(HolderKey::from(account.clone()))
}

/// Begins the next epoch of each stale compartment and makes the keyrings of
/// those who remain anew. `None` where nothing is stale.
pub fn begin_epochs(
    open: &OpenPatient,
    accounts: &HolderKeys,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Option<SealedEpochs>, VaultError> {
    let stale = open.chain.stale(now);
    if stale.is_empty() {
        return Ok(None);
    }
    let patient = open.keys.patient();
    let seed = open.keys.newest_seed()?;
    let mut begun = Vec::with_capacity(stale.len());
    let mut links = Vec::with_capacity(stale.len());
    for compartment in &stale {
        let previous = open.chain.current_epoch(*compartment);
        let epoch = previous.next();
        let aad = epoch_link_aad(patient, *compartment, epoch, previous);
        let newer = seed.compartment_key(*compartment, epoch);
        let older = seed.compartment_key(*compartment, previous);
        let wrapped = Bytes(wrap::wrap(&newer, &aad, older.as_bytes(), rng));
        links.push(EpochLink {
            compartment: *compartment,
            epoch,
            previous,
            wrapped,
        });
        begun.push((*compartment, epoch));
    }
    let newest: BTreeMap<Compartment, Epoch> = begun.iter().copied().collect();
    let mut reissued = Vec::new();
    let mut keyrings = Vec::new();
    for grant in open.chain.living(now) {
        if !stale.iter().any(|c| grant.terms.covers(*c)) {
            continue;
        }
        let mut holds = grant.holds.clone();
        holds.extend(newest.iter().filter(|(c, _)| grant.terms.covers(**c)));
        let id = grant.terms.grant;
        let holder = holder_key(open, &grant.terms, accounts)?;
        let keyring = Keyring::for_compartments(seed, id, &holds).seal(patient, &holder, rng)?;
        keyrings.push(ReissuedKeyring { grant: id, keyring });
        reissued.push(id);
    }
    let statement = next_statement(open, now, PatientSays::Epochs { begun, reissued })?;
    Ok(Some(SealedEpochs {
        patient,
        grants_version: open.grants_version,
        statement,
        links,
        keyrings,
    }))
}

/// Wraps directly sealed batches under the current compartment keys. Those
/// that open with no key of a manager's are named, so that whoever wrote
/// nonsense cannot keep the record from being shared.
pub fn adopt(
    open: &OpenPatient,
    waiting: &Unadopted,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SealedAdoption, VaultError> {
    let patient = open.keys.patient();
    let seed = open.keys.newest_seed()?;
    let mut batches = Vec::with_capacity(waiting.batches.len());
    let mut unopenable = Vec::new();
    for batch in &waiting.batches {
        let Ok(key) = open.keys.batch_key(batch, None) else {
            unopenable.push(batch.id);
            continue;
        };
        let epoch = open.chain.current_epoch(batch.compartment);
        let wrapper = seed.compartment_key(batch.compartment, epoch);
        let aad = batch_aad(patient, batch.compartment, epoch, batch.id);
        batches.push(AdoptedBatch {
            id: batch.id,
            epoch,
            wrapped: Bytes(wrap::wrap(&wrapper, &aad, key.as_bytes(), rng)),
        });
    }
    Ok(SealedAdoption {
        patient,
        grants_version: open.grants_version,
        batches,
        unopenable,
    })
}

/// Signs the next statement of the patient's chain.
pub(crate) fn next_statement(
    open: &OpenPatient,
    now: Timestamp,
    says: PatientSays,
) -> Result<SignedStatement, VaultError> {
    let head = open.chain.head();
    let statement = PatientStatement {
        patient: open.keys.patient(),
        seq: head.seq.saturating_add(1),
        prev: Some(head.hash),
        at: now,
        says,
    };
    SignedStatement::sign(&statement, &open.keys.newest_seed()?.signing_key(), None)
}
