use chartkey_domain::accounts::{Email, NewAccount, Particulars};
use chartkey_domain::mail::MailError;
use chartkey_service::accounts::Credentials;
use chartkey_service::world::{PASSWORD, World};
use chartkey_service::{accounts, admin, audit};
use chartkey_store::jobs::JobState;
use zeroize::Zeroizing;

use crate::support::*;

#[test]
fn an_admin_sees_how_it_is_and_has_lost_mail_sent_again() {
    on_every_engine(|world| async move {
        let root = world.admin("root@example.org").await;
        world.patient("ada@example.org").await;
        world.mail.fail_with(Some(MailError::Rejected));
        let new = NewAccount {
            email: Email::parse("ng@clinic.example").unwrap(),
            name: "Ng".to_owned(),
            particulars: Particulars::provider("Physician", "N-1", "DE", None).unwrap(),
        };
        let password = Credentials::Password(Zeroizing::new(PASSWORD.to_owned()));
        accounts::register(&world.service, &World::origin(), new, password, None)
            .await
            .unwrap();
        world.run_jobs().await;
        let health = admin::find_system_health(&world.service, &root.caller)
            .await
            .unwrap();
        let dead = |counts: &[(JobState, u64)]| {
            counts
                .iter()
                .find(|(state, _)| *state == JobState::Dead)
                .map_or(0, |(_, n)| *n)
        };
        assert_eq!((dead(&health.jobs), dead(&health.mail)), (1, 1));
        assert_eq!(health.troubled.len(), 1);
        assert!(health.database_bytes > 0 && health.trail_size > 0);
        world.mail.fail_with(None);
        let retried = admin::retry_jobs(&world.service, &root.caller, "mail.send")
            .await
            .unwrap();
        assert_eq!(retried, 1);
        world.run_jobs().await;
        let health = admin::find_system_health(&world.service, &root.caller)
            .await
            .unwrap();
        assert_eq!(dead(&health.mail), 0);
        let unknown = admin::retry_jobs(&world.service, &root.caller, "other").await;
        assert_eq!(code(&unknown.unwrap_err()), "invalid kind");
    });
}

#[test]
fn checkpoints_are_listed_newest_first() {
    on_every_engine(|world| async move {
        let root = world.admin("root@example.org").await;
        audit::find_checkpoint(&world.service, audit::Log::Trail)
            .await
            .unwrap();
        world.pass(2);
        let ada = world.patient("ada@example.org").await;
        audit::find_checkpoint(&world.service, audit::Log::Trail)
            .await
            .unwrap();
        let list = async |below| {
            let log = audit::Log::Trail;
            admin::list_checkpoints(&world.service, &root.caller, log, below, 1)
                .await
                .unwrap()
        };
        let first = list(None).await;
        let second = list(first.next).await;
        assert!(first.items[0].size > second.items[0].size);
        assert!(second.next.is_none());
        let log = audit::Log::Trail;
        let refused = admin::list_checkpoints(&world.service, &ada.caller, log, None, 1).await;
        assert_eq!(code(&refused.unwrap_err()), "account.forbidden");
    });
}
