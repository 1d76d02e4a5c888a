//! Requests for documents: a practitioner asks a provider for what a patient's
//! chart lacks. Whoever is asked answers by a link that takes documents and shows
//! none; what arrives is sealed on arrival.

use jiff::Timestamp;
use thiserror::Error;

use crate::text::TextError;

/// How long a link takes documents, in days.
pub const LINK_DAYS: i64 = 30;
/// Longest message to whoever is asked, in characters.
pub const MAX_MESSAGE_CHARS: usize = 2_000;
/// Most requests that wait with one patient.
pub const MAX_WAITING: u64 = 20;
/// Most documents that one link takes.
pub const MAX_DOCUMENTS: u64 = 50;
/// Largest document that a link takes, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 25 << 20;
/// Most bytes that one link takes.
pub const MAX_BYTES: u64 = 250 << 20;

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentRequestState {
    /// Nothing has come.
    Open,
    /// Something has come; more may.
    Answered,
    /// Whoever asked has what they need.
    Closed,
    /// Whoever asked called it off.
    Cancelled,
    /// Its time is over.
    Expired,
}

impl DocumentRequestState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Answered,
        Self::Closed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The word for the wire and for databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// Where a stored request stands at `now`: its time may be over before a job
    /// has said so.
    #[must_use]
    pub fn at(self, expires_at: Timestamp, now: Timestamp) -> Self {
        if self.takes() && expires_at <= now {
            Self::Expired
        } else {
            self
        }
    }

    /// Whether its link takes documents.
    pub const fn takes(self) -> bool {
        matches!(self, Self::Open | Self::Answered)
    }
}

/// How a request reached whoever is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentRequestWay {
    /// By a link that whoever asked hands on themselves.
    Link,
    /// By a mail with the link.
    Email,
}

impl DocumentRequestWay {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Link, Self::Email];

    /// The word for the wire and for databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Email => "email",
        }
    }

    /// The way of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// Why something about a request for documents is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DocumentRequestError {
    /// No such request, or none that the caller may know of.
    #[error("no such request")]
    Unknown,
    /// It was closed or called off, or its time is over.
    #[error("this request takes no more documents")]
    Closed,
    /// As many wait with this patient as may.
    #[error("close a request that waits first")]
    TooMany,
    /// It has as many documents, or bytes, as it takes.
    #[error("this request has as many documents as it takes")]
    Full,
    /// What was sent is empty, too large, or nothing that is taken.
    #[error("this file cannot be taken")]
    File,
    /// The message is refused.
    #[error("message: {0}")]
    Message(TextError),
}

impl DocumentRequestError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Closed,
        Self::TooMany,
        Self::Full,
        Self::File,
        Self::Message(TextError::Empty),
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "document_request.unknown",
            Self::Closed => "document_request.closed",
            Self::TooMany => "document_request.too_many",
            Self::Full => "document_request.full",
            Self::File => "document_request.file",
            Self::Message(_) => "document_request.message",
        }
    }
}

/// The media type of a file that a link takes, by its first bytes: what a browser
/// says of a file is somebody's word. Nothing that runs, and nothing that hides
/// what it is.
pub fn media_type_of(bytes: &[u8], claimed: Option<&str>) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 6] = [
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"{\\rtf", "application/rtf"),
    ];
    let signed = SIGNATURES
        .iter()
        .find(|(start, _)| bytes.starts_with(start));
    if let Some((_, media_type)) = signed {
        return Some(media_type);
    }
    if bytes.get(128..132) == Some(b"DICM") {
        return Some("application/dicom");
    }
    let text = std::str::from_utf8(bytes).ok()?;
    if text.contains('\0') {
        return None;
    }
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if start.starts_with('{') {
        return Some("application/fhir+json");
    }
    if start.starts_with('<') {
        // HTML and SVG run; a clinical document (C-CDA) does not.
        return text.contains("urn:hl7-org:v3").then_some("application/xml");
    }
    match claimed {
        Some("text/csv") => Some("text/csv; charset=utf-8"),
        _ => Some("text/plain; charset=utf-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_takes_documents_until_its_time_is_over_or_somebody_closed_it() {
        let (before, end) = (
            Timestamp::UNIX_EPOCH,
            crate::sessions::after(Timestamp::UNIX_EPOCH, 5),
        );
        for state in DocumentRequestState::ALL {
            assert_eq!(DocumentRequestState::parse(state.as_str()), Some(state));
            assert_eq!(state.at(end, before), state);
            let later = state.at(end, end);
            assert!(!later.takes(), "{state:?}");
            assert_eq!(
                later == DocumentRequestState::Expired,
                state.takes() || state == DocumentRequestState::Expired
            );
        }
    }

    #[test]
    fn a_file_is_what_its_bytes_say_and_nothing_that_runs() {
        for (bytes, expected) in [
            (&b"%PDF-1.7 ..."[..], Some("application/pdf")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (
                b"{\"resourceType\":\"Observation\"}",
                Some("application/fhir+json"),
            ),
            (
                b"<?xml?><ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>",
                Some("application/xml"),
            ),
            (b"<html><script>alert(1)</script></html>", None),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", None),
            (b"MZ\x90\0\x03\0\0\0\xff\xff", None),
            (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0\xff", None),
            (b"Glucose 5.4 mmol/L", Some("text/plain; charset=utf-8")),
        ] {
            assert_eq!(media_type_of(bytes, Some("application/pdf")), expected);
        }
        assert_eq!(
            media_type_of(b"a,b\n1,2\n", Some("text/csv")),
            Some("text/csv; charset=utf-8")
        );
    }
}
