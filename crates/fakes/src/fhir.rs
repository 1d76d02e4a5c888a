//! A FHIR R4 server, shaped like a large vendor's or plain, holding made-up
//! patients. What is wrong with it are switches: [`Quirks`].

mod answers;
mod describe;
mod files;
mod oauth;
mod quirks;
mod resources;
mod search;
mod writes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use chartkey_domain::clock::Clock;
use serde_json::Value;

pub use self::quirks::{Aud, NextLink, Quirks, Refresh, Shape};
pub use self::resources::{NewDocument, Record};

use self::answers::{bare, refuse, resource};
use self::oauth::{Oauth, Partner};
use self::resources::Resources;
use self::search::Walks;
use crate::stage::{Named, Served, Stage, serve_at};

/// Largest body that is taken.
const MAX_BODY_LEN: usize = 64 << 20;

/// Where the FHIR base is, by shape.
const fn path(shape: Shape) -> &'static str {
    match shape {
        Shape::Epic => "/interconnect/api/FHIR/R4",
        Shape::Oracle => "/r4/ec2458f2-1e24-41c8-b71b-0e701af7583d",
        Shape::Plain => "/fhir",
    }
}

/// A FHIR server that is running.
#[derive(Debug)]
pub struct FhirServer {
    site: Arc<Site>,
    served: Served,
}

#[derive(Debug)]
struct Site {
    stage: Arc<Stage>,
    shape: Shape,
    /// `http://127.0.0.1:port`.
    origin: Mutex<String>,
    held: Mutex<HeldBySite>,
}

#[derive(Debug)]
struct HeldBySite {
    quirks: Quirks,
    resources: Resources,
    walks: Walks,
    oauth: Oauth,
    /// Whom the sign-in takes everybody for.
    signs_in: String,
    minute: (i64, u32),
    files_today: (i64, u32),
    files: u64,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A token that lets one in, as if a patient had just authorised it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetIn {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
}

impl FhirServer {
    /// Starts a server of this shape, empty, on `port` of this machine; 0 for any.
    ///
    /// # Errors
    /// That of binding.
    pub async fn start(shape: Shape, clock: Arc<dyn Clock>, port: u16) -> std::io::Result<Self> {
        let site = Arc::new(Site {
            stage: Stage::new(clock, name_call),
            shape,
            origin: Mutex::default(),
            held: Mutex::new(HeldBySite {
                quirks: Quirks::of(shape),
                resources: Resources::default(),
                walks: Walks::default(),
                oauth: Oauth::default(),
                signs_in: String::new(),
                minute: (0, 0),
                files_today: (0, 0),
                files: 0,
            }),
        });
        let served = serve_at(&site.stage, port, |origin| {
            origin.clone_into(&mut hold(&site.origin));
            router(&site)
        })
        .await?;
        Ok(Self { site, served })
    }

    /// The FHIR base, without a slash at its end.
    pub fn base_url(&self) -> String {
        self.site.base()
    }

    /// Where tokens come from.
    pub fn token_url(&self) -> String {
        self.site.token_url()
    }

    /// `http://127.0.0.1:port`.
    pub fn origin(&self) -> &str {
        &self.served.base_url
    }

    /// Its faults and its journal.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.site.stage
    }

