//! The share notice: the only mail that names a patient and record types.

use chartkey_domain::mail::{MAX_NAME_CHARS, one_line};
use jiff::Timestamp;

use super::letter::{Block, Letter, Part, lines};
use super::{MailText, WebUrl, moment};

/// Longest message of a patient, in characters.
const MAX_MESSAGE_CHARS: usize = 2_000;
/// Longest checkpoint, in characters.
const MAX_CHECKPOINT_CHARS: usize = 2_000;
/// More types than this are counted, not named.
const MAX_TYPES: usize = 40;

/// What a share notice says.
#[derive(Debug)]
pub struct ShareNotice<'a> {
    /// Who gets it, as the patient wrote the name.
    pub recipient_name: &'a str,
    /// Who shares.
    pub patient_name: &'a str,
    /// Labels of the shared record types, e.g. `Lab results`. Never a sensitive
    /// kind.
    pub type_labels: &'a [&'a str],
    /// When the link ends.
    pub expires_at: Timestamp,
    /// What the patient wrote to the recipient.
    pub message: Option<&'a str>,
    /// The link with its key. Without it this is the notice alone: the patient
    /// hands the link over in another way.
    pub url: Option<&'a WebUrl>,
    /// Whether the recipient will be asked for a passcode.
    pub needs_passcode: bool,
    /// The trail's newest checkpoint, so that a copy of it exists elsewhere.
    pub checkpoint: Option<&'a str>,
}

/// Somebody shared records with the reader.
pub fn share_notice(notice: &ShareNotice<'_>) -> MailText {
    let name = |name: &str| Some(one_line(name, MAX_NAME_CHARS)).filter(|name| !name.is_empty());
    let patient = name(notice.patient_name).unwrap_or_else(|| "Somebody".to_owned());
    let mut greeting = vec![Part::Plain("Hello")];
    if let Some(recipient) = name(notice.recipient_name) {
        greeting.extend([Part::Plain(" "), Part::Name(recipient)]);
    }
    greeting.push(Part::Plain(","));
    let mut blocks = vec![
        Block::Paragraph(greeting),
        Block::Paragraph(vec![
            Part::Name(patient.clone()),
            Part::Plain(" has shared part of a medical record with you."),
        ]),
    ];
    if let Some(message) = notice.message {
        let text = lines(message, MAX_MESSAGE_CHARS);
        if !text.is_empty() {
            blocks.push(Block::Quote {
                by: patient.clone(),
                text,
            });
        }
    }
    blocks.push(Block::Facts(vec![
        ("What is shared", types(notice.type_labels)),
        ("Open until", moment(notice.expires_at)),
    ]));
    if let Some(url) = notice.url {
        blocks.push(Block::Button {
            label: "Open the shared record",
            url,
        });
        blocks.push(Block::Note(
            "This link is the key. Whoever has it can open what is shared, so please \
             do not forward this mail. You need no account.",
        ));
    } else {
        blocks.push(Block::Note(
            "For safety the link is not in this mail. You get it from the sender directly.",
        ));
    }
    if notice.needs_passcode {
        blocks.push(Block::Note(
            "You will be asked for a passcode. The sender tells it to you; it is not in any mail.",
        ));
    }
    if let Some(checkpoint) = notice.checkpoint {
        blocks.push(Block::Verbatim {
            label: "For auditors: the state of the audit trail when this was sent",
            text: lines(checkpoint, MAX_CHECKPOINT_CHARS).to_string(),
        });
    }
    Letter {
        kind: "share.notice",
        subject: format!("{patient} shared medical records with you"),
        preview: format!("Open until {}.", moment(notice.expires_at)),
        heading: "Records shared with you".to_owned(),
        blocks,
        why: "You get this mail because somebody entered your address to share records. \
              If you do not know the sender, delete it; nothing else happens. Every opening is \
              logged, and the sender sees it.",
    }
    .render()
}

fn types(labels: &[&str]) -> String {
    let mut named: Vec<String> = labels
        .iter()
        .take(MAX_TYPES)
        .map(|label| one_line(label, MAX_NAME_CHARS))
        .collect();
    let more = labels.len().saturating_sub(MAX_TYPES);
    if more > 0 {
        named.push(format!("{more} more"));
    }
    if named.is_empty() {
        named.push("Chosen records".to_owned());
    }
    named.join(", ")
}
