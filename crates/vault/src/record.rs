//! One record version, sealed and open: header, body, commitment, signature.

use chartkey_crypto::{
    Secret, SecretBytes, encode,
    sign::{Signature, SigningKey, VerifyKey},
    stream,
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::{
    Id,
    bytes::{Bytes, Bytes32},
    error::VaultError,
    keys::{VersionKey, content_aad},
};

const DOMAIN: &str = "record";

/// What a body is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// A FHIR R4 resource, as its original JSON text.
    Resource,
    /// Plain text in UTF-8.
    Text,
    /// Any file.
    File,
}

/// What the header of a record says; sealed, so everything in it is open
/// only to readers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fields {
    /// What the body is.
    pub body: BodyKind,
    /// Media type of the body.
    pub content_type: String,
    /// Exact size of the body in bytes.
    pub size: u64,
    /// Name of an uploaded file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// What lists and searches show.
    pub header: chartkey_fhir::Header,
    /// The author's name as they gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_name: Option<String>,
}

/// A header as sealed. Its fields stay text: the exact bytes are signed.
#[derive(Serialize, Deserialize)]
struct SealedHeader<'a> {
    #[serde(borrow)]
    fields: &'a RawValue,
    body_hash: Bytes32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Bytes32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Bytes32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
}

/// Which version of which record of whom.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Whose.
    pub patient: Id,
    /// Which record.
    pub record: Id,
    /// Which version, from 1.
    pub version: u32,
}

/// How a version hangs together with what was before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ties {
    /// Commitment of the previous version.
    pub previous: Option<Bytes32>,
    /// Newest statement of the patient's chain that the author saw.
    pub head: Option<Bytes32>,
}

/// A sealed version, before it has a batch in the protocol.
#[derive(Debug)]
pub struct SealedVersion {
    /// Sealed header.
    pub header: Bytes,
    /// Sealed body.
    pub body: Bytes,
    /// Bound into both.
    pub commitment: Bytes32,
}

/// SHA-256 of a body, which the author signs.
pub fn body_hash(body: &[u8]) -> Bytes32 {
    Bytes32(Sha256::digest(body).into())
}

