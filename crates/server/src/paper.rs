//! Where an open document meets paper: what `outside` sets, off the threads
//! that answer requests, few at a time. Nothing of it is kept.

use chartkey_outside::pdf::{self, PdfNotice};
use chartkey_service::assisted::SharedDocument;
use tokio::sync::Semaphore;

use crate::api::problem::Problem;

/// Documents that are set at the same time: each takes a processor.
static TURNS: Semaphore = Semaphore::const_new(2);

/// The PDF of what a link shows.
///
/// # Errors
/// `server.internal` where it cannot be set; logged here.
pub async fn shared(document: SharedDocument) -> Result<Vec<u8>, Problem> {
    let turn = TURNS.acquire().await;
    let set = tokio::task::spawn_blocking(move || {
        let cover = &document.cover;
        let notice = PdfNotice {
            patient_name: &cover.patient_name,
            recipient: &cover.recipient,
            sender: &cover.sender,
            share_id: Some(&document.share),
            purpose: cover.purpose.as_deref(),
            message: cover.message.as_deref(),
            generated_at: document.at,
            expires_at: Some(document.expires_at),
            checkpoint: None,
            footer: None,
        };
        pdf::render(&document.document, &notice)
    })
    .await;
    drop(turn);
    match set {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            tracing::error!(code = error.code(), "a document could not be set");
            Err(Problem::new("server.internal"))
        }
        Err(_) => Err(Problem::new("server.internal")),
    }
}
