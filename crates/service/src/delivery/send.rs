//! One attempt at one delivery. The ledger is written before the first byte and
//! between the steps, so that whatever stops us, the next attempt knows whether
//! to look first and where to go on.

mod document;

use std::sync::atomic::{AtomicBool, Ordering};

use chartkey_domain::connections::{
    Capabilities, ClientMatch, ConnectorError, DedupeKey, ErrorClass, OutgoingDocument, Platform,
    PutState, RemoteClient, Removed,
};
use chartkey_domain::ids::DeliveryId;
use chartkey_domain::records::RecordTypes;
use chartkey_domain::sessions::after;
use chartkey_domain::sync::{
    ClientPolicy, Counts, DeliveryState, LinkState, LogAction, Operation, Step,
};
use chartkey_domain::trail::{Detail, NewEntry, TrailAction, TrailActor};
use chartkey_store::deliveries::{self as rows, DeliveryRow, Mark};
use chartkey_store::records::{RecordRow, VersionRow};
use chartkey_store::{StoreError, Tx, connections, patients as patient_rows, records};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Reach, reconcile::queue_remove};
use crate::connections::{Opened, SyncFailure, columns, need_attention, pair};
use crate::protect::columns as server_columns;
use crate::records::record_facts;
use crate::sync::{Gate, Keeper, Line, MAX_TRIES, Wait, again_at, write_line};
use crate::{Failure, Service, events, trail};

/// Steps of one put, at most: no adapter has more.
const MAX_STEPS: usize = 10;
/// A slow line still carries this many bytes a second: adapters give a body as
/// much time.
const SLOWEST_LINE: usize = 128 << 10;
/// How long a platform that is still at it is left alone at first, in seconds; twice
/// as long each time.
const POLL_SECS: i64 = 3;

/// Why an attempt stops before it is done.
enum Stop {
    /// The other end said no, or nothing.
    Refused {
        error: ConnectorError,
        /// Whether a put was under way.
        putting: bool,
    },
    /// The host is to be left alone until then.
    Wait(Wait),
    /// No client there is this patient for certain.
    NoClient(ErrorClass),
    /// It is not to be sent, or not now.
    Park(DeliveryState, Option<&'static str>),
    /// Not before then.
    Later(Timestamp),
    /// Somebody else has it by now.
    Lost,
    /// The database failed, or something that cannot be.
    Failed(SyncFailure),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(Failure::Store(error))
    }
}

impl From<SyncFailure> for Stop {
    fn from(failure: SyncFailure) -> Self {
        Self::Failed(failure)
    }
}

/// How an attempt ended well.
enum Sent {
    /// It is there under this id.
    Put { remote: String, found: bool },
    /// It is gone.
    Removed(Removed),
}

/// Works on one leased delivery.
pub(crate) async fn perform(service: Service, row: DeliveryRow) -> Result<(), StoreError> {
    let id = row.id;
    let attempt = match Attempt::load(&service, row).await {
        Ok(attempt) => attempt,
        Err(Stop::Park(state, why)) => return park(&service, id, state, why).await,
        Err(Stop::Later(at)) => return release(&service, id, at, false).await,
        Err(Stop::Failed(Failure::Store(error))) => return Err(error),
        Err(_) => {
            let why = Some("document.unreadable");
            return park(&service, id, DeliveryState::Dead, why).await;
        }
    };
    let mut gate = Gate::new(&service, &attempt.opened);
    let ended = match attempt.row.operation {
        Operation::Put => attempt.put(&mut gate).await,
        Operation::Remove => attempt.remove(&mut gate).await,
    };
    gate.leave().await?;
    attempt.settle(ended).await
}

async fn park(
    service: &Service,
    id: DeliveryId,
    state: DeliveryState,
    why: Option<&'static str>,
) -> Result<(), StoreError> {
    let (now, node, mut rng) = (service.now(), service.0.node, service.rng());
    service
        .store()
        .write("push.park", move |tx| {
            let Some(row) = rows::lookup(tx, id)? else {
                return Ok(());
            };
            if rows::park(tx, id, node, state, why, now)?
                && let Some(step) = step_of(state)
            {
                write_line(tx, &line(&row, step, why), now, &mut rng)?;
            }
            Ok(())
        })
        .await
}

