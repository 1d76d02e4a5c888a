//! Charts: patients whom a practitioner opened before they had an account, and
//! how those come to own what is kept of them.

use thiserror::Error;

use crate::records::RecordType;

/// How long an unclaimed chart is kept, in days.
pub const UNCLAIMED_DAYS: i64 = 180;
/// How long before its end its practitioner is warned, in days.
pub const WARN_DAYS: i64 = 14;
/// How long an invitation may be answered, in days. It can be sent again.
pub const INVITATION_DAYS: i64 = 30;
/// How long the practitioner's own grant lasts from the opening of a chart, in
/// days: longer than a chart may stay unclaimed.
pub const GRANT_DAYS: i64 = 365;
/// Most charts that one practitioner holds unclaimed.
pub const MAX_UNCLAIMED: usize = 10_000;
/// Most patients of one imported file.
pub const MAX_IMPORT_ROWS: usize = 500;
/// Largest imported file, in bytes.
pub const MAX_IMPORT_BYTES: usize = 4 << 20;
/// Longest number or name of a patient at a platform, in characters.
pub const MAX_PLATFORM_ID: usize = 64;
/// Longest contact details, in characters.
pub const MAX_CONTACT: usize = 2_000;
/// Longest medical history or dietary preferences, in characters.
pub const MAX_HISTORY: usize = 100_000;

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClaimState {
    /// Waiting for the practitioner.
    Asked,
    /// The seed was handed over; the claimant has to take it.
    Confirmed,
    /// The practitioner does not know them.
    Refused,
    /// The chart is the claimant's.
    Done,
}

impl ClaimState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Asked, Self::Confirmed, Self::Refused, Self::Done];

    /// The word for the wire and for databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Done => "done",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// Why something about a chart or a claim is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChartError {
    /// The chart has an owner: only what their grant allows.
    #[error("this chart belongs to its patient")]
    Claimed,
    /// The chart has no owner yet.
    #[error("nobody has claimed this chart")]
    Unclaimed,
    /// An invitation that does not count, or is used up.
    #[error("this invitation is no longer good")]
    InvitationUnknown,
    /// The day of birth is not the one that the practice knows.
    #[error("the day of birth is not the one that the practice knows")]
    BirthDate,
    /// No such claim, or none that the caller may know of.
    #[error("no such claim")]
    ClaimUnknown,
    /// The claim was answered already, or not yet.
    #[error("this claim stands elsewhere")]
    ClaimState,
    /// As many unclaimed charts as may be.
    #[error("too many unclaimed charts")]
    TooMany,
}

impl ChartError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 7] = [
        Self::Claimed,
        Self::Unclaimed,
        Self::InvitationUnknown,
        Self::BirthDate,
        Self::ClaimUnknown,
        Self::ClaimState,
        Self::TooMany,
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Claimed => "chart.claimed",
            Self::Unclaimed => "chart.unclaimed",
            Self::InvitationUnknown => "chart.invitation_unknown",
            Self::BirthDate => "chart.birth_date",
            Self::ClaimUnknown => "claim.unknown",
            Self::ClaimState => "claim.state",
            Self::TooMany => "chart.too_many",
        }
    }
}

/// The record type that a document's own type means, by words that practices
/// use for it. What fits nowhere is `documents`.
pub fn record_type_of(document_type: &str) -> RecordType {
    let words = document_type
        .to_lowercase()
        .replace(['_', '-', '/', ','], " ");
    if let Ok(named) = document_type
        .trim()
        .to_lowercase()
        .replace(' ', "-")
        .parse()
    {
        return named;
    }
    DOCUMENT_TYPES
        .iter()
        .find(|(needle, _)| {
            words
                .split_whitespace()
                .collect::<Vec<_>>()
                .windows(needle.split(' ').count())
                .any(|window| window.join(" ") == *needle)
        })
        .map_or(RecordType::Documents, |(_, record_type)| *record_type)
}

/// Words within a document's type, the more telling first.
const DOCUMENT_TYPES: &[(&str, RecordType)] = &[
    ("family history", RecordType::FamilyHistory),
    ("social history", RecordType::SocialHistory),
    ("medical history", RecordType::Conditions),
    ("meal plan", RecordType::Diet),
    ("diet plan", RecordType::Diet),
    ("food diary", RecordType::Diet),
    ("food log", RecordType::Diet),
    ("nutrition plan", RecordType::Diet),
    ("nutrition", RecordType::Diet),
    ("diet", RecordType::Diet),
    ("dietary", RecordType::Diet),
    ("care plan", RecordType::CarePlans),
    ("treatment plan", RecordType::CarePlans),
    ("lab", RecordType::LabResults),
    ("labs", RecordType::LabResults),
    ("laboratory", RecordType::LabResults),
    ("blood test", RecordType::LabResults),
    ("blood work", RecordType::LabResults),
    ("bloodwork", RecordType::LabResults),
    ("imaging", RecordType::Imaging),
    ("x ray", RecordType::Imaging),
    ("xray", RecordType::Imaging),
    ("mri", RecordType::Imaging),
    ("ct", RecordType::Imaging),
    ("ultrasound", RecordType::Imaging),
    ("radiology", RecordType::Imaging),
    ("vaccine", RecordType::Vaccines),
    ("vaccination", RecordType::Vaccines),
    ("immunization", RecordType::Vaccines),
    ("allergy", RecordType::Allergies),
    ("allergies", RecordType::Allergies),
    ("prescription", RecordType::Prescriptions),
    ("prescriptions", RecordType::Prescriptions),
    ("medication", RecordType::Prescriptions),
    ("medications", RecordType::Prescriptions),
    ("diagnosis", RecordType::Conditions),
    ("condition", RecordType::Conditions),
    ("procedure", RecordType::Procedures),
    ("surgery", RecordType::Procedures),
    ("vitals", RecordType::Vitals),
    ("vital signs", RecordType::Vitals),
    ("weight", RecordType::Vitals),
    ("measurements", RecordType::Vitals),
    ("insurance", RecordType::Insurance),
    ("visit", RecordType::Encounters),
    ("encounter", RecordType::Encounters),
    ("consultation", RecordType::Encounters),
    ("intake", RecordType::Demographics),
    ("demographics", RecordType::Demographics),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_of_the_type_that_their_words_mean() {
        for (said, meant) in [
            ("Lab Results", RecordType::LabResults),
            ("lab_results", RecordType::LabResults),
            ("Lab report", RecordType::LabResults),
            ("Blood test, fasting", RecordType::LabResults),
            ("Meal plan", RecordType::Diet),
            ("Nutrition assessment", RecordType::Diet),
            ("Family history", RecordType::FamilyHistory),
            ("Medical history", RecordType::Conditions),
            ("CT abdomen", RecordType::Imaging),
            ("Director\'s letter", RecordType::Documents),
            ("Referral letter", RecordType::Documents),
            ("", RecordType::Documents),
        ] {
            assert_eq!(record_type_of(said), meant, "{said}");
        }
    }
}
