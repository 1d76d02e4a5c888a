//! Open records as one FHIR R4 Bundle: what a link's files, downloads and
//! exports hand over. Resources go in as they are, byte for byte; texts and
//! files become DocumentReferences.

use base64::{Engine, engine::general_purpose::STANDARD};
use chartkey_crypto::SecretBytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    Id,
    error::VaultError,
    record::{BodyKind, Fields},
};

/// An open record that goes into a Bundle.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The record.
    pub record: Id,
    /// What its header says.
    pub fields: &'a Fields,
    /// Its content, as far as it is at hand: a large file's is not.
    pub content: Option<&'a [u8]>,
    /// When this version was stored.
    pub stored_at: Timestamp,
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part({})", self.record)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    resource_type: &'static str,
    r#type: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    full_url: String,
    resource: Content<'a>,
}

/// A Bundle of type `collection` written piece by piece, for records that are
/// too many to hold at a time: [`Writer::push`] each, then [`Writer::finish`].
/// Put together, the pieces are what [`collection`] makes.
#[derive(Debug)]
pub struct Writer {
    head: String,
    begun: bool,
}

impl Writer {
    /// A Bundle that is made at this time.
    pub fn new(at: Timestamp) -> Self {
        Self {
            head: format!(r#"{{"resourceType":"Bundle","type":"collection","timestamp":"{at:.3}""#),
            begun: false,
        }
    }

    /// The next piece: one record.
    ///
    /// # Errors
    /// As [`collection`].
    pub fn push(&mut self, part: &Part<'_>) -> Result<SecretBytes, VaultError> {
        self.write(part.record, content(part)?)
    }

    /// The next piece: a file that is too large to go in, and where it is.
    ///
    /// # Errors
    /// As [`collection`].
    pub fn push_reference(
        &mut self,
        part: &Part<'_>,
        url: &str,
    ) -> Result<SecretBytes, VaultError> {
        let left_out = Part {
            content: None,
            ..*part
        };
        let mut resource = document(&left_out);
        if let Some(attachment) = resource
            .pointer_mut("/content/0/attachment")
            .and_then(Value::as_object_mut)
        {
            attachment.insert("url".into(), url.into());
        }
        self.write(part.record, Content::Made(resource))
    }

    fn write(&mut self, record: Id, resource: Content<'_>) -> Result<SecretBytes, VaultError> {
        let entry = Entry {
            full_url: format!("urn:uuid:{record}"),
            resource,
        };
        let mut bytes = if self.begun {
            b",".to_vec()
        } else {
            format!(r#"{},"entry":["#, self.head).into_bytes()
        };
        self.begun = true;
        serde_json::to_writer(&mut bytes, &entry).map_err(|_| VaultError::Internal)?;
        Ok(SecretBytes::new(bytes))
    }

    /// The last piece. FHIR has no empty arrays: a Bundle without records has
    /// no `entry`.
    pub fn finish(self) -> SecretBytes {
        let end = if self.begun {
            "]}".to_owned()
        } else {
            self.head + "}"
        };
        SecretBytes::new(end.into_bytes())
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Raw(&'a RawValue),
    Made(Value),
}

/// A Bundle of type `collection` (FHIR R4 Bundle), as JSON.
///
/// # Errors
/// [`VaultError::Open`] for a resource that is no JSON, which no version
/// written here is.
pub fn collection(parts: &[Part<'_>], at: Timestamp) -> Result<SecretBytes, VaultError> {
    let entry = parts
        .iter()
        .map(|part| {
            Ok(Entry {
                full_url: format!("urn:uuid:{}", part.record),
                resource: content(part)?,
            })
        })
        .collect::<Result<_, VaultError>>()?;
    let bundle = Bundle {
        resource_type: "Bundle",
        r#type: "collection",
        timestamp: format!("{at:.3}"),
        entry,
    };
    serde_json::to_vec(&bundle)
        .map(SecretBytes::new)
        .map_err(|_| VaultError::Internal)
}

fn content<'a>(part: &Part<'a>) -> Result<Content<'a>, VaultError> {
    match (part.fields.body, part.content) {
        (BodyKind::Resource, Some(bytes)) => {
            let raw = serde_json::from_slice(bytes).map_err(|_| VaultError::Open)?;
            Ok(Content::Raw(raw))
        }
        _ => Ok(Content::Made(document(part))),
    }
}

/// A text or a file as a DocumentReference; without `data` where the content
/// is too large to be at hand.
fn document(part: &Part<'_>) -> Value {
    let header = &part.fields.header;
    let mut attachment = json!({
        "contentType": part.fields.content_type,
        "title": header.title,
        "size": part.fields.size,
    });
    if let (Some(bytes), Some(map)) = (part.content, attachment.as_object_mut()) {
        map.insert("data".into(), STANDARD.encode(bytes).into());
    }
    let mut resource = json!({
        "resourceType": "DocumentReference",
        "id": part.record.to_string(),
        "status": "current",
        "date": format!("{:.3}", part.stored_at),
        "description": header.title,
        "content": [{ "attachment": attachment }],
    });
    if let (Some(date), Some(map)) = (&header.date, resource.as_object_mut()) {
        map.insert("context".into(), json!({ "period": { "start": date } }));
    }
    resource
}

#[cfg(test)]
mod tests {
    use chartkey_fhir::header_for_text;

    use super::*;

    fn fields(body: BodyKind) -> Fields {
        Fields {
            body,
            content_type: "text/plain".into(),
            size: 3,
            file_name: None,
            header: header_for_text(Some("Note"), "abc", Some("2024-05")),
            author_name: None,
        }
    }

    #[test]
    fn resources_stay_as_they_are_and_texts_become_documents() {
        let resource = br#"{"resourceType":"Observation","valueQuantity":{"value":1.50}}"#;
        let (observation, note) = (fields(BodyKind::Resource), fields(BodyKind::Text));
        let part = |fields, content| Part {
            record: Id::NIL,
            fields,
            content,
            stored_at: Timestamp::UNIX_EPOCH,
        };
        let parts = [
            part(&observation, Some(&resource[..])),
            part(&note, Some(&b"abc"[..])),
            part(&note, None),
        ];
        let json = collection(&parts, Timestamp::UNIX_EPOCH).unwrap();
        let text = std::str::from_utf8(&json).unwrap();
        // Decimals keep their digits.
        assert!(text.contains(r#""value":1.50"#), "{text}");
        let value: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["type"], "collection");
        assert_eq!(value["timestamp"], "1970-01-01T00:00:00.000Z");
        let attachment = &value["entry"][1]["resource"]["content"][0]["attachment"];
        assert_eq!(attachment["data"], "YWJj");
        assert_eq!(attachment["title"], "Note");
        let later = &value["entry"][2]["resource"];
        assert!(later["content"][0]["attachment"]["data"].is_null());
        assert_eq!(later["context"]["period"]["start"], "2024-05");
    }

    #[test]
    fn pieces_are_the_whole() {
        let resource = br#"{"resourceType":"Observation","valueQuantity":{"value":1.50}}"#;
        let (observation, file) = (fields(BodyKind::Resource), fields(BodyKind::File));
        let part = |fields, content| Part {
            record: Id::NIL,
            fields,
            content,
            stored_at: Timestamp::UNIX_EPOCH,
        };
        let parts = [
            part(&observation, Some(&resource[..])),
            part(&file, Some(&b"abc"[..])),
            part(&file, None),
        ];
        for count in 0..=parts.len() {
            let mut writer = Writer::new(Timestamp::UNIX_EPOCH);
            let mut text = Vec::new();
            for part in &parts[..count] {
                text.extend_from_slice(&writer.push(part).unwrap());
            }
            text.extend_from_slice(&writer.finish());
            let whole = collection(&parts[..count], Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(text, whole.to_vec());
        }
        let mut writer = Writer::new(Timestamp::UNIX_EPOCH);
        let mut text = writer
            .push_reference(&parts[1], "https://chart.example/f")
            .unwrap()
            .to_vec();
        text.extend_from_slice(&writer.finish());
        let value: Value = serde_json::from_slice(&text).unwrap();
        let attachment = &value["entry"][0]["resource"]["content"][0]["attachment"];
        assert_eq!(attachment["url"], "https://chart.example/f");
        assert!(attachment["data"].is_null());
    }

    #[test]
    fn a_resource_that_is_no_json_is_refused() {
        let fields = fields(BodyKind::Resource);
        let part = Part {
            record: Id::NIL,
            fields: &fields,
            content: Some(b"{"),
            stored_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(
            collection(&[part], Timestamp::UNIX_EPOCH).err(),
            Some(VaultError::Open)
        );
    }
}
