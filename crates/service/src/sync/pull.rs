//! One run: a source is walked through, search by search and page by page; the
//! next page is fetched while the last one is sealed. A run works for a portion
//! of pages, then lets others have their turn.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chartkey_domain::connections::{
    ConnectorError, Direction, ErrorClass, PageAsk, Source, SourcePage, SourcePlan, SourceQuery,
};
use chartkey_domain::ids::RecordId;
use chartkey_domain::sync::{Counts, LinkState, LogAction, RunState, Step, Trigger};
use chartkey_store::connections::{self as connection_rows, AttachmentRow, ConnectionRow};
use chartkey_store::sync::{self as rows, RunRow};
use chartkey_store::{StoreError, Tx};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Gate, Keeper, Line, MAX_TRIES, Wait, again_at, write_line};
use crate::connections::{Opened, SyncFailure, columns, need_attention, pair};
use crate::intake::{Arrived, Intake, Taken, may_add};
use crate::{Failure, Service, delivery, events};

/// Pages that a run works on before others have their turn.
const SLICE_PAGES: u32 = 20;
/// Pages of one search, at most: a source that never stops is stopped.
const MAX_PAGES: u32 = 5_000;
/// How often one search is begun again because its pages expired.
const MAX_RESTARTS: u32 = 3;
/// How often a search or a file that fails is asked for again, when there is
/// nothing else left to do; then the run ends without it.
const MAX_AGAIN: u32 = 3;
/// Kinds of documents that a line names, at most.
const MAX_NAMED: usize = 6;
/// What resources may point to that is read one by one in one turn.
const MAX_POINTED: usize = 500;
/// The largest of them that is kept for the next page, in bytes.
const MAX_KEPT: usize = 64 << 10;
/// How far an incremental search reaches back behind the newest change seen.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// How often everything is listed, to find what incremental searches miss.
const WHOLE_EVERY: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long what was discovered of a server is believed.
const DISCOVERED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How far a run came. Protected, since addresses of pages may name a patient.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Progress {
    /// When the walk began, in Unix milliseconds.
    began: i64,
    /// Whether everything is listed.
    whole: bool,
    /// Searches that are done.
    done: Vec<String>,
    /// Searches that were refused.
    refused: Vec<String>,
    /// Searches that failed, and come again when all others are done.
    #[serde(default)]
    put_off: Vec<String>,
    /// Searches that brought less than there is: what they lack is not gone.
    short: Vec<String>,
    /// The search that is being walked through, and its next page.
    current: Option<String>,
    next: Option<String>,
    /// Pages of it so far, and how often it was begun again.
    pages: u32,
    restarts: u32,
    /// Newest change seen, by search, in Unix milliseconds.
    seen: BTreeMap<String, i64>,
}

/// Why a run stops before it is done.
enum Stop {
    /// Its turn is over.
    Turn,
    /// The host is to be left alone until then.
    Wait(Wait),
    /// Somebody else has it by now, or the patient was taken off.
    Lost,
    /// It failed, and is tried again.
    Retry(ConnectorError),
    /// It failed, and a person must do something.
    Attention(ConnectorError),
    /// It is not to be done.
    Never(Step, Option<&'static str>),
    /// The database failed, or something that cannot be.
    Failed(SyncFailure),
}

impl From<SyncFailure> for Stop {
    fn from(failure: SyncFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(Failure::Store(error))
    }
}

/// Works on one leased run.
pub(super) async fn perform(service: Service, run: RunRow) -> Result<(), StoreError> {
    let found = load(&service, &run).await?;
    let Some((connection, attached)) = found else {
        return Ok(());
    };
    let opened = match Opened::open(&service, connection) {
        Ok(opened) => opened,
        Err(failure) => return settle(&service, &run, Stop::Failed(failure)).await,
    };
    if opened.row.direction == Direction::Destination {
        return match delivery::reconcile(&service, &opened, &run).await {
            Ok(()) => Ok(()),
            Err(failure) => settle(&service, &run, Stop::Failed(failure)).await,
        };
    }
    let mut gate = Gate::new(&service, &opened);
    let ended = walk(&service, &opened, &attached, &run, &mut gate).await;
    gate.leave().await?;
    match ended {
        Ok(()) => Ok(()),
        Err(stop) => settle(&service, &run, stop).await,
    }
}

async fn load(
    service: &Service,
    run: &RunRow,
) -> Result<Option<(ConnectionRow, AttachmentRow)>, StoreError> {
    let (connection, patient) = (run.connection, run.patient);
    service
        .store()
        .read("pull.load", move |db| {
            let row = connection_rows::lookup(db, connection)?;
            let attached = connection_rows::lookup_attachment(db, connection, patient)?;
            Ok(row.zip(attached))
        })
        .await
}

/// A walk in progress.
struct Walk<'a> {
    service: &'a Service,
    opened: &'a Opened,
    attached: &'a AttachmentRow,
    run: &'a RunRow,
    source: &'a dyn Source,
    tokens: &'a Keeper,
    plan: &'a SourcePlan,
    remote: &'a str,
    cursors: BTreeMap<String, i64>,
    pointed: Mutex<Pointed>,
}

