//! Both ends, in memory: they count what is asked of them, and fail on cue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chartkey_domain::clock::{Clock as _, FixedClock};
use chartkey_domain::connections::{
    Capabilities, ClientMatch, ConnectionKind, ConnectorError, ConnectorResult, Connectors,
    DedupeKey, Endpoint, ErrorClass, Launcher, OutgoingDocument, PageAsk, Platform,
    ProviderEndpoint, PutState, RemoteClient, Removed, Source, SourceFile, SourcePage, SourcePlan,
    SourceQuery, TokenKeeper, Verified,
};
use chartkey_domain::doors::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and nothing happened.
    Refused(ErrorClass),
    /// It happened, and its answer is lost.
    Lost(ErrorClass),
    /// The program dies before anything happened.
    DiesBefore,
    /// The program dies after it happened.
    DiesAfter,
}

/// A document at the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub id: String,
    pub client: String,
    pub key: String,
    pub title: String,
    pub file_name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// Something at the source.
#[derive(Clone)]
pub struct Served {
    pub resource: Value,
    pub changed: Timestamp,
}

#[derive(Default)]
struct Inside {
    /// Every request, in order.
    calls: Vec<(Timestamp, String)>,
    fault: Option<(usize, Fault)>,
    down: Option<ErrorClass>,
    /// Calls whose names begin like this always fail.
    failing: Option<String>,
    resources: Vec<Served>,
    files: BTreeMap<String, Vec<u8>>,
    clients: Vec<String>,
    documents: Vec<Put>,
    removed: Vec<String>,
    made: usize,
}

/// Both ends.
pub struct Fakes {
    inside: Mutex<Inside>,
    clock: FixedClock,
    /// Somebody waits for ever: kill the program.
    pub dead: Notify,
    pub caps: Mutex<Capabilities>,
    /// A put takes two calls.
    pub two_steps: Mutex<bool>,
    pub page_size: usize,
}

pub const QUERIES: [&str; 3] = ["Patient", "DocumentReference", "Observation"];

