//! Brings a finished bundle to its place: whole under a name that is free, or not at all, and looks at it afterwards.
//!
//! | place | never seen in part, since | never replaces, since | refused if altered on the way |
//! |---|---|---|---|
//! | disk | it is renamed when it is whole | the rename does not | it is read back |
//! | Azure | blocks without a list are invisible | the list carries `If-None-Match: *` | MD5 of each block and of the list |
//! | S3 | an upload is invisible until it is completed | that carries `If-None-Match: *` | MD5 and SHA-256 of each part |
//! | Google Cloud | a session makes it when all is there | it began with `ifGenerationMatch=0` | MD5 of the whole |
//!
//! Nothing is written under another name first, so that a place where nothing can be deleted (WORM) is as good as any. A block
//! whose connection broke is sent again, and no other; in Azure that holds for the blocks of a run that was killed, too. What such
//! a run has sent is read back, since anybody who may write there could have sent it. If the answer to the last request is lost, that request is repeated and
//! finds its own work: an object with our ends is ours.

use super::blocks::{self, Waiting};
use super::client::{Client, Patience};
use super::error::{StoreError, StoreErrorKind};
use super::place::{Place, Remote};
use super::session;
use super::source::Source;
use super::{Disk, Store, folder_of};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{PutMode, PutOptions, PutPayload};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Sent at once, in bytes; more where the store takes no more than some thousand pieces.
const PIECE: u64 = 8 << 20;
/// No store takes more pieces.
const MOST_PIECES: u64 = 9_000;
/// Pieces on their way at once.
const SIDE_BY_SIDE: usize = 4;
/// Each piece is sent so often at most, beyond what the store crates repeat by themselves.
const TRIES: usize = 4;
/// What is sent in one request alone must fit into memory, in bytes.
const MOST_AT_ONCE: u64 = 2 << 30;
/// Compared at the start and the end of an object, in bytes: the end holds the bundle's trailer, whose digests lead to every byte.
const END: u64 = 64 << 10;

/// How closely to look at what was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// Its length and both ends; each piece had its digest checked by the store.
    #[default]
    Ends,
    /// Every byte, read back.
    Full,
}

/// How it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Length and both ends are as they were sent.
    Ends,
    /// Every byte is as it was sent.
    Full,
    /// Whoever is signed in may write there and not read.
    Nothing,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// How it was looked at.
    pub seen: Seen,
    /// Bytes that were there already: all of them, or those that an earlier try had sent.
    pub found: u64,
}

/// Why a bundle is not at its place.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The store did not take it.
    #[error("cannot write {place}")]
    Store {
        /// The place.
        place: String,
        /// What the store said.
        source: StoreError,
    },
    /// The disk did not take it.
    #[error("cannot write {}", .path.display())]
    Disk {
        /// The place.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name on disk is taken; what stands there was not touched.
    #[error("{} exists already, and a bundle is never overwritten", .0.display())]
    Taken(PathBuf),
}

impl DeliverError {
    /// Whether the name is taken.
    pub fn is_taken(&self) -> bool {
        match self {
            Self::Store { source, .. } => matches!(source.kind(), StoreErrorKind::Taken | StoreErrorKind::Locked),
            Self::Taken(_) => true,
            Self::Disk { .. } => false,
        }
    }
}

/// Asks whether a bundle can go there: the name is free, and whoever is signed in may do what it takes, as far as can be seen
/// without writing.
pub async fn is_free(place: &Place) -> Result<(), DeliverError> {
    match place {
        Place::Disk(path) if path.symlink_metadata().is_ok() => Err(DeliverError::Taken(path.clone())),
        Place::Disk(path) => match folder_of(path).metadata() {
            Ok(_) => Ok(()),
            Err(source) => Err(DeliverError::Disk { path: path.clone(), source }),
        },
        Place::Remote(remote) => {
            let fail = |source| DeliverError::Store { place: remote.to_string(), source };
            let client = Client::new(remote, Patience::Short).map_err(fail)?;
            match client.head().await {
                Ok(_) => Err(fail(taken())),
                // A sign-in that may only create is a good one: it finds out at the end.
                Err(error) if matches!(error.kind(), StoreErrorKind::NoObject | StoreErrorKind::Forbidden) => Ok(()),
                Err(error) => Err(fail(error)),
            }
        }
    }
}

/// Brings the file there. Dropped on its way, it leaves nothing under the name, or, if it was that close, the whole.
pub async fn deliver(file: &Arc<File>, place: &Place, look: Look) -> Result<Delivered, DeliverError> {
    match place {
        Place::Disk(path) => {
            let (file, target) = (file.clone(), path.clone());
            let copied = tokio::task::spawn_blocking(move || copy(&file, &target)).await;
            let copied = copied.map_err(io::Error::other).flatten();
            copied.map(|()| Delivered { seen: Seen::Full, found: 0 }).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => DeliverError::Taken(path.clone()),
                _ => DeliverError::Disk { path: path.clone(), source },
            })
        }
        Place::Remote(remote) => {
            let sent = send(file, remote, look).await;
            sent.map_err(|source| DeliverError::Store { place: remote.to_string(), source })
        }
    }
}

