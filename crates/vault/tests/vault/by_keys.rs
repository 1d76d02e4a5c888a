//! By keys, with the whole database in hand: what somebody cannot open, they
//! cannot open with everything that was ever stored beside what they hold.

use std::collections::BTreeSet;

use chartkey_fhir::{Kind, Kinds};
use chartkey_vault::grant::HolderKey;
use chartkey_vault::patient::ReadKeys;
use chartkey_vault::write::new_id;
use chartkey_vault::{Id, Transport, VaultError};
use jiff::SignedDuration;

use crate::act;
use crate::loot::Holder;
use crate::world::{
    Conditions, LabResults, Person, Prescriptions, Terms, World, plain, read, reads, run,
    sensitive, texts,
};

const BUNDLE: &str = r#"{"resourceType":"Bundle","type":"collection","entry":[
 {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Observation","id":"a","status":"final",
  "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],
  "code":{"coding":[{"system":"http://loinc.org","code":"2345-7"}],"text":"Glucose"},
  "performer":[{"reference":"urn:uuid:4"}],"valueQuantity":{"value":5.4,"unit":"mmol/L"}}},
 {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Condition","id":"b",
  "code":{"coding":[{"system":"http://snomed.info/sct","code":"195967001"}],"text":"Asthma"},
  "recorder":{"reference":"urn:uuid:4"}}},
 {"fullUrl":"urn:uuid:3","resource":{"resourceType":"MedicationRequest","id":"c","status":"active","intent":"order",
  "medicationCodeableConcept":{"text":"Salbutamol"}}},
 {"fullUrl":"urn:uuid:4","resource":{"resourceType":"Practitioner","id":"d","name":[{"family":"Lee"}]}}
]}"#;

/// Records of a set of record versions.
fn records(opened: &BTreeSet<(Id, u32)>) -> BTreeSet<Id> {
    opened.iter().map(|(id, _)| *id).collect()
}

fn opens(world: &World, holder: &Holder<'_>) -> BTreeSet<Id> {
    records(&world.server.state().loot.opened_by(holder))
}

fn of(person: &Person) -> Holder<'_> {
    Holder::of(&person.client.account)
}

#[test]
fn a_grantee_of_one_type_opens_nothing_of_another_type_of_the_same_import() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    let imported = world.import(&mut ana, patient, BUNDLE);
    assert_eq!(imported.created, 3);
    let seen = read(&mut ben, patient).unwrap();
    let opened = opens(&world, &of(&ben));
    // The observation and the copy of its practitioner beside it.
    assert_eq!(opened.len(), 2);
    assert_eq!(opened, seen.keys().copied().collect());
    assert!(seen.values().any(|text| text.contains("Glucose")));
    let others = seen
        .values()
        .any(|t| t.contains("Asthma") || t.contains("Salbutamol"));
    assert!(!others);
    let stored: usize = world.server.state().patients[&patient].records.len();
    assert_eq!(opens(&world, &of(&ana)).len(), stored);
}

#[test]
fn whoever_has_no_key_opens_nothing() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (eve, _) = world.person(true);
    world.import(&mut ana, patient, BUNDLE);
    world.pull(patient, plain(LabResults), &["pulled"]);
    assert!(opens(&world, &of(&eve)).is_empty());
    assert!(opens(&world, &Holder::default()).is_empty());
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Statement,
    Expiry,
    ServersWord,
}

