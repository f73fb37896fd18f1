//! `lifeboat check`

use super::bundle::Bundle;
use super::connect::Connect;
use super::private::Private;
use super::select::Select;
use super::shore::{self, Shore};
use super::signals::interruptible;
use super::{Outcome, block_on, rules};
use crate::ui::{Progress, Ui, words};
use clap::Args;
use lifeboat::api::{ConfigError, Workspace};
use lifeboat::event::Observer;
use lifeboat::preflight::{self, Finding, Report, Severity};
use lifeboat::restore;
use lifeboat::rules::BUILT_IN;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

const NOTHING_WRITTEN: &str = "interrupted; nothing was written";

/// So many objects of one finding are named; JSON has all.
const NAMED: usize = 5;

/// What a file of suggestions begins with.
const MARK: &str = "# suggested by `lifeboat check`";

/// What the exit codes mean here.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  nothing blocks the restore
  1  failed, nothing was looked at
  2  wrong usage
  3  nothing blocks it, but something could not be checked
  4  something blocks it
  5  refused: not safe (a damaged bundle)";

/// Would this bundle restore here? Looks, and writes nothing.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    bundle: Bundle,
    #[command(flatten)]
    connect: Connect,
    /// Look at the bundle alone, also where a workspace is configured
    #[arg(long, conflicts_with = "profile")]
    offline: bool,
    #[command(flatten)]
    select: Select,
    /// What changes on the way, as `import` takes it: a rule file, or `standby`, `clone`, `audit-sandbox`
    #[arg(long, value_name = "FILE", default_value = "standby")]
    rules: String,
    /// What stands for what in the target, as `import` takes it
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Write the suggested map entries as a rule file
    #[arg(long, value_name = "FILE")]
    suggest: Option<PathBuf>,
    /// Let the target be the workspace that the bundle comes from
    #[arg(long)]
    allow_same_workspace: bool,
    /// As for `import`: make no users, groups or service principals
    #[arg(long)]
    no_create_principals: bool,
    /// Folder of the journals of earlier imports, or an address in a store, as `import` takes it
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_STATE")]
    state: Option<PathBuf>,
}

impl Check {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let progress = Arc::new(Progress::new(quiet));
        let reader = self.bundle.whole(&*progress)?;
        let suggest = self.suggest.as_deref().map(|path| Private::create_over(path, MARK)).transpose()?;
        let shore = block_on(Shore::fetch(self.state.as_deref()))?;
        let journals = shore::path(shore.as_ref(), self.state.as_deref()).ok();
        let options = restore::Options { journals, ..self.options()? };
        let observer: Arc<dyn Observer> = progress.clone();
        let report = block_on(async {
            let workspace = self.workspace(&observer).await?;
            Ok(interruptible(NOTHING_WRITTEN, preflight::run(&reader, workspace.as_ref(), &options, &observer)).await??)
        });
        progress.end();
        let report = report?;
        let snippet = preflight::snippet(&report.maps, self.extends());
        tell(ui, &report, snippet.as_deref())?;
        if let (Some(file), Some(snippet)) = (suggest, &snippet) {
            file.write(format!("{MARK}: look at each line before you use it\n{snippet}").trim_end())?;
        }
        self.select.settle(outcome(&report), reader.manifest())
    }

    /// The target, as `import` would find it. Where none is configured at all, there is none.
    async fn workspace(&self, observer: &Arc<dyn Observer>) -> anyhow::Result<Option<Workspace>> {
        if self.offline {
            return Ok(None);
        }
        match self.connect.workspace(observer.clone()).await {
            Ok(workspace) => Ok(Some(workspace)),
            Err(error) if matches!(error.downcast_ref(), Some(ConfigError::NoHost)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn options(&self) -> anyhow::Result<restore::Options> {
        let create_principals = !self.no_create_principals;
        Ok(restore::Options {
            selection: self.select.selection()?,
            rules: rules::rules(&self.rules)?,
            maps: rules::maps(self.map.as_deref())?,
            plan: lifeboat::plan::Options { create_principals, ..lifeboat::plan::Options::default() },
            allow_same_workspace: self.allow_same_workspace,
            workers: self.connect.workers(),
            ..restore::Options::default()
        })
    }

    /// The built-in set that a suggestion stands on.
    fn extends(&self) -> &str {
        BUILT_IN.iter().map(|(name, _)| *name).find(|name| *name == self.rules).unwrap_or("standby")
    }
}

fn outcome(report: &Report) -> Outcome {
    match (report.count(Severity::Blocker), report.is_whole()) {
        (0, true) => Outcome::Done,
        (0, false) => Outcome::Incomplete,
        _ => Outcome::Findings,
    }
}

/// What came of a check.
#[derive(Serialize, JsonSchema)]
pub struct Told<'a> {
    #[serde(flatten)]
    report: &'a Report,
    /// Suggested map entries, as the YAML of a rule file.
    rules: Option<&'a str>,
}

fn tell(ui: &mut Ui, report: &Report, snippet: Option<&str>) -> anyhow::Result<()> {
    ui.value(&Told { report, rules: snippet })?;
    let source = &report.source;
    ui.wrapped(
        "",
        &match &report.target {
            Some(target) => format!("check: workspace {} into {} as {}", source.workspace_id, target.host, target.user),
            None => format!("check: workspace {}, offline: no target was looked at", source.workspace_id),
        },
    )?;
    report.findings.iter().try_for_each(|finding| one(ui, finding))?;
    if let Some(snippet) = snippet {
        ui.line("suggested, as rules (`--suggest FILE` writes them); look at each line:")?;
        snippet.lines().try_for_each(|line| ui.line(format!("  {line}")))?;
    }
    let count = |severity: Severity| words::count(report.count(severity) as u64, severity.name());
    let counts = [Severity::Blocker, Severity::Warning, Severity::Note].map(count).join(", ");
    let whole = if report.is_whole() { "" } else { "; not everything could be checked" };
    Ok(ui.line(format!("{counts}{whole}; nothing was written"))?)
}

fn one(ui: &mut Ui, finding: &Finding) -> anyhow::Result<()> {
    let Finding { severity, check, text, hint, objects, .. } = finding;
    ui.wrapped("    ", &format!("{} {}: {text}", severity.name().to_uppercase(), check.name()))?;
    if !objects.is_empty() {
        let more = objects.len().saturating_sub(NAMED);
        let named = objects[..objects.len() - more].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        ui.wrapped("      ", &format!("    {named}{more}"))?;
    }
    if !hint.is_empty() {
        ui.wrapped("      ", &format!("    → {hint}"))?;
    }
    Ok(())
}
