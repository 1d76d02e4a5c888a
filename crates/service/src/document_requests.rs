//! Requests to providers for a patient's documents: made by a practitioner of
//! whoever is asked elsewhere, answered by a link that takes documents and shows
//! none, tracked until somebody closes them.
//!
//! Of the link only a hash is kept. What it shows is sealed under its token, and
//! the message to the patient's inbox as well: whoever has the database reads
//! neither.

mod answer;

use chartkey_crypto::{Secret, SecretBytes, derive, encode, wrap};
use chartkey_domain::accounts::Email;
use chartkey_domain::document_requests::{
    DocumentRequestState as State, DocumentRequestWay as Way, LINK_DAYS, MAX_MESSAGE_CHARS,
    MAX_WAITING,
};
use chartkey_domain::ids::{AccountId, DocumentRequestId, PatientId, SyncId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, Noun, Permit, Refusal, Target};
use chartkey_domain::records::RecordTypes;
use chartkey_domain::sessions::after;
use chartkey_domain::sync::{Counts, LogAction, Step};
use chartkey_domain::text;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_store::document_requests::{self as rows, DocumentRequestRow};
use chartkey_store::sync::{self as sync_rows, LogRow};
use chartkey_store::{Reader, StoreError, Tx};
use chartkey_vault::asking;
use jiff::Timestamp;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::idempotency::Once;
use crate::letters::Content;
use crate::patients::{facts, inbox_key};
use crate::{
    Caller, Column, Failure, NounError, Service, charts, events, limits, mail, patients, secrets,
    shares, sync, trail,
};

pub use answer::{Answered, Asked, Sent, answer_document_request, open_document_request};

/// Errors of this noun.
pub use chartkey_domain::document_requests::DocumentRequestError;

/// How a use case of this noun fails.
pub type DocumentRequestFailure = Failure<DocumentRequestError>;

/// Purpose of the token in a link.
const LINK: &str = "document.request";
/// Addresses that requests were mailed to.
const TO: Column = Column::new("document_requests.to_p");
/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;
/// Most requests of one list.
const LISTED: u32 = 500;
/// Requests that one sweep ends.
const PORTION: u32 = 200;

impl NounError for DocumentRequestError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Message(_) => Some("message"),
            Self::File => Some("file"),
            Self::Unknown | Self::Closed | Self::TooMany | Self::Full => None,
        }
    }
}

/// What is asked for.
pub struct NewDocumentRequest {
    /// About whom.
    pub patient: PatientId,
    /// Which types; none: whatever there is.
    pub types: RecordTypes,
    /// Only what is about this day or later, as FHIR text.
    pub since: Option<String>,
    /// What is said to whoever is asked.
    pub message: Zeroizing<String>,
    /// Where a mail with the link goes.
    pub to: Option<String>,
}

/// A request, for whoever may know of it.
#[derive(Clone)]
pub struct DocumentRequest {
    /// Its row: nothing of it is open.
    pub row: DocumentRequestRow,
    /// Where it stands now.
    pub state: State,
    /// Who asks.
    pub asker_name: String,
    /// Whom a mail went to.
    pub to: Option<String>,
    /// The link, told once.
    pub url: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for DocumentRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DocumentRequest({})", self.row.id)
    }
}

/// What only whoever has the link reads. Wiped when dropped.
#[derive(Serialize, Deserialize)]
struct Words {
    message: String,
    since: Option<String>,
}

impl Drop for Words {
    fn drop(&mut self) {
        self.message.zeroize();
        self.since.zeroize();
    }
}

impl Words {
    fn key(token: &Secret, id: DocumentRequestId) -> Secret {
        derive(token, "document-request/words", &[id.as_bytes()])
    }

    fn aad(id: DocumentRequestId) -> Vec<u8> {
        encode::lp(&[b"document-request", id.as_bytes()])
    }

