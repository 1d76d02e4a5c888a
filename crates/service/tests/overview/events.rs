use chartkey_service::events::{self, Heard, Listener, MAX_LISTENERS};
use chartkey_service::sessions;
use chartkey_service::world::{Person, World};

use crate::support::*;

async fn listen(world: &World, person: &Person, after: Option<i64>) -> Listener {
    events::listen(&world.service, &person.caller, after)
        .await
        .unwrap()
}

async fn kind(listener: &mut Listener) -> String {
    match listener.next().await {
        Some(Heard::Event(event)) => event.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn managers_and_covering_grantees_hear_and_others_do_not() {
    on_every_engine(|world| async move {
        let (ada, ng) = cast(&world).await;
        let mut at_home = listen(&world, &ada, None).await;
        let mut at_work = listen(&world, &ng, None).await;
        let id = grant(&world, &ada, &ng, &terms(&world, &ada)).await;
        assert_eq!(kind(&mut at_home).await, "grant.create");
        assert_eq!(kind(&mut at_work).await, "grant.create");
        upload(&world, &ada, &allergy("Latex")).await;
        assert_eq!(kind(&mut at_home).await, "record.create");
        let mut other = glucose();
        other["effectiveDateTime"] = "2026-04-01".into();
        let record = upload(&world, &ada, &other).await;
        let heard = at_work.next().await;
        let Some(Heard::Event(event)) = heard else {
            panic!("{heard:?}")
        };
        assert_eq!(
            (event.kind.as_str(), event.subject),
            ("record.create", Some(record.0))
        );
        open(&world, &ada).await.revoke_grant(id).await.unwrap();
        assert_eq!(kind(&mut at_work).await, "grant.revoke");
        world.run_jobs().await;
    });
}

#[test]
fn a_listener_goes_on_where_it_stopped() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let mut first = listen(&world, &ada, Some(0)).await;
        upload(&world, &ada, &glucose()).await;
        upload(&world, &ada, &allergy("Latex")).await;
        let Some(Heard::Event(heard)) = first.next().await else {
            panic!("nothing was heard")
        };
        drop(first);
        let mut again = listen(&world, &ada, Some(heard.id)).await;
        let Some(Heard::Event(next)) = again.next().await else {
            panic!("nothing was heard")
        };
        assert!(next.id > heard.id);
        let mut ahead = listen(&world, &ada, Some(1_000_000)).await;
        assert_eq!(ahead.next().await, Some(Heard::Reset(next.id)));
    });
}

#[test]
fn a_stream_ends_with_its_session_and_with_the_node() {
    on_every_engine(|world| async move {
        let ada = world.patient("ada@example.org").await;
        let mut ends = listen(&world, &ada, None).await;
        let session = ada.caller.session_id().unwrap();
        sessions::end(&world.service, &ada.caller, session)
            .await
            .unwrap();
        assert_eq!(ends.next().await, None);
        let eve = world.patient("eve@example.org").await;
        let mut closes = listen(&world, &eve, None).await;
        events::close(&world.service);
        assert_eq!(closes.next().await, None);
    });
}

#[tokio::test]
async fn an_account_listens_in_a_bounded_number_of_places() {
    let world = World::new().await;
    let ada = world.patient("ada@example.org").await;
    let mut places = Vec::new();
    for _ in 0..MAX_LISTENERS {
        places.push(listen(&world, &ada, None).await);
    }
    assert!(
        events::listen(&world.service, &ada.caller, None)
            .await
            .is_err()
    );
    places.pop();
    listen(&world, &ada, None).await;
}
