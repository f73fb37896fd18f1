//! A survey of the embedded workspace.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use lifeboat::api::{Config, Options, Workspace};
use lifeboat::event::{Observer, Silent};
use lifeboat::simulator;
use lifeboat::spool::Spool;
use lifeboat::survey::{self, Found, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn every_listed_object_comes_out_once() {
    let options = simulator::Options { seed: simulator::Seed::Sample, ..simulator::Options::default() };
    let server = simulator::Server::start(options).await.unwrap();
    let config = Config::with_host_and_token(&server.url(), server.token());
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let workspace = Workspace::new(config, Options::default().lift_rates(), observer.clone()).unwrap();
    let spool = Spool::in_temp().unwrap();
    let (sink, mut found) = tokio::sync::mpsc::channel(64);
    let scope = Scope::default();
    let reading = survey::read(&workspace, &scope, &spool, &observer, sink);
    let counting = async {
        let mut count: BTreeMap<&'static str, u64> = BTreeMap::new();
        while let Some(one) = found.recv().await {
            let kind = match one {
                Found::Object(object) => object.kind.name,
                Found::Gap(gap) => gap.kind,
            };
            *count.entry(kind).or_default() += 1;
        }
        count
    };
    let (listed, count) = tokio::join!(reading, counting);
    let mut listed = listed.unwrap();
    listed.retain(|_, number| *number > 0);
    assert_eq!(listed, count);
    assert!(count["notebook"] > 0 && count["user"] > 0, "{count:?}");
    server.stop().await;
}

/// What a survey finds, in an order of its own, and what it asked for.
async fn found_with(workers: usize, server: &simulator::Server) -> (Vec<String>, Vec<String>) {
    let before = server.requests().len();
    let config = Config::with_host_and_token(&server.url(), server.token());
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let workspace = Workspace::new(config, Options::default().lift_rates(), observer.clone()).unwrap();
    let (sink, mut found) = tokio::sync::mpsc::channel(64);
    let (scope, spool) = (Scope { workers, ..Scope::default() }, Spool::in_temp().unwrap());
    let reading = survey::read(&workspace, &scope, &spool, &observer, sink);
    let collecting = async {
        let mut all = Vec::new();
        while let Some(one) = found.recv().await {
            all.push(match one {
                Found::Object(object) => format!("{} {}", object.kind.name, object.id),
                Found::Gap(gap) => format!("{} {}: {}", gap.kind, gap.path, gap.reason),
            });
        }
        all.sort();
        all
    };
    let (listed, all) = tokio::join!(reading, collecting);
    listed.unwrap();
    let mut asked: Vec<String> = server.requests()[before..].iter().map(|request| format!("{request:?}")).collect();
    asked.retain(|request| request.contains("dbfs"));
    (all, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_referred_to_are_found_alike_whatever_comes_first() {
    let options = simulator::Options { seed: simulator::Seed::Empty, ..simulator::Options::default() };
    let server = simulator::Server::start(options).await.unwrap();
    let post = async |path: &str, body: serde_json::Value| {
        let request = reqwest::Client::new().post(format!("{}{path}", server.url())).bearer_auth(server.token());
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    };
    for path in ["/databricks/lonely.py", "/databricks/driver.log", "/FileStore/a.py", "/elsewhere/b.py"] {
        post("/api/2.0/dbfs/put", serde_json::json!({"path": path, "contents": "eA=="})).await;
    }
    let cluster = serde_json::json!({"spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_DS3_v2", "num_workers": 1});
    for path in ["/databricks/lonely.py", "/FileStore/a.py", "/elsewhere/b.py", "/gone.py", "/gone.py"] {
        let script = serde_json::json!({"python_file": format!("dbfs:{path}")});
        let task = serde_json::json!({"task_key": "t", "spark_python_task": script, "new_cluster": cluster});
        post("/api/2.1/jobs/create", serde_json::json!({"name": "j", "tasks": [task]})).await;
    }
    let (found, asked) = found_with(1, &server).await;
    let files: Vec<&str> = found.iter().filter_map(|one| one.strip_prefix("dbfs_file ")).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for path in ["/databricks/lonely.py", "/FileStore/a.py", "/elsewhere/b.py"] {
        assert!(files.contains(&path), "{path} is referred to: {files:?}");
    }
    assert!(files.iter().any(|file| file.starts_with("/databricks/driver.log: outside")), "{files:?}");
    assert!(files.iter().any(|file| file.starts_with("/gone.py: not there")), "{files:?}");
    for workers in [2, 3, 8, 16, 64] {
        let (again, asked_again) = found_with(workers, &server).await;
        assert_eq!((again, asked_again.len()), (found.clone(), asked.len()), "{workers} workers");
    }
    assert!(
        !asked.iter().any(|request| request.contains("get-status") && request.contains("a.py")),
        "a listing shows it: {asked:?}"
    );
    server.stop().await;
}
