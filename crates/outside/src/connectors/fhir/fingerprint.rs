//! What stays the same of a document that is generated anew for every read.
//!
//! Some servers make a C-CDA each time it is asked for, with a new id and a new
//! time of its making. Taken as they are, its bytes would be a new version at
//! every sync.

use sha2::{Digest, Sha256};

/// Where a C-CDA's header ends: what comes after it is what the document says.
const HEADER_END: &[u8] = b"<component";

/// SHA-256 of what a document says, whenever it was made.
pub(super) fn fingerprint(content_type: &str, bytes: &[u8]) -> [u8; 32] {
    let xml = content_type.contains("xml") || content_type.contains("cda");
    let mut hash = Sha256::new();
    match bytes
        .windows(HEADER_END.len())
        .position(|window| window == HEADER_END)
        .filter(|_| xml && contains(bytes, b"<ClinicalDocument"))
    {
        Some(end) => {
            let (header, rest) = bytes.split_at(end);
            for piece in lasting(header) {
                hash.update(piece);
            }
            hash.update(rest);
        }
        None => hash.update(bytes),
    }
    hash.finalize().into()
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// The header without the elements that say when and as what it was made: the
/// document's `id`, `setId`, `versionNumber`, `effectiveTime`, and every `time`.
fn lasting(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    const FLEETING: [&[u8]; 5] = [b"id", b"setId", b"versionNumber", b"effectiveTime", b"time"];
    header.split(|byte| *byte == b'<').filter(|tag| {
        let name = tag
            .split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
            .next()
            .unwrap_or_default();
        !FLEETING.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str, time: &str, text: &str) -> Vec<u8> {
        format!(
            "<?xml version=\"1.0\"?><ClinicalDocument xmlns=\"urn:hl7-org:v3\"><id root=\"{id}\"/>\
             <code code=\"34133-9\"/><effectiveTime value=\"{time}\"/><author><time value=\"{time}\"/>\
             </author><component><structuredBody><text>{text}</text></structuredBody></component>\
             </ClinicalDocument>"
        )
        .into_bytes()
    }

    #[test]
    fn a_document_made_anew_is_the_same_until_it_says_something_else() {
        let one = document("1.2.3", "20261101", "penicillin");
        let again = document("4.5.6", "20261102", "penicillin");
        let other = document("4.5.6", "20261102", "penicillin, latex");
        let print = |bytes: &[u8]| fingerprint("application/xml", bytes);
        assert_eq!(print(&one), print(&again));
        assert_ne!(print(&one), print(&other));
        // Only where it is what it says.
        let plain = |bytes: &[u8]| fingerprint("text/plain", bytes);
        assert_ne!(plain(&one), plain(&again));
    }

    #[test]
    fn a_time_in_the_body_is_what_the_document_says() {
        let print = |body: &str| {
            let text = format!("<ClinicalDocument><component><effectiveTime value=\"{body}\"/>");
            fingerprint("text/xml", text.as_bytes())
        };
        assert_ne!(print("2020"), print("2021"));
    }
}
