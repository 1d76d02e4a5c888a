//! The tree, its proofs and its checkpoints against published vectors, and
//! every size up to 64.
