//! Where tokens come from: the calls to a token endpoint, and what its answers
//! mean (RFC 6749 sections 5 and 6, SMART App Launch 2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_domain::connections::{
    ConnectorError, ConnectorResult, Credentials, Endpoint, ErrorClass, TOKEN_ENDPOINT, TokenState,
};
use jiff::SignedDuration;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::assertion::Assertion;
use super::settings::{ClientAuth, Settings};
use crate::connectors::wire::{Effect, Wire, remote_code};
use crate::http::HttpAnswer;

/// Answers of a token endpoint are some kilobytes.
const MAX_ANSWER_LEN: usize = 256 << 10;

/// A token could not be had.
#[derive(Debug)]
pub(super) struct NoToken {
    pub(super) error: ConnectorError,
    /// Whether the authorisation is over and a person must renew it.
    pub(super) lapsed: bool,
}

impl NoToken {
    pub(super) fn new(class: ErrorClass, lapsed: bool) -> Self {
        let mut error = ConnectorError::new(class);
        error.remote_code = Some(TOKEN_ENDPOINT.to_owned());
        Self { error, lapsed }
    }
}

impl From<ConnectorError> for NoToken {
    fn from(mut error: ConnectorError) -> Self {
        error
            .remote_code
            .get_or_insert_with(|| TOKEN_ENDPOINT.to_owned());
        Self {
            error,
            lapsed: false,
        }
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Zeroizing<String>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<Seconds>,
    #[serde(default)]
    refresh_token: Option<Zeroizing<String>>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    patient: Option<String>,
}

/// Some write numbers as texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    fn whole(&self) -> Option<i64> {
        let seconds = match self {
            Self::Number(seconds) => *seconds,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be a number of seconds within a century"
        )]
        let whole = (0.0..3_200_000_000.0)
            .contains(&seconds)
            .then_some(seconds as i64);
        whole
    }
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
}

/// A form to a token endpoint, wiped when it is gone.
pub(super) struct Form(Zeroizing<String>);

impl Form {
    pub(super) fn new(grant_type: &str) -> Self {
        Self(Zeroizing::new(String::new())).with("grant_type", grant_type)
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0
            .extend(form_urlencoded::byte_serialize(value.as_bytes()));
        self
    }
}

/// Sends a form, and reads what comes back. What the answer leaves out (a new
/// refresh token, the patient, the scope) stays as it was in `before`. A code is
/// worth one use, so trading it is a write; a refresh can always be tried again.
pub(super) async fn ask(
    wire: &Wire,
    token_url: &str,
    basic: Option<HeaderValue>,
    form: Form,
    effect: Effect,
    before: Option<&TokenState>,
) -> Result<TokenState, NoToken> {
    let mut request = wire
        .request(Method::POST, token_url)?
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.0.as_str().to_owned());
    if let Some(basic) = basic {
        request = request.header(AUTHORIZATION, basic);
    }
    let answer = wire.send(request, effect, MAX_ANSWER_LEN).await?;
    if answer.status != StatusCode::OK && answer.status != StatusCode::CREATED {
        return Err(refusal(wire, &answer, effect));
    }
    read(wire, &answer, before)
}

fn read(
    wire: &Wire,
    answer: &HttpAnswer,
    before: Option<&TokenState>,
) -> Result<TokenState, NoToken> {
    let broken = || NoToken::new(ErrorClass::Broken, false);
    let answer: TokenAnswer = serde_json::from_slice(&answer.body).map_err(|_| broken())?;
    let bearer = answer
        .token_type
        .as_deref()
        .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !bearer || answer.access_token.is_empty() {
        return Err(broken());
    }
    let lifetime = answer.expires_in.as_ref().and_then(Seconds::whole);
    let expires_at =
        lifetime.and_then(|secs| wire.now().checked_add(SignedDuration::from_secs(secs)).ok());
    let kept = |new: Option<String>, old: fn(&TokenState) -> &Option<String>| {
        new.or_else(|| before.and_then(|before| old(before).clone()))
    };
    Ok(TokenState {
        access_token: answer.access_token,
        expires_at,
        refresh_token: answer
            .refresh_token
            .filter(|token| !token.is_empty())
            .or_else(|| before.and_then(|before| before.refresh_token.clone())),
        patient: kept(answer.patient, |before| &before.patient),
        scope: kept(answer.scope, |before| &before.scope),
    })
}

