//! What resources of one import are to each other: who cites whom, which kinds
//! spread along that, whose record type is handed on, and where supporting
//! resources belong.
//!
//! Knows references and kinds, nothing of what made a resource sensitive.

use std::collections::{BTreeSet, HashMap};

use crate::classify::{Guess, HANDED_ON, Reference, Tie};
use crate::kinds::{Compartment, Kinds};
use crate::record_type::RecordType;

/// One resource as the graph sees it.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) resource_type: String,
    pub(crate) logical_id: Option<String>,
    pub(crate) full_url: Option<String>,
    /// `system|value` and `value` of its identifiers; for supporting resources.
    pub(crate) identifiers: Vec<String>,
    pub(crate) guess: Guess,
    /// What the resource says of itself; [`Graph::spread`] adds to it.
    pub(crate) kinds: Kinds,
    /// The kinds of its main code alone, which its parts inherit.
    pub(crate) code_kinds: Kinds,
    pub(crate) references: Vec<Reference<'a>>,
}

/// The members and the references between them.
pub(crate) struct Graph<'a> {
    members: Vec<Member<'a>>,
    /// For each member: (target, tie), resolved.
    edges: Vec<Vec<(usize, Tie)>>,
}

/// What the graph decided for one member.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) record_type: RecordType,
    pub(crate) kinds: Kinds,
    pub(crate) supporting: bool,
    pub(crate) compartments: Vec<Compartment>,
    /// Compartments that did not fit under the limit.
    pub(crate) left_out: bool,
    /// What it cites, in the order of the resource.
    pub(crate) cites: Vec<usize>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(members: Vec<Member<'a>>) -> Self {
        let index = Index::of(&members);
        let edges = members.iter().map(|member| index.edges(member)).collect();
        Self { members, edges }
    }

    /// Spreads kinds, hands on types, and places every member.
    pub(crate) fn place(mut self, max_placements: usize) -> Vec<Place> {
        self.spread();
        let types = self.types();
        let (compartments, left_out) = self.compartments(&types, max_placements);
        let parts = self.members.iter().zip(self.edges).zip(types.iter());
        parts
            .zip(compartments.into_iter().zip(left_out))
            .map(
                |(((member, edges), record_type), (compartments, left_out))| {
                    let supporting = matches!(member.guess, Guess::Supporting(_));
                    let mut place = Place {
                        record_type: *record_type,
                        kinds: member.kinds,
                        supporting,
                        compartments: compartments.into_iter().collect(),
                        left_out,
                        cites: edges
                            .iter()
                            .filter(|(_, tie)| *tie != Tie::Loose)
                            .map(|(target, _)| *target)
                            .collect(),
                    };
                    if supporting && let Some(first) = place.compartments.first() {
                        place.record_type = first.record_type;
                        place.kinds = first.kinds;
                    }
                    place
                },
            )
            .collect()
    }

    /// Kinds flow from the cited to the citing until nothing changes. Each
    /// member can change at most six times, so this ends, cycles or not.
    fn spread(&mut self) {
        let mut citing: Vec<Vec<usize>> = vec![Vec::new(); self.members.len()];
        let mut inherited: Vec<(usize, Kinds)> = Vec::new();
        for (from, edges) in self.edges.iter().enumerate() {
            let code_kinds = self
                .members
                .get(from)
                .map(|m| m.code_kinds)
                .unwrap_or_default();
            for (to, tie) in edges {
                if *tie != Tie::Loose
                    && self.members.get(*to).is_some_and(says_what)
                    && let Some(citing) = citing.get_mut(*to)
                {
                    citing.push(from);
                }
                if *tie == Tie::Member && !code_kinds.is_empty() {
                    inherited.push((*to, code_kinds));
                }
            }
        }
        // A member of a panel of a panel inherits through both.
        let mut work = inherited;
        while let Some((to, kinds)) = work.pop() {
            let Some(member) = self.members.get_mut(to) else {
                continue;
            };
            if kinds.is_subset_of(member.code_kinds) {
                continue;
            }
            member.code_kinds |= kinds;
            member.kinds |= kinds;
            for (part, tie) in self.edges.get(to).into_iter().flatten() {
                if *tie == Tie::Member {
                    work.push((*part, kinds));
                }
            }
        }
        let mut work: Vec<usize> = (0..self.members.len()).collect();
        while let Some(at) = work.pop() {
            let kinds = self
                .members
                .get(at)
                .map(|member| member.kinds)
                .unwrap_or_default();
            if kinds.is_empty() {
                continue;
            }
            for from in citing.get(at).into_iter().flatten() {
                if let Some(member) = self.members.get_mut(*from)
                    && !kinds.is_subset_of(member.kinds)
                {
                    member.kinds |= kinds;
                    work.push(*from);
                }
            }
        }
    }

    /// Rules 3.5 and 4.4: types handed from wholes to parts and back.
    fn types(&self) -> Vec<RecordType> {
        let mut known: Vec<Option<RecordType>> = self
            .members
            .iter()
            .map(|member| match member.guess {
                Guess::Fixed(fixed) => Some(fixed),
                _ => None,
            })
            .collect();
        // Panels inside panels inside reports are three deep; more rounds than
        // that change nothing in real data and cost little in any.
        for _ in 0..8 {
            let heard = self.hear(&known);
            let mut changed = false;
            for (known, heard) in known.iter_mut().zip(heard) {
                if known.is_none() && heard.is_some() {
                    *known = heard;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        let fallback = |guess: Guess| match guess {
            Guess::Fixed(one)
            | Guess::Supporting(one)
            | Guess::FollowWhole(one)
            | Guess::FollowResults(one) => one,
        };
        let members = self.members.iter().zip(known);
        members
            .map(|(member, known)| known.unwrap_or_else(|| fallback(member.guess)))
            .collect()
    }

    /// What each undecided member hears from those that are decided.
    fn hear(&self, known: &[Option<RecordType>]) -> Vec<Option<RecordType>> {
        let mut heard: Vec<Option<RecordType>> = vec![None; self.members.len()];
        let mut tell = |to: usize, told: RecordType| {
            let Some(rank) = HANDED_ON.iter().position(|one| *one == told) else {
                return;
            };
            if let Some(slot) = heard.get_mut(to) {
                let better = slot.is_none_or(|before| {
                    HANDED_ON
                        .iter()
                        .position(|one| *one == before)
                        .is_some_and(|r| rank < r)
                });
                if better {
                    *slot = Some(told);
                }
            }
        };
        let guess_of = |at: usize| self.members.get(at).map(|member| member.guess);
        let type_of = |at: usize| known.get(at).copied().flatten();
        for (from, edges) in self.edges.iter().enumerate() {
            for (to, tie) in edges {
                let picture = self
                    .members
                    .get(*to)
                    .is_some_and(|m| m.resource_type == "Media");
                if *tie != Tie::Member && !(picture && *tie == Tie::Cites) {
                    continue;
                }
                if let (Some(Guess::FollowWhole(_)), Some(told)) = (guess_of(*to), type_of(from)) {
                    tell(*to, told);
                }
                if let (Some(Guess::FollowResults(_)), Some(told)) = (guess_of(from), type_of(*to))
                {
                    tell(from, told);
                }
            }
        }
        heard
    }

    /// A supporting resource goes into the compartment of each record that
    /// refers to it, directly or through other supporting resources.
    fn compartments(
        &self,
        types: &[RecordType],
        max_placements: usize,
    ) -> (Vec<BTreeSet<Compartment>>, Vec<bool>) {
        let mut places: Vec<BTreeSet<Compartment>> = vec![BTreeSet::new(); self.members.len()];
        let mut left_out = vec![false; self.members.len()];
        let mut work: Vec<(usize, Compartment)> = Vec::new();
        for (at, (member, record_type)) in self.members.iter().zip(types).enumerate() {
            if !matches!(member.guess, Guess::Supporting(_)) {
                let own = Compartment::new(*record_type, member.kinds);
                if let Some(places) = places.get_mut(at) {
                    places.insert(own);
                }
                work.push((at, own));
            }
        }
        while let Some((at, compartment)) = work.pop() {
            for (to, _) in self.edges.get(at).into_iter().flatten() {
                let is_supporting = self
                    .members
                    .get(*to)
                    .is_some_and(|member| matches!(member.guess, Guess::Supporting(_)));
                let Some(there) = places.get_mut(*to).filter(|_| is_supporting) else {
                    continue;
                };
                if there.len() >= max_placements && !there.contains(&compartment) {
                    if let Some(left_out) = left_out.get_mut(*to) {
                        *left_out = true;
                    }
                } else if there.insert(compartment) {
                    work.push((*to, compartment));
                }
            }
        }
        for ((places, member), record_type) in places.iter_mut().zip(&self.members).zip(types) {
            if places.is_empty() {
                places.insert(Compartment::new(*record_type, member.kinds));
            }
        }
        (places, left_out)
    }
}

/// Whether the kinds of a member can say something of who refers to it. Those
/// of people, organisations and places do not, whatever field names them.
fn says_what(member: &Member<'_>) -> bool {
    !matches!(
        member.resource_type.as_str(),
        "Patient"
            | "Person"
            | "RelatedPerson"
            | "Practitioner"
            | "PractitionerRole"
            | "Organization"
            | "OrganizationAffiliation"
            | "Location"
            | "CareTeam"
            | "Group"
            | "Endpoint"
    )
}

/// Finding a member by what references say.
#[expect(
    clippy::struct_field_names,
    reason = "each is a way to find the same thing"
)]
struct Index<'m> {
    by_url: HashMap<&'m str, Vec<usize>>,
    /// By resource type, then id.
    by_name: ByType<'m>,
    /// By resource type, then identifier.
    by_identifier: ByType<'m>,
}

