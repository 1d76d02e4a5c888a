//! The frozen vectors of the vault's own formats, checked the same way natively
//! and as WebAssembly. Suite 1's are `chartkey_crypto`'s; those of destinations
//! and claims came later and have files of their own.
//!
//! `vectors/vault1.json` is add-only: what was once sealed must open for ever,
//! what was once derived must come out again, what was once signed must hold.
//! Bytes are lower-case hexadecimal, except inside statements and payloads,
//! which are the very texts.

use chartkey_crypto::{
    Secret,
    recovery::RecoveryCode,
    seal::{KemPublic, open_with},
    sign::SigningKey,
    vectors::{from_hex, to_hex},
    wrap,
};
use chartkey_fhir::Compartment;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Bytes, Bytes32, Epoch, Id,
    account::{PasswordRoot, VerifiedAccount, unlock_by_recovery},
    asking,
    chain::Chain,
    grant::{Cover, Keyring, sealed_to_link},
    keys::{
        AccountSecrets, ENVELOPE_INFO, LinkKey, PatientSeed, VERSION_INFO, VersionKey, batch_aad,
        envelope_aad, epoch_link_aad, version_envelope_aad,
    },
    link,
    patient::ReadKeys,
    protocol::{AccountKeys, RecipientKind},
    record::{Fields, Place, content_tag, identity_tag, open_body, open_header},
    statement::{SignedStatement, account_fingerprint, holder_hash, sealed_to_account},
};

const VAULT1: &str = include_str!("../vectors/vault1.json");

/// Checks every frozen vector; says how many, or which one failed.
///
/// # Errors
/// The name and position of the first vector that does not come out.
pub fn check_all() -> Result<usize, String> {
    let file: File = serde_json::from_str(VAULT1).map_err(|e| format!("vault1.json: {e}"))?;
    Ok(all("account", &file.account, AccountCase::holds)?
        + all("password", &file.password, PasswordCase::holds)?
        + all("recovery", &file.recovery, RecoveryCase::holds)?
        + all("previous", &file.previous, PreviousCase::holds)?
        + all("patient_seed", &file.patient_seed, PatientSeedCase::holds)?
        + all("generation", &file.generation, GenerationCase::holds)?
        + all("statement", &file.statement, StatementCase::holds)?
        + all(
            "account_chain",
            &file.account_chain,
            AccountChainCase::holds,
        )?
        + all(
            "patient_chain",
            &file.patient_chain,
            PatientChainCase::holds,
        )?
        + all("holder", &file.holder, HolderCase::holds)?
        + all("compartment", &file.compartment, CompartmentCase::holds)?
        + all("epoch_link", &file.epoch_link, EpochLinkCase::holds)?
        + all("batch", &file.batch, BatchCase::holds)?
        + all("envelope", &file.envelope, EnvelopeCase::holds)?
        + all("extra", &file.extra, ExtraCase::holds)?
        + all("version", &file.version, VersionCase::holds)?
        + all("keyring", &file.keyring, KeyringCase::holds)?
        + all("cover", &file.cover, CoverCase::holds)?
        + all("link", &file.link, LinkCase::holds)?
        + all("request", &file.request, RequestCase::holds)?
        + all("identity_tag", &file.identity_tag, IdentityTagCase::holds)?
        + all("content_tag", &file.content_tag, ContentTagCase::holds)?
        + delivery::check()?
        + claim::check()?)
}

fn all<T>(name: &str, cases: &[T], holds: fn(&T) -> Option<bool>) -> Result<usize, String> {
    if cases.is_empty() {
        return Err(format!("{name}: no vectors"));
    }
    match cases.iter().position(|case| holds(case) != Some(true)) {
        Some(at) => Err(format!("{name}[{at}] does not hold")),
        None => Ok(cases.len()),
    }
}

/// Bytes that are hexadecimal in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hex(Vec<u8>);

impl Hex {
    fn secret(&self) -> Option<Secret> {
        Secret::from_slice(&self.0)
    }

    fn bytes(&self) -> Bytes {
        Bytes(self.0.clone())
    }

    fn bytes32(&self) -> Option<Bytes32> {
        <[u8; 32]>::try_from(self.0.as_slice()).ok().map(Bytes32)
    }

