//! `lifeboat backup`

use super::alert;
use super::apply::state_folder;
use super::export::{Export, Performed};
use super::signals::Interrupted;
use super::{Advised, Outcome, Refusal, block_on, hint};
use crate::ui::{self, Progress, Ui, words};
use anyhow::Context;
use clap::{Args, Command, FromArgMatches};
use jiff::Timestamp;
use lifeboat::backup::{Config, Good, Night, Result as Made, Status, Verdict, Workspace, metrics};
use lifeboat::bundle::hex;
use lifeboat::catalogue;
use lifeboat::event::{Event, Observer};
use lifeboat::retention::Policy;
use lifeboat::store::{Place, Say, without_signatures};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const TOO_LATE: &str = "the deadline of the run came first";

/// The configured nightly run.
#[derive(Debug, Args)]
pub struct Backup {
    /// What to back up and where to; without it `$XDG_CONFIG_HOME/lifeboat/lifeboat.yaml`
    #[arg(long, short, value_name = "FILE", env = "LIFEBOAT_CONFIG")]
    config: Option<PathBuf>,
    /// Only this workspace of it; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Read the configuration, say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the JSON Schema of the configuration, for editors
    #[arg(long, conflicts_with_all = ["config", "only", "dry_run"])]
    schema: bool,
    /// Folder for the lock and the status; without it `$XDG_STATE_HOME/lifeboat`, or ~/.local/state/lifeboat
    #[arg(long, value_name = "FOLDER", env = "LIFEBOAT_STATE")]
    state: Option<PathBuf>,
}

/// A workspace with the export that it stands for.
struct Task {
    workspace: Workspace,
    export: Export,
}

impl Backup {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        if self.schema {
            writeln!(ui.raw(), "{}", serde_json::to_string_pretty(&Config::schema())?)?;
            return Ok(Outcome::Done);
        }
        let (config, name) = self.config()?;
        let began = Timestamp::now();
        let tasks = self.tasks(&config, began).with_context(|| format!("in {}", name.display()))?;
        if self.dry_run {
            return told(ui, &tasks);
        }
        let state = state_folder(self.state.as_deref())?;
        let _lock = locked(&state)?;
        let place = config.status.clone().unwrap_or_else(|| state.join("backup.json"));
        let before = std::fs::read_to_string(&place).ok().and_then(|text| Status::parse(&text));
        let status = block_on(async {
            let nights = Run { before: before.as_ref(), began, quiet }.all(&config, tasks).await?;
            let nights = with_others(nights, before.as_ref(), &config);
            let status = Status::new(&lifeboat::bundle::tool(), began, Timestamp::now(), nights);
            keep(&config, &place, &status)?;
            alert::tell(&config.alerts, &status).await.iter().for_each(|text| ui::note(format!("warning: {text}")));
            Ok(status)
        })?;
        report(ui, &status)?;
        Ok(outcome(&status))
    }

    fn config(&self) -> anyhow::Result<(Config, PathBuf)> {
        let path = match &self.config {
            Some(path) => path.clone(),
            None => {
                config_folder().context("cannot tell where the configuration is: give it with `--config`")?.join("lifeboat.yaml")
            }
        };
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read the configuration {}", path.display()))?;
        let config = Config::parse(&text).with_context(|| format!("in {}", path.display()))?;
        Ok((config, path))
    }

    /// The workspaces that are asked for, each as an export with the options that its entry stands for.
    fn tasks(&self, config: &Config, began: Timestamp) -> anyhow::Result<Vec<Task>> {
        let known = |name: &&String| !config.workspaces.iter().any(|workspace| workspace.name() == *name);
        if let Some(name) = self.only.iter().find(known) {
            let names = config.workspaces.iter().map(Workspace::name).collect::<Vec<_>>().join(", ");
            return Err(Refusal::new(format!("there is no workspace `{name}`"), format!("there are {names}")).into());
        }
        let wanted =
            config.workspaces.iter().filter(|one| self.only.is_empty() || self.only.iter().any(|name| name == one.name()));
        wanted.map(|workspace| Ok(Task { workspace: workspace.clone(), export: export(workspace, began)? })).collect()
    }
}

/// A run of which something came is not failed, however little; who watches wants to know either way.
fn outcome(status: &Status) -> Outcome {
    let all_failed = status.workspaces.iter().all(|night| night.verdict == Verdict::Failed);
    match status.verdict {
        Verdict::Done => Outcome::Done,
        Verdict::Failed if all_failed => Outcome::Failed,
        _ => Outcome::Incomplete,
    }
}

