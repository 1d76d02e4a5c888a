//! Single documents passed on to other practitioners, for callers that let the
//! server hold their keys for one request.

use chartkey_domain::ids::GrantId;
use chartkey_domain::records::RecordTypes;
use chartkey_vault::client::Act;
use chartkey_vault::error::VaultError;

use super::{AskedTerms, Assisted, AssistedFailure, TRIES, coded};
use crate::Failure;
use crate::idempotency::Once;
use crate::shared_documents::{self as service, NewPassing, PURPOSE, PassedOn, Sharable, Way};

impl Assisted {
    /// Passes a document on: as a grant, as a re-share, or as a request to the
    /// patient, whichever the caller may.
    ///
    /// # Errors
    /// The policy's: its source, and whoever manages the record; a rule of the terms.
    pub async fn pass_on(
        &mut self,
        new: NewPassing,
        once: Option<Once>,
    ) -> Result<PassedOn, AssistedFailure> {
        let found = service::find_way(&self.service, &self.caller, new.record)
            .await
            .map_err(coded)?;
        let terms = terms(&found, &new);
        let said = new.message.as_ref().map(|text| text.as_str());
        match found.way {
            Way::Grant => {
                let grant = self.grant(new.to, &terms, said, None, once).await?;
                Ok(PassedOn::Shared(grant))
            }
            Way::Reshare => match self.reshare(&terms, &new, once.clone()).await {
                // A grant of before there was a key to pass on with.
                Err(Failure::Vault(VaultError::NoKey)) => self.ask(&found, new, once).await,
                other => other.map(PassedOn::Shared),
            },
            Way::Ask => self.ask(&found, new, once).await,
        }
    }

    async fn ask(
        &self,
        found: &Sharable,
        new: NewPassing,
        once: Option<Once>,
    ) -> Result<PassedOn, AssistedFailure> {
        service::ask_to_share(&self.service, &self.caller, found, new, once)
            .await
            .map_err(coded)
    }

    async fn reshare(
        &mut self,
        terms: &AskedTerms,
        new: &NewPassing,
        once: Option<Once>,
    ) -> Result<GrantId, AssistedFailure> {
        let recipient = self.name_of(new.to).await?;
        let said = new.message.as_ref().map(|text| text.as_str());
        let cover = self.cover(terms, &recipient, said).await?;
        for _ in 0..TRIES {
            let mut rng = self.service.rng();
            let mut act = Act {
                now: self.now,
                rng: &mut rng,
            };
            let sealed = self
                .client
                .seal_reshare(new.record.0, new.to.0, new.expires_at, &cover, &mut act)
                .await;
            let sealed = match sealed {
                Err(VaultError::NoKey) => return Err(Failure::Vault(VaultError::NoKey)),
                other => other.map_err(|e| self.failed(e))?,
            };
            let made = service::share_document(
                &self.service,
                &self.caller,
                new.record,
                sealed,
                once.clone(),
            );
            match made.await {
                Err(Failure::Vault(error)) if error.is_conflict() => {}
                other => return other.map(|(row, _)| row.id).map_err(coded),
            }
        }
        let moved = VaultError::Conflict("compartment.moved".into());
        Err(Failure::Vault(moved))
    }
}

/// That one document, to be read and taken along.
fn terms(found: &Sharable, new: &NewPassing) -> AskedTerms {
    AskedTerms {
        patient: found.patient,
        types: RecordTypes::of(found.record.compartment.record_type),
        kinds: found.record.compartment.kinds,
        records: Some(vec![new.record]),
        include_future: true,
        write_types: RecordTypes::EMPTY,
        valid_from: None,
        expires_at: new.expires_at,
        purpose: Some(PURPOSE.to_owned()),
        may_download: true,
        may_reshare: false,
    }
}