/// What pages pointed to in this turn, so that it is read once.
#[derive(Default)]
struct Pointed {
    read: BTreeMap<String, Zeroizing<Vec<u8>>>,
    count: usize,
}

async fn walk(
    service: &Service,
    opened: &Opened,
    attached: &AttachmentRow,
    run: &RunRow,
    gate: &mut Gate,
) -> Result<(), Stop> {
    let now = service.now();
    let about = attached.clone();
    let may = service
        .store()
        .read("pull.permit", move |db| may_add(db, &about, now))
        .await?;
    let Some(allowed) = may else {
        return Err(Stop::Never(Step::PullNotPermitted, None));
    };
    let source = opened.source(service)?;
    let tokens = Keeper::of_patient(service, opened, run.patient);
    let place = pair(service.protect(), run.connection, run.patient);
    let remote = service
        .protect()
        .open_optional(columns::REMOTE, place, attached.remote_p.as_deref())
        .map_err(|error| Stop::Failed(error.into()))?;
    let Some(remote) = remote else {
        // Nobody signed in at the source yet.
        return Err(Stop::Attention(ConnectorError::new(ErrorClass::Auth)));
    };
    let plan = find_plan(service, opened, source, &tokens, gate).await?;
    let walk = Walk {
        service,
        opened,
        attached,
        run,
        source,
        tokens: &tokens,
        plan: &plan,
        remote: &remote,
        cursors: serde_json::from_str(&attached.cursors).unwrap_or_default(),
        pointed: Mutex::default(),
    };
    let intake = Intake {
        service,
        opened,
        source,
        attached,
        tokens: &tokens,
        allowed,
        gives_up: run.attempts >= MAX_AGAIN,
    };
    let mut progress = walk.progress()?;
    let mut counts = run.counts;
    walk.pages(&intake, gate, &mut progress, &mut counts)
        .await?;
    walk.finish(&progress, counts).await
}

/// What to walk through; what was discovered is believed for a week.
async fn find_plan(
    service: &Service,
    opened: &Opened,
    source: &dyn Source,
    tokens: &Keeper,
    gate: &mut Gate,
) -> Result<SourcePlan, Stop> {
    let now = service.now();
    let row = &opened.row;
    let fresh = row
        .discovered_at
        .is_some_and(|at| now.duration_since(at) < DISCOVERED_FOR);
    let known: Option<serde_json::Value> = match &row.discovered_p {
        Some(sealed) if fresh => service
            .protect()
            .open(columns::DISCOVERED, row.id.0, sealed)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok()),
        _ => None,
    };
    if known.is_none() {
        gate.pass().await?.map_err(Stop::Wait)?;
    }
    let planned = source.plan(&opened.endpoint, tokens, known.as_ref()).await;
    gate.note(&planned).await?;
    let plan = planned.map_err(|error| match error.class {
        class if class.is_retryable() || class == ErrorClass::Broken => Stop::Retry(error),
        _ => Stop::Attention(error),
    })?;
    if known.as_ref() != Some(&plan.discovered) {
        let text = plan.discovered.to_string();
        let mut rng = service.rng();
        let id = row.id;
        let place = id.0;
        let sealed = service
            .protect()
            .seal(columns::DISCOVERED, place, text.as_bytes(), &mut rng);
        service
            .store()
            .write("pull.discover", move |tx| {
                connection_rows::update_discovered(tx, id, &sealed, now)
            })
            .await?;
    }
    Ok(plan)
}

