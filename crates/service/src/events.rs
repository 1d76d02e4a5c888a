//! What a screen that is open hears of: that something changed, and where to
//! look. Ids only; whoever hears asks again, and the policy answers.
//!
//! What happens is told in the transaction in which it happens ([`tell`]). On
//! every node one task looks for new rows while anybody listens there, and
//! wakes the listeners; each reads its own account's rows.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chartkey_domain::ids::{AccountId, Id, PatientId, SessionId};
use chartkey_domain::policy::{self, Action, Target};
use chartkey_domain::sessions::SessionError;
use chartkey_store::events::{self as rows, EventRow, NewEvent};
use chartkey_store::{StoreError, Tx, grants, patients, sessions};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::sessions::SessionFailure;
use crate::{Caller, Failure, Service};

/// Most listeners of one account on one node: tabs and devices.
pub const MAX_LISTENERS: usize = 8;
/// How often a listener hears that there is nothing: proxies close what is
/// silent, and an ended session is noticed.
pub const HEARTBEAT: Duration = Duration::from_secs(20);
/// How often a node looks for new rows while somebody listens.
const LOOK: Duration = Duration::from_millis(500);
/// Events read at a time.
const PORTION: u32 = 200;
/// A session of the account was ended: listeners look whether it was theirs.
pub(crate) const SESSION_END: &str = "session.end";

/// Tells accounts that something of a kind (the trail's dotted word) happened
/// to a subject, once this transaction is durable.
///
/// # Errors
/// The engine's.
pub(crate) fn tell(
    tx: &mut Tx,
    accounts: impl IntoIterator<Item = AccountId>,
    kind: &'static str,
    subject: Id,
    now: Timestamp,
) -> Result<(), StoreError> {
    for account in accounts {
        let event = NewEvent {
            account_id: *account.as_bytes(),
            kind,
            subject_id: Some(*subject.as_bytes()),
            created_at: now.as_millisecond(),
        };
        rows::insert(tx, &event)?;
    }
    Ok(())
}

/// [`tell`] to everybody who manages a patient.
///
/// # Errors
/// The engine's.
pub(crate) fn tell_managers(
    tx: &mut Tx,
    patient: PatientId,
    kind: &'static str,
    subject: Id,
    now: Timestamp,
) -> Result<(), StoreError> {
    let managers = patients::list_managers(tx, patient)?;
    tell(tx, managers, kind, subject, now)
}

/// [`tell`] to a patient's managers, and to the accounts that hold a living
/// grant of which `concerns` says so.
///
/// # Errors
/// The engine's.
pub(crate) fn tell_readers(
    tx: &mut Tx,
    patient: PatientId,
    kind: &'static str,
    subject: Id,
    now: Timestamp,
    concerns: impl Fn(&grants::GrantRow) -> bool,
) -> Result<(), StoreError> {
    let mut accounts = patients::list_managers(tx, patient)?;
    for grant in grants::list_living(tx, patient, now)? {
        if let Some(holder) = grant
            .holder
            .filter(|_| grant.valid_from <= now && concerns(&grant))
            && !accounts.contains(&holder)
        {
            accounts.push(holder);
        }
    }
    tell(tx, accounts, kind, subject, now)
}

/// Who listens on this node, and how far its task has looked.
pub(crate) struct Hub {
    seen: watch::Sender<i64>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    listeners: HashMap<AccountId, usize>,
    looking: bool,
    closed: bool,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            seen: watch::Sender::new(0),
            inside: Mutex::default(),
        }
    }
}

impl Hub {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener's place; given back when dropped.
struct Place {
    service: Service,
    account: AccountId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.service.0.hub.lock();
        if let Some(count) = inside.listeners.get_mut(&self.account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inside.listeners.remove(&self.account);
            }
        }
    }
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something happened.
    Event(Event),
    /// More may have happened since the id it named than is still known: look
    /// at everything again. From here on nothing is missed after this id.
    Reset(i64),
    /// Nothing.
    Quiet,
}

/// That something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place among all events: listeners go on after it.
    pub id: i64,
    /// What, as the trail's dotted word.
    pub kind: String,
    /// To what.
    pub subject: Option<Id>,
}

impl Event {
    fn of(row: EventRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            subject: row.subject_id.map(Id::from_bytes),
        }
    }
}

