//! Which bundles a place holds.
//!
//! Beside a bundle in a store lies its [`Record`], `NAME.record.json`, so that a catalogue of a year of nights costs a listing and
//! some kilobytes. Where there is none, or one of other bytes, the bundle itself is opened. That a bundle was verified is a file of
//! its own, `NAME.verified-TIME.json`, which is never changed and so can lie in a container where nothing can be.

mod prune;
mod record;

pub use prune::{Shelf, decide, decide_of, remove};
pub use record::Record;

use crate::bundle::{Limits, OpenError, Reader};
use crate::event::causes;
use crate::store::{self, Entry, Place, Ranged, Say, Source, StoreError, is_bundle_name, is_encrypted_name};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;

/// No record is larger, in bytes.
const MOST: u64 = 64 << 10;
/// Records that are read at once.
const SIDE_BY_SIDE: usize = 16;
const RECORD: &str = ".record.json";
const VERIFIED: &str = ".verified-";

/// A bundle that lies in a place.
#[derive(Debug)]
pub struct Shelved {
    /// The object or file.
    pub entry: Entry,
    /// What is known of it.
    pub known: Known,
    /// When it was verified last, as far as that was noted.
    pub verified: Option<Timestamp>,
}

/// What is known of a bundle, and whence.
#[derive(Debug)]
pub enum Known {
    /// From its record.
    Recorded(Box<Record>),
    /// From the bundle itself.
    Opened(Box<Record>),
    /// It is encrypted, and there is no record.
    Encrypted,
    /// It cannot be opened.
    Unreadable(String),
}

impl Known {
    /// What is known.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Recorded(record) | Self::Opened(record) => Some(record),
            Self::Encrypted | Self::Unreadable(_) => None,
        }
    }
}

impl Shelved {
    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        is_encrypted_name(&self.entry.name)
    }

    /// When it was made: as it says itself, or else when it was written.
    pub fn time(&self) -> Option<Timestamp> {
        self.known.record().and_then(|record| record.created.parse().ok()).or(self.entry.modified)
    }
}

/// All bundles in a place, the oldest first. With `anew`, records are not read, and every bundle is opened; of an encrypted one
/// there is nothing but its record. Notes of verification are then read too.
pub async fn bundles(place: &Place, anew: bool, say: &Say) -> Result<Vec<Shelved>, StoreError> {
    Ok(among(store::list(place, say).await?, anew, say).await)
}

/// The bundles among what was listed.
async fn among(entries: Vec<Entry>, anew: bool, say: &Say) -> Vec<Shelved> {
    let mut entries: BTreeMap<String, Entry> = entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let names: Vec<String> = entries.keys().filter(|name| is_bundle_name(name)).cloned().collect();
    let mut wanted = Vec::new();
    for name in names {
        let record = entries
            .get(&format!("{name}{RECORD}"))
            .map(|entry| entry.place.clone())
            .filter(|_| !anew || is_encrypted_name(&name));
        let start = format!("{name}{VERIFIED}");
        let notes = entries.range(start.clone()..).take_while(|(other, _)| other.starts_with(&start));
        let notes = notes.filter_map(|(note, entry)| Some((noted(&note[start.len()..])?, entry.place.clone())));
        let notes: Vec<(Timestamp, Place)> = notes.collect();
        wanted.extend(entries.remove(&name).map(|entry| (entry, record, notes)));
    }
    let looking = wanted.into_iter().map(|(entry, record, notes)| async move {
        let known = known(&entry, record, say).await;
        let verified = if anew { of_this(notes, known.record()).await } else { notes.into_iter().map(|(at, _)| at).max() };
        Shelved { entry, known, verified }
    });
    let mut shelved: Vec<Shelved> = stream::iter(looking).buffered(SIDE_BY_SIDE).collect().await;
    shelved.sort_by(|a, b| (a.time(), &a.entry.name).cmp(&(b.time(), &b.entry.name)));
    shelved
}

/// When it was verified last, by the notes that speak of the bundle that lies there now, and not of one that had its name before.
async fn of_this(mut notes: Vec<(Timestamp, Place)>, record: Option<&Record>) -> Option<Timestamp> {
    let manifest = &record?.manifest_sha256;
    notes.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, place) in notes {
        let note = store::read_small(&place, MOST).await.ok();
        let note = note.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
        if note.is_some_and(|note| note.get("manifest_sha256").and_then(serde_json::Value::as_str) == Some(manifest)) {
            return Some(at);
        }
    }
    None
}

async fn known(entry: &Entry, record: Option<Place>, say: &Say) -> Known {
    if let Some(place) = record {
        let read = store::read_small(&place, MOST).await.ok();
        if let Some(record) = read.and_then(|bytes| Record::read(&bytes, entry.size, entry.tag.as_deref())) {
            return Known::Recorded(Box::new(record));
        }
    }
    if is_encrypted_name(&entry.name) {
        return Known::Encrypted;
    }
    let (place, tag, say) = (entry.place.clone(), entry.tag.clone(), say.clone());
    let opened = tokio::task::spawn_blocking(move || open(&place, say).map(|reader| Record::of(&reader, tag))).await;
    match opened {
        Ok(Ok(record)) => Known::Opened(Box::new(record)),
        Ok(Err(error)) => Known::Unreadable(causes(&error)),
        Err(error) => Known::Unreadable(error.to_string()),
    }
}

fn open(place: &Place, say: Say) -> Result<Reader, OpenError> {
    let source: Box<dyn Source> = match place {
        Place::Disk(path) => Box::new(File::open(path).map_err(OpenError::Io)?),
        Place::Remote(remote) => Box::new(Ranged::open(remote, say).map_err(|error| OpenError::Io(error.into()))?),
    };
    Reader::open_source(source, Limits::default())
}

/// Writes the record of a bundle that was just put there. Errors: what the store says; that there is no record is no harm.
pub async fn record(place: &Place, record: &Record) -> Result<(), StoreError> {
    let Entry { size: bytes, tag, .. } = store::entry(place).await?;
    write(place, &Record { bytes, tag, ..record.clone() }).await
}

/// The record that lies beside a bundle, if it is of these bytes.
pub async fn recorded(place: &Place) -> Option<Record> {
    let entry = store::entry(place).await.ok()?;
    let bytes = store::read_small(&place.beside(RECORD), MOST).await.ok()?;
    Record::read(&bytes, entry.size, entry.tag.as_deref())
}

/// Writes this record beside its bundle, in place of another.
pub async fn write(place: &Place, record: &Record) -> Result<(), StoreError> {
    store::write_small(&place.beside(RECORD), record.to_bytes(), true).await
}

/// Notes beside a bundle that it was verified, and how closely.
pub async fn note_verified(place: &Place, at: Timestamp, manifest_sha256: &str, depth: &str) -> Result<(), StoreError> {
    let name = format!("{VERIFIED}{}.json", at.strftime("%Y%m%dT%H%M%SZ"));
    let note = serde_json::json!({ "verified": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "depth": depth, "manifest_sha256": manifest_sha256 });
    store::write_small(&place.beside(&name), note.to_string().into_bytes(), false).await
}

/// `20260822T020000Z.json`.
fn noted(name: &str) -> Option<Timestamp> {
    let time = name.strip_suffix("Z.json")?;
    jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", time)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_in_names() {
        assert_eq!(noted("20260822T020000Z.json"), Some("2026-08-22T02:00:00Z".parse().unwrap()));
        assert_eq!((noted("20260822T020000Z"), noted("yesterday.json")), (None, None));
    }
}
