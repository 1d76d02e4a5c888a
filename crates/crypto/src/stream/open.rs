//! Opening a stream: in one go, as the bytes arrive, or one chunk of it.

use zeroize::Zeroizing;

use super::{CHUNK, HEADER, LENGTH, LENGTH_U64, Layout, PREFIX, SEALED_CHUNK, nonce, padme};
use crate::aead::{Cipher, TAG};
use crate::{OpenError, SUITE, Secret, SecretBytes};

/// How many zeros an [`Opener`] hands out at once.
const ZEROS: [u8; 4096] = [0; 4096];

fn parse_header(header: [u8; HEADER]) -> Result<[u8; PREFIX], OpenError> {
    let (suite, prefix) = header.split_last_chunk().ok_or(OpenError)?;
    if suite != [SUITE] {
        return Err(OpenError);
    }
    Ok(*prefix)
}

/// The content length that a whole padded plaintext states, checked against
/// the total.
fn stated_len(trailer: [u8; LENGTH], padded: u64) -> Result<u64, OpenError> {
    let len = u64::from_be_bytes(trailer);
    let with_trailer = len.checked_add(LENGTH_U64).ok_or(OpenError)?;
    if padme(with_trailer) != padded {
        return Err(OpenError);
    }
    Ok(len)
}

/// Opens a whole stream that is in memory.
pub fn open_content(key: &Secret, aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, OpenError> {
    let (header, body) = sealed.split_first_chunk::<HEADER>().ok_or(OpenError)?;
    let prefix = parse_header(*header)?;
    let sealed_len = u64::try_from(sealed.len()).map_err(|_| OpenError)?;
    let layout = Layout::of(sealed_len)?;
    let cipher = Cipher::new(key);
    let mut padded = Zeroizing::new(Vec::with_capacity(body.len()));
    for (index, chunk) in (0..layout.chunks()).zip(body.chunks(SEALED_CHUNK)) {
        let last = index + 1 == layout.chunks();
        cipher.open(&nonce(prefix, index, last), aad, chunk, &mut padded)?;
    }
    let total = u64::try_from(padded.len()).map_err(|_| OpenError)?;
    let (rest, trailer) = padded.split_last_chunk::<LENGTH>().ok_or(OpenError)?;
    let len = usize::try_from(stated_len(*trailer, total)?).map_err(|_| OpenError)?;
    let (_, zeros) = rest.split_at_checked(len).ok_or(OpenError)?;
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(OpenError);
    }
    let mut content = std::mem::take(&mut *padded);
    // `truncate` would leave the length behind in the unused capacity; harmless.
    content.truncate(len);
    Ok(SecretBytes::new(content))
}

/// Opens single chunks of a stream whose sealed length is known, for reading
/// a range. Each chunk opens alone.
pub struct ChunkOpener {
    cipher: Cipher,
    aad: Vec<u8>,
    prefix: [u8; PREFIX],
    layout: Layout,
}

impl ChunkOpener {
    /// An opener for the stream that begins with `header` and is `sealed_len`
    /// bytes long in all. A wrong length shows at the last chunk at the latest.
    pub fn new(
        key: &Secret,
        aad: &[u8],
        header: [u8; HEADER],
        sealed_len: u64,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            cipher: Cipher::new(key),
            aad: aad.to_vec(),
            prefix: parse_header(header)?,
            layout: Layout::of(sealed_len)?,
        })
    }

    /// Where the chunks lie.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Opens chunk `index`, given exactly its sealed bytes. The result is
    /// *padded* plaintext: a chunk at the end may be partly or wholly padding.
    pub fn open(&self, index: u32, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        if index >= self.layout.chunks() {
            return Err(OpenError);
        }
        let last = index + 1 == self.layout.chunks();
        let mut out = Vec::with_capacity(sealed.len());
        self.cipher.open(
            &nonce(self.prefix, index, last),
            &self.aad,
            sealed,
            &mut out,
        )?;
        Ok(SecretBytes::new(out))
    }

    /// The content's exact length, from the opened last chunk. Knowing it also
    /// proves that the stream was not cut.
    pub fn content_len(&self, last_chunk: &SecretBytes) -> Result<u64, OpenError> {
        let full = u64::from(self.layout.chunks() - 1) * super::CHUNK_U64;
        let last = u64::try_from(last_chunk.len()).map_err(|_| OpenError)?;
        let trailer = last_chunk.last_chunk::<LENGTH>().ok_or(OpenError)?;
        stated_len(*trailer, full + last)
    }
}

