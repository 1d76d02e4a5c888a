//! The right edge of the tree: enough to append and to know the root.

use super::{Hash, empty_root, node_hash};

/// The hashes of the complete subtrees into which a tree of this size falls
/// (one for each set bit of the size), largest first.
///
/// Stored form: size as u64 big-endian ‖ the hashes, 32 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

/// Stored bytes that are not a frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stored frontier")]
pub struct FrontierError;

impl FrontierError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        "ledger.frontier"
    }
}

impl Frontier {
    /// The frontier of the empty tree.
    pub const fn new() -> Self {
        Self {
            size: 0,
            nodes: Vec::new(),
        }
    }

    /// The frontier of a tree of `size` leaves from the hashes of its complete
    /// subtrees, largest first (see [`super::root_nodes`]).
    pub fn from_nodes(size: u64, nodes: Vec<Hash>) -> Result<Self, FrontierError> {
        if usize::try_from(size.count_ones()) == Ok(nodes.len()) {
            Ok(Self { size, nodes })
        } else {
            Err(FrontierError)
        }
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; gives its index.
    pub fn append(&mut self, leaf: Hash) -> u64 {
        self.append_with(leaf, |_, _, _| {})
    }

    /// Appends a leaf; tells `complete` the level, index and hash of every
    /// subtree that it completes, the leaf itself (level 0) first. Those never
    /// change again and may be stored.
    ///
    /// # Panics
    /// At 2⁶⁴ leaves.
    pub fn append_with(&mut self, leaf: Hash, mut complete: impl FnMut(u8, u64, Hash)) -> u64 {
        let at = self.size;
        let mut hash = leaf;
        let mut level = 0;
        let mut index = at;
        complete(level, index, hash);
        while index & 1 == 1 {
            let Some(left) = self.nodes.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
            index >>= 1;
            complete(level, index, hash);
        }
        self.nodes.push(hash);
        self.size = at.checked_add(1).expect("no log reaches 2^64 entries");
        at
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.nodes
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(empty_root)
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        out.extend(self.nodes.iter().flatten());
        out
    }

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(FrontierError)?;
        let (nodes, extra) = rest.as_chunks::<32>();
        if !extra.is_empty() {
            return Err(FrontierError);
        }
        Self::from_nodes(u64::from_be_bytes(*size), nodes.to_vec())
    }
}
