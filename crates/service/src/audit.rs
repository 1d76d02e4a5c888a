//! The trail, read: listings, proofs, checkpoints, and checking it whole.

use chartkey_crypto::ledger::{
    Checkpoint, Hash, NoteKind, NoteSigner, NoteVerifier, sign_checkpoint,
};
use chartkey_crypto::sign::SigningKey;
use chartkey_domain::accounts::AccountKind;
use chartkey_domain::ids::{AccountId, Id, PatientId};
use chartkey_domain::policy::{self, Action, EntryFacts, Target};
use chartkey_domain::trail::{Columns, TrailError};
use chartkey_store::trail::{self as rows, EntryRow, Filter};
use chartkey_store::trail::{VerifiedLog, VerifyError};
use chartkey_store::{Reader, StoreError, Tx, accounts as account_rows, patients as patient_rows};
use jiff::Timestamp;

use crate::keys::ServerKeys;
use crate::patients::permit;
use crate::{Caller, Failure, Service, columns};

mod disclosures;

pub use chartkey_store::trail::Log;
pub use disclosures::{
    Disclosure, DisclosurePage, DisclosureQuery, Recipient, RecipientKind, list_disclosures,
};

/// What any use case about the trail fails with.
pub type AuditFailure = Failure<TrailError>;

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// About this patient; a patient's own where none is named.
    pub patient: Option<PatientId>,
    /// Done by this account or link.
    pub actor: Option<Id>,
    /// Only these actions.
    pub actions: Vec<String>,
    /// Not earlier.
    pub from: Option<Timestamp>,
    /// Earlier.
    pub to: Option<Timestamp>,
    /// Only entries with a smaller index.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// An entry as it is listed.
pub struct AuditEntry {
    /// Its place in the log, which is its id.
    pub leaf_index: u64,
    /// The exact bytes that were logged, as text.
    pub entry: String,
    /// The name of the account that did it, where an account did.
    pub actor_name: Option<String>,
}

/// A page of entries, newest first.
pub struct AuditPage {
    /// The entries.
    pub items: Vec<AuditEntry>,
    /// Where the next page goes on.
    pub next: Option<u64>,
}

/// Entries about a patient whom the caller manages, or what the caller did.
///
/// # Errors
/// The policy's.
pub async fn list(
    service: &Service,
    caller: &Caller,
    query: AuditQuery,
) -> Result<AuditPage, AuditFailure> {
    let (now, facts) = (service.now(), *caller.account()?);
    let (asking, this) = (caller.clone(), service.clone());
    service
        .store()
        .read_long("audit.list", move |reader| {
            let own_doings = facts.kind != AccountKind::Patient
                || (query.patient.is_none() && query.actor == Some(facts.id.0));
            let mut filter = Filter {
                actor: query.actor.map(|id| *id.as_bytes()),
                actions: query.actions.clone(),
                from: query.from.map(Timestamp::as_millisecond),
                to: query.to.map(Timestamp::as_millisecond),
                before: query.before,
                ..Filter::default()
            };
            if own_doings && query.patient.is_none() {
                let target = Target::Account(facts.id);
                policy::permit(&asking.who, Action::ListAudit, &target, now)?;
                filter.actor = Some(*facts.id.as_bytes());
            } else {
                let patient = which(reader, &query, facts.id)?;
                permit::<TrailError>(reader, &asking, Action::ListAudit, patient, now)?;
                filter.patient = Some(*patient.as_bytes());
            }
            let found = rows::list(reader, Log::Trail, &filter, query.limit.saturating_add(1))?;
            page(&this, reader, found, query.limit)
        })
        .await
}

