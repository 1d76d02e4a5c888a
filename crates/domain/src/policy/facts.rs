//! What the policy is told. Plain data which `service` loads from the store; a
//! fact left out never widens what is permitted.

use jiff::Timestamp;

use crate::accounts::{AccountKind, Verification};
use crate::grants::GrantFacts;
use crate::ids::{AccountId, ConnectionId, PatientId, RequestId, SessionId};
use crate::records::RecordFacts;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who proved nothing.
    Nobody,
    /// Somebody signed in.
    Account(AccountFacts),
    /// Somebody with a link.
    Link(LinkFacts),
}

/// The account of a living session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its id.
    pub id: AccountId,
    /// Patient, provider or admin.
    pub kind: AccountKind,
    /// Whether it has shown that it reads its e-mail.
    pub email_verified: bool,
    /// For providers, what an admin found. Without meaning for others.
    pub verification: Verification,
    /// An admin ended its sign-in.
    pub disabled: bool,
    /// When its holder last showed who they are.
    pub auth_time: Timestamp,
    /// Whether this request opens content on the server (an assisted session),
    /// rather than in the client.
    pub assisted: bool,
}

/// What somebody with a link showed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkProof {
    /// Its token, which names it and opens nothing.
    Token,
    /// A value derived from its key (`X-Share-Auth`): the viewer opens.
    Auth,
    /// Its key (`X-Share-Key`): the server opens, for this request.
    Key,
    /// A view that was begun with a proof, and lasts.
    View,
}

impl LinkProof {
    /// Every proof.
    pub const ALL: [Self; 4] = [Self::Token, Self::Auth, Self::Key, Self::View];
}

/// A link in somebody's hands. The proof has been checked: a wrong one never
/// gets as far as the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFacts {
    /// Its grant.
    pub grant: GrantFacts,
    /// What was shown.
    pub proof: LinkProof,
    /// A passcode is set, and was not given with this request.
    pub passcode_due: bool,
}

/// A patient, as far as the caller is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientFacts {
    /// Their id.
    pub id: PatientId,
    /// The accounts that manage the record: owner, delegates with that right.
    pub managers: Vec<AccountId>,
    /// Whether the server may open this patient's records for a request.
    pub assisted_access: bool,
    /// Every grant on this patient that the calling account holds, ended ones too.
    pub caller_grants: Vec<GrantFacts>,
}

/// A request for access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFacts {
    /// Its id.
    pub id: RequestId,
    /// Who asked.
    pub asker: AccountId,
    /// Whom.
    pub patient: PatientId,
}

/// A chart: whose it was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartFacts {
    /// The practitioner who opened it.
    pub opened_by: AccountId,
    /// Whether its patient has claimed it.
    pub claimed: bool,
}

/// A claim that was confirmed: its claimant may take the chart over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimFacts {
    /// Who claims.
    pub claimant: AccountId,
    /// Whose chart.
    pub patient: PatientId,
}

/// A session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFacts {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
}

/// An entry of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFacts {
    /// Whose record it is about, if anybody's.
    pub patient: Option<PatientId>,
    /// That patient's managers.
    pub managers: Vec<AccountId>,
    /// Which account did it, if one did.
    pub actor: Option<AccountId>,
}

/// A source or destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionFacts {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is.
    pub owner: AccountId,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// Nothing that belongs to anybody.
    Public,
    /// The whole installation.
    Deployment,
    /// An account.
    Account(AccountId),
    /// A session.
    Session(&'a SessionFacts),
    /// A patient, or their records as a whole.
    Patient(&'a PatientFacts),
    /// One record.
    Record(&'a PatientFacts, &'a RecordFacts),
    /// One grant, or the link that has it.
    Grant(&'a PatientFacts, &'a GrantFacts),
    /// One request for access.
    Request(&'a PatientFacts, &'a RequestFacts),
    /// One entry of the trail.
    Entry(&'a EntryFacts),
    /// A source or destination.
    Connection(&'a ConnectionFacts),
    /// A patient on a source or destination.
    Attachment(&'a PatientFacts, &'a ConnectionFacts),
    /// Charts that are to be opened: whether the caller is of a type that may.
    Caseload(bool),
    /// Somebody on a caseload: whether the caller is of a type that has one.
    OnCaseload(&'a PatientFacts, bool),
    /// A request to a provider for a patient's documents, and who made it.
    DocumentRequest(&'a PatientFacts, AccountId),
    /// One chart.
    Chart(&'a PatientFacts, &'a ChartFacts),
    /// A chart that is being taken over.
    Claim(&'a PatientFacts, &'a ClaimFacts),
}
