//! `/api/v1/patients`: the caseload of a practitioner.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::charts::MAX_HISTORY;
use chartkey_domain::ids::PatientId;
use chartkey_service::assisted::{Assisted, ChartText};
use chartkey_service::charts::{self as service, Chart, ChartChange, NewChart};
use chartkey_vault::protocol::NewPatient;
use chartkey_vault::{Bytes, Bytes32};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::{Form, Json};
use super::super::problem::{Problem, ProblemView};
use super::super::wire::{Page, PageQuery, Query, SecretText, cursor, cursor_part, path_id};
use super::users::PlatformId;
use crate::app::App;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_charts, create_chart))
        .routes(routes!(find_chart, update_chart, delete_chart))
        .routes(routes!(create_invitation))
        .routes(routes!(create_claim_sheet))
}

/// A patient of a practice.
#[derive(Serialize, ToSchema)]
pub struct ChartView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    name: String,
    /// Where the patient was invited.
    email: Option<String>,
    contact_details: Option<String>,
    #[schema(value_type = Option<String>, format = Date)]
    date_of_birth: Option<String>,
    /// Sealed; for assisted callers whose grant covers `conditions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    medical_history: Option<SecretText>,
    /// Sealed; for assisted callers whose grant covers `diet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dietary_preferences: Option<SecretText>,
    /// What the practice platform calls the patient.
    carepatron_patient_id: Option<String>,
    /// The practitioner who opened the chart; null for patients who came by
    /// themselves.
    #[schema(value_type = Option<uuid::Uuid>)]
    user_id: Option<String>,
    /// Whether the patient owns the chart.
    claimed: bool,
    /// When an unclaimed chart is destroyed.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Until when the newest invitation counts.
    #[schema(value_type = Option<String>, format = DateTime)]
    invited_until: Option<Timestamp>,
    /// When the caller's access ends, once the chart is claimed.
    #[schema(value_type = Option<String>, format = DateTime)]
    access_ends_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Chart> for ChartView {
    fn from(chart: Chart) -> Self {
        Self {
            id: chart.patient.to_string(),
            name: chart.name,
            email: chart.email,
            contact_details: chart.contact,
            date_of_birth: chart.birth_date,
            medical_history: None,
            dietary_preferences: None,
            carepatron_patient_id: chart.platform_id,
            user_id: chart.opened_by.map(|id| id.to_string()),
            claimed: chart.claimed,
            expires_at: chart.expires_at,
            invited_until: chart.invited_until,
            access_ends_at: chart.grant_ends_at,
            created_at: chart.created_at,
        }
    }
}

