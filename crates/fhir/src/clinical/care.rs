//! What was and will be done: reports, procedures, devices, orders, encounters,
//! imaging, plans, goals, family history, diet.

use serde_json::Value;

use super::Desk;
use super::document::{Table, Width};
use super::item_moment;
use super::read::{self, Index, Item, concept_at, concepts_at, list, status_at};
use super::rows::{Draft, table};
use super::text::{plural, sentence, words};
use crate::RecordType;

const DATED: [(&str, Width); 4] = [
    ("What", Width::Wide),
    ("Date", Width::Medium),
    ("Status", Width::Narrow),
    ("Where, by whom", Width::Medium),
];

/// A row of title, date, status and performer, which most tables share.
pub fn dated(
    item: &Item<'_>,
    index: &Index<'_>,
    title: Option<String>,
    sub: Vec<Option<String>>,
) -> Draft {
    let resource = item.resource;
    let (start, end) = ["performed", "effective", "occurrence", "timing"]
        .into_iter()
        .map(|stem| read::when(resource, stem))
        .find(|(start, _)| start.is_some())
        .unwrap_or_else(|| read::period(resource, "period"));
    let title = title.unwrap_or_else(|| item.fallback_title());
    let mut draft = Draft {
        title,
        sub: sub
            .into_iter()
            .flatten()
            .filter(|line| !line.is_empty())
            .collect(),
        start: start.or_else(|| item_moment(item)),
        end,
        origin: item.origin.clone(),
        ..Draft::default()
    };
    let status = status_at(resource, "status").unwrap_or_default();
    draft.cells = vec![
        draft.span(),
        sentence(&status),
        performers(item, index).unwrap_or_default(),
    ];
    draft
}

/// Who did it, else where.
fn performers(item: &Item<'_>, index: &Index<'_>) -> Option<String> {
    let resource = item.resource;
    let actors = ["performer", "participant"]
        .into_iter()
        .flat_map(|key| list(resource, key))
        .filter_map(|performer| {
            let actor = performer
                .get("actor")
                .or_else(|| performer.get("individual"))
                .unwrap_or(performer);
            index.name(resource, actor)
        });
    let requester = ["requester", "author", "recorder"]
        .into_iter()
        .find_map(|key| index.names(resource, key));
    let place = resource.get("location").filter(|place| place.is_object());
    let place = place.and_then(|place| index.name(resource, place));
    let places =
        list(resource, "location").filter_map(|place| index.name(resource, place.get("location")?));
    let provider = resource
        .get("serviceProvider")
        .and_then(|provider| index.name(resource, provider));
    read::joined(actors.chain(place).chain(places).chain(provider)).or(requester)
}

fn reason(item: &Item<'_>, index: &Index<'_>) -> Option<String> {
    let coded = concepts_at(item.resource, "reasonCode")
        .or_else(|| index.names(item.resource, "reasonReference"));
    coded.map(|reason| format!("For {reason}"))
}

fn code(item: &Item<'_>) -> Option<String> {
    concept_at(item.resource, "code")
}

/// Groups by title and status: the same thing done at several times is one row.
fn grouped(mut draft: Draft) -> Draft {
    draft.key = format!(
        "{}|{}",
        draft.title.to_lowercase(),
        draft.cells.get(1).map_or("", String::as_str)
    );
    draft
}

/// A DiagnosticReport as a row.
pub fn report(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let results = list(resource, "result").count();
    let results = (results > 0).then(|| plural(results, "result", "results"));
    let conclusion = read::string(resource, "conclusion");
    let codes = concepts_at(resource, "conclusionCode");
    dated(
        item,
        index,
        code(item),
        vec![results, conclusion, codes, read::notes(resource)],
    )
}

/// Reports and specimens of the laboratory.
pub fn lab_tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let reports = desk.typed("DiagnosticReport", &[RecordType::LabResults]);
    let reports = reports
        .iter()
        .map(|item| grouped(report(item, index)))
        .collect();
    let specimens = desk.of("Specimen").map(|item| {
        let collected = item.resource.get("collection");
        let at = collected.and_then(|collected| read::when_text(collected, "collected"));
        let site = collected.and_then(|collected| concept_at(collected, "bodySite"));
        let sub = vec![
            at.map(|at| format!("Collected {at}")),
            site,
            read::notes(item.resource),
        ];
        dated(item, index, concept_at(item.resource, "type"), sub)
    });
    vec![
        table(Some("Reports"), &DATED, reports),
        table(Some("Specimens"), &DATED, specimens.collect()),
    ]
}