impl Fakes {
    pub fn new(clock: FixedClock) -> Arc<Self> {
        Arc::new(Self {
            inside: Mutex::default(),
            clock,
            dead: Notify::new(),
            caps: Mutex::new(Capabilities {
                find_client: true,
                create_client: true,
                put_document: true,
                find_document: true,
                remove_document: true,
                max_bytes: 1 << 20,
            }),
            two_steps: Mutex::new(false),
            page_size: 2,
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    pub fn calls(&self) -> Vec<String> {
        self.inside().calls.iter().map(|(_, c)| c.clone()).collect()
    }

    pub fn times(&self) -> Vec<Timestamp> {
        self.inside().calls.iter().map(|(at, _)| *at).collect()
    }

    pub fn forget_calls(&self) {
        self.inside().calls.clear();
    }

    /// The `n`th call from now on (from 0) fails like this.
    pub fn fail(&self, n: usize, fault: Fault) {
        let mut inside = self.inside();
        let at = inside.calls.len() + n;
        inside.fault = Some((at, fault));
    }

    /// From now on calls whose names begin like this answer 500, until `None`.
    pub fn keep_failing(&self, name: Option<&str>) {
        self.inside().failing = name.map(str::to_owned);
    }

    /// From now on the platform takes nothing.
    pub fn go_down(&self, class: ErrorClass) {
        self.inside().down = Some(class);
    }

    /// Puts a resource at the source, or changes it.
    pub fn serve(&self, resource: Value) {
        let changed = self.clock.now();
        let mut inside = self.inside();
        let id = |r: &Value| (r["resourceType"].clone(), r["id"].clone());
        inside
            .resources
            .retain(|s| id(&s.resource) != id(&resource));
        inside.resources.push(Served { resource, changed });
    }

    pub fn unserve(&self, kind: &str, id: &str) {
        self.inside()
            .resources
            .retain(|s| s.resource["resourceType"] != kind || s.resource["id"] != id);
    }

    pub fn serve_file(&self, url: &str, bytes: &[u8]) {
        self.inside().files.insert(url.to_owned(), bytes.to_vec());
    }

    pub fn client(&self, id: &str) {
        self.inside().clients.push(id.to_owned());
    }

    pub fn clients(&self) -> Vec<String> {
        self.inside().clients.clone()
    }

    /// What is at the platform now, by title.
    pub fn documents(&self) -> Vec<Put> {
        let mut documents = self.inside().documents.clone();
        documents.sort_by(|a, b| a.title.cmp(&b.title));
        documents
    }

    pub fn titles(&self) -> Vec<String> {
        self.documents().into_iter().map(|d| d.title).collect()
    }

    /// Ids that were removed, in order.
    pub fn removed(&self) -> Vec<String> {
        self.inside().removed.clone()
    }

    /// One request: it may fail before or after `act`.
    async fn call<T>(
        &self,
        name: impl Into<String>,
        act: impl FnOnce(&mut Inside) -> ConnectorResult<T>,
    ) -> ConnectorResult<T> {
        let (fault, result) = {
            let mut inside = self.inside();
            let n = inside.calls.len();
            let name = name.into();
            let is_put = name.starts_with("put");
            let failing = inside.failing.as_ref();
            let fails = failing.is_some_and(|beginning| name.starts_with(beginning));
            inside.calls.push((self.clock.now(), name));
            if fails {
                let status = Some(500);
                return Err(ConnectorError {
                    status,
                    ..error(ErrorClass::Transient)
                });
            }
            if let Some(class) = inside.down.filter(|_| is_put) {
                return Err(error(class));
            }
            let fault = inside.fault.filter(|(at, _)| *at == n).map(|(_, f)| f);
            match fault {
                Some(Fault::Refused(class)) => return Err(error(class)),
                Some(Fault::DiesBefore) => (fault, None),
                _ => (fault, Some(act(&mut inside))),
            }
        };
        match (fault, result) {
            (Some(Fault::Lost(class)), _) => Err(error(class)),
            (Some(Fault::DiesBefore | Fault::DiesAfter), _) | (_, None) => {
                self.dead.notify_one();
                std::future::pending().await
            }
            (_, Some(result)) => result,
        }
    }
}

fn error(class: ErrorClass) -> ConnectorError {
    let mut error = ConnectorError::new(class);
    if class == ErrorClass::RateLimited {
        error.retry_after = Some(std::time::Duration::from_secs(30));
    }
    error
}

impl Connectors for Fakes {
    fn source(&self, kind: ConnectionKind) -> Option<&dyn Source> {
        (kind == ConnectionKind::Fhir).then_some(self)
    }

    fn platform(&self, kind: ConnectionKind) -> Option<&dyn Platform> {
        (kind == ConnectionKind::Rest).then_some(self)
    }

    fn launcher(&self, _: ConnectionKind) -> Option<&dyn Launcher> {
        None
    }

    fn read_directory(&self, _: &[u8]) -> ConnectorResult<Vec<ProviderEndpoint>> {
        Err(ConnectorError::new(ErrorClass::Unsupported))
    }
}

impl Source for Fakes {
    fn verify<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
    ) -> BoxFuture<'a, ConnectorResult<Verified>> {
        Box::pin(async { Ok(Verified::default()) })
    }

    fn plan<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        known: Option<&'a Value>,
    ) -> BoxFuture<'a, ConnectorResult<SourcePlan>> {
        Box::pin(async move {
            if known.is_none() {
                self.call("plan", |_| Ok(())).await?;
            }
            Ok(SourcePlan {
                queries: QUERIES
                    .iter()
                    .map(|name| SourceQuery {
                        name: (*name).to_owned(),
                        resource_type: (*name).to_owned(),
                        incremental: true,
                    })
                    .collect(),
                discovered: json!({"version": 1}),
            })
        })
    }

    fn page<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        ask: PageAsk<'a>,
    ) -> BoxFuture<'a, ConnectorResult<SourcePage>> {
        Box::pin(async move {
            let from: usize = ask.next.map_or(0, |next| next.parse().unwrap());
            let name = format!("page {} {from}", ask.query.name);
            self.call(name, |inside| {
                let found: Vec<&Served> = inside
                    .resources
                    .iter()
                    .filter(|s| s.resource["resourceType"] == *ask.query.resource_type)
                    .filter(|s| ask.since.is_none_or(|since| s.changed >= since))
                    .collect();
                let page: Vec<_> = found.iter().skip(from).take(self.page_size).collect();
                let more = from + page.len() < found.len();
                Ok(SourcePage {
                    resources: page
                        .iter()
                        .map(|s| Zeroizing::new(s.resource.to_string().into_bytes()))
                        .collect(),
                    newest: page.iter().map(|s| s.changed).max(),
                    next: more.then(|| (from + page.len()).to_string()),
                    refused: Vec::new(),
                    pointed: Vec::new(),
                })
            })
            .await
        })
    }

    fn pointed<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        _: &'a str,
    ) -> BoxFuture<'a, ConnectorResult<Zeroizing<Vec<u8>>>> {
        Box::pin(async { Err(ConnectorError::new(ErrorClass::NotFound)) })
    }

    fn file<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        url: &'a str,
        content_type: Option<&'a str>,
        _: usize,
    ) -> BoxFuture<'a, ConnectorResult<SourceFile>> {
        Box::pin(async move {
            self.call(format!("file {url}"), |inside| {
                let bytes = inside
                    .files
                    .get(url)
                    .ok_or_else(|| ConnectorError::new(ErrorClass::NotFound))?;
                Ok(SourceFile {
                    content_type: content_type.unwrap_or("application/pdf").to_owned(),
                    bytes: Zeroizing::new(bytes.clone()),
                })
            })
            .await
        })
    }
}

