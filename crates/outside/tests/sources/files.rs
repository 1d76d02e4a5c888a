//! Files that documents point to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_domain::connections::ErrorClass as Class;
use chartkey_fakes::fhir::{NewDocument, Shape};
use chartkey_fakes::{Fault, Rule};
use serde_json::json;

use crate::world::{World, class};

const PDF: &[u8] = b"%PDF-1.4\nmade up\n%%EOF\n";
const CDA: &[u8] = b"<?xml version=\"1.0\"?><ClinicalDocument><id root=\"{id}\"/>\
    <effectiveTime value=\"{made}\"/><component>penicillin</component></ClinicalDocument>";

/// A server with one document, and the address of its file.
async fn with_document(
    shape: Shape,
    id: &str,
    content_type: &str,
    bytes: &[u8],
) -> (World, String) {
    let world = World::new(shape).await;
    world.server.put_document(&NewDocument {
        patient: &world.patient,
        id,
        title: "Letter",
        content_type,
        bytes,
    });
    let url = format!("{}/Binary/file-{id}", world.server.base_url());
    (world, url)
}

// 21
#[tokio::test]
async fn a_file_is_asked_for_by_its_type_and_comes_as_it_is() {
    for shape in [Shape::Epic, Shape::Oracle, Shape::Plain] {
        let (world, url) = with_document(shape, "a", "application/pdf", PDF).await;
        for asked in [url.as_str(), "Binary/file-a", "/Binary/file-a"] {
            let file = world.file(asked, Some("application/pdf")).await.unwrap();
            assert_eq!(file.content_type, "application/pdf");
            assert_eq!(&file.bytes[..], PDF);
        }
        let reads = world.server.stage().received("read:Binary");
        assert!(
            reads
                .iter()
                .all(|read| read.headers["accept"] == "application/pdf")
        );
        assert!(
            reads
                .iter()
                .all(|read| read.headers["accept"] != "application/json")
        );
    }
}

// 21, 23
#[tokio::test]
async fn a_file_whose_type_nobody_said_comes_inside_its_resource() {
    let (world, url) = with_document(Shape::Oracle, "a", "application/pdf", PDF).await;
    let file = world.file(&url, None).await.unwrap();
    assert_eq!(
        (&file.bytes[..], file.content_type.as_str()),
        (PDF, "application/pdf")
    );
    let reads = world.server.stage().received("read:Binary");
    assert_eq!(reads[0].headers["accept"], "application/fhir+json");
}

// 21
#[tokio::test]
async fn a_file_that_the_document_calls_otherwise_is_asked_for_again() {
    let (world, url) = with_document(Shape::Oracle, "a", "application/pdf", PDF).await;
    let file = world.file(&url, Some("text/rtf")).await.unwrap();
    assert_eq!(file.content_type, "application/pdf");
    assert_eq!(world.server.stage().received("read:Binary").len(), 2);
}

// 23
#[tokio::test]
async fn a_server_that_answers_a_resource_whatever_is_asked_is_understood() {
    let (world, url) = with_document(Shape::Plain, "a", "application/pdf", PDF).await;
    world
        .server
        .with_quirks(|quirks| quirks.binary_as_resource = true);
    let file = world.file(&url, Some("application/pdf")).await.unwrap();
    assert_eq!(&file.bytes[..], PDF);
}

// 24
#[tokio::test]
async fn a_report_that_a_site_does_not_make_is_missing_and_nothing_else() {
    let world = World::new(Shape::Oracle).await;
    world
        .server
        .with_quirks(|quirks| quirks.lacks_reports = true);
    for id in ["XR-1", "XML-1"] {
        world.server.put(json!({"resourceType": "Binary", "id": id,
            "contentType": "application/pdf", "data": STANDARD.encode(PDF)}));
    }
    let missing = world.file("Binary/XR-1", Some("application/pdf")).await;
    assert_eq!(class(missing), Class::NotFound);
    assert!(
        world
            .file("Binary/XML-1", Some("application/pdf"))
            .await
            .is_ok()
    );
}

