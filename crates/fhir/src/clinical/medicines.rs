//! What is taken: orders, statements, dispenses and administrations of medicines,
//! one row for each medicine.

use serde_json::Value;

use super::Desk;
use super::document::{Table, Width};
use super::read::{self, Index, Item, concept_at, list, raw, status_at};
use super::rows::{Draft, table};
use super::text::{sentence, words};

/// The resource types about medicines that a patient takes.
const KINDS: [&str; 2] = ["MedicationRequest", "MedicationStatement"];

/// How a medicine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Taken, on hold, intended, or not known to have ended.
    Current,
    /// Completed, stopped, cancelled.
    Past,
    /// An instruction not to take it, or a statement that it isn't taken.
    Not,
}

/// How a medicine stands.
pub fn standing(item: &Item<'_>) -> Standing {
    if item.resource.get("doNotPerform").and_then(Value::as_bool) == Some(true) {
        return Standing::Not;
    }
    match raw(item.resource, "status") {
        Some("not-taken") => Standing::Not,
        Some("completed" | "stopped" | "cancelled" | "ended") => Standing::Past,
        _ => Standing::Current,
    }
}

/// Every medicine that is ordered or told.
pub fn all<'d, 'a>(desk: &'d Desk<'a>) -> impl Iterator<Item = &'d Item<'a>> {
    KINDS.into_iter().flat_map(|kind| desk.of(kind))
}

/// The medicine's name.
pub fn name(item: &Item<'_>, index: &Index<'_>) -> String {
    let resource = item.resource;
    concept_at(resource, "medicationCodeableConcept")
        .or_else(|| index.name(resource, resource.get("medicationReference")?))
        .or_else(|| concept_at(resource, "medication"))
        .unwrap_or_else(|| item.fallback_title())
}

/// An order or a statement as a row.
pub fn medicine(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let (start, end) = read::when(resource, "effective");
    let title = name(item, index);
    let by = resource
        .get("requester")
        .or_else(|| resource.get("informationSource"));
    let by = by.and_then(|by| index.name(resource, by));
    let amount = resource.get("dispenseRequest").map(dispense_request);
    let sub = [
        reason(item, index).map(|reason| format!("For {reason}")),
        raw(resource, "intent")
            .filter(|intent| *intent != "order")
            .map(|intent| sentence(&words(intent))),
        concept_at(resource, "statusReason").map(|why| format!("Reason: {why}")),
        amount.flatten(),
        read::notes(resource),
    ];
    let status = status_at(resource, "status").unwrap_or_else(|| "status not given".to_owned());
    let mut draft = Draft {
        key: format!("{}|{:?}", title.to_lowercase(), standing(item)),
        title,
        sub: sub.into_iter().flatten().collect(),
        start: start
            .or_else(|| read::moment(resource, "authoredOn"))
            .or_else(|| read::moment(resource, "dateAsserted"))
            .or_else(|| item.fallback_date()),
        end,
        origin: item.origin.clone(),
        ..Draft::default()
    };
    draft.cells = vec![
        dosage(resource).unwrap_or_default(),
        draft.span(),
        sentence(&status),
        by.unwrap_or_default(),
    ];
    draft
}

fn dispense_request(request: &Value) -> Option<String> {
    let quantity = request
        .get("quantity")
        .and_then(read::quantity)
        .map(|amount| format!("Dispense {amount}"));
    let refills = request
        .get("numberOfRepeatsAllowed")
        .and_then(read::number)
        .map(|count| format!("refills: {count}"));
    let supply = request
        .get("expectedSupplyDuration")
        .and_then(read::quantity)
        .map(|time| format!("lasts {time}"));
    read::joined([quantity, refills, supply].into_iter().flatten())
}

fn reason(item: &Item<'_>, index: &Index<'_>) -> Option<String> {
    read::concepts_at(item.resource, "reasonCode")
        .or_else(|| index.names(item.resource, "reasonReference"))
}

