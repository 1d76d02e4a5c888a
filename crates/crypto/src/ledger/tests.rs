//! The tree, its proofs and its checkpoints against published vectors, every
//! size up to 64, and every way in which a note can be wrong.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::Secret;
use crate::sign::SigningKey;
use crate::vectors::from_hex;

/// Sizes that are walked exhaustively, all pairs.
const SIZES: u64 = 70;

/// A store of complete subtrees, filled by appending.
struct Tree {
    nodes: HashMap<(u8, u64), Hash>,
    roots: Vec<Hash>,
}

impl Tree {
    fn of(leaves: impl Iterator<Item = Hash>) -> Self {
        let mut frontier = Frontier::new();
        let mut nodes = HashMap::new();
        let mut roots = vec![frontier.root()];
        for leaf in leaves {
            frontier.append_with(leaf, |level, index, hash| {
                assert_eq!(nodes.insert((level, index), hash), None);
            });
            roots.push(frontier.root());
            let back = Frontier::from_bytes(&frontier.to_bytes()).unwrap();
            assert_eq!(back, frontier);
        }
        Self { nodes, roots }
    }

    fn numbered(size: u64) -> Self {
        Self::of((0..size).map(|i| leaf_hash(&i.to_be_bytes())))
    }

    fn fetch(&self) -> impl Fn(u8, u64) -> Option<Hash> {
        |level, index| self.nodes.get(&(level, index)).copied()
    }

    fn root(&self, size: u64) -> &Hash {
        &self.roots[usize::try_from(size).unwrap()]
    }
}

/// RFC 6962 §2.1 word by word.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let split = 1 << (leaves.len() - 1).ilog2();
            node_hash(&mth(&leaves[..split]), &mth(&leaves[split..]))
        }
    }
}

#[test]
fn every_root_up_to_70_is_the_recursive_one() {
    let leaves: Vec<Hash> = (0..SIZES).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    let tree = Tree::numbered(SIZES);
    for size in 0..=SIZES {
        let expected = mth(&leaves[..usize::try_from(size).unwrap()]);
        assert_eq!(tree.root(size), &expected);
        assert_eq!(root_at(size, tree.fetch()), Ok(expected));
        let nodes = root_nodes(size)
            .iter()
            .map(|n| tree.nodes[&(n.level, n.index)])
            .collect();
        assert_eq!(Frontier::from_nodes(size, nodes).unwrap().root(), expected);
    }
}

#[test]
fn published_roots_agree() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/rfc6962-roots.json")).unwrap();
    let strings = |name: &str| -> Vec<Vec<u8>> {
        let list = file[name].as_array().unwrap();
        list.iter()
            .map(|v| from_hex(v.as_str().unwrap()).unwrap())
            .collect()
    };
    let tree = Tree::of(strings("leafInputsHex").iter().map(|leaf| leaf_hash(leaf)));
    for (size, root) in (1..).zip(strings("rootHashesHex_size1to8")) {
        assert_eq!(tree.root(size).to_vec(), root);
    }
    assert_eq!(
        empty_root().to_vec(),
        from_hex(file["emptyRootHex"].as_str().unwrap()).unwrap()
    );
    let flat = strings("nodeHashesHexFlat");
    assert_eq!(flat.len(), 15);
    for hash in flat {
        assert!(tree.nodes.values().any(|node| node.to_vec() == hash));
    }
}

/// What a proof asks for is exactly what it was said to need.
fn asked(prove: impl FnOnce(&dyn Fn(u8, u64) -> Option<Hash>), tree: &Tree) -> Vec<NodeId> {
    let seen = std::cell::RefCell::new(Vec::new());
    prove(&|level, index| {
        seen.borrow_mut().push(NodeId { level, index });
        tree.fetch()(level, index)
    });
    let mut seen = seen.into_inner();
    seen.sort();
    seen
}

fn sorted(mut nodes: Vec<NodeId>) -> Vec<NodeId> {
    nodes.sort();
    nodes
}

