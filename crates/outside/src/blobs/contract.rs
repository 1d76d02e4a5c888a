//! What every blob store does, run on each of them.

use std::sync::Arc;

use bytes::Bytes;
use chartkey_domain::blobs::{BlobEntry, BlobId, BlobState, BlobStore, MAX_CHUNK_LEN};
use uuid::Uuid;

use super::FolderBlobs;
use super::testing::{Fault, FaultyBlobs, memory_blobs};

fn id(n: u128) -> BlobId {
    BlobId::new(Uuid::from_u128(n))
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn code<T: std::fmt::Debug>(result: Result<T, chartkey_domain::blobs::BlobError>) -> &'static str {
    result.unwrap_err().code()
}

async fn upload(blobs: &dyn BlobStore, id: BlobId, chunks: &[&str]) {
    blobs.create(id).await.unwrap();
    let mut offset = 0;
    for chunk in chunks {
        offset = blobs.append(id, offset, bytes(chunk)).await.unwrap();
    }
    blobs.finish(id, offset).await.unwrap();
}

async fn a_put_blob_is_read_back(blobs: &dyn BlobStore) {
    blobs.put(id(1), bytes("sealed")).await.unwrap();
    assert_eq!(blobs.get(id(1)).await.unwrap(), "sealed");
    assert_eq!(blobs.len(id(1)).await.unwrap(), 6);
    assert_eq!(blobs.get_range(id(1), 1..3).await.unwrap(), "ea");
    assert_eq!(blobs.get_range(id(1), 6..6).await.unwrap(), "");
    assert_eq!(code(blobs.get_range(id(1), 5..7).await), "blob.range");
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "a range from outside may be reversed"
    )]
    let reversed = 3..1;
    assert_eq!(code(blobs.get_range(id(1), reversed).await), "blob.range");
    let huge = 0..MAX_CHUNK_LEN as u64 + 1;
    assert_eq!(code(blobs.get_range(id(1), huge).await), "blob.range");
}

async fn an_uploaded_blob_is_read_back_across_its_chunks(blobs: &dyn BlobStore) {
    upload(blobs, id(1), &["abc", "defgh", "i"]).await;
    assert_eq!(blobs.get(id(1)).await.unwrap(), "abcdefghi");
    assert_eq!(blobs.len(id(1)).await.unwrap(), 9);
    for from in 0..9 {
        for to in from..=9 {
            let expected = &"abcdefghi"[from..to];
            let found = blobs
                .get_range(id(1), from as u64..to as u64)
                .await
                .unwrap();
            assert_eq!(found, expected, "{from}..{to}");
        }
    }
    assert_eq!(code(blobs.get_range(id(1), 8..10).await), "blob.range");
}

async fn what_is_absent_is_not_found(blobs: &dyn BlobStore) {
    assert_eq!(code(blobs.get(id(1)).await), "blob.not_found");
    assert_eq!(code(blobs.get_range(id(1), 0..1).await), "blob.not_found");
    assert_eq!(code(blobs.len(id(1)).await), "blob.not_found");
    assert_eq!(code(blobs.uploaded(id(1)).await), "blob.not_found");
    assert_eq!(
        code(blobs.append(id(1), 0, bytes("a")).await),
        "blob.not_found"
    );
    assert_eq!(code(blobs.finish(id(1), 1).await), "blob.not_found");
    blobs.delete(id(1)).await.unwrap();
}

async fn a_stored_blob_never_changes(blobs: &dyn BlobStore) {
    blobs.put(id(1), bytes("first")).await.unwrap();
    upload(blobs, id(2), &["second"]).await;
    for stored in [id(1), id(2)] {
        assert_eq!(code(blobs.put(stored, bytes("other")).await), "blob.exists");
        assert_eq!(code(blobs.create(stored).await), "blob.exists");
        assert_eq!(
            code(blobs.append(stored, 5, bytes("x")).await),
            "blob.not_found"
        );
    }
    assert_eq!(blobs.get(id(1)).await.unwrap(), "first");
    assert_eq!(blobs.get(id(2)).await.unwrap(), "second");
}

async fn an_upload_cannot_be_read_before_it_is_finished(blobs: &dyn BlobStore) {
    blobs.create(id(1)).await.unwrap();
    blobs.append(id(1), 0, bytes("abc")).await.unwrap();
    assert_eq!(code(blobs.get(id(1)).await), "blob.not_found");
    assert_eq!(code(blobs.len(id(1)).await), "blob.not_found");
    assert_eq!(code(blobs.get_range(id(1), 0..1).await), "blob.not_found");
}

