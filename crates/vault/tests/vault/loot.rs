//! A thief with the whole database, and what was ever in it: every sealed
//! thing that the server was given at any time, deleted or not. With some keys
//! besides, what can be opened?

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::{Secret, seal::open_with, wrap};
use chartkey_fhir::Compartment;
use chartkey_vault::grant::Keyring;
use chartkey_vault::keys::{
    AccountSecrets, ENVELOPE_INFO, LinkKey, PatientSeed, VERSION_INFO, VersionKey, batch_aad,
    envelope_aad, epoch_link_aad, version_envelope_aad,
};
use chartkey_vault::protocol::*;
use chartkey_vault::record::{Place, open_header};
use chartkey_vault::{Bytes, Epoch, Id};

/// Everything that was ever stored; each with its patient.
#[derive(Default)]
pub struct Loot {
    pub batches: Vec<(Id, SealedBatch)>,
    pub records: Vec<(Id, NewSealedRecord)>,
    pub keyrings: Vec<(Id, Id, Bytes)>,
    pub seeds: Vec<(Id, u32, Id, Bytes)>,
    pub older: Vec<(Id, WrappedSeed)>,
    pub links: Vec<(Id, EpochLink)>,
}

/// The keys that somebody holds.
#[derive(Default)]
pub struct Holder<'a> {
    pub accounts: Vec<&'a AccountSecrets>,
    pub links: Vec<LinkKey>,
    pub seeds: Vec<PatientSeed>,
}

impl<'a> Holder<'a> {
    pub fn of(account: &'a AccountSecrets) -> Self {
        Self {
            accounts: vec![account],
            ..Self::default()
        }
    }
}

impl Loot {
    /// Record versions that the holder opens, by every way there is.
    pub fn opened_by(&self, holder: &Holder<'_>) -> BTreeSet<(Id, u32)> {
        let seeds = self.seeds_of(holder);
        let keyrings = self.keyrings_of(holder, &seeds);
        let grants: BTreeSet<Id> = self.keyrings.iter().map(|(_, grant, _)| *grant).collect();
        let mut grant_seeds: Vec<Secret> = keyrings.iter().map(|k| k.seed.clone()).collect();
        for seed in &seeds {
            grant_seeds.extend(grants.iter().map(|g| seed.grant_seed(*g)));
        }
        let compartments = self.compartment_keys(&seeds, &keyrings);
        let batches = self.batch_keys(holder, &seeds, &grant_seeds, &compartments);
        let mut opened = BTreeSet::new();
        for (patient, record) in &self.records {
            let mut keys: Vec<VersionKey> = batches
                .iter()
                .map(|key| VersionKey::derive(key, record.id, record.version))
                .collect();
            let held = keyrings.iter();
            keys.extend(held.filter_map(|k| k.version_key(record.id, record.version)));
            for extra in &record.extra {
                let aad = version_envelope_aad(*patient, record.id, record.version, extra.grant);
                let tried = grant_seeds
                    .iter()
                    .filter_map(|s| open_with(s, VERSION_INFO, &aad, &extra.sealed.0).ok());
                keys.extend(tried.filter_map(|k| k.to_secret().map(VersionKey::new)));
            }
            let place = Place {
                patient: *patient,
                record: record.id,
                version: record.version,
            };
            let opens = |key: &VersionKey| {
                open_header(key, place, &record.commitment, &record.header).is_ok()
            };
            if keys.iter().any(opens) {
                opened.insert((record.id, record.version));
            }
        }
        opened
    }

    fn seeds_of(&self, holder: &Holder<'_>) -> Vec<PatientSeed> {
        let mut seeds = holder.seeds.clone();
        for (patient, generation, _, sealed) in &self.seeds {
            for account in &holder.accounts {
                seeds.extend(PatientSeed::open_as_manager(
                    *patient,
                    *generation,
                    account,
                    sealed,
                ));
            }
        }
        let mut at = 0;
        while let Some(seed) = seeds.get(at).cloned() {
            for (patient, older) in &self.older {
                seeds.extend(seed.unwrap_previous(*patient, older.generation, &older.wrapped));
            }
            at += 1;
        }
        seeds
    }

