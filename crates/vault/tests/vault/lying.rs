//! A server that lies. Whatever it shows, the client that meets it refuses,
//! or does not believe it.

use chartkey_crypto::{Secret, seal::KemPublic, sign::SigningKey};
use chartkey_fhir::RecordType;
use chartkey_vault::account::keys_statement;
use chartkey_vault::chain::Head;
use chartkey_vault::keys::{AccountSecrets, PatientSeed, VersionKey};
use chartkey_vault::patient::create;
use chartkey_vault::protocol::*;
use chartkey_vault::record::{Place, Ties, seal_version};
use chartkey_vault::statement::{AccountStatement, PatientSays, PatientStatement, SignedStatement};
use chartkey_vault::write::new_id;
use chartkey_vault::{Bytes32, Id, Transport, VaultError};

use crate::act;
use crate::fake::FIRST;
use crate::loot::Holder;
use crate::world::{
    Conditions, LabResults, Person, Terms, World, fields, plain, read, reads, run, sensitive,
};

fn is_statement<T: std::fmt::Debug>(result: &Result<T, VaultError>) -> bool {
    matches!(result, Err(VaultError::Statement(_)))
}

fn rolled_back<T: std::fmt::Debug>(result: &Result<T, VaultError>) -> bool {
    matches!(result, Err(VaultError::RolledBack))
}

/// A lie about where something belongs.
type Move = Box<dyn Fn(&mut SealedPage) + Send>;

/// Chance for lies, apart from the world's.
fn chance(seed: u64) -> rand_chacha::ChaCha20Rng {
    use rand_chacha::rand_core::SeedableRng;
    rand_chacha::ChaCha20Rng::seed_from_u64(seed)
}

fn lie_of_keys(world: &World, lie: impl FnMut(&mut PatientKeys) + Send + 'static) {
    world.server.state().lies.patient_keys = Some(Box::new(lie));
}

fn lie_of_pages(world: &World, lie: impl FnMut(&mut SealedPage) + Send + 'static) {
    world.server.state().lies.page = Some(Box::new(lie));
}

fn honest(world: &World) {
    world.server.state().lies = crate::fake::Lies::default();
}

#[test]
fn a_public_key_that_was_swapped_is_refused_by_whoever_met_the_account() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    let eve = AccountSecrets::new(ben.id, Secret::random(&mut chance(1)));
    let forged = keys_statement(&eve, None, world.now).unwrap();
    world.server.state().lies.account_keys =
        Some(Box::new(move |keys| keys.statements = vec![forged.clone()]));
    assert!(rolled_back(&run(ana.client.holder(ben.id))));
}

#[test]
fn nobody_is_put_in_the_place_of_a_grants_holder_when_keyrings_are_made_anew() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    let (cy, _) = world.person(false);
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    let ended = world
        .grant(&mut ana, patient, cy.id, reads(&[LabResults]))
        .unwrap();
    world.end(&mut ana, patient, ended);
    // Another account under ben's name; one that begins with ben's own public
    // key; ben's own first statement, continued by somebody else.
    let eve = AccountSecrets::new(ben.id, Secret::random(&mut chance(1)));
    let bens = world.server.state().accounts[&ben.id].clone();
    let begins_alike = AccountStatement {
        account: ben.id,
        seq: 0,
        prev: None,
        at: world.now,
        kem_key: ben.client.account.kem_public(),
        sign_key: eve.signing_key().verify_key(),
    };
    let begins_alike = SignedStatement::sign(&begins_alike, eve.signing_key(), None).unwrap();
    let head = |s: &SignedStatement| Head {
        seq: 0,
        hash: s.hash(),
    };
    let after_alike = keys_statement(&eve, Some((&eve, head(&begins_alike))), world.now);
    let after_bens = keys_statement(&eve, Some((&eve, head(&bens[0]))), world.now);
    let lies = [
        vec![keys_statement(&eve, None, world.now).unwrap()],
        vec![begins_alike, after_alike.unwrap()],
        vec![bens[0].clone(), after_bens.unwrap()],
    ];
    for lie in lies {
        let mut fresh = ana.elsewhere(&world);
        world.server.state().lies.account_keys =
            Some(Box::new(move |keys| keys.statements = lie.clone()));
        assert!(is_statement(&run(fresh
            .client
            .settle(patient, act!(world)))));
        let managers = [ana.id];
        let client = &mut fresh.client;
        let anew = run(client.begin_generation(patient, &managers, act!(world)));
        assert!(is_statement(&anew));
    }
    // Nor by naming another account as the holder.
    honest(&world);
    let dan = world.person(false).0.id;
    lie_of_keys(&world, move |keys| {
        for holder in &mut keys.manager.as_mut().unwrap().holders {
            holder.holder = dan;
        }
    });
    let mut fresh = ana.elsewhere(&world);
    assert!(is_statement(&run(fresh
        .client
        .settle(patient, act!(world)))));
    honest(&world);
    world.settle(&mut ana, patient);
}

