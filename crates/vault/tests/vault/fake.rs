//! An honest server in memory: stores what it is given and applies the checks
//! that the real one applies, in brief. It can be told to lie afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use chartkey_fhir::Compartment;
use chartkey_vault::chain::Chain;
use chartkey_vault::protocol::*;
use chartkey_vault::statement::{HolderKind, PatientSays, SignedStatement};
use chartkey_vault::transport::SealedQuery;
use chartkey_vault::{Bytes, Bytes32, Epoch, Id, Transport, VaultError};
use jiff::Timestamp;

use crate::loot::Loot;

/// What a lie does to an honest answer.
type Lie<T> = Option<Box<dyn FnMut(&mut T) + Send>>;

/// The lies told from now on.
#[derive(Default)]
pub struct Lies {
    pub patient_keys: Lie<PatientKeys>,
    pub account_keys: Lie<AccountKeys>,
    pub page: Lie<SealedPage>,
    pub known: Lie<KnownTags>,
    /// How many writes are still answered with 409, whatever they say.
    pub conflicts: u32,
}

fn tell<T>(lie: &mut Lie<T>, mut answer: T) -> T {
    if let Some(lie) = lie {
        lie(&mut answer);
    }
    answer
}

pub struct State {
    pub now: Timestamp,
    pub accounts: BTreeMap<Id, Vec<SignedStatement>>,
    pub patients: BTreeMap<Id, Patient>,
    pub lies: Lies,
    pub loot: Loot,
    /// Large bodies, as far as they were sent.
    pub blobs: BTreeMap<Id, Vec<u8>>,
    /// How many batches one request adopts.
    pub page: usize,
    /// Requests that changed something.
    pub writes: u32,
}

pub struct Patient {
    pub version: u64,
    pub statements: Vec<SignedStatement>,
    pub chain: Chain,
    pub ended: Vec<ServerEnd>,
    pub links: Vec<EpochLink>,
    pub seeds: BTreeMap<Id, Bytes>,
    pub older: Vec<WrappedSeed>,
    pub grants: BTreeMap<Id, Grant>,
    pub batches: BTreeMap<Id, Batch>,
    pub records: BTreeMap<Id, Record>,
}

pub struct Grant {
    pub statement: SignedStatement,
    pub holder: Id,
    pub kind: HolderKind,
    pub salt: Bytes32,
    pub keyring: Bytes,
    pub cover: Bytes,
    pub cover_wrap: Bytes,
}

pub struct Batch {
    pub sealed: SealedBatch,
    pub set_aside: bool,
}

pub struct Record {
    pub compartment: Compartment,
    pub identity_tag: Option<Bytes32>,
    pub author: Option<Id>,
    pub created_at: Timestamp,
    pub versions: Vec<Version>,
}

impl Record {
    fn newest(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap()
    }
}

pub struct Version {
    pub sealed: NewSealedRecord,
    pub author: Option<Id>,
    pub at: Timestamp,
}

type Out<T> = Result<T, VaultError>;

fn moved() -> VaultError {
    VaultError::Conflict("compartment.moved".into())
}

fn refused(code: &str) -> VaultError {
    VaultError::Refused {
        status: 422,
        code: code.into(),
        detail: String::new(),
    }
}

