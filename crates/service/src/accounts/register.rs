//! Registration: one use case for patients and providers, sealed and assisted.

use std::net::IpAddr;

use chartkey_crypto::password;
use chartkey_domain::accounts::{NewAccount, Particulars};
use chartkey_vault::account::{self as vault_account, VerifiedAccount};
use chartkey_vault::chain::Chain;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{self, AccountKeys, KdfParams, NewPatient};

use super::*;
use crate::idempotency::{Once, Replay};
use crate::{Registration, stretch};

/// Longest wrapped or sealed seed that is taken, in bytes.
const MAX_WRAPPED: usize = 4 << 10;

/// How the new owner will get in.
pub enum Credentials {
    /// The server runs the core for this request.
    Password(Zeroizing<String>),
    /// The client ran it.
    Sealed(Box<protocol::NewAccount>),
}

/// What became of a registration.
pub struct Registered {
    /// The account.
    pub account: AccountId,
    /// The patient that came with it.
    pub patient: Option<PatientId>,
    /// Shown once; absent for sealed clients, who made it, and for a repeated
    /// request.
    pub recovery_code: Option<Zeroizing<String>>,
}

/// Opens an account, waiting on its address.
///
/// # Errors
/// [`AccountError::RegistrationClosed`], a rule of the password, a statement
/// that does not hold ([`Failure::Vault`]), or [`Failure::Limited`].
pub async fn register(
    service: &Service,
    origin: &Origin,
    new: NewAccount,
    credentials: Credentials,
    once: Option<Once>,
) -> Result<Registered, AccountFailure> {
    if service.settings().registration != Registration::Open {
        return Err(AccountError::RegistrationClosed.into());
    }
    if let Some(replay) = replayed(service, once.as_ref()).await? {
        return Ok(replay);
    }
    limits::spend(service, Limit::Register, &limits::network(origin.address)).await?;
    limits::spend(service, Limit::RegisterEmail, new.email.normal()).await?;
    let prepared = prepare(service, &new, credentials).await?;
    store(service, new, prepared, Some(origin.address), once, false).await
}

/// Opens an admin's account, verified at once: for the command line, which
/// whoever runs the installation has.
///
/// # Errors
/// As [`register`]; [`Failure::Invalid`] where another account has verified
/// the address.
pub async fn create_admin(
    service: &Service,
    email: Email,
    name: String,
    password: Zeroizing<String>,
) -> Result<Registered, AccountFailure> {
    let new = NewAccount {
        email,
        name,
        particulars: Particulars::Admin,
    };
    let prepared = prepare(service, &new, Credentials::Password(password)).await?;
    store(service, new, prepared, None, None, true).await
}

/// What is about to be stored.
struct Prepared {
    request: protocol::NewAccount,
    kem_public: Vec<u8>,
    sign_public: Vec<u8>,
    recovery_code: Option<Zeroizing<String>>,
    assisted: bool,
}

async fn prepare(
    service: &Service,
    new: &NewAccount,
    credentials: Credentials,
) -> Result<Prepared, AccountFailure> {
    let with_patient = matches!(new.particulars, Particulars::Patient { .. });
    let (request, recovery_code, assisted) = match credentials {
        Credentials::Sealed(request) => (*request, None, false),
        Credentials::Password(password) => {
            check_password("password", &password)?;
            let kdf = KdfParams::from(password::Params::DEFAULT);
            let salt = service.protect().prelogin_salt(&new.email);
            let root = stretch::password(service, password, salt, kdf).await?;
            let made = vault_account::register(
                &root,
                kdf,
                with_patient,
                service.now(),
                &mut service.rng(),
            )?;
            (made.request, Some(made.recovery.to_text()), true)
        }
    };
    let keys = check(&request, with_patient)?;
    Ok(Prepared {
        kem_public: keys.kem_key.as_bytes().to_vec(),
        sign_public: keys
            .sign_keys
            .last()
            .map(|key| key.as_bytes().to_vec())
            .unwrap_or_default(),
        request,
        recovery_code,
        assisted,
    })
}

/// The rule for a new password, in the field that holds it.
pub(crate) fn check_password(field: &'static str, password: &str) -> Result<(), AccountFailure> {
    password::check_password(password, false).map_err(|error| Failure::Rule {
        code: error.code(),
        field,
        message: error.to_string(),
    })
}

/// The rule for the costs that a client names: what prelogin offers, so that
/// prelogin can answer alike for everybody.
pub(crate) fn check_kdf(kdf: KdfParams) -> Result<(), AccountFailure> {
    if kdf == KdfParams::from(password::Params::DEFAULT) {
        Ok(())
    } else {
        Err(Failure::field("kdf", "must be what prelogin answers"))
    }
}

