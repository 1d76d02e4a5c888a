//! A connection as the doors are handed it: its protected columns open, in
//! types that wipe themselves.

use chartkey_crypto::Secret;
use chartkey_crypto::seal::KemPrivate;
use chartkey_domain::connections::{Credentials, Endpoint, Platform, Source};
use chartkey_domain::ids::{ConnectionId, Id, PatientId};
use chartkey_domain::sync::{ClientPolicy, RemovalPolicy};
use chartkey_store::connections::ConnectionRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::connections::{SyncError, SyncFailure};
use crate::{Failure, Protect, Service};

/// The protected columns of connections and of what hangs on them.
pub(crate) mod columns {
    use crate::Column;

    /// What people call it.
    pub const NAME: Column = Column::new("connections.name_p");
    /// Where it leads.
    pub const BASE_URL: Column = Column::new("connections.base_url_p");
    /// What it proves itself with.
    pub const CREDENTIALS: Column = Column::new("connections.credentials_p");
    /// A source's dedup key, a destination's seed.
    pub const SECRET: Column = Column::new("connections.secret_p");
    /// What an adapter discovered.
    pub const DISCOVERED: Column = Column::new("connections.discovered_p");
    /// The patient's id at the other end.
    pub const REMOTE: Column = Column::new("connection_patients.remote_p");
    /// Who authorised it.
    pub const AUTHORIZATION: Column = Column::new("connection_patients.authorization_p");
    /// Tokens.
    pub const TOKEN: Column = Column::new("connection_tokens.state_p");
    /// What is remembered of a sign-in at a provider.
    pub const LAUNCH: Column = Column::new("one_time_tokens.data_p/launch");
    /// How far a run came.
    pub const CHECKPOINT: Column = Column::new("sync_runs.checkpoint_p");
    /// Where a delivery goes on.
    pub const RESUME: Column = Column::new("deliveries.resume_p");
    /// A document's id at the other end.
    pub const DOCUMENT: Column = Column::new("deliveries.remote_p");
}

/// Stands for a patient on a connection where a protected column wants one id.
pub(crate) fn pair(protect: &Protect, connection: ConnectionId, patient: PatientId) -> Id {
    let mut both = connection.as_bytes().to_vec();
    both.extend_from_slice(patient.as_bytes());
    let hash = protect.lookup_hash("sync/attachment", &both);
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(hash) {
        *to = from;
    }
    Id::from_bytes(id)
}

/// Credentials as they are kept, before they are protected.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Kept {
    None,
    Bearer {
        token: String,
    },
    Basic {
        username: String,
        password: String,
    },
    Header {
        name: String,
        value: String,
    },
    BackendServices {
        client_id: String,
        token_url: Option<String>,
        private_key: String,
        key_id: String,
        algorithm: String,
        scope: String,
    },
    Smart {
        client_id: String,
        client_secret: Option<String>,
        token_url: String,
    },
}

impl Drop for Kept {
    fn drop(&mut self) {
        match self {
            Self::None => {}
            Self::Bearer { token } => token.zeroize(),
            Self::Basic { username, password } => {
                username.zeroize();
                password.zeroize();
            }
            Self::Header { value, .. } => value.zeroize(),
            Self::BackendServices { private_key, .. } => private_key.zeroize(),
            Self::Smart { client_secret, .. } => client_secret.zeroize(),
        }
    }
}

/// The bytes that are protected.
pub(super) fn encode(credentials: &Credentials) -> Result<Zeroizing<Vec<u8>>, SyncFailure> {
    let kept = match credentials {
        Credentials::None => Kept::None,
        Credentials::Bearer { token } => Kept::Bearer {
            token: token.to_string(),
        },
        Credentials::Basic { username, password } => Kept::Basic {
            username: username.to_string(),
            password: password.to_string(),
        },
        Credentials::Header { name, value } => Kept::Header {
            name: name.clone(),
            value: value.to_string(),
        },
        Credentials::BackendServices {
            client_id,
            token_url,
            private_key,
            key_id,
            algorithm,
            scope,
        } => Kept::BackendServices {
            client_id: client_id.clone(),
            token_url: token_url.clone(),
            private_key: private_key.to_string(),
            key_id: key_id.clone(),
            algorithm: algorithm.clone(),
            scope: scope.clone(),
        },
        Credentials::Smart {
            client_id,
            client_secret,
            token_url,
        } => Kept::Smart {
            client_id: client_id.clone(),
            client_secret: client_secret.as_ref().map(|s| s.to_string()),
            token_url: token_url.clone(),
        },
    };
    serde_json::to_vec(&kept)
        .map(Zeroizing::new)
        .map_err(|_| Failure::Internal("credentials that cannot be written"))
}

