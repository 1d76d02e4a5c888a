//! The world that the typesetter sees: the templates, one file of data, the
//! fonts at hand. No disk, no network, no packages, no clock.

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};

use std::sync::LazyLock;

use crate::fonts::Fonts;

/// The clinical document.
pub const CLINICAL: &str = "clinical.typ";
/// The recovery kit.
pub const KIT: &str = "kit.typ";

/// The templates, by name.
const TEMPLATES: [(&str, &str); 5] = [
    (CLINICAL, include_str!("../pdf/clinical.typ")),
    (KIT, include_str!("../pdf/kit.typ")),
    ("theme.typ", include_str!("../pdf/theme.typ")),
    ("front.typ", include_str!("../pdf/front.typ")),
    ("sections.typ", include_str!("../pdf/sections.typ")),
];

static LIBRARY: LazyLock<LazyHash<Library>> = LazyLock::new(|| LazyHash::new(Library::default()));

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    TEMPLATES
        .iter()
        .map(|(name, text)| Source::new(file_id(name), (*text).to_owned()))
        .collect()
});

/// The texts of the templates.
pub fn texts() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|(_, text)| *text)
}

fn file_id(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("the names above are plain file names");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

/// The templates with one document's data.
pub struct Desk<'a> {
    fonts: &'a Fonts,
    main: FileId,
    data_id: FileId,
    data: Bytes,
}

impl<'a> Desk<'a> {
    /// A world whose document is `main`, and in which `data.json` has these bytes.
    pub fn new(fonts: &'a Fonts, main: &str, data: Vec<u8>) -> Self {
        Self {
            fonts,
            main: file_id(main),
            data_id: file_id("data.json"),
            data: Bytes::new(data),
        }
    }
}

impl World for Desk<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.fonts.book
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        SOURCES
            .iter()
            .find(|source| source.id() == id)
            .cloned()
            .ok_or(FileError::AccessDenied)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.data_id {
            Ok(self.data.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.face(index)
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}
