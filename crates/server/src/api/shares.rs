//! `/api/records/share…`: links, by their owner; and, in [`visit`],
//! `/api/records/shared/{token}`, by whoever has one. These speak camelCase.

pub mod visit;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chartkey_domain::accounts::Email;
use chartkey_domain::grants as domain;
use chartkey_domain::ids::{GrantId, PatientId, RecordId};
use chartkey_domain::shares::{
    MAX_RECIPIENTS, NewShare, SendEmail, ShareError, ShareForm, ShareStatus,
};
use chartkey_fhir::Kind;
use chartkey_service::assisted::{AskedTerms, Assisted, OpenShare, Recipient, own_patient};
use chartkey_service::idempotency::Replay;
use chartkey_service::shares::{self, NewLink, NewLinkMail, Share, ShareChange, ShareFailure};
use chartkey_vault::protocol::{GrantChange, LinkFile, SealedLink};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{Caller, Creating};
use super::json::{Form, Json, SEALED, media_type, parse, read_body};
use super::problem::{Problem, ProblemView};
use super::sharing::{Sensitive, parse_purpose, parse_records, parse_start, parse_types};
use super::wire::{Page, PageQuery, Query, SecretText, cursor, cursor_part, path_id};
use crate::app::App;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_share, list_shares, end_share))
        .routes(routes!(find_share, update_share, revoke_share))
        .routes(routes!(find_share_link))
        .routes(routes!(put_share_files))
        .merge(visit::routes())
}

/// Whether and how a recipient is told: a word, or `true` for the link.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
enum SendEmailView {
    Flag(bool),
    #[schema(example = "link")]
    Word(String),
}

fn send_email(said: Option<&SendEmailView>) -> Result<SendEmail, Problem> {
    Ok(match said {
        None | Some(SendEmailView::Flag(true)) => SendEmail::Link,
        Some(SendEmailView::Flag(false)) => SendEmail::None,
        Some(SendEmailView::Word(word)) => SendEmail::parse(word)
            .ok_or_else(|| Problem::field("sendEmail", "expected `none`, `notice` or `link`"))?,
    })
}

fn form(said: Option<&str>) -> Result<ShareForm, Problem> {
    match said {
        None => Ok(ShareForm::Manifest),
        Some("U") => Ok(ShareForm::SingleFile),
        Some(_) => Err(Problem::field("form", "expected `U`")),
    }
}

/// Somebody who gets a link.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecipientView {
    email: String,
    #[serde(default)]
    name: Option<String>,
}

/// What is shared by a link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShareRequest {
    /// A patient; the caller's own where absent.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    patient_id: Option<String>,
    /// To whom; may be left out with `sendEmail: "none"`.
    #[serde(default)]
    recipient_email: Option<String>,
    #[serde(default)]
    recipient_name: Option<String>,
    /// Many instead of one: a link each.
    #[serde(default)]
    recipients: Option<Vec<RecipientView>>,
    #[serde(default)]
    record_types: Vec<String>,
    /// Single records instead of everything of those types.
    #[serde(default)]
    #[schema(value_type = Option<Vec<uuid::Uuid>>)]
    record_ids: Option<Vec<String>>,
    /// What is said to the recipient; it goes into the mail as it is.
    #[serde(default)]
    message: Option<SecretText>,
    /// What for, in whatever words.
    #[serde(default)]
    purpose: Option<String>,
    #[serde(default)]
    allow_download: bool,
    /// 1 to 365; or `expiryDate`.
    #[serde(default)]
    expires_in_days: Option<u32>,
    /// A time, or a date, which means the end of that day.
    #[serde(default)]
    expiry_date: Option<String>,
    /// From when; now where absent.
    #[serde(default)]
    valid_from: Option<String>,
    /// 4 to 64 characters that must be known besides the link.
    #[serde(default)]
    passcode: Option<SecretText>,
    /// Kinds of sensitivity to read, or `true` for all.
    #[serde(default)]
    include_sensitive: Option<Sensitive>,
    /// `false`: only what there is now.
    #[serde(default)]
    include_future: Option<bool>,
    /// How often it may be opened.
    #[serde(default)]
    max_accesses: Option<u32>,
    /// `none`, `notice` or `link`; `link` where absent.
    #[serde(default)]
    send_email: Option<SendEmailView>,
    /// `U` for a single file that other viewers fetch.
    #[serde(default)]
    form: Option<String>,
}

