//! How often something may be tried, and what was already answered.
//!
//! Rate limits live in the database, so that all nodes count together. Both
//! kinds of rows are keyed by hashes: what an address or key was is not kept.

use crate::engine::{Reader, StoreError, Tx};
use crate::params;

/// A limit: at most `most` in any `window_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub most: u32,
    /// In how long, in milliseconds; at least 1.
    pub window_ms: i64,
}

/// What a limit says to one more try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was counted; so many more would be allowed at once.
    Allowed {
        /// Tries left.
        remaining: u32,
    },
    /// It was not counted.
    Denied {
        /// When the next may succeed, in milliseconds from now.
        retry_after_ms: i64,
    },
}

/// Counts one try against a bucket, unless it is full.
///
/// `bucket_hash` names limit and subject together. The window slides: the
/// count of the window before is weighed by how much of it is still within
/// reach, which takes two rows per bucket and errs by little.
///
/// # Errors
/// The engine's.
pub fn hit(
    tx: &mut Tx,
    bucket_hash: [u8; 32],
    limit: Limit,
    now: i64,
) -> Result<Verdict, StoreError> {
    let window = limit.window_ms.max(1);
    let start = now - now.rem_euclid(window);
    let counts = tx.query(
        "SELECT window_start, count FROM rate_limits
         WHERE bucket_hash = ?1 AND window_start >= ?2 AND window_start <= ?3",
        params![bucket_hash, start - window, start],
        |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?)),
    )?;
    let count_at = |at: i64| {
        let found = counts.iter().find(|(start, _)| *start == at);
        found.map_or(0, |(_, count)| *count)
    };
    let (before, current) = (count_at(start - window), count_at(start));
    let verdict = judge(limit, before, current, now - start);
    if matches!(verdict, Verdict::Allowed { .. }) {
        tx.execute(
            "INSERT INTO rate_limits (bucket_hash, window_start, count) VALUES (?1, ?2, 1)
             ON CONFLICT (bucket_hash, window_start) DO UPDATE SET count = rate_limits.count + 1",
            params![bucket_hash, start],
        )?;
    }
    Ok(verdict)
}

/// `before` and `current` are the counts of both windows, `passed` how much of
/// the current one is over.
fn judge(limit: Limit, before: i64, current: i64, passed: i64) -> Verdict {
    let window = limit.window_ms.max(1);
    let most = i64::from(limit.most);
    // Of the window before, this much is still within reach (rounded up).
    let weighed = |before: i64, passed: i64| {
        let reach = i128::from(before) * i128::from(window - passed);
        i64::try_from((reach + i128::from(window) - 1) / i128::from(window)).unwrap_or(i64::MAX)
    };
    let used = weighed(before, passed) + current;
    if used < most {
        let remaining = u32::try_from(most - used - 1).unwrap_or(0);
        return Verdict::Allowed { remaining };
    }
    // When enough of the older window has slid out of reach for one more.
    let slides = |before: i64, room: i64| {
        if before <= 0 {
            return 0;
        }
        let keep = i128::from(room.max(0)) * i128::from(window) / i128::from(before);
        i64::try_from(i128::from(window) - keep).unwrap_or(window)
    };
    let retry_after_ms = if current < most {
        slides(before, most - current - 1) - passed
    } else {
        window - passed + slides(current, most - 1)
    };
    Verdict::Denied {
        retry_after_ms: retry_after_ms.max(1),
    }
}

/// Empties a bucket, as after a success that forgives the failures before it.
///
/// # Errors
/// The engine's.
pub fn delete_bucket(tx: &mut Tx, bucket_hash: [u8; 32]) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM rate_limits WHERE bucket_hash = ?1",
        params![bucket_hash],
    )
    .map(drop)
}

/// Sweeps windows that began before `before`, which must lie two of the
/// longest windows back. How many.
///
/// # Errors
/// The engine's.
pub fn delete_windows(tx: &mut Tx, before: i64) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM rate_limits WHERE window_start < ?1",
        params![before],
    )
}

/// What was answered to a request that carried an idempotency key; inserted
/// in the transaction that did what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Over account and key.
    pub key_hash: [u8; 32],
    /// Whose request, if anybody's.
    pub account_id: Option<[u8; 16]>,
    /// The operation's dotted word.
    pub operation: String,
    /// Over the request: the same key with another one is a mistake.
    pub fingerprint: [u8; 32],
    /// The HTTP status that was answered.
    pub status: u16,
    /// JSON: the ids from which the answer is made again. No content.
    pub ids: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// Keeps an answer.
///
/// # Errors
/// [`StoreError::Unique`] if the key was answered already; else the engine's.
pub fn insert_answer(tx: &mut Tx, row: &IdempotencyRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO idempotency (key_hash, account_id, operation, fingerprint, status, ids,
           created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            row.key_hash,
            row.account_id,
            row.operation,
            row.fingerprint,
            row.status,
            row.ids,
            row.created_at
        ],
    )
    .map(drop)
}

/// What was answered to this key.
///
/// # Errors
/// The engine's.
pub fn lookup_answer(
    r: &mut Reader,
    key_hash: [u8; 32],
) -> Result<Option<IdempotencyRow>, StoreError> {
    r.query_opt(
        "SELECT key_hash, account_id, operation, fingerprint, status, ids, created_at
         FROM idempotency WHERE key_hash = ?1",
        params![key_hash],
        |row| {
            Ok(IdempotencyRow {
                key_hash: row.get(0)?,
                account_id: row.get(1)?,
                operation: row.get(2)?,
                fingerprint: row.get(3)?,
                status: row.get(4)?,
                ids: row.get(5)?,
                created_at: row.get(6)?,
            })
        },
    )
}

/// Sweeps answers given before `before`. How many.
///
/// # Errors
/// The engine's.
pub fn delete_answers(tx: &mut Tx, before: i64) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM idempotency WHERE created_at < ?1",
        params![before],
    )
}
