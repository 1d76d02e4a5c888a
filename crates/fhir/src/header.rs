//! What lists and searches show of a record: title, best clinical date,
//! status, codes, a short value. Sealed with the record, never seen by a
//! server.

use serde::{Deserialize, Serialize};

/// A code of a code system, as FHIR R4 `Coding` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coding {
    /// URI of the code system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How the source shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

/// The header of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Readable, at most 200 characters.
    pub title: String,
    /// Best clinical date, as FHIR text of any precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The resource's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Codes of what it is, bounded in number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Coding>,
    /// FHIR resource type; absent for text and files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// A short value with its unit, for observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}
