//! Notes, reports, files, insurance, and whatever fits nowhere else. Texts are
//! shown in full up to a bound, newest first.

use std::cmp::Reverse;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::care::{dated, report};
use super::dates::Moment;
use super::document::{FullText, Table, Width};
use super::item_moment;
use super::read::{self, Index, Item, concept_at, concepts_at, list, raw};
use super::rows::{Draft, table};
use super::text;
use super::{ClinicalRecord, Desk};
use crate::RecordType;

/// The most characters of one text.
const MAX_TEXT: usize = 20_000;
/// The most characters of all texts together; what is beyond keeps its title.
const MAX_TEXTS: usize = 400_000;

/// Resource types that other sections tell of.
const TOLD: [&str; 46] = [
    "Patient",
    "RelatedPerson",
    "Person",
    "Flag",
    "AdverseEvent",
    "Condition",
    "ClinicalImpression",
    "RiskAssessment",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationDispense",
    "MedicationAdministration",
    "AllergyIntolerance",
    "Immunization",
    "ImmunizationRecommendation",
    "ImmunizationEvaluation",
    "Observation",
    "Specimen",
    "Procedure",
    "Device",
    "DeviceUseStatement",
    "DeviceRequest",
    "SupplyDelivery",
    "ServiceRequest",
    "Encounter",
    "EpisodeOfCare",
    "Appointment",
    "AppointmentResponse",
    "ImagingStudy",
    "Media",
    "CarePlan",
    "Goal",
    "CareTeam",
    "Task",
    "RequestGroup",
    "FamilyMemberHistory",
    "NutritionOrder",
    "Coverage",
    "ExplanationOfBenefit",
    "Claim",
    "ClaimResponse",
    "DocumentReference",
    "Composition",
    "QuestionnaireResponse",
    "Bundle",
    "DiagnosticReport",
];

const DATED: [(&str, Width); 4] = [
    ("What", Width::Wide),
    ("Date", Width::Medium),
    ("Status", Width::Narrow),
    ("Where, by whom", Width::Medium),
];

/// Notes, reports, questionnaires and files.
pub fn tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let notes = ["DocumentReference", "Composition", "Bundle"];
    let notes = notes
        .into_iter()
        .flat_map(|kind| desk.of(kind))
        .map(|item| note(item, index));
    let told = [
        RecordType::LabResults,
        RecordType::Imaging,
        RecordType::Procedures,
    ];
    let reports = desk
        .of("DiagnosticReport")
        .filter(|item| !told.contains(&item.record.record_type));
    let reports = reports.map(|item| grouped(report(item, index)));
    let answers = desk.of("QuestionnaireResponse").map(answers);
    let files = desk.papers.iter().map(|(record, origin)| {
        let mut draft = Draft {
            title: paper_title(record),
            sub: vec![record.record_type.label().to_owned()],
            start: record.date.and_then(Moment::parse),
            origin: origin.clone(),
            ..Draft::default()
        };
        let file = record
            .file
            .map(|file| format!("{}, {}", text::title(file.content_type), bytes(file.size)));
        let by = record.author.map(text::title).unwrap_or_default();
        draft.cells = vec![draft.span(), file.unwrap_or_else(|| "text".to_owned()), by];
        draft
    });
    vec![
        table(Some("Notes and documents"), &DATED, notes.collect()),
        table(Some("Reports"), &DATED, reports.collect()),
        table(
            Some("Questionnaires"),
            &[
                ("Questionnaire", Width::Medium),
                ("Date", Width::Narrow),
                ("Answers", Width::Wide),
            ],
            answers.collect(),
        ),
        table(
            Some("Files and texts"),
            &[
                ("Title", Width::Wide),
                ("Date", Width::Narrow),
                ("Kind, size", Width::Medium),
                ("Added by", Width::Medium),
            ],
            files.collect(),
        ),
    ]
}

fn grouped(mut draft: Draft) -> Draft {
    draft.key = format!(
        "{}|{}",
        draft.title.to_lowercase(),
        draft.cells.get(1).map_or("", String::as_str)
    );
    draft
}

fn paper_title(record: &ClinicalRecord<'_>) -> String {
    let title = text::title(record.title);
    let name = record
        .file
        .map(|file| text::title(file.name))
        .filter(|name| !name.is_empty());
    if title.is_empty() {
        name.unwrap_or_else(|| "Untitled".to_owned())
    } else {
        title
    }
}

/// `1.2 MB`.
fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} bytes"),
        1_000..1_000_000 => format!("{} kB", size.div_ceil(1_000)),
        _ => format!("{}.{} MB", size / 1_000_000, size % 1_000_000 / 100_000),
    }
}

