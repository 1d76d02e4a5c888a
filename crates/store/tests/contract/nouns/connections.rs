//! Connections, the patients on them, and their tokens.

use chartkey_domain::connections::{ConnectionKind, Direction};
use chartkey_domain::ids::{ConnectionId, PatientId};
use chartkey_domain::sync::LinkState;
use chartkey_fhir::{Kind, Kinds, RecordType};
use chartkey_store::connections::{self, AttachmentRow, ConnectionRow};
use chartkey_store::testing::for_each_engine;
use chartkey_store::{StoreError, Tx};

use super::{OWNER, PATIENT, STRANGER, at, patient, within};

pub const SOURCE: ConnectionId = ConnectionId::from_bytes([31; 16]);
pub const DESTINATION: ConnectionId = ConnectionId::from_bytes([32; 16]);

pub fn connection(id: ConnectionId, direction: Direction) -> ConnectionRow {
    ConnectionRow {
        id,
        owner: OWNER,
        direction,
        kind: ConnectionKind::Fhir,
        name_p: vec![1],
        base_url_p: vec![2],
        host_hash: [3; 32],
        auth: "bearer".to_owned(),
        credentials_p: vec![4],
        settings: "{}".to_owned(),
        schedule: "daily".to_owned(),
        state: LinkState::Ok,
        problem: None,
        hands_off: false,
        secret_p: vec![5],
        public_key: Some(vec![6]),
        discovered_p: None,
        discovered_at: None,
        created_at: at(1),
        updated_at: at(1),
    }
}

pub fn attachment(connection: ConnectionId, next_due: Option<i64>) -> AttachmentRow {
    AttachmentRow {
        connection,
        patient: PATIENT,
        remote_p: Some(vec![7]),
        types: vec![RecordType::LabResults],
        kinds: Kinds::of(Kind::Hiv),
        authorization_p: Some(vec![8]),
        attached_by: OWNER,
        grant: None,
        statement: Some(("{}".to_owned(), vec![9; 64])),
        state: LinkState::Ok,
        problem: None,
        next_due: next_due.map(at),
        last_run_at: None,
        last_full_at: None,
        cursors: "{}".to_owned(),
        created_at: at(2),
    }
}

/// A patient on a source and on a destination.
pub fn connected(tx: &mut Tx) -> Result<(), StoreError> {
    patient(tx)?;
    for (id, direction) in [
        (SOURCE, Direction::Source),
        (DESTINATION, Direction::Destination),
    ] {
        connections::insert(tx, &connection(id, direction))?;
        connections::attach(tx, &attachment(id, None))?;
    }
    Ok(())
}

#[test]
fn connection_is_kept_changed_and_deleted_with_what_hangs_on_it() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            connected(tx)?;
            let mut row = connections::lookup(tx, SOURCE)?.unwrap();
            assert_eq!(row, connection(SOURCE, Direction::Source));
            assert_eq!(connections::list(tx, OWNER)?.len(), 2);
            row.settings = "{\"a\":1}".to_owned();
            row.discovered_p = Some(vec![9]);
            row.discovered_at = Some(at(5));
            row.updated_at = at(5);
            connections::update(tx, &row)?;
            assert_eq!(connections::lookup(tx, SOURCE)?.unwrap(), row);
            let attention = LinkState::NeedsAttention;
            let say = |tx: &mut Tx| {
                connections::update_state(tx, SOURCE, attention, Some("connection.auth"), at(6))
            };
            assert!(say(tx)?);
            assert!(!say(tx)?, "it is no news twice");
            connections::update_discovered(tx, SOURCE, b"new", at(7))?;
            connections::update_credentials(tx, SOURCE, b"other")?;
            assert_eq!(
                connections::lookup(tx, SOURCE)?.unwrap().credentials_p,
                b"other"
            );
            connections::update_hands_off(tx, SOURCE, true)?;
            let found = connections::lookup(tx, SOURCE)?.unwrap();
            assert_eq!(
                (found.state, found.problem.as_deref(), found.hands_off),
                (attention, Some("connection.auth"), true)
            );
            assert_eq!(
                (found.discovered_p.as_deref(), found.discovered_at),
                (Some(&b"new"[..]), Some(at(7)))
            );
            connections::update_token(tx, SOURCE, PATIENT, b"token", at(8))?;
            assert!(connections::delete(tx, SOURCE)?);
            assert!(!connections::delete(tx, SOURCE)?);
            assert!(connections::lookup_attachment(tx, SOURCE, PATIENT)?.is_none());
            assert!(connections::lookup_token(tx, SOURCE, PATIENT)?.is_none());
            Ok(())
        })
        .await;
    });
}

