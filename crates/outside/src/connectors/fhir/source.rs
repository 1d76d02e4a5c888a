//! The door to FHIR servers as sources.

use std::sync::Arc;

use chartkey_domain::connections::{
    ConnectorError, ConnectorResult, Credentials, Endpoint, ErrorClass, PageAsk, Source,
    SourceFile, SourcePage, SourcePlan, TokenKeeper, Verified,
};
use chartkey_domain::doors::BoxFuture;
use jiff::Timestamp;
use url::Url;
use zeroize::Zeroizing;

use super::access::{Access, Door, get};
use super::bundle::{self, Page};
use super::discover::{self, Declared, Discovered};
use super::paging::Walk;
use super::plan::{self, EVERYTHING, Since};
use super::settings::{Settings, base};
use super::{file, outcome};
use crate::connectors::ConnectorLimits;
use crate::connectors::wire::{Effect, Wire};
use crate::http::HttpAnswer;

/// `_count` of documents, which may hold their files.
const DOCUMENT_PAGE_SIZE: u32 = 50;
/// `_count` when a page was too large to take.
const SMALL_PAGE_SIZE: u32 = 5;
/// Longest id that is followed.
const MAX_ID_LEN: usize = 256;
/// An answer that only has to come.
const MAX_PROBE_LEN: usize = 4 << 20;

/// Reads from FHIR R4 servers.
#[derive(Debug)]
pub struct FhirSource {
    pub(super) access: Access,
    limits: ConnectorLimits,
}

impl FhirSource {
    pub(crate) fn new(wire: Arc<Wire>, limits: ConnectorLimits) -> Self {
        Self {
            access: Access::new(wire),
            limits,
        }
    }

    async fn get(
        &self,
        door: Door<'_>,
        settings: &Settings,
        url: &str,
    ) -> ConnectorResult<HttpAnswer> {
        let call = |wire: &Wire| get(wire, url, &settings.accept);
        self.access
            .send(door, Effect::Reads, self.limits.max_page_len, &call)
            .await
    }

    fn refusal(&self, answer: &HttpAnswer) -> ConnectorError {
        outcome::refusal(self.access.wire(), answer, Effect::Reads)
    }

    async fn try_verify(&self, door: Door<'_>) -> ConnectorResult<Verified> {
        let settings = Settings::of(door.endpoint)?;
        let found = discover::discover(&self.access, door).await?;
        let mut notes = Vec::new();
        if let Some(version) = &found.fhir_version {
            notes.push(format!("fhir {version}"));
        }
        notes.push(format!("types {}", found.types.len()));
        for (created, note) in [
            ("DocumentReference", "document.create"),
            ("Task", "task.create"),
        ] {
            if found.creates.iter().any(|known| known == created) {
                notes.push(note.to_owned());
            }
        }
        // A description is public; a search is not. A server may well refuse this
        // one, as long as it lets us in.
        let mut url = base(door.endpoint)?;
        url.set_path(&format!("{}Patient", url.path()));
        url.set_query(Some("_count=1"));
        if let Credentials::Smart { .. } = door.endpoint.credentials
            && let Some(patient) = door.tokens.load().await?.and_then(|state| state.patient)
        {
            url = read_url(door.endpoint, "Patient", &patient)?;
        }
        let call = |wire: &Wire| get(wire, url.as_str(), &settings.accept);
        let answer = self
            .access
            .send(door, Effect::Reads, MAX_PROBE_LEN, &call)
            .await?;
        let status = answer.status.as_u16();
        // That there is no such thing says only that we are at the wrong place, where
        // nothing else said that this is a FHIR server.
        let refused = matches!(status, 400 | 403 | 405 | 422)
            || (status == 404 && found.fhir_version.is_some());
        let let_in = answer.status.is_success() || refused;
        if !let_in {
            return Err(self.refusal(&answer));
        }
        if !answer.status.is_success() {
            notes.push(format!("patients {status}"));
        }
        Ok(Verified {
            account: found.software,
            notes,
        })
    }