impl ShareRequest {
    fn terms(&self, patient: PatientId, now: Timestamp) -> Result<AskedTerms, Problem> {
        let records = parse_records(self.record_ids.as_deref(), "recordIds")?;
        let types = parse_types(&self.record_types, "recordTypes")?;
        if types.is_empty() && records.is_none() {
            return Err(Problem::field("recordTypes", "choose what is shared"));
        }
        Ok(AskedTerms {
            patient,
            types,
            kinds: Sensitive::kinds(self.include_sensitive.as_ref(), "includeSensitive")?,
            records,
            include_future: self.include_future.unwrap_or(true),
            write_types: chartkey_domain::records::RecordTypes::EMPTY,
            valid_from: parse_start(self.valid_from.as_deref(), "validFrom")?,
            expires_at: expiry(self.expires_in_days, self.expiry_date.as_deref(), now)?
                .ok_or_else(|| Problem::field("expiresInDays", "say when the link ends"))?,
            purpose: parse_purpose(self.purpose.as_deref())?,
            may_download: self.allow_download,
            may_reshare: false,
        })
    }

    fn said(&self, name: Option<&str>) -> Result<NewShare, Problem> {
        let text = |secret: &Option<SecretText>| secret.as_ref().map(|s| s.0.to_string());
        let said = NewShare::parse(
            name,
            text(&self.message).as_deref(),
            text(&self.passcode).as_deref(),
            self.max_accesses,
            form(self.form.as_deref())?,
        );
        said.map_err(|error| ShareFailure::from(error).into())
    }

    fn recipients(&self, way: SendEmail) -> Result<Vec<Recipient>, Problem> {
        let address = |text: &str, field: &str| {
            Email::parse(text).map_err(|_| Problem::field(field, "not an e-mail address"))
        };
        let Some(many) = &self.recipients else {
            let email = match self.recipient_email.as_deref() {
                Some(text) => Some(address(text, "recipientEmail")?),
                None if way == SendEmail::None => None,
                None => return Err(Problem::field("recipientEmail", "is missing")),
            };
            let said = self.said(self.recipient_name.as_deref())?;
            return Ok(vec![Recipient { email, said }]);
        };
        if self.recipient_email.is_some() || self.recipient_name.is_some() {
            return Err(Problem::field(
                "recipients",
                "either one recipient or several",
            ));
        }
        if many.is_empty() || many.len() > MAX_RECIPIENTS {
            return Err(ShareFailure::from(ShareError::Recipients).into());
        }
        many.iter()
            .enumerate()
            .map(|(at, one)| {
                Ok(Recipient {
                    email: Some(address(&one.email, &format!("recipients[{at}].email"))?),
                    said: self.said(one.name.as_deref())?,
                })
            })
            .collect()
    }
}

/// When a link ends, as days or as a date.
fn expiry(
    days: Option<u32>,
    date: Option<&str>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Problem> {
    let refused = |field: &str, error: domain::GrantError| Problem::field(field, error.to_string());
    match (days, date) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Problem::field(
            "expiryDate",
            "either expiresInDays or expiryDate",
        )),
        (Some(days), None) => domain::expiry_in_days(days, now)
            .map(Some)
            .map_err(|_| Problem::field("expiresInDays", "must be 1 to 365")),
        (None, Some(text)) => {
            let at = domain::parse_expiry(text, now).map_err(|e| refused("expiryDate", e))?;
            domain::check_period(Timestamp::MIN, at, now).map_err(|e| refused("expiryDate", e))?;
            Ok(Some(at))
        }
    }
}

/// Links that a sealed client made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedShareRequest {
    /// All of one patient; all are stored or none is.
    links: Vec<SealedShareLink>,
}

