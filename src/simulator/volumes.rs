//! The Files API for volumes: `/api/2.0/fs/files` and `/api/2.0/fs/directories`.

use super::body::Body;
use super::call::{Answer, Call, Content, Problem, Reply};
use super::http::decoded;
use super::paths;
use super::world::{File, World, page_of, page_reply};
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

pub(super) fn answer(world: &mut World, call: &Call, rest: &str) -> Answer {
    let (kind, path) = rest.split_once('/').ok_or_else(|| Problem::no_endpoint(call))?;
    let path = paths::tidy(&format!("/{}", decoded(path))).unwrap_or_default();
    if !path.starts_with("/Volumes/") {
        return Err(Problem::invalid(format!("Invalid path {path}: it must begin with /Volumes/")));
    }
    match (kind, call.method.as_str()) {
        ("files", "GET" | "HEAD") => download(world, call, &path),
        ("files", "PUT") => upload(world, call, &path),
        ("files", "DELETE") => delete_file(world, &path),
        ("directories", "GET") => list(world, call, &path),
        ("directories", "HEAD") => folder(world, &path).and_then(|()| Reply::status(200)),
        ("directories", "PUT") => make(world, &path),
        ("directories", "DELETE") => delete_folder(world, &path),
        _ => Err(Problem::no_endpoint(call)),
    }
}

/// `/Volumes/<catalog>/<schema>/<volume>`: these exist or not, the Files API cannot make them.
fn volume(path: &str) -> String {
    path.split('/').take(5).collect::<Vec<_>>().join("/")
}

fn volume_exists(world: &World, path: &str) -> Result<(), Problem> {
    let volume = volume(path);
    let known = world.volumes.contains(&volume) && volume.matches('/').count() == 4;
    if known { Ok(()) } else { Err(Problem::new(404, "NOT_FOUND", format!("Volume '{volume}' does not exist."))) }
}

fn gone(path: &str) -> Problem {
    Problem::new(404, "NOT_FOUND", format!("The file or directory being accessed is not found: {path}"))
}

fn conflict(path: &str) -> Problem {
    Problem::new(409, "ALREADY_EXISTS", format!("The file or directory being created already exists: {path}"))
}

fn file<'a>(world: &'a World, path: &str) -> Result<&'a File, Problem> {
    world.volumes.get(path).filter(|file| !file.folder).ok_or_else(|| gone(path))
}

fn folder(world: &World, path: &str) -> Result<(), Problem> {
    world.volumes.get(path).filter(|file| file.folder).map(|_| ()).ok_or_else(|| gone(path))
}

/// The whole file, or the part that a `Range` of the form `bytes=a-` or `bytes=a-b` asks for (RFC 9110 section 14).
fn download(world: &World, call: &Call, path: &str) -> Answer {
    let file = file(world, path)?;
    let bytes = file.body.bytes();
    let modified = UNIX_EPOCH + Duration::from_millis(u64::try_from(file.modified).unwrap_or(0));
    let stamped = |reply: Reply| reply.with("last-modified", httpdate::fmt_http_date(modified)).with("accept-ranges", "bytes");
    if call.method == "HEAD" {
        return Ok(stamped(Reply::new(200, Content::Bytes(bytes))));
    }
    let Some(range) = call.header("range") else { return Ok(stamped(Reply::new(200, Content::Bytes(bytes)))) };
    let Some((start, end)) = part(range, bytes.len()) else {
        return Err(Problem::new(416, "INVALID_PARAMETER_VALUE", format!("The range {range} cannot be satisfied")));
    };
    let told = format!("bytes {start}-{}/{}", end - 1, bytes.len());
    Ok(stamped(Reply::new(206, Content::Bytes(bytes.slice(start..end)))).with("content-range", told))
}

fn part(range: &str, len: usize) -> Option<(usize, usize)> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start = start.parse::<usize>().ok().filter(|start| *start < len)?;
    let end = if end.is_empty() { len } else { end.parse::<usize>().ok()?.saturating_add(1).min(len) };
    (start < end).then_some((start, end))
}

fn upload(world: &mut World, call: &Call, path: &str) -> Answer {
    volume_exists(world, path)?;
    match world.volumes.get(path) {
        Some(file) if file.folder || !call.flag("overwrite") => return Err(conflict(path)),
        _ => {}
    }
    store(world, path, Body::Here(call.body.clone()));
    Reply::status(204)
}

/// Stores a file and makes the folders above it.
pub(super) fn store(world: &mut World, path: &str, body: Body) {
    make_folder(world, paths::parent(path));
    let modified = world.now();
    world.volumes.insert(path, File { folder: false, body, modified });
}

pub(super) fn make_folder(world: &mut World, path: &str) {
    for folder in paths::ancestors(path).into_iter().rev().chain([path]).filter(|folder| *folder != "/") {
        if !world.volumes.contains(folder) {
            let modified = world.now();
            world.volumes.insert(folder, File { folder: true, modified, ..File::default() });
        }
    }
}

fn delete_file(world: &mut World, path: &str) -> Answer {
    file(world, path)?;
    world.volumes.remove(path);
    Reply::status(204)
}

fn list(world: &World, call: &Call, path: &str) -> Answer {
    folder(world, path)?;
    let entry = |(path, file): (String, &File)| {
        let mut entry =
            json!({ "path": path, "name": paths::name(&path), "is_directory": file.folder, "last_modified": file.modified });
        if !file.folder {
            entry["file_size"] = json!(file.body.len());
        }
        entry
    };
    let all: Vec<Value> = world.volumes.children(path).map(entry).collect();
    let page = page_of(&all, call.query("page_token"), world.page(call.number("page_size")?, 1000, 1000))?;
    Reply::json(Value::Object(page_reply("contents", page)))
}

fn make(world: &mut World, path: &str) -> Answer {
    volume_exists(world, path)?;
    let way = std::iter::once(path).chain(paths::ancestors(path));
    if let Some(file) = way.into_iter().find(|above| world.volumes.get(above).is_some_and(|file| !file.folder)) {
        return Err(conflict(file));
    }
    make_folder(world, path);
    Reply::status(204)
}

fn delete_folder(world: &mut World, path: &str) -> Answer {
    folder(world, path)?;
    if world.volumes.children(path).next().is_some() {
        return Err(Problem::bad(format!("The directory being deleted is not empty: {path}")));
    }
    world.volumes.remove(path);
    Reply::status(204)
}