/// Leaves it for later; an attempt that had begun for nothing does not count.
async fn release(
    service: &Service,
    id: DeliveryId,
    at: Timestamp,
    uncount: bool,
) -> Result<(), StoreError> {
    let (now, node) = (service.now(), service.0.node);
    service
        .store()
        .write("push.release", move |tx| {
            rows::release(tx, id, node, at, uncount, now)
        })
        .await
        .map(drop)
}

/// The line of a delivery that was put aside; none where another tells of it.
const fn step_of(state: DeliveryState) -> Option<Step> {
    match state {
        DeliveryState::Cancelled => Some(Step::PushCancelled),
        DeliveryState::Dead => Some(Step::PushDead),
        DeliveryState::NeedsReview => Some(Step::PushReview),
        DeliveryState::HandedOff => Some(Step::PushHandedOff),
        DeliveryState::Superseded => Some(Step::PushSuperseded),
        _ => None,
    }
}

fn line<'a>(row: &DeliveryRow, step: Step, why: Option<&'a str>) -> Line<'a> {
    Line {
        patient: row.patient,
        connection: row.connection,
        sync: None,
        record: Some((row.record, row.version)),
        action: LogAction::Push,
        step,
        why,
        counts: Counts::default(),
    }
}

/// One attempt, with everything that it needs.
struct Attempt<'s> {
    service: &'s Service,
    row: DeliveryRow,
    opened: Opened,
    reach: Reach,
    platform: &'s dyn Platform,
    caps: Capabilities,
    tokens: Keeper,
    key: DedupeKey,
    /// The record and the version, for a put that is still wanted.
    version: Option<(RecordRow, VersionRow)>,
    /// The document's id there, for a removal.
    remote: Option<Zeroizing<String>>,
    /// Whether the log has been told that an attempt begins.
    begun: AtomicBool,
}

impl<'s> Attempt<'s> {
    /// Loads what an attempt needs, and asks again whether it may be made.
    async fn load(service: &'s Service, row: DeliveryRow) -> Result<Self, Stop> {
        if row.attempts >= MAX_TRIES {
            return Err(Stop::Park(DeliveryState::Dead, Some("sync.lost")));
        }
        let now = service.now();
        let about = row.clone();
        let (reach, record, put) = service
            .store()
            .read("push.load", move |db| {
                let reach = Reach::lookup(db, about.connection, about.patient, now)?;
                let record = records::lookup(db, about.record)?;
                let current = match &record {
                    Some(known) if known.version == about.version => {
                        records::lookup_current(db, about.patient, about.record)?
                    }
                    _ => None,
                };
                let of_record = rows::list_of_record(db, about.connection, about.record)?;
                let put = of_record
                    .into_iter()
                    .find(|d| d.operation == Operation::Put && d.version == about.version);
                Ok::<_, StoreError>((reach, record.zip(current), put))
            })
            .await?;
        let Some(reach) = reach else {
            return Err(Stop::Park(DeliveryState::Cancelled, None));
        };
        if let Some(at) = reach.begins_at() {
            return Err(Stop::Later(at));
        }
        let opened = Opened::open(service, reach.connection.clone())?;
        let version = match row.operation {
            Operation::Remove => None,
            Operation::Put => check(&row, &reach, record)?,
        };
        let remote = match (&put, row.operation) {
            (Some(put), Operation::Remove) => service
                .protect()
                .open_optional(columns::DOCUMENT, put.id.0, put.remote_p.as_deref())
                .map_err(|error| Stop::Failed(error.into()))?,
            _ => None,
        };
        let platform = opened.platform(service)?;
        let caps = platform.capabilities(&opened.endpoint);
        if row.operation == Operation::Put && !caps.put_document && !row.unsure {
            return Err(Stop::Park(DeliveryState::HandedOff, None));
        }
        let tokens = Keeper::of_patient(service, &opened, row.patient);
        Ok(Self {
            service,
            key: DedupeKey(row.dedupe_key.clone()),
            row,
            opened,
            reach,
            platform,
            caps,
            tokens,
            version,
            remote,
            begun: AtomicBool::new(false),
        })
    }

