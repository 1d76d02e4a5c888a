use super::*;
use crate::ids::Id;
use crate::records::Kind;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn secs(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn grant() -> GrantFacts {
    GrantFacts {
        id: GrantId(Id::from_bytes([1; 16])),
        patient: PatientId(Id::from_bytes([2; 16])),
        holder: Holder::Link,
        types: RecordTypes::of(RecordType::LabResults),
        kinds: Kinds::of(Kind::Hiv),
        records: None,
        write_types: RecordTypes::EMPTY,
        valid_from: now() - secs(10),
        expires_at: now() + secs(10),
        may_download: false,
        may_reshare: false,
        passed_on_by: None,
        ended: None,
        suspended: false,
    }
}

fn terms() -> NewTerms {
    NewTerms {
        types: RecordTypes::of(RecordType::LabResults),
        kinds: Kinds::EMPTY,
        records: None,
        write_types: RecordTypes::EMPTY,
        valid_from: now(),
        expires_at: now() + secs(60),
        may_download: false,
        may_reshare: false,
    }
}

#[test]
fn a_grant_counts_from_its_first_moment_until_before_its_last() {
    let grant = grant();
    for (offset, status) in [
        (-11, GrantStatus::Scheduled),
        (-10, GrantStatus::Active),
        (9, GrantStatus::Active),
        (10, GrantStatus::Expired),
        (11, GrantStatus::Expired),
    ] {
        assert_eq!(grant.status(now() + secs(offset)), status, "{offset}");
    }
}

#[test]
fn what_ended_stays_ended_whatever_the_clock_says() {
    for (ended, status) in [
        (EndReason::Revoked, GrantStatus::Revoked),
        (EndReason::NotCarried, GrantStatus::Revoked),
        (EndReason::UsedUp, GrantStatus::UsedUp),
        (EndReason::Expired, GrantStatus::Expired),
    ] {
        for offset in [-20, 0, 20] {
            let grant = GrantFacts {
                ended: Some(ended),
                suspended: true,
                ..grant()
            };
            assert_eq!(grant.status(now() + secs(offset)), status);
            assert!(status.is_ended());
        }
    }
    let withheld = GrantFacts {
        suspended: true,
        ..grant()
    };
    assert_eq!(withheld.status(now()), GrantStatus::Suspended);
    assert_eq!(withheld.status(now() + secs(10)), GrantStatus::Expired);
}

#[test]
fn a_compartment_is_covered_when_its_type_and_all_its_kinds_are() {
    let coverage = grant().coverage();
    let both = Kinds::of(Kind::Hiv).with(Kind::Genetics);
    for (record_type, kinds, covered) in [
        (RecordType::LabResults, Kinds::EMPTY, true),
        (RecordType::LabResults, Kinds::of(Kind::Hiv), true),
        (RecordType::LabResults, Kinds::of(Kind::Genetics), false),
        (RecordType::LabResults, both, false),
        (RecordType::Imaging, Kinds::EMPTY, false),
    ] {
        let compartment = Compartment::new(record_type, kinds);
        assert_eq!(coverage.covers(compartment), covered, "{compartment}");
    }
}

#[test]
fn single_records_are_covered_alone_and_only_where_they_lay() {
    let chosen = RecordId(Id::from_bytes([3; 16]));
    let record = |id, kinds| RecordFacts {
        id,
        compartment: Compartment::new(RecordType::LabResults, kinds),
        author: None,
        deleted: false,
        withheld: false,
    };
    let coverage = Coverage {
        records: Some(vec![chosen]),
        ..grant().coverage()
    };
    assert!(coverage.covers_record(&record(chosen, Kinds::EMPTY)));
    assert!(!coverage.covers_record(&record(RecordId::NIL, Kinds::EMPTY)));
    // Found to be sensitive since: no longer what was shared.
    assert!(!coverage.covers_record(&record(chosen, Kinds::of(Kind::Violence))));
    assert!(!coverage.covers(Compartment::new(RecordType::LabResults, Kinds::EMPTY)));
}

#[test]
fn terms_must_let_something_be_done() {
    let check = |change: fn(&mut NewTerms)| {
        let mut terms = terms();
        change(&mut terms);
        terms.check(now())
    };
    let diet = RecordTypes::of(RecordType::Diet);
    assert_eq!(check(|_| ()), Ok(()));
    assert_eq!(
        check(|t| t.types = RecordTypes::EMPTY),
        Err(GrantError::Empty)
    );
    assert_eq!(
        check(|t| t.records = Some(Vec::new())),
        Err(GrantError::Empty)
    );
    assert_eq!(
        check(|t| t.records = Some(vec![RecordId::NIL; MAX_RECORDS + 1])),
        Err(GrantError::TooManyRecords)
    );
    let mut write_only = NewTerms {
        types: RecordTypes::EMPTY,
        write_types: diet,
        ..terms()
    };
    assert_eq!(write_only.check(now()), Ok(()));
    write_only.may_download = true;
    assert_eq!(write_only.check(now()), Err(GrantError::NothingToTake));
}

#[test]
fn a_grant_lasts_from_a_second_to_a_year() {
    let year = MAX_LIFE.as_secs();
    for (from, until, expected) in [
        (0, 1, Ok(())),
        (0, 0, Err(GrantError::ExpiryPast)),
        (-10, -5, Err(GrantError::ExpiryPast)),
        (0, year, Ok(())),
        (0, year + CLOCK_SLACK.as_secs(), Ok(())),
        (
            0,
            year + CLOCK_SLACK.as_secs() + 1,
            Err(GrantError::ExpiryFar),
        ),
        (5, 5, Err(GrantError::PeriodEmpty)),
        (6, 5, Err(GrantError::PeriodEmpty)),
        (4, 5, Ok(())),
    ] {
        let checked = check_period(now() + secs(from), now() + secs(until), now());
        assert_eq!(checked, expected, "{from}..{until}");
    }
}

#[test]
fn an_expiry_is_a_time_or_the_end_of_a_day() {
    for (text, expected) in [
        ("2026-12-31T23:59:59Z", Some("2026-12-31T23:59:59Z")),
        ("2026-12-31T23:59:59+02:00", Some("2026-12-31T21:59:59Z")),
        ("2026-12-31", Some("2026-12-31T23:59:59Z")),
        ("2026-11-22", Some("2026-11-22T23:59:59Z")),
        // A year ahead by the calendar: as long as may be.
        ("2027-11-22", Some("2027-11-22T12:00:00Z")),
        ("2027-11-23", Some("2027-11-23T23:59:59Z")),
        ("9999-12-31", None),
        ("2026-02-30", None),
        ("tomorrow", None),
        ("2026-12-31T23:59:59", None),
        ("", None),
    ] {
        let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
        assert_eq!(parse_expiry(text, now()).ok(), expected, "{text}");
    }
    assert_eq!(
        check_period(now(), parse_expiry("2027-11-23", now()).unwrap(), now()),
        Err(GrantError::ExpiryFar)
    );
}

#[test]
fn days_are_counted_from_now() {
    assert_eq!(expiry_in_days(1, now()), Ok(now() + secs(86_400)));
    assert_eq!(expiry_in_days(365, now()), Ok(now() + MAX_LIFE));
    assert_eq!(expiry_in_days(0, now()), Err(GrantError::ExpiryPast));
    assert_eq!(expiry_in_days(366, now()), Err(GrantError::ExpiryFar));
}

#[test]
fn reasons_lead_back_from_their_words() {
    for reason in EndReason::ALL {
        assert_eq!(EndReason::parse(reason.as_str()), Some(reason));
    }
}
