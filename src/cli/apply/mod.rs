//! What `import`, `activate` and `deactivate` share: the bundle is checked, a plan is made and shown, a person agrees, it is
//! applied, and what came of it is told.

mod consent;
mod work;

pub use work::Done;

use super::bundle::Bundle;
use super::connect::Connect;
use super::moor::Moor;
use super::private::Private;
use super::recipe::{self, Given};
use super::select::Select;
use super::shore::{self, Shore};
use super::signals::interruptible;
use super::{Outcome, Refusal, block_on, receipt};
use crate::ui::{Progress, Ui};
use anyhow::Context;
use clap::Args;
use lifeboat::api::Workspace;
use lifeboat::bundle::Reader;
use lifeboat::import::Receipt;
use lifeboat::journal::Turn;
use lifeboat::plan::{Answers, Goal, Plan, Recipe};
use lifeboat::receipt::Clock;
use lifeboat::restore;
use std::path::PathBuf;
use std::sync::Arc;
use work::Work;

const NOTHING_DONE: &str = "interrupted; nothing was applied";

/// What every command that changes a workspace takes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
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
    /// Apply this saved plan and no other, with the options that it was made with: refused if bundle or target changed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan_only", "output"])]
    plan: Option<PathBuf>,
    /// Apply without asking
    #[arg(long, short)]
    yes: bool,
    /// What changes on the way: a rule file, or `standby` (the default), `clone`, `audit-sandbox`
    #[arg(long, value_name = "FILE")]
    rules: Option<String>,
    /// What stands for what in the target, besides the rules' maps: YAML, `kind: {source: target}`
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "plan_only")]
    report: Option<PathBuf>,
    /// Folder for journals, or an address in a store as `az://ACCOUNT/CONTAINER/FOLDER`; without it `$XDG_STATE_HOME/lifeboat`, or
    /// ~/.local/state/lifeboat
    #[arg(long, value_name = "DIR", env = "LIFEBOAT_STATE")]
    state: Option<PathBuf>,
    /// The way back: the bundle is one of the workspace into which this target was restored, and what changed there comes home
    #[arg(long)]
    reverse: bool,
    /// With `--reverse`: profile of the workspace that the bundle comes from, to be asked which object came from where if another
    /// machine did the restore
    #[arg(long, value_name = "NAME", requires = "reverse")]
    ids_from: Option<String>,
    /// Count an import that is under way from another machine as dead, and take its lock over
    #[arg(long, conflicts_with = "plan_only")]
    break_lock: bool,
}

/// How a command tells of its plan and of what came of it.
pub struct Words {
    pub plan: fn(&mut Ui, &Plan) -> anyhow::Result<()>,
    /// The last says whether rules let something run.
    pub receipt: fn(&mut Ui, &Receipt, bool) -> anyhow::Result<()>,
}

impl Apply {
    /// The whole road. `given` is what the command line says.
    pub fn run(&self, ui: &mut Ui, quiet: bool, given: Given, words: &Words) -> anyhow::Result<Outcome> {
        let saved = self.plan.as_deref().map(recipe::load).transpose()?;
        let answers = given.recipe.answers()?;
        let recipe = match &saved {
            Some(plan) => given.in_plan(plan)?,
            None => given.recipe,
        };
        let saved = saved.map(|plan| (plan, answers));
        let options = restore::Options { workers: self.connect.workers(), ..restore::Options::made_with(recipe)? };
        let progress = Arc::new(Progress::new(quiet));
        let reader = self.bundle.whole(&*progress)?;
        let outcome = block_on(async {
            let shore = interruptible(NOTHING_DONE, Shore::fetch(self.state.as_deref())).await??;
            let state = shore::path(shore.as_ref(), self.state.as_deref())?;
            let road = async {
                let work = self.work(&reader, options, state, progress.clone()).await?;
                self.go(ui, work, saved, words, &progress).await
            };
            match shore {
                Some(shore) => Box::pin(shore.around(road)).await,
                None => road.await,
            }
        });
        progress.end();
        outcome
    }