/// The signed-in practitioner's caseload, oldest first, without what is medical.
#[utoipa::path(get, path = "/api/v1/patients", tag = "practice", params(PageQuery),
    responses((status = 200, body = Page<ChartView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_charts(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<ChartView>>, Problem> {
    let limit = paging.limit()? as usize;
    let skip: usize = match paging.cursor::<1>()? {
        Some([skip]) => cursor_part(&skip)?,
        None => 0,
    };
    let found = service::list_charts(app.service(), &caller).await?;
    let more = found.len() > skip.saturating_add(limit);
    let items = found.into_iter().skip(skip).take(limit);
    Ok(Json(Page {
        items: items.map(ChartView::from).collect(),
        next: more.then(|| cursor(&[&skip.saturating_add(limit)])),
    }))
}

/// A chart with the texts of it that the caller may read.
async fn with_texts(
    app: &App,
    caller: &chartkey_service::Caller,
    chart: Chart,
) -> Result<ChartView, Problem> {
    let patient = chart.patient;
    let mut view = ChartView::from(chart);
    if !caller.account().is_ok_and(|account| account.assisted) {
        return Ok(view);
    }
    let mut assisted = Assisted::open(app.service(), caller).await?;
    for which in ChartText::ALL {
        let text = assisted.chart_text(patient, which).await?.map(SecretText);
        match which {
            ChartText::MedicalHistory => view.medical_history = text,
            ChartText::DietaryPreferences => view.dietary_preferences = text,
        }
    }
    Ok(view)
}

/// One patient: for their practitioner, and for whoever was granted
/// `demographics`.
#[utoipa::path(get, path = "/api/v1/patients/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ChartView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn find_chart(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<ChartView>, Problem> {
    let id: PatientId = path_id(&id, "patient.unknown")?;
    let found = service::find_chart(app.service(), &caller, id).await?;
    Ok(Json(with_texts(&app, &caller, found).await?))
}

/// Who a new chart is about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChartRequest {
    name: String,
    /// Where the invitation goes.
    email: String,
    #[serde(default)]
    contact_details: Option<String>,
    /// A claim by mail must name it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    date_of_birth: Option<String>,
    /// Sealed as a record of type `conditions`.
    #[serde(default)]
    medical_history: Option<SecretText>,
    /// Sealed as a record of type `diet`.
    #[serde(default)]
    dietary_preferences: Option<SecretText>,
    #[serde(default)]
    carepatron_patient_id: Option<PlatformId>,
}

/// The same from a sealed client, which makes the patient's first generation
/// itself, and its own grant afterwards.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedChartRequest {
    name: String,
    email: String,
    #[serde(default)]
    contact_details: Option<String>,
    #[serde(default)]
    date_of_birth: Option<String>,
    #[serde(default)]
    carepatron_patient_id: Option<PlatformId>,
    patient: NewPatient,
}