/// Current and past medicines, what must not be taken, and what was given.
pub fn tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    const COLUMNS: [(&str, Width); 5] = [
        ("Medicine", Width::Wide),
        ("Dosage", Width::Wide),
        ("Ordered / taken", Width::Medium),
        ("Status", Width::Narrow),
        ("By", Width::Medium),
    ];
    let drafts = |wanted: Standing| {
        all(desk)
            .filter(|item| standing(item) == wanted)
            .map(|item| medicine(item, index))
            .collect()
    };
    let handed = ["MedicationDispense", "MedicationAdministration"];
    let handed = handed
        .into_iter()
        .flat_map(|kind| desk.of(kind))
        .map(|item| given(item, index))
        .collect();
    vec![
        table(Some("Current"), &COLUMNS, drafts(Standing::Current)),
        table(
            Some("Not to be taken, or not taken"),
            &COLUMNS,
            drafts(Standing::Not),
        ),
        table(Some("Past"), &COLUMNS, drafts(Standing::Past)),
        table(
            Some("Dispensed and administered"),
            &[
                ("Medicine", Width::Wide),
                ("What", Width::Wide),
                ("When", Width::Medium),
                ("Status", Width::Narrow),
                ("By", Width::Medium),
            ],
            handed,
        ),
    ]
}

/// A dispense or an administration as a row.
fn given(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let dispensed = item.kind == "MedicationDispense";
    let (start, end) = read::when(resource, "effective");
    let start = start
        .or_else(|| read::moment(resource, "whenHandedOver"))
        .or_else(|| read::moment(resource, "whenPrepared"))
        .or_else(|| item.fallback_date());
    let title = name(item, index);
    let amount = resource.get("quantity").and_then(read::quantity);
    let dose = resource
        .get("dosage")
        .filter(|dosage| dosage.is_object())
        .and_then(administered);
    let what = [
        Some(
            if dispensed {
                "Dispensed"
            } else {
                "Administered"
            }
            .to_owned(),
        ),
        amount,
        dose,
        dispensed.then(|| dosage(resource)).flatten(),
    ];
    let performers = list(resource, "performer")
        .filter_map(|performer| index.name(resource, performer.get("actor")?));
    let sub = [
        reason(item, index).map(|reason| format!("For {reason}")),
        read::notes(resource),
    ];
    let mut draft = Draft {
        key: format!(
            "{}|{}|{}",
            title.to_lowercase(),
            item.kind,
            raw(resource, "status").unwrap_or_default()
        ),
        title,
        sub: sub.into_iter().flatten().collect(),
        start,
        end,
        origin: item.origin.clone(),
        ..Draft::default()
    };
    draft.cells = vec![
        read::joined(what.into_iter().flatten()).unwrap_or_default(),
        draft.span(),
        sentence(&status_at(resource, "status").unwrap_or_default()),
        read::joined(performers).unwrap_or_default(),
    ];
    draft
}

/// The dosage of an administration.
fn administered(dosage: &Value) -> Option<String> {
    let dose = dosage.get("dose").and_then(read::quantity);
    let parts = [
        read::string(dosage, "text"),
        dose,
        concept_at(dosage, "route"),
    ];
    read::joined(parts.into_iter().flatten())
}

/// The dosage instructions in words; the source's own words where it has them.
pub fn dosage(resource: &Value) -> Option<String> {
    let key = if resource.get("dosageInstruction").is_some() {
        "dosageInstruction"
    } else {
        "dosage"
    };
    read::join_with(list(resource, key).filter_map(instruction), "; then ")
}

fn instruction(dosage: &Value) -> Option<String> {
    if let Some(text) = read::string(dosage, "text") {
        let extra = read::string(dosage, "patientInstruction").filter(|extra| *extra != text);
        return read::join_with([Some(text), extra].into_iter().flatten(), ". ");
    }
    let dose = list(dosage, "doseAndRate").find_map(|dose| {
        let amount = dose.get("doseQuantity");
        let amount = amount.and_then(|amount| {
            let bare = read::unit(amount).is_empty();
            read::quantity(amount).map(|shown| if bare { format!("dose {shown}") } else { shown })
        });
        amount.or_else(|| dose.get("doseRange").and_then(read::range))
    });
    let parts = [
        dose,
        concept_at(dosage, "route"),
        concept_at(dosage, "method"),
        concept_at(dosage, "site"),
        dosage.get("timing").and_then(timing),
        as_needed(dosage),
        read::concepts_at(dosage, "additionalInstruction"),
        read::string(dosage, "patientInstruction"),
        dosage.get("maxDosePerPeriod").and_then(max_dose),
    ];
    read::joined(parts.into_iter().flatten())
}

