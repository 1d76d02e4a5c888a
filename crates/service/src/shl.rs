//! SMART Health Links (STU1): what other viewers than ours are given of a
//! link. Encrypted files that a manager's client made with the link's key;
//! the server can open none. Inactive for whatever reason is unknown here.

use chartkey_domain::policy::{Action, LinkProof, Permit};
use chartkey_domain::shares::{ShareError, reader_name};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_store::shares as rows;
use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use crate::shares::visit::{
    Found, Proof, VisitFailure, Visitor, arrive, complete, find, note_visit, try_passcode,
};
use crate::{Caller, Origin, Service, secrets, trail};

/// Purpose of the secret that fetches one file once.
const TICKET: &str = "shl.ticket";
/// How long a file may be fetched after its manifest.
pub const TICKET_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Longest file that is put into a manifest, in characters, whatever the
/// viewer allows.
const EMBEDDED_MOST: usize = 1 << 20;

/// One file of a manifest.
#[derive(Debug, Clone)]
pub struct ManifestFile {
    /// The file itself, or what fetches it once within the hour.
    pub content: FileContent,
    /// When it was made.
    pub last_updated: Timestamp,
}

/// How a manifest gives a file.
#[derive(Debug, Clone)]
pub enum FileContent {
    /// A compact JWE.
    Embedded(String),
    /// A ticket, the end of a URL.
    Ticket(String),
}

/// A viewer's question for a manifest.
#[derive(Debug, Clone)]
pub struct ManifestQuery {
    /// From where.
    pub origin: Origin,
    /// Which link.
    pub token: String,
    /// Who asks, for the owner to see.
    pub recipient: String,
    /// The passcode, where the viewer has one.
    pub passcode: Option<Zeroizing<String>>,
    /// Longest file that may be embedded, in characters.
    pub embedded_length_max: Option<usize>,
}

/// Whatever has ended is unknown to other viewers.
fn unknown(failure: VisitFailure) -> VisitFailure {
    match failure {
        VisitFailure::Ended(_) => ShareError::Unknown.into(),
        other => other,
    }
}

/// `POST /shl/{token}`: the manifest, counted as one access and logged before
/// it leaves.
///
/// # Errors
/// 401 with the tries left for a wrong or missing passcode; 404 for whatever
/// does not open.
pub async fn find_manifest(
    service: &Service,
    query: &ManifestQuery,
) -> Result<Vec<ManifestFile>, VisitFailure> {
    manifest(service, query).await.map_err(unknown)
}

async fn manifest(
    service: &Service,
    query: &ManifestQuery,
) -> Result<Vec<ManifestFile>, VisitFailure> {
    let now = service.now();
    let found = arrive(service, &query.origin, &query.token).await?;
    check(&found, Action::OpenShlManifest, now)?;
    if found.link.single_file {
        return Err(ShareError::Unknown.into());
    }
    let given = query.passcode.as_ref().map(|p| p.as_str());
    try_passcode(service, &query.origin, &found, given).await?;
    let (this, query) = (service.clone(), query.clone());
    let mut rng = service.rng();
    service
        .store()
        .write("share.read", move |tx| {
            let found = find(tx, &query.token)?.ok_or(ShareError::Unknown)?;
            let permit = check(&found, Action::OpenShlManifest, now)?;
            let (_, hash) = secrets::new_token(&this, TICKET, &mut rng);
            let visitor = visitor(&query.origin, &query.token, &query.recipient);
            note_visit(tx, &this, &found, &visitor, hash, now, now, &mut rng)?;
            let most = query
                .embedded_length_max
                .unwrap_or(EMBEDDED_MOST)
                .min(EMBEDDED_MOST);
            let until = now.checked_add(TICKET_LIFE).unwrap_or(Timestamp::MAX);
            let mut files = Vec::new();
            for file in rows::list_files(tx, found.grant.id)? {
                let content = if file.jwe.len() <= most {
                    FileContent::Embedded(file.jwe)
                } else {
                    let (ticket, hash) = secrets::new_token(&this, TICKET, &mut rng);
                    rows::insert_ticket(tx, &hash, found.grant.id, file.record_type, until)?;
                    FileContent::Ticket(ticket.to_string())
                };
                files.push(ManifestFile {
                    content,
                    last_updated: file.last_updated,
                });
            }
            let entry = entry(&found, &permit, now).count(files.len() as u64);
            let nobody = Caller::nobody(query.origin.clone());
            trail::append_by(tx, entry, &nobody, &mut rng)?;
            Ok(files)
        })
        .await
}

