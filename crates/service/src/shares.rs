//! Links, by their owner: made, listed, changed, revoked, and their files for
//! other viewers. What a link lets read is its grant; the server can open
//! neither. Whoever visits a link comes through [`visit`].

mod letters;
mod passcode;
mod sweep;
pub mod visit;

use chartkey_domain::accounts::Email;
use chartkey_domain::grants::{EndReason, GrantFacts, check_period};
use chartkey_domain::ids::{GrantId, Id, PatientId, RecordId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, Permit, Refusal, Target};
use chartkey_domain::records::RecordTypes;
use chartkey_domain::sessions::after;
use chartkey_domain::shares::{
    MAX_RECIPIENTS, NewShare, PASSCODE_ATTEMPTS, SendEmail, ShareForm, ShareStatus, is_token,
};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_fhir::RecordType;
use chartkey_store::grants::GrantRow;
use chartkey_store::patients::PatientRow;
use chartkey_store::shares::{self as rows, FileRow, LinkRow};
use chartkey_store::{Reader, Tx, grants, patients};
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{GrantChange, LinkFile, SealedLink};
use chartkey_vault::statement::{HolderKind, PatientSays, holder_hash};
use jiff::Timestamp;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::grants::{GrantError, Making, never, permit_grant, take_grant};
use crate::idempotency::Once;
use crate::patients::{append_statement, grant_facts, permit};
use crate::protect::Column;
use crate::{Caller, Failure, NounError, Service, events, limits, trail};

pub(crate) use letters::{
    account_name, ask_sender, patient_birth_date, patient_name, queue_ended, queue_to_account,
    queue_to_managers,
};
pub use sweep::sweep;

/// Errors of this noun.
pub use chartkey_domain::shares::ShareError;

/// How a shares use case fails.
pub type ShareFailure = Failure<ShareError>;

/// Largest file of a link, encrypted, in bytes.
pub const MAX_FILE_BYTES: usize = 32 << 20;
/// Files out of date are made anew no sooner than this after they were made:
/// a hundred uploads in a row are one change.
const REMADE_AFTER_SECS: i64 = 30;
/// Visits shown with a link.
const SHOWN_VISITS: u32 = 100;

/// Whom a link is addressed to.
pub(crate) const RECIPIENT_EMAIL: Column = Column::new("links.recipient_email_p");
/// Their name.
pub(crate) const RECIPIENT_NAME: Column = Column::new("links.recipient_name_p");
/// Who a visitor said they are.
pub(crate) const VISITOR: Column = Column::new("link_views.recipient_p");

impl NounError for ShareError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }

    fn field(&self) -> Option<&'static str> {
        Some(match self {
            Self::Passcode => "passcode",
            Self::RecipientName(_) => "recipientName",
            Self::Message(_) => "message",
            Self::Recipients => "recipients",
            Self::MaxAccesses => "maxAccesses",
            Self::SingleFile => "form",
            Self::Unknown
            | Self::Expired
            | Self::Revoked
            | Self::Key
            | Self::PasscodeDue
            | Self::NeedsSender => return None,
        })
    }
}

/// A grant's error, where it is a link's.
fn of_grant(error: GrantError) -> ShareError {
    match error {
        GrantError::Ended => ShareError::Expired,
        _ => ShareError::Unknown,
    }
}

/// Renames a grant's failure for links: what breaks a rule of terms stays
/// with its field.
pub(crate) fn renamed(failure: Failure<GrantError>) -> ShareFailure {
    match failure {
        Failure::Noun(error) => match error {
            GrantError::ExpiryPast | GrantError::ExpiryFar | GrantError::ExpiryMalformed => {
                Failure::field("expiryDate", &error.to_string())
            }
            GrantError::PeriodEmpty => Failure::field("validFrom", &error.to_string()),
            GrantError::Empty => Failure::field("recordTypes", &error.to_string()),
            GrantError::TooManyRecords => Failure::field("recordIds", &error.to_string()),
            GrantError::NothingToTake => Failure::field("allowDownload", &error.to_string()),
            GrantError::Stale | GrantError::Unadopted => {
                Failure::Vault(VaultError::Conflict("compartment.moved".into()))
            }
            other => of_grant(other).into(),
        },
        other => other.map(of_grant),
    }
}