/// The statement that would follow, signed by whatever key.
fn forge(world: &World, patient: Id, says: PatientSays, key: &SigningKey) -> SignedStatement {
    let head = world.server.state().patients[&patient].chain.head();
    let statement = PatientStatement {
        patient,
        seq: head.seq + 1,
        prev: Some(head.hash),
        at: world.now,
        says,
    };
    SignedStatement::sign(&statement, key, None).unwrap()
}

#[test]
fn an_invented_grant_is_refused() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    let grant = world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    let known = world.server.state().patients[&patient]
        .chain
        .grant(grant)
        .unwrap()
        .terms
        .clone();
    let mut invented = known.clone();
    invented.grant = new_id(world.now, &mut world.rng);
    invented.grant_key = KemPublic::of(&Secret::random(&mut chance(2)));
    let eve = SigningKey::from_secret(&Secret::random(&mut chance(3)));
    let forged = forge(&world, patient, PatientSays::Grant(invented), &eve);
    lie_of_keys(&world, move |keys| keys.statements.push(forged.clone()));
    assert!(is_statement(&run(ana.client.open(patient))));
    assert!(is_statement(&world.write(
        &mut ana,
        patient,
        plain(LabResults),
        "x"
    )));
    // Nor can terms be changed in place.
    lie_of_keys(&world, |keys| {
        let body = &mut keys.statements[1].body;
        *body = body.replace("lab-results", "conditions");
    });
    let mut fresh = ana.elsewhere(&world);
    assert!(is_statement(&run(fresh.client.open(patient))));
}

#[test]
fn a_grant_back_dated_by_a_removed_manager_is_refused() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut dora, _) = world.person(false);
    let (eve, _) = world.person(false);
    let both = [ana.id, dora.id];
    run(ana.client.begin_generation(patient, &both, act!(world))).unwrap();
    let seed = world
        .settle(&mut dora, patient)
        .keys
        .newest_seed()
        .unwrap()
        .clone();
    let grant = world
        .grant(&mut dora, patient, eve.id, reads(&[LabResults]))
        .unwrap();
    world.end(&mut ana, patient, grant);
    run(ana.client.begin_generation(patient, &[ana.id], act!(world))).unwrap();
    let mut terms = world.server.state().patients[&patient]
        .chain
        .grant(grant)
        .unwrap()
        .terms
        .clone();
    terms.grant = new_id(world.now, &mut world.rng);
    // Signed with the old key: after the new generation, or slipped in before.
    let after = forge(
        &world,
        patient,
        PatientSays::Grant(terms.clone()),
        &seed.signing_key(),
    );
    terms.generation = 3;
    let dressed = forge(
        &world,
        patient,
        PatientSays::Grant(terms),
        &seed.signing_key(),
    );
    let count = world.server.state().patients[&patient].statements.len();
    for (at, forged) in [(count, after.clone()), (count, dressed), (count - 1, after)] {
        lie_of_keys(&world, move |keys| {
            keys.statements.insert(at, forged.clone());
        });
        let mut fresh = ana.elsewhere(&world);
        assert!(is_statement(&run(fresh.client.open(patient))), "at {at}");
    }
}

#[test]
fn a_state_older_than_one_met_before_is_refused() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let grant = world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    read(&mut ben, patient).unwrap();
    world.end(&mut ana, patient, grant);
    // Hidden at once, before she looked again: she knows what she signed.
    for keep in [2, 1] {
        lie_of_keys(&world, move |keys| keys.statements.truncate(keep));
        assert!(rolled_back(&run(ana.client.open(patient))), "{keep}");
        assert!(rolled_back(&world.write(
            &mut ana,
            patient,
            plain(LabResults),
            "x"
        )));
    }
    assert!(rolled_back(&run(ben.client.open(patient))));
    // An old epoch offered as the current one.
    honest(&world);
    world.settle(&mut ana, patient);
    lie_of_keys(&world, |keys| keys.statements.truncate(3));
    assert!(rolled_back(&world.write(
        &mut ana,
        patient,
        plain(LabResults),
        "x"
    )));
    // A head of the same length but of another history.
    honest(&world);
    let head = run(ana.client.open(patient)).unwrap().chain.head();
    let other = Head {
        seq: head.seq,
        hash: Bytes32([9; 32]),
    };
    ana.client.memory.patients.insert(patient, other);
    assert!(rolled_back(&run(ana.client.open(patient))));
}