    fn seal(
        &self,
        token: &Secret,
        id: DocumentRequestId,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, DocumentRequestFailure> {
        let plain = serde_json::to_vec(self).map_err(|_| Failure::Internal("words"))?;
        let plain = SecretBytes::new(plain);
        Ok(wrap::wrap(
            &Self::key(token, id),
            &Self::aad(id),
            &plain,
            rng,
        ))
    }

    fn open(
        token: &Secret,
        id: DocumentRequestId,
        sealed: &[u8],
    ) -> Result<Self, DocumentRequestFailure> {
        let plain = wrap::unwrap(&Self::key(token, id), &Self::aad(id), sealed)?;
        serde_json::from_slice(&plain).map_err(|_| Failure::Internal("words"))
    }
}

/// A request's texts, read.
struct Read {
    words: Words,
    to: Option<Email>,
}

fn read(new: &NewDocumentRequest) -> Result<Read, DocumentRequestFailure> {
    let message =
        text::lines(&new.message, MAX_MESSAGE_CHARS).map_err(DocumentRequestError::Message)?;
    let to = match new.to.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(typed) => {
            Some(Email::parse(typed).map_err(|error| Failure::field("to", &error.to_string()))?)
        }
    };
    let since = new.since.clone();
    Ok(Read {
        words: Words { message, since },
        to,
    })
}

/// Asks the policy whether the caller may ask for a patient's documents.
fn permit_create(
    db: &mut Reader,
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    now: Timestamp,
) -> Result<Permit, DocumentRequestFailure> {
    let may = charts::may_open(db, service, caller).map_err(elsewhere)?;
    let (_, about) = facts(db, patient, caller.account_id())?
        .ok_or_else(|| patients::unauthenticated_first(caller, Refusal::Unknown(Noun::Patient)))?;
    let target = Target::OnCaseload(&about, may);
    Ok(policy::permit(
        &caller.who,
        Action::CreateDocumentRequest,
        &target,
        now,
    )?)
}

/// A failure of another noun, which this one can't have.
fn elsewhere<E: NounError>(failure: Failure<E>) -> DocumentRequestFailure {
    failure.map(|_| DocumentRequestError::Unknown)
}

/// `POST /api/v1/patients/{id}/request-documents`: first everything is read again
/// that the patient's sources have; beside that a request goes out, whose link is
/// told to the caller once.
///
/// # Errors
/// The policy's; [`DocumentRequestError::TooMany`]; a rule of a field.
pub async fn create_document_request(
    service: &Service,
    caller: &Caller,
    new: NewDocumentRequest,
    once: Option<Once>,
) -> Result<DocumentRequest, DocumentRequestFailure> {
    let account = caller.account()?.id;
    let now = service.now();
    let read = read(&new)?;
    let (this, asking, patient) = (service.clone(), caller.clone(), new.patient);
    service
        .store()
        .read("document.may", move |db| {
            permit_create(db, &this, &asking, patient, now).map(drop)
        })
        .await?;
    limits::spend(service, Limit::DocumentRequest, &account.to_string()).await?;
    let sources = sync::Asked {
        direction: Some(chartkey_domain::connections::Direction::Source),
        connection: None,
        whole: true,
    };
    let started = sync::start_sync(service, caller, patient, sources)
        .await
        .map_err(elsewhere)?;
    let sync = (started.runs > 0).then_some(started.sync);
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("document.request", move |tx| {
            let permit = permit_create(tx, &this, &asking, patient, now)?;
            if rows::count_waiting(tx, patient, now)? >= MAX_WAITING {
                return Err(DocumentRequestError::TooMany.into());
            }
            let made = insert(tx, &this, &new, &read, (account, sync), now, &mut rng)?;
            let id = made.row.id;
            let entry = NewEntry::under(TrailAction::DocumentRequest, now, &permit)
                .types(new.types)
                .detail("request", Detail::Id(id.0))
                .detail("way", Detail::Word(made.row.way.as_str()));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            let kind = TrailAction::DocumentRequest.as_str();
            events::tell_managers(tx, patient, kind, id.0, now)?;
            if let Some(once) = once {
                once.keep(tx, 201, vec![id.0], now)?;
            }
            Ok(made)
        })
        .await
}