    /// Turns switches.
    pub fn with_quirks(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut hold(&self.site.held).quirks);
    }

    /// Takes a made-up patient's record in; answers the patient's id. The sign-in
    /// takes everybody for the last one.
    pub fn load(&self, record: Record) -> String {
        let now = self.site.stage.clock().now();
        let base = self.base_url();
        let mut held = hold(&self.site.held);
        let patient = held.resources.load(record, &base, now);
        held.signs_in.clone_from(&patient);
        patient
    }

    /// Puts a resource, new or changed.
    ///
    /// # Panics
    /// Without a type and an id.
    pub fn put(&self, resource: Value) {
        let now = self.site.stage.clock().now();
        hold(&self.site.held).resources.put(resource, now);
    }

    /// Puts a document and its file, new or changed. The file's id is `file-` and
    /// the document's.
    pub fn put_document(&self, document: &NewDocument<'_>) {
        let now = self.site.stage.clock().now();
        let base = self.base_url();
        hold(&self.site.held)
            .resources
            .put_document(document, &base, now);
    }

    /// Takes a resource away.
    pub fn remove(&self, kind: &str, id: &str) -> bool {
        hold(&self.site.held).resources.remove(kind, id)
    }

    /// All resources of a type, by id.
    pub fn all(&self, kind: &str) -> Vec<(String, Value)> {
        let held = hold(&self.site.held);
        let all = held.resources.all(kind);
        all.map(|(id, held)| (id.to_owned(), held.value.clone()))
            .collect()
    }

    /// How many resources searches for this patient could find, the patient
    /// included, by type.
    pub fn count_of(&self, patient: &str) -> std::collections::BTreeMap<String, usize> {
        let held = hold(&self.site.held);
        let mut counts = std::collections::BTreeMap::new();
        for kind in held.resources.types() {
            let whose = held.resources.all(kind).filter(|(id, held)| {
                resources::patient_of(&held.value) == Some(patient)
                    || (kind == "Patient" && *id == patient)
            });
            let count = whose.count();
            if count > 0 {
                counts.insert(kind.to_owned(), count);
            }
        }
        counts
    }

    /// Registers a confidential client.
    pub fn register_client(&self, client_id: &str, secret: &str) {
        let mut held = hold(&self.site.held);
        let secrets = &mut held.oauth.secrets;
        secrets.insert(client_id.to_owned(), secret.to_owned());
    }

    /// Registers a partner's key: `ES384` with the uncompressed point, `RS384` with
    /// the DER of the public key.
    pub fn register_partner(&self, client_id: &str, key_id: &str, algorithm: &str, key: &[u8]) {
        let partner = Partner {
            key_id: key_id.to_owned(),
            algorithm: algorithm.to_owned(),
            public_key: key.to_owned(),
        };
        let mut held = hold(&self.site.held);
        held.oauth.partners.insert(client_id.to_owned(), partner);
    }

    /// Lets somebody in for a patient, as if they had just authorised it.
    pub fn authorize(&self, patient: &str, scope: &str) -> LetIn {
        let now = self.site.stage.clock().now();
        let held = &mut *hold(&self.site.held);
        let (access_token, refresh) = held.oauth.allow(Some(patient), scope, &held.quirks, now);
        LetIn {
            access_token,
            refresh_token: refresh.unwrap_or_default(),
        }
    }

    /// Ends everything that was authorised.
    pub fn end_authorizations(&self) {
        hold(&self.site.held).oauth.end_all();
    }

    /// Lets no access token in any more, whatever was said of its lifetime.
    pub fn forget_access_tokens(&self) {
        hold(&self.site.held).oauth.forget_tokens();
    }

    /// Serves until the process ends.
    pub async fn forever(self) {
        self.served.forever().await;
    }
}

impl Site {
    fn base(&self) -> String {
        format!("{}{}", hold(&self.origin), path(self.shape))
    }

    fn token_url(&self) -> String {
        format!("{}/oauth2/token", hold(&self.origin))
    }

    fn authorize_url(&self) -> String {
        format!("{}/oauth2/authorize", hold(&self.origin))
    }
}

/// The parts of a path under any shape's base; none outside.
fn parts(path_asked: &str) -> Option<Vec<&str>> {
    let inside = [Shape::Epic, Shape::Oracle, Shape::Plain]
        .into_iter()
        .find_map(|shape| path_asked.strip_prefix(path(shape)))?;
    Some(inside.split('/').filter(|part| !part.is_empty()).collect())
}

fn name_call(method: &Method, path_asked: &str) -> Named {
    let named = |operation: String, template: &str| Named {
        operation,
        template: template.to_owned(),
    };
    let Some(parts) = parts(path_asked) else {
        let last = path_asked.rsplit('/').next().unwrap_or_default();
        return named(last.to_owned(), path_asked);
    };
    match (method.as_str(), parts.as_slice()) {
        (_, ["metadata"]) => named("metadata".into(), "/metadata"),
        (_, [".well-known", name]) => named((*name).to_owned(), "/.well-known/{name}"),
        ("POST", [kind]) => named(format!("create:{kind}"), &format!("/{kind}")),
        (_, [kind]) => named(format!("search:{kind}"), &format!("/{kind}")),
        (_, [kind, "_search"]) => named(format!("post-search:{kind}"), &format!("/{kind}/_search")),
        (_, [kind, "_page", _]) => {
            named(format!("page:{kind}"), &format!("/{kind}/_page/{{page}}"))
        }
        (_, [kind, _, "$everything"]) => named(
            format!("everything:{kind}"),
            &format!("/{kind}/{{id}}/$everything"),
        ),
        (method, [kind, _]) => {
            let verb = match method {
                "PUT" => "update",
                "DELETE" => "delete",
                _ => "read",
            };
            named(format!("{verb}:{kind}"), &format!("/{kind}/{{id}}"))
        }
        _ => named("other".into(), "/{other}"),
    }
}

fn router(site: &Arc<Site>) -> Router {
    Router::new()
        .route("/_quirks", get(find_quirks).put(set_quirks))
        .fallback(answer)
        .with_state(Arc::clone(site))
}

async fn find_quirks(State(site): State<Arc<Site>>) -> axum::Json<Quirks> {
    axum::Json(hold(&site.held).quirks.clone())
}

async fn set_quirks(
    State(site): State<Arc<Site>>,
    axum::Json(quirks): axum::Json<Quirks>,
) -> axum::Json<Quirks> {
    hold(&site.held).quirks.clone_from(&quirks);
    axum::Json(quirks)
}

