//! What all adapters share: sending a call, and what a failure of the transport
//! or a status means. It must not know any system's words.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chartkey_domain::clock::Clock;
use chartkey_domain::connections::{ConnectorError, ConnectorResult, ErrorClass};
use jiff::Timestamp;
use rand_core::CryptoRng;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::http::{HttpAnswer, HttpClient, HttpError};

/// Nobody waits longer than this, whatever the other end says.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// `X-RateLimit-Reset` is seconds left at some systems and a moment at others;
/// this many seconds left would be thirty years.
const FIRST_MOMENT_SECS: u64 = 1_000_000_000;
/// Longest code of the other end's own that is passed on.
const MAX_REMOTE_CODE_LEN: usize = 40;

/// Whether a call changes something at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It may be repeated at will.
    Reads,
    /// When it is not known what became of it, somebody has to look.
    Writes,
}

impl Effect {
    /// What a call means that got no answer after it was sent.
    const fn unanswered(self) -> ErrorClass {
        match self {
            Self::Reads => ErrorClass::Transient,
            Self::Writes => ErrorClass::Unknown,
        }
    }
}

/// The client, the clock and the chance of all adapters.
pub(crate) struct Wire {
    http: HttpClient,
    clock: Arc<dyn Clock>,
    chance: Mutex<Box<dyn CryptoRng + Send>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(crate) fn new(
        http: HttpClient,
        clock: Arc<dyn Clock>,
        chance: Box<dyn CryptoRng + Send>,
    ) -> Self {
        Self {
            http,
            clock,
            chance: Mutex::new(chance),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Random bytes.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.chance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }

    /// Whether the operator allows the host of this URL by name, private or not.
    pub(crate) fn is_allowed_host(&self, url: &url::Url) -> bool {
        self.http.is_allowed_host(url)
    }

    /// Begins a call, if the address may be called.
    ///
    /// # Errors
    /// [`ErrorClass::Address`].
    pub(crate) fn request(&self, method: Method, url: &str) -> ConnectorResult<RequestBuilder> {
        self.http
            .request(method, url)
            .map_err(|error| failed(&error, Effect::Reads))
    }

    /// Whether an address may be called, or a browser sent there.
    ///
    /// # Errors
    /// [`ErrorClass::Address`].
    pub(crate) fn check(&self, url: &str) -> ConnectorResult<()> {
        self.http
            .check(url)
            .map_err(|error| failed(&error, Effect::Reads))
    }

    /// Sends a call; whatever status comes back is an answer.
    ///
    /// # Errors
    /// Those of the transport.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        effect: Effect,
        max_len: usize,
    ) -> ConnectorResult<HttpAnswer> {
        self.http
            .send(request, max_len)
            .await
            .map_err(|error| failed(&error, effect))
    }

    /// What an answer means that is not a success.
    pub(crate) fn refusal(&self, answer: &HttpAnswer, effect: Effect) -> ConnectorError {
        ConnectorError {
            class: judge(answer.status, effect),
            retry_after: retry_after(&answer.headers, self.now()),
            status: Some(answer.status.as_u16()),
            remote_code: None,
        }
    }
}

/// What a failure of the transport means.
pub(crate) fn failed(error: &HttpError, effect: Effect) -> ConnectorError {
    ConnectorError::new(match error {
        HttpError::Url | HttpError::PrivateAddress | HttpError::Redirect => ErrorClass::Address,
        HttpError::Connect | HttpError::Setup => ErrorClass::Transient,
        HttpError::Timeout | HttpError::Protocol => effect.unanswered(),
        HttpError::TooLong => match effect {
            Effect::Reads => ErrorClass::TooLarge,
            Effect::Writes => ErrorClass::Unknown,
        },
    })
}

