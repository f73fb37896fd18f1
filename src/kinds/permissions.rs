//! Access control lists at `/api/2.0/permissions`. Core reference §14.

use super::spec::*;
use serde_json::{Map, Value, json};

const PRINCIPALS: &[&str] = &["user_name", "group_name", "service_principal_name"];

/// Only what was given to the object itself is sent, one level for each principal; `admins` is always implied (§14 rules 1, 2).
fn direct_entries(document: &Value, body: &mut Map<String, Value>) {
    let entries = document.get("access_control_list").and_then(Value::as_array);
    let direct: Vec<Value> = entries.into_iter().flatten().filter_map(direct_entry).collect();
    body.insert("access_control_list".into(), json!(direct));
}

fn direct_entry(entry: &Value) -> Option<Value> {
    // A workspace may answer with all three names, those that do not apply being null.
    let named = |name: &&&str| entry.get(**name).is_some_and(|principal| !principal.is_null());
    let name = PRINCIPALS.iter().find(named)?;
    let principal = entry.get(*name).filter(|principal| **principal != "admins")?;
    let level = match entry.get("all_permissions").and_then(Value::as_array) {
        Some(all) => all.iter().find(|one| one.get("inherited") != Some(&json!(true)))?.get("permission_level")?,
        None => entry.get("permission_level")?,
    };
    Some(json!({ *name: principal, "permission_level": level }))
}

pub(super) static PERMISSIONS: Kind = Kind {
    name: "permissions",
    title: "permissions",
    shape: Shape::Attached(Attached {
        to: &[],
        read: Read::Each("/api/2.0/permissions/{type}/{parent}"),
        write: Write::Whole {
            call: Call { method: "PUT", path: "/api/2.0/permissions/{type}/{parent}", body: "", idempotent: true },
            parent: None,
        },
    }),
    key: Key { at: "", unique: true, fold: false },
    body: &[""],
    fields: &[Fields {
        at: &[""],
        fields: &[
            ("/access_control_list", Class::Sent),
            ("/access_control_list/*/display_name", Class::ServerSet),
            ("/object_id", Class::ServerSet),
            ("/object_type", Class::ServerSet),
        ],
    }],
    refs: &[Refs {
        at: &[""],
        refs: &[
            Ref { at: "/access_control_list/*/user_name", to: &["user"], by: By::Key, gone: Gone::DropParent },
            Ref { at: "/access_control_list/*/group_name", to: &["group"], by: By::Key, gone: Gone::DropParent },
            Ref {
                at: "/access_control_list/*/service_principal_name",
                to: &["service_principal"],
                by: By::Key,
                gone: Gone::DropParent,
            },
        ],
    }],
    after: &[("group", "an entry for an unknown principal makes the whole call fail")],
    permissions: None,
    unordered: &[("/access_control_list", "")],
    defaults: &[],
    shaping: &[Shaping { at: &[""], reason: "inherited entries come back through the parent", run: direct_entries }],
    stamp: None,
    lanes: 8,
    changed: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_null_do_not_count() {
        let entry = json!({"user_name": null, "group_name": "grid", "service_principal_name": null,
            "all_permissions": [{"permission_level": "CAN_VIEW", "inherited": null}]});
        assert_eq!(direct_entry(&entry), Some(json!({"group_name": "grid", "permission_level": "CAN_VIEW"})));
        assert_eq!(direct_entry(&json!({"user_name": null, "permission_level": "CAN_VIEW"})), None);
    }
}
