//! What makes two readings of one file the same: some systems generate a
//! document anew for every reading, with the time of reading in it.

/// Elements at the head of a C-CDA document that say when and as what it was
/// generated, and nothing about the patient.
const GENERATED: [&str; 5] = ["id", "effectiveTime", "time", "setId", "versionNumber"];
/// Entries of a PDF that say when it was generated.
const PDF_STAMPS: [&[u8]; 4] = [b"/CreationDate", b"/ModDate", b"/ID", b"xmp:"];
/// A stamp ends at the end of its line, and is no longer than this.
const MAX_STAMP: usize = 200;

/// The bytes without what differs from reading to reading. Only for comparing:
/// what is kept is what came.
pub(super) fn normal_form(content_type: &str, bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(b"%PDF") {
        return without_stamps(bytes);
    }
    let xml = content_type.contains("xml") || bytes.starts_with(b"<?xml");
    match std::str::from_utf8(bytes) {
        Ok(text) if xml => without_generated(text).into_bytes(),
        _ => bytes.to_vec(),
    }
}

/// A C-CDA without what its head says of its generation, and without white space
/// between elements.
fn without_generated(text: &str) -> String {
    // From the first section on everything counts.
    let body = text.find("<component").unwrap_or(text.len());
    let (head, body) = text.split_at(body);
    let mut out = String::with_capacity(text.len());
    let mut rest = head;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        push_text(before, &mut out);
        let end = tag.find('>').map_or(tag.len(), |end| end + 1);
        let (tag, after) = tag.split_at(end);
        rest = after;
        let name: &str = tag
            .trim_start_matches('<')
            .split(|c: char| c.is_whitespace() || c == '/' || c == '>')
            .next()
            .unwrap_or_default();
        if !GENERATED.contains(&name) {
            out.push_str(tag);
        } else if !tag.ends_with("/>") {
            let closing = format!("</{name}>");
            rest = rest
                .split_once(closing.as_str())
                .map_or(rest, |(_, after)| after);
        }
    }
    push_text(rest, &mut out);
    for line in body.split('>') {
        push_text(line, &mut out);
        out.push('>');
    }
    out
}

fn push_text(text: &str, out: &mut String) {
    out.push_str(text.trim());
}

/// A PDF without its stamps.
fn without_stamps(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let stamp = PDF_STAMPS.iter().find(|stamp| rest.starts_with(stamp));
        let Some(stamp) = stamp else {
            out.push(*first);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        };
        let line = rest
            .iter()
            .take(MAX_STAMP)
            .position(|b| matches!(b, b'\n' | b'\r'));
        let skip = line.unwrap_or_else(|| {
            let closes = |b: &u8| matches!(b, b')' | b']' | b'>');
            let end = rest.iter().take(MAX_STAMP).position(closes);
            end.map_or(stamp.len(), |end| end + 1)
        });
        rest = rest.get(skip.max(1)..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ccd(id: &str, at: &str, body: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<ClinicalDocument>\n <id root=\"{id}\"/>\
             <effectiveTime value=\"{at}\"/>\n <author><time value=\"{at}\"/><x/></author>\
             <setId>{id}</setId><title>Summary</title>\n <component><p>{body}</p></component>\
             </ClinicalDocument>"
        )
    }

    #[test]
    fn a_generated_document_is_the_same_at_every_reading() {
        let form = |text: &str| normal_form("application/xml", text.as_bytes());
        let first = form(&ccd("1", "20260101", "Glucose 5.1"));
        assert_eq!(first, form(&ccd("2", "20260102", "Glucose 5.1")));
        assert_ne!(first, form(&ccd("1", "20260101", "Glucose 5.2")));
        assert_ne!(
            form("<a><component><time value=\"1\"/></component></a>"),
            form("<a><component><time value=\"2\"/></component></a>"),
            "times of what the document says count"
        );
    }

    #[test]
    fn a_pdfs_stamps_do_not_count_and_all_else_does() {
        let pdf = |at: &str, text: &str| {
            let text =
                format!("%PDF-1.4\n/CreationDate (D:{at})\n/Type /Page {text}\n/ID [<{at}>]\n");
            normal_form("application/pdf", text.as_bytes())
        };
        assert_eq!(pdf("1", "x"), pdf("2", "x"));
        assert_ne!(pdf("1", "x"), pdf("1", "y"));
    }

    #[test]
    fn anything_else_is_compared_as_it_is() {
        let bytes = [0, 159, 146, 150];
        assert_eq!(normal_form("application/xml", &bytes), bytes);
        assert_eq!(normal_form("text/plain", b" a "), b" a ");
    }
}
