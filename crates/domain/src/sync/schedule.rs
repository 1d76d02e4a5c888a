//! When a connection is due: hourly, daily, when somebody asks, or by a cron
//! line. Times are UTC.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// The closest that two runs of a cron line may be.
const CLOSEST: SignedDuration = SignedDuration::from_mins(15);
/// Longest cron line, in bytes.
const MAX_LINE: usize = 100;
/// How many of a line's times are looked at to find that it is too close.
const LOOKED_AT: usize = 64;

/// When a connection is due.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// Only when somebody asks.
    Manual,
    /// An hour after the last time.
    Hourly,
    /// A day after the last time.
    Daily,
    /// At the times of a cron line of five fields, UTC.
    Cron {
        /// As it was written.
        line: String,
        /// What it means.
        cron: Box<Cron>,
    },
}

/// Why a schedule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Neither a word nor a cron line.
    #[error("hourly, daily, manual, or a cron line of five fields")]
    Malformed,
    /// More often than every fifteen minutes.
    #[error("at most every fifteen minutes")]
    TooOften,
    /// It never comes.
    #[error("this time never comes")]
    Never,
}

impl Schedule {
    /// The schedule that somebody wrote.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, ScheduleError> {
        match text.trim() {
            "manual" => return Ok(Self::Manual),
            "hourly" => return Ok(Self::Hourly),
            "daily" => return Ok(Self::Daily),
            line if line.len() > MAX_LINE => return Err(ScheduleError::Malformed),
            _ => {}
        }
        let line = text.trim();
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(line)
            .map_err(|_| ScheduleError::Malformed)?;
        let schedule = Self::Cron {
            line: line.to_owned(),
            cron: Box::new(cron),
        };
        let mut at = schedule.next(now).ok_or(ScheduleError::Never)?;
        for _ in 0..LOOKED_AT {
            let Some(next) = schedule.next(at) else { break };
            if next.duration_since(at) < CLOSEST {
                return Err(ScheduleError::TooOften);
            }
            at = next;
        }
        Ok(schedule)
    }

    /// As it is stored and shown.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Manual => "manual",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Cron { line, .. } => line,
        }
    }

    /// The next time after `now`, if there is one.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Manual => None,
            Self::Hourly => now.checked_add(SignedDuration::from_hours(1)).ok(),
            Self::Daily => now.checked_add(SignedDuration::from_hours(24)).ok(),
            Self::Cron { cron, .. } => cron
                .find_next_occurrence(&now.to_zoned(TimeZone::UTC), false)
                .ok()
                .map(|at| at.timestamp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn words_and_cron_lines_say_when() {
        let now = at("2026-11-22T12:10:00Z");
        let next = |text: &str| Schedule::parse(text, now).unwrap().next(now);
        assert_eq!(next("manual"), None);
        assert_eq!(next("hourly"), Some(at("2026-11-22T13:10:00Z")));
        assert_eq!(next("daily"), Some(at("2026-11-23T12:10:00Z")));
        assert_eq!(next(" 30 2 * * * "), Some(at("2026-11-23T02:30:00Z")));
        assert_eq!(next("*/15 * * * *"), Some(at("2026-11-22T12:15:00Z")));
    }

    #[test]
    fn what_comes_too_often_or_never_is_refused() {
        let now = at("2026-11-22T12:10:00Z");
        let error = |text: &str| Schedule::parse(text, now).unwrap_err();
        assert_eq!(error("* * * * *"), ScheduleError::TooOften);
        assert_eq!(error("0,5 * * * *"), ScheduleError::TooOften);
        assert_eq!(error("0 0 30 2 *"), ScheduleError::Never);
        assert_eq!(error("sometimes"), ScheduleError::Malformed);
        assert_eq!(error("* * * * * *"), ScheduleError::Malformed);
        assert_eq!(error(&"1,".repeat(99)), ScheduleError::Malformed);
    }
}
