//! What a patient says about themselves, and their preferences.

use chartkey_domain::accounts::{parse_birth_date, parse_name, parse_phone};
use chartkey_domain::policy::Permit;
use chartkey_store::Reader;
use chartkey_store::accounts::PatientProfileRow;
use jiff::civil::Date;

use super::*;

/// Longest preferences, in bytes of JSON.
const MAX_PREFERENCES: usize = 16 << 10;

/// A patient's own profile.
pub struct Profile {
    /// The account.
    pub account: AccountView,
    /// The patients that the account owns, oldest first: usually one.
    pub patients: Vec<PatientView>,
    /// What the app keeps for its user, as JSON text.
    pub preferences: Option<String>,
    /// Changes with every change: for `If-Match`.
    pub version: i64,
}

/// A patient as its owner sees it.
pub struct PatientView {
    /// Its id.
    pub id: PatientId,
    /// The name.
    pub name: String,
    /// Day of birth, `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Whether the server may open its records for a request.
    pub assisted_access: bool,
}

/// What to change; what is left out stays.
#[derive(Clone, Default)]
pub struct ProfileChange {
    /// Which patient; the oldest where none is named.
    pub patient: Option<PatientId>,
    /// The name.
    pub name: Option<String>,
    /// Day of birth; an empty text takes it away.
    pub date_of_birth: Option<String>,
    /// Telephone; an empty text takes it away.
    pub phone: Option<String>,
    /// Whether the server may open records for a request.
    pub assisted_access: Option<bool>,
    /// JSON text.
    pub preferences: Option<String>,
}

/// The caller's profile.
///
/// # Errors
/// The policy's.
pub async fn find_profile(service: &Service, caller: &Caller) -> Result<Profile, AccountFailure> {
    let account = caller.account()?.id;
    let target = Target::Account(account);
    policy::permit(&caller.who, Action::FindProfile, &target, service.now())?;
    let this = service.clone();
    service
        .store()
        .read("account.profile", move |reader| {
            read(&this, reader, account)
        })
        .await
}

fn read(
    service: &Service,
    reader: &mut Reader,
    account: AccountId,
) -> Result<Profile, AccountFailure> {
    let row = rows::lookup(reader, account)?.ok_or(AccountError::Unknown)?;
    let patients = rows::list_owned_patients(reader, account)?
        .iter()
        .map(|row| patient_view(service, row))
        .collect::<Result<_, AccountFailure>>()?;
    let preferences = service.protect().open_optional(
        columns::PREFERENCES,
        account.0,
        row.preferences_p.as_deref(),
    )?;
    Ok(Profile {
        account: view(service, &row)?,
        patients,
        preferences: preferences.map(|text| text.to_string()),
        version: row.updated_at.as_millisecond(),
    })
}

fn patient_view(service: &Service, row: &PatientProfileRow) -> Result<PatientView, AccountFailure> {
    let text = |column, protected: Option<&[u8]>| {
        service
            .protect()
            .open_optional(column, row.id.0, protected)
            .map(|text| text.map(|t| t.to_string()))
    };
    Ok(PatientView {
        id: row.id,
        name: text(columns::PATIENT_NAME, row.name_p.as_deref())?.unwrap_or_default(),
        date_of_birth: text(columns::PATIENT_BIRTH_DATE, row.birth_date_p.as_deref())?,
        phone: text(columns::PATIENT_CONTACT, row.contact_p.as_deref())?,
        assisted_access: row.assisted_access,
    })
}

/// A change whose texts were read.
struct Checked {
    name: Option<String>,
    birth_date: Option<Option<Date>>,
    phone: Option<Option<String>>,
    assisted_access: Option<bool>,
    preferences: Option<String>,
}

fn check(change: &ProfileChange, now: Timestamp) -> Result<Checked, AccountFailure> {
    let emptied = |text: &str| text.trim().is_empty();
    if let Some(preferences) = &change.preferences
        && preferences.len() > MAX_PREFERENCES
    {
        return Err(Failure::field("preferences", "must be at most 16 KiB"));
    }
    Ok(Checked {
        name: change.name.as_deref().map(parse_name).transpose()?,
        birth_date: match change.date_of_birth.as_deref() {
            None => None,
            Some(text) if emptied(text) => Some(None),
            Some(text) => Some(Some(parse_birth_date(text, now)?)),
        },
        phone: match change.phone.as_deref() {
            None => None,
            Some(text) if emptied(text) => Some(None),
            Some(text) => Some(Some(parse_phone(text)?)),
        },
        assisted_access: change.assisted_access,
        preferences: change.preferences.clone(),
    })
}

