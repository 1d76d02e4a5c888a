//! Blobs in a folder.
//!
//! ```text
//! <root>/stored/<xx>/<id>      whole blobs; xx = last two hex digits of the id
//! <root>/uploads/<id>.part     uploads in progress, as long as has arrived
//! <root>/uploads/<id>.<n>.put  a `put` being written
//! ```
//!
//! Crash argument. `stored` only ever gains a name for a file whose bytes are
//! already synced, so a name there means a whole blob. The name itself is synced
//! before the call answers. A chunk is synced before its `append` answers; what a
//! crash leaves beyond the last answered chunk was never promised, and `finish`
//! checks the length. What a crash leaves in `uploads` is shown by `list` and
//! removed by `delete`. One `.part` has one writer at a time (a lock on the
//! file), also among processes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chartkey_domain::blobs::{
    BlobEntry, BlobError, BlobId, BlobResult, BlobResultFuture, BlobState, BlobStore, MAX_CHUNK_LEN,
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{check_chunk, check_range, unavailable};

/// Blobs in a folder of this machine.
#[derive(Clone, Debug)]
pub struct FolderBlobs(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    stored: PathBuf,
    uploads: PathBuf,
    /// Keeps the temporary files of concurrent `put`s apart.
    next_put: AtomicU64,
}

impl FolderBlobs {
    /// Opens the folder, making it and its parents where they are missing.
    /// Blocks on the disk; meant for the start of the program.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`] when it cannot be made.
    pub fn open(root: &Path) -> BlobResult<Self> {
        let stored = root.join("stored");
        let uploads = root.join("uploads");
        for folder in [&stored, &uploads] {
            make_private_folder(folder).map_err(from_io)?;
        }
        sync_folder(root).map_err(from_io)?;
        Ok(Self(Arc::new(Folder {
            stored,
            uploads,
            next_put: AtomicU64::new(0),
        })))
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> BlobResult<T> + Send + 'static,
    ) -> BlobResultFuture<'_, T> {
        let folder = Arc::clone(&self.0);
        Box::pin(async move {
            tokio::task::spawn_blocking(move || work(&folder))
                .await
                .map_err(unavailable)?
        })
    }
}

impl BlobStore for FolderBlobs {
    fn put(&self, id: BlobId, bytes: Bytes) -> BlobResultFuture<'_, ()> {
        self.run(move |folder| folder.put(id, &bytes))
    }

    fn create(&self, id: BlobId) -> BlobResultFuture<'_, ()> {
        self.run(move |folder| folder.create(id))
    }

    fn uploaded(&self, id: BlobId) -> BlobResultFuture<'_, u64> {
        self.run(move |folder| Ok(folder.part(id)?.metadata().map_err(from_io)?.len()))
    }

    fn append(&self, id: BlobId, offset: u64, bytes: Bytes) -> BlobResultFuture<'_, u64> {
        self.run(move |folder| folder.append(id, offset, &bytes))
    }

    fn finish(&self, id: BlobId, len: u64) -> BlobResultFuture<'_, ()> {
        self.run(move |folder| folder.finish(id, len))
    }

    fn len(&self, id: BlobId) -> BlobResultFuture<'_, u64> {
        self.run(move |folder| Ok(folder.stored(id)?.metadata().map_err(from_io)?.len()))
    }

    fn get(&self, id: BlobId) -> BlobResultFuture<'_, Bytes> {
        self.run(move |folder| {
            let mut file = folder.stored(id)?;
            let len = file.metadata().map_err(from_io)?.len();
            read_exactly(&mut file, &(0..len))
        })
    }

    fn get_range(&self, id: BlobId, range: Range<u64>) -> BlobResultFuture<'_, Bytes> {
        self.run(move |folder| read_exactly(&mut folder.stored(id)?, &range))
    }

    fn delete(&self, id: BlobId) -> BlobResultFuture<'_, ()> {
        self.run(move |folder| folder.delete(id))
    }

    fn list(&self, after: Option<BlobId>, limit: usize) -> BlobResultFuture<'_, Vec<BlobEntry>> {
        self.run(move |folder| folder.list(after, limit))
    }
}

impl Folder {
    fn shelf(&self, id: BlobId) -> PathBuf {
        let [.., last] = *id.as_uuid().as_bytes();
        self.stored.join(format!("{last:02x}"))
    }

