//! Appending, listing, proving, and finding what was tampered with.

use chartkey_crypto::Secret;
use chartkey_crypto::ledger::{
    Checkpoint, Hash, NoteKind, NoteSigner, empty_root, entry_leaf_hash, leaf_hash,
    sign_checkpoint, verify_consistency, verify_inclusion,
};
use chartkey_crypto::sign::SigningKey;
use chartkey_store::testing::{for_each_engine, for_each_place};
use chartkey_store::trail::{self, Filter, Flaw, Log, NewEntry, VerifyError};
use chartkey_store::{Reader, Store, StoreConfig, StoreError, Tx, Value, params};

fn hyphenated(id: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(id).to_string()
}

/// Entry `n`: patients take turns by 5, actors by 3; one minute apart.
fn entry(n: u64) -> NewEntry {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(n).unwrap() * 60_000).unwrap();
    let low = u8::try_from(n % 251).unwrap();
    NewEntry {
        salt: Some([low; 32]),
        entry: format!(
            r#"{{"v":1,"action":"{}","at":"{at}","actor":{{"kind":"account","id":"{}"}},"patient":"{}","n":{n}}}"#,
            if n.is_multiple_of(2) {
                "record.read"
            } else {
                "record.create"
            },
            hyphenated([u8::try_from(n % 3).unwrap() + 10; 16]),
            hyphenated([u8::try_from(n % 5).unwrap() + 1; 16]),
        ),
    }
}

async fn append(store: &Store, range: std::ops::Range<u64>) {
    store
        .write(
            "test.append",
            move |tx: &mut Tx| -> Result<(), StoreError> {
                for n in range {
                    assert_eq!(tx.append(Log::Trail, &entry(n))?, n);
                }
                Ok(())
            },
        )
        .await
        .unwrap();
}

async fn raw(store: &Store, statements: &'static [&'static str]) {
    store
        .write("test.raw", move |tx: &mut Tx| -> Result<(), StoreError> {
            for sql in statements {
                tx.execute(sql, params![])?;
            }
            Ok(())
        })
        .await
        .unwrap();
}

async fn verify(store: &Store) -> Result<trail::VerifiedLog, VerifyError> {
    store
        .read_long("test.verify", |r: &mut Reader| {
            trail::verify_whole(r, Log::Trail, Some(&signer().verifier()), |_| {})
        })
        .await
}

async fn flaw(store: &Store) -> (u64, u64, Flaw) {
    match verify(store).await {
        Err(VerifyError::Broken(broken)) => (broken.leaf_index, broken.to_leaf_index, broken.what),
        other => panic!("{other:?}"),
    }
}

fn signer() -> NoteSigner {
    NoteSigner::new(
        "records.example.org/audit",
        NoteKind::Ed25519,
        SigningKey::from_secret(&Secret::from_bytes([7; 32])),
    )
    .unwrap()
}

/// Signs the log as it stands and keeps the checkpoint.
async fn checkpoint(store: &Store) {
    store
        .write("test.checkpoint", |tx: &mut Tx| {
            let size = trail::size(tx, Log::Trail)?;
            let checkpoint = Checkpoint {
                origin: "records.example.org/audit".into(),
                size,
                root: trail::root(tx, Log::Trail, size)?,
            };
            let note = sign_checkpoint(&checkpoint, &signer()).unwrap();
            trail::insert_checkpoint(tx, Log::Trail, size, &note, 0)
        })
        .await
        .unwrap();
}

#[test]
fn entries_of_concurrent_writes_get_consecutive_indexes() {
    for_each_engine(|store| async move {
        let mut tasks = Vec::new();
        for n in 0..60u64 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                store
                    .write("test.one", move |tx: &mut Tx| {
                        let index = tx.append(Log::Trail, &entry(n))?;
                        // Every fourth write fails after it has appended.
                        if n % 4 == 3 {
                            return Err(StoreError::Refused("by the test"));
                        }
                        Ok(index)
                    })
                    .await
            }));
        }
        let mut indexes = Vec::new();
        for task in tasks {
            indexes.extend(task.await.unwrap());
        }
        indexes.sort_unstable();
        assert_eq!(indexes, (0..45).collect::<Vec<u64>>());
        assert_eq!(verify(&store).await.unwrap().size, 45);
    });
}

