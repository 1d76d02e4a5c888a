//! The fonts that documents are set in.
//!
//! Noto Sans for Latin, Greek and Cyrillic; one Noto face each for the scripts
//! listed in `pdf/fonts/README.md`; Droid Sans Fallback for Chinese, Japanese and
//! Korean. A character that none of them has is drawn as an empty box.
//!
//! `pdf/fonts/book.json` says of each font what it is called and which characters
//! it has, so that a press can choose before any font is there.

#[cfg(feature = "embedded")]
use std::sync::LazyLock;

use typst::foundations::Bytes;
use typst::text::{Font, FontBook, FontInfo};
use typst::utils::LazyHash;

use crate::{PdfError, Sheet};

const BOOK: &str = include_str!("../pdf/fonts/book.json");

/// Fonts and what is known about them.
pub struct Fonts {
    pub(crate) book: LazyHash<FontBook>,
    /// In the order of the book; none where it was not brought yet.
    faces: Vec<Option<Font>>,
}

impl Default for Fonts {
    fn default() -> Self {
        Self::new()
    }
}

impl Fonts {
    /// All fonts known, none at hand.
    pub fn new() -> Self {
        let infos: Vec<FontInfo> =
            serde_json::from_str(BOOK).expect("a test holds the book against the fonts");
        Self {
            faces: vec![None; infos.len()],
            book: LazyHash::new(FontBook::from_infos(infos)),
        }
    }

    /// All fonts, read once when the first document is made.
    #[cfg(feature = "embedded")]
    pub fn embedded() -> &'static Self {
        static FONTS: LazyLock<Fonts> = LazyLock::new(|| {
            let faces = || FILES.iter().map(|file| Font::new(Bytes::new(*file), 0));
            Fonts {
                book: LazyHash::new(FontBook::from_fonts(
                    faces().flatten().collect::<Vec<_>>().iter(),
                )),
                faces: faces().collect(),
            }
        });
        &FONTS
    }

    /// The names of the files that a sheet needs and that are not at hand: of each
    /// character the first family that has it, as the templates list them.
    pub fn needed(&self, sheet: &Sheet) -> Vec<&'static str> {
        let mut wanted = vec![false; NAMES.len()];
        let mut known = std::collections::HashSet::new();
        // Heavier and slanted faces stand beside the plain one, in one family.
        for c in sheet.chars().filter(|c| !is_drawn_by_none(*c)) {
            if !known.insert(c) {
                continue;
            }
            let first = (0..NAMES.len())
                .filter_map(|at| self.book.info(at))
                .find(|info| info.coverage.contains(u32::from(c)));
            for (at, wanted) in wanted.iter_mut().enumerate() {
                let family = self.book.info(at).map(|info| &info.family);
                *wanted |= first.is_some_and(|first| family == Some(&first.family));
            }
        }
        let lacking = NAMES.iter().zip(&self.faces).zip(wanted);
        lacking
            .filter(|((_, face), wanted)| *wanted && face.is_none())
            .map(|((name, _), _)| *name)
            .collect()
    }

    /// Takes the bytes of the file of this name.
    ///
    /// # Errors
    /// [`PdfError::Font`] where they are not that font.
    pub fn bring(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), PdfError> {
        let at = NAMES.iter().position(|one| *one == name);
        let at = at.ok_or(PdfError::Font)?;
        let font = Font::new(Bytes::new(bytes), 0).ok_or(PdfError::Font)?;
        if self.book.info(at) != Some(font.info()) {
            return Err(PdfError::Font);
        }
        *self.faces.get_mut(at).ok_or(PdfError::Font)? = Some(font);
        Ok(())
    }

    pub(crate) fn face(&self, index: usize) -> Option<Font> {
        self.faces.get(index)?.clone()
    }
}

/// White space and what only steers the setting: no font is fetched for them.
fn is_drawn_by_none(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// The files, family by family as the templates list them.
        const NAMES: &[&str] = &[$($name),*];
        #[cfg(feature = "embedded")]
        const FILES: &[&[u8]] = &[$(include_bytes!(concat!("../pdf/fonts/", $name))),*];
    };
}

files![
    "NotoSans-Regular.ttf",
    "NotoSans-Bold.ttf",
    "NotoSans-Italic.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansArabic-Bold.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansHebrew-Bold.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansTelugu-Regular.ttf",
    "NotoSansKannada-Regular.ttf",
    "NotoSansMalayalam-Regular.ttf",
    "NotoSansGujarati-Regular.ttf",
    "NotoSansGurmukhi-Regular.ttf",
    "NotoSansSinhala-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoSansLao-Regular.ttf",
    "NotoSansKhmer-Regular.ttf",
    "NotoSansMyanmar-Regular.ttf",
    "NotoSansArmenian-Regular.ttf",
    "NotoSansGeorgian-Regular.ttf",
    "NotoSansEthiopic-Regular.ttf",
    "DroidSansFallback.ttf",
    "NotoSansMath-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn infos() -> Vec<FontInfo> {
        let faces = Fonts::embedded().faces.iter();
        faces
            .map(|face| face.clone().unwrap().info().clone())
            .collect()
    }

    #[test]
    fn the_book_says_what_the_fonts_do() {
        let said = infos()
            .iter()
            .map(|info| serde_json::to_string(info).unwrap())
            .collect::<Vec<_>>();
        let said = format!("[\n{}\n]\n", said.join(",\n"));
        if std::env::var_os("CHARTKEY_WRITE_BOOK").is_some() {
            std::fs::write(
                concat!(env!("CARGO_MANIFEST_DIR"), "/pdf/fonts/book.json"),
                &said,
            )
            .unwrap();
        }
        assert!(
            said == BOOK,
            "CHARTKEY_WRITE_BOOK=1 writes it anew; build again then"
        );
    }

    #[test]
    fn families_stand_in_the_order_in_which_the_templates_try_them() {
        let theme = include_str!("../pdf/theme.typ");
        let list = theme
            .split("#let fonts = (")
            .nth(1)
            .unwrap()
            .split(')')
            .next()
            .unwrap();
        let tried: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        let mut families: Vec<String> = infos().into_iter().map(|info| info.family).collect();
        families.dedup();
        assert_eq!(families, tried);
    }

    #[test]
    fn what_is_not_the_font_of_that_name_is_refused() {
        let bytes = |name: &str| FILES[NAMES.iter().position(|one| *one == name).unwrap()].to_vec();
        let mut fonts = Fonts::new();
        let bold = "NotoSans-Bold.ttf";
        assert!(fonts.bring("../NotoSans-Bold.ttf", bytes(bold)).is_err());
        assert!(fonts.bring(bold, bytes("NotoSans-Regular.ttf")).is_err());
        assert!(fonts.bring(bold, b"nothing".to_vec()).is_err());
        assert!(fonts.bring(bold, bytes(bold)).is_ok());
    }
}
