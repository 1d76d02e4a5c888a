//! Mail through an SMTP server.
//!
//! One message is one connection: mail here is rare, and nothing is then left
//! open to go stale. SMTP has no idempotency key; a message whose answer was
//! lost may arrive twice, so both copies carry one `Message-ID` made from the
//! key, by which mailboxes fold them into one.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chartkey_domain::clock::Clock;
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::mail::{MailError, MailMessage, MailReceipt, Mailbox, Mailer};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use url::{Host, Url};

use super::{MailConfigError, ascii_domain};

/// For each step of the conversation.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// For the whole of it.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Sends mail through one SMTP server.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: lettre::message::Mailbox,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpMailer(..)")
    }
}

impl SmtpMailer {
    /// Sends as `from` through the server at `url`:
    ///
    /// - `smtps://[user:password@]host[:465]` – TLS from the first byte;
    /// - `smtp://[user:password@]host[:587]` – STARTTLS, and no mail without it;
    ///   on this machine itself (`localhost`, `127.0.0.1`, `[::1]`) no TLS;
    /// - `?tls=required|opportunistic|none` says otherwise for `smtp`. A password
    ///   never goes out in the clear, except to this machine.
    ///
    /// Credentials are percent-encoded, as in any URL.
    ///
    /// # Errors
    /// [`MailConfigError`]. Nobody is called.
    pub fn new(from: &Mailbox, url: &str, clock: Arc<dyn Clock>) -> Result<Self, MailConfigError> {
        Self::with_timeout(from, url, clock, TIMEOUT)
    }

    fn with_timeout(
        from: &Mailbox,
        url: &str,
        clock: Arc<dyn Clock>,
        timeout: Duration,
    ) -> Result<Self, MailConfigError> {
        let from = to_lettre(from).map_err(|_| MailConfigError::From)?;
        let transport = transport(url, from.email.domain())?;
        Ok(Self {
            transport,
            from,
            clock,
            timeout,
        })
    }

    fn compose(&self, message: &MailMessage) -> Result<Message, MailError> {
        let seconds = u64::try_from(self.clock.now().as_second()).unwrap_or(0);
        let auto_submitted = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(to_lettre(&message.to)?)
            .subject(&message.subject)
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .message_id(Some(self.message_id(message)))
            .raw_header(auto_submitted);
        if let Some(reply_to) = &message.reply_to {
            builder = builder.reply_to(to_lettre(reply_to)?);
        }
        builder
            .multipart(
                MultiPart::alternative()
                    .singlepart(SinglePart::plain(message.text.as_str().to_owned()))
                    .singlepart(SinglePart::html(message.html.as_str().to_owned())),
            )
            .map_err(|_| MailError::Rejected)
    }

    /// `<key@our domain>`, with what is not allowed there replaced.
    fn message_id(&self, message: &MailMessage) -> String {
        let key: String = message
            .idempotency_key
            .chars()
            .map(|c| match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => c,
                _ => '.',
            })
            .take(128)
            .collect();
        format!("<{}@{}>", key.trim_matches('.'), self.from.email.domain())
    }

    async fn deliver(&self, message: &MailMessage) -> Result<MailReceipt, MailError> {
        let email = self.compose(message)?;
        let sending = tokio::time::timeout(self.timeout, self.transport.send(email));
        match sending.await {
            Ok(Ok(_)) => Ok(MailReceipt {
                message_id: self.message_id(message),
            }),
            Ok(Err(error)) => Err(judge(&error, message.to.address().is_ascii())),
            Err(_) => Err(MailError::Timeout),
        }
    }
}

impl Mailer for SmtpMailer {
    fn send<'a>(
        &'a self,
        message: &'a MailMessage,
    ) -> BoxFuture<'a, Result<MailReceipt, MailError>> {
        Box::pin(self.deliver(message))
    }
}

/// How the connection is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protection {
    None,
    Opportunistic,
    StartTls,
    Tls,
}

