//! Blanks secrets before anything leaves this module: by the place where the table of kinds expects one, and by shape
//! wherever a known kind of token stands in a document.
//!
//! A reference such as `{{secrets/scope/key}}` is no secret and stays. What was blanked is told by its pointer.

use crate::kinds::{Class, Kind};
use crate::object::REDACTED;
use crate::pointer;
use crate::tokens;
use serde_json::{Map, Value};

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
    let keeps = |text: &str| text.is_empty() || text.contains("{{secrets/") || text == REDACTED;
    match value {
        Value::String(text) if keeps(text) => return false,
        Value::String(_) | Value::Number(_) => {}
        _ => return false,
    }
    *value = Value::from(REDACTED);
    blanked.push((place.to_owned(), "secret"));
    true
}

fn blank_shapes(value: &mut Value, at: &mut String, blanked: &mut Vec<(String, &'static str)>) {
    match value {
        Value::String(text) => {
            if let Some(clean) = tokens::without(text, REDACTED) {
                *text = clean;
                blanked.push((at.clone(), "looks like a token"));
            }
        }
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| below(item, &index.to_string(), at, blanked))
        }
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, member)| below(member, name, at, blanked));
            blank_names(members, at, blanked);
        }
        _ => {}
    }
}

/// A member may have a credential for its name, as a set of accepted tokens would.
fn blank_names(members: &mut Map<String, Value>, at: &str, blanked: &mut Vec<(String, &'static str)>) {
    if members.keys().all(|name| tokens::without(name, REDACTED).is_none()) {
        return;
    }
    for (name, value) in std::mem::take(members) {
        let clean = tokens::without(&name, REDACTED).unwrap_or(name);
        members.insert(clean, value);
    }
    blanked.push((at.to_owned(), "a name in it looks like a token"));
}

fn below(value: &mut Value, name: &str, at: &mut String, blanked: &mut Vec<(String, &'static str)>) {
    let length = at.len();
    at.push('/');
    at.push_str(&pointer::escape(&tokens::without(name, REDACTED).unwrap_or_else(|| name.to_owned())));
    blank_shapes(value, at, blanked);
    at.truncate(length);
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

    #[test]
    fn names_and_numbers_may_be_secret_too() {
        let kind = kinds::by_name("cluster").expect("there is one");
        let token = format!("dapi{}", "0123456789abcdef".repeat(2));
        let mut cluster = json!({"spark_conf": {&token: {"deep": [&token]}, "a.password": 123_456}, "cluster_name": "x"});
        let blanked = blank(kind, &mut cluster);
        let all = format!("{cluster} {blanked:?}");
        assert!(!all.contains(&token) && !all.contains("123456"), "{all}");
        assert_eq!(blanked.len(), 3, "{blanked:?}");
    }
}