    fn stored_path(&self, id: BlobId) -> PathBuf {
        self.shelf(id).join(id.to_string())
    }

    fn part_path(&self, id: BlobId) -> PathBuf {
        self.uploads.join(format!("{id}.part"))
    }

    fn stored(&self, id: BlobId) -> BlobResult<File> {
        File::open(self.stored_path(id)).map_err(from_io)
    }

    fn part(&self, id: BlobId) -> BlobResult<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.part_path(id))
            .map_err(from_io)
    }

    fn is_stored(&self, id: BlobId) -> BlobResult<bool> {
        self.stored_path(id).try_exists().map_err(from_io)
    }

    fn put(&self, id: BlobId, bytes: &Bytes) -> BlobResult<()> {
        check_chunk(bytes)?;
        if self.is_stored(id)? {
            return Err(BlobError::Exists);
        }
        let nonce = self.next_put.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let temporary = Temporary(self.uploads.join(format!("{id}.{process}-{nonce}.put")));
        let mut file = new_private_file(&temporary.0).map_err(from_io)?;
        file.write_all(bytes).map_err(from_io)?;
        file.sync_all().map_err(from_io)?;
        drop(file);
        self.shelve(&temporary.0, id)
    }

    fn create(&self, id: BlobId) -> BlobResult<()> {
        if self.is_stored(id)? {
            return Err(BlobError::Exists);
        }
        match new_private_file(&self.part_path(id)) {
            Ok(file) => {
                file.sync_all().map_err(from_io)?;
                sync_folder(&self.uploads).map_err(from_io)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(from_io(error)),
        }
    }

    fn append(&self, id: BlobId, offset: u64, bytes: &Bytes) -> BlobResult<u64> {
        let len = check_chunk(bytes)?;
        let mut file = self.part(id)?;
        lock(&file)?;
        let expected = file.metadata().map_err(from_io)?.len();
        let end = offset.checked_add(len).ok_or(BlobError::Chunk)?;
        if end <= expected {
            let same = read_exactly(&mut file, &(offset..end))? == bytes;
            return same
                .then_some(expected)
                .ok_or(BlobError::Offset { expected });
        }
        if offset != expected {
            return Err(BlobError::Offset { expected });
        }
        let written = write_at(&mut file, offset, bytes);
        if let Err(error) = written {
            // Half a chunk must not count as arrived. If even this fails, the
            // length says so and `finish` refuses.
            let undone = file.set_len(offset).and_then(|()| file.sync_all());
            return Err(from_io(undone.err().unwrap_or(error)));
        }
        Ok(end)
    }

    fn finish(&self, id: BlobId, len: u64) -> BlobResult<()> {
        let file = match self.part(id) {
            Ok(file) => file,
            Err(BlobError::NotFound) => return self.finished_before(id, len),
            Err(error) => return Err(error),
        };
        lock(&file)?;
        let expected = file.metadata().map_err(from_io)?.len();
        if expected != len || len == 0 {
            return Err(BlobError::Offset { expected });
        }
        file.sync_all().map_err(from_io)?;
        self.shelve(&self.part_path(id), id)?;
        sync_folder(&self.uploads).map_err(from_io)
    }

    /// A repeated `finish` finds its blob stored already.
    fn finished_before(&self, id: BlobId, len: u64) -> BlobResult<()> {
        let expected = self.stored(id)?.metadata().map_err(from_io)?.len();
        if expected == len {
            // The call that stored it may have failed before this.
            return sync_folder(&self.shelf(id)).map_err(from_io);
        }
        Err(BlobError::Offset { expected })
    }

    /// Gives synced bytes their final name, and never takes a name that is taken.
    fn shelve(&self, from: &Path, id: BlobId) -> BlobResult<()> {
        let shelf = self.shelf(id);
        make_private_folder(&shelf).map_err(from_io)?;
        // Even where the shelf was there: whoever made it may have failed here.
        sync_folder(&self.stored).map_err(from_io)?;
        let to = self.stored_path(id);
        match fs::hard_link(from, &to) {
            Ok(()) => fs::remove_file(from).map_err(from_io)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(BlobError::Exists);
            }
            // File systems without links (FAT, some network shares): here two
            // writers of one id at one instant are kept apart by the database.
            Err(_) if !self.is_stored(id)? => fs::rename(from, &to).map_err(from_io)?,
            Err(_) => return Err(BlobError::Exists),
        }
        sync_folder(&shelf).map_err(from_io)
    }

    fn delete(&self, id: BlobId) -> BlobResult<()> {
        let mut removed = remove(&self.stored_path(id))?;
        if removed {
            sync_folder(&self.shelf(id)).map_err(from_io)?;
        }
        removed = remove(&self.part_path(id))?;
        let prefix = format!("{id}.");
        for entry in fs::read_dir(&self.uploads).map_err(from_io)? {
            let entry = entry.map_err(from_io)?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(&prefix)) {
                removed |= remove(&entry.path())?;
            }
        }
        if removed {
            sync_folder(&self.uploads).map_err(from_io)?;
        }
        Ok(())
    }

    fn list(&self, after: Option<BlobId>, limit: usize) -> BlobResult<Vec<BlobEntry>> {
        let mut entries = Vec::new();
        read_entries(&self.uploads, BlobState::Uploading, after, &mut entries)?;
        for shelf in fs::read_dir(&self.stored).map_err(from_io)? {
            let shelf = shelf.map_err(from_io)?.path();
            read_entries(&shelf, BlobState::Stored, after, &mut entries)?;
            // Enough to be sure of the first `limit`; keeps memory bounded.
            if entries.len() > limit.saturating_mul(4).saturating_add(4096) {
                keep_first(&mut entries, limit);
            }
        }
        keep_first(&mut entries, limit);
        Ok(entries)
    }
}

