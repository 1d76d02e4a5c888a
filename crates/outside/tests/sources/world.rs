//! A made-up server, an adapter that may call it, and a patient there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chartkey_domain::clock::FixedClock;
use chartkey_domain::connections::*;
use chartkey_domain::doors::BoxFuture;
use chartkey_fakes::fhir::{FhirServer, Record, Shape};
use chartkey_outside::connectors::{Adapters, ConnectorLimits};
use chartkey_outside::http::HttpSettings;
use chartkey_outside::http::addresses::AllowedHosts;
use jiff::{SignedDuration, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub const NOW: &str = "2026-11-02T12:00:00Z";

/// Keeps tokens in memory, and what was done with them in order.
#[derive(Default)]
pub struct Keeper {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    state: Option<TokenState>,
    taken: bool,
    lapsed: bool,
    did: Vec<&'static str>,
}

impl Keeper {
    pub fn holding(access: &str, refresh: &str, expires_at: Option<Timestamp>) -> Self {
        let keeper = Self::default();
        keeper.inside.lock().unwrap().state = Some(TokenState {
            access_token: Zeroizing::new(access.to_owned()),
            expires_at,
            refresh_token: Some(Zeroizing::new(refresh.to_owned())),
            patient: None,
            scope: None,
        });
        keeper
    }

    pub fn refresh_token(&self) -> Option<String> {
        let inside = self.inside.lock().unwrap();
        let state = inside.state.as_ref()?;
        state.refresh_token.as_ref().map(|token| token.to_string())
    }

    pub fn lapsed(&self) -> bool {
        self.inside.lock().unwrap().lapsed
    }

    pub fn turn_is_free(&self) -> bool {
        !self.inside.lock().unwrap().taken
    }

    pub fn did(&self) -> Vec<&'static str> {
        self.inside.lock().unwrap().did.clone()
    }
}

impl TokenKeeper for Keeper {
    fn load(&self) -> BoxFuture<'_, Result<Option<TokenState>, ConnectorError>> {
        let state = self.inside.lock().unwrap().state.clone();
        Box::pin(async move { Ok(state) })
    }

    fn take_turn(&self) -> BoxFuture<'_, Result<bool, ConnectorError>> {
        let mut inside = self.inside.lock().unwrap();
        let free = !inside.taken;
        inside.taken = true;
        if free {
            inside.did.push("take_turn");
        }
        Box::pin(async move { Ok(free) })
    }

    fn store(&self, state: TokenState) -> BoxFuture<'_, Result<(), ConnectorError>> {
        let mut inside = self.inside.lock().unwrap();
        inside.state = Some(state);
        inside.taken = false;
        inside.did.push("store");
        Box::pin(async { Ok(()) })
    }

    fn give_up(&self, lapsed: bool) -> BoxFuture<'_, Result<(), ConnectorError>> {
        let mut inside = self.inside.lock().unwrap();
        inside.taken = false;
        inside.lapsed |= lapsed;
        inside.did.push("give_up");
        Box::pin(async { Ok(()) })
    }
}

/// What a pull brought.
#[derive(Default)]
pub struct Pulled {
    /// By `Type/id`; of several, the newest.
    pub resources: BTreeMap<String, Value>,
    /// Entries that were refused, by search.
    pub refused: Vec<(String, String)>,
    /// Searches that failed.
    pub failed: Vec<(String, ConnectorError)>,
    /// Pages that were read, by search.
    pub pages: BTreeMap<String, u32>,
}

impl Pulled {
    pub fn count(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for name in self.resources.keys() {
            let kind = name.split('/').next().unwrap().to_owned();
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }

    fn take(&mut self, bytes: &[u8]) {
        let value: Value = serde_json::from_slice(bytes).unwrap();
        let word = |name: &str| value[name].as_str().unwrap().to_owned();
        let name = format!("{}/{}", word("resourceType"), word("id"));
        let age = |value: &Value| {
            let text = value["meta"]["lastUpdated"].as_str().unwrap_or_default();
            text.parse::<Timestamp>().ok()
        };
        let older = self
            .resources
            .get(&name)
            .is_some_and(|held| age(held) > age(&value));
        if !older {
            self.resources.insert(name, value);
        }
    }
}

pub struct World {
    pub server: FhirServer,
    pub clock: FixedClock,
    pub adapters: Adapters,
    pub keeper: Keeper,
    pub credentials: Credentials,
    pub settings: Value,
    pub patient: String,
}

pub fn adapters(allowed: &str, limits: ConnectorLimits, clock: &FixedClock) -> Adapters {
    let http = HttpSettings {
        allowed_hosts: AllowedHosts::parse(allowed).unwrap(),
        timeout: Duration::from_millis(1500),
        ..HttpSettings::default()
    };
    let chance = Box::new(ChaCha20Rng::from_seed([7; 32]));
    Adapters::new(http, limits, Arc::new(clock.clone()), chance).unwrap()
}

impl World {
    /// A server of this shape with a small patient, authorised where it must be.
    pub async fn new(shape: Shape) -> Self {
        Self::with(shape, Record::Small).await
    }

