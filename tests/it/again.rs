//! Second imports: the source went on, and people changed the target in the meantime.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::import::{SOURCE, TARGET, apply, bundle_from, connect, everything, ids, options, prepare, start};
use lifeboat::api::{Method, Request};
use lifeboat::import::State;
use lifeboat::journal::Journal;
use lifeboat::object::Object;
use lifeboat::plan::Plan;
use lifeboat::simulator::{Seed, Server};
use serde_json::{Value, json};

pub(super) async fn call(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let request = Request { body: Some(body), ..Request::new(method, "test", path) };
    connect(server).call(&request).await.unwrap()
}

pub(super) async fn post(server: &Server, path: &str, body: Value) {
    call(server, Method::Post, path, body).await;
}

pub(super) fn named<'a>(objects: &'a [Object], kind: &str, key: &str) -> &'a Object {
    objects.iter().find(|object| object.kind.name == kind && object.key == key).unwrap()
}

/// The settings of a job, changed, as a reset wants them.
pub(super) fn reset(job: &Object, change: impl Fn(&mut Value)) -> Value {
    let document = job.document().unwrap();
    let mut settings = document["settings"].clone();
    change(&mut settings);
    json!({ "job_id": document["job_id"], "new_settings": settings })
}

pub(super) fn notebook(path: &str, text: &str) -> Value {
    let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    json!({ "path": path, "format": "SOURCE", "language": "PYTHON", "overwrite": true, "content": content })
}

/// What a plan writes.
pub(super) fn writes(plan: &Plan) -> Vec<String> {
    let writing = plan.steps.iter().filter(|step| step.action.writes());
    let mut writes: Vec<_> = writing.map(|step| format!("{} {} {}", step.action.name(), step.source.kind, step.key)).collect();
    writes.sort();
    writes
}

