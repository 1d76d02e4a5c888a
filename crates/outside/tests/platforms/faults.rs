use std::collections::BTreeSet;
use std::sync::Arc;

use chartkey_domain::connections::{ErrorClass, PutState};
use chartkey_fakes::platforms::sha256;
use chartkey_fakes::{Fault, Rule};
use futures_util::future::join_all;

use super::bench::{
    BIRTH_DATE, Bench, DEDUPE, EMAIL, Fake, Shape, TAKES_DOCUMENTS, adapters, clock, http, letter,
};

/// The calls that putting one document makes, in order.
async fn operations(shape: Shape) -> Vec<String> {
    let bench = Bench::new(shape).await;
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    bench.put(&ann, &letter()).await;
    let mut seen = BTreeSet::new();
    let mut operations = Vec::new();
    for entry in bench.stage.journal() {
        if seen.insert(entry.operation.clone()) {
            operations.push(entry.operation);
        }
    }
    operations
}

fn faults() -> Vec<Fault> {
    let slow = Fault::Status {
        status: 429,
        retry_after: Some("7".to_owned()),
        body: None,
    };
    vec![
        Fault::TimeoutBefore,
        Fault::TimeoutAfter,
        Fault::status(400),
        Fault::status(401),
        Fault::status(403),
        Fault::status(409),
        Fault::status(500),
        Fault::status(503),
        slow,
        Fault::StatusAfter { status: 500 },
        Fault::StatusAfter { status: 502 },
        Fault::BrokenBody,
        Fault::Disconnect,
        Fault::Trickle {
            bytes: 200,
            wait_millis: 1,
        },
    ]
}

#[tokio::test]
async fn whatever_goes_wrong_at_any_call_the_document_is_there_once() {
    let clock = clock();
    let adapters = Arc::new(adapters(http(), &clock));
    for shape in TAKES_DOCUMENTS {
        let mut cases = Vec::new();
        for operation in operations(shape).await {
            for fault in faults() {
                let bench = Bench::beside(shape, Arc::clone(&adapters), clock.clone()).await;
                let case = format!("{shape:?} {operation} {fault:?}");
                let rule = Rule::nth(&operation, 1, fault);
                cases.push(async move {
                    let ann = bench.add_client(EMAIL, BIRTH_DATE);
                    let letter = letter();
                    bench.stage.set_faults(vec![rule]);
                    let (id, errors) = bench.deliver(&ann, &letter, 8).await;
                    let there = bench.documents();
                    assert_eq!(there.len(), 1, "{case}: {errors:?}");
                    assert_eq!(there[0].sha256, sha256(&letter.bytes), "{case}");
                    assert_eq!(id.as_ref(), Some(&there[0].id), "{case}: {errors:?}");
                    assert!(errors.len() <= 1, "{case}: {errors:?}");
                });
            }
        }
        // At once, so that what waits waits together.
        join_all(cases).await;
    }
}

/// The call that makes the document.
fn making(shape: Shape) -> &'static str {
    match shape {
        Shape::Fhir | Shape::FhirInline | Shape::FhirPosted => "create:DocumentReference",
        Shape::Cliniko => "create:attachment",
        Shape::Healthie => "createDocument",
        Shape::RestForm | Shape::RestJson => "create:document",
        Shape::Carepatron => panic!("makes no document"),
    }
}

async fn lose(bench: Bench, shape: Shape, fault: Fault) {
    let case = format!("{shape:?} {fault:?}");
    // An unreadable answer to a creation in a FHIR server still says where the
    // new one is.
    let says_where = fault == Fault::BrokenBody && matches!(bench.fake, Fake::Fhir(_));
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    let letter = letter();
    let mut resume = None;
    bench
        .stage
        .set_faults(vec![Rule::nth(making(shape), 1, fault)]);
    let end = loop {
        match bench.step(&ann, &letter, resume.as_deref()).await {
            Ok(PutState::Pending(token)) if resume.as_ref() != Some(&token) => {
                resume = Some(token);
            }
            end => break end,
        }
    };
    match end {
        Ok(PutState::Done(_)) if says_where => {}
        Err(refusal) => assert_eq!(refusal.class, ErrorClass::Unknown, "{case}"),
        end => panic!("{case}: {end:?}"),
    }
    let there = bench.documents();
    assert_eq!(there.len(), 1, "{case}");
    let found = bench.find(&ann, DEDUPE).await.unwrap();
    assert_eq!(found.as_ref(), Some(&there[0].id), "{case}");
}

#[tokio::test]
async fn an_answer_lost_after_it_was_made_is_unknown_and_it_is_found() {
    let clock = clock();
    let adapters = Arc::new(adapters(http(), &clock));
    let mut cases = Vec::new();
    for shape in TAKES_DOCUMENTS {
        for fault in [
            Fault::TimeoutAfter,
            Fault::Disconnect,
            Fault::BrokenBody,
            Fault::StatusAfter { status: 504 },
        ] {
            let bench = Bench::beside(shape, Arc::clone(&adapters), clock.clone()).await;
            cases.push(lose(bench, shape, fault));
        }
    }
    join_all(cases).await;
}

async fn look(bench: Bench, shape: Shape, fault: Fault) {
    let case = format!("{shape:?} {fault:?}");
    let looking = match bench.fake {
        Fake::Fhir(_) => "search:DocumentReference",
        Fake::Cliniko(_) => "search:attachments",
        Fake::Healthie(_) => "documents",
        Fake::Rest(_) => "search:documents",
        Fake::Carepatron(_) => panic!("holds no document"),
    };
    let ann = bench.add_client(EMAIL, BIRTH_DATE);
    bench.put(&ann, &letter()).await;
    bench.stage.set_faults(vec![Rule::nth(looking, 1, fault)]);
    let class = bench.find(&ann, DEDUPE).await.map_err(|error| error.class);
    assert!(class.is_err(), "{case}: {class:?}");
    assert_ne!(
        class,
        Err(ErrorClass::Unknown),
        "{case}: looking changes nothing"
    );
}

#[tokio::test]
async fn looking_never_says_not_there_when_it_could_not_look() {
    let clock = clock();
    let adapters = Arc::new(adapters(http(), &clock));
    let empty = Fault::Status {
        status: 200,
        retry_after: None,
        body: Some("{}".to_owned()),
    };
    let mut cases = Vec::new();
    for shape in TAKES_DOCUMENTS {
        for fault in faults().into_iter().chain([empty.clone()]) {
            // Slow is not lost.
            if !matches!(fault, Fault::Trickle { .. }) {
                let bench = Bench::beside(shape, Arc::clone(&adapters), clock.clone()).await;
                cases.push(look(bench, shape, fault));
            }
        }
    }
    join_all(cases).await;
}

#[tokio::test]
async fn when_to_come_back_is_passed_on() {
    for shape in TAKES_DOCUMENTS {
        let bench = Bench::new(shape).await;
        let ann = bench.add_client(EMAIL, BIRTH_DATE);
        let fault = Fault::Status {
            status: 429,
            retry_after: Some("7".to_owned()),
            body: None,
        };
        bench.stage.set_faults(vec![Rule::every("*", fault)]);
        let refusal = bench.step(&ann, &letter(), None).await.unwrap_err();
        assert_eq!(refusal.class, ErrorClass::RateLimited, "{shape:?}");
        let wait = refusal.retry_after.map(|wait| wait.as_secs());
        assert_eq!(wait, Some(7), "{shape:?}");
    }
}
