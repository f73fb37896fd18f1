//! Map entries that would help, as a rule file.

use super::{Entry, Finding};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The entries of all findings, each source once: where two findings say otherwise, the first counts.
pub(super) fn entries(findings: &[Finding]) -> Vec<Entry> {
    let mut all: BTreeMap<(&str, &str), &Entry> = BTreeMap::new();
    for entry in findings.iter().flat_map(|finding| &finding.maps) {
        all.entry((entry.section, &entry.from)).or_insert(entry);
    }
    all.into_values().cloned().collect()
}

/// A rule file with these entries, on top of a built-in set; nothing without entries.
pub fn snippet(entries: &[Entry], extends: &str) -> Option<String> {
    if entries.is_empty() {
        return None;
    }
    let mut text = format!("extends: {extends}\nmaps:\n");
    let sections: BTreeSet<&str> = entries.iter().map(|entry| entry.section).collect();
    for section in sections {
        let _ = writeln!(text, "  {section}:");
        for entry in entries.iter().filter(|entry| entry.section == section) {
            let _ = writeln!(text, "    {}: {}  # {}", scalar(&entry.from), scalar(&entry.to), comment(&entry.why));
        }
    }
    Some(text)
}

/// A text as YAML reads it back: plain where nothing in it could mean anything else.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '@' | '/' | '+');
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let means_something =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].iter().any(|one| text.eq_ignore_ascii_case(one));
    if word && !means_something {
        return text.to_owned();
    }
    let escaped = text.chars().map(|c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if c.is_ascii_graphic() || c == ' ' || (c.is_alphanumeric() && !c.is_control()) => c.to_string(),
        c => format!("\\U{:08x}", u32::from(c)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// A comment ends with its line, whatever a target calls its things; and what steers a terminal is no part of a name.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c.is_alphanumeric() { c } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleSet;
    use proptest::prelude::*;

    fn entry(section: &'static str, from: &str, to: &str) -> Entry {
        Entry { section, from: from.into(), to: to.into(), why: "because".into() }
    }

    #[test]
    fn it_is_a_rule_file() {
        let entries =
            [entry("node_type", "Standard_DS3_v2", "Standard_D4ds_v5"), entry("user", "Ada@a.example", "ada@b.example")];
        let text = snippet(&entries, "standby").expect("entries");
        assert!(text.starts_with("extends: standby\nmaps:\n  node_type:\n    Standard_DS3_v2: Standard_D4ds_v5  # because\n"));
        let rules = RuleSet::parse(&text).expect("good");
        assert_eq!(rules.maps().get("user", "Ada@a.example"), Some("ada@b.example"));
        assert_eq!(snippet(&[], "standby"), None);
    }

    proptest! {
        #[test]
        fn whatever_things_are_called_it_is_read_back(from in "\\PC{1,12}|[ -~]{1,12}|.{1,8}", to in ".{1,12}", why in ".{0,12}") {
            let entries = [Entry { why, ..entry("group", &from, &to) }];
            let text = snippet(&entries, "clone").expect("entries");
            let rules = RuleSet::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
            prop_assert_eq!(rules.maps().get("group", &from), Some(to.as_str()), "{}", text);
        }
    }
}
