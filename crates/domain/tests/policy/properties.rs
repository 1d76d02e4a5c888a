//! What must hold for any facts whatever, against oracles written apart from the
//! rules.

use chartkey_domain::accounts::{AccountKind, Verification};
use chartkey_domain::grants::{EndReason, GrantFacts, Holder};
use chartkey_domain::ids::{GrantId, Id};
use chartkey_domain::policy::{
    AccountFacts, Action, Caller, LinkFacts, LinkProof, PatientFacts, Permit, RecordFacts, Refusal,
    permit,
};
use chartkey_domain::records::{Compartment, Kinds, RecordType, RecordTypes};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use crate::cast::{self, ELSEWHERE, ME, PATIENT, SOMEONE, Thing, minutes, now};

fn types() -> impl Strategy<Value = RecordTypes> {
    proptest::collection::vec(select(RecordType::ALL.to_vec()), 0..4)
        .prop_map(|types| types.into_iter().collect())
}

fn kinds() -> impl Strategy<Value = Kinds> {
    (0_u8..64).prop_map(|bits| Kinds::from_bits(bits).unwrap())
}

fn near() -> impl Strategy<Value = Timestamp> {
    (-3_i64..=3).prop_map(|n| now() + minutes(n))
}

prop_compose! {
    fn grants()(
        number in 100_u8..200,
        patient in select(vec![PATIENT, PATIENT, PATIENT, ELSEWHERE]),
        holder in select(vec![Holder::Account(ME), Holder::Account(ME), Holder::Account(SOMEONE), Holder::Link]),
        (types, kinds, write_types) in (types(), kinds(), types()),
        records in proptest::option::weighted(0.2, proptest::collection::vec((1_u8..5).prop_map(cast::record_id), 0..3)),
        (valid_from, expires_at) in (near(), near()),
        (may_download, suspended) in (any::<bool>(), proptest::bool::weighted(0.1)),
        ended in proptest::option::weighted(0.2, select(EndReason::ALL.to_vec())),
    ) -> GrantFacts {
        GrantFacts {
            id: GrantId(Id::from_bytes([number; 16])),
            patient, holder, types, kinds, records, write_types, valid_from, expires_at,
            may_download, may_reshare: false, passed_on_by: None, ended, suspended,
        }
    }
}

prop_compose! {
    fn accounts()(
        kind in select(AccountKind::ALL.to_vec()),
        verification in select(vec![Verification::Verified, Verification::Verified, Verification::Pending, Verification::Suspended]),
        (email_verified, disabled, assisted) in (any::<bool>(), proptest::bool::weighted(0.1), any::<bool>()),
        age in 0_i64..10,
    ) -> AccountFacts {
        AccountFacts {
            id: ME, kind, email_verified, verification, disabled,
            auth_time: now() - minutes(age), assisted,
        }
    }
}

prop_compose! {
    fn patients()(
        manager in proptest::bool::weighted(0.3),
        assisted_access in any::<bool>(),
        caller_grants in proptest::collection::vec(grants(), 0..4),
    ) -> PatientFacts {
        PatientFacts {
            id: PATIENT,
            managers: if manager { vec![SOMEONE, ME] } else { vec![SOMEONE] },
            assisted_access,
            caller_grants,
        }
    }
}

prop_compose! {
    fn records()(
        number in 1_u8..5,
        record_type in select(RecordType::ALL.to_vec()),
        kinds in kinds(),
        author in proptest::option::of(select(vec![ME, SOMEONE])),
        (deleted, withheld) in (proptest::bool::weighted(0.1), proptest::bool::weighted(0.1)),
    ) -> RecordFacts {
        RecordFacts {
            id: cast::record_id(number),
            compartment: Compartment::new(record_type, kinds),
            author, deleted, withheld,
        }
    }
}

fn actions() -> impl Strategy<Value = Action> {
    select(Action::ALL.to_vec())
}

/// Whether the grant counts now, said once more in other words.
fn counts(grant: &GrantFacts) -> bool {
    grant.patient == PATIENT
        && grant.holder == Holder::Account(ME)
        && grant.ended.is_none()
        && !grant.suspended
        && (grant.valid_from..grant.expires_at).contains(&now())
}

/// Whether the grant names the record.
fn names(grant: &GrantFacts, record: &RecordFacts) -> bool {
    let type_named = grant
        .types
        .iter()
        .any(|one| one == record.compartment.record_type);
    let kinds_named = record
        .compartment
        .kinds
        .iter()
        .all(|kind| grant.kinds.contains(kind));
    let single = grant
        .records
        .as_ref()
        .is_none_or(|ids| ids.contains(&record.id));
    type_named && kinds_named && single
}

