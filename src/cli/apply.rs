//! What `import`, `activate` and `deactivate` share: the bundle is checked, a plan is made and shown, a person agrees, it is
//! applied, and what came of it is told.

use super::bundle::{Bundle, DAMAGED, LIMITED};
use super::connect::Connect;
use super::export::Select;
use super::moor::{Held, Moor};
use super::private::Private;
use super::recipe::{self, Given};
use super::shore::Shore;
use super::signals::{asked_to_stop, interruptible};
use super::{Outcome, Refusal, block_on, receipt};
use crate::ui::{self, Progress, Ui, words};
use anyhow::Context;
use clap::Args;
use lifeboat::api::Workspace;
use lifeboat::bundle::{Fault, OpenError, Reader};
use lifeboat::event::Observer;
use lifeboat::import::{self, BundleContents, ImportError, Receipt};
use lifeboat::journal::{Journal, Turn};
use lifeboat::object::SourceId;
use lifeboat::plan::{Action, Answers, Goal, Plan, Recipe, Step, Text, drift};
use lifeboat::receipt::{self as records, Clock, End, Facts, Keeper, Named};
use lifeboat::restore::{self, RestoreError};
use lifeboat::rules::Conflicts;
use lifeboat::spool::Spool;
use lifeboat::store::Place;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

const NOTHING_DONE: &str = "interrupted; nothing was applied";
const HALF_DONE: &str = "interrupted in the middle; run the same again, and it goes on where it stopped";

pub const PLAN_AGAIN: &str = "plan again with `--plan-only -o FILE`, look at it, and apply that";

