//! Any platform with a plain REST interface, as its settings describe it: which
//! path and method each step has, what is sent, and where in the answer ids and
//! markers stand. A step that is not described is one that the platform cannot.
//!
//! The smallest description is a webhook: documents are posted to one path as
//! JSON with the content in Base64, and whatever is behind it goes on from there.
//!
//! ```json
//! {
//!   "verify": { "path": "/account", "account": "name" },
//!   "find_clients": { "path": "/clients?email={email}", "items": "data",
//!                     "id": "id", "email": "email", "birth_date": "dob" },
//!   "create_client": { "path": "/clients", "id": "data.id",
//!                      "fields": { "name": "{name}", "email": "{email}",
//!                                  "dob": "{birth_date}", "notify": false } },
//!   "find_document": { "path": "/clients/{client}/documents?q={marker}",
//!                      "items": "data", "id": "id", "marker": "description" },
//!   "put_document": { "path": "/clients/{client}/documents", "format": "multipart",
//!                     "fields": { "description": "{title} ({marker})" }, "id": "data.id" },
//!   "remove_document": { "path": "/documents/{document}" }
//! }
//! ```
//!
//! Placeholders are `{client}` `{document}` `{name}` `{first_name}` `{last_name}`
//! `{email}` `{birth_date}` `{patient}` `{marker}` `{key}` `{title}` `{file_name}`
//! `{content_type}` `{record_type}` `{date}`, and in JSON `{base64}` as a whole
//! value. Lists are read from one answer: a search must narrow to what is looked
//! for. This module must not know any platform, nor when anything is tried again.

use chartkey_domain::connections::{
    Capabilities, ClientMatch, ConnectorError, ConnectorResult, DedupeKey, Endpoint, ErrorClass,
    OutgoingDocument, Platform, PutState, RemoteClient, Removed, TokenKeeper, Verified,
};
use chartkey_domain::doors::BoxFuture;
use reqwest::header::{ACCEPT, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use self::shape::{FindClients, FindDocument, Format, PutDocument, Settings, Verb};
use self::template::{Values, json_with_file};
use super::calls::{
    self, Calls, Effect, MAX_ANSWER_LEN, MAX_LIST_LEN, account_does, at, error, id_of, own_header,
    prove, remote_code, unreadable,
};
use super::multipart::form;
use super::people::{Candidate, decide, is_marked, marker, wanted};
use super::settings;
use crate::http::HttpAnswer;

mod shape;
mod template;

/// The adapter.
#[derive(Debug)]
pub(crate) struct Rest {
    calls: Calls,
}

/// A connection, read and checked.
struct Account<'a> {
    calls: &'a Calls,
    endpoint: &'a Endpoint,
    settings: Settings,
}

impl Rest {
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    fn account<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectorResult<Account<'a>> {
        let settings: Settings = settings::read(endpoint)?;
        settings.check()?;
        Ok(Account {
            calls: &self.calls,
            endpoint,
            settings,
        })
    }
}

const fn unsupported() -> ConnectorError {
    error(ErrorClass::Unsupported)
}

