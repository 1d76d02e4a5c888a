//! Mail: what a message is, and the door through which it leaves.
//!
//! This module must not know who carries the mail, nor what the texts say. It
//! guarantees two things to both sides: an address or a name cannot carry a
//! second header (nothing with a control character becomes a [`Mailbox`]), and
//! nothing here prints what a mail says or to whom.

use std::fmt;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::doors::BoxFuture;

/// Longest display name, in characters; longer ones are cut with an ellipsis.
pub const MAX_NAME_CHARS: usize = 64;
/// Longest subject, in characters; longer ones are cut with an ellipsis.
pub const MAX_SUBJECT_CHARS: usize = 160;
/// Longest address, in bytes (RFC 5321 §4.5.3.1.3, without the angle brackets).
const MAX_ADDRESS_LEN: usize = 254;
/// Longest part before the `@`, in bytes (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL_LEN: usize = 64;

/// Somebody's address, with the name to show beside it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    name: Option<String>,
    address: String,
}

impl Mailbox {
    /// `address` as `local@domain` (an internationalised domain may be written
    /// either way), `name` as its owner typed it: it is passed through
    /// [`one_line`], and dropped when nothing is left.
    ///
    /// Accepts the addresses that people have, not all that RFC 5322 allows: no
    /// quoted local parts, comments, address literals or white space.
    ///
    /// # Errors
    /// [`MailError::Recipient`] when `address` is not one address.
    pub fn new(name: Option<&str>, address: &str) -> Result<Self, MailError> {
        let address = address.trim();
        if !is_address(address) {
            return Err(MailError::Recipient);
        }
        let name = name
            .map(|name| one_line(name, MAX_NAME_CHARS))
            .filter(|name| !name.is_empty());
        Ok(Self {
            name,
            address: address.to_owned(),
        })
    }

    /// Reads `Name <local@domain>` or `local@domain`, as configuration writes it.
    ///
    /// # Errors
    /// [`MailError::Recipient`] when the address is not one address.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        let text = text.trim();
        match text
            .strip_suffix('>')
            .and_then(|rest| rest.rsplit_once('<'))
        {
            Some((name, address)) => Self::new(Some(name.trim().trim_matches('"')), address),
            None => Self::new(None, text),
        }
    }

    /// The name to show, if there is one. One line, without controls.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// `local@domain`, as it was given.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox(..)")
    }
}

fn is_address(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let local_ok = !local.is_empty()
        && local.len() <= MAX_LOCAL_LEN
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| {
            if c.is_ascii() {
                c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
            } else {
                !is_invisible(c) && !c.is_whitespace()
            }
        });
    let domain_ok = address.len() <= MAX_ADDRESS_LEN
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| {
                    if c.is_ascii() {
                        c.is_ascii_alphanumeric() || c == '-'
                    } else {
                        c.is_alphanumeric() || is_mark(c)
                    }
                })
        });
    local_ok && domain_ok
}

/// Combining marks and joiners that real internationalised names need.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{900}'..='\u{903}' | '\u{93a}'..='\u{94f}'
        | '\u{981}'..='\u{983}' | '\u{9bc}'..='\u{9cd}' | '\u{a3c}'..='\u{a4d}'
        | '\u{b3c}'..='\u{b4d}' | '\u{bbe}'..='\u{bcd}' | '\u{c3e}'..='\u{c4d}'
        | '\u{cbc}'..='\u{ccd}' | '\u{d3b}'..='\u{d4d}' | '\u{e31}'
        | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '·' | '・')
}

/// Characters that reorder, hide or break text: controls, bidirectional
/// controls, zero-width characters, separators of lines and paragraphs, tags.
///
/// They are refused in addresses and dropped from names, so that
/// `Dr. \u{202e}kcaB` cannot be displayed as something it is not.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` as one line of at most `max_chars` characters: white space and line
/// breaks become single spaces, [`is_invisible`] characters are dropped, and a
/// cut is marked with an ellipsis.
pub fn one_line(text: &str, max_chars: usize) -> String {
    // Nothing beyond this can still appear, and text may be megabytes long.
    let bounded = text
        .chars()
        .take(max_chars.saturating_mul(4).saturating_add(64));
    let mut line = String::new();
    let mut chars = 0_usize;
    let mut pending_space = false;
    for c in bounded {
        if c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}') {
            pending_space = true;
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        if pending_space && !line.is_empty() {
            line.push(' ');
            chars += 1;
        }
        pending_space = false;
        line.push(c);
        chars += 1;
        if chars > max_chars {
            let mut cut: String = line.chars().take(max_chars.saturating_sub(1)).collect();
            cut.truncate(cut.trim_end().len());
            cut.push('…');
            return cut;
        }
    }
    line
}

/// One mail to one person. Its texts are wiped when it is dropped: a share mail
/// carries the key of a link.
pub struct MailMessage {
    /// Who gets it.
    pub to: Mailbox,
    /// Who gets the answer, when that is not us.
    pub reply_to: Option<Mailbox>,
    /// One line, as made by [`one_line`]; adapters fold and encode it.
    pub subject: String,
    /// The body as HTML.
    pub html: Zeroizing<String>,
    /// The same body as plain text.
    pub text: Zeroizing<String>,
    /// The dotted word of this kind of mail, e.g. `share.notice`. No content.
    pub kind: &'static str,
    /// Two sends with one key are one mail. `<event>/<id>`, 1–256 printable
    /// ASCII characters, with nothing personal in it.
    pub idempotency_key: String,
}

impl fmt::Debug for MailMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailMessage")
            .field("kind", &self.kind)
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}

/// The carrier took the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailReceipt {
    /// The carrier's name for the message; empty where it gives none.
    pub message_id: String,
}

