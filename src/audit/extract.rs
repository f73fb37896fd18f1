//! Takes objects out of a bundle into a folder: never outside of it, never through a link, never over a file.
//!
//! The folder is opened once as a capability; names are of the bundle's grammar, which holds for every system ([`layout`]), and the
//! system is not asked to resolve more than one component at a time.

use super::layout::{self, Layout, Place};
use crate::bundle::{Finding, MemberLine, ReadError, Reader};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use schemars::JsonSchema;
use serde::Serialize;
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
    /// Where each object lies now, ascending by file.
    pub placed: Vec<Placed>,
}

/// Where an object lies now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Placed {
    /// Name of the kind.
    pub kind: String,
    /// True object path, or source id.
    pub path: String,
    /// Its file below the folder, with slashes; of a folder, the folder.
    pub file: String,
    /// Bytes of the file; 0 for a folder.
    pub bytes: u64,
    /// Whether it could not have the name that it has in the workspace: a system does not take it, or it is another's.
    pub renamed: bool,
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

/// Writes objects below a folder, which is created if it is not there. Damaged objects are noted and passed over; any other
/// trouble ends the work.
pub fn extract(reader: &Reader, members: &[&MemberLine], layout: Layout, folder: &Path) -> Result<Extracted, ExtractError> {
    let failed = |source| ExtractError::Folder { path: folder.to_owned(), source };
    create_folders(folder).map_err(failed)?;
    let root = Dir::open_ambient_dir(folder, ambient_authority()).map_err(failed)?;
    let mut places = layout::places(members, layout);
    places.sort_unstable_by_key(|place| (place.member.frame, place.member.at));
    let mut extracted = Extracted::default();
    for place in places {
        match extract_one(reader, &place, &root).map_err(|error| error.below(folder))? {
            None => extracted.note(&place),
            Some(finding) => extracted.damaged.push(finding),
        }
    }
    extracted.placed.sort_unstable_by(|a, b| a.file.cmp(&b.file));
    Ok(extracted)
}

impl Extracted {
    fn note(&mut self, place: &Place<'_>) {
        let Place { member, file, is_renamed, is_folder } = place;
        if !is_folder {
            (self.files, self.bytes) = (self.files + 1, self.bytes + member.size);
        }
        let (kind, path) = (member.kind.to_string(), member.path.to_string());
        let bytes = if *is_folder { 0 } else { member.size };
        self.placed.push(Placed { kind, path, file: file.clone(), bytes, renamed: *is_renamed });
    }
}

fn extract_one(reader: &Reader, place: &Place<'_>, root: &Dir) -> Result<Option<Finding>, ExtractError> {
    let relative = place.file.as_str();
    if place.is_folder {
        return descend(root, relative).map(|_| None);
    }
    let path = || PathBuf::from(relative);
    let (folders, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    let folder = descend(root, folders)?;
    let mut file = folder
        .open_with(name, &for_one(File::options().write(true).create_new(true).clone()))
        .map_err(|source| ExtractError::Create { path: path(), source })?;
    match reader.copy(place.member, &mut file).and_then(|_| settle(&mut file)) {
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

/// What is taken out is for whoever takes it out: names, addresses, code.
#[cfg(unix)]
fn for_one(mut options: OpenOptions) -> OpenOptions {
    cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(not(unix))]
fn for_one(options: OpenOptions) -> OpenOptions {
    options
}

#[cfg(unix)]
fn create_folders(folder: &Path) -> io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(folder)
}

#[cfg(not(unix))]
fn create_folders(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(unix)]
fn create_folder(dir: &Dir, name: &str) -> io::Result<()> {
    let mut builder = cap_std::fs::DirBuilder::new();
    cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
    dir.create_dir_with(name, &builder)
}

#[cfg(not(unix))]
fn create_folder(dir: &Dir, name: &str) -> io::Result<()> {
    dir.create_dir(name)
}

fn settle(file: &mut File) -> Result<(), ReadError> {
    file.flush().map_err(ReadError::Output)
}

/// Opens the folders of a name one by one, creating what is not there and refusing what is no true folder.
fn descend(root: &Dir, folders: &str) -> Result<Dir, ExtractError> {
    let mut at = PathBuf::new();
    let failed = |path: &Path, source| ExtractError::Create { path: path.to_owned(), source };
    let mut dir = root.try_clone().map_err(|source| failed(&at, source))?;
    for component in folders.split('/').filter(|component| !component.is_empty()) {
        at.push(component);
        match dir.symlink_metadata(component) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(ExtractError::InTheWay { path: at }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                create_folder(&dir, component).map_err(|source| failed(&at, source))?;
            }
            Err(source) => return Err(failed(&at, source)),
        }
        dir = dir.open_dir(component).map_err(|source| failed(&at, source))?;
    }
    Ok(dir)
}
