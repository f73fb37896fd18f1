//! What the caller of a restore keeps: a list of rights that lacks whoever sends it takes theirs away (core reference §14,
//! rule 4). A workspace admin manages everything all the same; anybody else would be locked out of what they restored.

use super::Planner;
use super::attached::remove_entries;
use super::notes::{What, label};
use super::refs::Resolved;
use serde_json::{Map, Value, json};

const OWNER: &str = "IS_OWNER";
const MANAGE: &str = "CAN_MANAGE";
const ENTRIES: &str = "access_control_list";

impl Planner<'_> {
    /// Under which name a list of rights calls the caller, and who that is. Application ids are UUIDs, user names are not.
    pub(super) fn caller(&self) -> (&'static str, &str) {
        let name = self.inventory.target.user.as_str();
        let is_application = name.len() == 36 && name.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        (if is_application { "service_principal_name" } else { "user_name" }, name)
    }

    /// Leaves the caller what it has: what it makes it owns or manages; of what was there, its own entry says so (`there`).
    pub(super) fn keep_caller(&mut self, parent: usize, there: Option<&Map<String, Value>>, resolved: &mut Resolved) {
        let object = self.bundle.objects[parent];
        // What only has a right to use, only admins make.
        if self.inventory.target.is_admin || object.kind().name == "cluster_policy" {
            return;
        }
        let (who, caller) = self.caller();
        let made = if object.kind().name == "job" { OWNER } else { MANAGE };
        let has = there.map_or(Some(made), |there| level_of(there, who, caller).filter(|level| rank(level) > 0));
        let Some(has) = has.filter(|has| level_of(&resolved.body, who, caller).is_none_or(|wanted| rank(wanted) < rank(has)))
        else {
            return;
        };
        let (has, caller) = (has.to_owned(), caller.to_owned());
        remove_entries(resolved, &|entry| is_of(entry, who, &caller));
        let entries = resolved.body.entry(ENTRIES).or_insert_with(|| json!([])).as_array_mut();
        let Some(entries) = entries else { return };
        // There is one owner.
        for entry in entries.iter_mut().filter(|entry| has == OWNER && entry["permission_level"] == OWNER) {
            entry["permission_level"] = json!(MANAGE);
        }
        entries.push(json!({ who: caller, "permission_level": has }));
        let text = format!(
            "the bundle gives \"{caller}\", who is no admin and restores this, less than {has}: it keeps that, so that it is not locked out; \
             take it away once all is done"
        );
        self.todos.add(What::Owner, text, label(object));
    }
}

fn level_of<'a>(body: &'a Map<String, Value>, who: &str, caller: &str) -> Option<&'a str> {
    let entries = body.get(ENTRIES).and_then(Value::as_array).into_iter().flatten();
    entries.into_iter().find(|entry| is_of(entry, who, caller))?.get("permission_level")?.as_str()
}

fn is_of(entry: &Value, who: &str, caller: &str) -> bool {
    entry.get(who).and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(caller))
}

/// Levels that are kept.
fn rank(level: &str) -> u8 {
    match level {
        OWNER => 2,
        MANAGE => 1,
        _ => 0,
    }
}
