//! What a write, a read and an entry of the trail cost on SQLite on a disk,
//! with every flush on, and on PostgreSQL where `TEST_DATABASE_URL` names one.
//!
//! `cargo bench -p chartkey-store` prints one line per measurement.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop, and rounds what it prints"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chartkey_store::trail::{Log, NewEntry};
use chartkey_store::{Place, Reader, Store, StoreConfig, StoreError, Tx, params};

const ROUND: Duration = Duration::from_secs(3);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    // Not in a folder of the system's: that may be memory, which flushes
    // nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    runtime.block_on(measure(
        "sqlite",
        Place::File(folder.path().join("bench.db")),
    ));
    if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        let schema = Some(format!("bench_{}", std::process::id()));
        runtime.block_on(measure("postgres", Place::Postgres { url, schema }));
    }
}

async fn measure(engine: &str, place: Place) {
    let store = Store::open(&StoreConfig::new(place)).unwrap();
    for tasks in [1, 32, 256] {
        let counter = Arc::new(AtomicU64::new(tasks * 1_000_000_000));
        run(engine, "tiny write", tasks, || tiny(&store, &counter)).await;
    }
    for tasks in [1, 32, 256] {
        run(engine, "append", tasks, || append(&store)).await;
    }
    for tasks in [1, 32] {
        run(engine, "read", tasks, || read(&store)).await;
    }
    for tasks in [1, 32] {
        run(engine, "read + append", tasks, || async {
            read(&store).await?;
            append(&store).await
        })
        .await;
    }
}

async fn run<F, Fut>(engine: &str, what: &str, tasks: u64, one: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(), StoreError>>,
{
    let before = processor();
    let begun = Instant::now();
    let loops = (0..tasks).map(|_| async {
        let mut times = Vec::new();
        while begun.elapsed() < ROUND {
            let started = Instant::now();
            one().await.unwrap();
            times.push(started.elapsed());
        }
        times
    });
    let mut times: Vec<Duration> = futures_util::future::join_all(loops).await.concat();
    let elapsed = begun.elapsed().as_secs_f64();
    let spent = processor().saturating_sub(before);
    times.sort_unstable();
    let count = times.len();
    let at = |part: usize| times[(count * part / 100).min(count - 1)];
    println!(
        "{engine:9} {what:14} {tasks:4} tasks {:9.0}/s  p50 {:8.1?}  p99 {:8.1?}  cpu {:6.1} us each",
        count as f64 / elapsed,
        at(50),
        at(99),
        spent.as_secs_f64() * 1e6 / count as f64,
    );
}

/// Processor time of this process so far (Linux; elsewhere zero).
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(") ")
        .next()
        .into_iter()
        .flat_map(|rest| rest.split(' ').skip(11).take(2))
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

async fn tiny(store: &Store, counter: &Arc<AtomicU64>) -> Result<(), StoreError> {
    let n = counter.fetch_add(1, Ordering::Relaxed);
    store
        .write("bench.tiny", move |tx: &mut Tx| {
            tx.execute(
                "INSERT INTO refusals (minute, source_hash, kind, count) VALUES (?1, ?2, 'x', 1)",
                params![n, [7u8; 32]],
            )
            .map(drop)
        })
        .await
}

async fn append(store: &Store) -> Result<(), StoreError> {
    let new = NewEntry {
        salt: Some([9; 32]),
        entry: r#"{"v":1,"action":"record.read","at":"2026-01-02T03:04:05.678Z","actor":{"kind":"account","id":"0195e6d4-1c2b-7f3a-9c4d-0123456789ab"},"patient":"0195e6d4-1c2b-7f3a-9c4d-0123456789ac","grant":"0195e6d4-1c2b-7f3a-9c4d-0123456789ad","types":["laboratory"],"count":20,"from":"192.0.2.7","session":"0195e6d4-1c2b-7f3a-9c4d-0123456789ae","purpose":"TREAT"}"#.into(),
    };
    store
        .write("bench.append", move |tx: &mut Tx| {
            tx.append(Log::Trail, &new).map(drop)
        })
        .await
}

async fn read(store: &Store) -> Result<(), StoreError> {
    store
        .read("bench.read", |r: &mut Reader| {
            r.query_opt(
                "SELECT entry FROM ledger WHERE log = ?1 AND leaf_index = ?2",
                params![0i64, 3i64],
                |row| row.get::<String>(0),
            )
            .map(drop)
        })
        .await
}
