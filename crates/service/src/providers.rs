//! The directory of verified providers, for whoever wants to grant access.

use chartkey_crypto::seal::KemPublic;
use chartkey_domain::accounts::{AccountError, Verification};
use chartkey_domain::ids::AccountId;
use chartkey_domain::policy::{self, Action, Target};
use chartkey_store::accounts::{self as rows, AccountRow};

use crate::{Caller, Failure, Service, columns};

/// Most providers that one search looks through.
const SEARCHED: u32 = 20_000;
/// Longest words that are searched for, in characters.
const MAX_QUERY_CHARS: usize = 200;

/// A provider as the directory shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Their account.
    pub id: AccountId,
    /// Their name.
    pub name: String,
    /// Their type, in their own words.
    pub provider_type: String,
    /// Where they work.
    pub organization: Option<String>,
    /// SHA-256 of the public key that grants are sealed to.
    pub key_fingerprint: [u8; 32],
}

/// A page of the directory.
#[derive(Debug)]
pub struct ProviderPage {
    /// By name.
    pub items: Vec<Provider>,
    /// How many to skip for the next page.
    pub next: Option<usize>,
}

/// `GET /api/providers?q=`: verified providers whose name, type or place of
/// work holds every word of `q`.
///
/// # Errors
/// The policy's.
pub async fn list_providers(
    service: &Service,
    caller: &Caller,
    q: Option<&str>,
    skip: usize,
    limit: usize,
) -> Result<ProviderPage, Failure<AccountError>> {
    let now = service.now();
    let words: Vec<String> = q
        .unwrap_or_default()
        .chars()
        .take(MAX_QUERY_CHARS)
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let (this, asking) = (service.clone(), caller.clone());
    let mut found = service
        .store()
        .read_long("provider.list", move |db| {
            asking.account()?;
            policy::permit(&asking.who, Action::ListProviders, &Target::Deployment, now)?;
            let verified = Verification::Verified.as_str();
            let mut found = Vec::new();
            for row in rows::list_by_verification(db, verified, None, SEARCHED)? {
                if row.status == "disabled" {
                    continue;
                }
                found.extend(provider(&this, &row)?.filter(|p| fits(p, &words)));
            }
            Ok::<_, Failure<AccountError>>(found)
        })
        .await?;
    found.sort_by_key(|p| (p.name.to_lowercase(), p.id));
    let more = found.len() > skip.saturating_add(limit);
    Ok(ProviderPage {
        items: found.into_iter().skip(skip).take(limit).collect(),
        next: more.then(|| skip.saturating_add(limit)),
    })
}

fn provider(
    service: &Service,
    row: &AccountRow,
) -> Result<Option<Provider>, Failure<AccountError>> {
    let Some(key) = row
        .kem_public
        .as_deref()
        .and_then(|bytes| KemPublic::from_bytes(bytes).ok())
    else {
        return Ok(None);
    };
    let protect = service.protect();
    let optional = |column, protected: Option<&Vec<u8>>| {
        protect
            .open_optional(column, row.id.0, protected.map(Vec::as_slice))
            .map(|text| text.map(|text| text.to_string()))
    };
    Ok(Some(Provider {
        id: row.id,
        name: optional(columns::ACCOUNT_NAME, Some(&row.name_p))?.unwrap_or_default(),
        provider_type: optional(columns::PROVIDER_TYPE, row.provider_type_p.as_ref())?
            .unwrap_or_default(),
        organization: optional(columns::ORGANIZATION, row.organization_p.as_ref())?,
        key_fingerprint: key.fingerprint(),
    }))
}

fn fits(provider: &Provider, words: &[String]) -> bool {
    let text = format!(
        "{}\n{}\n{}",
        provider.name,
        provider.provider_type,
        provider.organization.as_deref().unwrap_or_default()
    )
    .to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}
