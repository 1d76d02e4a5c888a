//! What whoever has the link of a request may do: see what is asked for, and
//! send it. They see nothing of the record, and what they send they cannot read
//! again.

use chartkey_crypto::{Secret, derive};
use chartkey_domain::document_requests::{
    DocumentRequestState as State, MAX_BYTES, MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, media_type_of,
};
use chartkey_domain::ids::{DocumentRequestId, PatientId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, Target};
use chartkey_domain::records::RecordTypes;
use chartkey_domain::sync::{Step, SyncError};
use chartkey_domain::text;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_fhir::RecordType;
use chartkey_store::document_requests::{self as rows, DocumentRequestRow};
use chartkey_store::{Reader, StoreError, Tx, accounts};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{DocumentRequestError, DocumentRequestFailure, LINK, Words, elsewhere, log};
use crate::intake::{Letter, Posted, Poster, may_add_by};
use crate::letters::Content;
use crate::limits::network;
use crate::{Caller, Failure, Service, columns, events, limits, secrets, shares, trail};

/// Longest title, file name and sender, in characters.
const MAX_WORDS: usize = 200;

/// What the link of a request shows.
pub struct Asked {
    /// Who asks.
    pub asker_name: String,
    /// Where they work.
    pub asker_organization: Option<String>,
    /// About whom.
    pub patient_name: String,
    /// Their day of birth, where it is known.
    pub birth_date: Option<String>,
    /// Which types; none: whatever there is.
    pub types: Vec<RecordType>,
    /// Only what is about this day or later.
    pub since: Option<String>,
    /// What is said.
    pub message: Zeroizing<String>,
    /// Documents that came so far.
    pub documents: u64,
    /// Until when the link takes some.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

/// A document that is sent. Open content, wiped when dropped.
pub struct Sent {
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What the sender's program says it is.
    pub media_type: Option<String>,
    /// Its name.
    pub file_name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Who sends it.
    pub sender: Option<String>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sent({} bytes)", self.bytes.len())
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// New records; none where the same was sent before.
    pub created: u64,
    /// Documents that came by the link, this one included.
    pub documents: u64,
}

/// A token, as it came.
struct Token {
    secret: Secret,
    hash: [u8; 32],
}

impl Token {
    fn read(service: &Service, text: &str) -> Result<Self, DocumentRequestFailure> {
        let unknown = DocumentRequestError::Unknown;
        Ok(Self {
            hash: secrets::token_hash(service, LINK, text).ok_or(unknown)?,
            secret: secrets::token_secret(text).ok_or(unknown)?,
        })
    }
}

/// A request that takes documents, with the types that these may have.
fn living(
    db: &mut Reader,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<(DocumentRequestRow, Option<RecordTypes>), DocumentRequestFailure> {
    let row = rows::lookup_by_token(db, hash)?.ok_or(DocumentRequestError::Unknown)?;
    if !row.state.at(row.expires_at, now).takes() {
        return Err(DocumentRequestError::Closed.into());
    }
    // It rests on what whoever asked may add to the record now.
    let allowed = may_add_by(db, row.patient, row.asked_by, now)?;
    let allowed = allowed.ok_or(DocumentRequestError::Closed)?;
    Ok((row, allowed))
}

async fn spend(service: &Service, caller: &Caller) -> Result<(), DocumentRequestFailure> {
    let from = network(caller.origin.address);
    limits::spend(service, Limit::DocumentRequestOpen, &from).await
}

/// `GET /api/v1/document-requests/by-token/{token}`: what is asked for, written
/// down before it is told.
///
/// # Errors
/// [`DocumentRequestError::Unknown`], [`DocumentRequestError::Closed`]; too often.
pub async fn open_document_request(
    service: &Service,
    caller: &Caller,
    token: &str,
) -> Result<Asked, DocumentRequestFailure> {
    spend(service, caller).await?;
    let token = Token::read(service, token)?;
    let now = service.now();
    policy::permit(
        &caller.who,
        Action::OpenDocumentRequest,
        &Target::Public,
        now,
    )?;
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("document.open", move |tx| {
            let (row, _) = living(tx, &token.hash, now)?;
            let asked = tell(tx, &this, &row, &token.secret)?;
            let entry = entry(TrailAction::DocumentOpen, &asking, row.patient, row.id, now)?;
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(asked)
        })
        .await
}

/// An entry about a link's holder, who is nobody.
fn entry(
    action: TrailAction,
    caller: &Caller,
    patient: PatientId,
    id: DocumentRequestId,
    now: Timestamp,
) -> Result<NewEntry, DocumentRequestFailure> {
    let permit = policy::permit(
        &caller.who,
        Action::OpenDocumentRequest,
        &Target::Public,
        now,
    )?;
    Ok(NewEntry::under(action, now, &permit)
        .patient(patient)
        .detail("request", Detail::Id(id.0)))
}

fn tell(
    db: &mut Reader,
    service: &Service,
    row: &DocumentRequestRow,
    token: &Secret,
) -> Result<Asked, DocumentRequestFailure> {
    let mut words = Words::open(token, row.id, &row.words_sealed)?;
    let asker = shares::account_name(db, service, row.asked_by).map_err(elsewhere)?;
    let account = accounts::lookup(db, row.asked_by)?;
    let organization = account.and_then(|a| a.organization_p);
    let organization = service.protect().open_optional(
        columns::ORGANIZATION,
        row.asked_by.0,
        organization.as_deref(),
    )?;
    let patient = shares::patient_name(db, service, row.patient).map_err(elsewhere)?;
    let born = shares::patient_birth_date(db, service, row.patient).map_err(elsewhere)?;
    Ok(Asked {
        asker_name: asker.unwrap_or_default(),
        asker_organization: organization.map(|text| text.to_string()),
        patient_name: patient.unwrap_or_default(),
        birth_date: born,
        types: row.types.clone(),
        since: words.since.take(),
        message: Zeroizing::new(std::mem::take(&mut words.message)),
        documents: row.documents,
        expires_at: row.expires_at,
    })
}

/// `POST /api/v1/document-requests/by-token/{token}/documents`: takes one
/// document in, and seals it at once.
///
/// # Errors
/// [`DocumentRequestError::Unknown`], [`DocumentRequestError::Closed`],
/// [`DocumentRequestError::Full`], [`DocumentRequestError::File`]; too often.
pub async fn answer_document_request(
    service: &Service,
    caller: &Caller,
    token: &str,
    sent: Sent,
) -> Result<Answered, DocumentRequestFailure> {
    spend(service, caller).await?;
    let token = Token::read(service, token)?;
    let now = service.now();
    let action = Action::AnswerDocumentRequest;
    policy::permit(&caller.who, action, &Target::Public, now)?;
    let hash = token.hash;
    let (row, allowed) = service
        .store()
        .read("document.living", move |db| living(db, &hash, now))
        .await?;
    limits::spend(service, Limit::DocumentReceive, &row.id.to_string()).await?;
    let bytes = sent.bytes.len() as u64;
    if row.documents >= MAX_DOCUMENTS || row.bytes.saturating_add(bytes) > MAX_BYTES {
        return Err(DocumentRequestError::Full.into());
    }
    let letter = letter(sent, &row)?;
    let poster = Poster {
        service,
        patient: row.patient,
        by: ("request", row.id.0),
        dedup: derive(&token.secret, "document-request/dedup", &[]),
        allowed,
    };
    let (this, asking) = (service.clone(), caller.clone());
    let (hash, counted) = (token.hash, row.documents.saturating_add(1));
    let posted = poster
        .post(letter, move |tx, created| {
            note(tx, &this, &asking, &hash, (bytes, created), now).map_err(into_sync)
        })
        .await
        .map_err(out_of_sync)?;
    match posted {
        Posted::Stored(created) => Ok(Answered {
            created,
            documents: counted,
        }),
        Posted::Known => Ok(Answered {
            created: 0,
            documents: row.documents,
        }),
        Posted::Refused => Err(DocumentRequestError::File.into()),
    }
}

fn letter(sent: Sent, row: &DocumentRequestRow) -> Result<Letter, DocumentRequestFailure> {
    let whole = !sent.bytes.is_empty() && sent.bytes.len() <= MAX_DOCUMENT_BYTES;
    let media_type = media_type_of(&sent.bytes, sent.media_type.as_deref())
        .filter(|_| whole)
        .ok_or(DocumentRequestError::File)?;
    let line = |field: &'static str, typed: Option<&str>| {
        text::optional_line(typed, MAX_WORDS)
            .map_err(|error| Failure::<DocumentRequestError>::field(field, &error.to_string()))
    };
    let record_type = match row.types.as_slice() {
        [only] => *only,
        _ => RecordType::Documents,
    };
    Ok(Letter {
        file_name: line("file", sent.file_name.as_deref())?,
        title: line("title", sent.title.as_deref())?,
        sender: line("sender", sent.sender.as_deref())?,
        bytes: sent.bytes,
        media_type,
        record_type,
    })
}

/// Counts a document, and tells whoever asked, in the write that stores it.
fn note(
    tx: &mut Tx,
    service: &Service,
    caller: &Caller,
    hash: &[u8; 32],
    (bytes, created): (u64, u64),
    now: Timestamp,
) -> Result<(), DocumentRequestFailure> {
    let mut rng = service.rng();
    let (row, _) = living(tx, hash, now)?;
    let most = (MAX_DOCUMENTS, MAX_BYTES);
    if !rows::note_document(tx, row.id, bytes, most, now)? {
        return Err(DocumentRequestError::Full.into());
    }
    log(tx, &row, Step::RequestAnswered, created, now, &mut rng)?;
    let types: RecordTypes = row.types.iter().copied().collect();
    let entry = entry(
        TrailAction::DocumentReceive,
        caller,
        row.patient,
        row.id,
        now,
    )?
    .count(created)
    .types(types);
    trail::append_by(tx, entry, caller, &mut rng)?;
    let kind = TrailAction::DocumentReceive.as_str();
    events::tell(tx, [row.asked_by], kind, row.id.0, now)?;
    if row.state == State::Open {
        let content = Content::DocumentsCame;
        shares::queue_to_account(tx, service, row.asked_by, &content, now, &mut rng)?;
    }
    Ok::<_, StoreError>(()).map_err(Failure::from)
}

/// A refusal of this noun, on its way through a write of intake's.
fn into_sync(failure: DocumentRequestFailure) -> Failure<SyncError> {
    match failure {
        Failure::Noun(error) => Failure::Rule {
            code: error.code(),
            field: "file",
            message: error.to_string(),
        },
        other => other.map(|_| SyncError::UnknownRun),
    }
}

fn out_of_sync(failure: Failure<SyncError>) -> DocumentRequestFailure {
    match failure {
        Failure::Rule { code, .. } => DocumentRequestError::ALL
            .into_iter()
            .find(|error| error.code() == code)
            .map_or(Failure::Internal("a refusal of intake's"), Failure::Noun),
        other => other.map(|_| DocumentRequestError::Unknown),
    }
}