/// What a mail to a link's recipient carries besides what the server knows.
pub struct NewLinkMail {
    /// Whether the link goes along.
    pub way: SendEmail,
    /// The link with its key; needed for [`SendEmail::Link`].
    pub url: Option<Zeroizing<String>>,
    /// What the sender tells the recipient.
    pub message: Option<Zeroizing<String>>,
}

/// A link to be stored.
pub struct NewLink {
    /// Signed terms, keyring, token, files.
    pub sealed: SealedLink,
    /// To whom it is addressed.
    pub recipient: Option<Email>,
    /// What is said of it beyond its terms.
    pub said: NewShare,
    /// What is written to the recipient.
    pub mail: NewLinkMail,
}

impl std::fmt::Debug for NewLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewLink")
    }
}

/// A link as its owner sees it, without what only its cover says.
#[derive(Clone)]
pub struct Share {
    /// Its grant.
    pub grant: GrantRow,
    /// What it has as a link.
    pub link: LinkRow,
    /// What it is now.
    pub status: ShareStatus,
    /// Single records, where it names some.
    pub records: Option<Vec<RecordId>>,
    /// To whom it was addressed.
    pub recipient_email: Option<String>,
    /// Their name.
    pub recipient_name: Option<String>,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({})", self.grant.id)
    }
}

/// A visit to a link, as its owner sees it.
#[derive(Clone)]
pub struct Visit {
    /// When.
    pub at: Timestamp,
    /// Who they said they are; their word, and no proof.
    pub said: Option<String>,
}

/// What the policy must know of a link's grant. A link that was opened as
/// often as it may be, or whose passcodes are all tried, is used up.
pub(crate) fn link_facts(
    db: &mut Reader,
    grant: &GrantRow,
    link: &LinkRow,
) -> Result<GrantFacts, chartkey_store::StoreError> {
    let mut facts = grant_facts(db, grant)?;
    let opened = link
        .max_accesses
        .is_some_and(|most| grant.access_count >= most);
    if facts.ended.is_none() && (opened || link.passcode_left == Some(0)) {
        facts.ended = Some(EndReason::UsedUp);
    }
    Ok(facts)
}

fn share(
    db: &mut Reader,
    service: &Service,
    grant: GrantRow,
    link: LinkRow,
    now: Timestamp,
) -> Result<Share, ShareFailure> {
    let facts = link_facts(db, &grant, &link)?;
    let protect = service.protect();
    let open = |column, protected: &Option<Vec<u8>>| {
        protect
            .open_optional(column, grant.id.0, protected.as_deref())
            .map(|text| text.map(|text| text.to_string()))
    };
    Ok(Share {
        status: facts.status(now).into(),
        records: facts.records,
        recipient_email: open(RECIPIENT_EMAIL, &link.recipient_email_p)?,
        recipient_name: open(RECIPIENT_NAME, &link.recipient_name_p)?,
        grant,
        link,
    })
}

