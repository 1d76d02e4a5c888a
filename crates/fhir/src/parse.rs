//! Reading an input into resources, tolerantly: what is valid is kept byte for
//! byte, what is odd is reported, what is no resource is refused by itself.

use std::ops::Range;

use crate::envelope::{Envelope, Format, POINTERS_FOUND, Slot, unwrap};
use crate::error::{Fault, Issue, Issues, ParseError, Rejected};
use crate::header::interval_of;
use crate::json::{Node, pointer_at, read};
use crate::limits::Limits;

/// What an input holds.
#[derive(Debug)]
pub struct Parsed<'a> {
    /// `Bundle.type`, where the input is one Bundle.
    pub bundle_type: Option<String>,
    /// The resources in the order of the input.
    pub resources: Vec<Resource<'a>>,
    /// What was refused.
    pub rejected: Vec<Rejected>,
    /// What is odd in what was taken.
    pub issues: Issues,
}

/// One resource.
#[derive(Debug)]
pub struct Resource<'a> {
    /// Which entry or line, counted from 0.
    pub index: usize,
    /// `Bundle.entry.fullUrl`.
    pub full_url: Option<String>,
    /// `resourceType`.
    pub resource_type: String,
    /// `id`, as it stands.
    pub logical_id: Option<String>,
    /// The bytes exactly as they came.
    pub bytes: &'a [u8],
    /// The same, read.
    pub node: Node<'a>,
}

/// Reads a FHIR R4 resource, a Bundle of any type, or NDJSON.
///
/// # Errors
///
/// [`ParseError`] where the input as a whole cannot be read. A single resource
/// that is refused is such an error; in a Bundle or NDJSON it is one of
/// [`Parsed::rejected`].
pub fn parse<'a>(
    bytes: &'a [u8],
    format: Format,
    limits: &Limits,
) -> Result<Parsed<'a>, ParseError> {
    let mut envelope = unwrap(bytes, format, limits)?;
    let mut resources = Vec::with_capacity(envelope.slots.len());
    let mut budget = limits.max_values;
    for slot in std::mem::take(&mut envelope.slots) {
        let within = Limits {
            max_values: budget,
            ..*limits
        };
        let Some(resource) = read_slot(&mut envelope, slot, &within)? else {
            continue;
        };
        budget = budget.saturating_sub(values(&resource.node));
        resources.push(resource);
    }
    let bundle_type = match envelope.bundles.as_slice() {
        [bundle] => bundle.bundle_type.clone(),
        _ => None,
    };
    Ok(Parsed {
        bundle_type,
        resources,
        rejected: envelope.rejected,
        issues: envelope.issues,
    })
}

/// How many values a tree has. All trees of [`parse`] live at once, so they
/// share one budget.
fn values(node: &Node<'_>) -> usize {
    1 + match node {
        Node::Array(items) => items.iter().map(values).sum(),
        Node::Object(members) => members.iter().map(|(_, value)| values(value)).sum(),
        _ => 0,
    }
}

/// Reads one resource; none where it was refused by itself, or is no record.
pub(crate) fn read_slot<'a>(
    envelope: &mut Envelope<'a>,
    slot: Slot<'a>,
    limits: &Limits,
) -> Result<Option<Resource<'a>>, ParseError> {
    let text = envelope.text;
    let Some(raw) = text.get(slot.range.clone()) else {
        return Ok(None);
    };
    let mut place = Place {
        text,
        range: slot.range.clone(),
        index: slot.index,
        limits,
    };
    let outcome = read(raw, limits).and_then(|read| {
        for duplicate in &read.duplicates {
            if duplicate.deciding && duplicate.depth == 0 {
                return Err((Fault::DuplicateKey, duplicate.offset));
            }
            place.issue(&mut envelope.issues, Fault::DuplicateKey, duplicate.offset);
        }
        let resource_type = type_of(&read.node)?;
        Ok((resource_type, read.node))
    });
    let (resource_type, node) = match outcome {
        Ok(read) => read,
        Err((fault, offset)) => return place.refuse(envelope, fault, offset),
    };
    if slot.may_be_outcome && resource_type == "OperationOutcome" {
        place.issue(&mut envelope.issues, Fault::Outcome, 0);
        return Ok(None);
    }
    place.oddities(&mut envelope.issues, &resource_type, &node);
    let logical_id = node.str_at("id").map(str::to_owned);
    Ok(Some(Resource {
        index: slot.index,
        full_url: slot.full_url.map(std::borrow::Cow::into_owned),
        resource_type,
        logical_id,
        bytes: raw.as_bytes(),
        node,
    }))
}

