//! Links, by whoever visits one: does it live, open it, read on, take a copy,
//! ask for a new one. Sealed throughout; a visitor whose key the server uses
//! comes through here as well.
//!
//! What counts is decided twice: before anything is read, and once more in
//! the transaction that counts and logs, since a revocation may come between.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chartkey_domain::grants::{EndReason, GrantFacts, Purpose};
use chartkey_domain::ids::{GrantId, RecordId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, LinkFacts, LinkProof, PatientFacts, Permit, Refusal};
use chartkey_domain::shares::{ShareError, ShareStatus, is_token, reader_name};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_fhir::Compartment;
use chartkey_store::grants::GrantRow;
use chartkey_store::patients::PatientRow;
use chartkey_store::shares::{self as rows, LinkRow, ViewRow};
use chartkey_store::{Reader, StoreError, Tx, blobs, grants, records as record_rows};
use chartkey_vault::bytes::Bytes;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{LinkOpened, SealedPage};
use chartkey_vault::transport::SealedQuery;
use jiff::{SignedDuration, Timestamp};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::passcode::{self, Tried};
use super::{ShareFailure, VISITOR, letters, link_facts, target};
use crate::blobs::FoundBlob;
use crate::letters::Content;
use crate::patients::{epoch_links, facts, signed};
use crate::records::sealed_page;
use crate::{Caller, Failure, Origin, Service, events, limits, secrets, trail};

/// Purpose of the proof that a link's key gives.
pub(crate) const PROOF: &str = "share";
/// Purpose of the secret that names a visit.
const VIEW: &str = "share.view";
/// How long a visit lasts.
pub const VIEW_LIFE: SignedDuration = SignedDuration::from_mins(30);

/// What a visitor shows.
#[derive(Clone)]
pub enum Proof {
    /// The token alone.
    None,
    /// A value derived from the key: their own program opens.
    Auth([u8; 32]),
    /// The same, of a key that came along: the server opens for this request.
    Key([u8; 32]),
    /// The secret of a visit that was begun before.
    View(String),
}

impl Proof {
    const fn kind(&self) -> LinkProof {
        match self {
            Self::None => LinkProof::Token,
            Self::Auth(_) => LinkProof::Auth,
            Self::Key(_) => LinkProof::Key,
            Self::View(_) => LinkProof::View,
        }
    }
}

/// Somebody at a link.
#[derive(Clone)]
pub struct Visitor {
    /// From where.
    pub origin: Origin,
    /// Which link.
    pub token: String,
    /// What they show.
    pub proof: Proof,
    /// The secret of a visit that they began with their key: what they do
    /// belongs to it.
    pub view: Option<String>,
    /// The passcode, where they know one.
    pub passcode: Option<Zeroizing<String>>,
    /// Who they say they are.
    pub said: Option<String>,
}

impl Visitor {
    /// The secret of a visit that they show, as proof or beside it.
    fn view_secret(&self) -> Option<&str> {
        match &self.proof {
            Proof::View(view) => Some(view),
            Proof::None | Proof::Auth(_) | Proof::Key(_) => self.view.as_deref(),
        }
    }
}

impl std::fmt::Debug for Visitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Visitor")
    }
}

/// Why a visit did not come about.
#[derive(Debug, thiserror::Error)]
pub enum VisitFailure {
    /// A passcode is due: 401.
    #[error("a passcode is needed")]
    Passcode {
        /// Wrong ones that are left in the link's life.
        left: u32,
    },
    /// The link has ended: 410.
    #[error("the link has ended")]
    Ended(ShareStatus),
    /// Everything else.
    #[error(transparent)]
    Other(#[from] ShareFailure),
}

impl From<StoreError> for VisitFailure {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<VaultError> for VisitFailure {
    fn from(error: VaultError) -> Self {
        Self::Other(error.into())
    }
}

impl From<ShareError> for VisitFailure {
    fn from(error: ShareError) -> Self {
        Self::Other(error.into())
    }
}

impl From<Refusal> for VisitFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ShareExpired => Self::Ended(ShareStatus::Expired),
            Refusal::ShareRevoked => Self::Ended(ShareStatus::Revoked),
            other => Self::Other(other.into()),
        }
    }
}

