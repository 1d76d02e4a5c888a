//! What a server holds: resources by type and id, and how a made-up patient of
//! Synthea comes to be among them.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Largest record in an archive, in bytes.
const MAX_RECORD: u64 = 32 << 20;

/// Made-up patients whose record a server can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A small adult: 164 resources.
    Small,
    /// An elder with many laboratory results and notes: 1,275 resources.
    Elder,
    /// Decades of observations, some of them sensitive: 1,186 resources.
    Longitudinal,
}

impl Record {
    fn archive(self) -> &'static [u8] {
        match self {
            Self::Small => include_bytes!("../../../../testdata/synthea/s10-small-adult.json.gz"),
            Self::Elder => {
                include_bytes!("../../../../testdata/synthea/s07-many-labs-elder.json.gz")
            }
            Self::Longitudinal => {
                include_bytes!("../../../../testdata/synthea/s08-hiv-module-longitudinal.json.gz")
            }
        }
    }

    fn bundle(self) -> Value {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(self.archive())
            .take(MAX_RECORD)
            .read_to_end(&mut text)
            .expect("the archive is part of this program");
        serde_json::from_slice(&text).expect("the archive holds a Bundle")
    }
}

/// A resource, and how often it was written.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) value: Value,
    pub(crate) updated: Timestamp,
    pub(crate) version: u64,
}

/// Everything a server holds, by type and id.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    by_type: BTreeMap<String, BTreeMap<String, Held>>,
    next_id: u64,
}

impl Resources {
    /// Puts a resource under its own id, as it was changed now.
    ///
    /// # Panics
    /// Without a type and an id.
    pub(crate) fn put(&mut self, mut value: Value, now: Timestamp) -> Held {
        let word = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = word("resourceType").expect("a resource has a type");
        let id = word("id").expect("a resource has an id");
        let held = self.by_type.entry(kind).or_default();
        let version = held.get(&id).map_or(1, |held| held.version + 1);
        if !value.get("meta").is_some_and(Value::is_object) {
            set(&mut value, "meta", json!({}));
        }
        if let Some(meta) = value.get_mut("meta") {
            set(meta, "lastUpdated", json!(now.to_string()));
            set(meta, "versionId", json!(version.to_string()));
        }
        let new = Held {
            value,
            updated: now,
            version,
        };
        held.insert(id, new.clone());
        new
    }

    /// Puts a resource under an id of the server's own.
    pub(crate) fn create(&mut self, mut value: Value, now: Timestamp) -> Held {
        self.next_id += 1;
        set(&mut value, "id", json!(format!("made-{}", self.next_id)));
        self.put(value, now)
    }

    pub(crate) fn get(&self, kind: &str, id: &str) -> Option<&Held> {
        self.by_type.get(kind)?.get(id)
    }

    pub(crate) fn remove(&mut self, kind: &str, id: &str) -> bool {
        self.by_type
            .get_mut(kind)
            .is_some_and(|held| held.remove(id).is_some())
    }

    pub(crate) fn all<'a>(&'a self, kind: &str) -> impl Iterator<Item = (&'a str, &'a Held)> {
        self.by_type
            .get(kind)
            .into_iter()
            .flatten()
            .map(|(id, held)| (id.as_str(), held))
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = &str> {
        self.by_type.keys().map(String::as_str)
    }

    /// Takes a patient's record in. Files inside documents become Binaries, as
    /// servers have them. Answers the patient's id.
    pub(crate) fn load(&mut self, record: Record, base: &str, now: Timestamp) -> String {
        let bundle = record.bundle();
        let entries = bundle.get("entry").and_then(Value::as_array);
        let resources: Vec<&Value> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("resource"))
            .collect();
        let word = |value: &Value, name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let names: BTreeMap<String, String> = resources
            .iter()
            .filter_map(|value| {
                let id = word(value, "id")?;
                let name = format!("{}/{id}", word(value, "resourceType")?);
                Some((format!("urn:uuid:{id}"), name))
            })
            .collect();
        let mut patient = String::new();
        for value in resources {
            let mut value = value.clone();
            point(&mut value, &names);
            let Some(id) = word(&value, "id") else {
                continue;
            };
            match word(&value, "resourceType").as_deref() {
                Some("Patient") => patient = id,
                Some("DocumentReference") => self.take_file_out(&mut value, &id, base, now),
                _ => {}
            }
            self.put(value, now);
        }
        patient
    }

    fn take_file_out(&mut self, document: &mut Value, id: &str, base: &str, now: Timestamp) {
        let Some(attachment) = document.pointer_mut("/content/0/attachment") else {
            return;
        };
        let Some(data) = attachment.as_object_mut().and_then(|a| a.remove("data")) else {
            return;
        };
        let kind = attachment.get("contentType").and_then(Value::as_str);
        let kind = kind.unwrap_or("text/plain").to_owned();
        let binary = format!("file-{id}");
        set(attachment, "url", json!(format!("{base}/Binary/{binary}")));
        self.put(
            json!({"resourceType": "Binary", "id": binary, "contentType": kind, "data": data}),
            now,
        );
    }

    /// Puts a document and its file; the file's id is `file-` and the document's.
    pub(crate) fn put_document(&mut self, document: &NewDocument<'_>, base: &str, now: Timestamp) {
        let NewDocument {
            patient,
            id,
            title,
            content_type,
            bytes,
        } = *document;
        let binary = format!("file-{id}");
        let attachment = json!({"contentType": content_type, "title": title,
            "url": format!("{base}/Binary/{binary}"), "size": bytes.len()});
        let coding = json!({"system": "http://loinc.org", "code": "34133-9"});
        self.put(
            json!({"resourceType": "Binary", "id": binary, "contentType": content_type,
                "data": STANDARD.encode(bytes)}),
            now,
        );
        self.put(
            json!({"resourceType": "DocumentReference", "id": id, "status": "current",
                "type": {"coding": [coding], "text": title},
                "subject": {"reference": format!("Patient/{patient}")},
                "date": now.to_string(), "content": [{"attachment": attachment}]}),
            now,
        );
    }
}

/// A document to be held.
#[derive(Clone, Copy, Debug)]
pub struct NewDocument<'a> {
    /// Whose it is.
    pub patient: &'a str,
    /// Its id.
    pub id: &'a str,
    /// What it is called.
    pub title: &'a str,
    /// What its file is.
    pub content_type: &'a str,
    /// Its file.
    pub bytes: &'a [u8],
}

pub(crate) fn set(value: &mut Value, name: &str, to: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(name.to_owned(), to);
    }
}

/// Lets references lead to ids instead of places in a Bundle.
fn point(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = names.get(text.as_str()) {
                text.clone_from(name);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point(item, names)),
        Value::Object(fields) => fields.values_mut().for_each(|item| point(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The id of the patient that a resource is about.
pub(crate) fn patient_of(value: &Value) -> Option<&str> {
    ["subject", "patient", "beneficiary", "for"]
        .iter()
        .find_map(|field| value.get(*field)?.get("reference")?.as_str())
        .and_then(|reference| reference.strip_prefix("Patient/"))
}
