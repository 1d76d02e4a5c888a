//! The first page: what is wrong, what is taken, what is dangerous.

use super::Desk;
use super::document::{FrontBlock, FrontLine, FrontPage, Section};
use super::medicines;
use super::problems::{self, Standing};
use super::read::{self, Index, status_at};
use super::text::sentence;
use crate::RecordType;

/// The most lines of one block.
const MAX_LINES: usize = 24;
/// How many years back from the newest result a critical one is an alert.
const CRITICAL_DAYS: i64 = 2 * 365;

/// The first page.
pub fn page(
    desk: &Desk<'_>,
    index: &Index<'_>,
    sections: &[Section],
    covered: Option<&[RecordType]>,
) -> FrontPage {
    let empty = |kind: RecordType, what: &str| match covered {
        Some(covered) if !covered.contains(&kind) => {
            format!(
                "{what} are not part of what was shared. This says nothing about whether there are any."
            )
        }
        _ if sections
            .iter()
            .any(|section| section.title.starts_with(what)) =>
        {
            format!(
                "No current {} in the records included, only past ones or ones ruled out.",
                what.to_lowercase()
            )
        }
        _ => format!(
            "No {} in the records included. This does not mean that there are none.",
            what.to_lowercase()
        ),
    };
    let mut alerts = alerts(desk, index);
    alerts.extend(critical(sections));
    let allergies = allergies(desk);
    FrontPage {
        alerts: block(alerts, None),
        allergies: block(allergies, Some(empty(RecordType::Allergies, "Allergies"))),
        problems: block(
            problems(desk, index),
            Some(empty(RecordType::Conditions, "Problems")),
        ),
        medicines: block(
            medicines(desk, index),
            Some(empty(RecordType::Prescriptions, "Medicines")),
        ),
    }
}

fn block(mut lines: Vec<FrontLine>, empty: Option<String>) -> FrontBlock {
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    FrontBlock {
        empty: empty.filter(|_| lines.is_empty()),
        lines,
        more,
    }
}

fn problems(desk: &Desk<'_>, index: &Index<'_>) -> Vec<FrontLine> {
    let active: Vec<_> = desk
        .of("Condition")
        .filter(|item| problems::standing(item) == Standing::Active)
        .map(|item| problems::condition(item, index))
        .collect();
    let rows = super::rows::table(None, &[], active)
        .map(|table| table.rows)
        .unwrap_or_default();
    rows.into_iter()
        .map(|row| {
            let mut cells = row.cells.into_iter();
            let since = cells.next().unwrap_or_default();
            let status = cells.next().filter(|status| status != "Active");
            let earliest = row
                .also
                .last()
                .and_then(|also| also.split(' ').next())
                .unwrap_or_default();
            let severity = cells.next();
            FrontLine {
                title: row.title,
                detail: read::joined([severity, status].into_iter().flatten()).unwrap_or_default(),
                date: Some(if earliest.starts_with(|c: char| c.is_ascii_digit()) {
                    earliest.to_owned()
                } else {
                    since
                })
                .filter(|date| !date.is_empty()),
                urgent: false,
            }
        })
        .collect()
}

fn medicines(desk: &Desk<'_>, index: &Index<'_>) -> Vec<FrontLine> {
    let listed = |wanted: medicines::Standing| {
        let drafts = medicines::all(desk)
            .filter(|item| medicines::standing(item) == wanted)
            .map(|item| medicines::medicine(item, index))
            .collect();
        super::rows::table(None, &[], drafts)
            .map(|table| table.rows)
            .unwrap_or_default()
    };
    let line = |row: super::document::Row, prefix: &str, urgent: bool| {
        let mut cells = row.cells.into_iter();
        let dosage = cells.next().unwrap_or_default();
        let when = cells.next().unwrap_or_default();
        let status = cells.next().filter(|status| status != "Active");
        let dosage = if dosage.is_empty() {
            "dosage not given".to_owned()
        } else {
            dosage
        };
        FrontLine {
            title: format!("{prefix}{}", row.title),
            detail: read::joined(
                [Some(dosage).filter(|_| prefix.is_empty()), status]
                    .into_iter()
                    .flatten(),
            )
            .unwrap_or_default(),
            date: Some(when).filter(|when| !when.is_empty()),
            urgent,
        }
    };
    let refused = desk
        .of("MedicationRequest")
        .any(|item| medicines::standing(item) == medicines::Standing::Not);
    let not = if refused {
        listed(medicines::Standing::Not)
    } else {
        Vec::new()
    };
    let current = listed(medicines::Standing::Current)
        .into_iter()
        .map(|row| line(row, "", false));
    not.into_iter()
        .map(|row| line(row, "Not: ", true))
        .chain(current)
        .collect()
}