fn transport(
    url: &str,
    our_domain: &str,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailConfigError> {
    let url = Url::parse(url).map_err(|_| MailConfigError::SmtpUrl)?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or(MailConfigError::SmtpUrl)?;
    // Of schemes it does not know, the URL standard parses no addresses.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(ip)) => ip.is_loopback(),
        Ok(Host::Ipv6(ip)) => ip.is_loopback(),
        Err(_) => return Err(MailConfigError::SmtpUrl),
    };
    let protection = protection(&url, is_local)?;
    let default_port = if protection == Protection::Tls {
        465
    } else {
        587
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(bare)
        .port(url.port().unwrap_or(default_port))
        .timeout(Some(STEP_TIMEOUT))
        .hello_name(ClientId::Domain(our_domain.to_owned()))
        .tls(match protection {
            Protection::None => Tls::None,
            Protection::Opportunistic => Tls::Opportunistic(tls(bare)?),
            Protection::StartTls => Tls::Required(tls(bare)?),
            Protection::Tls => Tls::Wrapper(tls(bare)?),
        });
    if let Some(password) = url.password() {
        let is_protected = matches!(protection, Protection::StartTls | Protection::Tls);
        if !is_protected && !is_local {
            return Err(MailConfigError::SmtpPasswordInClear);
        }
        builder = builder.credentials(Credentials::new(
            percent_decode(url.username())?,
            percent_decode(password)?,
        ));
    }
    Ok(builder.build())
}

fn protection(url: &Url, is_local: bool) -> Result<Protection, MailConfigError> {
    let mut asked = None;
    for (name, value) in url.query_pairs() {
        if name != "tls" {
            return Err(MailConfigError::SmtpUrl);
        }
        asked = Some(value.into_owned());
    }
    match (url.scheme(), asked.as_deref()) {
        ("smtps", None | Some("required")) => Ok(Protection::Tls),
        ("smtp", None) if is_local => Ok(Protection::None),
        ("smtp", None | Some("required")) => Ok(Protection::StartTls),
        ("smtp", Some("opportunistic")) => Ok(Protection::Opportunistic),
        ("smtp", Some("none")) => Ok(Protection::None),
        _ => Err(MailConfigError::SmtpUrl),
    }
}

fn tls(host: &str) -> Result<TlsParameters, MailConfigError> {
    let system = TlsParameters::new(host.to_owned());
    system
        .or_else(|_| {
            // A bare container has no certificates: Mozilla's list stands in.
            TlsParameters::builder(host.to_owned())
                .certificate_store(CertificateStore::WebpkiRoots)
                .build()
        })
        .map_err(|_| MailConfigError::Tls)
}

fn percent_decode(text: &str) -> Result<String, MailConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(MailConfigError::SmtpUrl);
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| MailConfigError::SmtpUrl)?);
    }
    String::from_utf8(bytes).map_err(|_| MailConfigError::SmtpUrl)
}

fn to_lettre(mailbox: &Mailbox) -> Result<lettre::message::Mailbox, MailError> {
    let address: Address = ascii_domain(mailbox)?
        .parse()
        .map_err(|_| MailError::Recipient)?;
    Ok(lettre::message::Mailbox::new(
        mailbox.name().map(ToOwned::to_owned),
        address,
    ))
}

fn judge(error: &lettre::transport::smtp::Error, ascii_recipient: bool) -> MailError {
    if error.is_timeout() {
        return MailError::Timeout;
    }
    if let Some(status) = error.status() {
        return judge_reply(u16::from(status));
    }
    if error.is_client() {
        // The server lacks something: SMTPUTF8 for this address, or STARTTLS or
        // a way to log in for any.
        return if ascii_recipient {
            MailError::Refused
        } else {
            MailError::Recipient
        };
    }
    if error.is_response() || error.is_tls() {
        return MailError::Unavailable { retry_after: None };
    }
    MailError::Unreachable
}

/// RFC 5321 §4.2.3 and RFC 4954 §6.
fn judge_reply(code: u16) -> MailError {
    match code {
        454 => MailError::Unavailable { retry_after: None },
        400..=499 => MailError::Busy { retry_after: None },
        530 | 534 | 535 | 538 => MailError::Refused,
        550 | 551 | 553 | 556 => MailError::Recipient,
        _ => MailError::Rejected,
    }
}

#[cfg(test)]
mod tests;
