//! What these tests have in common.

use std::future::Future;

use chartkey_crypto::SecretBytes;
use chartkey_domain::ids::{GrantId, RecordId};
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};
use chartkey_domain::shares::{NewShare, SendEmail, ShareForm};
use chartkey_fhir::Limits;
use chartkey_service::assisted::{AskedTerms, Assisted, OpenShare, Recipient, Upload};
use chartkey_service::world::{Person, World};
use chartkey_service::{Failure, NounError};
use chartkey_store::testing;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Runs `test` in a fresh world on every engine.
pub fn on_every_engine<F, Fut>(test: F)
where
    F: Fn(World) -> Fut,
    Fut: Future<Output = ()>,
{
    testing::for_each_engine(|store| async { test(World::on(store).await).await });
}

pub async fn open(world: &World, person: &Person) -> Assisted {
    Assisted::open(&world.service, &person.caller)
        .await
        .unwrap()
}

pub async fn upload(world: &World, person: &Person, resource: &Value) -> RecordId {
    let upload = Upload::Fhir {
        bytes: SecretBytes::new(serde_json::to_vec(resource).unwrap()),
        content_type: None,
    };
    let report = open(world, person)
        .await
        .upload(person.patient.unwrap(), upload, None, &Limits::default())
        .await
        .unwrap();
    report.written[0]
}

pub fn allergy(text: &str) -> Value {
    json!({"resourceType": "AllergyIntolerance", "code": {"text": text},
        "patient": {"reference": "Patient/1"}, "recordedDate": "2020-01-02"})
}

pub fn glucose() -> Value {
    json!({"resourceType": "Observation", "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7", "display": "Glucose"}]},
        "effectiveDateTime": "2026-03-01", "valueQuantity": {"value": 5.40, "unit": "mmol/L"}})
}

/// Lab results for a day.
pub fn terms(world: &World, person: &Person) -> AskedTerms {
    AskedTerms {
        patient: person.patient.unwrap(),
        types: RecordTypes::of(RecordType::LabResults),
        kinds: Kinds::EMPTY,
        records: None,
        include_future: true,
        write_types: RecordTypes::EMPTY,
        valid_from: None,
        expires_at: world.service.now() + SignedDuration::from_hours(24),
        purpose: Some("second opinion".to_owned()),
        may_download: true,
        may_reshare: false,
    }
}

pub async fn grant(world: &World, from: &Person, to: &Person, terms: &AskedTerms) -> GrantId {
    let made = open(world, from)
        .await
        .grant(to.account, terms, None, None, None)
        .await;
    made.unwrap()
}

pub async fn share(world: &World, person: &Person) -> OpenShare {
    let recipient = Recipient {
        email: None,
        said: NewShare {
            recipient_name: Some("Dr. Ng".to_owned()),
            message: None,
            passcode: None,
            max_accesses: None,
            form: ShareForm::Manifest,
        },
    };
    let terms = terms(world, person);
    let made = open(world, person)
        .await
        .share(&[recipient], &terms, SendEmail::None, None)
        .await;
    made.unwrap().pop().unwrap()
}

/// Ada with a lab result and an allergy, and a verified provider.
pub async fn cast(world: &World) -> (Person, Person) {
    let admin = world.admin("admin@example.org").await;
    let ada = world.patient("ada@example.org").await;
    let ng = world.verified_provider("ng@clinic.example", &admin).await;
    upload(world, &ada, &glucose()).await;
    upload(world, &ada, &allergy("Penicillin")).await;
    (ada, ng)
}

/// The code of a failure.
pub fn code<E: NounError>(failure: &Failure<E>) -> String {
    match failure {
        Failure::Refused(refusal) => refusal.code().to_owned(),
        Failure::Noun(error) => error.code().to_owned(),
        Failure::Invalid(fields) => format!("invalid {}", fields[0].0),
        other => format!("{other:?}"),
    }
}
