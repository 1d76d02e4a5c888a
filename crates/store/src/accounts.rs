//! Accounts, their ways in, their statements, and what their profile shows.
//!
//! Personal columns arrive protected; this module must not know the key.

use chartkey_domain::ids::{AccountId, PatientId};
use jiff::Timestamp;

use crate::patients::StatementRow;
use crate::{Reader, Row, StoreError, Tx, params};

/// An account as it is stored.
#[derive(Clone)]
pub struct AccountRow {
    /// Its id.
    pub id: AccountId,
    /// `patient`, `provider` or `admin`.
    pub kind: String,
    /// The address, protected.
    pub email_p: Vec<u8>,
    /// What the address is looked up by.
    pub email_hash: [u8; 32],
    /// The name, protected.
    pub name_p: Vec<u8>,
    /// `pending`, `active`, `disabled` or `invited`.
    pub status: String,
    /// When the address was shown to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// A provider's free-text type, protected.
    pub provider_type_p: Option<Vec<u8>>,
    /// A provider's licence, protected.
    pub license_number_p: Option<Vec<u8>>,
    /// The licence's country.
    pub license_country: Option<String>,
    /// Where a provider works, protected.
    pub organization_p: Option<Vec<u8>>,
    /// `none`, or what admins found of a provider.
    pub verification: String,
    /// When they found it.
    pub verified_at: Option<Timestamp>,
    /// Cost of the password: memory in KiB, passes, lanes.
    pub kdf: Option<(u32, u32, u32)>,
    /// Keyed hash of what a password proves.
    pub auth_hash: Option<[u8; 32]>,
    /// The seed, wrapped under the password.
    pub wrapped_seed_password: Option<Vec<u8>>,
    /// Keyed hash of what a recovery code proves.
    pub recovery_auth_hash: Option<[u8; 32]>,
    /// The seed, wrapped under the recovery code.
    pub wrapped_seed_recovery: Option<Vec<u8>>,
    /// What others seal to.
    pub kem_public: Option<Vec<u8>>,
    /// What verifies their signatures.
    pub sign_public: Option<Vec<u8>>,
    /// Preferences, protected JSON.
    pub preferences_p: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

const COLUMNS: &str = "id, kind, email_p, email_hash, name_p, status, email_verified_at, \
    provider_type_p, license_number_p, license_country, organization_p, verification, verified_at, \
    kdf_m_kib, kdf_t, kdf_p, auth_hash, wrapped_seed_password, recovery_auth_hash, \
    wrapped_seed_recovery, kem_public, sign_public, preferences_p, created_at, updated_at";

fn read(row: &Row<'_>) -> Result<AccountRow, StoreError> {
    let kdf: (Option<u32>, Option<u32>, Option<u32>) = (row.get(13)?, row.get(14)?, row.get(15)?);
    Ok(AccountRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        email_p: row.get(2)?,
        email_hash: row.get(3)?,
        name_p: row.get(4)?,
        status: row.get(5)?,
        email_verified_at: row.get(6)?,
        provider_type_p: row.get(7)?,
        license_number_p: row.get(8)?,
        license_country: row.get(9)?,
        organization_p: row.get(10)?,
        verification: row.get(11)?,
        verified_at: row.get(12)?,
        kdf: match kdf {
            (Some(m_kib), Some(t), Some(p)) => Some((m_kib, t, p)),
            _ => None,
        },
        auth_hash: row.get(16)?,
        wrapped_seed_password: row.get(17)?,
        recovery_auth_hash: row.get(18)?,
        wrapped_seed_recovery: row.get(19)?,
        kem_public: row.get(20)?,
        sign_public: row.get(21)?,
        preferences_p: row.get(22)?,
        created_at: row.get(23)?,
        updated_at: row.get(24)?,
    })
}

/// Writes a new account.
///
/// # Errors
/// [`StoreError::Unique`] where the id is taken.
pub fn insert(tx: &mut Tx, account: &AccountRow) -> Result<(), StoreError> {
    let (m_kib, t, p) = match account.kdf {
        Some((m_kib, t, p)) => (Some(m_kib), Some(t), Some(p)),
        None => (None, None, None),
    };
    tx.execute(
        &format!(
            "INSERT INTO accounts ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
             ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)"
        ),
        params![
            account.id,
            account.kind,
            account.email_p,
            account.email_hash,
            account.name_p,
            account.status,
            account.email_verified_at,
            account.provider_type_p,
            account.license_number_p,
            account.license_country,
            account.organization_p,
            account.verification,
            account.verified_at,
            m_kib,
            t,
            p,
            account.auth_hash,
            account.wrapped_seed_password,
            account.recovery_auth_hash,
            account.wrapped_seed_recovery,
            account.kem_public,
            account.sign_public,
            account.preferences_p,
            account.created_at,
            account.updated_at,
        ],
    )?;
    Ok(())
}