/// Sorts by id, lets a stored blob hide leftovers of its own upload, and keeps
/// the first `limit`.
fn keep_first(entries: &mut Vec<BlobEntry>, limit: usize) {
    entries.sort_by_key(|entry| (entry.id, entry.state == BlobState::Uploading));
    entries.dedup_by_key(|entry| entry.id);
    entries.truncate(limit);
}

fn read_entries(
    folder: &Path,
    state: BlobState,
    after: Option<BlobId>,
    entries: &mut Vec<BlobEntry>,
) -> BlobResult<()> {
    for entry in fs::read_dir(folder).map_err(from_io)? {
        let entry = entry.map_err(from_io)?;
        let name = entry.file_name();
        // Files that are not ours (a backup tool's, say) are none of our blobs.
        let Some(id) = name
            .to_str()
            .and_then(|name| name.split('.').next())
            .and_then(|name| Uuid::try_parse(name).ok())
            .map(BlobId::new)
        else {
            continue;
        };
        if after.is_some_and(|after| id <= after) {
            continue;
        }
        let written = match entry.metadata().and_then(|metadata| metadata.modified()) {
            Ok(written) => written,
            // Removed since the folder was read.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(from_io(error)),
        };
        entries.push(BlobEntry {
            id,
            state,
            written_at: Timestamp::try_from(written).unwrap_or(Timestamp::UNIX_EPOCH),
        });
    }
    Ok(())
}

/// A file that goes away with its owner, unless it was renamed by then.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Fails when the file has moved to its place, which is the good case;
        // what stays behind otherwise is found by `list`.
        let _ = fs::remove_file(&self.0);
    }
}

fn lock(file: &File) -> BlobResult<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => BlobError::Busy,
        TryLockError::Error(error) => from_io(error),
    })
}

fn read_exactly(file: &mut File, range: &Range<u64>) -> BlobResult<Bytes> {
    let len = check_range(range)?;
    if range.end > file.metadata().map_err(from_io)?.len() {
        return Err(BlobError::Range);
    }
    debug_assert!(len <= MAX_CHUNK_LEN);
    let mut bytes = vec![0; len];
    file.seek(SeekFrom::Start(range.start)).map_err(from_io)?;
    file.read_exact(&mut bytes).map_err(from_io)?;
    Ok(bytes.into())
}

fn write_at(file: &mut File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file; tells whether there was one.
fn remove(path: &Path) -> BlobResult<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(from_io(error)),
    }
}

fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a folder and its parents, where they are missing.
fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes the names in a folder durable. Windows does that by itself, and cannot
/// open a folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}

fn from_io(error: io::Error) -> BlobError {
    match error.kind() {
        ErrorKind::NotFound => BlobError::NotFound,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            BlobError::Full
        }
        _ => unavailable(error),
    }
}

#[cfg(test)]
mod tests;
