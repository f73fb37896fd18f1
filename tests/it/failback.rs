//! To the secondary and back: the primary in the end is what the secondary became, nothing is there twice, and nothing is active
//! on both sides at any moment.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::import::{Bundled, SOURCE, TARGET, bundle_from, connect, everything, ids, options, prepare, silent, start};
use lifeboat::api::{Method, Request};
use lifeboat::bundle::Reader;
use lifeboat::compare;
use lifeboat::import::{self, BundleContents, Receipt, State};
use lifeboat::journal::Journal;
use lifeboat::object::Object;
use lifeboat::plan::Plan;
use lifeboat::restore::{self, Goal};
use lifeboat::rules::RuleSet;
use lifeboat::simulator::{Activation, Seed, Server};
use lifeboat::spool::Spool;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// A machine with a state folder, and the rules that are in force.
struct Machine {
    state: tempfile::TempDir,
    rules: RuleSet,
}

impl Machine {
    fn new(rules: &str) -> Self {
        Self { state: tempfile::tempdir().unwrap(), rules: RuleSet::parse(rules).unwrap() }
    }

    fn options(&self, goal: Goal, reverse: bool) -> restore::Options {
        let journals = Some(self.state.path().to_owned());
        restore::Options { goal, reverse, journals, rules: self.rules.clone(), ..options() }
    }

    async fn plan(&self, bundled: &Bundled, target: &Server, goal: Goal, reverse: bool) -> Plan {
        prepare(bundled, target, &self.options(goal, reverse)).await
    }

    async fn carry_out(&self, bundled: &Bundled, target: &Server, goal: Goal, reverse: bool) -> Receipt {
        let options = self.options(goal, reverse);
        let plan = prepare(bundled, target, &options).await;
        let mut journal = journal(self.state.path(), &plan);
        let reader = Reader::open(&bundled.path).unwrap();
        let contents = BundleContents::new(&reader, Spool::in_temp().unwrap()).editing(restore::editor(&reader, &options));
        let receipt = import::run(&plan, &contents, &connect(target), &mut journal, &silent()).await.unwrap();
        assert_eq!(
            receipt.count(State::Failed),
            0,
            "{goal:?}: {:#?}",
            receipt.items.iter().filter(|item| item.state == State::Failed).collect::<Vec<_>>()
        );
        receipt
    }
}

fn journal(state: &Path, plan: &Plan) -> Journal {
    Journal::open(state, &plan.target.workspace_id, &plan.source.workspace_id, &plan.source.digest).unwrap()
}

async fn call(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let request = Request { body: Some(body), ..Request::new(method, "test", path) };
    connect(server).call(&request).await.unwrap()
}

async fn post(server: &Server, path: &str, body: Value) -> Value {
    call(server, Method::Post, path, body).await
}

fn named<'a>(objects: &'a [Object], kind: &str, key: &str) -> &'a Object {
    objects.iter().find(|object| object.kind.name == kind && object.key == key).unwrap_or_else(|| panic!("{kind} {key}"))
}

fn id(object: &Object, at: &str) -> Value {
    object.document().unwrap()[at].clone()
}

async fn update(server: &Server, objects: &[Object], job: &str, settings: Value) {
    let id = id(named(objects, "job", job), "job_id");
    post(server, "/api/2.2/jobs/update", json!({ "job_id": id, "new_settings": settings })).await;
}

/// What people do in the secondary while it is the one that counts.
pub(super) async fn work(secondary: &Server) {
    let there = everything(secondary).await;
    let text =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "# Databricks notebook source\nprint('better')\n");
    let notebook = json!({"path": "/Shared/Ingest/Smart meters/load_readings", "format": "SOURCE", "language": "PYTHON", "overwrite": true, "content": text});
    post(secondary, "/api/2.0/workspace/import", notebook).await;
    update(secondary, &there, "dbt gold", json!({"name": "dbt platinum"})).await;
    update(secondary, &there, "nightly settlement", json!({"timeout_seconds": 4321})).await;
    let cluster = named(&there, "cluster", "shared autoscale");
    let mut spec = cluster.document().unwrap()["spec"].clone();
    spec["cluster_id"] = id(cluster, "cluster_id");
    spec["autotermination_minutes"] = json!(44);
    post(secondary, "/api/2.1/clusters/edit", spec).await;
    let task = json!({"task_key": "a", "existing_cluster_id": id(cluster, "cluster_id"), "notebook_task": {"notebook_path": "/Shared/Ingest/Smart meters/load_readings"}});
    let schedule = json!({"quartz_cron_expression": "0 0 5 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"});
    post(secondary, "/api/2.2/jobs/create", json!({"name": "made in the outage", "schedule": schedule, "tasks": [task]})).await;
    let policy = named(&there, "cluster_policy", "etl autoscale");
    let definition = policy.document().unwrap()["definition"].clone();
    let renamed = json!({"policy_id": id(policy, "policy_id"), "name": "etl autoscale, renamed", "definition": definition});
    post(secondary, "/api/2.0/policies/clusters/edit", renamed).await;
    let folder = named(&there, "directory", "/Shared/ML").meta.get("object_id").unwrap();
    let acl = json!({"access_control_list": [{"group_name": "analysts", "permission_level": "CAN_EDIT"}]});
    call(secondary, Method::Put, &format!("/api/2.0/permissions/directories/{folder}"), acl).await;
    post(secondary, "/api/2.2/jobs/delete", json!({"job_id": id(named(&there, "job", "pooled"), "job_id")})).await;
}

