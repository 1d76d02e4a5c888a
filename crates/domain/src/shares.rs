//! Links, as their owner sees them: a RecordShare. What a link lets read is its
//! grant (`grants`); here is what else may be said of one.

use thiserror::Error;

use crate::accounts::MAX_NAME_CHARS;
use crate::grants::GrantStatus;
use crate::text::{self, TextError};

/// Random bytes of the token that names a link.
pub const TOKEN_BYTES: usize = 32;
/// The token as text: unpadded base64url.
pub const TOKEN_CHARS: usize = 43;
/// Longest message to whoever gets a link, in characters.
pub const MAX_MESSAGE_CHARS: usize = 2_000;
/// Most recipients of one call: each gets a link of their own.
pub const MAX_RECIPIENTS: usize = 50;
/// Most accesses that a link may be limited to.
pub const MAX_ACCESSES: u32 = 10_000;
/// Fewest and most characters of a passcode.
pub const PASSCODE_CHARS: std::ops::RangeInclusive<usize> = 4..=64;
/// Wrong passcodes that a link stands in its whole life, in our viewer and in
/// others together (SMART Health Links, `remainingAttempts`).
pub const PASSCODE_ATTEMPTS: u32 = 10;
/// Longest name by which somebody says that they read, in characters.
pub const MAX_READER_CHARS: usize = 80;

/// What a link is to its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShareStatus {
    /// It lives, or will.
    Active,
    /// Its time has passed, or it was opened as often as it could be.
    Expired,
    /// It was revoked, or ended with the keys that it belonged to.
    Revoked,
}

impl ShareStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Expired => "EXPIRED",
            Self::Revoked => "REVOKED",
        }
    }
}

impl From<GrantStatus> for ShareStatus {
    fn from(status: GrantStatus) -> Self {
        match status {
            GrantStatus::Active | GrantStatus::Scheduled | GrantStatus::Suspended => Self::Active,
            GrantStatus::Expired | GrantStatus::UsedUp => Self::Expired,
            GrantStatus::Revoked => Self::Revoked,
        }
    }
}

/// Whether and how the recipient is told by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendEmail {
    /// Not at all: the sender passes the link on.
    None,
    /// That there is one, without it.
    Notice,
    /// With the link.
    Link,
}

impl SendEmail {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::None, Self::Notice, Self::Link];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Notice => "notice",
            Self::Link => "link",
        }
    }

    /// The way of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What other SMART Health Links viewers get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ShareForm {
    /// A manifest with a file per record type.
    #[default]
    Manifest,
    /// A single file, fetched by `GET` (flag `U`): no passcode, no count.
    SingleFile,
}

/// What is said of a link beyond its grant's terms.
#[derive(Clone, PartialEq, Eq)]
pub struct NewShare {
    /// Who it is for, one line.
    pub recipient_name: Option<String>,
    /// What the sender tells them.
    pub message: Option<String>,
    /// A word that they must know too. NFC, as given.
    pub passcode: Option<String>,
    /// How often it may be opened.
    pub max_accesses: Option<u32>,
    /// What other viewers get.
    pub form: ShareForm,
}

impl std::fmt::Debug for NewShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewShare(…)")
    }
}

impl NewShare {
    /// Reads what was said of a link.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn parse(
        recipient_name: Option<&str>,
        message: Option<&str>,
        passcode: Option<&str>,
        max_accesses: Option<u32>,
        form: ShareForm,
    ) -> Result<Self, ShareError> {
        let message = match message.map(str::trim) {
            None | Some("") => None,
            Some(text) => Some(text::lines(text, MAX_MESSAGE_CHARS).map_err(ShareError::Message)?),
        };
        let passcode = match passcode {
            None | Some("") => None,
            Some(text) => Some(parse_passcode(text)?),
        };
        if max_accesses.is_some_and(|most| !(1..=MAX_ACCESSES).contains(&most)) {
            return Err(ShareError::MaxAccesses);
        }
        if form == ShareForm::SingleFile && (passcode.is_some() || max_accesses.is_some()) {
            return Err(ShareError::SingleFile);
        }
        Ok(Self {
            recipient_name: text::optional_line(recipient_name, MAX_NAME_CHARS)
                .map_err(ShareError::RecipientName)?,
            message,
            passcode,
            max_accesses,
            form,
        })
    }
}

/// A passcode: 4 to 64 characters on one line. White space at its ends is not
/// part of it, since people copy it with some.
///
/// # Errors
/// [`ShareError::Passcode`].
pub fn parse_passcode(text: &str) -> Result<String, ShareError> {
    let passcode = text::line(text, *PASSCODE_CHARS.end()).map_err(|_| ShareError::Passcode)?;
    if passcode.chars().count() < *PASSCODE_CHARS.start() {
        return Err(ShareError::Passcode);
    }
    Ok(passcode)
}