/// Procedures, devices, supplies, orders, and reports about procedures.
pub fn procedure_tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let done = desk.of("Procedure").map(|item| {
        let resource = item.resource;
        let sub = vec![
            reason(item, index),
            concepts_at(resource, "bodySite").map(|site| format!("Site: {site}")),
            concept_at(resource, "outcome").map(|outcome| format!("Outcome: {outcome}")),
            concepts_at(resource, "complication")
                .map(|complication| format!("Complication: {complication}")),
            read::when(resource, "performed")
                .0
                .is_none()
                .then(|| read::when_text(resource, "performed"))
                .flatten(),
            concept_at(resource, "statusReason").map(|why| format!("Reason: {why}")),
            read::notes(resource),
        ];
        grouped(dated(item, index, code(item), sub))
    });
    let reports = desk.typed("DiagnosticReport", &[RecordType::Procedures]);
    let reports = reports.iter().map(|item| grouped(report(item, index)));
    let devices = desk
        .of("Device")
        .chain(desk.of("DeviceUseStatement"))
        .map(|item| device(item, index));
    let supplies = desk
        .of("SupplyDelivery")
        .chain(desk.of("DeviceRequest"))
        .map(|item| supply(item, index));
    let orders = desk.of("ServiceRequest").map(|item| {
        let resource = item.resource;
        let refused = resource.get("doNotPerform").and_then(Value::as_bool) == Some(true);
        let sub = vec![
            refused.then(|| "Not to be done".to_owned()),
            reason(item, index),
            concepts_at(resource, "orderDetail"),
            read::notes(resource),
        ];
        grouped(dated(item, index, code(item), sub))
    });
    vec![
        table(Some("Procedures"), &DATED, done.collect()),
        table(Some("Reports"), &DATED, reports.collect()),
        table(
            Some("Devices"),
            &[
                ("Device", Width::Wide),
                ("Date", Width::Medium),
                ("Status", Width::Narrow),
                ("Identifiers", Width::Wide),
            ],
            devices.collect(),
        ),
        table(Some("Supplies"), &DATED, supplies.collect()),
        table(Some("Orders"), &DATED, orders.collect()),
    ]
}

/// A device as a row.
pub fn device<'a>(item: &Item<'a>, index: &Index<'a>) -> Draft {
    let resource = item.resource;
    let device = resource
        .get("device")
        .and_then(|device| index.name(resource, device));
    let named = list(resource, "deviceName").find_map(|name| read::string(name, "name"));
    let title = device.or(named).or_else(|| concept_at(resource, "type"));
    let title = title.map(|title| super::text::without_tag(&title).to_owned());
    let udi =
        list(resource, "udiCarrier").find_map(|carrier| read::string(carrier, "deviceIdentifier"));
    let label =
        |label: &str, key: &str| read::string(resource, key).map(|text| format!("{label} {text}"));
    let identifiers = [
        udi.map(|udi| format!("UDI {udi}")),
        label("serial", "serialNumber"),
        label("lot", "lotNumber"),
        label("model", "modelNumber"),
        label("by", "manufacturer"),
    ];
    let sub = vec![
        concept_at(resource, "bodySite").map(|site| format!("Site: {site}")),
        reason(item, index),
        read::notes(resource),
    ];
    let mut draft = dated(item, index, title, sub);
    draft.cells.pop();
    draft
        .cells
        .push(read::joined(identifiers.into_iter().flatten()).unwrap_or_default());
    draft
}

