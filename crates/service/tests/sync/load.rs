//! Many at once: nobody's host sees more than its limit, and everybody has a turn.

use chartkey_crypto::Secret;
use chartkey_domain::connections::Direction;
use chartkey_domain::ids::PatientId;
use chartkey_service::assisted::Assisted;
use chartkey_service::connections::{self, NewAttachment, NewConnection};
use chartkey_service::sync;
use chartkey_service::world::Person;
use chartkey_service::{Service, sessions};
use chartkey_store::StoreError;
use chartkey_store::patients::{self, StatementRow};
use chartkey_vault::keys::AccountSecrets;
use chartkey_vault::patient;
use jiff::SignedDuration;
use rand_core::SeedableRng as _;
use serde_json::json;
use zeroize::Zeroizing;

use crate::support::{attachment, glucose, new_connection, restarted, world};

const PATIENTS: usize = 1_000;
const PER_MINUTE: usize = 600;
const BURST: usize = 20;

/// Patients whom one account manages, straight into the store.
async fn patients_of(service: &Service, owner: &Person, count: usize) -> Vec<PatientId> {
    let secrets: AccountSecrets = sessions::unlock(service, &owner.caller).await.unwrap();
    let (now, account) = (service.now(), owner.account);
    let mut made = Vec::with_capacity(count);
    for n in 0..count {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let mut rng = chacha20::ChaCha20Rng::from_seed(seed);
        let _ = Secret::random(&mut rng);
        let id = PatientId::new(u64::try_from(now.as_millisecond()).unwrap(), &mut rng);
        let (new, _) = patient::create(id.0, &secrets, now, &mut rng).unwrap();
        made.push((id, new));
    }
    let ids = made.iter().map(|(id, _)| *id).collect();
    let stored: Result<(), StoreError> = service
        .store()
        .write("test.patients", move |tx| {
            for (id, new) in made {
                patients::insert(tx, id, Some(account), true, now)?;
                let statement = StatementRow {
                    seq: 0,
                    kind: "generation".to_owned(),
                    body: new.statement.body.clone(),
                    signature: new.statement.signature.as_bytes().to_vec(),
                    cosignature: new
                        .statement
                        .cosignature
                        .as_ref()
                        .map(|s| s.as_bytes().to_vec()),
                    hash: new.statement.hash().0,
                };
                patients::insert_statement(tx, id, &statement, now)?;
                patients::insert_manager(tx, id, account, 1, &new.sealed_seed.0, "owner", now)?;
            }
            Ok(())
        })
        .await;
    stored.unwrap();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_patients_due_at_once_drain_within_their_hosts_limit() {
    let (world, fakes) = world().await;
    let owner = world.patient("ada@example.org").await;
    let service = world.service.clone();
    let engine = restarted(&world, &fakes).await;
    fakes.serve(glucose("g1", 5.0));
    let new = NewConnection {
        settings: json!({"requests_per_minute": PER_MINUTE, "burst": BURST}),
        ..new_connection(Direction::Source, "fhir.example")
    };
    let source = connections::create_connection(&service, &owner.caller, new)
        .await
        .unwrap();
    let patients = patients_of(&service, &owner, PATIENTS).await;
    let mut assisted = Assisted::open(&service, &owner.caller).await.unwrap();
    for id in &patients {
        let new = NewAttachment {
            remote_patient_id: Some(Zeroizing::new("p1".to_owned())),
            ..attachment(*id)
        };
        assisted.attach_patient(source.id, new).await.unwrap();
    }
    let began = service.now();
    let mut steps = 0;
    loop {
        sync::run_due(&engine).await.unwrap();
        let next = sync::next_due(&engine).await.unwrap();
        let today = began + SignedDuration::from_hours(12);
        match next.filter(|at| *at < today) {
            Some(at) if at > service.now() => world.clock.set(at),
            Some(_) => world.pass(1),
            None => break,
        }
        steps += 1;
        assert!(steps < 20_000, "it does not drain");
    }
    let times = fakes.times();
    assert!(times.len() > 3 * PATIENTS, "{} requests", times.len());
    // In no minute more than the rate, and what a rest had saved up.
    let mut first = 0;
    for (index, at) in times.iter().enumerate() {
        while at.duration_since(times[first]).as_secs_f64() >= 60.0 {
            first += 1;
        }
        let within = index + 1 - first;
        assert!(within <= PER_MINUTE + BURST + 8, "{within} in a minute");
    }
    // And it used what it was given: no slower than the limit asks for.
    let took = service.now().duration_since(began).as_secs();
    let least = i64::try_from(times.len() * 60 / PER_MINUTE).unwrap();
    assert!(
        took <= least * 5 / 4 + 60,
        "{took} s for what takes {least} s"
    );
    let done: Result<i64, StoreError> = service
        .store()
        .read("test.runs", |db| {
            db.query_i64("SELECT COUNT(*) FROM sync_runs WHERE state = 'done'", &[])
        })
        .await;
    assert_eq!(done.unwrap(), i64::try_from(PATIENTS).unwrap());
}
