//! Where records are kept: two files of one name, for their owner only, whole or not at all.

use super::{page, seal};
use crate::journal::{plain, private_folder};
use serde_json::Value;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The place of one record.
#[derive(Clone, Debug)]
pub struct Keeper {
    folder: PathBuf,
    stem: String,
}

impl Keeper {
    /// A place in a folder, which is made if need be. Errors: what the file system says.
    pub fn begin(folder: &Path, target: &str, bundle: &str, began: jiff::Timestamp) -> io::Result<Self> {
        private_folder(folder)?;
        let bundle: String = plain(bundle).chars().take(8).collect();
        let name = format!("{}-{}-{bundle}", plain(target), began.strftime("%Y%m%dT%H%M%SZ"));
        let taken = |stem: &String| folder.join(format!("{stem}.json")).exists();
        let more = (2..).map(|number: u32| format!("{name}-{number}"));
        let stem = std::iter::once(name.clone()).chain(more).find(|stem| !taken(stem)).unwrap_or(name);
        Ok(Self { folder: folder.to_owned(), stem })
    }

    /// Writes the record, in the place of what it said before. Errors: what the file system says.
    pub fn record(&self, record: &Value) -> io::Result<PathBuf> {
        self.write("json", &seal(record))
    }

    /// Writes the page of a record beside it. Errors: what the file system says.
    pub fn page(&self, record: &Value) -> io::Result<PathBuf> {
        self.write("html", &page(record))
    }

    fn write(&self, ending: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("{}.{ending}", self.stem));
        // Made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn two_of_one_second_have_two_names_and_only_their_owner_reads_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("receipts");
        let began: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
        let keep = |state: &str| {
            let keeper = Keeper::begin(&place, "../2", "abcdef0123456789", began).expect("a place");
            let record = json!({"lifeboat_receipt": 1, "state": state});
            (keeper.record(&record).expect("written"), keeper.page(&record).expect("written"))
        };
        let ((first, _), (second, page)) = (keep("a"), keep("b"));
        let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned).expect("a name");
        assert_eq!(name(&first), "___2-20260102T030405Z-abcdef01.json");
        assert_eq!(
            (name(&second), name(&page)),
            ("___2-20260102T030405Z-abcdef01-2.json".into(), "___2-20260102T030405Z-abcdef01-2.html".into())
        );
        #[cfg(unix)]
        for path in [first, second, page] {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600);
        }
    }
}
