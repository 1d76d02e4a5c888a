//! A patient opened by somebody who may: the keys they hold, and with them
//! the batch and version keys of what is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chartkey_crypto::{Secret, seal::KemPublic, wrap};
use chartkey_fhir::Compartment;
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::{
    Id,
    bytes::Bytes,
    chain::{Chain, Head},
    epoch::Epoch,
    error::VaultError,
    grant::{Cover, Keyring},
    keys::{
        AccountSecrets, ENVELOPE_INFO, LinkKey, PatientSeed, VERSION_INFO, VersionKey, batch_aad,
        envelope_aad, epoch_link_aad, version_envelope_aad,
    },
    protocol::{
        BatchKey, EpochLink, GrantHolder, LinkOpened, ManagerKeys, NewPatient, PatientKeys,
        RecipientKind, SealedRecord,
    },
    statement::{
        GenerationTerms, ManagerRef, PatientSays, PatientStatement, SignedStatement, holder_hash,
        sealed_to_account,
    },
};

/// The keys somebody holds for one patient.
#[derive(Debug)]
pub struct ReadKeys {
    patient: Id,
    seeds: BTreeMap<u32, PatientSeed>,
    keyrings: Vec<Keyring>,
    links: HashMap<(Compartment, Epoch), EpochLink>,
}

impl ReadKeys {
    /// Keys from parts that were opened before, as kept by a cache.
    pub fn new(
        patient: Id,
        seeds: Vec<PatientSeed>,
        keyrings: Vec<Keyring>,
        links: Vec<EpochLink>,
    ) -> Self {
        Self {
            patient,
            seeds: seeds.into_iter().map(|s| (s.generation, s)).collect(),
            keyrings,
            links: links
                .into_iter()
                .map(|l| ((l.compartment, l.epoch), l))
                .collect(),
        }
    }

    /// A link holder's keys.
    pub fn of_link(opened: &LinkOpened, key: &LinkKey) -> Result<Self, VaultError> {
        let keyring = Keyring::open_link(opened.patient, opened.grant, key, &opened.keyring)?;
        Ok(Self::new(
            opened.patient,
            Vec::new(),
            vec![keyring],
            opened.epoch_links.clone(),
        ))
    }

    /// Whose record.
    pub const fn patient(&self) -> Id {
        self.patient
    }

    /// The seeds, for managers.
    pub fn seeds(&self) -> impl Iterator<Item = &PatientSeed> {
        self.seeds.values()
    }

    /// The keyrings, for grantees and links.
    pub fn keyrings(&self) -> &[Keyring] {
        &self.keyrings
    }

    /// Links from epochs to their predecessors.
    pub fn links(&self) -> impl Iterator<Item = &EpochLink> {
        self.links.values()
    }

    /// The newest seed, for managers.
    pub fn newest_seed(&self) -> Result<&PatientSeed, VaultError> {
        self.seeds.values().next_back().ok_or(VaultError::NoKey)
    }

    /// The key of a compartment in an epoch.
    pub fn compartment_key(
        &self,
        compartment: Compartment,
        epoch: Epoch,
    ) -> Result<Secret, VaultError> {
        if let Some(seed) = self.seeds.get(&epoch.generation) {
            return Ok(seed.compartment_key(compartment, epoch));
        }
        self.keyrings
            .iter()
            .flat_map(|k| &k.compartments)
            .filter(|h| h.compartment == compartment && h.epoch >= epoch)
            .find_map(|h| {
                self.walk_back(compartment, h.epoch, h.key.clone(), epoch)
                    .ok()
            })
            .ok_or(VaultError::NoKey)
    }

    /// From the newest key to an older one, each unwrapping its predecessor.
    fn walk_back(
        &self,
        compartment: Compartment,
        mut at: Epoch,
        mut key: Secret,
        wanted: Epoch,
    ) -> Result<Secret, VaultError> {
        while at > wanted {
            let link = self
                .links
                .get(&(compartment, at))
                .ok_or(VaultError::NoKey)?;
            if link.previous >= at {
                return Err(VaultError::Open);
            }
            let aad = epoch_link_aad(self.patient, compartment, at, link.previous);
            key = wrap::unwrap_secret(&key, &aad, &link.wrapped.0)?;
            at = link.previous;
        }
        if at == wanted {
            Ok(key)
        } else {
            Err(VaultError::NoKey)
        }
    }

