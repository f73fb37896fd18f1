//! `lifeboat import`

use super::apply::{Apply, Words};
use super::recipe::{Answering, Given};
use super::{Outcome, receipt};
use crate::ui::{Ui, words};
use clap::Args;
use lifeboat::kinds::{Kind, by_name};
use lifeboat::plan::{Action, Goal, Plan, Prune, Recipe, SecretValues, Step, Tally};
use serde_json::Value;
use std::collections::BTreeMap;

/// So many steps of one sort are told one by one; `-o` and JSON have all.
const SHOWN: usize = 12;

/// So many fields of one step are told.
const FIELDS: usize = 8;

/// So long may a value be in a line.
const LONGEST: usize = 60;

/// Restore a bundle into a workspace: plan, then apply; everything arrives inert.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Import {
    #[command(flatten)]
    apply: Apply,
    /// Let the target be the workspace that the bundle comes from
    #[arg(long)]
    allow_same_workspace: bool,
    /// Make no users, groups or service principals: entries for missing ones are withheld and listed
    #[arg(long)]
    no_create_principals: bool,
    /// Make the members of the source's `admins` admins of the target
    #[arg(long)]
    restore_admins: bool,
    /// Leave no `lifeboat_source` tag on what is made; a second import then knows it by name alone
    #[arg(long)]
    no_stamp: bool,
    /// Delete what an import made and the bundle does not hold any more, and nothing else; `--prune=all` also if that is most of it
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "some", value_parser = prune)]
    prune: Option<Prune>,
    /// Set no values of secrets: those that the target lacks wait for a person
    #[arg(long)]
    no_secret_values: bool,
    /// Set the values in the bundle also where the target has the secret, whatever its value is there
    #[arg(long, conflicts_with = "no_secret_values")]
    overwrite_secret_values: bool,
    #[command(flatten)]
    answering: Answering,
}

impl Import {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        self.apply.run(ui, quiet, self.given()?, &Words { plan: show, receipt: receipt::show })
    }

    fn given(&self) -> anyhow::Result<Given> {
        let given = self.apply.given(Goal::Restore)?;
        let recipe = Recipe {
            create_principals: !self.no_create_principals,
            restore_admins: self.restore_admins,
            stamp: !self.no_stamp,
            allow_same_workspace: self.allow_same_workspace,
            prune: self.prune,
            secret_values: self.secret_values(),
            ..given.recipe
        };
        Ok(Given { recipe: self.answering.with(recipe), ..given })
    }

    fn secret_values(&self) -> SecretValues {
        match (self.no_secret_values, self.overwrite_secret_values) {
            (true, _) => SecretValues::None,
            (_, true) => SecretValues::All,
            _ => SecretValues::New,
        }
    }
}

fn prune(word: &str) -> Result<Prune, String> {
    serde_json::from_value(word.into()).map_err(|_| "expected nothing, or `all`".to_owned())
}

/// The plan as people know it: what is done, then how much of it.
fn show(ui: &mut Ui, plan: &Plan) -> anyhow::Result<()> {
    ui.line(format!(
        "plan: bundle {} of workspace {} into {} as {}",
        &plan.source.digest[..12.min(plan.source.digest.len())],
        plan.source.workspace_id,
        plan.target.host,
        plan.target.user
    ))?;
    if !plan.target.is_admin {
        ui.line("warning: the caller is no admin of the target, and may not see all that is there")?;
    }
    for (sign, word) in SIGNS {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| sign_of(step) == Some((*sign, *word))).collect();
        for step in steps.iter().take(SHOWN) {
            ui.line(format!("  {sign} {word:<7} {} {}{}", step.source.kind, step.key, why(step)))?;
            fields(ui, step)?;
        }
        if steps.len() > SHOWN {
            ui.line(format!("  {sign} {word:<7} and {} more (`-o FILE` keeps them all)", steps.len() - SHOWN))?;
        }
    }
    let rows = plan.summary();
    let columns: Vec<&str> = COLUMNS.iter().copied().filter(|word| rows.values().any(|row| row.contains_key(word))).collect();
    let header: Vec<&str> = std::iter::once("kind").chain(columns.iter().copied()).collect();
    let row = |(kind, numbers): (&&str, &BTreeMap<&'static str, u64>)| {
        let number = |word: &&str| numbers.get(word).copied().unwrap_or_default().to_string();
        std::iter::once((*kind).to_owned()).chain(columns.iter().map(number)).collect()
    };
    ui.table(&header, rows.iter().map(row))?;
    total(ui, plan, &rows)
}

/// `Plan: 3 to create, 2 to update, 0 to delete; 120 unchanged`, and what else there is.
fn total(ui: &mut Ui, plan: &Plan, rows: &BTreeMap<&str, BTreeMap<&'static str, u64>>) -> anyhow::Result<()> {
    let Tally { create, update, delete } = plan.tally();
    let number = |word: &str| rows.values().filter_map(|row| row.get(word)).sum::<u64>();
    let others = [("adopt", "to adopt"), ("skip", "skipped"), ("wait", "waiting for a person"), ("ask", "to be asked")];
    let others = others.iter().map(|(word, said)| (number(word), said)).filter(|(count, _)| *count > 0);
    let others = others.fold(String::new(), |text, (count, said)| format!("{text}, {count} {said}"));
    let unchanged = number("unchanged");
    let line = format!("Plan: {create} to create, {update} to update, {delete} to delete; {unchanged} unchanged{others}");
    Ok(ui.line(line)?)
}

/// Signs and words, in the order in which they are shown.
const SIGNS: &[(&str, &str)] =
    &[("+", "create"), ("~", "update"), ("-", "delete"), ("?", "ask"), ("=", "adopt"), ("!", "skip"), ("!", "wait")];

/// What the table counts.
const COLUMNS: &[&str] = &["create", "complete", "attach", "update", "delete", "ask", "adopt", "unchanged", "skip", "wait"];

/// How a step is shown; nothing for what goes without saying.
fn sign_of(step: &Step) -> Option<(&'static str, &'static str)> {
    let word = match &step.action {
        Action::Attach { differences, .. } if !differences.is_empty() => "update",
        // Which secrets get a value is no matter of course.
        Action::Attach { .. } if by_name(&step.source.kind).is_some_and(Kind::is_secret_value) => "create",
        action => action.name(),
    };
    SIGNS.iter().copied().find(|(_, known)| *known == word)
}

/// What changes in something that is there: one line for each place, old and new.
fn fields(ui: &mut Ui, step: &Step) -> anyhow::Result<()> {
    let differences = step.action.differences();
    for one in differences.iter().take(FIELDS) {
        ui.line(format!("      {}: {} → {}", one.at, short(one.have.as_ref()), short(one.want.as_ref())))?;
    }
    if differences.len() > FIELDS {
        ui.line(format!("      and {} more", differences.len() - FIELDS))?;
    }
    Ok(())
}

/// Enough of a value to recognise it; secrets are blanked already.
fn short(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST - 3).chain("...".chars()).collect() }
}

/// Why a step is what it is.
fn why(step: &Step) -> String {
    match &step.action {
        Action::Skip { reason } | Action::Wait { reason } | Action::Delete { reason, .. } => format!(": {reason}"),
        Action::Ask { question, .. } => format!(": {question}"),
        Action::Content { overwrite: true, len, .. } => format!("  (other bytes, {} now)", words::size(*len)),
        _ => step.notes.first().map_or_else(String::new, |note| format!("  ({note})")),
    }
}
