//! Single documents that practitioners pass on to each other: by whoever manages
//! the record as a grant, under a grant that allows re-sharing as a re-share, else
//! as a request to the patient. The patient sees and ends all of them.

use chartkey_domain::accounts::{AccountKind, Email, Verification};
use chartkey_domain::grants::{GrantStatus, Purpose};
use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId, RequestId};
use chartkey_domain::policy::{Action, Noun, Permit, Refusal};
use chartkey_domain::records::{RecordFacts, RecordTypes};
use chartkey_domain::requests::RequestStatus;
use chartkey_domain::trail::{NewEntry, TrailAction};
use chartkey_store::grants::{self as rows, GrantRow};
use chartkey_store::{Reader, StoreError, accounts, patients, records as record_rows, requests};
use chartkey_vault::chain::Chain;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{SealedGrant, ServerEnd, WriteOutcome};
use chartkey_vault::statement::PatientSays;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::grants::{GrantError, GrantFailure, Making, never, take_grant};
use crate::idempotency::Once;
use crate::patients::{grant_facts, moved, permit, signed};
use crate::records::{permit_record, record_facts};
use crate::requests::{NewRequest, PassOn, RequestFailure, create_request};
use crate::{Caller, Failure, Service, events, shares, trail};

/// What for, where nothing else is said.
pub(crate) const PURPOSE: &str = "treatment";

/// How the caller may pass a document on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// They manage the record: by a grant.
    Grant,
    /// A grant of theirs allows it: by a re-share.
    Reshare,
    /// By asking the patient.
    Ask,
}

/// A document that the caller may pass on, or ask to.
#[derive(Clone, Copy, Debug)]
pub struct Sharable {
    /// Whose record it is of.
    pub patient: PatientId,
    /// Where it lies, and who wrote it.
    pub record: RecordFacts,
    /// How.
    pub way: Way,
}

/// A document that is to be passed on.
pub struct NewPassing {
    /// Which.
    pub record: RecordId,
    /// To whom.
    pub to: AccountId,
    /// Until when.
    pub expires_at: Timestamp,
    /// What is said: to whom it is passed on, or to the patient who is asked.
    pub message: Option<Zeroizing<String>>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedOn {
    /// It is shared.
    Shared(GrantId),
    /// The patient is asked.
    Asked(RequestId),
}

/// Asks the patient to share a document with somebody: needs no key.
///
/// # Errors
/// The policy's; as many wait with the patient as may.
pub async fn ask_to_share(
    service: &Service,
    caller: &Caller,
    found: &Sharable,
    new: NewPassing,
    once: Option<Once>,
) -> Result<PassedOn, RequestFailure> {
    let request = NewRequest {
        patient: found.patient,
        types: RecordTypes::of(found.record.compartment.record_type),
        kinds: found.record.compartment.kinds,
        write_types: RecordTypes::EMPTY,
        purpose: PURPOSE.to_owned(),
        message: new.message,
        until: Some(new.expires_at),
        pass_on: Some(PassOn {
            record: new.record,
            to: new.to,
        }),
    };
    let made = create_request(service, caller, request, once).await?;
    Ok(PassedOn::Asked(made.row.id))
}

/// Whether, and how, the caller may pass a document on.
///
/// # Errors
/// The policy's: its source, and whoever manages the record.
pub async fn find_way(
    service: &Service,
    caller: &Caller,
    record: RecordId,
) -> Result<Sharable, GrantFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("document.share", move |db| {
            let action = Action::ShareDocument;
            let permit =
                permit_record(db, &asking, action, record, now).map_err(|f| f.map(never))?;
            way(db, &permit, record, now)
        })
        .await
}

fn way(
    db: &mut Reader,
    permit: &Permit,
    record: RecordId,
    now: Timestamp,
) -> Result<Sharable, GrantFailure> {
    let row = record_rows::lookup(db, record)?.ok_or(Refusal::Unknown(Noun::Record))?;
    let record = record_facts(&row);
    let way = if permit.is_managers() {
        Way::Grant
    } else if parent_of(db, permit, &record, now)?.is_some() {
        Way::Reshare
    } else {
        Way::Ask
    };
    Ok(Sharable {
        patient: row.patient,
        record,
        way,
    })
}

/// The living grant of the caller's under which they may pass a record on.
fn parent_of(
    db: &mut Reader,
    permit: &Permit,
    record: &RecordFacts,
    now: Timestamp,
) -> Result<Option<GrantRow>, StoreError> {
    let Some(account) = permit.account() else {
        return Ok(None);
    };
    let mut found: Option<GrantRow> = None;
    for grant in rows::list_held_on(db, permit.patient(), account)? {
        let facts = grant_facts(db, &grant)?;
        let may = grant.may_reshare
            && facts.status(now) == GrantStatus::Active
            && facts.coverage().covers_record(record);
        if may
            && found
                .as_ref()
                .is_none_or(|f| f.expires_at < grant.expires_at)
        {
            found = Some(grant);
        }
    }
    Ok(found)
}

