//! FHIR dates: which one of a resource counts, and what span of time a date of
//! any precision means.

use crate::json::Node;

/// Seconds since 1970 in UTC, `start` included, `end` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The span that a FHIR `date`, `dateTime` or `instant` means; none where it is
/// not one. Without a zone it is taken as UTC.
pub(crate) fn interval_of(text: &str) -> Option<Interval> {
    let text = text.trim();
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let mut two_digits = || match parts.next() {
        None => Some(None),
        Some(part) => digits(part, 2).map(Some),
    };
    let (month, day) = (two_digits()?, two_digits()?);
    let span = |start: (i64, i64, i64), end: (i64, i64, i64)| Interval {
        start: days(start) * DAY,
        end: days(end) * DAY,
    };
    match (month, day, time) {
        (None, None, None) => Some(span((year, 1, 1), (year + 1, 1, 1))),
        (Some(month @ 1..=12), None, None) => {
            let next = if month == 12 {
                (year + 1, 1, 1)
            } else {
                (year, month + 1, 1)
            };
            Some(span((year, month, 1), next))
        }
        (Some(month @ 1..=12), Some(day), time) if (1..=month_days(year, month)).contains(&day) => {
            let midnight = days((year, month, day)) * DAY;
            match time {
                None => Some(Interval {
                    start: midnight,
                    end: midnight + DAY,
                }),
                Some(time) => instant(midnight, time),
            }
        }
        _ => None,
    }
}

const DAY: i64 = 86_400;

fn instant(midnight: i64, time: &str) -> Option<Interval> {
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let offset = match zone {
        "" | "Z" => 0,
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            sign * (digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60)
        }
    };
    let mut parts = clock.splitn(3, ':');
    let hours = digits(parts.next()?, 2)?;
    let minutes = digits(parts.next()?, 2)?;
    let (seconds, precision) = match parts.next() {
        None => (0, 60),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (digits(whole, 2)?, 1)
        }
    };
    // 60 is a leap second, 24:00 is never written in FHIR.
    if hours > 23 || minutes > 59 || seconds > 60 || offset.abs() > 14 * 3600 {
        return None;
    }
    let start = midnight + hours * 3600 + minutes * 60 + seconds - offset;
    Some(Interval {
        start,
        end: start + precision,
    })
}

fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar.
fn days((year, month, day): (i64, i64, i64)) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date by which a resource is listed: when it happened rather than when it
/// was written down, and that rather than when it was sent. Exactly as written;
/// what is no FHIR date is passed over.
pub(crate) fn best_date(resource_type: &str, node: &Node<'_>) -> Option<String> {
    let first: &[&[&str]] = match resource_type {
        "Patient" | "RelatedPerson" | "Person" | "Practitioner" | "Organization" => return None,
        "DocumentReference" => &[&["context", "period", "start"], &["date"]],
        "Goal" => &[&["startDate"], &["statusDate"]],
        "Claim" | "ExplanationOfBenefit" | "ClaimResponse" => {
            &[&["billablePeriod", "start"], &["created"]]
        }
        "Specimen" => &[&["collection", "collectedDateTime"], &["receivedTime"]],
        _ => &[],
    };
    first.iter().chain(USUAL).find_map(|path| dated(node, path))
}

/// Looked for in this order in every resource.
const USUAL: &[&[&str]] = &[
    &["effectiveDateTime"],
    &["effectivePeriod", "start"],
    &["effectiveInstant"],
    &["effectiveTiming", "event"],
    &["onsetDateTime"],
    &["onsetPeriod", "start"],
    &["performedDateTime"],
    &["performedPeriod", "start"],
    &["occurrenceDateTime"],
    &["occurrencePeriod", "start"],
    &["occurrenceString"],
    &["occurredDateTime"],
    &["occurredPeriod", "start"],
    &["started"],
    &["period", "start"],
    &["start"],
    &["servicedDate"],
    &["timingDateTime"],
    &["whenHandedOver"],
    &["whenPrepared"],
    &["authoredOn"],
    &["dateTime"],
    &["createdDateTime"],
    &["recordedDate"],
    &["dateWritten"],
    &["dateRecorded"],
    &["assertedDate"],
    &["onset"],
    &["date"],
    &["authored"],
    &["issued"],
    &["created"],
    &["recorded"],
    &["sent"],
    &["timestamp"],
    &["effectivePeriod", "end"],
    &["period", "end"],
    &["abatementDateTime"],
];

fn dated(node: &Node<'_>, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(node, |node, key| node.first_at(key))?;
    let text = found.as_str()?.trim();
    interval_of(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_decides_the_length_of_the_span() {
        for (text, length) in [
            ("2024", 366 * DAY),
            ("2023", 365 * DAY),
            ("2024-02", 29 * DAY),
            ("2024-12", 31 * DAY),
            ("2024-02-29", DAY),
            ("2024-02-29T10:00:00Z", 1),
            ("2024-02-29T10:00:00.123+14:00", 1),
            ("2016-12-31T23:59:60Z", 1),
            ("2024-02-29T10:00Z", 60),
        ] {
            let span = interval_of(text).unwrap();
            assert_eq!(span.end - span.start, length, "{text}");
        }
    }

    #[test]
    fn zones_move_the_instant() {
        assert_eq!(interval_of("1970-01-01T00:00:00Z").unwrap().start, 0);
        assert_eq!(
            interval_of("2024-03-01T01:30:00+02:00"),
            interval_of("2024-02-29T23:30:00Z")
        );
        assert_eq!(interval_of("1969-12-31").unwrap().start, -DAY);
        assert_eq!(interval_of("2000-03-01").unwrap().start, 951_868_800);
    }

    #[test]
    fn what_is_no_fhir_date_is_none() {
        for text in [
            "",
            "24",
            "2024-13",
            "2023-02-29",
            "2024-1-1",
            "2024-01-01T25:00:00Z",
            "yesterday",
            "2024-01-01T10:00:00+1",
            "2024-01-01T",
            "20240101",
            "2024-01-01T10:00:00.Z",
            "-2024",
        ] {
            assert_eq!(interval_of(text), None, "{text}");
        }
    }
}
