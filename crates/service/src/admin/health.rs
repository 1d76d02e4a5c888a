//! How the installation is: work that waits or was given up, mail, sizes, the
//! log and its checkpoints. Numbers, codes and times; nobody's data.

use chartkey_domain::trail::TrailError;
use chartkey_store::jobs::{self as job_rows, JobRow, JobState};
use chartkey_store::trail::{self as trail_rows, Log};
use chartkey_store::{Reader, StoreError};

use super::*;

/// Jobs in trouble that are shown, at most, of each state.
const SHOWN: u32 = 50;
/// Kinds of work that an admin may have tried again.
pub const RETRIED: [&str; 1] = [mail::KIND];

/// How the installation is.
#[derive(Debug, Clone)]
pub struct SystemHealth {
    /// The present instant.
    pub now: Timestamp,
    /// When this node started.
    pub started_at: Timestamp,
    /// How many jobs each state has, of whatever kind.
    pub jobs: Vec<(JobState, u64)>,
    /// The same of mail alone.
    pub mail: Vec<(JobState, u64)>,
    /// Work that was given up, or waits for a sender; last changed first.
    pub troubled: Vec<JobRow>,
    /// Size of the database, in bytes.
    pub database_bytes: u64,
    /// Entries of the trail.
    pub trail_size: u64,
    /// Entries of the log of public keys.
    pub keys_size: u64,
    /// The newest checkpoint of the trail: its size, and when it was signed.
    pub checkpoint: Option<(u64, Timestamp)>,
}

/// `GET /api/admin/health`.
///
/// # Errors
/// The policy's.
pub async fn find_system_health(
    service: &Service,
    caller: &Caller,
) -> Result<SystemHealth, AccountFailure> {
    let now = service.now();
    policy::permit(
        &caller.who,
        Action::FindSystemHealth,
        &Target::Deployment,
        now,
    )?;
    let started_at = service.started_at();
    service
        .store()
        .read_long("admin.health", move |reader| {
            let mut troubled = job_rows::list(reader, JobState::Dead, SHOWN)?;
            troubled.extend(job_rows::list(reader, JobState::NeedsSender, SHOWN)?);
            Ok(SystemHealth {
                now,
                started_at,
                jobs: job_rows::count(reader)?,
                mail: job_rows::count_of_kind(reader, mail::KIND)?,
                troubled,
                database_bytes: reader.size_bytes()?,
                trail_size: trail_rows::size(reader, Log::Trail)?,
                keys_size: trail_rows::size(reader, Log::Keys)?,
                checkpoint: newest(reader)?,
            })
        })
        .await
}

fn newest(reader: &mut Reader) -> Result<Option<(u64, Timestamp)>, StoreError> {
    let newest = trail_rows::list_checkpoints(reader, Log::Trail, 1)?.pop();
    Ok(newest.and_then(|(size, _, at)| Some((size, Timestamp::from_millisecond(at).ok()?))))
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointView {
    /// How many entries it speaks of.
    pub size: u64,
    /// The signed note.
    pub note: String,
    /// When it was signed.
    pub signed_at: Timestamp,
}

/// A page of checkpoints, newest first.
#[derive(Debug, Clone)]
pub struct CheckpointPage {
    /// The checkpoints.
    pub items: Vec<CheckpointView>,
    /// Where the next page goes on.
    pub next: Option<u64>,
}

/// `GET /api/admin/checkpoints`: those that were signed, of less than `below`
/// entries.
///
/// # Errors
/// The policy's.
pub async fn list_checkpoints(
    service: &Service,
    caller: &Caller,
    log: Log,
    below: Option<u64>,
    limit: u32,
) -> Result<CheckpointPage, Failure<TrailError>> {
    policy::permit(
        &caller.who,
        Action::ListCheckpoints,
        &Target::Deployment,
        service.now(),
    )?;
    // A database holds no more.
    let most = i64::MAX.unsigned_abs();
    let below = below.unwrap_or(most).min(most);
    let mut found = service
        .store()
        .read("admin.checkpoints", move |reader| {
            trail_rows::list_checkpoints_below(reader, log, below, limit.saturating_add(1))
        })
        .await
        .map_err(|error: StoreError| Failure::Store(error))?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > wanted;
    found.truncate(wanted);
    Ok(CheckpointPage {
        next: found.last().filter(|_| more).map(|(size, ..)| *size),
        items: found
            .into_iter()
            .map(|(size, note, at)| CheckpointView {
                size,
                note,
                signed_at: Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH),
            })
            .collect(),
    })
}

/// `POST /api/admin/jobs/retry`: makes work of one kind that was given up due
/// again; how much.
///
/// # Errors
/// The policy's; a kind that is not one of [`RETRIED`].
pub async fn retry_jobs(
    service: &Service,
    caller: &Caller,
    kind: &str,
) -> Result<u64, AccountFailure> {
    let now = service.now();
    let permit = policy::permit(&caller.who, Action::RetryJobs, &Target::Deployment, now)?;
    let kind = RETRIED
        .into_iter()
        .find(|known| *known == kind)
        .ok_or_else(|| Failure::field("kind", "not a kind of work that is tried again"))?;
    let (asking, mut rng) = (caller.clone(), service.rng());
    let revived = service
        .store()
        .write("job.retry", move |tx| {
            let revived = job_rows::revive(tx, JobState::Dead, kind, now.as_millisecond())?;
            let entry = NewEntry::under(TrailAction::JobRetry, now, &permit)
                .count(revived)
                .detail("kind", Detail::Word(kind));
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok::<_, AccountFailure>(revived)
        })
        .await?;
    service.0.wake.notify_one();
    Ok(revived)
}
