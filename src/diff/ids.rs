//! What imports know of two workspaces: which object of one became which of the other.

use crate::api::{ApiError, Workspace};
use crate::berth;
use crate::journal::{self, Book};
use crate::kinds::{self, Shape};
use crate::object::SourceId;
use crate::spool::Spool;
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// Objects of the first side, and their ids on the second.
pub type Ids = HashMap<SourceId, String>;

/// What the journals in a folder know of imports from one of the workspaces into the other. Errors: as [`journal::book`].
pub fn remembered(folder: &Path, before: &str, after: &str) -> io::Result<Ids> {
    let mut ids = forward(journal::book(folder, after, before)?);
    ids.extend(backward(journal::book(folder, before, after)?));
    Ok(ids)
}

/// The same from the copy that the workspace `here` keeps of imports into it; it is that of one of the sides. Errors: it does not
/// let us in.
pub async fn in_workspace(workspace: &Workspace, here: &str, before: &str, after: &str) -> Result<Ids, ApiError> {
    let spool = Spool::in_temp().map_err(|error| ApiError::local("the id map", "cannot keep what came on disk", &error))?;
    if here == after {
        berth::read(workspace, &spool, before, after).await.map(forward)
    } else {
        berth::read(workspace, &spool, after, before).await.map(backward)
    }
}

fn forward(book: Book) -> Ids {
    lasting(book).collect()
}

fn backward(book: Book) -> Ids {
    lasting(book).map(|(object, to)| (SourceId { kind: object.kind, id: to }, object.id)).collect()
}

/// What hangs on an object goes with it.
fn lasting(book: Book) -> impl Iterator<Item = (SourceId, String)> {
    book.into_iter().filter_map(|(object, twin)| {
        kinds::by_name(&object.kind).filter(|kind| !matches!(kind.shape, Shape::Attached(_)))?;
        Some((SourceId { id: twin.origin.unwrap_or(object.id), kind: object.kind }, twin.to))
    })
}