/// A link as it was found.
pub(crate) struct Found {
    pub patient: PatientRow,
    pub about: PatientFacts,
    pub grant: GrantRow,
    pub link: LinkRow,
    pub facts: GrantFacts,
}

/// The link of a token, with what the policy must know.
pub(crate) fn find(db: &mut Reader, token: &str) -> Result<Option<Found>, StoreError> {
    match rows::lookup_by_token(db, token)? {
        Some(link) => complete(db, link),
        None => Ok(None),
    }
}

pub(crate) fn complete(db: &mut Reader, link: LinkRow) -> Result<Option<Found>, StoreError> {
    let Some(grant) = grants::lookup(db, link.grant)? else {
        return Ok(None);
    };
    let Some((patient, about)) = facts(db, grant.patient, None)? else {
        return Ok(None);
    };
    let facts = link_facts(db, &grant, &link)?;
    Ok(Some(Found {
        patient,
        about,
        grant,
        link,
        facts,
    }))
}

impl Found {
    /// Asks the policy for a visitor who showed `proof`; passcodes are
    /// checked apart.
    pub(crate) fn permit(
        &self,
        proof: LinkProof,
        action: Action,
        now: Timestamp,
    ) -> Result<Permit, Refusal> {
        let who = policy::Caller::Link(LinkFacts {
            grant: self.facts.clone(),
            proof,
            passcode_due: false,
        });
        policy::permit(&who, action, &target(&self.about, &self.facts), now)
    }

    /// An entry about what a permit permitted here.
    pub(crate) fn entry(&self, action: TrailAction, permit: &Permit, now: Timestamp) -> NewEntry {
        let entry = NewEntry::under(action, now, permit)
            .grant(self.grant.id)
            .types(self.facts.types);
        match Purpose::from_code(&self.grant.purpose) {
            Some(purpose) => entry.purpose(purpose),
            None => entry,
        }
    }
}

impl Found {
    /// The last access that a link allows goes on until its visit is over.
    pub(crate) fn go_on(&mut self) {
        if self.facts.ended == Some(EndReason::UsedUp) && self.grant.ended_at.is_none() {
            self.facts.ended = None;
        }
    }
}

/// Finds the link of a well-formed token, or says that there is none and
/// counts that somebody was turned away.
pub(crate) async fn arrive(
    service: &Service,
    origin: &Origin,
    token: &str,
) -> Result<Found, VisitFailure> {
    limits::spend(service, Limit::ShareOpen, &limits::network(origin.address))
        .await
        .map_err(VisitFailure::Other)?;
    let found = if is_token(token) {
        let token = token.to_owned();
        service
            .store()
            .read("share.find", move |db| find(db, &token))
            .await
            .map_err(|error: StoreError| VisitFailure::from(error))?
    } else {
        None
    };
    found.ok_or_else(|| {
        limits::refused(service, origin, TrailAction::ShareRefuse);
        ShareError::Unknown.into()
    })
}

/// What anybody with the token may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareState {
    /// Active; whatever has ended is a failure.
    pub status: ShareStatus,
    /// From when it opens.
    pub valid_from: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether a passcode is due.
    pub needs_passcode: bool,
}

/// `GET /api/records/shared/{token}` with neither key nor proof. Counts
/// nothing.
///
/// # Errors
/// 404 for a token that names nothing; 410 for a link that has ended.
pub async fn find_share_status(
    service: &Service,
    origin: &Origin,
    token: &str,
) -> Result<ShareState, VisitFailure> {
    let now = service.now();
    let found = arrive(service, origin, token).await?;
    found.permit(LinkProof::Token, Action::FindShareStatus, now)?;
    let status = ShareStatus::from(found.facts.status(now));
    if status != ShareStatus::Active {
        return Err(VisitFailure::Ended(status));
    }
    Ok(ShareState {
        status,
        valid_from: found.grant.valid_from,
        expires_at: found.grant.expires_at,
        needs_passcode: found.link.passcode_hash.is_some(),
    })
}

