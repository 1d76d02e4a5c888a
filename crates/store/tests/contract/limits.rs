//! Rate limits, idempotency, refusals, settings, blobs, events.

use chartkey_store::blobs;
use chartkey_store::events::{self, NewEvent};
use chartkey_store::limits::{self, IdempotencyRow, Limit, Verdict};
use chartkey_store::refusals::{self, RefusalRow};
use chartkey_store::settings;
use chartkey_store::testing::for_each_engine;
use chartkey_store::{Store, StoreError, Tx};

async fn within<T: Send + 'static>(
    store: &Store,
    f: impl FnOnce(&mut Tx) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store
        .write("test.limits", f)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"))
}

const FIVE_A_SECOND: Limit = Limit {
    most: 5,
    window_ms: 1_000,
};

#[test]
fn bucket_is_full_after_its_limit_and_says_when_to_come_back() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            for left in (0..5).rev() {
                let verdict = limits::hit(tx, [1; 32], FIVE_A_SECOND, 10_100)?;
                assert_eq!(verdict, Verdict::Allowed { remaining: left });
            }
            let Verdict::Denied { retry_after_ms } =
                limits::hit(tx, [1; 32], FIVE_A_SECOND, 10_200)?
            else {
                panic!("it is full");
            };
            let back = 10_200 + retry_after_ms;
            let early = limits::hit(tx, [1; 32], FIVE_A_SECOND, back - 2)?;
            assert!(matches!(early, Verdict::Denied { .. }));
            let in_time = limits::hit(tx, [1; 32], FIVE_A_SECOND, back)?;
            assert!(matches!(in_time, Verdict::Allowed { .. }), "{in_time:?}");
            let other = limits::hit(tx, [2; 32], FIVE_A_SECOND, 10_200)?;
            assert_eq!(other, Verdict::Allowed { remaining: 4 });
            Ok(())
        })
        .await;
    });
}

#[test]
fn no_window_lets_more_than_its_limit_through() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            let mut allowed = Vec::new();
            for now in (50_000..56_000).step_by(37) {
                if let Verdict::Allowed { .. } = limits::hit(tx, [1; 32], FIVE_A_SECOND, now)? {
                    allowed.push(now);
                }
            }
            assert!(allowed.len() >= 25, "{}", allowed.len());
            // The estimate spreads the older window evenly, so a window that
            // slides may hold one or two more than the limit, never double.
            for first in &allowed {
                let window = allowed
                    .iter()
                    .filter(|at| (*first..first + 1_000).contains(*at));
                assert!(window.count() <= 7);
            }
            assert!(limits::delete_windows(tx, 54_000)? > 0);
            Ok(())
        })
        .await;
    });
}

#[test]
fn forgiven_bucket_is_empty() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            for _ in 0..7 {
                limits::hit(tx, [1; 32], FIVE_A_SECOND, 10_000)?;
            }
            limits::delete_bucket(tx, [1; 32])?;
            let verdict = limits::hit(tx, [1; 32], FIVE_A_SECOND, 10_000)?;
            assert_eq!(verdict, Verdict::Allowed { remaining: 4 });
            Ok(())
        })
        .await;
    });
}

#[test]
fn answer_is_kept_once_per_key() {
    for_each_engine(|store| async move {
        let row = IdempotencyRow {
            key_hash: [1; 32],
            account_id: Some([2; 16]),
            operation: "record.create".into(),
            fingerprint: [3; 32],
            status: 201,
            ids: r#"["0195e6d4-1c2b-7f3a-9c4d-0123456789ab"]"#.into(),
            created_at: 10,
        };
        let kept = row.clone();
        within(&store, move |tx| limits::insert_answer(tx, &kept)).await;
        let kept = row.clone();
        let again = store
            .write("test.again", move |tx: &mut Tx| {
                limits::insert_answer(tx, &kept)
            })
            .await
            .unwrap_err();
        assert!(again.is_unique("idempotency", &["key_hash"]));
        within(&store, move |tx| {
            assert_eq!(limits::lookup_answer(tx, [1; 32])?, Some(row));
            assert_eq!(limits::lookup_answer(tx, [9; 32])?, None);
            assert_eq!(limits::delete_answers(tx, 10)?, 0);
            assert_eq!(limits::delete_answers(tx, 11)?, 1);
            Ok(())
        })
        .await;
    });
}

