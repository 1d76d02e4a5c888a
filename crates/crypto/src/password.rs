//! From a password to keys: Argon2id v1.3 (RFC 9106) over the NFKC form, then
//! HKDF.
//!
//! `root = Argon2id(NFKC(password) as UTF-8, salt 16 bytes, m, t, p, 32 bytes)`
//!
//! `auth_key = derive(root, "password/auth")` goes to the server, which keeps
//! an HMAC of it; `wrap_key = derive(root, "password/wrap")` never leaves the
//! client. Neither tells anything about the other.
//!
//! Costs are kept per account. The server states them, so clients refuse less
//! than the floor (a server must not make the password cheap to guess) and
//! more than a ceiling (nor freeze a telephone).

mod common;

use argon2::{Algorithm, Argon2, Version};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::{Secret, derive};

/// Fewest characters of a password that is the only factor (NIST SP 800-63B-4).
pub const MIN_ALONE: usize = 15;
/// Fewest characters of a password beside a second factor.
pub const MIN_WITH_SECOND_FACTOR: usize = 8;
/// Most bytes of a password in its NFKC form; nothing is ever cut off.
pub const MAX_BYTES: usize = 1024;

/// What is wrong with a password or with the costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer characters than the rule asks.
    #[error("the password is too short")]
    TooShort,
    /// More than [`MAX_BYTES`].
    #[error("the password is too long")]
    TooLong,
    /// On the list of common passwords, or a simple variation of one.
    #[error("the password is too easy to guess")]
    TooCommon,
    /// The stated costs are below the floor or above the ceiling.
    #[error("the password costs are outside what a client accepts")]
    Params,
}

impl PasswordError {
    /// The stable dotted code of this error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort => "password.too_short",
            Self::TooLong => "password.too_long",
            Self::TooCommon => "password.too_common",
            Self::Params => "password.params",
        }
    }
}

/// The costs of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl Params {
    /// What new accounts get, and the floor: 64 MiB, 3 passes, 1 lane.
    pub const DEFAULT: Self = Self {
        m_kib: 64 * 1024,
        t: 3,
        p: 1,
    };

    /// Refuses less than the default and more than 1 GiB, 16 passes, 16 lanes.
    pub const fn check(self) -> Result<(), PasswordError> {
        let floor = Self::DEFAULT;
        let enough = self.m_kib >= floor.m_kib && self.t >= floor.t && self.p >= floor.p;
        let bearable = self.m_kib <= 1024 * 1024 && self.t <= 16 && self.p <= 16;
        if enough && bearable {
            Ok(())
        } else {
            Err(PasswordError::Params)
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The root key of a password: about a third of a second of work.
///
/// # Errors
/// [`PasswordError::Params`] outside [`Params::check`],
/// [`PasswordError::TooLong`] beyond [`MAX_BYTES`]. Strength is not checked
/// here: somebody who signs in has the password that they have.
pub fn derive_root(
    password: &str,
    salt: &[u8; 16],
    params: Params,
) -> Result<Secret, PasswordError> {
    params.check()?;
    hash(&normalise(password)?, salt, params)
}

fn hash(password: &str, salt: &[u8; 16], params: Params) -> Result<Secret, PasswordError> {
    let params = argon2::Params::new(params.m_kib, params.t, params.p, Some(32))
        .map_err(|_| PasswordError::Params)?;
    let mut root = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, root.as_mut_slice())
        .map_err(|_| PasswordError::Params)?;
    Ok(Secret::from_bytes(*root))
}

/// What the server is sent at sign-in.
pub fn auth_key(root: &Secret) -> Secret {
    derive(root, "password/auth", &[])
}

/// What wraps the account seed.
pub fn wrap_key(root: &Secret) -> Secret {
    derive(root, "password/wrap", &[])
}

/// The rule for a new password: long enough, and not one that everybody tries.
/// Length counts characters of the NFKC form; no rules of composition.
pub fn check_password(password: &str, second_factor: bool) -> Result<(), PasswordError> {
    let normal = normalise(password)?;
    let least = if second_factor {
        MIN_WITH_SECOND_FACTOR
    } else {
        MIN_ALONE
    };
    if normal.chars().count() < least {
        return Err(PasswordError::TooShort);
    }
    if common::is_common(&normal) {
        return Err(PasswordError::TooCommon);
    }
    Ok(())
}

fn normalise(password: &str) -> Result<Zeroizing<String>, PasswordError> {
    // NFKC may make text longer (at most eighteenfold) or shorter; both forms
    // are bounded, the first so that normalising is.
    if password.len() > 4 * MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    let mut normal = Zeroizing::new(String::with_capacity(18 * password.len()));
    normal.extend(password.nfkc());
    if normal.len() > MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    Ok(normal)
}

#[cfg(test)]
mod tests;
