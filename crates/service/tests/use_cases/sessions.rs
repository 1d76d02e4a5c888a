//! Signing in, staying in, coming back, and being kept out.

use chartkey_crypto::Secret;
use chartkey_crypto::recovery::RecoveryCode;
use chartkey_domain::accounts::Email;
use chartkey_domain::mail::MailError;
use chartkey_domain::sessions::ACCESS_TTL_SECS;
use chartkey_domain::trail::TrailAction;
use chartkey_service::sessions::{
    self, NewPassword, PasswordChange, Proof, Recovery, SessionFailure, SignedIn,
};
use chartkey_service::world::{PASSWORD, World};
use chartkey_service::{Origin, limits};
use chartkey_store::jobs::JobState;
use chartkey_store::{StoreError, jobs as job_rows};
use chartkey_vault::account::{PasswordRoot, change_password, change_recovery, unlock_by_recovery};
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

use crate::support::{code, on_every_engine, told};

const NEW_PASSWORD: &str = "eleven loud rivers in spring";

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

async fn sign_in(world: &World, password: &str) -> Result<SignedIn, SessionFailure> {
    let email = Email::parse("ada@example.org").unwrap();
    let proof = Proof::Password(text(password));
    sessions::sign_in(&world.service, &World::origin(), email, proof).await
}

#[test]
fn refresh_tokens_rotate_and_reuse_ends_the_family() {
    on_every_engine(|world| async move {
        world.patient("ada@example.org").await;
        let first = sign_in(&world, PASSWORD).await.unwrap();
        let caller = world.caller(&first).await;
        world.pass(600);
        let origin = World::origin();
        let second = sessions::refresh(&world.service, &origin, &first.tokens.refresh)
            .await
            .unwrap();
        // The old access token still opens until its own time is over.
        assert!(sessions::unlock(&world.service, &caller).await.is_ok());
        let access = &second.access;
        let newer = world
            .caller_with(access.session, access.secret.clone())
            .await
            .unwrap();
        assert!(sessions::unlock(&world.service, &newer).await.is_ok());
        world.pass(ACCESS_TTL_SECS);
        assert_eq!(
            code(&sessions::unlock(&world.service, &caller).await.unwrap_err()),
            "vault.locked"
        );
        assert!(sessions::unlock(&world.service, &newer).await.is_ok());
        let stolen = sessions::refresh(&world.service, &origin, &first.tokens.refresh).await;
        assert_eq!(code(&stolen.err().unwrap()), "session.reused");
        let ended = sessions::refresh(&world.service, &origin, &second.refresh).await;
        assert_eq!(code(&ended.err().unwrap()), "session.ended");
        let kept_out = world
            .caller_with(access.session, access.secret.clone())
            .await;
        assert_eq!(code(&kept_out.unwrap_err()), "session.ended");
        assert_eq!(told(&world).await.last(), Some(&TrailAction::SessionReuse));
        world.run_jobs().await;
    });
}

#[tokio::test]
async fn what_was_never_a_refresh_token_ends_nothing() {
    let world = World::new().await;
    world.patient("ada@example.org").await;
    let signed_in = sign_in(&world, PASSWORD).await.unwrap();
    let good = signed_in.tokens.refresh.to_string();
    // Whoever knows the session's id still cannot make an old token of it.
    let mut forged = good.clone().into_bytes();
    forged[40] = if forged[40] == b'A' { b'B' } else { b'A' };
    for token in [
        "",
        "x",
        &"A".repeat(4_000),
        &String::from_utf8(forged).unwrap(),
    ] {
        let refused = sessions::refresh(&world.service, &World::origin(), token).await;
        assert_eq!(code(&refused.err().unwrap()), "session.ended");
    }
    assert!(
        sessions::refresh(&world.service, &World::origin(), &good)
            .await
            .is_ok()
    );
    world.run_jobs().await;
}

#[tokio::test]
async fn a_session_ends_after_a_day_whatever_happens() {
    let world = World::new().await;
    world.patient("ada@example.org").await;
    let signed_in = sign_in(&world, PASSWORD).await.unwrap();
    let mut refresh = signed_in.tokens.refresh;
    for _ in 0..2 {
        world.pass(40_000);
        let pair = sessions::refresh(&world.service, &World::origin(), &refresh)
            .await
            .unwrap();
        refresh = pair.refresh;
    }
    world.pass(10_000);
    let over = sessions::refresh(&world.service, &World::origin(), &refresh).await;
    assert_eq!(code(&over.err().unwrap()), "session.ended");
    world.run_jobs().await;
}

