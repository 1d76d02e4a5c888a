//! Whether this process is the only one that works on its data directory: then
//! what one before it held when it died need not wait for its time to run out.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// The file that is locked. It holds nothing.
const NAME: &str = "serving.lock";

/// Held for as long as this process is to be alone; the system lets go of it
/// however the process ends.
#[derive(Debug)]
pub struct Alone(#[expect(dead_code, reason = "what is held is the lock")] File);

impl Alone {
    /// Takes the place, or nothing where another process has it.
    ///
    /// # Errors
    /// Those of opening the file.
    pub fn take(data: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(data.join(NAME))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let first = Alone::take(folder.path()).unwrap();
        assert!(first.is_some());
        assert!(Alone::take(folder.path()).unwrap().is_none());
        drop(first);
        assert!(Alone::take(folder.path()).unwrap().is_some());
    }
}