/// Whom a document is passed on to: a verified provider, by id or by address.
///
/// # Errors
/// [`GrantError::HolderUnknown`], for anybody else alike.
pub async fn find_practitioner(
    service: &Service,
    caller: &Caller,
    id: Option<AccountId>,
    email: Option<&str>,
) -> Result<AccountId, GrantFailure> {
    let me = caller.account()?.id;
    let unknown = || Failure::Noun(GrantError::HolderUnknown);
    let hash = match (id, email) {
        (Some(_), None) => None,
        (None, Some(typed)) => {
            let email =
                Email::parse(typed).map_err(|error| Failure::field("email", &error.to_string()))?;
            Some(service.protect().email_hash(&email))
        }
        _ => {
            let said = "either this or `email`";
            return Err(Failure::field("practitioner_id", said));
        }
    };
    service
        .store()
        .read("document.practitioner", move |db| {
            let found = match (id, hash) {
                (Some(id), _) => accounts::lookup(db, id)?.into_iter().collect(),
                (None, Some(hash)) => accounts::list_by_email(db, &hash)?,
                (None, None) => Vec::new(),
            };
            let verified = Verification::Verified.as_str();
            found
                .into_iter()
                .find(|row| {
                    row.kind == AccountKind::Provider.as_str()
                        && row.verification == verified
                        && row.status != "disabled"
                        && row.kem_public.is_some()
                        && row.id != me
                })
                .map(|row| row.id)
                .ok_or_else(unknown)
        })
        .await
}

/// `POST /api/v1/documents/{id}/share` sealed: a grant of that one document by
/// whoever manages the record, or a re-share by its source.
///
/// # Errors
/// The policy's; [`Refusal::ManagersOnly`] where no grant allows re-sharing; a
/// conflict where the record moved on.
pub async fn share_document(
    service: &Service,
    caller: &Caller,
    record: RecordId,
    sealed: SealedGrant,
    once: Option<Once>,
) -> Result<(GrantRow, WriteOutcome), GrantFailure> {
    let sharable = find_way(service, caller, record).await?;
    if PatientId(sealed.patient) != sharable.patient {
        return Err(VaultError::Statement("about another patient").into());
    }
    let PatientSays::Grant(terms) = sealed.statement.patient_statement()?.says else {
        return Err(VaultError::Statement("not about a grant").into());
    };
    if terms.records.as_deref() != Some([record.0].as_slice()) {
        return Err(VaultError::Statement("about another document").into());
    }
    match sharable.way {
        Way::Grant => crate::grants::create_grant_for(service, caller, sealed, None, once).await,
        Way::Reshare => reshare(service, caller, record, sealed, once).await,
        Way::Ask => Err(Refusal::ManagersOnly.into()),
    }
}

/// The chain as it stands, and what the server ended.
async fn chain(service: &Service, patient: PatientId) -> Result<Chain, GrantFailure> {
    service
        .store()
        .read("document.chain", move |db| {
            let statements = patients::list_statements(db, patient)?
                .into_iter()
                .map(signed)
                .collect::<Result<Vec<_>, StoreError>>()?;
            let mut chain = Chain::verify(patient.0, &statements, None)?;
            let ended: Vec<ServerEnd> = rows::list_of_patient(db, patient)?
                .into_iter()
                .filter_map(|g| g.ended_at.map(|at| ServerEnd { grant: g.id.0, at }))
                .collect();
            chain.note_ended(&ended);
            Ok(chain)
        })
        .await
}

/// Stores what somebody who is no manager signed into the patient's chain: checked
/// as every reader of the chain will check it, so that nobody can make it
/// unreadable.
async fn reshare(
    service: &Service,
    caller: &Caller,
    record: RecordId,
    sealed: SealedGrant,
    once: Option<Once>,
) -> Result<(GrantRow, WriteOutcome), GrantFailure> {
    let now = service.now();
    let mut chain = chain(service, PatientId(sealed.patient)).await?;
    let (read, head) = (sealed.statement.patient_statement()?, chain.head());
    if read.prev != Some(head.hash) {
        return Err(moved().map(never));
    }
    let PatientSays::Grant(terms) = &read.says else {
        return Err(VaultError::Statement("not about a grant").into());
    };
    let (parent, key) = terms
        .parent
        .and_then(|id| Some((id, chain.grant(id)?.terms.reshare_key?)))
        .ok_or(VaultError::Statement("re-shares nothing that lives"))?;
    if read.at
        > now
            .checked_add(jiff::SignedDuration::from_mins(5))
            .unwrap_or(now)
    {
        return Err(VaultError::Statement("made in the future").into());
    }
    chain.extend(&sealed.statement)?;
    let (asking, mut rng) = (caller.clone(), service.rng());
    service
        .store()
        .write("document.share", move |tx| {
            let action = Action::ShareDocument;
            let permit =
                permit_record(tx, &asking, action, record, now).map_err(|f| f.map(never))?;
            let facts = way(tx, &permit, record, now)?.record;
            let held = parent_of(tx, &permit, &facts, now)?;
            if held.is_none_or(|held| held.id.0 != parent) {
                return Err(Refusal::ManagersOnly.into());
            }
            let row = patients::lookup(tx, permit.patient())?
                .ok_or(Failure::Internal("a record without a patient"))?;
            let making = Making::Under(GrantId(parent), &key);
            let grant = take_grant(tx, &row, &permit, &sealed, making, now)?;
            if let Some(once) = once {
                once.keep(tx, 201, vec![grant.id.0], now)?;
            }
            let entry = NewEntry::under(TrailAction::DocumentShare, now, &permit)
                .grant(grant.id)
                .types(grant.types.iter().copied().collect());
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            let mut told = patients::list_managers(tx, row.id)?;
            told.extend(grant.holder);
            let kind = TrailAction::DocumentShare.as_str();
            events::tell(tx, told, kind, grant.id.0, now)?;
            let grants_version = patients::bump_version(tx, row.id)?;
            let outcome = WriteOutcome {
                grants_version,
                leaf_index,
            };
            Ok((grant, outcome))
        })
        .await
}

