//! Bytes at a place. A place takes a file under a name that is free, whole or not at all; it knows nothing of bundles.
//!
//! On disk: the file is staged beside its target with mode 0600 and a lock, written, synced, read back by the caller, and
//! then published by a rename that never replaces. What a killed run left behind is removed by the next one for that target.
//!
//! Behind a network ([`Place`]): a finished file is brought there ([`deliver()`]), and read in ranges ([`Ranged`]).

mod blocks;
mod client;
mod deliver;
mod error;
mod geo;
mod hold;
mod list;
mod place;
mod ranged;
mod session;
mod source;
mod transport;

pub use deliver::{DeliverError, Delivered, Look, Seen, deliver, is_free, is_there};
pub use error::{StoreError, StoreErrorKind};
pub use geo::{Replica, last_sync};
pub use hold::Hold;
pub use list::{Entry, entry, list, list_folder, read_small, remove, write_small};
pub use place::{Place, PlaceError, Remote, bundle_name, is_bundle_name, is_encrypted_name, without_signatures};
pub use ranged::{Ranged, Say};
pub use source::{Altered, Source};
pub(crate) use source::{Stretch, is_altered};

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A place for bundles. Tests have one that fails at every step.
pub trait Store: Send + Sync {
    /// Begins a file that will be published as `target`. Errors: `AlreadyExists` if the name is taken, or what the system says.
    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>>;

    /// Makes a publication last: after it, a power cut does not take the name away.
    fn settle(&self, target: &Path) -> io::Result<()>;

    /// Whether it keeps what it takes from eyes that should not see it. Then what waits for it must be kept from them too.
    fn hides(&self) -> bool {
        false
    }
}

/// A file that nobody sees yet. Dropped without [`Staged::publish`], it is gone.
pub trait Staged: Write + Send {
    /// Brings all bytes to the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// Opens what was written for reading.
    fn reopen(&self) -> io::Result<Box<dyn Source>>;

    /// Gives the file its name. Errors: `AlreadyExists` if the name was taken meanwhile, or what the system says.
    fn publish(self: Box<Self>) -> io::Result<()>;
}

/// The local disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Store for Disk {
    fn stage(&self, target: &Path) -> io::Result<Box<dyn Staged>> {
        if target.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (folder, prefix) = (folder_of(target), staged_prefix(target)?);
        sweep(folder, &prefix);
        let file = tempfile::Builder::new().prefix(&prefix).suffix(".partial").tempfile_in(folder)?;
        // The lock tells a later run that this file is alive; where locks are not supported, nothing is ever swept.
        let _ = file.as_file().try_lock();
        Ok(Box::new(StagedFile { file, target: target.to_owned() }))
    }

    #[cfg(unix)]
    fn settle(&self, target: &Path) -> io::Result<()> {
        File::open(folder_of(target))?.sync_all()
    }

    #[cfg(not(unix))]
    fn settle(&self, _target: &Path) -> io::Result<()> {
        Ok(())
    }
}

struct StagedFile {
    file: tempfile::NamedTempFile,
    target: PathBuf,
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Staged for StagedFile {
    fn sync(&mut self) -> io::Result<()> {
        self.file.as_file().sync_all()
    }

    fn reopen(&self) -> io::Result<Box<dyn Source>> {
        Ok(Box::new(self.file.reopen()?))
    }

    fn publish(self: Box<Self>) -> io::Result<()> {
        let Self { file, target } = *self;
        file.persist_noclobber(target).map(drop).map_err(|refused| refused.error)
    }
}

/// The folder of a target; the current one for a bare name.
pub fn folder_of(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn staged_prefix(target: &Path) -> io::Result<OsString> {
    let name = target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the target has no file name"))?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    Ok(prefix)
}

/// Removes files that killed runs for the same target left behind. Failing to is no fault: they only take space.
fn sweep(folder: &Path, prefix: &OsString) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours =
            name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) && name.as_encoded_bytes().ends_with(b".partial");
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) && is_abandoned(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = File::options().read(true).write(true).open(path) else { return false };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_that_is_taken_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.tar.zst");
        let (mut first, mut second) = (Disk.stage(&target).unwrap(), Disk.stage(&target).unwrap());
        first.write_all(b"first").unwrap();
        second.write_all(b"second").unwrap();
        first.publish().unwrap();
        assert_eq!(second.publish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(Disk.stage(&target).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((names(folder.path()), std::fs::read(&target).unwrap()), (vec!["b.tar.zst".to_owned()], b"first".to_vec()));
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_lives_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.tar.zst");
        std::fs::write(folder.path().join(".b.tar.zst.dead01.partial"), b"half").unwrap();
        std::fs::write(folder.path().join(".c.tar.zst.dead01.partial"), b"another's").unwrap();
        let alive = Disk.stage(&target).unwrap();
        let other = Disk.stage(&target).unwrap();
        assert_eq!(names(folder.path()).len(), 3);
        drop((alive, other));
        assert_eq!(names(folder.path()), [".c.tar.zst.dead01.partial"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("b.tar.zst");
        Disk.stage(&target).unwrap().publish().unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
