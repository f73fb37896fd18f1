//! Reads a workspace into objects: all of it for an export, the part that a bundle would meet for an import.
//!
//! Every object that a listing shows comes out exactly once: as an [`Object`], or as a [`Gap`] with a reason. One failed
//! listing or object never stops the others; only a caller who is not let in at all ends the work.
//!
//! Work is a stack of small tasks and a crew that takes the newest first, so that a walk through a big tree goes deep
//! before it goes wide and little waits in memory.

mod attached;
mod collection;
mod crew;
mod earlier;
mod files;
mod sought;
mod template;
mod tree;
mod values;

pub use earlier::{CARRIED, Earlier, Known};
pub use sought::{Sought, seek};

use crate::api::{ApiError, ErrorKind, Workspace};
use crate::event::{Event, Observer};
use crate::kinds::{self, Kind, Shape};
use crate::object::{Object, REDACTED, Selection, Wanted};
use crate::redact;
use crate::spool::Spool;
use crate::tokens;
use crate::values::Sources;
use crew::Crew;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::Sender;

/// What of a workspace is read.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What a person asked for.
    pub selection: Selection,
    /// Only what a bundle would meet; `None` for everything.
    pub only: Option<Arc<Wanted>>,
    /// Size in bytes above which a file of DBFS or a volume is not read, but reported.
    pub max_file: u64,
    /// Whether what hangs on an object (permissions, libraries) is read with it.
    pub attached: bool,
    /// How many tasks are under way at once.
    pub workers: usize,
    /// An earlier export, whose objects need not be read again where their listing shows no change.
    pub earlier: Option<Arc<dyn Earlier>>,
    /// Where values of secrets come from; without a source, none is read.
    pub values: Sources,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            selection: Selection::default(),
            only: None,
            max_file: 1 << 30,
            attached: true,
            workers: 16,
            earlier: None,
            values: Sources::default(),
        }
    }
}

/// What a survey finds.
#[derive(Debug)]
pub enum Found {
    /// An object.
    Object(Box<Object>),
    /// Something that was shown, or referred to, and did not come.
    Gap(Gap),
}

/// Something that a listing showed and that is not among the objects.
#[derive(Clone, Debug)]
pub struct Gap {
    /// What became of it.
    pub state: GapState,
    /// Its kind.
    pub kind: &'static str,
    /// Its path or id; `*` for a whole kind; a folder with `/**` for all below it.
    pub path: String,
    /// Why.
    pub reason: String,
    /// HTTP status of the answer, if that was the reason.
    pub http: Option<u16>,
}

/// Why something is not among the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapState {
    /// It should be there and could not be read.
    Missing,
    /// It was left out by choice or by rule.
    Excluded,
    /// This workspace does not offer it, or it was not there at the source.
    Unavailable,
}

impl GapState {
    /// The word in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Excluded => "excluded",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Reads the workspace into `sink`, and answers how many objects of each kind its listings showed.
///
/// Errors: only when the caller is not let in, or this machine fails (a full disk). Everything else becomes a [`Gap`].
pub async fn read(
    workspace: &Workspace,
    scope: &Scope,
    spool: &Spool,
    observer: &Arc<dyn Observer>,
    sink: Sender<Found>,
) -> Result<BTreeMap<&'static str, u64>, ApiError> {
    let survey = Survey::new(workspace, scope, spool, observer, sink);
    survey.begin().await;
    survey.crew.work(scope.workers, |task| survey.run(task)).await?;
    survey.begin_referred().await;
    survey.begin_values().await;
    survey.crew.work(scope.workers, |task| survey.run(task)).await?;
    Ok(survey.locked(|shared| std::mem::take(&mut shared.listed)))
}

/// A survey that is under way.
struct Survey {
    workspace: Workspace,
    scope: Scope,
    spool: Spool,
    observer: Arc<dyn Observer>,
    sink: Sender<Found>,
    crew: Crew<Task>,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    listed: BTreeMap<&'static str, u64>,
    /// Files of DBFS and volumes that were met already, whether by a walk or by a reference.
    met: HashSet<String>,
    /// Files of DBFS and volumes that objects refer to, each with the first of these by name.
    referred: BTreeMap<files::Referred, String>,
    /// Files and folders of DBFS that a walk passed by: left out, unless something refers to them.
    aside: BTreeSet<String>,
    /// Kinds of attached documents that the workspace turned out not to offer.
    unavailable: HashSet<String>,
    /// Scopes and keys, where values are asked for.
    secrets: values::Secrets,
}