fn decode(bytes: &[u8]) -> Result<Credentials, SyncFailure> {
    let mut kept: Kept =
        serde_json::from_slice(bytes).map_err(|_| Failure::Internal("stored credentials"))?;
    let secret = |text: &mut String| Zeroizing::new(std::mem::take(text));
    Ok(match &mut kept {
        Kept::None => Credentials::None,
        Kept::Bearer { token } => Credentials::Bearer {
            token: secret(token),
        },
        Kept::Basic { username, password } => Credentials::Basic {
            username: secret(username),
            password: secret(password),
        },
        Kept::Header { name, value } => Credentials::Header {
            name: std::mem::take(name),
            value: secret(value),
        },
        Kept::BackendServices {
            client_id,
            token_url,
            private_key,
            key_id,
            algorithm,
            scope,
        } => Credentials::BackendServices {
            client_id: std::mem::take(client_id),
            token_url: token_url.take(),
            private_key: secret(private_key),
            key_id: std::mem::take(key_id),
            algorithm: std::mem::take(algorithm),
            scope: std::mem::take(scope),
        },
        Kept::Smart {
            client_id,
            client_secret,
            token_url,
        } => Credentials::Smart {
            client_id: std::mem::take(client_id),
            client_secret: client_secret.take().map(Zeroizing::new),
            token_url: std::mem::take(token_url),
        },
    })
}

/// A connection, open.
pub(crate) struct Opened {
    /// As it is stored.
    pub row: ConnectionRow,
    /// What people call it.
    pub name: Zeroizing<String>,
    /// For the doors.
    pub endpoint: Endpoint,
    secret: Secret,
    clients: ClientPolicy,
    removals: RemovalPolicy,
    /// What the host may be asked in a minute, and at once after a rest, where the
    /// connection says so.
    pub per_minute: Option<i64>,
    pub burst: Option<i64>,
}

/// Takes a word of ours out of settings that are otherwise an adapter's.
fn take_word<T>(settings: &mut Value, name: &str, parse: fn(&str) -> Option<T>) -> Option<T> {
    let word = settings.as_object_mut()?.remove(name)?;
    parse(word.as_str()?)
}

/// Takes a number of ours out of them, from one to `most`.
fn take_number(settings: &mut Value, name: &str, most: i64) -> Option<i64> {
    let number = settings.as_object_mut()?.remove(name)?;
    Some(number.as_i64()?.clamp(1, most))
}

impl Opened {
    /// Opens a connection's protected columns.
    ///
    /// # Errors
    /// [`Failure::Internal`] where they were written under another key.
    pub fn open(service: &Service, row: ConnectionRow) -> Result<Self, SyncFailure> {
        let protect = service.protect();
        let name = protect.open_text(columns::NAME, row.id.0, &row.name_p)?;
        let base_url = protect.open_text(columns::BASE_URL, row.id.0, &row.base_url_p)?;
        let kept = protect.open(columns::CREDENTIALS, row.id.0, &row.credentials_p)?;
        let secret = protect
            .open(columns::SECRET, row.id.0, &row.secret_p)?
            .to_secret()
            .ok_or(Failure::Internal("a connection's secret"))?;
        let mut settings = serde_json::from_str(&row.settings)
            .map_err(|_| Failure::Internal("a connection's settings"))?;
        let clients = take_word(&mut settings, "client_policy", ClientPolicy::parse);
        let removals = take_word(&mut settings, "removal_policy", RemovalPolicy::parse);
        let per_minute = take_number(&mut settings, "requests_per_minute", 60_000);
        let burst = take_number(&mut settings, "burst", 1_000);
        let endpoint = Endpoint {
            connection: row.id,
            kind: row.kind,
            base_url: base_url.to_string(),
            credentials: decode(kept.as_bytes())?,
            settings,
        };
        Ok(Self {
            row,
            name,
            endpoint,
            secret,
            clients: clients.unwrap_or(ClientPolicy::Ask),
            removals: removals.unwrap_or(RemovalPolicy::Keep),
            per_minute,
            burst,
        })
    }

    /// A source's dedup key.
    pub const fn dedup_key(&self) -> &Secret {
        &self.secret
    }

    /// A destination's private key.
    pub fn private_key(&self) -> KemPrivate {
        KemPrivate::new(&self.secret)
    }

    /// The adapter of a source.
    ///
    /// # Errors
    /// [`SyncError::Kind`] where this program has none.
    pub fn source<'s>(&self, service: &'s Service) -> Result<&'s dyn Source, SyncFailure> {
        service
            .connectors()
            .source(self.row.kind)
            .ok_or_else(|| SyncError::Kind.into())
    }

    /// The adapter of a destination.
    ///
    /// # Errors
    /// [`SyncError::Kind`] where this program has none.
    pub fn platform<'s>(&self, service: &'s Service) -> Result<&'s dyn Platform, SyncFailure> {
        service
            .connectors()
            .platform(self.row.kind)
            .ok_or_else(|| SyncError::Kind.into())
    }

    /// Whether a person must file what goes there.
    pub fn hands_off(&self, service: &Service) -> bool {
        self.row.public_key.is_some()
            && self
                .platform(service)
                .is_ok_and(|p| !p.capabilities(&self.endpoint).put_document)
    }

    /// What to do where the platform has no client for a patient.
    pub const fn client_policy(&self) -> ClientPolicy {
        self.clients
    }

    /// What to do there when a document is gone here.
    pub const fn removal_policy(&self) -> RemovalPolicy {
        self.removals
    }
}