/// Seals header and body of one version. `signer` is absent where the server
/// seals what a source delivered.
pub fn seal_version(
    key: &VersionKey,
    place: Place,
    fields: &Fields,
    body: &[u8],
    ties: Ties,
    signer: Option<&SigningKey>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SealedVersion, VaultError> {
    let commitment = key.commitment();
    let header = seal_header(key, place, fields, body_hash(body), ties, signer, rng)?;
    let aad = content_aad(
        "body",
        place.patient,
        place.record,
        place.version,
        &commitment,
    );
    let body = Bytes(stream::seal_content(&key.body_key(), &aad, body, rng));
    Ok(SealedVersion {
        header,
        body,
        commitment,
    })
}

/// Seals an opened version anew under another key, to the byte: so what its
/// author signed goes on holding. It must open under the old key first.
pub fn reseal_version(
    (old, commitment): (&VersionKey, &Bytes32),
    new: &VersionKey,
    place: Place,
    header: &Bytes,
    body: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SealedVersion, VaultError> {
    let opened = open_header(old, place, commitment, header)?;
    let body = open_body(old, place, commitment, &opened.body_hash, body)?;
    let aad = |part, commitment| {
        content_aad(part, place.patient, place.record, place.version, commitment)
    };
    let plain = stream::open_content(&old.header_key(), &aad("header", commitment), &header.0)?;
    let commitment = new.commitment();
    let header = stream::seal_content(&new.header_key(), &aad("header", &commitment), &plain, rng);
    let body = stream::seal_content(&new.body_key(), &aad("body", &commitment), &body, rng);
    Ok(SealedVersion {
        header: Bytes(header),
        body: Bytes(body),
        commitment,
    })
}

/// Seals the header alone, for a body that is streamed into a blob.
pub fn seal_header(
    key: &VersionKey,
    place: Place,
    fields: &Fields,
    body_hash: Bytes32,
    ties: Ties,
    signer: Option<&SigningKey>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Bytes, VaultError> {
    let text = serde_json::to_string(fields).map_err(|_| VaultError::Internal)?;
    let fields = RawValue::from_string(text).map_err(|_| VaultError::Internal)?;
    let signature = signer.map(|signer| {
        let digest = fields_hash(&fields);
        with_signed(place, &digest, &body_hash, &ties, |parts| {
            signer.sign(DOMAIN, parts)
        })
    });
    let sealed = SealedHeader {
        fields: &fields,
        body_hash,
        previous: ties.previous,
        head: ties.head,
        signature,
    };
    let plain = SecretBytes::new(serde_json::to_vec(&sealed).map_err(|_| VaultError::Internal)?);
    let commitment = key.commitment();
    let aad = content_aad(
        "header",
        place.patient,
        place.record,
        place.version,
        &commitment,
    );
    Ok(Bytes(stream::seal_content(
        &key.header_key(),
        &aad,
        &plain,
        rng,
    )))
}

/// The key and associated data under which a body is sealed, for streams.
pub fn body_seal(key: &VersionKey, place: Place) -> (Secret, Vec<u8>) {
    let commitment = key.commitment();
    let aad = content_aad(
        "body",
        place.patient,
        place.record,
        place.version,
        &commitment,
    );
    (key.body_key(), aad)
}

/// An opened header.
#[derive(Debug)]
pub struct OpenHeader {
    /// What it says.
    pub fields: Fields,
    /// SHA-256 of the body.
    pub body_hash: Bytes32,
    /// Commitment of the previous version.
    pub previous: Option<Bytes32>,
    /// Newest statement head the author saw.
    pub head: Option<Bytes32>,
    signature: Option<Signature>,
    /// The opened text, and where in it the fields stand: hashed only where
    /// somebody asks who wrote it.
    plain: SecretBytes,
    fields_at: std::ops::Range<usize>,
}

impl OpenHeader {
    /// Whether the author signed at all; what a server sealed is not signed.
    pub const fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// Verifies the author's signature.
    pub fn verify(&self, place: Place, author: &VerifyKey) -> Result<(), VaultError> {
        let signature = self
            .signature
            .as_ref()
            .ok_or(VaultError::Statement("unsigned record"))?;
        self.with_signed(place, |parts| author.verify(DOMAIN, parts, signature))
            .map_err(|_| VaultError::Statement("bad signature on a record"))
    }

    /// Names everything that is signed, and the signature: who has verified
    /// it once for an author need not do it again.
    pub fn signature_digest(&self, place: Place) -> Option<Bytes32> {
        let signature = self.signature.as_ref()?;
        let digest = self.with_signed(place, |parts| {
            let mut all = parts.to_vec();
            all.push(signature.as_bytes());
            Sha256::digest(encode::lp(&all)).into()
        });
        Some(Bytes32(digest))
    }

    fn with_signed<T>(&self, place: Place, f: impl FnOnce(&[&[u8]]) -> T) -> T {
        let ties = Ties {
            previous: self.previous,
            head: self.head,
        };
        let fields = self.plain.get(self.fields_at.clone()).unwrap_or_default();
        let digest = Bytes32(Sha256::digest(fields).into());
        with_signed(place, &digest, &self.body_hash, &ties, f)
    }
}

/// Opens a header. The commitment is checked against the key first.
pub fn open_header(
    key: &VersionKey,
    place: Place,
    commitment: &Bytes32,
    sealed: &Bytes,
) -> Result<OpenHeader, VaultError> {
    if key.commitment() != *commitment {
        return Err(VaultError::Open);
    }
    let aad = content_aad(
        "header",
        place.patient,
        place.record,
        place.version,
        commitment,
    );
    let plain = stream::open_content(&key.header_key(), &aad, &sealed.0)?;
    let text = std::str::from_utf8(&plain).map_err(|_| VaultError::Open)?;
    let header: SealedHeader<'_> = serde_json::from_str(text).map_err(|_| VaultError::Open)?;
    let signed = header.fields.get();
    let fields: Fields = serde_json::from_str(signed).map_err(|_| VaultError::Open)?;
    // `signed` lies within `text`.
    let start = signed.as_ptr().addr() - text.as_ptr().addr();
    let (body_hash, signature) = (header.body_hash, header.signature);
    let (previous, head) = (header.previous, header.head);
    let fields_at = start..start + signed.len();
    Ok(OpenHeader {
        fields,
        body_hash,
        previous,
        head,
        signature,
        plain,
        fields_at,
    })
}

/// Opens a body and checks it against the header's hash.
pub fn open_body(
    key: &VersionKey,
    place: Place,
    commitment: &Bytes32,
    expected: &Bytes32,
    sealed: &[u8],
) -> Result<SecretBytes, VaultError> {
    if key.commitment() != *commitment {
        return Err(VaultError::Open);
    }
    let aad = content_aad(
        "body",
        place.patient,
        place.record,
        place.version,
        commitment,
    );
    let plain = stream::open_content(&key.body_key(), &aad, sealed)?;
    if body_hash(&plain) != *expected {
        return Err(VaultError::Open);
    }
    Ok(plain)
}

fn fields_hash(fields: &RawValue) -> Bytes32 {
    Bytes32(Sha256::digest(fields.get().as_bytes()).into())
}

fn with_signed<T>(
    place: Place,
    fields: &Bytes32,
    body: &Bytes32,
    ties: &Ties,
    f: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let version = place.version.to_be_bytes();
    let previous: &[u8] = ties.previous.as_ref().map_or(&[], |p| &p.0);
    let head: &[u8] = ties.head.as_ref().map_or(&[], |p| &p.0);
    f(&[
        place.patient.as_bytes(),
        place.record.as_bytes(),
        &version,
        previous,
        &fields.0,
        &body.0,
        head,
    ])
}

/// Keyed hash of where a record came from, to find it again on the next
/// import. `placement` is the compartment for supporting resources.
pub fn identity_tag(dedup: &Secret, source: &str, placement: &str, identity: &str) -> Bytes32 {
    let key = chartkey_crypto::derive(
        dedup,
        "identity",
        &[source.as_bytes(), placement.as_bytes(), identity.as_bytes()],
    );
    Bytes32(*key.as_bytes())
}

/// Keyed hash of canonical content, to see it unchanged.
pub fn content_tag(dedup: &Secret, canonical: &[u8]) -> Bytes32 {
    let digest: [u8; 32] = Sha256::digest(encode::lp(&[canonical])).into();
    Bytes32(*chartkey_crypto::derive(dedup, "content", &[&digest]).as_bytes())
}