/// A link that a sealed client made, and what is said of it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedShareLink {
    /// Terms, keyring, token, files.
    link: SealedLink,
    #[serde(default)]
    recipient_email: Option<String>,
    #[serde(default)]
    recipient_name: Option<String>,
    #[serde(default)]
    passcode: Option<SecretText>,
    #[serde(default)]
    max_accesses: Option<u32>,
    #[serde(default)]
    form: Option<String>,
    /// `none`, `notice` or `link`; `none` where absent.
    #[serde(default)]
    send_email: Option<SendEmailView>,
    /// The URL with its key, for the mail alone; held in memory until sent.
    #[serde(default)]
    url: Option<SecretText>,
    /// The message, for the mail alone.
    #[serde(default)]
    message: Option<SecretText>,
}

impl SealedShareLink {
    fn read(self) -> Result<NewLink, Problem> {
        let text = |secret: &Option<SecretText>| secret.as_ref().map(|s| s.0.to_string());
        let said = NewShare::parse(
            self.recipient_name.as_deref(),
            text(&self.message).as_deref(),
            text(&self.passcode).as_deref(),
            self.max_accesses,
            form(self.form.as_deref())?,
        )
        .map_err(ShareFailure::from)?;
        let recipient = self
            .recipient_email
            .as_deref()
            .map(|text| {
                Email::parse(text)
                    .map_err(|_| Problem::field("recipientEmail", "not an e-mail address"))
            })
            .transpose()?;
        let way = match &self.send_email {
            None => SendEmail::None,
            said => send_email(said.as_ref())?,
        };
        if way == SendEmail::Link {
            let url = self.url.as_ref().map(|url| url.0.as_str());
            let read = url.and_then(|url| chartkey_vault::link::parse_url(url).ok());
            let own = read.is_some_and(|(token, key)| {
                token == self.link.token && key.auth() == self.link.auth
            });
            if !own {
                return Err(Problem::field("url", "must be the URL of this link"));
            }
        }
        Ok(NewLink {
            sealed: self.link,
            recipient,
            mail: NewLinkMail {
                way,
                url: self.url.map(|url| url.0),
                message: self.message.map(|message| message.0),
            },
            said,
        })
    }
}

/// A link as its owner sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecordShare)]
pub struct RecordShareView {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    patient_id: String,
    recipient_email: Option<String>,
    recipient_name: Option<String>,
    record_types: Vec<&'static str>,
    /// Kinds of sensitivity that are shared.
    include_sensitive: Vec<&'static str>,
    /// Single records, where it names some.
    #[schema(value_type = Option<Vec<uuid::Uuid>>)]
    record_ids: Option<Vec<String>>,
    /// What was said to the recipient, for managers whose keys are at hand.
    message: Option<String>,
    /// Names the link; opens nothing.
    access_token: String,
    allow_download: bool,
    /// `ACTIVE`, `EXPIRED`, `REVOKED`.
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    valid_from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expiry_date: Timestamp,
    needs_passcode: bool,
    max_accesses: Option<u64>,
    access_count: u64,
    download_count: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_accessed: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_downloaded: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

fn view(share: Share, message: Option<String>) -> RecordShareView {
    let (grant, link) = (share.grant, share.link);
    let revoked = share.status == ShareStatus::Revoked;
    RecordShareView {
        id: grant.id.to_string(),
        patient_id: grant.patient.to_string(),
        recipient_email: share.recipient_email,
        recipient_name: share.recipient_name.filter(|name| !name.is_empty()),
        record_types: grant.types.iter().map(|t| t.as_str()).collect(),
        include_sensitive: grant.kinds.iter().map(Kind::as_str).collect(),
        record_ids: share
            .records
            .map(|ids| ids.iter().map(RecordId::to_string).collect()),
        message,
        access_token: link.token,
        allow_download: grant.may_download,
        status: share.status.as_str(),
        valid_from: grant.valid_from,
        expiry_date: grant.expires_at,
        needs_passcode: link.passcode_hash.is_some(),
        max_accesses: link.max_accesses,
        access_count: grant.access_count,
        download_count: grant.download_count,
        last_accessed: grant.last_accessed,
        last_downloaded: grant.last_downloaded,
        revoked_at: grant.ended_at.filter(|_| revoked),
        created_at: grant.created_at,
        updated_at: grant.updated_at,
    }
}

/// A link with its URLs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewShareView {
    share: RecordShareView,
    /// Our URL with the key in its fragment.
    url: Option<String>,
    /// The SMART Health Link, where other viewers may have it.
    shlink: Option<String>,
    /// The URL as a QR code: an SVG.
    qr: Option<String>,
}