/// So many objects that drifted are told.
const SHOWN: usize = 20;

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
    /// Where the state is on this machine, if it lives in a store.
    #[arg(skip)]
    shore: OnceLock<PathBuf>,
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
        let mut options = self.options(recipe)?;
        let progress = Arc::new(Progress::new(quiet));
        let reader = self.bundle.whole(&*progress)?;
        let outcome = block_on(async {
            let shore = interruptible(NOTHING_DONE, Shore::fetch(self.state.as_deref())).await??;
            let _ = shore.as_ref().map(|shore| self.shore.set(shore.path().to_owned()));
            options.journals = Some(self.state()?);
            let work = self.go(ui, &reader, &options, saved, words, &progress);
            match shore {
                Some(shore) => Box::pin(shore.around(work)).await,
                None => work.await,
            }
        });
        progress.end();
        outcome
    }

    async fn go(
        &self,
        ui: &mut Ui,
        reader: &Reader,
        options: &restore::Options,
        saved: Option<(Plan, Answers)>,
        words: &Words,
        progress: &Arc<Progress>,
    ) -> anyhow::Result<Outcome> {
        let began = jiff::Timestamp::now();
        let named = |text: &Text| Named::new(&text.name, &text.text);
        let rules = (named(&options.recipe.rules), options.recipe.map.as_ref().map(named));
        let clock = Clock::before(progress.clone());
        let observer: Arc<dyn Observer> = clock.clone();
        let workspace = self.connect.workspace(observer.clone()).await?;
        let turn = if self.plan_only { None } else { Some(self.turn(&workspace, &observer).await?) };
        let report = self.report.as_deref().map(Private::create).transpose()?;
        let came_from = self.came_from(reader, &observer).await?;
        let options = &restore::Options { came_from, ..options.clone() };
        let mut plan =
            interruptible(NOTHING_DONE, restore::plan(reader, &workspace, options, &observer)).await?.map_err(refused)?;
        progress.end();
        if let Some((saved, answers)) = saved {
            as_planned(ui, &saved, &plan)?;
            plan.answer(|step| answers.of(step));
        }
        self.save(&plan)?;
        (words.plan)(ui, &plan)?;
        let selected = Select { include: options.recipe.include.clone(), exclude: options.recipe.exclude.clone() };
        let asked = selected.settle(Outcome::Done, reader.manifest())?;
        if !self.yes {
            receipt::todos(ui, &plan.todos)?;
        }
        let Some((_turn, moor)) = turn else {
            ui.value(&plan)?;
            return Ok(Outcome::Done);
        };
        // What is asked about is seen first.
        ui.flush()?;
        settle(&mut plan).await?;
        self.agree(&plan).await?;
        let run =
            Run { plan: &plan, reader, options, workspace: &workspace, observer: &observer, clock: &clock, began, rules: &rules };
        let done = Box::pin(self.apply(&run, &moor)).await;
        progress.end();
        let done = done?;
        Ok(if tell(ui, &done, options.rules.may_run(), report, words)? == Outcome::Done { asked } else { Outcome::Incomplete })
    }

    /// Nobody else may change the target between the plan and its end.
    async fn turn(&self, workspace: &Workspace, observer: &Arc<dyn Observer>) -> anyhow::Result<(Turn, Moor)> {
        let folder = self.state()?;
        let identity = interruptible(NOTHING_DONE, workspace.identity()).await??;
        let target = identity.workspace_id.unwrap_or_else(|| workspace.host().to_owned());
        let turn = Turn::take(&folder, &target).with_context(|| format!("cannot lock the journal in {}", folder.display()))?;
        let busy =
            || Refusal::new("another import into this workspace is under way", "wait until it is over, then run this again");
        let turn = turn.ok_or_else(busy)?;
        let moor = Moor::look(workspace, &folder, &turn, identity.user_name, self.break_lock, observer).await?;
        Ok((turn, moor))
    }

    /// The workspace that the bundle comes from, to be asked for the id map.
    async fn came_from(&self, reader: &Reader, observer: &Arc<dyn Observer>) -> anyhow::Result<Option<Workspace>> {
        let Some(profile) = &self.ids_from else { return Ok(None) };
        let workspace = self.connect.other(profile, observer.clone()).await?;
        let identity = interruptible(NOTHING_DONE, workspace.identity()).await??;
        let source = restore::source_of(reader).workspace_id;
        if identity.workspace_id.as_deref() != Some(source.as_str()) {
            let text = format!("the bundle comes from workspace {source}, and the profile \"{profile}\" is of another");
            return Err(Refusal::new(text, "name the profile of the workspace that was exported").into());
        }
        Ok(Some(workspace))
    }

    /// What the command line says; the rest is the command's.
    pub fn given(&self, goal: Goal) -> anyhow::Result<Given> {
        let select = (self.select.include.as_slice(), self.select.exclude.as_slice());
        let given = Given::new(goal, select, self.rules.as_deref(), self.map.as_deref())?;
        Ok(Given { recipe: Recipe { reverse: self.reverse, ..given.recipe }, ..given })
    }

    fn state(&self) -> anyhow::Result<PathBuf> {
        self.shore.get().map_or_else(|| state_folder(self.state.as_deref()), |path| Ok(path.clone()))
    }

    fn options(&self, recipe: Recipe) -> anyhow::Result<restore::Options> {
        Ok(restore::Options { workers: self.connect.workers(), ..restore::Options::made_with(recipe)? })
    }

    fn save(&self, plan: &Plan) -> anyhow::Result<()> {
        let Some(path) = &self.output else { return Ok(()) };
        Private::create(path)?.write_json(plan)
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

    /// Applies the plan, and keeps a record of it that is there before anything is written.
    async fn apply(&self, run: &Run<'_>, moor: &Moor) -> anyhow::Result<Done> {
        let folder = self.state()?;
        let (source, target) = (&run.plan.source, &run.plan.target);
        let mut journal = Journal::open(&folder, &target.workspace_id, &source.workspace_id, &source.digest)
            .with_context(|| format!("cannot open the journal in {}", folder.display()))?;
        let (rules, map) = run.rules;
        let kept = journal.path().to_owned();
        let facts = || Facts {
            command: run.options.goal.command(),
            plan: run.plan,
            rules: rules.clone(),
            map: map.clone(),
            began: run.began,
            stages: run.clock.stages(),
            journal: Some(&kept),
        };
        let records = folder.join("receipts");
        let unkept = || format!("cannot keep a receipt in {}", records.display());
        let keeper = Keeper::begin(&records, &target.workspace_id, &source.digest, run.began).with_context(unkept)?;
        keeper.record(&records::record(&facts(), &End::UnderWay)).with_context(unkept)?;
        let mut held = match moor.take(run.plan).await {
            Ok(held) => held,
            Err(refused) => {
                let reason = refused.to_string();
                keeper.record(&records::record(&facts(), &End::Broken(None, reason))).with_context(unkept)?;
                return Err(refused);
            }
        };
        let outcome = Box::pin(run.carry_out(&mut journal, moor, &mut held)).await;
        moor.end(&held, run.plan).await;
        let record = records::record(&facts(), &end(&outcome));
        let path = keeper.record(&record).and_then(|path| keeper.page(&record).map(|_| path)).with_context(unkept);
        match outcome {
            Ok((receipt, None)) => Ok(Done { receipt, path: path? }),
            Ok((_, Some(ImportError::Stopped))) => anyhow::bail!("{HALF_DONE}; how far it came is in {}", path?.display()),
            Ok((_, Some(error))) | Err(error) => Err(error.into()),
        }
    }
}