/// The patient that is meant: the one named, or the only one managed.
fn which(
    reader: &mut Reader,
    query: &AuditQuery,
    account: AccountId,
) -> Result<PatientId, AuditFailure> {
    if let Some(patient) = query.patient {
        return Ok(patient);
    }
    match patient_rows::list_managed(reader, account)?.as_slice() {
        [only] => Ok(only.id),
        _ => Err(Failure::Rule {
            code: "patient.ambiguous",
            field: "patient_id",
            message: "say which patient is meant".to_owned(),
        }),
    }
}

fn page(
    service: &Service,
    reader: &mut Reader,
    mut found: Vec<EntryRow>,
    limit: u32,
) -> Result<AuditPage, AuditFailure> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > wanted;
    found.truncate(wanted);
    let next = found.last().filter(|_| more).map(|row| row.leaf_index);
    let mut names: Vec<(AccountId, Option<String>)> = Vec::new();
    let mut items = Vec::with_capacity(found.len());
    for row in found {
        let actor = Columns::read(&row.entry)
            .ok()
            .and_then(|columns| columns.actor);
        let actor_name = match actor {
            Some(id) => name_of(service, reader, AccountId(id), &mut names)?,
            None => None,
        };
        items.push(AuditEntry {
            leaf_index: row.leaf_index,
            entry: row.entry,
            actor_name,
        });
    }
    Ok(AuditPage { items, next })
}

fn name_of(
    service: &Service,
    reader: &mut Reader,
    id: AccountId,
    known: &mut Vec<(AccountId, Option<String>)>,
) -> Result<Option<String>, AuditFailure> {
    if let Some((_, name)) = known.iter().find(|(known, _)| *known == id) {
        return Ok(name.clone());
    }
    let name = match account_rows::lookup(reader, id)? {
        None => None,
        Some(row) => {
            let name = service
                .protect()
                .open_text(columns::ACCOUNT_NAME, id.0, &row.name_p)?;
            Some(name.to_string())
        }
    };
    known.push((id, name.clone()));
    Ok(name)
}

/// That an entry is in the log.
pub struct EntryProof {
    /// The exact bytes that were logged, as text.
    pub entry: String,
    /// Its salt.
    pub salt: [u8; 32],
    /// Its place in the log.
    pub leaf_index: u64,
    /// The size that the proof and the checkpoint speak of.
    pub tree_size: u64,
    /// The audit path (RFC 9162 §2.1.3).
    pub hashes: Vec<Hash>,
    /// The signed note.
    pub checkpoint: String,
}

/// Proves an entry to whom it is about and to whom it names.
///
/// # Errors
/// The policy's, the same for an entry that there is not.
pub async fn prove(
    service: &Service,
    caller: &Caller,
    leaf_index: u64,
) -> Result<EntryProof, AuditFailure> {
    caller.account()?;
    let now = service.now();
    let asking = caller.clone();
    let row = service
        .store()
        .read("audit.entry", move |reader| {
            let row = rows::lookup(reader, Log::Trail, leaf_index)?.ok_or(TrailError::Unknown)?;
            let columns = Columns::read(&row.entry)?;
            let managers = match columns.patient {
                Some(patient) => patient_rows::list_managers(reader, patient)?,
                None => Vec::new(),
            };
            let facts = EntryFacts {
                patient: columns.patient,
                managers,
                actor: columns.actor.map(AccountId),
            };
            policy::permit(
                &asking.who,
                Action::FindAuditProof,
                &Target::Entry(&facts),
                now,
            )?;
            Ok::<_, AuditFailure>(row)
        })
        .await?;
    let (tree_size, checkpoint) = checkpoint(service, Log::Trail, leaf_index + 1).await?;
    let hashes = service
        .store()
        .read("audit.prove", move |reader| {
            rows::prove_inclusion(reader, Log::Trail, leaf_index, tree_size)
        })
        .await
        .map_err(|error: StoreError| AuditFailure::from(error))?;
    Ok(EntryProof {
        entry: row.entry,
        salt: row.salt.ok_or(Failure::Internal("an entry without salt"))?,
        leaf_index,
        tree_size,
        hashes,
        checkpoint,
    })
}

