//! The nightly run, as a timer starts it: several workspaces, one of which fails, a status that outlives failures, metrics, alerts.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::api::mock::{Mock, Reply, json};
use crate::cli::{code, err, text};
use lifeboat::simulator::{Options, Seed, Server};
use serde_json::{Value, json as value};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

struct Night {
    home: tempfile::TempDir,
}

impl Night {
    /// A home with profiles for these workspaces, and one whose token is wrong.
    fn new(servers: &[(&str, &Server)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let profile = |name: &str, url: &str, token: &str| format!("[{name}]\nhost = {url}\ntoken = {token}\n");
        let mut profiles: String = servers.iter().map(|(name, server)| profile(name, &server.url(), server.token())).collect();
        profiles += &profile("wrong", &servers[0].1.url(), "not-the-token");
        std::fs::write(home.path().join(".databrickscfg"), profiles).unwrap();
        std::fs::create_dir(home.path().join("bundles")).unwrap();
        Self { home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn configure(&self, config: &str) {
        let folder = self.path(".config/lifeboat");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("lifeboat.yaml"), config.replace("HOME", text(self.home.path()))).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.arg("backup").args(arguments).env_clear().env("HOME", self.home.path()).stdin(Stdio::null());
        command
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(".local/state/lifeboat/backup.json")).unwrap()).unwrap()
    }

