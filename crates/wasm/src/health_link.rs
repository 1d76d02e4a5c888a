//! A SMART Health Link of whichever system: `HealthLink`.
//!
//! Where its files are fetched from is the page's business: it asks whoever
//! keeps them, and hands what came over to be opened. Nothing of it is stored,
//! and nothing of it is believed to be anybody's: no signature is checked here.

use chartkey_crypto::SecretBytes;
use chartkey_fhir::{
    Kinds, Limits, PlannedItem, RecordType,
    clinical::{ClinicalDocument, ClinicalRecord},
    plan_import,
};
use chartkey_vault::{
    VaultError,
    link::{FHIR_JSON, Shlink, open_file},
};
use serde::Serialize;
use serde_json::{Value, json};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::said::{refuse, refuse_with, say};

/// Bytes of everything that one link may inflate to.
const MAX_BYTES: usize = 64 << 20;

/// A link of another system and what its files held, in memory only.
#[wasm_bindgen]
pub struct HealthLink {
    link: Shlink,
    items: Vec<PlannedItem>,
    left: usize,
}

#[derive(Serialize)]
struct AboutView<'a> {
    url: &'a str,
    label: Option<&'a str>,
    exp: Option<i64>,
    needs_passcode: bool,
    single_file: bool,
}

/// What an opened file held.
#[derive(Serialize)]
struct FileView {
    content_type: String,
    /// Resources taken from it.
    taken: usize,
    /// Its text where it is not FHIR, for whoever knows what to do with it.
    text: Option<String>,
}

#[derive(Serialize)]
struct ItemView<'a> {
    id: String,
    record_type: RecordType,
    kinds: Kinds,
    resource_type: &'a str,
    title: &'a str,
    date: Option<&'a str>,
    size: usize,
}

#[wasm_bindgen]
impl HealthLink {
    /// Reads a link as it was scanned, with a viewer's address before it or not.
    pub fn parse(text: &str) -> Result<HealthLink, JsValue> {
        Ok(Self {
            link: Shlink::parse(text).map_err(refuse)?,
            items: Vec::new(),
            left: MAX_BYTES,
        })
    }

    /// `{url, label, exp, needs_passcode, single_file}`; `exp` is a hint, in
    /// seconds since 1970.
    pub fn about(&self) -> Result<String, JsValue> {
        say(&AboutView {
            url: &self.link.url,
            label: self.link.label.as_deref(),
            exp: self.link.exp,
            needs_passcode: self.link.flags.passcode,
            single_file: self.link.flags.single_file,
        })
    }

    /// Opens one file of it and takes the FHIR in it: `{content_type, taken, text}`.
    #[wasm_bindgen(js_name = takeFile)]
    pub fn take_file(&mut self, jwe: &str) -> Result<String, JsValue> {
        let file = open_file(&self.link.key, jwe.trim(), self.left)
            .map_err(|error| refuse_with(422, error.code(), &error.to_string()))?;
        let fhir = file.content_type.starts_with(FHIR_JSON);
        let (taken, text) = if fhir {
            (self.take(file.plain)?, None)
        } else {
            let bytes = file.plain.into_vec();
            self.left = self.left.saturating_sub(bytes.len());
            (0, String::from_utf8(bytes).ok())
        };
        say(&FileView {
            content_type: file.content_type,
            taken,
            text,
        })
    }

    /// Takes FHIR that was in something else, such as a health card; says how
    /// many resources.
    #[wasm_bindgen(js_name = takeFhir)]
    pub fn take_fhir(&mut self, text: String) -> Result<usize, JsValue> {
        self.take(SecretBytes::new(text.into_bytes()))
    }

    fn take(&mut self, bytes: SecretBytes) -> Result<usize, JsValue> {
        let limits = Limits {
            max_bytes: self.left,
            ..Limits::default()
        };
        let plan = plan_import(&bytes, Some(FHIR_JSON), &limits)
            .map_err(|error| refuse_with(422, error.code(), &error.to_string()))?;
        self.left = self.left.saturating_sub(bytes.len());
        let taken = plan.items.len();
        self.items.extend(plan.items);
        Ok(taken)
    }

    /// What it holds, supporting resources left out: `[{id, record_type, kinds,
    /// resource_type, title, date, size}]`. Ids count within this link.
    pub fn items(&self) -> Result<String, JsValue> {
        let shown = self.items.iter().enumerate().filter(|(_, i)| !i.supporting);
        let views = shown.map(|(at, item)| ItemView {
            id: at.to_string(),
            record_type: item.record_type,
            kinds: item.kinds,
            resource_type: &item.resource_type,
            title: &item.header.title,
            date: item.header.date.as_deref(),
            size: item.bytes.len(),
        });
        say(&views.collect::<Vec<_>>())
    }

    /// One resource as it came.
    pub fn resource(&self, id: &str) -> Result<String, JsValue> {
        let found = id.parse().ok().and_then(|at: usize| self.items.get(at));
        let found = found.ok_or_else(|| refuse(VaultError::NoKey))?;
        String::from_utf8(found.bytes.clone()).map_err(|_| refuse(VaultError::Internal))
    }

    /// The clinical document.
    pub fn document(&self) -> Result<String, JsValue> {
        let shown = || self.items.iter().enumerate().filter(|(_, i)| !i.supporting);
        let read: Vec<(String, Option<Value>)> = shown()
            .map(|(at, item)| (at.to_string(), serde_json::from_slice(&item.bytes).ok()))
            .collect();
        let records: Vec<ClinicalRecord<'_>> = shown()
            .zip(&read)
            .map(|((_, item), (id, resource))| ClinicalRecord {
                id,
                record_type: item.record_type,
                sensitivity: item.kinds,
                resource: resource.as_ref(),
                text: None,
                title: &item.header.title,
                date: item.header.date.as_deref(),
                source: None,
                author: None,
                sealed_by_server: false,
                file: None,
            })
            .collect();
        say(&ClinicalDocument::from_records(&records))
    }

    /// Everything as one FHIR Bundle.
    #[wasm_bindgen(js_name = exportBundle)]
    pub fn export_bundle(&self) -> Result<String, JsValue> {
        let entries = self.items.iter().map(|item| {
            let resource: Value = serde_json::from_slice(&item.bytes).ok()?;
            Some(match &item.full_url {
                Some(url) => json!({ "fullUrl": url, "resource": resource }),
                None => json!({ "resource": resource }),
            })
        });
        let entries: Vec<Value> = entries.flatten().collect();
        say(&json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }))
    }
}
