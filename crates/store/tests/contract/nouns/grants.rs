//! Grants: terms, holds, readers of single records, ends, counts.

use chartkey_domain::ids::{AccountId, GrantId};
use chartkey_fhir::{Kind, Kinds, RecordType};
use chartkey_store::grants::GrantRow;
use chartkey_store::testing::for_each_engine;
use chartkey_store::{Tx, batches, grants, records};

use super::{
    IntoId as _, OTHER, OWNER, PATIENT, at, batch, envelope, grant, hiv_labs, imaging, labs,
    patient, record, seals, version, within,
};

const LABS: &[RecordType] = &[RecordType::LabResults];

fn stored(tx: &mut Tx, n: u8, holder: Option<AccountId>) -> GrantId {
    let row = grant(n, LABS, holder);
    let holds = [(labs(), 1, 1)];
    grants::insert(tx, &row, &[n; 8], &seals(n), &holds, &[]).unwrap();
    row.id
}

#[test]
fn grant_is_kept_as_it_was_made() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let mut row = grant(
                3,
                &[RecordType::LabResults, RecordType::Imaging],
                Some(OTHER),
            );
            row.kinds = Kinds::of(Kind::Hiv).with(Kind::Violence);
            row.by_records = true;
            let one = [4; 16].into_id();
            grants::insert(tx, &row, &[3; 8], &seals(3), &[(labs(), 1, 1)], &[one])?;
            assert_eq!(grants::lookup(tx, row.id)?.unwrap(), row);
            assert_eq!(grants::lookup_seals(tx, row.id)?.unwrap(), seals(3));
            assert_eq!(
                grants::list_cover_wraps(tx, PATIENT)?,
                [(row.id, vec![3, 3])]
            );
            assert_eq!(grants::list_records(tx, row.id)?, [one]);
            assert!(grants::lookup(tx, [9; 16].into_id())?.is_none());
            assert!(grants::lookup_seals(tx, [9; 16].into_id())?.is_none());
            Ok(())
        })
        .await;
    });
}

#[test]
fn grants_are_listed_by_patient_by_holder_and_while_they_live() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let (a, b) = (stored(tx, 3, Some(OTHER)), stored(tx, 4, None));
            let mut later = grant(5, LABS, Some(OTHER));
            later.valid_from = at(900);
            grants::insert(tx, &later, &[5; 8], &seals(5), &[], &[])?;
            let ids = |rows: Vec<grants::GrantRow>| rows.iter().map(|g| g.id).collect::<Vec<_>>();
            assert_eq!(ids(grants::list_of_patient(tx, PATIENT)?), [later.id, b, a]);
            assert_eq!(ids(grants::list_held(tx, OTHER)?), [later.id, a]);
            assert_eq!(
                ids(grants::list_held_on(tx, PATIENT, OTHER)?),
                [a, later.id]
            );
            assert_eq!(
                ids(grants::list_living(tx, PATIENT, at(100))?),
                [a, b, later.id]
            );
            assert!(grants::list_living(tx, PATIENT, at(1_000))?.is_empty());
            assert_eq!(grants::list_expired(tx, at(1_000), 2)?.len(), 2);
            assert!(grants::list_expired(tx, at(999), 9)?.is_empty());
            let expiring = grants::list_expiring(tx, at(900), at(1_000), 9)?;
            assert_eq!(expiring.len(), 3);
            grants::update_notified(tx, a, at(901))?;
            assert_eq!(grants::list_expiring(tx, at(900), at(1_000), 9)?.len(), 2);
            grants::update_expiry(tx, a, at(2_000), at(902))?;
            assert_eq!(grants::lookup(tx, a)?.unwrap().expires_at, at(2_000));
            assert_eq!(
                grants::list_expiring(tx, at(900), at(2_000), 9)?.len(),
                3,
                "to be told anew"
            );
            Ok(())
        })
        .await;
    });
}

#[test]
fn end_takes_what_opened_and_comes_once() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let (ended, lives) = (stored(tx, 3, Some(OTHER)), stored(tx, 4, None));
            let to = [
                envelope("inbox", *PATIENT.as_bytes()),
                envelope("grant", [3; 16]),
                envelope("grant", [4; 16]),
            ];
            batches::insert(tx, &batch(1, labs(), None), &to)?;
            let row = record(1, labs(), 30);
            records::insert(tx, &row)?;
            records::insert_version(tx, &version(1, 1, 1), "account")?;
            records::insert_version_envelope(tx, row.id, 1, ended, b"key")?;
            assert!(grants::end(tx, ended, "revoked", at(50))?);
            assert!(!grants::end(tx, ended, "expired", at(60))?);
            let left = grants::lookup(tx, ended)?.unwrap();
            assert_eq!(
                (left.ended_at, left.ended_reason.as_deref()),
                (Some(at(50)), Some("revoked"))
            );
            assert!(grants::lookup_seals(tx, ended)?.unwrap().keyring.is_empty());
            let envelope_to = |tx: &mut Tx, n: u8| {
                batches::lookup_envelope(tx, [1; 16].into_id(), "grant", [n; 16].into_id())
            };
            assert!(envelope_to(tx, 3)?.is_none());
            assert!(envelope_to(tx, 4)?.is_some());
            assert!(records::list_version_envelopes(tx, row.id, 1, &[ended])?.is_empty());
            grants::update_keyring(tx, ended, b"new", 2)?;
            assert!(
                grants::lookup_seals(tx, ended)?.unwrap().keyring.is_empty(),
                "none for the ended"
            );
            grants::update_keyring(tx, lives, b"new", 2)?;
            grants::update_carried(tx, lives, &[5; 8], Some(b"wrap"))?;
            grants::update_carried(tx, lives, &[6; 8], None)?;
            let seals = grants::lookup_seals(tx, lives)?.unwrap();
            assert_eq!(
                (seals.keyring, seals.cover_wrap),
                (b"new".to_vec(), b"wrap".to_vec())
            );
            Ok(())
        })
        .await;
    });
}