/// The newest signed checkpoint of a log.
///
/// # Errors
/// The database's.
pub async fn find_checkpoint(service: &Service, log: Log) -> Result<String, AuditFailure> {
    Ok(checkpoint(service, log, 0).await?.1)
}

/// How long a checkpoint is handed out before a newer one is signed, in
/// milliseconds: reading is public, and must not make work.
const FRESH_MS: i64 = 1_000;

/// A checkpoint of at least `least` entries: the stored one where it is fresh,
/// else one of the log as it is now. There is one for each size, ever.
async fn checkpoint(
    service: &Service,
    log: Log,
    least: u64,
) -> Result<(u64, String), AuditFailure> {
    let now = service.now().as_millisecond();
    let newest = service
        .store()
        .read("audit.checkpoint", move |reader| {
            Ok::<_, StoreError>((
                rows::list_checkpoints(reader, log, 1)?.pop(),
                rows::size(reader, log)?,
            ))
        })
        .await
        .map_err(|error: StoreError| AuditFailure::from(error))?;
    if let (Some((size, note, at)), total) = newest
        && size >= least
        && (size == total || now - at < FRESH_MS)
    {
        return Ok((size, note));
    }
    let signer = signer(service.keys(), log).ok_or(Failure::Internal("the log's name"))?;
    service
        .store()
        .write("audit.sign", move |tx: &mut Tx| {
            let size = rows::size(tx, log)?;
            if let Some(note) = rows::lookup_checkpoint(tx, log, size)? {
                return Ok((size, note));
            }
            let root = rows::root(tx, log, size)?;
            let checkpoint = Checkpoint {
                origin: signer.name().to_owned(),
                size,
                root,
            };
            let note = sign_checkpoint(&checkpoint, &signer)
                .map_err(|_| Failure::Internal("signing a checkpoint"))?;
            rows::insert_checkpoint(tx, log, size, &note, now)?;
            Ok((size, note))
        })
        .await
}

/// Who signs a log's checkpoints: its name is the log's origin.
fn signer(keys: &ServerKeys, log: Log) -> Option<NoteSigner> {
    let name = format!("{}/{}", keys.origin, log.name());
    let purpose = match log {
        Log::Trail => "checkpoint/trail",
        Log::Keys => "checkpoint/keys",
    };
    let seed = chartkey_crypto::derive(&keys.checkpoint_seed, purpose, &[]);
    NoteSigner::new(&name, NoteKind::Ed25519, SigningKey::from_secret(&seed)).ok()
}

/// What verifies a log's checkpoints.
pub fn verifier(service: &Service, log: Log) -> Option<NoteVerifier> {
    signer(service.keys(), log).map(|signer| signer.verifier())
}

/// That the log of `to` entries continues the log of `from` entries.
///
/// # Errors
/// [`TrailError::SizeUnknown`].
pub async fn prove_consistency(
    service: &Service,
    log: Log,
    from: u64,
    to: u64,
) -> Result<Vec<Hash>, AuditFailure> {
    service
        .store()
        .read("audit.consistency", move |reader| {
            if from > to || to > rows::size(reader, log)? {
                return Err(TrailError::SizeUnknown.into());
            }
            Ok(rows::prove_consistency(reader, log, from, to)?)
        })
        .await
}

/// Checks both logs whole, row by row, and every checkpoint ever signed.
///
/// # Errors
/// The first entry that is wrong, or the database's.
pub async fn verify_all(service: &Service) -> Result<Vec<VerifiedLog>, VerifyError> {
    let verifiers = Log::ALL.map(|log| verifier(service, log));
    service
        .store()
        .read_long("audit.verify", move |reader| {
            Log::ALL
                .into_iter()
                .zip(verifiers)
                .map(|(log, verifier)| rows::verify_whole(reader, log, verifier.as_ref(), |_| {}))
                .collect()
        })
        .await
}
