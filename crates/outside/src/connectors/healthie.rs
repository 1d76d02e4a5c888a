//! Healthie, GraphQL (docs.gethealthie.com; names checked against the schema of
//! its sandbox as captured in August 2026).
//!
//! The one trap: a refused write answers 200 with nothing in `errors` and the
//! reason in `messages`. A write counts as done only when the thing made comes
//! back with its id. Clients are created without the welcome mail, documents
//! without sharing them with the client, unless settings say otherwise. There is
//! no idempotency key; the marker in a document's description is found by
//! keyword. This module must not know when anything is tried again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_domain::connections::{
    Capabilities, ClientMatch, ConnectorError, ConnectorResult, DedupeKey, Endpoint, ErrorClass,
    OutgoingDocument, Platform, PutState, RemoteClient, Removed, TokenKeeper, Verified,
};
use chartkey_domain::doors::BoxFuture;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::calls::{
    self, Calls, Effect, MAX_LIST_LEN, account_does, api_key, error, id_of, secret_value,
    unreadable,
};
use super::multipart::media_type;
use super::people::{Candidate, decide, description, is_marked, marker, split_name, wanted};
use super::settings;

/// Where the production API is.
const BASE_URL: &str = "https://api.gethealthie.com/graphql";
/// Clients or documents asked for at once.
const PAGE_LEN: usize = 50;
/// More pages of one keyword's finds are no find.
const MAX_PAGES: usize = 10;

const VERIFY: &str = "query verify { currentUser { id } }";
const FIND_CLIENTS: &str = "query findClients($keywords: String, $offset: Int, $pageSize: Int) { \
     users(keywords: $keywords, offset: $offset, page_size: $pageSize, should_paginate: true) \
     { id email dob } }";
const CREATE_CLIENT: &str = "mutation createClient($input: createClientInput) { \
     createClient(input: $input) { user { id } messages { field message } } }";
const FIND_DOCUMENTS: &str = "query findDocuments($keywords: String, $offset: Int, $pageSize: Int) { \
     documents(keywords: $keywords, offset: $offset, page_size: $pageSize, should_paginate: true) \
     { id description rel_user_id } }";
const CREATE_DOCUMENT: &str = "mutation createDocument($input: createDocumentInput) { \
     createDocument(input: $input) { document { id } messages { field message } } }";
const DELETE_DOCUMENT: &str = "mutation deleteDocument($input: deleteDocumentInput) { \
     deleteDocument(input: $input) { messages { field message } } }";

/// What a connection's settings say.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The header `AuthorizationShard`, for customers in a shard.
    shard: Option<String>,
    /// The practitioner whose client somebody becomes.
    dietitian_id: Option<String>,
    /// The group that a client is put into.
    user_group_id: Option<String>,
    /// The folder that documents go into.
    folder_id: Option<String>,
    /// Whether the client sees the document, and is told of it.
    share_with_client: bool,
    /// Whether the document stands among the charting notes.
    include_in_charting: bool,
    /// Largest document; Healthie publishes no limit. Encoded it is a third larger.
    max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shard: None,
            dietitian_id: None,
            user_group_id: None,
            folder_id: None,
            share_with_client: false,
            include_in_charting: false,
            max_bytes: 25 << 20,
        }
    }
}

/// The adapter.
#[derive(Debug)]
pub(crate) struct Healthie {
    calls: Calls,
}

/// A connection, read and checked.
struct Account<'a> {
    calls: &'a Calls,
    url: Url,
    settings: Settings,
    key: &'a Zeroizing<String>,
}

impl Healthie {
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls }
    }

    fn account<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectorResult<Account<'a>> {
        let base = match endpoint.base_url.as_str() {
            "" => BASE_URL.to_owned(),
            base if base.ends_with("/graphql") => base.to_owned(),
            base => format!("{base}/graphql"),
        };
        Ok(Account {
            calls: &self.calls,
            url: calls::base_url(&base)?,
            settings: settings::read(endpoint)?,
            key: api_key(&endpoint.credentials)?,
        })
    }
}

/// What a request does, in GraphQL.
struct Operation<'a> {
    name: &'a str,
    /// The field of `data` that answers it.
    field: &'a str,
    query: &'a str,
    effect: Effect,
}

