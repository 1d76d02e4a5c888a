//! Ways into an account: changing the password, and coming back with a
//! recovery code. Neither touches what is stored; both end other sessions.

use chartkey_crypto::password::Params;
use chartkey_crypto::recovery::RecoveryCode;
use chartkey_domain::accounts::AccountError;
use chartkey_domain::sessions::TICKET_TTL_SECS;
use chartkey_store::accounts::PasswordWayIn;
use chartkey_store::tokens::{self, TokenRow};
use chartkey_vault::account as vault_account;
use chartkey_vault::protocol::WayIn;

use super::*;
use crate::accounts::{AccountFailure, check_kdf, check_password, check_wrapped};

/// Purpose of the ticket that a recovery code is changed for.
const TICKET: &str = "recovery.ticket";

/// A new way in by password.
pub enum NewPassword {
    /// The server runs the core for this request.
    Password(Zeroizing<String>),
    /// The client ran it.
    Sealed {
        /// How it was stretched: what prelogin answers.
        kdf: KdfParams,
        /// Proof and wrapped seed.
        way_in: WayIn,
    },
}

/// A change of password: the old proof and the new way in.
pub struct PasswordChange {
    /// What shows that the caller knows the old one.
    pub current: Proof,
    /// The new one.
    pub new: NewPassword,
}

/// A recovery code and a new password, assisted.
pub struct Recovery {
    /// The address.
    pub email: Email,
    /// The code as it was typed.
    pub code: Zeroizing<String>,
    /// The new password.
    pub new_password: Zeroizing<String>,
}

/// Somebody came back.
pub struct Recovered {
    /// Their session.
    pub signed_in: SignedIn,
    /// The new code, shown once; absent for sealed clients, who made it.
    pub recovery_code: Option<Zeroizing<String>>,
}

/// What a sealed client gets for the proof that its recovery code gives.
pub struct RecoveryTicket {
    /// The account.
    pub account: AccountId,
    /// The seed as the code wraps it.
    pub wrapped_seed: Bytes,
    /// The seeds before it, each wrapped under its successor, newest first.
    pub previous_seeds: Vec<Bytes>,
    /// Good once, for ten minutes.
    pub ticket: Zeroizing<String>,
}

/// Both values that stand in a row for a way in.
pub(super) fn kept(
    service: &Service,
    account: AccountId,
    purpose: &'static str,
    way_in: &WayIn,
) -> [u8; 32] {
    service
        .protect()
        .proof_hash(purpose, account.0, way_in.auth_key.as_bytes())
}

/// Changes the caller's password and ends their other sessions.
///
/// # Errors
/// [`AccountError`]'s for the new one, [`SessionError::Refused`] as code
/// `session.refused` for a wrong old one, the policy's.
pub async fn change_password(
    service: &Service,
    caller: &Caller,
    change: PasswordChange,
) -> Result<(), AccountFailure> {
    let (now, account) = (service.now(), caller.account()?.id);
    policy::permit(
        &caller.who,
        Action::UpdatePassword,
        &Target::Account(account),
        now,
    )?;
    limits::spend(service, Limit::PasswordChange, &account.to_string()).await?;
    let row = service
        .store()
        .read("password.read", move |reader| {
            account_rows::lookup(reader, account)
        })
        .await
        .map_err(|error: StoreError| AccountFailure::from(error))?
        .ok_or(AccountError::Unknown)?;
    let email = email_of(service, &row)?;
    let kdf = KdfParams::from(Params::DEFAULT);
    let salt = service.protect().prelogin_salt(&email);
    let (proof, root) = match change.current {
        Proof::AuthKey(key) => (key, None),
        Proof::Password(password) => {
            let root = stretch::password(service, password, salt, kdf).await?;
            (Secret::from_bytes(*root.auth_key().as_bytes()), Some(root))
        }
    };
    let given = service
        .protect()
        .proof_hash(secrets::PASSWORD, account.0, proof.as_bytes());
    if !bool::from(row.auth_hash.unwrap_or_default().ct_eq(&given)) || row.auth_hash.is_none() {
        limits::refused(service, &caller.origin, TrailAction::SessionRefuse);
        return Err(Failure::field("current_password", "is wrong"));
    }
    let way_in = match (change.new, root) {
        (NewPassword::Sealed { kdf, way_in }, _) => {
            check_kdf(kdf)?;
            check_wrapped("password.wrapped_seed", &way_in.wrapped_seed)?;
            way_in
        }
        (NewPassword::Password(new), Some(root)) => {
            check_password("new_password", &new)?;
            let wrapped = Bytes(row.wrapped_seed_password.clone().unwrap_or_default());
            let secrets = root.unlock(account.0, &wrapped)?;
            let new_root = stretch::password(service, new, salt, kdf).await?;
            vault_account::change_password(&secrets, &new_root, &mut service.rng())
        }
        (NewPassword::Password(_), None) => {
            return Err(Failure::field("current_password", "is missing"));
        }
    };
    let keep = caller.session_id();
    let (this, mut rng, from) = (service.clone(), service.rng(), caller.origin.address);
    service
        .store()
        .write("password.change", move |tx| {
            write_password(tx, &this, &row, &way_in, now)?;
            rows::end_all(tx, account, keep, now)?;
            events::tell(tx, [account], events::SESSION_END, account.0, now)?;
            let to = this
                .protect()
                .open_text(columns::ACCOUNT_EMAIL, account.0, &row.email_p)?;
            mail::queue(
                tx,
                &this,
                &to,
                &Content::PasswordChanged { at: now },
                now,
                &mut rng,
            )?;
            let entry = NewEntry::new(
                TrailAction::PasswordChange,
                now,
                TrailActor::Account(account),
            )
            .from(from);
            trail::append(tx, entry, &mut rng)?;
            Ok(())
        })
        .await
}

