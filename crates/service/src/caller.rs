//! Who asks: what the policy must know of them, and what their token carries.
//!
//! Made from a verified token, or from nothing. It must not know how tokens
//! look; and its secret prints nothing.

use std::net::IpAddr;

use chartkey_crypto::Secret;
use chartkey_domain::accounts::{AccountKind, Verification};
use chartkey_domain::ids::{AccountId, SessionId};
use chartkey_domain::policy::{self, AccountFacts, Refusal};
use chartkey_domain::sessions::SessionError;
use chartkey_store::sessions::{self, StandingRow};
use chartkey_store::{StoreError, Tx};
use jiff::{SignedDuration, Timestamp};

use crate::{Failure, Service};

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, as far as it is known.
    pub address: IpAddr,
    /// What the client calls itself, cut.
    pub agent: Option<String>,
}

/// The 32 random bytes that a token carries.
pub type TokenSecret = Secret;

/// Somebody who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// For the policy.
    pub who: policy::Caller,
    /// From where.
    pub origin: Origin,
    /// In which session, and what their access token carries.
    pub session: Option<(SessionId, TokenSecret)>,
}

impl Caller {
    /// Somebody who proved nothing.
    pub fn nobody(origin: Origin) -> Self {
        Self {
            who: policy::Caller::Nobody,
            origin,
            session: None,
        }
    }

    /// The account that asks.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] where none does.
    pub fn account(&self) -> Result<&AccountFacts, Refusal> {
        match &self.who {
            policy::Caller::Account(facts) => Ok(facts),
            policy::Caller::Nobody | policy::Caller::Link(_) => Err(Refusal::Unauthenticated),
        }
    }

    /// The account's id, if an account asks.
    pub fn account_id(&self) -> Option<AccountId> {
        self.account().ok().map(|facts| facts.id)
    }

    /// The session, if the caller has one.
    pub fn session_id(&self) -> Option<SessionId> {
        self.session.as_ref().map(|(id, _)| *id)
    }
}

/// How often a session's last use is written down.
const TOUCH: SignedDuration = SignedDuration::from_mins(1);

/// The caller behind a verified token: the session must live, now.
///
/// # Errors
/// [`SessionError::Ended`] where it does not; the database's.
pub async fn find(
    service: &Service,
    session: SessionId,
    secret: TokenSecret,
    origin: Origin,
) -> Result<Caller, Failure<SessionError>> {
    let now = service.now();
    let standing: Option<StandingRow> = service
        .store()
        .read("session.read", move |reader| {
            sessions::lookup_standing(reader, session)
        })
        .await
        .map_err(|error: StoreError| Failure::Store(error))?;
    let standing = standing
        .filter(|row| row.ended_at.is_none() && row.expires_at > now)
        .ok_or(SessionError::Ended)?;
    if now.duration_since(standing.last_seen_at) >= TOUCH {
        note_use(service, session, now);
    }
    Ok(Caller {
        who: policy::Caller::Account(facts(&standing)?),
        origin,
        session: Some((session, secret)),
    })
}

/// Nobody waits for this to be durable.
fn note_use(service: &Service, session: SessionId, now: Timestamp) {
    let store = service.store().clone();
    tokio::spawn(async move {
        let noted: Result<(), StoreError> = store
            .write("session.touch", move |tx: &mut Tx| {
                sessions::touch(tx, session, now)
            })
            .await;
        if let Err(error) = noted {
            tracing::debug!(?error, "the use of a session was not noted");
        }
    });
}

fn facts(row: &StandingRow) -> Result<AccountFacts, Failure<SessionError>> {
    Ok(AccountFacts {
        id: row.account,
        kind: AccountKind::parse(&row.kind).ok_or(Failure::Internal("a kind of account"))?,
        email_verified: row.email_verified,
        verification: Verification::parse(&row.verification).unwrap_or(Verification::Pending),
        disabled: row.status == "disabled",
        auth_time: row.auth_time,
        assisted: row.assisted,
    })
}
