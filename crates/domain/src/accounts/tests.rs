use super::*;

#[test]
fn addresses_are_normalised() {
    for (given, address, normal) in [
        (" Ann@Example.COM ", "Ann@example.com", "ann@example.com"),
        ("a.b+c@x.de", "a.b+c@x.de", "a.b+c@x.de"),
        (
            "jo@bücher.example",
            "jo@xn--bcher-kva.example",
            "jo@xn--bcher-kva.example",
        ),
        (
            "jo@XN--BCHER-KVA.example",
            "jo@xn--bcher-kva.example",
            "jo@xn--bcher-kva.example",
        ),
        ("ZOË@example.org", "ZOË@example.org", "zoë@example.org"),
        ("admin@localhost", "admin@localhost", "admin@localhost"),
    ] {
        let email = Email::parse(given).unwrap();
        assert_eq!((email.address(), email.normal()), (address, normal));
        assert_eq!(format!("{email:?}"), "Email(…)");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let long_local = format!("{}@example.org", "a".repeat(65));
    let long_all = format!("a@{}.org", ["b"; 130].join("."));
    for text in [
        "",
        "@",
        "ann",
        "ann@",
        "@example.org",
        "a b@example.org",
        "a@b@example.org",
        ".a@example.org",
        "a.@example.org",
        "a..b@example.org",
        "\"a\"@example.org",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@exa mple.org",
        "a@-example.org",
        "a@example..org",
        "a\r\nBcc: b@example.org",
        "a@example.org\nBcc: b",
        "a\0@example.org",
        "a@example.org.",
        &long_local,
        &long_all,
    ] {
        assert_eq!(
            Email::parse(text),
            Err(AccountError::EmailMalformed),
            "{text:?}"
        );
    }
}

#[test]
fn a_day_of_birth_has_happened_somewhere() {
    let now: Timestamp = "2026-11-22T11:00:00Z".parse().unwrap();
    assert!(parse_birth_date("1950-02-28", now).is_ok());
    // Already the 23rd in Kiritimati.
    assert!(parse_birth_date("2026-11-23", now).is_ok());
    for (text, error) in [
        ("2026-11-24", AccountError::BirthDateImpossible),
        ("1869-12-31", AccountError::BirthDateImpossible),
        ("2023-02-30", AccountError::BirthDateMalformed),
        ("28.02.1950", AccountError::BirthDateMalformed),
    ] {
        assert_eq!(parse_birth_date(text, now), Err(error), "{text}");
    }
}

#[test]
fn telephone_numbers_stay_as_they_were_given() {
    for text in ["+49 (30) 123-45 67", "112", "555-0100 x12"] {
        assert_eq!(parse_phone(text).as_deref(), Ok(text));
    }
    for text in ["12", "call me", "1234567890123456789012", "+49\n30", "٠١٢٣"] {
        assert_eq!(parse_phone(text), Err(AccountError::Phone), "{text}");
    }
}

#[test]
fn a_provider_says_what_an_admin_needs_to_look_up() {
    let provider = Particulars::provider(" Dietician ", "D-1", "de", None).unwrap();
    assert_eq!(
        provider,
        Particulars::Provider {
            provider_type: "Dietician".into(),
            license_number: "D-1".into(),
            license_country: "DE".into(),
            organization: None,
        }
    );
    assert_eq!(
        Particulars::provider("x", " ", "DE", None),
        Err(AccountError::LicenseNumber(TextError::Empty))
    );
}

#[test]
fn words_lead_back_to_what_they_name() {
    for kind in AccountKind::ALL {
        assert_eq!(AccountKind::parse(kind.as_str()), Some(kind));
    }
    for state in Verification::ALL {
        assert_eq!(Verification::parse(state.as_str()), Some(state));
    }
    for decision in VerificationDecision::ALL {
        assert_eq!(
            VerificationDecision::parse(decision.as_str()),
            Some(decision)
        );
    }
}