/// Checks what a visitor shows: the proof, and the passcode where one is due.
async fn admit(
    service: &Service,
    visitor: &Visitor,
    found: &mut Found,
    action: Action,
) -> Result<(), VisitFailure> {
    let now = service.now();
    check_proof(service, visitor, found).await?;
    let within = begun(service, found, visitor).await?;
    if within {
        found.go_on();
    }
    found.permit(visitor.proof.kind(), action, now)?;
    if within || matches!(visitor.proof, Proof::View(_)) {
        return Ok(());
    }
    let given = visitor.passcode.as_ref().map(|p| p.as_str());
    try_passcode(service, &visitor.origin, found, given).await
}

/// Tries a passcode, and counts whoever is turned away.
pub(crate) async fn try_passcode(
    service: &Service,
    origin: &Origin,
    found: &Found,
    given: Option<&str>,
) -> Result<(), VisitFailure> {
    match passcode::try_passcode(service, &found.link, given).await? {
        Tried::Right => Ok(()),
        Tried::Due(left) => {
            if given.is_some() {
                limits::refused(service, origin, TrailAction::ShareRefuse);
            }
            Err(VisitFailure::Passcode { left })
        }
        Tried::Over => {
            limits::refused(service, origin, TrailAction::ShareRefuse);
            Err(VisitFailure::Ended(ShareStatus::Expired))
        }
    }
}

/// Whether proof and link belong together. A link that has ended says so
/// first, since its token alone tells as much.
async fn check_proof(
    service: &Service,
    visitor: &Visitor,
    found: &Found,
) -> Result<(), VisitFailure> {
    let now = service.now();
    let holds = match &visitor.proof {
        Proof::None => return Ok(()),
        Proof::Auth(auth) | Proof::Key(auth) => {
            let hash = service.protect().proof_hash(PROOF, found.grant.id.0, auth);
            bool::from(hash.ct_eq(&found.link.auth_hash))
        }
        Proof::View(_) => begun(service, found, visitor).await?,
    };
    if holds {
        return Ok(());
    }
    let status = ShareStatus::from(found.facts.status(now));
    if status != ShareStatus::Active {
        return Err(VisitFailure::Ended(status));
    }
    limits::refused(service, &visitor.origin, TrailAction::ShareRefuse);
    limits::spend(service, Limit::ShareKey, &found.grant.id.to_string())
        .await
        .map_err(VisitFailure::Other)?;
    Err(ShareError::Key.into())
}

/// [`is_within`], outside of any transaction.
async fn begun(service: &Service, found: &Found, visitor: &Visitor) -> Result<bool, StoreError> {
    if visitor.view_secret().is_none() {
        return Ok(false);
    }
    let (now, grant) = (service.now(), found.grant.id);
    let (this, visitor) = (service.clone(), visitor.clone());
    service
        .store()
        .read("share.view", move |db| {
            is_within(db, &this, grant, &visitor, now)
        })
        .await
}

/// A visit that was begun: what opens the link, and the secret that names it.
#[derive(Debug)]
pub struct Opened {
    /// For the holder's program.
    pub opened: LinkOpened,
    /// The link, for what the answer says about it.
    pub grant: GrantRow,
    /// How often it was opened, this time included.
    pub access_count: u64,
    /// Name of the patient as the server knows it.
    pub patient_name: Option<String>,
}

/// `GET /api/records/shared/{token}` with a proof: begins a visit, counted
/// and logged before anything leaves.
///
/// # Errors
/// 401 for a wrong proof or passcode, 404, 410; the policy's.
pub async fn open_share(
    service: &Service,
    visitor: &Visitor,
    query: SealedQuery,
) -> Result<Opened, VisitFailure> {
    let mut found = arrive(service, &visitor.origin, &visitor.token).await?;
    admit(service, visitor, &mut found, Action::OpenShare).await?;
    let kind = visitor.proof.kind();
    let now = service.now();
    let permit = found.permit(kind, Action::OpenShare, now)?;
    let (mut opened, patient_name) = read_opened(service, &found, &permit, query).await?;
    let (view, hash) = secrets::new_token(service, VIEW, &mut service.rng());
    let count = opened.page.items.len() as u64;
    let access_count = begin(service, visitor, kind, hash, count).await?;
    view.as_str().clone_into(&mut opened.view);
    Ok(Opened {
        opened,
        grant: found.grant,
        access_count,
        patient_name,
    })
}

