//! `Idempotency-Key`: a creating request that is repeated creates once.
//!
//! Kept are ids and the status, never bodies. The body's fingerprint is keyed
//! with the request's own Idempotency-Key, of which only a hash is kept, so
//! the row says nothing about the body to whoever has the database. The row is
//! written in the transaction that creates, so there is no time between.

use chartkey_crypto::{Secret, derive};
use chartkey_domain::ids::{AccountId, Id};
use chartkey_store::limits::{self as rows, IdempotencyRow};
use chartkey_store::{StoreError, Tx};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{Failure, NounError, Service};

/// Longest key, in bytes.
pub const MAX_KEY: usize = 255;

/// A request that wants to be answered once.
#[derive(Clone)]
pub struct Once {
    key_hash: [u8; 32],
    fingerprint: [u8; 32],
    operation: &'static str,
    account: Option<AccountId>,
}

/// What was answered to it before.
pub struct Replay {
    /// The HTTP status.
    pub status: u16,
    /// What was created, in the order of the operation.
    pub ids: Vec<Id>,
}

impl Once {
    /// Of `operation`, by `account`, with the request's exact body. Keys of
    /// different accounts and operations never meet.
    pub fn new(
        service: &Service,
        key: &str,
        operation: &'static str,
        account: Option<AccountId>,
        body: &[u8],
    ) -> Self {
        let owner = account.map_or([0; 16], |account| *account.as_bytes());
        let mut scoped = Vec::with_capacity(key.len() + operation.len() + 18);
        scoped.extend_from_slice(&owner);
        scoped.extend_from_slice(operation.as_bytes());
        scoped.push(0);
        scoped.extend_from_slice(key.as_bytes());
        let digest: [u8; 32] = Sha256::digest(&scoped).into();
        let body: [u8; 32] = Sha256::digest(body).into();
        Self {
            key_hash: service.protect().lookup_hash("idempotency", &scoped),
            fingerprint: *derive(&Secret::from_bytes(digest), "idempotency/body", &[&body])
                .as_bytes(),
            operation,
            account,
        }
    }

    /// Keeps the answer in a transaction of its own: for what is recognised
    /// by its content as well, so that a crash between the two creates nothing
    /// twice.
    ///
    /// # Errors
    /// The database's. An answer that was kept meanwhile stays.
    pub async fn remember<E: NounError>(
        self,
        service: &Service,
        status: u16,
        ids: Vec<Id>,
    ) -> Result<(), Failure<E>> {
        let now = service.now();
        let kept = service
            .store()
            .write("idempotency.keep", move |tx: &mut Tx| {
                self.keep(tx, status, ids, now)
            })
            .await;
        match kept {
            Ok(()) | Err(StoreError::Unique { .. }) => Ok(()),
            Err(error) => Err(Failure::Store(error)),
        }
    }

    /// Keeps the answer, inside the transaction that creates.
    ///
    /// # Errors
    /// The database's: [`StoreError::Unique`] when the same request was
    /// answered meanwhile, which undoes this one.
    pub fn keep(
        self,
        tx: &mut Tx,
        status: u16,
        ids: Vec<Id>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ids: Vec<String> = ids.iter().map(Id::to_string).collect();
        rows::insert_answer(
            tx,
            &IdempotencyRow {
                key_hash: self.key_hash,
                account_id: self.account.map(|account| *account.as_bytes()),
                operation: self.operation.to_owned(),
                fingerprint: self.fingerprint,
                status,
                ids: ids.join(" "),
                created_at: now.as_millisecond(),
            },
        )
    }
}

impl Replay {
    /// What was answered to the same request before, if it was.
    ///
    /// # Errors
    /// [`Failure::KeyReused`] where the key came with another request.
    pub async fn find<E: NounError>(
        service: &Service,
        once: Option<&Once>,
    ) -> Result<Option<Self>, Failure<E>> {
        let Some(once) = once else { return Ok(None) };
        let key_hash = once.key_hash;
        let row = service
            .store()
            .read("idempotency.find", move |reader| {
                rows::lookup_answer(reader, key_hash)
            })
            .await
            .map_err(|error: StoreError| Failure::Store(error))?;
        let Some(row) = row else { return Ok(None) };
        if row.fingerprint != once.fingerprint || row.operation != once.operation {
            return Err(Failure::KeyReused);
        }
        let ids = row
            .ids
            .split_whitespace()
            .map(|text| text.parse().map_err(|_| Failure::Internal("a kept answer")))
            .collect::<Result<_, _>>()?;
        Ok(Some(Self {
            status: row.status,
            ids,
        }))
    }
}
