//! A readable title for every resource.

use super::values::{concept_text, concept_words};
use super::{MAX_TITLE_CHARS, line};
use crate::json::Node;

/// The concept that says what a resource is about.
pub(super) fn main_concept<'n, 'a>(
    resource_type: &str,
    node: &'n Node<'a>,
) -> Option<&'n Node<'a>> {
    let keys: &[&str] = match resource_type {
        "Immunization" => &["vaccineCode"],
        "MedicationRequest"
        | "MedicationStatement"
        | "MedicationDispense"
        | "MedicationAdministration"
        | "MedicationOrder"
        | "MedicationUsage" => &["medicationCodeableConcept", "medication"],
        "DocumentReference"
        | "Composition"
        | "DocumentManifest"
        | "Specimen"
        | "Device"
        | "Coverage"
        | "Claim"
        | "ExplanationOfBenefit"
        | "Encounter"
        | "EpisodeOfCare"
        | "Organization"
        | "Location"
        | "HealthcareService"
        | "SupplyDelivery"
        | "Account"
        | "Media" => &["type"],
        "ImagingStudy" => &["procedureCode"],
        "Appointment" => &["serviceType", "appointmentType", "reasonCode"],
        "CarePlan" | "Consent" | "CareTeam" | "Communication" => &["category"],
        "Goal" => &["description"],
        "AllergyIntolerance" => &["code", "substance"],
        "AdverseEvent" => &["event"],
        "NutritionOrder" => return node.get("oralDiet").and_then(|diet| diet.first_at("type")),
        "FamilyMemberHistory" => &["relationship"],
        "PractitionerRole" => &["specialty", "code"],
        _ => &["code", "type"],
    };
    keys.iter().find_map(|key| {
        let concepts = node.items_at(key);
        // A category that only says "care plan" tells less than the next one.
        let plain = |concept: &&Node<'_>| !is_generic(concept);
        concepts
            .iter()
            .find(plain)
            .or(concepts.first())
            .filter(|concept| concept.is_object())
    })
}

fn is_generic(concept: &Node<'_>) -> bool {
    let generic = |code: &str| matches!(code, "assess-plan" | "clinical-note" | "device");
    concept.str_at("text").is_none()
        && concept
            .items_at("coding")
            .iter()
            .filter_map(|coding| coding.str_at("code"))
            .any(generic)
}

/// The title: never empty, at most 200 characters, one line.
pub(super) fn title(resource_type: &str, node: &Node<'_>, concept: Option<&Node<'_>>) -> String {
    let text = special(resource_type, node)
        .or_else(|| {
            concept
                .filter(|c| !is_generic(c))
                .and_then(concept_words)
                .map(str::to_owned)
        })
        .or_else(|| fallback(node))
        .or_else(|| {
            let code = concept.and_then(concept_text)?;
            Some(format!("{} ({code})", words_of(resource_type)))
        })
        .map(|text| line(&text, MAX_TITLE_CHARS))
        .filter(|text| !text.is_empty());
    text.unwrap_or_else(|| words_of(resource_type))
}

/// Resources whose best title is not their main concept.
fn special(resource_type: &str, node: &Node<'_>) -> Option<String> {
    let text = |key: &str| node.str_at(key).map(str::to_owned);
    match resource_type {
        "Patient" | "RelatedPerson" | "Person" | "Practitioner" => {
            node.first_at("name").and_then(human_name)
        }
        "Composition" | "CarePlan" | "List" | "PlanDefinition" => text("title"),
        "DocumentReference" => text("description").or_else(|| {
            let attachment = node.first_at("content")?.get("attachment")?;
            attachment.str_at("title").map(str::to_owned)
        }),
        "CareTeam" | "Organization" | "Location" | "HealthcareService" => {
            node.get("name").and_then(Node::as_str).map(str::to_owned)
        }
        "Device" => node
            .first_at("deviceName")
            .and_then(|name| name.str_at("name"))
            .or_else(|| concept_text(node.get("type")?))
            .map(str::to_owned),
        "ImagingStudy" | "Appointment" => text("description"),
        "FamilyMemberHistory" => family(node),
        "Encounter" => encounter(node),
        "MedicationRequest"
        | "MedicationStatement"
        | "MedicationDispense"
        | "MedicationAdministration"
        | "MedicationOrder"
        | "MedicationUsage" => medication(node),
        "Coverage" => coverage(node),
        "Claim" | "ExplanationOfBenefit" | "ClaimResponse" => claim(resource_type, node),
        "QuestionnaireResponse" => questionnaire(node),
        "Media" => node
            .get("content")
            .and_then(|content| content.str_at("title"))
            .map(str::to_owned),
        "SupplyDelivery" => node
            .at(&["suppliedItem", "itemCodeableConcept"])
            .and_then(concept_text)
            .map(str::to_owned),
        "ImmunizationRecommendation" => node
            .first_at("recommendation")
            .and_then(|first| first.first_at("vaccineCode"))
            .and_then(concept_text)
            .map(|vaccine| format!("Recommended: {vaccine}")),
        "RiskAssessment" => node
            .first_at("prediction")
            .and_then(|prediction| concept_text(prediction.get("outcome")?))
            .map(|outcome| format!("Risk: {outcome}")),
        "Binary" => text("contentType").map(|kind| format!("File ({kind})")),
        "Provenance" | "AuditEvent" | "Bundle" | "Parameters" => Some(words_of(resource_type)),
        _ => None,
    }
}

