//! The id map of imports into a target, kept in the target itself, so that an import from another machine knows as much.

use super::{FOLDER, LABEL, make_folder, path};
use crate::api::{ApiError, Method, Request, Upload, Workspace};
use crate::journal::{Book, Twin, last_words};
use crate::object::SourceId;
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the file.
const FORMAT: u32 = 1;

/// Bytes of a copy: a million objects fit.
const LARGEST: u64 = 256 << 20;

/// The file. It says whose it is: one that was copied along from another workspace counts for nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Copy {
    format: u32,
    source: String,
    target: String,
    twins: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    kind: String,
    id: String,
    #[serde(flatten)]
    twin: Twin,
}

fn name(source: &str, target: &str) -> Option<String> {
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_id(source) && is_id(target)).then(|| format!("ids-{source}-{target}.json"))
}

/// What the target's copy says of imports from a source; empty if there is none, or none that can be read.
pub async fn read(workspace: &Workspace, spool: &Spool, source: &str, target: &str) -> Result<Book, ApiError> {
    let Some(name) = name(source, target) else { return Ok(Book::new()) };
    let request = Request::get(LABEL, "/api/2.0/workspace/export").query("path", path(&name)).query("format", "AUTO");
    let bytes = match workspace.download_blob(&request.query("direct_download", "true").at_most(LARGEST), spool).await {
        Err(error) if error.is_not_found() => return Ok(Book::new()),
        blob => blob?.bytes().map_err(|error| ApiError::local(&name, "cannot keep what came on disk", &error))?,
    };
    Ok(parse(&bytes, source, target).unwrap_or_default())
}

fn parse(bytes: &[u8], source: &str, target: &str) -> Option<Book> {
    let copy = serde_json::from_slice::<Copy>(bytes).ok()?;
    let ours = copy.format == FORMAT && copy.source == source && copy.target == target;
    let twin = |one: Entry| (SourceId { kind: one.kind, id: one.id }, one.twin);
    ours.then(|| copy.twins.into_iter().map(twin).collect())
}

/// What all copies of a target say of what was switched off there: as [`crate::journal::switched_off`].
pub async fn switched_off(workspace: &Workspace, spool: &Spool, target: &str) -> Result<Book, ApiError> {
    let request = Request::get(LABEL, "/api/2.0/workspace/list").query("path", FOLDER);
    let answer = match workspace.call(&request).await {
        Err(error) if error.is_not_found() => return Ok(Book::new()),
        answer => answer?,
    };
    let paths = answer.get("objects").and_then(Value::as_array).into_iter().flatten();
    let names = paths.filter_map(|one| one.get("path")?.as_str()?.rsplit('/').next());
    let source = |name: &str| Some(name.strip_prefix("ids-")?.strip_suffix(&format!("-{target}.json"))?.to_owned());
    let mut books = Vec::new();
    for source in names.filter_map(source) {
        books.push(read(workspace, spool, &source, target).await?);
    }
    Ok(last_words(books.into_iter()))
}

/// Adds what is known here to the target's copy. Writes nothing where it says all that already.
pub async fn write(workspace: &Workspace, spool: &Spool, source: &str, target: &str, book: &Book) -> Result<(), ApiError> {
    let Some(name) = name(source, target) else { return Ok(()) };
    let there = read(workspace, spool, source, target).await?;
    let mut all = there.clone();
    all.extend(book.iter().map(|(object, twin)| (object.clone(), twin.clone())));
    if all == there {
        return Ok(());
    }
    let entry = |(object, twin): (SourceId, Twin)| Entry { kind: object.kind, id: object.id, twin };
    let twins = all.into_iter().map(entry).collect();
    let copy = Copy { format: FORMAT, source: source.to_owned(), target: target.to_owned(), twins };
    let bytes = serde_json::to_vec(&copy).unwrap_or_default();
    let file = spool.keep(&bytes).map_err(|error| ApiError::local(&name, "cannot keep the id map on disk", &error))?;
    make_folder(workspace).await?;
    let fields = [("path", path(&name)), ("format", "RAW".to_owned()), ("overwrite", "true".to_owned())];
    let fields = fields.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let request = Request::new(Method::Post, LABEL, "/api/2.0/workspace/import").safe();
    workspace.upload(&request, Upload::Multipart { fields, file }).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_another_workspace_counts_for_nothing() {
        let text = br#"{"format": 1, "source": "1", "target": "2", "twins": [{"kind": "job", "id": "7", "to": "9"}]}"#;
        let book = parse(text, "1", "2").expect("ours");
        assert_eq!(book.values().map(|twin| twin.to.as_str()).collect::<Vec<_>>(), ["9"]);
        assert_eq!((parse(text, "1", "3"), parse(text, "2", "2"), parse(b"nonsense", "1", "2")), (None, None, None));
    }

    #[test]
    fn a_name_is_of_two_ids() {
        assert_eq!(name("1", "2").as_deref(), Some("ids-1-2.json"));
        assert_eq!((name("", "2"), name("1", "../2")), (None, None));
    }
}
