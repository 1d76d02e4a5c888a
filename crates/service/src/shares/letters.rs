//! What is written about links and grants: to their recipients, and to those
//! who made them. A row says nothing of a patient; what a mail must carry
//! besides waits in memory.

use chartkey_domain::ids::{AccountId, GrantId, PatientId};
use chartkey_domain::shares::SendEmail;
use chartkey_fhir::RecordType;
use chartkey_store::accounts::AccountRow;
use chartkey_store::grants::GrantRow;
use chartkey_store::patients::PatientRow;
use chartkey_store::shares::{self as rows};
use chartkey_store::{Reader, StoreError, Tx, accounts, grants, patients};
use jiff::Timestamp;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{NewLink, RECIPIENT_EMAIL, ShareFailure};
use crate::letters::{Content, ShareWords};
use crate::{Failure, Service, columns, mail};

/// Queues the mail to a new link's recipient, where one is wanted.
pub(super) fn queue_share(
    tx: &mut Tx,
    service: &Service,
    patient: &PatientRow,
    new: &NewLink,
    grant: &GrantRow,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), ShareFailure> {
    let Some(to) = &new.recipient else {
        return Ok(());
    };
    let share = grant.id.0;
    let needs_passcode = new.said.passcode.is_some();
    let (content, url) = match new.mail.way {
        SendEmail::None => return Ok(()),
        SendEmail::Notice => (Content::ShareNotice { share }, None),
        SendEmail::Link => (Content::ShareLink { share }, new.mail.url.as_ref()),
    };
    if matches!(content, Content::ShareLink { .. }) && url.is_none() {
        return Err(Failure::field(
            "sendEmail",
            "the link itself must come along for it to be sent",
        ));
    }
    let words = ShareWords {
        patient_name: patient_name(tx, service, patient.id)?.unwrap_or_default(),
        recipient_name: new.said.recipient_name.clone().unwrap_or_default(),
        types: labels(&grant.types),
        expires_at: grant.expires_at,
        message: new.mail.message.as_ref().map(|text| text.to_string()),
        url: url.map(|url| url.to_string()),
        needs_passcode,
    };
    let secret = words
        .to_json()
        .ok_or(Failure::Internal("words that are no JSON"))?;
    let name = new.said.recipient_name.as_deref();
    let job = mail::queue_named(tx, service, to.address(), name, &content, now, rng)?;
    service.0.mail_vault.keep(job, secret, now);
    Ok(())
}

/// Labels of types for people; kinds are never said.
fn labels(types: &[RecordType]) -> Vec<String> {
    types.iter().map(|t| t.label().to_owned()).collect()
}

/// A patient's name as the server knows it.
pub(crate) fn patient_name(
    db: &mut Reader,
    service: &Service,
    patient: PatientId,
) -> Result<Option<String>, ShareFailure> {
    let protected = patients::lookup_name(db, patient)?;
    let name =
        service
            .protect()
            .open_optional(columns::PATIENT_NAME, patient.0, protected.as_deref())?;
    Ok(name.map(|name| name.to_string()))
}

/// A patient's day of birth as the server knows it.
pub(crate) fn patient_birth_date(
    db: &mut Reader,
    service: &Service,
    patient: PatientId,
) -> Result<Option<String>, ShareFailure> {
    let protected = patients::lookup_birth_date(db, patient)?;
    let date = service.protect().open_optional(
        columns::PATIENT_BIRTH_DATE,
        patient.0,
        protected.as_deref(),
    )?;
    Ok(date.map(|date| date.to_string()))
}

/// An account's name.
pub(crate) fn account_name(
    db: &mut Reader,
    service: &Service,
    account: AccountId,
) -> Result<Option<String>, ShareFailure> {
    let Some(row) = accounts::lookup(db, account)? else {
        return Ok(None);
    };
    let name = service
        .protect()
        .open_text(columns::ACCOUNT_NAME, account.0, &row.name_p)?;
    Ok(Some(name.to_string()))
}