/// Holds what a client made against what it says about itself.
fn check(
    request: &protocol::NewAccount,
    with_patient: bool,
) -> Result<VerifiedAccount, AccountFailure> {
    check_kdf(request.kdf)?;
    for (field, wrapped) in [
        ("password.wrapped_seed", &request.password.wrapped_seed),
        ("recovery.wrapped_seed", &request.recovery.wrapped_seed),
    ] {
        check_wrapped(field, wrapped)?;
    }
    let keys = VerifiedAccount::verify(
        &AccountKeys {
            account: request.account,
            statements: vec![request.statement.clone()],
        },
        None,
    )?;
    match (&request.patient, with_patient) {
        (Some(patient), true) => check_patient(patient, &keys)?,
        (None, false) => {}
        (None, true) => return Err(Failure::field("patient", "is missing")),
        (Some(_), false) => {
            return Err(Failure::field("patient", "is not for this kind of account"));
        }
    }
    Ok(keys)
}

/// That a wrapped or sealed seed is neither empty nor a place to hide things.
pub(crate) fn check_wrapped(field: &str, wrapped: &Bytes) -> Result<(), AccountFailure> {
    if (1..=MAX_WRAPPED).contains(&wrapped.0.len()) {
        Ok(())
    } else {
        Err(Failure::field(field, "must be 1 to 4096 bytes"))
    }
}

fn check_patient(patient: &NewPatient, owner: &VerifiedAccount) -> Result<(), AccountFailure> {
    check_wrapped("patient.sealed_seed", &patient.sealed_seed)?;
    let chain = Chain::verify(
        patient.patient,
        std::slice::from_ref(&patient.statement),
        None,
    )?;
    let alone = match chain.managers() {
        [manager] => manager.account == owner.account && manager.fingerprint == owner.fingerprint(),
        _ => false,
    };
    if alone {
        Ok(())
    } else {
        Err(VaultError::Statement("the owner is the only manager").into())
    }
}

async fn replayed(
    service: &Service,
    once: Option<&Once>,
) -> Result<Option<Registered>, AccountFailure> {
    let Some(replay) = Replay::find(service, once).await? else {
        return Ok(None);
    };
    let mut ids = replay.ids.into_iter();
    let account = ids
        .next()
        .ok_or(Failure::Internal("a replay without ids"))?;
    Ok(Some(Registered {
        account: AccountId(account),
        patient: ids.next().map(PatientId),
        recovery_code: None,
    }))
}

async fn store(
    service: &Service,
    new: NewAccount,
    prepared: Prepared,
    from: Option<IpAddr>,
    once: Option<Once>,
    verified: bool,
) -> Result<Registered, AccountFailure> {
    let (now, mut rng, this) = (service.now(), service.rng(), service.clone());
    service
        .store()
        .write("account.register", move |tx| {
            let email_hash = this.protect().email_hash(&new.email);
            let there = rows::list_by_email(tx, &email_hash)?;
            let holder = there.iter().find(|row| row.email_verified_at.is_some());
            let waiting = there.len() - usize::from(holder.is_some());
            if verified && holder.is_some() {
                return Err(Failure::field("email", "belongs to an account already"));
            }
            if waiting >= MAX_PENDING_PER_ADDRESS {
                return Err(Failure::Limited {
                    retry_after_secs: 3600,
                });
            }
            let account = AccountId(prepared.request.account);
            let row = row(&this, &new, &prepared, email_hash, now, verified, &mut rng);
            insert(tx, &this, &row, &new, &prepared, now, &mut rng)?;
            match holder {
                None if verified => {}
                None => queue_verification(tx, &this, account, new.email.address(), now, &mut rng)?,
                Some(holder) => {
                    let to = this.protect().open_text(
                        columns::ACCOUNT_EMAIL,
                        holder.id.0,
                        &holder.email_p,
                    )?;
                    mail::queue(tx, &this, &to, &Content::AccountExists, now, &mut rng)?;
                }
            }
            let patient = prepared
                .request
                .patient
                .as_ref()
                .map(|p| PatientId(p.patient));
            let mut entry = NewEntry::new(
                TrailAction::AccountRegister,
                now,
                TrailActor::Account(account),
            )
            .detail("kind", Detail::Word(new.particulars.kind().as_str()));
            if let Some(patient) = patient {
                entry = entry.patient(patient);
            }
            if let Some(from) = from {
                entry = entry.from(from);
            }
            trail::append(tx, entry, &mut rng)?;
            if let Some(once) = once {
                let ids = std::iter::once(account.0)
                    .chain(patient.map(|p| p.0))
                    .collect();
                once.keep(tx, 201, ids, now)?;
            }
            Ok(Registered {
                account,
                patient,
                recovery_code: prepared.recovery_code,
            })
        })
        .await
}

