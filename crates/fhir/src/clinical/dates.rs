//! Dates as sources give them: a year, a month, a day, or an instant with any
//! offset. Shown as given, never completed; compared by what they begin with.

/// A date as given, with what is needed to order and place it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// `2015`, `2015-10` or `2015-10-13`.
    pub date: String,
    /// `14:05`, in the source's own offset.
    pub time: Option<String>,
    /// Seconds since 1970 at which it begins (UTC where an offset is given).
    pub sort: i64,
}

impl Moment {
    /// Reads a FHIR `date`, `dateTime` or `instant`. None where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = match text.split_once(['T', ' ']) {
            Some((date, rest)) => (date, Some(rest)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year: i64 = digits(parts.next()?, 4)?;
        let month = match parts.next() {
            Some(part) => Some(digits(part, 2).filter(|m| (1..=12).contains(m))?),
            None => None,
        };
        let day = match parts.next() {
            Some(part) => Some(digits(part, 2).filter(|d| (1..=31).contains(d))?),
            None => None,
        };
        if parts.next().is_some() {
            return None;
        }
        let mut sort = days_from_civil(year, month.unwrap_or(1), day.unwrap_or(1)) * 86_400;
        let mut time = None;
        if let Some((clock, seconds)) = day.and(rest).and_then(clock) {
            time = Some(clock);
            sort += seconds;
        }
        Some(Self {
            date: date.to_owned(),
            time,
            sort,
        })
    }
}

/// Reads `hh:mm[:ss[.f]][offset]`: the clock as given, and seconds into the UTC day.
fn clock(text: &str) -> Option<(String, i64)> {
    let shown = text.get(..5)?;
    let (hours, minutes) = shown.split_once(':')?;
    let hours = digits(hours, 2)?;
    let minutes = digits(minutes, 2)?;
    if hours > 24 || minutes > 59 {
        return None;
    }
    let seconds = text
        .get(5..8)
        .and_then(|part| part.strip_prefix(':'))
        .and_then(|part| digits(part, 2))
        .unwrap_or(0);
    let offset = text
        .get(5..)?
        .find(['+', '-'])
        .and_then(|at| text.get(5 + at..))
        .and_then(offset_seconds)
        .unwrap_or(0);
    Some((
        shown.to_owned(),
        hours * 3600 + minutes * 60 + seconds - offset,
    ))
}

fn offset_seconds(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    Some(sign * (digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60))
}

/// Exactly `length` decimal digits.
fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = (month + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `2015-10-13`, `2015-10-13 – 2015-11-01`, or `until 2015-11-01`; one date where
/// both are the same day.
pub fn span(start: Option<&Moment>, end: Option<&Moment>) -> Option<String> {
    match (start, end) {
        (Some(start), Some(end)) if start.date == end.date => Some(start.date.clone()),
        (Some(start), Some(end)) => Some(format!("{} – {}", start.date, end.date)),
        (Some(start), None) => Some(start.date.clone()),
        (None, Some(end)) => Some(format!("until {}", end.date)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_shown_as_given() {
        for (text, date, time) in [
            ("2015", "2015", None),
            ("2015-10", "2015-10", None),
            ("2015-10-13", "2015-10-13", None),
            ("2015-10-13T13:17:38+00:00", "2015-10-13", Some("13:17")),
            ("2015-10-13T13:17:38.713-05:00", "2015-10-13", Some("13:17")),
            ("2015-10-13T13:17Z", "2015-10-13", Some("13:17")),
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(moment.date, date, "{text}");
            assert_eq!(moment.time.as_deref(), time, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "soon",
            "20151013",
            "2015-13",
            "2015-1-2",
            "2015-10-13-01",
            "15",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn order_respects_offsets_and_calendars() {
        let sort = |text: &str| Moment::parse(text).unwrap().sort;
        assert_eq!(sort("1970-01-01"), 0);
        assert_eq!(sort("2000-03-01"), 951_868_800);
        assert_eq!(
            sort("2015-10-13T01:00:00+02:00"),
            sort("2015-10-12T23:00:00Z")
        );
        assert!(sort("2015") < sort("2015-02"));
        assert!(sort("1899-12-31") < sort("1900-01-01"));
    }
}
