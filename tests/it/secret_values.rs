//! Values of secrets: from every source into an encrypted bundle and out of it into a workspace, and into nothing else on the way.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::again::post;
use crate::cli::{code, err, text};
use crate::import::connect;
use crate::process::{Stage, ended, signal, stage_with};
use age::secrecy::ExposeSecret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lifeboat::api::Request;
use lifeboat::simulator::{Action, Fault, Options, Seed, Server};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::time::{Duration, Instant};

const TEXT: &[u8] = b"CANARY-text pass\"word";
const BINARY: &[u8] = b"\x00\xffCANARY-binary\n\x80";

async fn workspace(seed: Seed, id: &str) -> Stage {
    stage_with(Options { seed, workspace_id: id.into(), readable_secrets: true, ..Options::default() }).await
}

/// A workspace with two scopes, in one of which are a text and bytes.
async fn small(id: &str) -> Stage {
    let stage = workspace(Seed::Empty, id).await;
    for scope in ["etl", "other"] {
        post(&stage.server, "/api/2.0/secrets/scopes/create", json!({ "scope": scope })).await;
    }
    put(&stage.server, "etl", "text", TEXT).await;
    put(&stage.server, "etl", "dir/bytes", BINARY).await;
    put(&stage.server, "other", "text", b"CANARY-other").await;
    stage
}

async fn put(server: &Server, scope: &str, key: &str, value: &[u8]) {
    let body = json!({ "scope": scope, "key": key, "bytes_value": STANDARD.encode(value) });
    post(server, "/api/2.0/secrets/put", body).await;
}

async fn get(server: &Server, scope: &str, key: &str) -> Vec<u8> {
    let request = Request::get("test", "/api/2.0/secrets/get").query("scope", scope).query("key", key);
    STANDARD.decode(connect(server).call(&request).await.unwrap()["value"].as_str().unwrap()).unwrap()
}

/// An identity in a file, and its recipient.
fn keys(stage: &Stage) -> (String, String) {
    let (path, identity) = (stage.path("identity"), age::x25519::Identity::generate());
    std::fs::write(&path, identity.to_string().expose_secret()).unwrap();
    (text(&path).to_owned(), identity.to_public().to_string())
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{} {}", out(output), err(output)))
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// In clear, in base64, in hex: whatever a program might write.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let hex = lifeboat::bundle::hex(value);
    let escaped = Value::from(String::from_utf8_lossy(value)).to_string();
    let escaped = escaped.trim_matches('"').as_bytes().to_vec();
    vec![value.to_vec(), STANDARD.encode(value).into_bytes(), hex.to_uppercase().into_bytes(), hex.into_bytes(), escaped]
}

#[track_caller]
fn assert_clean(place: &str, bytes: &[u8], values: &[Vec<u8>]) {
    for value in values {
        for form in forms(value) {
            assert!(!has(bytes, &form), "{place} holds {:?}", String::from_utf8_lossy(&form));
        }
    }
    assert!(!has(bytes, b"CANARY-"), "{place}");
}

/// Every file below these folders.
fn files(folders: &[&Path]) -> Vec<(String, Vec<u8>)> {
    let entries = folders.iter().flat_map(walkdir::WalkDir::new).map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    entries.map(|entry| (entry.path().display().to_string(), std::fs::read(entry.path()).unwrap())).collect()
}

fn values_in_sample() -> Vec<(String, String, Vec<u8>)> {
    let sample: Value = serde_json::from_str(include_str!("../../fixtures/sample/secrets.json")).unwrap();
    let of = |scope: &Value| {
        let name = scope["name"].as_str().unwrap().to_owned();
        let pair =
            |(key, pair): (&String, &Value)| (name.clone(), key.clone(), STANDARD.decode(pair[0].as_str().unwrap()).unwrap());
        scope["secrets"].as_object().into_iter().flatten().map(pair).collect::<Vec<_>>()
    };
    sample.as_object().unwrap().values().flat_map(of).collect()
}

