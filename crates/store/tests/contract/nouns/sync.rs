//! Runs, the synchronization log, what sources have, hosts, and the ledger of
//! deliveries.

use chartkey_domain::ids::{ConnectionId, DeliveryId, GrantId, RecordId, SyncId};
use chartkey_domain::sync::{
    Counts, DeliveryState, LinkState, LogAction, LogStatus, Operation, RunState, Trigger,
};
use chartkey_store::connections::{self, AttachmentRow};
use chartkey_store::deliveries::{self, DeliveryRow, Mark};
use chartkey_store::sync::{self, HostRow, ItemRow, LogRow, RunRow};
use chartkey_store::testing::for_each_engine;
use chartkey_store::{StoreError, Tx, batches, records};

use super::connections::{DESTINATION, SOURCE, attachment, connected};
use super::{OWNER, PATIENT, STRANGER, at, batch, labs, record, version, within};

const NODE: [u8; 16] = [1; 16];
const OTHER_NODE: [u8; 16] = [2; 16];

fn id(n: u8) -> SyncId {
    SyncId::from_bytes([n; 16])
}

fn run(n: u8, connection: ConnectionId, trigger: Trigger) -> RunRow {
    RunRow {
        id: id(n),
        sync: id(n),
        connection,
        patient: PATIENT,
        owner: OWNER,
        trigger,
        asked_by: Some(OWNER),
        whole: true,
        state: RunState::Queued,
        run_at: at(10),
        attempts: 0,
        checkpoint_p: None,
        counts: Counts::default(),
        problem: None,
        created_at: at(i64::from(n)),
        updated_at: at(i64::from(n)),
        finished_at: None,
    }
}

const BROUGHT: Counts = Counts {
    created: 1,
    updated: 2,
    unchanged: 3,
    skipped: 4,
    failed: 5,
};

#[test]
fn run_is_queued_once_leased_once_and_goes_on_where_it_was_lost() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            connected(tx)?;
            assert!(sync::insert_run(tx, &run(1, SOURCE, Trigger::Schedule))?);
            assert!(
                !sync::insert_run(tx, &run(2, SOURCE, Trigger::Schedule))?,
                "one waits"
            );
            assert_eq!(sync::next_run(tx)?, Some(at(10)));
            assert!(sync::lease_runs(tx, NODE, at(9), at(60), None, 9)?.is_empty());
            let leased = sync::lease_runs(tx, NODE, at(10), at(60), None, 9)?;
            assert_eq!((leased.len(), leased[0].state), (1, RunState::Running));
            assert!(sync::lease_runs(tx, OTHER_NODE, at(11), at(60), None, 9)?.is_empty());
            assert!(!sync::hold(tx, id(1), OTHER_NODE, at(90))?);
            assert!(sync::hold(tx, id(1), NODE, at(70))?);
            let keep = |tx: &mut Tx, node| {
                sync::checkpoint(tx, id(1), node, b"here", &BROUGHT, at(20), at(70))
            };
            assert!(keep(tx, NODE)? && !keep(tx, OTHER_NODE)?);
            assert!(sync::list_lost(tx, at(69))?.is_empty());
            assert_eq!(sync::list_lost(tx, at(70))?.len(), 1);
            // The node is gone: another one goes on from the checkpoint.
            let again = sync::lease_runs(tx, OTHER_NODE, at(70), at(120), None, 9)?;
            assert_eq!(
                (
                    again[0].checkpoint_p.as_deref(),
                    again[0].attempts,
                    again[0].problem.as_deref()
                ),
                (Some(&b"here"[..]), 1, Some("sync.lost"))
            );
            assert!(!keep(tx, NODE)?, "whoever lost the lease writes no more");
            assert!(sync::requeue(
                tx,
                id(1),
                OTHER_NODE,
                at(80),
                Some("connection.auth"),
                at(71)
            )?);
            assert_eq!(
                sync::lookup_active(tx, SOURCE, PATIENT)?.unwrap().attempts,
                2
            );
            sync::adopt(tx, id(1), id(7), at(75))?;
            let adopted = sync::list_runs(tx, id(7))?;
            assert_eq!((adopted.len(), adopted[0].trigger), (1, Trigger::Manual));
            let leased = sync::lease_runs(tx, NODE, at(80), at(130), Some(id(7)), 9)?;
            assert_eq!(leased.len(), 1);
            let over =
                sync::finish_run(tx, id(1), NODE, RunState::Partial, &BROUGHT, None, at(90))?;
            assert!(over && sync::lookup_active(tx, SOURCE, PATIENT)?.is_none());
            let last = sync::lookup_last(tx, SOURCE, PATIENT)?.unwrap();
            assert_eq!(
                (
                    last.state,
                    last.counts,
                    last.checkpoint_p.is_none(),
                    last.finished_at
                ),
                (RunState::Partial, BROUGHT, true, Some(at(90)))
            );
            assert_eq!(sync::lookup_run(tx, id(1))?.unwrap(), last);
            assert_eq!(sync::next_run(tx)?, None);
            assert_eq!(sync::delete_runs(tx, at(90))?, 0);
            assert_eq!(sync::delete_runs(tx, at(91))?, 1);
            Ok(())
        })
        .await;
    });
}

