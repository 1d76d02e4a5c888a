//! Grants and links, made for managers that let the server hold their keys
//! for one request: the terms are signed, the keyring is sealed, the files of
//! other viewers are encrypted here, and the link's URL is derived.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_crypto::SecretBytes;
use chartkey_domain::accounts::Email;
use chartkey_domain::grants::{NewTerms, Purpose};
use chartkey_domain::ids::{AccountId, GrantId, Id, PatientId, RecordId, RequestId};
use chartkey_domain::records::RecordTypes;
use chartkey_domain::requests::is_within;
use chartkey_domain::shares::{NewShare, SendEmail, ShareForm};
use chartkey_fhir::{Compartment, Kinds, RecordType};
use chartkey_store::StoreError;
use chartkey_vault::bundle::{self, Part};
use chartkey_vault::bytes::Bytes;
use chartkey_vault::client::Act;
use chartkey_vault::error::VaultError;
use chartkey_vault::grant::{Cover, HeldVersion, HolderKey};
use chartkey_vault::granting::{self, NewGrant};
use chartkey_vault::keys::LinkKey;
use chartkey_vault::link::{self, OpenLinkFile, ShlFlags, Shlink};
use chartkey_vault::patient::OpenPatient;
use chartkey_vault::protocol::SealedPage;
use chartkey_vault::read::{BatchKeys, OpenRecord};
use chartkey_vault::transport::SealedQuery;
use chartkey_vault::write::new_id;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Assisted, AssistedFailure, coded};
use crate::grants::{self, GrantError};
use crate::idempotency::Once;
use crate::requests::{self, Request, RequestError};
use crate::shares::{self, NewLink, NewLinkMail, Share, ShareChange};
use crate::{Failure, records};

/// How often terms are signed anew when the record moved on.
const TRIES: usize = 8;
/// Most records that one link or grant is made of.
const MOST_RECORDS: u32 = 100_000;
/// What other viewers show as the name of a link.
const LABEL: &str = "Shared medical records";

/// Terms as a request says them, for grants and links alike.
#[derive(Debug, Clone)]
pub struct AskedTerms {
    /// Whose record.
    pub patient: PatientId,
    /// Types to read; with `records`, those of the records where empty.
    pub types: RecordTypes,
    /// Kinds to read.
    pub kinds: Kinds,
    /// Single records, if not everything of those types.
    pub records: Option<Vec<RecordId>>,
    /// Whether what comes later is read as well.
    pub include_future: bool,
    /// Types to write.
    pub write_types: RecordTypes,
    /// From when; now where absent.
    pub valid_from: Option<Timestamp>,
    /// Until when.
    pub expires_at: Timestamp,
    /// What for, in whatever words.
    pub purpose: Option<String>,
    /// Whether what is read may be taken along.
    pub may_download: bool,
    /// Whether single records may be shared on.
    pub may_reshare: bool,
}

impl AskedTerms {
    fn covers(&self, compartment: Compartment) -> bool {
        self.types.contains(compartment.record_type) && compartment.kinds.is_subset_of(self.kinds)
    }

    fn new_terms(&self, now: Timestamp) -> NewTerms {
        NewTerms {
            types: self.types,
            kinds: self.kinds,
            records: self.records.clone(),
            write_types: self.write_types,
            valid_from: self.valid_from.unwrap_or(now),
            expires_at: self.expires_at,
            may_download: self.may_download,
            may_reshare: self.may_reshare,
        }
    }
}

/// Somebody who gets a link.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Their address.
    pub email: Option<Email>,
    /// What is said of their link.
    pub said: NewShare,
}

/// A link with what only its managers are told.
pub struct OpenShare {
    /// What the server knows.
    pub share: Share,
    /// What its cover says, where it could be opened.
    pub cover: Option<Cover>,
    /// Our URL with the key; where the link lives and was asked for.
    pub url: Option<Zeroizing<String>>,
    /// The SMART Health Link; where other viewers may have it.
    pub shlink: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for OpenShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenShare")
    }
}

impl Assisted {
    async fn settled(&mut self, patient: PatientId) -> Result<OpenPatient, AssistedFailure> {
        let mut rng = self.service.rng();
        let mut act = Act {
            now: self.now,
            rng: &mut rng,
        };
        let open = self.client.settle(patient.0, &mut act).await;
        open.map_err(|e| self.failed(e))
    }