/// The account of this id.
pub fn lookup(reader: &mut Reader, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
    reader.query_opt(
        &format!("SELECT {COLUMNS} FROM accounts WHERE id = ?1"),
        params![id],
        read,
    )
}

/// Everybody who gave this address, the oldest first; the one who verified it
/// and those who wait.
pub fn list_by_email(
    reader: &mut Reader,
    email_hash: &[u8; 32],
) -> Result<Vec<AccountRow>, StoreError> {
    reader.query(
        &format!(
            "SELECT {COLUMNS} FROM accounts WHERE email_hash = ?1 ORDER BY created_at, id LIMIT 64"
        ),
        params![email_hash],
        read,
    )
}

/// A page of accounts, newest first: those made before `before` (time and id).
pub fn list(
    reader: &mut Reader,
    before: Option<(Timestamp, AccountId)>,
    limit: u32,
) -> Result<Vec<AccountRow>, StoreError> {
    let (at, id) = before.unwrap_or((Timestamp::MAX, AccountId::from_bytes([0xff; 16])));
    reader.query(
        &format!(
            "SELECT {COLUMNS} FROM accounts WHERE created_at < ?1 OR (created_at = ?1 AND id < ?2) \
             ORDER BY created_at DESC, id DESC LIMIT ?3"
        ),
        params![at, id, limit],
        read,
    )
}

/// A page of providers in this state of verification, oldest first: those made
/// after `after` (time and id).
pub fn list_by_verification(
    reader: &mut Reader,
    verification: &str,
    after: Option<(Timestamp, AccountId)>,
    limit: u32,
) -> Result<Vec<AccountRow>, StoreError> {
    let (at, id) = after.unwrap_or((Timestamp::MIN, AccountId::NIL));
    reader.query(
        &format!(
            "SELECT {COLUMNS} FROM accounts WHERE verification = ?1 AND \
             (created_at > ?2 OR (created_at = ?2 AND id > ?3)) ORDER BY created_at, id LIMIT ?4"
        ),
        params![verification, at, id, limit],
        read,
    )
}

/// How many accounts there are of this kind.
pub fn count(reader: &mut Reader, kind: &str) -> Result<i64, StoreError> {
    reader.query_i64(
        "SELECT COUNT(*) FROM accounts WHERE kind = ?1",
        params![kind],
    )
}

/// Marks the address as theirs.
///
/// # Errors
/// [`StoreError::Unique`] when another account verified it first.
pub fn verify_email(tx: &mut Tx, id: AccountId, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE accounts SET email_verified_at = ?2, updated_at = ?2, \
         status = CASE WHEN status = 'pending' THEN 'active' ELSE status END WHERE id = ?1",
        params![id, at],
    )?;
    Ok(())
}

/// Deletes accounts that waited on an address since before `before`, with
/// their patients; answers whose.
pub fn delete_expired_pending(
    tx: &mut Tx,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<AccountId>, StoreError> {
    let waiting = tx.query(
        "SELECT id FROM accounts WHERE status = 'pending' AND email_verified_at IS NULL \
         AND created_at < ?1 ORDER BY created_at LIMIT ?2",
        params![before, limit],
        |row| row.get::<AccountId>(0),
    )?;
    for id in &waiting {
        tx.execute("DELETE FROM patients WHERE owner_account = ?1", params![id])?;
        tx.execute(
            "DELETE FROM one_time_tokens WHERE account_id = ?1",
            params![id],
        )?;
        tx.execute(
            "DELETE FROM events WHERE account_id = ?1 AND id < (SELECT MAX(id) FROM events)",
            params![id],
        )?;
        tx.execute("DELETE FROM accounts WHERE id = ?1", params![id])?;
    }
    Ok(waiting)
}

/// Deletes an account with its sessions, statements, tokens and what was
/// sealed to it. Patients stay.
pub fn delete(tx: &mut Tx, id: AccountId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM one_time_tokens WHERE account_id = ?1",
        // Ids go on counting from the newest event: that one stays for the sweep.
        "DELETE FROM events WHERE account_id = ?1 AND id < (SELECT MAX(id) FROM events)",
        "DELETE FROM idempotency WHERE account_id = ?1",
        "DELETE FROM access_requests WHERE provider_id = ?1",
        "DELETE FROM envelopes WHERE to_kind = 'account' AND to_id = ?1",
        "DELETE FROM patient_managers WHERE account_id = ?1",
        "DELETE FROM accounts WHERE id = ?1",
    ] {
        tx.execute(sql, params![id])?;
    }
    Ok(())
}