    fn is(&self, bytes: &[u8]) -> bool {
        self.0 == bytes
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from_hex(&String::deserialize(from)?)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
    }
}

macro_rules! cases {
    ($($name:ident { $($field:ident: $kind:ty),* $(,)? })*) => {
        $(
            #[derive(Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            struct $name { $($field: $kind),* }
        )*
    };
}

// After the macro that they use.
mod claim;
mod delivery;

cases! {
    File {
        account: Vec<AccountCase>,
        password: Vec<PasswordCase>,
        recovery: Vec<RecoveryCase>,
        previous: Vec<PreviousCase>,
        patient_seed: Vec<PatientSeedCase>,
        generation: Vec<GenerationCase>,
        statement: Vec<StatementCase>,
        account_chain: Vec<AccountChainCase>,
        patient_chain: Vec<PatientChainCase>,
        holder: Vec<HolderCase>,
        compartment: Vec<CompartmentCase>,
        epoch_link: Vec<EpochLinkCase>,
        batch: Vec<BatchCase>,
        envelope: Vec<EnvelopeCase>,
        extra: Vec<ExtraCase>,
        version: Vec<VersionCase>,
        keyring: Vec<KeyringCase>,
        cover: Vec<CoverCase>,
        link: Vec<LinkCase>,
        request: Vec<RequestCase>,
        identity_tag: Vec<IdentityTagCase>,
        content_tag: Vec<ContentTagCase>,
    }
    AccountCase { account: Id, seed: Hex, kem_key: Hex, sign_key: Hex, fingerprint: Hex, dedup: Hex }
    PasswordCase { account: Id, root: Hex, auth_key: Hex, wrapped_seed: Hex, seed: Hex }
    RecoveryCase { account: Id, code: String, auth_key: Hex, wrapped_seed: Hex, seed: Hex }
    PreviousCase { account: Id, seed: Hex, wrapped: Hex, previous: Hex }
    PatientSeedCase {
        patient: Id, generation: u32, account: Id, account_seed: Hex, sealed: Hex, seed: Hex,
        sign_key: Hex, inbox_seed: Hex, inbox_key: Hex, dedup: Hex,
    }
    GenerationCase { patient: Id, generation: u32, seed: Hex, wrapped: Hex, previous: Hex }
    StatementCase { sign_seed: Hex, cosign_seed: Option<Hex>, statement: SignedStatement, hash: Hex }
    AccountChainCase { account: Id, statements: Vec<SignedStatement>, fingerprints: Vec<Hex>, head: Hex }
    PatientChainCase {
        patient: Id, statements: Vec<SignedStatement>, generation: u32, head: Hex,
        epochs: Vec<(Compartment, Epoch)>, living: Vec<Id>, ended: Vec<Id>, at: Timestamp,
        stale: Vec<Compartment>,
    }
    HolderCase { salt: Hex, holder: Id, fingerprint: Hex, sealed_to: Hex, holder_hash: Hex }
    CompartmentCase { seed: Hex, compartment: Compartment, epoch: Epoch, key: Hex }
    EpochLinkCase {
        patient: Id, compartment: Compartment, epoch: Epoch, previous: Epoch, key: Hex,
        wrapped: Hex, previous_key: Hex,
    }
    BatchCase {
        patient: Id, compartment: Compartment, epoch: Epoch, batch: Id, compartment_key: Hex,
        wrapped: Hex, key: Hex,
    }
    EnvelopeCase {
        patient: Id, compartment: Compartment, to: RecipientKind, id: Id, batch: Id, seed: Hex,
        sealed: Hex, key: Hex,
    }
    ExtraCase { patient: Id, record: Id, version: u32, grant: Id, seed: Hex, sealed: Hex, key: Hex }
    VersionCase {
        patient: Id, record: Id, version: u32, batch_key: Hex, key: Hex, commitment: Hex,
        header: Hex, body: Hex, fields: String, plain: Hex, previous: Option<Hex>,
        head: Option<Hex>, author: Option<Hex>,
    }
    KeyringCase { patient: Id, grant: Id, holder: HolderSecret, sealed: Hex, plain: String }
    CoverCase { patient: Id, grant: Id, holder: HolderSecret, sealed: Hex, plain: String }
    LinkCase {
        seed: Hex, grant: Id, key: Hex, auth: Hex, sealed_to: Hex, keyring_key: Hex,
        cover_key: Hex, url: String,
    }
    RequestCase { patient: Id, request: Id, asker: Id, seed: Hex, sealed: Hex, plain: String }
    IdentityTagCase { dedup: Hex, source: String, placement: String, identity: String, tag: Hex }
    ContentTagCase { dedup: Hex, canonical: Hex, tag: Hex }
}

