//! Files in the clear: sealed as they stream in, opened as they stream out.
//! Nothing open is kept beyond one chunk, and nothing open touches a disk.

use bytes::Bytes;
use chartkey_crypto::SecretBytes;
use chartkey_crypto::stream::{CHUNK, HEADER, Opener, Sealer};
use chartkey_domain::blobs::{BlobError, MAX_CHUNK_LEN};
use chartkey_domain::ids::{BlobId, PatientId, RecordId};
use chartkey_domain::policy::Action;
use chartkey_domain::trail::TrailAction;
use chartkey_fhir::{Compartment, Kinds, RecordType, header_for_file};
use chartkey_vault::Bytes32;
use chartkey_vault::error::VaultError;
use chartkey_vault::import::{NewRecord, content_identity};
use chartkey_vault::keys::VersionKey;
use chartkey_vault::protocol::KnownTagsRequest;
use chartkey_vault::read::{BatchKeys, OpenRecord};
use chartkey_vault::record::{BodyKind, Fields, Place, body_seal, content_tag, identity_tag};
use chartkey_vault::transport::Transport as _;
use chartkey_vault::write::{Draft, DraftBody, NewBatch, new_id};
use sha2::{Digest, Sha256};

use super::records::{RecordView, UPLOAD};
use super::{Assisted, AssistedFailure, coded};
use crate::{Failure, blobs, records};

/// Files up to this size are sealed beside their header; larger ones as blobs.
const INLINE_BYTES: usize = 256 << 10;

/// What is known of a file before its bytes.
#[derive(Debug, Clone, Default)]
pub struct NewFile {
    /// Its name, as sent.
    pub file_name: Option<String>,
    /// Its media type, as sent.
    pub content_type: Option<String>,
    /// Title that the uploader gave.
    pub title: Option<String>,
    /// Date that the uploader gave, as FHIR text.
    pub date: Option<String>,
    /// Type that the uploader gave; `documents` otherwise.
    pub record_type: Option<RecordType>,
}

/// A file that is coming in.
pub struct FileUpload {
    patient: PatientId,
    file: NewFile,
    start: Vec<u8>,
    blob: Option<Streaming>,
    hash: Sha256,
    size: u64,
    max_bytes: u64,
}

struct Streaming {
    blob: BlobId,
    record: RecordId,
    batch: NewBatch,
    sealer: Sealer,
    sent: u64,
    pending: Vec<u8>,
}

impl FileUpload {
    /// What is known of the file; may be completed until it is finished.
    pub const fn about(&mut self) -> &mut NewFile {
        &mut self.file
    }
}

impl std::fmt::Debug for FileUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileUpload")
    }
}

/// The content of a file, opened chunk by chunk.
pub struct FileContent {
    /// What its header says.
    pub fields: Fields,
    source: Source,
}

enum Source {
    Whole(Option<SecretBytes>),
    Blob {
        found: blobs::FoundBlob,
        at: u64,
        opener: Option<Box<Opener>>,
    },
}

impl std::fmt::Debug for FileContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileContent")
    }
}

fn media_type(file: &NewFile) -> String {
    let sent = file.content_type.as_deref().unwrap_or_default();
    let plain = !sent.is_empty()
        && sent.len() <= 255
        && sent.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if plain {
        sent.to_owned()
    } else {
        "application/octet-stream".to_owned()
    }
}

impl Assisted {
    /// Begins to take a file in; at most `max_bytes` of it.
    pub fn begin_file(&self, patient: PatientId, file: NewFile, max_bytes: u64) -> FileUpload {
        FileUpload {
            patient,
            file,
            start: Vec::new(),
            blob: None,
            hash: Sha256::new(),
            size: 0,
            max_bytes,
        }
    }

    /// Takes the next bytes of a file.
    ///
    /// # Errors
    /// `body.too_large`; the policy's, the blob store's.
    pub async fn push_file(
        &mut self,
        upload: &mut FileUpload,
        bytes: &[u8],
    ) -> Result<(), AssistedFailure> {
        upload.size = upload.size.saturating_add(bytes.len() as u64);
        if upload.size > upload.max_bytes {
            return Err(too_large());
        }
        upload.hash.update(bytes);
        if upload.blob.is_none() {
            upload.start.extend_from_slice(bytes);
            if upload.start.len() <= INLINE_BYTES {
                return Ok(());
            }
            let start = SecretBytes::new(std::mem::take(&mut upload.start));
            upload.blob = Some(self.begin_stream(upload.patient).await?);
            return self.push_stream(upload, &start).await;
        }
        self.push_stream(upload, bytes).await
    }

