//! What is asked of the library: a plan, and to carry it out under a record that is there before anything is written.

use super::NOTHING_DONE;
use crate::cli::Refusal;
use crate::cli::moor::{Held, Moor};
use crate::cli::signals::{asked_to_stop, interruptible};
use anyhow::Context;
use lifeboat::api::Workspace;
use lifeboat::bundle::Reader;
use lifeboat::event::{Observer, causes};
use lifeboat::import::{self, BundleContents, ImportError, Receipt};
use lifeboat::journal::Journal;
use lifeboat::plan::{Goal, Plan, Text};
use lifeboat::receipt::{self as records, Clock, End, Facts, Keeper, Named};
use lifeboat::restore::{self, RestoreError};
use lifeboat::spool::Spool;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const HALF_DONE: &str = "interrupted in the middle; run the same again, and it goes on where it stopped";

/// A bundle, a target, and how the one comes into the other.
pub(super) struct Work<'a> {
    pub(super) reader: &'a Reader,
    pub(super) workspace: Workspace,
    pub(super) options: restore::Options,
    /// Folder of journals and receipts.
    pub(super) state: PathBuf,
    pub(super) began: jiff::Timestamp,
    pub(super) clock: Arc<Clock>,
    /// The clock, to be told.
    pub(super) observer: Arc<dyn Observer>,
}

/// What came of an import, and where its record is kept.
#[derive(Serialize, JsonSchema)]
pub struct Done {
    #[serde(flatten)]
    pub(super) receipt: Receipt,
    /// The sealed record.
    #[serde(rename = "record")]
    pub(super) path: PathBuf,
}

/// A receipt, with the reason if the import broke off; or the reason why nothing began.
type Applied = Result<(Receipt, Option<ImportError>), ImportError>;

impl Work<'_> {
    pub(super) async fn plan(&self) -> anyhow::Result<Plan> {
        let planned = restore::plan(self.reader, &self.workspace, &self.options, &self.observer);
        interruptible(NOTHING_DONE, planned).await?.map_err(refused)
    }

    /// Applies the plan, and keeps a record of it that is there before anything is written.
    pub(super) async fn apply(&self, plan: &Plan, moor: &Moor) -> anyhow::Result<Done> {
        let (source, target) = (&plan.source, &plan.target);
        let mut journal = Journal::open(&self.state, &target.workspace_id, &source.workspace_id, &source.digest)
            .with_context(|| format!("cannot open the journal in {}", self.state.display()))?;
        let kept = journal.path().to_owned();
        let record = |end: &End<'_>| records::record(&self.facts(plan, &kept), end);
        let folder = self.state.join("receipts");
        let unkept = || format!("cannot keep a receipt in {}", folder.display());
        let keeper = Keeper::begin(&folder, &target.workspace_id, &source.digest, self.began).with_context(unkept)?;
        keeper.record(&record(&End::UnderWay)).with_context(unkept)?;
        let mut held = match moor.take(plan).await {
            Ok(held) => held,
            Err(refused) => {
                keeper.record(&record(&End::Broken(None, refused.to_string()))).with_context(unkept)?;
                return Err(refused);
            }
        };
        let outcome = Box::pin(self.carry_out(plan, &mut journal, moor, &mut held)).await;
        moor.end(&held, plan).await;
        let record = record(&end(&outcome));
        let path = keeper.record(&record).and_then(|path| keeper.page(&record).map(|_| path)).with_context(unkept);
        match outcome {
            Ok((receipt, None)) => Ok(Done { receipt, path: path? }),
            Ok((_, Some(ImportError::Stopped))) => anyhow::bail!("{HALF_DONE}; how far it came is in {}", path?.display()),
            Ok((_, Some(error))) | Err(error) => Err(error.into()),
        }
    }

    fn facts<'a>(&'a self, plan: &'a Plan, journal: &'a Path) -> Facts<'a> {
        let named = |text: &Text| Named::new(&text.name, &text.text);
        Facts {
            command: self.options.goal.command(),
            plan,
            rules: named(&self.options.recipe.rules),
            map: self.options.recipe.map.as_ref().map(named),
            began: self.began,
            stages: self.clock.stages(),
            journal: Some(journal),
        }
    }

    /// Carries the plan out, until a person asks to stop.
    async fn carry_out(&self, plan: &Plan, journal: &mut Journal, moor: &Moor, held: &mut Held) -> Applied {
        let local = |error: std::io::Error| ImportError::Journal(error);
        let spool = Spool::in_temp().map_err(local)?;
        let bytes = BundleContents::new(self.reader, spool).editing(restore::editor(self.reader, &self.options));
        // Switches name nothing; and what cannot be looked for is no reason to leave the rest.
        let looks = self.options.goal == Goal::Restore && plan.writes() > 0;
        let marks = looks.then(|| restore::marks(self.reader, &self.options, plan).ok()).flatten();
        let stop = CancellationToken::new();
        let options = import::Options { marks: marks.as_ref(), stop: Some(&stop) };
        let running = import::run_with(plan, &bytes, &self.workspace, journal, &self.observer, options);
        tokio::pin!(running);
        tokio::select! {
            done = &mut running => done,
            signal = asked_to_stop() => {
                signal.map_err(local)?;
                stop.cancel();
                running.await
            }
            () = moor.keep_alive(held, plan) => {
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
        Ok((receipt, Some(error))) => End::Broken(Some(receipt), causes(error)),
        Err(error) => End::Broken(None, causes(error)),
    }
}

/// What is not safe is refused, and what would make it safe is said.
fn refused(error: RestoreError) -> anyhow::Error {
    let hint = match &error {
        RestoreError::SameWorkspace { .. } => "give `--allow-same-workspace` to restore into the workspace that was backed up",
        RestoreError::NotFromHere { .. } => {
            "run this where the restore was run, or name the workspace of the bundle with `--ids-from PROFILE`; without \
             `--reverse` it is an import like any other"
        }
        RestoreError::StillActive { .. } => {
            "nothing may run on both sides: `lifeboat deactivate` it first, with a bundle of the target"
        }
        RestoreError::NoWayBack => "leave `inside:` out of the rules: source code then comes back as it is in the bundle",
        _ => return error.into(),
    };
    Refusal::new(error.to_string(), hint).into()
}
