//! The people of the matrix, and the things they ask about.

use chartkey_domain::accounts::{AccountKind, Verification};
use chartkey_domain::grants::{EndReason, GrantFacts, Holder};
use chartkey_domain::ids::{
    AccountId, ConnectionId, GrantId, Id, PatientId, RecordId, RequestId, SessionId,
};
use chartkey_domain::policy::{
    AccountFacts, Caller, ChartFacts, ClaimFacts, ConnectionFacts, EntryFacts, LinkFacts,
    LinkProof, PatientFacts, RecordFacts, RequestFacts, SessionFacts, Target,
};
use chartkey_domain::records::{Compartment, Kind, Kinds, RecordType, RecordTypes};
use jiff::{SignedDuration, Timestamp};

/// The type that grants of the matrix are about, and one that they are not.
pub const GRANTED: RecordType = RecordType::LabResults;
pub const OTHER: RecordType = RecordType::Imaging;

pub fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn id(n: u8) -> Id {
    Id::from_bytes([n; 16])
}

pub const fn account(n: u8) -> AccountId {
    AccountId::from_bytes([n; 16])
}

pub const fn record_id(n: u8) -> RecordId {
    RecordId::from_bytes([n; 16])
}

/// Whoever asks, in all tables.
pub const ME: AccountId = account(1);
/// Somebody else.
pub const SOMEONE: AccountId = account(2);
/// Whose record is asked about.
pub const PATIENT: PatientId = PatientId::from_bytes([10; 16]);
/// Somebody else's.
pub const ELSEWHERE: PatientId = PatientId::from_bytes([11; 16]);
/// The record that a grant about a single record names.
pub const SINGLE: RecordId = record_id(21);

/// A grant of [`GRANTED`] to whoever asks, that counts now.
pub fn grant() -> GrantFacts {
    GrantFacts {
        id: GrantId(id(30)),
        patient: PATIENT,
        holder: Holder::Account(ME),
        types: RecordTypes::of(GRANTED),
        kinds: Kinds::EMPTY,
        records: None,
        write_types: RecordTypes::EMPTY,
        valid_from: now() - minutes(60),
        expires_at: now() + minutes(60),
        may_download: false,
        may_reshare: false,
        passed_on_by: None,
        ended: None,
        suspended: false,
    }
}

pub fn link_grant() -> GrantFacts {
    GrantFacts {
        id: GrantId(id(31)),
        holder: Holder::Link,
        ..grant()
    }
}

pub fn facts(kind: AccountKind) -> AccountFacts {
    AccountFacts {
        id: ME,
        kind,
        email_verified: true,
        verification: Verification::Verified,
        disabled: false,
        auth_time: now() - minutes(1),
        assisted: false,
    }
}

/// Somebody, and what they are to the patient.
#[derive(Clone)]
pub struct Cast {
    pub name: &'static str,
    pub caller: Caller,
    pub patient: PatientFacts,
}

impl Cast {
    fn new(name: &'static str, caller: Caller) -> Self {
        Self {
            name,
            caller,
            patient: PatientFacts {
                id: PATIENT,
                managers: vec![SOMEONE],
                assisted_access: true,
                caller_grants: Vec::new(),
            },
        }
    }

    fn account(
        name: &'static str,
        kind: AccountKind,
        change: impl FnOnce(&mut AccountFacts),
    ) -> Self {
        let mut facts = facts(kind);
        change(&mut facts);
        Self::new(name, Caller::Account(facts))
    }

    fn provider(name: &'static str, change: impl FnOnce(&mut AccountFacts)) -> Self {
        Self::account(name, AccountKind::Provider, change)
    }

    fn manager(name: &'static str, change: impl FnOnce(&mut AccountFacts)) -> Self {
        let mut cast = Self::account(name, AccountKind::Patient, change);
        cast.patient.managers.push(ME);
        cast
    }

    /// A verified provider with a grant.
    fn grantee(name: &'static str, change: impl FnOnce(&mut GrantFacts)) -> Self {
        Self::provider(name, |_| ()).holding(change)
    }

