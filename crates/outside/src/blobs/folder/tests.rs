use super::*;

fn id(n: u128) -> BlobId {
    BlobId::new(Uuid::from_u128(n))
}

fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn nothing_but_whole_blobs_stays_behind() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(root.path()).unwrap();
    blobs.put(id(1), Bytes::from_static(b"one")).await.unwrap();
    blobs
        .put(id(1), Bytes::from_static(b"two"))
        .await
        .unwrap_err();
    blobs.create(id(2)).await.unwrap();
    blobs
        .append(id(2), 0, Bytes::from_static(b"abc"))
        .await
        .unwrap();
    blobs.finish(id(2), 3).await.unwrap();
    assert_eq!(
        files(root.path()),
        [
            format!("stored/01/{}", id(1)),
            format!("stored/02/{}", id(2)),
        ]
    );
}

#[tokio::test]
async fn a_put_that_cannot_be_shelved_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(root.path()).unwrap();
    // A file where the shelf should be: the last step fails.
    fs::write(root.path().join("stored/01"), b"").unwrap();
    let error = blobs
        .put(id(1), Bytes::from_static(b"one"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "blob.unavailable");
    assert_eq!(files(root.path()), ["stored/01"]);
}

#[tokio::test]
async fn uploads_survive_reopening() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(root.path()).unwrap();
    blobs.create(id(1)).await.unwrap();
    blobs
        .append(id(1), 0, Bytes::from_static(b"abc"))
        .await
        .unwrap();
    drop(blobs);
    let blobs = FolderBlobs::open(root.path()).unwrap();
    assert_eq!(blobs.uploaded(id(1)).await.unwrap(), 3);
}

#[tokio::test]
async fn one_upload_has_one_writer_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(root.path()).unwrap();
    blobs.create(id(1)).await.unwrap();
    let other = blobs.0.part(id(1)).unwrap();
    other.try_lock().unwrap();
    let error = blobs
        .append(id(1), 0, Bytes::from_static(b"abc"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "blob.busy");
    drop(other);
    blobs
        .append(id(1), 0, Bytes::from_static(b"abc"))
        .await
        .unwrap();
}

#[tokio::test]
async fn leftovers_of_a_crash_are_listed_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(root.path()).unwrap();
    fs::write(
        root.path().join(format!("uploads/{}.77-0.put", id(9))),
        b"half",
    )
    .unwrap();
    fs::write(root.path().join("uploads/.notes"), b"not ours").unwrap();
    let listed = blobs.list(None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].id, listed[0].state),
        (id(9), BlobState::Uploading)
    );
    blobs.delete(id(9)).await.unwrap();
    assert_eq!(files(root.path()), ["uploads/.notes"]);
}

#[cfg(unix)]
#[tokio::test]
async fn others_on_the_machine_cannot_read() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let blobs = FolderBlobs::open(root.path()).unwrap();
    blobs.put(id(1), Bytes::from_static(b"one")).await.unwrap();
    for (path, mode) in [
        (blobs.0.stored_path(id(1)), 0o600),
        (blobs.0.shelf(id(1)), 0o700),
        (blobs.0.stored.clone(), 0o700),
    ] {
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
}