/// The server.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State {
            now,
            accounts: BTreeMap::new(),
            patients: BTreeMap::new(),
            lies: Lies::default(),
            loot: Loot::default(),
            blobs: BTreeMap::new(),
            page: 500,
            writes: 0,
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// As seen by a signed-in account, or by the server's own nightly pull.
    pub fn door(&self, who: Option<Id>) -> Door {
        Door {
            server: self.clone(),
            who,
        }
    }

    pub fn register(&self, new: &NewAccount) {
        let mut state = self.state();
        state
            .accounts
            .insert(new.account, vec![new.statement.clone()]);
        let Some(patient) = &new.patient else { return };
        let statements = vec![patient.statement.clone()];
        let chain = Chain::verify(patient.patient, &statements, None).unwrap();
        let seed = (patient.patient, 1, new.account, patient.sealed_seed.clone());
        state.loot.seeds.push(seed);
        state.patients.insert(
            patient.patient,
            Patient {
                version: 1,
                statements,
                chain,
                ended: Vec::new(),
                links: Vec::new(),
                seeds: BTreeMap::from([(new.account, patient.sealed_seed.clone())]),
                older: Vec::new(),
                grants: BTreeMap::new(),
                batches: BTreeMap::new(),
                records: BTreeMap::new(),
            },
        );
    }

    /// The server's word: the grant is used up, or its holder is gone.
    pub fn end_by_word(&self, patient: Id, grant: Id) {
        let mut state = self.state();
        let at = state.now;
        let patient = state.patients.get_mut(&patient).unwrap();
        patient.ended.push(ServerEnd { grant, at });
        patient.chain.note_ended(&[ServerEnd { grant, at }]);
        patient.version += 1;
        patient.withdraw(grant);
    }

    /// What a link's holder gets.
    pub fn open_link(&self, patient: Id, grant: Id) -> LinkOpened {
        let state = self.state();
        let stored = state.patients[&patient].grants.get(&grant).unwrap();
        let keys = state.patients[&patient].links.clone();
        let who = Who::Grants(vec![grant]);
        LinkOpened {
            patient,
            grant,
            statement: stored.statement.clone(),
            expires_at: state.patients[&patient]
                .chain
                .grant(grant)
                .unwrap()
                .terms
                .expires_at,
            keyring: stored.keyring.clone(),
            cover: stored.cover.clone(),
            epoch_links: keys,
            view: "view".into(),
            page: state.patients[&patient].page(&who, state.now, |_| true),
        }
    }
}

/// Who asks, as the policy decided.
enum Who {
    Manager(Id),
    Grants(Vec<Id>),
    Server,
}

impl Patient {
    fn who(&self, who: Option<Id>, now: Timestamp) -> Who {
        let Some(account) = who else {
            return Who::Server;
        };
        if self.chain.managers().iter().any(|m| m.account == account) {
            return Who::Manager(account);
        }
        let held = self
            .chain
            .living(now)
            .filter(|g| g.terms.valid_from <= now)
            .map(|g| g.terms.grant)
            .filter(|id| self.grants.get(id).is_some_and(|g| g.holder == account));
        Who::Grants(held.collect())
    }

    fn sees(&self, who: &Who, record: Id, compartment: Compartment) -> bool {
        match who {
            Who::Manager(_) => true,
            Who::Server => false,
            Who::Grants(held) => held.iter().any(|id| {
                let terms = &self.chain.grant(*id).unwrap().terms;
                terms.covers(compartment) || terms.names(record, compartment)
            }),
        }
    }

    fn withdraw(&mut self, grant: Id) {
        if let Some(stored) = self.grants.get_mut(&grant) {
            stored.keyring = Bytes::default();
        }
        for batch in self.batches.values_mut() {
            let to_it = |e: &Envelope| e.to == RecipientKind::Grant && e.id == grant;
            batch.sealed.envelopes.retain(|e| !to_it(e));
        }
    }

    fn take(&mut self, statement: &SignedStatement) -> Out<PatientSays> {
        let read = statement.patient_statement()?;
        let head = self.chain.head();
        if read.prev != Some(head.hash) || read.seq != head.seq + 1 {
            return Err(VaultError::Conflict("statement.moved".into()));
        }
        self.chain.extend(statement)?;
        self.statements.push(statement.clone());
        self.version += 1;
        Ok(read.says)
    }

    fn existing(&self) -> BTreeSet<Compartment> {
        self.batches
            .values()
            .map(|b| b.sealed.compartment)
            .collect()
    }

    fn waiting(&self) -> impl Iterator<Item = &Batch> {
        self.batches
            .values()
            .filter(|b| b.sealed.wrapped.is_none() && !b.set_aside)
    }

