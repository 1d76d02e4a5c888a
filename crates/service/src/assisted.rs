//! Assisted requests: the sealed client, run inside the server for one
//! request, over the same use cases that sealed clients call over HTTP.
//!
//! One of the three modules through which open content passes on the server.
//! It cannot be entered without the secret that the request carries: a
//! session's token ([`Assisted::open`]) or a link's key. Everything open lives
//! in types that wipe themselves, and dies with the request.

mod authors;
mod cache;
mod caseload;
mod charts;
mod delivering;
mod document_requests;
mod documents;
mod export;
mod files;
mod passing_on;
mod records;
mod rekey;
mod sharing;
mod transport;
mod visits;

pub use authors::{Authors, Authorship};
pub use cache::Cache;
pub use caseload::{ChartAndTexts, ImportRow, Imported};
pub use charts::{ChartText, ClaimSheet};
pub use documents::TextDocument;
pub use export::{ExportedDocument, RecordExport};
pub use files::{FileContent, FileUpload, NewFile};
pub use records::{Content, Page, RecordQuery, RecordView, Report, Summary, Upload};
pub use rekey::rekey;
pub use sharing::{AskedTerms, OpenShare, Recipient};
pub use transport::InProcess;
pub use visits::{
    SharedDocument, SharedRecords, download_bundle, download_document, open_shared, visitor,
};

use chacha20::ChaCha20Rng;
use chartkey_domain::ids::{AccountId, PatientId};
use chartkey_domain::policy::{Noun, Refusal};
use chartkey_store::patients;
use chartkey_vault::client::{Act, Client, Memory};
use chartkey_vault::error::VaultError;
use chartkey_vault::patient::ReadKeys;
use jiff::Timestamp;

use crate::{Caller, Failure, NounError, Service, sessions};

/// How often something is sealed anew when the record moved on.
const TRIES: usize = 8;

/// An error of whichever noun, by its code: assisted requests run the use
/// cases of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{code}")]
pub struct Coded {
    code: &'static str,
    field: Option<&'static str>,
}

impl Coded {
    /// The error of a noun, by its code.
    pub fn of(error: &impl NounError) -> Self {
        Self {
            code: error.code(),
            field: error.field(),
        }
    }
}

impl NounError for Coded {
    fn code(&self) -> &'static str {
        self.code
    }

    fn field(&self) -> Option<&'static str> {
        self.field
    }
}

/// How an assisted request fails.
pub type AssistedFailure = Failure<Coded>;

/// Any use case's failure as an assisted one.
pub(crate) fn coded<E: NounError>(failure: Failure<E>) -> AssistedFailure {
    failure.map(|error| Coded::of(&error))
}

/// A key-holder inside the server, for one request.
pub struct Assisted {
    pub(crate) service: Service,
    pub(crate) caller: Caller,
    pub(crate) client: Client<InProcess>,
    pub(crate) now: Timestamp,
    rng: ChaCha20Rng,
}

impl std::fmt::Debug for Assisted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assisted")
    }
}

impl Assisted {
    /// Unlocks the caller's account with the secret their token carries.
    ///
    /// # Errors
    /// Not signed in, ended, or the session of a sealed client (`vault.locked`).
    pub async fn open(service: &Service, caller: &Caller) -> Result<Self, AssistedFailure> {
        let secrets = sessions::unlock(service, caller).await.map_err(coded)?;
        let transport = InProcess::new(service.clone(), caller.clone());
        Ok(Self {
            service: service.clone(),
            caller: caller.clone(),
            client: Client::new(transport, secrets, Memory::default()),
            now: service.now(),
            rng: service.rng(),
        })
    }

    /// Time and chance for one operation, beside the client that does it.
    pub(crate) fn acting(&mut self) -> (&mut Client<InProcess>, Act<'_>) {
        (
            &mut self.client,
            Act {
                now: self.now,
                rng: &mut self.rng,
            },
        )
    }

    /// What a use case really said, where the vault only passed it on.
    pub(crate) fn failed(&self, error: VaultError) -> AssistedFailure {
        self.client
            .transport
            .take_failure()
            .unwrap_or(Failure::Vault(error))
    }

    /// The patient that a call without `patient_id` is about: the first that
    /// the account manages.
    ///
    /// # Errors
    /// 404 where the account manages nobody.
    pub async fn own_patient(&self) -> Result<PatientId, AssistedFailure> {
        own_patient(&self.service, &self.caller).await
    }

    /// The keys that open what the caller may read, from the cache where it
    /// has them, under the session's own secret.
    pub(crate) async fn read_keys(
        &mut self,
        patient: PatientId,
        fresh: bool,
    ) -> Result<ReadKeys, AssistedFailure> {
        let cache = self.service.read_keys();
        // Keys alone do not tell whether a record's author saw this chain.
        let chained = self.service.authors().chain(patient.0).is_some();
        if !fresh
            && chained
            && let Some(keys) = cache.get(&self.caller, patient)
        {
            return Ok(keys);
        }
        let open = self
            .client
            .open(patient.0)
            .await
            .map_err(|e| self.failed(e))?;
        let chain = open.chain.hashes().copied().collect();
        self.service.authors().put_chain(patient.0, chain);
        self.service
            .read_keys()
            .put(&self.caller, patient, &open.keys, &mut self.rng);
        Ok(open.keys)
    }
}

/// The first patient that the caller manages.
pub async fn own_patient(service: &Service, caller: &Caller) -> Result<PatientId, AssistedFailure> {
    let account: AccountId = caller.account()?.id;
    let managed = service
        .store()
        .read("patient.own", move |db| patients::list_managed(db, account))
        .await
        .map_err(Failure::Store)?;
    managed
        .first()
        .map(|p| p.id)
        .ok_or_else(|| Refusal::Unknown(Noun::Patient).into())
}
