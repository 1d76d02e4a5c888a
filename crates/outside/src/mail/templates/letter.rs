//! A letter, written once as blocks, and its two renderings. Because both come
//! from the same blocks, the plain text never says less than the HTML.
//!
//! The HTML is for a phone first: one column, 16 px, inline CSS (some mail
//! programs drop style sheets), a button made of a table cell (Outlook draws no
//! other), no images and nothing loaded from anywhere. A style sheet adds the
//! dark colours where it is understood.

use std::fmt::Write as _;

use chartkey_domain::mail::{MAX_SUBJECT_CHARS, is_invisible, one_line};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use zeroize::Zeroizing;

use super::{MailText, WebUrl};

/// A piece of a sentence.
pub(super) enum Part<'a> {
    /// Our own words.
    Plain(&'a str),
    /// What somebody typed, on one line: bold, and isolated in its direction.
    Name(String),
}

/// What a letter is made of.
pub(super) enum Block<'a> {
    Paragraph(Vec<Part<'a>>),
    /// Somebody else's words, as many lines as they wrote.
    Quote {
        by: String,
        text: Zeroizing<String>,
    },
    /// Label and value, one below the other.
    Facts(Vec<(&'a str, String)>),
    Button {
        label: &'a str,
        url: &'a WebUrl,
    },
    /// A secondary remark.
    Note(&'a str),
    /// Something for machines and auditors, kept as it is.
    Verbatim {
        label: &'a str,
        text: String,
    },
}

/// A letter before it is rendered.
pub(super) struct Letter<'a> {
    pub kind: &'static str,
    pub subject: String,
    /// What a list of mails shows after the subject.
    pub preview: String,
    pub heading: String,
    pub blocks: Vec<Block<'a>>,
    /// Why the reader gets this, and what to do if it is a mistake.
    pub why: &'a str,
}

/// `text` by somebody else: line breaks stay, hidden characters go, at most
/// `max_chars` characters and 60 lines.
pub(super) fn lines(text: &str, max_chars: usize) -> Zeroizing<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = text
        .chars()
        .filter(|c| *c == '\n' || !is_invisible(*c))
        .take(max_chars)
        .collect();
    let mut lines: Vec<&str> = kept.trim().lines().map(str::trim_end).collect();
    // Blank lines one at a time: nobody pushes our footer out of sight.
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    lines.truncate(60);
    Zeroizing::new(lines.join("\n"))
}

impl Letter<'_> {
    pub(super) fn render(&self) -> MailText {
        MailText {
            kind: self.kind,
            subject: one_line(&self.subject, MAX_SUBJECT_CHARS),
            html: Zeroizing::new(self.html().into_string()),
            text: self.text(),
        }
    }

    fn text(&self) -> Zeroizing<String> {
        // Sized so that it never moves and leaves copies of a key behind.
        let mut text = Zeroizing::new(String::with_capacity(32 << 10));
        let mut add = |paragraph: &str| {
            text.push_str(paragraph);
            text.push_str("\n\n");
        };
        add(&self.heading);
        for block in &self.blocks {
            add(&block.text());
        }
        add("--");
        text.push_str(self.why);
        text.push('\n');
        text
    }

    fn html(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" dir="ltr" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="supported-color-schemes" content="light dark";
                    meta name="format-detection" content="telephone=no, date=no, address=no, email=no";
                    title { (self.subject) }
                    style { (PreEscaped(SHEET)) }
                }
                body class="page" style=(css::PAGE) {
                    div style=(css::PREVIEW) { (self.preview) }
                    table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" {
                        tr { td align="center" style=(css::FRAME) {
                            table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style=(css::COLUMN) {
                                tr { td style=(css::MASTHEAD) { (wordmark()) } }
                                tr { td class="card" bgcolor="#ffffff" style=(css::CARD) {
                                    h1 class="strong" style=(css::HEADING) { (self.heading) }
                                    @for block in &self.blocks { (block.html()) }
                                } }
                                tr { td class="soft" style=(css::FOOTER) {
                                    p style="margin:0 0 8px" { (self.why) }
                                    p style="margin:0" { "Chartkey · your medical record, in your hands" }
                                } }
                            }
                        } }
                    }
                }
            }
        }
    }
}