#[test]
fn staleness_that_the_server_keeps_silent_about_is_seen_by_the_clock() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    let labs = plain(LabResults);
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    world.pass(24 * 31);
    lie_of_keys(&world, |keys| keys.ended.clear());
    let open = run(ana.client.open(patient)).unwrap();
    assert!(open.chain.is_stale(labs, world.now));
    // Sealed as the server would have it, it is not sealed at all.
    let draft = world.draft(labs, "x");
    let sealed = ana.client.seal_write(&open, &[draft], act!(world));
    assert!(sealed.unwrap_err().is_conflict());
    let record = world.write(&mut ana, patient, labs, "x").unwrap();
    let state = world.server.state();
    let batch = state.patients[&patient].records[&record].versions[0]
        .sealed
        .batch;
    assert_eq!(
        state.patients[&patient].batches[&batch].sealed.epoch,
        Some(FIRST.next())
    );
    assert!(
        state
            .loot
            .opened_by(&Holder::of(&ben.client.account))
            .is_empty()
    );
}

/// Ana's record with two records in it, and ben who reads it.
fn shared() -> (World, Person, Person, Id, [Id; 2]) {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    let one = world
        .write(&mut ana, patient, plain(LabResults), "one")
        .unwrap();
    let two = world
        .write(&mut ana, patient, plain(LabResults), "two")
        .unwrap();
    (world, ana, ben, patient, [one, two])
}

#[test]
fn a_version_shown_differently_to_two_readers_is_refused() {
    let (world, ana, mut ben, patient, [one, _]) = shared();
    let place = Place {
        patient,
        record: one,
        version: 1,
    };
    // Another content for the same place, signed by the author herself (who
    // colludes), under a key that ben would be given.
    let sign = |key: &VersionKey, text: &str, rng: &mut rand_chacha::ChaCha20Rng| {
        let signer = Some(ana.client.account.signing_key());
        let ties = Ties::default();
        seal_version(
            key,
            place,
            &fields(text),
            text.as_bytes(),
            ties,
            signer,
            rng,
        )
        .unwrap()
    };
    let other_key = VersionKey::new(Secret::random(&mut chance(4)));
    let other = sign(&other_key, "other", &mut chance(5));
    lie_of_pages(&world, move |page| {
        for item in page.items.iter_mut().filter(|r| r.id == one) {
            item.header = other.header.clone();
            item.body = Some(other.body.clone());
        }
    });
    assert_eq!(read(&mut ben, patient), Err(VaultError::Open));
    // Under the very key of the version: another body does not fit the header.
    honest(&world);
    let keys = run(ben.client.open(patient)).unwrap().keys;
    let page = run(ben.client.transport.find(one)).unwrap();
    let batches = chartkey_vault::read::BatchKeys::of_page(&page, &keys, None);
    let same_key = batches.version_key(&page.items[0], &keys).unwrap();
    let body = sign(&same_key, "other", &mut chance(6)).body;
    lie_of_pages(&world, move |page| {
        for item in page.items.iter_mut().filter(|r| r.id == one) {
            item.body = Some(body.clone());
        }
    });
    assert_eq!(read(&mut ben, patient), Err(VaultError::Open));
}

