//! Access tokens: JSON Web Tokens (RFC 7519) that name a session and carry the
//! secret half of an assisted one.
//!
//! A token says who asked for it and until when; whether its session still
//! lives is the store's to say, at every request. The signing key is Ed25519
//! (`EdDSA`, published at `/.well-known/jwks.json`), or HMAC when `JWT_SECRET`
//! is set. The clock is an argument, so the library's own check of time is off.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chartkey_crypto::Secret;
use chartkey_domain::ids::{AccountId, SessionId};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

mod provider;

/// How long an access token lives.
pub const ACCESS_TTL_SECS: i64 = 15 * 60;
/// Longest token that is looked at, in bytes.
const MAX_TOKEN_LEN: usize = 2_048;
/// Verified tokens kept in memory, at most.
const CACHED: usize = 10_000;
/// For whom tokens are.
const AUDIENCE: &str = "chartkey";

/// What a verified token says.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who signed in.
    pub account: AccountId,
    /// In which session.
    pub session: SessionId,
    /// When they last showed who they are.
    pub auth_time: Timestamp,
    /// Until when the token counts.
    pub expires_at: Timestamp,
    /// The 32 random bytes that the token carries.
    pub secret: Secret,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours, or changed on the way.
    #[error("the access token is not valid")]
    Invalid,
    /// Its quarter of an hour is over.
    #[error("the access token has expired")]
    Expired,
}

impl TokenError {
    /// The stable dotted word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "session.invalid",
            Self::Expired => "session.expired",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: i64,
    exp: i64,
    auth_time: i64,
    sek: Zeroizing<String>,
}

/// What signs tokens.
pub enum SigningSecret {
    /// The seed of an Ed25519 key pair.
    Ed25519(Secret),
    /// `JWT_SECRET`.
    Hmac(Zeroizing<String>),
}

/// Makes and verifies access tokens.
pub struct Tokens {
    header: Header,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    issuer: String,
    /// The public key, where there is one to publish.
    public: Option<[u8; 32]>,
    verified: Mutex<HashMap<[u8; 32], Access>>,
}

impl Tokens {
    /// Tokens of the issuer at `app_url`.
    pub fn new(secret: &SigningSecret, app_url: &str) -> Self {
        provider::install();
        let (algorithm, signing, verifying, public) = match secret {
            SigningSecret::Ed25519(seed) => {
                let key = ed25519_dalek::SigningKey::from_bytes(seed.as_bytes());
                let public = key.verifying_key().to_bytes();
                (
                    Algorithm::EdDSA,
                    EncodingKey::from_ed_der(seed.as_bytes()),
                    DecodingKey::from_ed_der(&public),
                    Some(public),
                )
            }
            SigningSecret::Hmac(text) => (
                Algorithm::HS256,
                EncodingKey::from_secret(text.as_bytes()),
                DecodingKey::from_secret(text.as_bytes()),
                None,
            ),
        };
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[app_url]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let mut header = Header::new(algorithm);
        header.kid = public.as_ref().map(key_id);
        Self {
            header,
            signing,
            verifying,
            validation,
            issuer: app_url.to_owned(),
            public,
            verified: Mutex::default(),
        }
    }

    /// A token for `access`, made at `now`.
    pub fn make(&self, access: &Access, now: Timestamp) -> Result<Zeroizing<String>, TokenError> {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: access.account.to_string(),
            sid: access.session.to_string(),
            iat: now.as_second(),
            exp: access.expires_at.as_second(),
            auth_time: access.auth_time.as_second(),
            sek: Zeroizing::new(URL_SAFE_NO_PAD.encode(access.secret.as_bytes())),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing)
            .map(Zeroizing::new)
            .map_err(|_| TokenError::Invalid)
    }

    /// Reads `token` at `now`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Access, TokenError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(TokenError::Invalid);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.cache().get(&digest).cloned();
        let access = match known {
            Some(access) => access,
            None => self.decode(token)?,
        };
        if access.expires_at <= now {
            self.cache().remove(&digest);
            return Err(TokenError::Expired);
        }
        let mut cache = self.cache();
        if cache.len() >= CACHED && !cache.contains_key(&digest) {
            cache.retain(|_, access| access.expires_at > now);
            if cache.len() >= CACHED {
                cache.clear();
            }
        }
        cache.entry(digest).or_insert_with(|| access.clone());
        Ok(access)
    }

    fn decode(&self, token: &str) -> Result<Access, TokenError> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        read_claims(&claims).ok_or(TokenError::Invalid)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Access>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The JSON Web Key Set (RFC 7517, RFC 8037); empty with `JWT_SECRET`.
    pub fn key_set(&self) -> KeySet {
        KeySet {
            keys: self
                .public
                .iter()
                .map(|public| PublicKey {
                    kty: "OKP",
                    crv: "Ed25519",
                    alg: "EdDSA",
                    usage: "sig",
                    kid: key_id(public),
                    x: URL_SAFE_NO_PAD.encode(public),
                })
                .collect(),
        }
    }
}

