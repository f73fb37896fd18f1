//! `/api/2.0/workspace/{list,get-status,mkdirs,delete,export}` and the older `/api/2.0/workspace-files`.

use super::call::{Answer, Call, Content, Fields, Problem, Reply};
use super::content::{self, Export};
use super::http::decoded;
use super::paths;
use super::tree::{Node, tree_path};
use super::world::World;
use super::{workspace_import, zip};
use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// 10 MiB: most that an export inside JSON, or a notebook that is no ipynb, may hold.
pub(super) const SMALL: usize = 10_485_760;
/// 500 MB: most that a workspace file may hold.
pub(super) const LARGE: usize = 500_000_000;

pub(super) fn answer(world: &mut World, call: &Call, name: &str) -> Answer {
    match (call.method.as_str(), name) {
        ("GET", "list") => list(world, call),
        ("GET", "get-status") => status(world, call),
        ("GET", "export") => export(world, call),
        ("POST", "import") => workspace_import::import(world, call),
        ("POST", "mkdirs") => mkdirs(world, call),
        ("POST", "delete") => delete(world, call),
        _ => Err(Problem::no_endpoint(call)),
    }
}

/// The deprecated file transfer: download by GET, upload by POST `import-file/`.
pub(super) fn files(world: &mut World, call: &Call, rest: &str) -> Answer {
    if let (true, Some(path)) = (call.method == "POST", rest.strip_prefix("import-file/")) {
        let path = tree_path(&format!("/{}", decoded(path)))?;
        let id = workspace_import::put_file(world, &path, call.body.clone(), call.flag("overwrite"))?;
        return Reply::json(json!({ "object_id": id }));
    }
    let path = tree_path(&format!("/{}", decoded(rest)))?;
    let node = find(world, &path)?;
    if call.method != "GET" || node.kind != "FILE" {
        return Err(Problem::invalid(format!("{path} is not a file")));
    }
    Ok(Reply::new(200, Content::Bytes(node.body.bytes())))
}

pub(super) fn find<'a>(world: &'a World, path: &str) -> Result<&'a Node, Problem> {
    world.tree.get(path).ok_or_else(|| Problem::missing(format!("Path ({path}) doesn't exist.")))
}

/// One folder, not what is below; something that is no folder lists itself.
fn list(world: &World, call: &Call) -> Answer {
    let asked = call.need("path")?;
    let path = tree_path(asked)?;
    // The alias is echoed to those who use it, so that clients must treat both spellings as one.
    let prefix = if asked.starts_with("/Workspace") { "/Workspace" } else { "" };
    if !world.tree.is_folder(&path) {
        let info = find(world, &path)?.info(&format!("{prefix}{path}"));
        return Reply::list("objects", vec![Value::Object(info)]);
    }
    let since = call.number("notebooks_modified_after")?;
    let recent = |node: &Node| since.is_none_or(|since| node.kind == "NOTEBOOK" && node.modified > since);
    let children = world.tree.children(&path).filter(|(_, node)| recent(node));
    let info = |(path, node): (String, &Node)| Value::Object(node.info(&format!("{prefix}{path}")));
    Reply::list("objects", children.map(info).collect())
}

fn status(world: &World, call: &Call) -> Answer {
    let path = tree_path(call.need("path")?)?;
    if path == "/" {
        return Reply::json(json!({ "object_type": "DIRECTORY", "path": "/", "object_id": 0, "resource_id": "0" }));
    }
    let node = find(world, &path)?;
    let mut info = node.info(&path);
    if call.flag("return_export_info") && node.kind == "NOTEBOOK" {
        info.insert("repos_export_format".into(), json!(if node.jupyter { "JUPYTER" } else { "SOURCE" }));
    }
    if let Some(git) = git_info(world, &path).filter(|_| call.flag("return_git_info")) {
        info.insert("git_info".into(), git);
    }
    Reply::json(Value::Object(info))
}

/// The Git folder that a path is or lies in. Of a Git folder of the newer kind only id and path are told.
fn git_info(world: &World, path: &str) -> Option<Value> {
    let folders = std::iter::once(path).chain(paths::ancestors(path));
    let (folder, node) = folders.filter_map(|folder| Some((folder, world.tree.get(folder)?))).find(|(_, node)| node.is_git())?;
    let repo = world.repos.get(&node.id)?;
    if node.git_folder {
        return Some(json!({ "id": node.id, "path": folder }));
    }
    let mut info = Map::new();
    for key in ["id", "path", "branch", "head_commit_id", "url", "provider"] {
        if let Some(value) = repo.get(key) {
            info.insert(key.to_owned(), value.clone());
        }
    }
    Some(Value::Object(info))
}

