//! Patients as the sealed protocol sees them: what a key-holder needs to open
//! one, and the statements, epochs, adoptions and generations that managers
//! send. The server checks meaning and order; it opens nothing.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::sign::VerifyKey;
use chartkey_domain::grants::{EndReason, GrantFacts, Holder};
use chartkey_domain::ids::{AccountId, BatchId, GrantId, PatientId};
use chartkey_domain::patients::MAX_MANAGERS;
use chartkey_domain::policy::{self, Action, PatientFacts, Permit, Refusal, Scope, Target};
use chartkey_domain::quotas::Quota;
use chartkey_domain::records::{RecordError, RecordTypes};
use chartkey_domain::trail::{NewEntry, TrailAction};
use chartkey_fhir::Compartment;
use chartkey_store::grants::{self, GrantRow};
use chartkey_store::patients::{self, EpochRow, PatientRow, StatementRow};
use chartkey_store::{Reader, StoreError, Tx, accounts, batches, charts};
use chartkey_vault::Id;
use chartkey_vault::bytes::{Bytes, Bytes32};
use chartkey_vault::epoch::Epoch;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{
    BatchKey, Envelope, EpochLink, GrantHolder, HeldKeyring, ManagerKeys, PatientKeys,
    RecipientKind, ReissuedKeyring, SealedAdoption, SealedEpochs, SealedGeneration, ServerEnd,
    Unadopted, WrappedSeed, WriteOutcome,
};
use chartkey_vault::statement::{
    GenerationTerms, HolderKind, PatientSays, PatientStatement, SignedStatement,
};
use jiff::Timestamp;

use crate::{Caller, Failure, NounError, Service, trail};

/// Most batches that one request adopts.
pub const ADOPTION_PAGE: u32 = 500;

/// Longest wrapped or sealed key, in bytes: a suite byte, the encapsulation of
/// X-Wing (1,120), a key, a tag, with room for a later suite.
pub const MAX_WRAP_BYTES: usize = 4 << 10;
/// Longest sealed cover of a grant, in bytes: names, and a message.
pub const MAX_COVER_BYTES: usize = 64 << 10;
/// Longest sealed keyring, in bytes: 10,000 keys of versions as text.
pub const MAX_KEYRING_BYTES: usize = 4 << 20;

/// Errors of this noun.
pub use chartkey_domain::patients::PatientError;

impl NounError for PatientError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }
}

/// What the policy must know of a patient for a caller, or nothing where there
/// is no such patient.
pub(crate) fn facts(
    db: &mut Reader,
    patient: PatientId,
    caller: Option<AccountId>,
) -> Result<Option<(PatientRow, PatientFacts)>, StoreError> {
    let Some(row) = patients::lookup(db, patient)? else {
        return Ok(None);
    };
    let managers = patients::list_managers(db, patient)?;
    let mut caller_grants = Vec::new();
    if let Some(account) = caller.filter(|a| !managers.contains(a)) {
        for grant in grants::list_held_on(db, patient, account)? {
            caller_grants.push(grant_facts(db, &grant)?);
        }
    }
    let facts = PatientFacts {
        id: patient,
        managers,
        assisted_access: row.assisted_access,
        caller_grants,
    };
    Ok(Some((row, facts)))
}

/// What the policy must know of a grant.
pub(crate) fn grant_facts(db: &mut Reader, row: &GrantRow) -> Result<GrantFacts, StoreError> {
    let records = if row.by_records {
        Some(grants::list_records(db, row.id)?)
    } else {
        None
    };
    Ok(GrantFacts {
        id: row.id,
        patient: row.patient,
        holder: row.holder.map_or(Holder::Link, Holder::Account),
        types: row.types.iter().copied().collect::<RecordTypes>(),
        kinds: row.kinds,
        records,
        write_types: row.write_types.iter().copied().collect::<RecordTypes>(),
        valid_from: row.valid_from,
        expires_at: row.expires_at,
        may_download: row.may_download,
        may_reshare: row.may_reshare,
        passed_on_by: row.parent.map(|_| row.created_by),
        // A word that is not known ends a grant like any other.
        ended: row.ended_at.map(|_| {
            let word = row.ended_reason.as_deref().unwrap_or_default();
            EndReason::parse(word).unwrap_or(EndReason::Revoked)
        }),
        suspended: false,
    })
}

