//! The rules: one match over what is asked and about what. What it does not name
//! is refused.

use jiff::Timestamp;

use crate::accounts::{AccountKind, Verification};
use crate::grants::{GrantFacts, Holder};
use crate::ids::AccountId;
use crate::policy::facts::{
    AccountFacts, Caller, ChartFacts, ClaimFacts, EntryFacts, PatientFacts, Target,
};
use crate::policy::permit::{Actor, Permit, Scope, Within};
use crate::policy::refusal::{Noun, Refusal};
use crate::policy::standing::{
    Holdings, Standing, may_manage, may_use_grants, opening, standing, step_up,
};
use crate::policy::{Action, Group, connections, links};
use crate::records::{Compartment, Kinds, RecordFacts, RecordType};

/// See [`crate::policy::permit`].
pub(super) fn decide(
    caller: &Caller,
    action: Action,
    target: Target<'_>,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    if let (Group::Public, Target::Public) = (action.group(), target) {
        return Ok(Permit::new(action, Actor::Nobody));
    }
    let account = match caller {
        Caller::Link(link) => return links::decide(link, action, target, now),
        Caller::Account(account) => account,
        Caller::Nobody => return Err(Refusal::Unauthenticated),
    };
    if account.disabled {
        return Err(Refusal::Disabled);
    }
    if account.kind == AccountKind::Provider && account.verification == Verification::Suspended {
        return Err(Refusal::ProviderSuspended);
    }
    signed_in(account, action, target, now)
}

