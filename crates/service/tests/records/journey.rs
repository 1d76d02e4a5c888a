//! A record's life: imported, shared, read, written to by others, changed,
//! moved, deleted.

use chartkey_domain::records::{Kind, Kinds, RecordType, RecordTypes};
use chartkey_domain::trail::TrailAction;
use chartkey_fhir::{Compartment, Limits};
use chartkey_service::assisted::RecordQuery;
use chartkey_service::{grants, patients, records};
use chartkey_vault::client::Act;

use crate::support::*;

#[test]
fn provider_reads_exactly_what_was_granted_until_it_is_revoked() {
    on_every_engine(|world| async move {
        let root = world.admin("root@example.org").await;
        let ada = world.patient("ada@example.org").await;
        let bob = world.verified_provider("bob@example.org", &root).await;
        let patient = ada.patient.unwrap();
        let lab = upload(&world, &ada, patient, &glucose(5.4)).await.unwrap();
        let other = upload(&world, &ada, patient, &allergy()).await.unwrap();
        assert_eq!(
            code(&listed(&world, &bob, patient).await.unwrap_err()),
            "patient.unknown"
        );
        let given = grant(&world, &ada, &bob, &terms(&world, patient)).await;
        let seen = listed(&world, &bob, patient).await.unwrap();
        assert_eq!(ids(&seen), [lab]);
        assert!(text(&seen[0]).contains("5.4"));
        let (action, entry) = told(&world).await.remove(0);
        assert_eq!(action, TrailAction::RecordList);
        assert!(
            entry.contains(&given.to_string()) && entry.contains("lab-results"),
            "{entry}"
        );
        assert!(!entry.contains("allergies"), "{entry}");
        let mut bobs = open(&world, &bob).await;
        assert_eq!(
            code(&bobs.find(other, None).await.unwrap_err()),
            "record.unknown"
        );
        assert_eq!(
            code(&bobs.content(lab).await.unwrap_err()),
            "grant.no_download"
        );
        // What comes later is covered too.
        world.pass(60);
        let later = glucose(6.1).to_string().replace("\"g\"", "\"h\"");
        let later = upload(&world, &ada, patient, &later.parse().unwrap())
            .await
            .unwrap();
        assert_eq!(
            ids(&listed(&world, &bob, patient).await.unwrap()),
            [later, lab]
        );
        open(&world, &ada).await.revoke_grant(given).await.unwrap();
        for failure in [
            listed(&world, &bob, patient).await.map(drop).unwrap_err(),
            bobs.find(lab, None).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(code(&failure), "grant.ended");
        }
        assert_eq!(listed(&world, &ada, patient).await.unwrap().len(), 3);
        world.run_jobs().await;
    });
}

#[test]
fn grant_ends_with_the_clock_and_the_next_write_begins_an_epoch() {
    on_every_engine(|world| async move {
        let root = world.admin("root@example.org").await;
        let ada = world.patient("ada@example.org").await;
        let bob = world.verified_provider("bob@example.org", &root).await;
        let eve = world.verified_provider("eve@example.org", &root).await;
        let patient = ada.patient.unwrap();
        let lab = upload(&world, &ada, patient, &glucose(5.4)).await.unwrap();
        let mut longer = terms(&world, patient);
        let short = grant(&world, &ada, &bob, &longer).await;
        longer.expires_at += jiff::SignedDuration::from_hours(24);
        grant(&world, &ada, &eve, &longer).await;
        let before = keys(&world, &ada, patient).await.grants_version;
        // Sessions end before the grant does.
        world.pass(24 * 3_600 - 60);
        let bob_again = chartkey_service::world::Person {
            caller: world.sign_in("bob@example.org").await,
            ..bob
        };
        assert_eq!(listed(&world, &bob_again, patient).await.unwrap().len(), 1);
        world.pass(60);
        assert_eq!(
            code(&listed(&world, &bob_again, patient).await.unwrap_err()),
            "grant.ended"
        );
        let ada = chartkey_service::world::Person {
            caller: world.sign_in("ada@example.org").await,
            ..ada
        };
        let eve = chartkey_service::world::Person {
            caller: world.sign_in("eve@example.org").await,
            ..eve
        };
        assert_eq!(grants::sweep_expired(&world.service).await.unwrap(), 1);
        assert!(
            keys(&world, &ada, patient).await.grants_version > before,
            "writers look again"
        );
        let found = told(&world).await;
        let expired = found
            .iter()
            .find(|(a, _)| *a == TrailAction::GrantExpire)
            .unwrap();
        assert!(expired.1.contains(&short.to_string()));
        let later = glucose(6.1).to_string().replace("\"g\"", "\"h\"");
        let later = upload(&world, &ada, patient, &later.parse().unwrap())
            .await
            .unwrap();
        assert!(
            told(&world)
                .await
                .iter()
                .any(|(a, _)| *a == TrailAction::EpochBegin)
        );
        assert!(!keys(&world, &ada, patient).await.epoch_links.is_empty());
        assert_eq!(
            ids(&listed(&world, &eve, patient).await.unwrap()),
            [later, lab],
            "who remains reads on"
        );
        world.run_jobs().await;
    });
}