/// Whether somebody who does not manage may see the record at all.
fn may_see(patient: &PatientFacts, record: &RecordFacts) -> bool {
    let mut living = patient.caller_grants.iter().filter(|grant| counts(grant));
    let authored = record.author == Some(ME) && patient.caller_grants.iter().any(counts);
    !record.deleted && !record.withheld && (authored || living.any(|grant| names(grant, record)))
}

fn manages(account: &AccountFacts, patient: &PatientFacts) -> bool {
    account.kind != AccountKind::Admin && patient.managers.contains(&ME)
}

fn ask(
    account: &AccountFacts,
    patient: &PatientFacts,
    action: Action,
    record: Option<&RecordFacts>,
) -> Result<Permit, Refusal> {
    use chartkey_domain::policy::Target;
    let target = match record {
        Some(record) => Target::Record(patient, record),
        None => Target::Patient(patient),
    };
    permit(&Caller::Account(*account), action, &target, now())
}

/// Takes something away from the facts: each of these may only narrow.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Grant(usize),
    Types(usize),
    Kinds(usize),
    WriteTypes(usize),
    Download(usize),
    Ended(usize),
    Suspended(usize),
    Single(usize),
    Later(usize),
    Sooner(usize),
    Email,
    Verification,
    Disabled,
    Manager,
    Assisted,
    OldSignIn,
    Author,
    Deleted,
    Withheld,
}

fn losses() -> impl Strategy<Value = Loss> {
    (0_usize..19, 0_usize..4).prop_map(|(which, n)| {
        [
            Loss::Grant(n),
            Loss::Types(n),
            Loss::Kinds(n),
            Loss::WriteTypes(n),
            Loss::Download(n),
            Loss::Ended(n),
            Loss::Suspended(n),
            Loss::Single(n),
            Loss::Later(n),
            Loss::Sooner(n),
            Loss::Email,
            Loss::Verification,
            Loss::Disabled,
            Loss::Manager,
            Loss::Assisted,
            Loss::OldSignIn,
            Loss::Author,
            Loss::Deleted,
            Loss::Withheld,
        ][which]
    })
}

