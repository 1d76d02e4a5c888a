//! Made-up practice platforms: what each received stands in [`Received`], by
//! client, with hash and marker, whoever sent it and whatever became of the
//! answer.
//!
//! Each is asked over HTTP as well: `GET /_received` shows it, `POST /_clients`
//! makes clients that were there before.

pub mod carepatron;
pub mod cliniko;
pub mod fhir_sink;
pub mod healthie;
pub mod plain;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::stage::{Served, Stage, hex, serve_at};

/// A client of a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Their id; made up where it is empty.
    #[serde(default)]
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    pub birth_date: Option<String>,
    /// Whether they came through the API.
    #[serde(default)]
    pub by_api: bool,
}

impl Client {
    /// A client who was there before.
    pub fn new(first_name: &str, last_name: &str, email: &str, birth_date: &str) -> Self {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            id: String::new(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            email: known(email),
            birth_date: known(birth_date),
            by_api: false,
        }
    }

    /// Whether the address is this one, whatever its letters' size.
    pub(crate) fn has_email(&self, email: &str) -> bool {
        self.email
            .as_ref()
            .is_some_and(|own| own.eq_ignore_ascii_case(email))
    }
}

/// A document that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its id there.
    pub id: String,
    /// The client it is filed under.
    pub client: String,
    /// Its file's name, or its title.
    pub name: String,
    /// The text that carries the marker.
    pub description: String,
    /// As it was said.
    pub content_type: String,
    /// Bytes.
    pub len: usize,
    /// Of the bytes, in hexadecimal.
    pub sha256: String,
    /// Whether it was removed again.
    pub removed: bool,
}

/// SHA-256 in hexadecimal, as documents show it.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What a platform holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Holdings {
    /// All clients.
    pub clients: Vec<Client>,
    /// All documents, removed ones too.
    pub documents: Vec<Document>,
    /// Mails that it sent to clients, by what they are about. None is the aim.
    pub mails: Vec<String>,
}

/// What a platform received; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Received {
    held: Arc<Mutex<Holdings>>,
}

impl Received {
    pub(crate) fn hold(&self) -> MutexGuard<'_, Holdings> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything.
    pub fn holdings(&self) -> Holdings {
        self.hold().clone()
    }

    /// Documents that are there, of every client.
    pub fn documents(&self) -> Vec<Document> {
        let held = self.hold();
        let there = held.documents.iter().filter(|document| !document.removed);
        there.cloned().collect()
    }

    /// A client who was there before; their id.
    pub fn add_client(&self, mut client: Client) -> String {
        let mut held = self.hold();
        if client.id.is_empty() {
            client.id = (1_000 + held.clients.len()).to_string();
        }
        let id = client.id.clone();
        held.clients.push(client);
        id
    }

    pub(crate) fn client(&self, id: &str) -> Option<Client> {
        let held = self.hold();
        held.clients.iter().find(|client| client.id == id).cloned()
    }

    /// Files a document under an id of its own, which is returned.
    pub(crate) fn add_document(
        &self,
        client: &str,
        name: &str,
        description: &str,
        content_type: &str,
        bytes: &[u8],
    ) -> String {
        let mut held = self.hold();
        let id = (5_000 + held.documents.len()).to_string();
        held.documents.push(Document {
            id: id.clone(),
            client: client.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            content_type: content_type.to_owned(),
            len: bytes.len(),
            sha256: sha256(bytes),
            removed: false,
        });
        id
    }

    /// Removes a document; whether it was there.
    pub(crate) fn remove_document(&self, id: &str) -> bool {
        let mut held = self.hold();
        let there = held
            .documents
            .iter_mut()
            .find(|document| document.id == id && !document.removed);
        match there {
            Some(document) => {
                document.removed = true;
                true
            }
            None => false,
        }
    }

    pub(crate) fn mail(&self, about: &str) {
        self.hold().mails.push(about.to_owned());
    }

    /// The paths on which it is asked.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/_received", get(show))
            .route("/_clients", post(make_client))
            .with_state(self.clone())
    }
}

async fn show(State(received): State<Received>) -> Json<Holdings> {
    Json(received.holdings())
}

async fn make_client(State(received): State<Received>, Json(client): Json<Client>) -> Json<String> {
    Json(received.add_client(client))
}

/// A platform that is running; dropping it ends it.
#[derive(Debug)]
pub struct Running<P> {
    /// The platform.
    pub platform: Arc<P>,
    /// Its faults and its journal.
    pub stage: Arc<Stage>,
    served: Served,
}

impl<P> Running<P> {
    async fn begin(
        stage: Arc<Stage>,
        port: u16,
        make: impl FnOnce(&Arc<Stage>, &str) -> (Arc<P>, Router),
    ) -> std::io::Result<Self> {
        let mut platform = None;
        let served = serve_at(&stage, port, |origin| {
            let (made, router) = make(&stage, origin);
            platform = Some(made);
            router
        })
        .await?;
        let platform = platform.ok_or_else(|| std::io::Error::other("nothing was made"))?;
        Ok(Self {
            platform,
            stage,
            served,
        })
    }

    /// `http://127.0.0.1:port`.
    pub fn origin(&self) -> &str {
        &self.served.base_url
    }

    /// Serves until the process ends.
    pub async fn forever(self) {
        self.served.forever().await;
    }
}

/// The last of a path's segments.
pub(crate) fn last_segment(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or("")
}
