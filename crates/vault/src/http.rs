//! The sealed protocol over HTTP: paths, verbs and media types, over whatever
//! can carry a request. The browser fetches, the command line and tests bring
//! a client of their own.

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Id,
    error::VaultError,
    protocol::{
        AccountKeys, GrantChange, KnownTags, KnownTagsRequest, PatientKeys, SealedAdoption,
        SealedEpochs, SealedGeneration, SealedGrant, SealedMove, SealedPage, SealedRekey,
        SealedWrite, Unadopted, WriteOutcome,
    },
    statement::PatientSays,
    transport::{MaybeSend, MaybeSync, SealedQuery, Transport},
};

/// Media type of the sealed protocol.
pub const SEALED: &str = "application/vnd.chartkey.sealed+json";

/// A request to carry.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Path and query, from `/api`.
    pub path: String,
    /// `accept`, `content-type` and whatever the call needs besides; the
    /// access token is the carrier's.
    pub headers: Vec<(&'static str, String)>,
    /// Body, where there is one.
    pub body: Option<Vec<u8>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// Something that carries requests, with the caller's access token where there
/// is one.
pub trait Fetch: MaybeSync {
    /// Carries one request. Errors: [`VaultError::Unavailable`].
    fn fetch(&self, call: Call) -> impl Future<Output = Result<Answer, VaultError>> + MaybeSend;
}

/// The sealed protocol over a [`Fetch`].
#[derive(Debug)]
pub struct Http<F>(pub F);

#[derive(Serialize)]
struct Changed<'a> {
    change: &'a GrantChange,
}

#[derive(serde::Deserialize, Default)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
}

/// Media type of what is not sealed.
const JSON: &str = "application/json";

