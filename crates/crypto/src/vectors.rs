//! The frozen vectors of our own formats, checked the same way natively and as
//! WebAssembly.
//!
//! The files in `vectors/` are add-only: what was once sealed must open for
//! ever. They were made with ChaCha20 seeded by a fixed number.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;

/// A generator that gives the same bytes for the same number, everywhere.
/// For vectors and tests; never for keys.
pub fn seeded(seed: u64) -> ChaCha20Rng {
    let mut bytes = [0; 32];
    let [a, b, c, d, e, f, g, h] = seed.to_be_bytes();
    bytes
        .iter_mut()
        .zip([a, b, c, d, e, f, g, h])
        .for_each(|(slot, byte)| *slot = byte);
    ChaCha20Rng::from_seed(bytes)
}

/// Bytes from lower- or upper-case hexadecimal.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|d| d.len().is_multiple_of(2))?;
    let (pairs, _) = digits.as_chunks::<2>();
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(high * 16 + low).ok())
        .collect()
}

/// Bytes as lower-case hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
