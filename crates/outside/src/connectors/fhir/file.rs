//! Files that resources point to: `Binary` and plain URLs, on the server's own
//! origin with what lets one in, on others without it and only where configured.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chartkey_domain::connections::{ConnectorError, ConnectorResult, ErrorClass, SourceFile};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::access::{Access, Door, get};
use super::outcome;
use super::settings::{FHIR_JSON, Settings, base};
use crate::connectors::wire::Effect;
use crate::http::HttpAnswer;

/// A file's server may point elsewhere this often.
const MAX_REDIRECTS: usize = 3;
/// Longest media type that is believed.
const MAX_TYPE_LEN: usize = 127;
/// What an unknown file is.
const UNKNOWN: &str = "application/octet-stream";

/// A resource that holds a file.
#[derive(Deserialize)]
struct Binary {
    #[serde(rename = "resourceType")]
    resource_type: String,
    #[serde(default, rename = "contentType")]
    content_type: Option<String>,
    #[serde(default)]
    data: Option<Zeroizing<String>>,
}

/// Fetches the file at `url`, of which its resource says that it is of
/// `content_type`.
///
/// A server is asked for that type first; one that answers that it has no such
/// thing is asked for the resource around it.
pub(super) async fn fetch(
    access: &Access,
    door: Door<'_>,
    url: &str,
    content_type: Option<&str>,
    max_len: usize,
) -> ConnectorResult<SourceFile> {
    let settings = Settings::of(door.endpoint)?;
    let base = base(door.endpoint)?;
    let url = base
        .join(url.trim_start_matches('/'))
        .or_else(|_| base.join(url))
        .map_err(|_| ConnectorError::new(ErrorClass::Address))?;
    let own = content_type.map(essence).filter(|own| is_type(own));
    let fhir = if settings.accept.is_empty() {
        FHIR_JSON
    } else {
        &settings.accept
    };
    let first = own.as_deref().unwrap_or(fhir);
    let ask = Ask {
        access,
        door,
        settings: &settings,
        base: &base,
        max_len,
    };
    let mut answer = ask.follow(&url, first).await?;
    if first != fhir && matches!(answer.status.as_u16(), 400 | 404 | 406 | 415) {
        let again = ask.follow(&url, fhir).await?;
        // What is not there is not there; the first refusal is the better known.
        if again.status.is_success() {
            answer = again;
        }
    }
    if !answer.status.is_success() {
        return Err(outcome::refusal(access.wire(), &answer, Effect::Reads));
    }
    open(answer, own.as_deref(), max_len)
}

struct Ask<'a> {
    access: &'a Access,
    door: Door<'a>,
    settings: &'a Settings,
    base: &'a Url,
    max_len: usize,
}

impl Ask<'_> {
    /// Asks, and follows where the answer points to, as far as it may.
    async fn follow(&self, url: &Url, accept: &str) -> ConnectorResult<HttpAnswer> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.once(&url, accept).await?;
            if !answer.status.is_redirection() {
                return Ok(answer);
            }
            url = answer
                .headers
                .get(LOCATION)
                .and_then(|location| location.to_str().ok())
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| ConnectorError::new(ErrorClass::Address))?;
        }
        Err(ConnectorError::new(ErrorClass::Address))
    }

    async fn once(&self, url: &Url, accept: &str) -> ConnectorResult<HttpAnswer> {
        // A resource holds its file in base64, with something around it.
        let max_len = self.max_len.saturating_mul(4) / 3 + (64 << 10);
        if url.origin() == self.base.origin() {
            let call = |wire: &crate::connectors::wire::Wire| get(wire, url.as_str(), accept);
            return self
                .access
                .send(self.door, Effect::Reads, max_len, &call)
                .await;
        }
        if !self.settings.allows_origin(url) {
            return Err(ConnectorError::new(ErrorClass::Address));
        }
        let wire = self.access.wire();
        let request = wire
            .request(reqwest::Method::GET, url.as_str())?
            .header(ACCEPT, "*/*");
        wire.send(request, Effect::Reads, max_len).await
    }
}

