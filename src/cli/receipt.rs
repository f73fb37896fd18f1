//! What came of an import, in words.

use crate::ui::{Ui, words};
use lifeboat::import::{Receipt, State, Verified};
use lifeboat::plan::{Difference, Todo, What};
use std::collections::BTreeMap;

/// So many objects of one line are named; JSON has all.
const NAMED: usize = 5;

/// So many objects that are not as meant are told, and so many marks of the source; JSON has all.
const SHOWN: usize = 12;

/// The report: per kind, then what went wrong, then what is left for people.
pub fn show(ui: &mut Ui, receipt: &Receipt, may_run: bool) -> anyhow::Result<()> {
    let deleted = receipt.count(State::Deleted) > 0;
    let shown = |word: &&str| deleted || *word != "deleted";
    let columns = ["created", "updated", "deleted", "adopted", "unchanged", "skipped", "pending", "failed"];
    let columns: Vec<&str> = columns.into_iter().filter(shown).collect();
    let header = ["kind", "created", "updated", "deleted", "adopted", "same", "skipped", "pending", "failed"];
    let header: Vec<&str> = header.into_iter().filter(shown).collect();
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
    seen(ui, receipt)?;
    ui.line(format!("{} sent", words::count(receipt.requests.values().sum(), "request")))?;
    let part = if receipt.is_complete() { "" } else { " in part" };
    let state = if may_run { "as the rules say, some of it active" } else { "inert" };
    let see = if receipt.is_complete() { "" } else { ": see above" };
    Ok(ui.line(format!("restored{part}, {state}{see}"))?)
}

/// What the target showed of what was written.
pub fn seen(ui: &mut Ui, receipt: &Receipt) -> anyhow::Result<()> {
    let odd: Vec<_> = receipt.unverified().collect();
    for (item, verified) in odd.iter().take(SHOWN) {
        ui.line(format!("NOT AS MEANT {} {}: {}", item.source.kind, item.key, shown(verified)))?;
    }
    if odd.len() > SHOWN {
        ui.line(format!("NOT AS MEANT and {} more: `--report FILE` has all", odd.len() - SHOWN))?;
    }
    let (all, yes) = (receipt.verified() + odd.len(), receipt.verified());
    if all > 0 {
        ui.line(format!("read back: {yes} of {} show as they were meant", words::count(all as u64, "written object")))?;
    }
    if !receipt.leaks.is_empty() {
        let objects: std::collections::BTreeSet<_> = receipt.leaks.iter().map(|leak| &leak.object).collect();
        let objects = words::count(objects.len() as u64, "written object");
        ui.line(format!("left of the source: {} in {objects}, see above", words::count(receipt.leaks.len() as u64, "mark")))?;
    }
    Ok(())
}

fn shown(verified: &Verified) -> String {
    match verified {
        Verified::Yes => "as meant".to_owned(),
        Verified::Differs(found) => {
            let more = found.len().saturating_sub(3);
            let told = found.iter().take(3).map(difference).collect::<Vec<_>>().join(", ");
            if more > 0 { format!("{told} and {more} more") } else { told }
        }
        Verified::Absent => "it does not show".to_owned(),
        Verified::Unread(reason) => format!("it could not be read back: {reason}"),
    }
}

fn difference(one: &Difference) -> String {
    let short = |value: &Option<serde_json::Value>| {
        value.as_ref().map_or("nothing".to_owned(), |value| value.to_string().chars().take(80).collect())
    };
    format!("{} is {}, meant was {}", one.at, short(&one.have), short(&one.want))
}

/// What is not there, or not whole, and why.
pub fn trouble(ui: &mut Ui, receipt: &Receipt) -> anyhow::Result<()> {
    let mut by_reason: BTreeMap<(State, &str, &str), Vec<&str>> = BTreeMap::new();
    for item in receipt.items.iter().filter(|item| !item.state.is_there() && item.state != State::Deleted) {
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
    let leaks = todos.iter().filter(|todo| todo.what == What::Leak);
    let more = leaks.clone().count().saturating_sub(SHOWN);
    for todo in todos.iter().filter(|todo| todo.what != What::Leak).chain(leaks.take(SHOWN)) {
        ui.line(format!("  - {}", todo.text))?;
        let names: Vec<&str> = todo.objects.iter().map(String::as_str).collect();
        if !names.is_empty() {
            ui.line(format!("      {}", some(&names)))?;
        }
    }
    if more > 0 {
        ui.line(format!("  - and {more} more things of the source in what is written: JSON has all"))?;
    }
    Ok(())
}
