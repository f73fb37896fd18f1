//! Carries new names and paths to whatever refers to them, and to what hangs on what has them.

use super::apply::Work;
use super::check::Space;
use super::project::{below_body, name_at};
use super::sanitize::Change;
use super::swap::Swaps;
use crate::kinds::{By, Kind, Shape, Tree};
use crate::object::fold;
use crate::packed::Packed;
use crate::pointer;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

type Name = (&'static str, String);

/// Gives ids and keys their new form, and takes along what refers to them. Answers conflicts: rule, and what is wrong.
pub(super) fn through(works: &mut [Work<'_>], swaps: &Swaps) -> Vec<(String, String)> {
    let mut new_names: HashMap<Name, (String, String)> = HashMap::new();
    let mut new_ids: HashMap<Name, (String, String)> = HashMap::new();
    for work in works.iter_mut() {
        give_path(work, swaps);
        if let Some(rule) = give_name(work) {
            new_names.insert(name(work.object.kind, &work.object.key), (work.key.clone(), rule));
        }
        if work.id != work.object.id || work.key != work.object.key {
            new_ids.insert((work.object.kind.name, work.object.id.clone()), (work.id.clone(), work.key.clone()));
        }
    }
    if new_ids.is_empty() {
        leave_out_below(works);
        return Vec::new();
    }
    works.iter_mut().for_each(|work| hang(work, &new_ids));
    if !new_names.is_empty() {
        let known: HashSet<Name> = works.iter().map(|work| name(work.object.kind, &work.object.key)).collect();
        works.iter_mut().for_each(|work| refer(work, &new_names, &known));
    }
    leave_out_below(works);
    conflicts(works)
}

fn name(kind: &'static Kind, key: &str) -> Name {
    (kind.name, fold(kind, key))
}

fn give_path(work: &mut Work<'_>, swaps: &Swaps) {
    let space = match &work.object.kind.shape {
        Shape::Tree(Tree::Dbfs) => Space::Dbfs,
        Shape::Tree(Tree::Volume) => Space::Volume,
        Shape::Tree(_) => Space::Workspace,
        _ => return,
    };
    let Some(swap) = swaps.path(&work.object.id, space) else { return };
    work.changes.push(Change {
        at: String::new(),
        was: Some(json!(swap.from)),
        now: Some(json!(swap.to)),
        reason: "moved".into(),
        rule: swap.rule,
        activation: false,
    });
    (work.id, work.key) = (swap.to.clone(), swap.to);
}

/// The name that a rule wrote into the body; answers which rule.
fn give_name(work: &mut Work<'_>) -> Option<String> {
    let kind = work.object.kind;
    let at = name_at(kind)?;
    let Shape::Collection(collection) = &kind.shape else { return None };
    // Only what a rule changed: a survey may have found the key elsewhere.
    let change = work.changes.iter().rev().find(|change| change.at == at)?;
    let rule = change.rule.clone();
    let new = work.body.as_ref()?.value().pointer(&at)?.as_str()?.to_owned();
    if collection.id == kind.key.at {
        work.id.clone_from(&new);
    }
    work.key = new;
    Some(rule)
}

/// What hangs on something follows it.
fn hang(work: &mut Work<'_>, new_ids: &HashMap<Name, (String, String)>) {
    let Shape::Attached(attached) = &work.object.kind.shape else { return };
    let Some((kind, old)) = work.object.meta.parent() else { return };
    let Some(on) = crate::kinds::by_name(&kind) else { return };
    let Some((id, key)) = new_ids.get(&(on.name, old.clone())) else { return };
    if attached.to.is_empty() {
        work.key = format!("{kind}:{key}");
    } else {
        let rest = work.object.id.strip_prefix(&old).unwrap_or_default();
        (work.key, work.id) = (format!("{key}{rest}"), format!("{id}{rest}"));
    }
    work.meta.insert("parent", json!({ "kind": kind, "id": id }));
}

/// References by name, and the secrets that texts name.
fn refer(work: &mut Work<'_>, new_names: &HashMap<Name, (String, String)>, known: &HashSet<Name>) {
    let Some(packed) = &work.body else { return };
    let mut whole = packed.value();
    let body = &mut whole;
    let before = work.changes.len();
    for (at, reference) in work.object.kind.references() {
        let Some(at) = below_body(work.object.kind, &at) else { continue };
        if reference.by != By::Key {
            continue;
        }
        let to = || reference.to.iter().filter_map(|to| crate::kinds::by_name(to));
        let new = |text: &str| {
            to().map(|kind| name(kind, text)).find(|name| known.contains(name)).and_then(|name| new_names.get(&name).cloned())
        };
        let changes = &mut work.changes;
        pointer::edit(body, &at, &mut |at, value| {
            let Some((now, rule)) = value.as_str().and_then(new) else { return false };
            let was = std::mem::replace(value, json!(now));
            let reason = "it has another name".to_owned();
            changes.push(Change { at: at.to_owned(), was: Some(was), now: Some(json!(now)), rule, reason, activation: false });
            true
        });
    }
    if new_names.keys().any(|(kind, _)| *kind == "secret_scope") {
        let rename = |text: &str| scopes(text, new_names);
        each_text(body, &mut String::new(), &mut |at, text| {
            let Some((now, rule)) = rename(text) else { return };
            let was = std::mem::replace(text, now);
            let reason = "it has another name".to_owned();
            work.changes.push(Change {
                at: at.to_owned(),
                was: Some(json!(was)),
                now: Some(json!(text)),
                rule,
                reason,
                activation: false,
            });
        });
    }
    if work.changes.len() > before {
        work.body = Some(Packed::of(&whole));
    }
}

/// Secrets may be named in any text.
fn each_text(value: &mut Value, at: &mut String, visit: &mut dyn FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => visit(at, text),
        Value::Array(items) => items.iter_mut().enumerate().for_each(|(index, item)| {
            pointer::below(at, &index.to_string(), |at| each_text(item, at, visit));
        }),
        Value::Object(members) => members.iter_mut().for_each(|(name, member)| {
            pointer::below(at, &pointer::escape(name), |at| each_text(member, at, visit));
        }),
        _ => {}
    }
}

/// A text with scopes of secrets under their new names, and the rule that gave one.
fn scopes(text: &str, new_names: &HashMap<Name, (String, String)>) -> Option<(String, String)> {
    static SCOPE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(\{\{\s*secrets/)([^/{}]+)(/)").ok());
    let kind = crate::kinds::by_name("secret_scope")?;
    let mut rule = None;
    let new = SCOPE.as_ref()?.replace_all(text, |found: &regex::Captures<'_>| {
        let new = new_names.get(&name(kind, &found[2]));
        rule = new.map(|(_, rule)| rule.clone()).or(rule.take());
        format!("{}{}{}", &found[1], new.map_or(&found[2], |(new, _)| new.as_str()), &found[3])
    });
    let new = new.into_owned();
    rule.map(|rule| (new, rule))
}

/// What hangs on something that is left out is left out with it.
fn leave_out_below(works: &mut [Work<'_>]) {
    let gone: HashMap<Name, String> =
        works.iter().filter_map(|work| Some(((work.object.kind.name, work.object.id.clone()), work.left_out.clone()?))).collect();
    if gone.is_empty() {
        return;
    }
    for work in works.iter_mut().filter(|work| work.left_out.is_none()) {
        let above = work.object.meta.parent().and_then(|(kind, id)| Some((crate::kinds::by_name(&kind)?.name, id)));
        work.left_out = above.and_then(|above| gone.get(&above)).cloned();
    }
}

/// Two objects under one name that cannot be there twice. Folders become one.
fn conflicts(works: &mut [Work<'_>]) -> Vec<(String, String)> {
    let mut first: HashMap<(&str, String), usize> = HashMap::new();
    let mut found = Vec::new();
    let changed = |work: &Work<'_>| work.key != work.object.key;
    // What kept its name comes first: what was moved gives way.
    let mut order: Vec<usize> = (0..works.len()).filter(|at| works[*at].left_out.is_none()).collect();
    order.sort_by_key(|at| changed(&works[*at]));
    for at in order {
        let Some(place) = place(&works[at]) else { continue };
        let Some(other) = first.get(&place).copied() else {
            first.insert(place, at);
            continue;
        };
        let folders = [at, other].iter().all(|at| works[*at].object.kind.name == "directory");
        match (changed(&works[at]), folders) {
            (false, _) => {}
            (true, true) => works[at].left_out = Some(format!("it becomes one with the folder {}", works[other].key)),
            (true, false) => {
                let rule = works[at].changes.iter().rev().find(|change| change.now == Some(json!(works[at].key)));
                let text = format!("{} and {} would both be called \"{}\"", told(&works[other]), told(&works[at]), works[at].key);
                found.push((rule.map(|change| change.rule.clone()).unwrap_or_default(), text));
            }
        }
    }
    leave_out_below(works);
    found
}

fn told(work: &Work<'_>) -> String {
    format!("{}:{}", work.object.kind.name, work.object.key)
}

/// What cannot be there twice: a path, or a name where the API allows only one.
fn place(work: &Work<'_>) -> Option<(&'static str, String)> {
    let kind = work.object.kind;
    match &kind.shape {
        Shape::Tree(Tree::Dbfs | Tree::Volume) => Some((kind.name, work.key.clone())),
        Shape::Tree(_) => Some(("", work.key.clone())),
        Shape::Collection(_) if kind.key.unique => Some(name(kind, &work.key)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_inside_texts_follow() {
        let names = HashMap::from([(("secret_scope", "ops".to_owned()), ("ops-dr".to_owned(), "r".to_owned()))]);
        let (new, rule) = scopes("a {{secrets/Ops/k}} {{ secrets/other/k }}", &names).expect("one");
        assert_eq!((new.as_str(), rule.as_str()), ("a {{secrets/ops-dr/k}} {{ secrets/other/k }}", "r"));
        assert_eq!(scopes("{{secrets/other/k}}", &names), None);
    }
}
