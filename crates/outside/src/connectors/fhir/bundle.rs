//! A page of a search: what is in it, whose it is, and where the next one is.
//! Resources stay as they were written.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_domain::connections::{ConnectorError, ConnectorResult, ErrorClass};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::outcome;

/// Entries of one page.
const MAX_ENTRIES: usize = 10_000;
/// Reasons that are listed for one page.
const MAX_REFUSED: usize = 100;
/// What one page may point to.
const MAX_POINTED: usize = 100;
/// Some servers begin their JSON with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Longest id that is taken; FHIR says 64, some servers do not.
const MAX_ID_LEN: usize = 256;

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(rename = "resourceType")]
    resource_type: &'a str,
    #[serde(default, borrow)]
    entry: Vec<Entry<'a>>,
    #[serde(default)]
    link: Vec<Link>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(default, borrow)]
    resource: Option<&'a RawValue>,
    #[serde(default)]
    search: Option<Search>,
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    mode: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    relation: String,
    #[serde(default)]
    url: String,
}

/// What is understood of a resource.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Glance {
    #[serde(rename = "resourceType")]
    resource_type: Option<String>,
    id: Option<String>,
    meta: Lenient<Meta>,
    subject: Lenient<Reference>,
    patient: Lenient<Reference>,
    beneficiary: Lenient<Reference>,
    #[serde(rename = "medicationReference")]
    medication: Lenient<Reference>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    #[serde(rename = "lastUpdated")]
    last_updated: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    reference: Option<String>,
}

/// What is of another shape than it should be is as if it were not there.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    There(T),
    Other(serde::de::IgnoredAny),
}

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self::Other(serde::de::IgnoredAny)
    }
}