async fn read_opened(
    service: &Service,
    found: &Found,
    permit: &Permit,
    query: SealedQuery,
) -> Result<(LinkOpened, Option<String>), VisitFailure> {
    let (this, permit) = (service.clone(), permit.clone());
    let (grant, coverage) = (found.grant.clone(), found.facts.coverage());
    service
        .store()
        .read_long("share.read", move |db| {
            let statement = rows::lookup_statement(db, grant.patient, grant.id)?.ok_or(
                Failure::<ShareError>::Internal("a grant without a statement"),
            )?;
            let seals = grants::lookup_seals(db, grant.id)?.ok_or(ShareError::Unknown)?;
            let wanted = |c: Compartment| coverage.covers(c);
            let page = sealed_page(db, &permit, &query)
                .map_err(|failure| failure.map(|_| ShareError::Unknown))?;
            let opened = LinkOpened {
                patient: grant.patient.0,
                grant: grant.id.0,
                statement: signed(statement)?,
                expires_at: grant.expires_at,
                keyring: Bytes(seals.keyring),
                cover: Bytes(seals.cover),
                epoch_links: epoch_links(db, grant.patient, &wanted)?,
                view: String::new(),
                page,
            };
            let name = letters::patient_name(db, &this, grant.patient)?;
            Ok::<_, VisitFailure>((opened, name))
        })
        .await
}

/// Counts and logs a visit, if the link still opens at this very moment.
async fn begin(
    service: &Service,
    visitor: &Visitor,
    kind: LinkProof,
    hash: [u8; 32],
    count: u64,
) -> Result<u64, VisitFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let (this, visitor) = (service.clone(), visitor.clone());
    service
        .store()
        .write("share.read", move |tx| {
            let found = find(tx, &visitor.token)?.ok_or(ShareError::Unknown)?;
            let permit = found.permit(kind, Action::OpenShare, now)?;
            let until = now.checked_add(VIEW_LIFE).unwrap_or(Timestamp::MAX);
            note_visit(tx, &this, &found, &visitor, hash, until, now, &mut rng)?;
            let mut entry = found
                .entry(TrailAction::ShareRead, &permit, now)
                .count(count);
            if kind == LinkProof::Key {
                entry = entry.assisted();
            }
            let nobody = Caller::nobody(visitor.origin.clone());
            trail::append_by(tx, entry, &nobody, &mut rng)?;
            letters::queue_opened(tx, &this, found.patient.id, now, &mut rng)?;
            Ok(found.grant.access_count.saturating_add(1))
        })
        .await
}

/// Notes who came, and counts.
#[expect(
    clippy::too_many_arguments,
    reason = "a row with everything that makes it"
)]
pub(crate) fn note_visit(
    tx: &mut Tx,
    service: &Service,
    found: &Found,
    visitor: &Visitor,
    hash: [u8; 32],
    until: Timestamp,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let id = found.grant.id;
    let said = visitor.said.as_deref().and_then(reader_name);
    let recipient_p = said.map(|said| service.protect().seal(VISITOR, id.0, said.as_bytes(), rng));
    let view = ViewRow {
        created_at: now,
        expires_at: until,
        recipient_p,
    };
    rows::insert_view(tx, &hash, id, &view)?;
    grants::count_access(tx, id, now)?;
    let kind = TrailAction::ShareRead.as_str();
    events::tell_managers(tx, found.patient.id, kind, id.0, now)
}

/// A further page of a visit. Stops when the visit is over, and at once when
/// the link is revoked. Logged before it leaves; not counted.
///
/// # Errors
/// As [`open_share`].
pub async fn list_shared(
    service: &Service,
    visitor: &Visitor,
    query: SealedQuery,
) -> Result<SealedPage, VisitFailure> {
    let mut found = arrive(service, &visitor.origin, &visitor.token).await?;
    admit(service, visitor, &mut found, Action::OpenShare).await?;
    let now = service.now();
    let permit = found.permit(visitor.proof.kind(), Action::OpenShare, now)?;
    let page = service
        .store()
        .read_long("share.read", move |db| {
            sealed_page(db, &permit, &query)
                .map_err(|failure| VisitFailure::Other(failure.map(|_| ShareError::Unknown)))
        })
        .await?;
    let count = page.items.len() as u64;
    log(
        service,
        visitor,
        Action::OpenShare,
        TrailAction::ShareRead,
        move |entry| entry.count(count).detail("part", Detail::Word("page")),
    )
    .await?;
    Ok(page)
}

