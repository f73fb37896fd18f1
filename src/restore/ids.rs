//! What is known of the target from earlier imports: by this machine's journals, else by the copy that the target keeps.

use super::{Options, RestoreError};
use crate::api::Workspace;
use crate::berth;
use crate::event::{Event, Observer};
use crate::journal::{self, Book};
use crate::object::SourceId;
use crate::spool::Spool;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Source object and target id.
pub(super) type Ids = BTreeMap<SourceId, String>;

/// What this machine knows, and if that is nothing, what the target says.
pub(super) async fn known(
    options: &Options,
    workspace: &Workspace,
    target: &str,
    source: &str,
    observer: &Arc<dyn Observer>,
) -> Result<(Ids, Ids), RestoreError> {
    let Some(folder) = &options.journals else { return Ok((Ids::new(), Ids::new())) };
    let known = journal::known(folder, target, source).map_err(RestoreError::Journal)?;
    if !known.is_empty() {
        return Ok((known, Ids::new()));
    }
    let book = copy(workspace, target, source, observer).await?;
    Ok((known, ours(book)))
}

/// The copy in a workspace; what cannot be read is no reason not to go on.
pub(super) async fn copy(
    workspace: &Workspace,
    target: &str,
    source: &str,
    observer: &Arc<dyn Observer>,
) -> Result<Book, RestoreError> {
    let spool = Spool::in_temp()?;
    Ok(berth::read(workspace, &spool, source, target).await.unwrap_or_else(|error| {
        observer.event(&Event::Warning(format!("cannot read what earlier imports left in {}: {error}", berth::FOLDER)));
        Book::new()
    }))
}

fn ours(book: Book) -> Ids {
    book.into_iter().filter(|(_, twin)| twin.ours).map(|(object, twin)| (object, twin.to)).collect()
}
