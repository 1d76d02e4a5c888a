//! How the state machine reaches the other side. One method for each call of
//! the sealed protocol; over HTTP or inside the server.

use std::future::Future;

use chartkey_fhir::RecordType;

use crate::{
    Id,
    error::VaultError,
    protocol::{
        AccountKeys, GrantChange, KnownTags, KnownTagsRequest, PatientKeys, SealedAdoption,
        SealedEpochs, SealedGeneration, SealedGrant, SealedMove, SealedPage, SealedRekey,
        SealedWrite, Unadopted, WriteOutcome,
    },
};

/// Futures that a server may move between threads; in a browser there is one.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send> MaybeSend for T {}
/// Futures that a server may move between threads; in a browser there is one.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T> MaybeSend for T {}

/// What a server may share between threads.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSync: Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Sync> MaybeSync for T {}
/// What a server may share between threads.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSync {}
#[cfg(target_arch = "wasm32")]
impl<T> MaybeSync for T {}

/// Which sealed records are wanted.
#[derive(Clone, Debug, Default)]
pub struct SealedQuery {
    /// Only this type.
    pub record_type: Option<RecordType>,
    /// Only from this source.
    pub source: Option<String>,
    /// Headers without bodies.
    pub headers_only: bool,
    /// Supporting resources too.
    pub supporting: bool,
    /// At most so many.
    pub limit: Option<u32>,
    /// From where the last page ended.
    pub cursor: Option<String>,
}

/// The calls of the sealed protocol. Errors: [`VaultError::Conflict`] for 409,
/// [`VaultError::Refused`] for other refusals, [`VaultError::Unavailable`].
pub trait Transport: MaybeSync {
    /// `GET /api/patients/{id}/keys`
    fn patient_keys(
        &self,
        patient: Id,
    ) -> impl Future<Output = Result<PatientKeys, VaultError>> + MaybeSend;
    /// `GET /api/keys/{principal}`
    fn account_keys(
        &self,
        account: Id,
    ) -> impl Future<Output = Result<AccountKeys, VaultError>> + MaybeSend;
    /// `POST /api/records/known`
    fn known(
        &self,
        request: KnownTagsRequest,
    ) -> impl Future<Output = Result<KnownTags, VaultError>> + MaybeSend;
    /// `POST /api/records`
    fn write(
        &self,
        write: SealedWrite,
    ) -> impl Future<Output = Result<WriteOutcome, VaultError>> + MaybeSend;
    /// `GET /api/records`
    fn list(
        &self,
        patient: Id,
        query: &SealedQuery,
    ) -> impl Future<Output = Result<SealedPage, VaultError>> + MaybeSend;
    /// `GET /api/records/{id}`: one record with its body.
    fn find(&self, record: Id) -> impl Future<Output = Result<SealedPage, VaultError>> + MaybeSend;
    /// `GET /api/records/{id}?version=`: one version of it with its body.
    fn find_version(
        &self,
        record: Id,
        version: u32,
    ) -> impl Future<Output = Result<SealedPage, VaultError>> + MaybeSend {
        async move {
            // Whoever keeps no other version than the newest need not know more.
            let page = self.find(record).await?;
            match page.items.first() {
                Some(found) if found.version == version => Ok(page),
                _ => Err(VaultError::Unavailable),
            }
        }
    }
    /// `GET /api/blobs/{id}`: a large sealed body, whole.
    fn find_blob(
        &self,
        _blob: Id,
    ) -> impl Future<Output = Result<Vec<u8>, VaultError>> + MaybeSend {
        async { Err(VaultError::Unavailable) }
    }
    /// `PUT /api/blobs/{id}`: a part of a large sealed body; `finish` says its
    /// whole length with the last.
    fn put_blob(
        &self,
        _patient: Id,
        _blob: Id,
        _offset: u64,
        _part: Vec<u8>,
        _finish: Option<u64>,
    ) -> impl Future<Output = Result<(), VaultError>> + MaybeSend {
        async { Err(VaultError::Unavailable) }
    }
    /// `POST /api/records/{id}/move`
    fn move_record(
        &self,
        _sealed: SealedMove,
    ) -> impl Future<Output = Result<WriteOutcome, VaultError>> + MaybeSend {
        async { Err(VaultError::Unavailable) }
    }
    /// `POST /api/auth/rekey`
    fn rekey(
        &self,
        _sealed: SealedRekey,
    ) -> impl Future<Output = Result<(), VaultError>> + MaybeSend {
        async { Err(VaultError::Unavailable) }
    }
    /// `GET /api/patients/{id}/adopt`
    fn unadopted(
        &self,
        patient: Id,
    ) -> impl Future<Output = Result<Unadopted, VaultError>> + MaybeSend;
    /// `POST /api/patients/{id}/adopt`
    fn adopt(
        &self,
        adoption: SealedAdoption,
    ) -> impl Future<Output = Result<WriteOutcome, VaultError>> + MaybeSend;
    /// `POST /api/patients/{id}/epochs`
    fn begin_epochs(
        &self,
        epochs: SealedEpochs,
    ) -> impl Future<Output = Result<WriteOutcome, VaultError>> + MaybeSend;
    /// `POST /api/patients/{id}/generations`
    fn begin_generation(
        &self,
        generation: SealedGeneration,
    ) -> impl Future<Output = Result<WriteOutcome, VaultError>> + MaybeSend;
    /// `POST /api/sharing/grant`
    fn grant(
        &self,
        grant: SealedGrant,
    ) -> impl Future<Output = Result<WriteOutcome, VaultError>> + MaybeSend;
    /// `PUT /api/sharing/{id}/revoke`
    fn change_grant(
        &self,
        grant: Id,
        change: GrantChange,
    ) -> impl Future<Output = Result<WriteOutcome, VaultError>> + MaybeSend;
    /// `DELETE` and `PATCH /api/records/share/{id}`: the same of a link.
    fn change_link(
        &self,
        grant: Id,
        change: GrantChange,
    ) -> impl Future<Output = Result<(), VaultError>> + MaybeSend {
        async move { self.change_grant(grant, change).await.map(|_| ()) }
    }
}