/// A page that is wanted.
#[derive(Clone)]
struct Ask {
    query: SourceQuery,
    next: Option<String>,
}

impl Walk<'_> {
    /// How far the run came before, or its beginning.
    fn progress(&self) -> Result<Progress, Stop> {
        if let Some(sealed) = &self.run.checkpoint_p {
            let text = self
                .service
                .protect()
                .open(columns::CHECKPOINT, self.run.id.0, sealed)
                .map_err(|error| Stop::Failed(error.into()))?;
            return serde_json::from_slice(&text)
                .map_err(|_| Stop::Failed(Failure::Internal("a run's checkpoint")));
        }
        let now = self.service.now();
        let whole = self.run.whole
            || self
                .attached
                .last_full_at
                .is_none_or(|at| now.duration_since(at) >= WHOLE_EVERY);
        Ok(Progress {
            began: now.as_millisecond(),
            whole,
            done: Vec::new(),
            refused: Vec::new(),
            put_off: Vec::new(),
            short: Vec::new(),
            current: None,
            next: None,
            pages: 0,
            restarts: 0,
            seen: BTreeMap::new(),
        })
    }

    /// The page that comes now; none at the end of the walk.
    fn ask(&self, progress: &Progress) -> Option<Ask> {
        let open = |q: &&SourceQuery| !progress.done.contains(&q.name);
        let current = progress.current.as_ref();
        let query = self
            .plan
            .queries
            .iter()
            .filter(open)
            .find(|q| current == Some(&q.name))
            .or_else(|| self.untried(progress))
            .or_else(|| self.plan.queries.iter().find(open))?;
        let goes_on = current == Some(&query.name);
        Some(Ask {
            query: query.clone(),
            next: progress.next.clone().filter(|_| goes_on),
        })
    }

    /// The next search that was neither done nor put off.
    fn untried(&self, progress: &Progress) -> Option<&SourceQuery> {
        let current = progress.current.as_ref();
        self.plan.queries.iter().find(|q| {
            !progress.done.contains(&q.name)
                && !progress.put_off.contains(&q.name)
                && current != Some(&q.name)
        })
    }

    /// From when on an incremental search looks.
    fn since(&self, progress: &Progress, query: &SourceQuery) -> Option<Timestamp> {
        if progress.whole || !query.incremental {
            return None;
        }
        let seen = self.cursors.get(&query.name)?;
        let seen = Timestamp::from_millisecond(*seen).ok()?;
        // What was older than the overlap when the last whole walk looked, that
        // walk has seen, however long ago the newest change was.
        let looked = self.attached.last_run_at.unwrap_or(seen);
        seen.max(looked).checked_sub(OVERLAP).ok()
    }

    async fn fetch(
        &self,
        progress: &Progress,
        ask: &Ask,
        gate: &mut Gate,
    ) -> Result<Result<SourcePage, ConnectorError>, Stop> {
        gate.pass().await?.map_err(Stop::Wait)?;
        let page = self
            .source
            .page(
                &self.opened.endpoint,
                self.tokens,
                PageAsk {
                    patient: self.remote,
                    query: &ask.query,
                    discovered: &self.plan.discovered,
                    since: self.since(progress, &ask.query),
                    next: ask.next.as_deref(),
                },
            )
            .await;
        gate.note(&page).await?;
        match page {
            Ok(page) => self.follow(page, gate).await,
            Err(error) => Ok(Err(error)),
        }
    }

    /// Adds to a page what its resources point to. What cannot be had is left out;
    /// what may be had later makes the page come again.
    async fn follow(
        &self,
        mut page: SourcePage,
        gate: &mut Gate,
    ) -> Result<Result<SourcePage, ConnectorError>, Stop> {
        for reference in std::mem::take(&mut page.pointed) {
            if let Some(known) = self.pointed().read.get(&reference) {
                page.resources.push(known.clone());
                continue;
            }
            if self.pointed().count >= MAX_POINTED {
                break;
            }
            gate.pass().await?.map_err(Stop::Wait)?;
            let (endpoint, tokens) = (&self.opened.endpoint, self.tokens);
            let read = self.source.pointed(endpoint, tokens, &reference).await;
            gate.note(&read).await?;
            self.pointed().count += 1;
            match read {
                Ok(found) => {
                    page.resources.push(found.clone());
                    if found.len() <= MAX_KEPT {
                        self.pointed().read.insert(reference, found);
                    }
                }
                Err(error) if error.class == ErrorClass::Auth => return Ok(Err(error)),
                Err(error) if error.class.is_retryable() && self.run.attempts < MAX_AGAIN => {
                    return Ok(Err(error));
                }
                Err(_) => {}
            }
        }
        Ok(Ok(page))
    }

    fn pointed(&self) -> MutexGuard<'_, Pointed> {
        self.pointed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks on, page by page: while one is sealed and stored, the next is
    /// fetched.
    async fn pages(
        &self,
        intake: &Intake<'_>,
        gate: &mut Gate,
        progress: &mut Progress,
        counts: &mut Counts,
    ) -> Result<(), Stop> {
        let mut asked = self.ask(progress);
        let mut fetched: Option<Result<SourcePage, ConnectorError>> = None;
        let mut beside = Gate::new(self.service, self.opened);
        let mut slice = 0;
        let ended = loop {
            let Some(ask) = asked.clone() else {
                break Ok(());
            };
            let page = match fetched.take() {
                Some(page) => page,
                None => match self.fetch(progress, &ask, gate).await {
                    Ok(page) => page,
                    Err(stop) => break Err(stop),
                },
            };
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    if let Err(stop) = self.excuse(progress, &ask, error) {
                        break Err(stop);
                    }
                    asked = self.ask(progress);
                    continue;
                }
            };
            let before = progress.clone();
            let arrived = self.arrived(progress, &ask, page, *counts)?;
            let next = self.ask(progress);
            slice += 1;
            let over = slice >= SLICE_PAGES;
            let (taken, ahead) = tokio::join!(intake.take_page(&mut beside, arrived), async {
                match &next {
                    Some(next) if !over => Some(self.fetch(progress, next, gate).await),
                    _ => None,
                }
            });
            match taken {
                Ok(Taken::Stored(total)) => *counts = total,
                Ok(Taken::Lost) => break Err(Stop::Lost),
                Ok(Taken::Wait(wait)) => break Err(Stop::Wait(wait)),
                // A file of the page failed: the page comes again, after all others.
                Ok(Taken::Failed(error)) => {
                    *progress = before;
                    if let Err(stop) = self.excuse(progress, &ask, error) {
                        break Err(stop);
                    }
                    asked = self.ask(progress);
                    continue;
                }
                Err(failure) => break Err(failure.into()),
            }
            match ahead {
                Some(Ok(page)) => fetched = Some(page),
                Some(Err(stop)) => break Err(stop),
                None if over && next.is_some() => break Err(Stop::Turn),
                None => {}
            }
            asked = next;
        };
        beside.leave().await?;
        ended
    }

    /// Moves on past a page, and says what is to be stored with it.
    fn arrived(
        &self,
        progress: &mut Progress,
        ask: &Ask,
        page: SourcePage,
        before: Counts,
    ) -> Result<Arrived, Stop> {
        let name = &ask.query.name;
        if progress.current.as_ref() != Some(name) {
            progress.current = Some(name.clone());
            (progress.pages, progress.restarts) = (0, 0);
        }
        progress.pages += 1;
        if let Some(newest) = page.newest {
            let seen = progress.seen.entry(name.clone()).or_insert(i64::MIN);
            *seen = (*seen).max(newest.as_millisecond());
        }
        let cut = progress.pages >= MAX_PAGES && page.next.is_some();
        if (cut || !page.refused.is_empty()) && !progress.short.contains(name) {
            progress.short.push(name.clone());
        }
        let goes_on = page
            .next
            .filter(|next| Some(next) != ask.next.as_ref() && progress.pages < MAX_PAGES);
        progress.next = goes_on;
        if progress.next.is_none() {
            progress.done.push(name.clone());
            progress.current = None;
        }
        Ok(Arrived {
            run: self.run.id,
            query: name.clone(),
            resources: page.resources,
            refused: page.refused.len() as u64,
            checkpoint_p: self.seal(progress)?,
            before,
        })
    }

    fn seal(&self, progress: &Progress) -> Result<Vec<u8>, Stop> {
        let text = serde_json::to_vec(progress)
            .map(Zeroizing::new)
            .map_err(|_| Stop::Failed(Failure::Internal("a run's checkpoint")))?;
        let mut rng = self.service.rng();
        let protect = self.service.protect();
        Ok(protect.seal(columns::CHECKPOINT, self.run.id.0, &text, &mut rng))
    }

    /// What a refused page means: the search is begun again, put off or left out; or
    /// the run ends. One search that is refused, or fails, never keeps the others
    /// from being read; a refused sign-in does.
    fn excuse(
        &self,
        progress: &mut Progress,
        ask: &Ask,
        error: ConnectorError,
    ) -> Result<(), Stop> {
        use ErrorClass as C;
        let is_patient = ask.query.resource_type == "Patient";
        match error.class {
            C::Auth | C::Address => return Err(Stop::Attention(error)),
            C::NotFound if is_patient => return Err(Stop::Attention(error)),
            C::Expired if progress.restarts < MAX_RESTARTS => {
                progress.restarts += 1;
                progress.next = None;
                progress.current = Some(ask.query.name.clone());
                return Ok(());
            }
            _ if fails_by_itself(&error) => {
                progress.current = Some(ask.query.name.clone());
                if self.untried(progress).is_some() {
                    progress.put_off.push(ask.query.name.clone());
                    (progress.current, progress.next) = (None, None);
                    (progress.pages, progress.restarts) = (0, 0);
                    return Ok(());
                }
                if self.run.attempts < MAX_AGAIN {
                    return Err(Stop::Retry(error));
                }
            }
            C::RateLimited | C::Transient | C::Unknown => return Err(Stop::Retry(error)),
            _ => {}
        }
        progress.refused.push(ask.query.name.clone());
        progress.done.push(ask.query.name.clone());
        (progress.current, progress.next) = (None, None);
        Ok(())
    }

    /// The whole walk is done: its cursors count, and what it did not find was
    /// missed.
    async fn finish(&self, progress: &Progress, mut counts: Counts) -> Result<(), Stop> {
        let mut cursors = self.cursors.clone();
        for (query, seen) in &progress.seen {
            if !progress.refused.contains(query) {
                let known = cursors.entry(query.clone()).or_insert(*seen);
                *known = (*known).max(*seen);
            }
        }
        let cursors = serde_json::to_string(&cursors)
            .map_err(|_| Stop::Failed(Failure::Internal("cursors")))?;
        let listed: Vec<String> = self
            .plan
            .queries
            .iter()
            .filter(|q| progress.whole || !q.incremental)
            .map(|q| q.name.clone())
            .filter(|name| !progress.refused.contains(name) && !progress.short.contains(name))
            .collect();
        counts.failed = progress.refused.len() as u64;
        let partial = counts.failed > 0;
        let full = progress.whole && !partial;
        let named = partial.then(|| names(&progress.refused));
        let began = Timestamp::from_millisecond(progress.began).unwrap_or(Timestamp::MIN);
        let (now, node, mut rng) = (self.service.now(), self.service.0.node, self.service.rng());
        let run = self.run.clone();
        self.service
            .store()
            .write("pull.finish", move |tx| {
                let state = if partial {
                    RunState::Partial
                } else {
                    RunState::Done
                };
                if !rows::finish_run(tx, run.id, node, state, &counts, None, now)? {
                    return Ok(());
                }
                let (connection, patient) = (run.connection, run.patient);
                connection_rows::update_walked(tx, connection, patient, &cursors, full, now)?;
                well(tx, &run, now)?;
                let names: Vec<&str> = listed.iter().map(String::as_str).collect();
                let missing = rows::note_missing(tx, connection, patient, &names, began, now)?;
                let step = if partial {
                    Step::PulledPartly
                } else {
                    Step::Pulled
                };
                let said = line(&run, step, named.as_deref(), counts);
                write_line(tx, &said, now, &mut rng)?;
                note_missing(tx, &run, &missing, now, &mut rng)?;
                tell(tx, &run, now)
            })
            .await?;
        Ok(())
    }
}

