//! The whole suite against an independent key schedule and published answers
//! of the KEM, and the usual ways of failing.

use std::convert::Infallible;

use hkdf::Hkdf;
use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};

use super::*;
use crate::vectors::{from_hex, seeded};

/// A generator that gives exactly these bytes.
struct Fixed(Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("encapsulation fills bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("encapsulation fills bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0.drain(..out.len()).collect::<Vec<u8>>());
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// RFC 9180 §5.1, mode base: key and first nonce, written from the text.
fn schedule(kem: u16, aead: u16, key_len: usize, secret: &[u8], info: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let suite = [
        b"HPKE".to_vec(),
        kem.to_be_bytes().to_vec(),
        vec![0, 1],
        aead.to_be_bytes().to_vec(),
    ]
    .concat();
    let extract = |salt: &[u8], label: &[u8], ikm: &[u8]| {
        Hkdf::<Sha256>::extract(Some(salt), &[b"HPKE-v1", &suite[..], label, ikm].concat())
    };
    let context = [
        &[0][..],
        &extract(b"", b"psk_id_hash", b"").0,
        &extract(b"", b"info_hash", info).0,
    ]
    .concat();
    let (_, secret) = extract(secret, b"secret", b"");
    let expand = |label: &[u8], len: usize| {
        let len16 = u16::try_from(len).unwrap().to_be_bytes();
        let labeled = [&len16[..], b"HPKE-v1", &suite, label, &context].concat();
        let mut out = vec![0; len];
        secret.expand(&labeled, &mut out).unwrap();
        out
    };
    (expand(b"key", key_len), expand(b"base_nonce", 12))
}

fn hex(value: &serde_json::Value) -> Vec<u8> {
    from_hex(value.as_str().unwrap()).unwrap()
}

#[test]
fn the_independent_schedule_agrees_with_rfc_9180() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/hpke.json")).unwrap();
    for (name, aead, key_len) in [("rfc9180_A_1_1", 1, 16), ("aes256gcm_variant", 2, 32)] {
        let case = &file[name];
        let got = schedule(
            0x20,
            aead,
            key_len,
            &hex(&case["shared_secret"]),
            &hex(&file["info"]),
        );
        assert_eq!(got, (hex(&case["key"]), hex(&case["base_nonce"])), "{name}");
    }
}

#[test]
fn published_x_wing_answers_and_the_schedule_make_our_bytes() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../testdata/xwing.json")).unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let seed = Secret::from_slice(&hex(&case["sk"])).unwrap();
        let public = KemPublic::of(&seed);
        assert_eq!(public.as_bytes().to_vec(), hex(&case["pk"]));
        let sealed = seal_to(
            &public,
            b"info",
            b"aad",
            b"plain",
            &mut Fixed(hex(&case["eseed"])),
        );
        let (key, nonce) = schedule(0x647a, 2, 32, &hex(&case["ss"]), b"info");
        let mut expected = [vec![SUITE], hex(&case["ct"])].concat();
        let start = expected.len();
        expected.extend_from_slice(b"plain");
        let cipher = crate::aead::Cipher::new(&Secret::from_slice(&key).unwrap());
        cipher.seal(&nonce.try_into().unwrap(), b"aad", &mut expected, start);
        assert_eq!(sealed, expected);
        let opened = open_with(&seed, b"info", b"aad", &sealed).unwrap();
        assert_eq!(opened.as_bytes(), b"plain");
    }
}

fn seed() -> Secret {
    Secret::from_bytes([2; 32])
}

#[test]
fn public_keys_survive_json_and_bad_ones_do_not() {
    let public = KemPublic::of(&seed());
    let text = serde_json::to_string(&public).unwrap();
    let back: KemPublic = serde_json::from_str(&text).unwrap();
    assert_eq!(back, public);
    assert_eq!(back.fingerprint(), public.fingerprint());
    let sealed = seal_to(&back, b"", b"", b"x", &mut seeded(1));
    assert!(open_with(&seed(), b"", b"", &sealed).is_ok());
    assert!(serde_json::from_str::<KemPublic>("\"AAAA\"").is_err());
    for len in [0, 32, PUBLIC_KEY - 1, PUBLIC_KEY + 1] {
        assert_eq!(KemPublic::from_bytes(&vec![0; len]), Err(KeyError));
    }
    // Coefficients of ML-KEM are below 3329; these are not.
    assert_eq!(KemPublic::from_bytes(&[0xff; PUBLIC_KEY]), Err(KeyError));
}

#[test]
fn private_keys_print_nothing() {
    assert_eq!(format!("{:?}", KemPrivate::new(&seed())), "KemPrivate(..)");
}

#[test]
fn truncated_and_lengthened_messages_do_not_open() {
    let key = KemPrivate::new(&seed());
    let sealed = seal_to(&key.public(), b"i", b"a", b"", &mut seeded(1));
    assert_eq!(sealed.len(), OVERHEAD);
    for len in [0, 1, 2, ENC, ENC + 1, OVERHEAD - 1] {
        assert_eq!(key.open(b"i", b"a", &sealed[..len]), Err(OpenError));
    }
    let longer = [&sealed[..], &[0]].concat();
    assert_eq!(key.open(b"i", b"a", &longer), Err(OpenError));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sealing_and_opening_are_inverse(
        plain: Vec<u8>, info: Vec<u8>, aad: Vec<u8>, rng: u64, seed: [u8; 32],
    ) {
        let seed = Secret::from_bytes(seed);
        let sealed = seal_to(&KemPublic::of(&seed), &info, &aad, &plain, &mut seeded(rng));
        prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
        let opened = open_with(&seed, &info, &aad, &sealed).unwrap();
        prop_assert_eq!(opened.as_bytes(), plain.as_slice());
    }

    #[test]
    fn any_flipped_bit_fails(at: prop::sample::Index, bit in 0..8u8, rng: u64) {
        let key = KemPrivate::new(&seed());
        let mut sealed = seal_to(&key.public(), b"i", b"a", b"some plain text", &mut seeded(rng));
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert_eq!(key.open(b"i", b"a", &sealed), Err(OpenError));
    }

    #[test]
    fn any_swapped_context_fails(a: Vec<u8>, b: Vec<u8>, rng: u64) {
        prop_assume!(a != b);
        let key = KemPrivate::new(&seed());
        let sealed = seal_to(&key.public(), &a, &b, b"x", &mut seeded(rng));
        prop_assert_eq!(key.open(&b, &a, &sealed), Err(OpenError));
        prop_assert_eq!(key.open(&a, &a, &sealed), Err(OpenError));
        prop_assert_eq!(key.open(&b, &b, &sealed), Err(OpenError));
        let stranger = KemPrivate::new(&Secret::from_bytes([3; 32]));
        prop_assert_eq!(stranger.open(&a, &b, &sealed), Err(OpenError));
    }
}