#[test]
fn patient_on_a_connection_is_there_once_and_due_in_time() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            connected(tx)?;
            let found = connections::lookup_attachment(tx, SOURCE, PATIENT)?.unwrap();
            assert_eq!(found, attachment(SOURCE, None));
            assert_eq!(connections::next_due(tx)?, None);
            // Put there again, how they are there is replaced, and what was walked stays.
            connections::update_walked(tx, SOURCE, PATIENT, "{\"q\":1}", true, at(20))?;
            let again = AttachmentRow {
                types: Vec::new(),
                statement: None,
                ..attachment(SOURCE, Some(30))
            };
            connections::attach(tx, &again)?;
            let found = connections::lookup_attachment(tx, SOURCE, PATIENT)?.unwrap();
            assert_eq!(
                (
                    found.types.len(),
                    found.statement,
                    found.cursors.as_str(),
                    found.last_full_at
                ),
                (0, None, "{\"q\":1}", Some(at(20)))
            );
            assert_eq!(connections::next_due(tx)?, Some(at(30)));
            assert_eq!(connections::list_due(tx, at(30), 9)?.len(), 1);
            assert!(connections::list_due(tx, at(29), 9)?.is_empty());
            connections::update_next_due(tx, SOURCE, PATIENT, Some(at(40)))?;
            assert!(connections::list_due(tx, at(39), 9)?.is_empty());
            connections::update_all_due(tx, DESTINATION, Some(at(35)))?;
            let (due, on) = connections::list_due(tx, at(50), 1)?.remove(0);
            assert_eq!(
                (due.id, on.patient),
                (DESTINATION, PATIENT),
                "the longest due first"
            );
            connections::update_walked(tx, SOURCE, PATIENT, "{}", false, at(45))?;
            let walked = connections::lookup_attachment(tx, SOURCE, PATIENT)?.unwrap();
            assert_eq!(
                (walked.last_run_at, walked.last_full_at),
                (Some(at(45)), Some(at(20)))
            );
            connections::update_remote(tx, SOURCE, PATIENT, b"there")?;
            let say = |tx: &mut Tx| {
                let paused = LinkState::Paused;
                connections::update_attachment_state(
                    tx,
                    SOURCE,
                    PATIENT,
                    paused,
                    Some("grant.ended"),
                )
            };
            assert!(say(tx)?);
            assert!(!say(tx)?);
            let found = connections::lookup_attachment(tx, SOURCE, PATIENT)?.unwrap();
            assert_eq!(
                (
                    found.remote_p.as_deref(),
                    found.state,
                    found.problem.as_deref()
                ),
                (Some(&b"there"[..]), LinkState::Paused, Some("grant.ended"))
            );
            Ok(())
        })
        .await;
    });
}

#[test]
fn patients_connections_are_listed_by_direction_and_connections_patients_by_page() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            connected(tx)?;
            let ids = |rows: Vec<(ConnectionRow, AttachmentRow)>| {
                rows.into_iter().map(|(c, _)| c.id).collect::<Vec<_>>()
            };
            let all = connections::list_of_patient(tx, PATIENT, None)?;
            assert_eq!(ids(all), [SOURCE, DESTINATION]);
            let only = Some(Direction::Destination);
            let some = connections::list_of_patient(tx, PATIENT, only)?;
            assert_eq!(ids(some), [DESTINATION]);
            assert!(connections::list_of_patient(tx, STRANGER, None)?.is_empty());
            let on = connections::list_attachments(tx, SOURCE, PatientId::NIL, 9)?;
            assert_eq!(on.len(), 1);
            assert!(connections::list_attachments(tx, SOURCE, PATIENT, 9)?.is_empty());
            assert!(connections::detach(tx, SOURCE, PATIENT)?);
            assert!(!connections::detach(tx, SOURCE, PATIENT)?);
            Ok(())
        })
        .await;
    });
}

#[test]
fn one_refreshes_a_token_while_the_others_wait() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            connected(tx)?;
            let take = |tx: &mut Tx, by: u8, now: i64| {
                connections::take_turn(tx, SOURCE, PATIENT, [by; 16], at(now), at(now + 10))
            };
            assert!(take(tx, 1, 10)?);
            assert!(!take(tx, 2, 19)?, "the first has the turn");
            assert!(take(tx, 2, 20)?, "whoever took too long lost it");
            connections::give_turn_back(tx, SOURCE, PATIENT, [1; 16], true, at(21))?;
            let kept = connections::lookup_token(tx, SOURCE, PATIENT)?;
            assert_eq!(
                kept,
                Some((None, false)),
                "nobody gives another's turn back"
            );
            connections::update_token(tx, SOURCE, PATIENT, b"token", at(22))?;
            let kept = connections::lookup_token(tx, SOURCE, PATIENT)?;
            assert_eq!(kept, Some((Some(b"token".to_vec()), false)));
            assert!(take(tx, 3, 23)?, "storing gave it back");
            connections::give_turn_back(tx, SOURCE, PATIENT, [3; 16], true, at(24))?;
            let kept = connections::lookup_token(tx, SOURCE, PATIENT)?;
            assert_eq!(kept, Some((None, true)), "lapsed, the token is forgotten");
            connections::delete_tokens(tx, SOURCE)?;
            assert_eq!(connections::lookup_token(tx, SOURCE, PATIENT)?, None);
            Ok(())
        })
        .await;
    });
}