/// Stores a request, writes the line of the log, queues the mail.
fn insert(
    tx: &mut Tx,
    service: &Service,
    new: &NewDocumentRequest,
    read: &Read,
    (asked_by, sync): (AccountId, Option<SyncId>),
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<DocumentRequest, DocumentRequestFailure> {
    let id = DocumentRequestId::new(now.as_millisecond().unsigned_abs(), rng);
    let (token, token_hash) = secrets::new_token(service, LINK, rng);
    let secret = secrets::token_secret(&token).ok_or(Failure::Internal("a token"))?;
    let inbox = inbox_key(tx, new.patient).map_err(elsewhere)?;
    let said = &read.words.message;
    let message = asking::seal_words(&inbox, new.patient.0, id.0, asked_by.0, said, rng);
    let way = if read.to.is_some() {
        Way::Email
    } else {
        Way::Link
    };
    let row = DocumentRequestRow {
        id,
        patient: new.patient,
        asked_by,
        types: new.types.iter().collect(),
        to_p: read.to.as_ref().map(|to| {
            service
                .protect()
                .seal(TO, id.0, to.address().as_bytes(), rng)
        }),
        way,
        token_hash,
        words_sealed: read.words.seal(&secret, id, rng)?,
        message_sealed: message.0,
        sync,
        state: State::Open,
        documents: 0,
        bytes: 0,
        expires_at: after(now, LINK_DAYS * DAY),
        created_at: now,
        updated_at: now,
        answered_at: None,
    };
    rows::insert(tx, &row)?;
    let step = match way {
        Way::Email => Step::RequestMailed,
        _ => Step::Requested,
    };
    log(tx, &row, step, 0, now, rng)?;
    if let Some(to) = &read.to {
        let asker = shares::account_name(tx, service, asked_by).map_err(elsewhere)?;
        let content = Content::DocumentsAsked {
            asker: asker.unwrap_or_default(),
            token: token.to_string(),
            valid_until: row.expires_at,
        };
        mail::queue(tx, service, to.address(), &content, now, rng)?;
    }
    let url = format!("{}/requests/{}", service.settings().app_url, token.as_str());
    let mut made = view(tx, service, row, now)?;
    made.url = Some(Zeroizing::new(url));
    Ok(made)
}

/// A line of the synchronization log about a request.
fn log(
    tx: &mut Tx,
    row: &DocumentRequestRow,
    step: Step,
    documents: u64,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let line = LogRow {
        id: SyncId::new(now.as_millisecond().unsigned_abs(), rng),
        patient: row.patient,
        connection: None,
        sync: row.sync,
        record: None,
        action: LogAction::Request,
        status: step.status(),
        step: step.code().to_owned(),
        why: None,
        counts: Counts {
            created: documents,
            ..Counts::default()
        },
        at: now,
    };
    sync_rows::insert_log(tx, &line)
}

fn view(
    db: &mut Reader,
    service: &Service,
    row: DocumentRequestRow,
    now: Timestamp,
) -> Result<DocumentRequest, DocumentRequestFailure> {
    let asker = shares::account_name(db, service, row.asked_by).map_err(elsewhere)?;
    let to = service
        .protect()
        .open_optional(TO, row.id.0, row.to_p.as_deref())?;
    Ok(DocumentRequest {
        state: row.state.at(row.expires_at, now),
        asker_name: asker.unwrap_or_default(),
        to: to.map(|to| to.to_string()),
        url: None,
        row,
    })
}

/// Requests about a patient, newest first: for whoever manages the record or
/// holds a grant on it.
///
/// # Errors
/// The policy's.
pub async fn list_document_requests(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Vec<DocumentRequest>, DocumentRequestFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("document.list", move |db| {
            let action = Action::ListDocumentRequests;
            patients::permit::<DocumentRequestError>(db, &asking, action, patient, now)?;
            let found = rows::list_of_patient(db, patient, LISTED)?;
            found
                .into_iter()
                .map(|row| view(db, &this, row, now))
                .collect()
        })
        .await
}

/// Requests that the caller made and still has to do with, newest first.
///
/// # Errors
/// The policy's: verified providers only.
pub async fn list_own_document_requests(
    service: &Service,
    caller: &Caller,
) -> Result<Vec<DocumentRequest>, DocumentRequestFailure> {
    let now = service.now();
    let account = caller.account()?.id;
    let (action, target) = (Action::ListDocumentRequests, Target::Account(account));
    policy::permit(&caller.who, action, &target, now)?;
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("document.list", move |db| {
            let mut items = Vec::new();
            for row in rows::list_of_asker(db, account, LISTED)? {
                let may =
                    patients::permit::<DocumentRequestError>(db, &asking, action, row.patient, now);
                match may {
                    Ok(_) => items.push(view(db, &this, row, now)?),
                    Err(Failure::Refused(_)) => {}
                    Err(other) => return Err(other),
                }
            }
            Ok(items)
        })
        .await
}

/// `GET /api/v1/document-requests/{id}`.
///
/// # Errors
/// The policy's; [`DocumentRequestError::Unknown`].
pub async fn find_document_request(
    service: &Service,
    caller: &Caller,
    id: DocumentRequestId,
) -> Result<DocumentRequest, DocumentRequestFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("document.find", move |db| {
            asking.account()?;
            let row = rows::lookup(db, id)?.ok_or(DocumentRequestError::Unknown)?;
            let action = Action::ListDocumentRequests;
            let may =
                patients::permit::<DocumentRequestError>(db, &asking, action, row.patient, now);
            match may {
                Err(Failure::Refused(Refusal::Unknown(_))) => {
                    Err(DocumentRequestError::Unknown.into())
                }
                Err(other) => Err(other),
                Ok(_) => view(db, &this, row, now),
            }
        })
        .await
}

