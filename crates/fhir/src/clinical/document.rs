//! What a clinical document says, ready to be drawn: plain strings and numbers.
//!
//! Everything here is data for a screen or a page. Text is cleaned and bounded
//! (`text`), never markup; dates are as the source gave them, from a year to a
//! day. It must not know how it is drawn, nor where it came from.

use serde::{Deserialize, Serialize};

use crate::record_type::RecordType;

/// The whole document, in the order in which a clinician reads it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClinicalDocument {
    /// Who it is about, where demographics are among the records.
    pub patient: Option<PatientBanner>,
    /// What is wrong, what is taken, what is dangerous.
    pub front: FrontPage,
    /// The sections that have content, in clinical order.
    pub sections: Vec<Section>,
    /// Where the records came from; [`Origin::sources`] points into it.
    pub sources: Vec<Source>,
    /// Labels of the kinds of sensitivity that occur, alphabetically.
    pub sensitivity: Vec<String>,
    /// How many records went in and what became of them.
    pub counts: Counts,
    /// Sentences on what was hidden, merged or cut.
    pub notes: Vec<String>,
}

/// How many records went in and what became of them. `records` is the sum of
/// `shown`, `entered_in_error` and `cut`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records given.
    pub records: usize,
    /// Records that a reader finds in the document, merged ones included.
    pub shown: usize,
    /// Of those shown, how many say exactly what another says.
    pub repeated: usize,
    /// Records marked as entered in error, which no section shows.
    pub entered_in_error: usize,
    /// Records beyond the bound of a document.
    pub cut: usize,
}

/// Who the document is about, only what the record says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientBanner {
    /// The name in use.
    pub name: Option<String>,
    /// As given: a year, a month or a day.
    pub birth_date: Option<String>,
    /// Administrative gender or recorded sex.
    pub sex: Option<String>,
    /// The date of death, or `yes`.
    pub deceased: Option<String>,
    /// Numbers that tell this person from others.
    pub identifiers: Vec<Labelled>,
    /// Address, telephone, language, contacts and the like.
    pub details: Vec<Labelled>,
}

/// A label with its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// What it is.
    pub label: String,
    /// What it says.
    pub text: String,
}

/// The first page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontPage {
    /// What is dangerous beyond allergies: flags, adverse
    /// events, implants, critical results.
    pub alerts: FrontBlock,
    /// Allergies and intolerances that are not inactive, refuted or resolved.
    pub allergies: FrontBlock,
    /// Problems that are not known to be over.
    pub problems: FrontBlock,
    /// Medicines that are not known to have ended.
    pub medicines: FrontBlock,
}

/// One block of the first page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontBlock {
    /// The lines, most urgent first.
    pub lines: Vec<FrontLine>,
    /// How many further lines only the section shows.
    pub more: usize,
    /// What to say where there is no line; never that there is nothing unless
    /// the record says so.
    pub empty: Option<String>,
}

/// One line of the first page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontLine {
    /// What it is.
    pub title: String,
    /// Dosage, reactions, severity.
    pub detail: String,
    /// Since when, or when.
    pub date: Option<String>,
    /// Whether it should catch the eye.
    pub urgent: bool,
}

/// A part of the document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// A stable word: `problems`, `medications`, `labs`, …
    pub key: String,
    /// The heading.
    pub title: String,
    /// Results that repeat, one row each.
    pub series: Vec<SeriesGroup>,
    /// Everything else.
    pub tables: Vec<Table>,
    /// Texts in full.
    pub texts: Vec<FullText>,
}

/// Results that belong together: a panel, or what no panel names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesGroup {
    /// The panel's name.
    pub title: Option<String>,
    /// Its tests.
    pub series: Vec<Series>,
}

/// All results of one test in one unit, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The test.
    pub title: String,
    /// Readable unit, empty where there is none.
    pub unit: String,
    /// The reference range of the newest result that has one.
    pub range: Option<String>,
    /// Every result, newest first, at least one.
    pub points: Vec<Point>,
    /// The trend: `[x, y]` from 0 to 1, oldest first; empty where fewer than two
    /// results are numbers with dates.
    pub spark: Vec<[f32; 2]>,
    /// The reference range on the same scale, clipped to 0 to 1.
    pub band: Option<[f32; 2]>,
}

/// One result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// A date as given.
    pub date: Option<String>,
    /// The time of day (`14:05`) where another result has the same date.
    pub time: Option<String>,
    /// The value as text, without the unit of the series.
    pub value: String,
    /// How it stands to the range.
    pub flag: Option<Flag>,
    /// Preliminary, corrected, a comment, a method.
    pub remark: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// How a result stands to its range. Reported by the laboratory; computed from
/// the range beside it only where the laboratory said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Below the range.
    Low,
    /// Above the range.
    High,
    /// Dangerously low.
    CriticalLow,
    /// Dangerously high.
    CriticalHigh,
    /// Not as expected, without a direction.
    Abnormal,
    /// Dangerous, without a direction.
    Critical,
}

impl Flag {
    /// Whether somebody should be called.
    pub const fn is_critical(self) -> bool {
        matches!(
            self,
            Self::CriticalLow | Self::CriticalHigh | Self::Critical
        )
    }

    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
            Self::CriticalLow => "critically low",
            Self::CriticalHigh => "critically high",
            Self::Abnormal => "abnormal",
            Self::Critical => "critical",
        }
    }
}

/// A list with named columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What part of the section it is (`Active`, `Past`).
    pub title: Option<String>,
    /// The columns; the first holds [`Row::title`].
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The heading.
    pub title: String,
    /// How much room it wants.
    pub width: Width,
}

/// How much room a column wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Width {
    /// A date or a word.
    Narrow,
    /// Half a sentence.
    Medium,
    /// A title or a sentence.
    Wide,
}

/// A line of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The first cell.
    pub title: String,
    /// Smaller, under the title.
    pub sub: Vec<String>,
    /// The other cells, one fewer than the columns.
    pub cells: Vec<String>,
    /// Other times of the same thing, newest first.
    pub also: Vec<String>,
    /// Whether it should catch the eye.
    pub urgent: bool,
    /// Where it came from.
    pub origin: Origin,
}

/// A text of a note or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullText {
    /// What it is.
    pub title: String,
    /// Its date as given.
    pub date: Option<String>,
    /// Who wrote it, what kind of text.
    pub detail: String,
    /// The lines.
    pub lines: Vec<String>,
    /// How many characters were cut off at the end.
    pub cut_chars: usize,
    /// Where it came from.
    pub origin: Origin,
}

/// Where something came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The ids of the records that say this; more than one where several say the same.
    pub records: Vec<String>,
    /// Positions in [`ClinicalDocument::sources`].
    pub sources: Vec<usize>,
    /// Labels of the kinds of sensitivity.
    pub sensitivity: Vec<String>,
}

impl Origin {
    /// Takes in what another says of the same thing.
    pub fn merge(&mut self, other: Self) {
        self.records.extend(other.records);
        for source in other.sources {
            if !self.sources.contains(&source) {
                self.sources.push(source);
            }
        }
        for label in other.sensitivity {
            if !self.sensitivity.contains(&label) {
                self.sensitivity.push(label);
            }
        }
    }
}

/// Where records came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The source's name, or who added them.
    pub name: String,
    /// Whether the server sealed them from that source, without an author's signature.
    pub sealed_by_server: bool,
    /// How many records.
    pub records: usize,
    /// How many of each record type.
    pub types: Vec<(RecordType, usize)>,
}
