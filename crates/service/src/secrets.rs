//! Small secret things that several use cases make and compare: tokens for
//! links, hashes of proofs, and statements between wire and row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chartkey_crypto::Secret;
use chartkey_crypto::sign::Signature;
use chartkey_store::patients::StatementRow;
use chartkey_vault::statement::SignedStatement;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Service;

/// Purpose of the proof that a password gives.
pub const PASSWORD: &str = "password";
/// Purpose of the proof that a recovery code gives.
pub const RECOVERY: &str = "recovery";

/// A token of 256 random bits as text for a link, and the hash that is kept.
pub fn new_token(
    service: &Service,
    purpose: &'static str,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (Zeroizing<String>, [u8; 32]) {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut_slice());
    let hash = service.protect().lookup_hash(purpose, bytes.as_slice());
    (
        Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())),
        hash,
    )
}

/// The hash of a token as it came back; nothing for what was never a token.
pub fn token_hash(service: &Service, purpose: &'static str, token: &str) -> Option<[u8; 32]> {
    if token.len() != 43 {
        return None;
    }
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(token).ok()?);
    (bytes.len() == 32).then(|| service.protect().lookup_hash(purpose, &bytes))
}

/// A token as a key: what it was made of opens what was sealed under it.
pub fn token_secret(token: &str) -> Option<Secret> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(token).ok()?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().ok()?;
    Some(Secret::from_bytes(bytes))
}

/// A statement as it is stored.
pub fn to_row(statement: &SignedStatement, seq: u64, kind: &str) -> StatementRow {
    StatementRow {
        seq,
        kind: kind.to_owned(),
        body: statement.body.clone(),
        signature: statement.signature.as_bytes().to_vec(),
        cosignature: statement
            .cosignature
            .map(|signature| signature.as_bytes().to_vec()),
        hash: *statement.hash().as_bytes(),
    }
}

/// A stored statement as it was signed; nothing where the row is damaged.
pub fn to_statement(row: &StatementRow) -> Option<SignedStatement> {
    let signature = |bytes: &[u8]| <[u8; 64]>::try_from(bytes).ok().map(Signature::from_bytes);
    let cosignature = match row.cosignature.as_deref() {
        None => None,
        Some(bytes) => Some(signature(bytes)?),
    };
    Some(SignedStatement {
        body: row.body.clone(),
        signature: signature(&row.signature)?,
        cosignature,
    })
}
