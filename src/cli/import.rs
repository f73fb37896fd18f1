//! `lifeboat import`

use super::apply::{Apply, Words};
use super::{Outcome, receipt};
use crate::ui::Ui;
use clap::Args;
use lifeboat::plan::{Action, Plan, Step};
use lifeboat::restore;

/// So many steps of one sort are told one by one; `-o` and JSON have all.
const SHOWN: usize = 12;

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
}

impl Import {
    pub fn run(self, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        self.apply.run(ui, quiet, &self.options()?, &Words { plan: show, receipt: receipt::show })
    }

    fn options(&self) -> anyhow::Result<restore::Options> {
        let plan = lifeboat::plan::Options {
            create_principals: !self.no_create_principals,
            restore_admins: self.restore_admins,
            stamp: !self.no_stamp,
            ..lifeboat::plan::Options::default()
        };
        Ok(restore::Options { plan, allow_same_workspace: self.allow_same_workspace, ..self.apply.options()? })
    }
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
    for (sign, word) in [("+", "create"), ("~", "update"), ("=", "adopt"), ("!", "skip"), ("?", "wait")] {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.action.name() == word).collect();
        for step in steps.iter().take(SHOWN) {
            ui.line(format!("  {sign} {word:<7} {} {}{}", step.source.kind, step.key, why(step)))?;
        }
        if steps.len() > SHOWN {
            ui.line(format!("  {sign} {word:<7} and {} more (`-o FILE` keeps them all)", steps.len() - SHOWN))?;
        }
    }
    let columns = ["create", "complete", "attach", "update", "adopt", "unchanged", "skip", "wait"];
    let rows = plan.summary();
    let columns: Vec<&str> = columns.into_iter().filter(|word| rows.values().any(|row| row.contains_key(word))).collect();
    let header: Vec<&str> = std::iter::once("kind").chain(columns.iter().copied()).collect();
    let row = |(kind, numbers): (&&str, &std::collections::BTreeMap<&'static str, u64>)| {
        let number = |word: &&str| numbers.get(word).copied().unwrap_or_default().to_string();
        std::iter::once((*kind).to_owned()).chain(columns.iter().map(number)).collect()
    };
    ui.table(&header, rows.iter().map(row))?;
    Ok(ui.line(format!("{} of {} steps write something", plan.writes(), plan.steps.len()))?)
}

/// Why a step is what it is.
fn why(step: &Step) -> String {
    match &step.action {
        Action::Update { differences, .. } | Action::Attach { differences, .. } => {
            let at: Vec<&str> = differences.iter().take(4).map(|one| one.at.as_str()).collect();
            if at.is_empty() { String::new() } else { format!("  ({})", at.join(", ")) }
        }
        Action::Skip { reason } | Action::Wait { reason } => format!(": {reason}"),
        _ => step.notes.first().map_or_else(String::new, |note| format!("  ({note})")),
    }
}
