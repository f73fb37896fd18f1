//! `lifeboat drill`

use super::bundle::Bundle;
use super::signals::interruptible;
use super::simulate::{duration, seed};
use super::trust::Trust;
use super::unlock::Unlock;
use super::verify::Damage;
use super::{Outcome, block_on, receipt};
use crate::ui::{Progress, Ui, words};
use anyhow::Context;
use clap::Args;
use lifeboat::compare::{Account, Comparison, Difference};
use lifeboat::drill::{self, Options, Report};
use lifeboat::import;
use lifeboat::simulator::Seed;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// So many differences are told; JSON has all.
const SHOWN: usize = 40;

/// Rehearse a restore on embedded workspaces, timed and compared.
#[derive(Debug, Args)]
pub struct Drill {
    /// A bundle to rehearse; without one, the sample workspace is exported and restored
    bundle: Option<PathBuf>,
    /// What the embedded workspace holds: `sample`, `empty`, or `notebooks=N,folders=N,jobs=N[,seed=N]`
    #[arg(long, default_value = "sample", value_parser = seed, conflicts_with = "bundle")]
    seed: Seed,
    /// Wait before each answer of the embedded workspaces, as `20ms`
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = duration)]
    latency: Duration,
    /// Keep the bundle of the drill in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    unlock: Unlock,
    /// Keep the sealed receipt of the drill in this folder: JSON, and a page for people
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

impl Drill {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let progress = Arc::new(Progress::new(quiet));
        let source = self.bundle.clone().map(|bundle| {
            let bundle = Bundle::trusted(bundle, self.trust.clone(), self.unlock.clone());
            // What an import would refuse is no rehearsal either.
            bundle.whole(&*progress).and_then(|_| bundle.source())
        });
        let source = source.transpose()?;
        let temporary = tempfile::tempdir()?;
        let folder = self.keep.unwrap_or_else(|| temporary.path().to_owned());
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let options =
            Options { seed: self.seed, bundle: self.bundle, source, folder, latency: self.latency, evidence: self.evidence };
        let report =
            block_on(async { Ok(interruptible("interrupted", Box::pin(drill::run(&options, progress.clone()))).await??) });
        progress.end();
        let report = report?;
        tell(ui, &report)?;
        Ok(if report.is_good() { Outcome::Done } else { Outcome::Findings })
    }
}

fn tell(ui: &mut Ui, report: &Report) -> anyhow::Result<()> {
    ui.value(&Drilled::of(report))?;
    let header = ["kind", "objects", "equal", "different", "absent", "by hand"];
    ui.table(&header, report.comparison.accounts.iter().map(|(kind, account)| row(kind, account)))?;
    for one in report.comparison.differences.iter().take(SHOWN) {
        ui.line(difference(one))?;
    }
    receipt::trouble(ui, &report.receipt)?;
    for finding in &report.findings {
        ui.line(format!("DAMAGED: {finding}"))?;
    }
    for write in &report.again {
        ui.line(format!("a second import would {write}"))?;
    }
    receipt::todos(ui, &report.receipt.todos)?;
    receipt::seen(ui, &report.receipt)?;
    let stages: Vec<String> = report.stages.iter().map(|(stage, time)| format!("{stage} {:.2} s", time.as_secs_f64())).collect();
    ui.line(stages.join(" · "))?;
    let (read, written) = report.requests;
    ui.line(format!("bundle of {}, {read} requests to the source, {written} to the target", words::size(report.bytes)))?;
    if let Some(evidence) = &report.evidence {
        ui.line(format!("receipt: {}", evidence.display()))?;
    }
    Ok(ui.line(if report.is_good() {
        "equal but for ids, inertness and the stamp; a second import changes nothing"
    } else {
        "NOT EQUAL: see above"
    })?)
}

fn row(kind: &str, account: &Account) -> Vec<String> {
    let numbers = [account.objects, account.equal, account.different, account.absent, account.by_hand];
    std::iter::once(kind.to_owned()).chain(numbers.iter().map(u64::to_string)).collect()
}

fn difference(one: &Difference) -> String {
    let short = |value: &Value| value.to_string().chars().take(120).collect::<String>();
    format!("DIFFERENT {} {} {}: {} became {}", one.kind, one.object, one.at, short(&one.source), short(&one.target))
}

/// What a drill saw.
#[derive(Serialize, JsonSchema)]
pub struct Drilled<'a> {
    /// Whether the restore is what the source was, inert, and a second one would change nothing.
    good: bool,
    /// Stages with the time that each took, in order.
    stages: Vec<Stage>,
    /// Size of the bundle.
    bytes: u64,
    /// What is wrong with the bundle itself.
    findings: Vec<Damage>,
    /// Source against target.
    comparison: &'a Comparison,
    /// What came of the import.
    receipt: &'a import::Receipt,
    /// What a second import, with no memory of the first, would write.
    again: &'a [String],
    /// Where the record of the import is kept.
    evidence: Option<&'a Path>,
    /// Requests to the two workspaces.
    requests: Requests,
}

/// A stage of a drill.
#[derive(Serialize, JsonSchema)]
struct Stage {
    /// Its name.
    stage: &'static str,
    /// Seconds that it took.
    seconds: f64,
}

/// Requests to the two workspaces.
#[derive(Serialize, JsonSchema)]
struct Requests {
    /// To read the source.
    source: u64,
    /// To read and write the target.
    target: u64,
}

impl<'a> Drilled<'a> {
    fn of(report: &'a Report) -> Self {
        let rounded = |time: &Duration| (time.as_secs_f64() * 1e3).round() / 1e3;
        Self {
            good: report.is_good(),
            stages: report.stages.iter().map(|(stage, time)| Stage { stage, seconds: rounded(time) }).collect(),
            bytes: report.bytes,
            findings: report.findings.iter().map(Damage::from).collect(),
            comparison: &report.comparison,
            receipt: &report.receipt,
            again: &report.again,
            evidence: report.evidence.as_deref(),
            requests: Requests { source: report.requests.0, target: report.requests.1 },
        }
    }
}