async fn an_upload_resumes_where_it_stopped(blobs: &dyn BlobStore) {
    blobs.create(id(1)).await.unwrap();
    assert_eq!(blobs.uploaded(id(1)).await.unwrap(), 0);
    assert_eq!(blobs.append(id(1), 0, bytes("abc")).await.unwrap(), 3);
    blobs.create(id(1)).await.unwrap();
    assert_eq!(blobs.uploaded(id(1)).await.unwrap(), 3);
    assert_eq!(blobs.append(id(1), 3, bytes("def")).await.unwrap(), 6);
    // The same chunk again, because its answer was lost.
    assert_eq!(blobs.append(id(1), 3, bytes("def")).await.unwrap(), 6);
    assert_eq!(blobs.append(id(1), 0, bytes("abc")).await.unwrap(), 6);
    blobs.finish(id(1), 6).await.unwrap();
    blobs.finish(id(1), 6).await.unwrap();
    assert_eq!(blobs.get(id(1)).await.unwrap(), "abcdef");
}

async fn chunks_that_do_not_fit_are_refused_with_the_right_place(blobs: &dyn BlobStore) {
    blobs.create(id(1)).await.unwrap();
    blobs.append(id(1), 0, bytes("abcd")).await.unwrap();
    for (offset, chunk) in [
        (5, "x"),
        (3, "xy"),
        (0, "xbcd"),
        (0, "abcdX"),
        (u64::MAX - 9, "x"),
    ] {
        match blobs.append(id(1), offset, bytes(chunk)).await.unwrap_err() {
            chartkey_domain::blobs::BlobError::Offset { expected } => assert_eq!(expected, 4),
            other => panic!("{offset} {chunk}: {other:?}"),
        }
    }
    assert_eq!(
        code(blobs.append(id(1), u64::MAX, bytes("x")).await),
        "blob.chunk"
    );
    assert_eq!(blobs.uploaded(id(1)).await.unwrap(), 4);
    assert_eq!(code(blobs.finish(id(1), 3).await), "blob.offset");
    assert_eq!(code(blobs.finish(id(1), 5).await), "blob.offset");
    blobs.finish(id(1), 4).await.unwrap();
    assert_eq!(code(blobs.finish(id(1), 5).await), "blob.offset");
    assert_eq!(blobs.get(id(1)).await.unwrap(), "abcd");
}

async fn empty_and_oversized_chunks_are_refused(blobs: &dyn BlobStore) {
    let oversized = Bytes::from(vec![0; MAX_CHUNK_LEN + 1]);
    assert_eq!(code(blobs.put(id(1), bytes("")).await), "blob.chunk");
    assert_eq!(
        code(blobs.put(id(1), oversized.clone()).await),
        "blob.chunk"
    );
    blobs.create(id(1)).await.unwrap();
    assert_eq!(code(blobs.append(id(1), 0, bytes("")).await), "blob.chunk");
    assert_eq!(code(blobs.append(id(1), 0, oversized).await), "blob.chunk");
    assert_eq!(code(blobs.finish(id(1), 0).await), "blob.offset");
    let largest = Bytes::from(vec![7; MAX_CHUNK_LEN]);
    blobs.append(id(1), 0, largest.clone()).await.unwrap();
    blobs
        .append(id(1), MAX_CHUNK_LEN as u64, bytes("z"))
        .await
        .unwrap();
    blobs.finish(id(1), MAX_CHUNK_LEN as u64 + 1).await.unwrap();
    assert_eq!(code(blobs.get(id(1)).await), "blob.range");
    let first = blobs
        .get_range(id(1), 0..MAX_CHUNK_LEN as u64)
        .await
        .unwrap();
    assert!(first == largest);
}

async fn deleting_removes_everything_and_frees_the_id(blobs: &dyn BlobStore) {
    blobs.put(id(1), bytes("a")).await.unwrap();
    upload(blobs, id(2), &["b", "c"]).await;
    blobs.create(id(3)).await.unwrap();
    blobs.append(id(3), 0, bytes("d")).await.unwrap();
    for n in 1..=3 {
        blobs.delete(id(n)).await.unwrap();
        blobs.delete(id(n)).await.unwrap();
        assert_eq!(code(blobs.get(id(n)).await), "blob.not_found");
        assert_eq!(code(blobs.uploaded(id(n)).await), "blob.not_found");
    }
    assert_eq!(blobs.list(None, 10).await.unwrap(), []);
    upload(blobs, id(2), &["new"]).await;
    assert_eq!(blobs.get(id(2)).await.unwrap(), "new");
}