    fn check_batch(
        &self,
        who: &Who,
        batch: &SealedBatch,
        by: Option<Id>,
        now: Timestamp,
    ) -> Out<()> {
        let epoch = self.chain.current_epoch(batch.compartment);
        let due: BTreeSet<Id> = self
            .chain
            .covering(batch.compartment, now)
            .filter(|g| batch.epoch.is_none() || !g.holds_epoch(batch.compartment, epoch))
            .map(|g| g.terms.grant)
            .collect();
        match (&batch.epoch, &batch.wrapped) {
            (Some(sealed_for), Some(_)) => {
                if !matches!(who, Who::Manager(_)) {
                    return Err(refused("not a manager"));
                }
                if self.chain.is_stale(batch.compartment, now) || *sealed_for != epoch {
                    return Err(moved());
                }
            }
            (None, None) => {
                let inbox = batch.envelopes.iter().any(|e| e.to == RecipientKind::Inbox);
                if !inbox {
                    return Err(refused("not to the inbox"));
                }
            }
            _ => return Err(refused("half wrapped")),
        }
        let to = |kind| {
            let sealed = batch.envelopes.iter().filter(move |e| e.to == kind);
            sealed.map(|e| e.id).collect::<BTreeSet<Id>>()
        };
        if to(RecipientKind::Grant) != due {
            return Err(moved());
        }
        if to(RecipientKind::Account).iter().any(|id| Some(*id) != by) {
            return Err(refused("to an account that is not the author"));
        }
        Ok(())
    }

    fn batch_key(&self, who: &Who, id: Id) -> BatchKey {
        let batch = &self.batches[&id];
        let sealed = &batch.sealed;
        let grants: Vec<Id> = match who {
            Who::Grants(held) => held
                .iter()
                .copied()
                .filter(|g| {
                    self.chain
                        .grant(*g)
                        .unwrap()
                        .terms
                        .covers(sealed.compartment)
                })
                .collect(),
            _ => Vec::new(),
        };
        let covered = matches!(who, Who::Manager(_)) || !grants.is_empty();
        let wrapped = sealed.wrapped.clone().filter(|_| covered);
        let envelopes = sealed.envelopes.iter().filter(|e| match e.to {
            RecipientKind::Inbox => matches!(who, Who::Manager(_)) && wrapped.is_none(),
            RecipientKind::Grant => grants.contains(&e.id),
            RecipientKind::Account => false,
        });
        BatchKey {
            id,
            compartment: sealed.compartment,
            epoch: sealed.epoch.filter(|_| wrapped.is_some()),
            envelopes: envelopes.cloned().collect(),
            wrapped,
        }
    }

    fn record(&self, who: &Who, id: Id, version: u32) -> SealedRecord {
        let record = &self.records[&id];
        let stored = &record.versions[version as usize - 1];
        let held: &[Id] = match who {
            Who::Grants(held) => held,
            _ => &[],
        };
        let extra = stored.sealed.extra.iter();
        SealedRecord {
            id,
            patient: self.chain.patient(),
            version,
            compartment: record.compartment,
            supporting: stored.sealed.supporting,
            batch: stored.sealed.batch,
            header: stored.sealed.header.clone(),
            body: stored.sealed.body.clone(),
            blob: stored.sealed.blob,
            size: stored.sealed.header.0.len() as u64,
            commitment: stored.sealed.commitment,
            source: "upload".into(),
            author: stored.author,
            created_at: record.created_at,
            updated_at: stored.at,
            extra: extra.filter(|e| held.contains(&e.grant)).cloned().collect(),
        }
    }

    fn page(&self, who: &Who, _now: Timestamp, wanted: impl Fn(Id) -> bool) -> SealedPage {
        let mut page = SealedPage {
            items: Vec::new(),
            batches: Vec::new(),
            next: None,
        };
        let mut seen = BTreeSet::new();
        for (id, record) in &self.records {
            if wanted(*id) && self.sees(who, *id, record.compartment) {
                let found = self.record(who, *id, record.newest());
                if seen.insert(found.batch) {
                    page.batches.push(self.batch_key(who, found.batch));
                }
                page.items.push(found);
            }
        }
        page
    }

    fn extra_due(&self, record: Id, compartment: Compartment, now: Timestamp) -> BTreeSet<Id> {
        let due = self.chain.extra_readers(record, compartment, now);
        due.map(|g| g.terms.grant).collect()
    }
}

impl State {
    fn patient(&mut self, id: Id) -> Out<&mut Patient> {
        self.patients
            .get_mut(&id)
            .ok_or_else(|| refused("patient.unknown"))
    }

    fn change(&mut self, patient: Id, version: u64) -> Out<()> {
        if self.lies.conflicts > 0 {
            self.lies.conflicts -= 1;
            return Err(moved());
        }
        if self.patient(patient)?.version != version {
            return Err(moved());
        }
        self.writes += 1;
        Ok(())
    }

