//! Whether two bodies mean the same, and where not.
//!
//! Both sides are brought into one form first: lists whose order means nothing are sorted, what a server fills in by
//! itself is left out, texts that hold JSON are read, names that compare without case are folded. Absent, null and empty
//! are one (core reference §0.5).

use super::project::{below_body, remove_stamp};
use crate::kinds::{self, By, Class, Kind};
use crate::pointer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One place where what is wanted and what is there differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Pointer below the body, after sorting.
    pub at: String,
    /// What is wanted; absent for nothing.
    pub want: Option<Value>,
    /// What is there; absent for nothing.
    pub have: Option<Value>,
    /// Whether the field can only be set at creation, so that this is told and not written.
    #[serde(default)]
    pub fixed: bool,
}

/// Where an existing object differs from what is wanted; both are bodies as [`super::project`] makes them. Whatever a cluster
/// has that nobody asked for, its policy may have filled in.
pub fn equal(kind: &'static Kind, wanted: &Map<String, Value>, actual: &Map<String, Value>) -> Vec<Difference> {
    equal_under(kind, wanted, actual, &|_, _| true)
}

/// Whether one of these policies may have filled in an attribute such as `spark_conf.a.b`: ids as the two bodies say, and
/// the name as a definition writes it.
pub(crate) type Fills<'a> = dyn Fn([&str; 2], &str) -> bool + 'a;

/// The same, by somebody who knows the policies.
pub(crate) fn equal_under(
    kind: &'static Kind,
    wanted: &Map<String, Value>,
    actual: &Map<String, Value>,
    fills: &Fills<'_>,
) -> Vec<Difference> {
    let mut want = Value::Object(wanted.clone());
    let mut have = Value::Object(actual.clone());
    for side in [&mut want, &mut have] {
        prepare(kind, side);
    }
    let defaults = drop_defaults(kind, &mut want, &mut have);
    let mut found = Vec::new();
    let mut at = At { path: String::new(), policy: None, fills };
    compare(Some(&want), Some(&have), &mut at, &defaults, &mut found);
    found.retain(|one| class_of(kind, &one.at) != Some(Class::WriteOnly));
    for one in &mut found {
        one.fixed = class_of(kind, &one.at) == Some(Class::FixedAtCreate);
    }
    found
}

/// Null, false, zero, an empty text, and lists and maps of nothing else.
pub(crate) fn blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(blank),
    }
}

/// The class of the top field that a pointer lies in.
fn class_of(kind: &'static Kind, at: &str) -> Option<Class> {
    let field = at.split('/').nth(1)?;
    kind.sent().find(|(name, _)| *name == field).map(|(_, class)| class)
}

fn prepare(kind: &'static Kind, side: &mut Value) {
    remove_stamp(kind, side);
    fold_references(kind, side);
    read_texts(kind, side);
    kind.unordered.iter().for_each(|(at, member)| sort(side, at, member));
}

/// Principals and other names that compare without case; paths with and without their alias `/Workspace`.
fn fold_references(kind: &'static Kind, side: &mut Value) {
    for (at, reference) in kind.references() {
        let Some(at) = below_body(kind, &at) else { continue };
        let folds = reference.to.iter().filter_map(|to| kinds::by_name(to)).any(|to| to.key.fold);
        match reference.by {
            By::Key if folds => edit_text(side, &at, &|text| text.to_lowercase()),
            By::Path => {
                edit_text(side, &at, &|text| text.strip_prefix("/Workspace/").map_or(text.into(), |rest| format!("/{rest}")));
            }
            _ => {}
        }
    }
    let own = below_body(kind, kind.key.at).filter(|_| kind.key.fold);
    if let Some(at) = own {
        edit_text(side, &at, &|text| text.to_lowercase());
    }
}

fn edit_text(side: &mut Value, at: &str, change: &dyn Fn(&str) -> String) {
    pointer::edit(side, at, &mut |_, value| {
        let Value::String(text) = value else { return false };
        let new = change(text);
        let changed = new != *text;
        *text = new;
        changed
    });
}

