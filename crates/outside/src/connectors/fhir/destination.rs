//! The door to FHIR R4 servers as destinations.
//!
//! A document is a `Binary` and a `DocumentReference` that points to it. The
//! reference carries the marker as an identifier and is created on the condition
//! that no other has it, so that a server which knows conditional creation holds
//! it once whatever happens to an answer; the others are looked at first. The file
//! is put under an id made of the marker, so that a second attempt replaces the
//! first; servers that do not let callers choose ids get it posted.
//!
//! It must not know when anything is tried again.

use std::sync::Arc;

use bytes::Bytes;
use chartkey_domain::connections::{
    Capabilities, ClientMatch, ConnectorError, ConnectorResult, DedupeKey, Endpoint, ErrorClass,
    OutgoingDocument, Platform, PutState, RemoteClient, Removed, TokenKeeper, Verified,
};
use chartkey_domain::doors::BoxFuture;
use reqwest::header::{ACCEPT, LOCATION};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::access::{Access, Door};
use super::outcome;
use super::settings::{FHIR_JSON, Settings};
use crate::connectors::calls::{
    self, Calls, MAX_ANSWER_LEN, MAX_LIST_LEN, account_does, error, id_of, unreadable, url_below,
};
use crate::connectors::encoded::{PLACE, with_encoded};
use crate::connectors::multipart::media_type;
use crate::connectors::people::{Candidate, decide, marker, split_name, wanted};
use crate::connectors::wire::{Effect, Wire};
use crate::http::HttpAnswer;

mod document;

/// The tokens between the two steps: `binary:<id>`.
const STORED: &str = "binary:";

/// How a document's bytes reach the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Carrier {
    /// As a `Binary` under an id of ours; posted where that is refused.
    #[default]
    Put,
    /// As a `Binary` under an id of the server's.
    Post,
    /// In Base64 within the `DocumentReference`.
    Inline,
}

/// What removal means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Removal {
    /// The reference says that it was an error; the file stays for the server's
    /// own rules on keeping.
    #[default]
    EnteredInError,
    /// Reference and file are deleted.
    Delete,
}

/// What the settings of a connection say of a destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DestinationSettings {
    /// The system of our ids of patients.
    patient_system: String,
    /// The system of the markers.
    document_system: String,
    /// How the bytes travel.
    carrier: Carrier,
    /// What removal means.
    removal: Removal,
    /// Largest document.
    max_bytes: u64,
}

impl Default for DestinationSettings {
    fn default() -> Self {
        Self {
            patient_system: "urn:chartkey:patient".to_owned(),
            document_system: "urn:chartkey:delivery".to_owned(),
            carrier: Carrier::default(),
            removal: Removal::default(),
            max_bytes: 20 << 20,
        }
    }
}

/// Writes to FHIR R4 servers.
#[derive(Debug)]
pub struct FhirDestination {
    access: Access,
    calls: Calls,
}

/// A connection, read and checked.
struct Sink<'a> {
    access: &'a Access,
    calls: &'a Calls,
    door: Door<'a>,
    settings: Settings,
}

/// A call to the server.
struct Call<'a> {
    method: Method,
    url: &'a Url,
    headers: &'a [(&'static str, &'a str)],
    body: Option<Bytes>,
    effect: Effect,
    max_len: usize,
}

impl<'a> Call<'a> {
    fn get(url: &'a Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: &[],
            body: None,
            effect: Effect::Reads,
            max_len: MAX_LIST_LEN,
        }
    }

    fn write(method: Method, url: &'a Url, body: Bytes, effect: Effect) -> Self {
        Self {
            method,
            url,
            headers: &[],
            body: Some(body),
            effect,
            max_len: MAX_ANSWER_LEN,
        }
    }

    fn with(mut self, headers: &'a [(&'static str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }
}

impl FhirDestination {
    pub(crate) fn new(wire: Arc<Wire>, calls: Calls) -> Self {
        Self {
            access: Access::new(wire),
            calls,
        }
    }

    fn sink<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
    ) -> ConnectorResult<Sink<'a>> {
        Ok(Sink {
            access: &self.access,
            calls: &self.calls,
            door: Door { endpoint, tokens },
            settings: Settings::of(endpoint)?,
        })
    }
}

