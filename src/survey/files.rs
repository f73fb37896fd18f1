//! Files in DBFS and in volumes: the folders where scripts and libraries live, and whatever something refers to.
//! Core reference §3, §4.

use super::tree::{LONGEST_PATH, lies_in};
use super::{GapState, Survey, Task, text_at};
use crate::api::{ApiError, Purpose, Request, encode_path};
use crate::kinds::{self, By, Kind, Place};
use crate::object::{Body, Object, Wanted};
use crate::packed::Meta;
use crate::pointer;
use crate::spool::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::Write;

/// The most that one `dbfs/read` gives: 1 MiB.
const CHUNK: u64 = 1 << 20;

/// Bytes by which a file may have grown between listing and reading.
const GROWN: u64 = 64 << 20;

/// Bytes that are read of a file whose status says nothing true: some report 0 for what is being written.
const UNLISTED: u64 = 64 << 20;

/// Below `/databricks`, only these hold what people put there.
const SCRIPT_FOLDERS: &[&str] = &["/databricks/init", "/databricks/scripts"];

/// A file that something refers to.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Referred {
    Dbfs(String),
    Volume(String),
}

impl Survey {
    pub(super) fn begin_dbfs(&self) {
        for root in ["/FileStore", "/databricks"] {
            self.meet_folder(root);
        }
    }

    pub(super) fn begin_wanted_files(&self, wanted: &Wanted) {
        for path in wanted.keys("dbfs_file") {
            self.meet(path, |path| Task::DbfsReferred { path, by: String::new() });
        }
        for path in wanted.keys("volume_file") {
            self.meet(path, |path| Task::VolumeFile { path, by: String::new() });
        }
    }

    /// Pushes a task for a path that nobody met before.
    pub(super) fn meet(&self, path: &str, task: impl FnOnce(String) -> Task) {
        if self.locked(|shared| shared.met.insert(path.to_owned())) {
            self.crew.push(task(path.to_owned()));
        }
    }

    /// The same for a folder, whose mark ends in a slash.
    fn meet_folder(&self, path: &str) {
        self.meet(&format!("{}/", path.trim_end_matches('/')), |mark| Task::DbfsFolder(mark.trim_end_matches('/').to_owned()));
    }

    /// Takes note of each DBFS or volume file that an object refers to.
    pub(super) fn follow_references(&self, object: &Object) {
        let (Body::Json(document), None) = (&object.body, &self.scope.only) else { return };
        for (at, reference) in object.kind.references().filter(|(_, reference)| reference.by == By::Path) {
            pointer::each(document, &at, &mut |_, value| {
                if let Some(text) = value.as_str() {
                    self.refer(text, reference.to, &object.source().to_string());
                }
            });
        }
    }

    fn refer(&self, text: &str, to: &[&str], by: &str) {
        let wants = |kind: &str| to.contains(&kind) && self.scope.selection.wants_kind(kind);
        for place in kinds::places(text) {
            match place {
                Place::Dbfs(path) if wants("dbfs_file") => self.refer_to(Referred::Dbfs(path), by),
                Place::Volume(path) if wants("volume_file") => self.refer_to(Referred::Volume(path), by),
                _ => {}
            }
        }
    }

    fn refer_to(&self, file: Referred, by: &str) {
        self.locked(|shared| {
            let first = shared.referred.entry(file).or_insert_with(|| by.to_owned());
            if by < first.as_str() {
                by.clone_into(first);
            }
        });
    }

    /// Pushes a task for each file that something refers to and no listing showed. Once everything was listed: what is asked
    /// and said of a file must not depend on whether its folder or the object that refers to it came first.
    pub(super) async fn begin_referred(&self) {
        let (referred, aside) = self.locked(|shared| (std::mem::take(&mut shared.referred), std::mem::take(&mut shared.aside)));
        for path in aside.into_iter().filter(|path| !referred.contains_key(&Referred::Dbfs(path.clone()))) {
            let Some(kind) = kinds::by_name("dbfs_file") else { return };
            self.gap(kind, GapState::Excluded, &path, "outside the folders where scripts live", None).await;
        }
        for (file, by) in referred {
            match file {
                Referred::Dbfs(path) => self.meet(&path, |path| Task::DbfsReferred { path, by }),
                Referred::Volume(path) => self.meet(&path, |path| Task::VolumeFile { path, by }),
            }
        }
    }