/// `POST /api/records/share` sealed: stores links of one patient, all or none.
/// The mails to their recipients are queued with them.
///
/// # Errors
/// The policy's; `compartment.moved` and `statement.moved` as a conflict; a
/// rule that the terms or what is said of the links break.
pub async fn create_shares(
    service: &Service,
    caller: &Caller,
    new: Vec<NewLink>,
    once: Option<Once>,
) -> Result<Vec<Share>, ShareFailure> {
    if new.is_empty() || new.len() > MAX_RECIPIENTS {
        return Err(ShareError::Recipients.into());
    }
    let patient = new.first().map_or(Id::NIL, |n| n.sealed.grant.patient);
    if new.iter().any(|n| n.sealed.grant.patient != patient) {
        return Err(Failure::field("links", "of one patient"));
    }
    let mut hashed = Vec::with_capacity(new.len());
    for link in new {
        limits::spend(service, Limit::ShareCreate, &patient.to_string()).await?;
        check_files(&link)?;
        let passcode = match &link.said.passcode {
            Some(passcode) => Some(passcode::hash(service, passcode).await?),
            None => None,
        };
        hashed.push((link, passcode));
    }
    let now = service.now();
    let mut rng = service.rng();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .write("share.create", move |tx| {
            let patient = PatientId(patient);
            let (row, permit) =
                permit::<ShareError>(tx, &asking, Action::CreateShare, patient, now)?;
            let mut made = Vec::with_capacity(hashed.len());
            for (link, passcode) in &hashed {
                let share = take_link(
                    tx,
                    &this,
                    (&row, &permit),
                    link,
                    passcode.clone(),
                    now,
                    &mut rng,
                )?;
                let entry = NewEntry::under(TrailAction::ShareCreate, now, &permit)
                    .grant(share.grant.id)
                    .types(share.grant.types.iter().copied().collect());
                trail::append_by(tx, assisted(entry, &asking), &asking, &mut rng)?;
                letters::queue_share(tx, &this, &row, link, &share.grant, now, &mut rng)?;
                let kind = TrailAction::ShareCreate.as_str();
                events::tell_managers(tx, patient, kind, share.grant.id.0, now)?;
                made.push(share);
            }
            patients::bump_version(tx, patient)?;
            if let Some(once) = once {
                once.keep(tx, 201, made.iter().map(|s| s.grant.id.0).collect(), now)?;
            }
            Ok(made)
        })
        .await
}

/// Marks an entry where the server opened for it.
pub(crate) fn assisted(entry: NewEntry, caller: &Caller) -> NewEntry {
    if caller.account().is_ok_and(|a| a.assisted) {
        entry.assisted()
    } else {
        entry
    }
}

fn check_files(link: &NewLink) -> Result<(), ShareFailure> {
    let field = |message| Err(Failure::field("files", message));
    let single = link.said.form == ShareForm::SingleFile;
    for file in &link.sealed.files {
        if file.record_type.is_none() != single {
            return field("one for each type, or a single one in the form U");
        }
        if !is_jwe(&file.jwe) {
            return field("a compact JWE of at most 32 MiB");
        }
    }
    if single && link.sealed.files.len() > 1 {
        return field("a single one in the form U");
    }
    Ok(())
}

/// Five parts of base64url, the second empty: `dir` has no encrypted key.
fn is_jwe(text: &str) -> bool {
    let mut parts = text.split('.');
    let named = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    named
        && text.len() <= MAX_FILE_BYTES
        && parts.clone().count() == 5
        && parts.nth(1).is_some_and(str::is_empty)
}

