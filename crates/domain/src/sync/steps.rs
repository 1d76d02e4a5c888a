//! The steps that the synchronization log tells of, each as a stable word and
//! as a sentence. A failure's sentence says what it means and what to do.

use std::fmt::Write as _;

use crate::connections::ErrorClass;
use crate::sync::LogStatus;

/// Numbers of a step. Those that are nought are left out of its sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New documents.
    pub created: u64,
    /// Documents with a new version.
    pub updated: u64,
    /// Documents that were there as they are.
    pub unchanged: u64,
    /// Entries left out: of types nobody wanted, or refused one by one.
    pub skipped: u64,
    /// Searches that could not be made, or documents that could not be sent.
    pub failed: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            created: self.created.saturating_add(other.created),
            updated: self.updated.saturating_add(other.updated),
            unchanged: self.unchanged.saturating_add(other.unchanged),
            skipped: self.skipped.saturating_add(other.skipped),
            failed: self.failed.saturating_add(other.failed),
        }
    }
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:ident;)+) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Step {
            $($(#[$doc])* $name,)+
        }

        impl Step {
            /// Every step.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable dotted word.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// How it went.
            pub const fn status(self) -> LogStatus {
                match self {
                    $(Self::$name => LogStatus::$status,)+
                }
            }

            /// The step of that word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.code() == word)
            }
        }
    };
}

steps! {
    /// A run waits for its turn.
    Queued = "sync.queued", Pending;
    /// A run brought something, or found nothing new.
    Pulled = "pull.done", Success;
    /// Some searches were refused; the rest was read.
    PulledPartly = "pull.partial", Success;
    /// The source could not be read now; it is tried again.
    PullRetry = "pull.retry", Pending;
    /// The source could not be read, and will not be tried again by itself.
    PullFailed = "pull.failed", Error;
    /// The program stopped while it read; it goes on where it was.
    PullLost = "pull.lost", Pending;
    /// Documents are no longer at the source.
    PullMissing = "pull.missing", Success;
    /// Who connected the source may not add to this record any more.
    PullNotPermitted = "pull.not_permitted", Error;
    /// Versions wait for somebody who can open them.
    PushOwed = "push.owed", Pending;
    /// A destination was looked at, and what it lacks was queued.
    PushQueued = "push.queued", Success;
    /// An attempt begins.
    PushAttempt = "push.attempt", Pending;
    /// A document is at the destination.
    PushDone = "push.done", Success;
    /// It turned out to be at the destination already.
    PushFound = "push.found", Success;
    /// A document was removed from the destination.
    PushRemoved = "push.removed", Success;
    /// The destination keeps, or archives, what was to be removed.
    PushKept = "push.kept", Success;
    /// It could not be sent now; it is tried again.
    PushRetry = "push.retry", Pending;
    /// The program stopped in the middle of an attempt.
    PushLost = "push.lost", Pending;
    /// Whether it arrived is not known: it is looked for before it is sent again.
    PushUnsure = "push.unsure", Pending;
    /// The destination is still at it, or asked for a pause.
    PushPaused = "push.paused", Pending;
    /// A newer version is there, or none at all: this one is not sent.
    PushSuperseded = "push.superseded", Success;
    /// Whether it arrived is not known, and the platform cannot be searched.
    PushReview = "push.review", Error;
    /// It was given up.
    PushDead = "push.dead", Error;
    /// The patient's grant no longer covers it.
    PushCancelled = "push.cancelled", Success;
    /// The key sealed for it was older than seven days, and was deleted.
    PushLapsed = "push.lapsed", Pending;
    /// A person files it by hand.
    PushHandedOff = "push.handed_off", Pending;
    /// A person filed it by hand.
    PushConfirmed = "push.confirmed", Success;
    /// A person looked, and it is tried again.
    PushAgain = "push.again", Pending;
    /// A person let it be.
    PushDismissed = "push.dismissed", Success;
    /// No client of the platform is this patient for certain.
    PushNoClient = "push.no_client", Error;
    /// A client was created at the platform.
    PushClientCreated = "push.client_created", Success;
    /// The connection's owner must do something first.
    Attention = "connection.attention", Error;
    /// Documents were asked for.
    Requested = "request.made", Pending;
    /// Documents were asked for by mail.
    RequestMailed = "request.mailed", Pending;
    /// A document came by the link of a request.
    RequestAnswered = "request.answered", Success;
    /// A request was closed.
    RequestClosed = "request.closed", Success;
    /// A request was called off.
    RequestCancelled = "request.cancelled", Success;
    /// Nobody closed a request in its time.
    RequestExpired = "request.expired", Error;
}

