//! The published vectors open; whatever is not the one accepted kind does not.

use sha2::{Digest, Sha256};

use super::*;
use crate::vectors::{from_hex, seeded};

const LIMIT: usize = 1 << 20;

fn key() -> Secret {
    Secret::from_bytes([7; 32])
}

fn published(name: &str) -> (Secret, String, Vec<u8>) {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/shl.json")).unwrap();
    let case = &file[name];
    let key = URL_SAFE_NO_PAD
        .decode(case["key_b64url"].as_str().unwrap())
        .unwrap();
    (
        Secret::from_slice(&key).unwrap(),
        case["jwe"].as_str().unwrap().to_owned(),
        from_hex(case["plaintext_sha256"].as_str().unwrap()).unwrap(),
    )
}

#[test]
fn published_files_open() {
    for (name, content_type) in [
        ("jwe_no_zip", "application/smart-health-card"),
        ("jwe_zip_def", "application/fhir+json"),
    ] {
        let (key, jwe, hash) = published(name);
        let file = decrypt(&key, &jwe, LIMIT).unwrap();
        assert_eq!(file.content_type, content_type);
        assert_eq!(Sha256::digest(&file.plain).to_vec(), hash);
    }
}

#[test]
fn what_was_encrypted_opens_again() {
    let plain = br#"{"resourceType":"Bundle"}"#.repeat(100);
    for zip in [Zip::None, Zip::Deflate] {
        let jwe = encrypt(&key(), "application/fhir+json", &plain, zip, &mut seeded(1));
        let file = decrypt(&key(), &jwe, plain.len()).unwrap();
        assert_eq!(file.plain.as_bytes(), plain);
        assert_eq!(file.content_type, "application/fhir+json");
        assert_eq!(jwe.len() < 1000, zip == Zip::Deflate);
        assert_eq!(
            decrypt(&key(), &jwe, plain.len() - 1),
            Err(JweError::TooLarge)
        );
    }
}

#[test]
fn a_small_file_that_inflates_enormously_stops_at_the_limit() {
    let jwe = encrypt(
        &key(),
        "x",
        &vec![0; 50 << 20],
        Zip::Deflate,
        &mut seeded(2),
    );
    assert!(jwe.len() < 100_000);
    assert_eq!(decrypt(&key(), &jwe, LIMIT), Err(JweError::TooLarge));
}

#[test]
fn a_changed_part_or_another_key_does_not_open() {
    let jwe = encrypt(&key(), "x", b"hello world", Zip::None, &mut seeded(3));
    let stranger = Secret::from_bytes([8; 32]);
    assert_eq!(decrypt(&stranger, &jwe, LIMIT), Err(JweError::Unopenable));
    for at in 0..jwe.len() {
        let mut bytes = jwe.clone().into_bytes();
        bytes[at] = match bytes[at] {
            b'A' => b'B',
            _ => b'A',
        };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(decrypt(&key(), &changed, LIMIT).is_err(), "{at}");
    }
}

fn with_header(header: &str) -> String {
    let protected = URL_SAFE_NO_PAD.encode(header);
    let mut buffer = b"hi".to_vec();
    let nonce = [1; NONCE];
    Cipher::new(&key()).seal(&nonce, protected.as_bytes(), &mut buffer, 0);
    let (text, tag) = buffer.split_last_chunk::<TAG>().unwrap();
    let [iv, text, tag] = [&nonce[..], text, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{protected}..{iv}.{text}.{tag}")
}

#[test]
fn every_other_header_is_refused() {
    let good = r#"{"alg":"dir","enc":"A256GCM","cty":"x","kid":"ignored"}"#;
    assert_eq!(
        decrypt(&key(), &with_header(good), LIMIT)
            .unwrap()
            .plain
            .as_bytes(),
        b"hi"
    );
    for bad in [
        r#"{"alg":"none","enc":"A256GCM","cty":"x"}"#,
        r#"{"alg":"A256KW","enc":"A256GCM","cty":"x"}"#,
        r#"{"alg":"dir","enc":"A128GCM","cty":"x"}"#,
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"enc":"A256GCM","cty":"x"}"#,
        r#"{"alg":"dir","cty":"x"}"#,
        r#"{"alg":"dir","enc":"A256GCM","cty":"x","zip":"GZIP"}"#,
        r#"{"alg":"dir","enc":"A256GCM","cty":"x","zip":null}"#,
        r#"{"alg":"dir","enc":"A256GCM","cty":"x","crit":["b64"]}"#,
        r#"{"alg":"dir","alg":"dir","enc":"A256GCM","cty":"x"}"#,
        r#"{"alg":"dir","enc":"A256GCM","cty":"x","a":1,"a":1}"#,
        r#"{"alg":["dir"],"enc":"A256GCM","cty":"x"}"#,
        r#"{"alg":"dir","enc":"A256GCM","cty":"x"} "#,
        "[]",
        "",
    ] {
        let refused = decrypt(&key(), &with_header(bad), LIMIT);
        // Trailing white space is legal JSON; all else is refused.
        assert_eq!(refused.is_err(), !bad.ends_with(' '), "{bad}");
    }
}

#[test]
fn every_other_shape_is_refused() {
    let jwe = encrypt(&key(), "x", b"hello", Zip::None, &mut seeded(4));
    let parts: Vec<&str> = jwe.split('.').collect();
    let join = |parts: &[&str]| parts.join(".");
    for bad in [
        String::new(),
        "....".to_owned(),
        join(&parts[..4]),
        join(&[&parts[..], &["x"]].concat()),
        join(&[parts[0], "QUFB", parts[2], parts[3], parts[4]]),
        join(&[parts[0], "", "QUFB", parts[3], parts[4]]),
        join(&[parts[0], "", parts[2], parts[3], "QUFB"]),
        join(&[parts[0], "", parts[2], parts[3], &format!("{}==", parts[4])]),
        join(&[&format!("{}\n", parts[0]), "", parts[2], parts[3], parts[4]]),
        with_header(&format!(
            r#"{{"alg":"dir","enc":"A256GCM","cty":"{}"}}"#,
            "x".repeat(MAX_HEADER)
        )),
    ] {
        assert_eq!(
            decrypt(&key(), &bad, LIMIT),
            Err(JweError::Unsupported),
            "{bad}"
        );
    }
}