/// Loads a patient and asks the policy, inside a transaction.
pub(crate) fn permit<E: NounError>(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    patient: PatientId,
    now: Timestamp,
) -> Result<(PatientRow, Permit), Failure<E>> {
    let (row, facts) = facts(db, patient, caller.account_id())?
        .ok_or(Refusal::Unknown(policy::Noun::Patient))
        .map_err(|refusal| unauthenticated_first(caller, refusal))?;
    let claims = matches!(
        action,
        Action::FindPatientKeys
            | Action::ListUnadoptedBatches
            | Action::AdoptBatches
            | Action::BeginEpochs
    );
    // Whoever takes a chart over does what managers do with its keys.
    if claims
        && row.owner.is_none()
        && let Some(permit) = crate::claims::permit_claim(db, caller, action, patient, now)?
    {
        return Ok((row, permit));
    }
    let permit = policy::permit(&caller.who, action, &Target::Patient(&facts), now)?;
    Ok((row, permit))
}

/// Who is not signed in is told so, and not what exists.
pub(crate) fn unauthenticated_first(caller: &Caller, refusal: Refusal) -> Refusal {
    match caller.account() {
        Err(refusal) if caller.session.is_none() => refusal,
        _ => refusal,
    }
}

/// `GET /api/patients/{id}/keys`: what the caller needs to open what is
/// theirs, logged before it leaves.
pub async fn find_patient_keys(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<PatientKeys, Failure<PatientError>> {
    let (permit, keys) = load(service, caller, patient).await?;
    let mut rng = service.rng();
    let asking = caller.clone();
    let entry = NewEntry::under(TrailAction::PatientKeys, service.now(), &permit)
        .count(u64::try_from(keys.keyrings.len()).unwrap_or(u64::MAX));
    service
        .store()
        .write("patient.keys", move |tx| {
            Ok::<_, Failure<PatientError>>(trail::append_by(tx, entry, &asking, &mut rng)?)
        })
        .await?;
    Ok(keys)
}

/// The same for a request that opens here and hands out no key: what it does
/// with them is what the trail tells of.
pub(crate) async fn load_patient_keys(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<PatientKeys, Failure<PatientError>> {
    Ok(load(service, caller, patient).await?.1)
}

async fn load(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<(Permit, PatientKeys), Failure<PatientError>> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("patient.keys", move |db| {
            let (row, permit) =
                permit::<PatientError>(db, &asking, Action::FindPatientKeys, patient, now)?;
            let keys = patient_keys(db, &row, &permit, now)?;
            Ok((permit, keys))
        })
        .await
}

/// What a permit's account needs to open a patient.
pub(crate) fn patient_keys(
    db: &mut Reader,
    row: &PatientRow,
    permit: &Permit,
    now: Timestamp,
) -> Result<PatientKeys, StoreError> {
    let patient = row.id;
    let all = grants::list_of_patient(db, patient)?;
    let ended = all
        .iter()
        .filter_map(|g| g.ended_at.map(|at| ServerEnd { grant: g.id.0, at }))
        .collect();
    let statements = patients::list_statements(db, patient)?
        .into_iter()
        .map(signed)
        .collect::<Result<_, _>>()?;
    let mut keyrings = Vec::new();
    let mut manager = None;
    let wanted: Box<dyn Fn(Compartment) -> bool> = match permit.scope() {
        Scope::All => {
            manager = manager_keys(db, row, permit, &all)?;
            Box::new(|_| true)
        }
        Scope::Within(within) => {
            let held = permit.account();
            for grant in all.iter().filter(|g| {
                held.is_some()
                    && g.holder == held
                    && g.ended_at.is_none()
                    && g.expires_at > now
                    && g.valid_from <= now
            }) {
                if let Some(seals) = grants::lookup_seals(db, grant.id)? {
                    keyrings.push(HeldKeyring {
                        grant: grant.id.0,
                        keyring: Bytes(seals.keyring),
                        cover: Bytes(seals.cover),
                        salt: Bytes32(grant.salt),
                    });
                }
            }
            let reads = within.reads.clone();
            Box::new(move |c| reads.iter().any(|r| r.covers(c)))
        }
        Scope::Nothing => Box::new(|_| false),
    };
    let epoch_links = epoch_links(db, patient, &*wanted)?;
    Ok(PatientKeys {
        patient: patient.0,
        grants_version: row.grants_version,
        statements,
        ended,
        epoch_links,
        manager,
        keyrings,
    })
}

/// Links from epochs to their predecessors, for wanted compartments.
pub(crate) fn epoch_links(
    db: &mut Reader,
    patient: PatientId,
    wanted: &dyn Fn(Compartment) -> bool,
) -> Result<Vec<EpochLink>, StoreError> {
    Ok(patients::list_epochs(db, patient)?
        .into_iter()
        .filter(|e| wanted(e.compartment))
        .map(|e| EpochLink {
            compartment: e.compartment,
            epoch: Epoch {
                generation: e.generation,
                n: e.n,
            },
            previous: Epoch {
                generation: e.previous.0,
                n: e.previous.1,
            },
            wrapped: Bytes(e.previous_wrapped),
        })
        .collect())
}

/// The seed sealed to a manager, or handed over to whoever takes a chart over;
/// empty where their sheet has it.
fn seed_of(
    db: &mut Reader,
    row: &PatientRow,
    account: AccountId,
) -> Result<Option<Vec<u8>>, StoreError> {
    if let Some(seed) = patients::lookup_seed(db, row.id, account)? {
        return Ok(Some(seed));
    }
    if row.owner.is_some() {
        return Ok(None);
    }
    let confirmed = chartkey_domain::charts::ClaimState::Confirmed.as_str();
    let claim = charts::lookup_claim_by(db, row.id, account, confirmed)?;
    Ok(claim.map(|claim| claim.sealed_seed.unwrap_or_default()))
}

fn manager_keys(
    db: &mut Reader,
    row: &PatientRow,
    permit: &Permit,
    all: &[GrantRow],
) -> Result<Option<ManagerKeys>, StoreError> {
    let Some(account) = permit.account() else {
        return Ok(None);
    };
    let Some(sealed_seed) = seed_of(db, row, account)? else {
        return Ok(None);
    };
    let mut wraps: BTreeMap<GrantId, Vec<u8>> =
        grants::list_cover_wraps(db, row.id)?.into_iter().collect();
    let holders = all
        .iter()
        .map(|grant| GrantHolder {
            grant: grant.id.0,
            kind: if grant.holder.is_some() {
                HolderKind::Account
            } else {
                HolderKind::Link
            },
            holder: grant.holder.map_or(grant.id.0, |h| h.0),
            salt: Bytes32(grant.salt),
            cover_wrap: Bytes(wraps.remove(&grant.id).unwrap_or_default()),
        })
        .collect();
    let older = patients::list_older_seeds(db, row.id)?
        .into_iter()
        .map(|(generation, wrapped)| WrappedSeed {
            generation,
            wrapped: Bytes(wrapped),
        })
        .collect();
    Ok(Some(ManagerKeys {
        sealed_seed: Bytes(sealed_seed),
        older,
        holders,
        existing: patients::list_compartments(db, row.id)?,
        unadopted: batches::count_unadopted(db, row.id, None)?,
    }))
}

/// A stored statement as it travels.
pub(crate) fn signed(row: StatementRow) -> Result<SignedStatement, StoreError> {
    use chartkey_crypto::sign::Signature;
    let signature = |bytes: &[u8]| {
        <[u8; 64]>::try_from(bytes)
            .map(Signature::from_bytes)
            .map_err(|_| StoreError::Corrupt("a stored signature"))
    };
    Ok(SignedStatement {
        signature: signature(&row.signature)?,
        cosignature: row.cosignature.as_deref().map(signature).transpose()?,
        body: row.body,
    })
}

/// Checks that a statement continues a patient's chain, and appends it. What
/// it says is for the caller to hold against what was asked.
pub(crate) fn append_statement(
    tx: &mut Tx,
    patient: PatientId,
    statement: &SignedStatement,
    now: Timestamp,
) -> Result<PatientStatement, Failure<RecordError>> {
    let key = generation(tx, patient)?.sign_key;
    let read = statement.patient_statement()?;
    if let PatientSays::Grant(terms) = &read.says
        && terms.parent.is_some()
    {
        return Err(VaultError::Statement("passed on by whoever manages the record").into());
    }
    append_signed(tx, patient, statement, read, &key, now)
}

/// [`append_statement`] for what somebody passes on under a grant: `key` is the one
/// that the grant's terms name. That it may be passed on has been checked.
pub(crate) fn append_reshare(
    tx: &mut Tx,
    patient: PatientId,
    statement: &SignedStatement,
    key: &VerifyKey,
    now: Timestamp,
) -> Result<PatientStatement, Failure<RecordError>> {
    let read = statement.patient_statement()?;
    append_signed(tx, patient, statement, read, key, now)
}

fn append_signed(
    tx: &mut Tx,
    patient: PatientId,
    statement: &SignedStatement,
    read: PatientStatement,
    key: &VerifyKey,
    now: Timestamp,
) -> Result<PatientStatement, Failure<RecordError>> {
    let head = patients::lookup_newest_statement(tx, patient, None)?
        .ok_or(Failure::Internal("a patient without a chain"))?;
    if read.prev != Some(Bytes32(head.hash)) || read.seq != head.seq.saturating_add(1) {
        return Err(VaultError::Conflict("statement.moved".into()).into());
    }
    if read.patient != patient.0 {
        return Err(VaultError::Statement("about another patient").into());
    }
    if !statement.is_signed_by(key) {
        return Err(VaultError::Statement("bad signature").into());
    }
    if let PatientSays::Generation(terms) = &read.says
        && !statement.is_cosigned_by(&terms.sign_key)
    {
        return Err(VaultError::Statement("bad cosignature").into());
    }
    // What ends or hands on is never refused for its number.
    if let PatientSays::Grant(_) | PatientSays::Terms { .. } = &read.says {
        Quota::Statements.check(read.seq)?;
    }
    let row = StatementRow {
        seq: read.seq,
        kind: kind_word(&read.says).to_owned(),
        body: statement.body.clone(),
        signature: statement.signature.as_bytes().to_vec(),
        cosignature: statement
            .cosignature
            .as_ref()
            .map(|s| s.as_bytes().to_vec()),
        hash: statement.hash().0,
    };
    patients::insert_statement(tx, patient, &row, now)?;
    Ok(read)
}

/// The word of a statement's kind, as its text has it.
pub(crate) const fn kind_word(says: &PatientSays) -> &'static str {
    match says {
        PatientSays::Generation(_) => "generation",
        PatientSays::Grant(_) => "grant",
        PatientSays::Terms { .. } => "terms",
        PatientSays::End { .. } => "end",
        PatientSays::Epochs { .. } => "epochs",
    }
}

fn generation(
    db: &mut Reader,
    patient: PatientId,
) -> Result<GenerationTerms, Failure<RecordError>> {
    let row = patients::lookup_newest_statement(db, patient, Some("generation"))?
        .ok_or(Failure::Internal("a patient without a generation"))?;
    match signed(row)?.patient_statement()?.says {
        PatientSays::Generation(terms) => Ok(terms),
        _ => Err(Failure::Internal("a generation that is none")),
    }
}

/// What is sealed to a patient's inbox now.
pub(crate) fn inbox_key(
    db: &mut Reader,
    patient: PatientId,
) -> Result<chartkey_crypto::seal::KemPublic, Failure<RecordError>> {
    Ok(generation(db, patient)?.inbox_key)
}

type Moved = Failure<RecordError>;

/// The writer saw another state than is stored: seal again.
pub(crate) fn moved() -> Moved {
    Failure::Vault(VaultError::Conflict("compartment.moved".into()))
}

/// The current epoch of a compartment.
pub(crate) fn current_epoch(
    db: &mut Reader,
    row: &PatientRow,
    compartment: Compartment,
) -> Result<(u32, u32), StoreError> {
    let n = patients::current_epoch(db, row.id, compartment, row.generation)?;
    Ok((row.generation, n))
}

/// `POST /api/patients/{id}/epochs`: begins epochs, replaces keyrings.
pub async fn begin_epochs(
    service: &Service,
    caller: &Caller,
    sealed: SealedEpochs,
) -> Result<WriteOutcome, Moved> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    service
        .store()
        .write("epoch.begin", move |tx| {
            let patient = PatientId(sealed.patient);
            let (row, permit) = permit(tx, &asking, Action::BeginEpochs, patient, now)?;
            if row.grants_version != sealed.grants_version {
                return Err(moved());
            }
            let statement = append_statement(tx, patient, &sealed.statement, now)?;
            let PatientSays::Epochs { begun, reissued } = statement.says else {
                return Err(VaultError::Statement("not about epochs").into());
            };
            insert_epochs(tx, &row, &begun, &sealed.links, now)?;
            take_reissued(tx, &row, &reissued, &sealed.keyrings, &begun, now)?;
            let version = patients::bump_version(tx, patient)?;
            let entry = NewEntry::under(TrailAction::EpochBegin, now, &permit)
                .count(u64::try_from(begun.len()).unwrap_or(u64::MAX))
                .types(begun.iter().map(|(c, _)| c.record_type).collect());
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(WriteOutcome {
                grants_version: version,
                leaf_index,
            })
        })
        .await
}

