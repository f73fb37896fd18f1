//! The program as a process: signals, kills, closed pipes, names that are taken; exit codes and JSON under all of these.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use lifeboat::api::{Config, Options, Workspace};
use lifeboat::bundle::Reader;
use lifeboat::event::Silent;
use lifeboat::restore;
use lifeboat::simulator::{self, Seed, Server};
use lifeboat::survey::Scope;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A workspace, and a folder for all that the program writes.
pub(super) struct Stage {
    pub(super) server: Server,
    folder: tempfile::TempDir,
}

pub(super) async fn stage(seed: Seed, id: &str, latency: u64) -> Stage {
    let latency = Duration::from_millis(latency);
    stage_with(simulator::Options { seed, workspace_id: id.into(), latency, ..simulator::Options::default() }).await
}

pub(super) async fn stage_with(options: simulator::Options) -> Stage {
    Stage { server: Server::start(options).await.unwrap(), folder: tempfile::tempdir().unwrap() }
}

impl Stage {
    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("HOME", self.path("home"));
        command.env("LIFEBOAT_STATE", self.path("state")).env("TMPDIR", std::env::temp_dir());
        command.env("DATABRICKS_HOST", self.server.url()).env("DATABRICKS_TOKEN", self.server.token());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(super) fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap().success());
}

/// Waits until so many requests came; `false` if the program ended before.
pub(super) async fn until(child: &mut Child, count: impl Fn() -> u64, wanted: u64) -> bool {
    let began = Instant::now();
    while count() < wanted {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "the program stands still");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    true
}