#[test]
fn what_people_asked_for_goes_first_and_a_host_is_left_alone() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            connected(tx)?;
            sync::insert_run(tx, &run(1, SOURCE, Trigger::Schedule))?;
            sync::insert_run(tx, &run(2, DESTINATION, Trigger::Manual))?;
            let host = HostRow {
                host: [3; 32],
                drops: 1_500,
                filled_at: at(5),
                until_at: Some(at(50)),
                failures: 2,
            };
            assert_eq!(sync::lookup_host(tx, &[3; 32])?, None);
            sync::put_host(tx, &host, at(5))?;
            assert_eq!(sync::lookup_host(tx, &[3; 32])?, Some(host));
            assert_eq!(sync::next_run(tx)?, Some(at(50)));
            assert!(sync::lease_runs(tx, NODE, at(49), at(60), None, 9)?.is_empty());
            let answers = HostRow {
                until_at: None,
                failures: 0,
                ..host
            };
            sync::put_host(tx, &answers, at(51))?;
            let first = sync::lease_runs(tx, NODE, at(51), at(60), None, 1)?;
            assert_eq!(first[0].trigger, Trigger::Manual);
            sync::free_leases(tx, at(52))?;
            assert_eq!(sync::list_lost(tx, at(52))?.len(), 1);
            Ok(())
        })
        .await;
    });
}

#[test]
fn log_is_read_from_the_newest_line_on_in_pages() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            connected(tx)?;
            let line = |n: u8| LogRow {
                id: id(n),
                patient: PATIENT,
                connection: (n != 1).then_some(SOURCE),
                sync: Some(id(50)),
                record: (n == 3).then_some((RecordId::from_bytes([9; 16]), 2)),
                action: LogAction::Request,
                status: LogStatus::Pending,
                step: "request.made".to_owned(),
                why: (n == 2).then(|| "connection.auth".to_owned()),
                counts: BROUGHT,
                at: at(i64::from(n) / 2),
            };
            for n in [1, 2, 3] {
                sync::insert_log(tx, &line(n))?;
            }
            let page = sync::list_log(tx, PATIENT, None, 2)?;
            assert_eq!(page, [line(3), line(2)]);
            let last = page.last().map(|l| (l.at, l.id));
            assert_eq!(sync::list_log(tx, PATIENT, last, 2)?, [line(1)]);
            assert_eq!(sync::list_log_of(tx, id(50))?, [line(1), line(2), line(3)]);
            assert_eq!(sync::lookup_log(tx, id(3))?, Some(line(3)));
            assert!(sync::list_log(tx, STRANGER, None, 9)?.is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn what_a_source_no_longer_lists_twice_is_missing_until_it_is_seen_again() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            connected(tx)?;
            let item = ItemRow {
                tag: [1; 32],
                record: RecordId::from_bytes([9; 16]),
                served_tag: [2; 32],
                content_tag: [3; 32],
                changed_at: Some(at(3)),
            };
            sync::put_item(tx, SOURCE, PATIENT, &item, "Observation", at(10))?;
            assert_eq!(
                sync::lookup_item(tx, SOURCE, PATIENT, &[1; 32])?,
                Some(item.clone())
            );
            assert_eq!(sync::lookup_item(tx, DESTINATION, PATIENT, &[1; 32])?, None);
            let whole = |tx: &mut Tx, began: i64, query: &str| {
                sync::note_missing(tx, SOURCE, PATIENT, &[query], at(began), at(began + 1))
            };
            assert!(
                whole(tx, 10, "Observation")?.is_empty(),
                "it was seen in this list"
            );
            assert!(whole(tx, 20, "Condition")?.is_empty(), "of another search");
            assert!(
                whole(tx, 20, "Observation")?.is_empty(),
                "once may be chance"
            );
            assert_eq!(whole(tx, 30, "Observation")?, [item.record]);
            assert!(whole(tx, 40, "Observation")?.is_empty(), "told of once");
            assert_eq!(sync::missing_since(tx, item.record)?, Some(at(31)));
            let seen = ItemRow {
                changed_at: None,
                ..item.clone()
            };
            sync::put_item(tx, SOURCE, PATIENT, &seen, "Observation", at(50))?;
            assert_eq!(sync::missing_since(tx, item.record)?, None);
            Ok(())
        })
        .await;
    });
}

