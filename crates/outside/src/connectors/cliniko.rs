//! Cliniko, REST v1 (github.com/redguava/cliniko-api).
//!
//! An account lives in one shard, which the end of its API key names; a base URL
//! of the connection's own counts only for a host that the operator allows. A
//! document takes three steps: the file goes to a temporary place at Cliniko's
//! object store, an attachment is made of it, Cliniko takes the file in. Nothing
//! is in the patient's chart before the second step, so a first step whose answer
//! was lost is simply done again; after a second, whoever called looks for the
//! marker in the attachment's description. There are no webhooks.
//!
//! This module must not know when anything is tried again.

use chartkey_domain::connections::{
    Capabilities, ClientMatch, ConnectorError, ConnectorResult, DedupeKey, Endpoint, ErrorClass,
    OutgoingDocument, Platform, PutState, RemoteClient, Removed, TokenKeeper, Verified,
};
use chartkey_domain::doors::BoxFuture;
use reqwest::header::{ACCEPT, USER_AGENT};
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::calls::{
    self, Calls, Effect, MAX_ANSWER_LEN, MAX_LIST_LEN, account_does, api_key, error, id_of,
    secret_value, unreadable, url_below,
};
use super::multipart::form;
use super::people::{Candidate, decide, description, is_marked, marker, split_name, wanted};
use super::settings;

mod upload;

/// Keys from before there were shards belong to this one.
const FIRST_SHARD: &str = "au1";
/// One page; more clients of one e-mail address are nobody in particular.
const PAGE_LEN: &str = "100";

/// What a connection's settings say.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Whom Cliniko writes to about these calls; they refuse calls without it.
    contact_email: String,
    /// What calls itself so in `User-Agent`.
    app_name: String,
    /// Largest document; Cliniko publishes no limit.
    max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            contact_email: String::new(),
            app_name: "Chartkey".to_owned(),
            max_bytes: 50 << 20,
        }
    }
}

/// The adapter.
#[derive(Debug)]
pub(crate) struct Cliniko {
    calls: Calls,
}

/// A connection, read and checked.
struct Account<'a> {
    calls: &'a Calls,
    /// `https://api.uk1.cliniko.com/v1`.
    base: String,
    user_agent: String,
    key: &'a Zeroizing<String>,
}

impl Cliniko {
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    fn account<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectorResult<Account<'a>> {
        let settings: Settings = settings::read(endpoint)?;
        let key = api_key(&endpoint.credentials)?;
        Ok(Account {
            calls: &self.calls,
            base: base_of(&self.calls, &endpoint.base_url, shard(key)?)?,
            user_agent: user_agent(&settings)?,
            key,
        })
    }
}

/// The shard that a key's end names. It becomes part of a host name, so it is
/// two letters and one or two digits, or no key at all.
fn shard(key: &str) -> ConnectorResult<&str> {
    let Some((_, shard)) = key.rsplit_once('-') else {
        return Ok(FIRST_SHARD);
    };
    let (region, number) = shard.split_at_checked(2).unwrap_or(("", ""));
    let is_shard = region.len() == 2
        && region.bytes().all(|byte| byte.is_ascii_lowercase())
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_shard {
        Ok(shard)
    } else {
        Err(error(ErrorClass::Auth))
    }
}

/// Cliniko's own host for the shard, or a host that the operator allows by name.
fn base_of(calls: &Calls, configured: &str, shard: &str) -> ConnectorResult<String> {
    let own = format!("https://api.{shard}.cliniko.com/v1");
    if configured.is_empty() || configured == own || configured == own.trim_end_matches("/v1") {
        return Ok(own);
    }
    let url = calls::base_url(configured)?;
    if !calls.is_allowed_host(&url) {
        return Err(error(ErrorClass::Address));
    }
    Ok(configured.trim_end_matches('/').to_owned())
}

/// `Name (e-mail)`, as Cliniko asks for.
fn user_agent(settings: &Settings) -> ConnectorResult<String> {
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 200
            && text
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte) && !matches!(byte, b'(' | b')'))
    };
    let (name, email) = (&settings.app_name, &settings.contact_email);
    if is_plain(name) && is_plain(email) && email.contains('@') {
        Ok(format!("{name} ({email})"))
    } else {
        Err(error(ErrorClass::Invalid))
    }
}

