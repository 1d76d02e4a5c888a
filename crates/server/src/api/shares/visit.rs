//! `/api/records/shared/{token}`: links, by whoever has one. No account is
//! needed. A key that comes along is used for that request and forgotten; no
//! key stands in a path or a query.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chartkey_domain::blobs::MAX_CHUNK_LEN;
use chartkey_domain::ids::RecordId;
use chartkey_domain::shares::{ShareStatus, reader_name};
use chartkey_fhir::RecordType;
use chartkey_service::assisted::{self, Content, RecordView, SharedRecords};
use chartkey_service::shares::ShareFailure;
use chartkey_service::shares::visit::{self, Download, Proof, VisitFailure, Visitor, parse_proof};
use chartkey_service::{Failure, Origin, blobs};
use chartkey_vault::keys::LinkKey;
use chartkey_vault::link;
use chartkey_vault::protocol::{LinkOpened, SealedPage};
use chartkey_vault::transport::SealedQuery;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use crate::api::edge::From as FromOrigin;
use crate::api::json::Json;
use crate::api::patients::sealed;
use crate::api::problem::{Problem, ProblemView};
use crate::api::wire::{Query, path_id};
use crate::app::App;
use crate::paper;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(open_share, download_share))
        .routes(routes!(find_shared_blob))
        .routes(routes!(ask_share))
}

/// Why a visit does not come about, as an answer.
pub enum Turned {
    /// A problem document.
    Problem(Box<Problem>),
    /// The link has ended: 410 with its status.
    Ended(ShareStatus),
}

impl From<Problem> for Turned {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<VisitFailure> for Turned {
    fn from(failure: VisitFailure) -> Self {
        match failure {
            VisitFailure::Passcode { left } => Problem::new("share.passcode")
                .with("remainingAttempts", left)
                .into(),
            VisitFailure::Ended(status) => Self::Ended(status),
            VisitFailure::Other(failure) => Problem::from(failure).into(),
        }
    }
}

/// That a link has ended.
#[derive(Serialize, ToSchema)]
pub struct EndedView {
    /// `EXPIRED` or `REVOKED`.
    status: &'static str,
    /// The stable dotted word.
    code: &'static str,
}

impl IntoResponse for Turned {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Ended(status) => {
                let code = match status {
                    ShareStatus::Revoked => "share.revoked",
                    ShareStatus::Active | ShareStatus::Expired => "share.expired",
                };
                let view = EndedView {
                    status: status.as_str(),
                    code,
                };
                (StatusCode::GONE, Json(view)).into_response()
            }
        }
    }
}

// --- what a visitor sends ------------------------------------------------------

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    std::str::from_utf8(value.as_bytes())
        .map(Some)
        .map_err(|_| Problem::field(name, "is not text"))
}

/// Percent-encoded UTF-8; what is not encoded stays.
fn decode(text: &str) -> Zeroizing<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits = |rest: &mut std::str::Bytes<'_>| {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        };
        if byte == b'%' {
            let mut ahead = rest.clone();
            if let Some(decoded) = digits(&mut ahead) {
                rest = ahead;
                bytes.push(decoded);
                continue;
            }
        }
        bytes.push(byte);
    }
    Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a visitor shows, with their key where it came along.
