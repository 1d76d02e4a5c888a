//! The stream's two makers agree, its three openers agree, and nothing that
//! was moved, cut, swapped or flipped opens.

use proptest::prelude::*;

use super::*;
use crate::vectors::seeded;
use crate::{Secret, wrap};

fn key() -> Secret {
    Secret::from_bytes([5; 32])
}

fn sealed_in_parts(plain: &[u8], part: usize, seed: u64) -> Vec<u8> {
    let (mut sealer, header) = Sealer::new(&key(), b"aad", &mut seeded(seed));
    let mut out = header.to_vec();
    for piece in plain.chunks(part) {
        out.extend(sealer.push(piece).unwrap());
    }
    for chunk in sealer.finish() {
        out.extend(chunk.unwrap());
    }
    out
}

fn opened_in_parts(sealed: &[u8], part: usize) -> Result<Vec<u8>, OpenError> {
    let (header, body) = sealed.split_first_chunk::<HEADER>().unwrap();
    let mut opener = Opener::new(&key(), b"aad", *header)?;
    let mut out = Vec::new();
    for piece in body.chunks(part) {
        opener.push(piece, &mut |bytes| out.extend_from_slice(bytes))?;
    }
    let len = opener.finish(&mut |bytes| out.extend_from_slice(bytes))?;
    assert_eq!(len, out.len() as u64);
    Ok(out)
}

/// Lengths at which something changes: empty, around padding steps, around
/// one and two chunks with and without the length, and long padding.
const LENGTHS: &[usize] = &[
    0,
    1,
    7,
    8,
    9,
    1000,
    CHUNK - 9,
    CHUNK - 8,
    CHUNK - 7,
    CHUNK - 1,
    CHUNK,
    CHUNK + 1,
    2 * CHUNK - 8,
    2 * CHUNK,
    3 * CHUNK + 12345,
];

#[test]
fn one_shot_and_incremental_are_one_format() {
    for &len in LENGTHS {
        let plain: Vec<u8> = (0..=250).cycle().take(len).collect();
        let sealed = seal_content(&key(), b"aad", &plain, &mut seeded(1));
        assert_eq!(sealed.len() as u64, sealed_len(len as u64), "{len}");
        assert_eq!(sealed, sealed_in_parts(&plain, 99_991, 1), "{len}");
        let opened = open_content(&key(), b"aad", &sealed).unwrap();
        assert!(opened.as_bytes() == plain, "{len}");
        assert!(opened_in_parts(&sealed, 70_001).unwrap() == plain, "{len}");
    }
}

#[test]
fn content_that_is_all_zeros_keeps_its_length() {
    for &len in LENGTHS {
        let plain = vec![0; len];
        let sealed = seal_content(&key(), b"aad", &plain, &mut seeded(2));
        assert!(opened_in_parts(&sealed, 1 << 16).unwrap() == plain, "{len}");
        assert!(open_content(&key(), b"aad", &sealed).unwrap().as_bytes() == plain);
    }
}

