//! What `import`, `activate` and `deactivate` share: the bundle is checked, a plan is made and shown, a person agrees, it is
//! applied, and what came of it is told.

use super::bundle::{Bundle, DAMAGED, LIMITED};
use super::connect::Connect;
use super::export::Select;
use super::private::Private;
use super::signals::interruptible;
use super::{Outcome, Refusal, block_on, receipt, rules};
use crate::ui::{self, Progress, Ui, words};
use anyhow::Context;
use clap::Args;
use lifeboat::api::Workspace;
use lifeboat::bundle::{Fault, OpenError, Reader};
use lifeboat::event::Observer;
use lifeboat::import::{self, BundleContents, Receipt};
use lifeboat::journal::{Journal, Turn};
use lifeboat::plan::{Plan, drift};
use lifeboat::restore::{self, RestoreError};
use lifeboat::spool::Spool;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NOTHING_DONE: &str = "interrupted; nothing was applied";
const HALF_DONE: &str = "interrupted in the middle; run the same again, and it goes on where it stopped";

const PLAN_AGAIN: &str = "plan again with `--plan-only -o FILE`, with the same options, look at it, and apply that";

/// So many objects that drifted are told.
const SHOWN: usize = 20;

/// What every command that changes a workspace takes.
#[derive(Debug, Args)]
pub struct Apply {
    #[command(flatten)]
    bundle: Bundle,
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
    /// Apply this saved plan and no other: refused if bundle, target or options are not those that it was made for
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan_only", "output"])]
    plan: Option<PathBuf>,
    /// Apply without asking
    #[arg(long, short)]
    yes: bool,
    /// What changes on the way: a rule file, or `standby`, `clone`, `audit-sandbox`
    #[arg(long, value_name = "FILE", default_value = "standby")]
    rules: String,
    /// What stands for what in the target, besides the rules' maps: YAML, `kind: {source: target}`
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "plan_only")]
    report: Option<PathBuf>,
    /// Folder for journals; without it `$XDG_STATE_HOME/lifeboat`, or ~/.local/state/lifeboat
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_STATE")]
    state: Option<PathBuf>,
}

/// How a command tells of its plan and of what came of it.
pub struct Words {
    pub plan: fn(&mut Ui, &Plan) -> anyhow::Result<()>,
    /// The last says whether rules let something run.
    pub receipt: fn(&mut Ui, &Receipt, bool) -> anyhow::Result<()>,
}

impl Apply {
    /// The whole road.
    pub fn run(&self, ui: &mut Ui, quiet: bool, options: &restore::Options, words: &Words) -> anyhow::Result<Outcome> {
        let progress = Arc::new(Progress::new(quiet));
        let reader = self.bundle.whole(&*progress)?;
        let outcome = block_on(self.go(ui, &reader, options, words, &progress));
        progress.end();
        outcome
    }

    async fn go(
        &self,
        ui: &mut Ui,
        reader: &Reader,
        options: &restore::Options,
        words: &Words,
        progress: &Arc<Progress>,
    ) -> anyhow::Result<Outcome> {
        let observer: Arc<dyn Observer> = progress.clone();
        let workspace = self.connect.workspace(observer.clone()).await?;
        let _turn = if self.plan_only { None } else { Some(self.turn(&workspace).await?) };
        let report = self.report.as_deref().map(Private::create).transpose()?;
        let plan = interruptible(NOTHING_DONE, restore::plan(reader, &workspace, options, &observer)).await?.map_err(refused)?;
        progress.end();
        let plan = match &self.plan {
            Some(path) => saved(ui, path, &plan)?,
            None => plan,
        };
        self.save(&plan)?;
        (words.plan)(ui, &plan)?;
        let asked = self.select.settle(Outcome::Done, reader.manifest())?;
        if !self.yes {
            receipt::todos(ui, &plan.todos)?;
        }
        if self.plan_only {
            ui.value(&plan)?;
            return Ok(Outcome::Done);
        }
        // What is asked about is seen first.
        ui.flush()?;
        self.agree(&plan).await?;
        let receipt = self.apply(&plan, reader, options, &workspace, &observer).await?;
        progress.end();
        Ok(if tell(ui, &receipt, options.rules.may_run(), report, words)? == Outcome::Done { asked } else { Outcome::Incomplete })
    }