#[test]
fn keyring_opens_the_epoch_it_holds_and_those_before() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let id = stored(tx, 3, Some(OTHER));
            grants::insert_hold(tx, id, labs(), 1, 1)?;
            grants::insert_hold(tx, id, labs(), 1, 2)?;
            assert!(grants::holds(tx, id, labs(), 1, 2)?);
            assert!(grants::holds(tx, id, labs(), 1, 1)?);
            assert!(!grants::holds(tx, id, labs(), 1, 3)?);
            assert!(!grants::holds(tx, id, labs(), 2, 1)?);
            assert!(!grants::holds(tx, id, imaging(), 1, 1)?);
            Ok(())
        })
        .await;
    });
}

#[test]
fn extra_readers_are_living_grants_whose_kinds_take_the_record_in() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let one = record(1, labs(), 30).id;
            for (n, kinds, expires) in [
                (3, Kinds::EMPTY, 1_000),
                (4, Kinds::ALL, 1_000),
                (5, Kinds::ALL, 60),
            ] {
                let mut row = grant(n, LABS, Some(OTHER));
                row.by_records = true;
                row.kinds = kinds;
                row.expires_at = at(expires);
                grants::insert(tx, &row, &[n; 8], &seals(n), &[], &[one])?;
            }
            let readers = |tx: &mut Tx, c| grants::list_extra_readers(tx, one, c, at(60)).unwrap();
            assert_eq!(readers(tx, labs()), [[3; 16].into_id(), [4; 16].into_id()]);
            assert_eq!(readers(tx, hiv_labs()), [[4; 16].into_id()]);
            assert!(readers(tx, imaging()).is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn uses_are_counted() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let id = stored(tx, 3, Some(OTHER));
            grants::count_access(tx, id, at(70))?;
            grants::count_access(tx, id, at(71))?;
            grants::count_download(tx, id, at(72))?;
            let row = grants::lookup(tx, id)?.unwrap();
            assert_eq!((row.access_count, row.last_accessed), (2, Some(at(71))));
            assert_eq!((row.download_count, row.last_downloaded), (1, Some(at(72))));
            Ok(())
        })
        .await;
    });
}

#[test]
fn what_was_passed_on_ends_with_the_grant_it_was_passed_on_under() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let parent = grant(3, &[RecordType::LabResults], Some(OTHER));
            let child = GrantRow {
                by_records: true,
                parent: Some(parent.id),
                created_by: OTHER,
                ..grant(4, &[RecordType::LabResults], Some(OWNER))
            };
            let single = GrantRow {
                by_records: true,
                ..grant(5, &[RecordType::LabResults], Some(OTHER))
            };
            for row in [&parent, &child, &single] {
                grants::insert(tx, row, &[1; 8], &seals(1), &[], &[])?;
            }
            assert_eq!(
                grants::lookup(tx, child.id)?.unwrap().parent,
                Some(parent.id)
            );
            assert_eq!(grants::list_passed_on(tx, parent.id)?, [child.id]);
            let ids = |rows: Vec<GrantRow>| rows.iter().map(|g| g.id).collect::<Vec<_>>();
            let of_other = grants::list_single(tx, PATIENT, OTHER)?;
            assert_eq!(ids(of_other), [single.id, child.id], "held, and passed on");
            assert!(grants::end(tx, parent.id, "revoked", at(50))?);
            let ended = grants::lookup(tx, child.id)?.unwrap();
            assert_eq!(
                (ended.ended_at, ended.ended_reason.as_deref()),
                (Some(at(50)), Some("revoked"))
            );
            assert_eq!(
                grants::lookup_seals(tx, child.id)?.unwrap().keyring,
                Vec::<u8>::new()
            );
            assert!(grants::list_passed_on(tx, parent.id)?.is_empty());
            assert!(grants::lookup(tx, single.id)?.unwrap().ended_at.is_none());
            Ok(())
        })
        .await;
    });
}
