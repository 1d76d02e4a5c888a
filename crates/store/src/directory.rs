//! The directory of providers: public names and addresses, replaced as a whole.

use chartkey_domain::connections::ProviderEndpoint;

use crate::{Reader, StoreError, Tx, params};

/// Words that one question may have; further ones are not looked at.
const MAX_WORDS: usize = 5;

/// Replaces the directory, in this order. `words` are those of a name that are
/// looked for: letters and digits with single spaces between them.
///
/// # Errors
/// The engine's.
pub fn replace(
    tx: &mut Tx,
    endpoints: &[ProviderEndpoint],
    words: impl Fn(&str) -> String,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM provider_endpoints", &[])?;
    for (position, endpoint) in (0_i64..).zip(endpoints) {
        tx.execute(
            "INSERT INTO provider_endpoints (position, name, words, base_url) VALUES (?1, ?2, ?3, ?4)",
            params![position, endpoint.name, words(&endpoint.name), endpoint.base_url],
        )?;
    }
    Ok(())
}

/// Providers with a word that begins like each of `words` (letters and digits
/// only), in order; all where there are none.
///
/// # Errors
/// The engine's.
pub fn list(
    db: &mut Reader,
    words: &[String],
    limit: u32,
) -> Result<Vec<ProviderEndpoint>, StoreError> {
    let pattern = |nth: usize| match words.get(nth) {
        Some(word) => format!("% {word}%"),
        None => "%".to_owned(),
    };
    let [first, second, third, fourth, fifth]: [String; MAX_WORDS] = std::array::from_fn(pattern);
    db.query(
        "SELECT name, base_url FROM provider_endpoints
         WHERE ' ' || words LIKE ?1 AND ' ' || words LIKE ?2 AND ' ' || words LIKE ?3
           AND ' ' || words LIKE ?4 AND ' ' || words LIKE ?5
         ORDER BY position LIMIT ?6",
        params![first, second, third, fourth, fifth, limit],
        |row| {
            Ok(ProviderEndpoint {
                name: row.get(0)?,
                base_url: row.get(1)?,
            })
        },
    )
}
