//! How a use case says no. One shape for all nouns: what is common to them
//! stands here, and each noun adds its own small enum.

use chartkey_crypto::OpenError;
use chartkey_domain::accounts::AccountError;
use chartkey_domain::policy::Refusal;
use chartkey_domain::quotas::Quota;
use chartkey_domain::sessions::SessionError;
use chartkey_domain::trail::TrailError;
use chartkey_store::StoreError;
use chartkey_vault::error::VaultError;

/// An error of one noun: a stable dotted word, and the field it is about.
pub trait NounError: std::error::Error + Send + Sync + 'static {
    /// The stable dotted word.
    fn code(&self) -> &'static str;

    /// The field of the input that it is about, if it is about one.
    fn field(&self) -> Option<&'static str> {
        None
    }
}

impl NounError for AccountError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }

    fn field(&self) -> Option<&'static str> {
        Self::field(*self)
    }
}

impl NounError for SessionError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }
}

impl NounError for TrailError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }
}

/// Why a use case did not happen. Nothing of it was written, unless `Store`
/// says that the outcome of a commit is unknown.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E: NounError> {
    /// The policy said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The noun's own rules said no.
    #[error("refused")]
    Noun(#[source] E),
    /// Something in the input breaks a rule: field and what is wrong with it.
    #[error("the input is not valid")]
    Invalid(Vec<(String, String)>),
    /// A rule that is not the noun's own said no.
    #[error("{message}")]
    Rule {
        /// Its stable dotted word.
        code: &'static str,
        /// The field that breaks it.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// Too many, too fast.
    #[error("slow down")]
    Limited {
        /// Come back after this many seconds.
        retry_after_secs: u64,
    },
    /// As much of it is there as may be.
    #[error(transparent)]
    Full(#[from] Quota),
    /// The Idempotency-Key belongs to another request.
    #[error("the Idempotency-Key belongs to another request")]
    KeyReused,
    /// The core that holds keys refused, or the state moved on.
    #[error("the vault refused")]
    Vault(#[source] VaultError),
    /// The database failed.
    #[error("the database failed")]
    Store(#[source] StoreError),
    /// A bug, or a database that does not belong to this key. Says where.
    #[error("internal failure: {0}")]
    Internal(&'static str),
}

impl<E: NounError> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::Noun(error)
    }
}

impl<E: NounError> From<StoreError> for Failure<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<E: NounError> From<VaultError> for Failure<E> {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl<E: NounError> From<OpenError> for Failure<E> {
    fn from(_: OpenError) -> Self {
        Self::Internal("a protected column does not open with this ENCRYPTION_KEY")
    }
}

impl<E: NounError> Failure<E> {
    /// That one field breaks a rule.
    pub fn field(field: &str, message: &str) -> Self {
        Self::Invalid(vec![(field.to_owned(), message.to_owned())])
    }

    /// The same failure for a use case of another noun, which wraps this one.
    pub fn map<F: NounError>(self, noun: impl FnOnce(E) -> F) -> Failure<F> {
        match self {
            Self::Refused(refusal) => Failure::Refused(refusal),
            Self::Noun(error) => Failure::Noun(noun(error)),
            Self::Invalid(fields) => Failure::Invalid(fields),
            Self::Rule {
                code,
                field,
                message,
            } => Failure::Rule {
                code,
                field,
                message,
            },
            Self::Limited { retry_after_secs } => Failure::Limited { retry_after_secs },
            Self::Full(quota) => Failure::Full(quota),
            Self::KeyReused => Failure::KeyReused,
            Self::Vault(error) => Failure::Vault(error),
            Self::Store(error) => Failure::Store(error),
            Self::Internal(place) => Failure::Internal(place),
        }
    }
}