impl Account<'_> {
    fn url(&self, path: &str, values: &Values<'_>) -> ConnectorResult<Url> {
        values.fill_url(&self.endpoint.base_url, path)
    }

    fn request(&self, verb: Verb, url: &Url) -> ConnectorResult<RequestBuilder> {
        let mut request = self.calls.request(verb.method(), url)?;
        for (name, value) in &self.settings.headers {
            let value = HeaderValue::from_str(value).map_err(|_| error(ErrorClass::Invalid))?;
            request = request.header(own_header(name)?, value);
        }
        if !self.settings.names_header("accept") {
            request = request.header(ACCEPT, "application/json");
        }
        prove(request, &self.endpoint.credentials)
    }

    async fn get(&self, path: &str, values: &Values<'_>) -> ConnectorResult<Value> {
        let request = self.request(Verb::Get, &self.url(path, values)?)?;
        let answer = self
            .calls
            .succeed(request, Effect::Reads, MAX_LIST_LEN)
            .await?;
        calls::json(&answer, Effect::Reads)
    }

    async fn verify(&self) -> ConnectorResult<Verified> {
        let Some(step) = &self.settings.verify else {
            // Nothing there to ask, and it is said: the address may be called,
            // the description is whole.
            let url = calls::base_url(&self.endpoint.base_url)?;
            drop(self.calls.request(Method::GET, &url)?);
            return Ok(Verified {
                account: None,
                notes: vec!["not_asked".to_owned()],
            });
        };
        let answer = self.get(&step.path, &Values::default()).await?;
        let account = step
            .account
            .as_ref()
            .and_then(|path| at(&answer, path)?.as_str())
            .map(|name| name.chars().take(100).collect());
        Ok(Verified {
            account,
            notes: Vec::new(),
        })
    }

    async fn find_clients(&self, who: &ClientMatch) -> ConnectorResult<Vec<RemoteClient>> {
        let step = self.settings.find_clients.as_ref().ok_or(unsupported())?;
        let wanted = wanted(who)?;
        let answer = self.get(&step.path, &Values::of_person(who)).await?;
        let candidates = items(&answer, &step.items)?
            .iter()
            .map(|client| candidate(client, step))
            .collect::<ConnectorResult<Vec<_>>>()?;
        decide(&wanted, &candidates)
    }

    async fn create_client(&self, who: &ClientMatch) -> ConnectorResult<RemoteClient> {
        let step = self.settings.create_client.as_ref().ok_or(unsupported())?;
        let values = Values::of_person(who);
        let body = json_with_file(&step.fields, &values, None)?;
        let request = self.request(step.method, &self.url(&step.path, &values)?)?;
        let request = request.header("content-type", "application/json");
        let request = self.calls.carry(request, body);
        let answer = self
            .calls
            .succeed(request, Effect::Writes, MAX_ANSWER_LEN)
            .await?;
        made(&answer, &step.id).map(|id| RemoteClient { id })
    }

    async fn find_document(
        &self,
        client: &RemoteClient,
        key: &DedupeKey,
    ) -> ConnectorResult<Option<String>> {
        let step = self.settings.find_document.as_ref().ok_or(unsupported())?;
        let marker = marker(key)?;
        let mut values = Values::default();
        values.set("client", &client.id);
        values.set("marker", &marker);
        values.set("key", &key.0);
        let answer = self.get(&step.path, &values).await?;
        items(&answer, &step.items)?
            .iter()
            .find(|document| is_ours(document, step, client, &marker))
            .map(|document| id_of(at(document, &step.id)).ok_or_else(|| unreadable(Effect::Reads)))
            .transpose()
    }

    async fn put_document(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        key: &DedupeKey,
        _resume: Option<&str>,
    ) -> ConnectorResult<PutState> {
        let marker = marker(key)?;
        let mut values = Values::of_document(document);
        values.set("client", &client.id);
        values.set("marker", &marker);
        values.set("key", &key.0);
        if let Some(step) = &self.settings.put_document {
            return self.put_by_step(step, &values, document, key).await;
        }
        let webhook = self.settings.webhook.as_ref().ok_or(unsupported())?;
        let event = json!({
            "event": "document.put",
            "key": "{key}",
            "marker": "{marker}",
            "client": "{client}",
            "title": "{title}",
            "file_name": "{file_name}",
            "content_type": "{content_type}",
            "record_type": "{record_type}",
            "date": "{date}",
            "content_base64": "{base64}",
        });
        let event = event.as_object().ok_or(unsupported())?;
        let body = json_with_file(event, &values, Some(document))?;
        let request = self.request(Verb::Post, &self.url(&webhook.path, &values)?)?;
        let request = request.header("content-type", "application/json");
        let answer = self
            .put_request(request, body, key, webhook.deduplicates)
            .await?;
        // Who has it already says so, and has it.
        if answer.status.is_success() || answer.status.as_u16() == 409 {
            return Ok(PutState::Done(key.0.clone()));
        }
        Err(lost(
            self.calls.refusal(&answer, Effect::Writes),
            webhook.deduplicates,
        ))
    }

    async fn put_by_step(
        &self,
        step: &PutDocument,
        values: &Values<'_>,
        document: &OutgoingDocument,
        key: &DedupeKey,
    ) -> ConnectorResult<PutState> {
        let (content_type, body) = match step.format {
            Format::Multipart => {
                let fields = values.fill_fields(&step.fields)?;
                let form = form(&fields, &step.file_field, document);
                (form.content_type, form.body)
            }
            Format::Json => {
                let body = json_with_file(&step.fields, values, Some(document))?;
                ("application/json".to_owned(), body)
            }
        };
        let request = self.request(step.method, &self.url(&step.path, values)?)?;
        let request = request.header("content-type", content_type);
        let answer = self
            .put_request(request, body, key, step.deduplicates)
            .await?;
        if !answer.status.is_success() {
            let refusal = self.calls.refusal(&answer, Effect::Writes);
            return Err(lost(refusal, step.deduplicates));
        }
        made(&answer, &step.id)
            .map(PutState::Done)
            .map_err(|refusal| lost(refusal, step.deduplicates))
    }

    async fn put_request(
        &self,
        request: RequestBuilder,
        body: Zeroizing<Vec<u8>>,
        key: &DedupeKey,
        deduplicates: bool,
    ) -> ConnectorResult<HttpAnswer> {
        let request = request.header("idempotency-key", key.0.as_str());
        let request = self.calls.carry(request, body);
        self.calls
            .send(request, Effect::Writes, MAX_ANSWER_LEN)
            .await
            .map_err(|refusal| lost(refusal, deduplicates))
    }

    /// May be repeated at will: what is gone stays gone.
    async fn remove_document(
        &self,
        client: &RemoteClient,
        document: &str,
    ) -> ConnectorResult<Removed> {
        let mut values = Values::default();
        values.set("client", &client.id);
        values.set("document", document);
        let (request, done) = if let Some(step) = &self.settings.remove_document {
            let request = self.request(step.method, &self.url(&step.path, &values)?)?;
            let done = if step.archives {
                Removed::Archived
            } else {
                Removed::Deleted
            };
            (request, done)
        } else if let Some(webhook) = self.settings.webhook.as_ref().filter(|hook| hook.removals) {
            let event = json!({
                "event": "document.removed",
                "client": client.id,
                "key": document,
            });
            let request = self.request(Verb::Post, &self.url(&webhook.path, &values)?)?;
            // Told, and whether it is kept is theirs to say.
            (self.calls.carry_json(request, &event), Removed::Archived)
        } else {
            return Ok(Removed::NotSupported);
        };
        let answer = self
            .calls
            .send(request, Effect::Reads, MAX_ANSWER_LEN)
            .await?;
        match answer.status.as_u16() {
            200..=299 => Ok(done),
            404 | 410 => Ok(Removed::Deleted),
            _ => Err(self.calls.refusal(&answer, Effect::Reads)),
        }
    }
}