fn lose(
    loss: Loss,
    account: &mut AccountFacts,
    patient: &mut PatientFacts,
    record: &mut RecordFacts,
) {
    let grants = &mut patient.caller_grants;
    let mut change = |n: usize, change: fn(&mut GrantFacts)| {
        if let Some(grant) = grants.get_mut(n) {
            change(grant);
        }
    };
    match loss {
        Loss::Types(n) => change(n, |g| g.types = RecordTypes::EMPTY),
        Loss::Kinds(n) => change(n, |g| g.kinds = Kinds::EMPTY),
        Loss::WriteTypes(n) => change(n, |g| g.write_types = RecordTypes::EMPTY),
        Loss::Download(n) => change(n, |g| g.may_download = false),
        Loss::Ended(n) => change(n, |g| g.ended = Some(EndReason::Revoked)),
        Loss::Suspended(n) => change(n, |g| g.suspended = true),
        Loss::Single(n) => change(n, |g| g.records = Some(Vec::new())),
        Loss::Later(n) => change(n, |g| g.valid_from = now() + minutes(1)),
        Loss::Sooner(n) => change(n, |g| g.expires_at = now()),
        Loss::Grant(n) => {
            if n < grants.len() {
                grants.remove(n);
            }
        }
        Loss::Email => account.email_verified = false,
        Loss::Verification => account.verification = Verification::Pending,
        Loss::Disabled => account.disabled = true,
        Loss::Manager => patient.managers.retain(|id| *id != ME),
        Loss::Assisted => patient.assisted_access = false,
        Loss::OldSignIn => account.auth_time = now() - minutes(60),
        Loss::Author => record.author = None,
        Loss::Deleted => record.deleted = true,
        Loss::Withheld => record.withheld = true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// About one record, nobody but a manager is permitted anything unless a
    /// living grant names it, or they wrote it while a grant of theirs lives.
    #[test]
    fn nobody_but_a_manager_reaches_a_record_outside_their_grants(
        account in accounts(), patient in patients(), record in records(), action in actions(),
    ) {
        if let Ok(permit) = ask(&account, &patient, action, Some(&record)) {
            prop_assert!(!record.deleted && account.kind != AccountKind::Admin);
            prop_assert_eq!(permit.patient(), PATIENT);
            prop_assert_eq!(permit.record(), Some(record.id));
            if !manages(&account, &patient) {
                prop_assert!(may_see(&patient, &record));
                prop_assert!(!permit.is_managers());
            }
        }
    }

    /// However a permit on a patient came about, the records that it reaches are
    /// those that living grants name, or that its holder wrote.
    #[test]
    fn no_permit_on_a_patient_reaches_beyond_the_grants_it_rests_on(
        account in accounts(), patient in patients(), record in records(), action in actions(),
    ) {
        if let Ok(permit) = ask(&account, &patient, action, None) {
            prop_assert!(account.kind != AccountKind::Admin);
            if !manages(&account, &patient) {
                prop_assert!(!permit.is_managers());
                prop_assert!(!permit.reads(&record) || may_see(&patient, &record));
                let living = patient.caller_grants.iter().filter(|grant| counts(grant));
                let record_type = record.compartment.record_type;
                let may_write = living.clone().any(|grant| grant.write_types.contains(record_type));
                prop_assert!(!permit.writes(record_type) || may_write);
                for id in permit.grants() {
                    prop_assert!(living.clone().any(|grant| grant.id == id));
                }
            }
        }
    }

    /// With every grant ended there is nothing left but to ask again.
    #[test]
    fn an_ended_grant_never_permits(
        account in accounts(), mut patient in patients(), record in records(), action in actions(),
        why in select(EndReason::ALL.to_vec()), by_time in any::<bool>(),
    ) {
        patient.managers.retain(|id| *id != ME);
        for grant in &mut patient.caller_grants {
            if by_time {
                grant.expires_at = now();
            } else {
                grant.ended = Some(why);
            }
        }
        prop_assert!(ask(&account, &patient, action, Some(&record)).is_err());
        if action != Action::CreateRequest {
            prop_assert!(ask(&account, &patient, action, None).is_err());
        }
    }

    /// Whoever loses a fact gains nothing by it.
    #[test]
    fn to_lose_a_fact_never_widens(
        account in accounts(), patient in patients(), record in records(),
        probe in records(), action in actions(), loss in losses(),
    ) {
        let (mut less_account, mut less_patient, mut less_record) = (account, patient.clone(), record);
        lose(loss, &mut less_account, &mut less_patient, &mut less_record);
        for about_record in [false, true] {
            let before = ask(&account, &patient, action, about_record.then_some(&record));
            let after = ask(&less_account, &less_patient, action, about_record.then_some(&less_record));
            if let Ok(after) = after {
                prop_assert!(before.is_ok(), "{:?} gave what {:?} had refused", loss, before);
                let before = before.unwrap();
                prop_assert!(before.reads(&probe) || !after.reads(&probe));
                let record_type = probe.compartment.record_type;
                prop_assert!(before.writes(record_type) || !after.writes(record_type));
                prop_assert!(before.reads_compartment(probe.compartment) || !after.reads_compartment(probe.compartment));
            }
        }
    }

    /// A link permits things with itself alone, and opens nothing once it ended.
    #[test]
    fn a_link_opens_what_it_names_while_it_lives(
        grant in grants(), proof in select(LinkProof::ALL.to_vec()), passcode_due in any::<bool>(),
        patient in patients(), record in records(), action in actions(),
    ) {
        let caller = Caller::Link(LinkFacts { grant: grant.clone(), proof, passcode_due });
        let things = cast::things(cast::GRANTED, cast::OTHER);
        let cast = cast::Cast { name: "", caller, patient };
        let own = Thing::Grant(grant.clone());
        for thing in things.iter().map(|(_, thing)| thing).chain([&own, &Thing::Record(record)]) {
            let target = thing.target(&cast);
            let Ok(permit) = permit(&cast.caller, action, &target, now()) else { continue };
            if matches!(thing, Thing::Public) {
                prop_assert_eq!(permit.patient(), chartkey_domain::ids::PatientId::NIL);
                continue;
            }
            prop_assert_eq!(permit.patient(), grant.patient);
            prop_assert!(!RecordType::ALL.into_iter().any(|one| permit.writes(one)));
            let reads = permit.reads(&record);
            if reads {
                prop_assert!(names(&grant, &record) && !record.deleted && !record.withheld);
                prop_assert!(!passcode_due && !grant.suspended);
                let alive = grant.ended.is_none()
                    || (grant.ended == Some(EndReason::UsedUp) && proof == LinkProof::View);
                prop_assert!(alive && grant.expires_at > now());
            }
        }
    }

    /// Nobody without a sign-in or a link is permitted more than what is public.
    #[test]
    fn nobody_is_permitted_only_what_is_public(action in actions(), patient in patients()) {
        let cast = cast::Cast { name: "", caller: Caller::Nobody, patient };
        for (_, thing) in cast::things(cast::GRANTED, cast::OTHER) {
            let permitted = permit(&cast.caller, action, &thing.target(&cast), now());
            prop_assert_eq!(
                permitted.is_ok(),
                matches!(thing, Thing::Public) && action.group() == chartkey_domain::policy::Group::Public
            );
        }
    }
}
