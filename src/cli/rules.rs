//! `lifeboat rules`

use super::Outcome;
use crate::ui::Ui;
use clap::Args;
use lifeboat::rules::{Act, Rules as InForce};
use serde_json::json;

const CLUSTER: &str = "a cluster starts as soon as it is created";

/// The rules that make a restore inert.
#[derive(Debug, Args)]
pub struct Rules {}

pub fn run(ui: &mut Ui) -> anyhow::Result<Outcome> {
    let rules = InForce::standby();
    ui.line("rule set `standby`: nothing that an import makes may run, bill or notify anyone")?;
    for rule in rules.all() {
        ui.value(rule)?;
        let act = match &rule.act {
            Act::Set(value) | Act::SetWhereThere(value) => format!("set to {value}"),
            Act::Remove => "leave out".to_owned(),
        };
        ui.line(format!("  {:<20} {:<34} {act}", rule.kind, rule.at))?;
        ui.line(format!("  {:<20} {}", "", rule.reason))?;
    }
    ui.value(&json!({ "name": "standby:cluster", "kind": "cluster", "at": "", "act": "terminate", "reason": CLUSTER }))?;
    ui.line("  cluster              (after each create)                terminate at once, then pin as it was")?;
    ui.line(format!("  {:<20} {CLUSTER}", ""))?;
    Ok(Outcome::Done)
}
