//! Whatever objects are called and hold, what the program prints of them steers no terminal, begins no line of its own, and no
//! spreadsheet computes it; and what it takes out has a name that every system takes.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::audit::all;
use crate::forge::{Forge, object};
use lifeboat::audit::{Layout, extract};
use lifeboat::bundle::Reader;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// What a line of ours says, and one of theirs must not.
const SAID: &str = "whole and unaltered";

/// Names and texts from people who mean harm.
const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\u{9b}31mred",
    "a\nwhole and unaltered\r\n",
    "a\u{202e}gpj.exe\u{2066}\u{200f}\u{61c}",
    "a\u{2028}b\u{2029}c\u{feff}\u{e0041}",
    "=cmd|'/c calc'!A1",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    "＝1+1",
    "x\n=1+1",
    "a;=1+1",
    "a\",=1+1,\"b",
    "<script>alert(1)</script>",
    "..",
    "CON",
    "aux.py",
    "trailing. ",
    "a:b*c?d\"e|f\\g",
    "caf\u{e9}",
    "cafe\u{301}",
    "CAFÉ",
    "-rf",
    "~",
];

/// Jobs and notebooks with these names, texts and tags; each name is there once more in another case.
fn bundle() -> Vec<u8> {
    let mut objects = Vec::new();
    for (number, text) in HOSTILE.iter().enumerate() {
        let tasks =
            json!([{ "task_key": text, "notebook_task": { "notebook_path": text }, "depends_on": [{ "task_key": text }] }]);
        let settings = json!({ "name": text, "tags": { *text: text }, "tasks": tasks, "schedule": { "timezone_id": text } });
        let job = json!({ "creator_user_name": text, "settings": settings }).to_string();
        objects.push(object("job", &format!("{number}{text}"), &format!("{number:02}.json"), &job));
        let code = format!("# Databricks notebook source\n{text} needle\n\n# COMMAND ----------\n\n{text} needle\n");
        let path = format!("/Shared/{}", text.replace('/', "_"));
        objects.push(object("notebook", &path, &format!("{number:02}.notebook.py"), &code));
        let acl = json!({ "access_control_list": [{ "user_name": text, "display_name": format!("{text}!"), "all_permissions":
            [{ "permission_level": text, "inherited": true, "inherited_from_object": [text] }] }] });
        objects.push(object("permissions", &format!("jobs/{number}{text}"), &format!("{number:02}.json"), &acl.to_string()));
        let user =
            json!({ "userName": text, "displayName": text, "groups": [{ "display": text }], "members": [{ "display": text }] });
        objects.push(object("user", &format!("u{number}{text}"), &format!("{number:02}.json"), &user.to_string()));
        let cluster = json!({ "cluster_name": text, "spark_version": text, "custom_tags": { *text: text } });
        objects.push(object("cluster", &format!("c{number}{text}"), &format!("{number:02}.json"), &cluster.to_string()));
    }
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    let lines = |lines: &mut Vec<Value>| {
        for line in lines.iter_mut().filter(|line| line["t"] == "member" && line["kind"] != "notebook") {
            let path = line["path"].as_str().unwrap();
            let key =
                path.trim_start_matches("jobs/").trim_start_matches(['u', 'c']).trim_start_matches(|c: char| c.is_ascii_digit());
            let key = if line["kind"] == "permissions" { format!("job:{key}") } else { key.to_owned() };
            if !key.is_empty() && key != path {
                line["key"] = key.into();
            }
        }
    };
    Forge { frames: vec![objects], lines: Box::new(lines), ..Forge::default() }.build()
}

fn lifeboat(bundle: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    let (verb, rest) = words.split_first().unwrap();
    command.arg(verb).arg(bundle).args(rest).env_clear().env("HOME", bundle.parent().unwrap()).output().unwrap()
}