    async fn work<'a>(
        &self,
        reader: &'a Reader,
        options: restore::Options,
        state: PathBuf,
        progress: Arc<Progress>,
    ) -> anyhow::Result<Work<'a>> {
        let began = jiff::Timestamp::now();
        let clock = Clock::before(progress);
        let workspace = self.connect.workspace(clock.clone()).await?;
        let options = restore::Options { journals: Some(state.clone()), ..options };
        Ok(Work { reader, workspace, observer: clock.clone(), clock, options, state, began })
    }

    async fn go(
        &self,
        ui: &mut Ui,
        mut work: Work<'_>,
        saved: Option<(Plan, Answers)>,
        words: &Words,
        progress: &Progress,
    ) -> anyhow::Result<Outcome> {
        let turn = if self.plan_only { None } else { Some(self.turn(&work).await?) };
        let report = self.report.as_deref().map(Private::create).transpose()?;
        work.options.came_from = self.came_from(&work).await?;
        let mut plan = work.plan().await?;
        progress.end();
        if let Some((saved, answers)) = saved {
            consent::as_planned(ui, &saved, &plan)?;
            plan.answer(|step| answers.of(step));
        }
        let found = self.show(ui, &work, &plan, words)?;
        let Some((_turn, moor)) = turn else {
            ui.value(&plan)?;
            return Ok(Outcome::Done);
        };
        // What is asked about is seen first.
        ui.flush()?;
        consent::settle(&mut plan).await?;
        if !self.yes {
            consent::agree(&plan).await?;
        }
        let done = Box::pin(work.apply(&plan, &moor)).await;
        progress.end();
        let done = done?;
        tell(ui, &done, work.options.rules.may_run(), report, words)?;
        Ok(if done.receipt.is_complete() { found } else { Outcome::Incomplete })
    }

    /// Nobody else may change the target between the plan and its end.
    async fn turn(&self, work: &Work<'_>) -> anyhow::Result<(Turn, Moor)> {
        let Work { workspace, state, observer, .. } = work;
        let identity = interruptible(NOTHING_DONE, workspace.identity()).await??;
        let target = identity.workspace_id.unwrap_or_else(|| workspace.host().to_owned());
        let turn = Turn::take(state, &target).with_context(|| format!("cannot lock the journal in {}", state.display()))?;
        let busy =
            || Refusal::new("another import into this workspace is under way", "wait until it is over, then run this again");
        let turn = turn.ok_or_else(busy)?;
        let moor = Moor::look(workspace, state, &turn, identity.user_name, self.break_lock, observer).await?;
        Ok((turn, moor))
    }

    /// The workspace that the bundle comes from, to be asked for the id map.
    async fn came_from(&self, work: &Work<'_>) -> anyhow::Result<Option<Workspace>> {
        let Some(profile) = &self.ids_from else { return Ok(None) };
        let workspace = self.connect.other(profile, work.observer.clone()).await?;
        let identity = interruptible(NOTHING_DONE, workspace.identity()).await??;
        let source = restore::source_of(work.reader).workspace_id;
        if identity.workspace_id.as_deref() != Some(source.as_str()) {
            let text = format!("the bundle comes from workspace {source}, and the profile \"{profile}\" is of another");
            return Err(Refusal::new(text, "name the profile of the workspace that was exported").into());
        }
        Ok(Some(workspace))
    }

    /// Saves the plan and shows it, and says what was asked for and is not in the bundle: what comes of this makes it incomplete.
    fn show(&self, ui: &mut Ui, work: &Work<'_>, plan: &Plan, words: &Words) -> anyhow::Result<Outcome> {
        if let Some(path) = &self.output {
            Private::create(path)?.write_json(plan)?;
        }
        (words.plan)(ui, plan)?;
        let Recipe { include, exclude, .. } = &work.options.recipe;
        let selected = Select { include: include.clone(), exclude: exclude.clone() };
        let found = selected.settle(Outcome::Done, work.reader.manifest())?;
        if !self.yes {
            receipt::todos(ui, &plan.todos)?;
        }
        Ok(found)
    }

    /// What the command line says; the rest is the command's.
    pub fn given(&self, goal: Goal) -> anyhow::Result<Given> {
        let select = (self.select.include.as_slice(), self.select.exclude.as_slice());
        let given = Given::new(goal, select, self.rules.as_deref(), self.map.as_deref())?;
        Ok(Given { recipe: Recipe { reverse: self.reverse, ..given.recipe }, ..given })
    }
}

/// The report comes last: should it fail, people have seen what was done.
fn tell(ui: &mut Ui, done: &Done, may_run: bool, report: Option<Private>, words: &Words) -> anyhow::Result<()> {
    ui.value(done)?;
    (words.receipt)(ui, &done.receipt, may_run)?;
    ui.line(format!("receipt: {}", done.path.display()))?;
    ui.flush()?;
    report.map_or(Ok(()), |report| report.write(&serde_json::to_string_pretty(done)?))
}
