//! Directories of providers: a Bundle of `Endpoint` and `Organization`, as in
//! SMART's User-access Brands and Endpoints (SMART App Launch 2.2) and in the
//! lists that vendors publish.

use std::collections::BTreeMap;

use chartkey_domain::connections::{ConnectorError, ConnectorResult, ErrorClass, ProviderEndpoint};
use serde::Deserialize;
use url::Url;

use super::access::get;
use super::settings::FHIR_JSON;
use super::source::FhirSource;
use crate::connectors::wire::Effect;

/// Largest list that is read, in bytes.
pub const MAX_DIRECTORY_LEN: usize = 64 << 20;
/// Most providers of one list.
const MAX_PROVIDERS: usize = 100_000;
/// Longest name, in characters.
const MAX_NAME_CHARS: usize = 200;

#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    full_url: Option<String>,
    #[serde(default)]
    resource: Option<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Resource {
    #[serde(rename = "resourceType")]
    kind: String,
    id: Option<String>,
    name: Option<String>,
    /// An Endpoint's URL; an organisation's addresses are another shape.
    address: Option<serde_json::Value>,
    status: Option<String>,
    active: Option<bool>,
    connection_type: Option<Coding>,
    managing_organization: Reference,
    part_of: Reference,
    endpoint: Vec<Reference>,
    contained: Vec<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Coding {
    code: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    reference: Option<String>,
    display: Option<String>,
}

/// Everything in a list, by every name it may be called.
struct List<'a> {
    by_name: BTreeMap<String, &'a Resource>,
}

impl<'a> List<'a> {
    fn of(bundle: &'a Bundle) -> Self {
        let mut by_name = BTreeMap::new();
        for entry in &bundle.entry {
            let Some(resource) = &entry.resource else {
                continue;
            };
            if let Some(url) = &entry.full_url {
                by_name.insert(url.clone(), resource);
            }
            if let Some(id) = &resource.id {
                by_name.insert(format!("{}/{id}", resource.kind), resource);
            }
        }
        Self { by_name }
    }

    fn find(&self, reference: &Reference, inside: &'a Resource) -> Option<&'a Resource> {
        let name = reference.reference.as_deref()?;
        match name.strip_prefix('#') {
            Some(id) => inside.contained.iter().find(|held| {
                held.id.as_deref().map(|held| held.trim_start_matches('#')) == Some(id)
            }),
            None => self.by_name.get(name).copied(),
        }
    }
}

impl FhirSource {
    /// Fetches a list and reads it.
    ///
    /// # Errors
    /// Those of the call, and of [`read`].
    pub async fn fetch_directory(&self, url: &str) -> ConnectorResult<Vec<ProviderEndpoint>> {
        let wire = self.access.wire();
        let request = get(wire, url, FHIR_JSON)?;
        let answer = wire.send(request, Effect::Reads, MAX_DIRECTORY_LEN).await?;
        if !answer.status.is_success() {
            return Err(wire.refusal(&answer, Effect::Reads));
        }
        read(&answer.body)
    }
}

/// The providers in a list, each with its FHIR base, without a slash at its end.
/// Sorted by name; a base is listed once for each name it goes by. What is
/// switched off, is not FHIR over REST, or has no address that could be called is
/// left out.
///
/// # Errors
/// [`ErrorClass::TooLarge`], [`ErrorClass::Broken`].
pub fn read(json: &[u8]) -> ConnectorResult<Vec<ProviderEndpoint>> {
    if json.len() > MAX_DIRECTORY_LEN {
        return Err(ConnectorError::new(ErrorClass::TooLarge));
    }
    let broken = || ConnectorError::new(ErrorClass::Broken);
    let bundle: Bundle = serde_json::from_slice(json).map_err(|_| broken())?;
    if bundle.resource_type != "Bundle" {
        return Err(broken());
    }
    let list = List::of(&bundle);
    let mut found = BTreeMap::new();
    let resources = bundle
        .entry
        .iter()
        .filter_map(|entry| entry.resource.as_ref());
    for resource in resources {
        match resource.kind.as_str() {
            "Endpoint" => add(&mut found, resource, owner(&list, resource)),
            // A brand names the endpoints that its patients use.
            "Organization" if resource.active != Some(false) => {
                for endpoint in &resource.endpoint {
                    if let Some(endpoint) = list.find(endpoint, resource) {
                        add(&mut found, endpoint, resource.name.as_deref());
                    }
                }
            }
            _ => {}
        }
        if found.len() > MAX_PROVIDERS {
            return Err(ConnectorError::new(ErrorClass::TooLarge));
        }
    }
    Ok(found.into_values().collect())
}

/// The name of the organisation that an endpoint belongs to.
fn owner<'a>(list: &List<'a>, endpoint: &'a Resource) -> Option<&'a str> {
    let managing = &endpoint.managing_organization;
    let organisation = list.find(managing, endpoint);
    organisation
        .and_then(|found| {
            let parent = || list.find(&found.part_of, found)?.name.as_deref();
            found.name.as_deref().or_else(parent)
        })
        .or(managing.display.as_deref())
        .or(endpoint.name.as_deref())
}

fn add(
    found: &mut BTreeMap<(String, String), ProviderEndpoint>,
    endpoint: &Resource,
    name: Option<&str>,
) {
    let over = endpoint
        .status
        .as_deref()
        .is_some_and(|status| matches!(status, "off" | "suspended" | "entered-in-error"));
    let other = endpoint
        .connection_type
        .as_ref()
        .is_some_and(|kind| !kind.code.is_empty() && kind.code != "hl7-fhir-rest");
    if endpoint.kind != "Endpoint" || over || other {
        return;
    }
    let address = endpoint.address.as_ref().and_then(|value| value.as_str());
    let Some(base_url) = address.and_then(callable) else {
        return;
    };
    let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else {
        return;
    };
    let name: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_NAME_CHARS)
        .collect();
    let key = (name.to_lowercase(), base_url.clone());
    found
        .entry(key)
        .or_insert(ProviderEndpoint { name, base_url });
}

