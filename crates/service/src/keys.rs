//! Keys that the program makes for itself at first start: what signs access
//! tokens and what signs checkpoints. They are rows, protected under
//! `ENCRYPTION_KEY`, so that every node has the same ones.

use chartkey_crypto::Secret;
use chartkey_domain::ids::Id;
use chartkey_store::{Store, StoreError, Tx, settings};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::protect::{Protect, columns};
use crate::{Settings, StartError};

/// The keys.
pub struct ServerKeys {
    /// Seed of the Ed25519 key of access tokens.
    pub token_seed: Secret,
    /// Seed of the Ed25519 key of checkpoints.
    pub checkpoint_seed: Secret,
    /// Name of the logs in checkpoints, without a scheme; made once.
    pub origin: String,
}

const TOKEN: &str = "key.token";
const CHECKPOINT: &str = "key.checkpoint";
const ORIGIN: &str = "log.origin";

/// A setting has no row id; its name stands in for one.
fn place(name: &str) -> Id {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.as_bytes()) {
        *to = *from;
    }
    Id::from_bytes(bytes)
}

/// Loads the keys, or makes them when this is the first start of all.
pub(crate) async fn load_or_make(
    store: &Store,
    protect: &Protect,
    configured: &Settings,
    chance: &mut (dyn CryptoRng + Send),
) -> Result<ServerKeys, StartError> {
    let mut fresh = Vec::new();
    for name in [TOKEN, CHECKPOINT] {
        let secret = Secret::random(chance);
        fresh.push((
            name,
            protect.seal(columns::SETTING, place(name), secret.as_bytes(), chance),
        ));
    }
    let host = configured
        .app_url
        .split_once("://")
        .map_or(configured.app_url.as_str(), |(_, rest)| rest);
    let mut name = Zeroizing::new([0; 8]);
    chance.fill_bytes(name.as_mut_slice());
    let unique: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let origin = format!("{host}/{unique}");
    let stored = store
        .write("server.keys", move |tx: &mut Tx| {
            let mut stored = Vec::new();
            for (name, value) in fresh {
                if settings::lookup(tx, name)?.is_none() {
                    settings::insert(tx, name, &value)?;
                }
                stored.push(settings::lookup(tx, name)?.unwrap_or_default());
            }
            if settings::lookup(tx, ORIGIN)?.is_none() {
                settings::insert(tx, ORIGIN, origin.as_bytes())?;
            }
            stored.push(settings::lookup(tx, ORIGIN)?.unwrap_or_default());
            Ok::<_, StoreError>(stored)
        })
        .await?;
    let mut stored = stored.into_iter();
    let mut secret = |name: &str| {
        let value = stored.next().unwrap_or_default();
        protect
            .open(columns::SETTING, place(name), &value)
            .ok()
            .and_then(|bytes| bytes.to_secret())
            .ok_or(StartError::WrongKey)
    };
    let (token_seed, checkpoint_seed) = (secret(TOKEN)?, secret(CHECKPOINT)?);
    let origin = stored
        .next()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(StartError::WrongKey)?;
    Ok(ServerKeys {
        token_seed,
        checkpoint_seed,
        origin,
    })
}
