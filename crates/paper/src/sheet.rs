//! What the templates read: a document, or a recovery kit, as one file of JSON.
//! The same text whoever sets it, on the server or in a browser.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{PdfError, world};

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

/// A recovery kit, in the words of its owner's language: the templates have none
/// of their own for it. Plain text throughout.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Kit<'a> {
    /// The language of the words, as BCP 47's primary tag.
    pub lang: &'a str,
    /// The heading.
    pub title: &'a str,
    /// Whose, since when, where: a line each, with its label.
    pub facts: &'a [(String, String)],
    /// The recovery code.
    pub code: &'a str,
    /// What it is for and how it is used: a paragraph each.
    pub about: &'a [String],
    /// What is lost with it.
    pub warning: &'a str,
}

/// A document ready to be set: its template and its data, no fonts yet.
pub struct Sheet {
    pub(crate) main: &'static str,
    pub(crate) data: Vec<u8>,
    pub(crate) made: Timestamp,
}

impl std::fmt::Debug for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sheet")
    }
}

impl Sheet {
    /// A clinical document: a `chartkey_fhir::clinical::ClinicalDocument`, or the
    /// JSON that one was written as.
    pub fn clinical<D: Serialize>(document: &D, notice: &PdfNotice<'_>) -> Result<Self, PdfError> {
        let made = notice.generated_at;
        let notice = bounded_notice(notice);
        let data = serde_json::to_value(Clinical { document, notice });
        let mut data = data.map_err(PdfError::Data)?;
        breakable(&mut data);
        Self::new(world::CLINICAL, &data, made)
    }

    /// A recovery kit, made `at`. Nothing is put into its words: the code is to
    /// be copied as it stands.
    pub fn kit(kit: &Kit<'_>, at: Timestamp) -> Result<Self, PdfError> {
        Self::new(world::KIT, kit, at)
    }

    fn new<D: Serialize>(main: &'static str, data: &D, made: Timestamp) -> Result<Self, PdfError> {
        let data = serde_json::to_vec(data).map_err(PdfError::Data)?;
        Ok(Self { main, data, made })
    }

    /// Every character that may be drawn: those of the data and of the templates.
    pub(crate) fn chars(&self) -> impl Iterator<Item = char> {
        let data = std::str::from_utf8(&self.data).unwrap_or_default();
        let templates = world::texts().flat_map(str::chars);
        templates.chain(data.chars())
    }
}

#[derive(Serialize)]
struct Clinical<'a, D> {
    document: &'a D,
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

fn bounded_notice(notice: &PdfNotice<'_>) -> Notice {
    Notice {
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
    }
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