/// Whether an answer says that this one call fails, and nothing of the others: the
/// server answered, and it was not about a token.
fn fails_by_itself(error: &ConnectorError) -> bool {
    let by_itself = match error.class {
        ErrorClass::Broken | ErrorClass::Conflict => true,
        ErrorClass::Transient => error.status.is_some_and(|status| status >= 500),
        _ => false,
    };
    by_itself && !error.is_of_token()
}

/// The kinds of documents that searches are for, as a line names them.
fn names(queries: &[String]) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for query in queries {
        let kind = query.split(['?', '/']).next().unwrap_or_default();
        if !kinds.contains(&kind) && kinds.len() < MAX_NAMED {
            kinds.push(kind);
        }
    }
    kinds.join(",")
}

/// It works: whatever was wrong before is over.
fn well(tx: &mut Tx, run: &RunRow, now: Timestamp) -> Result<(), StoreError> {
    let (connection, patient) = (run.connection, run.patient);
    if connection_rows::lookup(tx, connection)?
        .is_some_and(|c| c.state == LinkState::NeedsAttention)
    {
        connection_rows::update_state(tx, connection, LinkState::Ok, None, now)?;
    }
    let attached = connection_rows::lookup_attachment(tx, connection, patient)?;
    if attached.is_some_and(|a| a.state == LinkState::NeedsAttention) {
        connection_rows::update_attachment_state(tx, connection, patient, LinkState::Ok, None)?;
    }
    Ok(())
}

