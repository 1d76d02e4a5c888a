//! Bad input: each gets the specified problem with the field named, one bad
//! entry never loses the good ones, and nothing partial is left behind.

use chartkey_benches::{Answer, Call, Person, Server, bundle};
use serde_json::{Value, json};

use crate::on_each_engine;

/// What must not come back in any answer that refuses it.
const MARKER: &str = "zebra-marker-8471";

fn lab(id: &str, text: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}], "text": text},
        "effectiveDateTime": "2026-03-14",
        "valueQuantity": {"value": 13.2, "unit": "g/dL"}
    })
}

/// How many records there are.
fn total(server: &Server, person: &Person) -> u64 {
    let summary = server
        .send(&Call::get("/api/records/summary").by(person))
        .expect(200)
        .json();
    summary["total"].as_u64().unwrap()
}

/// A refusal: its status, its word, the fields it names; and that it is a
/// problem document which repeats nothing of what was sent.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, fields: &[&str]) {
    let text = answer.text();
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{text}"
    );
    assert_eq!(answer.fields(), fields, "{text}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert!(
        problem["type"].is_string() && problem["title"].is_string(),
        "{text}"
    );
    assert!(
        !text.contains(MARKER),
        "the answer repeats what was sent: {text}"
    );
}

fn records(person: &Person) -> Call {
    Call::post("/api/records").by(person)
}

#[test]
fn unreadable_uploads_are_refused_whole_and_leave_nothing() {
    on_each_engine(|server| {
        let person = server.patient("Unreadable Upload");
        let whole = lab("a", MARKER).to_string();
        let cut = &whole[..whole.len() - 20];
        let deep = format!(
            r#"{{"resourceType":"Basic","x":{}{}}}"#,
            "[".repeat(50_000),
            "]".repeat(50_000)
        );
        for (what, body, status, code) in [
            ("truncated", cut.as_bytes(), 400, "body.malformed"),
            ("empty", b"".as_slice(), 400, "body.malformed"),
            ("blank", b" \n ".as_slice(), 400, "body.malformed"),
            (
                "no JSON",
                b"zebra-marker-8471".as_slice(),
                400,
                "body.malformed",
            ),
            (
                "not UTF-8",
                b"{\"resourceType\":\"Basic\",\"id\":\"\xff\xfe\"}".as_slice(),
                400,
                "body.malformed",
            ),
            ("nested absurdly", deep.as_bytes(), 400, "body.malformed"),
            ("a number", b"7".as_slice(), 400, "body.malformed"),
            (
                "no type",
                br#"{"id":"zebra-marker-8471"}"#.as_slice(),
                422,
                "body.invalid",
            ),
            (
                "no type at all",
                br#"{"resourceType":7}"#.as_slice(),
                422,
                "body.invalid",
            ),
        ] {
            let answer = server.send(&records(&person).fhir(body));
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (status, code),
                "{what}: {}",
                answer.text()
            );
            assert!(!answer.text().contains(MARKER), "{what}: {}", answer.text());
            if answer.status == 422 {
                assert_eq!(answer.fields(), ["body"], "{what}");
            }
        }
        let envelope = format!(r#"{{"resource": {cut}"#);
        refused(
            &server.send(&records(&person).body("application/json", envelope)),
            400,
            "body.malformed",
            &[],
        );
        let nested = format!(r#"{{"content": {}"#, "[".repeat(50_000));
        let answer = server.send(&records(&person).body("application/json", nested));
        assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
        assert_eq!(total(server, &person), 0);
    });
}

#[test]
fn a_byte_order_mark_is_no_content() {
    on_each_engine(|server| {
        let person = server.patient("Byte Order Mark");
        let mut body = b"\xef\xbb\xbf".to_vec();
        body.extend_from_slice(lab("bom", "Hemoglobin").to_string().as_bytes());
        let made = server
            .send(&records(&person).fhir(body.clone()))
            .expect(201)
            .json();
        assert_eq!(made["record_type"], "lab-results");
        // The same again is the same record.
        let again = server.send(&records(&person).fhir(body)).expect(200).json();
        assert_eq!(again["id"], made["id"]);
        let mut login = b"\xef\xbb\xbf".to_vec();
        let body = json!({"email": person.email, "password": chartkey_benches::PASSWORD});
        login.extend_from_slice(body.to_string().as_bytes());
        let _ = server
            .send(&Call::post("/api/auth/login").body("application/json", login))
            .expect(200);
    });
}

#[test]
fn one_bad_entry_never_loses_the_good_ones() {
    on_each_engine(|server| {
        let person = server.patient("One Bad Entry");
        let entries = json!({"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": lab("one", "Hemoglobin")},
            {"resource": 7},
            {"fullUrl": "urn:uuid:0"},
            {"resource": {"id": MARKER}},
            {"resource": "zebra-marker-8471"},
            {"resource": lab("two", "Ferritin")},
            "zebra-marker-8471",
            {"resource": {"resourceType": "not a name"}},
            {"resource": lab("three", "Glucose")},
        ]});
        let done = server
            .send(&records(&person).fhir(entries.to_string()))
            .expect(200);
        assert!(!done.text().contains(MARKER), "{}", done.text());
        let report = done.json();
        assert_eq!(report["created"], 3, "{report}");
        let rejected: Vec<_> = report["rejected"].as_array().unwrap().iter().collect();
        let indexes: Vec<_> = rejected
            .iter()
            .map(|one| one["index"].as_u64().unwrap())
            .collect();
        assert_eq!(indexes, [1, 2, 3, 4, 6, 7], "{report}");
        assert!(
            rejected
                .iter()
                .all(|one| one["reason"].as_str().is_some_and(|why| why.len() > 8))
        );
        assert_eq!(total(server, &person), 3);

        let lines = format!(
            "{}\n{{\"resourceType\":\n\n{}\n[1]\n",
            lab("four", "Iron"),
            lab("five", "Zinc")
        );
        let report = server
            .send(&records(&person).body("application/fhir+ndjson", lines))
            .expect(200)
            .json();
        assert_eq!(report["created"], 2, "{report}");
        assert_eq!(report["rejected"].as_array().unwrap().len(), 2, "{report}");
        assert_eq!(total(server, &person), 5);
    });
}

