//! Servers that mean harm: addresses that may not be called, pages that never
//! end, answers that are too large or too slow, other people's records.

use chartkey_domain::clock::FixedClock;
use chartkey_domain::connections::{Credentials, ErrorClass as Class, SourceQuery};
use chartkey_fakes::fhir::{FhirServer, NewDocument, NextLink, Record, Shape};
use chartkey_fakes::{Fault, Rule};
use chartkey_outside::connectors::ConnectorLimits;
use serde_json::json;
use zeroize::Zeroizing;

use crate::world::{World, adapters, class};

async fn another_server(clock: &FixedClock) -> FhirServer {
    let clock = std::sync::Arc::new(clock.clone());
    FhirServer::start(Shape::Plain, clock, 0).await.unwrap()
}

fn observations() -> SourceQuery {
    SourceQuery {
        name: "Observation".into(),
        resource_type: "Observation".into(),
        incremental: false,
    }
}

#[tokio::test]
async fn a_private_base_url_is_not_called_unless_it_is_allowed() {
    let mut world = World::new(Shape::Plain).await;
    world.adapters = adapters("", ConnectorLimits::default(), &world.clock);
    let mut endpoint = world.endpoint();
    let port = world.server.origin().rsplit(':').next().unwrap();
    for base_url in [
        world.server.base_url(),
        format!("https://127.0.0.1:{port}/fhir"),
        format!("https://localhost:{port}/fhir"),
        "https://169.254.169.254/latest".to_owned(),
        "https://10.0.0.1/fhir".to_owned(),
        "https://[::1]/fhir".to_owned(),
        "https://[::ffff:127.0.0.1]/fhir".to_owned(),
        "https://2130706433/fhir".to_owned(),
        "https://user:pass@fhir.example/fhir".to_owned(),
        "file:///etc/passwd".to_owned(),
        "ftp://fhir.example/".to_owned(),
        "not a url".to_owned(),
    ] {
        endpoint.base_url = base_url;
        let source = world.source();
        let plan = source.plan(&endpoint, &world.keeper, None).await;
        assert_eq!(class(plan), Class::Address, "{}", endpoint.base_url);
        let verified = source.verify(&endpoint, &world.keeper).await;
        assert_eq!(class(verified), Class::Address, "{}", endpoint.base_url);
    }
    assert_eq!(world.server.stage().journal(), []);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_not_followed() {
    let world = World::new(Shape::Plain).await;
    let plan = world.plan().await;
    let other = another_server(&world.clock).await;
    for place in [other.origin(), "http://169.254.169.254", "https://[::1]"] {
        world
            .server
            .with_quirks(|quirks| quirks.moved_to = Some(place.into()));
        let page = world
            .ask(&observations(), &plan.discovered, None, None)
            .await;
        assert_eq!(class(page), Class::Address);
        assert_eq!(class(world.file("Binary/a", None).await), Class::Address);
    }
    assert_eq!(other.stage().journal(), []);
}

#[tokio::test]
async fn an_attachment_elsewhere_is_fetched_only_where_configured_and_without_the_token() {
    let mut world = World::new(Shape::Plain).await;
    world.credentials = Credentials::Bearer {
        token: Zeroizing::new("t-1".into()),
    };
    let other = another_server(&world.clock).await;
    other.put_document(&NewDocument {
        patient: "p",
        id: "a",
        title: "Letter",
        content_type: "application/pdf",
        bytes: b"%PDF-1.4",
    });
    let url = format!("{}/Binary/file-a", other.base_url());
    let kind = Some("application/pdf");
    assert_eq!(class(world.file(&url, kind).await), Class::Address);
    assert_eq!(other.stage().journal(), []);
    world.settings = json!({"attachment_origins": [other.origin()]});
    assert!(world.file(&url, kind).await.is_ok());
    // The same where the server's own file redirects there.
    let elsewhere = format!("{}/Binary", other.base_url());
    world
        .server
        .with_quirks(|quirks| quirks.binary_elsewhere = Some(elsewhere));
    assert!(
        world
            .file("Binary/file-a", Some("application/pdf"))
            .await
            .is_ok()
    );
    let seen = other.stage().received("read:Binary");
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter()
            .all(|call| !call.headers.contains_key("authorization"))
    );
    let own = world.server.stage().received("read:Binary");
    assert_eq!(own[0].headers["authorization"], "Bearer t-1");
}

