//! A sealed client over a blocking connection: the vault's own state machine,
//! as the command line and the browser drive it.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20::ChaCha20Rng;
use chartkey_benches::{Call, Connection, PASSWORD, Person, Server};
use chartkey_vault::account::PasswordRoot;
use chartkey_vault::http::{self, Answer, Fetch, Http, SEALED};
use chartkey_vault::protocol::{
    AccountKeys, GrantChange, KdfParams, KnownTags, KnownTagsRequest, PatientKeys, SealedAdoption,
    SealedEpochs, SealedGeneration, SealedGrant, SealedPage, SealedWrite, Unadopted, WriteOutcome,
};
use chartkey_vault::transport::SealedQuery;
use chartkey_vault::{Act, Bytes, Client, Id, Memory, Transport, VaultError};
use jiff::Timestamp;
use rand_core::SeedableRng as _;
use serde_json::{Value, json};

/// The present.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench has no clock but the machine's"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Chance of its own for each `seed`.
pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Carries requests over one connection.
pub struct Wire {
    connection: Mutex<Connection>,
    token: String,
}

impl Fetch for Wire {
    async fn fetch(&self, call: http::Call) -> Result<Answer, VaultError> {
        let mut request = Call::new(call.method, call.path)
            .token(&self.token)
            .header("Accept", SEALED);
        if let Some(body) = call.body {
            request = request.body(SEALED, body);
        }
        let answer = self.connection.lock().unwrap().send(&request);
        let answer = answer.map_err(|_| VaultError::Unavailable)?;
        Ok(Answer {
            status: answer.status,
            body: answer.body,
        })
    }
}

/// A transport that keeps writes instead of sending them, once told to.
pub struct Keeping {
    http: Http<Wire>,
    kept: Option<Arc<Mutex<Vec<SealedWrite>>>>,
}

/// A sealed client of somebody who registered with [`PASSWORD`].
pub struct Sealed {
    /// The state machine.
    pub client: Client<Keeping>,
    /// Its access token.
    pub token: String,
    /// The patient.
    pub patient: Id,
    rng: ChaCha20Rng,
}

impl Sealed {
    /// Signs in with half of the stretched password.
    pub fn sign_in(server: &Server, person: &Person, seed: u64) -> Self {
        let asked = Call::post("/api/auth/prelogin").json(&json!({"email": person.email}));
        let answer = server.send(&asked).expect(200).json();
        let kdf: KdfParams = serde_json::from_value(answer["kdf"].clone()).unwrap();
        let salt = STANDARD.decode(answer["salt"].as_str().unwrap()).unwrap();
        let root = PasswordRoot::derive(PASSWORD, &salt.try_into().unwrap(), kdf).unwrap();
        let body = json!({"email": person.email, "auth_key": root.auth_key()});
        let done: Value = server
            .send(&Call::post("/api/auth/login").json(&body))
            .expect(200)
            .json();
        let wrapped: Bytes = serde_json::from_value(done["wrapped_seed"].clone()).unwrap();
        let account = person.account.parse().unwrap();
        let secrets = root.unlock(account, &wrapped).unwrap();
        let token = done["access_token"].as_str().unwrap().to_owned();
        let wire = Wire {
            connection: Mutex::new(server.connect()),
            token: token.clone(),
        };
        let transport = Keeping {
            http: Http(wire),
            kept: None,
        };
        Self {
            client: Client::new(transport, secrets, Memory::default()),
            token,
            patient: person.patient.parse().unwrap(),
            rng: rng(seed),
        }
    }

    /// The client, with time and chance for one operation.
    pub fn acting(&mut self) -> (&mut Client<Keeping>, Act<'_>) {
        (
            &mut self.client,
            Act {
                now: now(),
                rng: &mut self.rng,
            },
        )
    }

    /// What `act` would write, sealed and not sent.
    pub fn keep_writes(&mut self, act: impl FnOnce(&mut Self)) -> Vec<SealedWrite> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        self.client.transport.kept = Some(Arc::clone(&kept));
        act(self);
        self.client.transport.kept = None;
        let mut kept = kept.lock().unwrap();
        std::mem::take(&mut *kept)
    }
}

/// Runs a future whose transport never waits.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

impl Transport for Keeping {
    async fn patient_keys(&self, patient: Id) -> Result<PatientKeys, VaultError> {
        self.http.patient_keys(patient).await
    }

    async fn account_keys(&self, account: Id) -> Result<AccountKeys, VaultError> {
        self.http.account_keys(account).await
    }

    async fn known(&self, request: KnownTagsRequest) -> Result<KnownTags, VaultError> {
        if self.kept.is_some() {
            return Ok(KnownTags { items: Vec::new() });
        }
        self.http.known(request).await
    }

    async fn write(&self, write: SealedWrite) -> Result<WriteOutcome, VaultError> {
        let Some(kept) = &self.kept else {
            return self.http.write(write).await;
        };
        let grants_version = write.grants_version;
        kept.lock().unwrap().push(write);
        Ok(WriteOutcome {
            grants_version,
            leaf_index: 0,
        })
    }

    async fn list(&self, patient: Id, query: &SealedQuery) -> Result<SealedPage, VaultError> {
        self.http.list(patient, query).await
    }

    async fn find(&self, record: Id) -> Result<SealedPage, VaultError> {
        self.http.find(record).await
    }

    async fn unadopted(&self, patient: Id) -> Result<Unadopted, VaultError> {
        self.http.unadopted(patient).await
    }

    async fn adopt(&self, adoption: SealedAdoption) -> Result<WriteOutcome, VaultError> {
        self.http.adopt(adoption).await
    }

    async fn begin_epochs(&self, epochs: SealedEpochs) -> Result<WriteOutcome, VaultError> {
        self.http.begin_epochs(epochs).await
    }

    async fn begin_generation(&self, made: SealedGeneration) -> Result<WriteOutcome, VaultError> {
        self.http.begin_generation(made).await
    }

    async fn grant(&self, grant: SealedGrant) -> Result<WriteOutcome, VaultError> {
        self.http.grant(grant).await
    }

    async fn change_grant(
        &self,
        grant: Id,
        change: GrantChange,
    ) -> Result<WriteOutcome, VaultError> {
        self.http.change_grant(grant, change).await
    }
}
