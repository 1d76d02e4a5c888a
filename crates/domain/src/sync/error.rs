//! Why a use case of synchronisation said no.

use thiserror::Error;

use crate::connections::ErrorClass;

/// Errors of connections, runs and deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SyncError {
    /// No such connection, or none that the caller may know of.
    #[error("no such connection")]
    UnknownConnection,
    /// The patient is not on this connection.
    #[error("this patient is not on this connection")]
    NotAttached,
    /// No such run, or none that the caller may know of.
    #[error("no such synchronization")]
    UnknownRun,
    /// No such line of the log, or none that the caller may know of.
    #[error("no such entry of the synchronization log")]
    UnknownLog,
    /// No such delivery, or none that the caller may know of.
    #[error("no such delivery")]
    UnknownDelivery,
    /// This program has no adapter for that kind and direction.
    #[error("this kind of system cannot be used in this direction")]
    Kind,
    /// The chart is unclaimed: an authorization must be recorded.
    #[error("record who authorised this first")]
    NeedsAuthorization,
    /// A destination is attached by a signed statement.
    #[error("a destination needs a signed statement of who attached it")]
    Statement,
    /// The delivery is not in a state in which that can be done.
    #[error("this delivery is not waiting for that")]
    State,
    /// More in one request than it takes.
    #[error("too many at once")]
    TooMany,
    /// The other system, or what it sent, could not be used.
    #[error("the other system: {}", .0.code())]
    Refused(ErrorClass),
}

impl SyncError {
    /// Every variant with a code of its own, for the list of codes; that of
    /// [`Self::Refused`] is its class's.
    pub const ALL: [Self; 10] = [
        Self::UnknownConnection,
        Self::NotAttached,
        Self::UnknownRun,
        Self::UnknownLog,
        Self::UnknownDelivery,
        Self::Kind,
        Self::NeedsAuthorization,
        Self::Statement,
        Self::State,
        Self::TooMany,
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownConnection => "connection.unknown",
            Self::NotAttached => "connection.not_attached",
            Self::UnknownRun => "sync.unknown",
            Self::UnknownLog => "log.unknown",
            Self::UnknownDelivery => "delivery.unknown",
            Self::Kind => "connection.kind",
            Self::NeedsAuthorization => "connection.needs_authorization",
            Self::Statement => "connection.statement",
            Self::State => "delivery.state",
            Self::TooMany => "sync.too_many",
            Self::Refused(class) => class.code(),
        }
    }

    /// The HTTP status that says so.
    pub const fn status(self) -> u16 {
        match self {
            Self::UnknownConnection
            | Self::NotAttached
            | Self::UnknownRun
            | Self::UnknownLog
            | Self::UnknownDelivery => 404,
            Self::State => 409,
            Self::Refused(_) => 502,
            Self::Kind | Self::NeedsAuthorization | Self::Statement | Self::TooMany => 422,
        }
    }

    /// The field of the input that it is about.
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::Kind => Some("kind"),
            Self::NeedsAuthorization => Some("authorization"),
            Self::Statement => Some("statement"),
            _ => None,
        }
    }
}
