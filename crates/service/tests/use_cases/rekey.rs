//! "Change my keys": what is stored stays readable, what opened it before does
//! not open what comes after.

use chartkey_domain::accounts::Email;
use chartkey_domain::ids::{PatientId, RecordId};
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};
use chartkey_domain::trail::TrailAction;
use chartkey_fhir::Limits;
use chartkey_service::assisted::{self, AskedTerms, Assisted, Content, Upload};
use chartkey_service::sessions::{self, Recovery};
use chartkey_service::world::{PASSWORD, World};
use chartkey_service::{Caller, accounts};
use chartkey_vault::account::VerifiedAccount;
use jiff::SignedDuration;
use zeroize::Zeroizing;

use crate::support::{code, on_every_engine, told};

const NOTE: &str = "Blood pressure 120/80";
const NEW_PASSWORD: &str = "eleven loud rivers in spring";

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

async fn store_note(world: &World, caller: &Caller) -> (PatientId, RecordId) {
    store_text(world, caller, NOTE).await
}

async fn store_text(world: &World, caller: &Caller, text: &str) -> (PatientId, RecordId) {
    let mut open = Assisted::open(&world.service, caller).await.unwrap();
    let patient = open.own_patient().await.unwrap();
    let note = Upload::Text {
        text: text.to_owned(),
        title: Some("Note".to_owned()),
        date: None,
    };
    let report = open
        .upload(patient, note, None, &Limits::default())
        .await
        .unwrap();
    (patient, report.written[0])
}

async fn read_note(world: &World, caller: &Caller, stored: (PatientId, RecordId)) -> String {
    let mut open = Assisted::open(&world.service, caller).await.unwrap();
    let view = open.find(stored.1, None).await.unwrap();
    match &view.content {
        Content::Text(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        _ => panic!("expected a text"),
    }
}

#[test]
fn new_keys_keep_everything_readable_and_end_every_other_session() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let other = world.sign_in("ada@example.org").await;
        let service = &world.service;
        let before = accounts::find_keys(service, &ada.caller, ada.account)
            .await
            .unwrap();
        let stored = store_note(&world, &ada.caller).await;
        let wrong = assisted::rekey(service, &ada.caller, text("not the password at all")).await;
        assert_eq!(code(&wrong.err().unwrap()), "invalid password");
        world.pass(301);
        let late = assisted::rekey(service, &ada.caller, text(PASSWORD)).await;
        assert_eq!(code(&late.err().unwrap()), "session.stepup");
        let caller = world.sign_in("ada@example.org").await;
        let done = assisted::rekey(service, &caller, text(PASSWORD))
            .await
            .unwrap();
        for ended in [&ada.caller, &other, &caller] {
            let (session, secret) = ended.session.clone().unwrap();
            assert!(world.caller_with(session, secret).await.is_err());
        }
        let caller = world.caller(&done.signed_in).await;
        let after = accounts::find_keys(service, &caller, ada.account)
            .await
            .unwrap();
        assert_eq!(after.statements.len(), before.statements.len() + 1);
        VerifiedAccount::verify(&after, None).unwrap();
        assert_eq!(read_note(&world, &caller, stored).await, NOTE);
        // And again, over two generations, by password and by the new code.
        let again = assisted::rekey(service, &caller, text(PASSWORD))
            .await
            .unwrap();
        let caller = world.sign_in("ada@example.org").await;
        assert_eq!(read_note(&world, &caller, stored).await, NOTE);
        let recovery = |code: &str| Recovery {
            email: Email::parse("ada@example.org").unwrap(),
            code: text(code),
            new_password: text(NEW_PASSWORD),
        };
        let origin = World::origin();
        for old in [&ada.recovery_code, done.recovery_code.as_ref().unwrap()] {
            let refused = sessions::recover(service, &origin, recovery(old)).await;
            assert_eq!(code(&refused.err().unwrap()), "recovery.refused");
        }
        let newest = again.recovery_code.unwrap();
        let back = sessions::recover(service, &origin, recovery(&newest))
            .await
            .unwrap();
        let caller = world.caller(&back.signed_in).await;
        assert_eq!(read_note(&world, &caller, stored).await, NOTE);
        let actions = told(&world).await;
        for action in [TrailAction::KeysChange, TrailAction::GenerationBegin] {
            assert_eq!(actions.iter().filter(|told| **told == action).count(), 2);
        }
        world.run_jobs().await;
        assert!(
            world
                .mail
                .list()
                .iter()
                .any(|mail| mail.kind == "keys_changed")
        );
    });
}

#[test]
fn somebody_who_was_given_access_keeps_it_under_new_keys() {
    on_every_engine(|world| async move {
        let admin = world.admin("root@example.org").await;
        let ada = world.patient("ada@example.org").await;
        let bob = world.verified_provider("bob@example.org", &admin).await;
        let stored = store_note(&world, &ada.caller).await;
        let terms = AskedTerms {
            patient: stored.0,
            types: RecordTypes::of(RecordType::Documents),
            kinds: Kinds::EMPTY,
            records: None,
            include_future: true,
            write_types: RecordTypes::EMPTY,
            valid_from: None,
            expires_at: world.service.now() + SignedDuration::from_hours(24),
            purpose: None,
            may_download: false,
            may_reshare: false,
        };
        let mut open = Assisted::open(&world.service, &ada.caller).await.unwrap();
        open.grant(bob.account, &terms, None, None, None)
            .await
            .unwrap();
        assert_eq!(read_note(&world, &bob.caller, stored).await, NOTE);
        let done = assisted::rekey(&world.service, &bob.caller, text(PASSWORD))
            .await
            .unwrap();
        let bob_now = world.caller(&done.signed_in).await;
        assert_eq!(read_note(&world, &bob_now, stored).await, NOTE);
        // The owner changes hers: the grant is carried over.
        let done = assisted::rekey(&world.service, &ada.caller, text(PASSWORD))
            .await
            .unwrap();
        let ada_now = world.caller(&done.signed_in).await;
        assert_eq!(read_note(&world, &ada_now, stored).await, NOTE);
        assert_eq!(read_note(&world, &bob_now, stored).await, NOTE);
        let newer = store_text(&world, &ada_now, "a later note").await;
        assert_eq!(read_note(&world, &bob_now, newer).await, "a later note");
        world.run_jobs().await;
    });
}