/// Opens a stream as its bytes arrive, holding at most one chunk.
///
/// Content is handed to a sink. Since only the end tells where the content
/// stops and padding begins, trailing zeros are held back (as a count, not as
/// memory) until something else follows or the end tells that they belong to
/// the content.
pub struct Opener {
    cipher: Cipher,
    aad: Vec<u8>,
    prefix: [u8; PREFIX],
    index: u32,
    /// Sealed bytes of the chunk that may turn out to be the last.
    pending: Vec<u8>,
    /// Content bytes handed to the sink.
    given: u64,
    /// Zeros seen behind them and not handed out.
    zeros: u64,
}

impl Opener {
    /// An opener for the stream that begins with these 8 bytes.
    pub fn new(key: &Secret, aad: &[u8], header: [u8; HEADER]) -> Result<Self, OpenError> {
        Ok(Self {
            cipher: Cipher::new(key),
            aad: aad.to_vec(),
            prefix: parse_header(header)?,
            index: 0,
            pending: Vec::with_capacity(SEALED_CHUNK),
            given: 0,
            zeros: 0,
        })
    }

    /// Takes more sealed bytes; hands content that is certain to `sink`.
    /// After an error the opener gives nothing more.
    pub fn push(
        &mut self,
        mut sealed: &[u8],
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), OpenError> {
        while !sealed.is_empty() {
            if self.pending.len() == SEALED_CHUNK {
                // More follows, so this one was not the last.
                let plain = self.open_pending(false)?;
                self.give(&plain, sink);
            }
            let take;
            (take, sealed) = sealed.split_at(sealed.len().min(SEALED_CHUNK - self.pending.len()));
            self.pending.extend_from_slice(take);
        }
        Ok(())
    }

    /// Ends the stream: opens the last chunk, checks length and padding, hands
    /// out the rest and says how long the content is. Only now is it whole.
    pub fn finish(mut self, sink: &mut dyn FnMut(&[u8])) -> Result<u64, OpenError> {
        let before = u64::from(self.index) * super::CHUNK_U64;
        if self.pending.len() <= TAG {
            return Err(OpenError);
        }
        let plain = self.open_pending(true)?;
        let here = u64::try_from(plain.len()).map_err(|_| OpenError)?;
        let (rest, trailer) = plain.split_last_chunk::<LENGTH>().ok_or(OpenError)?;
        let len = stated_len(*trailer, before + here)?;
        self.give(rest, sink);
        // What was given ends in something that is not zero: padding may only
        // begin behind it, and the content may only end within the zeros.
        let held = len.checked_sub(self.given).ok_or(OpenError)?;
        if held > self.zeros {
            return Err(OpenError);
        }
        give_zeros(held, sink);
        Ok(len)
    }

    fn open_pending(&mut self, last: bool) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(CHUNK + TAG));
        let nonce = nonce(self.prefix, self.index, last);
        self.cipher
            .open(&nonce, &self.aad, &self.pending, &mut plain)?;
        self.pending.clear();
        if !last {
            self.index = self.index.checked_add(1).ok_or(OpenError)?;
        }
        Ok(plain)
    }

    fn give(&mut self, plain: &[u8], sink: &mut dyn FnMut(&[u8])) {
        let certain = plain
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        let (content, zeros) = plain.split_at(certain);
        if !content.is_empty() {
            give_zeros(self.zeros, sink);
            sink(content);
            self.given += self.zeros + count(content);
            self.zeros = 0;
        }
        self.zeros += count(zeros);
    }
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a chunk's length fits into 64 bits")
}

fn give_zeros(mut many: u64, sink: &mut dyn FnMut(&[u8])) {
    while many > 0 {
        let here = ZEROS.len().min(usize::try_from(many).unwrap_or(usize::MAX));
        let (zeros, _) = ZEROS.split_at(here);
        sink(zeros);
        many -= count(zeros);
    }
}
