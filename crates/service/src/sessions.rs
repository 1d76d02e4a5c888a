//! Sign-ins: making, refreshing, listing and ending sessions.
//!
//! One session is one row from sign-in to sign-out. Its refresh token rotates;
//! a refresh token that comes a second time ends the session, because somebody
//! else may have it. An assisted session keeps the account's seed wrapped
//! under secrets that only its tokens carry, together with the server's key.

use chartkey_crypto::{Secret, encode, wrap};
use chartkey_domain::accounts::Email;
use chartkey_domain::ids::{AccountId, PatientId, SessionId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, Noun, Refusal, SessionFacts, Target};
use chartkey_domain::sessions::{ACCESS_TTL_SECS, SESSION_TTL_SECS, SessionError, after};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_store::accounts::{self as account_rows, AccountRow};
use chartkey_store::sessions::{self as rows, Rotation, SessionRow};
use chartkey_store::{StoreError, Tx, patients};
use chartkey_vault::Bytes;
use chartkey_vault::keys::AccountSecrets;
use chartkey_vault::protocol::KdfParams;
use jiff::Timestamp;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::caller::{Caller, Origin, TokenSecret};
use crate::letters::Content;
use crate::{Failure, Service, columns, events, limits, mail, secrets, stretch, trail};

mod refresh;
mod rekey;
mod sign_in;
mod ways_in;

pub use refresh::refresh;
pub use rekey::rekey;
pub(crate) use rekey::{prove, reopen};
pub use sign_in::{Proof, SignedIn, prelogin, sign_in};
pub use ways_in::{
    NewPassword, PasswordChange, Recovered, Recovery, RecoveryTicket, begin_recovery,
    change_password, finish_recovery, recover,
};

/// What any use case about sessions fails with.
pub type SessionFailure = Failure<SessionError>;

/// What an access token is made of.
#[derive(Clone, Debug)]
pub struct AccessGrant {
    /// Whose.
    pub account: AccountId,
    /// Of which session.
    pub session: SessionId,
    /// When its holder last showed who they are.
    pub auth_time: Timestamp,
    /// Until when it counts.
    pub expires_at: Timestamp,
    /// The 32 random bytes that it carries.
    pub secret: TokenSecret,
}

/// A pair of tokens.
pub struct TokenPair {
    /// What the access token is made of.
    pub access: AccessGrant,
    /// The refresh token, as text.
    pub refresh: Zeroizing<String>,
}

/// A session as its owner sees it.
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// What the client calls itself.
    pub device: Option<String>,
    /// Where it signed in from.
    pub address: Option<String>,
    /// Whether it opens content on the server.
    pub assisted: bool,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Purposes of a session's wrapped seeds.
const ACCESS: &str = "access";
const REFRESH: &str = "refresh";

/// The seed of an assisted session's account, opened for one request.
///
/// # Errors
/// [`SessionError::Locked`] for the session of a sealed client, and where the
/// token's copy is gone.
pub async fn unlock(service: &Service, caller: &Caller) -> Result<AccountSecrets, SessionFailure> {
    let facts = *caller.account()?;
    let (session, secret) = caller.session.clone().ok_or(SessionError::Missing)?;
    if !facts.assisted {
        return Err(SessionError::Locked.into());
    }
    let now = service.now();
    let account = facts.id;
    let (row, older) = service
        .store()
        .read("session.unlock", move |reader| {
            let row = rows::lookup(reader, session)?;
            Ok((row, account_rows::list_seeds(reader, account)?))
        })
        .await
        .map_err(|error: StoreError| SessionFailure::from(error))?;
    let row = row
        .filter(|row| row.ended_at.is_none() && row.expires_at > now)
        .ok_or(SessionError::Ended)?;
    let older: Vec<Bytes> = older.into_iter().map(Bytes).collect();
    let previous = row
        .previous_access_seed
        .as_deref()
        .filter(|_| row.previous_access_until.is_some_and(|until| until > now));
    let seed = [row.access_seed.as_deref(), previous]
        .into_iter()
        .flatten()
        .find_map(|wrapped| unwrap_seed(service, ACCESS, session, facts.id, &secret, wrapped))
        .ok_or(SessionError::Locked)?;
    let mut secrets = AccountSecrets::new(facts.id.0, seed);
    secrets.take_previous(&older)?;
    Ok(secrets)
}

