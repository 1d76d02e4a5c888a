//! What a client may send that no client of ours would.

use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId};
use chartkey_domain::records::{RecordType, RecordTypes};
use chartkey_service::assisted::{Authorship, RecordQuery};
use chartkey_service::records::{self, create_records};
use chartkey_service::world::{Person, World};
use chartkey_service::{blobs, patients};
use chartkey_store::{StoreError, Tx, params};
use chartkey_vault::bytes::{Bytes, Bytes32};
use chartkey_vault::protocol::{KnownTagsRequest, RecipientKind, SealedAdoption, SealedMove};

use crate::support::*;

/// A patient with a lab result, and a provider who may write diet and read labs.
async fn clinic(world: &World) -> (Person, Person, PatientId, RecordId, GrantId) {
    let root = world.admin("root@example.org").await;
    let ada = world.patient("ada@example.org").await;
    let bob = world.verified_provider("bob@example.org", &root).await;
    let patient = ada.patient.unwrap();
    let lab = upload(world, &ada, patient, &glucose(5.4)).await.unwrap();
    let mut writing = terms(world, patient);
    writing.write_types = RecordTypes::of(RecordType::Diet);
    let given = grant(world, &ada, &bob, &writing).await;
    world.run_jobs().await;
    (ada, bob, patient, lab, given)
}

#[test]
fn grantee_writes_only_what_they_may_and_to_whom_they_must() {
    on_every_engine(|world| async move {
        let (ada, bob, patient, lab, given) = clinic(&world).await;
        let keys = keys(&world, &bob, patient).await;
        let send = async |write| create_records(&world.service, &bob.caller, write).await;
        let refused = async |write| code(&send(write).await.unwrap_err());
        let fine = || {
            write(
                &keys,
                direct(patient, 1, diet(), &[]),
                nonsense(id(9), 1, 1),
            )
        };

        let other_type = write(
            &keys,
            direct(patient, 1, labs(), &[given]),
            nonsense(id(9), 1, 1),
        );
        assert_eq!(refused(other_type).await, "grant.no_write");
        let successor = write(
            &keys,
            direct(patient, 1, diet(), &[]),
            nonsense(lab.0, 2, 1),
        );
        assert_eq!(
            refused(successor).await,
            "grant.no_write",
            "they read it, and may not change it"
        );
        let mut wrapped = fine();
        wrapped.batches[0].epoch = Some("1.1".parse().unwrap());
        wrapped.batches[0].wrapped = Some(Bytes(vec![1; 60]));
        assert_eq!(refused(wrapped).await, "vault.input", "managers alone wrap");
        let mut no_inbox = fine();
        no_inbox.batches[0].envelopes.clear();
        assert_eq!(refused(no_inbox).await, "vault.input");
        let mut to_other = fine();
        to_other.batches[0].envelopes[0].id = id(3);
        assert_eq!(refused(to_other).await, "vault.input");
        let mut to_account = fine();
        let mut extra = to_account.batches[0].envelopes[0].clone();
        (extra.to, extra.id) = (RecipientKind::Account, ada.account.0);
        to_account.batches[0].envelopes.push(extra);
        assert_eq!(refused(to_account).await, "vault.input");
        let too_many = write(
            &keys,
            direct(patient, 1, diet(), &[given]),
            nonsense(id(9), 1, 1),
        );
        assert_eq!(
            refused(too_many).await,
            "compartment.moved",
            "the grant does not cover diet"
        );
        let mut old = fine();
        old.grants_version -= 1;
        assert_eq!(refused(old).await, "compartment.moved");
        let mut empty = fine();
        empty.batches.push(direct(patient, 2, diet(), &[]));
        assert_eq!(refused(empty).await, "invalid batches");
        let mut elsewhere = fine();
        elsewhere.records[0].batch = id(77);
        assert_eq!(refused(elsewhere).await, "invalid records.batch");
        let mut long = fine();
        long.records[0].header = Bytes(vec![0; (64 << 10) + 1]);
        assert_eq!(refused(long).await, "invalid records.header");
        let mut extra = fine();
        extra.patient = id(200);
        assert_eq!(refused(extra).await, "patient.unknown");
        send(fine()).await.unwrap();
        let again = write(
            &keys,
            direct(patient, 1, diet(), &[]),
            nonsense(id(10), 1, 1),
        );
        assert_eq!(
            refused(again).await,
            "record.exists",
            "a batch is written once"
        );
        let taken = write(
            &keys,
            direct(patient, 2, diet(), &[]),
            nonsense(lab.0, 1, 2),
        );
        assert_eq!(refused(taken).await, "record.exists");
    });
}