fn note(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let attachments = list(resource, "content").filter_map(|content| content.get("attachment"));
    let kinds = attachments.filter_map(|attachment| {
        let kind = raw(attachment, "contentType").map(text::title);
        let name = read::string(attachment, "title");
        read::joined([name, kind].into_iter().flatten())
    });
    let sub = vec![
        read::string(resource, "description"),
        read::joined(kinds.filter(|kind| !kind.starts_with("text/plain"))),
        read::string(resource, "docStatus").map(|status| text::words(&status)),
    ];
    let title = read::string(resource, "title").or_else(|| concept_at(resource, "type"));
    let mut draft = grouped(dated(item, index, title, sub));
    draft.key = if draft.key.is_empty() {
        String::new()
    } else {
        format!("{}|{}", item.kind, draft.key)
    };
    draft
}

fn answers(item: &Item<'_>) -> Draft {
    let mut said = Vec::new();
    collect_answers(item.resource, 0, &mut said);
    let title = item
        .resource
        .get("_questionnaire")
        .and_then(|q| list(q, "extension").find_map(|e| read::string(e, "valueString")));
    let mut draft = Draft {
        title: title.unwrap_or_else(|| item.fallback_title()),
        start: read::moment(item.resource, "authored").or_else(|| item_moment(item)),
        origin: item.origin.clone(),
        ..Draft::default()
    };
    let (shown, cut) = text::lines(&said.join("\n"), 3_000);
    let mut shown = shown.join("; ");
    if cut > 0 {
        shown.push_str(" (cut)");
    }
    draft.cells = vec![draft.span(), shown];
    draft
}

fn collect_answers(node: &Value, depth: usize, said: &mut Vec<String>) {
    if depth > 8 || said.len() > 400 {
        return;
    }
    for item in list(node, "item") {
        let question = read::string(item, "text")
            .or_else(|| read::string(item, "linkId"))
            .unwrap_or_default();
        let answers = list(item, "answer").filter_map(|answer| {
            answer
                .get("valueCoding")
                .and_then(read::concept)
                .or_else(|| read::string(answer, "valueString"))
                .or_else(|| answer.get("valueQuantity").and_then(read::quantity))
                .or_else(|| {
                    answer
                        .get("valueBoolean")
                        .and_then(Value::as_bool)
                        .map(|yes| if yes { "yes" } else { "no" }.to_owned())
                })
                .or_else(|| {
                    ["valueInteger", "valueDecimal"]
                        .iter()
                        .find_map(|key| answer.get(*key).and_then(read::number))
                })
                .or_else(|| {
                    ["valueDate", "valueDateTime"]
                        .iter()
                        .find_map(|key| read::moment(answer, key))
                        .map(|at| at.date)
                })
        });
        if let Some(answer) = read::joined(answers) {
            said.push(format!("{question}: {answer}"));
        }
        for answer in list(item, "answer") {
            collect_answers(answer, depth + 1, said);
        }
        collect_answers(item, depth + 1, said);
    }
}

/// The texts of notes, reports and text records, newest first, equal ones once.
pub fn texts(desk: &Desk<'_>, index: &Index<'_>) -> Vec<FullText> {
    let mut found: Vec<(i64, String, FullText)> = Vec::new();
    for item in desk
        .of("DocumentReference")
        .chain(desk.of("DiagnosticReport"))
    {
        let resource = item.resource;
        let attachments = list(resource, "content").filter_map(|content| content.get("attachment"));
        for attachment in attachments.chain(list(resource, "presentedForm")) {
            let Some(body) = plain_text(attachment) else {
                continue;
            };
            let at = item_moment(item);
            let title = concept_at(
                resource,
                if item.kind == "DiagnosticReport" {
                    "code"
                } else {
                    "type"
                },
            );
            let by = index.names(
                resource,
                if item.kind == "DiagnosticReport" {
                    "performer"
                } else {
                    "author"
                },
            );
            let full = FullText {
                title: title.unwrap_or_else(|| item.fallback_title()),
                date: at.as_ref().map(|at| at.date.clone()),
                detail: by.unwrap_or_default(),
                origin: item.origin.clone(),
                ..FullText::default()
            };
            found.push((at.map_or(i64::MIN, |at| at.sort), body, full));
        }
    }
    for (record, origin) in &desk.papers {
        let Some(body) = record.text.filter(|body| !body.trim().is_empty()) else {
            continue;
        };
        let at = record.date.and_then(Moment::parse);
        let full = FullText {
            title: paper_title(record),
            date: at.as_ref().map(|at| at.date.clone()),
            detail: record.author.map(text::title).unwrap_or_default(),
            origin: origin.clone(),
            ..FullText::default()
        };
        found.push((at.map_or(i64::MIN, |at| at.sort), body.to_owned(), full));
    }
    found.sort_by_key(|(sort, ..)| Reverse(*sort));
    let mut left = MAX_TEXTS;
    let mut places: HashMap<(Option<String>, String), usize> = HashMap::new();
    let mut out: Vec<FullText> = Vec::new();
    for (_, body, mut full) in found {
        if let Some(same) = places
            .get(&(full.date.clone(), body.clone()))
            .and_then(|place| out.get_mut(*place))
        {
            same.origin.merge(full.origin);
            continue;
        }
        let (lines, cut) = text::lines(&body, MAX_TEXT.min(left));
        left = left.saturating_sub(body.chars().count());
        full.lines = lines;
        full.cut_chars = cut;
        places.insert((full.date.clone(), body), out.len());
        out.push(full);
    }
    out
}

