//! Blanks secrets before anything leaves this module: by the place where the table of kinds expects one, and by shape
//! wherever a known kind of token stands in a document.
//!
//! A reference such as `{{secrets/scope/key}}` is no secret and stays. What was blanked is told by its pointer.

use crate::kinds::{Class, Kind};
use crate::object::REDACTED;
use crate::pointer;
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// Tokens with a shape of their own, and what stands around them: the first group, where there is one, is blanked.
static SHAPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let shapes = [
        r"\bdapi[0-9a-f]{32}(?:-\d)?\b",
        r"\bdose[0-9a-f]{32}\b",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        r"\bgh[pousr]_[A-Za-z0-9]{36,}\b",
        r"\bgithub_pat_[A-Za-z0-9_]{40,}\b",
        r"\bglpat-[A-Za-z0-9_-]{20,}",
        r"AccountKey=([A-Za-z0-9+/]{40,}={0,2})",
        r"\b[A-Za-z0-9+/]{86}==",
        r"[?&]sig=([A-Za-z0-9%+/]{40,}={0,2})",
        r"://[^/\s:@]+:([^/\s@]+)@",
    ];
    shapes.iter().filter_map(|shape| Regex::new(shape).ok()).collect()
});

/// Blanks every secret of a document, and says where and why.
pub(super) fn blank(kind: &Kind, document: &mut Value) -> Vec<(String, &'static str)> {
    let mut blanked = Vec::new();
    for (at, class) in kind.fields() {
        if class == Class::Secret {
            pointer::edit(document, &at, &mut |place, value| blank_place(place, value, &mut blanked));
        }
    }
    blank_shapes(document, &mut String::new(), &mut blanked);
    blanked
}

fn blank_place(place: &str, value: &mut Value, blanked: &mut Vec<(String, &'static str)>) -> bool {
    let Some(text) = value.as_str() else { return false };
    if text.is_empty() || text.contains("{{secrets/") || text == REDACTED {
        return false;
    }
    *value = Value::from(REDACTED);
    blanked.push((place.to_owned(), "secret"));
    true
}

fn blank_shapes(value: &mut Value, at: &mut String, blanked: &mut Vec<(String, &'static str)>) {
    match value {
        Value::String(text) => {
            if let Some(clean) = without_tokens(text) {
                *text = clean;
                blanked.push((at.clone(), "looks like a token"));
            }
        }
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| below(item, &index.to_string(), at, blanked));
        }
        Value::Object(members) => members.iter_mut().for_each(|(name, member)| below(member, name, at, blanked)),
        _ => {}
    }
}

fn below(value: &mut Value, name: &str, at: &mut String, blanked: &mut Vec<(String, &'static str)>) {
    let length = at.len();
    at.push('/');
    at.push_str(&pointer::escape(name));
    blank_shapes(value, at, blanked);
    at.truncate(length);
}

fn without_tokens(text: &str) -> Option<String> {
    let mut clean = None;
    for shape in SHAPES.iter() {
        let current: &str = clean.as_deref().unwrap_or(text);
        let Some(found) = shape.captures(current).and_then(|found| found.get(1).or(found.get(0))) else { continue };
        if found.as_str() != REDACTED {
            let replaced = shape.replace_all(current, |found: &regex::Captures<'_>| {
                let whole = &found[0];
                found.get(1).map_or(REDACTED.to_owned(), |inner| whole.replace(inner.as_str(), REDACTED))
            });
            clean = Some(replaced.into_owned());
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use serde_json::json;

    #[test]
    fn secrets_are_blanked_where_the_table_expects_them() {
        let kind = kinds::by_name("cluster").expect("there is one");
        let mut cluster = json!({
            "spark_conf": {"fs.azure.account.key.x.dfs": "CANARY-1", "my.secret.name": "{{secrets/a/b}}"},
            "spec": {"docker_image": {"basic_auth": {"username": "u", "password": "CANARY-2"}}, "spark_env_vars": {"GIT_TOKEN": "CANARY-3", "KEYVAULT": "kv"}},
        });
        let blanked = blank(kind, &mut cluster);
        assert!(!cluster.to_string().contains("CANARY"), "{cluster}");
        assert_eq!(blanked.len(), 3);
        assert_eq!(cluster["spark_conf"]["my.secret.name"], "{{secrets/a/b}}");
        assert_eq!(cluster["spec"]["spark_env_vars"]["KEYVAULT"], "kv");
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        let kind = kinds::by_name("job").expect("there is one");
        let token = format!("dapi{}", "0123456789abcdef".repeat(2));
        let mut job = json!({"settings": {"git_source": {"git_url": "https://me:hunter2@git.example.com/x"}, "parameters": [{"default": format!("--token {token}")}]}});
        assert_eq!(blank(kind, &mut job).len(), 2);
        assert!(!job.to_string().contains("hunter2") && !job.to_string().contains(&token), "{job}");
        assert_eq!(job["settings"]["parameters"][0]["default"], format!("--token {REDACTED}"));
    }
}
