//! Why an input, or one resource of it, was not taken, and what was odd about
//! the rest.
//!
//! Errors carry a code, a place and words of ours; never a value of the input.

use std::fmt;

/// What is wrong. [`Fault::code`] is stable; clients may branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing but white space.
    Empty,
    /// More bytes than [`crate::Limits::max_bytes`].
    TooLarge,
    /// Not UTF-8.
    NotUtf8,
    /// The text ends inside a value.
    Truncated,
    /// Not JSON.
    Syntax,
    /// Nested deeper than [`crate::Limits::max_depth`].
    TooDeep,
    /// A string longer than [`crate::Limits::max_string_bytes`].
    StringTooLong,
    /// More values than [`crate::Limits::max_values`].
    TooManyValues,
    /// Something follows the value.
    Trailing,
    /// A key that decides what the thing is occurs twice.
    DuplicateKey,
    /// Not a JSON object.
    NotObject,
    /// More resources than [`crate::Limits::max_resources`].
    TooManyResources,
    /// `resourceType` is missing or no string.
    TypeMissing,
    /// `resourceType` is not the name of a resource.
    TypeMalformed,
    /// A Bundle entry without a resource.
    NoResource,
    /// A known field has a value of another JSON type.
    WrongType,
    /// A date that FHIR does not know.
    MalformedDate,
    /// An id outside `[A-Za-z0-9\-.]{1,64}`; kept as it is.
    MalformedId,
    /// A resource type that R4 does not know; kept as it is.
    UnknownType,
    /// What a server said about its search (an OperationOutcome); not a record.
    Outcome,
    /// A supporting resource is referred to from more compartments than
    /// [`crate::Limits::max_placements`]; it was not written into the rest.
    TooManyPlacements,
}

impl Fault {
    /// Every fault, for documents and tests.
    pub const ALL: [Self; 21] = [
        Self::Empty,
        Self::TooLarge,
        Self::NotUtf8,
        Self::Truncated,
        Self::Syntax,
        Self::TooDeep,
        Self::StringTooLong,
        Self::TooManyValues,
        Self::Trailing,
        Self::DuplicateKey,
        Self::NotObject,
        Self::TooManyResources,
        Self::TypeMissing,
        Self::TypeMalformed,
        Self::NoResource,
        Self::WrongType,
        Self::MalformedDate,
        Self::MalformedId,
        Self::UnknownType,
        Self::Outcome,
        Self::TooManyPlacements,
    ];

    /// The stable dotted word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "fhir.empty",
            Self::TooLarge => "fhir.too_large",
            Self::NotUtf8 => "fhir.not_utf8",
            Self::Truncated => "fhir.truncated",
            Self::Syntax => "fhir.syntax",
            Self::TooDeep => "fhir.too_deep",
            Self::StringTooLong => "fhir.string_too_long",
            Self::TooManyValues => "fhir.too_many_values",
            Self::Trailing => "fhir.trailing",
            Self::DuplicateKey => "fhir.duplicate_key",
            Self::NotObject => "fhir.not_object",
            Self::TooManyResources => "fhir.too_many_resources",
            Self::TypeMissing => "fhir.type_missing",
            Self::TypeMalformed => "fhir.type_malformed",
            Self::NoResource => "fhir.no_resource",
            Self::WrongType => "fhir.wrong_type",
            Self::MalformedDate => "fhir.malformed_date",
            Self::MalformedId => "fhir.malformed_id",
            Self::UnknownType => "fhir.unknown_type",
            Self::Outcome => "fhir.outcome",
            Self::TooManyPlacements => "fhir.too_many_placements",
        }
    }

    /// The same in English, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Empty => "there is nothing in it",
            Self::TooLarge => "it is too large",
            Self::NotUtf8 => "it is not UTF-8 text",
            Self::Truncated => "it ends too early",
            Self::Syntax => "it is not JSON",
            Self::TooDeep => "it is nested too deeply",
            Self::StringTooLong => "a text in it is too long",
            Self::TooManyValues => "it has too many values",
            Self::Trailing => "something follows its end",
            Self::DuplicateKey => "a key occurs twice",
            Self::NotObject => "it is not a JSON object",
            Self::TooManyResources => "it has too many resources",
            Self::TypeMissing => "it has no resourceType",
            Self::TypeMalformed => "its resourceType is not the name of a resource",
            Self::NoResource => "the entry has no resource",
            Self::WrongType => "a field has a value of the wrong type",
            Self::MalformedDate => "a date is not written as FHIR writes dates",
            Self::MalformedId => "the id is not written as FHIR writes ids",
            Self::UnknownType => "R4 has no such resource",
            Self::Outcome => "a message of the server about its answer, not a record",
            Self::TooManyPlacements => "too many groups of records refer to it",
        }
    }
}

/// The whole input was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} (at byte {offset}{})", fault.words(), Place(pointer))]
pub struct ParseError {
    /// What is wrong.
    pub fault: Fault,
    /// Where, in bytes from the start of the input.
    pub offset: usize,
    /// Where, as a JSON pointer; empty for the top and where there is no JSON.
    pub pointer: String,
}

impl ParseError {
    pub(crate) fn new(fault: Fault, offset: usize) -> Self {
        Self {
            fault,
            offset,
            pointer: String::new(),
        }
    }

    /// The stable dotted word.
    pub const fn code(&self) -> &'static str {
        self.fault.code()
    }
}

struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, ", {}", self.0)
        }
    }
}

/// One resource was refused; the others were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which: the entry of the Bundle, the line of the NDJSON, counted from 0.
    /// (Where a line is itself a Bundle its entries are counted one by one.)
    pub index: usize,
    /// The stable dotted word, one of [`Fault::code`].
    pub code: &'static str,
    /// The reason in English, with the JSON pointer; nothing of the content.
    pub reason: String,
}

impl Rejected {
    pub(crate) fn new(index: usize, fault: Fault, pointer: &str) -> Self {
        let reason = format!("{}{}", fault.words(), Place(pointer));
        Self {
            index,
            code: fault.code(),
            reason,
        }
    }
}

/// Something odd in what was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The resource, counted as in [`Rejected::index`]; none for the envelope.
    pub index: Option<usize>,
    /// The stable dotted word, one of [`Fault::code`].
    pub code: &'static str,
    /// JSON pointer from the top of the input.
    pub pointer: String,
}

/// A bounded list of issues: what does not fit is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issues {
    listed: Vec<Issue>,
    unlisted: usize,
    limit: usize,
}

impl Issues {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            listed: Vec::new(),
            unlisted: 0,
            limit,
        }
    }

    pub(crate) fn push(
        &mut self,
        index: Option<usize>,
        fault: Fault,
        pointer: impl FnOnce() -> String,
    ) {
        if self.listed.len() < self.limit {
            self.listed.push(Issue {
                index,
                code: fault.code(),
                pointer: pointer(),
            });
        } else {
            self.unlisted += 1;
        }
    }

    /// Those that are listed, in the order of the input.
    pub fn listed(&self) -> &[Issue] {
        &self.listed
    }

    /// How many more there were.
    pub const fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// Whether nothing was odd.
    pub const fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_code_of_its_own() {
        let mut codes: Vec<_> = Fault::ALL.iter().map(|fault| fault.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Fault::ALL.len());
        assert!(codes.iter().all(|code| code.starts_with("fhir.")));
    }
}