/// Puts what a text holds in the place of the text, wherever the table looks into texts.
fn read_texts(kind: &'static Kind, side: &mut Value) {
    let places = kind.references().filter_map(|(at, _)| below_body(kind, &at));
    let mut texts: Vec<String> = places.filter_map(|at| at.split_once("/#").map(|(text, _)| text.to_owned())).collect();
    texts.sort();
    texts.dedup();
    for at in texts {
        pointer::edit(side, &at, &mut |_, value| {
            let inner = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
            inner.map(|inner| *value = inner).is_some()
        });
    }
}

fn sort(side: &mut Value, at: &str, member: &str) {
    pointer::edit(side, at, &mut |_, list| {
        let Some(items) = list.as_array_mut() else { return false };
        items.sort_by_cached_key(|item| {
            let by = if member.is_empty() { Some(item) } else { item.get(member) };
            (by.map(canonical), canonical(item))
        });
        true
    });
}

/// JSON with sorted members, so that equal values have equal texts.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(b.0));
            let inside: Vec<_> =
                members.iter().map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value))).collect();
            format!("{{{}}}", inside.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Leaves out what a server fills in. Returns the places whose default is not blank: there, absent does not mean blank.
fn drop_defaults(kind: &'static Kind, want: &mut Value, have: &mut Value) -> Vec<String> {
    let mut defaults: Vec<_> = kind.server_defaults().collect();
    defaults.sort_by_key(|(at, _)| std::cmp::Reverse(at.matches('/').count()));
    let mut loud = Vec::new();
    for (at, default) in defaults {
        match default.map(serde_json::from_str::<Value>) {
            Some(Ok(default)) => {
                remove_equal(want, &at, &default);
                remove_equal(have, &at, &default);
                loud.extend((!blank(&default)).then_some(at));
            }
            _ => drop_unasked(want, have, &at),
        }
    }
    loud
}

fn remove_equal(side: &mut Value, at: &str, default: &Value) {
    let same = |value: &Value| value == default || (blank(default) && blank(value));
    let places = pointer::find(side, at).into_iter().filter(|(_, value)| same(value));
    super::project::remove_exactly(side, places.map(|(at, _)| at).collect());
}

/// What nobody asked for may be there with any value.
fn drop_unasked(want: &Value, have: &mut Value, at: &str) {
    let unasked = pointer::find(have, at).into_iter().filter(|(at, _)| want.pointer(at).is_none_or(Value::is_null));
    super::project::remove_exactly(have, unasked.map(|(at, _)| at).collect());
}

/// Where a comparison stands.
struct At<'a> {
    path: String,
    /// Inside a cluster that a policy governs: where the cluster begins, and the policies that both sides name.
    policy: Option<(usize, [String; 2])>,
    fills: &'a Fills<'a>,
}

impl At<'_> {
    /// Whether a policy may have filled in what stands here.
    fn is_filled(&self) -> bool {
        let Some((start, [want, have])) = &self.policy else { return false };
        let attribute = self.path[*start..].split('/').skip(1).map(pointer::unescape).collect::<Vec<_>>().join(".");
        (self.fills)([want, have], &attribute)
    }

    /// The policies of a cluster that begins here.
    fn governed(&self, want: &Map<String, Value>, have: &Map<String, Value>) -> Option<(usize, [String; 2])> {
        let id = |side: &Map<String, Value>| side.get("policy_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        (!id(want).is_empty()).then(|| (self.path.len(), [id(want), id(have)]))
    }
}

