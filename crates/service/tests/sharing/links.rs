use chartkey_domain::ids::GrantId;
use chartkey_domain::policy::Refusal;
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};
use chartkey_domain::shares::{ShareError, ShareForm, ShareStatus};
use chartkey_service::Failure;
use chartkey_service::assisted::{self, Assisted, Content};
use chartkey_service::shares::visit::{self, Download, Proof, VisitFailure};
use chartkey_service::shares::{self};
use chartkey_service::world::World;
use chartkey_vault::transport::SealedQuery;
use serde_json::json;

use crate::support::*;

fn headers() -> SealedQuery {
    SealedQuery {
        headers_only: true,
        ..SealedQuery::default()
    }
}

fn is_ended(failure: &VisitFailure, status: ShareStatus) -> bool {
    matches!(failure, VisitFailure::Ended(found) if *found == status)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_key_reads_what_is_shared_and_nothing_else() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let (token, key) = held(&share);

    let state = visit::find_share_status(&world.service, &World::origin(), &token)
        .await
        .unwrap();
    assert_eq!(
        (state.status, state.needs_passcode),
        (ShareStatus::Active, false)
    );

    let shared = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap();
    assert_eq!(shared.cover.patient_name, "ada");
    assert_eq!(shared.cover.message.as_deref(), Some("Please have a look."));
    assert_eq!(shared.types, [RecordType::LabResults]);
    assert_eq!(shared.access_count, 1);
    assert_eq!(shared.records.len(), 1);
    let Content::Resource(bytes) = &shared.records[0].content else {
        panic!("a resource");
    };
    // The digits are those of the source.
    assert!(std::str::from_utf8(bytes).unwrap().contains("5.4"));

    let (again, visits) = shares::find_share(&world.service, &ada.caller, share.share.grant.id)
        .await
        .unwrap();
    assert_eq!(
        (again.grant.access_count, again.grant.download_count),
        (1, 0)
    );
    assert_eq!(visits.len(), 1);
    assert_eq!(visits[0].said.as_deref(), Some("Dr. Ng"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_is_read_too_unless_it_was_left_out() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let live = share(&world, &ada, &terms(&world, &ada), said()).await;
    let frozen = assisted::AskedTerms {
        include_future: false,
        ..terms(&world, &ada)
    };
    let frozen = share_of(&world, &ada, frozen).await;
    upload(&world, &ada, &json!({"resourceType": "Observation", "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"text": "HbA1c"}, "effectiveDateTime": "2026-05-01"})).await;
    for (share, records) in [(live, 2), (frozen, 1)] {
        let (token, key) = held(&share);
        let shared = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
            .await
            .unwrap();
        assert_eq!(shared.records.len(), records);
    }
}

async fn share_of(
    world: &World,
    person: &chartkey_service::world::Person,
    terms: assisted::AskedTerms,
) -> assisted::OpenShare {
    share(world, person, &terms, said()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sensitive_kinds_stay_out_unless_they_are_named() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    // LOINC 75622-1: HIV 1 and 2 tests.
    upload(&world, &ada, &json!({"resourceType": "Observation", "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "75622-1"}], "text": "HIV 1 and 2 tests"},
        "effectiveDateTime": "2026-05-01"})).await;
    let all = assisted::AskedTerms {
        kinds: Kinds::ALL,
        ..terms(&world, &ada)
    };
    for (terms, records) in [(terms(&world, &ada), 1), (all, 2)] {
        let (token, key) = held(&share_of(&world, &ada, terms).await);
        let shared = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
            .await
            .unwrap();
        assert_eq!(shared.records.len(), records);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_revoked_is_gone_at_once_and_so_is_its_visit() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let (token, key) = held(&share);
    let opened = visit::open_share(
        &world.service,
        &visitor(&token, Proof::Auth(key.auth().0)),
        headers(),
    )
    .await
    .unwrap();
    let view = visitor(&token, Proof::View(opened.opened.view.clone()));
    assert_eq!(
        visit::list_shared(&world.service, &view, SealedQuery::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );

    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let revoked = assisted.revoke_share(share.share.grant.id).await.unwrap();
    assert_eq!(revoked.status, ShareStatus::Revoked);

    let page = visit::list_shared(&world.service, &view, SealedQuery::default())
        .await
        .unwrap_err();
    assert!(is_ended(&page, ShareStatus::Revoked), "{page:?}");
    let again = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap_err();
    assert!(is_ended(&again, ShareStatus::Revoked), "{again:?}");
    let bare = visit::find_share_status(&world.service, &World::origin(), &token)
        .await
        .unwrap_err();
    assert!(is_ended(&bare, ShareStatus::Revoked), "{bare:?}");
    // Revoking again changes nothing.
    assert_eq!(
        assisted
            .revoke_share(share.share.grant.id)
            .await
            .unwrap()
            .grant
            .ended_at,
        revoked.grant.ended_at
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_expires_by_the_clock_before_any_job_has_run() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let (token, key) = held(&share);
    world.pass(24 * 60 * 60 - 1);
    assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap();
    world.pass(1);
    let late = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap_err();
    assert!(is_ended(&late, ShareStatus::Expired), "{late:?}");
    let caller = world.sign_in("ada@example.org").await;
    let listed = shares::list_shares(&world.service, &caller, None, None, 50)
        .await
        .unwrap();
    assert_eq!(listed.items[0].status, ShareStatus::Expired);
    // The job says the same, and takes the keyring away.
    assert!(shares::sweep(&world.service).await.unwrap() >= 1);
    let (swept, _) = shares::find_share(&world.service, &caller, share.share.grant.id)
        .await
        .unwrap();
    assert_eq!(swept.status, ShareStatus::Expired);
    assert!(swept.grant.ended_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_and_unknown_tokens_are_told_apart_and_count_nothing() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let (token, _) = held(&share);
    let wrong = visitor(&token, Proof::Auth([9; 32]));
    let failure = visit::open_share(&world.service, &wrong, headers())
        .await
        .unwrap_err();
    assert!(
        matches!(failure, VisitFailure::Other(Failure::Noun(ShareError::Key))),
        "{failure:?}"
    );
    for unknown in ["", "x", &"a".repeat(43)] {
        let failure = visit::find_share_status(&world.service, &World::origin(), unknown)
            .await
            .unwrap_err();
        assert!(
            matches!(
                failure,
                VisitFailure::Other(Failure::Noun(ShareError::Unknown))
            ),
            "{failure:?}"
        );
    }
    let (again, visits) = shares::find_share(&world.service, &ada.caller, share.share.grant.id)
        .await
        .unwrap();
    assert_eq!((again.grant.access_count, visits.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_access_goes_on_in_its_visit_and_no_other_begins() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let said = chartkey_domain::shares::NewShare {
        max_accesses: Some(1),
        ..said()
    };
    let share = share(&world, &ada, &terms(&world, &ada), said).await;
    let (token, key) = held(&share);
    let first = with_key(&token, &key);
    let shared = assisted::open_shared(&world.service, &first, &key)
        .await
        .unwrap();
    let second = assisted::open_shared(&world.service, &first, &key)
        .await
        .unwrap_err();
    assert!(is_ended(&second, ShareStatus::Expired), "{second:?}");

    let within = visit::Visitor {
        view: Some(shared.view),
        ..first.clone()
    };
    assisted::download_bundle(&world.service, &within, &key)
        .await
        .unwrap();
    let outside = assisted::download_bundle(&world.service, &first, &key)
        .await
        .unwrap_err();
    assert!(is_ended(&outside, ShareStatus::Expired), "{outside:?}");
    world.pass(30 * 60);
    let over = assisted::download_bundle(&world.service, &within, &key)
        .await
        .unwrap_err();
    assert!(is_ended(&over, ShareStatus::Expired), "{over:?}");
    assert_eq!(shares::sweep(&world.service).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_access_shows_its_further_pages_until_its_visit_is_over() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let ids = fill(&world, &ada).await;
    let said = chartkey_domain::shares::NewShare {
        max_accesses: Some(1),
        ..said()
    };
    let share = share(&world, &ada, &terms(&world, &ada), said).await;
    let (token, key) = held(&share);
    let first = visitor(&token, Proof::Auth(key.auth().0));
    let opened = visit::open_share(&world.service, &first, headers())
        .await
        .unwrap();
    let view = visitor(&token, Proof::View(opened.opened.view));
    for _ in 0..3 {
        let page = visit::list_shared(&world.service, &view, headers())
            .await
            .unwrap();
        assert_eq!(page.items[0].id, ids[0].0);
    }
    let (seen, visits) = shares::find_share(&world.service, &ada.caller, share.share.grant.id)
        .await
        .unwrap();
    assert_eq!((seen.grant.access_count, visits.len()), (1, 1), "one visit");
    let again = visit::open_share(&world.service, &first, headers())
        .await
        .unwrap_err();
    assert!(is_ended(&again, ShareStatus::Expired), "{again:?}");
    world.pass(30 * 60);
    let over = visit::list_shared(&world.service, &view, headers())
        .await
        .unwrap_err();
    assert!(is_ended(&over, ShareStatus::Expired), "{over:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_where_grants_end_and_no_grant_ends_as_a_link() {
    let world = World::new().await;
    let root = world.admin("root@example.org").await;
    let ada = world.patient("ada@example.org").await;
    let bob = world.verified_provider("bob@example.org", &root).await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let (token, key) = held(&share);
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    assisted.revoke_grant(share.share.grant.id).await.unwrap();
    let gone = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap_err();
    assert!(is_ended(&gone, ShareStatus::Revoked), "{gone:?}");

    let given = assisted
        .grant(bob.account, &terms(&world, &ada), None, None, None)
        .await
        .unwrap();
    let refused = shares::revoke_share(&world.service, &ada.caller, given, None)
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Failure::Refused(Refusal::Unknown(_))),
        "{refused:?}"
    );
    let kept = chartkey_service::grants::find_permission(&world.service, &ada.caller, given)
        .await
        .unwrap();
    assert!(kept.grant.ended_at.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_as_may_open_at_once_do_and_no_more() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let said = chartkey_domain::shares::NewShare {
        max_accesses: Some(3),
        ..said()
    };
    let share = share(&world, &ada, &terms(&world, &ada), said).await;
    let (token, key) = held(&share);
    let mut tries = Vec::new();
    for _ in 0..12 {
        let (service, visitor, key) = (world.service.clone(), with_key(&token, &key), key.clone());
        tries.push(tokio::spawn(async move {
            assisted::open_shared(&service, &visitor, &key)
                .await
                .is_ok()
        }));
    }
    let mut opened = 0;
    for one in tries {
        opened += usize::from(one.await.unwrap());
    }
    assert_eq!(opened, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passcode_is_asked_for_and_counted_over_the_links_whole_life() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let said = chartkey_domain::shares::NewShare {
        passcode: Some("4711".to_owned()),
        ..said()
    };
    let share = share(&world, &ada, &terms(&world, &ada), said).await;
    let (token, key) = held(&share);
    let visitor = with_key(&token, &key);
    let missing = assisted::open_shared(&world.service, &visitor, &key)
        .await
        .unwrap_err();
    assert!(
        matches!(missing, VisitFailure::Passcode { left: 10 }),
        "{missing:?}"
    );
    let wrong = with_passcode(visitor.clone(), "4712");
    let wrong = assisted::open_shared(&world.service, &wrong, &key)
        .await
        .unwrap_err();
    assert!(
        matches!(wrong, VisitFailure::Passcode { left: 9 }),
        "{wrong:?}"
    );
    let right = with_passcode(visitor.clone(), " 4711 ");
    assisted::open_shared(&world.service, &right, &key)
        .await
        .unwrap();
    // A success gives nothing back that was lost before.
    let missing = assisted::open_shared(&world.service, &visitor, &key)
        .await
        .unwrap_err();
    assert!(
        matches!(missing, VisitFailure::Passcode { left: 9 }),
        "{missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_need_leave_and_are_counted() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let kept = share(&world, &ada, &terms(&world, &ada), said()).await;
    let (token, key) = held(&kept);
    let json = assisted::download_bundle(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap();
    let bundle: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(bundle["resourceType"], "Bundle");
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 1);
    assisted::download_document(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap();
    let proof = visitor(&token, Proof::Auth(key.auth().0));
    assert_eq!(
        visit::count_download(&world.service, &proof, Download::Elsewhere)
            .await
            .unwrap(),
        3
    );

    let seen = assisted::AskedTerms {
        may_download: false,
        ..terms(&world, &ada)
    };
    let seen = share_of(&world, &ada, seen).await;
    assert!(seen.shlink.is_none());
    let (token, key) = held(&seen);
    let refused = assisted::download_bundle(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            VisitFailure::Other(Failure::Refused(Refusal::NoDownload))
        ),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_lengthened_and_renamed_while_it_lives_and_not_after() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let id = share.share.grant.id;
    let (token, key) = held(&share);
    let later = share.share.grant.expires_at + jiff::SignedDuration::from_hours(24);
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let changed = assisted
        .change_share(id, Some(later), Some("Dr. Wu".to_owned()))
        .await
        .unwrap();
    assert_eq!(changed.grant.expires_at, later);
    assert_eq!(changed.recipient_name.as_deref(), Some("Dr. Wu"));
    world.pass(30 * 60 * 60);
    assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap();
    world.pass(30 * 60 * 60);
    let caller = world.sign_in("ada@example.org").await;
    let mut assisted = Assisted::open(&world.service, &caller).await.unwrap();
    let far = world.service.now() + jiff::SignedDuration::from_hours(24);
    let refused = assisted
        .change_share(id, Some(far), None)
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "refused");
    let Failure::Noun(code) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(chartkey_service::NounError::code(&code), "share.expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_is_derived_again_after_a_fresh_sign_in_only() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let id = share.share.grant.id;
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let again = assisted.share_link(id).await.unwrap();
    assert_eq!(
        again.url.unwrap().as_str(),
        share.url.as_ref().unwrap().as_str()
    );
    world.pass(6 * 60);
    let refused = Assisted::open(&world.service, &ada.caller)
        .await
        .unwrap()
        .share_link(id)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Failure::Refused(Refusal::StepUp)),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_managers_sees_or_ends_a_link() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let eve = world.patient("eve@example.org").await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let id = share.share.grant.id;
    let unknown = Refusal::Unknown(chartkey_domain::policy::Noun::Share);
    for failure in [
        shares::find_share(&world.service, &eve.caller, id)
            .await
            .err(),
        shares::revoke_share(&world.service, &eve.caller, id, None)
            .await
            .err(),
        shares::find_share_link(&world.service, &eve.caller, id)
            .await
            .err(),
        shares::put_share_files(&world.service, &eve.caller, id, Vec::new())
            .await
            .err(),
        shares::find_share(&world.service, &ada.caller, GrantId::NIL)
            .await
            .err(),
    ] {
        let Some(Failure::Refused(refusal)) = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(refusal, unknown);
    }
    assert!(
        shares::list_shares(&world.service, &eve.caller, None, None, 50)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let (again, _) = shares::find_share(&world.service, &ada.caller, id)
        .await
        .unwrap();
    assert_eq!(again.status, ShareStatus::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_assisted_access_off_stops_keys_but_not_proofs() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let (token, key) = held(&share);
    let change = chartkey_service::accounts::ProfileChange {
        assisted_access: Some(false),
        ..Default::default()
    };
    chartkey_service::accounts::update_profile(&world.service, &ada.caller, change)
        .await
        .unwrap();
    let refused = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            VisitFailure::Other(Failure::Refused(Refusal::AssistedOff))
        ),
        "{refused:?}"
    );
    visit::open_share(
        &world.service,
        &visitor(&token, Proof::Auth(key.auth().0)),
        headers(),
    )
    .await
    .unwrap();
    // A link can still be ended, by the server's word.
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    assert_eq!(
        assisted
            .revoke_share(share.share.grant.id)
            .await
            .unwrap()
            .status,
        ShareStatus::Revoked
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn single_records_are_shared_alone() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let ids = fill(&world, &ada).await;
    let one = assisted::AskedTerms {
        types: RecordTypes::EMPTY,
        records: Some(vec![ids[1]]),
        ..terms(&world, &ada)
    };
    let share = share_of(&world, &ada, one).await;
    assert_eq!(share.share.records.as_deref(), Some(&ids[1..2]));
    let (token, key) = held(&share);
    let shared = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
        .await
        .unwrap();
    assert_eq!(shared.records.len(), 1);
    assert_eq!(shared.records[0].id, ids[1]);
    let missing = assisted::AskedTerms {
        records: Some(vec![chartkey_domain::ids::RecordId::NIL]),
        ..terms(&world, &ada)
    };
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let recipient = assisted::Recipient {
        email: None,
        said: said(),
    };
    let refused = assisted
        .share(
            &[recipient],
            &missing,
            chartkey_domain::shares::SendEmail::None,
            None,
        )
        .await
        .unwrap_err();
    assert!(matches!(refused, Failure::Invalid(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_writing_is_read_through_a_link_before_and_after_it_is_adopted() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let admin = world.admin("admin@example.org").await;
    let ng = world.verified_provider("ng@clinic.example", &admin).await;
    fill(&world, &ada).await;
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    let write = assisted::AskedTerms {
        write_types: RecordTypes::of(RecordType::LabResults),
        ..terms(&world, &ada)
    };
    assisted
        .grant(ng.account, &write, None, None, None)
        .await
        .unwrap();
    let share = share(&world, &ada, &terms(&world, &ada), said()).await;
    let (token, key) = held(&share);
    let ng = chartkey_service::world::Person {
        patient: ada.patient,
        ..ng
    };
    upload(&world, &ng, &json!({"resourceType": "Observation", "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"text": "Potassium"}, "effectiveDateTime": "2026-06-01"})).await;
    for text in ["Asthma", "Migraine"] {
        let shared = assisted::open_shared(&world.service, &with_key(&token, &key), &key)
            .await
            .unwrap();
        assert_eq!(shared.records.len(), 2);
        // The second round: a manager has adopted what came in.
        upload(
            &world,
            &ada,
            &json!({"resourceType": "Condition", "code": {"text": text}}),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_u_link_has_one_file_and_counts_nothing_but_visits() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let said = chartkey_domain::shares::NewShare {
        form: ShareForm::SingleFile,
        ..said()
    };
    let share = share(&world, &ada, &terms(&world, &ada), said).await;
    assert!(share.share.link.single_file);
    let parsed = chartkey_vault::link::Shlink::parse(share.shlink.as_ref().unwrap()).unwrap();
    assert_eq!(parsed.flags.letters(), "LU");
    assert!(parsed.url.len() <= 128);
}
