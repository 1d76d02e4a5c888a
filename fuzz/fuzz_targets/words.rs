//! Small words of queries, forms and addresses: ids, types, dates, links.

#![no_main]

use chartkey_domain::accounts::Email;
use chartkey_fhir::{Compartment, Kind, Query, RecordType, Search};
use chartkey_vault::link::{self, Shlink};
use chartkey_vault::{Epoch, Id};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<Id>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(record_type) = text.parse::<RecordType>() {
        assert_eq!(record_type.as_str().parse(), Ok(record_type));
    }
    let _ = text.parse::<Kind>();
    if let Ok(compartment) = text.parse::<Compartment>() {
        assert_eq!(compartment.name(), text, "one name for one compartment");
    }
    let _ = text.parse::<Epoch>();
    let _ = Email::parse(text);
    let _ = chartkey_fhir::is_date(text);
    let _ = chartkey_domain::text::parse_date(text);
    let _ = chartkey_domain::grants::parse_expiry(text, Timestamp::UNIX_EPOCH);
    if let Ok((token, key)) = link::parse_url(text) {
        assert!(link::parse_url(&link::url("https://chart.example", &token, &key)).is_ok());
    }
    let _ = Shlink::parse(text);
    let query = Query {
        text: Some(text.to_owned()),
        from: Some(text.to_owned()),
        ..Query::default()
    };
    let _ = Search::new(&query);
});
