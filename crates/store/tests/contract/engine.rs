//! Savepoints, group commit, panics, order, values.

use chartkey_store::testing::{for_each_engine, for_each_place};
use chartkey_store::trail::{self, Log, NewEntry};
use chartkey_store::{Place, Reader, Store, StoreConfig, StoreError, Tx, Value, params};

const PUT: &str = "INSERT INTO settings (key, value) VALUES (?1, ?2)";

async fn put(store: &Store, key: &'static str) -> Result<(), StoreError> {
    store
        .write("test.put", move |tx| {
            tx.execute(PUT, params![key, [1u8, 2, 3]]).map(drop)
        })
        .await
}

async fn keys(store: &Store) -> Vec<String> {
    store
        .read("test.keys", |r: &mut Reader| {
            r.query("SELECT key FROM settings ORDER BY key", params![], |row| {
                row.get(0)
            })
        })
        .await
        .unwrap_or_else(|error: StoreError| panic!("{error:?}"))
}

#[test]
fn write_is_seen_by_the_next_read() {
    for_each_engine(|store| async move {
        put(&store, "a").await.unwrap();
        assert_eq!(keys(&store).await, ["a"]);
    });
}

#[test]
fn failed_write_leaves_nothing_and_its_neighbours_stand() {
    for_each_engine(|store| async move {
        let mut tasks = Vec::new();
        for n in 0..64u32 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                store
                    .write("test.half", move |tx| {
                        tx.execute(PUT, params![format!("{n:02}"), [0u8; 4]])?;
                        if n % 3 == 0 {
                            return Err(StoreError::Refused("by the test"));
                        }
                        Ok(n)
                    })
                    .await
            }));
        }
        for (n, task) in (0u32..).zip(tasks) {
            let answer = task.await.unwrap();
            if n % 3 == 0 {
                assert_eq!(answer, Err(StoreError::Refused("by the test")));
            } else {
                assert_eq!(answer, Ok(n));
            }
        }
        let wanted: Vec<String> = (0..64u32)
            .filter(|n| n % 3 != 0)
            .map(|n| format!("{n:02}"))
            .collect();
        assert_eq!(keys(&store).await, wanted);
    });
}

#[test]
fn panicking_write_is_taken_back_and_the_writer_lives() {
    for_each_engine(|store| async move {
        let (a, b, c) = tokio::join!(
            put(&store, "before"),
            store.write("test.panic", |tx: &mut Tx| -> Result<(), StoreError> {
                tx.execute(PUT, params!["lost", [0u8; 1]])?;
                tx.savepoint(|tx: &mut Tx| -> Result<(), StoreError> {
                    tx.execute(PUT, params!["lost too", [0u8; 1]])?;
                    panic!("on purpose")
                })
            }),
            put(&store, "after"),
        );
        assert_eq!((a, b, c), (Ok(()), Err(StoreError::Panicked), Ok(())));
        put(&store, "later").await.unwrap();
        assert_eq!(keys(&store).await, ["after", "before", "later"]);
    });
}

#[test]
fn unique_names_table_and_columns_alike() {
    for_each_engine(|store| async move {
        put(&store, "a").await.unwrap();
        let error = put(&store, "a").await.unwrap_err();
        assert!(error.is_unique("settings", &["key"]), "{error:?}");
        assert_eq!(error.code(), "store.unique");
        let error = store
            .write("test.limit", |tx: &mut Tx| -> Result<(), StoreError> {
                for _ in 0..2 {
                    tx.execute(
                        "INSERT INTO rate_limits (bucket_hash, window_start, count) VALUES (?1, 5, 0)",
                        params![[7u8; 32]],
                    )?;
                }
                Ok(())
            })
            .await
            .unwrap_err();
        assert!(
            error.is_unique("rate_limits", &["bucket_hash", "window_start"]),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("0707"));
    });
}

#[test]
fn going_on_after_a_failed_statement_is_aborted() {
    for_each_engine(|store| async move {
        put(&store, "a").await.unwrap();
        let answer: Result<(), StoreError> = store
            .write("test.ignore", |tx: &mut Tx| {
                tx.execute(PUT, params!["b", [0u8; 1]])?;
                let _ = tx.execute(PUT, params!["a", [0u8; 1]]);
                assert_eq!(
                    tx.execute(PUT, params!["c", [0u8; 1]]),
                    Err(StoreError::Aborted)
                );
                Ok(())
            })
            .await;
        assert_eq!(answer, Err(StoreError::Aborted));
        assert_eq!(keys(&store).await, ["a"]);
    });
}

