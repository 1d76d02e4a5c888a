//! Charts: patients whom a practitioner opened, before they have an account or
//! after. A chart's medical content is sealed like any other; what stands here is
//! who the patient is to the practice.
//!
//! While a chart is unclaimed its practitioner manages the record; the patient
//! takes it over by a [claim](crate::claims), and the practitioner keeps the grant
//! that was made when the chart was opened.

use std::collections::{BTreeMap, BTreeSet};

use chartkey_domain::accounts::Email;
use chartkey_domain::charts::{
    ChartError, INVITATION_DAYS, MAX_CONTACT, MAX_PLATFORM_ID, MAX_UNCLAIMED, UNCLAIMED_DAYS,
    WARN_DAYS,
};
use chartkey_domain::ids::{AccountId, PatientId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, ChartFacts, Noun, Permit, Refusal, Target};
use chartkey_domain::sessions::after;
use chartkey_domain::text;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_store::accounts as account_rows;
use chartkey_store::charts::{self as rows, ChartRow};
use chartkey_store::{Reader, StoreError, Tx, blobs as blob_rows, grants, patients};
use chartkey_vault::account::VerifiedAccount;
use chartkey_vault::chain::Chain;
use chartkey_vault::protocol::{AccountKeys, NewPatient};
use jiff::Timestamp;
use jiff::civil::Date;
use rand_core::CryptoRng;

use crate::letters::Content;
use crate::{
    Caller, Column, Failure, NounError, Service, accounts, columns, limits, mail, secrets, shares,
    trail,
};

/// Purpose of the token in an invitation.
pub(crate) const INVITE: &str = "chart.invite";
/// Purpose of the proof that a claim sheet gives.
pub(crate) const SHEET: &str = "claim.sheet";
/// Longest wrapped seed that is taken, in bytes.
const MAX_WRAPPED: usize = 4 << 10;
/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;
/// Charts that one sweep ends or warns of.
const PORTION: u32 = 100;

impl NounError for ChartError {
    fn code(&self) -> &'static str {
        Self::code(*self)
    }
}

/// How something about a chart fails.
pub type ChartFailure = Failure<ChartError>;

/// Who the patient of a new chart is; texts as they were typed.
#[derive(Clone, Default)]
pub struct NewChart {
    /// Name, as people write it.
    pub name: String,
    /// Where the invitation goes.
    pub email: String,
    /// Telephone, address and the like.
    pub contact: Option<String>,
    /// Day of birth, `YYYY-MM-DD`: a claim by mail must name it.
    pub birth_date: Option<String>,
    /// What the practice's platform calls them.
    pub platform_id: Option<String>,
}

/// What changes of a chart; what is left out stays, an empty text takes away.
#[derive(Clone, Default)]
pub struct ChartChange {
    /// Name.
    pub name: Option<String>,
    /// Where invitations go.
    pub email: Option<String>,
    /// Telephone, address and the like.
    pub contact: Option<String>,
    /// Day of birth.
    pub birth_date: Option<String>,
    /// What the practice's platform calls them.
    pub platform_id: Option<String>,
}

/// A chart as its practitioner sees it: nothing medical.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The patient.
    pub patient: PatientId,
    /// The name.
    pub name: String,
    /// Where the patient is reached.
    pub email: Option<String>,
    /// Telephone, address and the like.
    pub contact: Option<String>,
    /// Day of birth.
    pub birth_date: Option<String>,
    /// What the practice's platform calls them.
    pub platform_id: Option<String>,
    /// The practitioner who opened it; none for patients who came by themselves.
    pub opened_by: Option<AccountId>,
    /// Whether it has an owner.
    pub claimed: bool,
    /// When an unclaimed chart ends.
    pub expires_at: Option<Timestamp>,
    /// Until when the newest invitation counts.
    pub invited_until: Option<Timestamp>,
    /// When the caller's last living grant ends, once they are no manager.
    pub grant_ends_at: Option<Timestamp>,
    /// When the chart was opened, or the grant was made.
    pub created_at: Timestamp,
}