fn insert_epochs(
    tx: &mut Tx,
    row: &PatientRow,
    begun: &[(Compartment, Epoch)],
    links: &[EpochLink],
    now: Timestamp,
) -> Result<(), Moved> {
    for (compartment, epoch) in begun {
        let (generation, n) = current_epoch(tx, row, *compartment)?;
        let current = Epoch { generation, n };
        if *epoch != current.next() {
            return Err(moved());
        }
        let link = links
            .iter()
            .find(|l| l.compartment == *compartment && l.epoch == *epoch && l.previous == current)
            .ok_or(VaultError::Input("an epoch without its predecessor's key"))?;
        check_size(&link.wrapped, MAX_WRAP_BYTES, "links.wrapped")?;
        let epoch = EpochRow {
            compartment: *compartment,
            generation: epoch.generation,
            n: epoch.n,
            previous: (generation, n),
            previous_wrapped: link.wrapped.0.clone(),
        };
        patients::insert_epoch(tx, row.id, &epoch, now)?;
    }
    Ok(())
}

/// Replaces keyrings, and refuses where somebody who covers a begun
/// compartment and lives would be left behind.
fn take_reissued(
    tx: &mut Tx,
    row: &PatientRow,
    reissued: &[Id],
    keyrings: &[ReissuedKeyring],
    begun: &[(Compartment, Epoch)],
    now: Timestamp,
) -> Result<(), Moved> {
    let named: BTreeSet<Id> = reissued.iter().copied().collect();
    for grant in grants::list_living(tx, row.id, now)? {
        let covered: Vec<_> = begun.iter().filter(|(c, _)| covers(&grant, *c)).collect();
        if covered.is_empty() {
            continue;
        }
        let sealed = keyrings.iter().find(|k| k.grant == grant.id.0);
        let (Some(sealed), true) = (sealed, named.contains(&grant.id.0)) else {
            return Err(moved());
        };
        check_size(&sealed.keyring, MAX_KEYRING_BYTES, "keyrings.keyring")?;
        grants::update_keyring(tx, grant.id, &sealed.keyring.0, row.generation)?;
        for (compartment, epoch) in covered {
            grants::insert_hold(tx, grant.id, *compartment, epoch.generation, epoch.n)?;
        }
    }
    Ok(())
}

