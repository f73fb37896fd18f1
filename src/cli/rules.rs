//! `lifeboat rules`

use super::Outcome;
use super::bundle::Bundle;
use crate::ui::{Ui, words};
use anyhow::Context;
use clap::{Args, Subcommand};
use lifeboat::audit::{self, Contents};
use lifeboat::plan::{Change, Maps, Text};
use lifeboat::restore;
use lifeboat::rules::{Act, Applied, BUILT_IN, Remark, Rule, RuleSet, Rules as InForce, Sanitized, Tally};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

const CLUSTER: &str = "a cluster starts as soon as it is created";

/// The rules of a restore: what they are, and what they would do.
#[derive(Debug, Args)]
pub struct Rules {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A rule set as it is written, and what keeps a restore inert
    Show {
        /// `standby`, `clone`, `audit-sandbox`, or a file
        #[arg(default_value = "standby")]
        name: String,
    },
    /// What rules would do to a bundle: offline, nothing is written
    #[command(after_help = super::EXIT_CODES)]
    Test(Box<Test>),
    /// The JSON Schema of rule files, for editors
    Schema,
}

#[derive(Debug, Args)]
struct Test {
    /// A rule file, or the name of a built-in set
    rules: String,
    #[command(flatten)]
    bundle: Bundle,
    /// What stands for what in the target, as `import --map` takes it
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    #[command(flatten)]
    select: super::select::Select,
}

impl Rules {
    pub fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        match self.command {
            None => show(ui, "standby"),
            Some(Command::Show { name }) => show(ui, &name),
            Some(Command::Test(test)) => test.run(ui),
            Some(Command::Schema) => {
                let schema = serde_json::to_string_pretty(&RuleSet::schema())?;
                std::io::Write::write_all(ui.raw(), format!("{schema}\n").as_bytes())?;
                Ok(Outcome::Done)
            }
        }
    }
}

/// A rule set by its name, or out of a file.
pub fn rules(name: &str) -> anyhow::Result<RuleSet> {
    if let Some(set) = RuleSet::built_in(name)? {
        return Ok(set);
    }
    RuleSet::parse(&written(name)?).with_context(|| format!("in {name}"))
}

/// A rule set as it is written, under its name.
pub fn text(name: &str) -> anyhow::Result<Text> {
    Ok(Text::new(name, written(name)?))
}

/// A rule set as it is written.
fn written(name: &str) -> anyhow::Result<String> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
        return Ok((*text).to_owned());
    }
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    std::fs::read_to_string(name)
        .with_context(|| format!("cannot read rules from \"{name}\", which is none of the built-in sets {}", names.join(", ")))
}

