//! A job: when it runs, as whom, and its tasks as a small graph, each below the last of those that it waits for.

use super::Subject;
use crate::ui::Ui;
use lifeboat::brief::job::{STARTERS, runs_as, task, timing};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

pub(super) fn tell(ui: &mut Ui, subject: &Subject<'_>, document: &Value) -> std::io::Result<bool> {
    let Some(settings) = document.get("settings") else { return Ok(false) };
    for (label, text) in [("runs as", runs_as(document, settings)), ("made by", text(document, "creator_user_name"))] {
        if let Some(text) = text {
            ui.line(format!("{label:<10} {text}"))?;
        }
    }
    for what in STARTERS.into_iter().chain(["tags"]) {
        if let Some(value) = settings.get(what) {
            ui.line(format!("{what:<10} {}", timing(value)))?;
        }
    }
    let name_of = |kind: &str, id: &str| subject.name_of(kind, id);
    let tasks = settings.get("tasks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    ui.line("")?;
    if tasks.is_empty() {
        // The API before tasks had one, at the top.
        return ui.line(format!("one task: {}", task(&name_of, settings))).map(|()| true);
    }
    ui.line("tasks:")?;
    for line in graph(tasks) {
        let also = if line.also.is_empty() { String::new() } else { format!("  (also after {})", line.also.join(", ")) };
        ui.line(format!("{}{}  {}{also}", line.lead, line.key, task(&name_of, line.task)))?;
    }
    Ok(true)
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// One line of the graph.
#[derive(Debug)]
struct Line<'a> {
    lead: String,
    key: &'a str,
    also: Vec<&'a str>,
    task: &'a Value,
}

/// The tasks, each below the last that it waits for. What waits for nobody stands at the top; what goes round in a circle, or waits for
/// what is not there, stands at the end with all that it waits for.
fn graph(tasks: &[Value]) -> Vec<Line<'_>> {
    let keys: HashSet<&str> = tasks.iter().map(key).collect();
    let (mut children, mut roots): (HashMap<&str, Vec<usize>>, Vec<usize>) = (HashMap::new(), Vec::new());
    for (index, task) in tasks.iter().enumerate() {
        match after(task).last() {
            Some(last) if keys.contains(last) => children.entry(last).or_default().push(index),
            _ => roots.push(index),
        }
    }
    let mut walk = Walk { tasks, children, seen: HashSet::new(), lines: Vec::new() };
    roots.iter().for_each(|root| walk.down(*root, "  ", "  "));
    for (index, task) in tasks.iter().enumerate() {
        if walk.seen.insert(index) {
            walk.lines.push(Line { lead: "  ? ".to_owned(), key: key(task), also: after(task), task });
        }
    }
    walk.lines
}

fn key(task: &Value) -> &str {
    task.get("task_key").and_then(Value::as_str).unwrap_or("?")
}

fn after(task: &Value) -> Vec<&str> {
    let all = task.get("depends_on").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|one| one.get("task_key")?.as_str()).collect()
}

/// So deep the graph is drawn: a hostile job may have a chain of any length.
const DEEPEST: usize = 64;

struct Walk<'a> {
    tasks: &'a [Value],
    children: HashMap<&'a str, Vec<usize>>,
    seen: HashSet<usize>,
    lines: Vec<Line<'a>>,
}

impl Walk<'_> {
    fn down(&mut self, index: usize, lead: &str, below: &str) {
        let Some(task) = self.tasks.get(index).filter(|_| lead.chars().count() <= 3 * DEEPEST && self.seen.insert(index)) else {
            return;
        };
        let key = key(task);
        let mut also = after(task);
        if self.lines.iter().any(|line| Some(&line.key) == also.last()) {
            also.pop();
        }
        self.lines.push(Line { lead: lead.to_owned(), key, also, task });
        let next: Vec<usize> = self.children.get(key).cloned().unwrap_or_default();
        for (place, child) in next.iter().enumerate() {
            let (corner, bar) = if place + 1 == next.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.down(*child, &format!("{below}{corner}"), &format!("{below}{bar}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn drawn(tasks: &[(&str, &[&str])]) -> Vec<String> {
        let task = |(key, after): &(&str, &[&str])| {
            let after: Vec<Value> = after.iter().map(|key| json!({ "task_key": key })).collect();
            json!({ "task_key": key, "depends_on": after })
        };
        let tasks: Vec<Value> = tasks.iter().map(task).collect();
        graph(&tasks).iter().map(|line| format!("{}{} {:?}", line.lead, line.key, line.also)).collect()
    }

    #[test]
    fn tasks_stand_below_what_they_wait_for() {
        let lines = drawn(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"]), ("e", &[])]);
        assert_eq!(lines, ["  a []", "  ├─ b []", "  └─ c []", "     └─ d [\"b\"]", "  e []"]);
    }

    #[test]
    fn circles_and_dead_ends_are_told_once() {
        assert_eq!(
            drawn(&[("a", &["b"]), ("b", &["a"]), ("c", &["gone"])]),
            ["  c [\"gone\"]", "  ? a [\"b\"]", "  ? b [\"a\"]"]
        );
        assert_eq!(drawn(&[("a", &["a"])]), ["  ? a [\"a\"]"]);
        let chain: Vec<(String, Vec<String>)> =
            (0..500).map(|at| (format!("t{at}"), if at == 0 { vec![] } else { vec![format!("t{}", at - 1)] })).collect();
        let tasks: Vec<Value> = chain
            .iter()
            .map(|(key, after)| json!({ "task_key": key, "depends_on": after.iter().map(|key| json!({ "task_key": key })).collect::<Vec<_>>() }))
            .collect();
        assert_eq!(graph(&tasks).len(), 500);
    }
}
