//! What a mail is about: the part that a job row keeps, protected, until it is
//! sent. The words are printed elsewhere, through [`LetterPress`].
//!
//! A letter here holds no name of a patient, no record type and nothing
//! medical. What a mail must carry and a row must not (a link's key, the
//! patient's own words) goes through [`crate::mail::MailVault`].

use chartkey_domain::accounts::Verification;
use chartkey_domain::letters::Letter;
use chartkey_domain::mail::{MailMessage, Mailbox};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a letter is about, and what it needs to say so.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Content {
    /// See [`Letter::VerifyEmail`].
    VerifyEmail {
        /// The token of the link.
        token: String,
        /// Until when it counts.
        valid_until: Timestamp,
    },
    /// See [`Letter::AccountExists`].
    AccountExists,
    /// See [`Letter::NewSession`].
    NewSession {
        /// What the client calls itself.
        device: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// See [`Letter::PasswordChanged`].
    PasswordChanged {
        /// When.
        at: Timestamp,
    },
    /// See [`Letter::RecoveryUsed`].
    RecoveryUsed {
        /// When.
        at: Timestamp,
    },
    /// See [`Letter::ProviderVerified`].
    ProviderVerified {
        /// What was decided, as [`Verification::as_str`] says it.
        outcome: String,
    },
}

impl Content {
    /// Its kind.
    pub const fn letter(&self) -> Letter {
        match self {
            Self::VerifyEmail { .. } => Letter::VerifyEmail,
            Self::AccountExists => Letter::AccountExists,
            Self::NewSession { .. } => Letter::NewSession,
            Self::PasswordChanged { .. } => Letter::PasswordChanged,
            Self::RecoveryUsed { .. } => Letter::RecoveryUsed,
            Self::ProviderVerified { .. } => Letter::ProviderVerified,
        }
    }

    /// That a provider's verification came out so.
    pub fn provider_verified(outcome: Verification) -> Self {
        Self::ProviderVerified {
            outcome: outcome.as_str().to_owned(),
        }
    }
}

/// The door to whoever knows the words.
pub trait LetterPress: Send + Sync {
    /// The letter in words, to `to`, under an idempotency key. `secret` is
    /// there for letters that [carry one](Letter::carries_secret). Nothing
    /// where the content cannot be printed, which no retry would change.
    fn print(
        &self,
        content: &Content,
        secret: Option<&str>,
        to: Mailbox,
        idempotency_key: String,
    ) -> Option<MailMessage>;
}
