//! Imports under rules into the embedded workspace: what arrives, what refers to it, and that a second import writes nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::import::{Bundled, TARGET, bundle_of, connect, everything, expected_trouble, homely, options, prepare, silent, start};
use lifeboat::bundle::Reader;
use lifeboat::import::{self, BundleContents, Receipt, State};
use lifeboat::journal::Journal;
use lifeboat::object::{Object, Selection};
use lifeboat::plan::Plan;
use lifeboat::restore::{self, Goal, RestoreError};
use lifeboat::rules::RuleSet;
use lifeboat::simulator::{Seed, Server};
use lifeboat::spool::Spool;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

const WEST: &str = r#"
extends: standby
maps:
  storage: {northwindlake.dfs.core.windows.net: northwindwest.dfs.core.windows.net}
  node_type: {Standard_DS3_v2: Standard_D4ds_v5}
inside: [notebook]
rules:
  - name: one-run
    why: the secondary is small
    for: {kind: job}
    clamp: {/max_concurrent_runs: {max: 1}}
    set: {/tags/region: west}
  - name: marked
    for: {kind: [job, group, secret_scope], except: {name: [admins, users]}}
    rename: {to: "{name} (dr)"}
  - name: scopes-keep-to-their-letters
    for: {kind: secret_scope}
    rename: {pattern: "^(.*) \\(dr\\)$", to: $1-dr}
  - name: archive
    move: {/Shared/Ingest: /Archive/2026/Ingest, "dbfs:/FileStore/samples": "dbfs:/FileStore/west"}
  - name: no-machine-learning
    for: {path: /Shared/ML}
    skip: true
"#;

fn with(rules: &str) -> restore::Options {
    restore::Options { rules: RuleSet::parse(rules).unwrap(), ..options() }
}

async fn apply(bundled: &Bundled, plan: &Plan, options: &restore::Options, target: &Server) -> Receipt {
    let reader = Reader::open(&bundled.path).unwrap();
    let contents = BundleContents::new(&reader, Spool::in_temp().unwrap()).editing(restore::editor(&reader, options));
    import::run(plan, &contents, &connect(target), &mut Journal::none(), &silent()).await.unwrap()
}

/// Imports, and imports again: the second time nothing may be written that the first could write.
async fn twice(bundled: &Bundled, options: &restore::Options, target: &Server) -> Receipt {
    let plan = prepare(bundled, target, options).await;
    let receipt = apply(bundled, &plan, options, target).await;
    let surprise = |item: &&import::Item| !item.state.is_there() && !item.unwanted && !expected_trouble(item);
    // What is expected goes under its new name.
    let gone = |item: &&import::Item| ["on a cluster that is gone", "kv-northwind"].iter().any(|name| item.key.contains(name));
    let surprises: Vec<_> = receipt.items.iter().filter(surprise).filter(|item| !gone(item)).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    let again = prepare(bundled, target, options).await;
    let there = |kind: &str, id: &str| receipt.of(kind, id).is_some_and(|item| item.state.is_there());
    let writes: Vec<_> =
        again.steps.iter().filter(|step| step.action.writes() && there(&step.source.kind, &step.source.id)).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    let before = target.writes();
    let second = apply(bundled, &again, options, target).await;
    assert!(second.items.iter().all(|item| !matches!(item.state, State::Created | State::Updated)), "{:?}", second.counts);
    assert!(target.writes() - before <= 2, "only what failed before is tried again");
    receipt
}

fn documents<'a>(objects: &'a [Object], kind: &'a str) -> impl Iterator<Item = (&'a Object, Cow<'a, Value>)> {
    objects.iter().filter(move |object| object.kind.name == kind).filter_map(|object| Some((object, object.document()?)))
}

