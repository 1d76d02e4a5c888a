//! The log's signature, checked where the log is read.

use chartkey_crypto::ledger::{NoteVerifier, verify_checkpoint};
use wasm_bindgen::prelude::wasm_bindgen;

/// Whether a checkpoint (C2SP tlog-checkpoint) is signed by this verifier key
/// (C2SP signed-note, text form), in the name of the log that it speaks of.
#[wasm_bindgen(js_name = isSignedBy)]
pub fn is_signed_by(checkpoint: &str, key: &str) -> bool {
    NoteVerifier::from_vkey(key.trim_end())
        .is_ok_and(|log| verify_checkpoint(checkpoint, &log).is_ok())
}