    /// Nobody else may change the target between the plan and its end.
    async fn turn(&self, workspace: &Workspace) -> anyhow::Result<Turn> {
        let folder = self.state_folder()?;
        let identity = interruptible(NOTHING_DONE, workspace.identity()).await??;
        let target = identity.workspace_id.unwrap_or_else(|| workspace.host().to_owned());
        let turn = Turn::take(&folder, &target).with_context(|| format!("cannot lock the journal in {}", folder.display()))?;
        let busy =
            || Refusal::new("another import into this workspace is under way", "wait until it is over, then run this again");
        Ok(turn.ok_or_else(busy)?)
    }

    /// What the flags say; the rest is the command's.
    pub fn options(&self) -> anyhow::Result<restore::Options> {
        Ok(restore::Options {
            selection: self.select.selection()?,
            rules: rules::rules(&self.rules)?,
            maps: rules::maps(self.map.as_deref())?,
            workers: self.connect.workers(),
            journals: Some(self.state_folder()?),
            ..restore::Options::default()
        })
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
        options: &restore::Options,
        workspace: &Workspace,
        observer: &Arc<dyn Observer>,
    ) -> anyhow::Result<Receipt> {
        let folder = self.state_folder()?;
        let (source, target) = (&plan.source, &plan.target);
        let mut journal = Journal::open(&folder, &target.workspace_id, &source.workspace_id, &source.digest)
            .with_context(|| format!("cannot open the journal in {}", folder.display()))?;
        let bytes = BundleContents::new(reader, Spool::in_temp()?).editing(restore::editor(reader, options));
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
fn tell(ui: &mut Ui, receipt: &Receipt, may_run: bool, report: Option<Private>, words: &Words) -> anyhow::Result<Outcome> {
    ui.value(receipt)?;
    (words.receipt)(ui, receipt, may_run)?;
    ui.flush()?;
    if let Some(report) = report {
        report.write(&serde_json::to_string_pretty(receipt)?)?;
    }
    Ok(if receipt.is_complete() { Outcome::Done } else { Outcome::Incomplete })
}

/// A saved plan, if it is what would be planned now.
fn saved(ui: &mut Ui, path: &Path, fresh: &Plan) -> anyhow::Result<Plan> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let saved = Plan::from_json(&text).with_context(|| format!("in {}", path.display()))?;
    if saved.source != fresh.source {
        return Err(Refusal::new("the plan was made for another bundle", PLAN_AGAIN).into());
    }
    if saved.target.workspace_id != fresh.target.workspace_id {
        let text =
            format!("the plan was made for workspace {}, and this is {}", saved.target.workspace_id, fresh.target.workspace_id);
        return Err(Refusal::new(text, PLAN_AGAIN).into());
    }
    let drifts = drift(&saved, fresh);
    for one in drifts.iter().take(SHOWN) {
        let word = |word: Option<&'static str>| word.unwrap_or("nothing");
        ui.line(format!("drift: {} {}: planned {}, now {}", one.object.kind, one.key, word(one.was), word(one.now)))?;
    }
    if drifts.is_empty() {
        return Ok(saved);
    }
    ui.flush()?;
    let count = words::count(drifts.len() as u64, "object");
    Err(Refusal::new(
        format!("{count} would be treated otherwise than planned: the target changed, or the options did"),
        PLAN_AGAIN,
    )
    .into())
}

/// What helps against a file that is no good bundle.
pub fn advice(error: &OpenError) -> Option<&'static str> {
    match error {
        OpenError::Io(_) => None,
        OpenError::NeedsVersion { .. } => Some("use a newer version of lifeboat"),
        OpenError::NotABundle(_) => Some("check the path: a bundle is what `lifeboat export` wrote"),
        OpenError::Damaged(finding) if finding.fault == Fault::Limit => Some(LIMITED),
        OpenError::Truncated { .. } | OpenError::Damaged(_) => Some(DAMAGED),
    }
}

/// A bundle that cannot be trusted is refused; one that cannot be read from disk is an ordinary failure.
pub fn unfit(error: OpenError, path: &Path) -> anyhow::Error {
    let Some(hint) = advice(&error) else {
        return anyhow::Error::new(error).context(format!("cannot open {}", path.display()));
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