impl<F: Fetch> Http<F> {
    /// Sends a sealed message and reads the answer.
    pub async fn send<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: String,
        body: Option<&B>,
    ) -> Result<T, VaultError> {
        read(&self.carry(method, path, SEALED, &[], body).await?)
    }

    /// Sends plain JSON and reads the answer.
    pub(crate) async fn send_json<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: &B,
    ) -> Result<T, VaultError> {
        read(
            &self
                .carry(method, path.to_owned(), JSON, &[], Some(body))
                .await?,
        )
    }

    /// Carries one message of a media type.
    pub(crate) async fn carry<B: Serialize + Sync>(
        &self,
        method: &'static str,
        path: String,
        media_type: &str,
        headers: &[(&'static str, String)],
        body: Option<&B>,
    ) -> Result<Answer, VaultError> {
        let mut all = vec![("accept", SEALED.to_owned())];
        all.extend_from_slice(headers);
        let body = match body {
            Some(body) => {
                all.push(("content-type", media_type.to_owned()));
                Some(serde_json::to_vec(body).map_err(|_| VaultError::Internal)?)
            }
            None => None,
        };
        let call = Call {
            method,
            path,
            headers: all,
            body,
        };
        self.0.fetch(call).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, VaultError> {
        self.send::<(), T>("GET", path, None).await
    }

    pub(crate) async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: String,
        body: &B,
    ) -> Result<T, VaultError> {
        self.send("POST", path, Some(body)).await
    }
}

/// An answer as what it should be, or as the problem that it is.
pub fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, VaultError> {
    if (200..300).contains(&answer.status) {
        return serde_json::from_slice(&answer.body)
            .map_err(|_| VaultError::Statement("an answer of another form"));
    }
    Err(refusal(answer))
}

/// Whether an answer says that it is done; what it says besides is not read.
pub fn done(answer: &Answer) -> Result<(), VaultError> {
    if (200..300).contains(&answer.status) {
        Ok(())
    } else {
        Err(refusal(answer))
    }
}

fn refusal(answer: &Answer) -> VaultError {
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == 409 || problem.code == "record.version_mismatch" {
        return VaultError::Conflict(problem.code);
    }
    VaultError::Refused {
        status: answer.status,
        code: problem.code,
        detail: problem.detail.unwrap_or(problem.title),
    }
}

/// The path of a list of sealed records.
pub fn list_path(patient: Id, query: &SealedQuery) -> String {
    use std::fmt::Write as _;
    let mut path = format!("/api/records?patient_id={patient}");
    // Writing into a `String` cannot fail; the values need no escaping but
    // the cursor and source, which are words of ours.
    if let Some(record_type) = query.record_type {
        let _ = write!(path, "&type={record_type}");
    }
    if let Some(source) = &query.source {
        let _ = write!(path, "&source={}", escape(source));
    }
    if query.headers_only {
        path.push_str("&fields=header");
    }
    if query.supporting {
        path.push_str("&supporting=true");
    }
    if let Some(limit) = query.limit {
        let _ = write!(path, "&limit={limit}");
    }
    if let Some(cursor) = &query.cursor {
        let _ = write!(path, "&cursor={}", escape(cursor));
    }
    path
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
pub fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
}

impl<F: Fetch + MaybeSend> Transport for Http<F> {
    async fn patient_keys(&self, patient: Id) -> Result<PatientKeys, VaultError> {
        self.get(format!("/api/patients/{patient}/keys")).await
    }

    async fn account_keys(&self, account: Id) -> Result<AccountKeys, VaultError> {
        self.get(format!("/api/keys/{account}")).await
    }

    async fn known(&self, request: KnownTagsRequest) -> Result<KnownTags, VaultError> {
        self.post("/api/records/known".into(), &request).await
    }

    async fn write(&self, write: SealedWrite) -> Result<WriteOutcome, VaultError> {
        self.post("/api/records".into(), &write).await
    }

    async fn list(&self, patient: Id, query: &SealedQuery) -> Result<SealedPage, VaultError> {
        self.get(list_path(patient, query)).await
    }

    async fn find(&self, record: Id) -> Result<SealedPage, VaultError> {
        self.get(format!("/api/records/{record}")).await
    }

    async fn find_version(&self, record: Id, version: u32) -> Result<SealedPage, VaultError> {
        self.get(format!("/api/records/{record}?version={version}"))
            .await
    }

    async fn find_blob(&self, blob: Id) -> Result<Vec<u8>, VaultError> {
        let path = format!("/api/blobs/{blob}");
        let answer = self.carry::<()>("GET", path, SEALED, &[], None).await?;
        done(&answer)?;
        Ok(answer.body)
    }

    async fn put_blob(
        &self,
        patient: Id,
        blob: Id,
        offset: u64,
        part: Vec<u8>,
        finish: Option<u64>,
    ) -> Result<(), VaultError> {
        let finish = finish.map_or_else(String::new, |len| format!("&finish={len}"));
        let call = Call {
            method: "PUT",
            path: format!("/api/blobs/{blob}?patient_id={patient}&offset={offset}{finish}"),
            headers: vec![
                ("accept", JSON.to_owned()),
                ("content-type", "application/octet-stream".to_owned()),
            ],
            body: Some(part),
        };
        done(&self.0.fetch(call).await?)
    }

    async fn move_record(&self, sealed: SealedMove) -> Result<WriteOutcome, VaultError> {
        self.post(format!("/api/records/{}/move", sealed.record), &sealed)
            .await
    }

    async fn rekey(&self, sealed: SealedRekey) -> Result<(), VaultError> {
        let path = "/api/auth/rekey".into();
        done(&self.carry("POST", path, SEALED, &[], Some(&sealed)).await?)
    }

    async fn unadopted(&self, patient: Id) -> Result<Unadopted, VaultError> {
        self.get(format!("/api/patients/{patient}/adopt")).await
    }

    async fn adopt(&self, adoption: SealedAdoption) -> Result<WriteOutcome, VaultError> {
        self.post(
            format!("/api/patients/{}/adopt", adoption.patient),
            &adoption,
        )
        .await
    }

    async fn begin_epochs(&self, epochs: SealedEpochs) -> Result<WriteOutcome, VaultError> {
        self.post(format!("/api/patients/{}/epochs", epochs.patient), &epochs)
            .await
    }

    async fn begin_generation(
        &self,
        generation: SealedGeneration,
    ) -> Result<WriteOutcome, VaultError> {
        self.post(
            format!("/api/patients/{}/generations", generation.patient),
            &generation,
        )
        .await
    }

    async fn grant(&self, grant: SealedGrant) -> Result<WriteOutcome, VaultError> {
        self.post("/api/sharing/grant".into(), &grant).await
    }

    async fn change_grant(
        &self,
        grant: Id,
        change: GrantChange,
    ) -> Result<WriteOutcome, VaultError> {
        let path = format!("/api/sharing/{grant}/revoke");
        self.send("PUT", path, Some(&change)).await
    }

    async fn change_link(&self, grant: Id, change: GrantChange) -> Result<(), VaultError> {
        let path = format!("/api/records/share/{grant}");
        let answer = match change.statement.patient_statement()?.says {
            PatientSays::End { .. } => self.carry("DELETE", path, SEALED, &[], Some(&change)).await,
            _ => {
                let body = Changed { change: &change };
                self.carry("PATCH", path, SEALED, &[], Some(&body)).await
            }
        };
        done(&answer?)
    }
}
