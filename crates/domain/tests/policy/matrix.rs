//! The tables. What behaves alike stands together, so that they can be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chartkey_domain::grants::GrantFacts;
use chartkey_domain::policy::{Action, Caller, Group, Refusal, permit};
use chartkey_domain::records::{Kinds, RecordType, RecordTypes};

use crate::cast::{self, Cast, GRANTED, OTHER, Thing, now};

/// What somebody is told: `yes`, or status and word.
fn outcome(cast: &Cast, action: Action, thing: &Thing) -> String {
    match permit(&cast.caller, action, &thing.target(cast), now()) {
        Ok(_) => "yes".to_owned(),
        Err(refusal) => format!("{} {}", refusal.status(), refusal.code()),
    }
}

/// Outcomes, and who gets them.
type Rows = Vec<(String, Vec<&'static str>)>;

/// Who gets which outcome, `yes` first.
fn rows(casts: &[Cast], action: Action, thing: &Thing) -> Rows {
    let mut rows: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for cast in casts {
        rows.entry(outcome(cast, action, thing))
            .or_default()
            .push(cast.name);
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(outcome, _)| outcome != "yes");
    rows
}

/// The tables of one operation: about what, and who gets which outcome. What
/// nobody may do about a thing is left out: that is what is meant by denied.
fn tables(casts: &[Cast], action: Action) -> String {
    let mut by_rows: Vec<(Vec<&'static str>, Rows)> = Vec::new();
    for (name, thing) in cast::things(GRANTED, OTHER) {
        let rows = rows(casts, action, &thing);
        if rows.first().is_none_or(|(outcome, _)| outcome != "yes") {
            continue;
        }
        match by_rows.iter_mut().find(|(_, known)| *known == rows) {
            Some((names, _)) => names.push(name),
            None => by_rows.push((vec![name], rows)),
        }
    }
    let mut text = String::new();
    for (names, rows) in by_rows {
        if names != [""] {
            writeln!(text, "  {}", names.join(" | ")).unwrap();
        }
        text.push_str(&render(&rows));
    }
    text
}

/// Outcomes, and who gets them, in lines that fit a page.
fn render(rows: &[(String, Vec<&'static str>)]) -> String {
    let mut text = String::new();
    for (outcome, who) in rows {
        let mut line = format!("    {outcome:<26} ");
        for (index, name) in who.iter().enumerate() {
            if index > 0 {
                line.push_str(" · ");
            }
            if line.chars().count() + name.chars().count() > 110 {
                writeln!(text, "{}", line.trim_end()).unwrap();
                line = " ".repeat(31);
            }
            line.push_str(name);
        }
        writeln!(text, "{}", line.trim_end()).unwrap();
    }
    text
}

/// The page of a group of operations: those with the same tables share them.
fn page(casts: &[Cast], group: Group) -> String {
    let mut sections: Vec<(Vec<&'static str>, String)> = Vec::new();
    let actions = || Action::ALL.iter().filter(|action| action.group() == group);
    let (always, casts): (Vec<Cast>, Vec<Cast>) = casts
        .iter()
        .cloned()
        .partition(|cast| group != Group::Public && refused_throughout(cast, actions()));
    let mut throughout = String::new();
    if let Some(action) = actions().next()
        && !always.is_empty()
    {
        let rows = rows(&always, *action, &Thing::Deployment);
        throughout = format!("whatever is asked\n{}\n", render(&rows));
    }
    for action in actions() {
        let tables = match tables(&casts, *action) {
            none if none.is_empty() => "    nobody\n".to_owned(),
            tables => tables,
        };
        match sections.iter_mut().find(|(_, known)| *known == tables) {
            Some((names, _)) => names.push(action.id()),
            None => sections.push((vec![action.id()], tables)),
        }
    }
    let sections: Vec<_> = sections
        .into_iter()
        .map(|(names, tables)| format!("{}\n{tables}", names.join(", ")))
        .collect();
    throughout + &sections.join("\n")
}

/// Whether somebody gets the same refusal to all of these, about anything that
/// these are about: said once at the top of a page.
fn refused_throughout<'a>(cast: &Cast, actions: impl Iterator<Item = &'a Action>) -> bool {
    let things = cast::things(GRANTED, OTHER);
    let outcomes: std::collections::BTreeSet<String> = actions
        .flat_map(|action| {
            things
                .iter()
                .map(|(_, thing)| outcome(cast, *action, thing))
        })
        .collect();
    outcomes.len() == 1 && !outcomes.contains("yes")
}

fn check(group: Group) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots");
    settings.set_omit_expression(true);
    settings.bind(|| {
        let name = format!("{group:?}").to_lowercase();
        insta::assert_snapshot!(name.clone(), page(&cast::people(), group));
        let with_links = page(&cast::links(), group);
        if with_links.lines().any(|line| line.contains("    yes ")) {
            insta::assert_snapshot!(format!("{name}_with_a_link"), with_links);
        }
    });
}

#[test]
fn every_operation_by_everybody_about_everything_is_as_written_down() {
    for group in Group::ALL {
        check(group);
    }
}

/// The tables speak of one granted type; here is that all others behave like it.
#[test]
fn every_record_type_behaves_like_the_one_in_the_tables() {
    let swap = |types: RecordTypes, granted, other| {
        types
            .iter()
            .map(|one| if one == GRANTED { granted } else { other })
            .collect::<RecordTypes>()
    };
    let reference: Vec<_> = cast::things(GRANTED, OTHER);
    let casts: Vec<Cast> = cast::people().into_iter().chain(cast::links()).collect();
    for granted in RecordType::ALL {
        for other in RecordType::ALL {
            if granted == other {
                continue;
            }
            let things = cast::things(granted, other);
            for cast in &casts {
                let mut swapped = cast.clone();
                let turn = |grant: &mut GrantFacts| {
                    grant.types = swap(grant.types, granted, other);
                    grant.write_types = swap(grant.write_types, granted, other);
                };
                swapped.patient.caller_grants.iter_mut().for_each(turn);
                if let Caller::Link(link) = &mut swapped.caller {
                    turn(&mut link.grant);
                }
                for action in Action::ALL {
                    for ((name, thing), (_, known)) in things.iter().zip(&reference) {
                        if !matches!(thing, Thing::Record(_) | Thing::Patient) {
                            continue;
                        }
                        let told = |cast: &Cast, thing: &Thing| {
                            permit(&cast.caller, *action, &thing.target(cast), now()).err()
                        };
                        assert_eq!(
                            told(&swapped, thing),
                            told(cast, known),
                            "{} by {} about {name}: {granted}, {other}",
                            action.id(),
                            cast.name,
                        );
                    }
                }
            }
        }
    }
}

/// Every set of kinds: a grant shows a record when it names all of its kinds.
#[test]
fn every_set_of_kinds_is_shown_to_whom_all_its_kinds_were_granted() {
    let sets = || (0..64).filter_map(Kinds::from_bits);
    let grantee = cast::people()
        .into_iter()
        .find(|cast| cast.name == "grantee")
        .unwrap();
    for granted in sets() {
        let mut cast = grantee.clone();
        for grant in &mut cast.patient.caller_grants {
            grant.kinds = granted;
        }
        for kinds in sets() {
            let thing = Thing::Record(cast::record(GRANTED, kinds));
            let expected = if kinds.is_subset_of(granted) {
                "yes"
            } else {
                "404 record.unknown"
            };
            assert_eq!(outcome(&cast, Action::FindRecord, &thing), expected);
        }
    }
}

#[test]
fn every_operation_has_one_name_and_can_be_permitted_to_somebody() {
    let casts: Vec<Cast> = cast::people().into_iter().chain(cast::links()).collect();
    let mut ids: Vec<_> = Action::ALL.iter().map(|action| action.id()).collect();
    for action in Action::ALL {
        let somebody = cast::things(GRANTED, OTHER).iter().any(|(_, thing)| {
            casts
                .iter()
                .any(|cast| outcome(cast, *action, thing) == "yes")
        });
        assert!(somebody, "nobody may {}", action.id());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), Action::ALL.len());
}

/// Every way to say no is said to somebody, so none is there for nothing.
#[test]
fn every_refusal_is_met_by_somebody() {
    let casts: Vec<Cast> = cast::people().into_iter().chain(cast::links()).collect();
    let things = cast::things(GRANTED, OTHER);
    for refusal in Refusal::ALL {
        let met = casts.iter().any(|cast| {
            Action::ALL.iter().any(|action| {
                things.iter().any(|(_, thing)| {
                    permit(&cast.caller, *action, &thing.target(cast), now()) == Err(refusal)
                })
            })
        });
        assert!(met, "{}", refusal.code());
    }
}

/// A permit is bound to what it was given for.
#[test]
fn a_permit_names_patient_record_and_grant() {
    let people = cast::people();
    let by = |name: &str| people.iter().find(|cast| cast.name == name).unwrap();
    let record = cast::record(GRANTED, Kinds::EMPTY);
    let thing = Thing::Record(record);

    let grantee = by("grantee");
    let held = &grantee.patient.caller_grants[0];
    let permitted = permit(
        &grantee.caller,
        Action::FindRecord,
        &thing.target(grantee),
        now(),
    )
    .unwrap();
    assert_eq!(permitted.patient(), cast::PATIENT);
    assert_eq!(permitted.record(), Some(record.id));
    assert_eq!(permitted.grant(), Some(held.id));
    assert_eq!(permitted.grant_for(&record), Some(held.id));
    assert_eq!(permitted.account(), Some(cast::ME));
    assert!(permitted.reads(&record) && !permitted.is_managers());
    let another = chartkey_domain::records::RecordFacts {
        id: cast::SINGLE,
        ..record
    };
    assert!(!permitted.reads(&another), "it is about one record");

    let manager = by("manager");
    let permitted = permit(
        &manager.caller,
        Action::FindRecord,
        &thing.target(manager),
        now(),
    )
    .unwrap();
    assert!(permitted.is_managers());
    assert_eq!(permitted.grant(), None);

    // What is about nobody's record has a patient that nobody is.
    let permitted = permit(
        &manager.caller,
        Action::Healthz,
        &Thing::Public.target(manager),
        now(),
    )
    .unwrap();
    assert_eq!(permitted.patient(), chartkey_domain::ids::PatientId::NIL);
    assert!(!permitted.reads(&record) && !permitted.writes(GRANTED));
}

#[test]
fn a_list_reaches_what_is_covered_and_a_write_what_may_be_written() {
    let people = cast::people();
    let by = |name: &str| people.iter().find(|cast| cast.name == name).unwrap();
    let permitted = |name, action| {
        let cast = by(name);
        permit(&cast.caller, action, &Thing::Patient.target(cast), now()).unwrap()
    };
    let plain = cast::record(GRANTED, Kinds::EMPTY);
    let other = cast::record(OTHER, Kinds::EMPTY);
    let mine = chartkey_domain::records::RecordFacts {
        author: Some(cast::ME),
        ..other
    };

    let list = permitted("grantee", Action::ListRecords);
    assert!(list.reads(&plain) && !list.reads(&other) && list.reads(&mine));
    let list = permitted("grantee, write only", Action::ListRecords);
    assert!(!list.reads(&plain) && list.reads(&mine));
    let write = permitted("grantee, write only", Action::CreateRecord);
    assert!(write.writes(GRANTED) && !write.writes(OTHER) && !write.reads(&mine));
    let export = permitted(
        "grantee, may download one type and read the other",
        Action::ExportRecords,
    );
    assert!(
        export.reads(&other)
            && !export.reads(&plain)
            && !export.reads(&chartkey_domain::records::RecordFacts {
                author: Some(cast::ME),
                ..plain
            })
    );
}