    async fn put(&self, gate: &mut Gate) -> Result<Sent, Stop> {
        let known = self.known_client()?;
        if !self.row.unsure
            && let (Some(client), Some(_)) = (&known, &self.version)
        {
            // One write: the attempt, the disclosure, and that from here on it
            // may have been acted upon.
            let document = self.document().await?;
            pass(gate).await?;
            self.begin(Some(&document)).await?;
            return self.put_document(gate, client, &document).await;
        }
        pass(gate).await?;
        self.begin(None).await?;
        let client = match known {
            Some(client) => client,
            None => self.find_client(gate).await?,
        };
        if self.row.unsure
            && let Some(remote) = self.look(gate, &client).await?
        {
            return Ok(Sent::Put {
                remote,
                found: true,
            });
        }
        if self.version.is_none() {
            return Err(Stop::Park(DeliveryState::Superseded, None));
        }
        let document = self.document().await?;
        let unsure = Mark {
            unsure: Some(true),
            ..Mark::default()
        };
        self.mark(unsure, document.bytes.len()).await?;
        self.put_document(gate, &client, &document).await
    }

    /// The client that the patient is known to be there.
    fn known_client(&self) -> Result<Option<RemoteClient>, Stop> {
        let place = pair(
            self.service.protect(),
            self.row.connection,
            self.row.patient,
        );
        let remote = self.reach.attachment.remote_p.as_deref();
        let id = self
            .service
            .protect()
            .open_optional(columns::REMOTE, place, remote)
            .map_err(|error| Stop::Failed(error.into()))?;
        Ok(id.map(|id| RemoteClient { id: id.to_string() }))
    }

    /// Finds the one client that is the patient; never guesses.
    async fn find_client(&self, gate: &mut Gate) -> Result<RemoteClient, Stop> {
        let who = self.who().await?;
        let mut found = Vec::new();
        if self.caps.find_client {
            let endpoint = &self.opened.endpoint;
            let asked = self
                .platform
                .find_clients(endpoint, &self.tokens, &who)
                .await;
            gate.note(&asked).await?;
            found = asked.map_err(refused)?;
        }
        let client = match found.len() {
            1 => found.pop(),
            0 if self.caps.create_client && self.opened.client_policy() == ClientPolicy::Auto => {
                Some(self.create_client(gate, &who).await?)
            }
            0 => return Err(Stop::NoClient(ErrorClass::NotFound)),
            _ => return Err(Stop::NoClient(ErrorClass::Ambiguous)),
        };
        let client = client.ok_or(Stop::NoClient(ErrorClass::NotFound))?;
        self.keep_client(&client).await?;
        Ok(client)
    }

    async fn create_client(
        &self,
        gate: &mut Gate,
        who: &ClientMatch,
    ) -> Result<RemoteClient, Stop> {
        pass(gate).await?;
        let endpoint = &self.opened.endpoint;
        let made = self
            .platform
            .create_client(endpoint, &self.tokens, who)
            .await;
        gate.note(&made).await?;
        let made = made.map_err(refused)?;
        let row = self.row.clone();
        let (now, mut rng) = (self.service.now(), self.service.rng());
        self.service
            .store()
            .write("push.client", move |tx| {
                write_line(
                    tx,
                    &line(&row, Step::PushClientCreated, None),
                    now,
                    &mut rng,
                )
            })
            .await?;
        Ok(made)
    }

    /// Who the patient is, in what is protected and not medical.
    async fn who(&self) -> Result<ClientMatch, Stop> {
        let patient = self.row.patient;
        let (name, birth_date, email) = self
            .service
            .store()
            .read("push.client", move |db| {
                let name = patient_rows::lookup_name(db, patient)?;
                let birth_date = patient_rows::lookup_birth_date(db, patient)?;
                let owner = patient_rows::lookup(db, patient)?.and_then(|p| p.owner);
                let account = match owner {
                    Some(owner) => chartkey_store::accounts::lookup(db, owner)?,
                    None => None,
                };
                let own = account.map(|a| (server_columns::ACCOUNT_EMAIL, a.id.0, a.email_p));
                // Nobody claimed the chart yet: where its invitation went.
                let invited = chartkey_store::charts::lookup(db, patient)?
                    .and_then(|c| c.email_p)
                    .map(|email_p| (server_columns::CHART_EMAIL, patient.0, email_p));
                Ok::<_, StoreError>((name, birth_date, own.or(invited)))
            })
            .await?;
        let protect = self.service.protect();
        let failed = |error: chartkey_crypto::OpenError| Stop::Failed(error.into());
        let place = patient.0;
        let name = protect
            .open_optional(server_columns::PATIENT_NAME, place, name.as_deref())
            .map_err(failed)?;
        let birth_date = protect
            .open_optional(
                server_columns::PATIENT_BIRTH_DATE,
                place,
                birth_date.as_deref(),
            )
            .map_err(failed)?;
        let email = match email {
            Some((column, place, sealed)) => {
                Some(protect.open_text(column, place, &sealed).map_err(failed)?)
            }
            None => None,
        };
        Ok(ClientMatch {
            name: name.unwrap_or_default(),
            email,
            birth_date,
            patient: Some(patient),
        })
    }

