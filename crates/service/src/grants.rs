//! Grants as the sealed protocol moves them: made, changed, ended, listed.
//! The server holds the signed statement against what was asked, and against
//! who covers what; it cannot open the keyring it stores.

use chartkey_crypto::seal::KemPublic;
use chartkey_crypto::sign::VerifyKey;
use chartkey_domain::grants::{EndReason, GrantStatus, NewTerms, Purpose};
use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId, RequestId};
use chartkey_domain::policy::{self, Action, Permit, Refusal, Target};
use chartkey_domain::quotas::Quota;
use chartkey_domain::trail::{NewEntry, TrailAction};
use chartkey_store::accounts::AccountRow;
use chartkey_store::grants::{self, GrantRow, GrantSeals};
use chartkey_store::patients::{self, PatientRow};
use chartkey_store::{Reader, StoreError, Tx, accounts, batches, records};
use chartkey_vault::bytes::Bytes32;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{GrantChange, SealedGrant, WriteOutcome};
use chartkey_vault::statement::{
    GrantTerms, HolderKind, PatientSays, account_fingerprint, holder_hash, sealed_to_account,
};
use jiff::Timestamp;

use crate::idempotency::Once;
use crate::patients::{
    MAX_COVER_BYTES, MAX_KEYRING_BYTES, append_reshare, append_statement, check_size,
    current_epoch, facts, grant_facts, moved, permit,
};
use crate::{Caller, Failure, NounError, Service, events, requests, trail};

/// Errors of this noun.
pub use chartkey_domain::grants::GrantError;

/// How a grants use case fails.
pub type GrantFailure = Failure<GrantError>;

impl NounError for GrantError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::ExpiryPast | Self::ExpiryFar | Self::ExpiryMalformed => Some("expiry_date"),
            Self::PeriodEmpty => Some("valid_from"),
            Self::Empty => Some("record_types"),
            Self::TooManyRecords => Some("record_ids"),
            Self::HolderUnknown => Some("provider_id"),
            Self::NothingToTake => Some("allow_download"),
            Self::Unknown | Self::Ended | Self::Unadopted | Self::Stale => None,
        }
    }
}

/// `POST /api/sharing/grant` sealed: stores a grant to an account.
pub async fn create_grant(
    service: &Service,
    caller: &Caller,
    sealed: SealedGrant,
) -> Result<(GrantRow, WriteOutcome), GrantFailure> {
    create_grant_for(service, caller, sealed, None, None).await
}

/// [`create_grant`] as the answer to a request, or once.
///
/// # Errors
/// The policy's; a conflict where the state moved on; a request that is not
/// the holder's, or was answered.
pub async fn create_grant_for(
    service: &Service,
    caller: &Caller,
    sealed: SealedGrant,
    request: Option<RequestId>,
    once: Option<Once>,
) -> Result<(GrantRow, WriteOutcome), GrantFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    service
        .store()
        .write("grant.create", move |tx| {
            let patient = PatientId(sealed.patient);
            let (row, permit) =
                permit::<GrantError>(tx, &asking, Action::CreateGrant, patient, now)?;
            let making = Making::By(HolderKind::Account);
            let grant = take_grant(tx, &row, &permit, &sealed, making, now)?;
            if let Some(request) = request {
                answer(tx, &asking, request, &grant, now, &mut rng)?;
            }
            if let Some(once) = once {
                once.keep(tx, 201, vec![grant.id.0], now)?;
            }
            let entry = NewEntry::under(TrailAction::GrantCreate, now, &permit)
                .grant(grant.id)
                .types(
                    grant
                        .types
                        .iter()
                        .chain(&grant.write_types)
                        .copied()
                        .collect(),
                );
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            tell_both(tx, &grant, TrailAction::GrantCreate, now)?;
            let grants_version = patients::bump_version(tx, patient)?;
            Ok((
                grant,
                WriteOutcome {
                    grants_version,
                    leaf_index,
                },
            ))
        })
        .await
}

