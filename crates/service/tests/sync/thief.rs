//! A thief with the database, the blobs and `ENCRYPTION_KEY`: exactly what they
//! open while deliveries wait.

use std::collections::BTreeSet;

use chartkey_crypto::Secret;
use chartkey_crypto::seal::{KemPrivate, open_with};
use chartkey_domain::ids::{Id, RecordId};
use chartkey_service::connections::{self, ConnectionChange};
use chartkey_service::{Column, Protect};
use chartkey_store::records::VersionRow;
use chartkey_store::{Reader, StoreError};
use chartkey_vault::delivery::open_version_key;
use chartkey_vault::record::{Place, open_body, open_header};
use chartkey_vault::{Bytes, Bytes32};

use crate::support::{Practice, fill, glucose, read, upload};

/// What lies in the database that is sealed to somebody.
struct Loot {
    secrets: Vec<(Id, Vec<u8>)>,
    envelopes: Vec<(Id, Id, u32, Vec<u8>)>,
    batches: Vec<Vec<u8>>,
    keyrings: Vec<Vec<u8>>,
    versions: Vec<(Id, u32)>,
}

fn rows(db: &mut Reader) -> Result<Loot, StoreError> {
    Ok(Loot {
        secrets: db.query("SELECT id, secret_p FROM connections", &[], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })?,
        envelopes: db.query(
            "SELECT connection_id, record_id, version, envelope FROM deliveries WHERE envelope IS NOT NULL",
            &[],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
        )?,
        batches: db.query("SELECT sealed FROM envelopes", &[], |r| r.get(0))?,
        keyrings: db.query(
            "SELECT keyring FROM grants UNION ALL SELECT sealed_seed FROM patient_managers",
            &[],
            |r| r.get(0),
        )?,
        versions: db.query("SELECT record_id, version FROM versions", &[], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })?,
    })
}

/// What a thief opens of it: titles.
async fn stolen(practice: &Practice) -> (BTreeSet<String>, usize) {
    let loot = read(&practice.world.service, rows).await;
    let protect = Protect::new("b7d1f09c3a5e48d2967fe1c04ab8356d");
    let mut keys: Vec<(Id, Secret)> = Vec::new();
    for (id, sealed) in &loot.secrets {
        let column = Column::new("connections.secret_p");
        let open = protect.open(column, *id, sealed).unwrap();
        keys.push((*id, open.to_secret().unwrap()));
    }
    // No key that the server has opens a batch, a keyring or a seed, whatever
    // they say it is sealed as.
    for (_, key) in &keys {
        for sealed in loot.batches.iter().chain(&loot.keyrings) {
            for info in [
                &b"batch"[..],
                b"version",
                b"keyring",
                b"patient-seed",
                b"delivery",
            ] {
                assert!(open_with(key, info, b"", sealed).is_err());
            }
        }
    }
    let patient = practice.id();
    let mut titles = BTreeSet::new();
    for (connection, record, version, envelope) in &loot.envelopes {
        let (_, seed) = keys.iter().find(|(id, _)| id == connection).unwrap();
        let place = Place {
            patient: patient.0,
            record: *record,
            version: *version,
        };
        let private = KemPrivate::new(seed);
        let key = open_version_key(&private, place, *connection, &Bytes(envelope.clone())).unwrap();
        // It opens this very version, and no other.
        let row = version_of(practice, RecordId(*record)).await;
        let commitment = Bytes32(row.commitment);
        let header = open_header(&key, place, &commitment, &Bytes(row.header)).unwrap();
        let body = row.body.unwrap();
        open_body(&key, place, &commitment, &header.body_hash, &body).unwrap();
        titles.insert(header.fields.header.title);
        for (other, _) in loot.versions.iter().filter(|(id, _)| id != record) {
            let row = version_of(practice, RecordId(*other)).await;
            let place = Place {
                record: *other,
                version: row.version,
                ..place
            };
            let opened = open_header(&key, place, &Bytes32(row.commitment), &Bytes(row.header));
            assert!(opened.is_err());
        }
    }
    (titles, loot.versions.len())
}

async fn version_of(practice: &Practice, record: RecordId) -> VersionRow {
    let patient = practice.id();
    read(&practice.world.service, move |db| {
        chartkey_store::records::lookup_current(db, patient, record)
    })
    .await
    .unwrap()
    .1
}

#[tokio::test]
async fn a_thief_with_everything_opens_what_waits_and_nothing_else() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    let change = |paused| ConnectionChange {
        paused: Some(paused),
        ..ConnectionChange::default()
    };
    let (service, caller) = (
        practice.world.service.clone(),
        practice.dietician.caller.clone(),
    );
    let destination = practice.destination;
    connections::update_connection(&service, &caller, destination, change(true))
        .await
        .unwrap();
    practice.sync().await;
    upload(&service, &practice.patient, &glucose("own", 4.2)).await;
    // Six records are stored. Five wait, and open; the patient's own data does
    // not wait, and does not open.
    let (titles, stored) = stolen(&practice).await;
    let expected = ["Glucose g1", "Glucose own", "Letter", "Plan", "Report"];
    assert_eq!(titles, expected.map(str::to_owned).into());
    assert_eq!(stored, 6);
    // Sent: nothing opens any more.
    connections::update_connection(&service, &caller, destination, change(false))
        .await
        .unwrap();
    practice.pass(60).await;
    assert_eq!(practice.fakes.documents().len(), 5);
    let (titles, stored) = stolen(&practice).await;
    assert!(titles.is_empty(), "{titles:?}");
    assert_eq!(stored, 6);
}

#[tokio::test]
async fn after_seven_days_nothing_that_waits_opens_and_it_is_owed_again() {
    let mut practice = Practice::new().await;
    fill(&practice.fakes);
    let paused = ConnectionChange {
        paused: Some(true),
        ..ConnectionChange::default()
    };
    let (service, caller) = (
        practice.world.service.clone(),
        practice.dietician.caller.clone(),
    );
    connections::update_connection(&service, &caller, practice.destination, paused)
        .await
        .unwrap();
    practice.sync().await;
    assert_eq!(stolen(&practice).await.0.len(), 4);
    practice.pass(7 * 24 * 3_600 + 60).await;
    chartkey_service::jobs::sweep(&practice.engine).await;
    assert!(stolen(&practice).await.0.is_empty());
    practice.dietician.caller = practice.world.sign_in("dora@example.org").await;
    practice.patient.caller = practice.world.sign_in("ada@example.org").await;
    let log = practice.log().await;
    assert!(
        log.iter().any(|l| l.contains("within seven days")),
        "{log:#?}"
    );
    // She signs in, and looks at the record: what is owed is sealed.
    let resumed = ConnectionChange {
        paused: Some(false),
        ..ConnectionChange::default()
    };
    let caller = practice.dietician.caller.clone();
    connections::update_connection(&service, &caller, practice.destination, resumed)
        .await
        .unwrap();
    crate::support::listed(&service, &practice.dietician, practice.id()).await;
    practice.pass(60).await;
    assert_eq!(practice.fakes.documents().len(), 4);
}