impl Account<'_> {
    fn url(&self, segments: &[&str]) -> ConnectorResult<Url> {
        url_below(&self.base, segments)
    }

    fn request(&self, method: Method, url: &Url) -> ConnectorResult<RequestBuilder> {
        // The key is the user, and there is no password.
        Ok(self
            .calls
            .request(method, url)?
            .basic_auth(self.key.as_str(), Some(""))
            .header(USER_AGENT, secret_value(&self.user_agent)?)
            .header(ACCEPT, "application/json"))
    }

    async fn get(&self, url: &Url, max_len: usize) -> ConnectorResult<Value> {
        let request = self.request(Method::GET, url)?;
        let answer = self.calls.succeed(request, Effect::Reads, max_len).await?;
        calls::json(&answer, Effect::Reads)
    }

    /// Makes something, and says its id and what else was answered.
    async fn create(&self, segment: &str, body: &Value) -> ConnectorResult<(String, Value)> {
        let request = self.request(Method::POST, &self.url(&[segment])?)?;
        let request = self.calls.carry_json(request, body);
        let answer = self
            .calls
            .send(request, Effect::Writes, MAX_ANSWER_LEN)
            .await?;
        if !answer.status.is_success() {
            let mut refusal = self.calls.refusal(&answer, Effect::Writes);
            blame(&mut refusal, &answer.body);
            return Err(refusal);
        }
        let made = calls::json(&answer, Effect::Writes)?;
        let id = id_of(made.get("id")).ok_or_else(|| unreadable(Effect::Writes))?;
        Ok((id, made))
    }

    async fn verify(&self) -> ConnectorResult<Verified> {
        let user = self.get(&self.url(&["user"])?, MAX_ANSWER_LEN).await?;
        if user.get("id").is_none() {
            return Err(unreadable(Effect::Reads));
        }
        let mut notes = Vec::new();
        if let Some(role) = user.get("role").and_then(Value::as_str) {
            notes.extend(calls::remote_code(role));
        }
        let host = Url::parse(&self.base).ok();
        let account = host.as_ref().and_then(Url::host_str).map(str::to_owned);
        Ok(Verified { account, notes })
    }

    async fn find_clients(&self, who: &ClientMatch) -> ConnectorResult<Vec<RemoteClient>> {
        let wanted = wanted(who)?;
        let mut url = self.url(&["patients"])?;
        url.query_pairs_mut()
            .append_pair("q[]", &format!("email:={}", wanted.email))
            .append_pair("per_page", PAGE_LEN);
        let page = self.get(&url, MAX_LIST_LEN).await?;
        let patients = list(&page, "patients")?;
        if has_next(&page) {
            return Err(error(ErrorClass::Ambiguous));
        }
        let text = |patient: &Value, field: &str| {
            let text = patient.get(field)?.as_str()?;
            Some(Zeroizing::new(text.to_owned()))
        };
        let candidates = patients
            .iter()
            .filter(|patient| text(patient, "deleted_at").is_none_or(|at| at.is_empty()))
            .map(|patient| {
                Ok(Candidate {
                    id: id_of(patient.get("id")).ok_or_else(|| unreadable(Effect::Reads))?,
                    email: text(patient, "email"),
                    birth_date: text(patient, "date_of_birth"),
                })
            })
            .collect::<ConnectorResult<Vec<_>>>()?;
        decide(&wanted, &candidates)
    }

    async fn create_client(&self, who: &ClientMatch) -> ConnectorResult<RemoteClient> {
        let wanted = wanted(who)?;
        let (first, last) = split_name(&who.name);
        // Silent: a patient who never asked Cliniko for anything gets no mail.
        let body = json!({
            "first_name": first.as_str(),
            "last_name": last.as_str(),
            "email": wanted.email,
            "date_of_birth": wanted.birth_date,
            "reminder_type": "None",
            "receives_confirmation_emails": false,
            "receives_cancellation_emails": false,
        });
        let (id, _) = self.create("patients", &body).await?;
        Ok(RemoteClient { id })
    }

    async fn find_document(
        &self,
        client: &RemoteClient,
        key: &DedupeKey,
    ) -> ConnectorResult<Option<String>> {
        let marker = marker(key)?;
        let mut url = self.url(&["patient_attachments"])?;
        url.query_pairs_mut()
            .append_pair("q[]", &format!("patient_id:={}", client.id))
            .append_pair("q[]", &format!("description:~{marker}"))
            .append_pair("per_page", PAGE_LEN);
        let page = self.get(&url, MAX_LIST_LEN).await?;
        let mut strangers = false;
        for attachment in list(&page, "patient_attachments")? {
            let text = attachment.get("description").and_then(Value::as_str);
            let patient = attachment
                .pointer("/patient/links/self")
                .and_then(Value::as_str)
                .and_then(|link| link.rsplit('/').next());
            if text.is_some_and(|text| is_marked(text, &marker)) && patient == Some(&*client.id) {
                return id_of(attachment.get("id"))
                    .map(Some)
                    .ok_or_else(|| unreadable(Effect::Reads));
            }
            strangers = true;
        }
        // A filter that lets others through, on the first of several pages, says
        // nothing about the rest: better no answer than «not there».
        if strangers && has_next(&page) {
            return Err(unreadable(Effect::Reads));
        }
        Ok(None)
    }

    /// May be repeated at will: what is gone stays gone.
    async fn remove_document(
        &self,
        _client: &RemoteClient,
        document: &str,
    ) -> ConnectorResult<Removed> {
        let url = self.url(&["patient_attachments", document])?;
        let request = self.request(Method::DELETE, &url)?;
        let answer = self
            .calls
            .send(request, Effect::Reads, MAX_ANSWER_LEN)
            .await?;
        match answer.status.as_u16() {
            200..=299 | 404 | 410 => Ok(Removed::Deleted),
            _ => Err(self.calls.refusal(&answer, Effect::Reads)),
        }
    }
}

fn list<'a>(page: &'a Value, field: &str) -> ConnectorResult<&'a Vec<Value>> {
    page.get(field)
        .and_then(Value::as_array)
        .ok_or_else(|| unreadable(Effect::Reads))
}

fn has_next(page: &Value) -> bool {
    page.pointer("/links/next").is_some_and(Value::is_string)
}

/// Names the first field that Cliniko complains about: `{"errors": {field: …}}`.
fn blame(refusal: &mut ConnectorError, body: &[u8]) {
    let field = serde_json::from_slice::<Value>(body).ok().and_then(|body| {
        let errors = body.get("errors")?.as_object()?;
        errors.keys().find_map(|field| calls::remote_code(field))
    });
    refusal.remote_code = field;
}

impl Platform for Cliniko {
    fn capabilities(&self, endpoint: &Endpoint) -> Capabilities {
        let settings: Settings = settings::read(endpoint).unwrap_or_default();
        Capabilities {
            find_client: true,
            create_client: true,
            put_document: true,
            find_document: true,
            remove_document: true,
            max_bytes: settings.max_bytes,
        }
    }

    account_does!(|platform, endpoint, _tokens| platform.account(endpoint));
}
