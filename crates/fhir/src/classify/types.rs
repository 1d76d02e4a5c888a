//! Which record type a resource has, by the written list in `precedence.md`.

use super::systems::System;
use crate::json::Node;
use crate::record_type::RecordType;

/// What a resource says of its own record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// It has this one.
    Fixed(RecordType),
    /// It belongs to whoever refers to it; this one where nobody does.
    Supporting(RecordType),
    /// It takes the one of the report or panel it is a member of.
    FollowWhole(RecordType),
    /// It takes the one of its own results.
    FollowResults(RecordType),
}

/// Applies rules 1 to 7 to one resource alone.
pub(crate) fn guess(resource_type: &str, node: &Node<'_>) -> Guess {
    use RecordType as T;
    let fixed = match resource_type {
        "Observation" => return observation(node),
        "DiagnosticReport" => return diagnostic_report(node),
        "DocumentReference" => document_reference(node),
        "Media" => return media(node),
        "Device" if node.get("patient").is_some() => T::Procedures,
        "Specimen" => return Guess::Supporting(T::LabResults),
        "Practitioner"
        | "PractitionerRole"
        | "Organization"
        | "OrganizationAffiliation"
        | "Location"
        | "Medication"
        | "MedicationKnowledge"
        | "Device"
        | "DeviceMetric"
        | "DeviceDefinition"
        | "Binary"
        | "Endpoint"
        | "Substance"
        | "HealthcareService"
        | "BiologicallyDerivedProduct"
        | "NutritionProduct" => {
            return Guess::Supporting(T::Other);
        }
        "MolecularSequence" => T::LabResults,
        "ImagingStudy" => T::Imaging,
        "Immunization" | "ImmunizationRecommendation" | "ImmunizationEvaluation" => T::Vaccines,
        "AllergyIntolerance" => T::Allergies,
        "MedicationRequest"
        | "MedicationOrder"
        | "MedicationPrescription"
        | "MedicationStatement"
        | "MedicationUsage"
        | "MedicationDispense"
        | "MedicationAdministration"
        | "VisionPrescription" => T::Prescriptions,
        "Condition" | "Flag" | "ClinicalImpression" | "RiskAssessment" | "AdverseEvent"
        | "DetectedIssue" | "BodyStructure" => T::Conditions,
        "Procedure" | "ServiceRequest" | "ProcedureRequest" | "DiagnosticOrder"
        | "ReferralRequest" | "DeviceUseStatement" | "DeviceUsage" | "DeviceRequest" => {
            T::Procedures
        }
        "Composition" | "DocumentManifest" | "QuestionnaireResponse" => T::Documents,
        "Bundle" if node.str_at("type") == Some("document") => T::Documents,
        "Encounter" | "EpisodeOfCare" | "Appointment" | "AppointmentResponse" => T::Encounters,
        "CarePlan" | "Goal" | "CareTeam" | "RequestGroup" | "RequestOrchestration" | "Task" => {
            T::CarePlans
        }
        "Coverage"
        | "ExplanationOfBenefit"
        | "Claim"
        | "ClaimResponse"
        | "CoverageEligibilityRequest"
        | "CoverageEligibilityResponse"
        | "EligibilityRequest"
        | "EligibilityResponse"
        | "Account"
        | "Invoice"
        | "ChargeItem"
        | "EnrollmentRequest"
        | "EnrollmentResponse"
        | "PaymentNotice"
        | "PaymentReconciliation"
        | "InsurancePlan" => T::Insurance,
        "FamilyMemberHistory" => T::FamilyHistory,
        "NutritionOrder" | "NutritionIntake" => T::Diet,
        "Patient" | "RelatedPerson" | "Person" => T::Demographics,
        _ => T::Other,
    };
    Guess::Fixed(fixed)
}

/// The order in which types of wholes and results win, and the only ones that
/// are handed on.
pub(crate) const HANDED_ON: [RecordType; 5] = [
    RecordType::LabResults,
    RecordType::Imaging,
    RecordType::Vitals,
    RecordType::Procedures,
    RecordType::SocialHistory,
];

