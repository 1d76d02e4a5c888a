//! Signed notes and checkpoints, recovery codes, proofs.

#![no_main]

use chartkey_crypto::ledger::checkpoint::Checkpoint;
use chartkey_crypto::ledger::{Frontier, NoteVerifier};
use chartkey_crypto::recovery::RecoveryCode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Frontier::from_bytes(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        let written = checkpoint.to_text();
        assert_eq!(
            Checkpoint::parse(&written),
            Ok(checkpoint),
            "what was read can be written"
        );
    }
    if let Ok(code) = RecoveryCode::parse(text) {
        let written = code.to_text();
        assert!(RecoveryCode::parse(&written).is_ok_and(|again| again.to_text() == written));
    }
    if let Ok(verifier) = NoteVerifier::from_vkey(text) {
        assert!(NoteVerifier::from_vkey(&verifier.vkey()).is_ok());
        let _ = chartkey_crypto::ledger::checkpoint::verify_checkpoint(text, &verifier);
    }
});
