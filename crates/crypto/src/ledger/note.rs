//! Signed notes (C2SP `signed-note` v1.0.0): text that carries signatures.
//!
//! `text ‖ "\n" ‖ "— <key name> <base64(key id ‖ signature)>\n"…`, where the
//! text ends with a newline and the dash is U+2014. Signature types: Ed25519
//! (0x01) over the text, and timestamped cosignatures (0x04, C2SP
//! `tlog-cosignature`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::sign::{Signature, SigningKey, VerifyKey};

/// Longest note that is read, in bytes.
pub const MAX_NOTE: usize = 64 * 1024;
/// Most signature lines that are read (16 must be accepted at least).
pub const MAX_SIGNATURES: usize = 64;

const DASH: &str = "\u{2014} ";
const ED25519: u8 = 1;
const COSIGNATURE: u8 = 4;

/// What is wrong with a note or a key in text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note: see C2SP `signed-note`.
    #[error("not a signed note")]
    Malformed,
    /// A key that is known signed something else.
    #[error("a signature on the note does not hold")]
    BadSignature,
    /// No key that is known signed.
    #[error("the note is not signed by a known key")]
    Unsigned,
    /// Not a key name, or not a verifier key in text form.
    #[error("not a note key")]
    Key,
}

impl NoteError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "note.malformed",
            Self::BadSignature => "note.bad_signature",
            Self::Unsigned => "note.unsigned",
            Self::Key => "note.key",
        }
    }
}

/// What a key signs, and so how its signatures are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// The text (a log).
    Ed25519,
    /// The text and a time (a witness).
    Cosignature,
}

impl NoteKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => ED25519,
            Self::Cosignature => COSIGNATURE,
        }
    }
}

fn key_id(name: &str, kind: NoteKind, key: &VerifyKey) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind.byte()])
        .chain_update(key.as_bytes())
        .finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
    [a, b, c, d]
}

fn valid_name(name: &str) -> bool {
    !name.is_empty()
        && !name
            .chars()
            .any(|c| c == '+' || c.is_whitespace() || c.is_control())
}

/// A named key that signs notes.
#[derive(Clone, Debug)]
pub struct NoteSigner {
    name: String,
    kind: NoteKind,
    key: SigningKey,
}

impl NoteSigner {
    /// A signer under this name (for a log: its origin). The key must sign
    /// nothing but notes.
    pub fn new(name: &str, kind: NoteKind, key: SigningKey) -> Result<Self, NoteError> {
        if !valid_name(name) {
            return Err(NoteError::Key);
        }
        let name = name.to_owned();
        Ok(Self { name, kind, key })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What verifies it.
    pub fn verifier(&self) -> NoteVerifier {
        NoteVerifier {
            name: self.name.clone(),
            kind: self.kind,
            key: self.key.verify_key(),
        }
    }

    /// The signature line for this text. `time` (POSIX seconds) is used by
    /// cosigners only.
    pub(super) fn line(&self, text: &str, time: u64) -> String {
        let id = key_id(&self.name, self.kind, &self.key.verify_key());
        let body = match self.kind {
            NoteKind::Ed25519 => self.key.sign_bytes(text.as_bytes()).as_bytes().to_vec(),
            NoteKind::Cosignature => {
                let signature = self.key.sign_bytes(cosigned(text, time).as_bytes());
                [&time.to_be_bytes()[..], signature.as_bytes()].concat()
            }
        };
        let encoded = STANDARD.encode([&id[..], &body].concat());
        format!("{DASH}{} {encoded}\n", self.name)
    }
}

fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// A named key that verifies notes; in text form a *vkey*,
/// `name+hex(key id)+base64(type ‖ public key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    kind: NoteKind,
    key: VerifyKey,
}