fn observation(node: &Node<'_>) -> Guess {
    let mut weak = false;
    let mut best: Option<RecordType> = None;
    each_concept(node, "category", |system, code| {
        match category_of(system, code) {
            Category::Strong(found) => {
                best = Some(first_in_order(best, found));
            }
            Category::Weak => weak = true,
            Category::Unknown => {}
        }
    });
    if let Some(found) = best {
        return Guess::Fixed(found);
    }
    let has_code = |codes: &[&str]| {
        let mut hit = false;
        each_coding(node.get("code"), |system, code| {
            hit |= matches!(system, System::Loinc | System::Missing) && codes.contains(&code);
        });
        hit
    };
    if has_code(&VITAL_SIGNS) {
        return Guess::Fixed(RecordType::Vitals);
    }
    if has_code(&FAMILY_HISTORY) {
        return Guess::Fixed(RecordType::FamilyHistory);
    }
    if weak {
        return Guess::Fixed(RecordType::SocialHistory);
    }
    let fallback = if looks_like_laboratory(node) {
        RecordType::LabResults
    } else if has_code(&SOCIAL_HISTORY) {
        RecordType::SocialHistory
    } else {
        RecordType::Other
    };
    Guess::FollowWhole(fallback)
}

fn first_in_order(one: Option<RecordType>, other: RecordType) -> RecordType {
    let Some(one) = one else { return other };
    HANDED_ON
        .into_iter()
        .find(|candidate| *candidate == one || *candidate == other)
        .unwrap_or(one)
}

enum Category {
    Strong(RecordType),
    Weak,
    Unknown,
}

fn category_of(system: System, code: &str) -> Category {
    use RecordType as T;
    if system == System::Snomed {
        return match code {
            // Laboratory procedure; imaging; vital signs; procedure; social history.
            "108252007" | "15220000" | "394595002" => Category::Strong(T::LabResults),
            "363679005" | "394914008" => Category::Strong(T::Imaging),
            "46680005" | "61746007" => Category::Strong(T::Vitals),
            "71388002" => Category::Strong(T::Procedures),
            "160476009" => Category::Weak,
            _ => Category::Unknown,
        };
    }
    match system {
        System::DiagnosticSection => section_of(code).map_or(Category::Unknown, Category::Strong),
        System::Loinc => report_part_of(code).map_or(Category::Unknown, Category::Strong),
        _ => match code
            .trim()
            .to_ascii_lowercase()
            .replace(['_', ' '], "-")
            .as_str()
        {
            "laboratory" | "lab" | "labs" | "laboratory-results" | "lab-result" | "lab-results" => {
                Category::Strong(T::LabResults)
            }
            "imaging" | "radiology" => Category::Strong(T::Imaging),
            "vital-signs" | "vital-sign" | "vitals" => Category::Strong(T::Vitals),
            "procedure" | "procedures" | "therapy" => Category::Strong(T::Procedures),
            "social-history"
            | "survey"
            | "exam"
            | "activity"
            | "sdoh"
            | "functional-status"
            | "disability-status"
            | "cognitive-status"
            | "treatment-intervention-preference"
            | "care-experience-preference"
            | "observation-adi-documentation" => Category::Weak,
            _ => Category::Unknown,
        },
    }
}

fn diagnostic_report(node: &Node<'_>) -> Guess {
    let mut best = None;
    each_concept(node, "category", |system, code| {
        let found = match system {
            System::DiagnosticSection => section_of(code),
            System::Loinc => report_part_of(code),
            System::Snomed | System::ObservationCategory => match category_of(system, code) {
                Category::Strong(found) => Some(found),
                _ => None,
            },
            _ => section_of(code).or(match category_of(system, code) {
                Category::Strong(found) => Some(found),
                _ => None,
            }),
        };
        if let Some(found) = found {
            best = Some(first_in_order(best, found));
        }
    });
    if let Some(found) = best {
        return Guess::Fixed(found);
    }
    let mut by_code = None;
    each_coding(node.get("code"), |system, code| {
        if system == System::Loinc && by_code.is_none() {
            by_code = note_type_of(code);
        }
    });
    if let Some(found) = by_code {
        return Guess::Fixed(found);
    }
    let has_study = node.get("imagingStudy").is_some() || node.get("study").is_some();
    if has_study || node.get("code").is_some_and(names_a_picture) {
        return Guess::Fixed(RecordType::Imaging);
    }
    let fallback = if looks_like_laboratory(node) {
        RecordType::LabResults
    } else {
        RecordType::Documents
    };
    Guess::FollowResults(fallback)
}

