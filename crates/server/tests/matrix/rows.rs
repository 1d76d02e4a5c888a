//! A row for each operation: the request, about the owner's things, and who is
//! to hear yes.

use chartkey_benches::{Call, PASSWORD};
use serde_json::{Value, json};

use crate::cast::{Who, World, lab, rows_media};

/// An operation.
pub struct Row {
    /// As the API's description names it.
    pub operation: &'static str,
    /// The request, for one who asks.
    pub call: fn(&mut World, Who) -> Call,
    /// Who is let in.
    pub yes: &'static [Who],
    /// Only a key-holder could make the message: it is malformed here.
    pub sealed: bool,
    /// What it tells may be told to anybody.
    pub public: bool,
}

const ALL: &[Who] = &Who::ALL;
const NOBODY: &[Who] = &[];
const OWNER: &[Who] = &[Who::Owner];
const ADMIN: &[Who] = &[Who::Admin];
const OWNER_AND_ADMIN: &[Who] = &[Who::Admin, Who::Owner];
const ADMIN_AND_PROVIDERS: &[Who] = &[
    Who::OtherProvider,
    Who::Expired,
    Who::Revoked,
    Who::OtherType,
    Who::Admin,
];
const PATIENTS_AND_PROVIDERS: &[Who] = &[
    Who::Stranger,
    Who::OtherProvider,
    Who::Expired,
    Who::Revoked,
    Who::OtherType,
    Who::Owner,
];
const PATIENTS: &[Who] = &[Who::Stranger, Who::Owner];
const PROVIDERS: &[Who] = &[
    Who::OtherProvider,
    Who::Expired,
    Who::Revoked,
    Who::OtherType,
];
const OWNER_AND_GRANTEE: &[Who] = &[Who::OtherType, Who::Owner];
/// Whoever holds any grant: by then the other provider was given vaccines, by
/// the rows that make grants to be revoked.
const OWNER_AND_GRANTEES: &[Who] = &[Who::OtherProvider, Who::OtherType, Who::Owner];
const SIGNED_IN: &[Who] = &[
    Who::Stranger,
    Who::OtherProvider,
    Who::Expired,
    Who::Revoked,
    Who::OtherType,
    Who::Admin,
    Who::Owner,
];

const fn row(
    operation: &'static str,
    yes: &'static [Who],
    call: fn(&mut World, Who) -> Call,
) -> Row {
    Row {
        operation,
        call,
        yes,
        sealed: false,
        public: false,
    }
}

const fn public(
    operation: &'static str,
    yes: &'static [Who],
    call: fn(&mut World, Who) -> Call,
) -> Row {
    Row {
        operation,
        call,
        yes,
        sealed: false,
        public: true,
    }
}

const fn sealed(
    operation: &'static str,
    yes: &'static [Who],
    call: fn(&mut World, Who) -> Call,
) -> Row {
    Row {
        operation,
        call,
        yes,
        sealed: true,
        public: false,
    }
}

fn message(call: Call, body: &Value) -> Call {
    call.body(rows_media(), body.to_string())
}

/// A statement of the right form that nobody signed.
fn statement() -> Value {
    json!({"body": "{}", "signature": "A".repeat(86) + "=="})
}

