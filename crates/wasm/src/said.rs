//! What crosses the door: JSON in, JSON out, errors as `Error` with a `code`.

use chartkey_vault::{Id, VaultError};
use jiff::Timestamp;
use js_sys::{Error, Reflect};
use serde::Serialize;
use wasm_bindgen::JsValue;

#[cfg(feature = "account")]
pub use account::{act, chance, hear};

/// The browser's clock.
pub fn now() -> Timestamp {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds since 1970 are whole and far below 2^53"
    )]
    let at = js_sys::Date::now() as i64;
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A failure as JavaScript sees it.
pub fn refuse(error: VaultError) -> JsValue {
    let (status, text) = match &error {
        VaultError::Refused { status, detail, .. } => (Some(*status), detail.clone()),
        VaultError::Conflict(_) => (Some(409), error.to_string()),
        _ => (None, error.to_string()),
    };
    throw(status, &error.code(), &text)
}

/// The same, of what is no failure of the vault's.
#[cfg(feature = "account")]
pub fn refuse_with(status: u16, code: &str, text: &str) -> JsValue {
    throw(Some(status), code, text)
}

fn throw(status: Option<u16>, code: &str, text: &str) -> JsValue {
    let thrown = Error::new(text);
    // Setting a member of a fresh object cannot fail.
    let _ = Reflect::set(&thrown, &"code".into(), &code.into());
    if let Some(status) = status {
        let _ = Reflect::set(&thrown, &"status".into(), &status.into());
    }
    thrown.into()
}

/// An answer as JSON.
pub fn say<T: Serialize + ?Sized>(value: &T) -> Result<String, JsValue> {
    serde_json::to_string(value).map_err(|_| refuse(VaultError::Internal))
}

/// An id from its text.
pub fn id(text: &str) -> Result<Id, JsValue> {
    text.parse()
        .map_err(|_| refuse(VaultError::Input("not an id")))
}

/// What only somebody who signs in needs.
#[cfg(feature = "account")]
mod account {
    use chartkey_vault::{Act, VaultError};
    use getrandom::SysRng;
    use rand_core::UnwrapErr;
    use serde::de::DeserializeOwned;
    use wasm_bindgen::JsValue;

    use super::{now, refuse};

    /// The browser's generator; it panics where there is no randomness, because
    /// nothing may go on without it.
    pub type Chance = UnwrapErr<SysRng>;

    /// The browser's generator.
    pub fn chance() -> Chance {
        UnwrapErr(SysRng)
    }

    /// Time and chance for one call.
    pub fn act(rng: &mut Chance) -> Act<'_> {
        Act { now: now(), rng }
    }

    /// What was asked, from JSON.
    pub fn hear<T: DeserializeOwned>(text: &str) -> Result<T, JsValue> {
        serde_json::from_slice(text.as_bytes())
            .map_err(|_| refuse(VaultError::Input("not of the expected form")))
    }
}