/// Opens a chart and invites its patient to claim it. Practitioners of a type in
/// `CASELOAD_TYPES`.
#[utoipa::path(post, path = "/api/v1/patients", tag = "practice",
    request_body(content(
        (ChartRequest = "application/json"),
        (SealedChartRequest = "application/vnd.chartkey.sealed+json"))),
    responses((status = 201, body = ChartView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn create_chart(
    State(app): State<App>,
    Caller(caller): Caller,
    form: Form<ChartRequest, Box<SealedChartRequest>>,
) -> Result<Response, Problem> {
    let view = match form {
        Form::Sealed(body) => {
            let new = NewChart {
                name: body.name,
                email: body.email,
                contact: body.contact_details,
                birth_date: body.date_of_birth,
                platform_id: body.carepatron_patient_id.map(PlatformId::into_text),
            };
            let made = service::create_chart(app.service(), &caller, new, body.patient).await?;
            ChartView::from(made)
        }
        Form::Assisted(body) => {
            let texts = texts(body.medical_history, body.dietary_preferences)?;
            let new = NewChart {
                name: body.name,
                email: body.email,
                contact: body.contact_details,
                birth_date: body.date_of_birth,
                platform_id: body.carepatron_patient_id.map(PlatformId::into_text),
            };
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            let made = assisted.create_chart(new).await?;
            for (which, text) in texts {
                assisted.put_chart_text(made.patient, which, text.0).await?;
            }
            with_texts(&app, &caller, made).await?
        }
    };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// The texts that came, each within bounds.
fn texts(
    history: Option<SecretText>,
    preferences: Option<SecretText>,
) -> Result<Vec<(ChartText, SecretText)>, Problem> {
    let mut found = Vec::new();
    let given = [
        ("medical_history", ChartText::MedicalHistory, history),
        (
            "dietary_preferences",
            ChartText::DietaryPreferences,
            preferences,
        ),
    ];
    for (field, which, text) in given {
        let Some(text) = text.filter(|text| !text.0.trim().is_empty()) else {
            continue;
        };
        if text.0.chars().count() > MAX_HISTORY {
            return Err(Problem::field(field, "too long"));
        }
        found.push((which, text));
    }
    Ok(found)
}

/// What changes of a patient; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChartChangeRequest {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    contact_details: Option<String>,
    #[serde(default)]
    date_of_birth: Option<String>,
    /// A new version of the sealed text. Assisted callers only.
    #[serde(default)]
    medical_history: Option<SecretText>,
    /// A new version of the sealed text. Assisted callers only.
    #[serde(default)]
    dietary_preferences: Option<SecretText>,
    #[serde(default)]
    carepatron_patient_id: Option<PlatformId>,
}

/// Changes a patient: everything while the chart is unclaimed; afterwards what
/// the platform calls them, and what the grant lets write.
#[utoipa::path(put, path = "/api/v1/patients/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = ChartChangeRequest,
    responses((status = 200, body = ChartView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn update_chart(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<ChartChangeRequest>,
) -> Result<Json<ChartView>, Problem> {
    let id: PatientId = path_id(&id, "patient.unknown")?;
    let texts = texts(body.medical_history, body.dietary_preferences)?;
    let change = ChartChange {
        name: body.name,
        email: body.email,
        contact: body.contact_details,
        birth_date: body.date_of_birth,
        platform_id: body.carepatron_patient_id.map(PlatformId::into_text),
    };
    let changed = service::update_chart(app.service(), &caller, id, change).await?;
    if !texts.is_empty() {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        for (which, text) in texts {
            assisted.put_chart_text(id, which, text.0).await?;
        }
    }
    Ok(Json(with_texts(&app, &caller, changed).await?))
}

/// Destroys an unclaimed chart with everything in it.
#[utoipa::path(delete, path = "/api/v1/patients/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Destroyed"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn delete_chart(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: PatientId = path_id(&id, "patient.unknown")?;
    service::delete_chart(app.service(), &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Invites the patient of an unclaimed chart once more; the invitation before
/// counts no longer.
#[utoipa::path(post, path = "/api/v1/patients/{id}/invitation", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = ChartView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn create_invitation(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<ChartView>, Problem> {
    let id: PatientId = path_id(&id, "patient.unknown")?;
    let invited = service::create_invitation(app.service(), &caller, id).await?;
    Ok(Json(invited.into()))
}

/// What a sealed client keeps of a sheet that it made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedSheet {
    /// `ClaimKey::auth`.
    auth: Bytes32,
    /// The seed, wrapped under the sheet's key.
    wrapped: Bytes,
}

/// A claim sheet: to print and hand over, shown once.
#[derive(Serialize, ToSchema)]
pub struct SheetView {
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    /// What the sheet carries; absent for sealed clients, which made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim_key: Option<SecretText>,
    /// The address with the key in its fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<SecretText>,
    /// That address as a QR code, SVG.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<SecretText>,
}

/// Makes a claim sheet: whoever has it takes the chart over without anybody's
/// confirmation. The sheet before counts no longer.
#[utoipa::path(post, path = "/api/v1/patients/{id}/claim-sheet", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = SealedSheet, content_type = "application/vnd.chartkey.sealed+json"),
    responses((status = 201, body = SheetView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn create_claim_sheet(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    form: Form<serde_json::Map<String, serde_json::Value>, SealedSheet>,
) -> Result<Response, Problem> {
    let id: PatientId = path_id(&id, "patient.unknown")?;
    let view = match form {
        Form::Sealed(sheet) => {
            let (auth, wrapped) = (*sheet.auth.as_bytes(), sheet.wrapped.0);
            service::create_claim_sheet(app.service(), &caller, id, auth, wrapped).await?;
            SheetView {
                patient_id: id.to_string(),
                claim_key: None,
                url: None,
                qr: None,
            }
        }
        Form::Assisted(_) => {
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            let sheet = assisted.create_claim_sheet(id).await?;
            let url = format!(
                "{}/claim#sheet={id}.{}",
                app.config().app_url,
                sheet.key.as_str()
            );
            SheetView {
                patient_id: id.to_string(),
                qr: chartkey_paper::qr::qr_svg(&url).map(SecretText::from),
                url: Some(SecretText::from(url)),
                claim_key: Some(SecretText(sheet.key)),
            }
        }
    };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}
