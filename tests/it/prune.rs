//! Deleting what an import made and the bundle does not hold any more, and nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::again::{named, notebook, post, reset, writes};
use crate::conflicts::Pair;
use crate::import::{bundle_from, bundle_within, everything, ids, options, prepare};
use lifeboat::import::State;
use lifeboat::object::{Object, Selection};
use lifeboat::plan::{Action, Plan, Prune, Recipe};
use lifeboat::restore;
use lifeboat::rules::Conflicts;
use lifeboat::simulator::{self, Server};
use lifeboat::survey::Scope;
use serde_json::{Value, json};

/// A notebook that no job runs.
const NOTEBOOK: &str = "/Shared/lone";

fn pruning() -> Recipe {
    Recipe { prune: Some(Prune::Some), ..Recipe::default() }
}

/// The sample with one notebook more, and its restore.
async fn pair() -> Pair {
    let pair = Pair::set().await;
    post(&pair.source, "/api/2.0/workspace/import", notebook(NOTEBOOK, "# Databricks notebook source\n")).await;
    pair.import(&bundle_from(&pair.source).await, &Recipe::default()).await;
    pair
}

fn id(objects: &[Object], kind: &str, key: &str) -> Value {
    let object = named(objects, kind, key);
    let document = object.document().unwrap();
    document.get("job_id").or_else(|| document.get("cluster_id")).cloned().unwrap()
}

async fn delete_job(server: &Server, name: &str) {
    let id = id(&everything(server).await, "job", name);
    post(server, "/api/2.2/jobs/delete", json!({ "job_id": id })).await;
}

async fn delete_path(server: &Server, path: &str) {
    post(server, "/api/2.0/workspace/delete", json!({ "path": path, "recursive": true })).await;
}

async fn delete_cluster(server: &Server, name: &str) {
    let body = json!({ "cluster_id": id(&everything(server).await, "cluster", name) });
    post(server, "/api/2.1/clusters/unpin", body.clone()).await;
    post(server, "/api/2.1/clusters/permanent-delete", body).await;
}

/// Why a candidate stays.
fn why(plan: &Plan, key: &str) -> String {
    let step = plan.steps.iter().find(|step| step.key == key && matches!(step.action, Action::Skip { .. })).unwrap();
    if let Action::Skip { reason } = &step.action { reason.clone() } else { String::new() }
}

