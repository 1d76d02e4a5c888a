use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

fn key() -> LinkKey {
    LinkKey::new(Secret::from_bytes([7; 32]))
}

fn shlink(flags: ShlFlags) -> Shlink {
    Shlink {
        url: "https://chartkey.example.org/shl/AAAA".into(),
        key: key(),
        exp: Some(1_800_000_000),
        flags,
        label: Some("Shared records".into()),
    }
}

const EVERY: [(&str, ShlFlags); 6] = [
    ("", flags(false, false, false)),
    ("L", flags(true, false, false)),
    ("LP", flags(true, true, false)),
    ("LU", flags(true, false, true)),
    ("P", flags(false, true, false)),
    ("U", flags(false, false, true)),
];

const fn flags(long_term: bool, passcode: bool, single_file: bool) -> ShlFlags {
    ShlFlags {
        long_term,
        passcode,
        single_file,
    }
}

#[test]
fn a_smart_health_link_survives_building_and_parsing() {
    for (letters, flags) in EVERY {
        let text = shlink(flags).build().unwrap();
        for prefix in ["", "https://viewer.example.org#", "scanned: "] {
            let parsed = Shlink::parse(&format!("{prefix}{}", text.as_str())).unwrap();
            assert_eq!(parsed.flags, flags);
            assert_eq!(parsed.flags.letters(), letters);
            assert_eq!(parsed.url, "https://chartkey.example.org/shl/AAAA");
            assert_eq!(parsed.key.secret().as_bytes(), &[7; 32]);
            assert_eq!(parsed.exp, Some(1_800_000_000));
            assert_eq!(parsed.label.as_deref(), Some("Shared records"));
        }
    }
}

#[test]
fn what_the_standard_forbids_is_neither_built_nor_parsed() {
    assert!(shlink(flags(false, true, true)).build().is_err());
    let with_url = |url: String| Shlink {
        url,
        ..shlink(ShlFlags::default())
    };
    let long = |n: usize| format!("https://{}", "a".repeat(n - 8));
    assert!(with_url(long(128)).build().is_ok());
    assert!(with_url(long(129)).build().is_err());
    assert!(
        with_url("http://chartkey.example.org/".into())
            .build()
            .is_err()
    );
    assert!(
        with_url("http://localhost:8080/shl/A".into())
            .build()
            .is_ok()
    );
    let labelled = |n: usize| Shlink {
        label: Some("é".repeat(n)),
        ..shlink(ShlFlags::default())
    };
    assert!(labelled(80).build().is_ok());
    assert!(labelled(81).build().is_err());
    let text = |json: &str| format!("shlink:/{}", URL_SAFE_NO_PAD.encode(json));
    let key = key_text(&key());
    let json = |key: &str, rest: &str| {
        text(&format!(
            r#"{{"url":"https://x.example/m","key":"{key}"{rest}}}"#
        ))
    };
    assert!(Shlink::parse(&json(&key, "")).is_ok());
    assert!(Shlink::parse(&json(&key, r#","_more":1,"flag":"LX""#)).is_ok());
    for refused in [
        json(&key[..42], ""),
        json(&key, r#","flag":"PU""#),
        json(&key, r#","v":2"#),
        text("{}"),
        text("not json"),
        "shlink:/%%".into(),
        "https://viewer.example.org#".into(),
        "s".repeat(100_000),
    ] {
        assert!(Shlink::parse(&refused).is_err(), "{refused:.60}");
    }
}

#[test]
fn the_published_example_is_read() {
    let payload = r#"{"url":"https://ehr.example.org/qr/Y9xwkUdtmN9wwoJoN3ffJIhX2UGvCL1JnlPVNL3kDWM/m","flag":"LP","key":"rxTgYlOaKJPFtcEd0qcceN8wEU4p94SqAwIWQe6uX7Q","label":"Back-to-school immunizations for Oliver Brown"}"#;
    let text = format!("shlink:/{}", URL_SAFE_NO_PAD.encode(payload));
    let parsed = Shlink::parse(&text).unwrap();
    assert_eq!(parsed.flags.letters(), "LP");
    assert_eq!(
        key_text(&parsed.key).as_str(),
        "rxTgYlOaKJPFtcEd0qcceN8wEU4p94SqAwIWQe6uX7Q"
    );
}

#[test]
fn our_url_carries_token_and_key() {
    let token = make_token(&mut ChaCha20Rng::seed_from_u64(1));
    let url = url("https://chartkey.example.org", &token, &key());
    let (found, opened) = parse_url(&url).unwrap();
    assert_eq!(found, token);
    assert_eq!(opened.secret().as_bytes(), key().secret().as_bytes());
    let bare = url.split('#').next().unwrap();
    for wrong in [
        bare,
        "https://chartkey.example.org/#x",
        &url[..url.len() - 1],
    ] {
        assert!(parse_url(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn two_encryptions_of_one_file_differ_and_both_open() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let files = [OpenLinkFile {
        record_type: Some(RecordType::Vitals),
        plain: chartkey_crypto::SecretBytes::new(br#"{"resourceType":"Bundle"}"#.to_vec()),
    }];
    let first = seal_files(&key(), &files, &mut rng);
    let second = seal_files(&key(), &files, &mut rng);
    let iv = |files: &[LinkFile]| files[0].jwe.split('.').nth(2).unwrap().to_owned();
    assert_ne!(iv(&first), iv(&second));
    for file in first.iter().chain(&second) {
        let open = open_file(&key(), &file.jwe, 1 << 20).unwrap();
        assert_eq!(open.content_type, FHIR_JSON);
        assert_eq!(open.plain.as_bytes(), br#"{"resourceType":"Bundle"}"#);
        let other = LinkKey::new(Secret::from_bytes([8; 32]));
        assert!(open_file(&other, &file.jwe, 1 << 20).is_err());
    }
}
