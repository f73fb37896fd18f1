//! Files that only their owner may read: plans and reports tell much of a workspace.

use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// A file that is being written. It was opened before the work that it tells of, so that there is a place for it.
#[derive(Debug)]
pub struct Private {
    file: File,
    path: std::path::PathBuf,
}

impl Private {
    /// Opens a file with mode 0600; what stands in it stays until [`Private::write`].
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        Self::open(path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn open(path: &Path) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        #[cfg(unix)]
        if file.metadata()?.is_file() {
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Writes all that it will hold.
    pub fn write(mut self, text: &str) -> anyhow::Result<()> {
        let emptied = if self.file.metadata().is_ok_and(|it| it.is_file()) { self.file.set_len(0) } else { Ok(()) };
        let written = emptied.and_then(|()| self.file.write_all(text.as_bytes())).and_then(|()| self.file.write_all(b"\n"));
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}
