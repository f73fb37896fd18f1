//! `lifeboat export`

use super::bundle::Bundle;
use super::connect::Connect;
use super::signals::interruptible;
use super::targets::{Landing, Targets};
use super::{Outcome, block_on};
use crate::ui::{self, Progress, Ui, words};
use clap::Args;
use lifeboat::bundle;
use lifeboat::bundle::Manifest;
use lifeboat::event::Observer;
use lifeboat::export::{self, Exported};
use lifeboat::object::Selection;
use lifeboat::survey::Scope;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Temporary files go with the work.
const LEFT_NOTHING: &str = "interrupted; nothing was left under the bundle's name";
/// An upload may be done in the moment when it is given up.
const LEFT_NO_PART: &str = "interrupted; under the bundle's name in a store stands nothing, or the whole bundle";

/// Read a workspace and write one bundle.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    select: Select,
    /// Largest file of DBFS or a volume that is read, in MiB; larger ones are reported as missing
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    max_file: u64,
    /// zstd level: higher is smaller and slower
    #[arg(long, value_name = "1-19", default_value_t = 9, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Threads that compress; without it one for each processor, at most four
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// Which objects are asked for.
#[derive(Debug, Args)]
pub struct Select {
    /// Only these: `kind` or `kind:glob` over paths and names; may be repeated
    #[arg(long, value_name = "KIND:GLOB")]
    pub include: Vec<String>,
    /// Not these: `kind` or `kind:glob` over paths and names; may be repeated
    #[arg(long, value_name = "KIND:GLOB")]
    pub exclude: Vec<String>,
}

impl Select {
    /// The patterns, read.
    pub fn selection(&self) -> anyhow::Result<Selection> {
        Ok(Selection::new(&self.include, &self.exclude)?)
    }

    /// The names that were asked for and are not in the bundle: a slip of the pen there must not pass for a backup.
    pub fn unmatched(&self, manifest: &Manifest) -> anyhow::Result<Vec<&str>> {
        let mut unmatched = Vec::new();
        for pattern in self.include.iter().filter(|pattern| pattern.contains(':')) {
            let one = Selection::new(std::slice::from_ref(pattern), &[])?;
            let mut members = manifest.members.iter();
            let mut gaps = manifest.gaps.iter();
            let matched = members.any(|member| one.wants(&member.kind, member.key.as_deref().unwrap_or(&member.path)))
                || gaps.any(|gap| gap.path != "*" && one.wants(&gap.kind, &gap.path));
            if !matched {
                unmatched.push(pattern.as_str());
            }
        }
        Ok(unmatched)
    }

    /// Says so, and what that makes of a command that is done.
    pub fn settle(&self, outcome: Outcome, manifest: &Manifest) -> anyhow::Result<Outcome> {
        let unmatched = self.unmatched(manifest)?;
        for pattern in &unmatched {
            ui::note(format!("warning: nothing in the bundle matches `--include {pattern}`"));
        }
        Ok(if unmatched.is_empty() || outcome != Outcome::Done { outcome } else { Outcome::Incomplete })
    }
}

/// What an export came to.
pub struct Performed {
    pub exported: Exported,
    pub outcome: Outcome,
    /// Where the bundle stands now, without what signs in there.
    pub bundles: Vec<String>,
    /// What came of each place, unless it is one alone, and on disk.
    landing: Option<Landing>,
}

impl Export {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let progress = Arc::new(Progress::new(quiet));
        let performed = block_on(self.perform(progress.clone()));
        progress.end();
        let performed = performed?;
        report(ui, &performed)?;
        Ok(performed.outcome)
    }

    /// Says what is wrong with the options, as far as that can be seen without a workspace.
    pub fn check(&self) -> anyhow::Result<()> {
        self.targets.places()?;
        self.select.selection().map(drop)
    }

    /// The export, without words about what came of it.
    pub async fn perform(&self, observer: Arc<dyn Observer>) -> anyhow::Result<Performed> {
        let (mut exported, landing) = self.bring(observer).await?;
        let outcome = if exported.is_complete() { Outcome::Done } else { Outcome::Incomplete };
        let outcome = match (self.select.include.as_slice(), &landing) {
            ([], _) => outcome,
            (_, None) => self.select.settle(outcome, Bundle::ours(exported.summary.path.clone()).open()?.manifest())?,
            (_, Some(landing)) => self.select.settle(outcome, landing.reader()?.manifest())?,
        };
        let Some(landing) = landing else {
            let bundles = vec![exported.summary.path.display().to_string()];
            return Ok(Performed { exported, outcome, bundles, landing: None });
        };
        let bundles = landing.bundles();
        if let Some(first) = bundles.first() {
            exported.summary.path = first.into();
        }
        let outcome = landing.settle(outcome);
        Ok(Performed { exported, outcome, bundles, landing: Some(landing) })
    }

    /// To one path on disk, as the writer does it; anywhere else from a file that has no name.
    async fn bring(&self, observer: Arc<dyn Observer>) -> anyhow::Result<(Exported, Option<Landing>)> {
        let created = created()?;
        let mut targets = self.targets.places()?;
        let workspace = self.connect.workspace(observer.clone()).await?;
        targets.name(&default_name(workspace.host(), created));
        if let Some(target) = targets.only_path() {
            let options = self.options(target, created)?;
            let exported = interruptible(LEFT_NOTHING, export::run(&workspace, options, observer)).await??;
            return Ok((exported, None));
        }
        interruptible(LEFT_NOTHING, targets.check()).await??;
        let hold = targets.hold();
        let options = self.options(hold.target(), created)?;
        let store = Arc::new(hold.clone());
        let exported = interruptible(LEFT_NOTHING, export::run_in(store, &workspace, options, observer.clone())).await??;
        let landing = interruptible(LEFT_NO_PART, targets.deliver(&hold, &*observer)).await??;
        Ok((exported, Some(landing)))
    }

    fn options(&self, target: PathBuf, created: jiff::Timestamp) -> anyhow::Result<export::Options> {
        let scope = Scope {
            selection: self.select.selection()?,
            only: None,
            max_file: self.max_file.saturating_mul(1 << 20),
            workers: self.connect.workers(),
            ..Scope::default()
        };
        let packing = bundle::Options { level: self.level, ..bundle::Options::default() };
        let packing = self.threads.map_or(packing.clone(), |threads| bundle::Options { threads: threads.into(), ..packing });
        Ok(export::Options { target, scope, packing, created: Some(created) })
    }
}

