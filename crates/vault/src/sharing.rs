//! Sharing over the wire: grants to accounts, links, and what a link's holder
//! opens.

use std::collections::BTreeMap;

use base64::Engine as _;
use chartkey_crypto::SecretBytes;
use chartkey_fhir::{Compartment, Kinds, RecordType};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    Id,
    client::{Act, Client},
    contents::{Held, collection},
    error::VaultError,
    grant::{Cover, HeldVersion, HolderKey},
    granting::{self, NewGrant},
    http::{Fetch, Http, SEALED, done, escape, read},
    keys::LinkKey,
    link::{self, OpenLink, OpenLinkFile, ShlFlags, Shlink},
    patient::OpenPatient,
    protocol::{LinkOpened, SealedGrant, SealedLink, SealedPage},
    read::BatchKeys,
    reading::Listing,
    transport::{MaybeSend, Transport},
    write::new_id,
};

/// How often terms are signed anew when the record moved on.
const TRIES: usize = 8;
/// What other viewers show as the name of a link.
const LABEL: &str = "Shared medical records";
/// Bytes of a large body that come at a time.
const PART: usize = 1 << 20;

/// What is to be shared, with whomever.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Types to read.
    pub types: Vec<RecordType>,
    /// Kinds to read besides records without any.
    pub kinds: Kinds,
    /// Single records instead of everything of those types.
    pub records: Option<Vec<Id>>,
    /// Types to write.
    pub write_types: Vec<RecordType>,
    /// From when; now where absent.
    pub valid_from: Option<Timestamp>,
    /// Till when.
    pub expires_at: Timestamp,
    /// Coded purpose of use.
    pub purpose: String,
    /// May it be taken along.
    pub may_download: bool,
    /// May single records be shared on.
    pub may_reshare: bool,
    /// Names and words.
    pub cover: Cover,
}

/// What the server is told of a link besides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkWords {
    /// Whom a mail goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_email: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_name: Option<String>,
    /// To be known besides the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passcode: Option<String>,
    /// How often it may be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_accesses: Option<u32>,
    /// `U` for a single file that other viewers fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// `none`, `notice` or `link`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_email: Option<String>,
    /// For the mail alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A link that was made.
#[derive(Debug)]
pub struct MadeLink {
    /// Its grant.
    pub grant: Id,
    /// Our URL with the key in its fragment.
    pub url: Zeroizing<String>,
    /// The SMART Health Link, where other viewers may have it.
    pub shlink: Option<Zeroizing<String>>,
    /// How the server renders it.
    pub share: Value,
}

#[derive(Serialize)]
struct NewShares<'a> {
    links: [NewShare<'a>; 1],
}

#[derive(Serialize)]
struct NewShare<'a> {
    link: &'a SealedLink,
    #[serde(flatten)]
    words: &'a LinkWords,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

#[derive(Serialize)]
struct Approval<'a> {
    decision: &'static str,
    grant: &'a SealedGrant,
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Value>,
}

impl Wish {
    fn reaches(&self, record: Id, compartment: Compartment) -> bool {
        self.types.contains(&compartment.record_type)
            && compartment.kinds.is_subset_of(self.kinds)
            && self.records.as_ref().is_none_or(|r| r.contains(&record))
    }

    fn new_grant(
        &self,
        grant: Id,
        holder: HolderKey,
        versions: Option<Vec<HeldVersion>>,
        now: Timestamp,
    ) -> NewGrant {
        NewGrant {
            grant,
            holder,
            types: self.types.clone(),
            kinds: self.kinds,
            versions,
            valid_from: self.valid_from.unwrap_or(now),
            expires_at: self.expires_at,
            purpose: self.purpose.clone(),
            may_download: self.may_download,
            write_types: self.write_types.clone(),
            may_reshare: self.may_reshare,
            cover: self.cover.clone(),
        }
    }
}

impl<T: Transport + MaybeSend> Client<T> {
    /// Grants an account what is wished for; says the grant's id.
    pub async fn share_with(
        &mut self,
        patient: Id,
        account: Id,
        wish: &Wish,
        act: &mut Act<'_>,
    ) -> Result<Id, VaultError> {
        let holder = self.holder(account).await?;
        let open = self.settle(patient, act).await?;
        open.manager()?;
        let versions = self.held_versions(&open, wish).await?;
        let id = new_id(act.now, act.rng);
        let new = wish.new_grant(id, holder, versions, act.now);
        self.grant(patient, &new, act).await?;
        Ok(id)
    }

    async fn held_versions(
        &self,
        open: &OpenPatient,
        wish: &Wish,
    ) -> Result<Option<Vec<HeldVersion>>, VaultError> {
        let Some(records) = &wish.records else {
            return Ok(None);
        };
        let mut held = Vec::with_capacity(records.len());
        for record in records {
            let page = self.transport.find(*record).await?;
            let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
            let found = page.items.first().filter(|found| found.id == *record);
            let found = found.ok_or(VaultError::NoKey)?;
            if !wish.reaches(found.id, found.compartment) {
                return Err(VaultError::Input("a record outside the types and kinds"));
            }
            held.push(HeldVersion {
                record: found.id,
                version: found.version,
                key: batches.version_key(found, &open.keys)?.secret().clone(),
            });
        }
        Ok(Some(held))
    }