/// Whether a provider is of a type that opens charts (`CASELOAD_TYPES`).
pub(crate) fn may_open(
    db: &mut Reader,
    service: &Service,
    caller: &Caller,
) -> Result<bool, ChartFailure> {
    let Some(account) = caller.account_id() else {
        return Ok(false);
    };
    let Some(row) = account_rows::lookup(db, account)? else {
        return Ok(false);
    };
    let word = service.protect().open_optional(
        columns::PROVIDER_TYPE,
        account.0,
        row.provider_type_p.as_deref(),
    )?;
    Ok(word.is_some_and(|word| {
        let types = &service.settings().caseload_types;
        types
            .iter()
            .any(|one| one.eq_ignore_ascii_case(word.trim()))
    }))
}

/// A chart's rows and a permit for it; 404 where there is no chart.
pub(crate) fn permit_chart(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    patient: PatientId,
    now: Timestamp,
) -> Result<(ChartRow, Permit), ChartFailure> {
    let unknown =
        || crate::patients::unauthenticated_first(caller, Refusal::Unknown(Noun::Patient));
    let chart = rows::lookup(db, patient)?.ok_or_else(unknown)?;
    let (_, facts) =
        crate::patients::facts(db, patient, caller.account_id())?.ok_or_else(unknown)?;
    let about = ChartFacts {
        opened_by: chart.opened_by,
        claimed: chart.claimed_at.is_some(),
    };
    let target = Target::Chart(&facts, &about);
    let permit = policy::permit(&caller.who, action, &target, now)?;
    Ok((chart, permit))
}

/// Whether the caller may do this to a chart: asked before anything is counted or
/// opened for it.
///
/// # Errors
/// The policy's.
pub(crate) async fn may(
    service: &Service,
    caller: &Caller,
    action: Action,
    patient: PatientId,
) -> Result<(), ChartFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read("chart.may", move |db| {
            permit_chart(db, &asking, action, patient, now).map(drop)
        })
        .await
}

/// `GET /api/v1/patients`: whom the caller opened charts for, and whoever granted
/// them access, oldest first.
///
/// # Errors
/// The policy's: verified providers only.
pub async fn list_charts(service: &Service, caller: &Caller) -> Result<Vec<Chart>, ChartFailure> {
    let now = service.now();
    let account = caller.account()?.id;
    let target = Target::Account(account);
    policy::permit(&caller.who, Action::ListCharts, &target, now)?;
    let this = service.clone();
    service
        .store()
        .read("chart.list", move |db| {
            let mut charts = Vec::new();
            let mut seen = BTreeSet::new();
            let living: Vec<grants::GrantRow> = grants::list_held(db, account)?
                .into_iter()
                .filter(|g| g.ended_at.is_none() && g.valid_from <= now && g.expires_at > now)
                .collect();
            let ends = |patient| {
                let of_patient = living.iter().filter(|g| g.patient == patient);
                of_patient.map(|g| g.expires_at).max()
            };
            for row in rows::list_opened(db, account)? {
                let grant_ends_at = ends(row.patient);
                if row.claimed_at.is_some() && grant_ends_at.is_none() {
                    continue;
                }
                seen.insert(row.patient);
                charts.push(view(db, &this, row.patient, Some(&row), grant_ends_at)?);
            }
            for grant in &living {
                if seen.insert(grant.patient) {
                    let mut chart = view(db, &this, grant.patient, None, ends(grant.patient))?;
                    chart.created_at = grant.created_at;
                    charts.push(chart);
                }
            }
            Ok(charts)
        })
        .await
}

