//! The clinical document as a PDF: typeset by Typst as a library, tagged for
//! screen readers (PDF/UA-1), with embedded fonts.
//!
//! The templates in `pdf/` read the document as JSON; what a record says is data
//! and never becomes markup. This crate knows paper, and nothing of records, keys
//! or requests: it draws what `chartkey_fhir::clinical` tells it.

mod fonts;
pub mod qr;
mod world;

use std::sync::{Mutex, PoisonError};

use chartkey_fhir::clinical::ClinicalDocument;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use typst::foundations::{Datetime, Smart};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use world::Desk;

/// The longest word, in characters, that is set without a place to break.
const LONGEST_WORD: usize = 24;
/// The longest text of the notice, in characters.
const LONGEST_NOTICE: usize = 600;

/// What stands on the document besides the record: who it is for, by whom, and
/// under which share. Plain text throughout.
#[derive(Debug, Clone, Copy)]
pub struct PdfNotice<'a> {
    /// The patient, for the heading where demographics are not included.
    pub patient_name: &'a str,
    /// Who it was made for.
    pub recipient: &'a str,
    /// Who shared it.
    pub sender: &'a str,
    /// The share; none where patients print their own record.
    pub share_id: Option<&'a str>,
    /// What it was shared for.
    pub purpose: Option<&'a str>,
    /// What the sender wrote to the recipient.
    pub message: Option<&'a str>,
    /// When the document was made.
    pub generated_at: Timestamp,
    /// When the share ends.
    pub expires_at: Option<Timestamp>,
    /// A checkpoint of the trail, for a reader who wants to verify later.
    pub checkpoint: Option<&'a str>,
    /// A line at the foot of every page, beside the fixed notice of confidentiality.
    pub footer: Option<&'a str>,
}

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The document could not be handed to the templates.
    #[error("the document could not be prepared")]
    Data(#[source] serde_json::Error),
    /// The templates could not be set. The reason names templates, never content.
    #[error("the document could not be set")]
    Compile {
        /// Diagnostics of the typesetter without the data that they are about.
        places: Vec<String>,
    },
    /// The pages could not be written as a PDF.
    #[error("the pages could not be written")]
    Export {
        /// Diagnostics of the writer.
        reasons: Vec<String>,
    },
}

impl PdfError {
    /// The stable word for error bodies and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Data(_) => "pdf.data",
            Self::Compile { .. } => "pdf.compile",
            Self::Export { .. } => "pdf.export",
        }
    }
}

/// One document is set at a time: a large one needs up to a gigabyte, and what the
/// typesetter remembers is shared.
static PRESS: Mutex<()> = Mutex::new(());

/// Sets a document, when those before it are done. Takes about a second for a
/// thousand records; call it where blocking is allowed.
pub fn render(document: &ClinicalDocument, notice: &PdfNotice<'_>) -> Result<Vec<u8>, PdfError> {
    let data = data(document, notice)?;
    let desk = Desk::new(data);
    // Whoever failed before left nothing behind that could harm this document.
    let _turn = PRESS.lock().unwrap_or_else(PoisonError::into_inner);
    let result = set(&desk, notice);
    // The typesetter remembers what it has seen, to be quick when asked again;
    // nothing that it saw here may stay in memory.
    comemo::evict(0);
    result
}

fn set(desk: &Desk, notice: &PdfNotice<'_>) -> Result<Vec<u8>, PdfError> {
    let pages = typst::compile::<PagedDocument>(desk)
        .output
        .map_err(|errors| PdfError::Compile {
            places: errors
                .iter()
                .map(|error| error.message.to_string())
                .collect(),
        })?;
    let export = |reasons: Vec<String>| PdfError::Export { reasons };
    let standards = PdfStandards::new(&[PdfStandard::Ua_1])
        .map_err(|error| export(vec![error.message().to_string()]))?;
    let options = PdfOptions {
        ident: Smart::Auto,
        creator: Smart::Custom(Some("Chartkey".to_owned())),
        timestamp: datetime(notice.generated_at).map(typst_pdf::Timestamp::new_utc),
        standards,
        ..PdfOptions::default()
    };
    typst_pdf::pdf(&pages, &options).map_err(|errors| {
        export(
            errors
                .iter()
                .map(|error| error.message.to_string())
                .collect(),
        )
    })
}

fn datetime(at: Timestamp) -> Option<Datetime> {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let part = |value: i8| u8::try_from(value).ok();
    Datetime::from_ymd_hms(
        i32::from(at.year()),
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
    )
}

/// What the templates read.
#[derive(Serialize)]
struct Data<'a> {
    document: &'a ClinicalDocument,
    notice: Notice,
}

#[derive(Serialize)]
struct Notice {
    patient_name: String,
    recipient: String,
    sender: String,
    share_id: Option<String>,
    purpose: Option<String>,
    message: Option<String>,
    generated_at: String,
    expires_at: Option<String>,
    checkpoint: Vec<String>,
    footer: Option<String>,
}

fn data(document: &ClinicalDocument, notice: &PdfNotice<'_>) -> Result<Vec<u8>, PdfError> {
    let notice = Notice {
        patient_name: bounded(notice.patient_name),
        recipient: bounded(notice.recipient),
        sender: bounded(notice.sender),
        share_id: notice.share_id.map(bounded),
        purpose: notice.purpose.map(bounded),
        message: notice.message.map(bounded),
        generated_at: minute(notice.generated_at),
        expires_at: notice.expires_at.map(minute),
        checkpoint: notice
            .checkpoint
            .unwrap_or_default()
            .lines()
            .take(12)
            .map(bounded)
            .collect(),
        footer: notice.footer.map(bounded),
    };
    let mut value = serde_json::to_value(Data { document, notice }).map_err(PdfError::Data)?;
    breakable(&mut value);
    serde_json::to_vec(&value).map_err(PdfError::Data)
}

/// `2026-11-22 01:25 UTC`.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn bounded(text: &str) -> String {
    let clean: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_NOTICE)
        .collect();
    if text.chars().count() > LONGEST_NOTICE {
        format!("{clean}…")
    } else {
        clean
    }
}

/// Puts places to break into words that are longer than a column is wide.
fn breakable(value: &mut Value) {
    match value {
        Value::String(text) => *text = broken(text),
        Value::Array(list) => list.iter_mut().for_each(breakable),
        Value::Object(map) => map.values_mut().for_each(breakable),
        _ => {}
    }
}

fn broken(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut run = 0;
    for c in text.chars() {
        run = if c.is_whitespace() { 0 } else { run + 1 };
        if run > LONGEST_WORD {
            out.push('\u{200b}');
            run = 1;
        }
        out.push(c);
    }
    out
}
