//! Reads single objects by what they are called, and nothing around them: whether a workspace shows what was written.

use super::attached::attached_id;
use super::{Found, Parent, Scope, Survey, Task};
use crate::api::{ApiError, Workspace};
use crate::event::Observer;
use crate::kinds::{Attached, Collection, Kind, Read, Shape, Tree};
use crate::object::Wanted;
use crate::spool::Spool;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// One object that is looked for.
#[derive(Clone, Debug)]
pub struct Sought {
    /// What it is.
    pub kind: &'static Kind,
    /// Its id or path; for what hangs on another object that object's id, as its API wants it.
    pub id: String,
    /// Its own id below that one, where a listing of the other object shows it with others.
    pub item: Option<String>,
    /// The kind of what it hangs on.
    pub on: Option<&'static Kind>,
    /// Whether its marks (`pinned`) are asked for too: that takes another listing.
    pub marks: bool,
}

impl Sought {
    /// The id under which it comes out.
    pub fn comes_as(&self) -> String {
        let whole = self.on.map_or_else(|| self.id.clone(), |on| attached_id(self.kind, &self.parent(on)));
        self.item.as_ref().map_or(whole.clone(), |item| format!("{whole}/{item}"))
    }

    fn parent(&self, on: &'static Kind) -> Parent {
        Parent { kind: on, api_id: self.id.clone(), id: self.id.clone(), key: String::new() }
    }
}

/// Reads these objects into `sink`, and what hangs on them only where it is sought itself: one read for each, one listing for
/// each folder, and one for each kind whose listing is complete. What is not there does not come, or comes as a gap.
///
/// Errors: as [`super::read`].
pub async fn seek(
    workspace: &Workspace,
    sought: &[Sought],
    workers: usize,
    spool: &Spool,
    observer: &Arc<dyn Observer>,
    sink: Sender<Found>,
) -> Result<(), ApiError> {
    let mut wanted = Wanted::default();
    sought.iter().for_each(|one| want(&mut wanted, one));
    let scope = Scope { only: Some(wanted.into()), max_file: u64::MAX, workers, attached: false, ..Scope::default() };
    let survey = Survey::new(workspace, &scope, spool, observer, sink);
    survey.begin_sought(sought).await?;
    survey.crew.work(workers, |task| survey.run(task)).await
}

fn want(wanted: &mut Wanted, one: &Sought) {
    match &one.kind.shape {
        Shape::Tree(_) => wanted.add(one.kind, &one.id, &one.id),
        Shape::Collection(_) | Shape::Recorded(_) => wanted.add_id(one.kind, &one.id),
        Shape::Attached(_) => {}
    }
}

impl Survey {
    async fn begin_sought(&self, sought: &[Sought]) -> Result<(), ApiError> {
        let mut together: BTreeMap<&'static str, (&'static Kind, HashMap<String, String>)> = BTreeMap::new();
        let (mut listed, mut items) = (BTreeSet::new(), BTreeSet::new());
        let marked = self.marks_of(sought).await?;
        for one in sought {
            let marks = marked.iter().filter(|(kind, _, ids)| *kind == one.kind.name && ids.contains(&one.id));
            let marks: Vec<&'static str> = marks.map(|(_, mark, _)| *mark).collect();
            match (&one.kind.shape, one.on) {
                (Shape::Collection(Collection { get: Some(_), .. }), _) => {
                    self.crew.push(Task::Get { kind: one.kind, id: one.id.clone(), marks });
                }
                (Shape::Collection(_) | Shape::Recorded(_), _) if listed.insert(one.kind.name) => {
                    self.crew.push(Task::List(one.kind));
                }
                (Shape::Tree(tree), _) => self.begin_at(*tree, &one.id),
                (Shape::Attached(Attached { read: Read::Together { .. }, .. }), Some(_)) => {
                    let (_, parents) = together.entry(one.kind.name).or_insert_with(|| (one.kind, HashMap::new()));
                    parents.insert(one.id.clone(), String::new());
                }
                (Shape::Attached(_), Some(on)) if one.item.is_none() || items.insert((one.kind.name, &one.id)) => {
                    self.crew.push(Task::Attached { kind: one.kind, parent: one.parent(on) });
                }
                _ => {}
            }
        }
        together.into_values().for_each(|(kind, parents)| self.crew.push(Task::Together { kind, parents }));
        Ok(())
    }

    /// What has a path in the workspace is found in the listing of its folder.
    fn begin_at(&self, tree: Tree, path: &str) {
        match tree {
            Tree::Dbfs => self.meet(path, |path| Task::DbfsReferred { path, by: String::new() }),
            Tree::Volume => self.meet(path, |path| Task::VolumeFile { path, by: String::new() }),
            _ => {
                let folder = path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
                self.meet(&format!("workspace:{folder}/"), |_| Task::Folder(folder.to_owned()));
            }
        }
    }

    /// The ids that bear a mark, of the kinds whose marks are asked for.
    async fn marks_of(&self, sought: &[Sought]) -> Result<Vec<Marked>, ApiError> {
        let mut found = Vec::new();
        let kinds: BTreeMap<&str, &'static Kind> =
            sought.iter().filter(|one| one.marks).map(|one| (one.kind.name, one.kind)).collect();
        for kind in kinds.into_values() {
            let marked = self.marked(kind).await?;
            found.extend(marked.into_iter().map(|(mark, ids)| (kind.name, mark, ids)));
        }
        Ok(found)
    }
}

/// Kind, mark, and the ids that bear it.
type Marked = (&'static str, &'static str, std::collections::HashSet<String>);