pub(super) fn email_of(service: &Service, row: &AccountRow) -> Result<Email, AccountFailure> {
    let text = service
        .protect()
        .open_text(columns::ACCOUNT_EMAIL, row.id.0, &row.email_p)?;
    Email::parse(&text).map_err(|_| Failure::Internal("a stored address"))
}

pub(super) fn write_password(
    tx: &mut Tx,
    service: &Service,
    row: &AccountRow,
    way_in: &WayIn,
    now: Timestamp,
) -> Result<(), StoreError> {
    let kdf = KdfParams::from(Params::DEFAULT);
    account_rows::update_password(
        tx,
        row.id,
        &PasswordWayIn {
            kdf: (kdf.m_kib, kdf.t, kdf.p),
            auth_hash: kept(service, row.id, secrets::PASSWORD, way_in),
            wrapped_seed: &way_in.wrapped_seed.0,
        },
        now,
    )
}

/// One try of a recovery code.
async fn spend(service: &Service, origin: &Origin, email: &Email) -> Result<(), AccountFailure> {
    limits::spend(
        service,
        Limit::RecoverAddress,
        &limits::network(origin.address),
    )
    .await?;
    limits::spend(service, Limit::Recover, email.normal()).await
}

async fn find_by_code(
    service: &Service,
    origin: &Origin,
    email: &Email,
    proof: &Secret,
) -> Result<AccountRow, AccountFailure> {
    let found = super::sign_in::find_by_proof(service, email, secrets::RECOVERY, proof)
        .await
        .map_err(|failure| failure.map(|_| AccountError::RecoveryRefused))?;
    let Some(row) = found else {
        limits::refused(service, origin, TrailAction::SessionRefuse);
        return Err(AccountError::RecoveryRefused.into());
    };
    if row.status == "disabled" {
        return Err(Refusal::Disabled.into());
    }
    Ok(row)
}

/// Comes back with a recovery code: a new password, a session, a new code.
///
/// # Errors
/// [`AccountError::RecoveryRefused`] for a code that is none or belongs to
/// nobody on that address; a rule of the password; [`Failure::Limited`].
pub async fn recover(
    service: &Service,
    origin: &Origin,
    recovery: Recovery,
) -> Result<Recovered, AccountFailure> {
    spend(service, origin, &recovery.email).await?;
    let code = RecoveryCode::parse(&recovery.code).map_err(|_| AccountError::RecoveryRefused)?;
    let row = find_by_code(service, origin, &recovery.email, &code.auth_key()).await?;
    check_password("new_password", &recovery.new_password)?;
    let wrapped = Bytes(row.wrapped_seed_recovery.clone().unwrap_or_default());
    let opened = vault_account::unlock_by_recovery(&code, row.id.0, &wrapped)?;
    let salt = service.protect().prelogin_salt(&recovery.email);
    let kdf = KdfParams::from(Params::DEFAULT);
    let root = stretch::password(service, recovery.new_password, salt, kdf).await?;
    let mut rng = service.rng();
    let password = vault_account::change_password(&opened, &root, &mut rng);
    let (code, way_in) = vault_account::change_recovery(&opened, &mut rng);
    let signed_in = store(service, origin, row, password, way_in, Some(&opened)).await?;
    Ok(Recovered {
        signed_in,
        recovery_code: Some(code.to_text()),
    })
}

