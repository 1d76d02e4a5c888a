//! Links: making one, opening one, and what its URLs look like. Pure; the
//! calls that carry them are others'.
//!
//! A link is a grant whose holder is whoever has K. Our own URL carries K in
//! its fragment, so that no server log sees it; the SMART Health Link (STU1)
//! carries it in a payload that other viewers read.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chartkey_crypto::{
    Secret,
    jwe::{self, JweError, OpenFile, Zip},
    seal::KemPublic,
};
use chartkey_fhir::RecordType;
use jiff::Timestamp;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Id,
    error::VaultError,
    grant::{Cover, HolderKey, sealed_to_link},
    granting::{self, NewGrant},
    keys::LinkKey,
    patient::{OpenPatient, ReadKeys},
    protocol::{LinkFile, LinkOpened, SealedLink},
    statement::{GrantTerms, HolderKind, PatientSays},
};

/// Random bytes of a token.
pub const TOKEN_BYTES: usize = 32;
/// Media type of a file of FHIR content.
pub const FHIR_JSON: &str = "application/fhir+json";
/// Longest `url` in a SMART Health Link, in characters (STU1).
pub const MAX_SHL_URL: usize = 128;
/// Longest label in a SMART Health Link, in characters (STU1).
pub const MAX_SHL_LABEL: usize = 80;
/// Longest text that is looked at for a SMART Health Link, in bytes.
const MAX_SHL_TEXT: usize = 16 << 10;

/// An open file of a link, before it is encrypted.
#[derive(Debug)]
pub struct OpenLinkFile {
    /// What it holds; absent for the single file of a `U` link.
    pub record_type: Option<RecordType>,
    /// FHIR JSON.
    pub plain: chartkey_crypto::SecretBytes,
}

/// The holder of a link that a manager is about to make.
///
/// # Errors
/// [`VaultError::NoKey`] for whoever is no manager.
pub fn holder(open: &OpenPatient, grant: Id) -> Result<HolderKey, VaultError> {
    Ok(HolderKey::Link(open.link_key(grant)?))
}

/// A token: names a link, and opens nothing.
pub fn make_token(rng: &mut (impl CryptoRng + ?Sized)) -> String {
    let mut bytes = [0; TOKEN_BYTES];
    rng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Makes a link of a grant whose holder is [`holder`]'s. The opened chain
/// goes on with its statement, so that several can be made in a row.
///
/// # Errors
/// As [`granting::make_grant`].
pub fn make_link(
    open: &mut OpenPatient,
    new: &NewGrant,
    files: &[OpenLinkFile],
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<SealedLink, VaultError> {
    let HolderKey::Link(key) = &new.holder else {
        return Err(VaultError::Input("a link is held by whoever has its key"));
    };
    let grant = granting::make_grant(open, new, now, rng)?;
    open.chain.extend(&grant.statement)?;
    Ok(SealedLink {
        grant,
        token: make_token(rng),
        auth: key.auth(),
        files: seal_files(key, files, rng),
    })
}

/// Encrypts a link's files for other viewers, each under a nonce of its own.
pub fn seal_files(
    key: &LinkKey,
    files: &[OpenLinkFile],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Vec<LinkFile> {
    files
        .iter()
        .map(|file| LinkFile {
            record_type: file.record_type,
            jwe: jwe::encrypt(key.secret(), FHIR_JSON, &file.plain, Zip::None, rng),
        })
        .collect()
}

/// Opens a file of a link; `limit` bounds what it inflates to, in bytes.
///
/// # Errors
/// As [`jwe::decrypt`].
pub fn open_file(key: &LinkKey, jwe: &str, limit: usize) -> Result<OpenFile, JweError> {
    jwe::decrypt(key.secret(), jwe, limit)
}

/// A link as its holder opened it.
#[derive(Debug)]
pub struct OpenLink {
    /// Its signed terms.
    pub terms: GrantTerms,
    /// What opens its records.
    pub keys: ReadKeys,
    /// Its names and words.
    pub cover: Cover,
}

/// Opens what the server gave for a link with the link's key. The holder knows
/// no chain, so the patient's signature stays unchecked; that terms, keyring
/// and key belong together is checked.
///
/// # Errors
/// [`VaultError::Statement`] or [`VaultError::Open`].
pub fn open(opened: &LinkOpened, key: &LinkKey) -> Result<OpenLink, VaultError> {
    let statement = opened.statement.patient_statement()?;
    let PatientSays::Grant(terms) = statement.says else {
        return Err(VaultError::Statement("not about a grant"));
    };
    if statement.patient != opened.patient
        || terms.grant != opened.grant
        || terms.holder_kind != HolderKind::Link
        || terms.sealed_to != sealed_to_link(key)
    {
        return Err(VaultError::Statement("the terms of another link"));
    }
    let keys = ReadKeys::of_link(opened, key)?;
    let seeds = keys.keyrings().iter().map(|k| KemPublic::of(&k.seed));
    if seeds.into_iter().any(|public| public != terms.grant_key) {
        return Err(VaultError::Statement("a keyring that is not the grant's"));
    }
    let cover = Cover::open_link(opened.patient, opened.grant, key, &opened.cover)?;
    Ok(OpenLink { terms, keys, cover })
}

// --- URLs ---------------------------------------------------------------------

/// K as text: 43 characters of unpadded base64url.
pub fn key_text(key: &LinkKey) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(key.secret().as_bytes()))
}

/// K from its text.
///
/// # Errors
/// [`VaultError::Input`] where it is not 32 bytes of unpadded base64url.
pub fn parse_key(text: &str) -> Result<LinkKey, VaultError> {
    const WRONG: VaultError = VaultError::Input("a link's key is 43 characters of base64url");
    if text.len() != 43 {
        return Err(WRONG);
    }
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| WRONG)?);
    Secret::from_slice(&bytes).map(LinkKey::new).ok_or(WRONG)
}

