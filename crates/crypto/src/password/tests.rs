//! Published Argon2id answers, the floor, and the rule for new passwords.

use super::*;
use crate::vectors::from_hex;

#[test]
fn rfc_9106_argon2id_vector_agrees() {
    let params = argon2::ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
        .build()
        .unwrap();
    let mut tag = [0; 32];
    Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
        .unwrap()
        .hash_password_into(&[1; 32], &[2; 16], &mut tag)
        .unwrap();
    assert_eq!(
        tag.to_vec(),
        from_hex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659").unwrap()
    );
}

#[test]
fn argon2id_of_four_lanes_agrees() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/kdf.json")).unwrap();
    let case = &file["split_example"];
    let hex = |name: &str| from_hex(case[name].as_str().unwrap()).unwrap();
    let params = Params {
        m_kib: 65536,
        t: 3,
        p: 4,
    };
    let root = derive_root(
        case["password"].as_str().unwrap(),
        &hex("salt").try_into().unwrap(),
        params,
    )
    .unwrap();
    assert_eq!(root.as_bytes().to_vec(), hex("root"));
}

#[test]
fn costs_outside_floor_and_ceiling_are_refused() {
    let good = Params::DEFAULT;
    assert_eq!(good.check(), Ok(()));
    for bad in [
        Params {
            m_kib: good.m_kib - 1,
            ..good
        },
        Params { t: 2, ..good },
        Params { p: 0, ..good },
        Params {
            m_kib: u32::MAX,
            ..good
        },
        Params {
            t: u32::MAX,
            ..good
        },
        Params {
            p: u32::MAX,
            ..good
        },
    ] {
        assert_eq!(
            derive_root("x", &[0; 16], bad),
            Err(PasswordError::Params),
            "{bad:?}"
        );
    }
}

#[test]
fn composed_and_decomposed_letters_are_one_password() {
    // Cheap costs: normalising is what is tested here.
    let cheap = Params {
        m_kib: 8,
        t: 1,
        p: 1,
    };
    let root = |text: &str| hash(&normalise(text).unwrap(), &[0; 16], cheap).unwrap();
    assert_eq!(root("Gr\u{fc}\u{df}e"), root("Gru\u{308}\u{df}e"));
    assert_eq!(root("\u{ff21}\u{fb01}"), root("Afi"));
    assert_ne!(root("Grusse"), root("Gr\u{fc}\u{df}e"));
}

#[test]
fn auth_and_wrap_keys_differ() {
    let root = Secret::from_bytes([1; 32]);
    assert_ne!(auth_key(&root), wrap_key(&root));
}

#[test]
fn length_counts_characters_and_depends_on_the_second_factor() {
    let check = check_password;
    assert_eq!(check("zebra-vat-44mo", false), Err(PasswordError::TooShort));
    assert_eq!(check("zebra-vat-44mou", false), Ok(()));
    assert_eq!(check("zvat-4m", true), Err(PasswordError::TooShort));
    assert_eq!(check("zvat-4mx", true), Ok(()));
    // Seven characters in fourteen bytes.
    assert_eq!(check("äöüßéèê", true), Err(PasswordError::TooShort));
    assert_eq!(check(&"zvat4mx ".repeat(128), false), Ok(()));
    assert_eq!(
        check(&"zvat4mx ".repeat(129), false),
        Err(PasswordError::TooLong)
    );
    // One character whose NFKC form is eighteen times as long.
    assert_eq!(
        check(&"\u{fdfa}".repeat(100), false),
        Err(PasswordError::TooLong)
    );
}

#[test]
fn what_everybody_tries_is_refused() {
    for common in [
        "password",
        "P@ssw0rd",
        "Password123!",
        "passwordpassword",
        "Passwort12345678",
        "123456789012345",
        "qwertyuiopasdfgh",
        "1q2w3e4r5t6y7u8i",
        "aaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "abcdefghijklmnopqrst",
        "iloveyouiloveyou1",
        "Welcome2024!",
        "letmein-letmein",
        "correct horse battery staple",
        "Correct-Horse-Battery-Staple-1",
        "CaliforniaSunshine",
        "i l o v e y o u princess",
    ] {
        assert_eq!(
            check_password(common, common.chars().count() < MIN_ALONE),
            Err(PasswordError::TooCommon),
            "{common}"
        );
    }
}

#[test]
fn good_passwords_are_not_refused() {
    for good in [
        "violet hedgehog plays the cello",
        "my cat eats blue fish on mondays",
        "Xk7#pQ2m",
        "vJ3kd9wq",
        "Donaudampfschifffahrt7",
        "パスワードではない長い文",
    ] {
        assert_eq!(check_password(good, true), Ok(()), "{good}");
    }
}
