//! The ready deployment files, as far as they can be tried without the systems that they are for.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use lifeboat::backup::Config;
use lifeboat::simulator::{Options, Seed, Server};
use serde_json::Value;
use std::path::Path;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)).unwrap()
}

fn yaml(name: &str) -> Value {
    lifeboat::yaml::read(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_files_are_read_and_call_the_program_as_it_is() {
    let job = yaml("kubernetes/cronjob.yaml");
    assert_eq!(
        (&job["spec"]["concurrencyPolicy"], &job["spec"]["jobTemplate"]["spec"]["backoffLimit"]),
        (&"Forbid".into(), &0.into())
    );
    let app = yaml("azure/job.yaml");
    assert_eq!(app["properties"]["template"]["containers"][0]["args"][0], "backup");
    let steps = yaml("github/backup.yml")["jobs"]["backup"]["steps"].clone();
    let run =
        steps.as_array().unwrap().iter().find(|step| step["name"] == "Back up").unwrap()["run"].as_str().unwrap().to_owned();
    let written = run.split("printf '").nth(1).unwrap().split("' >").next().unwrap().replace("\\n", "\n");
    Config::parse(&written).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_is_taken_by_a_workspace_and_arrives_paused() {
    let options = Options { seed: Seed::Prepared, workspace_id: "1000000000000001".into(), ..Options::default() };
    let server = Server::start(options).await.unwrap();
    let client = lifeboat::api::outside_client(None).unwrap();
    let answer = client.post(format!("{}/api/2.2/jobs/create", server.url())).bearer_auth(server.token());
    let answer = answer.body(file("databricks/job.json")).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{text}");
    let id = serde_json::from_str::<Value>(&text).unwrap()["job_id"].clone();
    let got = client.get(format!("{}/api/2.2/jobs/get?job_id={id}", server.url())).bearer_auth(server.token());
    let job: Value = serde_json::from_str(&got.send().await.unwrap().text().await.unwrap()).unwrap();
    let sent: Value = serde_json::from_str(&file("databricks/job.json")).unwrap();
    assert_eq!(
        (&job["settings"]["schedule"], &job["settings"]["tasks"][0]["task_key"]),
        (&sent["schedule"], &sent["tasks"][0]["task_key"])
    );
}
