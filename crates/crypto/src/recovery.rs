//! Recovery codes: 160 random bits that a person can write down.
//!
//! Text: 36 characters of Crockford's base32 (`0-9A-Z` without `I L O U`) in
//! nine groups of four, joined by `-`. The 180 bits, most significant first,
//! are the code (160), then the first 20 bits of
//! SHA-256("chartkey/1/recovery/check" ‖ code), so a slip of the pen is told
//! apart from a wrong code (one in a million passes).
//!
//! Reading forgives: case, `O` for `0`, `I` and `L` for `1`, spaces and dashes
//! anywhere.
//!
//! Keys: HKDF-SHA256 ([`crate::derive`](mod@crate::derive)) with the 20 bytes
//! as input keying material, purposes `recovery/auth` and `recovery/wrap`, no
//! fields. 160 bits need no slow hash.

use std::fmt;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Secret;
use crate::derive::{PREFIX, derive_from};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BYTES: usize = 20;
const SYMBOLS: usize = 36;
const GROUP: usize = 4;
/// Longer input is not looked at: a code with generous spacing is shorter.
const MAX_INPUT: usize = 256;

/// What was typed is not a recovery code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// Not 36 characters of the alphabet.
    #[error("a recovery code has 36 letters and digits")]
    Malformed,
    /// The last characters do not fit the rest: mistyped somewhere.
    #[error("the recovery code contains a mistake")]
    Checksum,
}

impl RecoveryError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "recovery.malformed",
            Self::Checksum => "recovery.checksum",
        }
    }
}

/// 160 random bits, wiped when dropped, silent in `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; BYTES]);

impl RecoveryCode {
    /// A fresh code.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut code = Self([0; BYTES]);
        rng.fill_bytes(&mut code.0);
        code
    }

    /// The code as text to show once, `XXXX-XXXX-…` in nine groups.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SYMBOLS + SYMBOLS / GROUP));
        let mut bits = Bits::default();
        let check = self.check();
        for byte in self.0.iter().chain(&check) {
            bits.push(u32::from(*byte), 8);
            while let Some(symbol) = bits.pop(5) {
                let letters = text.bytes().filter(|c| *c != b'-').count();
                if letters == SYMBOLS {
                    break;
                }
                if letters > 0 && letters % GROUP == 0 {
                    text.push('-');
                }
                let letter = usize::try_from(symbol).ok().and_then(|i| ALPHABET.get(i));
                text.extend(letter.map(|c| char::from(*c)));
            }
        }
        text
    }

    /// Reads a code as typed.
    pub fn parse(typed: &str) -> Result<Self, RecoveryError> {
        if typed.len() > MAX_INPUT {
            return Err(RecoveryError::Malformed);
        }
        let mut symbols = Zeroizing::new(Vec::with_capacity(SYMBOLS));
        for c in typed.chars().filter(|c| *c != '-' && !c.is_whitespace()) {
            let letter = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value = ALPHABET
                .iter()
                .position(|a| char::from(*a) == letter)
                .and_then(|i| u32::try_from(i).ok())
                .ok_or(RecoveryError::Malformed)?;
            if symbols.len() == SYMBOLS {
                return Err(RecoveryError::Malformed);
            }
            symbols.push(value);
        }
        if symbols.len() != SYMBOLS {
            return Err(RecoveryError::Malformed);
        }
        let mut bits = Bits::default();
        let mut bytes = symbols.iter().filter_map(|symbol| {
            bits.push(*symbol, 5);
            bits.pop(8)
        });
        let mut code = Self([0; BYTES]);
        for (slot, byte) in code.0.iter_mut().zip(&mut bytes) {
            *slot = u8::try_from(byte).map_err(|_| RecoveryError::Malformed)?;
        }
        let mut given: u32 = bytes.fold(0, |sum, byte| (sum << 8) | byte);
        // Two whole bytes of the checksum, and the four bits left over.
        given = (given << 4) | bits.held;
        let [a, b, c] = code.check();
        let expected = u32::from_be_bytes([0, a, b, c]) >> 4;
        if given != expected {
            return Err(RecoveryError::Checksum);
        }
        Ok(code)
    }

    /// What the server compares (it keeps an HMAC of it).
    pub fn auth_key(&self) -> Secret {
        derive_from(&self.0, "recovery/auth", &[])
    }

    /// What unwraps the account seed; never leaves the client.
    pub fn wrap_key(&self) -> Secret {
        derive_from(&self.0, "recovery/wrap", &[])
    }

    /// The first 24 bits of the check hash, of which the text carries 20.
    fn check(&self) -> [u8; 3] {
        let hash = Sha256::new()
            .chain_update(PREFIX)
            .chain_update("recovery/check")
            .chain_update(self.0)
            .finalize();
        let [a, b, c, ..] = <[u8; 32]>::from(hash);
        [a, b, c]
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// A queue of up to 16 bits, most significant first.
#[derive(Default)]
struct Bits {
    held: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, width: u32) {
        self.held = (self.held << width) | value;
        self.count += width;
    }

    fn pop(&mut self, width: u32) -> Option<u32> {
        let left = self.count.checked_sub(width)?;
        let value = self.held >> left;
        self.held &= (1 << left) - 1;
        self.count = left;
        Some(value)
    }
}

impl Drop for Bits {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_has_nine_groups_of_four() {
        let text = RecoveryCode([0xff; BYTES]).to_text();
        assert_eq!(text.len(), 44);
        assert!(
            text.starts_with("ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-"),
            "{}",
            *text
        );
    }

    #[test]
    fn wrong_lengths_and_letters_are_malformed() {
        let text = RecoveryCode([3; BYTES]).to_text();
        let without_last = &text[..text.len() - 1];
        for bad in [
            "",
            "U",
            without_last,
            &format!("{}0", *text),
            &text.replace('-', "_"),
        ] {
            assert_eq!(
                RecoveryCode::parse(bad),
                Err(RecoveryError::Malformed),
                "{bad}"
            );
        }
        let endless = " ".repeat(MAX_INPUT + 1);
        assert_eq!(RecoveryCode::parse(&endless), Err(RecoveryError::Malformed));
    }

    proptest! {
        #[test]
        fn reading_forgives_how_it_was_typed(bytes: [u8; BYTES]) {
            let code = RecoveryCode(bytes);
            let text = code.to_text();
            let sloppy = text.to_lowercase().replace('-', "  ").replace('0', "o").replace('1', "l");
            prop_assert!(RecoveryCode::parse(&text) == Ok(code.clone()));
            prop_assert!(RecoveryCode::parse(&sloppy) == Ok(code.clone()));
            prop_assert!(RecoveryCode::parse(&text.replace('1', "I").replace('-', "")) == Ok(code));
        }

        #[test]
        fn one_wrong_letter_is_noticed(bytes: [u8; BYTES], at in 0..SYMBOLS, by in 1..32usize) {
            let text = RecoveryCode(bytes).to_text().replace('-', "");
            let mut letters = text.into_bytes();
            let old = ALPHABET.iter().position(|a| *a == letters[at]).unwrap();
            letters[at] = ALPHABET[(old + by) % 32];
            let wrong = String::from_utf8(letters).unwrap();
            // 20 bits of checksum: a collision is possible but not in a lifetime of tests.
            prop_assert_eq!(RecoveryCode::parse(&wrong), Err(RecoveryError::Checksum));
        }
    }
}
