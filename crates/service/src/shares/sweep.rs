//! What a job does every minute for links and grants: ends what is over or
//! used up, warns of what ends soon, forgets tickets.

use chartkey_domain::grants::EndReason;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_store::shares as rows;
use chartkey_store::{StoreError, grants};
use jiff::SignedDuration;

use super::letters::{queue_to_holder, queue_to_managers};
use super::{ShareFailure, visit};
use crate::letters::Content;
use crate::{Service, events, trail};

/// Most that one run does of each.
const PORTION: u32 = 200;
/// How long before its end a grant is warned of.
const WARN_BEFORE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Grants that live no longer than this are not warned of.
const TOO_SHORT: SignedDuration = SignedDuration::from_hours(6 * 24);

/// One run; how many grants were ended or warned of.
///
/// # Errors
/// The database's.
pub async fn sweep(service: &Service) -> Result<usize, ShareFailure> {
    let expired = crate::grants::sweep_expired(service)
        .await
        .map_err(super::renamed)?;
    Ok(expired + end_used_up(service).await? + warn(service).await?)
}

async fn end_used_up(service: &Service) -> Result<usize, ShareFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let over = now
        .checked_sub(visit::VIEW_LIFE)
        .unwrap_or(jiff::Timestamp::MIN);
    service
        .store()
        .write("share.expire", move |tx| {
            rows::delete_tickets(tx, now)?;
            let due = rows::list_used_up(tx, over, PORTION)?;
            for (grant, patient) in &due {
                crate::patients::end_grant(tx, *grant, *patient, EndReason::UsedUp, now)?;
                let why = Detail::Word(EndReason::UsedUp.as_str());
                let entry = NewEntry::new(TrailAction::ShareExpire, now, TrailActor::System)
                    .patient(*patient)
                    .grant(*grant)
                    .detail("why", why);
                trail::append(tx, entry, &mut rng)?;
                let kind = TrailAction::ShareExpire.as_str();
                events::tell_managers(tx, *patient, kind, grant.0, now)?;
            }
            Ok(due.len())
        })
        .await
}

/// Both sides hear, once, that an access ends soon.
async fn warn(service: &Service) -> Result<usize, ShareFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let until = now.checked_add(WARN_BEFORE).unwrap_or(jiff::Timestamp::MAX);
    let this = service.clone();
    let warned: Result<usize, StoreError> = service
        .store()
        .write("grant.warn", move |tx| {
            let due = grants::list_expiring(tx, now, until, PORTION)?;
            for grant in &due {
                grants::update_notified(tx, grant.id, now)?;
                if grant.expires_at.duration_since(grant.created_at) <= TOO_SHORT {
                    continue;
                }
                let content = |giver| Content::AccessEndsSoon {
                    giver,
                    at: grant.expires_at,
                    has_account: giver || grant.holder.is_some(),
                };
                queue_to_managers(tx, &this, grant.patient, &content(true), now, &mut rng)?;
                queue_to_holder(tx, &this, grant, &content(false), now, &mut rng)?;
            }
            Ok(due.len())
        })
        .await;
    Ok(warned?)
}
