//! Passcodes of links: kept as a slow hash, and counted over a link's whole
//! life. A try is taken before anything is compared, so that tries made at
//! the same moment cannot outrun the count.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chartkey_crypto::password::Params;
use chartkey_domain::ids::GrantId;
use chartkey_domain::shares::{ShareError, parse_passcode};
use chartkey_store::StoreError;
use chartkey_store::shares::{self as rows, LinkRow};
use chartkey_vault::account::SALT;
use chartkey_vault::protocol::KdfParams;
use rand_core::Rng as _;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::ShareFailure;
use crate::{Failure, Service, stretch};

/// What came of a passcode.
pub enum Tried {
    /// None is set, or it was right.
    Right,
    /// One is due: missing or wrong; so many tries are left.
    Due(u32),
    /// No try is left.
    Over,
}

/// The slow hash of a passcode as it is kept.
pub async fn hash(service: &Service, passcode: &str) -> Result<String, ShareFailure> {
    let mut salt = [0; SALT];
    service.rng().fill_bytes(&mut salt);
    let kdf = KdfParams::from(Params::DEFAULT);
    let key = slow(service, passcode, salt, kdf).await?;
    Ok(format!(
        "argon2id,{},{},{},{},{}",
        kdf.m_kib,
        kdf.t,
        kdf.p,
        URL_SAFE_NO_PAD.encode(salt),
        URL_SAFE_NO_PAD.encode(key)
    ))
}

async fn slow(
    service: &Service,
    passcode: &str,
    salt: [u8; SALT],
    kdf: KdfParams,
) -> Result<[u8; 32], ShareFailure> {
    let passcode = Zeroizing::new(passcode.to_owned());
    let root = stretch::password::<ShareError>(service, passcode, salt, kdf).await?;
    Ok(root.auth_key().0)
}

/// Whether a passcode is the one of this hash.
async fn matches(service: &Service, passcode: &str, kept: &str) -> Result<bool, ShareFailure> {
    const DAMAGED: ShareFailure = Failure::Internal("a kept passcode");
    let parts: Vec<&str> = kept.split(',').collect();
    let ["argon2id", m_kib, t, p, salt, key] = parts.as_slice() else {
        return Err(DAMAGED);
    };
    let number = |text: &str| text.parse().map_err(|_| DAMAGED);
    let kdf = KdfParams {
        m_kib: number(m_kib)?,
        t: number(t)?,
        p: number(p)?,
    };
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| DAMAGED);
    let salt: [u8; SALT] = bytes(salt)?.try_into().map_err(|_| DAMAGED)?;
    let found = slow(service, passcode, salt, kdf).await?;
    Ok(found.ct_eq(&bytes(key)?).into())
}

/// Tries a passcode on a link.
pub async fn try_passcode(
    service: &Service,
    link: &LinkRow,
    given: Option<&str>,
) -> Result<Tried, ShareFailure> {
    let Some(kept) = &link.passcode_hash else {
        return Ok(Tried::Right);
    };
    let grant = link.grant;
    let Some(given) = given else {
        return Ok(match link.passcode_left {
            Some(left) if left > 0 => Tried::Due(left),
            _ => Tried::Over,
        });
    };
    let taken = service
        .store()
        .write("share.passcode", move |tx| rows::take_try(tx, grant))
        .await;
    let Some(left) = taken.map_err(|error: StoreError| Failure::Store(error))? else {
        return Ok(Tried::Over);
    };
    // What is no passcode at all was never set as one.
    let right = match parse_passcode(given) {
        Ok(passcode) => matches(service, &passcode, kept).await,
        Err(_) => Ok(false),
    };
    match right {
        Ok(false) => Ok(Tried::Due(left)),
        Ok(true) => {
            give_back(service, grant).await?;
            Ok(Tried::Right)
        }
        Err(failure) => {
            give_back(service, grant).await?;
            Err(failure)
        }
    }
}

async fn give_back(service: &Service, grant: GrantId) -> Result<(), ShareFailure> {
    let given = service
        .store()
        .write("share.passcode", move |tx| rows::give_try_back(tx, grant))
        .await;
    given.map_err(|error: StoreError| Failure::Store(error))
}
