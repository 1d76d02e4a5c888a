//! The accounting of disclosures (45 CFR §164.528): when who outside was given
//! what of a record, how much of it, what for, and under which grant. Read out
//! of the trail; those who manage the record are nobody outside.

use chartkey_domain::ids::{ConnectionId, GrantId, RecordId};
use chartkey_domain::trail::TrailAction;
use chartkey_fhir::RecordType;
use chartkey_store::{connections as connection_rows, grants as grant_rows, shares as share_rows};
use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::*;
use crate::shares::RECIPIENT_NAME;

/// What hands something out.
const HANDED_OUT: [TrailAction; 8] = [
    TrailAction::RecordRead,
    TrailAction::RecordList,
    TrailAction::RecordDownload,
    TrailAction::RecordExport,
    TrailAction::ShareRead,
    TrailAction::ShareDownload,
    TrailAction::RecordPush,
    TrailAction::RecordFile,
];
/// How far back an accounting reaches, in years.
const REACH_YEARS: i64 = 6;
/// Entries read at a time, until a page is full.
const PORTION: u32 = 500;
/// Entries read for one page, at most: what managers did lies between.
const MOST_READ: usize = 20_000;

/// Which disclosures.
#[derive(Clone, Copy, Debug, Default)]
pub struct DisclosureQuery {
    /// Of this patient; the caller's only one where none is named.
    pub patient: Option<PatientId>,
    /// Not earlier; six years back at most.
    pub from: Option<Timestamp>,
    /// Earlier.
    pub to: Option<Timestamp>,
    /// Only entries with a smaller index.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// What somebody to whom something was disclosed is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientKind {
    /// An account.
    Account,
    /// A link.
    Link,
    /// A destination that something was pushed to.
    Destination,
}

impl RecipientKind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Link => "link",
            Self::Destination => "destination",
        }
    }
}

/// To whom something was disclosed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Account, link or destination.
    pub kind: RecipientKind,
    /// Of the account, the link or the connection.
    pub id: Id,
    /// Their name, as far as it is still known.
    pub name: Option<String>,
}

/// One disclosure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Its entry in the trail, to ask a proof for.
    pub leaf_index: u64,
    /// When.
    pub at: Timestamp,
    /// To whom.
    pub recipient: Recipient,
    /// How, as the trail's dotted word.
    pub action: TrailAction,
    /// Which types.
    pub types: Vec<RecordType>,
    /// How many records; of single ones the next field says which.
    pub count: u64,
    /// Which record, where it was one.
    pub record: Option<RecordId>,
    /// Coded purpose of use.
    pub purpose: Option<String>,
    /// Under which grant or link.
    pub grant: Option<GrantId>,
}

/// A page of disclosures, newest first.
pub struct DisclosurePage {
    /// Whose.
    pub patient: PatientId,
    /// From when on it is complete.
    pub from: Timestamp,
    /// The disclosures.
    pub items: Vec<Disclosure>,
    /// Where the next page goes on.
    pub next: Option<u64>,
}

/// `GET /api/audit/disclosures`.
///
/// # Errors
/// The policy's.
pub async fn list_disclosures(
    service: &Service,
    caller: &Caller,
    query: DisclosureQuery,
) -> Result<DisclosurePage, AuditFailure> {
    let now = service.now();
    let account = caller.account()?.id;
    let reach = reach(now);
    let from = query.from.map_or(reach, |from| from.max(reach));
    let (asking, this) = (caller.clone(), service.clone());
    service
        .store()
        .read_long("audit.disclosures", move |reader| {
            let wanted = AuditQuery {
                patient: query.patient,
                ..AuditQuery::default()
            };
            let patient = which(reader, &wanted, account)?;
            permit::<TrailError>(reader, &asking, Action::ListDisclosures, patient, now)?;
            let filter = Filter {
                patient: Some(*patient.as_bytes()),
                actions: HANDED_OUT.iter().map(|a| a.as_str().to_owned()).collect(),
                from: Some(from.as_millisecond()),
                to: query.to.map(Timestamp::as_millisecond),
                before: query.before,
                ..Filter::default()
            };
            let (items, next) = collect(&this, reader, patient, filter, query.limit)?;
            Ok(DisclosurePage {
                patient,
                from,
                items,
                next,
            })
        })
        .await
}

/// Six years before `now`.
fn reach(now: Timestamp) -> Timestamp {
    now.to_zoned(TimeZone::UTC)
        .checked_sub(REACH_YEARS.years())
        .map_or(Timestamp::MIN, |then| then.timestamp())
}

fn collect(
    service: &Service,
    reader: &mut Reader,
    patient: PatientId,
    mut filter: Filter,
    limit: u32,
) -> Result<(Vec<Disclosure>, Option<u64>), AuditFailure> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let managers = patient_rows::list_managers(reader, patient)?;
    let mut known = Known::default();
    let mut items: Vec<Disclosure> = Vec::new();
    let mut read = 0_usize;
    loop {
        let found = rows::list(reader, Log::Trail, &filter, PORTION)?;
        let last = u32::try_from(found.len()).is_ok_and(|len| len < PORTION);
        for row in found {
            read += 1;
            filter.before = Some(row.leaf_index);
            if let Some(one) = disclosure(service, reader, &row, &managers, &mut known)? {
                if items.len() == wanted {
                    let next = items.last().map(|one| one.leaf_index);
                    return Ok((items, next));
                }
                items.push(one);
            }
        }
        if last {
            return Ok((items, None));
        }
        if read >= MOST_READ {
            return Ok((items, filter.before));
        }
    }
}

