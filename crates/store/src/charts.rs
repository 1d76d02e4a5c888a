//! Charts and claims: who opened which patient, and who takes it over.

use chartkey_domain::ids::{AccountId, ClaimId, PatientId};
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, Tx, params};

/// A chart's row.
#[derive(Debug, Clone)]
pub struct ChartRow {
    /// The patient.
    pub patient: PatientId,
    /// The practitioner who opened it.
    pub opened_by: AccountId,
    /// Where invitations go, protected.
    pub email_p: Option<Vec<u8>>,
    /// What that address is looked up by.
    pub email_hash: Option<[u8; 32]>,
    /// What the practice's platform calls the patient, protected.
    pub platform_id_p: Option<Vec<u8>>,
    /// Keyed hash of the token in the newest invitation.
    pub invite_hash: Option<[u8; 32]>,
    /// Until when that counts.
    pub invited_until: Option<Timestamp>,
    /// Keyed hash of what a claim sheet proves.
    pub claim_auth: Option<[u8; 32]>,
    /// The seed, wrapped under the sheet's key.
    pub claim_wrap: Option<Vec<u8>>,
    /// When an unclaimed chart ends.
    pub expires_at: Option<Timestamp>,
    /// When its practitioner was warned.
    pub warned_at: Option<Timestamp>,
    /// When it was claimed.
    pub claimed_at: Option<Timestamp>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A claim's row.
#[derive(Debug, Clone)]
pub struct ClaimRow {
    /// Its id.
    pub id: ClaimId,
    /// Whose chart.
    pub patient: PatientId,
    /// Who claims it.
    pub account: AccountId,
    /// `asked`, `confirmed`, `refused` or `done`.
    pub state: String,
    /// The seed, sealed to the claimant.
    pub sealed_seed: Option<Vec<u8>>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}

const CHART: &str = "patient_id, opened_by, email_p, email_hash, platform_id_p, invite_hash, invited_until, \
     claim_auth, claim_wrap, expires_at, warned_at, claimed_at, created_at, updated_at";
const CLAIM: &str = "id, patient_id, account_id, state, sealed_seed, asked_at, answered_at";

fn chart_row(row: &Row<'_>) -> Result<ChartRow, StoreError> {
    Ok(ChartRow {
        patient: row.get(0)?,
        opened_by: row.get(1)?,
        email_p: row.get(2)?,
        email_hash: row.get(3)?,
        platform_id_p: row.get(4)?,
        invite_hash: row.get(5)?,
        invited_until: row.get(6)?,
        claim_auth: row.get(7)?,
        claim_wrap: row.get(8)?,
        expires_at: row.get(9)?,
        warned_at: row.get(10)?,
        claimed_at: row.get(11)?,
        created_at: row.get(12)?,
        updated_at: row.get(13)?,
    })
}

fn claim_row(row: &Row<'_>) -> Result<ClaimRow, StoreError> {
    Ok(ClaimRow {
        id: row.get(0)?,
        patient: row.get(1)?,
        account: row.get(2)?,
        state: row.get(3)?,
        sealed_seed: row.get(4)?,
        asked_at: row.get(5)?,
        answered_at: row.get(6)?,
    })
}

/// Stores a new chart.
pub fn insert(tx: &mut Tx, chart: &ChartRow) -> Result<(), StoreError> {
    tx.execute(
        &format!(
            "INSERT INTO charts ({CHART})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
        ),
        params![
            chart.patient,
            chart.opened_by,
            chart.email_p,
            chart.email_hash,
            chart.platform_id_p,
            chart.invite_hash,
            chart.invited_until,
            chart.claim_auth,
            chart.claim_wrap,
            chart.expires_at,
            chart.warned_at,
            chart.claimed_at,
            chart.created_at,
            chart.updated_at
        ],
    )?;
    Ok(())
}

/// A chart by its patient.
pub fn lookup(db: &mut Reader, patient: PatientId) -> Result<Option<ChartRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {CHART} FROM charts WHERE patient_id = ?1"),
        params![patient],
        chart_row,
    )
}

/// The unclaimed chart whose newest invitation has this hash and counts.
pub fn lookup_invited(
    db: &mut Reader,
    invite_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<ChartRow>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {CHART} FROM charts
             WHERE invite_hash = ?1 AND claimed_at IS NULL AND invited_until > ?2"
        ),
        params![invite_hash, now],
        chart_row,
    )
}

/// Charts that an account opened, oldest first.
pub fn list_opened(db: &mut Reader, account: AccountId) -> Result<Vec<ChartRow>, StoreError> {
    db.query(
        &format!("SELECT {CHART} FROM charts WHERE opened_by = ?1 ORDER BY created_at, patient_id"),
        params![account],
        chart_row,
    )
}

/// Unclaimed charts that end at or before a moment, at most `limit`.
pub fn list_ending(
    db: &mut Reader,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<ChartRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {CHART} FROM charts WHERE claimed_at IS NULL AND expires_at <= ?1
             ORDER BY expires_at LIMIT ?2"
        ),
        params![before, limit],
        chart_row,
    )
}

