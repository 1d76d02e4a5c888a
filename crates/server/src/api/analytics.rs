//! How sharing went over time, on the wire. Counts and record types.

use axum::extract::State;
use chartkey_service::analytics::{self as service, Bucket, Counts, Interval, Period, Series};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::Caller;
use super::json::Json;
use super::problem::{Problem, ProblemView};
use super::wire::Query;
use crate::app::App;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(find_analytics))
        .routes(routes!(find_totals))
}

/// From when till when, in which buckets.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PeriodQuery {
    /// Not earlier than this (RFC 3339); 30 days back where nothing is said.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Earlier than this (RFC 3339); now where nothing is said.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// `day` (where nothing is said), `week` (from Monday) or `month`, in UTC;
    /// at most 400 of them.
    interval: Option<String>,
}

impl PeriodQuery {
    fn period(&self) -> Result<Period, Problem> {
        let interval = match self.interval.as_deref() {
            None => Interval::Day,
            Some(word) => Interval::parse(word)
                .ok_or_else(|| Problem::field("interval", "must be day, week or month"))?,
        };
        Ok(Period {
            from: self.from,
            to: self.to,
            interval,
        })
    }
}

/// What happened.
#[derive(Serialize, ToSchema)]
pub struct CountsView {
    /// Links made.
    shares_created: u64,
    /// Grants to accounts made.
    grants_created: u64,
    /// Reads under a link or a grant.
    accesses: u64,
    /// Downloads under a link or a grant.
    downloads: u64,
    /// Links and grants whose time came, or that were used up.
    expirations: u64,
    /// Links and grants that were ended before their time.
    revocations: u64,
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        Self {
            shares_created: counts.shares_created,
            grants_created: counts.grants_created,
            accesses: counts.accesses,
            downloads: counts.downloads,
            expirations: counts.expirations,
            revocations: counts.revocations,
        }
    }
}

/// What happened in one bucket.
#[derive(Serialize, ToSchema)]
pub struct BucketView {
    /// Its first day, `YYYY-MM-DD`.
    start: String,
    #[serde(flatten)]
    counts: CountsView,
}

impl From<Bucket> for BucketView {
    fn from(bucket: Bucket) -> Self {
        Self {
            start: bucket.start.to_string(),
            counts: bucket.counts.into(),
        }
    }
}

/// Counts over time.
#[derive(Serialize, ToSchema)]
pub struct SeriesView {
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// `day`, `week` or `month`.
    interval: &'static str,
    /// Every bucket, those without anything as well, oldest first.
    buckets: Vec<BucketView>,
    /// All of them together.
    totals: CountsView,
}

impl From<Series> for SeriesView {
    fn from(series: Series) -> Self {
        Self {
            from: series.from,
            to: series.to,
            interval: series.interval.as_str(),
            buckets: series.buckets.into_iter().map(BucketView::from).collect(),
            totals: series.totals.into(),
        }
    }
}

/// How many links and grants cover a record type.
#[derive(Serialize, ToSchema)]
pub struct TypeCountView {
    record_type: &'static str,
    count: u64,
}

/// Mine.
#[derive(Serialize, ToSchema)]
pub struct AnalyticsView {
    #[serde(flatten)]
    series: SeriesView,
    /// Of the links and grants made in that time, by what they cover.
    by_type: Vec<TypeCountView>,
}

/// How sharing of one's records went; for a provider, what they were given.
#[utoipa::path(get, path = "/api/analytics", tag = "audit", params(PeriodQuery),
    responses((status = 200, body = AnalyticsView), (status = 422, body = ProblemView, content_type = "application/problem+json")))]
async fn find_analytics(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<PeriodQuery>,
) -> Result<Json<AnalyticsView>, Problem> {
    let found = service::find_analytics(app.service(), &caller, query.period()?).await?;
    let by_type = found.by_type.into_iter();
    Ok(Json(AnalyticsView {
        series: found.series.into(),
        by_type: by_type
            .map(|(record_type, count)| TypeCountView {
                record_type: record_type.as_str(),
                count,
            })
            .collect(),
    }))
}

/// How many accounts of a kind are in a state.
#[derive(Serialize, ToSchema)]
pub struct AccountCountView {
    /// `patient`, `provider` or `admin`.
    kind: String,
    /// `pending`, `active`, `disabled` or `invited`.
    status: String,
    count: u64,
}

/// How many providers were found to be what.
#[derive(Serialize, ToSchema)]
pub struct VerificationCountView {
    /// `pending`, `verified`, `rejected` or `suspended`.
    verification: String,
    count: u64,
}

/// The whole installation.
#[derive(Serialize, ToSchema)]
pub struct TotalsView {
    #[serde(flatten)]
    series: SeriesView,
    accounts: Vec<AccountCountView>,
    providers: Vec<VerificationCountView>,
    patients: u64,
    records: u64,
    /// Grants to accounts that live.
    active_grants: u64,
    /// Links that live.
    active_shares: u64,
    /// What is stored of records, sealed.
    sealed_bytes: u64,
}

/// Totals of the whole installation, with nothing medical in them.
#[utoipa::path(get, path = "/api/admin/analytics", tag = "admin", params(PeriodQuery),
    responses((status = 200, body = TotalsView), (status = 403, body = ProblemView, content_type = "application/problem+json")))]
async fn find_totals(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<PeriodQuery>,
) -> Result<Json<TotalsView>, Problem> {
    let found = service::find_totals(app.service(), &caller, query.period()?).await?;
    let (accounts, providers) = (found.now.accounts, found.now.verifications);
    Ok(Json(TotalsView {
        series: found.series.into(),
        accounts: accounts
            .into_iter()
            .map(|(kind, status, count)| AccountCountView {
                kind,
                status,
                count,
            })
            .collect(),
        providers: providers
            .into_iter()
            .map(|(verification, count)| VerificationCountView {
                verification,
                count,
            })
            .collect(),
        patients: found.now.patients,
        records: found.now.records,
        active_grants: found.now.grants,
        active_shares: found.now.links,
        sealed_bytes: found.now.sealed_bytes,
    }))
}