fn type_of(node: &Node<'_>) -> Result<String, (Fault, usize)> {
    if !node.is_object() {
        return Err((Fault::NotObject, 0));
    }
    let name = node.str_at("resourceType").ok_or((Fault::TypeMissing, 0))?;
    let well_formed = name.len() <= 64
        && name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    if well_formed {
        Ok(name.to_owned())
    } else {
        Err((Fault::TypeMalformed, 0))
    }
}

struct Place<'a, 'l> {
    text: &'a str,
    range: Range<usize>,
    index: usize,
    limits: &'l Limits,
}

impl Place<'_, '_> {
    fn pointer(&self, listed: usize, offset: usize) -> String {
        if listed >= POINTERS_FOUND {
            return String::new();
        }
        pointer_at(
            self.text,
            self.range.start + offset,
            self.limits.depth() + 4,
        )
    }

    fn issue(&mut self, issues: &mut Issues, fault: Fault, offset: usize) {
        let pointer = self.pointer(issues.listed().len(), offset);
        issues.push(Some(self.index), fault, || pointer);
    }

    fn refuse<'a>(
        &self,
        envelope: &mut Envelope<'_>,
        fault: Fault,
        offset: usize,
    ) -> Result<Option<Resource<'a>>, ParseError> {
        let pointer = self.pointer(envelope.rejected.len(), offset);
        if envelope.single {
            return Err(ParseError {
                fault,
                offset: self.range.start + offset,
                pointer,
            });
        }
        envelope
            .rejected
            .push(Rejected::new(self.index, fault, &pointer));
        Ok(None)
    }

    /// Reports known fields whose values have an unknown shape. Nothing is
    /// dropped for it: readers take what they can.
    fn oddities(&self, issues: &mut Issues, resource_type: &str, node: &Node<'_>) {
        if !is_r4_type(resource_type) {
            self.field_issue(issues, Fault::UnknownType, "resourceType");
        }
        for (key, value) in node.members() {
            if !shape_is_known(key, value) {
                self.field_issue(issues, Fault::WrongType, key);
            }
            if is_date_field(key)
                && value
                    .as_str()
                    .is_some_and(|text| interval_of(text).is_none())
            {
                self.field_issue(issues, Fault::MalformedDate, key);
            }
        }
        if let Some(id) = node.str_at("id")
            && !is_fhir_id(id)
        {
            self.field_issue(issues, Fault::MalformedId, "id");
        }
    }

    fn field_issue(&self, issues: &mut Issues, fault: Fault, key: &str) {
        let top = self.pointer(issues.listed().len(), 0);
        issues.push(Some(self.index), fault, || format!("{top}/{key}"));
    }
}

/// Top-level fields of one date that most clinical resources use.
fn is_date_field(key: &str) -> bool {
    matches!(
        key,
        "effectiveDateTime"
            | "onsetDateTime"
            | "authoredOn"
            | "recordedDate"
            | "issued"
            | "birthDate"
            | "occurrenceDateTime"
            | "performedDateTime"
            | "abatementDateTime"
    )
}

/// Whether a top-level field that most resources share has one of the JSON types
/// it may have (in DSTU2, STU3, R4 or R5).
fn shape_is_known(key: &str, value: &Node<'_>) -> bool {
    match key {
        "id" | "implicitRules" | "language" | "effectiveDateTime" | "onsetDateTime"
        | "authoredOn" | "recordedDate" | "issued" | "birthDate" | "status" => {
            matches!(value, Node::String(_)) || (key == "status" && value.is_object())
        }
        "meta" | "text" | "subject" | "patient" | "encounter" => value.is_object(),
        "contained" | "extension" | "modifierExtension" | "identifier" | "category" | "note"
        | "performer" | "component" | "result" => {
            value.is_object()
                || matches!(value, Node::Array(items) if items.iter().all(|item| item.is_object() || matches!(item, Node::String(_))))
                || (key == "category" && matches!(value, Node::String(_)))
                || (key == "note" && matches!(value, Node::String(_)))
        }
        "code" => matches!(value, Node::Object(_) | Node::Array(_)) || value.as_str().is_some(),
        _ => true,
    }
}