    fn holding(mut self, change: impl FnOnce(&mut GrantFacts)) -> Self {
        let mut grant = grant();
        grant.id = GrantId(id(
            40 + u8::try_from(self.patient.caller_grants.len()).unwrap()
        ));
        change(&mut grant);
        self.patient.caller_grants.push(grant);
        self
    }

    fn assisted_off(mut self) -> Self {
        self.patient.assisted_access = false;
        self
    }

    fn link(name: &'static str, proof: LinkProof, change: impl FnOnce(&mut LinkFacts)) -> Self {
        let mut link = LinkFacts {
            grant: link_grant(),
            proof,
            passcode_due: false,
        };
        change(&mut link);
        Self::new(name, Caller::Link(link))
    }
}

/// Everybody who asks without a link.
pub fn people() -> Vec<Cast> {
    use AccountKind::{Admin, Patient};
    let mut people = vec![
        Cast::new("nobody (or a bad token)", Caller::Nobody),
        Cast::account("another patient", Patient, |_| ()),
        Cast::account("another patient, assisted", Patient, |a| a.assisted = true),
        Cast::provider("another provider", |_| ()),
        Cast::provider("another provider, pending", |a| {
            a.verification = Verification::Pending;
        }),
        Cast::account("admin", Admin, |_| ()),
        Cast::account("admin, signed in an hour ago", Admin, |a| {
            a.auth_time = now() - minutes(60);
        }),
        Cast::account("admin, disabled", Admin, |a| a.disabled = true),
        Cast::manager("manager", |_| ()),
        Cast::manager("manager, e-mail unverified", |a| a.email_verified = false),
        Cast::manager("manager, signed in an hour ago", |a| {
            a.auth_time = now() - minutes(60);
        }),
        Cast::manager("manager, assisted", |a| a.assisted = true),
        Cast::manager("manager, assisted, switched off", |a| a.assisted = true).assisted_off(),
        Cast::manager("manager, sealed, assisted access off", |_| ()).assisted_off(),
        Cast::manager("manager, disabled", |a| a.disabled = true),
    ];
    let mut admin_manager = Cast::account("admin, named as manager", Admin, |_| ());
    admin_manager.patient.managers.push(ME);
    let mut provider_manager = Cast::provider("provider who manages", |_| ());
    provider_manager.patient.managers.push(ME);
    let mut pending_manager = Cast::provider("provider who manages, pending", |a| {
        a.verification = Verification::Pending;
    });
    pending_manager.patient.managers.push(ME);
    people.extend([admin_manager, provider_manager, pending_manager]);
    people.extend(grantees());
    people
}

