//! Taking everything along: permitted and logged once, before the first byte
//! leaves; read page by page, and permitted again for every page, so that a
//! grant that ends stops what is still under way.

use chartkey_domain::ids::PatientId;
use chartkey_domain::policy::{Action, Permit, Scope};
use chartkey_domain::records::RecordTypes;
use chartkey_domain::trail::{Detail, NewEntry, TrailAction};
use chartkey_store::{grants, patients, records};
use chartkey_vault::protocol::SealedPage;
use chartkey_vault::transport::SealedQuery;

use super::read::sealed_page;
use super::{RecordError, RecordFailure};
use crate::patients::permit;
use crate::{Caller, Service, columns, trail};

/// What an export covers.
pub(crate) struct ExportTerms {
    /// Types of which it has every record that a reader of the type may see.
    pub covered: RecordTypes,
    /// The patient's name, where there is one.
    pub patient_name: Option<String>,
    /// Coded purpose, where it is taken under a grant.
    pub purpose: Option<String>,
}

/// Permits an export in `format` (a word of ours), and logs it.
///
/// # Errors
/// The policy's.
pub(crate) async fn begin_export(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    format: &'static str,
) -> Result<ExportTerms, RecordFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let (asking, this) = (caller.clone(), service.clone());
    service
        .store()
        .write("record.export", move |tx| {
            let (_, permit) =
                permit::<RecordError>(tx, &asking, Action::ExportRecords, patient, now)?;
            let counts = records::count(tx, &permit)?;
            let mut entry = NewEntry::under(TrailAction::RecordExport, now, &permit)
                .count(counts.iter().map(|(_, count)| count).sum())
                .types(counts.iter().map(|(c, _)| c.record_type).collect())
                .detail("format", Detail::Word(format));
            if asking.account().is_ok_and(|account| account.assisted) {
                entry = entry.assisted();
            }
            for grant in permit.grants() {
                grants::count_download(tx, grant, now)?;
            }
            trail::append_by(tx, entry, &asking, &mut rng)?;
            let name_p = patients::lookup_name(tx, patient)?;
            let name = this.protect().open_optional(
                columns::PATIENT_NAME,
                patient.0,
                name_p.as_deref(),
            )?;
            let purpose = match permit.grant() {
                Some(grant) => grants::lookup(tx, grant)?.map(|row| row.purpose),
                None => None,
            };
            Ok(ExportTerms {
                covered: covered(&permit),
                patient_name: name.map(|name| name.to_string()),
                purpose,
            })
        })
        .await
}

/// Of which types a permit reads every record.
fn covered(permit: &Permit) -> RecordTypes {
    match permit.scope() {
        Scope::All => RecordTypes::all(),
        Scope::Within(within) => within
            .reads
            .iter()
            .filter(|coverage| coverage.records.is_none())
            .fold(RecordTypes::EMPTY, |types, coverage| {
                types.union(coverage.types)
            }),
        Scope::Nothing => RecordTypes::EMPTY,
    }
}

/// The next page of an export that was begun.
///
/// # Errors
/// The policy's, as it stands now.
pub(crate) async fn read_export(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    cursor: Option<String>,
    limit: u32,
) -> Result<SealedPage, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    service
        .store()
        .read_long("record.export", move |db| {
            let (_, permit) =
                permit::<RecordError>(db, &asking, Action::ExportRecords, patient, now)?;
            let query = SealedQuery {
                supporting: true,
                limit: Some(limit),
                cursor,
                ..SealedQuery::default()
            };
            sealed_page(db, &permit, &query)
        })
        .await
}
