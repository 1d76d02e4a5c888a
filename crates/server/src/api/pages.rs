//! The few pages that are served without the app: the API's documentation, the
//! page that a verification mail opens, the one by which documents are sent that
//! somebody asked for, and, in development, the outbox.
//!
//! Static files of our own and nothing from elsewhere; data comes to them over
//! the public API. Their scripts build text nodes, never markup.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::config::Group;

/// The policy of these pages: their own script and style, our own API.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../../assets/page.css");

/// Pages that exist everywhere.
pub fn routes(app: &App) -> Router<App> {
    let router = Router::new()
        .route("/api/docs", get(docs))
        .route("/api/docs/docs.js", get(docs_script))
        .route("/api/docs/page.css", get(style))
        .route("/requests-page/request.js", get(request_script))
        .route("/requests-page/request.css", get(request_style));
    // The app brings a page of its own.
    if app.config().groups.has(Group::Web) && crate::web::is_embedded() {
        return router;
    }
    router
        .route("/verify-email", get(verify_email))
        .route("/requests/{token}", get(request_page))
        .route("/verify-email/verify-email.js", get(verify_email_script))
        .route("/records/shared/{token}", get(shared_page))
        .route("/records/shared-page/shared.js", get(shared_script))
        .route("/records/shared-page/shared.css", get(shared_style))
}

/// Pages that exist in development only.
pub fn dev_routes() -> Router<App> {
    Router::new()
        .route("/dev/mail", get(dev_mail))
        .route("/dev/mail/mail.js", get(dev_mail_script))
        .route("/dev/mail.json", get(super::dev::list_dev_mail))
}

fn page(html: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        ],
        html,
    )
        .into_response()
}

fn script(text: &'static str) -> Response {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        text,
    )
        .into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

async fn docs() -> Response {
    page(include_str!("../../assets/docs.html"))
}

async fn docs_script() -> Response {
    script(include_str!("../../assets/docs.js"))
}

async fn verify_email() -> Response {
    page(include_str!("../../assets/verify-email.html"))
}

async fn verify_email_script() -> Response {
    script(include_str!("../../assets/verify-email.js"))
}

/// Documents are sent here without an account, by whoever was asked for some.
async fn request_page() -> Response {
    page(include_str!("../../assets/request.html"))
}

async fn request_script() -> Response {
    script(include_str!("../../assets/request.js"))
}

async fn request_style() -> Response {
    let text = include_str!("../../assets/request.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], text).into_response()
}

async fn dev_mail() -> Response {
    page(include_str!("../../assets/dev-mail.html"))
}

async fn dev_mail_script() -> Response {
    script(include_str!("../../assets/dev-mail.js"))
}

async fn shared_page() -> Response {
    page(include_str!("../../assets/shared.html"))
}

async fn shared_script() -> Response {
    script(include_str!("../../assets/shared.js"))
}

async fn shared_style() -> Response {
    let text = include_str!("../../assets/shared.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], text).into_response()
}
