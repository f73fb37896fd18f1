//! Paths into JSON: JSON Pointer (RFC 6901) with two additions, so that the table of kinds can say where things stand.
//!
//! - A segment with `*` matches any array index or any member whose name fits, letters compared without case:
//!   `/tasks/*/existing_cluster_id`, `/spark_conf/*secret*`.
//! - A segment `#` reads the string it stands on as JSON and goes on inside: `/definition/#/instance_pool_id/value`.
//!   A change inside writes the string anew; without a change the string keeps its bytes.

use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

/// Calls `visit` for each place that `path` names, with its exact pointer.
pub fn each(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    let segments: Vec<&str> = segments(path);
    walk(value, &segments, &mut String::new(), visit);
}

/// The values at `path`, with their exact pointers.
pub fn find(value: &Value, path: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    each(value, path, &mut |at, value| found.push((at.to_owned(), value.clone())));
    found
}

/// Lets `change` edit each value that `path` names; it answers whether it changed something.
pub fn edit(value: &mut Value, path: &str, change: &mut dyn FnMut(&str, &mut Value) -> bool) -> bool {
    let segments: Vec<&str> = segments(path);
    alter(value, &segments, &mut String::new(), change)
}

/// Takes out what stands at `path`, and returns it. Elements of an array move up.
pub fn remove(value: &mut Value, path: &str) -> Vec<(String, Value)> {
    let Some((parent, last)) = path.rsplit_once('/') else { return Vec::new() };
    let mut removed = Vec::new();
    edit(value, parent, &mut |at, holder| {
        let before = removed.len();
        take(holder, last, at, &mut removed);
        removed.len() > before
    });
    removed
}

/// Sets the value at an exact pointer (no `*`) whose parent exists. Answers whether it could.
pub fn set(value: &mut Value, path: &str, new: &Value) -> bool {
    let Some((parent, last)) = path.rsplit_once('/') else { return false };
    edit(value, parent, &mut |_, holder| put(holder, last, new))
}

/// Every text in a value, with its pointer.
pub fn texts(value: &Value, visit: &mut dyn FnMut(&str, &str)) {
    texts_below(value, &mut String::new(), visit);
}

fn texts_below(value: &Value, at: &mut String, visit: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(at, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                below(at, &index.to_string(), |at| texts_below(item, at, visit));
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                below(at, &escaped(name), |at| texts_below(member, at, visit));
            }
        }
        _ => {}
    }
}

/// One name as a pointer segment (RFC 6901 §3).
pub fn escape(name: &str) -> String {
    escaped(name).into_owned()
}

fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { name.replace('~', "~0").replace('/', "~1").into() } else { name.into() }
}

/// A name as it was before [`escape`].
pub(crate) fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

/// Whether a member's name fits a segment, which may hold `*`.
pub fn fits(segment: &str, name: &str) -> bool {
    // Of all this is asked most: nothing is allocated for what needs none.
    if segment == "*" {
        return true;
    }
    if !segment.contains('*') {
        return if segment.contains('~') { unescape(segment) == name } else { segment == name };
    }
    let (segment, name) = (segment.to_lowercase(), name.to_lowercase());
    let parts: Vec<&str> = segment.split('*').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let Some(rest) = name.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    parts[1..parts.len() - 1].iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn walk(value: &Value, segments: &[&str], at: &mut String, visit: &mut dyn FnMut(&str, &Value)) {
    let Some((segment, rest)) = segments.split_first() else { return visit(at, value) };
    match value {
        Value::String(text) if *segment == "#" => {
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                below(at, "#", |at| walk(&inner, rest, at, visit));
            }
        }
        Value::Array(items) => {
            let range = elements(segment, items.len());
            for (index, item) in range.clone().zip(&items[range]) {
                below(at, &index.to_string(), |at| walk(item, rest, at, visit));
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| fits(segment, name)) {
                below(at, &escaped(name), |at| walk(member, rest, at, visit));
            }
        }
        _ => {}
    }
}

