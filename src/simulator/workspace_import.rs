//! `/api/2.0/workspace/import`: JSON and multipart, every format, and what the service says when a path is taken.

use super::body::Body;
use super::call::{Answer, Call, Fields, Problem, Reply};
use super::content::{self, Notebook};
use super::paths;
use super::tree::{Node, tree_path};
use super::workspace::{LARGE, SMALL};
use super::world::World;
use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// What an import asks for, from JSON or from a form.
struct Import {
    path: String,
    format: String,
    language: Option<String>,
    overwrite: bool,
    content: Bytes,
}

pub(super) fn import(world: &mut World, call: &Call) -> Answer {
    let import = if call.form.is_empty() { from_json(call)? } else { from_form(call)? };
    parent_exists(world, &import.path)?;
    let id = match import.format.as_str() {
        "RAW" => put_file(world, &import.path, import.content, import.overwrite)?,
        "AUTO" => auto(world, import)?,
        "DBC" => dbc(world, &import)?,
        "SOURCE" => source(world, import)?,
        format => {
            let notebook = content::read(format, &import.content)?;
            put_notebook(world, &import.path, notebook, import.overwrite)?
        }
    };
    Reply::json(json!({ "object_id": id }))
}

fn from_json(call: &Call) -> Result<Import, Problem> {
    let body = call.json()?;
    let coded = body.get("content").and_then(Value::as_str).ok_or_else(|| Problem::invalid("Missing required field: content"))?;
    let content = base64::engine::general_purpose::STANDARD.decode(coded);
    let content = content.map_err(|_| Problem::invalid("The content is not valid base64"))?;
    if content.len() > SMALL {
        return Err(too_large(content.len(), SMALL));
    }
    fields(&body, content.into())
}

fn from_form(call: &Call) -> Result<Import, Problem> {
    let text = |bytes: &Bytes| Value::String(String::from_utf8_lossy(bytes).into_owned());
    let fields_only = call.form.iter().filter(|(name, _)| name != "content");
    let body: Map<String, Value> = fields_only.map(|(name, bytes)| (name.clone(), text(bytes))).collect();
    let content = call.form.iter().find(|(name, _)| name == "content").map(|(_, bytes)| bytes.clone());
    fields(&body, content.ok_or_else(|| Problem::invalid("Missing required field: content"))?)
}

fn fields(body: &Map<String, Value>, content: Bytes) -> Result<Import, Problem> {
    Ok(Import {
        path: tree_path(body.need("path")?)?,
        format: body.text("format").unwrap_or("SOURCE").to_owned(),
        language: body.text("language").map(str::to_owned),
        overwrite: body.yes("overwrite"),
        content,
    })
}

fn too_large(len: usize, most: usize) -> Problem {
    Problem::new(
        400,
        "MAX_NOTEBOOK_SIZE_EXCEEDED",
        format!("File size imported is ({len} bytes), exceeded max size ({most} bytes)"),
    )
}

fn parent_exists(world: &World, path: &str) -> Result<(), Problem> {
    let parent = paths::parent(path);
    match world.tree.is_folder(parent) {
        true if path == "/" => Err(Problem::exists("Path (/) already exists.")),
        true => Ok(()),
        false => Err(Problem::missing(format!("The parent folder ({parent}) does not exist."))),
    }
}

/// A single notebook in source form; without a language the body ought to be an archive.
fn source(world: &mut World, import: Import) -> Result<i64, Problem> {
    let Some(language) = import.language else {
        return dbc(world, &import);
    };
    if !matches!(language.as_str(), "PYTHON" | "SCALA" | "SQL" | "R") {
        return Err(Problem::invalid(format!("Unknown language '{language}'")));
    }
    if import.content.len() > SMALL {
        return Err(too_large(import.content.len(), SMALL));
    }
    let text = content::kept_source(&String::from_utf8_lossy(&import.content), &language);
    let notebook = Notebook { language, jupyter: false, body: text.into_bytes() };
    put_notebook(world, &import.path, notebook, import.overwrite)
}

