//! A made-up platform that is being served, an adapter that calls it, and a
//! caller that does what the ledger of deliveries does.

use std::sync::Arc;
use std::time::Duration;

use chartkey_domain::clock::FixedClock;
use chartkey_domain::connections::{
    ClientMatch, ConnectionKind, ConnectorError, ConnectorResult, Connectors, Credentials,
    DedupeKey, Endpoint, ErrorClass, OutgoingDocument, Platform, PutState, RemoteClient,
    TokenKeeper, TokenState,
};
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::ids::{ConnectionId, PatientId};
use chartkey_fakes::Stage;
use chartkey_fakes::platforms::carepatron::Carepatron;
use chartkey_fakes::platforms::cliniko::Cliniko;
use chartkey_fakes::platforms::fhir_sink::FhirSink;
use chartkey_fakes::platforms::healthie::Healthie;
use chartkey_fakes::platforms::plain::Plain;
use chartkey_fakes::platforms::{Client, Document, Received, Running};
use chartkey_outside::connectors::{Adapters, ConnectorLimits};
use chartkey_outside::http::HttpSettings;
use chartkey_outside::http::addresses::AllowedHosts;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub const KEY: &str = "made-up-key";
pub const CLINIKO_KEY: &str = "MS0xLWl4made-au1";
pub const EMAIL: &str = "ann@example.org";
pub const BIRTH_DATE: &str = "1980-02-29";
pub const DEDUPE: &str = "ABCDEFGHJKLMNPQR";

/// A platform in one of its shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Fhir,
    FhirInline,
    FhirPosted,
    Cliniko,
    Healthie,
    RestForm,
    RestJson,
    Carepatron,
}

/// Those that take documents.
pub const TAKES_DOCUMENTS: [Shape; 7] = [
    Shape::Fhir,
    Shape::FhirInline,
    Shape::FhirPosted,
    Shape::Cliniko,
    Shape::Healthie,
    Shape::RestForm,
    Shape::RestJson,
];

/// A platform, whichever it is.
pub enum Fake {
    Fhir(Running<FhirSink>),
    Cliniko(Running<Cliniko>),
    Healthie(Running<Healthie>),
    Rest(Running<Plain>),
    Carepatron(Running<Carepatron>),
}

/// The whole bench.
pub struct Bench {
    pub fake: Fake,
    pub received: Received,
    pub stage: Arc<Stage>,
    pub clock: FixedClock,
    pub endpoint: Endpoint,
    pub adapters: Arc<Adapters>,
    pub origin: String,
}

/// No tokens to keep.
pub struct NoTokens;

impl TokenKeeper for NoTokens {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenState>, ConnectorError>> {
        Box::pin(async { Ok(None) })
    }

    fn take_turn(&self) -> BoxFuture<'_, Result<bool, ConnectorError>> {
        Box::pin(async { Ok(true) })
    }

    fn store(&self, _state: TokenState) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    fn give_up(&self, _lapsed: bool) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Twenty seconds past a minute.
pub fn clock() -> FixedClock {
    FixedClock::new("2026-11-02T10:00:20Z".parse().unwrap())
}

pub fn http() -> HttpSettings {
    HttpSettings {
        allowed_hosts: AllowedHosts::parse("127.0.0.1").unwrap(),
        timeout: Duration::from_secs(1),
        ..HttpSettings::default()
    }
}

pub fn adapters(http: HttpSettings, clock: &FixedClock) -> Adapters {
    let chance = Box::new(ChaCha20Rng::from_seed([7; 32]));
    let limits = ConnectorLimits::default();
    Adapters::new(http, limits, Arc::new(clock.clone()), chance).unwrap()
}

fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

/// The description of the plain platform.
pub fn rest_settings(format: &str) -> Value {
    let mut fields = json!({"description": "{title} ({marker})", "kind": "{record_type}"});
    if format == "json" {
        fields = json!({
            "description": "{title} ({marker})",
            "file_name": "{file_name}",
            "content_type": "{content_type}",
            "content_base64": "{base64}",
        });
    }
    json!({
        "verify": {"path": "/account", "account": "name"},
        "find_clients": {
            "path": "/clients?email={email}",
            "items": "data", "email": "contact.email", "birth_date": "dob",
        },
        "create_client": {
            "path": "/clients", "id": "data.id",
            "fields": {
                "first": "{first_name}", "last": "{last_name}", "email": "{email}",
                "dob": "{birth_date}", "notify": false,
            },
        },
        "find_document": {
            "path": "/clients/{client}/documents?q={marker}",
            "items": "data", "client": "client_id",
        },
        "put_document": {
            "path": "/clients/{client}/documents", "format": format,
            "fields": fields, "id": "data.id",
        },
        "remove_document": {"path": "/documents/{document}"},
    })
}

