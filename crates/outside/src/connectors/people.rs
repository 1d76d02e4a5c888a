//! Which of a platform's clients is the patient, and how a document is marked so
//! that it is found again. Nobody is guessed: a client is the patient when both
//! e-mail address and day of birth are the same, and where that cannot be told,
//! a person is asked. This module must not know any platform.

use chartkey_domain::connections::{
    ClientMatch, ConnectorResult, DedupeKey, ErrorClass, OutgoingDocument, RemoteClient,
};
use zeroize::Zeroizing;

use super::calls::error;

/// A client as a platform lists them.
#[derive(Clone)]
pub(crate) struct Candidate {
    /// Their id there.
    pub(crate) id: String,
    /// Their e-mail address.
    pub(crate) email: Option<Zeroizing<String>>,
    /// Their day of birth, `YYYY-MM-DD`, perhaps with a time behind it.
    pub(crate) birth_date: Option<Zeroizing<String>>,
}

/// What a client is looked for by: both, and nothing less.
pub(crate) struct Wanted<'a> {
    /// Without surrounding space.
    pub(crate) email: &'a str,
    /// `YYYY-MM-DD`.
    pub(crate) birth_date: &'a str,
}

/// What to look for.
///
/// # Errors
/// [`ErrorClass::Ambiguous`] where address or day of birth is not known: whoever
/// is found by one of them may be somebody else.
pub(crate) fn wanted(who: &ClientMatch) -> ConnectorResult<Wanted<'_>> {
    match (known(who.email.as_ref()), known(who.birth_date.as_ref())) {
        (Some(email), Some(birth_date)) => Ok(Wanted { email, birth_date }),
        _ => Err(error(ErrorClass::Ambiguous)),
    }
}

fn known(text: Option<&Zeroizing<String>>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// Those candidates that are the patient: none, one or several.
///
/// # Errors
/// [`ErrorClass::Ambiguous`] where nobody is, but somebody with that address has
/// no day of birth there: taken or left, it would be a guess.
pub(crate) fn decide(
    wanted: &Wanted<'_>,
    candidates: &[Candidate],
) -> ConnectorResult<Vec<RemoteClient>> {
    let same_address = candidates.iter().filter(|candidate| {
        candidate
            .email
            .as_ref()
            .is_some_and(|email| email.trim().eq_ignore_ascii_case(wanted.email))
    });
    let mut found: Vec<RemoteClient> = Vec::new();
    let mut undecided = false;
    for candidate in same_address {
        match candidate.birth_date.as_ref().map(|date| date.trim()) {
            None | Some("") => undecided = true,
            Some(date) if is_same_day(date, wanted.birth_date) => {
                if !found.iter().any(|client| client.id == candidate.id) {
                    found.push(RemoteClient {
                        id: candidate.id.clone(),
                    });
                }
            }
            Some(_) => {}
        }
    }
    if found.is_empty() && undecided {
        return Err(error(ErrorClass::Ambiguous));
    }
    Ok(found)
}

/// `2001-05-26`, or the same with a time behind it.
fn is_same_day(theirs: &str, ours: &str) -> bool {
    theirs
        .strip_prefix(ours)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('T'))
}

/// First and last name, for platforms that ask for both: the last word, and what
/// comes before it. A name of one word is the last name.
pub(crate) fn split_name(name: &str) -> (Zeroizing<String>, Zeroizing<String>) {
    let name = name.trim();
    let (first, last) = name.rsplit_once(char::is_whitespace).unwrap_or(("-", name));
    (
        Zeroizing::new(first.trim().to_owned()),
        Zeroizing::new(last.to_owned()),
    )
}

/// The marker of a delivery: `src:` and its key.
///
/// # Errors
/// [`ErrorClass::Invalid`] for a key that is not letters and digits, and so might
/// mean something to a search.
pub(crate) fn marker(key: &DedupeKey) -> ConnectorResult<String> {
    let is_key =
        (1..=64).contains(&key.0.len()) && key.0.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_key {
        return Err(error(ErrorClass::Invalid));
    }
    Ok(format!("src:{}", key.0))
}

