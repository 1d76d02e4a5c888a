//! The ways to say no. What a refusal tells is no more than the caller may know.

use thiserror::Error;

/// The noun that a caller may not know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Noun {
    /// An account.
    Account,
    /// A session.
    Session,
    /// A patient.
    Patient,
    /// A record.
    Record,
    /// A grant.
    Grant,
    /// A link.
    Share,
    /// A request for access.
    Request,
    /// An entry of the trail.
    Entry,
    /// A source or destination.
    Connection,
}

impl Noun {
    /// Every noun.
    pub const ALL: [Self; 9] = [
        Self::Account,
        Self::Session,
        Self::Patient,
        Self::Record,
        Self::Grant,
        Self::Share,
        Self::Request,
        Self::Entry,
        Self::Connection,
    ];
}

/// Why something is not permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// Nobody is signed in.
    #[error("sign in first")]
    Unauthenticated,
    /// The account is switched off.
    #[error("this account is disabled")]
    Disabled,
    /// The provider is suspended.
    #[error("this provider is suspended")]
    ProviderSuspended,
    /// The account's e-mail address is not verified.
    #[error("verify your e-mail address first")]
    Unverified,
    /// No admin has verified the provider.
    #[error("an administrator must verify this provider first")]
    ProviderUnverified,
    /// The sign-in is too long ago for this.
    #[error("show again who you are")]
    StepUp,
    /// Not for this kind of account, or not for anybody in this way.
    #[error("not permitted")]
    Forbidden,
    /// For the managers of the record alone.
    #[error("only whoever manages this record may do this")]
    ManagersOnly,
    /// Unknown, or not the caller's to know of.
    #[error("unknown")]
    Unknown(Noun),
    /// The caller's grant has ended.
    #[error("the grant has ended")]
    GrantEnded,
    /// The caller's grant has not begun.
    #[error("the grant has not begun")]
    GrantScheduled,
    /// The caller's grant is withheld.
    #[error("the grant is suspended")]
    GrantSuspended,
    /// The caller's grant does not let write this.
    #[error("the grant does not let write this")]
    NoWrite,
    /// The caller's grant does not let download.
    #[error("the grant does not let download")]
    NoDownload,
    /// The patient switched assisted access off.
    #[error("the patient allows no opening on the server")]
    AssistedOff,
    /// The link's key, or a proof of it, is missing.
    #[error("the link's key is missing")]
    ShareKey,
    /// The link's passcode is missing.
    #[error("a passcode is needed")]
    SharePasscode,
    /// The link's time has not come.
    #[error("the link does not open yet")]
    ShareScheduled,
    /// The link is past its time, or used up.
    #[error("the link has expired")]
    ShareExpired,
    /// The link was revoked.
    #[error("the link was revoked")]
    ShareRevoked,
}

impl Refusal {
    /// Every refusal, for the list of codes and for the matrix.
    pub const ALL: [Self; 28] = [
        Self::Unauthenticated,
        Self::Disabled,
        Self::ProviderSuspended,
        Self::Unverified,
        Self::ProviderUnverified,
        Self::StepUp,
        Self::Forbidden,
        Self::ManagersOnly,
        Self::Unknown(Noun::Account),
        Self::Unknown(Noun::Session),
        Self::Unknown(Noun::Patient),
        Self::Unknown(Noun::Record),
        Self::Unknown(Noun::Grant),
        Self::Unknown(Noun::Share),
        Self::Unknown(Noun::Request),
        Self::Unknown(Noun::Entry),
        Self::Unknown(Noun::Connection),
        Self::GrantEnded,
        Self::GrantScheduled,
        Self::GrantSuspended,
        Self::NoWrite,
        Self::NoDownload,
        Self::AssistedOff,
        Self::ShareKey,
        Self::SharePasscode,
        Self::ShareScheduled,
        Self::ShareExpired,
        Self::ShareRevoked,
    ];

    /// The HTTP status that says so (RFC 9110 §15.5).
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthenticated | Self::ShareKey | Self::SharePasscode => 401,
            Self::Unknown(_) => 404,
            Self::ShareExpired | Self::ShareRevoked => 410,
            Self::Disabled
            | Self::ProviderSuspended
            | Self::Unverified
            | Self::ProviderUnverified
            | Self::StepUp
            | Self::Forbidden
            | Self::ManagersOnly
            | Self::GrantEnded
            | Self::GrantScheduled
            | Self::GrantSuspended
            | Self::NoWrite
            | Self::NoDownload
            | Self::AssistedOff
            | Self::ShareScheduled => 403,
        }
    }

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unauthenticated => "session.missing",
            Self::Disabled => "account.disabled",
            Self::ProviderSuspended => "provider.suspended",
            Self::Unverified => "account.unverified",
            Self::ProviderUnverified => "provider.unverified",
            Self::StepUp => "session.stepup",
            Self::Forbidden => "account.forbidden",
            Self::ManagersOnly => "patient.managers_only",
            Self::Unknown(noun) => match noun {
                Noun::Account => "account.unknown",
                Noun::Session => "session.unknown",
                Noun::Patient => "patient.unknown",
                Noun::Record => "record.unknown",
                Noun::Grant => "grant.unknown",
                Noun::Share => "share.unknown",
                Noun::Request => "request.unknown",
                Noun::Entry => "audit.unknown",
                Noun::Connection => "connection.unknown",
            },
            Self::GrantEnded => "grant.ended",
            Self::GrantScheduled => "grant.scheduled",
            Self::GrantSuspended => "grant.suspended",
            Self::NoWrite => "grant.no_write",
            Self::NoDownload => "grant.no_download",
            Self::AssistedOff => "patient.assisted_off",
            Self::ShareKey => "share.key",
            Self::SharePasscode => "share.passcode",
            Self::ShareScheduled => "share.scheduled",
            Self::ShareExpired => "share.expired",
            Self::ShareRevoked => "share.revoked",
        }
    }
}
