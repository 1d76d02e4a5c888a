//! Reading one value into a tree.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Node;
use super::scan::At;
use crate::error::Fault;
use crate::limits::Limits;

/// A value that was read, with the keys that occur twice.
#[derive(Debug)]
pub(crate) struct Read<'a> {
    pub(crate) node: Node<'a>,
    /// Offsets of second occurrences, at most [`DUPLICATES_LISTED`].
    pub(crate) duplicates: Vec<Duplicate>,
}

/// A key that occurs twice in one object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Duplicate {
    /// Bytes from the start of the text read.
    pub(crate) offset: usize,
    /// How many objects and arrays enclose the object it is in.
    pub(crate) depth: usize,
    /// Whether the key says what the thing is (`resourceType`, `id`).
    pub(crate) deciding: bool,
}

const DUPLICATES_LISTED: usize = 32;

/// Objects with more keys than this look for duplicates by hashing.
const FEW_KEYS: usize = 24;

/// Reads the whole text as one value.
pub(crate) fn read<'a>(text: &'a str, limits: &Limits) -> Result<Read<'a>, At> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        pos: 0,
        max_depth: limits.depth(),
        max_string: limits.max_string_bytes,
        values_left: limits.max_values,
        duplicates: Vec::new(),
    };
    reader.space();
    let node = reader.value(0)?;
    reader.space();
    if reader.pos < text.len() {
        return Err((Fault::Trailing, reader.pos));
    }
    Ok(Read {
        node,
        duplicates: reader.duplicates,
    })
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    max_depth: usize,
    max_string: usize,
    values_left: usize,
    duplicates: Vec<Duplicate>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.pos += 1;
        }
    }

    fn unexpected<T>(&self) -> Result<T, At> {
        let fault = if self.peek().is_none() {
            Fault::Truncated
        } else {
            Fault::Syntax
        };
        Err((fault, self.pos))
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, At> {
        let Some(left) = self.values_left.checked_sub(1) else {
            return Err((Fault::TooManyValues, self.pos));
        };
        self.values_left = left;
        match self.peek() {
            Some(b'"') => self.string().map(Node::String),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Node::Bool(true)),
            Some(b'f') => self.word("false", Node::Bool(false)),
            Some(b'n') => self.word("null", Node::Null),
            _ => self.unexpected(),
        }
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Result<Node<'a>, At> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.pos += word.len();
            Ok(node)
        } else if word.as_bytes().starts_with(rest) {
            Err((Fault::Truncated, self.bytes.len()))
        } else {
            Err((Fault::Syntax, self.pos))
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node<'a>, At> {
        self.deeper(depth)?;
        let mut items = Vec::new();
        loop {
            self.space();
            if items.is_empty() && self.peek() == Some(b']') {
                self.pos += 1;
                return Ok(Node::Array(items));
            }
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.pos += 1,
                Some(b']') => {
                    self.pos += 1;
                    return Ok(Node::Array(items));
                }
                _ => return self.unexpected(),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node<'a>, At> {
        self.deeper(depth)?;
        let mut members: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        let mut many: HashSet<Cow<'a, str>> = HashSet::new();
        loop {
            self.space();
            if members.is_empty() && self.peek() == Some(b'}') {
                self.pos += 1;
                return Ok(Node::Object(members));
            }
            if self.peek() != Some(b'"') {
                return self.unexpected();
            }
            let offset = self.pos;
            let key = self.string()?;
            if occurs(&key, &members, &mut many) && self.duplicates.len() < DUPLICATES_LISTED {
                let deciding = matches!(key.as_ref(), "resourceType" | "id");
                self.duplicates.push(Duplicate {
                    offset,
                    depth,
                    deciding,
                });
            }
            self.space();
            if self.peek() != Some(b':') {
                return self.unexpected();
            }
            self.pos += 1;
            self.space();
            let value = self.value(depth + 1)?;
            members.push((key, value));
            self.space();
            match self.peek() {
                Some(b',') => self.pos += 1,
                Some(b'}') => {
                    self.pos += 1;
                    return Ok(Node::Object(members));
                }
                _ => return self.unexpected(),
            }
        }
    }

    /// Steps over the opening bracket.
    fn deeper(&mut self, depth: usize) -> Result<(), At> {
        if depth >= self.max_depth {
            return Err((Fault::TooDeep, self.pos));
        }
        self.pos += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<Cow<'a, str>, At> {
        self.pos += 1;
        let start = self.pos;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.pos += 2;
                }
                Some(0..=0x1f) => return Err((Fault::Syntax, self.pos)),
                Some(_) => self.pos += 1,
                None => return Err((Fault::Truncated, self.bytes.len())),
            }
        }
        let end = self.pos;
        self.pos += 1;
        if end.saturating_sub(start) > self.max_string {
            return Err((Fault::StringTooLong, start));
        }
        let raw = self.text.get(start..end).ok_or((Fault::Syntax, start))?;
        if escaped {
            unescape(raw).ok_or((Fault::Syntax, start))
        } else {
            Ok(Cow::Borrowed(raw))
        }
    }

    fn number(&mut self) -> Result<Node<'a>, At> {
        let start = self.pos;
        if self.peek() == Some(b'-') {
            self.pos += 1;
        }
        let whole = self.digits();
        let zero = self.bytes.get(self.pos.wrapping_sub(whole)) == Some(&b'0');
        if whole == 0 || (zero && whole > 1) {
            return self.unexpected();
        }
        if self.peek() == Some(b'.') {
            self.pos += 1;
            if self.digits() == 0 {
                return self.unexpected();
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.pos += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.pos += 1;
            }
            if self.digits() == 0 {
                return self.unexpected();
            }
        }
        let raw = self
            .text
            .get(start..self.pos)
            .ok_or((Fault::Syntax, start))?;
        Ok(Node::Number(raw))
    }

    fn digits(&mut self) -> usize {
        let start = self.pos;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.pos += 1;
        }
        self.pos - start
    }
}

