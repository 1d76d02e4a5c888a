//! A way to the router that keeps what crosses it, and can be told to lie.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use chartkey_fhir::{Kinds, Limits, RecordType, plan_import};
use chartkey_service::world::PASSWORD;
use chartkey_vault::client::{Act, Client, Memory};
use chartkey_vault::grant::Cover;
use chartkey_vault::http::{Answer, Call, Fetch, Http};
use chartkey_vault::session::Role;
use chartkey_vault::sharing::Wish;
use chartkey_vault::{Id, VaultError};
use jiff::{SignedDuration, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Map, Value, json};

use crate::conversation::Conversation;

/// Changes an answer on its way: the path that was asked, and the answer.
pub type Lie = Box<dyn FnMut(&str, &mut Value) + Send>;

struct Inner {
    conversation: Arc<Conversation>,
    token: Mutex<Option<String>>,
    heard: Arc<Mutex<Vec<u8>>>,
    lie: Mutex<Option<Lie>>,
}

/// One client's way to the server.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

impl Wire {
    pub fn lie(&self, lie: impl FnMut(&str, &mut Value) + Send + 'static) {
        *self.0.lie.lock().unwrap() = Some(Box::new(lie));
    }

    pub fn honest(&self) {
        *self.0.lie.lock().unwrap() = None;
    }
}

impl Fetch for Wire {
    async fn fetch(&self, call: Call) -> Result<Answer, VaultError> {
        let mut request = Request::builder().method(call.method).uri(&call.path);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
            self.0
                .heard
                .lock()
                .unwrap()
                .extend_from_slice(value.as_bytes());
        }
        let token = self.0.token.lock().unwrap().clone();
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = call.body.unwrap_or_default();
        {
            let mut heard = self.0.heard.lock().unwrap();
            heard.extend_from_slice(call.path.as_bytes());
            heard.extend_from_slice(&body);
        }
        let request = request.body(Body::from(body)).unwrap();
        let mut answer = self.0.conversation.raw(request).await;
        self.0
            .heard
            .lock()
            .unwrap()
            .extend_from_slice(answer.text.as_bytes());
        if let Some(lie) = self.0.lie.lock().unwrap().as_mut()
            && answer.status.is_success()
        {
            lie(&call.path, &mut answer.json);
            answer.text = answer.json.to_string();
        }
        Ok(Answer {
            status: answer.status.as_u16(),
            body: answer.text.into_bytes(),
        })
    }
}

/// Somebody with a sealed client.
pub struct Person {
    pub id: Id,
    pub patient: Id,
    pub email: String,
    pub wire: Wire,
    pub client: Client<Http<Wire>>,
}

/// A server, and everything that its sealed clients said and heard.
pub struct Stage {
    pub conversation: Arc<Conversation>,
    heard: Arc<Mutex<Vec<u8>>>,
    pub rng: ChaCha20Rng,
}

/// Time and chance, borrowed from a stage.
macro_rules! act {
    ($stage:expr) => {
        &mut chartkey_vault::client::Act {
            now: $stage.now(),
            rng: &mut $stage.rng,
        }
    };
}
pub(crate) use act;