fn new_view(open: OpenShare) -> NewShareView {
    let url = open.url.map(|url| url.to_string());
    NewShareView {
        qr: url.as_deref().and_then(chartkey_paper::qr::qr_svg),
        url,
        shlink: open.shlink.map(|link| link.to_string()),
        share: view(open.share, open.cover.and_then(|cover| cover.message)),
    }
}

/// Several links with their URLs.
#[derive(Serialize, ToSchema)]
pub struct NewSharesView {
    items: Vec<NewShareView>,
}

fn created(bulk: bool, mut made: Vec<OpenShare>, message: Option<&str>) -> Response {
    let with_message = |open: OpenShare| {
        let mut one = new_view(open);
        one.share.message = one.share.message.or_else(|| message.map(str::to_owned));
        one
    };
    let answer = if bulk {
        Json(NewSharesView {
            items: made.into_iter().map(with_message).collect(),
        })
        .into_response()
    } else {
        match made.pop() {
            Some(one) => Json(with_message(one)).into_response(),
            None => return Problem::new("server.internal").into_response(),
        }
    };
    (StatusCode::CREATED, answer).into_response()
}

/// Makes a link, or one for each of several recipients.
#[utoipa::path(post, path = "/api/records/share", tag = "shares",
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeat creates nothing twice; the URL is derived again")),
    request_body(content(
        (ShareRequest = "application/json"),
        (SealedShareRequest = "application/vnd.chartkey.sealed+json"),
    )),
    responses(
        (status = 201, description = "The link; `{items}` of them with `recipients` or sealed", body = NewShareView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn create_share(
    State(app): State<App>,
    Caller(caller): Caller,
    creating: Creating<Form<ShareRequest, SealedShareRequest>>,
) -> Result<Response, Problem> {
    let account = caller.account().map_err(ShareFailure::from)?.id;
    let (body, once) = creating.once(app.service(), "create_share", Some(account));
    let replay = Replay::find::<ShareError>(app.service(), once.as_ref()).await?;
    let request = match body {
        Form::Assisted(request) => request,
        Form::Sealed(message) => {
            let made = match replay {
                Some(replay) => shares::find_shares(app.service(), &caller, replay.ids).await?,
                None => {
                    let links = message.links.into_iter().map(SealedShareLink::read);
                    let links = links.collect::<Result<_, _>>()?;
                    shares::create_shares(app.service(), &caller, links, once).await?
                }
            };
            let items = made.into_iter().map(|share| view(share, None)).collect();
            return Ok((StatusCode::CREATED, Json(Page { items, next: None })).into_response());
        }
    };
    let bulk = request.recipients.is_some();
    if let Some(replay) = replay {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        let made = assisted.shares_again(replay.ids).await?;
        return Ok(created(bulk, made, None));
    }
    let now = app.service().now();
    let way = send_email(request.send_email.as_ref())?;
    let recipients = request.recipients(way)?;
    let patient = match request.patient_id.as_deref() {
        Some(text) => path_id(text, "patient.unknown")?,
        None => own_patient(app.service(), &caller).await?,
    };
    let terms = request.terms(patient, now)?;
    let mut assisted = Assisted::open(app.service(), &caller).await?;
    let made = assisted.share(&recipients, &terms, way, once).await?;
    let message = recipients.first().and_then(|r| r.said.message.as_deref());
    Ok(created(bulk, made, message))
}

/// Whose links are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct SharesQuery {
    /// A patient; everybody whom the caller manages where absent.
    #[param(value_type = Option<uuid::Uuid>)]
    patient_id: Option<String>,
}

/// The links, newest first; those past their time have expired by now.
#[utoipa::path(get, path = "/api/records/share", tag = "shares",
    params(SharesQuery, PageQuery),
    responses(
        (status = 200, body = Page<RecordShareView>),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn list_shares(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<SharesQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<RecordShareView>>, Problem> {
    let account = *caller.account().map_err(ShareFailure::from)?;
    let patient = match query.patient_id.as_deref() {
        Some(text) => Some(path_id(text, "patient.unknown")?),
        None => None,
    };
    let after = match page.cursor::<2>()? {
        Some([at, id]) => Some((cursor_part(&at)?, cursor_part(&id)?)),
        None => None,
    };
    let limit = page.limit()?;
    let found = shares::list_shares(app.service(), &caller, patient, after, limit).await?;
    let next = found.next.map(|(at, id)| cursor(&[&at, &id]));
    let items = if account.assisted && !found.items.is_empty() {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        let open = assisted.with_covers(found.items).await?;
        open.into_iter()
            .map(|o| view(o.share, o.cover.and_then(|cover| cover.message)))
            .collect()
    } else {
        found.items.into_iter().map(|s| view(s, None)).collect()
    };
    Ok(Json(Page { items, next }))
}

/// A link with its newest visits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareVisitsView {
    #[serde(flatten)]
    share: RecordShareView,
    /// Who came, newest first, at most 100.
    visits: Vec<VisitView>,
}

/// A visit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VisitView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who they said they are; their word, and no proof.
    recipient: Option<String>,
}

/// One link, with who came.
#[utoipa::path(get, path = "/api/records/share/{id}", tag = "shares",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = ShareVisitsView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn find_share(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<ShareVisitsView>, Problem> {
    let account = *caller.account().map_err(ShareFailure::from)?;
    let id: GrantId = path_id(&id, "share.unknown")?;
    let (share, visits) = shares::find_share(app.service(), &caller, id).await?;
    let visits = visits.into_iter().map(|visit| VisitView {
        at: visit.at,
        recipient: visit.said,
    });
    let visits = visits.collect();
    let share = with_message(&app, &caller, account.assisted, share).await?;
    Ok(Json(ShareVisitsView { share, visits }))
}

