//! What a grant is for. People write any word; statements and the trail carry a
//! code of HL7's PurposeOfUse, and the words stay sealed in the grant's cover.

/// A coded purpose of use, of <http://terminology.hl7.org/ValueSet/v3-PurposeOfUse>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Treatment.
    Treat,
    /// Emergency treatment.
    EmergencyTreat,
    /// Payment for care: insurers, billing.
    Payment,
    /// Running a health service: quality, training, administration.
    Operations,
    /// Research.
    Research,
    /// Public health.
    PublicHealth,
    /// The family asked.
    FamilyRequest,
    /// The patient asked: whatever fits nowhere else.
    PatientRequest,
    /// Cover by an insurance.
    Coverage,
    /// A power of attorney.
    PowerOfAttorney,
    /// Help by people close to the patient.
    SupportNetwork,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 11] = [
        Self::Treat,
        Self::EmergencyTreat,
        Self::Payment,
        Self::Operations,
        Self::Research,
        Self::PublicHealth,
        Self::FamilyRequest,
        Self::PatientRequest,
        Self::Coverage,
        Self::PowerOfAttorney,
        Self::SupportNetwork,
    ];

    /// The code of <http://terminology.hl7.org/CodeSystem/v3-ActReason>.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Treat => "TREAT",
            Self::EmergencyTreat => "ETREAT",
            Self::Payment => "HPAYMT",
            Self::Operations => "HOPERAT",
            Self::Research => "HRESCH",
            Self::PublicHealth => "PUBHLTH",
            Self::FamilyRequest => "FAMRQT",
            Self::PatientRequest => "PATRQT",
            Self::Coverage => "COVERAGE",
            Self::PowerOfAttorney => "PWATRNY",
            Self::SupportNetwork => "SUPNWK",
        }
    }

    /// The purpose of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.code().eq_ignore_ascii_case(code))
    }

    /// The purpose that free words come closest to: a code itself, the whole
    /// phrase in the table, else its first word that is there. What fits nowhere
    /// is at the patient's request.
    pub fn of_words(words: &str) -> Self {
        // Nobody needs more to say it; and a hostile text costs no more.
        let words: String = words
            .chars()
            .take(crate::grants::MAX_PURPOSE_CHARS)
            .flat_map(char::to_lowercase)
            .map(|c| if c.is_alphanumeric() { c } else { ' ' })
            .collect();
        let tokens: Vec<&str> = words.split_whitespace().collect();
        if let [one] = tokens.as_slice()
            && let Some(purpose) = Self::from_code(one)
        {
            return purpose;
        }
        let phrase = tokens.join("_");
        let lookup = |word: &str| {
            WORDS
                .iter()
                .find(|(known, _)| *known == word)
                .map(|(_, purpose)| *purpose)
        };
        lookup(&phrase)
            .or_else(|| tokens.iter().find_map(|token| lookup(token)))
            .unwrap_or(Self::PatientRequest)
    }
}

/// Words that people use, and what they mean. Phrases are joined by `_`.
const WORDS: &[(&str, Purpose)] = &[
    ("emergency", Purpose::EmergencyTreat),
    ("emergency_care", Purpose::EmergencyTreat),
    ("emergency_treatment", Purpose::EmergencyTreat),
    ("urgent", Purpose::EmergencyTreat),
    ("routine_checkup", Purpose::Treat),
    ("second_opinion", Purpose::Treat),
    ("checkup", Purpose::Treat),
    ("check", Purpose::Treat),
    ("treatment", Purpose::Treat),
    ("treat", Purpose::Treat),
    ("care", Purpose::Treat),
    ("consultation", Purpose::Treat),
    ("consult", Purpose::Treat),
    ("referral", Purpose::Treat),
    ("appointment", Purpose::Treat),
    ("visit", Purpose::Treat),
    ("followup", Purpose::Treat),
    ("follow_up", Purpose::Treat),
    ("opinion", Purpose::Treat),
    ("surgery", Purpose::Treat),
    ("therapy", Purpose::Treat),
    ("diagnosis", Purpose::Treat),
    ("nutrition", Purpose::Treat),
    ("diet", Purpose::Treat),
    ("rehabilitation", Purpose::Treat),
    ("specialist", Purpose::Treat),
    ("insurance_coverage", Purpose::Coverage),
    ("coverage", Purpose::Coverage),
    ("insurance", Purpose::Payment),
    ("insurer", Purpose::Payment),
    ("payment", Purpose::Payment),
    ("billing", Purpose::Payment),
    ("claim", Purpose::Payment),
    ("reimbursement", Purpose::Payment),
    ("research", Purpose::Research),
    ("study", Purpose::Research),
    ("clinical_trial", Purpose::Research),
    ("trial", Purpose::Research),
    ("public_health", Purpose::PublicHealth),
    ("quality", Purpose::Operations),
    ("operations", Purpose::Operations),
    ("administration", Purpose::Operations),
    ("training", Purpose::Operations),
    ("family", Purpose::FamilyRequest),
    ("power_of_attorney", Purpose::PowerOfAttorney),
    ("attorney", Purpose::PowerOfAttorney),
    ("guardian", Purpose::PowerOfAttorney),
    ("caregiver", Purpose::SupportNetwork),
    ("support", Purpose::SupportNetwork),
    ("personal", Purpose::PatientRequest),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_codes() {
        for (words, code) in [
            ("routine_checkup", "TREAT"),
            ("Routine check-up", "TREAT"),
            ("second_opinion", "TREAT"),
            ("insurance", "HPAYMT"),
            ("Insurance claim 2026", "HPAYMT"),
            ("insurance coverage", "COVERAGE"),
            ("research", "HRESCH"),
            ("emergency", "ETREAT"),
            ("emergency treatment", "ETREAT"),
            ("family", "FAMRQT"),
            ("for my family", "FAMRQT"),
            ("ETREAT", "ETREAT"),
            ("hresch", "HRESCH"),
            ("none", "PATRQT"),
            ("", "PATRQT"),
            ("because I say so", "PATRQT"),
        ] {
            assert_eq!(Purpose::of_words(words).code(), code, "{words}");
        }
    }

    #[test]
    fn every_code_leads_back_to_its_purpose() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_code(purpose.code()), Some(purpose));
        }
    }

    #[test]
    fn no_word_is_in_the_table_twice() {
        let mut words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
        words.sort_unstable();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all);
    }
}
