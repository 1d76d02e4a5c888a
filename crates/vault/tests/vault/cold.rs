//! Size: what a cold unlock costs after a year of nights.

use chartkey_fhir::RecordType;
use chartkey_vault::Transport;
use chartkey_vault::protocol::{PatientKeys, SealedPage};
use chartkey_vault::read::{BatchKeys, OpenRecord};
use chartkey_vault::transport::SealedQuery;

use crate::world::{LabResults, World, plain, read, reads, run};

/// Messages sealed to a public key that a caller has to open to read a page:
/// their seed or keyrings, and each batch that comes without a wrapped key.
fn openings(keys: &PatientKeys, page: &SealedPage) -> usize {
    let own = keys.keyrings.len() + usize::from(keys.manager.is_some());
    let direct = page.batches.iter().filter(|b| b.wrapped.is_none());
    own + direct.count()
}

#[test]
fn a_grant_made_after_a_year_of_nightly_writes_opens_all_of_them() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    for _ in 0..365 {
        world.pass(24);
        world.pull(patient, plain(LabResults), &["night"]);
    }
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    assert_eq!(read(&mut ben, patient).unwrap().len(), 365);
    let keys = run(ben.client.transport.patient_keys(patient)).unwrap();
    let page = run(ben.client.transport.list(patient, &SealedQuery::default())).unwrap();
    assert_eq!(openings(&keys, &page), 1);
}

#[test]
fn five_thousand_records_in_three_thousand_batches_unlock_cold_with_forty_openings_at_most() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    let every = RecordType::ALL;
    for night in 0..3_000 {
        let compartment = plain(every[night % every.len()]);
        let texts: &[&str] = if night % 3 == 0 { &["a"] } else { &["a", "b"] };
        world.pull(patient, compartment, texts);
    }
    world
        .grant(&mut ana, patient, ben.id, reads(&every))
        .unwrap();
    for person in [&ana, &ben] {
        let mut cold = person.elsewhere(&world);
        let keys = run(cold.client.transport.patient_keys(patient)).unwrap();
        let page = run(cold.client.transport.list(patient, &SealedQuery::default())).unwrap();
        assert_eq!((page.items.len(), page.batches.len()), (5_000, 3_000));
        let openings = openings(&keys, &page);
        assert!(openings <= 40, "{openings}");
        // Without an account's key there is no envelope that could be opened.
        let open = run(cold.client.open(patient)).unwrap();
        let batches = BatchKeys::of_page(&page, &open.keys, None);
        let opens = |r| OpenRecord::open(r, &open.keys, &batches).is_ok();
        assert!(page.items.iter().all(opens));
    }
}
