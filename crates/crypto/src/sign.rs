//! Signatures: Ed25519 (RFC 8032) over domain-separated, length-prefixed
//! fields.
//!
//! What is signed is
//! `lp("chartkey/1/sign/<domain>", field₁, field₂, …)` ([`crate::encode::lp`]),
//! so nothing that is signed in one domain is valid in another. Verification
//! is strict: canonical encodings only, keys and commitments of small order
//! refused (`verify_strict` of `ed25519-dalek`), so that all verifiers agree.
//! For that reason there is no batch verification: it accepts signatures that
//! single verification refuses.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::Secret;
use crate::encode::lp;
use crate::seal::KeyError;

/// A signature does not hold for this key, domain and fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold")]
pub struct SignatureError;

impl SignatureError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        "signature.invalid"
    }
}

/// A private signing key. Wiped when dropped, silent in `Debug`.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key whose RFC 8032 seed is this secret.
    pub fn from_secret(seed: &Secret) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed.as_bytes()))
    }

    /// Its public half.
    pub fn verify_key(&self) -> VerifyKey {
        VerifyKey(self.0.verifying_key())
    }

    /// Signs the fields in the domain.
    ///
    /// # Panics
    /// If a field is 4 GiB or longer.
    pub fn sign(&self, domain: &str, fields: &[&[u8]]) -> Signature {
        self.sign_bytes(&message(domain, fields))
    }

    /// Signs bytes without a domain: for signed notes, whose text is its own.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Signature {
        use ed25519_dalek::Signer;
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// A public verification key, checked when it is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyKey(ed25519_dalek::VerifyingKey);

impl VerifyKey {
    /// Parses 32 bytes; refuses what is not a point, or one of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or(KeyError)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// SHA-256 of the 32 bytes: what statements and people compare.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.as_bytes()).into()
    }

    /// Checks a signature over the fields in the domain.
    ///
    /// # Panics
    /// If a field is 4 GiB or longer.
    pub fn verify(
        &self,
        domain: &str,
        fields: &[&[u8]],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        self.verify_bytes(&message(domain, fields), signature)
    }

    /// Checks a signature over bytes without a domain, strictly.
    pub(crate) fn verify_bytes(
        &self,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| SignatureError)
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyKey({})", STANDARD.encode(self.as_bytes()))
    }
}

impl Serialize for VerifyKey {
    /// Standard base64 with padding.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for VerifyKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fixed(from).and_then(|bytes| Self::from_bytes(&bytes).map_err(serde::de::Error::custom))
    }
}

/// An Ed25519 signature: R ‖ S, 64 bytes. Nothing is checked until it is
/// verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes 64 bytes as a signature.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", STANDARD.encode(self.0))
    }
}

impl Serialize for Signature {
    /// Standard base64 with padding.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fixed(from).map(Self)
    }
}

fn fixed<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(from)?;
    STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| serde::de::Error::custom("not base64 of the right length"))
}

fn message(domain: &str, fields: &[&[u8]]) -> Vec<u8> {
    let label = [crate::derive::PREFIX, "sign/", domain].concat();
    let mut all = Vec::with_capacity(fields.len() + 1);
    all.push(label.as_bytes());
    all.extend_from_slice(fields);
    lp(&all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_secret(&Secret::from_bytes([byte; 32]))
    }

    #[test]
    fn wycheproof_ed25519_agrees() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/ed25519_test.json")).unwrap();
        let (mut good, mut bad) = (0, 0);
        for group in file["testGroups"].as_array().unwrap() {
            let hex =
                |v: &serde_json::Value| crate::vectors::from_hex(v.as_str().unwrap()).unwrap();
            let pk: [u8; 32] = hex(&group["publicKey"]["pk"]).try_into().unwrap();
            let key = VerifyKey::from_bytes(&pk).unwrap();
            for case in group["tests"].as_array().unwrap() {
                let holds = <[u8; 64]>::try_from(hex(&case["sig"])).is_ok_and(|sig| {
                    key.verify_bytes(&hex(&case["msg"]), &Signature(sig))
                        .is_ok()
                });
                assert_eq!(holds, case["result"] == "valid", "{}", case["tcId"]);
                if holds { good += 1 } else { bad += 1 }
            }
        }
        assert!(good > 50 && bad > 50, "{good} valid, {bad} invalid");
    }

    #[test]
    fn small_order_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(VerifyKey::from_bytes(&identity), Err(KeyError));
        assert_eq!(VerifyKey::from_bytes(&[0; 32]), Err(KeyError));
        // Not a point at all.
        assert_eq!(VerifyKey::from_bytes(&[2; 32]), Err(KeyError));
    }

    #[test]
    fn keys_and_signatures_survive_json() {
        let key = key(1);
        let signature = key.sign("grant", &[b"x"]);
        let text = serde_json::to_string(&(key.verify_key(), signature)).unwrap();
        let (vk, sig): (VerifyKey, Signature) = serde_json::from_str(&text).unwrap();
        vk.verify("grant", &[b"x"], &sig).unwrap();
        assert!(serde_json::from_str::<Signature>("\"AAAA\"").is_err());
        assert!(serde_json::from_str::<VerifyKey>("\"AAAA\"").is_err());
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }

    proptest! {
        #[test]
        fn only_the_same_key_domain_and_fields_verify(
            a: Vec<u8>, b: Vec<u8>, at in 0..64usize, bit in 0..8u8,
        ) {
            let signature = key(1).sign("grant", &[&a, &b]);
            let vk = key(1).verify_key();
            prop_assert_eq!(vk.verify("grant", &[&a, &b], &signature), Ok(()));
            prop_assert!(vk.verify("keys", &[&a, &b], &signature).is_err());
            prop_assert!(vk.verify("grant", &[&[a.clone(), b.clone()].concat()], &signature).is_err());
            prop_assert!(key(2).verify_key().verify("grant", &[&a, &b], &signature).is_err());
            let mut flipped = signature;
            flipped.0[at] ^= 1 << bit;
            prop_assert!(vk.verify("grant", &[&a, &b], &flipped).is_err());
        }
    }
}
