//! Intake: what a source delivers is sealed on arrival, and nothing that is
//! stored is opened.
//!
//! One of the three modules through which open content passes on the server. A
//! page comes in the clear, is parsed, classified, and sealed at once to the
//! patient's inbox and to every grant that covers it, with public keys alone: so
//! a pull needs nobody to be signed in, and what was pulled the server cannot
//! read back. Whatever is open here lives in types that wipe themselves, one
//! page at a time, and goes nowhere else.

mod attachments;
mod letterbox;
mod normalise;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::{SecretBytes, stream};
use chartkey_domain::blobs::BlobError;
use chartkey_domain::connections::{ConnectorError, ErrorClass, Source, SourceFile};
use chartkey_domain::ids::{BlobId, SyncId};
use chartkey_domain::records::RecordTypes;
use chartkey_domain::sync::Counts;
use chartkey_fhir::{Compartment, Limits, header_for_file, plan_import};
use chartkey_store::blobs as blob_rows;
use chartkey_store::connections::AttachmentRow;
use chartkey_store::sync::ItemRow;
use chartkey_vault::Bytes32;
use chartkey_vault::keys::VersionKey;
use chartkey_vault::record::{
    BodyKind, Fields, Place, body_hash, body_seal, content_tag, identity_tag,
};
use chartkey_vault::write::{Draft, DraftBody, NewBatch, new_id};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::connections::{Opened, SyncFailure};
use crate::sync::{Gate, Keeper, Wait};
use crate::{Failure, Service};

use attachments::{INLINE, MAX_FILE, Pointing};
pub(crate) use letterbox::{Letter, Posted, Poster};
use store::{Known, Piece};
pub(crate) use store::{may_add, may_add_by};

/// Open content that is gathered before it is sealed and stored, in bytes.
const PORTION_BYTES: usize = 8 << 20;
/// Records that are gathered before they are sealed and stored.
const PORTION_RECORDS: usize = 400;
/// Largest content beside its header; larger ones are blobs.
const MAX_INLINE: usize = 3 << 20;
/// Bytes of a blob that are sent at a time.
const PART: usize = 4 << 20;

/// A source that is being read for one patient.
pub(crate) struct Intake<'a> {
    /// The services.
    pub service: &'a Service,
    /// The connection.
    pub opened: &'a Opened,
    /// Its adapter.
    pub source: &'a dyn Source,
    /// The patient on it.
    pub attached: &'a AttachmentRow,
    /// Its tokens.
    pub tokens: &'a Keeper,
    /// Record types that may come in; none: all.
    pub allowed: Option<RecordTypes>,
    /// Files that fail again are left out for now, so that one of them does not hold
    /// up everything else.
    pub gives_up: bool,
}

/// A page, and how far the run is once it is stored.
pub(crate) struct Arrived {
    /// The run's own id.
    pub run: SyncId,
    /// The search that it is of.
    pub query: String,
    /// The resources.
    pub resources: Vec<Zeroizing<Vec<u8>>>,
    /// Entries that the adapter left out.
    pub refused: u64,
    /// Protected; stored with the page's last portion.
    pub checkpoint_p: Vec<u8>,
    /// What the run brought before.
    pub before: Counts,
}

/// What became of a page.
pub(crate) enum Taken {
    /// It is stored, and the run has brought so much.
    Stored(Counts),
    /// Somebody else has the run: stop.
    Lost,
    /// A file of it could not be fetched now.
    Failed(ConnectorError),
    /// The host is to be left alone until then.
    Wait(Wait),
}

/// One record to be, before its files are fetched.
struct Candidate {
    tag: [u8; 32],
    served: [u8; 32],
    changed_at: Option<Timestamp>,
    placement: Compartment,
    supporting: bool,
    resource_type: String,
    identity: String,
    header: chartkey_fhir::Header,
    bytes: SecretBytes,
    /// What people call the source: told as who it comes from.
    author_name: Option<String>,
}

