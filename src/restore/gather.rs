//! A survey whose finds are kept in memory: the inventory of a target.

use super::RestoreError;
use crate::api::Workspace;
use crate::event::{Event, Observer};
use crate::object::Object;
use crate::plan;
use crate::spool::Spool;
use crate::survey::{self, Found, GapState, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// All that a survey finds, in memory; bytes are known by their digests.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// The objects.
    pub objects: Vec<Object>,
    /// What the workspace does not offer, as [`plan::unavailable`] names it.
    pub unavailable: Vec<String>,
    /// What is there and could not be read: kind, and id or `*`.
    pub unread: Vec<(String, String)>,
    /// How many objects of each kind the listings showed.
    pub listed: BTreeMap<&'static str, u64>,
}

/// A survey with all that it finds in memory.
pub async fn gather(workspace: &Workspace, scope: &Scope, observer: &Arc<dyn Observer>) -> Result<Gathered, RestoreError> {
    let spool = Spool::in_temp()?;
    let (sink, mut found) = mpsc::channel(64);
    let reading = survey::read(workspace, scope, &spool, observer, sink);
    let gathering = async {
        let mut gathered = Gathered::default();
        while let Some(one) = found.recv().await {
            match one {
                Found::Object(object) => gathered.objects.push(object.packed()),
                Found::Gap(gap) if gap.state == GapState::Unavailable && gap.path.ends_with('*') => {
                    gathered.unavailable.push(plan::unavailable(gap.kind, gap.path.trim_end_matches(['*', '/'])));
                }
                Found::Gap(gap) if gap.state == GapState::Missing => {
                    observer.event(&Event::Warning(format!(
                        "cannot read {} \"{}\" of the target: {}",
                        gap.kind, gap.path, gap.reason
                    )));
                    gathered.unread.push((gap.kind.to_owned(), gap.path));
                }
                Found::Gap(_) => {}
            }
        }
        gathered
    };
    let (listed, mut gathered) = tokio::join!(reading, gathering);
    gathered.listed = listed?;
    Ok(gathered)
}
