//! Kinds of sensitivity, sets of them, and the compartment: one record type with
//! one set of kinds, the unit that keys exist for.
//!
//! This file knows names and set arithmetic, nothing about how content is judged.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record_type::{RecordType, same_name};

/// A kind of sensitivity. Declared, ordered and listed alphabetically by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Genetic tests and disorders.
    Genetics,
    /// HIV and AIDS.
    Hiv,
    /// Mental and behavioural health.
    MentalHealth,
    /// Sexual and reproductive health.
    SexualHealth,
    /// Alcohol, drugs, tobacco dependence.
    SubstanceUse,
    /// Abuse, assault, domestic violence.
    Violence,
}

impl Kind {
    /// Every kind, alphabetically.
    pub const ALL: [Self; 6] = [
        Self::Genetics,
        Self::Hiv,
        Self::MentalHealth,
        Self::SexualHealth,
        Self::SubstanceUse,
        Self::Violence,
    ];

    /// The canonical, hyphenated name (`mental-health`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Genetics => "genetics",
            Self::Hiv => "hiv",
            Self::MentalHealth => "mental-health",
            Self::SexualHealth => "sexual-health",
            Self::SubstanceUse => "substance-use",
            Self::Violence => "violence",
        }
    }

    /// The English label for screens.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Genetics => "Genetics",
            Self::Hiv => "HIV",
            Self::MentalHealth => "Mental health",
            Self::SexualHealth => "Sexual and reproductive health",
            Self::SubstanceUse => "Substance use",
            Self::Violence => "Violence and abuse",
        }
    }

    /// The bit of this kind in [`Kinds::bits`]. Never changes: stored sets and
    /// derived keys depend on names, indexes of databases may depend on bits.
    const fn bit(self) -> u8 {
        match self {
            Self::Genetics => 1,
            Self::Hiv => 1 << 1,
            Self::MentalHealth => 1 << 2,
            Self::SexualHealth => 1 << 3,
            Self::SubstanceUse => 1 << 4,
            Self::Violence => 1 << 5,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind of sensitivity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of sensitivity")]
pub struct UnknownKind;

impl UnknownKind {
    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        "kind.unknown"
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| same_name(kind.as_str(), text))
            .ok_or(UnknownKind)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A set of kinds, usually empty. As JSON: an array of names, alphabetical.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Kinds(u8);

impl Kinds {
    /// No kind: an ordinary record.
    pub const EMPTY: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self(0b11_1111);

    /// The set of exactly one kind.
    pub const fn of(kind: Kind) -> Self {
        Self(kind.bit())
    }

    /// Adds a kind.
    pub const fn insert(&mut self, kind: Kind) {
        self.0 |= kind.bit();
    }

    /// Takes a kind out.
    pub const fn remove(&mut self, kind: Kind) {
        self.0 &= !kind.bit();
    }

    /// This set with one kind more.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | kind.bit())
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether everything here is also in `other`.
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many kinds are in the set.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The set as bits: genetics 1, hiv 2, mental-health 4, sexual-health 8,
    /// substance-use 16, violence 32.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; none where a bit means nothing.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The kinds in the set, alphabetically.
    pub const fn iter(self) -> KindsIter {
        KindsIter {
            rest: self,
            next: 0,
        }
    }
}

/// The kinds of a set, alphabetically.
#[derive(Debug, Clone)]
pub struct KindsIter {
    rest: Kinds,
    next: usize,
}

impl Iterator for KindsIter {
    type Item = Kind;

    fn next(&mut self) -> Option<Kind> {
        while let Some(kind) = Kind::ALL.get(self.next).copied() {
            self.next += 1;
            if self.rest.contains(kind) {
                return Some(kind);
            }
        }
        None
    }
}

impl IntoIterator for Kinds {
    type Item = Kind;
    type IntoIter = KindsIter;

    fn into_iter(self) -> KindsIter {
        self.iter()
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl From<Kind> for Kinds {
    fn from(kind: Kind) -> Self {
        Self::of(kind)
    }
}

impl std::ops::BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl std::ops::BitOrAssign for Kinds {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.union(other);
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Kind::as_str))
            .finish()
    }
}

impl Serialize for Kinds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Kinds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Kind>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

/// One record type with one set of kinds: the unit that keys exist for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Compartment {
    /// The record type.
    pub record_type: RecordType,
    /// The kinds of sensitivity, usually none.
    pub kinds: Kinds,
}

