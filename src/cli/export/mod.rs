//! `lifeboat export`

mod made;
mod tell;

pub use made::Made;

use super::connect::Connect;
use super::sealing::Sealing;
use super::select::{self, Select};
use super::signals::interruptible;
use super::since::{Since, Wanted};
use super::targets::{self, Landing, Places, Targets};
use super::trust::Trust;
use super::unlock::Unlock;
use super::{Outcome, Refusal, block_on};
use crate::ui::{Progress, Ui};
use clap::Args;
use lifeboat::api::Workspace;
use lifeboat::bundle::{self, KindLine};
use lifeboat::catalogue::Record;
use lifeboat::crypt::Recipients;
use lifeboat::event::Observer;
use lifeboat::export::{self, Accept, Exported};
use lifeboat::kinds;
use lifeboat::origin::{KeyId, Signer};
use lifeboat::store::{Look, Place, bundle_name};
use lifeboat::survey::Scope;
use lifeboat::values::Sources;
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
    /// Missing or degraded objects that are known and taken, by `kind` or `kind:glob`: told and counted apart, and no reason for exit
    /// code 3; may be repeated
    #[arg(long, value_name = "KIND:GLOB")]
    accept: Vec<String>,
    /// Store the values of the secrets in these scopes too, from this source: `env:PREFIX`, `file:PATH`, `command:PROGRAM ARGS` or
    /// `api`. SCOPE is a name or a glob; may be repeated; only for encrypted bundles
    #[arg(long, value_name = "SCOPE=SOURCE")]
    secret_values: Vec<String>,
    #[command(flatten)]
    sealing: Sealing,
    #[command(flatten)]
    since: Since,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    unlock: Unlock,
}

/// What an export came to.
pub struct Performed {
    pub exported: Exported,
    /// The workspace.
    pub host: String,
    pub outcome: Outcome,
    /// Where the bundle stands now, without what signs in there.
    pub bundles: Vec<String>,
    /// What came of each place, unless it is one alone, and on disk.
    landing: Option<Landing>,
    sealed: Sealed,
}

