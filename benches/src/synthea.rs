//! The made-up patients of `testdata/synthea`, and the words in them that
//! nobody but a key-holder may ever find.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The Bundle of that name, as JSON text.
pub fn bundle(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/synthea")
        .join(format!("{name}.json.gz"));
    let file =
        std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .expect("a Bundle is text");
    text
}

/// Fields whose texts say something about somebody.
const CLINICAL: &[&str] = &[
    "display",
    "text",
    "div",
    "note",
    "value",
    "valueString",
    "title",
    "description",
    "name",
    "family",
    "given",
    "line",
    "city",
    "conclusion",
    "comment",
    "patientInstruction",
    "data",
    "authorString",
    "serialNumber",
    "lotNumber",
    "udi",
    "deviceName",
    "distinctIdentifier",
];

/// Every text of at least 8 characters that says something about somebody:
/// displays, texts, notes, values, narratives, names.
pub fn clinical_strings(json: &str) -> BTreeSet<String> {
    let value: Value = serde_json::from_str(json).expect("a Bundle is JSON");
    let mut found = BTreeSet::new();
    walk(&value, "", &mut |field, text| {
        if CLINICAL.contains(&field) {
            take(text, &mut found);
        }
        // Notes are attachments; what they say is inside.
        let inside = (field == "data")
            .then(|| STANDARD.decode(text).ok())
            .flatten();
        if let Some(inside) = inside.and_then(|bytes| String::from_utf8(bytes).ok()) {
            take(&inside, &mut found);
        }
    });
    found
}

/// Every text of at least 8 characters of a JSON value, wherever it stands.
pub fn strings_of(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(value, "", &mut |_, text| take(text, &mut found));
    found
}

/// A long text is looked for in pieces too, since a whole narrative would
/// hardly be met as a whole.
fn take(text: &str, found: &mut BTreeSet<String>) {
    let pieces = text.split(['\n', '<', '>', '\\', '"']).map(str::trim);
    for piece in std::iter::once(text.trim()).chain(pieces) {
        if piece.chars().count() >= 8 && piece.len() <= 512 {
            found.insert(piece.to_owned());
        }
    }
}

fn walk(value: &Value, field: &str, see: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => see(field, text),
        Value::Array(items) => items.iter().for_each(|item| walk(item, field, see)),
        Value::Object(fields) => fields.iter().for_each(|(name, item)| walk(item, name, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