/// What somebody with a living session may do.
fn signed_in(
    account: &AccountFacts,
    action: Action,
    target: Target<'_>,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    use Action as A;
    use Target as T;
    match (action, target) {
        // One's own account, whatever its kind.
        (
            A::FindSession
            | A::ListSessions
            | A::ResendVerification
            | A::UpdatePassword
            | A::CreateRecoveryCode
            | A::RekeyAccount
            | A::ListEvents
            | A::ListPermissions
            | A::ListRequests
            | A::ListAudit
            | A::FindAnalytics,
            T::Account(owner),
        ) => own(account, action, owner, now),
        (
            A::FindProfile | A::UpdateProfile | A::DeleteAccount | A::ListDisclosures,
            T::Account(owner),
        ) => match account.kind {
            AccountKind::Patient => own(account, action, owner, now),
            AccountKind::Provider | AccountKind::Admin => Err(Refusal::Forbidden),
        },
        (A::ConvertRecord, T::Account(owner)) => match account.kind {
            AccountKind::Patient | AccountKind::Provider => own(account, action, owner, now),
            AccountKind::Admin => Err(Refusal::Forbidden),
        },
        (A::DeleteSession, T::Session(session)) if session.account == account.id => {
            Ok(by(account, action))
        }
        (A::DeleteSession, T::Session(_)) => Err(Refusal::Unknown(Noun::Session)),

        // What everybody who is signed in may know.
        (A::FindAccountKeys, T::Account(_)) | (A::ListProviders, T::Deployment) => {
            Ok(by(account, action))
        }

        // A patient's record.
        (
            A::ListRecords | A::FindRecordSummary | A::ExportRecords | A::FindPatientKeys,
            T::Patient(patient),
        ) => list(account, action, patient, now),
        (
            A::CreateRecord | A::FindKnownTags | A::CreateBlob | A::AppendBlob,
            T::Patient(patient),
        ) => write(account, action, patient, now),
        (
            A::FindRecord
            | A::ListRecordHistory
            | A::FindRecordContent
            | A::FindBlob
            | A::UpdateRecord
            | A::DeleteRecord
            | A::WithdrawRecord
            | A::ShareDocument
            | A::MoveRecord,
            T::Record(patient, record),
        ) => one(account, action, patient, record, now),

        // What managers alone do.
        (
            A::ListUnadoptedBatches
            | A::AdoptBatches
            | A::BeginEpochs
            | A::BeginGeneration
            | A::CreateGrant
            | A::CreateShare
            | A::ListShares
            | A::ListPermissions
            | A::ListRequests
            | A::ListAudit
            | A::ListDisclosures,
            T::Patient(patient),
        ) => managers(account, action, patient, now),
        (
            A::RevokeGrant | A::FindShareLink | A::UpdateShare | A::RevokeShare | A::PutShareFiles,
            T::Grant(patient, grant),
        ) => about_grant(account, action, patient, grant, now),

        // Asking for access.
        (A::CreateRequest, T::Patient(patient)) => match account.kind {
            AccountKind::Provider => {
                may_use_grants(account)?;
                Ok(by(account, action).on(patient.id))
            }
            AccountKind::Patient | AccountKind::Admin => Err(Refusal::Forbidden),
        },
        (A::AnswerRequest, T::Request(patient, request)) => {
            match standing(account, patient, now)? {
                Standing::Manager if request.patient == patient.id => {
                    may_manage(account, action, patient, now)?;
                    Ok(by(account, action).on(patient.id).within(Scope::All))
                }
                _ if request.asker == account.id => Err(Refusal::ManagersOnly),
                _ => Err(Refusal::Unknown(Noun::Request)),
            }
        }

        // Practices.
        (A::ListCharts, T::Account(owner)) => {
            providers(account)?;
            own(account, action, owner, now)
        }
        (A::CreateChart | A::ImportCharts | A::CreateUser, T::Caseload(may_open)) => {
            caseload(account, action, may_open)
        }
        (A::FindChart, T::Chart(patient, chart)) => {
            find_chart(account, action, patient, chart, now)
        }
        (
            A::UpdateChart | A::DeleteChart | A::CreateInvitation | A::CreateClaimSheet,
            T::Chart(patient, chart),
        ) => about_chart(account, action, patient, chart, now),
        (A::ListClaims, T::Account(owner)) => own(account, action, owner, now),
        (A::CreateClaim, T::Account(owner)) => match account.kind {
            AccountKind::Patient if !account.email_verified => Err(Refusal::Unverified),
            AccountKind::Patient => own(account, action, owner, now),
            AccountKind::Provider | AccountKind::Admin => Err(Refusal::Forbidden),
        },
        (A::AnswerClaim, T::Patient(patient)) => managers(account, action, patient, now),
        (
            A::CompleteClaim
            | A::FindPatientKeys
            | A::ListUnadoptedBatches
            | A::AdoptBatches
            | A::BeginEpochs,
            T::Claim(patient, claim),
        ) => claiming(account, action, patient, claim, now),
        // Documents that are asked for elsewhere, and documents passed on.
        (A::CreateDocumentRequest, T::OnCaseload(patient, may_open)) => {
            caseload(account, action, may_open)?;
            write(account, action, patient, now)
        }
        (A::ListDocumentRequests | A::ListSharedDocuments, T::Patient(patient)) => {
            list(account, action, patient, now)
        }
        (A::ListDocumentRequests, T::Account(owner)) => {
            providers(account)?;
            own(account, action, owner, now)
        }
        (A::UpdateDocumentRequest, T::DocumentRequest(patient, asker)) => {
            about_document_request(account, action, patient, asker, now)
        }
        (A::ListUsers, T::Deployment) if account.kind == AccountKind::Admin => {
            Ok(by(account, action))
        }
        (A::FindUser | A::UpdateUser, T::Account(_)) if account.kind == AccountKind::Admin => {
            Ok(by(account, action))
        }
        (A::FindUser | A::UpdateUser, T::Account(owner)) => own(account, action, owner, now),
        (A::DeleteUser, T::Account(other))
            if account.kind == AccountKind::Admin && other != account.id =>
        {
            Ok(by(account, action))
        }

        // The trail.
        (A::FindAuditProof, T::Entry(entry)) => about_entry(account, action, entry),

        // Sources and destinations.
        (_, T::Account(_) | T::Connection(_) | T::Attachment(..))
            if action.group() == Group::Sync =>
        {
            connections::decide(account, action, target, now)
        }
        (
            A::ListPatientConnections | A::StartSync | A::FindSync | A::ListLogs,
            T::Patient(patient),
        ) => list(account, action, patient, now),
        (A::ListOwed | A::SealOwed, T::Patient(patient)) => {
            take_along(account, action, patient, now)
        }

        // Administration.
        (
            A::ListAdminProviders
            | A::ListAdminAccounts
            | A::FindSystemHealth
            | A::ListCheckpoints
            | A::RetryJobs
            | A::ReplaceDirectory
            | A::FindTotals,
            T::Deployment,
        ) if account.kind == AccountKind::Admin => Ok(by(account, action)),
        // Nobody switches themselves off, or approves of themselves.
        (A::VerifyProvider | A::DisableAccount, T::Account(other))
            if account.kind == AccountKind::Admin && other != account.id =>
        {
            Ok(by(account, action))
        }

        _ => Err(Refusal::Forbidden),
    }
}