    async fn keep_client(&self, client: &RemoteClient) -> Result<(), Stop> {
        let (connection, patient) = (self.row.connection, self.row.patient);
        let protect = self.service.protect();
        let place = pair(protect, connection, patient);
        let mut rng = self.service.rng();
        let sealed = protect.seal(columns::REMOTE, place, client.id.as_bytes(), &mut rng);
        self.service
            .store()
            .write("push.client", move |tx| {
                connections::update_remote(tx, connection, patient, &sealed)
            })
            .await?;
        Ok(())
    }

    /// Whether it arrived before: where the platform cannot be searched, only a
    /// person can tell.
    async fn look(&self, gate: &mut Gate, client: &RemoteClient) -> Result<Option<String>, Stop> {
        if !self.caps.find_document {
            return Err(Stop::Park(DeliveryState::NeedsReview, None));
        }
        pass(gate).await?;
        let endpoint = &self.opened.endpoint;
        let looked = self
            .platform
            .find_document(endpoint, &self.tokens, client, &self.key)
            .await;
        gate.note(&looked).await?;
        looked.map_err(refused)
    }

    /// Opens what was sealed to the destination, and makes of it what is sent.
    async fn document(&self) -> Result<OutgoingDocument, Stop> {
        let Some((record, version)) = &self.version else {
            return Err(Stop::Park(DeliveryState::Superseded, None));
        };
        let Some(envelope) = &self.row.envelope else {
            return Err(Stop::Park(DeliveryState::Owed, None));
        };
        let made = document::make(
            self.service,
            &self.opened,
            record,
            version,
            envelope,
            self.caps.max_bytes,
        )
        .await;
        made.map_err(|why| match why {
            document::Unsendable::Never(why) => Stop::Park(DeliveryState::Dead, Some(why)),
            document::Unsendable::Failed(failure) => Stop::Failed(failure),
        })
    }

    /// Until when a lease must hold: what is carried takes its time on a slow
    /// line, and nobody else may begin the same meanwhile.
    fn lease_until(&self, len: usize, now: Timestamp) -> Timestamp {
        let carried = i64::try_from(len / SLOWEST_LINE).unwrap_or(i64::MAX / 2);
        after(now, self.service.settings().pace.lease_secs() + 2 * carried)
    }

    /// Counts the attempt and tells the trail, before anything leaves: from here on
    /// the document may have arrived, where one is about to be sent.
    async fn begin(&self, document: Option<&OutgoingDocument>) -> Result<(), Stop> {
        let (now, node, mut rng) = (self.service.now(), self.service.0.node, self.service.rng());
        let row = self.row.clone();
        let told = self
            .version
            .as_ref()
            .map(|(record, version)| (record.compartment.record_type, version.sealed_hash));
        let grant = self.reach.attachment.grant;
        let unsure = document.is_some().then_some(true);
        let until = self.lease_until(document.map_or(0, |d| d.bytes.len()), now);
        let held = self
            .service
            .store()
            .write("push.attempt", move |tx| {
                let mark = Mark {
                    attempt: true,
                    unsure,
                    resume_p: None,
                };
                if !rows::mark(tx, row.id, node, &mark, now, until)? {
                    return Ok(false);
                }
                write_line(tx, &line(&row, Step::PushAttempt, None), now, &mut rng)?;
                if let (Operation::Put, Some((record_type, hash))) = (row.operation, told) {
                    let mut entry = NewEntry::new(TrailAction::RecordPush, now, TrailActor::System)
                        .patient(row.patient)
                        .record(row.record)
                        .version(row.version, hash)
                        .types(RecordTypes::of(record_type))
                        .detail("connection", Detail::Id(row.connection.0));
                    if let Some(grant) = grant {
                        entry = entry.grant(grant);
                    }
                    trail::append(tx, entry, &mut rng)?;
                }
                Ok::<_, StoreError>(true)
            })
            .await?;
        self.begun.store(held, Ordering::Relaxed);
        if held { Ok(()) } else { Err(Stop::Lost) }
    }