fn there(objects: &[Object], kind: &str, id: &str) -> bool {
    objects.iter().any(|object| object.kind.name == kind && object.id == id)
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_carried_out_and_come_to_rest() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let options = with(WEST);
    let receipt = twice(&bundled, &options, &target).await;
    assert!(receipt.items.iter().any(|item| item.unwanted && item.reason.as_deref().unwrap().contains("no-machine-learning")));
    let objects = everything(&target).await;
    assert!(there(&objects, "notebook", "/Archive/2026/Ingest/Smart meters/load_readings"));
    assert!(!objects.iter().any(|object| object.id.starts_with("/Shared/Ingest") || object.id.starts_with("/Shared/ML/")));
    assert!(there(&objects, "directory", "/Archive/2026/Ingest/empty landing"));
    references(&objects);
    compare(&bundled, &options, &objects);
    target.stop().await;
}

/// Whatever refers to something that moved or has another name leads there.
fn references(objects: &[Object]) {
    let mut moved = 0;
    for (job, document) in documents(objects, "job").filter(|(job, _)| job.stamp().is_some()) {
        let settings = &document["settings"];
        assert!(job.key.ends_with(" (dr)") && settings["tags"]["region"] == "west", "{}", job.key);
        assert!(settings["max_concurrent_runs"].as_i64().unwrap_or(1) <= 1);
        assert!(!document.to_string().contains("/Shared/Ingest") && !document.to_string().contains("Standard_DS3_v2"));
        for task in settings["tasks"].as_array().into_iter().flatten() {
            let path = task["notebook_task"]["notebook_path"].as_str().filter(|path| path.starts_with("/Archive"));
            moved += u32::from(path.is_some());
            assert!(path.is_none_or(|path| there(objects, "notebook", path)), "{path:?}");
        }
    }
    assert_eq!(moved, 4, "jobs that ran notebooks in the folder that moved");
    for (cluster, document) in documents(objects, "cluster") {
        assert!(!document.to_string().contains("northwindlake"), "{} is on the old storage", cluster.key);
    }
    let groups: Vec<&str> = documents(objects, "group").map(|(group, _)| group.key.as_str()).collect();
    for (list, document) in documents(objects, "permissions") {
        for entry in document["access_control_list"].as_array().unwrap() {
            assert!(entry["group_name"].as_str().is_none_or(|name| groups.contains(&name)), "{}: {entry}", list.key);
        }
    }
    assert!(groups.contains(&"analysts (dr)") && groups.contains(&"admins"));
    assert!(there(objects, "secret_scope", "platform-dr"));
}

