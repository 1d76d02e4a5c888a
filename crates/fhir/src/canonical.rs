//! The bytes that tell "changed" from "the same again".
//!
//! Two copies of a resource are the same when they differ only in white space,
//! order of keys, escapes, or what servers change on every answer:
//! `meta.versionId`, `meta.lastUpdated`, and narrative (`text`) that says of
//! itself that it was generated. Narrative that people wrote counts, and decimals
//! count with their digits.

use crate::json::Node;

/// Canonical bytes: sorted keys, no white space, no volatile parts.
pub(crate) fn canonical(resource: &Node<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut members: Vec<_> = resource.members().iter().collect();
    members.sort_by(|one, other| one.0.cmp(&other.0));
    out.push(b'{');
    let mut first = true;
    for (key, value) in members {
        match key.as_ref() {
            "text" if is_generated(value) => {}
            "meta" => {
                let kept: Vec<_> = value
                    .members()
                    .iter()
                    .filter(|(name, _)| name != "versionId" && name != "lastUpdated")
                    .collect();
                if !kept.is_empty() {
                    begin_member(key, &mut first, &mut out);
                    write_members(kept, &mut out);
                }
            }
            _ => {
                begin_member(key, &mut first, &mut out);
                write(value, &mut out);
            }
        }
    }
    out.push(b'}');
    out
}

fn is_generated(narrative: &Node<'_>) -> bool {
    matches!(narrative.str_at("status"), Some("generated" | "empty"))
}

type Member<'n, 'a> = &'n (std::borrow::Cow<'a, str>, Node<'a>);

fn write(node: &Node<'_>, out: &mut Vec<u8>) {
    match node {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Bool(true) => out.extend_from_slice(b"true"),
        Node::Bool(false) => out.extend_from_slice(b"false"),
        Node::Number(digits) => out.extend_from_slice(digits.as_bytes()),
        Node::String(text) => write_string(text, out),
        Node::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Node::Object(members) => write_members(members.iter().collect(), out),
    }
}

fn write_members(mut members: Vec<Member<'_, '_>>, out: &mut Vec<u8>) {
    members.sort_by(|one, other| one.0.cmp(&other.0));
    out.push(b'{');
    let mut first = true;
    for (key, value) in members {
        begin_member(key, &mut first, out);
        write(value, out);
    }
    out.push(b'}');
}

fn begin_member(key: &str, first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
    write_string(key, out);
    out.push(b':');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    if text
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
    {
        out.extend_from_slice(text.as_bytes());
    } else {
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                0..0x20 => {
                    out.extend_from_slice(b"\\u00");
                    for nibble in [byte >> 4, byte & 0xf] {
                        out.extend(HEX.get(usize::from(nibble)));
                    }
                }
                _ => out.push(byte),
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::read;
    use crate::limits::Limits;

    fn of(text: &str) -> String {
        String::from_utf8(canonical(&read(text, &Limits::default()).unwrap().node)).unwrap()
    }

    #[test]
    fn order_space_escapes_and_volatile_parts_do_not_count() {
        let one = of(
            r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"1"},
            "text":{"status":"generated","div":"x"},"name":[{"family":"é"}]}"#,
        );
        let other = of(
            r#"{"name":[{"family":"\u00e9"}],"meta":{"lastUpdated":"2020","versionId":"2"},
            "id":"1","resourceType":"Patient"}"#,
        );
        assert_eq!(one, other);
        assert_eq!(
            one,
            r#"{"id":"1","name":[{"family":"é"}],"resourceType":"Patient"}"#
        );
    }

    #[test]
    fn digits_labels_and_written_narrative_count() {
        assert_ne!(of(r#"{"value":1.0}"#), of(r#"{"value":1.00}"#));
        assert_ne!(
            of(r#"{"meta":{"security":[{"code":"HIV"}]}}"#),
            of(r#"{"meta":{"versionId":"1"}}"#)
        );
        assert_ne!(
            of(r#"{"text":{"status":"additional","div":"a"}}"#),
            of(r#"{"text":{"status":"additional","div":"b"}}"#)
        );
    }

    #[test]
    fn what_is_written_is_json_with_the_same_meaning() {
        let text = "{\"a\":\"\\u0001\\\"\\\\ \\n\",\"b\":[1e5,-0.10,null,true,false,{}]}";
        let ours: serde_json::Value = serde_json::from_str(&of(text)).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(ours, theirs);
    }
}
