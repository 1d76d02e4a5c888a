//! The door from the browser to the vault: no logic, only spelling.

use wasm_bindgen::prelude::wasm_bindgen;

/// Checks that this build of the core can work where it runs, and answers how
/// many checks passed; a failed one is an exception.
#[wasm_bindgen]
pub fn vectors_check() -> Result<u32, String> {
    let (mut one, mut other) = ([0; 32], [0; 32]);
    getrandom::fill(&mut one).map_err(|why| why.to_string())?;
    getrandom::fill(&mut other).map_err(|why| why.to_string())?;
    if one == other {
        return Err("randomness repeats itself".to_owned());
    }
    Ok(1)
}