#[tokio::test]
async fn wrong_and_unknown_are_refused_alike_and_reach_the_trail_counted() {
    let world = World::new().await;
    world.patient("ada@example.org").await;
    world.run_jobs().await;
    for email in ["ada@example.org", "nobody@example.org"] {
        let email = Email::parse(email).unwrap();
        let proof = Proof::AuthKey(Secret::from_bytes([1; 32]));
        let refused = sessions::sign_in(&world.service, &World::origin(), email, proof).await;
        assert_eq!(code(&refused.err().unwrap()), "session.refused");
    }
    limits::flush(&world.service).await.unwrap();
    assert!(
        !told(&world).await.contains(&TrailAction::SessionRefuse),
        "the minute is not over"
    );
    world.pass(60);
    limits::flush(&world.service).await.unwrap();
    let refusals = told(&world)
        .await
        .iter()
        .filter(|a| **a == TrailAction::SessionRefuse)
        .count();
    assert_eq!(
        refusals, 1,
        "two refusals of one minute and source are one entry"
    );
}

#[tokio::test]
async fn guessing_is_slowed_down_whether_or_not_it_is_right() {
    let world = World::new().await;
    world.patient("ada@example.org").await;
    let guess = || async {
        let email = Email::parse("ada@example.org").unwrap();
        let proof = Proof::AuthKey(Secret::from_bytes([1; 32]));
        sessions::sign_in(&world.service, &World::origin(), email, proof).await
    };
    let mut tries = 0;
    while code(&guess().await.err().unwrap()) == "session.refused" {
        tries += 1;
        assert!(tries < 20, "nothing slows a guesser down");
    }
    assert_eq!(
        code(&sign_in(&world, PASSWORD).await.err().unwrap()),
        "limited"
    );
    world.pass(1_800);
    assert!(sign_in(&world, PASSWORD).await.is_ok());
    world.run_jobs().await;
}

#[test]
fn a_new_password_ends_other_sessions_and_loses_nothing() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let other = world.sign_in("ada@example.org").await;
        let seed = |caller: chartkey_service::Caller| {
            let service = world.service.clone();
            async move {
                let opened = sessions::unlock(&service, &caller).await.unwrap();
                opened.seed().clone()
            }
        };
        let before = seed(ada.caller.clone()).await;
        let change = |current: &str, new: &str| PasswordChange {
            current: Proof::Password(text(current)),
            new: NewPassword::Password(text(new)),
        };
        for (current, new, expected) in [
            (
                "not the password at all",
                NEW_PASSWORD,
                "invalid current_password",
            ),
            (PASSWORD, "short", "password.too_short"),
        ] {
            let refused =
                sessions::change_password(&world.service, &ada.caller, change(current, new)).await;
            assert_eq!(code(&refused.unwrap_err()), expected);
        }
        sessions::change_password(&world.service, &ada.caller, change(PASSWORD, NEW_PASSWORD))
            .await
            .unwrap();
        let (session, secret) = other.session.clone().unwrap();
        assert_eq!(
            code(&world.caller_with(session, secret).await.unwrap_err()),
            "session.ended"
        );
        assert_eq!(
            seed(ada.caller.clone()).await,
            before,
            "this session goes on"
        );
        assert_eq!(
            code(&sign_in(&world, PASSWORD).await.err().unwrap()),
            "session.refused"
        );
        let again = sign_in(&world, NEW_PASSWORD).await.unwrap();
        assert_eq!(
            seed(world.caller(&again).await).await,
            before,
            "the seed is the same"
        );
        world.run_jobs().await;
        assert!(
            world
                .mail
                .list()
                .iter()
                .any(|mail| mail.kind == "password_changed")
        );
    });
}

#[test]
fn a_recovery_code_brings_back_everything_once() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let before = sessions::unlock(&world.service, &ada.caller)
            .await
            .unwrap()
            .seed()
            .clone();
        let recovery = |code: &str| Recovery {
            email: Email::parse("ada@example.org").unwrap(),
            code: text(code),
            new_password: text(NEW_PASSWORD),
        };
        let origin = World::origin();
        let wrong = "0000-0000-0000-0000-0000-0000-0000-0000-0000";
        let refused = sessions::recover(&world.service, &origin, recovery(wrong)).await;
        assert_eq!(code(&refused.err().unwrap()), "recovery.refused");
        let done = sessions::recover(&world.service, &origin, recovery(&ada.recovery_code))
            .await
            .unwrap();
        let caller = world.caller(&done.signed_in).await;
        let after = sessions::unlock(&world.service, &caller)
            .await
            .unwrap()
            .seed()
            .clone();
        assert_eq!(after, before);
        let again = sessions::recover(&world.service, &origin, recovery(&ada.recovery_code)).await;
        assert_eq!(
            code(&again.err().unwrap()),
            "recovery.refused",
            "a code counts once"
        );
        let new_code = done.recovery_code.unwrap();
        assert_ne!(new_code, ada.recovery_code);
        assert!(
            sessions::recover(&world.service, &origin, recovery(&new_code))
                .await
                .is_ok()
        );
        let (session, secret) = ada.caller.session.clone().unwrap();
        assert!(
            world.caller_with(session, secret).await.is_err(),
            "old sessions ended"
        );
        world.run_jobs().await;
        assert!(
            world
                .mail
                .list()
                .iter()
                .any(|mail| mail.kind == "recovery_used")
        );
    });
}

