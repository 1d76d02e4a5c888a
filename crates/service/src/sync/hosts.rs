//! How much is asked of a host: a bucket of requests that all nodes share, a
//! pause where the host asked for one, and a breaker where it does not answer.

use std::time::Duration;

use chartkey_domain::connections::{ConnectionKind, ConnectorError, ErrorClass};
use chartkey_domain::sync::LinkState;
use chartkey_store::StoreError;
use chartkey_store::sync::{self as rows, HostRow};
use jiff::{SignedDuration, Timestamp};
use rand_core::Rng as _;

use crate::Service;
use crate::connections::Opened;

/// Requests taken from the bucket at a time: each portion is one write.
const PORTION: i64 = 8;
/// Failures in a row after which a host is left alone.
const BREAKS_AT: u32 = 5;
/// How long a host is left alone at first, and at most, in seconds.
const BREAK_SECS: i64 = 30;
const BREAK_MOST_SECS: i64 = 30 * 60;
/// How long the one who asks whether it answers again has for that, in seconds.
const PROBE_SECS: i64 = 60;
/// Longest pause that a host may ask for.
const MOST_PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// Thousandths.
const DROP: i64 = 1_000;

/// How much a host may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Requests in a minute, in the long run.
    pub per_minute: i64,
    /// Requests at once, after a rest.
    pub burst: i64,
}

impl Rate {
    /// What the connection says (`requests_per_minute`, `burst`), else what is
    /// known of its kind.
    pub fn of(opened: &Opened) -> Self {
        let known = match opened.row.kind {
            ConnectionKind::Cliniko => Self {
                per_minute: 180,
                burst: 20,
            },
            _ => Self {
                per_minute: 300,
                burst: 60,
            },
        };
        Self {
            per_minute: opened.per_minute.unwrap_or(known.per_minute),
            burst: opened.burst.unwrap_or(known.burst),
        }
    }
}

/// The way to a host: asks before each request, and is told of each answer.
pub(crate) struct Gate {
    service: Service,
    host: [u8; 32],
    rate: Rate,
    held: i64,
    troubled: bool,
}

/// Not before then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(pub Timestamp);

impl Gate {
    /// The way to a connection's host.
    pub fn new(service: &Service, opened: &Opened) -> Self {
        Self {
            service: service.clone(),
            host: opened.row.host_hash,
            rate: Rate::of(opened),
            held: 0,
            troubled: false,
        }
    }

    /// Waits for nothing: a request may be made now, or not before a time.
    ///
    /// # Errors
    /// The database's.
    pub async fn pass(&mut self) -> Result<Result<(), Wait>, StoreError> {
        if self.held == 0 {
            let (host, rate, now) = (self.host, self.rate, self.service.now());
            let taken = self
                .service
                .store()
                .write("host.take", move |tx| {
                    let known = rows::lookup_host(tx, &host)?;
                    let mut row = known.unwrap_or(HostRow {
                        host,
                        drops: rate.burst * DROP,
                        filled_at: now,
                        until_at: None,
                        failures: 0,
                    });
                    let taken = take(&mut row, rate, now);
                    rows::put_host(tx, &row, now)?;
                    Ok::<_, StoreError>((taken, row.failures > 0))
                })
                .await?;
            self.troubled = taken.1;
            match taken.0 {
                Ok(held) => self.held = held,
                Err(wait) => return Ok(Err(wait)),
            }
        }
        self.held -= 1;
        Ok(Ok(()))
    }

    /// Tells of an answer.
    ///
    /// # Errors
    /// The database's.
    pub async fn note<T>(&mut self, answer: &Result<T, ConnectorError>) -> Result<(), StoreError> {
        let failed = match answer {
            Err(error) => match error.class {
                ErrorClass::RateLimited => Some((error.retry_after, false)),
                ErrorClass::Transient | ErrorClass::Unknown => Some((error.retry_after, true)),
                _ => None,
            },
            Ok(_) => None,
        };
        if failed.is_none() && !self.troubled {
            return Ok(());
        }
        self.troubled = failed.is_some();
        let (host, rate, now) = (self.host, self.rate, self.service.now());
        let chance = self.service.rng().next_u32();
        self.held = if failed.is_some() { 0 } else { self.held };
        self.service
            .store()
            .write("host.note", move |tx| {
                let Some(mut row) = rows::lookup_host(tx, &host)? else {
                    return Ok(());
                };
                match failed {
                    None => (row.failures, row.until_at) = (0, None),
                    Some((pause, counts)) => refuse(&mut row, rate, pause, counts, chance, now),
                }
                rows::put_host(tx, &row, now)
            })
            .await
    }

    /// Gives back what was not used.
    ///
    /// # Errors
    /// The database's.
    pub async fn leave(self) -> Result<(), StoreError> {
        if self.held == 0 {
            return Ok(());
        }
        let (host, rate, now, held) = (self.host, self.rate, self.service.now(), self.held);
        self.service
            .store()
            .write("host.give_back", move |tx| {
                if let Some(mut row) = rows::lookup_host(tx, &host)? {
                    row.drops = (row.drops + held * DROP).min(rate.burst * DROP);
                    rows::put_host(tx, &row, now)?;
                }
                Ok(())
            })
            .await
    }
}