fn callable(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    let plain = url.scheme() == "https" && url.has_host() && url.query().is_none();
    (plain && url.username().is_empty()).then(|| url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(json: &serde_json::Value) -> Vec<(String, String)> {
        read(json.to_string().as_bytes())
            .unwrap()
            .into_iter()
            .map(|found| (found.name, found.base_url))
            .collect()
    }

    fn pair(name: &str, url: &str) -> (String, String) {
        (name.to_owned(), url.to_owned())
    }

    #[test]
    fn a_vendor_s_list_names_each_endpoint_after_the_organisation_inside() {
        let list = serde_json::json!({
            "resourceType": "Bundle", "type": "collection", "entry": [{"resource": {
                "resourceType": "Endpoint", "id": "e1", "status": "active",
                "name": "something technical",
                "connectionType": {"code": "hl7-fhir-rest"},
                "managingOrganization": {"reference": "#o1"},
                "contained": [{"resourceType": "Organization", "id": "o1", "name": "Hill Clinic"}],
                "address": "https://fhir.hill.example/api/FHIR/R4/"
            }}, {"resource": {
                "resourceType": "Endpoint", "id": "e2", "status": "off", "name": "Gone",
                "address": "https://gone.example/R4"
            }}, {"resource": {
                "resourceType": "Endpoint", "id": "e3", "status": "active", "name": "Plain",
                "address": "http://plain.example/R4"
            }}]
        });
        let expected = [pair("Hill Clinic", "https://fhir.hill.example/api/FHIR/R4")];
        assert_eq!(names(&list), expected);
    }

    #[test]
    fn a_brands_bundle_names_an_endpoint_by_every_brand_that_uses_it() {
        let brand = |id: &str, name: &str| {
            serde_json::json!({"fullUrl": format!("https://b.example/Organization/{id}"),
                "resource": {"resourceType": "Organization", "id": id, "name": name,
                    "active": true, "address": [{"city": "Lund"}],
                    "endpoint": [{"reference": "Endpoint/e"}]}})
        };
        let list = serde_json::json!({"resourceType": "Bundle", "entry": [
            brand("b", "Valley Health"), brand("a", "Allegro Clinics"),
            {"resource": {"resourceType": "Endpoint", "id": "e", "status": "active",
                "managingOrganization": {"reference": "Organization/b"},
                "address": "https://ehr.example/fhir"}}
        ]});
        let url = "https://ehr.example/fhir";
        let expected = [pair("Allegro Clinics", url), pair("Valley Health", url)];
        assert_eq!(names(&list), expected);
    }

    #[test]
    fn what_is_not_a_bundle_is_not_a_directory() {
        for text in ["", "[]", "{\"resourceType\":\"Patient\"}", "<html>"] {
            let error = read(text.as_bytes()).unwrap_err();
            assert_eq!(error.class, ErrorClass::Broken, "{text}");
        }
    }
}
