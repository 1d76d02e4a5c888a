//! The name of a thing: an account, a patient, a record, a batch.
//!
//! Ids are made by whoever makes the thing, clients included, so that sealed
//! content can be bound to its place before the server has seen it. An id is
//! UUIDv7 (RFC 9562 §5.7): it sorts by the time it was made, and says nothing
//! else. It is no secret and opens nothing.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Sixteen bytes; as text and in JSON the hyphenated, lower-case form of a UUID
/// (`0195e6d4-1c2b-7f3a-9c4d-0123456789ab`). One id has one text, since ids are
/// bound into keys, associated data and the trail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// The id of nothing. No made id equals it, so that a query for it finds nothing.
    pub const NIL: Self = Self([0; 16]);

    /// A new id: 48 bits of Unix time in milliseconds, 74 random bits.
    pub fn new(at_ms: u64, rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        let (time, chance) = bytes.split_at_mut(6);
        rng.fill_bytes(chance);
        // The low 48 bits, big-endian: good until the year 10889.
        for (to, from) in time.iter_mut().zip(at_ms.to_be_bytes().into_iter().skip(2)) {
            *to = from;
        }
        let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
        *version = 0x70 | (*version & 0x0f);
        *variant = 0x80 | (*variant & 0x3f);
        Self(bytes)
    }

    /// The id of these bytes, whichever version of UUID they are.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes, as they stand in keys, associated data and databases.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether the bits say UUIDv7. Ids that clients make must.
    pub const fn is_v7(&self) -> bool {
        let [_, _, _, _, _, _, version, _, variant, ..] = self.0;
        version & 0xf0 == 0x70 && variant & 0xc0 == 0x80
    }

    /// When it was made, in Unix milliseconds, as its maker says.
    pub fn at_ms(&self) -> u64 {
        let time = self.0.iter().take(6);
        time.fold(0, |ms, byte| (ms << 8) | u64::from(*byte))
    }
}

/// Positions of the hyphens in the text of an id.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A list writes thousands: one piece, and no formatting of numbers.
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0') as u8;
        let mut text = [b'-'; 36];
        let mut places = text.iter_mut().enumerate();
        let mut put = |nibble| {
            let free = places.find(|(at, _)| !HYPHENS.contains(at));
            if let Some((_, place)) = free {
                *place = digit(nibble);
            }
        };
        for byte in self.0 {
            put(byte >> 4);
            put(byte & 15);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a hyphenated, lower-case UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct ParseIdError;

impl ParseIdError {
    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        "id.malformed"
    }
}

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() != 36 {
            return Err(ParseIdError);
        }
        let mut bytes = [0; 16];
        let mut digits = 0_usize;
        for (position, character) in text.bytes().enumerate() {
            let digit = match character {
                b'-' if HYPHENS.contains(&position) => continue,
                _ if HYPHENS.contains(&position) => return Err(ParseIdError),
                b'0'..=b'9' => character - b'0',
                b'a'..=b'f' => character - b'a' + 10,
                _ => return Err(ParseIdError),
            };
            let byte = bytes.get_mut(digits / 2).ok_or(ParseIdError)?;
            *byte = (*byte << 4) | digit;
            digits += 1;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a hyphenated, lower-case UUID")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text).map_err(D::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for Id {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
                utoipa::openapi::KnownFormat::Uuid,
            )))
            .description(Some("UUIDv7, hyphenated, lower-case"))
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Id {}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn an_id_is_uuid_version_7_of_its_time() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        for at_ms in [0, 1, 1_700_000_000_000, (1 << 48) - 1] {
            let id = Id::new(at_ms, &mut rng);
            assert!(id.is_v7());
            assert_eq!(id.at_ms(), at_ms);
            let text = id.to_string();
            assert_eq!(text.as_bytes()[14], b'7', "{text}");
            assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
            assert_eq!(text.parse(), Ok(id));
        }
        assert!(!Id::NIL.is_v7());
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let earlier = Id::new(1_000, &mut rng);
        let later = Id::new(1_001, &mut rng);
        assert!(earlier < later);
        assert!(earlier.to_string() < later.to_string());
        assert_ne!(Id::new(1_000, &mut rng), Id::new(1_000, &mut rng));
    }

    #[test]
    fn one_id_has_one_text() {
        let text = "0195e6d4-1c2b-7f3a-9c4d-0123456789ab";
        let id: Id = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!(
            serde_json::from_str::<Id>(&format!("\"{text}\"")).unwrap(),
            id
        );
        for wrong in [
            "",
            "0195E6D4-1C2B-7F3A-9C4D-0123456789AB",
            "0195e6d41c2b7f3a9c4d0123456789ab",
            "0195e6d4-1c2b-7f3a-9c4d-0123456789a",
            "0195e6d4-1c2b-7f3a-9c4d-0123456789abc",
            "0195e6d4-1c2b-7f3a-9c4d-0123456789ag",
            "0195e6d41-c2b-7f3a-9c4d-0123456789ab",
            "{195e6d4-1c2b-7f3a-9c4d-0123456789a}",
            "-195e6d4-1c2b-7f3a-9c4d-0123456789ab",
            "0195e6d4-1c2b-7f3a-9c4d-01234567é9a",
        ] {
            assert_eq!(wrong.parse::<Id>(), Err(ParseIdError), "{wrong}");
        }
    }
}