fn document_reference(node: &Node<'_>) -> RecordType {
    let mut found = None;
    each_coding(node.get("type"), |system, code| {
        if !matches!(system, System::Loinc | System::Missing) {
            return;
        }
        found = found.or(match code {
            "11369-6" => Some(RecordType::Vaccines),
            "64290-0" => Some(RecordType::Insurance),
            "61144-2" => Some(RecordType::Diet),
            "11502-2" | "11526-1" => Some(RecordType::LabResults),
            "18748-4" => Some(RecordType::Imaging),
            _ => None,
        });
    });
    if found.is_none() {
        each_concept(node, "category", |system, code| {
            let part = match system {
                System::Loinc => report_part_of(code),
                System::DiagnosticSection => section_of(code),
                _ => None,
            };
            found = found
                .or(part
                    .filter(|part| matches!(part, RecordType::LabResults | RecordType::Imaging)));
        });
    }
    found.unwrap_or(RecordType::Documents)
}

fn media(node: &Node<'_>) -> Guess {
    let mut imaging = false;
    for key in ["partOf", "basedOn"] {
        for item in node.items_at(key) {
            imaging |= item
                .str_at("reference")
                .is_some_and(|to| to.contains("ImagingStudy/"));
        }
    }
    each_coding(node.get("modality"), |_, code| {
        imaging |= is_radiological(code);
    });
    for part in ["subtype", "type"] {
        each_coding(node.get(part), |_, code| imaging |= is_radiological(code));
    }
    imaging |= node.get("view").is_some() || node.get("modality").is_some_and(names_a_picture);
    if imaging {
        Guess::Fixed(RecordType::Imaging)
    } else {
        Guess::FollowWhole(RecordType::Documents)
    }
}

/// Whether a concept is named as pictures of the inside of a body are.
fn names_a_picture(concept: &Node<'_>) -> bool {
    const MARKS: [&str; 13] = [
        "x-ray",
        "xray",
        "radiograph",
        "ultraso",
        "sonograph",
        "tomograph",
        "magnetic resonance",
        "mammogra",
        "densitometry",
        " dxa ",
        " xr ",
        " ct ",
        " mri ",
    ];
    names(concept).any(|name| {
        let name = format!(" {} ", name.to_lowercase());
        MARKS.iter().any(|mark| name.contains(mark))
    })
}

/// The displays and the text of a concept.
fn names<'n>(concept: &'n Node<'_>) -> impl Iterator<Item = &'n str> {
    let displays = concept
        .items_at("coding")
        .iter()
        .filter_map(|coding| coding.str_at("display"));
    displays.chain(concept.str_at("text"))
}

/// DICOM modalities of pictures of the inside of a body.
fn is_radiological(code: &str) -> bool {
    const MODALITIES: [&str; 14] = [
        "CR", "CT", "DX", "MR", "US", "XA", "NM", "PT", "MG", "RF", "IO", "PX", "BDUS", "RTIMAGE",
    ];
    MODALITIES.contains(&code)
}

/// HL7 v2 table 0074.
fn section_of(code: &str) -> Option<RecordType> {
    match code {
        "LAB" | "CH" | "HM" | "MB" | "MCB" | "MYC" | "PAR" | "IMM" | "SR" | "TX" | "VR" | "BG"
        | "BLB" | "CG" | "GE" | "CP" | "SP" | "PAT" | "URN" | "OSL" => Some(RecordType::LabResults),
        "RAD" | "RUS" | "RX" | "CT" | "NMR" | "NMS" | "CUS" | "OUS" | "VUS" | "XRC" | "IMG" => {
            Some(RecordType::Imaging)
        }
        "EC" | "EN" | "CTH" | "PF" => Some(RecordType::Procedures),
        _ => None,
    }
}