fn take_link(
    tx: &mut Tx,
    service: &Service,
    (row, permit): (&PatientRow, &Permit),
    new: &NewLink,
    passcode_hash: Option<String>,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Share, ShareFailure> {
    let sealed = &new.sealed;
    if !is_token(&sealed.token) {
        return Err(Failure::field("token", "43 characters of base64url"));
    }
    let grant = take_grant(
        tx,
        row,
        permit,
        &sealed.grant,
        Making::By(HolderKind::Link),
        now,
    )
    .map_err(renamed)?;
    check_holder(sealed, grant.id)?;
    if grant.types.is_empty() || !grant.write_types.is_empty() || grant.may_reshare {
        return Err(Failure::field(
            "recordTypes",
            "a link lets read, and nothing else",
        ));
    }
    let protect = service.protect();
    let mut seal = |column, text: &str| protect.seal(column, grant.id.0, text.as_bytes(), rng);
    let link = LinkRow {
        grant: grant.id,
        token: sealed.token.clone(),
        auth_hash: protect.proof_hash(visit::PROOF, grant.id.0, &sealed.auth.0),
        single_file: new.said.form == ShareForm::SingleFile,
        passcode_left: passcode_hash.as_ref().map(|_| PASSCODE_ATTEMPTS),
        passcode_hash,
        max_accesses: new.said.max_accesses.map(u64::from),
        recipient_email_p: new
            .recipient
            .as_ref()
            .map(|email| seal(RECIPIENT_EMAIL, email.address())),
        recipient_name_p: new
            .said
            .recipient_name
            .as_ref()
            .map(|name| seal(RECIPIENT_NAME, name)),
        mail_state: Some(new.mail.way.as_str().to_owned()),
        created_at: now,
    };
    rows::insert(tx, &link)?;
    take_files(tx, &grant, &link, &sealed.files, now, rng)?;
    share(tx, service, grant, link, now)
}

/// The terms must name the one who has this link's key, and nobody else.
fn check_holder(sealed: &SealedLink, grant: GrantId) -> Result<(), ShareFailure> {
    let statement = sealed.grant.statement.patient_statement()?;
    let PatientSays::Grant(terms) = statement.says else {
        return Err(VaultError::Statement("not about a grant").into());
    };
    let fingerprint: [u8; 32] = Sha256::digest(sealed.auth.0).into();
    let named = holder_hash(&sealed.grant.salt, grant.0, &terms.sealed_to);
    if terms.sealed_to.0 != fingerprint || named != terms.holder_hash {
        return Err(VaultError::Statement("names another holder").into());
    }
    Ok(())
}

/// Stores a link's files, where it lets download: other viewers keep what
/// they read.
fn take_files(
    tx: &mut Tx,
    grant: &GrantRow,
    link: &LinkRow,
    files: &[LinkFile],
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), ShareFailure> {
    if !grant.may_download {
        return match files {
            [] => Ok(()),
            _ => Err(Failure::field("files", "a link without downloads has none")),
        };
    }
    for file in files {
        let covered = file.record_type.map_or(link.single_file, |t| {
            !link.single_file && grant.types.contains(&t)
        });
        if !covered {
            return Err(Failure::field(
                "files",
                "a type that the link does not cover",
            ));
        }
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let row = FileRow {
            record_type: file.record_type,
            jwe: file.jwe.clone(),
            last_updated: now,
        };
        rows::put_file(tx, grant.id, id, &row)?;
    }
    let whole: &[Option<RecordType>] = &[None];
    let types: Vec<_> = grant.types.iter().copied().map(Some).collect();
    for record_type in if link.single_file { whole } else { &types } {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        rows::put_nothing(tx, grant.id, id, *record_type, now)?;
    }
    Ok(())
}

/// The links of a request that was answered before, by their ids.
pub async fn find_shares(
    service: &Service,
    caller: &Caller,
    ids: Vec<Id>,
) -> Result<Vec<Share>, ShareFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("share.list", move |db| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let (grant, link, _) =
                    permit_share(db, &asking, Action::RevokeShare, GrantId(id), now)?;
                found.push(share(db, &this, grant, link, now)?);
            }
            Ok(found)
        })
        .await
}

/// Loads a link and asks the policy on behalf of its owner.
pub(crate) fn permit_share(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    id: GrantId,
    now: Timestamp,
) -> Result<(GrantRow, LinkRow, Permit), ShareFailure> {
    let unknown = || Refusal::Unknown(policy::Noun::Share);
    caller.account()?;
    let Some(link) = rows::lookup(db, id)? else {
        return Err(unknown().into());
    };
    let (_, grant, permit) = permit_grant(db, caller, action, id, now).map_err(renamed)?;
    Ok((grant, link, permit))
}

/// A page of links.
#[derive(Debug)]
pub struct SharePage {
    /// Newest first.
    pub items: Vec<Share>,
    /// Where the next page begins: time in ms and id.
    pub next: Option<(i64, GrantId)>,
}

/// `GET /api/records/share`: the links on every patient that the caller
/// manages, or on one.
///
/// # Errors
/// The policy's.
pub async fn list_shares(
    service: &Service,
    caller: &Caller,
    patient: Option<PatientId>,
    after: Option<(i64, GrantId)>,
    limit: u32,
) -> Result<SharePage, ShareFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("share.list", move |db| {
            let account = asking.account()?.id;
            let whose = match patient {
                Some(patient) => vec![patient],
                None => {
                    let managed = patients::list_managed(db, account)?;
                    managed.into_iter().map(|p| p.id).collect()
                }
            };
            for patient in &whose {
                permit::<ShareError>(db, &asking, Action::ListShares, *patient, now)?;
            }
            let mut links = rows::list_managed(db, &whose, after, limit.saturating_add(1))?;
            let page = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = links.len() > page;
            links.truncate(page);
            let next = links
                .last()
                .filter(|_| more)
                .map(|l| (l.created_at.as_millisecond(), l.grant));
            let mut items = Vec::with_capacity(links.len());
            for link in links {
                if let Some(grant) = grants::lookup(db, link.grant)? {
                    items.push(share(db, &this, grant, link, now)?);
                }
            }
            Ok(SharePage { items, next })
        })
        .await
}

