//! How fast the writer packs: `cargo bench --bench pack -- FOLDER OUT` makes a bundle of a folder and prints one line of JSON.
//!
//! - `FOLDER OUT`: reads every file below `FOLDER/<kind>/` on some threads, as an export's answers arrive, and gives each to
//!   [`Writer`] as one object. Everything counts, from the walk to the published file: two digests of each body, the sync to
//!   the disk, and the look back at what was written.
//! - `--objects N OUT`: a bundle of N small generated objects, for measuring those who list it.
//!
//! `--level L` (3), `--threads N` and `--readers N` (as many as there are cores) may follow. Wall and CPU time are in seconds, CPU
//! time of all threads, where the system tells it (Linux); sizes in bytes.

use lifeboat::bundle::{Head, Member, Options, Summary, WriteError, Writer, tool};
use lifeboat::spool::{Blob, Spool};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, UNIX_EPOCH};
use walkdir::{DirEntry, WalkDir};

type Any = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Any> {
    let arguments = Arguments::read()?;
    let begun = Instant::now();
    let options = Options { level: arguments.level, threads: arguments.threads, ..Options::default() };
    let mut writer = Writer::create(&arguments.target, options)?;
    match &arguments.what {
        What::Folder(folder) => take_folder(&mut writer, folder, arguments.readers)?,
        What::Generated(number) => take_generated(&mut writer, *number)?,
    }
    let taken = begun.elapsed();
    let summary = writer.finish(head()?)?;
    report(&summary, taken.as_secs_f64(), begun.elapsed().as_secs_f64())
}

fn report(summary: &Summary, taken: f64, seconds: f64) -> Result<(), Any> {
    let line = json!({
        "seconds": seconds, "cpu": cpu_seconds(), "bytes": summary.bytes, "members": summary.members, "frames": summary.frames,
        "seconds_until_all_were_taken": taken,
    });
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn head() -> Result<Head, Any> {
    let source = Map::from_iter([("host".to_owned(), json!("https://bench.example"))]);
    let created = "2026-01-01T00:00:00Z".parse()?;
    Ok(Head { created, tool: tool(), source, selection: None, previous: None, requires: Vec::new() })
}

enum What {
    Folder(PathBuf),
    Generated(u64),
}

struct Arguments {
    what: What,
    target: PathBuf,
    level: i32,
    threads: usize,
    readers: usize,
}

impl Arguments {
    fn read() -> Result<Self, Any> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut plain, mut generated, mut level, mut threads, mut readers) = (Vec::new(), None, 3, cores, cores);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--bench" => {} // cargo's own
                "--objects" => generated = Some(value()?.parse()?),
                "--level" => level = value()?.parse()?,
                "--threads" => threads = value()?.parse()?,
                "--readers" => readers = value()?.parse()?,
                _ => plain.push(PathBuf::from(word)),
            }
        }
        let target = plain.pop().ok_or("usage: pack FOLDER OUT | pack --objects N OUT")?;
        let what = match (generated, plain.pop()) {
            (Some(number), None) => What::Generated(number),
            (None, Some(folder)) => What::Folder(folder),
            _ => return Err("usage: pack FOLDER OUT | pack --objects N OUT".into()),
        };
        Ok(Self { what, target, level, threads, readers: readers.max(1) })
    }
}

/// Members are handed over by so many, as an answer of the API brings many: the hand-over is not what is measured.
const HANDFUL: usize = 16;

/// Some threads walk a folder together and read its files, while the writer takes what is there.
fn take_folder(writer: &mut Writer, folder: &Path, readers: usize) -> Result<(), Any> {
    let (spool, walk) = (writer.spool().clone(), Mutex::new(WalkDir::new(folder).into_iter()));
    let (sender, members) = sync_channel(64);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..readers {
            let (sender, spool, walk, failure) = (sender.clone(), &spool, &walk, &failure);
            scope.spawn(move || {
                if let Err(cause) = read_files(folder, walk, spool, &sender) {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
                }
            });
        }
        drop(sender);
        members.into_iter().flatten().try_for_each(|member| writer.member(member))
    })?;
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn read_files(folder: &Path, walk: &Mutex<walkdir::IntoIter>, spool: &Spool, to: &SyncSender<Vec<Member>>) -> Result<(), Any> {
    loop {
        let files = some_files(walk)?;
        if files.is_empty() {
            return Ok(());
        }
        let members = files.iter().map(|file| read_file(folder, file, spool)).collect::<Result<_, _>>()?;
        if to.send(members).is_err() {
            return Ok(()); // the writer refused one, and says so itself
        }
    }
}

/// The next files of the walk; none at its end.
fn some_files(walk: &Mutex<walkdir::IntoIter>) -> Result<Vec<PathBuf>, walkdir::Error> {
    let mut walk = walk.lock().unwrap_or_else(PoisonError::into_inner);
    let is_file = |entry: &Result<DirEntry, _>| entry.as_ref().map_or(true, |entry| entry.file_type().is_file());
    walk.by_ref().filter(is_file).take(HANDFUL).map(|entry| entry.map(DirEntry::into_path)).collect()
}

fn read_file(folder: &Path, path: &Path, spool: &Spool) -> Result<Member, Any> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    let mut bytes = Vec::with_capacity(usize::try_from(about.len())?);
    file.read_to_end(&mut bytes)?;
    let modified = about.modified()?.duration_since(UNIX_EPOCH)?;
    let name = path.strip_prefix(folder)?.to_str().ok_or("a name is no UTF-8")?;
    let (kind, name) = name.split_once('/').ok_or("files stand in folders named after kinds")?;
    Ok(member(kind, name, u64::try_from(modified.as_millis())?, spool.keep(&bytes)?))
}

fn take_generated(writer: &mut Writer, number: u64) -> Result<(), WriteError> {
    for index in 0..number {
        let name = format!("Users/person{:03}@bench.example/project {}/notebook {index:06}", index % 211, index % 17);
        let text = format!("# Databricks notebook source\n# generated, number {index}\nspark.range({index}).count()\n");
        let body = writer.spool().keep(text.as_bytes()).map_err(WriteError::Spool)?;
        writer.member(member("notebook", &format!("{name}.notebook.py"), 1_700_000_000_000 + index, body))?;
    }
    Ok(())
}

/// An object as an export gives it; its path is its name without what the extension adds.
fn member(kind: &str, name: &str, modified_at: u64, body: Blob) -> Member {
    let path = format!("/{}", name.trim_end_matches(".notebook.py"));
    let meta: Map<String, Value> =
        [("format", json!("SOURCE")), ("language", json!("PYTHON")), ("object_id", json!(modified_at))]
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect();
    Member {
        kind: kind.to_owned(),
        path,
        key: None,
        name: name.to_owned(),
        modified_at: Some(modified_at),
        meta,
        degraded: None,
        body,
        canonical: None,
    }
}

/// CPU time of this process in seconds: fields 14 and 15 of `/proc/self/stat`, in hundredths (proc(5)).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}
