//! What a server says of itself: `.well-known/smart-configuration` (SMART App
//! Launch 2.2) and `/metadata` (CapabilityStatement, FHIR R4).

use std::collections::BTreeMap;

use chartkey_domain::connections::{
    ConnectorError, ConnectorResult, Credentials, Endpoint, ErrorClass,
};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use url::Url;

use super::access::{Access, Door, get};
use super::outcome;
use super::settings::{Settings, base};
use crate::connectors::wire::Effect;

/// A CapabilityStatement of a large vendor is some megabytes.
const MAX_METADATA_LEN: usize = 16 << 20;
/// A SMART configuration is some kilobytes.
const MAX_SMART_LEN: usize = 1 << 20;
/// Bounds on what is kept of them.
const MAX_TYPES: usize = 200;
const MAX_PARAMS: usize = 100;
const MAX_NAME_LEN: usize = 120;
/// The version of what is kept.
const VERSION: u32 = 1;

/// What is kept of a server's own description.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Discovered {
    v: u32,
    /// Name of the software, for people.
    pub(super) software: Option<String>,
    /// The FHIR version it speaks.
    pub(super) fhir_version: Option<String>,
    /// The types that can be searched, with what their searches take. Empty where
    /// nothing is declared.
    pub(super) types: BTreeMap<String, Declared>,
    /// Types that can be created.
    pub(super) creates: Vec<String>,
    /// Whether `Patient/$everything` is declared.
    pub(super) everything: bool,
}

/// What a search of a type takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declared {
    /// Parameters, as the server writes them.
    pub(super) params: Vec<String>,
    /// What it can include.
    pub(super) includes: Vec<String>,
    /// Whether every combination that it declares with `patient` asks for a
    /// `category` or more besides.
    pub(super) needs_more: bool,
}

impl Declared {
    /// The parameter of this name as the server writes it: some write
    /// `_lastupdated`.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|param| param.eq_ignore_ascii_case(name))
            .map(String::as_str)
    }
}

impl Discovered {
    /// What was kept before; none where it is not ours, or older than we are.
    pub(super) fn known(value: &serde_json::Value) -> Option<Self> {
        Self::deserialize(value)
            .ok()
            .filter(|known| known.v == VERSION)
    }

    pub(super) fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("texts and numbers are JSON")
    }
}