/// `GET /api/v1/patients/{id}`, without what is medical.
///
/// # Errors
/// The policy's; 404 for whoever has nothing to do with the patient.
pub async fn find_chart(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Chart, ChartFailure> {
    let now = service.now();
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("chart.find", move |db| {
            let unknown =
                || crate::patients::unauthenticated_first(&asking, Refusal::Unknown(Noun::Patient));
            let chart = rows::lookup(db, patient)?;
            let (_, facts) =
                crate::patients::facts(db, patient, asking.account_id())?.ok_or_else(unknown)?;
            let about = ChartFacts {
                opened_by: chart.as_ref().map_or(AccountId::NIL, |c| c.opened_by),
                claimed: chart.as_ref().is_none_or(|c| c.claimed_at.is_some()),
            };
            let target = Target::Chart(&facts, &about);
            policy::permit(&asking.who, Action::FindChart, &target, now)?;
            let ends = facts
                .caller_grants
                .iter()
                .filter(|g| g.status(now) == chartkey_domain::grants::GrantStatus::Active)
                .map(|g| g.expires_at)
                .max();
            view(db, &this, patient, chart.as_ref(), ends)
        })
        .await
}

pub(crate) fn view(
    db: &mut Reader,
    service: &Service,
    patient: PatientId,
    chart: Option<&ChartRow>,
    grant_ends_at: Option<Timestamp>,
) -> Result<Chart, ChartFailure> {
    let profile = account_rows::lookup_patient_profile(db, patient)?
        .ok_or(Refusal::Unknown(Noun::Patient))?;
    let text = |column: Column, protected: Option<&[u8]>| -> Result<Option<String>, ChartFailure> {
        let open = service
            .protect()
            .open_optional(column, patient.0, protected)?;
        Ok(open.map(|text| text.to_string()))
    };
    let claimed = chart.is_none_or(|c| c.claimed_at.is_some());
    Ok(Chart {
        patient,
        name: text(columns::PATIENT_NAME, profile.name_p.as_deref())?.unwrap_or_default(),
        email: text(
            columns::CHART_EMAIL,
            chart.and_then(|c| c.email_p.as_deref()),
        )?,
        contact: text(columns::PATIENT_CONTACT, profile.contact_p.as_deref())?,
        birth_date: text(columns::PATIENT_BIRTH_DATE, profile.birth_date_p.as_deref())?,
        platform_id: text(
            columns::CHART_PLATFORM_ID,
            chart.and_then(|c| c.platform_id_p.as_deref()),
        )?,
        opened_by: chart.map(|c| c.opened_by),
        claimed,
        expires_at: chart.filter(|_| !claimed).and_then(|c| c.expires_at),
        invited_until: chart.filter(|_| !claimed).and_then(|c| c.invited_until),
        grant_ends_at: grant_ends_at.filter(|_| claimed),
        created_at: chart.map_or(Timestamp::UNIX_EPOCH, |c| c.created_at),
    })
}

/// Whether the caller may import a caseload: asked before anything is read of it.
///
/// # Errors
/// The policy's; too often.
pub(crate) async fn may_import(service: &Service, caller: &Caller) -> Result<(), ChartFailure> {
    let (now, account) = (service.now(), caller.account()?.id);
    let (this, asking) = (service.clone(), caller.clone());
    service
        .store()
        .read("chart.may", move |db| {
            let target = Target::Caseload(may_open(db, &this, &asking)?);
            policy::permit(&asking.who, Action::ImportCharts, &target, now)?;
            Ok::<_, ChartFailure>(())
        })
        .await?;
    limits::spend(service, Limit::ChartImport, &account.to_string()).await
}

/// Whom a caseload has already: by address, and by what the practice's platform
/// calls them.
#[derive(Default)]
pub(crate) struct KnownCharts {
    emails: BTreeMap<[u8; 32], PatientId>,
    platform_ids: BTreeMap<String, PatientId>,
}

impl KnownCharts {
    /// All that an account opened, claimed or not.
    pub async fn load(service: &Service, caller: &Caller) -> Result<Self, ChartFailure> {
        let (this, account) = (service.clone(), caller.account()?.id);
        service
            .store()
            .read("chart.known", move |db| {
                let mut known = Self::default();
                for row in rows::list_opened(db, account)? {
                    let column = columns::CHART_PLATFORM_ID;
                    let id = row.platform_id_p.as_deref();
                    let id = this.protect().open_optional(column, row.patient.0, id)?;
                    known.note(
                        row.email_hash,
                        id.as_deref().map(String::as_str),
                        row.patient,
                    );
                }
                Ok(known)
            })
            .await
    }

    /// The patient of this address, or of this number.
    pub fn find(&self, service: &Service, new: &NewChart) -> Option<PatientId> {
        let number = new.platform_id.as_deref().map(str::trim);
        let by_number = number.and_then(|id| self.platform_ids.get(id));
        let email = Email::parse(&new.email).ok();
        let by_email = email.and_then(|e| self.emails.get(&service.protect().email_hash(&e)));
        by_number.or(by_email).copied()
    }

    /// One more.
    pub fn add(&mut self, service: &Service, new: &NewChart, patient: PatientId) {
        let email = Email::parse(&new.email).ok();
        let hash = email.map(|e| service.protect().email_hash(&e));
        self.note(hash, new.platform_id.as_deref(), patient);
    }

    fn note(&mut self, email: Option<[u8; 32]>, number: Option<&str>, patient: PatientId) {
        if let Some(hash) = email {
            self.emails.entry(hash).or_insert(patient);
        }
        if let Some(number) = number.map(str::trim).filter(|id| !id.is_empty()) {
            self.platform_ids
                .entry(number.to_owned())
                .or_insert(patient);
        }
    }
}

/// Texts of a chart, read.
struct Read {
    name: Option<String>,
    email: Option<Option<Email>>,
    contact: Option<Option<String>>,
    birth_date: Option<Option<Date>>,
    platform_id: Option<Option<String>>,
}

fn read(change: &ChartChange, now: Timestamp) -> Result<Read, ChartFailure> {
    let wrong = |field: &'static str, error: &dyn std::error::Error| {
        Failure::field(field, &error.to_string())
    };
    let emptied = |text: &str| text.trim().is_empty();
    let name = change
        .name
        .as_deref()
        .map(chartkey_domain::accounts::parse_name);
    let email = change.email.as_deref().map(|text| match emptied(text) {
        true => Ok(None),
        false => Email::parse(text).map(Some),
    });
    let contact = change.contact.as_deref().map(|typed| match emptied(typed) {
        true => Ok(None),
        false => text::lines(typed, MAX_CONTACT).map(Some),
    });
    let birth = change
        .birth_date
        .as_deref()
        .map(|typed| match emptied(typed) {
            true => Ok(None),
            false => chartkey_domain::accounts::parse_birth_date(typed, now).map(Some),
        });
    let platform = change.platform_id.as_deref();
    Ok(Read {
        name: name.transpose().map_err(|e| wrong("name", &e))?,
        email: email.transpose().map_err(|e| wrong("email", &e))?,
        contact: contact
            .transpose()
            .map_err(|e| wrong("contact_details", &e))?,
        birth_date: birth.transpose().map_err(|e| wrong("date_of_birth", &e))?,
        platform_id: platform
            .map(|typed| text::optional_line(Some(typed), MAX_PLATFORM_ID))
            .transpose()
            .map_err(|e| wrong("carepatron_patient_id", &e))?,
    })
}

