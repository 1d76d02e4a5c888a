//! Reading sealed records: pages and versions with what opens them, logged
//! before they leave.

use std::collections::BTreeSet;

use chartkey_domain::ids::{AccountId, BatchId, GrantId, PatientId, RecordId};
use chartkey_domain::policy::{Action, Permit, Scope};
use chartkey_domain::records::{MAX_PAGE, RecordTypes};
use chartkey_domain::trail::{NewEntry, TrailAction};
use chartkey_fhir::Compartment;
use chartkey_store::batches;
use chartkey_store::grants;
use chartkey_store::records::{self, Filter, RecordRow, VersionRow};
use chartkey_store::{Reader, StoreError};
use chartkey_vault::bytes::{Bytes, Bytes32};
use chartkey_vault::epoch::Epoch;
use chartkey_vault::protocol::{
    BatchKey, Envelope, RecipientKind, SealedPage, SealedRecord, VersionEnvelope,
};
use chartkey_vault::transport::SealedQuery;
use jiff::Timestamp;

use crate::patients::permit;
use crate::{Caller, Failure, Service, trail};

use super::{RecordError, RecordFailure, permit_record, to_kind};

/// The place a page ended: time of storage in ms and record.
pub(crate) fn parse_cursor(cursor: &str) -> Option<(i64, RecordId)> {
    let (at, id) = cursor.split_once('~')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

fn cursor(row: &RecordRow) -> String {
    cursor_at(row.updated_at, row.id)
}

/// The cursor behind a record of a list.
pub(crate) fn cursor_at(updated_at: Timestamp, record: RecordId) -> String {
    format!("{}~{record}", updated_at.as_millisecond())
}

/// `GET /api/records` sealed: a page of what the caller may see, logged before
/// it leaves.
pub async fn list_records(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    query: SealedQuery,
) -> Result<SealedPage, RecordFailure> {
    let read = read_list(service, caller, patient, query).await?;
    read.logged(service, caller).await
}

/// A page that was read, and what the trail must say before any of it leaves.
pub(crate) struct Unlogged {
    /// The page. Whoever takes it out sees to [`Unlogged::log`].
    pub page: SealedPage,
    name: &'static str,
    permit: Permit,
    entry: NewEntry,
}

impl Unlogged {
    /// Makes the entry durable. The caller may open the page meanwhile, and
    /// may not let any of it leave before.
    pub(crate) fn log(
        &self,
        service: &Service,
        caller: &Caller,
    ) -> impl Future<Output = Result<u64, RecordFailure>> + Send + 'static {
        let (service, caller) = (service.clone(), caller.clone());
        let (permit, mut entry) = (self.permit.clone(), self.entry.clone());
        let name = self.name;
        if is_assisted(&caller) {
            entry = entry.assisted();
        }
        async move { log(&service, &caller, name, &permit, entry).await }
    }

    /// The page, once its entry is durable.
    pub(crate) async fn logged(
        self,
        service: &Service,
        caller: &Caller,
    ) -> Result<SealedPage, RecordFailure> {
        self.log(service, caller).await?;
        Ok(self.page)
    }
}

/// [`list_records`] whose entry is still to be made durable.
pub(crate) async fn read_list(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    query: SealedQuery,
) -> Result<Unlogged, RecordFailure> {
    list_page(service, caller, patient, move |db, permit| {
        sealed_page(db, permit, &query)
    })
    .await
}

/// These records with their bodies, as far as the caller may see them: what a
/// search found among headers.
pub(crate) async fn list_named(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    named: Vec<RecordId>,
) -> Result<Unlogged, RecordFailure> {
    list_page(service, caller, patient, move |db, permit| {
        let filter = Filter {
            supporting: true,
            with_body: true,
            limit: u32::try_from(named.len()).unwrap_or(MAX_PAGE),
            records: Some(named),
            ..Filter::default()
        };
        let rows = records::list(db, permit, &filter)?;
        Ok(render_page(db, permit, rows, None)?)
    })
    .await
}

/// Current versions of these records without bodies, inside a read: for who seals
/// their keys to others.
pub(crate) fn current_page(
    db: &mut Reader,
    permit: &Permit,
    named: Vec<RecordId>,
) -> Result<SealedPage, StoreError> {
    let filter = Filter {
        supporting: true,
        limit: u32::try_from(named.len()).unwrap_or(MAX_PAGE),
        records: Some(named),
        ..Filter::default()
    };
    let rows = records::list(db, permit, &filter)?;
    render_page(db, permit, rows, None)
}

async fn list_page(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
    page: impl FnOnce(&mut Reader, &Permit) -> Result<SealedPage, RecordFailure> + Send + 'static,
) -> Result<Unlogged, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (permit, page) = service
        .store()
        .read_long("record.list", move |db| {
            let (_, permit) =
                permit::<RecordError>(db, &asking, Action::ListRecords, patient, now)?;
            let page = page(db, &permit)?;
            Ok::<_, RecordFailure>((permit, page))
        })
        .await?;
    let entry = NewEntry::under(TrailAction::RecordList, now, &permit)
        .count(page.items.len() as u64)
        .types(
            page.items
                .iter()
                .map(|r| r.compartment.record_type)
                .collect(),
        );
    Ok(Unlogged {
        page,
        name: "record.list",
        permit,
        entry,
    })
}

