//! Carepatron, as far as its public API goes: clients are matched, documents are
//! handed off to a person.
//!
//! What is known of that API (specification of 2 October 2026, from two
//! independent notes): a key in `cp-api-key`, a ping that proves it for one
//! workspace (`/providers/{id}/secure-ping`), and a job that exports contacts. It
//! takes no document and creates no client. **Not verified**: where the API is,
//! and the exact paths, fields and words of the export. They are therefore
//! settings, with what the notes suggest as defaults, and there is no default
//! base URL. When Carepatron opens more, that is settings for the plain REST
//! adapter or a few lines here; until then nothing is made up.
//!
//! An export takes its time there, and holds everybody: it is begun once, read
//! when it is asked for again, and used for a while for every client that is
//! looked for. This module must not know when anything is tried again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chartkey_domain::connections::{
    Capabilities, ClientMatch, ConnectorResult, DedupeKey, Endpoint, ErrorClass, OutgoingDocument,
    Platform, PutState, RemoteClient, Removed, TokenKeeper, Verified,
};
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::ids::ConnectionId;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::calls::{
    self, Calls, Effect, MAX_ANSWER_LEN, api_key, at, error, id_of, secret_value, unreadable,
    url_below,
};
use super::people::{Candidate, decide, wanted};
use super::settings;

/// An export of a whole practice.
const MAX_EXPORT_LEN: usize = 64 << 20;
/// Exports that are remembered; more connections than this begin theirs anew.
const MAX_JOBS: usize = 1_000;

/// What a connection's settings say.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The workspace, which Carepatron calls a provider. Required.
    provider_id: String,
    /// Paths without their slashes at the ends; `{provider}` and `{job}` are ids.
    verify_path: String,
    export_path: String,
    job_path: String,
    /// Where the answer that began an export names the job.
    job_id: String,
    /// Where a job says how far it is, and its words for the two ends.
    status: String,
    done_words: Vec<String>,
    failed_words: Vec<String>,
    /// Where a finished job holds the contacts, and what they are made of.
    contacts: String,
    id: String,
    email: String,
    birth_date: String,
    /// How long an export is good enough, in seconds.
    keep_export_secs: u32,
    /// When to ask again for an export that is not finished, in seconds.
    ask_again_secs: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            provider_id: String::new(),
            verify_path: "providers/{provider}/secure-ping".to_owned(),
            export_path: "providers/{provider}/contacts/export-jobs".to_owned(),
            job_path: "providers/{provider}/contacts/export-jobs/{job}".to_owned(),
            job_id: "id".to_owned(),
            status: "status".to_owned(),
            done_words: vec!["completed".to_owned()],
            failed_words: vec!["failed".to_owned()],
            contacts: "contacts".to_owned(),
            id: "id".to_owned(),
            email: "email".to_owned(),
            birth_date: "birthDate".to_owned(),
            keep_export_secs: 600,
            ask_again_secs: 15,
        }
    }
}

/// An export that was begun.
#[derive(Clone, Debug)]
struct Job {
    id: String,
    begun: Timestamp,
}

/// The adapter.
#[derive(Debug)]
pub(crate) struct Carepatron {
    calls: Calls,
    /// Lost with the process, which costs one export.
    jobs: Mutex<BTreeMap<ConnectionId, Job>>,
}

/// A connection, read and checked.
struct Account<'a> {
    calls: &'a Calls,
    endpoint: &'a Endpoint,
    settings: Settings,
    key: &'a Zeroizing<String>,
}

impl Carepatron {
    pub(crate) fn new(calls: Calls) -> Self {
        Self {
            calls,
            jobs: Mutex::default(),
        }
    }

    fn account<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectorResult<Account<'a>> {
        let settings: Settings = settings::read(endpoint)?;
        if settings.provider_id.is_empty() {
            return Err(error(ErrorClass::Invalid));
        }
        Ok(Account {
            calls: &self.calls,
            endpoint,
            settings,
            key: api_key(&endpoint.credentials)?,
        })
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job to read: one that is young enough, or a new one in its place.
    async fn job(&self, account: &Account<'_>) -> ConnectorResult<Job> {
        let connection = account.endpoint.connection;
        let known = self.jobs().get(&connection).cloned();
        let keep = SignedDuration::from_secs(i64::from(account.settings.keep_export_secs));
        let now = self.calls.now();
        if let Some(job) = known {
            if now.duration_since(job.begun) < keep {
                return Ok(job);
            }
            self.jobs().remove(&connection);
            // Everybody's names and addresses do not lie about there for us. If
            // it cannot be deleted, it is Carepatron's to keep or lose.
            let _gone = account.delete_job(&job.id).await;
        }
        let job = Job {
            id: account.begin_export().await?,
            begun: now,
        };
        let mut jobs = self.jobs();
        if jobs.len() >= MAX_JOBS {
            jobs.clear();
        }
        jobs.insert(connection, job.clone());
        Ok(job)
    }

    async fn find_clients(
        &self,
        endpoint: &Endpoint,
        who: &ClientMatch,
    ) -> ConnectorResult<Vec<RemoteClient>> {
        let wanted = wanted(who)?;
        let account = self.account(endpoint)?;
        let job = self.job(&account).await?;
        let export = account.read_job(&job.id).await.inspect_err(|refusal| {
            // Gone or useless: the next time begins another.
            if matches!(refusal.class, ErrorClass::NotFound | ErrorClass::Expired) {
                self.jobs().remove(&endpoint.connection);
            }
        })?;
        decide(&wanted, &account.candidates(&export)?)
    }
}

