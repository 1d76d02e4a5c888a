//! The state machine: adoption, retries, new keys.

use std::collections::BTreeSet;

use chartkey_crypto::SecretBytes;
use chartkey_fhir::header_for_file;
use chartkey_vault::account::PasswordRoot;
use chartkey_vault::grant::Keyring;
use chartkey_vault::import::NewRecord;
use chartkey_vault::keys::AccountSecrets;
use chartkey_vault::protocol::{KdfParams, RecipientKind};
use chartkey_vault::record::BodyKind;
use chartkey_vault::{Bytes, Id, Transport, VaultError};

use crate::act;
use crate::fake::FIRST;
use crate::loot::Holder;
use crate::world::{Conditions, LabResults, Person, Terms, World, plain, read, reads, run};

fn of(person: &Person) -> Holder<'_> {
    Holder::of(&person.client.account)
}

#[test]
fn adoption_is_resumable_and_doing_it_again_changes_nothing() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    for night in 0..7 {
        world.pull(patient, plain(LabResults), &[&format!("night {night}")]);
    }
    world.server.state().page = 3;
    // It stops after a page, as when the browser is closed.
    let open = run(ana.client.open(patient)).unwrap();
    let waiting = run(ana.client.transport.unadopted(patient)).unwrap();
    assert!(waiting.more && waiting.batches.len() == 3);
    let some = chartkey_vault::settle::adopt(&open, &waiting, &mut world.rng).unwrap();
    run(ana.client.transport.adopt(some.clone())).unwrap();
    run(ana.client.transport.adopt(some)).unwrap();
    assert_eq!(
        world.server.state().patients[&patient].version,
        open.grants_version
    );

    let open = world.settle(&mut ana, patient);
    assert_eq!(open.manager.unwrap().unadopted, 0);
    let writes = world.server.state().writes;
    world.settle(&mut ana, patient);
    assert_eq!(world.server.state().writes, writes);
    assert_eq!(read(&mut ana, patient).unwrap().len(), 7);
    for batch in world.server.state().patients[&patient].batches.values() {
        assert_eq!(batch.sealed.epoch, Some(FIRST));
        assert!(batch.sealed.envelopes.is_empty());
    }
}

#[test]
fn a_batch_that_opens_for_nobody_is_set_aside_and_keeps_nothing_from_being_shared() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    let (bad, good) = (
        world.pull(patient, plain(LabResults), &["bad"])[0],
        world.pull(patient, plain(LabResults), &["good"])[0],
    );
    {
        let mut state = world.server.state();
        let stored = state.patients.get_mut(&patient).unwrap();
        let batch = stored.records[&bad].versions[0].sealed.batch;
        let envelopes = &mut stored.batches.get_mut(&batch).unwrap().sealed.envelopes;
        let inbox = envelopes.iter_mut().find(|e| e.to == RecipientKind::Inbox);
        inbox.unwrap().sealed = Bytes(vec![1; 1200]);
    }
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    let loot = world.server.state().loot.opened_by(&of(&ben));
    assert_eq!(loot, BTreeSet::from([(good, 1)]));
}

#[test]
fn what_is_refused_because_the_record_moved_on_is_sealed_again() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let writer = Terms {
        write: vec![LabResults],
        ..reads(&[LabResults])
    };
    world.server.state().lies.conflicts = 2;
    world.grant(&mut ana, patient, ben.id, writer).unwrap();
    for by in [&mut ana, &mut ben] {
        world.server.state().lies.conflicts = 2;
        world.write(by, patient, plain(LabResults), "x").unwrap();
    }
    assert_eq!(read(&mut ben, patient).unwrap().len(), 2);
    // Not for ever.
    world.server.state().lies.conflicts = u32::MAX;
    let never = world.write(&mut ana, patient, plain(LabResults), "y");
    assert!(never.unwrap_err().is_conflict());
}

#[test]
fn a_manager_who_writes_while_a_compartment_is_stale_begins_an_epoch_first() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    let (mut cy, _) = world.person(false);
    let labs = plain(LabResults);
    let ended = world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    world
        .grant(&mut ana, patient, cy.id, reads(&[LabResults, Conditions]))
        .unwrap();
    let old = world.write(&mut ana, patient, labs, "old").unwrap();
    world.end(&mut ana, patient, ended);
    let new = world.write(&mut ana, patient, labs, "new").unwrap();
    let open = world.settle(&mut ana, patient);
    assert_eq!(open.chain.current_epoch(labs), FIRST.next());
    assert_eq!(open.chain.current_epoch(plain(Conditions)), FIRST);
    // The reissued keyring opens what is new, and the past through it.
    let seen = read(&mut cy, patient).unwrap();
    assert!(seen.contains_key(&old) && seen.contains_key(&new));
    let stolen = world.server.state().loot.opened_by(&of(&ben));
    assert_eq!(stolen, BTreeSet::from([(old, 1)]));
}

