//! From bytes to what a key-holder writes: each resource with its record type,
//! its kinds, the compartments it goes into, its header, and what tells whether
//! it is new, changed or the same again.

use crate::canonical::canonical;
use crate::classify::{Guess, Reference, Tie, gather, guess, kinds_of_part};
use crate::envelope::{BundleHead, Envelope, Format, unwrap};
use crate::error::{Fault, Issues, ParseError, Rejected};
use crate::graph::{Graph, Member, Place};
use crate::header::{Header, header_of};
use crate::json::Node;
use crate::kinds::{Compartment, Kinds};
use crate::limits::Limits;
use crate::parse::{Resource, read_slot};
use crate::record_type::RecordType;

/// What an import will write.
#[derive(Debug)]
pub struct ImportPlan {
    /// `Bundle.type`, where the input is one Bundle.
    pub bundle_type: Option<String>,
    /// What is taken, in the order of the input.
    pub items: Vec<PlannedItem>,
    /// What is refused; it takes nothing else with it.
    pub rejected: Vec<Rejected>,
    /// What is odd in what is taken.
    pub issues: Issues,
}

/// One resource to be written.
#[derive(Debug, Clone)]
pub struct PlannedItem {
    /// Which entry or line, counted from 0.
    pub index: usize,
    /// `resourceType`.
    pub resource_type: String,
    /// `id`, as it stands.
    pub logical_id: Option<String>,
    /// `Bundle.entry.fullUrl`.
    pub full_url: Option<String>,
    /// What makes it the same resource when it comes again from the same
    /// source: `Type/id`, or else the fullUrl, or else empty.
    pub identity: String,
    /// The bytes exactly as they came.
    pub bytes: Vec<u8>,
    /// The bytes that tell whether it changed: sorted keys, no white space,
    /// without `meta.versionId`, `meta.lastUpdated` and generated narrative.
    pub canonical: Vec<u8>,
    /// The one record type. Of a supporting resource: that of its first place.
    pub record_type: RecordType,
    /// The kinds of sensitivity. Of a supporting resource: those of its first
    /// place.
    pub kinds: Kinds,
    /// Whether it only supports others and is hidden from counts.
    pub supporting: bool,
    /// Where it is written: its own compartment, or, for a supporting resource,
    /// one copy in each compartment that refers to it. Never empty.
    pub placements: Vec<Compartment>,
    /// What listings show.
    pub header: Header,
}

