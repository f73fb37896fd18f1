//! The whole journey on embedded workspaces: export, verify, import into an empty workspace, compare, import again.
//!
//! The comparison is [`crate::compare`]'s: it reads both workspaces anew and knows nothing of plans.

use crate::api::{ApiError, Config, ConfigError, Options as Connection, Workspace};
use crate::audit::{self, Contents, Depth};
use crate::bundle::{self, OpenError, ReadError, Reader};
use crate::compare::{self, Comparison};
use crate::event::{Event, Observer};
use crate::export::{self, ExportError};
use crate::import::{self, BundleContents, ImportError, Receipt, State};
use crate::journal::Journal;
use crate::kinds::Shape;
use crate::object::{Object, Selection};
use crate::plan::{self, Plan};
use crate::receipt::{self, End, Facts, Keeper, Named};
use crate::restore::{self, RestoreError};
use crate::rules;
use crate::simulator::{self, Seed, Server, SimulatorError};
use crate::spool::Spool;
use crate::store::Source;
use crate::survey::Scope;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a drill is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the first workspace holds; of no account where a bundle is given.
    pub seed: Seed,
    /// A bundle to rehearse, instead of an export of the first workspace.
    pub bundle: Option<PathBuf>,
    /// Its bytes, where they are not simply those of the file.
    pub source: Option<Arc<dyn Source>>,
    /// Where the bundle of the first workspace goes.
    pub folder: PathBuf,
    /// Waited before each answer.
    pub latency: Duration,
    /// Folder that keeps the sealed record of the import, and its page.
    pub evidence: Option<PathBuf>,
}

