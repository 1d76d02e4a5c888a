use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that answers each connection with the next of `answers`.
async fn serve(answers: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut buffer = [0; 1024];
                let len = stream.read(&mut buffer).await.unwrap();
                if len == 0 {
                    break;
                }
                seen.extend_from_slice(&buffer[..len]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn allowing(list: &str) -> HttpSettings {
    HttpSettings {
        allowed_hosts: AllowedHosts::parse(list).unwrap(),
        ..HttpSettings::default()
    }
}

/// Answers look-ups from a script; the last answer stays.
struct Script(Mutex<VecDeque<Vec<SocketAddr>>>);

impl Script {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |ip: &&str| format!("{ip}:0").parse().unwrap();
        let answers = answers.iter().map(|ips| ips.iter().map(parse).collect());
        Arc::new(Self(Mutex::new(answers.collect())))
    }
}

impl Names for Script {
    fn look_up(&self, _name: String) -> Looking {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop_front().unwrap()
        } else {
            answers.front().unwrap().clone()
        };
        Box::pin(async move { Ok(answer) })
    }
}

async fn call(client: &HttpClient, url: &str) -> Result<HttpAnswer, HttpError> {
    let request = client.request(Method::GET, url)?;
    client.send(request, 1024).await
}

#[test]
fn only_public_tls_urls_can_be_called() {
    let client = HttpClient::new(HttpSettings::default()).unwrap();
    let check = |url: &str, expected: Option<&str>| {
        let code = client.request(Method::GET, url).err().map(|e| e.code());
        assert_eq!(code, expected, "{url}");
    };
    check("https://example.org/", None);
    check("https://1.1.1.1/", None);
    check("http://example.org/", Some("http.url"));
    check("ftp://example.org/", Some("http.url"));
    check("file:///etc/passwd", Some("http.url"));
    check("data:,x", Some("http.url"));
    check("https://user:secret@example.org/", Some("http.url"));
    check("https://user@example.org/", Some("http.url"));
    for private in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fe80::1]/",
        "https://0/",
        "https://①②⑦.⓪.⓪.①/",
    ] {
        check(private, Some("http.private_address"));
    }
}

#[tokio::test]
async fn a_name_with_a_private_address_is_not_called() {
    for answer in [
        &["127.0.0.1"] as &[&str],
        &["10.1.2.3"],
        &["[::1]"],
        &["93.184.216.34", "127.0.0.1"],
        &[],
    ] {
        let client =
            HttpClient::with_resolver(HttpSettings::default(), Script::new(&[answer])).unwrap();
        let error = call(&client, "https://trick.example/").await.unwrap_err();
        assert_eq!(error.code(), "http.private_address", "{answer:?}");
    }
}

#[tokio::test]
async fn localhost_by_name_is_private() {
    let client = HttpClient::new(HttpSettings::default()).unwrap();
    let error = call(&client, "https://localhost/").await.unwrap_err();
    assert_eq!(error.code(), "http.private_address");
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_caught_at_every_look_up() {
    let address = serve(vec![ok("one")]).await;
    // Rebinding: the first look-up is innocent, the second is not.
    let names = Script::new(&[&["203.0.114.1"], &["127.0.0.1"]]);
    let first = names.look_up("rebind.example".into()).await.unwrap();
    assert!(is_public(first[0].ip()));
    let client = HttpClient::with_resolver(HttpSettings::default(), names).unwrap();
    let url = format!("https://rebind.example:{}/", address.port());
    let error = call(&client, &url).await.unwrap_err();
    assert_eq!(error.code(), "http.private_address");
}

#[tokio::test]
async fn an_allowed_host_may_be_private_and_without_tls() {
    let address = serve(vec![ok("hello")]).await;
    let client =
        HttpClient::with_resolver(allowing("clinic.lan"), Script::new(&[&["127.0.0.1"]])).unwrap();
    let answer = call(&client, &format!("http://clinic.lan:{}/", address.port()))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(&answer.body[..], b"hello");
}

#[tokio::test]
async fn redirects_are_answers_unless_allowed() {
    let moved =
        "HTTP/1.1 302 Found\r\nlocation: /next\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let address = serve(vec![moved.into()]).await;
    let client = HttpClient::new(allowing("127.0.0.1")).unwrap();
    let answer = call(&client, &format!("http://{address}/")).await.unwrap();
    assert_eq!(answer.status, 302);

    let address = serve(vec![moved.into(), ok("there")]).await;
    let following = HttpSettings {
        max_redirects: 1,
        ..allowing("127.0.0.1")
    };
    let client = HttpClient::new(following.clone()).unwrap();
    let answer = call(&client, &format!("http://{address}/")).await.unwrap();
    assert_eq!(&answer.body[..], b"there");

    let address = serve(vec![moved.into(), moved.into()]).await;
    let client = HttpClient::new(following).unwrap();
    let error = call(&client, &format!("http://{address}/"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "http.redirect");
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    for (location, code) in [
        ("https://169.254.169.254/", "http.private_address"),
        ("https://[::1]/", "http.private_address"),
        ("http://example.org/", "http.url"),
        ("file:///etc/passwd", "http.url"),
    ] {
        let answer =
            format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let address = serve(vec![answer]).await;
        let client = HttpClient::new(HttpSettings {
            max_redirects: 3,
            ..allowing(&address.to_string())
        })
        .unwrap();
        let result = call(&client, &format!("http://{address}/")).await;
        match result {
            Err(error) => assert_eq!(error.code(), code, "{location}"),
            // A scheme that HTTP cannot follow stays an answer.
            Ok(answer) => assert_eq!((answer.status.as_u16(), code), (302, "http.url")),
        }
    }
}

#[tokio::test]
async fn a_long_body_is_cut_off_whether_announced_or_not() {
    let long = "x".repeat(5000);
    let unannounced = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{long}");
    for answer in [ok(&long), unannounced] {
        let address = serve(vec![answer]).await;
        let client = HttpClient::new(allowing(&address.to_string())).unwrap();
        let error = call(&client, &format!("http://{address}/"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "http.too_long");
    }
}

#[tokio::test]
async fn a_stream_stops_at_its_limit() {
    let address = serve(vec![format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}",
        "x".repeat(5000)
    )])
    .await;
    let client = HttpClient::new(allowing(&address.to_string())).unwrap();
    let request = client
        .request(Method::GET, &format!("http://{address}/"))
        .unwrap();
    let mut stream = client.open(request, 100).await.unwrap();
    let error = loop {
        match stream.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the limit was not applied"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "http.too_long");
}

#[tokio::test]
async fn silence_is_a_timeout_and_nobody_is_a_connection_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let client = HttpClient::new(HttpSettings {
        timeout: Duration::from_millis(50),
        ..allowing("127.0.0.1")
    })
    .unwrap();
    let error = call(&client, &format!("http://{silent}/"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "http.timeout");
    drop(listener);
    let error = call(&client, &format!("http://{silent}/"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "http.connect");
}

#[tokio::test]
async fn errors_never_print_the_url() {
    let client = HttpClient::new(HttpSettings {
        timeout: Duration::from_millis(50),
        ..allowing("127.0.0.1")
    })
    .unwrap();
    let error = call(&client, "http://127.0.0.1:1/?token=marker")
        .await
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("marker"));
}