#[test]
fn wrong_types_in_known_fields_are_named_or_tolerated_and_never_fail() {
    on_each_engine(|server| {
        let person = server.patient("Wrong Types");
        for (body, field) in [
            (json!({"content": 7}), "content"),
            (
                json!({"content": "a text", "title": ["zebra-marker-8471"]}),
                "title",
            ),
            (
                json!({"content": "a text", "record_type": 7}),
                "record_type",
            ),
            (
                json!({"content": "a text", "record_type": MARKER}),
                "record_type",
            ),
            (json!({"content": "a text", "date": MARKER}), "date"),
            (json!({"content": "  "}), "content"),
            (json!({}), "content"),
            (json!({"content": "a", "resource": {}}), "content"),
            (
                json!({"content": "a text", "zebra-marker": 1}),
                "zebra-marker",
            ),
        ] {
            refused(
                &server.send(&records(&person).json(&body)),
                422,
                "body.invalid",
                &[field],
            );
        }
        assert_eq!(total(server, &person), 0);
        // FHIR from elsewhere is full of such things: what is not understood
        // is kept as it came.
        let odd = json!({"resourceType": "Observation", "id": 7, "status": ["final"], "code": "718-7",
            "category": {"coding": 3}, "valueQuantity": [], "effectiveDateTime": {"x": null}});
        let made = server.send(&records(&person).fhir(odd.to_string()));
        assert!(matches!(made.status, 201 | 422), "{}", made.text());
        if made.status == 201 {
            assert_eq!(made.json()["resource"], odd);
        }
    });
}

#[test]
fn bodies_over_the_limit_answer_413() {
    let settings = [("MAX_JSON_MB", "1"), ("MAX_FILE_MB", "2")];
    let server = Server::start_with(crate::binary(), chartkey_benches::Engine::Sqlite, &settings);
    let person = server.patient("Over The Limit");
    let long = lab("long", &"x".repeat(1_100_000)).to_string();
    refused(
        &server.send(&records(&person).fhir(long.clone())),
        413,
        "body.too_large",
        &[],
    );
    let form = records(&person).form(
        &[("title", "a scan")],
        "scan.bin",
        "application/octet-stream",
        &vec![7; 2_200_000],
    );
    let answer = server.send(&form);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (413, "body.too_large"),
        "{}",
        answer.text()
    );
    let login = json!({"email": "a@chartkey.test", "password": "x".repeat(300_000)});
    refused(
        &server.send(&Call::post("/api/auth/login").json(&login)),
        413,
        "body.too_large",
        &[],
    );
    assert_eq!(total(&server, &person), 0);
    // A file below its own limit may be larger than any JSON.
    let form = records(&person).form(
        &[("title", "a scan")],
        "scan.bin",
        "application/octet-stream",
        &vec![7; 1_500_000],
    );
    let made = server.send(&form).expect(201).json();
    assert_eq!(made["size"], 1_500_000);
}