    fn outcome(&mut self, patient: Id) -> Out<WriteOutcome> {
        Ok(WriteOutcome {
            grants_version: self.patient(patient)?.version,
            leaf_index: 0,
        })
    }

    fn take_generation(&mut self, sealed: SealedGeneration) -> Out<()> {
        let now = self.now;
        let patient = self.patient(sealed.patient)?;
        if patient.waiting().count() > 0 {
            return Err(moved());
        }
        for compartment in patient.existing() {
            let linked = |l: &EpochLink| l.compartment == compartment;
            if !sealed.links.iter().any(linked) {
                return Err(refused("a compartment without its predecessor's key"));
            }
        }
        let PatientSays::Generation(terms) = patient.take(&sealed.statement)? else {
            return Err(refused("not a generation"));
        };
        patient.seeds = sealed
            .seeds
            .iter()
            .map(|s| (s.account, s.sealed.clone()))
            .collect();
        patient.older.push(sealed.previous.clone());
        patient.links.extend(sealed.links.iter().cloned());
        for keyring in &sealed.keyrings {
            let stored = patient.grants.get_mut(&keyring.grant).unwrap();
            stored.keyring = keyring.keyring.clone();
        }
        for cover in &sealed.cover_wraps {
            let stored = patient.grants.get_mut(&cover.grant).unwrap();
            stored.cover_wrap = cover.wrapped.clone();
        }
        let gone: Vec<Id> = patient
            .chain
            .grants()
            .filter(|g| g.is_ended(now))
            .map(|g| g.terms.grant)
            .collect();
        for grant in gone {
            patient.withdraw(grant);
        }
        let id = sealed.patient;
        for seed in sealed.seeds {
            let generation = terms.generation;
            self.loot
                .seeds
                .push((id, generation, seed.account, seed.sealed));
        }
        self.loot.older.push((id, sealed.previous));
        self.loot
            .links
            .extend(sealed.links.into_iter().map(|l| (id, l)));
        for keyring in sealed.keyrings {
            self.loot
                .keyrings
                .push((id, keyring.grant, keyring.keyring));
        }
        Ok(())
    }
}

/// One caller's way to the server.
#[derive(Clone)]
pub struct Door {
    server: Fake,
    who: Option<Id>,
}

impl Door {
    fn on(&self) -> MutexGuard<'_, State> {
        self.server.state()
    }

    fn read(&self, record: Id, version: Option<u32>) -> Out<SealedPage> {
        let mut state = self.on();
        let now = state.now;
        let patient = state
            .patients
            .values()
            .find(|p| p.records.contains_key(&record))
            .ok_or_else(|| refused("record.unknown"))?;
        let who = patient.who(self.who, now);
        let stored = &patient.records[&record];
        if !patient.sees(&who, record, stored.compartment) {
            return Err(refused("record.unknown"));
        }
        let version = version.unwrap_or(stored.newest());
        let found = patient.record(&who, record, version);
        let page = SealedPage {
            batches: vec![patient.batch_key(&who, found.batch)],
            items: vec![found],
            next: None,
        };
        Ok(tell(&mut state.lies.page, page))
    }
}

impl Transport for Door {
    async fn patient_keys(&self, patient: Id) -> Out<PatientKeys> {
        let mut state = self.on();
        let now = state.now;
        let stored = state.patient(patient)?;
        let who = stored.who(self.who, now);
        let manager = match &who {
            Who::Manager(account) => Some(ManagerKeys {
                sealed_seed: stored.seeds[account].clone(),
                older: stored.older.clone(),
                holders: stored
                    .grants
                    .iter()
                    .map(|(id, g)| GrantHolder {
                        grant: *id,
                        kind: g.kind,
                        holder: g.holder,
                        salt: g.salt,
                        cover_wrap: g.cover_wrap.clone(),
                    })
                    .collect(),
                existing: stored.existing().into_iter().collect(),
                unadopted: stored.waiting().count() as u64,
            }),
            _ => None,
        };
        let held: &[Id] = match &who {
            Who::Grants(held) => held,
            _ => &[],
        };
        let covered = |c: Compartment| {
            manager.is_some()
                || held
                    .iter()
                    .any(|g| stored.chain.grant(*g).unwrap().terms.covers(c))
        };
        let keys = PatientKeys {
            patient,
            grants_version: stored.version,
            statements: stored.statements.clone(),
            ended: stored.ended.clone(),
            epoch_links: stored
                .links
                .iter()
                .filter(|l| covered(l.compartment))
                .cloned()
                .collect(),
            keyrings: held
                .iter()
                .map(|id| {
                    let grant = &stored.grants[id];
                    HeldKeyring {
                        grant: *id,
                        keyring: grant.keyring.clone(),
                        cover: grant.cover.clone(),
                        salt: grant.salt,
                    }
                })
                .collect(),
            manager,
        };
        Ok(tell(&mut state.lies.patient_keys, keys))
    }

