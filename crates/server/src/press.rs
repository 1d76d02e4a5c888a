//! Where what a letter is about meets the words of `outside`.

use chartkey_domain::accounts::Verification;
use chartkey_domain::mail::{MailMessage, Mailbox};
use chartkey_outside::mail::templates::{self, MailText, WebUrl};
use chartkey_service::letters::{Content, LetterPress};

/// Prints letters whose links lead to one installation.
pub struct Press {
    app_url: String,
}

impl Press {
    /// Links lead to `app_url`, which has no trailing slash.
    pub fn new(app_url: &str) -> Self {
        Self {
            app_url: app_url.to_owned(),
        }
    }

    fn url(&self, path: &str) -> Option<WebUrl> {
        WebUrl::new(&format!("{}{path}", self.app_url))
    }

    fn text(&self, content: &Content, _secret: Option<&str>) -> Option<MailText> {
        Some(match content {
            Content::VerifyEmail { token, valid_until } => templates::verify_email(
                &self.url(&format!("/verify-email#token={token}"))?,
                *valid_until,
            ),
            Content::AccountExists => templates::existing_account(&self.url("/sign-in")?),
            Content::NewSession { device, at } => templates::new_sign_in(
                device.as_deref().unwrap_or_default(),
                *at,
                &self.url("/settings")?,
            ),
            Content::PasswordChanged { at } => {
                templates::password_changed(*at, &self.url("/settings")?)
            }
            Content::RecoveryUsed { at } => templates::recovery_used(*at, &self.url("/settings")?),
            Content::ProviderVerified { outcome } => templates::provider_verification(
                outcome == Verification::Verified.as_str(),
                &self.url("/")?,
            ),
        })
    }
}

impl LetterPress for Press {
    fn print(
        &self,
        content: &Content,
        secret: Option<&str>,
        to: Mailbox,
        idempotency_key: String,
    ) -> Option<MailMessage> {
        Some(self.text(content, secret)?.to(to, idempotency_key))
    }
}
