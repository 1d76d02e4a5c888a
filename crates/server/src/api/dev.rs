//! The outbox of development: what would have been mailed.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;

use super::json::Json;
use crate::app::App;

/// A mail in the outbox.
#[derive(Serialize)]
pub struct OutboxView {
    to: String,
    subject: String,
    text: String,
    html: String,
    sent_at: Timestamp,
}

/// `GET /dev/mail.json`: the outbox, newest first. Exists in development only,
/// and is no part of the documented surface.
pub async fn list_dev_mail(State(app): State<App>) -> Json<Vec<OutboxView>> {
    let kept = app.outbox().map(|outbox| outbox.list()).unwrap_or_default();
    Json(
        kept.into_iter()
            .map(|mail| OutboxView {
                to: mail.to,
                subject: mail.subject,
                text: mail.text,
                html: mail.html,
                sent_at: mail.sent_at,
            })
            .collect(),
    )
}
