//! Two machines and one target: who may import, and what the second machine knows of the first.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::import::{connect, start};
use crate::process::{Stage, ended, names_in, signal, stage, until};
use lifeboat::berth::{self, Claimant, TakeError, Timing};
use lifeboat::simulator::{Seed, Server};
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::time::Duration;

/// The sample, bundled.
struct Bundled {
    _source: Stage,
    bundle: PathBuf,
}

async fn bundled() -> Bundled {
    let source = stage(Seed::Sample, "1111", 0).await;
    assert_eq!(source.run(&["export", "--unlimited", "-q", "-o", "b.tar.zst"]).status.code(), Some(3));
    let bundle = source.path("b.tar.zst");
    Bundled { _source: source, bundle }
}

impl Bundled {
    /// An import on a machine of this name: it has a state folder of its own.
    fn import(&self, target: &Stage, machine: &str, more: &[&str]) -> Command {
        let mut command = target.command(&["import", self.bundle.to_str().unwrap(), "--unlimited", "-q", "--yes"]);
        command.args(more).env("LIFEBOAT_STATE", target.path(machine)).env("HOSTNAME", machine);
        command
    }

    fn run(&self, target: &Stage, machine: &str, more: &[&str]) -> Output {
        self.import(target, machine, more).output().unwrap()
    }