/// The whole road twice over, with everything that is said and written looked through.
#[tokio::test(flavor = "multi_thread")]
async fn values_reach_the_other_workspace_and_nothing_else() {
    let (source, target) = (workspace(Seed::Sample, "1111").await, workspace(Seed::Prepared, "2222").await);
    let (identity, recipient) = keys(&source);
    let temporary = source.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut said = Vec::new();
    let mut run = |stage: &Stage, arguments: &[&str], expected: i32| {
        for form in [&["--log-format", "json", "--json"][..], &[]] {
            let done = stage.command(&[arguments, form].concat()).env("TMPDIR", &temporary).output().unwrap();
            code(&done, expected);
            said.push((format!("{arguments:?}"), [done.stdout.clone(), done.stderr.clone()].concat()));
            if ["export", "extract"].contains(&arguments[0]) || arguments.contains(&"--yes") {
                return done;
            }
        }
        stage.run(&["kinds"])
    };
    let bundle = source.path("b.tar.zst.age");
    let bundle = text(&bundle);
    let scopes = ["--secret-values", "platform=api", "--secret-values", "O*=api", "--secret-values", "kv-northwind=api"];
    let sealed = ["--recipient", recipient.as_str(), "-o", bundle];
    let exported = json_of(&run(&source, &[&["export", "--unlimited"][..], &scopes, &sealed].concat(), 3));
    let all = values_in_sample();
    let asked = all.iter().filter(|(scope, ..)| ["platform", "Ops"].contains(&scope.as_str())).count();
    assert_eq!(exported["secret_values"], json!({ "stored": asked, "not_had": 0 }));
    let read = ["--identity", identity.as_str(), "--unlimited"];
    let (plan, report) = (source.path("plan.json"), source.path("report.json"));
    run(&target, &[&["import", bundle, "--plan-only", "-o", text(&plan)][..], &read].concat(), 0);
    run(&target, &[&["check", bundle][..], &read].concat(), 4);
    let imported = run(&target, &[&["import", bundle, "--yes", "--report", text(&report)][..], &read].concat(), 3);
    let counts = &json_of(&imported)["counts"];
    assert_eq!(counts["secret_value"], json!({ "created": asked }));
    for (scope, key, value) in all.iter().filter(|(scope, ..)| ["platform", "Ops"].contains(&scope.as_str())) {
        assert!(get(&target.server, scope, key).await == *value, "{scope}/{key}");
    }
    run(&target, &[&["import", bundle, "--yes"][..], &read].concat(), 3);
    run(&source, &["list", bundle, "--long", "--identity", &identity], 0);
    run(&source, &["show", bundle, "secret_value:platform/weather-api-key", "--identity", &identity], 0);
    run(&source, &["verify", bundle, "--full", "--identity", &identity], 3);
    run(&source, &["extract", bundle, "-o", "out", "--identity", &identity], 0);
    let values: Vec<Vec<u8>> = all.into_iter().map(|(_, _, value)| value).collect();
    said.iter().for_each(|(what, bytes)| assert_clean(what, bytes, &values));
    let written = files(&[&source.path(""), &target.path("")]);
    assert!(written.iter().any(|(name, _)| name.ends_with("plan.json")) && written.len() > 100, "{}", written.len());
    written.iter().for_each(|(name, bytes)| assert_clean(name, bytes, &values));
    assert_eq!(files(&[&temporary]).len(), 0, "temporary files are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_gives_what_it_has_and_tells_what_it_has_not() {
    let stage = small("1111").await;
    for key in ["second.key", "second-key", "absent"] {
        put(&stage.server, "etl", key, b"CANARY-of-the-workspace").await;
    }
    let (identity, recipient) = keys(&stage);
    let file = stage.path("values.yaml");
    std::fs::write(&file, format!("text: from the file\ndir/bytes: {{base64: {}}}\n", STANDARD.encode(BINARY))).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let script = r#"sh -c 'case $LIFEBOAT_SECRET_KEY in text) echo CANARY-secret; echo no >&2; exit 9;; *) printf "%s of $0" $1;; esac' {scope} {key}"#;
    let export = |name: &str, source: &str| {
        let given = format!("etl={source}");
        let mut command =
            stage.command(&["export", "--json", "-q", "--recipient", &recipient, "--secret-values", &given, "-o", name]);
        command.env("ETL_TEXT", "CANARY-variable").env("ETL_DIR_BYTES", "").env("ETL_SECOND_KEY", "CANARY-both").output().unwrap()
    };
    for (name, source, had, lacks) in [
        (
            "env.age",
            "env:ETL_".to_owned(),
            vec![("text", "CANARY-variable")],
            vec![
                ("absent", "the variable ETL_ABSENT is not set"),
                ("dir/bytes", "the variable ETL_DIR_BYTES is empty"),
                ("second-key", "the variable ETL_SECOND_KEY would stand for etl/second-key and etl/second.key"),
                ("second.key", "the variable ETL_SECOND_KEY would stand for etl/second-key and etl/second.key"),
            ],
        ),
        (
            "file.age",
            format!("file:{}", text(&file)),
            vec![("text", "from the file")],
            vec![("absent", "has no key \"absent\" for it"), ("second-key", "has no key"), ("second.key", "has no key")],
        ),
        (
            "command.age",
            format!("command:{script}"),
            vec![("absent", "absent of etl"), ("dir/bytes", "dir/bytes of etl")],
            vec![("text", "the program ended with exit code 9")],
        ),
    ] {
        let done = export(name, &source);
        code(&done, 3);
        let mut gaps: Vec<(String, String)> = json_of(&done)["gaps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|gap| {
                assert_eq!((&gap["kind"], &gap["state"]), (&json!("secret_value"), &json!("missing")));
                (gap["path"].as_str().unwrap().to_owned(), gap["reason"].as_str().unwrap().to_owned())
            })
            .collect();
        gaps.sort();
        assert_eq!(gaps.len(), lacks.len(), "{gaps:?}");
        for ((path, reason), (key, why)) in gaps.iter().zip(lacks) {
            assert!(
                *path == format!("etl/{key}") && reason.starts_with("value not had: ") && reason.contains(why),
                "{path}: {reason}"
            );
        }
        for (key, value) in had {
            let shown =
                stage.run(&["show", name, &format!("secret_value:etl/{key}"), "--reveal", "--raw", "--identity", &identity]);
            assert_eq!(out(&shown), value, "{}", err(&shown));
        }
        assert!(!out(&done).contains("CANARY") && !err(&done).contains("CANARY"));
        let told = stage.run(&["list", name, "--identity", &identity]);
        assert!(out(&told).contains("MISSING secret_value etl/"), "{}", out(&told));
    }
    let bytes = stage.run(&["show", "file.age", "secret_value:etl/dir/bytes", "--reveal", "--raw", "--identity", &identity]);
    assert_eq!(bytes.stdout, BINARY);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_safe_is_refused_before_anything_is_asked() {
    let stage = small("1111").await;
    let (_, recipient) = keys(&stage);
    let (seen, file) = (stage.server.requests().len(), stage.path("values.yaml"));
    std::fs::write(&file, "text: CANARY\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let from_file = format!("etl=file:{}", text(&file));
    let sealed = ["--recipient", recipient.as_str()];
    for (arguments, exit, hint) in [
        (&["--secret-values", "etl=api"][..], 5, "--recipient"),
        (&["--secret-values", &from_file, sealed[0], sealed[1]], 5, "others on this machine may read it (mode 0644)"),
        (&["--secret-values", "etl=file:nowhere", sealed[0], sealed[1]], 1, "nowhere"),
        (&["--secret-values", "etl=vault", sealed[0], sealed[1]], 2, "expected SCOPE=SOURCE"),
        (&["--secret-values", "etl=api", "--secret-values", "ETL=env:A", sealed[0], sealed[1]], 2, "has a source already"),
    ] {
        let done = stage.run(&[&["export", "-o", "b.age"], arguments].concat());
        code(&done, exit);
        assert!(err(&done).contains(hint) && !err(&done).contains("CANARY"), "{}", err(&done));
    }
    std::fs::write(&file, "text: [CANARY]\n").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let done = stage.run(&["export", "-o", "b.age", "--secret-values", &from_file, sealed[0], sealed[1]]);
    code(&done, 2);
    assert!(!err(&done).contains("CANARY") && err(&done).contains("line 1"), "{}", err(&done));
    assert_eq!(stage.server.requests().len(), seen, "not one request");
    assert!(!stage.path("b.age").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_gives_no_value_costs_no_bundle() {
    let stage = small("1111").await;
    let (identity, recipient) = keys(&stage);
    let refusal = |containing: &str, status, code: &str| Fault {
        method: "GET".into(),
        path: "/api/2.0/secrets/get".into(),
        containing: Some(containing.into()),
        nth: 1,
        times: 0,
        percent: 100,
        draw: 0,
        after: false,
        action: Action::Json { status, body: json!({ "error_code": code, "message": "no" }) },
    };
    stage.server.faults().add(refusal("key=text", 403, "PERMISSION_DENIED"));
    stage.server.faults().add(refusal("key=dir/bytes", 404, "FEATURE_DISABLED"));
    let given = ["--secret-values", "e*=api", "--secret-values", "nowhere-*=api", "--recipient", recipient.as_str()];
    let done = stage.run(&[&["export", "-o", "b.age"][..], &given].concat());
    code(&done, 3);
    let said = out(&done);
    for line in [
        "MISSING secret_value etl/text: value not had: ",
        "MISSING secret_value etl/dir/bytes: value not had: ",
        "MISSING secret_value nowhere-*: a source of values is named for it, and the workspace shows no such scope",
        "0 of 3 secret values stored: 3 not had, see above",
        "INCOMPLETE: see above",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    code(&stage.run(&["verify", "b.age", "--full", "--identity", &identity]), 3);
    // As most workspaces are: they answer notebooks alone.
    let stage = stage_with(Options { seed: Seed::Sample, workspace_id: "2".into(), ..Options::default() }).await;
    let done = stage.run(&["export", "--json", "-q", "-o", "b.age", "--secret-values", "*=api", "--recipient", &recipient]);
    code(&done, 3);
    let values = &json_of(&done)["secret_values"];
    assert!(values["stored"] == 0 && values["not_had"].as_u64() > Some(5), "{values}");
    let vault = json_of(&done)["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|gap| gap["path"].as_str().unwrap().starts_with("kv-northwind/"))
        .cloned()
        .collect::<Vec<_>>();
    assert!(vault.len() == 2 && vault.iter().all(|gap| gap["state"] == "excluded"), "{vault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_sets_what_is_new_and_the_rest_when_it_is_told_to() {
    let (source, target) = (small("1111").await, workspace(Seed::Empty, "2222").await);
    let (identity, recipient) = keys(&source);
    let bundle = source.path("b.age");
    let bundle = text(&bundle);
    code(&source.run(&["export", "-q", "-o", bundle, "--secret-values", "etl=api", "--recipient", &recipient]), 0);
    post(&target.server, "/api/2.0/secrets/scopes/create", json!({ "scope": "ETL" })).await;
    put(&target.server, "etl", "text", b"their own").await;
    let import = |more: &[&str]| target.run(&[&["import", bundle, "--yes", "--identity", &identity][..], more].concat());

    let planned = target.run(&["import", bundle, "--plan-only", "--identity", &identity]);
    code(&planned, 0);
    assert!(out(&planned).contains("  + create  secret_value etl/dir/bytes\n"), "{}", out(&planned));
    assert!(!out(&planned).contains("create  secret_value etl/text"), "{}", out(&planned));
    let none = import(&["--no-secret-values", "--json"]);
    code(&none, 3);
    assert_eq!(json_of(&none)["counts"]["secret"], json!({ "pending": 2, "unchanged": 1 }));
    assert_eq!(json_of(&none)["counts"]["secret_value"], json!({ "skipped": 2 }));

    let new = import(&["--json"]);
    code(&new, 3);
    let receipt = json_of(&new);
    assert_eq!(receipt["counts"]["secret"], json!({ "created": 1, "pending": 1, "unchanged": 1 }));
    assert_eq!(receipt["counts"]["secret_value"], json!({ "created": 1, "unchanged": 1 }));
    let item = |id: &str| {
        receipt["items"].as_array().unwrap().iter().find(|item| item["kind"] == "secret" && item["id"] == id).cloned().unwrap()
    };
    assert_eq!((&item("etl/dir/bytes")["state"], &item("etl/dir/bytes")["verified"]), (&json!("created"), &json!("yes")));
    assert_eq!(
        (&item("other/text")["state"], &item("other/text")["reason"]),
        (&json!("pending"), &json!("set the value of this secret"))
    );
    assert_eq!(get(&target.server, "etl", "text").await, b"their own");
    assert_eq!(get(&target.server, "etl", "dir/bytes").await, BINARY);
    let told = receipt["todos"]
        .as_array()
        .unwrap()
        .iter()
        .find(|todo| todo["text"].as_str().unwrap().contains("--overwrite-secret-values"))
        .cloned();
    assert_eq!(told.unwrap()["objects"], json!(["secret_value:etl/text"]));

    let all = import(&["--overwrite-secret-values", "--json"]);
    code(&all, 3);
    assert_eq!(json_of(&all)["counts"]["secret_value"], json!({ "updated": 2 }));
    assert_eq!(get(&target.server, "etl", "text").await, TEXT);

    // A plan is saved without values, knows the choice, and carries it out.
    put(&target.server, "etl", "text", b"their own").await;
    let plan = source.path("plan.json");
    let planned =
        target.run(&["import", bundle, "--plan-only", "--overwrite-secret-values", "-o", text(&plan), "--identity", &identity]);
    code(&planned, 0);
    assert!(!std::fs::read_to_string(&plan).unwrap().contains("CANARY"));
    code(&import(&["--plan", text(&plan)]), 3);
    assert_eq!(get(&target.server, "etl", "text").await, TEXT);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_rename_scopes_and_leave_values_out() {
    let (source, target) = (small("1111").await, workspace(Seed::Empty, "2222").await);
    let (identity, recipient) = keys(&source);
    let bundle = source.path("b.age");
    let bundle = text(&bundle);
    code(&source.run(&["export", "-q", "-o", bundle, "--secret-values", "*=api", "--recipient", &recipient]), 0);
    let rules = source.path("rules.yaml");
    let text_of = "rules:
  - {name: dr, for: {kind: secret_scope, name: etl}, rename: {to: etl-dr}}
  - {name: own, for: {kind: secret_value, name: other}, skip: true}
";
    std::fs::write(&rules, text_of).unwrap();
    let done = target.run(&["import", bundle, "--yes", "--json", "--rules", text(&rules), "--identity", &identity]);
    code(&done, 3);
    assert_eq!(json_of(&done)["counts"]["secret_value"], json!({ "created": 2, "skipped": 1 }));
    assert_eq!(json_of(&done)["counts"]["secret"], json!({ "created": 2, "pending": 1 }));
    assert_eq!(
        (get(&target.server, "etl-dr", "text").await, get(&target.server, "etl-dr", "dir/bytes").await),
        (TEXT.to_vec(), BINARY.to_vec())
    );
}

/// A server that repeats what was sent to it, as some do when they refuse.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_value_is_told_without_it() {
    let (source, target) = (small("1111").await, workspace(Seed::Empty, "2222").await);
    let (identity, recipient) = keys(&source);
    let bundle = source.path("b.age");
    code(&source.run(&["export", "-q", "-o", text(&bundle), "--secret-values", "etl=api", "--recipient", &recipient]), 0);
    let said = format!("bad value {} that is {}", STANDARD.encode(TEXT), String::from_utf8_lossy(TEXT));
    target.server.faults().add(Fault {
        method: "POST".into(),
        path: "/api/2.0/secrets/put".into(),
        containing: Some("\"key\":\"text\"".into()),
        nth: 1,
        times: 0,
        percent: 100,
        draw: 0,
        after: false,
        action: Action::Json { status: 400, body: json!({ "error_code": "INVALID_PARAMETER_VALUE", "message": said }) },
    });
    let done = target.run(&[
        "import",
        text(&bundle),
        "--yes",
        "--json",
        "--log-format",
        "json",
        "--include",
        "secret_scope:etl",
        "--identity",
        &identity,
    ]);
    code(&done, 3);
    assert_eq!(json_of(&done)["counts"]["secret_value"], json!({ "created": 1, "failed": 1 }));
    assert_eq!(json_of(&done)["counts"]["secret"], json!({ "created": 1, "skipped": 1 }));
    let told = json_of(&done)["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["kind"] == "secret_value" && item["id"] == "etl/text")
        .cloned()
        .unwrap();
    assert!(told["reason"].as_str().unwrap().contains("bad value [redacted] that is [redacted]"), "{told}");
    files(&[&target.path("")])
        .iter()
        .for_each(|(name, bytes)| assert!(!has(bytes, TEXT) && !has(bytes, STANDARD.encode(TEXT).as_bytes()), "{name}"));
}

/// What a bundle says of its contents to everybody bears out no guess at a value, and values are read anew each night.
#[tokio::test(flavor = "multi_thread")]
async fn digests_say_nothing_and_nothing_is_carried_over() {
    let stage = small("1111").await;
    let (identity, recipient) = keys(&stage);
    let export = |name: &str, more: &[&str]| {
        let done = stage.run(
            &[&["export", "--json", "-q", "-o", name, "--recipient", &recipient, "--secret-values", "etl=api"][..], more]
                .concat(),
        );
        code(&done, 0);
        json_of(&done)
    };
    let member = |name: &str, key: &str| {
        let listed =
            stage.run(&["list", name, "--json", "--include", &format!("secret_value:etl/{key}"), "--identity", &identity]);
        json_of(&listed)
    };
    let (one, other) = (export("1.age", &[]), export("2.age", &[]));
    assert_eq!(one["content_id"], other["content_id"], "nothing changed");
    let (first, second) = (member("1.age", "text"), member("2.age", "text"));
    assert!(first["sha256"] != second["sha256"] && first["size"] == second["size"]);
    assert_eq!(first["meta"]["parent"], json!({ "kind": "secret_scope", "id": "etl" }));
    let size = |member: &Value, key: &str| member["size"].as_u64().unwrap() - key.len() as u64;
    assert_eq!(size(&first, "text"), size(&member("1.age", "dir/bytes"), "dir/bytes"), "only the names differ in length");
    put(&stage.server, "etl", "text", b"CANARY-rotated").await;
    let third = export("3.age", &["--since", "2.age", "--identity", &identity]);
    assert!(third["incremental"].is_object() && third["content_id"] != other["content_id"], "{third}");
    let shown = stage.run(&["show", "3.age", "secret_value:etl/text", "--reveal", "--raw", "--identity", &identity]);
    assert_eq!(out(&shown), "CANARY-rotated");
    let without = stage.run(&[
        "export",
        "--json",
        "-q",
        "-o",
        "4.age",
        "--recipient",
        &recipient,
        "--since",
        "3.age",
        "--identity",
        &identity,
    ]);
    code(&without, 0);
    assert!(!out(&without).contains("\"kind\":\"secret_value\"") && json_of(&without)["secret_values"].is_null());
    assert_eq!(out(&stage.run(&["list", "4.age", "--long", "--identity", &identity])).matches("secret_value").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_unasked_and_extracted_files_are_ours_alone() {
    let stage = small("1111").await;
    let (identity, recipient) = keys(&stage);
    code(&stage.run(&["export", "-q", "-o", "b.age", "--secret-values", "etl=api", "--recipient", &recipient]), 0);
    let show = |key: &str, more: &[&str]| {
        stage.run(&[&["show", "b.age", &format!("secret_value:etl/{key}"), "--identity", &identity][..], more].concat())
    };
    for more in [&[][..], &["--json"]] {
        let done = show("text", more);
        code(&done, 0);
        assert_clean("show", &done.stdout, &[TEXT.to_vec()]);
    }
    let raw = show("text", &["--raw"]);
    code(&raw, 5);
    assert!(raw.stdout.is_empty() && err(&raw).contains("--reveal"));
    assert_eq!(out(&show("text", &["--reveal"])), "CANARY-text pass\"word\n");
    assert_eq!(json_of(&show("text", &["--reveal", "--json"])), json!({ "key": "text", "value": STANDARD.encode(TEXT) }));
    let extracted = stage.run(&["extract", "b.age", "-o", "out", "--identity", &identity]);
    code(&extracted, 0);
    assert!(out(&extracted).contains("2 secret values left out: `--reveal`") && !stage.path("out/secret_value").exists());
    code(&stage.run(&["extract", "b.age", "-o", "all", "--reveal", "--identity", &identity]), 0);
    let file = stage.path("all/secret_value/etl/text.json");
    let document: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&document["key"], &document["value"]), (&json!("text"), &json!(STANDARD.encode(TEXT))));
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// The files that a process has open, those without a name included.
#[cfg(target_os = "linux")]
fn held_open(child: &Child) -> Vec<Vec<u8>> {
    let folder = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let is_file = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|file| file.is_file());
    folder.map(|entry| entry.unwrap().path()).filter(is_file).map(|path| std::fs::read(path).unwrap()).collect()
}

/// Values large enough to be written while the work goes on; then the end comes at the worst moment.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_midst_leaves_no_value_on_disk() {
    let stage = workspace(Seed::Empty, "1111").await;
    post(&stage.server, "/api/2.0/secrets/scopes/create", json!({ "scope": "etl" })).await;
    for key in ["a", "b", "c", "d", "e", "last"] {
        put(&stage.server, "etl", key, b"x").await;
    }
    let (_, recipient) = keys(&stage);
    let temporary = stage.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    // Five large values, and one that does not come until all else is over.
    let script = format!(
        "etl=command:sh -c 'if [ {{key}} = last ]; then touch {0}; exec sleep 60; fi; yes CANARY-{{key}} | head -c 130000'",
        text(&stage.path("asked"))
    );
    let mut child = stage
        .command(&["export", "-q", "-o", "b.age", "--recipient", &recipient, "--secret-values", &script])
        .env("TMPDIR", &temporary)
        .spawn()
        .unwrap();
    let began = Instant::now();
    let (mut open, mut most) = (Vec::new(), 0);
    while most < 400_000 {
        assert!(began.elapsed() < Duration::from_secs(40), "the values were never written: {most}");
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
        open = held_open(&child);
        most = open.iter().map(Vec::len).sum();
    }
    assert!(stage.path("asked").exists());
    open.iter().for_each(|bytes| assert_clean("an open file", bytes, &[]));
    signal(&child, "KILL");
    let (status, _) = ended(child).await;
    assert_eq!(status.code(), None);
    assert!(!stage.path("b.age").exists());
    files(&[&stage.path("")]).iter().for_each(|(name, bytes)| assert_clean(name, bytes, &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nightly_run_takes_them_by_its_configuration() {
    let stage = small("1111").await;
    let (identity, recipient) = keys(&stage);
    std::fs::create_dir(stage.path("bundles")).unwrap();
    let configure = |recipients: &str| {
        let config = format!(
            "workspaces:
  - name: lab
    to: [bundles]
    secret_values: ['etl=api', 'other=env:OTHER_']
    {recipients}
metrics: lifeboat.prom
status: status.json
"
        );
        std::fs::write(stage.path("lifeboat.yaml"), config).unwrap();
    };
    configure("");
    let refused = stage.run(&["backup", "--config", "lifeboat.yaml"]);
    code(&refused, 5);
    assert!(err(&refused).contains("lab") && err(&refused).contains("--recipient"), "{}", err(&refused));
    configure(&format!("recipients: ['{recipient}']"));
    let done =
        stage.command(&["backup", "--config", "lifeboat.yaml", "--json"]).env("OTHER_TEXT", "CANARY-other").output().unwrap();
    code(&done, 0);
    assert_clean("stdout", &done.stdout, &[]);
    assert_clean("stderr", &done.stderr, &[]);
    files(&[&stage.path("")]).iter().for_each(|(name, bytes)| assert_clean(name, bytes, &[]));
    let bundle = std::fs::read_dir(stage.path("bundles"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "age"))
        .unwrap();
    let shown = stage.run(&["show", text(&bundle), "secret_value:other/text", "--reveal", "--identity", &identity]);
    assert_eq!(out(&shown), "CANARY-other\n");
}