/// Whether a grant covers a compartment as a whole.
pub(crate) fn covers(grant: &GrantRow, compartment: Compartment) -> bool {
    !grant.by_records
        && grant.types.contains(&compartment.record_type)
        && compartment.kinds.is_subset_of(grant.kinds)
}

/// `GET /api/patients/{id}/adopt`: batches that wait for a manager.
pub async fn list_unadopted_batches(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Unadopted, Moved> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("record.adopt", move |db| {
            permit::<RecordError>(db, &asking, Action::ListUnadoptedBatches, patient, now)?;
            let rows = batches::list_unadopted(db, patient, ADOPTION_PAGE + 1)?;
            let page = usize::try_from(ADOPTION_PAGE).unwrap_or(usize::MAX);
            let more = rows.len() > page;
            let mut waiting = Vec::with_capacity(rows.len());
            for batch in rows.into_iter().take(page) {
                let inbox = batches::lookup_envelope(db, batch.id, "inbox", patient.0)?;
                waiting.push(BatchKey {
                    id: batch.id.0,
                    compartment: batch.compartment,
                    epoch: None,
                    wrapped: None,
                    envelopes: inbox
                        .into_iter()
                        .map(|e| Envelope {
                            to: RecipientKind::Inbox,
                            id: e.to,
                            sealed: Bytes(e.sealed),
                        })
                        .collect(),
                });
            }
            Ok(Unadopted {
                batches: waiting,
                more,
            })
        })
        .await
}

