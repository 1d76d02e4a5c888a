//! Walking through searches, and what is wrong with them.

use chartkey_domain::connections::ErrorClass as Class;
use chartkey_fakes::fhir::{NextLink, Record, Shape};
use chartkey_fakes::{Fault, Rule};
use serde_json::{Value, json};

use crate::world::{World, arrives, class};

const OBSERVATIONS: &str = "Observation";

async fn with_next_link(link: NextLink) -> World {
    let world = World::new(Shape::Plain).await;
    world.server.with_quirks(|quirks| {
        quirks.next_link = link;
        quirks.max_count = 10;
    });
    world
}

#[tokio::test]
async fn a_whole_record_arrives_from_a_plain_server() {
    for record in [Record::Small, Record::Elder] {
        let world = World::with(Shape::Plain, record).await;
        let pulled = world.pull(None).await;
        let mut held = world.held();
        if record == Record::Elder {
            held.insert("Medication".into(), 1); // included
        }
        assert_eq!((pulled.failed, pulled.refused), (vec![], vec![]));
        let mut arrived = std::collections::BTreeMap::new();
        for name in pulled.resources.keys() {
            let kind = name.split('/').next().unwrap().to_owned();
            *arrived.entry(kind).or_insert(0) += 1;
        }
        assert_eq!(arrived, held);
    }
}

#[tokio::test]
async fn the_patient_is_read_by_id_and_never_searched() {
    let world = World::new(Shape::Epic).await;
    let plan = world.plan().await;
    assert_eq!(plan.queries[0].name, "Patient");
    world.pull(None).await;
    assert_eq!(world.server.stage().received("read:Patient").len(), 1);
    assert_eq!(world.server.stage().received("search:Patient").len(), 0);
}

// 1
#[tokio::test]
async fn one_refused_type_does_not_end_the_walk() {
    for status in [400, 403, 404, 500] {
        let world = World::new(Shape::Plain).await;
        world.server.with_quirks(|quirks| {
            quirks.refused_types.insert("Claim".into(), status);
        });
        let pulled = world.pull(None).await;
        let failed: Vec<_> = pulled
            .failed
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(failed, ["Claim"], "{status}");
        let mut held = world.held();
        held.remove("Claim");
        assert_eq!(pulled.count(), held);
    }
}

// 2
#[tokio::test]
async fn epic_is_asked_by_category_and_intent() {
    let world = World::with(Shape::Epic, Record::Elder).await;
    let pulled = world.pull(None).await;
    let failed: Vec<_> = pulled
        .failed
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(failed, ["Claim"]); // it refuses claims
    let mut held = world.held();
    held.remove("Claim");
    // Of the care plans, the longitudinal ones.
    held.remove("CarePlan");
    let mut counts = pulled.count();
    counts.remove("CarePlan");
    assert_eq!(counts, held);
    assert!(held["Observation"] > 400);
}

// 2
#[tokio::test]
async fn a_server_that_declares_what_it_needs_is_asked_for_that() {
    let world = World::new(Shape::Plain).await;
    world.server.with_quirks(|quirks| {
        quirks.declares_combinations = true;
        quirks.needs_category = vec![OBSERVATIONS.into()];
    });
    arrives(&world).await;
}

#[tokio::test]
async fn a_server_that_needs_no_category_is_asked_once() {
    let world = World::new(Shape::Plain).await;
    let names: Vec<_> = world
        .plan()
        .await
        .queries
        .into_iter()
        .map(|query| query.name)
        .filter(|name| name.starts_with(OBSERVATIONS))
        .collect();
    assert_eq!(names, [OBSERVATIONS]);
}

// 10
#[tokio::test]
async fn an_older_version_on_a_later_page_is_told_from_the_newer() {
    let world = World::with(Shape::Oracle, Record::Small).await;
    world.server.with_quirks(|quirks| quirks.max_count = 10);
    let pulled = world.pull(None).await;
    let mut held = world.held();
    held.remove("CarePlan"); // asked for by a category that these plans lack
    assert_eq!(pulled.count(), held);
    assert!(pulled.pages["Observation"] > 5);
    let told = |value: &serde_json::Value| value["meta"]["lastUpdated"] == json!(crate::world::NOW);
    assert!(pulled.resources.values().all(told));
}

// 11
#[tokio::test]
async fn a_next_link_to_its_own_page_is_the_end() {
    let world = with_next_link(NextLink::ToItself).await;
    arrives(&world).await;
}

// 11
#[tokio::test]
async fn next_links_in_a_circle_are_noticed_and_said() {
    let world = with_next_link(NextLink::Circle).await;
    let pulled = world.pull(None).await;
    let why = ("Observation".to_owned(), "paging.repeated".to_owned());
    assert!(pulled.refused.contains(&why), "{:?}", pulled.refused);
    assert!(pulled.pages["Observation"] <= 4);
}

