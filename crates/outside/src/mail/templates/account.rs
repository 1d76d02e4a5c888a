//! Mails about the reader's own account.

use chartkey_domain::mail::{MAX_NAME_CHARS, one_line};
use jiff::Timestamp;

use super::letter::{Block, Letter, Part};
use super::{MailText, WebUrl, moment};

/// Longest description of a device, in characters.
const MAX_DEVICE_CHARS: usize = 80;

const YOURS: &str = "You get this mail because this address belongs to a Chartkey account. \
                     We never ask for your password or recovery code by mail.";

fn say(words: &str) -> Block<'_> {
    Block::Paragraph(vec![Part::Plain(words)])
}

/// Asks a new account to confirm its address.
pub fn verify_email(url: &WebUrl, valid_until: Timestamp) -> MailText {
    Letter {
        kind: "account.verify",
        subject: "Confirm your e-mail address".to_owned(),
        preview: "One step, and you can share your record.".to_owned(),
        heading: "Confirm your e-mail address".to_owned(),
        blocks: vec![
            say(
                "Somebody, hopefully you, made a Chartkey account with this address. Confirm \
                 that it is yours; until then nothing can be shared from it.",
            ),
            Block::Button {
                label: "Confirm address",
                url,
            },
            Block::Facts(vec![("Works until", moment(valid_until))]),
        ],
        why: "If you made no account, ignore this mail: without confirmation the account is \
              removed by itself.",
    }
    .render()
}

/// Tells the holder of an address that somebody tried to register with it.
pub fn existing_account(sign_in_url: &WebUrl) -> MailText {
    Letter {
        kind: "account.exists",
        subject: "You already have a Chartkey account".to_owned(),
        preview: "Somebody tried to register with this address.".to_owned(),
        heading: "You already have an account".to_owned(),
        blocks: vec![
            say(
                "Somebody tried to make a new account with this address. It already has one, so \
                 nothing was changed.",
            ),
            say(
                "If that was you, sign in instead. If you forgot the password, your recovery code \
                 lets you set a new one without losing anything.",
            ),
            Block::Button {
                label: "Sign in",
                url: sign_in_url,
            },
        ],
        why: YOURS,
    }
    .render()
}

/// What an invitation says.
#[derive(Debug)]
pub struct AccountInvitation<'a> {
    /// Who invites: the practitioner or the practice. Never a patient.
    pub inviter_name: &'a str,
    /// Where to accept.
    pub url: &'a WebUrl,
    /// Until when.
    pub valid_until: Timestamp,
    /// Whether a record is waiting to be claimed.
    pub has_chart: bool,
}

/// Invites somebody to an account, and to claim the record kept for them.
pub fn invitation(invitation: &AccountInvitation<'_>) -> MailText {
    let inviter = Some(one_line(invitation.inviter_name, MAX_NAME_CHARS))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "Your practice".to_owned());
    let offer = if invitation.has_chart {
        " keeps a record for you in Chartkey and invites you to take it over. From then on it is \
          yours: you decide who may see it, and you see who did."
    } else {
        " invites you to Chartkey, where people keep and share their medical record."
    };
    Letter {
        kind: "account.invitation",
        subject: format!("{inviter} invites you to Chartkey"),
        preview: "Accept, and choose your own password.".to_owned(),
        heading: "You are invited".to_owned(),
        blocks: vec![
            Block::Paragraph(vec![Part::Name(inviter), Part::Plain(offer)]),
            Block::Button {
                label: "Accept the invitation",
                url: invitation.url,
            },
            Block::Facts(vec![("Works until", moment(invitation.valid_until))]),
        ],
        why: "If you do not know the sender, ignore this mail; nothing else happens.",
    }
    .render()
}

/// Warns a practitioner that a chart which nobody claimed is destroyed soon. Names
/// nobody.
pub fn chart_ends_soon(at: Timestamp, practice_url: &WebUrl) -> MailText {
    Letter {
        kind: "chart.ends_soon",
        subject: "A chart that nobody claimed ends soon".to_owned(),
        preview: "Send the invitation again, or hand over a claim sheet.".to_owned(),
        heading: "A chart ends soon".to_owned(),
        blocks: vec![
            Block::Paragraph(vec![Part::Plain(
                "One of the patients in your caseload has not claimed their chart. Charts are \
                 kept for their patients for 180 days; then they are destroyed. Invite the \
                 patient again, or hand over a claim sheet.",
            )]),
            Block::Button {
                label: "Open the caseload",
                url: practice_url,
            },
            Block::Facts(vec![("Destroyed on", moment(at))]),
        ],
        why: YOURS,
    }
    .render()
}