/// FHIR `id`: `[A-Za-z0-9\-\.]{1,64}`.
fn is_fhir_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// The 146 resources of R4, sorted.
const R4_TYPES: [&str; 146] = [
    "Account",
    "ActivityDefinition",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AppointmentResponse",
    "AuditEvent",
    "Basic",
    "Binary",
    "BiologicallyDerivedProduct",
    "BodyStructure",
    "Bundle",
    "CapabilityStatement",
    "CarePlan",
    "CareTeam",
    "CatalogEntry",
    "ChargeItem",
    "ChargeItemDefinition",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "CodeSystem",
    "Communication",
    "CommunicationRequest",
    "CompartmentDefinition",
    "Composition",
    "ConceptMap",
    "Condition",
    "Consent",
    "Contract",
    "Coverage",
    "CoverageEligibilityRequest",
    "CoverageEligibilityResponse",
    "DetectedIssue",
    "Device",
    "DeviceDefinition",
    "DeviceMetric",
    "DeviceRequest",
    "DeviceUseStatement",
    "DiagnosticReport",
    "DocumentManifest",
    "DocumentReference",
    "EffectEvidenceSynthesis",
    "Encounter",
    "Endpoint",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "EpisodeOfCare",
    "EventDefinition",
    "Evidence",
    "EvidenceVariable",
    "ExampleScenario",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "GraphDefinition",
    "Group",
    "GuidanceResponse",
    "HealthcareService",
    "ImagingStudy",
    "Immunization",
    "ImmunizationEvaluation",
    "ImmunizationRecommendation",
    "ImplementationGuide",
    "InsurancePlan",
    "Invoice",
    "Library",
    "Linkage",
    "List",
    "Location",
    "Measure",
    "MeasureReport",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationKnowledge",
    "MedicationRequest",
    "MedicationStatement",
    "MedicinalProduct",
    "MedicinalProductAuthorization",
    "MedicinalProductContraindication",
    "MedicinalProductIndication",
    "MedicinalProductIngredient",
    "MedicinalProductInteraction",
    "MedicinalProductManufactured",
    "MedicinalProductPackaged",
    "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect",
    "MessageDefinition",
    "MessageHeader",
    "MolecularSequence",
    "NamingSystem",
    "NutritionOrder",
    "Observation",
    "ObservationDefinition",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "OrganizationAffiliation",
    "Parameters",
    "Patient",
    "PaymentNotice",
    "PaymentReconciliation",
    "Person",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "Questionnaire",
    "QuestionnaireResponse",
    "RelatedPerson",
    "RequestGroup",
    "ResearchDefinition",
    "ResearchElementDefinition",
    "ResearchStudy",
    "ResearchSubject",
    "RiskAssessment",
    "RiskEvidenceSynthesis",
    "Schedule",
    "SearchParameter",
    "ServiceRequest",
    "Slot",
    "Specimen",
    "SpecimenDefinition",
    "StructureDefinition",
    "StructureMap",
    "Subscription",
    "Substance",
    "SubstanceNucleicAcid",
    "SubstancePolymer",
    "SubstanceProtein",
    "SubstanceReferenceInformation",
    "SubstanceSourceMaterial",
    "SubstanceSpecification",
    "SupplyDelivery",
    "SupplyRequest",
    "Task",
    "TerminologyCapabilities",
    "TestReport",
    "TestScript",
    "ValueSet",
    "VerificationResult",
    "VisionPrescription",
];

fn is_r4_type(name: &str) -> bool {
    R4_TYPES.binary_search(&name).is_ok()
}

impl Parsed<'_> {
    /// The issues that are listed.
    pub fn issues(&self) -> &[Issue] {
        self.issues.listed()
    }
}