#[test]
fn inner_savepoint_and_panic_take_their_entries_back() {
    for_each_engine(|store| async move {
        append(&store, 0..3).await;
        store
            .write("test.inner", |tx: &mut Tx| -> Result<(), StoreError> {
                tx.append(Log::Trail, &entry(3))?;
                let inner = tx.savepoint(|tx: &mut Tx| -> Result<(), StoreError> {
                    assert_eq!(tx.append(Log::Trail, &entry(9))?, 4);
                    Err(StoreError::Refused("by the test"))
                });
                assert!(inner.is_err());
                assert_eq!(tx.append(Log::Trail, &entry(4))?, 4);
                Ok(())
            })
            .await
            .unwrap();
        let panicked = store
            .write("test.panic", |tx: &mut Tx| -> Result<(), StoreError> {
                tx.append(Log::Trail, &entry(9))?;
                panic!("on purpose")
            })
            .await;
        assert_eq!(panicked, Err(StoreError::Panicked));
        append(&store, 5..6).await;
        assert_eq!(verify(&store).await.unwrap().size, 6);
    });
}

#[test]
fn two_stores_on_one_database_share_one_trail() {
    for_each_place(|place| async move {
        let config = StoreConfig::new(place);
        let one = Store::open(&config).unwrap();
        let two = Store::open(&config).unwrap();
        let mut tasks = Vec::new();
        for n in 0..40u64 {
            let store = if n % 2 == 0 { one.clone() } else { two.clone() };
            tasks.push(tokio::spawn(async move {
                store
                    .write("test.one", move |tx: &mut Tx| {
                        tx.append(Log::Trail, &entry(n))
                    })
                    .await
            }));
        }
        let mut indexes = Vec::new();
        for task in tasks {
            let index: u64 = task
                .await
                .unwrap()
                .unwrap_or_else(|error| panic!("{error:?}"));
            indexes.push(index);
        }
        indexes.sort_unstable();
        assert_eq!(indexes, (0..40).collect::<Vec<u64>>());
        assert_eq!(verify(&two).await.unwrap().size, 40);
    });
}