impl Account<'_> {
    /// Asks, and gives the field of `data` that answers.
    async fn ask(
        &self,
        operation: &Operation<'_>,
        variables: Zeroizing<String>,
    ) -> ConnectorResult<Value> {
        // The key as it is: `Basic`, but not Base64 of user and password.
        let basic = Zeroizing::new(format!("Basic {}", self.key.as_str()));
        let mut request = self
            .calls
            .request(Method::POST, &self.url)?
            .header(AUTHORIZATION, secret_value(&basic)?)
            .header("authorizationsource", "API")
            .header("content-type", "application/json");
        if let Some(shard) = &self.settings.shard {
            request = request.header("authorizationshard", secret_value(shard)?);
        }
        // Written by hand, because a document is as long as it is.
        let mut body = Zeroizing::new(Vec::with_capacity(variables.len() + 1024));
        body.extend_from_slice(b"{\"operationName\":");
        body.extend_from_slice(Value::from(operation.name).to_string().as_bytes());
        body.extend_from_slice(b",\"query\":");
        body.extend_from_slice(Value::from(operation.query).to_string().as_bytes());
        body.extend_from_slice(b",\"variables\":");
        body.extend_from_slice(variables.as_bytes());
        body.push(b'}');
        let request = self.calls.carry(request, body);
        let answer = self
            .calls
            .succeed(request, operation.effect, MAX_LIST_LEN)
            .await?;
        let mut answer = calls::json(&answer, operation.effect)?;
        let complaint = answer
            .get("errors")
            .and_then(Value::as_array)
            .and_then(|errors| errors.first());
        if let Some(complaint) = complaint {
            return Err(complained(complaint, operation.effect));
        }
        answer
            .get_mut("data")
            .and_then(|data| data.get_mut(operation.field))
            .map(Value::take)
            .ok_or_else(|| unreadable(operation.effect))
    }

    async fn verify(&self) -> ConnectorResult<Verified> {
        let operation = Operation {
            name: "verify",
            field: "currentUser",
            query: VERIFY,
            effect: Effect::Reads,
        };
        let user = self.ask(&operation, variables(&json!({}))).await?;
        // A key that nobody knows is nobody, and that is no error to Healthie.
        if id_of(user.get("id")).is_none() {
            return Err(error(ErrorClass::Auth));
        }
        Ok(Verified {
            account: self.url.host_str().map(str::to_owned),
            notes: Vec::new(),
        })
    }

    /// All finds of a keyword, page by page.
    async fn search(
        &self,
        operation: &Operation<'_>,
        keywords: &str,
    ) -> ConnectorResult<Vec<Value>> {
        let mut found = Vec::new();
        for page in 0..MAX_PAGES {
            let ask = json!({
                "keywords": keywords,
                "offset": page * PAGE_LEN,
                "pageSize": PAGE_LEN,
            });
            match self.ask(operation, variables(&ask)).await? {
                Value::Null => return Ok(found),
                Value::Array(mut entries) => {
                    let is_last = entries.len() < PAGE_LEN;
                    found.append(&mut entries);
                    if is_last {
                        return Ok(found);
                    }
                }
                _ => return Err(unreadable(Effect::Reads)),
            }
        }
        Err(error(ErrorClass::Ambiguous))
    }

    async fn find_clients(&self, who: &ClientMatch) -> ConnectorResult<Vec<RemoteClient>> {
        let wanted = wanted(who)?;
        let operation = Operation {
            name: "findClients",
            field: "users",
            query: FIND_CLIENTS,
            effect: Effect::Reads,
        };
        let text = |user: &Value, field: &str| {
            let text = user.get(field)?.as_str()?;
            Some(Zeroizing::new(text.to_owned()))
        };
        let candidates = self
            .search(&operation, wanted.email)
            .await?
            .iter()
            .map(|user| {
                Ok(Candidate {
                    id: id_of(user.get("id")).ok_or_else(|| unreadable(Effect::Reads))?,
                    email: text(user, "email"),
                    birth_date: text(user, "dob"),
                })
            })
            .collect::<ConnectorResult<Vec<_>>>()?;
        decide(&wanted, &candidates)
    }

    async fn create_client(&self, who: &ClientMatch) -> ConnectorResult<RemoteClient> {
        let (first, last) = split_name(&who.name);
        let email = who.email.as_ref().map(|email| email.trim());
        let mut input = json!({
            "first_name": first.as_str(),
            "last_name": last.as_str(),
            "email": email,
            "dob": who.birth_date.as_ref().map(|date| date.as_str()),
            // Silent: whoever never asked Healthie for anything gets no mail.
            "dont_send_welcome": true,
            // Said so, rather than left out, where there is no address.
            "skipped_email": email.is_none(),
        });
        set(
            &mut input,
            "dietitian_id",
            self.settings.dietitian_id.as_deref(),
        );
        set(
            &mut input,
            "user_group_id",
            self.settings.user_group_id.as_deref(),
        );
        let operation = Operation {
            name: "createClient",
            field: "createClient",
            query: CREATE_CLIENT,
            effect: Effect::Writes,
        };
        let answer = self
            .ask(&operation, variables(&json!({ "input": input })))
            .await?;
        let id = made(&answer, "/user/id")?;
        Ok(RemoteClient { id })
    }

    async fn find_document(
        &self,
        client: &RemoteClient,
        key: &DedupeKey,
    ) -> ConnectorResult<Option<String>> {
        let marker = marker(key)?;
        let operation = Operation {
            name: "findDocuments",
            field: "documents",
            query: FIND_DOCUMENTS,
            effect: Effect::Reads,
        };
        let found = self.search(&operation, &marker).await?;
        let ours = found.iter().find(|document| {
            let text = document.get("description").and_then(Value::as_str);
            text.is_some_and(|text| is_marked(text, &marker))
                && id_of(document.get("rel_user_id")).as_deref() == Some(&*client.id)
        });
        ours.map(|document| id_of(document.get("id")).ok_or_else(|| unreadable(Effect::Reads)))
            .transpose()
    }

    async fn put_document(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        key: &DedupeKey,
        _resume: Option<&str>,
    ) -> ConnectorResult<PutState> {
        let description = description(document, &marker(key)?);
        let mut input = json!({
            "rel_user_id": client.id,
            "display_name": document.file_name.as_str(),
            "description": description.as_str(),
            "share_with_rel": self.settings.share_with_client,
            "include_in_charting": self.settings.include_in_charting,
        });
        set(&mut input, "folder_id", self.settings.folder_id.as_deref());
        let operation = Operation {
            name: "createDocument",
            field: "createDocument",
            query: CREATE_DOCUMENT,
            effect: Effect::Writes,
        };
        let answer = self.ask(&operation, with_file(&input, document)).await?;
        made(&answer, "/document/id").map(PutState::Done)
    }

    /// May be repeated at will: what is gone stays gone.
    async fn remove_document(
        &self,
        _client: &RemoteClient,
        document: &str,
    ) -> ConnectorResult<Removed> {
        let operation = Operation {
            name: "deleteDocument",
            field: "deleteDocument",
            query: DELETE_DOCUMENT,
            effect: Effect::Reads,
        };
        let ask = json!({ "input": { "id": document } });
        match self.ask(&operation, variables(&ask)).await {
            Ok(answer) => match complaint(&answer) {
                None => Ok(Removed::Deleted),
                Some(refusal) => Err(refusal),
            },
            Err(refusal) if refusal.class == ErrorClass::NotFound => Ok(Removed::Deleted),
            Err(refusal) => Err(refusal),
        }
    }
}

