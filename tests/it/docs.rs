//! `docs/rules.md` and the schema beside it are what the code says. `LIFEBOAT_BLESS=1` renews them.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::readme::set;
use lifeboat::backup::Config;
use lifeboat::plan::Plan;
use lifeboat::rules::{BUILT_IN, RuleSet};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[test]
fn the_pages_on_rules_are_what_the_code_says() {
    let schema = RuleSet::schema();
    let mut page = std::fs::read_to_string(path("rules.md")).unwrap();
    set(&mut page, "reference", &reference(&schema));
    set(&mut page, "sets", &sets());
    renew("rules.md", &page);
    renew("rules.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}

#[test]
fn the_pages_on_plans_are_what_the_code_says() {
    let schema = Plan::schema();
    let mut page = std::fs::read_to_string(path("plan.md")).unwrap();
    set(&mut page, "reference", &plans(&schema));
    renew("plan.md", &page);
    renew("plan.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}

#[test]
fn the_pages_on_nightly_backups_are_what_the_code_says() {
    let schema = Config::schema();
    let mut page = std::fs::read_to_string(path("backup.md")).unwrap();
    let mut reference = String::new();
    section(&mut reference, "The file", &schema);
    let parts = [
        ("A workspace", "Workspace"),
        ("A known gap", "Accept"),
        ("`verify`", "Verify"),
        ("`keep`", "Keep"),
        ("An alert", "Alert"),
        ("`on`", "Occasion"),
    ];
    for (title, name) in parts {
        section(&mut reference, title, &schema["$defs"][name]);
    }
    set(&mut page, "reference", &reference);
    set(&mut page, "metrics", &metrics());
    renew("backup.md", &page);
    renew("backup.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
    let example = page.split("<!-- example -->\n```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    Config::parse(example).unwrap();
}

fn metrics() -> String {
    let mut text = String::from("| metric | labels | says |\n|---|---|---|\n");
    for (name, labels, says) in lifeboat::backup::described() {
        writeln!(text, "| `{name}` | {labels} | {says} |").unwrap();
    }
    text
}

/// A saved plan, then each type that it is made of.
fn plans(schema: &Value) -> String {
    let mut text = String::new();
    section(&mut text, "The file", schema);
    for (title, name) in [
        ("`source`", "Source"),
        ("`target`", "Target"),
        ("`made_with`", "Recipe"),
        ("A file that it was made with", "Text"),
        ("A step", "Step"),
        ("`action`", "Action"),
        ("A difference", "Difference"),
        ("A link", "Link"),
        ("`unmet`", "Unmet"),
        ("An object of the target", "Found"),
        ("An object of the bundle", "SourceId"),
        ("A change by rules", "Change"),
        ("A todo", "Todo"),
        ("`what`", "What"),
        ("`goal`", "Goal"),
        ("`prune`", "Prune"),
        ("`conflicts`", "Conflicts"),
    ] {
        section(&mut text, title, &schema["$defs"][name]);
    }
    text
}

#[test]
fn the_example_is_read() {
    let page = std::fs::read_to_string(path("rules.md")).unwrap();
    let example = page.split("<!-- example -->\n```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    RuleSet::parse(example).unwrap();
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

fn renew(name: &str, text: &str) {
    if std::env::var_os("LIFEBOAT_BLESS").is_some() {
        std::fs::write(path(name), text).unwrap();
    } else {
        let there = std::fs::read_to_string(path(name)).unwrap_or_default();
        assert!(there == text, "docs/{name} is out of date: LIFEBOAT_BLESS=1 cargo test --test it docs");
    }
}

/// The file, then each type that it is made of, in the order in which they are named.
fn reference(schema: &Value) -> String {
    let mut text = String::new();
    section(&mut text, "The file", schema);
    for (title, name) in [
        ("A rule", "Rule"),
        ("Which objects", "Pick"),
        ("A range", "Clamp"),
        ("Another name", "Rename"),
        ("An operation of a patch", "Operation"),
        ("`extends`", "Extends"),
        ("`activations`", "Activations"),
        ("`conflicts`", "Conflicts"),
        ("`inside`", "Code"),
        ("`maps`", "Maps"),
    ] {
        section(&mut text, title, &schema["$defs"][name]);
    }
    text
}

fn section(text: &mut String, title: &str, schema: &Value) {
    writeln!(text, "### {title}\n").unwrap();
    if let Some(said) = schema["description"].as_str() {
        writeln!(text, "{}\n", line(said)).unwrap();
    }
    if let Some(variants) = schema["oneOf"].as_array().filter(|variants| variants[0]["properties"].is_object()) {
        text.push_str("| `do` | with | meaning |\n|---|---|---|\n");
        for one in variants {
            let fields = one["properties"].as_object().unwrap();
            let with = fields.iter().filter(|(name, _)| *name != "do");
            let with: Vec<_> = with.map(|(name, field)| format!("`{name}` ({}): {}", holds(field), said(field))).collect();
            let word = one["properties"]["do"]["const"].as_str().unwrap();
            writeln!(text, "| `{word}` | {} | {} |", with.join(" "), said(one)).unwrap();
        }
    } else if let Some(variants) = schema["oneOf"].as_array() {
        text.push_str("| word | meaning |\n|---|---|\n");
        variants.iter().for_each(|one| writeln!(text, "| `{}` | {} |", one["const"].as_str().unwrap(), said(one)).unwrap());
    } else {
        text.push_str("| field | holds | meaning |\n|---|---|---|\n");
        let needed = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
        for (name, field) in schema["properties"].as_object().unwrap() {
            let needed = if needed(name) { ", needed" } else { "" };
            writeln!(text, "| `{name}` | {}{needed} | {} |", holds(field), said(field)).unwrap();
        }
    }
    text.push('\n');
}

fn said(schema: &Value) -> String {
    line(schema["description"].as_str().unwrap_or_default())
}

fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// What a field holds, in a few words.
fn holds(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return named(name.rsplit('/').next().unwrap());
    }
    if let Some(all) = schema["anyOf"].as_array() {
        let words: Vec<String> = all.iter().filter(|one| one["type"] != "null").map(holds).collect();
        return words.join(" or ");
    }
    let word = match &schema["type"] {
        Value::Array(all) => all.iter().find(|one| *one != "null").and_then(Value::as_str).unwrap(),
        one => one.as_str().unwrap_or("any"),
    };
    match word {
        "array" => format!("list of {}", holds(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => format!("from → {}", holds(&schema["additionalProperties"])),
        "object" => "place → value".to_owned(),
        "boolean" => "yes or no (`true`, `false`)".to_owned(),
        "string" => "text".to_owned(),
        "integer" => "number".to_owned(),
        _ => "any value".to_owned(),
    }
}

fn named(name: &str) -> String {
    match name {
        "Rule" => "[rule](#a-rule)".to_owned(),
        "Pick" => "[objects](#which-objects)".to_owned(),
        "Rename" => "[name](#another-name)".to_owned(),
        "Operation" => "[operation](#an-operation-of-a-patch)".to_owned(),
        "ClampByPlace" => "place → [range](#a-range)".to_owned(),
        "Maps" => "[maps](#maps)".to_owned(),
        "Activations" => "[word](#activations)".to_owned(),
        "Extends" => "[word](#extends)".to_owned(),
        "Code" => "[kind](#inside)".to_owned(),
        "Op" => "`add`, `remove`, `replace`, `move`, `copy`, `test`".to_owned(),
        "Place" => "place".to_owned(),
        "NamePattern" | "PathPattern" => "pattern".to_owned(),
        "JsonPath" => "JSONPath".to_owned(),
        "Pattern" => "regular expression".to_owned(),
        many if many.starts_with("OneOrMore") => format!("one or a list of {}", named(&many["OneOrMore".len()..])),
        "Workspace" => "[workspace](#a-workspace)".to_owned(),
        "Keep" => "[numbers](#keep)".to_owned(),
        "Accept" => "[known gap](#a-known-gap)".to_owned(),
        "Verify" => "[word](#verify)".to_owned(),
        "Alert" => "[alert](#an-alert)".to_owned(),
        "Occasion" => "[word](#on)".to_owned(),
        "Kind" => "kinds".to_owned(),
        "Source" => "[source](#source)".to_owned(),
        "Target" => "[target](#target)".to_owned(),
        "Recipe" => "[choices](#made_with)".to_owned(),
        "Text" => "[file](#a-file-that-it-was-made-with)".to_owned(),
        "Step" => "[step](#a-step)".to_owned(),
        "Action" => "[action](#action)".to_owned(),
        "Difference" => "[difference](#a-difference)".to_owned(),
        "Link" => "[link](#a-link)".to_owned(),
        "Unmet" => "[word](#unmet)".to_owned(),
        "Found" => "[object](#an-object-of-the-target)".to_owned(),
        "SourceId" => "[object](#an-object-of-the-bundle)".to_owned(),
        "Change" => "[change](#a-change-by-rules)".to_owned(),
        "Todo" => "[todo](#a-todo)".to_owned(),
        "What" => "[word](#what)".to_owned(),
        "Goal" => "[word](#goal)".to_owned(),
        "Prune" => "[word](#prune)".to_owned(),
        "Conflicts" => "[word](#conflicts)".to_owned(),
        other => other.to_owned(),
    }
}

fn sets() -> String {
    let mut text = String::new();
    BUILT_IN.iter().for_each(|(name, yaml)| writeln!(text, "### `{name}`\n\n```yaml\n{yaml}```\n").unwrap());
    text
}

#[test]
fn the_page_on_risks_is_what_the_code_says() {
    let mut page = std::fs::read_to_string(path("audit.md")).unwrap();
    let row = |one: &lifeboat::risk::Check| format!("| `{}` | {} |\n", one.name(), one.says());
    let rows: String = lifeboat::risk::Check::ALL.iter().map(row).collect();
    set(&mut page, "risks", &format!("| check | what is looked at |\n|---|---|\n{rows}"));
    renew("audit.md", &page);
}
