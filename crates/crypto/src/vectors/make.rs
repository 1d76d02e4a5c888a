//! How the frozen vectors were made, and that they hold.

use std::path::Path;

use super::*;
use crate::jwe::Zip;
use crate::seal::seal_to;

#[test]
fn every_frozen_vector_holds() {
    assert!(check_all().unwrap() >= 30);
}

#[test]
fn a_vector_that_does_not_hold_is_named() {
    let case = DeriveCase {
        key: bytes(1, 32),
        purpose: "x".to_owned(),
        fields: vec![],
        derived: bytes(2, 32),
    };
    let refused = all("derive", &[case], DeriveCase::holds);
    assert_eq!(refused, Err("derive[0] does not hold".to_owned()));
    assert!(all::<DeriveCase>("derive", &[], DeriveCase::holds).is_err());
}

/// Run once, with an empty or absent file: it refuses to replace vectors.
/// `cargo test --release -p chartkey-crypto -- --ignored write_frozen_vectors`
#[test]
#[ignore = "makes the vectors file, which is frozen"]
fn write_frozen_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/suite1.json");
    assert!(SUITE1.is_empty(), "frozen vectors are never replaced");
    let text = serde_json::to_string_pretty(&file()).unwrap();
    std::fs::write(path, text + "\n").unwrap();
}

/// `len` bytes of a generator.
fn bytes(seed: u64, len: usize) -> Hex {
    use rand_core::Rng;
    let mut out = vec![0; len];
    seeded(seed).fill_bytes(&mut out);
    Hex(out)
}

fn text(text: &str) -> Hex {
    Hex(text.as_bytes().to_vec())
}

