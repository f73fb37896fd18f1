//! A record as a page: one file without scripts, links or anything from elsewhere; whatever a name holds, it is text.

use super::seal::{digest, seal_page};
use crate::page::{Page, STYLE, escaped, head};
use serde_json::Value;
use std::collections::BTreeMap;

/// So many objects of one kind are shown one by one; the record has all.
const SHOWN: usize = 5000;

/// So many findings, and so many objects of one line of work.
const LINES: usize = 500;

/// States that need a look, and those of which a number says enough.
const TROUBLE: &[&str] = &["failed", "pending", "skipped"];
const QUIET: &[&str] = &["unchanged"];

/// The page of a record, sealed; it names the seal of the record that it was made from.
pub fn page(record: &Value) -> String {
    let mut page = Page(head(&title(record), STYLE, ""));
    page.head(record);
    page.counts(record);
    page.not_as_meant(record);
    page.trouble(record);
    page.leaks(record);
    page.todos(record);
    page.objects(record);
    page.foot(record);
    page.raw("</body></html>\n");
    seal_page(&page.0)
}

fn title(record: &Value) -> String {
    format!("{} into {}: {}", text(&record["command"]), text(&record["target"]["host"]), text(&record["state"]))
}

/// A value as people read it; nothing for what is not there.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What is known of the import, by name; empty where it is not known.
fn facts(record: &Value) -> [(&'static str, String); 14] {
    let at = |place: &str| record.pointer(place).map(text).unwrap_or_default();
    let workspace = |side: &str| format!("{} at {}", at(&format!("/{side}/workspace_id")), at(&format!("/{side}/host")));
    let plan = format!("SHA-256 {}: {} of {} steps write something", at("/plan/sha256"), at("/plan/writes"), at("/plan/steps"));
    let (yes, no, unseen) = (at("/verified/as_meant"), at("/verified/differs"), at("/verified/not_seen"));
    let verified = record["verified"].is_object().then(|| format!("{yes} as meant, {no} otherwise, {unseen} not seen"));
    [
        ("bundle", at("/source/digest")),
        ("of workspace", workspace("source")),
        ("into workspace", workspace("target")),
        ("by", at("/target/user")),
        ("began", at("/began")),
        ("ended", at("/ended")),
        ("took", format!("{} ({})", seconds(&record["milliseconds"]), stages(record))),
        ("rules", named(&record["rules"])),
        ("map", named(&record["map"])),
        ("plan", plan),
        ("read back", verified.unwrap_or_default()),
        ("drill", drill(&record["drill"])),
        ("journal", at("/journal")),
        ("made by", at("/version")),
    ]
}

impl Page {
    fn head(&mut self, record: &Value) {
        let state = text(&record["state"]);
        let class = if state == "complete" { "good" } else { "bad" };
        let title = format!("Receipt of {} {}", article(&record["command"]), text(&record["command"]));
        self.raw(&format!("<h1>{}</h1>\n", escaped(&title)));
        self.raw(&format!("<p class=\"state {class}\">{}</p>\n", escaped(&state)));
        if !record["reason"].is_null() {
            self.paragraph(&text(&record["reason"]));
        }
        self.raw("<table class=\"facts\"><tbody>\n");
        for (name, value) in facts(record).iter().filter(|(_, value)| !value.is_empty()) {
            self.raw(&format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>\n", escaped(value)));
        }
        self.raw("</tbody></table>\n");
    }

    fn counts(&mut self, record: &Value) {
        let Some(counts) = record["counts"].as_object().filter(|counts| !counts.is_empty()) else { return };
        self.heading("Objects");
        let states = ["created", "updated", "deleted", "adopted", "unchanged", "skipped", "pending", "failed"];
        let header: Vec<String> =
            std::iter::once("=kind".to_owned()).chain(states.iter().map(|state| format!("#{state}"))).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let number = |states: &Value, state: &str| states.get(state).map_or("·".to_owned(), ToString::to_string);
        let row = |(kind, counts): (&String, &Value)| {
            std::iter::once(kind.clone()).chain(states.iter().map(|state| number(counts, state))).collect()
        };
        self.table(&header, counts.iter().map(row));
    }

    fn not_as_meant(&mut self, record: &Value) {
        let odd = |item: &&Value| !item["verified"].is_null() && item["verified"] != "yes";
        let items: Vec<&Value> = list(&record["items"]).iter().filter(odd).collect();
        if items.is_empty() {
            return;
        }
        self.heading("Written, and does not show as it was meant");
        self.table(&["=kind", "object", "what the target shows"], items.iter().take(LINES).map(|item| row_of_odd(item)));
        self.more(items.len(), LINES);
    }

    fn trouble(&mut self, record: &Value) {
        let mut lines: BTreeMap<(String, String, String), Vec<String>> = BTreeMap::new();
        for item in list(&record["items"]).iter().filter(|item| TROUBLE.iter().any(|state| item["state"] == *state)) {
            let line = (text(&item["state"]), text(&item["kind"]), text(&item["reason"]));
            lines.entry(line).or_default().push(text(&item["key"]));
        }
        if lines.is_empty() {
            return;
        }
        self.heading("Not there, or not whole");
        let row = |((state, kind, reason), names): (&(String, String, String), &Vec<String>)| {
            vec![state.clone(), kind.clone(), some(names), reason.clone()]
        };
        self.table(&["=state", "=kind", "objects", "why"], lines.iter().take(LINES).map(row));
        self.more(lines.len(), LINES);
    }

    fn leaks(&mut self, record: &Value) {
        let leaks = list(&record["leaks"]);
        if leaks.is_empty() {
            return;
        }
        self.heading("What of the source stands in what was written");
        let row = |leak: &Value| {
            let object = format!("{} {}", text(&leak["kind"]), text(&leak["key"]));
            vec![text(&leak["what"]), text(&leak["value"]), object, text(&leak["at"]), text(&leak["times"]), text(&leak["hint"])]
        };
        self.table(&["=what", "value", "in", "at", "#times", "what to do"], leaks.iter().take(LINES).map(row));
        self.more(leaks.len(), LINES);
    }

    fn todos(&mut self, record: &Value) {
        let todos: Vec<&Value> = list(&record["todos"]).iter().filter(|todo| todo["what"] != "leak").collect();
        if todos.is_empty() {
            return;
        }
        self.heading("Left for people");
        let names = |todo: &Value| list(&todo["objects"]).iter().map(text).collect::<Vec<_>>();
        self.table(&["what to do", "objects"], todos.iter().map(|todo| vec![text(&todo["text"]), some(&names(todo))]));
    }

    /// Every object by its kind, but for those of which the number says enough.
    fn objects(&mut self, record: &Value) {
        let mut kinds: BTreeMap<&str, (Vec<&Value>, usize)> = BTreeMap::new();
        for item in list(&record["items"]) {
            let (shown, quiet) = kinds.entry(item["kind"].as_str().unwrap_or_default()).or_default();
            if QUIET.iter().any(|state| item["state"] == *state) {
                *quiet += 1;
            } else {
                shown.push(item);
            }
        }
        if kinds.is_empty() {
            return;
        }
        self.heading("Every object");
        for (kind, (shown, quiet)) in kinds {
            self.raw(&format!("<h3>{}</h3>\n", escaped(kind)));
            if !shown.is_empty() {
                self.table(
                    &["name", "id in the source", "id in the target", "=state", "=read back"],
                    shown.iter().take(SHOWN).map(|item| row_of(item)),
                );
                self.more(shown.len(), SHOWN);
            }
            if quiet > 0 {
                self.raw(&format!("<p class=\"quiet\">{quiet} unchanged</p>\n"));
            }
        }
    }

    fn more(&mut self, all: usize, shown: usize) {
        if all > shown {
            self.paragraph(&format!("and {} more: the record in JSON has all", all - shown));
        }
    }

    fn foot(&mut self, record: &Value) {
        let digest = digest(record);
        self.heading("Seal");
        self.paragraph(&format!("sealed: SHA-256 {digest} of the record in JSON, from which this page was made"));
        self.paragraph("`lifeboat receipt verify FILE` says whether a receipt, JSON or page, was changed since. A seal is a checksum and no signature: who means to deceive can seal anew, so keep receipts, or their digests, where others cannot write.");
    }
}

/// What a drill found when it compared both workspaces anew.
fn drill(found: &Value) -> String {
    let Some(good) = found["good"].as_bool() else { return String::new() };
    let count = |name: &str| list(&found[name]).len();
    let (different, again) = (count("differences"), count("again"));
    let word = if good { "equal" } else { "NOT EQUAL" };
    format!("both workspaces compared anew: {word}, {different} differences; a second import would write {again} objects")
}

fn article(command: &Value) -> &'static str {
    if command.as_str().is_some_and(|command| command.starts_with(['a', 'i'])) { "an" } else { "a" }
}

fn row_of(item: &Value) -> Vec<String> {
    let id = if item["origin"].is_null() { &item["id"] } else { &item["origin"] };
    let verified = match &item["verified"] {
        Value::Null => String::new(),
        Value::String(word) if word == "yes" => "verified".to_owned(),
        _ => "NOT as meant".to_owned(),
    };
    vec![text(&item["key"]), text(id), text(&item["target_id"]), text(&item["state"]), verified]
}

fn row_of_odd(item: &Value) -> Vec<String> {
    let shows = match &item["verified"] {
        Value::Object(found) => match (found.get("differs"), found.get("unread")) {
            (Some(differences), _) => list(differences).iter().map(difference).collect::<Vec<_>>().join("; "),
            (None, Some(reason)) => format!("it could not be read: {}", text(reason)),
            _ => String::new(),
        },
        _ => "nothing: it does not show".to_owned(),
    };
    vec![text(&item["kind"]), text(&item["key"]), shows]
}

fn difference(one: &Value) -> String {
    let value =
        |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string().chars().take(200).collect() };
    format!("{} is {}, meant was {}", text(&one["at"]), value(&one["have"]), value(&one["want"]))
}