#[test]
fn nonsense_of_a_grantee_hides_nothing_and_stops_no_sharing() {
    on_every_engine(|world| async move {
        let (ada, bob, patient, lab, _) = clinic(&world).await;
        let keys = keys(&world, &bob, patient).await;
        let junk = write(
            &keys,
            direct(patient, 1, diet(), &[]),
            nonsense(id(9), 1, 1),
        );
        create_records(&world.service, &bob.caller, junk)
            .await
            .unwrap();
        let mut adas = open(&world, &ada).await;
        let page = adas.list(patient, &RecordQuery::default()).await.unwrap();
        assert_eq!(ids(&page.items), [lab]);
        assert_eq!(page.closed, [RecordId(id(9))]);
        let refused = adas.find(RecordId(id(9)), None).await.unwrap_err();
        assert_eq!(code(&refused), "record.unopenable");
        let mut all = terms(&world, patient);
        all.types = RecordTypes::all();
        let root = world.admin("admin@example.org").await;
        let eve = world.verified_provider("eve@example.org", &root).await;
        grant(&world, &ada, &eve, &all).await;
        assert_eq!(ids(&listed(&world, &eve, patient).await.unwrap()), [lab]);
        let waiting = patients::list_unadopted_batches(&world.service, &ada.caller, patient).await;
        assert!(waiting.unwrap().batches.is_empty(), "set aside");
        world.run_jobs().await;
    });
}

#[test]
fn a_record_is_not_shown_under_the_name_of_whoever_did_not_write_it() {
    on_every_engine(|world| async move {
        let (ada, bob, patient, lab, _) = clinic(&world).await;
        let name_author = async |author: AccountId| {
            let named: Result<u64, StoreError> = world
                .service
                .store()
                .write("test.author", move |tx: &mut Tx| {
                    tx.execute(
                        "UPDATE versions SET author_account = ?2 WHERE record_id = ?1",
                        params![lab, author],
                    )
                })
                .await;
            assert_eq!(named.unwrap(), 1);
        };
        let mut adas = open(&world, &ada).await;
        let found = adas.find(lab, None).await.unwrap();
        assert_eq!(found.authorship, Some(Authorship::Signed));

        // Behind the server's back.
        name_author(bob.account).await;
        let refused = adas.find(lab, None).await.unwrap_err();
        assert_eq!(code(&refused), "record.unverified");
        let page = adas.list(patient, &RecordQuery::default()).await.unwrap();
        assert!(page.items.is_empty());
        assert_eq!(page.closed, [lab]);
        let headers = RecordQuery {
            headers_only: true,
            ..RecordQuery::default()
        };
        let page = adas.list(patient, &headers).await.unwrap();
        assert_eq!(
            page.items[0].authorship, None,
            "headers alone are not checked"
        );

        // Whose account is gone, of that nobody can tell.
        name_author(AccountId(id(77))).await;
        let found = adas.find(lab, None).await.unwrap();
        assert_eq!(found.authorship, Some(Authorship::Gone));
        name_author(ada.account).await;
        let found = adas.find(lab, None).await.unwrap();
        assert_eq!(found.authorship, Some(Authorship::Signed));
    });
}

#[test]
fn nobody_but_managers_moves_adopts_or_deletes() {
    on_every_engine(|world| async move {
        let (_ada, bob, patient, lab, given) = clinic(&world).await;
        let seen = keys(&world, &bob, patient).await;
        let moving = SealedMove {
            patient: patient.0,
            record: lab.0,
            grants_version: seen.grants_version,
            batches: vec![direct(patient, 1, labs(), &[given])],
            versions: vec![nonsense(lab.0, 1, 1)],
        };
        let moved = records::move_record(&world.service, &bob.caller, moving).await;
        assert_eq!(code(&moved.unwrap_err()), "patient.managers_only");
        let adoption = SealedAdoption {
            patient: patient.0,
            grants_version: seen.grants_version,
            batches: Vec::new(),
            unopenable: vec![id(1)],
        };
        let adopted = patients::adopt_batches(&world.service, &bob.caller, adoption).await;
        assert_eq!(code(&adopted.unwrap_err()), "patient.managers_only");
        let deleted = records::delete_record(&world.service, &bob.caller, lab, None).await;
        assert_eq!(code(&deleted.unwrap_err()), "patient.managers_only");
    });
}

#[test]
fn move_brings_every_version_in_its_own_batches() {
    on_every_engine(|world| async move {
        let (ada, _bob, patient, lab, given) = clinic(&world).await;
        let eve = world.patient("eve@example.org").await;
        let theirs = upload(&world, &eve, eve.patient.unwrap(), &glucose(4.0))
            .await
            .unwrap();
        let seen = keys(&world, &ada, patient).await;
        let moving = |versions, batches| SealedMove {
            patient: patient.0,
            record: lab.0,
            grants_version: seen.grants_version,
            batches,
            versions,
        };
        let send = async |m| {
            code(
                &records::move_record(&world.service, &ada.caller, m)
                    .await
                    .unwrap_err(),
            )
        };
        let batch = || vec![direct(patient, 1, labs(), &[given])];
        assert_eq!(send(moving(Vec::new(), batch())).await, "invalid versions");
        assert_eq!(
            send(moving(vec![nonsense(lab.0, 2, 1)], batch())).await,
            "invalid versions"
        );
        assert_eq!(
            send(moving(vec![nonsense(theirs.0, 1, 1)], batch())).await,
            "invalid versions"
        );
        assert_eq!(
            send(moving(vec![nonsense(lab.0, 1, 1)], Vec::new())).await,
            "invalid batches"
        );
        let page = records::find_record(&world.service, &eve.caller, theirs, None)
            .await
            .unwrap();
        let mut borrowed = nonsense(lab.0, 1, 1);
        borrowed.batch = page.batches[0].id;
        assert_eq!(
            send(moving(vec![borrowed], batch())).await,
            "invalid versions.batch"
        );
        let mut foreign = moving(vec![nonsense(theirs.0, 1, 1)], batch());
        foreign.record = theirs.0;
        assert_eq!(send(foreign).await, "record.unknown");
        assert_eq!(
            listed(&world, &ada, patient).await.unwrap().len(),
            1,
            "nothing was lost"
        );
        world.run_jobs().await;
    });
}

