//! Passwords that everybody tries first.
//!
//! With fifteen characters few of the well-known lists remain, so the list of
//! words is joined by rules: a password is common if nothing is left of it but
//! a listed word or two with decoration (digits, years, signs, letters
//! written as digits), a repetition, a sequence, or a walk over the keyboard.

use zeroize::Zeroizing;

/// One word a line, lower case, sorted.
const WORDS: &str = include_str!("common.txt");

/// Rows and zigzags of keyboards, walked in either direction.
const WALKS: &[&str] = &[
    "qwertyuiop[]",
    "qwertzuiopü",
    "azertyuiop",
    "asdfghjkl;'",
    "qsdfghjklm",
    "zxcvbnm,./",
    "yxcvbnm",
    "wxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "!@#$%^&*()_+",
    "147258369",
    "159357",
];

/// Listed words, walks, sequences and runs count this much, …
const TOKEN: usize = 2;
/// … any other character counts this much, …
const SINGLE: usize = 1;
/// … and what counts no more than this in all is common: two tokens with one
/// character of decoration, or one token with three.
const COMMON: usize = 5;
/// What is put between words and hides nothing.
const SEPARATORS: [char; 4] = [' ', '-', '_', '.'];
/// Fewer different characters than this is common whatever they are.
const FEWEST_DIFFERENT: usize = 5;

/// Whether a normalised password is one that everybody tries.
pub(super) fn is_common(password: &str) -> bool {
    let chars: Zeroizing<Vec<char>> =
        Zeroizing::new(password.chars().flat_map(char::to_lowercase).collect());
    let different = chars
        .iter()
        .enumerate()
        .filter(|(at, c)| !chars.iter().take(*at).any(|earlier| earlier == *c))
        .count();
    let joined: Zeroizing<Vec<char>> = Zeroizing::new(
        chars
            .iter()
            .copied()
            .filter(|c| !SEPARATORS.contains(c))
            .collect(),
    );
    let cheap = |chars: &[char]| cost(smallest_unit(chars)) <= COMMON;
    different < FEWEST_DIFFERENT || cheap(&chars) || cheap(&joined)
}

/// `abcabcabc` is no better than `abc`.
fn smallest_unit(chars: &[char]) -> &[char] {
    (1..=chars.len() / 2)
        .filter_map(|len| chars.split_at_checked(len))
        .find(|(unit, _)| chars.iter().eq(unit.iter().cycle().take(chars.len())))
        .map_or(chars, |(unit, _)| unit)
}

/// The cheapest way to cut the password into tokens and single characters.
fn cost(chars: &[char]) -> usize {
    // best[i] is the cost of the first i characters.
    let mut best = vec![usize::MAX; chars.len() + 1];
    if let Some(first) = best.first_mut() {
        *first = 0;
    }
    for at in 0..chars.len() {
        let (Some(&so_far), Some((_, rest))) = (best.get(at), chars.split_at_checked(at)) else {
            break;
        };
        let mut offer = |len: usize, price: usize| {
            if let Some(slot) = best.get_mut(at + len) {
                *slot = (*slot).min(so_far + price);
            }
        };
        offer(1, SINGLE);
        for word in WORDS.lines() {
            if let Some(len) = matched(rest, word) {
                offer(len, TOKEN);
            }
        }
        for len in [run(rest, 0), run(rest, 1), run(rest, -1)] {
            if len >= 3 {
                offer(len, TOKEN);
            }
        }
        let walk = WALKS.iter().map(|row| walked(rest, row)).max().unwrap_or(0);
        if walk >= 4 {
            offer(walk, TOKEN);
        }
        if is_year(rest) {
            offer(4, TOKEN);
        }
    }
    best.last().copied().unwrap_or(0)
}

/// How long the word is if the text begins with it, digits and signs read as
/// the letters that they imitate.
fn matched(text: &[char], word: &str) -> Option<usize> {
    let mut len = 0;
    for letter in word.chars() {
        let c = *text.get(len)?;
        if c != letter && !imitates(c, letter) {
            return None;
        }
        len += 1;
    }
    (len > 0).then_some(len)
}

fn imitates(sign: char, letter: char) -> bool {
    matches!(
        (sign, letter),
        ('0', 'o')
            | ('1' | '!', 'i' | 'l')
            | ('3', 'e')
            | ('4' | '@', 'a')
            | ('5' | '$', 's')
            | ('7' | '+', 't')
            | ('8', 'b')
            | ('9', 'g')
    )
}

/// How many characters follow each other at this step: `1234`, `dcba`, `aaaa`.
fn run(text: &[char], step: i64) -> usize {
    let steps = text
        .iter()
        .zip(text.iter().skip(1))
        .take_while(|(a, b)| i64::from(u32::from(**b)) - i64::from(u32::from(**a)) == step)
        .count();
    steps + 1
}

/// How many characters walk along a row, in either direction.
fn walked(text: &[char], row: &str) -> usize {
    let along = |keys: &[char]| {
        (0..keys.len())
            .map(|from| {
                let path = keys.iter().skip(from);
                text.iter().zip(path).take_while(|(a, b)| a == b).count()
            })
            .max()
            .unwrap_or(0)
    };
    let mut keys: Vec<char> = row.chars().collect();
    let there = along(&keys);
    keys.reverse();
    there.max(along(&keys))
}

fn is_year(text: &[char]) -> bool {
    matches!(
        text,
        ['1', '9', a, b, ..] | ['2', '0', a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit()
    )
}
