//! A patient with a source, a dietician with a platform, and an engine that can
//! be killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use chacha20::ChaCha20Rng;
use chartkey_crypto::SecretBytes;
use chartkey_domain::connections::{ConnectionKind, Credentials, Direction};
use chartkey_domain::ids::{ConnectionId, GrantId, PatientId};
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};
use chartkey_domain::sync::DeliveryState;
use chartkey_fhir::Limits;
use chartkey_service::assisted::{AskedTerms, Assisted, RecordQuery, RecordView, Upload};
use chartkey_service::connections::{self, NewAttachment, NewConnection};
use chartkey_service::sync::{self, Asked};
use chartkey_service::world::{CaughtMail, MemoryBlobs, Person, PlainDocuments, PlainPress, World};
use chartkey_service::{NounError, Parts, Protect, Registration, Service, Settings, delivery};
use chartkey_store::{Place, Store, StoreConfig, StoreError};
use jiff::{SignedDuration, Timestamp};
use rand_core::SeedableRng as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::fakes::Fakes;

/// Everybody, and both ends.
pub struct Practice {
    pub world: World,
    pub fakes: Arc<Fakes>,
    pub patient: Person,
    pub dietician: Person,
    pub source: ConnectionId,
    pub destination: ConnectionId,
    pub grant: GrantId,
    /// What works now; another one after each death.
    pub engine: Service,
}

/// The types that the dietician may read and take along.
pub fn shared() -> RecordTypes {
    RecordTypes::of(RecordType::Documents).union(RecordTypes::of(RecordType::LabResults))
}

pub fn terms(world: &World, patient: PatientId, types: RecordTypes) -> AskedTerms {
    AskedTerms {
        patient,
        types,
        kinds: Kinds::EMPTY,
        records: None,
        include_future: true,
        write_types: RecordTypes::EMPTY,
        valid_from: None,
        expires_at: world.service.now() + SignedDuration::from_hours(24 * 60),
        purpose: Some("nutrition".to_owned()),
        may_download: true,
        may_reshare: false,
    }
}

pub fn new_connection(direction: Direction, host: &str) -> NewConnection {
    NewConnection {
        direction,
        kind: match direction {
            Direction::Source => ConnectionKind::Fhir,
            Direction::Destination => ConnectionKind::Rest,
        },
        name: Some(match direction {
            Direction::Source => "County Hospital".to_owned(),
            Direction::Destination => "Practice Desk".to_owned(),
        }),
        base_url: format!("https://{host}/api"),
        credentials: Credentials::Bearer {
            token: Zeroizing::new("token-of-the-connection".to_owned()),
        },
        settings: json!({"requests_per_minute": 60_000, "burst": 1_000}),
        schedule: "daily".to_owned(),
    }
}

pub fn attachment(patient: PatientId) -> NewAttachment {
    NewAttachment {
        patient,
        remote_patient_id: None,
        record_types: Vec::new(),
        kinds: Kinds::EMPTY,
        authorization: None,
        statement: None,
    }
}

/// A world over both ends.
pub async fn world() -> (World, Arc<Fakes>) {
    let store = Store::open(&StoreConfig::new(Place::Memory)).unwrap();
    let start: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
    let clock = chartkey_domain::clock::FixedClock::new(start);
    let fakes = Fakes::new(clock.clone());
    let mut world = World::with_connectors(store, clock, fakes.clone()).await;
    // Runs that are due another day are not jobs left undone.
    let _ = &mut world;
    (world, fakes)
}

impl Practice {
    /// Everything is connected; the platform has one client.
    pub async fn new() -> Self {
        let practice = Self::without_attachments().await;
        practice.attach_source().await;
        practice.attach_destination().await;
        practice
    }

