//! The workspace tree: folders, notebooks, files, Git folders, and objects of other types. Core reference §2, §13.

use super::{GapState, Survey, Task, text_at};
use crate::api::{ApiError, ErrorKind, Purpose, Request, an_object, encode_path};
use crate::kinds::{self, Kind, Shape, Tree};
use crate::object::{Body, Object};
use crate::spool::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Some servers wrap the bytes of a file in JSON although they were asked not to; nothing larger than this is unwrapped.
const LARGEST_WRAPPED: u64 = 16 << 20;

/// No notebook's source is larger: it is held in memory. The API's own limit is 10 MB.
const LARGEST_NOTEBOOK: u64 = 256 << 20;

/// Bytes of a path, after which nobody can have made the folder: a listing that makes up ever deeper ones would never end.
pub(super) const LONGEST_PATH: usize = 4096;

/// How a notebook was captured.
struct Captured {
    bytes: Vec<u8>,
    format: &'static str,
    degraded: Option<String>,
}

impl Survey {
    /// Lists a folder; an error is a gap for all that lies below it.
    pub(super) async fn folder(&self, path: &str) -> Result<(), ApiError> {
        let request = Request::get("directory", "/api/2.0/workspace/list").query("path", path);
        match self.workspace.call(&request).await {
            Ok(answer) => {
                for info in answer.get("objects").and_then(Value::as_array).into_iter().flatten() {
                    self.entry(path, info).await;
                }
                Ok(())
            }
            Err(error) if error.is_not_found() && self.scope.only.is_some() => Ok(()),
            Err(error) => {
                let Some(kind) = kinds::by_name("directory") else { return Ok(()) };
                self.listed(kind, 1);
                self.failed(kind, &format!("{}/**", path.trim_end_matches('/')), error).await
            }
        }
    }

    /// Decides what a listed entry is. One that lies elsewhere is not followed: the walk might never end.
    async fn entry(&self, folder: &str, info: &Value) {
        let kind = kind_of(info);
        let Some(path) = text_at(info, "/path").map(|path| plain_path(&path)) else {
            return self.gap(kind, GapState::Missing, "*", "an entry of a listing has no path", None).await;
        };
        if !lies_in(&path, folder) {
            return self.misplaced(kind, &path, folder).await;
        }
        if is_trash(&path) {
            return self.gap(kind, GapState::Excluded, &format!("{path}/**"), "a user's trash", None).await;
        }
        if path == kinds::OWN_FOLDER {
            self.leave_out_because(kind, &format!("{path}/**"), "what imports into this workspace keep there").await;
            return;
        }
        if is_folder(kind) {
            self.enter(kind, &path, info).await;
        } else if self.wants(kind, &path) {
            self.listed(kind, 1);
            self.crew.push(Task::Leaf { kind, info: info.clone() });
        } else {
            self.leave_out(kind, &path).await;
        }
    }

    /// A listing shows what it should not. The gap must not take the place of what truly lies at that path.
    pub(super) async fn misplaced(&self, kind: &'static Kind, path: &str, folder: &str) {
        let reason = format!("the listing of {folder} shows \"{path}\", which does not lie there");
        self.gap(kind, GapState::Missing, &format!("{path} (listed in {folder})"), &reason, None).await;
    }

    /// A folder is an object of its own, and a way to those below it.
    async fn enter(&self, kind: &'static Kind, path: &str, info: &Value) {
        if self.wants(kind, path) {
            self.listed(kind, 1);
            let object = self.listed_object(kind, path, info, Body::Json(info.clone()));
            self.object(object, &object_id(info)).await;
        } else if self.may_want_below(path) {
            self.leave_out(kind, path).await;
        }
        match self.may_want_below(path) {
            true if path.len() > LONGEST_PATH => {
                self.gap(kind, GapState::Missing, &format!("{path}/**"), "it lies too deep to be followed", None).await;
            }
            true => self.meet(&format!("workspace:{path}/"), |_| Task::Folder(path.to_owned())),
            false => self.leave_out(kind, &format!("{path}/**")).await,
        }
    }

