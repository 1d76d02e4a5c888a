//! How sharing went over time: counted from the terms of grants and from the
//! trail. Nothing medical: record types stand in the clear beside every grant.

use std::collections::BTreeMap;

use chartkey_domain::accounts::{AccountError, AccountKind};
use chartkey_domain::grants::EndReason;
use chartkey_domain::policy::{self, Action, Target};
use chartkey_domain::trail::TrailAction;
use chartkey_fhir::RecordType;
use chartkey_store::analytics::{self as rows, About, CountRow, DAY_MS, TotalsRow};
use chartkey_store::{Reader, StoreError, patients};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::accounts::AccountFailure;
use crate::{Caller, Failure, Service};

/// Most buckets of one answer.
pub const MAX_BUCKETS: usize = 400;
/// How far back an answer reaches where nothing is said.
const DEFAULT_REACH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How wide a bucket is, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interval {
    /// A day.
    #[default]
    Day,
    /// Monday to Sunday (ISO 8601).
    Week,
    /// A month of the calendar.
    Month,
}

impl Interval {
    /// The interval of that word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            _ => None,
        }
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The first day of the bucket in which a day lies.
    fn start(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week => {
                let since_monday = i64::from(day.weekday().to_monday_zero_offset());
                day.saturating_sub(since_monday.days())
            }
            Self::Month => day.first_of_month(),
        }
    }

    fn next(self, start: Date) -> Date {
        match self {
            Self::Day => start.saturating_add(1.day()),
            Self::Week => start.saturating_add(1.week()),
            Self::Month => start.saturating_add(1.month()),
        }
    }
}

/// From when till when, in which buckets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Period {
    /// Not earlier; 30 days back where nothing is said.
    pub from: Option<Timestamp>,
    /// Earlier; now where nothing is said.
    pub to: Option<Timestamp>,
    /// How wide a bucket is.
    pub interval: Interval,
}

/// What happened in one bucket, or altogether.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Links made.
    pub shares_created: u64,
    /// Grants to accounts made.
    pub grants_created: u64,
    /// Reads under a link or a grant.
    pub accesses: u64,
    /// Downloads under a link or a grant.
    pub downloads: u64,
    /// Grants and links whose time came, or that were used up.
    pub expirations: u64,
    /// Grants and links ended before their time.
    pub revocations: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.shares_created += other.shares_created;
        self.grants_created += other.grants_created;
        self.accesses += other.accesses;
        self.downloads += other.downloads;
        self.expirations += other.expirations;
        self.revocations += other.revocations;
    }
}

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Its first day.
    pub start: Date,
    /// What happened in it.
    pub counts: Counts,
}

/// Counts over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Not earlier.
    pub from: Timestamp,
    /// Earlier.
    pub to: Timestamp,
    /// How wide a bucket is.
    pub interval: Interval,
    /// Every bucket, those without anything as well, oldest first.
    pub buckets: Vec<Bucket>,
    /// All of them together.
    pub totals: Counts,
}

/// Counts of one account: over what it manages, or over what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analytics {
    /// Over time.
    pub series: Series,
    /// How many of the grants and links made in that time cover each type.
    pub by_type: Vec<(RecordType, u64)>,
}

/// The whole installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Over time.
    pub series: Series,
    /// How much there is of everything now.
    pub now: TotalsRow,
}

/// `GET /api/analytics`: over the records that the caller manages; for a
/// provider over what they were given.
///
/// # Errors
/// The policy's; a period that is none, or of too many buckets.
pub async fn find_analytics(
    service: &Service,
    caller: &Caller,
    period: Period,
) -> Result<Analytics, AccountFailure> {
    let now = service.now();
    let facts = *caller.account()?;
    policy::permit(
        &caller.who,
        Action::FindAnalytics,
        &Target::Account(facts.id),
        now,
    )?;
    let frame = Frame::of(period, now)?;
    service
        .store()
        .read_long("analytics.mine", move |reader| {
            let abouts = match facts.kind {
                AccountKind::Patient => patients::list_managed(reader, facts.id)?
                    .into_iter()
                    .map(|patient| About::Patient(patient.id))
                    .collect(),
                AccountKind::Provider => vec![About::Holder(facts.id)],
                AccountKind::Admin => Vec::new(),
            };
            let mut by_type = BTreeMap::new();
            for about in &abouts {
                for (record_type, count) in rows::count_types(reader, about, frame.from, frame.to)?
                {
                    *by_type.entry(record_type).or_insert(0) += count;
                }
            }
            Ok(Analytics {
                series: series(reader, &abouts, &frame)?,
                by_type: by_type.into_iter().collect(),
            })
        })
        .await
}

/// `GET /api/admin/analytics`: totals of the whole installation.
///
/// # Errors
/// The policy's; a period that is none, or of too many buckets.
pub async fn find_totals(
    service: &Service,
    caller: &Caller,
    period: Period,
) -> Result<Totals, AccountFailure> {
    let now = service.now();
    policy::permit(&caller.who, Action::FindTotals, &Target::Deployment, now)?;
    let frame = Frame::of(period, now)?;
    service
        .store()
        .read_long("analytics.totals", move |reader| {
            Ok(Totals {
                series: series(reader, &[About::Everybody], &frame)?,
                now: rows::totals(reader, now.as_millisecond())?,
            })
        })
        .await
}

