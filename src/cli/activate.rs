//! `lifeboat activate` and `lifeboat deactivate`

use super::apply::{Apply, Words};
use super::{Outcome, receipt};
use crate::ui::Ui;
use clap::Args;
use lifeboat::import::{Receipt, State};
use lifeboat::plan::{Action, Difference, Goal, Plan};

use serde_json::Value;

/// Switch what a bundle holds on or off in a workspace.
#[derive(Debug, Args)]
pub struct Switch {
    #[command(flatten)]
    apply: Apply,
}

impl Switch {
    pub fn run(self, goal: Goal, ui: &mut Ui, quiet: bool) -> anyhow::Result<Outcome> {
        self.apply.run(ui, quiet, self.apply.given(goal)?, &Words { plan: show, receipt: tell })
    }
}

/// Every switch, with what it was and will be.
fn show(ui: &mut Ui, plan: &Plan) -> anyhow::Result<()> {
    let home = if plan.source.workspace_id == plan.target.workspace_id { ", where the bundle comes from" } else { "" };
    ui.line(format!("plan: {} as {}{home}", plan.target.host, plan.target.user))?;
    for step in &plan.steps {
        let name = format!("{} {}", step.source.kind, step.key);
        match &step.action {
            Action::Switch { on, differences, .. } => {
                let sign = if *on { '+' } else { '-' };
                let turns: Vec<String> = differences.iter().map(turn).collect();
                ui.line(format!("  {sign} {:<10} {name}  ({})", step.action.name(), turns.join(", ")))?;
            }
            Action::Skip { reason } => ui.line(format!("  ! {:<10} {name}: {reason}", "skip"))?,
            _ => {}
        }
    }
    Ok(ui.line(format!("to be switched: {} of {}", plan.writes(), plan.steps.len()))?)
}

/// `/schedule/pause_status: PAUSED → UNPAUSED`
fn turn(difference: &Difference) -> String {
    let word = |value: &Option<Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    format!("{}: {} → {}", difference.at, word(&difference.have), word(&difference.want))
}

fn tell(ui: &mut Ui, receipt: &Receipt, _: bool) -> anyhow::Result<()> {
    receipt::trouble(ui, receipt)?;
    receipt::todos(ui, &receipt.todos)?;
    receipt::seen(ui, receipt)?;
    let (done, others) = (receipt.count(State::Updated), receipt.count(State::Unchanged));
    Ok(ui.line(format!("switched: {done}; as they were: {others}"))?)
}
