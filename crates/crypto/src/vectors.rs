//! The frozen vectors of our own formats, checked the same way natively and as
//! WebAssembly.
//!
//! The files in `vectors/` are add-only: what was once sealed must open for
//! ever, and what was once derived must come out again. A new format or a new
//! suite gets a file of its own. Bytes are lower-case hexadecimal. The random
//! parts were made with ChaCha20 seeded by a fixed number.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::ledger::{
    self, Checkpoint, Frontier, NoteKind, NoteSigner, NoteVerifier, verify_checkpoint,
};
use crate::password::{self, Params};
use crate::recovery::RecoveryCode;
use crate::seal::{KemPublic, open_with};
use crate::sign::{Signature, SigningKey};
use crate::stream::{open_content, seal_content};
use crate::{Secret, derive, jwe, wrap};

const SUITE1: &str = include_str!("../vectors/suite1.json");

/// More than any file among the vectors inflates to.
const JWE_LIMIT: usize = 1 << 20;

/// A generator that gives the same bytes for the same number, everywhere.
/// For vectors and tests; never for keys.
pub fn seeded(seed: u64) -> ChaCha20Rng {
    let mut bytes = [0; 32];
    for (slot, byte) in bytes.iter_mut().zip(seed.to_be_bytes()) {
        *slot = byte;
    }
    ChaCha20Rng::from_seed(bytes)
}

/// Bytes from lower- or upper-case hexadecimal.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|d| d.len().is_multiple_of(2))?;
    let (pairs, _) = digits.as_chunks::<2>();
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(high * 16 + low).ok())
        .collect()
}

/// Bytes as lower-case hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .flatten()
        .collect()
}

/// Checks every frozen vector; says how many, or which one failed.
///
/// # Errors
/// The name and position of the first vector that does not come out.
pub fn check_all() -> Result<usize, String> {
    let file: File = serde_json::from_str(SUITE1).map_err(|e| format!("suite1.json: {e}"))?;
    let File {
        derive,
        wrap,
        seal,
        content,
        long_content,
        sign,
        password,
        recovery,
        jwe,
        entry,
        frontier,
        checkpoint,
    } = file;
    Ok(all("derive", &derive, DeriveCase::holds)?
        + all("wrap", &wrap, WrapCase::holds)?
        + all("seal", &seal, SealCase::holds)?
        + all("content", &content, ContentCase::holds)?
        + all("long_content", &long_content, LongContentCase::holds)?
        + all("sign", &sign, SignCase::holds)?
        + all("password", &password, PasswordCase::holds)?
        + all("recovery", &recovery, RecoveryCase::holds)?
        + all("jwe", &jwe, JweCase::holds)?
        + all("entry", &entry, EntryCase::holds)?
        + all("frontier", &frontier, FrontierCase::holds)?
        + all("checkpoint", &checkpoint, CheckpointCase::holds)?)
}

fn all<T>(name: &str, cases: &[T], holds: fn(&T) -> Option<bool>) -> Result<usize, String> {
    if cases.is_empty() {
        return Err(format!("{name}: no vectors"));
    }
    match cases.iter().position(|case| holds(case) != Some(true)) {
        Some(at) => Err(format!("{name}[{at}] does not hold")),
        None => Ok(cases.len()),
    }
}

/// Bytes that are hexadecimal in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hex(Vec<u8>);

impl Hex {
    fn secret(&self) -> Option<Secret> {
        Secret::from_slice(&self.0)
    }

    fn array<const N: usize>(&self) -> Option<[u8; N]> {
        self.0.as_slice().try_into().ok()
    }

    /// Whether these are the bytes, wherever they lie.
    fn is(&self, bytes: &[u8]) -> bool {
        self.0 == bytes
    }

    /// The same bytes with one bit in the middle flipped.
    fn flipped(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        bytes
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from_hex(&String::deserialize(from)?)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
    }
}