/// Reads an input and decides what to write. `content_type` is a hint only.
///
/// # Errors
///
/// As [`crate::parse`].
pub fn plan_import(
    bytes: &[u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<ImportPlan, ParseError> {
    let mut envelope = unwrap(bytes, Format::of_content_type(content_type), limits)?;
    let labels: Vec<Kinds> = envelope.bundles.iter().map(label_kinds).collect();
    let slots = std::mem::take(&mut envelope.slots);
    let mut items = Vec::with_capacity(slots.len());
    let mut members = Vec::with_capacity(slots.len());
    for slot in slots {
        let label = slot
            .bundle
            .and_then(|bundle| labels.get(bundle))
            .copied()
            .unwrap_or_default();
        // Each tree is dropped before the next is read: memory is bounded by the
        // largest resource, not by the import.
        if let Some(resource) = read_slot(&mut envelope, slot, limits)? {
            let (item, member) = item_of(resource, label);
            items.push(item);
            members.push(member);
        }
    }
    let places = Graph::new(members).place(limits.max_placements);
    settle(&mut items, places, &mut envelope);
    let bundle_type = match envelope.bundles.as_slice() {
        [bundle] => bundle.bundle_type.clone(),
        _ => None,
    };
    Ok(ImportPlan {
        bundle_type,
        items,
        rejected: envelope.rejected,
        issues: envelope.issues,
    })
}

fn label_kinds(bundle: &BundleHead<'_>) -> Kinds {
    bundle
        .meta
        .as_ref()
        .and_then(|meta| meta.get("security"))
        .map_or(Kinds::EMPTY, |security| {
            kinds_of_part(&Node::Object(vec![("security".into(), security.clone())]))
        })
}

fn item_of<'a>(resource: Resource<'a>, label: Kinds) -> (PlannedItem, Member<'a>) {
    let Resource {
        index,
        full_url,
        resource_type,
        logical_id,
        bytes,
        node,
    } = resource;
    let guess = guess(&resource_type, &node);
    let facts = gather(&node);
    let has_parts = facts
        .references
        .iter()
        .any(|reference| reference.tie == Tie::Member);
    let code_kinds = match node.get("code") {
        Some(code) if has_parts => kinds_of_part(code),
        _ => Kinds::EMPTY,
    };
    let identity = match (&logical_id, &full_url) {
        (Some(id), _) => format!("{resource_type}/{id}"),
        (None, Some(url)) => url.clone(),
        (None, None) => String::new(),
    };
    let item = PlannedItem {
        index,
        identity,
        bytes: bytes.to_vec(),
        canonical: canonical(&node),
        record_type: RecordType::Other,
        kinds: Kinds::EMPTY,
        supporting: false,
        placements: Vec::new(),
        header: header_of(&resource_type, &node),
        resource_type: resource_type.clone(),
        logical_id: logical_id.clone(),
        full_url: full_url.clone(),
    };
    let identifiers = match guess {
        Guess::Supporting(_) => identifiers(&node),
        _ => Vec::new(),
    };
    let references: Vec<Reference<'a>> = facts.references;
    let kinds = facts.kinds | label;
    let member = Member {
        resource_type,
        logical_id,
        full_url,
        identifiers,
        guess,
        kinds,
        code_kinds,
        references,
    };
    (item, member)
}

/// How conditional references (`Practitioner?identifier=…`) name a resource.
fn identifiers(node: &Node<'_>) -> Vec<String> {
    const MAX_IDENTIFIERS: usize = 8;
    let identifiers = node.items_at("identifier").iter().take(MAX_IDENTIFIERS);
    let named = identifiers.filter_map(|identifier| {
        let value = identifier.str_at("value")?;
        Some(match identifier.str_at("system") {
            Some(system) => vec![format!("{system}|{value}"), value.to_owned()],
            None => vec![value.to_owned(), format!("|{value}")],
        })
    });
    named.flatten().collect()
}

/// Writes what the graph decided into the items.
fn settle(items: &mut [PlannedItem], places: Vec<Place>, envelope: &mut Envelope<'_>) {
    let borrowed = borrowed_titles(items, &places);
    for ((item, place), title) in items.iter_mut().zip(places).zip(borrowed) {
        item.record_type = place.record_type;
        item.kinds = place.kinds;
        item.supporting = place.supporting;
        item.placements = place.compartments;
        if let Some((title, codes)) = title {
            item.header.title = title;
            item.header.codes = codes;
        }
        if place.left_out {
            envelope
                .issues
                .push(Some(item.index), Fault::TooManyPlacements, String::new);
        }
    }
}

/// A prescription that only refers to its Medication is listed under the
/// Medication's name and codes.
fn borrowed_titles(
    items: &[PlannedItem],
    places: &[Place],
) -> Vec<Option<(String, Vec<crate::header::Coding>)>> {
    let nameless = |item: &PlannedItem| {
        item.header.codes.is_empty()
            && item.resource_type.starts_with("Medication")
            && item.resource_type != "Medication"
    };
    let borrow = |(item, place): (&PlannedItem, &Place)| {
        if !nameless(item) {
            return None;
        }
        let medication = place
            .cites
            .iter()
            .filter_map(|at| items.get(*at))
            .find(|cited| cited.resource_type == "Medication")?;
        Some((
            medication.header.title.clone(),
            medication.header.codes.clone(),
        ))
    };
    items.iter().zip(places).map(borrow).collect()
}