/// `POST /api/v1/patients`: opens a chart whose record the caller manages until
/// the patient claims it, and invites them. `sealed` is the first generation.
///
/// # Errors
/// The policy's (practitioners of a type in `CASELOAD_TYPES`), a rule of a field,
/// [`ChartError::TooMany`], a generation that does not hold.
pub async fn create_chart(
    service: &Service,
    caller: &Caller,
    new: NewChart,
    sealed: NewPatient,
) -> Result<Chart, ChartFailure> {
    let now = service.now();
    let change = ChartChange {
        name: Some(new.name),
        email: Some(new.email),
        contact: new.contact,
        birth_date: new.birth_date,
        platform_id: new.platform_id,
    };
    let read = read(&change, now)?;
    if !matches!(&read.email, Some(Some(_))) {
        return Err(Failure::field("email", "is missing"));
    }
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("chart.create", move |tx| {
            let may = may_open(tx, &this, &asking)?;
            let permit = policy::permit(
                &asking.who,
                Action::CreateChart,
                &Target::Caseload(may),
                now,
            )?;
            let opener = asking.account()?.id;
            let opened = rows::list_opened(tx, opener)?;
            if opened.iter().filter(|c| c.claimed_at.is_none()).count() >= MAX_UNCLAIMED {
                return Err(Failure::Noun(ChartError::TooMany));
            }
            let patient = insert_patient(tx, &asking, &sealed, now)?;
            let mut row = ChartRow {
                patient,
                opened_by: opener,
                email_p: None,
                email_hash: None,
                platform_id_p: None,
                invite_hash: None,
                invited_until: None,
                claim_auth: None,
                claim_wrap: None,
                expires_at: Some(after(now, UNCLAIMED_DAYS * DAY)),
                warned_at: None,
                claimed_at: None,
                created_at: now,
                updated_at: now,
            };
            apply(tx, &this, &mut row, &read, now, &mut rng)?;
            invite(tx, &this, &mut row, now, &mut rng)?;
            rows::insert(tx, &row)?;
            let entry = NewEntry::under(TrailAction::ChartCreate, now, &permit).patient(patient);
            trail::append_by(tx, entry, &asking, &mut rng)?;
            view(tx, &this, patient, Some(&row), None)
        })
        .await
}