/// Our own URL of a link, with its key in the fragment. `app_url` has no
/// slash at its end.
pub fn url(app_url: &str, token: &str, key: &LinkKey) -> Zeroizing<String> {
    let key = key_text(key);
    Zeroizing::new(format!("{app_url}/records/shared/{token}#{}", key.as_str()))
}

/// Token and key of one of our own URLs.
///
/// # Errors
/// [`VaultError::Input`].
pub fn parse_url(url: &str) -> Result<(String, LinkKey), VaultError> {
    const WRONG: VaultError = VaultError::Input("not the URL of a shared record");
    let (address, fragment) = url.split_once('#').ok_or(WRONG)?;
    let (_, token) = address.rsplit_once("/records/shared/").ok_or(WRONG)?;
    let named = token
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if token.len() != 43 || !named {
        return Err(WRONG);
    }
    Ok((token.to_owned(), parse_key(fragment)?))
}

/// What a SMART Health Link says (STU1, "Construct a SMART Health Link
/// Payload").
#[derive(Clone, Debug)]
pub struct Shlink {
    /// Manifest URL, or that of the single file.
    pub url: String,
    /// K.
    pub key: LinkKey,
    /// When it ends, in seconds since 1970; a hint.
    pub exp: Option<i64>,
    /// Its flags.
    pub flags: ShlFlags,
    /// What it is, for the receiver.
    pub label: Option<String>,
}

/// Flags of a SMART Health Link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShlFlags {
    /// `L`: long-term, what it shows may change.
    pub long_term: bool,
    /// `P`: a passcode is needed.
    pub passcode: bool,
    /// `U`: `url` is one encrypted file.
    pub single_file: bool,
}

impl ShlFlags {
    /// The letters, in alphabetical order.
    pub fn letters(self) -> String {
        [
            (self.long_term, 'L'),
            (self.passcode, 'P'),
            (self.single_file, 'U'),
        ]
        .into_iter()
        .filter_map(|(set, letter)| set.then_some(letter))
        .collect()
    }
}

#[derive(Serialize, Deserialize)]
struct Payload {
    url: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<u64>,
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Shlink {
    /// The link as text: `shlink:/` and the payload.
    ///
    /// # Errors
    /// [`VaultError::Input`] for what the standard forbids: flags `P` and `U`
    /// together, a `url` of more than 128 characters, a label of more than 80.
    pub fn build(&self) -> Result<Zeroizing<String>, VaultError> {
        check(&self.url, self.flags, self.label.as_deref())?;
        let letters = self.flags.letters();
        let payload = Payload {
            url: self.url.clone(),
            key: key_text(&self.key).to_string(),
            exp: self.exp,
            flag: Some(letters).filter(|letters| !letters.is_empty()),
            label: self.label.clone(),
            v: None,
        };
        let json = Zeroizing::new(serde_json::to_vec(&payload).map_err(|_| VaultError::Internal)?);
        Ok(Zeroizing::new(format!(
            "shlink:/{}",
            URL_SAFE_NO_PAD.encode(&*json)
        )))
    }

    /// Reads a scanned text, with a viewer's prefix or without. Unknown members
    /// and flags are ignored.
    ///
    /// # Errors
    /// [`VaultError::Input`] for what is no SMART Health Link of version 1.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        const WRONG: VaultError = VaultError::Input("not a SMART Health Link");
        if text.len() > MAX_SHL_TEXT {
            return Err(WRONG);
        }
        let (_, encoded) = text.split_once("shlink:/").ok_or(WRONG)?;
        let json = URL_SAFE_NO_PAD
            .decode(encoded.trim())
            .map(Zeroizing::new)
            .map_err(|_| WRONG)?;
        let payload: Payload = serde_json::from_slice(&json).map_err(|_| WRONG)?;
        if payload.v.unwrap_or(1) > 1 {
            return Err(VaultError::Input("a SMART Health Link of a later version"));
        }
        let letters = payload.flag.as_deref().unwrap_or_default();
        let flags = ShlFlags {
            long_term: letters.contains('L'),
            passcode: letters.contains('P'),
            single_file: letters.contains('U'),
        };
        check(&payload.url, flags, payload.label.as_deref())?;
        Ok(Self {
            key: parse_key(&payload.key)?,
            url: payload.url.clone(),
            exp: payload.exp,
            flags,
            label: payload.label.clone(),
        })
    }
}

fn check(url: &str, flags: ShlFlags, label: Option<&str>) -> Result<(), VaultError> {
    if flags.passcode && flags.single_file {
        return Err(VaultError::Input("flags P and U exclude each other"));
    }
    if url.chars().count() > MAX_SHL_URL || !is_fetchable(url) {
        return Err(VaultError::Input("the url of a SMART Health Link"));
    }
    if label.is_some_and(|label| label.chars().count() > MAX_SHL_LABEL) {
        return Err(VaultError::Input("the label of a SMART Health Link"));
    }
    Ok(())
}

/// TLS, or this machine itself while developing.
fn is_fetchable(url: &str) -> bool {
    let after = |prefix: &str| {
        url.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    };
    url.strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        || after("http://localhost")
        || after("http://127.0.0.1")
}

#[cfg(test)]
#[path = "link/tests.rs"]
mod tests;