type ByType<'m> = HashMap<&'m str, HashMap<&'m str, Vec<usize>>>;

fn look_up<'i>(index: &'i ByType<'_>, resource_type: &str, name: &str) -> &'i [usize] {
    index
        .get(resource_type)
        .and_then(|names| names.get(name))
        .map_or(&[], Vec::as_slice)
}

/// How many members one reference may mean: versions of one resource in a
/// history, at most. Bounds what hostile input can multiply.
const MAX_MEANT: usize = 16;

impl<'m> Index<'m> {
    fn of(members: &'m [Member<'_>]) -> Self {
        let mut index = Self {
            by_url: HashMap::with_capacity(members.len()),
            by_name: HashMap::new(),
            by_identifier: HashMap::new(),
        };
        let add = |slot: &mut Vec<usize>, at: usize| {
            if slot.len() < MAX_MEANT {
                slot.push(at);
            }
        };
        for (at, member) in members.iter().enumerate() {
            if let Some(url) = &member.full_url {
                add(index.by_url.entry(url).or_default(), at);
            }
            if let Some(id) = &member.logical_id {
                let names = index.by_name.entry(&member.resource_type).or_default();
                add(names.entry(id).or_default(), at);
            }
            for identifier in &member.identifiers {
                let names = index
                    .by_identifier
                    .entry(&member.resource_type)
                    .or_default();
                add(names.entry(identifier).or_default(), at);
            }
        }
        index
    }

    fn edges(&self, member: &Member<'_>) -> Vec<(usize, Tie)> {
        let mut edges: Vec<(usize, Tie)> = Vec::with_capacity(member.references.len());
        for reference in &member.references {
            let found = self.find(&reference.target, member.full_url.as_deref());
            edges.extend(found.iter().map(|to| (*to, reference.tie)));
        }
        edges.sort_unstable_by_key(|(to, tie)| (*to, *tie as u8));
        edges.dedup();
        edges
    }

    /// Resolves as FHIR R4 `references.html#references` says: an absolute URL by
    /// `fullUrl`; a relative one against the base of the referrer's `fullUrl`;
    /// otherwise by type and id, since Bundles made by hand seldom agree with
    /// themselves. `Type?identifier=…` by identifier.
    fn find(&self, target: &str, base: Option<&str>) -> &[usize] {
        let target = target.trim();
        if let Some(found) = self.by_url.get(target) {
            return found;
        }
        if let Some((resource_type, query)) = target.split_once("?identifier=") {
            let query = query.split('&').next().unwrap_or_default();
            return look_up(&self.by_identifier, resource_type, query);
        }
        let plain = target
            .split_once("/_history/")
            .map_or(target, |(plain, _)| plain);
        let plain = plain.split(['#', '|']).next().unwrap_or_default();
        let mut tail = plain.rsplit('/');
        let (Some(id), Some(resource_type)) = (tail.next(), tail.next()) else {
            return &[];
        };
        if let Some(base) = base.and_then(base_of)
            && plain.len() == resource_type.len() + 1 + id.len()
            && let Some(found) = self.by_url.get(format!("{base}{plain}").as_str())
        {
            return found;
        }
        look_up(&self.by_name, resource_type, id)
    }
}

/// `https://a/fhir/` of `https://a/fhir/Patient/1`.
fn base_of(full_url: &str) -> Option<&str> {
    let (before_id, _) = full_url.rsplit_once('/')?;
    let (base, _) = before_id.rsplit_once('/')?;
    full_url.get(..=base.len())
}
