use chartkey_crypto::SecretBytes;
use chartkey_domain::accounts::Email;
use chartkey_domain::ids::RecordId;
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};
use chartkey_domain::shares::{NewShare, SendEmail, ShareForm};
use chartkey_fhir::Limits;
use chartkey_service::assisted::{AskedTerms, Assisted, OpenShare, Recipient, Upload};
use chartkey_service::shares::visit::{Proof, Visitor};
use chartkey_service::world::{Person, World};
use chartkey_vault::keys::LinkKey;
use chartkey_vault::link;
use jiff::SignedDuration;
use serde_json::json;
use zeroize::Zeroizing;

/// Two records that anybody shares, and one of a sensitive kind.
pub async fn fill(world: &World, person: &Person) -> Vec<RecordId> {
    let mut ids = Vec::new();
    for resource in [
        json!({"resourceType": "Observation", "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7", "display": "Glucose"}]},
            "effectiveDateTime": "2026-03-01", "valueQuantity": {"value": 5.40, "unit": "mmol/L"}}),
        json!({"resourceType": "AllergyIntolerance", "code": {"text": "Penicillin"},
            "patient": {"reference": "Patient/1"}, "recordedDate": "2020-01-02"}),
    ] {
        ids.push(upload(world, person, &resource).await);
    }
    ids
}

pub async fn upload(world: &World, person: &Person, resource: &serde_json::Value) -> RecordId {
    let mut assisted = Assisted::open(&world.service, &person.caller)
        .await
        .unwrap();
    let upload = Upload::Fhir {
        bytes: SecretBytes::new(serde_json::to_vec(resource).unwrap()),
        content_type: None,
    };
    let patient = person.patient.unwrap();
    let report = assisted
        .upload(patient, upload, None, &Limits::default())
        .await
        .unwrap();
    report.written[0]
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

pub fn said() -> NewShare {
    NewShare {
        recipient_name: Some("Dr. Ng".to_owned()),
        message: Some("Please have a look.".to_owned()),
        passcode: None,
        max_accesses: None,
        form: ShareForm::Manifest,
    }
}

/// A link of which nobody is written to.
pub async fn share(
    world: &World,
    person: &Person,
    terms: &AskedTerms,
    said: NewShare,
) -> OpenShare {
    share_by(world, person, terms, said, SendEmail::None).await
}

/// A link that is sent to its recipient.
pub async fn send(world: &World, person: &Person, terms: &AskedTerms, said: NewShare) -> OpenShare {
    share_by(world, person, terms, said, SendEmail::Link).await
}

async fn share_by(
    world: &World,
    person: &Person,
    terms: &AskedTerms,
    said: NewShare,
    way: SendEmail,
) -> OpenShare {
    let mut assisted = Assisted::open(&world.service, &person.caller)
        .await
        .unwrap();
    let recipient = Recipient {
        email: Some(Email::parse("ng@clinic.example").unwrap()),
        said,
    };
    let mut made = assisted
        .share(&[recipient], terms, way, None)
        .await
        .unwrap();
    made.pop().unwrap()
}

/// Token and key as a recipient has them.
pub fn held(share: &OpenShare) -> (String, LinkKey) {
    link::parse_url(share.url.as_ref().unwrap()).unwrap()
}

pub fn visitor(token: &str, proof: Proof) -> Visitor {
    Visitor {
        origin: World::origin(),
        token: token.to_owned(),
        proof,
        view: None,
        passcode: None,
        said: Some("Dr. Ng".to_owned()),
    }
}

pub fn with_key(token: &str, key: &LinkKey) -> Visitor {
    visitor(token, Proof::Key(key.auth().0))
}

pub fn with_passcode(mut visitor: Visitor, passcode: &str) -> Visitor {
    visitor.passcode = Some(Zeroizing::new(passcode.to_owned()));
    visitor
}
