//! Which searches a pull walks through: the types that matter to a patient and
//! that the server declares, with the parameters it will not answer without.

use chartkey_domain::connections::{SourcePlan, SourceQuery};

use super::discover::{Declared, Discovered};
use super::settings::{Settings, Shape};

/// What is asked for when it is declared, in this order after the patient.
pub(super) const TYPES: &[&str] = &[
    "AllergyIntolerance",
    "Condition",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationDispense",
    "MedicationAdministration",
    "Immunization",
    "ImmunizationRecommendation",
    "Observation",
    "DiagnosticReport",
    "DocumentReference",
    "Composition",
    "Procedure",
    "Encounter",
    "EpisodeOfCare",
    "CarePlan",
    "CareTeam",
    "Goal",
    "NutritionOrder",
    "ServiceRequest",
    "DeviceRequest",
    "Device",
    "DeviceUseStatement",
    "FamilyMemberHistory",
    "ClinicalImpression",
    "DetectedIssue",
    "RiskAssessment",
    "Flag",
    "QuestionnaireResponse",
    "Specimen",
    "ImagingStudy",
    "Media",
    "BodyStructure",
    "VisionPrescription",
    "Communication",
    "Appointment",
    "Consent",
    "Coverage",
    "Claim",
    "ExplanationOfBenefit",
    "RelatedPerson",
];

/// What is asked for where nothing is declared: what US Core obliges to.
const UNDECLARED: &[&str] = &[
    "AllergyIntolerance",
    "Condition",
    "MedicationRequest",
    "Immunization",
    "Observation",
    "DiagnosticReport",
    "DocumentReference",
    "Procedure",
    "Encounter",
    "CarePlan",
    "CareTeam",
    "Goal",
];

/// Categories of observations, where a search needs one.
const OBSERVATION_CATEGORIES: &[&str] = &[
    "laboratory",
    "vital-signs",
    "social-history",
    "survey",
    "exam",
    "imaging",
    "procedure",
    "therapy",
    "activity",
];

/// Types whose `date` narrows a search where `_lastUpdated` is not declared.
const DATED: &[&str] = &[
    "Observation",
    "DiagnosticReport",
    "DocumentReference",
    "Procedure",
    "Encounter",
    "Immunization",
];

/// The name of the one search that asks for everything.
pub(super) const EVERYTHING: &str = "Patient/$everything";

/// The parameter that narrows a search of this type to what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since<'a> {
    /// `_lastUpdated`, as the server writes it.
    Updated(&'a str),
    /// `date`, by the day.
    Date,
}

/// How a type's search is narrowed to what changed, if it can be.
pub(super) fn since<'a>(discovered: &'a Discovered, resource_type: &str) -> Option<Since<'a>> {
    let declared = discovered.types.get(resource_type)?;
    if let Some(name) = declared.param("_lastUpdated") {
        return Some(Since::Updated(name));
    }
    (DATED.contains(&resource_type) && declared.param("date").is_some()).then_some(Since::Date)
}

fn shape(settings: &Settings, discovered: &Discovered) -> Shape {
    if settings.shape != Shape::Auto {
        return settings.shape;
    }
    let software = discovered.software.as_deref().unwrap_or_default();
    let software = software.to_ascii_lowercase();
    if software.contains("epic") {
        Shape::Epic
    } else if software.contains("oracle") || software.contains("cerner") {
        Shape::Oracle
    } else if software.contains("athena") {
        Shape::Athena
    } else {
        Shape::Auto
    }
}

/// The parameters without which a search of a type is refused; one search each.
fn required(shape: Shape, declared: &Declared, resource_type: &str) -> Vec<String> {
    let strict = matches!(shape, Shape::Epic | Shape::Athena)
        || (shape == Shape::Auto && declared.needs_more);
    match resource_type {
        "Observation" if strict => OBSERVATION_CATEGORIES
            .iter()
            .map(|category| format!("category={category}"))
            .collect(),
        // Epic's longitudinal plan; everywhere else what US Core calls one.
        "CarePlan" if shape == Shape::Epic => vec!["category=38717003".to_owned()],
        "CarePlan" if strict || shape == Shape::Oracle => vec!["category=assess-plan".to_owned()],
        "MedicationRequest" if strict => vec!["intent=order,plan".to_owned()],
        _ => vec![String::new()],
    }
}

/// The searches for one patient.
pub(super) fn plan(settings: &Settings, discovered: &Discovered) -> SourcePlan {
    let mut queries = vec![SourceQuery {
        name: "Patient".to_owned(),
        resource_type: "Patient".to_owned(),
        incremental: false,
    }];
    if settings.everything && discovered.everything {
        queries.push(SourceQuery {
            name: EVERYTHING.to_owned(),
            resource_type: "Patient".to_owned(),
            incremental: true,
        });
    } else {
        let undeclared = Declared::default();
        let shape = shape(settings, discovered);
        for resource_type in wanted(settings, discovered) {
            let declared = discovered.types.get(resource_type).unwrap_or(&undeclared);
            for params in required(shape, declared, resource_type) {
                let mark = if params.is_empty() { "" } else { "?" };
                queries.push(SourceQuery {
                    name: format!("{resource_type}{mark}{params}"),
                    resource_type: resource_type.to_owned(),
                    incremental: since(discovered, resource_type).is_some(),
                });
            }
        }
    }
    SourcePlan {
        queries,
        discovered: discovered.to_value(),
    }
}

fn wanted(settings: &Settings, discovered: &Discovered) -> Vec<&'static str> {
    let by_patient = |resource_type: &str| {
        discovered
            .types
            .get(resource_type)
            .is_some_and(|declared| patient_param(declared).is_some())
    };
    let known = if discovered.types.is_empty() {
        UNDECLARED
    } else {
        TYPES
    };
    let chosen = |name: &&&str| {
        let listed = |list: &[String]| list.iter().any(|listed| listed == **name);
        (settings.types.is_empty() || listed(&settings.types)) && !listed(&settings.exclude_types)
    };
    known
        .iter()
        .filter(chosen)
        .filter(|name| discovered.types.is_empty() || by_patient(name))
        .copied()
        .collect()
}

/// The parameter that says whose: `patient`, else `subject`.
pub(super) fn patient_param(declared: &Declared) -> Option<&str> {
    declared
        .param("patient")
        .or_else(|| declared.param("subject"))
}
