//! Keys from keys: HKDF-SHA256 (RFC 5869) with a purpose and fields.
//!
//! `salt` is empty (RFC 5869 §2.2 then uses 32 zero bytes), the parent key is
//! the input keying material, and
//! `info = "chartkey/1/" ‖ purpose ‖ lp(fields)` ([`crate::encode::lp`]).
//! The output is always the first 32 bytes, one HMAC block.
//!
//! Purposes are constants of lower-case letters, digits, `/` and `-`; since
//! `lp` begins with a zero byte for any field that occurs, no purpose with
//! fields reads like another one. Deriving sits on the path of every record:
//! nothing here allocates.

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Secret;
use crate::encode::for_each_part;

type HmacSha256 = Hmac<Sha256>;

/// What every info, and every signed domain, begins with.
pub(crate) const PREFIX: &str = "chartkey/1/";

/// HMAC keyed with the empty salt, computed once: it saves two of the
/// compressions of every derivation.
static EMPTY_SALT: LazyLock<HmacSha256> = LazyLock::new(|| keyed(&[]));

fn keyed(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes keys of every length")
}

/// The child of `key` for this purpose and these fields.
///
/// Pure: equal arguments give equal secrets, and whoever lacks `key` learns
/// nothing about one child from another.
///
/// # Panics
/// If a field is 4 GiB or longer.
pub fn derive(key: &Secret, purpose: &str, fields: &[&[u8]]) -> Secret {
    derive_from(key.as_bytes(), purpose, fields)
}

/// [`derive`] for input keying material that is not 32 bytes long.
pub(crate) fn derive_from(ikm: &[u8], purpose: &str, fields: &[&[u8]]) -> Secret {
    debug_assert!(
        purpose
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/-".contains(&b)),
        "a purpose is lower-case letters, digits, '/' and '-'"
    );
    expand(extract(EMPTY_SALT.clone(), ikm), |mac| {
        mac.update(PREFIX.as_bytes());
        mac.update(purpose.as_bytes());
        for_each_part(fields, |part| mac.update(part));
    })
}

/// HKDF-Extract, ready to be expanded.
fn extract(mut salt: HmacSha256, ikm: &[u8]) -> HmacSha256 {
    salt.update(ikm);
    let prk = Zeroizing::new(<[u8; 32]>::from(salt.finalize().into_bytes()));
    keyed(prk.as_slice())
}

/// HKDF-Expand for one block: T(1) = HMAC(PRK, info ‖ 0x01).
fn expand(mut prk: HmacSha256, info: impl FnOnce(&mut HmacSha256)) -> Secret {
    info(&mut prk);
    prk.update(&[1]);
    Secret::from_bytes(prk.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::lp;

    #[test]
    fn derive_equals_plain_hkdf() {
        let key = Secret::from_bytes([9; 32]);
        let info = [b"chartkey/1/account/kem".to_vec(), lp(&[b"id", b""])].concat();
        let mut expected = [0; 32];
        hkdf::Hkdf::<Sha256>::new(None, key.as_bytes())
            .expand(&info, &mut expected)
            .unwrap();
        assert_eq!(
            derive(&key, "account/kem", &[b"id", b""]).as_bytes(),
            &expected
        );
    }

    #[test]
    fn purpose_fields_and_key_all_matter() {
        let key = Secret::from_bytes([9; 32]);
        let base = derive(&key, "a", &[b"x"]);
        assert_eq!(base, derive(&key, "a", &[b"x"]));
        assert_ne!(base, derive(&key, "b", &[b"x"]));
        assert_ne!(base, derive(&key, "a", &[b"y"]));
        assert_ne!(base, derive(&key, "a", &[b"x", b""]));
        assert_ne!(base, derive(&Secret::from_bytes([8; 32]), "a", &[b"x"]));
    }

    /// The first block of every Wycheproof answer is what `extract` and
    /// `expand` compute; longer answers repeat the same step.
    #[test]
    fn wycheproof_hkdf_first_blocks_agree() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/hkdf_sha256_test.json")).unwrap();
        let mut checked = 0;
        for group in file["testGroups"].as_array().unwrap() {
            for case in group["tests"].as_array().unwrap() {
                if case["result"] != "valid" {
                    continue;
                }
                let hex = |name: &str| crate::vectors::from_hex(case[name].as_str().unwrap());
                let okm = hex("okm").unwrap();
                let got = expand(
                    extract(keyed(&hex("salt").unwrap()), &hex("ikm").unwrap()),
                    |mac| mac.update(&hex("info").unwrap()),
                );
                let len = okm.len().min(32);
                assert_eq!(got.as_bytes()[..len], okm[..len], "{}", case["tcId"]);
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked}");
    }
}
