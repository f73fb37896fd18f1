//! `lifeboat report`

use super::bundle::{Bundle, DAMAGED, LIMITED};
use super::private::Private;
use super::trust::{claims, unsigned};
use super::whole::{Whole, is_older};
use super::{Outcome, Refusal, risk};
use crate::ui::{self, Progress, Ui, words};
use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use lifeboat::access::{Access, Changes};
use lifeboat::audit::{Depth, Verdict};
use lifeboat::bundle::{Fault, Reader};
use lifeboat::diff::{self, Diff};
use lifeboat::preflight;
use lifeboat::report::{self, Facts, Made, Origin};
use lifeboat::risk::Report as Risks;
use std::path::PathBuf;

/// What a page of ours begins with.
const MARK: &str = "<!DOCTYPE html>";

/// One page for people: what is in a bundle, whether it is whole, who may do what, what runs when, what is risky.
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    bundle: Bundle,
    /// The page
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Also tell what changed since this older bundle
    #[arg(long, value_name = "OLDER")]
    against: Option<PathBuf>,
    /// For which time support is judged, and from when on the next 24 hours are looked at: `now`, or as 2026-11-26T14:00:00Z;
    /// without it, the time of the bundle
    #[arg(long, value_name = "TIME", value_parser = risk::when)]
    at: Option<Timestamp>,
}

impl Report {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        let page = Private::create_over(&self.output, MARK)?;
        let progress = Progress::new(quiet);
        let verdict = self.bundle.verify(Depth::Standard, &progress);
        progress.end();
        refuse_damaged(verdict?)?;
        let reader = self.bundle.untrusted()?;
        let origin = self.origin(&reader)?;
        let (whole, restore) = risk::checked(&reader)?;
        let access = whole.access(&reader);
        let relations = whole.relations(&reader, true)?;
        let risks = risk::look(&reader, &whole, &access, risk::time(self.at, &reader)?)?;
        let changes = self.changes(&reader, &access)?;
        let facts = Facts {
            reader: &reader,
            name: &self.bundle.shown(),
            encrypted: self.bundle.is_encrypted(),
            origin,
            contents: whole.contents(),
            restore: &restore,
            access: &access,
            relations: &relations,
            changes: changes.as_ref().map(|(diff, access)| (diff, access)),
            risk: &with(risks, &restore),
            now: Timestamp::now(),
            tool: concat!("lifeboat/", env!("CARGO_PKG_VERSION")),
        };
        page.write_with(|file| report::write(&facts, file))?;
        self.tell(ui, &facts)
    }

    /// What changed since the older bundle, which is taken from whomever the other is, and who can do more or less since.
    fn changes(&self, reader: &Reader, access: &Access) -> anyhow::Result<Option<(Diff, Changes)>> {
        let Some(older) = &self.against else { return Ok(None) };
        let older = self.bundle.another(older.clone()).open()?;
        let time = |reader: &Reader| reader.manifest().head.created.clone();
        if is_older(&time(reader), &time(&older)) {
            let (this, that) = (time(reader), time(&older));
            ui::note(format!(
                "warning: the bundle of `--against` is the younger one, of {that}: the page tells what changed from it back to {this}"
            ));
        }
        let diff = diff::bundles(&older, reader, &diff::Options::default()).context("cannot compare the bundles")?;
        let before = Whole::read(&older)?.access(&older);
        Ok(Some((diff, before.against(access))))
    }

    /// Who made the bundle. A bundle of somebody who is not trusted is refused, where that was asked for.
    fn origin(&self, reader: &Reader) -> anyhow::Result<Origin> {
        if let Some(keys) = self.bundle.trust().keys()? {
            let signed = reader.signed_by(&keys)?;
            let signed = signed
                .ok_or_else(|| Refusal::new(unsigned(reader), "use a bundle of a signer whom you trust, or another key"))?;
            return Ok(Origin::Signed { key: signed.key.to_string(), comment: signed.comment });
        }
        let keys: Vec<String> = claims(reader).iter().map(ToString::to_string).collect();
        Ok(if keys.is_empty() { Origin::Unsigned } else { Origin::Claimed(keys) })
    }

    fn tell(&self, ui: &mut Ui, facts: &Facts<'_>) -> anyhow::Result<Outcome> {
        let states = facts.reader.manifest().head.states;
        let complete = states.missing == 0 && states.degraded == 0;
        let bytes = std::fs::metadata(&self.output).map_or(0, |file| file.len());
        ui.value(&Made {
            report: self.output.clone(),
            bytes,
            complete,
            blockers: facts.restore.count(preflight::Severity::Blocker),
            findings: facts.risk.counts.clone(),
        })?;
        ui.line(format!("{}: {}; open it in any browser, it needs no network", self.output.display(), words::size(bytes)))?;
        Ok(Outcome::Done)
    }
}

fn with(mut risks: Risks, restore: &preflight::Report) -> Risks {
    risks.add_restore(restore);
    risks
}

/// A report on something else than was written would be worse than none.
fn refuse_damaged(verdict: Verdict) -> Result<(), Refusal> {
    let Some(finding) = verdict.findings.into_iter().next() else { return Ok(()) };
    let hint = if finding.fault == Fault::Limit { LIMITED } else { DAMAGED };
    Err(Refusal::new(format!("the bundle is damaged or was altered: {finding}"), hint))
}
