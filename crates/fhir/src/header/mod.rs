//! The header of a record: the few words by which a key-holder lists, searches
//! and sorts without opening bodies. Sealed like the body, only smaller.

mod dates;
mod titles;
mod values;

use serde::{Deserialize, Serialize};

use crate::json::Node;

pub(crate) use dates::interval_of;

/// Whether a text is a FHIR `date` or `dateTime`, of any precision.
pub fn is_date(text: &str) -> bool {
    interval_of(text).is_some()
}

/// What a listing shows of one record. Every part is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Header {
    /// What it is, in words: at most 200 characters, never empty.
    pub title: String,
    /// When it happened, as the resource says: a FHIR `date` or `dateTime` of
    /// any precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// `status` or its counterpart (`clinicalStatus`, `lifecycleStatus`). What
    /// was entered in error says `entered-in-error` whatever else it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The codings of the main concept, at most eight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Coding>,
    /// The text of the main concept, where it is not the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_text: Option<String>,
    /// The FHIR resource type; none for other files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// The result with its unit (`5.4 mmol/L`), at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Media type of a file or text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Name of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Exact size of a file or text, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// A code with its system and display.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coding {
    /// The URI of the code system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

const MAX_CODES: usize = 8;
const MAX_TITLE_CHARS: usize = 200;
const MAX_VALUE_CHARS: usize = 100;

/// The header of a resource.
pub(crate) fn header_of(resource_type: &str, node: &Node<'_>) -> Header {
    let concept = titles::main_concept(resource_type, node);
    let title = titles::title(resource_type, node, concept);
    let text = concept
        .and_then(|concept| concept.str_at("text"))
        .map(|text| line(text, MAX_TITLE_CHARS));
    Header {
        date: dates::best_date(resource_type, node),
        status: status(node),
        codes: concept.map(codings).unwrap_or_default(),
        code_text: text.filter(|text| *text != title),
        title,
        resource_type: Some(resource_type.to_owned()),
        value: values::value(node).map(|value| line(&value, MAX_VALUE_CHARS)),
        content_type: None,
        file_name: None,
        size_bytes: None,
    }
}

/// The header of a file that is not FHIR.
pub fn header_for_file(
    title: Option<&str>,
    file_name: Option<&str>,
    content_type: &str,
    size_bytes: u64,
    date: Option<&str>,
) -> Header {
    // What a browser sends may be a path; only its last part is a name.
    let file_name = file_name
        .and_then(|name| name.rsplit(['/', '\\']).next())
        .map(|name| line(name, MAX_TITLE_CHARS))
        .filter(|name| !name.is_empty());
    let title = title
        .map(|title| line(title, MAX_TITLE_CHARS))
        .filter(|title| !title.is_empty())
        .or_else(|| file_name.clone())
        .unwrap_or_else(|| "File".to_owned());
    Header {
        title,
        date: date
            .filter(|date| interval_of(date).is_some())
            .map(str::to_owned),
        status: Some("current".to_owned()),
        content_type: Some(line(content_type, MAX_VALUE_CHARS)),
        file_name,
        size_bytes: Some(size_bytes),
        ..Header::default()
    }
}

/// The header of a text somebody wrote.
pub fn header_for_text(title: Option<&str>, text: &str, date: Option<&str>) -> Header {
    let first_line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let title = title
        .filter(|title| !title.trim().is_empty())
        .or(first_line)
        .unwrap_or("Note");
    let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
    Header {
        file_name: None,
        ..header_for_file(Some(title), None, "text/plain; charset=utf-8", size, date)
    }
}

fn status(node: &Node<'_>) -> Option<String> {
    let word = |key: &str| match node.get(key)? {
        Node::String(word) if !word.trim().is_empty() => Some(word.trim().to_owned()),
        concept => concept
            .items_at("coding")
            .iter()
            .find_map(|coding| coding.str_at("code"))
            .or_else(|| concept.str_at("text"))
            .map(str::to_owned),
    };
    let verification = word("verificationStatus");
    let status = match verification.as_deref() {
        Some("entered-in-error" | "refuted") => verification,
        _ => ["status", "clinicalStatus", "lifecycleStatus"]
            .into_iter()
            .find_map(word),
    };
    status.map(|status| line(&status, MAX_VALUE_CHARS))
}

fn codings(concept: &Node<'_>) -> Vec<Coding> {
    let part =
        |coding: &Node<'_>, key: &str| coding.str_at(key).map(|text| line(text, MAX_TITLE_CHARS));
    concept
        .items_at("coding")
        .iter()
        .filter(|coding| coding.is_object())
        .take(MAX_CODES)
        .map(|coding| Coding {
            system: part(coding, "system"),
            code: part(coding, "code"),
            display: part(coding, "display"),
        })
        .collect()
}

/// One line of bounded length: white space and control characters become single
/// blanks, what is too long ends in `…`.
pub(crate) fn line(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars * 2));
    let mut chars = 0_usize;
    let mut gap = false;
    for letter in text.chars() {
        if letter.is_whitespace() || letter.is_control() {
            gap = !out.is_empty();
            continue;
        }
        let needed = if gap { 2 } else { 1 };
        if chars + needed > max_chars {
            if chars == max_chars {
                out.pop();
            }
            out.push('…');
            return out;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
        }
        out.push(letter);
        chars += needed;
    }
    out
}