/// `POST /api/patients/{id}/adopt`: takes directly sealed batches over.
pub async fn adopt_batches(
    service: &Service,
    caller: &Caller,
    sealed: SealedAdoption,
) -> Result<WriteOutcome, Moved> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    service
        .store()
        .write("record.adopt", move |tx| {
            let patient = PatientId(sealed.patient);
            let (row, permit) = permit(tx, &asking, Action::AdoptBatches, patient, now)?;
            let count = take_adoption(tx, &row, &sealed, now)?;
            let entry = NewEntry::under(TrailAction::RecordAdopt, now, &permit).count(count);
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(WriteOutcome {
                grants_version: row.grants_version,
                leaf_index,
            })
        })
        .await
}

/// Takes batches over, and sets those aside that no manager can open; how many
/// were taken over.
fn take_adoption(
    tx: &mut Tx,
    row: &PatientRow,
    sealed: &SealedAdoption,
    now: Timestamp,
) -> Result<u64, Moved> {
    if row.grants_version != sealed.grants_version {
        return Err(moved());
    }
    let most = usize::try_from(ADOPTION_PAGE).unwrap_or(usize::MAX);
    if sealed.batches.len() > most || sealed.unopenable.len() > most {
        return Err(RecordError::TooMany.into());
    }
    let mut count = 0_u64;
    for adopted in &sealed.batches {
        let id = BatchId(adopted.id);
        let Some(batch) = batches::lookup(tx, row.id, id)? else {
            continue;
        };
        let epoch = current_epoch(tx, row, batch.compartment)?;
        let stale = patients::is_stale(tx, row.id, batch.compartment, epoch, now)?;
        if stale || (adopted.epoch.generation, adopted.epoch.n) != epoch {
            return Err(moved());
        }
        check_size(&adopted.wrapped, MAX_WRAP_BYTES, "batches.wrapped")?;
        if batches::adopt(tx, row.id, id, epoch, &adopted.wrapped.0)? {
            count += 1;
        }
    }
    for id in &sealed.unopenable {
        batches::set_aside(tx, row.id, BatchId(*id))?;
    }
    Ok(count)
}