/// What an answer that was lost means where a repetition does no harm.
fn lost(mut refusal: ConnectorError, deduplicates: bool) -> ConnectorError {
    if deduplicates && refusal.class == ErrorClass::Unknown {
        refusal.class = ErrorClass::Transient;
    }
    refusal
}

fn items<'a>(answer: &'a Value, path: &str) -> ConnectorResult<&'a Vec<Value>> {
    at(answer, path)
        .and_then(Value::as_array)
        .ok_or_else(|| unreadable(Effect::Reads))
}

fn candidate(client: &Value, step: &FindClients) -> ConnectorResult<Candidate> {
    let text = |path: &str| {
        let text = at(client, path)?.as_str()?;
        Some(Zeroizing::new(text.to_owned()))
    };
    Ok(Candidate {
        id: id_of(at(client, &step.id)).ok_or_else(|| unreadable(Effect::Reads))?,
        email: text(&step.email),
        birth_date: text(&step.birth_date),
    })
}

fn is_ours(document: &Value, step: &FindDocument, client: &RemoteClient, marker: &str) -> bool {
    let marked = at(document, &step.marker)
        .and_then(Value::as_str)
        .is_some_and(|text| is_marked(text, marker));
    let theirs = step
        .client
        .as_ref()
        .is_none_or(|path| id_of(at(document, path)).as_deref() == Some(&*client.id));
    marked && theirs
}

/// The id of what was made: where the description says, else at the end of
/// `Location`.
fn made(answer: &HttpAnswer, path: &str) -> ConnectorResult<String> {
    let body = serde_json::from_slice::<Value>(&answer.body).ok();
    let said = body.as_ref().and_then(|body| id_of(at(body, path)));
    let located = || {
        let location = answer.headers.get(LOCATION)?.to_str().ok()?;
        let last = location.trim_end_matches('/').rsplit('/').next()?;
        remote_code(last)
    };
    said.or_else(located)
        .ok_or_else(|| unreadable(Effect::Writes))
}

impl Platform for Rest {
    fn capabilities(&self, endpoint: &Endpoint) -> Capabilities {
        let settings: Settings = settings::read(endpoint).unwrap_or_default();
        settings.capabilities()
    }

    account_does!(|platform, endpoint, _tokens| platform.account(endpoint));
}