fn read_claims(claims: &Claims) -> Option<Access> {
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims.sek.as_bytes()).ok()?);
    Some(Access {
        account: claims.sub.parse().ok()?,
        session: claims.sid.parse().ok()?,
        auth_time: Timestamp::from_second(claims.auth_time).ok()?,
        expires_at: Timestamp::from_second(claims.exp).ok()?,
        secret: Secret::from_slice(&secret)?,
    })
}

/// The thumbprint of the key (RFC 7638), which names it.
fn key_id(public: &[u8; 32]) -> String {
    let canonical = format!(
        r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
        URL_SAFE_NO_PAD.encode(public)
    );
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}

/// The public keys that access tokens can be checked with.
#[derive(Serialize, utoipa::ToSchema)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

/// One Ed25519 key as a JSON Web Key.
#[derive(Serialize, utoipa::ToSchema)]
struct PublicKey {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    x: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(now: Timestamp) -> Access {
        Access {
            account: AccountId::from_bytes([1; 16]),
            session: SessionId::from_bytes([2; 16]),
            auth_time: now,
            expires_at: Timestamp::from_second(now.as_second() + ACCESS_TTL_SECS).unwrap(),
            secret: Secret::from_bytes([7; 32]),
        }
    }

    fn kinds() -> [Tokens; 2] {
        [
            Tokens::new(
                &SigningSecret::Ed25519(Secret::from_bytes([3; 32])),
                "https://a.example",
            ),
            Tokens::new(
                &SigningSecret::Hmac(Zeroizing::new("b7d1f09c3a5e48d2967fe1c04ab8356d".into())),
                "https://a.example",
            ),
        ]
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_lives_for_a_quarter_of_an_hour() {
        for tokens in kinds() {
            let token = tokens.make(&access(at(1_000)), at(1_000)).unwrap();
            for _ in 0..2 {
                let read = tokens.verify(&token, at(1_000 + 899)).unwrap();
                assert_eq!(read.account, AccountId::from_bytes([1; 16]));
                assert_eq!(read.session, SessionId::from_bytes([2; 16]));
                assert_eq!(read.secret, Secret::from_bytes([7; 32]));
            }
            assert_eq!(
                tokens.verify(&token, at(1_900)).err(),
                Some(TokenError::Expired)
            );
        }
    }

    #[test]
    fn changed_foreign_and_unsigned_tokens_are_refused() {
        let [ours, hmac] = kinds();
        let token = ours.make(&access(at(0)), at(0)).unwrap();
        let other = Tokens::new(
            &SigningSecret::Ed25519(Secret::from_bytes([4; 32])),
            "https://a.example",
        );
        let elsewhere = Tokens::new(
            &SigningSecret::Ed25519(Secret::from_bytes([3; 32])),
            "https://b.example",
        );
        for refusing in [&other, &elsewhere, &hmac] {
            assert_eq!(
                refusing.verify(&token, at(1)).err(),
                Some(TokenError::Invalid)
            );
        }
        for index in 0..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character of a segment may carry unused bits; the
            // decoder refuses those too.
            assert_eq!(
                ours.verify(&changed, at(1)).err(),
                Some(TokenError::Invalid),
                "{index}"
            );
        }
        let body = token.split('.').nth(1).unwrap();
        let none = format!(
            "{}.{body}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#)
        );
        assert_eq!(ours.verify(&none, at(1)).err(), Some(TokenError::Invalid));
        assert_eq!(ours.verify("", at(1)).err(), Some(TokenError::Invalid));
        assert_eq!(
            ours.verify(&"a".repeat(5_000), at(1)).err(),
            Some(TokenError::Invalid)
        );
    }

    #[test]
    fn the_public_key_is_published_and_the_secret_is_not() {
        let [ours, hmac] = kinds();
        let text = serde_json::to_string(&ours.key_set()).unwrap();
        assert!(
            text.contains(r#""crv":"Ed25519""#) && text.contains(r#""use":"sig""#),
            "{text}"
        );
        assert_eq!(
            serde_json::to_string(&hmac.key_set()).unwrap(),
            r#"{"keys":[]}"#
        );
    }
}
