//! Charts, claims, what the practice API keeps of accounts, and requests for
//! documents.

use chartkey_domain::document_requests::{
    DocumentRequestState as State, DocumentRequestWay as Way,
};
use chartkey_domain::ids::{ClaimId, DocumentRequestId, SyncId};
use chartkey_fhir::RecordType;
use chartkey_store::charts::{self, ChartRow, ClaimRow, UserRow};
use chartkey_store::document_requests::{self, DocumentRequestRow};
use chartkey_store::testing::for_each_engine;
use chartkey_store::{StoreError, Tx, patients};

use super::{OTHER, OWNER, PATIENT, STRANGER, account, at, patient, within};

fn chart() -> ChartRow {
    ChartRow {
        patient: PATIENT,
        opened_by: OTHER,
        email_p: Some(vec![1]),
        email_hash: Some([2; 32]),
        platform_id_p: Some(vec![3]),
        invite_hash: Some([4; 32]),
        invited_until: Some(at(100)),
        claim_auth: None,
        claim_wrap: None,
        expires_at: Some(at(200)),
        warned_at: None,
        claimed_at: None,
        created_at: at(10),
        updated_at: at(10),
    }
}

fn both(tx: &mut Tx) -> Result<(), StoreError> {
    patient(tx)?;
    chartkey_store::accounts::insert(tx, &account(OTHER, 2))
}

#[test]
fn chart_is_found_by_its_patient_its_invitation_and_who_opened_it() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            both(tx)?;
            charts::insert(tx, &chart())?;
            let found = charts::lookup(tx, PATIENT)?.unwrap();
            assert_eq!((found.opened_by, found.expires_at), (OTHER, Some(at(200))));
            assert!(charts::lookup(tx, STRANGER)?.is_none());
            assert!(charts::lookup_invited(tx, &[4; 32], at(99))?.is_some());
            assert!(charts::lookup_invited(tx, &[4; 32], at(100))?.is_none());
            assert!(charts::lookup_invited(tx, &[5; 32], at(50))?.is_none());
            assert_eq!(charts::list_opened(tx, OTHER)?.len(), 1);
            assert!(charts::list_opened(tx, OWNER)?.is_empty());
            assert_eq!(charts::list_ending(tx, at(200), 9)?.len(), 1);
            assert!(charts::list_ending(tx, at(199), 9)?.is_empty());
            // Claimed, it neither ends nor can be claimed by the old invitation.
            let claimed = ChartRow {
                claimed_at: Some(at(50)),
                claim_auth: Some([6; 32]),
                claim_wrap: Some(vec![7]),
                warned_at: Some(at(40)),
                updated_at: at(50),
                ..found
            };
            charts::update(tx, &claimed)?;
            charts::mark_claimed(tx, PATIENT)?;
            let found = charts::lookup(tx, PATIENT)?.unwrap();
            assert_eq!(
                (found.claim_auth, found.claim_wrap, found.warned_at),
                (Some([6; 32]), Some(vec![7]), Some(at(40)))
            );
            assert!(charts::lookup_invited(tx, &[4; 32], at(50))?.is_none());
            assert!(charts::list_ending(tx, at(900), 9)?.is_empty());
            assert!(patients::lookup(tx, PATIENT)?.is_some());
            Ok(())
        })
        .await;
    });
}

#[test]
fn claim_moves_on_once_and_the_others_end_with_it() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            both(tx)?;
            charts::insert(tx, &chart())?;
            let claim = |n: u8| ClaimRow {
                id: ClaimId::from_bytes([n; 16]),
                patient: PATIENT,
                account: OWNER,
                state: "asked".to_owned(),
                sealed_seed: None,
                asked_at: at(i64::from(n)),
                answered_at: None,
            };
            let (first, second) = (claim(1), claim(2));
            charts::insert_claim(tx, &first)?;
            charts::insert_claim(tx, &second)?;
            assert!(charts::lookup_claim(tx, first.id)?.is_some());
            let newest = charts::lookup_claim_by(tx, PATIENT, OWNER, "asked")?.unwrap();
            assert_eq!(newest.id, second.id);
            let move_on = |tx: &mut Tx, seed: Option<&[u8]>| {
                charts::update_claim(tx, first.id, "asked", "confirmed", seed, OTHER, at(30))
            };
            assert!(move_on(tx, Some(&[9]))?);
            assert!(!move_on(tx, None)?, "it stands elsewhere by now");
            let confirmed = charts::lookup_claim_by(tx, PATIENT, OWNER, "confirmed")?.unwrap();
            assert_eq!(
                (confirmed.sealed_seed, confirmed.answered_at),
                (Some(vec![9]), Some(at(30)))
            );
            // Seen by who claims, and by who opened the chart; newest first.
            for who in [OWNER, OTHER] {
                let ids: Vec<ClaimId> =
                    charts::list_claims(tx, who)?.iter().map(|c| c.id).collect();
                assert_eq!(ids, [second.id, first.id]);
            }
            charts::update_claim(tx, first.id, "confirmed", "done", None, OWNER, at(40))?;
            charts::end_claims(tx, PATIENT, at(41))?;
            let state = |tx: &mut Tx, id| {
                Ok::<_, StoreError>(charts::lookup_claim(tx, id)?.map(|c| c.state))
            };
            assert_eq!(state(tx, first.id)?.as_deref(), Some("done"));
            assert_eq!(state(tx, second.id)?.as_deref(), Some("refused"));
            Ok(())
        })
        .await;
    });
}