    /// An import that is killed, or asked to stop, once it has written something.
    async fn struck(&self, target: &Stage, machine: &str, how: &str) -> String {
        let before = target.server.writes();
        let mut child: Child = self.import(target, machine, &[]).spawn().unwrap();
        assert!(until(&mut child, || target.server.writes(), before + 60).await, "it writes");
        signal(&child, how);
        ended(child).await.1
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What lies in the folder of imports.
async fn left(server: &Server) -> Vec<String> {
    let request = lifeboat::api::Request::get("test", "/api/2.0/workspace/list").query("path", berth::FOLDER);
    let listed = connect(server).call(&request).await.unwrap();
    let name = |one: &serde_json::Value| one["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    listed["objects"].as_array().into_iter().flatten().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_machines_that_import_at_once_the_second_is_refused() {
    let bundled = bundled().await;
    let (calm, target) = (stage(Seed::Prepared, "2222", 0).await, stage(Seed::Prepared, "2222", 2).await);
    assert_eq!(bundled.run(&calm, "one", &[]).status.code(), Some(3));
    let machines = ["one", "two", "three"].map(|machine| bundled.import(&target, machine, &[]).spawn().unwrap());
    let (mut done, mut refused) = (0, 0);
    for child in machines {
        match ended(child).await {
            (status, _) if status.code() == Some(3) => done += 1,
            (status, said) => {
                let told =
                    said.contains("another import into this workspace is under way") || said.contains("another import changed");
                assert!(status.code() == Some(5) && told, "{status} {said}");
                refused += 1;
            }
        }
    }
    assert_eq!((done, refused), (1, 2));
    assert_eq!(names_in(&target.server).await, names_in(&calm.server).await, "nothing is there twice");
    assert_eq!(left(&target.server).await, ["ids-1111-2222.json", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_on_one_machine_is_known_on_another_and_a_second_import_writes_nothing() {
    let bundled = bundled().await;
    let target = stage(Seed::Prepared, "2222", 0).await;
    let hopeless = ["--exclude", "job:on a cluster that is gone", "--exclude", "secret_scope:kv-northwind"];
    assert_eq!(bundled.run(&target, "one", &hopeless).status.code(), Some(3));
    let writes = target.server.writes();
    for machine in ["one", "two"] {
        assert_eq!(bundled.run(&target, machine, &hopeless).status.code(), Some(3));
        assert_eq!(target.server.writes(), writes, "{machine}");
    }
    let scripts = connect(&target.server);
    let list = lifeboat::api::Request::get("test", "/api/2.0/global-init-scripts");
    let script = scripts.call(&list).await.unwrap()["scripts"][0].clone();
    let path = format!("/api/2.0/global-init-scripts/{}", script["script_id"].as_str().unwrap());
    let whole = scripts.call(&lifeboat::api::Request::get("test", &path)).await.unwrap();
    let renamed = serde_json::json!({ "name": "renamed by somebody", "script": whole["script"] });
    scripts.call(&lifeboat::api::Request::patch("test", &path, renamed)).await.unwrap();
    assert_eq!(bundled.run(&target, "three", &hopeless).status.code(), Some(3));
    let count = scripts.call(&list).await.unwrap()["scripts"].as_array().unwrap().len();
    assert_eq!(count, 4, "the id map tells which one it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_dead_import_falls_to_its_own_machine_at_once_and_to_others_when_told() {
    let bundled = bundled().await;
    for breaks in [false, true] {
        let target = stage(Seed::Prepared, "2222", 2).await;
        bundled.struck(&target, "one", "KILL").await;
        assert!(left(&target.server).await.contains(&"lock".to_owned()));
        let other = bundled.run(&target, "two", &[]);
        assert!(other.status.code() == Some(5) && said(&other).contains("operator@northwind.example on one"), "{}", said(&other));
        assert!(said(&other).contains("--break-lock"), "{}", said(&other));
        let next = if breaks { bundled.run(&target, "two", &["--break-lock"]) } else { bundled.run(&target, "one", &[]) };
        assert_eq!(next.status.code(), Some(3), "{}", said(&next));
        assert_eq!(left(&target.server).await, ["ids-1111-2222.json", "last"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_asked_to_stop_gives_the_lock_back() {
    let bundled = bundled().await;
    let target = stage(Seed::Prepared, "2222", 2).await;
    let told = bundled.struck(&target, "one", "INT").await;
    assert!(told.contains("goes on"), "{told}");
    assert_eq!(left(&target.server).await, ["ids-1111-2222.json", "last"]);
    let other = bundled.run(&target, "two", &[]);
    assert_eq!(other.status.code(), Some(3), "{}", said(&other));
    let calm = stage(Seed::Prepared, "2222", 0).await;
    bundled.run(&calm, "one", &[]);
    assert_eq!(names_in(&target.server).await, names_in(&calm.server).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_lock_can_be_kept_an_import_says_so_and_goes_on() {
    let bundled = bundled().await;
    let target = stage(Seed::Prepared, "2222", 0).await;
    let mut denied = lifeboat::simulator::Fault {
        method: "POST".into(),
        path: "/api/2.0/workspace/mkdirs".into(),
        containing: Some(".lifeboat".into()),
        nth: 1,
        times: 0,
        percent: 100,
        draw: 0,
        after: false,
        action: lifeboat::simulator::Action::Status { status: 403, retry_after: None },
    };
    target.server.faults().add(denied.clone());
    denied.path = "/api/2.0/workspace/import".into();
    target.server.faults().add(denied);
    let done = bundled.run(&target, "one", &[]);
    assert!(done.status.code() == Some(3) && said(&done).contains("cannot keep a lock in /Shared/.lifeboat"), "{}", said(&done));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_leaves_out_what_imports_keep() {
    let bundled = bundled().await;
    let target = stage(Seed::Prepared, "2222", 0).await;
    bundled.run(&target, "one", &[]);
    target.run(&["export", "--unlimited", "-q", "-o", "again.tar.zst"]);
    let reader = lifeboat::bundle::Reader::open(&target.path("again.tar.zst")).unwrap();
    assert!(reader.manifest().members.iter().all(|member| !member.path.contains(".lifeboat")));
    let told = reader.manifest().gaps.iter().find(|gap| gap.path == "/Shared/.lifeboat/**").unwrap();
    assert_eq!(told.reason, "what imports into this workspace keep there");
}

const QUICK: Timing = Timing { beat: Duration::from_millis(600), silent: Duration::from_millis(1500) };

fn machine(name: &str) -> Claimant {
    Claimant { token: lifeboat::journal::made_up(), owner: "me".into(), host: name.into(), state: name.into(), alone: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_find_a_dead_lock_one_takes_over() {
    for round in 0..3 {
        let target = start(Seed::Empty, "2222").await;
        let workspace = connect(&target);
        let seen = berth::look(&workspace).await.unwrap();
        let mut dead = berth::take(&workspace, &seen, &machine("dead"), &QUICK, false).await.unwrap();
        tokio::time::sleep(QUICK.silent).await;
        let all = (0..6).map(|number| {
            let workspace = connect(&target);
            tokio::spawn(async move {
                let seen = berth::look(&workspace).await.unwrap();
                let mut hold = berth::take(&workspace, &seen, &machine(&format!("m{number}")), &QUICK, false).await?;
                for _ in 0..15 {
                    tokio::time::sleep(QUICK.beat / 6).await;
                    assert!(hold.renew(&workspace).await.unwrap(), "m{number} was succeeded although alive");
                }
                Ok::<_, TakeError>(hold)
            })
        });
        let mut holds = Vec::new();
        for one in all.collect::<Vec<_>>() {
            match one.await.unwrap() {
                Ok(hold) => holds.push(hold),
                Err(TakeError::Busy(_) | TakeError::Overtaken) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(holds.len(), 1, "round {round}");
        assert!(!dead.renew(&workspace).await.unwrap(), "whoever was succeeded learns of it");
        dead.release(&workspace, true).await.unwrap();
        assert!(holds[0].renew(&workspace).await.unwrap(), "and can do no harm");
        holds[0].release(&workspace, true).await.unwrap();
        assert_eq!(left(&target).await, ["last"], "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_who_gives_signs_of_life_is_not_succeeded_and_an_old_plan_not_carried_out() {
    let target = start(Seed::Empty, "2222").await;
    let workspace = connect(&target);
    let seen = berth::look(&workspace).await.unwrap();
    let mut hold = berth::take(&workspace, &seen, &machine("one"), &QUICK, false).await.unwrap();
    let other = {
        let workspace = workspace.clone();
        tokio::spawn(async move {
            tokio::time::sleep(QUICK.silent).await;
            let seen = berth::look(&workspace).await.unwrap();
            berth::take(&workspace, &seen, &machine("two"), &QUICK, false).await
        })
    };
    for _ in 0..10 {
        tokio::time::sleep(QUICK.beat).await;
        assert!(hold.renew(&workspace).await.unwrap());
    }
    assert!(matches!(other.await.unwrap(), Err(TakeError::Busy(holder)) if holder.host == "one"));
    hold.release(&workspace, true).await.unwrap();
    let late = berth::take(&workspace, &seen, &machine("two"), &QUICK, false).await;
    assert!(matches!(late, Err(TakeError::Overtaken)), "it was planned before the first one wrote");
    let seen = berth::look(&workspace).await.unwrap();
    assert!(berth::take(&workspace, &seen, &machine("two"), &QUICK, false).await.is_ok());
}