/// The rows, in the order of the API's description.
pub const ROWS: &[Row] = &[
    public("healthz", ALL, |_, _| Call::get("/healthz")),
    public("readyz", ALL, |_, _| Call::get("/readyz")),
    public("metrics", ALL, |_, _| Call::get("/metrics")),
    public("find_openapi", ALL, |_, _| Call::get("/api/openapi.json")),
    public("find_jwks", ALL, |_, _| Call::get("/.well-known/jwks.json")),
    public("find_checkpoint", ALL, |_, _| {
        Call::get("/api/audit/checkpoint")
    }),
    public("find_checkpoint_key", ALL, |_, _| {
        Call::get("/api/audit/checkpoint/key")
    }),
    public("find_consistency", ALL, |_, _| {
        Call::get("/api/audit/consistency?from=1&to=2")
    }),
    // Accounts.
    public("create_patient", ALL, |world, _| {
        let email = format!("patient-{}@chartkey.test", world.next());
        Call::post("/api/patients/register")
            .json(&json!({"email": email, "password": PASSWORD, "name": "New"}))
    }),
    public("create_provider", ALL, |world, _| {
        let email = format!("provider-{}@chartkey.test", world.next());
        Call::post("/api/providers/register")
            .json(&json!({"email": email, "password": PASSWORD, "name": "New",
            "type": "Physician", "license_number": "1", "license_country": "DE"}))
    }),
    row("verify_email", NOBODY, |_, _| {
        Call::post("/api/auth/verify-email").json(&json!({"token": "A".repeat(43)}))
    }),
    row("resend_verification", SIGNED_IN, |_, _| {
        Call::post("/api/auth/verify-email/resend")
    }),
    row("find_profile", PATIENTS, |_, _| {
        Call::get("/api/patients/profile")
    }),
    row("update_profile", PATIENTS, |_, who| {
        Call::put("/api/patients/profile").json(&json!({"name": who.name()}))
    }),
    row("find_account_keys", SIGNED_IN, |world, _| {
        Call::get(format!("/api/keys/{}", world.person(Who::Owner).account))
    }),
    // Sessions.
    public("find_kdf", ALL, |_, _| {
        Call::post("/api/auth/prelogin").json(&json!({"email": "whoever@chartkey.test"}))
    }),
    row("create_session", NOBODY, |world, _| {
        let email = format!("unknown-{}@chartkey.test", world.next());
        Call::post("/api/auth/login").json(&json!({"email": email, "password": PASSWORD}))
    }),
    row("refresh_session", NOBODY, |_, _| {
        Call::post("/api/auth/refresh").json(&json!({"refresh_token": "A".repeat(64)}))
    }),
    row("recover_account", NOBODY, |world, _| {
        let email = format!("unknown-{}@chartkey.test", world.next());
        let code = world.person(Who::Owner).recovery_code.clone();
        let body = json!({"email": email, "recovery_code": code, "new_password": PASSWORD});
        Call::post("/api/auth/recover").json(&body)
    }),
    row("find_session", SIGNED_IN, |_, _| {
        Call::get("/api/auth/session")
    }),
    row("list_sessions", SIGNED_IN, |_, _| {
        Call::get("/api/auth/sessions")
    }),
    row("end_session", SIGNED_IN, |world, who| {
        let call = Call::post("/api/auth/logout");
        match world.has(who) {
            true => call.token(&world.fresh_session(who).1),
            false => call,
        }
    }),
    row("delete_session", OWNER, |world, _| {
        Call::delete(format!("/api/auth/sessions/{}", world.spare))
    }),
    row("update_password", NOBODY, |_, _| {
        let body = json!({"current_password": "not-my-password-at-all", "new_password": "some-other-password-77"});
        Call::post("/api/auth/password").json(&body)
    }),
    row("rekey_account", NOBODY, |_, _| {
        let body = json!({"password": "not-my-password-at-all"});
        Call::post("/api/auth/rekey").json(&body)
    }),
    // A practice's patient, before more of them are granted anything.
    row("find_chart", OWNER, |world, _| {
        Call::get(format!("/api/v1/patients/{}", world.patient()))
    }),
    row("list_documents", OWNER_AND_GRANTEE, |world, _| {
        Call::get(format!("/api/v1/patients/{}/documents", world.patient()))
    }),
    row("list_patient_connections", OWNER_AND_GRANTEE, |world, _| {
        Call::get(format!("/api/v1/patients/{}/connections", world.patient()))
    }),
    row("start_sync", OWNER_AND_GRANTEE, |world, _| {
        Call::post(format!("/api/v1/patients/{}/sync", world.patient())).json(&json!({}))
    }),
    row("list_logs", OWNER_AND_GRANTEE, |world, _| {
        Call::get(format!("/api/v1/patients/{}/logs", world.patient()))
    }),
    row("list_owed", OWNER, |world, _| {
        Call::get(format!("/api/v1/patients/{}/owed", world.patient()))
    }),
    row("seal_owed", OWNER, |world, _| {
        let body = json!({"patient": world.patient(), "items": []});
        message(
            Call::post(format!("/api/v1/patients/{}/owed", world.patient())),
            &body,
        )
    }),
    // Keys of a patient.
    row("find_patient_keys", OWNER_AND_GRANTEE, |world, _| {
        Call::get(format!("/api/patients/{}/keys", world.patient()))
    }),
    row("list_unadopted_batches", OWNER, |world, _| {
        Call::get(format!("/api/patients/{}/adopt", world.patient()))
    }),
    sealed("adopt_batches", OWNER, |world, _| {
        let body = json!({"patient": world.patient(), "grants_version": 0, "batches": []});
        message(
            Call::post(format!("/api/patients/{}/adopt", world.patient())),
            &body,
        )
    }),
    sealed("begin_epochs", OWNER, |world, _| {
        let body = json!({"patient": world.patient(), "grants_version": 0, "statement": statement(),
            "links": [], "keyrings": []});
        message(
            Call::post(format!("/api/patients/{}/epochs", world.patient())),
            &body,
        )
    }),
    sealed("begin_generation", OWNER, |world, _| {
        let body = json!({"patient": world.patient(), "grants_version": 0, "statement": statement(), "seeds": [],
            "previous": {"generation": 1, "wrapped": ""}, "links": [], "keyrings": [], "cover_wraps": []});
        message(
            Call::post(format!("/api/patients/{}/generations", world.patient())),
            &body,
        )
    }),
    // Records.
    row("create_record", OWNER, |world, _| {
        let fhir = lab(&format!("new-{}", world.next()));
        Call::post(format!("/api/records?patient_id={}", world.patient())).fhir(fhir)
    }),
    row("list_records", OWNER_AND_GRANTEE, |world, _| {
        Call::get(format!(
            "/api/records?patient_id={}&limit=500",
            world.patient()
        ))
    }),
    row("find_record_summary", OWNER_AND_GRANTEE, |world, _| {
        Call::get(format!(
            "/api/records/summary?patient_id={}",
            world.patient()
        ))
    }),
    sealed("find_known_tags", OWNER, |world, _| {
        message(
            Call::post("/api/records/known"),
            &json!({"patient": world.patient(), "tags": []}),
        )
    }),
    row("find_record", OWNER, |world, _| {
        Call::get(format!("/api/records/{}", world.lab))
    }),
    row("update_record", OWNER, |world, _| {
        let id = world.fresh_lab();
        Call::put(format!("/api/records/{id}"))
            .header("If-Match", "\"1\"")
            .fhir(lab("changed"))
    }),
    row("delete_record", OWNER, |world, _| {
        Call::delete(format!("/api/records/{}", world.fresh_lab()))
    }),
    row("list_record_history", OWNER, |world, _| {
        Call::get(format!("/api/records/{}/history", world.lab))
    }),
    row("find_record_content", OWNER, |world, _| {
        Call::get(format!("/api/records/{}/content", world.lab))
    }),
    sealed("move_record", OWNER, |world, _| {
        let (batch, zeros) = (world.fresh_id(), "A".repeat(43) + "=");
        let version = json!({"id": world.lab, "version": 1, "batch": batch, "header": "", "body": "",
            "commitment": zeros, "content_tag": zeros});
        let body = json!({"patient": world.patient(), "record": world.lab, "grants_version": 0,
            "batches": [{"id": batch, "compartment": "documents"}], "versions": [version]});
        message(
            Call::post(format!("/api/records/{}/move", world.lab)),
            &body,
        )
    }),
    row("append_blob", OWNER, |world, _| {
        let id = world.fresh_id();
        Call::put(format!(
            "/api/blobs/{id}?patient_id={}&offset=0",
            world.patient()
        ))
        .body("application/octet-stream", vec![7; 64])
    }),
    row("find_blob", OWNER, |world, _| {
        Call::get(format!("/api/blobs/{}", world.blob))
    }),
    // Sharing with accounts.
    row("list_providers", SIGNED_IN, |_, _| {
        Call::get("/api/providers?q=provider")
    }),
    row("create_grant", OWNER, |world, _| {
        let body = world.grant_body(Who::OtherProvider, &["vaccines"], "2026-12-31");
        Call::post("/api/sharing/grant").json(&body)
    }),
    row("revoke_grant", OWNER, |world, _| {
        Call::put(format!("/api/sharing/{}/revoke", world.fresh_grant()))
    }),
    row("list_permissions", SIGNED_IN, |_, _| {
        Call::get("/api/sharing/permissions")
    }),
    row("create_request", PROVIDERS, |world, _| {
        let body = json!({"patient_id": world.patient(), "record_types": ["vaccines"], "purpose": "routine_checkup"});
        Call::post("/api/sharing/requests").json(&body)
    }),
    row("list_requests", SIGNED_IN, |_, _| {
        Call::get("/api/sharing/requests")
    }),
    row("answer_request", OWNER, |world, _| {
        let id = world.fresh_request();
        Call::put(format!("/api/sharing/requests/{id}")).json(&json!({"decision": "deny"}))
    }),
    // Links, by their owner.
    row("create_share", OWNER, |world, _| {
        let body = json!({"patient_id": world.patient(), "recordTypes": ["vaccines"], "expiresInDays": 3, "sendEmail": "none"});
        let mut body = body;
        body["patientId"] = body["patient_id"].take();
        body.as_object_mut().unwrap().remove("patient_id");
        Call::post("/api/records/share").json(&body)
    }),
    row("list_shares", SIGNED_IN, |_, _| {
        Call::get("/api/records/share")
    }),
    row("find_share", OWNER, |world, _| {
        Call::get(format!("/api/records/share/{}", world.share))
    }),
    row("find_share_link", OWNER, |world, _| {
        Call::get(format!("/api/records/share/{}/link", world.share))
    }),
    row("update_share", OWNER, |world, _| {
        let id = world.fresh_share();
        Call::new("PATCH", format!("/api/records/share/{id}")).json(&json!({"expiresInDays": 2}))
    }),
    row("revoke_share", OWNER, |world, _| {
        Call::delete(format!("/api/records/share/{}", world.fresh_share()))
    }),
    row("end_share", OWNER, |world, _| {
        Call::delete(format!("/api/records/share?id={}", world.fresh_share()))
    }),
    sealed("put_share_files", OWNER, |world, _| {
        message(
            Call::put(format!("/api/records/share/{}/files", world.share)),
            &json!({"files": []}),
        )
    }),
    // Links, by whoever has one.
    public("open_share", ALL, |world, _| {
        Call::get(format!("/api/records/shared/{}", world.token))
            .header("X-Share-Key", world.key.clone())
    }),
    public("download_share", ALL, |world, _| {
        Call::post(format!("/api/records/shared/{}", world.token))
            .header("X-Share-Key", world.key.clone())
            .header("Accept", "application/fhir+json")
    }),
    row("find_shared_blob", NOBODY, |world, _| {
        Call::get(format!(
            "/api/records/shared/{}/records/{}/blob",
            world.token, world.file
        ))
    }),
    public("ask_share", ALL, |world, _| {
        // Each link may be asked about a few times a day.
        let made = world.make_share();
        let token = made["share"]["accessToken"].as_str().unwrap_or_default();
        Call::post(format!("/api/records/shared/{token}/ask")).json(&json!({}))
    }),
    public("open_shl_manifest", ALL, |world, _| {
        Call::post(format!("/shl/{}", world.token)).json(&json!({"recipient": "A viewer"}))
    }),
    row("open_shl_file", NOBODY, |world, _| {
        // The link has no single file.
        Call::get(format!("/shl/{}?recipient=A%20viewer", world.token))
    }),
    row("open_shl_ticket", NOBODY, |_, _| {
        Call::get(format!("/shl/file/{}", "A".repeat(43)))
    }),
    // Everything at once, and what happens.
    row("export_records", OWNER, |world, _| {
        Call::get(format!(
            "/api/records/export?format=fhir&patient_id={}",
            world.patient()
        ))
    }),
    row("list_events", SIGNED_IN, |_, _| Call::get("/api/events")),
    row("find_analytics", SIGNED_IN, |_, _| {
        Call::get("/api/analytics")
    }),
    // The trail.
    row("list_disclosures", PATIENTS, |_, _| {
        Call::get("/api/audit/disclosures")
    }),
    row("list_audit", SIGNED_IN, |_, _| Call::get("/api/audit")),
    row("find_audit_proof", OWNER, |world, _| {
        let list = Call::get("/api/audit?action=record.create").by(world.person(Who::Owner));
        let list = world.server.send(&list).expect(200).json();
        Call::get(format!("/api/audit/{}/proof", list["items"][0]["id"]))
    }),
    // Administration.
    row("list_admin_providers", ADMIN, |_, _| {
        Call::get("/api/admin/providers")
    }),
    row("verify_provider", ADMIN, |world, _| {
        let path = format!("/api/admin/providers/{}/verification", world.pending);
        Call::post(path).json(&json!({"decision": "approve"}))
    }),
    row("find_totals", ADMIN, |_, _| {
        Call::get("/api/admin/analytics")
    }),
    row("find_system_health", ADMIN, |_, _| {
        Call::get("/api/admin/health")
    }),
    row("list_checkpoints", ADMIN, |_, _| {
        Call::get("/api/admin/checkpoints")
    }),
    // Practices.
    row("list_users", ADMIN, |_, _| Call::get("/api/v1/users")),
    row("find_user", OWNER_AND_ADMIN, |world, _| {
        Call::get(format!("/api/v1/users/{}", world.account()))
    }),
    row("create_user", ADMIN_AND_PROVIDERS, |world, _| {
        let email = format!("invited-{}@example.org", world.next());
        let body = json!({"email": email, "name": "Somebody", "type": "Patient"});
        Call::post("/api/v1/users").json(&body)
    }),
    row("update_user", OWNER_AND_ADMIN, |world, _| {
        let body = json!({"carepatron_id": 17});
        Call::put(format!("/api/v1/users/{}", world.account())).json(&body)
    }),
    row("delete_user", ADMIN, |world, _| {
        Call::delete(format!("/api/v1/users/{}", world.pending))
    }),
    row("list_charts", PROVIDERS, |_, _| {
        Call::get("/api/v1/patients")
    }),
    row("create_chart", PROVIDERS, |world, _| {
        let email = format!("chart-{}@example.org", world.next());
        Call::post("/api/v1/patients").json(&json!({"name": "Somebody", "email": email}))
    }),
    row("import_charts", PROVIDERS, |world, _| {
        let table = format!("name,email\nSomebody,import-{}@example.org", world.next());
        Call::post("/api/v1/patients/import").body("text/csv", table)
    }),
    row("update_chart", NOBODY, |world, _| {
        Call::put(format!("/api/v1/patients/{}", world.patient())).json(&json!({"name": "Other"}))
    }),
    row("delete_chart", NOBODY, |world, _| {
        Call::delete(format!("/api/v1/patients/{}", world.patient()))
    }),
    row("create_invitation", NOBODY, |world, _| {
        Call::post(format!("/api/v1/patients/{}/invitation", world.patient())).json(&json!({}))
    }),
    row("create_claim_sheet", NOBODY, |world, _| {
        Call::post(format!("/api/v1/patients/{}/claim-sheet", world.patient())).json(&json!({}))
    }),
    row("list_claims", SIGNED_IN, |_, _| Call::get("/api/v1/claims")),
    row("create_claim", NOBODY, |_, _| {
        Call::post("/api/v1/claims").json(&json!({"invitation": "A".repeat(43)}))
    }),
    row("answer_claim", NOBODY, |world, _| {
        Call::put(format!("/api/v1/claims/{}", world.lab)).json(&json!({"decision": "refuse"}))
    }),
    row("complete_claim", NOBODY, |world, _| {
        Call::post(format!("/api/v1/claims/{}/complete", world.lab)).json(&json!({}))
    }),
    row("create_document_request", NOBODY, |world, _| {
        // The grantee's grant adds nothing.
        let body = json!({"message": "Please."});
        Call::post(format!(
            "/api/v1/patients/{}/request-documents",
            world.patient()
        ))
        .json(&body)
    }),
    row("list_document_requests", OWNER_AND_GRANTEES, |world, _| {
        Call::get(format!(
            "/api/v1/patients/{}/document-requests",
            world.patient()
        ))
    }),
    row("list_own_document_requests", PROVIDERS, |_, _| {
        Call::get("/api/v1/document-requests")
    }),
    row("find_document_request", NOBODY, |world, _| {
        Call::get(format!("/api/v1/document-requests/{}", world.lab))
    }),
    row("update_document_request", NOBODY, |world, _| {
        Call::put(format!("/api/v1/document-requests/{}", world.lab))
            .json(&json!({"decision": "close"}))
    }),
    row("open_document_request", NOBODY, |_, _| {
        Call::get(format!(
            "/api/v1/document-requests/by-token/{}",
            "A".repeat(43)
        ))
    }),
    row("answer_document_request", NOBODY, |_, _| {
        let form = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ntext\r\n--x--\r\n";
        Call::post(format!(
            "/api/v1/document-requests/by-token/{}/documents",
            "A".repeat(43)
        ))
        .body("multipart/form-data; boundary=x", form)
    }),
    row("list_shared_documents", OWNER_AND_GRANTEES, |world, _| {
        Call::get(format!(
            "/api/v1/patients/{}/shared-documents",
            world.patient()
        ))
    }),
    row("share_document", OWNER, |world, _| {
        // One that nobody else asks for below.
        let id = world.fresh_lab();
        let to = world.person(Who::OtherType).account.to_string();
        let body = json!({"practitioner_id": to});
        Call::post(format!("/api/v1/documents/{id}/share")).json(&body)
    }),
    row("find_document", OWNER, |world, _| {
        Call::get(format!("/api/v1/documents/{}", world.lab))
    }),
    row("create_document", OWNER, |world, _| {
        let body = json!({"type": "Note", "content": "text"});
        Call::post(format!("/api/v1/patients/{}/documents", world.patient())).json(&body)
    }),
    row("update_document", NOBODY, |world, _| {
        // The lab came as FHIR at another version.
        let body = json!({"type": "Note", "content": "text"});
        Call::put(format!("/api/v1/documents/{}", world.lab))
            .header("If-Match", "\"99\"")
            .json(&body)
    }),
    row("delete_document", NOBODY, |world, _| {
        let other = world.grant.clone();
        Call::delete(format!("/api/v1/documents/{other}"))
    }),
    // Synchronisation.
    row("list_connections", PATIENTS_AND_PROVIDERS, |_, _| {
        Call::get("/api/v1/connections")
    }),
    row("create_connection", PATIENTS_AND_PROVIDERS, |_, _| {
        let body = json!({"kind": "fhir", "direction": "source", "schedule": "manual",
            "base_url": "https://fhir.example.org/r4"});
        Call::post("/api/v1/connections").json(&body)
    }),
    row("find_connection", NOBODY, |world, _| {
        Call::get(format!("/api/v1/connections/{}", world.lab))
    }),
    row("update_connection", NOBODY, |world, _| {
        Call::put(format!("/api/v1/connections/{}", world.lab)).json(&json!({"paused": true}))
    }),
    row("delete_connection", NOBODY, |world, _| {
        Call::delete(format!("/api/v1/connections/{}", world.lab))
    }),
    row("verify_connection", NOBODY, |world, _| {
        Call::post(format!("/api/v1/connections/{}/verify", world.lab))
    }),
    row("launch_connection", NOBODY, |world, _| {
        let body = json!({"patient_id": world.patient()});
        Call::post(format!("/api/v1/connections/{}/launch", world.lab)).json(&body)
    }),
    // Whoever comes back with nothing that was begun ends at a page that says so.
    row("finish_launch", NOBODY, |_, _| {
        Call::get("/api/v1/connections/callback?state=none&code=none")
    }),
    row("note_webhook", NOBODY, |world, _| {
        Call::post(format!("/api/v1/webhooks/{}/no-secret-of-ours", world.lab))
    }),
    row(
        "list_directory_endpoints",
        PATIENTS_AND_PROVIDERS,
        |_, _| Call::get("/api/v1/directory/endpoints?q=clinic"),
    ),
    row("replace_directory", ADMIN, |_, _| {
        let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": []});
        Call::put("/api/v1/directory").fhir(bundle.to_string())
    }),
    row("list_attachments", NOBODY, |world, _| {
        Call::get(format!("/api/v1/connections/{}/patients", world.lab))
    }),
    row("attach_patient", NOBODY, |world, _| {
        let body = json!({"patient_id": world.patient(), "remote_patient_id": "1"});
        Call::post(format!("/api/v1/connections/{}/patients", world.lab)).json(&body)
    }),
    row("detach_patient", NOBODY, |world, _| {
        let (connection, patient) = (world.lab.clone(), world.patient().to_owned());
        Call::delete(format!(
            "/api/v1/connections/{connection}/patients/{patient}"
        ))
    }),
    row("find_sync", NOBODY, |world, _| {
        Call::get(format!("/api/v1/syncs/{}", world.lab))
    }),
    row("find_log", NOBODY, |world, _| {
        Call::get(format!("/api/v1/logs/{}", world.lab))
    }),
    row("list_deliveries", PATIENTS_AND_PROVIDERS, |_, _| {
        Call::get("/api/v1/deliveries")
    }),
    row("update_delivery", NOBODY, |world, _| {
        Call::put(format!("/api/v1/deliveries/{}", world.lab)).json(&json!({"decision": "filed"}))
    }),
    row("retry_jobs", ADMIN, |_, _| {
        Call::post("/api/admin/jobs/retry").json(&json!({"kind": "mail.send"}))
    }),
    row("list_admin_accounts", ADMIN, |_, _| {
        Call::get("/api/admin/accounts")
    }),
    row("disable_account", ADMIN, |world, _| {
        let path = format!("/api/admin/accounts/{}/disable", world.pending);
        Call::post(path).json(&json!({"disabled": false}))
    }),
    // Last, because whoever may ends their own account.
    row("delete_account", PATIENTS, |_, _| {
        Call::delete("/api/patients/profile")
    }),
];
