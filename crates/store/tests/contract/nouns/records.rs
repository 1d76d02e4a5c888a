//! Records, versions, batches: lists within a permit, moves, deletions.

use chartkey_domain::ids::RecordId;
use chartkey_fhir::{Kinds, RecordType};
use chartkey_store::records::{self, Filter, RecordRow};
use chartkey_store::testing::for_each_engine;
use chartkey_store::{StoreError, Tx, batches, blobs, grants};

use super::{
    IntoId as _, OTHER, PATIENT, STRANGER, at, batch, envelope, facts, grant, hiv_labs, holders,
    imaging, labs, managers, one, patient, record, seals, version, within,
};

fn stored(tx: &mut Tx, row: &RecordRow, in_batch: u8) -> Result<(), StoreError> {
    records::insert(tx, row)?;
    records::insert_version(tx, &version(row.id.as_bytes()[0], 1, in_batch), "account")
}

fn ids(rows: &[(RecordRow, records::VersionRow)]) -> Vec<u8> {
    rows.iter().map(|(row, _)| row.id.as_bytes()[0]).collect()
}

fn page(limit: u32) -> Filter {
    Filter {
        limit,
        ..Filter::default()
    }
}

/// Labs 1 and 2, imaging 3, HIV labs 4 by another author, supporting 5; 2 to 5
/// were stored in the same millisecond.
fn shelf(tx: &mut Tx) -> Result<(), StoreError> {
    patient(tx)?;
    batches::insert(tx, &batch(1, labs(), Some((1, 1))), &[])?;
    batches::insert(tx, &batch(3, imaging(), None), &[])?;
    batches::insert(tx, &batch(4, hiv_labs(), None), &[])?;
    stored(tx, &record(1, labs(), 30), 1)?;
    stored(tx, &record(2, labs(), 40), 1)?;
    stored(tx, &record(3, imaging(), 40), 3)?;
    let mut other = record(4, hiv_labs(), 40);
    other.author = Some(OTHER);
    other.source = "provider".to_owned();
    stored(tx, &other, 4)?;
    let mut hidden = record(5, labs(), 40);
    hidden.supporting = true;
    stored(tx, &hidden, 1)
}

#[test]
fn manager_lists_everything_newest_first_page_by_page() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            shelf(tx)?;
            let all = records::list(tx, &managers(), &page(9))?;
            assert_eq!(ids(&all), [4, 3, 2, 1]);
            assert_eq!(all[0].1.body, None, "bodies only where asked for");
            let mut after = None;
            let mut walked = Vec::new();
            loop {
                let filter = Filter {
                    after,
                    with_body: true,
                    ..page(1)
                };
                let Some((row, found)) = records::list(tx, &managers(), &filter)?.pop() else {
                    break;
                };
                assert!(found.body.is_some());
                after = Some((row.updated_at.as_millisecond(), row.id));
                walked.push(row.id.as_bytes()[0]);
            }
            assert_eq!(walked, [4, 3, 2, 1], "records of one moment come once each");
            let supporting = Filter {
                supporting: true,
                ..page(9)
            };
            assert_eq!(
                ids(&records::list(tx, &managers(), &supporting)?),
                [5, 4, 3, 2, 1]
            );
            let typed = Filter {
                record_type: Some(RecordType::Imaging),
                ..page(9)
            };
            assert_eq!(ids(&records::list(tx, &managers(), &typed)?), [3]);
            let sourced = Filter {
                source: Some("provider".to_owned()),
                ..page(9)
            };
            assert_eq!(ids(&records::list(tx, &managers(), &sourced)?), [4]);
            let named = |records: Vec<RecordId>| Filter {
                records: Some(records),
                ..page(9)
            };
            let two = named(vec![[1; 16].into_id(), [3; 16].into_id()]);
            assert_eq!(ids(&records::list(tx, &managers(), &two)?), [3, 1]);
            assert!(records::list(tx, &managers(), &named(Vec::new()))?.is_empty());
            let mut counts = records::count(tx, &managers())?;
            counts.sort_by_key(|(c, _)| c.name());
            assert_eq!(counts, [(imaging(), 1), (labs(), 2), (hiv_labs(), 1)]);
            Ok(())
        })
        .await;
    });
}

