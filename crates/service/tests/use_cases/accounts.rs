//! Opening accounts, whose address is whose, and profiles.

use chartkey_crypto::password::Params;
use chartkey_domain::accounts::{Email, NewAccount, Particulars};
use chartkey_domain::trail::TrailAction;
use chartkey_service::accounts::{self, Credentials, ProfileChange, Registered};
use chartkey_service::idempotency::Once;
use chartkey_service::world::{PASSWORD, World};
use chartkey_service::{jobs, sessions};
use chartkey_vault::account::{PasswordRoot, register};
use chartkey_vault::protocol::{self, KdfParams};
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

use crate::support::{code, on_every_engine, told};

fn patient(world: &World, email: &str) -> NewAccount {
    NewAccount {
        email: Email::parse(email).unwrap(),
        name: "Ada".to_owned(),
        particulars: Particulars::patient(None, None, world.service.now()).unwrap(),
    }
}

fn password(text: &str) -> Credentials {
    Credentials::Password(Zeroizing::new(text.to_owned()))
}

async fn open(world: &World, email: &str, text: &str) -> Registered {
    let new = patient(world, email);
    accounts::register(&world.service, &World::origin(), new, password(text), None)
        .await
        .unwrap()
}

/// What a sealed client makes, over the salt that prelogin answers.
async fn sealed(world: &World, email: &str) -> protocol::NewAccount {
    let address = Email::parse(email).unwrap();
    let (kdf, salt) = sessions::prelogin(&world.service, &World::origin(), &address)
        .await
        .unwrap();
    let root = PasswordRoot::derive(PASSWORD, &salt, kdf).unwrap();
    let mut rng = chacha20::ChaCha20Rng::from_seed([9; 32]);
    register(&root, kdf, true, world.service.now(), &mut rng)
        .unwrap()
        .request
}

#[test]
fn a_patient_registers_verifies_and_signs_in() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let profile = accounts::find_profile(&world.service, &ada.caller)
            .await
            .unwrap();
        assert!(profile.account.email_verified);
        assert_eq!(profile.patients.len(), 1);
        assert_eq!(Some(profile.patients[0].id), ada.patient);
        assert!(
            profile.patients[0].assisted_access,
            "who sends a password wants the server to open"
        );
        assert!(sessions::unlock(&world.service, &ada.caller).await.is_ok());
        assert_eq!(
            told(&world).await,
            [
                TrailAction::AccountRegister,
                TrailAction::AccountVerify,
                TrailAction::SessionCreate
            ]
        );
        world.run_jobs().await;
    });
}

#[test]
fn the_first_to_verify_owns_the_address_and_the_others_expire() {
    on_every_engine(|world| async move {
        let first = open(&world, "ada@example.org", "seven quiet lakes in autumn").await;
        world.pass(1);
        let second = open(&world, "Ada@Example.org", "eleven loud rivers in spring").await;
        assert_ne!(first.account, second.account);
        world.run_jobs().await;
        let tokens: Vec<String> = world
            .mail
            .list()
            .iter()
            .map(|mail| {
                let content: serde_json::Value = serde_json::from_str(&mail.text).unwrap();
                content["token"].as_str().unwrap().to_owned()
            })
            .collect();
        // Each signs in with its own password while both wait.
        for text in [
            "seven quiet lakes in autumn",
            "eleven loud rivers in spring",
        ] {
            let proof = sessions::Proof::Password(Zeroizing::new(text.to_owned()));
            let email = Email::parse("ada@example.org").unwrap();
            assert!(
                sessions::sign_in(&world.service, &World::origin(), email, proof)
                    .await
                    .is_ok()
            );
        }
        accounts::verify_email(&world.service, &World::origin(), &tokens[1])
            .await
            .unwrap();
        let late = accounts::verify_email(&world.service, &World::origin(), &tokens[0]).await;
        assert_eq!(code(&late.unwrap_err()), "account.token_unknown");
        let again = accounts::verify_email(&world.service, &World::origin(), &tokens[1]).await;
        assert_eq!(
            code(&again.unwrap_err()),
            "account.token_unknown",
            "a token counts once"
        );
        // Whoever registers now gets the same answer, and the holder is told.
        let third = open(&world, "ada@example.org", "thirteen soft hills in summer").await;
        assert!(third.recovery_code.is_some());
        world.run_jobs().await;
        let last = world.mail.list().pop().unwrap();
        assert_eq!(
            (last.kind, last.to.as_str()),
            ("account_exists", "Ada@example.org")
        );
        world.pass(8 * 86_400);
        jobs::sweep(&world.service).await;
        let expired = told(&world)
            .await
            .iter()
            .filter(|a| **a == TrailAction::AccountExpire)
            .count();
        assert_eq!(expired, 2, "both that never verified are gone");
    });
}

