//! `lifeboat risk`

use super::bundle::Bundle;
use super::select::Select;
use super::whole::Whole;
use super::{Outcome, rules};
use crate::ui::{Form, Ui, words};
use anyhow::Context;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lifeboat::access::Access;
use lifeboat::audit::{self, Contents};
use lifeboat::bundle::{MemberLine, ReadError, Reader};
use lifeboat::object::{Object, SourceId};
use lifeboat::preflight;
use lifeboat::restore::Options;
use lifeboat::risk::{self, Blanked, Facts, Finding, HOURS, Place, Report, Schedule, Severity, Starter, Texts, Visit};
use std::collections::HashMap;
use std::sync::LazyLock;

/// So many places of one finding are named; `--long`, CSV and JSON have all.
const NAMED: usize = 5;

/// What the exit codes mean here.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  nothing found that weighs as much as `--fail` says
  1  failed, nothing was looked at
  2  wrong usage
  4  findings
  5  refused: not safe";

/// What could go wrong: secrets in clear, runtimes out of support, jobs of people who left, what an outage would miss.
#[derive(Debug, Args)]
pub struct Risk {
    #[command(flatten)]
    bundle: Bundle,
    #[command(flatten)]
    select: Select,
    /// For which time support is judged, and from when on the next 24 hours are looked at: `now`, or as 2026-11-26T14:00:00Z;
    /// without it, the time of the bundle
    #[arg(long, value_name = "TIME", value_parser = when)]
    at: Option<Timestamp>,
    /// From which weight on a finding makes the exit code 4
    #[arg(long, value_name = "WEIGHT", value_enum, default_value_t)]
    fail: Fail,
    /// Leave out what the offline half of `check` says
    #[arg(long)]
    without_check: bool,
    /// Only what this check finds: a word of the list of checks, as `clear_secret`; may be repeated
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(CHECKS.iter().copied()), hide_possible_values = true)]
    check: Vec<String>,
    /// Every place of every finding: by default long lists are cut
    #[arg(long, short)]
    long: bool,
}

/// The words of all checks: those of `risk`, and those of `check`.
static CHECKS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let own = risk::Check::ALL.iter().map(|check| check.name());
    own.chain(preflight::Check::ALL.iter().map(|check| check.name())).collect()
});

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Fail {
    #[default]
    High,
    Medium,
    Low,
    Never,
}

impl Risk {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let reader = self.bundle.open()?;
        let at = time(self.at, &reader)?;
        let selection = self.select.selection()?;
        let (whole, restore) = self.whole(&reader)?;
        let mut report = look(&reader, &whole, &whole.access(&reader), at)?;
        restore.iter().for_each(|restore| report.add_restore(restore));
        if !selection.is_everything() {
            report.only(&|kind, name| selection.wants(kind, name));
        }
        if !self.check.is_empty() {
            report.only_of(&self.check);
        }
        ui.value(&report)?;
        match ui.form() {
            Form::Csv => sheet(ui, &report)?,
            _ => self.tell(ui, &report)?,
        }
        self.select.settle(self.outcome(&report), reader.manifest())
    }

    /// Everything, whatever is asked for: who is there, and what is referred to, is known by the others. What a restore would make of
    /// it is let go of before the texts are read.
    fn whole(&self, reader: &Reader) -> anyhow::Result<(Whole, Option<preflight::Report>)> {
        if self.without_check {
            return Ok((Whole::read(reader)?, None));
        }
        checked(reader).map(|(whole, restore)| (whole, Some(restore)))
    }

    fn outcome(&self, report: &Report) -> Outcome {
        let worst = match self.fail {
            Fail::High => Some(Severity::High),
            Fail::Medium => Some(Severity::Medium),
            Fail::Low => Some(Severity::Low),
            Fail::Never => None,
        };
        let found = worst.is_some_and(|worst| report.findings.iter().any(|one| one.severity <= worst));
        if found { Outcome::Findings } else { Outcome::Done }
    }
}

/// A bundle, and what the offline half of a check says of it under the rules that an import has unless told. The bundle is read anew
/// for that: holding what a check makes of it beside all objects would take half as much memory again.
pub fn checked(reader: &Reader) -> anyhow::Result<(Whole, preflight::Report)> {
    let options = Options { rules: rules::rules("standby")?, ..Options::default() };
    let report = preflight::offline(reader, &options)?;
    Ok((Whole::read(reader)?, report))
}

/// A time on the command line.
pub fn when(text: &str) -> Result<Timestamp, String> {
    let now = (text == "now").then(Timestamp::now);
    now.map_or_else(|| text.parse(), Ok).map_err(|_| "write it as 2026-11-26T14:00:00Z, or `now`".to_owned())
}

/// The time that is asked about, or that of the bundle.
pub fn time(asked: Option<Timestamp>, reader: &Reader) -> anyhow::Result<Timestamp> {
    let created = &reader.manifest().head.created;
    asked.map_or_else(|| created.parse(), Ok).with_context(|| format!("cannot read the time of the bundle, \"{created}\""))
}

/// Looks at what a bundle holds.
pub fn look(reader: &Reader, whole: &Whole, access: &Access, at: Timestamp) -> anyhow::Result<Report> {
    let blanked = reader.manifest().redacted.iter().map(|one| Blanked {
        object: SourceId { kind: one.kind.clone(), id: one.path.clone() },
        pointer: one.pointer.clone(),
        reason: one.reason.clone(),
    });
    let blanked: Vec<Blanked> = blanked.collect();
    let Contents { objects, recorded, .. } = whole.contents();
    let facts = Facts { objects, recorded, access, blanked: &blanked, texts: &InBundle(reader), at };
    risk::look(&facts).context("cannot read the bundle")
}

