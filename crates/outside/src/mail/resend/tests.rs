use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What the fake server does with the next request instead of its work.
enum Next {
    Answer(u16, &'static str, &'static str),
    /// Takes the message and never answers.
    SwallowAnswer,
    /// Takes the message and closes the connection.
    CloseAfterAccept,
}

/// A Resend that remembers keys and bodies, as the real one does for a day.
#[derive(Default)]
struct Fake {
    next: Mutex<VecDeque<Next>>,
    by_key: Mutex<HashMap<String, (Vec<u8>, String)>>,
    mails: Mutex<Vec<Value>>,
    requests: Mutex<Vec<String>>,
}

impl Fake {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let fake = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::clone(&fake);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&server), stream));
            }
        });
        (fake, address)
    }

    fn push(&self, next: Next) {
        self.next.lock().unwrap().push_back(next);
    }

    /// Status, `name` of the error or id of the mail.
    fn accept(&self, head: &str, body: &[u8]) -> (u16, String) {
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (found, value) = line.split_once(": ")?;
                found.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        if header("user-agent").is_none() {
            return (403, "1010".into());
        }
        match header("authorization").as_deref() {
            None => return (401, "missing_api_key".into()),
            Some("Bearer re_test") => {}
            Some(_) => return (403, "invalid_api_key".into()),
        }
        let mail: Value = serde_json::from_slice(body).unwrap();
        for field in ["from", "to", "subject", "html", "text"] {
            if mail.get(field).is_none() {
                return (422, "missing_required_field".into());
            }
        }
        let key = header("idempotency-key").unwrap();
        let mut by_key = self.by_key.lock().unwrap();
        if let Some((known, id)) = by_key.get(&key) {
            return if known == body {
                (200, id.clone())
            } else {
                (409, "invalid_idempotent_request".into())
            };
        }
        let mut mails = self.mails.lock().unwrap();
        mails.push(mail);
        let id = format!("id-{}", mails.len());
        by_key.insert(key, (body.to_vec(), id.clone()));
        (200, id)
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut seen = Vec::new();
    loop {
        let end = seen.windows(4).position(|end| end == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(seen[..end].to_vec()).unwrap();
            let len: usize = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap();
            if seen.len() >= end + 4 + len {
                return Some((head, seen[end + 4..end + 4 + len].to_vec()));
            }
        }
        let mut buffer = [0; 4096];
        let len = stream.read(&mut buffer).await.unwrap();
        if len == 0 {
            return None;
        }
        seen.extend_from_slice(&buffer[..len]);
    }
}

