//! The parts of the README that programs print are what programs print. `LIFEBOAT_BLESS=1` renews them.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use lifeboat::preflight::Check;
use lifeboat::simulator::{Options, Seed, Server};
use std::path::{Path, PathBuf};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_shows_what_the_program_prints() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("prod.tar.zst");
    let (source, target) = (server(Seed::Sample, "1000000000000001").await, server(Seed::Prepared, "2000000000000002").await);
    lifeboat(&source, folder.path(), &["export", "--unlimited", "-o", text(&bundle)]);
    let list = lifeboat(&source, folder.path(), &["list", text(&bundle)]);
    let report = folder.path().join("report.json");
    let import = ["import", text(&bundle), "--unlimited", "--yes", "--report", text(&report)];
    let import = lifeboat(&target, folder.path(), &import);
    let kinds = lifeboat(&source, folder.path(), &["kinds", "--markdown"]);
    let (list, import) = (plain(&list, &source), plain(&import, &target));
    source.stop().await;
    target.stop().await;
    let _page = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut readme = std::fs::read_to_string(readme()).unwrap();
    let before = readme.clone();
    set(&mut readme, "list", &fenced("$ lifeboat list prod.tar.zst\n", &list));
    set(&mut readme, "bundle", &fenced("$ tar --zstd -tf prod.tar.zst\n", &inside(&bundle)));
    set(&mut readme, "import", &fenced("", after_the_table(&import)));
    set(&mut readme, "report", &format!("```json\n{}\n```\n", one_item(&report)));
    set(&mut readme, "kinds", &kinds);
    let row = |one: &Check| format!("| `{}` | {} |\n", one.name(), one.says());
    let checks: String = Check::ALL.iter().map(row).collect();
    set(&mut readme, "checks", &format!("| check | what is looked at |\n|---|---|\n{checks}"));
    if std::env::var_os("LIFEBOAT_BLESS").is_some() {
        std::fs::write(self::readme(), &readme).unwrap();
    } else {
        assert!(before == readme, "the README is out of date: LIFEBOAT_BLESS=1 cargo test --test it readme");
    }
}

/// Two tests renew parts of the page.
pub(crate) static PAGE: std::sync::Mutex<()> = std::sync::Mutex::new(());

async fn server(seed: Seed, workspace_id: &str) -> Server {
    Server::start(Options { seed, workspace_id: workspace_id.into(), ..Options::default() }).await.unwrap()
}

pub(crate) fn readme() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What the program prints, with a home of its own and a fixed clock.
fn lifeboat(server: &Server, home: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("DATABRICKS_HOST", server.url())
        .env("DATABRICKS_TOKEN", server.token())
        .env("SOURCE_DATE_EPOCH", "1787364000")
        .output()
        .unwrap();
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{arguments:?} ended with {code:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn after_the_table(import: &str) -> &str {
    import.find("SKIPPED ").map_or("", |at| &import[at..])
}

/// Some names of the archive: those that the text speaks of, by their order in it.
fn inside(bundle: &Path) -> String {
    let shown =
        ["/Production/config/every byte.bin", "job:nightly settlement", "nightly settlement", "/Shared/Curated/quality_gate"];
    let reader = lifeboat::bundle::Reader::open(bundle).unwrap();
    let members = reader.manifest().in_place_order();
    let members = members.filter(|member| shown.contains(&member.key.as_deref().unwrap_or(&member.path)));
    let data: Vec<String> = members.map(|member| format!("bundle/{}", member.name)).collect();
    let last = ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "manifest.jsonl", "tagmanifest-sha256.txt"];
    let last = last.map(|name| format!("bundle/{name}"));
    format!("bundle/bundle.json\n…\n{}\n…\n{}", data.join("\n…\n"), last.join("\n"))
}

/// A job that was made inert, as the report has it; ids of the target differ from run to run.
fn one_item(report: &Path) -> String {
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let mut items = report["items"].as_array().unwrap().iter();
    let mut item = items.find(|item| item["key"] == "nightly settlement" && item["kind"] == "job").unwrap().clone();
    item["target_id"] = "67890".into();
    serde_json::to_string_pretty(&item).unwrap()
}

/// Without what differs from run to run: the port, digests, sizes of what is compressed, the number of requests.
fn plain(printed: &str, server: &Server) -> String {
    let digest = regex::Regex::new(r"[0-9a-f]{64}").unwrap();
    let size = regex::Regex::new(r"[0-9.]+ [KM]iB stored").unwrap();
    let requests = regex::Regex::new(r"(?m)^[0-9]+ requests sent\n").unwrap();
    let took = regex::Regex::new(r"\(1 try, [0-9.]+ s\)").unwrap();
    let receipt = regex::Regex::new(r"(?m)^receipt: .*$").unwrap();
    let kept = "receipt: ~/.local/state/lifeboat/receipts/2000000000000002-20260822T031500Z-c5b569a4.json";
    let printed = receipt.replace_all(printed, kept);
    let text = printed.replace(&server.url(), "https://adb-1000000000000001.1.azuredatabricks.net");
    let text = digest.replace_all(&text, "c5b569a4…");
    let text = size.replace_all(&text, "… stored");
    let text = requests.replace_all(&text, "");
    let text = took.replace_all(&text, "(1 try, 0.0 s)");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn fenced(command: &str, printed: &str) -> String {
    format!("```text\n{command}{}\n```\n", printed.trim_end())
}

/// Puts a text between the marks of this name.
pub(crate) fn set(page: &mut String, name: &str, text: &str) {
    let begin = format!("<!-- generated: {name} -->\n");
    let start = page.find(&begin).unwrap_or_else(|| panic!("the page has no place for {name}")) + begin.len();
    let end = start + page[start..].find("<!-- end -->").unwrap();
    page.replace_range(start..end, text);
}
