//! Who the document is about: the banner, and the people around them.

use serde_json::Value;

use super::Desk;
use super::document::{Labelled, PatientBanner, Table, Width};
use super::read::{self, Index, Item, concept_at, human_name, list, raw};
use super::rows::{Draft, table};
use super::text::{sentence, words};

/// The banner of a Patient resource.
pub fn banner(item: &Item<'_>, index: &Index<'_>) -> PatientBanner {
    let patient = item.resource;
    let deceased = read::moment(patient, "deceasedDateTime").map(|at| at.date);
    let dead = patient.get("deceasedBoolean").and_then(Value::as_bool) == Some(true);
    let mut details = Vec::new();
    let mut add = |label: &str, text: Option<String>| {
        if let Some(text) = text {
            details.push(labelled(label, text));
        }
    };
    add("Also known as", read::joined(other_names(patient)));
    add("Address", list(patient, "address").find_map(address));
    for telecom in list(patient, "telecom").take(4) {
        let label = raw(telecom, "system")
            .map_or_else(|| "Contact".to_owned(), |system| sentence(&words(system)));
        add(&label, read::string(telecom, "value"));
    }
    let languages =
        list(patient, "communication").filter_map(|entry| concept_at(entry, "language"));
    add("Language", read::joined(languages));
    add("Marital status", concept_at(patient, "maritalStatus"));
    add(
        "General practitioner",
        index.names(patient, "generalPractitioner"),
    );
    for contact in list(patient, "contact").take(4) {
        let name = contact.get("name").and_then(human_name);
        let relation = read::concepts_at(contact, "relationship");
        let phone = list(contact, "telecom").find_map(|telecom| read::string(telecom, "value"));
        add(
            "Contact person",
            read::joined([name, relation, phone].into_iter().flatten()),
        );
    }
    PatientBanner {
        name: name(patient),
        birth_date: read::moment(patient, "birthDate").map(|at| at.date),
        sex: raw(patient, "gender").map(|gender| sentence(&words(gender))),
        deceased: deceased.or_else(|| dead.then(|| "yes".to_owned())),
        identifiers: identifiers(patient),
        details,
    }
}

fn labelled(label: &str, text: String) -> Labelled {
    Labelled {
        label: label.to_owned(),
        text,
    }
}

/// The name in use: official before usual, never an old or maiden one if there is another.
fn name(patient: &Value) -> Option<String> {
    let ranked = |name: &&Value| match raw(name, "use") {
        Some("official") => 0,
        Some("usual") => 1,
        None => 2,
        Some("old" | "maiden") => 4,
        Some(_) => 3,
    };
    list(patient, "name")
        .min_by_key(ranked)
        .and_then(human_name)
}

fn other_names(patient: &Value) -> impl Iterator<Item = String> {
    let used = name(patient);
    list(patient, "name")
        .filter_map(human_name)
        .filter(move |other| Some(other) != used.as_ref())
}

/// Identifiers with a value, named by their type; at most eight, medical record
/// numbers first.
fn identifiers(patient: &Value) -> Vec<Labelled> {
    let mut all: Vec<(u8, Labelled)> = list(patient, "identifier")
        .filter_map(|identifier| {
            let value = read::string(identifier, "value")?;
            let kind = identifier.get("type");
            let label = kind.and_then(read::concept).or_else(|| {
                let system = raw(identifier, "system")?;
                Some(super::text::line(
                    system
                        .trim_start_matches("https://")
                        .trim_start_matches("http://"),
                    60,
                ))
            });
            let record_number = kind.is_some_and(|kind| read::has_code(kind, &["MR"]));
            Some((
                u8::from(!record_number),
                labelled(&label.unwrap_or_else(|| "Identifier".to_owned()), value),
            ))
        })
        .collect();
    all.sort_by_key(|(rank, _)| *rank);
    let mut seen = Vec::new();
    all.retain(|(_, identifier)| {
        let new = !seen.contains(&identifier.text);
        seen.push(identifier.text.clone());
        new
    });
    all.into_iter()
        .map(|(_, identifier)| identifier)
        .take(8)
        .collect()
}

fn address(address: &Value) -> Option<String> {
    if let Some(text) = read::string(address, "text") {
        return Some(text);
    }
    let lines = list(address, "line")
        .filter_map(Value::as_str)
        .map(super::text::detail);
    let town = [
        read::string(address, "postalCode"),
        read::string(address, "city"),
    ];
    let town = read::join_with(town.into_iter().flatten(), " ");
    let rest = [
        town,
        read::string(address, "state"),
        read::string(address, "country"),
    ];
    read::joined(lines.chain(rest.into_iter().flatten()))
}

/// The patient and the people around them, each a row.
pub fn tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let people = ["Patient", "RelatedPerson", "Person"];
    let people = people
        .into_iter()
        .flat_map(|kind| desk.of(kind))
        .map(|item| {
            let banner = banner(item, index);
            let all = banner.identifiers.iter().chain(&banner.details);
            let role = match item.kind {
                "Patient" => "Patient".to_owned(),
                "RelatedPerson" => read::concepts_at(item.resource, "relationship")
                    .unwrap_or_else(|| "Related person".to_owned()),
                _ => "Person".to_owned(),
            };
            let deceased = banner
                .deceased
                .as_ref()
                .map(|when| format!("Deceased: {when}"));
            Draft {
                title: banner.name.clone().unwrap_or_else(|| item.fallback_title()),
                sub: all
                    .map(|line| format!("{}: {}", line.label, line.text))
                    .chain(deceased)
                    .collect(),
                cells: vec![
                    role,
                    banner.birth_date.unwrap_or_default(),
                    banner.sex.unwrap_or_default(),
                ],
                rank: u8::from(item.kind != "Patient"),
                origin: item.origin.clone(),
                ..Draft::default()
            }
        });
    vec![table(
        None,
        &[
            ("Name", Width::Wide),
            ("Role", Width::Narrow),
            ("Born", Width::Narrow),
            ("Sex", Width::Narrow),
        ],
        people.collect(),
    )]
}