/// Tells that the account was entered from a device not seen before. `device` is
/// what the browser says of itself.
pub fn new_sign_in(device: &str, at: Timestamp, account_url: &WebUrl) -> MailText {
    let device = Some(one_line(device, MAX_DEVICE_CHARS))
        .filter(|device| !device.is_empty())
        .unwrap_or_else(|| "Unknown device".to_owned());
    Letter {
        kind: "account.sign_in",
        subject: "New sign-in to your account".to_owned(),
        preview: "If it was you, there is nothing to do.".to_owned(),
        heading: "New sign-in to your account".to_owned(),
        blocks: vec![
            say("Your account was just used from a device that we have not seen before."),
            Block::Facts(vec![("Device", device), ("Time", moment(at))]),
            say(
                "If it was you, there is nothing to do. If not, change your password now and end \
                 all other sessions.",
            ),
            Block::Button {
                label: "Check my sessions",
                url: account_url,
            },
        ],
        why: YOURS,
    }
    .render()
}

/// Tells that the password was changed.
pub fn password_changed(at: Timestamp, account_url: &WebUrl) -> MailText {
    Letter {
        kind: "account.password",
        subject: "Your password was changed".to_owned(),
        preview: "All other sessions have ended.".to_owned(),
        heading: "Your password was changed".to_owned(),
        blocks: vec![
            Block::Facts(vec![("Time", moment(at))]),
            say(
                "All other sessions have ended. If this was not you, use your recovery code to \
                 take the account back.",
            ),
            Block::Button {
                label: "Go to my account",
                url: account_url,
            },
        ],
        why: YOURS,
    }
    .render()
}

/// Tells that the recovery code was used, and so replaced.
pub fn recovery_used(at: Timestamp, account_url: &WebUrl) -> MailText {
    Letter {
        kind: "account.recovery",
        subject: "Your recovery code was used".to_owned(),
        preview: "A new password was set with it.".to_owned(),
        heading: "Your recovery code was used".to_owned(),
        blocks: vec![
            Block::Facts(vec![("Time", moment(at))]),
            say(
                "A new password was set with your recovery code, all other sessions have ended, \
                 and a new code was shown. The old code no longer works.",
            ),
            say(
                "If this was not you, somebody else has your code: contact the people who run \
                 your Chartkey at once.",
            ),
            Block::Button {
                label: "Go to my account",
                url: account_url,
            },
        ],
        why: YOURS,
    }
    .render()
}

/// Tells that the account has new keys.
pub fn keys_changed(at: Timestamp, account_url: &WebUrl) -> MailText {
    Letter {
        kind: "account.keys",
        subject: "The keys of your account were changed".to_owned(),
        preview: "All other sessions have ended.".to_owned(),
        heading: "The keys of your account were changed".to_owned(),
        blocks: vec![
            Block::Facts(vec![("Time", moment(at))]),
            say(
                "Everything that is yours was sealed to new keys, all other sessions have ended, \
                 and a new recovery code was shown. Links that you shared have ended: make them \
                 anew where they are still needed.",
            ),
            say("If this was not you, change your password now and end all other sessions."),
            Block::Button {
                label: "Go to my account",
                url: account_url,
            },
        ],
        why: YOURS,
    }
    .render()
}

/// Tells a provider whether an admin has verified them.
pub fn provider_verification(is_verified: bool, app_url: &WebUrl) -> MailText {
    let (subject, preview, words) = if is_verified {
        (
            "Your provider account is verified",
            "You can now use what is shared with you.",
            "Your licence was checked and your account is verified. Patients find you in the \
             directory, and you can use the access they give you.",
        )
    } else {
        (
            "Your provider account was not verified",
            "Sign in to see what is missing.",
            "Your licence could not be confirmed, so your account is not verified. Sign in to see \
             what is missing and to try again.",
        )
    };
    Letter {
        kind: "provider.verification",
        subject: subject.to_owned(),
        preview: preview.to_owned(),
        heading: subject.to_owned(),
        blocks: vec![
            say(words),
            Block::Button {
                label: "Sign in",
                url: app_url,
            },
        ],
        why: YOURS,
    }
    .render()
}
