//! Sessions: one row from sign-in to sign-out, whose refresh token rotates in
//! place. Seeds are wrapped under secrets that only the tokens carry.

use chartkey_domain::ids::{AccountId, SessionId};
use jiff::Timestamp;

use crate::{Reader, Row, StoreError, Tx, params};

/// A session as it is stored.
#[derive(Clone)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// Sessions that began as one, of which reuse of a token ends all.
    pub family: SessionId,
    /// When it began.
    pub created_at: Timestamp,
    /// When its holder last showed who they are.
    pub auth_time: Timestamp,
    /// When it was last seen, to the minute.
    pub last_seen_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// Hash of the refresh token that counts.
    pub refresh_hash: [u8; 32],
    /// How often it was refreshed.
    pub refresh_used: u32,
    /// Hash of the one before.
    pub previous_refresh_hash: Option<[u8; 32]>,
    /// The account's seed under the access token's secret.
    pub access_seed: Option<Vec<u8>>,
    /// The account's seed under the refresh token's secret.
    pub refresh_seed: Option<Vec<u8>>,
    /// The seed under the secret of the access token before.
    pub previous_access_seed: Option<Vec<u8>>,
    /// When that token ends.
    pub previous_access_until: Option<Timestamp>,
    /// What the client calls itself, protected.
    pub device_p: Option<Vec<u8>>,
    /// Where it signed in from, protected.
    pub ip_p: Option<Vec<u8>>,
    /// Whether it opens content on the server.
    pub assisted: bool,
}

const COLUMNS: &str = "id, account_id, family, created_at, auth_time, last_seen_at, expires_at, \
    ended_at, refresh_hash, refresh_used, previous_refresh_hash, access_seed, refresh_seed, \
    previous_access_seed, previous_access_until, device_p, ip_p, assisted";

fn read(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: row.get(0)?,
        account: row.get(1)?,
        family: row.get(2)?,
        created_at: row.get(3)?,
        auth_time: row.get(4)?,
        last_seen_at: row.get(5)?,
        expires_at: row.get(6)?,
        ended_at: row.get(7)?,
        refresh_hash: row.get(8)?,
        refresh_used: row.get(9)?,
        previous_refresh_hash: row.get(10)?,
        access_seed: row.get(11)?,
        refresh_seed: row.get(12)?,
        previous_access_seed: row.get(13)?,
        previous_access_until: row.get(14)?,
        device_p: row.get(15)?,
        ip_p: row.get(16)?,
        assisted: row.get(17)?,
    })
}

/// Writes a new session.
pub fn insert(tx: &mut Tx, session: &SessionRow) -> Result<(), StoreError> {
    tx.execute(
        &format!(
            "INSERT INTO sessions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
             ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
        ),
        params![
            session.id,
            session.account,
            session.family,
            session.created_at,
            session.auth_time,
            session.last_seen_at,
            session.expires_at,
            session.ended_at,
            session.refresh_hash,
            session.refresh_used,
            session.previous_refresh_hash,
            session.access_seed,
            session.refresh_seed,
            session.previous_access_seed,
            session.previous_access_until,
            session.device_p,
            session.ip_p,
            session.assisted,
        ],
    )?;
    Ok(())
}

/// The session of this id.
pub fn lookup(reader: &mut Reader, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
    reader.query_opt(
        &format!("SELECT {COLUMNS} FROM sessions WHERE id = ?1"),
        params![id],
        read,
    )
}

/// What every request has to know of its session and of the account behind it.
#[derive(Clone, Debug)]
pub struct StandingRow {
    /// Whose session.
    pub account: AccountId,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
    /// When its holder last showed who they are.
    pub auth_time: Timestamp,
    /// When it was last seen, to the minute.
    pub last_seen_at: Timestamp,
    /// Whether it opens content on the server.
    pub assisted: bool,
    /// The account's kind.
    pub kind: String,
    /// The account's status.
    pub status: String,
    /// Whether its address is verified.
    pub email_verified: bool,
    /// What admins found of it.
    pub verification: String,
}

/// Session and account in one look.
pub fn lookup_standing(
    reader: &mut Reader,
    id: SessionId,
) -> Result<Option<StandingRow>, StoreError> {
    reader.query_opt(
        "SELECT s.account_id, s.expires_at, s.ended_at, s.auth_time, s.last_seen_at, s.assisted, \
         a.kind, a.status, a.email_verified_at, a.verification \
         FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = ?1",
        params![id],
        |row| {
            Ok(StandingRow {
                account: row.get(0)?,
                expires_at: row.get(1)?,
                ended_at: row.get(2)?,
                auth_time: row.get(3)?,
                last_seen_at: row.get(4)?,
                assisted: row.get(5)?,
                kind: row.get(6)?,
                status: row.get(7)?,
                email_verified: row.get::<Option<Timestamp>>(8)?.is_some(),
                verification: row.get(9)?,
            })
        },
    )
}

