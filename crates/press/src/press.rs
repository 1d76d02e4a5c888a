//! The press: one document, its fonts, its PDF.

use chartkey_paper::{Fonts, Kit, PdfError, PdfNotice, Sheet};
use jiff::Timestamp;
use js_sys::{Error, Reflect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

/// What stands on the document besides the record.
#[derive(Deserialize)]
struct Notice {
    patient_name: String,
    recipient: String,
    sender: String,
    share_id: Option<String>,
    purpose: Option<String>,
    message: Option<String>,
    generated_at: Timestamp,
    expires_at: Option<Timestamp>,
    checkpoint: Option<String>,
}

/// A recovery kit in the words of its owner.
#[derive(Deserialize)]
struct KitWords {
    lang: String,
    title: String,
    facts: Vec<(String, String)>,
    code: String,
    about: Vec<String>,
    warning: String,
    made: Timestamp,
}

/// Sets one document at a time.
#[wasm_bindgen]
pub struct Press {
    fonts: Fonts,
    sheet: Option<Sheet>,
}

impl Default for Press {
    fn default() -> Self {
        Self::new()
    }
}

#[wasm_bindgen]
impl Press {
    /// A press without fonts.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self {
            fonts: Fonts::new(),
            sheet: None,
        }
    }

    /// Lays a clinical document as the vault told it, with what stands on it:
    /// `{patient_name, recipient, sender, share_id?, purpose?, message?,
    /// generated_at, expires_at?, checkpoint?}`.
    #[wasm_bindgen(js_name = layDocument)]
    pub fn lay_document(&mut self, document: &str, notice: &str) -> Result<(), JsValue> {
        let document: Value = hear(document)?;
        let notice: Notice = hear(notice)?;
        let notice = PdfNotice {
            patient_name: &notice.patient_name,
            recipient: &notice.recipient,
            sender: &notice.sender,
            share_id: notice.share_id.as_deref(),
            purpose: notice.purpose.as_deref(),
            message: notice.message.as_deref(),
            generated_at: notice.generated_at,
            expires_at: notice.expires_at,
            checkpoint: notice.checkpoint.as_deref(),
            footer: None,
        };
        self.sheet = Some(Sheet::clinical(&document, &notice).map_err(|why| refuse(&why))?);
        Ok(())
    }

    /// Lays a recovery kit: `{lang, title, facts: [label, text][], code,
    /// about: string[], warning, made}`.
    #[wasm_bindgen(js_name = layKit)]
    pub fn lay_kit(&mut self, kit: &str) -> Result<(), JsValue> {
        let words: KitWords = hear(kit)?;
        let kit = Kit {
            lang: &words.lang,
            title: &words.title,
            facts: &words.facts,
            code: &words.code,
            about: &words.about,
            warning: &words.warning,
        };
        self.sheet = Some(Sheet::kit(&kit, words.made).map_err(|why| refuse(&why))?);
        Ok(())
    }

    /// Names of the font files that what is laid needs and that are not here.
    pub fn needed(&self) -> Vec<String> {
        let sheet = self.sheet.as_ref();
        let names = sheet.map(|sheet| self.fonts.needed(sheet));
        names.into_iter().flatten().map(str::to_owned).collect()
    }

    /// Takes a font file.
    pub fn bring(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), JsValue> {
        self.fonts.bring(name, bytes).map_err(|why| refuse(&why))
    }

    /// The PDF of what is laid, which is gone from the press then.
    pub fn set(&mut self) -> Result<Vec<u8>, JsValue> {
        let sheet = self.sheet.take().ok_or_else(|| throw("pdf.empty"))?;
        sheet.set(&self.fonts).map_err(|why| refuse(&why))
    }
}

fn hear<T: DeserializeOwned>(text: &str) -> Result<T, JsValue> {
    serde_json::from_str(text).map_err(|_| throw("pdf.data"))
}

fn refuse(error: &PdfError) -> JsValue {
    throw(error.code())
}

fn throw(code: &str) -> JsValue {
    let thrown = Error::new(code);
    // Setting a member of a fresh object cannot fail.
    let _ = Reflect::set(&thrown, &"code".into(), &code.into());
    thrown.into()
}