/// A period that was checked, in milliseconds, with its buckets.
struct Frame {
    from: i64,
    to: i64,
    /// What lies ahead has not happened.
    until: i64,
    interval: Interval,
    starts: Vec<Date>,
}

impl Frame {
    fn of(period: Period, now: Timestamp) -> Result<Self, AccountFailure> {
        let to = period.to.unwrap_or(now);
        let from = match period.from {
            Some(from) => from,
            None => to.checked_sub(DEFAULT_REACH).unwrap_or(Timestamp::MIN),
        };
        if from >= to {
            return Err(Failure::field("from", "must lie before `to`"));
        }
        let last = day_of(to.as_millisecond().saturating_sub(1))?;
        let mut start = period.interval.start(day_of(from.as_millisecond())?);
        let mut starts = Vec::new();
        while start <= last {
            if starts.len() >= MAX_BUCKETS {
                return Err(Failure::field("interval", "at most 400 of them at a time"));
            }
            starts.push(start);
            start = period.interval.next(start);
        }
        Ok(Self {
            from: from.as_millisecond(),
            to: to.as_millisecond(),
            until: to
                .as_millisecond()
                .min(now.as_millisecond().saturating_add(1)),
            interval: period.interval,
            starts,
        })
    }
}

fn day_of(ms: i64) -> Result<Date, Failure<AccountError>> {
    let at = Timestamp::from_millisecond(ms).map_err(|_| Failure::field("from", "not a time"))?;
    Ok(at.to_zoned(TimeZone::UTC).date())
}

fn series(reader: &mut Reader, abouts: &[About], frame: &Frame) -> Result<Series, StoreError> {
    let mut by_start: BTreeMap<Date, Counts> = BTreeMap::new();
    for start in &frame.starts {
        by_start.insert(*start, Counts::default());
    }
    for about in abouts {
        let (from, until) = (frame.from, frame.until);
        let found = [
            (
                rows::count_created(reader, about, from, until)?,
                created as fn(&CountRow) -> Counts,
            ),
            (rows::count_ended(reader, about, from, until)?, ended),
            (rows::count_uses(reader, about, from, until)?, used),
        ];
        for (rows, meaning) in found {
            for row in &rows {
                let ms = row.day.saturating_mul(DAY_MS);
                let Ok(at) = Timestamp::from_millisecond(ms) else {
                    continue;
                };
                let start = frame.interval.start(at.to_zoned(TimeZone::UTC).date());
                by_start.entry(start).or_default().add(meaning(row));
            }
        }
    }
    let mut totals = Counts::default();
    by_start.values().for_each(|counts| totals.add(*counts));
    let at = |ms| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Series {
        from: at(frame.from),
        to: at(frame.to),
        interval: frame.interval,
        buckets: by_start
            .into_iter()
            .map(|(start, counts)| Bucket { start, counts })
            .collect(),
        totals,
    })
}

fn created(row: &CountRow) -> Counts {
    if row.word == "link" {
        Counts {
            shares_created: row.count,
            ..Counts::default()
        }
    } else {
        Counts {
            grants_created: row.count,
            ..Counts::default()
        }
    }
}

fn ended(row: &CountRow) -> Counts {
    match EndReason::parse(&row.word) {
        Some(EndReason::Expired | EndReason::UsedUp) => Counts {
            expirations: row.count,
            ..Counts::default()
        },
        Some(EndReason::Revoked | EndReason::NotCarried) | None => Counts {
            revocations: row.count,
            ..Counts::default()
        },
    }
}

fn used(row: &CountRow) -> Counts {
    match TrailAction::parse(&row.word) {
        Some(TrailAction::RecordRead | TrailAction::RecordList | TrailAction::ShareRead) => {
            Counts {
                accesses: row.count,
                ..Counts::default()
            }
        }
        Some(
            TrailAction::RecordDownload | TrailAction::RecordExport | TrailAction::ShareDownload,
        ) => Counts {
            downloads: row.count,
            ..Counts::default()
        },
        _ => Counts::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(from: &str, to: &str, interval: Interval) -> Result<Vec<String>, AccountFailure> {
        let at = |text: &str| Some(text.parse().unwrap());
        let period = Period {
            from: at(from),
            to: at(to),
            interval,
        };
        let frame = Frame::of(period, "2026-11-22T09:00:00Z".parse().unwrap())?;
        Ok(frame.starts.iter().map(Date::to_string).collect())
    }

    #[test]
    fn buckets_begin_with_the_day_the_monday_or_the_first() {
        let (from, to) = ("2026-02-27T23:00:00Z", "2026-03-02T00:00:00Z");
        let days = starts(from, to, Interval::Day).unwrap();
        assert_eq!(days, ["2026-02-27", "2026-02-28", "2026-03-01"]);
        let weeks = starts(from, to, Interval::Week).unwrap();
        assert_eq!(weeks, ["2026-02-23"]);
        let months = starts(from, to, Interval::Month).unwrap();
        assert_eq!(months, ["2026-02-01", "2026-03-01"]);
    }

    #[test]
    fn a_period_is_neither_empty_nor_endless() {
        let same = "2026-03-02T00:00:00Z";
        assert!(starts(same, same, Interval::Day).is_err());
        assert!(starts("2016-01-01T00:00:00Z", same, Interval::Day).is_err());
        assert_eq!(
            starts("2016-01-01T00:00:00Z", same, Interval::Month)
                .unwrap()
                .len(),
            123
        );
    }
}