fn row(
    service: &Service,
    new: &NewAccount,
    prepared: &Prepared,
    email_hash: [u8; 32],
    now: Timestamp,
    verified: bool,
    rng: &mut (impl CryptoRng + ?Sized),
) -> AccountRow {
    let protect = service.protect();
    let request = &prepared.request;
    let id = request.account;
    let proof = |purpose, way_in: &protocol::WayIn| {
        Some(protect.proof_hash(purpose, id, way_in.auth_key.as_bytes()))
    };
    let mut provider = (None, None, None, None);
    if let Particulars::Provider {
        provider_type,
        license_number,
        license_country,
        organization,
    } = &new.particulars
    {
        provider = (
            Some(protect.seal(columns::PROVIDER_TYPE, id, provider_type.as_bytes(), rng)),
            Some(protect.seal(columns::LICENSE_NUMBER, id, license_number.as_bytes(), rng)),
            Some(license_country.clone()),
            organization
                .as_ref()
                .map(|text| protect.seal(columns::ORGANIZATION, id, text.as_bytes(), rng)),
        );
    }
    let is_provider = new.particulars.kind() == AccountKind::Provider;
    AccountRow {
        id: AccountId(id),
        kind: new.particulars.kind().as_str().to_owned(),
        email_p: protect.seal(
            columns::ACCOUNT_EMAIL,
            id,
            new.email.address().as_bytes(),
            rng,
        ),
        email_hash,
        name_p: protect.seal(columns::ACCOUNT_NAME, id, new.name.as_bytes(), rng),
        status: if verified { "active" } else { "pending" }.to_owned(),
        email_verified_at: verified.then_some(now),
        provider_type_p: provider.0,
        license_number_p: provider.1,
        license_country: provider.2,
        organization_p: provider.3,
        verification: if is_provider {
            Verification::Pending.as_str()
        } else {
            "none"
        }
        .to_owned(),
        verified_at: None,
        kdf: Some((request.kdf.m_kib, request.kdf.t, request.kdf.p)),
        auth_hash: proof(secrets::PASSWORD, &request.password),
        wrapped_seed_password: Some(request.password.wrapped_seed.0.clone()),
        recovery_auth_hash: proof(secrets::RECOVERY, &request.recovery),
        wrapped_seed_recovery: Some(request.recovery.wrapped_seed.0.clone()),
        kem_public: Some(prepared.kem_public.clone()),
        sign_public: Some(prepared.sign_public.clone()),
        preferences_p: None,
        created_at: now,
        updated_at: now,
    }
}

/// Account, statements and patient; an id that is taken is a conflict.
fn insert(
    tx: &mut Tx,
    service: &Service,
    row: &AccountRow,
    new: &NewAccount,
    prepared: &Prepared,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), AccountFailure> {
    let request = &prepared.request;
    if rows::lookup(tx, row.id)?.is_some() {
        return Err(VaultError::Conflict("account.exists".to_owned()).into());
    }
    rows::insert(tx, row)?;
    rows::insert_statement(
        tx,
        row.id,
        &secrets::to_row(&request.statement, 0, "keys"),
        now,
    )?;
    trail::publish_keys(
        tx,
        trail::KeyOwner::Account(row.id),
        0,
        &request.statement,
        now,
    )?;
    let Some(made) = &request.patient else {
        return Ok(());
    };
    let patient = PatientId(made.patient);
    if patients::lookup(tx, patient)?.is_some() {
        return Err(VaultError::Conflict("patient.exists".to_owned()).into());
    }
    patients::insert(tx, patient, Some(row.id), prepared.assisted, now)?;
    patients::insert_manager(tx, patient, row.id, 1, &made.sealed_seed.0, "owner", now)?;
    patients::insert_statement(
        tx,
        patient,
        &secrets::to_row(&made.statement, 0, "generation"),
        now,
    )?;
    trail::publish_keys(
        tx,
        trail::KeyOwner::Patient(patient),
        0,
        &made.statement,
        now,
    )?;
    let protect = service.protect();
    let Particulars::Patient { birth_date, phone } = &new.particulars else {
        return Ok(());
    };
    let profile = rows::PatientProfileRow {
        id: patient,
        owner: Some(row.id),
        assisted_access: prepared.assisted,
        name_p: Some(protect.seal(columns::PATIENT_NAME, patient.0, new.name.as_bytes(), rng)),
        birth_date_p: birth_date.map(|date| {
            protect.seal(
                columns::PATIENT_BIRTH_DATE,
                patient.0,
                date.to_string().as_bytes(),
                rng,
            )
        }),
        contact_p: phone
            .as_ref()
            .map(|phone| protect.seal(columns::PATIENT_CONTACT, patient.0, phone.as_bytes(), rng)),
    };
    rows::update_patient_profile(tx, &profile)?;
    Ok(())
}