/// What came of an import, and where its record is kept.
#[derive(Serialize, JsonSchema)]
pub struct Done {
    #[serde(flatten)]
    receipt: Receipt,
    /// The sealed record.
    #[serde(rename = "record")]
    path: PathBuf,
}

/// What applying needs to know.
struct Run<'a> {
    plan: &'a Plan,
    reader: &'a Reader,
    options: &'a restore::Options,
    workspace: &'a Workspace,
    observer: &'a Arc<dyn Observer>,
    clock: &'a Clock,
    began: jiff::Timestamp,
    /// The texts of rules and map file.
    rules: &'a (Named, Option<Named>),
}

/// A receipt, with the reason if the import broke off; or the reason why nothing began.
type Applied = Result<(Receipt, Option<ImportError>), ImportError>;

impl Run<'_> {
    /// Carries the plan out, until a person asks to stop.
    async fn carry_out(&self, journal: &mut Journal, moor: &Moor, held: &mut Held) -> Applied {
        let local = |error: std::io::Error| ImportError::Journal(error);
        let spool = Spool::in_temp().map_err(local)?;
        let bytes = BundleContents::new(self.reader, spool).editing(restore::editor(self.reader, self.options));
        // Switches name nothing; and what cannot be looked for is no reason to leave the rest.
        let looks = self.options.goal == Goal::Restore && self.plan.writes() > 0;
        let marks = looks.then(|| restore::marks(self.reader, self.options, self.plan).ok()).flatten();
        let stop = CancellationToken::new();
        let options = import::Options { marks: marks.as_ref(), stop: Some(&stop) };
        let running = import::run_with(self.plan, &bytes, self.workspace, journal, self.observer, options);
        tokio::pin!(running);
        tokio::select! {
            done = &mut running => done,
            signal = asked_to_stop() => {
                signal.map_err(local)?;
                stop.cancel();
                running.await
            }
            () = moor.keep_alive(held, self.plan) => {
                stop.cancel();
                running.await
            }
        }
    }
}

/// The end of an import, as its record tells it.
fn end(outcome: &Applied) -> End<'_> {
    match outcome {
        Ok((receipt, None)) => End::Over(receipt),
        Ok((receipt, Some(error))) => End::Broken(Some(receipt), reason(error)),
        Err(error) => End::Broken(None, reason(error)),
    }
}

fn reason(error: &ImportError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Where journals are kept.
pub fn state_folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = given {
        return match Place::parse(folder)? {
            Place::Disk(folder) => Ok(folder),
            Place::Remote(place) => {
                Err(Refusal::new(format!("the state of this command cannot be in {place}"), "name a folder on this machine")
                    .into())
            }
        };
    }
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    Ok(base.context("cannot tell where to keep the journal: give a folder with `--state`")?.join("lifeboat"))
}