    /// The connections are there, and nobody is on them.
    pub async fn without_attachments() -> Self {
        let (world, fakes) = world().await;
        let admin = world.admin("admin@example.org").await;
        let patient = world.patient("ada@example.org").await;
        let dietician = world.verified_provider("dora@example.org", &admin).await;
        let id = patient.patient.unwrap();
        let mut assisted = open(&world.service, &patient).await;
        let terms = terms(&world, id, shared());
        let grant = assisted
            .grant(dietician.account, &terms, None, None, None)
            .await
            .unwrap();
        let made = |new, person: &Person| {
            let (service, caller) = (world.service.clone(), person.caller.clone());
            async move {
                connections::create_connection(&service, &caller, new)
                    .await
                    .unwrap()
                    .id
            }
        };
        let source = made(new_connection(Direction::Source, "fhir.example"), &patient).await;
        let new = new_connection(Direction::Destination, "desk.example");
        let destination = made(new, &dietician).await;
        fakes.client("client-1");
        let engine = restarted(&world, &fakes).await;
        Self {
            world,
            fakes,
            patient,
            dietician,
            source,
            destination,
            grant,
            engine,
        }
    }

    pub fn id(&self) -> PatientId {
        self.patient.patient.unwrap()
    }

    pub async fn attach_source(&self) {
        let new = NewAttachment {
            remote_patient_id: Some(Zeroizing::new("p1".to_owned())),
            ..attachment(self.id())
        };
        let mut assisted = open(&self.world.service, &self.patient).await;
        assisted.attach_patient(self.source, new).await.unwrap();
    }

    pub async fn attach_destination(&self) {
        let mut assisted = open(&self.world.service, &self.dietician).await;
        let new = attachment(self.id());
        assisted
            .attach_patient(self.destination, new)
            .await
            .unwrap();
    }

    /// Does what is due; the engine dies where a fault says so, and another one
    /// takes over.
    pub async fn run(&mut self) {
        let died = {
            let working = sync::run_due(&self.engine);
            tokio::pin!(working);
            tokio::select! {
                done = &mut working => { done.unwrap(); false }
                () = self.fakes.dead.notified() => true,
            }
        };
        if died {
            self.engine = restarted(&self.world, &self.fakes).await;
        }
    }

    /// Lets time pass, stepping to whatever is due, for so many seconds.
    pub async fn pass(&mut self, secs: i64) {
        let until = self.world.service.now() + SignedDuration::from_secs(secs);
        loop {
            self.run().await;
            let now = self.world.service.now();
            let next = sync::next_due(&self.engine).await.unwrap();
            match next.filter(|at| *at <= until) {
                Some(at) if at > now => self.world.clock.set(at),
                Some(_) => self.world.pass(1),
                None => {
                    self.world.clock.set(until);
                    self.run().await;
                    return;
                }
            }
        }
    }

    /// Somebody asks for a sync, and it is done.
    pub async fn sync(&mut self) {
        let (caller, id) = (&self.patient.caller, self.id());
        let asked = Asked::default();
        sync::start_sync(&self.world.service, caller, id, asked)
            .await
            .unwrap();
        self.pass(15).await;
    }

    /// What a person does after trouble: credentials are checked again, clients
    /// chosen, what was given up is tried again.
    pub async fn repair(&mut self) {
        let service = &self.world.service;
        for (person, id) in [
            (&self.patient, self.source),
            (&self.dietician, self.destination),
        ] {
            connections::verify_connection(service, &person.caller, id)
                .await
                .unwrap();
        }
        let chosen = Zeroizing::new("client-1".to_owned());
        let (caller, id) = (&self.dietician.caller, self.id());
        connections::update_remote_patient(service, caller, self.destination, id, chosen)
            .await
            .unwrap();
        for state in [DeliveryState::Dead, DeliveryState::NeedsReview] {
            for one in self.deliveries(state).await {
                delivery::retry_delivery(&self.world.service, &self.dietician.caller, one.id)
                    .await
                    .unwrap();
            }
        }
    }

    pub async fn deliveries(&self, state: DeliveryState) -> Vec<delivery::DeliveryView> {
        delivery::list_deliveries(
            &self.world.service,
            &self.dietician.caller,
            state,
            None,
            None,
            500,
        )
        .await
        .unwrap()
    }

    /// The patient's records, opened.
    pub async fn records(&self) -> Vec<RecordView> {
        listed(&self.world.service, &self.patient, self.id()).await
    }

    pub async fn titles(&self) -> Vec<String> {
        let mut titles: Vec<_> = self
            .records()
            .await
            .into_iter()
            .map(|r| r.fields.header.title)
            .collect();
        titles.sort();
        titles
    }

