//! "Change my keys": a new account seed, vouched for by the old keys, and
//! everything that hung on the old ones sealed anew. What was stored before
//! stays readable to a thief of the old keys who also has the database.

use chartkey_crypto::{Secret, recovery::RecoveryCode};

use crate::{
    Id,
    account::{self, PasswordRoot, VerifiedAccount},
    client::{Act, Client},
    error::VaultError,
    grant::{HolderKey, Keyring},
    keys::AccountSecrets,
    patient::OpenPatient,
    protocol::{AccountKeys, KdfParams, ReissuedKeyring, SealedGeneration, SealedRekey},
    transport::{MaybeSend, Transport},
};

/// How often it is prepared anew when a record moved on.
const TRIES: usize = 8;

impl<T: Transport + MaybeSend> Client<T> {
    /// Gives the account new keys: new generations of the patients it manages,
    /// and its keyrings for those shared with it, sealed to the new keys.
    /// `patients` are all of both; `root` is the stretched password of now or
    /// a new one. The recovery code replaces the old and is shown once.
    pub async fn rekey(
        &mut self,
        root: &PasswordRoot,
        kdf: KdfParams,
        patients: &[Id],
        act: &mut Act<'_>,
    ) -> Result<RecoveryCode, VaultError> {
        for _ in 0..TRIES {
            let new = AccountSecrets::new(self.account.account(), Secret::random(act.rng));
            let (code, sealed) = self.seal_rekey(&new, root, kdf, patients, act).await?;
            let statements: Vec<_> = sealed
                .generations
                .iter()
                .map(|g| g.statement.clone())
                .collect();
            match self.transport.rekey(sealed).await {
                Err(e) if e.is_conflict() => {}
                Err(e) => return Err(e),
                Ok(()) => {
                    let old = std::mem::replace(&mut self.account, new);
                    self.account.push_older(old);
                    for statement in &statements {
                        self.remember(statement);
                    }
                    return Ok(code);
                }
            }
        }
        Err(VaultError::Conflict("statement.moved".into()))
    }

    async fn seal_rekey(
        &mut self,
        new: &AccountSecrets,
        root: &PasswordRoot,
        kdf: KdfParams,
        patients: &[Id],
        act: &mut Act<'_>,
    ) -> Result<(RecoveryCode, SealedRekey), VaultError> {
        let mut own = self.transport.account_keys(self.account.account()).await?;
        let before = self.own_keys(&own)?;
        let statement = account::keys_statement(new, Some((&self.account, before.head)), act.now)?;
        own.statements.push(statement.clone());
        let after = VerifiedAccount::verify(&own, Some(before.head))?;
        let mut generations = Vec::new();
        let mut keyrings = Vec::new();
        for patient in patients {
            let open = self.settle(*patient, act).await?;
            if open.manager.is_some() {
                let managers = self.managers_after(&open, &after).await?;
                let generation = self.seal_generation(&open, &managers, act).await?.0;
                keyrings.extend(own_keyrings(&open, new.account(), &generation));
                generations.push(generation);
            } else {
                keyrings.extend(reseal_keyrings(&open, &after, act)?);
            }
        }
        let (recovery, recovery_way) = account::change_recovery(new, act.rng);
        let sealed = SealedRekey {
            statement,
            kdf,
            password: account::change_password(new, root, act.rng),
            recovery: recovery_way,
            previous_seed: new.wrap_previous(&self.account, act.rng),
            generations,
            keyrings,
        };
        Ok((recovery, sealed))
    }

    /// Its own keys as the server shows them to others: they must be those it
    /// has.
    fn own_keys(&mut self, offered: &AccountKeys) -> Result<VerifiedAccount, VaultError> {
        let account = self.account.account();
        if offered.account != account {
            return Err(VaultError::Statement("another account's keys"));
        }
        let seen = self.memory.accounts.get(&account).copied();
        let verified = VerifiedAccount::verify(offered, seen)?;
        if verified.fingerprint() != self.account.fingerprint() {
            return Err(VaultError::Statement("keys that are not this account's"));
        }
        self.memory.accounts.insert(account, verified.head);
        Ok(verified)
    }

    /// Fetches its own chain and checks that it ends in the keys it has: a
    /// server that shows others a key of its own is found out.
    pub async fn check_own_keys(&mut self) -> Result<VerifiedAccount, VaultError> {
        let offered = self.transport.account_keys(self.account.account()).await?;
        self.own_keys(&offered)
    }

    /// Those who manage a patient, this account with its new keys.
    async fn managers_after(
        &mut self,
        open: &OpenPatient,
        after: &VerifiedAccount,
    ) -> Result<Vec<VerifiedAccount>, VaultError> {
        let mut managers = Vec::new();
        for manager in open.chain.managers() {
            managers.push(if manager.account == after.account {
                after.clone()
            } else {
                self.account_keys(manager.account).await?
            });
        }
        Ok(managers)
    }
}

/// What a manager holds as grantee besides: whoever opened a chart keeps a grant
/// of it. The generation carries it, sealed to the new keys.
fn own_keyrings(open: &OpenPatient, me: Id, generation: &SealedGeneration) -> Vec<ReissuedKeyring> {
    let holders = open.manager.as_ref().map(|view| &view.holders);
    let is_own = |grant: &Id| {
        let holder = holders.and_then(|holders| holders.get(grant));
        holder.is_some_and(|h| h.holder == me)
    };
    let carried = generation.keyrings.iter();
    carried.filter(|k| is_own(&k.grant)).cloned().collect()
}

fn reseal_keyrings(
    open: &OpenPatient,
    after: &VerifiedAccount,
    act: &mut Act<'_>,
) -> Result<Vec<ReissuedKeyring>, VaultError> {
    let holder = HolderKey::from(after.clone());
    let reseal = |keyring: &Keyring, act: &mut Act<'_>| {
        Ok(ReissuedKeyring {
            grant: keyring.grant,
            keyring: keyring.seal(open.keys.patient(), &holder, act.rng)?,
        })
    };
    open.keys
        .keyrings()
        .iter()
        .map(|k| reseal(k, act))
        .collect()
}
