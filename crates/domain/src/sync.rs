//! Synchronisation: what a connection, a run, a delivery and a line of the
//! synchronization log can be, and the words in which a line is told.
//!
//! A line has no free text: a step, numbers, and what the other end's refusal
//! means. So nothing medical and no secret gets into the log, and whoever reads
//! it is told in sentences that a dietician understands.

mod error;
mod schedule;
mod steps;

use zeroize::Zeroizing;

pub use error::SyncError;
pub use schedule::{Schedule, ScheduleError};
pub use steps::{Counts, Step};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in API and database.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The one of this word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }
    };
}

words! {
    /// Whether a connection, or a patient on it, may be used.
    LinkState {
        /// It works, as far as is known.
        Ok = "ok",
        /// A person must do something first.
        NeedsAttention = "needs_attention",
        /// A person stopped it for now.
        Paused = "paused",
    }
}

words! {
    /// What made a run.
    Trigger {
        /// Its time came.
        Schedule = "schedule",
        /// Somebody asked.
        Manual = "manual",
        /// The other end hinted that something changed.
        Webhook = "webhook",
    }
}

words! {
    /// Where a run stands.
    RunState {
        /// Waits for its turn.
        Queued = "queued",
        /// A node works on it.
        Running = "running",
        /// Everything was looked at.
        Done = "done",
        /// Something could not be looked at; the rest was.
        Partial = "partial",
        /// It was given up.
        Failed = "failed",
    }
}

impl RunState {
    /// Whether nothing more will come of it.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Partial | Self::Failed)
    }
}

words! {
    /// Where one version stands on its way to one destination.
    DeliveryState {
        /// Nobody who can open it has sealed its key to the destination yet.
        Owed = "owed",
        /// Its key is there; it waits for its time.
        Ready = "ready",
        /// A node works on it.
        Sending = "sending",
        /// It is there (or, for a removal, gone).
        Done = "done",
        /// It may be there, and only a person can look.
        NeedsReview = "needs_review",
        /// A person files it by hand: the platform takes no documents.
        HandedOff = "handed_off",
        /// Given up; a person may try again or let it be.
        Dead = "dead",
        /// No longer to be sent.
        Cancelled = "cancelled",
        /// A newer version is sent instead.
        Superseded = "superseded",
    }
}

words! {
    /// What a delivery does at the destination.
    Operation {
        /// Puts a document there.
        Put = "put",
        /// Removes one that was put there.
        Remove = "remove",
    }
}

words! {
    /// What a line of the synchronization log is about.
    LogAction {
        /// Somebody asked for it.
        ManualSync = "manual sync",
        /// It came by itself.
        AutomaticUpdate = "automatic update",
        /// A document on its way to a destination.
        Push = "push",
        /// A request for documents.
        Request = "request",
    }
}

words! {
    /// How a line of the synchronization log went.
    LogStatus {
        /// Well.
        Success = "success",
        /// Not.
        Error = "error",
        /// Not yet.
        Pending = "pending",
    }
}

words! {
    /// What to do where the platform has no client for a patient.
    ClientPolicy {
        /// Never create one.
        Never = "never",
        /// Ask a person (the default): a wrong chart is worse than none.
        Ask = "ask",
        /// Create one, silently.
        Auto = "auto",
    }
}

words! {
    /// What to do at the platform when a document is gone here.
    RemovalPolicy {
        /// Leave it there, and say so (the default): how long it must be kept
        /// is the dietician's law.
        Keep = "keep",
        /// Remove it.
        Delete = "delete",
    }
}

/// Who vouches that a chart that nobody claimed may be connected: recorded,
/// never checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The day it was obtained, `YYYY-MM-DD`.
    pub obtained_on: String,
    /// How: `paper`, `verbal`, …
    pub method: String,
    /// In free words.
    pub note: Option<String>,
}

/// No press: an installation that prints nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDocuments;

impl DocumentPress for NoDocuments {
    fn print(&self, _: &[u8], _: &str) -> Option<Zeroizing<Vec<u8>>> {
        None
    }
}

/// The door that prints a FHIR resource as a PDF, for platforms that take
/// documents only.
pub trait DocumentPress: Send + Sync {
    /// The PDF of one resource, or nothing where it cannot be printed. Takes
    /// processor time; called off the threads that answer.
    fn print(&self, resource: &[u8], title: &str) -> Option<Zeroizing<Vec<u8>>>;
}
