//! Carries maps and moves through the body of an object, and through source code.

use super::format::Code;
use super::project::name_at;
use super::sanitize::Change;
use super::swap::{Place, Swap, Swaps};
use crate::kinds::{By, Kind};
use crate::pointer::{self, below};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};

/// A walk through one body.
struct Walk<'a> {
    swaps: &'a Swaps,
    /// Names and ids: what they refer to follows by other ways.
    names: HashSet<String>,
    /// Fields that refer by path.
    paths: HashSet<String>,
    /// Texts that hold JSON.
    texts: HashSet<String>,
    changes: Vec<Change>,
}

/// Swaps all that is mapped in a body, and tells what.
pub(super) fn body(swaps: &Swaps, kind: &'static Kind, body: &mut Value) -> Vec<Change> {
    if swaps.is_empty() {
        return Vec::new();
    }
    let mut walk = Walk { swaps, names: HashSet::new(), paths: HashSet::new(), texts: HashSet::new(), changes: Vec::new() };
    walk.values(kind, body);
    walk.learn(kind, body);
    walk.value(body, "", &mut String::new());
    walk.changes
}

impl Walk<'_> {
    fn learn(&mut self, kind: &'static Kind, body: &Value) {
        self.names.extend(name_at(kind));
        for (at, reference) in kind.references() {
            let Some(at) = super::below_body(kind, &at) else { continue };
            if let Some((text, _)) = at.split_once("/#") {
                pointer::each(body, text, &mut |at, _| self.texts.extend([at.to_owned()]));
            }
            let places = match reference.by {
                By::Id | By::Key => &mut self.names,
                By::Path => &mut self.paths,
                By::Elsewhere(_) => continue,
            };
            pointer::each(body, &at, &mut |at, _| places.extend([at.to_owned()]));
        }
    }

    /// What the table knows to lie elsewhere.
    fn values(&mut self, kind: &'static Kind, body: &mut Value) {
        for (at, reference) in kind.references() {
            let (By::Elsewhere(section), Some(at)) = (reference.by, super::below_body(kind, &at)) else { continue };
            let (swaps, changes, names) = (self.swaps, &mut self.changes, &mut self.names);
            pointer::edit(body, &at, &mut |at, value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let Some(swap) = swaps.value(section, &text) else { return false };
                let new = typed(value, &swap.to);
                changes.push(change(at, Some(value.clone()), Some(new.clone()), &[swap]));
                *value = new;
                names.insert(at.to_owned());
                true
            });
        }
    }

    /// `field` is the field that a value belongs to, which in a policy is the attribute's.
    fn value(&mut self, value: &mut Value, field: &str, at: &mut String) {
        match value {
            Value::String(text) if self.texts.contains(at.as_str()) => self.inner(text, at),
            Value::String(text) => self.text(text, field, at),
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    below(at, &index.to_string(), |at| self.value(item, field, at));
                }
            }
            Value::Object(members) => self.members(members, field, at),
            _ => {}
        }
    }

    fn inner(&mut self, text: &mut String, at: &mut String) {
        let Ok(mut inner) = serde_json::from_str::<Value>(text) else { return };
        let before = self.changes.len();
        below(at, "#", |at| self.value(&mut inner, "", at));
        if self.changes.len() > before {
            *text = inner.to_string();
        }
    }

    fn text(&mut self, text: &mut String, field: &str, at: &str) {
        if self.names.contains(at) {
            return;
        }
        if let Some(swap) = self.swaps.whole(field, text) {
            return self.swap(text, swap.to.clone(), &[swap], at);
        }
        let place = if self.paths.contains(at) { Place::Path } else { Place::Text };
        if let Some((new, made)) = self.swaps.text(text, place) {
            self.swap(text, new, &made, at);
        }
    }

    fn swap(&mut self, text: &mut String, new: String, made: &[Swap], at: &str) {
        let was = std::mem::replace(text, new);
        self.changes.push(change(at, Some(was.into()), Some(text.clone().into()), made));
    }

    fn members(&mut self, members: &mut Map<String, Value>, field: &str, at: &mut String) {
        self.schema(members, at);
        let new: Vec<_> = members.keys().map(|name| (name.clone(), self.swaps.text(name, Place::Name))).collect();
        for (name, swapped) in new {
            let attribute = matches!(name.as_str(), "value" | "defaultValue" | "values") && at.contains("/#/");
            let inside = if attribute { field } else { &name };
            if let Some(member) = members.get_mut(&name) {
                below(at, &pointer::escape(&name), |at| self.value(member, inside, at));
            }
            if let Some((new, made)) = swapped {
                self.name(members, &name, &new, &made, at);
            }
        }
    }

    /// Spark names settings after the storage that they are for.
    fn name(&mut self, members: &mut Map<String, Value>, old: &str, new: &str, made: &[Swap], at: &str) {
        if members.contains_key(new) {
            return;
        }
        let Some(value) = members.shift_remove(old) else { return };
        let place = |name: &str| format!("{at}/{}", pointer::escape(name));
        self.changes.push(change(&place(old), Some(value.clone()), None, made));
        self.changes.push(change(&place(new), None, Some(value.clone()), made));
        members.insert(new.to_owned(), value);
    }

    fn schema(&mut self, members: &mut Map<String, Value>, at: &str) {
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some((catalog, schema)) = text("catalog").zip(text("schema")) else { return };
        let Some((new_catalog, new_schema)) = self.swaps.schema(&catalog, &schema) else { return };
        let swap =
            Swap { rule: "maps:schema".into(), from: format!("{catalog}.{schema}"), to: format!("{new_catalog}.{new_schema}") };
        for (name, was, now) in [("catalog", catalog, new_catalog), ("schema", schema, new_schema)] {
            let at = format!("{at}/{name}");
            if was != now {
                self.changes.push(change(&at, Some(was.into()), Some(now.clone().into()), std::slice::from_ref(&swap)));
                members.insert(name.to_owned(), now.into());
            }
            self.names.insert(at);
        }
    }
}

