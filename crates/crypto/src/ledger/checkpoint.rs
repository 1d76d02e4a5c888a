//! Checkpoints (C2SP `tlog-checkpoint` v1.0.0): the signed state of a log.
//!
//! Three lines (origin, size, root in base64), then extension lines, as a
//! signed note whose key has the origin's name. A log must never sign two
//! different roots for one size; that duty is the caller's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Hash;
use super::note::{self, NoteError, NoteKind, NoteSigner, NoteVerifier};

pub use super::note::Signed;

/// The state of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name: one line without spaces or `+`, like a URL without
    /// scheme.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// A checkpoint that cannot be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error("the checkpoint's note is refused")]
    Note(#[source] NoteError),
    /// The three lines.
    #[error("not a checkpoint")]
    Malformed,
    /// Of another log than the key's.
    #[error("the checkpoint is of another log")]
    Origin,
}

impl CheckpointError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Note(error) => error.code(),
            Self::Malformed => "checkpoint.malformed",
            Self::Origin => "checkpoint.origin",
        }
    }
}

impl Checkpoint {
    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let root = STANDARD.encode(self.root);
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }

    /// Reads the text; extension lines must not be empty and are ignored.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let bad = CheckpointError::Malformed;
        let mut lines = text.strip_suffix('\n').ok_or(bad)?.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(bad);
        let (origin, size, root) = (line()?, line()?, line()?);
        let canonical =
            size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let number = size.parse().map_err(|_| bad)?;
        let root = STANDARD.decode(root).ok().and_then(|b| b.try_into().ok());
        if !canonical || lines.any(str::is_empty) {
            return Err(bad);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: number,
            root: root.ok_or(bad)?,
        })
    }
}

/// Signs a checkpoint: gives the whole note.
///
/// # Errors
/// [`CheckpointError::Origin`] unless the signer is an Ed25519 key with the
/// origin's name.
pub fn sign_checkpoint(
    checkpoint: &Checkpoint,
    signer: &NoteSigner,
) -> Result<String, CheckpointError> {
    if signer.name() != checkpoint.origin || signer.verifier().kind() != NoteKind::Ed25519 {
        return Err(CheckpointError::Origin);
    }
    let text = checkpoint.to_text();
    let line = signer.line(&text, 0);
    Ok(format!("{text}\n{line}"))
}

/// Adds a witness's cosignature, at `time` in POSIX seconds, to a note that
/// the witness has checked (log signature, and consistency with what it saw).
///
/// # Errors
/// If the note is malformed or the signer is not a cosigner.
pub fn cosign(note: &str, witness: &NoteSigner, time: u64) -> Result<String, CheckpointError> {
    let (text, _) = note::split(note).map_err(CheckpointError::Note)?;
    Checkpoint::parse(text)?;
    if witness.verifier().kind() != NoteKind::Cosignature {
        return Err(CheckpointError::Note(NoteError::Key));
    }
    Ok(format!("{note}{}", witness.line(text, time)))
}

/// Reads a checkpoint that this log signed.
pub fn verify_checkpoint(note: &str, log: &NoteVerifier) -> Result<Checkpoint, CheckpointError> {
    open_checkpoint(note, log, &[]).map(|(checkpoint, _)| checkpoint)
}

/// Reads a checkpoint that this log signed, and says which of these witnesses
/// cosigned it.
pub fn open_checkpoint(
    note: &str,
    log: &NoteVerifier,
    witnesses: &[NoteVerifier],
) -> Result<(Checkpoint, Vec<Signed>), CheckpointError> {
    let mut known = vec![log.clone()];
    known.extend_from_slice(witnesses);
    let (text, mut held) = note::open(note, &known).map_err(CheckpointError::Note)?;
    let checkpoint = Checkpoint::parse(text)?;
    if checkpoint.origin != log.name() {
        return Err(CheckpointError::Origin);
    }
    let by_log = |signed: &Signed| signed.name == log.name() && signed.kind == log.kind();
    if log.kind() != NoteKind::Ed25519 || !held.iter().any(by_log) {
        return Err(CheckpointError::Note(NoteError::Unsigned));
    }
    held.retain(|signed| !by_log(signed));
    Ok((checkpoint, held))
}