fn writes(plan: &Plan) -> BTreeSet<String> {
    let hopeless = |key: &str| key.ends_with("on a cluster that is gone") || key == "kv-northwind";
    let writing = plan.steps.iter().filter(|step| step.action.writes() && !hopeless(&step.key));
    writing.map(|step| format!("{} {} {}", step.action.name(), step.source.kind, step.key)).collect()
}

/// Whether something was active in both workspaces at the same moment.
pub(super) fn overlap(one: &[Activation], other: &[Activation]) -> Option<String> {
    let mut all: Vec<_> = one.iter().map(|event| (event, 0)).chain(other.iter().map(|event| (event, 1))).collect();
    all.sort_by_key(|(event, _)| event.at);
    let mut active = [0_i64; 2];
    for (event, side) in all {
        active[side] += if event.on { 1 } else { -1 };
        if active.iter().all(|count| *count > 0) {
            return Some(format!("{event:?}: {active:?}"));
        }
    }
    None
}

/// What differs, but for what no import can bring.
fn differences(primary: &[Object], secondary: &[Object]) -> Vec<String> {
    let found = compare::compare(primary, secondary, SOURCE, "operator@northwind.example").differences;
    found.iter().map(|one| format!("{} {} {}: {} / {}", one.kind, one.object, one.at, one.source, one.target)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_in_the_secondary_comes_home_and_nothing_runs_on_both_sides() {
    let machine = Machine::new("");
    let (primary, secondary) = (start(Seed::Sample, SOURCE).await, start(Seed::Prepared, TARGET).await);
    let first = bundle_from(&primary).await;
    machine.carry_out(&first, &primary, Goal::Deactivate, false).await;
    machine.carry_out(&first, &secondary, Goal::Restore, false).await;
    let usual = differences(&everything(&primary).await, &everything(&secondary).await);
    machine.carry_out(&first, &secondary, Goal::Activate, false).await;
    let before = active(&secondary);
    assert!(before.len() > 8, "{before:?}");
    work(&secondary).await;
    let stays = everything(&secondary).await;
    update(
        &secondary,
        &stays,
        "nightly settlement",
        json!({"schedule": {"pause_status": "PAUSED", "quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC"}}),
    )
    .await;

    let back = bundle_from(&secondary).await;
    machine.carry_out(&back, &secondary, Goal::Deactivate, false).await;
    assert_eq!(active(&secondary), BTreeSet::new(), "what is new there is off as well");
    let planned = machine.plan(&back, &primary, Goal::Restore, true).await;
    let expected = [
        "attach permissions directory:/Shared/ML",
        "attach permissions job:made in the outage",
        "create job made in the outage",
        "update cluster shared autoscale",
        "update cluster_policy etl autoscale, renamed",
        "update job dbt platinum",
        "update job nightly settlement",
        "update notebook /Shared/Ingest/Smart meters/load_readings",
    ];
    assert_eq!(writes(&planned), expected.into_iter().map(str::to_owned).collect());
    let deleted = planned.todos.iter().find(|todo| todo.text.contains("it was deleted where the bundle comes from")).unwrap();
    assert_eq!(deleted.objects.len(), 1, "{deleted:?}");
    assert!(deleted.objects[0].starts_with("job:pooled ("), "{deleted:?}");
    machine.carry_out(&back, &primary, Goal::Restore, true).await;
    assert_eq!(active(&primary), BTreeSet::new(), "it arrives inert");
    machine.carry_out(&back, &primary, Goal::Activate, true).await;

    let stays = before.iter().filter(|name| *name != "job nightly settlement" && *name != "job pooled");
    let mut expected: BTreeSet<String> = stays.map(|name| name.replace("dbt gold", "dbt platinum")).collect();
    expected.insert("job made in the outage".into());
    assert_eq!(active(&primary), expected, "what was on there is on here, and what somebody paused is not");
    assert_eq!(overlap(&primary.activations(), &secondary.activations()), None);

    let (here, there) = (everything(&primary).await, everything(&secondary).await);
    let differ = differences(&here, &there);
    let new: Vec<_> = differ.iter().filter(|one| !usual.contains(one) && !one.contains("pooled")).collect();
    assert!(new.is_empty(), "{new:#?}");
    for kind in lifeboat::kinds::all() {
        let (one, two) = (ids(&here, kind.name), ids(&there, kind.name));
        let more: Vec<_> =
            one.iter().filter(|(name, count)| **count > 1 && two.get(*name).is_some_and(|two| two < *count)).collect();
        assert!(more.is_empty(), "{}: {more:?}", kind.name);
    }
    let job = named(&here, "job", "nightly settlement").document().unwrap();
    assert_eq!(job["settings"]["tags"].get("lifeboat_source"), None, "an original bears no mark");

    assert_eq!(machine.plan(&back, &primary, Goal::Restore, true).await.writes(), 0, "a second time there is nothing to do");
    let night = bundle_from(&primary).await;
    let forth = machine.plan(&night, &secondary, Goal::Restore, false).await;
    let again = ["create job pooled", "attach permissions job:pooled"].map(str::to_owned);
    assert_eq!(writes(&forth), again.into(), "and the nights after it go on as before");
}

/// Two node types become one, a job gets another name, a folder another place, a field another value.
const RULES: &str = "
maps:
  node_type: {Standard_DS3_v2: Standard_D4ds_v5, Standard_E8ds_v4: Standard_D4ds_v5}
  zone: {auto: b}
rules:
  - {name: r, for: {kind: job, name: ping}, rename: {to: \"{name} (dr)\"}}
  - {name: m, move: {/Shared/Ingest: /Archive/Ingest}}
  - {name: s, for: {kind: job}, set: {/timeout_seconds: 99}}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_did_on_the_way_there_is_undone_on_the_way_back() {
    let machine = Machine::new(RULES);
    let (primary, secondary) = (start(Seed::Sample, SOURCE).await, start(Seed::Prepared, TARGET).await);
    let first = bundle_from(&primary).await;
    let plain = Machine::new("");
    let originals = active(&primary);
    plain.carry_out(&first, &primary, Goal::Deactivate, false).await;
    machine.carry_out(&first, &secondary, Goal::Restore, false).await;
    let there = everything(&secondary).await;
    assert!(there.iter().any(|object| object.key == "ping (dr)") && there.iter().any(|object| object.key == "/Archive/Ingest"));

    let back = bundle_from(&secondary).await;
    assert_eq!(writes(&machine.plan(&back, &primary, Goal::Restore, true).await), BTreeSet::new(), "nobody changed anything");

    update(&secondary, &there, "ping (dr)", json!({"max_concurrent_runs": 3})).await;
    update(&secondary, &there, "nightly settlement", json!({"timeout_seconds": 7})).await;
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "# Databricks notebook source\n1\n");
    let notebook = json!({"path": "/Archive/Ingest/new", "format": "SOURCE", "language": "PYTHON", "content": text});
    post(&secondary, "/api/2.0/workspace/import", notebook).await;
    let back = bundle_from(&secondary).await;
    let planned = machine.plan(&back, &primary, Goal::Restore, true).await;
    let expected = ["create notebook /Shared/Ingest/new", "update job nightly settlement", "update job ping (dr)"];
    let quiet = |one: &String| !one.starts_with("attach permissions notebook:/Shared/Ingest/new");
    assert_eq!(writes(&planned).into_iter().filter(quiet).collect::<BTreeSet<_>>(), expected.map(str::to_owned).into());
    machine.carry_out(&back, &primary, Goal::Restore, true).await;
    let here = everything(&primary).await;
    let settings = |name: &str| named(&here, "job", name).document().unwrap()["settings"].clone();
    assert_eq!(
        (&settings("ping")["max_concurrent_runs"], settings("ping")["timeout_seconds"].as_i64().unwrap_or(0)),
        (&json!(3), 0)
    );
    assert_eq!(settings("nightly settlement")["timeout_seconds"], 7);

    // Another machine knows nothing but what the secondary keeps.
    let other = Machine::new(RULES);
    let (book, spool) = (lifeboat::journal::book(machine.state.path(), TARGET, SOURCE).unwrap(), Spool::in_temp().unwrap());
    lifeboat::berth::write(&connect(&secondary), &spool, SOURCE, TARGET, &book).await.unwrap();
    let asked = |goal| restore::Options { came_from: Some(connect(&secondary)), ..other.options(goal, true) };
    assert_eq!(writes(&prepare(&back, &primary, &asked(Goal::Restore)).await), BTreeSet::new());
    let there = prepare(&back, &primary, &asked(Goal::Activate)).await;
    assert_eq!(writes(&there), writes(&machine.plan(&back, &primary, Goal::Activate, true).await));
    machine.carry_out(&back, &primary, Goal::Activate, true).await;
    assert_eq!(active(&primary), originals, "what was never switched on there is remembered as it was before the restore");
}

/// What the simulator says is active, by kind and name.
pub(super) fn active(server: &Server) -> BTreeSet<String> {
    let mut active = BTreeSet::new();
    let mut ids: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for event in server.activations() {
        let name = format!("{} {}", event.kind, event.name);
        if event.on {
            ids.insert(event.id.clone(), name.clone());
            active.insert(name);
        } else if let Some(name) = ids.remove(&event.id) {
            active.remove(&name);
        }
    }
    active
}
