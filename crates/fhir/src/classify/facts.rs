//! One walk over a resource that gathers what classification needs: sensitive
//! codes, labels and words anywhere in it, and what it refers to.
//!
//! The walk is by field names, not by resource definitions, so that extensions,
//! contained resources, other FHIR versions and unknown resources are covered.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::codes::{kinds_of_code, kinds_of_label};
use super::systems::System;
use super::words::kinds_of_words;
use crate::json::Node;
use crate::kinds::{Kind, Kinds};

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    /// Kinds by codes, labels and words.
    pub(crate) kinds: Kinds,
    /// References to other resources.
    pub(crate) references: Vec<Reference<'a>>,
    /// Whether the resource is a visit, for which the name of the place counts.
    visit: bool,
}

/// A reference out of a resource.
#[derive(Debug, Clone)]
pub(crate) struct Reference<'a> {
    /// As written.
    pub(crate) target: Cow<'a, str>,
    pub(crate) tie: Tie,
}

/// How a reference ties two resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    /// Who, where, during which visit: says nothing of the content.
    Loose,
    /// What the referrer is about, or was made of: it takes the kinds of the
    /// target.
    Cites,
    /// [`Tie::Cites`], and the target is a part (`result`, `hasMember`): it
    /// takes the kinds of the referrer's own code, and may take its record type.
    Member,
}

/// Walks a resource.
pub(crate) fn gather<'a>(resource: &Node<'a>) -> Facts<'a> {
    let mut facts = Facts::default();
    let spreads = !matches!(
        resource.str_at("resourceType"),
        // They point at records of any kind without saying anything of them.
        Some("Provenance" | "AuditEvent" | "Linkage" | "MessageHeader" | "VerificationResult")
    );
    facts.visit = matches!(
        resource.str_at("resourceType"),
        Some("Encounter" | "EpisodeOfCare" | "Appointment" | "AppointmentResponse")
    );
    facts.walk(resource, "", spreads);
    facts
}

/// The kinds of one part of a resource.
pub(crate) fn kinds_of_part(part: &Node<'_>) -> Kinds {
    let mut facts = Facts::default();
    facts.walk(part, "", false);
    facts.kinds
}

impl<'a> Facts<'a> {
    fn walk(&mut self, node: &Node<'a>, key: &str, spreads: bool) {
        match node {
            Node::Object(members) => self.object(node, members, key, spreads),
            Node::Array(items) => {
                for item in items {
                    self.walk(item, key, spreads);
                }
            }
            Node::String(text) => self.string(text, key),
            _ => {}
        }
    }

    fn object(
        &mut self,
        node: &Node<'a>,
        members: &[(Cow<'a, str>, Node<'a>)],
        key: &str,
        spreads: bool,
    ) {
        let mut nameless = is_person_key(key) || (is_place_key(key) && !self.visit);
        let mut target = None;
        for (name, value) in members {
            match (name.as_ref(), value) {
                ("code", Node::String(code)) => self.coding(node, code, key),
                ("reference", Node::String(reference)) => target = Some(reference),
                ("data", Node::String(data)) => self.attachment(node, data),
                ("url", Node::String(url)) if is_attachment(key) => {
                    self.refer(url, "attachment", spreads);
                }
                ("resourceType", Node::String(name)) if name == "MolecularSequence" => {
                    self.kinds.insert(Kind::Genetics);
                }
                _ => {}
            }
        }
        if let Some(target) = target {
            nameless |= is_person_reference(target) || !self.names_count(key);
            self.refer(target, key, spreads);
        }
        for (name, value) in members {
            let skip = match name.as_ref() {
                "identifier" | "address" | "telecom" | "photo" | "contact" | "signature"
                | "who" => true,
                // A name of a person; a name of a thing is a string.
                "name" => !matches!(value, Node::String(_)),
                "display" => nameless,
                _ => false,
            };
            if !skip {
                self.walk(value, name, spreads);
            }
        }
    }

    /// Whether the name beside a reference says something of this resource:
    /// where it cites the target, and, for a visit, where it took place.
    fn names_count(&self, key: &str) -> bool {
        self.visit || tie_of(key) != Tie::Loose
    }

    fn coding(&mut self, coding: &Node<'a>, code: &str, key: &str) {
        if matches!(key, "security" | "securityLabel") || key == "coding" {
            let system = coding.str_at("system");
            if matches!(key, "security" | "securityLabel") || system.is_some_and(is_label_system) {
                self.kinds |= kinds_of_label(code);
                return;
            }
        }
        let system = System::of(coding.str_at("system"));
        self.kinds |= kinds_of_code(system, code);
    }

