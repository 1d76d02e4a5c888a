//! Which code system a URI means: today's, those of DSTU2 and STU3, OIDs, and
//! the national ones.

/// The code systems that classification looks into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum System {
    Loinc,
    Snomed,
    RxNorm,
    Icd10,
    Icd9,
    Icd11,
    Atc,
    Cvx,
    /// HL7 v2 table 0074, sections of a diagnostic service.
    DiagnosticSection,
    ObservationCategory,
    /// No system was given.
    Missing,
    Other,
}

impl System {
    pub(crate) fn of(uri: Option<&str>) -> Self {
        let Some(uri) = uri else { return Self::Missing };
        match uri {
            "http://loinc.org" => Self::Loinc,
            "http://snomed.info/sct" => Self::Snomed,
            "http://www.nlm.nih.gov/research/umls/rxnorm" => Self::RxNorm,
            "http://hl7.org/fhir/sid/cvx" => Self::Cvx,
            "http://terminology.hl7.org/CodeSystem/observation-category"
            | "http://hl7.org/fhir/observation-category" => Self::ObservationCategory,
            "http://terminology.hl7.org/CodeSystem/v2-0074" | "http://hl7.org/fhir/v2/0074" => {
                Self::DiagnosticSection
            }
            "http://unitsofmeasure.org" => Self::Other,
            _ => Self::of_variant(uri),
        }
    }

    fn of_variant(uri: &str) -> Self {
        let lower = uri.trim().trim_end_matches('/').to_ascii_lowercase();
        let oid = lower.strip_prefix("urn:oid:").unwrap_or(&lower);
        match oid {
            "2.16.840.1.113883.6.1" | "loinc" => return Self::Loinc,
            "2.16.840.1.113883.6.96" | "snomed" | "snomed-ct" | "sct" => return Self::Snomed,
            "2.16.840.1.113883.6.88" | "rxnorm" => return Self::RxNorm,
            "2.16.840.1.113883.6.3"
            | "2.16.840.1.113883.6.90"
            | "1.2.276.0.76.5.409"
            | "1.2.276.0.76.5.413" => return Self::Icd10,
            "2.16.840.1.113883.6.103" | "2.16.840.1.113883.6.42" => return Self::Icd9,
            "2.16.840.1.113883.6.73" => return Self::Atc,
            "2.16.840.1.113883.12.292" => return Self::Cvx,
            "2.16.840.1.113883.12.74" => return Self::DiagnosticSection,
            _ => {}
        }
        let has = |part: &str| lower.contains(part);
        if has("loinc.org") {
            Self::Loinc
        } else if has("snomed.info/sct") || has("snomed-ct") {
            Self::Snomed
        } else if has("rxnorm") {
            Self::RxNorm
        } else if has("icd-10") || has("icd10") {
            Self::Icd10
        } else if has("icd-9") || has("icd9") {
            Self::Icd9
        } else if has("icd/release/11") || has("icd-11") || has("icd11") {
            Self::Icd11
        } else if has("/atc") || has("whocc.no") {
            Self::Atc
        } else if has("observation-category") {
            Self::ObservationCategory
        } else if has("v2-0074") || has("v2/0074") {
            Self::DiagnosticSection
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_national_names_mean_the_same_system() {
        for (uri, system) in [
            ("http://loinc.org/", System::Loinc),
            ("urn:oid:2.16.840.1.113883.6.96", System::Snomed),
            ("http://snomed.info/sct/731000124108", System::Snomed),
            ("http://hl7.org/fhir/sid/icd-10-cm", System::Icd10),
            ("http://fhir.de/CodeSystem/dimdi/icd-10-gm", System::Icd10),
            ("http://hl7.org/fhir/sid/icd-9-cm", System::Icd9),
            ("http://hl7.org/fhir/v2/0074", System::DiagnosticSection),
            (
                "http://hl7.org/fhir/observation-category",
                System::ObservationCategory,
            ),
            ("http://fhir.de/CodeSystem/dimdi/atc", System::Atc),
            ("http://example.org/codes", System::Other),
        ] {
            assert_eq!(System::of(Some(uri)), system, "{uri}");
        }
        assert_eq!(System::of(None), System::Missing);
    }
}
