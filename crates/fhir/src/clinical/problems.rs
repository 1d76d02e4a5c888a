//! What is wrong and what is dangerous: conditions, allergies, flags, adverse
//! events, and assessments of risk.

use serde_json::Value;

use super::Desk;
use super::document::{Table, Width};
use super::read::{self, Index, Item, concept_at, concepts_at, list, status_at};
use super::rows::{Draft, table};
use super::text::{semantic_tag, sentence, words};

/// How a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Active, recurring, relapsed, or not known to be over.
    Active,
    /// Inactive, in remission, resolved.
    Past,
    /// Refuted.
    Refuted,
}

/// How a condition or an allergy stands.
pub fn standing(item: &Item<'_>) -> Standing {
    let resource = item.resource;
    if read::code_at(resource, "verificationStatus") == Some("refuted") {
        return Standing::Refuted;
    }
    let over = read::when_text(resource, "abatement").is_some()
        || resource.get("abatementBoolean").and_then(Value::as_bool) == Some(true);
    match read::code_at(resource, "clinicalStatus") {
        Some("inactive" | "remission" | "resolved") => Standing::Past,
        None if over => Standing::Past,
        _ => Standing::Active,
    }
}

/// Status and verification in words; says where a status is missing.
pub fn status(item: &Item<'_>) -> String {
    let clinical =
        status_at(item.resource, "clinicalStatus").unwrap_or_else(|| "status not given".to_owned());
    let verification =
        status_at(item.resource, "verificationStatus").filter(|word| word != "confirmed");
    read::joined([Some(clinical), verification].into_iter().flatten()).unwrap_or_default()
}

/// Diagnoses before findings: social findings are often coded as conditions.
pub fn rank(item: &Item<'_>) -> u8 {
    let name = item
        .resource
        .get("code")
        .and_then(read::full_name)
        .unwrap_or_default();
    match semantic_tag(&name) {
        Some("finding" | "situation" | "occupation" | "person") => 1,
        _ => 0,
    }
}

/// A condition as a row.
pub fn condition(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let (start, _) = read::when(resource, "onset");
    let (abated, ended) = read::when(resource, "abatement");
    let start = start
        .or_else(|| read::moment(resource, "recordedDate"))
        .or_else(|| item.fallback_date());
    let title = concept_at(resource, "code").unwrap_or_else(|| item.fallback_title());
    let onset_words = ["onsetAge", "onsetRange", "onsetString"]
        .iter()
        .any(|key| resource.get(*key).is_some())
        .then(|| read::when_text(resource, "onset"))
        .flatten()
        .map(|onset| format!("Onset: {onset}"));
    let evidence = list(resource, "evidence").filter_map(|evidence| concepts_at(evidence, "code"));
    let stage = list(resource, "stage").filter_map(|stage| concept_at(stage, "summary"));
    let sub = [
        onset_words,
        concepts_at(resource, "bodySite").map(|site| format!("Site: {site}")),
        read::joined(stage).map(|stage| format!("Stage: {stage}")),
        read::joined(evidence).map(|evidence| format!("Evidence: {evidence}")),
        index
            .name(
                resource,
                resource
                    .get("asserter")
                    .or_else(|| resource.get("recorder"))
                    .unwrap_or(&Value::Null),
            )
            .map(|by| format!("By {by}")),
        read::notes(resource),
    ];
    let mut draft = Draft {
        key: format!(
            "{}|{:?}",
            read::concept_key(resource.get("code").unwrap_or(&Value::Null))
                .unwrap_or_else(|| title.to_lowercase()),
            standing(item)
        ),
        title,
        sub: sub.into_iter().flatten().collect(),
        start,
        end: ended.or(abated),
        rank: rank(item),
        origin: item.origin.clone(),
        ..Draft::default()
    };
    draft.cells = vec![
        draft.span(),
        sentence(&status(item)),
        concept_at(resource, "severity").unwrap_or_default(),
    ];
    draft
}