fn read_visitor(
    origin: &Origin,
    token: String,
    headers: &HeaderMap,
) -> Result<(Visitor, Option<LinkKey>), Problem> {
    let wrong_key = || Problem::new("share.key");
    let view = text(headers, "x-share-view")?.map(str::to_owned);
    let mut key = None;
    let proof = if let Some(text) = text(headers, "x-share-key")? {
        let text = text.trim().trim_end_matches('=');
        let found = link::parse_key(text).map_err(|_| wrong_key())?;
        let auth = found.auth().0;
        key = Some(found);
        Proof::Key(auth)
    } else if let Some(text) = text(headers, "x-share-auth")? {
        Proof::Auth(parse_proof(text).ok_or_else(wrong_key)?)
    } else if let Some(view) = &view {
        Proof::View(view.clone())
    } else {
        Proof::None
    };
    // `utf-8''` before percent-encoded text (RFC 8187) says that it is; a bare
    // passcode stays as it is, percent signs and all.
    let passcode = text(headers, "x-share-passcode")?.map(|text| {
        let extended = text.get(..7).filter(|p| p.eq_ignore_ascii_case("utf-8''"));
        match extended.and(text.get(7..)) {
            Some(encoded) => decode(encoded),
            None => Zeroizing::new(text.to_owned()),
        }
    });
    let said = text(headers, "x-share-recipient")?.and_then(|text| {
        let bounded: String = text.chars().take(1_000).collect();
        reader_name(&decode(&bounded))
    });
    let visitor = Visitor {
        origin: origin.clone(),
        token,
        proof,
        view,
        passcode,
        said,
    };
    Ok((visitor, key))
}

/// Which page of a sealed visit is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VisitQuery {
    /// A record type. Sealed viewers only.
    #[serde(rename = "type")]
    record_type: Option<String>,
    /// `all` for bodies as well as headers. Sealed viewers only.
    fields: Option<String>,
    /// `true` for supporting resources too. Sealed viewers only.
    supporting: Option<bool>,
    /// Most items, 1 to 500; 500 where absent.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl VisitQuery {
    fn sealed(self) -> Result<SealedQuery, Problem> {
        let record_type = self
            .record_type
            .map(|word| word.parse::<RecordType>())
            .transpose()
            .map_err(|_| Problem::field("type", "not a record type"))?;
        let headers_only = match self.fields.as_deref() {
            None | Some("header") => true,
            Some("all") => false,
            Some(_) => return Err(Problem::field("fields", "`header` or `all`")),
        };
        if self.limit.is_some_and(|l| !(1..=500).contains(&l)) {
            return Err(Problem::field("limit", "from 1 to 500"));
        }
        Ok(SealedQuery {
            record_type,
            source: None,
            headers_only,
            supporting: self.supporting.unwrap_or(false),
            limit: self.limit,
            cursor: self.cursor,
        })
    }
}

// --- what is answered ------------------------------------------------------------

/// What anybody with the token may know.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareStateView {
    /// `ACTIVE`.
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    expiry_date: Timestamp,
    needs_passcode: bool,
    /// Where the link does not open yet: from when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
}

/// A link in the clear.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedView {
    /// `ACTIVE`.
    status: &'static str,
    patient: SharedPatientView,
    /// Who shares.
    sender_name: String,
    recipient_name: String,
    message: Option<String>,
    record_types: Vec<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    expiry_date: Timestamp,
    allow_download: bool,
    access_count: u64,
    /// Names this visit, for 30 minutes: a download with it in `X-Share-View`
    /// belongs to this access.
    view: String,
    /// Whether there are more records than one visit opens.
    more: bool,
    /// Type by type, newest stored first.
    #[schema(value_type = std::collections::HashMap<String, Vec<SharedRecordView>>)]
    records: BTreeMap<&'static str, Vec<SharedRecordView>>,
}

/// Whose record it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedPatientView {
    name: String,
    /// Only with demographics.
    birth_date: Option<String>,
}

/// A shared record in the clear.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedRecordView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    record_type: &'static str,
    sensitivity: Vec<&'static str>,
    title: String,
    date: Option<String>,
    status: Option<String>,
    /// A short value with its unit, for observations.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    codes: Vec<CodeView>,
    content_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    size: u64,
    source: String,
    version: u32,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// The FHIR JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    resource: Option<Box<RawValue>>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// A code with its system and display.
#[derive(Serialize, ToSchema)]
#[schema(as = SharedCode)]
pub struct CodeView {
    system: Option<String>,
    code: Option<String>,
    display: Option<String>,
}

