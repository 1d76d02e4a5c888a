//! Requests for access: a provider asks, a manager of the record answers,
//! perhaps with less. The words of whoever asks are sealed to the patient's
//! inbox before they are kept.

use chartkey_domain::grants::{NewTerms, Purpose};
use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId, RequestId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, Permit, Refusal, RequestFacts, Target};
use chartkey_domain::quotas::Quota;
use chartkey_domain::records::RecordTypes;
use chartkey_domain::requests::{MAX_MESSAGE_CHARS, MAX_WAITING, REQUEST_TTL_SECS, RequestStatus};
use chartkey_domain::sessions::after;
use chartkey_domain::text;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_fhir::{Kinds, RecordType};
use chartkey_store::requests::{self as rows, RequestRow};
use chartkey_store::{Reader, Tx, accounts, patients};
use chartkey_vault::asking;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::idempotency::Once;
use crate::letters::Content;
use crate::patients::{facts, inbox_key, permit};
use crate::{Caller, Failure, NounError, Service, columns, events, limits, shares, trail};

/// Errors of this noun.
pub use chartkey_domain::requests::RequestError;

/// How a requests use case fails.
pub type RequestFailure = Failure<RequestError>;

/// Most requests of one list.
const LISTED: u32 = 500;

impl NounError for RequestError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Message(_) => Some("message"),
            Self::Wider => Some("record_types"),
            Self::Unknown | Self::Closed | Self::TooMany => None,
        }
    }
}

/// What a provider asks for.
pub struct NewRequest {
    /// Whom.
    pub patient: PatientId,
    /// Types to read.
    pub types: RecordTypes,
    /// Kinds to read.
    pub kinds: Kinds,
    /// Types to write.
    pub write_types: RecordTypes,
    /// What for, in whatever words.
    pub purpose: String,
    /// What is said to the patient.
    pub message: Option<Zeroizing<String>>,
    /// Until when access is wanted.
    pub until: Option<Timestamp>,
    /// One record alone, for somebody else.
    pub pass_on: Option<PassOn>,
}

/// A record that whoever asks would pass on.
#[derive(Clone, Copy, Debug)]
pub struct PassOn {
    /// Which.
    pub record: RecordId,
    /// To whom.
    pub to: AccountId,
}

/// A request as both sides see it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its row; the message is sealed.
    pub row: RequestRow,
    /// Where it stands now.
    pub status: RequestStatus,
    /// Who asks.
    pub asker_name: String,
    /// Their type, as they say.
    pub asker_type: Option<String>,
    /// Where they work.
    pub asker_organization: Option<String>,
    /// For whom, where it is not who asks.
    pub beneficiary_name: Option<String>,
}

/// `POST /api/sharing/requests`: asks.
///
/// # Errors
/// The policy's; [`RequestError::TooMany`]; a rule that the input breaks.
pub async fn create_request(
    service: &Service,
    caller: &Caller,
    new: NewRequest,
    once: Option<Once>,
) -> Result<Request, RequestFailure> {
    let account = caller.account()?.id;
    let now = service.now();
    if new.types.is_empty() && new.write_types.is_empty() {
        return Err(Failure::field("record_types", "say what is asked for"));
    }
    if new.until.is_some_and(|until| until <= now) {
        return Err(Failure::field("expiry_date", "must lie ahead"));
    }
    let message = match new.message.as_ref().map(|m| m.trim()) {
        None | Some("") => None,
        Some(words) => {
            let words = text::lines(words, MAX_MESSAGE_CHARS).map_err(RequestError::Message)?;
            Some(Zeroizing::new(words))
        }
    };
    limits::spend(service, Limit::RequestCreate, &account.to_string()).await?;
    let mut rng = service.rng();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .write("request.create", move |tx| {
            let (_, permit) =
                permit::<RequestError>(tx, &asking, Action::CreateRequest, new.patient, now)?;
            let since = after(now, -REQUEST_TTL_SECS);
            let waiting = rows::count_waiting(tx, new.patient, account, since)?;
            if usize::try_from(waiting).unwrap_or(usize::MAX) >= MAX_WAITING {
                return Err(RequestError::TooMany.into());
            }
            Quota::Requests.check(rows::count_waiting_with(tx, new.patient, since)?)?;
            let id = RequestId::new(now.as_millisecond().unsigned_abs(), &mut rng);
            let message_sealed = match &message {
                None => None,
                Some(words) => {
                    let inbox = inbox_key(tx, new.patient)
                        .map_err(|failure| failure.map(|_| RequestError::Unknown))?;
                    let patient = new.patient.0;
                    let sealed =
                        asking::seal_words(&inbox, patient, id.0, account.0, words, &mut rng);
                    Some(sealed.0)
                }
            };
            let row = RequestRow {
                id,
                patient: new.patient,
                asker: account,
                types: new.types.iter().collect(),
                kinds: new.kinds,
                write_types: new.write_types.iter().collect(),
                purpose: Purpose::of_words(&new.purpose).code().to_owned(),
                message_sealed,
                wanted_until: new.until,
                status: RequestStatus::Pending.as_str().to_owned(),
                grant: None,
                beneficiary: new.pass_on.map(|pass| pass.to),
                record: new.pass_on.map(|pass| pass.record),
                created_at: now,
                answered_at: None,
            };
            rows::insert(tx, &row)?;
            let entry = NewEntry::under(TrailAction::RequestCreate, now, &permit)
                .types(new.types.union(new.write_types))
                .detail("request", Detail::Id(id.0));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            let content = Content::RequestCreated;
            shares::queue_to_managers(tx, &this, new.patient, &content, now, &mut rng)?;
            events::tell_managers(
                tx,
                new.patient,
                TrailAction::RequestCreate.as_str(),
                id.0,
                now,
            )?;
            if let Some(once) = once {
                once.keep(tx, 201, vec![id.0], now)?;
            }
            request(tx, &this, row, now)
        })
        .await
}