/// LOINC parts that US Core uses as categories of reports.
fn report_part_of(code: &str) -> Option<RecordType> {
    match code {
        "LP7839-6" | "LP29693-6" | "26436-6" => Some(RecordType::LabResults),
        "LP29684-5" | "18748-4" => Some(RecordType::Imaging),
        "LP29708-2" => Some(RecordType::Procedures),
        _ => None,
    }
}

/// LOINC codes of whole reports and notes.
fn note_type_of(code: &str) -> Option<RecordType> {
    match code {
        "11502-2" | "11526-1" | "26436-6" => Some(RecordType::LabResults),
        "18748-4" | "18726-0" => Some(RecordType::Imaging),
        "11488-4" | "18842-5" | "34117-2" | "28570-0" | "11506-3" | "11504-8" | "34111-5"
        | "57133-1" | "34746-8" | "34133-9" | "60591-5" | "51847-2" | "34108-1" | "51848-0"
        | "34109-9" | "34748-4" | "34788-0" => Some(RecordType::Documents),
        _ => None,
    }
}

/// Whether a report or observation looks as if it came from a laboratory: it
/// has a specimen, or its name is written as LOINC writes laboratory tests.
fn looks_like_laboratory(node: &Node<'_>) -> bool {
    if node.get("specimen").is_some() {
        return true;
    }
    let Some(code) = node.get("code") else {
        return false;
    };
    let displays = code
        .items_at("coding")
        .iter()
        .filter_map(|coding| coding.str_at("display"));
    displays.chain(code.str_at("text")).any(|name| {
        const MARKS: [&str; 14] = [
            "serum",
            "plasma",
            " blood",
            "urine",
            "in stool",
            "csf",
            "[presence]",
            "[mass/volume]",
            "[moles/volume]",
            "[#/volume]",
            "isolate",
            "cbc",
            "metabolic panel",
            "lipid panel",
        ];
        let name = name.to_lowercase();
        !name.contains("pressure") && MARKS.iter().any(|mark| name.contains(mark))
    })
}

/// Every (system, code) of a field of CodeableConcepts, and each text without a
/// system. Plain strings (DSTU1) and single objects (DSTU2) are read as well.
fn each_concept(node: &Node<'_>, key: &str, mut visit: impl FnMut(System, &str)) {
    for concept in node.items_at(key) {
        if let Some(text) = concept.as_str() {
            visit(System::Missing, text);
        }
        each_coding(Some(concept), &mut visit);
        if let Some(text) = concept.str_at("text") {
            visit(System::Missing, text);
        }
    }
}

fn each_coding(concept: Option<&Node<'_>>, mut visit: impl FnMut(System, &str)) {
    let Some(concept) = concept else { return };
    for concept in concept.items() {
        for coding in concept.items_at("coding") {
            if let Some(code) = coding.str_at("code") {
                visit(System::of(coding.str_at("system")), code);
            }
        }
        // A Coding where a CodeableConcept belongs.
        if let Some(code) = concept.str_at("code") {
            visit(System::of(concept.str_at("system")), code);
        }
    }
}

/// LOINC codes of vital signs.
const VITAL_SIGNS: [&str; 34] = [
    "85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7",
    "39156-5", "85354-9", "8480-6", "8462-4", "96607-7", "96608-5", "96609-3", "59576-9",
    "77606-2", "8289-1", "8287-5", "55284-4", "3141-9", "8331-1", "8716-3", "35094-2", "8306-3",
    "8308-9", "8328-7", "8478-0", "8329-5", "8305-5", "3150-6", "3151-8", "8277-6",
];

/// LOINC codes of what relatives had.
const FAMILY_HISTORY: [&str; 4] = ["10157-6", "54114-4", "8670-2", "54134-2"];

/// LOINC codes of how somebody lives.
const SOCIAL_HISTORY: [&str; 14] = [
    "72166-2", "74013-4", "11331-6", "11367-0", "82810-3", "29762-2", "63512-8", "67875-5",
    "71802-3", "82589-3", "76690-7", "76691-5", "28245-9", "10162-6",
];