/// A permit of this account, reaching no record.
pub(super) fn by(account: &AccountFacts, action: Action) -> Permit {
    Permit::new(action, Actor::Account(account.id))
}

/// What everybody does with their own account, and nobody with another's.
fn own(
    account: &AccountFacts,
    action: Action,
    owner: AccountId,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    if owner != account.id {
        return Err(Refusal::Unknown(Noun::Account));
    }
    step_up(account, action, now)?;
    Ok(by(account, action))
}

/// Reading a patient's records as a whole: managers everything, others what
/// their living grants cover.
fn list(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let holdings = match standing(account, patient, now)? {
        Standing::Manager => return managing(account, action, patient, now),
        Standing::Stranger => return Err(Refusal::Unknown(Noun::Patient)),
        Standing::Holder(holdings) => holdings,
    };
    if holdings.active.is_empty() {
        return Err(holdings.why_idle(|_| true, Noun::Patient));
    }
    may_use_grants(account)?;
    opening(account, action, patient)?;
    let mut within = holdings.within(account);
    if action == Action::ExportRecords {
        within = to_take_along(&holdings, within);
        if within.reads.is_empty() {
            return Err(Refusal::NoDownload);
        }
    }
    if action != Action::FindPatientKeys {
        within.writes.clear();
    }
    Ok(by(account, action)
        .on(patient.id)
        .within(Scope::Within(within)))
}

/// What leads out of here: managers everything, others what they may download.
pub(super) fn take_along(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let holdings = match standing(account, patient, now)? {
        Standing::Manager => return managing(account, action, patient, now),
        Standing::Stranger => return Err(Refusal::Unknown(Noun::Patient)),
        Standing::Holder(holdings) => holdings,
    };
    if holdings.active.is_empty() {
        return Err(holdings.why_idle(|_| true, Noun::Patient));
    }
    may_use_grants(account)?;
    let mut within = to_take_along(&holdings, holdings.within(account));
    within.writes.clear();
    if within.reads.is_empty() {
        return Err(Refusal::NoDownload);
    }
    opening(account, action, patient)?;
    Ok(by(account, action)
        .on(patient.id)
        .within(Scope::Within(within)))
}

/// Only what may be downloaded.
fn to_take_along(holdings: &Holdings<'_>, mut within: Within) -> Within {
    within.reads.retain(|coverage| {
        holdings
            .active
            .iter()
            .any(|grant| grant.id == coverage.grant && grant.may_download)
    });
    within.author = None;
    within
}

/// Adding to a patient's records.
pub(super) fn write(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let holdings = match standing(account, patient, now)? {
        Standing::Manager => return managing(account, action, patient, now),
        Standing::Stranger => return Err(Refusal::Unknown(Noun::Patient)),
        Standing::Holder(holdings) => holdings,
    };
    if holdings.active.is_empty() {
        return Err(holdings.why_idle(|_| true, Noun::Patient));
    }
    may_use_grants(account)?;
    let within = Within {
        reads: Vec::new(),
        author: None,
        ..holdings.within(account)
    };
    if within.writes.is_empty() {
        return Err(Refusal::NoWrite);
    }
    opening(account, action, patient)?;
    Ok(by(account, action)
        .on(patient.id)
        .within(Scope::Within(within)))
}