fn variables(value: &Value) -> Zeroizing<String> {
    Zeroizing::new(value.to_string())
}

fn set(input: &mut Value, field: &str, text: Option<&str>) {
    if let (Some(text), Some(fields)) = (text, input.as_object_mut()) {
        fields.insert(field.to_owned(), Value::from(text));
    }
}

/// `{"input": {…, "file_string": "data:…"}}`, encoded once, straight into a
/// buffer that is wiped.
fn with_file(input: &Value, document: &OutgoingDocument) -> Zeroizing<String> {
    let fields = Zeroizing::new(input.to_string());
    let open = fields.strip_suffix('}').unwrap_or(&fields);
    let len = document.bytes.len().div_ceil(3) * 4 + open.len() + 256;
    let mut text = Zeroizing::new(String::with_capacity(len));
    text.push_str("{\"input\":");
    text.push_str(open);
    text.push_str(",\"file_string\":\"data:");
    text.push_str(&media_type(&document.content_type).replace(['"', '\\'], "_"));
    text.push_str(";base64,");
    STANDARD.encode_string(document.bytes.as_slice(), &mut text);
    text.push_str("\"}}");
    text
}

/// The id of what a mutation made; a complaint where it made nothing.
fn made(answer: &Value, pointer: &str) -> ConnectorResult<String> {
    if let Some(refusal) = complaint(answer) {
        return Err(refusal);
    }
    id_of(answer.pointer(pointer)).ok_or_else(|| unreadable(Effect::Writes))
}

/// `messages` that are not empty: the write was refused, at status 200.
fn complaint(answer: &Value) -> Option<ConnectorError> {
    let first = answer.get("messages")?.as_array()?.first()?;
    let mut refusal = error(ErrorClass::Invalid);
    refusal.status = Some(200);
    refusal.remote_code = first
        .get("field")
        .and_then(Value::as_str)
        .and_then(calls::remote_code);
    Some(refusal)
}

/// An entry of `errors`. Healthie names one code; for the rest there are words,
/// of which only those that speak of the key are understood.
fn complained(complaint: &Value, effect: Effect) -> ConnectorError {
    let code = complaint
        .pointer("/extensions/code")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let words = complaint
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let class = match code {
        "TOO_MANY_REQUESTS" => ErrorClass::RateLimited,
        "UNAUTHENTICATED" | "UNAUTHORIZED" => ErrorClass::Auth,
        "FORBIDDEN" => ErrorClass::Forbidden,
        "NOT_FOUND" => ErrorClass::NotFound,
        _ if says(&["api key", "not authenticated", "unauthorized"]) => ErrorClass::Auth,
        _ if says(&["permission", "not authorized"]) => ErrorClass::Forbidden,
        _ if says(&["not found"]) => ErrorClass::NotFound,
        _ if says(&["exceeds max complexity", "exceeds max depth"]) => ErrorClass::Invalid,
        _ if effect == Effect::Writes => ErrorClass::Unknown,
        _ => ErrorClass::Transient,
    };
    let mut refusal = error(class);
    refusal.status = Some(200);
    refusal.remote_code = calls::remote_code(code);
    refusal
}

impl Platform for Healthie {
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