/// The text of an attachment that holds plain text.
fn plain_text(attachment: &Value) -> Option<String> {
    let kind = raw(attachment, "contentType")?;
    if !kind.to_ascii_lowercase().starts_with("text/plain") {
        return None;
    }
    let data: String = raw(attachment, "data")?.split_ascii_whitespace().collect();
    let body = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
    (!body.trim().is_empty()).then_some(body)
}

/// Coverage, claims and benefits.
pub fn insurance_tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let cover = desk.of("Coverage").map(|item| {
        let resource = item.resource;
        let number = read::string(resource, "subscriberId").or_else(|| {
            list(resource, "identifier").find_map(|identifier| read::string(identifier, "value"))
        });
        let plans = list(resource, "class").filter_map(|class| {
            let kind = concept_at(class, "type");
            read::join_with(
                [
                    kind,
                    read::string(class, "name").or_else(|| read::string(class, "value")),
                ]
                .into_iter()
                .flatten(),
                " ",
            )
        });
        let sub = vec![
            number.map(|number| format!("Number {number}")),
            read::joined(plans),
        ];
        let title = index
            .names(resource, "payor")
            .or_else(|| concept_at(resource, "type"));
        dated(item, index, title, sub)
    });
    let kinds = ["ExplanationOfBenefit", "Claim", "ClaimResponse"];
    let claims = kinds
        .into_iter()
        .flat_map(|kind| desk.of(kind))
        .map(|item| claim(item, index));
    vec![
        table(Some("Coverage"), &DATED, cover.collect()),
        table(
            Some("Claims and benefits"),
            &[
                ("For", Width::Wide),
                ("Date", Width::Medium),
                ("Kind", Width::Medium),
                ("Amount", Width::Narrow),
            ],
            claims.collect(),
        ),
    ]
}

fn claim(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let services = list(resource, "item").filter_map(|item| concept_at(item, "productOrService"));
    let (start, end) = read::period(resource, "billablePeriod");
    let provider = resource
        .get("provider")
        .and_then(|provider| index.name(resource, provider));
    let insurer = resource
        .get("insurer")
        .and_then(|insurer| index.name(resource, insurer));
    let kind = match item.kind {
        "Claim" => "Claim",
        "ClaimResponse" => "Claim response",
        _ => "Benefit",
    };
    let amount = resource.get("total").and_then(|total| {
        let money = total.as_array().map_or(Some(total), |all| {
            all.first().and_then(|first| first.get("amount"))
        })?;
        let value = money.get("value").and_then(Value::as_f64)?;
        Some(text::line(
            &format!("{value:.2} {}", raw(money, "currency").unwrap_or_default()),
            40,
        ))
    });
    let mut draft = Draft {
        title: read::joined(services).unwrap_or_else(|| item.fallback_title()),
        sub: read::joined([provider, insurer].into_iter().flatten())
            .into_iter()
            .collect(),
        start: start.or_else(|| item_moment(item)),
        end,
        origin: item.origin.clone(),
        ..Draft::default()
    };
    let kind = read::joined(
        [Some(kind.to_owned()), concept_at(resource, "type")]
            .into_iter()
            .flatten(),
    );
    draft.cells = vec![
        draft.span(),
        kind.unwrap_or_default(),
        amount.unwrap_or_default(),
    ];
    draft
}

/// Everything that no other section tells of, by its type.
pub fn other_tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let rest = desk
        .order
        .iter()
        .filter(|kind| !TOLD.contains(kind))
        .flat_map(|kind| desk.of(kind));
    let rest = rest.map(|item| {
        let resource = item.resource;
        let title = read::string(resource, "title")
            .or_else(|| read::own_name(resource))
            .or_else(|| concepts_at(resource, "category"))
            .or_else(|| concept_at(resource, "scope"));
        let kind = spaced(item.kind);
        dated(
            item,
            index,
            title.or_else(|| Some(item.fallback_title())),
            vec![Some(kind), read::notes(resource)],
        )
    });
    vec![table(None, &DATED, rest.collect())]
}

/// `MedicationKnowledge` as `Medication knowledge`.
fn spaced(kind: &str) -> String {
    let mut out = String::new();
    for (position, c) in kind.chars().take(60).enumerate() {
        if position > 0 && c.is_ascii_uppercase() {
            out.push(' ');
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    text::title(&out)
}