#[test]
fn who_was_revoked_opens_nothing_written_later_although_no_manager_was_online_since() {
    for ending in [Ending::Statement, Ending::Expiry, Ending::ServersWord] {
        let mut world = World::new();
        let (mut ana, patient) = world.person(true);
        let (mut ben, _) = world.person(false);
        let (mut cy, _) = world.person(false);
        let labs = plain(LabResults);
        let before = world.write(&mut ana, patient, labs, "before").unwrap();
        let to_ben = world
            .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
            .unwrap();
        let long = Terms {
            lasts: SignedDuration::from_hours(24 * 900),
            ..reads(&[LabResults])
        };
        world.grant(&mut ana, patient, cy.id, long).unwrap();
        let during = world.pull(patient, labs, &["during"])[0];
        assert_eq!(read(&mut ben, patient).unwrap().len(), 2, "{ending:?}");
        match ending {
            Ending::Statement => world.end(&mut ana, patient, to_ben),
            Ending::Expiry => world.pass(24 * 31),
            Ending::ServersWord => world.server.end_by_word(patient, to_ben),
        }
        // A year without a manager: every night goes to those who remain.
        let mut later = BTreeSet::new();
        for _ in 0..5 {
            world.pass(24 * 73);
            later.extend(world.pull(patient, labs, &["later"]));
        }
        assert_eq!(read(&mut cy, patient).unwrap().len(), 7, "{ending:?}");
        let mine = opens(&world, &of(&ben));
        assert_eq!(mine, BTreeSet::from([before, during]), "{ending:?}");
        // The manager comes back: adoption gives nothing away, nor does what
        // they write then.
        world.settle(&mut ana, patient);
        let after = world.write(&mut ana, patient, labs, "after").unwrap();
        assert_eq!(opens(&world, &of(&ben)), mine, "{ending:?}");
        assert!(read(&mut ben, patient).unwrap().is_empty());
        let remain = read(&mut cy, patient).unwrap();
        assert_eq!(remain.len(), 8, "{ending:?}");
        assert!(remain.contains_key(&after) && later.iter().all(|id| remain.contains_key(id)));
    }
}

#[test]
fn a_nightly_writer_opens_nothing_it_wrote() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    world.pull(patient, plain(LabResults), &["a", "b"]);
    // It holds public keys alone; with the database that is nothing at all.
    assert!(opens(&world, &Holder::default()).is_empty());
    assert_eq!(read(&mut ana, patient).unwrap().len(), 2);
}

#[test]
fn a_removed_manager_opens_nothing_of_the_next_generation() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut dora, _) = world.person(false);
    let (mut ben, _) = world.person(false);
    let labs = plain(LabResults);
    let both = [ana.id, dora.id];
    run(ana.client.begin_generation(patient, &both, act!(world))).unwrap();
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    let first = world.write(&mut dora, patient, labs, "by dora").unwrap();
    let single = world
        .write(&mut ana, patient, plain(Conditions), "one")
        .unwrap();
    let by_record = Terms {
        records: Some(vec![single]),
        ..reads(&[Conditions])
    };
    world.grant(&mut ana, patient, ben.id, by_record).unwrap();
    assert_eq!(read(&mut ben, patient).unwrap().len(), 2);

    run(ana.client.begin_generation(patient, &[ana.id], act!(world))).unwrap();
    let old = BTreeSet::from([first, single]);
    assert_eq!(opens(&world, &of(&dora)), old);
    // Wrapped by the manager, sealed directly to the carried grants, a new
    // version of a single record.
    let wrapped = world.write(&mut ana, patient, labs, "wrapped").unwrap();
    let direct = world.pull(patient, labs, &["direct"])[0];
    world.rewrite(&mut ana, patient, single, "two").unwrap();
    let stolen = world.server.state().loot.opened_by(&of(&dora));
    assert_eq!(stolen, BTreeSet::from([(first, 1), (single, 1)]));
    assert!(read(&mut dora, patient).unwrap().is_empty());
    // Whoever was carried over reads it all.
    let seen = read(&mut ben, patient).unwrap();
    assert_eq!(seen.len(), 4);
    assert!(seen.contains_key(&wrapped) && seen.contains_key(&direct));
    assert_eq!(seen[&single], "two");
    assert_eq!(read(&mut ana, patient).unwrap().len(), 4);
}

#[test]
fn a_links_holder_opens_exactly_its_compartments() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let lab = world
        .write(&mut ana, patient, plain(LabResults), "lab")
        .unwrap();
    world
        .write(&mut ana, patient, plain(Conditions), "condition")
        .unwrap();
    world
        .write(&mut ana, patient, sensitive(LabResults), "private")
        .unwrap();
    let grant = new_id(world.now, &mut world.rng);
    let open = world.settle(&mut ana, patient);
    let key = open.link_key(grant).unwrap();
    let holder = HolderKey::Link(key.clone());
    let mut new = world.new_grant(&ana, holder, reads(&[LabResults]));
    new.grant = grant;
    run(ana.client.grant(patient, &new, act!(world))).unwrap();
    let later = world.pull(patient, plain(LabResults), &["later"])[0];

    let opened = world.server.open_link(patient, grant);
    let keys = ReadKeys::of_link(&opened, &key).unwrap();
    let seen: BTreeSet<Id> = texts(&opened.page, &keys).into_keys().collect();
    assert_eq!(seen, BTreeSet::from([lab, later]));
    let holder = Holder {
        links: vec![key],
        ..Holder::default()
    };
    assert_eq!(opens(&world, &holder), seen);
    // A new generation ends it, and the key with it.
    run(ana.client.begin_generation(patient, &[ana.id], act!(world))).unwrap();
    world
        .write(&mut ana, patient, plain(LabResults), "next")
        .unwrap();
    assert_eq!(opens(&world, &holder), seen);
}

