//! Doubles for tests: blobs in memory, and blobs that fail on command.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chartkey_domain::blobs::{
    BlobEntry, BlobError, BlobId, BlobResult, BlobResultFuture, BlobStore,
};

use super::{ObjectBlobs, unavailable};

/// Blobs that are gone with the process.
pub fn memory_blobs() -> ObjectBlobs {
    ObjectBlobs::new(Arc::new(object_store::memory::InMemory::new()), "")
}

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It failed and nothing was kept.
    NotPersisted,
    /// It was kept, and yet it answers that it failed.
    Persisted,
}

/// A store whose `n`th write (counted from 0; `put create append finish delete`)
/// fails, once, in the way asked for.
#[derive(Clone)]
pub struct FaultyBlobs {
    inner: Arc<dyn BlobStore>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    writes: u64,
    fault: Option<(u64, Fault)>,
}

impl FaultyBlobs {
    /// `inner`, without faults so far.
    pub fn new(inner: Arc<dyn BlobStore>) -> Self {
        Self {
            inner,
            plan: Arc::default(),
        }
    }

    /// Makes the write that comes after `writes` more writes fail.
    pub fn fail_after(&self, writes: u64, fault: Fault) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.fault = Some((plan.writes.saturating_add(writes), fault));
    }

    /// How many writes there were, failed ones included.
    pub fn writes(&self) -> u64 {
        self.plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .writes
    }

    fn next(&self) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let now = plan.writes;
        plan.writes = now.saturating_add(1);
        let fault = plan.fault.filter(|(at, _)| *at == now)?;
        plan.fault = None;
        Some(fault.1)
    }

    fn write<'a, T: Send + 'a>(
        &'a self,
        write: impl Future<Output = BlobResult<T>> + Send + 'a,
    ) -> BlobResultFuture<'a, T> {
        let fault = self.next();
        Box::pin(async move {
            if fault == Some(Fault::NotPersisted) {
                return Err(injected());
            }
            let done = write.await?;
            if fault == Some(Fault::Persisted) {
                return Err(injected());
            }
            Ok(done)
        })
    }
}

fn injected() -> BlobError {
    unavailable(std::io::Error::other("injected"))
}

impl BlobStore for FaultyBlobs {
    fn put(&self, id: BlobId, bytes: Bytes) -> BlobResultFuture<'_, ()> {
        self.write(self.inner.put(id, bytes))
    }

    fn create(&self, id: BlobId) -> BlobResultFuture<'_, ()> {
        self.write(self.inner.create(id))
    }

    fn uploaded(&self, id: BlobId) -> BlobResultFuture<'_, u64> {
        self.inner.uploaded(id)
    }

    fn append(&self, id: BlobId, offset: u64, bytes: Bytes) -> BlobResultFuture<'_, u64> {
        self.write(self.inner.append(id, offset, bytes))
    }

    fn finish(&self, id: BlobId, len: u64) -> BlobResultFuture<'_, ()> {
        self.write(self.inner.finish(id, len))
    }

    fn len(&self, id: BlobId) -> BlobResultFuture<'_, u64> {
        self.inner.len(id)
    }

    fn get(&self, id: BlobId) -> BlobResultFuture<'_, Bytes> {
        self.inner.get(id)
    }

    fn get_range(&self, id: BlobId, range: Range<u64>) -> BlobResultFuture<'_, Bytes> {
        self.inner.get_range(id, range)
    }

    fn delete(&self, id: BlobId) -> BlobResultFuture<'_, ()> {
        self.write(self.inner.delete(id))
    }

    fn list(&self, after: Option<BlobId>, limit: usize) -> BlobResultFuture<'_, Vec<BlobEntry>> {
        self.inner.list(after, limit)
    }
}