#[test]
fn entry_comes_back_as_it_was_logged() {
    for_each_engine(|store| async move {
        append(&store, 0..2).await;
        let found = store
            .read("test.lookup", |r: &mut Reader| {
                assert_eq!(trail::lookup(r, Log::Trail, 2)?, None);
                assert_eq!(trail::lookup(r, Log::Keys, 1)?, None);
                trail::lookup(r, Log::Trail, 1)
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error:?}"))
            .unwrap();
        let wanted = entry(1);
        assert_eq!(found.entry, wanted.entry);
        assert_eq!(found.salt, wanted.salt);
        assert_eq!(found.at, 60_000);
        assert_eq!(
            found.leaf_hash,
            entry_leaf_hash(&wanted.salt.unwrap(), wanted.entry.as_bytes())
        );
    });
}

#[test]
fn entry_without_action_time_or_fitting_salt_is_refused() {
    for_each_engine(|store| async move {
        for (log, salt, text) in [
            (Log::Trail, Some([0; 32]), "not json"),
            (Log::Trail, Some([0; 32]), r#"{"action":"a.b"}"#),
            (
                Log::Trail,
                Some([0; 32]),
                r#"{"action":"a.b","at":"yesterday"}"#,
            ),
            (
                Log::Trail,
                Some([0; 32]),
                r#"{"action":"a.b","at":"2026-01-01T00:00:00Z","patient":"7"}"#,
            ),
            (
                Log::Trail,
                None,
                r#"{"action":"a.b","at":"2026-01-01T00:00:00Z"}"#,
            ),
            (
                Log::Keys,
                Some([0; 32]),
                r#"{"action":"a.b","at":"2026-01-01T00:00:00Z"}"#,
            ),
        ] {
            let new = NewEntry {
                salt,
                entry: text.to_owned(),
            };
            let answer = store
                .write("test.refused", move |tx: &mut Tx| tx.append(log, &new))
                .await;
            assert!(matches!(answer, Err(StoreError::Refused(_))), "{text}");
        }
        assert_eq!(verify(&store).await.unwrap().size, 0);
    });
}

#[test]
fn keys_log_is_unsalted_and_apart() {
    for_each_engine(|store| async move {
        append(&store, 0..3).await;
        let text = r#"{"v":1,"action":"keys.create","at":"2026-01-01T00:00:00Z"}"#;
        let index = store
            .write("test.keys", move |tx: &mut Tx| {
                let new = NewEntry {
                    salt: None,
                    entry: text.to_owned(),
                };
                tx.append(Log::Keys, &new)
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error:?}"));
        assert_eq!(index, 0);
        let verified = store
            .read("test.verify", |r: &mut Reader| {
                trail::verify_whole(r, Log::Keys, None, |_| {})
            })
            .await
            .unwrap();
        assert_eq!(
            (verified.size, verified.root),
            (1, leaf_hash(text.as_bytes()))
        );
    });
}

#[test]
fn list_filters_and_pages_newest_first() {
    for_each_engine(|store| async move {
        append(&store, 0..40).await;
        let list = async |filter: Filter, limit| -> Vec<u64> {
            store
                .read("test.list", move |r: &mut Reader| {
                    let rows = trail::list(r, Log::Trail, &filter, limit)?;
                    Ok::<_, StoreError>(rows.iter().map(|row| row.leaf_index).collect())
                })
                .await
                .unwrap()
        };
        let all = Filter::default();
        assert_eq!(list(all.clone(), 3).await, [39, 38, 37]);
        let patient = Filter {
            patient: Some([1; 16]),
            ..all.clone()
        };
        assert_eq!(list(patient.clone(), 3).await, [35, 30, 25]);
        let next = Filter {
            before: Some(25),
            ..patient.clone()
        };
        assert_eq!(list(next, 9).await, [20, 15, 10, 5, 0]);
        let both = Filter {
            actor: Some([10; 16]),
            ..patient
        };
        assert_eq!(list(both, 9).await, [30, 15, 0]);
        let actions = Filter {
            actions: vec!["record.create".into()],
            ..all.clone()
        };
        assert_eq!(list(actions, 2).await, [39, 37]);
        let either = vec!["record.create".into(), "record.read".into()];
        assert_eq!(
            list(
                Filter {
                    actions: either,
                    ..all.clone()
                },
                2
            )
            .await,
            [39, 38]
        );
        let window = Filter {
            from: Some(5 * 60_000),
            to: Some(8 * 60_000),
            ..all.clone()
        };
        assert_eq!(list(window, 9).await, [7, 6, 5]);
        let nobody = Filter {
            grant: Some([0; 16]),
            ..all
        };
        assert!(list(nobody, 9).await.is_empty());
    });
}

#[test]
fn proofs_hold_at_every_size_to_seventy_and_beyond_two_tiles() {
    for_each_engine(|store| async move {
        append(&store, 0..530).await;
        store
            .read_long("test.proofs", |r: &mut Reader| -> Result<(), StoreError> {
                let sizes: Vec<u64> = (0..=70)
                    .chain([255, 256, 257, 511, 512, 513, 530])
                    .collect();
                let mut roots: Vec<(u64, Hash)> = Vec::new();
                for size in sizes {
                    roots.push((size, trail::root(r, Log::Trail, size)?));
                }
                assert_eq!(roots[0], (0, empty_root()));
                for (size, root) in &roots {
                    for index in [0, 1, size / 3, size / 2, size.saturating_sub(1)] {
                        if index >= *size {
                            continue;
                        }
                        let leaf = trail::lookup(r, Log::Trail, index)?.unwrap().leaf_hash;
                        let proof = trail::prove_inclusion(r, Log::Trail, index, *size)?;
                        verify_inclusion(index, *size, &leaf, &proof, root).unwrap();
                    }
                    let (to, newest) = roots[roots.len() - 1];
                    for (from, to, old, new) in [
                        (*size, to, root, &newest),
                        (
                            size / 2,
                            *size,
                            &trail::root(r, Log::Trail, size / 2)?,
                            root,
                        ),
                    ] {
                        let proof = trail::prove_consistency(r, Log::Trail, from, to)?;
                        verify_consistency(from, to, old, new, &proof).unwrap();
                    }
                }
                for outside in [
                    trail::prove_inclusion(r, Log::Trail, 5, 5),
                    trail::prove_inclusion(r, Log::Trail, 5, 531),
                    trail::prove_consistency(r, Log::Trail, 6, 5),
                    trail::prove_consistency(r, Log::Trail, 6, 531),
                ] {
                    assert!(matches!(outside, Err(StoreError::Refused(_))));
                }
                Ok(())
            })
            .await
            .unwrap();
    });
}

#[test]
fn one_checkpoint_is_kept_per_size() {
    for_each_engine(|store| async move {
        append(&store, 0..4).await;
        let (first, second, stored, newest) = store
            .write("test.checkpoint", |tx: &mut Tx| -> Result<_, StoreError> {
                Ok((
                    trail::insert_checkpoint(tx, Log::Keys, 4, "one", 1)?,
                    trail::insert_checkpoint(tx, Log::Keys, 4, "two", 2)?,
                    trail::lookup_checkpoint(tx, Log::Keys, 4)?,
                    trail::lookup_newest_checkpoint(tx, Log::Keys)?,
                ))
            })
            .await
            .unwrap();
        assert_eq!((first, second), (true, false));
        assert_eq!(stored.as_deref(), Some("one"));
        assert_eq!(newest, Some((4, "one".to_owned())));
    });
}

#[test]
fn whole_log_is_verified_with_its_checkpoints() {
    for_each_engine(|store| async move {
        assert_eq!(verify(&store).await.unwrap().root, empty_root());
        for part in [0..1, 1..10, 10..300, 300..1_100] {
            append(&store, part).await;
            checkpoint(&store).await;
        }
        append(&store, 1_100..1_103).await;
        let verified = verify(&store).await.unwrap();
        assert_eq!((verified.size, verified.checkpoints), (1_103, 4));
    });
}

#[test]
fn flipped_entry_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        raw(&store, &["UPDATE ledger SET entry = replace(entry, '\"n\":7', '\"n\":8') WHERE leaf_index = 7"]).await;
        assert_eq!(flaw(&store).await, (7, 7, Flaw::Altered));
    });
}