impl Bench {
    pub async fn new(shape: Shape) -> Self {
        let clock = clock();
        let adapters = Arc::new(adapters(http(), &clock));
        Self::beside(shape, adapters, clock).await
    }

    /// One of many whose adapter is the same.
    pub async fn beside(shape: Shape, adapters: Arc<Adapters>, clock: FixedClock) -> Self {
        let now = Arc::new(clock.clone());
        let bearer = Credentials::Bearer { token: secret(KEY) };
        let (kind, path, credentials, settings, fake) = match shape {
            Shape::Fhir | Shape::FhirInline | Shape::FhirPosted => {
                let carrier = match shape {
                    Shape::FhirInline => "inline",
                    Shape::FhirPosted => "post",
                    _ => "put",
                };
                let settings = json!({"destination": {"carrier": carrier}});
                let fake = Fake::Fhir(FhirSink::start(now, 0, KEY).await.unwrap());
                (ConnectionKind::Fhir, "", bearer, settings, fake)
            }
            Shape::Cliniko => {
                let credentials = Credentials::Basic {
                    username: secret(CLINIKO_KEY),
                    password: secret(""),
                };
                let settings = json!({"contact_email": "it@practice.example"});
                let fake = Fake::Cliniko(Cliniko::start(now, 0, CLINIKO_KEY).await.unwrap());
                (ConnectionKind::Cliniko, "/v1", credentials, settings, fake)
            }
            Shape::Healthie => {
                let fake = Fake::Healthie(Healthie::start(now, 0, KEY).await.unwrap());
                (
                    ConnectionKind::Healthie,
                    "/graphql",
                    bearer,
                    json!({}),
                    fake,
                )
            }
            Shape::RestForm | Shape::RestJson => {
                let format = if shape == Shape::RestForm {
                    "multipart"
                } else {
                    "json"
                };
                let fake = Fake::Rest(Plain::start(now, 0, KEY).await.unwrap());
                (
                    ConnectionKind::Rest,
                    "",
                    bearer,
                    rest_settings(format),
                    fake,
                )
            }
            Shape::Carepatron => {
                let credentials = Credentials::Header {
                    name: "cp-api-key".to_owned(),
                    value: secret(KEY),
                };
                let settings = json!({"provider_id": "workspace-1"});
                let fake = Carepatron::start(now, 0, KEY, "workspace-1").await.unwrap();
                let fake = Fake::Carepatron(fake);
                (ConnectionKind::Carepatron, "", credentials, settings, fake)
            }
        };
        let (origin, stage, received) = fake.parts();
        let endpoint = Endpoint {
            connection: ConnectionId::from_bytes([9; 16]),
            kind,
            base_url: format!("{origin}{path}"),
            credentials,
            settings,
        };
        Self {
            fake,
            received,
            stage,
            clock,
            endpoint,
            adapters,
            origin,
        }
    }

    pub fn platform(&self) -> &dyn Platform {
        self.adapters.platform(self.endpoint.kind).unwrap()
    }

    /// The same connection with a key that nobody knows.
    pub fn with_bad_key(&self) -> Endpoint {
        let mut endpoint = self.endpoint.clone();
        endpoint.credentials = match &self.endpoint.credentials {
            Credentials::Basic { .. } => Credentials::Basic {
                username: secret("nobody-s-key-au1"),
                password: secret(""),
            },
            Credentials::Header { name, .. } => Credentials::Header {
                name: name.clone(),
                value: secret("nobody-s-key"),
            },
            _ => Credentials::Bearer {
                token: secret("nobody-s-key"),
            },
        };
        endpoint
    }

    /// A client who was there before; their id.
    pub fn add_client(&self, email: &str, birth_date: &str) -> RemoteClient {
        let id = match &self.fake {
            Fake::Fhir(running) => {
                let mut patient = json!({
                    "resourceType": "Patient",
                    "telecom": [{"system": "email", "value": email}],
                });
                if !birth_date.is_empty() {
                    patient["birthDate"] = Value::from(birth_date);
                }
                running.platform.add_patient(&patient)
            }
            _ => self
                .received
                .add_client(Client::new("Ann", "Smith", email, birth_date)),
        };
        RemoteClient { id }
    }