    async fn account_keys(&self, account: Id) -> Out<AccountKeys> {
        let mut state = self.on();
        let statements = state
            .accounts
            .get(&account)
            .cloned()
            .ok_or_else(|| refused("account.unknown"))?;
        let keys = AccountKeys {
            account,
            statements,
        };
        Ok(tell(&mut state.lies.account_keys, keys))
    }

    async fn known(&self, request: KnownTagsRequest) -> Out<KnownTags> {
        let mut state = self.on();
        let now = state.now;
        let patient = state.patient(request.patient)?;
        let who = patient.who(self.who, now);
        let mut items = Vec::new();
        for (id, record) in &patient.records {
            let tagged = record.identity_tag.filter(|t| request.tags.contains(t));
            let own = record.author.is_some() && record.author == self.who;
            if tagged.is_none() || !(own || patient.sees(&who, *id, record.compartment)) {
                continue;
            }
            let newest = &record.versions.last().unwrap().sealed;
            items.push(KnownRecord {
                id: *id,
                version: newest.version,
                compartment: record.compartment,
                identity_tag: tagged,
                content_tag: newest.content_tag,
                commitment: newest.commitment,
                extra_readers: patient
                    .extra_due(*id, record.compartment, now)
                    .into_iter()
                    .collect(),
            });
        }
        Ok(tell(&mut state.lies.known, KnownTags { items }))
    }

    async fn write(&self, write: SealedWrite) -> Out<WriteOutcome> {
        let mut state = self.on();
        let now = state.now;
        state.change(write.patient, write.grants_version)?;
        for batch in &write.batches {
            state.loot.batches.push((write.patient, batch.clone()));
        }
        for record in &write.records {
            state.loot.records.push((write.patient, record.clone()));
        }
        let patient = state.patient(write.patient)?;
        let who = patient.who(self.who, now);
        let mut places = BTreeMap::new();
        for batch in write.batches {
            patient.check_batch(&who, &batch, self.who, now)?;
            places.insert(batch.id, batch.compartment);
            let stored = Batch {
                sealed: batch.clone(),
                set_aside: false,
            };
            if patient.batches.insert(batch.id, stored).is_some() {
                return Err(refused("record.exists"));
            }
        }
        for sealed in write.records {
            let compartment = places[&sealed.batch];
            let (id, extra) = (sealed.id, sealed.extra.iter().map(|e| e.grant).collect());
            let due = patient.extra_due(id, compartment, now);
            let version = Version {
                author: self.who,
                at: now,
                sealed,
            };
            match patient.records.get_mut(&id) {
                None if version.sealed.version == 1 => {
                    let record = Record {
                        compartment,
                        identity_tag: version.sealed.identity_tag,
                        author: self.who,
                        created_at: now,
                        versions: vec![version],
                    };
                    patient.records.insert(id, record);
                }
                Some(known) if version.sealed.version as usize == known.versions.len() + 1 => {
                    if due != extra {
                        return Err(moved());
                    }
                    known.compartment = compartment;
                    known.versions.push(version);
                }
                _ => return Err(VaultError::Conflict("record.version_mismatch".into())),
            }
        }
        state.outcome(write.patient)
    }

    async fn list(&self, patient: Id, _query: &SealedQuery) -> Out<SealedPage> {
        let mut state = self.on();
        let now = state.now;
        let stored = state.patient(patient)?;
        let who = stored.who(self.who, now);
        let page = stored.page(&who, now, |_| true);
        Ok(tell(&mut state.lies.page, page))
    }

    async fn find(&self, record: Id) -> Out<SealedPage> {
        self.read(record, None)
    }

