//! A state folder that lives in an object store: fetched before the work, and kept there while it goes on and after it.
//!
//! What two machines may do at once is for the lock in the target to decide, as with folders. Files of journals only grow, and
//! receipts have names of their own, so that keeping is writing what changed, whole.

use super::Refusal;
use crate::ui;
use anyhow::Context;
use lifeboat::store::{self, Place, Say};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// No file of a state is larger, in bytes.
const MOST: u64 = 1 << 30;
/// The file by which a state folder, and so a machine, is known in the locks of targets.
const MACHINE: &str = "id";
/// While an import runs, what changed is kept so often: a machine that dies takes so much with it, which the stamps and the copy
/// in the target know too.
const OFTEN: Duration = Duration::from_secs(30);

/// A copy on this machine of a state in a store.
#[derive(Debug)]
pub struct Shore {
    place: Place,
    folder: tempfile::TempDir,
    /// What lies in the store, by name.
    kept: Mutex<HashMap<String, [u8; 32]>>,
}

impl Shore {
    /// Fetches the state at an address; nothing where the state is a folder.
    pub async fn fetch(given: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let Some(place @ Place::Remote(_)) = given.map(Place::parse).transpose()? else { return Ok(None) };
        let (folder, kept) = (tempfile::Builder::new().prefix("lifeboat-state-").tempdir()?, Mutex::default());
        let shore = Self { place, folder, kept };
        shore.bring().await.with_context(|| format!("cannot fetch the state from {}", shore.place))?;
        Ok(Some(shore))
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn bring(&self) -> anyhow::Result<()> {
        let say: Say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
        let entries = store::list(&self.place, &say).await?;
        for entry in entries.into_iter().filter(|entry| entry.name != MACHINE) {
            let Some(path) = within(self.path(), &entry.name) else {
                anyhow::bail!("`{}` is no name of a file of ours", entry.name.escape_debug());
            };
            let bytes = store::read_small(&entry.place, MOST).await?;
            std::fs::create_dir_all(path.parent().unwrap_or(self.path()))?;
            std::fs::write(&path, &bytes)?;
            self.note(entry.name, &bytes);
        }
        Ok(())
    }

    fn note(&self, name: String, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(name, Sha256::digest(bytes).into());
    }

    /// Does the work, and keeps what it changes, also when it fails. That the state cannot be kept is an error, since the next
    /// import would not know what this one did; the state then stays on this machine.
    pub async fn around<T>(self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let done = {
            tokio::pin!(work);
            loop {
                tokio::select! {
                    done = &mut work => break done,
                    () = tokio::time::sleep(OFTEN) => {
                        // It is tried again, and at the end it counts.
                        let _ = self.keep().await;
                    }
                }
            }
        };
        if let Err(error) = self.keep().await {
            let (place, folder) = (self.place.clone(), self.folder.keep());
            let lost = error.context(format!("cannot keep the state in {place}; it is in {}", folder.display()));
            return match done {
                Ok(_) => Err(lost),
                Err(error) => {
                    ui::note(format!("warning: {lost:#}"));
                    Err(error)
                }
            };
        }
        done
    }

    /// Writes what is new or has changed.
    async fn keep(&self) -> anyhow::Result<()> {
        for (name, path) in files(self.path())? {
            let bytes = std::fs::read(&path)?;
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            let before = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
            if before != Some(digest) {
                // A file that is new here and not there is somebody else's, who did not ask the target's lock.
                store::write_small(&self.place.join(&name), bytes.clone(), before.is_some()).await?;
                self.note(name, &bytes);
            }
        }
        Ok(())
    }
}

/// Where a state is on this machine: that of a store as it was fetched, or a folder.
pub fn path(fetched: Option<&Shore>, given: Option<&Path>) -> anyhow::Result<PathBuf> {
    fetched.map_or_else(|| folder(given), |shore| Ok(shore.path().to_owned()))
}

/// The folder of a state: the one that was given, or the usual one.
pub fn folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = given {
        return match Place::parse(folder)? {
            Place::Disk(folder) => Ok(folder),
            Place::Remote(place) => {
                let text = format!("the state of this command cannot be in {place}");
                Err(Refusal::new(text, "name a folder on this machine").into())
            }
        };
    }
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    Ok(base.context("cannot tell where to keep the journal: give a folder with `--state`")?.join("lifeboat"))
}

/// The files of a state by their names, less locks and the name of the machine: with a name that others have too, they would take the
/// lock of a living import for one that they left themselves.
fn files(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        let name = entry.path().strip_prefix(folder)?.components().map(|part| part.as_os_str().to_string_lossy());
        let name = name.collect::<Vec<_>>().join("/");
        let own = name == MACHINE || entry.path().extension().is_some_and(|extension| extension == "lock" || extension == "tmp");
        if entry.file_type().is_file() && !own {
            found.push((name, entry.into_path()));
        }
    }
    Ok(found)
}

/// A name in a folder, if it leads nowhere else: a store may hold anything.
fn within(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let leads_inside = !name.is_empty() && !name.contains('\\') && !name.contains(':') && Path::new(name).components().all(plain);
    leads_inside.then(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        let folder = Path::new("/state");
        assert_eq!(within(folder, "journals/1/2.jsonl"), Some("/state/journals/1/2.jsonl".into()));
        for name in ["", "/etc/passwd", "../x", "a/../../x", "C:\\x", "a\\b", "."] {
            assert_eq!(within(folder, name), None, "{name}");
        }
    }
}
