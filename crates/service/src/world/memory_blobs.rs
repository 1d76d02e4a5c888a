//! Blobs in memory, with the promises of the door.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use chartkey_domain::blobs::{
    BlobEntry, BlobError, BlobId, BlobResult, BlobResultFuture, BlobState, BlobStore, MAX_CHUNK_LEN,
};
use jiff::Timestamp;

/// Blobs that are gone with the world.
#[derive(Default)]
pub struct MemoryBlobs(Mutex<BTreeMap<BlobId, (BlobState, Vec<u8>)>>);

impl MemoryBlobs {
    fn with<T>(
        &self,
        f: impl FnOnce(&mut BTreeMap<BlobId, (BlobState, Vec<u8>)>) -> BlobResult<T>,
    ) -> BlobResult<T> {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stored<T>(&self, id: BlobId, f: impl FnOnce(&[u8]) -> BlobResult<T>) -> BlobResult<T> {
        self.with(|blobs| match blobs.get(&id) {
            Some((BlobState::Stored, bytes)) => f(bytes),
            _ => Err(BlobError::NotFound),
        })
    }
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

fn ready<T: Send + 'static>(value: BlobResult<T>) -> BlobResultFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

impl BlobStore for MemoryBlobs {
    fn put(&self, id: BlobId, bytes: Bytes) -> BlobResultFuture<'_, ()> {
        ready(self.with(|blobs| {
            if bytes.is_empty() || bytes.len() > MAX_CHUNK_LEN {
                return Err(BlobError::Chunk);
            }
            if blobs.contains_key(&id) {
                return Err(BlobError::Exists);
            }
            blobs.insert(id, (BlobState::Stored, bytes.to_vec()));
            Ok(())
        }))
    }

    fn create(&self, id: BlobId) -> BlobResultFuture<'_, ()> {
        ready(self.with(|blobs| match blobs.get(&id) {
            Some((BlobState::Stored, _)) => Err(BlobError::Exists),
            Some(_) => Ok(()),
            None => {
                blobs.insert(id, (BlobState::Uploading, Vec::new()));
                Ok(())
            }
        }))
    }

    fn uploaded(&self, id: BlobId) -> BlobResultFuture<'_, u64> {
        ready(self.with(|blobs| match blobs.get(&id) {
            Some((BlobState::Uploading, bytes)) => Ok(length(bytes)),
            Some(_) => Err(BlobError::Exists),
            None => Err(BlobError::NotFound),
        }))
    }

    fn append(&self, id: BlobId, offset: u64, bytes: Bytes) -> BlobResultFuture<'_, u64> {
        ready(self.with(|blobs| {
            if bytes.is_empty() || bytes.len() > MAX_CHUNK_LEN {
                return Err(BlobError::Chunk);
            }
            let Some((BlobState::Uploading, there)) = blobs.get_mut(&id) else {
                return Err(BlobError::NotFound);
            };
            let expected = length(there);
            let end = offset + length(&bytes);
            if end == expected {
                return Ok(expected);
            }
            if offset != expected {
                return Err(BlobError::Offset { expected });
            }
            there.extend_from_slice(&bytes);
            Ok(end)
        }))
    }

    fn finish(&self, id: BlobId, len: u64) -> BlobResultFuture<'_, ()> {
        ready(self.with(|blobs| match blobs.get_mut(&id) {
            None => Err(BlobError::NotFound),
            Some((state, bytes)) if length(bytes) == len => {
                *state = BlobState::Stored;
                Ok(())
            }
            Some((_, bytes)) => Err(BlobError::Offset {
                expected: length(bytes),
            }),
        }))
    }

    fn len(&self, id: BlobId) -> BlobResultFuture<'_, u64> {
        ready(self.stored(id, |bytes| Ok(length(bytes))))
    }

    fn get(&self, id: BlobId) -> BlobResultFuture<'_, Bytes> {
        ready(self.stored(id, |bytes| {
            if bytes.len() > MAX_CHUNK_LEN {
                Err(BlobError::Range)
            } else {
                Ok(Bytes::copy_from_slice(bytes))
            }
        }))
    }

    fn get_range(&self, id: BlobId, range: Range<u64>) -> BlobResultFuture<'_, Bytes> {
        ready(self.stored(id, |bytes| {
            let at = |place: u64| usize::try_from(place).map_err(|_| BlobError::Range);
            let (start, end) = (at(range.start)?, at(range.end)?);
            if end.saturating_sub(start) > MAX_CHUNK_LEN {
                return Err(BlobError::Range);
            }
            bytes
                .get(start..end)
                .map(Bytes::copy_from_slice)
                .ok_or(BlobError::Range)
        }))
    }

    fn delete(&self, id: BlobId) -> BlobResultFuture<'_, ()> {
        ready(self.with(|blobs| {
            blobs.remove(&id);
            Ok(())
        }))
    }

    fn list(&self, after: Option<BlobId>, limit: usize) -> BlobResultFuture<'_, Vec<BlobEntry>> {
        ready(self.with(|blobs| {
            Ok(blobs
                .iter()
                .filter(|(id, _)| after.is_none_or(|after| **id > after))
                .take(limit)
                .map(|(id, (state, _))| BlobEntry {
                    id: *id,
                    state: *state,
                    written_at: Timestamp::UNIX_EPOCH,
                })
                .collect())
        }))
    }
}