fn check(found: &Found, action: Action, now: Timestamp) -> Result<Permit, VisitFailure> {
    Ok(found.permit(LinkProof::Token, action, now)?)
}

fn visitor(origin: &Origin, token: &str, recipient: &str) -> Visitor {
    Visitor {
        origin: origin.clone(),
        token: token.to_owned(),
        proof: Proof::None,
        view: None,
        passcode: None,
        said: reader_name(recipient),
    }
}

fn entry(found: &Found, permit: &Permit, now: Timestamp) -> NewEntry {
    found
        .entry(TrailAction::ShareRead, permit, now)
        .detail("viewer", Detail::Word("shl"))
}

/// `GET /shl/{token}?recipient=`: the single file of a `U` link, counted as
/// one access and logged before it leaves.
///
/// # Errors
/// 404 for whatever does not open, and for links with a manifest.
pub async fn find_single_file(
    service: &Service,
    origin: &Origin,
    token: &str,
    recipient: &str,
) -> Result<String, VisitFailure> {
    let now = service.now();
    let found = arrive(service, origin, token).await?;
    check(&found, Action::OpenShlFile, now).map_err(unknown)?;
    let visitor = visitor(origin, token, recipient);
    let this = service.clone();
    let mut rng = service.rng();
    let read: Result<String, VisitFailure> = service
        .store()
        .write("share.read", move |tx| {
            let found = find(tx, &visitor.token)?.ok_or(ShareError::Unknown)?;
            let permit = check(&found, Action::OpenShlFile, now)?;
            if !found.link.single_file {
                return Err(ShareError::Unknown.into());
            }
            let file = rows::lookup_file(tx, found.grant.id, None)?.ok_or(ShareError::Unknown)?;
            let (_, hash) = secrets::new_token(&this, TICKET, &mut rng);
            note_visit(tx, &this, &found, &visitor, hash, now, now, &mut rng)?;
            let nobody = Caller::nobody(visitor.origin.clone());
            trail::append_by(tx, entry(&found, &permit, now), &nobody, &mut rng)?;
            Ok(file.jwe)
        })
        .await;
    read.map_err(unknown)
}

/// A file that a manifest named: once, within the hour. It belongs to the
/// manifest's access and is not counted again.
///
/// # Errors
/// 404 for a ticket that does not count, and where the link ended meanwhile.
pub async fn find_file(
    service: &Service,
    origin: &Origin,
    ticket: &str,
) -> Result<String, VisitFailure> {
    let now = service.now();
    let Some(hash) = secrets::token_hash(service, TICKET, ticket) else {
        return Err(ShareError::Unknown.into());
    };
    let origin = origin.clone();
    let mut rng = service.rng();
    let read: Result<String, VisitFailure> = service
        .store()
        .write("share.read", move |tx| {
            let (grant, record_type) =
                rows::take_ticket(tx, &hash, now)?.ok_or(ShareError::Unknown)?;
            let link = rows::lookup(tx, grant)?.ok_or(ShareError::Unknown)?;
            let mut found = complete(tx, link)?.ok_or(ShareError::Unknown)?;
            // The last access that a link allows fetches its files to the end.
            found.go_on();
            let permit = check(&found, Action::OpenShlFile, now)?;
            let file = rows::lookup_file(tx, grant, record_type)?.ok_or(ShareError::Unknown)?;
            let mut entry = entry(&found, &permit, now).detail("part", Detail::Word("file"));
            if let Some(record_type) = record_type {
                entry = entry.types(chartkey_domain::records::RecordTypes::of(record_type));
            }
            trail::append_by(tx, entry, &Caller::nobody(origin), &mut rng)?;
            Ok(file.jwe)
        })
        .await;
    read.map_err(unknown)
}
