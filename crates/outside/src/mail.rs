//! Mail: the carriers (Resend, SMTP, an outbox for development) and the texts.
//!
//! Carriers must not know what a message says; [`templates`] must not know who
//! carries it. Nothing here logs an address, a name, or a text.

mod outbox;
mod resend;
mod smtp;
pub mod templates;

use std::fmt;
use std::sync::Arc;

use chartkey_domain::clock::Clock;
use chartkey_domain::mail::{MailError, Mailbox, Mailer};
use thiserror::Error;
use zeroize::Zeroizing;

pub use outbox::{Outbox, OutboxMessage};
pub use resend::{RESEND_API_URL, ResendMailer};
pub use smtp::SmtpMailer;

/// Who carries mail, as the environment says it. Of a Resend key and an SMTP
/// server, the Resend key wins; with neither, mail stays in an [`Outbox`].
#[derive(Clone)]
pub struct MailConfig {
    /// `MAIL_FROM`: whom mail comes from, `Name <address>` or an address.
    pub from: String,
    /// `RESEND_API_KEY`.
    pub resend_api_key: Option<Zeroizing<String>>,
    /// `RESEND_API_URL`; [`RESEND_API_URL`] when absent.
    pub resend_api_url: Option<String>,
    /// `SMTP_URL`: `smtp://[user:password@]host[:port][?tls=required|opportunistic|none]`
    /// or `smtps://…`. See [`SmtpMailer::new`].
    pub smtp_url: Option<Zeroizing<String>>,
}

impl fmt::Debug for MailConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailConfig(..)")
    }
}

/// Why the configured mail cannot work. Says which setting, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MailConfigError {
    /// `MAIL_FROM` is not an address.
    #[error("MAIL_FROM is not `Name <address>` or an address")]
    From,
    /// `RESEND_API_KEY` is not a key.
    #[error("RESEND_API_KEY is not a key")]
    ResendKey,
    /// `RESEND_API_URL` is not an `http` or `https` URL.
    #[error("RESEND_API_URL is not an http or https URL")]
    ResendUrl,
    /// `SMTP_URL` is not understood.
    #[error("SMTP_URL is not smtp:// or smtps:// with a host")]
    SmtpUrl,
    /// `SMTP_URL` would send a password in the clear.
    #[error("SMTP_URL has a password but no TLS")]
    SmtpPasswordInClear,
    /// The system gave no TLS.
    #[error("TLS for mail could not be set up")]
    Tls,
}

impl MailConfigError {
    /// The stable word for this error.
    pub fn code(self) -> &'static str {
        match self {
            Self::From => "mail.config.from",
            Self::ResendKey => "mail.config.resend_key",
            Self::ResendUrl => "mail.config.resend_url",
            Self::SmtpUrl => "mail.config.smtp_url",
            Self::SmtpPasswordInClear => "mail.config.smtp_password_in_clear",
            Self::Tls => "mail.config.tls",
        }
    }
}

/// The mail that [`from_config`] set up.
#[derive(Clone)]
pub struct Mail {
    /// The door.
    pub mailer: Arc<dyn Mailer>,
    /// Where mail stays when nobody carries it; absent when somebody does.
    pub outbox: Option<Arc<Outbox>>,
    /// `resend`, `smtp` or `outbox`, for the log at the start.
    pub carrier: &'static str,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("carrier", &self.carrier)
            .finish_non_exhaustive()
    }
}

/// Sets mail up. Calls nobody: a wrong key or host shows at the first message.
///
/// # Errors
/// [`MailConfigError`].
pub fn from_config(config: &MailConfig, clock: Arc<dyn Clock>) -> Result<Mail, MailConfigError> {
    let from = Mailbox::parse(&config.from).map_err(|_| MailConfigError::From)?;
    if let Some(key) = &config.resend_api_key {
        let url = config.resend_api_url.as_deref().unwrap_or(RESEND_API_URL);
        return Ok(Mail {
            mailer: Arc::new(ResendMailer::new(&from, key.clone(), url)?),
            outbox: None,
            carrier: "resend",
        });
    }
    if let Some(url) = &config.smtp_url {
        return Ok(Mail {
            mailer: Arc::new(SmtpMailer::new(&from, url, clock)?),
            outbox: None,
            carrier: "smtp",
        });
    }
    let outbox = Arc::new(Outbox::new(clock));
    Ok(Mail {
        mailer: outbox.clone(),
        outbox: Some(outbox),
        carrier: "outbox",
    })
}

