//! What lies in a folder or below a prefix, and small files there.

use super::client::{Client, Patience};
use super::error::{StoreError, StoreErrorKind};
use super::place::{Place, Remote};
use super::ranged::Say;
use super::session;
use bytes::Bytes;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use object_store::{ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload};
use std::io;
use std::path::Path;

/// A file or an object.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it lies.
    pub place: Place,
    /// Its name below what was listed.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// What changes when its bytes do, where the store has such a thing.
    pub tag: Option<String>,
    /// When it was written, by the clock of the store.
    pub modified: Option<Timestamp>,
}

/// How far down to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    All,
    Folder,
}

/// All that lies in a place and below it, in order of names. Of an Azure account whose primary does not answer, what its secondary has.
pub async fn list(place: &Place, say: &Say) -> Result<Vec<Entry>, StoreError> {
    listed(place, Reach::All, say).await
}

/// The same for what lies in the folder itself, and in no deeper one.
pub async fn list_folder(place: &Place, say: &Say) -> Result<Vec<Entry>, StoreError> {
    listed(place, Reach::Folder, say).await
}

async fn listed(place: &Place, reach: Reach, say: &Say) -> Result<Vec<Entry>, StoreError> {
    let mut entries = match place {
        Place::Disk(folder) => {
            on_disk(folder, reach).map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()))?
        }
        Place::Remote(remote) => in_store(remote, reach, say).await?,
    };
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn on_disk(folder: &Path, reach: Reach) -> io::Result<Vec<Entry>> {
    if !folder.is_dir() {
        folder.read_dir()?;
    }
    let depth = if reach == Reach::Folder { 1 } else { usize::MAX };
    let walked = walkdir::WalkDir::new(folder).max_depth(depth).into_iter().collect::<Result<Vec<_>, _>>()?;
    let entry = |found: walkdir::DirEntry| {
        let meta = found.metadata()?;
        let name = found.path().strip_prefix(folder).unwrap_or(found.path()).to_string_lossy().into_owned();
        let modified = meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        Ok(Entry { place: Place::Disk(found.into_path()), name, size: meta.len(), tag: None, modified })
    };
    walked.into_iter().filter(|found| found.file_type().is_file()).map(entry).collect()
}

async fn in_store(remote: &Remote, reach: Reach, say: &Say) -> Result<Vec<Entry>, StoreError> {
    let client = Client::new(remote, Patience::Short)?;
    match below(&client, reach).await {
        Err(error) if error.kind() == StoreErrorKind::Silent => {
            let Some(secondary) = client.secondary().transpose()? else { return Err(error) };
            let mut entries = below(&secondary, reach).await.map_err(|_| error)?;
            // Whoever reads them need not find out again.
            entries.iter_mut().for_each(|entry| entry.place = entry.place.on_secondary());
            say(&format!("{remote}: the primary does not answer; this is what the secondary has"));
            Ok(entries)
        }
        entries => entries,
    }
}

async fn below(client: &Client, reach: Reach) -> Result<Vec<Entry>, StoreError> {
    let remote = &client.remote;
    let listed: Result<Vec<_>, _> = match reach {
        Reach::All => client.objects.list(Some(&remote.key)).try_collect().await,
        Reach::Folder => client.objects.list_with_delimiter(Some(&remote.key)).await.map(|listed| listed.objects),
    };
    let entry = |meta: ObjectMeta| Entry {
        name: meta.location.as_ref().strip_prefix(remote.key.as_ref()).unwrap_or_default().trim_start_matches('/').to_owned(),
        place: Place::Remote(Box::new(remote.at(&meta.location))),
        size: meta.size,
        tag: tag_of(&meta),
        modified: modified(&meta),
    };
    match listed {
        Ok(listed) => Ok(listed.into_iter().map(entry).collect()),
        Err(error) => match StoreError::from(error) {
            error if error.kind() == StoreErrorKind::NoObject => {
                Err(StoreError::new(StoreErrorKind::NoContainer, format!("there is no such {}", remote.container_word())))
            }
            error => Err(error),
        },
    }
}

/// Listings and answers write the same tag differently.
fn tag_of(meta: &ObjectMeta) -> Option<String> {
    meta.e_tag.as_deref().map(|tag| tag.trim_matches('"').to_owned())
}

fn modified(meta: &ObjectMeta) -> Option<Timestamp> {
    Timestamp::from_millisecond(meta.last_modified.timestamp_millis()).ok()
}

/// One file or object, as its listing would show it.
pub async fn entry(place: &Place) -> Result<Entry, StoreError> {
    let name = String::new();
    match place {
        Place::Disk(path) => {
            let meta = path.metadata().map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()))?;
            let modified = meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
            Ok(Entry { place: place.clone(), name, size: meta.len(), tag: None, modified })
        }
        Place::Remote(remote) => {
            let meta = Client::new(remote, Patience::Short)?.head().await?;
            Ok(Entry { place: place.clone(), name, size: meta.size, tag: tag_of(&meta), modified: modified(&meta) })
        }
    }
}

/// Removes a file or an object. Errors: what the store says, such as that it is locked.
pub async fn remove(place: &Place) -> Result<(), StoreError> {
    match place {
        Place::Disk(path) => {
            std::fs::remove_file(path).map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()))
        }
        Place::Remote(remote) => Client::new(remote, Patience::Short)?.delete().await,
    }
}

/// The bytes of a small file. Errors: it is larger than `most`, or what the store says.
pub async fn read_small(place: &Place, most: u64) -> Result<Vec<u8>, StoreError> {
    let large = || StoreError::new(StoreErrorKind::Other, format!("it is larger than {most} bytes"));
    match place {
        Place::Disk(path) => {
            let other = |error: io::Error| StoreError::new(StoreErrorKind::Other, error.to_string());
            if path.metadata().map_err(other)?.len() > most {
                return Err(large());
            }
            std::fs::read(path).map_err(other)
        }
        Place::Remote(remote) => {
            let (bytes, meta) = Client::new(remote, Patience::Short)?.range(0..most, None).await?;
            if meta.size > most { Err(large()) } else { Ok(bytes.into()) }
        }
    }
}

/// Writes a small file in one request. Errors: the name is taken, unless it may be replaced; what the store says.
pub async fn write_small(place: &Place, bytes: Vec<u8>, replace: bool) -> Result<(), StoreError> {
    match place {
        Place::Disk(path) => small_on_disk(path, &bytes, replace).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::new(StoreErrorKind::Taken, "the name is taken"),
            _ => StoreError::new(StoreErrorKind::Other, error.to_string()),
        }),
        Place::Remote(remote) => {
            let client = Client::new(remote, Patience::Short)?;
            if client.google.is_some() {
                return session::put_small(&client, bytes, replace).await;
            }
            let mode = if replace { PutMode::Overwrite } else { PutMode::Create };
            let options = PutOptions { mode, ..PutOptions::default() };
            let put = client.objects.put_opts(&remote.key, PutPayload::from(Bytes::from(bytes)), options).await;
            put.map(drop).map_err(StoreError::from)
        }
    }
}

fn small_on_disk(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(super::folder_of(path))?;
    io::Write::write_all(&mut file, bytes)?;
    let kept = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    kept.map(drop).map_err(|refused| refused.error)
}