fn config_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(base.or_else(|| std::env::home_dir().map(|home| home.join(".config")))?.join("lifeboat"))
}

/// An entry is a command line by other means: what `export` makes of its options is the only meaning that they have.
fn export(workspace: &Workspace, began: Timestamp) -> anyhow::Result<Export> {
    let command = Export::augment_args(Command::new("export"));
    let matches = command.try_get_matches_from(options(workspace, began)).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Advised {
            what: format!("{}: {line}", workspace.name()),
            hint: "`lifeboat export --help` says what is allowed".to_owned(),
        }
    })?;
    let export = Export::from_arg_matches(&matches)?;
    export.check().with_context(|| workspace.name().to_owned())?;
    Ok(export)
}

fn options(workspace: &Workspace, began: Timestamp) -> Vec<String> {
    let secret = if workspace.recipients.as_ref().is_some_and(|all| !all.is_empty()) { ".age" } else { "" };
    let name = format!("{}-{}.tar.zst{secret}", workspace.name(), began.strftime("%Y%m%dT%H%M%SZ"));
    let mut words = vec!["export".to_owned()];
    let mut say = |option: &str, value: String| words.push(format!("--{option}={value}"));
    for place in workspace.to() {
        say("to", below(place, &name));
    }
    let one = |value: &Option<String>| value.clone().into_iter().collect::<Vec<_>>();
    let many = |values: &Option<Vec<String>>| values.clone().unwrap_or_default();
    let all = [
        ("profile", one(&workspace.profile)),
        ("include", many(&workspace.include)),
        ("exclude", many(&workspace.exclude)),
        ("max-file", one(&workspace.max_file.map(|size| size.to_string()))),
        ("level", one(&workspace.level.map(|level| level.to_string()))),
        ("max-in-flight", one(&workspace.max_in_flight.map(|most| most.to_string()))),
        ("recipient", many(&workspace.recipients)),
        ("sign", one(&workspace.sign.as_ref().map(|key| key.display().to_string()))),
        ("sign-password-file", one(&workspace.sign_password_file.as_ref().map(|file| file.display().to_string()))),
        ("identity", one(&workspace.identity.as_ref().map(|key| key.display().to_string()))),
        ("since", vec![workspace.since.clone().unwrap_or_else(|| "latest".to_owned())]),
        ("full-every", one(&workspace.full_every)),
    ];
    for (option, values) in all {
        values.into_iter().for_each(|value| say(option, value));
    }
    words
}

/// A name in a folder; behind a `?` an address has its signature.
fn below(folder: &str, name: &str) -> String {
    let (folder, signature) = match folder.split_once('?') {
        Some((address, signature)) if address.contains("://") => (address, format!("?{signature}")),
        _ => (folder, String::new()),
    };
    format!("{}/{name}{signature}", folder.trim_end_matches('/'))
}

/// A workspace of the configuration.
#[derive(Serialize, JsonSchema)]
pub struct Intended<'a> {
    /// Its name.
    name: &'a str,
    /// The profile that signs in to it; null where the environment does.
    profile: Option<&'a str>,
    /// Where its bundles go.
    to: &'a [String],
}

/// What would be done.
fn told(ui: &mut Ui, tasks: &[Task]) -> anyhow::Result<Outcome> {
    for Task { workspace, .. } in tasks {
        let to: Vec<String> = workspace.to().iter().map(|place| without_signatures(place)).collect();
        ui.value(&Intended { name: workspace.name(), profile: workspace.profile.as_deref(), to: &to })?;
        let profile = workspace.profile.as_deref().map_or("the environment".to_owned(), |name| format!("profile {name}"));
        ui.line(format!("{} ({profile}) to {}", workspace.name(), to.join(" and ")))?;
    }
    Ok(Outcome::Done)
}

/// The lock of this machine's nightly run, held until it is dropped.
fn locked(state: &Path) -> anyhow::Result<File> {
    let path = state.join("backup.lock");
    let opened = std::fs::create_dir_all(state)
        .and_then(|()| File::options().create(true).truncate(false).read(true).write(true).open(&path));
    let file = opened.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let what = format!("another nightly run holds {}", path.display());
            Err(Refusal::new(what, "wait for it to end; a `deadline` in the configuration ends one that hangs").into())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// What is the same for all workspaces of a run.
struct Run<'a> {
    before: Option<&'a Status>,
    began: Timestamp,
    quiet: bool,
}