    /// The names of a grant, for its holder and for managers.
    pub(super) async fn cover(
        &self,
        terms: &AskedTerms,
        recipient: &str,
        message: Option<&str>,
    ) -> Result<Cover, AssistedFailure> {
        let (service, patient) = (self.service.clone(), terms.patient);
        let sender = self.caller.account()?.id;
        let demographics = terms.types.contains(RecordType::Demographics);
        let (patient_name, birth_date, sender) = self
            .service
            .store()
            .read("grant.cover", move |db| {
                let name = shares::patient_name(db, &service, patient)?;
                let born = shares::patient_birth_date(db, &service, patient)?;
                let sender = shares::account_name(db, &service, sender)?;
                Ok::<_, shares::ShareFailure>((name, born, sender))
            })
            .await
            .map_err(coded)?;
        Ok(Cover {
            patient_name: patient_name.unwrap_or_default(),
            birth_date: birth_date.filter(|_| demographics),
            sender: sender.unwrap_or_default(),
            recipient: recipient.to_owned(),
            purpose: terms.purpose.clone(),
            message: message.map(str::to_owned),
        })
    }

    /// Sealed records that terms reach; supporting ones too, unless single
    /// records are named.
    async fn reached(
        &self,
        terms: &AskedTerms,
        headers_only: bool,
    ) -> Result<SealedPage, AssistedFailure> {
        let query = SealedQuery {
            headers_only,
            supporting: terms.records.is_none(),
            limit: Some(MOST_RECORDS),
            ..SealedQuery::default()
        };
        let page = records::list_records(&self.service, &self.caller, terms.patient, query).await;
        let mut page = page.map_err(coded)?;
        page.items.retain(|record| match &terms.records {
            Some(named) => named.contains(&RecordId(record.id)),
            None => terms.covers(record.compartment),
        });
        Ok(page)
    }

    /// The version keys of single records, where terms are about these: named
    /// ones, or all that there are now.
    async fn held_versions(
        &self,
        open: &OpenPatient,
        terms: &mut AskedTerms,
    ) -> Result<Option<Vec<HeldVersion>>, AssistedFailure> {
        if terms.records.is_none() && terms.include_future {
            return Ok(None);
        }
        let page = self.reached(terms, true).await?;
        if let Some(named) = &terms.records {
            let found: BTreeSet<Id> = page.items.iter().map(|r| r.id).collect();
            if named.iter().any(|id| !found.contains(&id.0)) {
                return Err(Failure::field("record_ids", "no such record"));
            }
            if terms.types.is_empty() {
                let types = page.items.iter().map(|r| r.compartment.record_type);
                terms.types = types.collect();
            }
            if page.items.iter().any(|r| !terms.covers(r.compartment)) {
                return Err(Failure::field(
                    "record_ids",
                    "a record outside the types, or of a sensitive kind that was not included",
                ));
            }
        }
        let keys = BatchKeys::of_page(&page, &open.keys, Some(&self.client.account));
        let held = page.items.iter().map(|record| {
            let key = keys.version_key(record, &open.keys)?;
            Ok(HeldVersion {
                record: record.id,
                version: record.version,
                key: key.secret().clone(),
            })
        });
        let held: Vec<HeldVersion> = held
            .collect::<Result<_, VaultError>>()
            .map_err(Failure::Vault)?;
        terms.records = Some(held.iter().map(|v| RecordId(v.record)).collect());
        Ok(Some(held))
    }

    /// `POST /api/sharing/grant`: grants to an account; answers `request`
    /// where the grant is the answer to one.
    ///
    /// # Errors
    /// A rule that the terms break, the policy's, the database's.
    pub async fn grant(
        &mut self,
        holder: AccountId,
        asked: &AskedTerms,
        message: Option<&str>,
        request: Option<RequestId>,
        once: Option<Once>,
    ) -> Result<GrantId, AssistedFailure> {
        let key = self.client.holder(holder.0).await;
        let key = key.map_err(|e| self.failed(e))?;
        for _ in 0..TRIES {
            let mut terms = asked.clone();
            let open = self.settled(terms.patient).await?;
            if open.manager.is_none() {
                let refusal = chartkey_domain::policy::Refusal::ManagersOnly;
                return Err(refusal.into());
            }
            let versions = self.held_versions(&open, &mut terms).await?;
            let checked: Result<(), GrantError> = terms.new_terms(self.now).check(self.now);
            checked.map_err(|error| coded(error.into()))?;
            let cover = self
                .cover(&terms, &self.name_of(holder).await?, message)
                .await?;
            let mut rng = self.service.rng();
            let grant = new_id(self.now, &mut rng);
            let new = self.new_grant(grant, key.clone(), &terms, versions, cover);
            let sealed = match granting::make_grant(&open, &new, self.now, &mut rng) {
                Err(error) if error.is_conflict() => continue,
                other => other.map_err(Failure::Vault)?,
            };
            let made = grants::create_grant_for(
                &self.service,
                &self.caller,
                sealed,
                request,
                once.clone(),
            );
            match made.await {
                Err(Failure::Vault(error)) if error.is_conflict() => {}
                other => return other.map(|(row, _)| row.id).map_err(coded),
            }
        }
        Err(Failure::Vault(moved()))
    }

