//! Sealing to a public key: HPKE (RFC 9180), base mode, one message a context.
//!
//! KEM X-Wing (0x647a: ML-KEM-768 and X25519), KDF HKDF-SHA256 (0x0001), AEAD
//! AES-256-GCM (0x0002). The private key *is* the 32-byte derived seed:
//! `DeriveKeyPair` of RFC 9180 is not used.
//!
//! `suite (1 byte) ‖ enc (1120 bytes) ‖ ciphertext ‖ tag (16 bytes)`
//!
//! A public key is 1216 bytes: ML-KEM-768 encapsulation key (1184) ‖ X25519
//! public key (32).

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{OpenError, SUITE, Secret, SecretBytes};

/// Bytes of a public key.
pub const PUBLIC_KEY: usize = 1216;
/// Bytes of the encapsulated key in front of the ciphertext.
pub const ENC: usize = 1120;
/// Bytes that sealing adds.
pub const OVERHEAD: usize = 1 + ENC + crate::aead::TAG;

type PublicKey = <XWing as Kem>::PublicKey;
type PrivateKey = <XWing as Kem>::PrivateKey;
type EncappedKey = <XWing as Kem>::EncappedKey;

/// These bytes are not an X-Wing public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid public key")]
pub struct KeyError;

impl KeyError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        "key.invalid"
    }
}

/// A public key to which anybody may seal; checked when it is made.
///
/// Cheap to clone: the parsed key (with its expanded matrix) is shared.
#[derive(Clone)]
pub struct KemPublic(Arc<Parsed>);

struct Parsed {
    bytes: [u8; PUBLIC_KEY],
    key: PublicKey,
}

impl KemPublic {
    /// The public key of a private seed.
    pub fn of(seed: &Secret) -> Self {
        KemPrivate::new(seed).public()
    }

    /// Parses 1216 bytes; refuses what ML-KEM's key check refuses (FIPS 203
    /// §7.2).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let fixed = <[u8; PUBLIC_KEY]>::try_from(bytes).map_err(|_| KeyError)?;
        let key = PublicKey::from_bytes(bytes).map_err(|_| KeyError)?;
        Ok(Self(Arc::new(Parsed { bytes: fixed, key })))
    }

    /// The 1216 bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY] {
        &self.0.bytes
    }

    /// SHA-256 of the 1216 bytes: what statements and people compare.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.0.bytes).into()
    }
}

impl PartialEq for KemPublic {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for KemPublic {}

impl fmt::Debug for KemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemPublic(")?;
        for byte in self.fingerprint().iter().take(8) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

impl Serialize for KemPublic {
    /// Standard base64 with padding.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(self.0.bytes))
    }
}

impl<'de> Deserialize<'de> for KemPublic {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| Self::from_bytes(&bytes).ok())
            .ok_or_else(|| serde::de::Error::custom(KeyError))
    }
}

/// A private key, ready for many openings.
///
/// Making one expands the seed (a third of an opening's work is saved by
/// keeping it). Wiped when dropped.
#[derive(Clone)]
pub struct KemPrivate(PrivateKey);

impl KemPrivate {
    /// The private key of this seed.
    ///
    /// # Panics
    /// Never: every 32 bytes are an X-Wing private key.
    pub fn new(seed: &Secret) -> Self {
        Self(
            PrivateKey::from_bytes(seed.as_bytes()).expect("an X-Wing private key is any 32 bytes"),
        )
    }

    /// Its public half.
    pub fn public(&self) -> KemPublic {
        let key = XWing::sk_to_pk(&self.0);
        let bytes = key.to_bytes().into();
        KemPublic(Arc::new(Parsed { bytes, key }))
    }

    /// Opens what [`seal_to`] made for this key with the same info and aad.
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        let (suite, rest) = sealed.split_first().ok_or(OpenError)?;
        let (enc, ciphertext) = rest.split_at_checked(ENC).ok_or(OpenError)?;
        if *suite != SUITE {
            return Err(OpenError);
        }
        let enc = EncappedKey::from_bytes(enc).map_err(|_| OpenError)?;
        hpke::setup_receiver::<AesGcm256, HkdfSha256, XWing>(&OpModeR::Base, &self.0, &enc, info)
            .and_then(|mut context| context.open(ciphertext, aad))
            .map(SecretBytes::new)
            .map_err(|_| OpenError)
    }
}

impl fmt::Debug for KemPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemPrivate(..)")
    }
}

/// Seals `plain` to `to`. `info` says what kind of message it is, `aad` where
/// it belongs; both must be given again to open it.
///
/// # Panics
/// If the message is 64 GiB or longer, which is more than AES-GCM permits.
pub fn seal_to<R: CryptoRng + ?Sized>(
    to: &KemPublic,
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
    rng: &mut R,
) -> Vec<u8> {
    let mut rng = rng;
    let (enc, mut context) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, XWing>(
        &OpModeS::Base,
        &to.0.key,
        info,
        &mut rng,
    )
    .expect("X-Wing encapsulation to a parsed key cannot fail");
    let ciphertext = context
        .seal(plain, aad)
        .expect("the first message of a context, shorter than 64 GiB, can be sealed");
    let mut out = Vec::with_capacity(1 + ENC + ciphertext.len());
    out.push(SUITE);
    out.extend_from_slice(&enc.to_bytes());
    out.extend_from_slice(&ciphertext);
    out
}

/// Opens one message with a seed. For many messages keep a [`KemPrivate`].
pub fn open_with(
    seed: &Secret,
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, OpenError> {
    KemPrivate::new(seed).open(info, aad, sealed)
}

#[cfg(test)]
mod tests;