fn delivery(n: u8, record: u8, version: u32, state: DeliveryState) -> DeliveryRow {
    let envelope = (state == DeliveryState::Ready).then(|| vec![n]);
    DeliveryRow {
        id: DeliveryId::from_bytes([n; 16]),
        connection: DESTINATION,
        patient: PATIENT,
        record: RecordId::from_bytes([record; 16]),
        version,
        operation: Operation::Put,
        dedupe_key: format!("key{n}"),
        state,
        sealed_at: envelope.as_ref().map(|_| at(1)),
        envelope,
        attempts: 0,
        next_at: at(10),
        unsure: false,
        resume_p: None,
        remote_p: None,
        removed_at: None,
        problem: None,
        created_at: at(1),
        updated_at: at(1),
        done_at: None,
    }
}

fn state_of(tx: &mut Tx, n: u8) -> Result<DeliveryRow, StoreError> {
    let found = deliveries::lookup(tx, DeliveryId::from_bytes([n; 16]))?;
    Ok(found.unwrap())
}

/// A patient with a record, connected.
fn with_record(tx: &mut Tx) -> Result<(), StoreError> {
    connected(tx)?;
    batches::insert(tx, &batch(5, labs(), None), &[])?;
    records::insert(tx, &record(9, labs(), 1))?;
    records::insert_version(tx, &version(9, 1, 5), "account")
}