/// `.well-known/smart-configuration`, as far as it matters here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SmartConfiguration {
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) scopes_supported: Vec<String>,
    pub(super) code_challenge_methods_supported: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Capability {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(rename = "fhirVersion")]
    fhir_version: Option<String>,
    software: Named,
    rest: Vec<Rest>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rest {
    mode: String,
    security: Security,
    resource: Vec<Resource>,
    operation: Vec<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Security {
    extension: Vec<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extension {
    url: String,
    #[serde(rename = "valueUri")]
    value_uri: Option<String>,
    #[serde(rename = "valueCode")]
    value_code: Option<String>,
    #[serde(rename = "valueString")]
    value_string: Option<String>,
    #[serde(rename = "extension")]
    parts: Vec<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    interaction: Vec<Interaction>,
    #[serde(rename = "searchParam")]
    search_param: Vec<Named>,
    #[serde(rename = "searchInclude")]
    search_include: Vec<String>,
    operation: Vec<Named>,
    extension: Vec<Extension>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Interaction {
    code: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: Option<String>,
}

impl Resource {
    fn can(&self, code: &str) -> bool {
        self.interaction.iter().any(|known| known.code == code)
    }

    /// Whether every declared combination of parameters with `patient` has
    /// another parameter too; false where none is declared.
    fn needs_more(&self) -> bool {
        let combinations = self
            .extension
            .iter()
            .filter(|extension| extension.url.ends_with("search-parameter-combination"))
            .map(|extension| {
                let required = extension.parts.iter().filter(|part| part.url == "required");
                required
                    .filter_map(|part| part.value_string.as_ref().or(part.value_code.as_ref()))
                    .collect::<Vec<_>>()
            })
            .filter(|names| names.iter().any(|name| *name == "patient"))
            .collect::<Vec<_>>();
        !combinations.is_empty() && combinations.iter().all(|names| names.len() > 1)
    }

    fn declared(&self) -> Declared {
        let bounded = |texts: &mut dyn Iterator<Item = &String>| {
            texts
                .filter(|text| text.len() <= MAX_NAME_LEN)
                .take(MAX_PARAMS)
                .cloned()
                .collect()
        };
        Declared {
            params: bounded(&mut self.search_param.iter().filter_map(|p| p.name.as_ref())),
            includes: bounded(&mut self.search_include.iter()),
            needs_more: self.needs_more(),
        }
    }
}

fn is_everything(operation: &Named) -> bool {
    let name = operation.name.as_deref().unwrap_or_default();
    matches!(
        name.trim_start_matches('$'),
        "everything" | "patient-everything"
    )
}

fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty() && text.len() <= MAX_NAME_LEN)
}

fn keep(capability: Capability) -> Discovered {
    let mut found = Discovered {
        v: VERSION,
        software: text(capability.software.name),
        fhir_version: text(capability.fhir_version),
        ..Discovered::default()
    };
    let server = capability
        .rest
        .into_iter()
        .find(|rest| rest.mode == "server" || rest.mode.is_empty())
        .unwrap_or_default();
    found.everything = server.operation.iter().any(is_everything);
    for resource in server.resource.iter().take(MAX_TYPES) {
        if resource.kind.len() > MAX_NAME_LEN {
            continue;
        }
        if resource.kind == "Patient" {
            found.everything |= resource.operation.iter().any(is_everything);
        }
        if resource.can("create") {
            found.creates.push(resource.kind.clone());
        }
        if resource.interaction.is_empty() || resource.can("search-type") {
            found
                .types
                .insert(resource.kind.clone(), resource.declared());
        }
    }
    found
}

/// What older servers say of their endpoints in the CapabilityStatement.
fn oauth_uris(capability: &Capability) -> SmartConfiguration {
    let uris = capability
        .rest
        .iter()
        .flat_map(|rest| &rest.security.extension)
        .filter(|extension| extension.url.ends_with("/oauth-uris"))
        .flat_map(|extension| &extension.parts);
    let mut found = SmartConfiguration::default();
    for uri in uris {
        match uri.url.as_str() {
            "authorize" => found.authorization_endpoint.clone_from(&uri.value_uri),
            "token" => found.token_endpoint.clone_from(&uri.value_uri),
            _ => {}
        }
    }
    found
}

/// The CapabilityStatement. It is public by the standard; where it is not, it is
/// asked for with what lets one in.
async fn capability(
    access: &Access,
    endpoint: &Endpoint,
    door: Option<Door<'_>>,
) -> ConnectorResult<Option<Capability>> {
    let settings = Settings::of(endpoint)?;
    let url = base(endpoint)?
        .join("metadata")
        .map_err(|_| ConnectorError::new(ErrorClass::Address))?;
    let request = get(access.wire(), url.as_str(), &settings.accept)?;
    let opens_itself = matches!(
        endpoint.credentials,
        Credentials::None | Credentials::BackendServices { .. } | Credentials::Smart { .. }
    );
    let mut answer = None;
    if opens_itself || door.is_none() {
        answer = Some(
            access
                .send_open(endpoint, request, MAX_METADATA_LEN)
                .await?,
        );
    }
    let refused = answer.as_ref().is_none_or(|answer| {
        matches!(
            answer.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        )
    });
    if let (true, Some(door)) = (refused, door) {
        let again = access
            .send(door, Effect::Reads, MAX_METADATA_LEN, &|wire| {
                get(wire, url.as_str(), &settings.accept)
            })
            .await?;
        answer = Some(again);
    }
    let answer = answer.ok_or_else(|| ConnectorError::new(ErrorClass::Auth))?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None); // some servers have none, and answer all the same
    }
    if !answer.status.is_success() {
        return Err(outcome::refusal(access.wire(), &answer, Effect::Reads));
    }
    serde_json::from_slice(&answer.body)
        .ok()
        .filter(|found: &Capability| found.resource_type == "CapabilityStatement")
        .map(Some)
        .ok_or_else(|| ConnectorError::new(ErrorClass::Broken))
}

/// What the server declares.
///
/// # Errors
/// Those of the call; [`ErrorClass::Broken`] when it answers something else.
pub(super) async fn discover(access: &Access, door: Door<'_>) -> ConnectorResult<Discovered> {
    let found = capability(access, door.endpoint, Some(door)).await?;
    Ok(keep(found.unwrap_or_default()))
}

/// Where one authorises and where tokens come from, absolute.
///
/// # Errors
/// Those of the call; [`ErrorClass::Unsupported`] where it is said nowhere.
pub(super) async fn smart(
    access: &Access,
    endpoint: &Endpoint,
) -> ConnectorResult<SmartConfiguration> {
    let base = base(endpoint)?;
    let url = base
        .join(".well-known/smart-configuration")
        .map_err(|_| ConnectorError::new(ErrorClass::Address))?;
    let request = get(access.wire(), url.as_str(), "application/json")?;
    let answer = access.send_open(endpoint, request, MAX_SMART_LEN).await?;
    let mut found = if answer.status.is_success() {
        serde_json::from_slice(&answer.body).map_err(|_| ConnectorError::new(ErrorClass::Broken))?
    } else if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(outcome::refusal(access.wire(), &answer, Effect::Reads));
    } else {
        let older = capability(access, endpoint, None).await?;
        older.as_ref().map(oauth_uris).unwrap_or_default()
    };
    let absolute = |url: &mut Option<String>| {
        *url = url
            .as_deref()
            .and_then(|url| base.join(url).ok())
            .map(Url::into);
    };
    absolute(&mut found.authorization_endpoint);
    absolute(&mut found.token_endpoint);
    if found.token_endpoint.is_none() {
        return Err(ConnectorError::new(ErrorClass::Unsupported));
    }
    Ok(found)
}