#[test]
fn what_a_provider_writes_is_read_at_once_and_adopted_later() {
    on_every_engine(|world| async move {
        let root = world.admin("root@example.org").await;
        let ada = world.patient("ada@example.org").await;
        let bob = world.verified_provider("bob@example.org", &root).await;
        let eve = world.verified_provider("eve@example.org", &root).await;
        let patient = ada.patient.unwrap();
        let lab = upload(&world, &ada, patient, &glucose(5.4)).await.unwrap();
        let mut writing = terms(&world, patient);
        writing.types = RecordTypes::EMPTY;
        writing.write_types = RecordTypes::of(RecordType::LabResults);
        grant(&world, &ada, &bob, &writing).await;
        grant(&world, &ada, &eve, &terms(&world, patient)).await;
        let theirs = upload(&world, &bob, patient, &glucose(7.7)).await.unwrap();
        assert_ne!(theirs, lab, "their tags are their own");
        let again = upload(&world, &bob, patient, &glucose(7.7)).await.unwrap();
        assert_eq!(again, theirs, "known as it is");
        let refused = upload(&world, &bob, patient, &allergy()).await.unwrap_err();
        assert_eq!(code(&refused), "grant.no_write");
        assert_eq!(
            ids(&listed(&world, &bob, patient).await.unwrap()),
            [theirs],
            "their own alone"
        );
        let both = listed(&world, &eve, patient).await.unwrap();
        assert_eq!(both.len(), 2);
        assert_eq!(
            patients::list_unadopted_batches(&world.service, &ada.caller, patient)
                .await
                .unwrap()
                .batches
                .len(),
            1
        );
        let mine = listed(&world, &ada, patient).await.unwrap();
        assert!(
            mine.iter()
                .any(|v| v.id == theirs && text(v).contains("7.7"))
        );
        upload(&world, &ada, patient, &allergy()).await.unwrap();
        let left = patients::list_unadopted_batches(&world.service, &ada.caller, patient)
            .await
            .unwrap();
        assert!(left.batches.is_empty(), "adopted on the way");
        assert_eq!(
            ids(&listed(&world, &bob, patient).await.unwrap()),
            [theirs],
            "still theirs to read"
        );
        assert_eq!(listed(&world, &eve, patient).await.unwrap().len(), 2);
        world.run_jobs().await;
    });
}

#[test]
fn versions_follow_if_match_and_deletion_leaves_the_trail() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let patient = ada.patient.unwrap();
        let lab = upload(&world, &ada, patient, &glucose(5.4)).await.unwrap();
        let mut adas = open(&world, &ada).await;
        let limits = Limits::default();
        let second = adas
            .update(lab, 1, fhir(&glucose(5.6)), &limits)
            .await
            .unwrap();
        assert_eq!(second.version, 2);
        let stale = adas
            .update(lab, 1, fhir(&glucose(5.7)), &limits)
            .await
            .unwrap_err();
        assert_eq!(code(&stale), "record.version_mismatch");
        assert!(text(&adas.find(lab, Some(1)).await.unwrap()).contains("5.4"));
        assert!(text(&adas.find(lab, None).await.unwrap()).contains("5.6"));
        assert_eq!(
            code(&adas.find(lab, Some(9)).await.unwrap_err()),
            "record.unknown"
        );
        let history = records::list_record_history(&world.service, &ada.caller, lab)
            .await
            .unwrap();
        assert_eq!(
            history.iter().map(|h| h.version).collect::<Vec<_>>(),
            [2, 1]
        );
        assert!(told(&world).await[0].1.contains("lab-results"));
        let refused = records::delete_record(&world.service, &ada.caller, lab, Some(1)).await;
        assert_eq!(code(&refused.unwrap_err()), "record.version_mismatch");
        records::delete_record(&world.service, &ada.caller, lab, Some(2))
            .await
            .unwrap();
        assert_eq!(
            code(&adas.find(lab, None).await.unwrap_err()),
            "record.unknown"
        );
        assert!(listed(&world, &ada, patient).await.unwrap().is_empty());
        let again = upload(&world, &ada, patient, &glucose(5.4)).await.unwrap();
        assert_ne!(again, lab, "what was deleted is not known any more");
        world.run_jobs().await;
    });
}