/// The first half of a sealed recovery: the wrapped seed and a ticket.
///
/// # Errors
/// As [`recover`].
pub async fn begin_recovery(
    service: &Service,
    origin: &Origin,
    email: Email,
    proof: Secret,
) -> Result<RecoveryTicket, AccountFailure> {
    spend(service, origin, &email).await?;
    let row = find_by_code(service, origin, &email, &proof).await?;
    let (now, mut rng) = (service.now(), service.rng());
    let (ticket, hash) = secrets::new_token(service, TICKET, &mut rng);
    let account = row.id;
    let previous_seeds = service
        .store()
        .write("recovery.ticket", move |tx| {
            tokens::delete(tx, account, TICKET)?;
            tokens::insert(
                tx,
                &TokenRow {
                    hash,
                    purpose: TICKET.to_owned(),
                    account: Some(account),
                    data_p: None,
                    expires_at: after(now, TICKET_TTL_SECS),
                },
            )?;
            super::sign_in::previous_seeds(tx, account)
        })
        .await
        .map_err(|error: StoreError| AccountFailure::from(error))?;
    Ok(RecoveryTicket {
        account,
        wrapped_seed: Bytes(row.wrapped_seed_recovery.unwrap_or_default()),
        previous_seeds,
        ticket,
    })
}

/// The second half: new ways in for the ticket.
///
/// # Errors
/// [`AccountError::TokenUnknown`] for a ticket that does not count.
pub async fn finish_recovery(
    service: &Service,
    origin: &Origin,
    ticket: &str,
    kdf: KdfParams,
    password: WayIn,
    recovery: WayIn,
) -> Result<Recovered, AccountFailure> {
    check_kdf(kdf)?;
    check_wrapped("password.wrapped_seed", &password.wrapped_seed)?;
    check_wrapped("recovery.wrapped_seed", &recovery.wrapped_seed)?;
    let hash = secrets::token_hash(service, TICKET, ticket).ok_or(AccountError::TokenUnknown)?;
    let now = service.now();
    let row = service
        .store()
        .write("recovery.take", move |tx| {
            let account = tokens::take(tx, &hash, TICKET, now)?
                .and_then(|token| token.account)
                .ok_or(AccountError::TokenUnknown)?;
            Ok::<_, AccountFailure>(
                account_rows::lookup(tx, account)?.ok_or(AccountError::TokenUnknown)?,
            )
        })
        .await?;
    let signed_in = store(service, origin, row, password, recovery, None).await?;
    Ok(Recovered {
        signed_in,
        recovery_code: None,
    })
}

/// Replaces both ways in, ends every session, and makes a new one.
async fn store(
    service: &Service,
    origin: &Origin,
    row: AccountRow,
    password: WayIn,
    recovery: WayIn,
    opened: Option<&AccountSecrets>,
) -> Result<SignedIn, AccountFailure> {
    let account = crate::accounts::view(service, &row)?;
    let made = super::sign_in::NewSession::make(service, row.id, opened, origin);
    let tokens = made.tokens(service);
    let wrapped_seed = opened.is_none().then(|| password.wrapped_seed.clone());
    let (now, this, mut rng) = (service.now(), service.clone(), service.rng());
    let origin = origin.clone();
    let (patients, previous_seeds) = service
        .store()
        .write("recovery.use", move |tx| {
            let old = row.recovery_auth_hash.unwrap_or_default();
            let new = kept(&this, row.id, secrets::RECOVERY, &recovery);
            let wrapped = &recovery.wrapped_seed.0;
            // A code counts once: whoever comes second finds another hash.
            if !account_rows::update_recovery(tx, row.id, &old, &new, wrapped, now)? {
                return Err(AccountError::RecoveryRefused.into());
            }
            write_password(tx, &this, &row, &password, now)?;
            rows::end_all(tx, row.id, None, now)?;
            events::tell(tx, [row.id], events::SESSION_END, row.id.0, now)?;
            super::sign_in::insert(tx, &made, &origin, &mut rng)?;
            let to = this
                .protect()
                .open_text(columns::ACCOUNT_EMAIL, row.id.0, &row.email_p)?;
            mail::queue(
                tx,
                &this,
                &to,
                &Content::RecoveryUsed { at: now },
                now,
                &mut rng,
            )?;
            for action in [TrailAction::RecoveryUse, TrailAction::PasswordChange] {
                let entry =
                    NewEntry::new(action, now, TrailActor::Account(row.id)).from(origin.address);
                trail::append(tx, entry, &mut rng)?;
            }
            let seeds = super::sign_in::previous_seeds(tx, row.id)?;
            Ok::<_, AccountFailure>((super::sign_in::managed(tx, row.id)?, seeds))
        })
        .await?;
    Ok(SignedIn {
        tokens,
        account,
        patients,
        wrapped_seed,
        previous_seeds,
    })
}