    fn bundles(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("bundles")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

async fn prepared(id: &str, latency: u64) -> Server {
    let latency = Duration::from_millis(latency);
    Server::start(Options {
        seed: Seed::Prepared,
        workspace_id: id.into(),
        token: Some("the-token".into()),
        latency,
        ..Options::default()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_workspace_that_fails_stops_no_other_and_everybody_is_told() {
    let server = prepared("1000000000000001", 0).await;
    let hook = Mock::start(|_, _| json(200, value!({}))).await;
    let night = Night::new(&[("good", &server)]);
    night.configure(&format!(
        "defaults: {{to: [HOME/bundles], include: [user, directory]}}
workspaces:
  - {{name: lost, profile: wrong}}
  - {{name: good, profile: good}}
metrics: HOME/lifeboat.prom
alerts:
  - {{webhook: '{}/secret-of-the-hook'}}
  - {{command: [tee, HOME/told.json], on: trouble}}
  - {{command: [tee, HOME/untold.json], on: success}}
  - {{command: [/no/such/program]}}
",
        hook.url
    ));
    let output = night.run(&["--log-format", "json"]);
    code(&output, 3);
    let lines: Vec<Value> = err(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let says = |level: &str, part: &str| {
        lines.iter().any(|line| line["level"] == level && line["message"].as_str().is_some_and(|text| text.contains(part)))
    };
    assert!(says("error", "lost: ") && says("warning", "cannot tell `/no/such/program`: "), "{lines:#?}");
    let status = night.status();
    assert_eq!(status["verdict"], "failed");
    let [lost, good] = status["workspaces"].as_array().unwrap().as_slice() else { panic!("{status}") };
    assert_eq!((&lost["verdict"], &lost["last_good"], &good["verdict"]), (&value!("failed"), &Value::Null, &value!("done")));
    assert!(lost["error"].as_str().unwrap().contains("401") && lost["hint"].is_string(), "{lost}");
    assert_eq!(night.bundles().len(), 1);
    assert!(night.bundles()[0].starts_with("good-"));
    let told: Value = serde_json::from_slice(&std::fs::read(night.path("told.json")).unwrap()).unwrap();
    assert_eq!((&told, night.path("untold.json").exists()), (&status, false));
    let seen = hook.seen();
    assert_eq!((seen.len(), serde_json::from_slice::<Value>(&seen[0].body).unwrap()), (1, status));
    assert!(!err(&output).contains("secret-of-the-hook"));
    let metrics = std::fs::read_to_string(night.path("lifeboat.prom")).unwrap();
    for line in ["lifeboat_backup_success{workspace=\"good\"} 1.0", "lifeboat_backup_failed{workspace=\"lost\"} 1.0"] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_night_does_not_forget_the_last_good_bundle() {
    let server = prepared("1000000000000001", 0).await;
    let night = Night::new(&[("good", &server)]);
    let config = |profile: &str, include: &str| {
        night.configure(&format!("workspaces: [{{name: w, profile: {profile}, to: [HOME/bundles], include: [{include}]}}]"));
    };
    config("good", "user, directory");
    code(&night.run(&[]), 0);
    let good = night.status()["workspaces"][0]["last_good"].clone();
    assert!(good["objects"].as_u64().unwrap() > 1, "{good}");
    config("wrong", "user, directory");
    let output = night.run(&[]);
    code(&output, 1);
    assert_eq!(night.status()["workspaces"][0]["last_good"], good);
    assert!(String::from_utf8_lossy(&output.stdout).contains("FAILED"));
    // The next second, so that the bundle gets another name.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    config("good", "user");
    let output = night.run(&[]);
    code(&output, 3);
    assert!(String::from_utf8_lossy(&output.stdout).contains("objects are left of the"), "a backup that shrank is told");
    assert_eq!(night.status()["workspaces"][0]["last_good"], good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_late_is_given_up_and_leaves_nothing() {
    let (slow, quick) = (prepared("1000000000000001", 400).await, prepared("2000000000000002", 0).await);
    let night = Night::new(&[("slow", &slow), ("quick", &quick)]);
    night.configure(
        "defaults: {to: [HOME/bundles]}\nworkspaces: [{name: slow, profile: slow}, {name: quick, profile: quick}]\ndeadline: 1s",
    );
    let output = night.run(&[]);
    code(&output, 1);
    assert_eq!(night.bundles(), [""; 0]);
    let status = night.status();
    let errors: Vec<&str> =
        status["workspaces"].as_array().unwrap().iter().map(|night| night["error"].as_str().unwrap()).collect();
    assert_eq!(errors, ["the deadline of the run came first", "not begun: the deadline of the run came first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_are_one_too_many() {
    let server = prepared("1000000000000001", 0).await;
    let night = Night::new(&[("good", &server)]);
    night.configure("workspaces: [{name: w, profile: good, to: [HOME/bundles], include: [user]}]");
    let state = night.path(".local/state/lifeboat");
    std::fs::create_dir_all(&state).unwrap();
    let held = std::fs::File::create(state.join("backup.lock")).unwrap();
    held.lock().unwrap();
    let output = night.run(&[]);
    code(&output, 5);
    assert!(err(&output).contains("another nightly run holds"), "{}", err(&output));
    assert_eq!((night.bundles(), server.requests().len()), (vec![], 0));
    held.unlock().unwrap();
    code(&night.run(&[]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_the_configuration_is_told_before_anything_is_done() {
    let server = prepared("1000000000000001", 0).await;
    let night = Night::new(&[("good", &server)]);
    let cases = [
        ("workspaces:\n  - nam: w\n", "line 2, column", 2),
        ("workspaces: [{name: w}]", "w: it needs `to`: where its bundles go", 2),
        ("workspaces: [{name: w, to: [HOME/bundles], include: [folder]}]", "w: cannot read the pattern \"folder\"", 2),
        ("workspaces: [{name: w, to: [HOME/bundles], level: 77}]", "w: invalid value '77' for '--level", 1),
    ];
    for (config, part, exit) in cases {
        night.configure(config);
        let output = night.run(&[]);
        code(&output, exit);
        assert!(err(&output).contains(part), "{}", err(&output));
    }
    night.configure("workspaces: [{name: w, profile: good, to: [HOME/bundles]}]");
    code(&night.run(&["--only", "other"]), 5);
    let output = night.run(&["--dry-run"]);
    code(&output, 0);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("w (profile good) to "), "{output:?}");
    assert_eq!((night.bundles(), server.requests().len()), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_night_carries_over_and_the_first_bundle_goes() {
    let server = prepared("1000000000000001", 0).await;
    let night = Night::new(&[("good", &server)]);
    let config = "workspaces: [{name: w, profile: good, to: [HOME/bundles], include: [notebook, directory], keep: {last: 1}}]";
    night.configure(config);
    code(&night.run(&[]), 0);
    let first = night.bundles();
    let one = server.requests().len();
    // The next second, so that the bundle gets another name.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let output = night.run(&["--json"]);
    code(&output, 0);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (second, removed) = (night.bundles(), &status["workspaces"][0]["removed"]);
    assert!(second.len() == 1 && second != first, "{second:?}");
    assert!(removed[0].as_str().unwrap().ends_with(&first[0]) && removed.as_array().unwrap().len() == 1, "{removed}");
    assert!(server.requests().len() - one <= one);
    night.configure(
        &config.replace("keep:", "recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p], keep:"),
    );
    tokio::time::sleep(Duration::from_millis(1100)).await;
    code(&night.run(&[]), 0);
    let third = night.bundles();
    assert!(third.len() == 2 && third[0].ends_with(".tar.zst.age"), "{third:?}");
    assert_eq!(third[1], format!("{}.record.json", third[0]), "nobody here can open it, so its record stands for it");
}

/// An answer of a store that speaks like S3 and holds one bundle.
fn listing(size: usize) -> Reply {
    let entry = format!(
        "<Contents><Key>nights/w-20260101T000000Z.tar.zst</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag><Size>{size}</Size></Contents>"
    );
    let text = format!("<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>1</KeyCount>{entry}</ListBucketResult>");
    Reply::Whole(200, vec![("content-type", "application/xml".into())], text.into_bytes())
}

fn of_store<'a>(command: &'a mut Command, store: &Mock) -> &'a mut Command {
    let keys =
        [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_REGION", "us-east-1"), ("AWS_ALLOW_HTTP", "true")];
    command.envs(keys).env("AWS_ENDPOINT_URL", &store.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_look_at_an_earlier_bundle_too() {
    let server = prepared("1000000000000001", 0).await;
    // A store that tells of a bundle, and then says nothing more.
    let store = Mock::start(|seen, _| if seen.query("list-type").is_some() { listing(9_000_000) } else { Reply::Hang }).await;
    let night = Night::new(&[("good", &server)]);
    night.configure("workspaces: [{name: w, profile: good, to: ['s3://bucket/nights'], include: [user]}]\ndeadline: 2s");
    let began = std::time::Instant::now();
    let output = of_store(&mut night.command(&[]), &store).output().unwrap();
    code(&output, 1);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(night.status()["workspaces"][0]["error"], "the deadline of the run came first");
    let listed: Vec<_> = store.seen().into_iter().filter(|seen| seen.query("list-type").is_some()).collect();
    assert!(listed.iter().all(|seen| seen.query("delimiter").is_some()), "what lies deeper is not listed: {listed:#?}");
    assert!(store.seen().iter().any(|seen| seen.path().ends_with("w-20260101T000000Z.tar.zst")), "it was being looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_listed_is_told_and_everything_is_read() {
    let server = prepared("1000000000000001", 0).await;
    let forbidden = "<Error><Code>AccessDenied</Code><Message>no list for you</Message></Error>";
    let store = Mock::start(move |_, _| Reply::Whole(403, vec![], forbidden.into())).await;
    let night = Night::new(&[("good", &server)]);
    night.configure("workspaces: [{name: w, profile: good, to: [HOME/bundles, 's3://bucket/nights'], include: [user]}]");
    let output = of_store(&mut night.command(&[]), &store).output().unwrap();
    code(&output, 3);
    let told = err(&output);
    assert!(
        told.contains("cannot look for earlier bundles in s3://bucket/nights: ") && told.contains("everything is read"),
        "{told}"
    );
    assert_eq!(night.bundles().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_folder_of_the_new_bundle_is_looked_into() {
    let server = prepared("1000000000000001", 0).await;
    let night = Night::new(&[("good", &server)]);
    night
        .configure("workspaces: [{name: w, profile: good, to: [HOME/bundles], include: [notebook, directory], keep: {last: 1}}]");
    code(&night.run(&[]), 0);
    let aside = night.path("bundles/put-aside");
    std::fs::create_dir(&aside).unwrap();
    let first = night.bundles().remove(1);
    std::fs::rename(night.path("bundles").join(&first), aside.join(&first)).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let output = night.run(&["--json"]);
    code(&output, 0);
    assert!(err(&output).contains("there is no earlier bundle"), "{}", err(&output));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&status["workspaces"][0]["removed"], aside.join(&first).exists()),
        (&value!([]), true),
        "what was put aside stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_to_be_missing_does_not_spoil_a_night_and_is_told() {
    let seed = Seed::Generated { notebooks: 12, folders: 2, jobs: 1, seed: 1 };
    let server = Server::start(Options { seed, token: Some("the-token".into()), ..Options::default() }).await.unwrap();
    let night = Night::new(&[("good", &server)]);
    let config = |more: &str| {
        night.configure(&format!(
            "workspaces: [{{name: w, profile: good, to: [HOME/bundles], include: [notebook, directory]{more}}}]\nmetrics: HOME/lifeboat.prom"
        ));
    };
    config("");
    code(&night.run(&[]), 0);
    let name = night.bundles().remove(0);
    let reader = lifeboat::bundle::Reader::open(&night.path("bundles").join(name)).unwrap();
    let lost = reader.manifest().members.iter().find(|one| &*one.kind == "notebook").unwrap().path.to_string();
    // Nobody can read it any more, and what was carried over before is not known in the second night.
    let last = lost.rsplit('/').next().unwrap().to_owned();
    server.faults().on("GET /api/2.0/workspace/export").containing(&last).times(0).error(403, "PERMISSION_DENIED", "nobody");
    let accept =
        format!(", since: none, accept: [{{what: 'notebook:{lost}', why: broken since 2023}}, {{what: 'file:/Shared/none'}}]");
    for (more, exit) in [(", since: none", 3), (accept.as_str(), 0)] {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        config(more);
        let output = night.run(&[]);
        code(&output, exit);
        let (said, status) = (String::from_utf8_lossy(&output.stdout).into_owned(), night.status());
        let result = &status["workspaces"][0]["result"];
        assert_eq!(result["objects"]["missing"], 1, "counted as what it is: {status}");
        assert!(err(&output).contains("missing notebook"), "{}", err(&output));
        let metrics = std::fs::read_to_string(night.path("lifeboat.prom")).unwrap();
        let good = &status["workspaces"][0]["last_good"]["bundles"][0];
        let is_newest = good.as_str().unwrap().ends_with(night.bundles().last().unwrap());
        if exit == 3 {
            assert!(
                result["accepted"] == 0 && !is_newest && metrics.contains("lifeboat_backup_success{workspace=\"w\"} 0.0"),
                "{status}"
            );
            continue;
        }
        assert!(is_newest && result["accepted"] == 1, "{status}");
        assert_eq!(
            result["accepts"][0],
            value!({ "what": format!("notebook:{lost}"), "why": "broken since 2023", "objects": 1 })
        );
        for line in ["lifeboat_backup_accepted{workspace=\"w\"} 1.0", "lifeboat_backup_accepted_stale{workspace=\"w\"} 1.0"] {
            assert!(metrics.contains(line), "{metrics}");
        }
        assert!(said.contains("accepted as `notebook:") && said.contains("(broken since 2023)"), "{said}");
        assert!(said.contains("nothing is missing any more that `accept` calls `file:/Shared/none`"), "{said}");
    }
    // Whoever looks at the bundle sees what is missing, and retention that it was taken.
    let listed =
        Command::new(env!("CARGO_BIN_EXE_lifeboat")).args(["bundles", "--json"]).arg(night.path("bundles")).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let of = |at: usize| (&listed["bundles"][at]["missing"], &listed["bundles"][at]["accepted"]);
    assert_eq!((of(1), of(2)), ((&value!(1), &value!(0)), (&value!(1), &value!(1))));
    let plan = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
        .args(["prune", "--keep-last", "1", "--dry-run", "--json"])
        .arg(night.path("bundles"))
        .output()
        .unwrap();
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert!(plan["bundles"][0]["reasons"].to_string().contains("newest complete"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_was_read_back_is_noted_as_that() {
    let server = prepared("1000000000000001", 0).await;
    let night = Night::new(&[("good", &server)]);
    std::fs::create_dir(night.path("second")).unwrap();
    for (to, look, notes) in [("HOME/bundles", "ends", 0), ("HOME/bundles", "full", 1), ("HOME/bundles, HOME/second", "full", 2)]
    {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        night.configure(&format!("workspaces: [{{name: w, profile: good, to: [{to}], include: [user], verify: {look}}}]"));
        code(&night.run(&[]), 0);
        let noted = |name: &str| {
            let names =
                std::fs::read_dir(night.path(name)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.contains(".tar.zst.verified-")).count()
        };
        assert_eq!((noted("bundles"), noted("second")), (notes, notes / 2), "{to}: {look}");
    }
}
