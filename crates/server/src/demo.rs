//! `chartkey demo`: a server with made-up people and a synthetic record, to
//! look at. Everything is done as a user would do it: over the documented API,
//! through the same router that answers the network.

mod neighbours;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub use neighbours::Neighbours;

/// A synthetic patient of 1,275 resources (Synthea, Apache-2.0).
const RECORD: &[u8] = include_bytes!("../../../testdata/synthea/s07-many-labs-elder.json.gz");
/// What the practice platform of the demo calls the dietician's own patient.
const CHART_NUMBER: &str = "DEMO-1001";
/// Largest record that the archive may hold, in bytes.
const MAX_RECORD: u64 = 32 << 20;

const PATIENT: Person = Person {
    name: "Garland Cummerata",
    email: "garland@patient.example",
    password: "walnut-harbour-lantern-47",
};
const PROVIDER: Person = Person {
    name: "Mira Okafor",
    email: "mira@dietician.example",
    password: "copper-orchard-window-82",
};
const ADMIN: Person = Person {
    name: "Demo Administrator",
    email: "admin@chartkey.example",
    password: "gravel-compass-meadow-19",
};

/// Somebody who signs in to the demo. The passwords are public on purpose.
struct Person {
    name: &'static str,
    email: &'static str,
    password: &'static str,
}