    async fn find_version(&self, record: Id, version: u32) -> Out<SealedPage> {
        self.read(record, Some(version))
    }

    async fn find_blob(&self, blob: Id) -> Out<Vec<u8>> {
        let found = self.on().blobs.get(&blob).cloned();
        found.ok_or_else(|| refused("blob.not_found"))
    }

    async fn put_blob(
        &self,
        _patient: Id,
        blob: Id,
        offset: u64,
        part: Vec<u8>,
        finish: Option<u64>,
    ) -> Out<()> {
        let mut state = self.on();
        let stored = state.blobs.entry(blob).or_default();
        assert_eq!(stored.len() as u64, offset);
        stored.extend_from_slice(&part);
        assert!(finish.is_none_or(|len| len == stored.len() as u64));
        Ok(())
    }

    async fn move_record(&self, sealed: SealedMove) -> Out<WriteOutcome> {
        let mut state = self.on();
        let now = state.now;
        state.change(sealed.patient, sealed.grants_version)?;
        for batch in &sealed.batches {
            state.loot.batches.push((sealed.patient, batch.clone()));
        }
        for record in &sealed.versions {
            state.loot.records.push((sealed.patient, record.clone()));
        }
        let patient = state.patient(sealed.patient)?;
        let who = patient.who(self.who, now);
        let to = sealed.batches[0].compartment;
        for batch in sealed.batches {
            patient.check_batch(&who, &batch, self.who, now)?;
            let stored = Batch {
                sealed: batch.clone(),
                set_aside: false,
            };
            patient.batches.insert(batch.id, stored);
        }
        let record = patient.records.get_mut(&sealed.record).unwrap();
        if sealed.versions.len() != record.versions.len() {
            return Err(refused("every version, in order"));
        }
        record.compartment = to;
        for (old, new) in record.versions.iter_mut().zip(sealed.versions) {
            old.sealed = new;
        }
        state.outcome(sealed.patient)
    }

    async fn rekey(&self, sealed: SealedRekey) -> Out<()> {
        let mut state = self.on();
        let who = self.who.unwrap();
        let now = state.now;
        let held = state.patients.values().flat_map(|patient| {
            let living = patient.chain.living(now).map(|g| g.terms.grant);
            living.filter(|id| patient.grants.get(id).is_some_and(|g| g.holder == who))
        });
        // Whatever the account holds is sealed anew, on records of its own as well.
        for grant in held.collect::<Vec<Id>>() {
            if !sealed.keyrings.iter().any(|k| k.grant == grant) {
                return Err(moved());
            }
        }
        for generation in &sealed.generations {
            state.change(generation.patient, generation.grants_version)?;
        }
        for generation in sealed.generations {
            state.take_generation(generation)?;
        }
        state.accounts.get_mut(&who).unwrap().push(sealed.statement);
        for keyring in sealed.keyrings {
            let mut found = None;
            for (id, patient) in &mut state.patients {
                if let Some(grant) = patient.grants.get_mut(&keyring.grant) {
                    grant.keyring = keyring.keyring.clone();
                    found = Some(*id);
                }
            }
            state
                .loot
                .keyrings
                .push((found.unwrap(), keyring.grant, keyring.keyring));
        }
        Ok(())
    }

    async fn unadopted(&self, patient: Id) -> Out<Unadopted> {
        let mut state = self.on();
        let page = state.page;
        let now = state.now;
        let stored = state.patient(patient)?;
        let who = stored.who(self.who, now);
        let waiting: Vec<Id> = stored.waiting().map(|b| b.sealed.id).collect();
        let batches = waiting.iter().take(page);
        Ok(Unadopted {
            batches: batches.map(|id| stored.batch_key(&who, *id)).collect(),
            more: waiting.len() > page,
        })
    }