/// With what a keyring or a cover opens.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HolderSecret {
    /// An account and its seed.
    Account(Id, Hex),
    /// K of a link.
    Link(Hex),
    /// A patient's seed: the managers' copy of a cover.
    Managers(Hex),
}

impl AccountCase {
    fn holds(&self) -> Option<bool> {
        let secrets = AccountSecrets::new(self.account, self.seed.secret()?);
        let (kem, sign) = (secrets.kem_public(), secrets.signing_key().verify_key());
        Some(
            self.kem_key.is(kem.as_bytes())
                && self.sign_key.is(sign.as_bytes())
                && self.fingerprint.is(&account_fingerprint(&kem, &sign).0)
                && self.fingerprint.is(&secrets.fingerprint().0)
                && self.dedup.is(secrets.dedup_key().as_bytes()),
        )
    }
}

impl PasswordCase {
    fn holds(&self) -> Option<bool> {
        let root = PasswordRoot::of(self.root.secret()?);
        let open = root.unlock(self.account, &self.wrapped_seed.bytes()).ok()?;
        let auth = self.auth_key.is(&root.auth_key().0);
        Some(auth && self.seed.is(open.seed().as_bytes()))
    }
}

impl RecoveryCase {
    fn holds(&self) -> Option<bool> {
        let code = RecoveryCode::parse(&self.code).ok()?;
        let open = unlock_by_recovery(&code, self.account, &self.wrapped_seed.bytes()).ok()?;
        let auth = self.auth_key.is(code.auth_key().as_bytes());
        Some(auth && self.seed.is(open.seed().as_bytes()))
    }
}

impl PreviousCase {
    fn holds(&self) -> Option<bool> {
        let previous = AccountSecrets::new(self.account, self.previous.secret()?);
        let mut now = AccountSecrets::new(self.account, self.seed.secret()?);
        now.take_previous(&[self.wrapped.bytes()]).ok()?;
        Some(now.has_fingerprint(|f| *f == previous.fingerprint()))
    }
}

impl PatientSeedCase {
    fn holds(&self) -> Option<bool> {
        let account = AccountSecrets::new(self.account, self.account_seed.secret()?);
        let sealed = self.sealed.bytes();
        let seed =
            PatientSeed::open_as_manager(self.patient, self.generation, &account, &sealed).ok()?;
        let other = self.generation.saturating_add(1);
        let elsewhere = PatientSeed::open_as_manager(self.patient, other, &account, &sealed);
        Some(
            elsewhere.is_err()
                && self.seed.is(seed.secret().as_bytes())
                && self.sign_key.is(seed.signing_key().verify_key().as_bytes())
                && self.inbox_seed.is(seed.inbox().as_bytes())
                && self.inbox_key.is(KemPublic::of(&seed.inbox()).as_bytes())
                && self.dedup.is(seed.dedup_key().as_bytes()),
        )
    }
}

impl GenerationCase {
    fn holds(&self) -> Option<bool> {
        let newer = PatientSeed::new(self.generation.saturating_add(1), self.seed.secret()?);
        let older = newer
            .unwrap_previous(self.patient, self.generation, &self.wrapped.bytes())
            .ok()?;
        Some(self.previous.is(older.secret().as_bytes()))
    }
}