/// Active and past problems, what was refuted, and assessments.
pub fn tables(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    const COLUMNS: [(&str, Width); 4] = [
        ("Problem", Width::Wide),
        ("Since / from – to", Width::Medium),
        ("Status", Width::Narrow),
        ("Severity", Width::Narrow),
    ];
    let drafts = |wanted: Standing| {
        desk.of("Condition")
            .filter(|item| standing(item) == wanted)
            .map(|item| condition(item, index))
            .collect()
    };
    let assessments = desk
        .of("ClinicalImpression")
        .chain(desk.of("RiskAssessment"))
        .map(|item| assessment(item, index))
        .collect();
    vec![
        table(Some("Active"), &COLUMNS, drafts(Standing::Active)),
        table(Some("Past"), &COLUMNS, drafts(Standing::Past)),
        table(Some("Ruled out"), &COLUMNS, drafts(Standing::Refuted)),
        table(
            Some("Assessments"),
            &[
                ("Assessment", Width::Wide),
                ("Date", Width::Narrow),
                ("Outcome", Width::Wide),
            ],
            assessments,
        ),
    ]
}

fn assessment(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let predictions = list(resource, "prediction").filter_map(|prediction| {
        let outcome =
            concept_at(prediction, "outcome").unwrap_or_else(|| "outcome not named".to_owned());
        let chance = prediction.get("probabilityDecimal").and_then(read::number);
        let range = prediction.get("probabilityRange").and_then(read::range);
        let grade = concept_at(prediction, "qualitativeRisk");
        read::join_with(
            [Some(outcome), chance.or(range).or(grade)]
                .into_iter()
                .flatten(),
            ": ",
        )
    });
    let findings =
        list(resource, "finding").filter_map(|finding| concept_at(finding, "itemCodeableConcept"));
    let outcome = [
        read::string(resource, "summary"),
        read::joined(findings),
        read::join_with(predictions, "; "),
        read::string(resource, "mitigation"),
        index.names(resource, "problem"),
        read::notes(resource),
    ];
    let start = super::item_moment(item);
    let mut draft = Draft {
        title: concept_at(resource, "code")
            .or_else(|| read::string(resource, "description"))
            .or_else(|| concept_at(resource, "method"))
            .unwrap_or_else(|| item.fallback_title()),
        start,
        origin: item.origin.clone(),
        ..Draft::default()
    };
    draft.cells = vec![
        draft.span(),
        read::join_with(outcome.into_iter().flatten(), ". ").unwrap_or_default(),
    ];
    draft
}

/// Flags and adverse events.
pub fn alerts(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    let flags = desk.of("Flag").map(flag).collect();
    let events = desk
        .of("AdverseEvent")
        .map(|item| adverse_event(item, index))
        .collect();
    vec![
        table(
            Some("Flags"),
            &[
                ("Alert", Width::Wide),
                ("Since / from – to", Width::Medium),
                ("Status", Width::Narrow),
            ],
            flags,
        ),
        table(
            Some("Adverse events"),
            &[
                ("Event", Width::Wide),
                ("Date", Width::Narrow),
                ("Seriousness", Width::Medium),
            ],
            events,
        ),
    ]
}

/// A flag as a row.
pub fn flag(item: &Item<'_>) -> Draft {
    let resource = item.resource;
    let (start, end) = read::period(resource, "period");
    let active = read::raw(resource, "status") == Some("active");
    let mut draft = Draft {
        title: concept_at(resource, "code").unwrap_or_else(|| item.fallback_title()),
        sub: concepts_at(resource, "category").into_iter().collect(),
        start: start.or_else(|| item.fallback_date()),
        end,
        urgent: active,
        rank: u8::from(!active),
        origin: item.origin.clone(),
        ..Draft::default()
    };
    draft.cells = vec![
        draft.span(),
        sentence(&status_at(resource, "status").unwrap_or_default()),
    ];
    draft
}

/// An adverse event as a row.
pub fn adverse_event(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let suspects = list(resource, "suspectEntity")
        .filter_map(|entity| index.name(resource, entity.get("instance")?));
    let grade = [
        concept_at(resource, "severity"),
        concept_at(resource, "seriousness"),
        concept_at(resource, "outcome").map(|outcome| words(&outcome)),
    ];
    let mut draft = Draft {
        title: concept_at(resource, "event").unwrap_or_else(|| item.fallback_title()),
        sub: read::joined(suspects)
            .map(|cause| format!("Suspected: {cause}"))
            .into_iter()
            .collect(),
        start: super::item_moment(item),
        urgent: true,
        origin: item.origin.clone(),
        ..Draft::default()
    };
    draft.cells = vec![
        draft.span(),
        read::joined(grade.into_iter().flatten()).unwrap_or_default(),
    ];
    draft
}

