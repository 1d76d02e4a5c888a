//! Jobs: keys, leases, retries, giving up, reviving, sweeping.

use chartkey_store::jobs::{self, JobRow, JobState, NewJob};
use chartkey_store::testing::for_each_engine;
use chartkey_store::{Store, StoreError, Tx};

const NODE: jobs::NodeId = [1; 16];
const OTHER: jobs::NodeId = [2; 16];

fn job(n: u8, key: Option<&'static str>, run_at: i64) -> NewJob<'static> {
    NewJob {
        id: [n; 16],
        kind: "mail.send",
        payload_p: b"sealed",
        dedupe_key: key,
        run_at,
        max_attempts: 2,
        state: JobState::Ready,
        created_at: 0,
    }
}

/// Runs `f` in one write that must succeed.
async fn within<T: Send + 'static>(
    store: &Store,
    f: impl FnOnce(&mut Tx) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store
        .write("test.jobs", f)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"))
}

fn ids(rows: &[JobRow]) -> Vec<u8> {
    rows.iter().map(|row| row.id[0]).collect()
}

#[test]
fn due_jobs_are_leased_once_and_longest_due_first() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            for (n, run_at) in [(1, 30), (2, 10), (3, 99), (4, 20)] {
                assert!(jobs::insert(tx, &job(n, None, run_at))?);
            }
            assert_eq!(jobs::next_due(tx)?, Some(10));
            let leased = jobs::lease(tx, NODE, 30, 1_000, 2)?;
            assert_eq!(ids(&leased), [2, 4]);
            assert_eq!(leased[0].attempts, 1);
            assert_eq!(leased[0].payload_p, b"sealed");
            assert_eq!(ids(&jobs::lease(tx, OTHER, 30, 1_000, 9)?), [1]);
            assert!(jobs::lease(tx, OTHER, 30, 1_000, 9)?.is_empty());
            assert_eq!(jobs::next_due(tx)?, Some(99));
            Ok(())
        })
        .await;
    });
}

#[test]
fn key_is_taken_until_its_job_is_settled() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            assert!(jobs::insert(tx, &job(1, Some("k"), 0))?);
            assert!(!jobs::insert(tx, &job(2, Some("k"), 0))?);
            assert!(jobs::insert(tx, &job(3, Some("other"), 0))?);
            jobs::lease(tx, NODE, 0, 10, 1)?;
            assert!(!jobs::insert(tx, &job(2, Some("k"), 0))?);
            assert!(!jobs::delete_by_key(tx, "k")?, "it runs");
            assert!(jobs::finish(tx, [1; 16], NODE, 5)?);
            assert!(jobs::insert(tx, &job(2, Some("k"), 0))?);
            assert!(jobs::delete_by_key(tx, "k")?);
            assert!(jobs::insert(tx, &job(4, Some("k"), 0))?);
            Ok(())
        })
        .await;
    });
}

#[test]
fn finished_job_has_no_payload() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            jobs::insert(tx, &job(1, None, 0))?;
            jobs::lease(tx, NODE, 0, 10, 1)?;
            assert!(jobs::finish(tx, [1; 16], NODE, 5)?);
            let row = jobs::lookup(tx, [1; 16])?.unwrap();
            assert_eq!((row.state, row.payload_p.len()), (JobState::Done, 0));
            assert!(!jobs::finish(tx, [1; 16], NODE, 6)?, "only once");
            Ok(())
        })
        .await;
    });
}

#[test]
fn only_the_holder_of_the_lease_decides() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            jobs::insert(tx, &job(1, None, 0))?;
            jobs::lease(tx, NODE, 0, 10, 1)?;
            assert!(!jobs::finish(tx, [1; 16], OTHER, 5)?);
            assert!(!jobs::extend(tx, [1; 16], OTHER, 50)?);
            assert_eq!(jobs::retry(tx, [1; 16], OTHER, "mail.refused", 9, 5)?, None);
            assert!(!jobs::park(
                tx,
                [1; 16],
                OTHER,
                JobState::Dead,
                "mail.refused",
                5
            )?);
            assert!(jobs::extend(tx, [1; 16], NODE, 50)?);
            assert!(jobs::lease(tx, OTHER, 49, 90, 1)?.is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn lost_lease_passes_on_and_ends_in_death() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            jobs::insert(tx, &job(1, None, 0))?;
            jobs::lease(tx, NODE, 0, 10, 1)?;
            assert_eq!(jobs::next_due(tx)?, Some(10));
            let again = jobs::lease(tx, OTHER, 10, 20, 1)?;
            assert_eq!((ids(&again), again[0].attempts), (vec![1], 2));
            assert!(!jobs::finish(tx, [1; 16], NODE, 11)?);
            assert!(jobs::lease(tx, NODE, 20, 30, 1)?.is_empty());
            let row = jobs::lookup(tx, [1; 16])?.unwrap();
            assert_eq!(row.state, JobState::Dead);
            assert_eq!(row.last_error.as_deref(), Some("job.lost"));
            Ok(())
        })
        .await;
    });
}