#[tokio::test]
async fn a_private_attachment_is_refused_even_where_its_origin_is_configured() {
    let mut world = World::new(Shape::Plain).await;
    for origin in [
        "http://10.0.0.1",
        "https://169.254.169.254",
        "https://[fe80::1]",
    ] {
        world.settings = json!({"attachment_origins": [origin]});
        let file = world.file(&format!("{origin}/a.pdf"), None).await;
        assert_eq!(class(file), Class::Address, "{origin}");
    }
}

#[tokio::test]
async fn files_that_redirect_in_circles_are_given_up() {
    let world = World::new(Shape::Plain).await;
    let itself = format!("{}/Binary", world.server.base_url());
    world
        .server
        .with_quirks(|quirks| quirks.binary_elsewhere = Some(itself));
    assert_eq!(class(world.file("Binary/a", None).await), Class::Address);
    assert_eq!(world.server.stage().received("read:Binary").len(), 4);
}

#[tokio::test]
async fn a_next_link_elsewhere_is_not_followed_and_gets_no_token() {
    let mut world = World::new(Shape::Plain).await;
    world.credentials = Credentials::Bearer {
        token: Zeroizing::new("t-1".into()),
    };
    let other = another_server(&world.clock).await;
    let origin = other.origin().to_owned();
    world.server.with_quirks(|quirks| {
        quirks.max_count = 10;
        quirks.next_link = NextLink::Foreign { origin };
    });
    let page = world.first("Observation").await.unwrap();
    assert_eq!(page.resources.len(), 10); // what came before it is kept
    let next = world.page("Observation", page.next.as_deref()).await;
    let error = next.err().unwrap();
    assert_eq!(error.class, Class::Forbidden);
    assert_eq!(error.remote_code.as_deref(), Some("paging.foreign"));
    assert_eq!(other.stage().journal(), []);
}

// 16
#[tokio::test]
async fn a_search_that_never_ends_is_ended_and_starves_no_other() {
    let mut world = World::new(Shape::Plain).await;
    let limits = ConnectorLimits {
        max_pages: 20,
        ..ConnectorLimits::default()
    };
    world.adapters = adapters("127.0.0.1", limits, &world.clock);
    world.server.with_quirks(|quirks| {
        quirks.max_count = 10;
        quirks.next_link = NextLink::Endless;
    });
    let pulled = world.pull(None).await;
    // The cap is each search's own: the last is asked as well as the first.
    let plan = world.plan().await;
    for query in plan.queries.iter().skip(1) {
        assert!(pulled.pages[&query.name] <= 20, "{}", query.name);
    }
    let why = ("Observation".to_owned(), "paging.too_many".to_owned());
    assert!(pulled.refused.contains(&why));
    assert!(pulled.pages.contains_key("ExplanationOfBenefit"));
    // An empty search that goes on and on is nothing to wait for.
    assert!(pulled.pages["Device"] <= 5);
}

#[tokio::test]
async fn a_giant_page_is_asked_for_in_smaller_ones_and_else_refused() {
    let mut world = World::with(Shape::Plain, Record::Small).await;
    let limits = ConnectorLimits {
        max_page_len: 40 << 10,
        ..ConnectorLimits::default()
    };
    world.adapters = adapters("127.0.0.1", limits, &world.clock);
    let discovered = json!(null);
    let query = observations();
    let ask = || world.ask(&query, &discovered, None, None);
    let page = ask().await.unwrap();
    assert_eq!(page.resources.len(), 5);
    assert!(page.next.is_some());
    world.server.with_quirks(|quirks| quirks.padding = 64 << 10);
    assert_eq!(class(ask().await), Class::TooLarge);
}

