//! Single records passed on by whoever holds a grant: everybody who reads the
//! chain checks it, and it ends with what it was passed on under.

use chartkey_crypto::sign::SigningKey;
use chartkey_vault::chain::Chain;
use chartkey_vault::grant::{Cover, HeldVersion};
use chartkey_vault::granting::{NewReshare, end_grant, make_reshare};
use chartkey_vault::patient::OpenPatient;
use chartkey_vault::protocol::SealedGrant;
use chartkey_vault::read::BatchKeys;
use chartkey_vault::statement::{GrantTerms, PatientSays, PatientStatement, SignedStatement};
use chartkey_vault::write::new_id;
use chartkey_vault::{Id, Transport, VaultError};
use jiff::SignedDuration;

use crate::world::{Conditions, LabResults, Person, World, plain, reads, run};

/// A patient whose laboratory results somebody may read, and pass on.
struct Case {
    world: World,
    ana: Person,
    ben: Person,
    cem: Person,
    patient: Id,
    record: Id,
    parent: Id,
}

fn case(may_reshare: bool) -> Case {
    let mut world = World::new();
    let (mut ana, patient) = world.person(true);
    let ((ben, _), (cem, _)) = (world.person(false), world.person(false));
    let record = world
        .write(&mut ana, patient, plain(LabResults), "ferritin 12")
        .unwrap();
    let holder = run(ana.client.holder(ben.id)).unwrap();
    let mut new = world.new_grant(&ana, holder, reads(&[LabResults]));
    new.may_reshare = may_reshare;
    run(ana.client.grant(
        patient,
        &new,
        &mut chartkey_vault::Act {
            now: world.now,
            rng: &mut world.rng,
        },
    ))
    .unwrap();
    Case {
        world,
        ana,
        ben,
        cem,
        patient,
        record,
        parent: new.grant,
    }
}

impl Case {
    /// As somebody opens the patient now.
    fn open(&self, by: &Person) -> OpenPatient {
        let offered = run(by.client.transport.patient_keys(self.patient)).unwrap();
        OpenPatient::open(&offered, &by.client.account, None).unwrap()
    }

    fn pass_on(&mut self) -> Result<SealedGrant, VaultError> {
        let open = self.open(&self.ben);
        let page = run(self.ben.client.transport.find(self.record)).unwrap();
        let batches = BatchKeys::of_page(&page, &open.keys, None);
        let key = batches.version_key(&page.items[0], &open.keys).unwrap();
        let new = NewReshare {
            grant: new_id(self.world.now, &mut self.world.rng),
            holder: run(self.ben.client.holder(self.cem.id)).unwrap(),
            compartment: plain(LabResults),
            version: HeldVersion {
                record: self.record,
                version: 1,
                key: key.secret().clone(),
            },
            expires_at: self.world.now + SignedDuration::from_hours(24 * 365),
            purpose: "TREAT".into(),
            cover: Cover {
                patient_name: "Ana".into(),
                birth_date: None,
                sender: "Ben".into(),
                recipient: "Cem".into(),
                purpose: None,
                message: None,
            },
        };
        make_reshare(&open, &new, self.world.now, &mut self.world.rng)
    }

    fn chain(&self) -> Chain {
        self.open(&self.ana).chain
    }
}

fn terms_of(sealed: &SealedGrant) -> GrantTerms {
    match sealed.statement.patient_statement().unwrap().says {
        PatientSays::Grant(terms) => terms,
        other => panic!("{other:?}"),
    }
}

/// The same place in the chain with other terms, signed by whoever.
fn forged(sealed: &SealedGrant, key: &SigningKey, terms: GrantTerms) -> SignedStatement {
    let said = sealed.statement.patient_statement().unwrap();
    let statement = PatientStatement {
        says: PatientSays::Grant(terms),
        ..said
    };
    SignedStatement::sign(&statement, key, None).unwrap()
}

#[test]
fn a_record_is_passed_on_no_longer_than_the_grant_lasts_and_only_where_that_allows_it() {
    let mut refused = case(false);
    assert!(matches!(refused.pass_on(), Err(VaultError::NoKey)));
    let mut case = case(true);
    let sealed = case.pass_on().unwrap();
    let mut chain = case.chain();
    chain.extend(&sealed.statement).unwrap();
    let child = chain.grant(terms_of(&sealed).grant).unwrap();
    let parent = chain.grant(case.parent).unwrap();
    assert_eq!(child.terms.expires_at, parent.terms.expires_at);
    assert!(!child.is_ended(case.world.now));
    let readers: Vec<Id> = chain
        .extra_readers(case.record, plain(LabResults), case.world.now)
        .map(|grant| grant.terms.grant)
        .collect();
    assert_eq!(
        readers,
        [terms_of(&sealed).grant],
        "later versions are sealed to them too"
    );
}

#[test]
fn what_is_wider_or_signed_by_somebody_else_is_no_part_of_the_chain() {
    let mut case = case(true);
    let sealed = case.pass_on().unwrap();
    let open = case.open(&case.ben);
    let bens = open.keys.keyrings()[0].reshare_key();
    let anas = case
        .open(&case.ana)
        .keys
        .newest_seed()
        .unwrap()
        .signing_key();
    let good = terms_of(&sealed);
    let refused = |key: &SigningKey, change: &dyn Fn(&mut GrantTerms)| {
        let mut terms = good.clone();
        change(&mut terms);
        case.chain().extend(&forged(&sealed, key, terms)).is_err()
    };
    assert!(!refused(&bens, &|_| ()), "the unchanged one holds");
    assert!(
        refused(&anas, &|_| ()),
        "the patient's key does not pass on"
    );
    let wider: [fn(&mut GrantTerms); 8] = [
        |t| t.types.push(Conditions),
        |t| t.records = None,
        |t| t.records = Some(Vec::new()),
        |t| t.expires_at += SignedDuration::from_secs(1),
        |t| t.may_download = true,
        |t| t.write_types.push(LabResults),
        |t| t.may_reshare = true,
        |t| t.parent = None,
    ];
    for (index, change) in wider.into_iter().enumerate() {
        assert!(refused(&bens, &change), "{index}");
    }
}

#[test]
fn what_was_passed_on_ends_with_what_it_was_passed_on_under() {
    let mut case = case(true);
    let sealed = case.pass_on().unwrap();
    let child = terms_of(&sealed).grant;
    // Ended by statement.
    let mut open = case.open(&case.ana);
    open.chain.extend(&sealed.statement).unwrap();
    let end = end_grant(&open, case.parent, case.world.now).unwrap();
    let mut chain = open.chain.clone();
    chain.extend(&end.statement).unwrap();
    assert!(chain.grant(child).unwrap().is_ended(case.world.now));
    // By the server's word.
    let mut chain = open.chain.clone();
    chain.note_ended(&[chartkey_vault::protocol::ServerEnd {
        grant: case.parent,
        at: case.world.now,
    }]);
    assert!(chain.grant(child).unwrap().is_ended(case.world.now));
    // And nothing is passed on under what has ended.
    let mut chain = case.chain();
    chain.note_ended(&[chartkey_vault::protocol::ServerEnd {
        grant: case.parent,
        at: case.world.now,
    }]);
    assert!(chain.extend(&sealed.statement).is_err());
}
