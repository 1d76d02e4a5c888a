//! Files of SMART Health Links: JWE compact (RFC 7516), `alg: dir`,
//! `enc: A256GCM`, with `cty`, and `zip: DEF` where wanted (SMART Health Links
//! STU1, "Encrypting and Decrypting Files").
//!
//! Nothing else is accepted: other algorithms, an encrypted key, `crit`,
//! duplicate names, padded base64, a missing `cty`. Members without meaning
//! here are ignored as RFC 7516 §4 demands. Inflating stops at a limit.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::aead::{Cipher, NONCE, TAG};
use crate::{Secret, SecretBytes};

/// Longest protected header that is read, in characters.
const MAX_HEADER: usize = 4096;
/// How hard the compressor tries (0–10): the usual middle.
const DEFLATE_LEVEL: u8 = 6;

/// Whether to compress before encrypting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zip {
    /// As it is.
    None,
    /// `zip: DEF`, raw DEFLATE (RFC 1951). Only where nobody else chooses part
    /// of the plaintext: the length tells how well it compressed.
    Deflate,
}

/// A file that did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// Not a compact JWE of the one accepted kind.
    #[error("not an accepted JWE")]
    Unsupported,
    /// Wrong key, or changed.
    #[error("the file could not be opened")]
    Unopenable,
    /// Inflates to more than the limit, or is larger than it already.
    #[error("the file is too large")]
    TooLarge,
}

impl JweError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unsupported => "jwe.unsupported",
            Self::Unopenable => "jwe.unopenable",
            Self::TooLarge => "jwe.too_large",
        }
    }
}

/// An opened file.
#[derive(Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// The content type that its header states.
    pub content_type: String,
    /// Its bytes.
    pub plain: SecretBytes,
}

#[derive(Serialize)]
struct HeaderOut<'a> {
    alg: &'static str,
    enc: &'static str,
    cty: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<&'static str>,
}

/// Encrypts a file with the link's key under a fresh nonce.
///
/// # Panics
/// If the file is 64 GiB or longer.
pub fn encrypt<R: CryptoRng + ?Sized>(
    key: &Secret,
    content_type: &str,
    plain: &[u8],
    zip: Zip,
    rng: &mut R,
) -> String {
    let header = HeaderOut {
        alg: "dir",
        enc: "A256GCM",
        cty: content_type,
        zip: (zip == Zip::Deflate).then_some("DEF"),
    };
    let header = serde_json::to_vec(&header).expect("a struct of strings is always JSON");
    let protected = URL_SAFE_NO_PAD.encode(header);
    let mut buffer = match zip {
        Zip::None => plain.to_vec(),
        Zip::Deflate => miniz_oxide::deflate::compress_to_vec(plain, DEFLATE_LEVEL),
    };
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    Cipher::new(key).seal(&nonce, protected.as_bytes(), &mut buffer, 0);
    let (ciphertext, tag) = buffer
        .split_last_chunk::<TAG>()
        .expect("sealing appends the tag");
    let [iv, ciphertext, tag] =
        [&nonce[..], ciphertext, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{protected}..{iv}.{ciphertext}.{tag}")
}

/// Decrypts a file; `limit` bounds its plaintext in bytes, after inflating.
pub fn decrypt(key: &Secret, jwe: &str, limit: usize) -> Result<OpenFile, JweError> {
    let mut parts = jwe.split('.');
    let mut part = || parts.next().ok_or(JweError::Unsupported);
    let (protected, encrypted_key, iv, ciphertext, tag) =
        (part()?, part()?, part()?, part()?, part()?);
    if parts.next().is_some() || !encrypted_key.is_empty() || protected.len() > MAX_HEADER {
        return Err(JweError::Unsupported);
    }
    let bytes = |text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| JweError::Unsupported)
    };
    let header: Header =
        serde_json::from_slice(&bytes(protected)?).map_err(|_| JweError::Unsupported)?;
    let nonce: [u8; NONCE] = bytes(iv)?.try_into().map_err(|_| JweError::Unsupported)?;
    // DEFLATE never shrinks a file to more than its own size by much, so a
    // ciphertext far above the limit is refused before it is decoded.
    if ciphertext.len() / 4 * 3 > limit.saturating_add(limit / 8).saturating_add(1024) {
        return Err(JweError::TooLarge);
    }
    let mut sealed = bytes(ciphertext)?;
    let tag = bytes(tag)?;
    if tag.len() != TAG {
        return Err(JweError::Unsupported);
    }
    sealed.extend_from_slice(&tag);
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    Cipher::new(key)
        .open(&nonce, protected.as_bytes(), &sealed, &mut plain)
        .map_err(|_| JweError::Unopenable)?;
    let plain = if header.deflated {
        inflate(&plain, limit)?
    } else {
        std::mem::take(&mut *plain)
    };
    if plain.len() > limit {
        return Err(JweError::TooLarge);
    }
    Ok(OpenFile {
        content_type: header.content_type,
        plain: SecretBytes::new(plain),
    })
}

fn inflate(deflated: &[u8], limit: usize) -> Result<Vec<u8>, JweError> {
    use miniz_oxide::inflate::TINFLStatus;
    miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, limit).map_err(|error| {
        // What was inflated so far is content: wipe it.
        drop(Zeroizing::new(error.output));
        match error.status {
            TINFLStatus::HasMoreOutput => JweError::TooLarge,
            _ => JweError::Unopenable,
        }
    })
}

/// The members of a protected header that matter, already judged.
struct Header {
    content_type: String,
    deflated: bool,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JWE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut seen: Vec<String> = Vec::new();
        let (mut alg, mut enc, mut cty, mut zip) = (None, None, None, None);
        while let Some(name) = map.next_key::<String>()? {
            // A duplicate could mean one thing to us and another elsewhere.
            if seen.contains(&name) {
                return Err(de::Error::custom("duplicate name"));
            }
            match name.as_str() {
                "alg" => alg = Some(map.next_value::<String>()?),
                "enc" => enc = Some(map.next_value::<String>()?),
                "cty" => cty = Some(map.next_value::<String>()?),
                "zip" => zip = Some(map.next_value::<String>()?),
                // Extensions that must be understood, and none is.
                "crit" => return Err(de::Error::custom("critical extension")),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            seen.push(name);
        }
        if alg.as_deref() != Some("dir") || enc.as_deref() != Some("A256GCM") {
            return Err(de::Error::custom("algorithm"));
        }
        let deflated = match zip.as_deref() {
            None => false,
            Some("DEF") => true,
            Some(_) => return Err(de::Error::custom("compression")),
        };
        let content_type = cty.ok_or_else(|| de::Error::missing_field("cty"))?;
        Ok(Header {
            content_type,
            deflated,
        })
    }
}

#[cfg(test)]
mod tests;
