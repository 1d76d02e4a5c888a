//! Which codes are sensitive: by list (LOINC, SNOMED CT, RxNorm), by range
//! (ICD, ATC), and security labels.
//!
//! The lists are tables beside this file; this code only reads them.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::systems::System;
use crate::kinds::{Kind, Kinds};

type Codes = HashMap<&'static str, Kinds>;

static LOINC: LazyLock<Codes> = LazyLock::new(|| list(include_str!("tables/loinc.tsv")));
static SNOMED: LazyLock<Codes> = LazyLock::new(|| list(include_str!("tables/snomed.tsv")));
static RXNORM: LazyLock<Codes> = LazyLock::new(|| list(include_str!("tables/rxnorm.tsv")));
static RANGES: LazyLock<Vec<Range>> = LazyLock::new(|| ranges(include_str!("tables/ranges.tsv")));

/// The kinds that a code stands for; usually none.
pub(crate) fn kinds_of_code(system: System, code: &str) -> Kinds {
    match system {
        System::Loinc => look_up(&LOINC, code),
        System::Snomed => look_up(&SNOMED, code),
        System::RxNorm => look_up(&RXNORM, code),
        System::Icd10 | System::Icd9 | System::Icd11 | System::Atc => in_ranges(system, code),
        _ => Kinds::EMPTY,
    }
}

fn look_up(codes: &Codes, code: &str) -> Kinds {
    codes.get(code.trim()).copied().unwrap_or_default()
}

/// The kinds of a security label (`meta.security`, `securityLabel`), from
/// v3-ActCode with what it subsumes, the older v3-Confidentiality values, and
/// the US privacy laws that name a kind.
///
/// `SPI` (specially protected) stands above substance use and mental health and
/// so means both. `R` and `V` alone say how secret, not what, and mean no kind.
pub(crate) fn kinds_of_label(code: &str) -> Kinds {
    let kinds: &[Kind] = match code.trim().to_ascii_uppercase().as_str() {
        "ETH" | "SUD" | "ETHUD" | "OPIOIDUD" | "42CFRPART2" | "42CFRPART2CD" => {
            &[Kind::SubstanceUse]
        }
        "BH" | "MH" | "PSY" | "PSYTHPN" | "COGN" | "DVD" | "EMOTDIS" | "SUICIDE"
        | "HIPAAPSYNOTES" => &[Kind::MentalHealth],
        "SPI" => &[Kind::SubstanceUse, Kind::MentalHealth],
        "HIV" => &[Kind::Hiv],
        "STD" | "SEX" | "SSP" | "PREGNANT" | "FMC" | "GENDER" => &[Kind::SexualHealth],
        "SDV" | "VIO" | "MST" => &[Kind::Violence],
        "GDIS" | "SCA" | "SICKLE" | "GENETIC" => &[Kind::Genetics],
        "TITLE38SECTION7332" => &[Kind::SubstanceUse, Kind::Hiv, Kind::Genetics],
        _ => &[],
    };
    kinds.iter().copied().collect()
}

struct Range {
    system: System,
    from: &'static str,
    to: &'static str,
    kinds: Kinds,
}

fn in_ranges(system: System, code: &str) -> Kinds {
    let code: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    let mut kinds = Kinds::EMPTY;
    for range in RANGES.iter().filter(|range| range.system == system) {
        let first = code.get(..range.from.len()).unwrap_or(&code);
        let last = code.get(..range.to.len()).unwrap_or(&code);
        if first >= range.from && last <= range.to {
            kinds |= range.kinds;
        }
    }
    kinds
}

/// Rows of `kinds<TAB>codes`, both separated by blanks.
fn list(table: &'static str) -> Codes {
    let mut codes = Codes::new();
    for (kinds, row) in rows(table) {
        for code in row.split_ascii_whitespace() {
            *codes.entry(code).or_default() |= kinds;
        }
    }
    codes
}

pub(super) fn rows(table: &'static str) -> impl Iterator<Item = (Kinds, &'static str)> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (kinds, row) = line.split_once('\t')?;
            Some((kinds_of_row(kinds), row))
        })
}

fn kinds_of_row(kinds: &str) -> Kinds {
    kinds
        .split_ascii_whitespace()
        .filter_map(|kind| kind.parse::<Kind>().ok())
        .collect()
}