#[test]
fn one_chunk_opens_alone_and_in_no_other_place() {
    let plain: Vec<u8> = (0..=252).cycle().take(3 * CHUNK + 5).collect();
    let sealed = seal_content(&key(), b"aad", &plain, &mut seeded(3));
    let (header, _) = sealed.split_first_chunk::<HEADER>().unwrap();
    let opener = ChunkOpener::new(&key(), b"aad", *header, sealed.len() as u64).unwrap();
    let layout = opener.layout();
    let bytes = |i: u32| {
        let range = layout.sealed_range(i).unwrap();
        &sealed[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
    };
    assert_eq!(layout.chunks(), 4);
    assert_eq!(layout.sealed_range(4), None);
    assert_eq!(layout.chunk_of(2 * CHUNK as u64 + 9), Some((2, 9)));
    let two = opener.open(2, bytes(2)).unwrap();
    assert!(two.as_bytes() == &plain[2 * CHUNK..3 * CHUNK]);
    assert_eq!(opener.open(1, bytes(2)), Err(OpenError));
    assert_eq!(opener.open(3, bytes(2)), Err(OpenError));
    assert_eq!(opener.open(4, bytes(3)), Err(OpenError));
    let last = opener.open(3, bytes(3)).unwrap();
    assert_eq!(opener.content_len(&last).unwrap(), plain.len() as u64);
}

#[test]
fn dropped_swapped_repeated_and_cut_chunks_fail() {
    let plain = vec![9; 2 * CHUNK + 100];
    let sealed = seal_content(&key(), b"aad", &plain, &mut seeded(4));
    let (head, body) = sealed.split_at(HEADER);
    let chunks: Vec<&[u8]> = body.chunks(SEALED_CHUNK).collect();
    let join = |order: &[usize]| {
        let mut out = head.to_vec();
        for i in order {
            out.extend_from_slice(chunks[*i]);
        }
        out
    };
    assert!(open_content(&key(), b"aad", &join(&[0, 1, 2])).is_ok());
    for order in [
        &[][..],
        &[0],
        &[0, 1],
        &[0, 2],
        &[1, 0, 2],
        &[0, 0, 2],
        &[0, 1, 1, 2],
        &[0, 1, 2, 2],
        &[2],
    ] {
        let bad = join(order);
        assert_eq!(open_content(&key(), b"aad", &bad), Err(OpenError));
        assert_eq!(opened_in_parts(&bad, 1 << 19), Err(OpenError), "{order:?}");
    }
    for cut in [1, 15, 16, 17, 1000] {
        let bad = &sealed[..sealed.len() - cut];
        assert_eq!(open_content(&key(), b"aad", bad), Err(OpenError));
        assert_eq!(opened_in_parts(bad, 1 << 19), Err(OpenError), "{cut}");
    }
}

/// Seals a padded plaintext of one chunk as it is, to show that openers
/// refuse what no sealer makes.
fn sealed_as_is(padded: &[u8]) -> Vec<u8> {
    let mut out = vec![crate::SUITE, 0, 0, 0, 0, 0, 0, 0];
    out.extend_from_slice(padded);
    crate::aead::Cipher::new(&key()).seal(&nonce([0; 7], 0, true), b"aad", &mut out, HEADER);
    out
}

#[test]
fn padding_that_no_sealer_makes_is_refused() {
    let with_len = |body: &[u8], len: u64| [body, &len.to_be_bytes()].concat();
    // 100 bytes of content pad to 112 with their length.
    let good = with_len(&[1; 104], 104);
    assert!(open_content(&key(), b"aad", &sealed_as_is(&good)).is_ok());
    let mut content = vec![1; 98];
    content.extend([0; 6]);
    assert!(open_content(&key(), b"aad", &sealed_as_is(&with_len(&content, 98))).is_ok());
    for bad in [
        with_len(&[1; 104], 98),      // padding is not zeros
        with_len(&content, 97),       // last content byte called padding
        with_len(&content, 60),       // would have been padded less
        with_len(&content, 105),      // longer than there is
        with_len(&content, u64::MAX), // overflow
        with_len(&[1; 105], 105),     // not a Padmé length
        vec![0; 7],                   // no room for a length
        vec![],
    ] {
        let sealed = sealed_as_is(&bad);
        assert_eq!(open_content(&key(), b"aad", &sealed), Err(OpenError));
        assert_eq!(opened_in_parts(&sealed, 64), Err(OpenError), "{bad:?}");
    }
}

#[test]
fn padme_rounds_as_published() {
    for (len, padded) in [
        (0, 0),
        (1, 1),
        (8, 8),
        (9, 10),
        (100, 104),
        (1000, 1024),
        (1 << 20, 1 << 20),
        ((1 << 20) + 1, (1 << 20) + (1 << 15)),
        (u64::MAX, u64::MAX),
    ] {
        assert_eq!(padme(len), padded, "{len}");
    }
    for len in 1..100_000 {
        let padded = padme(len);
        assert!(padded >= len && (padded - len) * 100 <= len * 12, "{len}");
        assert_eq!(padme(padded), padded, "{len}");
    }
}

#[test]
fn a_layout_exists_exactly_for_lengths_that_sealing_gives() {
    let lengths: std::collections::BTreeSet<u64> = (0..5000).map(sealed_len).collect();
    for len in 0..5000 {
        assert_eq!(Layout::of(len).is_ok(), lengths.contains(&len), "{len}");
    }
    assert_eq!(sealed_len(u64::MAX), u64::MAX);
    assert_eq!(Layout::of(u64::MAX), Err(OpenError));
}

#[test]
fn a_wrapped_key_is_not_content() {
    let wrapped = wrap::wrap(&key(), b"aad", &[0; 100], &mut seeded(6));
    assert_eq!(open_content(&key(), b"aad", &wrapped), Err(OpenError));
}

proptest! {
    #[test]
    fn content_comes_back(plain: Vec<u8>, aad: Vec<u8>, seed: u64) {
        let sealed = seal_content(&key(), &aad, &plain, &mut seeded(seed));
        let opened = open_content(&key(), &aad, &sealed).unwrap();
        prop_assert_eq!(opened.as_bytes(), plain.as_slice());
    }

    #[test]
    fn any_flipped_bit_fails(
        plain: Vec<u8>, seed: u64, at: prop::sample::Index, bit in 0..8u8,
    ) {
        let mut sealed = seal_content(&key(), b"aad", &plain, &mut seeded(seed));
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert_eq!(open_content(&key(), b"aad", &sealed), Err(OpenError));
        prop_assert_eq!(opened_in_parts(&sealed, 13), Err(OpenError));
    }

    #[test]
    fn any_swapped_context_fails(
        plain: Vec<u8>, aad: Vec<u8>, other: Vec<u8>, seed: u64, cut: prop::sample::Index,
    ) {
        prop_assume!(aad != other);
        let sealed = seal_content(&key(), &aad, &plain, &mut seeded(seed));
        prop_assert_eq!(open_content(&key(), &other, &sealed), Err(OpenError));
        let stranger = Secret::from_bytes([6; 32]);
        prop_assert_eq!(open_content(&stranger, &aad, &sealed), Err(OpenError));
        let cut = cut.index(sealed.len());
        prop_assert_eq!(open_content(&key(), &aad, &sealed[..cut]), Err(OpenError));
    }

    #[test]
    fn arbitrary_bytes_do_not_open(bytes: Vec<u8>) {
        prop_assert_eq!(open_content(&key(), b"aad", &bytes), Err(OpenError));
    }
}