impl StatementCase {
    fn holds(&self) -> Option<bool> {
        let key = SigningKey::from_secret(&self.sign_seed.secret()?).verify_key();
        let cosigned = match &self.cosign_seed {
            Some(seed) => {
                let key = SigningKey::from_secret(&seed.secret()?).verify_key();
                self.statement.is_cosigned_by(&key)
            }
            None => self.statement.cosignature.is_none(),
        };
        let mut changed = self.statement.clone();
        changed.body.push(' ');
        Some(
            cosigned
                && self.statement.is_signed_by(&key)
                && !changed.is_signed_by(&key)
                && self.hash.is(&self.statement.hash().0),
        )
    }
}

impl AccountChainCase {
    fn holds(&self) -> Option<bool> {
        let offered = AccountKeys {
            account: self.account,
            statements: self.statements.clone(),
        };
        let chain = VerifiedAccount::verify(&offered, None).ok()?;
        let met = chain.fingerprints.iter().map(|f| Hex(f.0.to_vec()));
        Some(met.eq(self.fingerprints.iter().cloned()) && self.head.is(&chain.head.hash.0))
    }
}

impl PatientChainCase {
    fn holds(&self) -> Option<bool> {
        let chain = Chain::verify(self.patient, &self.statements, None).ok()?;
        let epochs = |(c, e): &(Compartment, Epoch)| chain.current_epoch(*c) == *e;
        let living: Vec<Id> = chain.living(self.at).map(|g| g.terms.grant).collect();
        let ended = chain.grants().filter(|g| g.is_ended(self.at));
        let ended: Vec<Id> = ended.map(|g| g.terms.grant).collect();
        let stale: Vec<Compartment> = chain.stale(self.at).into_iter().collect();
        Some(
            self.epochs.iter().all(epochs)
                && chain.generation() == self.generation
                && self.head.is(&chain.head().hash.0)
                && (living, ended, stale)
                    == (self.living.clone(), self.ended.clone(), self.stale.clone()),
        )
    }
}

impl HolderCase {
    fn holds(&self) -> Option<bool> {
        let salt = self.salt.bytes32()?;
        let sealed_to = sealed_to_account(&salt, &self.fingerprint.bytes32()?);
        let hash = holder_hash(&salt, self.holder, &sealed_to);
        Some(self.sealed_to.is(&sealed_to.0) && self.holder_hash.is(&hash.0))
    }
}

impl CompartmentCase {
    fn holds(&self) -> Option<bool> {
        let seed = PatientSeed::new(self.epoch.generation, self.seed.secret()?);
        let key = seed.compartment_key(self.compartment, self.epoch);
        Some(self.key.is(key.as_bytes()))
    }
}

impl EpochLinkCase {
    fn holds(&self) -> Option<bool> {
        let aad = epoch_link_aad(self.patient, self.compartment, self.epoch, self.previous);
        let older = wrap::unwrap_secret(&self.key.secret()?, &aad, &self.wrapped.0).ok()?;
        Some(self.previous_key.is(older.as_bytes()))
    }
}

impl BatchCase {
    fn holds(&self) -> Option<bool> {
        let aad = batch_aad(self.patient, self.compartment, self.epoch, self.batch);
        let key = wrap::unwrap_secret(&self.compartment_key.secret()?, &aad, &self.wrapped.0);
        Some(self.key.is(key.ok()?.as_bytes()))
    }
}

impl EnvelopeCase {
    fn holds(&self) -> Option<bool> {
        let aad = envelope_aad(self.patient, self.compartment, self.to, self.id, self.batch);
        let open = open_with(&self.seed.secret()?, ENVELOPE_INFO, &aad, &self.sealed.0).ok()?;
        Some(self.key.is(&open))
    }
}

impl ExtraCase {
    fn holds(&self) -> Option<bool> {
        let aad = version_envelope_aad(self.patient, self.record, self.version, self.grant);
        let open = open_with(&self.seed.secret()?, VERSION_INFO, &aad, &self.sealed.0).ok()?;
        Some(self.key.is(&open))
    }
}