impl Platform for Fakes {
    fn capabilities(&self, _: &Endpoint) -> Capabilities {
        *self.caps.lock().unwrap()
    }

    fn verify<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
    ) -> BoxFuture<'a, ConnectorResult<Verified>> {
        Box::pin(async { Ok(Verified::default()) })
    }

    fn find_clients<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        _: &'a ClientMatch,
    ) -> BoxFuture<'a, ConnectorResult<Vec<RemoteClient>>> {
        Box::pin(self.call("find_clients", |inside| {
            Ok(inside
                .clients
                .iter()
                .map(|id| RemoteClient { id: id.clone() })
                .collect())
        }))
    }

    fn create_client<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        _: &'a ClientMatch,
    ) -> BoxFuture<'a, ConnectorResult<RemoteClient>> {
        Box::pin(self.call("create_client", |inside| {
            let id = format!("client-{}", inside.clients.len() + 1);
            inside.clients.push(id.clone());
            Ok(RemoteClient { id })
        }))
    }

    fn find_document<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        client: &'a RemoteClient,
        key: &'a DedupeKey,
    ) -> BoxFuture<'a, ConnectorResult<Option<String>>> {
        Box::pin(self.call("find_document", |inside| {
            Ok(inside
                .documents
                .iter()
                .find(|d| d.client == client.id && d.key == key.0)
                .map(|d| d.id.clone()))
        }))
    }

    fn put_document<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        client: &'a RemoteClient,
        document: &'a OutgoingDocument,
        key: &'a DedupeKey,
        resume: Option<&'a str>,
    ) -> BoxFuture<'a, ConnectorResult<PutState>> {
        Box::pin(async move {
            if *self.two_steps.lock().unwrap() && resume.is_none() {
                return self
                    .call("put_bytes", |_| {
                        Ok(PutState::Pending("uploaded".to_owned()))
                    })
                    .await;
            }
            let name = format!("put {}", *document.title);
            self.call(name, |inside| {
                inside.made += 1;
                let id = format!("doc-{}", inside.made);
                inside.documents.push(Put {
                    id: id.clone(),
                    client: client.id.clone(),
                    key: key.0.clone(),
                    title: document.title.to_string(),
                    file_name: document.file_name.to_string(),
                    content_type: document.content_type.clone(),
                    bytes: document.bytes.to_vec(),
                });
                Ok(PutState::Done(id))
            })
            .await
        })
    }

    fn remove_document<'a>(
        &'a self,
        _: &'a Endpoint,
        _: &'a dyn TokenKeeper,
        _: &'a RemoteClient,
        document: &'a str,
    ) -> BoxFuture<'a, ConnectorResult<Removed>> {
        Box::pin(self.call(format!("remove {document}"), move |inside| {
            let before = inside.documents.len();
            inside.documents.retain(|d| d.id != document);
            if inside.documents.len() == before {
                return Err(ConnectorError::new(ErrorClass::NotFound));
            }
            inside.removed.push(document.to_owned());
            Ok(Removed::Deleted)
        }))
    }
}