#[test]
fn duplicate_keys_are_refused_where_they_decide() {
    on_each_engine(|server| {
        let person = server.patient("Duplicate Keys");
        let twice = r#"{"content": "zebra-marker-8471", "content": "b"}"#;
        refused(
            &server.send(&records(&person).body("application/json", twice)),
            422,
            "body.invalid",
            &["content"],
        );
        let twice =
            r#"{"resourceType":"Observation","resourceType":"Patient","id":"zebra-marker-8471"}"#;
        let answer = server.send(&records(&person).fhir(twice));
        refused(&answer, 422, "body.invalid", &["body"]);
        let twice = format!(
            r#"{{"email":"{}","email":"b@chartkey.test","password":"{}"}}"#,
            person.email,
            chartkey_benches::PASSWORD
        );
        refused(
            &server.send(&Call::post("/api/auth/login").body("application/json", twice)),
            422,
            "body.invalid",
            &["email"],
        );
        assert_eq!(total(server, &person), 0);
    });
}

#[test]
fn unknown_words_are_named_by_their_field() {
    on_each_engine(|server| {
        let person = server.patient("Unknown Words");
        for (path, field) in [
            ("/api/records?type=zebra-marker-8471", "type"),
            ("/api/records?limit=0", "limit"),
            ("/api/records?limit=501", "limit"),
            ("/api/records?fields=zebra-marker-8471", "fields"),
            ("/api/records?from=zebra-marker-8471", "from"),
            ("/api/records?patient_id=zebra-marker-8471", "patient_id"),
        ] {
            let answer = server.send(&Call::get(path).by(&person));
            if field == "patient_id" {
                assert_eq!(answer.status, 404, "{}", answer.text());
            } else {
                refused(&answer, 422, "body.invalid", &[field]);
            }
        }
        let typed = json!({"record_type": "zebra-marker-8471", "resource": lab("a", "b")});
        refused(
            &server.send(&records(&person).json(&typed)),
            422,
            "body.invalid",
            &["record_type"],
        );
        // Underscores are accepted.
        let typed = json!({"record_type": "lab_results", "content": "fasting glucose was fine"});
        let made = server
            .send(&records(&person).json(&typed))
            .expect(201)
            .json();
        assert_eq!(made["record_type"], "lab-results");
        refused(
            &server.send(&records(&person).body("image/zebra-marker-8471", "x")),
            415,
            "body.media_type",
            &[],
        );
        refused(
            &server.send(&Call::new("PATCH", "/api/records").by(&person)),
            405,
            "route.method",
            &[],
        );
        refused(
            &server.send(&Call::get("/api/zebra-marker-8471")),
            404,
            "route.unknown",
            &[],
        );
    });
}

#[test]
fn versions_are_guarded_by_if_match() {
    on_each_engine(|server| {
        let person = server.patient("If Match");
        let made = server
            .send(&records(&person).fhir(lab("a", "Hemoglobin").to_string()))
            .expect(201);
        assert_eq!(made.header("etag"), Some("\"1\""));
        let path = format!("/api/records/{}", made.json()["id"].as_str().unwrap());
        let put = |body: &Value| Call::put(&path).by(&person).fhir(body.to_string());
        let next = lab("a", "Hemoglobin, corrected");
        refused(
            &server.send(&put(&next)),
            428,
            "record.version_missing",
            &[],
        );
        for wrong in ["\"2\"", "\"0\"", "\"zebra-marker-8471\"", "*"] {
            let answer = server.send(&put(&next).header("If-Match", wrong));
            refused(&answer, 412, "record.version_mismatch", &[]);
        }
        let delete = Call::delete(&path).by(&person).header("If-Match", "\"7\"");
        refused(&server.send(&delete), 412, "record.version_mismatch", &[]);
        let history = |server: &Server| {
            let list = server
                .send(&Call::get(format!("{path}/history")).by(&person))
                .expect(200)
                .json();
            list["items"].as_array().unwrap().len()
        };
        assert_eq!(
            history(server),
            1,
            "nothing that was refused left a version"
        );
        let done = server
            .send(&put(&next).header("If-Match", "\"1\""))
            .expect(200);
        assert_eq!(done.header("etag"), Some("\"2\""));
        refused(
            &server.send(&put(&lab("a", "late")).header("If-Match", "\"1\"")),
            412,
            "record.version_mismatch",
            &[],
        );
        assert_eq!(history(server), 2);
    });
}

