//! Accounts: making one, the ways in, and changing its keys.

use chartkey_crypto::{
    Secret, encode,
    password::{self, Params},
    recovery::RecoveryCode,
    seal::KemPublic,
    sign::VerifyKey,
    wrap,
};
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::{
    Id,
    bytes::{Bytes, Bytes32},
    chain::Head,
    error::VaultError,
    keys::AccountSecrets,
    patient,
    protocol::{AccountKeys, KdfParams, NewAccount, WayIn},
    statement::{AccountStatement, SignedStatement, account_fingerprint},
    write::new_id,
};

/// Length of a password's salt in bytes.
pub const SALT: usize = 16;

impl From<Params> for KdfParams {
    fn from(p: Params) -> Self {
        Self {
            m_kib: p.m_kib,
            t: p.t,
            p: p.p,
        }
    }
}

impl From<KdfParams> for Params {
    fn from(p: KdfParams) -> Self {
        Self {
            m_kib: p.m_kib,
            t: p.t,
            p: p.p,
        }
    }
}

/// A stretched password: both halves of what it gives.
#[derive(Clone)]
pub struct PasswordRoot(Secret);

impl PasswordRoot {
    /// Stretches a password; about a third of a second. Refuses parameters
    /// below the floor, whoever offers them.
    pub fn derive(
        password: &str,
        salt: &[u8; SALT],
        params: KdfParams,
    ) -> Result<Self, VaultError> {
        password::derive_root(password, salt, params.into())
            .map(Self)
            .map_err(|_| VaultError::Password)
    }

    /// As stretched elsewhere.
    #[cfg(any(feature = "vectors", test))]
    pub(crate) const fn of(root: Secret) -> Self {
        Self(root)
    }

    /// What the server is shown.
    pub fn auth_key(&self) -> Bytes32 {
        Bytes32(*password::auth_key(&self.0).as_bytes())
    }

    fn way_in(&self, account: Id, seed: &Secret, rng: &mut (impl CryptoRng + ?Sized)) -> WayIn {
        let key = password::wrap_key(&self.0);
        let wrapped = wrap::wrap(&key, &way_in_aad("password", account), seed.as_bytes(), rng);
        WayIn {
            auth_key: self.auth_key(),
            wrapped_seed: Bytes(wrapped),
        }
    }

    /// Opens the account.
    pub fn unlock(&self, account: Id, wrapped_seed: &Bytes) -> Result<AccountSecrets, VaultError> {
        let key = password::wrap_key(&self.0);
        let seed = wrap::unwrap_secret(&key, &way_in_aad("password", account), &wrapped_seed.0)?;
        Ok(AccountSecrets::new(account, seed))
    }
}

impl std::fmt::Debug for PasswordRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordRoot")
    }
}

fn way_in_aad(kind: &str, account: Id) -> Vec<u8> {
    encode::lp(&[b"way-in", kind.as_bytes(), account.as_bytes()])
}

fn recovery_way_in(
    code: &RecoveryCode,
    account: Id,
    seed: &Secret,
    rng: &mut (impl CryptoRng + ?Sized),
) -> WayIn {
    let wrapped = wrap::wrap(
        &code.wrap_key(),
        &way_in_aad("recovery", account),
        seed.as_bytes(),
        rng,
    );
    WayIn {
        auth_key: Bytes32(*code.auth_key().as_bytes()),
        wrapped_seed: Bytes(wrapped),
    }
}

/// Opens the account by its recovery code.
pub fn unlock_by_recovery(
    code: &RecoveryCode,
    account: Id,
    wrapped_seed: &Bytes,
) -> Result<AccountSecrets, VaultError> {
    let aad = way_in_aad("recovery", account);
    let seed = wrap::unwrap_secret(&code.wrap_key(), &aad, &wrapped_seed.0)?;
    Ok(AccountSecrets::new(account, seed))
}

/// A new account, and what its owner keeps.
#[derive(Debug)]
pub struct Registered {
    /// For the server.
    pub request: NewAccount,
    /// Shown once.
    pub recovery: RecoveryCode,
    /// Opened already.
    pub secrets: AccountSecrets,
}