    /// The files of a link for other viewers, open: one for each type that
    /// has records, or a single one.
    async fn link_files(
        &self,
        open: &OpenPatient,
        wish: &Wish,
        single: bool,
        now: Timestamp,
    ) -> Result<Vec<OpenLinkFile>, VaultError> {
        let supporting = wish.records.is_none();
        let held = self.contents(open, Some(&wish.types), supporting).await?;
        let mut piles: BTreeMap<Option<RecordType>, Vec<Held>> = BTreeMap::new();
        for held in held {
            let (id, compartment) = (held.record.sealed.id, held.record.sealed.compartment);
            if wish.reaches(id, compartment) {
                let pile = (!single).then_some(compartment.record_type);
                piles.entry(pile).or_default().push(held);
            }
        }
        // A type with nothing but what others refer to has nothing to show.
        piles.retain(|_, pile| pile.iter().any(|held| !held.record.sealed.supporting));
        piles
            .into_iter()
            .map(|(record_type, pile)| {
                let plain = collection(&pile, now)?;
                Ok(OpenLinkFile { record_type, plain })
            })
            .collect()
    }
}

impl<F: Fetch + MaybeSend> Client<Http<F>> {
    /// Makes a link. `app_url` is where our own viewer is, without a slash at
    /// its end.
    pub async fn make_link(
        &mut self,
        patient: Id,
        wish: &Wish,
        words: &LinkWords,
        app_url: &str,
        act: &mut Act<'_>,
    ) -> Result<MadeLink, VaultError> {
        for _ in 0..TRIES {
            let mut open = self.settle(patient, act).await?;
            open.manager()?;
            let versions = self.held_versions(&open, wish).await?;
            let single = words.form.as_deref() == Some("U");
            let files = if wish.may_download {
                self.link_files(&open, wish, single, act.now).await?
            } else {
                Vec::new()
            };
            let grant = new_id(act.now, act.rng);
            let key = open.link_key(grant)?;
            let new = wish.new_grant(grant, HolderKey::Link(key.clone()), versions, act.now);
            let sealed = link::make_link(&mut open, &new, &files, act.now, act.rng)?;
            let url = link::url(app_url, &sealed.token, &key);
            let mailed = words.send_email.as_deref() == Some("link");
            let body = NewShares {
                links: [NewShare {
                    link: &sealed,
                    words,
                    url: mailed.then_some(url.as_str()),
                }],
            };
            let made: Result<Items, _> = self
                .transport
                .post("/api/records/share".into(), &body)
                .await;
            match made {
                Err(e) if e.is_conflict() => {}
                Err(e) => return Err(e),
                Ok(mut made) => {
                    self.remember(&sealed.grant.statement);
                    return Ok(MadeLink {
                        grant,
                        shlink: shlink(wish, words, app_url, &sealed.token, key),
                        url,
                        share: made.items.pop().unwrap_or_default(),
                    });
                }
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }

    /// Says yes to a request for access with a grant.
    pub async fn approve(
        &mut self,
        patient: Id,
        request: Id,
        account: Id,
        wish: &Wish,
        act: &mut Act<'_>,
    ) -> Result<Id, VaultError> {
        let holder = self.holder(account).await?;
        for _ in 0..TRIES {
            let open = self.settle(patient, act).await?;
            open.manager()?;
            let versions = self.held_versions(&open, wish).await?;
            let id = new_id(act.now, act.rng);
            let new = wish.new_grant(id, holder.clone(), versions, act.now);
            let sealed = granting::make_grant(&open, &new, act.now, act.rng)?;
            let body = Approval {
                decision: "approve",
                grant: &sealed,
            };
            let path = format!("/api/sharing/requests/{request}");
            let answer = self.transport.carry("PUT", path, SEALED, &[], Some(&body));
            match done(&answer.await?) {
                Err(e) if e.is_conflict() => {}
                Err(e) => return Err(e),
                Ok(()) => {
                    self.remember(&sealed.statement);
                    return Ok(id);
                }
            }
        }
        Err(VaultError::Conflict("compartment.moved".into()))
    }

    /// The URL of a link again; `token` is what the server names it by.
    pub async fn link_url(
        &mut self,
        patient: Id,
        grant: Id,
        token: &str,
        app_url: &str,
    ) -> Result<Zeroizing<String>, VaultError> {
        let open = self.open(patient).await?;
        Ok(link::url(app_url, token, &open.link_key(grant)?))
    }
}

/// Other viewers fetch over TLS only; elsewhere there is none.
fn shlink(
    wish: &Wish,
    words: &LinkWords,
    app_url: &str,
    token: &str,
    key: LinkKey,
) -> Option<Zeroizing<String>> {
    let link = Shlink {
        url: format!("{app_url}/shl/{token}"),
        key,
        exp: Some(wish.expires_at.as_second()),
        flags: ShlFlags {
            long_term: wish.records.is_none(),
            passcode: words.passcode.is_some(),
            single_file: words.form.as_deref() == Some("U"),
        },
        label: Some(LABEL.to_owned()),
    };
    link.build().ok().filter(|_| wish.may_download)
}

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
        let path = format!("/api/records/shared/{token}?supporting=true&limit=500");
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
        let mut next = visit.take(opened.page);
        while let Some(cursor) = next {
            let cursor = escape(&cursor);
            let query = format!("?supporting=true&limit=500&cursor={cursor}");
            next = visit
                .page(http, &query)
                .await
                .map(|page| visit.take(page))?;
        }
        Ok(visit)
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
