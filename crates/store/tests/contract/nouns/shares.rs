//! Links with their visits and files, and requests for access.

use chartkey_domain::requests::RequestStatus;
use chartkey_fhir::{Kinds, RecordType};
use chartkey_store::patients::{self, StatementRow};
use chartkey_store::requests::{self, RequestRow};
use chartkey_store::shares::{self, FileRow, LinkRow, ViewRow};
use chartkey_store::testing::for_each_engine;
use chartkey_store::{StoreError, Tx, grants, params};

use super::{IntoId as _, OTHER, PATIENT, STRANGER, at, grant, patient, seals, within};

fn link(tx: &mut Tx, n: u8) -> Result<LinkRow, StoreError> {
    let row = grant(n, &[RecordType::LabResults], None);
    grants::insert(tx, &row, &[n; 8], &seals(n), &[], &[])?;
    let link = LinkRow {
        grant: row.id,
        token: format!("token-{n}"),
        auth_hash: [n; 32],
        single_file: n == 4,
        passcode_hash: Some("hash".to_owned()),
        passcode_left: Some(2),
        max_accesses: Some(1),
        recipient_email_p: None,
        recipient_name_p: Some(vec![n]),
        mail_state: Some("none".to_owned()),
        created_at: at(i64::from(n)),
    };
    shares::insert(tx, &link)?;
    Ok(link)
}

#[test]
fn link_is_found_by_token_and_listed_newest_first() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let (a, b) = (link(tx, 3)?, link(tx, 4)?);
            assert_eq!(
                shares::lookup_by_token(tx, "token-3")?.unwrap().grant,
                a.grant
            );
            assert!(shares::lookup_by_token(tx, "token-9")?.is_none());
            assert!(shares::lookup(tx, b.grant)?.unwrap().single_file);
            let ids = |rows: Vec<LinkRow>| rows.iter().map(|l| l.grant).collect::<Vec<_>>();
            let both = shares::list_managed(tx, &[PATIENT, STRANGER], None, 9)?;
            assert_eq!(ids(both), [b.grant, a.grant]);
            let after = Some((at(4).as_millisecond(), b.grant));
            assert_eq!(
                ids(shares::list_managed(tx, &[PATIENT], after, 9)?),
                [a.grant]
            );
            shares::update_recipient(tx, a.grant, b"new")?;
            assert_eq!(
                shares::lookup(tx, a.grant)?
                    .unwrap()
                    .recipient_name_p
                    .unwrap(),
                b"new"
            );
            Ok(())
        })
        .await;
    });
}

#[test]
fn passcodes_are_counted_down_and_used_up_links_are_found() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let (a, b) = (link(tx, 3)?.grant, link(tx, 4)?.grant);
            assert!(shares::list_used_up(tx, at(100), 9)?.is_empty());
            assert_eq!(shares::take_try(tx, a)?, Some(1));
            shares::give_try_back(tx, a)?;
            assert_eq!(shares::take_try(tx, a)?, Some(1));
            assert_eq!(shares::take_try(tx, a)?, Some(0));
            assert_eq!(shares::take_try(tx, a)?, None);
            assert_eq!(shares::list_used_up(tx, at(100), 9)?, [(a, PATIENT)]);
            grants::count_access(tx, b, at(50))?;
            assert_eq!(
                shares::list_used_up(tx, at(49), 9)?.len(),
                1,
                "the visit lasts"
            );
            assert_eq!(shares::list_used_up(tx, at(50), 9)?.len(), 2);
            Ok(())
        })
        .await;
    });
}

#[test]
fn visit_belongs_to_its_link_and_ends() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let (a, b) = (link(tx, 3)?.grant, link(tx, 4)?.grant);
            let view = ViewRow {
                created_at: at(10),
                expires_at: at(20),
                recipient_p: Some(vec![1]),
            };
            shares::insert_view(tx, &[1; 32], a, &view)?;
            assert!(shares::has_view(tx, &[1; 32], a, at(19))?);
            assert!(!shares::has_view(tx, &[1; 32], a, at(20))?);
            assert!(!shares::has_view(tx, &[1; 32], b, at(19))?);
            assert_eq!(shares::list_views(tx, a, 9)?.len(), 1);
            Ok(())
        })
        .await;
    });
}