impl Run<'_> {
    /// One workspace after the other, until the deadline or until somebody stops it.
    async fn all(&self, config: &Config, tasks: Vec<Task>) -> anyhow::Result<Vec<Night>> {
        let end = config.deadline()?.map(|most| tokio::time::Instant::now() + most);
        let (mut nights, mut given_up) = (Vec::new(), None);
        for task in tasks {
            let night = match given_up {
                Some(why) => self.failed(&task.workspace, &anyhow::anyhow!("not begun: {why}")),
                None => self.one(&task, end, &mut given_up).await,
            };
            nights.push(night);
        }
        Ok(nights)
    }

    async fn one(&self, task: &Task, end: Option<tokio::time::Instant>, given_up: &mut Option<&'static str>) -> Night {
        let (clock, progress) = (Instant::now(), Arc::new(Progress::new(self.quiet)));
        ui::note(format!("workspace {}", task.workspace.name()));
        let tally = Arc::new(Tally { inner: progress.clone(), throttles: AtomicU64::new(0), retries: AtomicU64::new(0) });
        let work = task.export.perform(tally.clone());
        let performed = match end {
            None => work.await,
            Some(end) => tokio::time::timeout_at(end, work).await.unwrap_or_else(|_| {
                *given_up = Some(TOO_LATE);
                Err(anyhow::anyhow!(TOO_LATE))
            }),
        };
        progress.end();
        let mut night = match performed {
            Ok(performed) => {
                let identity = &performed.exported.identity;
                let of = identity.workspace_id.clone().unwrap_or_else(|| performed.host.clone());
                let night = self.done(&task.workspace, performed, &tally);
                self.tidied(&task.workspace, &of, night).await
            }
            Err(error) => {
                if error.is::<Interrupted>() {
                    *given_up = Some("the run was interrupted");
                }
                self.failed(&task.workspace, &error)
            }
        };
        night.seconds = clock.elapsed().as_secs_f64();
        night
    }

    /// After a good night, and only then, what is not to be kept any more goes. That it does not is told, and harms no bundle.
    async fn tidied(&self, workspace: &Workspace, of: &str, mut night: Night) -> Night {
        let policy = workspace.policy().ok().flatten().filter(|_| night.verdict == Verdict::Done);
        let Some(policy) = policy else { return night };
        for place in workspace.to() {
            match self.tidy(place, &policy, of).await {
                Ok(removed) => night.removed.extend(removed),
                Err(error) => {
                    night.verdict = Verdict::Incomplete;
                    let what = without_signatures(&format!("the bundle is there, and older ones were not removed: {error:#}"));
                    ui::note(format!("error: {}: {what}", workspace.name()));
                    night.error = Some(what);
                }
            }
        }
        night
    }

    async fn tidy(&self, place: &str, policy: &Policy, of: &str) -> anyhow::Result<Vec<String>> {
        let place = Place::parse(Path::new(place))?;
        let say: Say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
        let shelf = catalogue::decide_of(of, &place, policy, Timestamp::now(), &say).await;
        let shelf = shelf.with_context(|| format!("cannot look into {place}"))?;
        let mut removed = Vec::new();
        for (one, done) in catalogue::remove(&shelf, &place, &say).await {
            done.with_context(|| format!("cannot remove {}", one.entry.place))?;
            removed.push(one.entry.place.to_string());
        }
        Ok(removed)
    }

    fn last_good(&self, workspace: &Workspace) -> Option<Good> {
        self.before.and_then(|status| status.last_good(workspace.name())).cloned()
    }

    fn failed(&self, workspace: &Workspace, error: &anyhow::Error) -> Night {
        let text = without_signatures(&error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "));
        ui::note(format!("error: {}: {text}", workspace.name()));
        Night {
            name: workspace.name().to_owned(),
            verdict: Verdict::Failed,
            error: Some(text),
            hint: error.chain().find_map(hint),
            seconds: 0.0,
            result: None,
            removed: Vec::new(),
            last_good: self.last_good(workspace),
        }
    }

    fn done(&self, workspace: &Workspace, performed: Performed, tally: &Tally) -> Night {
        let (outcome, made) = (performed.outcome, made(performed, tally));
        let (last, hint) = (self.last_good(workspace), "look what went; `may_shrink` in the configuration says how much may");
        let shrank = made.shrank(last.as_ref(), workspace.floor());
        let verdict = match (&shrank, outcome) {
            (Some(_), _) | (None, Outcome::Incomplete) => Verdict::Incomplete,
            (None, Outcome::Done) => Verdict::Done,
            (None, _) => Verdict::Failed,
        };
        let good = || Good {
            time: self.began,
            bundles: made.bundles.clone(),
            objects: made.stored(),
            content_id: made.content_id.clone(),
        };
        Night {
            name: workspace.name().to_owned(),
            verdict,
            hint: shrank.is_some().then(|| hint.to_owned()),
            error: shrank,
            seconds: 0.0,
            last_good: if verdict == Verdict::Done { Some(good()) } else { last },
            result: Some(made),
            removed: Vec::new(),
        }
    }
}