    /// The key of a batch, by whatever way the caller has.
    pub fn batch_key(
        &self,
        batch: &BatchKey,
        account: Option<&AccountSecrets>,
    ) -> Result<Secret, VaultError> {
        if let (Some(epoch), Some(wrapped)) = (batch.epoch, &batch.wrapped)
            && let Ok(key) = self.compartment_key(batch.compartment, epoch)
        {
            let aad = batch_aad(self.patient, batch.compartment, epoch, batch.id);
            return Ok(wrap::unwrap_secret(&key, &aad, &wrapped.0)?);
        }
        for envelope in &batch.envelopes {
            let aad = envelope_aad(
                self.patient,
                batch.compartment,
                envelope.to,
                envelope.id,
                batch.id,
            );
            let opened = match envelope.to {
                RecipientKind::Inbox => self.open_inbox(&aad, &envelope.sealed),
                RecipientKind::Grant => self
                    .keyrings
                    .iter()
                    .filter(|k| k.grant == envelope.id)
                    .find_map(|k| k.kem().open(ENVELOPE_INFO, &aad, &envelope.sealed.0).ok()),
                RecipientKind::Account => account
                    .filter(|a| a.account() == envelope.id)
                    .and_then(|a| a.open(ENVELOPE_INFO, &aad, &envelope.sealed.0).ok()),
            };
            if let Some(key) = opened.and_then(|o| o.to_secret()) {
                return Ok(key);
            }
        }
        Err(VaultError::NoKey)
    }

    fn open_inbox(&self, aad: &[u8], sealed: &Bytes) -> Option<chartkey_crypto::SecretBytes> {
        self.seeds.values().rev().find_map(|seed| {
            chartkey_crypto::seal::open_with(&seed.inbox(), ENVELOPE_INFO, aad, &sealed.0).ok()
        })
    }

    /// The key of a record version: through its batch, a keyring of single
    /// records, or an envelope to one. A keyring may hold the key that a
    /// version had before it was moved, so its commitment decides.
    pub fn version_key(
        &self,
        record: &SealedRecord,
        batch_key: Option<&Secret>,
    ) -> Result<VersionKey, VaultError> {
        if let Some(key) = batch_key {
            return Ok(VersionKey::derive(key, record.id, record.version));
        }
        for keyring in &self.keyrings {
            let held = keyring.version_key(record.id, record.version);
            if let Some(key) = held.filter(|key| key.commitment() == record.commitment) {
                return Ok(key);
            }
            let mut extra = record.extra.iter();
            if let Some(envelope) = extra.find(|e| e.grant == keyring.grant) {
                let aad =
                    version_envelope_aad(self.patient, record.id, record.version, keyring.grant);
                let open = keyring.kem().open(VERSION_INFO, &aad, &envelope.sealed.0)?;
                return open
                    .to_secret()
                    .map(VersionKey::new)
                    .ok_or(VaultError::Open);
            }
        }
        Err(VaultError::NoKey)
    }
}

/// What a manager knows beside keys.
#[derive(Debug)]
pub struct ManagerView {
    /// Who holds which grant.
    pub holders: BTreeMap<Id, GrantHolder>,
    /// Compartments that have batches.
    pub existing: BTreeSet<Compartment>,
    /// Batches that wait for adoption.
    pub unadopted: u64,
}

/// A patient as opened by an account.
#[derive(Debug)]
pub struct OpenPatient {
    /// The verified chain.
    pub chain: Chain,
    /// The state it was read at.
    pub grants_version: u64,
    /// The keys held.
    pub keys: ReadKeys,
    /// Present for managers.
    pub manager: Option<ManagerView>,
}