/// Which way a document went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// To the caller.
    Received,
    /// By the caller, to somebody else.
    Given,
}

/// A document that was passed on, or that somebody asked to pass on.
#[derive(Clone, Debug)]
pub struct SharedDocument {
    /// Which.
    pub record: RecordId,
    /// Its type.
    pub types: RecordTypes,
    /// To the caller, or by them.
    pub passed: Passed,
    /// By which grant.
    pub grant: Option<GrantId>,
    /// By which request.
    pub request: Option<RequestId>,
    /// The other side: who gave it, or who has it.
    pub other: AccountId,
    /// Their name.
    pub other_name: String,
    /// `active`, `scheduled`, `suspended`, `ended`, or as the request stands.
    pub status: &'static str,
    /// Coded purpose of use.
    pub purpose: Option<Purpose>,
    /// When.
    pub shared_at: Timestamp,
    /// Until when.
    pub expires_at: Option<Timestamp>,
}

/// `GET /api/v1/patients/{id}/shared-documents`: single documents shared with the
/// caller, and those that the caller shared or asked to, newest first.
///
/// # Errors
/// The policy's.
pub async fn list_shared_documents(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Vec<SharedDocument>, GrantFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("document.shared", move |db| {
            let account = asking.account()?.id;
            let action = Action::ListSharedDocuments;
            permit::<GrantError>(db, &asking, action, patient, now)?;
            let mut found = Vec::new();
            for grant in rows::list_single(db, patient, account)? {
                of_grant(db, &this, account, &grant, now, &mut found)?;
            }
            for row in requests::list_of_asker(db, account, 500)? {
                let asked = RequestStatus::parse(&row.status).map(|s| s.at(row.created_at, now));
                let (Some(record), Some(to)) = (row.record, row.beneficiary) else {
                    continue;
                };
                if row.patient != patient || row.grant.is_some() {
                    continue;
                }
                found.push(SharedDocument {
                    record,
                    types: row.types.iter().copied().collect(),
                    passed: Passed::Given,
                    grant: None,
                    request: Some(row.id),
                    other: to,
                    other_name: name(db, &this, to)?,
                    status: match asked {
                        Some(RequestStatus::Pending) | None => "asked",
                        Some(RequestStatus::Approved) => "active",
                        Some(RequestStatus::Denied) => "denied",
                        Some(RequestStatus::Expired) => "expired",
                    },
                    purpose: Purpose::from_code(&row.purpose),
                    shared_at: row.created_at,
                    expires_at: row.wanted_until,
                });
            }
            found.sort_by_key(|one| std::cmp::Reverse((one.shared_at, one.record)));
            Ok(found)
        })
        .await
}

fn of_grant(
    db: &mut Reader,
    service: &Service,
    account: AccountId,
    grant: &GrantRow,
    now: Timestamp,
    found: &mut Vec<SharedDocument>,
) -> Result<(), GrantFailure> {
    let facts = grant_facts(db, grant)?;
    let (passed, other) = match grant.holder {
        Some(holder) if holder != account => (Passed::Given, holder),
        _ => (Passed::Received, grant.created_by),
    };
    let other_name = name(db, service, other)?;
    for record in facts.records.clone().unwrap_or_default() {
        let row = record_rows::lookup(db, record)?;
        let Some(row) = row.filter(|r| r.deleted_at.is_none()) else {
            continue;
        };
        found.push(SharedDocument {
            record,
            types: RecordTypes::of(row.compartment.record_type),
            passed,
            grant: Some(grant.id),
            request: None,
            other,
            other_name: other_name.clone(),
            status: facts.status(now).as_str(),
            purpose: Purpose::from_code(&grant.purpose),
            shared_at: grant.created_at,
            expires_at: Some(grant.expires_at),
        });
    }
    Ok(())
}

fn name(db: &mut Reader, service: &Service, account: AccountId) -> Result<String, GrantFailure> {
    let found = shares::account_name(db, service, account);
    Ok(found
        .map_err(|failure| failure.map(|_| GrantError::Unknown))?
        .unwrap_or_default())
}
