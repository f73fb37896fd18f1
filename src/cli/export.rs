//! `lifeboat export`

use super::connect::Connect;
use super::sealing::Sealing;
use super::signals::interruptible;
use super::since::{Since, Wanted};
use super::targets::{self, Delivery, Landing, Targets};
use super::trust::Trust;
use super::unlock::Unlock;
use super::{Outcome, Refusal, block_on};
use crate::ui::{self, Progress, Ui, words};
use clap::Args;
use lifeboat::api::{self, Purpose};
use lifeboat::bundle::{self, Gap, KindLine, Manifest};
use lifeboat::catalogue::Record;
use lifeboat::crypt::Recipients;
use lifeboat::event::Observer;
use lifeboat::export::{self, Accept, Exported};
use lifeboat::kinds;
use lifeboat::object::{Selection, Unmet};
use lifeboat::origin::{KeyId, Signer};
use lifeboat::store::{Look, Place, bundle_name};
use lifeboat::survey::Scope;
use lifeboat::values::Sources;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
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

    /// Says which names were asked for and are not in the bundle, and what that makes of a command that is done.
    pub fn settle(&self, outcome: Outcome, manifest: &Manifest) -> anyhow::Result<Outcome> {
        Ok(settle(outcome, &self.unmet(manifest)?.into_texts()))
    }

    /// The names that were asked for and that a bundle does not have.
    pub fn unmet(&self, manifest: &Manifest) -> anyhow::Result<Unmet> {
        let mut unmet = self.selection()?.unmet();
        manifest.members.iter().for_each(|member| unmet.meet(&member.kind, member.key.as_deref().unwrap_or(&member.path)));
        manifest.gaps.iter().for_each(|gap| unmet.meet(&gap.kind, &gap.path));
        Ok(unmet)
    }
}

