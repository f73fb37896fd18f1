//! One workspace after the other, until the deadline.

use super::Task;
use crate::cli::export::Performed;
use crate::cli::signals::{Interrupted, interruptible};
use crate::cli::{Outcome, hint};
use crate::ui::{self, Progress};
use anyhow::Context;
use jiff::Timestamp;
use lifeboat::backup::{Accept, Accepted, Config, Good, Night, Result as Made, Status, Verdict, Workspace};
use lifeboat::bundle::hex;
use lifeboat::catalogue;
use lifeboat::event::{Event, Observer};
use lifeboat::retention::Policy;
use lifeboat::store::{Place, Say, without_signatures};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const TOO_LATE: &str = "the deadline of the run came first";

/// The deadline came.
#[derive(Debug, thiserror::Error)]
#[error("{TOO_LATE}")]
struct TooLate;

const INTERRUPTED: &str = "interrupted";

/// Why the workspaces behind this one are not begun, if the error is about the whole run.
fn ends_the_run(error: &anyhow::Error) -> Option<&'static str> {
    if error.is::<TooLate>() {
        return Some(TOO_LATE);
    }
    error.is::<Interrupted>().then_some("the run was interrupted")
}

/// When the run is given up.
type End = Option<tokio::time::Instant>;

/// Work that is given up at the deadline.
async fn in_time<T>(end: End, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match end {
        None => work.await,
        Some(end) => tokio::time::timeout_at(end, work).await.unwrap_or_else(|_| Err(TooLate.into())),
    }
}

/// What is the same for all workspaces of a run.
pub(super) struct Run<'a> {
    pub(super) before: Option<&'a Status>,
    pub(super) began: Timestamp,
    pub(super) quiet: bool,
}

impl Run<'_> {
    /// One workspace after the other, until the deadline or until somebody stops it.
    pub(super) async fn all(&self, config: &Config, tasks: Vec<Task>) -> anyhow::Result<Vec<Night>> {
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

    async fn one(&self, task: &Task, end: End, given_up: &mut Option<&'static str>) -> Night {
        let (clock, progress) = (Instant::now(), Arc::new(Progress::new(self.quiet)));
        ui::note(format!("workspace {}", task.workspace.name()));
        let tally = Arc::new(Tally { inner: progress.clone(), throttles: AtomicU64::new(0), retries: AtomicU64::new(0) });
        let performed = in_time(end, Box::pin(task.export.perform(tally.clone()))).await;
        progress.end();
        let mut night = match performed {
            Ok(performed) => {
                let identity = &performed.exported.identity;
                let of = identity.workspace_id.clone().unwrap_or_else(|| performed.host.clone());
                let night = self.done(&task.workspace, performed, &tally);
                self.tidied(&task.workspace, &of, night, end, given_up).await
            }
            Err(error) => {
                *given_up = ends_the_run(&error);
                self.failed(&task.workspace, &error)
            }
        };
        night.seconds = clock.elapsed().as_secs_f64();
        night
    }

    /// After a good night, and only then, what is not to be kept any more goes. That it does not is told, and harms no bundle.
    async fn tidied(
        &self,
        workspace: &Workspace,
        of: &str,
        mut night: Night,
        end: End,
        given_up: &mut Option<&'static str>,
    ) -> Night {
        let policy = workspace.policy().ok().flatten().filter(|_| night.verdict == Verdict::Done);
        let Some(policy) = policy else { return night };
        for place in workspace.to() {
            let tidying = async { interruptible(INTERRUPTED, self.tidy(place, &policy, of, &mut night.removed)).await? };
            if let Err(error) = in_time(end, tidying).await {
                *given_up = given_up.or(ends_the_run(&error));
                night.verdict = Verdict::Incomplete;
                let what = without_signatures(&format!("the bundle is there, and older ones were not all removed: {error:#}"));
                ui::note(format!("error: {}: {what}", workspace.name()));
                night.error = Some(what);
            }
        }
        night
    }

    async fn tidy(&self, place: &str, policy: &Policy, of: &str, removed: &mut Vec<String>) -> anyhow::Result<()> {
        let place = Place::parse(Path::new(place))?;
        let say: Say = Arc::new(|text: &str| ui::note(format!("warning: {text}")));
        let shelf = catalogue::decide_of(of, &place, policy, Timestamp::now(), &say).await;
        let shelf = shelf.with_context(|| format!("cannot look into {place}"))?;
        let mut failed = None;
        for (one, done) in catalogue::remove(&shelf, &place, &say).await {
            match done {
                Ok(()) => removed.push(one.entry.place.to_string()),
                Err(error) => failed = failed.or(Some((error, &one.entry.place))),
            }
        }
        failed.map_or(Ok(()), |(error, place)| Err(error).with_context(|| format!("cannot remove {place}")))
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
        let (outcome, made) = (performed.outcome, made(workspace, performed, tally));
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

fn made(workspace: &Workspace, performed: Performed, tally: &Tally) -> Made {
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
        accepted: exported.accepted,
        accepts: exported.accepts.iter().zip(workspace.accept()).map(|(one, entry)| accepted(one, entry)).collect(),
        requests: exported.requests,
        asked: exported.purposes.iter().map(|(purpose, count)| (purpose.as_str().to_owned(), *count)).collect(),
        carried: exported.carried,
        throttles: tally.throttles.load(Ordering::Relaxed),
        retries: tally.retries.load(Ordering::Relaxed),
        content_id: hex(&summary.content_id),
        manifest_sha256: hex(&summary.manifest_sha256),
    }
}

fn accepted(one: &lifeboat::export::Accepted, entry: &Accept) -> Accepted {
    Accepted { what: one.pattern.clone(), why: entry.why.clone(), objects: one.objects }
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
