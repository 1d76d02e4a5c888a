//! Tokens of connections, kept in the database: one node refreshes at a time,
//! and what a refresh brought is stored before it is used.

use chartkey_domain::connections::{ConnectorError, ConnectorResult, ErrorClass};
use chartkey_domain::connections::{TokenKeeper, TokenState};
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::ids::{ConnectionId, PatientId};
use chartkey_domain::sessions::after;
use chartkey_domain::sync::LinkState;
use chartkey_store::StoreError;
use chartkey_store::connections as rows;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Service;
use crate::connections::{Opened, SyncFailure, columns, pair};

/// Tokens as they are kept, before they are protected.
#[derive(Serialize, Deserialize)]
struct Kept {
    access_token: String,
    expires_at: Option<Timestamp>,
    refresh_token: Option<String>,
    patient: Option<String>,
    scope: Option<String>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

/// Keeps the tokens of a connection, or of one patient on it.
pub(crate) struct Keeper {
    service: Service,
    connection: ConnectionId,
    /// Nil for the whole connection.
    patient: PatientId,
    /// Tokens can be had again without a person: a refusal does not end them.
    renewable: bool,
}

impl Keeper {
    /// For a call that is about the connection as a whole.
    pub fn of_connection(service: &Service, opened: &Opened) -> Self {
        Self {
            service: service.clone(),
            connection: opened.row.id,
            patient: PatientId::NIL,
            renewable: opened.row.auth == "backend_services",
        }
    }

    /// For a call about one patient: each has tokens of their own where they
    /// authorised us themselves.
    pub fn of_patient(service: &Service, opened: &Opened, patient: PatientId) -> Self {
        let own = opened.row.auth == "smart";
        Self {
            patient: if own { patient } else { PatientId::NIL },
            ..Self::of_connection(service, opened)
        }
    }

    fn failed(_: StoreError) -> ConnectorError {
        ConnectorError::new(ErrorClass::Transient)
    }

    fn seal(&self, state: &TokenState) -> ConnectorResult<Vec<u8>> {
        let kept = Kept {
            access_token: state.access_token.to_string(),
            expires_at: state.expires_at,
            refresh_token: state.refresh_token.as_ref().map(|t| t.to_string()),
            patient: state.patient.clone(),
            scope: state.scope.clone(),
        };
        let text = serde_json::to_vec(&kept)
            .map(Zeroizing::new)
            .map_err(|_| ConnectorError::new(ErrorClass::Broken))?;
        let protect = self.service.protect();
        let place = pair(protect, self.connection, self.patient);
        let mut rng = self.service.rng();
        Ok(protect.seal(columns::TOKEN, place, &text, &mut rng))
    }

    fn open(&self, sealed: &[u8]) -> ConnectorResult<TokenState> {
        let broken = ConnectorError::new(ErrorClass::Auth);
        let protect = self.service.protect();
        let place = pair(protect, self.connection, self.patient);
        let text = protect
            .open(columns::TOKEN, place, sealed)
            .map_err(|_| broken.clone())?;
        let mut kept: Kept = serde_json::from_slice(text.as_bytes()).map_err(|_| broken)?;
        Ok(TokenState {
            access_token: Zeroizing::new(std::mem::take(&mut kept.access_token)),
            expires_at: kept.expires_at,
            refresh_token: kept.refresh_token.take().map(Zeroizing::new),
            patient: kept.patient.take(),
            scope: kept.scope.take(),
        })
    }

    async fn stored(&self) -> ConnectorResult<Option<TokenState>> {
        let (connection, patient) = (self.connection, self.patient);
        let found = self
            .service
            .store()
            .read("token.find", move |db| {
                rows::lookup_token(db, connection, patient)
            })
            .await
            .map_err(Self::failed)?;
        match found {
            Some((_, true)) => Err(ConnectorError::new(ErrorClass::Auth)),
            Some((Some(sealed), false)) => self.open(&sealed).map(Some),
            Some((None, false)) | None => Ok(None),
        }
    }
}

impl TokenKeeper for Keeper {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenState>, ConnectorError>> {
        Box::pin(self.stored())
    }

    fn take_turn(&self) -> BoxFuture<'_, Result<bool, ConnectorError>> {
        Box::pin(async move {
            let (connection, patient) = (self.connection, self.patient);
            let (node, now) = (self.service.0.node, self.service.now());
            let until = after(now, self.service.settings().pace.turn_secs());
            self.service
                .store()
                .write("token.turn", move |tx| {
                    rows::take_turn(tx, connection, patient, node, now, until)
                })
                .await
                .map_err(Self::failed)
        })
    }

    fn store(&self, state: TokenState) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            let (connection, patient, now) = (self.connection, self.patient, self.service.now());
            let sealed = self.seal(&state)?;
            self.service
                .store()
                .write("token.store", move |tx| {
                    rows::update_token(tx, connection, patient, &sealed, now)
                })
                .await
                .map_err(Self::failed)
        })
    }

    fn give_up(&self, lapsed: bool) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async move {
            let (connection, patient) = (self.connection, self.patient);
            let (node, now) = (self.service.0.node, self.service.now());
            let lapsed = lapsed && !self.renewable;
            self.service
                .store()
                .write("token.turn", move |tx| {
                    rows::give_turn_back(tx, connection, patient, node, lapsed, now)
                })
                .await
                .map_err(Self::failed)
        })
    }
}

/// Stores what a patient's authorisation in a browser brought (SMART), and lets
/// what waited for it go on. Who may do this was decided when it was begun.
///
/// # Errors
/// [`super::SyncError::NotAttached`], the database's.
pub async fn store_tokens(
    service: &Service,
    connection: ConnectionId,
    patient: PatientId,
    state: TokenState,
) -> Result<(), SyncFailure> {
    let keeper = Keeper {
        service: service.clone(),
        connection,
        patient,
        renewable: false,
    };
    let sealed = keeper
        .seal(&state)
        .map_err(|_| crate::Failure::Internal("tokens that cannot be kept"))?;
    let now = service.now();
    let mut rng = service.rng();
    let inner = service.clone();
    service
        .store()
        .write("token.store", move |tx| {
            let attached = rows::lookup_attachment(tx, connection, patient)?
                .ok_or(super::SyncError::NotAttached)?;
            let row = rows::lookup(tx, connection)?.ok_or(super::SyncError::UnknownConnection)?;
            rows::update_token(tx, connection, patient, &sealed, now)?;
            if let Some(remote) = &state.patient {
                let place = pair(inner.protect(), connection, patient);
                let remote = remote.as_bytes();
                let remote_p = inner
                    .protect()
                    .seal(columns::REMOTE, place, remote, &mut rng);
                rows::update_remote(tx, connection, patient, &remote_p)?;
            }
            rows::update_attachment_state(tx, connection, patient, LinkState::Ok, None)?;
            super::queue(
                tx,
                &row,
                patient,
                chartkey_domain::sync::Trigger::Manual,
                Some(attached.attached_by),
                now,
                &mut rng,
            )?;
            Ok::<_, SyncFailure>(())
        })
        .await?;
    service.wake();
    Ok(())
}
