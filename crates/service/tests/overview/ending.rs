use chartkey_domain::ids::BlobId;
use chartkey_service::assisted::{NewFile, RecordQuery};
use chartkey_service::world::World;
use chartkey_service::{accounts, audit};
use chartkey_store::StoreError;

use crate::support::*;

/// Tables that must not know of anybody once their account has ended.
const TABLES: [&str; 9] = [
    "patients",
    "records",
    "versions",
    "batches",
    "grants",
    "links",
    "blobs",
    "sessions",
    "patient_statements",
];

async fn blob(world: &World) -> Option<BlobId> {
    let found: Result<_, StoreError> = world
        .service
        .store()
        .read("test.blob", |reader| {
            reader.query_opt("SELECT id FROM blobs", &[], |row| row.get::<BlobId>(0))
        })
        .await;
    found.unwrap()
}

#[test]
fn an_account_ends_with_its_record_and_the_address_is_free_again() {
    on_every_engine(|world| async move {
        let (ada, ng) = cast(&world).await;
        let patient = ada.patient.unwrap();
        grant(&world, &ada, &ng, &terms(&world, &ada)).await;
        share(&world, &ada).await;
        let mut assisted = open(&world, &ada).await;
        let mut upload = assisted.begin_file(patient, NewFile::default(), 1 << 30);
        assisted
            .push_file(&mut upload, &vec![1; 300 << 10])
            .await
            .unwrap();
        assisted.finish_file(upload).await.unwrap();
        let blob = blob(&world).await.unwrap();
        assert!(world.service.blobs().len(blob.into()).await.is_ok());
        world.pass(301);
        let late = accounts::delete_account(&world.service, &ada.caller).await;
        assert_eq!(code(&late.unwrap_err()), "session.stepup");
        let again = world.sign_in("ada@example.org").await;
        accounts::delete_account(&world.service, &again)
            .await
            .unwrap();
        assert!(world.service.blobs().len(blob.into()).await.is_err());
        let gone = open(&world, &ng)
            .await
            .list(patient, &RecordQuery::default())
            .await;
        assert_eq!(code(&gone.unwrap_err()), "patient.unknown");
        for table in TABLES {
            let left: Result<i64, StoreError> = world
                .service
                .store()
                .read("test.left", move |reader| {
                    reader.query_i64(&format!("SELECT COUNT(*) FROM {table}"), &[])
                })
                .await;
            // Sessions of the others stay.
            let expected = if table == "sessions" { 3 } else { 0 };
            assert_eq!(left.unwrap(), expected, "{table}");
        }
        let (session, secret) = again.session.clone().unwrap();
        assert!(world.caller_with(session, secret).await.is_err());
        world.run_jobs().await;
        let anew = world.patient("ada@example.org").await;
        assert_ne!(anew.account, ada.account);
        audit::verify_all(&world.service).await.unwrap();
    });
}

#[test]
fn a_provider_cannot_end_an_account_this_way() {
    on_every_engine(|world| async move {
        let ng = world.provider("ng@clinic.example").await;
        let refused = accounts::delete_account(&world.service, &ng.caller).await;
        assert_eq!(code(&refused.unwrap_err()), "account.forbidden");
    });
}
