//! How often what may be tried: so that guessing is slow, mail is no nuisance,
//! and one caller can't spend everybody's time.
//!
//! Limits that stand before a password or a key are counted where they are
//! counted whether or not it was right, so that the count tells nothing.

/// What a limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Per {
    /// The network address: an IPv4 address, or the /64 of an IPv6 one.
    Address,
    /// The account, or for one that need not exist the e-mail address.
    Account,
    /// The link.
    Link,
    /// The patient.
    Patient,
    /// The source or destination.
    Connection,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $max:literal in $window:literal per $per:ident,)+) => {
        /// A thing that is limited.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Limit {
            $($(#[$doc])* $name,)+
        }

        impl Limit {
            /// Every limit.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The dotted word that names it in databases and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// How often, within its window.
            pub const fn max(self) -> u32 {
                match self { $(Self::$name => $max,)+ }
            }

            /// How long its window is, in seconds.
            pub const fn window_secs(self) -> u32 {
                match self { $(Self::$name => $window,)+ }
            }

            /// What it counts by.
            pub const fn per(self) -> Per {
                match self { $(Self::$name => Per::$per,)+ }
            }
        }
    };
}

limits! {
    /// Tries to sign in, on one account (NIST SP 800-63B-4 §3.2.2 allows 100 in all).
    LoginAccount = "session.create.account", 10 in 900 per Account,
    /// Tries to sign in, from one address: a practice or a school shares one.
    LoginAddress = "session.create.address", 300 in 900 per Address,
    /// Questions for the parameters of a password.
    Prelogin = "session.prelogin", 600 in 900 per Address,
    /// New accounts from one address.
    Register = "account.register", 1_000 in 3_600 per Address,
    /// New accounts on one e-mail address: each sends a mail there.
    RegisterEmail = "account.register.email", 5 in 86_400 per Account,
    /// Tokens of verification mails tried.
    Verify = "account.verify", 100 in 900 per Address,
    /// Verification mails sent again.
    VerifyMail = "account.verify.mail", 5 in 3_600 per Account,
    /// Recovery codes tried on one account.
    Recover = "recovery.use", 5 in 3_600 per Account,
    /// Recovery codes tried from one address.
    RecoverAddress = "recovery.use.address", 30 in 3_600 per Address,
    /// Changes of password, keys or recovery code, tried with the old one.
    PasswordChange = "password.change", 10 in 900 per Account,
    /// Charts claimed by one account: invitations and sheets tried.
    Claim = "claim.create", 10 in 3_600 per Account,
    /// Days of birth and sheets tried on one chart.
    ClaimChart = "claim.create.chart", 5 in 86_400 per Patient,
    /// Links opened from one address.
    ShareOpen = "share.read", 600 in 300 per Address,
    /// Wrong keys tried on one link.
    ShareKey = "share.refuse", 100 in 3_600 per Link,
    /// Passcodes tried on one link in a short time; beside it stands the lifetime
    /// count, `shares::PASSCODE_ATTEMPTS`.
    SharePasscode = "share.passcode", 5 in 60 per Link,
    /// Questions for a new link: each sends a mail.
    ShareAsk = "share.ask", 3 in 86_400 per Link,
    /// Links made by one patient: each may send a mail.
    ShareCreate = "share.create", 500 in 86_400 per Patient,
    /// Requests for access by one provider.
    RequestCreate = "request.create", 100 in 86_400 per Account,
    /// Requests for documents by one practitioner: each may send a mail.
    DocumentRequest = "document_request.create", 200 in 86_400 per Account,
    /// Links of requests for documents opened from one address.
    DocumentRequestOpen = "document_request.open", 300 in 300 per Address,
    /// Documents sent by one link: more than it takes, so that somebody who
    /// only tries is slow.
    DocumentReceive = "document_request.receive", 200 in 3_600 per Link,
    /// Charts imported by one practitioner, file by file.
    ChartImport = "chart.import", 30 in 3_600 per Account,
    /// Hints that something changed at a connection's other end.
    Webhook = "connection.hint", 60 in 60 per Connection,
    /// Files converted.
    RecordConvert = "record.convert", 60 in 3_600 per Account,
    /// Documents made of a whole record.
    RecordExport = "record.export", 30 in 3_600 per Account,
    /// Everything of one account together.
    Requests = "account.requests", 6_000 in 60 per Account,
}

impl Limit {
    /// The number of the window in which `at_ms` (Unix milliseconds) lies.
    pub const fn window(self, at_ms: i64) -> i64 {
        at_ms
            .div_euclid(1_000)
            .div_euclid(self.window_secs() as i64)
    }

    /// Seconds from `at_ms` until the next window, for `Retry-After`: at least one.
    pub const fn retry_after_secs(self, at_ms: i64) -> i64 {
        let secs = self.window_secs() as i64;
        secs - at_ms.div_euclid(1_000).rem_euclid(secs)
    }
}

/// A limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too often; try again later")]
pub struct Limited {
    /// Which.
    pub limit: Limit,
    /// When to try again, in seconds from now.
    pub retry_after_secs: i64,
}

impl Limited {
    /// The stable word for error bodies.
    pub const fn code(self) -> &'static str {
        "request.limited"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_when_the_next_begins() {
        let limit = Limit::LoginAccount;
        for at_ms in [0, 1, 899_999, 900_000, 1_763_772_000_123, -1] {
            let wait_ms = limit.retry_after_secs(at_ms) * 1_000;
            assert!((1_000..=900_000).contains(&wait_ms), "{at_ms}");
            assert_eq!(limit.window(at_ms + wait_ms), limit.window(at_ms) + 1);
            assert_eq!(limit.window(at_ms + wait_ms - 1_000), limit.window(at_ms));
        }
    }

    #[test]
    fn guessing_a_password_or_recovery_code_is_slow() {
        for limit in [Limit::LoginAccount, Limit::Recover, Limit::PasswordChange] {
            let per_day = u64::from(limit.max()) * 86_400 / u64::from(limit.window_secs());
            assert!(per_day <= 1_000, "{}", limit.as_str());
            assert_eq!(limit.per(), Per::Account);
        }
    }

    #[test]
    fn words_differ() {
        let mut words: Vec<_> = Limit::ALL.iter().map(|limit| limit.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Limit::ALL.len());
    }
}