// 25
#[tokio::test]
async fn a_document_made_anew_for_every_read_arrives_as_it_was_made() {
    let (world, url) = with_document(Shape::Epic, "a", "application/xml", CDA).await;
    world
        .server
        .with_quirks(|quirks| quirks.makes_documents = true);
    let one = world.file(&url, Some("application/xml")).await.unwrap();
    let two = world.file(&url, Some("application/xml")).await.unwrap();
    assert_ne!(one.bytes, two.bytes);
    assert_eq!(one.content_type, "application/xml");
    let made_as = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("root=\"1.2.3.2\"");
    assert!(made_as(&two.bytes) && !made_as(&one.bytes));
}

// 18
#[tokio::test]
async fn the_day_s_last_document_means_tomorrow() {
    let (world, url) = with_document(Shape::Epic, "a", "application/pdf", PDF).await;
    world
        .server
        .with_quirks(|quirks| quirks.documents_a_day = Some(2));
    let read = || world.file(&url, Some("application/pdf"));
    assert!(read().await.is_ok());
    assert!(read().await.is_ok());
    let error = read().await.err().unwrap();
    assert_eq!(error.class, Class::RateLimited);
    assert_eq!(error.remote_code.as_deref(), Some("4135"));
    assert_eq!(error.retry_after.map(|wait| wait.as_secs()), Some(86_400));
}

// 26
#[tokio::test]
async fn a_file_needs_the_scopes_of_both_its_resources() {
    let (mut world, url) = with_document(Shape::Oracle, "a", "application/pdf", PDF).await;
    world.sign_in("patient/Binary.read patient/Observation.read");
    let error = world.file(&url, Some("application/pdf")).await;
    assert_eq!(class(error), Class::Forbidden);
    world.sign_in("patient/Binary.read patient/DocumentReference.rs");
    assert!(world.file(&url, Some("application/pdf")).await.is_ok());
}

#[tokio::test]
async fn a_server_that_lies_about_a_type_is_believed_less_than_the_bytes() {
    let html = b"<!doctype html><html>please sign in</html>";
    for (bytes, claimed, truth) in [
        (PDF, "text/plain", "application/pdf"),
        (&html[..], "application/pdf", "text/html"),
        (
            &b"MZ\x90\0"[..],
            "application/pdf",
            "application/vnd.microsoft.portable-executable",
        ),
        (
            &b"plain words"[..],
            "text/plain; charset=utf-8",
            "text/plain",
        ),
    ] {
        let (world, url) = with_document(Shape::Plain, "a", "application/pdf", bytes).await;
        world
            .server
            .with_quirks(|quirks| quirks.lies_about_type = Some(claimed.into()));
        let file = world.file(&url, Some("application/pdf")).await.unwrap();
        assert_eq!(file.content_type, truth);
        assert_eq!(&file.bytes[..], bytes);
    }
}

#[tokio::test]
async fn a_file_larger_than_the_limit_is_refused_in_both_shapes() {
    let large = vec![b'x'; (1 << 20) + 1];
    let (world, url) = with_document(Shape::Plain, "a", "text/plain", &large).await;
    assert_eq!(
        class(world.file(&url, Some("text/plain")).await),
        Class::TooLarge
    );
    assert_eq!(class(world.file(&url, None).await), Class::TooLarge);
    let (world, url) = with_document(Shape::Plain, "a", "text/plain", &large[1..]).await;
    assert!(world.file(&url, Some("text/plain")).await.is_ok());
    assert!(world.file(&url, None).await.is_ok());
}

#[tokio::test]
async fn every_fault_of_a_file_means_one_thing_and_passes() {
    let trickle = Fault::Trickle {
        bytes: 1,
        wait_millis: 100,
    };
    let (world, url) = with_document(Shape::Plain, "a", "application/pdf", PDF).await;
    for (fault, expected) in [
        (Fault::TimeoutBefore, Class::Transient),
        (Fault::status(401), Class::Auth),
        (Fault::status(403), Class::Forbidden),
        (Fault::status(429), Class::RateLimited),
        (Fault::status(500), Class::Transient),
        (Fault::Disconnect, Class::Transient),
        (trickle, Class::Transient),
    ] {
        let stage = world.server.stage();
        stage.set_faults(vec![Rule::nth("read:Binary", 1, fault.clone())]);
        let read = || world.file(&url, Some("application/pdf"));
        assert_eq!(class(read().await), expected, "{fault:?}");
        assert!(read().await.is_ok());
    }
}
