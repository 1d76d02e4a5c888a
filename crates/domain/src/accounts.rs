//! Accounts: who signs in, and what may be said of them at registration.
//!
//! This module knows no passwords and no keys; what a password must be is
//! `chartkey_crypto::password`'s.

use std::fmt;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::text::{self, TextError};

/// What somebody signs in as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// Has a record, or several.
    Patient,
    /// Is granted access by patients.
    Provider,
    /// Runs the installation, and reads nobody's record.
    Admin,
}

impl AccountKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Patient, Self::Provider, Self::Admin];

    /// The word for the wire and for databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Provider => "provider",
            Self::Admin => "admin",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What admins found of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verification {
    /// Nobody has looked yet.
    Pending,
    /// Approved: may use grants, stands in the directory.
    Verified,
    /// Not approved.
    Rejected,
    /// Approved once, and stopped since.
    Suspended,
}

impl Verification {
    /// Every state.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::Verified,
        Self::Rejected,
        Self::Suspended,
    ];

    /// The word for the wire and for databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Rejected => "rejected",
            Self::Suspended => "suspended",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What an admin decides about a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerificationDecision {
    /// The licence is in order.
    Approve,
    /// It is not.
    Reject,
    /// Stop for now.
    Suspend,
}

impl VerificationDecision {
    /// Every decision.
    pub const ALL: [Self; 3] = [Self::Approve, Self::Reject, Self::Suspend];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Suspend => "suspend",
        }
    }

    /// The decision of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// What the provider is afterwards.
    pub const fn outcome(self) -> Verification {
        match self {
            Self::Approve => Verification::Verified,
            Self::Reject => Verification::Rejected,
            Self::Suspend => Verification::Suspended,
        }
    }
}

/// Longest name of a person or an organisation, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// Longest free-text type of a provider, in characters.
pub const MAX_TYPE_CHARS: usize = 100;
/// Longest licence number, and country of it, in characters.
pub const MAX_LICENSE_CHARS: usize = 64;
/// How long an account that never verified its address keeps it waiting, in seconds.
pub const PENDING_TTL_SECS: i64 = 7 * 24 * 60 * 60;
/// Most accounts that may wait on one address at a time.
pub const MAX_PENDING_PER_ADDRESS: usize = 5;

/// An e-mail address, as it is mailed to and as it is looked up. Prints nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    address: String,
    normal: String,
}

