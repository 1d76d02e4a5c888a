//! Epochs of compartments: which key of a compartment is meant.
//! An epoch belongs to the generation of the patient seed in which it began.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The `n`-th epoch (from 1) of a compartment within a generation (from 1).
/// Ordered by time. Text form `generation.n`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch {
    /// Generation of the patient seed that the key derives from.
    pub generation: u32,
    /// Position within the generation; 1 exists from birth.
    pub n: u32,
}

impl Epoch {
    /// The epoch every compartment has from the birth of `generation`.
    pub const fn first(generation: u32) -> Self {
        Self { generation, n: 1 }
    }

    /// The epoch after this one in the same generation.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            generation: self.generation,
            n: self.n.saturating_add(1),
        }
    }

    /// Eight bytes for key derivation and associated data.
    pub fn to_bytes(self) -> [u8; 8] {
        let mut out = [0; 8];
        let (generation, n) = out.split_at_mut(4);
        generation.copy_from_slice(&self.generation.to_be_bytes());
        n.copy_from_slice(&self.n.to_be_bytes());
        out
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.generation, self.n)
    }
}

/// Not of the form `generation.n` with both from 1.
#[derive(Debug, thiserror::Error)]
#[error("an epoch is written generation.n, both from 1")]
pub struct ParseEpochError;

impl FromStr for Epoch {
    type Err = ParseEpochError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (generation, n) = s.split_once('.').ok_or(ParseEpochError)?;
        let parse = |t: &str| -> Result<u32, ParseEpochError> {
            let value: u32 = t.parse().map_err(|_| ParseEpochError)?;
            if value == 0 || t.starts_with('0') || t.starts_with('+') {
                return Err(ParseEpochError);
            }
            Ok(value)
        };
        Ok(Self {
            generation: parse(generation)?,
            n: parse(n)?,
        })
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
#[cfg(feature = "schema")]
impl utoipa::PartialSchema for Epoch {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("generation.n"))
            .examples(["1.1"])
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Epoch {}
