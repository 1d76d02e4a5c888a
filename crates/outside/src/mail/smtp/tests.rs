use std::sync::Mutex;

use chartkey_domain::clock::FixedClock;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use super::*;

/// What a sink saw: the commands, and the message between DATA and the dot.
#[derive(Default)]
struct Seen {
    commands: Vec<String>,
    data: String,
}

/// An SMTP server that answers `replies[command]` where there is one and agrees
/// otherwise. A reply `hang` is none; `close` ends the connection.
async fn sink(replies: &'static [(&'static str, &'static str)]) -> (u16, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            writer.write_all(b"220 sink ESMTP\r\n").await.unwrap();
            let mut in_data = false;
            while let Ok(Some(line)) = lines.next_line().await {
                let (verb, default) = if in_data {
                    if line != "." {
                        shared.lock().unwrap().data.push_str(&(line + "\n"));
                        continue;
                    }
                    in_data = false;
                    (".".to_owned(), "250 taken")
                } else {
                    shared.lock().unwrap().commands.push(line.clone());
                    let verb = line.split([' ', ':']).next().unwrap().to_uppercase();
                    let default = match verb.as_str() {
                        "EHLO" => {
                            "250-sink\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 SMTPUTF8"
                        }
                        "DATA" => "354 go on",
                        "AUTH" => "235 welcome",
                        "QUIT" => "221 bye",
                        _ => "250 ok",
                    };
                    (verb, default)
                };
                let reply = replies
                    .iter()
                    .find(|(command, _)| *command == verb)
                    .map_or(default, |(_, reply)| reply);
                match reply {
                    "hang" => continue,
                    "close" => break,
                    _ => {}
                }
                in_data = verb == "DATA" && reply.starts_with("354");
                if writer
                    .write_all(format!("{reply}\r\n").as_bytes())
                    .await
                    .is_err()
                {
                    break;
                }
            }
        }
    });
    (port, seen)
}

fn mailer(url: &str) -> SmtpMailer {
    mailer_with(url, TIMEOUT)
}

fn mailer_with(url: &str, timeout: Duration) -> SmtpMailer {
    let clock = FixedClock::new("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap());
    let from = Mailbox::parse("Chartkey <no-reply@example.org>").unwrap();
    SmtpMailer::with_timeout(&from, url, Arc::new(clock), timeout).unwrap()
}

fn message() -> MailMessage {
    MailMessage {
        to: Mailbox::new(Some("Ada Lovelace"), "ada@example.org").unwrap(),
        reply_to: None,
        subject: "Grüße".into(),
        html: Zeroizing::new("<p>hello</p>".into()),
        text: Zeroizing::new("hello\n.\nQUIT\n".into()),
        kind: "share.notice",
        idempotency_key: "share-notice/7f3c".into(),
    }
}

#[tokio::test]
async fn a_message_arrives_as_text_and_html() {
    let (port, seen) = sink(&[]).await;
    let receipt = mailer(&format!("smtp://127.0.0.1:{port}"))
        .send(&message())
        .await
        .unwrap();
    assert_eq!(receipt.message_id, "<share-notice.7f3c@example.org>");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.commands[0], "EHLO example.org");
    assert!(seen.commands[1].starts_with("MAIL FROM:<no-reply@example.org>"));
    assert_eq!(seen.commands[2], "RCPT TO:<ada@example.org>");
    for line in [
        "From: Chartkey <no-reply@example.org>",
        "To: \"Ada Lovelace\" <ada@example.org>",
        "Date: Sun, 01 Mar 2026 12:00:00 +0000",
        "Message-ID: <share-notice.7f3c@example.org>",
        "Auto-Submitted: auto-generated",
        "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
    ] {
        assert!(
            seen.data.contains(line),
            "{line} is missing:\n{}",
            seen.data
        );
    }
    let text = seen.data.find("Content-Type: text/plain").unwrap();
    let html = seen.data.find("Content-Type: text/html").unwrap();
    assert!(text < html, "the richest alternative comes last");
    // A dot alone on a line is stuffed, and so ends nothing.
    assert!(seen.data.contains("\n..\nQUIT\n") || seen.data.contains("hello=0A"));
}

