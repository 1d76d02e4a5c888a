//! Finding records by their headers, in the memory of whoever holds the keys.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::header::{Header, interval_of};
use crate::record_type::RecordType;

/// What is looked for. Everything given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Words, each of which must occur somewhere in the header. Case and
    /// diacritics do not matter.
    pub text: Option<String>,
    /// A FHIR date: nothing that ended before it began.
    pub from: Option<String>,
    /// A FHIR date: nothing that began after it ended.
    pub to: Option<String>,
    /// Only these types; empty for all.
    pub record_types: Vec<RecordType>,
}

/// The query cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// `from` or `to` is not a FHIR date.
    #[error("not a date")]
    MalformedDate,
}

impl QueryError {
    /// The stable dotted word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MalformedDate => "query.malformed_date",
        }
    }
}

/// A query made ready to be asked of many headers.
#[derive(Debug, Clone)]
pub struct Search {
    words: Vec<String>,
    from: Option<i64>,
    to: Option<i64>,
    record_types: Vec<RecordType>,
}

impl Search {
    /// Makes a query ready.
    ///
    /// # Errors
    ///
    /// [`QueryError::MalformedDate`].
    pub fn new(query: &Query) -> Result<Self, QueryError> {
        let bound = |date: &Option<String>| match date {
            None => Ok(None),
            Some(date) => interval_of(date).map(Some).ok_or(QueryError::MalformedDate),
        };
        let text = query.text.as_deref().unwrap_or_default();
        Ok(Self {
            words: fold(text).split_whitespace().map(str::to_owned).collect(),
            from: bound(&query.from)?.map(|span| span.start),
            to: bound(&query.to)?.map(|span| span.end),
            record_types: query.record_types.clone(),
        })
    }

    /// Whether a record fits. Dates of any precision are spans, and fit where
    /// they overlap the span asked for; a record without a date fits only where
    /// no date is asked for.
    pub fn matches(&self, record_type: RecordType, header: &Header) -> bool {
        (self.record_types.is_empty() || self.record_types.contains(&record_type))
            && self.matches_date(header)
            && self.matches_words(record_type, header)
    }

    fn matches_date(&self, header: &Header) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        let Some(span) = header.date.as_deref().and_then(interval_of) else {
            return false;
        };
        self.from.is_none_or(|from| span.end > from) && self.to.is_none_or(|to| span.start < to)
    }

    fn matches_words(&self, record_type: RecordType, header: &Header) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let codes = header.codes.iter();
        let codes = codes.flat_map(|coding| [coding.code.as_deref(), coding.display.as_deref()]);
        let parts: Vec<Cow<'_, str>> = [
            Some(header.title.as_str()),
            Some(record_type.label()),
            header.code_text.as_deref(),
            header.value.as_deref(),
            header.file_name.as_deref(),
            header.status.as_deref(),
            header.date.as_deref(),
        ]
        .into_iter()
        .chain(codes)
        .flatten()
        .map(fold)
        .collect();
        self.words
            .iter()
            .all(|word| parts.iter().any(|part| part.contains(word.as_str())))
    }
}

/// Whether one header fits a query; [`Search`] for many.
///
/// # Errors
///
/// [`QueryError::MalformedDate`].
pub fn matches(
    record_type: RecordType,
    header: &Header,
    query: &Query,
) -> Result<bool, QueryError> {
    Ok(Search::new(query)?.matches(record_type, header))
}

/// Lower case without diacritics.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let bare: String = text
        .nfkd()
        .filter(|letter| !is_combining_mark(*letter))
        .collect();
    Cow::Owned(
        bare.to_lowercase()
            .replace('ß', "ss")
            .replace('ł', "l")
            .replace('ø', "o"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(title: &str, date: &str) -> Header {
        Header {
            title: title.to_owned(),
            date: Some(date.to_owned()).filter(|date| !date.is_empty()),
            ..Header::default()
        }
    }

    fn found(title: &str, date: &str, text: &str, from: &str, to: &str) -> bool {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let query = Query {
            text: some(text),
            from: some(from),
            to: some(to),
            record_types: vec![],
        };
        matches(RecordType::LabResults, &header(title, date), &query).unwrap()
    }

    #[test]
    fn case_and_diacritics_do_not_matter() {
        assert!(found("Hämoglobin A1c", "", "hamoglobin", "", ""));
        assert!(found("Hamoglobin", "", "HÄMO", "", ""));
        assert!(found("Électrophorèse", "", "electro PHORESE", "", ""));
        assert!(found("Größe", "", "grosse", "", ""));
        assert!(!found("Hämoglobin", "", "hamoglobin cholesterol", "", ""));
        assert!(
            found("Cholesterol", "", "lab chol", "", ""),
            "the type's label counts"
        );
    }

    #[test]
    fn partial_dates_are_compared_as_spans() {
        assert!(found("x", "2024", "", "2024-06-01", ""));
        assert!(found("x", "2024", "", "", "2024-01-01"));
        assert!(!found("x", "2023", "", "2024", ""));
        assert!(found(
            "x",
            "2024-03-31T23:30:00-02:00",
            "",
            "2024-04-01",
            ""
        ));
        assert!(found("x", "2024-12-31T23:59:59Z", "", "2024", "2024"));
        assert!(!found("x", "2025-01-01T00:00:00Z", "", "2024", "2024"));
        assert!(!found("x", "", "", "2024", ""));
        let query = Query {
            from: Some("soon".to_owned()),
            ..Query::default()
        };
        assert_eq!(
            matches(RecordType::Other, &header("x", ""), &query),
            Err(QueryError::MalformedDate)
        );
    }

    #[test]
    fn types_narrow() {
        let query = Query {
            record_types: vec![RecordType::Vitals],
            ..Query::default()
        };
        let any = header("x", "");
        assert!(matches(RecordType::Vitals, &any, &query).unwrap());
        assert!(!matches(RecordType::Imaging, &any, &query).unwrap());
    }
}
