//! Passwords of assisted clients: Argon2id on the server, bounded.
//!
//! One run costs 64 MiB and a third of a second, so few run at once, few wait,
//! and everybody else is asked to come back. Sealed clients do this work
//! themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chartkey_vault::account::{PasswordRoot, SALT};
use chartkey_vault::protocol::KdfParams;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::{Failure, NounError, Service};

/// Runs at the same time: memory is the bound, 64 MiB each.
const RUNNING: usize = 2;
/// Requests that may wait for a run.
const WAITING: usize = 16;
/// When somebody who found the line full should come back.
const RETRY_AFTER_SECS: u64 = 5;

/// The bound.
pub struct Stretch {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Stretch {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(RUNNING)),
            waiting: AtomicUsize::new(0),
        }
    }
}

/// A place in the line, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Stretches a password.
///
/// # Errors
/// [`Failure::Limited`] when the line is full; [`Failure::Vault`] for costs
/// outside what any client accepts.
pub async fn password<E: NounError>(
    service: &Service,
    password: Zeroizing<String>,
    salt: [u8; SALT],
    kdf: KdfParams,
) -> Result<PasswordRoot, Failure<E>> {
    let stretch = &service.0.stretch;
    if stretch.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING + RUNNING {
        stretch.waiting.fetch_sub(1, Ordering::AcqRel);
        return Err(Failure::Limited {
            retry_after_secs: RETRY_AFTER_SECS,
        });
    }
    let place = Place(&stretch.waiting);
    let turn = Arc::clone(&stretch.turns)
        .acquire_owned()
        .await
        .map_err(|_| Failure::Internal("the line of passwords is closed"))?;
    let work = tokio::task::spawn_blocking(move || {
        let root = Stretched::derive(&password, &salt, kdf);
        drop(turn);
        root
    });
    let root = work
        .await
        .map_err(|_| Failure::Internal("stretching a password"))??;
    drop(place);
    Ok(root)
}

#[cfg(not(feature = "testing"))]
use chartkey_vault::account::PasswordRoot as Stretched;
#[cfg(feature = "testing")]
use remembered::Stretched;

/// For tests that set up the same world hundreds of times, from the same chance:
/// what was stretched in this process before is not stretched again, once a world
/// says so.
#[cfg(feature = "testing")]
pub(crate) mod remembered {
    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    use chartkey_vault::VaultError;
    use chartkey_vault::account::{PasswordRoot, SALT};
    use chartkey_vault::protocol::KdfParams;

    static KNOWN: OnceLock<Mutex<HashMap<String, PasswordRoot>>> = OnceLock::new();

    /// From now on.
    pub(crate) fn begin() {
        KNOWN.get_or_init(Mutex::default);
    }

    pub(super) struct Stretched;

    impl Stretched {
        pub(super) fn derive(
            password: &str,
            salt: &[u8; SALT],
            kdf: KdfParams,
        ) -> Result<PasswordRoot, VaultError> {
            let Some(known) = KNOWN.get() else {
                return PasswordRoot::derive(password, salt, kdf);
            };
            let known = || known.lock().unwrap_or_else(PoisonError::into_inner);
            let name = format!("{password} {salt:?} {kdf:?}");
            if let Some(root) = known().get(&name) {
                return Ok(root.clone());
            }
            let root = PasswordRoot::derive(password, salt, kdf)?;
            known().insert(name, root.clone());
            Ok(root)
        }
    }
}
