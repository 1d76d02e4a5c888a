//! `.env`: lines of `NAME=value`, with comments, quotes and `export`.
//! Knows no names.

use std::collections::BTreeMap;

use super::ConfigError;

/// The pairs of a `.env` file; later lines win.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut pairs = BTreeMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(ConfigError::Dotenv(index + 1))?;
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(ConfigError::Dotenv(index + 1));
        }
        pairs.insert(name.to_owned(), unquote(value.trim()).to_owned());
    }
    Ok(pairs)
}

/// What stands between quotes, or what stands before a comment.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some((inside, _)) = rest.split_once(quote)
        {
            return inside;
        }
    }
    value
        .split_once(" #")
        .map_or(value, |(before, _)| before.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_exports_are_understood() {
        let pairs =
            parse("\u{feff}# top\nA=1\nexport B='two # not a comment'\nC=\"x y\" # z\nD=a#b\nE=\n")
                .unwrap();
        let get = |name: &str| pairs.get(name).map(String::as_str);
        assert_eq!(get("A"), Some("1"));
        assert_eq!(get("B"), Some("two # not a comment"));
        assert_eq!(get("C"), Some("x y"));
        assert_eq!(get("D"), Some("a#b"));
        assert_eq!(get("E"), Some(""));
    }

    #[test]
    fn a_line_that_is_no_pair_is_named() {
        assert!(matches!(
            parse("A=1\nnonsense\n"),
            Err(ConfigError::Dotenv(2))
        ));
        assert!(matches!(parse("A B=1\n"), Err(ConfigError::Dotenv(1))));
    }
}