/// Every notebook and file of the bundle that was not left out is in the target, under its new path and with its new bytes.
fn compare(bundled: &Bundled, options: &restore::Options, objects: &[Object]) {
    let reader = Reader::open(&bundled.path).unwrap();
    let contents = lifeboat::audit::contents(&reader, &Selection::default()).unwrap();
    let applied = restore::ruled(&reader, &contents, &options.rules).unwrap();
    let bytes: BTreeMap<(&str, String), _> =
        objects.iter().filter_map(|object| Some(((object.kind.name, homely(&object.id)), object.body.digest()?))).collect();
    let mut changed = 0;
    for one in &applied.objects {
        let lifeboat::rules::Body::Content { len, sha256 } = one.body() else { continue };
        let found = bytes.get(&(one.kind().name, homely(one.id())));
        assert_eq!(found, Some(&(*len, *sha256)), "{}", one.source());
        changed += usize::from(one.changes().iter().any(|change| change.rule == "maps:storage"));
    }
    assert_eq!(changed, 2, "notebooks that name the storage");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_come_later_change_what_is_there() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    twice(&bundled, &options(), &target).await;
    let rules = "rules:\n  - name: one\n    for: {kind: job}\n    clamp: {/max_concurrent_runs: {max: 1}}\n";
    let receipt = twice(&bundled, &with(rules), &target).await;
    let updated: Vec<_> = receipt.items.iter().filter(|item| item.state == State::Updated).collect();
    assert!(!updated.is_empty() && updated.iter().all(|item| item.source.kind == "job"), "{updated:#?}");
    let objects = everything(&target).await;
    assert!(documents(&objects, "job").all(|(_, job)| job["settings"]["max_concurrent_runs"].as_i64().unwrap_or(1) <= 1));
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_sandbox_has_nobody_and_leads_nowhere() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let before = everything(&target).await;
    let options = restore::Options { rules: RuleSet::built_in("audit-sandbox").unwrap().unwrap(), ..options() };
    let receipt = twice(&bundled, &options, &target).await;
    assert!(receipt.counts["notebook"].keys().eq(["created"].iter()), "{:?}", receipt.counts["notebook"]);
    let objects = everything(&target).await;
    for kind in ["user", "group", "service_principal", "repo"] {
        assert_eq!(documents(&objects, kind).count(), documents(&before, kind).count(), "{kind}");
    }
    for (job, document) in documents(&objects, "job").chain(documents(&objects, "cluster")) {
        let text = document.to_string().replace("https://git.invalid/", "");
        assert!(!text.contains("://"), "{}: {text}", job.key);
        for word in ["schedule\"", "\"trigger", "\"continuous\"", "on_failure", "\"subscribers\"", "\"docker_image\""] {
            assert!(!text.contains(word), "{} has {word}: {text}", job.key);
        }
    }
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_runs_where_it_was_asked_to() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let rules = "extends: clone\nrules:\n  - name: live\n    for: {kind: job, name: nightly*}\n    activations: keep\n";
    twice(&bundled, &with(rules), &target).await;
    let objects = everything(&target).await;
    let active: Vec<&str> = documents(&objects, "job")
        .filter(|(_, document)| document.to_string().contains("UNPAUSED"))
        .map(|(job, _)| job.key.as_str())
        .collect();
    assert_eq!(active, ["nightly settlement"]);
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_do_not_fit_the_bundle_stop_everything() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let rules = "rules:\n  - name: on\n    for: {kind: job, name: nightly*}\n    set: {/schedule/pause_status: UNPAUSED, /trigger: {pause_status: UNPAUSED}}\n";
    let reader = Reader::open(&bundled.path).unwrap();
    let refused = restore::plan(&reader, &connect(&target), &with(rules), &silent()).await;
    let Err(error @ RestoreError::Rules(_)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("line 2: rule \"on\": job:nightly settlement: this would switch on `/trigger"), "{error}");
    assert_eq!(target.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_restored_under_rules_is_switched_on_under_them() {
    let bundled = bundle_of(Seed::Sample).await;
    let target = start(Seed::Prepared, TARGET).await;
    let options = with(WEST);
    twice(&bundled, &options, &target).await;
    let reader = Reader::open(&bundled.path).unwrap();
    let contents = lifeboat::audit::contents(&reader, &Selection::default()).unwrap();
    let applied = restore::ruled(&reader, &contents, &options.rules).unwrap();
    let was_active = |one: &&lifeboat::rules::Sanitized| one.kind().name == "job" && one.switched_off().next().is_some();
    let active: Vec<&str> = applied.objects.iter().filter(was_active).map(lifeboat::rules::Sanitized::key).collect();
    let on = restore::Options { goal: Goal::Activate, ..options.clone() };
    let plan = prepare(&bundled, &target, &on).await;
    let switched: Vec<&str> = plan
        .steps
        .iter()
        .filter(|step| step.source.kind == "job" && step.action.writes())
        .map(|step| step.key.as_str())
        .collect();
    assert!(switched.len() > 3 && switched.iter().all(|name| name.ends_with(" (dr)") && active.contains(name)), "{switched:?}");
    apply(&bundled, &plan, &on, &target).await;
    assert_eq!(prepare(&bundled, &target, &on).await.writes(), 0, "once is enough");
    let again = prepare(&bundled, &target, &options).await;
    let undone = again.steps.iter().filter(|step| step.action.writes() && switched.contains(&step.key.as_str()));
    assert_eq!(undone.count(), 0, "a second import leaves on what was switched on");
    target.stop().await;
}