impl Sink<'_> {
    fn url(&self, segments: &[&str]) -> ConnectorResult<Url> {
        url_below(&self.door.endpoint.base_url, segments)
    }

    async fn send(&self, call: Call<'_>) -> ConnectorResult<HttpAnswer> {
        let make = |wire: &Wire| {
            let mut request = wire
                .request(call.method.clone(), call.url.as_str())?
                .header(ACCEPT, self.settings.accept.as_str());
            for (name, value) in call.headers {
                request = request.header(*name, *value);
            }
            Ok(match &call.body {
                Some(body) => self.calls.carry_bytes(request, body.clone()),
                None => request,
            })
        };
        self.access
            .send(self.door, call.effect, call.max_len, &make)
            .await
    }

    fn refusal(&self, answer: &HttpAnswer, effect: Effect) -> ConnectorError {
        outcome::refusal(self.access.wire(), answer, effect)
    }

    /// Sends; only a success is an answer.
    async fn succeed(&self, call: Call<'_>) -> ConnectorResult<HttpAnswer> {
        let effect = call.effect;
        let answer = self.send(call).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(self.refusal(&answer, effect))
        }
    }

    /// The resources of a type that a search finds, and whether there are more.
    async fn search(
        &self,
        kind: &str,
        parameters: &[(&str, &str)],
    ) -> ConnectorResult<(Vec<Value>, bool)> {
        let mut url = self.url(&[kind])?;
        url.query_pairs_mut()
            .extend_pairs(parameters)
            .append_pair("_count", "20");
        // A search that ignores what it does not know finds too much.
        let headers = [("prefer", "handling=strict")];
        let answer = self.succeed(Call::get(&url).with(&headers)).await?;
        let mut bundle = calls::json(&answer, Effect::Reads)?;
        if bundle.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
            return Err(unreadable(Effect::Reads));
        }
        let links = bundle.get("link").and_then(Value::as_array);
        let has_more = links
            .into_iter()
            .flatten()
            .any(|link| link.get("relation").and_then(Value::as_str) == Some("next"));
        let entries = match bundle.get_mut("entry").map(Value::take) {
            Some(Value::Array(entries)) => entries,
            _ => Vec::new(),
        };
        let found = entries
            .into_iter()
            .filter_map(|mut entry| entry.get_mut("resource").map(Value::take))
            .filter(|resource| resource.get("resourceType").and_then(Value::as_str) == Some(kind))
            .collect();
        Ok((found, has_more))
    }

    /// Those that a search by identifier finds and that do have it.
    ///
    /// # Errors
    /// [`ErrorClass::Unsupported`] when none of those found has it: then the
    /// server does not search by it, and «not there» would be a lie.
    async fn identified(
        &self,
        kind: &str,
        system: &str,
        value: &str,
    ) -> ConnectorResult<Vec<Value>> {
        let token = format!("{system}|{value}");
        let (mut found, has_more) = self.search(kind, &[("identifier", &token)]).await?;
        let any = !found.is_empty() || has_more;
        found.retain(|resource| has_identifier(resource, system, value));
        if found.is_empty() && any {
            return Err(error(ErrorClass::Unsupported));
        }
        Ok(found)
    }

    async fn verify(&self) -> ConnectorResult<Verified> {
        let url = self.url(&["metadata"])?;
        let described = self.succeed(Call::get(&url)).await?;
        let described = calls::json(&described, Effect::Reads)?;
        let text = |pointer: &str| {
            let text = described.pointer(pointer).and_then(Value::as_str)?;
            Some(text.chars().take(100).collect::<String>())
        };
        let version = text("/fhirVersion").ok_or_else(|| unreadable(Effect::Reads))?;
        if !version.starts_with("4.") {
            return Err(error(ErrorClass::Unsupported));
        }
        // A description is public; what a key opens is not.
        let token = format!("{}|src:none", self.settings.destination.document_system);
        let mut url = self.url(&["DocumentReference"])?;
        url.query_pairs_mut()
            .append_pair("identifier", &token)
            .append_pair("_count", "1");
        self.succeed(Call::get(&url)).await?;
        Ok(Verified {
            account: text("/software/name"),
            notes: vec![format!("fhir {version}")],
        })
    }

    async fn find_clients(&self, who: &ClientMatch) -> ConnectorResult<Vec<RemoteClient>> {
        if let Some(patient) = who.patient {
            let system = &self.settings.destination.patient_system;
            let found = self
                .identified("Patient", system, &patient.to_string())
                .await?;
            if !found.is_empty() {
                return found.iter().map(remote_client).collect();
            }
        }
        let wanted = wanted(who)?;
        let by = [("email", wanted.email), ("birthdate", wanted.birth_date)];
        let (found, has_more) = self.search("Patient", &by).await?;
        if has_more {
            return Err(error(ErrorClass::Ambiguous));
        }
        let mut candidates = Vec::new();
        for patient in &found {
            let id = remote_client(patient)?.id;
            let birth_date = patient.get("birthDate").and_then(Value::as_str);
            for email in emails(patient) {
                candidates.push(Candidate {
                    id: id.clone(),
                    email: Some(Zeroizing::new(email.to_owned())),
                    birth_date: birth_date.map(|date| Zeroizing::new(date.to_owned())),
                });
            }
        }
        decide(&wanted, &candidates)
    }

    async fn create_client(&self, who: &ClientMatch) -> ConnectorResult<RemoteClient> {
        let (first, last) = split_name(&who.name);
        let mut patient = json!({
            "resourceType": "Patient",
            "active": true,
            "name": [{
                "text": who.name.trim(),
                "family": last.as_str(),
                "given": [first.as_str()],
            }],
        });
        let mut set = |field: &str, value: Value| {
            if let Some(fields) = patient.as_object_mut() {
                fields.insert(field.to_owned(), value);
            }
        };
        if let Some(email) = &who.email {
            set(
                "telecom",
                json!([{"system": "email", "value": email.trim()}]),
            );
        }
        if let Some(birth_date) = &who.birth_date {
            set("birthDate", Value::from(birth_date.trim()));
        }
        let mut condition = None;
        if let Some(ours) = who.patient {
            let system = &self.settings.destination.patient_system;
            let value = ours.to_string();
            set("identifier", json!([{"system": system, "value": value}]));
            condition = Some(if_none_exist(system, &value, &[]));
        }
        let url = self.url(&["Patient"])?;
        let body = Bytes::from_owner(Zeroizing::new(patient.to_string().into_bytes()));
        let (answer, _) = self.create(&url, body, condition.as_deref()).await?;
        made(&answer, "Patient").map(|id| RemoteClient { id })
    }

    /// Creates a resource, unless one is there that the condition names; and
    /// whether it was made now.
    ///
    /// # Errors
    /// [`ErrorClass::Ambiguous`] where several are there.
    async fn create(
        &self,
        url: &Url,
        body: Bytes,
        condition: Option<&str>,
    ) -> ConnectorResult<(HttpAnswer, bool)> {
        let mut headers = vec![
            ("content-type", FHIR_JSON),
            ("prefer", "return=representation"),
        ];
        headers.extend(condition.map(|condition| ("if-none-exist", condition)));
        let call = Call::write(Method::POST, url, body, Effect::Writes).with(&headers);
        let answer = self.send(call).await?;
        if !answer.status.is_success() {
            let mut refusal = self.refusal(&answer, Effect::Writes);
            if answer.status == StatusCode::PRECONDITION_FAILED {
                refusal.class = ErrorClass::Ambiguous;
            }
            return Err(refusal);
        }
        let is_new = answer.status == StatusCode::CREATED;
        Ok((answer, is_new))
    }
}

