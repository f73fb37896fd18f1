//! Users, groups and service principals: there, to be made, or nowhere.

use super::ask::Person;
use super::specs::label;
use super::{Check, Entry, Facts, Finding, Findings, Severity, nearest, unchecked};
use crate::kinds::{self, Gone, Kind, is_principal};
use crate::object::Object;
use crate::plan::{Action, Dangling};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Somebody whom the target does not have.
pub(super) struct Sought<'a> {
    kinds: Vec<&'static str>,
    key: &'a str,
    why: Why<'a>,
}

enum Why<'a> {
    /// An import would make them.
    Made(&'static Kind, String),
    /// An import would not make them.
    Left(String, &'a str),
    /// Something names them, and nobody is of that name.
    Named(&'a Dangling),
}

/// Everybody whom the target does not have.
pub(super) fn sought<'a>(facts: &Facts<'a>) -> impl Iterator<Item = Sought<'a>> {
    let steps = facts.plan.steps.iter().filter_map(|step| {
        let kind = kinds::by_name(&step.source.kind).filter(|kind| is_principal(kind.name))?;
        let why = match &step.action {
            Action::Create { .. } => Why::Made(kind, label(kind, step)),
            Action::Skip { reason } if !step.unwanted => Why::Left(label(kind, step), reason),
            _ => return None,
        };
        Some(Sought { kinds: vec![kind.name], key: &step.key, why })
    });
    let named = facts.plan.dangling.iter().filter(|one| one.to.iter().any(|to| is_principal(to)));
    // Who is in the bundle and would not be made is told of once.
    steps.chain(named.map(|one| Sought { kinds: one.to.clone(), key: &one.value, why: Why::Named(one) }))
}

pub(super) fn missing(facts: &Facts<'_>) -> Vec<Finding> {
    let nobody = Vec::new();
    let (people, unknown) = match facts.offer.map(|offer| &offer.people) {
        None => (&nobody, None),
        Some(Ok(people)) => (people, None),
        Some(Err(why)) => (&nobody, Some(why)),
    };
    let (mut findings, names) = (Findings::default(), displayed(facts));
    let mut any = false;
    for one in sought(facts) {
        any = true;
        let display = one.kinds.iter().find_map(|kind| names.get(&(*kind, one.key)).map(String::as_str));
        tell(facts, &one, nearest::person(&one.kinds, one.key, display, people), &mut findings);
    }
    let mut found = findings.finish();
    if let (true, Some(why)) = (any, unknown) {
        found.push(unchecked("who is in the target", why));
    }
    found
}

fn tell(facts: &Facts<'_>, one: &Sought<'_>, guess: Option<(&Person, String)>, findings: &mut Findings) {
    let (severity, text, hint, object) = match &one.why {
        // Offline, everybody is to be made: nothing to say.
        Why::Made(..) if facts.offer.is_none() => return,
        Why::Made(kind, object) => {
            let text = format!("{} would be made, or assigned if the account has them", kind.title);
            (Severity::Note, text, "map those who go by another name here", object.clone())
        }
        Why::Left(object, reason) => {
            (Severity::Warning, (*reason).to_owned(), "assign or make them in the target, or map them", object.clone())
        }
        Why::Named(dangling) => {
            let who = one.kinds.join(" or ").replace('_', " ");
            let text = format!("{who} \"{}\" is named, and {}", one.key, nowhere(facts));
            let lost = if matches!(dangling.gone, Gone::Drop | Gone::DropParent) { "what names them is left out: " } else { "" };
            let hint = format!("{lost}make or assign them in the target, or map them");
            findings.add(Severity::Warning, Check::Principal, &text, &hint, Some(dangling.label.clone()));
            return findings.map(Severity::Warning, Check::Principal, &text, guess.map(|guess| entry(one.key, guess)));
        }
    };
    findings.add(severity, Check::Principal, &text, hint, Some(object));
    findings.map(severity, Check::Principal, &text, guess.map(|guess| entry(one.key, guess)));
}

/// Where nothing of that name is.
pub(super) fn nowhere(facts: &Facts<'_>) -> &'static str {
    if facts.offer.is_some() { "neither the bundle nor the target has it" } else { "the bundle does not have it" }
}

fn entry(from: &str, (to, why): (&Person, String)) -> Entry {
    Entry { section: to.kind, from: from.to_owned(), to: to.key.clone(), why }
}

/// What people see of everybody in the bundle, by kind and natural key.
fn displayed<'a>(facts: &Facts<'a>) -> HashMap<(&'static str, &'a str), String> {
    let people = facts.prepared.contents.objects.iter().filter(|object| is_principal(object.kind.name));
    let name = |object: &Object| object.document()?.get("displayName")?.as_str().map(str::to_owned);
    people.filter_map(|object| Some(((object.kind.name, object.key.as_str()), name(object)?))).collect()
}

/// A group of the account that is made in a workspace is another one: it can hold no grants (more, §1.4).
pub(super) fn account_groups(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let Some(kind) = kinds::by_name("group").filter(|_| facts.offer.is_some()) else { return Vec::new() };
    let of_account = |object: &&Object| {
        let sort = |group: &Value| group.pointer("/meta/resourceType").is_some_and(|sort| sort == "Group");
        object.kind.name == kind.name && object.document().is_some_and(|group| sort(&group))
    };
    let all = facts.prepared.contents.objects.iter().filter(of_account);
    let all: HashSet<&str> = all.map(|object| object.id.as_str()).collect();
    let made = |step: &&crate::plan::Step| step.source.kind == kind.name && matches!(step.action, Action::Create { .. });
    for step in facts.plan.steps.iter().filter(made).filter(|step| all.contains(step.in_bundle().id.as_str())) {
        let text =
            "a group of the account would be made anew as a group of this workspace, which can hold no grants of Unity Catalog";
        let hint = "assign the account's group to the target first";
        findings.add(Severity::Warning, Check::Principal, text, hint, Some(label(kind, step)));
    }
    findings.finish()
}
