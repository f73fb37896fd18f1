//! Every import leaves a sealed record and a page, however it ended; a drill keeps them as evidence.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use super::import::{Bundled, SOURCE, TARGET, bundle_of};
use lifeboat::simulator::{self, Seed, Server};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Stage {
    bundle: Bundled,
    target: Server,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new(latency: u64) -> Self {
        let options = simulator::Options {
            seed: Seed::Prepared,
            workspace_id: TARGET.into(),
            latency: Duration::from_millis(latency),
            ..simulator::Options::default()
        };
        let target = Server::start(options).await.unwrap();
        Self { bundle: bundle_of(Seed::Sample).await, target, folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path());
        command.env("LIFEBOAT_STATE", self.folder.path().join("state")).env("TMPDIR", std::env::temp_dir());
        command.env("DATABRICKS_HOST", self.target.url()).env("DATABRICKS_TOKEN", self.target.token());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn import(&self, more: &[&str]) -> Output {
        let bundle = self.bundle.path.to_str().unwrap();
        self.command(&[&["import", bundle, "--yes", "--unlimited", "--quiet"], more].concat()).output().unwrap()
    }

    fn receipts(&self, ending: &str) -> Vec<PathBuf> {
        files(&self.folder.path().join("state/receipts"), ending)
    }

    fn verify(&self, file: &Path) -> (Option<i32>, String) {
        let output = self.command(&["receipt", "verify", file.to_str().unwrap()]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|one| one == ending)).collect();
    files.sort();
    files
}

fn read(path: &Path) -> (String, Value) {
    let text = std::fs::read_to_string(path).unwrap();
    let value = serde_json::from_str(&text).unwrap_or_default();
    (text, value)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_leaves_a_sealed_record_and_a_page() {
    let stage = Stage::new(0).await;
    std::fs::write(stage.folder.path().join("west.yaml"), "maps:\n  zone: {a: b}\n").unwrap();
    let output = stage.import(&["--rules", "west.yaml"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{printed} {}", String::from_utf8_lossy(&output.stderr));
    let (records, pages) = (stage.receipts("json"), stage.receipts("html"));
    let ([record], [page]) = (records.as_slice(), pages.as_slice()) else { panic!("{records:?} {pages:?}") };
    assert!(printed.contains(&format!("receipt: {}", record.display())), "{printed}");
    assert!(printed.contains("show as they were meant") && printed.contains("left of the source:"), "{printed}");
    for file in [record, page] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(stage.verify(file).0, Some(0));
    }
    let (text, value) = read(record);
    assert_eq!((value["command"].as_str(), value["state"].as_str()), (Some("import"), Some("incomplete")));
    assert_eq!(
        (value["source"]["workspace_id"].as_str(), value["target"]["workspace_id"].as_str()),
        (Some(SOURCE), Some(TARGET))
    );
    assert_eq!(
        (value["target"]["user"].as_str(), value["rules"]["name"].as_str()),
        (Some("operator@northwind.example"), Some("west.yaml"))
    );
    let stages: Vec<&str> = value["stages"].as_array().unwrap().iter().filter_map(|stage| stage["stage"].as_str()).collect();
    assert_eq!(stages, ["inventory", "plan", "apply", "read back"]);
    let items = value["items"].as_array().unwrap();
    assert!(items.len() > 300 && items.iter().any(|item| item["verified"] == "yes" && item["target_id"].is_string()));
    assert!(value["leaks"].as_array().is_some_and(|leaks| !leaks.is_empty()) && value["ended"].is_string());
    let (html, _) = read(page);
    let canaries = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sample/canaries.txt")).unwrap();
    for secret in canaries.split_whitespace().filter(|word| word.contains("CANARY")).chain([stage.target.token()]) {
        assert!(!text.contains(secret) && !html.contains(secret), "{secret}");
    }
    assert!(html.contains(value["seal"]["sha256"].as_str().unwrap()) && html.contains("nightly settlement"));
    std::fs::write(record, text.replacen("operator@", "somebody@", 1)).unwrap();
    let (code, said) = stage.verify(record);
    assert!(code == Some(4) && said.contains("was changed"), "{said}");

    let output = stage.import(&["--rules", "west.yaml"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stage.receipts("json").len(), 2, "every import has one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_broken_off_says_how_far_it_came() {
    let stage = Stage::new(10).await;
    let bundle = stage.bundle.path.to_str().unwrap().to_owned();
    let broken = |signal: &str| {
        let mut child = stage.command(&["import", &bundle, "--yes", "--unlimited", "--quiet"]).spawn().unwrap();
        let (began, before) = (Instant::now(), stage.target.writes());
        while stage.target.writes() < before + 40 {
            assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_mins(1));
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = tokio::task::block_in_place(|| broken("INT"));
    let records = stage.receipts("json");
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert!(said.contains("interrupted") && said.contains(&record.display().to_string()), "{said}");
    let (_, value) = read(record);
    assert_eq!((value["state"].as_str(), value["reason"].as_str()), (Some("broken off"), Some("the import was asked to stop")));
    let items = value["items"].as_array().unwrap();
    let of = |state: &str| items.iter().filter(|item| item["state"] == state).count();
    assert!(of("created") > 5 && of("pending") > 50 && of("failed") == 0, "{:?}", value["counts"]);
    assert!(items.iter().all(|item| item["verified"].is_null()), "nothing was read back");
    assert_eq!((stage.verify(record).0, stage.receipts("html").len()), (Some(0), 1));

    tokio::task::block_in_place(|| broken("KILL"));
    let records = stage.receipts("json");
    let dead = records.iter().map(|path| read(path).1).find(|value| value["state"] == "under way").expect("it was there before");
    let journal = PathBuf::from(dead["journal"].as_str().unwrap());
    assert!(std::fs::read_to_string(journal).unwrap().contains("\"outcome\""), "the journal says how far it came");
    assert!(dead["items"].is_null() && dead["ended"].is_null());
    assert!(records.iter().all(|path| stage.verify(path).0 == Some(0)));

    assert_eq!(stage.import(&[]).status.code(), Some(3), "and the next goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_cannot_keep_a_record_writes_nothing() {
    let stage = Stage::new(0).await;
    std::fs::create_dir_all(stage.folder.path().join("state")).unwrap();
    std::fs::write(stage.folder.path().join("state/receipts"), "in the way").unwrap();
    let output = stage.import(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("cannot keep a receipt"), "{said}");
    assert_eq!(stage.target.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_keeps_its_evidence() {
    let stage = Stage::new(0).await;
    let output = stage.command(&["drill", "--quiet", "--evidence", "evidence"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let (records, pages) =
        (files(&stage.folder.path().join("evidence"), "json"), files(&stage.folder.path().join("evidence"), "html"));
    let ([record], [page]) = (records.as_slice(), pages.as_slice()) else { panic!("{records:?} {pages:?}") };
    let (_, value) = read(record);
    assert_eq!((value["command"].as_str(), value["drill"]["good"].as_bool()), (Some("drill"), Some(true)));
    assert!(read(page).0.contains("both workspaces compared anew: equal"));
    assert_eq!((stage.verify(record).0, stage.verify(page).0), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_receipt_is_told() {
    let stage = Stage::new(0).await;
    let path = stage.folder.path().join("x");
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(stage.verify(&path).0, Some(4));
    assert_eq!(stage.verify(Path::new("absent")).0, Some(1));
}