/// Documents are no longer at the source. They stay here; destinations are
/// looked at, since their owner may want to know.
fn note_missing(
    tx: &mut Tx,
    run: &RunRow,
    missing: &[RecordId],
    now: Timestamp,
    rng: &mut impl rand_core::CryptoRng,
) -> Result<(), StoreError> {
    if missing.is_empty() {
        return Ok(());
    }
    let counts = Counts {
        updated: missing.len() as u64,
        ..Counts::default()
    };
    let record = match missing {
        [one] => chartkey_store::records::lookup(tx, *one)?.map(|r| (r.id, r.version)),
        _ => None,
    };
    let said = Line {
        record,
        ..line(run, Step::PullMissing, None, counts)
    };
    write_line(tx, &said, now, rng)
}

fn tell(tx: &mut Tx, run: &RunRow, now: Timestamp) -> Result<(), StoreError> {
    events::tell_managers(tx, run.patient, "sync.run", run.sync.0, now)?;
    let others = run.asked_by.into_iter().chain([run.owner]);
    events::tell(tx, others, "sync.run", run.sync.0, now)
}

fn line<'a>(run: &RunRow, step: Step, why: Option<&'a str>, counts: Counts) -> Line<'a> {
    Line {
        patient: run.patient,
        connection: run.connection,
        sync: Some(run.sync),
        record: None,
        action: match run.trigger {
            Trigger::Manual => LogAction::ManualSync,
            Trigger::Schedule | Trigger::Webhook => LogAction::AutomaticUpdate,
        },
        step,
        why,
        counts,
    }
}