// 12
#[tokio::test]
async fn a_next_link_of_four_kilobytes_is_followed() {
    let world = with_next_link(NextLink::Long { by: 4096 }).await;
    arrives(&world).await;
}

// 12
#[tokio::test]
async fn a_next_link_beyond_all_measure_is_not_followed_and_the_page_is_kept() {
    let world = with_next_link(NextLink::Long { by: 40_000 }).await;
    let page = world.first(OBSERVATIONS).await.unwrap();
    assert_eq!(page.resources.len(), 10);
    let next = world.page(OBSERVATIONS, page.next.as_deref()).await;
    assert_eq!(class(next), Class::Forbidden);
}

// 13
#[tokio::test]
async fn a_search_whose_pages_are_over_is_begun_again() {
    for with_code in [true, false] {
        let world = World::new(Shape::Plain).await;
        world.server.with_quirks(|quirks| {
            quirks.max_count = 10;
            quirks.pages_expire_after = Some(2);
            quirks.expires_with_code = with_code;
        });
        let first = world.first(OBSERVATIONS).await.unwrap();
        let second = world.page(OBSERVATIONS, first.next.as_deref()).await;
        let third = world
            .page(OBSERVATIONS, second.unwrap().next.as_deref())
            .await;
        let error = third.err().unwrap();
        assert_eq!(error.class, Class::Expired);
        let code = error.remote_code.as_deref();
        assert_eq!(code == Some("4113"), with_code);
        arrives(&world).await; // it happens once
    }
}

// 14
#[tokio::test]
async fn a_next_link_beyond_the_last_page_ends_the_walk_quietly() {
    let world = with_next_link(NextLink::BeyondLast).await;
    arrives(&world).await;
}

// 15
#[tokio::test]
async fn next_links_without_scheme_or_relative_and_prev_are_understood() {
    for link in [NextLink::NoScheme, NextLink::Relative] {
        let world = with_next_link(link).await;
        world.server.with_quirks(|quirks| quirks.says_prev = true);
        arrives(&world).await;
    }
}

// 15
#[tokio::test]
async fn a_next_link_that_the_server_refuses_itself_costs_only_what_is_behind_it() {
    let world = with_next_link(NextLink::Refused).await;
    let page = world.first(OBSERVATIONS).await.unwrap();
    assert_eq!(page.resources.len(), 10);
    let error = world
        .page(OBSERVATIONS, page.next.as_deref())
        .await
        .err()
        .unwrap();
    assert_eq!(error.class, Class::Invalid);
    assert!(!error.class.is_retryable());
}

// 17
#[tokio::test]
async fn incremental_searches_name_one_date_only_and_find_what_changed() {
    for shape in [Shape::Oracle, Shape::Epic, Shape::Plain] {
        let world = World::new(shape).await;
        let before = world.clock.clone();
        world.wait(60);
        let changed = chartkey_domain::clock::Clock::now(&before);
        let (id, mut observation) = world.server.all(OBSERVATIONS).swap_remove(3);
        observation["status"] = json!("amended");
        world.server.put(observation);
        let pulled = world.pull(Some(changed)).await;
        let names: Vec<_> = pulled.resources.keys().cloned().collect();
        let expected = [
            format!("Observation/{id}"),
            format!("Patient/{}", world.patient),
        ];
        assert_eq!(names, expected, "{shape:?}");
    }
}

