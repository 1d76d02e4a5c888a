//! Claims: the one whom a chart is about takes it over.
//!
//! By invitation, the claimant names the day of birth that the practice knows,
//! the practitioner confirms, and their client seals the seed to the claimant. By
//! sheet, the claimant has the key that unwraps the seed, and nobody needs to
//! confirm. Either way the claimant's own generation makes the chart theirs:
//! from then on they alone manage it.

use chartkey_domain::charts::{ChartError, ClaimState};
use chartkey_domain::ids::{AccountId, ClaimId, PatientId};
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{self, Action, ClaimFacts, Permit, Refusal, Target};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_store::accounts as account_rows;
use chartkey_store::charts::{self as rows, ChartRow, ClaimRow};
use chartkey_store::{Reader, Tx, patients};
use chartkey_vault::Bytes;
use chartkey_vault::error::VaultError;
use chartkey_vault::protocol::{SealedGeneration, WriteOutcome};
use chartkey_vault::statement::PatientSays;
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use crate::charts::{ChartFailure, INVITE, SHEET};
use crate::{Caller, Failure, NounError, Service, columns, events, limits, secrets, shares, trail};

/// Longest sealed seed that is taken, in bytes.
const MAX_SEALED: usize = 4 << 10;

/// What shows that a chart is the claimant's.
pub enum Proof {
    /// The token of the newest invitation, and the day of birth.
    Invitation {
        /// From the mail.
        token: String,
        /// `YYYY-MM-DD`; needed where the practice knows it.
        birth_date: Option<String>,
    },
    /// The value derived from a sheet's key.
    Sheet {
        /// Which chart.
        patient: PatientId,
        /// `ClaimKey::auth`.
        auth: [u8; 32],
    },
}

/// A claim as both sides see it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its id.
    pub id: ClaimId,
    /// Whose chart.
    pub patient: PatientId,
    /// Who claims it.
    pub claimant: AccountId,
    /// Their name.
    pub claimant_name: String,
    /// Their address, for the practitioner to compare.
    pub claimant_email: String,
    /// The practitioner's name.
    pub practitioner_name: String,
    /// Where it stands.
    pub state: ClaimState,
    /// Whether the claimant's address is the one that was invited.
    pub email_matches: bool,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// The seed wrapped under the sheet's key, for whoever showed the sheet.
    pub wrapped_seed: Option<Bytes>,
    /// The generation of that seed.
    pub generation: u32,
}

/// `POST /api/v1/claims`.
///
/// # Errors
/// [`ChartError::InvitationUnknown`], [`ChartError::BirthDate`], the policy's
/// (patients with a verified address), [`Failure::Limited`].
pub async fn create_claim(
    service: &Service,
    caller: &Caller,
    proof: Proof,
) -> Result<Claim, ChartFailure> {
    let now = service.now();
    let account = caller.account()?.id;
    let target = Target::Account(account);
    policy::permit(&caller.who, Action::CreateClaim, &target, now)?;
    limits::spend(service, Limit::Claim, &account.to_string()).await?;
    let chart = find_proved(service, &proof, now).await?;
    let patient = chart.patient;
    limits::spend(service, Limit::ClaimChart, &patient.to_string()).await?;
    let by_sheet = prove(service, &proof, &chart).await?;
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("claim.create", move |tx| {
            let permit = policy::permit(&asking.who, Action::CreateClaim, &target, now)?;
            let chart = rows::lookup(tx, patient)?
                .filter(|c| c.claimed_at.is_none())
                .ok_or(Failure::Noun(ChartError::InvitationUnknown))?;
            let state = if by_sheet {
                ClaimState::Confirmed
            } else {
                ClaimState::Asked
            };
            let open = [ClaimState::Asked, ClaimState::Confirmed];
            for earlier in open {
                let found = rows::lookup_claim_by(tx, patient, account, earlier.as_str())?;
                match found {
                    Some(found) if by_sheet && earlier == ClaimState::Asked => {
                        let from = earlier.as_str();
                        rows::update_claim(tx, found.id, from, state.as_str(), None, account, now)?;
                        let found = rows::lookup_claim(tx, found.id)?
                            .ok_or(Failure::Noun(ChartError::ClaimUnknown))?;
                        return view(tx, &this, &found, by_sheet);
                    }
                    Some(found) => return view(tx, &this, &found, by_sheet),
                    None => {}
                }
            }
            let row = ClaimRow {
                id: ClaimId::new(now.as_millisecond().unsigned_abs(), &mut rng),
                patient,
                account,
                state: state.as_str().to_owned(),
                sealed_seed: None,
                asked_at: now,
                answered_at: by_sheet.then_some(now),
            };
            rows::insert_claim(tx, &row)?;
            let by = if by_sheet { "sheet" } else { "mail" };
            let entry = NewEntry::under(TrailAction::ClaimCreate, now, &permit)
                .patient(patient)
                .detail("by", Detail::Word(by));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            tell(tx, &chart, account, row.id, now)?;
            view(tx, &this, &row, by_sheet)
        })
        .await
}

