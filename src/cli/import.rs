//! `lifeboat import`

use super::connect::Connect;
use super::export::Select;
use super::private::Private;
use super::signals::interruptible;
use super::{Outcome, Refusal, block_on, receipt};
use crate::ui::{self, Progress, Ui, words};
use anyhow::Context;
use clap::Args;
use lifeboat::api::Workspace;
use lifeboat::audit::{Depth, verify};
use lifeboat::bundle::Reader;
use lifeboat::event::Observer;
use lifeboat::import::{self, BundleContents, Receipt};
use lifeboat::journal::Journal;
use lifeboat::plan::{Action, Maps, Plan, Step};
use lifeboat::restore::{self, RestoreError};
use lifeboat::spool::Spool;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many steps of one sort are told one by one; `-o` and JSON have all.
const SHOWN: usize = 12;

const NOTHING_DONE: &str = "interrupted; nothing was applied";
const HALF_DONE: &str = "interrupted in the middle; import the bundle again, and it goes on where it stopped";

/// Restore a bundle into a workspace: plan, then apply; everything arrives inert.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Import {
    /// The bundle
    bundle: PathBuf,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    select: Select,
    /// Print the plan and stop
    #[arg(long)]
    plan_only: bool,
    /// Save the plan as JSON
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Apply without asking
    #[arg(long, short)]
    yes: bool,
    /// What stands for what in the target: YAML, `kind: {source: target}`
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Folder for journals; without it `$XDG_STATE_HOME/lifeboat`, or ~/.local/state/lifeboat
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_STATE")]
    state: Option<PathBuf>,
    /// Let the target be the workspace that the bundle comes from
    #[arg(long)]
    allow_same_workspace: bool,
    /// Make no users, groups or service principals: entries for missing ones are withheld and listed
    #[arg(long)]
    no_create_principals: bool,
    /// Make the members of the source's `admins` admins of the target
    #[arg(long)]
    restore_admins: bool,
    /// Leave no `lifeboat_source` tag on what is made; a second import then knows it by name alone
    #[arg(long)]
    no_stamp: bool,
}

impl Import {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let progress = Arc::new(Progress::new(quiet));
        let reader = whole(&self.bundle, &*progress)?;
        let outcome = block_on(self.restore(ui, reader, progress.clone()));
        progress.end();
        outcome
    }

    async fn restore(&self, ui: &mut Ui, reader: Reader, progress: Arc<Progress>) -> anyhow::Result<Outcome> {
        let observer: Arc<dyn Observer> = progress.clone();
        let workspace = self.connect.workspace(observer.clone()).await?;
        let options = self.options()?;
        let report = self.report.as_deref().filter(|_| !self.plan_only).map(Private::create).transpose()?;
        let plan =
            interruptible(NOTHING_DONE, restore::plan(&reader, &workspace, &options, &observer)).await?.map_err(refused)?;
        progress.end();
        self.save(&plan)?;
        show(ui, &plan)?;
        if !self.yes {
            receipt::todos(ui, &plan.todos)?;
        }
        if self.plan_only {
            ui.value(&plan)?;
            return Ok(Outcome::Done);
        }
        self.agree(&plan).await?;
        ui.flush()?;
        let receipt = self.apply(&plan, &reader, &workspace, &observer).await?;
        progress.end();
        tell(ui, &receipt, report)
    }

    fn options(&self) -> anyhow::Result<restore::Options> {
        let plan = lifeboat::plan::Options {
            create_principals: !self.no_create_principals,
            restore_admins: self.restore_admins,
            stamp: !self.no_stamp,
            ..lifeboat::plan::Options::default()
        };
        Ok(restore::Options {
            selection: self.select.selection()?,
            maps: self.maps()?,
            plan,
            allow_same_workspace: self.allow_same_workspace,
            workers: self.connect.workers(),
            journals: Some(self.state_folder()?),
        })
    }

    fn maps(&self) -> anyhow::Result<Maps> {
        let Some(path) = &self.map else { return Ok(Maps::default()) };
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Maps::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    fn state_folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.state {
            return Ok(folder.clone());
        }
        let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
        Ok(base.context("cannot tell where to keep the journal: give a folder with `--state`")?.join("lifeboat"))
    }

    fn save(&self, plan: &Plan) -> anyhow::Result<()> {
        let Some(path) = &self.output else { return Ok(()) };
        Private::create(path)?.write(&plan.to_json()?)
    }

    /// Nothing is written without a yes: from the command line, or from a person at a terminal.
    async fn agree(&self, plan: &Plan) -> anyhow::Result<()> {
        if self.yes || plan.writes() == 0 {
            return Ok(());
        }
        match asked(format!("Apply {} to {}?", words::count(plan.writes() as u64, "step"), plan.target.host)).await? {
            Some(true) => Ok(()),
            Some(false) => Err(Refusal::new("nothing was applied", "answer `y`, or give `--yes`").into()),
            None => Err(Refusal::new(
                "nobody is there to agree to the plan",
                "give `--yes` to apply it, or `--plan-only` to stop at the plan",
            )
            .into()),
        }
    }

    async fn apply(
        &self,
        plan: &Plan,
        reader: &Reader,
        workspace: &Workspace,
        observer: &Arc<dyn Observer>,
    ) -> anyhow::Result<Receipt> {
        let folder = self.state_folder()?;
        let (source, target) = (&plan.source, &plan.target);
        let mut journal = Journal::open(&folder, &target.workspace_id, &source.workspace_id, &source.digest)
            .with_context(|| format!("cannot open the journal in {}", folder.display()))?;
        let bytes = BundleContents::new(reader, Spool::in_temp()?);
        Ok(interruptible(HALF_DONE, import::run(plan, &bytes, workspace, &mut journal, observer)).await??)
    }
}