#[test]
fn every_inclusion_up_to_70_verifies_and_nothing_else_does() {
    let tree = Tree::numbered(SIZES);
    for size in 1..=SIZES {
        let root = tree.root(size);
        for index in 0..size {
            let leaf = &tree.nodes[&(0, index)];
            let mut proof = prove_inclusion(index, size, tree.fetch()).unwrap();
            assert_eq!(
                asked(|f| drop(prove_inclusion(index, size, f)), &tree),
                sorted(inclusion_nodes(index, size).unwrap())
            );
            let verify = |i, n, p: &[Hash], r| verify_inclusion(i, n, leaf, p, r);
            assert_eq!(verify(index, size, &proof, root), Ok(()));
            for other in 0..size {
                let held = verify(other, size, &proof, root).is_ok();
                assert_eq!(held, other == index, "{index} as {other} of {size}");
            }
            if size > 1 {
                assert!(verify(index, size, &proof[1..], root).is_err());
                assert!(verify(index, size, &proof[..proof.len() - 1], root).is_err());
                assert!(verify(index, size, &proof, tree.root(size - 1)).is_err());
            }
            for at in 0..proof.len() {
                proof[at][31] ^= 1;
                assert!(verify(index, size, &proof, root).is_err());
                proof[at][31] ^= 1;
            }
            proof.push(*root);
            assert!(verify(index, size, &proof, root).is_err());
        }
        assert_eq!(
            prove_inclusion(size, size, tree.fetch()),
            Err(ProofError::Range)
        );
        assert_eq!(
            verify_inclusion(size, size, root, &[], root),
            Err(ProofError::Range)
        );
    }
    assert_eq!(prove_inclusion(0, 0, tree.fetch()), Err(ProofError::Range));
    assert_eq!(prove_inclusion(3, 8, |_, _| None), Err(ProofError::Missing));
}

#[test]
fn every_consistency_up_to_70_verifies_and_nothing_else_does() {
    let tree = Tree::numbered(SIZES);
    for to in 0..=SIZES {
        for from in 0..=to {
            let (old, new) = (tree.root(from), tree.root(to));
            let mut proof = prove_consistency(from, to, tree.fetch()).unwrap();
            assert_eq!(
                asked(|f| drop(prove_consistency(from, to, f)), &tree),
                sorted(consistency_nodes(from, to).unwrap())
            );
            let verify = |m, n, a, b, p: &[Hash]| verify_consistency(m, n, a, b, p);
            assert_eq!(verify(from, to, old, new, &proof), Ok(()), "{from} {to}");
            let wrong = [0x55; 32];
            assert!(verify(from, to, &wrong, new, &proof).is_err());
            if from > 0 {
                // Anything continues the empty tree, so its new root is free.
                assert!(verify(from, to, old, &wrong, &proof).is_err());
            }
            if from > 0 && from < to {
                let held = |m| m != from && verify(m, to, old, new, &proof).is_ok();
                assert!(!(0..=to + 1).any(held), "{from} {to}");
                assert!(verify(from, to, old, new, &[]).is_err());
                assert!(verify(from, to, old, new, &proof[1..]).is_err());
                assert!(verify(from, to, old, new, &proof[..proof.len() - 1]).is_err());
            }
            for at in 0..proof.len() {
                proof[at][0] ^= 1;
                assert!(verify(from, to, old, new, &proof).is_err());
                proof[at][0] ^= 1;
            }
            proof.push(*new);
            assert!(verify(from, to, old, new, &proof).is_err());
        }
        let backwards = verify_consistency(to + 1, to, tree.root(to), tree.root(to), &[]);
        assert_eq!(backwards, Err(ProofError::Range));
        assert_eq!(
            prove_consistency(to + 1, to, tree.fetch()),
            Err(ProofError::Range)
        );
    }
}

#[test]
fn one_size_with_two_roots_is_noticed() {
    let tree = Tree::numbered(8);
    let refused = verify_consistency(8, 8, tree.root(8), tree.root(7), &[]);
    assert_eq!(refused, Err(ProofError::Invalid));
}

#[test]
fn enormous_sizes_neither_panic_nor_hold() {
    let (some, max) = ([1; 32], u64::MAX);
    for proof in [&[][..], &[some; 64], &[some; 128], &[some; 129]] {
        assert!(verify_inclusion(max - 1, max, &some, proof, &some).is_err());
        assert!(verify_inclusion(max, max, &some, proof, &some).is_err());
        assert!(verify_inclusion(0, max, &some, proof, &some).is_err());
        for from in [1, 1 << 63, max - 1] {
            assert!(verify_consistency(from, max, &some, &[2; 32], proof).is_err());
        }
    }
    assert_eq!(inclusion_nodes(max - 1, max).unwrap().len(), 63);
    assert_eq!(root_nodes(max).len(), 64);
    assert_eq!(consistency_nodes(max - 1, max).unwrap().len(), 64);
}

