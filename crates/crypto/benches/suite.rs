//! What suite 1 costs, beside the bare algorithms under it.

use std::hint::black_box;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use chartkey_crypto::password::{Params, derive_root};
use chartkey_crypto::seal::{KemPrivate, KemPublic, open_with, seal_to};
use chartkey_crypto::sign::SigningKey;
use chartkey_crypto::stream::{Sealer, open_content, seal_content};
use chartkey_crypto::{Secret, derive, ledger};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const HEADER: usize = 300;
const BODY: usize = 2048;

fn rng() -> chacha20::ChaCha20Rng {
    chacha20::rand_core::SeedableRng::from_seed([1; 32])
}

fn key() -> Secret {
    Secret::from_bytes([7; 32])
}

/// The bytes of a record under bare AES-256-GCM, and one bare HKDF.
fn raw_record(header: &[u8], body: &[u8]) {
    let mut okm = [0; 32];
    hkdf::Hkdf::<sha2::Sha256>::new(None, &[7; 32])
        .expand(b"chartkey/1/version", &mut okm)
        .expect("32 bytes");
    let cipher = Aes256Gcm::new(&okm.into());
    for part in [header, body] {
        let mut buffer = part.to_vec();
        let nonce = Nonce::from([1; 12]);
        let tag = cipher
            .encrypt_inout_detached(&nonce, b"aad", buffer.as_mut_slice().into())
            .expect("short");
        cipher
            .decrypt_inout_detached(&nonce, b"aad", buffer.as_mut_slice().into(), &tag)
            .expect("its own tag");
        black_box(&buffer);
    }
}

/// The same through the public interface: two keys, two padded streams.
fn our_record(header: &[u8], body: &[u8], rng: &mut chacha20::ChaCha20Rng) {
    let version = key();
    for (purpose, part) in [("header", header), ("body", body)] {
        let key = derive(&version, purpose, &[]);
        let sealed = seal_content(&key, b"aad", part, rng);
        black_box(open_content(&key, b"aad", &sealed).expect("its own key"));
    }
}

fn records(c: &mut Criterion) {
    let (header, body, mut rng) = (vec![1; HEADER], vec![2; BODY], rng());
    let mut group = c.benchmark_group("record seal+open");
    group.throughput(Throughput::Bytes(2 * (HEADER + BODY) as u64));
    group.bench_function("raw aes-256-gcm + hkdf", |b| {
        b.iter(|| raw_record(black_box(&header), black_box(&body)));
    });
    group.bench_function("suite 1", |b| {
        b.iter(|| our_record(black_box(&header), black_box(&body), &mut rng));
    });
    group.finish();
}

fn files(c: &mut Criterion) {
    let (plain, mut rng) = (vec![3; 16 << 20], rng());
    let sealed = seal_content(&key(), b"aad", &plain, &mut rng);
    let mut group = c.benchmark_group("file 16 MiB");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.bench_function("seal_content", |b| {
        b.iter(|| seal_content(&key(), b"aad", &plain, &mut rng));
    });
    group.bench_function("Sealer", |b| {
        b.iter(|| {
            let (mut sealer, _) = Sealer::new(&key(), b"aad", &mut rng);
            for part in plain.chunks(64 << 10) {
                black_box(sealer.push(part).expect("short"));
            }
            sealer.finish().for_each(|chunk| drop(black_box(chunk)));
        });
    });
    group.bench_function("open_content", |b| {
        b.iter(|| open_content(&key(), b"aad", &sealed).expect("its own key"));
    });
    group.finish();
}

fn keys(c: &mut Criterion) {
    let (seed, mut rng) = (key(), rng());
    let public = KemPublic::of(&seed);
    let private = KemPrivate::new(&seed);
    let sealed = seal_to(&public, b"info", b"aad", &[0; 32], &mut rng);
    c.bench_function("derive, two fields", |b| {
        b.iter(|| derive(black_box(&seed), "version", &[&[1; 16], &[0; 4]]));
    });
    c.bench_function("hkdf crate, same info", |b| {
        b.iter(|| {
            let mut okm = [0; 32];
            hkdf::Hkdf::<sha2::Sha256>::new(None, black_box(&[7; 32]))
                .expand(black_box(&[1; 46]), &mut okm)
                .expect("32 bytes");
            okm
        });
    });
    c.bench_function("KemPublic::of", |b| b.iter(|| KemPublic::of(&seed)));
    c.bench_function("KemPublic::from_bytes", |b| {
        b.iter(|| KemPublic::from_bytes(black_box(public.as_bytes())));
    });
    c.bench_function("seal_to", |b| {
        b.iter(|| seal_to(&public, b"info", b"aad", &[0; 32], &mut rng));
    });
    c.bench_function("open_with", |b| {
        b.iter(|| open_with(&seed, b"info", b"aad", black_box(&sealed)));
    });
    c.bench_function("KemPrivate::open", |b| {
        b.iter(|| private.open(b"info", b"aad", black_box(&sealed)));
    });
}

fn signatures(c: &mut Criterion) {
    let key = SigningKey::from_secret(&key());
    let public = key.verify_key();
    let signature = key.sign("record", &[&[1; 300]]);
    c.bench_function("sign", |b| b.iter(|| key.sign("record", &[&[1; 300]])));
    c.bench_function("verify", |b| {
        b.iter(|| public.verify("record", &[&[1; 300]], black_box(&signature)));
    });
    c.bench_function("ledger append", |b| {
        let mut frontier = ledger::Frontier::new();
        b.iter(|| frontier.append(ledger::entry_leaf_hash(&[1; 32], &[2; 300])));
    });
}

fn passwords(c: &mut Criterion) {
    let mut group = c.benchmark_group("argon2id");
    group.sample_size(10);
    group.bench_function("64 MiB, 3, 1", |b| {
        b.iter(|| derive_root("correct horse battery staple", &[1; 16], Params::DEFAULT));
    });
    group.finish();
}

criterion_group!(all, records, files, keys, signatures, passwords);
criterion_main!(all);