/// Writes down why a run stopped.
async fn settle(service: &Service, run: &RunRow, stop: Stop) -> Result<(), StoreError> {
    let now = service.now();
    match stop {
        Stop::Lost => Ok(()),
        Stop::Turn => requeue(service, run, now).await,
        Stop::Wait(Wait(at)) => requeue(service, run, at).await,
        Stop::Retry(error) => retry(service, run, &error).await,
        Stop::Attention(error) => attention(service, run, &error).await,
        Stop::Never(step, why) => give_up(service, run, step, why, false).await,
        Stop::Failed(Failure::Store(error)) => Err(error),
        Stop::Failed(failure) => {
            tracing::error!(?failure, "a run cannot be done");
            retry(service, run, &ConnectorError::new(ErrorClass::Broken)).await
        }
    }
}

/// A node died while it read a source: the run goes on where it was.
pub(super) fn note_lost(
    tx: &mut Tx,
    run: &RunRow,
    now: Timestamp,
    rng: &mut impl rand_core::CryptoRng,
) -> Result<(), StoreError> {
    write_line(tx, &line(run, Step::PullLost, None, run.counts), now, rng)
}

async fn requeue(service: &Service, run: &RunRow, at: Timestamp) -> Result<(), StoreError> {
    let (now, node, id) = (service.now(), service.0.node, run.id);
    service
        .store()
        .write("pull.requeue", move |tx| {
            rows::requeue(tx, id, node, at, None, now)
        })
        .await
        .map(drop)
}