fn record_view(record: RecordView) -> SharedRecordView {
    let fields = record.fields;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let (resource, content) = match record.content {
        Content::None => (None, None),
        Content::Resource(bytes) => {
            let raw = text(&bytes).and_then(|t| RawValue::from_string(t).ok());
            (raw, None)
        }
        Content::Text(bytes) => (None, text(&bytes)),
    };
    let codes = fields.header.codes.into_iter().map(|c| CodeView {
        system: c.system,
        code: c.code,
        display: c.display,
    });
    SharedRecordView {
        id: record.id.to_string(),
        record_type: record.record_type.as_str(),
        sensitivity: record
            .kinds
            .iter()
            .map(chartkey_fhir::Kind::as_str)
            .collect(),
        title: fields.header.title,
        date: fields.header.date,
        status: fields.header.status,
        value: fields.header.value,
        codes: codes.collect(),
        content_type: fields.content_type,
        file_name: fields.file_name,
        size: fields.size,
        source: record.source,
        version: record.version,
        updated_at: record.updated_at,
        resource,
        content,
    }
}

fn shared_view(shared: SharedRecords) -> SharedView {
    let mut records: BTreeMap<&'static str, Vec<SharedRecordView>> = shared
        .types
        .iter()
        .map(|t| (t.as_str(), Vec::new()))
        .collect();
    for record in shared.records {
        let pile = records.entry(record.record_type.as_str()).or_default();
        pile.push(record_view(record));
    }
    let cover = shared.cover;
    SharedView {
        status: ShareStatus::Active.as_str(),
        patient: SharedPatientView {
            name: cover.patient_name,
            birth_date: cover.birth_date,
        },
        sender_name: cover.sender,
        recipient_name: cover.recipient,
        message: cover.message,
        record_types: shared.types.iter().map(|t| t.as_str()).collect(),
        expiry_date: shared.expires_at,
        allow_download: shared.may_download,
        access_count: shared.access_count,
        view: shared.view,
        more: shared.more,
        records,
    }
}

// --- calls --------------------------------------------------------------------------

/// A link: whether it lives (with neither key nor proof; nothing is counted);
/// what opens it (with `X-Share-Auth`); further pages (with `X-Share-View`);
/// its records in the clear (with `X-Share-Key`).
#[utoipa::path(get, path = "/api/records/shared/{token}", tag = "shared", security(()),
    params(
        ("token" = String, Path),
        ("X-Share-Key" = Option<String>, Header, description = "K: 43 characters of base64url; the server opens for this request"),
        ("X-Share-Auth" = Option<String>, Header, description = "HKDF(K, \"link/auth\"), base64: the viewer opens"),
        ("X-Share-View" = Option<String>, Header, description = "`view` of a visit of the last 30 minutes"),
        ("X-Share-Passcode" = Option<String>, Header, description = "Where one is set; as it is, or `utf-8''` and percent-encoded"),
        ("X-Share-Recipient" = Option<String>, Header, description = "Who says they read: at most 80 characters, percent-encoded UTF-8"),
        VisitQuery,
    ),
    responses(
        (status = 200, content(
            (SharedView = "application/json"), (LinkOpened = "application/vnd.chartkey.sealed+json"))),
        (status = 410, description = "Expired, used up or revoked", body = EndedView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn open_share(
    State(app): State<App>,
    FromOrigin(origin): FromOrigin,
    Path(token): Path<String>,
    headers: HeaderMap,
    Query(query): Query<VisitQuery>,
) -> Result<Response, Turned> {
    let (visitor, key) = read_visitor(&origin, token, &headers)?;
    let service = app.service();
    match (&visitor.proof, key) {
        (Proof::None, _) => {
            let state = visit::find_share_status(service, &origin, &visitor.token).await?;
            let later = state.valid_from > service.now();
            Ok(Json(ShareStateView {
                status: state.status.as_str(),
                expiry_date: state.expires_at,
                needs_passcode: state.needs_passcode,
                valid_from: later.then_some(state.valid_from),
            })
            .into_response())
        }
        (Proof::Key(_), Some(key)) => {
            let shared = assisted::open_shared(service, &visitor, &key).await?;
            Ok(Json(shared_view(shared)).into_response())
        }
        (Proof::View(_), _) => {
            let page: SealedPage = visit::list_shared(service, &visitor, query.sealed()?).await?;
            Ok(sealed(StatusCode::OK, &page))
        }
        (Proof::Auth(_) | Proof::Key(_), _) => {
            let opened = visit::open_share(service, &visitor, query.sealed()?).await?;
            let opened: LinkOpened = opened.opened;
            Ok(sealed(StatusCode::OK, &opened))
        }
    }
}

/// What a download may be.
enum Wanted {
    Pdf,
    Fhir,
}

fn wanted(headers: &HeaderMap) -> Result<Wanted, Problem> {
    let accept = text(headers, header::ACCEPT.as_str())?.unwrap_or("*/*");
    for part in accept.split(',') {
        let kind = part.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/pdf" | "application/*" | "*/*" | "" => return Ok(Wanted::Pdf),
            "application/fhir+json" | "application/json" => return Ok(Wanted::Fhir),
            _ => {}
        }
    }
    Err(Problem::field(
        "Accept",
        "application/pdf or application/fhir+json",
    ))
}

fn attachment(content_type: &'static str, name: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    response
}

/// How often something was downloaded.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadedView {
    download_count: u64,
}