impl Intake<'_> {
    /// Seals and stores a page.
    ///
    /// # Errors
    /// The database's, the blob store's.
    pub async fn take_page(&self, gate: &mut Gate, arrived: Arrived) -> Result<Taken, SyncFailure> {
        let mut counts = Counts {
            skipped: arrived.refused,
            ..Counts::default()
        };
        let candidates = self.candidates(&arrived.resources, &mut counts)?;
        let tags: Vec<[u8; 32]> = candidates.iter().map(|c| c.tag).collect();
        let known = self.known(tags).await?;
        let mut portion = store::Portion::new(arrived.run, arrived.query);
        for (candidate, known) in candidates.into_iter().zip(known) {
            let one = u64::from(!candidate.supporting);
            match &known {
                Known::Gone(item) => {
                    counts.unchanged += one;
                    portion.touch(item.clone());
                    continue;
                }
                Known::There { item, .. } if item.served_tag == candidate.served => {
                    counts.unchanged += one;
                    portion.touch(item.clone());
                    continue;
                }
                // Some systems list one thing twice while it changes.
                Known::There { item, .. }
                    if item.changed_at.is_some() && item.changed_at > candidate.changed_at =>
                {
                    portion.touch(item.clone());
                    continue;
                }
                Known::There { .. } | Known::New => {}
            }
            match self.pieces(gate, candidate, &known, &mut counts).await? {
                Fetched::Pieces(pieces) => {
                    for piece in pieces {
                        counts = counts.plus(piece.counts());
                        portion.push(piece);
                    }
                }
                Fetched::Same(item) => {
                    counts.unchanged += one;
                    portion.touch(item);
                }
                Fetched::Failed(error) => return Ok(Taken::Failed(error)),
                Fetched::Wait(wait) => return Ok(Taken::Wait(wait)),
            }
            if portion.bytes() > PORTION_BYTES || portion.len() > PORTION_RECORDS {
                let full = portion.take();
                if !self.store(full, None).await? {
                    return Ok(Taken::Lost);
                }
            }
        }
        let total = arrived.before.plus(counts);
        let last = Some((arrived.checkpoint_p, total));
        Ok(if self.store(portion, last).await? {
            Taken::Stored(total)
        } else {
            Taken::Lost
        })
    }

    /// What the page's resources are to become.
    fn candidates(
        &self,
        resources: &[Zeroizing<Vec<u8>>],
        counts: &mut Counts,
    ) -> Result<Vec<Candidate>, SyncFailure> {
        let mut found: Vec<Candidate> = Vec::with_capacity(resources.len());
        let limits = Limits::default();
        let plan = match plan_import(&bundle(resources), None, &limits) {
            Ok(plan) => vec![plan],
            // One of them cannot be read: then each by itself.
            Err(_) => resources
                .iter()
                .filter_map(|one| match plan_import(one, None, &limits) {
                    Ok(plan) => Some(plan),
                    Err(_) => {
                        counts.skipped += 1;
                        None
                    }
                })
                .collect(),
        };
        for plan in plan {
            counts.skipped += plan.rejected.len() as u64;
            for item in plan.items {
                self.take_item(item, counts, &mut found);
            }
        }
        Ok(newest_of_each(found))
    }

    fn take_item(
        &self,
        item: chartkey_fhir::PlannedItem,
        counts: &mut Counts,
        found: &mut Vec<Candidate>,
    ) {
        let dedup = self.opened.dedup_key();
        let source = self.opened.row.id.to_string();
        let identity = if item.identity.is_empty() {
            let digest = chartkey_vault::import::digest_of(&item.canonical);
            chartkey_vault::import::content_identity(&digest)
        } else {
            item.identity.clone()
        };
        let served = content_tag(dedup, &item.canonical).0;
        let changed_at = changed_at(&item.bytes);
        for placement in &item.placements {
            if !self.wanted(*placement) {
                counts.skipped += u64::from(!item.supporting);
                continue;
            }
            let place = if item.supporting {
                placement.name()
            } else {
                String::new()
            };
            found.push(Candidate {
                tag: identity_tag(dedup, &source, &place, &identity).0,
                served,
                changed_at,
                placement: *placement,
                supporting: item.supporting,
                resource_type: item.resource_type.clone(),
                identity: identity.clone(),
                header: item.header.clone(),
                bytes: SecretBytes::new(item.bytes.clone()),
                author_name: Some(self.opened.name.to_string()),
            });
        }
    }

    fn wanted(&self, placement: Compartment) -> bool {
        let types = &self.attached.types;
        (types.is_empty() || types.contains(&placement.record_type))
            && self
                .allowed
                .is_none_or(|allowed| allowed.contains(placement.record_type))
    }

    /// A candidate with its file, as what is to be sealed.
    async fn pieces(
        &self,
        gate: &mut Gate,
        candidate: Candidate,
        known: &Known,
        counts: &mut Counts,
    ) -> Result<Fetched, SyncFailure> {
        let dedup = self.opened.dedup_key();
        let pointing = Pointing::find(&candidate.resource_type, &candidate.bytes);
        let Some(pointing) = pointing else {
            let content = candidate.served;
            return Ok(same_or(known, candidate, content, |candidate, content| {
                vec![resource_piece(candidate, content, known, self.service)]
            }));
        };
        let file = match self.fetch(gate, &pointing).await? {
            Ok(file) => file,
            Err(Held::Failed(error)) => return Ok(Fetched::Failed(error)),
            Err(Held::Wait(wait)) => return Ok(Fetched::Wait(wait)),
        };
        let mut candidate = candidate;
        if file.is_none() {
            counts.skipped += 1;
            // What is like nothing that is ever served is looked at again, at the
            // next listing: the file may be there by then.
            candidate.served = [0; 32];
        }
        let content = content_tag(dedup, &pointing.canonical(file.as_ref())).0;
        if let Some(item) = known.same(content, candidate.served, candidate.changed_at) {
            return Ok(Fetched::Same(item));
        }
        let Some(file) = file else {
            return Ok(Fetched::Pieces(vec![resource_piece(
                candidate,
                content,
                known,
                self.service,
            )]));
        };
        if file.bytes.len() <= INLINE
            && let Some(bytes) = pointing.inlined(&file)
        {
            candidate.bytes = bytes;
            let piece = resource_piece(candidate, content, known, self.service);
            return Ok(Fetched::Pieces(vec![piece]));
        }
        let beside = self.file_piece(&candidate, file).await?;
        let piece = resource_piece(candidate, content, known, self.service);
        Ok(Fetched::Pieces(beside.into_iter().chain([piece]).collect()))
    }

    /// The file that a resource points to; none where it does not come.
    async fn fetch(
        &self,
        gate: &mut Gate,
        pointing: &Pointing,
    ) -> Result<Result<Option<SourceFile>, Held>, SyncFailure> {
        if let Err(wait) = gate.pass().await? {
            return Ok(Err(Held::Wait(wait)));
        }
        let content_type = pointing.content_type.as_deref();
        let fetched = self
            .source
            .file(
                &self.opened.endpoint,
                self.tokens,
                &pointing.url,
                content_type,
                MAX_FILE,
            )
            .await;
        gate.note(&fetched).await?;
        Ok(match fetched {
            Ok(file) => Ok(Some(file)),
            Err(error) => match error.class {
                ErrorClass::Auth | ErrorClass::RateLimited => Err(Held::Failed(error)),
                class
                    if !self.gives_up && (class.is_retryable() || class == ErrorClass::Broken) =>
                {
                    Err(Held::Failed(error))
                }
                // Forbidden, gone, too large, failing for good: the resource is kept,
                // and says where the file would be.
                _ => Ok(None),
            },
        })
    }

    /// A file that is too large for its resource, as a record of its own.
    async fn file_piece(
        &self,
        about: &Candidate,
        file: SourceFile,
    ) -> Result<Option<Piece>, SyncFailure> {
        let dedup = self.opened.dedup_key();
        let source = self.opened.row.id.to_string();
        let identity = format!("{}#attachment", about.identity);
        let tag = identity_tag(dedup, &source, "", &identity).0;
        let form = SecretBytes::new(normalise::normal_form(&file.content_type, &file.bytes));
        let content = content_tag(dedup, form.as_bytes()).0;
        let known = self.known(vec![tag]).await?.pop().unwrap_or(Known::New);
        if known.same(content, content, about.changed_at).is_some()
            || matches!(known, Known::Gone(_))
        {
            return Ok(None);
        }
        let size = file.bytes.len() as u64;
        let header = header_for_file(
            Some(&about.header.title),
            None,
            &file.content_type,
            size,
            about.header.date.as_deref(),
        );
        let now = self.service.now();
        let mut rng = self.service.rng();
        let (record, version, previous) = known.next(|| new_id(now, &mut rng));
        let place = Place {
            patient: self.attached.patient.0,
            record,
            version,
        };
        let body = if file.bytes.len() <= MAX_INLINE {
            DraftBody::Open(SecretBytes::new(file.bytes.to_vec()))
        } else {
            put_blob(self.service, place, file.bytes, now).await?
        };
        let draft = Draft {
            record,
            version,
            previous,
            compartment: known.compartment(about.placement),
            supporting: false,
            fields: Fields {
                body: BodyKind::File,
                content_type: file.content_type,
                size,
                file_name: None,
                header,
                author_name: about.author_name.clone(),
            },
            body,
            identity_tag: Some(Bytes32(tag)),
            content_tag: Bytes32(content),
        };
        Ok(Some(Piece {
            draft,
            tag,
            served: content,
            changed_at: about.changed_at,
        }))
    }
}