    #[expect(
        clippy::ptr_arg,
        reason = "a borrowed Cow is cloned without copying its text"
    )]
    fn refer(&mut self, target: &Cow<'a, str>, key: &str, spreads: bool) {
        if target.starts_with('#') || target.is_empty() {
            return;
        }
        let tie = if spreads { tie_of(key) } else { Tie::Loose };
        self.references.push(Reference {
            target: target.clone(),
            tie,
        });
    }

    fn string(&mut self, text: &str, key: &str) {
        match key {
            "linkId" => {
                self.kinds |= kinds_of_code(System::Loinc, text.trim_start_matches('/'));
                self.kinds |= kinds_of_words(text);
            }
            _ if is_prose(key) => self.kinds |= kinds_of_words(text),
            _ => {}
        }
    }

    /// Text inside an attachment or a Binary.
    fn attachment(&mut self, attachment: &Node<'a>, data: &str) {
        let content_type = attachment.str_at("contentType").unwrap_or("text/plain");
        if !is_text(content_type) {
            return;
        }
        let packed: Cow<'_, str> = if data.bytes().any(|byte| byte.is_ascii_whitespace()) {
            Cow::Owned(data.split_ascii_whitespace().collect())
        } else {
            Cow::Borrowed(data)
        };
        if let Ok(bytes) = BASE64.decode(packed.as_bytes()) {
            self.kinds |= kinds_of_words(&String::from_utf8_lossy(&bytes));
        }
    }
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Whether the words of a content type can be read as they stand.
pub(super) fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence.starts_with("text/")
        || essence.ends_with("xml")
        || essence.ends_with("json")
        || essence == "application/rtf"
}

fn is_attachment(key: &str) -> bool {
    matches!(
        key,
        "attachment" | "presentedForm" | "content" | "valueAttachment"
    )
}

fn is_label_system(system: &str) -> bool {
    system.ends_with("ActUSPrivacyLaw")
}

/// Fields whose target is a person or their role: the name beside the reference
/// is a person's, and people are called Gay and Battered.
fn is_person_key(key: &str) -> bool {
    matches!(
        key,
        "subject"
            | "patient"
            | "performer"
            | "author"
            | "recorder"
            | "asserter"
            | "requester"
            | "individual"
            | "participant"
            | "provider"
            | "practitioner"
            | "actor"
            | "member"
            | "beneficiary"
            | "subscriber"
            | "enterer"
            | "generalPractitioner"
            | "onsiteVisitor"
    )
}

/// Fields whose target is an organisation or a place.
fn is_place_key(key: &str) -> bool {
    matches!(
        key,
        "location"
            | "serviceProvider"
            | "custodian"
            | "managingOrganization"
            | "organization"
            | "insurer"
            | "facility"
            | "payor"
            | "onBehalfOf"
    )
}

fn is_person_reference(target: &str) -> bool {
    ["Patient/", "Practitioner", "RelatedPerson/", "Person/"]
        .iter()
        .any(|start| target.starts_with(start))
}

/// Strings that people wrote or will read. The others are codes, places, times.
fn is_prose(key: &str) -> bool {
    match key {
        "reference" | "url" | "system" | "code" | "id" | "fullUrl" | "data" | "contentType"
        | "language" | "status" | "versionId" | "lastUpdated" | "profile" | "source" | "unit"
        | "start" | "end" | "use" | "resourceType" | "uid" | "hash" | "creation" | "type"
        | "family" | "given" | "prefix" | "suffix" | "lotNumber" | "serialNumber"
        | "deviceIdentifier" | "carrierHRF" | "gender" | "intent" | "issued" | "date"
        | "recordedDate" | "authoredOn" | "currency" | "criticality" | "fhirVersion"
        | "manufacturer" => false,
        _ => !key.ends_with("DateTime") && !key.ends_with("Uri"),
    }
}

/// How a field ties. Fields not named here are loose.
fn tie_of(key: &str) -> Tie {
    match key {
        "result" | "hasMember" => Tie::Member,
        "reasonReference"
        | "reason"
        | "derivedFrom"
        | "focus"
        | "addresses"
        | "diagnosisReference"
        | "condition"
        | "detail"
        | "itemReference"
        | "problem"
        | "supportingInfo"
        | "supportingInformation"
        | "valueReference"
        | "related"
        | "relatesTo"
        | "entry"
        | "item"
        | "target"
        | "content"
        | "contentReference"
        | "medicationReference"
        | "medication"
        | "prescription"
        | "originalPrescription"
        | "priorPrescription"
        | "authorizingPrescription"
        | "basedOn"
        | "partOf"
        | "replaces"
        | "imagingStudy"
        | "study"
        | "link"
        | "media"
        | "specimen"
        | "goal"
        | "outcomeReference"
        | "prognosisReference"
        | "procedureReference"
        | "procedure"
        | "indication"
        | "manifestation"
        | "reaction"
        | "report"
        | "complicationDetail"
        | "usedReference"
        | "claim"
        | "request"
        | "response"
        | "referral"
        | "referralRequest"
        | "incomingReferral"
        | "appointment"
        | "device"
        | "focalDevice"
        | "manipulated"
        | "healthcareService"
        | "service"
        | "suspectEntity"
        | "instance"
        | "concept"
        | "component"
        | "molecularSequence"
        | "evidence"
        | "implicated"
        | "composition"
        | "definition"
        | "attachment"
        | "reference"
        | "source"
        | "immunizationEvent"
        | "supportingImmunization"
        | "supportingPatientInformation"
        | "investigation"
        | "finding"
        | "container"
        | "parent"
        | "order"
        | "event"
        | "plannedActivityReference"
        | "progress"
        | "outcome" => Tie::Cites,
        _ => Tie::Loose,
    }
}