#[tokio::test]
async fn a_sealed_client_makes_its_own_keys() {
    let world = World::new().await;
    let request = sealed(&world, "ada@example.org").await;
    let credentials = Credentials::Sealed(Box::new(request.clone()));
    let new = patient(&world, "ada@example.org");
    let made = accounts::register(&world.service, &World::origin(), new, credentials, None)
        .await
        .unwrap();
    assert_eq!(made.account.0, request.account);
    assert!(made.recovery_code.is_none(), "the client has it");
    let key = chartkey_crypto::Secret::from_bytes(*request.password.auth_key.as_bytes());
    let email = Email::parse("ada@example.org").unwrap();
    let signed_in = sessions::sign_in(
        &world.service,
        &World::origin(),
        email,
        sessions::Proof::AuthKey(key),
    )
    .await
    .unwrap();
    assert_eq!(
        signed_in.wrapped_seed.as_ref(),
        Some(&request.password.wrapped_seed)
    );
    let caller = world.caller(&signed_in).await;
    let profile = accounts::find_profile(&world.service, &caller)
        .await
        .unwrap();
    assert!(
        !profile.patients[0].assisted_access,
        "the server opens nothing for it"
    );
    let locked = sessions::unlock(&world.service, &caller).await;
    assert_eq!(code(&locked.unwrap_err()), "vault.locked");
    world.run_jobs().await;
}

#[tokio::test]
async fn what_a_client_made_must_hold_together() {
    let world = World::new().await;
    let good = sealed(&world, "ada@example.org").await;
    let weak = KdfParams {
        m_kib: 1024,
        ..KdfParams::from(Params::DEFAULT)
    };
    let mut cases: Vec<(&str, protocol::NewAccount, &str)> = Vec::new();
    cases.push((
        "a weaker cost",
        protocol::NewAccount {
            kdf: weak,
            ..good.clone()
        },
        "invalid kdf",
    ));
    let mut changed = good.clone();
    changed.statement.body = changed.statement.body.replace("\"seq\":0", "\"seq\":1");
    cases.push(("a changed statement", changed, "vault.statement"));
    let mut other = good.clone();
    other.account = chartkey_vault::Id::from_bytes([5; 16]);
    cases.push(("another's statement", other, "vault.statement"));
    let mut no_patient = good.clone();
    no_patient.patient = None;
    cases.push(("no patient", no_patient, "invalid patient"));
    let mut huge = good.clone();
    huge.password.wrapped_seed = chartkey_vault::Bytes(vec![0; 5_000]);
    cases.push(("a huge seed", huge, "invalid password.wrapped_seed"));
    for (what, request, expected) in cases {
        let new = patient(&world, "ada@example.org");
        let credentials = Credentials::Sealed(Box::new(request));
        let refused =
            accounts::register(&world.service, &World::origin(), new, credentials, None).await;
        assert_eq!(code(&refused.err().unwrap()), expected, "{what}");
        // Five tries a day on one address; this test needs one more.
        world.pass(86_400);
    }
    assert!(told(&world).await.is_empty());
}

