//! Mail through Resend's HTTP API, `POST /emails`.
//!
//! One message is one call. Retrying is the job queue's: this module says
//! whether and when, and sends the same body under the same `Idempotency-Key`,
//! so that a message whose answer was lost is not mailed twice.

use std::fmt;
use std::time::Duration;

use chartkey_domain::doors::BoxFuture;
use chartkey_domain::mail::{MailError, MailMessage, MailReceipt, Mailbox, Mailer};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::{MailConfigError, ascii_domain};
use crate::http::addresses::AllowedHosts;
use crate::http::{HttpAnswer, HttpClient, HttpError, HttpSettings};

/// Where Resend is, unless `RESEND_API_URL` says otherwise.
pub const RESEND_API_URL: &str = "https://api.resend.com";
/// Answers are some hundred bytes.
const MAX_ANSWER_LEN: usize = 64 << 10;
/// Nobody is asked to wait longer than this, whatever the carrier says.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Sends mail through Resend.
pub struct ResendMailer {
    http: HttpClient,
    endpoint: String,
    api_key: Zeroizing<String>,
    from: String,
}

impl fmt::Debug for ResendMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResendMailer(..)")
    }
}

#[derive(Serialize)]
struct Email<'a> {
    from: &'a str,
    to: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    subject: &'a str,
    html: &'a str,
    text: &'a str,
    headers: Headers,
    tags: [Tag<'a>; 1],
}

#[derive(Serialize)]
struct Headers {
    /// RFC 3834: keeps holiday responders from answering.
    #[serde(rename = "Auto-Submitted")]
    auto_submitted: &'static str,
}

#[derive(Serialize)]
struct Tag<'a> {
    name: &'static str,
    value: &'a str,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

#[derive(Deserialize)]
struct Refusal {
    name: String,
}

impl ResendMailer {
    /// Sends as `from` with this key, to the API at `base_url`, which may be
    /// private or without TLS, because the operator names it.
    ///
    /// # Errors
    /// [`MailConfigError`]. Nobody is called.
    pub fn new(
        from: &Mailbox,
        api_key: Zeroizing<String>,
        base_url: &str,
    ) -> Result<Self, MailConfigError> {
        Self::with_timeout(from, api_key, base_url, HttpSettings::default().timeout)
    }

    fn with_timeout(
        from: &Mailbox,
        api_key: Zeroizing<String>,
        base_url: &str,
        timeout: Duration,
    ) -> Result<Self, MailConfigError> {
        if api_key.is_empty() || !api_key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MailConfigError::ResendKey);
        }
        let base_url = base_url.trim_end_matches('/');
        let url = Url::parse(base_url).map_err(|_| MailConfigError::ResendUrl)?;
        let http = HttpClient::new(HttpSettings {
            allowed_hosts: AllowedHosts::default().and_url(&url),
            timeout,
            ..HttpSettings::default()
        })
        .map_err(|_| MailConfigError::Tls)?;
        let endpoint = format!("{base_url}/emails");
        if http.check(&endpoint).is_err() {
            return Err(MailConfigError::ResendUrl);
        }
        Ok(Self {
            http,
            endpoint,
            api_key,
            from: with_name(from).map_err(|_| MailConfigError::From)?,
        })
    }

    async fn post(&self, message: &MailMessage) -> Result<MailReceipt, MailError> {
        let to = ascii_domain(&message.to)?;
        let tag = message.kind.replace('.', "_");
        let reply_to = message.reply_to.as_ref().map(with_name).transpose()?;
        let body = serde_json::to_vec(&Email {
            from: &self.from,
            to: [&to],
            reply_to,
            subject: &message.subject,
            html: &message.html,
            text: &message.text,
            headers: Headers {
                auto_submitted: "auto-generated",
            },
            tags: [Tag {
                name: "kind",
                value: &tag,
            }],
        })
        .map_err(|_| MailError::Rejected)?;
        let bearer = Zeroizing::new(format!("Bearer {}", self.api_key.as_str()));
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| MailError::Refused)?;
        authorization.set_sensitive(true);
        let request = self
            .http
            .request(Method::POST, &self.endpoint)
            .map_err(|error| from_http(&error))?
            .header(AUTHORIZATION, authorization)
            .header("idempotency-key", &message.idempotency_key)
            .header("content-type", "application/json")
            .body(body);
        let answer = self
            .http
            .send(request, MAX_ANSWER_LEN)
            .await
            .map_err(|error| from_http(&error))?;
        read_answer(&answer)
    }
}

impl Mailer for ResendMailer {
    fn send<'a>(
        &'a self,
        message: &'a MailMessage,
    ) -> BoxFuture<'a, Result<MailReceipt, MailError>> {
        Box::pin(self.post(message))
    }
}

/// `"Name" <address>`; quotes and backslashes in the name are escaped, and a
/// [`Mailbox`] has no line breaks.
fn with_name(mailbox: &Mailbox) -> Result<String, MailError> {
    let address = ascii_domain(mailbox)?;
    Ok(match mailbox.name() {
        Some(name) => {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{name}\" <{address}>")
        }
        None => address,
    })
}

fn from_http(error: &HttpError) -> MailError {
    match error {
        HttpError::Timeout => MailError::Timeout,
        HttpError::Connect => MailError::Unreachable,
        // The message may have been taken before the answer broke.
        HttpError::Protocol | HttpError::TooLong | HttpError::Redirect => {
            MailError::Unavailable { retry_after: None }
        }
        HttpError::Url | HttpError::PrivateAddress | HttpError::Setup => MailError::Refused,
    }
}

fn read_answer(answer: &HttpAnswer) -> Result<MailReceipt, MailError> {
    if answer.status.is_success() {
        // Taken is taken, even when the answer cannot be read.
        let message_id = serde_json::from_slice::<Accepted>(&answer.body)
            .map(|accepted| accepted.id)
            .unwrap_or_default();
        return Ok(MailReceipt { message_id });
    }
    let name = serde_json::from_slice::<Refusal>(&answer.body)
        .map(|refusal| refusal.name)
        .unwrap_or_default();
    Err(judge(answer.status, &name, retry_after(&answer.headers)))
}

/// Resend's errors by status and name; names it may invent later, by status.
fn judge(status: StatusCode, name: &str, retry_after: Option<Duration>) -> MailError {
    match (status.as_u16(), name) {
        (409, "invalid_idempotent_request") => MailError::KeyReused,
        (429, "daily_quota_exceeded" | "monthly_quota_exceeded") => {
            MailError::Quota { retry_after }
        }
        (408 | 409 | 425 | 429, _) => MailError::Busy { retry_after },
        // A redirect is nowhere we want to send a key.
        (300..=399 | 401 | 403 | 404 | 405, _) | (422, "invalid_from_address") => {
            MailError::Refused
        }
        (400..=499, _) => MailError::Rejected,
        _ => MailError::Unavailable { retry_after },
    }
}

/// `retry-after` or else `ratelimit-reset`, both in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    ["retry-after", "ratelimit-reset"].iter().find_map(|name| {
        let seconds = headers.get(*name)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
    })
}

#[cfg(test)]
mod tests;