#[test]
fn what_is_kept_of_an_account_is_replaced_whole() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            both(tx)?;
            assert!(charts::lookup_user(tx, OWNER)?.is_none());
            let user = |platform: Option<u8>| UserRow {
                account: OWNER,
                platform_id_p: platform.map(|n| vec![n]),
                invited_by: Some(OTHER),
                replaced_by: None,
            };
            charts::put_user(tx, &user(Some(1)))?;
            charts::put_user(tx, &user(None))?;
            let found = charts::lookup_user(tx, OWNER)?.unwrap();
            assert_eq!((found.platform_id_p, found.invited_by), (None, Some(OTHER)));
            Ok(())
        })
        .await;
    });
}

fn request(n: u8) -> DocumentRequestRow {
    DocumentRequestRow {
        id: DocumentRequestId::from_bytes([n; 16]),
        patient: PATIENT,
        asked_by: OTHER,
        types: vec![RecordType::LabResults],
        to_p: Some(vec![n]),
        way: Way::Email,
        token_hash: [n; 32],
        words_sealed: vec![n, 1],
        message_sealed: vec![n, 2],
        sync: Some(SyncId::from_bytes([n; 16])),
        state: State::Open,
        documents: 0,
        bytes: 0,
        expires_at: at(100),
        created_at: at(i64::from(n)),
        updated_at: at(i64::from(n)),
        answered_at: None,
    }
}

#[test]
fn request_for_documents_takes_as_many_as_it_may_until_it_ends() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            both(tx)?;
            let (one, two) = (request(1), request(2));
            document_requests::insert(tx, &one)?;
            document_requests::insert(tx, &two)?;
            let found = document_requests::lookup_by_token(tx, &[1; 32])?.unwrap();
            assert_eq!(
                (found.id, found.types, found.way, found.sync),
                (one.id, one.types, Way::Email, one.sync)
            );
            assert!(document_requests::lookup_by_token(tx, &[9; 32])?.is_none());
            let ids = |rows: Vec<DocumentRequestRow>| rows.iter().map(|r| r.id).collect::<Vec<_>>();
            let newest_first = [two.id, one.id];
            assert_eq!(
                ids(document_requests::list_of_patient(tx, PATIENT, 9)?),
                newest_first
            );
            assert_eq!(
                ids(document_requests::list_of_asker(tx, OTHER, 9)?),
                newest_first
            );
            assert!(document_requests::list_of_asker(tx, OWNER, 9)?.is_empty());
            assert_eq!(document_requests::count_waiting(tx, PATIENT, at(99))?, 2);
            assert_eq!(document_requests::count_waiting(tx, PATIENT, at(100))?, 0);
            let note = |tx: &mut Tx, bytes, now| {
                document_requests::note_document(tx, one.id, bytes, (2, 10), at(now))
            };
            assert!(note(tx, 6, 20)?);
            assert!(!note(tx, 5, 21)?, "too many bytes");
            assert!(note(tx, 4, 22)?);
            assert!(!note(tx, 0, 23)?, "too many documents");
            let found = document_requests::lookup(tx, one.id)?.unwrap();
            assert_eq!(
                (found.state, found.documents, found.bytes, found.answered_at),
                (State::Answered, 2, 10, Some(at(22)))
            );
            assert!(document_requests::end(tx, one.id, State::Closed, at(25))?);
            assert!(!document_requests::end(
                tx,
                one.id,
                State::Cancelled,
                at(26)
            )?);
            let over = document_requests::list_over(tx, at(100), 9)?;
            assert_eq!(
                (over.len(), over[0].id, over[0].way),
                (1, two.id, Way::Email)
            );
            assert!(document_requests::list_over(tx, at(99), 9)?.is_empty());
            let late = document_requests::note_document(tx, two.id, 1, (9, 99), at(100))?;
            assert!(!late, "its time is over");
            Ok(())
        })
        .await;
    });
}

#[test]
fn link_of_a_request_names_one_request() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            both(tx)?;
            document_requests::insert(tx, &request(1))
        })
        .await;
        let twice = store
            .write("test.nouns", |tx: &mut Tx| {
                let same = DocumentRequestRow {
                    token_hash: [1; 32],
                    ..request(2)
                };
                document_requests::insert(tx, &same)
            })
            .await;
        assert!(matches!(twice, Err(StoreError::Unique { .. })), "{twice:?}");
    });
}