/// What a drill saw.
#[derive(Debug)]
pub struct Report {
    /// Stages with the time that each took, in order.
    pub stages: Vec<(&'static str, Duration)>,
    /// The bundle.
    pub bundle: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is wrong with the bundle itself.
    pub findings: Vec<bundle::Finding>,
    /// Source against target.
    pub comparison: Comparison,
    /// What came of the import.
    pub receipt: Receipt,
    /// What a second import, with no memory of the first, would write.
    pub again: Vec<String>,
    /// Requests of export and import.
    pub requests: (u64, u64),
    /// Where the record of the import is kept.
    pub evidence: Option<PathBuf>,
}

impl Report {
    /// Whether the restore is what the source was, inert, and a second one would change nothing.
    pub fn is_good(&self) -> bool {
        let as_meant = self.receipt.count(State::Failed) == 0 && self.receipt.unverified().next().is_none();
        self.findings.is_empty() && self.comparison.is_equal() && self.again.is_empty() && as_meant
    }
}

/// Why a drill could not be held.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// An embedded workspace did not start.
    #[error("cannot start an embedded workspace")]
    Simulator(#[from] SimulatorError),
    /// The embedded workspace cannot be signed in to.
    #[error("cannot sign in to an embedded workspace")]
    Config(#[from] ConfigError),
    /// An embedded workspace did not answer.
    #[error("cannot reach an embedded workspace")]
    Api(#[from] ApiError),
    /// The export failed.
    #[error("cannot export the embedded workspace")]
    Export(#[from] ExportError),
    /// The bundle cannot be opened.
    #[error("cannot open the bundle {}", .path.display())]
    Open {
        /// The bundle.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The bundle cannot be read.
    #[error("cannot read the bundle")]
    Read(#[from] ReadError),
    /// There is no plan.
    #[error("cannot plan the restore")]
    Restore(#[from] RestoreError),
    /// The plan could not be carried out.
    #[error("cannot carry out the restore")]
    Import(#[from] ImportError),
    /// Temporary files failed.
    #[error("cannot keep temporary files")]
    Disk(#[from] std::io::Error),
}

/// Holds the drill.
pub async fn run(options: &Options, observer: Arc<dyn Observer>) -> Result<Report, DrillError> {
    let began = jiff::Timestamp::now();
    let mut clock = Clock { observer: observer.clone(), began, stages: Vec::new(), since: Instant::now(), name: "start" };
    let source = start(options, options.seed.clone(), "1000000000000001").await?;
    let target = start(options, prepared_for(options)?, "2000000000000002").await?;
    let outcome = rehearse(options, &observer, &mut clock, &source, &target).await;
    source.stop().await;
    target.stop().await;
    outcome
}

async fn rehearse(
    options: &Options,
    observer: &Arc<dyn Observer>,
    clock: &mut Clock,
    source: &Server,
    target: &Server,
) -> Result<Report, DrillError> {
    let (from, to) = (connect(source, observer)?, sign_in(target, observer)?);
    clock.stage("export");
    let path = bundle_of(options, &from, observer).await?;
    clock.stage("verify");
    let open = |source| DrillError::Open { path: path.clone(), source };
    let source = source_of(options, &path).map_err(open)?;
    let limits = bundle::Limits::default();
    let verdict = audit::verify_source(Box::new(source.clone()), Depth::Full, limits, &**observer).map_err(open)?;
    let reader = Reader::open_source(Box::new(source), limits).map_err(open)?;
    let before = match options.bundle {
        Some(_) => restored_objects(&reader)?,
        None => survey(&from, observer).await?,
    };
    let requests = from.total_requests();
    clock.stage("plan");
    let plan = restore::plan(&reader, &to, &choices(), observer).await?;
    clock.stage("import");
    let receipt = carry_out(&plan, &reader, &to, observer).await?;
    let written = to.total_requests();
    clock.stage("compare");
    let after = survey(&to, observer).await?;
    let comparison = compare::compare(&before, &after, &plan.source.workspace_id, &plan.target.user);
    clock.stage("import again");
    let again = restore::plan(&reader, &to, &choices(), observer).await?;
    clock.end();
    let mut report = Report {
        stages: std::mem::take(&mut clock.stages),
        bytes: reader.size(),
        bundle: path,
        findings: verdict.findings,
        comparison,
        again: writes_of(&again, &receipt),
        receipt,
        requests: (requests, written),
        evidence: None,
    };
    if let Some(folder) = &options.evidence {
        report.evidence = Some(evidence(folder, &plan, &report, clock.began)?);
    }
    Ok(report)
}

/// Keeps the record of the import, with what the drill found.
fn evidence(folder: &Path, plan: &Plan, report: &Report, began: jiff::Timestamp) -> std::io::Result<PathBuf> {
    let standby = rules::BUILT_IN.iter().find(|(name, _)| *name == "standby").map_or("", |(_, text)| text);
    let stages = report.stages.clone();
    let rules = Named::new("standby", standby);
    let facts = Facts { command: "drill", plan, rules, map: None, began, stages, journal: None };
    let mut record = receipt::record(&facts, &End::Over(&report.receipt));
    record["drill"] = serde_json::json!({
        "good": report.is_good(),
        "accounts": report.comparison.accounts,
        "differences": report.comparison.differences,
        "again": report.again,
        "damage": report.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let keeper = Keeper::begin(folder, &plan.target.workspace_id, &plan.source.digest, began)?;
    keeper.page(&record)?;
    keeper.record(&record)
}

/// Bundles of any workspace may be rehearsed, also one with the id of the embedded target.
fn choices() -> restore::Options {
    let plan = plan::Options { restore_admins: true, ..plan::Options::default() };
    restore::Options { allow_same_workspace: true, workers: 16, plan, ..restore::Options::default() }
}

async fn start(options: &Options, seed: Seed, workspace_id: &str) -> Result<Server, SimulatorError> {
    let workspace_id = workspace_id.to_owned();
    Server::start(simulator::Options { seed, workspace_id, latency: options.latency, ..simulator::Options::default() }).await
}

/// A restore goes into a workspace where people made beforehand what this version does not restore, under the same names:
/// warehouses, volumes and the like.
fn prepared_for(options: &Options) -> Result<Seed, DrillError> {
    match (&options.bundle, &options.seed) {
        (None, Seed::Sample) => Ok(Seed::Prepared),
        (None, _) => Ok(Seed::Empty),
        (Some(path), _) => {
            let opened =
                source_of(options, path).and_then(|source| Reader::open_source(Box::new(source), bundle::Limits::default()));
            let reader = opened.map_err(|source| DrillError::Open { path: path.clone(), source })?;
            Ok(furnished(&audit::contents(&reader, &Selection::default())?))
        }
    }
}

fn source_of(options: &Options, path: &Path) -> Result<Arc<dyn Source>, OpenError> {
    match &options.source {
        Some(source) => Ok(source.clone()),
        None => Ok(Arc::new(std::fs::File::open(path).map_err(OpenError::Io)?)),
    }
}

fn furnished(contents: &Contents) -> Seed {
    let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for object in &contents.recorded {
        let Shape::Recorded(recorded) = &object.kind.shape else { continue };
        let path = recorded.list.path.trim_start_matches("/api/2.0/").split('?').next().unwrap_or_default();
        lists.entry(path.to_owned()).or_default().extend(object.document().map(Cow::into_owned));
    }
    let files = contents.objects.iter().filter(|object| object.kind.name == "volume_file").map(|object| object.id.clone());
    Seed::Furnished { lists, files: files.collect() }
}

/// The target is entered as a service principal by OAuth: a Key Vault scope cannot be made with a personal access token.
fn sign_in(server: &Server, observer: &Arc<dyn Observer>) -> Result<Workspace, DrillError> {
    let url = server.url();
    let environment = |name: &str| match name {
        "DATABRICKS_HOST" => Some(url.clone()),
        "DATABRICKS_CLIENT_ID" => Some("drill".to_owned()),
        "DATABRICKS_CLIENT_SECRET" => Some("of the embedded workspace".to_owned()),
        _ => None,
    };
    let config = Config::resolve(None, &environment, None)?;
    Ok(Workspace::new(config, Connection::default().lift_rates(), observer.clone())?)
}

fn connect(server: &Server, observer: &Arc<dyn Observer>) -> Result<Workspace, ApiError> {
    let config = Config::with_host_and_token(&server.url(), server.token());
    Workspace::new(config, Connection::default().lift_rates(), observer.clone())
}

/// The bundle that was given, or a new one of the embedded workspace.
async fn bundle_of(options: &Options, from: &Workspace, observer: &Arc<dyn Observer>) -> Result<PathBuf, DrillError> {
    if let Some(bundle) = &options.bundle {
        return Ok(bundle.clone());
    }
    let target = options.folder.join("drill.tar.zst");
    let export = export::Options {
        target: target.clone(),
        scope: Scope::default(),
        packing: bundle::Options::default(),
        created: None,
        since: None,
        accept: export::Accept::default(),
    };
    export::run(from, export, observer.clone()).await?;
    Ok(target)
}

fn restored_objects(reader: &Reader) -> Result<Vec<Object>, RestoreError> {
    let contents = audit::contents(reader, &Selection::default())?;
    Ok(contents.objects.into_iter().chain(contents.recorded).collect())
}

async fn survey(workspace: &Workspace, observer: &Arc<dyn Observer>) -> Result<Vec<Object>, RestoreError> {
    Ok(restore::gather(workspace, &Scope::default(), observer).await?.objects)
}

async fn carry_out(plan: &Plan, reader: &Reader, to: &Workspace, observer: &Arc<dyn Observer>) -> Result<Receipt, DrillError> {
    let bytes = BundleContents::new(reader, Spool::in_temp()?);
    let marks = restore::marks(reader, &choices(), plan)?;
    let options = import::Options { marks: Some(&marks), ..import::Options::default() };
    let (receipt, end) = import::run_with(plan, &bytes, to, &mut Journal::none(), observer, options).await?;
    end.map_or(Ok(receipt), |error| Err(error.into()))
}

/// What a second import would write, but for what the first could not: that is tried again.
fn writes_of(plan: &Plan, receipt: &Receipt) -> Vec<String> {
    let waits: HashSet<_> = receipt.items.iter().filter(|item| !item.state.is_there()).map(|item| &item.source).collect();
    let writing = plan.steps.iter().filter(|step| step.action.writes() && !waits.contains(&step.source));
    writing.map(|step| format!("{} {} {}", step.action.name(), step.source.kind, step.key)).collect()
}

/// Tells the stages apart.
struct Clock {
    began: jiff::Timestamp,
    observer: Arc<dyn Observer>,
    stages: Vec<(&'static str, Duration)>,
    since: Instant,
    name: &'static str,
}

impl Clock {
    fn stage(&mut self, name: &'static str) {
        self.end();
        self.name = name;
        self.observer.event(&Event::Stage(name));
    }

    fn end(&mut self) {
        self.stages.push((self.name, self.since.elapsed()));
        self.since = Instant::now();
    }
}
