//! People, their clients, and a clock that only tests move.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use chartkey_crypto::{Secret, SecretBytes};
use chartkey_fhir::{Compartment, Kind, Kinds, Limits, RecordType, header_for_text, plan_import};
use chartkey_vault::account::{VerifiedAccount, keys_statement};
use chartkey_vault::chain::Chain;
use chartkey_vault::client::{Client, Memory};
use chartkey_vault::grant::{Cover, HolderKey};
use chartkey_vault::granting::NewGrant;
use chartkey_vault::import::Imported;
use chartkey_vault::keys::AccountSecrets;
use chartkey_vault::patient::{OpenPatient, ReadKeys, create};
use chartkey_vault::protocol::*;
use chartkey_vault::read::{BatchKeys, OpenRecord};
use chartkey_vault::record::{BodyKind, Fields, content_tag};
use chartkey_vault::transport::SealedQuery;
use chartkey_vault::write::{Draft, DraftBody, Writer, new_id};
use chartkey_vault::{Bytes, Bytes32, Id, Transport, VaultError};
use jiff::{SignedDuration, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::fake::{Door, Fake};

pub use RecordType::{Conditions, LabResults, Prescriptions};

/// Runs a future that never waits.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

pub struct World {
    pub server: Fake,
    pub rng: ChaCha20Rng,
    pub now: Timestamp,
}

/// Somebody with a client of their own.
pub struct Person {
    pub id: Id,
    pub client: Client<Door>,
}

impl Person {
    /// The same person on a device that remembers nothing.
    pub fn elsewhere(&self, world: &World) -> Self {
        let mut secrets = AccountSecrets::new(self.id, self.client.account.seed().clone());
        secrets.take_previous(&[]).unwrap();
        Self {
            id: self.id,
            client: Client::new(world.server.door(Some(self.id)), secrets, Memory::default()),
        }
    }
}

pub fn plain(record_type: RecordType) -> Compartment {
    Compartment::new(record_type, Kinds::EMPTY)
}

pub fn sensitive(record_type: RecordType) -> Compartment {
    Compartment::new(record_type, [Kind::MentalHealth].into_iter().collect())
}

/// What `act!` needs: time and chance of the world, borrowed apart.
#[macro_export]
macro_rules! act {
    ($world:expr) => {
        &mut chartkey_vault::Act {
            now: $world.now,
            rng: &mut $world.rng,
        }
    };
}

/// What a grant is to be, told apart from whom it is for.
pub struct Terms {
    pub types: Vec<RecordType>,
    pub kinds: Kinds,
    pub write: Vec<RecordType>,
    pub records: Option<Vec<Id>>,
    pub from: SignedDuration,
    pub lasts: SignedDuration,
}

pub fn reads(types: &[RecordType]) -> Terms {
    Terms {
        types: types.to_vec(),
        kinds: Kinds::EMPTY,
        write: Vec::new(),
        records: None,
        from: SignedDuration::ZERO,
        lasts: SignedDuration::from_hours(24 * 30),
    }
}

impl World {
    pub fn new() -> Self {
        let now = "2026-03-01T08:00:00Z".parse().unwrap();
        Self {
            server: Fake::new(now),
            rng: ChaCha20Rng::seed_from_u64(11),
            now,
        }
    }

    pub fn pass(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
        self.server.state().now = self.now;
    }

    /// An account; with a patient of its own where asked for.
    pub fn person(&mut self, with_patient: bool) -> (Person, Id) {
        let id = new_id(self.now, &mut self.rng);
        let secrets = AccountSecrets::new(id, Secret::random(&mut self.rng));
        let patient = with_patient.then(|| {
            let patient = new_id(self.now, &mut self.rng);
            create(patient, &secrets, self.now, &mut self.rng)
                .unwrap()
                .0
        });
        let patient_id = patient.as_ref().map_or(Id::NIL, |p| p.patient);
        let way_in = WayIn {
            auth_key: Bytes32::default(),
            wrapped_seed: Bytes::default(),
        };
        self.server.register(&NewAccount {
            account: id,
            kdf: KdfParams {
                m_kib: 0,
                t: 0,
                p: 0,
            },
            password: way_in.clone(),
            recovery: way_in,
            statement: keys_statement(&secrets, None, self.now).unwrap(),
            patient,
        });
        let client = Client::new(self.server.door(Some(id)), secrets, Memory::default());
        (Person { id, client }, patient_id)
    }

    pub fn draft(&mut self, compartment: Compartment, text: &str) -> Draft {
        Draft {
            record: new_id(self.now, &mut self.rng),
            version: 1,
            previous: None,
            compartment,
            supporting: false,
            fields: fields(text),
            body: DraftBody::Open(SecretBytes::new(text.as_bytes().to_vec())),
            identity_tag: None,
            content_tag: content_tag(&Secret::from_bytes([0; 32]), text.as_bytes()),
        }
    }

    /// A client writes a text, as manager or as whoever may.
    pub fn write(
        &mut self,
        by: &mut Person,
        patient: Id,
        compartment: Compartment,
        text: &str,
    ) -> Result<Id, VaultError> {
        let draft = self.draft(compartment, text);
        let id = draft.record;
        run(by.client.write(patient, &[draft], act!(self)))?;
        Ok(id)
    }

    /// The next version of a record.
    pub fn rewrite(
        &mut self,
        by: &mut Person,
        patient: Id,
        record: Id,
        text: &str,
    ) -> Result<(), VaultError> {
        let page = run(by.client.transport.find(record))?;
        let newest = &page.items[0];
        let mut draft = self.draft(newest.compartment, text);
        draft.record = record;
        draft.version = newest.version + 1;
        draft.previous = Some(newest.commitment);
        run(by.client.write(patient, &[draft], act!(self)))?;
        Ok(())
    }

    /// The server pulls at night, with nobody there: public keys alone.
    pub fn pull(&mut self, patient: Id, compartment: Compartment, texts: &[&str]) -> Vec<Id> {
        let drafts: Vec<Draft> = texts.iter().map(|t| self.draft(compartment, t)).collect();
        let ids = drafts.iter().map(|d| d.record).collect();
        let door = self.server.door(None);
        let offered = run(door.patient_keys(patient)).unwrap();
        assert!(offered.manager.is_none() && offered.keyrings.is_empty());
        let mut chain = Chain::verify(patient, &offered.statements, None).unwrap();
        chain.note_ended(&offered.ended);
        let writer = Writer {
            chain: &chain,
            grants_version: offered.grants_version,
            seed: None,
            author: None,
        };
        let write = writer.seal(&drafts, self.now, &mut self.rng).unwrap();
        run(door.write(write)).unwrap();
        ids
    }

    /// Imports a Bundle as its owner does.
    pub fn import(&mut self, by: &mut Person, patient: Id, bundle: &str) -> Imported {
        let plan = plan_import(bundle.as_bytes(), None, &Limits::default()).unwrap();
        assert!(plan.rejected.is_empty());
        let client = &mut by.client;
        run(client.import(patient, plan, None, "upload", None, act!(self))).unwrap()
    }

    pub fn new_grant(&mut self, by: &Person, holder: HolderKey, terms: Terms) -> NewGrant {
        let versions = terms.records.map(|records| {
            let mut held = Vec::new();
            for record in records {
                let page = run(by.client.transport.find(record)).unwrap();
                let open = run(by.client.transport.patient_keys(page.items[0].patient)).unwrap();
                let open = OpenPatient::open(&open, &by.client.account, None).unwrap();
                let batches = BatchKeys::of_page(&page, &open.keys, None);
                let key = batches.version_key(&page.items[0], &open.keys).unwrap();
                held.push(chartkey_vault::grant::HeldVersion {
                    record,
                    version: page.items[0].version,
                    key: key.secret().clone(),
                });
            }
            held
        });
        let from = self.now + terms.from;
        NewGrant {
            grant: new_id(self.now, &mut self.rng),
            holder,
            types: terms.types,
            kinds: terms.kinds,
            versions,
            valid_from: from,
            expires_at: from + terms.lasts,
            purpose: "TREAT".into(),
            may_download: false,
            write_types: terms.write,
            may_reshare: false,
            cover: Cover {
                patient_name: "Ana".into(),
                birth_date: None,
                sender: "Ana".into(),
                recipient: "Ben".into(),
                purpose: None,
                message: None,
            },
        }
    }

    pub fn grant(
        &mut self,
        by: &mut Person,
        patient: Id,
        to: Id,
        terms: Terms,
    ) -> Result<Id, VaultError> {
        let holder = run(by.client.holder(to))?;
        let new = self.new_grant(by, holder, terms);
        run(by.client.grant(patient, &new, act!(self)))?;
        Ok(new.grant)
    }

    pub fn end(&mut self, by: &mut Person, patient: Id, grant: Id) {
        run(by.client.end_grant(patient, grant, act!(self))).unwrap();
    }

    pub fn settle(&mut self, by: &mut Person, patient: Id) -> OpenPatient {
        run(by.client.settle(patient, act!(self))).unwrap()
    }
}

pub fn fields(text: &str) -> Fields {
    Fields {
        body: BodyKind::Text,
        content_type: "text/plain".into(),
        size: text.len() as u64,
        file_name: None,
        header: header_for_text(Some("Note"), text, None),
        author_name: None,
    }
}

/// Everything that somebody's client opens, with its text. What the server
/// offers and does not open is an error.
pub fn read(by: &mut Person, patient: Id) -> Result<BTreeMap<Id, String>, VaultError> {
    let open = run(by.client.open(patient))?;
    let page = run(by.client.transport.list(patient, &SealedQuery::default()))?;
    let batches = BatchKeys::of_page(&page, &open.keys, Some(&by.client.account));
    let mut texts = BTreeMap::new();
    for sealed in &page.items {
        let opened = OpenRecord::open(sealed, &open.keys, &batches)?;
        run(by.client.verify_record(&open, sealed, &opened))?;
        texts.insert(sealed.id, text(sealed, &opened)?);
    }
    Ok(texts)
}

pub fn text(sealed: &SealedRecord, opened: &OpenRecord) -> Result<String, VaultError> {
    let body = opened.open_body(sealed, None)?;
    Ok(String::from_utf8(body.into_vec()).unwrap())
}

/// Everything that a page opens to with these keys.
pub fn texts(page: &SealedPage, keys: &ReadKeys) -> BTreeMap<Id, String> {
    let batches = BatchKeys::of_page(page, keys, None);
    let opened = page.items.iter().map(|sealed| {
        let opened = OpenRecord::open(sealed, keys, &batches).unwrap();
        (sealed.id, text(sealed, &opened).unwrap())
    });
    opened.collect()
}

/// A person's public keys as the server stores them.
pub fn verified(world: &World, account: Id) -> VerifiedAccount {
    let keys = run(world.server.door(None).account_keys(account)).unwrap();
    VerifiedAccount::verify(&keys, None).unwrap()
}