fn as_needed(dosage: &Value) -> Option<String> {
    match concept_at(dosage, "asNeededCodeableConcept") {
        Some(why) => Some(format!("as needed for {why}")),
        None => (dosage.get("asNeededBoolean").and_then(Value::as_bool) == Some(true))
            .then(|| "as needed".to_owned()),
    }
}

fn max_dose(ratio: &Value) -> Option<String> {
    let dose = ratio.get("numerator").and_then(read::quantity)?;
    let period = ratio.get("denominator").and_then(read::quantity)?;
    Some(format!("at most {dose} in {period}"))
}

/// A Timing in words: `twice a day`, `1 × every 8 hours`, `at bedtime`.
fn timing(timing: &Value) -> Option<String> {
    let code = concept_at(timing, "code");
    let repeat = timing.get("repeat");
    let how_often = repeat.and_then(frequency);
    let events = repeat
        .into_iter()
        .flat_map(|repeat| list(repeat, "when").chain(list(repeat, "timeOfDay")));
    let events = read::joined(events.filter_map(Value::as_str).map(event));
    let days = repeat
        .into_iter()
        .flat_map(|repeat| list(repeat, "dayOfWeek"));
    let days = read::joined(
        days.filter_map(Value::as_str)
            .map(|day| sentence(&words(day))),
    );
    let bounds = repeat
        .and_then(|repeat| repeat.get("boundsDuration"))
        .and_then(read::quantity);
    let parts = [
        how_often.or(code),
        events,
        days.map(|days| format!("on {days}")),
        bounds.map(|time| format!("for {time}")),
    ];
    read::joined(parts.into_iter().flatten())
}

fn frequency(repeat: &Value) -> Option<String> {
    let times = repeat.get("frequency").and_then(Value::as_u64).unwrap_or(1);
    let most = repeat.get("frequencyMax").and_then(Value::as_u64);
    let period = repeat.get("period").and_then(read::number)?;
    let (one, many) = match raw(repeat, "periodUnit")? {
        "s" => ("second", "seconds"),
        "min" => ("minute", "minutes"),
        "h" => ("hour", "hours"),
        "d" => ("day", "days"),
        "wk" => ("week", "weeks"),
        "mo" => ("month", "months"),
        "a" => ("year", "years"),
        _ => return None,
    };
    let count = match (times, most) {
        (times, Some(most)) if most > times => format!("{times}–{most} times"),
        (1, _) => "once".to_owned(),
        (2, _) => "twice".to_owned(),
        (times, _) => format!("{times} times"),
    };
    Some(if period == "1" {
        format!("{count} {} {one}", if one == "hour" { "an" } else { "a" })
    } else {
        format!("{count} every {period} {many}")
    })
}

/// The event codes of a Timing.
fn event(code: &str) -> String {
    match code {
        "HS" => "at bedtime".to_owned(),
        "WAKE" => "on waking".to_owned(),
        "AC" => "before meals".to_owned(),
        "PC" => "after meals".to_owned(),
        "C" => "with meals".to_owned(),
        "ACM" => "before breakfast".to_owned(),
        "ACV" => "before dinner".to_owned(),
        "PCM" => "after breakfast".to_owned(),
        "PCV" => "after dinner".to_owned(),
        "CM" => "at breakfast".to_owned(),
        "CV" => "at dinner".to_owned(),
        "MORN" => "in the morning".to_owned(),
        "NOON" => "at noon".to_owned(),
        "AFT" => "in the afternoon".to_owned(),
        "EVE" => "in the evening".to_owned(),
        "NIGHT" => "at night".to_owned(),
        other => super::text::title(other),
    }
}
