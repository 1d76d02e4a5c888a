//! "Change my keys": a new account seed, vouched for by the old keys, new
//! generations of every patient that the account manages, and its keyrings
//! sealed anew; all of it or nothing, in one transaction.
//!
//! What was stored before stays readable to a thief of the old keys who also
//! has the database; what comes after does not.

use chartkey_crypto::password::Params;
use chartkey_domain::ids::GrantId;
use chartkey_store::grants;
use chartkey_vault::account::{PasswordRoot, VerifiedAccount};
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{AccountKeys, SealedRekey};

use super::*;
use crate::accounts::{check_kdf, check_wrapped};
use crate::assisted::{AssistedFailure, coded};
use crate::events;
use crate::patients::{MAX_KEYRING_BYTES, permit, take_generation};

/// That something else was signed, granted or taken on meanwhile.
fn moved() -> AssistedFailure {
    VaultError::Conflict("statement.moved".to_owned()).into()
}

/// Gives the caller's account new keys. Its other sessions end; the present
/// ways in are replaced by those that come with it.
///
/// # Errors
/// The policy's (step-up); `statement.moved` where anything that hangs on the
/// old keys has changed since the client looked, and then it looks again.
pub async fn rekey(
    service: &Service,
    caller: &Caller,
    sealed: SealedRekey,
) -> Result<(), AssistedFailure> {
    let (now, account) = (service.now(), caller.account()?.id);
    policy::permit(
        &caller.who,
        Action::RekeyAccount,
        &Target::Account(account),
        now,
    )?;
    check_kdf(sealed.kdf).map_err(coded)?;
    for (field, wrapped) in [
        ("password.wrapped_seed", &sealed.password.wrapped_seed),
        ("recovery.wrapped_seed", &sealed.recovery.wrapped_seed),
        ("previous_seed", &sealed.previous_seed),
    ] {
        check_wrapped(field, wrapped).map_err(coded)?;
    }
    let (this, mut rng, asking) = (service.clone(), service.rng(), caller.clone());
    service
        .store()
        .write("keys.change", move |tx| {
            let row = account_rows::lookup(tx, account)?
                .ok_or(Failure::Internal("an account without a row"))?;
            replace_keys(tx, &this, &row, &sealed, now)?;
            replace_generations(tx, &asking, account, &sealed, now, &mut rng)?;
            replace_keyrings(tx, account, &sealed, now)?;
            rows::end_all(tx, account, asking.session_id(), now)?;
            events::tell(tx, [account], events::SESSION_END, account.0, now)?;
            let to = this
                .protect()
                .open_text(columns::ACCOUNT_EMAIL, account.0, &row.email_p)?;
            mail::queue(
                tx,
                &this,
                &to,
                &Content::KeysChanged { at: now },
                now,
                &mut rng,
            )?;
            let entry = NewEntry::new(TrailAction::KeysChange, now, TrailActor::Account(account));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(())
        })
        .await
}

/// The next statement of the account's chain, its public keys, its ways in.
fn replace_keys(
    tx: &mut Tx,
    service: &Service,
    row: &AccountRow,
    sealed: &SealedRekey,
    now: Timestamp,
) -> Result<(), AssistedFailure> {
    let stored = account_rows::list_statements(tx, row.id)?;
    let head = stored
        .last()
        .ok_or(Failure::Internal("an account without a chain"))?;
    let seq = head.seq.saturating_add(1);
    let read = sealed.statement.account_statement()?;
    if read.prev.map(|prev| *prev.as_bytes()) != Some(head.hash) || read.seq != seq {
        return Err(moved());
    }
    let mut statements = stored
        .iter()
        .map(secrets::to_statement)
        .collect::<Option<Vec<_>>>()
        .ok_or(Failure::Internal("a stored statement"))?;
    statements.push(sealed.statement.clone());
    let keys = VerifiedAccount::verify(
        &AccountKeys {
            account: row.id.0,
            statements,
        },
        None,
    )?;
    let sign_public = keys
        .sign_keys
        .last()
        .map(|key| *key.as_bytes())
        .unwrap_or_default();
    let statement = secrets::to_row(&sealed.statement, seq, "keys");
    account_rows::insert_statement(tx, row.id, &statement, now)?;
    trail::publish_keys(
        tx,
        trail::KeyOwner::Account(row.id),
        seq,
        &sealed.statement,
        now,
    )?;
    account_rows::update_keys(tx, row.id, keys.kem_key.as_bytes(), &sign_public, now)?;
    account_rows::insert_seed(tx, row.id, seq, &sealed.previous_seed.0)?;
    super::ways_in::write_password(tx, service, row, &sealed.password, now)?;
    let old = row.recovery_auth_hash.unwrap_or_default();
    let new = super::ways_in::kept(service, row.id, secrets::RECOVERY, &sealed.recovery);
    let wrapped = &sealed.recovery.wrapped_seed.0;
    if account_rows::update_recovery(tx, row.id, &old, &new, wrapped, now)? {
        Ok(())
    } else {
        Err(moved())
    }
}

