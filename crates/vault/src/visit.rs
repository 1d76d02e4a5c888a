//! A link over the wire, as its holder opens it. Needs no account, and knows
//! neither chain nor manager.

use std::collections::BTreeSet;

use base64::Engine as _;
use chartkey_crypto::SecretBytes;
use chartkey_fhir::RecordType;
use jiff::Timestamp;

use crate::{
    Id,
    contents::Held,
    error::VaultError,
    http::{Fetch, Http, SEALED, done, escape, read},
    link::{self, OpenLink},
    protocol::{LinkOpened, SealedPage},
    read::BatchKeys,
    reading::Listing,
    transport::MaybeSend,
};

/// Bytes of a large body that come at a time.
const PART: usize = 1 << 20;

/// How headers are asked for.
const LIST: &str = "?supporting=true&limit=500";

/// What a visitor of a link says.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// Where one is set.
    pub passcode: Option<String>,
    /// Who they say they are.
    pub name: Option<String>,
}

/// A link that somebody opened by its URL.
#[derive(Debug)]
pub struct Visit {
    token: String,
    view: String,
    passcode: Option<String>,
    /// Terms, keys, names and words.
    pub link: OpenLink,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Every record of it, headers open.
    pub listing: Listing,
}

impl Visit {
    /// Opens a link by its URL, and every header of it. Costs one access.
    pub async fn open<F: Fetch + MaybeSend>(
        http: &Http<F>,
        url: &str,
        visitor: &Visitor,
    ) -> Result<Self, VaultError> {
        let (token, key) = link::parse_url(url)?;
        let auth = base64::engine::general_purpose::STANDARD.encode(key.auth().0);
        let mut headers = vec![("x-share-auth", auth)];
        headers.extend(visitor.passcode_header());
        if let Some(name) = &visitor.name {
            headers.push(("x-share-recipient", escape(name)));
        }
        let path = format!("/api/records/shared/{token}{LIST}");
        let answer = http
            .carry::<()>("GET", path, SEALED, &headers, None)
            .await?;
        let opened: LinkOpened = read(&answer)?;
        let link = link::open(&opened, &key)?;
        let mut visit = Self {
            token,
            view: opened.view,
            passcode: visitor.passcode.clone(),
            link,
            expires_at: opened.expires_at,
            listing: Listing::default(),
        };
        let next = visit.take(opened.page);
        visit.take_rest(http, next).await?;
        Ok(visit)
    }

    async fn take_rest<F: Fetch + MaybeSend>(
        &mut self,
        http: &Http<F>,
        mut next: Option<String>,
    ) -> Result<(), VaultError> {
        while let Some(cursor) = next {
            let query = format!("{LIST}&cursor={}", escape(&cursor));
            let page = self.page(http, &query).await?;
            next = self.take(page);
        }
        Ok(())
    }

    /// Looks again, within the same access and for as long as that lasts; says
    /// whether anything is new, changed or gone.
    pub async fn refresh<F: Fetch + MaybeSend>(
        &mut self,
        http: &Http<F>,
    ) -> Result<bool, VaultError> {
        let page = self.page(http, LIST).await?;
        let before = std::mem::take(&mut self.listing);
        let next = self.take(page);
        if let Err(failed) = self.take_rest(http, next).await {
            self.listing = before;
            return Err(failed);
        }
        Ok(versions(&before) != versions(&self.listing))
    }

    fn take(&mut self, page: SealedPage) -> Option<String> {
        let next = page.next.clone().filter(|_| !page.items.is_empty());
        let keys = &self.link.keys;
        let batches = BatchKeys::of_page(&page, keys, None);
        self.listing.take(page, keys, &batches);
        next
    }

    async fn page<F: Fetch + MaybeSend>(
        &self,
        http: &Http<F>,
        query: &str,
    ) -> Result<SealedPage, VaultError> {
        let headers = self.view_headers();
        let path = format!("/api/records/shared/{}{query}", self.token);
        let answer = http
            .carry::<()>("GET", path, SEALED, &headers, None)
            .await?;
        read(&answer)
    }

    /// Every record of these types with its content, within the same access;
    /// of all types where none are named.
    pub async fn contents<F: Fetch + MaybeSend>(
        &self,
        http: &Http<F>,
        types: Option<&[RecordType]>,
    ) -> Result<Vec<Held>, VaultError> {
        let base = "?supporting=true&limit=500&fields=all";
        let wanted: Vec<String> = match types {
            Some(types) => types.iter().map(|t| format!("{base}&type={t}")).collect(),
            None => vec![base.to_owned()],
        };
        let mut held = Vec::new();
        for base in wanted {
            let mut query = base.clone();
            loop {
                let page = self.page(http, &query).await?;
                let next = page.next.clone().filter(|_| !page.items.is_empty());
                let batches = BatchKeys::of_page(&page, &self.link.keys, None);
                held.extend(Held::of_page(page, &self.link.keys, &batches)?);
                match next {
                    Some(next) => query = format!("{base}&cursor={}", escape(&next)),
                    None => break,
                }
            }
        }
        Ok(held)
    }

    /// The content of a large file, in the parts that come at a time.
    pub async fn blob<F: Fetch + MaybeSend>(
        &self,
        http: &Http<F>,
        record: Id,
    ) -> Result<SecretBytes, VaultError> {
        let listed = self.listing.records.iter().find(|l| l.sealed.id == record);
        let listed = listed.ok_or(VaultError::NoKey)?;
        let path = format!("/api/records/shared/{}/records/{record}/blob", self.token);
        let mut sealed = Vec::new();
        loop {
            let mut headers = self.view_headers();
            headers.push(("range", format!("bytes={}-", sealed.len())));
            let answer = http
                .carry::<()>("GET", path.clone(), SEALED, &headers, None)
                .await?;
            done(&answer)?;
            let short = answer.body.len() < PART;
            sealed.extend_from_slice(&answer.body);
            let header_len = listed.sealed.header.0.len() as u64;
            if short || sealed.len() as u64 >= listed.sealed.size.saturating_sub(header_len) {
                return listed.open.open_body(&listed.sealed, Some(&sealed));
            }
        }
    }

    /// Tells the server that a copy is being taken here; it refuses where that
    /// is not allowed.
    pub async fn count_download<F: Fetch + MaybeSend>(
        &self,
        http: &Http<F>,
    ) -> Result<(), VaultError> {
        let path = format!("/api/records/shared/{}", self.token);
        let headers = self.view_headers();
        let answer = http.carry::<()>("POST", path, SEALED, &headers, None);
        done(&answer.await?)
    }

    fn view_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("x-share-view", self.view.clone())];
        let visitor = Visitor {
            passcode: self.passcode.clone(),
            name: None,
        };
        headers.extend(visitor.passcode_header());
        headers
    }
}

impl Visitor {
    fn passcode_header(&self) -> Option<(&'static str, String)> {
        let passcode = self.passcode.as_ref()?;
        Some(("x-share-passcode", format!("utf-8''{}", escape(passcode))))
    }
}

fn versions(listing: &Listing) -> BTreeSet<(Id, u32)> {
    let records = listing.records.iter();
    records.map(|l| (l.sealed.id, l.sealed.version)).collect()
}
