//! Statements of a patient or an account: the text that was signed, whoever
//! says so.

#![no_main]

use chartkey_vault::statement::SignedStatement;
use libfuzzer_sys::fuzz_target;
use serde_json::{from_value, json};

fuzz_target!(|text: &str| {
    let signed = json!({"body": text, "signature": "A".repeat(86) + "=="});
    let Ok(signed) = from_value::<SignedStatement>(signed) else {
        return;
    };
    let hash = signed.hash();
    assert_eq!(hash, signed.hash());
    let _ = signed.account_statement();
    if let Ok(statement) = signed.patient_statement() {
        // A claimed signature of nobody's is nobody's.
        let _ = format!("{statement:?}");
    }
});