/// A new generation of every patient that the account manages, and of no other.
fn replace_generations(
    tx: &mut Tx,
    caller: &Caller,
    account: AccountId,
    sealed: &SealedRekey,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), AssistedFailure> {
    let managed = patients::list_managed(tx, account)?;
    if managed.len() != sealed.generations.len() {
        return Err(moved());
    }
    for patient in managed {
        let generation = sealed
            .generations
            .iter()
            .find(|generation| generation.patient == patient.id.0)
            .ok_or_else(moved)?;
        let (row, permit) = permit(tx, caller, Action::BeginGeneration, patient.id, now)?;
        if row.grants_version != generation.grants_version {
            return Err(moved());
        }
        take_generation(tx, &row, generation, now).map_err(coded)?;
        patients::bump_version(tx, patient.id)?;
        let entry = NewEntry::under(TrailAction::GenerationBegin, now, &permit);
        trail::append_by(tx, entry, caller, rng)?;
    }
    Ok(())
}

/// The keyring of every living grant that the account holds, sealed anew.
fn replace_keyrings(
    tx: &mut Tx,
    account: AccountId,
    sealed: &SealedRekey,
    now: Timestamp,
) -> Result<(), AssistedFailure> {
    let living: Vec<_> = grants::list_held(tx, account)?
        .into_iter()
        .filter(|grant| grant.ended_at.is_none() && grant.expires_at > now)
        .collect();
    let is_living = |id| living.iter().any(|grant| grant.id == GrantId(id));
    if !sealed
        .keyrings
        .iter()
        .all(|keyring| is_living(keyring.grant))
    {
        return Err(moved());
    }
    for grant in &living {
        let keyring = sealed
            .keyrings
            .iter()
            .find(|keyring| GrantId(keyring.grant) == grant.id)
            .ok_or_else(moved)?;
        if keyring.keyring.0.len() > MAX_KEYRING_BYTES {
            return Err(Failure::field("keyrings.keyring", "longer than it can be"));
        }
        grants::update_keyring(tx, grant.id, &keyring.keyring.0, grant.generation)?;
    }
    Ok(())
}

/// The caller's password, stretched, once it is shown to be theirs; and their
/// account's row.
pub(crate) async fn prove(
    service: &Service,
    caller: &Caller,
    password: Zeroizing<String>,
) -> Result<(PasswordRoot, AccountRow), AssistedFailure> {
    let account = caller.account()?.id;
    limits::spend(service, Limit::PasswordChange, &account.to_string()).await?;
    let row = service
        .store()
        .read("keys.read", move |reader| {
            account_rows::lookup(reader, account)
        })
        .await
        .map_err(|error: StoreError| AssistedFailure::from(error))?
        .ok_or(Failure::Internal("an account without a row"))?;
    let email = super::ways_in::email_of(service, &row).map_err(coded)?;
    let salt = service.protect().prelogin_salt(&email);
    let kdf = KdfParams::from(Params::DEFAULT);
    let root = stretch::password(service, password, salt, kdf).await?;
    let given =
        service
            .protect()
            .proof_hash(secrets::PASSWORD, account.0, root.auth_key().as_bytes());
    if row
        .auth_hash
        .is_some_and(|stored| bool::from(stored.ct_eq(&given)))
    {
        Ok((root, row))
    } else {
        limits::refused(service, &caller.origin, TrailAction::SessionRefuse);
        Err(Failure::field("password", "is wrong"))
    }
}

/// A new assisted session in place of the caller's, whose copy of the seed is
/// the old one.
pub(crate) async fn reopen(
    service: &Service,
    caller: &Caller,
    row: &AccountRow,
    opened: &AccountSecrets,
) -> Result<SignedIn, AssistedFailure> {
    let account = crate::accounts::view(service, row).map_err(coded)?;
    let made = super::sign_in::NewSession::make(service, row.id, Some(opened), &caller.origin);
    let tokens = made.tokens(service);
    let (mut rng, asking, id, now) = (service.rng(), caller.clone(), row.id, service.now());
    let patients = service
        .store()
        .write("keys.session", move |tx| {
            rows::end_all(tx, id, None, now)?;
            super::sign_in::insert(tx, &made, &asking.origin, &mut rng)?;
            super::sign_in::managed(tx, id)
        })
        .await
        .map_err(|error: StoreError| AssistedFailure::from(error))?;
    Ok(SignedIn {
        tokens,
        account,
        patients,
        wrapped_seed: None,
        previous_seeds: Vec::new(),
    })
}
