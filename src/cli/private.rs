//! Files that only their owner may read: plans and reports tell much of a workspace.

use super::Refusal;
use anyhow::Context;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

/// A file that is being written. It was opened before the work that it tells of, so that there is a place for it.
#[derive(Debug)]
pub struct Private {
    file: File,
    path: std::path::PathBuf,
    /// Whether nothing stood there before, and nothing whole stands there yet.
    fresh: bool,
}

/// Where the work failed, no empty file is left in the place of what it would tell.
impl Drop for Private {
    fn drop(&mut self) {
        if self.fresh {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Private {
    /// Opens a file with mode 0600; what stands in it stays until [`Private::write`]. An older plan or report is replaced, anything
    /// else is not: a bundle whose name slipped in here would be lost.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        Self::create_over(path, "{")
    }

    /// The same for a file that begins with these words, and replaces only another one that does.
    pub fn create_over(path: &Path, mark: &str) -> anyhow::Result<Self> {
        if holds_something_else(path, mark) {
            let what =
                format!("{} holds something else than this program would write there, and is not overwritten", path.display());
            return Err(Refusal::new(what, "give another name").into());
        }
        Self::open(path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn open(path: &Path) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // A pipe or a device is there, and stays.
        let fresh = path.symlink_metadata().is_err();
        let file = options.open(path)?;
        #[cfg(unix)]
        if file.metadata()?.is_file() {
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        Ok(Self { file, path: path.to_owned(), fresh })
    }

    /// Writes all that it will hold.
    pub fn write(self, text: &str) -> anyhow::Result<()> {
        self.fill(|file| file.write_all(text.as_bytes()))
    }

    /// Writes JSON for people as it is made, since it may be long.
    pub fn write_json(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.fill(|file| Ok(serde_json::to_writer_pretty(file, value)?))
    }

    /// Writes what is made while it is written.
    pub fn write_with(self, put: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
        self.fill(|file| put(file))
    }

    fn fill(mut self, put: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> anyhow::Result<()> {
        let emptied = if self.file.metadata().is_ok_and(|it| it.is_file()) { self.file.set_len(0) } else { Ok(()) };
        let mut file = BufWriter::new(&self.file);
        let written = emptied.and_then(|()| put(&mut file)).and_then(|()| file.write_all(b"\n")).and_then(|()| file.flush());
        self.fresh &= written.is_err();
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Whether a file with content stands there that does not begin as ours do.
fn holds_something_else(path: &Path, mark: &str) -> bool {
    let mut first = Vec::new();
    // What cannot be read is left to the opening for writing, which says why.
    let mut read = |file: File| file.take(mark.len() as u64).read_to_end(&mut first).is_ok();
    path.is_file() && File::open(path).is_ok_and(&mut read) && !first.is_empty() && first != mark.as_bytes()
}
