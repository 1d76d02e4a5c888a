//! Making, changing and ending grants: what a manager's client signs.

use std::collections::BTreeMap;

use chartkey_crypto::{Secret, seal::KemPublic};
use chartkey_fhir::{Compartment, Kinds, RecordType};
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::{
    Id,
    account::VerifiedAccount,
    bytes::{Bytes, Bytes32},
    epoch::Epoch,
    error::VaultError,
    grant::{Cover, HeldVersion, HolderKey, Keyring, reshare_key},
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
        reshare_key: new
            .may_reshare
            .then(|| reshare_key(&seed.grant_seed(new.grant)).verify_key()),
        parent: None,
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

/// A single record that a grant's holder passes on.
#[derive(Debug)]
pub struct NewReshare {
    /// UUIDv7.
    pub grant: Id,
    /// To whom.
    pub holder: HolderKey,
    /// Where the record lies.
    pub compartment: Compartment,
    /// The key of its current version.
    pub version: HeldVersion,
    /// Till when; the parent's end where that is earlier.
    pub expires_at: Timestamp,
    /// Coded purpose of use.
    pub purpose: String,
    /// Names and words; for the holder alone, since whoever passes on has no key of
    /// the managers'.
    pub cover: Cover,
}

/// Passes a record on under a grant that the caller holds: the terms are signed
/// with the key that the grant's own terms name, so that everybody who reads the
/// chain can check them, and nobody learns who holds what.
///
/// # Errors
/// [`VaultError::NoKey`] where no grant of the caller's lets it.
pub fn make_reshare(
    open: &OpenPatient,
    new: &NewReshare,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SealedGrant, VaultError> {
    let patient = open.keys.patient();
    let (parent, held) = reshared_under(open, new.version.record, new.compartment, now)?;
    let seed = Secret::random(rng);
    let salt = Bytes32(*Secret::random(rng).as_bytes());
    let holder = new.holder.holder_id(new.grant);
    let sealed_to = new.holder.sealed_to(&salt);
    let terms = GrantTerms {
        grant: new.grant,
        generation: open.chain.generation(),
        grant_key: KemPublic::of(&seed),
        holder_kind: HolderKind::Account,
        holder_hash: holder_hash(&salt, holder, &sealed_to),
        sealed_to,
        types: vec![new.compartment.record_type],
        kinds: new.compartment.kinds,
        records: Some(vec![new.version.record]),
        valid_from: now,
        expires_at: new.expires_at.min(parent.expires_at),
        purpose: new.purpose.clone(),
        may_download: parent.may_download,
        write_types: Vec::new(),
        may_reshare: false,
        reshare_key: None,
        parent: Some(parent.grant),
        holds: Vec::new(),
    };
    if !terms.is_reshare_of(parent) {
        return Err(VaultError::NoKey);
    }
    let keyring = Keyring::passed_on(new.grant, seed, vec![new.version.clone()]);
    let head = open.chain.head();
    let statement = PatientStatement {
        patient,
        seq: head.seq.saturating_add(1),
        prev: Some(head.hash),
        at: now,
        says: PatientSays::Grant(terms),
    };
    Ok(SealedGrant {
        patient,
        grants_version: open.grants_version,
        statement: SignedStatement::sign(&statement, &held.reshare_key(), None)?,
        holder,
        salt,
        keyring: keyring.seal(patient, &new.holder, rng)?,
        cover: new.cover.seal(patient, new.grant, &new.holder, rng)?,
        cover_wrap: Bytes(Vec::new()),
    })
}

/// The longest of the caller's living grants under which a record may be passed
/// on, with its keyring.
fn reshared_under(
    open: &OpenPatient,
    record: Id,
    compartment: Compartment,
    now: Timestamp,
) -> Result<(&GrantTerms, &Keyring), VaultError> {
    open.keys
        .keyrings()
        .iter()
        .filter_map(|keyring| {
            let known = open.chain.grant(keyring.grant)?;
            let terms = &known.terms;
            let covers = terms.covers(compartment) || terms.names(record, compartment);
            let key = terms.reshare_key.as_ref()?;
            let mine = keyring.reshare_key().verify_key() == *key;
            let counts = !known.is_ended(now) && terms.valid_from <= now;
            (covers && mine && counts && terms.may_reshare).then_some((terms, keyring))
        })
        .max_by_key(|(terms, _)| terms.expires_at)
        .ok_or(VaultError::NoKey)
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
        // What was passed on lives no longer than what it was passed on under.
        if let Some(parent) = grant.terms.parent
            && !carried.carries.iter().any(|c| c.grant == parent)
        {
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
            reshare_key: grant
                .terms
                .reshare_key
                .as_ref()
                .map(|_| reshare_key(&seed.grant_seed(id)).verify_key()),
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

fn collect_holds(holds: &BTreeMap<Compartment, Epoch>) -> Vec<(Compartment, Epoch)> {
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