/// The unclaimed chart that a proof names.
async fn find_proved(
    service: &Service,
    proof: &Proof,
    now: Timestamp,
) -> Result<ChartRow, ChartFailure> {
    let unknown = || Failure::Noun(ChartError::InvitationUnknown);
    let found = match proof {
        Proof::Invitation { token, .. } => {
            let hash = secrets::token_hash(service, INVITE, token).ok_or_else(unknown)?;
            service
                .store()
                .read("claim.invited", move |db| {
                    rows::lookup_invited(db, &hash, now).map_err(ChartFailure::from)
                })
                .await?
        }
        Proof::Sheet { patient, .. } => {
            let patient = *patient;
            service
                .store()
                .read("claim.sheet", move |db| {
                    rows::lookup(db, patient).map_err(ChartFailure::from)
                })
                .await?
                .filter(|c| c.claimed_at.is_none() && c.claim_auth.is_some())
        }
    };
    found.ok_or_else(unknown)
}

/// Whether a proof holds, and whether it was a sheet.
async fn prove(service: &Service, proof: &Proof, chart: &ChartRow) -> Result<bool, ChartFailure> {
    match proof {
        Proof::Sheet { patient, auth } => {
            let shown = service.protect().proof_hash(SHEET, patient.0, auth);
            let same = chart
                .claim_auth
                .is_some_and(|kept| bool::from(kept.ct_eq(&shown)));
            if same {
                Ok(true)
            } else {
                Err(Failure::Noun(ChartError::InvitationUnknown))
            }
        }
        Proof::Invitation { birth_date, .. } => {
            let patient = chart.patient;
            let profile = service
                .store()
                .read("claim.birth_date", move |db| {
                    account_rows::lookup_patient_profile(db, patient).map_err(ChartFailure::from)
                })
                .await?;
            let known = service.protect().open_optional(
                columns::PATIENT_BIRTH_DATE,
                patient.0,
                profile.and_then(|p| p.birth_date_p).as_deref(),
            )?;
            match known {
                Some(known) if birth_date.as_deref().map(str::trim) != Some(known.as_str()) => {
                    Err(Failure::Noun(ChartError::BirthDate))
                }
                _ => Ok(false),
            }
        }
    }
}

/// `GET /api/v1/claims`: on charts that the caller opened, and their own.
///
/// # Errors
/// The policy's.
pub async fn list_claims(service: &Service, caller: &Caller) -> Result<Vec<Claim>, ChartFailure> {
    let account = caller.account()?.id;
    let target = Target::Account(account);
    policy::permit(&caller.who, Action::ListClaims, &target, service.now())?;
    let this = service.clone();
    service
        .store()
        .read("claim.list", move |db| {
            rows::list_claims(db, account)?
                .iter()
                .map(|row| view(db, &this, row, false))
                .collect()
        })
        .await
}

/// A claim, for whoever it concerns.
///
/// # Errors
/// [`ChartError::ClaimUnknown`].
pub async fn find_claim(
    service: &Service,
    caller: &Caller,
    id: ClaimId,
) -> Result<Claim, ChartFailure> {
    let found = list_claims(service, caller).await?;
    let found = found.into_iter().find(|claim| claim.id == id);
    found.ok_or(Failure::Noun(ChartError::ClaimUnknown))
}