/// Why a message was not taken. Carries nothing of the message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MailError {
    /// Nobody answered; the message did not leave.
    #[error("the mail carrier cannot be reached")]
    Unreachable,
    /// No answer in time; the message may have left. Retry with the same key.
    #[error("the mail carrier did not answer in time")]
    Timeout,
    /// The carrier asks us to slow down.
    #[error("the mail carrier is busy")]
    Busy {
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The quota of the day or month is used up; only time or the operator helps.
    #[error("the mail carrier's quota is used up")]
    Quota {
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The carrier failed.
    #[error("the mail carrier failed")]
    Unavailable {
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The carrier refuses us: wrong key, unverified domain, failed log-in, bad
    /// certificate.
    #[error("the mail carrier refuses this server")]
    Refused,
    /// The carrier refuses this recipient, or the address is none.
    #[error("the address is refused")]
    Recipient,
    /// The carrier refuses this message.
    #[error("the message is refused")]
    Rejected,
    /// Another message was sent with this idempotency key.
    #[error("the idempotency key belongs to another message")]
    KeyReused,
}

impl MailError {
    /// The stable word for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "mail.unreachable",
            Self::Timeout => "mail.timeout",
            Self::Busy { .. } => "mail.busy",
            Self::Quota { .. } => "mail.quota",
            Self::Unavailable { .. } => "mail.unavailable",
            Self::Refused => "mail.refused",
            Self::Recipient => "mail.recipient",
            Self::Rejected => "mail.rejected",
            Self::KeyReused => "mail.key_reused",
        }
    }

    /// Whether the same message, under the same key, may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable
            | Self::Timeout
            | Self::Busy { .. }
            | Self::Quota { .. }
            | Self::Unavailable { .. } => true,
            Self::Refused | Self::Recipient | Self::Rejected | Self::KeyReused => false,
        }
    }

    /// How long the carrier asked us to wait, where it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after }
            | Self::Quota { retry_after }
            | Self::Unavailable { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// Whether the operator has to do something before any mail leaves.
    pub fn needs_operator(&self) -> bool {
        matches!(self, Self::Refused | Self::Quota { .. })
    }
}

/// The door through which mail leaves.
pub trait Mailer: Send + Sync {
    /// Hands `message` to the carrier. Sending the same message again under the
    /// same idempotency key is allowed after every error, and makes at most one
    /// mail where the carrier can promise that (SMTP cannot after
    /// [`MailError::Timeout`]; such copies share one `Message-ID`).
    fn send<'a>(
        &'a self,
        message: &'a MailMessage,
    ) -> BoxFuture<'a, Result<MailReceipt, MailError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_people_have_are_accepted() {
        for address in [
            "ada@example.org",
            "first.last+tag@sub.example.co.uk",
            "o'brien@example.ie",
            "grüße@exämple.de",
            "用户@例子.中国",
            "a@localhost",
            "क@उदाहरण.भारत",
        ] {
            assert!(Mailbox::new(None, address).is_ok(), "{address}");
        }
    }

    #[test]
    fn whatever_is_not_one_address_is_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long_domain = format!("a@{}.org", "a.".repeat(140));
        for address in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example..org",
            "ada@-example.org",
            ".ada@example.org",
            "a..b@example.org",
            "ada@example.org, eve@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada\n@example.org",
            "ada@exam\u{202e}ple.org",
            "ada\u{200b}@example.org",
            "\"ada\"@example.org",
            "ada@[127.0.0.1]",
            "<ada@example.org>",
            "ada @example.org",
            "ada@eve@example.org",
            "ada@example.org\0",
            &long_local,
            &long_domain,
        ] {
            assert_eq!(
                Mailbox::new(None, address).err(),
                Some(MailError::Recipient),
                "{address:?}"
            );
        }
    }

    #[test]
    fn names_lose_line_breaks_and_hidden_characters() {
        let check = |name: &str, expected: Option<&str>| {
            let mailbox = Mailbox::new(Some(name), "a@example.org").unwrap();
            assert_eq!(mailbox.name(), expected, "{name:?}");
        };
        check("Ada Lovelace", Some("Ada Lovelace"));
        check(
            "Ada\r\nBcc: eve@example.org",
            Some("Ada Bcc: eve@example.org"),
        );
        check("  Ada \t  L. ", Some("Ada L."));
        check("Dr. \u{202e}evE\u{202c}", Some("Dr. evE"));
        check("\u{200b}\u{feff}", None);
        check("", None);
        check("محمد", Some("محمد"));
        check("Ada\u{2028}Bcc", Some("Ada Bcc"));
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let cut = one_line(&"é".repeat(5_000_000), 10);
        assert_eq!(cut, format!("{}…", "é".repeat(9)));
        assert_eq!(one_line(&"é".repeat(10), 10), "é".repeat(10));
    }

    #[test]
    fn configuration_may_name_the_sender() {
        let mailbox = Mailbox::parse("\"Chartkey\" <no-reply@example.org>").unwrap();
        assert_eq!(mailbox.name(), Some("Chartkey"));
        assert_eq!(mailbox.address(), "no-reply@example.org");
        assert_eq!(Mailbox::parse("a@example.org").unwrap().name(), None);
        assert!(Mailbox::parse("Chartkey <>").is_err());
    }

    #[test]
    fn debug_prints_neither_content_nor_address() {
        let message = MailMessage {
            to: Mailbox::new(Some("Marker"), "marker@example.org").unwrap(),
            reply_to: None,
            subject: "Marker".into(),
            html: Zeroizing::new("Marker".into()),
            text: Zeroizing::new("Marker".into()),
            kind: "share.notice",
            idempotency_key: "share-notice/1".into(),
        };
        let printed = format!("{message:?} {:?}", message.to);
        assert!(!printed.to_lowercase().contains("marker"), "{printed}");
    }
}