fn deletes(plan: &Plan) -> Vec<String> {
    writes(plan).into_iter().filter(|write| write.starts_with("delete ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_lost_goes_and_what_people_made_stays() {
    let pair = pair().await;
    post(&pair.target, "/api/2.2/jobs/create", json!({"name": "quarter end", "tasks": []})).await;
    post(&pair.target, "/api/2.0/workspace/import", notebook("/Shared/mine", "# Databricks notebook source\n")).await;
    delete_job(&pair.source, "quarter end").await;
    delete_path(&pair.source, NOTEBOOK).await;
    delete_cluster(&pair.source, "orphan of a policy").await;
    let bundled = bundle_from(&pair.source).await;
    assert_eq!(deletes(&pair.plan(&bundled, &Recipe::default()).await), [""; 0], "nothing without being asked");
    let plan = pair.plan(&bundled, &pruning()).await;
    let expected = ["delete cluster orphan of a policy", "delete job quarter end", &format!("delete notebook {NOTEBOOK}")];
    assert_eq!(writes(&plan), expected);
    let receipt = pair.carry_out(&bundled, &plan).await;
    assert_eq!(
        (receipt.count(State::Deleted), receipt.count(State::Failed)),
        (3, 0),
        "{:#?}",
        receipt.items.iter().filter(|item| item.state == State::Failed).collect::<Vec<_>>()
    );
    let after = everything(&pair.target).await;
    assert_eq!(
        (ids(&after, "job")["quarter end"], ids(&after, "notebook").get(NOTEBOOK)),
        (1, None),
        "the other job of that name is not ours"
    );
    assert!(ids(&after, "notebook").contains_key("/Shared/mine") && !ids(&after, "cluster").contains_key("orphan of a policy"));
    assert_eq!(writes(&pair.plan(&bundled, &pruning()).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_after_what_was_in_it_and_only_if_it_is_empty() {
    let pair = Pair::set().await;
    for path in ["/Shared/old", "/Shared/kept"] {
        post(&pair.source, "/api/2.0/workspace/mkdirs", json!({ "path": path })).await;
        post(&pair.source, "/api/2.0/workspace/import", notebook(&format!("{path}/n"), "# Databricks notebook source\n")).await;
    }
    pair.import(&bundle_from(&pair.source).await, &Recipe::default()).await;
    post(&pair.target, "/api/2.0/workspace/import", notebook("/Shared/kept/mine", "# Databricks notebook source\n")).await;
    delete_path(&pair.source, "/Shared/old").await;
    delete_path(&pair.source, "/Shared/kept").await;
    let bundled = bundle_from(&pair.source).await;
    let receipt = pair.import(&bundled, &pruning()).await;
    assert_eq!(receipt.count(State::Deleted), 3, "{:?}", receipt.counts);
    let kept = receipt.of("directory", "/Shared/kept").unwrap();
    assert!(kept.state == State::Skipped && kept.reason.as_deref().unwrap().contains("no import made"), "{kept:?}");
    let after = everything(&pair.target).await;
    assert!(ids(&after, "notebook").contains_key("/Shared/kept/mine") && !ids(&after, "directory").contains_key("/Shared/old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_or_changed_by_people_stays() {
    let pair = Pair::set().await;
    let there = everything(&pair.target).await;
    let task = json!({"task_key": "a", "existing_cluster_id": id(&there, "cluster", "orphan of a policy"), "notebook_task": {"notebook_path": "/Shared/mine"}});
    post(&pair.target, "/api/2.2/jobs/create", json!({"name": "theirs", "tasks": [task]})).await;
    post(
        &pair.target,
        "/api/2.2/jobs/reset",
        reset(named(&there, "job", "quarter end"), |settings| settings["timeout_seconds"] = json!(9)),
    )
    .await;
    delete_cluster(&pair.source, "orphan of a policy").await;
    delete_job(&pair.source, "quarter end").await;
    let bundled = bundle_from(&pair.source).await;
    let theirs = pair.plan(&bundled, &Recipe { conflicts: Some(Conflicts::Theirs), ..pruning() }).await;
    assert_eq!(deletes(&theirs), [""; 0]);
    assert!(why(&theirs, "quarter end").ends_with("it stays: people changed it here"), "{}", why(&theirs, "quarter end"));
    assert!(why(&theirs, "orphan of a policy").contains("job:theirs"), "{}", why(&theirs, "orphan of a policy"));
    let ask = pair.plan(&bundled, &Recipe { conflicts: Some(Conflicts::Ask), ..pruning() }).await;
    assert_eq!(ask.questions().map(|step| step.key.as_str()).collect::<Vec<_>>(), ["quarter end"]);
    assert_eq!(deletes(&pair.plan(&bundled, &pruning()).await), ["delete job quarter end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_only_what_is_stamped_goes() {
    let pair = pair().await;
    delete_job(&pair.source, "quarter end").await;
    delete_path(&pair.source, NOTEBOOK).await;
    let bundled = bundle_from(&pair.source).await;
    let elsewhere = restore::Options { recipe: pruning(), ..options() };
    assert_eq!(deletes(&prepare(&bundled, &pair.target, &elsewhere).await), ["delete job quarter end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_may_lack_something_deletes_nothing_of_it() {
    let pair = pair().await;
    delete_job(&pair.source, "quarter end").await;
    delete_path(&pair.source, NOTEBOOK).await;
    pair.source.faults().on("GET /api/2.2/jobs/list").times(0).error(403, "PERMISSION_DENIED", "not you");
    let plan = pair.plan(&bundle_from(&pair.source).await, &pruning()).await;
    assert_eq!(deletes(&plan), [format!("delete notebook {NOTEBOOK}")], "jobs could not be listed");
    assert!(why(&plan, "nightly settlement").contains("the bundle may not hold all jobs"));
    pair.source.faults().clear();
    let only_some = Recipe { include: vec!["cluster".into()], ..pruning() };
    let bundled = bundle_from(&pair.source).await;
    assert_eq!(deletes(&pair.plan(&bundled, &only_some).await), [""; 0], "what was not asked for stays");
    assert_eq!(deletes(&pair.plan(&bundled, &pruning()).await).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_part_deletes_nothing() {
    let pair = pair().await;
    delete_path(&pair.source, NOTEBOOK).await;
    let selection = Selection::new(&[], &["job:quarter end".to_owned()]).unwrap();
    let plan = pair.plan(&bundle_within(&pair.source, Scope { selection, ..Scope::default() }).await, &pruning()).await;
    assert_eq!(deletes(&plan), [""; 0]);
    assert!(why(&plan, NOTEBOOK).contains("it was exported with a selection"), "{}", why(&plan, NOTEBOOK));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_somebody_who_may_not_see_all_deletes_nothing() {
    let pair = pair().await;
    delete_path(&pair.source, NOTEBOOK).await;
    let guest = json!({"userName": "guest@northwind.example", "groups": []});
    let me = pair.source.faults().on("GET /api/2.0/preview/scim/v2/Me");
    me.times(0).action(simulator::Action::Json { status: 200, body: guest });
    let plan = pair.plan(&bundle_from(&pair.source).await, &pruning()).await;
    assert_eq!(deletes(&plan), [""; 0]);
    assert!(why(&plan, NOTEBOOK).contains("it was not exported by an admin"), "{}", why(&plan, NOTEBOOK));
    pair.source.faults().clear();
    assert_eq!(deletes(&pair.plan(&bundle_from(&pair.source).await, &pruning()).await), [format!("delete notebook {NOTEBOOK}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_lost_most_of_itself_does_not_wipe_the_target() {
    let pair = Pair::set().await;
    let before = everything(&pair.source).await;
    for job in before.iter().filter(|object| object.kind.name == "job") {
        post(&pair.source, "/api/2.2/jobs/delete", json!({ "job_id": job.document().unwrap()["job_id"] })).await;
    }
    let bundled = bundle_from(&pair.source).await;
    let plan = pair.plan(&bundled, &pruning()).await;
    assert_eq!(deletes(&plan), [""; 0]);
    assert!(why(&plan, "ping").contains("would go at once, and `--prune=all` is not given"), "{}", why(&plan, "ping"));
    let all = pair.plan(&bundled, &Recipe { prune: Some(Prune::All), ..Recipe::default() }).await;
    assert!(deletes(&all).len() > 20);
}