impl Stage {
    pub async fn new() -> Self {
        Self {
            conversation: Arc::new(Conversation::new().await),
            heard: Arc::default(),
            rng: ChaCha20Rng::seed_from_u64(5),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.conversation.world.service.now()
    }

    pub fn wire(&self) -> Wire {
        Wire(Arc::new(Inner {
            conversation: self.conversation.clone(),
            token: Mutex::default(),
            heard: self.heard.clone(),
            lie: Mutex::default(),
        }))
    }

    /// Whether a text ever crossed in the clear.
    pub fn heard(&self, text: &str) -> bool {
        let heard = self.heard.lock().unwrap();
        heard.windows(text.len()).any(|w| w == text.as_bytes())
    }

    /// A patient who registered with a sealed client.
    pub async fn patient(&mut self, name: &str) -> Person {
        let email = format!("{name}@example.org");
        let http = Http(self.wire());
        let person = json!({"email": email, "name": name, "date_of_birth": "1980-02-29"});
        let Value::Object(person) = person else {
            unreachable!()
        };
        let now = self.now();
        let act = &mut Act {
            now,
            rng: &mut self.rng,
        };
        let made = http
            .register(Role::Patient, &person, PASSWORD, act)
            .await
            .unwrap();
        let world = &self.conversation.world;
        world.run_jobs().await;
        let token = world.verification_token(&email);
        let body = json!({ "token": token }).to_string();
        let request = Request::post("/api/auth/verify-email")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        assert_eq!(self.conversation.raw(request).await.status, 204);
        let signed_in = self.sign_in(&email).await;
        assert_eq!(
            (signed_in.id, Some(signed_in.patient)),
            (made.account, made.patient)
        );
        signed_in
    }

    /// A provider whom an administrator verified.
    pub async fn provider(&mut self, name: &str) -> Person {
        let email = format!("{name}@clinic.example");
        let world = &self.conversation.world;
        let admin = world.admin(&format!("admin-of-{name}@example.org")).await;
        world.verified_provider(&email, &admin).await;
        self.sign_in(&email).await
    }

    /// Signs in on a device that remembers nothing.
    pub async fn sign_in(&self, email: &str) -> Person {
        let wire = self.wire();
        let done = Http(wire.clone()).sign_in(email, PASSWORD).await.unwrap();
        self.person(email, wire, done)
    }

    pub fn person(
        &self,
        email: &str,
        wire: Wire,
        done: chartkey_vault::session::SignedIn,
    ) -> Person {
        let text = |said: &Map<String, Value>, name: &str| {
            said.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        *wire.0.token.lock().unwrap() = text(&done.said, "access_token");
        let patient = text(&done.said, "patient_id").map_or(Id::NIL, |p| p.parse().unwrap());
        Person {
            id: done.secrets.account(),
            patient,
            email: email.to_owned(),
            client: Client::new(Http(wire.clone()), done.secrets, Memory::default()),
            wire,
        }
    }

    /// Imports the Bundle of these tests.
    pub async fn import(&mut self, person: &mut Person) {
        let plan = plan_import(BUNDLE.as_bytes(), None, &Limits::default()).unwrap();
        let patient = person.patient;
        let done = person
            .client
            .import(patient, plan, None, "upload", None, act!(self))
            .await
            .unwrap();
        assert_eq!(done.created, 3);
    }

    pub fn wish(&self, types: &[RecordType]) -> Wish {
        Wish {
            types: types.to_vec(),
            kinds: Kinds::EMPTY,
            records: None,
            write_types: Vec::new(),
            valid_from: None,
            expires_at: self.now() + SignedDuration::from_hours(24 * 30),
            purpose: "TREAT".to_owned(),
            may_download: false,
            may_reshare: false,
            cover: Cover {
                patient_name: "ada".to_owned(),
                birth_date: None,
                sender: "ada".to_owned(),
                recipient: "ng".to_owned(),
                purpose: None,
                message: Some("Please have a look at the potassium.".to_owned()),
            },
        }
    }
}

/// Titles and texts of everything that somebody reads.
pub async fn texts(person: &mut Person, patient: Id) -> Result<Vec<String>, VaultError> {
    let open = person.client.open(patient).await?;
    let listing = person.client.list(&open, false).await?;
    assert!(listing.unopened.is_empty(), "{:?}", listing.unopened);
    let mut texts = Vec::new();
    for listed in &listing.records {
        let read = person.client.read(&open, listed.sealed.id, None).await?;
        texts.push(String::from_utf8(read.content.into_vec()).unwrap());
    }
    texts.sort();
    Ok(texts)
}

/// Words of the import, each of which would be known by its sight.
pub const CLINICAL: &[&str] = &[
    "Potassium serum",
    "6298-4",
    "Asthma bronchiale",
    "195967001",
    "Salbutamol inhaler",
    "Doctor Leopoldina",
    "mmol/litre",
    "potassium",
];

pub const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"collection","entry":[
 {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Observation","id":"a","status":"final",
  "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],
  "code":{"coding":[{"system":"http://loinc.org","code":"6298-4"}],"text":"Potassium serum"},
  "performer":[{"reference":"urn:uuid:4"}],"valueQuantity":{"value":4.1,"unit":"mmol/litre"}}},
 {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Condition","id":"b",
  "code":{"coding":[{"system":"http://snomed.info/sct","code":"195967001"}],"text":"Asthma bronchiale"}}},
 {"fullUrl":"urn:uuid:3","resource":{"resourceType":"MedicationRequest","id":"c","status":"active","intent":"order",
  "medicationCodeableConcept":{"text":"Salbutamol inhaler"}}},
 {"fullUrl":"urn:uuid:4","resource":{"resourceType":"Practitioner","id":"d","name":[{"text":"Doctor Leopoldina"}]}}
]}"#;