    fn keyrings_of(&self, holder: &Holder<'_>, seeds: &[PatientSeed]) -> Vec<Keyring> {
        let mut found = Vec::new();
        for (patient, grant, sealed) in &self.keyrings {
            for account in &holder.accounts {
                found.extend(Keyring::open(*patient, *grant, account, sealed));
            }
            let derived = seeds.iter().map(|s| s.link_key(*grant));
            for key in holder.links.iter().cloned().chain(derived) {
                found.extend(Keyring::open_link(*patient, *grant, &key, sealed));
            }
        }
        found
    }

    fn compartment_keys(&self, seeds: &[PatientSeed], keyrings: &[Keyring]) -> Vec<Secret> {
        let mut places: BTreeSet<(Compartment, Epoch)> = BTreeSet::new();
        for (_, link) in &self.links {
            places.insert((link.compartment, link.epoch));
            places.insert((link.compartment, link.previous));
        }
        for (_, batch) in &self.batches {
            places.extend(batch.epoch.map(|e| (batch.compartment, e)));
        }
        let mut keys: BTreeMap<(Compartment, Epoch), Vec<Secret>> = BTreeMap::new();
        for held in keyrings.iter().flat_map(|k| &k.compartments) {
            let place = (held.compartment, held.epoch);
            keys.entry(place).or_default().push(held.key.clone());
        }
        for seed in seeds {
            for (compartment, epoch) in &places {
                if epoch.generation == seed.generation {
                    let key = seed.compartment_key(*compartment, *epoch);
                    keys.entry((*compartment, *epoch)).or_default().push(key);
                }
            }
        }
        // Every key on every link, until nothing new comes out.
        let mut all: Vec<Secret> = keys.into_values().flatten().collect();
        let mut at = 0;
        while let Some(key) = all.get(at).cloned() {
            for (patient, link) in &self.links {
                let aad = epoch_link_aad(*patient, link.compartment, link.epoch, link.previous);
                if let Ok(older) = wrap::unwrap_secret(&key, &aad, &link.wrapped.0)
                    && !all.contains(&older)
                {
                    all.push(older);
                }
            }
            at += 1;
        }
        all
    }

    fn batch_keys(
        &self,
        holder: &Holder<'_>,
        seeds: &[PatientSeed],
        grant_seeds: &[Secret],
        compartments: &[Secret],
    ) -> Vec<Secret> {
        let inboxes: Vec<Secret> = seeds.iter().map(PatientSeed::inbox).collect();
        let mut keys = Vec::new();
        for (patient, batch) in &self.batches {
            if let (Some(epoch), Some(wrapped)) = (batch.epoch, &batch.wrapped) {
                let aad = batch_aad(*patient, batch.compartment, epoch, batch.id);
                let tried = compartments.iter();
                keys.extend(tried.filter_map(|k| wrap::unwrap_secret(k, &aad, &wrapped.0).ok()));
            }
            for envelope in &batch.envelopes {
                let aad = envelope_aad(
                    *patient,
                    batch.compartment,
                    envelope.to,
                    envelope.id,
                    batch.id,
                );
                let sealed = &envelope.sealed.0;
                let private = inboxes.iter().chain(grant_seeds);
                let opened = private.filter_map(|s| open_with(s, ENVELOPE_INFO, &aad, sealed).ok());
                keys.extend(opened.filter_map(|k| k.to_secret()));
                let accounts = holder.accounts.iter();
                let opened = accounts.filter_map(|a| a.open(ENVELOPE_INFO, &aad, sealed).ok());
                keys.extend(opened.filter_map(|k| k.to_secret()));
            }
        }
        keys
    }
}
