//! Small things (keys, seeds, covers) under a symmetric key.
//!
//! `suite (1 byte) ‖ nonce (12 random bytes) ‖ ciphertext ‖ tag (16 bytes)`,
//! AES-256-GCM, associated data exactly as given. Nonces are random, so one
//! key may wrap at most 2³² times (NIST SP 800-38D §8.3); keys here wrap a
//! handful of things.

use rand_core::CryptoRng;

use crate::aead::{Cipher, NONCE, TAG};
use crate::{OpenError, SUITE, Secret, SecretBytes};

/// Bytes that wrapping adds.
pub const OVERHEAD: usize = 1 + NONCE + TAG;

/// Wraps `plain` under `key`, bound to `aad`.
pub fn wrap<R: CryptoRng + ?Sized>(key: &Secret, aad: &[u8], plain: &[u8], rng: &mut R) -> Vec<u8> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
    out.push(SUITE);
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    Cipher::new(key).seal(&nonce, aad, &mut out, start);
    out
}

/// Opens what [`wrap`] made with the same key and associated data.
pub fn unwrap(key: &Secret, aad: &[u8], wrapped: &[u8]) -> Result<SecretBytes, OpenError> {
    let (suite, rest) = wrapped.split_first().ok_or(OpenError)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(OpenError)?;
    if *suite != SUITE {
        return Err(OpenError);
    }
    // Capacity up front: a growing vector would leave copies unwiped.
    let mut out = Vec::with_capacity(sealed.len());
    Cipher::new(key).open(nonce, aad, sealed, &mut out)?;
    Ok(SecretBytes::new(out))
}

/// [`unwrap`] for a wrapped 256-bit key.
pub fn unwrap_secret(key: &Secret, aad: &[u8], wrapped: &[u8]) -> Result<Secret, OpenError> {
    unwrap(key, aad, wrapped)?.to_secret().ok_or(OpenError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors::seeded;

    #[test]
    fn two_wraps_of_one_thing_differ() {
        let (key, mut rng) = (Secret::from_bytes([1; 32]), seeded(1));
        assert_ne!(
            wrap(&key, b"", b"x", &mut rng),
            wrap(&key, b"", b"x", &mut rng)
        );
    }

    proptest! {
        #[test]
        fn unwrap_gives_back_what_was_wrapped(
            key: [u8; 32], aad: Vec<u8>, plain: Vec<u8>, seed: u64,
        ) {
            let key = Secret::from_bytes(key);
            let wrapped = wrap(&key, &aad, &plain, &mut seeded(seed));
            prop_assert_eq!(wrapped.len(), plain.len() + OVERHEAD);
            let opened = unwrap(&key, &aad, &wrapped).unwrap();
            prop_assert_eq!(opened.as_bytes(), plain.as_slice());
        }

        #[test]
        fn any_flipped_bit_fails(plain: Vec<u8>, seed: u64, at: prop::sample::Index, bit in 0..8u8) {
            let key = Secret::from_bytes([3; 32]);
            let mut wrapped = wrap(&key, b"aad", &plain, &mut seeded(seed));
            let at = at.index(wrapped.len());
            wrapped[at] ^= 1 << bit;
            prop_assert_eq!(unwrap(&key, b"aad", &wrapped), Err(OpenError));
        }

        #[test]
        fn any_other_context_or_length_fails(
            plain: Vec<u8>, aad: Vec<u8>, other: Vec<u8>, seed: u64, cut: prop::sample::Index,
        ) {
            prop_assume!(aad != other);
            let key = Secret::from_bytes([3; 32]);
            let wrapped = wrap(&key, &aad, &plain, &mut seeded(seed));
            prop_assert_eq!(unwrap(&key, &other, &wrapped), Err(OpenError));
            prop_assert_eq!(unwrap(&Secret::from_bytes([4; 32]), &aad, &wrapped), Err(OpenError));
            let cut = cut.index(wrapped.len());
            prop_assert_eq!(unwrap(&key, &aad, &wrapped[..cut]), Err(OpenError));
        }
    }
}
