//! Checks a whole log against itself and against every checkpoint signed.
//!
//! From the first entry to the last: the row is there; its salt and text make
//! its leaf; its columns say what its text says; the chain over the leaves is
//! the stored one, which pins the order; tiles are right; at the size of each
//! checkpoint the root is the signed one; and the log ends where its stored
//! end says. Whoever rewrites rows, chain, tiles and end alike is caught by
//! the checkpoints, and whoever could sign those too, by checkpoints that
//! others keep.

use std::fmt;

use chartkey_crypto::ledger::checkpoint::{Checkpoint, verify_checkpoint};
use chartkey_crypto::ledger::{Hash, NoteVerifier};

use super::entry::{self, Columns};
use super::frontiers::Edge;
use super::{EntryRow, Log};
use crate::engine::{Reader, Row, StoreError};
use crate::params;

/// Rows read at a time.
const PAGE: u32 = 1_000;

/// A log that holds together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedLog {
    /// Which.
    pub log: Log,
    /// Its entries.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// How many stored checkpoints agree with it.
    pub checkpoints: u64,
}

/// The first entry that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("log {} is broken at entry {leaf_index}: {what}", log.name())]
pub struct BrokenAt {
    /// Which log.
    pub log: Log,
    /// The first wrong entry; if only the tree shows it, the first of the
    /// range in which it is.
    pub leaf_index: u64,
    /// The last entry of that range; equal to `leaf_index` where it is exact.
    pub to_leaf_index: u64,
    /// What is wrong with it.
    pub what: Flaw,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// No row, though later rows, the log's end or a checkpoint need it.
    Missing,
    /// The text or salt is not what was hashed.
    Altered,
    /// A column says other than the text.
    Columns,
    /// A whole entry, but not the one that was here.
    Moved,
    /// The tile that ends here is missing or wrong.
    Tile,
    /// The root at a checkpoint is not the one that was signed.
    Checkpoint,
    /// A stored checkpoint is not one, or its signature is not the log's.
    Note,
    /// The log goes on behind its stored end, or that end is of another tree.
    End,
}

impl Flaw {
    /// Stable dotted code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "trail.missing",
            Self::Altered => "trail.altered",
            Self::Columns => "trail.columns",
            Self::Moved => "trail.moved",
            Self::Tile => "trail.tile",
            Self::Checkpoint => "trail.checkpoint",
            Self::Note => "trail.note",
            Self::End => "trail.end",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it is missing",
            Self::Altered => "its text or salt was altered",
            Self::Columns => "its columns do not match its text",
            Self::Moved => "another entry was here",
            Self::Tile => "the tile that it completes does not match",
            Self::Checkpoint => "the root differs from the signed checkpoint",
            Self::Note => "the stored checkpoint is not valid",
            Self::End => "the log does not end where it says",
        })
    }
}

/// Why a log was not verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It was read, and is broken.
    #[error(transparent)]
    Broken(BrokenAt),
    /// It could not be read.
    #[error(transparent)]
    Store(StoreError),
}

impl VerifyError {
    /// Stable dotted code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Broken(broken) => broken.what.code(),
            Self::Store(error) => error.code(),
        }
    }
}

impl From<StoreError> for VerifyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Verifies one log; `progress` hears how many entries are done, now and then.
///
/// With `signer`, the signatures of stored checkpoints are checked too;
/// without, only what they say.
///
/// # Errors
/// [`VerifyError::Broken`] with the first wrong entry, or the store's.
pub fn verify_whole(
    r: &mut Reader,
    log: Log,
    signer: Option<&NoteVerifier>,
    mut progress: impl FnMut(u64),
) -> Result<VerifiedLog, VerifyError> {
    let mut check = Check {
        log,
        signer,
        edge: Edge::default(),
        checkpoints: 0,
        agreed: 0,
    };
    check.checkpoint(r)?;
    loop {
        let next = check.size();
        let rows = r.query(
            "SELECT leaf_index, at, salt, entry, leaf_hash, chain_hash,
               patient_id, actor_id, action, grant_id, record_id
             FROM ledger WHERE log = ?1 AND leaf_index >= ?2 ORDER BY leaf_index LIMIT ?3",
            params![log, next, PAGE],
            Leaf::read,
        )?;
        if rows.is_empty() {
            break;
        }
        for leaf in &rows {
            check.leaf(r, leaf)?;
        }
        progress(check.size());
    }
    check.end(r)?;
    Ok(VerifiedLog {
        log,
        size: check.size(),
        root: check.edge.frontier.root(),
        checkpoints: check.checkpoints,
    })
}

struct Leaf {
    leaf_index: u64,
    /// `None` if a column holds what we never put there.
    content: Option<Content>,
}

struct Content {
    row: EntryRow,
    chain_hash: Hash,
    patient: Option<[u8; 16]>,
    actor: Option<[u8; 16]>,
    action: String,
    grant: Option<[u8; 16]>,
    record: Option<[u8; 16]>,
}

impl Leaf {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            leaf_index: row.get(0)?,
            content: Content::read(row).ok(),
        })
    }
}