fn supply(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let supplied = resource.get("suppliedItem");
    let title = supplied.and_then(|supplied| concept_at(supplied, "itemCodeableConcept"));
    let amount = supplied
        .and_then(|supplied| supplied.get("quantity"))
        .and_then(read::quantity);
    let title = title
        .or_else(|| concept_at(resource, "codeCodeableConcept"))
        .or_else(|| concept_at(resource, "type"));
    let mut draft = dated(
        item,
        index,
        title,
        vec![
            amount.map(|amount| format!("Quantity {amount}")),
            reason(item, index),
        ],
    );
    draft.key = format!("{}|{}", draft.title.to_lowercase(), draft.sub.join("|"));
    draft
}

/// Encounters, episodes and appointments, each its own row.
pub fn encounter_tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    const COLUMNS: [(&str, Width); 4] = [
        ("Encounter", Width::Wide),
        ("Date", Width::Medium),
        ("Kind, status", Width::Medium),
        ("Where, by whom", Width::Wide),
    ];
    let visits = desk
        .of("Encounter")
        .chain(desk.of("EpisodeOfCare"))
        .map(|item| {
            let resource = item.resource;
            let class = resource.get("class").and_then(encounter_class);
            let title = concepts_at(resource, "type").or_else(|| class.clone());
            let diagnoses = list(resource, "diagnosis")
                .filter_map(|d| index.name(resource, d.get("condition")?));
            let discharge = resource
                .get("hospitalization")
                .and_then(|stay| concept_at(stay, "dischargeDisposition"));
            let sub = vec![
                reason(item, index),
                read::joined(diagnoses).map(|diagnoses| format!("Diagnoses: {diagnoses}")),
                discharge.map(|to| format!("Discharged: {to}")),
            ];
            let mut draft = dated(item, index, title, sub);
            let kind = class.filter(|class| *class != draft.title);
            let status = read::joined([kind, draft.cells.get(1).cloned()].into_iter().flatten());
            if let (Some(cell), Some(status)) = (draft.cells.get_mut(1), status) {
                *cell = status;
            }
            draft
        });
    let appointments = desk
        .of("Appointment")
        .chain(desk.of("AppointmentResponse"))
        .map(|item| {
            let resource = item.resource;
            let title = concepts_at(resource, "serviceType")
                .or_else(|| concept_at(resource, "appointmentType"));
            let title = title.or_else(|| read::string(resource, "description"));
            let sub = vec![reason(item, index), read::string(resource, "comment")];
            dated(item, index, title, sub)
        });
    vec![
        table(None, &COLUMNS, visits.collect()),
        table(Some("Appointments"), &COLUMNS, appointments.collect()),
    ]
}

/// The class of an encounter in words.
fn encounter_class(class: &Value) -> Option<String> {
    let code = read::raw(class, "code").unwrap_or_default();
    let known = match code {
        "AMB" => "Ambulatory",
        "EMER" => "Emergency",
        "IMP" => "Inpatient",
        "ACUTE" => "Inpatient, acute",
        "NONAC" => "Inpatient, non-acute",
        "OBSENC" => "Observation",
        "SS" => "Short stay",
        "HH" => "Home health",
        "VR" => "Virtual",
        "PRENC" => "Pre-admission",
        "FLD" => "Field",
        _ => return read::concept(class).map(|class| sentence(&class)),
    };
    Some(known.to_owned())
}

/// Studies and their reports.
pub fn imaging_tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let studies = desk.of("ImagingStudy").map(|item| {
        let resource = item.resource;
        let modalities = list(resource, "modality")
            .chain(list(resource, "series").filter_map(|s| s.get("modality")));
        let sites = list(resource, "series")
            .filter_map(|series| series.get("bodySite"))
            .filter_map(read::concept);
        let modalities = read::joined(modalities.filter_map(read::concept));
        let count = |key: &str| {
            resource
                .get(key)
                .and_then(Value::as_u64)
                .and_then(|count| usize::try_from(count).ok())
        };
        let size = [
            count("numberOfSeries").map(|n| plural(n, "series", "series")),
            count("numberOfInstances").map(|n| plural(n, "image", "images")),
        ];
        let title = concepts_at(resource, "procedureCode")
            .or_else(|| read::string(resource, "description"));
        let sub = vec![
            modalities.clone(),
            read::joined(sites).map(|sites| format!("Site: {}", sentence(&sites))),
            read::joined(size.into_iter().flatten()),
            reason(item, index),
            read::notes(resource),
        ];
        grouped(dated(item, index, title.or(modalities), sub))
    });
    let reports = desk.typed("DiagnosticReport", &[RecordType::Imaging]);
    let reports = reports.iter().map(|item| grouped(report(item, index)));
    let media = desk.of("Media").map(|item| {
        let title = item
            .resource
            .get("content")
            .and_then(|content| read::string(content, "title"));
        dated(
            item,
            index,
            title.or_else(|| concept_at(item.resource, "type")),
            vec![reason(item, index), read::notes(item.resource)],
        )
    });
    vec![
        table(Some("Studies"), &DATED, studies.collect()),
        table(Some("Reports"), &DATED, reports.collect()),
        table(Some("Pictures"), &DATED, media.collect()),
    ]
}

