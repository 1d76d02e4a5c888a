//! What a connection to a FHIR server may be told, as JSON without secrets.

use std::collections::BTreeMap;

use chartkey_domain::connections::{ConnectorError, ConnectorResult, Endpoint, ErrorClass};
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

use super::destination::DestinationSettings;

/// The media type of FHIR in JSON.
pub(super) const FHIR_JSON: &str = "application/fhir+json";

/// The shape of a server that wants to be asked in its own way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shape {
    /// As it says of itself.
    #[default]
    Auto,
    /// Searches need categories and intents.
    Epic,
    /// Oracle Health Millennium, once Cerner.
    Oracle,
    /// Searches need categories and intents.
    Athena,
    /// Takes a search for a patient alone.
    Plain,
}

/// How the FHIR base is written in the `aud` of an authorisation request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Audience {
    /// As the base URL, without a slash at its end.
    #[default]
    Plain,
    /// With a slash at its end.
    Slash,
    /// Left out.
    None,
}

/// How a client with a secret proves itself where tokens come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientAuth {
    /// In the header.
    #[default]
    Basic,
    /// In the form.
    Post,
    /// Not at all: the secret is a PKCS#8 PEM that signs an assertion.
    PrivateKeyJwt,
}

/// The settings of a connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Only these types; empty for all that are known and declared.
    pub(super) types: Vec<String>,
    /// None of these.
    pub(super) exclude_types: Vec<String>,
    /// `_count` of searches; 50 for documents unless it is smaller.
    pub(super) page_size: u32,
    /// `Accept` of everything but files.
    pub(super) accept: String,
    /// Headers of every call to the FHIR base.
    pub(super) headers: BTreeMap<String, String>,
    /// Parameters of every search, such as a tenant's filter.
    pub(super) params: BTreeMap<String, String>,
    /// Ask with `$everything` where it is declared.
    pub(super) everything: bool,
    /// Origins besides the server's own that attachments may be on.
    pub(super) attachment_origins: Vec<String>,
    /// How searches are to be asked.
    pub(super) shape: Shape,
    /// How the base is named when authorising.
    pub(super) aud: Audience,
    /// How a secret is shown.
    pub(super) client_auth: ClientAuth,
    /// `kid` of a secret that is a key.
    pub(super) key_id: String,
    /// `ES384` or `RS384`, of a secret that is a key.
    pub(super) algorithm: String,
    /// What a server is told that documents are pushed to.
    pub(super) destination: DestinationSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            exclude_types: Vec::new(),
            page_size: 100,
            accept: FHIR_JSON.to_owned(),
            headers: BTreeMap::new(),
            params: BTreeMap::new(),
            everything: false,
            attachment_origins: Vec::new(),
            shape: Shape::default(),
            aud: Audience::default(),
            client_auth: ClientAuth::default(),
            key_id: String::new(),
            algorithm: "ES384".to_owned(),
            destination: DestinationSettings::default(),
        }
    }
}

impl Settings {
    /// Reads the settings of a connection.
    ///
    /// # Errors
    /// [`ErrorClass::Invalid`] for anything that is not as described above.
    pub(super) fn of(endpoint: &Endpoint) -> ConnectorResult<Self> {
        let invalid = ConnectorError::new(ErrorClass::Invalid);
        if endpoint.settings.is_null() {
            return Ok(Self::default());
        }
        if !endpoint.settings.is_object() {
            return Err(invalid);
        }
        let settings = Self::deserialize(&endpoint.settings).map_err(|_| invalid.clone())?;
        if settings.page_size == 0 || settings.headers().any(|header| header.is_none()) {
            return Err(invalid);
        }
        Ok(settings)
    }

    /// The headers of every call; none in place of one that cannot be sent, or
    /// that is not for settings to say.
    pub(super) fn headers(
        &self,
    ) -> impl Iterator<Item = Option<(HeaderName, HeaderValue)>> + use<'_> {
        self.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            let ours = ["authorization", "host", "content-length", "accept"];
            let value = HeaderValue::try_from(value).ok()?;
            (!ours.contains(&name.as_str())).then_some((name, value))
        })
    }

    /// Whether attachments may be on this origin besides the server's own.
    pub(super) fn allows_origin(&self, url: &Url) -> bool {
        self.attachment_origins
            .iter()
            .filter_map(|origin| Url::parse(origin).ok())
            .any(|origin| origin.origin() == url.origin())
    }
}

/// The base URL of a connection, ending in a slash, so that what is relative can
/// be joined to it.
///
/// # Errors
/// [`ErrorClass::Address`].
pub(super) fn base(endpoint: &Endpoint) -> ConnectorResult<Url> {
    let trimmed = endpoint.base_url.trim_end_matches('/');
    Url::parse(&format!("{trimmed}/"))
        .ok()
        .filter(Url::has_host)
        .ok_or_else(|| ConnectorError::new(ErrorClass::Address))
}