impl<T> Lenient<T> {
    fn get(&self) -> Option<&T> {
        match self {
            Self::There(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

/// What a page held.
#[derive(Default)]
pub(super) struct Page {
    pub(super) resources: Vec<Zeroizing<Vec<u8>>>,
    pub(super) newest: Option<Timestamp>,
    pub(super) refused: Vec<String>,
    pub(super) next: Option<String>,
    /// What its resources point to, as they wrote it.
    pub(super) pointed: BTreeSet<String>,
    /// Entries of any kind, outcomes apart.
    pub(super) entries: usize,
}

impl Page {
    fn refuse(&mut self, code: &str) {
        if self.refused.len() < MAX_REFUSED {
            self.refused.push(code.to_owned());
        }
    }
}

/// A taken resource's place in the page, and its age: a resource that stands
/// twice on a page is taken once, the newer.
type Places = BTreeMap<(String, String), (usize, Option<Timestamp>)>;

/// Reads a page of a search for `patient`.
///
/// # Errors
/// [`ErrorClass::Broken`] when it is no Bundle, [`ErrorClass::TooLarge`] when it
/// has too many entries.
pub(super) fn read(json: &[u8], patient: &str, max_len: usize) -> ConnectorResult<Page> {
    let broken = || ConnectorError::new(ErrorClass::Broken);
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    let bundle: Bundle<'_> = serde_json::from_slice(json).map_err(|_| broken())?;
    if bundle.resource_type != "Bundle" || !is_object(json) {
        return Err(broken());
    }
    if bundle.entry.len() > MAX_ENTRIES {
        return Err(ConnectorError::new(ErrorClass::TooLarge));
    }
    let mut page = Page::default();
    let mut places = Places::new();
    for entry in &bundle.entry {
        let Some(resource) = entry.resource else {
            continue;
        };
        let mode = entry.search.as_ref().and_then(|s| s.mode.as_deref());
        take(
            &mut page,
            &mut places,
            resource.get(),
            mode,
            patient,
            max_len,
        );
    }
    // What is on the page itself need not be read.
    page.pointed.retain(|reference| {
        let parts = reference
            .rsplit_once('/')
            .map(|(kind, id)| (kind.rsplit('/').next(), id));
        parts.is_some_and(|(kind, id)| {
            !places.contains_key(&(kind.unwrap_or_default().to_owned(), id.to_owned()))
        })
    });
    page.next = bundle
        .link
        .into_iter()
        .find(|link| link.relation == "next" && !link.url.is_empty())
        .map(|link| link.url);
    Ok(page)
}

/// Reads one resource that was asked for by its id.
///
/// # Errors
/// [`ErrorClass::Broken`] when it is none.
pub(super) fn read_one(json: &[u8], patient: &str, max_len: usize) -> ConnectorResult<Page> {
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    let text = std::str::from_utf8(json).map_err(|_| ConnectorError::new(ErrorClass::Broken))?;
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|_| ConnectorError::new(ErrorClass::Broken))?;
    let mut page = Page::default();
    take(
        &mut page,
        &mut Places::new(),
        raw.get(),
        None,
        patient,
        max_len,
    );
    if page.resources.is_empty() && page.refused.is_empty() {
        return Err(ConnectorError::new(ErrorClass::Broken));
    }
    Ok(page)
}

fn take(
    page: &mut Page,
    places: &mut Places,
    text: &str,
    mode: Option<&str>,
    patient: &str,
    max_len: usize,
) {
    if text.len() > max_len {
        page.entries += 1;
        return page.refuse("too_large");
    }
    let glance = serde_json::from_str::<Glance>(text).unwrap_or_default();
    let named = glance.resource_type.clone();
    let Some(resource_type) = named.filter(|_| is_object(text.as_bytes())) else {
        page.entries += 1;
        return page.refuse("broken");
    };
    if resource_type == "OperationOutcome" || mode == Some("outcome") {
        for code in outcome::missing(text.as_bytes()) {
            page.refuse(&code);
        }
        return;
    }
    page.entries += 1;
    let Some(id) = glance
        .id
        .clone()
        .filter(|id| !id.is_empty() && id.len() <= MAX_ID_LEN)
    else {
        return page.refuse("no_id");
    };
    if !is_of(&glance, &resource_type, &id, patient) {
        return page.refuse("other_patient");
    }
    if let Some(reference) = glance.medication.get().and_then(|r| r.reference.as_ref())
        && page.pointed.len() < MAX_POINTED
        && reference.len() <= 2 * MAX_ID_LEN
    {
        page.pointed.insert(reference.clone());
    }
    let updated = glance
        .meta
        .get()
        .and_then(|meta| meta.last_updated.as_deref())
        .and_then(|text| text.parse::<Timestamp>().ok());
    page.newest = page.newest.max(updated);
    let bytes = Zeroizing::new(text.as_bytes().to_vec());
    match places.get_mut(&(resource_type.clone(), id.clone())) {
        Some((_, age)) if *age > updated => {}
        Some((place, age)) => {
            *age = updated;
            if let Some(older) = page.resources.get_mut(*place) {
                *older = bytes;
            }
        }
        None => {
            places.insert((resource_type, id), (page.resources.len(), updated));
            page.resources.push(bytes);
        }
    }
}

/// Whether JSON is an object: an array of its fields' values would be read as one
/// too.
fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

/// Whether a resource is the patient's, or nobody's in particular. A server that
/// ignores whose results were asked for would else fill one record with another's.
fn is_of(glance: &Glance, resource_type: &str, id: &str, patient: &str) -> bool {
    if resource_type == "Patient" {
        return id == patient;
    }
    [&glance.subject, &glance.patient, &glance.beneficiary]
        .into_iter()
        .filter_map(|reference| reference.get()?.reference.as_deref())
        .filter_map(patient_of)
        .all(|id| id == patient)
}

/// The patient's id in a reference; none where it leads to something else, or
/// cannot be followed (contained, `urn:uuid:`).
fn patient_of(reference: &str) -> Option<&str> {
    let reference = reference.split("/_history/").next()?;
    let mut parts = reference.rsplit('/');
    let id = parts.next()?;
    (parts.next() == Some("Patient")).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: &str) -> Page {
        let json = format!("{{\"entry\":[{entries}],\"resourceType\":\"Bundle\"}}");
        read(json.as_bytes(), "p", 10_000).unwrap()
    }

    fn seen(id: &str, updated: &str, status: &str) -> String {
        format!(
            "{{\"resource\":{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\
             \"status\":\"{status}\",\"meta\":{{\"lastUpdated\":\"{updated}\"}},\
             \"valueDecimal\":1.00}}}}"
        )
    }

    #[test]
    fn a_resource_twice_on_a_page_is_taken_once_the_newer() {
        let newer = seen("a", "2026-02-01T00:00:00.000+01:00", "amended");
        let older = seen("a", "2026-01-01T00:00:00Z", "final");
        for entries in [format!("{newer},{older}"), format!("{older},{newer}")] {
            let page = page(&entries);
            assert_eq!(page.resources.len(), 1);
            let text = String::from_utf8(page.resources[0].to_vec()).unwrap();
            assert!(text.contains("amended"));
            assert_eq!(page.newest, Some("2026-01-31T23:00:00Z".parse().unwrap()));
        }
    }

    #[test]
    fn resources_stay_as_they_were_written() {
        let page = page(&seen("a", "2026-01-01T00:00:00Z", "fin\\u0061l"));
        let text = String::from_utf8(page.resources[0].to_vec()).unwrap();
        assert!(text.contains("1.00") && text.contains("fin\\u0061l"));
    }

    #[test]
    fn whose_a_resource_is_is_read_in_every_way_it_is_written() {
        let check = |field: &str, reference: &str, taken: bool| {
            let entry = format!(
                "{{\"resource\":{{\"resourceType\":\"Coverage\",\"id\":\"c\",\
                 \"{field}\":{{\"reference\":\"{reference}\"}}}}}}"
            );
            let page = page(&entry);
            assert_eq!(page.resources.len(), usize::from(taken), "{reference}");
            assert_eq!(page.refused.is_empty(), taken);
        };
        check("subject", "Patient/p", true);
        check("patient", "https://fhir.example/R4/Patient/p", true);
        check("beneficiary", "Patient/p/_history/3", true);
        check("subject", "#p1", true);
        check("subject", "urn:uuid:7", true);
        check("subject", "Group/g", true);
        check("subject", "Patient/q", false);
        check("patient", "https://fhir.example/R4/Patient/q", false);
        check("beneficiary", "Patient/q/_history/3", false);
    }

    #[test]
    fn an_outcome_says_what_is_missing_only_where_something_is() {
        let outcome = |severity: &str, code: &str, own: &str| {
            format!(
                "{{\"search\":{{\"mode\":\"outcome\"}},\"resource\":{{\"resourceType\":\
                 \"OperationOutcome\",\"issue\":[{{\"severity\":\"{severity}\",\
                 \"code\":\"{code}\",\"details\":{{\"coding\":[{{\"code\":\"{own}\"}}]}}}}]}}}}"
            )
        };
        let refused = |entry: &str| page(entry).refused;
        assert!(refused(&outcome("warning", "processing", "4101")).is_empty());
        assert!(refused(&outcome("information", "informational", "")).is_empty());
        assert_eq!(
            refused(&outcome("warning", "too-costly", "59133")),
            ["59133"]
        );
        assert_eq!(refused(&outcome("error", "exception", "")), ["exception"]);
        assert_eq!(
            refused(&outcome("warning", "suppressed", "")),
            ["suppressed"]
        );
    }
}