/// `PUT /api/v1/claims/{id}`: the practitioner confirms, with the seed sealed to
/// the claimant, or refuses.
///
/// # Errors
/// The policy's (managers of the chart), [`ChartError::ClaimState`].
pub async fn answer_claim(
    service: &Service,
    caller: &Caller,
    id: ClaimId,
    sealed_seed: Option<Bytes>,
) -> Result<Claim, ChartFailure> {
    let now = service.now();
    if sealed_seed
        .as_ref()
        .is_some_and(|s| s.0.is_empty() || s.0.len() > MAX_SEALED)
    {
        return Err(Failure::field("sealed_seed", "must be 1 to 4096 bytes"));
    }
    let (this, asking, mut rng) = (service.clone(), caller.clone(), service.rng());
    service
        .store()
        .write("claim.answer", move |tx| {
            let unknown = || Failure::Noun(ChartError::ClaimUnknown);
            asking.account()?;
            let claim = rows::lookup_claim(tx, id)?.ok_or_else(unknown)?;
            let (_, permit) =
                crate::patients::permit(tx, &asking, Action::AnswerClaim, claim.patient, now)
                    .map_err(|failure: ChartFailure| match failure {
                        Failure::Refused(Refusal::Unknown(_)) => unknown(),
                        other => other,
                    })?;
            let chart = rows::lookup(tx, claim.patient)?.ok_or_else(unknown)?;
            if chart.claimed_at.is_some() {
                return Err(Failure::Noun(ChartError::Claimed));
            }
            let (to, said) = match &sealed_seed {
                Some(_) => (ClaimState::Confirmed, "confirm"),
                None => (ClaimState::Refused, "refuse"),
            };
            let seed = sealed_seed.as_ref().map(|s| s.0.as_slice());
            let from = ClaimState::Asked.as_str();
            let account = asking.account()?.id;
            if !rows::update_claim(tx, id, from, to.as_str(), seed, account, now)? {
                return Err(Failure::Noun(ChartError::ClaimState));
            }
            let entry = NewEntry::under(TrailAction::ClaimAnswer, now, &permit)
                .detail("decision", Detail::Word(said));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            tell(tx, &chart, claim.account, id, now)?;
            let claim = rows::lookup_claim(tx, id)?.ok_or_else(unknown)?;
            view(tx, &this, &claim, false)
        })
        .await
}

/// `POST /api/v1/claims/{id}/complete`: the claimant's first generation. It names
/// them as the only manager, and carries the practitioner's grant.
///
/// # Errors
/// The policy's, [`ChartError::ClaimState`], a generation that does not hold or
/// was made for an earlier state (409).
pub async fn complete_claim(
    service: &Service,
    caller: &Caller,
    id: ClaimId,
    sealed: SealedGeneration,
) -> Result<WriteOutcome, ChartFailure> {
    let now = service.now();
    let (asking, mut rng) = (caller.clone(), service.rng());
    service
        .store()
        .write("claim.complete", move |tx| {
            let unknown = || Failure::Noun(ChartError::ClaimUnknown);
            let account = asking.account()?.id;
            let claim = rows::lookup_claim(tx, id)?
                .filter(|claim| claim.account == account)
                .ok_or_else(unknown)?;
            if claim.state != ClaimState::Confirmed.as_str() {
                return Err(Failure::Noun(ChartError::ClaimState));
            }
            let patient = claim.patient;
            let permit = permit_claim(tx, &asking, Action::CompleteClaim, patient, now)?
                .ok_or_else(unknown)?;
            if sealed.patient != patient.0 {
                return Err(Failure::field("patient", "is not the chart's"));
            }
            let mut chart = rows::lookup(tx, patient)?.ok_or_else(unknown)?;
            let mut row = patients::lookup(tx, patient)?.ok_or_else(unknown)?;
            if row.grants_version != sealed.grants_version {
                return Err(Failure::Vault(VaultError::Conflict(
                    "compartment.moved".to_owned(),
                )));
            }
            must_manage_alone(&sealed, account)?;
            row.owner = Some(account);
            crate::patients::take_generation(tx, &row, &sealed, now)
                .map_err(|failure| failure.map(|_| ChartError::ClaimState))?;
            account_rows::update_owner(tx, patient, account)?;
            rows::mark_claimed(tx, patient)?;
            let version = patients::bump_version(tx, patient)?;
            let done = ClaimState::Done.as_str();
            rows::update_claim(tx, id, &claim.state, done, None, account, now)?;
            rows::end_claims(tx, patient, now)?;
            close(&mut chart, now);
            rows::update(tx, &chart)?;
            let entry = NewEntry::under(TrailAction::ClaimComplete, now, &permit)
                .detail("practitioner", Detail::Id(chart.opened_by.0));
            let leaf_index = trail::append_by(tx, entry, &asking, &mut rng)?;
            tell(tx, &chart, account, id, now)?;
            Ok(WriteOutcome {
                grants_version: version,
                leaf_index,
            })
        })
        .await
}

