//! The clinical document: a record as a clinician reads it.
//!
//! From records that are already open to a [`ClinicalDocument`], which a page
//! (`paper`) or a screen draws. The first page says what is wrong, what is
//! taken and what is dangerous; sections follow in clinical order; every record
//! appears, repeated results as one row with all their values.
//!
//! It never invents: what the record doesn't say is left out or called missing,
//! dates stay as partial as they came, and the absence of records is never told as
//! the absence of a disease. It must not know keys, requests or drawing.

mod care;
mod dates;
mod document;
mod front;
mod medicines;
mod observations;
mod papers;
mod patient;
mod problems;
mod read;
mod rows;
mod text;
mod units;
mod vaccines;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

pub use document::{
    ClinicalDocument, Column, Counts, Flag, FrontBlock, FrontLine, FrontPage, FullText, Labelled,
    Origin, PatientBanner, Point, Row, Section, Series, SeriesGroup, Source, Table, Width,
};

use crate::{Kinds, RecordType};
use dates::Moment;
use read::{Index, Item};

/// The most records that one document draws, chosen so that setting it stays under
/// a gigabyte and a few seconds; further ones are counted as cut. What decides a
/// treatment is kept before what is old, and bills go first.
pub const MAX_RECORDS: usize = 8_000;

/// An open record.
#[derive(Debug, Clone, Copy)]
pub struct ClinicalRecord<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its type, which decides the section.
    pub record_type: RecordType,
    /// The kinds of sensitivity it was classified with.
    pub sensitivity: Kinds,
    /// The FHIR R4 resource, where it is one.
    pub resource: Option<&'a Value>,
    /// The text, where it is one.
    pub text: Option<&'a str>,
    /// Its title.
    pub title: &'a str,
    /// Its date, as partial as it came.
    pub date: Option<&'a str>,
    /// The name of the source it came from.
    pub source: Option<&'a str>,
    /// Who wrote it.
    pub author: Option<&'a str>,
    /// Whether the server sealed it from that source, without an author's signature.
    pub sealed_by_server: bool,
    /// The file, where it is one.
    pub file: Option<FileInfo<'a>>,
}

/// A file that a record holds.
#[derive(Debug, Clone, Copy)]
pub struct FileInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its media type.
    pub content_type: &'a str,
    /// Its size in bytes.
    pub size: u64,
}

impl ClinicalDocument {
    /// The document of these records. What is absent is told as absent *from these
    /// records*.
    pub fn from_records(records: &[ClinicalRecord<'_>]) -> Self {
        Self::build(records, None)
    }

    /// The document of these records, which are everything of the types in
    /// `covered`: blocks of the first page whose type isn't covered say so.
    pub fn covering(records: &[ClinicalRecord<'_>], covered: &[RecordType]) -> Self {
        Self::build(records, Some(covered))
    }

    fn build(records: &[ClinicalRecord<'_>], covered: Option<&[RecordType]>) -> Self {
        let given = records.len();
        let kept;
        let records = if given > MAX_RECORDS {
            kept = most_telling(records);
            kept.as_slice()
        } else {
            records
        };
        let index = Index::new(records);
        let sources = Sources::of(records);
        let mut counts = Counts {
            records: given,
            cut: given - records.len(),
            ..Counts::default()
        };
        let mut desk = Desk::default();
        for record in records {
            let origin = sources.origin(record);
            match record.resource {
                Some(resource) if is_entered_in_error(resource) => counts.entered_in_error += 1,
                Some(resource) => desk.lay(Item {
                    record,
                    resource,
                    kind: read::raw(resource, "resourceType").unwrap_or_default(),
                    origin,
                }),
                None => desk.papers.push((record, origin)),
            }
        }
        counts.shown = records.len() - counts.entered_in_error;
        let sections = sections(&desk, &index);
        counts.repeated = sections.iter().map(repeated).sum();
        let mut labels: Vec<String> = Vec::new();
        for kind in records.iter().flat_map(|record| record.sensitivity.iter()) {
            if !labels.iter().any(|label| label == kind.label()) {
                labels.push(kind.label().to_owned());
            }
        }
        labels.sort();
        Self {
            patient: desk
                .of("Patient")
                .next()
                .map(|item| patient::banner(item, &index)),
            front: front::page(&desk, &index, &sections, covered),
            sections,
            sources: sources.list,
            sensitivity: labels,
            notes: notes(&counts),
            counts,
        }
    }

    /// Ids of all records that the document shows, each once, in the order of the
    /// document.
    pub fn shown_records(&self) -> impl Iterator<Item = &str> {
        let mut seen = HashSet::new();
        self.sections
            .iter()
            .flat_map(origins)
            .flat_map(|origin| origin.records.iter().map(String::as_str))
            .filter(move |id| seen.insert(*id))
    }
}

/// The records that a bounded document keeps, in the order given.
fn most_telling<'a>(records: &[ClinicalRecord<'a>]) -> Vec<ClinicalRecord<'a>> {
    let rank = |record: &ClinicalRecord<'_>| match record.record_type {
        RecordType::Demographics
        | RecordType::Allergies
        | RecordType::Conditions
        | RecordType::Prescriptions
        | RecordType::Vaccines => 0,
        RecordType::Insurance => 2,
        _ => 1,
    };
    let mut ranked: Vec<(usize, (u8, Reverse<i64>))> = records
        .iter()
        .enumerate()
        .map(|(place, record)| {
            let at = record.date.and_then(Moment::parse);
            (
                place,
                (rank(record), Reverse(at.map_or(i64::MIN, |at| at.sort))),
            )
        })
        .collect();
    ranked.sort_by_key(|(_, key)| *key);
    let mut places: Vec<usize> = ranked
        .into_iter()
        .map(|(place, _)| place)
        .take(MAX_RECORDS)
        .collect();
    places.sort_unstable();
    places
        .into_iter()
        .filter_map(|place| records.get(place).copied())
        .collect()
}

