//! Patients: whose record it is, and what they have chosen for it.

use thiserror::Error;

/// Most patients that one account may manage.
pub const MAX_PER_ACCOUNT: usize = 50;
/// Most managers that one patient may have.
pub const MAX_MANAGERS: usize = 10;

/// Whether the server may open a new patient's record in its memory for a
/// request. Somebody who registers through the web app, which opens everything
/// itself, has no need of it; somebody who sends a password to the API does.
pub const fn assisted_at_first(registered_sealed: bool) -> bool {
    !registered_sealed
}

/// Why something about a patient is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PatientError {
    /// No such patient, or none that the caller may know of.
    #[error("no such patient")]
    Unknown,
    /// The account manages several: say which.
    #[error("say which patient is meant")]
    Ambiguous,
    /// Assisted access is switched off.
    #[error("the patient allows no opening on the server")]
    AssistedOff,
    /// As many managers or patients as may be.
    #[error("too many")]
    TooMany,
}

impl PatientError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 4] = [
        Self::Unknown,
        Self::Ambiguous,
        Self::AssistedOff,
        Self::TooMany,
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "patient.unknown",
            Self::Ambiguous => "patient.ambiguous",
            Self::AssistedOff => "patient.assisted_off",
            Self::TooMany => "patient.too_many",
        }
    }
}
