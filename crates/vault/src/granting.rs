//! Making, changing and ending grants: what a manager's client signs.

use std::collections::BTreeMap;

use chartkey_crypto::{Secret, seal::KemPublic};
use chartkey_fhir::{Kinds, RecordType};
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::{
    Id,
    account::VerifiedAccount,
    bytes::{Bytes, Bytes32},
    epoch::Epoch,
    error::VaultError,
    grant::{Cover, HeldVersion, HolderKey, Keyring},
    keys::{PatientSeed, epoch_link_aad},
    patient::OpenPatient,
    protocol::{
        CoverWrap, EpochLink, GrantChange, ReissuedKeyring, SealedGeneration, SealedGrant,
        SealedSeed, WrappedSeed,
    },
    settle::{HolderKeys, holder_key, next_statement},
    statement::{
        CarriedGrant, GenerationTerms, GrantTerms, HolderKind, ManagerRef, PatientSays,
        PatientStatement, SignedStatement, holder_hash,
    },
};

/// What a grant is to be.
#[derive(Debug)]
pub struct NewGrant {
    /// UUIDv7; for a link K derives from it.
    pub grant: Id,
    /// Whom the keyring is sealed to.
    pub holder: HolderKey,
    /// Types covered.
    pub types: Vec<RecordType>,
    /// Kinds covered besides records without any.
    pub kinds: Kinds,
    /// For single records: their version keys.
    pub versions: Option<Vec<HeldVersion>>,
    /// From when.
    pub valid_from: Timestamp,
    /// Till when.
    pub expires_at: Timestamp,
    /// Coded purpose of use.
    pub purpose: String,
    /// May download.
    pub may_download: bool,
    /// Types the holder may add.
    pub write_types: Vec<RecordType>,
    /// May re-share.
    pub may_reshare: bool,
    /// Names and words.
    pub cover: Cover,
}