fn made(performed: Performed, tally: &Tally) -> Made {
    let Performed { exported, bundles, .. } = performed;
    let summary = &exported.summary;
    let states = &summary.states;
    let objects = [
        ("captured", states.captured),
        ("degraded", states.degraded),
        ("missing", states.missing),
        ("excluded", states.excluded),
        ("unavailable", states.unavailable),
    ];
    Made {
        bundles,
        bytes: summary.bytes,
        objects: objects.into_iter().map(|(state, count)| (state.to_owned(), count)).collect::<BTreeMap<_, _>>(),
        requests: exported.requests,
        throttles: tally.throttles.load(Ordering::Relaxed),
        retries: tally.retries.load(Ordering::Relaxed),
        content_id: hex(&summary.content_id),
        manifest_sha256: hex(&summary.manifest_sha256),
    }
}

/// Counts what the metrics tell.
struct Tally {
    inner: Arc<Progress>,
    throttles: AtomicU64,
    retries: AtomicU64,
}

impl Observer for Tally {
    fn event(&self, event: &Event) {
        match event {
            Event::Throttled { .. } => drop(self.throttles.fetch_add(1, Ordering::Relaxed)),
            Event::Retried { .. } => drop(self.retries.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
        self.inner.event(event);
    }
}

/// Workspaces that this run left out keep what the last one said of them, as long as the configuration has them.
fn with_others(nights: Vec<Night>, before: Option<&Status>, config: &Config) -> Vec<Night> {
    let mut nights: BTreeMap<String, Night> = nights.into_iter().map(|night| (night.name.clone(), night)).collect();
    let old = |name: &str| before?.workspaces.iter().find(|night| night.name == name).cloned();
    config.workspaces.iter().filter_map(|one| nights.remove(one.name()).or_else(|| old(one.name()))).collect()
}

/// Writes status and metrics; the one is for us, the other for whoever watches.
fn keep(config: &Config, place: &Path, status: &Status) -> anyhow::Result<()> {
    replace(place, &serde_json::to_string_pretty(status)?, 0o600)?;
    match &config.metrics {
        Some(path) => replace(path, &metrics(status), 0o644),
        None => Ok(()),
    }
}

/// Puts a file in the place of an older one, so that whoever reads sees the one or the other.
fn replace(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(lifeboat::store::folder_of(path))?;
        file.write_all(text.as_bytes())?;
        #[cfg(unix)]
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn report(ui: &mut Ui, status: &Status) -> anyhow::Result<()> {
    ui.value(status)?;
    let header = ["workspace", "came to", "objects", "bytes", "requests", "seconds", "last good bundle"];
    ui.table(&header, status.workspaces.iter().map(row))?;
    for night in &status.workspaces {
        night.error.iter().try_for_each(|text| ui.line(format!("{}: {text}", night.name)))?;
        night.hint.iter().try_for_each(|text| ui.line(format!("  → {text}")))?;
        for bundle in night.result.iter().flat_map(|result| &result.bundles) {
            ui.line(format!("{}: {bundle}", night.name))?;
        }
        night.removed.iter().try_for_each(|bundle| ui.line(format!("{}: removed {bundle}", night.name)))?;
    }
    Ok(())
}

fn row(night: &Night) -> Vec<String> {
    let made = |of: fn(&Made) -> String| night.result.as_ref().map_or("-".to_owned(), of);
    let verdict = match night.verdict {
        Verdict::Done => "done",
        Verdict::Incomplete => "INCOMPLETE",
        Verdict::Failed => "FAILED",
    };
    vec![
        night.name.clone(),
        verdict.to_owned(),
        made(|made| made.stored().to_string()),
        made(|made| words::size(made.bytes)),
        made(|made| made.requests.to_string()),
        format!("{:.1}", night.seconds),
        night.last_good.as_ref().map_or("none".to_owned(), |good| good.time.strftime("%FT%TZ").to_string()),
    ]
}