#[test]
fn refusals_are_counted_by_minute_and_taken_once() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            let refusal = |minute, kind: &str| RefusalRow {
                minute,
                source_hash: [1; 32],
                kind: kind.into(),
                count: 1,
            };
            for _ in 0..3 {
                refusals::insert(tx, &refusal(5, "session.missing"))?;
            }
            refusals::insert(tx, &refusal(5, "login.wrong"))?;
            refusals::insert(tx, &refusal(6, "login.wrong"))?;
            let taken = refusals::take(tx, 6, 10)?;
            assert_eq!(taken.len(), 2);
            assert_eq!(
                taken[1],
                RefusalRow {
                    count: 3,
                    ..refusal(5, "session.missing")
                }
            );
            assert!(refusals::take(tx, 6, 10)?.is_empty());
            assert_eq!(refusals::take(tx, 7, 10)?, [refusal(6, "login.wrong")]);
            Ok(())
        })
        .await;
    });
}

#[test]
fn setting_is_made_once_and_changed_at_will() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            assert_eq!(settings::lookup(tx, "k")?, None);
            assert!(settings::insert(tx, "k", b"one")?);
            assert!(!settings::insert(tx, "k", b"two")?);
            assert_eq!(settings::lookup(tx, "k")?.as_deref(), Some(&b"one"[..]));
            settings::update(tx, "k", b"three")?;
            assert_eq!(settings::lookup(tx, "k")?.as_deref(), Some(&b"three"[..]));
            assert!(settings::delete(tx, "k")?);
            assert!(!settings::delete(tx, "k")?);
            Ok(())
        })
        .await;
    });
}

#[test]
fn blob_is_finished_once_and_unused_ones_are_listed() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            blobs::insert(tx, [1; 16], [7; 16], 0, 100)?;
            blobs::insert(tx, [2; 16], [7; 16], 0, 300)?;
            assert!(blobs::update_finished(tx, [1; 16], 42)?);
            assert!(!blobs::update_finished(tx, [1; 16], 43)?);
            let row = blobs::lookup(tx, [7; 16], [1; 16])?.unwrap();
            assert_eq!((row.size, row.finished), (42, true));
            assert_eq!(blobs::lookup(tx, [8; 16], [1; 16])?, None);
            assert_eq!(blobs::list(tx, [7; 16])?.len(), 2);
            let unused = blobs::list_unused(tx, 300, 9)?;
            assert_eq!(unused.len(), 1);
            assert!(blobs::delete(tx, unused[0].id)?);
            assert!(!blobs::delete(tx, unused[0].id)?);
            Ok(())
        })
        .await;
    });
}

#[test]
fn events_count_up_and_are_heard_by_whom_they_concern() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            assert_eq!(events::last(tx)?, 0);
            for (n, account) in [(1, 7u8), (2, 8), (3, 7)] {
                let event = NewEvent {
                    account_id: [account; 16],
                    kind: "record.create",
                    subject_id: None,
                    created_at: n * 100,
                };
                assert_eq!(events::insert(tx, &event)?, n);
            }
            let ids = |rows: Vec<events::EventRow>| -> Vec<i64> {
                rows.iter().map(|row| row.id).collect()
            };
            assert_eq!(ids(events::list(tx, 1, 9)?), [2, 3]);
            assert_eq!(ids(events::list_of_account(tx, [7; 16], 0, 9)?), [1, 3]);
            assert_eq!(ids(events::list_of_account(tx, [7; 16], 1, 9)?), [3]);
            assert_eq!(events::delete(tx, 1_000)?, 2);
            assert_eq!(events::last(tx)?, 3);
            Ok(())
        })
        .await;
    });
}