impl Content {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            row: EntryRow::read(row)?,
            chain_hash: row.get(5)?,
            patient: row.get(6)?,
            actor: row.get(7)?,
            action: row.get(8)?,
            grant: row.get(9)?,
            record: row.get(10)?,
        })
    }

    fn columns(&self) -> Columns<'_> {
        Columns {
            at: self.row.at,
            action: self.action.as_str().into(),
            patient: self.patient,
            actor: self.actor,
            grant: self.grant,
            record: self.record,
        }
    }
}

struct Check<'s> {
    log: Log,
    signer: Option<&'s NoteVerifier>,
    edge: Edge,
    checkpoints: u64,
    /// The size of the last checkpoint that agreed.
    agreed: u64,
}

impl Check<'_> {
    fn size(&self) -> u64 {
        self.edge.frontier.size()
    }

    fn broken(&self, from: u64, to: u64, what: Flaw) -> VerifyError {
        VerifyError::Broken(BrokenAt {
            log: self.log,
            leaf_index: from,
            to_leaf_index: to,
            what,
        })
    }

    fn leaf(&mut self, r: &mut Reader, leaf: &Leaf) -> Result<(), VerifyError> {
        let here = self.size();
        if leaf.leaf_index != here {
            return Err(self.broken(here, here, Flaw::Missing));
        }
        let Some(leaf) = &leaf.content else {
            return Err(self.broken(here, here, Flaw::Columns));
        };
        let row = &leaf.row;
        let hash = entry::leaf_hash(self.log, row.salt.as_ref(), &row.entry);
        if hash != Some(row.leaf_hash) {
            return Err(self.broken(here, here, Flaw::Altered));
        }
        if Columns::of(&row.entry) != Some(leaf.columns()) {
            return Err(self.broken(here, here, Flaw::Columns));
        }
        let mut tiles = Vec::new();
        self.edge.append(row.leaf_hash, |level, index, hash| {
            tiles.push((level, index, hash));
        });
        if self.edge.chain != leaf.chain_hash {
            return Err(self.broken(here, here, Flaw::Moved));
        }
        for (level, index, hash) in tiles {
            let stored: Option<Hash> = r.query_opt(
                "SELECT hash FROM ledger_tiles WHERE log = ?1 AND level = ?2 AND tile_index = ?3",
                params![self.log, level, index],
                super::hash_of,
            )?;
            if stored != Some(hash) {
                return Err(self.broken(index << level, here, Flaw::Tile));
            }
        }
        self.checkpoint(r)
    }

    /// Compares with the checkpoint at this size, if there is one.
    fn checkpoint(&mut self, r: &mut Reader) -> Result<(), VerifyError> {
        let size = self.size();
        let Some(note) = super::lookup_checkpoint(r, self.log, size)? else {
            return Ok(());
        };
        let last = size.saturating_sub(1);
        let Some(signed) = self.open(&note).filter(|signed| signed.size == size) else {
            return Err(self.broken(last, last, Flaw::Note));
        };
        if signed.root != self.edge.frontier.root() {
            return Err(self.broken(self.agreed, last, Flaw::Checkpoint));
        }
        self.agreed = size;
        self.checkpoints += 1;
        Ok(())
    }

    fn open(&self, note: &str) -> Option<Checkpoint> {
        if let Some(signer) = self.signer {
            return verify_checkpoint(note, signer).ok();
        }
        let (text, _) = note.rsplit_once("\n\n")?;
        Checkpoint::parse(&format!("{text}\n")).ok()
    }

    /// Nothing may be signed or stored beyond the last row.
    fn end(&self, r: &mut Reader) -> Result<(), VerifyError> {
        let size = self.size();
        let beyond = r.query_i64(
            "SELECT MAX(size) FROM checkpoints WHERE log = ?1",
            params![self.log],
        )?;
        let stored = Edge::load(r, self.log)?;
        let longest = stored
            .frontier
            .size()
            .max(u64::try_from(beyond).unwrap_or(0));
        if longest > size {
            return Err(self.broken(size, longest - 1, Flaw::Missing));
        }
        if stored.frontier.size() < size {
            return Err(self.broken(stored.frontier.size(), size - 1, Flaw::End));
        }
        if stored.frontier != self.edge.frontier || stored.chain != self.edge.chain {
            return Err(self.broken(self.agreed, size.saturating_sub(1), Flaw::End));
        }
        let tiles = r.query_i64(
            "SELECT COUNT(*) FROM ledger_tiles WHERE log = ?1",
            params![self.log],
        )?;
        if u64::try_from(tiles).ok() == Some(tiles_of(size)) {
            Ok(())
        } else {
            Err(self.broken(size.saturating_sub(1), size.saturating_sub(1), Flaw::Tile))
        }
    }
}

/// How many tiles a log of this size has.
fn tiles_of(size: u64) -> u64 {
    let mut count = 0;
    let mut rest = size >> super::frontiers::TILE_HEIGHT;
    while rest > 0 {
        count += rest;
        rest >>= super::frontiers::TILE_HEIGHT;
    }
    count
}
