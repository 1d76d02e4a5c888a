//! Imports: from a plan of what came in to drafts of what is written. What is
//! there already is left alone, what changed becomes a new version.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::{Secret, SecretBytes};
use chartkey_fhir::{Compartment, Header, ImportPlan, Kinds, PlannedItem, RecordType};
use sha2::{Digest, Sha256};

use crate::{
    Id,
    bytes::Bytes32,
    client::{Act, Client},
    error::VaultError,
    large::MAX_INLINE,
    patient::OpenPatient,
    protocol::{KnownRecord, KnownTagsRequest},
    record::{BodyKind, Fields, content_tag, identity_tag},
    transport::{MaybeSend, Transport},
    write::{Draft, DraftBody, new_id},
};

/// Records of one sealed write; a larger import becomes several.
const RECORDS_PER_WRITE: usize = 5_000;
/// Tags of one look-up.
const TAGS_PER_REQUEST: usize = 10_000;
/// How often an import is matched anew when somebody else wrote meanwhile.
const TRIES: usize = 4;

/// Something to write that has no identity of its own besides its content:
/// a file, a text, one resource typed by hand.
#[derive(Debug)]
pub struct NewRecord {
    /// Where it belongs.
    pub compartment: Compartment,
    /// What the body is.
    pub body: BodyKind,
    /// Its media type.
    pub content_type: String,
    /// Name of an uploaded file.
    pub file_name: Option<String>,
    /// What lists show.
    pub header: Header,
    /// The content.
    pub content: SecretBytes,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Records that are new; supporting ones are not counted.
    pub created: u64,
    /// Records that have a new version.
    pub updated: u64,
    /// Records that were there already, as they are.
    pub unchanged: u64,
    /// Ids of what was created or updated, in the order of the input.
    pub written: Vec<Id>,
    /// Ids of what was there already.
    pub known: Vec<Id>,
}

/// The dedup keys a writer can use, newest first, and the source they are for.
struct Dedup<'a> {
    keys: Vec<Secret>,
    source: &'a str,
}

impl Dedup<'_> {
    fn newest(&self) -> Result<&Secret, VaultError> {
        self.keys.first().ok_or(VaultError::NoKey)
    }
}

struct Candidate {
    placement: Compartment,
    supporting: bool,
    fields: Fields,
    content: SecretBytes,
    tags: Vec<Bytes32>,
    content_tags: Vec<Bytes32>,
}

impl<T: Transport + MaybeSend> Client<T> {
    /// Writes what a plan found. `record_type` overrides the derived one for
    /// everything that does not merely support others.
    pub async fn import(
        &mut self,
        patient: Id,
        plan: ImportPlan,
        record_type: Option<RecordType>,
        source: &str,
        author_name: Option<&str>,
        act: &mut Act<'_>,
    ) -> Result<Imported, VaultError> {
        let open = self.settle(patient, act).await?;
        let dedup = self.dedup(&open, source);
        let mut candidates = Vec::with_capacity(plan.items.len());
        for item in plan.items {
            take_item(&item, record_type, author_name, &dedup, &mut candidates)?;
        }
        self.write_candidates(open, candidates, act).await
    }

    /// Writes records without an identity of their own. The same content
    /// again changes nothing.
    pub async fn add(
        &mut self,
        patient: Id,
        new: Vec<NewRecord>,
        source: &str,
        author_name: Option<&str>,
        act: &mut Act<'_>,
    ) -> Result<Imported, VaultError> {
        let large = |n: &NewRecord| n.content.len() > MAX_INLINE;
        let (large, new): (Vec<_>, Vec<_>) = new.into_iter().partition(large);
        let mut imported = Imported::default();
        for large in large {
            let done = self.add_large(patient, large, source, author_name, act);
            imported.add(done.await?);
        }
        if new.is_empty() {
            return Ok(imported);
        }
        let open = self.settle(patient, act).await?;
        let dedup = self.dedup(&open, source);
        let candidates = new
            .into_iter()
            .map(|n| {
                let digest = digest_of(&n.content);
                let identity = content_identity(&digest);
                let fields = Fields {
                    body: n.body,
                    content_type: n.content_type,
                    size: n.content.len() as u64,
                    file_name: n.file_name,
                    header: n.header,
                    author_name: author_name.map(str::to_owned),
                };
                Candidate {
                    placement: n.compartment,
                    supporting: false,
                    fields,
                    tags: tags(&dedup, "", &identity),
                    content_tags: content_tags(&dedup, &digest),
                    content: n.content,
                }
            })
            .collect();
        imported.add(self.write_candidates(open, candidates, act).await?);
        Ok(imported)
    }