/// Everything to be told, sorted by what tells it.
#[derive(Default)]
struct Desk<'a> {
    by_kind: HashMap<&'a str, Vec<Item<'a>>>,
    order: Vec<&'a str>,
    papers: Vec<(&'a ClinicalRecord<'a>, Origin)>,
}

impl<'a> Desk<'a> {
    fn lay(&mut self, item: Item<'a>) {
        let kind = item.kind;
        let pile = self.by_kind.entry(kind).or_insert_with(|| {
            self.order.push(kind);
            Vec::new()
        });
        pile.push(item);
    }

    /// All resources of one type.
    fn of(&self, kind: &str) -> impl Iterator<Item = &Item<'a>> {
        self.by_kind.get(kind).into_iter().flatten()
    }

    /// All resources of one type that were classified as one of these.
    fn typed(&self, kind: &str, types: &[RecordType]) -> Vec<Item<'a>> {
        self.of(kind)
            .filter(|item| types.contains(&item.record.record_type))
            .cloned()
            .collect()
    }
}

/// The sections with content, in clinical order.
fn sections(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Section> {
    use RecordType as T;
    let series = |types: &[RecordType]| {
        let reports = desk.typed("DiagnosticReport", types);
        observations::series_groups(&desk.typed("Observation", types), &reports)
    };
    let elsewhere: Vec<RecordType> = T::ALL
        .into_iter()
        .filter(|t| {
            !matches!(
                t,
                T::LabResults | T::Vitals | T::SocialHistory | T::Imaging | T::Procedures
            )
        })
        .collect();
    let mut documents = section(
        "documents",
        "Documents and notes",
        Vec::new(),
        papers::tables(desk, index),
    );
    documents.texts = papers::texts(desk, index);
    let all = [
        section(
            "patient",
            "Patient and contacts",
            Vec::new(),
            patient::tables(desk, index),
        ),
        section(
            "alerts",
            "Alerts",
            Vec::new(),
            problems::alerts(desk, index),
        ),
        section(
            "problems",
            "Problems",
            Vec::new(),
            problems::tables(desk, index),
        ),
        section(
            "medications",
            "Medicines",
            Vec::new(),
            medicines::tables(desk, index),
        ),
        section(
            "allergies",
            "Allergies and intolerances",
            Vec::new(),
            problems::allergies(desk, index),
        ),
        section(
            "immunizations",
            "Immunizations",
            Vec::new(),
            vaccines::tables(desk, index),
        ),
        section(
            "labs",
            "Laboratory results",
            series(&[T::LabResults]),
            care::lab_tables(desk, index),
        ),
        section("vitals", "Vital signs", series(&[T::Vitals]), Vec::new()),
        section(
            "procedures",
            "Procedures and devices",
            series(&[T::Procedures]),
            care::procedure_tables(desk, index),
        ),
        section(
            "encounters",
            "Encounters",
            Vec::new(),
            care::encounter_tables(desk, index),
        ),
        section(
            "imaging",
            "Imaging",
            series(&[T::Imaging]),
            care::imaging_tables(desk, index),
        ),
        documents,
        section(
            "care-plans",
            "Care plans and goals",
            Vec::new(),
            care::plan_tables(desk, index),
        ),
        section(
            "family-history",
            "Family history",
            Vec::new(),
            care::family_tables(desk, index),
        ),
        section(
            "social-history",
            "Social history and surveys",
            series(&[T::SocialHistory]),
            Vec::new(),
        ),
        section(
            "diet",
            "Diet and nutrition",
            Vec::new(),
            care::diet_tables(desk, index),
        ),
        section(
            "other-results",
            "Other observations",
            series(&elsewhere),
            Vec::new(),
        ),
        section(
            "insurance",
            "Insurance",
            Vec::new(),
            papers::insurance_tables(desk, index),
        ),
        section(
            "other",
            "Other records",
            Vec::new(),
            papers::other_tables(desk, index),
        ),
    ];
    all.into_iter()
        .filter(|section| {
            !section.series.is_empty() || !section.tables.is_empty() || !section.texts.is_empty()
        })
        .collect()
}

fn section(
    key: &str,
    title: &str,
    series: Vec<SeriesGroup>,
    tables: Vec<Option<Table>>,
) -> Section {
    Section {
        key: key.to_owned(),
        title: title.to_owned(),
        series,
        tables: tables.into_iter().flatten().collect(),
        texts: Vec::new(),
    }
}

/// All origins of a section; a text's record stands in the section's table too.
fn origins(section: &Section) -> impl Iterator<Item = &Origin> {
    let points = section
        .series
        .iter()
        .flat_map(|group| &group.series)
        .flat_map(|series| &series.points);
    let rows = section.tables.iter().flat_map(|table| &table.rows);
    points
        .map(|point| &point.origin)
        .chain(rows.map(|row| &row.origin))
}

/// How many records of a section only repeat what another says. A record of
/// several results repeats only where none of its results stands for itself.
fn repeated(section: &Section) -> usize {
    let points = section
        .series
        .iter()
        .flat_map(|group| &group.series)
        .flat_map(|series| &series.points);
    let mut first = HashSet::new();
    let mut others = HashSet::new();
    for point in points {
        let mut ids = point.origin.records.iter();
        first.extend(ids.next());
        others.extend(ids);
    }
    let rows = section.tables.iter().flat_map(|table| &table.rows);
    let rows = rows.map(|row| row.origin.records.len().saturating_sub(1 + row.also.len()));
    others.difference(&first).count() + rows.sum::<usize>()
}

/// Sentences on what was hidden, merged or cut.
fn notes(counts: &Counts) -> Vec<String> {
    let mut notes = Vec::new();
    if counts.repeated > 0 {
        notes.push(format!(
            "{} exactly what another says (the same thing on the same date), often because two sources hold it; \
             each is shown once, with how often it was recorded.",
            text::plural(counts.repeated, "record says", "records say")
        ));
    }
    if counts.entered_in_error > 0 {
        notes.push(format!(
            "{} marked by the source as entered in error and therefore not shown.",
            text::plural(counts.entered_in_error, "record is", "records are")
        ));
    }
    if counts.cut > 0 {
        notes.push(format!(
            "A document holds at most {MAX_RECORDS} records; {} not in it.",
            text::plural(counts.cut, "further record is", "further records are")
        ));
    }
    notes
}

/// Whether the source took the resource back.
fn is_entered_in_error(resource: &Value) -> bool {
    const ERROR: &str = "entered-in-error";
    read::raw(resource, "status") == Some(ERROR)
        || read::code_at(resource, "verificationStatus") == Some(ERROR)
        || read::raw(resource, "docStatus") == Some(ERROR)
}

/// The date that a resource is sorted by: when it happened, else when it was
/// written, else the record's own.
fn item_moment(item: &Item<'_>) -> Option<Moment> {
    const STEMS: [&str; 5] = ["effective", "performed", "occurrence", "onset", "serviced"];
    const FIELDS: [&str; 9] = [
        "started",
        "start",
        "date",
        "authoredOn",
        "recordedDate",
        "dateAsserted",
        "whenHandedOver",
        "created",
        "issued",
    ];
    let resource = item.resource;
    STEMS
        .iter()
        .find_map(|stem| read::when(resource, stem).0)
        .or_else(|| read::period(resource, "period").0)
        .or_else(|| {
            FIELDS
                .iter()
                .find_map(|field| read::moment(resource, field))
        })
        .or_else(|| item.fallback_date())
}

/// The sources of all records.
struct Sources<'a> {
    list: Vec<Source>,
    places: HashMap<(&'a str, bool), usize>,
}

impl<'a> Sources<'a> {
    fn of(records: &'a [ClinicalRecord<'a>]) -> Self {
        let mut found = Self {
            list: Vec::new(),
            places: HashMap::new(),
        };
        for record in records {
            let name = Self::name(record);
            let place = *found
                .places
                .entry((name, record.sealed_by_server))
                .or_insert_with(|| {
                    found.list.push(Source {
                        name: text::title(name),
                        sealed_by_server: record.sealed_by_server,
                        ..Source::default()
                    });
                    found.list.len() - 1
                });
            let Some(source) = found.list.get_mut(place) else {
                continue;
            };
            source.records += 1;
            match source
                .types
                .iter_mut()
                .find(|(known, _)| *known == record.record_type)
            {
                Some((_, count)) => *count += 1,
                None => source.types.push((record.record_type, 1)),
            }
        }
        for source in &mut found.list {
            source.types.sort();
        }
        found
    }

    fn name(record: &ClinicalRecord<'a>) -> &'a str {
        record.source.or(record.author).unwrap_or("Added by hand")
    }

    fn origin(&self, record: &ClinicalRecord<'a>) -> Origin {
        let place = self
            .places
            .get(&(Self::name(record), record.sealed_by_server));
        Origin {
            records: vec![text::line(record.id, 80)],
            sources: place.copied().into_iter().collect(),
            sensitivity: record
                .sensitivity
                .iter()
                .map(|kind| kind.label().to_owned())
                .collect(),
        }
    }
}
