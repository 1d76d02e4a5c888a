//! What a build of the core can prove about itself where it runs. Every check
//! ends in `_check`, answers how many cases held, and throws at the first that
//! does not.

use wasm_bindgen::prelude::wasm_bindgen;

/// Checks every frozen vector of suite 1.
#[wasm_bindgen]
pub fn vectors_check() -> Result<u32, String> {
    let count = chartkey_crypto::vectors::check_all()?;
    u32::try_from(count).map_err(|why| why.to_string())
}

/// Checks every frozen vector of the vault's formats.
#[wasm_bindgen]
pub fn vault_vectors_check() -> Result<u32, String> {
    let count = chartkey_vault::vectors::check_all()?;
    u32::try_from(count).map_err(|why| why.to_string())
}

/// Checks that the surrounding JavaScript gives randomness.
#[wasm_bindgen]
pub fn randomness_check() -> Result<u32, String> {
    let (mut one, mut other) = ([0; 32], [0; 32]);
    getrandom::fill(&mut one).map_err(|why| why.to_string())?;
    getrandom::fill(&mut other).map_err(|why| why.to_string())?;
    if one == other {
        return Err("randomness repeats itself".to_owned());
    }
    Ok(1)
}
