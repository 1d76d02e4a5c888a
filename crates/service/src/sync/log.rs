//! The synchronization log: written in the transaction of what it tells of,
//! told in sentences.

use chartkey_domain::ids::{ConnectionId, PatientId, RecordId, SyncId};
use chartkey_domain::policy::{Action, Permit, Scope};
use chartkey_domain::sync::{Counts, LogAction, LogStatus, Step};
use chartkey_store::connections::{self, ConnectionRow};
use chartkey_store::sync::{self as rows, LogRow};
use chartkey_store::{Reader, StoreError, Tx, records};
use jiff::Timestamp;
use rand_core::CryptoRng;

use super::{SyncError, SyncFailure, ms};
use crate::connections::name_of;
use crate::records::record_facts;
use crate::{Caller, Failure, Service, patients};

/// A line to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Whose record.
    pub patient: PatientId,
    /// Which connection.
    pub connection: ConnectionId,
    /// Of which sync.
    pub sync: Option<SyncId>,
    /// Which document, and version.
    pub record: Option<(RecordId, u32)>,
    /// What it is about.
    pub action: LogAction,
    /// What happened.
    pub step: Step,
    /// What a refusal meant.
    pub why: Option<&'a str>,
    /// Numbers.
    pub counts: Counts,
}

/// Writes a line.
pub(crate) fn write_line(
    tx: &mut Tx,
    line: &Line<'_>,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    let row = LogRow {
        id: SyncId::new(ms(now), rng),
        patient: line.patient,
        connection: Some(line.connection),
        sync: line.sync,
        record: line.record,
        action: line.action,
        status: line.step.status(),
        step: line.step.code().to_owned(),
        why: line.why.map(str::to_owned),
        counts: line.counts,
        at: now,
    };
    rows::insert_log(tx, &row)
}

/// A line, as it is told.
#[derive(Debug, Clone)]
pub struct LogView {
    /// Its id.
    pub id: SyncId,
    /// Whose record.
    pub patient: PatientId,
    /// Which document.
    pub record: Option<RecordId>,
    /// Which connection.
    pub connection: Option<ConnectionId>,
    /// Of which sync.
    pub sync: Option<SyncId>,
    /// What it is about.
    pub action: LogAction,
    /// When.
    pub at: Timestamp,
    /// How it went.
    pub status: LogStatus,
    /// The step, as a word.
    pub step: String,
    /// What happened, in a sentence.
    pub details: String,
}