fn steers(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() && c != '\n' || bidi || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// What an answer holds that it must not, for people.
fn text_faults(words: &[&str], output: &Output) -> Vec<String> {
    let text = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
    // A tab in a line of code stays what it is.
    let bad = text.lines().filter(|line| line.contains(|c| steers(c) && c != '\t') || line.starts_with(SAID));
    bad.map(|line| format!("{words:?}: {line:?}")).collect()
}

/// The same for spreadsheets: read by a parser of our own, that knows RFC 4180 and nothing else.
fn csv_faults(words: &[&str], output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.ends_with("\r\n"), "{words:?}: {text:?} {}", String::from_utf8_lossy(&output.stderr));
    let rows = rows(&text);
    let width = rows[0].len();
    let mut faults: Vec<String> =
        rows.iter().filter(|row| row.len() != width).map(|row| format!("{words:?}: width of {row:?}")).collect();
    for cell in rows.iter().flatten() {
        let computes = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
        if computes || cell.contains(|c| steers(c) || c == '\n') {
            faults.push(format!("{words:?}: cell {cell:?}"));
        }
    }
    faults
}

fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && letters.next_if_eq(&'\n').is_some() => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !quoted, "the last row does not end");
    rows
}

#[test]
fn nothing_that_is_printed_steers_or_computes() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.tar.zst");
    std::fs::write(&bundle, self::bundle()).unwrap();
    let out = |number: usize| folder.path().join(format!("out{number}")).to_str().unwrap().to_owned();
    let (first, second) = (out(1), out(2));
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["list"],
        vec!["list", "--long"],
        vec!["list", "--owner", "*"],
        vec!["list", "--tag", "*"],
        vec!["find", "needle"],
        vec!["find", "needle", "-C", "2"],
        vec!["find", "1|a|e|-"],
        vec!["find", "needle", "-l"],
        vec!["find", ".", "-c"],
        vec!["find", "--jsonpath", "$..*"],
        vec!["extract", "-o", &first],
    ];
    let mut faults = Vec::new();
    for words in &commands {
        let output = lifeboat(&bundle, words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{words:?}");
        faults.extend(text_faults(words, &output));
    }
    commands.last_mut().unwrap()[2] = &second;
    for words in &commands {
        let words = [&words[..], &["--csv"]].concat();
        faults.extend(csv_faults(&words, &lifeboat(&bundle, &words)));
    }
    let reader = Reader::open(&bundle).unwrap();
    for member in all(&reader) {
        let name = format!("{}:{}", member.kind, member.path);
        let output = lifeboat(&bundle, &["show", &name]);
        assert_eq!(output.status.code(), Some(0), "{name:?}: {}", String::from_utf8_lossy(&output.stderr));
        faults.extend(text_faults(&["show", &name], &output));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_is_taken_out_has_a_name_that_every_system_takes() {
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::open_source(Box::new(bundle()), lifeboat::bundle::Limits::default()).unwrap();
    let extracted = extract(&reader, &all(&reader), Layout::Tree, folder.path()).unwrap();
    assert_eq!((extracted.files, extracted.damaged.len()), (all(&reader).len() as u64, 0));
    let mut folded = BTreeSet::new();
    for placed in &extracted.placed {
        let member = reader.find(&placed.kind, &placed.path).unwrap();
        assert_eq!(std::fs::read(folder.path().join(&placed.file)).unwrap(), reader.read(member).unwrap(), "{placed:?}");
        let name = placed.file.to_lowercase();
        assert!(folded.insert(unicode_normalization::UnicodeNormalization::nfc(name.as_str()).collect::<String>()), "{placed:?}");
        for part in placed.file.split('/') {
            let stem = part.split('.').next().unwrap().to_uppercase();
            assert!(!matches!(stem.as_str(), "CON" | "AUX" | "NUL" | "PRN") && part.len() <= 255, "{placed:?}");
            assert!(!part.ends_with(['.', ' ']) && !part.contains(|c| steers(c) || "\\:*?\"<>|".contains(c)), "{placed:?}");
        }
    }
    let renamed = extracted.placed.iter().filter(|placed| placed.renamed).count();
    assert!(renamed > 40 && renamed < extracted.placed.len(), "{renamed} of {}", extracted.placed.len());
    let plain = extracted.placed.iter().find(|placed| placed.path == "/Shared/-rf").unwrap();
    assert_eq!((plain.file.as_str(), plain.renamed), ("Workspace/Shared/-rf.py", false));
}
