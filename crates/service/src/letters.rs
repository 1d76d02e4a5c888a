//! What a mail is about: the part that a job row keeps, protected, until it is
//! sent. The words are printed elsewhere, through [`LetterPress`].
//!
//! A letter here holds no name of a patient, no record type and nothing
//! medical. What a mail must carry and a row must not (a link's key, the
//! patient's own words) goes through [`crate::mail::MailVault`].

use chartkey_domain::accounts::Verification;
use chartkey_domain::ids::Id;
use chartkey_domain::letters::Letter;
use chartkey_domain::mail::{MailMessage, Mailbox};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

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
    /// See [`Letter::KeysChanged`].
    KeysChanged {
        /// When.
        at: Timestamp,
    },
    /// See [`Letter::ProviderVerified`].
    ProviderVerified {
        /// What was decided, as [`Verification::as_str`] says it.
        outcome: String,
    },
    /// See [`Letter::ShareLink`]. Its [`ShareWords`] are in memory only.
    ShareLink {
        /// Which link.
        share: Id,
    },
    /// See [`Letter::ShareNotice`]. Its [`ShareWords`] are in memory only.
    ShareNotice {
        /// Which link.
        share: Id,
    },
    /// See [`Letter::ShareAsked`].
    ShareAsked,
    /// See [`Letter::ShareNeedsSender`].
    ShareNeedsSender,
    /// See [`Letter::ShareOpened`].
    ShareOpened {
        /// When.
        at: Timestamp,
    },
    /// See [`Letter::GrantEnded`].
    AccessEnded {
        /// When.
        at: Timestamp,
        /// Whether the reader has an account to sign in to.
        has_account: bool,
    },
    /// See [`Letter::AccessEndsSoon`].
    AccessEndsSoon {
        /// Whether the reader gave it, or has it.
        giver: bool,
        /// When it ends.
        at: Timestamp,
        /// Whether the reader has an account to sign in to.
        has_account: bool,
    },
    /// See [`Letter::RequestCreated`].
    RequestCreated,
    /// See [`Letter::Invitation`]. Names whoever invites, never whom.
    Invitation {
        /// Who invites: the practitioner's or practice's name.
        inviter: String,
        /// The token of the link, where a chart waits to be claimed.
        token: Option<String>,
        /// Until when it counts.
        valid_until: Timestamp,
    },
    /// See [`Letter::ChartEndsSoon`].
    ChartEndsSoon {
        /// When the chart is destroyed.
        at: Timestamp,
    },
    /// See [`Letter::DocumentsAsked`]. Names whoever asks, never about whom.
    DocumentsAsked {
        /// Who asks: the practitioner's or practice's name.
        asker: String,
        /// The token of the link.
        token: String,
        /// Until when it counts.
        valid_until: Timestamp,
    },
    /// See [`Letter::DocumentsCame`].
    DocumentsCame,
}

/// What the mail of a link says beyond its row: the one mail that names a
/// patient. Wiped when dropped.
#[derive(Serialize, Deserialize)]
pub struct ShareWords {
    /// Who shares.
    pub patient_name: String,
    /// With whom.
    pub recipient_name: String,
    /// Labels of the types; kinds are never said.
    pub types: Vec<String>,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// What the sender tells the recipient.
    pub message: Option<String>,
    /// The link with its key.
    pub url: Option<String>,
    /// Whether a passcode will be asked for.
    pub needs_passcode: bool,
}

impl ShareWords {
    /// As the process holds them until the mail is sent.
    pub fn to_json(&self) -> Option<Zeroizing<String>> {
        serde_json::to_string(self).ok().map(Zeroizing::new)
    }

    /// From what the process held.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl Drop for ShareWords {
    fn drop(&mut self) {
        self.patient_name.zeroize();
        self.recipient_name.zeroize();
        self.message.zeroize();
        self.url.zeroize();
    }
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
            Self::KeysChanged { .. } => Letter::KeysChanged,
            Self::ProviderVerified { .. } => Letter::ProviderVerified,
            Self::ShareLink { .. } => Letter::ShareLink,
            Self::ShareNotice { .. } => Letter::ShareNotice,
            Self::ShareAsked => Letter::ShareAsked,
            Self::ShareNeedsSender => Letter::ShareNeedsSender,
            Self::ShareOpened { .. } => Letter::ShareOpened,
            Self::AccessEnded { .. } => Letter::GrantEnded,
            Self::AccessEndsSoon { .. } => Letter::AccessEndsSoon,
            Self::RequestCreated => Letter::RequestCreated,
            Self::Invitation { .. } => Letter::Invitation,
            Self::ChartEndsSoon { .. } => Letter::ChartEndsSoon,
            Self::DocumentsAsked { .. } => Letter::DocumentsAsked,
            Self::DocumentsCame => Letter::DocumentsCame,
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
