//! Workspace to bundle: a survey whose findings are written down.
//!
//! The bundle holds what the API said, verbatim, less secrets. Every object that a listing showed is accounted for; the
//! writer refuses sums that do not add up.

mod accept;
mod earlier;
mod member;

use crate::api::{ApiError, Identity, Purpose, Workspace};
use crate::bundle::{self, ACCEPTED, Head, KindLine, States, WriteError, Writer};
use crate::event::{Event, Observer};
use crate::kinds::{self, Kind, Shape};
use crate::object::{Object, Unmet};
use crate::store::{Disk, Store};
use crate::survey::{self, Earlier, Found, Gap, Scope};
use earlier::Before;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

pub use accept::{Accept, Accepted};
pub use earlier::Since;
pub use member::name_of;

/// Stands for objects that a listing showed and that did not come out.
const UNACCOUNTED: &str = "* (unaccounted)";

/// How an export is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the bundle will stand. Nothing may stand there yet.
    pub target: PathBuf,
    /// What of the workspace is read.
    pub scope: Scope,
    /// How it is packed.
    pub packing: bundle::Options,
    /// The time that the bundle names as its own; now, unless told.
    pub created: Option<jiff::Timestamp>,
    /// The bundle before this one, from which what did not change is carried over.
    pub since: Option<Since>,
    /// What may be missing or degraded.
    pub accept: Accept,
}

/// What came of an export.
#[derive(Debug)]
pub struct Exported {
    /// The bundle.
    pub summary: bundle::Summary,
    /// The account of each kind.
    pub kinds: Vec<KindLine>,
    /// What did not come, and why.
    pub gaps: Vec<bundle::Gap>,
    /// What came as less than it should be: kind, path, reason.
    pub degraded: Vec<(String, String, String)>,
    /// Values that were blanked.
    pub redacted: u64,
    /// Who exported.
    pub identity: Identity,
    /// HTTP requests that were sent.
    pub requests: u64,
    /// The same by what they were sent for.
    pub purposes: BTreeMap<Purpose, u64>,
    /// How many objects were read although nothing tells whether they changed: their listing has no mark of it.
    pub unmarked: u64,
    /// How many objects were carried over from an earlier bundle; nothing if everything was read.
    pub carried: Option<u64>,
    /// Names that were asked for, and of which nothing is in the bundle.
    pub unmatched: Vec<String>,
    /// How many objects are missing or degraded, and accepted as that.
    pub accepted: u64,
    /// The same for each pattern; an object may meet several.
    pub accepts: Vec<Accepted>,
}

