//! What the words of a rule file cannot say about themselves: fields that a kind does not have, actions that do not go together.

use super::format::{Activations, File, Rule};
use super::set::{RuleSet, RulesError};
use super::words::Place;
use crate::kinds::{self, Kind, Shape};
use crate::pointer;
use regex::Regex;
use serde_saphyr::Spanned;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Whether a file makes sense on top of this base.
pub(super) fn file(base: &RuleSet, file: &File) -> Result<(), RulesError> {
    if file.activations == Some(Activations::Keep) && !base.may_keep {
        return Err(RulesError { line: 1, column: 1, text: KEEP.to_owned() });
    }
    let mut names = HashSet::new();
    for rule in &file.rules {
        let twice = || format!("two rules are called \"{}\"", rule.value.name);
        let fresh = if names.insert(rule.value.name.as_str()) { Ok(()) } else { Err(twice()) };
        fresh.and_then(|()| one(base, &rule.value)).map_err(|text| at(rule, text))?;
    }
    Ok(())
}

const KEEP: &str = "`activations: keep` lets things run: it needs `extends: clone`";

fn at(rule: &Spanned<Rule>, text: String) -> RulesError {
    let text = if rule.value.name.is_empty() { text } else { format!("rule \"{}\": {text}", rule.value.name) };
    RulesError { line: rule.defined.line(), column: rule.defined.column(), text }
}

fn one(base: &RuleSet, rule: &Rule) -> Result<(), String> {
    if rule.name.trim().is_empty() {
        return Err("a rule needs a name".into());
    }
    if rule.activations == Some(Activations::Keep) && !base.may_keep {
        return Err(KEEP.into());
    }
    if !acts(rule) {
        return Err(format!("it does nothing: give one of {ACTIONS}"));
    }
    let kinds = kinds_of(rule);
    fields(rule, &kinds)?;
    ranges(rule)?;
    names(rule, &kinds)?;
    moves(rule)
}

const ACTIONS: &str = "skip, keep, drop, drop_urls, set, merge, patch, clamp, rename, move, activations, conflicts";

fn acts(rule: &Rule) -> bool {
    let lists = !(rule.keep.is_empty() && rule.drop.is_empty() && rule.patch.is_empty());
    let maps = !(rule.set.0.is_empty() && rule.clamp.0.is_empty() && rule.moves.0.is_empty());
    let others = rule.merge.is_some() || rule.rename.is_some() || rule.activations.is_some() || rule.conflicts.is_some();
    lists || maps || others || rule.skip || rule.drop_urls
}

/// The kinds that a rule may meet.
fn kinds_of(rule: &Rule) -> Vec<&'static Kind> {
    let named = rule.pick.iter().flat_map(|pick| &pick.kind.0).map(|kind| kind.0);
    let named: Vec<_> = named.collect();
    if named.is_empty() { kinds::all().to_vec() } else { named }
}