/// Takes a copy: a PDF, or a FHIR Bundle. With `X-Share-Auth` or
/// `X-Share-View` alone it only counts one that the viewer made itself.
#[utoipa::path(post, path = "/api/records/shared/{token}", tag = "shared", security(()),
    params(
        ("token" = String, Path),
        ("Accept" = Option<String>, Header, description = "`application/pdf` (default) or `application/fhir+json`"),
        ("X-Share-Key" = Option<String>, Header, description = "K"),
        ("X-Share-Auth" = Option<String>, Header, description = "HKDF(K, \"link/auth\")"),
        ("X-Share-View" = Option<String>, Header, description = "`view` of a visit: the download belongs to its access"),
        ("X-Share-Passcode" = Option<String>, Header, description = "Where one is set"),
        ("X-Share-Recipient" = Option<String>, Header, description = "Who says they read"),
    ),
    responses(
        (status = 200, content(
            (Vec<u8> = "application/pdf"), (serde_json::Value = "application/fhir+json"), (DownloadedView = "application/json"))),
        (status = 403, description = "`grant.no_download`", body = ProblemView, content_type = "application/problem+json"),
        (status = 410, description = "Expired, used up or revoked", body = EndedView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn download_share(
    State(app): State<App>,
    FromOrigin(origin): FromOrigin,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Turned> {
    let (visitor, key) = read_visitor(&origin, token, &headers)?;
    let service = app.service();
    let Some(key) = key else {
        let count = visit::count_download(service, &visitor, Download::Elsewhere).await?;
        return Ok(Json(DownloadedView {
            download_count: count,
        })
        .into_response());
    };
    match wanted(&headers)? {
        Wanted::Fhir => {
            let json = assisted::download_bundle(service, &visitor, &key).await?;
            let name = "attachment; filename=\"shared-records.json\"";
            Ok(attachment("application/fhir+json", name, json.into_vec()))
        }
        Wanted::Pdf => {
            let document = assisted::download_document(service, &visitor, &key).await?;
            let pdf = paper::shared(document).await?;
            let name = "attachment; filename=\"shared-records.pdf\"";
            Ok(attachment("application/pdf", name, pdf))
        }
    }
}

/// A large sealed body of a visited link.
#[utoipa::path(get, path = "/api/records/shared/{token}/records/{id}/blob", tag = "shared", security(()),
    params(
        ("token" = String, Path),
        ("id" = uuid::Uuid, Path, description = "The record"),
        ("X-Share-View" = String, Header, description = "`view` of a visit of the last 30 minutes"),
        ("Range" = Option<String>, Header, description = "`bytes=from-to`: at most 1 MiB comes at a time"),
    ),
    responses(
        (status = 206, description = "A part of the sealed body", content_type = "application/vnd.chartkey.sealed"),
        (status = 410, description = "Expired, used up or revoked", body = EndedView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn find_shared_blob(
    State(app): State<App>,
    FromOrigin(origin): FromOrigin,
    Path((token, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Turned> {
    let (visitor, _) = read_visitor(&origin, token, &headers)?;
    let record: RecordId = path_id(&id, "record.unknown")?;
    let found = visit::find_shared_blob(app.service(), &visitor, record).await?;
    let len = found.len;
    let range = text(&headers, header::RANGE.as_str())?;
    let (start, end) = range_of(range, len).ok_or_else(|| Problem::new("blob.range"))?;
    let bytes = blobs::read_blob(app.service(), &found, start..end)
        .await
        .map_err(|error| Problem::from(Failure::from(error)))?;
    let mut response = (StatusCode::PARTIAL_CONTENT, bytes).into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/vnd.chartkey.sealed");
    headers.insert(header::CONTENT_TYPE, kind);
    let last = end.saturating_sub(1);
    if let Ok(value) = HeaderValue::from_str(&format!("bytes {start}-{last}/{len}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// The part that is wanted, cut to what comes at a time: one range of bytes
/// (RFC 9110 §14.1.2), from its start.
fn range_of(range: Option<&str>, len: u64) -> Option<(u64, u64)> {
    let most = u64::try_from(MAX_CHUNK_LEN).unwrap_or(1 << 20);
    let (start, end) = match range {
        None => (0, len),
        Some(text) => {
            let (from, to) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
            let start: u64 = from.parse().ok()?;
            let end = match to {
                "" => len,
                to => to.parse::<u64>().ok()?.saturating_add(1).min(len),
            };
            (start, end)
        }
    };
    (start < end).then(|| (start, end.min(start.saturating_add(most))))
}

/// Asks the patient for a new link.
#[utoipa::path(post, path = "/api/records/shared/{token}/ask", tag = "shared", security(()),
    params(("token" = String, Path)),
    responses(
        (status = 202, description = "The patient is told"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn ask_share(
    State(app): State<App>,
    FromOrigin(origin): FromOrigin,
    Path(token): Path<String>,
) -> Result<StatusCode, Turned> {
    visit::ask_share(app.service(), &origin, &token).await?;
    Ok(StatusCode::ACCEPTED)
}

impl From<ShareFailure> for Turned {
    fn from(failure: ShareFailure) -> Self {
        Problem::from(failure).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_percent_decoded_and_what_is_not_encoded_stays() {
        for (sent, read) in [
            ("Dr.%20Ng", "Dr. Ng"),
            ("Zo%C3%AB", "Zoë"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%e2%80%8", "\u{fffd}%8"),
        ] {
            assert_eq!(decode(sent).as_str(), read, "{sent}");
        }
    }

    #[test]
    fn ranges_are_cut_to_what_comes_at_a_time() {
        let most = MAX_CHUNK_LEN as u64;
        assert_eq!(range_of(None, 10), Some((0, 10)));
        assert_eq!(range_of(None, most + 1), Some((0, most)));
        assert_eq!(range_of(Some("bytes=3-5"), 10), Some((3, 6)));
        assert_eq!(range_of(Some("bytes=3-"), 10), Some((3, 10)));
        assert_eq!(range_of(Some("bytes=9-99"), 10), Some((9, 10)));
        for wrong in [
            "bytes=10-",
            "bytes=5-3",
            "bytes=-3",
            "lines=1-2",
            "bytes=a-b",
        ] {
            assert_eq!(range_of(Some(wrong), 10), None, "{wrong}");
        }
        assert_eq!(range_of(None, 0), None);
    }
}
