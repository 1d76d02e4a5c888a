//! Why a key-holder's operation fails. Messages never carry content.

/// Errors of the vault. `code` is the stable dotted word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A ciphertext does not open with the key and place it is offered for.
    #[error("sealed data does not open")]
    Open,
    /// A statement or chain of statements is not acceptable.
    #[error("a signed statement was refused: {0}")]
    Statement(&'static str),
    /// The other side showed something older than was already seen.
    #[error("the state offered is older than one already seen")]
    RolledBack,
    /// Nothing the caller holds opens this.
    #[error("no key for this")]
    NoKey,
    /// The server refused; its status and dotted code.
    #[error("the call was refused: {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Dotted code of the problem.
        code: String,
        /// The problem's detail, safe to show.
        detail: String,
    },
    /// The state moved on while the operation was prepared.
    #[error("the record changed meanwhile: {0}")]
    Conflict(String),
    /// The other side did not answer.
    #[error("the server did not answer")]
    Unavailable,
    /// The password is wrong or too weak a derivation was asked for.
    #[error("key derivation refused")]
    Password,
    /// The recovery code is not one.
    #[error("not a recovery code")]
    RecoveryCode,
    /// Input that the caller gave is not usable; which.
    #[error("invalid input: {0}")]
    Input(&'static str),
    /// A bug; never expected.
    #[error("internal error")]
    Internal,
}

impl VaultError {
    /// The stable dotted word.
    pub fn code(&self) -> &str {
        match self {
            Self::Open => "vault.open",
            Self::Statement(_) => "vault.statement",
            Self::RolledBack => "vault.rolled_back",
            Self::NoKey => "vault.no_key",
            Self::Refused { code, .. } | Self::Conflict(code) => code,
            Self::Unavailable => "vault.unavailable",
            Self::Password => "vault.password",
            Self::RecoveryCode => "vault.recovery_code",
            Self::Input(_) => "vault.input",
            Self::Internal => "vault.internal",
        }
    }

    /// Whether preparing the operation again may succeed.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

impl From<chartkey_crypto::OpenError> for VaultError {
    fn from(_: chartkey_crypto::OpenError) -> Self {
        Self::Open
    }
}
