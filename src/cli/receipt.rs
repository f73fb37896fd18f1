//! What came of an import, in words.

use crate::ui::{Ui, words};
use lifeboat::import::{Receipt, State};
use lifeboat::plan::Todo;
use std::collections::BTreeMap;

/// So many objects of one line are named; JSON has all.
const NAMED: usize = 5;

/// The report: per kind, then what went wrong, then what is left for people.
pub fn show(ui: &mut Ui, receipt: &Receipt, may_run: bool) -> anyhow::Result<()> {
    let columns = ["created", "updated", "adopted", "unchanged", "skipped", "pending", "failed"];
    let header = ["kind", "created", "updated", "adopted", "same", "skipped", "pending", "failed"];
    let rows = receipt.counts.iter().map(|(kind, states)| {
        let number = |state: &&str| states.get(*state).copied().unwrap_or_default().to_string();
        std::iter::once(kind.clone()).chain(columns.iter().map(number)).collect()
    });
    ui.table(&header, rows)?;
    trouble(ui, receipt)?;
    todos(ui, &receipt.todos)?;
    let inert = receipt.items.iter().filter(|item| item.changes.iter().any(|change| change.activation)).count();
    if inert > 0 {
        ui.line(format!(
            "made inert: {}; `lifeboat activate` switches on what was active",
            words::count(inert as u64, "object")
        ))?;
    }
    ui.line(format!("{} sent", words::count(receipt.requests.values().sum(), "request")))?;
    let part = if receipt.is_complete() { "" } else { " in part" };
    let state = if may_run { "as the rules say, some of it active" } else { "inert" };
    let see = if receipt.is_complete() { "" } else { ": see above" };
    Ok(ui.line(format!("restored{part}, {state}{see}"))?)
}

/// What is not there, or not whole, and why.
pub fn trouble(ui: &mut Ui, receipt: &Receipt) -> anyhow::Result<()> {
    let mut by_reason: BTreeMap<(State, &str, &str), Vec<&str>> = BTreeMap::new();
    for item in receipt.items.iter().filter(|item| !item.state.is_there()) {
        let reason = item.reason.as_deref().unwrap_or_default();
        by_reason.entry((item.state, item.source.kind.as_str(), reason)).or_default().push(&item.key);
    }
    for ((state, kind, reason), keys) in by_reason {
        ui.line(format!("{} {kind} {}: {reason}", state.name().to_uppercase(), some(&keys)))?;
    }
    Ok(())
}

fn some(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named = names[..names.len() - more].join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// What a person still has to do.
pub fn todos(ui: &mut Ui, todos: &[Todo]) -> anyhow::Result<()> {
    if todos.is_empty() {
        return Ok(());
    }
    ui.line("left for you:")?;
    for todo in todos {
        ui.line(format!("  - {}", todo.text))?;
        let names: Vec<&str> = todo.objects.iter().map(String::as_str).collect();
        if !names.is_empty() {
            ui.line(format!("      {}", some(&names)))?;
        }
    }
    Ok(())
}
