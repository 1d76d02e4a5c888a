//! The right edges of both trees in the writer's memory.
//!
//! They follow the transaction: a savepoint that is taken back takes its
//! entries' share of the edge back, a batch that fails forgets it all (the
//! next append loads it again), and whatever a batch appended is stored once,
//! just before its commit. Another process may append too: PostgreSQL's edge
//! is loaded anew in every batch, SQLite's when the file says that someone
//! else wrote.

use chartkey_crypto::ledger::{Frontier, Hash};

use super::Log;
use crate::engine::{Connection, Reader, StoreError, Tx};
use crate::params;

/// Tiles are the subtrees whose height is a multiple of this: 256 leaves, or
/// 256 tiles below.
pub(super) const TILE_HEIGHT: u8 = 8;

/// A log's end: the tree's right edge and the chain over its leaves.
///
/// The chain, `SHA-256(0x01 ‖ previous ‖ leaf)` from 32 zero bytes, adds no
/// protection that the tree lacks. It tells exactly which row of a damaged
/// log is the first wrong one, which a tree can only say of ranges.
#[derive(Clone, Default)]
pub(super) struct Edge {
    pub(super) frontier: Frontier,
    pub(super) chain: Hash,
}

impl Edge {
    /// Adds a leaf; tells of the tiles that it completes.
    pub(super) fn append(&mut self, leaf: Hash, mut tile: impl FnMut(u8, u64, Hash)) -> u64 {
        self.chain = chartkey_crypto::ledger::node_hash(&self.chain, &leaf);
        self.frontier.append_with(leaf, |level, index, hash| {
            if level > 0 && level.is_multiple_of(TILE_HEIGHT) {
                tile(level, index, hash);
            }
        })
    }

    /// Stored form: the chain, then the frontier's.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.chain.to_vec();
        bytes.extend(self.frontier.to_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chain, frontier) = bytes.split_first_chunk::<32>()?;
        Some(Self {
            frontier: Frontier::from_bytes(frontier).ok()?,
            chain: *chain,
        })
    }

    /// As stored at the log's last commit; an empty one if there was none.
    pub(super) fn load(r: &mut Reader, log: Log) -> Result<Self, StoreError> {
        let stored: Option<Vec<u8>> = r.query_opt(
            "SELECT frontier FROM ledger_state WHERE log = ?1",
            params![log],
            |row| row.get(0),
        )?;
        match stored {
            None => Ok(Self::default()),
            Some(bytes) => Self::from_bytes(&bytes).ok_or(StoreError::Corrupt("the log's end")),
        }
    }
}

/// The writer's edges, and what it takes to go back.
#[derive(Default)]
pub(crate) struct Frontiers {
    now: Edges,
    /// Before the first append of the running write.
    before: Option<Edges>,
    /// SQLite's count of other connections' commits when `now` was loaded.
    seen: Option<i64>,
}

/// By log; `None` until it is needed. The flag: differs from what is stored.
#[derive(Clone, Default)]
pub(crate) struct Edges {
    trail: Option<(Edge, bool)>,
    keys: Option<(Edge, bool)>,
}

impl Edges {
    fn of(&mut self, log: Log) -> &mut Option<(Edge, bool)> {
        match log {
            Log::Trail => &mut self.trail,
            Log::Keys => &mut self.keys,
        }
    }
}

impl Frontiers {
    /// A batch has begun and holds the write lock.
    pub(crate) fn begin(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let seen = match connection {
            Connection::Sqlite(connection) => Some(connection.data_version()?),
            Connection::Postgres(_) => None,
        };
        if seen.is_none() || seen != self.seen {
            self.now = Edges::default();
            self.seen = seen;
        }
        self.before = None;
        Ok(())
    }

    /// The next write of the batch begins.
    pub(crate) fn next(&mut self) {
        self.before = None;
    }

    /// The running write was taken back.
    pub(crate) fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            self.now = before;
        }
    }

    /// The whole batch was taken back, or nobody knows.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// For a savepoint within a write.
    pub(crate) fn copy(&self) -> Edges {
        self.now.clone()
    }

    /// The savepoint that began at `copy` was taken back.
    pub(crate) fn restore(&mut self, copy: Edges) {
        self.now = copy;
    }
}

/// Stores the edges that changed. Called once per batch, before its commit.
pub(crate) fn flush(tx: &mut Tx) -> Result<(), StoreError> {
    for log in Log::ALL {
        let Some((edge, changed)) = tx.frontiers.now.of(log) else {
            continue;
        };
        if !std::mem::take(changed) {
            continue;
        }
        let (size, bytes) = (edge.frontier.size(), edge.to_bytes());
        tx.execute(
            "INSERT INTO ledger_state (log, size, frontier) VALUES (?1, ?2, ?3)
             ON CONFLICT (log) DO UPDATE SET size = excluded.size, frontier = excluded.frontier",
            params![log, size, bytes],
        )?;
    }
    Ok(())
}

type Tile = (u8, u64, Hash);

/// Adds a leaf to the edge: its index, the chain's hash there, and the tiles
/// that it completes.
pub(super) fn append(
    tx: &mut Tx,
    log: Log,
    leaf: Hash,
) -> Result<(u64, Hash, Vec<Tile>), StoreError> {
    if tx.frontiers.now.of(log).is_none() {
        let edge = load_checked(tx, log)?;
        *tx.frontiers.now.of(log) = Some((edge, false));
        // Loading is no change of this write, so undoing it may keep it.
        if let Some(before) = &mut tx.frontiers.before {
            let loaded = tx.frontiers.now.of(log).clone();
            *before.of(log) = loaded;
        }
    }
    if tx.frontiers.before.is_none() {
        tx.frontiers.before = Some(tx.frontiers.now.clone());
    }
    let Some((edge, changed)) = tx.frontiers.now.of(log) else {
        return Err(StoreError::Unavailable);
    };
    let mut tiles = Vec::new();
    let index = edge.append(leaf, |level, index, hash| tiles.push((level, index, hash)));
    *changed = true;
    Ok((index, edge.chain, tiles))
}

/// A log whose rows end elsewhere than its edge says has been tampered with or
/// half restored; nothing is appended to it.
fn load_checked(tx: &mut Tx, log: Log) -> Result<Edge, StoreError> {
    let edge = Edge::load(tx, log)?;
    if super::size(tx, log)? == edge.frontier.size() {
        Ok(edge)
    } else {
        Err(StoreError::Corrupt("the log's end"))
    }
}
