//! From a stored document to the body of a create: the allow-list, then the kind's own shaping.
//!
//! The same function serves what is restored and what the target already has, so that both are compared in one form.

use super::equal::blank;
use crate::kinds::{Class, Fields, Kind};
use crate::object::STAMP;
use crate::pointer;
use serde_json::{Map, Value};

/// What a create of this kind would send to make this document again, under the names that the document uses.
///
/// Fields that the table does not name are left out (core reference §0.1); what the server sets inside a field that is
/// sent, and the stamp of an earlier restore, too. References and activations still say what the source says.
pub fn project(kind: &'static Kind, document: &Value) -> Map<String, Value> {
    let mut body = allowed(kind, document);
    for shaping in kind.shaping {
        shaping.at.iter().for_each(|at| shape(&mut body, at, document, shaping.run));
    }
    let mut body = Value::Object(body);
    let servers = kind.fields().filter(|(_, class)| matches!(class, Class::ServerSet | Class::Volatile));
    // What stands at the top is left out already.
    let inside = |at: &String| at.rfind('/') > Some(0);
    for at in servers.filter_map(|(at, _)| below_body(kind, &at)).filter(inside) {
        pointer::remove(&mut body, &at);
    }
    remove_stamp(kind, &mut body);
    if let Value::Object(body) = body { body } else { Map::new() }
}

fn allowed(kind: &'static Kind, document: &Value) -> Map<String, Value> {
    let fields = kind.body_of(document).and_then(Value::as_object).into_iter().flatten();
    let sent = |name: &str| kind.sent().any(|(field, _)| field == name);
    fields.filter(|(name, value)| sent(name) && !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Settings of a document that the table does not name: what a newer workspace lets people ask for. Only where a document
/// holds what was asked for apart from what the server adds; elsewhere the two cannot be told apart (core reference §0.1).
pub(super) fn unknown_settings(kind: &Kind, document: &Value) -> Vec<String> {
    let there = |at: &&&str| document.pointer(at).is_some_and(|body| !body.is_null());
    let Some(root) = kind.body.iter().find(there).filter(|root| !root.is_empty()) else { return Vec::new() };
    let known = |name: &String| kind.fields.iter().filter(|group| group.at.contains(root)).any(|group| names(group, name));
    let settings = document.pointer(root).and_then(Value::as_object).into_iter().flatten();
    settings.filter(|(name, value)| !blank(value) && !known(name)).map(|(name, _)| name.clone()).collect()
}

fn names(group: &Fields, name: &str) -> bool {
    group.fields.iter().any(|(field, _)| field.strip_prefix('/') == Some(name))
}

fn shape(body: &mut Map<String, Value>, at: &str, document: &Value, run: fn(&Value, &mut Map<String, Value>)) {
    if at.is_empty() {
        return run(document, body);
    }
    let mut whole = Value::Object(std::mem::take(body));
    pointer::edit(&mut whole, at, &mut |_, part| {
        let Some(part) = part.as_object_mut() else { return false };
        run(document, part);
        true
    });
    if let Value::Object(whole) = whole {
        *body = whole;
    }
}

/// The source may itself be a restore: its stamp tells of another workspace.
pub(crate) fn remove_stamp(kind: &Kind, body: &mut Value) {
    let Some(at) = kind.stamp else { return };
    let removed = pointer::remove(body, &format!("{at}/{STAMP}"));
    let empty = body.pointer(at).and_then(Value::as_object).is_some_and(Map::is_empty);
    if !removed.is_empty() && empty {
        pointer::remove(body, at);
    }
}

/// A pointer of the table, which begins at the document, as a pointer below the body; nothing if it lies elsewhere.
pub fn below_body(kind: &Kind, at: &str) -> Option<String> {
    let root = kind.body.first().copied().unwrap_or("");
    at.strip_prefix(root).filter(|rest| rest.starts_with('/')).map(str::to_owned)
}

/// Where the natural key stands below the body; nothing for what has none, or whose path is the key.
pub(super) fn name_at(kind: &Kind) -> Option<String> {
    let field = kind.key.at.rsplit('/').next().filter(|field| !field.is_empty())?;
    kind.sent().any(|(name, _)| name == field).then(|| format!("/{field}"))
}

/// Takes out what stands at exact pointers, the last elements of an array first, so that no index moves before its turn.
pub(crate) fn remove_exactly(value: &mut Value, mut places: Vec<String>) {
    let position = |at: &String| at.split('/').map(|part| (part.parse::<u64>().ok(), part.to_owned())).collect::<Vec<_>>();
    places.sort_by_cached_key(position);
    places.dedup();
    for at in places.iter().rev() {
        pointer::remove(value, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::by_name;
    use serde_json::json;

    fn projected(kind: &str, document: &Value) -> Value {
        Value::Object(project(by_name(kind).expect("kind exists"), document))
    }

    #[test]
    fn a_cluster_is_made_from_what_was_asked_for() {
        let cluster = json!({"cluster_id": "c", "state": "RUNNING", "num_workers": 7, "node_type_id": "effective",
            "spec": {"cluster_name": "a", "instance_pool_id": "p", "node_type_id": "n", "autoscale": {"min_workers": 1, "max_workers": 2},
                     "num_workers": 1, "surprise": 1}});
        assert_eq!(
            projected("cluster", &cluster),
            json!({"cluster_name": "a", "instance_pool_id": "p", "autoscale": {"min_workers": 1, "max_workers": 2}})
        );
        let old = json!({"cluster_id": "c", "cluster_name": "a", "default_tags": {}, "custom_tags": {"lifeboat_source": "1/2"}});
        assert_eq!(projected("cluster", &old), json!({"cluster_name": "a", "num_workers": 0}));
    }

    #[test]
    fn clusters_inside_jobs_are_shaped_alike() {
        let job = json!({"job_id": 1, "settings": {"name": "j", "git_source": {"git_url": "https://github.com/a/b", "git_snapshot": {}},
            "tasks": [{"task_key": "a", "new_cluster": {"instance_pool_id": "p", "node_type_id": "n", "num_workers": 2}}]}});
        let body = projected("job", &job);
        assert_eq!(body["tasks"][0]["new_cluster"], json!({"instance_pool_id": "p", "num_workers": 2}));
        assert_eq!(body["git_source"], json!({"git_url": "https://github.com/a/b", "git_provider": "gitHub"}));
    }

    #[test]
    fn a_direct_entry_behind_an_inherited_one_is_kept() {
        let acl = json!({"object_id": "/jobs/1", "access_control_list": [
            {"user_name": "a", "all_permissions": [{"permission_level": "CAN_MANAGE", "inherited": true}, {"permission_level": "CAN_RUN", "inherited": false}]},
            {"group_name": "admins", "all_permissions": [{"permission_level": "CAN_MANAGE", "inherited": false}]}]});
        assert_eq!(
            projected("permissions", &acl),
            json!({"access_control_list": [{"user_name": "a", "permission_level": "CAN_RUN"}]})
        );
    }
}
