//! `/shl/…`: SMART Health Links (STU1) for viewers of others. They run on
//! other origins, so every answer may be read from any; nothing here takes a
//! cookie or a sign-in. Inactive for whatever reason is one 404.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use chartkey_service::shares::visit::VisitFailure;
use chartkey_service::shl::{self, FileContent, ManifestQuery};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use crate::api::edge::From as FromOrigin;
use crate::api::json::{parse, read_body};
use crate::api::problem::{Problem, ProblemView};
use crate::api::wire::{Query, SecretText};
use crate::app::App;

/// Longest body of a question for a manifest, in bytes.
const MAX_BODY: usize = 16 << 10;
/// Media type of an encrypted file.
const JOSE: &str = "application/jose";
/// Media type of what is in it.
const FHIR_JSON: &str = "application/fhir+json";

/// The routes of this folder.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(open_shl_manifest, open_shl_file))
        .routes(routes!(open_shl_ticket))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(any_origin))
}

/// Lets any origin ask and read; answers preflights (Fetch, "CORS-preflight
/// request") by itself.
async fn any_origin(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    const ALLOWED: [(HeaderName, &str); 6] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, accept"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
    ];
    for (name, value) in ALLOWED {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A question for a manifest.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestRequest {
    /// Who asks, for the sharing person to see.
    recipient: String,
    /// Where the link's flags have `P`.
    #[serde(default)]
    passcode: Option<SecretText>,
    /// Longest file that may be embedded, in characters.
    #[serde(default)]
    embedded_length_max: Option<u64>,
}

/// A manifest.
#[derive(Serialize, ToSchema)]
pub struct Manifest {
    files: Vec<ManifestFileView>,
}

/// One file of a manifest.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestFileView {
    content_type: &'static str,
    /// The file, a compact JWE.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedded: Option<String>,
    /// Where to fetch it, once and within the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    last_updated: Timestamp,
    /// Always `can-change`.
    status: &'static str,
    fhir_version: &'static str,
}

/// That a passcode is missing or wrong.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasscodeDue {
    /// Tries before the link is disabled for good.
    remaining_attempts: u32,
}

/// A refusal, as the standard words it.
struct Refused(VisitFailure);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self.0 {
            VisitFailure::Passcode { left } => {
                let due = PasscodeDue {
                    remaining_attempts: left,
                };
                (StatusCode::UNAUTHORIZED, axum::Json(due)).into_response()
            }
            VisitFailure::Ended(_) => Problem::new("share.unknown").into_response(),
            VisitFailure::Other(failure) => Problem::from(failure).into_response(),
        }
    }
}

fn malformed(detail: &'static str) -> Response {
    Problem::new("body.malformed")
        .with_detail(detail)
        .into_response()
}

/// The manifest of a SMART Health Link. Counted as one access.
#[utoipa::path(post, path = "/shl/{token}", tag = "shl", security(()),
    params(("token" = String, Path)),
    request_body = ManifestRequest,
    responses(
        (status = 200, body = Manifest),
        (status = 401, description = "The passcode is missing or wrong", body = PasscodeDue),
        (status = 404, description = "Not active", body = ProblemView, content_type = "application/problem+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn open_shl_manifest(
    State(app): State<App>,
    FromOrigin(origin): FromOrigin,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    let bytes = match read_body(request, &app).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    let Ok(body) = parse::<ManifestRequest>(&bytes) else {
        return malformed("Send JSON with a recipient.");
    };
    if body.recipient.trim().is_empty() {
        return malformed("Say who the recipient is.");
    }
    let query = ManifestQuery {
        origin,
        token,
        recipient: body.recipient.chars().take(1_000).collect(),
        passcode: body
            .passcode
            .map(|passcode| Zeroizing::new(passcode.0.to_string())),
        embedded_length_max: body
            .embedded_length_max
            .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
    };
    let files = match shl::find_manifest(app.service(), &query).await {
        Ok(files) => files,
        Err(failure) => return Refused(failure).into_response(),
    };
    let app_url = &app.config().app_url;
    let files = files.into_iter().map(|file| {
        let (embedded, location) = match file.content {
            FileContent::Embedded(jwe) => (Some(jwe), None),
            FileContent::Ticket(ticket) => (None, Some(format!("{app_url}/shl/file/{ticket}"))),
        };
        ManifestFileView {
            content_type: FHIR_JSON,
            embedded,
            location,
            last_updated: file.last_updated,
            status: "can-change",
            fhir_version: "4.0.1",
        }
    });
    axum::Json(Manifest {
        files: files.collect(),
    })
    .into_response()
}

/// Who fetches a single file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RecipientQuery {
    /// Who asks, for the sharing person to see.
    recipient: Option<String>,
}

/// The single file of a link with the flag `U`. Counted as one access.
#[utoipa::path(get, path = "/shl/{token}", tag = "shl", security(()),
    params(("token" = String, Path), RecipientQuery),
    responses(
        (status = 200, description = "A compact JWE", body = String, content_type = "application/jose"),
        (status = 404, description = "Not active, or a link with a manifest", body = ProblemView, content_type = "application/problem+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn open_shl_file(
    State(app): State<App>,
    FromOrigin(origin): FromOrigin,
    Path(token): Path<String>,
    Query(query): Query<RecipientQuery>,
) -> Response {
    let recipient = query.recipient.unwrap_or_default();
    if recipient.trim().is_empty() {
        return malformed("Say who the recipient is.");
    }
    let recipient: String = recipient.chars().take(1_000).collect();
    match shl::find_single_file(app.service(), &origin, &token, &recipient).await {
        Ok(jwe) => file(jwe),
        Err(failure) => Refused(failure).into_response(),
    }
}

/// A file that a manifest named: once, within the hour.
#[utoipa::path(get, path = "/shl/file/{ticket}", tag = "shl", security(()),
    params(("ticket" = String, Path)),
    responses(
        (status = 200, description = "A compact JWE", body = String, content_type = "application/jose"),
        (status = 404, description = "Used, too old, or no longer active", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn open_shl_ticket(
    State(app): State<App>,
    FromOrigin(origin): FromOrigin,
    Path(ticket): Path<String>,
) -> Response {
    match shl::find_file(app.service(), &origin, &ticket).await {
        Ok(jwe) => file(jwe),
        Err(failure) => Refused(failure).into_response(),
    }
}

fn file(jwe: String) -> Response {
    ([(header::CONTENT_TYPE, JOSE)], jwe).into_response()
}
