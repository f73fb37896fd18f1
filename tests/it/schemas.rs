//! `docs/schemas` is what the program says of its answers, and only ever gains. `LIFEBOAT_BLESS=1` renews it; what would break
//! who reads the answers today is refused all the same, unless the word is `LIFEBOAT_BLESS=break`, for a new minor version of 0 or a major one.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_schemas_are_what_the_program_says_and_only_gain() {
    let bless = std::env::var("LIFEBOAT_BLESS").ok();
    let mut names = BTreeSet::new();
    for command in commands() {
        let words: Vec<&str> = std::iter::once("schema").chain(command.split(' ')).collect();
        let (text, path) = (lifeboat(&words), path(&command));
        names.insert(path.file_name().unwrap().to_owned());
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        if bless.as_deref() != Some("break") && !there.is_empty() {
            let (old, new): (Value, Value) = (serde_json::from_str(&there).unwrap(), serde_json::from_str(&text).unwrap());
            let lost = lost(&old, &new);
            assert!(lost.is_empty(), "`lifeboat {command} --json` would break who reads it: {lost:#?}");
        }
        match &bless {
            Some(_) => std::fs::write(&path, &text).unwrap(),
            None => assert!(there == text, "{} is out of date: LIFEBOAT_BLESS=1 cargo test --test it schemas", path.display()),
        }
    }
    let there = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let stray: Vec<_> = there.filter(|name| !names.contains(name)).collect();
    assert!(stray.is_empty(), "no command answers by these: {stray:?}");
}

fn commands() -> Vec<String> {
    let text = lifeboat(&["schema", "--json"]);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["command"].as_str().unwrap().to_owned()).collect()
}

fn lifeboat(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lifeboat")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas")
}

/// `list --long` stands in `list-long.schema.json`.
fn path(command: &str) -> PathBuf {
    folder().join(format!("{}.schema.json", command.replace(" --", "-").replace(' ', "-")))
}

/// What a reader of the old answers would miss in the new ones: a member, its being always there, a type, a meaning.
fn lost(old: &Value, new: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    compare(&resolved(old, old, 0), &resolved(new, new, 0), "", &mut lost);
    lost
}

/// A schema in which each reference is what it refers to; what refers to itself ends after a few rounds.
fn resolved(schema: &Value, root: &Value, depth: usize) -> Value {
    match schema {
        _ if depth > 24 => Value::Null,
        Value::Object(members) => {
            let to = members.get("$ref").and_then(Value::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?));
            let inner = members.iter().filter(|(name, _)| !matches!(name.as_str(), "$ref" | "$defs" | "description" | "title"));
            let mut all: serde_json::Map<_, _> =
                inner.map(|(name, one)| (name.clone(), resolved(one, root, depth + 1))).collect();
            if let Some(Value::Object(to)) = to.map(|to| resolved(to, root, depth + 1)) {
                all.extend(to);
            }
            Value::Object(all)
        }
        Value::Array(all) => all.iter().map(|one| resolved(one, root, depth + 1)).collect(),
        other => other.clone(),
    }
}

fn compare(old: &Value, new: &Value, at: &str, lost: &mut Vec<String>) {
    let names = |schema: &Value, word: &str| -> BTreeSet<String> {
        schema[word].as_array().into_iter().flatten().map(ToString::to_string).collect()
    };
    let types = |schema: &Value| match &schema["type"] {
        Value::String(one) => BTreeSet::from([one.clone()]),
        many => many.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect(),
    };
    if !types(old).is_empty() && !types(new).is_subset(&types(old)) {
        lost.push(format!("{at}: the type was {} and is {}", old["type"], new["type"]));
    }
    lost.extend(names(old, "required").difference(&names(new, "required")).map(|name| format!("{at}: {name} need not be there")));
    if old["const"] != new["const"] {
        lost.push(format!("{at}: was always {} and is {}", old["const"], new["const"]));
    }
    lost.extend(names(old, "enum").difference(&names(new, "enum")).map(|word| format!("{at}: the word {word} is gone")));
    for (name, member) in old["properties"].as_object().into_iter().flatten() {
        match new["properties"].get(name) {
            Some(now) => compare(member, now, &format!("{at}/{name}"), lost),
            None => lost.push(format!("{at}/{name} is gone")),
        }
    }
    for word in ["items", "additionalProperties"] {
        if old[word].is_object() {
            compare(&old[word], &new[word], &format!("{at}/{word}"), lost);
        }
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        for (index, one) in old[word].as_array().into_iter().flatten().enumerate() {
            let fits = |now: &Value| {
                let mut lost = Vec::new();
                compare(one, now, "", &mut lost);
                lost.is_empty()
            };
            let kept = new[word].as_array().into_iter().flatten().any(fits);
            if !kept {
                lost.push(format!("{at}: form {index} of {word} is gone or lost something"));
            }
        }
    }
}

#[test]
fn a_loss_is_seen_and_a_gain_is_none() {
    let schema = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let old = schema(
        r##"{"type":"object","properties":{"a":{"type":"string"},"b":{"$ref":"#/$defs/B"},"c":{"type":["integer","null"]}},
        "required":["a"],"$defs":{"B":{"oneOf":[{"const":"x"},{"const":"y"}]}}}"##,
    );
    let gained = old.to_string().replacen(r#""a":{"#, r#""new":{"type":"string"},"a":{"#, 1);
    assert_eq!(lost(&old, &schema(&gained)), Vec::<String>::new());
    let narrower = old.to_string().replace(r#"["integer","null"]"#, r#""integer""#);
    assert_eq!(lost(&old, &schema(&narrower)), Vec::<String>::new());
    for (from, to) in [
        (r#""a":{"type":"string"},"#, ""),
        (r#""a":{"type":"string"}"#, r#""a":{"type":["string","null"]}"#),
        (r#""required":["a"]"#, r#""required":[]"#),
        (r#"{"const":"y"}"#, r#"{"const":"z"}"#),
    ] {
        let text = old.to_string();
        assert!(text.contains(from), "{from}");
        assert!(!lost(&old, &schema(&text.replace(from, to))).is_empty(), "{from} to {to}");
    }
}