/// `GET /api/records/share/{id}`: one link with its newest visits.
///
/// # Errors
/// The policy's.
pub async fn find_share(
    service: &Service,
    caller: &Caller,
    id: GrantId,
) -> Result<(Share, Vec<Visit>), ShareFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("share.list", move |db| {
            let (grant, link, _) = permit_share(db, &asking, Action::RevokeShare, id, now)?;
            let mut visits = Vec::new();
            for view in rows::list_views(db, id, SHOWN_VISITS)? {
                let said =
                    this.protect()
                        .open_optional(VISITOR, id.0, view.recipient_p.as_deref())?;
                visits.push(Visit {
                    at: view.created_at,
                    said: said.map(|said| said.to_string()),
                });
            }
            Ok((share(db, &this, grant, link, now)?, visits))
        })
        .await
}

/// `GET /api/records/share/{id}/link`: that a manager may have the URL again,
/// which their client derives; logged before it is told.
///
/// # Errors
/// The policy's, a step-up among them; 410 for a link that has ended.
pub async fn find_share_link(
    service: &Service,
    caller: &Caller,
    id: GrantId,
) -> Result<Share, ShareFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .write("share.link", move |tx| {
            let (grant, link, permit) = permit_share(tx, &asking, Action::FindShareLink, id, now)?;
            let found = share(tx, &this, grant, link, now)?;
            still_lives(&found)?;
            let entry = NewEntry::under(TrailAction::ShareLink, now, &permit).grant(id);
            trail::append_by(tx, assisted(entry, &asking), &asking, &mut rng)?;
            Ok(found)
        })
        .await
}

fn still_lives(share: &Share) -> Result<(), ShareError> {
    match share.status {
        ShareStatus::Active => Ok(()),
        ShareStatus::Expired => Err(ShareError::Expired),
        ShareStatus::Revoked => Err(ShareError::Revoked),
    }
}

/// What is changed about a link.
#[derive(Debug, Default)]
pub struct ShareChange {
    /// A signed statement of its new end.
    pub terms: Option<GrantChange>,
    /// Whom it is for; an empty text takes the name away.
    pub recipient_name: Option<String>,
}

/// `PATCH /api/records/share/{id}`: lengthens, shortens or renames a link that
/// lives.
///
/// # Errors
/// The policy's; 410 for a link that has ended; a conflict where the chain
/// moved on.
pub async fn update_share(
    service: &Service,
    caller: &Caller,
    id: GrantId,
    change: ShareChange,
) -> Result<Share, ShareFailure> {
    let name = change
        .recipient_name
        .as_deref()
        .map(|name| {
            chartkey_domain::text::optional_line(
                Some(name),
                chartkey_domain::accounts::MAX_NAME_CHARS,
            )
            .map_err(ShareError::RecipientName)
        })
        .transpose()?;
    let now = service.now();
    let mut rng = service.rng();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .write("share.update", move |tx| {
            let (grant, link, permit) = permit_share(tx, &asking, Action::UpdateShare, id, now)?;
            let patient = grant.patient;
            still_lives(&share(tx, &this, grant.clone(), link, now)?)?;
            let mut entry = NewEntry::under(TrailAction::ShareUpdate, now, &permit).grant(id);
            if let Some(terms) = &change.terms {
                let until = take_terms(tx, &grant, terms, now)?;
                entry = entry.detail("until", Detail::At(until));
            }
            if let Some(name) = name {
                let name = name.unwrap_or_default();
                let sealed = this
                    .protect()
                    .seal(RECIPIENT_NAME, id.0, name.as_bytes(), &mut rng);
                rows::update_recipient(tx, id, &sealed)?;
            }
            trail::append_by(tx, assisted(entry, &asking), &asking, &mut rng)?;
            let kind = TrailAction::ShareUpdate.as_str();
            events::tell_managers(tx, patient, kind, id.0, now)?;
            if change.terms.is_some() {
                patients::bump_version(tx, patient)?;
            }
            let grant = grants::lookup(tx, id)?.ok_or(ShareError::Unknown)?;
            let link = rows::lookup(tx, id)?.ok_or(ShareError::Unknown)?;
            share(tx, &this, grant, link, now)
        })
        .await
}

