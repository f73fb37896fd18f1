//! Sends the bytes of notebooks and files. An upload whose answer was lost may be repeated: it says the same again.

use super::collection::MOMENT;
use super::receipt::{Done, State};
use super::send::is_ambiguous;
use super::tree::at;
use super::{Hands, Ready, Trouble};
use crate::api::{ApiError, ErrorKind, Method, Request, Upload, encode_path};
use crate::kinds::Tree;
use crate::leaks::Leak;
use crate::plan::Action;
use crate::spool::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::Read;

/// The most that a block of DBFS may hold, decoded: 1 MiB (core reference §3).
const BLOCK: u64 = 1 << 20;

/// The most that an import through JSON takes: 10 MiB (core reference §2).
const LARGEST_JSON: u64 = 10 << 20;

/// No text that a person wrote is longer.
const LARGEST_TEXT: u64 = 10 << 20;

/// What goes to DBFS in one request: 1 MB (core reference §3), whichever way a megabyte is counted.
const ONE_REQUEST: u64 = 1_000_000;

/// How often a file of DBFS that takes several requests is begun again.
const TRIES: u32 = 10;

impl Hands<'_> {
    pub(super) async fn content(&self, ready: &Ready<'_>, tree: Tree, overwrite: bool) -> Result<Done, Trouble> {
        let blob = self.contents.content(&ready.step.in_bundle())?;
        let object_id = match tree {
            Tree::Dbfs => self.dbfs(ready, &blob, overwrite).await?,
            Tree::Volume => self.volume(ready, &blob).await?,
            _ => self.workspace_import(ready, &blob, overwrite).await?,
        };
        let state = if overwrite { State::Updated } else { State::Created };
        let leaks = self.leaks_in(ready, &blob).map_err(|error| disk(ready, error))?;
        let sent = Some((blob.len(), *blob.sha256()));
        Ok(Done { sent, leaks, ..Done::there(state, at(&ready.path, object_id.as_ref())) })
    }

    /// What of the source stands in the bytes that were sent, where they may be a text that somebody wrote.
    fn leaks_in(&self, ready: &Ready<'_>, blob: &Blob) -> std::io::Result<Vec<Leak>> {
        let Some(marks) = self.marks.filter(|_| blob.len() <= LARGEST_TEXT) else { return Ok(Vec::new()) };
        Ok(marks.in_code(&ready.step.source, &ready.step.key, &blob.bytes()?))
    }

    /// `workspace/import`, with the format and language that make it what it was (core reference §2, Import).
    async fn workspace_import(&self, ready: &Ready<'_>, blob: &Blob, overwrite: bool) -> Result<Option<Value>, Trouble> {
        let answer = match self.multipart(ready, blob, overwrite).await {
            // Nothing was there when the plan was made, so what is there now came from us.
            Err(error) if is_ambiguous(&error) => self.multipart(ready, blob, true).await,
            answer => answer,
        };
        match answer {
            Ok(answer) => Ok(answer.get("object_id").cloned()),
            Err(error) if refuses_form(&error) => match self.without_form(ready, blob, overwrite).await {
                Ok(answer) => Ok(answer.get("object_id").cloned()),
                Err(_) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn multipart(&self, ready: &Ready<'_>, blob: &Blob, overwrite: bool) -> Result<Value, ApiError> {
        let mut request = Request::new(Method::Post, ready.kind.name, "/api/2.0/workspace/import");
        if overwrite {
            request = request.safe();
        }
        let mut fields = vec![("path".to_owned(), ready.path.clone())];
        fields.extend(form(&ready.step.action).into_iter().map(|(name, value)| (name.to_owned(), value)));
        fields.push(("overwrite".to_owned(), overwrite.to_string()));
        self.workspace.upload(&request, Upload::Multipart { fields, file: blob.clone() }).await
    }

    /// Older ways, for a workspace or a proxy that does not take a form: files raw, notebooks in JSON.
    async fn without_form(&self, ready: &Ready<'_>, blob: &Blob, overwrite: bool) -> Result<Value, Trouble> {
        if ready.kind.name == "file" {
            let path = format!("/api/2.0/workspace-files/import-file{}", encode_path(&ready.path));
            let request = Request::new(Method::Post, ready.kind.name, path).query("overwrite", overwrite.to_string());
            return Ok(self.workspace.upload(&request, Upload::Raw(blob.clone())).await?);
        }
        if blob.len() > LARGEST_JSON {
            return Err(Trouble::Plan("too large for the older way to import".into()));
        }
        let bytes = blob.bytes().map_err(|error| disk(ready, error))?;
        let mut body = json!({ "path": ready.path, "overwrite": overwrite, "content": STANDARD.encode(bytes) });
        for (name, value) in form(&ready.step.action) {
            body[name] = json!(value);
        }
        Ok(self.workspace.call(&Request::post(ready.kind.name, "/api/2.0/workspace/import", body)).await?)
    }

    /// A small file takes one request, which may be sent again as it is. An empty one would look there as if none was sent.
    async fn dbfs(&self, ready: &Ready<'_>, blob: &Blob, overwrite: bool) -> Result<Option<Value>, Trouble> {
        if !(1..=ONE_REQUEST).contains(&blob.len()) {
            return self.dbfs_in_blocks(ready, blob, overwrite).await;
        }
        let bytes = STANDARD.encode(blob.bytes().map_err(|error| disk(ready, error))?);
        let put = |overwrite| {
            let body = json!({ "path": ready.path, "contents": bytes, "overwrite": overwrite });
            Request::post(ready.kind.name, "/api/2.0/dbfs/put", body)
        };
        let first = if overwrite { put(true).safe() } else { put(false) };
        match self.workspace.call(&first).await {
            // Nothing was there when the plan was made, so what is there now came from us.
            Err(error) if is_ambiguous(&error) => self.workspace.call(&put(true).safe()).await?,
            answer => answer?,
        };
        Ok(None)
    }

    /// Begin, blocks, end. A block whose answer was lost may be there or not: then from the beginning.
    async fn dbfs_in_blocks(&self, ready: &Ready<'_>, blob: &Blob, overwrite: bool) -> Result<Option<Value>, Trouble> {
        let mut overwrite = overwrite;
        let mut attempt = 1;
        loop {
            match self.dbfs_once(ready, blob, overwrite).await {
                Err(Trouble::Api(error)) if is_ambiguous(&error) && attempt < TRIES => {
                    tokio::time::sleep(MOMENT * attempt).await;
                    overwrite = true;
                    attempt += 1;
                }
                other => return other.map(|()| None),
            }
        }
    }

    async fn dbfs_once(&self, ready: &Ready<'_>, blob: &Blob, overwrite: bool) -> Result<(), Trouble> {
        let post = |call: &str, body: Value| Request::post(ready.kind.name, format!("/api/2.0/dbfs/{call}"), body);
        let begun = self.workspace.call(&post("create", json!({ "path": ready.path, "overwrite": overwrite }))).await?;
        let handle =
            begun.get("handle").cloned().ok_or_else(|| Trouble::Plan("the workspace gave no handle to write to".into()))?;
        let mut reader = blob.reader();
        loop {
            let mut block = Vec::new();
            (&mut reader).take(BLOCK).read_to_end(&mut block).map_err(|error| disk(ready, error))?;
            if block.is_empty() {
                break;
            }
            self.workspace.call(&post("add-block", json!({ "handle": handle, "data": STANDARD.encode(block) }))).await?;
        }
        self.workspace.call(&post("close", json!({ "handle": handle }))).await?;
        Ok(())
    }

    async fn volume(&self, ready: &Ready<'_>, blob: &Blob) -> Result<Option<Value>, Trouble> {
        let path = &ready.path;
        // The volume itself is a folder that nobody can make here: `/Volumes/catalog/schema/volume`.
        if let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| folder.matches('/').count() > 4) {
            let request = Request::new(Method::Put, ready.kind.name, format!("/api/2.0/fs/directories{}", encode_path(folder)));
            self.workspace.call(&request.safe()).await?;
        }
        let request = Request::new(Method::Put, ready.kind.name, format!("/api/2.0/fs/files{}", encode_path(path)));
        self.workspace.upload(&request.query("overwrite", "true").safe(), Upload::Raw(blob.clone())).await?;
        Ok(None)
    }
}

/// What tells a notebook from a file: a file is sent `RAW`, whatever its name and first line say.
fn form(action: &Action) -> Vec<(&'static str, String)> {
    let Action::Content { format, language, .. } = action else { return Vec::new() };
    match (format.as_deref(), language) {
        (None, None) => vec![("format", "RAW".to_owned())],
        (Some("JUPYTER"), _) => vec![("format", "JUPYTER".to_owned())],
        (format, language) => {
            let mut fields = vec![("format", format.unwrap_or("SOURCE").to_owned())];
            fields.extend(language.clone().map(|language| ("language", language)));
            fields
        }
    }
}

/// Whether the form itself may be what is refused: who expects JSON calls it malformed, in words that nobody can know.
/// Sent again in the older way, what is really wrong is refused again.
fn refuses_form(error: &ApiError) -> bool {
    let said = error.message.to_lowercase().contains("multipart") || matches!(error.status, Some(413 | 415));
    let unread = error.status == Some(400)
        && matches!(error.code.as_deref(), None | Some("INVALID_PARAMETER_VALUE" | "MALFORMED_REQUEST"));
    (said || unread)
        && matches!(error.kind, ErrorKind::Invalid | ErrorKind::TooLarge | ErrorKind::Unavailable | ErrorKind::Protocol)
}

fn disk(ready: &Ready<'_>, error: std::io::Error) -> Trouble {
    Trouble::Content(super::ContentError::new(&ready.step.source, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(format: Option<&str>, language: Option<&str>) -> Action {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Action::Content { overwrite: false, len: 0, sha256: String::new(), format: text(format), language: text(language) }
    }

    #[test]
    fn a_file_stays_a_file_and_a_notebook_keeps_its_language() {
        assert_eq!(form(&content(None, None)), [("format", "RAW".to_owned())]);
        assert_eq!(
            form(&content(Some("SOURCE"), Some("SQL"))),
            [("format", "SOURCE".to_owned()), ("language", "SQL".to_owned())]
        );
        assert_eq!(form(&content(Some("JUPYTER"), Some("PYTHON"))), [("format", "JUPYTER".to_owned())]);
    }
}