#[test]
fn the_same_import_again_changes_nothing_and_a_change_becomes_a_version() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let observation = |value: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"a","status":"final","code":{{"text":"Glucose"}},
            "category":[{{"coding":[{{"code":"laboratory"}}]}}],"valueString":"{value}"}}"#
        )
    };
    let first = world.import(&mut ana, patient, &observation("5"));
    assert_eq!((first.created, first.updated, first.unchanged), (1, 0, 0));
    let again = world.import(&mut ana, patient, &observation("5"));
    assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 1));
    let changed = world.import(&mut ana, patient, &observation("6"));
    assert_eq!(
        (changed.created, changed.updated, changed.unchanged),
        (0, 1, 0)
    );
    // Tags are known under every generation that the client opens.
    run(ana.client.begin_generation(patient, &[ana.id], act!(world))).unwrap();
    let after = world.import(&mut ana, patient, &observation("6"));
    assert_eq!((after.created, after.updated, after.unchanged), (0, 0, 1));
}

#[test]
fn an_import_that_is_matched_anew_tells_and_finds_what_the_first_try_did() {
    let observation = |id: &str, value: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"Glucose"}},
            "category":[{{"coding":[{{"code":"laboratory"}}]}}],"valueString":"{value}"}}"#
        )
        .replace('\n', " ")
    };
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let both = [observation("a", "5"), observation("b", "5")].join("\n");
    let first = world.import(&mut ana, patient, &both);
    // The tags of both are of a generation that has passed.
    run(ana.client.begin_generation(patient, &[ana.id], act!(world))).unwrap();
    world.server.state().lies.conflicts = 1;
    let mixed = [
        observation("a", "5"),
        observation("b", "6"),
        observation("c", "5"),
    ]
    .join("\n");
    let again = world.import(&mut ana, patient, &mixed);
    assert_eq!((again.created, again.updated, again.unchanged), (1, 1, 1));
    assert_eq!(again.known, first.written[..1]);
    assert_eq!(again.written[0], first.written[1]);
}

fn kdf() -> KdfParams {
    KdfParams {
        m_kib: 64 * 1024,
        t: 3,
        p: 1,
    }
}

#[test]
fn who_changes_their_keys_keeps_everything_and_a_thief_of_the_old_ones_gets_nothing_new() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, bens) = world.person(true);
    let (mut cy, _) = world.person(false);
    let labs = plain(LabResults);
    let hers = world.write(&mut ana, patient, labs, "hers").unwrap();
    let his = world.write(&mut ben, bens, labs, "his").unwrap();
    let writer = Terms {
        write: vec![LabResults],
        ..reads(&[LabResults])
    };
    world.grant(&mut ana, patient, ben.id, writer).unwrap();
    world
        .grant(&mut ben, bens, cy.id, reads(&[LabResults]))
        .unwrap();
    let by_ben = world.write(&mut ben, patient, labs, "by ben").unwrap();
    let thief = ben.elsewhere(&world);

    let root = PasswordRoot::derive("correct horse battery", &[7; 16], kdf()).unwrap();
    let code = run(ben
        .client
        .rekey(&root, kdf(), &[bens, patient], act!(world)))
    .unwrap();
    assert!(!code.to_text().is_empty());
    let chain = crate::world::verified(&world, ben.id);
    assert_eq!(chain.fingerprints.len(), 2);
    assert_eq!(chain.fingerprint(), ben.client.account.fingerprint());

    // Everything is still there, with nothing but the new seed and the old one
    // wrapped under it; so are those he shares with.
    let mut anew = ben.elsewhere(&world);
    let previous = ben
        .client
        .account
        .wrap_previous(&thief.client.account, &mut world.rng);
    anew.client.account.take_previous(&[previous]).unwrap();
    for client in [&mut ben, &mut anew] {
        assert_eq!(read(client, bens).unwrap().len(), 1);
        assert_eq!(read(client, patient).unwrap().len(), 2);
    }
    assert_eq!(read(&mut cy, bens).unwrap().len(), 1);
    // Grants go on from there: a reissued keyring goes to the new keys.
    let new = world.write(&mut ben, bens, labs, "new").unwrap();
    let pulled = world.pull(bens, labs, &["pulled"])[0];
    assert_eq!(read(&mut cy, bens).unwrap().len(), 3);
    let (dan, _) = world.person(false);
    let ended = world
        .grant(&mut ana, patient, dan.id, reads(&[LabResults]))
        .unwrap();
    world.end(&mut ana, patient, ended);
    let after = world.write(&mut ana, patient, labs, "after").unwrap();
    assert!(read(&mut ben, patient).unwrap().contains_key(&after));

    let stolen = world.server.state().loot.opened_by(&of(&thief));
    let stolen: BTreeSet<Id> = stolen.into_iter().map(|(id, _)| id).collect();
    assert_eq!(stolen, BTreeSet::from([his, hers, by_ben]));
    assert!(!stolen.contains(&new) && !stolen.contains(&pulled));
}