    async fn adopt(&self, adoption: SealedAdoption) -> Out<WriteOutcome> {
        let mut state = self.on();
        let now = state.now;
        state.change(adoption.patient, adoption.grants_version)?;
        let id = adoption.patient;
        let mut wraps = Vec::new();
        let patient = state.patient(id)?;
        for unopenable in adoption.unopenable {
            if let Some(batch) = patient.batches.get_mut(&unopenable) {
                batch.set_aside = true;
            }
        }
        for adopted in adoption.batches {
            let compartment = patient.batches[&adopted.id].sealed.compartment;
            let current = patient.chain.current_epoch(compartment);
            if patient.chain.is_stale(compartment, now) || adopted.epoch != current {
                return Err(moved());
            }
            let opens: BTreeSet<Id> = patient
                .chain
                .grants()
                .filter(|g| g.holds_epoch(compartment, current))
                .map(|g| g.terms.grant)
                .collect();
            let batch = patient.batches.get_mut(&adopted.id).unwrap();
            if batch.sealed.wrapped.is_some() {
                continue;
            }
            batch.sealed.epoch = Some(adopted.epoch);
            batch.sealed.wrapped = Some(adopted.wrapped);
            batch.sealed.envelopes.retain(|e| match e.to {
                RecipientKind::Inbox => false,
                RecipientKind::Grant => !opens.contains(&e.id),
                RecipientKind::Account => true,
            });
            wraps.push((id, batch.sealed.clone()));
        }
        state.loot.batches.extend(wraps);
        state.outcome(id)
    }

    async fn begin_epochs(&self, epochs: SealedEpochs) -> Out<WriteOutcome> {
        let mut state = self.on();
        let now = state.now;
        state.change(epochs.patient, epochs.grants_version)?;
        let id = epochs.patient;
        let patient = state.patient(id)?;
        let says = patient.take(&epochs.statement)?;
        let PatientSays::Epochs { begun, reissued } = says else {
            return Err(refused("not about epochs"));
        };
        let remain: BTreeSet<Id> = begun
            .iter()
            .flat_map(|(c, _)| patient.chain.covering(*c, now))
            .map(|g| g.terms.grant)
            .collect();
        let kept: BTreeSet<Id> = epochs.keyrings.iter().map(|k| k.grant).collect();
        if remain != kept || remain != reissued.into_iter().collect() {
            return Err(moved());
        }
        patient.links.extend(epochs.links.iter().cloned());
        for keyring in &epochs.keyrings {
            let stored = patient.grants.get_mut(&keyring.grant).unwrap();
            stored.keyring = keyring.keyring.clone();
        }
        state
            .loot
            .links
            .extend(epochs.links.into_iter().map(|l| (id, l)));
        let keyrings = epochs.keyrings.into_iter();
        state
            .loot
            .keyrings
            .extend(keyrings.map(|k| (id, k.grant, k.keyring)));
        state.outcome(id)
    }

    async fn begin_generation(&self, sealed: SealedGeneration) -> Out<WriteOutcome> {
        let mut state = self.on();
        let id = sealed.patient;
        state.change(id, sealed.grants_version)?;
        state.take_generation(sealed)?;
        state.outcome(id)
    }

    async fn grant(&self, grant: SealedGrant) -> Out<WriteOutcome> {
        let mut state = self.on();
        let now = state.now;
        let id = grant.patient;
        state.change(id, grant.grants_version)?;
        let patient = state.patient(id)?;
        let PatientSays::Grant(terms) = grant.statement.patient_statement()?.says else {
            return Err(refused("not a grant"));
        };
        for compartment in patient.existing() {
            let waits = patient
                .waiting()
                .any(|b| b.sealed.compartment == compartment);
            let fresh = !patient.chain.is_stale(compartment, now);
            if terms.covers(compartment) && (waits || !fresh) {
                return Err(moved());
            }
        }
        patient.take(&grant.statement)?;
        let stored = Grant {
            statement: grant.statement,
            holder: grant.holder,
            kind: terms.holder_kind,
            salt: grant.salt,
            keyring: grant.keyring.clone(),
            cover: grant.cover,
            cover_wrap: grant.cover_wrap,
        };
        patient.grants.insert(terms.grant, stored);
        state.loot.keyrings.push((id, terms.grant, grant.keyring));
        state.outcome(id)
    }

    async fn change_grant(&self, grant: Id, change: GrantChange) -> Out<WriteOutcome> {
        let mut state = self.on();
        state.writes += 1;
        let patient = state.patient(change.patient)?;
        if let PatientSays::End { .. } = patient.take(&change.statement)? {
            patient.withdraw(grant);
        }
        state.outcome(change.patient)
    }
}

/// The epoch of the first keys of generation 1.
pub const FIRST: Epoch = Epoch::first(1);
