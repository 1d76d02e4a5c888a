//! The state machine that every key-holder drives: fetch and verify, settle,
//! act, and try again when the record moved on meanwhile. Browser, command
//! line, assisted requests and tests differ only in their transport.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_fhir::Compartment;
use jiff::Timestamp;
use rand_core::CryptoRng;

use crate::{
    Id,
    account::VerifiedAccount,
    chain::Head,
    error::VaultError,
    grant::{HeldVersion, HolderKey},
    granting::{self, NewGrant},
    keys::{AccountSecrets, PatientSeed},
    patient::OpenPatient,
    protocol::{
        GrantChange, SealedGeneration, SealedGrant, SealedRecord, SealedWrite, WriteOutcome,
    },
    read::{BatchKeys, OpenRecord},
    settle,
    statement::{HolderKind, SignedStatement},
    transport::{MaybeSend, Transport},
    write::{Author, Draft, Writer},
};

/// How often an operation is prepared anew when the record moved on.
const TRIES: usize = 8;
/// How many rounds of adoption one operation does at most.
const ADOPTION_ROUNDS: usize = 64;

/// What a client remembers between operations, and must keep: it is how a
/// server that rolls back or swaps keys is noticed. Holds no secret.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Memory {
    /// Newest head met of each patient's chain.
    pub patients: BTreeMap<Id, Head>,
    /// Newest head met of each account's chain.
    pub accounts: BTreeMap<Id, Head>,
}

/// A signed-in key-holder.
#[derive(Debug)]
pub struct Client<T> {
    /// How it reaches the other side.
    pub transport: T,
    /// Who it is.
    pub account: AccountSecrets,
    /// What it remembers.
    pub memory: Memory,
    /// Authors met since it was made, for lists of thousands.
    authors: BTreeMap<Id, VerifiedAccount>,
    /// The chart that is being taken over, whose chain names others yet.
    pub(crate) claiming: Option<(Id, Option<PatientSeed>)>,
}

/// Who wrote a version, once it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorship {
    /// This account signed it.
    Signed(Id),
    /// The server sealed what a source delivered; nobody signed.
    Server,
}

/// Time and chance for one operation.
pub struct Act<'a> {
    /// Now.
    pub now: Timestamp,
    /// Chance.
    pub rng: &'a mut (dyn CryptoRng + Send),
}

impl std::fmt::Debug for Act<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Act({})", self.now)
    }
}

impl<T: Transport + MaybeSend> Client<T> {
    /// A client of `account` over `transport`.
    pub const fn new(transport: T, account: AccountSecrets, memory: Memory) -> Self {
        Self {
            transport,
            account,
            memory,
            authors: BTreeMap::new(),
            claiming: None,
        }
    }

    /// Remembers a statement of its own that the other side took: who then
    /// shows a chain without it has rolled back.
    pub fn remember(&mut self, statement: &SignedStatement) {
        if let Ok(read) = statement.patient_statement() {
            let head = Head {
                seq: read.seq,
                hash: statement.hash(),
            };
            self.memory.patients.insert(read.patient, head);
        }
    }

    /// Checks who wrote a version: the author's signature, by any key the
    /// author ever had, and that the newest statement which the author saw
    /// stands in the chain that is offered now.
    pub async fn verify_record(
        &mut self,
        open: &OpenPatient,
        record: &SealedRecord,
        opened: &OpenRecord,
    ) -> Result<Authorship, VaultError> {
        let authorship = match record.author {
            Some(author) => {
                self.verify_author(author, opened).await?;
                Authorship::Signed(author)
            }
            None if opened.header.is_signed() => {
                return Err(VaultError::Statement("a signed record without its author"));
            }
            None => Authorship::Server,
        };
        if let Some(head) = &opened.header.head
            && !open.chain.contains_hash(head)
            // Written since: look again before calling it a lie.
            && !self.open(record.patient).await?.chain.contains_hash(head)
        {
            return Err(VaultError::RolledBack);
        }
        Ok(authorship)
    }

    async fn verify_author(&mut self, author: Id, opened: &OpenRecord) -> Result<(), VaultError> {
        if let Some(known) = self.authors.get(&author)
            && opened.verify(&known.sign_keys).is_ok()
        {
            return Ok(());
        }
        let fresh = self.account_keys(author).await?;
        opened.verify(&fresh.sign_keys)?;
        self.authors.insert(author, fresh);
        Ok(())
    }

    /// Fetches, verifies and opens a patient as they stand now.
    pub async fn open(&mut self, patient: Id) -> Result<OpenPatient, VaultError> {
        let offered = self.transport.patient_keys(patient).await?;
        if offered.patient != patient {
            return Err(VaultError::Statement("another patient's keys"));
        }
        let seen = self.memory.patients.get(&patient).copied();
        let open = match &self.claiming {
            Some((claimed, seed)) if *claimed == patient => {
                OpenPatient::open_claimed(&offered, &self.account, seed.as_ref(), seen)?
            }
            _ => OpenPatient::open(&offered, &self.account, seen)?,
        };
        self.memory.patients.insert(patient, open.chain.head());
        Ok(open)
    }

