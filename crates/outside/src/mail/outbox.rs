//! Mail that nobody carries: kept in memory, for development and tests.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chartkey_domain::clock::Clock;
use chartkey_domain::doors::BoxFuture;
use chartkey_domain::mail::{MailError, MailMessage, MailReceipt, Mailer};
use jiff::Timestamp;

/// How many messages are kept; older ones are forgotten.
const CAPACITY: usize = 1_000;

/// The last 1,000 messages. Gone with the process.
pub struct Outbox {
    clock: Arc<dyn Clock>,
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    idempotency_key: String,
    message: OutboxMessage,
}

/// A message as `GET /dev/mail.json` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// The bare address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML.
    pub html: String,
    /// The dotted word of this kind of mail.
    pub kind: &'static str,
    /// When it was handed over.
    pub sent_at: Timestamp,
}

impl fmt::Debug for OutboxMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxMessage")
            .field("kind", &self.kind)
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// An empty outbox.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Mutex::default(),
        }
    }

    /// What was sent, newest first.
    pub fn list(&self) -> Vec<OutboxMessage> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|kept| kept.message.clone())
            .collect()
    }

    fn keep(&self, message: &MailMessage) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept
            .iter()
            .any(|kept| kept.idempotency_key == message.idempotency_key)
        {
            return;
        }
        kept.truncate(CAPACITY - 1);
        kept.push_front(Kept {
            idempotency_key: message.idempotency_key.clone(),
            message: OutboxMessage {
                to: message.to.address().to_owned(),
                subject: message.subject.clone(),
                text: message.text.as_str().to_owned(),
                html: message.html.as_str().to_owned(),
                kind: message.kind,
                sent_at: self.clock.now(),
            },
        });
    }
}

impl Mailer for Outbox {
    fn send<'a>(
        &'a self,
        message: &'a MailMessage,
    ) -> BoxFuture<'a, Result<MailReceipt, MailError>> {
        self.keep(message);
        Box::pin(std::future::ready(Ok(MailReceipt {
            message_id: message.idempotency_key.clone(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use chartkey_domain::clock::FixedClock;
    use chartkey_domain::mail::Mailbox;
    use jiff::SignedDuration;
    use zeroize::Zeroizing;

    use super::*;

    fn message(n: usize) -> MailMessage {
        MailMessage {
            to: Mailbox::new(Some("Ada"), "ada@example.org").unwrap(),
            reply_to: None,
            subject: format!("subject {n}"),
            html: Zeroizing::new("<p>hello</p>".into()),
            text: Zeroizing::new("hello".into()),
            kind: "test.mail",
            idempotency_key: format!("test/{n}"),
        }
    }

    #[tokio::test]
    async fn mail_is_listed_newest_first() {
        let clock = FixedClock::new(Timestamp::UNIX_EPOCH);
        let outbox = Outbox::new(Arc::new(clock.clone()));
        outbox.send(&message(1)).await.unwrap();
        clock.advance(SignedDuration::from_secs(1));
        outbox.send(&message(2)).await.unwrap();
        let listed = outbox.list();
        assert_eq!(listed[0].subject, "subject 2");
        assert_eq!(listed[0].to, "ada@example.org");
        assert_eq!(listed[0].sent_at.as_second(), 1);
        assert_eq!(listed[1].subject, "subject 1");
    }

    #[tokio::test]
    async fn one_key_is_one_mail() {
        let outbox = Outbox::new(Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH)));
        outbox.send(&message(1)).await.unwrap();
        outbox.send(&message(1)).await.unwrap();
        assert_eq!(outbox.list().len(), 1);
    }

    #[tokio::test]
    async fn the_oldest_are_forgotten() {
        let outbox = Outbox::new(Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH)));
        for n in 0..CAPACITY + 5 {
            outbox.send(&message(n)).await.unwrap();
        }
        let listed = outbox.list();
        assert_eq!(listed.len(), CAPACITY);
        assert_eq!(listed[CAPACITY - 1].subject, "subject 5");
    }
}
