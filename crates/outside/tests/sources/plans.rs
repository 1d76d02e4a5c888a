//! What is asked for, how often, and what a server says of itself.

use chartkey_domain::connections::ErrorClass as Class;
use chartkey_fakes::fhir::Shape;
use chartkey_fakes::{Fault, Rule};
use serde_json::json;

use crate::world::{World, arrives, class};

#[tokio::test]
async fn everything_is_asked_for_at_once_where_it_is_declared_and_wanted() {
    let mut world = World::new(Shape::Plain).await;
    world.settings = json!({"everything": true});
    let names: Vec<_> = world.plan().await.queries;
    let names: Vec<_> = names.iter().map(|query| query.name.as_str()).collect();
    assert_eq!(names, ["Patient", "Patient/$everything"]);
    arrives(&world).await;
    world.server.with_quirks(|quirks| quirks.everything = false);
    assert!(world.plan().await.queries.len() > 10);
}

#[tokio::test]
async fn types_can_be_chosen() {
    let mut world = World::new(Shape::Plain).await;
    world.settings = json!({"types": ["Observation", "Claim"], "exclude_types": ["Claim"]});
    let names: Vec<_> = world.plan().await.queries;
    let names: Vec<_> = names.iter().map(|query| query.name.as_str()).collect();
    assert_eq!(names, ["Patient", "Observation"]);
}

#[tokio::test]
async fn a_sync_with_nothing_new_makes_one_call_for_each_search_and_no_other() {
    for shape in [Shape::Epic, Shape::Oracle, Shape::Plain] {
        let world = World::new(shape).await;
        let first = world.plan().await;
        world.wait(86_400);
        world.server.stage().forget();
        let endpoint = world.endpoint();
        let known = Some(&first.discovered);
        let plan = world.source().plan(&endpoint, &world.keeper, known).await;
        let plan = plan.unwrap();
        assert_eq!(plan.queries, first.queries);
        world
            .walk(&plan, Some("2026-11-03T00:00:00Z".parse().unwrap()))
            .await;
        let calls = world.server.stage().journal();
        let tokens = calls
            .iter()
            .filter(|call| call.operation == "token")
            .count();
        assert_eq!(tokens, usize::from(shape != Shape::Plain));
        // The token of a day ago was rejected by nobody: it was known to be over.
        assert_eq!(calls.len() - tokens, plan.queries.len(), "{shape:?}");
    }
}

#[tokio::test]
async fn what_was_discovered_by_another_version_is_discovered_again() {
    let world = World::new(Shape::Plain).await;
    let endpoint = world.endpoint();
    for known in [json!(null), json!({"v": 999}), json!({"v": 1, "types": 7})] {
        world.server.stage().forget();
        let plan = world
            .source()
            .plan(&endpoint, &world.keeper, Some(&known))
            .await;
        assert!(plan.unwrap().queries.len() > 10);
        assert_eq!(world.server.stage().received("metadata").len(), 1);
    }
}

#[tokio::test]
async fn a_server_without_a_description_is_asked_for_what_all_have() {
    let world = World::new(Shape::Plain).await;
    let stage = world.server.stage();
    stage.set_faults(vec![Rule::every("metadata", Fault::status(404))]);
    let pulled = world.pull(None).await;
    assert_eq!(pulled.failed, []);
    assert_eq!(pulled.count()["Observation"], world.held()["Observation"]);
}

#[tokio::test]
async fn verifying_says_what_is_there_and_whether_it_lets_us_in() {
    for shape in [Shape::Epic, Shape::Oracle, Shape::Plain] {
        let world = World::new(shape).await;
        let endpoint = world.endpoint();
        let verified = world.source().verify(&endpoint, &world.keeper).await;
        let verified = verified.unwrap();
        assert!(verified.account.is_some());
        assert!(verified.notes.contains(&"fhir 4.0.1".to_owned()));
        world.server.end_authorizations();
        let again = world.source().verify(&endpoint, &world.keeper).await;
        match shape {
            Shape::Plain => assert!(again.is_ok()),
            _ => assert_eq!(class(again), Class::Auth),
        }
    }
}

#[tokio::test]
async fn settings_that_are_none_are_refused_before_anything_is_called() {
    let mut world = World::new(Shape::Plain).await;
    for settings in [
        json!({"page_size": 0}),
        json!({"unknown": true}),
        json!({"headers": {"Authorization": "Bearer x"}}),
        json!({"headers": {"a b": "c"}}),
        json!([]),
    ] {
        world.settings = settings.clone();
        let endpoint = world.endpoint();
        let plan = world.source().plan(&endpoint, &world.keeper, None).await;
        assert_eq!(class(plan), Class::Invalid, "{settings}");
    }
    assert_eq!(world.server.stage().journal(), []);
}

#[tokio::test]
async fn verifying_the_wrong_place_is_no_success() {
    let world = World::new(Shape::Plain).await;
    let mut endpoint = world.endpoint();
    endpoint.base_url.push_str("/elsewhere");
    let verified = world.source().verify(&endpoint, &world.keeper).await;
    assert_eq!(class(verified), Class::NotFound);
}

#[tokio::test]
async fn a_directory_of_providers_is_fetched_and_read() {
    let world = World::new(Shape::Plain).await;
    let list = json!({"resourceType": "Bundle", "entry": [{"resource": {
        "resourceType": "Endpoint", "id": "e", "status": "active", "name": "Hill Clinic",
        "address": "https://fhir.hill.example/R4"}}]});
    let answer = |body: String| Fault::Status {
        status: 200,
        retry_after: None,
        body: Some(body),
    };
    let stage = world.server.stage();
    stage.set_faults(vec![Rule::every("*", answer(list.to_string()))]);
    let url = format!("{}/brands", world.server.origin());
    let fetch = || world.adapters.fhir().fetch_directory(&url);
    let found = fetch().await.unwrap();
    assert_eq!(found[0].name, "Hill Clinic");
    assert_eq!(found[0].base_url, "https://fhir.hill.example/R4");
    stage.set_faults(vec![Rule::every("*", answer("<html>".to_owned()))]);
    assert_eq!(class(fetch().await), Class::Broken);
    stage.set_faults(vec![Rule::every("*", Fault::status(503))]);
    assert_eq!(class(fetch().await), Class::Transient);
    let private = world.adapters.fhir().fetch_directory("https://10.0.0.1/");
    assert_eq!(class(private.await), Class::Address);
}
