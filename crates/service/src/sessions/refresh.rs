//! Refresh tokens: rotation, and what happens when one comes twice.
//!
//! A token is `base64url(session ‖ secret ‖ tag)`. The tag is ours, so only a
//! token that we once gave out can end a session by being old; knowing a
//! session's id is not enough.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const ID: usize = 16;
const SECRET: usize = 32;
const TAG: usize = 16;

/// What is kept of a refresh token.
pub(super) fn hash(service: &Service, session: SessionId, secret: &Secret) -> [u8; 32] {
    service
        .protect()
        .proof_hash("refresh", session.0, secret.as_bytes())
}

fn tag(service: &Service, session: SessionId, secret: &[u8]) -> [u8; 32] {
    service
        .protect()
        .proof_hash("refresh-tag", session.0, secret)
}

/// The token as text.
pub(super) fn to_text(service: &Service, session: SessionId, secret: &Secret) -> Zeroizing<String> {
    let tag = tag(service, session, secret.as_bytes());
    let mut bytes = Zeroizing::new(Vec::with_capacity(ID + SECRET + TAG));
    bytes.extend_from_slice(session.as_bytes());
    bytes.extend_from_slice(secret.as_bytes());
    bytes.extend(tag.iter().take(TAG));
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// Session and secret of a token that we gave out.
fn read(service: &Service, text: &str) -> Option<(SessionId, Secret)> {
    if text.len() > 128 {
        return None;
    }
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    let (id, rest) = bytes.split_first_chunk::<ID>()?;
    let (secret, given) = rest.split_first_chunk::<SECRET>()?;
    let session = SessionId::from_bytes(*id);
    let ours = tag(service, session, secret);
    let (ours, _) = ours.split_first_chunk::<TAG>()?;
    bool::from(given.ct_eq(ours)).then(|| (session, Secret::from_bytes(*secret)))
}

/// What a rotation came to, decided inside its transaction.
enum Outcome {
    Rotated(Box<SessionRow>),
    Reused,
}

/// Changes a refresh token for a new pair of tokens.
///
/// # Errors
/// [`SessionError::Ended`], also for what was never a token;
/// [`SessionError::Reused`]: then the whole family has ended.
pub async fn refresh(
    service: &Service,
    origin: &Origin,
    token: &str,
) -> Result<TokenPair, SessionFailure> {
    let (id, shown) = read(service, token).ok_or(SessionError::Ended)?;
    let (now, mut rng, this, from) = (
        service.now(),
        service.rng(),
        service.clone(),
        origin.address,
    );
    let (access, next) = (Secret::random(&mut rng), Secret::random(&mut rng));
    let (new_access, new_refresh) = (access.clone(), next.clone());
    let outcome = service
        .store()
        .write("session.refresh", move |tx| {
            let row = rows::lookup(tx, id)?
                .filter(|row| row.ended_at.is_none() && row.expires_at > now)
                .ok_or(SessionError::Ended)?;
            let account = account_rows::lookup(tx, row.account)?.ok_or(SessionError::Ended)?;
            if account.status == "disabled" {
                return Err(Refusal::Disabled.into());
            }
            if !bool::from(row.refresh_hash.ct_eq(&hash(&this, id, &shown))) {
                end_reused(tx, &row, now, from, &mut rng)?;
                return Ok::<_, SessionFailure>(Outcome::Reused);
            }
            rotate(
                tx,
                &this,
                &row,
                &shown,
                (&new_access, &new_refresh),
                now,
                &mut rng,
            )?;
            Ok(Outcome::Rotated(Box::new(row)))
        })
        .await?;
    let Outcome::Rotated(row) = outcome else {
        return Err(SessionError::Reused.into());
    };
    Ok(TokenPair {
        access: AccessGrant {
            account: row.account,
            session: id,
            auth_time: row.auth_time,
            expires_at: after(now, ACCESS_TTL_SECS).min(row.expires_at),
            secret: access,
        },
        refresh: to_text(service, id, &next),
    })
}

fn rotate(
    tx: &mut Tx,
    service: &Service,
    row: &SessionRow,
    shown: &Secret,
    (access, refresh): (&Secret, &Secret),
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), SessionFailure> {
    let opened = match row.refresh_seed.as_deref() {
        None => None,
        Some(wrapped) => Some(
            unwrap_seed(service, REFRESH, row.id, row.account, shown, wrapped)
                .map(|seed| AccountSecrets::new(row.account.0, seed))
                .ok_or(SessionError::Ended)?,
        ),
    };
    let mut wrapped = |purpose, token: &Secret| {
        opened
            .as_ref()
            .map(|opened| wrap_seed(service, purpose, row.id, opened, token, rng))
    };
    let (access_seed, refresh_seed) = (wrapped(ACCESS, access), wrapped(REFRESH, refresh));
    let rotation = Rotation {
        from: row.refresh_hash,
        to: hash(service, row.id, refresh),
        access_seed: access_seed.as_deref(),
        refresh_seed: refresh_seed.as_deref(),
        previous_access_until: after(now, ACCESS_TTL_SECS),
        at: now,
    };
    if rows::rotate(tx, row.id, &rotation)? {
        Ok(())
    } else {
        Err(SessionError::Ended.into())
    }
}

fn end_reused(
    tx: &mut Tx,
    row: &SessionRow,
    now: Timestamp,
    from: std::net::IpAddr,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), StoreError> {
    rows::end_family(tx, row.family, now)?;
    let actor = TrailActor::Account(row.account);
    let entry = NewEntry::new(TrailAction::SessionReuse, now, actor)
        .session(row.id)
        .from(from);
    trail::append(tx, entry, rng)?;
    crate::events::tell(
        tx,
        [row.account],
        crate::events::SESSION_END,
        row.family.0,
        now,
    )
}