#[test]
fn failed_inner_savepoint_leaves_the_outer_alive() {
    for_each_engine(|store| async move {
        put(&store, "a").await.unwrap();
        let inner = store
            .write("test.inner", |tx: &mut Tx| -> Result<_, StoreError> {
                tx.execute(PUT, params!["b", [0u8; 1]])?;
                let inner = tx.savepoint(|tx: &mut Tx| -> Result<(), StoreError> {
                    tx.execute(PUT, params!["lost", [0u8; 1]])?;
                    tx.execute(PUT, params!["a", [0u8; 1]]).map(drop)
                });
                tx.execute(PUT, params!["c", [0u8; 1]])?;
                Ok(inner)
            })
            .await
            .unwrap();
        assert!(inner.unwrap_err().is_unique("settings", &["key"]));
        assert_eq!(keys(&store).await, ["a", "b", "c"]);
    });
}

#[test]
fn writes_of_one_task_keep_their_order() {
    for_each_engine(|store| async move {
        let mut waiting = Vec::new();
        for n in 0..50i64 {
            waiting.push(store.write("test.order", move |tx: &mut Tx| {
                let seen = tx.query_i64("SELECT COUNT(*) FROM refusals", params![])?;
                tx.execute(
                    "INSERT INTO refusals (minute, source_hash, kind, count) VALUES (?1, ?2, 'x', 1)",
                    params![n, [0u8; 32]],
                )?;
                Ok::<_, StoreError>((n, seen))
            }));
        }
        for write in waiting {
            let (n, seen) = write.await.unwrap();
            assert_eq!(n, seen);
        }
    });
}

#[test]
fn read_keeps_its_snapshot() {
    for_each_place(|place| async move {
        let store = Store::open(&StoreConfig::new(place)).unwrap();
        put(&store, "a").await.unwrap();
        let (counted, count) = tokio::sync::oneshot::channel();
        let (written, wait) = std::sync::mpsc::channel::<()>();
        let reading = store.read_long("test.twice", move |r: &mut Reader| {
            let first = r.query_i64("SELECT COUNT(*) FROM settings", params![])?;
            counted.send(first).unwrap();
            wait.recv().unwrap();
            let second = r.query_i64("SELECT COUNT(*) FROM settings", params![])?;
            Ok::<_, StoreError>((first, second))
        });
        let writing = async {
            assert_eq!(count.await, Ok(1));
            put(&store, "b").await.unwrap();
            written.send(()).unwrap();
        };
        let (counts, ()) = tokio::join!(reading, writing);
        assert_eq!(counts, Ok((1, 1)));
        assert_eq!(keys(&store).await, ["a", "b"]);
    });
}

#[test]
fn reader_cannot_write() {
    for_each_place(|place| async move {
        let store = Store::open(&StoreConfig::new(place)).unwrap();
        let answer = store
            .read("test.sneak", |r: &mut Reader| {
                r.query_i64(
                    "INSERT INTO settings (key, value) VALUES ('x', ?1) RETURNING 1",
                    params![[0u8; 1]],
                )
            })
            .await;
        assert!(answer.is_err(), "{answer:?}");
        put(&store, "a").await.unwrap();
        assert_eq!(keys(&store).await, ["a"]);
    });
}

#[test]
fn panicking_read_takes_nobody_along() {
    for_each_place(|place| async move {
        let store = Store::open(&StoreConfig::new(place)).unwrap();
        let answer = store
            .read_long("test.panic", |_: &mut Reader| -> Result<(), StoreError> {
                panic!("on purpose")
            })
            .await;
        assert_eq!(answer, Err(StoreError::Panicked));
        assert!(keys(&store).await.is_empty());
    });
}

#[test]
fn write_withdrawn_before_it_began_does_nothing() {
    for_each_engine(|store| async move {
        let (begun, began) = tokio::sync::oneshot::channel();
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let blocking = tokio::spawn({
            let store = store.clone();
            async move {
                store
                    .write("test.block", move |_: &mut Tx| -> Result<(), StoreError> {
                        begun.send(()).unwrap();
                        wait.recv().unwrap();
                        Ok(())
                    })
                    .await
            }
        });
        began.await.unwrap();
        let mut withdrawn = Box::pin(put(&store, "withdrawn"));
        assert!(futures_util::poll!(&mut withdrawn).is_pending());
        drop(withdrawn);
        let mut kept = Box::pin(put(&store, "kept"));
        assert!(futures_util::poll!(&mut kept).is_pending());
        release.send(()).unwrap();
        blocking.await.unwrap().unwrap();
        kept.await.unwrap();
        assert_eq!(keys(&store).await, ["kept"]);
    });
}

#[test]
fn full_queue_makes_writers_wait_and_loses_none() {
    for_each_place(|place| async move {
        let mut config = StoreConfig::new(place);
        (config.queue, config.batch) = (2, 3);
        let store = Store::open(&config).unwrap();
        let writes = (0..40u32).map(|n| {
            store.write("test.put", move |tx: &mut Tx| {
                tx.execute(PUT, params![format!("{n:02}"), [0u8; 1]])
            })
        });
        let answers = futures_util::future::join_all(writes).await;
        assert!(
            answers
                .iter()
                .all(|answer| *answer == Ok::<_, StoreError>(1))
        );
        assert_eq!(keys(&store).await.len(), 40);
    });
}