impl Export {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let progress = Arc::new(Progress::new(quiet));
        let performed = block_on(self.perform(progress.clone()));
        progress.end();
        let performed = performed?;
        tell::tell(ui, &performed)?;
        Ok(performed.outcome)
    }

    /// Says what is wrong with the options, as far as that can be seen without a workspace.
    pub fn check(&self) -> anyhow::Result<()> {
        self.targets.places()?;
        Accept::new(&self.accept)?;
        self.sources()?;
        self.select.selection().map(drop)
    }

    /// Where values of secrets come from. Nothing is asked of any source yet, but refused at once where nobody could keep a secret.
    fn sources(&self) -> anyhow::Result<Sources> {
        let sources = Sources::parse(&self.secret_values)?;
        if !sources.is_empty() && !self.sealing.encrypts() {
            let hint = "give `--recipient KEY` (or `--passphrase`), or leave `--secret-values` out";
            return Err(Refusal::new("values of secrets are stored in encrypted bundles only", hint).into());
        }
        Ok(sources)
    }

    /// The export, without words about what came of it.
    pub async fn perform(&self, observer: Arc<dyn Observer>) -> anyhow::Result<Performed> {
        let created = created()?;
        let values = self.sources()?.open()?;
        let packing = self.packing()?;
        let sealed = Sealed::of(&packing);
        let workspace = self.connect.workspace(observer.clone()).await?;
        let host = workspace.host().to_owned();
        let (mut exported, landing) = self.bring(&workspace, created, (packing, values), observer).await?;
        let outcome = if exported.is_complete() { Outcome::Done } else { Outcome::Incomplete };
        let outcome = select::settle(outcome, &exported.unmatched);
        let Some(landing) = landing else {
            let bundles = vec![exported.summary.path.display().to_string()];
            return Ok(Performed { exported, host, outcome, bundles, landing: None, sealed });
        };
        let bundles = landing.bundles();
        if let Some(first) = bundles.first() {
            exported.summary.path = first.into();
        }
        let outcome = landing.settle(outcome);
        Ok(Performed { exported, host, outcome, bundles, landing: Some(landing), sealed })
    }

    /// To one path on disk, as the writer does it; anywhere else from a file that has no name.
    async fn bring(
        &self,
        workspace: &Workspace,
        created: jiff::Timestamp,
        (packing, values): (bundle::Options, Sources),
        observer: Arc<dyn Observer>,
    ) -> anyhow::Result<(Exported, Option<Landing>)> {
        let is_encrypted = packing.recipients.is_some();
        let mut places = self.targets.places()?;
        places.name(&default_name(workspace.host(), created, is_encrypted));
        let since = self.since.find(self.wanted(&places, workspace, &packing), &observer);
        let since = interruptible(LEFT_NOTHING, since).await??;
        let options = |target| self.options(target, created, (packing, values), since);
        if let Some(target) = places.only_path() {
            let place = Place::Disk(target.clone());
            let exported = interruptible(LEFT_NOTHING, export::run(workspace, options(target)?, observer)).await??;
            let record = self.record(&exported, workspace.host(), created)?;
            // The writer has read every byte of it back.
            targets::note(&place, &record, is_encrypted, places.look() == Look::Full).await;
            return Ok((exported, None));
        }
        interruptible(LEFT_NOTHING, places.check()).await??;
        let hold = places.hold();
        let (options, store) = (options(hold.target())?, Arc::new(hold.clone()));
        let exported = interruptible(LEFT_NOTHING, export::run_in(store, workspace, options, observer.clone())).await??;
        let record = self.record(&exported, workspace.host(), created)?;
        let landing = interruptible(LEFT_NO_PART, places.deliver(&hold, record, &*observer)).await??;
        Ok((exported, Some(landing)))
    }

    /// What the bundle before this one must be.
    fn wanted(&self, places: &Places, workspace: &Workspace, packing: &bundle::Options) -> Wanted {
        Wanted {
            targets: places.all(),
            host: workspace.host().to_owned(),
            trust: self.trust.clone(),
            unlock: self.unlock.clone(),
            signer: packing.signer.as_ref().map(Signer::public).cloned(),
        }
    }

    /// What the catalogue is to know of the bundle. It cannot be read out of it: it may be encrypted, and for others.
    fn record(&self, exported: &Exported, host: &str, created: jiff::Timestamp) -> anyhow::Result<Record> {
        let summary = &exported.summary;
        Ok(Record {
            created: created.strftime("%FT%TZ").to_string(),
            workspace_id: exported.identity.workspace_id.clone(),
            host: Some(host.to_owned()),
            objects: summary.members,
            degraded: summary.states.degraded,
            missing: summary.states.missing,
            accepted: exported.accepted,
            is_part: !self.select.selection()?.is_everything(),
            signatures: self.sealing.signs().then(|| "manifest.jsonl.minisig".to_owned()).into_iter().collect(),
            manifest_sha256: bundle::hex(&summary.manifest_sha256),
            ..Record::new()
        })
    }

    fn options(
        &self,
        target: PathBuf,
        created: jiff::Timestamp,
        (packing, values): (bundle::Options, Sources),
        since: Option<export::Since>,
    ) -> anyhow::Result<export::Options> {
        let scope = Scope {
            selection: self.select.selection()?,
            only: None,
            max_file: self.max_file.saturating_mul(1 << 20),
            workers: self.connect.workers(),
            values,
            ..Scope::default()
        };
        let accept = Accept::new(&self.accept)?;
        Ok(export::Options { target, scope, packing, created: Some(created), since, accept })
    }

    /// How hard to compress, who signs and who can read.
    fn packing(&self) -> anyhow::Result<bundle::Options> {
        let usual = bundle::Options::default();
        let (signer, recipients) = (self.sealing.signer()?, self.sealing.recipients(&self.unlock)?);
        let threads = self.threads.map_or(usual.threads, usize::from);
        Ok(bundle::Options { level: self.level, threads, signer, recipients, ..usual })
    }
}

/// Who signed, and how many can read.
struct Sealed {
    key: Option<KeyId>,
    readers: Option<usize>,
}

impl Sealed {
    fn of(packing: &bundle::Options) -> Self {
        let key = packing.signer.as_ref().map(|signer| signer.public().id());
        Self { key, readers: packing.recipients.as_ref().map(Recipients::count) }
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
fn default_name(host: &str, created: jiff::Timestamp, is_encrypted: bool) -> String {
    let host = host.split("://").last().unwrap_or(host);
    let name: String = host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let short = name.split("-azuredatabricks").next().unwrap_or(&name);
    bundle_name(&format!("{short}-{}", created.strftime("%Y%m%dT%H%M%SZ")), is_encrypted)
}

/// The account of the values of secrets, if any were asked for.
fn values_of(exported: &Exported) -> Option<&KindLine> {
    exported.kinds.iter().find(|line| kinds::by_name(&line.kind).is_some_and(kinds::Kind::is_secret_value))
}
