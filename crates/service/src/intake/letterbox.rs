//! What comes by the link of a request for documents: sealed on arrival like
//! what a source delivers, by nobody who has a key.

use chartkey_crypto::{Secret, SecretBytes};
use chartkey_domain::ids::PatientId;
use chartkey_domain::records::RecordTypes;
use chartkey_fhir::{Compartment, Kinds, Limits, RecordType, header_for_file, plan_import};
use chartkey_store::{Tx, records as record_rows};
use chartkey_vault::import::{content_identity, digest_of};
use chartkey_vault::record::{BodyKind, Fields, Place, content_tag, identity_tag};
use chartkey_vault::write::{Draft, DraftBody, new_id};
use chartkey_vault::{Bytes32, Id};
use zeroize::Zeroizing;

use super::store::{Against, Piece, Portion, Storing, moved, seal};
use super::{MAX_INLINE, SyncFailure, put_blob};
use crate::{Failure, Service};
use chartkey_domain::ids::SyncId;
use chartkey_vault::error::VaultError;

/// How often something is sealed anew because the patient's grants moved on.
const TRIES: usize = 6;
/// Most records that one file may become.
const MOST_RECORDS: usize = 2_000;
/// The media type of what is taken apart into records.
const FHIR: &str = "application/fhir+json";

/// A file that came. Open content, wiped when dropped.
pub(crate) struct Letter {
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What these are, found from themselves.
    pub media_type: &'static str,
    /// Its name, as sent.
    pub file_name: Option<String>,
    /// Its title, as sent.
    pub title: Option<String>,
    /// Who sends it, as they say.
    pub sender: Option<String>,
    /// What a file is taken for.
    pub record_type: RecordType,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// So many new records.
    Stored(u64),
    /// All of it was there already.
    Known,
    /// It is none of the kinds of file that are taken, or of a type that whoever
    /// asked may not add.
    Refused,
}

/// Where letters for one patient go.
pub(crate) struct Poster<'a> {
    /// The services.
    pub service: &'a Service,
    /// Whose record.
    pub patient: PatientId,
    /// What it came by: its word in the trail, and its id.
    pub by: (&'static str, Id),
    /// Tells what came twice by the same way.
    pub dedup: Secret,
    /// Types that may come in; none: all.
    pub allowed: Option<RecordTypes>,
}

