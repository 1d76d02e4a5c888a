//! What a server says of itself: `/metadata` and `.well-known/smart-configuration`.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::answers::json_answer;
use super::quirks::{Quirks, Shape};
use super::resources::set;

const SEARCHED: &[&str] = &[
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Claim",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "ExplanationOfBenefit",
    "Goal",
    "ImagingStudy",
    "Immunization",
    "MedicationAdministration",
    "MedicationRequest",
    "Observation",
    "Procedure",
];
const DATED: &[&str] = &[
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Immunization",
    "Observation",
    "Procedure",
];
const WRITTEN: &[&str] = &["Binary", "DocumentReference", "Patient", "Task"];

const fn software(shape: Shape) -> &'static str {
    match shape {
        Shape::Epic => "Epic",
        Shape::Oracle => "Oracle Health Millennium Platform",
        Shape::Plain => "Plain FHIR server",
    }
}

fn combinations() -> Value {
    let url =
        "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination";
    let one = |names: &[&str]| {
        let required: Vec<_> = names
            .iter()
            .map(|name| json!({"url": "required", "valueString": name}))
            .collect();
        json!({"url": url, "extension": required})
    };
    json!([one(&["patient", "category"]), one(&["patient", "code"])])
}

fn resource(kind: &str, quirks: &Quirks) -> Value {
    let mut names = vec!["patient"];
    if quirks.date && DATED.contains(&kind) {
        names.push("date");
    }
    if matches!(kind, "Observation" | "CarePlan" | "Condition") {
        names.push("category");
    }
    names.extend(quirks.last_updated.as_deref());
    let mut interactions = vec![json!({"code": "read"}), json!({"code": "search-type"})];
    if quirks.writable && WRITTEN.contains(&kind) {
        interactions.extend(["create", "update", "delete"].map(|code| json!({"code": code})));
    }
    let params: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let mut declared = json!({"type": kind, "interaction": interactions, "searchParam": params});
    if quirks.includes && kind == "MedicationRequest" {
        set(
            &mut declared,
            "searchInclude",
            json!(["MedicationRequest:medication"]),
        );
    }
    if quirks.declares_combinations && kind == "Observation" {
        set(&mut declared, "extension", combinations());
    }
    declared
}

/// The CapabilityStatement.
pub(crate) fn metadata(shape: Shape, quirks: &Quirks) -> Response {
    let mut patient = json!({"type": "Patient", "interaction": [{"code": "read"},
        {"code": "search-type"}], "searchParam": [{"name": "_id"}, {"name": "identifier"},
        {"name": "birthdate"}, {"name": "family"}]});
    if quirks.everything {
        set(
            &mut patient,
            "operation",
            json!([{"name": "everything",
            "definition": "http://hl7.org/fhir/OperationDefinition/Patient-everything"}]),
        );
    }
    let mut resources: Vec<_> = SEARCHED.iter().map(|kind| resource(kind, quirks)).collect();
    if quirks.writable {
        let more = [json!({"code": "create"}), json!({"code": "update"})];
        if let Some(interactions) = patient.get_mut("interaction").and_then(Value::as_array_mut) {
            interactions.extend(more);
        }
        resources.push(json!({"type": "Task", "interaction": [{"code": "create"},
            {"code": "read"}, {"code": "update"}, {"code": "search-type"}],
            "searchParam": [{"name": "identifier"}]}));
    }
    let mut binary = vec![json!({"code": "read"})];
    if quirks.writable {
        binary.push(json!({"code": "create"}));
    }
    resources.push(json!({"type": "Binary", "interaction": binary}));
    resources.push(patient);
    let statement = json!({"resourceType": "CapabilityStatement", "status": "active",
        "kind": "instance", "fhirVersion": "4.0.1", "date": "2026-05-01",
        "format": ["json", quirks.json_type], "software": {"name": software(shape)},
        "implementation": {"description": software(shape)},
        "rest": [{"mode": "server", "resource": resources}]});
    json_answer(StatusCode::OK, &quirks.json_type, &statement)
}

/// The SMART configuration.
pub(crate) fn smart(authorize_url: &str, token_url: &str) -> Response {
    let configuration = json!({
        "authorization_endpoint": authorize_url,
        "token_endpoint": token_url,
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "scopes_supported": ["launch/patient", "openid", "fhirUser", "offline_access",
            "patient/*.rs", "system/*.rs"],
        "capabilities": ["launch-standalone", "client-public",
            "client-confidential-symmetric", "client-confidential-asymmetric",
            "context-standalone-patient", "permission-offline", "permission-patient",
            "permission-v2"],
    });
    json_answer(StatusCode::OK, "application/json", &configuration)
}