/// A link with its message, where the caller's keys are at hand.
async fn with_message(
    app: &App,
    caller: &chartkey_service::Caller,
    assisted: bool,
    share: Share,
) -> Result<RecordShareView, Problem> {
    if !assisted {
        return Ok(view(share, None));
    }
    let mut assisted = Assisted::open(app.service(), caller).await?;
    let mut open = assisted.with_covers(vec![share]).await?;
    let open = open.pop().ok_or_else(|| Problem::new("share.unknown"))?;
    Ok(view(open.share, open.cover.and_then(|cover| cover.message)))
}

/// The URL again: nothing stored it, it is derived. Needs a fresh sign-in.
#[utoipa::path(get, path = "/api/records/share/{id}/link", tag = "shares",
    params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "For sealed clients without URLs: they derive them", body = NewShareView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn find_share_link(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<Json<NewShareView>, Problem> {
    let account = *caller.account().map_err(ShareFailure::from)?;
    let id: GrantId = path_id(&id, "share.unknown")?;
    if account.assisted {
        let mut assisted = Assisted::open(app.service(), &caller).await?;
        return Ok(Json(new_view(assisted.share_link(id).await?)));
    }
    let share = shares::find_share_link(app.service(), &caller, id).await?;
    Ok(Json(NewShareView {
        share: view(share, None),
        url: None,
        shlink: None,
        qr: None,
    }))
}

/// What is changed about a link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShareChangeRequest {
    /// 1 to 365 from now; or `expiryDate`.
    #[serde(default)]
    expires_in_days: Option<u32>,
    /// A time, or a date, which means the end of that day.
    #[serde(default)]
    expiry_date: Option<String>,
    /// Whom it is for; an empty text takes the name away.
    #[serde(default)]
    recipient_name: Option<String>,
}

/// The same, signed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedShareChange {
    /// The signed new end.
    #[serde(default)]
    change: Option<GrantChange>,
    #[serde(default)]
    recipient_name: Option<String>,
}

