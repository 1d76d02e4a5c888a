//! Blobs: large sealed bodies outside the database, and the door to where they
//! are kept.
//!
//! This module must not know what a blob says (it is ciphertext), whose it is
//! (the database does), nor what keeps it. Ids are UUIDs and nothing else, so
//! that no path can be chosen from outside.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use crate::doors::BoxFuture;

/// Most bytes that one `append`, `put` or `get_range` may carry: 16 MiB.
pub const MAX_CHUNK_LEN: usize = 16 << 20;
/// Most chunks of one upload. With chunks of 1 MiB that is 8 GiB.
pub const MAX_CHUNKS: usize = 8_192;

/// Names a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(Uuid);

impl BlobId {
    /// The blob with this UUID.
    pub fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The UUID.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<crate::ids::BlobId> for BlobId {
    fn from(id: crate::ids::BlobId) -> Self {
        Self(Uuid::from_bytes(*id.as_bytes()))
    }
}

impl From<Uuid> for BlobId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Whether a blob can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobState {
    /// Bytes are still arriving, or stopped arriving.
    Uploading,
    /// All there; it never changes again.
    Stored,
}

/// What sweeping sees of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Which blob.
    pub id: BlobId,
    /// Whether it can be read.
    pub state: BlobState,
    /// When its bytes were last written, by the clock of what keeps it.
    pub written_at: Timestamp,
}

/// Why a blob could not be kept or read.
#[derive(Debug, Error)]
pub enum BlobError {
    /// No such blob or upload.
    #[error("no such blob")]
    NotFound,
    /// A blob with this id is stored; blobs never change.
    #[error("the blob exists already")]
    Exists,
    /// The bytes do not continue the upload. Resume at `expected`.
    #[error("the bytes do not continue the upload")]
    Offset {
        /// How many bytes are safely there.
        expected: u64,
    },
    /// The range does not lie within the blob.
    #[error("the range lies outside the blob")]
    Range,
    /// More than [`MAX_CHUNK_LEN`] at once, an empty chunk, or more than
    /// [`MAX_CHUNKS`] of them.
    #[error("the chunk is empty, too large, or one too many")]
    Chunk,
    /// Somebody else is writing the same upload at this moment.
    #[error("the upload is busy")]
    Busy,
    /// No room is left.
    #[error("no room is left for blobs")]
    Full,
    /// Whatever keeps the blobs failed; trying again may help.
    #[error("the blob store failed")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BlobError {
    /// The stable word for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "blob.not_found",
            Self::Exists => "blob.exists",
            Self::Offset { .. } => "blob.offset",
            Self::Range => "blob.range",
            Self::Chunk => "blob.chunk",
            Self::Busy => "blob.busy",
            Self::Full => "blob.full",
            Self::Unavailable(_) => "blob.unavailable",
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::Unavailable(_))
    }
}

/// The result of a call to a [`BlobStore`].
pub type BlobResult<T> = Result<T, BlobError>;

/// The door to where blobs are kept.
///
/// What every implementation promises:
/// - `Ok` means durable: it survives a crash and a power cut.
/// - A blob is either absent or whole; a crash leaves at most an upload, which
///   `list` shows and `delete` removes.
/// - A stored blob never changes; a second write to its id is refused.
/// - Every call may be repeated after any error.
pub trait BlobStore: Send + Sync {
    /// Stores a small blob at once, at most [`MAX_CHUNK_LEN`] bytes.
    fn put(&self, id: BlobId, bytes: Bytes) -> BlobResultFuture<'_, ()>;

    /// Begins an upload in chunks. Repeating it keeps what has arrived.
    fn create(&self, id: BlobId) -> BlobResultFuture<'_, ()>;

    /// How many bytes of an unfinished upload are safely there.
    fn uploaded(&self, id: BlobId) -> BlobResultFuture<'_, u64>;

    /// Adds `bytes` at `offset`, which is where the upload ends, and answers its
    /// new length. Sending a chunk again changes nothing; anything else that
    /// does not begin at the end is [`BlobError::Offset`].
    fn append(&self, id: BlobId, offset: u64, bytes: Bytes) -> BlobResultFuture<'_, u64>;

    /// Ends an upload that must be `len` bytes long: the blob can now be read.
    /// [`BlobError::Offset`] when it is not that long. Repeating it is `Ok`.
    fn finish(&self, id: BlobId, len: u64) -> BlobResultFuture<'_, ()>;

    /// How many bytes a stored blob has.
    fn len(&self, id: BlobId) -> BlobResultFuture<'_, u64>;

    /// A whole small blob; [`BlobError::Range`] when it is longer than
    /// [`MAX_CHUNK_LEN`].
    fn get(&self, id: BlobId) -> BlobResultFuture<'_, Bytes>;

    /// Exactly the bytes of `range`, at most [`MAX_CHUNK_LEN`] of them;
    /// [`BlobError::Range`] when it reaches beyond the end.
    fn get_range(&self, id: BlobId, range: Range<u64>) -> BlobResultFuture<'_, Bytes>;

    /// Removes the blob or upload, wholly. Removing what is absent is `Ok`.
    fn delete(&self, id: BlobId) -> BlobResultFuture<'_, ()>;

    /// Up to `limit` blobs and uploads with ids above `after`, in the order of
    /// their ids, for sweeping.
    fn list(&self, after: Option<BlobId>, limit: usize) -> BlobResultFuture<'_, Vec<BlobEntry>>;
}

/// What the methods of a [`BlobStore`] return.
pub type BlobResultFuture<'a, T> = BoxFuture<'a, BlobResult<T>>;
