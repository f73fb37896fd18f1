//! Two workspaces, object by object: is the one what the other was, but for ids, inertness and the stamp?
//!
//! This is the check of a restore, so it shares nothing with the code that plans and restores: it takes whole documents as
//! the two workspaces gave them, and only the table of kinds says what the server sets by itself. Ids on both sides are
//! replaced by what stays the same (a name, a path, the stamp), so that references compare by what they mean.

mod excuses;
pub(crate) mod meaning;
mod names;

use crate::kinds::{Shape, Tree, Write};
use crate::object::{Body, Object, REDACTED, without_login};
use crate::pointer;
use excuses::{forget_default_branch, forget_defaults, forget_news, forget_restorer, inertness};
use meaning::{GONE, is_nothing, meaning, wanted_libraries, withheld};
use names::Names;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The account of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Account {
    /// Objects of the source.
    pub objects: u64,
    /// Of these, equal in the target.
    pub equal: u64,
    /// Different in the target.
    pub different: u64,
    /// Not in the target.
    pub absent: u64,
    /// Not to be expected in the target: recorded only, or left to a person.
    pub by_hand: u64,
}

/// One difference that nothing explains.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Departure")]
pub struct Difference {
    /// Name of the kind.
    pub kind: &'static str,
    /// Natural key or path.
    pub object: String,
    /// Pointer; empty for the object as a whole.
    pub at: String,
    /// What the source has.
    pub source: Value,
    /// What the target has.
    pub target: Value,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Comparison {
    /// By kind.
    pub accounts: BTreeMap<&'static str, Account>,
    /// All differences.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Whether all that can be restored is equal.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Compares every object of the source with its image in the target. `restorer` is who made the images: what a workspace
/// gives the maker of an object by itself is no difference.
pub fn compare(source: &[Object], target: &[Object], source_workspace: &str, restorer: &str) -> Comparison {
    let unmarked = target.iter().filter(|object| object.stamp().is_none()).map(|object| (object.kind.name, object.id.as_str()));
    let here = Names::of(source, source_workspace, &unmarked.collect());
    let there = Names::of(target, source_workspace, &HashSet::new());
    let images: HashMap<&str, &Object> = target.iter().filter_map(|object| Some((there.name(object)?, object))).collect();
    let mut comparison = Comparison::default();
    for object in source {
        let image = here.name(object).and_then(|name| images.get(name)).copied();
        let differences = image.map(|image| differences(object, image, &here, &there, restorer));
        comparison.count(object, differences, &here);
    }
    comparison
}

impl Comparison {
    fn count(&mut self, object: &Object, differences: Option<Vec<Difference>>, here: &Names) {
        let account = self.accounts.entry(object.kind.name).or_default();
        account.objects += 1;
        match differences {
            _ if !expected(object) => account.by_hand += 1,
            None if here.is_hopeless(object) || asks_for_nothing(object) => account.by_hand += 1,
            None => {
                account.absent += 1;
                let (kind, object) = (object.kind.name, object.key.clone());
                self.differences.push(Difference {
                    kind,
                    object,
                    at: String::new(),
                    source: "present".into(),
                    target: "absent".into(),
                });
            }
            Some(found) if found.is_empty() => account.equal += 1,
            Some(found) => {
                account.different += 1;
                self.differences.extend(found);
            }
        }
    }
}

/// Whether a restore is to bring the object back.
fn expected(object: &Object) -> bool {
    match &object.kind.shape {
        Shape::Recorded(_) | Shape::Tree(Tree::Other) => false,
        Shape::Attached(attached) => !matches!(attached.write, Write::ByValue { .. } | Write::Value { .. }),
        Shape::Collection(_) | Shape::Tree(_) => true,
    }
}

/// A cluster may have had libraries that are all on their way out: then there is nothing to bring back.
fn asks_for_nothing(object: &Object) -> bool {
    let libraries = object.document().filter(|_| object.kind.name == "cluster_libraries");
    libraries.is_some_and(|libraries| is_nothing(&wanted_libraries(&libraries)))
}

fn differences(object: &Object, image: &Object, here: &Names, there: &Names, restorer: &str) -> Vec<Difference> {
    let make = |at: String, source: Value, target: Value| Difference {
        kind: object.kind.name,
        object: object.key.clone(),
        at,
        source,
        target,
    };
    match (object.document(), image.document()) {
        (Some(source), Some(target)) => {
            let source = meaning(object.kind, &source, here);
            let mut target = meaning(object.kind, &target, there);
            forget_restorer(&source, &mut target, restorer);
            forget_default_branch(object.kind, &source, &mut target);
            forget_news(object.kind, &source, &mut target);
            forget_defaults(object.kind, &source, &mut target);
            let mut found = inertness(object.kind, &source, &mut target);
            differ(&source, &target, &mut String::new(), &mut found);
            found.extend(marks(object, image));
            found.into_iter().map(|(at, source, target)| make(at, source, target)).collect()
        }
        _ if object.body.digest() == image.body.digest() => {
            marks(object, image).into_iter().map(|(at, source, target)| make(at, source, target)).collect()
        }
        _ => vec![make("bytes".into(), size(&object.body), size(&image.body))],
    }
}

fn size(body: &Body) -> Value {
    body.digest().map_or(Value::Null, |(len, _)| Value::from(format!("{len} bytes")))
}

type Found = (String, Value, Value);

/// What is known beside the body and must come back: pins, types, languages.
///
/// A Git folder may come back as one of the other generation, since the API makes only one.
fn marks(object: &Object, image: &Object) -> Vec<Found> {
    let kept: &[&str] = if object.kind.name == "repo" { &[] } else { &["pinned", "object_type", "language", "format"] };
    let different = |name: &&&str| object.meta.get(name) != image.meta.get(name);
    let value = |object: &Object, name: &str| object.meta.get(name).unwrap_or_default();
    kept.iter().filter(different).map(|name| ((*name).to_owned(), value(object, name), value(image, name))).collect()
}

fn differ(source: &Value, target: &Value, at: &mut String, found: &mut Vec<Found>) {
    match (source, target) {
        (Value::Object(source), Value::Object(target)) => {
            let names = source.keys().chain(target.keys().filter(|name| !source.contains_key(*name)));
            for name in names {
                let (one, other) = (source.get(name).unwrap_or(&Value::Null), target.get(name).unwrap_or(&Value::Null));
                below(at, name, |at| differ(one, other, at, found));
            }
        }
        (Value::Array(source), Value::Array(target)) if given(source).len() == target.len() => {
            for (index, (one, other)) in given(source).into_iter().zip(target).enumerate() {
                below(at, &index.to_string(), |at| differ(one, other, at, found));
            }
        }
        (source, target) if source == target || is_nothing(source) && is_nothing(target) => {}
        (Value::String(source), Value::String(target)) if without_login(source).as_ref() == Some(target) => {}
        (source, target) if (withheld(source) || is_gone(source)) && is_nothing(target) => {}
        (source, target) => found.push((at.clone(), source.clone(), target.clone())),
    }
}

fn below(at: &mut String, name: &str, then: impl FnOnce(&mut String)) {
    let length = at.len();
    at.push('/');
    at.push_str(&pointer::escape(name));
    then(at);
    at.truncate(length);
}

/// A reference that led to nothing at the source may be left out.
fn is_gone(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(GONE))
}

/// A list without what was blanked in it.
fn given(items: &[Value]) -> Vec<&Value> {
    let whole = |item: &&Value| item.as_str().is_none_or(|text| !text.contains(REDACTED) || without_login(text).is_some());
    items.iter().filter(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::STAMP;
    use crate::object::made::surveyed as object;
    use serde_json::json;

    fn cluster(id: &str, name: &str, stamp: Option<&str>) -> Object {
        let tags = stamp.map_or(json!({}), |stamp| json!({ STAMP: stamp }));
        object(
            "cluster",
            id,
            json!({"cluster_id": id, "spec": {"cluster_name": name, "custom_tags": tags}, "cluster_name": name, "state": "RUNNING"}),
        )
    }

    fn job(id: &str, cluster: &str, schedule: &str, stamp: Option<&str>) -> Object {
        let tags = stamp.map_or(json!({}), |stamp| json!({ STAMP: stamp }));
        let settings = json!({"name": "nightly", "tags": tags, "schedule": {"quartz_cron_expression": "0 0 2 * * ?", "pause_status": schedule}, "tasks": [{"task_key": "a", "existing_cluster_id": cluster}]});
        object("job", id, json!({"job_id": id, "settings": settings}))
    }

    #[test]
    fn references_compare_by_what_they_mean() {
        let source = [cluster("c1", "etl", None), cluster("c2", "etl", None), job("1", "c2", "UNPAUSED", None)];
        let image = |cluster_of_job| {
            [
                cluster("x1", "etl", Some("ws/c1")),
                cluster("x2", "etl", Some("ws/c2")),
                job("9", cluster_of_job, "PAUSED", Some("ws/1")),
            ]
        };
        let right = compare(&source, &image("x2"), "ws", "me");
        assert!(right.is_equal(), "{:?}", right.differences);
        let wrong = compare(&source, &image("x1"), "ws", "me");
        assert_eq!(wrong.differences.len(), 1);
        assert_eq!(wrong.differences[0].at, "/settings/tasks/0/existing_cluster_id");
    }

    #[test]
    fn a_job_that_would_start_is_a_difference() {
        let source = [job("1", "dead", "UNPAUSED", None)];
        let live = compare(&source, &[job("9", "dead", "UNPAUSED", Some("ws/1"))], "ws", "me");
        assert_eq!(live.differences[0].at, "/settings/schedule/pause_status");
    }

    #[test]
    fn what_did_not_come_is_a_difference() {
        let lost = compare(&[cluster("c1", "etl", None)], &[], "ws", "me");
        assert_eq!((lost.accounts["cluster"].absent, lost.is_equal()), (1, false));
    }

    #[test]
    fn what_was_blanked_is_excused_and_nothing_around_it() {
        let job = |id: &str, settings: Value| object("job", id, json!({"job_id": id, "settings": settings}));
        let with = |arguments: Value, more: Value| json!({"name": "n", "tags": {STAMP: "ws/1"}, "tasks": [{"task_key": "a", "spark_python_task": {"parameters": arguments}, "new_cluster": more}]});
        let source =
            [job("1", with(json!(["x", format!("--token={REDACTED}"), "y"]), json!({"spark_env_vars": {"T": REDACTED}})))];
        let image = |arguments: Value, more: Value| compare(&source, &[job("9", with(arguments, more))], "ws", "me");
        let right = image(json!(["x", "y"]), json!({"num_workers": 0}));
        assert!(right.is_equal(), "{:?}", right.differences);
        assert!(!image(json!(["x"]), json!({})).is_equal());
        let git = |url: String| json!({"name": "n", "tags": {STAMP: "ws/1"}, "git_source": {"git_url": url}});
        let source = [job("1", git(format!("https://me:{REDACTED}@h/x")))];
        assert!(compare(&source, &[job("9", git("https://h/x".into()))], "ws", "me").is_equal());
        assert!(!compare(&source, &[job("9", git("https://h/y".into()))], "ws", "me").is_equal());
        let policy = |id: &str, definition: &Value| {
            object("cluster_policy", id, json!({"name": "p", "policy_id": id, "definition": definition.to_string()}))
        };
        let allowed =
            json!({"spark_conf.x.secret": {"type": "allowlist", "values": [REDACTED]}, "y": {"type": "fixed", "value": 1}});
        let image = |definition: Value| compare(&[policy("1", &allowed)], &[policy("9", &definition)], "ws", "me");
        assert!(image(json!({"y": {"type": "fixed", "value": 1}})).is_equal());
        assert!(!image(json!({})).is_equal());
    }

    #[test]
    fn pins_must_come_back() {
        let mut source = cluster("c1", "etl", None);
        source.meta.insert("pinned", json!(true));
        let lost = compare(&[source], &[cluster("x1", "etl", Some("ws/c1"))], "ws", "me");
        assert_eq!(lost.differences[0].at, "pinned");
    }
}
