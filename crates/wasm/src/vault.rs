//! Somebody who signs in: `Vault`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chartkey_crypto::{SecretBytes, password};
use chartkey_fhir::{
    Compartment, Issues, Limits, Query, RecordType, Search, header_for_file, header_for_text,
    plan_import,
};
use chartkey_vault::{
    Authorship, Client, Id, Memory, VaultError,
    contents::{clinical, collection},
    http::Http,
    import::NewRecord,
    keys::AccountSecrets,
    patient::OpenPatient,
    reading::Listing,
    record::BodyKind,
    session::{Role, SignedIn},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::fetch::{Carry, JsFetch};
use crate::said::{act, chance, hear, id, now, refuse, say};
use crate::terms::{
    CoverView, FingerprintView, ImportView, ListView, MadeLinkView, NewLinkView, NewView,
    PassingView, PatientView, TermsView,
};
use crate::views::RecordView;

/// What is wrong with a new password: its dotted word, or nothing.
#[wasm_bindgen(js_name = passwordProblem)]
pub fn password_problem(text: &str) -> Option<String> {
    let problem = password::check_password(text, false).err();
    problem.map(|p| p.code().to_owned())
}

/// The keys of one account, in memory only.
#[wasm_bindgen]
pub struct Vault {
    http: Http<JsFetch>,
    memory: Memory,
    open: Option<Client<Http<JsFetch>>>,
    patients: BTreeMap<Id, (OpenPatient, Option<Listing>)>,
}

#[derive(Deserialize)]
struct Sought {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    types: Vec<RecordType>,
}

#[wasm_bindgen]
impl Vault {
    /// A vault that nobody has opened. `memory` is what an earlier one gave:
    /// it holds no secret, and is how a server that rolls back is noticed.
    #[wasm_bindgen(constructor)]
    pub fn new(carry: Carry, memory: Option<String>) -> Result<Vault, JsValue> {
        let memory = match memory {
            Some(text) => hear(&text)?,
            None => Memory::default(),
        };
        Ok(Self {
            http: Http(JsFetch(carry.into())),
            memory,
            open: None,
            patients: BTreeMap::new(),
        })
    }

    /// What to keep for the next time, per account.
    pub fn memory(&self) -> Result<String, JsValue> {
        let open = self.open.as_ref();
        say(open.map_or(&self.memory, |client| &client.memory))
    }

    /// Whose keys are here.
    #[wasm_bindgen(getter)]
    pub fn account(&self) -> Option<String> {
        let open = self.open.as_ref()?;
        Some(open.account.account().to_string())
    }

    /// Puts every secret away.
    pub fn lock(&mut self) {
        self.patients.clear();
        if let Some(client) = self.open.take() {
            self.memory = client.memory;
        }
    }

    pub(crate) fn client(&mut self) -> Result<&mut Client<Http<JsFetch>>, JsValue> {
        let locked = || {
            refuse(VaultError::Refused {
                status: 401,
                code: "vault.locked".to_owned(),
                detail: "The vault is locked.".to_owned(),
            })
        };
        self.open.as_mut().ok_or_else(locked)
    }

    fn unlock(&mut self, secrets: AccountSecrets) {
        self.lock();
        let http = Http(self.http.0.clone());
        let memory = std::mem::take(&mut self.memory);
        self.open = Some(Client::new(http, secrets, memory));
    }

    // --- ways in ------------------------------------------------------------

    /// Registers a patient; `person` as `POST /api/patients/register` has it,
    /// without a password. Gives `{account_id, patient_id, recovery_code}`.
    #[wasm_bindgen(js_name = registerPatient)]
    pub async fn register_patient(
        &mut self,
        person: String,
        password: String,
    ) -> Result<String, JsValue> {
        self.register(Role::Patient, &person, &password).await
    }

    /// Registers a provider; `person` as `POST /api/providers/register` has it,
    /// without a password. Gives `{account_id, recovery_code}`.
    #[wasm_bindgen(js_name = registerProvider)]
    pub async fn register_provider(
        &mut self,
        person: String,
        password: String,
    ) -> Result<String, JsValue> {
        self.register(Role::Provider, &person, &password).await
    }

    async fn register(
        &mut self,
        role: Role,
        person: &str,
        password: &str,
    ) -> Result<String, JsValue> {
        let person: Map<String, Value> = hear(person)?;
        let mut rng = chance();
        let made = self
            .http
            .register(role, &person, password, &mut act(&mut rng))
            .await
            .map_err(refuse)?;
        say(&json!({
            "account_id": made.account,
            "patient_id": made.patient,
            "recovery_code": made.recovery.to_text().as_str(),
        }))
    }

    /// Signs in and opens the account. Gives what the server said: tokens,
    /// `account`, `patient_id`.
    #[wasm_bindgen(js_name = signIn)]
    pub async fn sign_in(&mut self, email: String, password: String) -> Result<String, JsValue> {
        let done = self.http.sign_in(&email, &password).await.map_err(refuse)?;
        self.take(done)
    }

    fn take(&mut self, done: SignedIn) -> Result<String, JsValue> {
        self.unlock(done.secrets);
        say(&done.said)
    }

    /// Comes back with a recovery code. Gives what the server said, and the
    /// new `recovery_code`.
    pub async fn recover(
        &mut self,
        email: String,
        code: String,
        new_password: String,
    ) -> Result<String, JsValue> {
        let mut rng = chance();
        let (mut done, fresh) = self
            .http
            .recover(&email, &code, &new_password, &mut act(&mut rng))
            .await
            .map_err(refuse)?;
        let code = fresh.to_text().as_str().into();
        done.said.insert("recovery_code".to_owned(), code);
        self.take(done)
    }

    /// Changes the password.
    #[wasm_bindgen(js_name = changePassword)]
    pub async fn change_password(
        &mut self,
        email: String,
        current: String,
        new: String,
    ) -> Result<(), JsValue> {
        let mut rng = chance();
        let client = self.client()?;
        client
            .transport
            .change_password(&client.account, &email, &current, &new, &mut act(&mut rng))
            .await
            .map_err(refuse)
    }

    /// Checks that the server shows others the keys that this account has.
    #[wasm_bindgen(js_name = checkOwnKeys)]
    pub async fn check_own_keys(&mut self) -> Result<(), JsValue> {
        self.client()?.check_own_keys().await.map_err(refuse)?;
        Ok(())
    }

    // --- patients -----------------------------------------------------------

    /// Fetches, verifies and opens a patient as they stand now.
    #[wasm_bindgen(js_name = openPatient)]
    pub async fn open_patient(&mut self, patient: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let open = self.client()?.open(patient).await.map_err(refuse)?;
        self.keep(patient, open)
    }

    /// The same, and for managers: ends staleness, adopts what waits.
    pub async fn settle(&mut self, patient: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let mut rng = chance();
        let client = self.client()?;
        let open = client.settle(patient, &mut act(&mut rng)).await;
        self.keep(patient, open.map_err(refuse)?)
    }

    fn keep(&mut self, patient: Id, open: OpenPatient) -> Result<String, JsValue> {
        let view = say(&PatientView::new(&open, now()));
        self.patients.insert(patient, (open, None));
        view
    }

    /// Opens the patient where that has not happened yet.
    pub(crate) async fn ready(&mut self, patient: Id) -> Result<(), JsValue> {
        if !self.patients.contains_key(&patient) {
            let open = self.client()?.open(patient).await.map_err(refuse)?;
            self.patients.insert(patient, (open, None));
        }
        Ok(())
    }

    /// What was opened of a patient is of before a change.
    pub(crate) fn forget_patient(&mut self, patient: Id) {
        self.patients.remove(&patient);
    }

    fn opened(&self, patient: Id) -> Result<&OpenPatient, JsValue> {
        let found = self.patients.get(&patient).map(|(open, _)| open);
        found.ok_or_else(|| refuse(VaultError::NoKey))
    }

    pub(crate) fn both(
        &mut self,
        patient: Id,
    ) -> Result<(&mut Client<Http<JsFetch>>, &OpenPatient), JsValue> {
        match (&mut self.open, self.patients.get(&patient)) {
            (Some(client), Some((open, _))) => Ok((client, open)),
            _ => Err(refuse(VaultError::NoKey)),
        }
    }

    // --- reading ------------------------------------------------------------

    /// Every record that may be read: `{headers, unopened}`.
    #[wasm_bindgen(js_name = listHeaders)]
    pub async fn list_headers(&mut self, patient: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        // Anew: what was granted or written since is in it.
        let open = self.client()?.open(patient).await.map_err(refuse)?;
        let listing = self.client()?.list(&open, false).await.map_err(refuse)?;
        let view = say(&ListView {
            headers: listing.records.iter().map(Into::into).collect(),
            unopened: &listing.unopened,
        });
        self.patients.insert(patient, (open, Some(listing)));
        view
    }

    /// Ids of the listed records that fit `{text?, from?, to?, types?}`.
    pub fn search(&self, patient: String, query: String) -> Result<String, JsValue> {
        let sought: Sought = hear(&query)?;
        let search = Search::new(&Query {
            text: sought.text,
            from: sought.from,
            to: sought.to,
            record_types: sought.types,
        });
        let search = search.map_err(|_| refuse(VaultError::Input("not a date")))?;
        let found = self.patients.get(&id(&patient)?);
        let listing = found.and_then(|(_, listing)| listing.as_ref());
        let listing = listing.ok_or_else(|| refuse(VaultError::Input("list first")))?;
        let fits = listing.records.iter().filter(|listed| {
            let record_type = listed.sealed.compartment.record_type;
            search.matches(record_type, &listed.open.header.fields.header)
        });
        say(&fits.map(|listed| listed.sealed.id).collect::<Vec<_>>())
    }

    /// One record, its author's signature checked: `{header, text, verified}`.
    #[wasm_bindgen(js_name = readRecord)]
    pub async fn read_record(
        &mut self,
        patient: String,
        record: String,
        version: Option<u32>,
    ) -> Result<String, JsValue> {
        let (patient, record) = (id(&patient)?, id(&record)?);
        self.ready(patient).await?;
        let (client, open) = self.both(patient)?;
        let read = client.read(open, record, version).await.map_err(refuse)?;
        let verified = matches!(read.authorship, Authorship::Signed(_));
        say(&RecordView::new(
            &read.record,
            Some(&read.content),
            verified,
        ))
    }

    /// The bytes of one record.
    #[wasm_bindgen(js_name = readContent)]
    pub async fn read_content(
        &mut self,
        patient: String,
        record: String,
    ) -> Result<Vec<u8>, JsValue> {
        let (patient, record) = (id(&patient)?, id(&record)?);
        self.ready(patient).await?;
        let (client, open) = self.both(patient)?;
        let read = client.read(open, record, None).await.map_err(refuse)?;
        Ok(read.content.into_vec())
    }

    /// The clinical document of these types (a JSON array, or null for all).
    pub async fn document(
        &mut self,
        patient: String,
        types: Option<String>,
    ) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let types: Option<Vec<RecordType>> = types.as_deref().map(hear).transpose()?;
        self.ready(patient).await?;
        let (client, open) = self.both(patient)?;
        let held = client.contents(open, types.as_deref(), false).await;
        let covered = types.unwrap_or_else(|| RecordType::ALL.to_vec());
        say(&clinical(&held.map_err(refuse)?, &covered))
    }

    /// What whoever is granted `{types, kinds?, records?}` would read now.
    pub async fn preview(&mut self, patient: String, scope: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let scope = hear(&scope)?;
        self.ready(patient).await?;
        let (client, open) = self.both(patient)?;
        say(&client.preview(open, &scope).await.map_err(refuse)?)
    }

    /// These types as one FHIR Bundle.
    #[wasm_bindgen(js_name = exportBundle)]
    pub async fn export_bundle(
        &mut self,
        patient: String,
        types: Option<String>,
    ) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let types: Option<Vec<RecordType>> = types.as_deref().map(hear).transpose()?;
        self.ready(patient).await?;
        let (client, open) = self.both(patient)?;
        let held = client.contents(open, types.as_deref(), true).await;
        let bundle = collection(&held.map_err(refuse)?, now()).map_err(refuse)?;
        String::from_utf8(bundle.into_vec()).map_err(|_| refuse(VaultError::Internal))
    }

    // --- writing ------------------------------------------------------------

    /// Imports FHIR (a resource, a Bundle, NDJSON):
    /// `{created, updated, unchanged, written, rejected, odd, odd_count}`.
    #[wasm_bindgen(js_name = importFhir)]
    pub async fn import_fhir(
        &mut self,
        patient: String,
        bytes: Vec<u8>,
        content_type: Option<String>,
        author_name: Option<String>,
    ) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let bytes = SecretBytes::new(bytes);
        let plan = plan_import(&bytes, content_type.as_deref(), &Limits::default());
        let plan = plan.map_err(|error| {
            refuse(VaultError::Refused {
                status: 422,
                code: error.code().to_owned(),
                detail: error.to_string(),
            })
        })?;
        let (rejected, issues) = (plan.rejected.clone(), plan.issues.clone());
        let mut rng = chance();
        let author = author_name.as_deref();
        let client = self.client()?;
        let done = client
            .import(patient, plan, None, SOURCE, author, &mut act(&mut rng))
            .await
            .map_err(refuse)?;
        self.patients.remove(&patient);
        say(&ImportView::new(done, &rejected, &issues))
    }

    /// Adds a text; `about` is `{title?, date?, record_type?, kinds?, author_name?}`.
    #[wasm_bindgen(js_name = addText)]
    pub async fn add_text(
        &mut self,
        patient: String,
        text: String,
        about: String,
    ) -> Result<String, JsValue> {
        let about: NewView = hear(&about)?;
        let header = header_for_text(about.title.as_deref(), &text, about.date.as_deref());
        let new = NewRecord {
            compartment: Compartment::new(about.record_type, about.kinds),
            body: BodyKind::Text,
            content_type: "text/plain; charset=utf-8".to_owned(),
            file_name: None,
            header,
            content: SecretBytes::new(text.into_bytes()),
        };
        self.add(&patient, new, about.author_name).await
    }

    /// Adds a file; `about` as for texts, and `file_name`, `content_type`.
    #[wasm_bindgen(js_name = addFile)]
    pub async fn add_file(
        &mut self,
        patient: String,
        bytes: Vec<u8>,
        about: String,
    ) -> Result<String, JsValue> {
        let about: NewView = hear(&about)?;
        let content_type = about
            .content_type
            .unwrap_or_else(|| "application/octet-stream".to_owned());
        let header = header_for_file(
            about.title.as_deref(),
            about.file_name.as_deref(),
            &content_type,
            bytes.len() as u64,
            about.date.as_deref(),
        );
        let new = NewRecord {
            compartment: Compartment::new(about.record_type, about.kinds),
            body: BodyKind::File,
            content_type,
            file_name: header.file_name.clone(),
            header,
            content: SecretBytes::new(bytes),
        };
        self.add(&patient, new, about.author_name).await
    }

    async fn add(
        &mut self,
        patient: &str,
        new: NewRecord,
        author_name: Option<String>,
    ) -> Result<String, JsValue> {
        let patient = id(patient)?;
        let mut rng = chance();
        let author = author_name.as_deref();
        let client = self.client()?;
        let done = client
            .add(patient, vec![new], SOURCE, author, &mut act(&mut rng))
            .await
            .map_err(refuse)?;
        self.patients.remove(&patient);
        say(&ImportView::new(done, &[], &Issues::default()))
    }

    /// Moves a record to another type and other kinds.
    #[wasm_bindgen(js_name = moveRecord)]
    pub async fn move_record(
        &mut self,
        patient: String,
        record: String,
        to: String,
    ) -> Result<(), JsValue> {
        let (patient, record) = (id(&patient)?, id(&record)?);
        let to: NewView = hear(&to)?;
        let to = Compartment::new(to.record_type, to.kinds);
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let moved = client.move_record(patient, record, to, act);
        moved.await.map_err(refuse)?;
        self.patients.remove(&patient);
        Ok(())
    }

    // --- sharing ------------------------------------------------------------

    /// Grants an account access; gives the grant's id. `terms` is `{types,
    /// kinds?, records?, write_types?, valid_from?, expires_at, purpose,
    /// may_download?, may_reshare?, cover: {patient_name, birth_date?, sender,
    /// recipient, purpose?, message?}}`.
    pub async fn grant(
        &mut self,
        patient: String,
        account: String,
        terms: String,
    ) -> Result<String, JsValue> {
        let (patient, account) = (id(&patient)?, id(&account)?);
        let wish = hear::<TermsView>(&terms)?.wish().map_err(refuse)?;
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let made = client.share_with(patient, account, &wish, act);
        let made = made.await.map_err(refuse)?;
        self.patients.remove(&patient);
        Ok(made.to_string())
    }

    /// Says yes to a request for access, with the terms of a grant.
    #[wasm_bindgen(js_name = approveRequest)]
    pub async fn approve_request(
        &mut self,
        patient: String,
        request: String,
        account: String,
        terms: String,
    ) -> Result<(), JsValue> {
        let (patient, request, account) = (id(&patient)?, id(&request)?, id(&account)?);
        let wish = hear::<TermsView>(&terms)?.wish().map_err(refuse)?;
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let made = client.approve(patient, request, account, &wish, act);
        made.await.map_err(refuse)?;
        self.patients.remove(&patient);
        Ok(())
    }

    /// Passes a record on to another practitioner under a grant that allows it:
    /// `{expires_at, cover: {patient_name, birth_date?, sender, recipient, purpose?,
    /// message?}}`. Gives the grant's id. Without such a grant it fails with
    /// `vault.no_key`, and the patient is asked instead (JSON to the same address).
    #[wasm_bindgen(js_name = shareDocument)]
    pub async fn share_document(
        &mut self,
        patient: String,
        record: String,
        account: String,
        terms: String,
    ) -> Result<String, JsValue> {
        let (patient, record, account) = (id(&patient)?, id(&record)?, id(&account)?);
        let new: PassingView = hear(&terms)?;
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let made = client.reshare(record, account, new.expires_at, &new.cover, act);
        let made = made.await.map_err(refuse)?;
        self.patients.remove(&patient);
        Ok(made.to_string())
    }

    /// Ends a grant or a link.
    #[wasm_bindgen(js_name = endGrant)]
    pub async fn end_grant(&mut self, patient: String, grant: String) -> Result<(), JsValue> {
        let (patient, grant) = (id(&patient)?, id(&grant)?);
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let ended = client.end_grant(patient, grant, act);
        ended.await.map_err(refuse)?;
        self.patients.remove(&patient);
        Ok(())
    }

    /// Lengthens or shortens a living grant or link.
    #[wasm_bindgen(js_name = changeTerms)]
    pub async fn change_terms(
        &mut self,
        patient: String,
        grant: String,
        expires_at: String,
    ) -> Result<(), JsValue> {
        let (patient, grant) = (id(&patient)?, id(&grant)?);
        let expires_at = expires_at.parse();
        let expires_at = expires_at.map_err(|_| refuse(VaultError::Input("not a time")))?;
        let mut rng = chance();
        let act = &mut act(&mut rng);
        let client = self.client()?;
        let changed = client.change_terms(patient, grant, expires_at, act);
        changed.await.map_err(refuse)?;
        self.patients.remove(&patient);
        Ok(())
    }

    /// Makes a link: `{terms, words?, app_url}`, the words as `POST
    /// /api/records/share` has them. Gives `{grant, url, shlink, share}`.
    #[wasm_bindgen(js_name = makeLink)]
    pub async fn make_link(&mut self, patient: String, link: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let new: NewLinkView = hear(&link)?;
        let wish = new.terms.wish().map_err(refuse)?;
        let mut rng = chance();
        let client = self.client()?;
        let made = client
            .make_link(patient, &wish, &new.words, &new.app_url, &mut act(&mut rng))
            .await
            .map_err(refuse)?;
        self.patients.remove(&patient);
        say(&MadeLinkView {
            grant: made.grant,
            url: &made.url,
            shlink: made.shlink.as_ref().map(|link| link.as_str()),
            share: made.share,
        })
    }

    /// The URL of a link again; `token` is the share's `accessToken`.
    #[wasm_bindgen(js_name = linkUrl)]
    pub async fn link_url(
        &mut self,
        patient: String,
        grant: String,
        token: String,
        app_url: String,
    ) -> Result<String, JsValue> {
        let (patient, grant) = (id(&patient)?, id(&grant)?);
        let client = self.client()?;
        let url = client.link_url(patient, grant, &token, &app_url).await;
        Ok(url.map_err(refuse)?.to_string())
    }

    /// The covers of grants and links, as managers sealed them:
    /// `[{grant, patient_name, sender, recipient, …}]`.
    pub async fn covers(&mut self, patient: String) -> Result<String, JsValue> {
        let patient = id(&patient)?;
        let open = self.client()?.open(patient).await.map_err(refuse)?;
        let grants = open.chain.grants().map(|g| g.terms.grant);
        let covers = grants.filter_map(|grant| {
            let cover = open.cover(grant).ok()?;
            Some(CoverView { grant, cover })
        });
        let view = say(&covers.collect::<Vec<_>>());
        self.patients.insert(patient, (open, None));
        view
    }

    /// The fingerprint of an account's keys: `{account, fingerprint, is_new}`.
    pub async fn fingerprint(&mut self, account: String) -> Result<String, JsValue> {
        let account = id(&account)?;
        let client = self.client()?;
        let is_new = !client.memory.accounts.contains_key(&account);
        let keys = client.account_keys(account).await.map_err(refuse)?;
        let mut fingerprint = String::with_capacity(64);
        for byte in keys.fingerprint().as_bytes() {
            // Writing into a `String` cannot fail.
            let _ = write!(fingerprint, "{byte:02x}");
        }
        say(&FingerprintView {
            account,
            fingerprint,
            is_new,
        })
    }

    /// The grants of a patient as they were last opened.
    pub fn patient(&self, patient: String) -> Result<String, JsValue> {
        say(&PatientView::new(self.opened(id(&patient)?)?, now()))
    }
}

/// Where what people add by hand comes from.
const SOURCE: &str = "upload";