    async fn begin_stream(&mut self, patient: PatientId) -> Result<Streaming, AssistedFailure> {
        let mut rng = self.service.rng();
        let blob = BlobId(new_id(self.now, &mut rng));
        let record = RecordId(new_id(self.now, &mut rng));
        blobs::create_blob(&self.service, &self.caller, patient, blob)
            .await
            .map_err(coded)?;
        let batch = NewBatch::random(self.now, &mut rng);
        let key = VersionKey::derive(&batch.key, record.0, 1);
        let place = Place {
            patient: patient.0,
            record: record.0,
            version: 1,
        };
        let (body_key, aad) = body_seal(&key, place);
        let (sealer, header) = Sealer::new(&body_key, &aad, &mut rng);
        Ok(Streaming {
            blob,
            record,
            batch,
            sealer,
            sent: 0,
            pending: header.to_vec(),
        })
    }

    async fn push_stream(
        &self,
        upload: &mut FileUpload,
        bytes: &[u8],
    ) -> Result<(), AssistedFailure> {
        let Some(stream) = upload.blob.as_mut() else {
            return Err(Failure::Internal("a stream that did not begin"));
        };
        let sealed = stream.sealer.push(bytes).map_err(|_| too_large())?;
        stream.pending.extend_from_slice(&sealed);
        while stream.pending.len() >= CHUNK {
            self.send(upload.patient, stream, CHUNK).await?;
        }
        Ok(())
    }

    async fn send(
        &self,
        patient: PatientId,
        stream: &mut Streaming,
        most: usize,
    ) -> Result<(), AssistedFailure> {
        let rest = stream.pending.split_off(stream.pending.len().min(most));
        let chunk = Bytes::from(std::mem::replace(&mut stream.pending, rest));
        let len = chunk.len() as u64;
        let sent = blobs::append_blob(
            &self.service,
            &self.caller,
            patient,
            stream.blob,
            stream.sent,
            chunk,
        );
        sent.await.map_err(coded)?;
        stream.sent = stream.sent.saturating_add(len);
        Ok(())
    }

    /// Ends a file: seals its header and stores the record. The same file
    /// again answers the record that is there.
    ///
    /// # Errors
    /// The policy's, the database's, the blob store's.
    pub async fn finish_file(&mut self, upload: FileUpload) -> Result<RecordView, AssistedFailure> {
        let FileUpload {
            patient,
            file,
            start,
            blob,
            hash,
            size,
            ..
        } = upload;
        let content_type = media_type(&file);
        let header = header_for_file(
            file.title.as_deref(),
            file.file_name.as_deref(),
            &content_type,
            size,
            file.date.as_deref(),
        );
        let compartment = Compartment::new(
            file.record_type.unwrap_or(RecordType::Documents),
            Kinds::EMPTY,
        );
        let Some(stream) = blob else {
            let file_name = header.file_name.clone();
            let new = NewRecord {
                compartment,
                body: BodyKind::File,
                content_type,
                file_name,
                header,
                content: SecretBytes::new(start),
            };
            let (client, mut act) = self.acting();
            let imported = client
                .add(patient.0, vec![new], UPLOAD, None, &mut act)
                .await
                .map_err(|e| self.failed(e))?;
            self.settle_owed(patient).await;
            let id = imported.written.first().or(imported.known.first()).copied();
            return self
                .find(
                    RecordId(id.ok_or(Failure::Internal("a file without a record"))?),
                    None,
                )
                .await;
        };
        let fields = Fields {
            body: BodyKind::File,
            content_type,
            size,
            file_name: header.file_name.clone(),
            header,
            author_name: None,
        };
        let digest = Bytes32(hash.finalize().into());
        self.finish_stream(patient, stream, compartment, fields, digest)
            .await
    }

    async fn finish_stream(
        &mut self,
        patient: PatientId,
        stream: Streaming,
        compartment: Compartment,
        fields: Fields,
        digest: Bytes32,
    ) -> Result<RecordView, AssistedFailure> {
        let Streaming {
            blob,
            record,
            batch,
            sealer,
            mut sent,
            pending,
        } = stream;
        let mut rest = pending;
        let mut tail = sealer.finish();
        loop {
            while rest.len() < CHUNK {
                match tail.next() {
                    Some(chunk) => rest.extend_from_slice(&chunk.map_err(|_| too_large())?),
                    None => break,
                }
            }
            if rest.is_empty() {
                break;
            }
            let keep = rest.split_off(rest.len().min(CHUNK));
            let chunk = Bytes::from(std::mem::replace(&mut rest, keep));
            let len = chunk.len() as u64;
            let stored =
                blobs::append_blob(&self.service, &self.caller, patient, blob, sent, chunk);
            stored.await.map_err(coded)?;
            sent = sent.saturating_add(len);
        }
        blobs::finish_blob(&self.service, &self.caller, patient, blob, sent)
            .await
            .map_err(coded)?;
        let open = self
            .client
            .open(patient.0)
            .await
            .map_err(|e| self.failed(e))?;
        let dedup = match open.manager {
            Some(_) => open.keys.newest_seed().map_err(Failure::Vault)?.dedup_key(),
            None => self.client.account.dedup_key(),
        };
        let tag = identity_tag(&dedup, UPLOAD, "", &content_identity(&digest.0));
        let request = KnownTagsRequest {
            patient: patient.0,
            tags: vec![tag],
        };
        let known = self
            .client
            .transport
            .known(request)
            .await
            .map_err(|e| self.failed(e))?;
        if let Some(known) = known.items.first() {
            // The same file is there: this copy is not needed.
            self.service
                .blobs()
                .delete(blob.into())
                .await
                .map_err(|e| coded(e.into()))?;
            return self.find(RecordId(known.id), None).await;
        }
        let draft = Draft {
            record: record.0,
            version: 1,
            previous: None,
            compartment,
            supporting: false,
            fields,
            body: DraftBody::Blob {
                blob: blob.0,
                hash: digest,
                batch,
            },
            identity_tag: Some(tag),
            content_tag: content_tag(&dedup, &digest.0),
        };
        let (client, mut act) = self.acting();
        client
            .write(patient.0, &[draft], &mut act)
            .await
            .map_err(|e| self.failed(e))?;
        self.refresh_links(patient).await;
        self.find(record, None).await
    }