    pub(super) async fn name_of(&self, account: AccountId) -> Result<String, AssistedFailure> {
        let service = self.service.clone();
        let name = self
            .service
            .store()
            .read("grant.cover", move |db| {
                shares::account_name(db, &service, account)
            })
            .await
            .map_err(coded)?;
        Ok(name.unwrap_or_default())
    }

    fn new_grant(
        &self,
        grant: Id,
        holder: HolderKey,
        terms: &AskedTerms,
        versions: Option<Vec<HeldVersion>>,
        cover: Cover,
    ) -> NewGrant {
        let purpose = terms.purpose.as_deref().unwrap_or_default();
        NewGrant {
            grant,
            holder,
            types: terms.types.iter().collect(),
            kinds: terms.kinds,
            versions,
            valid_from: terms.valid_from.unwrap_or(self.now),
            expires_at: terms.expires_at,
            purpose: Purpose::of_words(purpose).code().to_owned(),
            may_download: terms.may_download,
            write_types: terms.write_types.iter().collect(),
            may_reshare: terms.may_reshare,
            cover,
        }
    }

    /// What a request asks for, as terms that an answer may narrow.
    pub fn terms_of(request: &Request, now: Timestamp) -> AskedTerms {
        let asked = requests::asked_terms(&request.row, now);
        AskedTerms {
            patient: request.row.patient,
            types: asked.types,
            kinds: asked.kinds,
            records: asked.records,
            include_future: true,
            write_types: asked.write_types,
            valid_from: None,
            expires_at: asked.expires_at,
            purpose: Some(request.row.purpose.clone()),
            may_download: false,
            may_reshare: false,
        }
    }

    /// `PUT /api/sharing/requests/{id}` with `approve`: grants what was asked,
    /// or less.
    ///
    /// # Errors
    /// `request.wider` where the answer gives more; as [`Assisted::grant`].
    pub async fn approve_request(
        &mut self,
        id: RequestId,
        terms: &AskedTerms,
        once: Option<Once>,
    ) -> Result<GrantId, AssistedFailure> {
        let row = requests::may_answer(&self.service, &self.caller, id)
            .await
            .map_err(coded)?;
        let asked = requests::asked_terms(&row, self.now);
        if terms.patient != row.patient || !is_within(&terms.new_terms(self.now), &asked) {
            return Err(coded(RequestError::Wider.into()));
        }
        let holder = row.beneficiary.unwrap_or(row.asker);
        self.grant(holder, terms, None, Some(id), once).await
    }