fn is_assisted(caller: &Caller) -> bool {
    caller.account().is_ok_and(|a| a.assisted)
}

/// Makes an entry durable, and counts the use of the grants it rests on.
async fn log(
    service: &Service,
    caller: &Caller,
    name: &'static str,
    permit: &Permit,
    entry: NewEntry,
) -> Result<u64, RecordFailure> {
    let now = service.now();
    let mut rng = service.rng();
    let asking = caller.clone();
    let used = permit.grants();
    let taken_along = permit.action() == Action::FindRecordContent;
    service
        .store()
        .write(name, move |tx| {
            for grant in used {
                grants::count_access(tx, grant, now)?;
                if taken_along {
                    grants::count_download(tx, grant, now)?;
                }
            }
            Ok(trail::append_by(tx, entry, &asking, &mut rng)?)
        })
        .await
}

/// A page of sealed records within a permit, with what opens them.
pub(crate) fn sealed_page(
    db: &mut Reader,
    permit: &Permit,
    query: &SealedQuery,
) -> Result<SealedPage, RecordFailure> {
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, 100_000);
    let after = match &query.cursor {
        Some(text) => Some(
            parse_cursor(text)
                .ok_or_else(|| Failure::field("cursor", "not a cursor of this list"))?,
        ),
        None => None,
    };
    let filter = Filter {
        record_type: query.record_type,
        source: query.source.clone(),
        supporting: query.supporting,
        with_body: !query.headers_only,
        after,
        limit: limit.saturating_add(1),
        records: None,
    };
    let mut rows = records::list(db, permit, &filter)?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > page;
    rows.truncate(page);
    let next = match rows.last() {
        Some((row, _)) if more => Some(cursor(row)),
        _ => None,
    };
    Ok(render_page(db, permit, rows, next)?)
}

fn render_page(
    db: &mut Reader,
    permit: &Permit,
    rows: Vec<(RecordRow, VersionRow)>,
    next: Option<String>,
) -> Result<SealedPage, StoreError> {
    let by_records: Vec<GrantId> = match permit.scope() {
        Scope::Within(within) => within
            .reads
            .iter()
            .filter(|c| c.records.is_some())
            .map(|c| c.grant)
            .collect(),
        Scope::All | Scope::Nothing => Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    let mut items = Vec::with_capacity(rows.len());
    for (row, version) in rows {
        if seen.insert(version.batch) {
            keys.extend(batch_key(db, permit, version.batch)?);
        }
        let extra = if by_records.is_empty() {
            Vec::new()
        } else {
            records::list_version_envelopes(db, row.id, version.version, &by_records)?
                .into_iter()
                .map(|(grant, sealed)| VersionEnvelope {
                    grant: grant.0,
                    sealed: Bytes(sealed),
                })
                .collect()
        };
        items.push(sealed_record(row, version, extra));
    }
    Ok(SealedPage {
        items,
        batches: keys,
        next,
    })
}

fn sealed_record(row: RecordRow, version: VersionRow, extra: Vec<VersionEnvelope>) -> SealedRecord {
    // The newest version counts from when the record last changed, a move too:
    // that is the order of lists.
    let updated_at = if version.version == row.version {
        row.updated_at
    } else {
        version.created_at
    };
    SealedRecord {
        id: row.id.0,
        patient: row.patient.0,
        version: version.version,
        compartment: row.compartment,
        supporting: row.supporting,
        batch: version.batch.0,
        header: Bytes(version.header),
        body: version.body.map(Bytes),
        blob: version.blob.map(|b| b.0),
        size: version.size,
        commitment: Bytes32(version.commitment),
        source: row.source,
        author: version.author.map(|a| a.0),
        created_at: row.created_at,
        updated_at,
        extra,
    }
}

/// What opens a batch, as far as the permit's actor may have it.
fn batch_key(
    db: &mut Reader,
    permit: &Permit,
    id: BatchId,
) -> Result<Option<BatchKey>, StoreError> {
    let Some(batch) = batches::lookup(db, permit.patient(), id)? else {
        return Ok(None);
    };
    let mut wanted: Vec<(RecipientKind, chartkey_vault::Id)> = Vec::new();
    let covered = match permit.scope() {
        Scope::All => {
            wanted.push((RecipientKind::Inbox, permit.patient().0));
            true
        }
        Scope::Within(within) => {
            let whole = within
                .reads
                .iter()
                .filter(|c| c.records.is_none() && c.covers(batch.compartment));
            let grants: Vec<GrantId> = whole.map(|c| c.grant).collect();
            wanted.extend(grants.iter().map(|g| (RecipientKind::Grant, g.0)));
            if let Some(author) = permit.account().filter(|a| batch.author == Some(*a)) {
                wanted.push((RecipientKind::Account, author.0));
            }
            !grants.is_empty()
        }
        Scope::Nothing => false,
    };
    let wrapped = batch.wrapped.filter(|_| covered);
    let epoch = batch.epoch.filter(|_| wrapped.is_some());
    let mut envelopes = Vec::new();
    if wrapped.is_none() || !permit.is_managers() {
        for (kind, to) in wanted {
            let found = batches::lookup_envelope(db, id, to_kind(kind), to)?;
            envelopes.extend(found.map(|e| Envelope {
                to: kind,
                id: e.to,
                sealed: Bytes(e.sealed),
            }));
        }
    }
    Ok(Some(BatchKey {
        id: batch.id.0,
        compartment: batch.compartment,
        epoch: epoch.map(|(generation, n)| Epoch { generation, n }),
        wrapped: wrapped.map(Bytes),
        envelopes,
    }))
}

/// `GET /api/records/{id}` sealed: one version with its body; the current one
/// unless another is named. Logged before it leaves.
pub async fn find_record(
    service: &Service,
    caller: &Caller,
    record: RecordId,
    version: Option<u32>,
) -> Result<SealedPage, RecordFailure> {
    let (action, logged) = (Action::FindRecord, TrailAction::RecordRead);
    let read = read_version(service, caller, record, version, action, logged).await?;
    read.logged(service, caller).await
}

/// Reads one version under an action of the caller's choice, and logs it.
pub(crate) async fn read_record(
    service: &Service,
    caller: &Caller,
    record: RecordId,
    version: Option<u32>,
    action: Action,
    logged: TrailAction,
) -> Result<SealedPage, RecordFailure> {
    let read = read_version(service, caller, record, version, action, logged).await?;
    read.logged(service, caller).await
}

/// [`read_record`] whose entry is still to be made durable.
pub(crate) async fn read_version(
    service: &Service,
    caller: &Caller,
    record: RecordId,
    version: Option<u32>,
    action: Action,
    logged: TrailAction,
) -> Result<Unlogged, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (permit, hash, page) = service
        .store()
        .read("record.read", move |db| {
            let permit = permit_record(db, &asking, action, record, now)?;
            let (row, found) =
                records::lookup_version(db, &permit, version)?.ok_or(RecordError::Unknown)?;
            let hash = (
                found.version,
                found.sealed_hash,
                row.compartment.record_type,
            );
            let page = render_page(db, &permit, vec![(row, found)], None)?;
            Ok::<_, RecordFailure>((permit, hash, page))
        })
        .await?;
    let (number, sealed_hash, record_type) = hash;
    let entry = NewEntry::under(logged, now, &permit)
        .version(number, sealed_hash)
        .types(RecordTypes::of(record_type));
    Ok(Unlogged {
        page,
        name: "record.read",
        permit,
        entry,
    })
}