/// Deletes a patient with everything that hangs on it: managers, statements,
/// grants, links, requests, batches, records. Rows of its blobs stay until
/// their bytes are gone.
pub fn delete_patient(tx: &mut Tx, id: PatientId) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM patients WHERE id = ?1", params![id])? == 1)
}

/// Makes another manager of a patient its owner.
pub fn update_owner(tx: &mut Tx, patient: PatientId, owner: AccountId) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE patients SET owner_account = ?2 WHERE id = ?1",
        params![patient, owner],
    )?;
    tx.execute(
        "UPDATE patient_managers SET role = CASE WHEN account_id = ?2 THEN 'owner' ELSE 'delegate' END \
         WHERE patient_id = ?1",
        params![patient, owner],
    )?;
    Ok(())
}

/// A new way in by password.
pub struct PasswordWayIn<'a> {
    /// Cost: memory in KiB, passes, lanes.
    pub kdf: (u32, u32, u32),
    /// Keyed hash of what it proves.
    pub auth_hash: [u8; 32],
    /// The seed, wrapped.
    pub wrapped_seed: &'a [u8],
}

/// Replaces the way in by password.
pub fn update_password(
    tx: &mut Tx,
    id: AccountId,
    way_in: &PasswordWayIn<'_>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (m_kib, t, p) = way_in.kdf;
    tx.execute(
        "UPDATE accounts SET kdf_m_kib = ?2, kdf_t = ?3, kdf_p = ?4, auth_hash = ?5, \
         wrapped_seed_password = ?6, updated_at = ?7 WHERE id = ?1",
        params![id, m_kib, t, p, way_in.auth_hash, way_in.wrapped_seed, at],
    )?;
    Ok(())
}

/// Replaces the way in by recovery code, if it is still the one with
/// `replaces`; whether it was.
pub fn update_recovery(
    tx: &mut Tx,
    id: AccountId,
    replaces: &[u8; 32],
    auth_hash: &[u8; 32],
    wrapped_seed: &[u8],
    at: Timestamp,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE accounts SET recovery_auth_hash = ?3, wrapped_seed_recovery = ?4, updated_at = ?5 \
         WHERE id = ?1 AND recovery_auth_hash = ?2",
        params![id, replaces, auth_hash, wrapped_seed, at],
    )?;
    Ok(changed == 1)
}

/// Replaces an account's public keys.
pub fn update_keys(
    tx: &mut Tx,
    id: AccountId,
    kem_public: &[u8],
    sign_public: &[u8],
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE accounts SET kem_public = ?2, sign_public = ?3, updated_at = ?4 WHERE id = ?1",
        params![id, kem_public, sign_public, at],
    )?;
    Ok(())
}

/// Keeps the seed before the present one, wrapped under it; `seq` is the
/// statement's that replaced it.
pub fn insert_seed(tx: &mut Tx, id: AccountId, seq: u64, wrapped: &[u8]) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO account_seeds (account_id, seq, wrapped) VALUES (?1, ?2, ?3)",
        params![id, seq, wrapped],
    )?;
    Ok(())
}

/// The seeds before the present one, newest first.
pub fn list_seeds(reader: &mut Reader, id: AccountId) -> Result<Vec<Vec<u8>>, StoreError> {
    reader.query(
        "SELECT wrapped FROM account_seeds WHERE account_id = ?1 ORDER BY seq DESC",
        params![id],
        |row| row.get(0),
    )
}

/// Replaces what a profile says.
pub fn update_profile(
    tx: &mut Tx,
    id: AccountId,
    name_p: &[u8],
    preferences_p: Option<&[u8]>,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE accounts SET name_p = ?2, preferences_p = ?3, updated_at = ?4 WHERE id = ?1",
        params![id, name_p, preferences_p, at],
    )?;
    Ok(())
}

