//! A link, opened by its URL: `Visit`.

use chartkey_fhir::RecordType;
use chartkey_vault::{
    VaultError,
    contents::{Held, clinical, collection},
    http::Http,
    visit::{Visit as Opened, Visitor},
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::fetch::{Carry, JsFetch};
use crate::said::{id, now, refuse, say};
use crate::views::{RecordView, VisitView};

/// A link and its records, in memory only.
#[wasm_bindgen]
pub struct Visit {
    http: Http<JsFetch>,
    opened: Opened,
    held: Option<Vec<Held>>,
}

#[wasm_bindgen]
impl Visit {
    /// Opens a link: one access. `name` is who says they read.
    pub async fn open(
        carry: Carry,
        url: String,
        name: Option<String>,
        passcode: Option<String>,
    ) -> Result<Visit, JsValue> {
        let http = Http(JsFetch(carry.into()));
        let visitor = Visitor { passcode, name };
        let opened = Opened::open(&http, &url, &visitor).await.map_err(refuse)?;
        Ok(Self {
            http,
            opened,
            held: None,
        })
    }

    /// `{share, patient_name, birth_date?, sender, recipient, purpose?, message?,
    /// types, kinds, expires_at, may_download, headers, unopened}`.
    pub fn view(&self) -> Result<String, JsValue> {
        let (terms, listing) = (&self.opened.link.terms, &self.opened.listing);
        let shown = listing.records.iter().filter(|l| !l.sealed.supporting);
        say(&VisitView {
            share: terms.grant,
            cover: &self.opened.link.cover,
            types: &terms.types,
            kinds: terms.kinds,
            expires_at: self.opened.expires_at,
            may_download: terms.may_download,
            headers: shown.map(Into::into).collect(),
            unopened: &listing.unopened,
        })
    }

    /// Looks again, within the same access; says whether anything changed.
    pub async fn refresh(&mut self) -> Result<bool, JsValue> {
        let changed = self.opened.refresh(&self.http).await.map_err(refuse)?;
        if changed {
            self.held = None;
        }
        Ok(changed)
    }

    /// Fetches every content, once.
    async fn contents(&mut self) -> Result<&[Held], JsValue> {
        if self.held.is_none() {
            let held = self.opened.contents(&self.http, None).await;
            self.held = Some(held.map_err(refuse)?);
        }
        Ok(self.held.as_deref().unwrap_or_default())
    }

    /// One record: `{header, text, verified}`. A link's reader knows no
    /// author's keys, so nothing is verified.
    pub async fn read(&mut self, record: String) -> Result<String, JsValue> {
        let record = id(&record)?;
        let held = self.contents().await?;
        let found = held.iter().find(|h| h.record.sealed.id == record);
        let found = found.ok_or_else(|| refuse(VaultError::NoKey))?;
        say(&RecordView::new(
            &found.record,
            found.content.as_ref(),
            false,
        ))
    }

    /// The bytes of one record.
    #[wasm_bindgen(js_name = readContent)]
    pub async fn read_content(&mut self, record: String) -> Result<Vec<u8>, JsValue> {
        let record = id(&record)?;
        let held = self.contents().await?;
        let found = held.iter().find(|h| h.record.sealed.id == record);
        let found = found.ok_or_else(|| refuse(VaultError::NoKey))?;
        if let Some(content) = &found.content {
            return Ok(content.as_bytes().to_vec());
        }
        let content = self.opened.blob(&self.http, record).await.map_err(refuse)?;
        Ok(content.into_vec())
    }

    /// The clinical document.
    pub async fn document(&mut self) -> Result<String, JsValue> {
        let terms = &self.opened.link.terms;
        let covered: Vec<RecordType> = match terms.records {
            // Some of a type is not everything of it.
            Some(_) => Vec::new(),
            None => terms.types.clone(),
        };
        say(&clinical(self.contents().await?, &covered))
    }

    /// Has a copy that is taken here counted; refused where none may be.
    #[wasm_bindgen(js_name = countDownload)]
    pub async fn count_download(&mut self) -> Result<(), JsValue> {
        let counted = self.opened.count_download(&self.http).await;
        counted.map_err(refuse)
    }

    /// Everything as one FHIR Bundle.
    #[wasm_bindgen(js_name = exportBundle)]
    pub async fn export_bundle(&mut self) -> Result<String, JsValue> {
        let bundle = collection(self.contents().await?, now()).map_err(refuse)?;
        String::from_utf8(bundle.into_vec()).map_err(|_| refuse(VaultError::Internal))
    }
}
