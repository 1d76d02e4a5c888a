//! How a server lets one in: SMART standalone launch with PKCE, refreshing, and
//! client credentials with a signed assertion. Codes and tokens are counted, not
//! drawn: nothing here opens anything real.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::signature::{
    ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::quirks::{Aud, Quirks, Refresh};
use super::resources::set;

type Fields = BTreeMap<String, String>;

/// A partner's registered key.
#[derive(Clone, Debug)]
pub(crate) struct Partner {
    pub(crate) key_id: String,
    pub(crate) algorithm: String,
    /// As ring has it: the point, or the DER of the RSA key.
    pub(crate) public_key: Vec<u8>,
}

/// What a patient, or an organisation, allowed.
#[derive(Debug)]
struct Allowed {
    patient: Option<String>,
    scope: String,
    began: Timestamp,
    refresh: Option<String>,
    used: BTreeSet<String>,
    refreshed: Option<Timestamp>,
    over: bool,
}

#[derive(Debug)]
struct Code {
    challenge: String,
    redirect_uri: String,
    client_id: String,
    scope: String,
    patient: String,
}

/// What is allowed, and every code and token that says so.
#[derive(Debug, Default)]
pub(crate) struct Oauth {
    counter: u64,
    codes: BTreeMap<String, Code>,
    allowed: Vec<Allowed>,
    tokens: BTreeMap<String, (usize, Timestamp)>,
    /// Secrets of confidential clients.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) partners: BTreeMap<String, Partner>,
    jtis: BTreeSet<String>,
}

/// Whom a token lets in.
pub(crate) struct LetIn {
    pub(crate) scope: String,
}

fn error(status: StatusCode, word: &str) -> Response {
    (status, Json(json!({"error": word}))).into_response()
}