fn alter(value: &mut Value, segments: &[&str], at: &mut String, change: &mut dyn FnMut(&str, &mut Value) -> bool) -> bool {
    let Some((segment, rest)) = segments.split_first() else { return change(at, value) };
    let mut changed = false;
    match value {
        Value::String(text) if *segment == "#" => {
            let Ok(mut inner) = serde_json::from_str::<Value>(text) else { return false };
            below(at, "#", |at| changed = alter(&mut inner, rest, at, change));
            if changed {
                *text = inner.to_string();
            }
        }
        Value::Array(items) => {
            let range = elements(segment, items.len());
            for (index, item) in range.clone().zip(&mut items[range]) {
                below(at, &index.to_string(), |at| changed |= alter(item, rest, at, change));
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter_mut().filter(|(name, _)| fits(segment, name)) {
                below(at, &escaped(name), |at| changed |= alter(member, rest, at, change));
            }
        }
        _ => {}
    }
    changed
}

/// The elements of an array that a segment names: all, the one with that index, or none. Lists of access may be long, and are
/// edited entry by entry: an index must not cost a walk.
fn elements(segment: &str, len: usize) -> Range<usize> {
    if segment == "*" {
        return 0..len;
    }
    let plain = !segment.starts_with(['0', '+']) || segment == "0";
    match segment.parse::<usize>() {
        Ok(index) if plain && index < len => index..index + 1,
        _ => 0..0,
    }
}

/// Lets `then` work one segment further down.
pub(crate) fn below(at: &mut String, segment: &str, then: impl FnOnce(&mut String)) {
    let length = at.len();
    at.push('/');
    at.push_str(segment);
    then(at);
    at.truncate(length);
}

fn take(holder: &mut Value, segment: &str, at: &str, removed: &mut Vec<(String, Value)>) {
    match holder {
        Value::Object(members) => {
            let names: Vec<String> = members.keys().filter(|name| fits(segment, name)).cloned().collect();
            for name in names {
                removed.extend(members.shift_remove(&name).map(|value| (format!("{at}/{}", escape(&name)), value)));
            }
        }
        Value::Array(items) => {
            let range = elements(segment, items.len());
            let gone = range.clone().zip(items.drain(range));
            removed.extend(gone.map(|(index, item)| (format!("{at}/{index}"), item)));
        }
        _ => {}
    }
}

fn put(holder: &mut Value, segment: &str, new: &Value) -> bool {
    match holder {
        Value::Object(members) => members.insert(unescape(segment), new.clone()).as_ref() != Some(new),
        Value::Array(items) => match segment.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
            Some(item) => {
                *item = new.clone();
                true
            }
            None => false,
        },
        _ => false,
    }
}

/// Every text in a value, names of members and long numbers included, with its pointer; what is JSON in a text is read.
pub(crate) fn each_text(value: &Value, at: &mut String, visit: &mut dyn FnMut(&str, &str)) {
    let length = at.len();
    match value {
        Value::String(text) => match inner(text) {
            Some(inner) => {
                at.push_str("/#");
                each_text(&inner, at, visit);
                at.truncate(length);
            }
            None => visit(at, text),
        },
        Value::Number(number) => visit(at, &number.to_string()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let _ = write!(at, "/{index}");
                each_text(item, at, visit);
                at.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let _ = write!(at, "/{}", escaped(name));
                visit(at, name);
                each_text(member, at, visit);
                at.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn inner(text: &str) -> Option<Value> {
    let inner = text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str::<Value>(text).ok())??;
    (inner.is_object() || inner.is_array()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stars_name_elements_and_members() {
        let job = json!({"tasks": [{"a": 1}, {"b": 2}, {"a": 3}], "conf": {"x.Secret.y": 1, "plain": 2}});
        assert_eq!(find(&job, "/tasks/*/a"), [("/tasks/0/a".into(), json!(1)), ("/tasks/2/a".into(), json!(3))]);
        assert_eq!(find(&job, "/conf/*secret*"), [("/conf/x.Secret.y".into(), json!(1))]);
    }

    #[test]
    fn an_index_is_written_in_one_way() {
        let list = json!(["a", "b", "c"]);
        assert_eq!((find(&list, "/2").len(), find(&list, "/0").len()), (1, 1));
        for none in ["/02", "/+1", "/3", "/-1", "/", "/x"] {
            assert!(find(&list, none).is_empty(), "{none}");
        }
        let mut list = list;
        assert_eq!(remove(&mut list, "/*").len(), 3);
        assert_eq!(list, json!([]));
    }

    #[test]
    fn text_that_is_json_is_read_and_written() {
        let mut policy = json!({"definition": "{\"pool\": {\"value\":\"p1\"}}"});
        let before = policy.clone();
        assert!(!edit(&mut policy, "/definition/#/pool/nothing", &mut |_, _| true));
        assert_eq!(policy, before, "a string without a change keeps its bytes");
        assert!(edit(&mut policy, "/definition/#/pool/value", &mut |_, value| {
            *value = json!("p2");
            true
        }));
        assert_eq!(policy, json!({"definition": "{\"pool\":{\"value\":\"p2\"}}"}));
        assert!(set(&mut policy, "/definition/#/pool/value", &json!("p3")));
        assert_eq!(find(&policy, "/definition/#/pool/value"), [("/definition/#/pool/value".into(), json!("p3"))]);
    }

    #[test]
    fn what_is_removed_is_told() {
        let mut acl = json!({"acl": [{"user": "a"}, {"user": "b"}], "name/with~signs": 1});
        assert_eq!(remove(&mut acl, "/acl/0"), [("/acl/0".into(), json!({"user": "a"}))]);
        assert_eq!(remove(&mut acl, "/name~1with~0signs"), [("/name~1with~0signs".into(), json!(1))]);
        assert_eq!(acl, json!({"acl": [{"user": "b"}]}));
    }

    #[test]
    fn globs_fit_without_case() {
        assert!(fits("spark_env_vars.*TOKEN*", "spark_env_vars.MY_token_2"));
        assert!(fits("*_KEY", "api_key") && !fits("*_KEY", "KEYVAULT"));
        assert!(fits("a~1b", "a/b") && !fits("*ab*ab*", "ab"));
    }
}