#[test]
fn what_is_sealed_for_one_place_opens_in_no_other() {
    let (world, _, mut ben, patient, [one, two]) = shared();
    let swapped = move |page: &SealedPage| {
        let find = |id| page.items.iter().position(|r| r.id == id).unwrap();
        (find(one), find(two))
    };
    let other = Id::from_bytes([7; 16]);
    let moves: Vec<(&str, Move)> = vec![
        (
            "a header",
            Box::new(move |page| {
                let (a, b) = swapped(page);
                page.items[a].header = page.items[b].header.clone();
            }),
        ),
        (
            "a body",
            Box::new(move |page| {
                let (a, b) = swapped(page);
                page.items[a].body = page.items[b].body.clone();
            }),
        ),
        (
            "a whole record under another's id",
            Box::new(move |page| {
                let (a, b) = swapped(page);
                let id = page.items[a].id;
                page.items[a] = page.items[b].clone();
                page.items[a].id = id;
            }),
        ),
        (
            "another version's number",
            Box::new(|page| page.items[0].version = 2),
        ),
        (
            "another batch",
            Box::new(move |page| {
                let (a, b) = swapped(page);
                page.items[a].batch = page.items[b].batch;
            }),
        ),
        (
            "a batch key of another batch",
            Box::new(|page| {
                page.batches[0].wrapped = page.batches[1].wrapped.clone();
            }),
        ),
        (
            "another compartment",
            Box::new(|page| {
                page.batches[0].compartment = sensitive(LabResults);
            }),
        ),
        (
            "another epoch",
            Box::new(|page| page.batches[0].epoch = Some(FIRST.next())),
        ),
    ];
    for (what, lie) in moves {
        lie_of_pages(&world, lie);
        let refused = read(&mut ben, patient);
        let sealed = matches!(refused, Err(VaultError::Open | VaultError::NoKey));
        assert!(sealed, "{what}: {refused:?}");
    }
    // The patient is the keys' own: what the page says of it is not asked.
    lie_of_pages(&world, move |page| page.items[0].patient = other);
    assert!(read(&mut ben, patient).is_err());
}

#[test]
fn a_direct_envelope_opens_in_no_other_place() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults, Conditions]))
        .unwrap();
    world.pull(patient, plain(LabResults), &["a"]);
    world.pull(patient, plain(Conditions), &["b"]);
    assert_eq!(read(&mut ben, patient).unwrap().len(), 2);
    let moves: Vec<Move> = vec![
        Box::new(|page| {
            page.batches[0].envelopes[0].sealed = page.batches[1].envelopes[0].sealed.clone();
        }),
        Box::new(|page| page.batches[0].compartment = page.batches[1].compartment),
        Box::new(|page| page.batches[0].envelopes[0].to = RecipientKind::Inbox),
        Box::new(|page| page.batches[0].envelopes[0].id = Id::from_bytes([7; 16])),
    ];
    for lie in moves {
        lie_of_pages(&world, lie);
        assert_eq!(read(&mut ben, patient), Err(VaultError::NoKey));
    }
}

#[test]
fn a_truncated_chain_is_found_out_by_the_heads_that_records_name() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    let grant = world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    world.end(&mut ana, patient, grant);
    world
        .write(&mut ana, patient, plain(LabResults), "after")
        .unwrap();
    // A device that remembers nothing is shown the state before the end.
    let mut fresh = ana.elsewhere(&world);
    lie_of_keys(&world, |keys| keys.statements.truncate(2));
    assert_eq!(read(&mut fresh, patient), Err(VaultError::RolledBack));
}

#[test]
fn a_keyring_for_somebody_else_is_refused() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (mut ben, _) = world.person(false);
    let (cy, _) = world.person(false);
    let to_ben = world
        .grant(&mut ana, patient, ben.id, reads(&[LabResults]))
        .unwrap();
    let to_cy = world
        .grant(&mut ana, patient, cy.id, reads(&[Conditions]))
        .unwrap();
    let keyring_of = |id| {
        let state = world.server.state();
        let stored = &state.patients[&patient].grants[&id];
        (stored.keyring.clone(), stored.salt)
    };
    let (theirs, salt) = keyring_of(to_cy);
    let (own, _) = keyring_of(to_ben);
    for (grant, keyring, salt) in [(to_cy, theirs, salt), (to_cy, own, salt)] {
        lie_of_keys(&world, move |keys| {
            let held = &mut keys.keyrings[0];
            (held.grant, held.keyring, held.salt) = (grant, keyring.clone(), salt);
        });
        assert!(is_statement(&run(ben.client.open(patient))));
    }
    lie_of_keys(&world, |keys| {
        keys.keyrings[0].grant = Id::from_bytes([7; 16]);
    });
    assert!(is_statement(&run(ben.client.open(patient))));
}