#[test]
fn holder_lists_what_grants_cover_and_what_they_wrote() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            shelf(tx)?;
            let whole = grant(3, &[RecordType::LabResults], Some(OTHER));
            let permit = holders(vec![facts(&whole, None)]);
            assert_eq!(
                ids(&records::list(tx, &permit, &page(9))?),
                [4, 2, 1],
                "4 they wrote"
            );
            let mut other = whole.clone();
            other.id = [6; 16].into_id();
            other.types = vec![RecordType::Imaging];
            let permit = holders(vec![facts(&whole, None), facts(&other, None)]);
            assert_eq!(ids(&records::list(tx, &permit, &page(9))?), [4, 3, 2, 1]);
            let mut single = grant(
                7,
                &[RecordType::LabResults, RecordType::Imaging],
                Some(OTHER),
            );
            single.by_records = true;
            single.kinds = Kinds::ALL;
            let named: Vec<RecordId> = vec![[1; 16].into_id()];
            grants::insert(tx, &single, &[7; 8], &seals(7), &[], &named)?;
            let permit = holders(vec![facts(&single, Some(named))]);
            assert_eq!(ids(&records::list(tx, &permit, &page(9))?), [4, 1]);
            assert_eq!(records::count(tx, &permit)?.len(), 2);
            let mut write_only = grant(8, &[], Some(OTHER));
            write_only.write_types = vec![RecordType::Diet];
            let permit = holders(vec![facts(&write_only, None)]);
            assert_eq!(ids(&records::list(tx, &permit, &page(9))?), [4]);
            Ok(())
        })
        .await;
    });
}

#[test]
fn versions_follow_each_other() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            shelf(tx)?;
            let row = record(1, labs(), 30);
            assert!(!records::update_version(
                tx,
                PATIENT,
                row.id,
                3,
                labs(),
                at(50)
            )?);
            assert!(!records::update_version(
                tx,
                STRANGER,
                row.id,
                2,
                labs(),
                at(50)
            )?);
            assert!(records::update_version(
                tx,
                PATIENT,
                row.id,
                2,
                hiv_labs(),
                at(50)
            )?);
            records::insert_version(tx, &version(1, 2, 4), "grantee")?;
            let known = records::lookup(tx, row.id)?.unwrap();
            assert_eq!(
                (known.version, known.compartment, known.updated_at),
                (2, hiv_labs(), at(50))
            );
            let permit = one(&known);
            let newest = records::lookup_version(tx, &permit, None)?.unwrap().1;
            assert_eq!((newest.version, newest.body.is_some()), (2, true));
            assert_eq!(
                records::lookup_version(tx, &permit, Some(1))?
                    .unwrap()
                    .1
                    .version,
                1
            );
            assert!(records::lookup_version(tx, &permit, Some(3))?.is_none());
            assert!(
                records::lookup_version(tx, &managers(), None)?.is_none(),
                "no permit for one record"
            );
            let versions = records::list_versions(tx, &permit)?;
            assert_eq!(
                versions.iter().map(|v| v.version).collect::<Vec<_>>(),
                [2, 1]
            );
            assert!(records::list_versions(tx, &managers())?.is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn record_is_found_by_its_tag_within_its_patient() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            shelf(tx)?;
            let (row, found) = records::lookup_by_tag(tx, PATIENT, &[2; 32])?.unwrap();
            assert_eq!((row.id, found.version), (record(2, labs(), 0).id, 1));
            assert!(records::lookup_by_tag(tx, STRANGER, &[2; 32])?.is_none());
            Ok(())
        })
        .await;
        let twice: Result<(), StoreError> = store
            .write("test.nouns", |tx| {
                let mut again = record(9, labs(), 50);
                again.identity_tag = Some([2; 32]);
                records::insert(tx, &again)
            })
            .await;
        let columns = ["patient_id", "identity_tag", "compartment"];
        assert!(twice.unwrap_err().is_unique("records", &columns));
    });
}

#[test]
fn deletion_leaves_a_tombstone_and_no_empty_batch() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            shelf(tx)?;
            let (first, blob) = (record(1, labs(), 30), [0xb; 16]);
            blobs::insert(tx, blob, *PATIENT.as_bytes(), 5, 1)?;
            assert!(blobs::update_finished(tx, blob, 5)?);
            assert!(records::update_version(
                tx,
                PATIENT,
                first.id,
                2,
                labs(),
                at(50)
            )?);
            let mut large = version(1, 2, 1);
            large.body = None;
            large.blob = Some(blob.into_id());
            records::insert_version(tx, &large, "account")?;
            let of_blob = records::lookup_by_blob(tx, blob.into_id())?.unwrap();
            assert_eq!((of_blob.0.id, of_blob.1.version), (first.id, 2));
            assert!(!blobs::withdraw(tx, blob)?, "it is named");
            assert!(
                records::delete(tx, STRANGER, first.id, at(60))?.is_empty(),
                "not theirs"
            );
            assert_eq!(
                records::delete(tx, PATIENT, first.id, at(60))?,
                [blob.into_id()]
            );
            assert!(records::delete(tx, PATIENT, first.id, at(61))?.is_empty());
            assert!(blobs::withdraw(tx, blob)?);
            let tombstone = records::lookup(tx, first.id)?.unwrap();
            assert_eq!(
                (tombstone.deleted_at, tombstone.identity_tag),
                (Some(at(60)), None)
            );
            assert!(records::lookup_version(tx, &one(&first), None)?.is_none());
            assert!(
                batches::lookup(tx, PATIENT, [1; 16].into_id())?.is_some(),
                "2 lies in it"
            );
            records::delete(tx, PATIENT, [3; 16].into_id(), at(62))?;
            assert!(batches::lookup(tx, PATIENT, [3; 16].into_id())?.is_none());
            assert_eq!(ids(&records::list(tx, &managers(), &page(9))?), [4, 2]);
            Ok(())
        })
        .await;
    });
}