/// The file in an answer: the answer itself, or what a Binary in it holds.
fn open(answer: HttpAnswer, own: Option<&str>, max_len: usize) -> ConnectorResult<SourceFile> {
    let told = answer
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(essence)
        .filter(|told| is_type(told));
    let wrapped = told.as_deref().is_none_or(|told| told.contains("json"));
    let binary = wrapped.then(|| unwrap(&answer.body)).flatten();
    let (bytes, told) = match binary {
        Some(binary) => {
            let data = binary.data.unwrap_or_default();
            let compact: Zeroizing<String> =
                Zeroizing::new(data.chars().filter(|c| !c.is_whitespace()).collect());
            let bytes = STANDARD
                .decode(compact.as_bytes())
                .map_err(|_| ConnectorError::new(ErrorClass::Broken))?;
            let told = binary.content_type.as_deref().map(essence);
            (Zeroizing::new(bytes), told.filter(|told| is_type(told)))
        }
        None => (whole(answer.body), told),
    };
    if bytes.len() > max_len {
        return Err(ConnectorError::new(ErrorClass::TooLarge));
    }
    if bytes.is_empty() {
        return Err(ConnectorError::new(ErrorClass::Broken));
    }
    let content_type = sniff(&bytes)
        .map(str::to_owned)
        .or_else(|| told.filter(|told| told != UNKNOWN))
        .or_else(|| own.map(str::to_owned))
        .unwrap_or_else(|| UNKNOWN.to_owned());
    Ok(SourceFile {
        content_type,
        bytes,
    })
}

/// The answer's bytes, without a second copy where they are ours alone.
fn whole(body: Bytes) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(body.into())
}

fn unwrap(json: &[u8]) -> Option<Binary> {
    let binary: Binary = serde_json::from_slice(json).ok()?;
    (binary.resource_type == "Binary").then_some(binary)
}

/// A media type without its parameters.
fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn is_type(essence: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    essence.len() <= MAX_TYPE_LEN
        && essence
            .split_once('/')
            .is_some_and(|(kind, sub)| token(kind) && token(sub))
}

/// What bytes say that they are, where they do.
pub(super) fn sniff(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: &[(&[u8], &str)] = &[
        (b"%PDF-", "application/pdf"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"{\\rtf", "application/rtf"),
        (b"MZ", "application/vnd.microsoft.portable-executable"),
        (b"\x7fELF", "application/x-elf"),
    ];
    let known = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, content_type)) = known {
        return Some(content_type);
    }
    if bytes.get(128..132) == Some(b"DICM") {
        return Some("application/dicom");
    }
    let start = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start();
    let head = start.get(..start.len().min(1024)).unwrap_or_default();
    let head = head.to_ascii_lowercase();
    if head.starts_with(b"<!doctype html") || head.starts_with(b"<html") {
        return Some("text/html");
    }
    let xhtml = head.windows(5).any(|window| window == b"<html");
    match head.starts_with(b"<?xml") || head.starts_with(b"<clinicaldocument") {
        true if xhtml => Some("text/html"),
        true => Some("application/xml"),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_what_they_are() {
        assert_eq!(sniff(b"%PDF-1.7\n"), Some("application/pdf"));
        assert_eq!(sniff(b" \n<!DOCTYPE HTML><html>"), Some("text/html"));
        let document = b"\xef\xbb\xbf<?xml version=\"1.0\"?><ClinicalDocument/>";
        assert_eq!(sniff(document), Some("application/xml"));
        assert_eq!(sniff(b"History and physical"), None);
        assert_eq!(sniff(b""), None);
    }

    #[test]
    fn a_media_type_is_two_words() {
        assert!(is_type(&essence("Text/Plain; charset=utf-8")));
        assert!(!is_type("text"));
        assert!(!is_type("text/plain\r\nx: y"));
    }
}
