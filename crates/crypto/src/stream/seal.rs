//! Making a stream, in one go or as the bytes arrive.

use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::{CHUNK, CHUNK_U64, HEADER, LENGTH, LENGTH_U64, PREFIX, SEALED_CHUNK, nonce, padme};
use crate::aead::{Cipher, TAG};
use crate::{SUITE, Secret};

/// The content is longer than a stream can be (2³² chunks, 4 PiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content is too long for one stream")]
pub struct TooLong;

impl TooLong {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        "content.too_long"
    }
}

fn header<R: CryptoRng + ?Sized>(rng: &mut R) -> ([u8; HEADER], [u8; PREFIX]) {
    let mut header = [SUITE; HEADER];
    let prefix: &mut [u8; PREFIX] = header
        .last_chunk_mut()
        .expect("the header ends with the prefix");
    rng.fill_bytes(prefix);
    let prefix = *prefix;
    (header, prefix)
}

/// Seals content that is in memory. The key must be used for nothing else.
///
/// # Panics
/// If the content does not fit into the memory that its sealed form needs.
pub fn seal_content<R: CryptoRng + ?Sized>(
    key: &Secret,
    aad: &[u8],
    plain: &[u8],
    rng: &mut R,
) -> Vec<u8> {
    let (header, prefix) = header(rng);
    let cipher = Cipher::new(key);
    let len = u64::try_from(plain.len()).expect("a length in memory fits into 64 bits");
    let padded = padme(len + LENGTH_U64);
    let sealed = usize::try_from(super::sealed_len(len)).expect("the sealed form fits into memory");
    let mut out = Vec::with_capacity(sealed);
    out.extend_from_slice(&header);

    let chunks = padded.div_ceil(CHUNK_U64);
    let mut rest = plain;
    for index in 0..chunks {
        let last = index + 1 == chunks;
        let here = usize::try_from((padded - index * CHUNK_U64).min(CHUNK_U64))
            .expect("a chunk is at most a MiB");
        let start = out.len();
        let take;
        (take, rest) = rest.split_at(rest.len().min(here));
        out.extend_from_slice(take);
        out.resize(start + here, 0);
        if last {
            // Padded totals above one chunk are multiples of 32 KiB, so the
            // length never lies across two chunks.
            out.truncate(start + here - LENGTH);
            out.extend_from_slice(&len.to_be_bytes());
        }
        let index = u32::try_from(index).expect("content in memory is shorter than 4 PiB");
        cipher.seal(&nonce(prefix, index, last), aad, &mut out, start);
    }
    out
}

/// Seals content as it arrives, holding at most one chunk.
///
/// ```text
/// let (mut sealer, header) = Sealer::new(&key, aad, rng);
/// write(header); for part in parts { write(sealer.push(part)?) }
/// for chunk in sealer.finish() { write(chunk) }
/// ```
pub struct Sealer {
    cipher: Cipher,
    aad: Vec<u8>,
    prefix: [u8; PREFIX],
    index: u32,
    /// The content of the chunk that is not full yet.
    pending: Zeroizing<Vec<u8>>,
    /// Content bytes taken so far.
    len: u64,
}

impl Sealer {
    /// A sealer and the 8 bytes with which its stream begins.
    pub fn new<R: CryptoRng + ?Sized>(
        key: &Secret,
        aad: &[u8],
        rng: &mut R,
    ) -> (Self, [u8; HEADER]) {
        let (header, prefix) = header(rng);
        let sealer = Self {
            cipher: Cipher::new(key),
            aad: aad.to_vec(),
            prefix,
            index: 0,
            // Full size at once: a growing buffer would leave copies unwiped.
            pending: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK)),
            len: 0,
        };
        (sealer, header)
    }

    /// Takes more content; gives the chunks that it completes, perhaps none.
    pub fn push(&mut self, mut plain: &[u8]) -> Result<Vec<u8>, TooLong> {
        let mut out = Vec::new();
        while !plain.is_empty() {
            let take;
            (take, plain) = plain.split_at(plain.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(take);
            self.len += u64::try_from(take.len()).map_err(|_| TooLong)?;
            // A full chunk of content is never the last one, because the
            // length still has to follow.
            if self.pending.len() == CHUNK {
                self.emit(&mut out, false)?;
            }
        }
        Ok(out)
    }

    /// Ends the content. The remaining chunks come one by one, because the
    /// padding of a long stream is itself several chunks.
    pub fn finish(self) -> Tail {
        let padded = padme(self.len + LENGTH_U64);
        let left = padded - u64::from(self.index) * CHUNK_U64;
        Tail { sealer: self, left }
    }

    fn emit(&mut self, out: &mut Vec<u8>, last: bool) -> Result<(), TooLong> {
        let nonce = nonce(self.prefix, self.index, last);
        self.index = self.index.checked_add(1).ok_or(TooLong)?;
        self.cipher.seal(&nonce, &self.aad, &mut self.pending, 0);
        out.extend_from_slice(&self.pending);
        self.pending.zeroize();
        Ok(())
    }
}

/// The last chunks of a [`Sealer`]; the stream is complete when it ends.
#[must_use = "the stream is complete only with its last chunks"]
pub struct Tail {
    sealer: Sealer,
    /// Padded bytes, those pending in the sealer included, not yet sealed.
    left: u64,
}

impl Iterator for Tail {
    type Item = Result<Vec<u8>, TooLong>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let last = self.left <= CHUNK_U64;
        let here = usize::try_from(self.left.min(CHUNK_U64)).unwrap_or(CHUNK);
        self.left -= self.left.min(CHUNK_U64);
        if last {
            self.sealer.pending.resize(here - LENGTH, 0);
            let len = self.sealer.len.to_be_bytes();
            self.sealer.pending.extend_from_slice(&len);
        } else {
            self.sealer.pending.resize(here, 0);
        }
        let mut out = Vec::with_capacity(here + TAG);
        let done = self.sealer.emit(&mut out, last).map(|()| out);
        if done.is_err() {
            self.left = 0;
        }
        Some(done)
    }
}
