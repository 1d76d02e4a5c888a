//! Who asks. Handlers that decide by the caller take [`Caller`], which cannot
//! be absent: without a token it is somebody who proved nothing, and the
//! policy says what that is worth. A token that does not count is refused here.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use chartkey_domain::ids::AccountId;
use chartkey_service::idempotency::{MAX_KEY, Once};
use chartkey_service::{Service, caller as callers};

use super::edge::From;
use super::json::{self, Body};
use super::problem::Problem;
use crate::app::App;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller(pub chartkey_service::Caller);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let From(origin) = From::from_request_parts(parts, app).await?;
        let Some(token) = bearer(&parts.headers)? else {
            return Ok(Self(chartkey_service::Caller::nobody(origin)));
        };
        let access = app
            .tokens()
            .verify(token, app.service().now())
            .map_err(|error| Problem::new(error.code()))?;
        let found = callers::find(app.service(), access.session, access.secret, origin).await?;
        if found.account_id() != Some(access.account) {
            return Err(Problem::new("session.ended"));
        }
        Ok(Self(found))
    }
}

/// The token of `Authorization: Bearer`, where there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let refused = || Problem::new("session.missing").with_detail("Send Authorization: Bearer.");
    let text = value.to_str().map_err(|_| refused())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(refused)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(token.trim()))
    } else {
        Err(refused())
    }
}

/// The body of a call that creates, with its `Idempotency-Key`.
pub struct Creating<B> {
    /// The body.
    pub body: B,
    key: Option<(String, Bytes)>,
}

impl<B> Creating<B> {
    /// Body, and what makes the request count once.
    pub fn once(
        self,
        service: &Service,
        operation: &'static str,
        account: Option<AccountId>,
    ) -> (B, Option<Once>) {
        let once = self
            .key
            .map(|(key, bytes)| Once::new(service, &key, operation, account, &bytes));
        (self.body, once)
    }
}

impl<B: Body, S: Send + Sync> FromRequest<S> for Creating<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let key = idempotency_key(request.headers())?;
        let (body, bytes) = json::read(request, state).await?;
        Ok(Self {
            body,
            key: key.map(|key| (key, bytes)),
        })
    }
}

/// `Idempotency-Key`: 1 to 255 printable ASCII characters.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().map(str::trim).unwrap_or_default();
    if text.is_empty() || text.len() > MAX_KEY || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::field(
            "Idempotency-Key",
            "must be 1 to 255 printable ASCII characters without spaces",
        ));
    }
    Ok(Some(text.to_owned()))
}
