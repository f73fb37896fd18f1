//! What came of an import, in words.

use crate::ui::{Ui, words};
use lifeboat::import::Receipt;
use lifeboat::plan::Todo;

/// So many objects of one line are named; JSON has all.
const NAMED: usize = 5;

/// The report: per kind, then what went wrong, then what is left for people.
pub fn show(ui: &mut Ui, receipt: &Receipt) -> anyhow::Result<()> {
    let columns = ["created", "updated", "adopted", "unchanged", "skipped", "pending", "failed"];
    let header: Vec<&str> = std::iter::once("kind").chain(columns).collect();
    let counts = receipt.counts();
    let rows = counts.iter().map(|(kind, states)| {
        let number = |state: &&str| states.get(*state).map_or_else(|| "·".to_owned(), u64::to_string);
        std::iter::once((*kind).to_owned()).chain(columns.iter().map(number)).collect()
    });
    ui.table(&header, rows)?;
    for entry in receipt.troubled() {
        let reason = entry.reason.as_deref().unwrap_or_default();
        ui.line(format!("{} {} {}: {reason}", entry.state.name().to_uppercase(), entry.source.kind, entry.key))?;
    }
    todos(ui, &receipt.todos)?;
    ui.line(format!("{} sent", words::count(receipt.requests, "request")))?;
    let end = if receipt.is_complete() { "restored, inert" } else { "restored in part, inert: see above" };
    Ok(ui.line(end)?)
}

/// What a person still has to do.
pub fn todos(ui: &mut Ui, todos: &[Todo]) -> anyhow::Result<()> {
    if todos.is_empty() {
        return Ok(());
    }
    ui.line("left for you:")?;
    for todo in todos {
        ui.line(format!("  - {}", todo.text))?;
        let named = todo.objects.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = todo.objects.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if !named.is_empty() {
            ui.line(format!("      {named}{more}"))?;
        }
    }
    Ok(())
}