    /// The words of requests to patients whom the caller manages.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn request_words(
        &mut self,
        requests: &[Request],
    ) -> Result<BTreeMap<RequestId, Zeroizing<String>>, AssistedFailure> {
        let mut words = BTreeMap::new();
        for request in requests {
            let Some(sealed) = &request.row.message_sealed else {
                continue;
            };
            if !self.opens_for(request.row.patient).await? {
                continue;
            }
            let keys = self.read_keys(request.row.patient, false).await?;
            let (id, asker) = (request.row.id, request.row.asker.0);
            let sealed = Bytes(sealed.clone());
            let open = chartkey_vault::asking::open_words(&keys, id.0, asker, &sealed);
            if let Some(text) = open.ok().and_then(|o| String::from_utf8(o.into_vec()).ok()) {
                words.insert(id, Zeroizing::new(text));
            }
        }
        Ok(words)
    }

    /// Whether the server may open for the caller here: a manager, and a
    /// patient who did not switch it off.
    pub(super) async fn opens_for(&self, patient: PatientId) -> Result<bool, AssistedFailure> {
        let account = self.caller.account()?.id;
        self.service
            .store()
            .read("patient.assisted", move |db| {
                let row = chartkey_store::patients::lookup(db, patient)?;
                let manages =
                    chartkey_store::patients::list_managers(db, patient)?.contains(&account);
                Ok::<_, StoreError>(manages && row.is_some_and(|r| r.assisted_access))
            })
            .await
            .map_err(Failure::Store)
    }

    // --- links --------------------------------------------------------------

    /// `POST /api/records/share`: one link for each recipient.
    ///
    /// # Errors
    /// A rule that the terms or the words break, the policy's, the database's.
    pub async fn share(
        &mut self,
        recipients: &[Recipient],
        asked: &AskedTerms,
        way: SendEmail,
        once: Option<Once>,
    ) -> Result<Vec<OpenShare>, AssistedFailure> {
        for _ in 0..TRIES {
            let mut terms = asked.clone();
            let mut open = self.settled(terms.patient).await?;
            let versions = self.held_versions(&open, &mut terms).await?;
            let checked: Result<(), GrantError> = terms.new_terms(self.now).check(self.now);
            checked.map_err(|error| coded(shares::renamed(error.into())))?;
            let mut files = None;
            let mut made = Vec::with_capacity(recipients.len());
            let mut moved_on = false;
            for recipient in recipients {
                if terms.may_download && files.is_none() {
                    let single = recipient.said.form == ShareForm::SingleFile;
                    files = Some(self.link_files(&open, &terms, single).await?);
                }
                let new = self
                    .new_link(
                        &mut open,
                        recipient,
                        &terms,
                        versions.clone(),
                        files.as_deref().unwrap_or_default(),
                        way,
                    )
                    .await;
                match new {
                    Err(Failure::Vault(error)) if error.is_conflict() => {
                        moved_on = true;
                        break;
                    }
                    other => made.push(other?),
                }
            }
            if moved_on {
                continue;
            }
            let stored =
                shares::create_shares(&self.service, &self.caller, made, once.clone()).await;
            match stored {
                Err(Failure::Vault(error)) if error.is_conflict() => {}
                other => return self.open_shares(&open, other.map_err(coded)?),
            }
        }
        Err(Failure::Vault(moved()))
    }

    async fn new_link(
        &self,
        open: &mut OpenPatient,
        recipient: &Recipient,
        terms: &AskedTerms,
        versions: Option<Vec<HeldVersion>>,
        files: &[OpenLinkFile],
        way: SendEmail,
    ) -> Result<NewLink, AssistedFailure> {
        let mut rng = self.service.rng();
        let grant = new_id(self.now, &mut rng);
        let holder = link::holder(open, grant).map_err(Failure::Vault)?;
        let HolderKey::Link(key) = holder.clone() else {
            return Err(Failure::Internal("a link held by an account"));
        };
        let said = &recipient.said;
        let name = said.recipient_name.as_deref().unwrap_or_default();
        let cover = self.cover(terms, name, said.message.as_deref()).await?;
        let new = self.new_grant(grant, holder, terms, versions, cover);
        let sealed =
            link::make_link(open, &new, files, self.now, &mut rng).map_err(Failure::Vault)?;
        let url = link::url(&self.service.settings().app_url, &sealed.token, &key);
        let way = match &recipient.email {
            Some(_) => way,
            None => SendEmail::None,
        };
        Ok(NewLink {
            sealed,
            recipient: recipient.email.clone(),
            said: said.clone(),
            mail: NewLinkMail {
                way,
                url: (way == SendEmail::Link).then_some(url),
                message: said.message.clone().map(Zeroizing::new),
            },
        })
    }

    /// The open files of a link: one for each type that has records, or a
    /// single one.
    async fn link_files(
        &self,
        open: &OpenPatient,
        terms: &AskedTerms,
        single: bool,
    ) -> Result<Vec<OpenLinkFile>, AssistedFailure> {
        let page = self.reached(terms, false).await?;
        let keys = BatchKeys::of_page(&page, &open.keys, Some(&self.client.account));
        let mut piles: BTreeMap<Option<RecordType>, Vec<_>> = BTreeMap::new();
        for record in &page.items {
            let opened = OpenRecord::open(record, &open.keys, &keys).map_err(Failure::Vault)?;
            let content = match record.body {
                Some(_) => Some(opened.open_body(record, None).map_err(Failure::Vault)?),
                None => None,
            };
            let pile = (!single).then_some(record.compartment.record_type);
            let pile = piles.entry(pile).or_default();
            pile.push((record, opened.header.fields, content));
        }
        // A type with nothing but what others refer to has nothing to show.
        piles.retain(|_, pile| pile.iter().any(|(record, ..)| !record.supporting));
        piles
            .into_iter()
            .map(|(record_type, pile)| {
                let parts: Vec<Part<'_>> = pile
                    .iter()
                    .map(|(record, fields, content)| Part {
                        record: record.id,
                        fields,
                        content: content.as_ref().map(SecretBytes::as_bytes),
                        stored_at: record.updated_at,
                    })
                    .collect();
                let plain = bundle::collection(&parts, self.now).map_err(Failure::Vault)?;
                Ok(OpenLinkFile { record_type, plain })
            })
            .collect()
    }

    /// Adds covers and URLs to links.
    fn open_shares(
        &self,
        open: &OpenPatient,
        shares: Vec<Share>,
    ) -> Result<Vec<OpenShare>, AssistedFailure> {
        shares
            .into_iter()
            .map(|share| {
                let key = open.link_key(share.grant.id.0).map_err(Failure::Vault)?;
                Ok(self.with_urls(share, &key))
            })
            .collect()
    }

    fn with_urls(&self, share: Share, key: &LinkKey) -> OpenShare {
        let app_url = &self.service.settings().app_url;
        let url = link::url(app_url, &share.link.token, key);
        let shlink = Shlink {
            url: format!("{app_url}/shl/{}", share.link.token),
            key: key.clone(),
            exp: Some(share.grant.expires_at.as_second()),
            flags: ShlFlags {
                long_term: share.records.is_none(),
                passcode: share.link.passcode_hash.is_some(),
                single_file: share.link.single_file,
            },
            label: Some(LABEL.to_owned()),
        };
        // Other viewers fetch over TLS only; elsewhere there is none.
        let shlink = shlink.build().ok().filter(|_| share.grant.may_download);
        OpenShare {
            share,
            cover: None,
            url: Some(url),
            shlink,
        }
    }

    /// Adds to links what their covers say, as far as the server may open
    /// them for the caller.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn with_covers(
        &mut self,
        shares: Vec<Share>,
    ) -> Result<Vec<OpenShare>, AssistedFailure> {
        let mut opened: BTreeMap<PatientId, Option<OpenPatient>> = BTreeMap::new();
        let mut out = Vec::with_capacity(shares.len());
        for share in shares {
            let patient = share.grant.patient;
            if let std::collections::btree_map::Entry::Vacant(entry) = opened.entry(patient) {
                entry.insert(None);
                if self.opens_for(patient).await? {
                    // Whoever manages and looks brings files up to date.
                    self.refresh_links(patient).await;
                    let open = self.client.open(patient.0).await;
                    opened.insert(patient, Some(open.map_err(|e| self.failed(e))?));
                }
            }
            let open = opened.get(&patient).and_then(Option::as_ref);
            let cover = open.and_then(|open| open.cover(share.grant.id.0).ok());
            out.push(OpenShare {
                share,
                cover,
                url: None,
                shlink: None,
            });
        }
        Ok(out)
    }

    /// Links with their URLs, as when they were made: for a request that was
    /// answered before.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn shares_again(&mut self, ids: Vec<Id>) -> Result<Vec<OpenShare>, AssistedFailure> {
        let found = shares::find_shares(&self.service, &self.caller, ids).await;
        let found = found.map_err(coded)?;
        let Some(first) = found.first() else {
            return Ok(Vec::new());
        };
        let open = self.client.open(first.grant.patient.0).await;
        let open = open.map_err(|e| self.failed(e))?;
        self.open_shares(&open, found)
    }

    /// `GET /api/records/share/{id}/link`: the URL again, derived.
    ///
    /// # Errors
    /// The policy's, a step-up among them; 410 for a link that has ended.
    pub async fn share_link(&mut self, id: GrantId) -> Result<OpenShare, AssistedFailure> {
        let share = shares::find_share_link(&self.service, &self.caller, id).await;
        let share = share.map_err(coded)?;
        let open = self.client.open(share.grant.patient.0).await;
        let open = open.map_err(|e| self.failed(e))?;
        let key = open.link_key(id.0).map_err(Failure::Vault)?;
        Ok(self.with_urls(share, &key))
    }

    /// `PATCH /api/records/share/{id}`: another end, another name.
    ///
    /// # Errors
    /// The policy's; 410 for a link that has ended.
    pub async fn change_share(
        &mut self,
        id: GrantId,
        expires_at: Option<Timestamp>,
        recipient_name: Option<String>,
    ) -> Result<Share, AssistedFailure> {
        let (share, _) = shares::find_share(&self.service, &self.caller, id)
            .await
            .map_err(coded)?;
        for _ in 0..TRIES {
            let terms = match expires_at {
                None => None,
                Some(expires_at) => {
                    let open = self.client.open(share.grant.patient.0).await;
                    let open = open.map_err(|e| self.failed(e))?;
                    let change = granting::change_terms(&open, id.0, expires_at, self.now);
                    Some(change.map_err(Failure::Vault)?)
                }
            };
            let change = ShareChange {
                terms,
                recipient_name: recipient_name.clone(),
            };
            let changed = shares::update_share(&self.service, &self.caller, id, change);
            match changed.await {
                Err(Failure::Vault(error)) if error.is_conflict() => {}
                other => return other.map_err(coded),
            }
        }
        Err(Failure::Vault(moved()))
    }

    /// Ends a grant or link with a signed statement, where keys are at hand.
    async fn signed_end(
        &mut self,
        patient: PatientId,
        id: GrantId,
    ) -> Option<chartkey_vault::protocol::GrantChange> {
        if !self.opens_for(patient).await.ok()? {
            return None;
        }
        let open = self.client.open(patient.0).await.ok()?;
        granting::end_grant(&open, id.0, self.now).ok()
    }

    /// `DELETE /api/records/share/{id}`, signed where that is possible: the
    /// server's word ends a link too.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn revoke_share(&mut self, id: GrantId) -> Result<Share, AssistedFailure> {
        let (share, _) = shares::find_share(&self.service, &self.caller, id)
            .await
            .map_err(coded)?;
        for _ in 0..TRIES {
            let end = self.signed_end(share.grant.patient, id).await;
            match shares::revoke_share(&self.service, &self.caller, id, end).await {
                Err(Failure::Vault(error)) if error.is_conflict() => {}
                other => return other.map_err(coded),
            }
        }
        Err(Failure::Vault(moved()))
    }

    /// `PUT /api/sharing/{id}/revoke`, likewise.
    ///
    /// # Errors
    /// The policy's, the database's.
    pub async fn revoke_grant(&mut self, id: GrantId) -> Result<GrantId, AssistedFailure> {
        let found = grants::find_permission(&self.service, &self.caller, id)
            .await
            .map_err(coded)?;
        for _ in 0..TRIES {
            let end = self.signed_end(found.grant.patient, id).await;
            match grants::end_grant(&self.service, &self.caller, id, end).await {
                Err(Failure::Vault(error)) if error.is_conflict() => {}
                other => return other.map(|(row, _)| row.id).map_err(coded),
            }
        }
        Err(Failure::Vault(moved()))
    }

    /// Makes the files of links anew that are out of date, where the caller
    /// manages the patient. What fails now is made at the next request.
    pub async fn refresh_links(&mut self, patient: PatientId) {
        self.settle_owed(patient).await;
        if let Err(failure) = self.try_refresh(patient).await {
            tracing::warn!(?failure, "files of links were not made anew");
        }
    }

    async fn try_refresh(&mut self, patient: PatientId) -> Result<(), AssistedFailure> {
        let stale = shares::list_with_stale_files(&self.service, patient)
            .await
            .map_err(coded)?;
        if stale.is_empty() || !self.opens_for(patient).await? {
            return Ok(());
        }
        let open = self.settled(patient).await?;
        for (grant, link) in stale {
            let terms = AskedTerms {
                patient,
                types: grant.types.iter().copied().collect(),
                kinds: grant.kinds,
                records: self.records_of(&grant).await?,
                include_future: true,
                write_types: RecordTypes::EMPTY,
                valid_from: None,
                expires_at: grant.expires_at,
                purpose: None,
                may_download: true,
                may_reshare: false,
            };
            let files = self.link_files(&open, &terms, link.single_file).await?;
            let key = open.link_key(grant.id.0).map_err(Failure::Vault)?;
            let sealed = link::seal_files(&key, &files, &mut self.service.rng());
            shares::put_share_files(&self.service, &self.caller, grant.id, sealed)
                .await
                .map_err(coded)?;
        }
        Ok(())
    }

    async fn records_of(
        &self,
        grant: &chartkey_store::grants::GrantRow,
    ) -> Result<Option<Vec<RecordId>>, AssistedFailure> {
        if !grant.by_records {
            return Ok(None);
        }
        let id = grant.id;
        let read = self.service.store().read("grant.records", move |db| {
            chartkey_store::grants::list_records(db, id)
        });
        Ok(Some(read.await.map_err(Failure::Store)?))
    }
}

fn moved() -> VaultError {
    VaultError::Conflict("compartment.moved".into())
}