fn copy(file: &File, target: &Path) -> io::Result<()> {
    let mut staged = Disk.stage(target)?;
    let size = file.size()?;
    for range in pieces(size, PIECE) {
        staged.write_all(&read(file, &range)?)?;
    }
    staged.flush()?;
    staged.sync()?;
    let written = staged.reopen()?;
    for range in pieces(size, PIECE) {
        let mut there = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
        written.read_at(range.start, &mut there)?;
        if read(file, &range)? != there {
            return Err(StoreError::new(StoreErrorKind::NotAsSent, "what was written does not read back").into());
        }
    }
    staged.publish()?;
    Disk.settle(target)
}

async fn send(file: &Arc<File>, remote: &Remote, look: Look) -> Result<Delivered, StoreError> {
    let client = Client::new(remote, Patience::Long)?;
    let size = file.size().map_err(|error| local(&error))?;
    let mut found = Vec::new();
    let sent = match &client.pieces {
        Some(store) if size > PIECE || client.is_azure() => in_pieces(&client, &**store, file, size, &mut found).await,
        None => session::put(&client, file, size).await,
        Some(_) => at_once(&client, file, size).await,
    };
    let sent = match sent {
        // A SAS of Azure that may only create may send no blocks, but a whole.
        Err(error) if error.kind() == StoreErrorKind::Forbidden && client.is_azure() && size <= MOST_AT_ONCE => {
            at_once(&client, file, size).await
        }
        sent => sent,
    };
    match sent {
        Ok(()) => {}
        // The answer to the last request may have been lost, and its repetition have met its own work.
        Err(error) if may_be_done(&error) => match differs(&client, file, size, ends(size)).await {
            Ok(None) => {}
            Ok(Some(_)) => return Err(taken()),
            Err(_) => return Err(error),
        },
        Err(error) => return Err(error),
    }
    let bytes = found.iter().map(|range| range.end - range.start).sum();
    let ranges = if look == Look::Full { all(size) } else { ends(size).into_iter().chain(found).collect() };
    match differs(&client, file, size, ranges).await {
        Ok(None) => Ok(Delivered { seen: if look == Look::Full { Seen::Full } else { Seen::Ends }, found: bytes }),
        Ok(Some(what)) => {
            Err(StoreError::new(StoreErrorKind::NotAsSent, format!("what stands there is not what was sent: {what}")))
        }
        Err(error) if error.kind() == StoreErrorKind::Forbidden && look == Look::Ends && bytes == 0 => {
            Ok(Delivered { seen: Seen::Nothing, found: 0 })
        }
        Err(error) => Err(StoreError::new(error.kind(), format!("it was sent, and cannot be looked at: {error}"))),
    }
}

fn may_be_done(error: &StoreError) -> bool {
    use StoreErrorKind as Kind;
    matches!(error.kind(), Kind::Taken | Kind::Locked | Kind::Changed | Kind::Silent | Kind::Other | Kind::NoObject)
}

async fn at_once(client: &Client, file: &Arc<File>, size: u64) -> Result<(), StoreError> {
    if size > MOST_AT_ONCE {
        let limit = MOST_AT_ONCE >> 30;
        return Err(StoreError::new(
            StoreErrorKind::Other,
            format!("this store takes bundles of at most {limit} GiB from lifeboat"),
        ));
    }
    let bytes = read(file, &(0..size)).map_err(|error| local(&error))?;
    let payload = PutPayload::from(Bytes::from(bytes));
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match object_store::ObjectStore::put_opts(&*client.objects, &client.remote.key, payload, options).await {
        Ok(_) => Ok(()),
        Err(error) => Err(client.explain(error).await),
    }
}

/// `found` becomes the ranges that an earlier try had sent.
async fn in_pieces(
    client: &Client,
    store: &dyn MultipartStore,
    file: &Arc<File>,
    size: u64,
    found: &mut Vec<Range<u64>>,
) -> Result<(), StoreError> {
    let key = &client.remote.key;
    let id = match store.create_multipart(key).await {
        Ok(id) => id,
        Err(error) => return Err(client.explain(error).await),
    };
    let upload = Upload { client, store, id: &id, file, waiting: blocks::waiting(client).await };
    let piece = PIECE.max(size.div_ceil(MOST_PIECES).next_multiple_of(1 << 20));
    let sending = pieces(size, piece).enumerate().map(|(number, range)| upload.one(number, range));
    let sent: Result<Vec<Piece>, StoreError> = stream::iter(sending).buffered(SIDE_BY_SIDE).try_collect().await;
    let done = match sent {
        Ok(sent) => {
            found.extend(sent.iter().filter_map(|piece| piece.found.clone()));
            let parts = sent.into_iter().map(|piece| piece.part).collect();
            store.complete_multipart(key, &id, parts).await.map(drop).map_err(StoreError::from)
        }
        Err(error) => Err(error),
    };
    if done.is_err() {
        // What was sent takes space at some stores until it is given up. Failing to is told by nobody but the bill.
        let _ = store.abort_multipart(key, &id).await;
    }
    done
}

