//! The seventeen record types that sharing speaks of.
//!
//! Each record has exactly one (`classify` decides which). This file knows their
//! names and order, and nothing about FHIR.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The category of a record. Written with hyphens (`lab-results`); underscores
/// are accepted on input. The order is the order of screens and listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// Laboratory results, specimens, pathology.
    LabResults,
    /// Imaging studies and their reports.
    Imaging,
    /// Immunizations and what is recommended of them.
    Vaccines,
    /// Allergies and intolerances.
    Allergies,
    /// Medicines: ordered, dispensed, taken, given.
    Prescriptions,
    /// Problems, diagnoses, health concerns, risks, adverse events.
    Conditions,
    /// Procedures, devices in use, orders of services.
    Procedures,
    /// Vital signs.
    Vitals,
    /// Notes, reports, questionnaires, files.
    Documents,
    /// Visits, stays, appointments.
    Encounters,
    /// Plans, goals, care teams, tasks.
    CarePlans,
    /// Coverage, claims, bills.
    Insurance,
    /// Family member history.
    FamilyHistory,
    /// Social history, surveys, function, lifestyle.
    SocialHistory,
    /// Nutrition orders, intake, diets.
    Diet,
    /// Who the person is.
    Demographics,
    /// What fits nowhere else.
    Other,
}

impl RecordType {
    /// Every record type, in the order of screens and listings.
    pub const ALL: [Self; 17] = [
        Self::LabResults,
        Self::Imaging,
        Self::Vaccines,
        Self::Allergies,
        Self::Prescriptions,
        Self::Conditions,
        Self::Procedures,
        Self::Vitals,
        Self::Documents,
        Self::Encounters,
        Self::CarePlans,
        Self::Insurance,
        Self::FamilyHistory,
        Self::SocialHistory,
        Self::Diet,
        Self::Demographics,
        Self::Other,
    ];

    /// The canonical, hyphenated name (`lab-results`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LabResults => "lab-results",
            Self::Imaging => "imaging",
            Self::Vaccines => "vaccines",
            Self::Allergies => "allergies",
            Self::Prescriptions => "prescriptions",
            Self::Conditions => "conditions",
            Self::Procedures => "procedures",
            Self::Vitals => "vitals",
            Self::Documents => "documents",
            Self::Encounters => "encounters",
            Self::CarePlans => "care-plans",
            Self::Insurance => "insurance",
            Self::FamilyHistory => "family-history",
            Self::SocialHistory => "social-history",
            Self::Diet => "diet",
            Self::Demographics => "demographics",
            Self::Other => "other",
        }
    }

    /// The English label for screens and mails (`Lab results`).
    pub const fn label(self) -> &'static str {
        match self {
            Self::LabResults => "Lab results",
            Self::Imaging => "Imaging",
            Self::Vaccines => "Vaccines",
            Self::Allergies => "Allergies",
            Self::Prescriptions => "Prescriptions",
            Self::Conditions => "Conditions",
            Self::Procedures => "Procedures",
            Self::Vitals => "Vitals",
            Self::Documents => "Documents",
            Self::Encounters => "Encounters",
            Self::CarePlans => "Care plans",
            Self::Insurance => "Insurance",
            Self::FamilyHistory => "Family history",
            Self::SocialHistory => "Social history",
            Self::Diet => "Diet",
            Self::Demographics => "Demographics",
            Self::Other => "Other",
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record type")]
pub struct UnknownRecordType;

impl UnknownRecordType {
    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        "record_type.unknown"
    }
}

impl FromStr for RecordType {
    type Err = UnknownRecordType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|candidate| same_name(candidate.as_str(), text))
            .ok_or(UnknownRecordType)
    }
}

/// Equal when underscores are read as hyphens.
pub(crate) fn same_name(canonical: &str, given: &str) -> bool {
    canonical.len() == given.len()
        && canonical
            .bytes()
            .zip(given.bytes())
            .all(|(want, got)| want == got || (want == b'-' && got == b'_'))
}

impl Serialize for RecordType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RecordType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_underscores_are_accepted() {
        for record_type in RecordType::ALL {
            assert_eq!(record_type.as_str().parse(), Ok(record_type));
            let underscored = record_type.as_str().replace('-', "_");
            assert_eq!(underscored.parse(), Ok(record_type));
            let json = serde_json::to_string(&record_type).unwrap();
            assert_eq!(json, format!("\"{}\"", record_type.as_str()));
            let back: RecordType = serde_json::from_str(&format!("\"{underscored}\"")).unwrap();
            assert_eq!(back, record_type);
        }
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in [
            "",
            "lab results",
            "labs",
            "Lab-results",
            "lab-results ",
            "lab--results",
        ] {
            assert_eq!(text.parse::<RecordType>(), Err(UnknownRecordType), "{text}");
        }
    }

    #[test]
    fn all_lists_every_type_once_in_order() {
        let mut sorted = RecordType::ALL.to_vec();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted, RecordType::ALL);
    }
}