impl Block<'_> {
    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        match self {
            Self::Paragraph(parts) => {
                for part in parts {
                    match part {
                        Part::Plain(words) => text.push_str(words),
                        Part::Name(name) => text.push_str(name),
                    }
                }
            }
            Self::Quote { by, text: words } => {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "{by} writes:");
                for line in words.lines() {
                    text.push_str("\n> ");
                    text.push_str(line);
                }
            }
            Self::Facts(facts) => {
                let facts = facts
                    .iter()
                    .map(|(label, value)| format!("{label}: {value}"));
                text.push_str(&facts.collect::<Vec<_>>().join("\n"));
            }
            Self::Button { label, url } => {
                text.reserve(label.len() + url.as_str().len() + 2);
                text.push_str(label);
                text.push_str(":\n");
                text.push_str(url.as_str());
            }
            Self::Note(words) => text.push_str(words),
            Self::Verbatim { label, text: words } => {
                text.push_str(label);
                text.push_str(":\n");
                text.push_str(words);
            }
        }
        text
    }

    fn html(&self) -> Markup {
        match self {
            Self::Paragraph(parts) => html! {
                p style=(css::PARAGRAPH) {
                    @for part in parts {
                        @match part {
                            Part::Plain(words) => (words),
                            Part::Name(name) => strong class="strong" { bdi { (name) } },
                        }
                    }
                }
            },
            Self::Quote { by, text } => html! {
                p class="soft" style=(css::LABEL) { bdi { (by) } " writes" }
                blockquote class="quote" dir="auto" style=(css::QUOTE) {
                    @for (n, line) in text.lines().enumerate() {
                        @if n > 0 { br; }
                        (line)
                    }
                }
            },
            Self::Facts(facts) => html! {
                @for (label, value) in facts {
                    p class="soft" style=(css::LABEL) { (label) }
                    p class="strong" style=(css::FACT) { (value) }
                }
            },
            Self::Button { label, url } => html! {
                table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style=(css::BUTTON_FRAME) {
                    tr { td class="button" align="center" bgcolor="#0b5d57" style=(css::BUTTON) {
                        a href=(url.as_str()) target="_blank" rel="noopener noreferrer" style=(css::BUTTON_LINK) { (label) }
                    } }
                }
                p class="soft" style=(css::FALLBACK) {
                    "Or copy this address into your browser:" br;
                    a class="link" href=(url.as_str()) target="_blank" rel="noopener noreferrer" style=(css::FALLBACK_LINK) { (url.as_str()) }
                }
            },
            Self::Note(words) => html! { p class="soft" style=(css::NOTE) { (words) } },
            Self::Verbatim { label, text } => html! {
                p class="soft" style=(css::LABEL) { (label) }
                pre class="soft" style=(css::VERBATIM) { (text) }
            },
        }
    }
}

fn wordmark() -> Markup {
    html! {
        span class="mark" style=(css::MARK) { "C" }
        span class="strong" style=(css::WORDMARK) { "Chartkey" }
    }
}

/// Dark colours, for mail programs that read style sheets. Contrast of text is
/// at least 7:1, of soft text 4.5:1, in both.
const SHEET: &str = "\
:root{color-scheme:light dark;supported-color-schemes:light dark}\
@media (prefers-color-scheme:dark){\
.page{background:#0f1514!important;color:#dfe7e5!important}\
.card{background:#18211f!important;border-color:#2a3734!important}\
.strong{color:#f3f7f6!important}\
.soft{color:#9fb0ac!important}\
.quote{background:#1f2b28!important;border-color:#57c7b8!important;color:#dfe7e5!important}\
.button{background:#57c7b8!important}\
.button a{color:#06211e!important}\
.mark{background:#57c7b8!important;color:#06211e!important}\
.link{color:#7fd8cc!important}}";

/// Styles of elements, in the light colours.
mod css {
    pub const PAGE: &str = "margin:0;padding:0;background:#eef3f2;color:#26302e;\
        font:400 16px/1.5 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
        -webkit-text-size-adjust:100%";
    pub const PREVIEW: &str = "display:none;max-height:0;overflow:hidden;mso-hide:all";
    pub const FRAME: &str = "padding:24px 12px 40px";
    pub const COLUMN: &str = "max-width:560px;margin:0 auto";
    pub const MASTHEAD: &str = "padding:0 8px 16px";
    pub const MARK: &str = "display:inline-block;width:28px;height:28px;border-radius:8px;\
        background:#0b5d57;color:#ffffff;font-weight:700;font-size:16px;line-height:28px;\
        text-align:center;vertical-align:middle";
    pub const WORDMARK: &str = "padding-left:10px;color:#12201e;font-weight:600;font-size:18px;\
        letter-spacing:-0.01em;vertical-align:middle";
    pub const CARD: &str = "background:#ffffff;border:1px solid #dbe5e3;border-radius:16px;\
        padding:28px 24px 12px";
    pub const HEADING: &str = "margin:0 0 16px;color:#12201e;font-size:24px;line-height:1.25;\
        font-weight:700;letter-spacing:-0.015em;overflow-wrap:anywhere";
    pub const PARAGRAPH: &str =
        "margin:0 0 16px;font-size:16px;line-height:1.5;overflow-wrap:anywhere";
    pub const LABEL: &str = "margin:0 0 4px;color:#566562;font-size:14px;line-height:1.4";
    pub const FACT: &str = "margin:0 0 16px;color:#12201e;font-size:16px;line-height:1.45;\
        font-weight:600;overflow-wrap:anywhere";
    pub const QUOTE: &str = "margin:0 0 20px;padding:12px 16px;background:#f1f6f5;\
        border-left:4px solid #0b5d57;border-radius:4px 10px 10px 4px;font-size:16px;line-height:1.5;\
        overflow-wrap:anywhere";
    pub const BUTTON_FRAME: &str = "margin:8px 0 12px";
    pub const BUTTON: &str = "background:#0b5d57;border-radius:12px";
    pub const BUTTON_LINK: &str = "display:block;padding:15px 20px;color:#ffffff;font-size:17px;\
        line-height:1.3;font-weight:600;text-decoration:none";
    pub const FALLBACK: &str = "margin:0 0 20px;color:#566562;font-size:13px;line-height:1.45";
    pub const FALLBACK_LINK: &str = "color:#0b5d57;word-break:break-all";
    pub const NOTE: &str = "margin:0 0 16px;color:#566562;font-size:14px;line-height:1.5";
    pub const VERBATIM: &str = "margin:0 0 16px;color:#566562;font:400 12px/1.4 ui-monospace,\
        SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;word-break:break-all";
    pub const FOOTER: &str = "padding:20px 24px 0;color:#566562;font-size:13px;line-height:1.5";
}
