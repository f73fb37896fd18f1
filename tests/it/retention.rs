//! Old bundles go, and only those that nothing keeps.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::cli::{Stage, code, err, text};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder with bundles of the users alone, made on these days of November.
async fn shelf(days: &[u32]) -> Stage {
    let stage = Stage::set().await;
    std::fs::create_dir(stage.path("shelf")).unwrap();
    for day in days {
        let made = format!("2025-11-{day:02}T02:00:00Z").parse::<jiff::Timestamp>().unwrap().as_second();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.args(["export", "-q", "--include", "user", "-o", text(&stage.path(&format!("shelf/{day:02}.tar.zst")))]);
        command.env("SOURCE_DATE_EPOCH", made.to_string()).env("DATABRICKS_HOST", stage.target.url());
        code(&command.env("DATABRICKS_TOKEN", stage.target.token()).stdin(Stdio::null()).output().unwrap(), 0);
    }
    stage
}

fn prune(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.arg("prune").arg(folder).args(arguments).env_clear().stdin(Stdio::null()).output().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_keeps_goes_with_what_lies_beside_it() {
    let stage = shelf(&[9, 16, 17, 18]).await;
    let folder = stage.path("shelf");
    for day in ["16", "17"] {
        let verified = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
            .args(["verify", "--full", "--record", "-q"])
            .arg(folder.join(format!("{day}.tar.zst")))
            .output()
            .unwrap();
        code(&verified, 0);
    }
    std::fs::write(folder.join("half.tar.zst"), b"no bundle").unwrap();
    std::fs::write(folder.join("16.tar.zst.of-a-person"), b"notes").unwrap();
    let all = names(&folder);
    assert_eq!(all.len(), 8, "{all:?}");

    let planned = prune(&folder, &["--keep-daily", "1", "--keep-weekly", "2", "--dry-run", "--json"]);
    code(&planned, 0);
    let plan: Value = serde_json::from_slice(&planned.stdout).unwrap();
    let of =
        |name: &str| plan["bundles"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()["reasons"].to_string();
    assert_eq!(of("18.tar.zst"), r#"["newest","newest complete","daily","weekly"]"#);
    assert_eq!(of("17.tar.zst"), r#"["newest verified","verified, the newer one is not"]"#);
    assert_eq!(
        (of("16.tar.zst"), of("09.tar.zst"), of("half.tar.zst")),
        ("[\"weekly\"]".into(), "[]".into(), "[\"unknown\"]".into())
    );
    assert_eq!(names(&folder), all, "a plan changes nothing");

    let unasked = prune(&folder, &["--keep-last", "1"]);
    code(&unasked, 5);
    assert!(err(&unasked).contains("give `--yes`"), "{}", err(&unasked));
    let empty = prune(&folder, &["--yes"]);
    code(&empty, 5);
    assert!(err(&empty).contains("nothing says what is to be kept"), "{}", err(&empty));
    assert_eq!(names(&folder), all);

    code(&prune(&folder, &["--keep-last", "1", "--yes"]), 0);
    let left = names(&folder);
    let kept = |name: &str| left.iter().any(|one| one == name);
    assert!(kept("18.tar.zst") && kept("17.tar.zst") && kept("half.tar.zst") && kept("16.tar.zst.of-a-person"), "{left:?}");
    assert_eq!(left.len(), 5, "with the note that one was verified: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_about_another_bundle_is_not_believed() {
    let stage = shelf(&[16, 17, 18]).await;
    let folder = stage.path("shelf");
    let verified = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
        .args(["verify", "--full", "--record", "-q"])
        .arg(folder.join("16.tar.zst"))
        .output()
        .unwrap();
    code(&verified, 0);
    let is_verified = |name: &str| {
        let plan = prune(&folder, &["--keep-last", "1", "--dry-run", "--json"]);
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        let bundles = plan["bundles"].as_array().unwrap().clone();
        bundles.iter().find(|one| one["name"] == name).unwrap()["reasons"].to_string().contains("newest verified")
    };
    assert!(is_verified("16.tar.zst"));
    // The name says that the newer one was verified, and what stands in the note, that another was.
    let note = names(&folder).into_iter().find(|name| name.contains(".verified-")).unwrap();
    std::fs::copy(folder.join(&note), folder.join(note.replace("16.tar.zst", "17.tar.zst"))).unwrap();
    assert!(is_verified("16.tar.zst") && !is_verified("17.tar.zst"));
}
