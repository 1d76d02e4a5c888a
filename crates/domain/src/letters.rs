//! The mails that Chartkey sends, by what they are about. Texts live where they
//! are written (`service`), the door in `mail`; here is what each may say.

/// A kind of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Letter {
    /// Verify your address.
    VerifyEmail,
    /// Somebody registered with your address; you have an account.
    AccountExists,
    /// You signed in from somewhere new.
    NewSession,
    /// Your password changed.
    PasswordChanged,
    /// Your recovery code was used.
    RecoveryUsed,
    /// Your keys changed.
    KeysChanged,
    /// A provider's verification was decided.
    ProviderVerified,
    /// Somebody granted you access.
    GrantCreated,
    /// Access that you had has ended.
    GrantEnded,
    /// Somebody asks you for access.
    RequestCreated,
    /// What you asked for was answered.
    RequestAnswered,
    /// A link, for its recipient.
    ShareLink,
    /// That there is a link, without it.
    ShareNotice,
    /// Somebody asks for a new link.
    ShareAsked,
    /// A link must be sent again, since its secret is gone from memory.
    ShareNeedsSender,
    /// A link of yours was opened.
    ShareOpened,
    /// Access that you gave, or have, ends soon.
    AccessEndsSoon,
    /// You are invited to an account, perhaps to take over a chart.
    Invitation,
    /// A chart that nobody claimed is destroyed soon.
    ChartEndsSoon,
    /// A practitioner asks the reader for documents.
    DocumentsAsked,
    /// What the reader asked for has come, or some of it.
    DocumentsCame,
}

impl Letter {
    /// Every kind.
    pub const ALL: [Self; 21] = [
        Self::VerifyEmail,
        Self::AccountExists,
        Self::NewSession,
        Self::PasswordChanged,
        Self::RecoveryUsed,
        Self::KeysChanged,
        Self::ProviderVerified,
        Self::GrantCreated,
        Self::GrantEnded,
        Self::RequestCreated,
        Self::RequestAnswered,
        Self::ShareLink,
        Self::ShareNotice,
        Self::ShareAsked,
        Self::ShareNeedsSender,
        Self::ShareOpened,
        Self::AccessEndsSoon,
        Self::Invitation,
        Self::ChartEndsSoon,
        Self::DocumentsAsked,
        Self::DocumentsCame,
    ];

    /// The word that a job row keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::AccountExists => "account_exists",
            Self::NewSession => "new_session",
            Self::PasswordChanged => "password_changed",
            Self::RecoveryUsed => "recovery_used",
            Self::KeysChanged => "keys_changed",
            Self::ProviderVerified => "provider_verified",
            Self::GrantCreated => "grant_created",
            Self::GrantEnded => "grant_ended",
            Self::RequestCreated => "request_created",
            Self::RequestAnswered => "request_answered",
            Self::ShareLink => "share_link",
            Self::ShareNotice => "share_notice",
            Self::ShareAsked => "share_asked",
            Self::ShareNeedsSender => "share_needs_sender",
            Self::ShareOpened => "share_opened",
            Self::AccessEndsSoon => "access_ends_soon",
            Self::Invitation => "invitation",
            Self::ChartEndsSoon => "chart_ends_soon",
            Self::DocumentsAsked => "documents_asked",
            Self::DocumentsCame => "documents_came",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }

    /// Whether it may name a patient and record types. Mail is read by others on
    /// its way; only whoever shares decides to say so, and sees the text before.
    pub const fn may_name_patient(self) -> bool {
        matches!(self, Self::ShareLink | Self::ShareNotice)
    }

    /// Whether it carries something that its job row must not: a link's key, or
    /// the patient's words. The process that took the request holds these until
    /// they are sent, [`SECRET_TTL_SECS`] at most.
    pub const fn carries_secret(self) -> bool {
        matches!(self, Self::ShareLink | Self::ShareNotice)
    }
}

/// How long a process holds what a mail must carry and its row must not, in seconds.
pub const SECRET_TTL_SECS: i64 = 15 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_their_letters() {
        for letter in Letter::ALL {
            assert_eq!(Letter::parse(letter.as_str()), Some(letter));
        }
    }

    #[test]
    fn only_the_mail_of_a_link_names_a_patient() {
        let naming: Vec<_> = Letter::ALL
            .into_iter()
            .filter(|letter| letter.may_name_patient())
            .collect();
        assert_eq!(naming, [Letter::ShareLink, Letter::ShareNotice]);
    }
}
