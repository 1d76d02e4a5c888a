//! The append-only ledger: a Merkle tree (RFC 6962 §2.1), its proofs, and its
//! signed checkpoints (C2SP `tlog-checkpoint`, `signed-note`).
//!
//! `leaf = SHA-256(0x00 ‖ content)`, `node = SHA-256(0x01 ‖ left ‖ right)`,
//! the empty tree is `SHA-256("")`, and a tree of n leaves splits at the
//! largest power of two below n. The content of our leaves is
//! `SHA-256(salt ‖ entry)` with a random 32-byte salt, so the public tree says
//! nothing about anyone, and an entry whose salt is erased is unlinkable.
//!
//! This module keeps no tree. Whoever does hands over the hashes of complete
//! subtrees by level and index, which is how tiles are stored: subtree
//! (level, index) covers the leaves `index << level .. (index + 1) << level`.
//!
//! Written here rather than taken from the crates `tlog_tiles` and
//! `signed_note`: their releases bring a second, older `sha2` and
//! `ed25519-dalek`, and `url` with its Unicode tables, into a browser module
//! whose size matters, and do not verify strictly. Both formats are checked
//! against published vectors instead.

pub mod checkpoint;
pub mod frontier;
pub mod note;
pub mod proof;

use sha2::{Digest, Sha256};

pub use checkpoint::{
    Checkpoint, CheckpointError, Signed, cosign, open_checkpoint, sign_checkpoint,
    verify_checkpoint,
};
pub use frontier::{Frontier, FrontierError};
pub use note::{NoteError, NoteKind, NoteSigner, NoteVerifier};
pub use proof::{
    NodeId, ProofError, consistency_nodes, inclusion_nodes, prove_consistency, prove_inclusion,
    root_at, root_nodes, verify_consistency, verify_inclusion,
};

/// A SHA-256 hash of a leaf, node or tree.
pub type Hash = [u8; 32];

/// The hash of the tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of a leaf with this content.
pub fn leaf_hash(content: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(content)
        .finalize()
        .into()
}

/// The hash of a node over two others.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The leaf hash of a salted entry: the content is SHA-256(salt ‖ entry).
pub fn entry_leaf_hash(salt: &[u8; 32], entry: &[u8]) -> Hash {
    let content = Sha256::new()
        .chain_update(salt)
        .chain_update(entry)
        .finalize();
    leaf_hash(&content)
}

#[cfg(test)]
mod tests;