fn file() -> File {
    File {
        derive: derive_cases(),
        wrap: [0, 1, 32, 300].into_iter().map(wrap_case).collect(),
        seal: [0, 32, 1000].into_iter().map(seal_case).collect(),
        content: [0, 1, 8, 100, 2048].into_iter().map(content_case).collect(),
        long_content: [1 << 20, (1 << 20) - 8, 2_500_000]
            .into_iter()
            .map(long_content_case)
            .collect(),
        sign: sign_cases(),
        password: password_cases(),
        recovery: (0..3).map(recovery_case).collect(),
        jwe: [Zip::None, Zip::Deflate]
            .into_iter()
            .map(jwe_case)
            .collect(),
        entry: ["", r#"{"v":1,"action":"record.read"}"#]
            .into_iter()
            .map(entry_case)
            .collect(),
        frontier: [0, 1, 5, 64, 1000].into_iter().map(frontier_case).collect(),
        checkpoint: [0, 8, 20_852_163]
            .into_iter()
            .map(checkpoint_case)
            .collect(),
    }
}

fn derive_cases() -> Vec<DeriveCase> {
    let cases: [(&str, Vec<Hex>); 4] = [
        ("account/kem", vec![]),
        (
            "compartment",
            vec![text("lab-results"), Hex(vec![0, 0, 0, 1, 0, 0, 0, 1])],
        ),
        ("version", vec![bytes(100, 16), Hex(vec![0, 0, 0, 7])]),
        ("commit", vec![Hex(vec![])]),
    ];
    cases
        .into_iter()
        .map(|(purpose, fields)| {
            let key = bytes(1, 32);
            let derived = derive(&key.secret().unwrap(), purpose, &slices(&fields));
            DeriveCase {
                key,
                purpose: purpose.to_owned(),
                fields,
                derived: Hex(derived.as_bytes().to_vec()),
            }
        })
        .collect()
}

fn wrap_case(len: usize) -> WrapCase {
    let (key, aad, plain) = (bytes(2, 32), text("aad"), bytes(3, len));
    let wrapped = wrap::wrap(&key.secret().unwrap(), &aad.0, &plain.0, &mut seeded(4));
    let wrapped = Hex(wrapped);
    WrapCase {
        key,
        aad,
        plain,
        wrapped,
    }
}

fn seal_case(len: usize) -> SealCase {
    let (seed, info, aad) = (bytes(5, 32), text("info"), text("aad"));
    let plain = bytes(6, len);
    let public = KemPublic::of(&seed.secret().unwrap());
    let sealed = Hex(seal_to(&public, &info.0, &aad.0, &plain.0, &mut seeded(7)));
    let public = Hex(public.as_bytes().to_vec());
    SealCase {
        seed,
        public,
        info,
        aad,
        plain,
        sealed,
    }
}

fn content_case(len: usize) -> ContentCase {
    let (key, aad, plain) = (bytes(8, 32), text("aad"), bytes(9, len));
    let sealed = seal_content(&key.secret().unwrap(), &aad.0, &plain.0, &mut seeded(10));
    let sealed = Hex(sealed);
    ContentCase {
        key,
        aad,
        plain,
        sealed,
    }
}

fn long_content_case(len: usize) -> LongContentCase {
    let (key, aad, rng_seed) = (bytes(11, 32), text("aad"), 12);
    let plain = LongContentCase::plain(len);
    let sealed = seal_content(
        &key.secret().unwrap(),
        &aad.0,
        &plain,
        &mut seeded(rng_seed),
    );
    let sealed_sha256 = Hex(Sha256::digest(sealed).to_vec());
    LongContentCase {
        key,
        aad,
        len,
        rng_seed,
        sealed_sha256,
    }
}

fn sign_cases() -> Vec<SignCase> {
    [
        ("statement", vec![text("{}")]),
        ("record", vec![bytes(13, 16), Hex(vec![])]),
    ]
    .into_iter()
    .map(|(domain, fields)| {
        let seed = bytes(14, 32);
        let key = SigningKey::from_secret(&seed.secret().unwrap());
        SignCase {
            seed,
            public: Hex(key.verify_key().as_bytes().to_vec()),
            domain: domain.to_owned(),
            signature: Hex(key.sign(domain, &slices(&fields)).as_bytes().to_vec()),
            fields,
        }
    })
    .collect()
}

fn password_cases() -> Vec<PasswordCase> {
    // The second in decomposed form: NFKC makes it the same as composed.
    [
        "correct horse battery staple",
        "Gru\u{308}\u{df}e vom Su\u{308}dpol \u{fb01}",
    ]
    .into_iter()
    .map(|password| {
        let (salt, params) = (bytes(15, 16), Params::DEFAULT);
        let root = password::derive_root(password, &salt.array().unwrap(), params).unwrap();
        PasswordCase {
            password: password.to_owned(),
            salt,
            params,
            auth_key: Hex(password::auth_key(&root).as_bytes().to_vec()),
            wrap_key: Hex(password::wrap_key(&root).as_bytes().to_vec()),
        }
    })
    .collect()
}

fn recovery_case(seed: u64) -> RecoveryCase {
    let code = RecoveryCode::random(&mut seeded(16 + seed));
    RecoveryCase {
        text: code.to_text().to_string(),
        auth_key: Hex(code.auth_key().as_bytes().to_vec()),
        wrap_key: Hex(code.wrap_key().as_bytes().to_vec()),
    }
}

fn jwe_case(zip: Zip) -> JweCase {
    let (key, content_type) = (bytes(20, 32), "application/fhir+json");
    let plain = r#"{"resourceType":"Bundle","type":"collection","entry":[]}"#;
    let secret = key.secret().unwrap();
    JweCase {
        jwe: jwe::encrypt(
            &secret,
            content_type,
            plain.as_bytes(),
            zip,
            &mut seeded(21),
        ),
        key,
        content_type: content_type.to_owned(),
        plain: plain.to_owned(),
    }
}

fn entry_case(entry: &str) -> EntryCase {
    let salt = bytes(22, 32);
    let hash = ledger::entry_leaf_hash(&salt.array().unwrap(), entry.as_bytes());
    EntryCase {
        salt,
        entry: entry.to_owned(),
        leaf_hash: Hex(hash.to_vec()),
    }
}

fn frontier_case(size: u64) -> FrontierCase {
    let frontier = FrontierCase::made(size);
    FrontierCase {
        size,
        stored: Hex(frontier.to_bytes()),
        root: Hex(frontier.root().to_vec()),
    }
}

fn checkpoint_case(size: u64) -> CheckpointCase {
    let (seed, origin, root) = (
        bytes(23, 32),
        "chartkey.example/trail",
        bytes(24 + size, 32),
    );
    let key = SigningKey::from_secret(&seed.secret().unwrap());
    let signer = NoteSigner::new(origin, NoteKind::Ed25519, key).unwrap();
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size,
        root: root.array().unwrap(),
    };
    CheckpointCase {
        seed,
        vkey: signer.verifier().vkey(),
        note: ledger::sign_checkpoint(&checkpoint, &signer).unwrap(),
        origin: origin.to_owned(),
        size,
        root,
    }
}
