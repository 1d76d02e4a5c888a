//! The nouns: accounts, patients, grants, batches, records, links, requests,
//! sessions, tokens. Every function that says SQL is called here at least once,
//! so that no statement is known to one engine only.

mod accounts;
mod charts;
mod connections;
mod grants;
mod patients;
mod records;
mod shares;
mod sync;

use chartkey_domain::accounts::{AccountKind, Verification};
use chartkey_domain::grants::{GrantFacts, Holder};
use chartkey_domain::ids::{AccountId, GrantId, PatientId, RecordId};
use chartkey_domain::policy::{
    self, AccountFacts, Action, Caller, PatientFacts, Permit, RecordFacts, Target,
};
use chartkey_domain::records::RecordTypes;
use chartkey_fhir::{Compartment, Kind, Kinds, RecordType};
use chartkey_store::accounts::AccountRow;
use chartkey_store::batches::{BatchRow, EnvelopeRow};
use chartkey_store::grants::{GrantRow, GrantSeals};
use chartkey_store::records::{RecordRow, VersionRow};
use chartkey_store::{Store, StoreError, Tx};
use jiff::Timestamp;

pub const OWNER: AccountId = AccountId::from_bytes([1; 16]);
pub const OTHER: AccountId = AccountId::from_bytes([2; 16]);
pub const PATIENT: PatientId = PatientId::from_bytes([7; 16]);
pub const STRANGER: PatientId = PatientId::from_bytes([8; 16]);

/// Runs `f` in one write that must succeed.
pub async fn within<T: Send + 'static>(
    store: &Store,
    f: impl FnOnce(&mut Tx) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store
        .write("test.nouns", f)
        .await
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// So many seconds after 1970.
pub fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(secs).unwrap()
}

pub fn labs() -> Compartment {
    Compartment::new(RecordType::LabResults, Kinds::EMPTY)
}

pub fn hiv_labs() -> Compartment {
    Compartment::new(RecordType::LabResults, Kinds::of(Kind::Hiv))
}

pub fn imaging() -> Compartment {
    Compartment::new(RecordType::Imaging, Kinds::EMPTY)
}

pub fn account(id: AccountId, email: u8) -> AccountRow {
    AccountRow {
        id,
        kind: "patient".to_owned(),
        email_p: vec![1],
        email_hash: [email; 32],
        name_p: vec![2],
        status: "pending".to_owned(),
        email_verified_at: None,
        provider_type_p: None,
        license_number_p: None,
        license_country: None,
        organization_p: None,
        verification: "none".to_owned(),
        verified_at: None,
        kdf: Some((65_536, 3, 1)),
        auth_hash: Some([3; 32]),
        wrapped_seed_password: Some(vec![4]),
        recovery_auth_hash: Some([5; 32]),
        wrapped_seed_recovery: Some(vec![6]),
        kem_public: Some(vec![7]),
        sign_public: Some(vec![8]),
        preferences_p: None,
        created_at: at(10),
        updated_at: at(10),
    }
}

pub fn grant(n: u8, types: &[RecordType], holder: Option<AccountId>) -> GrantRow {
    GrantRow {
        id: GrantId::from_bytes([n; 16]),
        patient: PATIENT,
        generation: 1,
        statement_seq: 2,
        holder,
        salt: [n; 32],
        types: types.to_vec(),
        kinds: Kinds::EMPTY,
        by_records: false,
        valid_from: at(0),
        expires_at: at(1_000),
        purpose: "TREAT".to_owned(),
        may_download: true,
        write_types: vec![RecordType::Diet],
        may_reshare: false,
        parent: None,
        created_by: OWNER,
        created_at: at(i64::from(n)),
        updated_at: at(i64::from(n)),
        ended_at: None,
        ended_reason: None,
        access_count: 0,
        download_count: 0,
        last_accessed: None,
        last_downloaded: None,
    }
}

pub fn seals(n: u8) -> GrantSeals {
    GrantSeals {
        keyring: vec![n, 1],
        cover: vec![n, 2],
        cover_wrap: vec![n, 3],
    }
}