    pub(super) async fn dbfs_folder(&self, path: &str) -> Result<(), ApiError> {
        let Some(kind) = kinds::by_name("dbfs_file") else { return Ok(()) };
        match self.workspace.call(&Request::get(kind.name, "/api/2.0/dbfs/list").query("path", path)).await {
            Ok(answer) => {
                for file in answer.get("files").and_then(Value::as_array).into_iter().flatten() {
                    self.dbfs_entry(kind, path, file).await;
                }
                Ok(())
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => {
                self.listed(kind, 1);
                self.failed(kind, &format!("{path}/**"), error).await
            }
        }
    }

    async fn dbfs_entry(&self, kind: &'static Kind, folder: &str, entry: &Value) {
        let path = text_at(entry, "/path").unwrap_or_default();
        if !lies_in(&path, folder) {
            return self.misplaced(kind, &path, folder).await;
        }
        let is_folder = entry.get("is_dir") == Some(&Value::Bool(true));
        if folder == "/databricks" && !SCRIPT_FOLDERS.iter().any(|known| path.starts_with(known)) {
            self.locked(|shared| shared.aside.insert(path));
            return;
        }
        if is_folder && path.len() > LONGEST_PATH {
            let below = format!("{path}/**");
            return self.gap(kind, GapState::Missing, &below, "it lies too deep to be followed", None).await;
        }
        if is_folder && self.scope.selection.may_want_below(&path) {
            return self.meet_folder(&path);
        }
        if !is_folder && self.scope.selection.wants(kind.name, &path) {
            let size = entry.get("file_size").and_then(Value::as_u64).unwrap_or_default();
            let modified_at = entry.get("modification_time").and_then(Value::as_u64);
            return self.meet(&path.clone(), |path| Task::DbfsFile { path, size, modified_at });
        }
        // Then it is not asked for because something refers to it either.
        self.locked(|shared| shared.met.insert(path.clone()));
        self.gap(kind, GapState::Excluded, &path, "not asked for", None).await;
    }

    /// A path that something refers to: a file, a folder, or nothing.
    pub(super) async fn dbfs_referred(&self, path: &str, by: &str) -> Result<(), ApiError> {
        let Some(kind) = kinds::by_name("dbfs_file") else { return Ok(()) };
        if path.starts_with("/mnt/") {
            let reason = format!("on a mount, which is storage of its own; referred to by {by}");
            self.gap(kind, GapState::Excluded, path, &reason, None).await;
            return Ok(());
        }
        match self.workspace.call(&Request::get(kind.name, "/api/2.0/dbfs/get-status").query("path", path)).await {
            Ok(status) if status.get("is_dir") == Some(&Value::Bool(true)) => {
                self.meet_folder(path);
                Ok(())
            }
            Ok(status) => {
                let size = status.get("file_size").and_then(Value::as_u64).unwrap_or_default();
                self.dbfs_file(path, size, status.get("modification_time").and_then(Value::as_u64)).await
            }
            Err(error) => self.dead_or_failed(kind, path, by, error).await,
        }
    }

    async fn dead_or_failed(&self, kind: &'static Kind, path: &str, by: &str, error: ApiError) -> Result<(), ApiError> {
        if error.is_not_found() && self.scope.only.is_some() {
            return Ok(());
        }
        if error.is_not_found() {
            self.gap(kind, GapState::Unavailable, path, &format!("not there at the source; referred to by {by}"), error.status)
                .await;
            return Ok(());
        }
        self.listed(kind, 1);
        self.failed(kind, path, error).await
    }

    pub(super) async fn dbfs_file(&self, path: &str, size: u64, modified_at: Option<u64>) -> Result<(), ApiError> {
        let Some(kind) = kinds::by_name("dbfs_file") else { return Ok(()) };
        self.listed(kind, 1);
        if size > self.scope.max_file {
            self.lost(kind, GapState::Missing, path, &self.over_limit(size), None).await;
            return Ok(());
        }
        if let Some(object) = self.unchanged_file(kind, path, size, modified_at) {
            self.object(object, path).await;
            return Ok(());
        }
        match self.dbfs_bytes(path, size).await {
            Ok(blob) => self.file_object(kind, path, blob, modified_at, Some(size)).await,
            Err(error) => return self.failed(kind, path, error).await,
        }
        Ok(())
    }

    fn over_limit(&self, size: u64) -> String {
        format!("{size} bytes are more than the limit of {} for files of DBFS and volumes", self.scope.max_file)
    }

    /// Reads chunk by chunk until the file ends (core reference §3: `bytes_read: 0` is the end). A file may have grown since it
    /// was listed; one that goes on and on must not fill the disk.
    async fn dbfs_bytes(&self, path: &str, size: u64) -> Result<Blob, ApiError> {
        let most = size.saturating_add(GROWN).max(self.scope.max_file.min(UNLISTED));
        let mut incoming = self.spool.begin().map_err(|error| self.disk(path, &error))?;
        let mut chunk = self.dbfs_chunk(path, 0).await?;
        while !chunk.is_empty() {
            incoming.write_all(&chunk).map_err(|error| self.disk(path, &error))?;
            if incoming.written() > most {
                let message = format!("the file goes on behind {} bytes, and its status says {size}", incoming.written());
                return Err(ApiError::protocol(&read(path, incoming.written()), &message));
            }
            chunk = if incoming.written() == size { Vec::new() } else { self.dbfs_chunk(path, incoming.written()).await? };
        }
        incoming.finish().map_err(|error| self.disk(path, &error))
    }

    async fn dbfs_chunk(&self, path: &str, offset: u64) -> Result<Vec<u8>, ApiError> {
        let request = read(path, offset);
        let answer = self.workspace.call(&request).await?;
        let wrong = |message: &str| ApiError::protocol(&request, message);
        let data = text_at(&answer, "/data").unwrap_or_default();
        let bytes = STANDARD.decode(data).map_err(|_| wrong("the chunk is not base64"))?;
        let said = answer.get("bytes_read").and_then(Value::as_u64);
        if bytes.len() as u64 > CHUNK || said.is_some_and(|said| said != bytes.len() as u64) {
            return Err(wrong("the chunk is not as long as it says, or longer than asked for"));
        }
        Ok(bytes)
    }

    async fn file_object(&self, kind: &'static Kind, path: &str, blob: Blob, modified_at: Option<u64>, size: Option<u64>) {
        let degraded =
            size.filter(|size| *size != blob.len()).map(|size| format!("its status says {size} bytes, {} came", blob.len()));
        let (id, key) = (path.to_owned(), path.to_owned());
        let object =
            Object { kind, id, key, body: Body::Bytes(blob), meta: Meta::default(), modified_at, degraded, redacted: Vec::new() };
        self.object(object, path).await;
    }

    pub(super) async fn volume_file(&self, path: &str, by: &str) -> Result<(), ApiError> {
        let Some(kind) = kinds::by_name("volume_file") else { return Ok(()) };
        let request = Request::get(kind.name, format!("/api/2.0/fs/files{}", encode_path(path))).purpose(Purpose::Unmarked);
        match self.download(&request.at_most(self.scope.max_file)).await {
            Ok(blob) => {
                self.listed(kind, 1);
                self.file_object(kind, path, blob, None, None).await;
            }
            Err(error) => return self.dead_or_failed(kind, path, by, error).await,
        }
        Ok(())
    }
}

fn read(path: &str, offset: u64) -> Request {
    let request = Request::get("dbfs_file", "/api/2.0/dbfs/read").query("path", path);
    request.query("offset", offset.to_string()).query("length", CHUNK.to_string()).purpose(Purpose::Contents)
}
