//! Secrets in memory: they wipe themselves and never print.

use std::fmt;
use std::ops::Deref;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, optimization_barrier};

/// A 256-bit key or seed.
///
/// Wiped when dropped, compared in constant time, silent in `Debug`. It does
/// not implement `Serialize`: a field that really must be written into a
/// sealed envelope says so with `#[serde(with = "secret_b64")]`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes over these 32 bytes. The caller wipes its own copy.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A copy of exactly 32 bytes, or nothing if the length is another.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes themselves.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A fresh secret from the generator.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        let secret = Self(bytes);
        bytes.zeroize();
        secret
    }
}

impl ConstantTimeEq for Secret {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Open bytes of any length: wiped when dropped, silent in `Debug`.
#[derive(Clone, Default)]
pub struct SecretBytes(Vec<u8>);

/// Wipes bytes with all the room they hold, and leaves none of them.
///
/// Bodies are long: this sets whole blocks where [`Zeroize`] writes byte after
/// byte, and the barrier keeps the compiler from leaving it out.
pub fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    optimization_barrier(bytes.as_slice());
    bytes.clear();
}

impl Zeroize for SecretBytes {
    fn zeroize(&mut self) {
        wipe(&mut self.0);
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for SecretBytes {}

impl SecretBytes {
    /// Takes over these bytes; they are wiped when this is dropped.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives the bytes away: from here on the caller has to wipe them.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// The bytes as a 256-bit secret, or nothing if the length is another.
    pub fn to_secret(&self) -> Option<Secret> {
        Secret::from_slice(&self.0)
    }
}

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// Serde for a [`Secret`] inside the JSON of a *sealed* envelope: standard
/// base64 with padding, 44 characters.
pub mod secret_b64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    use super::Secret;

    /// Writes the secret as standard base64. Only for text that is sealed next.
    pub fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(secret.as_bytes()));
        to.serialize_str(&text)
    }

    /// Reads 32 bytes of standard base64. The error names no content.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        STANDARD
            .decode(text.as_bytes())
            .ok()
            .map(Zeroizing::new)
            .and_then(|bytes| Secret::from_slice(&bytes))
            .ok_or_else(|| serde::de::Error::custom("not a 32-byte secret in base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Envelope {
        #[serde(with = "secret_b64")]
        key: Secret,
    }

    #[test]
    fn debug_prints_nothing_of_the_secret() {
        assert_eq!(
            format!("{:?}", Secret::from_bytes([0x41; 32])),
            "Secret(..)"
        );
        assert_eq!(
            format!("{:?}", SecretBytes::new(b"AAAA".to_vec())),
            "SecretBytes(..)"
        );
    }

    #[test]
    fn secret_survives_json_and_wrong_lengths_do_not() {
        let key = Secret::from_bytes([7; 32]);
        let text = serde_json::to_string(&Envelope { key: key.clone() }).unwrap();
        assert_eq!(
            text,
            r#"{"key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#
        );
        assert_eq!(serde_json::from_str::<Envelope>(&text).unwrap().key, key);
        for bad in [
            r#"{"key":"BwcH"}"#,
            r#"{"key":"!"}"#,
            r#"{"key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#,
            r#"{"key":7}"#,
        ] {
            assert!(serde_json::from_str::<Envelope>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn equality_looks_at_every_byte() {
        let a = Secret::from_bytes([1; 32]);
        for i in 0..32 {
            let mut b = [1; 32];
            b[i] ^= 0x80;
            assert_ne!(a, Secret::from_bytes(b));
        }
        assert_eq!(a, a.clone());
    }
}