/// Takes a portion, or says when there will be one.
fn take(row: &mut HostRow, rate: Rate, now: Timestamp) -> Result<i64, Wait> {
    if let Some(until) = row.until_at.filter(|until| *until > now) {
        return Err(Wait(until));
    }
    let passed = now
        .duration_since(row.filled_at)
        .as_millis()
        .clamp(0, 3_600_000);
    let filled = i64::try_from(passed).unwrap_or(0) * rate.per_minute * DROP / 60_000;
    if filled > 0 {
        row.drops = (row.drops + filled).min(rate.burst * DROP);
        row.filled_at = now;
    }
    row.until_at = None;
    if row.failures >= BREAKS_AT {
        // One asks; everybody else waits for what it finds.
        row.until_at = now.checked_add(SignedDuration::from_secs(PROBE_SECS)).ok();
        return Ok(1);
    }
    let portion = (row.drops / DROP).min(PORTION);
    if portion > 0 {
        row.drops -= portion * DROP;
        return Ok(portion);
    }
    // Until there is a portion again, so that nobody asks for every single one.
    let wanted = PORTION.min(rate.burst) * DROP - row.drops;
    let wait_ms = wanted * 60_000 / (rate.per_minute * DROP) + 1;
    let until = now
        .checked_add(SignedDuration::from_millis(wait_ms))
        .unwrap_or(Timestamp::MAX);
    row.until_at = Some(until);
    Err(Wait(until))
}

/// The host asked for a pause, or did not answer.
fn refuse(
    row: &mut HostRow,
    rate: Rate,
    pause: Option<Duration>,
    counts: bool,
    chance: u32,
    now: Timestamp,
) {
    let pause = pause
        .and_then(|p| SignedDuration::try_from(p).ok())
        .map(|p| p.min(MOST_PAUSE));
    let mut wait = pause.unwrap_or(SignedDuration::ZERO);
    if counts {
        row.failures = row.failures.saturating_add(1);
        if row.failures >= BREAKS_AT {
            let doubled = BREAK_SECS << (row.failures - BREAKS_AT).min(10);
            let secs = doubled.min(BREAK_MOST_SECS);
            let jitter = secs / 4 * i64::from(chance) / i64::from(u32::MAX);
            wait = wait.max(SignedDuration::from_secs(secs + jitter));
        }
    } else {
        row.drops = 0;
        row.filled_at = now;
        // It did not say for how long: as long as one request takes of a minute.
        let least = 60_000 / rate.per_minute + 1_000;
        wait = wait.max(SignedDuration::from_millis(least));
    }
    if wait > SignedDuration::ZERO {
        let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        row.until_at = Some(row.until_at.map_or(until, |known| known.max(until)));
    }
}

/// Whether a connection's state lets it be used.
pub(crate) fn usable(state: LinkState) -> bool {
    state == LinkState::Ok
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_minute: 60,
        burst: 10,
    };

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap()
    }

    fn full() -> HostRow {
        HostRow {
            host: [0; 32],
            drops: RATE.burst * DROP,
            filled_at: at(0),
            until_at: None,
            failures: 0,
        }
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut row = full();
        assert_eq!(take(&mut row, RATE, at(0)), Ok(8));
        assert_eq!(take(&mut row, RATE, at(0)), Ok(2));
        let Err(Wait(until)) = take(&mut row, RATE, at(0)) else {
            panic!("it is empty");
        };
        assert!(until > at(8) && until < at(9));
        assert_eq!(take(&mut row, RATE, at(5)), Err(Wait(until)));
        assert_eq!(take(&mut row, RATE, at(9)), Ok(8));
        // In an hour it gives no more than its burst.
        assert_eq!(take(&mut row, RATE, at(3_609)), Ok(8));
        assert_eq!(take(&mut row, RATE, at(3_609)), Ok(2));
        assert!(take(&mut row, RATE, at(3_609)).is_err());
    }

    #[test]
    fn a_host_that_asks_for_a_pause_gets_it() {
        let mut row = full();
        refuse(
            &mut row,
            RATE,
            Some(Duration::from_secs(90)),
            false,
            0,
            at(0),
        );
        assert_eq!(take(&mut row, RATE, at(89)), Err(Wait(at(90))));
        assert!(take(&mut row, RATE, at(90)).is_ok());
    }

    #[test]
    fn a_host_that_does_not_answer_is_left_alone_and_then_one_asks() {
        let mut row = full();
        for _ in 0..BREAKS_AT {
            refuse(&mut row, RATE, None, true, 0, at(0));
        }
        assert!(take(&mut row, RATE, at(29)).is_err());
        assert_eq!(take(&mut row, RATE, at(30)), Ok(1), "one probes");
        assert_eq!(take(&mut row, RATE, at(30)), Err(Wait(at(90))));
        refuse(&mut row, RATE, None, true, 0, at(31));
        assert!(
            take(&mut row, RATE, at(91)).is_ok(),
            "twice as long, then a probe"
        );
    }
}