#[expect(
    clippy::ptr_arg,
    reason = "a borrowed Cow is cloned without copying its text"
)]
fn occurs<'a>(
    key: &Cow<'a, str>,
    members: &[(Cow<'a, str>, Node<'a>)],
    many: &mut HashSet<Cow<'a, str>>,
) -> bool {
    if members.len() < FEW_KEYS {
        return members.iter().any(|(name, _)| name == key);
    }
    if many.is_empty() {
        many.extend(members.iter().map(|(name, _)| name.clone()));
    }
    !many.insert(key.clone())
}

/// What a string between quotes means; none where an escape is malformed.
/// Surrogates that stand alone become U+FFFD.
pub(super) fn unescape(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        let meant = match chars.next()? {
            '"' => '"',
            '\\' => '\\',
            '/' => '/',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (meant, after) = unicode(chars.as_str())?;
                out.push(meant);
                rest = after;
                continue;
            }
            _ => return None,
        };
        out.push(meant);
        rest = chars.as_str();
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

fn unicode(text: &str) -> Option<(char, &str)> {
    let (unit, rest) = hex4(text)?;
    if !(0xd800..0xe000).contains(&unit) {
        return Some((char::from_u32(unit)?, rest));
    }
    if let Some((low, after)) = rest.strip_prefix("\\u").and_then(hex4)
        && unit < 0xdc00
        && (0xdc00..0xe000).contains(&low)
    {
        let scalar = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return Some((char::from_u32(scalar)?, after));
    }
    Some((char::REPLACEMENT_CHARACTER, rest))
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn read_default(text: &str) -> Result<Read<'_>, At> {
        read(text, &Limits::default())
    }

    #[test]
    fn agrees_with_serde_json_on_what_is_json() {
        let cases = [
            "{}",
            "[]",
            "0",
            "-0",
            "01",
            "1.",
            "1.50",
            "1e5",
            "1e",
            "-",
            "\"a\"",
            "\"a",
            "\"\\u00e9\"",
            "\"\\ud83d\\ude00\"",
            "\"\\x\"",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "tru",
            "true",
            "null",
            "nul",
            "{\"a\":[{\"b\":null}]}",
            "[1 2]",
            "\"\u{1}\"",
            " [ 1 , 2 ] ",
            "[]]",
            "{,}",
            "[,]",
            "\"\\\"",
            "\"\\u12\"",
            "{1:2}",
            "",
        ];
        for case in cases {
            let ours = read_default(case).is_ok();
            let theirs = serde_json::from_str::<serde_json::Value>(case).is_ok();
            assert_eq!(ours, theirs, "{case}");
        }
    }

    #[test]
    fn decimals_keep_their_digits_and_strings_their_meaning() {
        let read = read_default(r#"{"a":1.00,"b":"\ud83d\ude00\n\ud800x"}"#).unwrap();
        assert_eq!(read.node.get("a"), Some(&Node::Number("1.00")));
        assert_eq!(read.node.str_at("b"), Some("😀\n\u{fffd}x"));
    }

    #[test]
    fn a_key_that_occurs_twice_is_seen_in_small_and_large_objects() {
        let small = read_default(r#"{"x":{"a":1,"b":2,"a":3}}"#).unwrap();
        assert_eq!(small.duplicates.len(), 1);
        assert_eq!(small.duplicates[0].depth, 1);
        let mut large = String::from("{");
        for n in 0..100 {
            write!(large, "\"k{n}\":0,").unwrap();
        }
        large.push_str("\"id\":1,\"k7\":2,\"id\":3}");
        let read = read_default(&large).unwrap();
        assert_eq!(read.duplicates.len(), 2);
        assert!(read.duplicates[1].deciding);
    }

    #[test]
    fn depth_values_and_string_length_are_bounded() {
        let limits = Limits {
            max_depth: 3,
            max_values: 5,
            max_string_bytes: 4,
            ..Limits::default()
        };
        assert_eq!(read("[[[1]]]", &limits).unwrap().duplicates.len(), 0);
        assert_eq!(read("[[[[1]]]]", &limits).unwrap_err(), (Fault::TooDeep, 3));
        assert_eq!(
            read("[1,2,3,4,5]", &limits).unwrap_err().0,
            Fault::TooManyValues
        );
        assert_eq!(
            read("\"abcde\"", &limits).unwrap_err().0,
            Fault::StringTooLong
        );
        let bomb = "[".repeat(1_000_000);
        assert_eq!(read_default(&bomb).unwrap_err().0, Fault::TooDeep);
    }
}