    async fn try_plan(
        &self,
        door: Door<'_>,
        known: Option<&serde_json::Value>,
    ) -> ConnectorResult<SourcePlan> {
        let settings = Settings::of(door.endpoint)?;
        let found = match known.and_then(Discovered::known) {
            Some(known) => known,
            None => discover::discover(&self.access, door).await?,
        };
        Ok(plan::plan(&settings, &found))
    }

    async fn try_page(&self, door: Door<'_>, ask: PageAsk<'_>) -> ConnectorResult<SourcePage> {
        let settings = Settings::of(door.endpoint)?;
        if ask.query.name == "Patient" {
            return self.patient(door, &settings, ask.patient).await;
        }
        let base = base(door.endpoint)?;
        let discovered = Discovered::known(ask.discovered).unwrap_or_default();
        let mut walk = match ask.next {
            Some(next) => Walk::resume(next)?,
            None => Walk::begin(search_url(&base, &settings, &discovered, ask, None)?),
        };
        let mut answer = self.get(door, &settings, &walk.url).await;
        if ask.next.is_none() && is_too_large(&answer) {
            let small = Some(SMALL_PAGE_SIZE);
            walk = Walk::begin(search_url(&base, &settings, &discovered, ask, small)?);
            answer = self.get(door, &settings, &walk.url).await;
        }
        let answer = answer?;
        if !answer.status.is_success() {
            let mut error = self.refusal(&answer);
            // The first page was there, so what is gone is the walk.
            if ask.next.is_some() && error.class == ErrorClass::NotFound {
                error.class = ErrorClass::Expired;
            }
            return Err(error);
        }
        let page = bundle::read(&answer.body, ask.patient, self.limits.max_resource_len)?;
        let link = page.next.as_deref();
        let onward = walk.onward(&base, link, page.entries == 0, self.limits.max_pages);
        let pointed = page.pointed.iter();
        let pointed = pointed
            .filter_map(|reference| inside(&base, reference))
            .collect();
        Ok(SourcePage {
            pointed,
            ..done(page, onward.next, onward.refused)
        })
    }

    async fn try_pointed(
        &self,
        door: Door<'_>,
        reference: &str,
    ) -> ConnectorResult<Zeroizing<Vec<u8>>> {
        let settings = Settings::of(door.endpoint)?;
        let invalid = || ConnectorError::new(ErrorClass::Invalid);
        let (kind, id) = reference.split_once('/').ok_or_else(invalid)?;
        let url = read_url(door.endpoint, kind, id)?;
        let answer = self.get(door, &settings, url.as_str()).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(&answer));
        }
        let found = bundle::read_one(&answer.body, "", self.limits.max_resource_len)?;
        let mut resources = found.resources.into_iter();
        resources.next().ok_or_else(invalid)
    }

    async fn patient(
        &self,
        door: Door<'_>,
        settings: &Settings,
        patient: &str,
    ) -> ConnectorResult<SourcePage> {
        let url = read_url(door.endpoint, "Patient", patient)?;
        let answer = self.get(door, settings, url.as_str()).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(&answer));
        }
        let page = bundle::read_one(&answer.body, patient, self.limits.max_resource_len)?;
        Ok(done(page, None, None))
    }
}

fn done(page: Page, next: Option<String>, ended: Option<&'static str>) -> SourcePage {
    let mut refused = page.refused;
    refused.extend(ended.map(str::to_owned));
    SourcePage {
        resources: page.resources,
        newest: page.newest,
        next,
        pointed: Vec::new(),
        refused,
    }
}

/// A reference to a medication of this server's own, as `Medication/id`: to no other
/// server, and to nothing inside a resource.
fn inside(base: &Url, reference: &str) -> Option<String> {
    let relative = reference.strip_prefix(base.as_str()).unwrap_or(reference);
    let id = relative.strip_prefix("Medication/")?;
    let id = id.split("/_history/").next().unwrap_or(id);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    (!id.is_empty() && id.len() <= MAX_ID_LEN && id.chars().all(plain) && !id.starts_with('.'))
        .then(|| format!("Medication/{id}"))
}

fn is_too_large(answer: &ConnectorResult<HttpAnswer>) -> bool {
    answer
        .as_ref()
        .is_err_and(|error| error.class == ErrorClass::TooLarge)
}