/// Doing something to one record.
fn one(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    record: &RecordFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let holdings = match standing(account, patient, now)? {
        _ if record.deleted => return Err(Refusal::Unknown(Noun::Record)),
        Standing::Manager => {
            return Ok(managing(account, action, patient, now)?.on_record(Some(record.id)));
        }
        Standing::Holder(holdings) if !record.withheld => holdings,
        Standing::Holder(_) | Standing::Stranger => return Err(Refusal::Unknown(Noun::Record)),
    };
    let wrote_it = record.author == Some(account.id);
    let mut within = holdings.within(account);
    within
        .reads
        .retain(|coverage| coverage.covers_record(record));
    within
        .writes
        .retain(|(_, types)| types.contains(record.compartment.record_type));
    if !wrote_it {
        within.author = None;
    }
    if within.reads.is_empty() && within.author.is_none() {
        let concern = |grant: &GrantFacts| wrote_it || grant.coverage().covers_record(record);
        return Err(holdings.why_idle(concern, Noun::Record));
    }
    may_use_grants(account)?;
    match action {
        Action::FindRecord | Action::ListRecordHistory | Action::FindBlob => within.writes.clear(),
        Action::FindRecordContent => {
            within.writes.clear();
            // Whoever wrote a file has it already.
            if !wrote_it {
                within = to_take_along(&holdings, within);
                if within.reads.is_empty() {
                    return Err(Refusal::NoDownload);
                }
            }
        }
        // A new version needs both: to read what it succeeds, by a grant or as
        // its author, and to write.
        Action::UpdateRecord if !within.writes.is_empty() => {}
        Action::UpdateRecord => return Err(Refusal::NoWrite),
        // Whoever wrote something may take it back, or ask to pass it on.
        Action::WithdrawRecord | Action::ShareDocument if wrote_it => {
            if action.shares() && !account.email_verified {
                return Err(Refusal::Unverified);
            }
            within.writes.clear();
        }
        _ => return Err(Refusal::ManagersOnly),
    }
    opening(account, action, patient)?;
    Ok(by(account, action)
        .on(patient.id)
        .on_record(Some(record.id))
        .within(Scope::Within(within)))
}

/// What a manager is permitted, which is everything that asks for no more.
fn managing(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    may_manage(account, action, patient, now)?;
    Ok(by(account, action).on(patient.id).within(Scope::All))
}

/// What managers alone do.
fn managers(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    match standing(account, patient, now)? {
        Standing::Manager => managing(account, action, patient, now),
        Standing::Holder(holdings) if holdings.active.is_empty() => {
            Err(holdings.why_idle(|_| true, Noun::Patient))
        }
        Standing::Holder(_) => Err(Refusal::ManagersOnly),
        Standing::Stranger => Err(Refusal::Unknown(Noun::Patient)),
    }
}

/// What managers do to a grant or a link.
fn about_grant(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    grant: &GrantFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let is_link = grant.holder == Holder::Link;
    let noun = if is_link { Noun::Share } else { Noun::Grant };
    let fits = is_link == (action.group() == Group::Shares) && grant.patient == patient.id;
    match standing(account, patient, now)? {
        Standing::Manager if fits => managing(account, action, patient, now),
        // Who passed something on may end that.
        _ if action == Action::RevokeGrant && fits && grant.passed_on_by == Some(account.id) => {
            Ok(by(account, action).on(patient.id))
        }
        _ if grant.holder == Holder::Account(account.id) => Err(Refusal::ManagersOnly),
        _ => Err(Refusal::Unknown(noun)),
    }
}