impl Exported {
    /// Whether everything that was asked for is in the bundle, whole, but for what was accepted.
    pub fn is_complete(&self) -> bool {
        self.summary.states.missing + self.summary.states.degraded == self.accepted
    }
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The workspace does not let us in.
    #[error("cannot read the workspace")]
    Api(#[from] ApiError),
    /// Values of secrets would stand in a bundle that everybody can read.
    #[error("values of secrets are stored in encrypted bundles only, and this one has no recipient")]
    Clear,
    /// The bundle could not be written.
    #[error("cannot write the bundle")]
    Write(#[from] WriteError),
    /// A helper thread ended early.
    #[error("cannot finish the bundle in the background")]
    Background(#[from] tokio::task::JoinError),
}

/// Reads the workspace and writes one bundle on the local disk. Dropped before its end, it leaves nothing.
pub async fn run(workspace: &Workspace, options: Options, observer: Arc<dyn Observer>) -> Result<Exported, ExportError> {
    run_in(Arc::new(Disk), workspace, options, observer).await
}

/// The same in another store. Temporary files stand in the target's folder.
pub async fn run_in(
    store: Arc<dyn Store>,
    workspace: &Workspace,
    options: Options,
    observer: Arc<dyn Observer>,
) -> Result<Exported, ExportError> {
    if !options.scope.values.is_empty() && options.packing.recipients.is_none() {
        return Err(ExportError::Clear);
    }
    let created = options.created.unwrap_or_else(jiff::Timestamp::now);
    let stop = bundle::Stop::default();
    let _stops = StopWhenDropped(stop.clone());
    let since = options.since.as_ref();
    let earlier = since.map(|since| since.bundle.clone());
    let packing = bundle::Options { stop, earlier, ..options.packing.clone() };
    let mut writer = Writer::create_in(store, &options.target, packing)?;
    let identity = workspace.identity().await?;
    let unfit = since.and_then(|since| since.unfit(&identity, workspace.host(), created));
    if let Some(why) = &unfit {
        observer.event(&Event::Warning(format!("everything is read: {why}")));
    }
    let usable = since.filter(|_| unfit.is_none());
    let before = usable.map(|since| Arc::new(Before::of(since)) as Arc<dyn Earlier>);
    let scope = Scope { earlier: before, ..options.scope.clone() };
    observer.event(&Event::Stage("export"));
    let (unmatched, accept) = (options.scope.selection.unmet(), options.accept.clone());
    let mut book = Book { unmatched, accept, ..Book::default() };
    let listed = book.read(workspace, &scope, &mut writer, &observer).await?;
    observer.event(&Event::Stage("pack"));
    book.close_sums(&mut writer, &listed, &observer)?;
    let kinds = book.account(&mut writer, workspace);
    let mut head = head(workspace, &identity, &scope, created);
    head.previous = since.filter(|since| since.is_of(&identity, workspace.host())).map(Since::previous);
    head.source.extend(usable.and_then(Since::read_all));
    head.source.extend((book.accepted > 0).then(|| (ACCEPTED.to_owned(), json!(book.accepted))));
    let summary = tokio::task::spawn_blocking(move || writer.finish(head)).await??;
    Ok(book.exported(workspace, identity, summary, kinds, usable.is_some()))
}

/// Whoever waits for an export no more (a signal came) does not want its bundle either, although a thread of its own packs it.
struct StopWhenDropped(bundle::Stop);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn head(workspace: &Workspace, identity: &Identity, scope: &Scope, created: jiff::Timestamp) -> Head {
    let source = json!({
        "cloud": identity.cloud.name(),
        "workspace_id": identity.workspace_id,
        "host": workspace.host(),
        "caller": identity.user_name,
        "caller_is_admin": identity.is_admin,
    });
    let selection = (!scope.selection.is_everything()).then(|| scope.selection.to_json());
    let source: Map<String, Value> = source.as_object().cloned().unwrap_or_default();
    Head { created, tool: bundle::tool(), source, selection, previous: None, requires: Vec::new() }
}

/// Whether the object was read by a call of its own, although nothing in its listing would have told of a change.
fn is_unmarked(object: &Object) -> bool {
    let timeless = matches!(object.kind.shape, Shape::Tree(_)) && object.kind.changed.is_some() && object.modified_at.is_none();
    object.kind.is_read_unmarked() || timeless
}

/// A reason that fits on a line, however much a workspace said.
fn told(reason: &str) -> String {
    const MOST: usize = 2000;
    match reason.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// What has been written down so far.
#[derive(Default)]
struct Book {
    states: BTreeMap<String, States>,
    duplicates: BTreeMap<&'static str, u64>,
    gaps: Vec<bundle::Gap>,
    degraded: Vec<(String, String, String)>,
    redacted: u64,
    unmarked: u64,
    carried: u64,
    /// What was asked for by name and did not come yet.
    unmatched: Unmet,
    accept: Accept,
    accepted: u64,
}

impl Book {
    /// What came of it, once the bundle stands.
    fn exported(
        self,
        workspace: &Workspace,
        identity: Identity,
        summary: bundle::Summary,
        kinds: Vec<KindLine>,
        is_incremental: bool,
    ) -> Exported {
        Exported {
            summary,
            kinds,
            gaps: self.gaps,
            degraded: self.degraded,
            redacted: self.redacted,
            identity,
            requests: workspace.requests().values().sum(),
            purposes: workspace.purposes(),
            unmarked: self.unmarked,
            carried: is_incremental.then_some(self.carried),
            unmatched: self.unmatched.into_texts(),
            accepted: self.accepted,
            accepts: self.accept.into_accepted(),
        }
    }

    /// Survey and writer side by side: the survey waits when the writer is behind.
    async fn read(
        &mut self,
        workspace: &Workspace,
        scope: &Scope,
        writer: &mut Writer,
        observer: &Arc<dyn Observer>,
    ) -> Result<BTreeMap<&'static str, u64>, ExportError> {
        let (sink, mut found) = mpsc::channel(64);
        let spool = writer.spool().clone();
        let reading = survey::read(workspace, scope, &spool, observer, sink);
        // Moved in, so that a failing writer closes the channel: else the survey would wait for it for ever.
        let writing = async move {
            while let Some(found) = found.recv().await {
                self.write(writer, found, observer)?;
            }
            Ok::<(), WriteError>(())
        };
        let (listed, written) = tokio::join!(reading, writing);
        written?;
        Ok(listed?)
    }

    /// A listing that shows one object twice (a page shifted under it) gives one object, and a warning.
    fn write(&mut self, writer: &mut Writer, found: Found, observer: &Arc<dyn Observer>) -> Result<(), WriteError> {
        let kind = match &found {
            Found::Object(object) => object.kind.name,
            Found::Gap(gap) => gap.kind,
        };
        let outcome = match found {
            Found::Object(object) => self.object(writer, *object),
            Found::Gap(gap) => self.gap(writer, gap, observer),
        };
        match outcome {
            Err(WriteError::Duplicate(object)) => {
                observer.event(&Event::Warning(format!("a listing shows {object} twice")));
                *self.duplicates.entry(kind).or_default() += 1;
                Ok(())
            }
            Err(WriteError::Unfit { what, why }) => self.unfit(writer, kind, &what, &why, observer),
            outcome => outcome,
        }
    }

    /// What the format cannot hold (a name of 20 KiB, a NUL in it) is missing; it must not take all else with it.
    fn unfit(
        &mut self,
        writer: &mut Writer,
        kind: &'static str,
        what: &str,
        why: &str,
        observer: &Arc<dyn Observer>,
    ) -> Result<(), WriteError> {
        let digest = bundle::hex(&Sha256::digest(what.as_bytes())[..4]);
        let start: String = what.chars().filter(|c| !c.is_control()).take(200).collect();
        let path = format!("{start}… ({digest})");
        let reason = format!("a bundle cannot hold it: {why}");
        match self.gap(writer, Gap { state: survey::GapState::Missing, kind, path, reason, http: None }, observer) {
            Err(WriteError::Duplicate(_)) => {
                *self.duplicates.entry(kind).or_default() += 1;
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn object(&mut self, writer: &mut Writer, object: Object) -> Result<(), WriteError> {
        let object = Object { degraded: object.degraded.map(|reason| told(&reason)), ..object };
        let (kind, key, degraded) = (object.kind.name, object.key.clone(), object.degraded.clone());
        let redacted = object.redacted.len() as u64;
        self.carried += u64::from(object.meta.get(survey::CARRIED).is_some());
        self.unmarked += u64::from(is_unmarked(&object));
        member::write(writer, object)?;
        self.unmatched.meet(kind, &key);
        let states = self.states.entry(kind.to_owned()).or_default();
        match degraded {
            Some(reason) => {
                states.degraded += 1;
                self.accepted += u64::from(self.accept.takes(kind, &key));
                self.degraded.push((kind.to_owned(), key, reason));
            }
            None => states.captured += 1,
        }
        self.redacted += redacted;
        Ok(())
    }

    fn gap(&mut self, writer: &mut Writer, gap: Gap, observer: &Arc<dyn Observer>) -> Result<(), WriteError> {
        let state = match gap.state {
            survey::GapState::Missing => bundle::GapState::Missing,
            survey::GapState::Excluded => bundle::GapState::Excluded,
            survey::GapState::Unavailable => bundle::GapState::Unavailable,
        };
        let gap = bundle::Gap { state, kind: gap.kind.to_owned(), path: gap.path, reason: told(&gap.reason), http: gap.http };
        writer.gap(gap.clone())?;
        if gap.state == bundle::GapState::Missing {
            let taken = self.accept.takes(&gap.kind, &gap.path);
            self.accepted += u64::from(taken);
            let known = if taken { ", which is accepted" } else { "" };
            observer.event(&Event::Warning(format!("missing {} \"{}\"{known}: {}", gap.kind, gap.path, gap.reason)));
        }
        self.unmatched.meet(&gap.kind, &gap.path);
        let states = self.states.entry(gap.kind.clone()).or_default();
        match gap.state {
            bundle::GapState::Missing => states.missing += 1,
            bundle::GapState::Excluded => states.excluded += 1,
            bundle::GapState::Unavailable => states.unavailable += 1,
        }
        self.gaps.push(gap);
        Ok(())
    }

    /// Should a listing have shown more than came out, that is our fault and must be seen: it becomes a gap.
    fn close_sums(
        &mut self,
        writer: &mut Writer,
        listed: &BTreeMap<&'static str, u64>,
        observer: &Arc<dyn Observer>,
    ) -> Result<(), WriteError> {
        for (kind, listed) in listed {
            let settled =
                self.states.get(*kind).map_or(0, States::total) + self.duplicates.get(kind).copied().unwrap_or_default();
            if *listed > settled {
                let reason = format!("the listing showed {listed} objects, {settled} came out");
                let gap = Gap { state: survey::GapState::Missing, kind, path: UNACCOUNTED.into(), reason, http: None };
                self.gap(writer, gap, observer)?;
            }
        }
        Ok(())
    }

    /// One line for each kind that was looked for, also where nothing was found.
    fn account(&self, writer: &mut Writer, workspace: &Workspace) -> Vec<KindLine> {
        let requests = workspace.requests();
        let mut lines = Vec::new();
        let looked_for = |kind: &&&Kind| self.states.contains_key(kind.name) || requests.contains_key(kind.name);
        for kind in kinds::all().iter().filter(looked_for).map(|kind| kind.name) {
            let states = self.states.get(kind).copied().unwrap_or_default();
            let line = KindLine {
                kind: kind.to_owned(),
                listed: states.total(),
                captured: states.captured,
                degraded: states.degraded,
                missing: states.missing,
                excluded: states.excluded,
                unavailable: states.unavailable,
                requests: requests.get(kind).copied().unwrap_or_default(),
            };
            writer.kind(&line);
            lines.push(line);
        }
        lines
    }
}