    async fn mark(&self, mark: Mark, len: usize) -> Result<(), Stop> {
        let (now, node, id) = (self.service.now(), self.service.0.node, self.row.id);
        let until = self.lease_until(len, now);
        let held = self
            .service
            .store()
            .write("push.mark", move |tx| {
                rows::mark(tx, id, node, &mark, now, until)
            })
            .await?;
        if held { Ok(()) } else { Err(Stop::Lost) }
    }

    async fn put_document(
        &self,
        gate: &mut Gate,
        client: &RemoteClient,
        document: &OutgoingDocument,
    ) -> Result<Sent, Stop> {
        let protect = self.service.protect();
        let mut resume = protect
            .open_optional(columns::RESUME, self.row.id.0, self.row.resume_p.as_deref())
            .map_err(|error| Stop::Failed(error.into()))?
            .filter(|token| !token.is_empty());
        for _ in 0..MAX_STEPS {
            let put = self
                .platform
                .put_document(
                    &self.opened.endpoint,
                    &self.tokens,
                    client,
                    document,
                    &self.key,
                    resume.as_deref().map(String::as_str),
                )
                .await;
            gate.note(&put).await?;
            match put {
                Ok(PutState::Done(remote)) => {
                    return Ok(Sent::Put {
                        remote,
                        found: false,
                    });
                }
                // Nothing moved: the platform is still at it.
                Ok(PutState::Pending(token)) if resume.as_deref() == Some(&token) => {
                    // Where it goes on is known, and kept: there is nothing to look for.
                    let sure = Mark {
                        unsure: Some(false),
                        ..Mark::default()
                    };
                    self.mark(sure, 0).await?;
                    let pause = POLL_SECS << self.row.attempts.min(MAX_TRIES);
                    return Err(Stop::Later(after(self.service.now(), pause)));
                }
                Ok(PutState::Pending(token)) => {
                    self.keep_place(&token, document.bytes.len()).await?;
                    resume = Some(Zeroizing::new(token));
                    gate.pass().await?.ok();
                }
                Err(error) => {
                    // What had been begun is gone there: the next attempt looks,
                    // and begins anew.
                    if error.class == ErrorClass::Expired && resume.is_some() {
                        self.keep_place("", 0).await?;
                    }
                    return Err(Stop::Refused {
                        error,
                        putting: true,
                    });
                }
            }
        }
        let error = ConnectorError::new(ErrorClass::Broken);
        Err(Stop::Refused {
            error,
            putting: true,
        })
    }

    /// Keeps how far a put came, durably; an empty place begins anew.
    async fn keep_place(&self, token: &str, len: usize) -> Result<(), Stop> {
        let mut rng = self.service.rng();
        let place = self.row.id.0;
        let protect = self.service.protect();
        let sealed = protect.seal(columns::RESUME, place, token.as_bytes(), &mut rng);
        let place = Mark {
            resume_p: Some(sealed),
            ..Mark::default()
        };
        self.mark(place, len).await
    }

