//! What is the same object as what: after lost answers, kills, under names that repeat, from two sources.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use super::*;
use lifeboat::bundle::Reader;
use lifeboat::import::State;
use lifeboat::journal;
use lifeboat::spool::Sha;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_504_after_the_create_made_a_duplicate_job() {
    let pair = pair().await;
    let id = make_job(&pair.source, job("nightly")).await;
    pair.target.faults().on("POST /api/2.2/jobs/create").after_handler().status(504);
    let receipt = pair.restore_whole().await;
    assert_eq!(pair.target.faults().struck(), 1);
    let objects = everything(&pair.target).await;
    let tag = &one(&objects, "job", "nightly")["settings"]["tags"]["lifeboat_source"];
    assert_eq!(*tag, format!("{SOURCE}/{id}"), "found by its stamp");
    assert_eq!(item(&receipt, "job", "nightly").state, State::Created);
}

/// The program as a process, with a state folder of its own.
struct Program<'a> {
    folder: &'a Path,
    target: &'a Server,
    bundle: &'a Path,
}

impl Program<'_> {
    fn import(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(["import", "--yes"]).arg(self.bundle).current_dir(self.folder).env_clear();
        command.env("HOME", self.folder).env("LIFEBOAT_STATE", self.folder.join("state")).env("TMPDIR", std::env::temp_dir());
        command.env("DATABRICKS_HOST", self.target.url()).env("DATABRICKS_TOKEN", self.target.token());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self) -> Output {
        self.import().output().unwrap()
    }

    /// The lines of the journals that name a kind.
    fn journal(&self, kind: &str) -> Vec<Value> {
        let files = std::fs::read_dir(self.folder.join("state")).unwrap().map(|file| file.unwrap().path());
        let texts = files.filter(|file| file.extension().is_some_and(|end| end == "jsonl")).map(std::fs::read_to_string);
        let lines: Vec<Value> = texts
            .flat_map(|text| text.unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect();
        lines.into_iter().filter(|line| line["object"]["kind"] == kind).collect()
    }
}

