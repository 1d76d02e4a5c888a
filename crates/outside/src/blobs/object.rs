//! Blobs in an object store (S3-compatible; in memory for tests).
//!
//! ```text
//! <prefix>/<id>/whole          a blob that came at once
//! <prefix>/<id>/open           an upload in progress
//! <prefix>/<id>/p/<offset>     its chunks, one object each (offset: 16 hex digits)
//! <prefix>/<id>/parts          says that the chunks are a blob, and how long each is
//! ```
//!
//! Chunks stay objects of their own, because S3's own uploads in parts belong to
//! one process and want parts of 5 MiB; so any node can take the next chunk, and
//! nothing is copied at the end. The store makes each object whole or absent, and
//! every write here is "create, unless it is there", so two nodes cannot
//! overwrite each other. `parts` is written last and removed first: while it is
//! there, the blob is whole.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use chartkey_domain::blobs::{
    BlobEntry, BlobError, BlobId, BlobResult, BlobResultFuture, BlobState, BlobStore,
    MAX_CHUNK_LEN, MAX_CHUNKS,
};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use uuid::Uuid;

use super::{check_chunk, check_range, unavailable};

mod s3;
pub use s3::{S3Config, S3ConfigError};

/// Blobs in an object store.
#[derive(Clone)]
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl fmt::Debug for ObjectBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectBlobs(..)")
    }
}

/// What the store holds of one id.
#[derive(Debug, Default)]
struct Holding {
    whole: Option<u64>,
    parts: bool,
    open: bool,
    /// Chunk lengths by offset.
    chunks: BTreeMap<u64, u64>,
    written_at: Option<Timestamp>,
}

impl Holding {
    fn is_stored(&self) -> bool {
        self.whole.is_some() || self.parts
    }

    /// Where the chunks that follow each other from 0 end.
    fn end(&self) -> u64 {
        let mut end = 0_u64;
        for (offset, len) in &self.chunks {
            if *offset != end {
                break;
            }
            end = end.saturating_add(*len);
        }
        end
    }

    fn add(&mut self, rest: &str, meta: &ObjectMeta) {
        match rest {
            "whole" => self.whole = Some(meta.size),
            "parts" => self.parts = true,
            "open" => self.open = true,
            _ => {
                if let Some(offset) = rest
                    .strip_prefix("p/")
                    .and_then(|hex| u64::from_str_radix(hex, 16).ok())
                {
                    self.chunks.insert(offset, meta.size);
                }
            }
        }
        let written =
            Timestamp::from_second(meta.last_modified.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH);
        self.written_at = self.written_at.max(Some(written));
    }
}