#[tokio::test]
async fn a_sealed_recovery_takes_a_ticket_that_counts_once() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let email = || Email::parse("ada@example.org").unwrap();
    let origin = World::origin();
    let recovery_code = RecoveryCode::parse(&ada.recovery_code).unwrap();
    let begun =
        sessions::begin_recovery(&world.service, &origin, email(), recovery_code.auth_key())
            .await
            .unwrap();
    assert_eq!(begun.account, ada.account);
    let opened = unlock_by_recovery(&recovery_code, ada.account.0, &begun.wrapped_seed).unwrap();
    let (kdf, salt) = sessions::prelogin(&world.service, &origin, &email())
        .await
        .unwrap();
    let root = PasswordRoot::derive(NEW_PASSWORD, &salt, kdf).unwrap();
    let mut rng = chacha20::ChaCha20Rng::from_seed([9; 32]);
    let password = change_password(&opened, &root, &mut rng);
    let (_, new_recovery) = change_recovery(&opened, &mut rng);
    let finish = async |ticket: &str| {
        let (password, recovery) = (password.clone(), new_recovery.clone());
        sessions::finish_recovery(&world.service, &origin, ticket, kdf, password, recovery).await
    };
    let done = finish(&begun.ticket).await.unwrap();
    assert!(done.recovery_code.is_none(), "the client made it");
    assert!(done.signed_in.wrapped_seed.is_some());
    assert_eq!(
        code(&finish(&begun.ticket).await.err().unwrap()),
        "account.token_unknown"
    );
    assert!(sign_in(&world, NEW_PASSWORD).await.is_ok());
    world.run_jobs().await;
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let bob = world.provider("bob@example.org").await;
    let other = world.sign_in("ada@example.org").await;
    let listed = sessions::list(&world.service, &ada.caller).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed.iter().filter(|session| session.current).count(), 1);
    assert_eq!(listed[0].device.as_deref(), Some("world/1"));
    let other_id = other.session_id().unwrap();
    let foreign = sessions::end(&world.service, &bob.caller, other_id).await;
    assert_eq!(code(&foreign.unwrap_err()), "session.unknown");
    sessions::end(&world.service, &ada.caller, other_id)
        .await
        .unwrap();
    let twice = sessions::end(&world.service, &ada.caller, other_id).await;
    assert_eq!(code(&twice.unwrap_err()), "session.unknown");
    let (session, secret) = other.session.clone().unwrap();
    assert!(world.caller_with(session, secret).await.is_err());
    world.run_jobs().await;
}

#[tokio::test]
async fn a_sign_in_from_a_new_device_is_told_by_mail() {
    let world = World::new().await;
    world.patient("ada@example.org").await;
    world.sign_in("ada@example.org").await;
    world.run_jobs().await;
    let told = |world: &World| {
        world
            .mail
            .list()
            .iter()
            .filter(|mail| mail.kind == "new_session")
            .count()
    };
    assert_eq!(told(&world), 0, "the first device, and the same again");
    let origin = Origin {
        agent: Some("other/2".to_owned()),
        ..World::origin()
    };
    let email = Email::parse("ada@example.org").unwrap();
    let proof = Proof::Password(text(PASSWORD));
    sessions::sign_in(&world.service, &origin, email, proof)
        .await
        .unwrap();
    world.run_jobs().await;
    assert_eq!(told(&world), 1);
}

#[tokio::test]
async fn mail_waits_until_its_carrier_is_back() {
    let world = World::new().await;
    world.mail.fail_with(Some(MailError::Unreachable));
    let email = Email::parse("ada@example.org").unwrap();
    let new = chartkey_domain::accounts::NewAccount {
        email,
        name: "Ada".to_owned(),
        particulars: chartkey_domain::accounts::Particulars::patient(
            None,
            None,
            world.service.now(),
        )
        .unwrap(),
    };
    let credentials = chartkey_service::accounts::Credentials::Password(text(PASSWORD));
    chartkey_service::accounts::register(&world.service, &World::origin(), new, credentials, None)
        .await
        .unwrap();
    world.run_jobs().await;
    let waiting = || async {
        let counted: Result<_, StoreError> = world
            .service
            .store()
            .read("test.jobs", job_rows::count)
            .await;
        counted.unwrap()
    };
    assert_eq!(waiting().await, [(JobState::Ready, 1)]);
    world.mail.fail_with(None);
    world.run_jobs().await;
    assert!(world.mail.list().is_empty(), "it is not due yet");
    world.pass(60);
    world.run_jobs().await;
    assert_eq!(world.mail.list().len(), 1);
    assert_eq!(waiting().await, [(JobState::Done, 1)]);
}
