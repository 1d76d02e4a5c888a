//! Where an open document meets paper: what `outside` sets, off the threads
//! that answer requests, few at a time. Nothing of it is kept.

use chartkey_domain::sync::DocumentPress;
use chartkey_fhir::clinical::{ClinicalDocument, ClinicalRecord};
use chartkey_fhir::{Limits, plan_import};
use chartkey_paper::{self as pdf, PdfError, PdfNotice};
use chartkey_service::assisted::{ExportedDocument, SharedDocument};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::api::problem::Problem;

/// Documents that are set at the same time: each takes a processor.
static TURNS: Semaphore = Semaphore::const_new(2);

/// The PDF of what a link shows.
///
/// # Errors
/// `server.internal` where it cannot be set; logged here.
pub async fn shared(document: SharedDocument) -> Result<Vec<u8>, Problem> {
    on_paper(move || {
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
    .await
}

/// The PDF of what somebody takes along of a record.
///
/// # Errors
/// As [`shared`].
pub async fn exported(document: ExportedDocument) -> Result<Vec<u8>, Problem> {
    on_paper(move || {
        let notice = PdfNotice {
            patient_name: &document.patient_name,
            recipient: &document.reader_name,
            sender: &document.patient_name,
            share_id: None,
            purpose: document.purpose.as_deref(),
            message: None,
            generated_at: document.at,
            expires_at: None,
            checkpoint: None,
            footer: None,
        };
        pdf::render(&document.document, &notice)
    })
    .await
}

async fn on_paper(
    set: impl FnOnce() -> Result<Vec<u8>, PdfError> + Send + 'static,
) -> Result<Vec<u8>, Problem> {
    let turn = TURNS.acquire().await;
    let set = tokio::task::spawn_blocking(set).await;
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

/// Prints single resources for platforms that take documents only.
#[derive(Clone, Copy, Debug, Default)]
pub struct DocumentPaper;

impl DocumentPress for DocumentPaper {
    fn print(&self, resource: &[u8], title: &str) -> Option<Zeroizing<Vec<u8>>> {
        let limits = Limits::default();
        let plan = plan_import(resource, Some("application/fhir+json"), &limits).ok()?;
        let item = plan.items.iter().find(|item| !item.supporting)?;
        let place = item.placements.first()?;
        let open: serde_json::Value = serde_json::from_slice(&item.bytes).ok()?;
        let record = ClinicalRecord {
            id: "document",
            record_type: place.record_type,
            sensitivity: place.kinds,
            resource: Some(&open),
            text: None,
            title: &item.header.title,
            date: item.header.date.as_deref(),
            source: None,
            author: None,
            sealed_by_server: false,
            file: None,
        };
        let notice = PdfNotice {
            patient_name: title,
            recipient: "",
            sender: "",
            share_id: None,
            purpose: None,
            message: None,
            generated_at: chartkey_domain::clock::Clock::now(&crate::chance::SystemClock),
            expires_at: None,
            checkpoint: None,
            footer: None,
        };
        let document = ClinicalDocument::from_records(&[record]);
        match pdf::render(&document, &notice) {
            Ok(bytes) => Some(Zeroizing::new(bytes)),
            Err(error) => {
                tracing::error!(code = error.code(), "a document could not be set");
                None
            }
        }
    }
}
