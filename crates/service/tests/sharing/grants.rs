use chartkey_domain::ids::{AccountId, Id};
use chartkey_domain::policy::Refusal;
use chartkey_domain::quotas::Quota;
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};
use chartkey_domain::requests::RequestStatus;
use chartkey_service::assisted::{AskedTerms, Assisted, RecordQuery};
use chartkey_service::requests::{self, NewRequest, RequestError};
use chartkey_service::world::{Person, World};
use chartkey_service::{Failure, NounError, grants, providers};
use chartkey_store::{StoreError, Tx, params};
use zeroize::Zeroizing;

use crate::support::*;

async fn count(world: &World, reader: &Person, of: &Person) -> Result<usize, String> {
    let mut assisted = Assisted::open(&world.service, &reader.caller)
        .await
        .unwrap();
    let page = assisted
        .list(of.patient.unwrap(), &RecordQuery::default())
        .await;
    match page {
        Ok(page) => Ok(page.items.len()),
        Err(Failure::Refused(refusal)) => Err(refusal.code().to_owned()),
        Err(other) => panic!("{other:?}"),
    }
}

async fn cast() -> (World, Person, Person) {
    let world = World::new().await;
    let admin = world.admin("admin@example.org").await;
    let ada = world.patient("ada@example.org").await;
    let ng = world.verified_provider("ng@clinic.example", &admin).await;
    fill(&world, &ada).await;
    (world, ada, ng)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_reads_what_was_granted_until_it_is_revoked() {
    let (world, ada, ng) = cast().await;
    assert_eq!(
        count(&world, &ng, &ada).await,
        Err("patient.unknown".into())
    );
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let id = assisted
        .grant(ng.account, &terms(&world, &ada), None, None, None)
        .await
        .unwrap();
    assert_eq!(count(&world, &ng, &ada).await, Ok(1));
    let listed = grants::list_permissions(&world.service, &ng.caller, false)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].grant.purpose, "TREAT");
    assert_eq!(listed[0].grant.access_count, 1);
    assisted.revoke_grant(id).await.unwrap();
    assert_eq!(count(&world, &ng, &ada).await, Err("grant.ended".into()));
    assert!(
        grants::list_permissions(&world.service, &ng.caller, false)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        grants::list_permissions(&world.service, &ada.caller, true)
            .await
            .unwrap()
            .len(),
        1
    );
    // The holder may not end what is not theirs to end, nor may a stranger know of it.
    let mut other = Assisted::open(&world.service, &ng.caller).await.unwrap();
    let refused = other.revoke_grant(id).await.unwrap_err();
    assert!(
        matches!(refused, Failure::Refused(Refusal::ManagersOnly)),
        "{refused:?}"
    );
    world.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_counts_from_its_beginning_to_its_end() {
    let (world, ada, ng) = cast().await;
    let now = world.service.now();
    let later = AskedTerms {
        valid_from: Some(now + jiff::SignedDuration::from_hours(1)),
        ..terms(&world, &ada)
    };
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    assisted
        .grant(ng.account, &later, None, None, None)
        .await
        .unwrap();
    assert_eq!(
        count(&world, &ng, &ada).await,
        Err("grant.scheduled".into())
    );
    world.pass(60 * 60);
    assert_eq!(count(&world, &ng, &ada).await, Ok(1));
    world.pass(23 * 60 * 60);
    let ng = Person {
        caller: world.sign_in("ng@clinic.example").await,
        ..ng
    };
    assert_eq!(count(&world, &ng, &ada).await, Err("grant.ended".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_asks_and_gets_less() {
    let (world, ada, ng) = cast().await;
    let asked = requests::create_request(&world.service, &ng.caller, ask(&ada), None)
        .await
        .unwrap();
    assert!(
        asked
            .row
            .message_sealed
            .as_ref()
            .is_some_and(|m| !m.windows(6).any(|w| w == b"please"))
    );
    let waiting = requests::list_requests(&world.service, &ada.caller, true)
        .await
        .unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].asker_name, "ng");
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let words = assisted.request_words(&waiting).await.unwrap();
    assert_eq!(words[&asked.row.id].as_str(), "please");

    let mut wider = Assisted::terms_of(&asked, world.service.now());
    wider.types = RecordTypes::all();
    wider.expires_at = terms(&world, &ada).expires_at;
    let refused = assisted
        .approve_request(asked.row.id, &wider, None)
        .await
        .unwrap_err();
    let Failure::Noun(code) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(code.code(), "request.wider");

    let less = AskedTerms {
        types: RecordTypes::of(RecordType::LabResults),
        ..wider
    };
    assisted
        .approve_request(asked.row.id, &less, None)
        .await
        .unwrap();
    assert_eq!(count(&world, &ng, &ada).await, Ok(1));
    let answered = requests::find_request(&world.service, &ng.caller, asked.row.id)
        .await
        .unwrap();
    assert_eq!(answered.status, RequestStatus::Approved);
    assert!(answered.row.grant.is_some());
    let again = requests::deny_request(&world.service, &ada.caller, asked.row.id)
        .await
        .unwrap_err();
    assert!(
        matches!(again, Failure::Noun(RequestError::Closed)),
        "{again:?}"
    );
    world.run_jobs().await;
}

fn ask(of: &Person) -> NewRequest {
    NewRequest {
        patient: of.patient.unwrap(),
        types: [RecordType::LabResults, RecordType::Allergies]
            .into_iter()
            .collect(),
        kinds: Kinds::EMPTY,
        write_types: RecordTypes::EMPTY,
        purpose: "treatment".to_owned(),
        message: Some(Zeroizing::new("please".to_owned())),
        pass_on: None,
        until: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_answered_once_and_bounded() {
    let (world, ada, ng) = cast().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(
            requests::create_request(&world.service, &ng.caller, ask(&ada), None)
                .await
                .unwrap(),
        );
    }
    let many = requests::create_request(&world.service, &ng.caller, ask(&ada), None)
        .await
        .unwrap_err();
    assert!(
        matches!(many, Failure::Noun(RequestError::TooMany)),
        "{many:?}"
    );
    let denied = requests::deny_request(&world.service, &ada.caller, made[0].row.id)
        .await
        .unwrap();
    assert_eq!(denied.status, RequestStatus::Denied);
    let own = requests::deny_request(&world.service, &ng.caller, made[1].row.id)
        .await
        .unwrap_err();
    assert!(
        matches!(own, Failure::Refused(Refusal::ManagersOnly)),
        "{own:?}"
    );
    world.pass(30 * 24 * 60 * 60);
    let ada = Person {
        caller: world.sign_in("ada@example.org").await,
        ..ada
    };
    let late = requests::deny_request(&world.service, &ada.caller, made[1].row.id)
        .await
        .unwrap_err();
    assert!(
        matches!(late, Failure::Noun(RequestError::Closed)),
        "{late:?}"
    );
    let patient = requests::create_request(&world.service, &ada.caller, ask(&ada), None)
        .await
        .unwrap_err();
    assert!(
        matches!(patient, Failure::Refused(Refusal::Forbidden)),
        "{patient:?}"
    );
    world.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_lists_verified_providers_by_their_words() {
    let (world, ada, ng) = cast().await;
    world.provider("new@clinic.example").await;
    let find = async |q: Option<&str>| {
        let page = providers::list_providers(&world.service, &ada.caller, q, 0, 50)
            .await
            .unwrap();
        page.items.into_iter().map(|p| p.id).collect::<Vec<_>>()
    };
    assert_eq!(find(None).await, [ng.account]);
    assert_eq!(find(Some("diet NG")).await, [ng.account]);
    assert!(find(Some("surgeon")).await.is_empty());
    let nobody = chartkey_service::Caller::nobody(World::origin());
    assert!(
        providers::list_providers(&world.service, &nobody, None, 0, 50)
            .await
            .is_err()
    );
}

/// An id of nobody's, the `n`th.
fn nobodys(n: u64) -> Id {
    let mut bytes = [0xee; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Id::from_bytes(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_grants_and_links_live_than_everybody_can_seal_to() {
    let (world, ada, ng) = cast().await;
    let patient = ada.patient.unwrap();
    let filled: Result<(), StoreError> = world
        .service
        .store()
        .write("test.fill", move |tx: &mut Tx| {
            for n in 0..Quota::Grants.max() {
                tx.execute(
                    "INSERT INTO grants (id, patient_id, generation, holder_kind, holder_salt, grant_key, types,
                        kinds, by_records, valid_from, expires_at, purpose, may_download, write_types, may_reshare,
                        created_by, created_at, updated_at, keyring, access_count, download_count, statement_seq)
                     VALUES (?1, ?2, 1, 'link', ?3, ?3, '[]', 0, 0, 0, ?4, 'TREAT', 0, '[]', 0, ?1, 0, 0, ?3, 0, 0, 0)",
                    params![nobodys(n), patient, [1_u8; 32], i64::MAX / 4_000_000],
                )?;
            }
            Ok(())
        })
        .await;
    filled.unwrap();
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let terms = terms(&world, &ada);
    let full = assisted.grant(ng.account, &terms, None, None, None).await;
    assert!(
        matches!(&full, Err(Failure::Full(Quota::Grants))),
        "{full:?}"
    );
    let ended: Result<u64, StoreError> = world
        .service
        .store()
        .write("test.end", |tx: &mut Tx| {
            tx.execute(
                "UPDATE grants SET ended_at = 1 WHERE id = ?1",
                params![nobodys(0)],
            )
        })
        .await;
    assert_eq!(ended.unwrap(), 1);
    assisted
        .grant(ng.account, &terms, None, None, None)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_wait_with_a_patient_than_anybody_would_read() {
    let (world, ada, ng) = cast().await;
    let first = requests::create_request(&world.service, &ng.caller, ask(&ada), None)
        .await
        .unwrap();
    let row = first.row.clone();
    let filled: Result<(), StoreError> = world
        .service
        .store()
        .write("test.fill", move |tx: &mut Tx| {
            for n in 1..Quota::Requests.max() {
                let mut row = row.clone();
                row.id = nobodys(n).into();
                row.asker = AccountId(nobodys(n));
                chartkey_store::requests::insert(tx, &row)?;
            }
            Ok(())
        })
        .await;
    filled.unwrap();
    let full = requests::create_request(&world.service, &ng.caller, ask(&ada), None).await;
    assert!(
        matches!(&full, Err(Failure::Full(Quota::Requests))),
        "{full:?}"
    );
    requests::deny_request(&world.service, &ada.caller, first.row.id)
        .await
        .unwrap();
    requests::create_request(&world.service, &ng.caller, ask(&ada), None)
        .await
        .unwrap();
}
