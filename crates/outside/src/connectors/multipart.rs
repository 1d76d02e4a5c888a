//! Forms with a file in them: `multipart/form-data` (RFC 7578), with names
//! escaped as browsers do. The boundary is made from what is sent, and is found
//! nowhere in it. This module must not know who takes the form.

use chartkey_domain::connections::OutgoingDocument;
use zeroize::Zeroizing;

/// A form, and the content type that says how to read it.
pub(crate) struct Form {
    /// `multipart/form-data; boundary=…`.
    pub(crate) content_type: String,
    /// The form. Holds the document: wiped when dropped.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// A form of these fields in this order, with the document as its last part:
/// object stores ignore whatever follows the file.
pub(crate) fn form(
    fields: &[(String, Zeroizing<String>)],
    file_field: &str,
    document: &OutgoingDocument,
) -> Form {
    let boundary = boundary(fields, &document.bytes);
    let spare = fields
        .iter()
        .map(|(name, value)| name.len() + value.len() + 200)
        .sum::<usize>();
    // Reserved in one piece, so that no half-grown copy is left behind.
    let mut body = Zeroizing::new(Vec::with_capacity(document.bytes.len() + spare + 1024));
    for (name, value) in fields {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n",
            escaped(name)
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    let head = Zeroizing::new(format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\
         Content-Type: {}\r\n\r\n",
        escaped(file_field),
        escaped(&document.file_name),
        media_type(&document.content_type),
    ));
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&document.bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Form {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        body,
    }
}

/// A media type that can stand in a header, or bytes of no known kind.
pub(crate) fn media_type(text: &str) -> &str {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.contains('/') && text.len() <= 100 && text.bytes().all(plain) {
        text
    } else {
        "application/octet-stream"
    }
}

fn escaped(text: &str) -> String {
    text.replace('\r', "%0D")
        .replace('\n', "%0A")
        .replace('"', "%22")
}

fn boundary(fields: &[(String, Zeroizing<String>)], bytes: &[u8]) -> String {
    let mut number = 0_u64;
    loop {
        let boundary = format!("chartkey-form-{number:016x}");
        let needle = boundary.as_bytes();
        let is_in = |haystack: &[u8]| haystack.windows(needle.len()).any(|part| part == needle);
        if !is_in(bytes) && !fields.iter().any(|(_, value)| is_in(value.as_bytes())) {
            return boundary;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(bytes: &[u8]) -> OutgoingDocument {
        OutgoingDocument {
            title: Zeroizing::new("A letter".into()),
            file_name: Zeroizing::new("a \"letter\"\r\n.pdf".into()),
            content_type: "application/pdf".into(),
            record_type: "letter".into(),
            date: None,
            bytes: Zeroizing::new(bytes.to_vec()),
        }
    }

    #[test]
    fn the_file_comes_last_and_no_name_breaks_out_of_its_header() {
        let fields = [("key".to_owned(), Zeroizing::new("temp/x".to_owned()))];
        let form = form(&fields, "file", &document(b"%PDF-1.7"));
        let text = String::from_utf8(form.body.to_vec()).unwrap();
        assert_eq!(
            text,
            "--chartkey-form-0000000000000000\r\n\
             Content-Disposition: form-data; name=\"key\"\r\n\r\ntemp/x\r\n\
             --chartkey-form-0000000000000000\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a %22letter%22%0D%0A.pdf\"\r\n\
             Content-Type: application/pdf\r\n\r\n%PDF-1.7\r\n\
             --chartkey-form-0000000000000000--\r\n"
        );
    }

    #[test]
    fn a_document_that_holds_the_boundary_gets_another() {
        let form = form(
            &[],
            "file",
            &document(b"..chartkey-form-0000000000000000.."),
        );
        assert!(
            form.content_type
                .ends_with("chartkey-form-0000000000000001")
        );
    }

    #[test]
    fn a_media_type_that_is_none_is_not_passed_on() {
        assert_eq!(media_type("application/pdf"), "application/pdf");
        for odd in ["", "pdf", "a/b\r\nx: y", "text/ü"] {
            assert_eq!(media_type(odd), "application/octet-stream", "{odd}");
        }
    }
}