/// An account's address.
fn address(service: &Service, row: &AccountRow) -> Option<Zeroizing<String>> {
    service
        .protect()
        .open_text(columns::ACCOUNT_EMAIL, row.id.0, &row.email_p)
        .ok()
}

/// Writes to an account, where it has an address that it reads.
pub(crate) fn queue_to_account(
    tx: &mut Tx,
    service: &Service,
    account: AccountId,
    content: &Content,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let Some(row) = accounts::lookup(tx, account)? else {
        return Ok(());
    };
    if row.status == "disabled" || row.email_verified_at.is_none() {
        return Ok(());
    }
    match address(service, &row) {
        Some(to) => mail::queue(tx, service, &to, content, now, rng),
        None => Ok(()),
    }
}

/// Writes to everybody who manages a patient.
pub(crate) fn queue_to_managers(
    tx: &mut Tx,
    service: &Service,
    patient: PatientId,
    content: &Content,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    for manager in patients::list_managers(tx, patient)? {
        queue_to_account(tx, service, manager, content, now, rng)?;
    }
    Ok(())
}

/// Writes to whoever held a grant, account or link.
pub(crate) fn queue_to_holder(
    tx: &mut Tx,
    service: &Service,
    grant: &GrantRow,
    content: &Content,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    if let Some(account) = grant.holder {
        return queue_to_account(tx, service, account, content, now, rng);
    }
    let Some(link) = rows::lookup(tx, grant.id)? else {
        return Ok(());
    };
    // Whoever was never written to is not written to now.
    let written = link
        .mail_state
        .as_deref()
        .is_some_and(|way| way != SendEmail::None.as_str());
    let to = service
        .protect()
        .open_optional(
            RECIPIENT_EMAIL,
            grant.id.0,
            link.recipient_email_p.as_deref(),
        )
        .ok()
        .flatten()
        .filter(|_| written);
    match to {
        Some(to) => mail::queue(tx, service, &to, content, now, rng),
        None => Ok(()),
    }
}

/// Tells whoever held a grant that it was withdrawn.
pub(crate) fn queue_ended(
    tx: &mut Tx,
    service: &Service,
    grant: &GrantRow,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let content = Content::AccessEnded {
        at: now,
        has_account: grant.holder.is_some(),
    };
    queue_to_holder(tx, service, grant, &content, now, rng)
}

/// Whether an account wants to hear of openings: `{"mail": {"share_opened":
/// true}}` in its preferences.
fn wants_openings(service: &Service, row: &AccountRow) -> bool {
    let preferences = service.protect().open_optional(
        columns::PREFERENCES,
        row.id.0,
        row.preferences_p.as_deref(),
    );
    preferences
        .ok()
        .flatten()
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .and_then(|value| value.pointer("/mail/share_opened")?.as_bool())
        .unwrap_or(false)
}

/// Tells managers who want it that a link was opened.
pub(super) fn queue_opened(
    tx: &mut Tx,
    service: &Service,
    patient: PatientId,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    for manager in patients::list_managers(tx, patient)? {
        let wants = accounts::lookup(tx, manager)?.is_some_and(|row| wants_openings(service, &row));
        if wants {
            let content = Content::ShareOpened { at: now };
            queue_to_account(tx, service, manager, &content, now, rng)?;
        }
    }
    Ok(())
}

/// A mail with a link lost what it must carry: asks the link's maker to send
/// it again.
pub(crate) async fn ask_sender(service: &Service, content: &Content) -> Result<(), StoreError> {
    let (Content::ShareLink { share } | Content::ShareNotice { share }) = content else {
        return Ok(());
    };
    let (this, share, now) = (service.clone(), GrantId(*share), service.now());
    let mut rng = service.rng();
    service
        .store()
        .write("share.needs_sender", move |tx| {
            let Some(grant) = grants::lookup(tx, share)? else {
                return Ok(());
            };
            let content = Content::ShareNeedsSender;
            queue_to_account(tx, &this, grant.created_by, &content, now, &mut rng)
        })
        .await
}