fn ranges(table: &'static str) -> Vec<Range> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut cells = line.split('\t');
            let system = match cells.next()? {
                "icd10" => System::Icd10,
                "icd9" => System::Icd9,
                "icd11" => System::Icd11,
                _ => System::Atc,
            };
            let kinds = kinds_of_row(cells.next()?);
            let from = cells.next()?;
            Some(Range {
                system,
                from,
                to: cells.next().unwrap_or(from),
                kinds,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(system: System, code: &str, expected: &[Kind]) {
        let expected: Kinds = expected.iter().copied().collect();
        assert_eq!(kinds_of_code(system, code), expected, "{code}");
    }

    #[test]
    fn every_row_of_every_table_names_a_kind_and_a_code() {
        for table in [
            include_str!("tables/loinc.tsv"),
            include_str!("tables/snomed.tsv"),
            include_str!("tables/rxnorm.tsv"),
        ] {
            for line in table.lines().filter(|line| !line.starts_with('#')) {
                let (kinds, codes) = line.split_once('\t').unwrap();
                assert!(
                    kinds.split(' ').all(|kind| kind.parse::<Kind>().is_ok()),
                    "{line}"
                );
                assert!(!codes.trim().is_empty(), "{line}");
            }
        }
        let rows = include_str!("tables/ranges.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'));
        assert_eq!(rows.clone().count(), RANGES.len());
        for range in RANGES.iter() {
            assert!(
                !range.kinds.is_empty() && range.from <= range.to,
                "{}",
                range.from
            );
        }
        for line in rows {
            assert!(matches!(line.split('\t').count(), 3 | 4), "{line}");
        }
    }

    #[test]
    fn icd_ranges_end_where_the_standard_says() {
        check(System::Icd10, "F32.9", &[Kind::MentalHealth]);
        check(System::Icd10, "f329", &[Kind::MentalHealth]);
        check(System::Icd10, "F19.20", &[Kind::SubstanceUse]);
        check(System::Icd10, "B20", &[Kind::Hiv]);
        check(System::Icd10, "Z21", &[Kind::Hiv]);
        check(System::Icd10, "O98.711", &[Kind::Hiv, Kind::SexualHealth]);
        check(System::Icd10, "A49.9", &[]);
        check(System::Icd10, "A50.0", &[Kind::SexualHealth]);
        check(System::Icd10, "A64", &[Kind::SexualHealth]);
        check(System::Icd10, "A65", &[]);
        check(
            System::Icd10,
            "O9A.311",
            &[Kind::SexualHealth, Kind::Violence],
        );
        check(System::Icd10, "T74.11XA", &[Kind::Violence]);
        check(System::Icd10, "T75.0", &[]);
        check(System::Icd10, "Y07.9", &[Kind::Violence]);
        check(System::Icd10, "Y09", &[Kind::Violence]);
        check(System::Icd10, "Y10", &[]);
        check(System::Icd10, "D57.1", &[Kind::Genetics]);
        check(System::Icd10, "E11.9", &[]);
        check(System::Icd10, "I10", &[]);
        check(System::Icd10, "N95.1", &[]);
        check(System::Icd10, "Z34.90", &[Kind::SexualHealth]);
        check(System::Icd10, "Z56.0", &[]);
        check(System::Icd9, "995.86", &[]);
        check(System::Icd9, "V18.0", &[]);
        check(System::Icd11, "1C62.Z", &[Kind::Hiv]);
        check(System::Icd11, "6A70.0", &[Kind::MentalHealth]);
        check(
            System::Icd11,
            "6C43.2",
            &[Kind::SubstanceUse, Kind::MentalHealth],
        );
        check(System::Icd11, "5A11", &[]);
        check(System::Icd9, "042", &[Kind::Hiv]);
        check(System::Icd9, "V08", &[Kind::Hiv]);
        check(System::Icd9, "296.20", &[Kind::MentalHealth]);
        check(System::Icd9, "304.00", &[Kind::SubstanceUse]);
        check(System::Icd9, "250.41", &[]);
        check(System::Atc, "N06AB04", &[Kind::MentalHealth]);
        check(System::Atc, "N07BC02", &[Kind::SubstanceUse]);
        check(System::Atc, "J05AR03", &[Kind::Hiv]);
        check(System::Atc, "L02BG03", &[]);
    }

    #[test]
    fn lists_know_the_usual_codes_and_leave_plain_ones_alone() {
        check(System::Loinc, "25836-8", &[Kind::Hiv]);
        check(System::Loinc, "44249-1", &[Kind::MentalHealth]);
        check(System::Loinc, "76504-0", &[Kind::Violence]);
        check(System::Loinc, "58410-2", &[]);
        check(System::Loinc, "72166-2", &[]);
        check(System::Snomed, "86406008", &[Kind::Hiv]);
        check(System::Snomed, "706893006", &[Kind::Violence]);
        check(System::Snomed, "44054006", &[]);
        check(System::RxNorm, "6813", &[Kind::SubstanceUse]);
        check(System::RxNorm, "1191", &[]);
    }

    #[test]
    fn labels_subsume() {
        assert_eq!(kinds_of_label("ETHUD"), kinds_of_label("ETH"));
        assert_eq!(kinds_of_label("PSYTHPN"), Kinds::of(Kind::MentalHealth));
        assert!(kinds_of_label("SUD").is_subset_of(kinds_of_label("SPI")));
        assert_eq!(kinds_of_label("R"), Kinds::EMPTY);
    }
}