fn judge(status: StatusCode, effect: Effect) -> ErrorClass {
    match status.as_u16() {
        300..=399 => ErrorClass::Address,
        401 => ErrorClass::Auth,
        403 => ErrorClass::Forbidden,
        404 | 410 => ErrorClass::NotFound,
        405 | 406 | 415 | 501 => ErrorClass::Unsupported,
        409 | 412 => ErrorClass::Conflict,
        413 => ErrorClass::TooLarge,
        429 => ErrorClass::RateLimited,
        // Said before anything was done.
        425 | 503 => ErrorClass::Transient,
        408 | 500..=599 => effect.unanswered(),
        400..=499 => ErrorClass::Invalid,
        _ => ErrorClass::Broken,
    }
}

/// When to come back: `Retry-After` in seconds or as a date (RFC 9110 section
/// 10.2.3), else `X-RateLimit-Reset` as seconds left or as Unix time.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let until = |moment: Timestamp| {
        Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    let told = text(RETRY_AFTER.as_str()).and_then(|value| {
        let seconds = value.parse().ok().map(Duration::from_secs);
        seconds.or_else(|| {
            let date = jiff::fmt::rfc2822::parse(value).ok()?;
            Some(until(date.timestamp()))
        })
    });
    let reset = || {
        let value = text("x-ratelimit-reset").or_else(|| text("ratelimit-reset"))?;
        let value: u64 = value.parse().ok()?;
        if value < FIRST_MOMENT_SECS {
            return Some(Duration::from_secs(value));
        }
        let moment = Timestamp::from_second(i64::try_from(value).ok()?).ok()?;
        Some(until(moment))
    };
    told.or_else(reset).map(|wait| wait.min(MAX_RETRY_AFTER))
}

/// A code of the other end's own, fit to be passed on; none where it is not one
/// short word.
pub(crate) fn remote_code(text: &str) -> Option<String> {
    let fits = !text.is_empty()
        && text.len() <= MAX_REMOTE_CODE_LEN
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let now = "2026-11-02T10:00:00Z".parse().unwrap();
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn when_to_come_back_is_read_in_every_way_it_is_said() {
        assert_eq!(wait("retry-after", "17"), Some(17));
        assert_eq!(
            wait("retry-after", "Mon, 02 Nov 2026 10:01:30 GMT"),
            Some(90)
        );
        assert_eq!(
            wait("retry-after", "Mon, 02 Nov 2026 09:00:00 GMT"),
            Some(0)
        );
        assert_eq!(wait("retry-after", "99999999999"), Some(86_400));
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("x-ratelimit-reset", "42"), Some(42));
        assert_eq!(wait("ratelimit-reset", "42"), Some(42));
        // 2026-11-02T10:00:45Z
        assert_eq!(wait("x-ratelimit-reset", "1793613645"), Some(45));
        assert_eq!(wait("date", "x"), None);
    }

    use ErrorClass as C;

    #[test]
    fn a_status_means_one_thing_for_reads_and_may_mean_more_for_writes() {
        let check = |status: u16, reads: ErrorClass, writes: ErrorClass| {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status, Effect::Reads), reads, "{status}");
            assert_eq!(judge(status, Effect::Writes), writes, "{status}");
        };
        check(302, C::Address, C::Address);
        check(400, C::Invalid, C::Invalid);
        check(401, C::Auth, C::Auth);
        check(403, C::Forbidden, C::Forbidden);
        check(404, C::NotFound, C::NotFound);
        check(406, C::Unsupported, C::Unsupported);
        check(408, C::Transient, C::Unknown);
        check(409, C::Conflict, C::Conflict);
        check(413, C::TooLarge, C::TooLarge);
        check(422, C::Invalid, C::Invalid);
        check(429, C::RateLimited, C::RateLimited);
        check(500, C::Transient, C::Unknown);
        check(503, C::Transient, C::Transient);
        check(504, C::Transient, C::Unknown);
    }

    #[test]
    fn only_a_short_word_is_passed_on_as_a_code() {
        assert_eq!(remote_code("4113"), Some("4113".into()));
        assert_eq!(remote_code("Jane Doe was here"), None);
        assert_eq!(remote_code(&"x".repeat(41)), None);
        assert_eq!(remote_code(""), None);
    }
}
