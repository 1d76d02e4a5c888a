//! Proofs that a leaf is in the tree, and that one tree continues another.
//!
//! Proving needs hashes of complete subtrees. `*_nodes` tell beforehand which
//! ones, so that a store can read them in one go; `prove_*` then ask for
//! exactly those. Verifying needs nothing but its arguments, and never panics
//! whatever they are.

use super::{Hash, empty_root, node_hash};

/// More hashes than any proof in a tree of 2⁶⁴ leaves has; longer proofs are
/// refused unseen.
pub const MAX_PROOF: usize = 128;

/// A complete subtree: the leaves `index << level .. (index + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height above the leaves.
    pub level: u8,
    /// Position among the subtrees of that height.
    pub index: u64,
}

/// A proof that could not be made, or does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index or size is outside the tree that was spoken of.
    #[error("index or size out of range")]
    Range,
    /// The store does not have a hash that it should have.
    #[error("a hash of the tree is missing")]
    Missing,
    /// The proof does not lead to the root.
    #[error("the proof does not hold")]
    Invalid,
}

impl ProofError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Range => "ledger.range",
            Self::Missing => "ledger.missing",
            Self::Invalid => "ledger.invalid",
        }
    }
}

/// A run of leaves that is a subtree of some tree: one hash of a proof.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u64,
    end: u64,
}

impl Span {
    const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Splits at the largest power of two strictly below the length.
    const fn split(self) -> (Self, Self) {
        let middle = self.start + (1 << (self.len() - 1).ilog2());
        let Self { start, end } = self;
        (Self { start, end: middle }, Self { start: middle, end })
    }

    /// The complete subtrees of which this span consists, largest first.
    fn nodes(self) -> Vec<NodeId> {
        let mut out = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let level = (self.end - start).ilog2();
            let index = start >> level;
            start += 1 << level;
            out.push(NodeId {
                level: u8::try_from(level).expect("a 64-bit number has at most 64 bits"),
                index,
            });
        }
        out
    }

    fn hash(self, fetch: &impl Fn(u8, u64) -> Option<Hash>) -> Result<Hash, ProofError> {
        let mut root = None;
        for node in self.nodes().into_iter().rev() {
            let left = fetch(node.level, node.index).ok_or(ProofError::Missing)?;
            root = Some(root.map_or(left, |right| node_hash(&left, &right)));
        }
        Ok(root.unwrap_or_else(empty_root))
    }
}

/// RFC 6962 §2.1.1, PATH(m, D[n]): the spans, deepest first.
fn inclusion_spans(index: u64, size: u64) -> Result<Vec<Span>, ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let mut out = Vec::new();
    let mut here = Span {
        start: 0,
        end: size,
    };
    while here.len() > 1 {
        let (left, right) = here.split();
        let (next, sibling) = if index < left.end {
            (left, right)
        } else {
            (right, left)
        };
        out.push(sibling);
        here = next;
    }
    out.reverse();
    Ok(out)
}

/// RFC 6962 §2.1.2, PROOF(m, D[n]): the spans, deepest first.
fn consistency_spans(from: u64, to: u64) -> Result<Vec<Span>, ProofError> {
    if from > to {
        return Err(ProofError::Range);
    }
    if from == 0 || from == to {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    let mut here = Span { start: 0, end: to };
    while here.end > from {
        let (left, right) = here.split();
        let (next, sibling) = if from <= left.end {
            (left, right)
        } else {
            (right, left)
        };
        out.push(sibling);
        here = next;
    }
    // The old tree itself need not be told; a part of it must.
    if here.start > 0 {
        out.push(here);
    }
    out.reverse();
    Ok(out)
}

fn nodes(spans: Vec<Span>) -> Vec<NodeId> {
    spans.into_iter().flat_map(Span::nodes).collect()
}

fn hashes(
    spans: Vec<Span>,
    fetch: &impl Fn(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, ProofError> {
    spans.into_iter().map(|span| span.hash(fetch)).collect()
}

/// The complete subtrees that make up a tree of `size` leaves, largest first:
/// what [`super::Frontier::from_nodes`] takes.
pub fn root_nodes(size: u64) -> Vec<NodeId> {
    Span {
        start: 0,
        end: size,
    }
    .nodes()
}

/// The root of the tree when it had `size` leaves.
pub fn root_at(size: u64, fetch: impl Fn(u8, u64) -> Option<Hash>) -> Result<Hash, ProofError> {
    Span {
        start: 0,
        end: size,
    }
    .hash(&fetch)
}

/// Which subtrees [`prove_inclusion`] will ask for.
pub fn inclusion_nodes(index: u64, size: u64) -> Result<Vec<NodeId>, ProofError> {
    inclusion_spans(index, size).map(nodes)
}

/// Proof that leaf `index` (from 0) is in the tree of `size` leaves. `fetch`
/// gives the hash of the complete subtree (level, index).
pub fn prove_inclusion(
    index: u64,
    size: u64,
    fetch: impl Fn(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, ProofError> {
    hashes(inclusion_spans(index, size)?, &fetch)
}

/// Which subtrees [`prove_consistency`] will ask for.
pub fn consistency_nodes(from: u64, to: u64) -> Result<Vec<NodeId>, ProofError> {
    consistency_spans(from, to).map(nodes)
}

/// Proof that the tree of `to` leaves begins with the tree of `from` leaves.
/// Empty for equal sizes and for `from == 0`.
pub fn prove_consistency(
    from: u64,
    to: u64,
    fetch: impl Fn(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, ProofError> {
    hashes(consistency_spans(from, to)?, &fetch)
}

fn same(found: bool) -> Result<(), ProofError> {
    if found {
        Ok(())
    } else {
        Err(ProofError::Invalid)
    }
}

/// Checks an inclusion proof (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    same(proof.len() <= MAX_PROOF)?;
    let (mut fnode, mut snode) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        same(snode != 0)?;
        if fnode & 1 == 1 || fnode == snode {
            hash = node_hash(sibling, &hash);
            skip_missing(&mut fnode, &mut snode);
        } else {
            hash = node_hash(&hash, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    same(snode == 0 && hash == *root)
}

/// Checks a consistency proof (RFC 9162 §2.1.4.2). Equal sizes need equal
/// roots and an empty proof; anything continues the empty tree, whose root is
/// checked too.
pub fn verify_consistency(
    from: u64,
    to: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if from > to {
        return Err(ProofError::Range);
    }
    same(proof.len() <= MAX_PROOF)?;
    if from == to {
        return same(
            proof.is_empty() && old_root == new_root && (from > 0 || *old_root == empty_root()),
        );
    }
    if from == 0 {
        return same(proof.is_empty() && *old_root == empty_root());
    }
    let (first, rest) = if from.is_power_of_two() {
        (*old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError::Invalid)?;
        (*first, rest)
    };
    let (mut fnode, mut snode) = (from - 1, to - 1);
    while fnode & 1 == 1 {
        fnode >>= 1;
        snode >>= 1;
    }
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        same(snode != 0)?;
        if fnode & 1 == 1 || fnode == snode {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            skip_missing(&mut fnode, &mut snode);
        } else {
            new = node_hash(&new, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    same(snode == 0 && old == *old_root && new == *new_root)
}

/// On the right edge levels without a sibling are passed over.
fn skip_missing(fnode: &mut u64, snode: &mut u64) {
    while *fnode & 1 == 0 && *fnode != 0 {
        *fnode >>= 1;
        *snode >>= 1;
    }
}
