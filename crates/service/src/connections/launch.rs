//! A patient connects their provider: they are sent to its sign-in (SMART App
//! Launch 2.2, standalone, with PKCE), and what they come back with is traded for
//! tokens that the connection keeps.
//!
//! What was begun is known by a state that counts once and for ten minutes, names
//! the account that began it, and is bound to that account's browser by a second
//! secret that only it has: nobody is made to connect their provider to somebody
//! else's record. Whether the record may be added to is asked at every pull.

use chartkey_domain::connections::{
    Credentials, Launch, LaunchAnswer, LaunchAsk, Launcher, TokenState,
};
use chartkey_domain::ids::{ConnectionId, Id, PatientId};
use chartkey_domain::policy::{Action, Noun, Permit, Refusal};
use chartkey_domain::sessions::after;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_store::connections::{self as rows, ConnectionRow};
use chartkey_store::tokens::{self, TokenRow};
use chartkey_store::{Reader, Tx};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::attach::permit_pair;
use super::{Opened, SyncError, SyncFailure, columns, opened};
use crate::{Caller, Failure, Service, secrets, sync, trail};

/// What the state is for, and the secret beside it.
const STATE: &str = "connection.launch";
const BROWSER: &str = "connection.launch.browser";
/// How long signing in at a provider may take, in seconds.
const TTL_SECS: i64 = 600;

/// Where a patient's browser is to go, and what it must bring back.
#[derive(Debug)]
pub struct Begun {
    /// The provider's sign-in.
    pub authorize_url: String,
    /// Kept by the browser alone until it comes back.
    pub browser: Zeroizing<String>,
    /// How long it counts, in seconds.
    pub ttl_secs: i64,
}

/// How a sign-in at a provider ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The provider is connected, and is being read.
    Connected,
    /// The patient, or the provider, said no.
    Declined,
    /// It took too long, was used before, or began in another browser.
    Expired,
    /// The provider did not hand over what it promised.
    Failed,
}

impl Outcome {
    /// The word in the address of the page where it ends.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

/// Where it ended, and what it was about where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landed {
    /// How.
    pub outcome: Outcome,
    /// Which connection and patient.
    pub about: Option<(ConnectionId, PatientId)>,
}

/// What a browser comes back with, as the provider wrote it.
#[derive(Clone, Copy, Default)]
pub struct Comeback<'a> {
    /// As it was sent there.
    pub state: &'a str,
    /// The code, where the patient agreed.
    pub code: Option<&'a str>,
    /// The secret that the browser kept.
    pub browser: Option<&'a str>,
}

/// What is remembered of a sign-in, before it is protected.
#[derive(Serialize, Deserialize)]
struct Kept {
    connection: RawId,
    patient: RawId,
    browser: [u8; 32],
    verifier: String,
    token_url: String,
}

type RawId = [u8; 16];

impl Drop for Kept {
    fn drop(&mut self) {
        self.verifier.zeroize();
    }
}

/// Where a provider sends the patient back to, as it is to be registered there.
pub fn redirect_uri(service: &Service) -> String {
    format!("{}/api/v1/connections/callback", service.settings().app_url)
}

fn launcher<'s>(service: &'s Service, opened: &Opened) -> Result<&'s dyn Launcher, SyncFailure> {
    service
        .connectors()
        .launcher(opened.row.kind)
        .ok_or_else(|| SyncError::Kind.into())
}

/// The state's place for what is protected beside it.
fn place(hash: &[u8; 32]) -> Id {
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(hash) {
        *to = *from;
    }
    Id::from_bytes(id)
}

fn permit(
    db: &mut Reader,
    caller: &Caller,
    connection: ConnectionId,
    patient: PatientId,
    now: Timestamp,
) -> Result<(ConnectionRow, Permit), SyncFailure> {
    caller.account()?;
    let row = rows::lookup(db, connection)?.ok_or(Refusal::Unknown(Noun::Connection))?;
    let permit = permit_pair(db, caller, Action::LaunchConnection, &row, patient, now)?;
    rows::lookup_attachment(db, connection, patient)?.ok_or(SyncError::NotAttached)?;
    Ok((row, permit))
}

/// `POST /api/v1/connections/{id}/launch`: the address of the provider's sign-in.
///
/// # Errors
/// The policy's, [`SyncError::Kind`] for a connection that nobody signs in to,
/// [`SyncError::Refused`] where the provider cannot be asked, the database's.
pub async fn launch_connection(
    service: &Service,
    caller: &Caller,
    connection: ConnectionId,
    patient: PatientId,
) -> Result<Begun, SyncFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (row, permit) = service
        .store()
        .read("connection.launch", move |db| {
            permit(db, &asking, connection, patient, now)
        })
        .await?;
    let account = permit.account().ok_or(Refusal::Unauthenticated)?;
    let opened = Opened::open(service, row)?;
    let Credentials::Smart {
        client_id,
        token_url,
        ..
    } = &opened.endpoint.credentials
    else {
        return Err(SyncError::Kind.into());
    };
    let mut rng = service.rng();
    let (state, hash) = secrets::new_token(service, STATE, &mut rng);
    let (verifier, _) = secrets::new_token(service, STATE, &mut rng);
    let (browser, browser_hash) = secrets::new_token(service, BROWSER, &mut rng);
    let redirect_uri = redirect_uri(service);
    let ask = LaunchAsk {
        client_id,
        redirect_uri: &redirect_uri,
        scope: None,
        state: &state,
        verifier: &verifier,
    };
    let begun = launcher(service, &opened)?
        .begin(&opened.endpoint, ask)
        .await;
    let Launch {
        authorize_url,
        token_url: discovered,
    } = begun.map_err(|error| SyncError::Refused(error.class))?;
    let kept = Kept {
        connection: *connection.as_bytes(),
        patient: *patient.as_bytes(),
        browser: browser_hash,
        verifier: verifier.to_string(),
        token_url: Some(token_url.clone())
            .filter(|url| !url.is_empty())
            .unwrap_or(discovered),
    };
    let text = serde_json::to_vec(&kept)
        .map(Zeroizing::new)
        .map_err(|_| Failure::Internal("a sign-in that cannot be kept"))?;
    let data_p = service
        .protect()
        .seal(columns::LAUNCH, place(&hash), &text, &mut rng);
    let token = TokenRow {
        hash,
        purpose: STATE.to_owned(),
        account: Some(account),
        data_p: Some(data_p),
        expires_at: after(now, TTL_SECS),
    };
    service
        .store()
        .write("connection.launch", move |tx: &mut Tx| {
            tokens::insert(tx, &token).map_err(SyncFailure::from)
        })
        .await?;
    Ok(Begun {
        authorize_url,
        browser,
        ttl_secs: TTL_SECS,
    })
}

