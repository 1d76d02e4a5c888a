//! Accounts: registration, verifying an address, the profile, public keys.
//!
//! Whatever somebody outside can see is the same whether an address is taken
//! or not: answers, and the work behind them.

use chartkey_domain::accounts::{
    AccountError, AccountKind, Email, MAX_PENDING_PER_ADDRESS, PENDING_TTL_SECS, Verification,
};
use chartkey_domain::ids::{AccountId, PatientId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, Noun, Refusal, Target};
use chartkey_domain::sessions::{EMAIL_TOKEN_TTL_SECS, after};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_store::accounts::{self as rows, AccountRow};
use chartkey_store::tokens::{self, TokenRow};
use chartkey_store::{StoreError, Tx, patients};
use chartkey_vault::Bytes;
use chartkey_vault::protocol::AccountKeys;

use jiff::Timestamp;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::caller::{Caller, Origin};
use crate::letters::Content;
use crate::{Failure, Service, columns, limits, mail, secrets, trail};

mod delete;
mod profile;
mod register;

pub use delete::delete_account;
pub(crate) use delete::{destroy, forget_body};
pub use profile::{PatientView, Profile, ProfileChange, find_profile, update_profile};
pub use register::{Credentials, Registered, create_admin, register};
pub(crate) use register::{check_kdf, check_password, check_wrapped};

/// What any use case about accounts fails with.
pub type AccountFailure = Failure<AccountError>;

/// Purpose of the token in a verification mail.
const VERIFY: &str = "account.verify";

