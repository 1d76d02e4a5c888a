//! The one way in which several fields become one string of bytes.
//!
//! Every field is preceded by its length as an unsigned 32-bit big-endian
//! integer, so two different lists of fields never encode alike. Used for
//! associated data, for the info of derivations and for what is signed.

/// The prefix of a field of this length.
///
/// # Panics
/// If a field is 4 GiB or longer; contexts are ids and hashes, never content.
fn prefix(field: &[u8]) -> [u8; 4] {
    u32::try_from(field.len())
        .expect("a context field is shorter than 4 GiB")
        .to_be_bytes()
}

/// Length-prefixed concatenation: for each field, its length as `u32`
/// big-endian, then its bytes. No fields give no bytes.
///
/// # Panics
/// If a field is 4 GiB or longer; contexts are ids and hashes, never content.
pub fn lp(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.iter().map(|f| f.len() + 4).sum());
    for_each_part(fields, |part| out.extend_from_slice(part));
    out
}

/// Feeds the pieces of [`lp`] to a consumer without allocating.
pub(crate) fn for_each_part(fields: &[&[u8]], mut take: impl FnMut(&[u8])) {
    for field in fields {
        take(&prefix(field));
        take(field);
    }
}

#[cfg(test)]
mod tests {
    use super::lp;

    #[test]
    fn fields_carry_their_length() {
        assert_eq!(lp(&[]), b"");
        assert_eq!(lp(&[b""]), b"\0\0\0\0");
        assert_eq!(lp(&[b"ab", b"c"]), b"\0\0\0\x02ab\0\0\0\x01c");
    }

    #[test]
    fn moving_a_boundary_changes_the_encoding() {
        assert_ne!(lp(&[b"ab", b"c"]), lp(&[b"a", b"bc"]));
        assert_ne!(lp(&[b"abc"]), lp(&[b"abc", b""]));
    }
}