/// The bytes of a bundle.
struct InBundle<'a>(&'a Reader);

impl Texts for InBundle<'_> {
    fn each(&self, objects: &[&Object], visit: &Visit<'_>) -> std::io::Result<Vec<(SourceId, String)>> {
        let wanted: HashMap<(&str, &str), &Object> =
            objects.iter().map(|object| ((object.kind.name, object.id.as_str()), *object)).collect();
        let find = |member: &MemberLine| wanted.get(&(&*member.kind, &*member.path)).copied();
        let mut unread = Vec::new();
        let read = audit::bodies(
            self.0,
            &|member| find(member).is_some(),
            &|member, bytes| find(member).into_iter().for_each(|object| visit(object, bytes)),
            &mut |_, ()| {},
            &mut |members, error| match error {
                ReadError::Io(_) | ReadError::Output(_) => Err(error),
                error => {
                    let objects = members.iter().filter_map(|member| find(member));
                    unread.extend(objects.map(|object| (object.source(), error.to_string())));
                    Ok(())
                }
            },
        );
        match read {
            Ok(()) => Ok(unread),
            Err(ReadError::Io(error)) => Err(error),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

impl Risk {
    fn tell(&self, ui: &mut Ui, report: &Report) -> anyhow::Result<()> {
        report.findings.iter().try_for_each(|finding| one(ui, finding, self.long))?;
        if self.check.is_empty() || self.check.iter().any(|check| check == risk::Check::Schedule.name()) {
            starting(ui, report)?;
        }
        let count = |severity: Severity| format!("{} {}", report.count(severity), severity.name());
        ui.line(format!("findings: {}", Severity::ALL.map(count).join(", ")))?;
        Ok(())
    }
}

/// What an outage of the next hours would miss.
fn starting(ui: &mut Ui, report: &Report) -> anyhow::Result<()> {
    let starting: Vec<&Schedule> = report.schedules.iter().filter(|one| !one.paused).collect();
    ui.line(format!("in the {HOURS} hours from {}:", report.at))?;
    let mut rows: Vec<Vec<String>> = starting.iter().map(|one| row(one)).collect();
    rows.sort_by(|one, other| one[0].cmp(&other[0]));
    match rows.is_empty() {
        true => ui.line("  nothing starts by itself")?,
        false => ui.table(&["first (UTC)", "times", "what", "when", "time zone", "runs as"], rows)?,
    }
    let paused = report.schedules.len() - starting.len();
    if paused > 0 {
        ui.line(format!("{} paused", words::count(paused as u64, "schedule")))?;
    }
    Ok(())
}

/// The findings for spreadsheets, a line for each place.
fn sheet(ui: &mut Ui, report: &Report) -> anyhow::Result<()> {
    ui.row(["weight", "check", "finding", "object", "id", "pointer", "cell", "line", "advice"])?;
    for finding in &report.findings {
        let spots: Vec<(&str, Option<&Place>)> = finding.spots().collect();
        let none = [("", None)];
        for (object, place) in if spots.is_empty() { &none[..] } else { &spots } {
            let number = |of: fn(&Place) -> Option<u64>| place.and_then(of).map(|number| number.to_string()).unwrap_or_default();
            let id = place.map(|place| place.id.as_str()).unwrap_or_default();
            let pointer = place.and_then(|place| place.pointer.as_deref()).unwrap_or_default();
            let (cell, line) = (number(|place| place.cell), number(|place| place.line));
            let head = [finding.severity.name(), finding.check, &finding.text];
            ui.row(head.into_iter().chain([*object, id, pointer, &cell, &line, &finding.hint]))?;
        }
    }
    Ok(())
}

fn row(one: &Schedule) -> Vec<String> {
    let first = one.runs.first().map(|run| run.at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string());
    let count = one.count.map_or("?".to_owned(), |count| count.to_string());
    let none = match (one.starter, one.count) {
        (Starter::Continuous, _) => "always",
        (_, Some(_)) => "none",
        (_, None) => "not known",
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let runner = one.fails.map_or_else(String::new, |why| format!("✕ {why}: ")) + &text(&one.run_as);
    vec![first.unwrap_or_else(|| none.to_owned()), count, one.object.clone(), one.when.clone(), text(&one.time_zone), runner]
}

fn one(ui: &mut Ui, finding: &Finding, long: bool) -> anyhow::Result<()> {
    let Finding { severity, check, text, hint, .. } = finding;
    ui.wrapped("    ", &format!("{} {check}: {text}", severity.name().to_uppercase()))?;
    let spots: Vec<String> =
        finding.spots().map(|(object, place)| place.map_or_else(|| object.to_owned(), ToString::to_string)).collect();
    let shown = if long { spots.len() } else { NAMED };
    spots.iter().take(shown).try_for_each(|name| ui.wrapped("      ", &format!("    {name}")))?;
    if spots.len() > shown {
        ui.line(format!("    and {} more: `--long` shows all", spots.len() - shown))?;
    }
    if !hint.is_empty() {
        ui.wrapped("      ", &format!("    → {hint}"))?;
    }
    Ok(())
}
