//! The end of an account, on the wire.

use axum::http::StatusCode;

use super::*;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(delete_account))
}

/// Ends the account and destroys the records that it alone manages, for good:
/// grants, links, files and sessions with them. Needs a sign-in of the last
/// five minutes. The trail keeps ids only; the e-mail address is free again.
#[utoipa::path(delete, path = "/api/patients/profile", tag = "accounts",
    responses(
        (status = 204, description = "The account is gone"),
        (status = 403, description = "`session.stepup`: sign in again first", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn delete_account(
    State(app): State<App>,
    Caller(caller): Caller,
) -> Result<StatusCode, Problem> {
    service::delete_account(app.service(), &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