/// Kills a process as a machine that loses its power would, once the target has a job of this name.
async fn kill_once_there(mut child: Child, target: &Server, name: &str) {
    let began = Instant::now();
    while get(target, "/api/2.2/jobs/list", &[("name", name)]).await["jobs"].as_array().is_none_or(Vec::is_empty) {
        assert!(began.elapsed() < Duration::from_mins(1) && child.try_wait().unwrap().is_none(), "the job was never made");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_answer_and_the_log_made_a_duplicate_and_lost_the_map() {
    let pair = pair().await;
    let id = make_job(&pair.source, job("nightly")).await;
    let (bundled, folder) = (bundle_from(&pair.source).await, tempfile::tempdir().unwrap());
    let program = Program { folder: folder.path(), target: &pair.target, bundle: &bundled.path };
    pair.target.faults().on("POST /api/2.2/jobs/create").after_handler().action(lifeboat::simulator::Action::Delay(600_000));
    kill_once_there(program.import().spawn().unwrap(), &pair.target, "nightly").await;
    pair.target.faults().clear();
    let lines = program.journal("job");
    assert!(lines.len() == 1 && lines[0]["t"] == "intent", "killed between the success and the note of it: {lines:?}");

    let again = program.run();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let objects = everything(&pair.target).await;
    let there = one(&objects, "job", "nightly")["job_id"].clone();
    // Found by its stamp, so there was nothing to write; a third run still knows it when the stamp is gone.
    post(&pair.target, "/api/2.2/jobs/update", json!({ "job_id": there, "new_settings": { "timeout_seconds": 5 } })).await;
    assert!(program.run().status.success());
    let known = journal::known(&folder.path().join("state"), TARGET, SOURCE).unwrap();
    let made = known.iter().find(|(object, _)| object.kind == "job").unwrap();
    assert_eq!((made.0.id.clone(), made.1.clone()), (id.to_string(), there.to_string()));
    assert_eq!(all(&everything(&pair.target).await, "job", "nightly").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_and_two_clusters_of_one_name_became_one() {
    let pair = pair().await;
    for workers in [2, 7] {
        let cluster = make_cluster(&pair.source, json!({ "cluster_name": "twin", "num_workers": workers })).await;
        let task = json!({ "task_key": "main", "existing_cluster_id": cluster, "spark_jar_task": { "main_class_name": "M" } });
        make_job(&pair.source, json!({ "name": "settle", "timeout_seconds": workers, "tasks": [task] })).await;
    }
    pair.restore_whole().await;
    let objects = everything(&pair.target).await;
    assert_eq!((all(&objects, "job", "settle").len(), all(&objects, "cluster", "twin").len()), (2, 2));
    for job in all(&objects, "job", "settle") {
        let id = &job["settings"]["tasks"][0]["existing_cluster_id"];
        let cluster = all(&objects, "cluster", "twin").into_iter().find(|cluster| cluster["cluster_id"] == *id).unwrap();
        assert_eq!(cluster["num_workers"], job["settings"]["timeout_seconds"], "each job on the cluster that was its own");
    }
}

/// A workspace with a job, a cluster and a notebook under names that every team uses.
async fn team(id: &str, workers: u64) -> Server {
    let server = workspace(Seed::Empty, id).await;
    let cluster = make_cluster(&server, json!({ "cluster_name": "shared", "num_workers": workers })).await;
    let task = json!({ "task_key": "main", "existing_cluster_id": cluster, "spark_jar_task": { "main_class_name": "M" } });
    make_job(&server, json!({ "name": "nightly", "timeout_seconds": workers, "tasks": [task] })).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_two_workspaces_were_mixed() {
    let (first, second, target) =
        (team(SOURCE, 2).await, team("4444444444444444", 7).await, workspace(Seed::Empty, TARGET).await);
    let (one_bundle, other_bundle) = (bundle_from(&first).await, bundle_from(&second).await);
    let state = tempfile::tempdir().unwrap();
    for bundled in [&one_bundle, &other_bundle] {
        let options = restore::Options { journals: Some(state.path().to_owned()), ..options() };
        let plan = prepare(bundled, &target, &options).await;
        let mut journal = Journal::open(state.path(), TARGET, &plan.source.workspace_id, &plan.source.digest).unwrap();
        let receipt = apply(bundled, &plan, &target, &mut journal).await;
        assert_eq!((receipt.counts["job"]["created"], receipt.counts["cluster"]["created"]), (1, 1), "{:?}", receipt.counts);
    }
    let objects = everything(&target).await;
    for job in all(&objects, "job", "nightly") {
        let id = &job["settings"]["tasks"][0]["existing_cluster_id"];
        let cluster = all(&objects, "cluster", "shared").into_iter().find(|cluster| cluster["cluster_id"] == *id).unwrap();
        assert_eq!(cluster["num_workers"], job["settings"]["timeout_seconds"], "nobody uses what came from the other workspace");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_for_one_bundle_was_carried_out_with_another() {
    let (first, second, target) =
        (team(SOURCE, 2).await, team("4444444444444444", 7).await, workspace(Seed::Empty, TARGET).await);
    let (one_bundle, other_bundle) = (bundle_from(&first).await, bundle_from(&second).await);
    let folder = tempfile::tempdir().unwrap();
    let import = |bundle: &Path| Program { folder: folder.path(), target: &target, bundle }.import();
    let mut planning = import(&one_bundle.path);
    assert!(planning.args(["--plan-only", "-o", "plan.json"]).output().unwrap().status.success());
    let refused = import(&other_bundle.path).args(["--plan", "plan.json"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(5), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another bundle"));
    assert_eq!(target.writes(), 0);
    let digest = |bundled: &Bundled| -> Sha { Reader::open(&bundled.path).unwrap().manifest().sha256 };
    assert_ne!(digest(&one_bundle), digest(&other_bundle));
}