/// One line of a record's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// Which version.
    pub version: u32,
    /// Sealed size in bytes.
    pub size: u64,
    /// Who wrote it; absent for the server.
    pub author: Option<AccountId>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// SHA-256 of what was stored; the trail names it.
    pub sealed_hash: [u8; 32],
}

/// `GET /api/records/{id}/history`: the versions, newest first.
pub async fn list_record_history(
    service: &Service,
    caller: &Caller,
    record: RecordId,
) -> Result<Vec<HistoryItem>, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (permit, record_type, items) = service
        .store()
        .read("record.history", move |db| {
            let permit = permit_record(db, &asking, Action::ListRecordHistory, record, now)?;
            let row = records::lookup(db, record)?.ok_or(RecordError::Unknown)?;
            let items: Vec<HistoryItem> = records::list_versions(db, &permit)?
                .into_iter()
                .map(|v| HistoryItem {
                    version: v.version,
                    size: v.size,
                    author: v.author,
                    created_at: v.created_at,
                    sealed_hash: v.sealed_hash,
                })
                .collect();
            Ok::<_, RecordFailure>((permit, row.compartment.record_type, items))
        })
        .await?;
    let entry = NewEntry::under(TrailAction::RecordList, now, &permit)
        .count(items.len() as u64)
        .types(RecordTypes::of(record_type));
    log(service, caller, "record.history", &permit, entry).await?;
    Ok(items)
}

/// How many records of each compartment the caller may see.
pub async fn count_records(
    service: &Service,
    caller: &Caller,
    patient: PatientId,
) -> Result<Vec<(Compartment, u64)>, RecordFailure> {
    let now = service.now();
    let asking = caller.clone();
    let (permit, counts) = service
        .store()
        .read("record.summary", move |db| {
            let (_, permit) =
                permit::<RecordError>(db, &asking, Action::FindRecordSummary, patient, now)?;
            let counts = records::count(db, &permit)?;
            Ok::<_, RecordFailure>((permit, counts))
        })
        .await?;
    let entry = NewEntry::under(TrailAction::RecordList, now, &permit)
        .types(counts.iter().map(|(c, _)| c.record_type).collect());
    log(service, caller, "record.summary", &permit, entry).await?;
    Ok(counts)
}