#[test]
fn who_may_only_write_opens_nothing_and_learns_of_nobody() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let (mut cy, _) = world.person(false);
    world
        .write(&mut ana, patient, plain(LabResults), "mine")
        .unwrap();
    for _ in 0..2 {
        world
            .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
            .unwrap();
    }
    let only_write = Terms {
        write: vec![LabResults],
        ..reads(&[])
    };
    world.grant(&mut ana, patient, cy.id, only_write).unwrap();
    let written = world
        .write(&mut cy, patient, plain(LabResults), "by cy")
        .unwrap();
    // Only what they wrote themselves, as its author.
    assert_eq!(opens(&world, &of(&cy)), BTreeSet::from([written]));
    assert_eq!(read(&mut ben, patient).unwrap().len(), 2);

    let offered = run(cy.client.transport.patient_keys(patient)).unwrap();
    assert!(offered.manager.is_none() && offered.keyrings.len() == 1);
    let said = serde_json::to_string(&offered).unwrap();
    let ben_now = crate::world::verified(&world, ben.id);
    assert!(!said.contains(&ben.id.to_string()));
    // Nor by anything that ben's public keys give.
    for public in [
        serde_json::to_string(&ben_now.kem_key).unwrap(),
        serde_json::to_string(&ben_now.fingerprint()).unwrap(),
        serde_json::to_string(&chartkey_vault::Bytes32(ben_now.kem_key.fingerprint())).unwrap(),
    ] {
        assert!(!said.contains(public.trim_matches('"')));
    }
    // Two grants to one holder look like two holders.
    let open = run(cy.client.open(patient)).unwrap();
    let hashes: BTreeSet<_> = open.chain.grants().map(|g| g.terms.holder_hash).collect();
    let keys: BTreeSet<_> = open.chain.grants().map(|g| g.terms.sealed_to).collect();
    assert_eq!((hashes.len(), keys.len()), (3, 3));
}

#[test]
fn single_records_are_all_that_a_grant_of_single_records_opens_new_versions_included() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let (mut cy, _) = world.person(false);
    let labs = plain(LabResults);
    let one = world.write(&mut ana, patient, labs, "one").unwrap();
    let other = world.write(&mut ana, patient, labs, "other").unwrap();
    let by_record = Terms {
        records: Some(vec![one]),
        ..reads(&[LabResults])
    };
    let grant = world.grant(&mut ana, patient, ben.id, by_record).unwrap();
    let writer = Terms {
        write: vec![LabResults],
        ..reads(&[LabResults])
    };
    world.grant(&mut ana, patient, cy.id, writer).unwrap();
    world
        .rewrite(&mut ana, patient, one, "one, by ana")
        .unwrap();
    world.rewrite(&mut cy, patient, one, "one, by cy").unwrap();
    world
        .rewrite(&mut ana, patient, other, "other, again")
        .unwrap();
    let seen = read(&mut ben, patient).unwrap();
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [(one, "one, by cy".into())]
    );
    let all = BTreeSet::from([(one, 1), (one, 2), (one, 3)]);
    assert_eq!(world.server.state().loot.opened_by(&of(&ben)), all);
    // Ended, it reads no further version, and nothing is stale for it.
    world.end(&mut ana, patient, grant);
    world.rewrite(&mut ana, patient, one, "one, later").unwrap();
    assert_eq!(world.server.state().loot.opened_by(&of(&ben)), all);
    assert!(
        world
            .settle(&mut ana, patient)
            .chain
            .stale(world.now)
            .is_empty()
    );
}

