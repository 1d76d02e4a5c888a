//! Small shapes that many calls share: pages, cursors, secrets, query strings.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::json;
use super::problem::Problem;

/// Items on a page where nothing is said.
const DEFAULT_LIMIT: u32 = 50;
/// Most items on a page.
const MAX_LIMIT: u32 = 500;

/// A text that must not be printed: a password, a code, a token. Wiped when
/// dropped.
#[derive(Clone, ToSchema)]
#[schema(value_type = String, format = Password)]
pub struct SecretText(pub Zeroizing<String>);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last.
    pub next: Option<String>,
}

/// How much of a list, and from where.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items on the page, 1 to 500; 50 where nothing is said.
    #[serde(default, deserialize_with = "empty_is_none")]
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// Query strings say numbers as text; `serde_urlencoded` reads them by itself
/// except behind `flatten`, where everything is text.
fn empty_is_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| {
        text.parse()
            .map_err(|_| serde::de::Error::custom("expected a number"))
    })
    .transpose()
}

impl PageQuery {
    /// Items on the page.
    ///
    /// # Errors
    /// 422 outside 1 to 500.
    pub fn limit(&self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(limit),
            _ => Err(Problem::field("limit", "must be 1 to 500")),
        }
    }

    /// The cursor as it came, for lists that read their own.
    pub fn own_cursor(&self) -> Option<String> {
        self.cursor.clone().filter(|text| !text.is_empty())
    }

    /// What [`cursor`] was given, in its parts.
    ///
    /// # Errors
    /// 400 `cursor.malformed`.
    pub fn cursor<const N: usize>(&self) -> Result<Option<[String; N]>, Problem> {
        let Some(text) = self.cursor.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let malformed = || Problem::new("cursor.malformed");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        let parts: Vec<String> = text.split(' ').map(str::to_owned).collect();
        parts.try_into().map(Some).map_err(|_| malformed())
    }
}

/// Reads one part of a cursor.
///
/// # Errors
/// 400 `cursor.malformed`.
pub fn cursor_part<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::new("cursor.malformed"))
}

/// A cursor of these parts. They are no secret, only nobody's business.
pub fn cursor(parts: &[&dyn std::fmt::Display]) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    URL_SAFE_NO_PAD.encode(parts.join(" "))
}

/// A query string, typed; the parameter that does not fit is named.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
            .map(Self)
            .map_err(|error| {
                let path = error.path().to_string();
                let (field, message) = json::describe(&error.inner().to_string(), &path);
                let field = if field == "body" {
                    "query".to_owned()
                } else {
                    field
                };
                Problem::field(field, message)
            })
    }
}

/// The ids in an address, typed; 404 under `code` where one is none.
pub fn path_id<T: std::str::FromStr>(text: &str, code: &'static str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::new(code))
}
