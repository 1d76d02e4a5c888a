//! Users as the practice API knows them: accounts, and people who were invited
//! to one. An invited user has no keys, and nothing can be granted to them before
//! they sign in for the first time.

use chartkey_domain::accounts::{AccountError, AccountKind, Email, parse_name};
use chartkey_domain::charts::MAX_PLATFORM_ID;
use chartkey_domain::ids::AccountId;
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, Noun, Refusal, Target};
use chartkey_domain::sessions::after;
use chartkey_domain::text;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_store::accounts::{self as account_rows, AccountRow};
use chartkey_store::charts::{self as rows, UserRow};
use chartkey_store::{Reader, StoreError, Tx, sessions};
use chartkey_vault::error::VaultError;
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::accounts::AccountFailure;
use crate::letters::Content;
use crate::{Caller, Failure, Service, charts, columns, events, limits, mail, shares, trail};

/// How long an invitation to an account is said to last, in seconds.
const INVITED_SECS: i64 = 30 * 24 * 60 * 60;
/// The state of an account that was made for somebody else.
const INVITED: &str = "invited";

/// A user of the practice API.
#[derive(Clone, Debug)]
pub struct User {
    /// The account.
    pub id: AccountId,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// `Patient`, `Admin`, or a provider's free-text type.
    pub user_type: String,
    /// What the practice's platform calls them.
    pub platform_id: Option<String>,
    /// Whether they were invited and have not come yet.
    pub invited: bool,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Somebody to invite.
#[derive(Clone)]
pub struct NewUser {
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// `Patient`, or a provider's type.
    pub user_type: String,
    /// What the practice's platform calls them.
    pub platform_id: Option<String>,
}

/// What changes of a user; what is left out stays.
#[derive(Clone, Default)]
pub struct UserChange {
    /// The name.
    pub name: Option<String>,
    /// What the practice's platform calls them; an empty text takes it away.
    pub platform_id: Option<String>,
}

/// A page of users.
pub struct UserPage {
    /// The users, newest first.
    pub items: Vec<User>,
    /// Where the next page goes on.
    pub next: Option<crate::admin::Place>,
}

fn view(db: &mut Reader, service: &Service, row: &AccountRow) -> Result<User, AccountFailure> {
    let id = row.id.0;
    let protect = service.protect();
    let kind = AccountKind::parse(&row.kind).ok_or(Failure::Internal("a kind of account"))?;
    let user_type = match kind {
        AccountKind::Patient => "Patient".to_owned(),
        AccountKind::Admin => "Admin".to_owned(),
        AccountKind::Provider => protect
            .open_optional(columns::PROVIDER_TYPE, id, row.provider_type_p.as_deref())?
            .map(|text| text.to_string())
            .unwrap_or_default(),
    };
    let kept = rows::lookup_user(db, row.id)?;
    let platform_id = protect.open_optional(
        columns::USER_PLATFORM_ID,
        id,
        kept.and_then(|k| k.platform_id_p).as_deref(),
    )?;
    Ok(User {
        id: row.id,
        email: protect
            .open_text(columns::ACCOUNT_EMAIL, id, &row.email_p)?
            .to_string(),
        name: protect
            .open_text(columns::ACCOUNT_NAME, id, &row.name_p)?
            .to_string(),
        user_type,
        platform_id: platform_id.map(|text| text.to_string()),
        invited: row.status == INVITED,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The account that an id stands for: an invited one leads to the account that
/// the person made.
fn resolve(db: &mut Reader, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
    let kept = rows::lookup_user(db, id)?;
    let id = kept.and_then(|k| k.replaced_by).unwrap_or(id);
    account_rows::lookup(db, id)
}

/// `GET /api/v1/users`.
///
/// # Errors
/// The policy's: admins only.
pub async fn list_users(
    service: &Service,
    caller: &Caller,
    before: Option<crate::admin::Place>,
    limit: u32,
) -> Result<UserPage, AccountFailure> {
    let target = Target::Deployment;
    policy::permit(&caller.who, Action::ListUsers, &target, service.now())?;
    let this = service.clone();
    service
        .store()
        .read("user.list", move |db| {
            let mut found = account_rows::list(db, before, limit.saturating_add(1))?;
            let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = found.len() > wanted;
            found.truncate(wanted);
            let last = found.last().filter(|_| more);
            let next = last.map(|row| (row.created_at, row.id));
            let mut items = Vec::with_capacity(found.len());
            for row in &found {
                let kept = rows::lookup_user(db, row.id)?;
                if kept.is_some_and(|k| k.replaced_by.is_some()) {
                    continue;
                }
                items.push(view(db, &this, row)?);
            }
            Ok(UserPage { items, next })
        })
        .await
}

/// `GET /api/v1/users/{id}`.
///
/// # Errors
/// The policy's: oneself, and admins.
pub async fn find_user(
    service: &Service,
    caller: &Caller,
    id: AccountId,
) -> Result<User, AccountFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("user.find", move |db| {
            let row = resolve(db, id)?;
            let about = row.as_ref().map_or(id, |row| row.id);
            let target = Target::Account(about);
            policy::permit(&asking.who, Action::FindUser, &target, now)?;
            let row = row.ok_or(Refusal::Unknown(Noun::Account))?;
            view(db, &this, &row)
        })
        .await
}

/// `POST /api/v1/users`: makes an account that waits for its person, and invites
/// them by mail. Admins may invite anybody, practitioners with a caseload patients.
///
/// # Errors
/// The policy's, a rule of a field, `account.exists` where somebody with that
/// address is there already.
pub async fn create_user(
    service: &Service,
    caller: &Caller,
    new: NewUser,
) -> Result<User, AccountFailure> {
    let now = service.now();
    let email = Email::parse(&new.email)?;
    let name = parse_name(&new.name)?;
    let said = text::line(&new.user_type, 60)
        .map_err(|error| Failure::field("type", &error.to_string()))?;
    let platform_id = platform(new.platform_id.as_deref())?;
    limits::spend(service, Limit::RegisterEmail, email.normal()).await?;
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("user.create", move |tx| {
            let may = charts::may_open(tx, &this, &asking)
                .map_err(|failure| failure.map(|_| AccountError::Unknown))?;
            let target = Target::Caseload(may);
            let permit = policy::permit(&asking.who, Action::CreateUser, &target, now)?;
            let kind = match said.to_lowercase().as_str() {
                "patient" => AccountKind::Patient,
                "admin" => return Err(Failure::field("type", "admins are made by the operator")),
                _ => AccountKind::Provider,
            };
            let caller_kind = asking.account()?.kind;
            if caller_kind != AccountKind::Admin && kind != AccountKind::Patient {
                return Err(Refusal::Forbidden.into());
            }
            let email_hash = this.protect().email_hash(&email);
            if !account_rows::list_by_email(tx, &email_hash)?.is_empty() {
                return Err(Failure::Vault(VaultError::Conflict(
                    "account.exists".to_owned(),
                )));
            }
            let row = invited(&this, &email, &name, kind, &said, now, &mut rng);
            account_rows::insert(tx, &row)?;
            let inviter = asking.account()?.id;
            put_platform(tx, &this, row.id, platform_id, Some(inviter), &mut rng)?;
            let content = Content::Invitation {
                inviter: shares::account_name(tx, &this, inviter)
                    .map_err(|_| Failure::Internal("a name"))?
                    .unwrap_or_default(),
                token: None,
                valid_until: after(now, INVITED_SECS),
            };
            mail::queue(tx, &this, email.address(), &content, now, &mut rng)?;
            let entry = NewEntry::under(TrailAction::UserInvite, now, &permit)
                .detail("account", Detail::Id(row.id.0));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            view(tx, &this, &row)
        })
        .await
}

fn platform(typed: Option<&str>) -> Result<Option<String>, AccountFailure> {
    text::optional_line(typed, MAX_PLATFORM_ID)
        .map_err(|error| Failure::field("carepatron_id", &error.to_string()))
}

/// An account without keys or ways in.
fn invited(
    service: &Service,
    email: &Email,
    name: &str,
    kind: AccountKind,
    said: &str,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> AccountRow {
    let protect = service.protect();
    let id = AccountId::new(now.as_millisecond().unsigned_abs(), rng);
    let mut seal = |column, text: &str| protect.seal(column, id.0, text.as_bytes(), rng);
    let is_provider = kind == AccountKind::Provider;
    AccountRow {
        id,
        kind: kind.as_str().to_owned(),
        email_p: seal(columns::ACCOUNT_EMAIL, email.address()),
        email_hash: protect.email_hash(email),
        name_p: seal(columns::ACCOUNT_NAME, name),
        status: INVITED.to_owned(),
        email_verified_at: None,
        provider_type_p: is_provider.then(|| seal(columns::PROVIDER_TYPE, said)),
        license_number_p: None,
        license_country: None,
        organization_p: None,
        verification: if is_provider { "pending" } else { "none" }.to_owned(),
        verified_at: None,
        kdf: None,
        auth_hash: None,
        wrapped_seed_password: None,
        recovery_auth_hash: None,
        wrapped_seed_recovery: None,
        kem_public: None,
        sign_public: None,
        preferences_p: None,
        created_at: now,
        updated_at: now,
    }
}

fn put_platform(
    tx: &mut Tx,
    service: &Service,
    account: AccountId,
    platform_id: Option<String>,
    invited_by: Option<AccountId>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let kept = rows::lookup_user(tx, account)?;
    let sealed = platform_id.map(|text| {
        let column = columns::USER_PLATFORM_ID;
        service
            .protect()
            .seal(column, account.0, text.as_bytes(), rng)
    });
    rows::put_user(
        tx,
        &UserRow {
            account,
            platform_id_p: sealed,
            invited_by: invited_by.or_else(|| kept.as_ref().and_then(|k| k.invited_by)),
            replaced_by: kept.and_then(|k| k.replaced_by),
        },
    )
}

/// `PUT /api/v1/users/{id}`.
///
/// # Errors
/// The policy's, a rule of a field.
pub async fn update_user(
    service: &Service,
    caller: &Caller,
    id: AccountId,
    change: UserChange,
) -> Result<User, AccountFailure> {
    let now = service.now();
    let name = change.name.as_deref().map(parse_name).transpose()?;
    let platform_id = match change.platform_id.as_deref() {
        None => None,
        Some(typed) => Some(platform(Some(typed))?),
    };
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("user.update", move |tx| {
            let row = resolve(tx, id)?;
            let about = row.as_ref().map_or(id, |row| row.id);
            let target = Target::Account(about);
            let permit = policy::permit(&asking.who, Action::UpdateUser, &target, now)?;
            let row = row.ok_or(Refusal::Unknown(Noun::Account))?;
            if let Some(name) = &name {
                let column = columns::ACCOUNT_NAME;
                let sealed = this
                    .protect()
                    .seal(column, row.id.0, name.as_bytes(), &mut rng);
                let preferences = row.preferences_p.as_deref();
                account_rows::update_profile(tx, row.id, &sealed, preferences, now)?;
            }
            if let Some(platform_id) = platform_id {
                put_platform(tx, &this, row.id, platform_id, None, &mut rng)?;
            }
            let entry = NewEntry::under(TrailAction::UserUpdate, now, &permit)
                .detail("account", Detail::Id(row.id.0));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            let row = account_rows::lookup(tx, row.id)?.ok_or(Refusal::Unknown(Noun::Account))?;
            view(tx, &this, &row)
        })
        .await
}

/// `DELETE /api/v1/users/{id}`: ends the sign-in; an invited user is forgotten. A
/// patient's record is destroyed by its owner only.
///
/// # Errors
/// The policy's: admins, and never oneself.
pub async fn delete_user(
    service: &Service,
    caller: &Caller,
    id: AccountId,
) -> Result<(), AccountFailure> {
    let now = service.now();
    let (asking, mut rng) = (caller.clone(), service.rng());
    service
        .store()
        .write("user.delete", move |tx| {
            let row = resolve(tx, id)?;
            let about = row.as_ref().map_or(id, |row| row.id);
            let target = Target::Account(about);
            let permit = policy::permit(&asking.who, Action::DeleteUser, &target, now)?;
            let row = row.ok_or(Refusal::Unknown(Noun::Account))?;
            if row.status == INVITED {
                account_rows::delete(tx, row.id)?;
            } else {
                account_rows::update_status(tx, row.id, "disabled", now)?;
                sessions::end_all(tx, row.id, None, now)?;
                events::tell(tx, [row.id], events::SESSION_END, row.id.0, now)?;
            }
            let entry = NewEntry::under(TrailAction::AccountDisable, now, &permit)
                .detail("account", Detail::Id(row.id.0))
                .detail("decision", Detail::Word("disable"));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok(())
        })
        .await
}

/// An invited account gives way to the one that its person made: its id leads
/// there from now on.
///
/// # Errors
/// The database's.
pub(crate) fn replace_invited(
    tx: &mut Tx,
    service: &Service,
    made: &AccountRow,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), AccountFailure> {
    for row in account_rows::list_by_email(tx, &made.email_hash)? {
        if row.status != INVITED || row.id == made.id {
            continue;
        }
        let kept = rows::lookup_user(tx, row.id)?;
        let platform = service.protect().open_optional(
            columns::USER_PLATFORM_ID,
            row.id.0,
            kept.as_ref().and_then(|k| k.platform_id_p.as_deref()),
        )?;
        let by = kept.as_ref().and_then(|k| k.invited_by);
        let platform = platform.map(|text| text.to_string());
        put_platform(tx, service, made.id, platform, by, rng)?;
        rows::put_user(
            tx,
            &UserRow {
                account: row.id,
                platform_id_p: None,
                invited_by: by,
                replaced_by: Some(made.id),
            },
        )?;
        account_rows::update_status(tx, row.id, "disabled", now)?;
    }
    Ok(())
}
