//! Patients: generations, managers, chains, epochs, staleness.

use chartkey_store::patients::{self, EpochRow, StatementRow};
use chartkey_store::testing::for_each_engine;

use super::{
    OTHER, OWNER, PATIENT, STRANGER, at, batch, grant, imaging, labs, patient, seals, within,
};
use chartkey_fhir::RecordType;
use chartkey_store::{StoreError, batches, grants};

fn statement(seq: u64, kind: &str) -> StatementRow {
    StatementRow {
        seq,
        kind: kind.to_owned(),
        body: format!("{{\"seq\":{seq}}}"),
        signature: vec![1; 64],
        cosignature: (seq == 0).then(|| vec![2; 64]),
        hash: [u8::try_from(seq).unwrap(); 32],
    }
}

#[test]
fn patient_has_an_owner_a_generation_and_managers() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            assert!(patients::lookup(tx, STRANGER)?.is_none());
            let row = patients::lookup(tx, PATIENT)?.unwrap();
            assert_eq!(
                (row.owner, row.generation, row.grants_version),
                (Some(OWNER), 1, 1)
            );
            assert!(row.assisted_access);
            patients::update_assisted_access(tx, PATIENT, false)?;
            assert_eq!(patients::bump_version(tx, PATIENT)?, 2);
            patients::update_generation(tx, PATIENT, 2)?;
            let row = patients::lookup(tx, PATIENT)?.unwrap();
            assert_eq!((row.generation, row.assisted_access), (2, false));
            patients::insert_manager(tx, PATIENT, OWNER, 2, b"seed", "owner", at(30))?;
            patients::insert_manager(tx, PATIENT, OTHER, 2, b"other", "delegate", at(31))?;
            assert_eq!(patients::list_managers(tx, PATIENT)?, [OWNER, OTHER]);
            assert_eq!(patients::list_managed(tx, OTHER)?, [row]);
            assert_eq!(
                patients::lookup_seed(tx, PATIENT, OTHER)?.unwrap(),
                b"other"
            );
            assert!(patients::lookup_seed(tx, STRANGER, OTHER)?.is_none());
            patients::delete_managers(tx, PATIENT)?;
            assert!(patients::list_managers(tx, PATIENT)?.is_empty());
            patients::insert_older_seed(tx, PATIENT, 1, b"one")?;
            patients::insert_older_seed(tx, PATIENT, 2, b"two")?;
            let older = patients::list_older_seeds(tx, PATIENT)?;
            assert_eq!(older, [(2, b"two".to_vec()), (1, b"one".to_vec())]);
            assert_eq!(patients::lookup_name(tx, PATIENT)?, None);
            Ok(())
        })
        .await;
    });
}

#[test]
fn chain_has_one_statement_at_a_place() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            assert!(patients::lookup_newest_statement(tx, PATIENT, None)?.is_none());
            for (seq, kind) in [(0, "generation"), (1, "grant"), (2, "end")] {
                patients::insert_statement(tx, PATIENT, &statement(seq, kind), at(30))?;
            }
            let all = patients::list_statements(tx, PATIENT)?;
            assert_eq!(all.len(), 3);
            assert_eq!(all[0], statement(0, "generation"));
            let newest = patients::lookup_newest_statement(tx, PATIENT, None)?.unwrap();
            assert_eq!(newest.seq, 2);
            let of_kind = patients::lookup_newest_statement(tx, PATIENT, Some("generation"))?;
            assert_eq!(of_kind.unwrap().seq, 0);
            assert!(patients::lookup_newest_statement(tx, PATIENT, Some("terms"))?.is_none());
            Ok(())
        })
        .await;
        let again: Result<(), StoreError> = store
            .write("test.nouns", |tx| {
                patients::insert_statement(tx, PATIENT, &statement(2, "end"), at(31))
            })
            .await;
        assert!(
            again
                .unwrap_err()
                .is_unique("patient_statements", &["patient_id", "seq"])
        );
    });
}

#[test]
fn epochs_count_up_within_a_generation_and_link_back() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            assert_eq!(patients::current_epoch(tx, PATIENT, labs(), 1)?, 1);
            for (generation, n, previous) in [(1, 2, (1, 1)), (1, 3, (1, 2)), (2, 1, (1, 3))] {
                let epoch = EpochRow {
                    compartment: labs(),
                    generation,
                    n,
                    previous,
                    previous_wrapped: vec![u8::try_from(n).unwrap()],
                };
                patients::insert_epoch(tx, PATIENT, &epoch, at(40))?;
            }
            let other = EpochRow {
                compartment: imaging(),
                generation: 2,
                n: 1,
                previous: (1, 1),
                previous_wrapped: vec![9],
            };
            patients::insert_epoch(tx, PATIENT, &other, at(40))?;
            assert_eq!(patients::current_epoch(tx, PATIENT, labs(), 1)?, 3);
            assert_eq!(patients::current_epoch(tx, PATIENT, labs(), 2)?, 1);
            assert_eq!(patients::current_epoch(tx, PATIENT, imaging(), 1)?, 1);
            let listed = patients::list_epochs(tx, PATIENT)?;
            let of_labs: Vec<_> = listed
                .iter()
                .filter(|e| e.compartment == labs())
                .map(|e| (e.generation, e.n, e.previous))
                .collect();
            assert_eq!(of_labs, [(1, 2, (1, 1)), (1, 3, (1, 2)), (2, 1, (1, 3))]);
            assert!(listed.contains(&other));
            Ok(())
        })
        .await;
    });
}

#[test]
fn compartment_is_stale_where_an_ended_grant_holds_its_current_epoch() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            batches::insert(tx, &batch(1, labs(), Some((1, 1))), &[])?;
            batches::insert(tx, &batch(2, labs(), None), &[])?;
            assert_eq!(patients::list_compartments(tx, PATIENT)?, [labs()]);
            let row = grant(3, &[RecordType::LabResults], Some(OTHER));
            grants::insert(tx, &row, &[3; 8], &seals(3), &[(labs(), 1, 1)], &[])?;
            let stale = |tx: &mut chartkey_store::Tx, epoch, secs| {
                patients::is_stale(tx, PATIENT, labs(), epoch, at(secs))
            };
            assert!(!stale(tx, (1, 1), 999)?);
            assert!(stale(tx, (1, 1), 1_000)?, "the very moment it expires");
            assert!(!stale(tx, (1, 2), 1_000)?, "a newer epoch was never held");
            assert!(grants::end(tx, row.id, "revoked", at(50))?);
            assert!(stale(tx, (1, 1), 51)?);
            assert!(!patients::is_stale(tx, PATIENT, imaging(), (1, 1), at(51))?);
            Ok(())
        })
        .await;
    });
}