/// Makes a grant. Everything covered must be adopted and fresh; the server
/// refuses it otherwise.
pub fn make_grant(
    open: &OpenPatient,
    new: &NewGrant,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SealedGrant, VaultError> {
    let patient = open.keys.patient();
    let seed = open.keys.newest_seed()?;
    let salt = Bytes32(*Secret::random(rng).as_bytes());
    let holder = new.holder.holder_id(new.grant);
    let sealed_to = new.holder.sealed_to(&salt);
    let mut terms = GrantTerms {
        grant: new.grant,
        generation: open.chain.generation(),
        grant_key: KemPublic::of(&seed.grant_seed(new.grant)),
        holder_kind: match new.holder {
            HolderKey::Account { .. } => HolderKind::Account,
            HolderKey::Link(_) => HolderKind::Link,
        },
        holder_hash: holder_hash(&salt, holder, &sealed_to),
        sealed_to,
        types: new.types.clone(),
        kinds: new.kinds,
        records: new.versions.as_ref().map(|v| record_ids(v)),
        valid_from: new.valid_from,
        expires_at: new.expires_at,
        purpose: new.purpose.clone(),
        may_download: new.may_download,
        write_types: new.write_types.clone(),
        may_reshare: new.may_reshare,
        holds: Vec::new(),
    };
    let keyring = if let Some(versions) = &new.versions {
        Keyring::for_versions(seed, new.grant, versions.clone())
    } else {
        let holds = open.holds_for(|c| terms.covers(c))?;
        if holds.keys().any(|c| open.chain.is_stale(*c, now)) {
            return Err(VaultError::Conflict("compartment.moved".into()));
        }
        terms.holds = holds.iter().map(|(c, e)| (*c, *e)).collect();
        Keyring::for_compartments(seed, new.grant, &holds)
    };
    Ok(SealedGrant {
        patient,
        grants_version: open.grants_version,
        statement: next_statement(open, now, PatientSays::Grant(terms))?,
        holder,
        salt,
        keyring: keyring.seal(patient, &new.holder, rng)?,
        cover: new.cover.seal(patient, new.grant, &new.holder, rng)?,
        cover_wrap: new.cover.wrap(patient, new.grant, seed, rng)?,
    })
}

fn record_ids(versions: &[HeldVersion]) -> Vec<Id> {
    let mut ids: Vec<Id> = versions.iter().map(|v| v.record).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Ends a grant.
pub fn end_grant(open: &OpenPatient, grant: Id, now: Timestamp) -> Result<GrantChange, VaultError> {
    let statement = next_statement(open, now, PatientSays::End { grant })?;
    Ok(GrantChange {
        patient: open.keys.patient(),
        statement,
    })
}

/// Lengthens or shortens a living grant.
pub fn change_terms(
    open: &OpenPatient,
    grant: Id,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<GrantChange, VaultError> {
    let statement = next_statement(open, now, PatientSays::Terms { grant, expires_at })?;
    Ok(GrantChange {
        patient: open.keys.patient(),
        statement,
    })
}

/// Version keys for the grants of single records that a generation carries.
pub type Singles = BTreeMap<Id, Vec<HeldVersion>>;

/// Begins a new generation: a random seed, the old one wrapped under it, new
/// epochs everywhere. `managers` are those who hold it from now on. Grants to
/// accounts whose keys are in `accounts` are carried over, those of single
/// records where their version keys are in `singles`; links end.
pub fn begin_generation(
    open: &OpenPatient,
    managers: &[VerifiedAccount],
    accounts: &HolderKeys,
    singles: &Singles,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(SealedGeneration, PatientSeed), VaultError> {
    must_be_those_met(open, managers)?;
    let patient = open.keys.patient();
    let old = open.keys.newest_seed()?;
    let generation = open.chain.generation().saturating_add(1);
    let seed = PatientSeed::new(generation, Secret::random(rng));
    let carried = carry_over(open, &seed, accounts, singles, now, rng)?;
    let links = first_epoch_links(open, &seed, Epoch::first(generation), rng)?;
    let statement = generation_statement(open, &seed, managers, carried.carries, now)?;
    let seeds = managers
        .iter()
        .map(|manager| SealedSeed {
            account: manager.account,
            sealed: seed.seal_to_manager(patient, manager.account, &manager.kem_key, rng),
        })
        .collect();
    let previous = WrappedSeed {
        generation: old.generation,
        wrapped: seed.wrap_previous(patient, old, rng),
    };
    let sealed = SealedGeneration {
        patient,
        grants_version: open.grants_version,
        statement,
        seeds,
        previous,
        links,
        keyrings: carried.keyrings,
        cover_wraps: carried.cover_wraps,
    };
    Ok((sealed, seed))
}

/// Whoever goes on managing must be who was named before.
fn must_be_those_met(open: &OpenPatient, managers: &[VerifiedAccount]) -> Result<(), VaultError> {
    let named = open.chain.managers();
    let swapped = managers.iter().any(|manager| {
        named
            .iter()
            .any(|n| n.account == manager.account && !manager.fingerprints.contains(&n.fingerprint))
    });
    if swapped {
        return Err(VaultError::Statement("not the manager that was named"));
    }
    Ok(())
}

struct Carried {
    carries: Vec<CarriedGrant>,
    keyrings: Vec<ReissuedKeyring>,
    cover_wraps: Vec<CoverWrap>,
}

fn carry_over(
    open: &OpenPatient,
    seed: &PatientSeed,
    accounts: &HolderKeys,
    singles: &Singles,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Carried, VaultError> {
    let patient = open.keys.patient();
    let first = Epoch::first(seed.generation);
    let mut carried = Carried {
        carries: Vec::new(),
        keyrings: Vec::new(),
        cover_wraps: Vec::new(),
    };
    for grant in open.chain.living(now) {
        let id = grant.terms.grant;
        if grant.terms.holder_kind != HolderKind::Account {
            continue;
        }
        let holder = match holder_key(open, &grant.terms, accounts) {
            Err(VaultError::NoKey) => continue,
            other => other?,
        };
        let (keyring, holds) = match (&grant.terms.records, singles.get(&id)) {
            (Some(_), None) => continue,
            (Some(_), Some(held)) => (Keyring::for_versions(seed, id, held.clone()), Vec::new()),
            (None, _) => {
                let holds = open.holds_for(|c| grant.terms.covers(c))?;
                let holds = holds.into_keys().map(|c| (c, first)).collect();
                let keyring = Keyring::for_compartments(seed, id, &holds);
                (keyring, collect_holds(&holds))
            }
        };
        carried.carries.push(CarriedGrant {
            grant: id,
            grant_key: KemPublic::of(&seed.grant_seed(id)),
            holds,
        });
        carried.keyrings.push(ReissuedKeyring {
            grant: id,
            keyring: keyring.seal(patient, &holder, rng)?,
        });
        if let Ok(cover) = open.cover(id) {
            carried.cover_wraps.push(CoverWrap {
                grant: id,
                wrapped: cover.wrap(patient, id, seed, rng)?,
            });
        }
    }
    Ok(carried)
}

fn collect_holds(
    holds: &BTreeMap<chartkey_fhir::Compartment, Epoch>,
) -> Vec<(chartkey_fhir::Compartment, Epoch)> {
    holds.iter().map(|(c, e)| (*c, *e)).collect()
}

fn first_epoch_links(
    open: &OpenPatient,
    seed: &PatientSeed,
    first: Epoch,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<EpochLink>, VaultError> {
    let patient = open.keys.patient();
    let manager = open.manager()?;
    manager
        .existing
        .iter()
        .map(|compartment| {
            let previous = open.chain.current_epoch(*compartment);
            let older = open.keys.compartment_key(*compartment, previous)?;
            let aad = epoch_link_aad(patient, *compartment, first, previous);
            let newer = seed.compartment_key(*compartment, first);
            let wrapped = Bytes(chartkey_crypto::wrap::wrap(
                &newer,
                &aad,
                older.as_bytes(),
                rng,
            ));
            Ok(EpochLink {
                compartment: *compartment,
                epoch: first,
                previous,
                wrapped,
            })
        })
        .collect()
}

fn generation_statement(
    open: &OpenPatient,
    seed: &PatientSeed,
    managers: &[VerifiedAccount],
    carries: Vec<CarriedGrant>,
    now: Timestamp,
) -> Result<SignedStatement, VaultError> {
    let head = open.chain.head();
    let statement = PatientStatement {
        patient: open.keys.patient(),
        seq: head.seq.saturating_add(1),
        prev: Some(head.hash),
        at: now,
        says: PatientSays::Generation(GenerationTerms {
            generation: seed.generation,
            sign_key: seed.signing_key().verify_key(),
            inbox_key: KemPublic::of(&seed.inbox()),
            managers: managers
                .iter()
                .map(|manager| ManagerRef {
                    account: manager.account,
                    fingerprint: manager.fingerprint(),
                })
                .collect(),
            carries,
        }),
    };
    let old = open.keys.newest_seed()?.signing_key();
    SignedStatement::sign(&statement, &old, Some(&seed.signing_key()))
}