fn grantees() -> Vec<Cast> {
    let other = RecordTypes::of(OTHER);
    let write = |g: &mut GrantFacts| g.write_types = RecordTypes::of(GRANTED);
    vec![
        Cast::grantee("grantee", |_| ()),
        Cast::grantee("grantee, may download", |g| g.may_download = true),
        Cast::grantee("grantee, may write", write),
        Cast::grantee("grantee, may write another type", |g| g.write_types = other),
        Cast::grantee("grantee, write only", |g| {
            g.types = RecordTypes::EMPTY;
            g.write_types = RecordTypes::of(GRANTED);
        }),
        Cast::grantee("grantee, HIV included", |g| g.kinds = Kinds::of(Kind::Hiv)),
        Cast::grantee("grantee of a single record", |g| {
            g.records = Some(vec![SINGLE]);
        }),
        Cast::grantee("grantee of another type", |g| g.types = other),
        Cast::grantee("grantee, not begun", |g| g.valid_from = now() + minutes(1)),
        Cast::grantee("grantee, expired this moment", |g| g.expires_at = now()),
        Cast::grantee("grantee, revoked", |g| g.ended = Some(EndReason::Revoked)),
        Cast::grantee("grantee, keys changed without it", |g| {
            g.ended = Some(EndReason::NotCarried);
        }),
        Cast::grantee("grantee, grant suspended", |g| g.suspended = true),
        Cast::grantee("grantee, revoked, but holds another type", |g| {
            g.ended = Some(EndReason::Revoked);
        })
        .holding(|g| g.types = other),
        Cast::grantee("grantee, may download one type and read the other", |g| {
            g.may_download = true;
            g.types = other;
        })
        .holding(|_| ()),
        Cast::provider("grantee, pending", |a| {
            a.verification = Verification::Pending;
        })
        .holding(write),
        Cast::provider("grantee, rejected", |a| {
            a.verification = Verification::Rejected;
        })
        .holding(write),
        Cast::provider("grantee, provider suspended", |a| {
            a.verification = Verification::Suspended;
        })
        .holding(write),
        Cast::provider("grantee, disabled", |a| a.disabled = true).holding(write),
        Cast::provider("grantee, e-mail unverified", |a| a.email_verified = false).holding(write),
        Cast::provider("grantee, assisted", |a| a.assisted = true).holding(write),
        Cast::provider("grantee, assisted, switched off", |a| a.assisted = true)
            .holding(write)
            .assisted_off(),
        Cast::account("admin, named as grantee", AccountKind::Admin, |_| ()).holding(write),
        Cast::account("patient as grantee", AccountKind::Patient, |_| ()).holding(|_| ()),
        Cast::account(
            "patient as grantee, e-mail unverified",
            AccountKind::Patient,
            |a| {
                a.email_verified = false;
            },
        )
        .holding(|_| ()),
        // Facts that must not count: somebody else's grants.
        Cast::grantee("grantee of another patient", |g| g.patient = ELSEWHERE),
        Cast::grantee("another's grant", |g| g.holder = Holder::Account(SOMEONE)),
        Cast::grantee("a link's grant", |g| g.holder = Holder::Link),
    ]
}

/// Everybody who asks with a link.
pub fn links() -> Vec<Cast> {
    use LinkProof::{Auth, Key, Token, View};
    let ended = |why| move |l: &mut LinkFacts| l.grant.ended = Some(why);
    vec![
        Cast::link("token alone", Token, |_| ()),
        Cast::link("proof", Auth, |_| ()),
        Cast::link("key", Key, |_| ()),
        Cast::link("view", View, |_| ()),
        Cast::link("token, may download", Token, |l| {
            l.grant.may_download = true;
        }),
        Cast::link("proof, may download", Auth, |l| l.grant.may_download = true),
        Cast::link("key, may download", Key, |l| l.grant.may_download = true),
        Cast::link("key, HIV included", Key, |l| {
            l.grant.kinds = Kinds::of(Kind::Hiv);
        }),
        Cast::link("key, single record", Key, |l| {
            l.grant.records = Some(vec![SINGLE]);
        }),
        Cast::link("key, assisted access off", Key, |_| ()).assisted_off(),
        Cast::link("proof, assisted access off", Auth, |_| ()).assisted_off(),
        Cast::link("proof, passcode missing", Auth, |l| {
            l.passcode_due = true;
            l.grant.may_download = true;
        }),
        Cast::link("key, not begun", Key, |l| {
            l.grant.valid_from = now() + minutes(1);
            l.grant.may_download = true;
        }),
        Cast::link("key, expired this moment", Key, |l| {
            l.grant.expires_at = now();
            l.grant.may_download = true;
        }),
        Cast::link("token, expired", Token, |l| l.grant.expires_at = now()),
        Cast::link("key, revoked", Key, ended(EndReason::Revoked)),
        Cast::link("view, revoked", View, ended(EndReason::Revoked)),
        Cast::link("key, used up", Key, ended(EndReason::UsedUp)),
        Cast::link("view, used up", View, ended(EndReason::UsedUp)),
        Cast::link("view, used up, expired", View, |l| {
            l.grant.ended = Some(EndReason::UsedUp);
            l.grant.expires_at = now();
        }),
        Cast::link(
            "key, keys changed without it",
            Key,
            ended(EndReason::NotCarried),
        ),
        Cast::link("key, suspended", Key, |l| l.grant.suspended = true),
        Cast::link("key of another link", Key, |l| {
            l.grant.id = GrantId(id(99));
            l.grant.types = RecordTypes::EMPTY;
            l.grant.may_download = true;
        }),
        Cast::link("key of a link of another patient", Key, |l| {
            l.grant.patient = ELSEWHERE;
            l.grant.may_download = true;
        }),
        Cast::link("a provider's grant in place of a link", Key, |l| {
            l.grant.holder = Holder::Account(ME);
            l.grant.may_download = true;
        }),
    ]
}