    fn wants(&self, kind: &'static Kind, path: &str) -> bool {
        match &self.scope.only {
            Some(only) => only.wants(kind, path, None),
            None => self.scope.selection.wants(kind.name, path),
        }
    }

    fn may_want_below(&self, path: &str) -> bool {
        match &self.scope.only {
            Some(only) => only.wants_folder(path),
            None => self.scope.selection.may_want_below(path),
        }
    }

    async fn leave_out(&self, kind: &'static Kind, path: &str) {
        self.leave_out_because(kind, path, "not asked for").await;
    }

    async fn leave_out_because(&self, kind: &'static Kind, path: &str, reason: &str) {
        if self.scope.only.is_none() {
            self.gap(kind, GapState::Excluded, path, reason, None).await;
        }
    }

    /// Reads what a listing showed.
    pub(super) async fn leaf(&self, kind: &'static Kind, info: &Value) -> Result<(), ApiError> {
        let path = text_at(info, "/path").map(|path| plain_path(&path)).unwrap_or_default();
        if let Some(object) = self.unchanged_leaf(kind, &path, info) {
            self.object(object, &object_id(info)).await;
            return Ok(());
        }
        let read = match kind.shape {
            Shape::Tree(Tree::Notebook) => self.notebook(kind, &path, info).await,
            Shape::Tree(Tree::File) => self.file(kind, &path, info).await,
            Shape::Tree(Tree::Repo) => self.repo(kind, &path, info).await,
            _ => Ok(self.unknown(kind, &path, info)),
        };
        match read {
            Ok(object) => self.object(object, &object_id(info)).await,
            Err(error) => return self.failed(kind, &path, error).await,
        }
        Ok(())
    }

    /// A notebook in its native format: the export format `AUTO` gives source, or ipynb where that is how it is stored.
    async fn notebook(&self, kind: &'static Kind, path: &str, info: &Value) -> Result<Object, ApiError> {
        let captured = self.notebook_bytes(path, info).await?;
        let body = Body::Bytes(self.kept(path, &captured.bytes)?);
        let mut object = self.listed_object(kind, path, info, body);
        object.meta.insert("format", json!(captured.format));
        object.degraded = captured.degraded;
        Ok(object)
    }

    /// What is too large with its outputs may fit as source; what is too large for JSON may come as plain bytes.
    async fn notebook_bytes(&self, path: &str, info: &Value) -> Result<Captured, ApiError> {
        match self.export_json(path, info, "AUTO").await {
            Err(error) if too_large(&error) => {}
            answer => return answer.map(|(bytes, file_type)| native(bytes, file_type.as_deref())),
        }
        let degraded = Some("too large in its own format: captured as source, without outputs".to_owned());
        match self.export_json(path, info, "SOURCE").await {
            Err(error) if too_large(&error) => {}
            answer => return answer.map(|(bytes, _)| Captured { bytes, format: "SOURCE", degraded }),
        }
        let direct = export("notebook", path, info, "SOURCE").query("direct_download", "true");
        let blob = self.download(&direct.at_most(LARGEST_NOTEBOOK)).await?;
        let bytes = blob.bytes().map_err(|error| self.disk(path, &error))?;
        Ok(Captured { bytes, format: "SOURCE", degraded })
    }

    /// Exports through JSON; an answer without content is no notebook.
    async fn export_json(&self, path: &str, info: &Value, format: &str) -> Result<(Vec<u8>, Option<String>), ApiError> {
        let request = export("notebook", path, info, format);
        let answer = self.workspace.call(&request).await?;
        let bytes = text_at(&answer, "/content").and_then(|content| STANDARD.decode(content).ok());
        let bytes = bytes.ok_or_else(|| ApiError::protocol(&request, "the export came without content"))?;
        Ok((bytes, text_at(&answer, "/file_type")))
    }