impl Node {
    pub(super) fn is_git(&self) -> bool {
        self.kind == "REPO" || self.git_folder
    }
}

fn export(world: &World, call: &Call) -> Answer {
    let path = tree_path(call.need("path")?)?;
    let format = call.query("format").unwrap_or("SOURCE");
    let direct = call.flag("direct_download");
    if world.tree.is_folder(&path) {
        // A folder does not fail: it comes as an archive of all that it holds.
        return sent(archive(world, &path), "zip", direct, SMALL);
    }
    let node = find(world, &path)?;
    let wanted = Export { format, outputs: call.query("outputs") != Some("NONE"), name: paths::name(&path) };
    let (bytes, kind) = content::export(node, &wanted)?;
    let source = matches!(format, "SOURCE" | "HTML" | "DBC");
    let limit = if node.kind == "FILE" && !source { LARGE } else { SMALL };
    sent(bytes, kind, direct, if format == "JUPYTER" && direct { 100_000_000 } else { limit })
}

/// Raw, or base64 in JSON, which has a cap of its own.
fn sent(bytes: Bytes, kind: &str, direct: bool, limit: usize) -> Answer {
    if bytes.len() > if direct { limit } else { SMALL } {
        let message = format!("File size imported is ({} bytes), exceeded max size ({SMALL} bytes)", bytes.len());
        return Err(Problem::new(400, "MAX_NOTEBOOK_SIZE_EXCEEDED", message));
    }
    if direct {
        return Ok(Reply::new(200, Content::Bytes(bytes)).with("content-disposition", "attachment"));
    }
    let content = base64::engine::general_purpose::STANDARD.encode(&bytes);
    Reply::json(json!({ "content": content, "file_type": kind }))
}

fn archive(world: &World, folder: &str) -> Bytes {
    let inside = |path: &String| path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/').to_owned();
    let files = world.tree.below(folder).into_iter().filter_map(|path| {
        let node = world.tree.get(&path).filter(|node| node.kind == "NOTEBOOK")?;
        Some(content::dbc_member(node, &inside(&path)))
    });
    zip::write(files).into()
}

fn mkdirs(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    let path = tree_path(body.need("path")?)?;
    may_make(world, &path)?;
    world.make_folder(&path);
    Reply::done()
}

/// Whether a folder, with all that is missing above it, may be made by hand.
fn may_make(world: &World, path: &str) -> Result<(), Problem> {
    let above = paths::ancestors(path);
    let way = || above.iter().copied().rev().chain([path]).filter(|folder| *folder != "/");
    if let Some(taken) = way().find(|folder| world.tree.get(folder).is_some_and(|node| !node.is_folder())) {
        return Err(Problem::exists(format!("Path ({taken}) already exists and is not a directory.")));
    }
    for folder in way().filter(|folder| world.tree.get(folder).is_none()) {
        match paths::parent(folder) {
            "/Users" => {
                return Err(Problem::new(
                    400,
                    "DIRECTORY_PROTECTED",
                    format!("Folder {folder} is protected: a home is made with its user."),
                ));
            }
            "/" => {}
            top if paths::parent(top) == "/Repos" && top != "/Repos" => {
                return Err(Problem::invalid(format!("{folder} must be a Git folder: create it with the Repos API.")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn delete(world: &mut World, call: &Call) -> Answer {
    let body = call.json()?;
    let path = tree_path(body.need("path")?)?;
    let home = paths::parent(&path) == "/Users";
    if home || matches!(path.as_str(), "/" | "/Users" | "/Shared" | "/Repos") {
        return Err(Problem::new(400, "DIRECTORY_PROTECTED", format!("Folder {path} is protected")));
    }
    find(world, &path)?;
    let inside = world.tree.below(&path);
    if !inside.is_empty() && !body.yes("recursive") {
        return Err(Problem::new(400, "DIRECTORY_NOT_EMPTY", format!("Folder ({path}) is not empty")));
    }
    for gone in inside.iter().chain([&path]) {
        remove(world, gone);
    }
    Reply::done()
}

/// Removes one node with what hangs on it.
pub(super) fn remove(world: &mut World, path: &str) {
    if let Some(node) = world.tree.remove(path) {
        world.repos.remove(&node.id);
        world.grants.remove(&super::permissions::node_key(&node));
    }
}
