//! Every failure at every call. What counts is what the ends have afterwards:
//! each document in the record once and at the platform once.

use chartkey_domain::connections::ErrorClass;
use chartkey_domain::sync::DeliveryState;

use crate::fakes::Fault;
use crate::support::{Practice, document, fill};

const FAULTS: [Fault; 14] = [
    Fault::Refused(ErrorClass::Transient),
    Fault::Refused(ErrorClass::Auth),
    Fault::Refused(ErrorClass::Forbidden),
    Fault::Refused(ErrorClass::NotFound),
    Fault::Refused(ErrorClass::Conflict),
    Fault::Refused(ErrorClass::RateLimited),
    Fault::Refused(ErrorClass::Broken),
    Fault::Refused(ErrorClass::Invalid),
    Fault::Lost(ErrorClass::Unknown),
    Fault::Lost(ErrorClass::Broken),
    Fault::Lost(ErrorClass::Conflict),
    Fault::Lost(ErrorClass::Expired),
    Fault::DiesBefore,
    Fault::DiesAfter,
];

/// Connects everything and syncs; the `n`th call fails like `fault`. Then a
/// person repairs what needs a person, and another sync is asked for.
async fn troubled(n: usize, fault: Option<Fault>, two_steps: bool) -> Practice {
    let mut practice = Practice::without_attachments().await;
    *practice.fakes.two_steps.lock().unwrap() = two_steps;
    fill(&practice.fakes);
    if let Some(fault) = fault {
        practice.fakes.fail(n, fault);
    }
    practice.attach_source().await;
    practice.attach_destination().await;
    practice.pass(2 * 3_600).await;
    practice.repair().await;
    practice.sync().await;
    practice.pass(2 * 3_600).await;
    practice
}

/// Each is there once, and the ledger knows it.
async fn check(practice: &Practice, about: &str) {
    let log = practice.log().await;
    let titles = practice.titles().await;
    assert_eq!(titles.len(), 5, "{about}: {titles:?}\n{log:#?}");
    assert_eq!(
        practice.fakes.titles(),
        ["Glucose g1", "Letter", "Plan", "Report"],
        "{about}\n{:#?}\n{log:#?}",
        practice.fakes.calls()
    );
    for put in practice.fakes.documents() {
        let bytes = String::from_utf8_lossy(&put.bytes);
        let is_file = bytes == format!("%PDF {}", put.title);
        assert!(is_file || put.title == "Glucose g1", "{about}: {bytes:?}");
    }
    // A second version only where a file was refused at first, and came later.
    let records = practice.records().await;
    let again = records.iter().filter(|r| r.version > 1).count();
    let refused = usize::from(about.starts_with("Refused"));
    assert!(again <= refused, "{about}: {again} came twice");
    assert_eq!(practice.fakes.clients(), ["client-1"], "{about}");
    let done = practice.deliveries(DeliveryState::Done).await;
    // The one that came twice was put, removed, and put again.
    assert_eq!(done.len(), 4 + 2 * again, "{about}");
    for state in DeliveryState::ALL {
        if !matches!(state, DeliveryState::Done | DeliveryState::Cancelled) {
            let left = practice.deliveries(*state).await;
            assert!(left.is_empty(), "{about}: {left:?}");
        }
    }
    // The log accounts for every attempt: each that began has its end.
    let began = log
        .iter()
        .filter(|l| l.ends_with("Sending to Practice Desk."))
        .count();
    let puts = practice
        .fakes
        .calls()
        .iter()
        .filter(|c| c.starts_with("put "))
        .count();
    assert!(began >= puts, "{about}: {began} begun, {puts} sent");
}

async fn every_fault_at_every_call(two_steps: bool, part: usize, parts: usize) {
    let clean = troubled(0, None, two_steps).await;
    check(&clean, "nothing fails").await;
    let calls = clean.fakes.calls();
    assert!(calls.len() > 12, "{calls:?}");
    drop(clean);
    for (n, call) in calls.iter().enumerate().filter(|(n, _)| n % parts == part) {
        for fault in FAULTS {
            let practice = troubled(n, Some(fault), two_steps).await;
            check(&practice, &format!("{fault:?} at {n}: {call}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_wherever_each_document_is_there_once_1() {
    every_fault_at_every_call(false, 0, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_wherever_each_document_is_there_once_2() {
    every_fault_at_every_call(false, 1, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_in_two_steps_that_dies_anywhere_is_there_once() {
    let clean = troubled(0, None, true).await;
    check(&clean, "nothing fails").await;
    let calls = clean.fakes.calls();
    drop(clean);
    for (n, call) in calls.iter().enumerate() {
        if !call.starts_with("put") {
            continue;
        }
        for fault in [
            Fault::DiesBefore,
            Fault::DiesAfter,
            Fault::Lost(ErrorClass::Unknown),
        ] {
            let practice = troubled(n, Some(fault), true).await;
            check(&practice, &format!("{fault:?} at {n}: {call}")).await;
        }
    }
}

#[tokio::test]
async fn a_replacement_that_dies_anywhere_leaves_the_new_one_once_and_the_old_one_never() {
    // Until the calls of a replacement are over.
    for n in 0.. {
        for fault in [
            Fault::DiesBefore,
            Fault::DiesAfter,
            Fault::Lost(ErrorClass::Unknown),
        ] {
            let mut practice = Practice::new().await;
            fill(&practice.fakes);
            practice.pass(60).await;
            practice.sync().await;
            practice.pass(3_600).await;
            practice.fakes.serve(document("d1", "Letter, corrected"));
            practice.fakes.forget_calls();
            practice.fakes.fail(n, fault);
            practice.sync().await;
            practice.pass(4 * 3_600).await;
            let there = practice.fakes.titles();
            assert_eq!(
                there,
                ["Glucose g1", "Letter, corrected", "Plan", "Report"],
                "{fault:?} at {n}: {:?}",
                practice.fakes.calls()
            );
            if practice.fakes.calls().len() <= n {
                return;
            }
        }
    }
}