fn slices(fields: &[Hex]) -> Vec<&[u8]> {
    fields.iter().map(|field| field.0.as_slice()).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    derive: Vec<DeriveCase>,
    wrap: Vec<WrapCase>,
    seal: Vec<SealCase>,
    content: Vec<ContentCase>,
    long_content: Vec<LongContentCase>,
    sign: Vec<SignCase>,
    password: Vec<PasswordCase>,
    recovery: Vec<RecoveryCase>,
    jwe: Vec<JweCase>,
    entry: Vec<EntryCase>,
    frontier: Vec<FrontierCase>,
    checkpoint: Vec<CheckpointCase>,
}

#[derive(Serialize, Deserialize)]
struct DeriveCase {
    key: Hex,
    purpose: String,
    fields: Vec<Hex>,
    derived: Hex,
}

impl DeriveCase {
    fn holds(&self) -> Option<bool> {
        let derived = derive(&self.key.secret()?, &self.purpose, &slices(&self.fields));
        Some(self.derived.is(derived.as_bytes()))
    }
}

#[derive(Serialize, Deserialize)]
struct WrapCase {
    key: Hex,
    aad: Hex,
    plain: Hex,
    wrapped: Hex,
}

impl WrapCase {
    fn holds(&self) -> Option<bool> {
        let key = self.key.secret()?;
        let opened = wrap::unwrap(&key, &self.aad.0, &self.wrapped.0).ok()?;
        let flipped = wrap::unwrap(&key, &self.aad.0, &self.wrapped.flipped());
        Some(self.plain.is(&opened) && flipped.is_err())
    }
}

#[derive(Serialize, Deserialize)]
struct SealCase {
    seed: Hex,
    public: Hex,
    info: Hex,
    aad: Hex,
    plain: Hex,
    sealed: Hex,
}

impl SealCase {
    fn holds(&self) -> Option<bool> {
        let seed = self.seed.secret()?;
        let open = |sealed: &[u8]| open_with(&seed, &self.info.0, &self.aad.0, sealed);
        let opened = open(&self.sealed.0).ok()?;
        let public = self.public.is(KemPublic::of(&seed).as_bytes());
        Some(public && self.plain.is(&opened) && open(&self.sealed.flipped()).is_err())
    }
}

#[derive(Serialize, Deserialize)]
struct ContentCase {
    key: Hex,
    aad: Hex,
    plain: Hex,
    sealed: Hex,
}

impl ContentCase {
    fn holds(&self) -> Option<bool> {
        let key = self.key.secret()?;
        let opened = open_content(&key, &self.aad.0, &self.sealed.0).ok()?;
        let flipped = open_content(&key, &self.aad.0, &self.sealed.flipped());
        Some(self.plain.is(&opened) && flipped.is_err())
    }
}

/// Content of several chunks: its bytes count 0 to 250 and begin again, the
/// prefix comes from [`seeded`], and of the sealed form only the hash is kept.
#[derive(Serialize, Deserialize)]
struct LongContentCase {
    key: Hex,
    aad: Hex,
    len: usize,
    rng_seed: u64,
    sealed_sha256: Hex,
}

