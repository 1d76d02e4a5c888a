//! The one constructor of outgoing HTTP clients.
//!
//! Whoever may name an address that this server then calls could make it call
//! its own neighbours: a database, a cloud's metadata service, a printer. So
//! every client made here refuses private addresses, whether they are written in
//! the URL, hidden behind a name, behind a name whose answer changes (the
//! address that was checked is the one that is connected to), or behind a
//! redirect. The operator can name hosts that may be private.
//!
//! Every client also has time limits, sends no cookies, obeys no proxy
//! variables, follows no redirect unless told to, and reads bodies up to a
//! stated size only. This module must not know who is called, or why.

pub mod addresses;

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response, StatusCode, redirect};
use thiserror::Error;
use url::{Host, Url};

use self::addresses::{AllowedHosts, is_public};

/// Why a call failed. Never holds the URL: it may carry a token.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Not an `https` URL (or `http`, for an allowed host), or one with a user
    /// name in it.
    #[error("the URL cannot be called")]
    Url,
    /// The host is, or resolves to, an address that is not public.
    #[error("the host has a private address")]
    PrivateAddress,
    /// More redirects than allowed, or one to where none may lead.
    #[error("the answer redirects too far")]
    Redirect,
    /// Nobody answers at the host.
    #[error("the host cannot be reached")]
    Connect,
    /// No answer in time. The request may have been acted upon.
    #[error("the host did not answer in time")]
    Timeout,
    /// The body is longer than the caller accepts.
    #[error("the answer is too long")]
    TooLong,
    /// The answer broke off or is not HTTP.
    #[error("the answer is broken")]
    Protocol,
    /// The client could not be made; says nothing about any host.
    #[error("the HTTP client could not be made")]
    Setup,
}

impl HttpError {
    /// The stable word for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url => "http.url",
            Self::PrivateAddress => "http.private_address",
            Self::Redirect => "http.redirect",
            Self::Connect => "http.connect",
            Self::Timeout => "http.timeout",
            Self::TooLong => "http.too_long",
            Self::Protocol => "http.protocol",
            Self::Setup => "http.setup",
        }
    }

    fn from_reqwest(error: &reqwest::Error) -> Self {
        let mut source: Option<&(dyn StdError + 'static)> = error.source();
        while let Some(cause) = source {
            if let Some(known) = cause.downcast_ref::<Self>() {
                return match known {
                    Self::PrivateAddress => Self::PrivateAddress,
                    Self::Url => Self::Url,
                    _ => Self::Redirect,
                };
            }
            source = cause.source();
        }
        // A time-out while connecting reached nobody.
        if error.is_connect() {
            Self::Connect
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_redirect() {
            Self::Redirect
        } else if error.is_builder() {
            Self::Url
        } else {
            Self::Protocol
        }
    }
}

/// What a client may do.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Hosts whose addresses may be private and which may be called without TLS.
    pub allowed_hosts: AllowedHosts,
    /// Time until a connection stands, name look-up and TLS included.
    pub connect_timeout: Duration,
    /// Longest silence within an answer.
    pub read_timeout: Duration,
    /// Time for the whole call, body included.
    pub timeout: Duration,
    /// How many redirects may be followed; each is checked like the first URL.
    pub max_redirects: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allowed_hosts: AllowedHosts::default(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(20),
            timeout: Duration::from_secs(30),
            max_redirects: 0,
        }
    }
}

/// A client that calls public hosts, and those that the operator allows.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    allowed: Arc<AllowedHosts>,
}

/// A whole answer.
#[derive(Debug)]
pub struct HttpAnswer {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The body, no longer than the caller asked for.
    pub body: Bytes,
}

impl HttpClient {
    /// A client with these settings.
    ///
    /// # Errors
    /// [`HttpError::Setup`].
    pub fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        Self::with_resolver(settings, Arc::new(SystemNames))
    }

    pub(crate) fn with_resolver(
        settings: HttpSettings,
        names: Arc<dyn Names>,
    ) -> Result<Self, HttpError> {
        let allowed = Arc::new(settings.allowed_hosts);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_config()?)
            .user_agent(concat!("chartkey/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .referer(false)
            .redirect(redirects(settings.max_redirects, Arc::clone(&allowed)))
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .timeout(settings.timeout)
            .dns_resolver(Arc::new(GuardedNames {
                allowed: Arc::clone(&allowed),
                names,
            }))
            .build()
            .map_err(|_| HttpError::Setup)?;
        Ok(Self { client, allowed })
    }

    /// Begins a request. The URL is checked here; names in it are checked when
    /// they are looked up.
    ///
    /// # Errors
    /// [`HttpError::Url`], [`HttpError::PrivateAddress`].
    pub fn request(&self, method: Method, url: &str) -> Result<RequestBuilder, HttpError> {
        let url = Url::parse(url).map_err(|_| HttpError::Url)?;
        check_url(&url, &self.allowed)?;
        Ok(self.client.request(method, url))
    }

    /// Sends a request of this client and reads at most `max_len` bytes of body.
    ///
    /// # Errors
    /// Any [`HttpError`]; a status that says failure is an answer, not an error.
    pub async fn send(
        &self,
        request: RequestBuilder,
        max_len: usize,
    ) -> Result<HttpAnswer, HttpError> {
        let response = request
            .send()
            .await
            .map_err(|error| HttpError::from_reqwest(&error))?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read_body(response, max_len).await?;
        Ok(HttpAnswer {
            status,
            headers,
            body,
        })
    }

    /// Sends a request of this client and hands over the body as it arrives, for
    /// answers too large to hold.
    ///
    /// # Errors
    /// Any [`HttpError`].
    pub async fn open(
        &self,
        request: RequestBuilder,
        max_len: u64,
    ) -> Result<HttpStream, HttpError> {
        let response = request
            .send()
            .await
            .map_err(|error| HttpError::from_reqwest(&error))?;
        if response.content_length().is_some_and(|len| len > max_len) {
            return Err(HttpError::TooLong);
        }
        Ok(HttpStream {
            response,
            left: max_len,
        })
    }

    /// Whether the operator allows the host of this URL to be private.
    pub(crate) fn is_allowed_host(&self, url: &Url) -> bool {
        url.host()
            .is_some_and(|host| self.allowed.contains(&host, url.port_or_known_default()))
    }

    /// The client itself, for libraries that bring their own requests. Their
    /// URLs must go through [`Self::check`] first.
    pub(crate) fn inner(&self) -> &reqwest::Client {
        &self.client
    }

    /// Checks a URL as [`Self::request`] does.
    pub(crate) fn check(&self, url: &str) -> Result<(), HttpError> {
        let url = Url::parse(url).map_err(|_| HttpError::Url)?;
        check_url(&url, &self.allowed)
    }
}

