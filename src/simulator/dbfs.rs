//! `/api/2.0/dbfs`: block transfer with its caps of 1 MiB, paths with or without `dbfs:`.

use super::body::Body;
use super::call::{Answer, Call, Fields, Problem, Reply};
use super::paths;
use super::world::{File, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Most bytes of one read, block or put.
const BLOCK: usize = 1 << 20;

pub(super) fn answer(world: &mut World, call: &Call, name: &str) -> Answer {
    match (call.method.as_str(), name) {
        ("GET", "list") => list(world, call),
        ("GET", "get-status") => {
            let path = dbfs_path(call.need("path")?)?;
            Reply::json(info(&path, &find(world, &path)?))
        }
        ("GET", "read") => read(world, call),
        ("POST", name) => change(world, call, name),
        _ => Err(Problem::no_endpoint(call)),
    }
}

fn change(world: &mut World, call: &Call, name: &str) -> Answer {
    let body = fields(call)?;
    match name {
        "create" => create(world, &body),
        "add-block" => add_block(world, &body),
        "close" => close(world, &body),
        "put" => put(world, call, &body),
        "mkdirs" => mkdirs(world, &body),
        "move" => rename(world, &body),
        "delete" => delete(world, &body),
        _ => Err(Problem::no_endpoint(call)),
    }
}

/// The fields of a JSON body or of a form, the contents of a form excepted.
fn fields(call: &Call) -> Result<Map<String, Value>, Problem> {
    if call.form.is_empty() {
        return call.json();
    }
    let text = |bytes: &bytes::Bytes| json!(String::from_utf8_lossy(bytes));
    Ok(call.form.iter().filter(|(name, _)| name != "contents").map(|(name, bytes)| (name.clone(), text(bytes))).collect())
}

fn dbfs_path(path: &str) -> Result<String, Problem> {
    let plain = path.strip_prefix("dbfs:").unwrap_or(path);
    paths::tidy(plain).ok_or_else(|| Problem::invalid(format!("Path must be absolute: {path}")))
}

fn missing(path: &str) -> Problem {
    Problem::missing(format!("No file or directory exists on path {path}."))
}

fn taken(path: &str) -> Problem {
    Problem::exists(format!("A file or directory already exists at the input path dbfs:{path}."))
}

/// What stands at a path, the root included.
struct Found {
    folder: bool,
    size: usize,
    modified: i64,
}

fn find(world: &World, path: &str) -> Result<Found, Problem> {
    if path == "/" {
        return Ok(Found { folder: true, size: 0, modified: 0 });
    }
    let file = world.dbfs.get(path).ok_or_else(|| missing(path))?;
    Ok(Found { folder: file.folder, size: if file.folder { 0 } else { file.body.len() }, modified: file.modified })
}

fn info(path: &str, found: &Found) -> Value {
    json!({ "path": path, "is_dir": found.folder, "file_size": found.size, "modification_time": found.modified })
}

fn list(world: &World, call: &Call) -> Answer {
    let path = dbfs_path(call.need("path")?)?;
    let found = find(world, &path)?;
    if !found.folder {
        return Reply::list("files", vec![info(&path, &found)]);
    }
    let names: Vec<String> = world.dbfs.children(&path).map(|(path, _)| path).collect();
    let files = names.iter().map(|path| Ok(info(path, &find(world, path)?))).collect::<Result<_, Problem>>()?;
    Reply::list("files", files)
}

fn read(world: &World, call: &Call) -> Answer {
    let path = dbfs_path(call.need("path")?)?;
    let wrong = |what: &str| Problem::invalid(format!("{what} must not be negative"));
    let offset = usize::try_from(call.number("offset")?.unwrap_or(0)).map_err(|_| wrong("offset"))?;
    let length = usize::try_from(call.number("length")?.unwrap_or(524_288)).map_err(|_| wrong("length"))?;
    if find(world, &path)?.folder {
        return Err(Problem::invalid(format!("Cannot read a directory: {path}")));
    }
    if length > BLOCK {
        let message = format!("The read length {length} exceeds the maximum of {BLOCK} bytes");
        return Err(Problem::new(400, "MAX_READ_SIZE_EXCEEDED", message));
    }
    let bytes = world.dbfs.get(&path).map(|file| file.body.bytes()).unwrap_or_default();
    let start = offset.min(bytes.len());
    let part = &bytes[start..(start + length).min(bytes.len())];
    Reply::json(json!({ "bytes_read": part.len(), "data": STANDARD.encode(part) }))
}

fn create(world: &mut World, body: &Map<String, Value>) -> Answer {
    let path = dbfs_path(body.need("path")?)?;
    check_place(world, &path, body.yes("overwrite"))?;
    let handle = world.number();
    // The file is there, empty, as soon as the handle is.
    store(world, &path, Body::default());
    world.handles.insert(handle, (path, Body::default()));
    Reply::json(json!({ "handle": handle }))
}

fn handle(body: &Map<String, Value>) -> Result<i64, Problem> {
    body.int("handle").ok_or_else(|| Problem::invalid("Missing required field: handle"))
}

fn dead(handle: i64) -> Problem {
    Problem::missing(format!("No stream exists with handle {handle}"))
}

/// Appends: the same block sent twice is in the file twice.
fn add_block(world: &mut World, body: &Map<String, Value>) -> Answer {
    let handle = handle(body)?;
    let data = decoded(body, "data")?;
    let (_, kept) = world.handles.get_mut(&handle).ok_or_else(|| dead(handle))?;
    *kept = [kept.bytes().as_ref(), &data].concat().into();
    Reply::done()
}

fn decoded(body: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Problem> {
    let coded =
        body.get(name).and_then(Value::as_str).ok_or_else(|| Problem::invalid(format!("Missing required field: {name}")))?;
    let bytes = STANDARD.decode(coded).map_err(|_| Problem::invalid(format!("The field {name} is not valid base64")))?;
    if bytes.len() > BLOCK {
        let message = format!("The block of {} bytes exceeds the maximum of {BLOCK} bytes", bytes.len());
        return Err(Problem::new(400, "MAX_BLOCK_SIZE_EXCEEDED", message));
    }
    Ok(bytes)
}

fn close(world: &mut World, body: &Map<String, Value>) -> Answer {
    let handle = handle(body)?;
    let (path, kept) = world.handles.remove(&handle).ok_or_else(|| dead(handle))?;
    store(world, &path, kept);
    Reply::done()
}

fn put(world: &mut World, call: &Call, body: &Map<String, Value>) -> Answer {
    let path = dbfs_path(body.need("path")?)?;
    let sent = call.form.iter().find(|(name, _)| name == "contents").map(|(_, bytes)| bytes.to_vec());
    let bytes = match sent {
        Some(bytes) => bytes,
        None if body.contains_key("contents") => decoded(body, "contents")?,
        None => Vec::new(),
    };
    check_place(world, &path, body.yes("overwrite"))?;
    store(world, &path, bytes.into());
    Reply::done()
}

fn check_place(world: &World, path: &str, overwrite: bool) -> Result<(), Problem> {
    if let Some(file) = paths::ancestors(path).into_iter().find(|above| world.dbfs.get(above).is_some_and(|file| !file.folder)) {
        return Err(taken(file));
    }
    match world.dbfs.get(path) {
        Some(file) if file.folder || !overwrite => Err(taken(path)),
        None if path == "/" => Err(taken(path)),
        _ => Ok(()),
    }
}

/// Stores a file and makes the folders above it.
pub(super) fn store(world: &mut World, path: &str, body: Body) {
    make_folder(world, paths::parent(path));
    let modified = world.now();
    world.dbfs.insert(path, File { folder: false, body, modified });
}

pub(super) fn make_folder(world: &mut World, path: &str) {
    for folder in paths::ancestors(path).into_iter().rev().chain([path]).filter(|folder| *folder != "/") {
        if !world.dbfs.contains(folder) {
            let modified = world.now();
            world.dbfs.insert(folder, File { folder: true, modified, ..File::default() });
        }
    }
}

fn mkdirs(world: &mut World, body: &Map<String, Value>) -> Answer {
    let path = dbfs_path(body.need("path")?)?;
    let way = std::iter::once(path.as_str()).chain(paths::ancestors(&path));
    if let Some(file) = way.into_iter().find(|above| world.dbfs.get(above).is_some_and(|file| !file.folder)) {
        return Err(taken(file));
    }
    make_folder(world, &path);
    Reply::done()
}

fn rename(world: &mut World, body: &Map<String, Value>) -> Answer {
    let (from, to) = (dbfs_path(body.need("source_path")?)?, dbfs_path(body.need("destination_path")?)?);
    find(world, &from)?;
    check_place(world, &to, false)?;
    make_folder(world, paths::parent(&to));
    for old in world.dbfs.below(&from).into_iter().chain([from.clone()]) {
        if let Some(file) = world.dbfs.remove(&old) {
            world.dbfs.insert(&format!("{to}{}", &old[from.len()..]), file);
        }
    }
    Reply::done()
}

/// Deleting what is not there succeeds.
fn delete(world: &mut World, body: &Map<String, Value>) -> Answer {
    let path = dbfs_path(body.need("path")?)?;
    let inside = world.dbfs.below(&path);
    if !inside.is_empty() && !body.yes("recursive") {
        return Err(Problem::new(400, "IO_ERROR", format!("Directory is not empty: {path}")));
    }
    for gone in inside.iter().chain([&path]) {
        world.dbfs.remove(gone);
    }
    Reply::done()
}