impl Compartment {
    /// The compartment of this type and these kinds.
    pub const fn new(record_type: RecordType, kinds: Kinds) -> Self {
        Self { record_type, kinds }
    }

    /// The canonical text, into which keys are derived: `lab-results`, or
    /// `lab-results+hiv+mental-health` with the kinds in alphabetical order.
    pub fn name(self) -> String {
        let mut name = String::from(self.record_type.as_str());
        for kind in self.kinds {
            name.push('+');
            name.push_str(kind.as_str());
        }
        name
    }
}

impl fmt::Display for Compartment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The text is not the name of a compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a compartment")]
pub struct ParseCompartmentError;

impl ParseCompartmentError {
    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        "compartment.malformed"
    }
}

impl FromStr for Compartment {
    type Err = ParseCompartmentError;

    /// Reads the canonical text only: one compartment has one name, since names
    /// are bound into keys and associated data.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('+');
        let record_type = parts.next().unwrap_or_default();
        let record_type = record_type.parse().map_err(|_| ParseCompartmentError)?;
        let mut compartment = Self::new(record_type, Kinds::EMPTY);
        for part in parts {
            compartment
                .kinds
                .insert(part.parse().map_err(|_| ParseCompartmentError)?);
        }
        if compartment.name() == text {
            Ok(compartment)
        } else {
            Err(ParseCompartmentError)
        }
    }
}

impl Serialize for Compartment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for Compartment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_set() -> impl Iterator<Item = Kinds> {
        (0..=Kinds::ALL.bits()).filter_map(Kinds::from_bits)
    }

    #[test]
    fn sets_round_trip_through_bits_json_and_iteration() {
        assert_eq!(every_set().count(), 64);
        for kinds in every_set() {
            assert_eq!(kinds.iter().collect::<Kinds>(), kinds);
            assert_eq!(kinds.iter().count(), kinds.len());
            let json = serde_json::to_string(&kinds).unwrap();
            assert_eq!(serde_json::from_str::<Kinds>(&json).unwrap(), kinds);
        }
        assert_eq!(Kinds::from_bits(64), None);
        assert_eq!(Kinds::ALL.len(), Kind::ALL.len());
    }

    #[test]
    fn kinds_are_listed_alphabetically() {
        let names: Vec<_> = Kinds::ALL.iter().map(Kind::as_str).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
        let both: Kinds = [Kind::SubstanceUse, Kind::Hiv].into_iter().collect();
        assert_eq!(
            serde_json::to_string(&both).unwrap(),
            r#"["hiv","substance-use"]"#
        );
        assert_eq!(
            serde_json::from_str::<Kinds>(r#"["substance_use","hiv"]"#).unwrap(),
            both
        );
    }

    #[test]
    fn subset_is_the_order_of_coverage() {
        for a in every_set() {
            for b in every_set() {
                assert_eq!(a.is_subset_of(b), a.union(b) == b);
                assert_eq!(a.is_subset_of(b), a.iter().all(|kind| b.contains(kind)));
            }
        }
    }

    #[test]
    fn every_compartment_has_exactly_one_name() {
        for record_type in RecordType::ALL {
            for kinds in every_set() {
                let compartment = Compartment::new(record_type, kinds);
                assert_eq!(compartment.name().parse(), Ok(compartment));
            }
        }
        let name = "lab-results+hiv+mental-health";
        assert_eq!(name.parse::<Compartment>().unwrap().name(), name);
        for text in [
            "lab-results+mental-health+hiv",
            "lab_results",
            "lab-results+",
            "lab-results+hiv+hiv",
            "+hiv",
            "",
            "lab-results+none",
        ] {
            assert_eq!(
                text.parse::<Compartment>(),
                Err(ParseCompartmentError),
                "{text}"
            );
        }
    }
}
