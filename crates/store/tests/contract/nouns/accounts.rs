//! Accounts, their chains, sessions and tokens.

use chartkey_domain::ids::AccountId;
use chartkey_store::accounts::{self, PasswordWayIn};
use chartkey_store::patients::{self, StatementRow};
use chartkey_store::sessions::{self, Rotation, SessionRow};
use chartkey_store::testing::for_each_engine;
use chartkey_store::tokens::{self, TokenRow};
use chartkey_store::{StoreError, Tx};

use super::{IntoId as _, OTHER, OWNER, PATIENT, account, at, patient, within};

#[test]
fn address_may_be_tried_by_many_and_is_verified_by_one() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            accounts::insert(tx, &account(OWNER, 1))?;
            accounts::insert(tx, &account(OTHER, 1))?;
            assert_eq!(accounts::list_by_email(tx, &[1; 32])?.len(), 2);
            accounts::verify_email(tx, OWNER, at(11))?;
            let row = accounts::lookup(tx, OWNER)?.unwrap();
            assert_eq!(
                (row.status.as_str(), row.email_verified_at),
                ("active", Some(at(11)))
            );
            assert_eq!(row.kdf, Some((65_536, 3, 1)));
            assert_eq!(accounts::count(tx, "patient")?, 2);
            assert_eq!(accounts::count(tx, "admin")?, 0);
            Ok(())
        })
        .await;
        let second: Result<(), StoreError> = store
            .write("test.nouns", |tx| accounts::verify_email(tx, OTHER, at(12)))
            .await;
        assert!(second.unwrap_err().is_unique("accounts", &["email_hash"]));
    });
}

#[test]
fn account_changes_what_was_meant_and_is_listed_in_order() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            let mut provider = account(OTHER, 2);
            provider.kind = "provider".to_owned();
            provider.verification = "pending".to_owned();
            accounts::insert(tx, &provider)?;
            let way_in = PasswordWayIn {
                kdf: (70_000, 4, 1),
                auth_hash: [9; 32],
                wrapped_seed: b"new",
            };
            accounts::update_password(tx, OWNER, &way_in, at(30))?;
            assert!(!accounts::update_recovery(
                tx,
                OWNER,
                &[6; 32],
                &[7; 32],
                b"r",
                at(31)
            )?);
            assert!(accounts::update_recovery(
                tx,
                OWNER,
                &[5; 32],
                &[7; 32],
                b"r",
                at(31)
            )?);
            accounts::update_profile(tx, OWNER, b"name", Some(b"{}"), at(32))?;
            assert!(accounts::update_status(tx, OWNER, "disabled", at(33))?);
            let row = accounts::lookup(tx, OWNER)?.unwrap();
            assert_eq!(
                (row.kdf, row.auth_hash),
                (Some((70_000, 4, 1)), Some([9; 32]))
            );
            assert_eq!(row.wrapped_seed_recovery.as_deref(), Some(&b"r"[..]));
            assert_eq!((row.status.as_str(), row.updated_at), ("disabled", at(33)));
            assert!(
                !accounts::update_verification(tx, OWNER, "approved", None, at(34))?,
                "no provider"
            );
            let ids =
                |rows: Vec<accounts::AccountRow>| rows.iter().map(|a| a.id).collect::<Vec<_>>();
            let first = accounts::list_by_verification(tx, "pending", None, 9)?;
            assert_eq!(ids(first), [OTHER]);
            let after = Some((at(10), OTHER));
            assert!(accounts::list_by_verification(tx, "pending", after, 9)?.is_empty());
            assert!(accounts::update_verification(
                tx,
                OTHER,
                "approved",
                Some(b"why"),
                at(34)
            )?);
            assert_eq!(ids(accounts::list(tx, None, 9)?), [OTHER, OWNER]);
            assert_eq!(ids(accounts::list(tx, Some((at(10), OTHER)), 9)?), [OWNER]);
            let mut owned = accounts::list_owned_patients(tx, OWNER)?.pop().unwrap();
            assert_eq!((owned.id, owned.assisted_access), (PATIENT, true));
            owned.name_p = Some(b"Ada".to_vec());
            owned.assisted_access = false;
            accounts::update_patient_profile(tx, &owned)?;
            assert_eq!(patients::lookup_name(tx, PATIENT)?.unwrap(), b"Ada");
            Ok(())
        })
        .await;
    });
}

#[test]
fn pending_accounts_go_with_their_patients() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            patient(tx)?;
            accounts::insert(tx, &account(OTHER, 2))?;
            accounts::verify_email(tx, OTHER, at(11))?;
            assert!(accounts::delete_expired_pending(tx, at(10), 9)?.is_empty());
            assert_eq!(accounts::delete_expired_pending(tx, at(11), 9)?, [OWNER]);
            assert!(accounts::lookup(tx, OWNER)?.is_none());
            assert!(patients::lookup(tx, PATIENT)?.is_none());
            assert!(accounts::lookup(tx, OTHER)?.is_some());
            Ok(())
        })
        .await;
    });
}

