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
