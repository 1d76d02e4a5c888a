//! Which words are sensitive, for titles, displays and notes: the fallback where
//! codes are missing, foreign or unknown, and the only guide in free text.
//!
//! A denial counts as much as a statement ("HIV negative", "denies drug use"):
//! that somebody was asked is told as well.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::kinds::Kinds;

struct Phrases {
    automaton: Option<AhoCorasick>,
    rules: Vec<Rule>,
}

struct Rule {
    /// Empty for a harmless phrase that hides what is inside it.
    kinds: Kinds,
    open_start: bool,
    open_end: bool,
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
    let mut rules = Vec::new();
    let mut patterns = Vec::new();
    for (kinds, phrase) in super::codes::rows(include_str!("tables/words.tsv")) {
        let open_start = phrase.starts_with('*');
        let open_end = phrase.ends_with('*');
        patterns.push(phrase.trim_matches('*'));
        rules.push(Rule {
            kinds,
            open_start,
            open_end,
        });
    }
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .build(patterns)
        // Fails only for tables too large to index, which a test would see.
        .ok();
    Phrases { automaton, rules }
});

/// How many phrases wait for a longer one that contains them. More than fit into
/// the longest phrase, so that what leaves is far behind.
const OPEN_PHRASES: usize = 64;

/// The kinds that a text speaks of; usually none.
pub(crate) fn kinds_of_words(text: &str) -> Kinds {
    // The shortest phrases have three letters.
    if text.len() < 3 {
        return Kinds::EMPTY;
    }
    let Some(automaton) = &PHRASES.automaton else {
        return Kinds::ALL;
    };
    let mut kinds = Kinds::EMPTY;
    // Phrases found lately; one inside another is hidden by it.
    let mut open: Vec<(Range<usize>, Kinds)> = Vec::new();
    for found in automaton.find_overlapping_iter(text) {
        let Some(rule) = PHRASES.rules.get(found.pattern().as_usize()) else {
            continue;
        };
        let range = found.range();
        let stands = (rule.open_start || free(text.as_bytes().get(range.start.wrapping_sub(1))))
            && (rule.open_end || free(text.as_bytes().get(range.end)));
        if !stands {
            continue;
        }
        // Matches come in the order of their ends, so a later one can contain
        // an earlier one, or be inside an earlier one with the same end.
        let contains = |outer: &Range<usize>, inner: &Range<usize>| {
            outer.start <= inner.start && inner.end <= outer.end
        };
        open.retain(|(earlier, _)| !contains(&range, earlier));
        if !open.iter().any(|(earlier, _)| contains(earlier, &range)) {
            open.push((range, rule.kinds));
        }
        if open.len() > OPEN_PHRASES {
            kinds = open
                .drain(..OPEN_PHRASES / 2)
                .fold(kinds, |kinds, (_, more)| kinds | more);
            if kinds == Kinds::ALL {
                return kinds;
            }
        }
    }
    open.into_iter()
        .fold(kinds, |kinds, (_, more)| kinds | more)
}

/// Whether a phrase may begin or end beside this byte. Bytes of letters beyond
/// ASCII count as letters.
const fn free(byte: Option<&u8>) -> bool {
    match byte {
        None => true,
        Some(byte) => !byte.is_ascii_alphanumeric() && byte.is_ascii(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    #[track_caller]
    fn check(text: &str, expected: &[Kind]) {
        let expected: Kinds = expected.iter().copied().collect();
        assert_eq!(kinds_of_words(text), expected, "{text}");
    }

    #[test]
    fn the_table_compiles_and_every_phrase_finds_itself() {
        for (kinds, phrase) in super::super::codes::rows(include_str!("tables/words.tsv")) {
            let found = kinds_of_words(phrase.trim_matches('*'));
            assert!(kinds.is_subset_of(found), "{phrase}: {found:?}");
            if kinds.is_empty() {
                assert!(found.is_empty(), "{phrase} hides nothing: {found:?}");
            }
        }
    }

    #[test]
    fn sensitive_texts_are_seen() {
        check("Depressive disorder (disorder)", &[Kind::MentalHealth]);
        check("Stress (finding)", &[Kind::MentalHealth]);
        check(
            "Victim of intimate partner abuse (finding)",
            &[Kind::Violence],
        );
        check("Opioid abuse (disorder)", &[Kind::SubstanceUse]);
        check(
            "Substance abuse and child abuse",
            &[Kind::SubstanceUse, Kind::Violence],
        );
        check("HIV-1 RNA [Copies/volume]", &[Kind::Hiv]);
        check("AIDS infection", &[Kind::Hiv]);
        check("anti-HIV1/2", &[Kind::Hiv]);
        check("24 HR Bupropion 150 MG", &[Kind::MentalHealth]);
        check("Urine pregnancy test", &[Kind::SexualHealth]);
        check("Sickle cell anemia", &[Kind::Genetics]);
        check("ANTIRETROVIRAL PLAN", &[Kind::Hiv]);
    }

    #[test]
    fn harmless_texts_are_left_alone() {
        for text in [
            "CBC panel - Blood by Automated count",
            "Non-specific ST depression in V4-V6",
            "Cardiac stress test",
            "Avoid alcoholic drink",
            "Wears hearing aids",
            "Nonalcoholic steatohepatitis",
            "Motor vehicle accident victim (finding)",
            "Smokes tobacco daily",
            "Patient identifies as heterosexual",
            "acute distress",
            "Above upper panic limits",
            "Chivalry",
            "Lithium heparin plasma",
        ] {
            check(text, &[]);
        }
    }
}
