//! How often what may be tried, by `domain::limits`, counted in the database
//! and, before it, in memory; and the refusals of people who did not prove who
//! they are, which reach the trail as one counted entry per minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chartkey_domain::limits::Limit;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_store::limits::{self as rows, Verdict};
use chartkey_store::refusals::{self, RefusalRow};
use chartkey_store::{StoreError, Tx};
use jiff::Timestamp;

use crate::{Failure, NounError, Origin, Service, trail};

/// Subjects remembered in memory, at most.
const REMEMBERED: usize = 100_000;
/// Kinds and sources of refusals held until they are written, at most.
const HELD: usize = 10_000;
/// Refusals written in one transaction, at most.
const PORTION: u32 = 256;

/// What stands before the database: who is known to be over a limit, and what
/// was refused since the last look.
#[derive(Default)]
pub struct Front {
    denied: Mutex<HashMap<[u8; 32], i64>>,
    refused: Mutex<HashMap<(i64, IpAddr, TrailAction), u64>>,
}

/// The subject of a limit per address: the IPv4 address, or the /64 of an
/// IPv6 one, since whoever has one has all of it.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Counts one try of `subject` against `limit`.
///
/// # Errors
/// [`Failure::Limited`]; the database's.
pub async fn spend<E: NounError>(
    service: &Service,
    limit: Limit,
    subject: &str,
) -> Result<(), Failure<E>> {
    let bucket = bucket(service, limit, subject);
    let now = service.now().as_millisecond();
    let front = &service.0.limits.denied;
    let known = lock(front).get(&bucket).copied();
    if let Some(until) = known {
        if until > now {
            return Err(limited(until - now));
        }
        lock(front).remove(&bucket);
    }
    let verdict: Verdict = service
        .store()
        .write("limit.spend", move |tx: &mut Tx| {
            let limit = rows::Limit {
                most: limit.max(),
                window_ms: i64::from(limit.window_secs()) * 1_000,
            };
            rows::hit(tx, bucket, limit, now)
        })
        .await
        .map_err(|error: StoreError| Failure::Store(error))?;
    match verdict {
        Verdict::Allowed { .. } => Ok(()),
        Verdict::Denied { retry_after_ms } => {
            let mut denied = lock(front);
            if denied.len() >= REMEMBERED {
                denied.clear();
            }
            denied.insert(bucket, now.saturating_add(retry_after_ms));
            Err(limited(retry_after_ms))
        }
    }
}

fn limited<E: NounError>(wait_ms: i64) -> Failure<E> {
    Failure::Limited {
        retry_after_secs: wait_ms.max(1).unsigned_abs().div_ceil(1_000),
    }
}

/// The bucket's name is a keyed hash: addresses do not stand in the database.
fn bucket(service: &Service, limit: Limit, subject: &str) -> [u8; 32] {
    let name = format!("{} {subject}", limit.as_str());
    service.protect().lookup_hash("limit", name.as_bytes())
}

/// Notes that somebody who did not prove who they are was refused. Nothing is
/// written now: [`flush`] does that, once a minute.
pub fn refused(service: &Service, origin: &Origin, action: TrailAction) {
    let minute = service.now().as_second().div_euclid(60);
    let mut refused = lock(&service.0.limits.refused);
    let key = (minute, origin.address, action);
    if refused.len() >= HELD && !refused.contains_key(&key) {
        tracing::warn!("more refusals than can be told apart");
        return;
    }
    *refused.entry(key).or_default() += 1;
}

/// Moves what this process counted into the database, and what the database
/// holds of past minutes into the trail.
///
/// # Errors
/// The database's; what could not be moved is held for the next time.
pub async fn flush(service: &Service) -> Result<(), StoreError> {
    let minute = service.now().as_second().div_euclid(60);
    let past: Vec<_> = {
        let mut refused = lock(&service.0.limits.refused);
        let past = refused
            .iter()
            .filter(|((at, ..), _)| *at < minute)
            .map(|(key, count)| (*key, *count))
            .collect();
        refused.retain(|(at, ..), _| *at >= minute);
        past
    };
    let (this, mut rng) = (service.clone(), service.rng());
    service
        .store()
        .write("limit.flush", move |tx: &mut Tx| {
            for ((minute, address, action), count) in past {
                let source = network(address);
                refusals::insert(
                    tx,
                    &RefusalRow {
                        minute,
                        source_hash: this.protect().lookup_hash("refusal", source.as_bytes()),
                        kind: action.as_str().to_owned(),
                        count,
                    },
                )?;
            }
            for row in refusals::take(tx, minute, PORTION)? {
                let Some(action) = TrailAction::parse(&row.kind) else {
                    continue;
                };
                let at = Timestamp::from_second(row.minute.saturating_mul(60))
                    .unwrap_or(Timestamp::UNIX_EPOCH);
                let entry = NewEntry::new(action, at, TrailActor::Nobody)
                    .count(row.count)
                    .detail("source", Detail::Hash(row.source_hash));
                trail::append(tx, entry, &mut rng)?;
            }
            Ok(())
        })
        .await
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