/// Refuses sealed bytes that are longer than what they stand for can be.
pub(crate) fn check_size<E: NounError>(
    bytes: &Bytes,
    most: usize,
    field: &str,
) -> Result<(), Failure<E>> {
    if bytes.0.len() <= most {
        Ok(())
    } else {
        Err(Failure::field(field, "longer than it can be"))
    }
}

/// `POST /api/patients/{id}/generations`: a new seed, held by those it names.
pub async fn begin_generation(
    service: &Service,
    caller: &Caller,
    sealed: SealedGeneration,
) -> Result<WriteOutcome, Moved> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    service
        .store()
        .write("generation.begin", move |tx| {
            let patient = PatientId(sealed.patient);
            let (row, permit) = permit(tx, &asking, Action::BeginGeneration, patient, now)?;
            if row.grants_version != sealed.grants_version {
                return Err(moved());
            }
            take_generation(tx, &row, &sealed, now)?;
            let version = patients::bump_version(tx, patient)?;
            let entry = NewEntry::under(TrailAction::GenerationBegin, now, &permit);
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(WriteOutcome {
                grants_version: version,
                leaf_index,
            })
        })
        .await
}

/// Stores a generation: its statement, seeds, epochs, and what it carries.
pub(crate) fn take_generation(
    tx: &mut Tx,
    row: &PatientRow,
    sealed: &SealedGeneration,
    now: Timestamp,
) -> Result<(), Moved> {
    let patient = row.id;
    if batches::count_unadopted(tx, patient, None)? > 0 {
        return Err(moved());
    }
    let statement = append_statement(tx, patient, &sealed.statement, now)?;
    let owner = trail::KeyOwner::Patient(patient);
    trail::publish_keys(tx, owner, statement.seq, &sealed.statement, now)?;
    let PatientSays::Generation(terms) = statement.says else {
        return Err(VaultError::Statement("not about a generation").into());
    };
    if terms.generation != row.generation.saturating_add(1)
        || sealed.previous.generation != row.generation
    {
        return Err(moved());
    }
    check_managers(tx, row, &terms)?;
    check_size(&sealed.previous.wrapped, MAX_WRAP_BYTES, "previous.wrapped")?;
    patients::insert_older_seed(tx, patient, row.generation, &sealed.previous.wrapped.0)?;
    patients::delete_managers(tx, patient)?;
    for manager in &terms.managers {
        let seed = sealed
            .seeds
            .iter()
            .find(|s| s.account == manager.account)
            .ok_or(VaultError::Input("a manager without a seed"))?;
        check_size(&seed.sealed, MAX_WRAP_BYTES, "seeds.sealed")?;
        let account = AccountId(manager.account);
        let role = if row.owner == Some(account) {
            "owner"
        } else {
            "delegate"
        };
        patients::insert_manager(
            tx,
            patient,
            account,
            terms.generation,
            &seed.sealed.0,
            role,
            now,
        )?;
    }
    first_epochs(tx, row, terms.generation, &sealed.links, now)?;
    carry_over(tx, row, &terms, sealed, now)?;
    patients::update_generation(tx, patient, terms.generation)?;
    Ok(())
}

