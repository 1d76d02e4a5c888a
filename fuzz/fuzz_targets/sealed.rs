//! Ciphertext from anywhere: nothing that nobody sealed opens, and nothing
//! panics or takes memory for the asking.

#![no_main]

use chartkey_crypto::seal::KemPublic;
use chartkey_crypto::stream::{HEADER, Opener, open_content};
use chartkey_crypto::{Secret, jwe, wrap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = Secret::from_bytes([7; 32]);
    assert!(open_content(&key, b"place", bytes).is_err());
    assert!(wrap::unwrap(&key, b"place", bytes).is_err());
    let _ = KemPublic::from_bytes(bytes);
    if let Some((header, rest)) = bytes.split_first_chunk::<HEADER>()
        && let Ok(mut opener) = Opener::new(&key, b"place", *header)
    {
        let mut opened = 0;
        for chunk in rest.chunks(97) {
            if opener
                .push(chunk, &mut |part| opened += part.len())
                .is_err()
            {
                return;
            }
        }
        assert!(opener.finish(&mut |_| {}).is_err(), "{opened} bytes opened");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(jwe::decrypt(&key, text, 1 << 16).is_err());
    }
});
