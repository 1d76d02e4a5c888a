//! Server-sent events: that something changed, by id alone.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Line, Sse};
use axum::response::{IntoResponse, Response};
use chartkey_service::events::{self, Event, Heard};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::problem::{Problem, ProblemView};
use crate::app::App;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_events))
}

/// The data of an event.
#[derive(Serialize, ToSchema)]
pub struct EventView {
    /// Its place among all events: what `Last-Event-ID` repeats.
    id: i64,
    /// What changed: a record, grant, request, link or session; a patient
    /// where it is several of theirs.
    #[schema(value_type = Option<uuid::Uuid>)]
    subject: Option<String>,
    /// What happened, as the trail's dotted word.
    kind: String,
}

/// Listens. `event` is `records`, `grants`, `requests`, `shares`, `claims`,
/// `sync` (runs, deliveries, connections), `session`, or `reset`: more may have
/// happened than is still known, so look at everything again. A comment comes
/// every 20 seconds; the stream ends with the session.
#[utoipa::path(get, path = "/api/events", tag = "accounts",
    params(("Last-Event-ID" = Option<i64>, Header, description = "Go on after this event; from now on where absent")),
    responses(
        (status = 200, description = "A stream of events, whose `data` is this", body = EventView, content_type = "text/event-stream"),
        (status = 429, description = "Listens in too many places", body = ProblemView, content_type = "application/problem+json"),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn list_events(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = last_heard(&headers)?;
    let listener = events::listen(app.service(), &caller, after).await?;
    let stream = futures_util::stream::unfold(listener, |mut listener| async move {
        let heard = listener.next().await?;
        Some((Ok::<_, Infallible>(line(heard)), listener))
    });
    Ok(Sse::new(stream).into_response())
}

fn last_heard(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let text = value.to_str().map(str::trim).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let id = text.parse().ok().filter(|id: &i64| *id >= 0);
    id.map(Some)
        .ok_or_else(|| Problem::field("Last-Event-ID", "not the id of an event"))
}

fn line(heard: Heard) -> Line {
    match heard {
        Heard::Quiet => Line::default().comment(""),
        Heard::Reset(id) => Line::default().id(id.to_string()).event("reset").data("{}"),
        Heard::Event(event) => written(event),
    }
}

fn written(event: Event) -> Line {
    let name = match event.kind.split('.').next() {
        Some("record") => "records",
        Some("grant") => "grants",
        Some("request") => "requests",
        Some("share") => "shares",
        Some("claim") => "claims",
        Some("sync" | "push" | "connection") => "sync",
        _ => "session",
    };
    let view = EventView {
        id: event.id,
        subject: event.subject.map(|id| id.to_string()),
        kind: event.kind,
    };
    let data = serde_json::to_string(&view).unwrap_or_default();
    Line::default()
        .id(view.id.to_string())
        .event(name)
        .data(data)
}