/// Asks on a thread of its own: a person who presses Ctrl-C instead of answering must not wait.
async fn asked(question: String) -> anyhow::Result<Option<bool>> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(ui::ask(&question)));
    Ok(interruptible(NOTHING_DONE, answered).await??)
}

/// The report comes last: should it fail, people have seen what was done.
fn tell(ui: &mut Ui, receipt: &Receipt, report: Option<Private>) -> anyhow::Result<Outcome> {
    ui.value(receipt)?;
    receipt::show(ui, receipt)?;
    ui.flush()?;
    if let Some(report) = report {
        report.write(&serde_json::to_string_pretty(receipt)?)?;
    }
    Ok(if receipt.is_complete() { Outcome::Done } else { Outcome::Incomplete })
}

/// Opens a bundle that is whole; anything else is refused before a single call is made.
pub fn whole(path: &Path, observer: &dyn Observer) -> anyhow::Result<Reader> {
    let verdict = verify(path, Depth::Full, observer).map_err(unfit)?;
    if let Some(finding) = verdict.findings.first() {
        let what = format!("the bundle is damaged or was altered: {finding}");
        return Err(Refusal::new(what, "`lifeboat verify --full` says all that is wrong; use another copy").into());
    }
    Ok(Reader::open(path)?)
}

/// A bundle that cannot be trusted is refused; one that cannot be read from disk is an ordinary failure.
fn unfit(error: lifeboat::bundle::OpenError) -> anyhow::Error {
    use lifeboat::bundle::OpenError;
    let hint = match &error {
        OpenError::Io(_) => return error.into(),
        OpenError::NeedsVersion { .. } => "use a newer version of lifeboat",
        _ => "use another copy of the bundle",
    };
    let text = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).map(ToString::to_string);
    Refusal::new(text.collect::<Vec<_>>().join(": "), hint).into()
}

fn refused(error: RestoreError) -> anyhow::Error {
    match &error {
        RestoreError::SameWorkspace { .. } => {
            Refusal::new(error.to_string(), "give `--allow-same-workspace` to restore into the workspace that was backed up")
                .into()
        }
        _ => error.into(),
    }
}

/// The plan as people know it: what is done, then how much of it.
fn show(ui: &mut Ui, plan: &Plan) -> anyhow::Result<()> {
    ui.line(format!(
        "plan: bundle {} of workspace {} into {} as {}",
        &plan.source.digest[..12.min(plan.source.digest.len())],
        plan.source.workspace_id,
        plan.target.host,
        plan.target.user
    ))?;
    if !plan.target.is_admin {
        ui.line("warning: the caller is no admin of the target, and may not see all that is there")?;
    }
    for (sign, word) in [("+", "create"), ("~", "update"), ("=", "adopt"), ("!", "skip"), ("?", "wait")] {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.action.name() == word).collect();
        for step in steps.iter().take(SHOWN) {
            ui.line(format!("  {sign} {word:<7} {} {}{}", step.source.kind, step.key, why(step)))?;
        }
        if steps.len() > SHOWN {
            ui.line(format!("  {sign} {word:<7} and {} more", steps.len() - SHOWN))?;
        }
    }
    let columns = ["create", "attach", "update", "adopt", "unchanged", "skip", "wait"];
    let header: Vec<&str> = std::iter::once("kind").chain(columns).collect();
    let rows = plan.summary();
    let row = |(kind, numbers): (&&str, &std::collections::BTreeMap<&'static str, u64>)| {
        let number = |word: &&str| numbers.get(word).copied().unwrap_or_default().to_string();
        std::iter::once((*kind).to_owned()).chain(columns.iter().map(number)).collect()
    };
    ui.table(&header, rows.iter().map(row))?;
    Ok(ui.line(format!("{} of {} steps write something", plan.writes(), plan.steps.len()))?)
}

/// Why a step is what it is.
fn why(step: &Step) -> String {
    match &step.action {
        Action::Update { differences, .. } | Action::Attach { differences, .. } => {
            let at: Vec<&str> = differences.iter().take(4).map(|one| one.at.as_str()).collect();
            if at.is_empty() { String::new() } else { format!("  ({})", at.join(", ")) }
        }
        Action::Skip { reason } | Action::Wait { reason } => format!(": {reason}"),
        _ => step.notes.first().map_or_else(String::new, |note| format!("  ({note})")),
    }
}