#[test]
fn sensitive_compartments_that_come_to_be_after_a_grant_are_sealed_directly_to_it() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let (cy, _) = world.person(false);
    let with_kinds = Terms {
        kinds: [Kind::MentalHealth].into_iter().collect(),
        ..reads(&[Conditions])
    };
    world.grant(&mut ana, patient, ben.id, with_kinds).unwrap();
    world
        .grant(&mut ana, patient, cy.id, reads(&[Conditions]))
        .unwrap();
    let secret = sensitive(Conditions);
    let by_manager = world.write(&mut ana, patient, secret, "by ana").unwrap();
    let by_night = world.pull(patient, secret, &["pulled"])[0];
    world.settle(&mut ana, patient);
    let both = BTreeSet::from([by_manager, by_night]);
    let seen: BTreeSet<Id> = read(&mut ben, patient).unwrap().into_keys().collect();
    assert_eq!(seen, both);
    assert_eq!(opens(&world, &of(&ben)), both);
    assert!(opens(&world, &of(&cy)).is_empty());
}

#[test]
fn a_grant_that_begins_later_reads_then_what_was_written_meanwhile() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let later = Terms {
        from: SignedDuration::from_hours(48),
        ..reads(&[LabResults])
    };
    world.grant(&mut ana, patient, ben.id, later).unwrap();
    world.pull(patient, plain(LabResults), &["meanwhile"]);
    assert!(read(&mut ben, patient).unwrap().is_empty());
    world.pass(49);
    assert_eq!(read(&mut ben, patient).unwrap().len(), 1);
}

#[test]
fn moving_a_record_takes_it_from_those_who_may_not_follow() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let (mut cy, _) = world.person(false);
    let (mut dan, _) = world.person(false);
    let labs = plain(LabResults);
    let writer = Terms {
        write: vec![LabResults],
        ..reads(&[LabResults])
    };
    world.grant(&mut ana, patient, ben.id, writer).unwrap();
    let kinds: Kinds = [Kind::MentalHealth].into_iter().collect();
    let wide = Terms {
        kinds,
        ..reads(&[LabResults])
    };
    world.grant(&mut ana, patient, cy.id, wide).unwrap();
    let moved = world.write(&mut ben, patient, labs, "v1 by ben").unwrap();
    world
        .rewrite(&mut ana, patient, moved, "v2 by ana")
        .unwrap();
    let by_record = Terms {
        records: Some(vec![moved]),
        kinds,
        ..reads(&[LabResults])
    };
    world.grant(&mut ana, patient, dan.id, by_record).unwrap();
    let before = world.server.state().loot.records.len();
    let to = sensitive(LabResults);
    run(ana.client.move_record(patient, moved, to, act!(world))).unwrap();
    // Ben read it where it was, and gets none of what it is now.
    {
        let mut state = world.server.state();
        let anew = state.loot.records.split_off(before);
        assert_eq!(anew.len(), 2);
        let old = std::mem::replace(&mut state.loot.records, anew);
        assert!(state.loot.opened_by(&of(&ben)).is_empty());
        assert_eq!(state.loot.opened_by(&of(&cy)).len(), 2);
        state.loot.records.splice(0..0, old);
    }
    assert!(read(&mut ben, patient).unwrap().is_empty());
    // What authors signed goes on holding for all who may follow.
    for person in [&mut ana, &mut cy, &mut dan] {
        assert_eq!(read(person, patient).unwrap()[&moved], "v2 by ana");
    }
    let first = run(ana.client.transport.find_version(moved, 1)).unwrap();
    let open = run(ana.client.open(patient)).unwrap();
    assert_eq!(texts(&first, &open.keys)[&moved], "v1 by ben");
    assert_eq!(first.items[0].author, Some(ben.id));
}

#[test]
fn only_managers_move_records() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    world
        .grant(
            &mut ana,
            patient,
            ben.id,
            reads(&[LabResults, Prescriptions]),
        )
        .unwrap();
    let record = world
        .write(&mut ana, patient, plain(LabResults), "x")
        .unwrap();
    let to = plain(Prescriptions);
    let tried = run(ben.client.move_record(patient, record, to, act!(world)));
    assert_eq!(tried.err(), Some(VaultError::NoKey));
}
