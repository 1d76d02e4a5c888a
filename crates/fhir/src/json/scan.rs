//! Finding where values begin and end without reading them.
//!
//! A Bundle is split by brackets and quotes alone, so that one malformed
//! resource costs only itself. What is inside is read later, by `read`.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Fault;

/// A place in the text, and what can be skipped from there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    /// Bytes from the start of the text.
    pub(crate) pos: usize,
    max_depth: usize,
}

/// The key and the place of a member of an object.
pub(crate) type MemberAt<'a> = (Cow<'a, str>, Range<usize>);

/// A fault and its offset.
pub(crate) type At = (Fault, usize);

impl<'a> Cursor<'a> {
    pub(crate) const fn new(text: &'a str, pos: usize, max_depth: usize) -> Self {
        Self {
            text,
            pos,
            max_depth,
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.pos += 1;
        }
    }

    /// Whether nothing but white space is left.
    pub(crate) fn at_end(&mut self) -> bool {
        self.skip_space();
        self.peek().is_none()
    }

    fn unexpected(&self) -> At {
        let fault = if self.peek().is_none() {
            Fault::Truncated
        } else {
            Fault::Syntax
        };
        (fault, self.pos)
    }

    fn expect(&mut self, byte: u8) -> Result<(), At> {
        if self.peek() == Some(byte) {
            self.pos += 1;
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Skips a string; the range is between the quotes.
    pub(crate) fn skip_string(&mut self) -> Result<Range<usize>, At> {
        self.expect(b'"')?;
        let start = self.pos;
        loop {
            let rest = self.text.as_bytes().get(self.pos..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err((Fault::Truncated, self.text.len()));
            };
            self.pos += found;
            if self.peek() == Some(b'"') {
                let range = start..self.pos;
                self.pos += 1;
                return Ok(range);
            }
            self.pos += 2;
        }
    }

    /// Skips one value of any kind and answers where it stood. Inside brackets
    /// only brackets and strings are looked at.
    pub(crate) fn skip_value(&mut self) -> Result<Range<usize>, At> {
        self.skip_space();
        let start = self.pos;
        match self.peek() {
            Some(b'"') => {
                self.skip_string()?;
            }
            Some(b'{' | b'[') => self.skip_brackets()?,
            Some(byte) if is_scalar(byte) => {
                while self.peek().is_some_and(is_scalar) {
                    self.pos += 1;
                }
            }
            _ => return Err(self.unexpected()),
        }
        Ok(start..self.pos)
    }

    fn skip_brackets(&mut self) -> Result<(), At> {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        loop {
            let rest = bytes.get(self.pos..).unwrap_or_default();
            let structural = |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']');
            let Some(found) = rest.iter().position(structural) else {
                return Err((Fault::Truncated, self.text.len()));
            };
            self.pos += found;
            match rest.get(found) {
                Some(b'"') => {
                    self.skip_string()?;
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    if depth > self.max_depth {
                        return Err((Fault::TooDeep, self.pos));
                    }
                    self.pos += 1;
                }
                _ => {
                    self.pos += 1;
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Enters an array or object.
    pub(crate) fn enter(&mut self, open: u8) -> Result<(), At> {
        self.skip_space();
        self.expect(open)
    }

    /// Steps to the next element of the array entered; false at its end.
    pub(crate) fn more_items(&mut self, first: bool) -> Result<bool, At> {
        self.step(b']', first)
    }

    /// The next member of the object entered, or none at its end.
    pub(crate) fn next_member(&mut self, first: bool) -> Result<Option<MemberAt<'a>>, At> {
        if !self.step(b'}', first)? {
            return Ok(None);
        }
        let at = self.pos;
        let range = self.skip_string()?;
        let raw = self.text.get(range).unwrap_or_default();
        let key = super::read::unescape(raw).ok_or((Fault::Syntax, at))?;
        self.skip_space();
        self.expect(b':')?;
        let value = self.skip_value()?;
        Ok(Some((key, value)))
    }

    fn step(&mut self, close: u8, first: bool) -> Result<bool, At> {
        self.skip_space();
        if self.peek() == Some(close) {
            self.pos += 1;
            return Ok(false);
        }
        if !first {
            self.expect(b',')?;
            self.skip_space();
        }
        Ok(true)
    }
}

const fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

/// The JSON pointer of the value that stands at, or around, an offset. Keys
/// that do not look like names of fields are written `?`: a pointer goes into
/// messages, and a key could be anything.
pub(crate) fn pointer_at(text: &str, offset: usize, max_depth: usize) -> String {
    let mut pointer = String::new();
    let mut cursor = Cursor::new(text, 0, max_depth.saturating_add(1));
    cursor.skip_space();
    for _ in 0..=max_depth {
        if offset <= cursor.pos {
            break;
        }
        let Some(step) = step_towards(&mut cursor, offset) else {
            break;
        };
        pointer.push('/');
        pointer.push_str(&step);
    }
    pointer
}

fn step_towards(cursor: &mut Cursor<'_>, offset: usize) -> Option<String> {
    let object = match cursor.peek()? {
        b'{' => true,
        b'[' => false,
        _ => return None,
    };
    cursor.pos += 1;
    let mut index = 0_usize;
    loop {
        if !cursor
            .step(if object { b'}' } else { b']' }, index == 0)
            .ok()?
        {
            return None;
        }
        let mut step = index.to_string();
        if object {
            let range = cursor.skip_string().ok()?;
            field_name(cursor.text.get(range)?).clone_into(&mut step);
            cursor.skip_space();
            cursor.expect(b':').ok()?;
        }
        cursor.skip_space();
        let mut inside = *cursor;
        let end = match cursor.skip_value() {
            Ok(range) => range.end,
            Err(_) => usize::MAX,
        };
        if offset < end {
            inside.max_depth = inside.max_depth.saturating_sub(1);
            *cursor = inside;
            return Some(step);
        }
        index += 1;
    }
}

fn field_name(key: &str) -> &str {
    let name = key.len() <= 40 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if name { key } else { "?" }
}
