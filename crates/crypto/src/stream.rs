//! Content of any length: padded, in chunks that are authenticated singly.
//!
//! One format, whether it is made in one go or as the bytes arrive.
//!
//! **Padded plaintext** `= content ‖ zeros ‖ length (u64 big-endian)`, its
//! total being `padme(content length + 8)`. The length stands at the end, so
//! that it need not be known at the beginning.
//!
//! **Sealed** `= suite (1) ‖ prefix (7 random bytes) ‖ chunk₀ ‖ chunk₁ ‖ …`
//! where chunk i is AES-256-GCM over the i-th MiB of the padded plaintext (the
//! last one may be shorter, never empty) followed by its 16-byte tag, with
//! nonce `= prefix ‖ i (u32 big-endian) ‖ last (0 or 1)` and the stream's
//! associated data, the same for each chunk. That is STREAM (Hoang,
//! Reyhanitabar, Rogaway, Vizár 2015): chunks cannot be swapped, dropped,
//! repeated or cut off.
//!
//! A key is used for one stream. What an opener hands out before the last
//! chunk is authentic but possibly not all; only success at the end says so.
//!
//! Openers refuse any padding but zeros, and any total but the right one, so
//! each content has one padded form.

mod open;
mod seal;

use std::ops::Range;

use crate::OpenError;

pub use open::{ChunkOpener, Opener, open_content};
pub use seal::{Sealer, Tail, TooLong, seal_content};

/// Plaintext bytes of every chunk but the last.
pub const CHUNK: usize = 1 << 20;
/// Sealed bytes of every chunk but the last.
pub const SEALED_CHUNK: usize = CHUNK + crate::aead::TAG;
/// Bytes before the first chunk: suite and prefix.
pub const HEADER: usize = 1 + PREFIX;

const PREFIX: usize = 7;
const LENGTH: usize = 8;

/// [`CHUNK`] as an amount on the wire.
const CHUNK_U64: u64 = CHUNK as u64;
const SEALED_CHUNK_U64: u64 = SEALED_CHUNK as u64;
const TAG_U64: u64 = crate::aead::TAG as u64;
const LENGTH_U64: u64 = LENGTH as u64;
const HEADER_U64: u64 = HEADER as u64;

/// The Padmé length (Nikitin et al. 2019) that hides `len`: at most 12 % more,
/// less for longer content, leaking O(log log len) bits.
///
/// Lengths so near 2⁶⁴ that rounding would overflow are returned as they are.
pub const fn padme(len: u64) -> u64 {
    // Below 2 the exponent is zero and has no logarithm of its own.
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1_u64 << exponent.saturating_sub(kept)) - 1;
    match len.checked_add(mask) {
        Some(sum) => sum & !mask,
        None => len,
    }
}

/// How many bytes sealing `len` bytes of content gives. Saturates for lengths
/// that no stream can have.
pub const fn sealed_len(len: u64) -> u64 {
    let padded = padme(len.saturating_add(LENGTH_U64));
    let tags = padded.div_ceil(CHUNK_U64) * TAG_U64;
    padded.saturating_add(tags).saturating_add(HEADER_U64)
}

/// Where the chunks lie in a sealed stream of a known total length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    sealed_len: u64,
    chunks: u32,
}

impl Layout {
    /// The layout of a sealed stream of `sealed_len` bytes, or an error if no
    /// stream has that length.
    pub fn of(sealed_len: u64) -> Result<Self, OpenError> {
        let body = sealed_len.checked_sub(HEADER_U64).ok_or(OpenError)?;
        let chunks = body.div_ceil(SEALED_CHUNK_U64);
        let padded = body.checked_sub(chunks * TAG_U64).ok_or(OpenError)?;
        let last = body - chunks.saturating_sub(1) * SEALED_CHUNK_U64;
        if padded < LENGTH_U64 || last <= TAG_U64 || padme(padded) != padded {
            return Err(OpenError);
        }
        let chunks = u32::try_from(chunks).map_err(|_| OpenError)?;
        Ok(Self { sealed_len, chunks })
    }

    /// How many chunks there are; at least one.
    pub const fn chunks(self) -> u32 {
        self.chunks
    }

    /// Which sealed bytes chunk `index` is, or nothing behind the last.
    pub fn sealed_range(self, index: u32) -> Option<Range<u64>> {
        if index >= self.chunks {
            return None;
        }
        let start = HEADER_U64 + u64::from(index) * SEALED_CHUNK_U64;
        Some(start..(start + SEALED_CHUNK_U64).min(self.sealed_len))
    }

    /// Which chunk holds the byte at this offset of the content, and where in
    /// it. Whether the content reaches that far only its length tells.
    pub fn chunk_of(self, offset: u64) -> Option<(u32, usize)> {
        let index = u32::try_from(offset / CHUNK_U64).ok()?;
        let within = usize::try_from(offset % CHUNK_U64).ok()?;
        (index < self.chunks).then_some((index, within))
    }
}

fn nonce(prefix: [u8; PREFIX], index: u32, last: bool) -> [u8; crate::aead::NONCE] {
    let mut nonce = [0; crate::aead::NONCE];
    let parts = prefix
        .into_iter()
        .chain(index.to_be_bytes())
        .chain([u8::from(last)]);
    for (slot, byte) in nonce.iter_mut().zip(parts) {
        *slot = byte;
    }
    nonce
}

#[cfg(test)]
mod tests;
