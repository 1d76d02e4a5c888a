//! Mail: queued as jobs in the transaction that causes it, sent afterwards.
//!
//! A job's payload is protected and is wiped once the mail has gone. Secrets
//! that no row may hold wait in [`MailVault`], in the memory of the process
//! that took the request, for 15 minutes at most.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chartkey_domain::ids::{Id, JobId};
use chartkey_domain::letters::SECRET_TTL_SECS;
use chartkey_domain::mail::{MailError, Mailbox};
use chartkey_domain::sessions::after;
use chartkey_store::jobs::{self, JobRow, JobState, NewJob};
use chartkey_store::{StoreError, Tx};
use jiff::Timestamp;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::jobs::Outcome;
use crate::letters::Content;
use crate::{Service, columns};

/// Kind of the jobs that send mail.
pub const KIND: &str = "mail.send";
/// Attempts before a mail is given up: about half a day with backing off.
const ATTEMPTS: u32 = 16;

/// What a mail job holds, protected.
#[derive(Serialize, Deserialize)]
struct Payload {
    to: String,
    name: Option<String>,
    content: Content,
}

/// Queues a letter to an address; it leaves after this transaction.
pub fn queue(
    tx: &mut Tx,
    service: &Service,
    to: &str,
    content: &Content,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    queue_named(tx, service, to, None, content, now, rng).map(drop)
}

/// [`queue`] to an address with a name beside it; the job, for letters whose
/// secret goes into the [`MailVault`].
pub fn queue_named(
    tx: &mut Tx,
    service: &Service,
    to: &str,
    name: Option<&str>,
    content: &Content,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<JobId, StoreError> {
    let id = JobId::new(now.as_millisecond().unsigned_abs(), rng);
    let payload = Payload {
        to: to.to_owned(),
        name: name.map(str::to_owned),
        content: content.clone(),
    };
    let json = Zeroizing::new(
        serde_json::to_vec(&payload).map_err(|_| StoreError::Refused("a mail that is no JSON"))?,
    );
    let protected = service
        .protect()
        .seal(columns::JOB_PAYLOAD, id.0, &json, rng);
    jobs::insert(
        tx,
        &NewJob {
            id: *id.as_bytes(),
            kind: KIND,
            payload_p: &protected,
            dedupe_key: None,
            run_at: now.as_millisecond(),
            max_attempts: ATTEMPTS,
            state: JobState::Ready,
            created_at: now.as_millisecond(),
        },
    )?;
    service.0.wake.notify_one();
    Ok(id)
}

/// Sends the mail of one job.
pub(crate) async fn send(service: &Service, job: &JobRow) -> Outcome {
    let id = Id::from_bytes(job.id);
    let Ok(json) = service
        .protect()
        .open(columns::JOB_PAYLOAD, id, &job.payload_p)
    else {
        return Outcome::Dead("job.unreadable");
    };
    let Ok(payload) = serde_json::from_slice::<Payload>(json.as_bytes()) else {
        return Outcome::Dead("job.unreadable");
    };
    let now = service.now();
    let secret = service.0.mail_vault.find(JobId(id), now);
    if payload.content.letter().carries_secret() && secret.is_none() {
        let queued = Timestamp::from_millisecond(job.created_at).unwrap_or(now);
        // Another process may hold it; after a while nobody does.
        if after(queued, SECRET_TTL_SECS) > now {
            return Outcome::Later("mail.elsewhere", 15);
        }
        if let Err(error) = crate::shares::ask_sender(service, &payload.content).await {
            tracing::warn!(?error, "the sender of a mail was not asked");
        }
        return Outcome::NeedsSender;
    }
    let Ok(to) = Mailbox::new(payload.name.as_deref(), &payload.to) else {
        return Outcome::Dead(MailError::Recipient.code());
    };
    let key = format!("mail/{id}");
    let printed = service.0.press.print(
        &payload.content,
        secret.as_ref().map(|text| text.as_str()),
        to,
        key,
    );
    let Some(message) = printed else {
        return Outcome::Dead("mail.unprintable");
    };
    match service.mailer().send(&message).await {
        Ok(_receipt) => {
            service.0.mail_vault.forget(JobId(id));
            Outcome::Done
        }
        Err(error) => {
            if error.needs_operator() {
                tracing::error!(code = error.code(), "mail needs the operator");
            }
            match error.retry_after() {
                Some(wait) if error.is_retryable() => Outcome::Later(error.code(), wait.as_secs()),
                _ if error.is_retryable() => Outcome::Retry(error.code()),
                _ => Outcome::Dead(error.code()),
            }
        }
    }
}

/// What mails must carry and rows must not, in memory only.
#[derive(Default)]
pub struct MailVault(Mutex<HashMap<JobId, (Timestamp, Zeroizing<String>)>>);

impl MailVault {
    /// Holds `secret` for `job`, 15 minutes at most from `now`.
    pub fn keep(&self, job: JobId, secret: Zeroizing<String>, now: Timestamp) {
        let mut held = self.held();
        held.retain(|_, (until, _)| *until > now);
        held.insert(job, (after(now, SECRET_TTL_SECS), secret));
    }

    fn find(&self, job: JobId, now: Timestamp) -> Option<Zeroizing<String>> {
        let mut held = self.held();
        held.retain(|_, (until, _)| *until > now);
        held.get(&job).map(|(_, secret)| secret.clone())
    }

    fn forget(&self, job: JobId) {
        self.held().remove(&job);
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, (Timestamp, Zeroizing<String>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