fn decoded(value: &serde_json::Value) -> Option<Hash> {
    STANDARD.decode(value.as_str()?).ok()?.try_into().ok()
}

/// The hashes of a published proof, or nothing where one is no hash at all.
fn decoded_list(value: &serde_json::Value) -> Option<Vec<Hash>> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(decoded).collect()
}

#[test]
fn published_inclusion_proofs_hold_or_fail_as_they_should() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../testdata/inclusion.json")).unwrap();
    let (mut good, mut bad) = (0, 0);
    for case in &cases {
        let held = || {
            let index = case["leafIdx"].as_u64()?;
            let (leaf, root) = (decoded(&case["leafHash"])?, decoded(&case["root"])?);
            let proof = decoded_list(&case["proof"])?;
            let size = case["treeSize"].as_u64()?;
            verify_inclusion(index, size, &leaf, &proof, &root).ok()
        };
        assert_eq!(held().is_none(), case["wantErr"], "{}", case["file"]);
        *(if held().is_some() {
            &mut good
        } else {
            &mut bad
        }) += 1;
    }
    assert!(good >= 4 && bad >= 50, "{good} good, {bad} bad");
}

#[test]
fn published_consistency_proofs_hold_or_fail_as_they_should() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../testdata/consistency.json")).unwrap();
    let (mut good, mut bad) = (0, 0);
    for case in &cases {
        let held = || {
            let (from, to) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
            let (old, new) = (decoded(&case["root1"])?, decoded(&case["root2"])?);
            let proof = decoded_list(&case["proof"])?;
            verify_consistency(from, to, &old, &new, &proof).ok()
        };
        assert_eq!(held().is_none(), case["wantErr"], "{}", case["file"]);
        *(if held().is_some() {
            &mut good
        } else {
            &mut bad
        }) += 1;
    }
    assert!(good >= 4 && bad >= 40, "{good} good, {bad} bad");
}

#[test]
fn computed_proofs_agree_with_another_implementation() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/merkle.json")).unwrap();
    let hex = |v: &serde_json::Value| from_hex(v.as_str().unwrap()).unwrap();
    let leaves = file["leaves_hex"].as_array().unwrap();
    let tree = Tree::of(leaves.iter().map(|leaf| leaf_hash(&hex(leaf))));
    let path =
        |v: &serde_json::Value| -> Vec<Vec<u8>> { v.as_array().unwrap().iter().map(hex).collect() };
    let flat = |proof: Vec<Hash>| -> Vec<Vec<u8>> { proof.iter().map(|h| h.to_vec()).collect() };
    for case in file["inclusion"].as_array().unwrap() {
        let (index, size) = (
            case["index"].as_u64().unwrap(),
            case["size"].as_u64().unwrap(),
        );
        let proof = prove_inclusion(index, size, tree.fetch()).unwrap();
        assert_eq!(flat(proof), path(&case["path"]));
    }
    for case in file["consistency"].as_array().unwrap() {
        let (from, to) = (case["old"].as_u64().unwrap(), case["new"].as_u64().unwrap());
        let proof = prove_consistency(from, to, tree.fetch()).unwrap();
        assert_eq!(flat(proof), path(&case["path"]));
    }
}

#[test]
fn stored_frontiers_of_another_shape_are_refused() {
    let mut frontier = Frontier::new();
    for i in 0..5 {
        frontier.append([i; 32]);
    }
    let good = frontier.to_bytes();
    let mut other_size = good.clone();
    other_size[7] ^= 2;
    for bad in [
        &[][..],
        &good[..7],
        &good[..good.len() - 1],
        &good[..8],
        &other_size,
    ] {
        assert_eq!(Frontier::from_bytes(bad), Err(FrontierError));
    }
    assert_eq!(Frontier::from_bytes(&[0; 8]), Ok(Frontier::new()));
}

#[test]
fn an_entry_is_hashed_behind_its_salt() {
    let expected = leaf_hash(&Sha256::digest([&[7; 32][..], b"entry"].concat()));
    assert_eq!(entry_leaf_hash(&[7; 32], b"entry"), expected);
    assert_ne!(entry_leaf_hash(&[8; 32], b"entry"), expected);
}

mod notes;

fn signer(name: &str, seed: u8, kind: NoteKind) -> NoteSigner {
    let key = SigningKey::from_secret(&Secret::from_bytes([seed; 32]));
    NoteSigner::new(name, kind, key).unwrap()
}