#[test]
fn chain_of_an_account_is_kept_in_order() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            accounts::insert(tx, &account(OWNER, 1))?;
            for seq in 0..2 {
                let statement = StatementRow {
                    seq,
                    kind: "keys".to_owned(),
                    body: seq.to_string(),
                    signature: vec![1; 64],
                    cosignature: Some(vec![2; 64]),
                    hash: [3; 32],
                };
                accounts::insert_statement(tx, OWNER, &statement, at(20))?;
            }
            let chain = accounts::list_statements(tx, OWNER)?;
            assert_eq!(chain.iter().map(|s| s.seq).collect::<Vec<_>>(), [0, 1]);
            Ok(())
        })
        .await;
    });
}

fn session(n: u8, account: AccountId) -> SessionRow {
    SessionRow {
        id: [n; 16].into_id(),
        account,
        family: [n; 16].into_id(),
        created_at: at(i64::from(n)),
        auth_time: at(i64::from(n)),
        last_seen_at: at(i64::from(n)),
        expires_at: at(1_000),
        ended_at: None,
        refresh_hash: [n; 32],
        refresh_used: 0,
        previous_refresh_hash: None,
        access_seed: Some(vec![1]),
        refresh_seed: Some(vec![2]),
        previous_access_seed: None,
        previous_access_until: None,
        device_p: Some(vec![3]),
        ip_p: None,
        assisted: true,
    }
}

#[test]
fn session_rotates_once_and_forgets_its_seeds_when_it_ends() {
    for_each_engine(|store| async move {
        within(&store, |tx| {
            accounts::insert(tx, &account(OWNER, 1))?;
            for n in 1..=3 {
                sessions::insert(tx, &session(n, OWNER))?;
            }
            let id = [1; 16].into_id();
            let rotation = Rotation {
                from: [1; 32],
                to: [9; 32],
                access_seed: Some(b"a"),
                refresh_seed: Some(b"r"),
                previous_access_until: at(60),
                at: at(50),
            };
            assert!(sessions::rotate(tx, id, &rotation)?);
            assert!(!sessions::rotate(tx, id, &rotation)?, "a token counts once");
            let row = sessions::lookup(tx, id)?.unwrap();
            assert_eq!(
                (row.previous_refresh_hash, row.refresh_used),
                (Some([1; 32]), 1)
            );
            assert_eq!(row.previous_access_seed, Some(vec![1]));
            let standing = sessions::lookup_standing(tx, id)?.unwrap();
            assert_eq!((standing.account, standing.email_verified), (OWNER, false));
            sessions::touch(tx, id, at(70))?;
            sessions::touch(tx, id, at(65))?;
            assert_eq!(sessions::lookup(tx, id)?.unwrap().last_seen_at, at(70));
            assert_eq!(sessions::list(tx, OWNER, at(100))?.len(), 3);
            assert_eq!(sessions::list_recent(tx, OWNER, 2)?.len(), 2);
            assert_eq!(sessions::count(tx, OWNER)?, 3);
            assert_eq!(sessions::delete_over(tx, at(0), at(60))?, 0);
            assert_eq!(
                sessions::lookup(tx, id)?.unwrap().previous_access_seed,
                None
            );
            assert!(sessions::end(tx, id, at(80))?);
            assert!(!sessions::end(tx, id, at(81))?);
            assert_eq!(sessions::lookup(tx, id)?.unwrap().access_seed, None);
            assert_eq!(sessions::end_family(tx, [2; 16].into_id(), at(82))?, 1);
            assert_eq!(
                sessions::end_all(tx, OWNER, Some([3; 16].into_id()), at(83))?,
                0
            );
            assert_eq!(sessions::end_all(tx, OWNER, None, at(83))?, 1);
            assert_eq!(sessions::delete_over(tx, at(1_001), at(1_001))?, 3);
            Ok(())
        })
        .await;
    });
}

#[test]
fn token_counts_once_until_it_is_over() {
    for_each_engine(|store| async move {
        within(&store, |tx: &mut Tx| {
            let token = |n: u8| TokenRow {
                hash: [n; 32],
                purpose: "email.verify".to_owned(),
                account: Some(OWNER),
                data_p: Some(vec![n]),
                expires_at: at(100),
            };
            for n in 1..=3 {
                tokens::insert(tx, &token(n))?;
            }
            assert!(tokens::lookup(tx, &[1; 32], "email.verify", at(99))?.is_some());
            assert!(tokens::lookup(tx, &[1; 32], "email.verify", at(100))?.is_none());
            assert!(tokens::take(tx, &[1; 32], "password.reset", at(50))?.is_none());
            assert!(tokens::take(tx, &[1; 32], "email.verify", at(50))?.is_some());
            assert!(tokens::take(tx, &[1; 32], "email.verify", at(50))?.is_none());
            tokens::delete(tx, OTHER, "email.verify")?;
            assert!(tokens::lookup(tx, &[2; 32], "email.verify", at(50))?.is_some());
            tokens::delete(tx, OWNER, "email.verify")?;
            assert!(tokens::lookup(tx, &[2; 32], "email.verify", at(50))?.is_none());
            tokens::insert(tx, &token(2))?;
            assert_eq!(tokens::delete_over(tx, at(101))?, 1);
            Ok(())
        })
        .await;
    });
}