/// Notes that a grant answers a request of its holder's.
fn answer(
    tx: &mut Tx,
    caller: &Caller,
    request: RequestId,
    grant: &GrantRow,
    now: Timestamp,
    rng: &mut (impl rand_core::CryptoRng + ?Sized),
) -> Result<(), GrantFailure> {
    let (row, permit) =
        requests::permit_answer(tx, caller, request, now).map_err(|f| f.map(closed))?;
    let asked = requests::asked_terms(&row, now);
    let given = NewTerms {
        types: grant.types.iter().copied().collect(),
        kinds: grant.kinds,
        records: match grant.by_records {
            true => Some(grants::list_records(tx, grant.id)?),
            false => None,
        },
        write_types: grant.write_types.iter().copied().collect(),
        valid_from: grant.valid_from,
        expires_at: grant.expires_at,
        may_download: grant.may_download,
        may_reshare: grant.may_reshare,
    };
    let fits = chartkey_domain::requests::is_within(&given, &asked);
    let holder = row.beneficiary.unwrap_or(row.asker);
    if Some(holder) != grant.holder || row.patient != grant.patient || !fits {
        return Err(VaultError::Input("not what the request asks for").into());
    }
    requests::take_answer(tx, caller, &row, &permit, Some(grant.id), now, rng)
        .map_err(|f| f.map(closed))
}

/// A request that has its answer has its grant.
const fn closed(_: requests::RequestError) -> GrantError {
    GrantError::Ended
}

/// Who makes a grant.
#[derive(Clone, Copy)]
pub(crate) enum Making<'a> {
    /// Whoever manages the record, to an account or a link.
    By(HolderKind),
    /// Whoever holds a grant passes a record on: the parent, and the key that its
    /// terms name.
    Under(GrantId, &'a VerifyKey),
}

impl Making<'_> {
    const fn holder_kind(self) -> HolderKind {
        match self {
            Self::By(kind) => kind,
            Self::Under(..) => HolderKind::Account,
        }
    }
}

/// Checks a sealed grant against its signed terms and the state it was made
/// for, and stores it. Links come through here too.
pub(crate) fn take_grant(
    tx: &mut Tx,
    row: &PatientRow,
    permit: &Permit,
    sealed: &SealedGrant,
    making: Making<'_>,
    now: Timestamp,
) -> Result<GrantRow, GrantFailure> {
    let kind = making.holder_kind();
    if row.grants_version != sealed.grants_version {
        return Err(moved().map(never));
    }
    Quota::Grants.check(grants::count_living(tx, row.id, now)?)?;
    let statement = match making {
        Making::By(_) => append_statement(tx, row.id, &sealed.statement, now),
        Making::Under(_, key) => append_reshare(tx, row.id, &sealed.statement, key, now),
    };
    let statement = statement.map_err(|f| f.map(never))?;
    let PatientSays::Grant(terms) = statement.says else {
        return Err(VaultError::Statement("not about a grant").into());
    };
    let under = match making {
        Making::By(_) => None,
        Making::Under(parent, _) => Some(parent.0),
    };
    if terms.parent != under {
        return Err(VaultError::Statement("passed on under another grant").into());
    }
    check_terms(row, &terms, kind, now)?;
    let holder = match kind {
        HolderKind::Account => Some(check_holder(tx, &terms, sealed)?),
        HolderKind::Link => None,
    };
    let records = check_reach(tx, row, &terms, now)?;
    check_size(&sealed.keyring, MAX_KEYRING_BYTES, "keyring")?;
    check_size(&sealed.cover, MAX_COVER_BYTES, "cover")?;
    check_size(&sealed.cover_wrap, MAX_COVER_BYTES, "cover_wrap")?;
    let created_by = permit.account().ok_or(Refusal::Unauthenticated)?;
    let grant = GrantRow {
        id: GrantId(terms.grant),
        patient: row.id,
        generation: terms.generation,
        statement_seq: statement.seq,
        holder,
        salt: sealed.salt.0,
        types: terms.types.clone(),
        kinds: terms.kinds,
        by_records: terms.records.is_some(),
        valid_from: terms.valid_from,
        expires_at: terms.expires_at,
        purpose: terms.purpose.clone(),
        may_download: terms.may_download,
        write_types: terms.write_types.clone(),
        may_reshare: terms.may_reshare,
        parent: terms.parent.map(GrantId),
        created_by,
        created_at: now,
        updated_at: now,
        ended_at: None,
        ended_reason: None,
        access_count: 0,
        download_count: 0,
        last_accessed: None,
        last_downloaded: None,
    };
    let seals = GrantSeals {
        keyring: sealed.keyring.0.clone(),
        cover: sealed.cover.0.clone(),
        cover_wrap: sealed.cover_wrap.0.clone(),
    };
    let holds: Vec<_> = terms
        .holds
        .iter()
        .map(|(c, e)| (*c, e.generation, e.n))
        .collect();
    let key = terms.grant_key.as_bytes();
    match grants::insert(tx, &grant, key, &seals, &holds, &records) {
        Err(StoreError::Unique { .. }) => {
            return Err(Failure::field(
                "grant",
                "this id, or a record in it, is there twice",
            ));
        }
        other => other?,
    }
    Ok(grant)
}