impl Email {
    /// Reads `local@domain` as people have it: no quoted local parts, comments or
    /// address literals. An internationalised domain may be written either way,
    /// and becomes its ASCII form (RFC 5891, UTS #46); the local part may be
    /// international too (RFC 6531).
    ///
    /// # Errors
    /// [`AccountError::EmailMalformed`].
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        const REFUSED: AccountError = AccountError::EmailMalformed;
        let text = text.trim();
        if text.len() > 320 {
            return Err(REFUSED);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(REFUSED)?;
        let local: String = local.nfc().collect();
        let plain = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        if local.is_empty()
            || local.len() > 64
            || !local.chars().all(plain)
            || local.starts_with('.')
            || local.ends_with('.')
            || local.contains("..")
        {
            return Err(REFUSED);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| REFUSED)?;
        let digits_last = domain
            .rsplit('.')
            .next()
            .is_none_or(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if domain.is_empty() || domain.ends_with('.') || digits_last {
            return Err(REFUSED);
        }
        let address = format!("{local}@{domain}");
        // RFC 5321 §4.5.3.1.3, without the angle brackets.
        if address.len() > 254 {
            return Err(REFUSED);
        }
        let normal: String = address.to_lowercase().nfc().collect();
        Ok(Self { address, normal })
    }

    /// The address to send to: as given, its domain in ASCII.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address to look up by: all lower case, since nobody's mailbox tells
    /// `Ann` from `ann`, and two owners of one address must not be possible.
    pub fn normal(&self) -> &str {
        &self.normal
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// Who somebody says they are. Prints nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Where they read mail.
    pub email: Email,
    /// Their name, one line.
    pub name: String,
    /// What more their kind of account has.
    pub particulars: Particulars,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewAccount(…)")
    }
}

/// What more a kind of account has.
#[derive(Clone, PartialEq, Eq)]
pub enum Particulars {
    /// Of a patient.
    Patient {
        /// Day of birth.
        birth_date: Option<Date>,
        /// Telephone number, as given.
        phone: Option<String>,
    },
    /// Of a provider.
    Provider {
        /// Free text: `Dietician`, `Physician`.
        provider_type: String,
        /// The licence, for an admin to look at.
        license_number: String,
        /// Its country: two letters in upper case, or a name.
        license_country: String,
        /// Where they work.
        organization: Option<String>,
    },
    /// Of an admin.
    Admin,
}

impl Particulars {
    /// Of a patient.
    ///
    /// # Errors
    /// The first rule that something breaks.
    pub fn patient(
        birth_date: Option<&str>,
        phone: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, AccountError> {
        let birth_date = given(birth_date, |text| parse_birth_date(text, now))?;
        let phone = given(phone, parse_phone)?;
        Ok(Self::Patient { birth_date, phone })
    }

    /// Of a provider.
    ///
    /// # Errors
    /// The first rule that something breaks.
    pub fn provider(
        provider_type: &str,
        license_number: &str,
        license_country: &str,
        organization: Option<&str>,
    ) -> Result<Self, AccountError> {
        let country =
            text::line(license_country, MAX_LICENSE_CHARS).map_err(AccountError::LicenseCountry)?;
        let is_code = country.len() == 2 && country.bytes().all(|b| b.is_ascii_alphabetic());
        Ok(Self::Provider {
            provider_type: text::line(provider_type, MAX_TYPE_CHARS)
                .map_err(AccountError::ProviderType)?,
            license_number: text::line(license_number, MAX_LICENSE_CHARS)
                .map_err(AccountError::LicenseNumber)?,
            license_country: if is_code {
                country.to_ascii_uppercase()
            } else {
                country
            },
            organization: text::optional_line(organization, MAX_NAME_CHARS)
                .map_err(AccountError::Organization)?,
        })
    }

    /// The kind of account that has these.
    pub const fn kind(&self) -> AccountKind {
        match self {
            Self::Patient { .. } => AccountKind::Patient,
            Self::Provider { .. } => AccountKind::Provider,
            Self::Admin => AccountKind::Admin,
        }
    }
}

impl fmt::Debug for Particulars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Particulars({})", self.kind().as_str())
    }
}

/// Reads what was given; nothing, or nothing but space, is none.
fn given<T>(
    text: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, AccountError>,
) -> Result<Option<T>, AccountError> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => read(text).map(Some),
    }
}

/// A name of a person: one line.
///
/// # Errors
/// [`AccountError::Name`].
pub fn parse_name(text: &str) -> Result<String, AccountError> {
    text::line(text, MAX_NAME_CHARS).map_err(AccountError::Name)
}

/// A day of birth: `YYYY-MM-DD`, not before 1870, and not in the future anywhere
/// on earth (UTC+14 has the earliest tomorrow).
///
/// # Errors
/// [`AccountError::BirthDateMalformed`] or [`AccountError::BirthDateImpossible`].
pub fn parse_birth_date(text: &str, now: Timestamp) -> Result<Date, AccountError> {
    let date = text::parse_date(text).ok_or(AccountError::BirthDateMalformed)?;
    let latest = now
        .saturating_add(SignedDuration::from_hours(14))
        .unwrap_or(now)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    if date > latest || date.year() < 1870 {
        return Err(AccountError::BirthDateImpossible);
    }
    Ok(date)
}

