//! Savepoints, group commit, panics, order, values.

use chartkey_store::testing::{for_each_engine, for_each_place};
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
    for_each_engine(|store| async move {
        put(&store, "a").await.unwrap();
        let counted = store
            .read_long("test.twice", |r: &mut Reader| {
                let first = r.query_i64("SELECT COUNT(*) FROM settings", params![])?;
                let second = r.query_i64("SELECT COUNT(*) FROM settings", params![])?;
                Ok::<_, StoreError>((first, second))
            })
            .await
            .unwrap();
        assert_eq!(counted, (1, 1));
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
