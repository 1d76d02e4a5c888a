//! Shapes of what crosses the door, whoever stands at it.

use chartkey_crypto::SecretBytes;
use chartkey_fhir::{Coding, Kinds, RecordType};
use chartkey_vault::{Id, grant::Cover, reading::Listed, record::BodyKind};
use jiff::Timestamp;
use serde::Serialize;

/// A record as lists show it.
#[derive(Serialize)]
pub struct HeaderView<'a> {
    id: Id,
    patient: Id,
    version: u32,
    record_type: RecordType,
    kinds: Kinds,
    supporting: bool,
    title: &'a str,
    date: Option<&'a str>,
    status: Option<&'a str>,
    value: Option<&'a str>,
    codes: &'a [Coding],
    resource_type: Option<&'a str>,
    body: BodyKind,
    content_type: &'a str,
    file_name: Option<&'a str>,
    size: u64,
    source: &'a str,
    author: Option<Id>,
    author_name: Option<&'a str>,
    /// What is not signed was sealed by the server.
    signed: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> From<&'a Listed> for HeaderView<'a> {
    fn from(listed: &'a Listed) -> Self {
        let (sealed, header) = (&listed.sealed, &listed.open.header);
        let (fields, shown) = (&header.fields, &header.fields.header);
        Self {
            id: sealed.id,
            patient: sealed.patient,
            version: sealed.version,
            record_type: sealed.compartment.record_type,
            kinds: sealed.compartment.kinds,
            supporting: sealed.supporting,
            title: &shown.title,
            date: shown.date.as_deref(),
            status: shown.status.as_deref(),
            value: shown.value.as_deref(),
            codes: &shown.codes,
            resource_type: shown.resource_type.as_deref(),
            body: fields.body,
            content_type: &fields.content_type,
            file_name: fields.file_name.as_deref(),
            size: fields.size,
            source: &sealed.source,
            author: sealed.author,
            author_name: fields.author_name.as_deref(),
            signed: header.is_signed(),
            created_at: sealed.created_at,
            updated_at: sealed.updated_at,
        }
    }
}

/// A record with its content where that is text.
#[derive(Serialize)]
pub struct RecordView<'a> {
    /// What lists show.
    pub header: HeaderView<'a>,
    /// FHIR JSON or text; null for files.
    pub text: Option<&'a str>,
    /// Whether the author's signature was checked; what the server sealed has
    /// none.
    pub verified: bool,
}

impl<'a> RecordView<'a> {
    /// Of a record and its content.
    pub fn new(listed: &'a Listed, content: Option<&'a SecretBytes>, verified: bool) -> Self {
        let text = match listed.open.header.fields.body {
            BodyKind::Resource | BodyKind::Text => {
                content.and_then(|c| std::str::from_utf8(c).ok())
            }
            BodyKind::File => None,
        };
        Self {
            header: listed.into(),
            text,
            verified,
        }
    }
}

/// A link as opened.
#[derive(Serialize)]
pub struct VisitView<'a> {
    /// The link's grant, by which patient and log name it.
    pub share: Id,
    /// Names and words.
    #[serde(flatten)]
    pub cover: &'a Cover,
    /// Types it covers.
    pub types: &'a [RecordType],
    /// Kinds it covers.
    pub kinds: Kinds,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it may be taken along.
    pub may_download: bool,
    /// Records, supporting ones left out.
    pub headers: Vec<HeaderView<'a>>,
    /// Offered and opened by none of the keys.
    pub unopened: &'a [Id],
}
