//! The sealed protocol without a wire: each call is the use case itself.

use std::sync::{Mutex, PoisonError};

use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId};
use chartkey_vault::Id;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{
    AccountKeys, GrantChange, KnownTags, KnownTagsRequest, PatientKeys, SealedAdoption,
    SealedEpochs, SealedGeneration, SealedGrant, SealedMove, SealedPage, SealedRekey, SealedWrite,
    Unadopted, WriteOutcome,
};
use chartkey_vault::statement::PatientSays;
use chartkey_vault::transport::{SealedQuery, Transport};

use super::{AssistedFailure, coded};
use crate::{Caller, Failure, NounError, Service, accounts, grants, patients, records, sessions};

/// The use cases, called by their own client.
pub struct InProcess {
    service: Service,
    caller: Caller,
    /// What a use case said, so that the answer says the same.
    failure: Mutex<Option<AssistedFailure>>,
}

impl InProcess {
    /// Calls as `caller`.
    pub const fn new(service: Service, caller: Caller) -> Self {
        Self {
            service,
            caller,
            failure: Mutex::new(None),
        }
    }

    /// What the last refusing use case said.
    pub(crate) fn take_failure(&self) -> Option<AssistedFailure> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn pass<T, E: NounError>(&self, result: Result<T, Failure<E>>) -> Result<T, VaultError> {
        result.map_err(|failure| match failure {
            Failure::Vault(error) => error,
            other => {
                let other = coded(other);
                let conflict = match &other {
                    // Somebody wrote the same record meanwhile: match up again.
                    Failure::Noun(code)
                        if code.code() == "record.exists"
                            || code.code() == "record.version_mismatch" =>
                    {
                        Some(VaultError::Conflict(code.code().to_owned()))
                    }
                    _ => None,
                };
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(other);
                conflict.unwrap_or(VaultError::Refused {
                    status: 0,
                    code: String::new(),
                    detail: String::new(),
                })
            }
        })
    }
}

impl Transport for InProcess {
    async fn patient_keys(&self, patient: Id) -> Result<PatientKeys, VaultError> {
        self.pass(
            patients::load_patient_keys(&self.service, &self.caller, PatientId(patient)).await,
        )
    }

    async fn account_keys(&self, account: Id) -> Result<AccountKeys, VaultError> {
        self.pass(accounts::find_keys(&self.service, &self.caller, AccountId(account)).await)
    }

    async fn known(&self, request: KnownTagsRequest) -> Result<KnownTags, VaultError> {
        self.pass(records::find_known_tags(&self.service, &self.caller, request).await)
    }

    async fn write(&self, write: SealedWrite) -> Result<WriteOutcome, VaultError> {
        self.pass(records::create_records(&self.service, &self.caller, write).await)
    }

    async fn list(&self, patient: Id, query: &SealedQuery) -> Result<SealedPage, VaultError> {
        let patient = PatientId(patient);
        self.pass(records::list_records(&self.service, &self.caller, patient, query.clone()).await)
    }

    async fn find(&self, record: Id) -> Result<SealedPage, VaultError> {
        self.pass(records::find_record(&self.service, &self.caller, RecordId(record), None).await)
    }

    async fn find_version(&self, record: Id, version: u32) -> Result<SealedPage, VaultError> {
        let record = RecordId(record);
        self.pass(records::find_record(&self.service, &self.caller, record, Some(version)).await)
    }

    async fn move_record(&self, sealed: SealedMove) -> Result<WriteOutcome, VaultError> {
        self.pass(records::move_record(&self.service, &self.caller, sealed).await)
    }

    async fn unadopted(&self, patient: Id) -> Result<Unadopted, VaultError> {
        self.pass(
            patients::list_unadopted_batches(&self.service, &self.caller, PatientId(patient)).await,
        )
    }

    async fn adopt(&self, adoption: SealedAdoption) -> Result<WriteOutcome, VaultError> {
        self.pass(patients::adopt_batches(&self.service, &self.caller, adoption).await)
    }

    async fn begin_epochs(&self, epochs: SealedEpochs) -> Result<WriteOutcome, VaultError> {
        self.pass(patients::begin_epochs(&self.service, &self.caller, epochs).await)
    }

    async fn rekey(&self, sealed: SealedRekey) -> Result<(), VaultError> {
        self.pass(sessions::rekey(&self.service, &self.caller, sealed).await)
    }

    async fn begin_generation(
        &self,
        generation: SealedGeneration,
    ) -> Result<WriteOutcome, VaultError> {
        self.pass(patients::begin_generation(&self.service, &self.caller, generation).await)
    }

    async fn grant(&self, grant: SealedGrant) -> Result<WriteOutcome, VaultError> {
        let made = grants::create_grant(&self.service, &self.caller, grant).await;
        self.pass(made).map(|(_, outcome)| outcome)
    }

    async fn change_grant(
        &self,
        grant: Id,
        change: GrantChange,
    ) -> Result<WriteOutcome, VaultError> {
        let grant = GrantId(grant);
        let ends = matches!(
            change.statement.patient_statement()?.says,
            PatientSays::End { .. }
        );
        let changed = if ends {
            grants::end_grant(&self.service, &self.caller, grant, Some(change)).await
        } else {
            grants::change_terms(&self.service, &self.caller, grant, change).await
        };
        self.pass(changed).map(|(_, outcome)| outcome)
    }
}
