//! Walking on: where the next page is, whether it may be asked for, and when to
//! stop. What is handed to the caller for the next page holds all that this takes,
//! so that a walk goes on after a restart.
//!
//! Next links are followed as they were written. A server whose links go round in
//! circles, lead elsewhere, or never end is noticed, and what was read until then
//! is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chartkey_domain::connections::{ConnectorError, ConnectorResult, ErrorClass};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

/// Longest link that is followed; beyond some kilobytes most proxies refuse.
const MAX_URL_LEN: usize = 32 << 10;
/// Pages that are remembered one by one.
const REMEMBERED: usize = 32;
/// Empty pages in a row, after which nothing more is expected.
const MAX_EMPTY: u32 = 5;

/// Codes among a page's `refused` that say that the walk ended too soon.
pub(super) const REPEATED: &str = "paging.repeated";
pub(super) const TOO_MANY: &str = "paging.too_many";
/// Codes of a walk that must not go on: its next link leads to another origin, or
/// cannot be read. Calling again would change nothing.
const FOREIGN: &str = "paging.foreign";
const UNREADABLE: &str = "paging.unreadable";

/// Where a walk stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Walk {
    /// The next page's address, absolute.
    #[serde(rename = "u", default)]
    pub(super) url: String,
    /// Pages read.
    #[serde(rename = "n", default)]
    pages: u32,
    /// The last addresses, each as a short hash.
    #[serde(rename = "s", default)]
    seen: Vec<String>,
    /// An older address: a circle longer than what is remembered comes by here
    /// (Brent's algorithm).
    #[serde(rename = "a", default)]
    anchor: String,
    /// Empty pages in a row.
    #[serde(rename = "e", default)]
    empty: u32,
    /// The next page must not be asked for, and why. What came before it was
    /// taken; whoever walks on learns it.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    Foreign,
    Broken,
}

/// How a walk goes on after a page.
pub(super) struct Onward {
    pub(super) next: Option<String>,
    /// Why it ended before its end.
    pub(super) refused: Option<&'static str>,
}

impl Walk {
    /// The walk that `next` continues.
    ///
    /// # Errors
    /// What kept the last page's link from being followed; [`ErrorClass::Expired`]
    /// when `next` is not one of ours, so that the search is begun again.
    pub(super) fn resume(next: &str) -> ConnectorResult<Self> {
        let walk: Self =
            serde_json::from_str(next).map_err(|_| ConnectorError::new(ErrorClass::Expired))?;
        match walk.fault {
            // Of this search only, so it is not the connection's address that is wrong.
            Some(Fault::Foreign) => Err(said(ErrorClass::Forbidden, FOREIGN)),
            Some(Fault::Broken) => Err(said(ErrorClass::Forbidden, UNREADABLE)),
            None => Ok(walk),
        }
    }

    /// The walk whose first page is at `url`.
    pub(super) fn begin(url: String) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    /// Goes on from the page that was just read, where its link leads.
    pub(super) fn onward(
        mut self,
        base: &Url,
        link: Option<&str>,
        was_empty: bool,
        max_pages: u32,
    ) -> Onward {
        let ends = |refused| Onward {
            next: None,
            refused,
        };
        let Some(link) = link else {
            return ends(None);
        };
        let here = self.url.clone();
        self.pages += 1;
        self.empty = if was_empty { self.empty + 1 } else { 0 };
        match resolve(base, &here, link) {
            Err(fault) => self.fault = Some(fault),
            // Some servers write the last page's own address where there is no
            // next.
            Ok(url) if url == here => return ends(None),
            Ok(_) if self.empty >= MAX_EMPTY => return ends(None),
            Ok(_) if self.pages >= max_pages => return ends(Some(TOO_MANY)),
            Ok(url) => {
                if !self.remember(&here, &url) {
                    return ends(Some(REPEATED));
                }
                self.url = url;
            }
        }
        Onward {
            next: Some(serde_json::to_string(&self).expect("texts and numbers are JSON")),
            refused: None,
        }
    }

    /// Notes the page at `here`; false when `next` was read before.
    fn remember(&mut self, here: &str, next: &str) -> bool {
        let mark = short_hash(here);
        if self.pages.is_power_of_two() {
            self.anchor.clone_from(&mark);
        }
        self.seen.push(mark);
        if self.seen.len() > REMEMBERED {
            self.seen.remove(0);
        }
        let next = short_hash(next);
        next != self.anchor && !self.seen.contains(&next)
    }
}

