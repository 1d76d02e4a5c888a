//! Files that a resource points to: which of them is wanted, and the resource
//! with its bytes in place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chartkey_crypto::{SecretBytes, encode};
use chartkey_domain::connections::SourceFile;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::normalise::normal_form;

/// Largest file that is put into its resource, in bytes: sealed it still fits
/// into a message. A larger one becomes a record of its own.
pub(super) const INLINE: usize = 2 << 20;
/// Largest file that is fetched at all.
pub(super) const MAX_FILE: usize = 32 << 20;
/// Renditions of one document that are looked at.
const MAX_RENDITIONS: usize = 16;

/// Where a resource keeps its attachments.
fn places(resource_type: &str) -> Option<(&'static str, bool)> {
    match resource_type {
        "DocumentReference" => Some(("content", true)),
        "DiagnosticReport" => Some(("presentedForm", false)),
        _ => None,
    }
}

/// A resource whose attachment is elsewhere.
pub(super) struct Pointing {
    resource: Value,
    index: usize,
    nested: bool,
    member: &'static str,
    /// Where it is.
    pub url: String,
    /// What it is said to be.
    pub content_type: Option<String>,
}

fn attachment(item: &Value, nested: bool) -> Option<&Value> {
    if nested {
        item.get("attachment")
    } else {
        Some(item)
    }
}

/// How gladly a rendition is taken.
fn rank(content_type: &str) -> u8 {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    match kind {
        "application/pdf" => 0,
        "text/html" | "application/xhtml+xml" => 1,
        "text/rtf" | "application/rtf" => 2,
        kind if kind.starts_with("image/") => 3,
        "text/plain" => 4,
        kind if kind.contains("xml") => 5,
        _ => 6,
    }
}

impl Pointing {
    /// Of the resource's attachments the one to fetch: none where one of them is
    /// there already, or none is elsewhere.
    pub fn find(resource_type: &str, bytes: &[u8]) -> Option<Self> {
        let (member, nested) = places(resource_type)?;
        let resource: Value = serde_json::from_slice(bytes).ok()?;
        let items = resource.get(member)?.as_array()?;
        let mut best: Option<(u8, usize, String, Option<String>)> = None;
        for (index, item) in items.iter().enumerate().take(MAX_RENDITIONS) {
            let Some(found) = attachment(item, nested) else {
                continue;
            };
            if found.get("data").is_some() {
                return None;
            }
            let Some(url) = found.get("url").and_then(Value::as_str) else {
                continue;
            };
            let content_type = found.get("contentType").and_then(Value::as_str);
            let rank = rank(content_type.unwrap_or_default());
            if best.as_ref().is_none_or(|(known, ..)| rank < *known) {
                best = Some((rank, index, url.to_owned(), content_type.map(str::to_owned)));
            }
        }
        let (_, index, url, content_type) = best?;
        Some(Self {
            resource,
            index,
            nested,
            member,
            url,
            content_type,
        })
    }

    fn target(&mut self) -> Option<&mut serde_json::Map<String, Value>> {
        let item = self
            .resource
            .get_mut(self.member)?
            .as_array_mut()?
            .get_mut(self.index)?;
        let found = if self.nested {
            item.get_mut("attachment")?
        } else {
            item
        };
        found.as_object_mut()
    }

    /// What tells this content from another: the resource without what changes
    /// from reading to reading, and the file.
    pub fn canonical(&self, file: Option<&SourceFile>) -> Vec<u8> {
        let mut stable = self.resource.clone();
        if let Some(members) = stable.as_object_mut() {
            members.remove("meta");
            members.remove("text");
        }
        let items = stable.get_mut(self.member).and_then(Value::as_array_mut);
        for item in items.into_iter().flatten() {
            let found = if self.nested {
                item.get_mut("attachment")
            } else {
                Some(item)
            };
            if let Some(members) = found.and_then(Value::as_object_mut) {
                for volatile in ["creation", "size", "hash", "url"] {
                    members.remove(volatile);
                }
            }
        }
        let digest = file.map(|file| {
            let form = SecretBytes::new(normal_form(&file.content_type, &file.bytes));
            <[u8; 32]>::from(Sha256::digest(form.as_bytes()))
        });
        let digest = digest.unwrap_or_default();
        encode::lp(&[stable.to_string().as_bytes(), &digest])
    }

    /// The resource with the file's bytes in place.
    pub fn inlined(mut self, file: &SourceFile) -> Option<SecretBytes> {
        let data = STANDARD.encode(&*file.bytes);
        let content_type = file.content_type.clone();
        let size = file.bytes.len();
        let members = self.target()?;
        members.insert("data".to_owned(), Value::String(data));
        members.insert("contentType".to_owned(), Value::String(content_type));
        members.insert("size".to_owned(), size.into());
        let bytes = serde_json::to_vec(&self.resource).ok()?;
        self.wipe();
        Some(SecretBytes::new(bytes))
    }

    fn wipe(&mut self) {
        use zeroize::Zeroize as _;
        if let Some(Value::String(data)) = self.target().and_then(|m| m.get_mut("data")) {
            data.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;

    fn document(content: &Value) -> Vec<u8> {
        json!({"resourceType": "DocumentReference", "id": "d", "content": content})
            .to_string()
            .into_bytes()
    }

    fn file(bytes: &[u8]) -> SourceFile {
        SourceFile {
            content_type: "application/pdf".to_owned(),
            bytes: Zeroizing::new(bytes.to_vec()),
        }
    }

    #[test]
    fn of_several_renditions_the_pdf_is_fetched() {
        let bytes = document(&json!([
            {"attachment": {"contentType": "text/xml", "url": "Binary/1"}},
            {"attachment": {"contentType": "application/pdf", "url": "Binary/2"}},
            {"attachment": {"contentType": "text/html", "url": "Binary/3"}},
        ]));
        let found = Pointing::find("DocumentReference", &bytes).unwrap();
        assert_eq!(found.url, "Binary/2");
        let inlined = found.inlined(&file(b"%PDF")).unwrap();
        let resource: Value = serde_json::from_slice(inlined.as_bytes()).unwrap();
        assert_eq!(resource["content"][1]["attachment"]["data"], "JVBERg==");
        assert_eq!(resource["content"][0]["attachment"]["url"], "Binary/1");
    }

    #[test]
    fn what_is_there_already_is_not_fetched() {
        let inline = document(&json!([{"attachment": {"data": "AA=="}}]));
        assert!(Pointing::find("DocumentReference", &inline).is_none());
        assert!(Pointing::find("Observation", &inline).is_none());
        assert!(Pointing::find("DocumentReference", b"{").is_none());
    }

    #[test]
    fn what_changes_at_every_reading_does_not_count() {
        let at = |url: &str, creation: &str, title: &str| {
            let bytes = document(&json!([
                {"attachment": {"url": url, "creation": creation, "title": title}}
            ]));
            Pointing::find("DocumentReference", &bytes).unwrap()
        };
        let one = at("Binary/1?token=1", "2026-01-01", "a").canonical(Some(&file(b"x")));
        let again = at("Binary/1?token=2", "2026-01-02", "a").canonical(Some(&file(b"x")));
        assert_eq!(one, again);
        let titled = at("Binary/1", "2026-01-01", "b").canonical(Some(&file(b"x")));
        assert_ne!(one, titled);
        let other = at("Binary/1", "2026-01-01", "a").canonical(Some(&file(b"y")));
        assert_ne!(one, other);
    }
}