#[test]
fn failed_job_is_tried_again_later_and_then_given_up() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            jobs::insert(tx, &job(1, None, 0))?;
            jobs::lease(tx, NODE, 0, 10, 1)?;
            let state = jobs::retry(tx, [1; 16], NODE, "mail.refused", 100, 5)?;
            assert_eq!(state, Some(JobState::Ready));
            assert!(jobs::lease(tx, NODE, 99, 200, 1)?.is_empty());
            assert_eq!(jobs::lease(tx, NODE, 100, 200, 1)?.len(), 1);
            let state = jobs::retry(tx, [1; 16], NODE, "mail.refused", 300, 150)?;
            assert_eq!(state, Some(JobState::Dead));
            assert_eq!(jobs::count(tx)?, [(JobState::Dead, 1)]);
            assert_eq!(ids(&jobs::list(tx, JobState::Dead, 9)?), [1]);
            Ok(())
        })
        .await;
    });
}

#[test]
fn parked_job_revives_unless_its_key_was_taken() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            let waiting = NewJob {
                state: JobState::NeedsSender,
                ..job(1, Some("a"), 0)
            };
            jobs::insert(tx, &waiting)?;
            assert!(jobs::lease(tx, NODE, 50, 60, 9)?.is_empty());
            assert_eq!(jobs::revive(tx, JobState::NeedsSender, "mail.send", 70)?, 1);
            assert_eq!(jobs::lease(tx, NODE, 70, 80, 9)?.len(), 1);
            assert!(jobs::park(
                tx,
                [1; 16],
                NODE,
                JobState::Dead,
                "mail.refused",
                71
            )?);
            assert!(jobs::insert(tx, &job(2, Some("a"), 100))?);
            assert_eq!(jobs::revive(tx, JobState::Dead, "mail.send", 72)?, 0);
            assert!(jobs::delete_by_key(tx, "a")?);
            assert_eq!(jobs::revive(tx, JobState::Dead, "other.kind", 73)?, 0);
            assert_eq!(jobs::revive(tx, JobState::Dead, "mail.send", 73)?, 1);
            assert_eq!(jobs::lookup(tx, [1; 16])?.unwrap().attempts, 0);
            let wrong = tx
                .savepoint(|tx: &mut Tx| jobs::park(tx, [1; 16], NODE, JobState::Done, "x.y", 71));
            assert!(matches!(wrong, Err(StoreError::Refused(_))));
            Ok(())
        })
        .await;
    });
}

#[test]
fn two_dead_jobs_of_one_key_revive_as_one() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            for n in [1, 2] {
                assert!(jobs::insert(tx, &job(n, Some("a"), 0))?);
                jobs::lease(tx, NODE, 0, 10, 1)?;
                jobs::park(tx, [n; 16], NODE, JobState::Dead, "mail.refused", 1)?;
            }
            assert_eq!(jobs::revive(tx, JobState::Dead, "mail.send", 5)?, 1);
            assert_eq!(ids(&jobs::list(tx, JobState::Ready, 9)?), [2]);
            Ok(())
        })
        .await;
    });
}

#[test]
fn settled_jobs_are_swept_and_others_stay() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            for n in 1..=4 {
                jobs::insert(tx, &job(n, None, i64::from(n)))?;
            }
            jobs::lease(tx, NODE, 3, 100, 3)?;
            jobs::finish(tx, [1; 16], NODE, 10)?;
            jobs::park(tx, [2; 16], NODE, JobState::Dead, "x.y", 20)?;
            assert_eq!(jobs::delete_settled(tx, 20)?, 1);
            assert_eq!(jobs::delete_settled(tx, 21)?, 1);
            let left = [(JobState::Ready, 1), (JobState::Running, 1)];
            assert_eq!(jobs::count(tx)?, left);
            Ok(())
        })
        .await;
    });
}

#[test]
fn backoff_doubles_to_an_hour_and_spreads() {
    assert_eq!(jobs::backoff_ms(1, 0), 15_000);
    assert_eq!(jobs::backoff_ms(2, 0), 30_000);
    assert_eq!(jobs::backoff_ms(9, 0), 3_600_000);
    assert_eq!(jobs::backoff_ms(u32::MAX, 0), 3_600_000);
    assert_eq!(jobs::backoff_ms(1, u32::MAX), 18_750);
}