fn take_terms(
    tx: &mut Tx,
    grant: &GrantRow,
    change: &GrantChange,
    now: Timestamp,
) -> Result<Timestamp, ShareFailure> {
    let statement = append_statement(tx, grant.patient, &change.statement, now)
        .map_err(|f| renamed(f.map(never)))?;
    match statement.says {
        PatientSays::Terms {
            grant: named,
            expires_at,
        } if named == grant.id.0 => {
            check_period(grant.valid_from.min(now), expires_at, now)
                .map_err(|error| renamed(error.into()))?;
            grants::update_expiry(tx, grant.id, expires_at, now)?;
            Ok(expires_at)
        }
        _ => Err(VaultError::Statement("not the terms of this link").into()),
    }
}

/// `DELETE /api/records/share/{id}`: ends a link now. The signed end comes
/// along where the client could sign.
///
/// # Errors
/// The policy's; a conflict where the chain moved on.
pub async fn revoke_share(
    service: &Service,
    caller: &Caller,
    id: GrantId,
    change: Option<GrantChange>,
) -> Result<Share, ShareFailure> {
    // A grant to an account is no link: nothing ends before that is known.
    find_share(service, caller, id).await?;
    crate::grants::end_grant(service, caller, id, change)
        .await
        .map_err(renamed)
        .map_err(as_share)?;
    Ok(find_share(service, caller, id).await?.0)
}

/// An unknown grant is an unknown link here.
fn as_share(failure: ShareFailure) -> ShareFailure {
    match failure {
        Failure::Refused(Refusal::Unknown(policy::Noun::Grant)) => {
            Refusal::Unknown(policy::Noun::Share).into()
        }
        other => other,
    }
}

/// `PUT /api/records/share/{id}/files` sealed: a link's files, made anew.
///
/// # Errors
/// The policy's; 410 for a link that has ended; files that it may not have.
pub async fn put_share_files(
    service: &Service,
    caller: &Caller,
    id: GrantId,
    files: Vec<LinkFile>,
) -> Result<Share, ShareFailure> {
    if files.iter().any(|file| !is_jwe(&file.jwe)) {
        return Err(Failure::field("files", "a compact JWE of at most 32 MiB"));
    }
    let now = service.now();
    let mut rng = service.rng();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .write("share.files", move |tx| {
            let (grant, link, permit) = permit_share(tx, &asking, Action::PutShareFiles, id, now)?;
            let found = share(tx, &this, grant, link, now)?;
            still_lives(&found)?;
            rows::delete_files(tx, id)?;
            take_files(tx, &found.grant, &found.link, &files, now, &mut rng)?;
            let types: RecordTypes = files.iter().filter_map(|f| f.record_type).collect();
            let entry = NewEntry::under(TrailAction::ShareFiles, now, &permit)
                .grant(id)
                .types(types)
                .count(files.len() as u64);
            trail::append_by(tx, assisted(entry, &asking), &asking, &mut rng)?;
            Ok(found)
        })
        .await
}

/// Living links of a patient whose files are out of date, and what each
/// covers: for the client that makes them anew.
///
/// # Errors
/// The database's.
pub(crate) async fn list_with_stale_files(
    service: &Service,
    patient: PatientId,
) -> Result<Vec<(GrantRow, LinkRow)>, ShareFailure> {
    let now = service.now();
    service
        .store()
        .read("share.files", move |db| {
            let mut found = Vec::new();
            let made_before = after(now, -REMADE_AFTER_SECS);
            for id in rows::list_with_stale_files(db, patient, now, made_before)? {
                let grant = grants::lookup(db, id)?;
                let link = rows::lookup(db, id)?;
                found.extend(grant.zip(link));
            }
            Ok(found)
        })
        .await
}

/// What the policy is asked about a link on behalf of its visitor.
pub(crate) fn target<'a>(patient: &'a policy::PatientFacts, grant: &'a GrantFacts) -> Target<'a> {
    Target::Grant(patient, grant)
}
