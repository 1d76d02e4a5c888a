//! Hints: another system says that something changed. What it says is never taken
//! as data; whoever knows the address may hint, and a run is queued.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chartkey_domain::ids::ConnectionId;
use chartkey_domain::limits::Limit;
use chartkey_domain::policy::{Noun, Refusal};
use subtle::ConstantTimeEq as _;

use super::SyncFailure;
use crate::{Protect, Service, limits, sync};

/// Bytes of the secret in an address: as much as nobody guesses.
const SECRET_LEN: usize = 24;

/// The secret in the address that a connection's other end is told to call.
pub(super) fn secret(protect: &Protect, id: ConnectionId) -> String {
    let hash = protect.lookup_hash("sync/webhook", id.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.get(..SECRET_LEN).unwrap_or(&hash))
}

/// `POST /api/v1/webhooks/{connection}/{secret}`: everybody on the connection is
/// looked at soon.
///
/// # Errors
/// [`Refusal::Unknown`] for a wrong secret and for a connection that is not there,
/// alike; [`crate::Failure::Limited`]; the database's.
pub async fn note_webhook(
    service: &Service,
    connection: ConnectionId,
    told: &str,
) -> Result<usize, SyncFailure> {
    let own = secret(service.protect(), connection);
    if !bool::from(own.as_bytes().ct_eq(told.as_bytes())) {
        return Err(Refusal::Unknown(Noun::Connection).into());
    }
    limits::spend(service, Limit::Webhook, &connection.to_string()).await?;
    Ok(sync::note_webhook(service, connection, None).await?)
}