/// An account as its owner and admins see it.
#[derive(Clone)]
pub struct AccountView {
    /// Its id.
    pub id: AccountId,
    /// Patient, provider or admin.
    pub kind: AccountKind,
    /// The address.
    pub email: String,
    /// Whether it is verified.
    pub email_verified: bool,
    /// The name.
    pub name: String,
    /// Whether an admin switched it off.
    pub disabled: bool,
    /// Of providers.
    pub provider: Option<ProviderView>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a provider's account has besides.
#[derive(Clone)]
pub struct ProviderView {
    /// Free text.
    pub provider_type: String,
    /// The licence.
    pub license_number: String,
    /// Its country.
    pub license_country: String,
    /// Where they work.
    pub organization: Option<String>,
    /// What admins found.
    pub verification: Verification,
}

/// Opens an account's row.
pub(crate) fn view(service: &Service, row: &AccountRow) -> Result<AccountView, AccountFailure> {
    let protect = service.protect();
    let id = row.id.0;
    let text = |column, protected: &[u8]| {
        protect
            .open_text(column, id, protected)
            .map(|t| t.to_string())
    };
    let optional = |column, protected: Option<&[u8]>| {
        protect
            .open_optional(column, id, protected)
            .map(|text| text.map(|t| t.to_string()))
    };
    let kind = AccountKind::parse(&row.kind).ok_or(Failure::Internal("a kind of account"))?;
    let provider = if kind == AccountKind::Provider {
        Some(ProviderView {
            provider_type: optional(columns::PROVIDER_TYPE, row.provider_type_p.as_deref())?
                .unwrap_or_default(),
            license_number: optional(columns::LICENSE_NUMBER, row.license_number_p.as_deref())?
                .unwrap_or_default(),
            license_country: row.license_country.clone().unwrap_or_default(),
            organization: optional(columns::ORGANIZATION, row.organization_p.as_deref())?,
            verification: Verification::parse(&row.verification)
                .ok_or(Failure::Internal("a state of verification"))?,
        })
    } else {
        None
    };
    Ok(AccountView {
        id: row.id,
        kind,
        email: text(columns::ACCOUNT_EMAIL, &row.email_p)?,
        email_verified: row.email_verified_at.is_some(),
        name: text(columns::ACCOUNT_NAME, &row.name_p)?,
        disabled: row.status == "disabled",
        provider,
        created_at: row.created_at,
    })
}

/// A fresh token for a verification mail, stored, and its letter queued.
pub(crate) fn queue_verification(
    tx: &mut Tx,
    service: &Service,
    account: AccountId,
    to: &str,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let (token, hash) = secrets::new_token(service, VERIFY, rng);
    tokens::insert(
        tx,
        &TokenRow {
            hash,
            purpose: VERIFY.to_owned(),
            account: Some(account),
            data_p: None,
            expires_at: after(now, EMAIL_TOKEN_TTL_SECS),
        },
    )?;
    let content = Content::VerifyEmail {
        token: token.to_string(),
        valid_until: after(now, EMAIL_TOKEN_TTL_SECS),
    };
    mail::queue(tx, service, to, &content, now, rng)
}

/// Shows that an address is its account's: the token came with a mail to it.
/// The first account that does so owns the address.
///
/// # Errors
/// [`AccountError::TokenUnknown`] for a token that does not count, and for an
/// address that another account has verified meanwhile.
pub async fn verify_email(
    service: &Service,
    origin: &Origin,
    token: &str,
) -> Result<(), AccountFailure> {
    limits::spend(service, Limit::Verify, &limits::network(origin.address)).await?;
    let hash = secrets::token_hash(service, VERIFY, token).ok_or(AccountError::TokenUnknown)?;
    let (now, mut rng, from) = (service.now(), service.rng(), origin.address);
    let this = service.clone();
    service
        .store()
        .write("account.verify", move |tx| {
            let account = tokens::take(tx, &hash, VERIFY, now)?
                .and_then(|token| token.account)
                .ok_or(AccountError::TokenUnknown)?;
            let row = rows::lookup(tx, account)?.ok_or(AccountError::TokenUnknown)?;
            if row.email_verified_at.is_some() {
                return Ok(());
            }
            let taken = rows::list_by_email(tx, &row.email_hash)?
                .iter()
                .any(|other| other.email_verified_at.is_some());
            if taken {
                return Err(AccountError::TokenUnknown.into());
            }
            rows::verify_email(tx, account, now)?;
            crate::users::replace_invited(tx, &this, &row, now, &mut rng)?;
            tokens::delete(tx, account, VERIFY)?;
            let entry = NewEntry::new(
                TrailAction::AccountVerify,
                now,
                TrailActor::Account(account),
            )
            .from(from);
            trail::append(tx, entry, &mut rng)?;
            Ok(())
        })
        .await
}

/// Sends another verification mail to the caller's own address.
///
/// # Errors
/// The policy's.
pub async fn resend_verification(service: &Service, caller: &Caller) -> Result<(), AccountFailure> {
    let now = service.now();
    let account = caller.account()?.id;
    policy::permit(
        &caller.who,
        Action::ResendVerification,
        &Target::Account(account),
        now,
    )?;
    limits::spend(service, Limit::VerifyMail, &account.to_string()).await?;
    let (this, mut rng) = (service.clone(), service.rng());
    service
        .store()
        .write("account.resend", move |tx| {
            let row = rows::lookup(tx, account)?.ok_or(AccountError::Unknown)?;
            let taken = rows::list_by_email(tx, &row.email_hash)?
                .iter()
                .any(|other| other.email_verified_at.is_some());
            if taken {
                // Verified already, by this account or another: nothing to send.
                return Ok(());
            }
            let to = this
                .protect()
                .open_text(columns::ACCOUNT_EMAIL, account.0, &row.email_p)?;
            queue_verification(tx, &this, account, &to, now, &mut rng)?;
            Ok(())
        })
        .await
}

/// An account's public keys with the statements that vouch for them.
///
/// # Errors
/// The policy's; [`AccountError::Unknown`].
pub async fn find_keys(
    service: &Service,
    caller: &Caller,
    account: AccountId,
) -> Result<AccountKeys, AccountFailure> {
    policy::permit(
        &caller.who,
        Action::FindAccountKeys,
        &Target::Account(account),
        service.now(),
    )?;
    let stored = service
        .store()
        .read("account.keys", move |reader| {
            rows::list_statements(reader, account)
        })
        .await
        .map_err(|error: StoreError| AccountFailure::from(error))?;
    if stored.is_empty() {
        return Err(Refusal::Unknown(Noun::Account).into());
    }
    let statements = stored
        .iter()
        .map(secrets::to_statement)
        .collect::<Option<Vec<_>>>()
        .ok_or(Failure::Internal("a stored statement"))?;
    Ok(AccountKeys {
        account: account.0,
        statements,
    })
}

/// Deletes accounts that never verified their address in time, with what
/// belongs to them; how many.
pub(crate) async fn expire_pending(service: &Service) -> Result<u64, AccountFailure> {
    let (now, mut rng) = (service.now(), service.rng());
    let before = after(now, -PENDING_TTL_SECS);
    service
        .store()
        .write("account.expire", move |tx| {
            let gone = rows::delete_expired_pending(tx, before, 100)?;
            for account in &gone {
                let entry = NewEntry::new(TrailAction::AccountExpire, now, TrailActor::System)
                    .detail("account", Detail::Id(account.0));
                trail::append(tx, entry, &mut rng)?;
            }
            Ok(gone.len() as u64)
        })
        .await
}
