//! The file of what was written last: one for each target and source, whatever the bundle. Lines are appended as objects are
//! written; a line that a crash cut short is ignored. Once most lines are outdated, the file is written anew beside itself and
//! then renamed, so that there is always a whole one.

use super::{end_torn_line, plain, private_file, private_folder};
use crate::memory::{Memory, Wrote};
use crate::object::SourceId;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Wrote(Wrote),
    Gone { gone: SourceId },
}

/// So many outdated lines are no reason yet to write the file anew.
const SPARE: usize = 1000;

/// Reads what earlier imports from this source wrote in this target. Errors: what the file system says; no file is an empty one.
pub fn memory(folder: &Path, target: &str, source: &str) -> io::Result<Memory> {
    read(&path(folder, target, source)).map(|(memory, _)| memory)
}

fn path(folder: &Path, target: &str, source: &str) -> PathBuf {
    folder.join(format!("{}-{}.memory", plain(target), plain(source)))
}

/// The memory, and how many lines the file has.
fn read(path: &Path) -> io::Result<(Memory, usize)> {
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Memory::default(), 0)),
        Err(error) => return Err(error),
    };
    let (mut memory, mut lines) = (Memory::default(), 0);
    for line in file.split(b'\n') {
        let line = line?;
        if let Ok(wrote) = serde_json::from_slice::<Wrote>(&line) {
            memory.learn(wrote);
        } else if let Ok(Line::Gone { gone }) = serde_json::from_slice(&line) {
            memory.forget(&gone);
        }
        lines += usize::from(!line.is_empty());
    }
    Ok((memory, lines))
}

/// Writes the file.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Keeper {
    pub(super) fn new(folder: &Path, target: &str, source: &str) -> Self {
        Self { path: path(folder, target, source), file: None }
    }

    /// Notes what was written.
    pub(super) fn wrote(&mut self, wrote: Wrote) -> io::Result<()> {
        self.line(&Line::Wrote(wrote))
    }

    /// Notes that an object is no more.
    pub(super) fn gone(&mut self, gone: SourceId) -> io::Result<()> {
        self.line(&Line::Gone { gone })
    }

    /// Hands all lines to the disk.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }

    /// Puts all lines on the disk for good.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.as_ref().map_or(Ok(()), |file| file.get_ref().sync_all())
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path)?),
        };
        serde_json::to_writer(&mut *file, line).map_err(io::Error::other)?;
        file.write_all(b"\n")
    }
}

fn open(path: &Path) -> io::Result<BufWriter<File>> {
    path.parent().map_or(Ok(()), private_folder)?;
    let (memory, lines) = read(path)?;
    if lines > 2 * memory.len() + SPARE {
        shrink(path, &memory)?;
    }
    let mut file = private_file(path)?;
    end_torn_line(path, &mut file)?;
    Ok(BufWriter::new(file))
}

/// The same in as few lines as may be.
fn shrink(path: &Path, memory: &Memory) -> io::Result<()> {
    let beside = path.with_extension("memory.new");
    let _ = fs::remove_file(&beside);
    let mut file = BufWriter::new(private_file(&beside)?);
    for wrote in memory.all() {
        serde_json::to_writer(&mut file, &wrote).map_err(io::Error::other)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    file.get_ref().sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn wrote(id: &str, value: i64) -> Wrote {
        let object = SourceId { kind: "job".into(), id: id.into() };
        Wrote::new(object, "7".into(), &Map::from_iter([("n".to_owned(), json!(value))])).unwrap()
    }

    fn keep(folder: &Path, each: impl IntoIterator<Item = Wrote>) {
        let mut keeper = Keeper::new(folder, "200", "100");
        each.into_iter().for_each(|one| keeper.wrote(one).unwrap());
        keeper.sync().unwrap();
    }

    #[test]
    fn the_last_word_counts_and_a_torn_line_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        keep(folder.path(), [wrote("1", 1), wrote("2", 2), wrote("1", 3)]);
        let path = path(folder.path(), "200", "100");
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"object\":{\"kind\":\"jo").unwrap();
        keep(folder.path(), [wrote("3", 4)]);
        let memory = memory(folder.path(), "200", "100").unwrap();
        let text = |id: &str| memory.text(&wrote(id, 0).object, "7").map(str::to_owned);
        assert_eq!([text("1"), text("2"), text("3")].map(Option::unwrap), [r#"{"n":3}"#, r#"{"n":2}"#, r#"{"n":4}"#]);
        assert_eq!(memory.text(&wrote("1", 0).object, "8"), None, "another object of the target");
    }

    #[test]
    fn many_nights_do_not_make_it_grow() {
        let folder = tempfile::tempdir().unwrap();
        for night in 0..20 {
            keep(folder.path(), (0..300).map(|id| wrote(&id.to_string(), night)));
        }
        let (memory, lines) = read(&path(folder.path(), "200", "100")).unwrap();
        assert_eq!(memory.len(), 300);
        assert!(lines <= 2 * 300 + SPARE + 300, "{lines}");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut keeper = Keeper::new(folder.path(), "200", "100");
        keeper.wrote(wrote("1", 1)).unwrap();
        keeper.gone(wrote("1", 1).object).unwrap();
        keeper.flush().unwrap();
        assert!(memory(folder.path(), "200", "100").unwrap().is_empty());
    }
}