/// Somebody who listens.
pub struct Listener {
    place: Place,
    session: SessionId,
    after: i64,
    seen: watch::Receiver<i64>,
    waiting: VecDeque<Heard>,
    over: bool,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// `GET /api/events`: listens from now on, or from after the event `after`
/// that was heard last.
///
/// # Errors
/// The policy's; [`Failure::Limited`] where the account listens in too many
/// places already.
pub async fn listen(
    service: &Service,
    caller: &Caller,
    after: Option<i64>,
) -> Result<Listener, SessionFailure> {
    let now = service.now();
    let account = caller.account()?.id;
    policy::permit(
        &caller.who,
        Action::ListEvents,
        &Target::Account(account),
        now,
    )?;
    let session = caller.session_id().ok_or(SessionError::Missing)?;
    let place = take_place(service, account)?;
    let seen = service.0.hub.seen.subscribe();
    let (first, last) = service
        .store()
        .read("event.listen", |reader| {
            Ok::<_, StoreError>((rows::first(reader)?, rows::last(reader)?))
        })
        .await
        .map_err(Failure::Store)?;
    let mut listener = Listener {
        place,
        session,
        after: after.unwrap_or(last),
        seen,
        waiting: VecDeque::new(),
        over: false,
    };
    if after.is_some_and(|after| after > last || after < first.saturating_sub(1)) {
        listener.after = last;
        listener.waiting.push_back(Heard::Reset(last));
    }
    Ok(listener)
}

fn take_place(service: &Service, account: AccountId) -> Result<Place, SessionFailure> {
    let mut inside = service.0.hub.lock();
    let count = inside.listeners.entry(account).or_default();
    if *count >= MAX_LISTENERS {
        return Err(Failure::Limited {
            retry_after_secs: HEARTBEAT.as_secs(),
        });
    }
    *count += 1;
    if !inside.looking && !inside.closed {
        inside.looking = true;
        tokio::spawn(look(service.clone()));
    }
    drop(inside);
    Ok(Place {
        service: service.clone(),
        account,
    })
}

/// Wakes listeners of this node when there are new rows, until nobody listens.
async fn look(service: Service) {
    loop {
        let last = service.store().read("event.look", rows::last).await;
        match last {
            Ok(last) => {
                service.0.hub.seen.send_if_modified(|seen| {
                    let new = last > *seen;
                    *seen = last.max(*seen);
                    new
                });
            }
            Err(error) => tracing::debug!(?error, "events could not be looked at"),
        }
        tokio::time::sleep(LOOK).await;
        let mut inside = service.0.hub.lock();
        if inside.listeners.is_empty() || inside.closed {
            inside.looking = false;
            return;
        }
    }
}

/// Lets every listener of this node go: it is about to stop.
pub fn close(service: &Service) {
    service.0.hub.lock().closed = true;
    service.0.hub.seen.send_modify(|_| ());
}

impl Listener {
    /// What is heard next; nothing once the session is over, or the node
    /// stops.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            if self.place.service.0.hub.lock().closed {
                return None;
            }
            if let Some(heard) = self.waiting.pop_front() {
                return Some(heard);
            }
            if self.over {
                return None;
            }
            self.seen.mark_unchanged();
            self.read().await;
            if !self.waiting.is_empty() || self.over {
                continue;
            }
            let quiet = tokio::time::timeout(HEARTBEAT, self.seen.changed())
                .await
                .is_err();
            if quiet {
                self.read().await;
                if self.waiting.is_empty() && !self.over {
                    return Some(Heard::Quiet);
                }
            }
        }
    }

    /// Reads what is new for this account, and whether its session lives.
    async fn read(&mut self) {
        let (account, session, after) = (self.place.account, self.session, self.after);
        let now = self.place.service.now();
        let read = self
            .place
            .service
            .store()
            .read("event.read", move |reader| {
                let lives = sessions::lookup_standing(reader, session)?.is_some_and(|row| {
                    row.ended_at.is_none() && row.expires_at > now && row.status != "disabled"
                });
                let found = rows::list_of_account(reader, *account.as_bytes(), after, PORTION)?;
                Ok::<_, StoreError>((lives, found))
            })
            .await;
        match read {
            Ok((lives, found)) => {
                self.over = !lives;
                for row in found.into_iter().filter(|_| lives) {
                    self.after = row.id;
                    self.waiting.push_back(Heard::Event(Event::of(row)));
                }
            }
            Err(error) => {
                // The client comes back with the last id that it heard.
                tracing::warn!(?error, "events could not be read");
                self.over = true;
            }
        }
    }
}
