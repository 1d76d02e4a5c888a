//! The server's own key: what it protects, looks up and proves with.
//!
//! *Protected* is not *sealed*: this key lives in the server's configuration,
//! so names, addresses and contact details are safe from whoever steals the
//! database alone. Medical content never comes here. Every purpose has a key
//! of its own, and a protected column is bound to its place: table, column,
//! row.

use chartkey_crypto::{OpenError, Secret, SecretBytes, derive, encode, wrap};
use chartkey_domain::accounts::Email;
use chartkey_domain::ids::Id;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A protected column, named `table.column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(&'static str);

/// Every protected column that this crate writes.
pub mod columns {
    use super::Column;

    /// Addresses of accounts.
    pub const ACCOUNT_EMAIL: Column = Column("accounts.email_p");
    /// Names of accounts.
    pub const ACCOUNT_NAME: Column = Column("accounts.name_p");
    /// Free-text types of providers.
    pub const PROVIDER_TYPE: Column = Column("accounts.provider_type_p");
    /// Licence numbers.
    pub const LICENSE_NUMBER: Column = Column("accounts.license_number_p");
    /// Where providers work.
    pub const ORGANIZATION: Column = Column("accounts.organization_p");
    /// Why an admin decided as they did.
    pub const VERIFICATION_REASON: Column = Column("accounts.verification_reason_p");
    /// Preferences.
    pub const PREFERENCES: Column = Column("accounts.preferences_p");
    /// Names of patients.
    pub const PATIENT_NAME: Column = Column("patients.name_p");
    /// Days of birth.
    pub const PATIENT_BIRTH_DATE: Column = Column("patients.birth_date_p");
    /// Telephone numbers and the like.
    pub const PATIENT_CONTACT: Column = Column("patients.contact_p");
    /// Addresses that charts' patients are invited at.
    pub const CHART_EMAIL: Column = Column("charts.email_p");
    /// What a practice's platform calls a patient.
    pub const CHART_PLATFORM_ID: Column = Column("charts.platform_id_p");
    /// What a practice's platform calls a user.
    pub const USER_PLATFORM_ID: Column = Column("practice_users.platform_id_p");
    /// What clients call themselves.
    pub const SESSION_DEVICE: Column = Column("sessions.device_p");
    /// Where clients signed in from.
    pub const SESSION_IP: Column = Column("sessions.ip_p");
    /// What jobs are about.
    pub const JOB_PAYLOAD: Column = Column("jobs.payload_p");
    /// Keys that this program made for itself.
    pub const SETTING: Column = Column("settings.value");
}

impl Column {
    /// Names a protected column, `table.column`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// The server's key. Silent in `Debug`, wiped when dropped.
#[derive(Clone, Debug)]
pub struct Protect {
    root: Secret,
}

impl Protect {
    /// From `ENCRYPTION_KEY`, of whatever length.
    pub fn new(encryption_key: &str) -> Self {
        let text = encode::lp(&[b"chartkey/1/server-key", encryption_key.trim().as_bytes()]);
        let digest: [u8; 32] = Sha256::digest(SecretBytes::new(text).as_bytes()).into();
        let root = Secret::from_bytes(digest);
        Self { root }
    }

    /// Protects `plain` for its place.
    pub fn seal(
        &self,
        column: Column,
        row: Id,
        plain: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        wrap::wrap(&self.column_key(column), &place(column, row), plain, rng)
    }

    /// Opens what was protected for this place.
    pub fn open(
        &self,
        column: Column,
        row: Id,
        protected: &[u8],
    ) -> Result<SecretBytes, OpenError> {
        wrap::unwrap(&self.column_key(column), &place(column, row), protected)
    }

    /// Opens a protected text.
    pub fn open_text(
        &self,
        column: Column,
        row: Id,
        protected: &[u8],
    ) -> Result<Zeroizing<String>, OpenError> {
        String::from_utf8(self.open(column, row, protected)?.into_vec())
            .map(Zeroizing::new)
            .map_err(|_| OpenError)
    }

    /// [`Protect::open_text`] for a column that may be empty.
    pub fn open_optional(
        &self,
        column: Column,
        row: Id,
        protected: Option<&[u8]>,
    ) -> Result<Option<Zeroizing<String>>, OpenError> {
        protected
            .map(|protected| self.open_text(column, row, protected))
            .transpose()
    }

    fn column_key(&self, column: Column) -> Secret {
        derive(&self.root, "server/column", &[column.0.as_bytes()])
    }

    /// What an address is looked up by.
    pub fn email_hash(&self, email: &Email) -> [u8; 32] {
        *derive(&self.root, "server/email", &[email.normal().as_bytes()]).as_bytes()
    }

    /// The salt of an address's passwords: the same whether or not anybody has
    /// an account there.
    pub fn prelogin_salt(&self, email: &Email) -> [u8; 16] {
        let full = derive(&self.root, "server/salt", &[email.normal().as_bytes()]);
        let mut salt = [0; 16];
        for (to, from) in salt.iter_mut().zip(full.as_bytes()) {
            *to = *from;
        }
        salt
    }

    /// What is kept of a value that proves something: useless without this key.
    pub fn proof_hash(&self, purpose: &'static str, owner: Id, proof: &[u8]) -> [u8; 32] {
        *derive(
            &self.root,
            "server/proof",
            &[purpose.as_bytes(), owner.as_bytes(), proof],
        )
        .as_bytes()
    }

    /// What is kept of a token or a key of a limit, by purpose.
    pub fn lookup_hash(&self, purpose: &'static str, value: &[u8]) -> [u8; 32] {
        *derive(&self.root, "server/lookup", &[purpose.as_bytes(), value]).as_bytes()
    }

    /// The key of an assisted session's seed: needs the token and this key.
    pub fn session_key(&self, purpose: &'static str, session: Id, token: &Secret) -> Secret {
        let ours = derive(&self.root, "server/session", &[session.as_bytes()]);
        let theirs = derive(
            token,
            "session/seed",
            &[purpose.as_bytes(), session.as_bytes()],
        );
        derive(&theirs, "session/both", &[ours.as_bytes()])
    }
}

fn place(column: Column, row: Id) -> Vec<u8> {
    encode::lp(&[b"protected", column.0.as_bytes(), row.as_bytes()])
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    #[test]
    fn a_protected_value_opens_in_its_place_only() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let protect = Protect::new("b7d1f09c3a5e48d2967fe1c04ab8356d");
        let row = Id::from_bytes([1; 16]);
        let sealed = protect.seal(columns::ACCOUNT_NAME, row, b"Ada", &mut rng);
        let open = |protect: &Protect, column, row| protect.open_text(column, row, &sealed);
        assert_eq!(
            open(&protect, columns::ACCOUNT_NAME, row).unwrap().as_str(),
            "Ada"
        );
        assert!(open(&protect, columns::ACCOUNT_EMAIL, row).is_err());
        assert!(open(&protect, columns::ACCOUNT_NAME, Id::from_bytes([2; 16])).is_err());
        let other = Protect::new("b7d1f09c3a5e48d2967fe1c04ab8356e");
        assert!(open(&other, columns::ACCOUNT_NAME, row).is_err());
    }

    #[test]
    fn one_address_has_one_hash_and_one_salt_however_it_is_written() {
        let protect = Protect::new("b7d1f09c3a5e48d2967fe1c04ab8356d");
        let (a, b) = (email("Ada@Example.org"), email(" ada@example.ORG "));
        assert_eq!(protect.email_hash(&a), protect.email_hash(&b));
        assert_eq!(protect.prelogin_salt(&a), protect.prelogin_salt(&b));
        assert_ne!(
            protect.email_hash(&a),
            protect.email_hash(&email("eve@example.org"))
        );
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let long = "b7d1f09c3a5e48d2967fe1c04ab8356d-and-more-of-it-than-one-piece-holds";
        let (a, b) = (Protect::new(long), Protect::new(&format!("{long}!")));
        let address = email("ada@example.org");
        assert_ne!(a.email_hash(&address), b.email_hash(&address));
    }
}
