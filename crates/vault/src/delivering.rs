//! Destinations over the wire: a patient is put on one with a signed statement,
//! and what is owed to it is sealed. What may go there is [`crate::delivery`]'s.

use std::collections::BTreeMap;

use chartkey_crypto::seal::KemPublic;
use chartkey_fhir::{Kinds, RecordType};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Id,
    client::{Act, Client},
    delivery::{DestinationTerms, Owed, SignedDestination, attachers, seal_owed},
    error::VaultError,
    http::{Fetch, Http},
    patient::OpenPatient,
    transport::MaybeSend,
};

/// What became of a portion of what is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwedOutcome {
    /// Version keys that were sealed and taken.
    pub sealed: u64,
    /// Whether more is owed that this account can seal.
    #[serde(default)]
    pub more: bool,
}

/// A destination as its owner is told of it, as far as its statement needs.
#[derive(Deserialize)]
struct Destination {
    #[serde(default)]
    public_key: Option<KemPublic>,
}

/// Of an account's grants the one that lets take the most along. A manager may
/// hold one as well (whoever opened a chart does): a destination that rests on it
/// outlives the claim.
pub fn grant_for_download(open: &OpenPatient, me: Id, now: Timestamp) -> Option<Id> {
    let held: Vec<Id> = match &open.manager {
        Some(view) => {
            let mine = view.holders.values().filter(|h| h.holder == me);
            mine.map(|h| h.grant).collect()
        }
        None => open.keys.keyrings().iter().map(|k| k.grant).collect(),
    };
    held.into_iter()
        .filter_map(|grant| open.chain.grant(grant))
        .filter(|g| !g.is_ended(now) && g.terms.may_download)
        .max_by_key(|g| (g.terms.types.len(), g.terms.expires_at))
        .map(|g| g.terms.grant)
}

impl<F: Fetch + MaybeSend> Client<Http<F>> {
    /// Puts a patient on one's own destination. `about` has the other members of
    /// `POST /api/v1/connections/{id}/patients`.
    ///
    /// # Errors
    /// What opening the patient is refused with; the server's refusals.
    pub async fn attach_destination(
        &mut self,
        connection: Id,
        patient: Id,
        types: Vec<RecordType>,
        kinds: Kinds,
        about: Map<String, Value>,
        act: &mut Act<'_>,
    ) -> Result<(), VaultError> {
        let path = format!("/api/v1/connections/{connection}");
        let found: Destination = self.transport.get(path.clone()).await?;
        let key = found
            .public_key
            .ok_or(VaultError::Input("not a destination"))?;
        let open = self.settle(patient, act).await?;
        let me = self.account.account();
        let terms = DestinationTerms {
            patient,
            connection,
            key,
            types,
            kinds,
            account: me,
            grant: grant_for_download(&open, me, act.now),
            at: act.now,
        };
        let signed = SignedDestination::sign(&terms, self.account.signing_key())?;
        let statement = serde_json::to_value(&signed).map_err(|_| VaultError::Internal)?;
        let mut body = about;
        body.insert("statement".to_owned(), statement);
        let path = format!("{path}/patients");
        let _: Value = self.transport.send_json("POST", &path, &body).await?;
        Ok(())
    }

    /// Seals a portion of what a patient's destinations are owed, as far as the
    /// statements hold and this account's keys reach.
    ///
    /// # Errors
    /// What opening the patient is refused with; the server's refusals (those who
    /// may not take records along seal nothing).
    pub async fn settle_owed(
        &mut self,
        patient: Id,
        act: &mut Act<'_>,
    ) -> Result<OwedOutcome, VaultError> {
        let path = format!("/api/v1/patients/{patient}/owed");
        let owed: Owed = self.transport.get(path.clone()).await?;
        if owed.patient != patient {
            return Err(VaultError::Statement("what another patient's are owed"));
        }
        if owed.items.is_empty() {
            return Ok(OwedOutcome::default());
        }
        let open = self.open(patient).await?;
        let mut keys = BTreeMap::new();
        for account in attachers(&owed) {
            match self.account_keys(account).await {
                Ok(verified) => {
                    keys.insert(account, verified);
                }
                // Nothing goes to a destination whose statement nobody vouches for.
                Err(VaultError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let sealed = seal_owed(&open, &self.account, &keys, &owed, act.now, act.rng);
        if sealed.items.is_empty() {
            return Ok(OwedOutcome::default());
        }
        let done: OwedOutcome = self.transport.post(path, &sealed).await?;
        Ok(OwedOutcome {
            // What could not be sealed now is offered again: it must not be
            // asked for for ever.
            more: owed.more && done.sealed > 0,
            ..done
        })
    }
}
