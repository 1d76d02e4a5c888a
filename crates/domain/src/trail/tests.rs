use super::*;
use crate::records::RecordType;

fn full() -> NewEntry {
    let id = |n: u8| Id::from_bytes([n; 16]);
    NewEntry::new(
        TrailAction::RecordRead,
        "2026-11-22T01:02:03.004567Z".parse().unwrap(),
        TrailActor::Account(AccountId(id(1))),
    )
    .patient(PatientId(id(2)))
    .record(RecordId(id(3)))
    .version(4, [5; 32])
    .previous_hash([6; 32])
    .grant(GrantId(id(7)))
    .types(
        [RecordType::Vitals, RecordType::LabResults]
            .into_iter()
            .collect(),
    )
    .count(8)
    .from("::ffff:192.0.2.1".parse().unwrap())
    .session(SessionId(id(9)))
    .purpose(Purpose::Treat)
    .assisted()
    .detail("why", Detail::Word("used_up"))
    .detail("flag", Detail::Flag(false))
    .detail("until", Detail::At(Timestamp::UNIX_EPOCH))
    .detail("key", Detail::Hash([10; 32]))
    .detail("batch", Detail::Id(id(11)))
    .detail("size", Detail::Number(12))
}

/// Frozen: what was logged once must stay what this program would log.
#[test]
fn an_entry_has_exact_bytes() {
    let expected = concat!(
        r#"{"v":1,"action":"record.read","at":"2026-11-22T01:02:03.004Z","#,
        r#""actor":{"kind":"account","id":"01010101-0101-0101-0101-010101010101"},"#,
        r#""patient":"02020202-0202-0202-0202-020202020202","#,
        r#""record":"03030303-0303-0303-0303-030303030303","version":4,"#,
        r#""sealed_hash":"0505050505050505050505050505050505050505050505050505050505050505","#,
        r#""previous_hash":"0606060606060606060606060606060606060606060606060606060606060606","#,
        r#""grant":"07070707-0707-0707-0707-070707070707","#,
        r#""types":["lab-results","vitals"],"count":8,"from":"192.0.2.1","#,
        r#""session":"09090909-0909-0909-0909-090909090909","purpose":"TREAT","assisted":true,"#,
        r#""detail":{"why":"used_up","flag":false,"until":"1970-01-01T00:00:00.000Z","#,
        r#""key":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","#,
        r#""batch":"0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b","size":12}}"#,
    );
    assert_eq!(full().finish().as_str(), expected);
    let least = NewEntry::new(
        TrailAction::SessionRefuse,
        Timestamp::UNIX_EPOCH,
        TrailActor::Nobody,
    );
    assert_eq!(
        least.finish().as_str(),
        r#"{"v":1,"action":"session.refuse","at":"1970-01-01T00:00:00.000Z","actor":{"kind":"nobody"}}"#
    );
}

#[test]
fn columns_read_from_the_bytes_are_those_of_the_entry() {
    for entry in [
        full().finish(),
        NewEntry::new(
            TrailAction::ShareRead,
            "2026-11-22T01:02:03Z".parse().unwrap(),
            TrailActor::Link(GrantId(Id::from_bytes([1; 16]))),
        )
        .finish(),
        NewEntry::new(
            TrailAction::GrantExpire,
            Timestamp::UNIX_EPOCH,
            TrailActor::System,
        )
        .finish(),
    ] {
        assert_eq!(Columns::read(entry.as_str()), Ok(*entry.columns()));
    }
}

#[test]
fn what_is_no_entry_is_refused() {
    let entry = full().finish();
    let huge = format!("{}{}", entry.as_str(), " ".repeat(MAX_ENTRY_BYTES));
    for text in [
        "",
        "{}",
        "[]",
        &entry.as_str().replace("record.read", "record.stolen"),
        &entry.as_str().replace("\"v\":1", "\"v\":2"),
        &entry.as_str().replace("2026-11-22", "2026-13-22"),
        &entry.as_str().replace("02020202-", "0202020-"),
        &huge,
    ] {
        assert_eq!(Columns::read(text), Err(TrailError::Malformed), "{text}");
    }
}

#[test]
fn words_are_dotted_and_differ() {
    let mut words: Vec<_> = TrailAction::ALL.iter().map(|a| a.as_str()).collect();
    for word in &words {
        let (noun, verb) = word.split_once('.').unwrap();
        for part in [noun, verb] {
            assert!(!part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
        assert_eq!(
            TrailAction::parse(word).map(TrailAction::as_str),
            Some(*word)
        );
    }
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), TrailAction::ALL.len());
}

#[test]
fn a_detail_is_said_once() {
    let entry = NewEntry::new(
        TrailAction::ShareExpire,
        Timestamp::UNIX_EPOCH,
        TrailActor::System,
    )
    .detail("why", Detail::Word("expired"))
    .detail("why", Detail::Word("used_up"))
    .finish();
    assert_eq!(entry.as_str().matches("why").count(), 1);
    assert!(entry.as_str().contains("used_up"));
}