#[tokio::test]
async fn names_and_subjects_cannot_add_headers() {
    let (port, seen) = sink(&[]).await;
    let mut message = message();
    message.to = Mailbox::new(
        Some("Ada\r\nBcc: eve@example.org\r\n\r\nbody"),
        "ada@example.org",
    )
    .unwrap();
    message.reply_to = Some(Mailbox::new(Some("R\nX-Evil: 1"), "reply@example.org").unwrap());
    message.subject = "Hello\r\nBcc: eve@example.org\r\n\r\nbody".into();
    mailer(&format!("smtp://127.0.0.1:{port}"))
        .send(&message)
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    let (head, _) = seen.data.split_once("\n\n").unwrap();
    for line in head.lines() {
        let name = line.split(':').next().unwrap();
        assert!(
            line.starts_with([' ', '\t'])
                || [
                    "From",
                    "To",
                    "Reply-To",
                    "Subject",
                    "Date",
                    "Message-ID",
                    "Auto-Submitted",
                    "MIME-Version",
                    "Content-Type",
                ]
                .contains(&name),
            "{line}"
        );
    }
    let recipients = seen.commands.iter().filter(|line| line.starts_with("RCPT"));
    assert_eq!(recipients.count(), 1);
}

#[tokio::test]
async fn internationalised_domains_go_out_in_ascii() {
    let (port, seen) = sink(&[]).await;
    let mut message = message();
    message.to = Mailbox::new(None, "ada@bücher.example").unwrap();
    mailer(&format!("smtp://127.0.0.1:{port}"))
        .send(&message)
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen.commands[2].contains("<ada@xn--bcher-kva.example>"),
        "{:?}",
        seen.commands
    );
}

#[tokio::test]
async fn credentials_of_the_url_log_in() {
    let (port, seen) = sink(&[]).await;
    mailer(&format!("smtp://us%40er:p%3Ass@localhost:{port}"))
        .send(&message())
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    // base64 of "\0us@er\0p:ss"
    assert!(
        seen.commands
            .contains(&"AUTH PLAIN AHVzQGVyAHA6c3M=".to_owned()),
        "{:?}",
        seen.commands
    );
}

#[tokio::test]
async fn every_refusal_is_judged() {
    let check = async |replies, code: &str, retryable: bool, operator: bool| {
        let (port, _) = sink(replies).await;
        let error = mailer(&format!("smtp://user:pass@127.0.0.1:{port}"))
            .send(&message())
            .await
            .unwrap_err();
        assert_eq!(
            (error.code(), error.is_retryable(), error.needs_operator()),
            (code, retryable, operator),
            "{replies:?}"
        );
    };
    check(&[("AUTH", "535 wrong")], "mail.refused", false, true).await;
    check(&[("AUTH", "454 later")], "mail.unavailable", true, false).await;
    check(&[("MAIL", "451 later")], "mail.busy", true, false).await;
    check(&[("RCPT", "450 greylisted")], "mail.busy", true, false).await;
    check(
        &[("RCPT", "550 no such user")],
        "mail.recipient",
        false,
        false,
    )
    .await;
    check(&[("DATA", "421 going down")], "mail.busy", true, false).await;
    check(
        &[(".", "554 looks like spam")],
        "mail.rejected",
        false,
        false,
    )
    .await;
    check(&[(".", "552 too big")], "mail.rejected", false, false).await;
    check(&[(".", "close")], "mail.unavailable", true, false).await;
    check(&[("EHLO", "nonsense")], "mail.unavailable", true, false).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_a_timeout() {
    let (port, _) = sink(&[(".", "hang")]).await;
    let url = format!("smtp://127.0.0.1:{port}");
    let error = mailer_with(&url, Duration::from_millis(300))
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("mail.timeout", true));
}

#[tokio::test]
async fn nobody_there_is_worth_a_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = mailer(&format!("smtp://127.0.0.1:{port}"))
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.is_retryable()),
        ("mail.unreachable", true)
    );
}

#[tokio::test]
async fn without_starttls_no_mail_leaves() {
    let (port, seen) = sink(&[]).await;
    let error = mailer(&format!("smtp://127.0.0.1:{port}?tls=required"))
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.needs_operator()),
        ("mail.refused", true)
    );
    assert_eq!(seen.lock().unwrap().data, "");
    assert!(
        !seen
            .lock()
            .unwrap()
            .commands
            .iter()
            .any(|line| line.starts_with("MAIL"))
    );
}

#[test]
fn the_url_decides_how_the_connection_is_protected() {
    let check = |url: &str, local: bool, expected: Option<Protection>| {
        let found = protection(&Url::parse(url).unwrap(), local).ok();
        assert!(found == expected, "{url}");
    };
    check("smtp://mail.example.org", false, Some(Protection::StartTls));
    check("smtp://localhost", true, Some(Protection::None));
    check("smtps://mail.example.org", false, Some(Protection::Tls));
    check(
        "smtp://mailpit:1025?tls=none",
        false,
        Some(Protection::None),
    );
    check(
        "smtp://m?tls=opportunistic",
        false,
        Some(Protection::Opportunistic),
    );
    check("smtps://m?tls=none", false, None);
    check("smtp://m?tls=no", false, None);
    check("smtp://m?tsl=none", false, None);
}