impl Account<'_> {
    fn request(&self, method: Method, path: &str, job: &str) -> ConnectorResult<RequestBuilder> {
        let segments: Vec<&str> = path
            .trim_matches('/')
            .split('/')
            .map(|segment| match segment {
                "{provider}" => self.settings.provider_id.as_str(),
                "{job}" => job,
                plain => plain,
            })
            .collect();
        let url = url_below(&self.endpoint.base_url, &segments)?;
        Ok(self
            .calls
            .request(method, &url)?
            .header("cp-api-key", secret_value(self.key)?)
            .header(ACCEPT, "application/json"))
    }

    async fn verify(&self) -> ConnectorResult<Verified> {
        let request = self.request(Method::GET, &self.settings.verify_path, "")?;
        self.calls
            .succeed(request, Effect::Reads, MAX_ANSWER_LEN)
            .await?;
        Ok(Verified {
            account: Some(self.settings.provider_id.clone()),
            notes: vec!["documents_by_hand".to_owned()],
        })
    }

    async fn begin_export(&self) -> ConnectorResult<String> {
        let request = self.request(Method::POST, &self.settings.export_path, "")?;
        let request = self.calls.carry_json(request, &json!({}));
        // An export changes nothing: a second one does no harm.
        let answer = self
            .calls
            .succeed(request, Effect::Reads, MAX_ANSWER_LEN)
            .await?;
        let answer = calls::json(&answer, Effect::Reads)?;
        id_of(at(&answer, &self.settings.job_id)).ok_or_else(|| unreadable(Effect::Reads))
    }

    /// A finished export.
    ///
    /// # Errors
    /// [`ErrorClass::Transient`] with a time for one that is not finished,
    /// [`ErrorClass::Expired`] for one that failed, and those of the call.
    async fn read_job(&self, job: &str) -> ConnectorResult<Value> {
        let request = self.request(Method::GET, &self.settings.job_path, job)?;
        let answer = self
            .calls
            .succeed(request, Effect::Reads, MAX_EXPORT_LEN)
            .await?;
        let answer = calls::json(&answer, Effect::Reads)?;
        let word = at(&answer, &self.settings.status)
            .and_then(Value::as_str)
            .ok_or_else(|| unreadable(Effect::Reads))?;
        let says = |words: &[String]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
        if says(&self.settings.done_words) {
            return Ok(answer);
        }
        if says(&self.settings.failed_words) {
            return Err(error(ErrorClass::Expired));
        }
        let mut wait = error(ErrorClass::Transient);
        wait.retry_after = Some(Duration::from_secs(u64::from(self.settings.ask_again_secs)));
        Err(wait)
    }

    async fn delete_job(&self, job: &str) -> ConnectorResult<()> {
        let request = self.request(Method::DELETE, &self.settings.job_path, job)?;
        self.calls
            .succeed(request, Effect::Reads, MAX_ANSWER_LEN)
            .await?;
        Ok(())
    }

    fn candidates(&self, export: &Value) -> ConnectorResult<Vec<Candidate>> {
        let text = |contact: &Value, path: &str| {
            let text = at(contact, path)?.as_str()?;
            Some(Zeroizing::new(text.to_owned()))
        };
        at(export, &self.settings.contacts)
            .and_then(Value::as_array)
            .ok_or_else(|| unreadable(Effect::Reads))?
            .iter()
            .map(|contact| {
                Ok(Candidate {
                    id: id_of(at(contact, &self.settings.id))
                        .ok_or_else(|| unreadable(Effect::Reads))?,
                    email: text(contact, &self.settings.email),
                    birth_date: text(contact, &self.settings.birth_date),
                })
            })
            .collect()
    }
}

impl Platform for Carepatron {
    fn capabilities(&self, _endpoint: &Endpoint) -> Capabilities {
        Capabilities {
            find_client: true,
            create_client: false,
            put_document: false,
            find_document: false,
            remove_document: false,
            max_bytes: 0,
        }
    }

    fn verify<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        _tokens: &'a dyn TokenKeeper,
    ) -> BoxFuture<'a, ConnectorResult<Verified>> {
        Box::pin(async move { self.account(endpoint)?.verify().await })
    }

    fn find_clients<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        _tokens: &'a dyn TokenKeeper,
        who: &'a ClientMatch,
    ) -> BoxFuture<'a, ConnectorResult<Vec<RemoteClient>>> {
        Box::pin(self.find_clients(endpoint, who))
    }

    fn create_client<'a>(
        &'a self,
        _endpoint: &'a Endpoint,
        _tokens: &'a dyn TokenKeeper,
        _who: &'a ClientMatch,
    ) -> BoxFuture<'a, ConnectorResult<RemoteClient>> {
        Box::pin(async { Err(error(ErrorClass::Unsupported)) })
    }

    fn find_document<'a>(
        &'a self,
        _endpoint: &'a Endpoint,
        _tokens: &'a dyn TokenKeeper,
        _client: &'a RemoteClient,
        _key: &'a DedupeKey,
    ) -> BoxFuture<'a, ConnectorResult<Option<String>>> {
        Box::pin(async { Err(error(ErrorClass::Unsupported)) })
    }

    fn put_document<'a>(
        &'a self,
        _endpoint: &'a Endpoint,
        _tokens: &'a dyn TokenKeeper,
        _client: &'a RemoteClient,
        _document: &'a OutgoingDocument,
        _key: &'a DedupeKey,
        _resume: Option<&'a str>,
    ) -> BoxFuture<'a, ConnectorResult<PutState>> {
        Box::pin(async { Err(error(ErrorClass::Unsupported)) })
    }

    fn remove_document<'a>(
        &'a self,
        _endpoint: &'a Endpoint,
        _tokens: &'a dyn TokenKeeper,
        _client: &'a RemoteClient,
        _document: &'a str,
    ) -> BoxFuture<'a, ConnectorResult<Removed>> {
        Box::pin(async { Ok(Removed::NotSupported) })
    }
}
