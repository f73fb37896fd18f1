//! What a rule changed, field by field: found by comparing, so that no action can forget to tell.

use crate::pointer::{self, below};
use serde_json::Value;

/// One field: exact pointer, what stood there, what stands there.
pub(super) type Field = (String, Option<Value>, Option<Value>);

/// Where two bodies differ. Lists of another length, and texts that are no JSON, are told whole. Absent, null and empty are one.
pub(super) fn diff(before: &Value, after: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), &mut String::new(), &mut found);
    found
}

fn compare(before: Option<&Value>, after: Option<&Value>, at: &mut String, found: &mut Vec<Field>) {
    match (before, after) {
        (before, after) if before == after || (empty(before) && empty(after)) => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let more = after.keys().filter(|name| !before.contains_key(*name));
            for name in before.keys().chain(more) {
                below(at, &pointer::escape(name), |at| compare(before.get(name), after.get(name), at, found));
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                below(at, &index.to_string(), |at| compare(Some(before), Some(after), at, found));
            }
        }
        (Some(Value::String(before)), Some(Value::String(after))) if read(before).is_some() && read(after).is_some() => {
            below(at, "#", |at| compare(read(before).as_ref(), read(after).as_ref(), at, found));
        }
        (before, after) => found.push((at.clone(), before.cloned(), after.cloned())),
    }
}

/// Absent, null and empty are one.
pub(super) fn empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

fn read(text: &str) -> Option<Value> {
    let holds = text.starts_with(['{', '[']);
    holds.then(|| serde_json::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_told_one_by_one() {
        let before = json!({"a": {"b": 1, "c/d": 2}, "l": [1, 2], "t": "{\"x\":1}", "g": true, "e": {}});
        let after = json!({"a": {"b": 1, "c/d": 3}, "l": [1, 2, 3], "t": "{\"x\":2}", "n": 0});
        let at: Vec<_> = diff(&before, &after).into_iter().map(|(at, ..)| at).collect();
        assert_eq!(at, ["/a/c~1d", "/l", "/t/#/x", "/g", "/n"]);
    }
}