/// Decides by name and header what a body is. A notebook loses the end of its name.
fn auto(world: &mut World, import: Import) -> Result<i64, Problem> {
    let stem = import.path.rsplit_once('.').map(|(stem, _)| stem.to_owned());
    if let Some(stem) = stem {
        if import.path.to_ascii_lowercase().ends_with(".ipynb") {
            return put_notebook(world, &stem, content::read("JUPYTER", &import.content)?, import.overwrite);
        }
        if import.path.to_ascii_lowercase().ends_with(".dbc") {
            return dbc(world, &Import { path: stem, ..import });
        }
        if let Some(language) = content::language_of(&import.path).filter(|language| has_header(&import.content, language)) {
            return source(world, Import { path: stem, language: Some(language.to_owned()), ..import });
        }
    }
    put_file(world, &import.path, import.content, import.overwrite)
}

fn has_header(content: &[u8], language: &str) -> bool {
    let header = content::header(language);
    content.starts_with(header.as_bytes()) && matches!(content.get(header.len()), None | Some(b'\n' | b'\r'))
}

/// An archive becomes one notebook, or a folder of them. It cannot replace anything.
fn dbc(world: &mut World, import: &Import) -> Result<i64, Problem> {
    let mut notebooks = content::read_dbc(&import.content)?;
    if world.tree.get(&import.path).is_some() {
        return Err(Problem::exists(format!("Path ({}) already exists.", import.path)));
    }
    if notebooks.len() == 1 && !notebooks[0].0.contains('/') {
        return put_notebook(world, &import.path, notebooks.remove(0).1, false);
    }
    world.make_folder(&import.path);
    for (name, notebook) in notebooks {
        let path = format!("{}/{name}", import.path);
        world.make_folder(paths::parent(&path));
        put_notebook(world, &path, notebook, false)?;
    }
    Ok(world.tree.get(&import.path).map_or(0, |node| node.id))
}

fn put_notebook(world: &mut World, path: &str, notebook: Notebook, overwrite: bool) -> Result<i64, Problem> {
    let most = if notebook.jupyter { 100_000_000 } else { SMALL };
    if notebook.body.len() > most {
        return Err(too_large(notebook.body.len(), most));
    }
    let node = Node {
        kind: "NOTEBOOK".into(),
        language: Some(notebook.language),
        jupyter: notebook.jupyter,
        body: notebook.body.into(),
        ..Node::default()
    };
    put(world, path, node, overwrite)
}

/// Stores bytes as a file, whatever they look like.
pub(super) fn put_file(world: &mut World, path: &str, content: Bytes, overwrite: bool) -> Result<i64, Problem> {
    parent_exists(world, path)?;
    if content.len() > LARGE {
        return Err(too_large(content.len(), LARGE));
    }
    put(world, path, Node { kind: "FILE".into(), body: Body::Here(content), ..Node::default() }, overwrite)
}

/// Puts a node at a path; one of the same type keeps its id and the time of its creation.
fn put(world: &mut World, path: &str, mut node: Node, overwrite: bool) -> Result<i64, Problem> {
    let Some(old) = world.tree.get(path) else { return Ok(world.add_node(path, node)) };
    if old.kind != node.kind {
        return Err(mismatch(path, &node.kind, &old.kind));
    }
    if !overwrite {
        return Err(Problem::exists(format!("Path ({path}) already exists.")));
    }
    (node.id, node.created) = (old.id, old.created);
    node.modified = world.now();
    Ok(world.add_node(path, node))
}

fn mismatch(path: &str, asked: &str, actual: &str) -> Problem {
    let message = format!("Cannot overwrite the asset at {path} due to type mismatch (asked: {asked}, actual: {actual})");
    let mut problem = Problem::invalid(message);
    problem.details.push(json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "databricks.com",
        "reason": "WORKSPACE_OBJECT_TYPE_MISMATCH", "metadata": { "asked": asked, "actual": actual },
    }));
    problem
}