/// A constraint that is only checked at the end makes the commit itself fail.
#[test]
fn failed_commit_is_told_to_everyone_in_it_and_leaves_nothing() {
    for_each_engine(|store| async move {
        let defer = store
            .read("test.engine", |r: &mut Reader| {
                r.query_opt("SELECT sqlite_version()", params![], |_| Ok(()))
            })
            .await
            .map_or(DEFER_POSTGRES, |_: Option<()>| DEFER_SQLITE);
        let orphan = store.write("test.orphan", move |tx: &mut Tx| {
            for sql in defer {
                tx.execute(sql, params![])?;
            }
            tx.append(Log::Trail, &entry())?;
            tx.execute(
                "INSERT INTO grant_records (grant_id, record_id) VALUES (?1, ?1)",
                params![[1u8; 16]],
            )
            .map(drop)
        });
        assert_eq!(orphan.await, Err(StoreError::Commit));
        let index = store
            .write("test.after", |tx: &mut Tx| tx.append(Log::Trail, &entry()))
            .await;
        assert_eq!(index, Ok::<_, StoreError>(0));
        store
            .read("test.verify", |r: &mut Reader| {
                trail::verify_whole(r, Log::Trail, None, |_| {})
            })
            .await
            .unwrap();
    });
}

const DEFER_SQLITE: &[&str] = &["PRAGMA defer_foreign_keys=ON"];
const DEFER_POSTGRES: &[&str] = &[
    "ALTER TABLE grant_records ALTER CONSTRAINT grant_records_grant_id_fkey DEFERRABLE",
    "SET CONSTRAINTS ALL DEFERRED",
];

fn entry() -> NewEntry {
    NewEntry {
        salt: Some([3; 32]),
        entry: r#"{"action":"record.read","at":"2026-01-01T00:00:00Z"}"#.into(),
    }
}

const LOSE: &str = "SELECT pg_terminate_backend(pg_backend_pid())";

#[test]
fn lost_connection_fails_its_transaction_and_is_made_again() {
    for_each_place(|place| async move {
        if !matches!(place, Place::Postgres { .. }) {
            return;
        }
        let store = Store::open(&StoreConfig::new(place)).unwrap();
        for round in ["a", "b"] {
            let lost = store
                .write("test.lose", |tx: &mut Tx| {
                    tx.append(Log::Trail, &entry())?;
                    tx.query_i64(LOSE, params![])
                })
                .await;
            assert_eq!(lost, Err(StoreError::Unavailable));
            put(&store, round).await.unwrap();
            let lost = store
                .read("test.lose", |r: &mut Reader| r.query_i64(LOSE, params![]))
                .await;
            assert_eq!(lost, Err(StoreError::Unavailable));
            assert!(keys(&store).await.contains(&round.to_owned()));
        }
    });
}

#[test]
fn nodes_that_start_together_migrate_once() {
    for_each_place(|place| async move {
        let starts = (0..4).map(|_| {
            let place = place.clone();
            std::thread::spawn(move || Store::open(&StoreConfig::new(place)))
        });
        let threads: Vec<_> = starts.collect();
        for thread in threads {
            let opened = thread.join().unwrap();
            let store = opened.unwrap_or_else(|error| panic!("{place:?}: {error:?}"));
            assert!(keys(&store).await.is_empty());
        }
    });
}

/// What lies on the disk right after an answer is what a crash would leave.
#[test]
fn acknowledged_write_is_on_the_disk() {
    for_each_place(|place| async move {
        let Place::File(path) = &place else { return };
        let store = Store::open(&StoreConfig::new(place.clone())).unwrap();
        for n in 0..20u64 {
            let index = store
                .write("test.append", |tx: &mut Tx| tx.append(Log::Trail, &entry()))
                .await;
            assert_eq!(index, Ok::<_, StoreError>(n));
            let crashed = tempfile::tempdir().unwrap();
            let copy = crashed.path().join("copy.db");
            std::fs::copy(path, &copy).unwrap();
            let log = |path: &std::path::Path| format!("{}-wal", path.display());
            std::fs::copy(log(path), log(&copy)).unwrap();
            let after = Store::open(&StoreConfig::new(Place::File(copy))).unwrap();
            let verified = after
                .read("test.verify", |r: &mut Reader| {
                    trail::verify_whole(r, Log::Trail, None, |_| {})
                })
                .await
                .unwrap();
            assert_eq!(verified.size, n + 1);
        }
    });
}