/// Names and purposes that were looked up for this page.
#[derive(Default)]
struct Known {
    accounts: Vec<(AccountId, Option<String>)>,
    links: Vec<(GrantId, Option<String>)>,
    connections: Vec<(ConnectionId, Option<String>)>,
    purposes: Vec<(GrantId, Option<String>)>,
}

/// The disclosure that an entry tells of, if it tells of one.
fn disclosure(
    service: &Service,
    reader: &mut Reader,
    row: &EntryRow,
    managers: &[AccountId],
    known: &mut Known,
) -> Result<Option<Disclosure>, AuditFailure> {
    let columns = Columns::read(&row.entry)?;
    let entry: Value = serde_json::from_str(&row.entry).map_err(|_| TrailError::Malformed)?;
    let Some(recipient) = recipient(service, reader, (&columns, &entry), managers, known)? else {
        return Ok(None);
    };
    let words = entry.get("types").and_then(Value::as_array);
    let types = words
        .into_iter()
        .flatten()
        .filter_map(|word| word.as_str()?.parse().ok())
        .collect();
    let said = entry
        .get("purpose")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let purpose = match (said, columns.grant) {
        (Some(said), _) => Some(said),
        (None, Some(grant)) => purpose_of(reader, grant, known)?,
        (None, None) => None,
    };
    let counted = entry.get("count").and_then(Value::as_u64);
    Ok(Some(Disclosure {
        leaf_index: row.leaf_index,
        at: Timestamp::from_millisecond(row.at).map_err(|_| TrailError::Malformed)?,
        recipient,
        action: columns.action,
        types,
        count: counted.unwrap_or_else(|| u64::from(columns.record.is_some())),
        record: columns.record,
        purpose,
        grant: columns.grant,
    }))
}

/// To whom an entry says that something went; nothing where it went to nobody
/// outside.
fn recipient(
    service: &Service,
    reader: &mut Reader,
    (columns, entry): (&Columns, &Value),
    managers: &[AccountId],
    known: &mut Known,
) -> Result<Option<Recipient>, AuditFailure> {
    if matches!(
        columns.action,
        TrailAction::RecordPush | TrailAction::RecordFile
    ) {
        let id = entry.pointer("/detail/connection").and_then(Value::as_str);
        let Some(id) = id.and_then(|text| text.parse::<Id>().ok()) else {
            return Ok(None);
        };
        let kind = RecipientKind::Destination;
        let name = destination_name(service, reader, ConnectionId(id), known)?;
        return Ok(Some(Recipient { kind, id, name }));
    }
    let Some(id) = columns.actor else {
        return Ok(None);
    };
    if entry.pointer("/actor/kind").and_then(Value::as_str) == Some("link") {
        let kind = RecipientKind::Link;
        let name = link_name(service, reader, GrantId(id), known)?;
        return Ok(Some(Recipient { kind, id, name }));
    }
    if managers.contains(&AccountId(id)) || columns.grant.is_none() {
        return Ok(None);
    }
    let kind = RecipientKind::Account;
    let name = name_of(service, reader, AccountId(id), &mut known.accounts)?;
    Ok(Some(Recipient { kind, id, name }))
}

/// What people call a destination, while it is there.
fn destination_name(
    service: &Service,
    reader: &mut Reader,
    id: ConnectionId,
    known: &mut Known,
) -> Result<Option<String>, AuditFailure> {
    if let Some((_, name)) = known.connections.iter().find(|(one, _)| *one == id) {
        return Ok(name.clone());
    }
    let name = match connection_rows::lookup(reader, id)? {
        Some(row) => Some(
            crate::connections::name_of(service, &row)
                .map_err(|failure| failure.map(|_| TrailError::Malformed))?,
        ),
        None => None,
    };
    known.connections.push((id, name.clone()));
    Ok(name)
}

fn link_name(
    service: &Service,
    reader: &mut Reader,
    grant: GrantId,
    known: &mut Known,
) -> Result<Option<String>, AuditFailure> {
    if let Some((_, name)) = known.links.iter().find(|(id, _)| *id == grant) {
        return Ok(name.clone());
    }
    let protected = share_rows::lookup(reader, grant)?.and_then(|link| link.recipient_name_p);
    let name = service
        .protect()
        .open_optional(RECIPIENT_NAME, grant.0, protected.as_deref())?
        .map(|text| text.to_string());
    known.links.push((grant, name.clone()));
    Ok(name)
}

fn purpose_of(
    reader: &mut Reader,
    grant: GrantId,
    known: &mut Known,
) -> Result<Option<String>, AuditFailure> {
    if let Some((_, purpose)) = known.purposes.iter().find(|(id, _)| *id == grant) {
        return Ok(purpose.clone());
    }
    let purpose = grant_rows::lookup(reader, grant)?.map(|row| row.purpose);
    known.purposes.push((grant, purpose.clone()));
    Ok(purpose)
}