/// The living sessions of an account at `now`, newest first.
pub fn list(
    reader: &mut Reader,
    account: AccountId,
    now: Timestamp,
) -> Result<Vec<SessionRow>, StoreError> {
    reader.query(
        &format!(
            "SELECT {COLUMNS} FROM sessions WHERE account_id = ?1 AND ended_at IS NULL \
             AND expires_at > ?2 ORDER BY created_at DESC, id DESC LIMIT 500"
        ),
        params![account, now],
        read,
    )
}

/// The newest sessions of an account, living or over.
pub fn list_recent(
    reader: &mut Reader,
    account: AccountId,
    limit: u32,
) -> Result<Vec<SessionRow>, StoreError> {
    reader.query(
        &format!(
            "SELECT {COLUMNS} FROM sessions WHERE account_id = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2"
        ),
        params![account, limit],
        read,
    )
}

/// How many sessions an account has, living or lately over.
pub fn count(reader: &mut Reader, account: AccountId) -> Result<i64, StoreError> {
    reader.query_i64(
        "SELECT COUNT(*) FROM sessions WHERE account_id = ?1",
        params![account],
    )
}

/// The rotation of a session's tokens.
pub struct Rotation<'a> {
    /// Hash of the refresh token that was shown.
    pub from: [u8; 32],
    /// Hash of the one that counts from now on.
    pub to: [u8; 32],
    /// The seed under the new access token's secret.
    pub access_seed: Option<&'a [u8]>,
    /// The seed under the new refresh token's secret.
    pub refresh_seed: Option<&'a [u8]>,
    /// When the access token before ends.
    pub previous_access_until: Timestamp,
    /// Now.
    pub at: Timestamp,
}

/// Rotates; whether the token that was shown was still the one that counts.
pub fn rotate(tx: &mut Tx, id: SessionId, rotation: &Rotation<'_>) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE sessions SET previous_refresh_hash = refresh_hash, refresh_hash = ?3, \
         refresh_used = refresh_used + 1, previous_access_seed = access_seed, \
         previous_access_until = ?6, access_seed = ?4, refresh_seed = ?5, last_seen_at = ?7 \
         WHERE id = ?1 AND refresh_hash = ?2 AND ended_at IS NULL",
        params![
            id,
            rotation.from,
            rotation.to,
            rotation.access_seed,
            rotation.refresh_seed,
            rotation.previous_access_until,
            rotation.at
        ],
    )?;
    Ok(changed == 1)
}

/// Notes that a session is in use.
pub fn touch(tx: &mut Tx, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE sessions SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at < ?2",
        params![id, at],
    )?;
    Ok(())
}

const END: &str = "UPDATE sessions SET ended_at = ?2, access_seed = NULL, refresh_seed = NULL, \
     previous_access_seed = NULL, previous_access_until = NULL WHERE ended_at IS NULL AND";

/// Ends one session and forgets its seeds; whether it lived.
pub fn end(tx: &mut Tx, id: SessionId, at: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&format!("{END} id = ?1"), params![id, at])? == 1)
}

/// Ends every session that began as one; how many lived.
pub fn end_family(tx: &mut Tx, family: SessionId, at: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&format!("{END} family = ?1"), params![family, at])
}

/// Ends every session of an account but `except`; how many lived.
pub fn end_all(
    tx: &mut Tx,
    account: AccountId,
    except: Option<SessionId>,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let except = except.unwrap_or(SessionId::NIL);
    tx.execute(
        &format!("{END} account_id = ?1 AND id <> ?3"),
        params![account, at, except],
    )
}

/// Deletes sessions that were over before `before`, and forgets the seeds of
/// tokens that ended before `now`; how many sessions went.
pub fn delete_over(tx: &mut Tx, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE sessions SET access_seed = NULL, refresh_seed = NULL, previous_access_seed = NULL \
         WHERE expires_at <= ?1 AND access_seed IS NOT NULL",
        params![now],
    )?;
    tx.execute(
        "UPDATE sessions SET previous_access_seed = NULL, previous_access_until = NULL \
         WHERE previous_access_until <= ?1",
        params![now],
    )?;
    tx.execute(
        "DELETE FROM sessions WHERE expires_at < ?1",
        params![before],
    )
}
