//! Administrators: providers, accounts, and what they may not.

use chartkey_domain::accounts::{Email, Verification, VerificationDecision};
use chartkey_domain::trail::TrailAction;
use chartkey_service::world::{PASSWORD, World};
use chartkey_service::{admin, sessions};
use zeroize::Zeroizing;

use crate::support::{code, on_every_engine, told};

#[test]
fn an_admin_looks_at_providers_in_the_order_of_their_waiting() {
    on_every_engine(|world| async move {
        let admin = world.admin("root@example.org").await;
        let bob = world.provider("bob@example.org").await;
        world.pass(10);
        let eve = world.provider("eve@example.org").await;
        let list = async |after| {
            admin::list_providers(
                &world.service,
                &admin.caller,
                Verification::Pending,
                after,
                1,
            )
            .await
        };
        let first = list(None).await.unwrap();
        assert_eq!(first.items[0].id, bob.account);
        assert_eq!(
            first.items[0].provider.as_ref().unwrap().license_number,
            "D-1"
        );
        let second = list(first.next).await.unwrap();
        assert_eq!(second.items[0].id, eve.account);
        assert!(second.next.is_none());
        let decide = async |caller, decision| {
            admin::verify_provider(&world.service, caller, bob.account, decision, None).await
        };
        let refused = decide(&eve.caller, VerificationDecision::Approve).await;
        assert_eq!(code(&refused.err().unwrap()), "account.forbidden");
        let shown = decide(&admin.caller, VerificationDecision::Approve)
            .await
            .unwrap();
        assert_eq!(shown.provider.unwrap().verification, Verification::Verified);
        assert_eq!(list(None).await.unwrap().items[0].id, eve.account);
        world.run_jobs().await;
        let last = world.mail.list().pop().unwrap();
        assert_eq!(
            (last.kind, last.to.as_str()),
            ("provider_verified", "bob@example.org")
        );
        assert_eq!(
            told(&world).await.last(),
            Some(&TrailAction::ProviderVerify)
        );
    });
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_comes_back() {
    let world = World::new().await;
    let admin = world.admin("root@example.org").await;
    let ada = world.patient("ada@example.org").await;
    world.run_jobs().await;
    admin::disable_account(&world.service, &admin.caller, ada.account, true)
        .await
        .unwrap();
    let (session, secret) = ada.caller.session.clone().unwrap();
    assert!(world.caller_with(session, secret).await.is_err());
    let sign_in = async || {
        let email = Email::parse("ada@example.org").unwrap();
        let proof = sessions::Proof::Password(Zeroizing::new(PASSWORD.to_owned()));
        sessions::sign_in(&world.service, &World::origin(), email, proof).await
    };
    assert_eq!(code(&sign_in().await.err().unwrap()), "account.disabled");
    admin::disable_account(&world.service, &admin.caller, ada.account, false)
        .await
        .unwrap();
    assert!(sign_in().await.is_ok());
    let oneself = admin::disable_account(&world.service, &admin.caller, admin.account, true).await;
    assert_eq!(code(&oneself.err().unwrap()), "account.forbidden");
    let accounts = admin::list_accounts(&world.service, &admin.caller, None, 10)
        .await
        .unwrap();
    assert_eq!(accounts.items.len(), 2);
    let refused = admin::list_accounts(&world.service, &ada.caller, None, 10).await;
    assert_eq!(code(&refused.err().unwrap()), "account.forbidden");
    world.run_jobs().await;
}
