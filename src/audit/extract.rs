//! Takes objects out of a bundle into a folder: never outside of it, never through a link, never over a file.
//!
//! The folder is opened once as a capability; names are of the bundle's grammar, which holds for every system ([`layout`]), and the
//! system is not asked to resolve more than one component at a time.

use super::layout::{self, Layout, Place};
use super::walk::{self, Body, Told};
use crate::bundle::{Finding, MemberLine, ReadError, Reader};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
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
    let places = layout::places(members, layout);
    let (folders, files): (Vec<&Place<'_>>, Vec<&Place<'_>>) = places.iter().partition(|place| place.is_folder);
    let mut extracted = Extracted::default();
    for place in folders {
        descend(&root, &place.file).map_err(|error| error.below(folder))?;
        extracted.note(place);
    }
    extracted.files(reader, &files, &root).map_err(|error| error.below(folder))?;
    extracted.placed.sort_unstable_by(|a, b| a.file.cmp(&b.file));
    Ok(extracted)
}

impl Extracted {
    /// Several at a time; values of secrets too, if they are among them.
    fn files(&mut self, reader: &Reader, places: &[&Place<'_>], root: &Dir) -> Result<(), ExtractError> {
        let by_name = places.iter().map(|place| ((&*place.member.kind, &*place.member.path), *place));
        let by_name: HashMap<(&str, &str), &Place<'_>> = by_name.collect();
        let place_of = |member: &MemberLine| by_name.get(&(&*member.kind, &*member.path)).copied();
        let look = |body: &Body<'_>, tell: &mut dyn FnMut(Result<(), ExtractError>)| match place_of(body.member) {
            Some(place) => extract_one(body, &place.file, root).map(tell),
            None => Ok(()),
        };
        let mut end = Ok(());
        walk::all(reader, places.iter().map(|place| place.member).collect(), &look, &mut |told| {
            match told {
                Told::Seen(member, Ok(())) => place_of(member).into_iter().for_each(|place| self.note(place)),
                Told::Seen(_, Err(error)) => end = Err(error),
                Told::Lost(_, ReadError::Damaged(finding)) => self.damaged.push(*finding),
                Told::Lost(_, error) => end = Err(ExtractError::Read(unreadable(error))),
            }
            end.is_ok()
        });
        end
    }

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

/// Errors: the bytes are not to be had; then nothing of them is left.
fn extract_one(body: &Body<'_>, file: &str, root: &Dir) -> Result<Result<(), ExtractError>, ReadError> {
    let path = || PathBuf::from(file);
    let (folders, name) = file.rsplit_once('/').unwrap_or(("", file));
    let options = for_one(File::options().write(true).create_new(true).clone());
    let open = |folder: Dir| match folder.open_with(name, &options) {
        Ok(file) => Ok((folder, file)),
        Err(source) => Err(ExtractError::Create { path: path(), source }),
    };
    let (folder, mut file) = match descend(root, folders).and_then(open) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let copied = body.copy(&mut file).and_then(|()| settle(&mut file));
    if copied.is_err() {
        drop(file);
        // What was written is not to be trusted; if it cannot be removed, the error or finding still says so.
        let _ = folder.remove_file(name);
    }
    match copied {
        Err(ReadError::Output(source)) => Ok(Err(ExtractError::Write { path: path(), source })),
        copied => copied.map(Ok),
    }
}

fn unreadable(error: ReadError) -> io::Error {
    match error {
        ReadError::Io(source) | ReadError::Output(source) => source,
        error => io::Error::other(error),
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
        let is_folder = || dir.symlink_metadata(component).map(|found| found.is_dir());
        let found = match is_folder() {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => match create_folder(&dir, component) {
                // Another thread was faster.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => is_folder(),
                created => created.map(|()| true),
            },
            found => found,
        };
        if !found.map_err(|source| failed(&at, source))? {
            return Err(ExtractError::InTheWay { path: at });
        }
        dir = dir.open_dir(component).map_err(|source| failed(&at, source))?;
    }
    Ok(dir)
}