impl ObjectBlobs {
    /// Blobs in `store`, under `prefix` (may be empty). The store has to support
    /// conditional writes ([`PutMode::Create`]).
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self {
            store,
            prefix: Path::from(prefix),
        }
    }

    /// Blobs in an S3-compatible bucket.
    ///
    /// # Errors
    /// [`S3ConfigError`].
    pub fn s3(config: &S3Config) -> Result<Self, S3ConfigError> {
        Ok(Self::new(s3::open(config)?, &config.prefix))
    }

    fn path(&self, id: BlobId, rest: &str) -> Path {
        let mut path = self.prefix.clone().join(id.to_string());
        for part in rest.split('/') {
            path = path.join(part);
        }
        path
    }

    fn chunk_path(&self, id: BlobId, offset: u64) -> Path {
        self.path(id, &format!("p/{offset:016x}"))
    }

    /// Splits an object's path into the id and what it is of it.
    fn split(&self, location: &Path) -> Option<(BlobId, String)> {
        let mut parts = location.prefix_match(&self.prefix)?;
        let id = Uuid::try_parse(parts.next()?.as_ref()).ok()?;
        let rest: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
        Some((BlobId::new(id), rest.join("/")))
    }

    async fn holding(&self, id: BlobId) -> BlobResult<Holding> {
        let folder = self.prefix.clone().join(id.to_string());
        let mut objects = self.store.list(Some(&folder));
        let mut holding = Holding::default();
        while let Some(meta) = objects.try_next().await.map_err(from_store)? {
            if let Some((_, rest)) = self.split(&meta.location) {
                holding.add(&rest, &meta);
            }
        }
        Ok(holding)
    }

    async fn make(&self, path: &Path, bytes: Bytes) -> BlobResult<()> {
        self.store
            .put_opts(path, PutPayload::from_bytes(bytes), PutMode::Create.into())
            .await
            .map(drop)
            .map_err(from_store)
    }

    async fn put(&self, id: BlobId, bytes: Bytes) -> BlobResult<()> {
        check_chunk(&bytes)?;
        if self.holding(id).await?.is_stored() {
            return Err(BlobError::Exists);
        }
        self.make(&self.path(id, "whole"), bytes).await
    }

    async fn create(&self, id: BlobId) -> BlobResult<()> {
        if self.holding(id).await?.is_stored() {
            return Err(BlobError::Exists);
        }
        match self.make(&self.path(id, "open"), Bytes::new()).await {
            Ok(()) | Err(BlobError::Exists) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn open_upload(&self, id: BlobId) -> BlobResult<Holding> {
        let holding = self.holding(id).await?;
        if holding.open && !holding.is_stored() {
            Ok(holding)
        } else {
            Err(BlobError::NotFound)
        }
    }

    async fn append(&self, id: BlobId, offset: u64, bytes: Bytes) -> BlobResult<u64> {
        let len = check_chunk(&bytes)?;
        let holding = self.open_upload(id).await?;
        let expected = holding.end();
        let end = offset.checked_add(len).ok_or(BlobError::Chunk)?;
        let path = self.chunk_path(id, offset);
        if holding.chunks.get(&offset) == Some(&len) && end <= expected {
            let stored = self.read(&path, 0..len).await?;
            return (stored == bytes)
                .then_some(expected)
                .ok_or(BlobError::Offset { expected });
        }
        if offset != expected {
            return Err(BlobError::Offset { expected });
        }
        if holding.chunks.len() >= MAX_CHUNKS {
            return Err(BlobError::Chunk);
        }
        match self.make(&path, bytes).await {
            Ok(()) => Ok(end),
            // Another node took this offset since the list was read.
            Err(BlobError::Exists) => Err(BlobError::Busy),
            Err(error) => Err(error),
        }
    }

    async fn finish(&self, id: BlobId, len: u64) -> BlobResult<()> {
        let holding = self.holding(id).await?;
        if !holding.open && !holding.is_stored() {
            return Err(BlobError::NotFound);
        }
        let expected = holding.whole.unwrap_or_else(|| holding.end());
        if expected != len || len == 0 {
            return Err(BlobError::Offset { expected });
        }
        if !holding.is_stored() {
            let mut table = BytesMut::new();
            for len in holding.chunks.values() {
                let len = u32::try_from(*len).map_err(|_| BlobError::Chunk)?;
                table.extend_from_slice(&len.to_be_bytes());
            }
            match self.make(&self.path(id, "parts"), table.freeze()).await {
                Ok(()) | Err(BlobError::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        if holding.open {
            self.remove(&self.path(id, "open")).await?;
        }
        Ok(())
    }

    /// The chunks of a blob: where each begins, and where the last one ends.
    async fn table(&self, id: BlobId) -> BlobResult<Vec<Range<u64>>> {
        let answer = self
            .store
            .get(&self.path(id, "parts"))
            .await
            .map_err(from_store)?;
        if answer.meta.size > (MAX_CHUNKS as u64) * 4 {
            return Err(broken());
        }
        let bytes = answer.bytes().await.map_err(from_store)?;
        let (lens, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(broken());
        }
        let mut end = 0_u64;
        Ok(lens
            .iter()
            .map(|len| {
                let start = end;
                end = start.saturating_add(u32::from_be_bytes(*len).into());
                start..end
            })
            .collect())
    }

    async fn len(&self, id: BlobId) -> BlobResult<u64> {
        match self.store.head(&self.path(id, "whole")).await {
            Ok(meta) => Ok(meta.size),
            Err(object_store::Error::NotFound { .. }) => {
                Ok(self.table(id).await?.last().map_or(0, |chunk| chunk.end))
            }
            Err(error) => Err(from_store(error)),
        }
    }

    async fn get(&self, id: BlobId) -> BlobResult<Bytes> {
        let len = self.len(id).await?;
        self.get_range(id, 0..len).await
    }

    async fn get_range(&self, id: BlobId, range: Range<u64>) -> BlobResult<Bytes> {
        check_range(&range)?;
        let whole = self.path(id, "whole");
        match self.store.head(&whole).await {
            Ok(meta) if range.end > meta.size => Err(BlobError::Range),
            Ok(_) => self.read(&whole, range).await,
            Err(object_store::Error::NotFound { .. }) => self.read_parts(id, range).await,
            Err(error) => Err(from_store(error)),
        }
    }

    async fn read_parts(&self, id: BlobId, range: Range<u64>) -> BlobResult<Bytes> {
        let table = self.table(id).await?;
        if table.last().is_none_or(|chunk| range.end > chunk.end) {
            return Err(BlobError::Range);
        }
        let mut bytes = BytesMut::new();
        for chunk in table {
            let from = range.start.max(chunk.start);
            let to = range.end.min(chunk.end);
            if from < to {
                let within = from - chunk.start..to - chunk.start;
                let path = self.chunk_path(id, chunk.start);
                bytes.extend_from_slice(&self.read(&path, within).await?);
            }
        }
        Ok(bytes.freeze())
    }

    /// Exactly `range` of an object that is known to hold it.
    async fn read(&self, path: &Path, range: Range<u64>) -> BlobResult<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let len = check_range(&range)?;
        let bytes = self
            .store
            .get_range(path, range)
            .await
            .map_err(from_store)?;
        if bytes.len() == len && len <= MAX_CHUNK_LEN {
            Ok(bytes)
        } else {
            Err(broken())
        }
    }

    async fn remove(&self, path: &Path) -> BlobResult<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(from_store(error)),
        }
    }

    async fn delete(&self, id: BlobId) -> BlobResult<()> {
        // What makes it readable goes first, the marker that lets it be found
        // as an upload goes last.
        let holding = self.holding(id).await?;
        for (is_there, name) in [(holding.parts, "parts"), (holding.whole.is_some(), "whole")] {
            if is_there {
                self.remove(&self.path(id, name)).await?;
            }
        }
        for offset in holding.chunks.keys() {
            self.remove(&self.chunk_path(id, *offset)).await?;
        }
        if holding.open {
            self.remove(&self.path(id, "open")).await?;
        }
        Ok(())
    }

    async fn list(&self, after: Option<BlobId>, limit: usize) -> BlobResult<Vec<BlobEntry>> {
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let mut objects = match after {
            // "z" sorts after every name that we give below an id.
            Some(id) => self
                .store
                .list_with_offset(prefix, &self.prefix.clone().join(id.to_string()).join("z")),
            None => self.store.list(prefix),
        };
        let mut found: BTreeMap<BlobId, Holding> = BTreeMap::new();
        while let Some(meta) = objects.try_next().await.map_err(from_store)? {
            let Some((id, rest)) = self.split(&meta.location) else {
                continue;
            };
            if !found.contains_key(&id) && found.len() >= limit {
                break; // names come in order, so the earlier ids are complete
            }
            found.entry(id).or_default().add(&rest, &meta);
        }
        Ok(found
            .into_iter()
            .map(|(id, holding)| BlobEntry {
                id,
                state: if holding.is_stored() {
                    BlobState::Stored
                } else {
                    BlobState::Uploading
                },
                written_at: holding.written_at.unwrap_or(Timestamp::UNIX_EPOCH),
            })
            .collect())
    }
}

impl BlobStore for ObjectBlobs {
    fn put(&self, id: BlobId, bytes: Bytes) -> BlobResultFuture<'_, ()> {
        Box::pin(self.put(id, bytes))
    }

    fn create(&self, id: BlobId) -> BlobResultFuture<'_, ()> {
        Box::pin(self.create(id))
    }

    fn uploaded(&self, id: BlobId) -> BlobResultFuture<'_, u64> {
        Box::pin(async move { Ok(self.open_upload(id).await?.end()) })
    }

    fn append(&self, id: BlobId, offset: u64, bytes: Bytes) -> BlobResultFuture<'_, u64> {
        Box::pin(self.append(id, offset, bytes))
    }

    fn finish(&self, id: BlobId, len: u64) -> BlobResultFuture<'_, ()> {
        Box::pin(self.finish(id, len))
    }

    fn len(&self, id: BlobId) -> BlobResultFuture<'_, u64> {
        Box::pin(self.len(id))
    }

    fn get(&self, id: BlobId) -> BlobResultFuture<'_, Bytes> {
        Box::pin(self.get(id))
    }

    fn get_range(&self, id: BlobId, range: Range<u64>) -> BlobResultFuture<'_, Bytes> {
        Box::pin(self.get_range(id, range))
    }

    fn delete(&self, id: BlobId) -> BlobResultFuture<'_, ()> {
        Box::pin(self.delete(id))
    }

    fn list(&self, after: Option<BlobId>, limit: usize) -> BlobResultFuture<'_, Vec<BlobEntry>> {
        Box::pin(self.list(after, limit))
    }
}

/// The store answered with something that we did not put there.
fn broken() -> BlobError {
    unavailable(std::io::Error::from(std::io::ErrorKind::InvalidData))
}

fn from_store(error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            BlobError::Exists
        }
        error => unavailable(error),
    }
}