pub fn record(record_type: RecordType, kinds: Kinds) -> RecordFacts {
    RecordFacts {
        id: record_id(20),
        compartment: Compartment::new(record_type, kinds),
        author: None,
        deleted: false,
        withheld: false,
    }
}

/// Everything that can be asked about, owned, so that targets can borrow it.
pub enum Thing {
    Public,
    Deployment,
    Account(AccountId),
    Session(SessionFacts),
    Patient,
    Record(RecordFacts),
    Grant(GrantFacts),
    Request(RequestFacts),
    Entry(EntryFacts),
    Connection(ConnectionFacts),
    Attachment(ConnectionFacts),
    Caseload(bool),
    OnCaseload(bool),
    DocumentRequest(AccountId),
    Chart(ChartFacts),
    Claim(ClaimFacts),
}

impl Thing {
    /// As `cast` asks about it.
    pub fn target<'a>(&'a self, cast: &'a Cast) -> Target<'a> {
        match self {
            Self::Public => Target::Public,
            Self::Deployment => Target::Deployment,
            Self::Account(id) => Target::Account(*id),
            Self::Session(session) => Target::Session(session),
            Self::Patient => Target::Patient(&cast.patient),
            Self::Record(record) => Target::Record(&cast.patient, record),
            Self::Grant(grant) => Target::Grant(&cast.patient, grant),
            Self::Request(request) => Target::Request(&cast.patient, request),
            Self::Entry(entry) => Target::Entry(entry),
            Self::Connection(connection) => Target::Connection(connection),
            Self::Attachment(connection) => Target::Attachment(&cast.patient, connection),
            Self::Caseload(may) => Target::Caseload(*may),
            Self::OnCaseload(may) => Target::OnCaseload(&cast.patient, *may),
            Self::DocumentRequest(asker) => Target::DocumentRequest(&cast.patient, *asker),
            Self::Chart(chart) => Target::Chart(&cast.patient, chart),
            Self::Claim(claim) => Target::Claim(&cast.patient, claim),
        }
    }
}

