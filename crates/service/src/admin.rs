//! Administration: providers waiting for an admin's eye, accounts. An admin
//! reads nobody's record, and cannot switch themselves off.

use chartkey_domain::accounts::{AccountError, Verification, VerificationDecision};
use chartkey_domain::ids::AccountId;
use chartkey_domain::policy::{self, Action, Noun, Refusal, Target};
use chartkey_domain::text;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_store::accounts as rows;
use chartkey_store::sessions;
use jiff::Timestamp;

use crate::accounts::{AccountFailure, AccountView, view};
use crate::letters::Content;
use crate::{Caller, Failure, Service, columns, events, mail, trail};

mod health;

pub use health::{
    CheckpointPage, CheckpointView, RETRIED, SystemHealth, find_system_health, list_checkpoints,
    retry_jobs,
};

/// Longest reason, in characters.
const MAX_REASON: usize = 500;

/// Where a page ends.
pub type Place = (Timestamp, AccountId);

/// A page of accounts.
pub struct AccountPage {
    /// The accounts.
    pub items: Vec<AccountView>,
    /// Where the next page goes on.
    pub next: Option<Place>,
}

/// Providers in one state of verification, the longest waiting first.
///
/// # Errors
/// The policy's.
pub async fn list_providers(
    service: &Service,
    caller: &Caller,
    verification: Verification,
    after: Option<Place>,
    limit: u32,
) -> Result<AccountPage, AccountFailure> {
    policy::permit(
        &caller.who,
        Action::ListAdminProviders,
        &Target::Deployment,
        service.now(),
    )?;
    let this = service.clone();
    service
        .store()
        .read("admin.providers", move |reader| {
            let word = verification.as_str();
            let found = rows::list_by_verification(reader, word, after, limit.saturating_add(1))?;
            page(&this, found, limit)
        })
        .await
}

/// Every account, newest first.
///
/// # Errors
/// The policy's.
pub async fn list_accounts(
    service: &Service,
    caller: &Caller,
    before: Option<Place>,
    limit: u32,
) -> Result<AccountPage, AccountFailure> {
    policy::permit(
        &caller.who,
        Action::ListAdminAccounts,
        &Target::Deployment,
        service.now(),
    )?;
    let this = service.clone();
    service
        .store()
        .read("admin.accounts", move |reader| {
            let found = rows::list(reader, before, limit.saturating_add(1))?;
            page(&this, found, limit)
        })
        .await
}

fn page(
    service: &Service,
    mut found: Vec<rows::AccountRow>,
    limit: u32,
) -> Result<AccountPage, AccountFailure> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > wanted;
    found.truncate(wanted);
    let next = found
        .last()
        .filter(|_| more)
        .map(|row| (row.created_at, row.id));
    let items = found
        .iter()
        .map(|row| view(service, row))
        .collect::<Result<_, _>>()?;
    Ok(AccountPage { items, next })
}

/// Decides about a provider, tells them, and answers what they are now.
///
/// # Errors
/// The policy's; [`Refusal::Unknown`] where there is no such provider.
pub async fn verify_provider(
    service: &Service,
    caller: &Caller,
    provider: AccountId,
    decision: VerificationDecision,
    reason: Option<String>,
) -> Result<AccountView, AccountFailure> {
    let now = service.now();
    let permit = policy::permit(
        &caller.who,
        Action::VerifyProvider,
        &Target::Account(provider),
        now,
    )?;
    let reason = text::optional_line(reason.as_deref(), MAX_REASON)
        .map_err(|error| Failure::field("reason", &error.to_string()))?;
    let (this, mut rng, from) = (service.clone(), service.rng(), caller.origin.address);
    service
        .store()
        .write("provider.verify", move |tx| {
            let reason_p = reason.map(|text| {
                this.protect().seal(
                    columns::VERIFICATION_REASON,
                    provider.0,
                    text.as_bytes(),
                    &mut rng,
                )
            });
            let outcome = decision.outcome();
            let there = rows::update_verification(
                tx,
                provider,
                outcome.as_str(),
                reason_p.as_deref(),
                now,
            )?;
            if !there {
                return Err(Refusal::Unknown(Noun::Account).into());
            }
            let row = rows::lookup(tx, provider)?.ok_or(AccountError::Unknown)?;
            let shown = view(&this, &row)?;
            let content = Content::provider_verified(outcome);
            mail::queue(tx, &this, &shown.email, &content, now, &mut rng)?;
            let entry = NewEntry::under(TrailAction::ProviderVerify, now, &permit)
                .detail("account", Detail::Id(provider.0))
                .detail("decision", Detail::Word(decision.as_str()))
                .from(from);
            trail::append(tx, entry, &mut rng)?;
            Ok(shown)
        })
        .await
}

/// Switches an account off, ending its sessions, or on again.
///
/// # Errors
/// The policy's; [`Refusal::Unknown`] where there is no such account.
pub async fn disable_account(
    service: &Service,
    caller: &Caller,
    account: AccountId,
    disabled: bool,
) -> Result<AccountView, AccountFailure> {
    let now = service.now();
    let permit = policy::permit(
        &caller.who,
        Action::DisableAccount,
        &Target::Account(account),
        now,
    )?;
    let (this, mut rng, from) = (service.clone(), service.rng(), caller.origin.address);
    service
        .store()
        .write("account.disable", move |tx| {
            let row = rows::lookup(tx, account)?.ok_or(Refusal::Unknown(Noun::Account))?;
            let status = match (disabled, row.email_verified_at) {
                (true, _) => "disabled",
                (false, Some(_)) => "active",
                (false, None) => "pending",
            };
            rows::update_status(tx, account, status, now)?;
            if disabled {
                sessions::end_all(tx, account, None, now)?;
                events::tell(tx, [account], events::SESSION_END, account.0, now)?;
            }
            let entry = NewEntry::under(TrailAction::AccountDisable, now, &permit)
                .detail("account", Detail::Id(account.0))
                .detail(
                    "decision",
                    Detail::Word(if disabled { "disable" } else { "enable" }),
                )
                .from(from);
            trail::append(tx, entry, &mut rng)?;
            let row = rows::lookup(tx, account)?.ok_or(AccountError::Unknown)?;
            view(&this, &row)
        })
        .await
}
