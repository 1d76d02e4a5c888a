//! How much there may be at once of what others must read through: bounds on
//! one patient, so that nobody makes a record slow for everybody in it.
//!
//! [`limits`](crate::limits) bounds how often something is tried; this how much
//! of it there is. A quota never stands in the way of ending or narrowing
//! anything.

use thiserror::Error;

/// A bound that was reached. Refused with 409 until there is less of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Quota {
    /// Living grants and links of one patient: every writer seals to each.
    #[error("as many grants and links live as may; end some first")]
    Grants,
    /// Statements in one patient's chain: every reader verifies each. New
    /// grants, links and terms are refused; ends and new keys are not.
    #[error("the record has changed hands as often as it may")]
    Statements,
    /// Requests of whomever that wait with one patient.
    #[error("as many requests wait for an answer as may")]
    Requests,
    /// Uploads of one patient that are not finished.
    #[error("as many uploads are under way as may; finish some first")]
    Uploads,
}

impl Quota {
    /// Every quota.
    pub const ALL: [Self; 4] = [
        Self::Grants,
        Self::Statements,
        Self::Requests,
        Self::Uploads,
    ];

    /// How many.
    pub const fn max(self) -> u64 {
        match self {
            Self::Grants => 2_000,
            Self::Statements => 20_000,
            Self::Requests => 200,
            Self::Uploads => 64,
        }
    }

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Grants => "quota.grants",
            Self::Statements => "quota.statements",
            Self::Requests => "quota.requests",
            Self::Uploads => "quota.uploads",
        }
    }

    /// Whether one more fits beside `there`.
    ///
    /// # Errors
    /// Itself, where none does.
    pub const fn check(self, there: u64) -> Result<(), Self> {
        if there < self.max() {
            Ok(())
        } else {
            Err(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_told_of_every_bound() {
        let told = include_str!("../../../docs/operate/configure.md");
        for quota in Quota::ALL {
            let row = format!("| `{}` | ", quota.code());
            let rest = told.split_once(&row).map(|(_, rest)| rest);
            let number = rest.and_then(|rest| rest.split(' ').next());
            let number = number.map(|text| text.replace(',', ""));
            assert_eq!(number, Some(quota.max().to_string()), "{}", quota.code());
        }
    }

    #[test]
    fn the_last_one_fits_and_no_other() {
        for quota in Quota::ALL {
            assert_eq!(quota.check(quota.max() - 1), Ok(()));
            assert_eq!(quota.check(quota.max()), Err(quota));
            let known = crate::codes::lookup(quota.code());
            assert_eq!(known.map(|code| code.status), Some(409));
        }
    }
}