#[test]
fn a_replayed_idempotency_key_creates_nothing_twice_and_no_other_body() {
    on_each_engine(|server| {
        let person = server.patient("Replayed Key");
        let keyed =
            |key: &str, body: &Value| records(&person).json(body).header("Idempotency-Key", key);
        let (one, two) = (
            json!({"content": "first text of mine"}),
            json!({"content": "zebra-marker-8471"}),
        );
        let made = server.send(&keyed("key-1", &one)).expect(201).json();
        let again = server.send(&keyed("key-1", &one)).expect(201).json();
        assert_eq!(made["id"], again["id"]);
        refused(
            &server.send(&keyed("key-1", &two)),
            422,
            "idempotency.reused",
            &[],
        );
        refused(
            &server.send(&keyed("a key with spaces", &one)),
            422,
            "body.invalid",
            &["Idempotency-Key"],
        );
        assert_eq!(total(server, &person), 1);
    });
}

#[test]
fn other_peoples_things_are_not_there() {
    on_each_engine(|server| {
        let owner = server.patient("The Owner");
        let other = server.patient("Somebody Else");
        let made = server
            .send(&records(&owner).fhir(lab("a", MARKER).to_string()))
            .expect(201)
            .json();
        let id = made["id"].as_str().unwrap();
        let (etag, next) = (("If-Match", "\"1\""), lab("a", "theirs now").to_string());
        for call in [
            Call::get(format!("/api/records/{id}")),
            Call::get(format!("/api/records/{id}/history")),
            Call::get(format!("/api/records/{id}/content")),
            Call::delete(format!("/api/records/{id}")),
            Call::put(format!("/api/records/{id}"))
                .header(etag.0, etag.1)
                .fhir(next),
            Call::get(format!("/api/records?patient_id={}", owner.patient)),
            Call::get(format!("/api/records/summary?patient_id={}", owner.patient)),
            Call::post(format!("/api/records?patient_id={}", owner.patient))
                .json(&json!({"content": "planted text"})),
            Call::get(format!("/api/patients/{}/keys", owner.patient)),
            Call::get(format!("/api/audit?patient_id={}", owner.patient)),
        ] {
            let name = call.name();
            let answer = server.send(&call.by(&other));
            if name.contains("/api/audit") && answer.status == 200 {
                assert!(!answer.text().contains(&owner.patient), "{}", answer.text());
                continue;
            }
            assert_eq!(answer.status, 404, "{name}: {}", answer.text());
            assert!(!answer.text().contains(MARKER), "{name}");
        }
        // What is not there at all looks the same.
        let unknown = "019a0000-0000-7000-8000-000000000000";
        let theirs = server.send(&Call::get(format!("/api/records/{id}")).by(&other));
        let nobodys = server.send(&Call::get(format!("/api/records/{unknown}")).by(&other));
        assert_eq!(theirs.body, nobodys.body);
        let malformed = server.send(&Call::get("/api/records/zebra-marker-8471").by(&other));
        refused(&malformed, 404, "record.unknown", &[]);
        assert_eq!(total(server, &owner), 1);
    });
}

#[test]
fn an_import_that_is_cut_off_changes_nothing_and_can_be_repeated() {
    on_each_engine(|server| {
        let person = server.patient("Cut Off");
        let whole = bundle("s10-small-adult");
        let cut = &whole.as_bytes()[..whole.len() * 2 / 3];
        let answer = server.send(&records(&person).fhir(cut));
        refused(&answer, 400, "body.malformed", &["body"]);
        assert_eq!(total(server, &person), 0);
        let done = server
            .send(&records(&person).fhir(whole.clone()))
            .expect(200)
            .json();
        let created = done["created"].as_u64().unwrap();
        assert!(
            created > 50 && done["rejected"].as_array().unwrap().is_empty(),
            "{done}"
        );
        let again = server
            .send(&records(&person).fhir(whole))
            .expect(200)
            .json();
        assert_eq!(
            (again["created"].as_u64(), again["updated"].as_u64()),
            (Some(0), Some(0)),
            "{again}"
        );
        assert_eq!(again["unchanged"].as_u64(), Some(created));
        assert_eq!(total(server, &person), created);
    });
}
