//! The directory of providers: which organisation's FHIR server is where, as
//! vendors and registers publish it, for patients who look for theirs.

use chartkey_domain::connections::ProviderEndpoint;
use chartkey_domain::policy::{self, Action, Target};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_store::directory as rows;

use super::{SyncError, SyncFailure, permit_own};
use crate::{Caller, Failure, Service, trail};

/// Longest text that is looked for, in characters.
const MAX_QUERY: usize = 100;

/// `GET /api/v1/directory/endpoints`: providers whose name has a word that begins
/// like each word asked for, by name.
///
/// # Errors
/// The policy's, the input's, the database's.
pub async fn list_endpoints(
    service: &Service,
    caller: &Caller,
    query: &str,
    limit: u32,
) -> Result<Vec<ProviderEndpoint>, SyncFailure> {
    permit_own(service, caller, Action::ListDirectoryEndpoints)?;
    if query.chars().count() > MAX_QUERY {
        return Err(Failure::field("q", "too long"));
    }
    let words: Vec<String> = words(query);
    service
        .store()
        .read("directory.list", move |db| {
            rows::list(db, &words, limit).map_err(SyncFailure::from)
        })
        .await
}

/// Whether the caller may replace the directory, before its many bytes are read.
///
/// # Errors
/// The policy's.
pub fn may_replace(service: &Service, caller: &Caller) -> Result<(), SyncFailure> {
    let action = Action::ReplaceDirectory;
    policy::permit(&caller.who, action, &Target::Deployment, service.now())?;
    Ok(())
}

/// `PUT /api/v1/directory`: a whole directory instead of the one before; how many
/// providers it has.
///
/// # Errors
/// The policy's; [`SyncError::Refused`] for what is no directory; the database's.
pub async fn replace_directory(
    service: &Service,
    caller: &Caller,
    bundle: &[u8],
) -> Result<usize, SyncFailure> {
    let now = service.now();
    let action = Action::ReplaceDirectory;
    let permit = policy::permit(&caller.who, action, &Target::Deployment, now)?;
    let read = service.connectors().read_directory(bundle);
    let found = read.map_err(|error| SyncError::Refused(error.class))?;
    let count = found.len();
    let asking = caller.clone();
    let mut rng = service.rng();
    service
        .store()
        .write("directory.replace", move |tx| {
            rows::replace(tx, &found, |name| words(name).join(" "))?;
            let number = Detail::Number(count as u64);
            let entry = NewEntry::under(TrailAction::DirectoryReplace, now, &permit)
                .detail("providers", number);
            trail::append_by(tx, entry, &asking, &mut rng)?;
            Ok::<_, SyncFailure>(count)
        })
        .await
}

/// The words of a name, in small letters.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
