//! The table: a mistake, its finding, and its fix.

mod machines;
mod target;
mod things;

use super::{World, cluster};
use crate::audit::Unfit;
use crate::object::{Object, REDACTED, SourceId};
use crate::plan::tests::{With, acl, content, folder, hanging, object};
use crate::plan::{Todo, What};
use crate::preflight::ask::{Caller, NodeInfo};
use crate::preflight::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

struct Case {
    name: &'static str,
    severity: Severity,
    check: Check,
    /// Words of the finding.
    words: &'static str,
    world: World,
    fix: fn(&mut World),
}

fn case(name: &'static str, severity: Severity, check: Check, words: &'static str, world: World, fix: fn(&mut World)) -> Case {
    Case { name, severity, check, words, world, fix }
}

fn with(mut world: World, change: impl FnOnce(&mut World)) -> World {
    change(&mut world);
    world
}

fn job(settings: Value) -> Object {
    let mut settings = settings;
    settings["name"] = json!("nightly");
    object("job", "1", json!({"settings": settings}))
}

fn task(task: Value) -> Object {
    let mut task = task;
    task["task_key"] = json!("t");
    job(json!({"tasks": [task]}))
}

fn policy(definition: &Value) -> Object {
    object("cluster_policy", "p", json!({"name": "small", "definition": definition.to_string()}))
}

/// A cluster under a policy.
fn under(definition: &Value, more: Value) -> World {
    let mut more = more;
    more["policy_id"] = json!("p");
    World::of(vec![policy(definition), cluster("c", more)])
}

fn pool(more: Value) -> Object {
    let mut pool = json!({"instance_pool_name": "general", "node_type_id": "Standard_D4ds_v5"});
    if let (Some(pool), Value::Object(more)) = (pool.as_object_mut(), more) {
        pool.extend(more);
    }
    object("instance_pool", "pool", pool)
}

fn repo(url: &str) -> Object {
    folder("repo", "/Repos/team/a")
        .with_document(json!({"path": "/Repos/team/a", "url": url, "provider": "gitHub", "branch": "main"}))
}

trait WithDocument {
    fn with_document(self, document: Value) -> Self;
}

impl WithDocument for Object {
    fn with_document(mut self, document: Value) -> Self {
        self.body = crate::object::Body::Json(document);
        self
    }
}

fn scope(name: &str) -> Object {
    object("secret_scope", name, json!({"name": name, "backend_type": "DATABRICKS"}))
}

fn secret() -> Object {
    let mut secret = hanging("secret", "s/k", ("secret_scope", "s"), json!({"key": "k"}));
    secret.key = "s/k".into();
    secret
}

use Severity::{Blocker, Note, Warning};

fn cases() -> Vec<Case> {
    let target = [target::rules_and_caller(), target::features(), target::people()];
    let machines = [machines::machines(), machines::room()];
    let things = [things::things(), things::nowhere(), things::names()];
    target.into_iter().chain(machines).chain(things).flatten().collect()
}

#[test]
fn every_mistake_is_found_and_its_fix_makes_the_finding_vanish() {
    for mut case in cases() {
        let name = case.name;
        let is = |one: &&Finding| (one.severity, one.check) == (case.severity, case.check) && one.text.contains(case.words);
        let before = case.world.report().findings;
        assert_eq!(before.iter().filter(is).count(), 1, "{name}: {before:#?}");
        (case.fix)(&mut case.world);
        let after = case.world.report().findings;
        assert_eq!(after.iter().filter(is).count(), 0, "{name}, mended: {after:#?}");
        // The mistake is found by its own check alone: what else is told is told with and without it.
        let weighs = |one: &&Finding| one.severity != Note && !is(one);
        let same =
            |one: &Finding, other: &Finding| (one.severity, one.check, &one.text) == (other.severity, other.check, &other.text);
        let others: Vec<_> = before.iter().filter(weighs).filter(|one| !after.iter().any(|other| same(one, other))).collect();
        assert!(others.is_empty(), "{name} is found twice: {others:#?}");
    }
}

#[test]
fn every_check_has_its_mistake() {
    let tried: BTreeSet<Check> = cases().iter().map(|case| case.check).collect();
    assert_eq!(tried, Check::ALL.iter().copied().collect());
}