async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_LEN).await else {
        return bare(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let params: search::Params = url::form_urlencoded::parse(query).into_owned().collect();
    let call = Call {
        method: &head.method,
        path: head.uri.path(),
        params,
        headers: &head.headers,
        body,
    };
    call.answer(&site)
}

struct Call<'a> {
    method: &'a Method,
    path: &'a str,
    params: search::Params,
    headers: &'a HeaderMap,
    body: Bytes,
}

impl Call<'_> {
    fn accept(&self) -> &str {
        let accept = self.headers.get(header::ACCEPT);
        accept.and_then(|v| v.to_str().ok()).unwrap_or("*/*")
    }

    fn answer(&self, site: &Site) -> Response {
        let now = site.stage.clock().now();
        let base = site.base();
        let held = &mut *hold(&site.held);
        if let Some(moved) = &held.quirks.moved_to {
            let place = format!("{moved}{}", self.path);
            return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, place)]).into_response();
        }
        if let Some(refusal) = too_often(held, now.as_second()) {
            return refusal;
        }
        match self.path {
            "/oauth2/authorize" => {
                let query = self.params.iter().cloned().collect();
                let patient = held.signs_in.clone();
                return held.oauth.authorize(&query, &base, &patient, &held.quirks);
            }
            "/oauth2/token" => {
                let form = oauth::fields(&self.body);
                let url = site.token_url();
                return held
                    .oauth
                    .token(self.headers, &form, &url, &held.quirks, now);
            }
            _ => {}
        }
        let own = self.path.starts_with(path(site.shape));
        let Some(parts) = parts(self.path).filter(|_| own) else {
            return bare(StatusCode::NOT_FOUND);
        };
        match parts.as_slice() {
            ["metadata"] => describe::metadata(site.shape, &held.quirks),
            [".well-known", "smart-configuration"] => {
                describe::smart(&site.authorize_url(), &site.token_url())
            }
            parts => self.within(held, &base, parts, now),
        }
    }

    /// What is behind the token.
    fn within(
        &self,
        held: &mut HeldBySite,
        base: &str,
        parts: &[&str],
        now: jiff::Timestamp,
    ) -> Response {
        let scope = held
            .oauth
            .let_in(self.headers, now)
            .map(|let_in| let_in.scope);
        if held.quirks.needs_token && scope.is_none() {
            let told = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
            return (StatusCode::UNAUTHORIZED, told).into_response();
        }
        let binary = matches!(parts, ["Binary", _]) && self.method == Method::GET;
        if held.quirks.strict_accept && !binary && self.accept() != held.quirks.json_type {
            return bare(StatusCode::NOT_ACCEPTABLE);
        }
        let HeldBySite {
            quirks,
            resources,
            walks,
            files_today,
            files,
            ..
        } = held;
        let writes = !matches!(*self.method, Method::GET | Method::HEAD);
        if writes && !quirks.writable {
            return refuse(StatusCode::METHOD_NOT_ALLOWED, "not-supported", None);
        }
        match (self.method.as_str(), parts) {
            ("GET", ["Binary", id]) => {
                let day = now.as_second() / 86_400;
                let today = if files_today.0 == day {
                    files_today.1 + 1
                } else {
                    1
                };
                *files_today = (day, today);
                *files += 1;
                let asked = files::Asked {
                    id,
                    accept: self.accept(),
                    scope: scope.as_deref(),
                    today,
                    number: *files,
                };
                files::answer(quirks, resources.get("Binary", id), &asked)
            }
            ("GET", [kind]) => search::search(walks, resources, quirks, base, kind, &self.params),
            ("GET", [_, "_page", token]) => {
                search::next_page(walks, resources, quirks, base, token)
            }
            ("GET", ["Patient", id, "$everything"]) if quirks.everything => {
                search::everything(walks, resources, quirks, base, id, &self.params)
            }
            ("GET", [kind, id]) => match resources.get(kind, id) {
                Some(held) => resource(StatusCode::OK, &quirks.json_type, held, base),
                None => refuse(StatusCode::NOT_FOUND, "not-found", None),
            },
            ("POST", [kind]) => {
                writes::create(resources, quirks, base, kind, self.headers, &self.body, now)
            }
            ("PUT", [kind, id]) => {
                let which = (*kind, *id);
                writes::update(
                    resources,
                    quirks,
                    base,
                    which,
                    self.headers,
                    &self.body,
                    now,
                )
            }
            ("DELETE", [kind, id]) => writes::delete(resources, (kind, id)),
            _ => bare(StatusCode::NOT_FOUND),
        }
    }
}

fn too_often(held: &mut HeldBySite, now: i64) -> Option<Response> {
    let most = held.quirks.calls_a_minute?;
    let minute = now / 60;
    if held.minute.0 != minute {
        held.minute = (minute, 0);
    }
    held.minute.1 += 1;
    if held.minute.1 <= most {
        return None;
    }
    let left = (60 - now % 60).to_string();
    let name = if held.quirks.says_reset {
        "x-ratelimit-reset"
    } else {
        "retry-after"
    };
    Some((StatusCode::TOO_MANY_REQUESTS, [(name, left)]).into_response())
}