#[tokio::test]
async fn where_nothing_tells_what_changed_everything_is_listed() {
    let world = World::new(Shape::Plain).await;
    world.server.with_quirks(|quirks| {
        quirks.last_updated = None;
        quirks.date = false;
    });
    let plan = world.plan().await;
    assert!(plan.queries.iter().all(|query| !query.incremental));
    let later = Some("2030-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(world.walk(&plan, later).await.count(), world.held());
}

#[tokio::test]
async fn where_only_a_date_is_declared_it_narrows_by_day() {
    let world = World::new(Shape::Plain).await;
    world
        .server
        .with_quirks(|quirks| quirks.last_updated = None);
    let since = Some("2019-02-19T23:00:00Z".parse().unwrap());
    let plan = world.plan().await;
    world.walk(&plan, since).await;
    let asked = world.server.stage().received("search:Observation");
    assert!(
        asked[0].query.contains("date=ge2019-02-19&")
            || asked[0].query.ends_with("date=ge2019-02-19")
    );
}

// 18
#[tokio::test]
async fn results_that_were_capped_are_said_to_be() {
    let world = World::new(Shape::Plain).await;
    world
        .server
        .with_quirks(|quirks| quirks.result_cap = Some(20));
    let page = world.first(OBSERVATIONS).await.unwrap();
    assert_eq!(page.resources.len(), 20);
    assert_eq!(page.refused, ["4127"]);
}

#[tokio::test]
async fn that_nothing_was_found_is_nothing_missing() {
    let world = World::new(Shape::Epic).await;
    let page = world.first("Device").await.unwrap();
    assert_eq!((page.resources.len(), page.refused.len()), (0, 0));
    assert!(page.next.is_none());
}

// 20
#[tokio::test]
async fn a_server_that_says_when_to_come_back_is_understood() {
    for says_reset in [false, true] {
        let world = World::new(Shape::Plain).await;
        let plan = world.plan().await;
        world.server.with_quirks(|quirks| {
            quirks.calls_a_minute = Some(3);
            quirks.says_reset = says_reset;
        });
        world.wait(15);
        let pulled = world.walk(&plan, None).await;
        let (_, error) = pulled.failed.first().unwrap();
        assert_eq!(error.class, Class::RateLimited);
        assert_eq!(error.retry_after.map(|wait| wait.as_secs()), Some(45));
        world.wait(45);
        assert!(
            world
                .ask(&plan.queries[1], &plan.discovered, None, None)
                .await
                .is_ok()
        );
    }
}

// 22
#[tokio::test]
async fn a_server_that_wants_the_old_media_type_is_asked_for_it() {
    let mut world = World::new(Shape::Plain).await;
    world.server.with_quirks(|quirks| {
        quirks.json_type = "application/json+fhir".into();
        quirks.strict_accept = true;
    });
    // 36: any other answers 406, empty
    assert_eq!(class(world.first(OBSERVATIONS).await), Class::Unsupported);
    world.settings = json!({"accept": "application/json+fhir"});
    arrives(&world).await;
}

// 27
#[tokio::test]
async fn a_server_that_stumbles_over_one_resource_costs_only_that_search() {
    let world = World::new(Shape::Plain).await;
    let (_, mut procedure) = world.server.all("Procedure").swap_remove(0);
    procedure.as_object_mut().unwrap().remove("status");
    world.server.put(procedure);
    world
        .server
        .with_quirks(|quirks| quirks.fails_without_status = true);
    assert_eq!(class(world.first("Procedure").await), Class::Transient);
    assert!(world.first("Encounter").await.is_ok());
}

// 28
#[tokio::test]
async fn what_is_behind_glass_is_policy_and_never_tried_again() {
    for code in ["4130", "4131", "4134"] {
        let world = World::new(Shape::Epic).await;
        world.server.with_quirks(|quirks| {
            quirks.policy_codes.insert("Procedure".into(), code.into());
        });
        let error = world.first("Procedure").await.err().unwrap();
        assert_eq!(error.class, Class::Forbidden);
        assert_eq!(error.remote_code.as_deref(), Some(code));
        assert!(!error.class.is_retryable());
    }
}

// 32, 33
#[tokio::test]
async fn resources_that_break_the_standard_are_taken_as_they_are_or_named() {
    let world = World::new(Shape::Plain).await;
    world.server.with_quirks(|quirks| quirks.adds_broken = true);
    let page = world.first("Immunization").await.unwrap();
    let held = world.held()["Immunization"];
    assert_eq!(page.resources.len(), held + 2);
    assert_eq!(page.refused, ["no_id", "broken", "broken"]);
    assert!(page.newest.is_some());
    let odd = page
        .resources
        .iter()
        .find(|bytes| bytes.windows(8).any(|window| window == b"odd-date"))
        .unwrap();
    assert!(odd.windows(10).any(|window| window == b"2020-13-45"));
}

// 34, 37
#[tokio::test]
async fn searches_are_never_posted_and_next_links_never_made() {
    let world = World::with(Shape::Oracle, Record::Small).await;
    world.pull(None).await;
    for call in world.server.stage().journal() {
        assert_eq!(call.method, "GET", "{}", call.operation);
        assert!(!call.query.contains("offset"));
        if call.operation.starts_with("page:") {
            assert_eq!(call.query, "");
        }
    }
}

// 35, 36
#[tokio::test]
async fn a_tenant_s_filter_goes_into_every_search() {
    let mut world = World::new(Shape::Plain).await;
    let filter = ("ah-practice".to_owned(), "Organization/a-1".to_owned());
    world
        .server
        .with_quirks(|quirks| quirks.needs_param = Some(filter));
    assert_eq!(class(world.first(OBSERVATIONS).await), Class::Forbidden);
    world.settings = json!({"params": {"ah-practice": "Organization/a-1"}});
    arrives(&world).await;
}

// 38
#[tokio::test]
async fn a_server_that_has_moved_is_not_followed() {
    let world = World::new(Shape::Plain).await;
    let plan = world.plan().await;
    world
        .server
        .with_quirks(|quirks| quirks.moved_to = Some("https://new.example".into()));
    let page = world
        .ask(&plan.queries[1], &plan.discovered, None, None)
        .await;
    assert_eq!(class(page), Class::Address);
}

#[tokio::test]
async fn every_fault_of_a_search_means_one_thing_and_passes() {
    let answer = |status: u16, wait: Option<&str>| Fault::Status {
        status,
        retry_after: wait.map(str::to_owned),
        body: None,
    };
    let trickle = Fault::Trickle {
        bytes: 10,
        wait_millis: 20,
    };
    let table = [
        (Fault::TimeoutBefore, Class::Transient),
        (Fault::TimeoutAfter, Class::Transient),
        (answer(401, None), Class::Auth),
        (answer(403, None), Class::Forbidden),
        (answer(404, None), Class::NotFound),
        (answer(409, None), Class::Conflict),
        (answer(429, Some("2")), Class::RateLimited),
        (answer(500, None), Class::Transient),
        (answer(503, Some("7")), Class::Transient),
        (Fault::BrokenBody, Class::Broken),
        (Fault::Disconnect, Class::Transient),
        (trickle, Class::Transient),
    ];
    let world = World::new(Shape::Plain).await;
    let plan = world.plan().await;
    let query = plan.queries.iter().find(|query| query.name == OBSERVATIONS);
    let ask = || world.ask(query.unwrap(), &plan.discovered, None, None);
    for (fault, expected) in table {
        let stage = world.server.stage();
        stage.set_faults(vec![Rule::nth("search:Observation", 1, fault.clone())]);
        let error = ask().await.err().unwrap();
        assert_eq!(error.class, expected, "{fault:?}");
        let wait = error.retry_after.map(|wait| wait.as_secs());
        match fault {
            Fault::Status { status: 429, .. } => assert_eq!(wait, Some(2)),
            Fault::Status { status: 503, .. } => assert_eq!(wait, Some(7)),
            _ => assert_eq!(wait, None),
        }
        assert!(ask().await.is_ok(), "{fault:?} did not pass");
    }
}

#[tokio::test]
async fn medications_behind_references_are_pointed_to_and_read_one_by_one() {
    for shape in [Shape::Epic, Shape::Oracle] {
        let world = World::new(shape).await;
        let request = |id: &str, reference: &str| {
            json!({"resourceType": "MedicationRequest", "id": id, "status": "active",
                "intent": "order", "subject": {"reference": format!("Patient/{}", world.patient)},
                "medicationReference": {"reference": reference}})
        };
        world
            .server
            .put(json!({"resourceType": "Medication", "id": "m1",
            "code": {"text": "Metformin"}}));
        let absolute = format!("{}/Medication/m2", world.server.base_url());
        for (id, reference) in [
            ("r1", "Medication/m1"),
            ("r2", "Medication/m1/_history/3"),
            ("r3", absolute.as_str()),
            // Neither another server, nor what is inside, nor anything else of ours.
            ("r4", "https://elsewhere.example/r4/Medication/m3"),
            ("r5", "#inside"),
            ("r6", "Medication/../Patient/p"),
            ("r7", "urn:uuid:4a8c1e0e-1d3f-4f0e-9b0a-1c2d3e4f5a6b"),
        ] {
            world.server.put(request(id, reference));
        }
        let plan = world.plan().await;
        let mut queries = plan.queries.iter();
        let query = queries.find(|q| q.resource_type == "MedicationRequest");
        let mut pointed = Vec::new();
        let mut next = None;
        loop {
            let asked = world.ask(query.unwrap(), &plan.discovered, None, next.as_deref());
            let page = asked.await.unwrap();
            pointed.extend(page.pointed);
            match page.next {
                Some(more) => next = Some(more),
                None => break,
            }
        }
        pointed.retain(|reference| reference.starts_with("Medication/m"));
        pointed.sort();
        pointed.dedup();
        assert_eq!(pointed, ["Medication/m1", "Medication/m2"], "{shape:?}");
        let endpoint = world.endpoint();
        let read = |reference| world.source().pointed(&endpoint, &world.keeper, reference);
        let found = read("Medication/m1").await.unwrap();
        let found: Value = serde_json::from_slice(&found).unwrap();
        assert_eq!(found["code"]["text"], "Metformin");
        assert_eq!(class(read("Medication/m2").await), Class::NotFound);
    }
}