#[tokio::test]
async fn a_resource_larger_than_the_limit_is_named_and_the_rest_is_taken() {
    let mut world = World::new(Shape::Plain).await;
    let (_, mut one) = world.server.all("Immunization").swap_remove(0);
    one["note"] = json!([{"text": "x".repeat(20_000)}]);
    world.server.put(one);
    let limits = ConnectorLimits {
        max_resource_len: 16 << 10,
        ..ConnectorLimits::default()
    };
    world.adapters = adapters("127.0.0.1", limits, &world.clock);
    let page = world.first("Immunization").await.unwrap();
    assert_eq!(page.refused, ["too_large"]);
    assert_eq!(page.resources.len(), world.held()["Immunization"] - 1);
}

#[tokio::test]
async fn a_slow_trickle_ends_with_the_call_s_time() {
    let world = World::new(Shape::Plain).await;
    let plan = world.plan().await;
    let trickle = Fault::Trickle {
        bytes: 1,
        wait_millis: 5,
    };
    let stage = world.server.stage();
    stage.set_faults(vec![Rule::every("search:*", trickle)]);
    let began = std::time::Instant::now();
    let page = world
        .ask(&observations(), &plan.discovered, None, None)
        .await;
    assert_eq!(class(page), Class::Transient);
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
}

#[tokio::test]
async fn another_patient_s_records_are_not_taken() {
    let world = World::new(Shape::Plain).await;
    let own = world.held();
    let mut other = World::new(Shape::Plain).await;
    other.patient = other.server.load(Record::Longitudinal);
    other.patient.clone_from(&world.patient);
    // Both are there, and searches answer everything there is.
    other
        .server
        .with_quirks(|quirks| quirks.ignores_patient = true);
    let pulled = other.pull(None).await;
    assert_eq!(pulled.count(), own);
    let strangers = pulled
        .refused
        .iter()
        .filter(|(_, code)| code == "other_patient");
    assert!(strangers.count() > 500);
}

#[tokio::test]
async fn a_patient_s_id_cannot_lead_elsewhere() {
    let mut world = World::new(Shape::Plain).await;
    world
        .server
        .put(json!({"resourceType": "Patient", "id": "1"}));
    for id in [
        "../metadata",
        "1/$everything",
        "1?_format=xml",
        "1#",
        "..",
        "%2e%2e",
    ] {
        world.patient = id.to_owned();
        let page = world.first("Patient").await;
        assert!(page.is_err() || !page.unwrap().refused.is_empty(), "{id}");
    }
    let read = world.server.stage().received("read:Patient");
    assert!(read.iter().all(|call| call.template == "/Patient/{id}"));
}

#[tokio::test]
async fn answers_that_are_not_what_they_should_be_are_broken() {
    let body = |text: &str| Fault::Status {
        status: 200,
        retry_after: None,
        body: Some(text.to_owned()),
    };
    let deep = "[".repeat(200_000);
    let nested = format!("{{\"resourceType\":\"Bundle\",\"entry\":[{{\"resource\":{deep}");
    let world = World::new(Shape::Plain).await;
    let plan = world.plan().await;
    for text in [
        "",
        "<html>sign in</html>",
        "[]",
        "{\"resourceType\":\"Patient\"}",
        "{\"resourceType\":\"Bundle\",\"entry\":7}",
        nested.as_str(),
        "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"a\":\"\u{0}\"}}]}",
    ] {
        let stage = world.server.stage();
        stage.set_faults(vec![Rule::every("*", body(text))]);
        let page = world
            .ask(&observations(), &plan.discovered, None, None)
            .await;
        assert_eq!(class(page), Class::Broken);
        let endpoint = world.endpoint();
        let again = world.source().plan(&endpoint, &world.keeper, None).await;
        assert_eq!(class(again), Class::Broken);
    }
}