/// Every place begins with a field that some kind of the rule has: a slip of the pen would otherwise change nothing, or be refused
/// by the workspace on the worst day.
fn fields(rule: &Rule, kinds: &[&'static Kind]) -> Result<(), String> {
    let pointer = |place: &Place| if let Place::Pointer(at) = place { Some(at.clone()) } else { None };
    let places = rule.keep.iter().chain(&rule.drop).chain(rule.set.0.iter().map(|(at, _)| at));
    let places = places.chain(rule.clamp.0.iter().map(|(at, _)| at)).filter_map(pointer);
    let merged = rule.merge.iter().flat_map(|patch| patch.keys()).map(|name| format!("/{}", pointer::escape(name)));
    let patched = rule.patch.iter().flat_map(|one| std::iter::once(&one.path).chain(&one.from)).cloned();
    let wrong = places.chain(merged).chain(patched).find(|at| !kinds.iter().any(|kind| has(kind, at)));
    match wrong {
        None => Ok(()),
        Some(at) => Err(no_such_field(&at, kinds)),
    }
}

fn has(kind: &Kind, at: &str) -> bool {
    let first = at.split('/').nth(1).unwrap_or_default();
    kind.sent().any(|(field, _)| pointer::fits(first, field))
}

fn no_such_field(at: &str, kinds: &[&'static Kind]) -> String {
    let [kind] = kinds else { return format!("no kind of this rule has the field `{at}`") };
    let mut fields: Vec<&str> = kind.sent().map(|(field, _)| field).collect();
    fields.sort_unstable();
    match fields.is_empty() {
        true => format!("{} have no fields, and so no `{at}`", kind.title),
        false => format!("{} have no field `{at}`; they have {}", kind.title, fields.join(", ")),
    }
}

fn ranges(rule: &Rule) -> Result<(), String> {
    let wrong = rule.clamp.0.iter().map(|(_, clamp)| clamp).find_map(|clamp| match (clamp.min, clamp.max) {
        (None, None) => Some("a range needs `min` or `max`".to_owned()),
        (Some(min), Some(max)) if min > max => Some(format!("no number is at least {min} and at most {max}")),
        _ => None,
    });
    wrong.map_or(Ok(()), Err)
}

/// Whether objects of a kind can have another name in the target.
pub(super) fn can_be_renamed(kind: &Kind) -> bool {
    matches!(kind.shape, Shape::Collection(_)) && !["user", "service_principal", "instance_profile"].contains(&kind.name)
}

fn names(rule: &Rule, kinds: &[&'static Kind]) -> Result<(), String> {
    let Some(rename) = &rule.rename else { return Ok(()) };
    if rename.to.is_empty() {
        return Err("the new name is empty".into());
    }
    if let Some(text) = rename.pattern.as_ref().and_then(|pattern| no_such_group(&pattern.0, &rename.to)) {
        return Err(text);
    }
    let named = rule.pick.as_ref().is_some_and(|pick| !pick.kind.0.is_empty());
    match kinds.iter().find(|kind| named && !can_be_renamed(kind)) {
        Some(kind) if matches!(kind.shape, Shape::Tree(_)) => Err(format!("{} have a path: use `move`", kind.title)),
        Some(kind) => Err(format!("{} cannot be renamed: name what stands for them under `maps`", kind.title)),
        None => Ok(()),
    }
}

/// What a new name takes from its pattern, which does not have it: it would be left empty.
fn no_such_group(pattern: &Regex, to: &str) -> Option<String> {
    static GROUP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$(?:\$|([0-9A-Za-z_]+)|\{([^{}]*)\})").ok());
    let is_group = |name: &str| {
        let number = name.parse::<usize>().is_ok_and(|number| number < pattern.captures_len());
        number || pattern.capture_names().flatten().any(|known| known == name)
    };
    let names = GROUP.as_ref()?.captures_iter(to).filter_map(|found| Some((found.get(0)?, found.get(1).or(found.get(2))?)));
    let (whole, name) = names.map(|(whole, name)| (whole.as_str(), name.as_str())).find(|(_, name)| !is_group(name))?;
    let meant = name.char_indices().map(|(end, _)| &name[..end]).rev().find(|begin| is_group(begin) && !whole.contains('{'));
    let hint = meant.map(|meant| format!(": write `${{{meant}}}{}`", &name[meant.len()..])).unwrap_or_default();
    Some(format!("`{whole}` names no group of the pattern{hint}"))
}

fn moves(rule: &Rule) -> Result<(), String> {
    if rule.moves.0.is_empty() {
        return Ok(());
    }
    if rule.pick.is_some() {
        return Err("`move` holds for everything below the path, and takes no `for`".into());
    }
    let wrong = rule.moves.0.iter().find_map(|(from, to)| wrong_move(from, to));
    wrong.map_or(Ok(()), Err)
}

fn wrong_move(from: &str, to: &str) -> Option<String> {
    let path = |text: &str| {
        let rest = text.strip_prefix("dbfs:").unwrap_or(text);
        rest.strip_prefix('/').is_some_and(|rest| !rest.split('/').any(|part| matches!(part, "" | "." | "..")))
    };
    match [from, to].into_iter().find(|text| !path(text)) {
        Some(text) => Some(format!("\"{text}\" is no path: expected one such as /Shared/etl, dbfs:/etl or /Volumes/a/b/c")),
        None if space(from) != space(to) => Some(format!("\"{from}\" and \"{to}\" do not lie in the same place")),
        None => None,
    }
}

/// Paths of different spaces name different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Workspace,
    Dbfs,
    Volume,
}

pub(super) fn space(path: &str) -> Space {
    match path {
        _ if path.starts_with("/Volumes/") => Space::Volume,
        _ if path.starts_with("dbfs:") => Space::Dbfs,
        _ => Space::Workspace,
    }
}
