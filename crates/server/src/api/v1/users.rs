//! `/api/v1/users`: accounts, and people invited to one.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use chartkey_domain::ids::AccountId;
use chartkey_service::users::{self as service, NewUser, User, UserChange};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::caller::Caller;
use super::super::json::Json;
use super::super::problem::{Problem, ProblemView};
use super::super::wire::{Page, PageQuery, Query, cursor, cursor_part, path_id};
use crate::app::App;

/// The routes of this noun.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_users, create_user))
        .routes(routes!(find_user, update_user, delete_user))
}

/// What a platform calls somebody: a number or a text.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PlatformId {
    /// A number.
    Number(i64),
    /// A text, at most 64 characters.
    Text(String),
}

impl PlatformId {
    /// As it is kept.
    pub fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// A user.
#[derive(Serialize, ToSchema)]
pub struct UserView {
    /// The account.
    #[schema(value_type = uuid::Uuid)]
    id: String,
    email: String,
    name: String,
    /// `Patient`, `Admin`, or a provider's type such as `Dietician`.
    #[serde(rename = "type")]
    user_type: String,
    /// What the practice platform calls them.
    carepatron_id: Option<String>,
    /// Invited, and not come yet: no keys, and nothing can be granted to them.
    invited: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email,
            name: user.name,
            user_type: user.user_type,
            carepatron_id: user.platform_id,
            invited: user.invited,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// Every user, newest first. Admins only.
#[utoipa::path(get, path = "/api/v1/users", tag = "practice", params(PageQuery),
    responses((status = 200, body = Page<UserView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn list_users(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(paging): Query<PageQuery>,
) -> Result<Json<Page<UserView>>, Problem> {
    let before = match paging.cursor::<2>()? {
        None => None,
        Some([ms, id]) => {
            let at = Timestamp::from_millisecond(cursor_part(&ms)?);
            let at = at.map_err(|_| Problem::new("cursor.malformed"))?;
            Some((at, cursor_part::<AccountId>(&id)?))
        }
    };
    let found = service::list_users(app.service(), &caller, before, paging.limit()?).await?;
    Ok(Json(Page {
        next: found
            .next
            .map(|(at, id)| cursor(&[&at.as_millisecond(), &id])),
        items: found.items.into_iter().map(UserView::from).collect(),
    }))
}

/// One user: oneself, or any for an admin.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = UserView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn find_user(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<UserView>, Problem> {
    let id: AccountId = path_id(&id, "account.unknown")?;
    let found = service::find_user(app.service(), &caller, id).await?;
    Ok(Json(found.into()))
}

/// Somebody to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    email: String,
    name: String,
    /// `Patient`, or a provider's type.
    #[serde(rename = "type")]
    user_type: String,
    #[serde(default)]
    carepatron_id: Option<PlatformId>,
}

/// Invites somebody by mail: any type for an admin, patients for a practitioner
/// with a caseload. They have no keys until they sign in for the first time.
#[utoipa::path(post, path = "/api/v1/users", tag = "practice", request_body = UserRequest,
    responses((status = 201, body = UserView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn create_user(
    State(app): State<App>,
    Caller(caller): Caller,
    Json(body): Json<UserRequest>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let new = NewUser {
        email: body.email,
        name: body.name,
        user_type: body.user_type,
        platform_id: body.carepatron_id.map(PlatformId::into_text),
    };
    let made = service::create_user(app.service(), &caller, new).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// What changes of a user; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChangeRequest {
    #[serde(default)]
    name: Option<String>,
    /// An empty text takes it away.
    #[serde(default)]
    carepatron_id: Option<PlatformId>,
}

/// Changes a user: oneself, or any for an admin.
#[utoipa::path(put, path = "/api/v1/users/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)), request_body = UserChangeRequest,
    responses((status = 200, body = UserView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn update_user(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<UserChangeRequest>,
) -> Result<Json<UserView>, Problem> {
    let id: AccountId = path_id(&id, "account.unknown")?;
    let change = UserChange {
        name: body.name,
        platform_id: body.carepatron_id.map(PlatformId::into_text),
    };
    let changed = service::update_user(app.service(), &caller, id, change).await?;
    Ok(Json(changed.into()))
}

/// Ends a user's sign-in. A patient's record is destroyed by its owner only.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "practice",
    params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Ended"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json")))]
async fn delete_user(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: AccountId = path_id(&id, "account.unknown")?;
    service::delete_user(app.service(), &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