#[test]
fn entry_altered_together_with_its_leaf_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        let forged = entry(8).entry;
        let leaf = entry_leaf_hash(&entry(7).salt.unwrap(), forged.as_bytes());
        store
            .write("test.forge", move |tx: &mut Tx| {
                tx.execute(
                    "UPDATE ledger SET entry = ?1, leaf_hash = ?2, at = 480000, action = 'record.read',
                       patient_id = ?3, actor_id = ?4 WHERE leaf_index = 7",
                    params![forged, leaf, [4u8; 16], [12u8; 16]],
                )
            })
            .await
            .unwrap();
        assert_eq!(flaw(&store).await, (7, 7, Flaw::Moved));
    });
}

#[test]
fn altered_column_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        for sql in [
            "UPDATE ledger SET patient_id = NULL WHERE leaf_index = 11",
            "UPDATE ledger SET actor_id = salt WHERE leaf_index = 10",
            "UPDATE ledger SET action = 'record.list' WHERE leaf_index = 9",
            "UPDATE ledger SET at = at + 1 WHERE leaf_index = 8",
            "UPDATE ledger SET record_id = actor_id WHERE leaf_index = 7",
        ] {
            store
                .write("test.raw", move |tx: &mut Tx| tx.execute(sql, params![]))
                .await
                .unwrap();
        }
        assert_eq!(flaw(&store).await, (7, 7, Flaw::Columns));
    });
}

#[test]
fn deleted_entry_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        raw(&store, &["DELETE FROM ledger WHERE leaf_index = 7"]).await;
        assert_eq!(flaw(&store).await, (7, 7, Flaw::Missing));
    });
}

#[test]
fn deleted_entry_whose_gap_was_closed_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        raw(
            &store,
            &[
                "DELETE FROM ledger WHERE leaf_index = 7",
                "UPDATE ledger SET leaf_index = leaf_index + 999 WHERE leaf_index > 7",
                "UPDATE ledger SET leaf_index = leaf_index - 1000 WHERE leaf_index > 900",
            ],
        )
        .await;
        assert_eq!(flaw(&store).await, (7, 7, Flaw::Moved));
    });
}

#[test]
fn reordered_entries_are_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        raw(
            &store,
            &[
                "UPDATE ledger SET leaf_index = 99 WHERE leaf_index = 5",
                "UPDATE ledger SET leaf_index = 5 WHERE leaf_index = 9",
                "UPDATE ledger SET leaf_index = 9 WHERE leaf_index = 99",
            ],
        )
        .await;
        assert_eq!(flaw(&store).await, (5, 5, Flaw::Moved));
    });
}

