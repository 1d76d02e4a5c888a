//! JSON as FHIR needs it: borrowed, exact, bounded.
//!
//! Not `serde_json::Value`, for four reasons: decimals keep their digits
//! (`1.0` is not `1.00` in a laboratory), a key that occurs twice is seen, the
//! original bytes of each resource are known, and the hot path allocates little.
//! This module knows JSON only, nothing of FHIR.

mod read;
mod scan;

use std::borrow::Cow;

pub(crate) use read::read;
pub(crate) use scan::{Cursor, pointer_at};

/// A JSON value that borrows from the text it was read from.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, exactly as written.
    Number(&'a str),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object in the order of the text. Of a key that occurs twice both are
    /// here; [`Node::get`] answers the first.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// The member of an object; none where there is none or this is no object.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.members()
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The member of a member, and so on.
    pub fn at(&self, path: &[&str]) -> Option<&Node<'a>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The member, where it is a string that is not blank.
    pub fn str_at(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Node::as_str)
    }

    /// The text of a string that is not blank.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    /// The members of an object; none for everything else.
    pub fn members(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// The elements of an array; an object or scalar counts as an array of one,
    /// since older FHIR versions and sloppy servers leave the brackets out.
    pub fn items(&self) -> &[Node<'a>] {
        match self {
            Self::Array(items) => items,
            Self::Null => &[],
            other => std::slice::from_ref(other),
        }
    }

    /// The elements under a key, read as [`Node::items`].
    pub fn items_at(&self, key: &str) -> &[Node<'a>] {
        self.get(key).map_or(&[], Node::items)
    }

    /// The first element under a key.
    pub fn first_at(&self, key: &str) -> Option<&Node<'a>> {
        self.items_at(key).first()
    }

    /// Whether this is an object.
    pub const fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}
