//! Everything that may be taken along, in one answer.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chartkey_domain::ids::PatientId;
use chartkey_domain::records::RecordError;
use chartkey_service::Caller as Asking;
use chartkey_service::assisted::Assisted;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::wants_sealed;
use super::super::problem::{Problem, ProblemView};
use super::super::wire::Query;
use super::{patient_of, refused};
use crate::app::App;
use crate::paper;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export_records))
}

/// Whose record, in which format.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `fhir`: one FHIR R4 Bundle, the files in it up to 4 MiB each. `pdf`: a
    /// document for people.
    #[param(schema_with = formats)]
    format: String,
    /// A patient; the caller's own where absent.
    #[param(value_type = Option<uuid::Uuid>)]
    patient_id: Option<String>,
}

fn formats() -> utoipa::openapi::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(["fhir", "pdf"]))
        .build()
}

/// Takes everything along that the caller may: as a FHIR Bundle, or as a
/// document. Assisted clients only; sealed clients make their own. Logged
/// before the first byte leaves.
#[utoipa::path(
    get, path = "/api/records/export", tag = "records",
    params(ExportQuery),
    responses(
        (status = 200, description = "As an attachment", content(
            (serde_json::Value = "application/fhir+json"), (Vec<u8> = "application/pdf"))),
        (status = 406, description = "`client.side`: a sealed client exports by itself",
            body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "`export.not_offered`", body = ProblemView, content_type = "application/problem+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    )
)]
async fn export_records(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    caller.account().map_err(refused)?;
    if wants_sealed(&headers) {
        return Err(Problem::new(RecordError::ClientSide.code()));
    }
    let wanted = query.format.as_str();
    if !matches!(wanted, "fhir" | "pdf") {
        return Err(Problem::new("export.not_offered").with_detail("Offered are fhir and pdf."));
    }
    let patient = patient_of(&app, &caller, query.patient_id.as_deref()).await?;
    if wanted == "pdf" {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        let document = assisted.export_document(patient).await?;
        drop(assisted);
        let bytes = paper::exported(document).await?;
        return Ok(attachment(
            "application/pdf",
            "record.pdf",
            Body::from(bytes),
        ));
    }
    let body = bundle(&app, &caller, patient).await?;
    Ok(attachment("application/fhir+json", "record.json", body))
}

/// A Bundle, piece by piece.
async fn bundle(app: &App, caller: &Asking, patient: PatientId) -> Result<Body, Problem> {
    let mut assisted = Assisted::open(app.service(), caller).await?;
    let mut export = assisted.begin_bundle(patient).await?;
    // The first piece is opened before the status is said.
    let first = assisted.next_piece(&mut export).await?;
    let state = (assisted, export, first);
    let stream = futures_util::stream::unfold(Some(state), |state| async move {
        let (mut assisted, mut export, pending) = state?;
        let piece = bytes::Bytes::copy_from_slice(&pending?);
        match assisted.next_piece(&mut export).await {
            Ok(next) => Some((Ok(piece), Some((assisted, export, next)))),
            // The connection breaks off, so that nobody takes a part for the whole.
            Err(_) => Some((Err(std::io::Error::other("the export broke off")), None)),
        }
    });
    Ok(Body::from_stream(stream))
}

fn attachment(content_type: &'static str, name: &'static str, body: Body) -> Response {
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