/// Managers are accounts that hold keys, each named once; and nobody but the
/// owner leaves the owner out.
fn check_managers(db: &mut Reader, row: &PatientRow, terms: &GenerationTerms) -> Result<(), Moved> {
    if terms.managers.is_empty() {
        return Err(VaultError::Input("a record needs somebody who manages it").into());
    }
    let named: BTreeSet<Id> = terms.managers.iter().map(|m| m.account).collect();
    if terms.managers.len() > MAX_MANAGERS || named.len() != terms.managers.len() {
        return Err(VaultError::Input("too many managers, or one of them twice").into());
    }
    if row.owner.is_some_and(|owner| !named.contains(&owner.0)) {
        return Err(VaultError::Input("the owner stays a manager").into());
    }
    for account in named {
        let known = accounts::lookup(db, AccountId(account))?;
        if known.is_none_or(|a| a.kem_public.is_none() || a.kind == "admin") {
            return Err(VaultError::Input("a manager who holds no key").into());
        }
    }
    Ok(())
}

fn first_epochs(
    tx: &mut Tx,
    row: &PatientRow,
    generation: u32,
    links: &[EpochLink],
    now: Timestamp,
) -> Result<(), Moved> {
    for compartment in patients::list_compartments(tx, row.id)? {
        let previous = current_epoch(tx, row, compartment)?;
        let link = links
            .iter()
            .find(|l| {
                l.compartment == compartment
                    && l.epoch == Epoch::first(generation)
                    && (l.previous.generation, l.previous.n) == previous
            })
            .ok_or(VaultError::Input(
                "a compartment without its predecessor's key",
            ))?;
        check_size(&link.wrapped, MAX_WRAP_BYTES, "links.wrapped")?;
        let epoch = EpochRow {
            compartment,
            generation,
            n: 1,
            previous,
            previous_wrapped: link.wrapped.0.clone(),
        };
        patients::insert_epoch(tx, row.id, &epoch, now)?;
    }
    Ok(())
}

