//! The fonts that documents are set in, embedded, read once when the first
//! document is made.
//!
//! Noto Sans for Latin, Greek and Cyrillic; one Noto face each for the scripts
//! listed in `pdf/fonts/README.md`; Droid Sans Fallback for Chinese, Japanese and
//! Korean. A character that none of them has is drawn as an empty box.

use std::sync::LazyLock;

use typst::foundations::Bytes;
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;

/// Fonts and what is known about them.
pub struct Fonts {
    /// What the compiler chooses from.
    pub book: LazyHash<FontBook>,
    /// The fonts, in the book's order.
    pub list: Vec<Font>,
}

/// All fonts.
pub static FONTS: LazyLock<Fonts> = LazyLock::new(|| {
    let list: Vec<Font> = FILES
        .iter()
        .flat_map(|file| Font::iter(Bytes::new(*file)))
        .collect();
    Fonts {
        book: LazyHash::new(FontBook::from_fonts(&list)),
        list,
    }
});

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(include_bytes!(concat!("../pdf/fonts/", $name))),*]
    };
}

const FILES: &[&[u8]] = files![
    "NotoSans-Regular.ttf",
    "NotoSans-Bold.ttf",
    "NotoSans-Italic.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansArabic-Bold.ttf",
    "NotoSansArmenian-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansEthiopic-Regular.ttf",
    "NotoSansGeorgian-Regular.ttf",
    "NotoSansGujarati-Regular.ttf",
    "NotoSansGurmukhi-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansHebrew-Bold.ttf",
    "NotoSansKannada-Regular.ttf",
    "NotoSansKhmer-Regular.ttf",
    "NotoSansLao-Regular.ttf",
    "NotoSansMalayalam-Regular.ttf",
    "NotoSansMath-Regular.ttf",
    "NotoSansMyanmar-Regular.ttf",
    "NotoSansSinhala-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansTelugu-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "DroidSansFallback.ttf",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_file_is_a_font() {
        assert_eq!(FONTS.list.len(), FILES.len());
        for font in &FONTS.list {
            assert!(
                FONTS
                    .book
                    .contains_family(&font.info().family.to_lowercase()),
                "{}",
                font.info().family
            );
        }
    }
}