/// Plans, goals, teams and tasks.
pub fn plan_tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let plans = desk.of("CarePlan").map(|item| {
        let resource = item.resource;
        let category = list(resource, "category")
            .filter_map(read::concept)
            .filter(|c| c != "assess-plan");
        let title = read::string(resource, "title").or_else(|| read::joined(category));
        let title = title.or_else(|| read::string(resource, "description"));
        let activities = list(resource, "activity").filter_map(|activity| {
            let Some(detail) = activity.get("detail") else {
                return index.name(resource, activity.get("reference")?);
            };
            let what =
                concept_at(detail, "code").or_else(|| read::string(detail, "description"))?;
            let status = status_at(detail, "status");
            Some(status.map_or_else(|| what.clone(), |status| format!("{what} ({status})")))
        });
        let sub = vec![
            read::join_with(activities, "; "),
            index
                .names(resource, "addresses")
                .map(|what| format!("For {what}")),
            read::string(resource, "description").filter(|text| Some(text) != title.as_ref()),
            read::notes(resource),
        ];
        dated(item, index, title, sub)
    });
    let goals = desk.of("Goal").map(|item| {
        let resource = item.resource;
        let targets = list(resource, "target").filter_map(|target| {
            let what = concept_at(target, "measure");
            let value = target.get("detailQuantity").and_then(read::quantity);
            let value = value.or_else(|| target.get("detailRange").and_then(read::range));
            let value = value.or_else(|| concept_at(target, "detailCodeableConcept"));
            let due = read::moment(target, "dueDate").map(|due| format!("by {}", due.date));
            read::joined([what, value, due].into_iter().flatten())
        });
        let sub = vec![
            read::join_with(targets, "; ").map(|target| format!("Target: {target}")),
            concept_at(resource, "achievementStatus").map(|status| sentence(&words(&status))),
            index
                .names(resource, "addresses")
                .map(|what| format!("For {what}")),
            read::notes(resource),
        ];
        let mut draft = dated(item, index, concept_at(resource, "description"), sub);
        draft.start = read::when(resource, "start").0.or(draft.start);
        if let Some(cell) = draft.cells.get_mut(1) {
            *cell = sentence(&status_at(resource, "lifecycleStatus").unwrap_or_default());
        }
        let span = draft.span();
        if let Some(cell) = draft.cells.first_mut() {
            *cell = span;
        }
        draft
    });
    let teams = desk.of("CareTeam").map(|item| {
        let resource = item.resource;
        let members = list(resource, "participant").filter_map(|participant| {
            let role = concept_at(participant, "role");
            let who = index.name(resource, participant.get("member")?);
            read::join_with([who, role].into_iter().flatten(), ", ")
        });
        let title = read::string(resource, "name").unwrap_or_else(|| "Care team".to_owned());
        let mut draft = dated(
            item,
            index,
            Some(title),
            vec![
                read::join_with(members, "; "),
                concepts_at(resource, "reasonCode"),
            ],
        );
        draft.cells.pop();
        draft.cells.push(
            index
                .names(resource, "managingOrganization")
                .unwrap_or_default(),
        );
        draft
    });
    let tasks = ["Task", "RequestGroup", "DeviceRequest"];
    let tasks = tasks
        .into_iter()
        .take(2)
        .flat_map(|kind| desk.of(kind))
        .map(|item| {
            let title = code(item).or_else(|| read::string(item.resource, "description"));
            dated(
                item,
                index,
                title,
                vec![reason(item, index), read::notes(item.resource)],
            )
        });
    vec![
        table(Some("Plans"), &DATED, plans.collect()),
        table(Some("Goals"), &DATED, goals.collect()),
        table(Some("Care teams"), &DATED, teams.collect()),
        table(Some("Tasks"), &DATED, tasks.collect()),
    ]
}