/// Lengthens, shortens or renames a link that lives.
#[utoipa::path(patch, path = "/api/records/share/{id}", tag = "shares",
    params(("id" = uuid::Uuid, Path)),
    request_body(content(
        (ShareChangeRequest = "application/json"),
        (SealedShareChange = "application/vnd.chartkey.sealed+json"),
    )),
    responses(
        (status = 200, body = RecordShareView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn update_share(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    body: Form<ShareChangeRequest, SealedShareChange>,
) -> Result<Json<RecordShareView>, Problem> {
    let account = *caller.account().map_err(ShareFailure::from)?;
    let id: GrantId = path_id(&id, "share.unknown")?;
    let share = match body {
        Form::Sealed(sealed) => {
            let change = ShareChange {
                terms: sealed.change,
                recipient_name: sealed.recipient_name,
            };
            shares::update_share(app.service(), &caller, id, change).await?
        }
        Form::Assisted(request) => {
            let now = app.service().now();
            let until = expiry(request.expires_in_days, request.expiry_date.as_deref(), now)?;
            if until.is_none() && request.recipient_name.is_none() {
                return Err(Problem::field("body", "nothing to change"));
            }
            let mut assisted = Assisted::open(app.service(), &caller).await?;
            assisted
                .change_share(id, until, request.recipient_name)
                .await?
        }
    };
    with_message(&app, &caller, account.assisted, share)
        .await
        .map(Json)
}

/// Which link is revoked.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RevokeQuery {
    /// The link.
    #[param(value_type = uuid::Uuid)]
    id: Option<String>,
}

/// Revokes a link now.
#[utoipa::path(delete, path = "/api/records/share", tag = "shares",
    params(RevokeQuery),
    request_body(content = Option<GrantChange>, content_type = "application/vnd.chartkey.sealed+json"),
    responses(
        (status = 200, body = RecordShareView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn end_share(
    State(app): State<App>,
    Caller(caller): Caller,
    Query(query): Query<RevokeQuery>,
    request: Request,
) -> Result<Json<RecordShareView>, Problem> {
    caller.account().map_err(ShareFailure::from)?;
    let id = query
        .id
        .ok_or_else(|| Problem::field("id", "say which link"))?;
    revoke(&app, &caller, &id, request).await
}

/// Revokes a link now.
#[utoipa::path(delete, path = "/api/records/share/{id}", tag = "shares",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = Option<GrantChange>, content_type = "application/vnd.chartkey.sealed+json"),
    responses(
        (status = 200, body = RecordShareView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn revoke_share(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<RecordShareView>, Problem> {
    revoke(&app, &caller, &id, request).await
}

async fn revoke(
    app: &App,
    caller: &chartkey_service::Caller,
    id: &str,
    request: Request,
) -> Result<Json<RecordShareView>, Problem> {
    let account = *caller.account().map_err(ShareFailure::from)?;
    let id: GrantId = path_id(id, "share.unknown")?;
    let share = if media_type(request.headers()).as_deref() == Some(SEALED) {
        let bytes = read_body(request, app).await?;
        let change: GrantChange = parse(&bytes)?;
        shares::revoke_share(app.service(), caller, id, Some(change)).await?
    } else if account.assisted {
        let mut assisted = Assisted::open(app.service(), caller).await?;
        assisted.revoke_share(id).await?
    } else {
        shares::revoke_share(app.service(), caller, id, None).await?
    };
    with_message(app, caller, account.assisted, share)
        .await
        .map(Json)
}

/// Files of a link for other viewers, made anew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareFiles {
    /// All of them: what is not here is withdrawn.
    files: Vec<LinkFile>,
}

/// Replaces the files that other SMART Health Links viewers fetch. Sealed
/// clients only; for assisted ones it happens by itself.
#[utoipa::path(put, path = "/api/records/share/{id}/files", tag = "shares",
    params(("id" = uuid::Uuid, Path)),
    request_body(content = ShareFiles, content_type = "application/vnd.chartkey.sealed+json"),
    responses(
        (status = 200, body = RecordShareView),
        (status = "4XX", body = ProblemView, content_type = "application/problem+json"),
    ))]
async fn put_share_files(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<RecordShareView>, Problem> {
    caller.account().map_err(ShareFailure::from)?;
    let id: GrantId = path_id(&id, "share.unknown")?;
    let bytes = read_body(request, &app).await?;
    let message: ShareFiles = parse(&bytes)?;
    let share = shares::put_share_files(app.service(), &caller, id, message.files).await?;
    Ok(Json(view(share, None)))
}
