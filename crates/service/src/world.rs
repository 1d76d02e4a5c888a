//! A whole service in memory for tests: a clock that stands until it is moved,
//! chance from a seed, mail that is caught, blobs that are gone afterwards.
//!
//! Dropping a `World` re-verifies both logs of the trail and fails on jobs that
//! were not done, so every test is a test of the ledger.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use chacha20::ChaCha20Rng;
use chartkey_crypto::Secret;
use chartkey_domain::accounts::{Email, NewAccount, Particulars, VerificationDecision};
use chartkey_domain::clock::FixedClock;
use chartkey_domain::connections::{Connectors, NoConnectors};
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::ids::{AccountId, PatientId};
use chartkey_domain::mail::{MailError, MailMessage, MailReceipt, Mailbox, Mailer};
use chartkey_domain::sync::DocumentPress;
use chartkey_store::jobs as job_rows;
use chartkey_store::{Place, Store, StoreConfig, StoreError};
use jiff::{SignedDuration, Timestamp};
use rand_core::SeedableRng as _;
use zeroize::Zeroizing;

use crate::accounts::{self, Credentials};
use crate::letters::{Content, LetterPress};
use crate::sessions::{self, Proof, SignedIn};
use crate::{
    Caller, Origin, Parts, Protect, Registration, Service, Settings, admin, audit, caller, jobs,
};

mod memory_blobs;

pub use memory_blobs::MemoryBlobs;

/// A password that is long enough for anybody.
pub const PASSWORD: &str = "quiet lake walks at seven";

/// A mail that was caught.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The bare address.
    pub to: String,
    /// The dotted word of its kind.
    pub kind: &'static str,
    /// One line.
    pub subject: String,
    /// The text: what the letter is about, as JSON, unless a test's own press
    /// wrote it.
    pub text: String,
}

/// Catches mail, and fails on command.
#[derive(Default)]
pub struct CaughtMail {
    caught: Mutex<Vec<Caught>>,
    failing: Mutex<Option<MailError>>,
}

impl CaughtMail {
    /// What was caught, oldest first.
    pub fn list(&self) -> Vec<Caught> {
        lock(&self.caught).clone()
    }

    /// Fails with `error` until told otherwise.
    pub fn fail_with(&self, error: Option<MailError>) {
        *lock(&self.failing) = error;
    }
}

impl Mailer for CaughtMail {
    fn send<'a>(
        &'a self,
        message: &'a MailMessage,
    ) -> BoxFuture<'a, Result<MailReceipt, MailError>> {
        Box::pin(async move {
            if let Some(error) = lock(&self.failing).clone() {
                return Err(error);
            }
            lock(&self.caught).push(Caught {
                to: message.to.address().to_owned(),
                kind: message.kind,
                subject: message.subject.clone(),
                text: message.text.to_string(),
            });
            Ok(MailReceipt {
                message_id: String::new(),
            })
        })
    }
}

/// Prints letters as the JSON of what they are about, and their secret.
pub struct PlainPress;

impl LetterPress for PlainPress {
    fn print(
        &self,
        content: &Content,
        secret: Option<&str>,
        to: Mailbox,
        idempotency_key: String,
    ) -> Option<MailMessage> {
        let mut text = serde_json::to_string(content).ok()?;
        text.push_str(secret.unwrap_or_default());
        Some(MailMessage {
            to,
            reply_to: None,
            subject: content.letter().as_str().to_owned(),
            html: Zeroizing::new(text.clone()),
            text: Zeroizing::new(text),
            kind: content.letter().as_str(),
            idempotency_key,
        })
    }
}

/// Prints documents as their title and their size, marked as a PDF.
pub struct PlainDocuments;

impl DocumentPress for PlainDocuments {
    fn print(&self, resource: &[u8], title: &str) -> Option<Zeroizing<Vec<u8>>> {
        let text = format!("%PDF {title} {}", String::from_utf8_lossy(resource));
        Some(Zeroizing::new(text.into_bytes()))
    }
}

