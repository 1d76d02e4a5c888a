//! Proofs from what is stored: leaves, and tiles of 256, 65,536, … leaves.
//!
//! A hash between two tile heights is folded from at most 128 hashes of the
//! height below, so a proof in a log of any size reads a few hundred rows.

use std::collections::HashMap;

use chartkey_crypto::ledger::{self, Frontier, Hash, NodeId, ProofError};

use super::frontiers::TILE_HEIGHT;
use super::{Log, hash_of};
use crate::engine::{Reader, StoreError};
use crate::params;

/// The root of the log when it had `size` entries.
///
/// # Errors
/// [`StoreError::Refused`] if it never had so many; [`StoreError::Corrupt`]
/// if a hash is missing.
pub fn root(r: &mut Reader, log: Log, size: u64) -> Result<Hash, StoreError> {
    within(r, log, size)?;
    let nodes = read(r, log, &ledger::root_nodes(size))?;
    ledger::root_at(size, |level, index| {
        nodes.get(&NodeId { level, index }).copied()
    })
    .map_err(refusal)
}

/// That the entry at `leaf_index` is in the log of `size` entries.
///
/// # Errors
/// [`StoreError::Refused`] if it is not, or the log never had so many;
/// [`StoreError::Corrupt`] if a hash is missing.
pub fn prove_inclusion(
    r: &mut Reader,
    log: Log,
    leaf_index: u64,
    size: u64,
) -> Result<Vec<Hash>, StoreError> {
    within(r, log, size)?;
    let wanted = ledger::inclusion_nodes(leaf_index, size).map_err(refusal)?;
    let nodes = read(r, log, &wanted)?;
    ledger::prove_inclusion(leaf_index, size, |level, index| {
        nodes.get(&NodeId { level, index }).copied()
    })
    .map_err(refusal)
}

/// That the log of `to` entries continues the log of `from` entries.
///
/// # Errors
/// [`StoreError::Refused`] if `from > to` or the log never had so many;
/// [`StoreError::Corrupt`] if a hash is missing.
pub fn prove_consistency(
    r: &mut Reader,
    log: Log,
    from: u64,
    to: u64,
) -> Result<Vec<Hash>, StoreError> {
    within(r, log, to)?;
    let wanted = ledger::consistency_nodes(from, to).map_err(refusal)?;
    let nodes = read(r, log, &wanted)?;
    ledger::prove_consistency(from, to, |level, index| {
        nodes.get(&NodeId { level, index }).copied()
    })
    .map_err(refusal)
}

fn within(r: &mut Reader, log: Log, size: u64) -> Result<(), StoreError> {
    if size <= super::size(r, log)? {
        Ok(())
    } else {
        Err(StoreError::Refused("a size that the log never had"))
    }
}

fn refusal(error: ProofError) -> StoreError {
    match error {
        ProofError::Range => StoreError::Refused("an index or size outside the log"),
        ProofError::Missing | ProofError::Invalid => StoreError::Corrupt("the log's hashes"),
    }
}

fn read(r: &mut Reader, log: Log, wanted: &[NodeId]) -> Result<HashMap<NodeId, Hash>, StoreError> {
    let mut found = HashMap::with_capacity(wanted.len());
    for node in wanted {
        found.insert(*node, subtree(r, log, *node)?);
    }
    Ok(found)
}

/// The hash of one complete subtree.
fn subtree(r: &mut Reader, log: Log, node: NodeId) -> Result<Hash, StoreError> {
    let base = node.level / TILE_HEIGHT * TILE_HEIGHT;
    let width = 1u64 << (node.level - base);
    let first = node.index * width;
    let parts = if base == 0 {
        r.query(
            "SELECT leaf_hash FROM ledger
             WHERE log = ?1 AND leaf_index >= ?2 AND leaf_index < ?3 ORDER BY leaf_index",
            params![log, first, first + width],
            hash_of,
        )?
    } else {
        r.query(
            "SELECT hash FROM ledger_tiles
             WHERE log = ?1 AND level = ?2 AND tile_index >= ?3 AND tile_index < ?4
             ORDER BY tile_index",
            params![log, base, first, first + width],
            hash_of,
        )?
    };
    let mut tree = Frontier::new();
    for part in parts {
        tree.append(part);
    }
    if tree.size() == width {
        Ok(tree.root())
    } else {
        Err(StoreError::Corrupt("the log's hashes"))
    }
}
