//! Tokens that count once: mail links and tickets. Only their hash is kept.

use chartkey_domain::ids::AccountId;
use jiff::Timestamp;

use crate::{Reader, StoreError, Tx, params};

/// A token as it is stored.
#[derive(Clone)]
pub struct TokenRow {
    /// Keyed hash of the token.
    pub hash: [u8; 32],
    /// What it is for, one dotted word.
    pub purpose: String,
    /// Whose, where it is somebody's.
    pub account: Option<AccountId>,
    /// What belongs to it, protected.
    pub data_p: Option<Vec<u8>>,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

/// Writes a new token.
pub fn insert(tx: &mut Tx, token: &TokenRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO one_time_tokens (hash, purpose, account_id, data_p, expires_at, used_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
        params![
            token.hash,
            token.purpose,
            token.account,
            token.data_p,
            token.expires_at
        ],
    )?;
    Ok(())
}

/// The token of this hash and purpose that counts at `now`.
pub fn lookup(
    reader: &mut Reader,
    hash: &[u8; 32],
    purpose: &str,
    now: Timestamp,
) -> Result<Option<TokenRow>, StoreError> {
    reader.query_opt(
        "SELECT hash, purpose, account_id, data_p, expires_at FROM one_time_tokens \
         WHERE hash = ?1 AND purpose = ?2 AND used_at IS NULL AND expires_at > ?3",
        params![hash, purpose, now],
        |row| {
            Ok(TokenRow {
                hash: row.get(0)?,
                purpose: row.get(1)?,
                account: row.get(2)?,
                data_p: row.get(3)?,
                expires_at: row.get(4)?,
            })
        },
    )
}

/// Uses a token up; what it was, if it counted.
pub fn take(
    tx: &mut Tx,
    hash: &[u8; 32],
    purpose: &str,
    now: Timestamp,
) -> Result<Option<TokenRow>, StoreError> {
    let found = lookup(tx, hash, purpose, now)?;
    if found.is_some() {
        tx.execute(
            "UPDATE one_time_tokens SET used_at = ?2 WHERE hash = ?1",
            params![hash, now],
        )?;
    }
    Ok(found)
}

/// Withdraws every token of an account for this purpose.
pub fn delete(tx: &mut Tx, account: AccountId, purpose: &str) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM one_time_tokens WHERE account_id = ?1 AND purpose = ?2",
        params![account, purpose],
    )?;
    Ok(())
}

/// Deletes what was over before `before`; how many.
pub fn delete_over(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM one_time_tokens WHERE expires_at < ?1",
        params![before],
    )
}
