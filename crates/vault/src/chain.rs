//! A patient's chain of statements, verified: who manages, which grants
//! live, which epochs are current. What a client believes, it believes from
//! here; the server's own word can only end a grant.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::{seal::KemPublic, sign::VerifyKey};
use chartkey_fhir::Compartment;
use jiff::Timestamp;

use crate::{
    Id,
    bytes::Bytes32,
    epoch::Epoch,
    error::VaultError,
    protocol::ServerEnd,
    statement::{
        GenerationTerms, GrantTerms, ManagerRef, PatientSays, PatientStatement, SignedStatement,
    },
};

/// The newest statement of a chain: its position and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// Position, from 0.
    pub seq: u64,
    /// Its hash.
    pub hash: Bytes32,
}

/// A grant as the chain tells of it.
#[derive(Clone, Debug)]
pub struct ChainGrant {
    /// Its signed terms; `expires_at` and `grant_key` as they stand now.
    pub terms: GrantTerms,
    /// Newest epoch of each compartment that its keyring opens.
    pub holds: BTreeMap<Compartment, Epoch>,
    /// When it ended by statement, by the server's word, or because a
    /// generation did not carry it.
    pub ended_at: Option<Timestamp>,
}

impl ChainGrant {
    /// Ended by word or by the clock.
    pub fn is_ended(&self, now: Timestamp) -> bool {
        self.ended_at.is_some() || self.terms.expires_at <= now
    }

    /// Whether the keyring opens this epoch.
    pub fn holds_epoch(&self, compartment: Compartment, epoch: Epoch) -> bool {
        self.holds.get(&compartment).is_some_and(|e| *e >= epoch)
    }
}

/// The verified view of a patient's chain.
#[derive(Clone, Debug)]
pub struct Chain {
    patient: Id,
    first: SignedStatement,
    founders: Vec<ManagerRef>,
    head: Head,
    hashes: Vec<Bytes32>,
    generation: u32,
    sign_key: VerifyKey,
    inbox_key: KemPublic,
    managers: Vec<ManagerRef>,
    grants: BTreeMap<Id, ChainGrant>,
    epochs: BTreeMap<Compartment, Epoch>,
    last_epochs: BTreeMap<Compartment, Epoch>,
}

impl Chain {
    /// Verifies a whole chain. `seen` is the newest head met before: the
    /// chain must contain it.
    pub fn verify(
        patient: Id,
        statements: &[SignedStatement],
        seen: Option<Head>,
    ) -> Result<Self, VaultError> {
        let (first, rest) = statements
            .split_first()
            .ok_or(VaultError::Statement("the chain is empty"))?;
        let mut chain = Self::begin(patient, first)?;
        for statement in rest {
            chain.extend(statement)?;
        }
        if let Some(seen) = seen {
            chain.must_contain(seen)?;
        }
        Ok(chain)
    }

    /// Refuses a chain that lacks a head met before.
    pub fn must_contain(&self, seen: Head) -> Result<(), VaultError> {
        let at = usize::try_from(seen.seq).map_err(|_| VaultError::RolledBack)?;
        if self.hashes.get(at) == Some(&seen.hash) {
            Ok(())
        } else {
            Err(VaultError::RolledBack)
        }
    }

    /// The hashes of all statements, in order.
    pub fn hashes(&self) -> impl Iterator<Item = &Bytes32> {
        self.hashes.iter()
    }

    /// Whether a statement with this hash is in the chain.
    pub fn contains_hash(&self, hash: &Bytes32) -> bool {
        self.hashes.contains(hash)
    }

    fn begin(patient: Id, first: &SignedStatement) -> Result<Self, VaultError> {
        let statement = first.patient_statement()?;
        let PatientSays::Generation(terms) = statement.says else {
            return Err(VaultError::Statement("the first is not a generation"));
        };
        if statement.patient != patient
            || statement.seq != 0
            || statement.prev.is_some()
            || terms.generation != 1
            || !terms.carries.is_empty()
        {
            return Err(VaultError::Statement("the first is out of place"));
        }
        if !first.is_signed_by(&terms.sign_key) {
            return Err(VaultError::Statement("bad signature"));
        }
        let hash = first.hash();
        Ok(Self {
            patient,
            first: first.clone(),
            founders: terms.managers.clone(),
            head: Head { seq: 0, hash },
            hashes: vec![hash],
            generation: 1,
            sign_key: terms.sign_key,
            inbox_key: terms.inbox_key,
            managers: terms.managers,
            grants: BTreeMap::new(),
            epochs: BTreeMap::new(),
            last_epochs: BTreeMap::new(),
        })
    }