/// Relatives and their conditions.
pub fn family_tables(desk: &Desk<'_>, _index: &Index<'_>) -> Vec<Option<Table>> {
    let relatives = desk.of("FamilyMemberHistory").map(|item| {
        let resource = item.resource;
        let conditions = list(resource, "condition").filter_map(|condition| {
            let what = concept_at(condition, "code")?;
            let onset = read::when_text(condition, "onset").map(|onset| format!("onset {onset}"));
            let outcome = concept_at(condition, "outcome");
            let died = condition.get("contributedToDeath").and_then(Value::as_bool) == Some(true);
            let how = read::joined(
                [
                    onset,
                    outcome,
                    died.then(|| "contributed to death".to_owned()),
                ]
                .into_iter()
                .flatten(),
            );
            Some(how.map_or_else(|| what.clone(), |how| format!("{what} ({how})")))
        });
        let dead = resource.get("deceasedBoolean").and_then(Value::as_bool) == Some(true);
        let died = read::when_text(resource, "deceased")
            .or_else(|| read::moment(resource, "deceasedDate").map(|d| d.date));
        let died = died
            .map(|when| format!("Died: {when}"))
            .or_else(|| dead.then(|| "Deceased".to_owned()));
        let relation = concept_at(resource, "relationship");
        let sub = [read::string(resource, "name"), died, read::notes(resource)];
        let mut draft = Draft {
            title: relation.map_or_else(|| item.fallback_title(), |relation| sentence(&relation)),
            sub: sub.into_iter().flatten().collect(),
            start: item_moment(item),
            origin: item.origin.clone(),
            ..Draft::default()
        };
        let told =
            read::join_with(conditions, "; ").unwrap_or_else(|| "no condition given".to_owned());
        draft.cells = vec![told, draft.span()];
        draft
    });
    vec![table(
        None,
        &[
            ("Relative", Width::Medium),
            ("Conditions", Width::Wide),
            ("Recorded", Width::Narrow),
        ],
        relatives.collect(),
    )]
}

/// Nutrition orders and intake.
pub fn diet_tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let orders = desk.of("NutritionOrder").map(|item| {
        let resource = item.resource;
        let oral = resource.get("oralDiet");
        let title = oral.and_then(|oral| concepts_at(oral, "type"));
        let supplement = list(resource, "supplement").filter_map(|s| concept_at(s, "type"));
        let title = title
            .or_else(|| read::joined(supplement))
            .or_else(|| read::string(resource, "instantiates"));
        let nutrients = oral
            .into_iter()
            .flat_map(|oral| list(oral, "nutrient"))
            .filter_map(|nutrient| {
                let what = concept_at(nutrient, "modifier")?;
                let amount = nutrient.get("amount").and_then(read::quantity);
                Some(amount.map_or_else(|| what.clone(), |amount| format!("{what} {amount}")))
            });
        let textures = oral
            .into_iter()
            .flat_map(|oral| list(oral, "texture"))
            .filter_map(|t| concept_at(t, "modifier"));
        let sub = vec![
            read::joined(nutrients),
            read::joined(textures).map(|texture| format!("Texture: {texture}")),
            oral.and_then(|oral| read::string(oral, "instruction")),
            concepts_at(resource, "foodPreferenceModifier")
                .map(|food| format!("Preferred: {food}")),
            concepts_at(resource, "excludeFoodModifier").map(|food| format!("To avoid: {food}")),
            read::notes(resource),
        ];
        let mut draft = dated(item, index, title, sub);
        draft.start = read::moment(resource, "dateTime").or(draft.start);
        let span = draft.span();
        if let Some(cell) = draft.cells.first_mut() {
            *cell = span;
        }
        draft
    });
    vec![table(None, &DATED, orders.collect())]
}