/// Whether `text` has the form of a token.
pub fn is_token(text: &str) -> bool {
    text.len() == TOKEN_CHARS
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Who somebody says they are when they read, cut to its bound; none where
/// nothing readable is left. Never refused: it is their word, and no proof.
pub fn reader_name(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .filter(|c| !crate::mail::is_invisible(*c))
        .take(MAX_READER_CHARS)
        .collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Why a link, or what is said of one, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ShareError {
    /// No such link.
    #[error("no such link")]
    Unknown,
    /// Past its time, or used up.
    #[error("the link has expired")]
    Expired,
    /// Revoked.
    #[error("the link was revoked")]
    Revoked,
    /// The key, or the proof of it, is wrong.
    #[error("the link's key is wrong")]
    Key,
    /// The passcode is missing or wrong.
    #[error("a passcode is needed")]
    PasscodeDue,
    /// The passcode is no passcode.
    #[error("a passcode has 4 to 64 characters")]
    Passcode,
    /// The recipient's name is refused.
    #[error("recipient's name: {0}")]
    RecipientName(TextError),
    /// The message is refused.
    #[error("message: {0}")]
    Message(TextError),
    /// No recipient, or too many.
    #[error("name 1 to 50 recipients")]
    Recipients,
    /// A count that is none.
    #[error("a link may be opened 1 to 10,000 times, or without a limit")]
    MaxAccesses,
    /// A single-file link can count nothing.
    #[error("a single-file link has no passcode and no limit of accesses")]
    SingleFile,
    /// The mail's secret is gone from memory: send again.
    #[error("the link has to be sent again by its sender")]
    NeedsSender,
}

impl ShareError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 12] = [
        Self::Unknown,
        Self::Expired,
        Self::Revoked,
        Self::Key,
        Self::PasscodeDue,
        Self::Passcode,
        Self::RecipientName(TextError::Empty),
        Self::Message(TextError::Empty),
        Self::Recipients,
        Self::MaxAccesses,
        Self::SingleFile,
        Self::NeedsSender,
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "share.unknown",
            Self::Expired => "share.expired",
            Self::Revoked => "share.revoked",
            Self::Key => "share.key",
            Self::PasscodeDue => "share.passcode",
            Self::Passcode => "share.passcode_malformed",
            Self::RecipientName(_) => "share.recipient_name",
            Self::Message(_) => "share.message",
            Self::Recipients => "share.recipients",
            Self::MaxAccesses => "share.max_accesses",
            Self::SingleFile => "share.single_file",
            Self::NeedsSender => "share.needs_sender",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(passcode: Option<&str>, most: Option<u32>, form: ShareForm) -> Result<(), ShareError> {
        NewShare::parse(Some("Dr. Ng"), Some("a\nb"), passcode, most, form).map(|_| ())
    }

    #[test]
    fn a_single_file_link_counts_nothing() {
        use ShareForm::{Manifest, SingleFile};
        assert_eq!(said(None, None, SingleFile), Ok(()));
        assert_eq!(
            said(Some("1234"), None, SingleFile),
            Err(ShareError::SingleFile)
        );
        assert_eq!(said(None, Some(1), SingleFile), Err(ShareError::SingleFile));
        assert_eq!(said(Some("1234"), Some(1), Manifest), Ok(()));
    }

    #[test]
    fn passcodes_and_counts_are_bounded() {
        for (passcode, fits) in [
            ("123", false),
            ("1234", true),
            (" 12 ", false),
            ("12\n34", false),
        ] {
            assert_eq!(parse_passcode(passcode).is_ok(), fits, "{passcode}");
        }
        assert!(parse_passcode(&"é".repeat(64)).is_ok());
        assert!(parse_passcode(&"é".repeat(65)).is_err());
        for most in [0, MAX_ACCESSES + 1] {
            assert_eq!(
                said(None, Some(most), ShareForm::Manifest),
                Err(ShareError::MaxAccesses)
            );
        }
    }

    #[test]
    fn a_message_keeps_its_lines_and_has_an_end() {
        let long = "x".repeat(MAX_MESSAGE_CHARS + 1);
        let share = NewShare::parse(None, Some(" a\r\nb "), None, None, ShareForm::Manifest);
        assert_eq!(share.unwrap().message.as_deref(), Some("a\nb"));
        assert_eq!(
            NewShare::parse(None, Some(&long), None, None, ShareForm::Manifest),
            Err(ShareError::Message(TextError::TooLong))
        );
    }

    #[test]
    fn a_token_has_one_form() {
        assert!(is_token(&"a".repeat(43)));
        for text in [
            &"a".repeat(42),
            &"a".repeat(44),
            &"a/".repeat(22)[..43],
            &"=".repeat(43),
        ] {
            assert!(!is_token(text), "{text}");
        }
    }

    #[test]
    fn a_readers_name_is_cut_and_cleaned_but_never_refused() {
        assert_eq!(reader_name(" Dr.\u{202e} Ng\n "), Some("Dr. Ng".into()));
        assert_eq!(reader_name("\u{0}"), None);
        assert_eq!(
            reader_name(&"é".repeat(200)).map(|n| n.chars().count()),
            Some(80)
        );
    }

    #[test]
    fn a_link_that_waits_is_active_and_one_used_up_has_expired() {
        for (status, word) in [
            (GrantStatus::Active, "ACTIVE"),
            (GrantStatus::Scheduled, "ACTIVE"),
            (GrantStatus::Suspended, "ACTIVE"),
            (GrantStatus::Expired, "EXPIRED"),
            (GrantStatus::UsedUp, "EXPIRED"),
            (GrantStatus::Revoked, "REVOKED"),
        ] {
            assert_eq!(ShareStatus::from(status).as_str(), word);
        }
    }
}
