//! The trail: who sees what of it, and what can be proved.

use chartkey_crypto::ledger::{
    Hash, entry_leaf_hash, verify_checkpoint, verify_consistency, verify_inclusion,
};
use chartkey_domain::trail::TrailAction;
use chartkey_service::audit::{self, AuditQuery, Log};
use chartkey_service::world::World;

use crate::support::{code, on_every_engine};

fn query() -> AuditQuery {
    AuditQuery {
        limit: 10,
        ..AuditQuery::default()
    }
}

#[test]
fn an_entry_is_proved_to_whom_it_concerns() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let bob = world.provider("bob@example.org").await;
        let page = audit::list(&world.service, &ada.caller, query())
            .await
            .unwrap();
        assert_eq!(page.items.len(), 1, "only what touches the record");
        assert!(
            page.items[0]
                .entry
                .contains(TrailAction::AccountRegister.as_str())
        );
        assert_eq!(page.items[0].actor_name.as_deref(), Some("ada"));
        let own = AuditQuery {
            actor: Some(ada.account.0),
            ..query()
        };
        let page = audit::list(&world.service, &ada.caller, own).await.unwrap();
        assert_eq!(page.items.len(), 3, "what one did oneself");
        let doings = audit::list(&world.service, &bob.caller, query())
            .await
            .unwrap();
        assert_eq!(doings.items.len(), 3);
        let proof = audit::prove(&world.service, &ada.caller, 0).await.unwrap();
        let verifier = audit::verifier(&world.service, Log::Trail).unwrap();
        let checkpoint = verify_checkpoint(&proof.checkpoint, &verifier).unwrap();
        assert_eq!(checkpoint.size, proof.tree_size);
        let leaf: Hash = entry_leaf_hash(&proof.salt, proof.entry.as_bytes());
        verify_inclusion(0, proof.tree_size, &leaf, &proof.hashes, &checkpoint.root).unwrap();
        let foreign = audit::prove(&world.service, &bob.caller, 0).await;
        assert_eq!(code(&foreign.err().unwrap()), "audit.unknown");
        let nothing = audit::prove(&world.service, &ada.caller, 99).await;
        assert_eq!(code(&nothing.err().unwrap()), "audit.unknown");
        world.run_jobs().await;
    });
}

#[tokio::test]
async fn checkpoints_are_consistent_and_there_is_one_for_each_size() {
    let world = World::new().await;
    let verifier = audit::verifier(&world.service, Log::Trail).unwrap();
    let checkpoint = async || {
        let note = audit::find_checkpoint(&world.service, Log::Trail)
            .await
            .unwrap();
        (verify_checkpoint(&note, &verifier).unwrap(), note)
    };
    let (empty, _) = checkpoint().await;
    assert_eq!(empty.size, 0);
    world.patient("ada@example.org").await;
    let (cached, _) = checkpoint().await;
    assert_eq!(cached.size, 0, "within a second the last one is handed out");
    world.pass(2);
    let (first, note) = checkpoint().await;
    assert_eq!(first.size, 3);
    world.pass(2);
    assert_eq!(
        checkpoint().await.1,
        note,
        "nothing happened, so it is the same note"
    );
    world.patient("bob@example.org").await;
    world.pass(2);
    let (second, _) = checkpoint().await;
    let proof = audit::prove_consistency(&world.service, Log::Trail, first.size, second.size)
        .await
        .unwrap();
    verify_consistency(first.size, second.size, &first.root, &second.root, &proof).unwrap();
    for (from, to) in [(3, 99), (5, 4)] {
        let refused = audit::prove_consistency(&world.service, Log::Trail, from, to).await;
        assert_eq!(code(&refused.err().unwrap()), "audit.size_unknown");
    }
    world.run_jobs().await;
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    for _ in 0..4 {
        world.sign_in("ada@example.org").await;
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let part = AuditQuery {
            actor: Some(ada.account.0),
            before,
            limit: 3,
            ..AuditQuery::default()
        };
        let page = audit::list(&world.service, &ada.caller, part)
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|item| item.leaf_index));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..7).rev().collect::<Vec<u64>>());
    world.run_jobs().await;
}

#[tokio::test]
async fn the_first_altered_entry_is_named() {
    let mut world = World::new().await;
    world.patient("ada@example.org").await;
    world.run_jobs().await;
    assert_eq!(audit::verify_all(&world.service).await.unwrap().len(), 2);
    let done: Result<u64, chartkey_store::StoreError> = world
        .service
        .store()
        .write("test.tamper", |tx| {
            tx.execute(
                "UPDATE ledger SET entry = REPLACE(entry, 'account.verify', 'account.update') WHERE log = 0",
                &[],
            )
        })
        .await;
    done.unwrap();
    let broken = audit::verify_all(&world.service).await.unwrap_err();
    assert!(broken.to_string().contains("entry 1"), "{broken}");
    world.leave_unchecked();
}
