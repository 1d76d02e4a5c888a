//! What our mails say: one function for each, giving subject, HTML and text.
//!
//! What is *not* in them matters most, since mail providers can read mail: only
//! the share notice names a patient or a record type, and there is no way to put
//! a sensitive kind into any of them. All others say that something happened and
//! where to look. Only a share notice, an invitation and a request for documents carry what people typed;
//! it is cut to a size, freed of hidden characters, escaped, and isolated from
//! the direction of the text around it.
//!
//! This module must not know who is written to, who carries the mail, or what
//! time it is.

mod access;
mod account;
mod letter;
mod share;

use std::fmt;

use chartkey_domain::mail::{MailMessage, Mailbox};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;
use zeroize::Zeroizing;

pub use access::{
    Audience, access_ended, access_ends_soon, access_requested, documents_asked, documents_came,
    new_link_asked, send_again, share_opened,
};
pub use account::{
    AccountInvitation, chart_ends_soon, existing_account, invitation, keys_changed, new_sign_in,
    password_changed, provider_verification, recovery_used, verify_email,
};
pub use share::{ShareNotice, share_notice};

/// An `http` or `https` URL to put behind a button. Wiped when dropped: it may
/// carry a key.
pub struct WebUrl(Zeroizing<String>);

impl WebUrl {
    /// Nothing, unless `url` is an absolute `http` or `https` URL without a user
    /// name.
    pub fn new(url: &str) -> Option<Self> {
        let parsed = Url::parse(url).ok()?;
        let is_web = matches!(parsed.scheme(), "http" | "https")
            && parsed.host().is_some()
            && parsed.username().is_empty()
            && url.chars().all(|c| c.is_ascii_graphic());
        is_web.then(|| Self(Zeroizing::new(url.to_owned())))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebUrl(..)")
    }
}

/// A finished mail, still without an address.
pub struct MailText {
    /// The dotted word of this kind of mail.
    pub kind: &'static str,
    /// One line.
    pub subject: String,
    /// A whole HTML document.
    pub html: Zeroizing<String>,
    /// The same in plain text.
    pub text: Zeroizing<String>,
}

impl MailText {
    /// Addresses the mail. For the key see [`MailMessage::idempotency_key`].
    #[must_use]
    pub fn to(self, to: Mailbox, idempotency_key: String) -> MailMessage {
        MailMessage {
            to,
            reply_to: None,
            subject: self.subject,
            html: self.html,
            text: self.text,
            kind: self.kind,
            idempotency_key,
        }
    }
}

impl fmt::Debug for MailText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailText")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// `5 March 2026, 14:30 UTC`: mails know no time zone of their reader.
fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%-d %B %Y, %H:%M UTC")
        .to_string()
}

#[cfg(test)]
mod tests;
