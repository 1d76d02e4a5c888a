//! The signed assertion with which a server's partner proves itself where tokens
//! come from: `private_key_jwt` (RFC 7523) as SMART App Launch 2.2 wants it,
//! ES384 or RS384.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chartkey_domain::connections::{ConnectorError, ConnectorResult, ErrorClass};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA384, RsaKeyPair,
};
use serde_json::json;
use zeroize::Zeroizing;

/// How long an assertion may be shown, in seconds; at most five minutes.
const LIFETIME_SECS: i64 = 240;

/// What an assertion says.
pub(super) struct Assertion<'a> {
    pub(super) client_id: &'a str,
    pub(super) token_url: &'a str,
    pub(super) key_id: &'a str,
    pub(super) algorithm: &'a str,
    /// PKCS#8 PEM.
    pub(super) private_key: &'a str,
    /// Never used twice.
    pub(super) jti: [u8; 16],
    pub(super) now: Timestamp,
}

impl Assertion<'_> {
    /// The assertion, signed.
    ///
    /// # Errors
    /// [`ErrorClass::Auth`] when the key is none of that algorithm: a person must
    /// mend the connection.
    pub(super) fn sign(&self) -> ConnectorResult<Zeroizing<String>> {
        let header = json!({ "alg": self.algorithm, "kid": self.key_id, "typ": "JWT" });
        let now = self.now.as_second();
        let claims = json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.token_url,
            "iat": now,
            "exp": now + LIFETIME_SECS,
            "jti": URL_SAFE_NO_PAD.encode(self.jti),
        });
        let mut token = Zeroizing::new(format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
        ));
        let signature = self
            .signature(token.as_bytes())
            .ok_or_else(|| ConnectorError::new(ErrorClass::Auth))?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let key = pkcs8(self.private_key)?;
        let chance = SystemRandom::new();
        match self.algorithm {
            "ES384" => {
                let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_pkcs8(algorithm, &key, &chance).ok()?;
                let signature = pair.sign(&chance, message).ok()?;
                Some(signature.as_ref().to_vec())
            }
            "RS384" => {
                let pair = RsaKeyPair::from_pkcs8(&key).ok()?;
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA384, &chance, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
            _ => None,
        }
    }
}

/// The DER inside a PEM of PKCS#8.
fn pkcs8(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (inside, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let text: Zeroizing<String> = Zeroizing::new(inside.split_whitespace().collect());
    STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new)
}
