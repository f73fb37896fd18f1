//! What an import keeps in its target while it writes: the lock, with signs of life, and the copy of the id map.

use super::Refusal;
use super::signals::interruptible;
use lifeboat::api::Workspace;
use lifeboat::berth::{self, Claimant, Hold, Sight, TakeError, Timing};
use lifeboat::event::{Event, Observer};
use lifeboat::journal::{self, Turn};
use lifeboat::plan::Plan;
use lifeboat::spool::Spool;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const INTERRUPTED: &str = "interrupted; nothing was applied";

/// A map of many objects is large, and is copied less often than signs of life are given.
const BEATS_A_COPY: u64 = 10;

/// So long the last words may take after the work, or a signal.
const LAST_WORDS: Duration = Duration::from_secs(15);

/// One import's place in its target.
pub struct Moor {
    workspace: Workspace,
    folder: PathBuf,
    observer: Arc<dyn Observer>,
    claimant: Claimant,
    seen: Sight,
    timing: Timing,
    break_lock: bool,
}

/// The right to import, while it is held; nothing where the workspace keeps no lock, or none is needed.
pub struct Held {
    hold: Option<Hold>,
    writes: bool,
}

impl Moor {
    /// Looks whether somebody imports from another machine, before anything is planned.
    pub async fn look(
        workspace: &Workspace,
        folder: &Path,
        turn: &Turn,
        owner: String,
        break_lock: bool,
        observer: &Arc<dyn Observer>,
    ) -> anyhow::Result<Self> {
        let claimant =
            Claimant { token: journal::made_up(), owner, host: host(), state: journal::folder_id(folder)?, alone: turn.alone };
        let timing = Timing::default();
        let seen = match interruptible(INTERRUPTED, berth::look(workspace)).await? {
            Ok(seen) => seen,
            Err(error) => return Err(refused(TakeError::Api(error))),
        };
        if let Some(holder) = seen.busy(&claimant, &timing).filter(|_| !break_lock) {
            return Err(refused(TakeError::Busy(Box::new(holder.clone()))));
        }
        let (workspace, folder, observer) = (workspace.clone(), folder.to_owned(), observer.clone());
        Ok(Self { workspace, folder, observer, claimant, seen, timing, break_lock })
    }

    /// Takes the right to import. What writes nothing needs no lock, and gets none.
    pub async fn take(&self, plan: &Plan) -> anyhow::Result<Held> {
        if plan.writes() == 0 {
            return Ok(Held { hold: None, writes: false });
        }
        let taken = berth::take(&self.workspace, &self.seen, &self.claimant, &self.timing, self.break_lock);
        let taken = match interruptible(INTERRUPTED, taken).await {
            Err(interrupted) => {
                let withdrawn = tokio::time::timeout(LAST_WORDS, berth::withdraw(&self.workspace, &self.claimant));
                let _ = interruptible(INTERRUPTED, withdrawn).await;
                return Err(interrupted);
            }
            Ok(taken) => taken,
        };
        match taken {
            Ok(hold) => Ok(Held { hold: Some(hold), writes: true }),
            Err(error) if error.is_unsupported() => {
                let text = format!("cannot keep a lock in {}, so take care that nobody else imports: {error}", berth::FOLDER);
                self.observer.event(&Event::Warning(text));
                Ok(Held { hold: None, writes: true })
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Signs of life, and now and then the id map. Ends when somebody else took over, or may have.
    pub async fn keep_alive(&self, held: &mut Held, plan: &Plan) {
        let mut last = Instant::now();
        for beat in 1_u64.. {
            tokio::time::sleep(self.timing.beat).await;
            let renewed = match held.hold.as_mut() {
                Some(hold) => hold.renew(&self.workspace).await,
                None => Ok(true),
            };
            match renewed {
                Ok(true) => last = Instant::now(),
                Err(_) if last.elapsed() <= self.timing.silent => {}
                Ok(false) | Err(_) => break,
            }
            if held.writes && beat.is_multiple_of(BEATS_A_COPY) {
                self.copy(plan).await;
            }
        }
        let text = "another import took over this workspace: this one stops, see what the other did";
        self.observer.event(&Event::Warning(text.into()));
    }

    /// The last words: the id map, and the lock is given back.
    pub async fn end(&self, held: &Held, plan: &Plan) {
        if !held.writes {
            return;
        }
        let words = async {
            self.copy(plan).await;
            if let Some(hold) = &held.hold
                && let Err(error) = hold.release(&self.workspace, true).await
            {
                self.warn("cannot give back the lock", &error);
            }
        };
        if !matches!(interruptible(INTERRUPTED, tokio::time::timeout(LAST_WORDS, words)).await, Ok(Ok(()))) {
            let text = format!("cannot clean up in {}: the next import will", berth::FOLDER);
            self.observer.event(&Event::Warning(text));
        }
    }

    /// The id map of this machine goes into the target, so that another machine knows it too.
    async fn copy(&self, plan: &Plan) {
        let (source, target) = (&plan.source.workspace_id, &plan.target.workspace_id);
        let Ok(book) = journal::book(&self.folder, target, source) else { return };
        let Ok(spool) = Spool::in_temp() else { return };
        if let Err(error) = berth::write(&self.workspace, &spool, source, target, &book).await {
            self.warn("cannot keep a copy of the id map", &error);
        }
    }

    fn warn(&self, what: &str, error: &dyn std::fmt::Display) {
        self.observer.event(&Event::Warning(format!("{what} in {}: {error}", berth::FOLDER)));
    }
}

/// Another import is in the way, or was.
fn refused(error: TakeError) -> anyhow::Error {
    let hint = match &error {
        TakeError::Busy(_) => {
            "wait until it is over; if that machine is dead, its lock is taken over ten minutes after its last sign of life, or \
             at once with `--break-lock`"
        }
        TakeError::Overtaken => "run this again: it plans anew",
        TakeError::Unseen | TakeError::Api(_) => return error.into(),
    };
    Refusal::new(error.to_string(), hint).into()
}

/// The name of this machine, for whoever waits for it.
fn host() -> String {
    let of = |name: &str| std::env::var(name).ok().filter(|name| !name.is_empty());
    let file = || std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned());
    of("HOSTNAME").or_else(|| of("COMPUTERNAME")).or_else(file).unwrap_or_else(|| "an unnamed machine".into())
}
