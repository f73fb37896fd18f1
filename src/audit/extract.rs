//! Takes objects out of a bundle into a folder: never outside of it, never through a link, never over a file.
//!
//! The folder is opened once as a capability; names were checked by the reader's grammar, and the system is not asked to
//! resolve more than one component at a time.

use crate::bundle::{Finding, MemberLine, ReadError, Reader};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files that were written whole.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were wanted and are damaged in the bundle; nothing of them was left in the folder.
    pub damaged: Vec<Finding>,
}

/// Why nothing more could be extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The folder cannot be opened or created.
    #[error("cannot open the folder {}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A link, or something else that is no folder, stands where a folder of the bundle must be.
    #[error("{} is in the way: it is a link, or not a folder", .path.display())]
    InTheWay {
        /// Where it would be.
        path: PathBuf,
    },
    /// A file cannot be created; files that exist are not overwritten.
    #[error("cannot create {}", .path.display())]
    Create {
        /// Where it would be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Where it would be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bundle cannot be read.
    #[error("cannot read the bundle")]
    Read(#[source] io::Error),
}

impl ExtractError {
    /// Whether a file of that name is there already.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Create { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }

    /// With paths as people know them: not from the folder on, but with it.
    fn below(mut self, folder: &Path) -> Self {
        if let Self::InTheWay { path } | Self::Create { path, .. } | Self::Write { path, .. } = &mut self {
            *path = folder.join(&*path);
        }
        self
    }
}

/// Writes the wanted objects to `<folder>/<kind>/…`. The folder is created if it is not there. Damaged objects are noted and
/// passed over; any other trouble ends the work.
pub fn extract(reader: &Reader, wanted: &dyn Fn(&MemberLine) -> bool, folder: &Path) -> Result<Extracted, ExtractError> {
    let failed = |source| ExtractError::Folder { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let root = Dir::open_ambient_dir(folder, ambient_authority()).map_err(failed)?;
    let mut extracted = Extracted::default();
    for member in reader.manifest().in_place_order().filter(|member| wanted(member)) {
        match extract_one(reader, member, &root).map_err(|error| error.below(folder))? {
            None => (extracted.files, extracted.bytes) = (extracted.files + 1, extracted.bytes + member.size),
            Some(finding) => extracted.damaged.push(finding),
        }
    }
    Ok(extracted)
}

fn extract_one(reader: &Reader, member: &MemberLine, root: &Dir) -> Result<Option<Finding>, ExtractError> {
    let relative = member.name.strip_prefix("data/").unwrap_or(&member.name);
    let path = || PathBuf::from(relative);
    let (folders, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    let folder = descend(root, folders)?;
    let mut options = OpenOptions::new().write(true).create_new(true).clone();
    if crate::kinds::by_name(&member.kind).is_some_and(crate::kinds::Kind::is_secret_value) {
        for_us_alone(&mut options);
    }
    let mut file = folder.open_with(name, &options).map_err(|source| ExtractError::Create { path: path(), source })?;
    match reader.copy(member, &mut file).and_then(|_| settle(&mut file)) {
        Ok(()) => Ok(None),
        Err(cause) => {
            drop(file);
            // What was written is not to be trusted; if it cannot be removed, the error or finding still says so.
            let _ = folder.remove_file(name);
            match cause {
                ReadError::Damaged(finding) => Ok(Some(*finding)),
                ReadError::Output(source) => Err(ExtractError::Write { path: path(), source }),
                ReadError::Io(source) => Err(ExtractError::Read(source)),
                ReadError::TooLarge { .. } => Err(ExtractError::Read(io::ErrorKind::OutOfMemory.into())),
            }
        }
    }
}

#[cfg(unix)]
fn for_us_alone(options: &mut OpenOptions) {
    cap_std::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn for_us_alone(_: &mut OpenOptions) {}

fn settle(file: &mut File) -> Result<(), ReadError> {
    file.flush().map_err(ReadError::Output)
}

/// Opens the folders of a name one by one, creating what is not there and refusing what is no true folder.
fn descend(root: &Dir, folders: &str) -> Result<Dir, ExtractError> {
    let mut at = PathBuf::new();
    let failed = |path: &Path, source| ExtractError::Create { path: path.to_owned(), source };
    let mut dir = root.try_clone().map_err(|source| failed(&at, source))?;
    for component in folders.split('/') {
        at.push(component);
        match dir.symlink_metadata(component) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(ExtractError::InTheWay { path: at }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                dir.create_dir(component).map_err(|source| failed(&at, source))?;
            }
            Err(source) => return Err(failed(&at, source)),
        }
        dir = dir.open_dir(component).map_err(|source| failed(&at, source))?;
    }
    Ok(dir)
}