#[test]
fn delivery_is_queued_once_sent_by_one_and_leaves_no_key_behind() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            with_record(tx)?;
            let backlog =
                |tx: &mut Tx| deliveries::list_backlog(tx, DESTINATION, PATIENT, RecordId::NIL, 9);
            assert_eq!(backlog(tx)?, [(RecordId::from_bytes([9; 16]), 1)]);
            let row = delivery(1, 9, 1, DeliveryState::Owed);
            assert!(deliveries::insert(tx, &row)?);
            assert!(!deliveries::insert(tx, &row)?);
            assert!(backlog(tx)?.is_empty());
            assert_eq!(
                deliveries::lookup_by_key(tx, DESTINATION, "key1")?,
                Some(row.clone())
            );
            assert!(deliveries::lease(tx, NODE, at(20), at(60), None, 9)?.is_empty());
            let seal =
                |tx: &mut Tx| deliveries::seal(tx, DESTINATION, row.record, 1, b"key", at(20));
            assert!(seal(tx)? && !seal(tx)?);
            assert_eq!(deliveries::next_at(tx)?, Some(at(20)));
            let leased = deliveries::lease(tx, NODE, at(20), at(60), Some(PATIENT), 9)?;
            assert_eq!(leased.len(), 1);
            assert_eq!(deliveries::next_at(tx)?, Some(at(60)));
            let before = Mark {
                attempt: true,
                unsure: Some(true),
                resume_p: Some(vec![7]),
            };
            assert!(!deliveries::mark(
                tx,
                row.id,
                OTHER_NODE,
                &before,
                at(21),
                at(60)
            )?);
            assert!(deliveries::mark(tx, row.id, NODE, &before, at(21), at(60))?);
            let sending = state_of(tx, 1)?;
            assert_eq!(
                (sending.attempts, sending.unsure, sending.resume_p),
                (1, true, Some(vec![7]))
            );
            assert!(deliveries::release(tx, row.id, NODE, at(25), true, at(22))?);
            assert_eq!(state_of(tx, 1)?.attempts, 0);
            deliveries::lease(tx, NODE, at(25), at(60), None, 9)?;
            let problem = Some("connection.timeout");
            assert!(deliveries::retry(
                tx,
                row.id,
                NODE,
                at(30),
                true,
                problem,
                at(26)
            )?);
            // A node that is gone gives it back by the clock.
            deliveries::lease(tx, NODE, at(30), at(90), None, 9)?;
            assert!(deliveries::list_lost(tx, at(40))?.is_empty());
            deliveries::free_leases(tx, at(40))?;
            let lost = deliveries::list_lost(tx, at(40))?;
            assert_eq!(lost.len(), 0, "no attempt had begun");
            let taken = deliveries::lease(tx, OTHER_NODE, at(40), at(60), None, 9)?;
            assert_eq!((taken.len(), taken[0].unsure), (1, true));
            assert!(!deliveries::finish(
                tx,
                row.id,
                NODE,
                Some(b"there"),
                at(41)
            )?);
            assert!(deliveries::finish(
                tx,
                row.id,
                OTHER_NODE,
                Some(b"there"),
                at(41)
            )?);
            let done = state_of(tx, 1)?;
            assert_eq!(
                (done.state, done.unsure, done.done_at),
                (DeliveryState::Done, false, Some(at(41)))
            );
            assert_eq!(
                (done.envelope, done.resume_p, done.remote_p),
                (None, None, Some(b"there".to_vec()))
            );
            let of_record = deliveries::list_of_record(tx, DESTINATION, row.record)?;
            assert_eq!(of_record.len(), 1);
            assert_eq!(
                deliveries::count(tx, DESTINATION, PATIENT)?,
                [(DeliveryState::Done, 1)]
            );
            Ok(())
        })
        .await;
    });
}

#[test]
fn what_is_gone_or_taken_back_here_is_an_orphan_there_until_it_is_noted() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            with_record(tx)?;
            deliveries::insert(tx, &delivery(1, 9, 1, DeliveryState::Ready))?;
            deliveries::lease(tx, NODE, at(20), at(60), None, 9)?;
            deliveries::finish(tx, DeliveryId::from_bytes([1; 16]), NODE, None, at(21))?;
            let orphans = |tx: &mut Tx| deliveries::list_orphans(tx, DESTINATION, PATIENT, 9);
            assert!(orphans(tx)?.is_empty());
            let gone = RecordId::from_bytes([9; 16]);
            assert!(records::withdraw(tx, PATIENT, gone, at(22))?);
            assert!(!records::withdraw(tx, PATIENT, gone, at(23))?);
            let row = records::lookup(tx, gone)?.unwrap();
            assert_eq!((row.withdrawn_at, row.identity_tag), (Some(at(22)), None));
            assert_eq!(orphans(tx)?.len(), 1);
            deliveries::note_removed(tx, DESTINATION, gone, 1, at(24))?;
            assert!(orphans(tx)?.is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn newer_versions_supersede_and_permission_that_comes_back_revives() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            with_record(tx)?;
            let record = RecordId::from_bytes([9; 16]);
            deliveries::insert(tx, &delivery(1, 9, 1, DeliveryState::Ready))?;
            deliveries::insert(tx, &delivery(2, 9, 2, DeliveryState::Ready))?;
            assert_eq!(
                deliveries::supersede(tx, DESTINATION, record, 2, at(20))?,
                1
            );
            let old = state_of(tx, 1)?;
            assert_eq!((old.state, old.envelope), (DeliveryState::Superseded, None));
            assert_eq!(deliveries::owe_again(tx, record, at(21))?, 1);
            let owed = state_of(tx, 2)?;
            assert_eq!(
                (owed.state, owed.envelope, owed.sealed_at),
                (DeliveryState::Owed, None, None)
            );
            assert_eq!(deliveries::cancel(tx, DESTINATION, PATIENT, at(22))?, 1);
            let newest = DeliveryId::from_bytes([2; 16]);
            let ready = DeliveryState::Ready;
            assert!(deliveries::revive(tx, newest, ready, Some(b"key"), at(23))?);
            assert!(!deliveries::revive(
                tx,
                newest,
                ready,
                Some(b"key"),
                at(23)
            )?);
            // Keys wait for so long and no longer.
            assert!(deliveries::lapse(tx, at(23), at(24), 9)?.is_empty());
            assert_eq!(deliveries::lapse(tx, at(24), at(25), 9)?.len(), 1);
            assert_eq!(state_of(tx, 2)?.state, DeliveryState::Owed);
            // A platform that takes nothing hands off, and takes it back.
            assert_eq!(deliveries::change_hands(tx, DESTINATION, true, at(26))?, 1);
            assert_eq!(state_of(tx, 2)?.state, DeliveryState::HandedOff);
            assert_eq!(deliveries::change_hands(tx, DESTINATION, false, at(27))?, 1);
            // With its grant what waits ends.
            let grant = GrantId::from_bytes([8; 16]);
            let under = AttachmentRow {
                grant: Some(grant),
                ..attachment(DESTINATION, None)
            };
            connections::attach(tx, &under)?;
            assert_eq!(deliveries::cancel_grant(tx, grant, at(28))?, 1);
            assert_eq!(deliveries::cancel_grant(tx, grant, at(29))?, 0);
            Ok(())
        })
        .await;
    });
}