/// A small piece of work.
enum Task {
    /// Lists a collection or what is only recorded.
    List(&'static Kind),
    /// Reads one object of a collection.
    Get { kind: &'static Kind, id: String, marks: Vec<&'static str> },
    /// Lists documents of many parents at once.
    Together { kind: &'static Kind, parents: HashMap<String, String> },
    /// Reads the document of one parent.
    Attached { kind: &'static Kind, parent: Parent },
    /// Lists a workspace folder.
    Folder(String),
    /// Reads a notebook, file or Git folder that a listing showed.
    Leaf { kind: &'static Kind, info: Value },
    /// Lists a DBFS folder.
    DbfsFolder(String),
    /// Reads a DBFS file of known size.
    DbfsFile { path: String, size: u64, modified_at: Option<u64> },
    /// Looks at a DBFS path that something refers to.
    DbfsReferred { path: String, by: String },
    /// Reads a volume file that something refers to.
    VolumeFile { path: String, by: String },
    /// Gets the value of a secret.
    Value { kind: &'static Kind, parent: Parent, key: String },
}

/// What a document is attached to.
#[derive(Clone)]
struct Parent {
    kind: &'static Kind,
    /// What the workspace calls it in this API: the object id for what has a path.
    api_id: String,
    /// Its id in the bundle.
    id: String,
    key: String,
}

impl Survey {
    fn new(workspace: &Workspace, scope: &Scope, spool: &Spool, observer: &Arc<dyn Observer>, sink: Sender<Found>) -> Self {
        Self {
            workspace: workspace.clone(),
            scope: scope.clone(),
            spool: spool.clone(),
            observer: observer.clone(),
            sink,
            crew: Crew::default(),
            shared: Mutex::default(),
        }
    }

    fn locked<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first tasks. Collections are pushed last and so begin first: their pages follow one another, and a walk through a
    /// tree keeps everybody busy meanwhile.
    async fn begin(&self) {
        self.begin_trees();
        for kind in kinds::all().iter().rev() {
            match (&kind.shape, self.asks_for(kind)) {
                (Shape::Collection(_) | Shape::Recorded(_), true) => self.crew.push(Task::List(kind)),
                (_, false) if self.scope.only.is_none() && self.could_read(kind) => {
                    self.gap(kind, GapState::Excluded, "*", "not asked for", None).await;
                }
                _ => {}
            }
        }
    }

    fn begin_trees(&self) {
        let tree = ["directory", "notebook", "file", "repo", "workspace_object"];
        if tree.iter().filter_map(|name| kinds::by_name(name)).any(|kind| self.asks_for(kind)) {
            self.crew.push(Task::Folder("/".into()));
        }
        match &self.scope.only {
            None if self.scope.selection.wants_kind("dbfs_file") => self.begin_dbfs(),
            None => {}
            Some(wanted) => self.begin_wanted_files(&wanted.clone()),
        }
    }

    fn asks_for(&self, kind: &Kind) -> bool {
        if matches!(kind.shape, Shape::Attached(_)) {
            return self.asks_for_attached(kind);
        }
        self.scope.selection.wants_kind(kind.name) && self.scope.only.as_ref().is_none_or(|only| only.wants_kind(kind.name))
    }

    async fn run(&self, task: Task) -> Result<(), ApiError> {
        match task {
            Task::List(kind) => self.list(kind).await,
            Task::Get { kind, id, marks } => self.get(kind, id, marks).await,
            Task::Together { kind, parents } => self.together(kind, parents).await,
            Task::Attached { kind, parent } => self.attached(kind, parent).await,
            Task::Folder(path) => self.folder(&path).await,
            Task::Leaf { kind, info } => self.leaf(kind, &info).await,
            Task::DbfsFolder(path) => self.dbfs_folder(&path).await,
            Task::DbfsFile { path, size, modified_at } => self.dbfs_file(&path, size, modified_at).await,
            Task::DbfsReferred { path, by } => self.dbfs_referred(&path, &by).await,
            Task::VolumeFile { path, by } => self.volume_file(&path, &by).await,
            Task::Value { kind, parent, key } => self.value(kind, parent, &key).await,
        }
    }

    /// Notes that a listing showed so many objects: each must come out once.
    fn listed(&self, kind: &Kind, count: u64) {
        self.locked(|shared| *shared.listed.entry(kind.name).or_default() += count);
    }

    /// Sends an object out, and looks for what it refers to and what hangs on it.
    async fn object(&self, mut object: Object, api_id: &str) {
        if let crate::object::Body::Json(document) = &mut object.body {
            object.redacted = redact::blank(object.kind, document);
        }
        self.follow_references(&object);
        self.note_secret(&object);
        self.push_attached(&object, api_id);
        let state = if object.degraded.is_some() { "degraded" } else { "captured" };
        self.settled(object.kind, &object.key, state, object.degraded.clone());
        self.send(Found::Object(Box::new(object))).await;
    }

    /// Sends a gap that a listing did not count yet.
    async fn gap(&self, kind: &'static Kind, state: GapState, path: &str, reason: &str, http: Option<u16>) {
        self.listed(kind, 1);
        self.lost(kind, state, path, reason, http).await;
    }

    /// Sends a gap for something that a listing counted.
    async fn lost(&self, kind: &'static Kind, state: GapState, path: &str, reason: &str, http: Option<u16>) {
        self.settled(kind, path, state.name(), Some(reason.to_owned()));
        self.send(Found::Gap(Gap { state, kind: kind.name, path: path.to_owned(), reason: reason.to_owned(), http })).await;
    }

    /// What a failed call makes of something that a listing counted: a gap, or the end when nobody is let in, or when this
    /// machine fails: a full disk here says nothing of the workspace.
    async fn failed(&self, kind: &'static Kind, path: &str, error: ApiError) -> Result<(), ApiError> {
        if matches!(error.kind, ErrorKind::Unauthenticated | ErrorKind::Login | ErrorKind::Local) {
            return Err(error);
        }
        let state = if error.is_unavailable() { GapState::Unavailable } else { GapState::Missing };
        self.lost(kind, state, path, &error.to_string(), error.status).await;
        Ok(())
    }

    fn settled(&self, kind: &Kind, object: &str, state: &'static str, reason: Option<String>) {
        self.observer.event(&Event::Settled { kind: kind.name, object: object.to_owned(), state, reason });
    }

    /// Errors only when the listener is gone, and then nobody wants the rest.
    async fn send(&self, found: Found) {
        if self.sink.send(found).await.is_err() {
            self.crew.close();
        }
    }
}

/// The text at a pointer; numbers as the digits that the server sent.
fn text_at(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The part of an object's natural key that its document holds, or its id. A name may hold a token as anything else may.
fn key_of(kind: &Kind, document: &Value, id: &str) -> String {
    let key = Some(kind.key.at).filter(|at| !at.is_empty()).and_then(|at| text_at(document, at));
    let key = key.unwrap_or_else(|| id.to_owned());
    tokens::without(&key, REDACTED).unwrap_or(key)
}