impl LongContentCase {
    fn plain(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    fn holds(&self) -> Option<bool> {
        let (key, plain) = (self.key.secret()?, Self::plain(self.len));
        let sealed = seal_content(&key, &self.aad.0, &plain, &mut seeded(self.rng_seed));
        let opened = open_content(&key, &self.aad.0, &sealed).ok()?;
        Some(self.sealed_sha256.is(&Sha256::digest(&sealed)) && opened.as_bytes() == plain)
    }
}

#[derive(Serialize, Deserialize)]
struct SignCase {
    seed: Hex,
    public: Hex,
    domain: String,
    fields: Vec<Hex>,
    signature: Hex,
}

impl SignCase {
    fn holds(&self) -> Option<bool> {
        let key = SigningKey::from_secret(&self.seed.secret()?);
        let (public, fields) = (key.verify_key(), slices(&self.fields));
        let frozen = Signature::from_bytes(self.signature.array()?);
        let verified = public.verify(&self.domain, &fields, &frozen).is_ok();
        let again = key.sign(&self.domain, &fields) == frozen;
        Some(verified && again && self.public.is(public.as_bytes()))
    }
}

#[derive(Serialize, Deserialize)]
struct PasswordCase {
    password: String,
    salt: Hex,
    params: Params,
    auth_key: Hex,
    wrap_key: Hex,
}

impl PasswordCase {
    fn holds(&self) -> Option<bool> {
        let root = password::derive_root(&self.password, &self.salt.array()?, self.params).ok()?;
        let auth = self.auth_key.is(password::auth_key(&root).as_bytes());
        Some(auth && self.wrap_key.is(password::wrap_key(&root).as_bytes()))
    }
}

#[derive(Serialize, Deserialize)]
struct RecoveryCase {
    text: String,
    auth_key: Hex,
    wrap_key: Hex,
}

impl RecoveryCase {
    fn holds(&self) -> Option<bool> {
        let code = RecoveryCode::parse(&self.text).ok()?;
        let auth = self.auth_key.is(code.auth_key().as_bytes());
        let wrap = self.wrap_key.is(code.wrap_key().as_bytes());
        Some(auth && wrap && *code.to_text() == self.text)
    }
}

#[derive(Serialize, Deserialize)]
struct JweCase {
    key: Hex,
    content_type: String,
    plain: String,
    jwe: String,
}

impl JweCase {
    fn holds(&self) -> Option<bool> {
        let file = jwe::decrypt(&self.key.secret()?, &self.jwe, JWE_LIMIT).ok()?;
        let plain = file.plain.as_bytes() == self.plain.as_bytes();
        Some(plain && file.content_type == self.content_type)
    }
}

#[derive(Serialize, Deserialize)]
struct EntryCase {
    salt: Hex,
    entry: String,
    leaf_hash: Hex,
}

impl EntryCase {
    fn holds(&self) -> Option<bool> {
        let hash = ledger::entry_leaf_hash(&self.salt.array()?, self.entry.as_bytes());
        Some(self.leaf_hash.is(&hash))
    }
}

/// The tree whose i-th leaf has i as u64 big-endian for content.
#[derive(Serialize, Deserialize)]
struct FrontierCase {
    size: u64,
    stored: Hex,
    root: Hex,
}

impl FrontierCase {
    fn made(size: u64) -> Frontier {
        let mut frontier = Frontier::new();
        for leaf in 0..size {
            frontier.append(ledger::leaf_hash(&leaf.to_be_bytes()));
        }
        frontier
    }

    fn holds(&self) -> Option<bool> {
        let stored = Frontier::from_bytes(&self.stored.0).ok()?;
        Some(stored == Self::made(self.size) && self.root.is(&stored.root()))
    }
}

#[derive(Serialize, Deserialize)]
struct CheckpointCase {
    seed: Hex,
    vkey: String,
    origin: String,
    size: u64,
    root: Hex,
    note: String,
}

impl CheckpointCase {
    fn holds(&self) -> Option<bool> {
        let expected = Checkpoint {
            origin: self.origin.clone(),
            size: self.size,
            root: self.root.array()?,
        };
        let key = SigningKey::from_secret(&self.seed.secret()?);
        let signer = NoteSigner::new(&self.origin, NoteKind::Ed25519, key).ok()?;
        let verifier = NoteVerifier::from_vkey(&self.vkey).ok()?;
        let read = verify_checkpoint(&self.note, &verifier).ok()?;
        let again = ledger::sign_checkpoint(&expected, &signer).ok()?;
        Some(read == expected && again == self.note && verifier == signer.verifier())
    }
}

#[cfg(test)]
mod make;