/// Seals a large body into the blob store. A blob that no version comes to
/// name is swept.
async fn put_blob(
    service: &Service,
    place: Place,
    bytes: Zeroizing<Vec<u8>>,
    now: Timestamp,
) -> Result<DraftBody, SyncFailure> {
    let mut rng = service.rng();
    let batch = NewBatch::random(now, &mut rng);
    let key = VersionKey::derive(&batch.key, place.record, place.version);
    let (body_key, aad) = body_seal(&key, place);
    let hash = body_hash(&bytes);
    let sealed = stream::seal_content(&body_key, &aad, &bytes, &mut rng);
    drop(bytes);
    let blob = BlobId(new_id(now, &mut rng));
    let (id, patient) = (*blob.as_bytes(), *place.patient.as_bytes());
    let at = now.as_millisecond();
    service
        .store()
        .write("blob.create", move |tx| {
            blob_rows::insert(tx, id, patient, 0, at).map_err(SyncFailure::from)
        })
        .await?;
    let blobs = service.blobs();
    let failed = |_: BlobError| Failure::Internal("the blob store failed");
    blobs.create(blob.into()).await.map_err(failed)?;
    let mut offset = 0_u64;
    for part in sealed.chunks(PART) {
        let part = bytes::Bytes::copy_from_slice(part);
        let len = part.len() as u64;
        blobs
            .append(blob.into(), offset, part)
            .await
            .map_err(failed)?;
        offset += len;
    }
    blobs.finish(blob.into(), offset).await.map_err(failed)?;
    service
        .store()
        .write("blob.finish", move |tx| {
            blob_rows::update_finished(tx, id, offset).map_err(SyncFailure::from)
        })
        .await?;
    Ok(DraftBody::Blob {
        blob: blob.0,
        hash,
        batch,
    })
}

