//! Makes text from anywhere safe to draw: bounded, without control characters
//! or marks that reorder what stands around them.

/// Longest title or cell, in characters.
pub const MAX_TITLE: usize = 240;
/// Longest detail, in characters.
pub const MAX_DETAIL: usize = 600;

/// Cleans one line: white space collapsed, control and direction-override
/// characters dropped, cut with an ellipsis at `max` characters.
pub fn line(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max * 4));
    let mut count = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = count > 0;
            continue;
        }
        if is_unsafe(c) {
            continue;
        }
        if count + usize::from(space) >= max {
            out.push('…');
            return out;
        }
        if space {
            out.push(' ');
            count += 1;
            space = false;
        }
        out.push(c);
        count += 1;
    }
    out
}

/// A title.
pub fn title(text: &str) -> String {
    line(text, MAX_TITLE)
}

/// A detail.
pub fn detail(text: &str) -> String {
    line(text, MAX_DETAIL)
}

/// Cleans a text of several lines, cut at `max` characters. Returns the lines and
/// how many characters were cut.
pub fn lines(text: &str, max: usize) -> (Vec<String>, usize) {
    let mut out: Vec<String> = Vec::new();
    let mut left = max;
    let mut cut = 0;
    for raw in text.lines() {
        if left == 0 {
            cut += raw.chars().count();
            continue;
        }
        let length = raw.chars().count();
        let clean = line(raw, left);
        if length > left {
            cut += length - left;
        }
        left = left.saturating_sub(length.max(1));
        let blank = clean.is_empty();
        if blank && out.last().is_none_or(String::is_empty) {
            continue;
        }
        out.push(clean);
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    (out, cut)
}

/// Control characters, direction overrides, invisible fillers and what is not text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}'
            | '\u{f0000}'..='\u{10ffff}')
}

/// Drops the semantic tag with which SNOMED CT ends fully specified names:
/// `Asthma (disorder)` is read as `Asthma`.
pub fn without_tag(name: &str) -> &str {
    for tag in TAGS {
        if let Some(stem) = name.strip_suffix(tag) {
            return stem.trim_end();
        }
    }
    name
}

/// The semantic tag of a SNOMED CT name, without brackets.
pub fn semantic_tag(name: &str) -> Option<&'static str> {
    TAGS.iter()
        .find(|tag| name.ends_with(**tag))
        .map(|tag| tag.trim_matches(['(', ')']))
}

const TAGS: [&str; 16] = [
    "(disorder)",
    "(finding)",
    "(procedure)",
    "(situation)",
    "(regime/therapy)",
    "(physical object)",
    "(qualifier value)",
    "(occupation)",
    "(substance)",
    "(product)",
    "(event)",
    "(morphologic abnormality)",
    "(body structure)",
    "(observable entity)",
    "(person)",
    "(record artifact)",
];

/// A code made readable: `on-hold` is `on hold`, `encounter-diagnosis` is
/// `encounter diagnosis`.
pub fn words(code: &str) -> String {
    title(&code.replace(['-', '_'], " "))
}

/// With a capital letter in front.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// `1 record`, `2 records`.
pub fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_collapsed_bounded_and_without_controls() {
        assert_eq!(line("  a\t\u{7}b\n c ", 10), "a b c");
        assert_eq!(line("\u{202e}abc\u{200f}", 10), "abc");
        assert_eq!(line("abcdef", 3), "abc…");
        assert_eq!(line("", 3), "");
        assert_eq!(line("山田 太郎", 10), "山田 太郎");
    }

    #[test]
    fn lines_say_how_much_was_cut() {
        let (kept, cut) = lines("one\n\n\ntwo\n", 100);
        assert_eq!(kept, ["one", "", "two"]);
        assert_eq!(cut, 0);
        let (kept, cut) = lines("12345\n67890", 7);
        assert_eq!(kept, ["12345", "67…"]);
        assert_eq!(cut, 3);
    }

    #[test]
    fn semantic_tags_are_dropped_and_nothing_else() {
        assert_eq!(without_tag("Asthma (disorder)"), "Asthma");
        assert_eq!(without_tag("Diabetes (type 2)"), "Diabetes (type 2)");
        assert_eq!(semantic_tag("Asthma (disorder)"), Some("disorder"));
    }
}