/// Somebody with an account, signed in with a password.
pub struct Person {
    /// The account.
    pub account: AccountId,
    /// The patient that came with it.
    pub patient: Option<PatientId>,
    /// The address.
    pub email: String,
    /// Shown once.
    pub recovery_code: Zeroizing<String>,
    /// The session, assisted.
    pub caller: Caller,
}

/// The world.
pub struct World {
    /// The services.
    pub service: Service,
    /// Stands until it is moved.
    pub clock: FixedClock,
    /// What was mailed.
    pub mail: Arc<CaughtMail>,
    /// What is kept apart.
    pub blobs: Arc<MemoryBlobs>,
    check: bool,
}

impl World {
    /// Over SQLite in memory.
    pub async fn new() -> Self {
        let store = Store::open(&StoreConfig::new(Place::Memory)).expect("SQLite opens in memory");
        Self::on(store).await
    }

    /// Over this store, which must be empty.
    pub async fn on(store: Store) -> Self {
        Self::with_press(store, Arc::new(PlainPress)).await
    }

    /// Over this store, with mails in the words of `press`.
    pub async fn with_press(store: Store, press: Arc<dyn LetterPress>) -> Self {
        let start: Timestamp = "2026-11-22T09:00:00Z".parse().expect("a time");
        let clock = FixedClock::new(start);
        Self::with(store, clock, press, Arc::new(NoConnectors)).await
    }

    /// Over this store and clock, with these doors to other systems.
    pub async fn with_connectors(
        store: Store,
        clock: FixedClock,
        connectors: Arc<dyn Connectors>,
    ) -> Self {
        Self::with(store, clock, Arc::new(PlainPress), connectors).await
    }

    async fn with(
        store: Store,
        clock: FixedClock,
        press: Arc<dyn LetterPress>,
        connectors: Arc<dyn Connectors>,
    ) -> Self {
        crate::stretch::remembered::begin();
        let mail = Arc::new(CaughtMail::default());
        let blobs = Arc::new(MemoryBlobs::default());
        let service = Service::start(Parts {
            store,
            clock: Arc::new(clock.clone()),
            chance: Box::new(ChaCha20Rng::from_seed([7; 32])),
            mailer: mail.clone(),
            press,
            blobs: blobs.clone(),
            connectors,
            document_press: Arc::new(PlainDocuments),
            protect: Protect::new("b7d1f09c3a5e48d2967fe1c04ab8356d"),
            settings: Settings {
                app_url: "https://chart.example".to_owned(),
                registration: Registration::Open,
                caseload_types: vec!["Dietician".to_owned()],
                mail_leaves: true,
                pace: crate::sync::Pace::default(),
            },
        })
        .await
        .expect("the services start over an empty store");
        Self {
            service,
            clock,
            mail,
            blobs,
            check: true,
        }
    }

    /// Where tests come from.
    pub fn origin() -> Origin {
        Origin {
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            agent: Some("world/1".to_owned()),
        }
    }

    /// Moves the clock by so many seconds.
    pub fn pass(&self, secs: i64) {
        self.clock.advance(SignedDuration::from_secs(secs));
    }

    /// Does every job that is due.
    pub async fn run_jobs(&self) {
        jobs::run_due(&self.service).await.expect("jobs run");
    }

    /// A patient with a verified address, signed in with [`PASSWORD`].
    pub async fn patient(&self, email: &str) -> Person {
        let particulars = Particulars::patient(Some("1950-12-10"), None, self.service.now())
            .expect("particulars of a patient");
        self.person(email, particulars).await
    }

    /// A provider with a verified address whom an admin has not looked at.
    pub async fn provider(&self, email: &str) -> Person {
        let particulars = Particulars::provider("Dietician", "D-1", "DE", None)
            .expect("particulars of a provider");
        self.person(email, particulars).await
    }

    /// A provider whom `admin` has approved.
    pub async fn verified_provider(&self, email: &str, admin: &Person) -> Person {
        let mut person = self.provider(email).await;
        let decision = VerificationDecision::Approve;
        admin::verify_provider(&self.service, &admin.caller, person.account, decision, None)
            .await
            .expect("an admin approves");
        self.run_jobs().await;
        person.caller = self.sign_in(email).await;
        person
    }