/// The patient's first generation, which the caller alone manages.
fn insert_patient(
    tx: &mut Tx,
    caller: &Caller,
    sealed: &NewPatient,
    now: Timestamp,
) -> Result<PatientId, ChartFailure> {
    let account = caller.account()?;
    let patient = PatientId(sealed.patient);
    if sealed.sealed_seed.0.is_empty() || sealed.sealed_seed.0.len() > MAX_WRAPPED {
        return Err(Failure::field("sealed_seed", "must be 1 to 4096 bytes"));
    }
    let statements = account_rows::list_statements(tx, account.id)?;
    let statements: Vec<_> = statements
        .iter()
        .map(secrets::to_statement)
        .collect::<Option<_>>()
        .ok_or(Failure::Internal("a statement"))?;
    let keys = AccountKeys {
        account: account.id.0,
        statements,
    };
    let opener = VerifiedAccount::verify(&keys, None).map_err(Failure::Vault)?;
    let chain = Chain::verify(
        sealed.patient,
        std::slice::from_ref(&sealed.statement),
        None,
    )
    .map_err(Failure::Vault)?;
    let alone = match chain.managers() {
        [manager] => {
            manager.account == opener.account && manager.fingerprint == opener.fingerprint()
        }
        _ => false,
    };
    if !alone {
        let said = "the practitioner is the only manager";
        return Err(Failure::Vault(
            chartkey_vault::error::VaultError::Statement(said),
        ));
    }
    if patients::lookup(tx, patient)?.is_some() {
        return Err(Failure::Vault(chartkey_vault::error::VaultError::Conflict(
            "patient.exists".to_owned(),
        )));
    }
    patients::insert(tx, patient, None, account.assisted, now)?;
    let seed = &sealed.sealed_seed.0;
    patients::insert_manager(tx, patient, account.id, 1, seed, "practitioner", now)?;
    let statement = secrets::to_row(&sealed.statement, 0, "generation");
    patients::insert_statement(tx, patient, &statement, now)?;
    let owner = trail::KeyOwner::Patient(patient);
    trail::publish_keys(tx, owner, 0, &sealed.statement, now)?;
    Ok(patient)
}