/// Whether what a visitor does belongs to a visit that lasts.
fn is_within(
    db: &mut Reader,
    service: &Service,
    grant: GrantId,
    visitor: &Visitor,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let secret = visitor.view_secret();
    match secret.and_then(|view| secrets::token_hash(service, VIEW, view)) {
        Some(hash) => rows::has_view(db, &hash, grant, now),
        None => Ok(false),
    }
}

/// Makes an entry durable, if the link still opens at this very moment or the
/// visit goes on that its last access began.
async fn log(
    service: &Service,
    visitor: &Visitor,
    action: Action,
    logged: TrailAction,
    say: impl FnOnce(NewEntry) -> NewEntry + Send + 'static,
) -> Result<(), VisitFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let (this, visitor) = (service.clone(), visitor.clone());
    service
        .store()
        .write("share.read", move |tx| {
            let mut found = find(tx, &visitor.token)?.ok_or(ShareError::Unknown)?;
            if is_within(tx, &this, found.grant.id, &visitor, now)? {
                found.go_on();
            }
            let permit = found.permit(visitor.proof.kind(), action, now)?;
            let entry = say(found.entry(logged, &permit, now));
            let nobody = Caller::nobody(visitor.origin.clone());
            trail::append_by(tx, entry, &nobody, &mut rng)?;
            Ok(())
        })
        .await
}

/// A sealed body of a visited link: which blob, and how long it is.
///
/// # Errors
/// 404 for a record that the link does not cover or that has no blob; as
/// [`open_share`].
pub async fn find_shared_blob(
    service: &Service,
    visitor: &Visitor,
    record: RecordId,
) -> Result<FoundBlob, VisitFailure> {
    let mut found = arrive(service, &visitor.origin, &visitor.token).await?;
    admit(service, visitor, &mut found, Action::OpenShare).await?;
    let now = service.now();
    let who = policy::Caller::Link(LinkFacts {
        grant: found.facts.clone(),
        proof: visitor.proof.kind(),
        passcode_due: false,
    });
    let about = found.about.clone();
    let unknown = || Refusal::Unknown(policy::Noun::Record);
    let blob = service
        .store()
        .read("share.blob", move |db| {
            let row = record_rows::lookup(db, record)?.ok_or_else(unknown)?;
            let facts = crate::records::record_facts(&row);
            let target = policy::Target::Record(&about, &facts);
            let permit = policy::permit(&who, Action::FindBlob, &target, now)?;
            let (_, version) =
                record_rows::lookup_version(db, &permit, None)?.ok_or_else(unknown)?;
            let blob = version.blob.ok_or_else(unknown)?;
            let patient = *permit.patient().as_bytes();
            let stored = blobs::lookup(db, patient, *blob.as_bytes())?.ok_or_else(unknown)?;
            Ok::<_, VisitFailure>(FoundBlob {
                blob,
                record,
                len: stored.size,
            })
        })
        .await?;
    log(
        service,
        visitor,
        Action::OpenShare,
        TrailAction::ShareRead,
        move |entry| entry.record(record).detail("part", Detail::Word("blob")),
    )
    .await?;
    Ok(blob)
}

/// What a download is made of, or that one was made elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Download {
    /// The visitor's own program made it.
    Elsewhere,
    /// A PDF.
    Pdf,
    /// A FHIR Bundle.
    Fhir,
}

impl Download {
    const fn word(self) -> &'static str {
        match self {
            Self::Elsewhere => "own",
            Self::Pdf => "pdf",
            Self::Fhir => "fhir",
        }
    }
}

/// Counts a download, logged before anything leaves. Where the link may be
/// opened so many times only, one outside a visit is one of these.
///
/// # Errors
/// 403 for a link without downloads; as [`open_share`].
pub async fn count_download(
    service: &Service,
    visitor: &Visitor,
    what: Download,
) -> Result<u64, VisitFailure> {
    let mut found = arrive(service, &visitor.origin, &visitor.token).await?;
    admit(service, visitor, &mut found, Action::DownloadShare).await?;
    note_download(service, visitor, what).await
}