    pub async fn with(shape: Shape, record: Record) -> Self {
        let clock = FixedClock::new(NOW.parse().unwrap());
        let server = FhirServer::start(shape, Arc::new(clock.clone()), 0)
            .await
            .unwrap();
        let patient = server.load(record);
        let mut world = Self {
            adapters: adapters("127.0.0.1", ConnectorLimits::default(), &clock),
            keeper: Keeper::default(),
            credentials: Credentials::None,
            settings: json!({}),
            server,
            clock,
            patient,
        };
        if shape != Shape::Plain {
            world.sign_in("launch/patient offline_access patient/*.rs");
        }
        world
    }

    /// As if the patient had just authorised us.
    pub fn sign_in(&mut self, scope: &str) {
        let let_in = self.server.authorize(&self.patient, scope);
        let lifetime = SignedDuration::from_secs(570);
        let ends = chartkey_domain::clock::Clock::now(&self.clock)
            .checked_add(lifetime)
            .unwrap();
        self.keeper = Keeper::holding(&let_in.access_token, &let_in.refresh_token, Some(ends));
        self.credentials = Credentials::Smart {
            client_id: "chartkey".to_owned(),
            client_secret: None,
            token_url: self.server.token_url(),
        };
    }

    pub fn wait(&self, secs: i64) {
        self.clock.advance(SignedDuration::from_secs(secs));
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            connection: chartkey_domain::ids::ConnectionId::from_bytes([1; 16]),
            kind: ConnectionKind::Fhir,
            base_url: self.server.base_url(),
            credentials: self.credentials.clone(),
            settings: self.settings.clone(),
        }
    }

    pub fn source(&self) -> &dyn Source {
        self.adapters.source(ConnectionKind::Fhir).unwrap()
    }

    pub async fn plan(&self) -> SourcePlan {
        let endpoint = self.endpoint();
        let plan = self.source().plan(&endpoint, &self.keeper, None).await;
        plan.unwrap()
    }

    /// The first page of one search.
    pub async fn first(&self, name: &str) -> ConnectorResult<SourcePage> {
        self.page(name, None).await
    }

    pub async fn page(&self, name: &str, next: Option<&str>) -> ConnectorResult<SourcePage> {
        let plan = self.plan().await;
        let planned = plan.queries.iter().find(|query| query.name == name);
        let query = planned.cloned().unwrap_or_else(|| SourceQuery {
            name: name.to_owned(),
            resource_type: name.split('?').next().unwrap().to_owned(),
            incremental: false,
        });
        self.ask(&query, &plan.discovered, None, next).await
    }

    pub async fn ask(
        &self,
        query: &SourceQuery,
        discovered: &Value,
        since: Option<Timestamp>,
        next: Option<&str>,
    ) -> ConnectorResult<SourcePage> {
        let endpoint = self.endpoint();
        let ask = PageAsk {
            patient: &self.patient,
            query,
            discovered,
            since,
            next,
        };
        self.source().page(&endpoint, &self.keeper, ask).await
    }

    /// Walks through every search to its end, as a pull does: what fails is
    /// noted, an expired search is begun again once.
    pub async fn pull(&self, since: Option<Timestamp>) -> Pulled {
        let plan = self.plan().await;
        self.walk(&plan, since).await
    }

    pub async fn walk(&self, plan: &SourcePlan, since: Option<Timestamp>) -> Pulled {
        let mut pulled = Pulled::default();
        for query in &plan.queries {
            let mut next: Option<String> = None;
            let mut begun_again = false;
            loop {
                let page = self.ask(query, &plan.discovered, since, next.as_deref());
                let page = match page.await {
                    Ok(page) => page,
                    Err(error) if error.class == ErrorClass::Expired && !begun_again => {
                        begun_again = true;
                        next = None;
                        continue;
                    }
                    Err(error) => {
                        pulled.failed.push((query.name.clone(), error));
                        break;
                    }
                };
                *pulled.pages.entry(query.name.clone()).or_default() += 1;
                for code in page.refused {
                    pulled.refused.push((query.name.clone(), code));
                }
                for resource in &page.resources {
                    pulled.take(resource);
                }
                let Some(more) = page.next else { break };
                next = Some(more);
            }
        }
        pulled
    }

    pub async fn file(&self, url: &str, content_type: Option<&str>) -> ConnectorResult<SourceFile> {
        let endpoint = self.endpoint();
        let source = self.source();
        source
            .file(&endpoint, &self.keeper, url, content_type, 1 << 20)
            .await
    }

    /// What the server holds of the patient, of the types that are declared.
    pub fn held(&self) -> BTreeMap<String, usize> {
        let mut counts = self.server.count_of(&self.patient);
        counts.retain(|kind, _| !matches!(kind.as_str(), "Binary" | "SupplyDelivery"));
        counts
    }
}

pub fn class(result: ConnectorResult<impl Sized>) -> ErrorClass {
    result.err().expect("it should have failed").class
}

/// Everything arrives, and in as many pages as it takes.
pub async fn arrives(world: &World) {
    let pulled = world.pull(None).await;
    assert_eq!(pulled.failed, []);
    assert_eq!(pulled.refused, []);
    assert_eq!(pulled.count(), world.held());
}