impl Step {
    /// The sentence. `system` is the connection's name; `why` what a refusal
    /// means, as [`ErrorClass::code`].
    pub fn sentence(self, system: &str, counts: &Counts, why: Option<&str>) -> String {
        let because = why.map_or_else(|| ".".to_owned(), reason);
        match self {
            Self::Queued => format!("Waiting for its turn with {system}."),
            Self::Pulled => format!("Read {system}: {}.", brought(counts)),
            Self::PulledPartly => format!(
                "Read {system}: {}. {} could not be read there{}.",
                brought(counts),
                plural(counts.failed, "kind of document", "kinds of documents"),
                kinds(why),
            ),
            Self::PullRetry => {
                format!("{system} could not be read just now{because} It will be tried again.")
            }
            Self::PullFailed => format!("{system} could not be read{because}"),
            Self::PullLost => {
                format!("The program stopped while it read {system}, and goes on where it was.")
            }
            Self::PullMissing => format!(
                "{} no longer at {system}. Nothing was deleted here.",
                are(counts.updated)
            ),
            Self::PullNotPermitted => format!(
                "{system} was not read: whoever connected it may no longer add to this record."
            ),
            Self::PushOwed => format!(
                "{} for {system} until the patient, or whoever connected it, signs in.",
                wait(counts.created)
            ),
            Self::PushQueued => format!(
                "Compared with {system}: {} to be sent.",
                plural(counts.created, "document", "documents")
            ),
            Self::PushAttempt => format!("Sending to {system}."),
            Self::PushDone => format!("Sent to {system}."),
            Self::PushFound => {
                format!("It had reached {system} already, and was not sent a second time.")
            }
            Self::PushRemoved => format!("Removed from {system}."),
            Self::PushKept => format!("It is no longer here, but stays at {system}."),
            Self::PushRetry => {
                format!(
                    "It could not be sent to {system} just now{because} It will be tried again."
                )
            }
            Self::PushLost => format!(
                "The program stopped while it was about to send to {system}. It goes on where it was."
            ),
            Self::PushUnsure => format!(
                "{system} did not answer in time. Before it is sent again we look whether it arrived."
            ),
            Self::PushPaused => {
                format!("{system} is still at it, or asked for a pause. It goes on in a moment.")
            }
            Self::PushSuperseded => {
                format!("Not sent to {system}: there is a newer version of it, or it is gone.")
            }
            Self::PushReview => format!(
                "It may have reached {system}, which cannot be searched. Look there, then say whether to send it again."
            ),
            Self::PushDead => format!("It was not sent to {system}{because}"),
            Self::PushCancelled => {
                format!("Not sent to {system}: the patient's permission does not cover it.")
            }
            Self::PushLapsed => format!(
                "It could not be sent to {system} within seven days. It waits until the patient, or whoever connected it, signs in."
            ),
            Self::PushHandedOff => {
                format!("{system} takes no documents from other programs: file it by hand.")
            }
            Self::PushConfirmed => format!("Filed by hand in {system}."),
            Self::PushAgain => format!("Somebody asked to send it to {system} again."),
            Self::PushDismissed => format!("Somebody decided not to send it to {system}."),
            Self::PushNoClient => format!(
                "Nothing was sent to {system}: {}",
                match why {
                    Some("connection.ambiguous") =>
                        "several clients there could be this patient. Choose one.",
                    _ => "no client there is this patient. Choose or create one.",
                }
            ),
            Self::PushClientCreated => {
                format!("A client for this patient was created in {system}.")
            }
            Self::Attention => format!("{system} needs you{because}"),
            Self::Requested => {
                "Documents were asked for. Hand on the link to whoever has them.".to_owned()
            }
            Self::RequestMailed => "Documents were asked for by e-mail.".to_owned(),
            Self::RequestAnswered => format!(
                "{} by the link of a request.",
                came(counts.created)
            ),
            Self::RequestClosed => "A request for documents was closed.".to_owned(),
            Self::RequestCancelled => "A request for documents was called off.".to_owned(),
            Self::RequestExpired => {
                "A request for documents ended: its time was over. Ask again where something is missing.".to_owned()
            }
        }
    }
}

/// `: Observation, CarePlan`: the types that could not be read, where they are
/// named; anything else is left out.
fn kinds(why: Option<&str>) -> String {
    let named = why.unwrap_or_default().split(',').filter(|name| {
        name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.bytes().all(|b| b.is_ascii_alphabetic())
    });
    let mut text = String::new();
    for name in named {
        text.push_str(if text.is_empty() { ": " } else { ", " });
        text.push_str(name);
    }
    text
}

fn plural(n: u64, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    }
}

fn are(n: u64) -> String {
    match n {
        1 => "1 document is".to_owned(),
        n => format!("{n} documents are"),
    }
}

fn wait(n: u64) -> String {
    match n {
        1 => "1 document waits".to_owned(),
        n => format!("{n} documents wait"),
    }
}

