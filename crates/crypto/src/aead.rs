//! AES-256-GCM with the tag behind the ciphertext, over buffers that grow by
//! appending. The only place that touches the cipher.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use zeroize::Zeroize;

use crate::{OpenError, Secret};

/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes that sealing adds behind the ciphertext.
pub(crate) const TAG: usize = 16;

/// A key with its schedule computed.
pub(crate) struct Cipher(Aes256Gcm);

impl Cipher {
    pub(crate) fn new(key: &Secret) -> Self {
        Self(Aes256Gcm::new(key.as_bytes().into()))
    }

    /// Encrypts `buffer[from..]` where it lies and appends the tag.
    ///
    /// # Panics
    /// If the buffer is 64 GiB or longer, which is more than AES-GCM permits.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], buffer: &mut Vec<u8>, from: usize) {
        let (_, plain) = buffer
            .split_at_mut_checked(from)
            .expect("callers pass a start that lies within the buffer");
        let tag = self
            .0
            .encrypt_inout_detached(&Nonce::from(*nonce), aad, plain.into())
            .expect("a buffer in memory is shorter than AES-GCM's limit of 64 GiB");
        buffer.extend_from_slice(&tag);
    }

    /// Decrypts `sealed` (ciphertext ‖ tag) onto the end of `out`. On failure
    /// `out` is as before.
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG>().ok_or(OpenError)?;
        let start = out.len();
        out.extend_from_slice(ciphertext);
        let (_, fresh) = out.split_at_mut_checked(start).ok_or(OpenError)?;
        let done = self.0.decrypt_inout_detached(
            &Nonce::from(*nonce),
            aad,
            fresh.into(),
            &Tag::from(*tag),
        );
        if done.is_err() {
            // Whatever the cipher left there must not be mistaken for content.
            let (_, fresh) = out.split_at_mut_checked(start).ok_or(OpenError)?;
            fresh.zeroize();
            out.truncate(start);
            return Err(OpenError);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wycheproof_aes_gcm_256_agrees() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/aes_gcm_test.json")).unwrap();
        let (mut good, mut bad) = (0, 0);
        for group in file["testGroups"].as_array().unwrap() {
            if group["keySize"] != 256 || group["ivSize"] != 96 || group["tagSize"] != 128 {
                continue;
            }
            for case in group["tests"].as_array().unwrap() {
                let hex =
                    |name: &str| crate::vectors::from_hex(case[name].as_str().unwrap()).unwrap();
                let cipher = Cipher::new(&Secret::from_slice(&hex("key")).unwrap());
                let nonce: [u8; NONCE] = hex("iv").try_into().unwrap();
                let sealed = [hex("ct"), hex("tag")].concat();
                let mut opened = Vec::new();
                let result = cipher.open(&nonce, &hex("aad"), &sealed, &mut opened);
                if case["result"] == "valid" {
                    assert_eq!(result, Ok(()), "{}", case["tcId"]);
                    assert_eq!(opened, hex("msg"));
                    let mut again = hex("msg");
                    cipher.seal(&nonce, &hex("aad"), &mut again, 0);
                    assert_eq!(again, sealed);
                    good += 1;
                } else {
                    assert_eq!(result, Err(OpenError), "{}", case["tcId"]);
                    assert!(opened.is_empty());
                    bad += 1;
                }
            }
        }
        assert!(good > 30 && bad > 10, "{good} valid, {bad} invalid");
    }
}