fn compare(want: Option<&Value>, have: Option<&Value>, at: &mut At<'_>, loud: &[String], found: &mut Vec<Difference>) {
    match (want, have) {
        (Some(Value::Object(want)), Some(Value::Object(have))) => {
            let outside = at.policy.clone();
            at.policy = at.governed(want, have).or_else(|| outside.clone());
            let more = have.keys().filter(|name| !want.contains_key(*name));
            for name in want.keys().chain(more) {
                below(at, &pointer::escape(name), |at| compare(want.get(name), have.get(name), at, loud, found));
            }
            at.policy = outside;
        }
        (Some(Value::Array(want)), Some(Value::Array(have))) if want.len() == have.len() => {
            for (index, (want, have)) in want.iter().zip(have).enumerate() {
                below(at, &index.to_string(), |at| compare(Some(want), Some(have), at, loud, found));
            }
        }
        (Some(want), Some(have)) if want == have => {}
        (None, Some(Value::Object(have))) if at.policy.is_some() => {
            for (name, have) in have {
                below(at, &pointer::escape(name), |at| compare(None, Some(have), at, loud, found));
            }
        }
        (None, Some(_)) if at.is_filled() => {}
        _ if means_nothing(want, &at.path, loud) && means_nothing(have, &at.path, loud) => {}
        _ => found.push(Difference { at: at.path.clone(), want: want.cloned(), have: have.cloned(), fixed: false }),
    }
}

fn means_nothing(value: Option<&Value>, at: &str, loud: &[String]) -> bool {
    match value {
        None => true,
        Some(value) => blank(value) && (value.is_null() || !loud.iter().any(|pattern| matches(pattern, at))),
    }
}

fn matches(pattern: &str, at: &str) -> bool {
    let (pattern, at): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), at.split('/').collect());
    pattern.len() == at.len() && pattern.iter().zip(at).all(|(pattern, segment)| *pattern == "*" || *pattern == segment)
}

