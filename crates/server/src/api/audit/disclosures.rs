//! The accounting of disclosures on the wire.

use chartkey_service::audit::{self as service, Disclosure, DisclosureQuery};

use super::*;

/// Which disclosures.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DisclosureParams {
    /// Of this patient; one's own where none is named.
    #[param(value_type = Option<String>)]
    patient_id: Option<Id>,
    /// Not earlier than this (RFC 3339); six years back at most, and where
    /// nothing is said.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Earlier than this (RFC 3339).
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

/// To whom something was disclosed.
#[derive(Serialize, ToSchema)]
pub struct RecipientView {
    /// `account` or `link`.
    kind: &'static str,
    id: String,
    /// Their name as it is known: the account's, or the one that the link was
    /// addressed to. Null where neither is there any more.
    name: Option<String>,
}

/// One disclosure.
#[derive(Serialize, ToSchema)]
pub struct DisclosureView {
    /// Its entry in the trail: the id to ask a proof for.
    id: u64,
    #[schema(value_type = String, format = DateTime)]
    date: Timestamp,
    recipient: RecipientView,
    /// `record.read`, `record.list`, `record.download`, `record.export`,
    /// `share.read`, `share.download`, `record.push` or `record.file`.
    action: &'static str,
    record_types: Vec<&'static str>,
    /// How many records.
    count: u64,
    /// Which record, where it was one.
    record_id: Option<String>,
    /// Coded purpose of use.
    purpose: Option<String>,
    /// Under which grant or link.
    grant_id: Option<String>,
}

impl From<Disclosure> for DisclosureView {
    fn from(one: Disclosure) -> Self {
        Self {
            id: one.leaf_index,
            date: one.at,
            recipient: RecipientView {
                kind: one.recipient.kind.as_str(),
                id: one.recipient.id.to_string(),
                name: one.recipient.name,
            },
            action: one.action.as_str(),
            record_types: one.types.iter().map(|t| t.as_str()).collect(),
            count: one.count,
            record_id: one.record.map(|id| id.to_string()),
            purpose: one.purpose,
            grant_id: one.grant.map(|id| id.to_string()),
        }
    }
}

/// Disclosures, and of what they are all.
#[derive(Serialize, ToSchema)]
pub struct DisclosuresView {
    patient_id: String,
    /// From when on they are complete.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    items: Vec<DisclosureView>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// Accounting of disclosures: who outside was given what of the record, newest
/// first, six years back. What its managers did is not in it.
#[utoipa::path(get, path = "/api/audit/disclosures", tag = "audit", params(DisclosureParams, PageQuery),
    responses((status = 200, body = DisclosuresView), (status = 403, body = ProblemView, content_type = "application/problem+json")))]
pub async fn list_disclosures(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(params): Query<DisclosureParams>,
    Query(paging): Query<PageQuery>,
) -> Result<Json<DisclosuresView>, Problem> {
    let before = match paging.cursor::<1>()? {
        Some([leaf]) => Some(cursor_part(&leaf)?),
        None => None,
    };
    let query = DisclosureQuery {
        patient: params.patient_id.map(PatientId::from),
        from: params.from,
        to: params.to,
        before,
        limit: paging.limit()?,
    };
    let page = service::list_disclosures(app.service(), &caller, query).await?;
    Ok(Json(DisclosuresView {
        patient_id: page.patient.to_string(),
        from: page.from,
        items: page.items.into_iter().map(DisclosureView::from).collect(),
        next: page.next.map(|leaf| cursor(&[&leaf])),
    }))
}