/// Errors of records that cannot come out of these checks, or that mean the
/// same for a grant.
pub(crate) fn never(error: chartkey_domain::records::RecordError) -> GrantError {
    match error {
        chartkey_domain::records::RecordError::CompartmentMoved => GrantError::Stale,
        _ => GrantError::Unknown,
    }
}

fn check_terms(
    row: &PatientRow,
    terms: &GrantTerms,
    kind: HolderKind,
    now: Timestamp,
) -> Result<(), GrantFailure> {
    if terms.generation != row.generation {
        return Err(moved().map(never));
    }
    if terms.holder_kind != kind {
        return Err(VaultError::Statement("for another kind of holder").into());
    }
    if terms.reshare_key.is_some() && !terms.may_reshare {
        return Err(VaultError::Statement("a key for what is not permitted").into());
    }
    // The purpose stands in the clear: free words belong into the cover.
    if Purpose::from_code(&terms.purpose).is_none() {
        return Err(VaultError::Statement("a purpose that is not coded").into());
    }
    NewTerms {
        types: terms.types.iter().copied().collect(),
        kinds: terms.kinds,
        records: terms
            .records
            .as_ref()
            .map(|r| r.iter().map(|id| RecordId(*id)).collect()),
        write_types: terms.write_types.iter().copied().collect(),
        valid_from: terms.valid_from,
        expires_at: terms.expires_at,
        may_download: terms.may_download,
        may_reshare: terms.may_reshare,
    }
    .check(now)?;
    Ok(())
}

fn check_holder(
    tx: &mut Tx,
    terms: &GrantTerms,
    sealed: &SealedGrant,
) -> Result<AccountId, GrantFailure> {
    let account = AccountId(sealed.holder);
    let known = accounts::lookup(tx, account)?.ok_or(GrantError::HolderUnknown)?;
    let met = fingerprint(&known).filter(|_| known.status != "disabled" && known.kind != "admin");
    let met = met.ok_or(GrantError::HolderUnknown)?;
    if holder_hash(&sealed.salt, sealed.holder, &terms.sealed_to) != terms.holder_hash {
        return Err(VaultError::Statement("names another holder").into());
    }
    if sealed_to_account(&sealed.salt, &met) != terms.sealed_to {
        // The holder has other keys by now: look again.
        return Err(moved().map(never));
    }
    Ok(account)
}

/// The fingerprint of the keys that an account has now, if it has some.
fn fingerprint(account: &AccountRow) -> Option<Bytes32> {
    let kem = KemPublic::from_bytes(account.kem_public.as_deref()?).ok()?;
    let sign = <[u8; 32]>::try_from(account.sign_public.as_deref()?).ok()?;
    Some(account_fingerprint(
        &kem,
        &VerifyKey::from_bytes(&sign).ok()?,
    ))
}

/// What is covered must be fresh and adopted, and what is held current.
fn check_reach(
    tx: &mut Tx,
    row: &PatientRow,
    terms: &GrantTerms,
    now: Timestamp,
) -> Result<Vec<RecordId>, GrantFailure> {
    for (compartment, epoch) in &terms.holds {
        let current = current_epoch(tx, row, *compartment)?;
        let stale = patients::is_stale(tx, row.id, *compartment, current, now)?;
        if stale || (epoch.generation, epoch.n) != current || !terms.covers(*compartment) {
            return Err(moved().map(never));
        }
    }
    let Some(records) = &terms.records else {
        for compartment in patients::list_compartments(tx, row.id)? {
            if !terms.covers(compartment) {
                continue;
            }
            if !terms.holds.iter().any(|(c, _)| *c == compartment)
                || batches::count_unadopted(tx, row.id, Some(compartment))? > 0
            {
                return Err(moved().map(never));
            }
        }
        return Ok(Vec::new());
    };
    let mut named = Vec::with_capacity(records.len());
    for id in records {
        let record = records::lookup(tx, RecordId(*id))?
            .filter(|r| r.patient == row.id && r.deleted_at.is_none())
            .ok_or_else(|| Failure::<GrantError>::field("record_ids", "no such record"))?;
        if !terms.types.contains(&record.compartment.record_type)
            || !record.compartment.kinds.is_subset_of(terms.kinds)
        {
            return Err(Failure::field(
                "record_ids",
                "a record outside the types and kinds",
            ));
        }
        named.push(record.id);
    }
    Ok(named)
}

