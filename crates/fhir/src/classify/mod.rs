#![doc = include_str!("precedence.md")]

mod codes;
mod facts;
mod systems;
mod types;
mod words;

pub(crate) use facts::{Reference, Tie, gather, kinds_of_part};
pub(crate) use types::{Guess, HANDED_ON, guess};

use crate::kinds::Kinds;
use crate::record_type::RecordType;

/// The kinds that a free text speaks of: a title, a note, a message.
pub fn kinds_of_text(text: &str) -> Kinds {
    words::kinds_of_words(text)
}

/// The kinds of a file that is not FHIR, by its title, its name, and its words
/// where it is text of some form. What a program cannot read (PDF, images) has
/// none until somebody says so.
pub fn kinds_of_file(
    title: Option<&str>,
    file_name: Option<&str>,
    content_type: &str,
    bytes: &[u8],
) -> Kinds {
    let mut kinds = title.map(kinds_of_text).unwrap_or_default();
    if let Some(name) = file_name {
        kinds |= kinds_of_text(&name.replace('_', " "));
    }
    if facts::is_text(content_type) {
        kinds |= kinds_of_text(&String::from_utf8_lossy(bytes));
    }
    kinds
}

/// The record type of a file that is not FHIR: by media type where that says it
/// (DICOM), else by the words of its title and name.
pub fn record_type_of_file(
    title: Option<&str>,
    file_name: Option<&str>,
    content_type: &str,
) -> RecordType {
    if content_type
        .trim()
        .to_ascii_lowercase()
        .starts_with("application/dicom")
    {
        return RecordType::Imaging;
    }
    let by_words = |words: Option<&str>| {
        words
            .map(record_type_of_words)
            .filter(|found| *found != RecordType::Documents)
    };
    by_words(title)
        .or_else(|| by_words(file_name))
        .unwrap_or(RecordType::Documents)
}

/// The record type that a free word for a kind of document most likely means
/// (`Lab report`, `MRI`, `meal plan`): [`RecordType::Documents`] where nothing
/// fits. Used for documents whose `type` is somebody else's vocabulary.
pub fn record_type_of_words(words: &str) -> RecordType {
    if let Ok(named) = words.trim().to_ascii_lowercase().replace(' ', "-").parse() {
        return named;
    }
    let words = format!(" {} ", words.to_lowercase().replace(['-', '_', '/'], " "));
    WORDS
        .iter()
        .find(|(parts, _)| parts.iter().any(|part| words.contains(part)))
        .map_or(RecordType::Documents, |(_, record_type)| *record_type)
}

/// Parts of words, in the order in which they win.
const WORDS: [(&[&str], RecordType); 16] = [
    (
        &["family history", "family medical"],
        RecordType::FamilyHistory,
    ),
    (&["vaccin", "immuni"], RecordType::Vaccines),
    (&["allerg"], RecordType::Allergies),
    (
        &[
            "imaging", "x ray", "xray", " mri", " ct ", "ultraso", "radiolog", "mammogra", "dicom",
        ],
        RecordType::Imaging,
    ),
    (
        &[
            " lab",
            "blood test",
            "blood work",
            "bloodwork",
            "patholog",
            "biopsy",
            "urinalysis",
        ],
        RecordType::LabResults,
    ),
    (
        &["prescri", "medication", "medicine"],
        RecordType::Prescriptions,
    ),
    (
        &["diet", "nutrition", "meal plan", "food diary", "food log"],
        RecordType::Diet,
    ),
    (
        &["insurance", "coverage", "claim", "invoice", "billing"],
        RecordType::Insurance,
    ),
    (
        &["vital", "blood pressure", "weight log"],
        RecordType::Vitals,
    ),
    (
        &["care plan", "treatment plan", " goal"],
        RecordType::CarePlans,
    ),
    (
        &["procedure", "surgery", "operation"],
        RecordType::Procedures,
    ),
    (
        &["diagnos", "problem list", "condition"],
        RecordType::Conditions,
    ),
    (
        &["appointment", "visit summary", "encounter"],
        RecordType::Encounters,
    ),
    (&["social history", "lifestyle"], RecordType::SocialHistory),
    (
        &["demographic", "identity document"],
        RecordType::Demographics,
    ),
    (&["other"], RecordType::Other),
];