/// Why the demo could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A call of the API answered something else than the demo needs.
    #[error("{call} answered {status} {code}")]
    Call {
        /// Verb and path.
        call: String,
        /// HTTP status.
        status: u16,
        /// Dotted code of the problem, if it was one.
        code: String,
    },
    /// The answer lacks what the demo goes on with.
    #[error("an answer lacks {0}")]
    Answer(&'static str),
    /// The record that the program brings along cannot be read.
    #[error("the demo's record cannot be read")]
    Record(#[source] std::io::Error),
    /// The terminal has gone.
    #[error("nowhere to print to")]
    Output(#[source] std::io::Error),
}

/// What to show to whoever started the demo.
#[derive(Debug)]
pub struct Invitation {
    share_url: String,
    records: u64,
    /// How many documents of the dietician's own patient were synchronised, where
    /// there is a hospital to pull from.
    synchronised: Option<u64>,
}

/// The API, called in memory.
struct Api {
    router: Router,
}

impl Api {
    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Value, DemoError> {
        let call = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some((media, bytes)) => {
                request = request.header(header::CONTENT_TYPE, media);
                Body::from(bytes)
            }
            None => Body::empty(),
        };
        let mut request = request
            .body(body)
            .map_err(|_| DemoError::Answer("an address"))?;
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(|_| DemoError::Answer("a body"))?
            .to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        let code = answer
            .get("code")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        Err(DemoError::Call {
            call,
            status: status.as_u16(),
            code,
        })
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Result<Value, DemoError> {
        self.send(Method::GET, path, token, None).await
    }

    async fn post(
        &self,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<Value, DemoError> {
        let bytes = body.to_string().into_bytes();
        self.send(Method::POST, path, token, Some(("application/json", bytes)))
            .await
    }

    /// An access token, or nothing where nobody has registered yet.
    async fn sign_in(&self, person: &Person) -> Result<Option<String>, DemoError> {
        let body = json!({"email": person.email, "password": person.password});
        match self.post("/api/auth/login", None, &body).await {
            Ok(answer) => Ok(Some(text(&answer, "access_token")?)),
            Err(DemoError::Call { status: 401, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Follows the newest verification link that was mailed to somebody.
    async fn verify(&self, person: &Person) -> Result<(), DemoError> {
        let mails = self.get("/dev/mail.json", None).await?;
        let token = mails
            .as_array()
            .into_iter()
            .flatten()
            .filter(|mail| {
                mail.get("to")
                    .and_then(Value::as_str)
                    .is_some_and(|to| to.contains(person.email))
            })
            .filter_map(|mail| mail.get("text")?.as_str()?.split("#token=").nth(1))
            .map(|rest| {
                rest.chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                    .collect::<String>()
            })
            .next()
            .ok_or(DemoError::Answer("a mail to verify the address by"))?;
        self.post("/api/auth/verify-email", None, &json!({"token": token}))
            .await?;
        Ok(())
    }
}

fn text(answer: &Value, field: &'static str) -> Result<String, DemoError> {
    answer
        .get(field)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or(DemoError::Answer(field))
}

/// Sets the demo up, or finds it as it was left, and says what there is.
///
/// `deliver` sends the mail that waits; the demo reads it from the outbox.
///
/// # Errors
/// [`DemoError`]
pub async fn prepare<F: Future<Output = ()>>(
    router: Router,
    deliver: impl Fn() -> F,
    progress: &(dyn Fn(&str) + Sync),
    neighbours: Option<&Neighbours>,
) -> Result<Invitation, DemoError> {
    let api = Api { router };
    let patient = match api.sign_in(&PATIENT).await? {
        Some(token) => token,
        None => register_all(&api, &deliver, progress).await?,
    };
    let summary = api.get("/api/records/summary", Some(&patient)).await?;
    let records = summary.get("total").and_then(Value::as_u64).unwrap_or(0);
    progress("making a share link");
    let share = json!({
        "recipientEmail": "dr.ada.lindqvist@clinic.example",
        "recipientName": "Dr. Ada Lindqvist",
        "recordTypes": ["lab-results", "prescriptions", "allergies", "conditions", "vitals"],
        "message": "Here is what you asked for before my appointment.",
        "allowDownload": true,
        "expiresInDays": 7,
        "sendEmail": "link"
    });
    let made = api
        .post("/api/records/share", Some(&patient), &share)
        .await?;
    deliver().await;
    let synchronised = match neighbours {
        None => None,
        Some(neighbours) => Some(synchronise(&api, neighbours, progress).await?),
    };
    Ok(Invitation {
        share_url: text(&made, "url")?,
        records,
        synchronised,
    })
}

/// The dietician's own patient: a chart that waits to be claimed, connected to a
/// hospital and to the platform of the practice, and synchronised.
async fn synchronise(
    api: &Api,
    neighbours: &Neighbours,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<u64, DemoError> {
    let dietician = api
        .sign_in(&PROVIDER)
        .await?
        .ok_or(DemoError::Answer("a dietician"))?;
    let dietician = Some(dietician.as_str());
    let caseload = api.get("/api/v1/patients", dietician).await?;
    let known = caseload.get("items").and_then(Value::as_array);
    let known = known.into_iter().flatten().find(|chart| {
        chart.get("carepatron_patient_id").and_then(Value::as_str) == Some(CHART_NUMBER)
    });
    let patient = match known {
        Some(chart) => text(chart, "id")?,
        None => {
            progress("opening a chart and connecting a hospital and a practice platform");
            open_chart(api, dietician, neighbours).await?
        }
    };
    progress("synchronising");
    let path = format!("/api/v1/patients/{patient}/sync");
    for direction in ["pull", "push"] {
        let body = json!({"direction": direction, "wait": true});
        api.post(&path, dietician, &body).await?;
    }
    let path = format!("/api/v1/deliveries?state=done&limit=500&patient_id={patient}");
    let done = api.get(&path, dietician).await?;
    let done = done.get("items").and_then(Value::as_array);
    Ok(done.map_or(0, Vec::len) as u64)
}

async fn open_chart(
    api: &Api,
    dietician: Option<&str>,
    neighbours: &Neighbours,
) -> Result<String, DemoError> {
    let chart = json!({
        "name": "Rosa Delgado", "email": "rosa@patient.example", "date_of_birth": "1971-06-30",
        "dietary_preferences": "Vegetarian; no peanuts.", "carepatron_patient_id": CHART_NUMBER
    });
    let chart = api.post("/api/v1/patients", dietician, &chart).await?;
    let patient = text(&chart, "id")?;
    let authorization = json!({"obtained_on": "2026-01-15", "method": "paper"});
    let (hospital, remote) = &neighbours.hospital;
    let source = json!({
        "kind": "fhir", "direction": "source", "name": "Harbour General Hospital",
        "base_url": hospital, "schedule": "hourly", "patient_id": patient,
        "remote_patient_id": remote, "authorization": authorization
    });
    api.post("/api/v1/connections", dietician, &source).await?;
    let (platform, key) = &neighbours.platform;
    let destination = json!({
        "kind": "fhir", "direction": "destination", "name": "Harbour Street Practice",
        "base_url": platform, "credentials": {"type": "bearer", "token": key},
        "schedule": "hourly", "settings": {"client_policy": "auto"}, "patient_id": patient,
        "record_types": ["documents", "diet", "lab-results"], "authorization": authorization
    });
    api.post("/api/v1/connections", dietician, &destination)
        .await?;
    Ok(patient)
}

async fn register_all<F: Future<Output = ()>>(
    api: &Api,
    deliver: &impl Fn() -> F,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<String, DemoError> {
    progress("registering a patient, a provider and an administrator");
    let body = json!({
        "email": PATIENT.email, "password": PATIENT.password, "name": PATIENT.name,
        "date_of_birth": "1955-01-04"
    });
    api.post("/api/patients/register", None, &body).await?;
    let body = json!({
        "email": PROVIDER.email, "password": PROVIDER.password, "name": PROVIDER.name,
        "type": "Dietician", "license_number": "DEMO-1", "license_country": "US",
        "organization": "Harbour Street Practice"
    });
    let provider = api.post("/api/providers/register", None, &body).await?;
    let provider = text(&provider, "account_id")?;
    deliver().await;
    api.verify(&PATIENT).await?;
    api.verify(&PROVIDER).await?;
    let admin = api
        .sign_in(&ADMIN)
        .await?
        .ok_or(DemoError::Answer("an administrator"))?;
    let path = format!("/api/admin/providers/{provider}/verification");
    api.post(&path, Some(&admin), &json!({"decision": "approve"}))
        .await?;
    let patient = api
        .sign_in(&PATIENT)
        .await?
        .ok_or(DemoError::Answer("a session"))?;
    progress("importing a synthetic record of 1,275 resources");
    let bundle = record()?;
    let media = "application/fhir+json";
    api.send(
        Method::POST,
        "/api/records",
        Some(&patient),
        Some((media, bundle)),
    )
    .await?;
    progress("granting the dietician laboratory results and prescriptions");
    let grant = json!({
        "provider_id": provider,
        "record_types": ["lab_results", "prescriptions", "vitals"],
        "expiry_date": in_days(30),
        "purpose": "routine_checkup",
        "allow_download": true
    });
    api.post("/api/sharing/grant", Some(&patient), &grant)
        .await?;
    Ok(patient)
}

/// A date some days ahead, as the API takes it.
fn in_days(days: i64) -> String {
    use chartkey_domain::clock::Clock as _;
    let at = crate::chance::SystemClock.now() + jiff::SignedDuration::from_hours(days * 24);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn record() -> Result<Vec<u8>, DemoError> {
    let mut bundle = Vec::new();
    flate2::read::GzDecoder::new(RECORD)
        .take(MAX_RECORD)
        .read_to_end(&mut bundle)
        .map_err(DemoError::Record)?;
    Ok(bundle)
}

/// The administrator of the demo, who is made on the command line.
pub const fn admin() -> (&'static str, &'static str, &'static str) {
    (ADMIN.email, ADMIN.password, ADMIN.name)
}

/// Prints addresses and sign-ins.
///
/// # Errors
/// [`DemoError::Output`]
pub fn show(invitation: &Invitation, app_url: &str, data: &Path) -> Result<(), DemoError> {
    let mut out = std::io::stdout().lock();
    let mut print = || -> std::io::Result<()> {
        writeln!(out)?;
        writeln!(
            out,
            "  Chartkey is running with made-up people. Nothing here is real."
        )?;
        writeln!(out)?;
        writeln!(out, "  App            {app_url}/")?;
        writeln!(out, "  API            {app_url}/api/docs")?;
        writeln!(out, "  Mail           {app_url}/dev/mail")?;
        writeln!(out, "  A shared link  {}", invitation.share_url)?;
        writeln!(out)?;
        writeln!(out, "  Sign in as     password")?;
        for (what, who) in [
            ("patient", &PATIENT),
            ("dietician", &PROVIDER),
            ("administrator", &ADMIN),
        ] {
            writeln!(out, "  {:<30} {:<28} {what}", who.email, who.password)?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "  The patient has {} records. Data lies in {}.",
            invitation.records,
            data.display()
        )?;
        if let Some(count) = invitation.synchronised {
            writeln!(
                out,
                "  The dietician's chart of Rosa Delgado pulls from a made-up hospital; \
                 {count} documents are in a made-up practice platform."
            )?;
        }
        writeln!(out, "  Stop with Ctrl-C.")?;
        out.flush()
    };
    print().map_err(DemoError::Output)
}