#[test]
fn files_go_stale_are_withdrawn_and_made_anew() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let id = link(tx, 3)?.grant;
            let file = |t: Option<RecordType>| FileRow {
                record_type: t,
                jwe: "e..x".to_owned(),
                last_updated: at(5),
            };
            let labs = Some(RecordType::LabResults);
            shares::put_file(tx, id, [1; 16], &file(labs))?;
            shares::put_file(tx, id, [2; 16], &file(None))?;
            let due = |tx: &mut _| shares::list_with_stale_files(tx, PATIENT, at(50), at(50));
            assert!(due(tx)?.is_empty());
            shares::mark_files_stale(tx, PATIENT, RecordType::LabResults)?;
            assert_eq!(due(tx)?, [id]);
            let early = shares::list_with_stale_files(tx, PATIENT, at(50), at(4))?;
            assert!(early.is_empty(), "made a moment ago");
            assert_eq!(
                shares::list_files(tx, id)?.len(),
                2,
                "out of date, and shown"
            );
            shares::withdraw_files(tx, PATIENT, RecordType::LabResults)?;
            assert!(shares::list_files(tx, id)?.is_empty());
            assert!(shares::lookup_file(tx, id, labs)?.is_none());
            shares::put_file(tx, id, [3; 16], &file(labs))?;
            assert_eq!(shares::lookup_file(tx, id, labs)?.unwrap().jwe, "e..x");
            shares::insert_ticket(tx, &[1; 32], id, labs, at(60))?;
            shares::insert_ticket(tx, &[2; 32], id, None, at(60))?;
            assert!(shares::take_ticket(tx, &[1; 32], at(60))?.is_none());
            assert_eq!(shares::take_ticket(tx, &[1; 32], at(59))?, Some((id, labs)));
            assert!(shares::take_ticket(tx, &[1; 32], at(59))?.is_none(), "once");
            assert_eq!(shares::delete_tickets(tx, at(60))?, 1);
            shares::delete_files(tx, id)?;
            assert!(shares::list_files(tx, id)?.is_empty());
            Ok(())
        })
        .await;
    });
}

#[test]
fn statement_of_a_grant_is_found_among_the_others() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            // The third in its chain, by `nouns::grant`.
            let id = link(tx, 3)?.grant;
            // What another statement says of the grant does not make it this one's.
            for (seq, kind) in [(0, "generation"), (1, "grant"), (2, "grant"), (3, "end")] {
                let statement = StatementRow {
                    seq,
                    kind: kind.to_owned(),
                    body: format!("{{\"seq\":{seq},\"grant\":\"{id}\"}}"),
                    signature: vec![1; 64],
                    cosignature: None,
                    hash: [2; 32],
                };
                patients::insert_statement(tx, PATIENT, &statement, at(5))?;
            }
            assert_eq!(shares::lookup_statement(tx, PATIENT, id)?.unwrap().seq, 2);
            assert!(shares::lookup_statement(tx, STRANGER, id)?.is_none());
            Ok(())
        })
        .await;
    });
}

fn request(n: u8) -> RequestRow {
    RequestRow {
        id: [n; 16].into_id(),
        patient: PATIENT,
        asker: OTHER,
        types: vec![RecordType::LabResults],
        kinds: Kinds::EMPTY,
        write_types: Vec::new(),
        purpose: "TREAT".to_owned(),
        message_sealed: None,
        wanted_until: Some(at(900)),
        status: RequestStatus::Pending.as_str().to_owned(),
        grant: None,
        beneficiary: Some(OTHER),
        record: Some([4; 16].into_id()),
        created_at: at(30),
        answered_at: None,
    }
}

#[test]
fn requests_that_wait_are_counted_by_an_index_that_speaks_their_word() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            for n in 5..8 {
                requests::insert(tx, &request(n))?;
            }
            assert_eq!(requests::count_waiting(tx, PATIENT, OTHER, at(29))?, 3);
            assert!(requests::answer(
                tx,
                request(5).id,
                "denied",
                None,
                at(40)
            )?);
            assert_eq!(requests::count_waiting(tx, PATIENT, OTHER, at(29))?, 2);
            // Whichever engine it is, its own catalogue tells the predicate.
            let told = |tx: &mut Tx, sql: &str| {
                tx.savepoint(|tx| tx.query(sql, params![], |row| row.get::<String>(0)))
            };
            let indexes = told(
                tx,
                "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'access_requests' AND sql IS NOT NULL",
            )
            .or_else(|_| {
                told(
                    tx,
                    "SELECT indexdef FROM pg_indexes
                     WHERE schemaname = current_schema() AND tablename = 'access_requests'",
                )
            })?;
            let partial: Vec<&String> = indexes.iter().filter(|i| i.contains("WHERE")).collect();
            let [waiting] = partial.as_slice() else {
                panic!("one partial index: {partial:?}");
            };
            let word = format!("'{}'", RequestStatus::Pending.as_str());
            assert!(waiting.contains(&word), "{waiting}");
            Ok(())
        })
        .await;
    });
}

#[test]
fn request_is_answered_once() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let request = request(5);
            requests::insert(tx, &request)?;
            assert_eq!(requests::count_waiting(tx, PATIENT, OTHER, at(29))?, 1);
            assert_eq!(requests::count_waiting(tx, PATIENT, OTHER, at(30))?, 0);
            let waiting = requests::list_of_patient(tx, PATIENT, 9)?;
            assert_eq!(waiting.len(), 1);
            assert_eq!(
                (waiting[0].beneficiary, waiting[0].record),
                (request.beneficiary, request.record)
            );
            assert_eq!(requests::list_of_asker(tx, OTHER, 9)?.len(), 1);
            assert!(requests::answer(tx, request.id, "denied", None, at(40))?);
            assert!(!requests::answer(tx, request.id, "approved", None, at(41))?);
            let row = requests::lookup(tx, request.id)?.unwrap();
            assert_eq!(
                (row.status.as_str(), row.answered_at),
                ("denied", Some(at(40)))
            );
            Ok(())
        })
        .await;
    });
}