/// The sample, and a target into which it was restored.
async fn restored() -> (Server, Server) {
    let source = start(Seed::Sample, SOURCE).await;
    let bundled = bundle_from(&source).await;
    let target = start(Seed::Prepared, TARGET).await;
    let planned = prepare(&bundled, &target, &options()).await;
    apply(&bundled, &planned, &target, &mut Journal::none()).await;
    (source, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_the_next_night_brings_what_changed_and_deletes_nothing() {
    let (source, target) = restored().await;
    let before = everything(&source).await;
    let job = named(&before, "job", "nightly settlement");
    post(&source, "/api/2.2/jobs/reset", reset(job, |settings| settings["timeout_seconds"] = json!(77))).await;
    post(
        &source,
        "/api/2.2/jobs/reset",
        reset(named(&before, "job", "dbt gold"), |settings| settings["name"] = json!("dbt platinum")),
    )
    .await;
    post(&source, "/api/2.2/jobs/delete", json!({ "job_id": named(&before, "job", "ping").document().unwrap()["job_id"] })).await;
    let path = "/Shared/Ingest/Smart meters/load_readings";
    post(&source, "/api/2.0/workspace/import", notebook(path, "# Databricks notebook source\nprint('new')\n")).await;
    let id = named(&before, "directory", "/Shared/ML").meta.get("object_id").unwrap();
    let acl = json!({"access_control_list": [{"group_name": "analysts", "permission_level": "CAN_RUN"}]});
    call(&source, Method::Put, &format!("/api/2.0/permissions/directories/{id}"), acl).await;
    let bundled = bundle_from(&source).await;
    let planned = prepare(&bundled, &target, &options()).await;
    assert_eq!(
        writes(&planned),
        [
            "attach permissions directory:/Shared/ML",
            "update job dbt platinum",
            "update job nightly settlement",
            &format!("update notebook {path}"),
        ]
    );
    let receipt = apply(&bundled, &planned, &target, &mut Journal::none()).await;
    assert_eq!(receipt.count(State::Failed), 0);
    let after = everything(&target).await;
    assert!(!named(&after, "job", "nightly settlement").document().unwrap().to_string().contains("UNPAUSED"));
    assert_eq!((ids(&after, "job").get("ping"), ids(&after, "job").get("dbt gold")), (Some(&1), None));
    assert_eq!(writes(&prepare(&bundled, &target, &options()).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_did_in_the_target_is_brought_back_or_left_and_never_doubled() {
    let (source, target) = restored().await;
    let bundled = bundle_from(&source).await;
    let there = everything(&target).await;
    let nightly = named(&there, "job", "nightly settlement");
    post(&target, "/api/2.2/jobs/reset", reset(nightly, |settings| settings["schedule"]["pause_status"] = json!("UNPAUSED")))
        .await;
    post(
        &target,
        "/api/2.2/jobs/reset",
        reset(named(&there, "job", "per region"), |settings| settings["name"] = json!("mine now")),
    )
    .await;
    post(&target, "/api/2.2/jobs/delete", json!({ "job_id": named(&there, "job", "pooled").document().unwrap()["job_id"] }))
        .await;
    let copied = reset(named(&there, "job", "dbt gold"), |_| {})["new_settings"].clone();
    post(&target, "/api/2.2/jobs/create", copied).await;
    let shared = named(&there, "cluster", "shared autoscale").document().unwrap();
    post(&target, "/api/2.1/clusters/start", json!({ "cluster_id": shared["cluster_id"] })).await;
    let planned = prepare(&bundled, &target, &options()).await;
    apply(&bundled, &planned, &target, &mut Journal::none()).await;
    let after = everything(&target).await;
    assert!(named(&after, "job", "nightly settlement").document().unwrap().to_string().contains("UNPAUSED"), "it stays on");
    let counts = ids(&after, "job");
    assert_eq!((counts.get("per region"), counts.get("mine now")), (Some(&1), None), "the mark tells which one it is");
    assert_eq!(
        (counts["pooled"], counts["dbt gold"]),
        (1, 2),
        "what was deleted comes back, what was copied is not copied again"
    );
}

/// A job as the workspace shows it, secrets and all.
async fn shown(server: &Server, name: &str) -> Value {
    let objects = everything(server).await;
    let id = named(&objects, "job", name).document().unwrap()["job_id"].to_string();
    connect(server).call(&Request::get("test", "/api/2.2/jobs/get").query("job_id", id)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_somebody_set_in_the_target_survives_an_update() {
    const JOB: &str = "nightly settlement";
    let token = |job: &Value| job["settings"]["job_clusters"][0]["new_cluster"]["spark_env_vars"]["LAKE_TOKEN"].clone();
    let (source, target) = restored().await;
    let mut job = shown(&target, JOB).await;
    assert_eq!(token(&job), Value::Null, "the bundle does not hold it");
    job["settings"]["job_clusters"][0]["new_cluster"]["spark_env_vars"] = json!({ "LAKE_TOKEN": "set by hand" });
    post(&target, "/api/2.2/jobs/reset", json!({ "job_id": job["job_id"], "new_settings": job["settings"] })).await;
    let changed = json!({ "job_id": shown(&source, JOB).await["job_id"], "new_settings": { "timeout_seconds": 77 } });
    post(&source, "/api/2.2/jobs/update", changed).await;

    let bundled = bundle_from(&source).await;
    let planned = prepare(&bundled, &target, &options()).await;
    assert_eq!(writes(&planned), [format!("update job {JOB}")]);
    assert!(!planned.to_json().unwrap().contains("set by hand"), "a plan holds no secret");
    let receipt = apply(&bundled, &planned, &target, &mut Journal::none()).await;
    let job = shown(&target, JOB).await;
    assert_eq!((token(&job), &job["settings"]["timeout_seconds"]), (json!("set by hand"), &json!(77)));
    let told = |todo: &lifeboat::plan::Todo| todo.text.contains("LAKE_TOKEN");
    assert!(!receipt.todos.iter().any(told), "what is set is nobody's work any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_changes_before_what_it_governs() {
    let (source, target) = (start(Seed::Empty, SOURCE).await, start(Seed::Empty, TARGET).await);
    let definition = |minutes: i64| json!({ "autotermination_minutes": { "type": "fixed", "value": minutes } }).to_string();
    let policy =
        call(&source, Method::Post, "/api/2.0/policies/clusters/create", json!({ "name": "p", "definition": definition(60) }))
            .await;
    let id = &policy["policy_id"];
    let spec =
        json!({ "spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1, "policy_id": id });
    let mut cluster = spec.clone();
    cluster["cluster_name"] = json!("c");
    let made = call(&source, Method::Post, "/api/2.1/clusters/create", cluster.clone()).await;
    let tasks = |minutes: i64| {
        let mut spec = spec.clone();
        spec["autotermination_minutes"] = json!(minutes);
        json!([{ "task_key": "t", "new_cluster": spec, "spark_jar_task": { "main_class_name": "M" } }])
    };
    let job = call(&source, Method::Post, "/api/2.2/jobs/create", json!({ "name": "j", "tasks": tasks(60) })).await;
    let bundled = bundle_from(&source).await;
    apply(&bundled, &prepare(&bundled, &target, &options()).await, &target, &mut Journal::none()).await;

    everything(&source).await;
    post(&source, "/api/2.0/policies/clusters/edit", json!({ "policy_id": id, "name": "p", "definition": definition(30) })).await;
    cluster["cluster_id"] = made["cluster_id"].clone();
    cluster["autotermination_minutes"] = json!(30);
    post(&source, "/api/2.1/clusters/edit", cluster).await;
    post(&source, "/api/2.2/jobs/update", json!({ "job_id": job["job_id"], "new_settings": { "tasks": tasks(30) } })).await;
    let bundled = bundle_from(&source).await;
    everything(&target).await;
    let planned = prepare(&bundled, &target, &options()).await;
    assert_eq!(writes(&planned), ["update cluster c", "update cluster_policy p", "update job j"]);
    target.faults().on("POST /api/2.0/policies/clusters/edit").action(lifeboat::simulator::Action::Delay(300));
    let receipt = apply(&bundled, &planned, &target, &mut Journal::none()).await;
    assert_eq!((receipt.count(State::Failed), receipt.count(State::Updated)), (0, 3), "{:#?}", receipt.items);
}