#[test]
fn blob_is_the_body_of_one_version_only() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            shelf(tx)?;
            blobs::insert(tx, [0xb; 16], *PATIENT.as_bytes(), 5, 1)?;
            let mut large = version(1, 2, 1);
            large.blob = Some([0xb; 16].into_id());
            records::insert_version(tx, &large, "account")
        })
        .await;
        let stolen: Result<(), StoreError> = store
            .write("test.nouns", |tx| {
                let mut large = version(2, 2, 1);
                large.blob = Some([0xb; 16].into_id());
                records::insert_version(tx, &large, "grantee")
            })
            .await;
        assert!(stolen.unwrap_err().is_unique("versions", &["blob_id"]));
    });
}

#[test]
fn move_takes_every_version_along() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            shelf(tx)?;
            let row = record(3, imaging(), 40);
            records::delete_versions(tx, row.id)?;
            records::update_compartment(tx, PATIENT, row.id, hiv_labs(), at(70))?;
            records::insert_version(tx, &version(3, 1, 4), "account")?;
            let moved = records::lookup(tx, row.id)?.unwrap();
            assert_eq!((moved.compartment, moved.version), (hiv_labs(), 1));
            assert!(batches::lookup(tx, PATIENT, [3; 16].into_id())?.is_none());
            Ok(())
        })
        .await;
    });
}

#[test]
fn version_key_is_handed_to_its_grant_alone() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            shelf(tx)?;
            for n in [3, 4] {
                let row = grant(n, &[RecordType::LabResults], Some(OTHER));
                grants::insert(tx, &row, &[n; 8], &seals(n), &[], &[])?;
                records::insert_version_envelope(tx, [1; 16].into_id(), 1, row.id, &[n])?;
            }
            let to = |tx: &mut Tx, grants: &[_]| {
                records::list_version_envelopes(tx, [1; 16].into_id(), 1, grants)
            };
            assert_eq!(
                to(tx, &[[3; 16].into_id()])?,
                [([3; 16].into_id(), vec![3])]
            );
            assert!(to(tx, &[])?.is_empty());
            assert!(to(tx, &[[9; 16].into_id()])?.is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn adoption_drops_what_the_keyring_opens_and_keeps_the_authors() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            for (n, holds) in [(3, vec![(labs(), 1, 1)]), (4, vec![])] {
                let row = grant(n, &[RecordType::LabResults], Some(OTHER));
                grants::insert(tx, &row, &[n; 8], &seals(n), &holds, &[])?;
            }
            let to = [
                envelope("inbox", *PATIENT.as_bytes()),
                envelope("grant", [3; 16]),
                envelope("grant", [4; 16]),
                envelope("account", *OTHER.as_bytes()),
            ];
            batches::insert(tx, &batch(1, labs(), None), &to)?;
            batches::insert(tx, &batch(2, imaging(), None), &[])?;
            assert_eq!(batches::count_unadopted(tx, PATIENT, None)?, 2);
            assert_eq!(batches::count_unadopted(tx, PATIENT, Some(labs()))?, 1);
            assert_eq!(batches::list_unadopted(tx, PATIENT, 1)?.len(), 1);
            let id = [1; 16].into_id();
            assert!(!batches::adopt(tx, STRANGER, id, (1, 1), b"wrapped")?);
            assert!(batches::adopt(tx, PATIENT, id, (1, 1), b"wrapped")?);
            assert!(!batches::adopt(tx, PATIENT, id, (1, 1), b"again")?);
            let row = batches::lookup(tx, PATIENT, id)?.unwrap();
            assert_eq!(
                (row.epoch, row.wrapped.as_deref()),
                (Some((1, 1)), Some(&b"wrapped"[..]))
            );
            assert!(batches::lookup(tx, STRANGER, id)?.is_none());
            let mut has = |kind, to: [u8; 16]| {
                batches::lookup_envelope(tx, id, kind, to.into_id())
                    .unwrap()
                    .is_some()
            };
            assert!(!has("inbox", *PATIENT.as_bytes()));
            assert!(!has("grant", [3; 16]));
            assert!(has("grant", [4; 16]));
            assert!(has("account", *OTHER.as_bytes()));
            assert!(!batches::set_aside(tx, PATIENT, id)?, "it is adopted");
            assert!(batches::set_aside(tx, PATIENT, [2; 16].into_id())?);
            assert_eq!(batches::count_unadopted(tx, PATIENT, None)?, 0);
            assert_eq!(
                batches::lookup(tx, PATIENT, [2; 16].into_id())?
                    .unwrap()
                    .wrapped,
                None
            );
            Ok(())
        })
        .await;
    });
}
