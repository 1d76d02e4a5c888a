//! How records look to assisted clients.

use chartkey_domain::ids::PatientId;
use chartkey_service::assisted::{self, Authorship, Content};
use chartkey_service::records::HistoryItem;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A record in the clear.
#[derive(Serialize, ToSchema)]
pub struct RecordView {
    /// UUIDv7.
    #[schema(value_type = uuid::Uuid)]
    id: String,
    /// Whose.
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    /// `lab-results`, `imaging`, …
    record_type: &'static str,
    /// Kinds of sensitivity; usually empty.
    sensitivity: Vec<&'static str>,
    /// What it is, in words.
    title: String,
    /// Best clinical date, of any FHIR precision.
    date: Option<String>,
    /// The resource's status.
    status: Option<String>,
    /// Codes of what it is.
    codes: Vec<CodeView>,
    /// A short value with its unit, for observations.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// `upload`, `provider`, or a connection.
    source: String,
    /// The account that wrote this version; null where the server sealed it.
    #[schema(value_type = Option<uuid::Uuid>)]
    author: Option<String>,
    /// Whether the account that `author` names signed this version: false
    /// where that account is gone, so that nobody can tell. Absent for what
    /// the server sealed, and where only headers were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    author_verified: Option<bool>,
    /// Counted from 1; the ETag.
    version: u32,
    /// Exact size of the content in bytes.
    size: u64,
    /// Its media type.
    content_type: String,
    /// Name of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    /// When the record was first stored.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When this version was stored.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// The FHIR JSON, unless only headers were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    resource: Option<Box<RawValue>>,
    /// The text, unless only headers were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// A code with its system and display.
#[derive(Serialize, ToSchema)]
pub struct CodeView {
    /// URI of the code system.
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<String>,
}

impl From<assisted::RecordView> for RecordView {
    fn from(record: assisted::RecordView) -> Self {
        let fields = record.fields;
        let header = fields.header;
        let (resource, content) = match record.content {
            Content::None => (None, None),
            Content::Resource(bytes) => {
                let text = String::from_utf8(bytes.to_vec()).ok();
                (text.and_then(|t| RawValue::from_string(t).ok()), None)
            }
            Content::Text(bytes) => (None, String::from_utf8(bytes.to_vec()).ok()),
        };
        Self {
            id: record.id.to_string(),
            patient_id: record.patient.to_string(),
            record_type: record.record_type.as_str(),
            sensitivity: record
                .kinds
                .iter()
                .map(chartkey_fhir::Kind::as_str)
                .collect(),
            title: header.title,
            date: header.date,
            status: header.status,
            codes: header
                .codes
                .into_iter()
                .map(|c| CodeView {
                    system: c.system,
                    code: c.code,
                    display: c.display,
                })
                .collect(),
            value: header.value,
            source: record.source,
            author: record.author.map(|a| a.to_string()),
            author_verified: match record.authorship {
                None | Some(Authorship::Server) => None,
                Some(Authorship::Signed) => Some(true),
                Some(Authorship::Gone) => Some(false),
            },
            version: record.version,
            size: fields.size,
            content_type: fields.content_type,
            file_name: fields.file_name,
            created_at: record.created_at,
            updated_at: record.updated_at,
            resource,
            content,
        }
    }
}

/// A page of records.
#[derive(Serialize, ToSchema)]
pub struct PageView {
    items: Vec<RecordView>,
    /// `cursor` of the next page.
    next: Option<String>,
    /// Records of this page that are not shown: what is stored of them does not
    /// open, or was not written by whom it names. Each answers why by its id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<uuid::Uuid>)]
    closed: Vec<String>,
}

impl From<assisted::Page> for PageView {
    fn from(page: assisted::Page) -> Self {
        Self {
            items: page.items.into_iter().map(RecordView::from).collect(),
            next: page.next,
            closed: page.closed.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What an import did.
#[derive(Serialize, ToSchema)]
pub struct ImportView {
    /// Records that are new; supporting resources are not counted.
    created: u64,
    /// Records with a new version.
    updated: u64,
    /// Records that were there already, as they are.
    unchanged: u64,
    /// What was refused, one by one.
    rejected: Vec<RejectedView>,
}

/// An entry that was refused.
#[derive(Serialize, ToSchema)]
pub struct RejectedView {
    /// Which entry or line, counted from 0.
    index: usize,
    /// The stable dotted word.
    code: &'static str,
    /// Why, with the place in it.
    reason: String,
}

impl From<assisted::Report> for ImportView {
    fn from(report: assisted::Report) -> Self {
        let rejected = report
            .rejected
            .into_iter()
            .map(|r| RejectedView {
                index: r.index,
                code: r.code,
                reason: r.reason,
            })
            .collect();
        Self {
            created: report.created,
            updated: report.updated,
            unchanged: report.unchanged,
            rejected,
        }
    }
}

/// What there is in a patient's record.
#[derive(Serialize, ToSchema)]
pub struct SummaryView {
    /// Whose.
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    /// How many records in all.
    total: u64,
    /// Type by type.
    types: Vec<TypeView>,
}

/// What there is of one type.
#[derive(Serialize, ToSchema)]
pub struct TypeView {
    /// `lab-results`, `imaging`, …
    record_type: &'static str,
    /// How it is called on screens.
    label: &'static str,
    /// How many.
    count: u64,
    /// The latest stored, without its content.
    latest: Option<RecordView>,
}

impl SummaryView {
    /// The summary of a patient.
    pub fn new(patient: PatientId, summary: Vec<assisted::Summary>) -> Self {
        Self {
            patient_id: patient.to_string(),
            total: summary.iter().map(|s| s.count).sum(),
            types: summary
                .into_iter()
                .map(|s| TypeView {
                    record_type: s.record_type.as_str(),
                    label: s.record_type.label(),
                    count: s.count,
                    latest: s.latest.map(RecordView::from),
                })
                .collect(),
        }
    }
}

/// The versions of a record.
#[derive(Serialize, ToSchema)]
pub struct HistoryView {
    items: Vec<VersionView>,
    /// Always null: histories come whole.
    next: Option<String>,
}

/// One version.
#[derive(Serialize, ToSchema)]
pub struct VersionView {
    /// Counted from 1.
    version: u32,
    /// Sealed size in bytes.
    sealed_size: u64,
    /// The account that wrote it; null where the server sealed it.
    #[schema(value_type = Option<uuid::Uuid>)]
    author: Option<String>,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// SHA-256 of what was stored, in hexadecimal; the trail names it.
    sealed_hash: String,
}

impl From<Vec<HistoryItem>> for HistoryView {
    fn from(items: Vec<HistoryItem>) -> Self {
        let items = items
            .into_iter()
            .map(|v| VersionView {
                version: v.version,
                sealed_size: v.size,
                author: v.author.map(|a| a.to_string()),
                created_at: v.created_at,
                sealed_hash: hex(&v.sealed_hash),
            })
            .collect();
        Self { items, next: None }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