fn refusal(wire: &Wire, answer: &HttpAnswer, effect: Effect) -> NoToken {
    let mut error = wire.refusal(answer, effect);
    let word = serde_json::from_slice::<TokenRefusal>(&answer.body)
        .ok()
        .and_then(|refusal| remote_code(&refusal.error));
    let over = matches!(
        word.as_deref(),
        Some("invalid_grant" | "invalid_client" | "unauthorized_client")
    );
    // Whatever else is wrong with what we sent is wrong with the connection.
    if over || error.class == ErrorClass::Invalid || error.class == ErrorClass::Forbidden {
        error.class = ErrorClass::Auth;
    }
    let lapsed = over || answer.status == StatusCode::UNAUTHORIZED;
    error.remote_code = Some(word.unwrap_or_else(|| TOKEN_ENDPOINT.to_owned()));
    NoToken { error, lapsed }
}

/// `Authorization: Basic` (RFC 7617), silent in `Debug`.
pub(super) fn basic(username: &str, password: &str) -> ConnectorResult<HeaderValue> {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    secret_header(&text)
}

/// A header's value that is a secret.
pub(super) fn secret_header(text: &str) -> ConnectorResult<HeaderValue> {
    let mut value =
        HeaderValue::try_from(text).map_err(|_| ConnectorError::new(ErrorClass::Auth))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client that proves itself where tokens come from.
pub(super) struct Client<'a> {
    pub(super) id: &'a str,
    pub(super) secret: Option<&'a str>,
    pub(super) token_url: &'a str,
}

impl Client<'_> {
    /// The client's name, and its proof where it has one, in the form or as a
    /// header. The two halves of the header are form-encoded first (RFC 6749
    /// section 2.3.1).
    ///
    /// # Errors
    /// [`ErrorClass::Auth`] for a secret that cannot be shown like this.
    pub(super) fn prove(
        &self,
        wire: &Wire,
        settings: &Settings,
        form: Form,
    ) -> ConnectorResult<(Form, Option<HeaderValue>)> {
        let Some(secret) = self.secret else {
            return Ok((form.with("client_id", self.id), None));
        };
        match settings.client_auth {
            ClientAuth::Post => {
                let form = form.with("client_id", self.id);
                Ok((form.with("client_secret", secret), None))
            }
            ClientAuth::Basic => {
                let encode = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let secret = Zeroizing::new(encode(secret));
                Ok((form, Some(basic(&encode(self.id), &secret)?)))
            }
            ClientAuth::PrivateKeyJwt => {
                let assertion = Assertion {
                    client_id: self.id,
                    token_url: self.token_url,
                    key_id: &settings.key_id,
                    algorithm: &settings.algorithm,
                    private_key: secret,
                    jti: wire.random(),
                    now: wire.now(),
                };
                Ok((asserted(form, &assertion)?, None))
            }
        }
    }
}

fn asserted(form: Form, assertion: &Assertion<'_>) -> ConnectorResult<Form> {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    Ok(form
        .with("client_assertion_type", kind)
        .with("client_assertion", &assertion.sign()?))
}

/// A new token for an endpoint whose tokens can be had without a person.
pub(super) async fn renew(
    wire: &Wire,
    endpoint: &Endpoint,
    discovered_url: Option<&str>,
    before: Option<&TokenState>,
) -> Result<TokenState, NoToken> {
    match &endpoint.credentials {
        Credentials::BackendServices {
            client_id,
            token_url,
            private_key,
            key_id,
            algorithm,
            scope,
        } => {
            let token_url = token_url
                .as_deref()
                .or(discovered_url)
                .ok_or_else(|| NoToken::new(ErrorClass::Unsupported, false))?;
            let assertion = Assertion {
                client_id,
                token_url,
                key_id,
                algorithm,
                private_key,
                jti: wire.random(),
                now: wire.now(),
            };
            let form = Form::new("client_credentials").with("scope", scope);
            let form = asserted(form, &assertion)?;
            ask(wire, token_url, None, form, Effect::Reads, None).await
        }
        Credentials::Smart {
            client_id,
            client_secret,
            token_url,
        } => {
            let refresh_token = before
                .and_then(|before| before.refresh_token.as_ref())
                .ok_or_else(|| NoToken::new(ErrorClass::Auth, true))?;
            let form = Form::new("refresh_token").with("refresh_token", refresh_token);
            let settings = Settings::of(endpoint)?;
            let client = Client {
                id: client_id,
                secret: client_secret.as_ref().map(|secret| secret.as_str()),
                token_url,
            };
            let (form, basic) = client.prove(wire, &settings, form)?;
            // A refresh whose answer was lost can only be tried again.
            ask(wire, token_url, basic, form, Effect::Reads, before).await
        }
        Credentials::None
        | Credentials::Bearer { .. }
        | Credentials::Basic { .. }
        | Credentials::Header { .. } => Err(NoToken::new(ErrorClass::Auth, true)),
    }
}