    /// The bytes of a workspace file, streamed; the older download serves what the export finds too large.
    async fn file(&self, kind: &'static Kind, path: &str, info: &Value) -> Result<Object, ApiError> {
        let size = info.get("size").and_then(Value::as_u64);
        let most = self.scope.max_file.max(size.unwrap_or_default());
        let direct = export(kind.name, path, info, "AUTO").query("direct_download", "true").at_most(most);
        let blob = match self.download(&direct).await {
            Err(error) if too_large(&error) => {
                let older =
                    Request::get("file", format!("/api/2.0/workspace-files{}", encode_path(path))).purpose(direct.purpose);
                self.download(&older.at_most(most)).await?
            }
            answer => answer?,
        };
        let blob = self.unwrapped(path, blob, size)?;
        let degraded =
            size.filter(|size| *size != blob.len()).map(|size| format!("the listing says {size} bytes, {} came", blob.len()));
        let mut object = self.listed_object(kind, path, info, Body::Bytes(blob));
        object.degraded = degraded;
        Ok(object)
    }

    /// Bytes that a server wrapped in `{"content": "<base64>"}`: only where the listing's size contradicts the wrapping.
    fn unwrapped(&self, path: &str, blob: Blob, size: Option<u64>) -> Result<Blob, ApiError> {
        if blob.len() > LARGEST_WRAPPED || size == Some(blob.len()) {
            return Ok(blob);
        }
        let bytes = blob.bytes().map_err(|error| self.disk(path, &error))?;
        let inner = serde_json::from_slice::<Value>(&bytes).ok().and_then(|wrapper| unwrap(&wrapper));
        match inner {
            Some(inner) if size.is_none_or(|size| size == inner.len() as u64) => self.kept(path, &inner),
            _ => Ok(blob),
        }
    }

    async fn repo(&self, kind: &'static Kind, path: &str, info: &Value) -> Result<Object, ApiError> {
        let request = Request::get("repo", format!("/api/2.0/repos/{}", object_id(info))).purpose(Purpose::Unmarked);
        let document = an_object(&request, self.workspace.call(&request).await?)?;
        let commit = document.get("head_commit_id").cloned();
        let mut object = self.listed_object(kind, path, info, Body::Json(document));
        commit.into_iter().for_each(|commit| object.meta.insert("head_commit_id", commit));
        Ok(object)
    }