#[test]
fn what_a_manager_holds_of_a_record_of_their_own_goes_to_their_new_keys() {
    let mut world = World::new();
    let (mut dana, chart) = world.person(true);
    let me = dana.id;
    let mine = world
        .grant(&mut dana, chart, me, reads(&[LabResults]))
        .unwrap();
    let thief = dana.elsewhere(&world);
    let root = PasswordRoot::derive("correct horse battery", &[7; 16], kdf()).unwrap();
    run(dana.client.rekey(&root, kdf(), &[chart], act!(world))).unwrap();
    let anew = dana.elsewhere(&world);
    let keyring = world.server.state().patients[&chart].grants[&mine]
        .keyring
        .clone();
    let opens = |who: &AccountSecrets| Keyring::open(chart, mine, who, &keyring).is_ok();
    assert!(opens(&anew.client.account) && !opens(&thief.client.account));
}

#[test]
fn nobody_changes_keys_over_a_chain_that_is_not_theirs() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (eve, _) = world.person(false);
    let theirs = world.server.state().accounts[&eve.id].clone();
    world.server.state().lies.account_keys = Some(Box::new(move |keys| {
        keys.statements = theirs.clone();
    }));
    let root = PasswordRoot::derive("correct horse battery", &[7; 16], kdf()).unwrap();
    let refused = run(ana.client.rekey(&root, kdf(), &[patient], act!(world)));
    assert!(matches!(refused.unwrap_err(), VaultError::Statement(_)));
    assert!(run(ana.client.check_own_keys()).is_err());
    world.server.state().lies.account_keys = None;
    run(ana.client.check_own_keys()).unwrap();
}

#[test]
fn a_large_file_goes_in_parts_and_moves_and_opens_again() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let content: Vec<u8> = (0..=250).cycle().take(9_500_000).collect();
    let scan = || NewRecord {
        compartment: plain(Conditions),
        body: BodyKind::File,
        content_type: "application/dicom".into(),
        file_name: Some("scan.dcm".into()),
        header: header_for_file(None, Some("scan.dcm"), "application/dicom", 9_500_000, None),
        content: SecretBytes::new(content.clone()),
    };
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    world.server.state().lies.conflicts = 1;
    let add = |ana: &mut Person, world: &mut World| {
        let new = vec![scan()];
        run(ana.client.add(patient, new, "upload", None, act!(world))).unwrap()
    };
    let added = add(&mut ana, &mut world);
    assert_eq!((added.created, added.unchanged), (1, 0));
    let again = add(&mut ana, &mut world);
    assert_eq!((again.created, again.unchanged), (0, 1));
    assert_eq!(again.known, added.written);
    assert_eq!(world.server.state().blobs.len(), 1);

    let record = added.written[0];
    let whole = |person: &mut Person| {
        let open = run(person.client.open(patient)).unwrap();
        run(person.client.read(&open, record, None)).map(|r| r.content.into_vec() == content)
    };
    assert_eq!(whole(&mut ana), Ok(true));
    assert!(whole(&mut ben).is_err());
    let to = plain(LabResults);
    run(ana.client.move_record(patient, record, to, act!(world))).unwrap();
    assert_eq!(whole(&mut ana), Ok(true));
    assert_eq!(whole(&mut ben), Ok(true));
    // A part that is missing is a file that does not open.
    for blob in world.server.state().blobs.values_mut() {
        blob.truncate(8 << 20);
    }
    assert_eq!(whole(&mut ana), Err(VaultError::Open));
}