impl VersionCase {
    fn holds(&self) -> Option<bool> {
        let key = VersionKey::derive(&self.batch_key.secret()?, self.record, self.version);
        let place = Place {
            patient: self.patient,
            record: self.record,
            version: self.version,
        };
        let commitment = self.commitment.bytes32()?;
        let header = open_header(&key, place, &commitment, &self.header.bytes()).ok()?;
        let body = open_body(&key, place, &commitment, &header.body_hash, &self.body.0).ok()?;
        let signed = match &self.author {
            Some(seed) => {
                let author = SigningKey::from_secret(&seed.secret()?).verify_key();
                header.verify(place, &author).is_ok()
            }
            None => !header.is_signed(),
        };
        let ties = |hex: &Option<Hex>| hex.as_ref().map(Hex::bytes32);
        Some(
            signed
                && self.key.is(key.secret().as_bytes())
                && self.commitment.is(&key.commitment().0)
                && same_fields(&self.fields, &header.fields) == Some(true)
                && ties(&self.previous) == header.previous.map(Some)
                && ties(&self.head) == header.head.map(Some)
                && self.plain.is(&body),
        )
    }
}

/// Whether a text says these fields. Later fields may stand beside them.
fn same_fields(text: &str, fields: &Fields) -> Option<bool> {
    let read: Fields = serde_json::from_str(text).ok()?;
    let text = |fields: &Fields| serde_json::to_string(fields).ok();
    Some(text(&read)? == text(fields)?)
}

impl KeyringCase {
    fn holds(&self) -> Option<bool> {
        let sealed = self.sealed.bytes();
        let keyring = match &self.holder {
            HolderSecret::Account(id, seed) => {
                let account = AccountSecrets::new(*id, seed.secret()?);
                Keyring::open(self.patient, self.grant, &account, &sealed)
            }
            HolderSecret::Link(key) => {
                let key = LinkKey::new(key.secret()?);
                Keyring::open_link(self.patient, self.grant, &key, &sealed)
            }
            HolderSecret::Managers(_) => return None,
        };
        Some(self.plain == serde_json::to_string(&keyring.ok()?).ok()?)
    }
}

impl CoverCase {
    fn holds(&self) -> Option<bool> {
        let (patient, grant, sealed) = (self.patient, self.grant, self.sealed.bytes());
        let cover = match &self.holder {
            HolderSecret::Account(id, seed) => {
                let account = AccountSecrets::new(*id, seed.secret()?);
                Cover::open(patient, grant, &account, &sealed)
            }
            HolderSecret::Link(key) => {
                Cover::open_link(patient, grant, &LinkKey::new(key.secret()?), &sealed)
            }
            HolderSecret::Managers(seed) => Cover::unwrap(
                patient,
                grant,
                &PatientSeed::new(1, seed.secret()?),
                &sealed,
            ),
        };
        Some(self.plain == serde_json::to_string(&cover.ok()?).ok()?)
    }
}

impl LinkCase {
    fn holds(&self) -> Option<bool> {
        let key = PatientSeed::new(1, self.seed.secret()?).link_key(self.grant);
        let (token, read) = link::parse_url(&self.url).ok()?;
        let address = self.url.split("/records/shared/").next()?;
        Some(
            self.key.is(key.secret().as_bytes())
                && self.auth.is(&key.auth().0)
                && self.sealed_to.is(&sealed_to_link(&key).0)
                && self.keyring_key.is(key.keyring_key().as_bytes())
                && self.cover_key.is(key.cover_key().as_bytes())
                && self.key.is(read.secret().as_bytes())
                && *link::url(address, &token, &key) == self.url,
        )
    }
}

impl RequestCase {
    fn holds(&self) -> Option<bool> {
        let seed = PatientSeed::new(1, self.seed.secret()?);
        let keys = ReadKeys::new(self.patient, vec![seed], Vec::new(), Vec::new());
        let sealed = self.sealed.bytes();
        let words = asking::open_words(&keys, self.request, self.asker, &sealed).ok()?;
        Some(words.as_bytes() == self.plain.as_bytes())
    }
}

impl IdentityTagCase {
    fn holds(&self) -> Option<bool> {
        let dedup = self.dedup.secret()?;
        let tag = identity_tag(&dedup, &self.source, &self.placement, &self.identity);
        Some(self.tag.is(&tag.0))
    }
}

impl ContentTagCase {
    fn holds(&self) -> Option<bool> {
        let tag = content_tag(&self.dedup.secret()?, &self.canonical.0);
        Some(self.tag.is(&tag.0))
    }
}

#[cfg(test)]
mod make;