fn seed_place(purpose: &str, session: SessionId, account: AccountId) -> Vec<u8> {
    encode::lp(&[
        b"session",
        purpose.as_bytes(),
        session.as_bytes(),
        account.as_bytes(),
    ])
}

fn wrap_seed(
    service: &Service,
    purpose: &'static str,
    session: SessionId,
    secrets: &AccountSecrets,
    token: &Secret,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<u8> {
    let key = service.protect().session_key(purpose, session.0, token);
    let place = seed_place(purpose, session, AccountId(secrets.account()));
    wrap::wrap(&key, &place, secrets.seed().as_bytes(), rng)
}

fn unwrap_seed(
    service: &Service,
    purpose: &'static str,
    session: SessionId,
    account: AccountId,
    token: &Secret,
    wrapped: &[u8],
) -> Option<Secret> {
    let key = service.protect().session_key(purpose, session.0, token);
    wrap::unwrap_secret(&key, &seed_place(purpose, session, account), wrapped).ok()
}

/// The living sessions of the caller's account, newest first.
///
/// # Errors
/// The policy's.
pub async fn list(service: &Service, caller: &Caller) -> Result<Vec<SessionView>, SessionFailure> {
    let (now, account) = (service.now(), caller.account()?.id);
    policy::permit(
        &caller.who,
        Action::ListSessions,
        &Target::Account(account),
        now,
    )?;
    let found = service
        .store()
        .read("session.list", move |reader| {
            rows::list(reader, account, now)
        })
        .await
        .map_err(|error: StoreError| SessionFailure::from(error))?;
    found
        .iter()
        .map(|row| view(service, row, caller.session_id()))
        .collect()
}

/// The session that asks.
///
/// # Errors
/// The policy's.
pub async fn find(service: &Service, caller: &Caller) -> Result<SessionView, SessionFailure> {
    let (now, account) = (service.now(), caller.account()?.id);
    policy::permit(
        &caller.who,
        Action::FindSession,
        &Target::Account(account),
        now,
    )?;
    let id = caller.session_id().ok_or(SessionError::Missing)?;
    let row = service
        .store()
        .read("session.find", move |reader| rows::lookup(reader, id))
        .await
        .map_err(|error: StoreError| SessionFailure::from(error))?
        .ok_or(SessionError::Ended)?;
    view(service, &row, Some(id))
}

fn view(
    service: &Service,
    row: &SessionRow,
    current: Option<SessionId>,
) -> Result<SessionView, SessionFailure> {
    let text = |column, protected: Option<&[u8]>| {
        service
            .protect()
            .open_optional(column, row.id.0, protected)
            .map(|text| text.map(|t| t.to_string()))
    };
    Ok(SessionView {
        id: row.id,
        created_at: row.created_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
        device: text(columns::SESSION_DEVICE, row.device_p.as_deref())?,
        address: text(columns::SESSION_IP, row.ip_p.as_deref())?,
        assisted: row.assisted,
        current: current == Some(row.id),
    })
}

/// Ends a session of the caller's account, this one or another, at once.
///
/// # Errors
/// The policy's; [`Refusal::Unknown`] where it does not live.
pub async fn end(service: &Service, caller: &Caller, id: SessionId) -> Result<(), SessionFailure> {
    let (now, mut rng) = (service.now(), service.rng());
    caller.account()?;
    let (who, from) = (caller.who.clone(), caller.origin.address);
    service
        .store()
        .write("session.end", move |tx| {
            let row = rows::lookup(tx, id)?
                .filter(|row| row.ended_at.is_none())
                .ok_or(Refusal::Unknown(Noun::Session))?;
            let facts = SessionFacts {
                id,
                account: row.account,
            };
            let permit =
                policy::permit(&who, Action::DeleteSession, &Target::Session(&facts), now)?;
            rows::end(tx, id, now)?;
            let entry = NewEntry::under(TrailAction::SessionEnd, now, &permit)
                .session(id)
                .from(from);
            trail::append(tx, entry, &mut rng)?;
            events::tell(tx, [row.account], events::SESSION_END, id.0, now)?;
            Ok(())
        })
        .await
}