impl OpenPatient {
    /// Verifies what the server offers and opens what the account holds.
    /// `seen` is the newest head met before.
    pub fn open(
        offered: &PatientKeys,
        account: &AccountSecrets,
        seen: Option<Head>,
    ) -> Result<Self, VaultError> {
        Self::open_with(offered, account, seen, open_seeds)
    }

    /// The same for whoever takes a chart over: the seed was handed to them, by a
    /// sheet (`seed`) or sealed to their account, and the chain does not name them
    /// yet.
    pub fn open_claimed(
        offered: &PatientKeys,
        account: &AccountSecrets,
        seed: Option<&PatientSeed>,
        seen: Option<Head>,
    ) -> Result<Self, VaultError> {
        Self::open_with(
            offered,
            account,
            seen,
            |chain, manager, account| match seed {
                Some(seed) => with_older(chain, manager, seed.clone()),
                None => open_handed_over(chain, manager, account),
            },
        )
    }

    fn open_with(
        offered: &PatientKeys,
        account: &AccountSecrets,
        seen: Option<Head>,
        seeds: impl FnOnce(
            &Chain,
            &ManagerKeys,
            &AccountSecrets,
        ) -> Result<Vec<PatientSeed>, VaultError>,
    ) -> Result<Self, VaultError> {
        let mut chain = Chain::verify(offered.patient, &offered.statements, seen)?;
        chain.note_ended(&offered.ended);
        let (seeds, manager) = match &offered.manager {
            Some(manager) => {
                let seeds = seeds(&chain, manager, account)?;
                (seeds, Some(view(manager)))
            }
            None => (Vec::new(), None),
        };
        let keyrings = open_keyrings(&chain, offered, account)?;
        let keys = ReadKeys::new(
            offered.patient,
            seeds,
            keyrings,
            offered.epoch_links.clone(),
        );
        Ok(Self {
            chain,
            grants_version: offered.grants_version,
            keys,
            manager,
        })
    }

    /// What only managers have.
    pub fn manager(&self) -> Result<&ManagerView, VaultError> {
        self.manager.as_ref().ok_or(VaultError::NoKey)
    }

    /// A grant's cover, opened from the managers' copy.
    pub fn cover(&self, grant: Id) -> Result<Cover, VaultError> {
        let holder = self
            .manager()?
            .holders
            .get(&grant)
            .ok_or(VaultError::NoKey)?;
        self.keys
            .seeds
            .values()
            .rev()
            .find_map(|seed| Cover::unwrap(self.keys.patient, grant, seed, &holder.cover_wrap).ok())
            .ok_or(VaultError::Open)
    }

    /// K of a link of the current generation.
    pub fn link_key(&self, grant: Id) -> Result<LinkKey, VaultError> {
        Ok(self.keys.newest_seed()?.link_key(grant))
    }

    /// Compartments that a new keyring holds: each covered type without
    /// kinds, and every covered compartment that exists.
    pub fn holds_for(
        &self,
        covers: impl Fn(Compartment) -> bool,
    ) -> Result<BTreeMap<Compartment, Epoch>, VaultError> {
        let plain = chartkey_fhir::RecordType::ALL
            .into_iter()
            .map(|t| Compartment::new(t, chartkey_fhir::Kinds::EMPTY));
        Ok(plain
            .chain(self.manager()?.existing.iter().copied())
            .filter(|c| covers(*c))
            .map(|c| (c, self.chain.current_epoch(c)))
            .collect())
    }
}

fn view(manager: &ManagerKeys) -> ManagerView {
    ManagerView {
        holders: manager
            .holders
            .iter()
            .map(|h| (h.grant, h.clone()))
            .collect(),
        existing: manager.existing.iter().copied().collect(),
        unadopted: manager.unadopted,
    }
}