fn said(class: ErrorClass, code: &str) -> ConnectorError {
    ConnectorError {
        remote_code: Some(code.to_owned()),
        ..ConnectorError::new(class)
    }
}

fn short_hash(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.get(..9).unwrap_or(&hash))
}

/// Where a link leads: absolute, on the server's own origin.
fn resolve(base: &Url, here: &str, link: &str) -> Result<String, Fault> {
    if link.len() > MAX_URL_LEN {
        return Err(Fault::Broken);
    }
    let host = base.host_str().unwrap_or_default();
    // `fhir.example/R4?page=2`: a scheme was forgotten.
    let forgotten = link
        .strip_prefix(host)
        .is_some_and(|rest| rest.starts_with(['/', ':', '?']));
    let mut url = if forgotten {
        Url::parse(&format!("{}://{link}", base.scheme()))
    } else {
        Url::parse(here).and_then(|here| here.join(link))
    }
    .map_err(|_| Fault::Broken)?;
    // A server behind a proxy that ends TLS may not know it.
    let unaware = base.scheme() == "https"
        && url.scheme() == "http"
        && url.host() == base.host()
        && url.port().is_none();
    if unaware && url.set_scheme("https").is_err() {
        return Err(Fault::Broken);
    }
    if url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::Foreign);
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://fhir.example/R4/").unwrap()
    }

    #[test]
    fn links_are_followed_as_written_where_they_stay_on_the_origin() {
        let here = "https://fhir.example/R4/Observation?patient=1";
        let check = |link: &str, expected: Result<&str, Fault>| {
            let found = resolve(&base(), here, link);
            assert_eq!(found, expected.map(str::to_owned), "{link}");
        };
        let same = "https://fhir.example/R4?page=a%20b";
        check(same, Ok(same));
        check("?page=2", Ok("https://fhir.example/R4/Observation?page=2"));
        check("/R4?page=2", Ok("https://fhir.example/R4?page=2"));
        check("//fhir.example/R4?p", Ok("https://fhir.example/R4?p"));
        check("fhir.example/R4?p", Ok("https://fhir.example/R4?p"));
        check("http://fhir.example/R4?p", Ok("https://fhir.example/R4?p"));
        check("https://fhir.example.evil/R4", Err(Fault::Foreign));
        check("//evil.example/R4", Err(Fault::Foreign));
        check("https://fhir.example:8443/R4", Err(Fault::Foreign));
        check("http://fhir.example:8080/R4", Err(Fault::Foreign));
        check("https://a:b@fhir.example/R4", Err(Fault::Foreign));
        check("file:///etc/passwd", Err(Fault::Foreign));
        check("https://", Err(Fault::Broken));
        check(&"x".repeat(MAX_URL_LEN + 1), Err(Fault::Broken));
    }

    /// Walks along `links` until it ends; says after how many pages, and why.
    fn walk(links: impl Fn(u32) -> String, max_pages: u32) -> (u32, Option<&'static str>) {
        let mut walk = Walk::begin("https://fhir.example/R4?page=0".into());
        for page in 1.. {
            let onward = walk.onward(&base(), Some(&links(page)), false, max_pages);
            let Some(next) = onward.next else {
                return (page, onward.refused);
            };
            walk = Walk::resume(&next).unwrap();
            assert!(next.len() < 2_000, "{}", next.len());
        }
        unreachable!()
    }

    #[test]
    fn circles_of_every_length_are_noticed() {
        for length in [2, 3, 31, 32, 33, 100, 700] {
            let (pages, why) = walk(|page| format!("?page={}", page % length), 10_000);
            assert_eq!(why, Some(REPEATED), "{length}");
            assert!(pages <= 3 * length, "{length} noticed after {pages}");
        }
    }

    #[test]
    fn a_walk_that_never_ends_is_ended() {
        let (pages, why) = walk(|page| format!("?page={page}"), 500);
        assert_eq!((pages, why), (500, Some(TOO_MANY)));
    }

    #[test]
    fn what_is_not_ours_begins_again() {
        let error = Walk::resume("https://fhir.example/R4?page=2").unwrap_err();
        assert_eq!(error.class, ErrorClass::Expired);
    }
}
