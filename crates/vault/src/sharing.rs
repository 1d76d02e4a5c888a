//! Sharing over the wire: grants to accounts and links. What a link's holder
//! opens is in [`crate::visit`].

use std::collections::{BTreeMap, BTreeSet};

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
    granting::{self, NewGrant, NewReshare},
    http::{Fetch, Http, SEALED, done},
    keys::LinkKey,
    link::{self, OpenLinkFile, ShlFlags, Shlink},
    patient::OpenPatient,
    protocol::{SealedGrant, SealedLink, SealedRecord},
    read::BatchKeys,
    statement::PatientSays,
    transport::{MaybeSend, SealedQuery, Transport},
    write::new_id,
};

/// How often terms are signed anew when the record moved on.
const TRIES: usize = 8;
/// What other viewers show as the name of a link.
const LABEL: &str = "Shared medical records";
/// Single records that are asked for one by one; more come out of lists.
const FEW: usize = 4;
/// Records of one page of a list.
const PAGE: u32 = 500;

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

    /// The key of one version, where the record is within what is shared.
    fn hold(
        &self,
        found: &SealedRecord,
        batches: &BatchKeys,
        open: &OpenPatient,
    ) -> Result<HeldVersion, VaultError> {
        if !self.reaches(found.id, found.compartment) {
            return Err(VaultError::Input("a record outside the types and kinds"));
        }
        Ok(HeldVersion {
            record: found.id,
            version: found.version,
            key: batches.version_key(found, &open.keys)?.secret().clone(),
        })
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

    /// What passes a record on under a grant of the caller's; the server stores it.
    ///
    /// # Errors
    /// [`VaultError::NoKey`] where no grant lets it.
    pub async fn seal_reshare(
        &mut self,
        record: Id,
        account: Id,
        expires_at: Timestamp,
        cover: &Cover,
        act: &mut Act<'_>,
    ) -> Result<SealedGrant, VaultError> {
        let holder = self.holder(account).await?;
        let page = self.transport.find(record).await?;
        let found = page.items.first().filter(|found| found.id == record);
        let found = found.ok_or(VaultError::NoKey)?;
        let open = self.open(found.patient).await?;
        let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
        let version = HeldVersion {
            record,
            version: found.version,
            key: batches.version_key(found, &open.keys)?.secret().clone(),
        };
        let new = NewReshare {
            grant: new_id(act.now, act.rng),
            holder,
            compartment: found.compartment,
            version,
            expires_at,
            purpose: "TREAT".to_owned(),
            cover: cover.clone(),
        };
        granting::make_reshare(&open, &new, act.now, act.rng)
    }

    async fn held_versions(
        &self,
        open: &OpenPatient,
        wish: &Wish,
    ) -> Result<Option<Vec<HeldVersion>>, VaultError> {
        let Some(records) = &wish.records else {
            return Ok(None);
        };
        let mut wanted: BTreeSet<Id> = records.iter().copied().collect();
        let mut held = Vec::with_capacity(wanted.len());
        if wanted.len() > FEW {
            self.hold_listed(open, wish, &mut wanted, &mut held).await?;
        }
        for record in wanted {
            let page = self.transport.find(record).await?;
            let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
            let found = page.items.first().filter(|found| found.id == record);
            let found = found.ok_or(VaultError::NoKey)?;
            held.push(wish.hold(found, &batches, open)?);
        }
        Ok(Some(held))
    }

    /// Takes what is wanted out of whole lists, so that a year of records does
    /// not take a call for each.
    async fn hold_listed(
        &self,
        open: &OpenPatient,
        wish: &Wish,
        wanted: &mut BTreeSet<Id>,
        held: &mut Vec<HeldVersion>,
    ) -> Result<(), VaultError> {
        for record_type in &wish.types {
            let mut query = SealedQuery {
                record_type: Some(*record_type),
                headers_only: true,
                supporting: true,
                limit: Some(PAGE),
                ..SealedQuery::default()
            };
            while !wanted.is_empty() {
                let page = self.transport.list(open.keys.patient(), &query).await?;
                let batches = BatchKeys::of_page(&page, &open.keys, Some(&self.account));
                for found in &page.items {
                    if wanted.remove(&found.id) {
                        held.push(wish.hold(found, &batches, open)?);
                    }
                }
                match page.next {
                    Some(next) if query.cursor.as_ref() != Some(&next) => query.cursor = Some(next),
                    _ => break,
                }
            }
        }
        Ok(())
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

    /// Passes a record on to another practitioner under a grant of the caller's.
    pub async fn reshare(
        &mut self,
        record: Id,
        account: Id,
        expires_at: Timestamp,
        cover: &Cover,
        act: &mut Act<'_>,
    ) -> Result<Id, VaultError> {
        for _ in 0..TRIES {
            let sealed = self
                .seal_reshare(record, account, expires_at, cover, act)
                .await?;
            let grant = match sealed.statement.patient_statement()?.says {
                PatientSays::Grant(terms) => terms.grant,
                _ => return Err(VaultError::Internal),
            };
            let path = format!("/api/v1/documents/{record}/share");
            let answer = self
                .transport
                .carry("POST", path, SEALED, &[], Some(&sealed));
            match done(&answer.await?) {
                Err(e) if e.is_conflict() => {}
                Err(e) => return Err(e),
                Ok(()) => {
                    self.remember(&sealed.statement);
                    return Ok(grant);
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
