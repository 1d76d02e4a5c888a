//! The program, from outside: what it says, what it answers, how it is steered.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

struct Running {
    child: Child,
    said: Value,
}

impl Running {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chartkey-fakes"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line).unwrap();
        Self { child, said }
    }

    fn base(&self, name: &str) -> &str {
        self.said[name]["base_url"].as_str().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A call without any library: status, head, body.
fn call(method: &str, url: &str, headers: &[&str], body: &str) -> (u16, String, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let extra = headers
        .iter()
        .fold(String::new(), |all, header| all + header + "\r\n");
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{extra}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

fn origin(base: &str) -> String {
    base.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

#[test]
fn the_program_says_where_each_system_is_and_each_answers() {
    let running = Running::start();
    for (name, software) in [
        ("epic", "Epic"),
        ("oracle", "Oracle Health Millennium Platform"),
        ("fhir", "Plain FHIR server"),
    ] {
        let url = format!("{}/metadata", running.base(name));
        let (status, _, body) = call("GET", &url, &[], "");
        assert_eq!(status, 200);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["software"]["name"], software);
    }
    let (status, _, _) = call(
        "GET",
        &format!("{}/Condition", running.base("epic")),
        &[],
        "",
    );
    assert_eq!(status, 401);
    let patient = running.said["fhir"]["patient"].as_str().unwrap();
    let url = format!(
        "{}/Condition?patient={patient}&_count=3",
        running.base("fhir")
    );
    let (status, _, body) = call("GET", &url, &[], "");
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["entry"].as_array().unwrap().len(), 3);
}

#[test]
fn faults_are_set_and_calls_are_read_over_the_network() {
    let running = Running::start();
    let base = running.base("fhir");
    let control = format!("{}/_control", origin(base));
    let journal = format!("{}/_journal", origin(base));
    let json_type = "content-type: application/json";
    let plan = json!({"faults": [{"operation": "search:Condition", "nth": 2,
        "fault": {"kind": "status", "status": 429, "retry_after": "3"}}]});
    let (status, _, _) = call("PUT", &control, &[json_type], &plan.to_string());
    assert_eq!(status, 200);
    let search = format!("{base}/Condition?patient=x");
    assert_eq!(call("GET", &search, &[], "").0, 200);
    let (status, head, _) = call("GET", &search, &["accept: application/fhir+json"], "");
    assert_eq!(status, 429);
    assert!(head.contains("retry-after: 3"));
    assert_eq!(call("GET", &search, &[], "").0, 200);
    let (_, _, body) = call("GET", &journal, &[], "");
    let entries: Value = serde_json::from_str(&body).unwrap();
    let entry = &entries[1];
    assert_eq!(entry["operation"], "search:Condition");
    assert_eq!((&entry["nth"], &entry["status"]), (&json!(2), &json!(429)));
    assert_eq!(entry["acted"], false);
    assert_eq!(entry["headers"]["accept"], "application/fhir+json");
    assert_eq!(call("DELETE", &journal, &[], "").0, 204);
    assert_eq!(call("GET", &journal, &[], "").2, "[]");
    assert_eq!(call("DELETE", &control, &[], "").0, 200);
}

#[test]
fn the_plain_server_takes_writes_as_the_standard_says() {
    let running = Running::start();
    let base = running.base("fhir");
    let fhir = "content-type: application/fhir+json";
    let exists = "if-none-exist: identifier=urn:x|1";
    let patient = json!({"resourceType": "Patient",
        "identifier": [{"system": "urn:x", "value": "1"}], "birthDate": "1990-01-02"});
    let create = |headers: &[&str]| {
        call(
            "POST",
            &format!("{base}/Patient"),
            headers,
            &patient.to_string(),
        )
    };
    let (status, head, body) = create(&[fhir, exists]);
    assert_eq!(status, 201);
    let made: Value = serde_json::from_str(&body).unwrap();
    let id = made["id"].as_str().unwrap();
    assert!(head.contains(&format!("location: {base}/Patient/{id}/_history/1")));
    assert!(head.contains("etag: W/\"1\""));
    let (status, _, body) = create(&[fhir, exists]);
    let again: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &again["id"]), (200, &made["id"]));
    assert_eq!(create(&[fhir]).0, 201);
    assert_eq!(create(&[fhir, exists]).0, 412); // there are two now
    // Raw bytes are a Binary, and come back as they went.
    let (status, _, body) = call(
        "POST",
        &format!("{base}/Binary"),
        &["content-type: application/pdf"],
        "%PDF-1.4",
    );
    assert_eq!(status, 201);
    let binary: Value = serde_json::from_str(&body).unwrap();
    let url = format!("{base}/Binary/{}", binary["id"].as_str().unwrap());
    let (_, _, body) = call("GET", &url, &["accept: application/pdf"], "");
    assert_eq!(body, "%PDF-1.4");
    // A version that is not the current one is not overwritten.
    let url = format!("{base}/Patient/{id}");
    let mut changed = made.clone();
    changed["birthDate"] = json!("1990-01-03");
    let put = |tag: &str| {
        let tag = format!("if-match: {tag}");
        call("PUT", &url, &[fhir, &tag], &changed.to_string()).0
    };
    assert_eq!(
        (put("W/\"7\""), put("W/\"1\""), put("W/\"1\"")),
        (412, 200, 412)
    );
    assert_eq!(call("DELETE", &url, &[], "").0, 204);
    assert_eq!(call("DELETE", &url, &[], "").0, 204);
    assert_eq!(call("GET", &url, &[], "").0, 404);
    // Vendors' servers take none.
    let url = format!("{}/Patient", running.base("epic"));
    assert_eq!(call("POST", &url, &[fhir], &patient.to_string()).0, 401);
}
