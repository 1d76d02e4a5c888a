//! Calls to a FHIR server with what lets one in, and new tokens when the old are
//! over: single-flight, stored before use, in the middle of a run where need be.

use std::sync::Arc;
use std::time::Duration;

use chartkey_domain::connections::{
    ConnectorError, ConnectorResult, Credentials, Endpoint, ErrorClass, TokenKeeper, TokenState,
};
use jiff::SignedDuration;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use zeroize::Zeroizing;

use super::settings::Settings;
use super::{discover, tokens};
use crate::connectors::wire::{Effect, Wire};
use crate::http::HttpAnswer;

/// A token that ends sooner than this is over already.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);
/// While somebody else refreshes: the first wait, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Looks at what somebody else's refresh brought; together longer than a call to
/// a token endpoint may take.
const MAX_LOOKS: u32 = 30;

/// A connection that is being called.
#[derive(Clone, Copy)]
pub(crate) struct Door<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) tokens: &'a dyn TokenKeeper,
}

/// Who calls a server, and with what.
#[derive(Debug)]
pub(crate) struct Access {
    wire: Arc<Wire>,
}

/// What a call carries.
struct Pass {
    header: Option<(HeaderName, HeaderValue)>,
    /// The token in it, if it is one that can be renewed.
    token: Option<Zeroizing<String>>,
}

impl Access {
    pub(crate) fn new(wire: Arc<Wire>) -> Self {
        Self { wire }
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Sends the call that `make` makes, with what lets it in; once more with a
    /// new token when the server no longer takes the one it had.
    ///
    /// # Errors
    /// Those of the transport and of having a token; a status is an answer.
    pub(crate) async fn send(
        &self,
        door: Door<'_>,
        effect: Effect,
        max_len: usize,
        make: &(dyn Fn(&Wire) -> ConnectorResult<RequestBuilder> + Sync),
    ) -> ConnectorResult<HttpAnswer> {
        let request = make(&self.wire)?; // before a token is fetched for nothing
        let pass = self.pass(door, None).await?;
        let answer = self.call(door, request, &pass, effect, max_len).await?;
        let Some(rejected) = pass.token else {
            return Ok(answer);
        };
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let pass = self.pass(door, Some(&rejected)).await?;
        let request = make(&self.wire)?;
        self.call(door, request, &pass, effect, max_len).await
    }

    /// Sends a call with nothing that lets it in.
    pub(crate) async fn send_open(
        &self,
        endpoint: &Endpoint,
        request: RequestBuilder,
        max_len: usize,
    ) -> ConnectorResult<HttpAnswer> {
        let request = with_headers(endpoint, request)?;
        self.wire.send(request, Effect::Reads, max_len).await
    }

    async fn call(
        &self,
        door: Door<'_>,
        request: RequestBuilder,
        pass: &Pass,
        effect: Effect,
        max_len: usize,
    ) -> ConnectorResult<HttpAnswer> {
        let mut request = with_headers(door.endpoint, request)?;
        if let Some((name, value)) = &pass.header {
            request = request.header(name, value);
        }
        self.wire.send(request, effect, max_len).await
    }

    async fn pass(&self, door: Door<'_>, rejected: Option<&str>) -> ConnectorResult<Pass> {
        let fixed = |name, value| Pass {
            header: Some((name, value)),
            token: None,
        };
        Ok(match &door.endpoint.credentials {
            Credentials::None => Pass {
                header: None,
                token: None,
            },
            Credentials::Bearer { token } => fixed(AUTHORIZATION, bearer(token)?),
            Credentials::Basic { username, password } => {
                fixed(AUTHORIZATION, tokens::basic(username, password)?)
            }
            Credentials::Header { name, value } => {
                let name = HeaderName::try_from(name)
                    .map_err(|_| ConnectorError::new(ErrorClass::Auth))?;
                fixed(name, tokens::secret_header(value)?)
            }
            Credentials::BackendServices { .. } | Credentials::Smart { .. } => {
                let token = self.token(door, rejected).await?;
                Pass {
                    header: Some((AUTHORIZATION, bearer(&token)?)),
                    token: Some(token),
                }
            }
        })
    }

    /// A token that is not over and not the one that was rejected.
    ///
    /// # Errors
    /// [`ErrorClass::Auth`] when a person must authorise again; else what kept
    /// the token endpoint from answering.
    pub(crate) async fn token(
        &self,
        door: Door<'_>,
        rejected: Option<&str>,
    ) -> ConnectorResult<Zeroizing<String>> {
        let mut wait = FIRST_WAIT;
        for _ in 0..MAX_LOOKS {
            if let Some(token) = self.usable(door.tokens.load().await?.as_ref(), rejected) {
                return Ok(token);
            }
            if door.tokens.take_turn().await? {
                return self.take_turn(door, rejected).await;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Err(tokens::NoToken::new(ErrorClass::Transient, false).error)
    }

    fn usable(
        &self,
        state: Option<&TokenState>,
        rejected: Option<&str>,
    ) -> Option<Zeroizing<String>> {
        let state = state?;
        let ends = state.expires_at.and_then(|at| at.checked_sub(MARGIN).ok());
        let over = ends.is_some_and(|ends| ends <= self.wire.now());
        let rejected = rejected == Some(state.access_token.as_str());
        (!over && !rejected).then(|| state.access_token.clone())
    }

    /// With the turn in hand: looks again, for somebody may have stored a token
    /// between our look and our turn; else has a new one, and stores it before
    /// anybody uses it.
    async fn take_turn(
        &self,
        door: Door<'_>,
        rejected: Option<&str>,
    ) -> ConnectorResult<Zeroizing<String>> {
        let before = match door.tokens.load().await {
            Ok(before) => before,
            Err(error) => {
                door.tokens.give_up(false).await?;
                return Err(error);
            }
        };
        if let Some(token) = self.usable(before.as_ref(), rejected) {
            door.tokens.give_up(false).await?;
            return Ok(token);
        }
        match self.renew(door, before.as_ref()).await {
            Ok(state) => {
                let token = state.access_token.clone();
                door.tokens.store(state).await?;
                Ok(token)
            }
            Err(failure) => {
                door.tokens.give_up(failure.lapsed).await?;
                Err(failure.error)
            }
        }
    }

    async fn renew(
        &self,
        door: Door<'_>,
        before: Option<&TokenState>,
    ) -> Result<TokenState, tokens::NoToken> {
        let discovered = match &door.endpoint.credentials {
            Credentials::BackendServices {
                token_url: None, ..
            } => {
                Box::pin(discover::smart(self, door.endpoint))
                    .await?
                    .token_endpoint
            }
            _ => None,
        };
        tokens::renew(&self.wire, door.endpoint, discovered.as_deref(), before).await
    }
}

fn with_headers(
    endpoint: &Endpoint,
    mut request: RequestBuilder,
) -> ConnectorResult<RequestBuilder> {
    let settings = Settings::of(endpoint)?;
    for (name, value) in settings.headers().flatten() {
        request = request.header(name, value);
    }
    Ok(request)
}

fn bearer(token: &str) -> ConnectorResult<HeaderValue> {
    tokens::secret_header(&Zeroizing::new(format!("Bearer {token}")))
}

/// A reading call with the server's `Accept`.
pub(crate) fn get(wire: &Wire, url: &str, accept: &str) -> ConnectorResult<RequestBuilder> {
    let request = wire.request(Method::GET, url)?;
    Ok(request.header(reqwest::header::ACCEPT, accept))
}
