//! Counts over time of grants, links and their use: how often, never what.
//!
//! Days are counted from 1970 in UTC. Whoever may see which counts is decided
//! elsewhere.

use chartkey_domain::ids::{AccountId, PatientId};
use chartkey_fhir::RecordType;

use crate::{Reader, StoreError, Value, params};

/// A day, in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// Whose grants are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Those on a patient.
    Patient(PatientId),
    /// Those that an account holds.
    Holder(AccountId),
    /// All of them.
    Everybody,
}

/// How many of one kind on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountRow {
    /// Days since 1970.
    pub day: i64,
    /// What is counted, as a word.
    pub word: String,
    /// How many.
    pub count: u64,
}

/// Days are columns of an index only by their milliseconds; both bounds stand
/// first, and whose they are last.
fn bounded(about: &About, from: i64, until: i64, column: &str) -> (String, Vec<Value<'static>>) {
    let mut values = vec![Value::I64(from), Value::I64(until)];
    let whose = match about {
        About::Everybody => String::new(),
        About::Patient(id) => {
            values.push(Value::from(id.as_bytes().to_vec()));
            " AND patient_id = ?3".to_owned()
        }
        About::Holder(id) => {
            values.push(Value::from(id.as_bytes().to_vec()));
            format!(" AND {column} = ?3")
        }
    };
    (whose, values)
}

fn counts(
    reader: &mut Reader,
    sql: &str,
    values: &[Value<'_>],
) -> Result<Vec<CountRow>, StoreError> {
    reader.query(sql, values, |row| {
        Ok(CountRow {
            day: row.get(0)?,
            word: row.get(1)?,
            count: row.get(2)?,
        })
    })
}

/// Grants made from `from` and before `until`; the word is `link` or
/// `account`: who holds them.
///
/// # Errors
/// The engine's.
pub fn count_created(
    reader: &mut Reader,
    about: &About,
    from: i64,
    until: i64,
) -> Result<Vec<CountRow>, StoreError> {
    let (whose, values) = bounded(about, from, until, "holder_account");
    let sql = format!(
        "SELECT created_at / {DAY_MS}, holder_kind, COUNT(*) FROM grants
         WHERE created_at >= ?1 AND created_at < ?2{whose} GROUP BY 1, 2 ORDER BY 1, 2"
    );
    counts(reader, &sql, &values)
}

/// Grants that ended from `from` and before `until`, which must not lie ahead;
/// the word is why. What is past its time has expired then, whether a job has
/// said so or not.
///
/// # Errors
/// The engine's.
pub fn count_ended(
    reader: &mut Reader,
    about: &About,
    from: i64,
    until: i64,
) -> Result<Vec<CountRow>, StoreError> {
    let (whose, values) = bounded(about, from, until, "holder_account");
    let at = "CASE WHEN ended_reason IS NULL OR ended_reason = 'expired' THEN expires_at ELSE ended_at END";
    let sql = format!(
        "SELECT ({at}) / {DAY_MS}, COALESCE(ended_reason, 'expired'), COUNT(*) FROM grants
         WHERE ({at}) >= ?1 AND ({at}) < ?2{whose} GROUP BY 1, 2 ORDER BY 1, 2"
    );
    counts(reader, &sql, &values)
}

/// What was done under grants and links from `from` and before `until`; the
/// word is the trail's. For an account: what it did itself.
///
/// # Errors
/// The engine's.
pub fn count_uses(
    reader: &mut Reader,
    about: &About,
    from: i64,
    until: i64,
) -> Result<Vec<CountRow>, StoreError> {
    let (whose, values) = bounded(about, from, until, "actor_id");
    // One patient's or account's entries are few beside the log: their own
    // index is to be walked. `+` hides a column from that choice.
    let log = if *about == About::Everybody {
        "log"
    } else {
        "+log"
    };
    let sql = format!(
        "SELECT at / {DAY_MS}, action, COUNT(*) FROM ledger
         WHERE {log} = 0 AND at >= ?1 AND at < ?2 AND grant_id IS NOT NULL{whose}
         GROUP BY 1, 2 ORDER BY 1, 2"
    );
    counts(reader, &sql, &values)
}

/// How many of the grants made from `from` and before `until` cover each
/// record type.
///
/// # Errors
/// The engine's.
pub fn count_types(
    reader: &mut Reader,
    about: &About,
    from: i64,
    until: i64,
) -> Result<Vec<(RecordType, u64)>, StoreError> {
    let (whose, values) = bounded(about, from, until, "holder_account");
    let sql = format!(
        "SELECT types, COUNT(*) FROM grants WHERE created_at >= ?1 AND created_at < ?2{whose} GROUP BY types"
    );
    let lists = reader.query(&sql, &values, |row| {
        Ok((row.get::<String>(0)?, row.get::<u64>(1)?))
    })?;
    let mut by_type = std::collections::BTreeMap::new();
    for (text, count) in lists {
        let types: Vec<RecordType> = serde_json::from_str(&text)
            .map_err(|_| StoreError::Corrupt("a list of record types"))?;
        for record_type in types {
            *by_type.entry(record_type).or_insert(0) += count;
        }
    }
    Ok(by_type.into_iter().collect())
}

/// How much there is of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TotalsRow {
    /// Accounts by kind and status.
    pub accounts: Vec<(String, String, u64)>,
    /// Providers by what admins found.
    pub verifications: Vec<(String, u64)>,
    /// Patients.
    pub patients: u64,
    /// Records that were not deleted.
    pub records: u64,
    /// Grants to accounts that live.
    pub grants: u64,
    /// Links that live.
    pub links: u64,
    /// Sealed bytes in the database and the object store.
    pub sealed_bytes: u64,
}

/// How much there is of everything at `now` (milliseconds since 1970).
///
/// # Errors
/// The engine's.
pub fn totals(reader: &mut Reader, now: i64) -> Result<TotalsRow, StoreError> {
    let accounts = reader.query(
        "SELECT kind, status, COUNT(*) FROM accounts GROUP BY 1, 2 ORDER BY 1, 2",
        params![],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let verifications = reader.query(
        "SELECT verification, COUNT(*) FROM accounts WHERE kind = 'provider' GROUP BY 1 ORDER BY 1",
        params![],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut one =
        |sql: &str, values: &[Value<'_>]| reader.query_i64(sql, values).map(i64::unsigned_abs);
    let living = "SELECT COUNT(*) FROM grants WHERE ended_at IS NULL AND expires_at > ?1 AND holder_kind = ?2";
    Ok(TotalsRow {
        accounts,
        verifications,
        patients: one("SELECT COUNT(*) FROM patients", params![])?,
        records: one(
            "SELECT COUNT(*) FROM records WHERE deleted_at IS NULL AND supporting = 0",
            params![],
        )?,
        grants: one(living, params![now, "account"])?,
        links: one(living, params![now, "link"])?,
        sealed_bytes: one("SELECT CAST(SUM(size) AS BIGINT) FROM versions", params![])?,
    })
}
