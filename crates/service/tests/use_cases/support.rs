//! What these tests have in common.

use std::future::Future;

use chartkey_domain::trail::{Columns, TrailAction};
use chartkey_service::world::World;
use chartkey_store::trail::{Filter, Log, list};
use chartkey_store::{StoreError, testing};

/// Runs `test` in a fresh world on every engine.
pub fn on_every_engine<F, Fut>(test: F)
where
    F: Fn(World) -> Fut,
    Fut: Future<Output = ()>,
{
    testing::for_each_engine(|store| async { test(World::on(store).await).await });
}

/// The actions in the trail, oldest first.
pub async fn told(world: &World) -> Vec<TrailAction> {
    let rows: Result<_, StoreError> = world
        .service
        .store()
        .read("test.trail", |reader| {
            list(reader, Log::Trail, &Filter::default(), 1_000)
        })
        .await;
    let mut actions: Vec<_> = rows
        .unwrap()
        .iter()
        .map(|row| Columns::read(&row.entry).unwrap().action)
        .collect();
    actions.reverse();
    actions
}

/// The code of a failure.
pub fn code<E: chartkey_service::NounError>(failure: &chartkey_service::Failure<E>) -> String {
    use chartkey_service::Failure as F;
    match failure {
        F::Refused(refusal) => refusal.code().to_owned(),
        F::Noun(error) => error.code().to_owned(),
        F::Invalid(fields) => format!("invalid {}", fields[0].0),
        F::Rule { code, .. } => (*code).to_owned(),
        F::Limited { .. } => "limited".to_owned(),
        F::Full(quota) => quota.code().to_owned(),
        F::KeyReused => "key reused".to_owned(),
        F::Vault(error) => error.code().to_owned(),
        F::Store(error) => format!("{error:?}"),
        F::Internal(place) => (*place).to_owned(),
    }
}