pub fn batch(n: u8, compartment: Compartment, epoch: Option<(u32, u32)>) -> BatchRow {
    BatchRow {
        id: [n; 16].into_id(),
        patient: PATIENT,
        compartment,
        epoch,
        wrapped: epoch.map(|_| vec![n]),
        author: Some(OWNER),
        created_at: at(1),
    }
}

pub fn envelope(kind: &str, to: [u8; 16]) -> EnvelopeRow {
    EnvelopeRow {
        to_kind: kind.to_owned(),
        to: to.into_id(),
        sealed: vec![9],
    }
}

pub fn record(n: u8, compartment: Compartment, updated: i64) -> RecordRow {
    RecordRow {
        id: RecordId::from_bytes([n; 16]),
        patient: PATIENT,
        compartment,
        supporting: false,
        version: 1,
        identity_tag: Some([n; 32]),
        source: "upload".to_owned(),
        author: Some(OWNER),
        created_at: at(updated),
        updated_at: at(updated),
        deleted_at: None,
        withdrawn_at: None,
    }
}

pub fn version(record: u8, version: u32, batch: u8) -> VersionRow {
    VersionRow {
        record: RecordId::from_bytes([record; 16]),
        version,
        batch: [batch; 16].into_id(),
        header: vec![record, 1],
        body: Some(vec![record, 2]),
        blob: None,
        size: 4,
        commitment: [record; 32],
        content_tag: Some([record; 32]),
        sealed_hash: [record; 32],
        author: Some(OWNER),
        created_at: at(i64::from(version)),
    }
}

/// A patient with an owner.
pub fn patient(tx: &mut Tx) -> Result<(), StoreError> {
    chartkey_store::accounts::insert(tx, &account(OWNER, 1))?;
    chartkey_store::patients::insert(tx, PATIENT, Some(OWNER), true, at(20))
}

/// Shorter than naming the type each time.
pub trait IntoId<T> {
    fn into_id(self) -> T;
}

impl<T: From<chartkey_domain::ids::Id>> IntoId<T> for [u8; 16] {
    fn into_id(self) -> T {
        chartkey_domain::ids::Id::from_bytes(self).into()
    }
}

fn who(id: AccountId) -> Caller {
    Caller::Account(AccountFacts {
        id,
        kind: AccountKind::Patient,
        email_verified: true,
        verification: Verification::Pending,
        disabled: false,
        auth_time: at(100),
        assisted: false,
    })
}

fn about(grants: Vec<GrantFacts>) -> PatientFacts {
    PatientFacts {
        id: PATIENT,
        managers: vec![OWNER],
        assisted_access: true,
        caller_grants: grants,
    }
}

/// What the owner may list.
pub fn managers() -> Permit {
    let patient = about(Vec::new());
    policy::permit(
        &who(OWNER),
        Action::ListRecords,
        &Target::Patient(&patient),
        at(100),
    )
    .unwrap()
}

/// What somebody with these grants may list.
pub fn holders(grants: Vec<GrantFacts>) -> Permit {
    let patient = about(grants);
    policy::permit(
        &who(OTHER),
        Action::ListRecords,
        &Target::Patient(&patient),
        at(100),
    )
    .unwrap()
}

/// The owner's permit for one record.
pub fn one(row: &RecordRow) -> Permit {
    let facts = RecordFacts {
        id: row.id,
        compartment: row.compartment,
        author: row.author,
        deleted: false,
        withheld: false,
    };
    let patient = about(Vec::new());
    let target = Target::Record(&patient, &facts);
    policy::permit(&who(OWNER), Action::FindRecord, &target, at(100)).unwrap()
}

/// A grant as the policy sees it.
pub fn facts(row: &GrantRow, records: Option<Vec<RecordId>>) -> GrantFacts {
    GrantFacts {
        id: row.id,
        patient: row.patient,
        holder: Holder::Account(OTHER),
        types: row.types.iter().copied().collect::<RecordTypes>(),
        kinds: row.kinds,
        records,
        write_types: row.write_types.iter().copied().collect::<RecordTypes>(),
        valid_from: row.valid_from,
        expires_at: row.expires_at,
        may_download: row.may_download,
        may_reshare: row.may_reshare,
        passed_on_by: row.parent.map(|_| row.created_by),
        ended: None,
        suspended: false,
    }
}