#[test]
fn person_decides_about_what_waits_for_one() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            with_record(tx)?;
            deliveries::insert(tx, &delivery(1, 9, 1, DeliveryState::Ready))?;
            let id = DeliveryId::from_bytes([1; 16]);
            deliveries::lease(tx, NODE, at(20), at(60), None, 9)?;
            let wrong = deliveries::park(tx, id, NODE, DeliveryState::Done, None, at(21));
            assert!(wrong.is_err(), "what is done is finished, not parked");
            let review = DeliveryState::NeedsReview;
            assert!(deliveries::park(tx, id, NODE, review, Some("x"), at(21))?);
            assert!(state_of(tx, 1)?.envelope.is_some(), "it may be sent again");
            let list = deliveries::list_of_owner(tx, OWNER, review, Some(PATIENT), None, 9)?;
            assert_eq!(list.len(), 1);
            assert!(deliveries::list_of_owner(tx, OWNER, review, None, Some(id), 9)?.is_empty());
            let all = deliveries::list_of_patient(tx, PATIENT, review, DeliveryId::NIL, 9)?;
            assert_eq!(all.len(), 1);
            let ready = DeliveryState::Ready;
            assert!(!deliveries::decide(
                tx,
                id,
                &[DeliveryState::Dead],
                ready,
                false,
                at(22)
            )?);
            assert!(deliveries::decide(tx, id, &[review], ready, true, at(22))?);
            assert_eq!(
                (state_of(tx, 1)?.state, state_of(tx, 1)?.unsure),
                (ready, true)
            );
            deliveries::lease(tx, NODE, at(22), at(60), None, 9)?;
            deliveries::park(tx, id, NODE, DeliveryState::HandedOff, None, at(23))?;
            assert_eq!(state_of(tx, 1)?.envelope, None);
            let from = [DeliveryState::HandedOff];
            deliveries::decide(tx, id, &from, DeliveryState::Done, false, at(24))?;
            let done = state_of(tx, 1)?;
            assert_eq!(
                (done.state, done.done_at),
                (DeliveryState::Done, Some(at(24)))
            );
            // A connection that waits for a person sends nothing.
            deliveries::insert(tx, &delivery(2, 9, 2, DeliveryState::Ready))?;
            let attention = LinkState::NeedsAttention;
            connections::update_state(tx, DESTINATION, attention, None, at(25))?;
            assert!(deliveries::lease(tx, NODE, at(30), at(60), None, 9)?.is_empty());
            Ok(())
        })
        .await;
    });
}
