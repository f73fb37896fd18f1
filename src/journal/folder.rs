//! The folder that imports keep on this machine: for its owner alone, with a name of its own and a turn for each target.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Write};
use std::path::Path;

/// The right to change a workspace: one import at a time holds it, from before it plans until it is over.
///
/// It holds among the processes that share a state folder, and ends with the process, however that ends.
#[derive(Debug)]
pub struct Turn {
    _file: File,
    /// Whether this file system knows locks, so that nobody else can have the same turn.
    pub alone: bool,
}

impl Turn {
    /// Takes the right for this target; nothing if somebody else has it. Errors: what the file system says.
    pub fn take(folder: &Path, target: &str) -> io::Result<Option<Self>> {
        private_folder(folder)?;
        let file = private_file(&folder.join(format!("{}.lock", plain(target))))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file, alone: true })),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some shared file systems know no locks: an import there is as safe as it was before there were any.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Some(Self { _file: file, alone: false }))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// What tells this state folder from every other: made up once.
pub fn folder_id(folder: &Path) -> io::Result<String> {
    private_folder(folder)?;
    let mut file = private_file(&folder.join("id"))?;
    let mut text = String::new();
    File::open(folder.join("id"))?.read_to_string(&mut text)?;
    if text.is_empty() {
        text = made_up();
        file.write_all(text.as_bytes())?;
    }
    Ok(text)
}

/// A name that nobody had before: 32 hexadecimal digits.
pub fn made_up() -> String {
    let part = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", part(), part())
}

/// Makes a folder that only its owner may look into; one that is there stays as it is.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Opens a journal that only its owner may read, also where an earlier version made it for all.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// So long a part of a file's name may be: two of them and an ending are less than any file system allows.
const LONGEST: usize = 64;

/// Workspace ids are digits; whatever else an answer or a bundle holds must not become a path, nor a name that no file can have.
pub(crate) fn plain(text: &str) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    match name.len() {
        0 => "unknown".to_owned(),
        1..=LONGEST => name,
        _ => format!("{}_{:016x}", &name[..LONGEST - 17], xxhash_rust::xxh64::xxh64(text.as_bytes(), 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn whatever_a_workspace_is_called_its_files_have_names() {
        assert_eq!(
            (plain("1000000000000001"), plain(""), plain("../a\0é")),
            ("1000000000000001".into(), "unknown".into(), "___a__".into())
        );
        let long = "x".repeat(5000);
        assert!(plain(&long).len() == 64 && plain(&long) != plain(&format!("{long}y")));
    }
}