/// Makes an account, with a patient of its own where `with_patient`.
pub fn register(
    root: &PasswordRoot,
    kdf: KdfParams,
    with_patient: bool,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Registered, VaultError> {
    let account = new_id(now, rng);
    let secrets = AccountSecrets::new(account, Secret::random(rng));
    let recovery = RecoveryCode::random(rng);
    let patient = if with_patient {
        Some(patient::create(new_id(now, rng), &secrets, now, rng)?.0)
    } else {
        None
    };
    let request = NewAccount {
        account,
        kdf,
        password: root.way_in(account, secrets.seed(), rng),
        recovery: recovery_way_in(&recovery, account, secrets.seed(), rng),
        statement: keys_statement(&secrets, None, now)?,
        patient,
    };
    Ok(Registered {
        request,
        recovery,
        secrets,
    })
}

/// New wraps of the same seed, after a change of password.
pub fn change_password(
    secrets: &AccountSecrets,
    root: &PasswordRoot,
    rng: &mut (impl CryptoRng + ?Sized),
) -> WayIn {
    root.way_in(secrets.account(), secrets.seed(), rng)
}

/// A fresh recovery code for the same seed.
pub fn change_recovery(
    secrets: &AccountSecrets,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (RecoveryCode, WayIn) {
    let code = RecoveryCode::random(rng);
    let way_in = recovery_way_in(&code, secrets.account(), secrets.seed(), rng);
    (code, way_in)
}

/// The statement of an account's keys; `before` is the old keys and the head
/// of the chain, absent for the first.
pub fn keys_statement(
    secrets: &AccountSecrets,
    before: Option<(&AccountSecrets, Head)>,
    now: Timestamp,
) -> Result<SignedStatement, VaultError> {
    let statement = AccountStatement {
        account: secrets.account(),
        seq: before.map_or(0, |(_, head)| head.seq.saturating_add(1)),
        prev: before.map(|(_, head)| head.hash),
        at: now,
        kem_key: secrets.kem_public(),
        sign_key: secrets.signing_key().verify_key(),
    };
    let signer = before.map_or(secrets.signing_key(), |(old, _)| old.signing_key());
    let cosigner = before.map(|_| secrets.signing_key());
    SignedStatement::sign(&statement, signer, cosigner)
}

/// An account's public keys as its verified chain gives them.
#[derive(Clone, Debug)]
pub struct VerifiedAccount {
    /// Whose.
    pub account: Id,
    /// What to seal to now.
    pub kem_key: KemPublic,
    /// Every signing key it ever had, oldest first.
    pub sign_keys: Vec<VerifyKey>,
    /// The fingerprint of every pair of keys it ever had, oldest first.
    pub fingerprints: Vec<Bytes32>,
    /// The newest statement.
    pub head: Head,
}

impl VerifiedAccount {
    /// The fingerprint of its keys of now.
    pub fn fingerprint(&self) -> Bytes32 {
        self.fingerprints.last().copied().unwrap_or_default()
    }

    /// Verifies a whole chain; `seen` is the newest head met before.
    pub fn verify(keys: &AccountKeys, seen: Option<Head>) -> Result<Self, VaultError> {
        let mut verified: Option<Self> = None;
        let mut hashes = Vec::with_capacity(keys.statements.len());
        for signed in &keys.statements {
            verified = Some(Self::take(verified, keys.account, signed)?);
            hashes.push(signed.hash());
        }
        if let Some(seen) = seen {
            let at = usize::try_from(seen.seq).map_err(|_| VaultError::RolledBack)?;
            if hashes.get(at) != Some(&seen.hash) {
                return Err(VaultError::RolledBack);
            }
        }
        verified.ok_or(VaultError::Statement("the chain is empty"))
    }

    fn take(
        before: Option<Self>,
        account: Id,
        signed: &SignedStatement,
    ) -> Result<Self, VaultError> {
        let statement = signed.account_statement()?;
        let head = Head {
            seq: statement.seq,
            hash: signed.hash(),
        };
        let in_place = statement.account == account
            && match &before {
                None => statement.seq == 0 && statement.prev.is_none(),
                Some(b) => {
                    statement.seq == b.head.seq.saturating_add(1)
                        && statement.prev == Some(b.head.hash)
                }
            };
        if !in_place {
            return Err(VaultError::Statement("out of place in its chain"));
        }
        let (mut sign_keys, mut fingerprints) =
            before.map_or_else(Default::default, |b| (b.sign_keys, b.fingerprints));
        let signed_well = match sign_keys.last() {
            None => signed.is_signed_by(&statement.sign_key),
            Some(old) => signed.is_signed_by(old) && signed.is_cosigned_by(&statement.sign_key),
        };
        if !signed_well {
            return Err(VaultError::Statement("bad signature"));
        }
        fingerprints.push(account_fingerprint(&statement.kem_key, &statement.sign_key));
        sign_keys.push(statement.sign_key);
        Ok(Self {
            account,
            kem_key: statement.kem_key,
            sign_keys,
            fingerprints,
            head,
        })
    }
}