/// Changes the caller's profile; the profile as it is afterwards.
///
/// # Errors
/// The policy's, a rule of a field, [`Refusal::Unknown`] for somebody else's
/// patient.
pub async fn update_profile(
    service: &Service,
    caller: &Caller,
    change: ProfileChange,
) -> Result<Profile, AccountFailure> {
    let account = caller.account()?.id;
    let (now, mut rng, this) = (service.now(), service.rng(), service.clone());
    let target = Target::Account(account);
    let permit = policy::permit(&caller.who, Action::UpdateProfile, &target, now)?;
    let checked = check(&change, now)?;
    let from = caller.origin.address;
    service
        .store()
        .write("account.update", move |tx| {
            let owned = rows::list_owned_patients(tx, account)?;
            let patient = match change.patient {
                Some(wanted) => owned
                    .into_iter()
                    .find(|row| row.id == wanted)
                    .ok_or(Refusal::Unknown(Noun::Patient))?,
                None => owned
                    .into_iter()
                    .next()
                    .ok_or(Refusal::Unknown(Noun::Patient))?,
            };
            let row = rows::lookup(tx, account)?.ok_or(AccountError::Unknown)?;
            apply_account(tx, &this, &row, &checked, now, &mut rng)?;
            apply_patient(tx, &this, patient.clone(), &checked, &mut rng)?;
            for entry in entries(&permit, &patient, &checked, now) {
                trail::append(tx, entry.from(from), &mut rng)?;
            }
            read(&this, tx, account)
        })
        .await
}

/// Name of the account and preferences.
fn apply_account(
    tx: &mut Tx,
    service: &Service,
    row: &AccountRow,
    checked: &Checked,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let protect = service.protect();
    let name_p = match &checked.name {
        Some(name) => protect.seal(columns::ACCOUNT_NAME, row.id.0, name.as_bytes(), rng),
        None => row.name_p.clone(),
    };
    let preferences_p = match &checked.preferences {
        Some(text) => Some(protect.seal(columns::PREFERENCES, row.id.0, text.as_bytes(), rng)),
        None => row.preferences_p.clone(),
    };
    rows::update_profile(tx, row.id, &name_p, preferences_p.as_deref(), now)
}

fn apply_patient(
    tx: &mut Tx,
    service: &Service,
    mut patient: PatientProfileRow,
    checked: &Checked,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let protect = service.protect();
    let id = patient.id.0;
    if let Some(name) = &checked.name {
        patient.name_p = Some(protect.seal(columns::PATIENT_NAME, id, name.as_bytes(), rng));
    }
    if let Some(date) = &checked.birth_date {
        patient.birth_date_p = date.map(|date| {
            protect.seal(
                columns::PATIENT_BIRTH_DATE,
                id,
                date.to_string().as_bytes(),
                rng,
            )
        });
    }
    if let Some(phone) = &checked.phone {
        patient.contact_p = phone
            .as_ref()
            .map(|phone| protect.seal(columns::PATIENT_CONTACT, id, phone.as_bytes(), rng));
    }
    if let Some(on) = checked.assisted_access {
        patient.assisted_access = on;
    }
    rows::update_patient_profile(tx, &patient)
}

/// What the trail tells: that details changed, and where assisted access did.
fn entries(
    permit: &Permit,
    patient: &PatientProfileRow,
    checked: &Checked,
    now: Timestamp,
) -> Vec<NewEntry> {
    let mut entries = Vec::new();
    let details = checked.name.is_some() || checked.birth_date.is_some() || checked.phone.is_some();
    if details || checked.preferences.is_some() {
        entries.push(NewEntry::under(TrailAction::AccountUpdate, now, permit).patient(patient.id));
    }
    if let Some(on) = checked
        .assisted_access
        .filter(|on| *on != patient.assisted_access)
    {
        entries.push(
            NewEntry::under(TrailAction::PatientUpdate, now, permit)
                .patient(patient.id)
                .detail("assisted_access", Detail::Flag(on)),
        );
    }
    entries
}