/// Every thing, by its name in the tables.
pub fn things(granted: RecordType, other: RecordType) -> Vec<(&'static str, Thing)> {
    let plain = record(granted, Kinds::EMPTY);
    let with = |change: fn(&mut RecordFacts)| {
        let mut record = plain;
        change(&mut record);
        Thing::Record(record)
    };
    let session = |account| {
        Thing::Session(SessionFacts {
            id: SessionId(id(50)),
            account,
        })
    };
    let request = |asker, patient| {
        Thing::Request(RequestFacts {
            id: RequestId(id(60)),
            asker,
            patient,
        })
    };
    let entry = |managers: &[AccountId], actor| {
        Thing::Entry(EntryFacts {
            patient: Some(PATIENT),
            managers: managers.to_vec(),
            actor,
        })
    };
    let connection = |owner| ConnectionFacts {
        id: ConnectionId(id(70)),
        owner,
    };
    let theirs = GrantFacts {
        id: GrantId(id(33)),
        holder: Holder::Account(SOMEONE),
        ..grant()
    };
    let passed_on = GrantFacts {
        passed_on_by: Some(ME),
        ..theirs.clone()
    };
    let foreign = GrantFacts {
        patient: ELSEWHERE,
        ..theirs.clone()
    };
    let foreign_link = GrantFacts {
        patient: ELSEWHERE,
        ..link_grant()
    };
    let chart = |opened_by, claimed| Thing::Chart(ChartFacts { opened_by, claimed });
    let claim = |claimant, patient| Thing::Claim(ClaimFacts { claimant, patient });
    vec![
        ("", Thing::Public),
        (
            "charts, being of a type that opens them",
            Thing::Caseload(true),
        ),
        ("charts, being of another type", Thing::Caseload(false)),
        (
            "the patient, being of a type that has a caseload",
            Thing::OnCaseload(true),
        ),
        (
            "the patient, being of another type",
            Thing::OnCaseload(false),
        ),
        ("documents that one asked for", Thing::DocumentRequest(ME)),
        (
            "documents that another asked for",
            Thing::DocumentRequest(SOMEONE),
        ),
        ("the chart that one opened", chart(ME, false)),
        ("… which was claimed", chart(ME, true)),
        ("a chart that another opened", chart(SOMEONE, false)),
        ("… which was claimed by its patient", chart(SOMEONE, true)),
        ("one's own confirmed claim", claim(ME, PATIENT)),
        ("another's confirmed claim", claim(SOMEONE, PATIENT)),
        ("a claim on another patient", claim(ME, ELSEWHERE)),
        ("the installation", Thing::Deployment),
        ("one's own account", Thing::Account(ME)),
        ("another account", Thing::Account(SOMEONE)),
        ("one's own session", session(ME)),
        ("another's session", session(SOMEONE)),
        ("the patient", Thing::Patient),
        ("a record of the type granted", Thing::Record(plain)),
        (
            "… about HIV",
            Thing::Record(record(granted, Kinds::of(Kind::Hiv))),
        ),
        (
            "… about HIV and violence",
            Thing::Record(record(granted, Kinds::of(Kind::Hiv).with(Kind::Violence))),
        ),
        ("… which is the single one", with(|r| r.id = SINGLE)),
        ("… written by who asks", with(|r| r.author = Some(ME))),
        ("… written by another", with(|r| r.author = Some(SOMEONE))),
        (
            "… deleted",
            with(|r| {
                r.deleted = true;
                r.author = Some(ME);
            }),
        ),
        (
            "… taken back by who asks, its author",
            with(|r| {
                r.withheld = true;
                r.author = Some(ME);
            }),
        ),
        (
            "a record of another type",
            Thing::Record(record(other, Kinds::EMPTY)),
        ),
        (
            "… of another type, written by who asks",
            Thing::Record(RecordFacts {
                author: Some(ME),
                ..record(other, Kinds::EMPTY)
            }),
        ),
        ("a grant to who asks", Thing::Grant(grant())),
        ("a grant to another", Thing::Grant(theirs)),
        ("… passed on by who asks", Thing::Grant(passed_on)),
        ("a grant of another patient", Thing::Grant(foreign)),
        ("the link", Thing::Grant(link_grant())),
        ("a link of another patient", Thing::Grant(foreign_link)),
        ("a request by who asks", request(ME, PATIENT)),
        ("a request by another", request(SOMEONE, PATIENT)),
        ("a request to another patient", request(SOMEONE, ELSEWHERE)),
        ("an entry about who asks", entry(&[ME], Some(SOMEONE))),
        ("an entry by who asks", entry(&[SOMEONE], Some(ME))),
        (
            "an entry about another, by another",
            entry(&[SOMEONE], Some(SOMEONE)),
        ),
        ("one's own connection", Thing::Connection(connection(ME))),
        (
            "another's connection",
            Thing::Connection(connection(SOMEONE)),
        ),
        (
            "the patient, on one's own connection",
            Thing::Attachment(connection(ME)),
        ),
        (
            "the patient, on another's connection",
            Thing::Attachment(connection(SOMEONE)),
        ),
    ]
}
