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