/// An entry of the trail may be proved to whom it is about, and to whom it names.
fn about_entry(
    account: &AccountFacts,
    action: Action,
    entry: &EntryFacts,
) -> Result<Permit, Refusal> {
    let manages = account.kind != AccountKind::Admin && entry.managers.contains(&account.id);
    if !manages && entry.actor != Some(account.id) {
        return Err(Refusal::Unknown(Noun::Entry));
    }
    let permit = by(account, action);
    Ok(match entry.patient {
        Some(patient) if manages => permit.on(patient),
        _ => permit,
    })
}

/// Only verified providers.
fn providers(account: &AccountFacts) -> Result<(), Refusal> {
    match account.kind {
        AccountKind::Provider => may_use_grants(account),
        AccountKind::Patient | AccountKind::Admin => Err(Refusal::Forbidden),
    }
}

/// Opening charts and inviting people: practitioners of a type that may, and
/// for users admins as well.
fn caseload(account: &AccountFacts, action: Action, may_open: bool) -> Result<Permit, Refusal> {
    if account.kind == AccountKind::Admin && action == Action::CreateUser {
        return Ok(by(account, action));
    }
    providers(account)?;
    if !may_open {
        return Err(Refusal::Forbidden);
    }
    if !account.email_verified {
        return Err(Refusal::Unverified);
    }
    Ok(by(account, action))
}

/// Who a chart is about: for those who manage it, for its practitioner while
/// they hold a grant, and for whoever was granted demographics.
fn find_chart(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    chart: &ChartFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let permit = list(account, action, patient, now)?;
    let Scope::Within(within) = permit.scope() else {
        return Ok(permit);
    };
    let demographics = Compartment::new(RecordType::Demographics, Kinds::EMPTY);
    let told = chart.opened_by == account.id
        || within
            .reads
            .iter()
            .any(|coverage| coverage.covers(demographics));
    if told {
        Ok(permit)
    } else {
        Err(Refusal::Unknown(Noun::Patient))
    }
}

/// What the practitioner who opened a chart does to it: everything while it is
/// unclaimed; afterwards only what of it is theirs, under their grant.
fn about_chart(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    chart: &ChartFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let opened_it = chart.opened_by == account.id && account.kind == AccountKind::Provider;
    match standing(account, patient, now)? {
        Standing::Manager if opened_it && !chart.claimed => managing(account, action, patient, now),
        Standing::Holder(holdings) if opened_it => {
            if holdings.active.is_empty() {
                return Err(holdings.why_idle(|_| true, Noun::Patient));
            }
            may_use_grants(account)?;
            if action != Action::UpdateChart {
                return Err(Refusal::ManagersOnly);
            }
            Ok(by(account, action).on(patient.id))
        }
        Standing::Manager | Standing::Holder(_) => Err(Refusal::Forbidden),
        Standing::Stranger => Err(Refusal::Unknown(Noun::Patient)),
    }
}

/// Closing a request for documents, or calling it off: whoever made it, while
/// they have to do with the patient, and whoever manages the record.
fn about_document_request(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    asker: AccountId,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    match standing(account, patient, now)? {
        Standing::Manager => managing(account, action, patient, now),
        Standing::Holder(holdings) if asker == account.id => {
            if holdings.active.is_empty() {
                return Err(holdings.why_idle(|_| true, Noun::Patient));
            }
            may_use_grants(account)?;
            Ok(by(account, action).on(patient.id))
        }
        Standing::Holder(_) | Standing::Stranger => Err(Refusal::Unknown(Noun::Request)),
    }
}

/// What a claimant does between the hand-over of the seed and the generation
/// that makes the chart theirs.
fn claiming(
    account: &AccountFacts,
    action: Action,
    patient: &PatientFacts,
    claim: &ClaimFacts,
    now: Timestamp,
) -> Result<Permit, Refusal> {
    let theirs = claim.claimant == account.id && claim.patient == patient.id;
    if !theirs || account.kind != AccountKind::Patient {
        return Err(Refusal::Unknown(Noun::Patient));
    }
    if !account.email_verified {
        return Err(Refusal::Unverified);
    }
    step_up(account, action, now)?;
    Ok(by(account, action).on(patient.id).within(Scope::All))
}