/// The condition of a conditional creation (FHIR R4, 3.1.0.8.1).
fn if_none_exist(system: &str, value: &str, more: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("identifier", &format!("{system}|{value}"))
        .extend_pairs(more)
        .finish()
}

fn has_identifier(resource: &Value, system: &str, value: &str) -> bool {
    let text = |identifier: &Value, field: &str, wanted: &str| {
        identifier.get(field).and_then(Value::as_str) == Some(wanted)
    };
    let identifiers = resource.get("identifier").and_then(Value::as_array);
    identifiers
        .into_iter()
        .flatten()
        .any(|identifier| text(identifier, "system", system) && text(identifier, "value", value))
}

fn emails(patient: &Value) -> impl Iterator<Item = &str> {
    let telecom = patient.get("telecom").and_then(Value::as_array);
    telecom
        .into_iter()
        .flatten()
        .filter(|contact| contact.get("system").and_then(Value::as_str) == Some("email"))
        .filter_map(|contact| contact.get("value").and_then(Value::as_str))
}

fn remote_client(patient: &Value) -> ConnectorResult<RemoteClient> {
    id_of(patient.get("id"))
        .map(|id| RemoteClient { id })
        .ok_or_else(|| unreadable(Effect::Reads))
}

/// The id of what was made: in the answer, else in `Location`, which reads
/// `…/Type/id/_history/version`.
fn made(answer: &HttpAnswer, kind: &str) -> ConnectorResult<String> {
    let said = serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .filter(|body| body.get("resourceType").and_then(Value::as_str) == Some(kind))
        .and_then(|body| id_of(body.get("id")));
    let located = || {
        let location = answer.headers.get(LOCATION)?.to_str().ok()?;
        let mut segments = location.split('/').skip_while(|segment| *segment != kind);
        let id = segments.nth(1)?;
        calls::id_of(Some(&Value::from(id)))
    };
    said.or_else(located)
        .ok_or_else(|| unreadable(Effect::Writes))
}

impl Platform for FhirDestination {
    fn capabilities(&self, endpoint: &Endpoint) -> Capabilities {
        let max_bytes = Settings::of(endpoint).map_or_else(
            |_| DestinationSettings::default().max_bytes,
            |settings| settings.destination.max_bytes,
        );
        Capabilities {
            find_client: true,
            create_client: true,
            put_document: true,
            find_document: true,
            remove_document: true,
            max_bytes,
        }
    }

    account_does!(|platform, endpoint, tokens| platform.sink(endpoint, tokens));
}
