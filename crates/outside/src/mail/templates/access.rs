//! Mails about access that was asked for, given, used or ended. They say that it
//! happened and where to look, and name nobody and nothing.

use chartkey_domain::mail::{MAX_NAME_CHARS, one_line};
use jiff::Timestamp;

use super::letter::{Block, Letter, Part};
use super::{MailText, WebUrl, moment};

const YOURS: &str = "You get this mail because this address belongs to a Chartkey account. \
                     You choose in your settings which of these mails you get.";
const HELD: &str = "You get this mail because access to a record was given to you at this address.";

fn say(words: &str) -> Block<'_> {
    Block::Paragraph(vec![Part::Plain(words)])
}

fn letter<'a>(
    kind: &'static str,
    subject: &str,
    preview: &str,
    blocks: Vec<Block<'a>>,
    why: &'a str,
) -> MailText {
    Letter {
        kind,
        subject: subject.to_owned(),
        preview: preview.to_owned(),
        heading: subject.to_owned(),
        blocks,
        why,
    }
    .render()
}

/// Which side of a grant the reader is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Who gave it.
    Giver,
    /// Who holds it.
    Holder,
}

/// Somebody asks the reader for access.
pub fn access_requested(url: &WebUrl) -> MailText {
    letter(
        "access.request",
        "Somebody asks for access to your record",
        "Sign in to see who, and decide.",
        vec![
            say(
                "A provider asks to see part of your record. Sign in to see who asks, for what and \
                 why, and answer yes, no, or less. Until you answer they see nothing.",
            ),
            Block::Button {
                label: "See the request",
                url,
            },
        ],
        YOURS,
    )
}

/// Access that the reader held has ended before its time.
pub fn access_ended(at: Timestamp, url: Option<&WebUrl>) -> MailText {
    let mut blocks = vec![
        say(
            "Access to a record that was given to you has been withdrawn. It no longer opens. If \
             you still need it, ask the person who gave it.",
        ),
        Block::Facts(vec![("Ended", moment(at))]),
    ];
    if let Some(url) = url {
        blocks.push(Block::Button {
            label: "Sign in",
            url,
        });
    }
    letter(
        "access.ended",
        "An access of yours has ended",
        "It was withdrawn.",
        blocks,
        HELD,
    )
}

/// Access will end soon by itself.
pub fn access_ends_soon(audience: Audience, at: Timestamp, url: Option<&WebUrl>) -> MailText {
    let (subject, words, label, why) = match audience {
        Audience::Giver => (
            "An access you gave ends soon",
            "An access to your record that you gave ends soon. If it should go on, give it anew; \
             otherwise there is nothing to do.",
            "See my shares",
            YOURS,
        ),
        Audience::Holder => (
            "An access of yours ends soon",
            "Access to a record that was given to you ends soon. If you still need it, ask the \
             person who gave it.",
            "Sign in",
            HELD,
        ),
    };
    let mut blocks = vec![say(words), Block::Facts(vec![("Ends", moment(at))])];
    if let Some(url) = url {
        blocks.push(Block::Button { label, url });
    }
    letter(
        "access.ends_soon",
        subject,
        &format!("It ends on {}.", moment(at)),
        blocks,
        why,
    )
}

/// A link of the reader's was opened.
pub fn share_opened(at: Timestamp, url: &WebUrl) -> MailText {
    letter(
        "share.opened",
        "A link you shared was opened",
        "Sign in to see which.",
        vec![
            say(
                "Somebody opened a link you shared. Sign in to see which one and what was read. If \
                 you did not expect this, you can end the link there.",
            ),
            Block::Facts(vec![("Opened", moment(at))]),
            Block::Button {
                label: "See who looked",
                url,
            },
        ],
        YOURS,
    )
}

/// Somebody who has an ended link of the reader's asks for a new one.
pub fn new_link_asked(url: &WebUrl) -> MailText {
    letter(
        "share.ask",
        "Somebody asks you for a new link",
        "A link you shared no longer opens.",
        vec![
            say(
                "Somebody who has a link of yours that no longer opens asks for a new one. Sign in \
                 to see which link it was. If you do nothing, they get nothing.",
            ),
            Block::Button {
                label: "See the request",
                url,
            },
        ],
        YOURS,
    )
}

/// A share mail of the reader's could not be sent, and only they can send it
/// again: nobody else ever held the link's key.
pub fn send_again(url: &WebUrl) -> MailText {
    letter(
        "share.needs_sender",
        "Please send your share again",
        "We could not deliver the mail with your link.",
        vec![
            say(
                "The mail with a link you shared could not be sent in time. Because we never store \
                 the key of a link, only you can send it again. The link itself exists and works.",
            ),
            Block::Button {
                label: "Send it again",
                url,
            },
        ],
        YOURS,
    )
}

/// A practitioner asks the reader, who needs no account, for documents. Whose,
/// which and why stands behind the link.
pub fn documents_asked(asker: &str, url: &WebUrl, valid_until: Timestamp) -> MailText {
    let asker = Some(one_line(asker, MAX_NAME_CHARS))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "A practice".to_owned());
    Letter {
        kind: "document.request",
        subject: format!("{asker} asks you for documents"),
        preview: "Open the link to see about whom, and to send them.".to_owned(),
        heading: "Documents are asked for".to_owned(),
        blocks: vec![
            Block::Paragraph(vec![
                Part::Name(asker),
                Part::Plain(
                    " asks you for documents about a patient of yours. Whose and which they are \
                     stands behind the link, not in this mail. You can send them there without an \
                     account: they are encrypted as they arrive, and only the patient and whom they \
                     chose can read them.",
                ),
            ]),
            Block::Button {
                label: "See the request",
                url,
            },
            Block::Facts(vec![("Works until", moment(valid_until))]),
            say("Keep this mail to yourself: whoever has the link can see the request."),
        ],
        why: "If you do not know the sender, ignore this mail; nothing else happens.",
    }
    .render()
}

/// Something came of what the reader asked for.
pub fn documents_came(url: &WebUrl) -> MailText {
    letter(
        "document.receive",
        "Documents you asked for have come",
        "Sign in to see them.",
        vec![
            say(
                "Somebody answered a request for documents of yours. Sign in to read what came. \
                 The request stays open for more until you close it.",
            ),
            Block::Button {
                label: "See the documents",
                url,
            },
        ],
        YOURS,
    )
}