#[cfg(unix)]
#[test]
fn database_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    for_each_place(|place| async move {
        let Place::File(path) = &place else { return };
        let store = Store::open(&StoreConfig::new(place.clone())).unwrap();
        put(&store, "a").await.unwrap();
        let folder = std::fs::read_dir(path.parent().unwrap()).unwrap();
        for file in folder {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    });
}

/// Commits go on while the checkpointer moves the log into the file, and the
/// log does not grow without end.
#[test]
fn log_starts_over_while_writes_go_on() {
    for_each_place(|place| async move {
        let Place::File(path) = &place else { return };
        let store = Store::open(&StoreConfig::new(place.clone())).unwrap();
        let log = format!("{}-wal", path.display());
        for round in 0..3_000i64 {
            store
                .write("test.fill", move |tx: &mut Tx| {
                    tx.execute(
                        "INSERT INTO one_time_tokens (hash, purpose, data_p, expires_at)
                         VALUES (?1, 'x', ?2, ?3)",
                        params![
                            u128::try_from(round).unwrap().to_be_bytes(),
                            vec![0u8; 8_000],
                            round
                        ],
                    )
                })
                .await
                .unwrap_or_else(|error: StoreError| panic!("{error:?}"));
        }
        let size = std::fs::metadata(log).unwrap().len();
        assert!(size < 32 << 20, "{size}");
    });
}

#[test]
fn values_come_back_as_they_went() {
    for_each_engine(|store| async move {
        store
            .write("test.values", |tx: &mut Tx| -> Result<(), StoreError> {
                tx.execute(
                    "INSERT INTO one_time_tokens (hash, purpose, account_id, data_p, expires_at, used_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![
                        Value::from([9u8; 16]),
                        "it's ?1 'quoted' – ü",
                        None::<[u8; 16]>,
                        Vec::<u8>::new(),
                        i64::MIN,
                        Some(i64::MAX)
                    ],
                )?;
                let found = tx.query_opt(
                    "SELECT hash, purpose, account_id, data_p, expires_at, used_at
                     FROM one_time_tokens WHERE purpose <> 'what?1' AND hash = ?1",
                    params![[9u8; 16]],
                    |row| {
                        assert_eq!(row.get::<[u8; 16]>(0)?, [9; 16]);
                        assert_eq!(row.get::<String>(1)?, "it's ?1 'quoted' – ü");
                        assert_eq!(row.get::<Option<[u8; 16]>>(2)?, None);
                        assert_eq!(row.get::<Option<Vec<u8>>>(3)?, Some(Vec::new()));
                        assert_eq!(row.get::<i64>(4)?, i64::MIN);
                        assert_eq!(row.get::<Option<i64>>(5)?, Some(i64::MAX));
                        assert!(row.get::<[u8; 32]>(0).is_err());
                        assert!(row.get::<i64>(1).is_err());
                        assert!(row.get::<i64>(6).is_err());
                        Ok(())
                    },
                )?;
                assert_eq!(found, Some(()));
                Ok(())
            })
            .await
            .unwrap();
    });
}

#[test]
fn database_opens_again_with_what_it_held() {
    for_each_place(|place| async move {
        let config = StoreConfig::new(place);
        let store = Store::open(&config).unwrap();
        put(&store, "a").await.unwrap();
        drop(store);
        let store = Store::open(&config).unwrap();
        let other = Store::open(&config).unwrap();
        put(&other, "b").await.unwrap();
        assert_eq!(keys(&store).await, ["a", "b"]);
    });
}

#[test]
fn database_of_a_newer_program_is_refused() {
    for_each_place(|place| async move {
        let config = StoreConfig::new(place);
        let store = Store::open(&config).unwrap();
        store
            .write("test.newer", |tx: &mut Tx| {
                tx.execute(
                    "INSERT INTO schema_migrations (version) VALUES (9999)",
                    params![],
                )
            })
            .await
            .unwrap();
        drop(store);
        assert_eq!(
            Store::open(&config).unwrap_err(),
            StoreError::Migration(9999)
        );
    });
}

#[test]
fn url_names_the_engine() {
    let place = |url| StoreConfig::from_url(url).map(|config| config.place);
    assert!(matches!(place("sqlite::memory:"), Ok(Place::Memory)));
    assert!(matches!(place("sqlite://data/x.db"), Ok(Place::File(p)) if p.ends_with("data/x.db")));
    assert!(matches!(place("sqlite:x.db"), Ok(Place::File(_))));
    assert!(matches!(
        place("postgres://u:p@h/d"),
        Ok(Place::Postgres { .. })
    ));
    for wrong in ["", "sqlite:", "mysql://x", "x.db"] {
        assert!(place(wrong).is_err(), "{wrong}");
    }
    assert!(!format!("{:?}", StoreConfig::from_url("postgres://u:secret@h/d")).contains("secret"));
}