/// An upload on its way.
struct Upload<'a> {
    client: &'a Client,
    store: &'a dyn MultipartStore,
    id: &'a String,
    file: &'a Arc<File>,
    waiting: Waiting,
}

struct Piece {
    part: PartId,
    /// The range, if it was there already.
    found: Option<Range<u64>>,
}

impl Upload<'_> {
    async fn one(&self, number: usize, range: Range<u64>) -> Result<Piece, StoreError> {
        let bytes = Bytes::from(read(self.file, &range).map_err(|error| local(&error))?);
        if !self.client.is_azure() {
            return Ok(Piece { part: self.put(number, bytes).await?, found: None });
        }
        let part = blocks::name(number, &bytes);
        if self.waiting.get(&part.content_id) == Some(&(range.end - range.start)) {
            return Ok(Piece { part, found: Some(range) });
        }
        blocks::called(&part, self.put(number, bytes)).await?;
        Ok(Piece { part, found: None })
    }

    async fn put(&self, number: usize, bytes: Bytes) -> Result<PartId, StoreError> {
        let payload = PutPayload::from(bytes);
        let mut tries = 1;
        loop {
            let error = match self.store.put_part(&self.client.remote.key, self.id, number, payload.clone()).await {
                Ok(part) => return Ok(part),
                Err(error) => StoreError::from(error),
            };
            if tries == TRIES || !matches!(error.kind(), StoreErrorKind::Silent | StoreErrorKind::Other) {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(500 << tries)).await;
            tries += 1;
        }
    }
}

/// Whether a place holds the file already: then how that was seen.
pub async fn is_there(file: &Arc<File>, place: &Place, look: Look) -> Result<Option<Delivered>, DeliverError> {
    let size = file.size().map_err(|error| DeliverError::Store { place: place.to_string(), source: local(&error) })?;
    let (same, seen) = match place {
        Place::Disk(path) => {
            let fail = |source| DeliverError::Disk { path: path.clone(), source };
            (is_same(file, &File::open(path).map_err(fail)?, size).map_err(fail)?, Seen::Full)
        }
        Place::Remote(remote) => {
            let fail = |source| DeliverError::Store { place: remote.to_string(), source };
            let client = Client::new(remote, Patience::Short).map_err(fail)?;
            let (ranges, seen) = if look == Look::Full { (all(size), Seen::Full) } else { (ends(size), Seen::Ends) };
            (differs(&client, file, size, ranges).await.map_err(fail)?.is_none(), seen)
        }
    };
    Ok(same.then_some(Delivered { seen, found: size }))
}

fn is_same(file: &File, there: &File, size: u64) -> io::Result<bool> {
    if there.size()? != size {
        return Ok(false);
    }
    for range in pieces(size, PIECE) {
        if read(file, &range)? != read(there, &range)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn all(size: u64) -> Vec<Range<u64>> {
    pieces(size, PIECE).collect()
}

fn ends(size: u64) -> Vec<Range<u64>> {
    if size <= 2 * END { pieces(size, 2 * END).collect() } else { vec![0..END, size - END..size] }
}

/// What of these ranges of the object is not as it was sent, if anything.
async fn differs(client: &Client, file: &Arc<File>, size: u64, ranges: Vec<Range<u64>>) -> Result<Option<String>, StoreError> {
    let meta = client.head().await?;
    if meta.size != size {
        return Ok(Some(format!("it has {} bytes of {size}", meta.size)));
    }
    let tag = meta.e_tag.as_deref();
    let looking = ranges.into_iter().map(|range| async move {
        let (there, _) = client.range(range.clone(), tag).await?;
        let same = read(file, &range).map_err(|error| local(&error))? == there;
        Ok::<_, StoreError>((!same).then(|| format!("bytes {} to {} differ", range.start, range.end)))
    });
    let mut looked = stream::iter(looking).buffered(SIDE_BY_SIDE);
    while let Some(difference) = looked.next().await {
        if let Some(difference) = difference? {
            return Ok(Some(difference));
        }
    }
    Ok(None)
}

fn pieces(size: u64, piece: u64) -> impl Iterator<Item = Range<u64>> {
    (0..size.div_ceil(piece)).map(move |index| index * piece..size.min((index + 1) * piece))
}

fn read(file: &File, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
    file.read_at(range.start, &mut bytes)?;
    Ok(bytes)
}

fn local(error: &io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Other, format!("cannot read the bundle that is to be sent: {error}"))
}

fn taken() -> StoreError {
    StoreError::new(StoreErrorKind::Taken, "the name is taken, and a bundle is never overwritten")
}