/// Writes everything of a chart that changes.
pub fn update(tx: &mut Tx, chart: &ChartRow) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE charts SET email_p = ?2, email_hash = ?3, platform_id_p = ?4, invite_hash = ?5,
             invited_until = ?6, claim_auth = ?7, claim_wrap = ?8, expires_at = ?9, warned_at = ?10,
             claimed_at = ?11, updated_at = ?12
         WHERE patient_id = ?1",
        params![
            chart.patient,
            chart.email_p,
            chart.email_hash,
            chart.platform_id_p,
            chart.invite_hash,
            chart.invited_until,
            chart.claim_auth,
            chart.claim_wrap,
            chart.expires_at,
            chart.warned_at,
            chart.claimed_at,
            chart.updated_at
        ],
    )?;
    Ok(())
}

/// Says that a patient has an owner now; who it is says `accounts::update_owner`.
pub fn mark_claimed(tx: &mut Tx, patient: PatientId) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE patients SET claimed = ?2 WHERE id = ?1",
        params![patient, true],
    )?;
    Ok(())
}

/// Stores a new claim.
pub fn insert_claim(tx: &mut Tx, claim: &ClaimRow) -> Result<(), StoreError> {
    tx.execute(
        &format!("INSERT INTO claims ({CLAIM}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
        params![
            claim.id,
            claim.patient,
            claim.account,
            claim.state,
            claim.sealed_seed,
            claim.asked_at,
            claim.answered_at
        ],
    )?;
    Ok(())
}

/// A claim by id.
pub fn lookup_claim(db: &mut Reader, id: ClaimId) -> Result<Option<ClaimRow>, StoreError> {
    db.query_opt(
        &format!("SELECT {CLAIM} FROM claims WHERE id = ?1"),
        params![id],
        claim_row,
    )
}

/// The living claim of an account on a patient in this state.
pub fn lookup_claim_by(
    db: &mut Reader,
    patient: PatientId,
    account: AccountId,
    state: &str,
) -> Result<Option<ClaimRow>, StoreError> {
    db.query_opt(
        &format!(
            "SELECT {CLAIM} FROM claims WHERE patient_id = ?1 AND account_id = ?2 AND state = ?3
             ORDER BY asked_at DESC LIMIT 1"
        ),
        params![patient, account, state],
        claim_row,
    )
}

/// Claims on what an account manages, and its own, newest first.
pub fn list_claims(db: &mut Reader, account: AccountId) -> Result<Vec<ClaimRow>, StoreError> {
    db.query(
        &format!(
            "SELECT {CLAIM} FROM claims WHERE account_id = ?1
                 OR patient_id IN (SELECT patient_id FROM charts WHERE opened_by = ?1)
             ORDER BY asked_at DESC, id DESC LIMIT 1000"
        ),
        params![account],
        claim_row,
    )
}

/// Moves a claim on from `from`; whether it stood there.
pub fn update_claim(
    tx: &mut Tx,
    id: ClaimId,
    from: &str,
    to: &str,
    sealed_seed: Option<&[u8]>,
    by: AccountId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE claims SET state = ?3, sealed_seed = ?4, answered_at = ?5, answered_by = ?6
         WHERE id = ?1 AND state = ?2",
        params![id, from, to, sealed_seed, now, by],
    )?;
    Ok(changed > 0)
}

/// Ends every other claim on a patient, and forgets the seeds in them.
pub fn end_claims(tx: &mut Tx, patient: PatientId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE claims SET state = CASE WHEN state = 'done' THEN 'done' ELSE 'refused' END,
             sealed_seed = NULL, answered_at = COALESCE(answered_at, ?2) WHERE patient_id = ?1",
        params![patient, now],
    )?;
    Ok(())
}

// --- users ----------------------------------------------------------------------

/// What the practice API keeps of an account.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// The account.
    pub account: AccountId,
    /// What the platform calls them, protected.
    pub platform_id_p: Option<Vec<u8>>,
    /// Who invited them.
    pub invited_by: Option<AccountId>,
    /// The account that the invited person made.
    pub replaced_by: Option<AccountId>,
}

/// What is kept of an account.
pub fn lookup_user(db: &mut Reader, account: AccountId) -> Result<Option<UserRow>, StoreError> {
    db.query_opt(
        "SELECT account_id, platform_id_p, invited_by, replaced_by FROM practice_users WHERE account_id = ?1",
        params![account],
        |row| {
            Ok(UserRow {
                account: row.get(0)?,
                platform_id_p: row.get(1)?,
                invited_by: row.get(2)?,
                replaced_by: row.get(3)?,
            })
        },
    )
}

/// Writes what is kept of an account.
pub fn put_user(tx: &mut Tx, user: &UserRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO practice_users (account_id, platform_id_p, invited_by, replaced_by)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account_id) DO UPDATE SET platform_id_p = ?2, invited_by = ?3, replaced_by = ?4",
        params![
            user.account,
            user.platform_id_p,
            user.invited_by,
            user.replaced_by
        ],
    )?;
    Ok(())
}