impl Poster<'_> {
    /// Seals and stores a letter. `also` is done in the same write, with the number
    /// of new records.
    ///
    /// # Errors
    /// The database's, the blob store's, those of `also`.
    pub async fn post<F>(&self, letter: Letter, also: F) -> Result<Posted, SyncFailure>
    where
        F: Fn(&mut Tx, u64) -> Result<(), SyncFailure> + Clone + Send + 'static,
    {
        let Some(mut pieces) = self.pieces(letter).await? else {
            return Ok(Posted::Refused);
        };
        for _ in 0..TRIES {
            pieces = self.unknown(pieces).await?;
            let created = pieces.iter().filter(|p| !p.draft.supporting).count() as u64;
            if created == 0 {
                return Ok(Posted::Known);
            }
            let mut portion = Portion::new(SyncId::NIL, String::new());
            for piece in pieces.drain(..) {
                portion.push(piece);
            }
            let sealed = self.store(portion, created, also.clone()).await;
            match sealed {
                Ok(()) => return Ok(Posted::Stored(created)),
                Err((back, Failure::Vault(VaultError::Conflict(_)))) => pieces = back,
                Err((_, other)) => return Err(other),
            }
        }
        Err(moved())
    }

    async fn store<F>(
        &self,
        portion: Portion,
        created: u64,
        also: F,
    ) -> Result<(), (Vec<Piece>, SyncFailure)>
    where
        F: Fn(&mut Tx, u64) -> Result<(), SyncFailure> + Send + 'static,
    {
        let none = |failure| (Vec::new(), failure);
        let service = self.service.clone();
        let against = Against::load(&service, self.patient).await.map_err(none)?;
        let (version, reaches) = (against.row.grants_version, against.reaches.clone());
        let now = service.now();
        let (portion, sealed) = seal(&service, portion, against, now).await.map_err(none)?;
        let (patient, by, source) = (self.patient, self.by, self.by.0.to_owned());
        let mut rng = service.rng();
        let inner = service.clone();
        let stored = service.store().write("document.receive", move |tx| {
            let row = chartkey_store::patients::lookup(tx, patient)?
                .ok_or(Failure::Internal("a patient that is gone"))?;
            if row.grants_version != version {
                return Err(moved());
            }
            let storing = Storing {
                service: &inner,
                source,
                by,
                row: &row,
                now,
            };
            storing.store(tx, &sealed, &reaches, &mut rng)?;
            also(tx, created)
        });
        stored
            .await
            .map_err(|failure| (portion.into_pieces(), failure))
    }

    /// What is not there yet.
    async fn unknown(&self, pieces: Vec<Piece>) -> Result<Vec<Piece>, SyncFailure> {
        let patient = self.patient;
        let tags: Vec<[u8; 32]> = pieces.iter().map(|p| p.tag).collect();
        let known: Vec<bool> = self
            .service
            .store()
            .read("document.known", move |db| {
                tags.iter()
                    .map(|tag| Ok(record_rows::lookup_by_tag(db, patient, tag)?.is_some()))
                    .collect::<Result<_, SyncFailure>>()
            })
            .await?;
        let pairs = pieces.into_iter().zip(known);
        Ok(pairs
            .filter_map(|(piece, known)| (!known).then_some(piece))
            .collect())
    }

    /// What a letter is to become; nothing where it is refused.
    async fn pieces(&self, letter: Letter) -> Result<Option<Vec<Piece>>, SyncFailure> {
        if letter.media_type == FHIR {
            return Ok(self.resources(&letter));
        }
        if !self.may(letter.record_type) {
            return Ok(None);
        }
        Ok(Some(vec![self.file(letter).await?]))
    }

    fn may(&self, record_type: RecordType) -> bool {
        self.allowed
            .is_none_or(|allowed| allowed.contains(record_type))
    }

    fn resources(&self, letter: &Letter) -> Option<Vec<Piece>> {
        let plan = plan_import(&letter.bytes, None, &Limits::default()).ok()?;
        let now = self.service.now();
        let mut rng = self.service.rng();
        let mut pieces = Vec::new();
        for item in plan.items {
            let digest = digest_of(&item.canonical);
            let content = content_tag(&self.dedup, &item.canonical);
            for placement in item.placements {
                if !self.may(placement.record_type) {
                    continue;
                }
                let place = match item.supporting {
                    true => placement.name(),
                    false => String::new(),
                };
                let source = self.by.1.to_string();
                let identity = content_identity(&digest);
                let tag = identity_tag(&self.dedup, &source, &place, &identity);
                pieces.push(piece(
                    Draft {
                        record: new_id(now, &mut rng),
                        version: 1,
                        previous: None,
                        compartment: placement,
                        supporting: item.supporting,
                        fields: Fields {
                            body: BodyKind::Resource,
                            content_type: FHIR.to_owned(),
                            size: item.bytes.len() as u64,
                            file_name: None,
                            header: item.header.clone(),
                            author_name: letter.sender.clone(),
                        },
                        body: DraftBody::Open(SecretBytes::new(item.bytes.clone())),
                        identity_tag: Some(tag),
                        content_tag: content,
                    },
                    tag,
                ));
            }
        }
        let some = pieces.iter().any(|p| !p.draft.supporting);
        (some && pieces.len() <= MOST_RECORDS).then_some(pieces)
    }

    async fn file(&self, letter: Letter) -> Result<Piece, SyncFailure> {
        let now = self.service.now();
        let record = new_id(now, &mut self.service.rng());
        let size = letter.bytes.len() as u64;
        let (title, name) = (letter.title.as_deref(), letter.file_name.as_deref());
        let header = header_for_file(title, name, letter.media_type, size, None);
        let file_name = header.file_name.clone();
        let content = content_tag(&self.dedup, &letter.bytes);
        let identity = content_identity(&digest_of(&letter.bytes));
        let tag = identity_tag(&self.dedup, &self.by.1.to_string(), "", &identity);
        let place = Place {
            patient: self.patient.0,
            record,
            version: 1,
        };
        let body = if letter.bytes.len() <= MAX_INLINE {
            DraftBody::Open(SecretBytes::new(letter.bytes.to_vec()))
        } else {
            put_blob(self.service, place, letter.bytes, now).await?
        };
        let draft = Draft {
            record,
            version: 1,
            previous: None,
            compartment: Compartment::new(letter.record_type, Kinds::EMPTY),
            supporting: false,
            fields: Fields {
                body: BodyKind::File,
                content_type: letter.media_type.to_owned(),
                size,
                file_name,
                header,
                author_name: letter.sender,
            },
            body,
            identity_tag: Some(tag),
            content_tag: content,
        };
        Ok(piece(draft, tag))
    }
}

fn piece(draft: Draft, tag: Bytes32) -> Piece {
    let served = draft.content_tag.0;
    Piece {
        draft,
        tag: tag.0,
        served,
        changed_at: None,
    }
}