    /// Verifies and takes in the next statement.
    pub fn extend(&mut self, signed: &SignedStatement) -> Result<(), VaultError> {
        let statement = signed.patient_statement()?;
        if statement.patient != self.patient
            || statement.seq != self.head.seq.saturating_add(1)
            || statement.prev != Some(self.head.hash)
        {
            return Err(VaultError::Statement("out of place in its chain"));
        }
        if !signed.is_signed_by(self.signer_of(&statement)?) {
            return Err(VaultError::Statement("bad signature"));
        }
        match statement.says {
            PatientSays::Generation(terms) => {
                if !signed.is_cosigned_by(&terms.sign_key) {
                    return Err(VaultError::Statement("bad cosignature"));
                }
                self.take_generation(terms, statement.at)?;
            }
            PatientSays::Grant(terms) => self.take_grant(terms)?,
            PatientSays::Terms { grant, expires_at } => {
                let known = self.living_mut(grant)?;
                if known.terms.expires_at <= statement.at {
                    return Err(VaultError::Statement("an ended grant is never extended"));
                }
                if known.terms.parent.is_some() && known.terms.expires_at < expires_at {
                    return Err(VaultError::Statement("a re-share is never extended"));
                }
                known.terms.expires_at = expires_at;
                for child in self.passed_on_mut(grant) {
                    child.terms.expires_at = child.terms.expires_at.min(expires_at);
                }
            }
            PatientSays::End { grant } => {
                let at = statement.at;
                let known = self
                    .grants
                    .get_mut(&grant)
                    .ok_or(VaultError::Statement("unknown grant"))?;
                known.ended_at.get_or_insert(at);
                self.end_passed_on(grant, at);
            }
            PatientSays::Epochs { begun, reissued } => self.take_epochs(&begun, &reissued)?,
        }
        self.head = Head {
            seq: statement.seq,
            hash: signed.hash(),
        };
        self.hashes.push(self.head.hash);
        Ok(())
    }

    /// Whose signature a statement needs: the patient's, and for a re-share that of
    /// whoever holds the grant it is made under.
    fn signer_of(&self, statement: &PatientStatement) -> Result<&VerifyKey, VaultError> {
        let PatientSays::Grant(terms) = &statement.says else {
            return Ok(&self.sign_key);
        };
        let Some(parent) = terms.parent else {
            return Ok(&self.sign_key);
        };
        let held = self
            .grants
            .get(&parent)
            .filter(|g| !g.is_ended(statement.at))
            .ok_or(VaultError::Statement("re-shares nothing that lives"))?;
        if !terms.is_reshare_of(&held.terms) {
            return Err(VaultError::Statement("a re-share that is wider"));
        }
        let key = held.terms.reshare_key.as_ref();
        key.ok_or(VaultError::Statement("not to be re-shared"))
    }

    /// The grants that were passed on under one.
    fn passed_on_mut(&mut self, parent: Id) -> impl Iterator<Item = &mut ChainGrant> {
        self.grants
            .values_mut()
            .filter(move |g| g.terms.parent == Some(parent))
    }

    fn end_passed_on(&mut self, parent: Id, at: Timestamp) {
        for child in self.passed_on_mut(parent) {
            child.ended_at.get_or_insert(at);
        }
    }

    fn living_mut(&mut self, grant: Id) -> Result<&mut ChainGrant, VaultError> {
        self.grants
            .get_mut(&grant)
            .filter(|g| g.ended_at.is_none())
            .ok_or(VaultError::Statement("no living grant of that id"))
    }

    fn take_grant(&mut self, terms: GrantTerms) -> Result<(), VaultError> {
        if terms.generation != self.generation {
            return Err(VaultError::Statement("made in another generation"));
        }
        if self.grants.contains_key(&terms.grant) {
            return Err(VaultError::Statement("a grant is made once"));
        }
        if terms.expires_at <= terms.valid_from {
            return Err(VaultError::Statement("ends before it begins"));
        }
        let mut holds = BTreeMap::new();
        for (compartment, epoch) in &terms.holds {
            if !terms.covers(*compartment) {
                return Err(VaultError::Statement("holds what it does not cover"));
            }
            if *epoch != self.current_epoch(*compartment) {
                return Err(VaultError::Statement("holds an epoch that is not current"));
            }
            holds.insert(*compartment, *epoch);
        }
        self.grants.insert(
            terms.grant,
            ChainGrant {
                terms,
                holds,
                ended_at: None,
            },
        );
        Ok(())
    }

    fn take_epochs(
        &mut self,
        begun: &[(Compartment, Epoch)],
        reissued: &[Id],
    ) -> Result<(), VaultError> {
        for (compartment, epoch) in begun {
            if *epoch != self.current_epoch(*compartment).next() {
                return Err(VaultError::Statement("an epoch follows its predecessor"));
            }
        }
        for grant in reissued {
            let known = self.living_mut(*grant)?;
            for (compartment, epoch) in begun {
                if known.terms.covers(*compartment) {
                    known.holds.insert(*compartment, *epoch);
                }
            }
        }
        self.epochs.extend(begun.iter().copied());
        Ok(())
    }