/// [`count_download`] of a visitor who was admitted before.
pub(crate) async fn note_download(
    service: &Service,
    visitor: &Visitor,
    what: Download,
) -> Result<u64, VisitFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let (this, visitor) = (service.clone(), visitor.clone());
    service
        .store()
        .write("share.download", move |tx| {
            let mut found = find(tx, &visitor.token)?.ok_or(ShareError::Unknown)?;
            let kind = visitor.proof.kind();
            let id = found.grant.id;
            let within = is_within(tx, &this, id, &visitor, now)?;
            if within {
                found.go_on();
            }
            let permit = found.permit(kind, Action::DownloadShare, now)?;
            let outside = kind != LinkProof::View && !within;
            if outside && found.link.max_accesses.is_some() {
                let (_, hash) = secrets::new_token(&this, VIEW, &mut rng);
                note_visit(tx, &this, &found, &visitor, hash, now, now, &mut rng)?;
            }
            grants::count_download(tx, id, now)?;
            let mut entry = found
                .entry(TrailAction::ShareDownload, &permit, now)
                .detail("format", Detail::Word(what.word()));
            if what != Download::Elsewhere {
                entry = entry.assisted();
            }
            let nobody = Caller::nobody(visitor.origin.clone());
            trail::append_by(tx, entry, &nobody, &mut rng)?;
            let kind = TrailAction::ShareDownload.as_str();
            events::tell_managers(tx, found.patient.id, kind, id.0, now)?;
            Ok(found.grant.download_count.saturating_add(1))
        })
        .await
}

/// What a download is made of: everything the link shows, sealed. Nothing is
/// counted or logged here: [`note_download`] comes before anything leaves.
pub(crate) async fn read_for_download(
    service: &Service,
    visitor: &Visitor,
    query: SealedQuery,
) -> Result<Opened, VisitFailure> {
    let mut found = arrive(service, &visitor.origin, &visitor.token).await?;
    admit(service, visitor, &mut found, Action::DownloadShare).await?;
    let now = service.now();
    let permit = found.permit(visitor.proof.kind(), Action::DownloadShare, now)?;
    let (opened, patient_name) = read_opened(service, &found, &permit, query).await?;
    Ok(Opened {
        opened,
        access_count: found.grant.access_count,
        grant: found.grant,
        patient_name,
    })
}

/// `POST /api/records/shared/{token}/ask`: asks the patient for a new link.
///
/// # Errors
/// 404 for a token that names nothing; 429 where it was asked often.
pub async fn ask_share(
    service: &Service,
    origin: &Origin,
    token: &str,
) -> Result<(), VisitFailure> {
    let found = arrive(service, origin, token).await?;
    limits::spend(service, Limit::ShareAsk, &found.grant.id.to_string())
        .await
        .map_err(VisitFailure::Other)?;
    let now = service.now();
    let permit = found.permit(LinkProof::Token, Action::AskShare, now)?;
    let mut rng = service.rng();
    let (this, origin) = (service.clone(), origin.clone());
    service
        .store()
        .write("share.ask", move |tx| {
            let entry = NewEntry::under(TrailAction::ShareAsk, now, &permit).grant(found.grant.id);
            trail::append_by(tx, entry, &Caller::nobody(origin), &mut rng)?;
            let patient = found.patient.id;
            let content = Content::ShareAsked;
            letters::queue_to_managers(tx, &this, patient, &content, now, &mut rng)?;
            let kind = TrailAction::ShareAsk.as_str();
            events::tell_managers(tx, patient, kind, found.grant.id.0, now)?;
            Ok(())
        })
        .await
}

/// A proof from its text: 32 bytes of base64, whichever alphabet.
pub fn parse_proof(text: &str) -> Option<[u8; 32]> {
    use base64::engine::general_purpose::STANDARD;
    let text = text.trim();
    let bytes = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .or_else(|_| STANDARD.decode(text))
        .ok()?;
    <[u8; 32]>::try_from(bytes).ok()
}
