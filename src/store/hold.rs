//! A place for a bundle that is yet to go elsewhere: a file without a name, of which a killed run leaves nothing.

use super::{Source, Staged, Store};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Holds one file until it is taken.
#[derive(Clone, Debug)]
pub struct Hold {
    folder: PathBuf,
    held: Arc<Mutex<Option<File>>>,
}

impl Hold {
    /// One whose file takes space in this folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), held: Arc::default() }
    }

    /// A target that stands for the file, for those who want a path; its folder is the one that was given.
    pub fn target(&self) -> PathBuf {
        self.folder.join("bundle.tar.zst")
    }

    /// The file, once it is published.
    pub fn take(&self) -> Option<File> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Store for Hold {
    fn stage(&self, _: &Path) -> io::Result<Box<dyn Staged>> {
        Ok(Box::new(Nameless { file: tempfile::tempfile_in(&self.folder)?, held: self.held.clone() }))
    }

    fn settle(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

struct Nameless {
    file: File,
    held: Arc<Mutex<Option<File>>>,
}

impl Write for Nameless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Staged for Nameless {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reopen(&self) -> io::Result<Box<dyn Source>> {
        Ok(Box::new(self.file.try_clone()?))
    }

    fn publish(self: Box<Self>) -> io::Result<()> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.file);
        Ok(())
    }
}
