//! Destinations, for callers that let the server open: the statement that
//! attaches a patient is signed, and what is owed is sealed, with the keys of the
//! request.

use std::collections::BTreeMap;

use chartkey_crypto::seal::KemPublic;
use chartkey_domain::connections::Direction;
use chartkey_domain::ids::{ConnectionId, PatientId};
use chartkey_vault::delivering::grant_for_download;
use chartkey_vault::delivery::{
    DestinationTerms, SignedDestination, attachers, seal_owed as seal_portion,
};
use chartkey_vault::error::VaultError;

use super::{Assisted, AssistedFailure, coded};
use crate::connections::{self, AttachmentView, NewAttachment};
use crate::{Failure, delivery};

/// Portions that one request seals at most.
const PORTIONS: usize = 2;

impl Assisted {
    /// Puts a patient on one's connection; for a destination the statement is
    /// signed here.
    ///
    /// # Errors
    /// The policy's, the input's, the database's.
    pub async fn attach_patient(
        &mut self,
        connection: ConnectionId,
        mut new: NewAttachment,
    ) -> Result<AttachmentView, AssistedFailure> {
        let patient = new.patient;
        let found = connections::find_connection(&self.service, &self.caller, connection)
            .await
            .map_err(coded)?;
        if found.direction == Direction::Destination && new.statement.is_none() {
            let open = self
                .client
                .open(patient.0)
                .await
                .map_err(|e| self.failed(e))?;
            let key = found
                .public_key
                .and_then(|bytes| KemPublic::from_bytes(&bytes).ok())
                .ok_or(Failure::Internal("a destination without a key"))?;
            let terms = DestinationTerms {
                patient: patient.0,
                connection: connection.0,
                key,
                types: new.record_types.clone(),
                kinds: new.kinds,
                account: self.client.account.account(),
                grant: grant_for_download(&open, self.client.account.account(), self.now),
                at: self.now,
            };
            let signer = self.client.account.signing_key();
            let signed = SignedDestination::sign(&terms, signer).map_err(Failure::Vault)?;
            new.statement = Some(signed);
        }
        let attached = connections::attach_patient(&self.service, &self.caller, connection, new)
            .await
            .map_err(coded)?;
        if found.direction == Direction::Destination {
            self.settle_owed(patient).await;
        }
        Ok(attached)
    }

    /// Seals what this caller can of what is owed to a patient's destinations, a
    /// portion or two. Nobody waits for it: what fails is owed still.
    pub async fn settle_owed(&mut self, patient: PatientId) {
        if let Err(failure) = self.try_settle_owed(patient).await {
            tracing::warn!(?failure, "keys of deliveries were not sealed");
        }
    }

    async fn try_settle_owed(&mut self, patient: PatientId) -> Result<(), AssistedFailure> {
        let waits = delivery::is_owed(&self.service, patient)
            .await
            .map_err(Failure::Store)?;
        if !waits {
            return Ok(());
        }
        for _ in 0..PORTIONS {
            let owed = match delivery::owed(&self.service, &self.caller, patient).await {
                Ok(owed) => owed,
                // Not theirs to seal.
                Err(Failure::Refused(_)) => return Ok(()),
                Err(failure) => return Err(coded(failure)),
            };
            if owed.items.is_empty() {
                return Ok(());
            }
            let opened = self.client.open(patient.0).await;
            let open = opened.map_err(|e| self.failed(e))?;
            let mut keys = BTreeMap::new();
            for account in attachers(&owed) {
                match self.client.account_keys(account).await {
                    Ok(verified) => {
                        keys.insert(account, verified);
                    }
                    Err(VaultError::Refused { .. }) => {}
                    Err(error) => return Err(self.failed(error)),
                }
            }
            let mut rng = self.service.rng();
            let account = &self.client.account;
            let sealed = seal_portion(&open, account, &keys, &owed, self.now, &mut rng);
            if sealed.items.is_empty() {
                return Ok(());
            }
            delivery::seal_owed(&self.service, &self.caller, sealed)
                .await
                .map_err(coded)?;
            if !owed.more {
                return Ok(());
            }
        }
        Ok(())
    }
}
