//! The clinical document as a PDF: typeset by Typst as a library, tagged for
//! screen readers (PDF/UA-1), with embedded fonts. The recovery kit, likewise.
//!
//! The templates in `pdf/` read the document as JSON; what a record says is data
//! and never becomes markup. This crate knows paper, and nothing of records, keys
//! or requests: it draws what `chartkey_fhir::clinical` tells it.
//!
//! The server sets with all fonts, which the feature `embedded` puts into it
//! ([`render`]). A browser's press has the same code and templates, and is
//! brought the few fonts that a document asks for ([`Fonts::needed`]).

mod fonts;
pub mod qr;
mod sheet;
mod world;

pub use fonts::Fonts;
pub use sheet::{Kit, PdfNotice, Sheet};

use std::sync::{Mutex, PoisonError};

#[cfg(feature = "embedded")]
use chartkey_fhir::clinical::ClinicalDocument;
use jiff::Timestamp;
use typst::foundations::{Datetime, Smart};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use world::Desk;

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The document could not be handed to the templates.
    #[error("the document could not be prepared")]
    Data(#[source] serde_json::Error),
    /// What was brought as a font is not the one of that name.
    #[error("not a font of this press")]
    Font,
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
            Self::Font => "pdf.font",
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
#[cfg(feature = "embedded")]
pub fn render(document: &ClinicalDocument, notice: &PdfNotice<'_>) -> Result<Vec<u8>, PdfError> {
    Sheet::clinical(document, notice)?.set(Fonts::embedded())
}

impl Sheet {
    /// The PDF, set in these fonts. As [`render`], it waits for its turn.
    pub fn set(self, fonts: &Fonts) -> Result<Vec<u8>, PdfError> {
        let made = self.made;
        let desk = Desk::new(fonts, self.main, self.data);
        // Whoever failed before left nothing behind that could harm this document.
        let _turn = PRESS.lock().unwrap_or_else(PoisonError::into_inner);
        let result = set(&desk, made);
        // The typesetter remembers what it has seen, to be quick when asked again;
        // nothing that it saw here may stay in memory.
        comemo::evict(0);
        result
    }
}

fn set(desk: &Desk<'_>, made: Timestamp) -> Result<Vec<u8>, PdfError> {
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
        timestamp: datetime(made).map(typst_pdf::Timestamp::new_utc),
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