fn carry_over(
    tx: &mut Tx,
    row: &PatientRow,
    terms: &GenerationTerms,
    sealed: &SealedGeneration,
    now: Timestamp,
) -> Result<(), Moved> {
    for grant in grants::list_living(tx, row.id, now)? {
        let carried = terms.carries.iter().find(|c| c.grant == grant.id.0);
        let Some(carried) = carried else {
            grants::end(tx, grant.id, EndReason::NotCarried.as_str(), now)?;
            continue;
        };
        let keyring = sealed
            .keyrings
            .iter()
            .find(|k| k.grant == grant.id.0)
            .ok_or(VaultError::Input(
                "a grant carried over without its keyring",
            ))?;
        if carried.reshare_key.is_some() != names_reshare_key(tx, &grant)? {
            return Err(VaultError::Statement("carries what it may not").into());
        }
        check_size(&keyring.keyring, MAX_KEYRING_BYTES, "keyrings.keyring")?;
        grants::update_keyring(tx, grant.id, &keyring.keyring.0, terms.generation)?;
        let cover = sealed.cover_wraps.iter().find(|c| c.grant == grant.id.0);
        if let Some(cover) = cover {
            check_size(&cover.wrapped, MAX_COVER_BYTES, "cover_wraps.wrapped")?;
        }
        let cover = cover.map(|c| c.wrapped.0.as_slice());
        grants::update_carried(tx, grant.id, carried.grant_key.as_bytes(), cover)?;
        for (compartment, epoch) in &carried.holds {
            if !covers(&grant, *compartment) {
                return Err(VaultError::Statement("carries what it may not").into());
            }
            grants::insert_hold(tx, grant.id, *compartment, epoch.generation, epoch.n)?;
        }
    }
    Ok(())
}

/// Whether a grant's terms name a key by which its holder passes on.
fn names_reshare_key(db: &mut Reader, grant: &GrantRow) -> Result<bool, Moved> {
    let row = chartkey_store::shares::lookup_statement(db, grant.patient, grant.id)?
        .ok_or(Failure::Internal("a grant without its statement"))?;
    let says = signed(row)?.patient_statement()?.says;
    Ok(matches!(says, PatientSays::Grant(terms) if terms.reshare_key.is_some()))
}

/// Ends a grant for the server's own reasons, and says so to writers.
pub(crate) fn end_grant(
    tx: &mut Tx,
    grant: GrantId,
    patient: PatientId,
    reason: EndReason,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended = grants::end(tx, grant, reason.as_str(), now)?;
    if ended {
        patients::bump_version(tx, patient)?;
    }
    Ok(ended)
}