/// Writes what was read into the patient's profile and the chart's row.
fn apply(
    tx: &mut Tx,
    service: &Service,
    row: &mut ChartRow,
    read: &Read,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), ChartFailure> {
    let protect = service.protect();
    let id = row.patient.0;
    let mut profile = account_rows::lookup_patient_profile(tx, row.patient)?
        .ok_or(Refusal::Unknown(Noun::Patient))?;
    let mut seal = |column, text: &str| protect.seal(column, id, text.as_bytes(), rng);
    if let Some(name) = &read.name {
        profile.name_p = Some(seal(columns::PATIENT_NAME, name));
    }
    if let Some(contact) = &read.contact {
        profile.contact_p = contact.as_ref().map(|c| seal(columns::PATIENT_CONTACT, c));
    }
    if let Some(date) = &read.birth_date {
        profile.birth_date_p = date.map(|d| seal(columns::PATIENT_BIRTH_DATE, &d.to_string()));
    }
    if let Some(email) = &read.email {
        row.email_hash = email.as_ref().map(|e| protect.email_hash(e));
        row.email_p = email
            .as_ref()
            .map(|e| seal(columns::CHART_EMAIL, e.address()));
    }
    if let Some(platform) = &read.platform_id {
        row.platform_id_p = platform
            .as_ref()
            .map(|p| seal(columns::CHART_PLATFORM_ID, p));
    }
    row.updated_at = now;
    account_rows::update_patient_profile(tx, &profile)?;
    Ok(())
}

/// A fresh invitation, its mail queued: the mail names the practitioner, and
/// neither the patient nor anything of the chart.
fn invite(
    tx: &mut Tx,
    service: &Service,
    row: &mut ChartRow,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), ChartFailure> {
    let to = service.protect().open_optional(
        columns::CHART_EMAIL,
        row.patient.0,
        row.email_p.as_deref(),
    )?;
    let Some(to) = to else {
        return Err(Failure::field("email", "is missing"));
    };
    let inviter = shares::account_name(tx, service, row.opened_by)
        .map_err(|_| Failure::Internal("a name"))?
        .unwrap_or_default();
    let (token, hash) = secrets::new_token(service, INVITE, rng);
    let valid_until = after(now, INVITATION_DAYS * DAY);
    row.invite_hash = Some(hash);
    row.invited_until = Some(valid_until);
    let content = Content::Invitation {
        inviter,
        token: Some(token.to_string()),
        valid_until,
    };
    mail::queue(tx, service, &to, &content, now, rng)?;
    Ok(())
}

/// `PUT /api/v1/patients/{id}`: everything while the chart is unclaimed; later
/// only what the practice calls the patient.
///
/// # Errors
/// The policy's, a rule of a field, [`ChartError::Claimed`].
pub async fn update_chart(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    change: ChartChange,
) -> Result<Chart, ChartFailure> {
    let now = service.now();
    let read = read(&change, now)?;
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("chart.update", move |tx| {
            let (mut row, permit) = permit_chart(tx, &asking, Action::UpdateChart, patient, now)?;
            let theirs = read.name.is_some()
                || read.email.is_some()
                || read.contact.is_some()
                || read.birth_date.is_some();
            if row.claimed_at.is_some() && theirs {
                return Err(Failure::Noun(ChartError::Claimed));
            }
            apply(tx, &this, &mut row, &read, now, &mut rng)?;
            rows::update(tx, &row)?;
            let entry = NewEntry::under(TrailAction::ChartUpdate, now, &permit);
            trail::append_by(tx, entry, &asking, &mut rng)?;
            view(tx, &this, patient, Some(&row), None)
        })
        .await
}