    /// The raw content of a record: the file, the text, or the resource.
    ///
    /// # Errors
    /// The policy's, `record.unknown`, the database's.
    pub async fn content(&mut self, record: RecordId) -> Result<FileContent, AssistedFailure> {
        let action = Action::FindRecordContent;
        let logged = TrailAction::RecordDownload;
        let page = records::read_record(&self.service, &self.caller, record, None, action, logged)
            .await
            .map_err(coded)?;
        let sealed = page
            .items
            .first()
            .ok_or(Failure::Vault(VaultError::NoKey))?;
        let keys = self.read_keys(PatientId(sealed.patient), true).await?;
        let batches = BatchKeys::of_page(&page, &keys, Some(&self.client.account));
        let open = OpenRecord::open(sealed, &keys, &batches).map_err(Failure::Vault)?;
        let source = match sealed.blob {
            None => Source::Whole(Some(open.open_body(sealed, None).map_err(Failure::Vault)?)),
            Some(blob) => {
                let found = blobs::find_blob(&self.service, &self.caller, BlobId(blob), action)
                    .await
                    .map_err(coded)?;
                let (key, aad) = open.body_seal();
                let header = self.blob_header(&found).await?;
                let opener = Opener::new(&key, &aad, header)
                    .map_err(|_| Failure::Vault(VaultError::Open))?;
                Source::Blob {
                    found,
                    at: HEADER as u64,
                    opener: Some(Box::new(opener)),
                }
            }
        };
        Ok(FileContent {
            fields: open.header.fields,
            source,
        })
    }

    async fn blob_header(&self, found: &blobs::FoundBlob) -> Result<[u8; HEADER], AssistedFailure> {
        let bytes = blobs::read_blob(&self.service, found, 0..HEADER as u64)
            .await
            .map_err(|e: BlobError| coded(e.into()))?;
        <[u8; HEADER]>::try_from(bytes.as_ref()).map_err(|_| Failure::Vault(VaultError::Open))
    }

    /// The next open bytes of a file; nothing at its end. A chunk is only
    /// given out once it is authenticated.
    ///
    /// # Errors
    /// The blob store's; `vault.open` for a body that was tampered with.
    pub async fn next_bytes(
        &self,
        content: &mut FileContent,
    ) -> Result<Option<SecretBytes>, AssistedFailure> {
        let (found, at, opener) = match &mut content.source {
            Source::Whole(bytes) => return Ok(bytes.take()),
            Source::Blob { found, at, opener } => (found, at, opener),
        };
        let mut open = Vec::new();
        while open.is_empty() {
            if *at >= found.len {
                let Some(opener) = opener.take() else {
                    return Ok(None);
                };
                opener
                    .finish(&mut |bytes| open.extend_from_slice(bytes))
                    .map_err(|_| Failure::Vault(VaultError::Open))?;
                break;
            }
            let most = u64::try_from(MAX_CHUNK_LEN.min(CHUNK)).unwrap_or(1 << 20);
            let sealed = blobs::read_blob(&self.service, found, *at..at.saturating_add(most))
                .await
                .map_err(|e: BlobError| coded(e.into()))?;
            *at = at.saturating_add(sealed.len() as u64);
            let Some(opener) = opener.as_mut() else {
                return Ok(None);
            };
            opener
                .push(&sealed, &mut |bytes| open.extend_from_slice(bytes))
                .map_err(|_| Failure::Vault(VaultError::Open))?;
        }
        Ok((!open.is_empty()).then(|| SecretBytes::new(open)))
    }
}

/// More than the server takes, or than a sealed body can be long.
fn too_large() -> AssistedFailure {
    Failure::Rule {
        code: "body.too_large",
        field: "file",
        message: "larger than this server takes".to_owned(),
    }
}