fn no_store(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn fields(form: &[u8]) -> Fields {
    url::form_urlencoded::parse(form).into_owned().collect()
}

impl Oauth {
    fn count(&mut self, kind: &str) -> String {
        self.counter += 1;
        format!("{kind}-{}", self.counter)
    }

    /// A grant as if a patient had just signed in: access and refresh token.
    pub(crate) fn allow(
        &mut self,
        patient: Option<&str>,
        scope: &str,
        quirks: &Quirks,
        now: Timestamp,
    ) -> (String, Option<String>) {
        let refresh = patient.map(|_| self.count("refresh"));
        self.allowed.push(Allowed {
            patient: patient.map(str::to_owned),
            scope: scope.to_owned(),
            began: now,
            refresh: refresh.clone(),
            used: BTreeSet::new(),
            refreshed: None,
            over: false,
        });
        let access = self.access(self.allowed.len() - 1, quirks, now);
        (access, refresh)
    }

    fn access(&mut self, which: usize, quirks: &Quirks, now: Timestamp) -> String {
        let token = self.count("access");
        let lifetime = SignedDuration::from_secs(quirks.token_lifetime_secs);
        let ends = now.saturating_add(lifetime).unwrap_or(now);
        self.tokens.insert(token.clone(), (which, ends));
        token
    }

    /// Ends everything that was allowed, as patients do in their portal.
    pub(crate) fn end_all(&mut self) {
        for allowed in &mut self.allowed {
            allowed.over = true;
        }
        self.tokens.clear();
    }

    /// Lets no access token in any more; refreshing still works.
    pub(crate) fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Whom a call's headers let in.
    pub(crate) fn let_in(&self, headers: &HeaderMap, now: Timestamp) -> Option<LetIn> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = value.strip_prefix("Bearer ")?;
        let (which, ends) = self.tokens.get(token)?;
        let allowed = self.allowed.get(*which)?;
        (now < *ends).then(|| LetIn {
            scope: allowed.scope.clone(),
        })
    }

    /// The authorisation endpoint. Whoever comes here is taken for the patient and
    /// agrees.
    pub(crate) fn authorize(
        &mut self,
        query: &Fields,
        base: &str,
        patient: &str,
        quirks: &Quirks,
    ) -> Response {
        let get = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let redirect_uri = get("redirect_uri");
        if redirect_uri.is_empty() || get("client_id").is_empty() {
            return StatusCode::BAD_REQUEST.into_response(); // never redirected
        }
        let expected = match quirks.aud {
            Aud::Plain => Some(base.to_owned()),
            Aud::Slash => Some(format!("{base}/")),
            Aud::Absent => None,
        };
        let right = get("response_type") == "code"
            && get("code_challenge_method") == "S256"
            && !get("code_challenge").is_empty()
            && !get("state").is_empty()
            && query.get("aud") == expected.as_ref();
        let mut back = url::form_urlencoded::Serializer::new(String::new());
        if right {
            let code = self.count("code");
            self.codes.insert(
                code.clone(),
                Code {
                    challenge: get("code_challenge").to_owned(),
                    redirect_uri: redirect_uri.to_owned(),
                    client_id: get("client_id").to_owned(),
                    scope: get("scope").to_owned(),
                    patient: patient.to_owned(),
                },
            );
            back.append_pair("code", &code);
        } else {
            back.append_pair("error", "invalid_request");
        }
        back.append_pair("state", get("state"));
        let location = format!("{redirect_uri}?{}", back.finish());
        (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
    }

    /// The token endpoint.
    pub(crate) fn token(
        &mut self,
        headers: &HeaderMap,
        form: &Fields,
        token_url: &str,
        quirks: &Quirks,
        now: Timestamp,
    ) -> Response {
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        no_store(match get("grant_type") {
            "authorization_code" => self.trade(headers, form, token_url, quirks, now),
            "refresh_token" => self.refresh(headers, form, token_url, quirks, now),
            "client_credentials" => match self.partner(get("client_assertion"), token_url, now) {
                Some(_) => {
                    let scope = get("scope").to_owned();
                    let (access, _) = self.allow(None, &scope, quirks, now);
                    let lifetime = quirks.token_lifetime_secs.min(300);
                    Json(json!({"access_token": access, "token_type": "bearer",
                            "expires_in": lifetime, "scope": scope}))
                    .into_response()
                }
                None => error(StatusCode::UNAUTHORIZED, "invalid_client"),
            },
            _ => error(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        })
    }

    /// The client that a call comes from, if it proves itself.
    fn client(
        &mut self,
        headers: &HeaderMap,
        form: &Fields,
        token_url: &str,
        now: Timestamp,
    ) -> Option<String> {
        if let Some(assertion) = form.get("client_assertion") {
            return self.partner(assertion, token_url, now);
        }
        let basic = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
            .and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
        let (client, secret) = match &basic {
            Some(pair) => {
                let (client, secret) = pair.split_once(':')?;
                (decode(client), Some(decode(secret)))
            }
            None => (
                form.get("client_id")?.clone(),
                form.get("client_secret").cloned(),
            ),
        };
        let proves = self.secrets.get(&client) == secret.as_ref();
        (proves && !self.partners.contains_key(&client)).then_some(client)
    }

    fn trade(
        &mut self,
        headers: &HeaderMap,
        form: &Fields,
        token_url: &str,
        quirks: &Quirks,
        now: Timestamp,
    ) -> Response {
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let Some(client) = self.client(headers, form, token_url, now) else {
            return error(StatusCode::UNAUTHORIZED, "invalid_client");
        };
        let Some(code) = self.codes.remove(get("code")) else {
            return error(StatusCode::BAD_REQUEST, "invalid_grant");
        };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier").as_bytes()));
        if code.challenge != challenge
            || code.client_id != client
            || code.redirect_uri != get("redirect_uri")
        {
            return error(StatusCode::BAD_REQUEST, "invalid_grant");
        }
        let (access, refresh) = self.allow(Some(&code.patient), &code.scope, quirks, now);
        Json(
            json!({"access_token": access, "token_type": "Bearer", "scope": code.scope,
            "expires_in": quirks.token_lifetime_secs, "refresh_token": refresh,
            "patient": code.patient}),
        )
        .into_response()
    }

    fn refresh(
        &mut self,
        headers: &HeaderMap,
        form: &Fields,
        token_url: &str,
        quirks: &Quirks,
        now: Timestamp,
    ) -> Response {
        let invalid = || error(StatusCode::BAD_REQUEST, "invalid_grant");
        if self.client(headers, form, token_url, now).is_none() {
            return error(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        let token = form
            .get("refresh_token")
            .map(String::as_str)
            .unwrap_or_default();
        // A token that was replaced is a stolen one: all is over.
        for allowed in &mut self.allowed {
            allowed.over |= allowed.used.contains(token);
        }
        let which = self
            .allowed
            .iter()
            .position(|allowed| allowed.refresh.as_deref() == Some(token) && !allowed.over);
        let Some(which) = which else {
            return invalid();
        };
        let next = (quirks.refresh == Refresh::Rotate).then(|| self.count("refresh"));
        let Some(allowed) = self.allowed.get_mut(which) else {
            return invalid();
        };
        let lifetime = quirks.grant_lifetime_secs.map(SignedDuration::from_secs);
        let age = now.duration_since(allowed.began);
        if lifetime.is_some_and(|lifetime| age >= lifetime) {
            return invalid();
        }
        let interval = SignedDuration::from_secs(quirks.refresh_interval_secs);
        let soon = |last: Timestamp| now.duration_since(last) < interval;
        if allowed.refreshed.is_some_and(soon) {
            let wait = [(
                header::RETRY_AFTER,
                quirks.refresh_interval_secs.to_string(),
            )];
            return (StatusCode::TOO_MANY_REQUESTS, wait).into_response();
        }
        allowed.refreshed = Some(now);
        if let Some(next) = &next {
            allowed.used.insert(token.to_owned());
            allowed.refresh = Some(next.clone());
        }
        let scope = allowed.scope.clone();
        let patient = allowed.patient.clone();
        let access = self.access(which, quirks, now);
        let mut answer = json!({"access_token": access, "token_type": "Bearer",
            "expires_in": quirks.token_lifetime_secs, "scope": scope});
        if let Some(next) = next {
            set(&mut answer, "refresh_token", json!(next));
            set(&mut answer, "patient", json!(patient));
        }
        Json(answer).into_response()
    }

    /// Checks an assertion as SMART App Launch 2.2 asks servers to.
    fn partner(&mut self, assertion: &str, token_url: &str, now: Timestamp) -> Option<String> {
        let (signed, signature) = assertion.rsplit_once('.')?;
        let (head, claims) = signed.split_once('.')?;
        let read = |part: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let (head, claims) = (read(head)?, read(claims)?);
        let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
        let client = text(&claims, "iss")?;
        let partner = self.partners.get(&client)?;
        let ends = claims.get("exp")?.as_i64()?;
        let left = ends - now.as_second();
        let jti = text(&claims, "jti")?;
        let right = text(&claims, "sub")? == client
            && text(&claims, "aud")? == token_url
            && text(&head, "kid")? == partner.key_id
            && text(&head, "alg")? == partner.algorithm
            && (1..=300).contains(&left);
        let algorithm: &dyn VerificationAlgorithm = match partner.algorithm.as_str() {
            "ES384" => &ECDSA_P384_SHA384_FIXED,
            "RS384" => &RSA_PKCS1_2048_8192_SHA384,
            _ => return None,
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(algorithm, &partner.public_key)
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        (right && self.jtis.insert(jti)).then_some(client)
    }
}

fn decode(text: &str) -> String {
    url::form_urlencoded::parse(text.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}