/// Allergies that stand, and those that don't.
pub fn allergies(desk: &Desk<'_>, index: &Index<'_>) -> Vec<Option<Table>> {
    const COLUMNS: [(&str, Width); 5] = [
        ("Substance", Width::Wide),
        ("Reactions", Width::Wide),
        ("Criticality", Width::Narrow),
        ("Since", Width::Narrow),
        ("Status", Width::Narrow),
    ];
    let drafts = |stands: bool| {
        desk.of("AllergyIntolerance")
            .filter(|item| (standing(item) == Standing::Active) == stands)
            .map(|item| allergy(item, index))
            .collect()
    };
    vec![
        table(None, &COLUMNS, drafts(true)),
        table(
            Some("Inactive, resolved or ruled out"),
            &COLUMNS,
            drafts(false),
        ),
    ]
}

/// An allergy as a row.
pub fn allergy(item: &Item<'_>, index: &Index<'_>) -> Draft {
    let resource = item.resource;
    let high =
        read::raw(resource, "criticality") == Some("high") && standing(item) == Standing::Active;
    let (onset, _) = read::when(resource, "onset");
    let about = [
        concepts_at(resource, "category").map(|category| sentence(&words(&category))),
        read::raw(resource, "type").map(words),
    ];
    let last =
        read::moment(resource, "lastOccurrence").map(|last| format!("Last reaction {}", last.date));
    let sub = [
        read::joined(about.into_iter().flatten()),
        last,
        resource
            .get("asserter")
            .and_then(|by| index.name(resource, by))
            .map(|by| format!("By {by}")),
        read::notes(resource),
    ];
    let mut draft = Draft {
        title: allergy_title(item),
        sub: sub.into_iter().flatten().collect(),
        start: onset
            .or_else(|| read::moment(resource, "recordedDate"))
            .or_else(|| item.fallback_date()),
        rank: u8::from(!high),
        urgent: high,
        origin: item.origin.clone(),
        ..Draft::default()
    };
    draft.cells = vec![
        reactions(item).unwrap_or_default(),
        criticality(item).to_owned(),
        draft.span(),
        sentence(&status(item)),
    ];
    draft
}

/// The substance, or the statement that there is none.
pub fn allergy_title(item: &Item<'_>) -> String {
    concept_at(item.resource, "code")
        .or_else(|| {
            list(item.resource, "reaction").find_map(|reaction| concept_at(reaction, "substance"))
        })
        .unwrap_or_else(|| item.fallback_title())
}

/// Criticality in words.
pub fn criticality(item: &Item<'_>) -> &'static str {
    match read::raw(item.resource, "criticality") {
        Some("high") => "High",
        Some("low") => "Low",
        Some("unable-to-assess") => "Not assessable",
        _ => "",
    }
}

/// All reactions with their severity.
pub fn reactions(item: &Item<'_>) -> Option<String> {
    let reactions = list(item.resource, "reaction").filter_map(|reaction| {
        let what = concepts_at(reaction, "manifestation")
            .or_else(|| read::string(reaction, "description"))?;
        let how = read::raw(reaction, "severity").map(words);
        let cause = concept_at(reaction, "substance").filter(|cause| *cause != allergy_title(item));
        let cause = cause.map(|cause| format!("to {cause}"));
        Some(match read::joined([how, cause].into_iter().flatten()) {
            Some(how) => format!("{what} ({how})"),
            None => what,
        })
    });
    read::join_with(reactions, "; ")
}

/// Whether an allergy record states that there is no allergy: SNOMED CT, and the
/// code system that IPS 2.0 dropped.
pub fn is_known_absence(item: &Item<'_>) -> bool {
    item.resource.get("code").is_some_and(|code| {
        read::has_code(
            code,
            &[
                "716186003",
                "409137002",
                "429625007",
                "428607008",
                "428197003",
                "no-known-allergies",
                "no-known-medication-allergies",
                "no-known-environmental-allergies",
                "no-known-food-allergies",
                "no-allergy-info",
            ],
        )
    })
}