/// A value in the JSON type that the source's has.
fn typed(like: &Value, text: &str) -> Value {
    let number = || text.parse::<i64>().ok().map(Value::from);
    like.is_number().then(number).flatten().unwrap_or_else(|| Value::from(text))
}

fn change(at: &str, was: Option<Value>, now: Option<Value>, made: &[Swap]) -> Change {
    let rules: BTreeSet<&str> = made.iter().map(|swap| swap.rule.as_str()).collect();
    let reason = made.iter().map(|swap| format!("{} stands for {}", swap.to, swap.from)).collect::<BTreeSet<_>>();
    Change {
        at: at.to_owned(),
        was,
        now,
        rule: rules.into_iter().collect::<Vec<_>>().join(", "),
        reason: reason.into_iter().collect::<Vec<_>>().join("; "),
        activation: false,
    }
}

/// Source code that is changed.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The new bytes.
    pub bytes: Vec<u8>,
    /// What was swapped.
    pub(super) changes: Vec<Change>,
}

/// What is known of source code that is changed: its bytes are made anew when they are sent, so that memory stays flat.
#[derive(Clone, Debug)]
pub struct Measured {
    pub(super) content: (u64, [u8; 32]),
    pub(super) changes: Vec<Change>,
}

impl From<Rewritten> for Measured {
    fn from(new: Rewritten) -> Self {
        let content = (new.bytes.len() as u64, <sha2::Sha256 as sha2::Digest>::digest(&new.bytes).into());
        Self { content, changes: new.changes }
    }
}

/// Bytes of the largest file that is taken for source code.
pub const LARGEST_CODE: u64 = 10 << 20;

/// Swaps all that is mapped in source code; nothing if that changes nothing. `format` is a notebook's.
pub(super) fn code(swaps: &Swaps, bytes: &[u8], format: Option<&str>) -> Option<Rewritten> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= LARGEST_CODE)?;
    let (new, made) = swaps.code(text, format == Some("JUPYTER") || is_json(text))?;
    let mut changes: Vec<Change> = made
        .iter()
        .map(|swap| change("/source", Some(swap.from.clone().into()), Some(swap.to.clone().into()), std::slice::from_ref(swap)))
        .collect();
    changes.dedup();
    Some(Rewritten { bytes: new.into_bytes(), changes })
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The script of a global init script is in its body.
pub(super) fn script(swaps: &Swaps, inside: &[Code], kind: &Kind, body: &mut Value) -> Vec<Change> {
    if kind.name != Code::GlobalInitScript.kind() || !inside.contains(&Code::GlobalInitScript) {
        return Vec::new();
    }
    let script = body.get("script").and_then(Value::as_str).and_then(|script| STANDARD.decode(script).ok());
    let Some(new) = script.and_then(|script| code(swaps, &script, None)) else { return Vec::new() };
    pointer::set(body, "/script", &STANDARD.encode(&new.bytes).into());
    new.changes.into_iter().map(|change| Change { at: "/script".into(), ..change }).collect()
}