/// A page of lines, newest first.
#[derive(Debug)]
pub struct LogPage {
    /// The lines.
    pub items: Vec<LogView>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What of the log a permit reaches: managers all of it; others what is about
/// no single document, what their own connections did, and what is about a
/// document that they may read.
fn may_see(
    db: &mut Reader,
    permit: &Permit,
    line: &LogRow,
    connection: Option<&ConnectionRow>,
) -> Result<bool, StoreError> {
    if matches!(permit.scope(), Scope::All) || line.record.is_none() {
        return Ok(true);
    }
    if connection.is_some_and(|c| permit.account() == Some(c.owner)) {
        return Ok(true);
    }
    let Some((record, _)) = line.record else {
        return Ok(true);
    };
    let row = records::lookup(db, record)?;
    Ok(row.is_some_and(|row| permit.reads(&record_facts(&row))))
}

/// Lines with the connections that they are about, as far as they may be seen.
fn visible(
    db: &mut Reader,
    permit: &Permit,
    lines: Vec<LogRow>,
) -> Result<Vec<(LogRow, Option<ConnectionRow>)>, StoreError> {
    let mut known: Vec<ConnectionRow> = Vec::new();
    let mut seen = Vec::with_capacity(lines.len());
    for line in lines {
        if let Some(id) = line.connection
            && !known.iter().any(|c| c.id == id)
        {
            known.extend(connections::lookup(db, id)?);
        }
        let connection = known.iter().find(|c| Some(c.id) == line.connection);
        if may_see(db, permit, &line, connection)? {
            let connection = connection.cloned();
            seen.push((line, connection));
        }
    }
    Ok(seen)
}

fn view(
    service: &Service,
    (line, connection): (LogRow, Option<ConnectionRow>),
) -> Result<LogView, SyncFailure> {
    let system = match &connection {
        Some(connection) => name_of(service, connection)?,
        None => "a connection that is gone".to_owned(),
    };
    let details = Step::parse(&line.step).map_or_else(String::new, |step| {
        step.sentence(&system, &line.counts, line.why.as_deref())
    });
    Ok(LogView {
        id: line.id,
        patient: line.patient,
        record: line.record.map(|(record, _)| record),
        connection: line.connection,
        sync: line.sync,
        action: line.action,
        at: line.at,
        status: line.status,
        step: line.step,
        details,
    })
}

/// `GET /api/v1/patients/{id}/logs`.
///
/// # Errors
/// The policy's, the cursor's, the database's.
pub async fn list_logs(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    cursor: Option<&str>,
    limit: u32,
) -> Result<LogPage, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let limit = limit.clamp(1, 500);
    let after = match cursor {
        None => None,
        Some(text) => Some(parse_cursor(text).ok_or_else(|| Failure::field("cursor", "not one"))?),
    };
    let (lines, next) = service
        .store()
        .read("log.list", move |db| {
            let action = Action::ListLogs;
            let (_, permit) = patients::permit::<SyncError>(db, &asking, action, patient, now)?;
            let lines = rows::list_log(db, patient, after, limit)?;
            let full = u32::try_from(lines.len()).unwrap_or(0) == limit;
            let last = lines.last().filter(|_| full);
            let next = last.map(|l| format!("{}.{}", l.at.as_millisecond(), l.id));
            Ok::<_, SyncFailure>((visible(db, &permit, lines)?, next))
        })
        .await?;
    let items = lines
        .into_iter()
        .map(|line| view(service, line))
        .collect::<Result<_, _>>()?;
    Ok(LogPage { items, next })
}

fn parse_cursor(text: &str) -> Option<(Timestamp, SyncId)> {
    let (at, id) = text.split_once('.')?;
    let at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
    Some((at, id.parse().ok()?))
}

/// `GET /api/v1/logs/{id}`.
///
/// # Errors
/// The policy's, [`SyncError::UnknownLog`], the database's.
pub async fn find_log(
    service: &Service,
    caller: &Caller,
    id: SyncId,
) -> Result<LogView, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let line = service
        .store()
        .read("log.find", move |db| {
            asking.account()?;
            let line = rows::lookup_log(db, id)?.ok_or(SyncError::UnknownLog)?;
            let action = Action::ListLogs;
            let (_, permit) =
                patients::permit::<SyncError>(db, &asking, action, line.patient, now)?;
            let mut seen = visible(db, &permit, vec![line])?;
            seen.pop()
                .ok_or_else(|| SyncFailure::from(SyncError::UnknownLog))
        })
        .await?;
    view(service, line)
}

/// The lines of one sync, oldest first: what `wait` answers.
///
/// # Errors
/// The policy's, [`SyncError::UnknownRun`], the database's.
pub async fn list_sync_logs(
    service: &Service,
    caller: &Caller,
    sync: SyncId,
) -> Result<Vec<LogView>, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let lines = service
        .store()
        .read("log.list", move |db| {
            asking.account()?;
            let runs = rows::list_runs(db, sync)?;
            let patient = runs.first().ok_or(SyncError::UnknownRun)?.patient;
            let action = Action::ListLogs;
            let (_, permit) = patients::permit::<SyncError>(db, &asking, action, patient, now)?;
            let lines = rows::list_log_of(db, sync)?;
            Ok::<_, SyncFailure>(visible(db, &permit, lines)?)
        })
        .await?;
    lines.into_iter().map(|line| view(service, line)).collect()
}