impl NoteVerifier {
    /// Reads a vkey; its key id must be the right one.
    pub fn from_vkey(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.splitn(3, '+');
        let mut part = || parts.next().ok_or(NoteError::Key);
        let (name, id, key) = (part()?, part()?, part()?);
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let (kind, key) = bytes.split_first().ok_or(NoteError::Key)?;
        let kind = match *kind {
            ED25519 => NoteKind::Ed25519,
            COSIGNATURE => NoteKind::Cosignature,
            _ => return Err(NoteError::Key),
        };
        let key = key.try_into().map_err(|_| NoteError::Key)?;
        let key = VerifyKey::from_bytes(key).map_err(|_| NoteError::Key)?;
        let expected = u32::from_be_bytes(key_id(name, kind, &key));
        if !valid_name(name) || id != format!("{expected:08x}") {
            return Err(NoteError::Key);
        }
        let name = name.to_owned();
        Ok(Self { name, kind, key })
    }

    /// The text form.
    pub fn vkey(&self) -> String {
        let id = u32::from_be_bytes(key_id(&self.name, self.kind, &self.key));
        let key = STANDARD.encode([&[self.kind.byte()], &self.key.as_bytes()[..]].concat());
        format!("{}+{id:08x}+{key}", self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub const fn kind(&self) -> NoteKind {
        self.kind
    }

    /// Whether `bytes` is this key's signature over the text; the time that a
    /// cosigner states, 0 for others.
    fn verify(&self, text: &str, bytes: &[u8]) -> Result<u64, NoteError> {
        let (time, signature) = match self.kind {
            NoteKind::Ed25519 => (0, bytes),
            NoteKind::Cosignature => {
                let (time, rest) = bytes.split_first_chunk().ok_or(NoteError::BadSignature)?;
                (u64::from_be_bytes(*time), rest)
            }
        };
        let signature = signature.try_into().map_err(|_| NoteError::BadSignature)?;
        let signature = Signature::from_bytes(signature);
        let held = match self.kind {
            NoteKind::Ed25519 => self.key.verify_bytes(text.as_bytes(), &signature),
            NoteKind::Cosignature => self
                .key
                .verify_bytes(cosigned(text, time).as_bytes(), &signature),
        };
        held.map(|()| time).map_err(|_| NoteError::BadSignature)
    }
}

/// A signature that held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The name of the key.
    pub name: String,
    /// What it signs.
    pub kind: NoteKind,
    /// POSIX seconds that a cosigner stated; 0 for others.
    pub time: u64,
}

/// Reads a note: its text (with its last newline) and every known key's
/// signature. Unknown keys are ignored; a known key whose signature does not
/// hold refuses the note; so does the absence of any known key.
pub fn open<'a>(
    note: &'a str,
    known: &[NoteVerifier],
) -> Result<(&'a str, Vec<Signed>), NoteError> {
    let (text, lines) = split(note)?;
    let mut held: Vec<Signed> = Vec::new();
    for line in lines.split_terminator('\n') {
        let (name, id, bytes) = signature_line(line)?;
        for key in known {
            if key.name != name || key_id(&key.name, key.kind, &key.key) != id {
                continue;
            }
            let time = key.verify(text, &bytes)?;
            if !held.iter().any(|s| s.name == name && s.kind == key.kind) {
                held.push(Signed {
                    name: name.to_owned(),
                    kind: key.kind,
                    time,
                });
            }
        }
    }
    if held.is_empty() {
        return Err(NoteError::Unsigned);
    }
    Ok((text, held))
}

/// Text and signature lines, both ending with a newline.
pub(super) fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let bad_control = |c: char| c.is_control() && c != '\n';
    if note.len() > MAX_NOTE || note.contains(bad_control) || !note.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    // The last blank line ends the text; the text keeps its own newline.
    let blank = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, rest) = note
        .split_at_checked(blank + 1)
        .ok_or(NoteError::Malformed)?;
    let lines = rest.strip_prefix('\n').ok_or(NoteError::Malformed)?;
    if lines.is_empty() || lines.matches('\n').count() > MAX_SIGNATURES {
        return Err(NoteError::Malformed);
    }
    Ok((text, lines))
}

fn signature_line(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), NoteError> {
    let (name, encoded) = line
        .strip_prefix(DASH)
        .and_then(|rest| rest.split_once(' '))
        .ok_or(NoteError::Malformed)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| NoteError::Malformed)?;
    let (id, signature) = bytes.split_first_chunk().ok_or(NoteError::Malformed)?;
    if !valid_name(name) || signature.is_empty() {
        return Err(NoteError::Malformed);
    }
    Ok((name, *id, signature.to_vec()))
}