#[test]
fn moved_record_keeps_its_author_and_leaves_those_who_do_not_cover_it() {
    on_every_engine(|world| async move {
        let root = world.admin("root@example.org").await;
        let ada = world.patient("ada@example.org").await;
        let bob = world.verified_provider("bob@example.org", &root).await;
        let eve = world.verified_provider("eve@example.org", &root).await;
        let patient = ada.patient.unwrap();
        let mut writing = terms(&world, patient);
        writing.write_types = RecordTypes::of(RecordType::LabResults);
        upload(&world, &ada, patient, &allergy()).await.unwrap();
        grant(&world, &ada, &bob, &writing).await;
        let lab = upload(&world, &bob, patient, &glucose(5.4)).await.unwrap();
        let mut single = terms(&world, patient);
        single.kinds = Kinds::ALL;
        single.records = Some(vec![lab]);
        grant(&world, &ada, &eve, &single).await;
        assert_eq!(ids(&listed(&world, &eve, patient).await.unwrap()), [lab]);
        let stored = listed(&world, &ada, patient).await.unwrap();
        let stored = stored.iter().find(|v| v.id == lab).unwrap().created_at;
        world.pass(10);
        let to = Compartment::new(RecordType::LabResults, Kinds::of(Kind::Hiv));
        let mut rng = world.service.rng();
        let mut act = Act {
            now: world.service.now(),
            rng: &mut rng,
        };
        client(&world, &ada)
            .await
            .move_record(patient.0, lab.0, to, &mut act)
            .await
            .unwrap();
        let (action, entry) = told(&world).await.remove(0);
        assert_eq!(action, TrailAction::RecordMove);
        assert!(entry.contains("previous"), "{entry}");
        let moved = open(&world, &ada).await.find(lab, None).await.unwrap();
        assert_eq!(
            (moved.kinds, moved.author),
            (Kinds::of(Kind::Hiv), Some(bob.account))
        );
        assert_eq!(
            (moved.created_at, moved.updated_at),
            (stored, world.service.now())
        );
        assert!(text(&moved).contains("5.4"));
        assert_eq!(
            ids(&listed(&world, &eve, patient).await.unwrap()),
            [lab],
            "their kinds take it in"
        );
        world.run_jobs().await;
    });
}

#[test]
fn search_pages_through_without_losing_or_repeating() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let patient = ada.patient.unwrap();
        for n in 0..7 {
            let one = glucose(5.0)
                .to_string()
                .replace("\"g\"", &format!("\"g{n}\""));
            upload(&world, &ada, patient, &one.parse().unwrap())
                .await
                .unwrap();
        }
        upload(&world, &ada, patient, &allergy()).await.unwrap();
        let mut adas = open(&world, &ada).await;
        let mut query = RecordQuery {
            text: Some("glucose".to_owned()),
            limit: Some(3),
            ..RecordQuery::default()
        };
        let mut all = Vec::new();
        loop {
            let page = adas.list(patient, &query).await.unwrap();
            assert!(
                page.items.iter().all(|v| text(v).contains("2345-7")),
                "with their bodies"
            );
            all.extend(ids(&page.items));
            // Something comes in between two pages.
            world.pass(1);
            upload(&world, &ada, patient, &glucose(9.0)).await.unwrap();
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(all.len(), 7);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 7);
        query.cursor = Some("nonsense".to_owned());
        assert_eq!(
            code(&adas.list(patient, &query).await.unwrap_err()),
            "invalid cursor"
        );
        world.run_jobs().await;
    });
}
