//! A client that asks as fast as it is answered, on as little processor time
//! as it can: requests are bytes made beforehand, answers are only measured.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// A request as bytes.
pub type Bytes = Arc<[u8]>;

/// What a load did.
pub struct Load {
    /// Answers with a status of 2xx: all of them, since others end the bench.
    pub served: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Every request's time, ascending, in microseconds.
    pub micros: Vec<u32>,
}

impl Load {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.served as f64 / self.elapsed.as_secs_f64()
    }

    /// The time below which this part of the requests stayed, in milliseconds.
    pub fn quantile(&self, part: f64) -> f64 {
        let at = ((self.micros.len() as f64 - 1.0) * part).max(0.0) as usize;
        self.micros
            .get(at)
            .map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// Sends what `next(client, n)` gives, over one kept-alive connection for each
/// client, until it gives nothing more or time is up.
pub fn run(
    address: SocketAddr,
    clients: usize,
    time: Duration,
    next: impl Fn(usize, usize) -> Option<Bytes> + 'static,
) -> Load {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let next = Rc::new(next);
    let local = LocalSet::new();
    let begun = Instant::now();
    let mut micros = runtime.block_on(local.run_until(async move {
        let tasks: Vec<_> = (0..clients)
            .map(|client| {
                let next = Rc::clone(&next);
                tokio::task::spawn_local(async move {
                    one_client(address, begun + time, |n| next(client, n)).await
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        all
    }));
    let elapsed = begun.elapsed();
    micros.sort_unstable();
    Load {
        served: micros.len() as u64,
        elapsed,
        micros,
    }
}

async fn one_client(
    address: SocketAddr,
    until: Instant,
    next: impl Fn(usize) -> Option<Bytes>,
) -> Vec<u32> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 1 << 16];
    let mut micros = Vec::new();
    while Instant::now() < until
        && let Some(request) = next(micros.len())
    {
        let begun = Instant::now();
        stream.write_all(&request).await.unwrap();
        read_answer(&mut stream, &mut buffer).await;
        micros.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    micros
}

/// Reads one answer to its end; ends the bench where it is not a 2xx.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    let mut filled = 0;
    let head = loop {
        filled += fill(stream, buffer, filled).await;
        if let Some(at) = find(&buffer[..filled], b"\r\n\r\n") {
            break at + 4;
        }
    };
    let ok = buffer.get(9) == Some(&b'2');
    let length = content_length(&buffer[..head]);
    while filled < head + length {
        filled += fill(stream, buffer, filled).await;
    }
    assert!(
        ok,
        "refused: {}",
        String::from_utf8_lossy(&buffer[..filled])
    );
    assert!(filled == head + length, "more came than was asked for");
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>, filled: usize) -> usize {
    if filled == buffer.len() {
        buffer.resize(buffer.len() * 2, 0);
    }
    let read = stream.read(&mut buffer[filled..]).await.unwrap();
    assert!(read > 0, "the connection ended within an answer");
    read
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn content_length(head: &[u8]) -> usize {
    let name = b"\r\ncontent-length: ";
    let at = find(head, name).expect("a length in the head") + name.len();
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}