/// How a person ends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What was needed is there.
    Close,
    /// It is needed no more.
    Cancel,
}

/// `PUT /api/v1/document-requests/{id}`: closes a request, or calls it off; its
/// link takes nothing from then on.
///
/// # Errors
/// The policy's; [`DocumentRequestError::Unknown`], [`DocumentRequestError::Closed`].
pub async fn end_document_request(
    service: &Service,
    caller: &Caller,
    id: DocumentRequestId,
    ending: Ending,
) -> Result<DocumentRequest, DocumentRequestFailure> {
    let now = service.now();
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("document.close", move |tx| {
            let account = asking.account()?.id;
            let unknown = || Failure::from(DocumentRequestError::Unknown);
            let row = rows::lookup(tx, id)?.ok_or_else(unknown)?;
            let (_, about) = facts(tx, row.patient, Some(account))?.ok_or_else(unknown)?;
            let action = Action::UpdateDocumentRequest;
            let target = Target::DocumentRequest(&about, row.asked_by);
            let permit = match policy::permit(&asking.who, action, &target, now) {
                Err(Refusal::Unknown(_)) => return Err(unknown()),
                other => other?,
            };
            let (state, step, why) = match ending {
                Ending::Close => (State::Closed, Step::RequestClosed, "closed"),
                Ending::Cancel => (State::Cancelled, Step::RequestCancelled, "cancelled"),
            };
            let over = !row.state.at(row.expires_at, now).takes();
            if over || !rows::end(tx, id, state, now)? {
                return Err(DocumentRequestError::Closed.into());
            }
            log(tx, &row, step, 0, now, &mut rng)?;
            let entry = NewEntry::under(TrailAction::DocumentClose, now, &permit)
                .detail("request", Detail::Id(id.0))
                .detail("why", Detail::Word(why));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            let row = rows::lookup(tx, id)?.ok_or_else(unknown)?;
            view(tx, &this, row, now)
        })
        .await
}

/// Ends what nobody closed in its time.
///
/// # Errors
/// The database's.
pub(crate) async fn sweep(service: &Service) -> Result<(), StoreError> {
    let (now, mut rng) = (service.now(), service.rng());
    service
        .store()
        .write("document.expire", move |tx: &mut Tx| {
            for row in rows::list_over(tx, now, PORTION)? {
                rows::end(tx, row.id, State::Expired, now)?;
                log(tx, &row, Step::RequestExpired, 0, now, &mut rng)?;
                let entry = NewEntry::new(TrailAction::DocumentClose, now, TrailActor::System)
                    .patient(row.patient)
                    .detail("request", Detail::Id(row.id.0))
                    .detail("why", Detail::Word("expired"));
                trail::append(tx, entry, &mut rng)?;
                let kind = TrailAction::DocumentClose.as_str();
                events::tell(tx, [row.asked_by], kind, row.id.0, now)?;
            }
            Ok(())
        })
        .await
}
