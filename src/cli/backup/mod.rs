//! `lifeboat backup`

mod entry;
mod night;
mod report;

use super::alert;
use super::export::Export;
use super::{Outcome, Refusal, block_on, shore};
use crate::ui::{self, Ui};
use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use lifeboat::backup::{Config, Night, Status, Verdict, Workspace};
use lifeboat::store::without_signatures;
use night::Run;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

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
        let state = shore::folder(self.state.as_deref())?;
        let _lock = locked(&state)?;
        let place = config.status.clone().unwrap_or_else(|| state.join("backup.json"));
        let before = std::fs::read_to_string(&place).ok().and_then(|text| Status::parse(&text));
        let status = block_on(async {
            let nights = Box::pin(Run { before: before.as_ref(), began, quiet }.all(&config, tasks)).await?;
            let nights = with_others(nights, before.as_ref(), &config);
            let status = Status::new(&lifeboat::bundle::tool(), began, Timestamp::now(), nights);
            report::keep(&config, &place, &status)?;
            alert::tell(&config.alerts, &status).await.iter().for_each(|text| ui::note(format!("warning: {text}")));
            Ok(status)
        })?;
        report::tell(ui, &status)?;
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
        wanted.map(|workspace| Ok(Task { workspace: workspace.clone(), export: entry::export(workspace, began)? })).collect()
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

/// Workspaces that this run left out keep what the last one said of them, as long as the configuration has them.
fn with_others(nights: Vec<Night>, before: Option<&Status>, config: &Config) -> Vec<Night> {
    let mut nights: BTreeMap<String, Night> = nights.into_iter().map(|night| (night.name.clone(), night)).collect();
    let old = |name: &str| before?.workspaces.iter().find(|night| night.name == name).cloned();
    config.workspaces.iter().filter_map(|one| nights.remove(one.name()).or_else(|| old(one.name()))).collect()
}