/// What stands for what in the target.
pub fn maps(path: Option<&Path>) -> anyhow::Result<Maps> {
    let Some(path) = path else { return Ok(Maps::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Maps::parse(&text).with_context(|| format!("in {}", path.display()))
}

/// A rule set, then one line for each rule that is in force with it.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Shown<'a> {
    /// The set as it is written.
    Set {
        /// Its name, or its file.
        set: &'a str,
        /// Its text.
        yaml: &'a str,
    },
    /// A rule that is always in force.
    Rule(&'a Rule),
    /// What is done beside the body of a create.
    Stop {
        /// Name for reports.
        name: &'a str,
        /// Name of the kind.
        kind: &'a str,
        /// Empty: it is no field.
        at: &'a str,
        /// `terminate`.
        act: &'a str,
        /// Why.
        reason: &'a str,
    },
}

/// What rules would do to a bundle: its objects line by line, then what there is to say of the rules, then the sum.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Tried<'a> {
    /// An object that is changed.
    Changed {
        /// Name of the kind.
        kind: &'a str,
        /// Its id or path in the bundle.
        id: &'a str,
        /// What people call it.
        key: &'a str,
        /// What is changed.
        changes: &'a [Change],
    },
    /// An object that is left out.
    LeftOut {
        /// Name of the kind.
        kind: &'a str,
        /// Its id or path in the bundle.
        id: &'a str,
        /// What people call it.
        key: &'a str,
        /// Why.
        left_out: &'a str,
    },
    /// A rule or map that nothing answered to.
    Warning {
        /// What there is to say.
        warning: &'a Remark,
    },
    /// Why the rules cannot be used on this bundle.
    Error {
        /// What is wrong.
        error: &'a Remark,
    },
    /// The last line.
    Sum {
        /// Objects that were looked at.
        objects: usize,
        /// Of which changed.
        changed: usize,
        /// Of which left out.
        left_out: usize,
        /// What each rule did.
        rules: &'a [Tally],
    },
}

fn show(ui: &mut Ui, name: &str) -> anyhow::Result<Outcome> {
    let set = rules(name)?;
    let text = written(name)?;
    ui.value(&Shown::Set { set: name, yaml: &text })?;
    let others = BUILT_IN.iter().map(|(other, _)| *other).filter(|other| *other != name).collect::<Vec<_>>();
    ui.line(format!("# rule set `{name}`; `lifeboat rules show` knows {} as well", others.join(" and ")))?;
    text.lines().try_for_each(|line| ui.line(line))?;
    let inert = InForce::standby();
    ui.line("")?;
    ui.line(match set.may_run() {
        false => "# in every set: nothing that an import makes may run, bill or notify anyone",
        true => "# unless a rule above says `activations: keep`: nothing that an import makes may run, bill or notify anyone",
    })?;
    for rule in inert.all() {
        ui.value(&Shown::Rule(rule))?;
        let act = match &rule.act {
            Act::Set(value) | Act::SetWhereThere(value) => format!("set to {value}"),
            Act::Remove => "leave out".to_owned(),
        };
        ui.line(format!("#   {:<20} {:<34} {act}", rule.kind, rule.at))?;
        ui.line(format!("#   {:<20} {}", "", rule.reason))?;
    }
    let (name, act, reason) = ("standby:cluster", "terminate", CLUSTER);
    ui.value(&Shown::Stop { name, kind: "cluster", at: "", act, reason })?;
    ui.line("#   cluster              (after each create)                terminate at once, then pin as it was")?;
    ui.line(format!("#   {:<20} {CLUSTER}", ""))?;
    Ok(Outcome::Done)
}

impl Test {
    fn run(self, ui: &mut Ui) -> anyhow::Result<Outcome> {
        let rules = rules(&self.rules)?.with_maps(&maps(self.map.as_deref())?);
        let reader = self.bundle.open()?;
        let contents = audit::contents(&reader, &self.select.selection()?)?;
        let applied = restore::ruled(&reader, &contents, &rules)?;
        tell(ui, &contents, &applied)?;
        Ok(if applied.problems.is_empty() { Outcome::Done } else { Outcome::Findings })
    }
}

fn tell(ui: &mut Ui, contents: &Contents, applied: &Applied) -> anyhow::Result<()> {
    for object in applied.objects.iter().filter(|object| !object.changes().is_empty()) {
        let (kind, id, key) = (object.kind().name, object.origin().unwrap_or(object.id()), object.key());
        ui.value(&Tried::Changed { kind, id, key, changes: object.changes() })?;
        ui.line(format!("~ {}", named(object)))?;
        object.changes().iter().try_for_each(|change| ui.line(format!("    {}", told(change))))?;
    }
    for one in &applied.left_out {
        let (kind, id, key) = (one.object.kind.as_str(), one.object.id.as_str(), one.key.as_str());
        ui.value(&Tried::LeftOut { kind, id, key, left_out: &one.reason })?;
        ui.line(format!("! {}:{}: {}", one.object.kind, one.key, one.reason))?;
    }
    for warning in &applied.warnings {
        ui.value(&Tried::Warning { warning })?;
        ui.line(format!("warning: {warning}"))?;
    }
    for error in &applied.problems {
        ui.value(&Tried::Error { error })?;
        ui.line(format!("error: {error}"))?;
    }
    let rows = applied.tally.iter().map(|tally| {
        let line = tally.line.map_or_else(|| "built in".to_owned(), |line| line.to_string());
        vec![tally.rule.clone(), line, tally.objects.to_string(), tally.changes.to_string()]
    });
    if !applied.tally.is_empty() {
        ui.table(&["rule", "line", "objects", "changes"], rows)?;
    }
    let changed = applied.objects.iter().filter(|object| !object.changes().is_empty()).count();
    let counts = (contents.objects.len(), changed, applied.left_out.len());
    ui.value(&Tried::Sum { objects: counts.0, changed: counts.1, left_out: counts.2, rules: &applied.tally })?;
    let objects = words::count(counts.0 as u64, "object");
    Ok(ui.line(format!("{objects}: {} changed, {} left out; nothing was written", counts.1, counts.2))?)
}

fn named(object: &Sanitized) -> String {
    let from = object.origin().map(|origin| format!("  (was {origin})")).unwrap_or_default();
    format!("{}:{}{from}", object.kind().name, object.key())
}

fn told(change: &Change) -> String {
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), short);
    let at = if change.at.is_empty() { "(path)" } else { &change.at };
    format!("{at}: {} → {}  # {}", value(&change.was), value(&change.now), change.rule)
}

/// Enough of a value to recognise it; JSON has all.
fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(57).chain("...".chars()).collect() }
}