fn open_seeds(
    chain: &Chain,
    manager: &ManagerKeys,
    account: &AccountSecrets,
) -> Result<Vec<PatientSeed>, VaultError> {
    let me = ManagerRef {
        account: account.account(),
        fingerprint: account.fingerprint(),
    };
    if !chain.managers().contains(&me) {
        return Err(VaultError::Statement("not named as a manager"));
    }
    let began_it = chain.founders().iter().any(|m| m.account == me.account);
    if began_it && !account.has_sign_key(|key| chain.is_founded_by(key)) {
        return Err(VaultError::Statement("not the record that was begun"));
    }
    open_handed_over(chain, manager, account)
}

/// The seeds that were sealed to an account, each held against the chain.
fn open_handed_over(
    chain: &Chain,
    manager: &ManagerKeys,
    account: &AccountSecrets,
) -> Result<Vec<PatientSeed>, VaultError> {
    let newest = PatientSeed::open_as_manager(
        chain.patient(),
        chain.generation(),
        account,
        &manager.sealed_seed,
    )?;
    with_older(chain, manager, newest)
}

/// A seed that must be the chain's, and those that it unwraps.
fn with_older(
    chain: &Chain,
    manager: &ManagerKeys,
    newest: PatientSeed,
) -> Result<Vec<PatientSeed>, VaultError> {
    if newest.signing_key().verify_key() != *chain.sign_key() {
        return Err(VaultError::Statement("the seed is not the chain's"));
    }
    let mut seeds = vec![newest];
    let mut older: Vec<_> = manager.older.iter().collect();
    older.sort_by_key(|o| std::cmp::Reverse(o.generation));
    for wrapped in older {
        if let Some(newer) = seeds.last()
            && newer.generation == wrapped.generation.saturating_add(1)
        {
            let seed =
                newer.unwrap_previous(chain.patient(), wrapped.generation, &wrapped.wrapped)?;
            seeds.push(seed);
        }
    }
    Ok(seeds)
}

fn open_keyrings(
    chain: &Chain,
    offered: &PatientKeys,
    account: &AccountSecrets,
) -> Result<Vec<Keyring>, VaultError> {
    let mut keyrings = Vec::with_capacity(offered.keyrings.len());
    for held in &offered.keyrings {
        let grant = chain
            .grant(held.grant)
            .ok_or(VaultError::Statement("a keyring without a grant"))?;
        // The keys may have changed since: an older pair is mine as well.
        let sealed_to = grant.terms.sealed_to;
        let mine = account.has_fingerprint(|f| sealed_to_account(&held.salt, f) == sealed_to);
        if !mine
            || holder_hash(&held.salt, account.account(), &sealed_to) != grant.terms.holder_hash
        {
            return Err(VaultError::Statement("a keyring for somebody else"));
        }
        let keyring = Keyring::open(offered.patient, held.grant, account, &held.keyring)?;
        if KemPublic::of(&keyring.seed) != grant.terms.grant_key {
            return Err(VaultError::Statement("a keyring that is not the grant's"));
        }
        keyrings.push(keyring);
    }
    Ok(keyrings)
}

/// A new patient owned by `account`: generation 1, sealed to it alone.
pub fn create(
    patient: Id,
    account: &AccountSecrets,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(NewPatient, PatientSeed), VaultError> {
    let seed = PatientSeed::new(1, Secret::random(rng));
    let kem = account.kem_public();
    let statement = PatientStatement {
        patient,
        seq: 0,
        prev: None,
        at: now,
        says: PatientSays::Generation(GenerationTerms {
            generation: 1,
            sign_key: seed.signing_key().verify_key(),
            inbox_key: KemPublic::of(&seed.inbox()),
            managers: vec![ManagerRef {
                account: account.account(),
                fingerprint: account.fingerprint(),
            }],
            carries: Vec::new(),
        }),
    };
    // Cosigned by the account, so that nobody can give it another record in
    // the place of its own.
    let signed =
        SignedStatement::sign(&statement, &seed.signing_key(), Some(account.signing_key()))?;
    let sealed_seed = seed.seal_to_manager(patient, account.account(), &kem, rng);
    Ok((
        NewPatient {
            patient,
            statement: signed,
            sealed_seed,
        },
        seed,
    ))
}