async fn retry(service: &Service, run: &RunRow, error: &ConnectorError) -> Result<(), StoreError> {
    let why = error.code();
    // A page that was stored since counts the tries from nought again.
    let (now, node, mut rng) = (service.now(), service.0.node, service.rng());
    let about = run.clone();
    let pause = error.retry_after;
    let inner = service.clone();
    let over = service
        .store()
        .write("pull.retry", move |tx| {
            let Some(stored) = rows::lookup_run(tx, about.id)? else {
                return Ok(false);
            };
            let tries = stored.attempts.saturating_add(1);
            if tries >= MAX_TRIES {
                return Ok(true);
            }
            let at = again_at(&inner, tries, pause, now);
            if rows::requeue(tx, about.id, node, at, Some(why), now)? {
                let counts = stored.counts;
                let said = line(&about, Step::PullRetry, Some(why), counts);
                write_line(tx, &said, now, &mut rng)?;
                tell(tx, &about, now)?;
            }
            Ok::<_, StoreError>(false)
        })
        .await?;
    if over {
        return give_up(service, run, Step::PullFailed, Some(why), false).await;
    }
    Ok(())
}

async fn attention(
    service: &Service,
    run: &RunRow,
    error: &ConnectorError,
) -> Result<(), StoreError> {
    give_up(service, run, Step::PullFailed, Some(error.code()), true).await
}

/// The run ends here; with `needs`, until a person did something: for the whole
/// connection, unless what is wrong is this patient's own.
async fn give_up(
    service: &Service,
    run: &RunRow,
    step: Step,
    why: Option<&'static str>,
    needs: bool,
) -> Result<(), StoreError> {
    let (now, node, mut rng) = (service.now(), service.0.node, service.rng());
    let run = run.clone();
    service
        .store()
        .write("pull.give_up", move |tx| {
            let Some(stored) = rows::lookup_run(tx, run.id)? else {
                return Ok(());
            };
            let problem = why.or(Some(step.code()));
            let state = RunState::Failed;
            if !rows::finish_run(tx, run.id, node, state, &stored.counts, problem, now)? {
                return Ok(());
            }
            write_line(tx, &line(&run, step, why, stored.counts), now, &mut rng)?;
            if needs && let Some(problem) = why {
                let (connection, patient) = (run.connection, run.patient);
                let own = connection_rows::lookup(tx, connection)?
                    .is_some_and(|c| c.auth == "smart" || problem == "connection.not_found");
                if own {
                    let state = LinkState::NeedsAttention;
                    let problem = Some(problem);
                    connection_rows::update_attachment_state(
                        tx, connection, patient, state, problem,
                    )?;
                } else {
                    need_attention(tx, connection, problem, now)?;
                }
                events::tell(tx, [run.owner], "connection.attention", connection.0, now)?;
            }
            tell(tx, &run, now)
        })
        .await
}