    fn dedup<'a>(&self, open: &OpenPatient, source: &'a str) -> Dedup<'a> {
        let keys = self.dedup_keys(open);
        Dedup { keys, source }
    }

    /// The dedup keys for a patient, newest first.
    pub(crate) fn dedup_keys(&self, open: &OpenPatient) -> Vec<Secret> {
        if open.manager.is_none() {
            return self.account.dedup_keys();
        }
        let mut seeds: Vec<_> = open.keys.seeds().collect();
        seeds.sort_by_key(|s| std::cmp::Reverse(s.generation));
        seeds
            .into_iter()
            .map(crate::keys::PatientSeed::dedup_key)
            .collect()
    }

    async fn write_candidates(
        &mut self,
        mut open: OpenPatient,
        candidates: Vec<Candidate>,
        act: &mut Act<'_>,
    ) -> Result<Imported, VaultError> {
        let mut imported = Imported::default();
        let mut waiting = candidates;
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(RECORDS_PER_WRITE));
            let chunk = std::mem::replace(&mut waiting, rest);
            open = self.write_chunk(open, chunk, &mut imported, act).await?;
        }
        Ok(imported)
    }

    async fn write_chunk(
        &mut self,
        mut open: OpenPatient,
        chunk: Vec<Candidate>,
        imported: &mut Imported,
        act: &mut Act<'_>,
    ) -> Result<OpenPatient, VaultError> {
        let patient = open.keys.patient();
        let mut chunk = chunk;
        for _ in 0..TRIES {
            let known = self.known_records(patient, &chunk).await?;
            let (drafts, names, counts) = match_up(chunk, &known, act);
            if drafts.is_empty() {
                imported.add(counts);
                return Ok(open);
            }
            let sealed = self.seal_write(&open, &drafts, act);
            let written = match sealed {
                Ok(write) => self.transport.write(write).await,
                Err(e) => Err(e),
            };
            match written {
                Ok(_) => {
                    imported.add(counts);
                    return Ok(open);
                }
                Err(VaultError::Conflict(_)) => {
                    open = self.settle(patient, act).await?;
                    let drafts = drafts.into_iter().zip(names);
                    chunk = drafts.filter_map(candidate_again).collect();
                    // Of what was to be written nothing was; the rest is told.
                    imported.unchanged += counts.unchanged;
                    imported.known.extend(counts.known);
                }
                Err(e) => return Err(e),
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }

    async fn known_records(
        &self,
        patient: Id,
        chunk: &[Candidate],
    ) -> Result<BTreeMap<Bytes32, KnownRecord>, VaultError> {
        let tags: Vec<Bytes32> = chunk.iter().flat_map(|c| c.tags.iter().copied()).collect();
        let mut known = BTreeMap::new();
        for part in tags.chunks(TAGS_PER_REQUEST) {
            let request = KnownTagsRequest {
                patient,
                tags: part.to_vec(),
            };
            for record in self.transport.known(request).await?.items {
                if let Some(tag) = record.identity_tag {
                    known.insert(tag, record);
                }
            }
        }
        Ok(known)
    }
}

impl Imported {
    fn add(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.written.extend(other.written);
        self.known.extend(other.known);
    }
}

fn take_item(
    item: &PlannedItem,
    record_type: Option<RecordType>,
    author_name: Option<&str>,
    dedup: &Dedup<'_>,
    out: &mut Vec<Candidate>,
) -> Result<(), VaultError> {
    dedup.newest()?;
    let identity = if item.identity.is_empty() {
        content_identity(&digest_of(&item.canonical))
    } else {
        item.identity.clone()
    };
    let content_tags = content_tags(dedup, &item.canonical);
    for placement in &item.placements {
        let placement = match record_type {
            Some(record_type) if !item.supporting => Compartment::new(record_type, placement.kinds),
            _ => *placement,
        };
        let place_name = if item.supporting {
            placement.name()
        } else {
            String::new()
        };
        out.push(Candidate {
            placement,
            supporting: item.supporting,
            fields: Fields {
                body: BodyKind::Resource,
                content_type: "application/fhir+json".into(),
                size: item.bytes.len() as u64,
                file_name: None,
                header: item.header.clone(),
                author_name: author_name.map(str::to_owned),
            },
            content: SecretBytes::new(item.bytes.clone()),
            tags: tags(dedup, &place_name, &identity),
            content_tags: content_tags.clone(),
        });
    }
    Ok(())
}

/// SHA-256 of content that is not FHIR: its canonical form for tags, so that
/// a file streamed and a file at hand are the same file.
pub fn digest_of(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

/// The identity of content that has none of its own.
pub fn content_identity(digest: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    digest
        .iter()
        .fold(String::from("content:"), |mut text, byte| {
            // Writing into a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn tags(dedup: &Dedup<'_>, placement: &str, identity: &str) -> Vec<Bytes32> {
    dedup
        .keys
        .iter()
        .map(|key| identity_tag(key, dedup.source, placement, identity))
        .collect()
}

fn content_tags(dedup: &Dedup<'_>, canonical: &[u8]) -> Vec<Bytes32> {
    dedup
        .keys
        .iter()
        .map(|key| content_tag(key, canonical))
        .collect()
}

/// Decides what each candidate is: new, changed, or there already.
fn match_up(
    chunk: Vec<Candidate>,
    known: &BTreeMap<Bytes32, KnownRecord>,
    act: &mut Act<'_>,
) -> (Vec<Draft>, Vec<Names>, Imported) {
    let mut drafts = Vec::with_capacity(chunk.len());
    let mut names = Vec::with_capacity(chunk.len());
    let mut counts = Imported::default();
    let mut seen = BTreeSet::new();
    for candidate in chunk {
        let found = candidate.tags.iter().find_map(|t| known.get(t));
        let one = u64::from(!candidate.supporting);
        if let Some(known) = found.filter(|k| candidate.content_tags.contains(&k.content_tag)) {
            counts.unchanged += one;
            if !candidate.supporting {
                counts.known.push(known.id);
            }
            continue;
        }
        // The same thing twice in one input: the first is taken.
        if let Some(tag) = candidate.tags.first()
            && !seen.insert((*tag, candidate.placement))
        {
            counts.unchanged += one;
            continue;
        }
        names.push(Names {
            tags: candidate.tags.clone(),
            content_tags: candidate.content_tags.clone(),
        });
        let draft = draft(candidate, found, act);
        if !draft.supporting {
            counts.written.push(draft.record);
            if draft.version == 1 {
                counts.created += 1;
            } else {
                counts.updated += 1;
            }
        }
        drafts.push(draft);
    }
    (drafts, names, counts)
}

fn draft(candidate: Candidate, found: Option<&KnownRecord>, act: &mut Act<'_>) -> Draft {
    let compartment = found.map_or(candidate.placement, |known| {
        // A new version stays where the record is and may only become more
        // sensitive; anything else is a move.
        let kinds: Kinds = known.compartment.kinds.union(candidate.placement.kinds);
        Compartment::new(known.compartment.record_type, kinds)
    });
    Draft {
        record: found.map_or_else(|| new_id(act.now, act.rng), |k| k.id),
        version: found.map_or(1, |k| k.version.saturating_add(1)),
        previous: found.map(|k| k.commitment),
        compartment,
        supporting: candidate.supporting,
        fields: candidate.fields,
        body: DraftBody::Open(candidate.content),
        identity_tag: candidate.tags.first().copied(),
        content_tag: candidate.content_tags.first().copied().unwrap_or_default(),
    }
}

/// Names of a draft under every generation: a draft itself has the newest.
struct Names {
    tags: Vec<Bytes32>,
    content_tags: Vec<Bytes32>,
}

fn candidate_again((draft, names): (Draft, Names)) -> Option<Candidate> {
    let DraftBody::Open(content) = draft.body else {
        return None;
    };
    Some(Candidate {
        placement: draft.compartment,
        supporting: draft.supporting,
        fields: draft.fields,
        content,
        tags: names.tags,
        content_tags: names.content_tags,
    })
}