#[test]
fn a_seed_that_is_not_the_chains_is_refused() {
    let mut world = World::new();
    let (ana, patient) = world.person(true);
    let invented = PatientSeed::new(1, Secret::random(&mut chance(8)));
    let (account, key) = (ana.id, ana.client.account.kem_public());
    lie_of_keys(&world, move |keys| {
        let sealed = invented.seal_to_manager(patient, account, &key, &mut chance(9));
        keys.manager.as_mut().unwrap().sealed_seed = sealed;
    });
    let mut fresh = ana.elsewhere(&world);
    assert!(is_statement(&run(fresh.client.open(patient))));
    honest(&world);
    run(fresh.client.open(patient)).unwrap();
    world.pass(1);
}

#[test]
fn another_record_in_the_place_of_ones_own_is_refused() {
    let mut world = World::new();
    let (ana, patient) = world.person(true);
    let (eve, _) = world.person(false);
    // A whole record whose seed the server knows, made out to ana.
    let mut rng = chance(10);
    let seed = PatientSeed::new(1, Secret::random(&mut rng));
    let (mut made, _) = create(patient, &eve.client.account, world.now, &mut rng).unwrap();
    let PatientSays::Generation(mut terms) = made.statement.patient_statement().unwrap().says
    else {
        panic!("a record begins with a generation");
    };
    terms.sign_key = seed.signing_key().verify_key();
    terms.inbox_key = KemPublic::of(&seed.inbox());
    terms.managers[0].account = ana.id;
    terms.managers[0].fingerprint = ana.client.account.fingerprint();
    let statement = PatientStatement {
        patient,
        seq: 0,
        prev: None,
        at: world.now,
        says: PatientSays::Generation(terms),
    };
    let cosigner = Some(eve.client.account.signing_key());
    made.statement = SignedStatement::sign(&statement, &seed.signing_key(), cosigner).unwrap();
    let key = ana.client.account.kem_public();
    let sealed = seed.seal_to_manager(patient, ana.id, &key, &mut rng);
    lie_of_keys(&world, move |keys| {
        keys.statements = vec![made.statement.clone()];
        keys.manager.as_mut().unwrap().sealed_seed = sealed.clone();
    });
    let mut fresh = ana.elsewhere(&world);
    assert!(is_statement(&run(fresh.client.open(patient))));
    // The other patient's keys, honestly theirs, are not this one's.
    let (cy, other) = world.person(true);
    let theirs = run(cy.client.transport.patient_keys(other)).unwrap();
    honest(&world);
    lie_of_keys(&world, move |keys| *keys = theirs.clone());
    assert!(is_statement(&run(fresh.client.open(patient))));
}

#[test]
fn the_server_can_invent_no_reader_of_a_single_record() {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let (ben, _) = world.person(false);
    let (cy, _) = world.person(false);
    let record = world
        .write(&mut ana, patient, plain(LabResults), "one")
        .unwrap();
    let by_record = || Terms {
        records: Some(vec![record]),
        ..reads(&[LabResults])
    };
    let ended = world.grant(&mut ana, patient, ben.id, by_record()).unwrap();
    let wide = world
        .grant(&mut ana, patient, cy.id, reads(&[RecordType::Conditions]))
        .unwrap();
    world.end(&mut ana, patient, ended);
    world.server.state().lies.known = Some(Box::new(move |known| {
        for item in &mut known.items {
            item.extra_readers = vec![ended, wide];
        }
    }));
    world.rewrite(&mut ana, patient, record, "two").unwrap();
    let loot = &world.server.state().loot;
    let newest = &loot.records.last().unwrap().1;
    assert!(newest.version == 2 && newest.extra.is_empty());
    let by_ben = loot.opened_by(&Holder::of(&ben.client.account));
    assert_eq!(by_ben.into_iter().collect::<Vec<_>>(), [(record, 1)]);
    assert!(loot.opened_by(&Holder::of(&cy.client.account)).is_empty());
}

#[test]
fn a_record_under_a_name_that_did_not_write_it_is_refused() {
    let (world, ana, mut ben, patient, _) = shared();
    let (author, reader) = (ana.id, ben.id);
    lie_of_pages(&world, move |page| {
        for item in &mut page.items {
            item.author = Some(reader);
        }
    });
    assert!(is_statement(&read(&mut ben, patient)));
    // What somebody signed cannot be passed off as the server's either.
    lie_of_pages(&world, |page| {
        for item in &mut page.items {
            item.author = None;
        }
    });
    assert!(is_statement(&read(&mut ben, patient)));
    lie_of_pages(&world, move |page| {
        for item in &mut page.items {
            item.author = Some(author);
        }
    });
    assert_eq!(read(&mut ben, patient).unwrap().len(), 2);
}