/// Nothing that claims a chart counts once it is claimed.
fn close(chart: &mut ChartRow, now: Timestamp) {
    chart.claimed_at = Some(now);
    chart.expires_at = None;
    chart.invite_hash = None;
    chart.invited_until = None;
    chart.claim_auth = None;
    chart.claim_wrap = None;
    chart.updated_at = now;
}

fn must_manage_alone(sealed: &SealedGeneration, account: AccountId) -> Result<(), ChartFailure> {
    let statement = sealed
        .statement
        .patient_statement()
        .map_err(Failure::Vault)?;
    let alone = match &statement.says {
        PatientSays::Generation(terms) => match terms.managers.as_slice() {
            [only] => only.account == account.0,
            _ => false,
        },
        _ => false,
    };
    if alone {
        Ok(())
    } else {
        let said = "the claimant is the only manager";
        Err(Failure::Vault(VaultError::Statement(said)))
    }
}

/// The permit of whoever has a confirmed claim on a patient, if the caller has.
pub(crate) fn permit_claim<E: NounError>(
    db: &mut Reader,
    caller: &Caller,
    action: Action,
    patient: PatientId,
    now: Timestamp,
) -> Result<Option<Permit>, Failure<E>> {
    let Some(account) = caller.account_id() else {
        return Ok(None);
    };
    let confirmed = ClaimState::Confirmed.as_str();
    if rows::lookup_claim_by(db, patient, account, confirmed)?.is_none() {
        return Ok(None);
    }
    let Some((_, facts)) = crate::patients::facts(db, patient, Some(account))? else {
        return Ok(None);
    };
    let about = ClaimFacts {
        claimant: account,
        patient,
    };
    let target = Target::Claim(&facts, &about);
    Ok(Some(policy::permit(&caller.who, action, &target, now)?))
}

fn tell(
    tx: &mut Tx,
    chart: &ChartRow,
    claimant: AccountId,
    claim: ClaimId,
    now: Timestamp,
) -> Result<(), ChartFailure> {
    let kind = TrailAction::ClaimAnswer.as_str();
    events::tell(tx, [chart.opened_by, claimant], kind, claim.0, now)?;
    Ok(())
}

fn view(
    db: &mut Reader,
    service: &Service,
    row: &ClaimRow,
    by_sheet: bool,
) -> Result<Claim, ChartFailure> {
    let gone = || Failure::Noun(ChartError::ClaimUnknown);
    let chart = rows::lookup(db, row.patient)?.ok_or_else(gone)?;
    let patient = patients::lookup(db, row.patient)?.ok_or_else(gone)?;
    let mut name = |account| {
        shares::account_name(db, service, account)
            .map(Option::unwrap_or_default)
            .map_err(|_| Failure::Internal("a name"))
    };
    let claimant_name = name(row.account)?;
    let practitioner_name = name(chart.opened_by)?;
    let claimant = account_rows::lookup(db, row.account)?;
    let claimant_email = match &claimant {
        Some(account) => service
            .protect()
            .open_text(columns::ACCOUNT_EMAIL, account.id.0, &account.email_p)?
            .to_string(),
        None => String::new(),
    };
    Ok(Claim {
        id: row.id,
        patient: row.patient,
        claimant: row.account,
        claimant_name,
        claimant_email,
        practitioner_name,
        state: ClaimState::parse(&row.state).ok_or(Failure::Internal("a state of a claim"))?,
        email_matches: claimant.is_some_and(|c| Some(c.email_hash) == chart.email_hash),
        asked_at: row.asked_at,
        answered_at: row.answered_at,
        wrapped_seed: chart.claim_wrap.filter(|_| by_sheet).map(Bytes),
        generation: patient.generation,
    })
}
