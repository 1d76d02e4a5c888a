//! A patient ends their account, and the record with it. What the trail tells
//! of it stays, and names nobody: ids whose rows are gone.

use chartkey_domain::grants::EndReason;
use chartkey_store::{blobs as blob_rows, grants};

use super::*;
use crate::events;

/// `DELETE /api/patients/profile`: ends the caller's account and destroys the
/// records that it alone manages. Records that others manage as well pass to
/// whoever manages them longest.
///
/// Sealed bodies in the object store are deleted after the commit; what cannot
/// be deleted then is swept later, since nothing names it.
///
/// # Errors
/// The policy's: it needs a sign-in of the last five minutes.
pub async fn delete_account(service: &Service, caller: &Caller) -> Result<(), AccountFailure> {
    let now = service.now();
    let account = caller.account()?.id;
    let permit = policy::permit(
        &caller.who,
        Action::DeleteAccount,
        &Target::Account(account),
        now,
    )?;
    let (asking, mut rng) = (caller.clone(), service.rng());
    let bodies = service
        .store()
        .write("account.delete", move |tx| {
            let mut bodies = Vec::new();
            for patient in patients::list_managed(tx, account)? {
                let others: Vec<AccountId> = patients::list_managers(tx, patient.id)?
                    .into_iter()
                    .filter(|manager| *manager != account)
                    .collect();
                match others.first() {
                    Some(_) if patient.owner != Some(account) => {}
                    Some(heir) => hand_over(tx, patient.id, *heir, &asking, now, &mut rng)?,
                    None => {
                        bodies.extend(blob_rows::list(tx, *patient.id.as_bytes())?);
                        let entry = NewEntry::under(TrailAction::AccountDelete, now, &permit)
                            .patient(patient.id);
                        trail::append_by(tx, entry, &asking, &mut rng)?;
                        destroy(tx, patient.id, now)?;
                    }
                }
            }
            give_back(tx, account, &asking, now, &mut rng)?;
            let entry = NewEntry::under(TrailAction::AccountDelete, now, &permit);
            trail::append_by(tx, entry, &asking, &mut rng)?;
            rows::delete(tx, account)?;
            Ok::<_, AccountFailure>(bodies)
        })
        .await?;
    for body in bodies {
        forget_body(service, body.id).await;
    }
    Ok(())
}

fn hand_over(
    tx: &mut Tx,
    patient: PatientId,
    heir: AccountId,
    caller: &Caller,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), AccountFailure> {
    rows::update_owner(tx, patient, heir)?;
    let actor = TrailActor::Account(caller.account()?.id);
    let entry = NewEntry::new(TrailAction::PatientUpdate, now, actor)
        .patient(patient)
        .detail("owner", Detail::Id(heir.0));
    trail::append_by(tx, entry, caller, rng)?;
    Ok(())
}

/// Deletes a patient, after its readers were told that there is nothing left.
pub(crate) fn destroy(tx: &mut Tx, patient: PatientId, now: Timestamp) -> Result<(), StoreError> {
    let holders: Vec<AccountId> = grants::list_living(tx, patient, now)?
        .into_iter()
        .filter_map(|grant| grant.holder)
        .collect();
    events::tell(
        tx,
        holders,
        TrailAction::GrantRevoke.as_str(),
        patient.0,
        now,
    )?;
    rows::delete_patient(tx, patient)?;
    Ok(())
}

/// Ends the grants that the account holds on the records of others: whoever
/// writes there next no longer seals to it.
fn give_back(
    tx: &mut Tx,
    account: AccountId,
    caller: &Caller,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), AccountFailure> {
    for grant in grants::list_held(tx, account)? {
        if !crate::patients::end_grant(tx, grant.id, grant.patient, EndReason::Revoked, now)? {
            continue;
        }
        let entry = NewEntry::new(TrailAction::GrantRevoke, now, TrailActor::Account(account))
            .patient(grant.patient)
            .grant(grant.id);
        trail::append_by(tx, entry, caller, rng)?;
        let kind = TrailAction::GrantRevoke.as_str();
        events::tell_managers(tx, grant.patient, kind, grant.id.0, now)?;
    }
    Ok(())
}

/// Bytes first, then the row that says where they are.
pub(crate) async fn forget_body(service: &Service, id: [u8; 16]) {
    let blob = chartkey_domain::ids::BlobId::from_bytes(id);
    if let Err(error) = service.blobs().delete(blob.into()).await {
        tracing::warn!(
            code = error.code(),
            "a body of a deleted record was not deleted yet"
        );
        return;
    }
    let forgotten: Result<(), StoreError> = service
        .store()
        .write("blob.forget", move |tx: &mut Tx| {
            blob_rows::delete(tx, id).map(drop)
        })
        .await;
    if let Err(error) = forgotten {
        tracing::warn!(?error, "a deleted body was not forgotten yet");
    }
}
