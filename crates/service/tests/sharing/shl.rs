//! SMART Health Links (STU1) as other viewers meet them.

use chartkey_domain::policy::{Noun, Refusal};
use chartkey_domain::records::{RecordType, RecordTypes};
use chartkey_domain::shares::{NewShare, ShareError, ShareForm};
use chartkey_service::Failure;
use chartkey_service::assisted::{Assisted, OpenShare};
use chartkey_service::shares;
use chartkey_service::shares::visit::VisitFailure;
use chartkey_service::shl::{self, FileContent, ManifestQuery};
use chartkey_service::world::{Person, World};
use chartkey_vault::keys::LinkKey;
use chartkey_vault::link::{self, Shlink};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::support::*;

fn ask(token: &str, passcode: Option<&str>, embedded: Option<usize>) -> ManifestQuery {
    ManifestQuery {
        origin: World::origin(),
        token: token.to_owned(),
        recipient: "Clinic".to_owned(),
        passcode: passcode.map(|p| Zeroizing::new(p.to_owned())),
        embedded_length_max: embedded,
    }
}

fn is_unknown(failure: &VisitFailure) -> bool {
    const UNKNOWN: Refusal = Refusal::Unknown(Noun::Share);
    match failure {
        VisitFailure::Other(Failure::Noun(error)) => *error == ShareError::Unknown,
        VisitFailure::Other(Failure::Refused(refusal)) => *refusal == UNKNOWN,
        _ => false,
    }
}

async fn linked(said: NewShare) -> (World, Person, OpenShare, String, LinkKey) {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let made = share(&world, &ada, &terms(&world, &ada), said).await;
    let parsed = Shlink::parse(made.shlink.as_ref().unwrap()).unwrap();
    let token = parsed.url.rsplit('/').next().unwrap().to_owned();
    (world, ada, made, token, parsed.key)
}