    /// The log, oldest first: action, status, sentence.
    pub async fn log(&self) -> Vec<String> {
        let (service, caller) = (&self.world.service, &self.patient.caller);
        let page = sync::list_logs(service, caller, self.id(), None, 500)
            .await
            .unwrap();
        page.items
            .iter()
            .rev()
            .map(|l| format!("{} · {} · {}", l.action.word(), l.status.word(), l.details))
            .collect()
    }
}

/// Another process over the same database.
pub async fn restarted(world: &World, fakes: &Arc<Fakes>) -> Service {
    static SEED: AtomicU8 = AtomicU8::new(60);
    let seed = SEED.fetch_add(1, Ordering::Relaxed);
    Service::start(Parts {
        store: world.service.store().clone(),
        clock: Arc::new(world.clock.clone()),
        chance: Box::new(ChaCha20Rng::from_seed([seed; 32])),
        mailer: Arc::new(CaughtMail::default()),
        press: Arc::new(PlainPress),
        blobs: world.blobs.clone() as Arc<MemoryBlobs>,
        connectors: fakes.clone(),
        document_press: Arc::new(PlainDocuments),
        protect: Protect::new("b7d1f09c3a5e48d2967fe1c04ab8356d"),
        settings: Settings {
            app_url: "https://chart.example".to_owned(),
            registration: Registration::Open,
            caseload_types: Vec::new(),
            mail_leaves: true,
            pace: sync::Pace::default(),
        },
    })
    .await
    .unwrap()
}

pub async fn open(service: &Service, person: &Person) -> Assisted {
    Assisted::open(service, &person.caller).await.unwrap()
}

pub async fn listed(service: &Service, person: &Person, patient: PatientId) -> Vec<RecordView> {
    let mut assisted = open(service, person).await;
    let query = RecordQuery {
        limit: Some(500),
        ..RecordQuery::default()
    };
    assisted.list(patient, &query).await.unwrap().items
}

pub async fn upload(service: &Service, person: &Person, resource: &Value) {
    let upload = Upload::Fhir {
        bytes: SecretBytes::new(serde_json::to_vec(resource).unwrap()),
        content_type: None,
    };
    let mut assisted = open(service, person).await;
    let patient = person.patient.unwrap();
    assisted
        .upload(patient, upload, None, &Limits::default())
        .await
        .unwrap();
}

/// A document with its bytes at another address.
pub fn document(id: &str, title: &str) -> Value {
    json!({"resourceType": "DocumentReference", "id": id, "status": "current",
        "type": {"text": title}, "description": title, "date": "2026-03-01T10:00:00Z",
        "content": [{"attachment": {"contentType": "application/pdf", "url": format!("Binary/{id}")}}]})
}

/// A laboratory value.
pub fn glucose(id: &str, value: f64) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7", "display": format!("Glucose {id}")}]},
        "effectiveDateTime": "2026-03-01", "valueQuantity": {"value": value, "unit": "mmol/L"}})
}

/// What the provider has: the patient, three documents, one laboratory value.
pub fn fill(fakes: &Fakes) {
    fakes.serve(json!({"resourceType": "Patient", "id": "p1", "name": [{"family": "Lovelace"}]}));
    for (id, title) in [("d1", "Letter"), ("d2", "Report"), ("d3", "Plan")] {
        fakes.serve(document(id, title));
        fakes.serve_file(&format!("Binary/{id}"), format!("%PDF {title}").as_bytes());
    }
    fakes.serve(glucose("g1", 5.1));
}

/// The code of a failure.
pub fn code<E: NounError>(failure: &chartkey_service::Failure<E>) -> String {
    use chartkey_service::Failure as F;
    match failure {
        F::Refused(refusal) => refusal.code().to_owned(),
        F::Noun(error) => error.code().to_owned(),
        F::Invalid(fields) => format!("invalid {}", fields[0].0),
        F::Vault(error) => error.code().to_owned(),
        other => format!("{other:?}"),
    }
}

/// Reads the store.
pub async fn read<T: Send + 'static>(
    service: &Service,
    f: impl FnOnce(&mut chartkey_store::Reader) -> Result<T, StoreError> + Send + 'static,
) -> T {
    service.store().read("test.read", f).await.unwrap()
}