fn some(names: &[String]) -> String {
    let more = names.len().saturating_sub(LINES);
    let named = names[..names.len() - more].join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

fn named(value: &Value) -> String {
    if value.is_null() { String::new() } else { format!("{}, SHA-256 {}", text(&value["name"]), text(&value["sha256"])) }
}

fn stages(record: &Value) -> String {
    let stage = |stage: &Value| format!("{} {}", text(&stage["stage"]), seconds(&stage["milliseconds"]));
    list(&record["stages"]).iter().map(stage).collect::<Vec<_>>().join(", ")
}

fn seconds(milliseconds: &Value) -> String {
    let milliseconds = milliseconds.as_u64().unwrap_or_default();
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use serde_json::json;

    fn record(items: &[Value]) -> Value {
        json!({"lifeboat_receipt": 1, "command": "import", "state": "incomplete", "milliseconds": 1234,
            "target": {"host": "https://x", "user": "a\"><script>alert(1)</script>"}, "items": items,
            "counts": {"job": {"created": 1}}, "leaks": [{"kind": "job", "key": "<b>", "at": "/a", "what": "storage", "value": "l", "times": 1}],
            "todos": [{"what": "look", "text": "do <i>", "objects": ["job:1"]}]})
    }

    #[test]
    fn names_are_text_whatever_they_hold() {
        let nasty = "</td><script>x</script>\u{202e}\u{1b}[31m & 'q'";
        let item = |state: &str, verified: Value| json!({"kind": "job", "id": "1", "key": nasty, "state": state, "reason": nasty, "verified": verified});
        let items = vec![
            item("created", json!("yes")),
            item("failed", Value::Null),
            item("created", json!({"differs": [{"at": "/<x>", "want": nasty, "have": null}]})),
            item("created", json!("absent")),
        ];
        let page = page(&record(&items));
        let body = page.split("</style>").nth(1).expect("a body");
        assert!(!body.contains("<script") && !body.contains("<i>") && !body.contains("<b>") && !body.contains("<x>"), "{body}");
        assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}') && !page.contains("style=") && !page.contains("href"));
        assert!(page.contains("default-src 'none'; style-src 'sha256-") && !page.contains("unsafe-inline"));
        assert!(body.contains("&lt;/td&gt;&lt;script&gt;x") && body.contains("meant was") && body.contains("it does not show"));
        assert!(check(&page).is_ok());
    }

    #[test]
    fn a_hundred_thousand_objects_are_a_page_that_opens() {
        let item = |n: u32, state: &str| json!({"kind": "notebook", "id": format!("/a/{n}"), "key": format!("/a/{n}"), "state": state, "target_id": format!("/a/{n}")});
        let items = (0..90_000).map(|n| item(n, "unchanged")).chain((0..10_000).map(|n| item(n, "created"))).collect::<Vec<_>>();
        let page = page(&record(&items));
        assert!(page.contains("90000 unchanged") && page.contains("and 5000 more: the record in JSON has all"));
        assert!(page.len() < 2 << 20, "{}", page.len());
    }
}