    /// Fetches and verifies an account's public keys.
    pub async fn account_keys(&mut self, account: Id) -> Result<VerifiedAccount, VaultError> {
        let offered = self.transport.account_keys(account).await?;
        if offered.account != account {
            return Err(VaultError::Statement("another account's keys"));
        }
        let seen = self.memory.accounts.get(&account).copied();
        let verified = VerifiedAccount::verify(&offered, seen)?;
        self.memory.accounts.insert(account, verified.head);
        Ok(verified)
    }

    pub(crate) async fn holder_keys(
        &mut self,
        accounts: Vec<Id>,
    ) -> Result<settle::HolderKeys, VaultError> {
        let mut keys = BTreeMap::new();
        for account in accounts {
            if let std::collections::btree_map::Entry::Vacant(entry) = keys.entry(account) {
                entry.insert(self.account_keys(account).await?);
            }
        }
        Ok(keys)
    }

    /// Opens a patient and, for managers, ends staleness and adopts what
    /// waits. Idempotent; safe to stop at any point.
    pub async fn settle(
        &mut self,
        patient: Id,
        act: &mut Act<'_>,
    ) -> Result<OpenPatient, VaultError> {
        for _ in 0..TRIES {
            let open = self.open(patient).await?;
            if open.manager.is_none() {
                return Ok(open);
            }
            match self.settle_once(open, act).await {
                Err(e) if e.is_conflict() => {}
                other => return other,
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }

    async fn settle_once(
        &mut self,
        open: OpenPatient,
        act: &mut Act<'_>,
    ) -> Result<OpenPatient, VaultError> {
        let patient = open.keys.patient();
        let stale: BTreeSet<Compartment> = open.chain.stale(act.now);
        let mut open = open;
        if !stale.is_empty() {
            let needed = settle::holders_needed(&open, &stale, act.now)?;
            let accounts = self.holder_keys(needed).await?;
            if let Some(epochs) = settle::begin_epochs(&open, &accounts, act.now, act.rng)? {
                let statement = epochs.statement.clone();
                self.transport.begin_epochs(epochs).await?;
                self.remember(&statement);
                open = self.open(patient).await?;
            }
        }
        if open.manager()?.unadopted == 0 {
            return Ok(open);
        }
        for _ in 0..ADOPTION_ROUNDS {
            let waiting = self.transport.unadopted(patient).await?;
            if waiting.batches.is_empty() {
                break;
            }
            let more = waiting.more;
            let adoption = settle::adopt(&open, &waiting, act.rng)?;
            let progress = !adoption.batches.is_empty();
            let outcome = self.transport.adopt(adoption).await?;
            open.grants_version = outcome.grants_version;
            if !more || !progress {
                break;
            }
        }
        self.open(patient).await
    }

    /// Writes drafts, as a manager wrapped, else sealed directly. Prepared
    /// anew when the record moved on. The drafts come from a closure that is
    /// shown the opened patient, since what is known decides versions.
    pub async fn write(
        &mut self,
        patient: Id,
        drafts: &[Draft],
        act: &mut Act<'_>,
    ) -> Result<WriteOutcome, VaultError> {
        for _ in 0..TRIES {
            let open = self.settle(patient, act).await?;
            let write = self.seal_write(&open, drafts, act)?;
            match self.transport.write(write).await {
                Err(VaultError::Conflict(code)) if code == "compartment.moved" => {}
                other => return other,
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }

    /// Seals drafts for a patient as opened.
    pub fn seal_write(
        &self,
        open: &OpenPatient,
        drafts: &[Draft],
        act: &mut Act<'_>,
    ) -> Result<SealedWrite, VaultError> {
        let kem = self.account.kem_public();
        let author = Author {
            account: self.account.account(),
            sign: self.account.signing_key(),
            kem: &kem,
        };
        let seed = match open.manager {
            Some(_) => Some(open.keys.newest_seed()?),
            None => None,
        };
        let writer = Writer {
            chain: &open.chain,
            grants_version: open.grants_version,
            seed,
            author: Some(author),
        };
        writer.seal(drafts, act.now, act.rng)
    }

    /// Makes a grant, settling first. `make` is shown the opened patient and
    /// says what the grant is to be.
    pub async fn prepare_grant(
        &mut self,
        patient: Id,
        act: &mut Act<'_>,
        make: impl FnOnce(&OpenPatient) -> Result<NewGrant, VaultError>,
    ) -> Result<SealedGrant, VaultError> {
        let open = self.settle(patient, act).await?;
        let new = make(&open)?;
        granting::make_grant(&open, &new, act.now, act.rng)
    }

    /// The key of an account to grant to.
    pub async fn holder(&mut self, account: Id) -> Result<HolderKey, VaultError> {
        Ok(HolderKey::from(self.account_keys(account).await?))
    }

    /// Grants, prepared anew when the record moved on.
    pub async fn grant(
        &mut self,
        patient: Id,
        new: &NewGrant,
        act: &mut Act<'_>,
    ) -> Result<WriteOutcome, VaultError> {
        for _ in 0..TRIES {
            let open = self.settle(patient, act).await?;
            let grant = granting::make_grant(&open, new, act.now, act.rng)?;
            let statement = grant.statement.clone();
            match self.transport.grant(grant).await {
                Err(e) if e.is_conflict() => {}
                other => return self.took(&statement, other),
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }

    /// Ends a grant or a link.
    pub async fn end_grant(
        &mut self,
        patient: Id,
        grant: Id,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        let now = act.now;
        let make = |open: &OpenPatient| granting::end_grant(open, grant, now);
        self.change_grant(patient, grant, make).await
    }

    /// Lengthens or shortens a living grant or link.
    pub async fn change_terms(
        &mut self,
        patient: Id,
        grant: Id,
        expires_at: Timestamp,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        let now = act.now;
        let make = |open: &OpenPatient| granting::change_terms(open, grant, expires_at, now);
        self.change_grant(patient, grant, make).await
    }

    async fn change_grant(
        &mut self,
        patient: Id,
        grant: Id,
        make: impl Fn(&OpenPatient) -> Result<GrantChange, VaultError>,
    ) -> Result<(), VaultError> {
        for _ in 0..TRIES {
            let open = self.open(patient).await?;
            let change = make(&open)?;
            let statement = change.statement.clone();
            let known = open.chain.grant(grant).ok_or(VaultError::NoKey)?;
            let changed = match known.terms.holder_kind {
                HolderKind::Link => self.transport.change_link(grant, change).await,
                HolderKind::Account => {
                    let changed = self.transport.change_grant(grant, change).await;
                    changed.map(|_| ())
                }
            };
            match changed {
                Err(e) if e.is_conflict() => {}
                other => return self.took(&statement, other),
            }
        }
        Err(VaultError::Conflict("statement.moved".into()))
    }

    /// Begins a new generation held by `managers`, carrying over the grants
    /// to accounts.
    pub async fn begin_generation(
        &mut self,
        patient: Id,
        managers: &[Id],
        act: &mut Act<'_>,
    ) -> Result<WriteOutcome, VaultError> {
        for _ in 0..TRIES {
            let open = self.settle(patient, act).await?;
            let mut keys = Vec::with_capacity(managers.len());
            for manager in managers {
                keys.push(self.account_keys(*manager).await?);
            }
            let (sealed, _) = self.seal_generation(&open, &keys, act).await?;
            let statement = sealed.statement.clone();
            match self.transport.begin_generation(sealed).await {
                Err(e) if e.is_conflict() => {}
                other => return self.took(&statement, other),
            }
        }
        Err(VaultError::Conflict("statement.moved".into()))
    }

    /// Seals a new generation for these managers, with what it carries over.
    pub(crate) async fn seal_generation(
        &mut self,
        open: &OpenPatient,
        managers: &[VerifiedAccount],
        act: &mut Act<'_>,
    ) -> Result<(SealedGeneration, PatientSeed), VaultError> {
        let view = open.manager()?;
        let grantees: Vec<Id> = open
            .chain
            .living(act.now)
            .filter_map(|g| view.holders.get(&g.terms.grant))
            .filter(|h| h.kind == HolderKind::Account)
            .map(|h| h.holder)
            .collect();
        let mut accounts = self.holder_keys(grantees).await?;
        // Who is about to have new keys is sealed to by those.
        for manager in managers {
            if let Some(keys) = accounts.get_mut(&manager.account) {
                *keys = manager.clone();
            }
        }
        let singles = self.singles(open, act.now).await?;
        granting::begin_generation(open, managers, &accounts, &singles, act.now, act.rng)
    }

    /// The keys of the newest versions for grants of single records.
    async fn singles(
        &self,
        open: &OpenPatient,
        now: Timestamp,
    ) -> Result<granting::Singles, VaultError> {
        let mut singles = granting::Singles::new();
        for grant in open.chain.living(now) {
            if grant.terms.holder_kind != HolderKind::Account {
                continue;
            }
            let Some(records) = &grant.terms.records else {
                continue;
            };
            let held = singles.entry(grant.terms.grant).or_default();
            for record in records {
                // A record that was deleted since is not there any more.
                let Ok(page) = self.transport.find(*record).await else {
                    continue;
                };
                let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
                for found in page.items.iter().filter(|r| r.id == *record) {
                    if grant.terms.names(found.id, found.compartment) {
                        held.push(HeldVersion {
                            record: found.id,
                            version: found.version,
                            key: batches.version_key(found, &open.keys)?.secret().clone(),
                        });
                    }
                }
            }
        }
        Ok(singles)
    }

    fn took<R>(
        &mut self,
        statement: &SignedStatement,
        outcome: Result<R, VaultError>,
    ) -> Result<R, VaultError> {
        if outcome.is_ok() {
            self.remember(statement);
        }
        outcome
    }
}
