//! The server's key where the environment names none: a file in the data
//! directory, made once, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

const NAME: &str = "encryption.key";

/// Makes the data directory, for its owner alone, where it is missing.
pub fn make_data_dir(data: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
}

/// The key of this data directory, if it has one.
pub fn read(data: &Path) -> io::Result<Option<Zeroizing<String>>> {
    match fs::read_to_string(data.join(NAME)) {
        Ok(text) => Ok(Some(Zeroizing::new(text.trim().to_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The key of this data directory; made, and on the disk for good, where there
/// is none. Two processes that start at once get the same one.
pub fn read_or_make(
    data: &Path,
    rng: &mut (impl CryptoRng + ?Sized),
) -> io::Result<Zeroizing<String>> {
    if let Some(key) = read(data)? {
        return Ok(key);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut_slice());
    let text = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
    let mut name = [0; 8];
    rng.fill_bytes(&mut name);
    let fresh = data.join(format!("{NAME}.{:016x}", u64::from_be_bytes(name)));
    write_durably(&fresh, &text)?;
    // A hard link never replaces: who comes second reads the first one's.
    let linked = fs::hard_link(&fresh, data.join(NAME));
    fs::remove_file(&fresh)?;
    File::open(data)?.sync_all()?;
    match linked {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(data)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        }
        Err(error) => Err(error),
    }
}

fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::chance::system_rng;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        make_data_dir(&data).unwrap();
        assert_eq!(read(&data).unwrap(), None);
        let key = read_or_make(&data, &mut system_rng()).unwrap();
        assert_eq!(read_or_make(&data, &mut system_rng()).unwrap(), key);
        assert_eq!(read(&data).unwrap(), Some(key.clone()));
        assert!(key.len() >= 32);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.join(NAME)), 0o600);
        assert_eq!(mode(&data), 0o700);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }

    #[test]
    fn those_who_start_together_get_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || read_or_make(dir.path(), &mut system_rng()).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}