    pub async fn find_clients(&self) -> ConnectorResult<Vec<RemoteClient>> {
        self.platform()
            .find_clients(&self.endpoint, &NoTokens, &ann())
            .await
    }

    pub async fn find(&self, client: &RemoteClient, key: &str) -> ConnectorResult<Option<String>> {
        let key = DedupeKey(key.to_owned());
        self.platform()
            .find_document(&self.endpoint, &NoTokens, client, &key)
            .await
    }

    pub async fn step(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        resume: Option<&str>,
    ) -> ConnectorResult<PutState> {
        let key = DedupeKey(DEDUPE.to_owned());
        self.platform()
            .put_document(&self.endpoint, &NoTokens, client, document, &key, resume)
            .await
    }

    /// All steps, with nothing going wrong.
    pub async fn put(&self, client: &RemoteClient, document: &OutgoingDocument) -> String {
        let mut resume = None;
        loop {
            match self
                .step(client, document, resume.as_deref())
                .await
                .unwrap()
            {
                PutState::Done(id) => return id,
                PutState::Pending(token) => resume = Some(token),
            }
        }
    }

    /// What the ledger of deliveries does: keeps each token, looks before it
    /// tries again where something may have been done, begins again where it is
    /// told to, and does not give up before `attempts`. The errors on the way.
    pub async fn deliver(
        &self,
        client: &RemoteClient,
        document: &OutgoingDocument,
        attempts: usize,
    ) -> (Option<String>, Vec<ConnectorError>) {
        let mut resume: Option<String> = None;
        let mut errors = Vec::new();
        let mut look = false;
        for _ in 0..attempts {
            if look {
                match self.find(client, DEDUPE).await {
                    Ok(Some(id)) => return (Some(id), errors),
                    Ok(None) => look = false,
                    Err(error) => {
                        errors.push(error);
                        continue;
                    }
                }
            }
            match self.step(client, document, resume.as_deref()).await {
                Ok(PutState::Done(id)) => return (Some(id), errors),
                Ok(PutState::Pending(token)) => resume = Some(token),
                Err(error) => {
                    look = error.class == ErrorClass::Unknown;
                    if error.class == ErrorClass::Expired {
                        resume = None;
                    }
                    errors.push(error);
                }
            }
        }
        (None, errors)
    }

    /// The documents that are there.
    pub fn documents(&self) -> Vec<Document> {
        self.received.documents()
    }
}

impl Fake {
    fn parts(&self) -> (String, Arc<Stage>, Received) {
        fn of<P>(running: &Running<P>, received: &Received) -> (String, Arc<Stage>, Received) {
            let stage = Arc::clone(&running.stage);
            (running.origin().to_owned(), stage, received.clone())
        }
        match self {
            Self::Fhir(running) => of(running, &running.platform.received),
            Self::Cliniko(running) => of(running, &running.platform.received),
            Self::Healthie(running) => of(running, &running.platform.received),
            Self::Rest(running) => of(running, &running.platform.received),
            Self::Carepatron(running) => of(running, &running.platform.received),
        }
    }
}

/// The patient.
pub fn ann() -> ClientMatch {
    ClientMatch {
        name: secret("Ann Mary Smith"),
        email: Some(secret(EMAIL)),
        birth_date: Some(secret(BIRTH_DATE)),
        patient: Some(PatientId::from_bytes([3; 16])),
    }
}

/// Bytes that a boundary, JSON and XML would all stumble over.
pub fn letter() -> OutgoingDocument {
    let mut bytes = b"%PDF-1.7\r\n--chartkey-form-0000000000000000--\r\n\"}{<Key>".to_vec();
    bytes.extend((0..=255_u8).cycle().take(3_000));
    OutgoingDocument {
        title: secret("Letter of Dr. O\u{2019}Neil"),
        file_name: secret("2026-10-01_letter_clinic_ab12.pdf"),
        content_type: "application/pdf".to_owned(),
        record_type: "letter".to_owned(),
        date: Some("2026-10-01".to_owned()),
        bytes: Zeroizing::new(bytes),
    }
}