/// `POST /api/v1/patients/{id}/invitation`: invites once more; the invitation
/// before counts no longer.
///
/// # Errors
/// The policy's, a chart without an address.
pub async fn create_invitation(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Chart, ChartFailure> {
    let now = service.now();
    may(service, caller, Action::CreateInvitation, patient).await?;
    // Counted for whoever may invite, and nobody else.
    let limit = chartkey_domain::limits::Limit::VerifyMail;
    crate::limits::spend(service, limit, &patient.to_string()).await?;
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("chart.invite", move |tx| {
            let action = Action::CreateInvitation;
            let (mut row, permit) = permit_chart(tx, &asking, action, patient, now)?;
            invite(tx, &this, &mut row, now, &mut rng)?;
            row.updated_at = now;
            rows::update(tx, &row)?;
            let entry = NewEntry::under(TrailAction::ChartInvite, now, &permit)
                .detail("by", Detail::Word("mail"));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            view(tx, &this, patient, Some(&row), None)
        })
        .await
}

/// `POST /api/v1/patients/{id}/claim-sheet`: keeps what a new sheet proves and the
/// seed wrapped under its key; the sheet before counts no longer.
///
/// # Errors
/// The policy's.
pub async fn create_claim_sheet(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    auth: [u8; 32],
    wrapped: Vec<u8>,
) -> Result<Chart, ChartFailure> {
    let now = service.now();
    if wrapped.is_empty() || wrapped.len() > MAX_WRAPPED {
        return Err(Failure::field("wrapped", "must be 1 to 4096 bytes"));
    }
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("chart.sheet", move |tx| {
            let action = Action::CreateClaimSheet;
            let (mut row, permit) = permit_chart(tx, &asking, action, patient, now)?;
            row.claim_auth = Some(this.protect().proof_hash(SHEET, patient.0, &auth));
            row.claim_wrap = Some(wrapped);
            row.updated_at = now;
            rows::update(tx, &row)?;
            let entry = NewEntry::under(TrailAction::ChartInvite, now, &permit)
                .detail("by", Detail::Word("sheet"));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            view(tx, &this, patient, Some(&row), None)
        })
        .await
}

/// `DELETE /api/v1/patients/{id}`: destroys an unclaimed chart with everything in
/// it.
///
/// # Errors
/// The policy's: only its practitioner, and only while it is unclaimed.
pub async fn delete_chart(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<(), ChartFailure> {
    let now = service.now();
    let (asking, mut rng) = (caller.clone(), service.rng());
    let bodies = service
        .store()
        .write("chart.delete", move |tx| {
            let (_, permit) = permit_chart(tx, &asking, Action::DeleteChart, patient, now)?;
            let entry = NewEntry::under(TrailAction::ChartDelete, now, &permit)
                .detail("why", Detail::Word("asked"));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            let bodies = blob_rows::list(tx, *patient.as_bytes())?;
            accounts::destroy(tx, patient, now)?;
            Ok::<_, ChartFailure>(bodies)
        })
        .await?;
    for body in bodies {
        accounts::forget_body(service, body.id).await;
    }
    Ok(())
}

/// Warns of charts whose time comes soon, and destroys those whose time came.
///
/// # Errors
/// The database's.
pub(crate) async fn sweep(service: &Service) -> Result<(), ChartFailure> {
    let now = service.now();
    let (this, mut rng) = (service.clone(), service.rng());
    let bodies = service
        .store()
        .write("chart.sweep", move |tx| {
            let mut bodies = Vec::new();
            for mut row in rows::list_ending(tx, after(now, WARN_DAYS * DAY), PORTION)? {
                let Some(ends) = row.expires_at else { continue };
                if ends <= now {
                    let entry = NewEntry::new(TrailAction::ChartDelete, now, TrailActor::System)
                        .patient(row.patient)
                        .detail("why", Detail::Word("expired"));
                    trail::append(tx, entry, &mut rng)?;
                    bodies.extend(blob_rows::list(tx, *row.patient.as_bytes())?);
                    accounts::destroy(tx, row.patient, now)?;
                } else if row.warned_at.is_none() {
                    warn(tx, &this, &row, ends, now, &mut rng)?;
                    row.warned_at = Some(now);
                    rows::update(tx, &row)?;
                }
            }
            Ok::<_, ChartFailure>(bodies)
        })
        .await?;
    for body in bodies {
        accounts::forget_body(service, body.id).await;
    }
    Ok(())
}

fn warn(
    tx: &mut Tx,
    service: &Service,
    row: &ChartRow,
    ends: Timestamp,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), ChartFailure> {
    let Some(opener) = account_rows::lookup(tx, row.opened_by)? else {
        return Ok(());
    };
    let to = service
        .protect()
        .open_text(columns::ACCOUNT_EMAIL, opener.id.0, &opener.email_p)?;
    mail::queue(
        tx,
        service,
        &to,
        &Content::ChartEndsSoon { at: ends },
        now,
        rng,
    )?;
    Ok::<_, StoreError>(()).map_err(Failure::from)
}