/// Loads a grant with its patient and asks the policy.
pub(crate) fn permit_grant(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    grant: GrantId,
    now: Timestamp,
) -> Result<(PatientRow, GrantRow, Permit), GrantFailure> {
    let hidden =
        || crate::patients::unauthenticated_first(caller, Refusal::Unknown(policy::Noun::Grant));
    let row = grants::lookup(db, grant)?.ok_or_else(hidden)?;
    let (patient, about) = facts(db, row.patient, caller.account_id())?.ok_or_else(hidden)?;
    let target = grant_facts(db, &row)?;
    let permit = policy::permit(&caller.who, action, &Target::Grant(&about, &target), now)?;
    Ok((patient, row, permit))
}

/// `PUT /api/sharing/{id}/revoke`: ends a grant now, to an account or to
/// whoever has a link. The signed `end` comes along where the client could
/// sign; without it the server's word ends the grant all the same.
pub async fn end_grant(
    service: &Service,
    caller: &Caller,
    grant: GrantId,
    change: Option<GrantChange>,
) -> Result<(GrantRow, WriteOutcome), GrantFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .write("grant.revoke", move |tx| {
            let is_link = grants::lookup(tx, grant)?.is_some_and(|g| g.holder.is_none());
            let (action, logged) = match is_link {
                true => (Action::RevokeShare, TrailAction::ShareRevoke),
                false => (Action::RevokeGrant, TrailAction::GrantRevoke),
            };
            let (patient, row, permit) = permit_grant(tx, &asking, action, grant, now)?;
            let signed = change.is_some();
            if let Some(change) = change {
                take_end(tx, &patient, grant, &change, now)?;
            }
            // What is past its time has expired, whether a job has said so or not.
            let over = row.expires_at <= now;
            let reason = if over {
                EndReason::Expired
            } else {
                EndReason::Revoked
            };
            let first = grants::end(tx, grant, reason.as_str(), now)?;
            if first && !over {
                crate::shares::queue_ended(tx, &this, &row, now, &mut rng)?;
            }
            let grants_version = if first || signed {
                patients::bump_version(tx, patient.id)?
            } else {
                patient.grants_version
            };
            let entry = NewEntry::under(logged, now, &permit).grant(grant);
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            tell_both(tx, &row, logged, now)?;
            let row = grants::lookup(tx, grant)?.unwrap_or(row);
            Ok((
                row,
                WriteOutcome {
                    grants_version,
                    leaf_index,
                },
            ))
        })
        .await
}

/// Lets open screens of managers and holder know.
fn tell_both(
    tx: &mut Tx,
    grant: &GrantRow,
    action: TrailAction,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut accounts = patients::list_managers(tx, grant.patient)?;
    accounts.extend(grant.holder);
    events::tell(tx, accounts, action.as_str(), grant.id.0, now)
}

fn take_end(
    tx: &mut Tx,
    patient: &PatientRow,
    grant: GrantId,
    change: &GrantChange,
    now: Timestamp,
) -> Result<(), GrantFailure> {
    let statement =
        append_statement(tx, patient.id, &change.statement, now).map_err(|f| f.map(never))?;
    match statement.says {
        PatientSays::End { grant: named } if named == grant.0 => Ok(()),
        _ => Err(VaultError::Statement("not the end of this grant").into()),
    }
}

/// `PATCH /api/records/share/{id}`: lengthens or shortens a grant that lives.
pub async fn change_terms(
    service: &Service,
    caller: &Caller,
    grant: GrantId,
    change: GrantChange,
) -> Result<(GrantRow, WriteOutcome), GrantFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    service
        .store()
        .write("grant.change", move |tx| {
            let (patient, row, permit) =
                permit_grant(tx, &asking, Action::UpdateShare, grant, now)?;
            if row.ended_at.is_some() || row.expires_at <= now {
                return Err(GrantError::Ended.into());
            }
            let statement = append_statement(tx, patient.id, &change.statement, now)
                .map_err(|f| f.map(never))?;
            let PatientSays::Terms {
                grant: named,
                expires_at,
            } = statement.says
            else {
                return Err(VaultError::Statement("not the terms of a grant").into());
            };
            if named != grant.0 {
                return Err(VaultError::Statement("about another grant").into());
            }
            chartkey_domain::grants::check_period(row.valid_from, expires_at, now)?;
            grants::update_expiry(tx, grant, expires_at, now)?;
            let entry = NewEntry::under(TrailAction::GrantChange, now, &permit).grant(grant);
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            tell_both(tx, &row, TrailAction::GrantChange, now)?;
            let grants_version = patients::bump_version(tx, patient.id)?;
            let row = grants::lookup(tx, grant)?.unwrap_or(row);
            Ok((
                row,
                WriteOutcome {
                    grants_version,
                    leaf_index,
                },
            ))
        })
        .await
}