fn allergies(desk: &Desk<'_>) -> Vec<FrontLine> {
    let mut lines: Vec<(u8, FrontLine)> = Vec::new();
    for item in desk
        .of("AllergyIntolerance")
        .filter(|item| problems::standing(item) == Standing::Active)
    {
        let critical = problems::criticality(item);
        let high = critical == "High";
        let absent = problems::is_known_absence(item);
        let criticality = Some(critical)
            .filter(|text| !text.is_empty() && !absent)
            .map(|text| format!("criticality {}", text.to_lowercase()));
        let status = Some(problems::status(item)).filter(|status| status != "active" && !absent);
        let kind = item
            .resource
            .get("category")
            .and_then(|_| read::concepts_at(item.resource, "category"));
        let detail = read::join_with(
            [
                criticality,
                problems::reactions(item),
                kind.filter(|_| !absent),
                status,
            ]
            .into_iter()
            .flatten(),
            "; ",
        );
        let line = FrontLine {
            title: problems::allergy_title(item),
            detail: detail.unwrap_or_default(),
            date: None,
            urgent: high,
        };
        if !lines.iter().any(|(_, known)| *known == line) {
            let rank = if high {
                0
            } else {
                1 + u8::from(critical == "Low")
            };
            lines.push((rank, line));
        }
    }
    lines.sort_by_key(|(rank, _)| *rank);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn alerts(desk: &Desk<'_>, index: &Index<'_>) -> Vec<FrontLine> {
    let flags = desk
        .of("Flag")
        .filter(|item| !matches!(read::raw(item.resource, "status"), Some("inactive")))
        .map(problems::flag);
    let events = desk
        .of("AdverseEvent")
        .map(|item| problems::adverse_event(item, index));
    let died = desk
        .of("Patient")
        .filter_map(|item| super::patient::banner(item, index).deceased)
        .map(|when| FrontLine {
            title: "Deceased".to_owned(),
            date: Some(when),
            urgent: true,
            ..FrontLine::default()
        });
    let lines = flags.chain(events).map(|draft| FrontLine {
        date: Some(draft.span()).filter(|date| !date.is_empty()),
        detail: draft.sub.join("; "),
        title: draft.title,
        urgent: true,
    });
    let consents = desk.of("Consent").filter(|item| {
        item.resource
            .get("category")
            .is_some_and(is_advance_directive)
    });
    let directives = consents.map(|item| FrontLine {
        title: "Advance directive".to_owned(),
        detail: sentence(&status_at(item.resource, "status").unwrap_or_default()),
        date: super::item_moment(item).map(|at| at.date),
        urgent: true,
    });
    let implants = implants(desk, index);
    died.chain(lines)
        .chain(implants)
        .chain(directives)
        .collect()
}

/// Devices in the body, told by their names: they matter before any scan, surgery
/// or shock.
fn implants(desk: &Desk<'_>, index: &Index<'_>) -> Vec<FrontLine> {
    const WORDS: [&str; 8] = [
        "implant",
        "pacemaker",
        "defibrillator",
        "stimulator",
        "prosthe",
        "stent",
        "heart valve",
        "cochlear",
    ];
    let gone = ["inactive", "completed"];
    desk.of("Device")
        .chain(desk.of("DeviceUseStatement"))
        .filter(|item| !read::raw(item.resource, "status").is_some_and(|s| gone.contains(&s)))
        .map(|item| super::care::device(item, index))
        .filter(|draft| {
            let name = draft.title.to_lowercase();
            WORDS.iter().any(|word| name.contains(word))
        })
        .map(|draft| FrontLine {
            // When it was made or recorded is not when it was put in.
            date: None,
            title: draft.title,
            detail: "recorded as a device of this patient".to_owned(),
            urgent: true,
        })
        .collect()
}

fn is_advance_directive(category: &serde_json::Value) -> bool {
    const CODES: [&str; 6] = ["acd", "dnr", "polst", "hcd", "42348-3", "75320-2"];
    let all = category
        .as_array()
        .map_or(std::slice::from_ref(category), Vec::as_slice);
    all.iter().any(|concept| read::has_code(concept, &CODES))
}

/// Critical results that are the newest of their test and not long before the
/// newest result of all.
fn critical(sections: &[Section]) -> Vec<FrontLine> {
    let series = || {
        sections
            .iter()
            .flat_map(|section| &section.series)
            .flat_map(|group| &group.series)
    };
    let day = |date: &Option<String>| {
        date.as_deref()
            .and_then(super::dates::Moment::parse)
            .map(|at| at.sort / 86_400)
    };
    let newest = series()
        .filter_map(|series| day(&series.points.first()?.date))
        .max()
        .unwrap_or(0);
    series()
        .filter_map(|series| {
            let point = series.points.first()?;
            let flag = point.flag.filter(|flag| flag.is_critical())?;
            let recent = day(&point.date).is_none_or(|day| newest - day <= CRITICAL_DAYS);
            recent.then(|| FrontLine {
                title: format!(
                    "{}: {}",
                    series.title,
                    read::with_unit(&point.value, &series.unit)
                ),
                detail: flag.label().to_owned(),
                date: point.date.clone(),
                urgent: true,
            })
        })
        .collect()
}