/// A telephone number as people write it, kept as given: 3 to 20 digits, with
/// spaces and `+-().,/x#*` among them.
///
/// # Errors
/// [`AccountError::Phone`].
pub fn parse_phone(text: &str) -> Result<String, AccountError> {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = |c: char| c.is_ascii_digit() || " +-().,/x#*".contains(c);
    if text.len() > 40 || !(3..=20).contains(&digits) || !text.chars().all(plain) {
        return Err(AccountError::Phone);
    }
    Ok(text.to_owned())
}

/// Why an account, or something said of it, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AccountError {
    /// No such account, or none that the caller may know of.
    #[error("no such account")]
    Unknown,
    /// The account is switched off.
    #[error("this account is disabled")]
    Disabled,
    /// Registration is closed, or needs an invitation.
    #[error("registration is not open")]
    RegistrationClosed,
    /// Not an e-mail address.
    #[error("not an e-mail address")]
    EmailMalformed,
    /// The token of a verification mail is unknown or past its time.
    #[error("this link is no longer good")]
    TokenUnknown,
    /// The name is refused.
    #[error("name: {0}")]
    Name(TextError),
    /// The type of a provider is refused.
    #[error("type: {0}")]
    ProviderType(TextError),
    /// The licence number is refused.
    #[error("licence number: {0}")]
    LicenseNumber(TextError),
    /// The licence's country is refused.
    #[error("licence country: {0}")]
    LicenseCountry(TextError),
    /// The organisation is refused.
    #[error("organisation: {0}")]
    Organization(TextError),
    /// Not a date.
    #[error("a date of birth is written YYYY-MM-DD")]
    BirthDateMalformed,
    /// A date on which nobody alive was born.
    #[error("not a date of birth")]
    BirthDateImpossible,
    /// Not a telephone number.
    #[error("not a telephone number")]
    Phone,
    /// The recovery code belongs to nobody.
    #[error("e-mail address or recovery code is wrong")]
    RecoveryRefused,
}

impl AccountError {
    /// Every variant, for the list of codes.
    pub const ALL: [Self; 14] = [
        Self::Unknown,
        Self::Disabled,
        Self::RegistrationClosed,
        Self::EmailMalformed,
        Self::TokenUnknown,
        Self::Name(TextError::Empty),
        Self::ProviderType(TextError::Empty),
        Self::LicenseNumber(TextError::Empty),
        Self::LicenseCountry(TextError::Empty),
        Self::Organization(TextError::Empty),
        Self::BirthDateMalformed,
        Self::BirthDateImpossible,
        Self::Phone,
        Self::RecoveryRefused,
    ];

    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "account.unknown",
            Self::Disabled => "account.disabled",
            Self::RegistrationClosed => "account.registration_closed",
            Self::EmailMalformed => "account.email",
            Self::TokenUnknown => "account.token_unknown",
            Self::Name(_) => "account.name",
            Self::ProviderType(_) => "provider.type",
            Self::LicenseNumber(_) => "provider.license_number",
            Self::LicenseCountry(_) => "provider.license_country",
            Self::Organization(_) => "provider.organization",
            Self::BirthDateMalformed | Self::BirthDateImpossible => "account.birth_date",
            Self::Phone => "account.phone",
            Self::RecoveryRefused => "recovery.refused",
        }
    }

    /// The field of the request that it is about, if it is about one.
    pub const fn field(self) -> Option<&'static str> {
        Some(match self {
            Self::EmailMalformed => "email",
            Self::Name(_) => "name",
            Self::ProviderType(_) => "type",
            Self::LicenseNumber(_) => "license_number",
            Self::LicenseCountry(_) => "license_country",
            Self::Organization(_) => "organization",
            Self::BirthDateMalformed | Self::BirthDateImpossible => "date_of_birth",
            Self::Phone => "phone",
            Self::Unknown
            | Self::Disabled
            | Self::RegistrationClosed
            | Self::TokenUnknown
            | Self::RecoveryRefused => return None,
        })
    }
}

#[cfg(test)]
#[path = "accounts/tests.rs"]
mod tests;
