//! SMART standalone patient launch (SMART App Launch 2.2): sending a patient to
//! their provider's sign-in, and trading the code they come back with for tokens.
//! Authorization code with PKCE S256; nothing less.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chartkey_domain::connections::{
    ConnectorError, ConnectorResult, Endpoint, ErrorClass, Launch, LaunchAnswer, LaunchAsk,
    Launcher, TokenState,
};
use chartkey_domain::doors::BoxFuture;
use sha2::{Digest, Sha256};
use url::Url;

use super::settings::{Audience, Settings};
use super::source::FhirSource;
use super::{discover, tokens};
use crate::connectors::wire::Effect;

/// What is asked for where a server does not say what it has.
pub const DEFAULT_SCOPE: &str = "launch/patient openid fhirUser offline_access patient/*.read";
/// Scopes that are not about data.
const CONTEXT_SCOPES: [&str; 4] = ["launch/patient", "openid", "fhirUser", "offline_access"];
/// A verifier's length, RFC 7636 section 4.1.
const VERIFIER_LEN: std::ops::RangeInclusive<usize> = 43..=128;

/// The challenge of a verifier: `base64url(SHA-256(verifier))`, RFC 7636.
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// What to ask for, of what a server advertises: some refuse wildcards, some
/// refuse what they do not know. Everything where nothing is advertised.
pub fn scope(supported: &[String], types: &[&str]) -> String {
    if supported.is_empty() {
        return DEFAULT_SCOPE.to_owned();
    }
    let has = |scope: &str| supported.iter().any(|known| known == scope);
    let mut asked: Vec<String> = CONTEXT_SCOPES
        .into_iter()
        .filter(|scope| has(scope))
        .map(str::to_owned)
        .collect();
    let wildcard = ["patient/*.rs", "patient/*.read", "patient/*.*"]
        .into_iter()
        .find(|scope| has(scope));
    if let Some(wildcard) = wildcard {
        asked.push(wildcard.to_owned());
    } else {
        let each = ["Patient", "Binary"].iter().chain(types);
        asked.extend(each.filter_map(|name| {
            [".rs", ".read", ".r"]
                .into_iter()
                .map(|letters| format!("patient/{name}{letters}"))
                .find(|scope| has(scope))
        }));
    }
    asked.join(" ")
}

impl FhirSource {
    async fn try_begin(&self, endpoint: &Endpoint, ask: LaunchAsk<'_>) -> ConnectorResult<Launch> {
        let unsupported = || ConnectorError::new(ErrorClass::Unsupported);
        let settings = Settings::of(endpoint)?;
        if !VERIFIER_LEN.contains(&ask.verifier.len()) || ask.state.is_empty() {
            return Err(ConnectorError::new(ErrorClass::Invalid));
        }
        let smart = discover::smart(&self.access, endpoint).await?;
        let methods = &smart.code_challenge_methods_supported;
        if !methods.is_empty() && !methods.iter().any(|method| method == "S256") {
            return Err(unsupported());
        }
        let authorize = smart.authorization_endpoint.ok_or_else(unsupported)?;
        // A browser goes there, so it is no request of ours; all the same it must
        // be an address that a browser may be sent to.
        self.access.wire().check(&authorize)?;
        let scope = ask.scope.map_or_else(
            || scope(&smart.scopes_supported, super::plan::TYPES),
            str::to_owned,
        );
        let mut url =
            Url::parse(&authorize).map_err(|_| ConnectorError::new(ErrorClass::Address))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", ask.client_id)
            .append_pair("redirect_uri", ask.redirect_uri)
            .append_pair("scope", &scope)
            .append_pair("state", ask.state)
            .append_pair("code_challenge", &challenge(ask.verifier))
            .append_pair("code_challenge_method", "S256");
        let base = endpoint.base_url.trim_end_matches('/');
        match settings.aud {
            Audience::Plain => {
                url.query_pairs_mut().append_pair("aud", base);
            }
            Audience::Slash => {
                url.query_pairs_mut()
                    .append_pair("aud", &format!("{base}/"));
            }
            Audience::None => {}
        }
        Ok(Launch {
            authorize_url: url.into(),
            token_url: smart.token_endpoint.ok_or_else(unsupported)?,
        })
    }

    async fn try_finish(
        &self,
        endpoint: &Endpoint,
        answer: LaunchAnswer<'_>,
    ) -> ConnectorResult<TokenState> {
        let settings = Settings::of(endpoint)?;
        let form = tokens::Form::new("authorization_code")
            .with("code", answer.code)
            .with("redirect_uri", answer.redirect_uri)
            .with("code_verifier", answer.verifier);
        let wire = self.access.wire();
        let client = tokens::Client {
            id: answer.client_id,
            secret: answer.client_secret,
            token_url: answer.token_url,
        };
        let (form, basic) = client.prove(wire, &settings, form)?;
        tokens::ask(wire, answer.token_url, basic, form, Effect::Writes, None)
            .await
            .map_err(|failure| failure.error)
    }
}

impl Launcher for FhirSource {
    fn begin<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        ask: LaunchAsk<'a>,
    ) -> BoxFuture<'a, ConnectorResult<Launch>> {
        Box::pin(self.try_begin(endpoint, ask))
    }

    fn finish<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        answer: LaunchAnswer<'a>,
    ) -> BoxFuture<'a, ConnectorResult<TokenState>> {
        Box::pin(self.try_finish(endpoint, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_that_of_the_standard() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn only_what_a_server_advertises_is_asked_for() {
        let check = |supported: &[&str], expected: &str| {
            let supported: Vec<_> = supported.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(scope(&supported, &["Observation", "List"]), expected);
        };
        check(&[], DEFAULT_SCOPE);
        check(
            &["openid", "offline_access", "patient/*.rs", "patient/*.read"],
            "openid offline_access patient/*.rs",
        );
        // No wildcard, no launch/patient, no List.
        check(
            &["openid", "patient/Patient.read", "patient/Observation.rs"],
            "openid patient/Patient.read patient/Observation.rs",
        );
    }
}