/// Whether a text carries exactly this marker.
pub(crate) fn is_marked(text: &str, marker: &str) -> bool {
    text.match_indices(marker).any(|(at, _)| {
        !text
            .get(at + marker.len()..)
            .and_then(|rest| rest.bytes().next())
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The one line that a platform shows beside a document, with the marker.
pub(crate) fn description(document: &OutgoingDocument, marker: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("{} ({marker})", document.title.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, email: &str, birth_date: Option<&str>) -> Candidate {
        Candidate {
            id: id.into(),
            email: Some(Zeroizing::new(email.into())),
            birth_date: birth_date.map(|date| Zeroizing::new(date.into())),
        }
    }

    #[test]
    fn a_client_is_the_patient_when_address_and_day_of_birth_are_the_same() {
        let who = Wanted {
            email: "Ann@Example.org",
            birth_date: "1980-02-29",
        };
        let check = |candidates: &[Candidate], expected: Result<&[&str], ErrorClass>| {
            let found = decide(&who, candidates)
                .map(|clients| {
                    clients
                        .into_iter()
                        .map(|client| client.id)
                        .collect::<Vec<_>>()
                })
                .map_err(|error| error.class);
            let expected = expected.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
            assert_eq!(found, expected);
        };
        let ann = candidate("1", " ann@example.ORG", Some("1980-02-29"));
        let child = candidate("2", "ann@example.org", Some("2010-01-01"));
        let other = candidate("3", "bob@example.org", Some("1980-02-29"));
        let undated = candidate("4", "ann@example.org", None);
        let timed = candidate("5", "ann@example.org", Some("1980-02-29T00:00:00Z"));
        let later = candidate("6", "ann@example.org", Some("1980-02-290"));
        check(&[], Ok(&[]));
        check(&[other.clone(), child.clone(), later], Ok(&[]));
        check(&[ann.clone(), child.clone(), other], Ok(&["1"]));
        check(&[ann.clone(), timed, ann.clone()], Ok(&["1", "5"]));
        check(&[ann, undated.clone()], Ok(&["1"]));
        check(&[child, undated], Err(ErrorClass::Ambiguous));
    }

    #[test]
    fn nobody_is_looked_for_by_half_of_what_is_needed() {
        let mut who = ClientMatch {
            email: Some(Zeroizing::new("ann@example.org".into())),
            ..ClientMatch::default()
        };
        let refusal = wanted(&who).err().map(|error| error.class);
        assert_eq!(refusal, Some(ErrorClass::Ambiguous));
        who.birth_date = Some(Zeroizing::new(" ".into()));
        assert!(wanted(&who).is_err());
        who.birth_date = Some(Zeroizing::new("1980-02-29".into()));
        assert!(wanted(&who).is_ok());
    }

    #[test]
    fn names_are_split_at_their_last_space() {
        let check = |name: &str, first: &str, last: &str| {
            let split = split_name(name);
            assert_eq!((split.0.as_str(), split.1.as_str()), (first, last));
        };
        check("Ann Smith", "Ann", "Smith");
        check(" Ann Mary  Smith ", "Ann Mary", "Smith");
        check("Madonna", "-", "Madonna");
    }

    #[test]
    fn a_marker_is_found_only_whole() {
        assert!(is_marked("Letter (src:ABC)", "src:ABC"));
        assert!(is_marked("src:ABCD src:ABC", "src:ABC"));
        assert!(!is_marked("src:ABCD", "src:ABC"));
        assert!(marker(&DedupeKey("A*".into())).is_err());
        assert!(marker(&DedupeKey(String::new())).is_err());
        assert_eq!(marker(&DedupeKey("ABC2".into())).unwrap(), "src:ABC2");
    }
}