pub(super) async fn ended(mut child: Child) -> (ExitStatus, String) {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(30), "the program does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let output = child.wait_with_output().unwrap();
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_asked_to_stop_leaves_nothing() {
    let stage = stage(Seed::Generated { notebooks: 300, folders: 20, jobs: 20, seed: 1 }, "1", 20).await;
    for name in ["INT", "TERM"] {
        let seen = stage.server.requests().len() as u64;
        let mut child = stage.command(&["export", "--unlimited", "-o", "b.tar.zst"]).spawn().unwrap();
        assert!(until(&mut child, || stage.server.requests().len() as u64, seen + 60).await, "{name} came too late");
        assert!(stage.names().iter().any(|name| name.ends_with(".partial")), "it is under way");
        signal(&child, name);
        let (status, said) = ended(child).await;
        assert_eq!(status.code(), Some(1), "{name}: {said}");
        assert!(said.contains("interrupted"), "{name}: {said}");
        assert_eq!(stage.names(), [""; 0], "{name}");
    }
    let mut child = stage.command(&["export", "--unlimited", "-o", "b.tar.zst"]).spawn().unwrap();
    let seen = stage.server.requests().len() as u64;
    assert!(until(&mut child, || stage.server.requests().len() as u64, seen + 60).await);
    signal(&child, "KILL");
    let (status, _) = ended(child).await;
    assert_eq!((status.signal(), stage.names().len()), (Some(9), 1), "a kill leaves a temporary file");
    let done = stage.run(&["export", "--unlimited", "-o", "b.tar.zst"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(stage.names(), ["b.tar.zst"], "the next run sweeps it");
}

/// How many objects of each kind go by each name.
pub(super) async fn names_in(server: &Server) -> BTreeMap<(String, String), u64> {
    let observer: Arc<dyn lifeboat::event::Observer> = Arc::new(Silent);
    let config = Config::with_host_and_token(&server.url(), server.token());
    let workspace = Workspace::new(config, Options::default().lift_rates(), observer.clone()).unwrap();
    let gathered = restore::gather(&workspace, &Scope::default(), &observer).await.unwrap();
    let mut names = BTreeMap::new();
    for object in gathered.objects {
        *names.entry((object.kind.name.to_owned(), object.key)).or_default() += 1;
    }
    names
}

/// Numbers that jump about, the same in each run.
fn next(state: &mut u64, most: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    1 + (*state >> 33) % most
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_may_be_killed_at_any_write_and_goes_on() {
    const KILLS: usize = 30;
    let source = stage(Seed::Sample, "1111", 0).await;
    assert_eq!(source.run(&["export", "--unlimited", "-q", "-o", "b.tar.zst"]).status.code(), Some(3));
    let bundle = source.path("b.tar.zst");
    let arguments = ["import", bundle.to_str().unwrap(), "--unlimited", "-q", "--yes"];
    // The latency leaves time for a signal to come between two writes, on a busy machine too.
    let (calm, target) = (stage(Seed::Prepared, "2222", 0).await, stage(Seed::Prepared, "2222", 10).await);
    assert_eq!(calm.run(&arguments).status.code(), Some(3));
    let (mut state, mut killed, mut told) = (7, 0, 0);
    while killed < KILLS {
        let before = target.server.writes();
        let mut child = target.command(&arguments).spawn().unwrap();
        let point = before + next(&mut state, 9);
        if !until(&mut child, || target.server.writes(), point).await {
            break;
        }
        signal(&child, if killed % 5 == 4 { "TERM" } else { "KILL" });
        let (status, said) = ended(child).await;
        if status.code() == Some(3) {
            break; // It was done before the signal came.
        }
        // What an earlier run had under way may count late, and the signal come before the program listens to it.
        let in_order = status.code() == Some(1) && said.contains("interrupted");
        assert!(in_order || matches!(status.signal(), Some(9 | 15)), "{status} {said}");
        (killed, told) = (killed + 1, told + usize::from(in_order));
    }
    assert!(killed >= KILLS * 2 / 3 && told > 0, "only {killed} kills came in time, {told} of them were told");
    assert_eq!(target.run(&arguments).status.code(), Some(3));
    let (expected, found) = (names_in(&calm.server).await, names_in(&target.server).await);
    let differ: Vec<_> = expected.iter().filter(|(name, count)| found.get(*name) != Some(*count)).collect();
    let more: Vec<_> = found.iter().filter(|(name, _)| !expected.contains_key(*name)).collect();
    assert!(differ.is_empty() && more.is_empty(), "differ: {differ:#?}, too many: {more:#?}");
    private(&target.path("state"), 0o700);
    for entry in walkdir::WalkDir::new(target.path("state")).min_depth(1).into_iter().map(Result::unwrap) {
        private(entry.path(), if entry.file_type().is_dir() { 0o700 } else { 0o600 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_imports_at_once_are_one_too_many() {
    let (source, target) = (stage(Seed::Sample, "1111", 0).await, stage(Seed::Prepared, "2222", 5).await);
    assert_eq!(source.run(&["export", "--unlimited", "-q", "-o", "b.tar.zst"]).status.code(), Some(3));
    let bundle = source.path("b.tar.zst");
    let arguments = ["import", bundle.to_str().unwrap(), "--unlimited", "-q", "--yes"];
    let mut first = target.command(&arguments).spawn().unwrap();
    assert!(until(&mut first, || target.server.writes(), 1).await, "it writes");
    let second = target.run(&arguments);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(5) && said.contains("another import into this workspace is under way"), "{said}");
    let look = target.run(&["import", bundle.to_str().unwrap(), "--unlimited", "-q", "--plan-only"]);
    assert_eq!(look.status.code(), Some(0), "looking is free");
    assert_eq!(ended(first).await.0.code(), Some(3));
}

fn private(path: &Path, mode: u32) {
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_json_hold_in_every_failure() {
    let stage = stage(Seed::Sample, "1111", 0).await;
    assert_eq!(stage.run(&["export", "--unlimited", "-q", "-o", "b.tar.zst", "--json"]).status.code(), Some(3));
    let members = Reader::open(&stage.path("b.tar.zst")).unwrap().manifest().members.len();
    assert!(members > 100);
    std::fs::create_dir(stage.path("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", stage.path("dangling")).unwrap();
    let whole = std::fs::read(stage.path("b.tar.zst")).unwrap();
    std::fs::write(stage.path("cut"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(stage.path("text"), b"hello").unwrap();
    let cases: &[(i32, &[&str])] = &[
        (5, &["export", "-o", "b.tar.zst"]),
        (5, &["export", "-o", "folder"]),
        (5, &["export", "-o", "dangling"]),
        (1, &["export", "-o", "no/such/folder"]),
        (2, &["export", "--include", "job:["]),
        (2, &["export", "--nonsense"]),
        (3, &["verify", "b.tar.zst"]),
        (4, &["verify", "cut"]),
        (4, &["verify", "text"]),
        (1, &["verify", "absent"]),
        (0, &["list", "b.tar.zst"]),
        (1, &["list", "text"]),
        (0, &["show", "b.tar.zst", "/Shared"]),
        (1, &["show", "b.tar.zst", "nothing of the sort"]),
        (0, &["extract", "b.tar.zst", "-o", "unpacked"]),
        (5, &["extract", "b.tar.zst", "-o", "unpacked"]),
        (1, &["extract", "b.tar.zst", "-o", "b.tar.zst"]),
        (3, &["extract", "b.tar.zst", "-o", "none", "--include", "job:nowhere"]),
        (1, &["show", "cut", "/Shared"]),
        (5, &["drill", "cut"]),
        (2, &["import", "b.tar.zst", "--plan-only", "--report", "report.json"]),
        (5, &["import", "cut", "--yes"]),
        (5, &["import", "b.tar.zst", "--yes"]),
        (5, &["import", "b.tar.zst", "--allow-same-workspace", "--unlimited"]),
        (5, &["import", "b.tar.zst", "--allow-same-workspace", "--unlimited", "--yes", "--rules", "audit-sandbox"]),
        (1, &["import", "b.tar.zst", "--yes", "--allow-same-workspace", "--unlimited", "--report", "no/such/report"]),
        (0, &["import", "b.tar.zst", "--allow-same-workspace", "--unlimited", "--plan-only", "-o", "plan.json"]),
        (0, &["kinds"]),
        (0, &["rules"]),
    ];
    for (code, arguments) in cases {
        let output = stage.run(&[&["--json", "--quiet"], *arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
        for line in text.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{arguments:?}: {line}");
        }
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if *code == 1 || *code == 5 {
            let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
            assert_eq!(last["exit_code"], *code, "{arguments:?}: {told}");
        }
        assert!(!told.contains("panicked") && !told.contains(stage.server.token()), "{told}");
    }
    private(&stage.path("plan.json"), 0o600);
    assert!(!stage.names().iter().any(|name| name.ends_with(".partial")), "{:?}", stage.names());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_hides_no_finding() {
    let stage = stage(Seed::Empty, "1", 0).await;
    std::fs::write(stage.path("text"), b"hello").unwrap();
    let mut child = stage.command(&["verify", "text"]).spawn().unwrap();
    drop(child.stdout.take());
    let (status, said) = ended(child).await;
    assert_eq!(status.code(), Some(4), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_read_enough_may_go() {
    let stage = stage(Seed::Generated { notebooks: 3000, folders: 20, jobs: 20, seed: 1 }, "1", 0).await;
    assert!(stage.run(&["export", "--unlimited", "-q", "-o", "b.tar.zst"]).status.success());
    for arguments in [&["list", "--long", "b.tar.zst"][..], &["--json", "list", "b.tar.zst"], &["show", "b.tar.zst", "job/1"]] {
        let mut child = stage.command(arguments).spawn().unwrap();
        drop(child.stdout.take());
        let (status, said) = ended(child).await;
        let fits = status.code() == Some(0) || arguments[0] == "show" && status.code() == Some(1);
        assert!(fits && !said.contains("panicked"), "{arguments:?}: {status} {said}");
    }
}

/// One export under conditions of its own: what stands in the file must not depend on them.
struct Place {
    zone: &'static str,
    locale: &'static str,
    umask: &'static str,
    threads: &'static str,
    workers: &'static str,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_gives_the_same_bytes_everywhere() {
    let stage = stage(Seed::Sample, "1", 0).await;
    let places = [
        Place { zone: "UTC", locale: "C", umask: "077", threads: "1", workers: "1" },
        Place { zone: "Asia/Kolkata", locale: "tr_TR.UTF-8", umask: "000", threads: "2", workers: "2" },
        Place { zone: "America/St_Johns", locale: "de_DE.ISO-8859-1", umask: "022", threads: "16", workers: "4" },
        Place { zone: "Pacific/Kiritimati", locale: "ja_JP.UTF-8", umask: "027", threads: "3", workers: "8" },
        Place { zone: "no such zone", locale: "POSIX", umask: "177", threads: "5", workers: "3" },
    ];
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let target = stage.path(&format!("{number}.tar.zst"));
        let program = env!("CARGO_BIN_EXE_lifeboat");
        let plain = stage.command(&[]);
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "umask $0 && exec \"$@\"",
            place.umask,
            program,
            "export",
            "--unlimited",
            "--threads",
            place.threads,
        ]);
        command.arg("-o").arg(&target).env_clear().envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.env("TZ", place.zone).env("LC_ALL", place.locale).env("LANG", place.locale);
        command.env("TOKIO_WORKER_THREADS", place.workers).env("SOURCE_DATE_EPOCH", "1787364000");
        let output = command.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {}", place.zone, String::from_utf8_lossy(&output.stderr));
        private(&target, 0o600);
        seen.push(std::fs::read(target).unwrap());
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "the bytes depend on where the export runs");
}
