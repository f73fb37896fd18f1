//! Who may know whom: the picture at the head of `src/lib.rs`, kept true by reading every `crate::` in the sources.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Module, and the modules that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("access", &["kinds", "object"]),
    ("api", &["event", "spool", "tokens"]),
    ("audit", &["bundle", "calm", "event", "kinds", "notebook", "object", "packed", "spool"]),
    ("backup", &["retention", "yaml"]),
    ("berth", &["api", "journal", "kinds", "object", "spool"]),
    ("brief", &["kinds"]),
    ("bundle", &["crypt", "event", "origin", "spool", "store"]),
    ("calm", &[]),
    ("catalogue", &["bundle", "event", "retention", "store"]),
    ("compare", &["kinds", "object", "pointer"]),
    ("crypt", &["store"]),
    (
        "diff",
        &[
            "api", "audit", "berth", "brief", "bundle", "compare", "event", "journal", "kinds", "notebook", "object", "packed",
            "page", "pointer", "spool", "survey", "tokens",
        ],
    ),
    (
        "drill",
        &[
            "api",
            "audit",
            "bundle",
            "compare",
            "event",
            "export",
            "import",
            "journal",
            "kinds",
            "object",
            "plan",
            "receipt",
            "restore",
            "rules",
            "simulator",
            "spool",
            "store",
            "survey",
        ],
    ),
    ("event", &[]),
    ("export", &["api", "bundle", "event", "kinds", "object", "pointer", "spool", "store", "survey"]),
    ("graph", &["calm", "kinds", "object", "page", "relations"]),
    (
        "import",
        &[
            "api", "bundle", "event", "journal", "kinds", "leaks", "memory", "object", "plan", "pointer", "redact", "spool",
            "survey", "values",
        ],
    ),
    ("journal", &["memory", "object"]),
    ("kinds", &["pointer"]),
    ("leaks", &["kinds", "object", "pointer"]),
    ("memory", &["object"]),
    ("notebook", &[]),
    ("object", &["kinds", "packed", "spool"]),
    ("origin", &[]),
    ("packed", &[]),
    ("page", &["calm"]),
    ("plan", &["kinds", "memory", "object", "packed", "pointer", "redact", "rules", "spool"]),
    ("pointer", &[]),
    ("preflight", &["api", "audit", "bundle", "event", "kinds", "object", "plan", "pointer", "restore", "rules"]),
    ("receipt", &["event", "import", "journal", "page", "plan", "rules", "spool"]),
    ("redact", &["kinds", "object", "pointer", "tokens"]),
    (
        "report",
        &["access", "audit", "bundle", "calm", "diff", "graph", "kinds", "object", "page", "preflight", "relations", "risk"],
    ),
    ("relations", &["kinds", "notebook", "object", "pointer"]),
    (
        "restore",
        &[
            "api", "audit", "berth", "bundle", "event", "journal", "kinds", "leaks", "memory", "object", "packed", "plan",
            "pointer", "rules", "spool", "survey",
        ],
    ),
    ("retention", &[]),
    ("risk", &["access", "kinds", "notebook", "object", "pointer", "preflight", "redact", "tokens"]),
    ("rules", &["kinds", "object", "packed", "pointer", "spool", "yaml"]),
    ("simulator", &[]),
    ("spool", &[]),
    ("store", &[]),
    ("survey", &["api", "event", "kinds", "object", "packed", "pointer", "redact", "spool", "tokens", "values"]),
    ("tokens", &[]),
    ("values", &["yaml"]),
    ("yaml", &[]),
];

#[test]
fn arrows_point_down_only() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (module, used) in mentions() {
        let Some(may_use) = allowed.get(module.as_str()) else {
            wrong.push(format!("{module} is not in the table"));
            continue;
        };
        wrong.extend(
            used.iter()
                .filter(|used| **used != module && !may_use.contains(&used.as_str()))
                .map(|used| format!("{module} uses {used}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every module with the modules that its files mention.
fn mentions() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let files = walkdir::WalkDir::new(&root).into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    for file in files {
        let below = file.path().strip_prefix(&root).unwrap();
        let module = below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if matches!(module.as_str(), "lib" | "main" | "cli" | "ui") {
            continue;
        }
        let text = std::fs::read_to_string(file.path()).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.entry(module).or_default().extend(modules_in(product));
    }
    found
}

/// Names behind `crate::`, also in braces.
fn modules_in(text: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mentions = code.flat_map(|line| line.split("crate::").skip(1).map(word).collect::<Vec<_>>());
    mentions.filter(|name| !name.is_empty()).collect()
}