fn open(key: &LinkKey, jwe: &str) -> Value {
    let file = link::open_file(key, jwe, 1 << 20).unwrap();
    assert_eq!(file.content_type, "application/fhir+json");
    serde_json::from_slice(&file.plain).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_the_standard_alone_reads_the_files() {
    let (world, ada, made, token, key) = linked(said()).await;
    let parsed = Shlink::parse(made.shlink.as_ref().unwrap()).unwrap();
    assert_eq!(parsed.flags.letters(), "L");
    assert_eq!(parsed.exp, Some(made.share.grant.expires_at.as_second()));
    assert_eq!(parsed.url, format!("https://chart.example/shl/{token}"));
    let files = shl::find_manifest(&world.service, &ask(&token, None, None))
        .await
        .unwrap();
    let [file] = files.as_slice() else {
        panic!("{}", files.len())
    };
    let FileContent::Embedded(jwe) = &file.content else {
        panic!("embedded")
    };
    let bundle = open(&key, jwe);
    assert_eq!(bundle["resourceType"], "Bundle");
    assert_eq!(
        bundle["entry"][0]["resource"]["resourceType"],
        "Observation"
    );
    let (again, visits) = shares::find_share(&world.service, &ada.caller, made.share.grant.id)
        .await
        .unwrap();
    assert_eq!(again.grant.access_count, 1);
    assert_eq!(visits[0].said.as_deref(), Some("Clinic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_embedded_beyond_what_the_viewer_takes() {
    let (world, _, _, token, key) = linked(said()).await;
    let files = shl::find_manifest(&world.service, &ask(&token, None, Some(0)))
        .await
        .unwrap();
    let FileContent::Ticket(ticket) = &files[0].content else {
        panic!("a ticket")
    };
    let jwe = shl::find_file(&world.service, &World::origin(), ticket)
        .await
        .unwrap();
    open(&key, &jwe);
    // A second use, and one after the hour, find nothing; a manifest gives anew.
    assert!(is_unknown(
        &shl::find_file(&world.service, &World::origin(), ticket)
            .await
            .unwrap_err()
    ));
    let files = shl::find_manifest(&world.service, &ask(&token, None, Some(0)))
        .await
        .unwrap();
    let FileContent::Ticket(late) = &files[0].content else {
        panic!("a ticket")
    };
    world.pass(61 * 60);
    assert!(is_unknown(
        &shl::find_file(&world.service, &World::origin(), late)
            .await
            .unwrap_err()
    ));
    let files = shl::find_manifest(&world.service, &ask(&token, None, Some(0)))
        .await
        .unwrap();
    let FileContent::Ticket(fresh) = &files[0].content else {
        panic!("a ticket")
    };
    shl::find_file(&world.service, &World::origin(), fresh)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_wrong_passcodes_at_once_with_five_left_fail_five_times_and_close_the_link() {
    let (world, ada, made, token, _) = linked(NewShare {
        passcode: Some("4711".into()),
        ..said()
    })
    .await;
    for left in (5..10).rev() {
        let failure = shl::find_manifest(&world.service, &ask(&token, Some("0000"), None))
            .await
            .unwrap_err();
        assert!(
            matches!(failure, VisitFailure::Passcode { left: found } if found == left),
            "{failure:?}"
        );
    }
    let mut tries = Vec::new();
    for _ in 0..20 {
        let (service, query) = (world.service.clone(), ask(&token, Some("0000"), None));
        tries.push(tokio::spawn(async move {
            shl::find_manifest(&service, &query).await.unwrap_err()
        }));
    }
    let (mut lefts, mut gone) = (Vec::new(), 0);
    for one in tries {
        match one.await.unwrap() {
            VisitFailure::Passcode { left } => lefts.push(left),
            failure => {
                assert!(is_unknown(&failure), "{failure:?}");
                gone += 1;
            }
        }
    }
    lefts.sort_unstable();
    assert_eq!((lefts, gone), (vec![0, 1, 2, 3, 4], 15));
    let right = shl::find_manifest(&world.service, &ask(&token, Some("4711"), None))
        .await
        .unwrap_err();
    assert!(is_unknown(&right));
    let (closed, _) = shares::find_share(&world.service, &ada.caller, made.share.grant.id)
        .await
        .unwrap();
    assert_eq!(closed.status, chartkey_domain::shares::ShareStatus::Expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_does_not_open_is_unknown() {
    let (world, ada, made, token, _) = linked(said()).await;
    for wrong in ["x".to_owned(), "a".repeat(43)] {
        assert!(is_unknown(
            &shl::find_manifest(&world.service, &ask(&wrong, None, None))
                .await
                .unwrap_err()
        ));
    }
    // Its form is another.
    let single = shl::find_single_file(&world.service, &World::origin(), &token, "Clinic").await;
    assert!(is_unknown(&single.unwrap_err()));
    let files = shl::find_manifest(&world.service, &ask(&token, None, Some(0)))
        .await
        .unwrap();
    let FileContent::Ticket(ticket) = &files[0].content else {
        panic!("a ticket")
    };
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    assisted.revoke_share(made.share.grant.id).await.unwrap();
    assert!(is_unknown(
        &shl::find_manifest(&world.service, &ask(&token, None, None))
            .await
            .unwrap_err()
    ));
    assert!(is_unknown(
        &shl::find_file(&world.service, &World::origin(), ticket)
            .await
            .unwrap_err()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_link_is_unknown_whatever_its_payload_said() {
    let (world, _, _, token, _) = linked(said()).await;
    world.pass(24 * 60 * 60);
    assert!(is_unknown(
        &shl::find_manifest(&world.service, &ask(&token, None, None))
            .await
            .unwrap_err()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_made_anew_when_the_record_changes() {
    let (world, ada, _, token, key) = linked(said()).await;
    let count = |files: &[shl::ManifestFile]| {
        let FileContent::Embedded(jwe) = &files[0].content else {
            panic!("embedded")
        };
        open(&key, jwe)["entry"].as_array().unwrap().len()
    };
    let first = shl::find_manifest(&world.service, &ask(&token, None, None))
        .await
        .unwrap();
    assert_eq!(count(&first), 1);
    world.pass(60);
    let written = upload(&world, &ada, &json!({"resourceType": "Observation", "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"text": "HbA1c"}, "effectiveDateTime": "2026-05-01"})).await;
    let mut assisted = Assisted::open(&world.service, &ada.caller).await.unwrap();
    assisted.refresh_links(ada.patient.unwrap()).await;
    let second = shl::find_manifest(&world.service, &ask(&token, None, None))
        .await
        .unwrap();
    assert_eq!(count(&second), 2);
    assert!(second[0].last_updated > first[0].last_updated);
    // What was deleted is withdrawn at once, and left out when made anew.
    chartkey_service::records::delete_record(&world.service, &ada.caller, written, None)
        .await
        .unwrap();
    assert!(
        shl::find_manifest(&world.service, &ask(&token, None, None))
            .await
            .unwrap()
            .is_empty()
    );
    assisted.refresh_links(ada.patient.unwrap()).await;
    let third = shl::find_manifest(&world.service, &ask(&token, None, None))
        .await
        .unwrap();
    assert_eq!(count(&third), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_single_file_of_a_u_link_is_fetched_by_its_url() {
    let (world, _, _, token, key) = linked(NewShare {
        form: ShareForm::SingleFile,
        ..said()
    })
    .await;
    let jwe = shl::find_single_file(&world.service, &World::origin(), &token, "Clinic")
        .await
        .unwrap();
    assert_eq!(open(&key, &jwe)["entry"].as_array().unwrap().len(), 1);
    assert!(is_unknown(
        &shl::find_manifest(&world.service, &ask(&token, None, None))
            .await
            .unwrap_err()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_had_nothing_gets_its_file_with_its_first_record() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    fill(&world, &ada).await;
    let conditions = chartkey_service::assisted::AskedTerms {
        types: RecordTypes::of(RecordType::Conditions),
        ..terms(&world, &ada)
    };
    let made = share(&world, &ada, &conditions, said()).await;
    let (token, _) = held(&made);
    let files = async || {
        shl::find_manifest(&world.service, &ask(&token, None, None))
            .await
            .unwrap()
            .len()
    };
    assert_eq!(files().await, 0);
    upload(
        &world,
        &ada,
        &json!({"resourceType": "Condition", "code": {"text": "Asthma"}}),
    )
    .await;
    assert_eq!(files().await, 1);
}