fn human_name(name: &Node<'_>) -> Option<String> {
    if let Some(text) = name.str_at("text").or_else(|| name.as_str()) {
        return Some(text.to_owned());
    }
    let given = name.items_at("given").iter().filter_map(Node::as_str);
    let family = name.items_at("family").iter().filter_map(Node::as_str);
    let parts: Vec<_> = given.chain(family).collect();
    if parts.is_empty() {
        None
    } else {
        Some(parts.join(" "))
    }
}

fn family(node: &Node<'_>) -> Option<String> {
    let relation = node.get("relationship").and_then(concept_text);
    let conditions: Vec<_> = node
        .items_at("condition")
        .iter()
        .filter_map(|condition| concept_text(condition.get("code")?))
        .take(4)
        .collect();
    match (relation, conditions.is_empty()) {
        (Some(relation), true) => Some(format!("Family history: {relation}")),
        (Some(relation), false) => Some(format!("{relation}: {}", conditions.join(", "))),
        (None, false) => Some(format!("Family history: {}", conditions.join(", "))),
        (None, true) => None,
    }
}

fn encounter(node: &Node<'_>) -> Option<String> {
    let of = |key: &str| node.first_at(key).and_then(concept_text).map(str::to_owned);
    of("type")
        .or_else(|| of("serviceType"))
        .or_else(|| of("reasonCode"))
        .or_else(|| of("reason"))
        .or_else(|| {
            let class = node.get("class")?;
            let word = class
                .str_at("display")
                .or_else(|| class.str_at("code"))
                .or_else(|| class.as_str())?;
            Some(format!("Visit ({word})"))
        })
}

fn medication(node: &Node<'_>) -> Option<String> {
    if let Some(concept) = node.get("medicationCodeableConcept") {
        return concept_text(concept).map(str::to_owned);
    }
    let reference = node
        .get("medicationReference")
        .or_else(|| node.at(&["medication", "reference"]))?;
    if let Some(display) = reference.str_at("display") {
        return Some(display.to_owned());
    }
    let id = reference.str_at("reference")?.strip_prefix('#')?;
    let contained = node
        .items_at("contained")
        .iter()
        .find(|c| c.str_at("id") == Some(id))?;
    contained
        .get("code")
        .and_then(concept_text)
        .map(str::to_owned)
}

fn coverage(node: &Node<'_>) -> Option<String> {
    let payor = node
        .items_at("payor")
        .iter()
        .find_map(|payor| payor.str_at("display"));
    let class = node
        .items_at("class")
        .iter()
        .find_map(|class| class.str_at("name"));
    payor.or(class).map(str::to_owned)
}

fn claim(resource_type: &str, node: &Node<'_>) -> Option<String> {
    let what = if resource_type == "ExplanationOfBenefit" {
        "Explanation of benefit"
    } else {
        "Claim"
    };
    let item = node.items_at("item").iter().find_map(|item| {
        concept_text(
            item.get("productOrService")
                .or_else(|| item.get("service"))?,
        )
    });
    let item = item.or_else(|| node.get("type").and_then(concept_text));
    item.map(|item| format!("{what}: {item}"))
}

fn questionnaire(node: &Node<'_>) -> Option<String> {
    let reference = node.get("questionnaire")?;
    let display = node
        .at(&["_questionnaire"])
        .and_then(|shadow| {
            shadow
                .items_at("extension")
                .iter()
                .find_map(|e| e.str_at("valueString"))
        })
        .or_else(|| reference.str_at("display"));
    if let Some(display) = display {
        return Some(display.to_owned());
    }
    let canonical = reference
        .as_str()
        .or_else(|| reference.str_at("reference"))?;
    let name = canonical
        .split('|')
        .next()?
        .rsplit('/')
        .next()?
        .trim_start_matches('#');
    if name.is_empty() {
        None
    } else {
        Some(format!("Questionnaire: {}", name.replace(['-', '_'], " ")))
    }
}

/// Last resorts that many resources share.
fn fallback(node: &Node<'_>) -> Option<String> {
    ["title", "name", "description", "summary"]
        .into_iter()
        .find_map(|key| {
            let value = node.get(key)?;
            value.as_str().or_else(|| concept_text(value))
        })
        .or_else(|| node.first_at("reasonCode").and_then(concept_text))
        .or_else(|| {
            let activity = node.first_at("activity")?;
            activity.at(&["detail", "code"]).and_then(concept_text)
        })
        .map(str::to_owned)
}

/// `ExplanationOfBenefit` → `Explanation of benefit`.
fn words_of(resource_type: &str) -> String {
    let mut words = String::with_capacity(resource_type.len() + 4);
    for (index, letter) in resource_type.chars().enumerate() {
        if index > 0 && letter.is_ascii_uppercase() {
            words.push(' ');
            words.push(letter.to_ascii_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}