    async fn remove(&self, gate: &mut Gate) -> Result<Sent, Stop> {
        let Some(remote) = &self.remote else {
            return Err(Stop::Park(DeliveryState::Superseded, None));
        };
        if !self.caps.remove_document {
            return Ok(Sent::Removed(Removed::NotSupported));
        }
        let Some(client) = self.known_client()? else {
            return Err(Stop::Park(DeliveryState::Superseded, None));
        };
        pass(gate).await?;
        self.begin(None).await?;
        let endpoint = &self.opened.endpoint;
        let removed = self
            .platform
            .remove_document(endpoint, &self.tokens, &client, remote)
            .await;
        gate.note(&removed).await?;
        match removed {
            Ok(removed) => Ok(Sent::Removed(removed)),
            Err(error) if error.class == ErrorClass::NotFound => {
                Ok(Sent::Removed(Removed::Deleted))
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Writes down how the attempt ended.
    async fn settle(&self, ended: Result<Sent, Stop>) -> Result<(), StoreError> {
        match ended {
            Ok(Sent::Put { remote, found }) => self.finish_put(&remote, found).await,
            Ok(Sent::Removed(removed)) => self.finish_remove(removed).await,
            Err(Stop::Refused { error, putting }) => self.refuse(error, putting).await,
            Err(Stop::Wait(Wait(at))) => self.pause(at, true).await,
            Err(Stop::Later(at)) => self.pause(at, false).await,
            Err(Stop::NoClient(class)) => self.ask_for_client(class).await,
            Err(Stop::Park(state, why)) => park(self.service, self.row.id, state, why).await,
            Err(Stop::Lost) => Ok(()),
            Err(Stop::Failed(Failure::Store(error))) => Err(error),
            Err(Stop::Failed(failure)) => {
                tracing::error!(?failure, "a delivery cannot be made");
                let why = Some("document.unreadable");
                park(self.service, self.row.id, DeliveryState::Dead, why).await
            }
        }
    }

    /// Not now: the host is to be left alone, or is still at it.
    async fn pause(&self, at: Timestamp, uncount: bool) -> Result<(), StoreError> {
        if !self.begun.load(Ordering::Relaxed) {
            return release(self.service, self.row.id, at, false).await;
        }
        let (now, node, mut rng) = (self.service.now(), self.service.0.node, self.service.rng());
        let row = self.row.clone();
        self.service
            .store()
            .write("push.pause", move |tx| {
                if rows::release(tx, row.id, node, at, uncount, now)? {
                    write_line(tx, &line(&row, Step::PushPaused, None), now, &mut rng)?;
                }
                Ok(())
            })
            .await
    }

    async fn finish_put(&self, remote: &str, found: bool) -> Result<(), StoreError> {
        let (now, node, mut rng) = (self.service.now(), self.service.0.node, self.service.rng());
        let protect = self.service.protect().clone();
        let row = self.row.clone();
        let owner = self.opened.row.owner;
        let place = row.id.0;
        let remote_p = protect.seal(columns::DOCUMENT, place, remote.as_bytes(), &mut rng);
        self.service
            .store()
            .write("push.finish", move |tx| {
                if !rows::finish(tx, row.id, node, Some(&remote_p), now)? {
                    return Ok(());
                }
                let step = if found {
                    Step::PushFound
                } else {
                    Step::PushDone
                };
                write_line(tx, &line(&row, step, None), now, &mut rng)?;
                remove_older(tx, &protect, &row, now, &mut rng)?;
                events::tell(tx, [owner], "push.done", row.record.0, now)
            })
            .await
    }

    async fn finish_remove(&self, removed: Removed) -> Result<(), StoreError> {
        let (now, node, mut rng) = (self.service.now(), self.service.0.node, self.service.rng());
        let row = self.row.clone();
        self.service
            .store()
            .write("push.finish", move |tx| {
                if !rows::finish(tx, row.id, node, None, now)? {
                    return Ok(());
                }
                rows::note_removed(tx, row.connection, row.record, row.version, now)?;
                let step = match removed {
                    Removed::Deleted => Step::PushRemoved,
                    Removed::Archived | Removed::NotSupported => Step::PushKept,
                };
                write_line(tx, &line(&row, step, None), now, &mut rng)
            })
            .await
    }

    /// Nobody knows who the patient is there: everything for them waits.
    async fn ask_for_client(&self, class: ErrorClass) -> Result<(), StoreError> {
        let (now, node, mut rng) = (self.service.now(), self.service.0.node, self.service.rng());
        let row = self.row.clone();
        let owner = self.opened.row.owner;
        self.service
            .store()
            .write("push.no_client", move |tx| {
                let (connection, patient) = (row.connection, row.patient);
                let state = LinkState::NeedsAttention;
                let why = class.code();
                let news = connections::update_attachment_state(
                    tx,
                    connection,
                    patient,
                    state,
                    Some(why),
                )?;
                rows::release(tx, row.id, node, now, true, now)?;
                if news {
                    let said = Line {
                        record: None,
                        ..line(&row, Step::PushNoClient, Some(why))
                    };
                    write_line(tx, &said, now, &mut rng)?;
                    events::tell(tx, [owner], "connection.attention", connection.0, now)?;
                }
                Ok(())
            })
            .await
    }

    /// What a refusal means for the ledger.
    async fn refuse(&self, error: ConnectorError, putting: bool) -> Result<(), StoreError> {
        use ErrorClass as C;
        let (now, node, mut rng) = (self.service.now(), self.service.0.node, self.service.rng());
        let attempts = self.row.attempts.saturating_add(1);
        let next_at = again_at(self.service, attempts, error.retry_after, now);
        let (row, owner) = (self.row.clone(), self.opened.row.owner);
        // What was not acted upon for certain keeps what was known before. An
        // answer that is none, or that it is there already, says nothing.
        let unsure = match error.class {
            C::Unknown | C::Broken | C::Conflict if putting => true,
            C::Expired if putting => true,
            _ if putting => false,
            _ => row.unsure,
        };
        let fatal = matches!(
            error.class,
            C::Forbidden
                | C::NotFound
                | C::Invalid
                | C::Unsupported
                | C::TooLarge
                | C::Address
                | C::Ambiguous
        );
        let (auth, why) = (error.class == C::Auth, error.code());
        self.service
            .store()
            .write("push.refused", move |tx| {
                if auth {
                    rows::retry(tx, row.id, node, now, unsure, Some(why), now)?;
                    if need_attention(tx, row.connection, why, now)? {
                        let said = Line {
                            record: None,
                            ..line(&row, Step::Attention, Some(why))
                        };
                        write_line(tx, &said, now, &mut rng)?;
                        let subject = row.connection.0;
                        events::tell(tx, [owner], "connection.attention", subject, now)?;
                    }
                    return Ok(());
                }
                if fatal || attempts >= MAX_TRIES {
                    let state = DeliveryState::Dead;
                    if rows::park(tx, row.id, node, state, Some(why), now)? {
                        write_line(tx, &line(&row, Step::PushDead, Some(why)), now, &mut rng)?;
                        events::tell(tx, [owner], "push.dead", row.record.0, now)?;
                    }
                    return Ok(());
                }
                if rows::retry(tx, row.id, node, next_at, unsure, Some(why), now)? {
                    let step = if unsure {
                        Step::PushUnsure
                    } else {
                        Step::PushRetry
                    };
                    write_line(tx, &line(&row, step, Some(why)), now, &mut rng)?;
                }
                Ok(())
            })
            .await
    }
}

/// A node died over an attempt: what it did the next one finds out.
pub(super) fn note_lost(
    tx: &mut Tx,
    row: &DeliveryRow,
    now: Timestamp,
    rng: &mut impl rand_core::CryptoRng,
) -> Result<(), StoreError> {
    write_line(tx, &line(row, Step::PushLost, None), now, rng)
}

/// Whether a put is still wanted: the version it is about, or nothing where only
/// whether it arrived is to be found out.
fn check(
    row: &DeliveryRow,
    reach: &Reach,
    record: Option<(RecordRow, (RecordRow, VersionRow))>,
) -> Result<Option<(RecordRow, VersionRow)>, Stop> {
    if reach.is_over() {
        return Err(Stop::Park(DeliveryState::Cancelled, Some("grant.ended")));
    }
    let Some((_, current)) = record else {
        // Deleted, or a newer version is sent instead.
        return if row.unsure {
            Ok(None)
        } else {
            Err(Stop::Park(DeliveryState::Superseded, None))
        };
    };
    if !reach.covers(&record_facts(&current.0)) {
        return Err(Stop::Park(DeliveryState::Cancelled, None));
    }
    if row.envelope.is_none() && !row.unsure {
        return Err(Stop::Park(DeliveryState::Owed, None));
    }
    Ok(Some(current))
}

/// The newest version is there: older ones that are there as well are removed.
fn remove_older(
    tx: &mut Tx,
    protect: &crate::Protect,
    done: &DeliveryRow,
    now: Timestamp,
    rng: &mut impl rand_core::CryptoRng,
) -> Result<(), StoreError> {
    let there: Vec<DeliveryRow> = rows::list_of_record(tx, done.connection, done.record)?
        .into_iter()
        .filter(|d| {
            d.operation == Operation::Put
                && d.state == DeliveryState::Done
                && d.removed_at.is_none()
                && d.remote_p.is_some()
        })
        .collect();
    let newest = there.iter().map(|d| d.version).max().unwrap_or(0);
    for old in there.iter().filter(|d| d.version < newest) {
        queue_remove(tx, protect, old, now, rng)?;
    }
    Ok(())
}

async fn pass(gate: &mut Gate) -> Result<(), Stop> {
    gate.pass().await?.map_err(Stop::Wait)
}

const fn refused(error: ConnectorError) -> Stop {
    Stop::Refused {
        error,
        putting: false,
    }
}