#[test]
fn blob_of_somebody_else_or_of_another_record_is_not_named() {
    on_every_engine(|world| async move {
        let (ada, bob, patient, _, _) = clinic(&world).await;
        let eve = world.patient("eve@example.org").await;
        let blob = |n: u8| chartkey_domain::ids::BlobId(id(n));
        for (person, whose, n) in [(&eve, eve.patient.unwrap(), 0x61), (&bob, patient, 0x62)] {
            blobs::create_blob(&world.service, &person.caller, whose, blob(n))
                .await
                .unwrap();
            let bytes = bytes::Bytes::from_static(b"sealed");
            blobs::append_blob(&world.service, &person.caller, whose, blob(n), 0, bytes)
                .await
                .unwrap();
        }
        let seen = keys(&world, &bob, patient).await;
        let naming = |record: u8, batch: u8, n: u8| {
            let mut named = nonsense(id(record), 1, batch);
            (named.body, named.blob) = (None, Some(id(n)));
            write(&seen, direct(patient, batch, diet(), &[]), named)
        };
        let send = async |write| create_records(&world.service, &bob.caller, write).await;
        assert_eq!(
            code(&send(naming(9, 1, 0x62)).await.unwrap_err()),
            "invalid records.blob",
            "unfinished"
        );
        blobs::finish_blob(&world.service, &bob.caller, patient, blob(0x62), 6)
            .await
            .unwrap();
        blobs::finish_blob(
            &world.service,
            &eve.caller,
            eve.patient.unwrap(),
            blob(0x61),
            6,
        )
        .await
        .unwrap();
        assert_eq!(
            code(&send(naming(9, 1, 0x61)).await.unwrap_err()),
            "invalid records.blob",
            "not theirs"
        );
        send(naming(9, 1, 0x62)).await.unwrap();
        assert_eq!(
            code(&send(naming(10, 2, 0x62)).await.unwrap_err()),
            "record.exists",
            "one body, one version"
        );
        let stranger = blobs::find_blob(
            &world.service,
            &eve.caller,
            blob(0x62),
            chartkey_domain::policy::Action::FindBlob,
        );
        assert_eq!(code(&stranger.await.unwrap_err()), "record.unknown");
        blobs::find_blob(
            &world.service,
            &ada.caller,
            blob(0x62),
            chartkey_domain::policy::Action::FindBlob,
        )
        .await
        .unwrap();
        let theirs = blobs::create_blob(
            &world.service,
            &eve.caller,
            eve.patient.unwrap(),
            blob(0x62),
        )
        .await;
        assert_eq!(code(&theirs.unwrap_err()), "blob.exists");
        world.run_jobs().await;
    });
}

#[test]
fn tags_tell_only_of_what_may_be_read_and_are_logged() {
    on_every_engine(|world| async move {
        let (ada, bob, patient, lab, _) = clinic(&world).await;
        let allergy = upload(&world, &ada, patient, &allergy()).await.unwrap();
        let tags: Result<Vec<[u8; 32]>, StoreError> = world
            .service
            .store()
            .read("test.tags", move |db| {
                let mut tags = Vec::new();
                for record in [lab, allergy] {
                    let row = chartkey_store::records::lookup(db, record)?.unwrap();
                    tags.extend(row.identity_tag);
                }
                Ok(tags)
            })
            .await;
        let request = KnownTagsRequest {
            patient: patient.0,
            tags: tags.unwrap().into_iter().map(Bytes32).collect(),
        };
        let all = records::find_known_tags(&world.service, &ada.caller, request.clone())
            .await
            .unwrap();
        assert_eq!(all.items.len(), 2);
        let known = records::find_known_tags(&world.service, &bob.caller, request.clone())
            .await
            .unwrap();
        assert_eq!(
            known
                .items
                .iter()
                .map(|k| RecordId(k.id))
                .collect::<Vec<_>>(),
            [lab]
        );
        assert!(told(&world).await[0].1.contains("lab-results"));
        let many = KnownTagsRequest {
            tags: vec![Bytes32([0; 32]); 20_001],
            ..request
        };
        let refused = records::find_known_tags(&world.service, &ada.caller, many).await;
        assert_eq!(code(&refused.unwrap_err()), "record.too_many");
    });
}