enum Held {
    Failed(ConnectorError),
    Wait(Wait),
}

enum Fetched {
    Pieces(Vec<Piece>),
    Same(ItemRow),
    Failed(ConnectorError),
    Wait(Wait),
}

fn same_or(
    known: &Known,
    candidate: Candidate,
    content: [u8; 32],
    make: impl FnOnce(Candidate, [u8; 32]) -> Vec<Piece>,
) -> Fetched {
    match known.same(content, candidate.served, candidate.changed_at) {
        Some(item) => Fetched::Same(item),
        None => Fetched::Pieces(make(candidate, content)),
    }
}

fn resource_piece(
    candidate: Candidate,
    content: [u8; 32],
    known: &Known,
    service: &Service,
) -> Piece {
    let now = service.now();
    let mut rng = service.rng();
    let (record, version, previous) = known.next(|| new_id(now, &mut rng));
    let draft = Draft {
        record,
        version,
        previous,
        compartment: known.compartment(candidate.placement),
        supporting: candidate.supporting,
        fields: Fields {
            body: BodyKind::Resource,
            content_type: "application/fhir+json".to_owned(),
            size: candidate.bytes.len() as u64,
            file_name: None,
            header: candidate.header,
            author_name: candidate.author_name,
        },
        body: DraftBody::Open(candidate.bytes),
        identity_tag: Some(Bytes32(candidate.tag)),
        content_tag: Bytes32(content),
    };
    Piece {
        draft,
        tag: candidate.tag,
        served: candidate.served,
        changed_at: candidate.changed_at,
    }
}

/// When a resource last changed, as it says itself.
fn changed_at(bytes: &[u8]) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct Resource {
        meta: Option<Meta>,
    }
    #[derive(serde::Deserialize)]
    struct Meta {
        #[serde(rename = "lastUpdated")]
        last_updated: Option<String>,
    }
    let resource: Resource = serde_json::from_slice(bytes).ok()?;
    resource.meta?.last_updated?.parse().ok()
}

/// Of what one page lists twice the newest.
fn newest_of_each(mut found: Vec<Candidate>) -> Vec<Candidate> {
    let mut newest: BTreeMap<[u8; 32], (usize, Option<Timestamp>)> = BTreeMap::new();
    for (index, one) in found.iter().enumerate() {
        let known = newest.entry(one.tag).or_insert((index, one.changed_at));
        if one.changed_at >= known.1 {
            *known = (index, one.changed_at);
        }
    }
    if newest.len() == found.len() {
        return found;
    }
    let kept: BTreeSet<usize> = newest.into_values().map(|(index, _)| index).collect();
    let mut index = 0;
    found.retain(|_| {
        index += 1;
        kept.contains(&(index - 1))
    });
    found
}

/// The page as one Bundle, so that supporting resources find their referrers.
fn bundle(resources: &[Zeroizing<Vec<u8>>]) -> SecretBytes {
    let size = resources.iter().map(|r| r.len() + 16).sum::<usize>();
    let mut text = Vec::with_capacity(size + 64);
    text.extend_from_slice(br#"{"resourceType":"Bundle","type":"collection","entry":["#);
    for (index, resource) in resources.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(br#"{"resource":"#);
        text.extend_from_slice(resource);
        text.push(b'}');
    }
    text.extend_from_slice(b"]}");
    SecretBytes::new(text)
}
