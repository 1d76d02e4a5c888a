//! What these tests have in common.

use std::future::Future;

use chartkey_crypto::SecretBytes;
use chartkey_domain::ids::{GrantId, PatientId, RecordId};
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};
use chartkey_domain::trail::{Columns, TrailAction};
use chartkey_fhir::{Compartment, Limits};
use chartkey_service::assisted::{
    AskedTerms, Assisted, AssistedFailure, InProcess, RecordQuery, RecordView, Upload,
};
use chartkey_service::world::{Person, World};
use chartkey_service::{Failure, NounError, patients, sessions};
use chartkey_store::trail::{Filter, Log, list};
use chartkey_store::{StoreError, testing};
use chartkey_vault::Id;
use chartkey_vault::bytes::{Bytes, Bytes32};
use chartkey_vault::client::{Client, Memory};
use chartkey_vault::protocol::{
    Envelope, NewSealedRecord, PatientKeys, RecipientKind, SealedBatch, SealedWrite,
};
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

/// The code of a failure.
pub fn code<E: NounError>(failure: &Failure<E>) -> String {
    use Failure as F;
    match failure {
        F::Refused(refusal) => refusal.code().to_owned(),
        F::Noun(error) => error.code().to_owned(),
        F::Invalid(fields) => format!("invalid {}", fields[0].0),
        F::Vault(chartkey_vault::error::VaultError::Conflict(code)) => code.clone(),
        F::Vault(error) => error.code().to_owned(),
        other => format!("{other:?}"),
    }
}

pub async fn open(world: &World, person: &Person) -> Assisted {
    Assisted::open(&world.service, &person.caller)
        .await
        .unwrap()
}

/// The sealed client itself, over the use cases.
pub async fn client(world: &World, person: &Person) -> Client<InProcess> {
    let secrets = sessions::unlock(&world.service, &person.caller)
        .await
        .unwrap();
    let transport = InProcess::new(world.service.clone(), person.caller.clone());
    Client::new(transport, secrets, Memory::default())
}

/// A glucose, an allergy, an MRI.
pub fn glucose(value: f64) -> Value {
    json!({"resourceType": "Observation", "id": "g", "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7", "display": "Glucose"}]},
        "effectiveDateTime": "2026-03-01", "valueQuantity": {"value": value, "unit": "mmol/L"}})
}

pub fn allergy() -> Value {
    json!({"resourceType": "AllergyIntolerance", "id": "a", "code": {"text": "Penicillin"},
        "patient": {"reference": "Patient/1"}, "recordedDate": "2020-01-02"})
}

pub async fn upload(
    world: &World,
    person: &Person,
    patient: PatientId,
    resource: &Value,
) -> Result<RecordId, AssistedFailure> {
    let upload = fhir(resource);
    let limits = Limits::default();
    let report = open(world, person)
        .await
        .upload(patient, upload, None, &limits)
        .await?;
    Ok(*report.written.first().or(report.known.first()).unwrap())
}

pub fn fhir(resource: &Value) -> Upload {
    Upload::Fhir {
        bytes: SecretBytes::new(serde_json::to_vec(resource).unwrap()),
        content_type: None,
    }
}

/// Lab results for a day, to read.
pub fn terms(world: &World, patient: PatientId) -> AskedTerms {
    AskedTerms {
        patient,
        types: RecordTypes::of(RecordType::LabResults),
        kinds: Kinds::EMPTY,
        records: None,
        include_future: true,
        write_types: RecordTypes::EMPTY,
        valid_from: None,
        expires_at: world.service.now() + SignedDuration::from_hours(24),
        purpose: Some("second opinion".to_owned()),
        may_download: false,
        may_reshare: false,
    }
}

pub async fn grant(world: &World, from: &Person, to: &Person, terms: &AskedTerms) -> GrantId {
    open(world, from)
        .await
        .grant(to.account, terms, None, None, None)
        .await
        .unwrap()
}

pub async fn listed(
    world: &World,
    person: &Person,
    patient: PatientId,
) -> Result<Vec<RecordView>, AssistedFailure> {
    let query = RecordQuery::default();
    Ok(open(world, person).await.list(patient, &query).await?.items)
}

pub fn ids(views: &[RecordView]) -> Vec<RecordId> {
    views.iter().map(|v| v.id).collect()
}

/// The text of a record's resource.
pub fn text(view: &RecordView) -> String {
    use chartkey_service::assisted::Content;
    match &view.content {
        Content::Resource(bytes) | Content::Text(bytes) => {
            String::from_utf8(bytes.to_vec()).unwrap()
        }
        Content::None => String::new(),
    }
}

/// Actions in the trail with the types they name, newest first.
pub async fn told(world: &World) -> Vec<(TrailAction, String)> {
    let rows: Result<_, StoreError> = world
        .service
        .store()
        .read("test.trail", |r| {
            list(r, Log::Trail, &Filter::default(), 1_000)
        })
        .await;
    let action = |entry: &str| Columns::read(entry).unwrap().action;
    rows.unwrap()
        .iter()
        .map(|row| (action(&row.entry), row.entry.clone()))
        .collect()
}

pub fn labs() -> Compartment {
    Compartment::new(RecordType::LabResults, Kinds::EMPTY)
}

pub fn diet() -> Compartment {
    Compartment::new(RecordType::Diet, Kinds::EMPTY)
}

pub fn id(n: u8) -> Id {
    Id::from_bytes([n; 16])
}

/// What the caller may open a patient with.
pub async fn keys(world: &World, person: &Person, patient: PatientId) -> PatientKeys {
    patients::find_patient_keys(&world.service, &person.caller, patient)
        .await
        .unwrap()
}

/// Nonsense, sealed directly, as far as the server can tell.
pub fn direct(
    patient: PatientId,
    batch: u8,
    compartment: Compartment,
    grants: &[GrantId],
) -> SealedBatch {
    let to = |to, id| Envelope {
        to,
        id,
        sealed: Bytes(vec![1; 64]),
    };
    let mut envelopes = vec![to(RecipientKind::Inbox, patient.0)];
    envelopes.extend(grants.iter().map(|g| to(RecipientKind::Grant, g.0)));
    SealedBatch {
        id: id(batch),
        compartment,
        epoch: None,
        wrapped: None,
        envelopes,
    }
}

/// Nonsense in a batch.
pub fn nonsense(record: Id, version: u32, batch: u8) -> NewSealedRecord {
    NewSealedRecord {
        id: record,
        version,
        batch: id(batch),
        supporting: false,
        header: Bytes(vec![2; 128]),
        body: Some(Bytes(vec![3; 128])),
        blob: None,
        commitment: Bytes32([4; 32]),
        identity_tag: None,
        content_tag: Bytes32([5; 32]),
        extra: Vec::new(),
    }
}

/// One record in one batch.
pub fn write(keys: &PatientKeys, batch: SealedBatch, record: NewSealedRecord) -> SealedWrite {
    SealedWrite {
        patient: keys.patient,
        grants_version: keys.grants_version,
        batches: vec![batch],
        records: vec![record],
    }
}