/// A grant as lists show it.
#[derive(Debug, Clone)]
pub struct Permission {
    /// The grant.
    pub grant: GrantRow,
    /// What it is now.
    pub status: GrantStatus,
    /// Single records, where it names some.
    pub records: Vec<RecordId>,
    /// Name of the account that holds it, protected.
    pub holder_name: Option<Vec<u8>>,
    /// Name of the patient, protected.
    pub patient_name: Option<Vec<u8>>,
    /// Name of whoever passed it on, protected; none for what managers gave.
    pub sharer_name: Option<Vec<u8>>,
}

/// `GET /api/sharing/permissions`: a patient's grants to accounts, or those a
/// provider holds; only active ones unless `all`.
pub async fn list_permissions(
    service: &Service,
    caller: &Caller,
    all: bool,
) -> Result<Vec<Permission>, GrantFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("grant.list", move |db| {
            let account = asking.account()?.id;
            policy::permit(
                &asking.who,
                Action::ListPermissions,
                &Target::Account(account),
                now,
            )?;
            let mut rows = grants::list_held(db, account)?;
            for patient in patients::list_managed(db, account)? {
                let of_patient = grants::list_of_patient(db, patient.id)?;
                rows.extend(of_patient.into_iter().filter(|g| g.holder.is_some()));
            }
            let mut found = Vec::with_capacity(rows.len());
            for row in rows {
                let permission = permission(db, row, now)?;
                if all || permission.status == GrantStatus::Active {
                    found.push(permission);
                }
            }
            Ok(found)
        })
        .await
}

/// One grant, for whoever manages the record or holds it; of a link only what
/// it has in common with grants to accounts.
///
/// # Errors
/// 404 for everybody else.
pub async fn find_permission(
    service: &Service,
    caller: &Caller,
    id: GrantId,
) -> Result<Permission, GrantFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("grant.list", move |db| {
            let account = asking.account()?.id;
            let unknown = || Refusal::Unknown(policy::Noun::Grant);
            let row = grants::lookup(db, id)?.ok_or_else(unknown)?;
            let manages = patients::list_managers(db, row.patient)?.contains(&account);
            let passed_on = row.parent.is_some() && row.created_by == account;
            if !manages && !passed_on && row.holder != Some(account) {
                return Err(unknown().into());
            }
            Ok(permission(db, row, now)?)
        })
        .await
}

fn permission(db: &mut Reader, row: GrantRow, now: Timestamp) -> Result<Permission, StoreError> {
    let about = grant_facts(db, &row)?;
    let holder_name = match row.holder {
        Some(holder) => accounts::lookup(db, holder)?.map(|a| a.name_p),
        None => None,
    };
    let sharer_name = match row.parent {
        Some(_) => accounts::lookup(db, row.created_by)?.map(|a| a.name_p),
        None => None,
    };
    Ok(Permission {
        sharer_name,
        status: about.status(now),
        records: about.records.clone().unwrap_or_default(),
        holder_name,
        patient_name: patients::lookup_name(db, row.patient)?,
        grant: row,
    })
}

/// Ends what is past its time, a bounded number, as a job does every minute:
/// keyrings and direct envelopes go, and the trail says so.
pub async fn sweep_expired(service: &Service) -> Result<usize, GrantFailure> {
    let now = service.now();
    let mut rng = service.rng();
    service
        .store()
        .write("grant.expire", move |tx| {
            let due = grants::list_expired(tx, now, 200)?;
            for grant in &due {
                crate::patients::end_grant(tx, grant.id, grant.patient, EndReason::Expired, now)?;
                let action = if grant.holder.is_some() {
                    TrailAction::GrantExpire
                } else {
                    TrailAction::ShareExpire
                };
                let entry = NewEntry::new(action, now, chartkey_domain::trail::TrailActor::System)
                    .patient(grant.patient)
                    .grant(grant.id);
                trail::append(tx, entry, &mut rng)?;
                tell_both(tx, grant, action, now)?;
            }
            Ok(due.len())
        })
        .await
}
