//! Errors on the wire: RFC 9457 `application/problem+json`.
//!
//! The one place that turns errors into answers: every stable dotted code has
//! its status and title in [`chartkey_domain::codes`]. It must not know why
//! something was refused beyond the code, and a problem never repeats what was
//! sent: no value, no patient word, no token.

use std::borrow::Cow;

use axum::Json as AxumJson;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chartkey_domain::codes;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

mod failures;

/// One thing that is wrong with one field.
#[derive(Clone, Debug, Serialize, ToSchema, PartialEq, Eq)]
pub struct FieldError {
    /// The path of the field, dots and `[index]` between; `body` for the whole.
    pub field: String,
    /// What is wrong with it, for people. Never repeats the value.
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// `message` about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl FieldError {
    /// A noun's rule about one of its fields. Rules of texts begin with the
    /// field's name, which stands beside the message already.
    pub fn of_rule(field: &str, error: &impl std::error::Error) -> Self {
        let text = error.to_string();
        let message = text
            .split_once(": ")
            .map_or(text.as_str(), |(_, rest)| rest);
        Self::new(field, message.to_owned())
    }
}

/// An answer that says no.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    title: &'static str,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    retry_after_secs: Option<u64>,
    extra: Map<String, Value>,
}

/// A problem as it is written.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// `urn:chartkey:problem:<code>`.
    #[serde(rename = "type")]
    #[schema(example = "urn:chartkey:problem:account.unverified")]
    kind: String,
    /// A short sentence that belongs to the code.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 403)]
    status: u16,
    /// The stable dotted word.
    #[schema(example = "account.unverified")]
    code: String,
    /// What to do about it, where there is more to say than the title does.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// What is wrong with the input, field by field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// Facts that belong to single codes, such as `mfa` or `remainingAttempts`.
    #[serde(flatten)]
    #[schema(ignore)]
    extra: Map<String, Value>,
}

impl Problem {
    /// The problem of this code. A code that is not in the table is a bug and
    /// answers 500 under its own name, so that a test sees it.
    pub fn new(code: impl Into<Cow<'static, str>>) -> Self {
        let code = code.into();
        let (status, title) = codes::lookup(&code)
            .and_then(|known| Some((StatusCode::from_u16(known.status).ok()?, known.title)))
            .unwrap_or((StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong here"));
        Self {
            status,
            code,
            title,
            detail: None,
            errors: Vec::new(),
            retry_after_secs: None,
            extra: Map::new(),
        }
    }

    /// Well-formed but invalid input: 422 `body.invalid`.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::new("body.invalid")
        }
    }

    /// [`Problem::invalid`] about one field.
    pub fn field(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid(vec![FieldError::new(field, message)])
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds fields that are wrong.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs.max(1));
        self
    }

    /// Adds a fact that belongs to the code.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// One line for a terminal: title, and every field that is wrong.
    pub fn to_text(&self) -> String {
        let mut text = format!("{} ({})", self.title, self.code);
        for error in &self.errors {
            text.push_str(&format!("; {}: {}", error.field, error.message));
        }
        text
    }

    /// The status it answers.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable dotted word.
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let view = ProblemView {
            kind: format!("urn:chartkey:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            code: self.code.into_owned(),
            detail: self.detail.map(Cow::into_owned),
            errors: self.errors,
            extra: self.extra,
        };
        let mut response = (self.status, AxumJson(view)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(secs) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_an_entry_answers_500() {
        assert_eq!(Problem::new("no.such").status().as_u16(), 500);
    }
}