fn settle(outcome: Outcome, unmatched: &[String]) -> Outcome {
    for pattern in unmatched {
        ui::note(format!("warning: nothing in the bundle matches `--include {pattern}`"));
    }
    if unmatched.is_empty() || outcome != Outcome::Done { outcome } else { Outcome::Incomplete }
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
        report(ui, &performed)?;
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
        let (signer, recipients) = (self.sealing.signer()?, self.sealing.recipients(&self.unlock)?);
        let sealed = Sealed {
            key: signer.as_ref().map(|signer| signer.public().id()),
            readers: recipients.as_ref().map(Recipients::count),
        };
        let packing = bundle::Options { signer, recipients, ..self.packing() };
        let workspace = self.connect.workspace(observer.clone()).await?;
        let host = workspace.host().to_owned();
        let (mut exported, landing) = self.bring(&workspace, created, (packing, values), observer).await?;
        let outcome = if exported.is_complete() { Outcome::Done } else { Outcome::Incomplete };
        let outcome = settle(outcome, &exported.unmatched);
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
        workspace: &api::Workspace,
        created: jiff::Timestamp,
        (packing, values): (bundle::Options, Sources),
        observer: Arc<dyn Observer>,
    ) -> anyhow::Result<(Exported, Option<Landing>)> {
        let mut places = self.targets.places()?;
        places.name(&default_name(workspace.host(), created, packing.recipients.is_some()));
        let wanted = Wanted {
            targets: places.all(),
            host: workspace.host().to_owned(),
            trust: self.trust.clone(),
            unlock: self.unlock.clone(),
            signer: packing.signer.as_ref().map(Signer::public).cloned(),
        };
        let since = interruptible(LEFT_NOTHING, self.since.find(wanted, &observer)).await??;
        let options = |target| self.options(target, created, (packing.clone(), values), since);
        if let Some(target) = places.only_path() {
            let place = Place::Disk(target.clone());
            let exported = interruptible(LEFT_NOTHING, export::run(workspace, options(target)?, observer)).await??;
            // The writer has read every byte of it back.
            let record = self.record(&exported, workspace.host(), created)?;
            targets::note(&place, &record, packing.recipients.is_some(), places.look() == Look::Full).await;
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

    fn packing(&self) -> bundle::Options {
        let packing = bundle::Options { level: self.level, ..bundle::Options::default() };
        self.threads.map_or(packing.clone(), |threads| bundle::Options { threads: threads.into(), ..packing })
    }
}

/// Who signed, and how many can read.
struct Sealed {
    key: Option<KeyId>,
    readers: Option<usize>,
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

fn report(ui: &mut Ui, performed: &Performed) -> anyhow::Result<()> {
    let Performed { exported, outcome, landing, sealed, .. } = performed;
    let (landing, outcome) = (landing.as_ref(), *outcome);
    ui.value(&Made::of(exported, landing, sealed, outcome))?;
    super::list::accounts(ui, &exported.kinds)?;
    super::list::gaps(ui, &exported.gaps)?;
    super::list::degraded(
        ui,
        exported.degraded.iter().map(|(kind, path, reason)| (kind.as_str(), path.as_str(), reason.as_str())),
    )?;
    accepted(ui, exported)?;
    if exported.redacted > 0 {
        let (count, path) = (words::count(exported.redacted, "secret value"), exported.summary.path.display());
        ui.line(format!("{count} blanked: `lifeboat list --redacted {path}` says where"))?;
    }
    if let Some(values) = values_of(exported) {
        let (had, all) = (values.captured, words::count(values.listed - values.excluded, "secret value"));
        ui.line(match values.missing {
            0 => format!("{all} stored, readable by the recipients of this bundle alone"),
            _ => format!("{had} of {all} stored: {} not had, see above", values.missing),
        })?;
    }
    if !exported.identity.is_admin {
        ui.line("warning: the caller is no admin, and listings leave out what a caller may not see")?;
    }
    let summary = &exported.summary;
    let size = words::size(summary.bytes);
    ui.line(format!("{} objects in {}, {size}, {}", summary.members, summary.path.display(), requests(exported)))?;
    if let Some(number) = exported.carried {
        let (carried, frames) = (&summary.reused, words::count(summary.reused.frames, "frame"));
        ui.line(format!(
            "carried over {} that did not change ({frames} of {} as they stood); {} read whose listing has no mark of a change",
            words::count(number, "object"),
            words::size(carried.bytes),
            words::count(exported.unmarked, "object"),
        ))?;
    }
    ui.line(format!("identity {}", bundle::hex(&summary.manifest_sha256)))?;
    if let Some(key) = sealed.key {
        ui.line(format!("signed by key {key}"))?;
    }
    if let Some(readers) = sealed.readers {
        ui.line(format!("encrypted for {}", words::count(readers as u64, "recipient")))?;
    }
    landing.map_or(Ok(()), |landing| landing.tell(ui))?;
    if landing.is_some_and(|landing| !landing.is_everywhere()) {
        ui.line("NOT EVERYWHERE: one place lacks the bundle, see above")?;
    }
    Ok(ui.line(match (outcome, exported.identity.is_admin) {
        (Outcome::Done, true) if exported.accepted > 0 => "complete, but for what is accepted",
        (Outcome::Done, true) => "complete",
        (Outcome::Done, false) => "complete as far as this caller can see",
        _ if exported.kinds.iter().all(|kind| kind.missing == 0) => {
            "DEGRADED: nothing is missing, but not all is whole, see above"
        }
        _ => "INCOMPLETE: see above",
    })?)
}

/// What an export made.
#[derive(Serialize, JsonSchema)]
pub struct Made {
    /// The bundle.
    bundle: PathBuf,
    /// Its size in bytes.
    bytes: u64,
    /// Objects in it.
    objects: u64,
    /// SHA-256 that is equal for equal workspace state.
    content_id: String,
    /// SHA-256 of the manifest: the bundle's identity.
    manifest_sha256: String,
    /// The key that signed it.
    signed_by: Option<String>,
    /// Whether it is encrypted.
    encrypted: bool,
    /// Whether nothing is missing or degraded, at any place.
    complete: bool,
    /// Whether an admin exported: to anybody else listings show less.
    caller_is_admin: bool,
    /// HTTP requests that were sent.
    requests: u64,
    /// The same by what they were for: `listings`, `unmarked` (an object whose listing has no mark of a change), `contents`.
    asked: BTreeMap<&'static str, u64>,
    /// What is missing or degraded, and accepted as that.
    accepted: Taken,
    /// What was carried over from an earlier bundle; null where everything was read.
    incremental: Option<Incremental>,
    /// The account of each kind.
    kinds: Vec<KindLine>,
    /// What is not in the bundle, and why.
    gaps: Vec<Gap>,
    /// What is less than it should be: kind, path, reason.
    degraded: Vec<(String, String, String)>,
    /// Values that were blanked.
    redacted: u64,
    /// Values of secrets; null where none were asked for.
    secret_values: Option<SecretValues>,
    /// What came of each place; null where it is one alone, and on disk.
    destinations: Option<Vec<Delivery>>,
}

/// What was carried over from an earlier bundle.
#[derive(Serialize, JsonSchema)]
struct Incremental {
    /// Objects that were carried over.
    carried: u64,
    /// Frames that were carried over as they stood.
    frames: u64,
    /// Bytes of these.
    bytes: u64,
    /// Objects that were read since nothing tells whether they changed.
    unmarked: u64,
}

/// What is missing or degraded, and accepted as that.
#[derive(Serialize, JsonSchema)]
struct Taken {
    /// How many objects.
    objects: u64,
    /// Each pattern that was given.
    patterns: Vec<TakenPattern>,
}

/// A pattern of `--accept`.
#[derive(Serialize, JsonSchema)]
struct TakenPattern {
    /// As it was written.
    pattern: String,
    /// How many missing or degraded objects it meets. None: it has become pointless.
    objects: u64,
}

impl Taken {
    fn of(exported: &Exported) -> Self {
        let one = |one: &export::Accepted| TakenPattern { pattern: one.pattern.clone(), objects: one.objects };
        Self { objects: exported.accepted, patterns: exported.accepts.iter().map(one).collect() }
    }
}

/// Values of secrets that were asked for.
#[derive(Serialize, JsonSchema)]
struct SecretValues {
    /// Those that are in the bundle.
    stored: u64,
    /// Those that could not be had, each of them a gap.
    not_had: u64,
}

/// The account of the values of secrets, if any were asked for.
fn values_of(exported: &Exported) -> Option<&KindLine> {
    exported.kinds.iter().find(|line| kinds::by_name(&line.kind).is_some_and(kinds::Kind::is_secret_value))
}

impl Made {
    fn of(exported: &Exported, landing: Option<&Landing>, sealed: &Sealed, outcome: Outcome) -> Self {
        let summary = &exported.summary;
        let (frames, bytes, unmarked) = (summary.reused.frames, summary.reused.bytes, exported.unmarked);
        Self {
            bundle: summary.path.clone(),
            bytes: summary.bytes,
            objects: summary.members,
            content_id: bundle::hex(&summary.content_id),
            manifest_sha256: bundle::hex(&summary.manifest_sha256),
            signed_by: sealed.key.map(|key| key.to_string()),
            encrypted: sealed.readers.is_some(),
            complete: outcome == Outcome::Done,
            caller_is_admin: exported.identity.is_admin,
            requests: exported.requests,
            asked: exported.purposes.iter().map(|(purpose, count)| (purpose.as_str(), *count)).collect(),
            accepted: Taken::of(exported),
            incremental: exported.carried.map(|carried| Incremental { carried, frames, bytes, unmarked }),
            kinds: exported.kinds.clone(),
            gaps: exported.gaps.clone(),
            degraded: exported.degraded.clone(),
            redacted: exported.redacted,
            secret_values: values_of(exported).map(|line| SecretValues { stored: line.captured, not_had: line.missing }),
            destinations: landing.map(Landing::to_json),
        }
    }
}

/// What is missing or degraded and accepted; and what need not be accepted any more.
fn accepted(ui: &mut Ui, exported: &Exported) -> anyhow::Result<()> {
    for one in &exported.accepts {
        if one.objects == 0 {
            ui::note(format!("warning: nothing is missing or degraded that `--accept {}` names: leave it out", one.pattern));
        } else {
            ui.line(format!("accepted as `{}`: {} of these", one.pattern, one.objects))?;
        }
    }
    Ok(())
}

/// How many requests it took, and for what.
fn requests(exported: &Exported) -> String {
    let of = |purpose| exported.purposes.get(&purpose).copied().unwrap_or_default();
    format!(
        "{} requests: {} listings, {} for objects whose listing has no mark of a change, {} for contents",
        exported.requests,
        of(Purpose::Listing),
        of(Purpose::Unmarked),
        of(Purpose::Contents),
    )
}