async fn listing_pages_through_blobs_and_uploads_in_order(blobs: &dyn BlobStore) {
    for n in [5, 3, 0x0101] {
        blobs.put(id(n), bytes("a")).await.unwrap();
    }
    upload(blobs, id(4), &["b", "c"]).await;
    blobs.create(id(2)).await.unwrap();
    blobs.append(id(2), 0, bytes("d")).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page: Vec<BlobEntry> = blobs.list(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        after = Some(last.id);
        seen.extend(page);
    }
    let found: Vec<_> = seen.iter().map(|entry| (entry.id, entry.state)).collect();
    let expected: Vec<_> = [2_u128, 3, 4, 5, 0x0101]
        .map(|n| {
            let state = if n == 2 {
                BlobState::Uploading
            } else {
                BlobState::Stored
            };
            (id(n), state)
        })
        .into();
    assert_eq!(found, expected);
    assert!(seen.iter().all(|entry| entry.written_at.as_second() > 0));
}

async fn two_writers_of_one_id_cannot_both_win(blobs: &dyn BlobStore) {
    let (one, two) = tokio::join!(
        blobs.put(id(1), bytes("one")),
        blobs.put(id(1), bytes("two"))
    );
    assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1);
    let kept = blobs.get(id(1)).await.unwrap();
    assert_eq!(kept, if one.is_ok() { "one" } else { "two" });
}

/// Fails every write of an upload in both ways; the client then repeats it.
async fn a_failed_write_can_be_repeated(make: impl Fn() -> Arc<dyn BlobStore>) {
    for fault in [Fault::NotPersisted, Fault::Persisted] {
        for at in 0..5 {
            let blobs = FaultyBlobs::new(make());
            blobs.fail_after(at, fault);
            let mut failures = 0;
            loop {
                let result = async {
                    blobs.create(id(1)).await?;
                    let mut end = blobs.append(id(1), 0, bytes("abc")).await?;
                    end = blobs
                        .append(id(1), 3, bytes("def"))
                        .await
                        .map(|new| end.max(new))?;
                    blobs.finish(id(1), end).await
                }
                .await;
                match result {
                    Ok(()) => break,
                    // An earlier `finish` that claimed to have failed.
                    Err(error) if error.code() == "blob.exists" => break,
                    Err(error) => {
                        assert_eq!(error.code(), "blob.unavailable");
                        failures += 1;
                    }
                }
            }
            assert_eq!(failures, u32::from(at < 4), "{fault:?} at {at}");
            assert_eq!(blobs.get(id(1)).await.unwrap(), "abcdef");
            assert!(blobs.writes() >= 4);
        }
    }
}

macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::memory_blobs()).await;
            })+
        }

        mod in_a_folder {
            $(#[tokio::test]
            async fn $name() {
                let root = tempfile::tempdir().unwrap();
                super::$name(&super::FolderBlobs::open(root.path()).unwrap()).await;
            })+
        }
    };
}

contract![
    a_put_blob_is_read_back,
    an_uploaded_blob_is_read_back_across_its_chunks,
    what_is_absent_is_not_found,
    a_stored_blob_never_changes,
    an_upload_cannot_be_read_before_it_is_finished,
    an_upload_resumes_where_it_stopped,
    chunks_that_do_not_fit_are_refused_with_the_right_place,
    empty_and_oversized_chunks_are_refused,
    deleting_removes_everything_and_frees_the_id,
    listing_pages_through_blobs_and_uploads_in_order,
    two_writers_of_one_id_cannot_both_win,
];

#[tokio::test]
async fn a_failed_write_can_be_repeated_in_memory() {
    a_failed_write_can_be_repeated(|| Arc::new(memory_blobs())).await;
}

#[tokio::test]
async fn a_failed_write_can_be_repeated_in_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let folders = std::sync::atomic::AtomicU32::new(0);
    a_failed_write_can_be_repeated(|| {
        let n = folders.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Arc::new(FolderBlobs::open(&root.path().join(n.to_string())).unwrap())
    })
    .await;
}
