//! Where what a letter is about meets the words of `outside`.

use chartkey_domain::accounts::Verification;
use chartkey_domain::mail::{MailMessage, Mailbox};
use chartkey_outside::mail::templates::{self, Audience, MailText, ShareNotice, WebUrl};
use chartkey_service::letters::{Content, LetterPress, ShareWords};

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

    fn text(&self, content: &Content, secret: Option<&str>) -> Option<MailText> {
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
            Content::KeysChanged { at } => templates::keys_changed(*at, &self.url("/settings")?),
            Content::ProviderVerified { outcome } => templates::provider_verification(
                outcome == Verification::Verified.as_str(),
                &self.url("/")?,
            ),
            Content::ShareLink { .. } | Content::ShareNotice { .. } => {
                share_notice(&ShareWords::from_json(secret?)?)?
            }
            Content::ShareAsked => templates::new_link_asked(&self.url("/sharing")?),
            Content::ShareNeedsSender => templates::send_again(&self.url("/sharing")?),
            Content::ShareOpened { at } => templates::share_opened(*at, &self.url("/sharing")?),
            Content::AccessEnded { at, has_account } => {
                let url = self.url("/sign-in").filter(|_| *has_account);
                templates::access_ended(*at, url.as_ref())
            }
            Content::AccessEndsSoon {
                giver,
                at,
                has_account,
            } => {
                let (audience, path) = match giver {
                    true => (Audience::Giver, "/sharing"),
                    false => (Audience::Holder, "/sign-in"),
                };
                let url = self.url(path).filter(|_| *has_account);
                templates::access_ends_soon(audience, *at, url.as_ref())
            }
            Content::RequestCreated => templates::access_requested(&self.url("/sharing")?),
            Content::Invitation {
                inviter,
                token,
                valid_until,
            } => {
                let path = match token {
                    Some(token) => format!("/claim#invitation={token}"),
                    None => "/sign-up".to_owned(),
                };
                templates::invitation(&templates::AccountInvitation {
                    inviter_name: inviter,
                    url: &self.url(&path)?,
                    valid_until: *valid_until,
                    has_chart: token.is_some(),
                })
            }
            Content::DocumentsAsked {
                asker,
                token,
                valid_until,
            } => templates::documents_asked(
                asker,
                &self.url(&format!("/requests/{token}"))?,
                *valid_until,
            ),
            Content::DocumentsCame => templates::documents_came(&self.url("/practice")?),
            Content::ChartEndsSoon { at } => {
                templates::chart_ends_soon(*at, &self.url("/practice")?)
            }
        })
    }
}

fn share_notice(words: &ShareWords) -> Option<MailText> {
    let labels: Vec<&str> = words.types.iter().map(String::as_str).collect();
    let url = match words.url.as_deref() {
        Some(url) => Some(WebUrl::new(url)?),
        None => None,
    };
    Some(templates::share_notice(&ShareNotice {
        recipient_name: &words.recipient_name,
        patient_name: &words.patient_name,
        type_labels: &labels,
        expires_at: words.expires_at,
        message: words.message.as_deref(),
        url: url.as_ref(),
        needs_passcode: words.needs_passcode,
        checkpoint: None,
    }))
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