/// Writes down what an admin found of a provider; whether there is one.
pub fn update_verification(
    tx: &mut Tx,
    id: AccountId,
    verification: &str,
    reason_p: Option<&[u8]>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE accounts SET verification = ?2, verification_reason_p = ?3, verified_at = ?4, \
         updated_at = ?4 WHERE id = ?1 AND kind = 'provider'",
        params![id, verification, reason_p, at],
    )?;
    Ok(changed == 1)
}

/// Switches an account on or off; whether there is one.
pub fn update_status(
    tx: &mut Tx,
    id: AccountId,
    status: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE accounts SET status = ?2, updated_at = ?3 WHERE id = ?1",
        params![id, status, at],
    )?;
    Ok(changed == 1)
}

/// Appends to an account's chain.
///
/// # Errors
/// [`StoreError::Unique`] where that position is taken.
pub fn insert_statement(
    tx: &mut Tx,
    account: AccountId,
    statement: &StatementRow,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO account_statements (account_id, seq, body, signature, cosignature, hash, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            account,
            statement.seq,
            statement.body,
            statement.signature,
            statement.cosignature,
            statement.hash,
            at
        ],
    )?;
    Ok(())
}

/// An account's whole chain, oldest first.
pub fn list_statements(
    reader: &mut Reader,
    account: AccountId,
) -> Result<Vec<StatementRow>, StoreError> {
    reader.query(
        "SELECT seq, body, signature, cosignature, hash FROM account_statements \
         WHERE account_id = ?1 ORDER BY seq",
        params![account],
        |row| {
            Ok(StatementRow {
                seq: row.get(0)?,
                kind: "keys".to_owned(),
                body: row.get(1)?,
                signature: row.get(2)?,
                cosignature: row.get(3)?,
                hash: row.get(4)?,
            })
        },
    )
}

/// What a profile shows of a patient.
#[derive(Clone)]
pub struct PatientProfileRow {
    /// Its id.
    pub id: PatientId,
    /// The account that owns it.
    pub owner: Option<AccountId>,
    /// Whether the server may open its records for a request.
    pub assisted_access: bool,
    /// The name, protected.
    pub name_p: Option<Vec<u8>>,
    /// The day of birth, protected.
    pub birth_date_p: Option<Vec<u8>>,
    /// Telephone and the like, protected.
    pub contact_p: Option<Vec<u8>>,
}

/// The patients that an account owns: its own first, then charts that it took
/// over, each oldest first.
pub fn list_owned_patients(
    reader: &mut Reader,
    owner: AccountId,
) -> Result<Vec<PatientProfileRow>, StoreError> {
    reader.query(
        "SELECT patients.id, owner_account, assisted_access, name_p, birth_date_p, contact_p \
         FROM patients LEFT JOIN charts ON charts.patient_id = patients.id \
         WHERE owner_account = ?1 \
         ORDER BY CASE WHEN charts.patient_id IS NULL THEN 0 ELSE 1 END, patients.created_at, patients.id",
        params![owner],
        |row| {
            Ok(PatientProfileRow {
                id: row.get(0)?,
                owner: row.get(1)?,
                assisted_access: row.get(2)?,
                name_p: row.get(3)?,
                birth_date_p: row.get(4)?,
                contact_p: row.get(5)?,
            })
        },
    )
}

/// What a profile shows of one patient.
pub fn lookup_patient_profile(
    reader: &mut Reader,
    patient: PatientId,
) -> Result<Option<PatientProfileRow>, StoreError> {
    reader.query_opt(
        "SELECT patients.id, owner_account, assisted_access, name_p, birth_date_p, contact_p \
         FROM patients WHERE id = ?1",
        params![patient],
        |row| {
            Ok(PatientProfileRow {
                id: row.get(0)?,
                owner: row.get(1)?,
                assisted_access: row.get(2)?,
                name_p: row.get(3)?,
                birth_date_p: row.get(4)?,
                contact_p: row.get(5)?,
            })
        },
    )
}

/// Replaces what a profile shows of a patient.
pub fn update_patient_profile(tx: &mut Tx, patient: &PatientProfileRow) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE patients SET assisted_access = ?2, name_p = ?3, birth_date_p = ?4, contact_p = ?5 \
         WHERE id = ?1",
        params![
            patient.id,
            patient.assisted_access,
            patient.name_p,
            patient.birth_date_p,
            patient.contact_p
        ],
    )?;
    Ok(())
}