/// An answer whose body is still arriving.
#[derive(Debug)]
pub struct HttpStream {
    response: Response,
    left: u64,
}

impl HttpStream {
    /// The status, whatever it is.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body, or nothing at its end.
    ///
    /// # Errors
    /// [`HttpError::TooLong`] once the body exceeds what the caller accepts;
    /// [`HttpError::Timeout`], [`HttpError::Protocol`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let chunk = self
            .response
            .chunk()
            .await
            .map_err(|error| HttpError::from_reqwest(&error))?;
        if let Some(chunk) = &chunk {
            let len = u64::try_from(chunk.len()).map_err(|_| HttpError::TooLong)?;
            self.left = self.left.checked_sub(len).ok_or(HttpError::TooLong)?;
        }
        Ok(chunk)
    }
}

async fn read_body(response: Response, max_len: usize) -> Result<Bytes, HttpError> {
    let left = u64::try_from(max_len).map_err(|_| HttpError::TooLong)?;
    if response.content_length().is_some_and(|len| len > left) {
        return Err(HttpError::TooLong);
    }
    let mut stream = HttpStream { response, left };
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.chunk().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// TLS 1.2 and 1.3 by rustls on ring, trusting what the system trusts. Where the
/// system has no certificates at all (a bare container), Mozilla's list stands
/// in.
pub(crate) fn tls_config() -> Result<rustls::ClientConfig, HttpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| HttpError::Setup)?;
    Ok(match rustls_platform_verifier::Verifier::new(provider) {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier)),
        Err(_) => builder.with_root_certificates(rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        }),
    }
    .with_no_client_auth())
}

fn check_url(url: &Url, allowed: &AllowedHosts) -> Result<(), HttpError> {
    let host = url.host().ok_or(HttpError::Url)?;
    let is_allowed = allowed.contains(&host, url.port_or_known_default());
    match url.scheme() {
        "https" => {}
        "http" if is_allowed => {}
        _ => return Err(HttpError::Url),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpError::Url);
    }
    let public = match host {
        Host::Domain(_) => true, // checked when it is looked up
        Host::Ipv4(ip) => is_public(ip.into()),
        Host::Ipv6(ip) => is_public(ip.into()),
    };
    if public || is_allowed {
        Ok(())
    } else {
        Err(HttpError::PrivateAddress)
    }
}

fn redirects(max: usize, allowed: Arc<AllowedHosts>) -> redirect::Policy {
    if max == 0 {
        return redirect::Policy::none();
    }
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > max {
            return attempt.error(HttpError::Redirect);
        }
        let left_tls = attempt.url().scheme() == "http"
            && attempt
                .previous()
                .last()
                .is_some_and(|url| url.scheme() == "https");
        if left_tls {
            return attempt.error(HttpError::Redirect);
        }
        match check_url(attempt.url(), &allowed) {
            Ok(()) => attempt.follow(),
            Err(error) => attempt.error(error),
        }
    })
}

/// Looks names up. A trait so that tests can make a name lie.
pub(crate) trait Names: Send + Sync {
    fn look_up(&self, name: String) -> Looking;
}

/// What a look-up finds.
pub(crate) type Looking =
    chartkey_domain::doors::BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;

struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: String) -> Looking {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

struct GuardedNames {
    allowed: Arc<AllowedHosts>,
    names: Arc<dyn Names>,
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let is_allowed = self.allowed.contains(&Host::Domain(&name), None);
        let looking = self.names.look_up(name);
        Box::pin(async move {
            let found = looking.await?;
            if is_allowed {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            // One private address among public ones is a trick, not a service.
            if found.is_empty() || !found.iter().all(|address| is_public(address.ip())) {
                return Err(HttpError::PrivateAddress.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