fn below(at: &mut At<'_>, segment: &str, then: impl FnOnce(&mut At<'_>)) {
    let length = at.path.len();
    at.path.push('/');
    at.path.push_str(segment);
    then(at);
    at.path.truncate(length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::by_name;
    use serde_json::json;

    fn differ(kind: &str, want: &Value, have: &Value) -> Vec<String> {
        let map = |value: &Value| value.as_object().cloned().expect("an object");
        equal(by_name(kind).expect("kind exists"), &map(want), &map(have)).into_iter().map(|one| one.at).collect()
    }

    #[test]
    fn server_defaults_and_order_mean_nothing_in_a_job() {
        let want = json!({"name": "j", "tasks": [{"task_key": "b", "depends_on": [{"task_key": "a"}, {"task_key": "0"}]}, {"task_key": "a"}]});
        let have = json!({"name": "j", "timeout_seconds": 0, "max_concurrent_runs": 1, "email_notifications": {},
            "webhook_notifications": {}, "tags": {"lifeboat_source": "1/2"},
            "tasks": [{"task_key": "a", "run_if": "ALL_SUCCESS", "timeout_seconds": 0, "email_notifications": {}},
                      {"task_key": "b", "run_if": "ALL_SUCCESS", "depends_on": [{"task_key": "0"}, {"task_key": "a"}]}]});
        assert_eq!(differ("job", &want, &have), Vec::<String>::new());
        assert_eq!(differ("job", &have, &want), Vec::<String>::new(), "and the other way round");
    }

    #[test]
    fn who_is_told_first_means_nothing() {
        let job = |mails: [&str; 2]| json!({"email_notifications": {"on_failure": mails}, "tasks": [{"task_key": "a", "webhook_notifications": {"on_start": [{"id": mails[0]}, {"id": mails[1]}]}}]});
        assert_eq!(differ("job", &job(["a@x", "b@x"]), &job(["b@x", "a@x"])), Vec::<String>::new());
        assert!(!differ("job", &job(["a@x", "b@x"]), &job(["b@x", "c@x"])).is_empty());
    }

    #[test]
    fn zero_is_not_absent_where_the_default_is_another() {
        assert_eq!(differ("job", &json!({"max_concurrent_runs": 0}), &json!({})), ["/max_concurrent_runs"]);
        assert_eq!(differ("job", &json!({}), &json!({"max_concurrent_runs": 0})), ["/max_concurrent_runs"]);
        assert_eq!(differ("instance_pool", &json!({"min_idle_instances": 0}), &json!({})), Vec::<String>::new());
    }

    #[test]
    fn what_was_asked_for_is_compared_even_where_servers_fill_in() {
        assert_eq!(
            differ("cluster", &json!({"num_workers": 1}), &json!({"num_workers": 1, "enable_elastic_disk": true})),
            Vec::<String>::new()
        );
        assert_eq!(differ("cluster", &json!({"node_type_id": "a"}), &json!({"node_type_id": "b"})), ["/node_type_id"]);
        assert_eq!(differ("cluster", &json!({"num_workers": 0}), &json!({"num_workers": 4})), ["/num_workers"]);
    }

    #[test]
    fn what_a_policy_fills_in_is_no_difference() {
        let have = json!({"num_workers": 1, "policy_id": "p", "spark_conf": {"set": "by policy"}});
        assert_eq!(differ("cluster", &json!({"num_workers": 1, "policy_id": "p"}), &have), Vec::<String>::new());
        assert_eq!(
            differ("cluster", &json!({"num_workers": 1}), &json!({"num_workers": 1, "spark_conf": {"a": "b"}})),
            ["/spark_conf"]
        );
        assert_eq!(differ("cluster", &json!({"num_workers": 2, "policy_id": "p"}), &have), ["/num_workers"]);
    }

    #[test]
    fn what_no_policy_filled_in_is_a_difference() {
        let map = |value: Value| value.as_object().cloned().expect("an object");
        let have =
            json!({"num_workers": 1, "policy_id": "p", "custom_tags": {"cost": "1", "mine": "2"}, "spark_conf": {"a.b": "c"}});
        let fills = |ids: [&str; 2], name: &str| ids == ["p", "p"] && ["custom_tags.cost", "spark_conf.a.b"].contains(&name);
        let kind = by_name("cluster").expect("kind exists");
        let found = equal_under(kind, &map(json!({"num_workers": 1, "policy_id": "p"})), &map(have), &fills);
        assert_eq!(found.iter().map(|one| one.at.as_str()).collect::<Vec<_>>(), ["/custom_tags/mine"]);
    }

    #[test]
    fn texts_of_json_compare_as_json() {
        let (one, other) = (r#"{"a": {"value": 1}, "b": {}}"#, r#"{"b":{},"a":{"value":1}}"#);
        assert_eq!(differ("cluster_policy", &json!({"definition": one}), &json!({"definition": other})), Vec::<String>::new());
        let changed =
            differ("cluster_policy", &json!({"definition": one}), &json!({"definition": r#"{"a":{"value":2},"b":{}}"#}));
        assert_eq!(changed, ["/definition/a/value"]);
    }

    #[test]
    fn people_compare_without_case_and_groups_with() {
        let acl = |who: &str, name: &str| json!({"access_control_list": [{who: name, "permission_level": "CAN_RUN"}]});
        assert_eq!(differ("permissions", &acl("user_name", "Ada@X.com"), &acl("user_name", "ada@x.com")), Vec::<String>::new());
        assert!(!differ("permissions", &acl("group_name", "Team"), &acl("group_name", "team")).is_empty());
    }

    #[test]
    fn what_is_fixed_at_creation_is_told_apart() {
        let kind = by_name("instance_pool").expect("kind exists");
        let map = |value: Value| value.as_object().cloned().expect("an object");
        let found = equal(
            kind,
            &map(json!({"disk_spec": {"a": 1}, "max_capacity": 5})),
            &map(json!({"disk_spec": {"a": 2}, "max_capacity": 6})),
        );
        let fixed: Vec<_> = found.iter().map(|one| (one.at.as_str(), one.fixed)).collect();
        assert_eq!(fixed, [("/disk_spec/a", true), ("/max_capacity", false)]);
    }

    #[test]
    fn what_cannot_be_read_back_is_not_compared() {
        assert_eq!(differ("instance_profile", &json!({"skip_validation": true}), &json!({})), Vec::<String>::new());
    }
}