/// `GET /api/v1/connections/callback`: a browser came back from a provider's
/// sign-in. Whatever it brings, it ends at a page.
///
/// # Errors
/// The database's.
pub async fn finish_launch(service: &Service, came: Comeback<'_>) -> Result<Landed, SyncFailure> {
    const EXPIRED: Landed = Landed {
        outcome: Outcome::Expired,
        about: None,
    };
    let now = service.now();
    let Some(hash) = secrets::token_hash(service, STATE, came.state) else {
        return Ok(EXPIRED);
    };
    let token = service
        .store()
        .write("connection.callback", move |tx| {
            tokens::take(tx, &hash, STATE, now).map_err(SyncFailure::from)
        })
        .await?;
    let Some(kept) = token.as_ref().and_then(|t| read(service, &hash, t)) else {
        return Ok(EXPIRED);
    };
    let browser = came
        .browser
        .and_then(|text| secrets::token_hash(service, BROWSER, text));
    // Both are keyed hashes: comparing them tells nothing of what was hashed.
    if browser != Some(kept.browser) {
        return Ok(EXPIRED);
    }
    let connection = ConnectionId::from_bytes(kept.connection);
    let patient = PatientId::from_bytes(kept.patient);
    let about = Some((connection, patient));
    let Some(code) = came.code else {
        let outcome = Outcome::Declined;
        return Ok(Landed { outcome, about });
    };
    let row = service
        .store()
        .read("connection.callback", move |db| {
            let there = rows::lookup_attachment(db, connection, patient)?;
            let row = rows::lookup(db, connection)?;
            Ok::<_, SyncFailure>(row.filter(|_| there.is_some()))
        })
        .await?;
    let failed = Landed {
        outcome: Outcome::Failed,
        about,
    };
    let Some(row) = row else {
        return Ok(failed);
    };
    let opened = Opened::open(service, row)?;
    let Some(tokens) = trade(service, &opened, &kept, code).await? else {
        return Ok(failed);
    };
    let who = token.and_then(|t| t.account);
    keep_token_url(service, opened, &kept.token_url).await?;
    sync::store_tokens(service, connection, patient, tokens).await?;
    let mut rng = service.rng();
    service
        .store()
        .write("connection.authorize", move |tx| {
            let actor = who.map_or(TrailActor::System, TrailActor::Account);
            let entry = NewEntry::new(TrailAction::ConnectionAuthorize, now, actor)
                .patient(patient)
                .detail("connection", Detail::Id(connection.0));
            trail::append(tx, entry, &mut rng).map_err(SyncFailure::from)
        })
        .await?;
    Ok(Landed {
        outcome: Outcome::Connected,
        about,
    })
}

fn read(service: &Service, hash: &[u8; 32], token: &TokenRow) -> Option<Kept> {
    let sealed = token.data_p.as_deref()?;
    let text = service
        .protect()
        .open(columns::LAUNCH, place(hash), sealed)
        .ok()?;
    serde_json::from_slice(text.as_bytes()).ok()
}

/// Trades the code for tokens; nothing where the provider would not, or named no
/// patient.
async fn trade(
    service: &Service,
    opened: &Opened,
    kept: &Kept,
    code: &str,
) -> Result<Option<TokenState>, SyncFailure> {
    let Credentials::Smart {
        client_id,
        client_secret,
        ..
    } = &opened.endpoint.credentials
    else {
        return Ok(None);
    };
    let answer = LaunchAnswer {
        token_url: &kept.token_url,
        client_id,
        client_secret: client_secret.as_ref().map(|s| s.as_str()),
        redirect_uri: &redirect_uri(service),
        code,
        verifier: &kept.verifier,
    };
    let traded = launcher(service, opened)?
        .finish(&opened.endpoint, answer)
        .await;
    Ok(traded.ok().filter(|tokens| tokens.patient.is_some()))
}

/// Keeps where tokens come from, where nobody had said: they are refreshed there.
async fn keep_token_url(service: &Service, opened: Opened, found: &str) -> Result<(), SyncFailure> {
    let Credentials::Smart {
        client_id,
        client_secret,
        token_url,
    } = &opened.endpoint.credentials
    else {
        return Ok(());
    };
    if token_url == found {
        return Ok(());
    }
    let credentials = Credentials::Smart {
        client_id: client_id.clone(),
        client_secret: client_secret.clone(),
        token_url: found.to_owned(),
    };
    let mut rng = service.rng();
    let text = opened::encode(&credentials)?;
    let id = opened.row.id;
    let sealed = service
        .protect()
        .seal(columns::CREDENTIALS, id.0, &text, &mut rng);
    service
        .store()
        .write("connection.authorize", move |tx| {
            rows::update_credentials(tx, id, &sealed).map_err(SyncFailure::from)
        })
        .await
}