fn request(
    db: &mut Reader,
    service: &Service,
    row: RequestRow,
    now: Timestamp,
) -> Result<Request, RequestFailure> {
    let status = RequestStatus::parse(&row.status)
        .ok_or(Failure::Internal("the status of a request"))?
        .at(row.created_at, now);
    let asker = accounts::lookup(db, row.asker)?;
    let protect = service.protect();
    let optional = |column, protected: Option<&Vec<u8>>| {
        protect
            .open_optional(column, row.asker.0, protected.map(Vec::as_slice))
            .map(|text| text.map(|text| text.to_string()))
    };
    let asker = asker.as_ref();
    let beneficiary_name = match row.beneficiary {
        Some(account) => shares::account_name(db, service, account)
            .map_err(|failure| failure.map(|_| RequestError::Unknown))?,
        None => None,
    };
    Ok(Request {
        beneficiary_name,
        status,
        asker_name: optional(columns::ACCOUNT_NAME, asker.map(|a| &a.name_p))?.unwrap_or_default(),
        asker_type: optional(
            columns::PROVIDER_TYPE,
            asker.and_then(|a| a.provider_type_p.as_ref()),
        )?,
        asker_organization: optional(
            columns::ORGANIZATION,
            asker.and_then(|a| a.organization_p.as_ref()),
        )?,
        row,
    })
}

/// `GET /api/sharing/requests`: those to the patients whom the caller
/// manages, and those the caller made.
///
/// # Errors
/// The policy's.
pub async fn list_requests(
    service: &Service,
    caller: &Caller,
    pending_only: bool,
) -> Result<Vec<Request>, RequestFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("request.list", move |db| {
            let account = asking.account()?.id;
            let target = Target::Account(account);
            policy::permit(&asking.who, Action::ListRequests, &target, now)?;
            let mut found = rows::list_of_asker(db, account, LISTED)?;
            for patient in patients::list_managed(db, account)? {
                found.extend(rows::list_of_patient(db, patient.id, LISTED)?);
            }
            let mut items = Vec::with_capacity(found.len());
            for row in found {
                let one = request(db, &this, row, now)?;
                if !pending_only || one.status == RequestStatus::Pending {
                    items.push(one);
                }
            }
            items.sort_by_key(|r| std::cmp::Reverse((r.row.created_at, r.row.id)));
            Ok(items)
        })
        .await
}

/// A request, for whoever may answer it or made it.
///
/// # Errors
/// 404 for everybody else.
pub async fn find_request(
    service: &Service,
    caller: &Caller,
    id: RequestId,
) -> Result<Request, RequestFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("request.list", move |db| {
            let account = asking.account()?.id;
            let unknown = || Refusal::Unknown(policy::Noun::Request);
            let row = rows::lookup(db, id)?.ok_or_else(unknown)?;
            let managers = patients::list_managers(db, row.patient)?;
            if row.asker != account && !managers.contains(&account) {
                return Err(unknown().into());
            }
            request(db, &this, row, now)
        })
        .await
}

