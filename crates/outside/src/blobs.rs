//! Where blobs are kept: a folder, or an S3-compatible store.
//!
//! Nothing here knows what a blob says; it is ciphertext. Both stores keep the
//! promises of [`chartkey_domain::blobs::BlobStore`], and one contract suite
//! (`contract.rs`) holds them to it.

mod folder;
mod object;

#[cfg(test)]
mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use bytes::Bytes;
use chartkey_domain::blobs::{BlobError, BlobResult, MAX_CHUNK_LEN};

pub use folder::FolderBlobs;
pub use object::{ObjectBlobs, S3Config, S3ConfigError};

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> BlobError {
    BlobError::Unavailable(Box::new(error))
}

/// A chunk has between one byte and [`MAX_CHUNK_LEN`].
fn check_chunk(bytes: &Bytes) -> BlobResult<u64> {
    if bytes.is_empty() || bytes.len() > MAX_CHUNK_LEN {
        return Err(BlobError::Chunk);
    }
    u64::try_from(bytes.len()).map_err(|_| BlobError::Chunk)
}

/// The length of a range that may be asked for.
fn check_range(range: &std::ops::Range<u64>) -> BlobResult<usize> {
    range
        .end
        .checked_sub(range.start)
        .and_then(|len| usize::try_from(len).ok())
        .filter(|len| *len <= MAX_CHUNK_LEN)
        .ok_or(BlobError::Range)
}
