//! Who gained and who lost access to an object, level by level.

use super::labels::Labels;
use super::{AccessChange, Expected, Link};
use crate::compare::meaning::Naming;
use crate::kinds::{Kind, PRINCIPALS};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

const SORTS: [(&str, &str); 4] =
    [("user_name", "user"), ("group_name", "group"), ("service_principal_name", "service_principal"), ("principal", "principal")];

/// Whether documents of the kind are lists of who may do what.
pub(super) fn is_list(kind: &Kind) -> bool {
    matches!(kind.name, "permissions" | "secret_acl")
}

/// Levels by sort, name as it compares, and whether they are inherited; with the name as it is written.
type Levels = BTreeMap<(&'static str, String, bool), (String, BTreeSet<String>)>;

/// What one side needs to read such a list.
pub(super) struct Reading<'a> {
    pub labels: &'a Labels,
    /// Ids of the permissions that the side holds: what is inherited from one of them is told there.
    pub held: &'a HashSet<&'a str>,
    /// Who made or restored what is on this side.
    pub caller: &'a str,
}

/// Compares two lists; nothing stands for an empty one.
pub(super) fn changes(
    before: (Option<&Value>, &Reading<'_>),
    after: (Option<&Value>, &Reading<'_>),
    link: Link,
) -> Vec<AccessChange> {
    let (one, other) = (levels(before.0, before.1), levels(after.0, after.1));
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).cloned().collect();
    let callers = [before.1.caller.to_lowercase(), after.1.caller.to_lowercase()];
    let change = |key: (&'static str, String, bool)| {
        let none = (String::new(), BTreeSet::new());
        let ((had_name, had), (has_name, has)) = (one.get(&key).unwrap_or(&none), other.get(&key).unwrap_or(&none));
        let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| these.difference(those).cloned().collect::<Vec<_>>();
        let (gained, lost) = (only(has, had), only(had, has));
        // The one whom the workspace let manage what it made, where the other side says nothing of them at all.
        let made = link == Link::Restored && (had.is_empty() || has.is_empty()) && callers.contains(&key.1);
        let principal = [had_name, has_name].into_iter().filter(|name| !name.is_empty()).min().cloned().unwrap_or_default();
        let expected = made.then_some(Expected::Maker);
        (!gained.is_empty() || !lost.is_empty()).then(|| AccessChange {
            sort: key.0.to_owned(),
            principal,
            gained,
            lost,
            inherited: key.2,
            expected,
        })
    };
    keys.into_iter().filter_map(change).collect()
}

fn levels(document: Option<&Value>, reading: &Reading<'_>) -> Levels {
    let mut levels = Levels::new();
    let Some(document) = document else { return levels };
    let lists = ["access_control_list", "items", "acls"];
    let entries = lists.iter().filter_map(|list| document.get(*list)?.as_array()).flatten();
    for entry in entries {
        let Some((sort, name)) = principal(entry) else { continue };
        let to = if sort == "principal" { PRINCIPALS.to_vec() } else { vec![sort] };
        let key = reading.labels.by_key(&to, name);
        for (level, inherited) in of_entry(entry, reading.held) {
            let one = levels.entry((sort, key.clone(), inherited)).or_insert_with(|| (name.to_owned(), BTreeSet::new()));
            one.1.insert(level.to_owned());
        }
    }
    levels
}

/// The levels of an entry, and whether each is inherited from what the side does not hold.
fn of_entry<'a>(entry: &'a Value, held: &HashSet<&str>) -> Vec<(&'a str, bool)> {
    let level = |one: &'a Value, name: &str| one.get(name).and_then(Value::as_str);
    let Some(all) = entry.get("all_permissions").and_then(Value::as_array) else {
        let plain = ["permission_level", "permission"].iter().find_map(|name| level(entry, name));
        return plain.map(|level| (level, false)).into_iter().collect();
    };
    let told_elsewhere = |one: &Value| {
        let from = one.get("inherited_from_object").and_then(Value::as_array).into_iter().flatten();
        from.filter_map(Value::as_str).any(|id| held.contains(id.trim_start_matches('/')))
    };
    let inherited = |one: &Value| one.get("inherited") == Some(&Value::Bool(true));
    let wanted = all.iter().filter(|one| !inherited(one) || !told_elsewhere(one));
    wanted.filter_map(|one| Some((level(one, "permission_level")?, inherited(one)))).collect()
}

fn principal(entry: &Value) -> Option<(&'static str, &str)> {
    SORTS.iter().find_map(|(field, sort)| Some((*sort, entry.get(*field)?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Principal, gained, lost, whether it is inherited, and why it is none.
    type Seen = (String, Vec<String>, Vec<String>, bool, Option<Expected>);

    fn between(before: &Value, after: &Value, held: &[&str], link: Link) -> Vec<Seen> {
        let (labels, held) = (Labels::default(), held.iter().copied().collect());
        let reading = Reading { labels: &labels, held: &held, caller: "Ops@x" };
        let found = changes((Some(before), &reading), (Some(after), &reading), link);
        found.into_iter().map(|one| (one.principal, one.gained, one.lost, one.inherited, one.expected)).collect()
    }

    fn list(entries: &[(&str, &str, Option<&str>)]) -> Value {
        let entry = |(who, level, from): &(&str, &str, Option<&str>)| {
            let one = from.map_or_else(
                || json!({ "permission_level": level, "inherited": false }),
                |from| json!({ "permission_level": level, "inherited": true, "inherited_from_object": [from] }),
            );
            json!({ "user_name": who, "all_permissions": [one] })
        };
        json!({ "access_control_list": entries.iter().map(entry).collect::<Vec<_>>() })
    }

    #[test]
    fn levels_are_gained_and_lost() {
        let before = list(&[("a@x", "CAN_RUN", None), ("b@x", "CAN_EDIT", None)]);
        let after = list(&[("B@x", "CAN_EDIT", None), ("a@x", "CAN_MANAGE", None), ("c@x", "CAN_VIEW", None)]);
        let found = between(&before, &after, &[], Link::Same);
        assert_eq!(found[0], ("a@x".into(), vec!["CAN_MANAGE".into()], vec!["CAN_RUN".into()], false, None));
        assert_eq!((found.len(), found[1].0.as_str()), (2, "c@x"));
    }

    #[test]
    fn what_a_folder_gives_is_told_of_the_folder() {
        let (none, some) = (list(&[]), list(&[("a@x", "CAN_RUN", Some("/directories/7"))]));
        assert_eq!(between(&none, &some, &["directories/7"], Link::Same), []);
        let found = between(&none, &some, &["directories/8"], Link::Same);
        assert!(found.len() == 1 && found[0].3);
    }

    #[test]
    fn what_a_workspace_gives_the_maker_is_nobodys_wish() {
        let found = between(&list(&[]), &list(&[("ops@x", "IS_OWNER", None)]), &[], Link::Restored);
        assert_eq!(found[0].4, Some(Expected::Maker));
        assert_eq!(between(&list(&[]), &list(&[("ops@x", "IS_OWNER", None)]), &[], Link::Same)[0].4, None);
    }

    #[test]
    fn scopes_name_principals_of_any_sort() {
        let acl = |level: &str| json!({ "items": [{ "principal": "ops", "permission": level }] });
        let found = between(&acl("READ"), &acl("MANAGE"), &[], Link::Same);
        assert_eq!((found[0].1[0].as_str(), found[0].2[0].as_str()), ("MANAGE", "READ"));
    }
}