#[test]
fn inserted_entry_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        raw(
            &store,
            &[
                "UPDATE ledger SET leaf_index = leaf_index + 1001 WHERE leaf_index >= 7",
                "UPDATE ledger SET leaf_index = leaf_index - 1000 WHERE leaf_index > 900",
                "INSERT INTO ledger SELECT log, 7, at, salt, entry, leaf_hash, chain_hash, patient_id,
                   actor_id, action, grant_id, record_id FROM ledger WHERE leaf_index = 3",
            ],
        )
        .await;
        assert_eq!(flaw(&store).await, (7, 7, Flaw::Moved));
    });
}

#[test]
fn entry_added_behind_the_end_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        raw(
            &store,
            &["INSERT INTO ledger SELECT log, 20, at, salt, entry, leaf_hash, chain_hash, patient_id,
                 actor_id, action, grant_id, record_id FROM ledger WHERE leaf_index = 3"],
        )
        .await;
        assert_eq!(flaw(&store).await, (20, 20, Flaw::Moved));
    });
}

#[test]
fn truncated_log_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..20).await;
        raw(&store, &["DELETE FROM ledger WHERE leaf_index >= 17"]).await;
        assert_eq!(flaw(&store).await, (17, 19, Flaw::Missing));
    });
}

/// Everything is rewritten so that it agrees with itself; only the signed
/// checkpoints remember.
#[test]
fn truncated_and_rewritten_log_is_caught_by_a_checkpoint() {
    for_each_engine(|store| async move {
        append(&store, 0..10).await;
        checkpoint(&store).await;
        append(&store, 10..20).await;
        checkpoint(&store).await;
        let forge = async |range: std::ops::Range<u64>| {
            raw(
                &store,
                &[
                    "DELETE FROM ledger",
                    "DELETE FROM ledger_tiles",
                    "DELETE FROM ledger_state",
                ],
            )
            .await;
            // A write that fails lets the writer forget what it remembers.
            let failed: Result<(), StoreError> = store
                .write("test.fail", |_: &mut Tx| {
                    Err(StoreError::Refused("by the test"))
                })
                .await;
            assert!(failed.is_err());
            store
                .write(
                    "test.append",
                    move |tx: &mut Tx| -> Result<(), StoreError> {
                        for n in range {
                            tx.append(Log::Trail, &entry(n))?;
                        }
                        Ok(())
                    },
                )
                .await
                .unwrap();
        };
        forge(0..17).await;
        assert_eq!(flaw(&store).await, (17, 19, Flaw::Missing));
        forge(0..25).await;
        assert_eq!(verify(&store).await.unwrap().checkpoints, 2);
        forge(1..26).await;
        assert_eq!(flaw(&store).await, (0, 9, Flaw::Checkpoint));
    });
}

#[test]
fn checkpoint_by_another_signer_is_named() {
    for_each_engine(|store| async move {
        append(&store, 0..10).await;
        checkpoint(&store).await;
        raw(
            &store,
            &["UPDATE checkpoints SET note = replace(note, 'audit', 'other')"],
        )
        .await;
        assert_eq!(flaw(&store).await, (9, 9, Flaw::Note));
    });
}

#[test]
fn damaged_tile_is_named_with_its_range() {
    for_each_engine(|store| async move {
        append(&store, 0..600).await;
        store
            .write("test.tile", |tx: &mut Tx| {
                tx.execute(
                    "UPDATE ledger_tiles SET hash = ?1 WHERE tile_index = 1",
                    params![Value::from([0u8; 32])],
                )
            })
            .await
            .unwrap_or_else(|error: StoreError| panic!("{error:?}"));
        assert_eq!(flaw(&store).await, (256, 511, Flaw::Tile));
        raw(&store, &["DELETE FROM ledger_tiles WHERE tile_index = 0"]).await;
        assert_eq!(flaw(&store).await, (0, 255, Flaw::Tile));
    });
}

#[test]
fn nothing_is_appended_to_a_log_that_lost_its_end() {
    for_each_place(|place| async move {
        let config = StoreConfig::new(place);
        let store = Store::open(&config).unwrap();
        append(&store, 0..5).await;
        raw(&store, &["DELETE FROM ledger WHERE leaf_index = 4"]).await;
        drop(store);
        let store = Store::open(&config).unwrap();
        let answer = store
            .write("test.append", |tx: &mut Tx| {
                tx.append(Log::Trail, &entry(5))
            })
            .await;
        assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    });
}
