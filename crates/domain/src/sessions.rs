//! Sign-ins: how long what lasts, and when one is fresh enough for what matters
//! most. Tokens themselves are made and read in `server`.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// Life of an access token, in seconds.
pub const ACCESS_TTL_SECS: i64 = 15 * 60;
/// Life of a session, and so of its last refresh token, in seconds. What an
/// assisted session keeps of its account's seed is deleted with it.
pub const SESSION_TTL_SECS: i64 = 24 * 60 * 60;
/// How young a sign-in must be for a step-up action, in seconds.
pub const STEP_UP_SECS: i64 = 5 * 60;
/// Life of a view of a link, in seconds.
pub const VIEW_TTL_SECS: i64 = 30 * 60;
/// Life of the ticket that a recovery code is changed for, in seconds.
pub const TICKET_TTL_SECS: i64 = 10 * 60;
/// Life of the token in a verification mail, in seconds.
pub const EMAIL_TOKEN_TTL_SECS: i64 = 24 * 60 * 60;
/// How far `auth_time` may lie ahead of this node's clock, in seconds: nodes differ.
const CLOCK_SKEW_SECS: i64 = 30;

/// Whether somebody who showed at `auth_time` who they are has done so lately.
pub fn is_fresh(auth_time: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(auth_time);
    age <= SignedDuration::from_secs(STEP_UP_SECS)
        && age >= SignedDuration::from_secs(-CLOCK_SKEW_SECS)
}

/// The moment `ttl_secs` after `from`; the end of time where there is none.
pub fn after(from: Timestamp, ttl_secs: i64) -> Timestamp {
    from.saturating_add(SignedDuration::from_secs(ttl_secs))
        .unwrap_or(Timestamp::MAX)
}

/// Why a sign-in is refused, or has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SessionError {
    /// No token, or none that counts.
    #[error("sign in first")]
    Missing,
    /// E-mail address and password do not belong together, or to nobody.
    #[error("e-mail address or password is wrong")]
    Refused,
    /// The access token is past its time.
    #[error("the access token has expired")]
    Expired,
    /// The session was ended.
    #[error("the session has ended")]
    Ended,
    /// A refresh token was used twice: its whole family has ended.
    #[error("this refresh token was used before; sign in again")]
    Reused,
    /// What this asks needs a fresh sign-in.
    #[error("show again who you are")]
    StepUp,
    /// No such session of this account.
    #[error("no such session")]
    Unknown,
    /// The session cannot open anything: it was made by a sealed client.
    #[error("this session holds no key; open in the client")]
    Locked,
}

impl SessionError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 8] = [
        Self::Missing,
        Self::Refused,
        Self::Expired,
        Self::Ended,
        Self::Reused,
        Self::StepUp,
        Self::Unknown,
        Self::Locked,
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "session.missing",
            Self::Refused => "session.refused",
            Self::Expired => "session.expired",
            Self::Ended => "session.ended",
            Self::Reused => "session.reused",
            Self::StepUp => "session.stepup",
            Self::Unknown => "session.unknown",
            Self::Locked => "vault.locked",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_fresh_for_five_minutes() {
        let signed_in = Timestamp::from_second(1_700_000_000).unwrap();
        for (age, fresh) in [
            (0, true),
            (300, true),
            (301, false),
            (-30, true),
            (-31, false),
        ] {
            assert_eq!(is_fresh(signed_in, after(signed_in, age)), fresh, "{age}");
        }
    }
}