/// `Type/id` under the base, the id as one segment whatever is in it.
fn read_url(endpoint: &Endpoint, resource_type: &str, id: &str) -> ConnectorResult<Url> {
    let mut url = base(endpoint)?;
    url.path_segments_mut()
        .map_err(|()| ConnectorError::new(ErrorClass::Address))?
        .pop_if_empty()
        .push(resource_type)
        .push(id);
    Ok(url)
}

/// The address of a search's first page.
fn search_url(
    base: &Url,
    settings: &Settings,
    discovered: &Discovered,
    ask: PageAsk<'_>,
    page_size: Option<u32>,
) -> ConnectorResult<String> {
    let since = ask.since.filter(|_| ask.query.incremental);
    let (resource_type, params) = match ask.query.name.split_once('?') {
        Some((resource_type, params)) => (resource_type, params),
        None => (ask.query.name.as_str(), ""),
    };
    let everything = ask.query.name == EVERYTHING;
    let mut url = base.clone();
    {
        let mut path = url
            .path_segments_mut()
            .map_err(|()| ConnectorError::new(ErrorClass::Address))?;
        path.pop_if_empty();
        if everything {
            path.extend(["Patient", ask.patient, "$everything"]);
        } else {
            path.push(resource_type);
        }
    }
    let undeclared = Declared::default();
    let declared = discovered.types.get(resource_type).unwrap_or(&undeclared);
    let mut query = url.query_pairs_mut();
    if !everything {
        query.append_pair(
            plan::patient_param(declared).unwrap_or("patient"),
            ask.patient,
        );
        query.extend_pairs(url::form_urlencoded::parse(params.as_bytes()));
        let medication = "MedicationRequest:medication";
        if declared
            .includes
            .iter()
            .any(|include| include == medication)
        {
            query.append_pair("_include", medication);
        }
    }
    query.extend_pairs(&settings.params);
    let own = if resource_type == "DocumentReference" {
        settings.page_size.min(DOCUMENT_PAGE_SIZE)
    } else {
        settings.page_size
    };
    query.append_pair("_count", &page_size.unwrap_or(own).min(own).to_string());
    if let Some(since) = since {
        let (name, value) = narrowing(discovered, ask, since, everything);
        if let Some(name) = name {
            query.append_pair(name, &value);
        }
    }
    drop(query);
    Ok(url.into())
}

fn narrowing<'a>(
    discovered: &'a Discovered,
    ask: PageAsk<'_>,
    since: Timestamp,
    everything: bool,
) -> (Option<&'a str>, String) {
    if everything {
        return (Some("_since"), instant(since));
    }
    match plan::since(discovered, &ask.query.resource_type) {
        Some(Since::Updated(name)) => (Some(name), format!("ge{}", instant(since))),
        Some(Since::Date) => (Some("date"), format!("ge{}", since.strftime("%Y-%m-%d"))),
        None => (None, String::new()),
    }
}

/// An instant as every server reads it: whole seconds, in UTC.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Source for FhirSource {
    fn verify<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
    ) -> BoxFuture<'a, ConnectorResult<Verified>> {
        Box::pin(self.try_verify(Door { endpoint, tokens }))
    }

    fn plan<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        known: Option<&'a serde_json::Value>,
    ) -> BoxFuture<'a, ConnectorResult<SourcePlan>> {
        Box::pin(self.try_plan(Door { endpoint, tokens }, known))
    }

    fn page<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        ask: PageAsk<'a>,
    ) -> BoxFuture<'a, ConnectorResult<SourcePage>> {
        Box::pin(self.try_page(Door { endpoint, tokens }, ask))
    }

    fn pointed<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        reference: &'a str,
    ) -> BoxFuture<'a, ConnectorResult<Zeroizing<Vec<u8>>>> {
        Box::pin(self.try_pointed(Door { endpoint, tokens }, reference))
    }

    fn file<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        tokens: &'a dyn TokenKeeper,
        url: &'a str,
        content_type: Option<&'a str>,
        max_len: usize,
    ) -> BoxFuture<'a, ConnectorResult<SourceFile>> {
        let door = Door { endpoint, tokens };
        Box::pin(file::fetch(&self.access, door, url, content_type, max_len))
    }
}
