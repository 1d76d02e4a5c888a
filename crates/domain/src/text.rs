//! Text from outside: bounded, in one normal form, and without characters that
//! act on the text around them.

use jiff::civil::Date;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// Longer than its field allows.
    #[error("too long")]
    TooLong,
    /// Control characters, or ones that turn the direction of text around them.
    #[error("must not contain control characters")]
    Control,
}

impl TextError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 3] = [Self::Empty, Self::TooLong, Self::Control];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "text.empty",
            Self::TooLong => "text.too_long",
            Self::Control => "text.control",
        }
    }
}

/// Whether a character acts on the text around it: controls, line and paragraph
/// separators, and the bidirectional overrides and isolates (UAX #9 §2) by which
/// a name can be made to read as another. Joiners, which some scripts need, stay.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// One line: trimmed, in NFC, 1 to `max_chars` characters.
///
/// # Errors
/// The first rule the text breaks.
pub fn line(text: &str, max_chars: usize) -> Result<String, TextError> {
    bounded(text, max_chars, acts)
}

/// Several lines, as of a message: like [`line`], and `\n` stays (`\r\n` becomes it).
///
/// # Errors
/// The first rule the text breaks.
pub fn lines(text: &str, max_chars: usize) -> Result<String, TextError> {
    // Bounded before it is copied: normal forms grow at most elevenfold.
    if text.len() > max_chars.saturating_mul(8) {
        return Err(TextError::TooLong);
    }
    bounded(&text.replace("\r\n", "\n"), max_chars, |character| {
        character != '\n' && character != '\t' && acts(character)
    })
}

/// A line that may be left empty, which means: none.
///
/// # Errors
/// The first rule the text breaks.
pub fn optional_line(text: Option<&str>, max_chars: usize) -> Result<Option<String>, TextError> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => line(text, max_chars).map(Some),
    }
}

fn bounded(
    text: &str,
    max_chars: usize,
    refused: impl Fn(char) -> bool,
) -> Result<String, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > max_chars.saturating_mul(8) {
        return Err(TextError::TooLong);
    }
    if text.chars().any(refused) {
        return Err(TextError::Control);
    }
    let text: String = text.nfc().collect();
    if text.chars().count() > max_chars {
        return Err(TextError::TooLong);
    }
    Ok(text)
}

/// A date written `YYYY-MM-DD`, and in no other way.
pub fn parse_date(text: &str) -> Option<Date> {
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(position, byte)| match position {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
    if shape { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_normalised() {
        assert_eq!(line("  Zoë ", 10), Ok("Zoë".into()));
        assert_eq!(line("Zoe\u{308}", 3), Ok("Zoë".into()));
        assert_eq!(line("می\u{200c}خواهم", 20), Ok("می\u{200c}خواهم".into()));
    }

    #[test]
    fn what_acts_on_its_surroundings_is_refused() {
        for text in [
            "a\nb",
            "a\0b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{85}b",
            "a\u{2028}b",
        ] {
            assert_eq!(line(text, 10), Err(TextError::Control), "{text:?}");
        }
        assert_eq!(lines("a\r\nb\tc", 10), Ok("a\nb\tc".into()));
        assert_eq!(lines("a\rb", 10), Err(TextError::Control));
    }

    #[test]
    fn length_is_counted_in_characters_and_bounded_in_bytes() {
        assert_eq!(line(&"é".repeat(10), 10), Ok("é".repeat(10)));
        assert_eq!(line(&"é".repeat(11), 10), Err(TextError::TooLong));
        assert_eq!(line(&"a".repeat(1_000_000), 10), Err(TextError::TooLong));
        assert_eq!(line(" \t ", 10), Err(TextError::Empty));
        assert_eq!(optional_line(Some("  "), 10), Ok(None));
    }

    #[test]
    fn dates_have_one_form() {
        assert!(parse_date("2024-02-29").is_some());
        for text in [
            "2023-02-29",
            "20240229",
            "2024-2-29",
            "2024-02-29T00:00:00Z",
            "+002024-02",
            "",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
