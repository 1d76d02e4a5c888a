//! Looks for many words at once, in every form that they might be stored in.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// How much of a word is looked for: its beginning betrays it well enough.
const LONGEST: usize = 28;

/// Words, ready to be looked for.
pub struct Needles {
    automaton: AhoCorasick,
    /// Which word and form each pattern is.
    patterns: Vec<(String, &'static str)>,
}

impl Needles {
    /// These words: as text, in lower case, in UTF-16, as hexadecimal, and as
    /// base64 wherever in it they begin.
    pub fn new<'a>(words: impl Iterator<Item = &'a String>) -> Self {
        let mut patterns = Vec::new();
        let mut forms = Vec::new();
        for word in words {
            for (form, bytes) in forms_of(word) {
                patterns.push((word.clone(), form));
                forms.push(bytes);
            }
        }
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::LeftmostFirst)
            .build(&forms)
            .expect("as many patterns as there are words");
        Self {
            automaton,
            patterns,
        }
    }

    /// The words that are there, each with a form it was found in and what
    /// stands around it.
    pub fn found_in(&self, places: &[Vec<u8>]) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for place in places {
            for hit in self.automaton.find_iter(place) {
                let (word, form) = &self.patterns[hit.pattern().as_usize()];
                found.entry(word.clone()).or_insert_with(|| {
                    let around =
                        &place[hit.start().saturating_sub(40)..place.len().min(hit.end() + 40)];
                    format!("as {form}: {}", String::from_utf8_lossy(around))
                });
            }
        }
        found
    }
}

fn forms_of(word: &str) -> Vec<(&'static str, Vec<u8>)> {
    let cut: String = word
        .chars()
        .scan(0, |length, c| {
            *length += c.len_utf8();
            (*length <= LONGEST).then_some(c)
        })
        .collect();
    let bytes = cut.as_bytes();
    let wide = |order: fn(u16) -> [u8; 2]| cut.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("text", bytes.to_vec()),
        ("lower case", cut.to_lowercase().into_bytes()),
        ("UTF-16 LE", wide(u16::to_le_bytes)),
        ("UTF-16 BE", wide(u16::to_be_bytes)),
        ("hexadecimal", hex.clone().into_bytes()),
        ("HEXADECIMAL", hex.to_uppercase().into_bytes()),
    ];
    for before in 0..3 {
        forms.push((
            "base64",
            base64_within(
                &STANDARD_NO_PAD.encode([&vec![0; before], bytes].concat()),
                before,
                bytes.len(),
            ),
        ));
        forms.push((
            "base64url",
            base64_within(
                &URL_SAFE_NO_PAD.encode([&vec![0; before], bytes].concat()),
                before,
                bytes.len(),
            ),
        ));
    }
    forms
}

/// The characters that depend on the word alone, wherever it begins.
fn base64_within(encoded: &str, before: usize, length: usize) -> Vec<u8> {
    let first = (before * 8).div_ceil(6);
    let last = (before + length) * 8 / 6;
    encoded.as_bytes()[first..last].to_vec()
}

/// What a token or code is made of, each part by itself, also decoded.
pub fn parts_of(secret: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in secret.split('.').filter(|part| part.len() >= 16) {
        parts.push(part.to_owned());
        // The claims of a token hold a secret of their own.
        let claims = URL_SAFE_NO_PAD
            .decode(part)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
        if let Some(serde_json::Value::Object(claims)) = claims {
            let long = claims
                .values()
                .filter_map(|value| value.as_str())
                .filter(|text| text.len() >= 40);
            parts.extend(long.map(str::to_owned));
        }
    }
    // The head of a token tells which algorithm; so does every other token's.
    parts.retain(|part| {
        let head = URL_SAFE_NO_PAD.decode(part).ok();
        !head.is_some_and(|bytes| bytes.starts_with(b"{\"alg\"") || bytes.starts_with(b"{\"typ\""))
    });
    parts
}

/// That each form is found, and nothing else.
pub fn check() {
    let word = "Tremor of the hand".to_owned();
    let needles = Needles::new(std::iter::once(&word));
    let hex: String = word.bytes().map(|byte| format!("{byte:02X}")).collect();
    for (form, place) in [
        ("text", format!("xx{word}xx").into_bytes()),
        ("lower case", word.to_lowercase().into_bytes()),
        (
            "UTF-16",
            word.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("hex", hex.into_bytes()),
        (
            "base64",
            STANDARD.encode(format!("{word} and more")).into_bytes(),
        ),
        (
            "base64, one later",
            STANDARD.encode(format!("x{word} and more")).into_bytes(),
        ),
        (
            "base64, two later",
            STANDARD.encode(format!("xy{word}")).into_bytes(),
        ),
        (
            "base64url",
            URL_SAFE_NO_PAD.encode(format!("xyz{word}")).into_bytes(),
        ),
    ] {
        assert_eq!(needles.found_in(&[place]).len(), 1, "{form}");
    }
    assert!(needles.found_in(&[b"Tremor of a foot".to_vec()]).is_empty());
}