#[tokio::test]
async fn a_repeated_registration_opens_one_account() {
    let world = World::new().await;
    let once = |body: &[u8]| {
        Some(Once::new(
            &world.service,
            "key-1",
            "create_patient",
            None,
            body,
        ))
    };
    let go = async |body: &[u8]| {
        let new = patient(&world, "ada@example.org");
        accounts::register(
            &world.service,
            &World::origin(),
            new,
            password(PASSWORD),
            once(body),
        )
        .await
    };
    let first = go(b"body").await.unwrap();
    let second = go(b"body").await.unwrap();
    assert_eq!(
        (first.account, first.patient),
        (second.account, second.patient)
    );
    assert!(first.recovery_code.is_some() && second.recovery_code.is_none());
    let other = go(b"another body").await;
    assert_eq!(code(&other.err().unwrap()), "key reused");
    assert_eq!(told(&world).await, [TrailAction::AccountRegister]);
    world.run_jobs().await;
    assert_eq!(world.mail.list().len(), 1);
}

#[tokio::test]
async fn bad_passwords_are_refused_by_their_rule() {
    let world = World::new().await;
    for (text, expected) in [
        ("short", "password.too_short"),
        ("passwordpassword", "password.too_common"),
        (&"ab".repeat(600), "password.too_long"),
    ] {
        let new = patient(&world, "ada@example.org");
        let refused =
            accounts::register(&world.service, &World::origin(), new, password(text), None).await;
        assert_eq!(code(&refused.err().unwrap()), expected);
    }
}

#[tokio::test]
async fn a_profile_changes_field_by_field_and_the_trail_says_so() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let change = ProfileChange {
        phone: Some("+49 30 1234".to_owned()),
        assisted_access: Some(false),
        preferences: Some(r#"{"theme":"dark"}"#.to_owned()),
        ..ProfileChange::default()
    };
    let profile = accounts::update_profile(&world.service, &ada.caller, change)
        .await
        .unwrap();
    let patient = &profile.patients[0];
    assert_eq!(patient.phone.as_deref(), Some("+49 30 1234"));
    assert_eq!(
        patient.date_of_birth.as_deref(),
        Some("1950-12-10"),
        "what is left out stays"
    );
    assert!(!patient.assisted_access);
    assert_eq!(profile.preferences.as_deref(), Some(r#"{"theme":"dark"}"#));
    let emptied = ProfileChange {
        phone: Some(String::new()),
        date_of_birth: Some(" ".to_owned()),
        ..ProfileChange::default()
    };
    let profile = accounts::update_profile(&world.service, &ada.caller, emptied)
        .await
        .unwrap();
    assert_eq!(
        (
            &profile.patients[0].phone,
            &profile.patients[0].date_of_birth
        ),
        (&None, &None)
    );
    let tail = told(&world).await.split_off(3);
    assert_eq!(
        tail,
        [
            TrailAction::AccountUpdate,
            TrailAction::PatientUpdate,
            TrailAction::AccountUpdate
        ]
    );
    let foreign = ProfileChange {
        patient: Some(chartkey_domain::ids::PatientId::from_bytes([3; 16])),
        name: Some("Eve".to_owned()),
        ..ProfileChange::default()
    };
    let refused = accounts::update_profile(&world.service, &ada.caller, foreign).await;
    assert_eq!(code(&refused.err().unwrap()), "patient.unknown");
    world.run_jobs().await;
}

#[tokio::test]
async fn public_keys_come_with_the_statements_that_vouch_for_them() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let bob = world.provider("bob@example.org").await;
    let keys = accounts::find_keys(&world.service, &bob.caller, ada.account)
        .await
        .unwrap();
    assert!(chartkey_vault::account::VerifiedAccount::verify(&keys, None).is_ok());
    let nobody = chartkey_service::Caller::nobody(World::origin());
    let refused = accounts::find_keys(&world.service, &nobody, ada.account).await;
    assert_eq!(code(&refused.unwrap_err()), "session.missing");
    let unknown = chartkey_domain::ids::AccountId::from_bytes([3; 16]);
    let refused = accounts::find_keys(&world.service, &bob.caller, unknown).await;
    assert_eq!(code(&refused.unwrap_err()), "account.unknown");
    world.run_jobs().await;
}