    fn take_generation(&mut self, terms: GenerationTerms, at: Timestamp) -> Result<(), VaultError> {
        if terms.generation != self.generation.saturating_add(1) {
            return Err(VaultError::Statement(
                "a generation follows its predecessor",
            ));
        }
        let first = Epoch::first(terms.generation);
        let mut carried = BTreeSet::new();
        for carry in terms.carries {
            let known = self.living_mut(carry.grant)?;
            if carry.reshare_key.is_some() != known.terms.reshare_key.is_some() {
                return Err(VaultError::Statement("carries what it may not"));
            }
            known.terms.grant_key = carry.grant_key;
            known.terms.reshare_key = carry.reshare_key;
            known.holds = BTreeMap::new();
            for (compartment, epoch) in carry.holds {
                if epoch != first || !known.terms.covers(compartment) {
                    return Err(VaultError::Statement("carries what it may not"));
                }
                known.holds.insert(compartment, epoch);
            }
            carried.insert(carry.grant);
        }
        for (id, grant) in &mut self.grants {
            let with_parent = grant.terms.parent.is_none_or(|p| carried.contains(&p));
            if !carried.contains(id) || !with_parent {
                grant.ended_at.get_or_insert(at);
            }
        }
        let last = std::mem::take(&mut self.epochs);
        self.last_epochs = last;
        self.generation = terms.generation;
        self.sign_key = terms.sign_key;
        self.inbox_key = terms.inbox_key;
        self.managers = terms.managers;
        Ok(())
    }

    /// Takes the server's word that grants ended.
    pub fn note_ended(&mut self, ended: &[ServerEnd]) {
        for end in ended {
            if let Some(grant) = self.grants.get_mut(&end.grant) {
                grant.ended_at.get_or_insert(end.at);
                self.end_passed_on(end.grant, end.at);
            }
        }
    }

    /// Whose chain.
    pub const fn patient(&self) -> Id {
        self.patient
    }

    /// Who began the record.
    pub fn founders(&self) -> &[ManagerRef] {
        &self.founders
    }

    /// Whether this account key vouches for the first statement.
    pub fn is_founded_by(&self, key: &VerifyKey) -> bool {
        self.first.is_cosigned_by(key)
    }

    /// The newest statement.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The current generation.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Verifies what the current generation signs.
    pub const fn sign_key(&self) -> &VerifyKey {
        &self.sign_key
    }

    /// What direct writers seal to.
    pub const fn inbox_key(&self) -> &KemPublic {
        &self.inbox_key
    }

    /// Who holds the seed.
    pub fn managers(&self) -> &[ManagerRef] {
        &self.managers
    }

    /// A grant, ended or not.
    pub fn grant(&self, id: Id) -> Option<&ChainGrant> {
        self.grants.get(&id)
    }

    /// All grants of the chain.
    pub fn grants(&self) -> impl Iterator<Item = &ChainGrant> {
        self.grants.values()
    }

    /// Grants that have not ended; those that begin later included.
    pub fn living(&self, now: Timestamp) -> impl Iterator<Item = &ChainGrant> {
        self.grants.values().filter(move |g| !g.is_ended(now))
    }

    /// Living grants that cover a compartment as a whole.
    pub fn covering(
        &self,
        compartment: Compartment,
        now: Timestamp,
    ) -> impl Iterator<Item = &ChainGrant> {
        self.living(now)
            .filter(move |g| g.terms.covers(compartment))
    }

    /// Living grants of single records that name this one and cover where it
    /// lies: whoever writes its next version seals that version's key to them.
    pub fn extra_readers(
        &self,
        record: Id,
        compartment: Compartment,
        now: Timestamp,
    ) -> impl Iterator<Item = &ChainGrant> {
        self.living(now)
            .filter(move |g| g.terms.names(record, compartment))
    }

    /// The epoch under which managers wrap now.
    pub fn current_epoch(&self, compartment: Compartment) -> Epoch {
        self.epochs
            .get(&compartment)
            .copied()
            .unwrap_or(Epoch::first(self.generation))
    }

    /// The last epoch a compartment had in the generation before this one.
    pub fn last_epoch_before(&self, compartment: Compartment) -> Option<Epoch> {
        let generation = self.generation.checked_sub(1).filter(|g| *g > 0)?;
        Some(
            self.last_epochs
                .get(&compartment)
                .copied()
                .unwrap_or(Epoch::first(generation)),
        )
    }

    /// Whether somebody whose grant ended holds the compartment's current key.
    pub fn is_stale(&self, compartment: Compartment, now: Timestamp) -> bool {
        let epoch = self.current_epoch(compartment);
        self.grants
            .values()
            .any(|g| g.is_ended(now) && g.holds_epoch(compartment, epoch))
    }

    /// Every stale compartment.
    pub fn stale(&self, now: Timestamp) -> BTreeSet<Compartment> {
        self.grants
            .values()
            .filter(|g| g.is_ended(now))
            .flat_map(|g| g.holds.iter())
            .filter(|(c, e)| **e >= self.current_epoch(**c))
            .map(|(c, _)| *c)
            .collect()
    }
}
