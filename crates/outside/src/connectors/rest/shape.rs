//! The description of a platform, as settings hold it. It must not know what any
//! placeholder becomes.

use std::collections::BTreeMap;

use chartkey_domain::connections::{Capabilities, ConnectorResult, ErrorClass};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::calls::{error, own_header};

/// What a connection's settings say. Steps left out are steps the platform has
/// not.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Headers of every call, such as a version; nothing secret.
    pub(super) headers: BTreeMap<String, String>,
    /// Largest document.
    pub(super) max_bytes: u64,
    pub(super) verify: Option<Verify>,
    pub(super) find_clients: Option<FindClients>,
    pub(super) create_client: Option<CreateClient>,
    pub(super) find_document: Option<FindDocument>,
    pub(super) put_document: Option<PutDocument>,
    pub(super) remove_document: Option<RemoveDocument>,
    /// In place of the steps with documents: each is posted here.
    pub(super) webhook: Option<Webhook>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            headers: BTreeMap::new(),
            max_bytes: 20 << 20,
            verify: None,
            find_clients: None,
            create_client: None,
            find_document: None,
            put_document: None,
            remove_document: None,
            webhook: None,
        }
    }
}

/// An HTTP method.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub(super) const fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    const fn post() -> Self {
        Self::Post
    }

    const fn delete() -> Self {
        Self::Delete
    }
}

fn id() -> String {
    "id".to_owned()
}

fn email() -> String {
    "email".to_owned()
}

fn birth_date() -> String {
    "birth_date".to_owned()
}

fn description() -> String {
    "description".to_owned()
}

fn file() -> String {
    "file".to_owned()
}

/// A call that says whether the key is good.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verify {
    pub(super) path: String,
    /// Where the answer names the account.
    pub(super) account: Option<String>,
}

/// A search for clients.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindClients {
    pub(super) path: String,
    /// Where the list is; empty: the answer is the list.
    #[serde(default)]
    pub(super) items: String,
    #[serde(default = "id")]
    pub(super) id: String,
    #[serde(default = "email")]
    pub(super) email: String,
    #[serde(default = "birth_date")]
    pub(super) birth_date: String,
}

/// Making a client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateClient {
    #[serde(default = "Verb::post")]
    pub(super) method: Verb,
    pub(super) path: String,
    /// The JSON that is sent.
    pub(super) fields: Map<String, Value>,
    #[serde(default = "id")]
    pub(super) id: String,
}

/// A search for a document by its marker.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindDocument {
    pub(super) path: String,
    #[serde(default)]
    pub(super) items: String,
    #[serde(default = "id")]
    pub(super) id: String,
    /// Where the text with the marker is.
    #[serde(default = "description")]
    pub(super) marker: String,
    /// Where the client's id is, if the list may hold those of others.
    pub(super) client: Option<String>,
}

/// How a document travels.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// As a file in a form.
    #[default]
    Multipart,
    /// In Base64 within JSON, at `{base64}`.
    Json,
}

/// Putting a document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutDocument {
    #[serde(default = "Verb::post")]
    pub(super) method: Verb,
    pub(super) path: String,
    #[serde(default)]
    pub(super) format: Format,
    /// The form's other fields, or the JSON.
    #[serde(default)]
    pub(super) fields: Map<String, Value>,
    /// The field of the form that the file is.
    #[serde(default = "file")]
    pub(super) file_field: String,
    #[serde(default = "id")]
    pub(super) id: String,
    /// Whether a second one with the same `Idempotency-Key` is dropped there, so
    /// that a lost answer may simply be tried again.
    #[serde(default)]
    pub(super) deduplicates: bool,
}

/// Removing a document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveDocument {
    #[serde(default = "Verb::delete")]
    pub(super) method: Verb,
    pub(super) path: String,
    /// Whether it is hidden rather than gone.
    #[serde(default)]
    pub(super) archives: bool,
}

/// Where documents are posted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) path: String,
    /// As for putting a document.
    #[serde(default)]
    pub(super) deduplicates: bool,
    /// Whether removals are posted too.
    #[serde(default)]
    pub(super) removals: bool,
}

impl Settings {
    /// What the platform can, as described.
    pub(super) fn capabilities(&self) -> Capabilities {
        let hook = self.webhook.as_ref();
        Capabilities {
            find_client: self.find_clients.is_some(),
            create_client: self.create_client.is_some(),
            put_document: self.put_document.is_some() || hook.is_some(),
            find_document: self.find_document.is_some(),
            remove_document: self.remove_document.is_some()
                || hook.is_some_and(|hook| hook.removals),
            max_bytes: self.max_bytes,
        }
    }

    /// Whether a header of this name is set.
    pub(super) fn names_header(&self, name: &str) -> bool {
        self.headers
            .keys()
            .any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether the description is one: steps that contradict each other, paths
    /// that lead elsewhere and headers that are not for settings to say are
    /// refused before anything is called.
    ///
    /// # Errors
    /// [`ErrorClass::Invalid`].
    pub(super) fn check(&self) -> ConnectorResult<()> {
        let invalid = Err(error(ErrorClass::Invalid));
        let with_documents = self.find_document.is_some()
            || self.put_document.is_some()
            || self.remove_document.is_some();
        if self.webhook.is_some() && with_documents {
            return invalid;
        }
        if self.find_document.is_some() && self.put_document.is_none() {
            return invalid;
        }
        for name in self.headers.keys() {
            if own_header(name)?.as_str() == "authorization" {
                return invalid;
            }
        }
        let paths = [
            self.verify.as_ref().map(|step| &step.path),
            self.find_clients.as_ref().map(|step| &step.path),
            self.create_client.as_ref().map(|step| &step.path),
            self.find_document.as_ref().map(|step| &step.path),
            self.put_document.as_ref().map(|step| &step.path),
            self.remove_document.as_ref().map(|step| &step.path),
            self.webhook.as_ref().map(|step| &step.path),
        ];
        if paths
            .into_iter()
            .flatten()
            .any(|path| !path.starts_with('/'))
        {
            return invalid;
        }
        Ok(())
    }
}