    fn unknown(&self, kind: &'static Kind, path: &str, info: &Value) -> Object {
        let mut object = self.listed_object(kind, path, info, Body::Json(info.clone()));
        let object_type = text_at(info, "/object_type").unwrap_or_default();
        object.degraded = Some(format!("objects of type {object_type} have no export: only what the listing says is kept"));
        object
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings, which need it")]
    pub(super) fn listed_object(&self, kind: &'static Kind, path: &str, info: &Value, body: Body) -> Object {
        let kept = ["object_id", "object_type", "language", "resource_id"];
        let meta: Map<String, Value> =
            kept.iter().filter_map(|name| info.get(*name).map(|value| ((*name).to_owned(), value.clone()))).collect();
        let (meta, modified_at) = (meta.into(), info.get("modified_at").and_then(Value::as_u64));
        Object { kind, id: path.to_owned(), key: path.to_owned(), body, meta, modified_at, degraded: None, redacted: Vec::new() }
    }

    /// Downloads into a file of its own.
    pub(super) async fn download(&self, request: &Request) -> Result<Blob, ApiError> {
        self.workspace.download_blob(request, &self.spool).await
    }

    pub(super) fn kept(&self, path: &str, bytes: &[u8]) -> Result<Blob, ApiError> {
        self.spool.keep(bytes).map_err(|error| self.disk(path, &error))
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings, which need it")]
    pub(super) fn disk(&self, path: &str, error: &std::io::Error) -> ApiError {
        ApiError::local(path, "cannot keep what came on disk", error)
    }
}

fn export(label: &'static str, path: &str, info: &Value, format: &str) -> Request {
    let purpose = if info.get("modified_at").is_some() { Purpose::Contents } else { Purpose::Unmarked };
    Request::get(label, "/api/2.0/workspace/export").query("path", path).query("format", format).purpose(purpose)
}

fn native(bytes: Vec<u8>, file_type: Option<&str>) -> Captured {
    let ipynb = file_type == Some("ipynb") || (file_type.is_none() && is_ipynb(&bytes));
    Captured { format: if ipynb { "JUPYTER" } else { "SOURCE" }, bytes, degraded: None }
}

fn is_ipynb(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{') && serde_json::from_slice::<Value>(bytes).is_ok_and(|value| value.get("nbformat").is_some())
}

fn too_large(error: &ApiError) -> bool {
    error.kind == ErrorKind::TooLarge
}

fn unwrap(wrapper: &Value) -> Option<Vec<u8>> {
    let members = wrapper.as_object()?;
    let known = members.keys().all(|name| name == "content" || name == "file_type");
    let content = members.get("content").filter(|_| known)?.as_str()?;
    STANDARD.decode(content).ok()
}

/// A Git folder of the newer generation is a `DIRECTORY` that says so (core reference §13.1).
fn kind_of(info: &Value) -> &'static Kind {
    let git = info.pointer("/directory_info/is_git_folder") == Some(&json!(true));
    let object_type = info.get("object_type").and_then(Value::as_str).unwrap_or_default();
    kinds::by_object_type(if git { "REPO" } else { object_type })
}

fn is_folder(kind: &Kind) -> bool {
    matches!(kind.shape, Shape::Tree(Tree::Directory))
}

fn object_id(info: &Value) -> String {
    text_at(info, "/object_id").unwrap_or_default()
}

/// `/Workspace` is another name of the root (core reference §2, Paths).
pub(super) fn plain_path(path: &str) -> String {
    match path.strip_prefix("/Workspace") {
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => path.to_owned(),
    }
}

/// Whether a path is that of an entry of this folder, and of nothing else.
pub(super) fn lies_in(path: &str, folder: &str) -> bool {
    let folder = if folder == "/Workspace" { "" } else { folder.trim_end_matches('/') };
    let name = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| !name.contains('/') && !matches!(name, "" | "." | "..") && path.len() <= LONGEST_PATH + 1024)
}

fn is_trash(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    parts.next() == Some("Users") && parts.next().is_some() && parts.next() == Some("Trash") && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_folders_are_known_in_both_generations() {
        assert_eq!(kind_of(&json!({"object_type": "REPO"})).name, "repo");
        assert_eq!(kind_of(&json!({"object_type": "DIRECTORY", "directory_info": {"is_git_folder": true}})).name, "repo");
        assert_eq!(kind_of(&json!({"object_type": "DIRECTORY"})).name, "directory");
        assert_eq!(kind_of(&json!({"object_type": "HOLOGRAM"})).name, "workspace_object");
    }

    #[test]
    fn the_workspace_prefix_is_another_name_of_the_root() {
        assert_eq!(plain_path("/Workspace/Users/a"), "/Users/a");
        assert_eq!(plain_path("/WorkspaceX/a"), "/WorkspaceX/a");
    }

    #[test]
    fn an_entry_lies_in_its_folder() {
        for (path, folder) in [("/a", "/"), ("/a/b", "/a"), ("/a/b", "/a/"), ("/Users", "/Workspace"), ("/a/...", "/a")] {
            assert!(lies_in(path, folder), "{path} in {folder}");
        }
        for (path, folder) in
            [("/a", "/a"), ("/", "/"), ("/", "/a"), ("/a/b/c", "/a"), ("/ab", "/a"), ("/a/..", "/a"), ("a", "/"), ("/a/", "/a")]
        {
            assert!(!lies_in(path, folder), "{path} in {folder}");
        }
    }

    #[test]
    fn trash_is_the_folder_of_that_name_in_a_home() {
        assert!(is_trash("/Users/a@x/Trash") && !is_trash("/Users/a@x/b/Trash") && !is_trash("/Shared/Trash"));
    }
}