async fn serve(fake: Arc<Fake>, mut stream: TcpStream) {
    let Some((head, body)) = read_request(&mut stream).await else {
        return;
    };
    fake.requests.lock().unwrap().push(head.clone());
    let next = fake.next.lock().unwrap().pop_front();
    let (status, extra, body) = match next {
        Some(Next::Answer(status, extra, body)) => (status, extra, body.to_owned()),
        Some(Next::SwallowAnswer) => {
            fake.accept(&head, &body);
            // Held open until the client gives up.
            let _ = stream.read(&mut [0; 1]).await;
            return;
        }
        Some(Next::CloseAfterAccept) => {
            fake.accept(&head, &body);
            return;
        }
        None => {
            let (status, word) = fake.accept(&head, &body);
            let body = if status == 200 {
                json!({ "id": word })
            } else {
                json!({ "statusCode": status, "name": word, "message": "no" })
            };
            (status, "", body.to_string())
        }
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn mailer(address: SocketAddr) -> ResendMailer {
    mailer_with(address, "re_test", Duration::from_secs(10))
}

fn mailer_with(address: SocketAddr, key: &str, timeout: Duration) -> ResendMailer {
    let from = Mailbox::parse("Chartkey \"Mail\" <no-reply@exämple.org>").unwrap();
    let key = Zeroizing::new(key.to_owned());
    ResendMailer::with_timeout(&from, key, &format!("http://{address}/"), timeout).unwrap()
}

fn message() -> MailMessage {
    MailMessage {
        to: Mailbox::new(Some("Ada"), "ada@example.org").unwrap(),
        reply_to: Some(Mailbox::new(Some("Eve, \"X\""), "eve@example.org").unwrap()),
        subject: "Hello".into(),
        html: Zeroizing::new("<p>hello</p>".into()),
        text: Zeroizing::new("hello".into()),
        kind: "share.notice",
        idempotency_key: "share-notice/7f3c".into(),
    }
}

#[tokio::test]
async fn a_message_is_one_documented_call() {
    let (fake, address) = Fake::start().await;
    let receipt = mailer(address).send(&message()).await.unwrap();
    assert_eq!(receipt.message_id, "id-1");
    let head = fake.requests.lock().unwrap()[0].to_lowercase();
    assert!(head.starts_with("post /emails http/1.1"), "{head}");
    assert!(head.contains("idempotency-key: share-notice/7f3c"));
    assert!(head.contains("content-type: application/json"));
    assert_eq!(
        fake.mails.lock().unwrap()[0],
        json!({
            "from": "\"Chartkey \\\"Mail\" <no-reply@xn--exmple-cua.org>",
            "to": ["ada@example.org"],
            "reply_to": "\"Eve, \\\"X\\\"\" <eve@example.org>",
            "subject": "Hello",
            "html": "<p>hello</p>",
            "text": "hello",
            "headers": {"Auto-Submitted": "auto-generated"},
            "tags": [{"name": "kind", "value": "share_notice"}],
        })
    );
}

#[tokio::test]
async fn a_lost_answer_and_a_retry_make_one_mail() {
    let (fake, address) = Fake::start().await;
    let mailer = mailer_with(address, "re_test", Duration::from_millis(300));
    fake.push(Next::SwallowAnswer);
    fake.push(Next::CloseAfterAccept);
    let timeout = mailer.send(&message()).await.unwrap_err();
    assert_eq!(
        (timeout.code(), timeout.is_retryable()),
        ("mail.timeout", true)
    );
    let closed = mailer.send(&message()).await.unwrap_err();
    assert!(closed.is_retryable(), "{closed:?}");
    assert_eq!(mailer.send(&message()).await.unwrap().message_id, "id-1");
    assert_eq!(fake.mails.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused_for_good() {
    let (fake, address) = Fake::start().await;
    let mailer = mailer(address);
    mailer.send(&message()).await.unwrap();
    let mut other = message();
    other.subject = "Other".into();
    let error = mailer.send(&other).await.unwrap_err();
    assert_eq!(
        (error.code(), error.is_retryable()),
        ("mail.key_reused", false)
    );
    assert_eq!(fake.mails.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn every_documented_error_is_judged() {
    let (fake, address) = Fake::start().await;
    let mailer = mailer(address);
    // status, extra headers, name; then code, retryable, operator, wait
    for (status, extra, name, code, retryable, operator, wait) in [
        (
            400,
            "",
            "invalid_idempotency_key",
            "mail.rejected",
            false,
            false,
            None,
        ),
        (
            400,
            "",
            "validation_error",
            "mail.rejected",
            false,
            false,
            None,
        ),
        (
            401,
            "",
            "missing_api_key",
            "mail.refused",
            false,
            true,
            None,
        ),
        (
            401,
            "",
            "restricted_api_key",
            "mail.refused",
            false,
            true,
            None,
        ),
        (
            403,
            "",
            "invalid_api_key",
            "mail.refused",
            false,
            true,
            None,
        ),
        (
            403,
            "",
            "validation_error",
            "mail.refused",
            false,
            true,
            None,
        ),
        (
            403,
            "",
            "suspended_api_key",
            "mail.refused",
            false,
            true,
            None,
        ),
        (404, "", "not_found", "mail.refused", false, true, None),
        (
            405,
            "",
            "method_not_allowed",
            "mail.refused",
            false,
            true,
            None,
        ),
        (
            409,
            "",
            "invalid_idempotent_request",
            "mail.key_reused",
            false,
            false,
            None,
        ),
        (
            409,
            "",
            "concurrent_idempotent_requests",
            "mail.busy",
            true,
            false,
            None,
        ),
        (409, "", "resource_locked", "mail.busy", true, false, None),
        (
            413,
            "",
            "too_big_or_so",
            "mail.rejected",
            false,
            false,
            None,
        ),
        (
            422,
            "",
            "missing_required_field",
            "mail.rejected",
            false,
            false,
            None,
        ),
        (
            422,
            "",
            "invalid_from_address",
            "mail.refused",
            false,
            true,
            None,
        ),
        (
            429,
            "retry-after: 7\r\n",
            "rate_limit_exceeded",
            "mail.busy",
            true,
            false,
            Some(7),
        ),
        (
            429,
            "ratelimit-reset: 3\r\n",
            "rate_limit_exceeded",
            "mail.busy",
            true,
            false,
            Some(3),
        ),
        (
            429,
            "retry-after: 99999999\r\n",
            "rate_limit_exceeded",
            "mail.busy",
            true,
            false,
            Some(86_400),
        ),
        (
            429,
            "retry-after: soon\r\n",
            "rate_limit_exceeded",
            "mail.busy",
            true,
            false,
            None,
        ),
        (
            429,
            "",
            "daily_quota_exceeded",
            "mail.quota",
            true,
            true,
            None,
        ),
        (
            429,
            "",
            "monthly_quota_exceeded",
            "mail.quota",
            true,
            true,
            None,
        ),
        (
            500,
            "",
            "application_error",
            "mail.unavailable",
            true,
            false,
            None,
        ),
        (
            503,
            "retry-after: 30\r\n",
            "service_unavailable",
            "mail.unavailable",
            true,
            false,
            Some(30),
        ),
        (
            302,
            "location: https://elsewhere.example/\r\n",
            "",
            "mail.refused",
            false,
            true,
            None,
        ),
    ] {
        let body = json!({ "statusCode": status, "name": name, "message": "m" });
        let body = Box::leak(body.to_string().into_boxed_str());
        fake.push(Next::Answer(status, extra, body));
        let error = mailer.send(&message()).await.unwrap_err();
        assert_eq!(
            (
                error.code(),
                error.is_retryable(),
                error.needs_operator(),
                error.retry_after()
            ),
            (code, retryable, operator, wait.map(Duration::from_secs)),
            "{status} {name}"
        );
    }
    assert_eq!(fake.mails.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn answers_that_are_not_json_are_judged_by_status() {
    let (fake, address) = Fake::start().await;
    let mailer = mailer(address);
    fake.push(Next::Answer(502, "", "<html>Bad gateway</html>"));
    assert_eq!(
        mailer.send(&message()).await.unwrap_err().code(),
        "mail.unavailable"
    );
    fake.push(Next::Answer(200, "", "taken"));
    assert_eq!(mailer.send(&message()).await.unwrap().message_id, "");
}

#[tokio::test]
async fn a_wrong_key_needs_the_operator() {
    let (_fake, address) = Fake::start().await;
    let mailer = mailer_with(address, "re_other", Duration::from_secs(10));
    let error = mailer.send(&message()).await.unwrap_err();
    assert!(error.needs_operator());
    assert!(!format!("{mailer:?} {error:?} {error}").contains("re_other"));
}

#[tokio::test]
async fn nobody_there_is_worth_a_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = mailer(address).send(&message()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.is_retryable()),
        ("mail.unreachable", true)
    );
}

#[tokio::test]
async fn internationalised_addresses_go_out_in_ascii() {
    let (fake, address) = Fake::start().await;
    let mut message = message();
    message.to = Mailbox::new(None, "ada@bücher.example").unwrap();
    mailer(address).send(&message).await.unwrap();
    assert_eq!(
        fake.mails.lock().unwrap()[0]["to"],
        json!(["ada@xn--bcher-kva.example"])
    );
}