/// Now, or the time that reproducible builds ask for (`SOURCE_DATE_EPOCH`, seconds since 1970).
fn created() -> anyhow::Result<jiff::Timestamp> {
    match std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse::<i64>().ok()) {
        Some(seconds) => Ok(jiff::Timestamp::from_second(seconds)?),
        None => Ok(jiff::Timestamp::now()),
    }
}

/// `adb-1234-20260822T020000Z.tar.zst`: host and time, safe on every file system.
fn default_name(host: &str, created: jiff::Timestamp) -> String {
    let host = host.split("://").last().unwrap_or(host);
    let name: String = host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let short = name.split("-azuredatabricks").next().unwrap_or(&name);
    format!("{short}-{}.tar.zst", created.strftime("%Y%m%dT%H%M%SZ"))
}

fn report(ui: &mut Ui, performed: &Performed) -> anyhow::Result<()> {
    let Performed { exported, outcome, landing, .. } = performed;
    let (landing, outcome) = (landing.as_ref(), *outcome);
    ui.value(&to_json(exported, landing, outcome))?;
    super::list::accounts(ui, &exported.kinds)?;
    super::list::gaps(ui, &exported.gaps)?;
    super::list::degraded(
        ui,
        exported.degraded.iter().map(|(kind, path, reason)| (kind.as_str(), path.as_str(), reason.as_str())),
    )?;
    if exported.redacted > 0 {
        let (count, path) = (words::count(exported.redacted, "secret value"), exported.summary.path.display());
        ui.line(format!("{count} blanked: `lifeboat list --redacted {path}` says where"))?;
    }
    if !exported.identity.is_admin {
        ui.line("warning: the caller is no admin, and listings leave out what a caller may not see")?;
    }
    let summary = &exported.summary;
    let size = words::size(summary.bytes);
    ui.line(format!("{} objects in {}, {size}, {} requests", summary.members, summary.path.display(), exported.requests))?;
    ui.line(format!("identity {}", bundle::hex(&summary.manifest_sha256)))?;
    landing.map_or(Ok(()), |landing| landing.tell(ui))?;
    if landing.is_some_and(|landing| !landing.is_everywhere()) {
        ui.line("NOT EVERYWHERE: one place lacks the bundle, see above")?;
    }
    Ok(ui.line(match (outcome, exported.identity.is_admin) {
        (Outcome::Done, true) => "complete",
        (Outcome::Done, false) => "complete as far as this caller can see",
        _ if exported.kinds.iter().all(|kind| kind.missing == 0) => {
            "DEGRADED: nothing is missing, but not all is whole, see above"
        }
        _ => "INCOMPLETE: see above",
    })?)
}

fn to_json(exported: &Exported, landing: Option<&Landing>, outcome: Outcome) -> Value {
    let summary = &exported.summary;
    let kinds: Vec<Value> = exported.kinds.iter().map(super::list::kind_json).collect();
    json!({
        "bundle": summary.path,
        "bytes": summary.bytes,
        "objects": summary.members,
        "content_id": bundle::hex(&summary.content_id),
        "manifest_sha256": bundle::hex(&summary.manifest_sha256),
        "complete": outcome == Outcome::Done,
        "caller_is_admin": exported.identity.is_admin,
        "requests": exported.requests,
        "kinds": kinds,
        "gaps": exported.gaps.iter().map(super::list::gap_json).collect::<Vec<_>>(),
        "degraded": exported.degraded,
        "redacted": exported.redacted,
        "destinations": landing.map(Landing::to_json),
    })
}