/// Asks for every question that no option answered. Nothing is applied while one is open.
async fn settle(plan: &mut Plan) -> anyhow::Result<()> {
    let open: Vec<(SourceId, String)> = plan.questions().map(|step| (step.source.clone(), question(step))).collect();
    let mut said = HashMap::new();
    for (object, text) in open {
        let Some(ours) = asked(text).await? else {
            let count = words::count(plan.questions().count() as u64, "object");
            let what = format!("people changed {count} here, and nobody is there to say what counts");
            let hint = "give `--conflicts ours` or `--conflicts theirs`, or `--ours KIND:GLOB` and `--theirs KIND:GLOB`";
            return Err(Refusal::new(what, hint).into());
        };
        said.insert(object, if ours { Conflicts::Ours } else { Conflicts::Theirs });
    }
    plan.answer(|step| said.get(&step.source).copied());
    Ok(())
}

fn question(step: &Step) -> String {
    let why = if let Action::Ask { question, .. } = &step.action { question.as_str() } else { "" };
    format!("{} {}: {why}. Let the bundle win (`n` leaves what people did)?", step.source.kind, step.key)
}

/// Asks on a thread of its own: a person who presses Ctrl-C instead of answering must not wait.
async fn asked(question: String) -> anyhow::Result<Option<bool>> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(ui::ask(&question)));
    Ok(interruptible(NOTHING_DONE, answered).await??)
}

/// The report comes last: should it fail, people have seen what was done.
fn tell(ui: &mut Ui, done: &Done, may_run: bool, report: Option<Private>, words: &Words) -> anyhow::Result<Outcome> {
    let Done { receipt, path } = done;
    ui.value(done)?;
    (words.receipt)(ui, receipt, may_run)?;
    ui.line(format!("receipt: {}", path.display()))?;
    ui.flush()?;
    if let Some(report) = report {
        report.write(&serde_json::to_string_pretty(done)?)?;
    }
    Ok(if receipt.is_complete() { Outcome::Done } else { Outcome::Incomplete })
}

/// A saved plan is carried out only if it is what would be planned now.
fn as_planned(ui: &mut Ui, saved: &Plan, fresh: &Plan) -> anyhow::Result<()> {
    if saved.source != fresh.source {
        return Err(Refusal::new("the plan was made for another bundle", PLAN_AGAIN).into());
    }
    if saved.target.workspace_id != fresh.target.workspace_id {
        let text =
            format!("the plan was made for workspace {}, and this is {}", saved.target.workspace_id, fresh.target.workspace_id);
        return Err(Refusal::new(text, PLAN_AGAIN).into());
    }
    let drifts = drift(saved, fresh);
    for one in drifts.iter().take(SHOWN) {
        let word = |word: Option<&'static str>| word.unwrap_or("nothing");
        let at = if one.fields.is_empty() { String::new() } else { format!("  ({})", one.fields.join(", ")) };
        ui.line(format!("drift: {} {}: planned {}, now {}{at}", one.object.kind, one.key, word(one.was), word(one.now)))?;
    }
    if drifts.is_empty() {
        return Ok(());
    }
    ui.flush()?;
    let count = words::count(drifts.len() as u64, "object");
    Err(Refusal::new(format!("{count} would be treated otherwise than planned: the target changed since"), PLAN_AGAIN).into())
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
pub fn unfit(error: OpenError, place: &str) -> anyhow::Error {
    let Some(hint) = advice(&error) else {
        return anyhow::Error::new(error).context(format!("cannot open {place}"));
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
        RestoreError::NotFromHere { .. } => {
            let hint = "run this where the restore was run, or name the workspace of the bundle with `--ids-from PROFILE`; without \
                        `--reverse` it is an import like any other";
            Refusal::new(error.to_string(), hint).into()
        }
        RestoreError::StillActive { .. } => {
            let hint = "nothing may run on both sides: `lifeboat deactivate` it first, with a bundle of the target";
            Refusal::new(error.to_string(), hint).into()
        }
        RestoreError::NoWayBack => {
            let hint = "leave `inside:` out of the rules: source code then comes back as it is in the bundle";
            Refusal::new(error.to_string(), hint).into()
        }
        _ => error.into(),
    }
}