    /// An admin.
    pub async fn admin(&self, email: &str) -> Person {
        let made = accounts::create_admin(
            &self.service,
            Email::parse(email).expect("an address"),
            "Admin".to_owned(),
            Zeroizing::new(PASSWORD.to_owned()),
        )
        .await
        .expect("an admin is made");
        Person {
            account: made.account,
            patient: None,
            email: email.to_owned(),
            recovery_code: made.recovery_code.unwrap_or_default(),
            caller: self.sign_in(email).await,
        }
    }

    async fn person(&self, email: &str, particulars: Particulars) -> Person {
        let new = NewAccount {
            email: Email::parse(email).expect("an address"),
            name: email.split('@').next().unwrap_or_default().to_owned(),
            particulars,
        };
        let password = Credentials::Password(Zeroizing::new(PASSWORD.to_owned()));
        let made = accounts::register(&self.service, &Self::origin(), new, password, None)
            .await
            .expect("registration is open");
        self.run_jobs().await;
        let token = self.verification_token(email);
        accounts::verify_email(&self.service, &Self::origin(), &token)
            .await
            .expect("the token of the mail counts");
        Person {
            account: made.account,
            patient: made.patient,
            email: email.to_owned(),
            recovery_code: made.recovery_code.unwrap_or_default(),
            caller: self.sign_in(email).await,
        }
    }

    /// The token in the newest verification mail to this address.
    pub fn verification_token(&self, email: &str) -> String {
        self.mail
            .list()
            .iter()
            .rev()
            .filter(|mail| mail.to == email)
            .find_map(|mail| match serde_json::from_str(&mail.text) {
                Ok(Content::VerifyEmail { token, .. }) => Some(token),
                // In the words of a real press the token is in the link.
                _ => {
                    let (_, rest) = mail.text.split_once("/verify-email#token=")?;
                    rest.split_whitespace().next().map(str::to_owned)
                }
            })
            .expect("a verification mail was caught")
    }

    /// Signs in with [`PASSWORD`], assisted.
    pub async fn sign_in(&self, email: &str) -> Caller {
        let password = Proof::Password(Zeroizing::new(PASSWORD.to_owned()));
        let email = Email::parse(email).expect("an address");
        let signed_in = sessions::sign_in(&self.service, &Self::origin(), email, password)
            .await
            .expect("the password is right");
        self.caller(&signed_in).await
    }

    /// The caller that this sign-in's access token stands for.
    pub async fn caller(&self, signed_in: &SignedIn) -> Caller {
        let access = &signed_in.tokens.access;
        self.caller_with(access.session, access.secret.clone())
            .await
            .expect("the session lives")
    }

    /// The caller of a session, if it lives.
    pub async fn caller_with(
        &self,
        session: chartkey_domain::ids::SessionId,
        secret: Secret,
    ) -> Result<Caller, sessions::SessionFailure> {
        caller::find(&self.service, session, secret, Self::origin()).await
    }

    /// Leaves out the checks at the end: for tests that break the store.
    pub fn leave_unchecked(&mut self) {
        self.check = false;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.check || std::thread::panicking() {
            return;
        }
        let service = self.service.clone();
        // The test's own runtime cannot be waited for from inside it.
        let checked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime starts");
            runtime.block_on(async {
                // What came due last; what cannot be done stays, and is found.
                jobs::run_due(&service).await.expect("jobs are looked at");
                audit::verify_all(&service)
                    .await
                    .expect("both logs are whole");
                let undone: Result<Vec<_>, StoreError> =
                    service.store().read("world.jobs", job_rows::count).await;
                let undone: Vec<_> = undone
                    .expect("jobs are counted")
                    .into_iter()
                    .filter(|(state, _)| {
                        matches!(
                            state,
                            job_rows::JobState::Ready | job_rows::JobState::Running
                        )
                    })
                    .collect();
                assert!(undone.is_empty(), "jobs were left undone: {undone:?}");
            });
        })
        .join();
        if let Err(panic) = checked {
            std::panic::resume_unwind(panic);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
