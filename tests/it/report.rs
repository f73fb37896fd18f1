//! The page of a bundle: what it says, what it never says, and what no name in it can do.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::forge::{Forge, object};
use crate::import::bundle_of;
use crate::risk::canaries;
use base64::Engine as _;
use lifeboat::simulator::Seed;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Command, Output};

fn report(bundle: &Path, page: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.arg("report").arg(bundle).arg("-o").arg(page).args(more).output().unwrap()
}

/// The page, its script, and the data of a table.
fn parts(page: &Path) -> (String, String) {
    let page = std::fs::read_to_string(page).unwrap();
    let script = page.split("<script>").nth(1).unwrap().split("</script>").next().unwrap().to_owned();
    (page, script)
}

fn data(page: &str, id: &str) -> Value {
    let data = page.split(&format!("id=\"{id}-data\">")).nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(data).unwrap()
}

/// What holds for every page.
fn is_inert(page: &str, script: &str) {
    let digest = |text: &str| base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains(&format!("script-src 'sha256-{}'", digest(script))), "{policy}");
    assert!(policy.contains(&format!("style-src 'sha256-{}'", digest(style))), "{policy}");
    let elements = page.matches("<script").count();
    assert_eq!(elements, 1 + page.matches("<script type=\"application/json\" id=\"").count(), "one script, all else is data");
    let markup = page.replace(script, "");
    for never in ["<link", "<img", "<iframe", "http-equiv=\"refresh", "href=\"http", "<object", "<base"] {
        assert!(!markup.contains(never), "{never}");
    }
    let attribute = regex::Regex::new(r"<[a-zA-Z][^<>]*\s(?:src|style|srcdoc|on[a-z]+)\s*=").unwrap();
    assert!(!attribute.is_match(&markup), "{:?}", attribute.find(&markup));
    assert!(!page.contains(['\u{202e}', '\u{2066}', '\0', '\u{1b}']));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_the_sample_says_what_is_in_it_and_no_secret() {
    let bundled = bundle_of(Seed::Sample).await;
    let page = bundled.path.with_extension("html");
    let done = report(&bundled.path, &page, &[]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let (page_text, script) = parts(&page);
    is_inert(&page_text, &script);
    let reader = lifeboat::bundle::Reader::open(&bundled.path).unwrap();
    let manifest = reader.manifest();
    let objects = data(&page_text, "objects");
    assert_eq!(objects["rows"].as_array().unwrap().len(), manifest.members.len() + manifest.gaps.len());
    let identity = lifeboat::bundle::hex(&manifest.sha256);
    for said in [
        identity.as_str(),
        "sha256sum -c manifest-sha256.txt",
        "emil.novak@northwind.example is disabled",
        "nightly settlement",
        "id=\"tl-t\"",
        "id=\"tm-t\"",
    ] {
        assert!(page_text.contains(said), "{said}");
    }
    for secret in canaries() {
        assert!(!page_text.contains(&secret), "{secret}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(report(&bundled.path, &page, &[]).status.code(), Some(0), "an older report is replaced");
    assert_eq!(report(&bundled.path, &bundled.path, &[]).status.code(), Some(5), "a bundle is not");
}

#[test]
fn nothing_that_a_name_holds_is_read_as_markup() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, page) = (folder.path().join("b.tar.zst"), folder.path().join("b.html"));
    let names = [
        "/<script>alert(1)</script>",
        "/</script><!--",
        "/\"><img src=x onerror=alert(1)>",
        "/a\u{202e}b\u{2066}",
        "/l\u{2028}s",
    ];
    let objects =
        names.iter().enumerate().map(|(at, name)| object("notebook", name, &format!("n{at}.notebook.py"), "print(1)\n"));
    let frames = vec![objects.collect()];
    let head = Box::new(|head: &mut Value| {
        head["source"]["host"] = "https://<script>alert(2)</script>".into();
        head["source"]["caller"] = "</title><script>alert(3)</script>\u{202e}".into();
    });
    std::fs::write(&bundle, Forge { frames, head, ..Forge::default() }.build()).unwrap();
    let done = report(&bundle, &page, &[]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let (page, script) = parts(&page);
    is_inert(&page, &script);
    assert!(!page.contains("<script>alert") && !page.contains("<img") && page.contains("&lt;script&gt;alert(2)"), "{page}");
    let rows = data(&page, "objects");
    let found: Vec<&str> = rows["rows"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    assert!(found.contains(&names[0]) && found.contains(&names[1]) && found.contains(&"/a\\u{202e}b\\u{2066}"), "{found:?}");
}

#[test]
fn of_a_damaged_bundle_there_is_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, page) = (folder.path().join("b.tar.zst"), folder.path().join("b.html"));
    let mut bytes = Forge::default().build();
    let middle = bytes.len() / 4;
    bytes[middle] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let done = report(&bundle, &page, &[]);
    assert_eq!(done.status.code(), Some(5), "{done:?}");
    assert_eq!(std::fs::read_to_string(&page).unwrap_or_default(), "", "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_report_no_file_is_left() {
    let bundled = bundle_of(Seed::Sample).await;
    let folder = tempfile::tempdir().unwrap();
    let (bad, page) = (folder.path().join("bad.tar.zst"), folder.path().join("page.html"));
    let mut bytes = std::fs::read(&bundled.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&bad, bytes).unwrap();
    assert_eq!(report(&bad, &page, &[]).status.code(), Some(5));
    assert!(!page.exists(), "nothing was there");
    assert_eq!(report(&bundled.path, &page, &[]).status.code(), Some(0));
    let good = std::fs::read(&page).unwrap();
    assert_eq!(report(&bad, &page, &[]).status.code(), Some(5));
    assert_eq!(std::fs::read(&page).unwrap(), good, "an older page stays");
}

/// The texts of a row of a table: words stand in it by their number.
fn texts(table: &Value, row: &Value, column: &str) -> Vec<String> {
    let columns = table["columns"].as_array().unwrap();
    let at = columns.iter().position(|one| one["title"] == column).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match (&row[at], columns[at].get("words")) {
        (Value::Number(word), Some(words)) => vec![text(&words[usize::try_from(word.as_u64().unwrap()).unwrap()])],
        (Value::Array(list), _) => list.iter().map(text).collect(),
        (value, _) => value.as_str().map(str::to_owned).into_iter().collect(),
    }
}

/// A line of a principal's rights: level, kind, name, and whether it is for all below.
fn right(line: &str) -> (&str, &str, &str, bool) {
    const NOUNS: [(&str, &str); 15] = [
        ("folder", "directory"),
        ("Git folder", "repo"),
        ("notebook", "notebook"),
        ("file", "file"),
        ("job", "job"),
        ("cluster policy", "cluster_policy"),
        ("cluster", "cluster"),
        ("instance pool", "instance_pool"),
        ("instance profile", "instance_profile"),
        ("secret scope", "secret_scope"),
        ("warehouse", "warehouse"),
        ("query", "query"),
        ("alert", "alert"),
        ("dashboard", "dashboard"),
        ("pipeline", "pipeline"),
    ];
    let (level, rest) = line.split_once(": ").unwrap();
    let (noun, kind) = NOUNS.iter().find(|(noun, _)| rest.starts_with(&format!("{noun} "))).unwrap();
    let rest = &rest[noun.len() + 1..];
    let ends = [" and all below it (", ", via group ", ", inherited from ", ", as its owner", ", as their home", ", by a role"];
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    (level, kind, &rest[..end], rest[end..].starts_with(ends[0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_of_everybody_what_the_command_says() {
    let bundled = bundle_of(Seed::Sample).await;
    let page = bundled.path.with_extension("html");
    assert_eq!(report(&bundled.path, &page, &[]).status.code(), Some(0));
    let people = data(&parts(&page).0, "principals");
    let access = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        let done = command.arg("access").arg(&bundled.path).args(more).arg("--json").output().unwrap();
        serde_json::from_slice::<Value>(&done.stdout).unwrap()
    };
    let everybody = access(&[]);
    let everybody = everybody["principals"].as_array().unwrap();
    assert_eq!(people["rows"].as_array().unwrap().len(), everybody.len());
    let strength = |level: &str| {
        let tree = ["CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"];
        tree.iter().position(|known| *known == level)
    };
    let mut compared = 0;
    for row in people["rows"].as_array().unwrap() {
        let who = texts(&people, row, "who").remove(0);
        let fits = |one: &&Value| {
            let (name, display) = (one["principal"]["name"].as_str().unwrap(), one["principal"]["display"].as_str());
            who == name || display.is_some_and(|display| who == format!("{display} ({name})"))
        };
        let known = &everybody.iter().find(fits).unwrap()["principal"];
        let name = format!("{}:{}", known["kind"].as_str().unwrap(), known["name"].as_str().unwrap());
        let answer = access(&["--principal", &name]);
        let list = |member: &str| answer[member].as_array().unwrap();
        assert_eq!(texts(&people, row, "is in").len(), list("groups").len(), "{who}");
        assert_eq!(texts(&people, row, "entitled to").len(), list("entitlements").len(), "{who}");
        assert_eq!(texts(&people, row, "runs as them").len(), list("runs").len(), "{who}");
        let mut may = texts(&people, row, "may");
        if known["admin"] == true {
            assert!(may[0].starts_with("everything"), "{who}: {may:?}");
            continue;
        }
        assert_eq!(texts(&people, row, "can act as").len(), list("acts_for").len(), "{who}");
        let disabled = texts(&people, row, "is")[0].ends_with("disabled");
        assert_eq!(may.first().is_some_and(|line| line.starts_with("nothing while disabled")), disabled, "{who}: {may:?}");
        may.drain(..usize::from(disabled));
        may.sort();
        let may: Vec<_> = may.iter().map(|line| right(line)).collect();
        let mut needed = vec![false; may.len()];
        for held in list("objects") {
            let (kind, id) = (held["object"]["kind"].as_str().unwrap(), held["object"]["id"].as_str().unwrap());
            let (name, level) = (held["object"]["name"].as_str().unwrap(), held["level"].as_str().unwrap());
            let reaches = |(at, (given, sort, object, below)): (usize, &(&str, &str, &str, bool))| {
                let own = *sort == kind && (*object == name || *object == format!("{name} [{id}]"));
                let under = *below && id.starts_with(&format!("{}/", object.trim_end_matches('/')));
                (own || under).then(|| (strength(given), (*given).to_owned(), at))
            };
            let best = may.iter().enumerate().filter_map(reaches).max();
            let (_, best, at) = best.unwrap_or_else(|| panic!("{who}: nothing says {level} on {kind} {name}: {may:?}"));
            assert_eq!(best, level, "{who} on {kind} {name}: {may:?}");
            needed[at] = true;
            compared += 1;
        }
        let idle: Vec<_> = may.iter().zip(needed).filter(|(_, needed)| !needed).collect();
        assert!(idle.is_empty(), "{who}: the command knows nothing of {idle:?}");
    }
    assert!(compared > 500, "{compared} rights");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_to_guess_which_of_two_is_meant() {
    let bundled = bundle_of(Seed::Sample).await;
    let page = bundled.path.with_extension("html");
    assert_eq!(report(&bundled.path, &page, &[]).status.code(), Some(0));
    let page = parts(&page).0;
    let loader = "sp-nightly-loader (5b0f5e02-7c1d-4e8a-9a36-1f2f0c7a4d11)";
    let rights = data(&page, "rights");
    let granted: Vec<String> =
        rights["rows"].as_array().unwrap().iter().flat_map(|row| texts(&rights, row, "granted to")).collect();
    assert!(granted.iter().any(|one| one == loader) && !granted.iter().any(|one| one.starts_with("5b0f5e02")), "{granted:?}");
    let mut said = 0;
    for (id, column) in [("schedules", "what"), ("needs", "job"), ("objects", "name")] {
        let table = data(&page, id);
        for name in table["rows"].as_array().unwrap().iter().flat_map(|row| texts(&table, row, column)) {
            let name = name.trim_start_matches("job:");
            assert!(name != "settle", "{id} says {name}, and two jobs are called so");
            said += usize::from(name.starts_with("settle ["));
        }
    }
    assert!(said >= 6, "{said}");
    let runs = data(&page, "schedules");
    let runs: Vec<String> = runs["rows"].as_array().unwrap().iter().flat_map(|row| texts(&runs, row, "runs as")).collect();
    assert!(runs.iter().any(|one| one == loader) && runs.iter().any(|one| one.starts_with("✕ disabled: ")), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_states_of_objects_add_up_and_go_by_the_words_of_the_format() {
    let bundled = bundle_of(Seed::Sample).await;
    let page = bundled.path.with_extension("html");
    assert_eq!(report(&bundled.path, &page, &[]).status.code(), Some(0));
    let page = parts(&page).0;
    let states = lifeboat::bundle::Reader::open(&bundled.path).unwrap().manifest().head.states;
    let whole = format!("{} of {} listed objects are captured", states.captured, states.total());
    assert!(page.contains(&whole), "{whole}");
    let objects = data(&page, "objects");
    let mut found: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    let all = objects["rows"].as_array().unwrap().iter().flat_map(|row| texts(&objects, row, "state"));
    all.for_each(|state| *found.entry(state).or_default() += 1);
    let told = [
        ("captured", states.captured),
        ("degraded", states.degraded),
        ("missing", states.missing),
        ("excluded", states.excluded),
        ("unavailable", states.unavailable),
    ];
    for (state, count) in told {
        assert_eq!(found.remove(state).unwrap_or_default(), count, "{state}");
    }
    assert!(found.is_empty(), "{found:?}");
}

/// The first part of a page that is a section, or a card of the summary.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\"")).unwrap();
    page[start..].split("</section>").next().unwrap()
}

#[test]
fn secrets_in_clear_text_are_called_what_they_are_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new, page] = ["old.tar.zst", "new.tar.zst", "new.html"].map(|name| folder.path().join(name));
    let token = format!("dapi{}", "0123456789abcdef".repeat(2));
    let forged = |text: String| {
        let notebook = object("notebook", "/a", "a.notebook.py", &text);
        Forge { frames: vec![vec![notebook]], ..Forge::default() }.build()
    };
    std::fs::write(&old, forged("limit = 250\nx = 1\n".to_owned())).unwrap();
    std::fs::write(&new, forged(format!("limit = 9999\nx = 1\npassword = \"Tr0ub4dor&3\"\nt = '{token}'\n"))).unwrap();
    let done = report(&new, &page, &["--against", old.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let (page_text, script) = parts(&page);
    is_inert(&page_text, &script);
    assert!(!page_text.contains(&token) && !page_text.contains("Tr0ub4dor"), "a secret is in the page");
    assert!(page_text.contains("No, and 2 secrets in it") && page_text.contains("2 in the bundle, 0 blanked"), "{page_text}");
    let never = section(&page_text, "completeness");
    assert!(never.contains("2 such secrets were found"), "{never}");
    let changes = section(&page_text, "changes");
    for said in ["-limit = 250</span>", "+limit = 9999</span>", "+ (not shown: it holds what looks like a secret"] {
        assert!(changes.contains(said), "{said}: {changes}");
    }
    let clean = report(&old, &page, &[]);
    assert_eq!(clean.status.code(), Some(0), "{clean:?}");
    let page = parts(&page).0;
    assert!(page.contains("no secret was found in clear text") && !page.contains("No, and"));
}
