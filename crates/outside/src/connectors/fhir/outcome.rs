//! What servers say went wrong: OperationOutcome (FHIR R4), and the codes that
//! Epic puts into it.

use std::time::Duration;

use chartkey_domain::connections::{ConnectorError, ErrorClass};
use serde::Deserialize;

use crate::connectors::wire::{Effect, Wire, remote_code};
use crate::http::HttpAnswer;

/// Issues of one outcome that are looked at.
const MAX_ISSUES: usize = 32;
/// "Try again tomorrow".
const TOMORROW: Duration = Duration::from_hours(24);

#[derive(Default, Deserialize)]
struct Outcome {
    #[serde(default, rename = "resourceType")]
    resource_type: String,
    #[serde(default)]
    issue: Vec<Issue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Issue {
    severity: String,
    code: String,
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    coding: Vec<Coding>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Coding {
    code: String,
}

/// What a server's own code means, where it means more than its status.
fn class_of(code: &str) -> Option<ErrorClass> {
    Some(match code {
        // The session of a search's pages is over.
        "4113" => ErrorClass::Expired,
        // More than is ever answered: it has to be asked more narrowly.
        "4127" | "59133" => ErrorClass::Invalid,
        // Breaking the glass is for people.
        "4130" | "4131" | "4134" => ErrorClass::Forbidden,
        // No more documents today.
        "4135" | "throttled" => ErrorClass::RateLimited,
        _ => return None,
    })
}

impl Issue {
    /// The most telling code: the server's own, else FHIR's.
    fn code(&self) -> &str {
        let own = self
            .details
            .coding
            .iter()
            .map(|coding| coding.code.as_str());
        let mut codes = own.clone().filter(|code| class_of(code).is_some());
        codes
            .next()
            .or_else(|| own.clone().find(|code| !code.is_empty()))
            .unwrap_or(&self.code)
    }
}

fn read(json: &[u8]) -> Option<Outcome> {
    let outcome: Outcome = serde_json::from_slice(json).ok()?;
    (outcome.resource_type == "OperationOutcome").then_some(outcome)
}

/// What an answer means that is not a success.
pub(super) fn refusal(wire: &Wire, answer: &HttpAnswer, effect: Effect) -> ConnectorError {
    let mut error = wire.refusal(answer, effect);
    let Some(outcome) = read(&answer.body) else {
        return error;
    };
    let issues = outcome.issue.iter().take(MAX_ISSUES);
    let known = issues
        .clone()
        .find(|issue| class_of(issue.code()).is_some());
    if let Some(class) = known.and_then(|issue| class_of(issue.code())) {
        error.class = class;
    }
    error.remote_code = known
        .or_else(|| issues.clone().next())
        .and_then(|issue| remote_code(issue.code()));
    if error.remote_code.as_deref() == Some("4135") && error.retry_after.is_none() {
        error.retry_after = Some(TOMORROW);
    }
    error
}

/// Codes in an outcome among a search's results that say that something is
/// missing from them. That nothing was found, or that a parameter was ignored, is
/// not among them.
pub(super) fn missing(json: &[u8]) -> Vec<String> {
    let Some(outcome) = read(json) else {
        return Vec::new();
    };
    outcome
        .issue
        .iter()
        .take(MAX_ISSUES)
        .filter(|issue| {
            matches!(issue.severity.as_str(), "error" | "fatal")
                || class_of(issue.code()).is_some()
                || issue.code == "suppressed"
                || issue.code == "incomplete"
        })
        .map(|issue| remote_code(issue.code()).unwrap_or_else(|| "outcome".to_owned()))
        .collect()
}
