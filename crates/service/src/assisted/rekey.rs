//! "Change my keys" for a client that sends its password: the server runs the
//! core in memory for this one request.

use std::collections::BTreeSet;

use chartkey_crypto::password::Params;
use chartkey_domain::policy::{self, Action, Target};
use chartkey_store::{StoreError, grants, patients};
use chartkey_vault::Id;
use chartkey_vault::protocol::KdfParams;
use zeroize::Zeroizing;

use super::{Assisted, AssistedFailure};
use crate::sessions::{self, Recovered};
use crate::{Caller, Service};

/// New keys under the same password, a new session and a new recovery code.
///
/// # Errors
/// The policy's (step-up); 422 for a wrong password; 403
/// `patient.assisted_off` where a patient allows no opening on the server.
pub async fn rekey(
    service: &Service,
    caller: &Caller,
    password: Zeroizing<String>,
) -> Result<Recovered, AssistedFailure> {
    let (now, account) = (service.now(), caller.account()?.id);
    policy::permit(
        &caller.who,
        Action::RekeyAccount,
        &Target::Account(account),
        now,
    )?;
    let mut assisted = Assisted::open(service, caller).await?;
    let (root, row) = sessions::prove(service, caller, password).await?;
    let concerned: BTreeSet<Id> = service
        .store()
        .read("keys.patients", move |reader| {
            let managed = patients::list_managed(reader, account)?;
            let held = grants::list_held(reader, account)?;
            let living = held
                .iter()
                .filter(|grant| grant.ended_at.is_none() && grant.expires_at > now)
                .map(|grant| grant.patient.0);
            Ok(managed
                .iter()
                .map(|patient| patient.id.0)
                .chain(living)
                .collect())
        })
        .await
        .map_err(|error: StoreError| AssistedFailure::from(error))?;
    let concerned: Vec<Id> = concerned.into_iter().collect();
    let kdf = KdfParams::from(Params::DEFAULT);
    let (client, mut act) = assisted.acting();
    let changed = client.rekey(&root, kdf, &concerned, &mut act).await;
    let code = changed.map_err(|error| assisted.failed(error))?;
    let signed_in = sessions::reopen(service, caller, &row, &assisted.client.account).await?;
    Ok(Recovered {
        signed_in,
        recovery_code: Some(code.to_text()),
    })
}
