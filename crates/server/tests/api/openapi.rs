//! The description of the API.

use std::collections::BTreeSet;

use chartkey_domain::policy::Action;
use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&chartkey_server::api::document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    found
}

#[test]
fn every_operation_is_named_tagged_and_told_apart() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(names.insert(name.clone()), "{name} stands twice");
        assert!(operation["tags"][0].is_string(), "{method} {path}");
        assert!(operation["summary"].is_string(), "{method} {path}");
    }
}

#[test]
fn every_operation_is_one_that_the_policy_knows() {
    // Second ways to say what the policy knows under another name.
    let others = [
        ("attach_patient", "attach_source"),
        ("create_document", "create_record"),
        ("delete_document", "delete_record"),
        ("end_session", "delete_session"),
        ("end_share", "revoke_share"),
        ("find_document", "find_record"),
        ("find_document_request", "list_document_requests"),
        ("find_log", "list_logs"),
        ("find_share", "list_shares"),
        ("find_shared_blob", "open_share"),
        ("list_attachments", "find_connection"),
        ("list_documents", "list_records"),
        ("list_own_document_requests", "list_document_requests"),
        ("open_shl_ticket", "open_shl_file"),
        ("update_document", "update_record"),
    ];
    let mut known: BTreeSet<&str> = Action::ALL.iter().map(|action| action.id()).collect();
    for (other, name) in others {
        assert!(known.contains(name), "{name}");
        known.insert(other);
    }
    for (path, method, operation) in operations(&document()) {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(known.contains(name.as_str()), "{method} {path}: {name}");
    }
}