/// Loads a request that still waits, and asks whether the caller may answer.
pub(crate) fn permit_answer(
    db: &mut Reader,
    caller: &Caller,
    id: RequestId,
    now: Timestamp,
) -> Result<(RequestRow, Permit), RequestFailure> {
    let account = caller.account()?.id;
    let unknown = || Refusal::Unknown(policy::Noun::Request);
    let row = rows::lookup(db, id)?.ok_or_else(unknown)?;
    let (_, about) = facts(db, row.patient, Some(account))?.ok_or_else(unknown)?;
    let target = RequestFacts {
        id,
        asker: row.asker,
        patient: row.patient,
    };
    let target = Target::Request(&about, &target);
    let permit = policy::permit(&caller.who, Action::AnswerRequest, &target, now)?;
    let status = RequestStatus::parse(&row.status).map(|s| s.at(row.created_at, now));
    if status != Some(RequestStatus::Pending) {
        return Err(RequestError::Closed.into());
    }
    Ok((row, permit))
}

/// Whether the caller may answer a request that waits: asked before anything of
/// the patient is opened for it.
pub(crate) async fn may_answer(
    service: &Service,
    caller: &Caller,
    id: RequestId,
) -> Result<RequestRow, RequestFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("request.answer", move |db| {
            permit_answer(db, &asking, id, now).map(|(row, _)| row)
        })
        .await
}

/// What was asked for, as terms that an answer must stay within.
pub(crate) fn asked_terms(row: &RequestRow, now: Timestamp) -> NewTerms {
    NewTerms {
        types: row.types.iter().copied().collect(),
        kinds: row.kinds,
        records: row.record.map(|record| vec![record]),
        write_types: row.write_types.iter().copied().collect(),
        valid_from: row.created_at,
        expires_at: row.wanted_until.unwrap_or_else(|| {
            now.saturating_add(chartkey_domain::grants::MAX_LIFE)
                .unwrap_or(now)
        }),
        // Whether what is read may be kept, or passed on, is for the patient
        // to say; a request does not speak of it.
        may_download: true,
        may_reshare: true,
    }
}

/// Notes an answer, inside the transaction that grants or refuses.
pub(crate) fn take_answer(
    tx: &mut Tx,
    caller: &Caller,
    row: &RequestRow,
    permit: &Permit,
    grant: Option<GrantId>,
    now: Timestamp,
    rng: &mut (impl rand_core::CryptoRng + ?Sized),
) -> Result<(), RequestFailure> {
    let status = match grant {
        Some(_) => RequestStatus::Approved,
        None => RequestStatus::Denied,
    };
    if !rows::answer(tx, row.id, status.as_str(), grant, now)? {
        return Err(RequestError::Closed.into());
    }
    let mut entry = NewEntry::under(TrailAction::RequestAnswer, now, permit)
        .detail("request", Detail::Id(row.id.0))
        .detail("decision", Detail::Word(status.as_str()));
    if let Some(grant) = grant {
        entry = entry.grant(grant);
    }
    trail::append_by(tx, entry, caller, rng)?;
    let mut accounts = patients::list_managers(tx, row.patient)?;
    accounts.push(row.asker);
    accounts.extend(row.beneficiary.filter(|_| grant.is_some()));
    events::tell(
        tx,
        accounts,
        TrailAction::RequestAnswer.as_str(),
        row.id.0,
        now,
    )?;
    Ok(())
}

/// `PUT /api/sharing/requests/{id}` with `deny`.
///
/// # Errors
/// The policy's; [`RequestError::Closed`].
pub async fn deny_request(
    service: &Service,
    caller: &Caller,
    id: RequestId,
) -> Result<Request, RequestFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .write("request.answer", move |tx| {
            let (row, permit) = permit_answer(tx, &asking, id, now)?;
            take_answer(tx, &asking, &row, &permit, None, now, &mut rng)?;
            let row = rows::lookup(tx, id)?.ok_or(RequestError::Unknown)?;
            request(tx, &this, row, now)
        })
        .await
}

/// Types by their words, for lists that people send.
pub fn parse_types(words: &[String]) -> Option<Vec<RecordType>> {
    words.iter().map(|word| word.parse().ok()).collect()
}