fn came(n: u64) -> String {
    match n {
        1 => "1 document came".to_owned(),
        n => format!("{n} documents came"),
    }
}

fn brought(counts: &Counts) -> String {
    let parts = [
        (counts.created, "new"),
        (counts.updated, "changed"),
        (counts.unchanged, "unchanged"),
        (counts.skipped, "left out"),
    ];
    let mut text = String::new();
    for (n, word) in parts {
        if n > 0 {
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing into a `String` cannot fail.
            let _ = write!(text, "{comma}{n} {word}");
        }
    }
    if counts.created == 0 && counts.updated == 0 {
        return match text.is_empty() {
            true => "nothing new".to_owned(),
            false => format!("nothing new ({text})"),
        };
    }
    text
}

/// `: it refused the sign-in. Enter the credentials again.` and the like.
fn reason(code: &str) -> String {
    let known = ALL_CLASSES.iter().find(|class| class.code() == code);
    let words = match known {
        Some(ErrorClass::Auth) => "it refused the sign-in. Renew the credentials.",
        Some(ErrorClass::Forbidden) => "it does not let us do this.",
        Some(ErrorClass::NotFound) => "it knows no such patient or document.",
        Some(ErrorClass::Invalid) => "it does not take this as it is.",
        Some(ErrorClass::Conflict) => "it changed there at the same time.",
        Some(ErrorClass::RateLimited) => "it asked us to slow down.",
        Some(ErrorClass::Transient) => "it cannot be reached.",
        Some(ErrorClass::Unknown) => "it did not answer in time.",
        Some(ErrorClass::Unsupported) => "it cannot do this.",
        Some(ErrorClass::TooLarge) => "the document is larger than it takes.",
        Some(ErrorClass::Broken) => "its answer could not be understood.",
        Some(ErrorClass::Expired) => "the list changed while it was read.",
        Some(ErrorClass::Address) => "its address may not be called from here.",
        Some(ErrorClass::Ambiguous) => "several clients there could be this patient.",
        None => match code {
            "grant.ended" => "the patient's permission has ended.",
            "document.unprintable" => "this document cannot be made into a PDF.",
            "document.unreadable" => "the document could not be opened.",
            "sync.lost" => "the program stopped too often while doing it.",
            _ => return ".".to_owned(),
        },
    };
    format!(": {words}")
}

const ALL_CLASSES: [ErrorClass; 14] = [
    ErrorClass::Auth,
    ErrorClass::Forbidden,
    ErrorClass::NotFound,
    ErrorClass::Invalid,
    ErrorClass::Conflict,
    ErrorClass::RateLimited,
    ErrorClass::Transient,
    ErrorClass::Unknown,
    ErrorClass::Unsupported,
    ErrorClass::TooLarge,
    ErrorClass::Broken,
    ErrorClass::Expired,
    ErrorClass::Address,
    ErrorClass::Ambiguous,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_word_of_its_own_and_a_whole_sentence() {
        let counts = Counts {
            created: 1,
            failed: 2,
            ..Counts::default()
        };
        let mut words: Vec<_> = Step::ALL.iter().map(|step| step.code()).collect();
        for step in Step::ALL {
            assert_eq!(Step::parse(step.code()), Some(*step));
            for why in [None, Some("connection.auth"), Some("what is this")] {
                let sentence = step.sentence("Clinic", &counts, why);
                assert!(sentence.ends_with('.'), "{sentence}");
                assert!(!sentence.contains(".."), "{sentence}");
                assert!(!sentence.contains("connection."), "{sentence}");
            }
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Step::ALL.len());
    }

    #[test]
    fn a_run_is_told_in_numbers() {
        let told = |counts| Step::Pulled.sentence("Clinic", &counts, None);
        assert_eq!(told(Counts::default()), "Read Clinic: nothing new.");
        let some = Counts {
            created: 12,
            updated: 1,
            unchanged: 30,
            ..Counts::default()
        };
        assert_eq!(told(some), "Read Clinic: 12 new, 1 changed, 30 unchanged.");
        let partly = Counts { failed: 2, ..some };
        assert_eq!(
            Step::PulledPartly.sentence("Clinic", &partly, Some("Observation,CarePlan,<b>")),
            "Read Clinic: 12 new, 1 changed, 30 unchanged. 2 kinds of documents could not be \
             read there: Observation, CarePlan."
        );
        let none = Counts {
            unchanged: 3,
            ..Counts::default()
        };
        assert_eq!(told(none), "Read Clinic: nothing new (3 unchanged).");
        assert_eq!(
            Step::PullFailed.sentence("Clinic", &none, Some("connection.auth")),
            "Clinic could not be read: it refused the sign-in. Renew the credentials."
        );
    }
}
