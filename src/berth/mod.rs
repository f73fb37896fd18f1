//! What imports leave in a target beside what they restore: who may import now, and a copy of the id map.
//!
//! Both are workspace files in [`FOLDER`], which a survey passes by and no import writes to. Promises: whoever holds the
//! [`Hold`] is alone, among all machines; the lock of a dead run can be taken over, by one only; nothing that stands in these
//! files is trusted further than a name would be, since everybody who uses a workspace may write to `/Shared`, and what a
//! folder grants there cannot be taken from what lies in it.

mod copy;
mod lock;

pub use copy::{read, switched_off, write};
pub use lock::{Claimant, Hold, Holder, Sight, TakeError, Timing, look, take, withdraw};

use crate::api::{ApiError, ErrorKind, Request, Workspace};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Where they lie.
pub const FOLDER: &str = crate::kinds::OWN_FOLDER;

/// Under which name requests are counted.
const LABEL: &str = "berth";

fn path(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

/// The bytes of a small file; nothing if it is not there, or is no file.
async fn small(workspace: &Workspace, name: &str) -> Result<Option<Vec<u8>>, ApiError> {
    let request = Request::get(LABEL, "/api/2.0/workspace/export").query("path", path(name)).query("format", "AUTO");
    let answer = match workspace.call(&request).await {
        Err(error) if error.is_not_found() => return Ok(None),
        answer => answer?,
    };
    Ok(answer.get("content").and_then(Value::as_str).and_then(|content| STANDARD.decode(content).ok()))
}

/// Writes a small file. Without `overwrite`, answers whether there was none before.
async fn put(workspace: &Workspace, name: &str, bytes: &[u8], overwrite: bool) -> Result<bool, ApiError> {
    let body = json!({ "path": path(name), "format": "RAW", "overwrite": overwrite, "content": STANDARD.encode(bytes) });
    let request = Request::post(LABEL, "/api/2.0/workspace/import", body);
    match workspace.call(&if overwrite { request.safe() } else { request }).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == ErrorKind::AlreadyExists && !overwrite => Ok(false),
        // The answer was lost: what stands there tells whether it was ours.
        Err(error) if error.kind == ErrorKind::Ambiguous => match small(workspace, name).await? {
            Some(there) => Ok(there == bytes),
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

async fn remove(workspace: &Workspace, name: &str) -> Result<(), ApiError> {
    let request = Request::post(LABEL, "/api/2.0/workspace/delete", json!({ "path": path(name) })).safe();
    match workspace.call(&request).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

async fn make_folder(workspace: &Workspace) -> Result<(), ApiError> {
    let request = Request::post(LABEL, "/api/2.0/workspace/mkdirs", json!({ "path": FOLDER })).safe();
    workspace.call(&request).await.map(drop)
}