/// The address with its domain in ASCII (`exämple.de` → `xn--exmple-cua.de`),
/// which is how carriers want it.
fn ascii_domain(mailbox: &Mailbox) -> Result<String, MailError> {
    let (local, domain) = mailbox
        .address()
        .rsplit_once('@')
        .ok_or(MailError::Recipient)?;
    let domain = idna::domain_to_ascii_strict(domain).map_err(|_| MailError::Recipient)?;
    Ok(format!("{local}@{domain}"))
}

#[cfg(test)]
mod tests {
    use chartkey_domain::clock::FixedClock;
    use jiff::Timestamp;

    use super::*;

    fn carrier(edit: impl FnOnce(&mut MailConfig)) -> Result<&'static str, MailConfigError> {
        let mut config = MailConfig {
            from: "Chartkey <no-reply@example.org>".into(),
            resend_api_key: None,
            resend_api_url: None,
            smtp_url: None,
        };
        edit(&mut config);
        from_config(&config, Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH)))
            .map(|mail| mail.carrier)
    }

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.into())
    }

    #[tokio::test]
    async fn the_environment_chooses_the_carrier() {
        assert_eq!(carrier(|_| ()), Ok("outbox"));
        assert_eq!(
            carrier(|c| c.resend_api_key = Some(secret("re_x"))),
            Ok("resend")
        );
        assert_eq!(
            carrier(|c| c.smtp_url = Some(secret("smtp://localhost:1025"))),
            Ok("smtp")
        );
        assert_eq!(
            carrier(|c| {
                c.smtp_url = Some(secret("smtp://localhost:1025"));
                c.resend_api_key = Some(secret("re_x"));
            }),
            Ok("resend")
        );
    }

    #[tokio::test]
    async fn a_wrong_setting_is_named() {
        let check = |edit: fn(&mut MailConfig), code: &str| {
            assert_eq!(carrier(edit).unwrap_err().code(), code);
        };
        check(|c| c.from = "nobody".into(), "mail.config.from");
        check(
            |c| c.resend_api_key = Some(secret("")),
            "mail.config.resend_key",
        );
        check(
            |c| c.resend_api_key = Some(secret("a\r\nb")),
            "mail.config.resend_key",
        );
        check(
            |c| {
                c.resend_api_key = Some(secret("re_x"));
                c.resend_api_url = Some("localhost".into());
            },
            "mail.config.resend_url",
        );
        check(
            |c| c.smtp_url = Some(secret("localhost:25")),
            "mail.config.smtp_url",
        );
        check(
            |c| c.smtp_url = Some(secret("http://localhost")),
            "mail.config.smtp_url",
        );
        check(
            |c| c.smtp_url = Some(secret("smtp://mail.example.org?tls=maybe")),
            "mail.config.smtp_url",
        );
        check(
            |c| c.smtp_url = Some(secret("smtp://u:p@mail.example.org?tls=none")),
            "mail.config.smtp_password_in_clear",
        );
    }

    #[test]
    fn domains_are_sent_in_ascii() {
        let check = |address: &str, expected: Option<&str>| {
            let mailbox = Mailbox::new(None, address).unwrap();
            assert_eq!(
                ascii_domain(&mailbox).ok().as_deref(),
                expected,
                "{address}"
            );
        };
        check("ada@Example.org", Some("ada@example.org"));
        check("ada@exämple.de", Some("ada@xn--exmple-cua.de"));
        check("用户@例子.中国", Some("用户@xn--fsqu00a.xn--fiqs8s"));
    }
}
