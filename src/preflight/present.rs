//! What the target has already, whether an import made it, and what wants the same name.

use super::specs::{label, text};
use super::{Check, Facts, Finding, Findings, Severity, unchecked};
use crate::kinds::{self, Kind, Shape, is_principal};
use crate::object::{Object, fold};
use crate::plan::{Action, Found, Step, name_of};
use std::collections::{BTreeMap, HashMap};

/// Two objects of the bundle under one name, where a workspace takes only one.
pub(super) fn twins(facts: &Facts<'_>) -> Vec<Finding> {
    let mut named: HashMap<(&str, String), Vec<String>> = HashMap::new();
    let objects = facts.prepared.applied.objects.iter();
    for object in objects.filter(|object| object.kind().key.unique && !matches!(object.kind().shape, Shape::Attached(_))) {
        let name = name_of(object.kind(), object.key(), object.id());
        named.entry((object.kind().name, fold(object.kind(), object.key()))).or_default().push(name);
    }
    let mut findings = Findings::default();
    for ((kind, key), names) in named.into_iter().filter(|(_, names)| names.len() > 1) {
        let text = format!("{} objects of the bundle want to be {} \"{key}\"", names.len(), kind.replace('_', " "));
        let hint = "rename one by a rule: a workspace takes one of that name";
        names.into_iter().for_each(|name| findings.add(Severity::Blocker, Check::Clash, &text, hint, Some(name)));
    }
    findings.finish()
}

/// What would not be restored though it could be.
pub(super) fn skipped(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let there = Names::of(facts);
    for step in facts.plan.steps.iter().filter(|step| !step.unwanted) {
        let (Action::Skip { reason }, Some(kind)) = (&step.action, kinds::by_name(&step.source.kind)) else { continue };
        let told_elsewhere =
            !kind.restorable() || is_principal(kind.name) || facts.met.inventory.unavailable.iter().any(|name| name == kind.name);
        // What hangs on something goes the way of that; what makes no sense is told of by itself.
        let unfit = facts.prepared.contents.unfit.iter().any(|one| one.object == step.source);
        if told_elsewhere || unfit || matches!(kind.shape, Shape::Attached(_)) {
            continue;
        }
        let (check, hint) = match (there.takes(kind, step), kind.name) {
            (true, _) => (Check::Clash, "rename or move it by a rule, map it to what is there, or move that away"),
            (false, "secret_scope") => (Check::Secret, "see to the reason, or leave it out by a rule with `skip`"),
            (false, _) => (Check::Reference, "see to the reason, or leave it out by a rule with `skip`"),
        };
        findings.add(Severity::Blocker, check, format!("would not be restored: {reason}"), hint, Some(label(kind, step)));
    }
    findings.finish()
}

/// Names and paths that are taken in the target.
struct Names<'a>(HashMap<String, Vec<&'a Object>>);

impl<'a> Names<'a> {
    fn of(facts: &Facts<'a>) -> Self {
        let mut names: HashMap<String, Vec<&Object>> = HashMap::new();
        for object in &facts.met.inventory.objects {
            names.entry(fold(object.kind, &object.key)).or_default().push(object);
        }
        Self(names)
    }

    /// A path is taken by anything that lies there, a name by something of the same kind.
    fn takes(&self, kind: &Kind, step: &Step) -> bool {
        let all = self.0.get(&fold(kind, &step.key));
        all.into_iter().flatten().any(|one| one.kind.name == kind.name || matches!(kind.shape, Shape::Tree(_)))
    }
}

/// Stamps of what the target has, by kind and id.
struct Stamps<'a>(HashMap<(&'a str, &'a str), String>);

impl<'a> Stamps<'a> {
    fn of(facts: &Facts<'a>) -> Self {
        let stamped = |object: &'a Object| Some(((object.kind.name, object.id.as_str()), object.stamp()?));
        Self(facts.met.inventory.objects.iter().filter_map(stamped).collect())
    }

    /// Whether an import of this source is known to have made an object of the target: by its stamp, or by a journal.
    fn are_ours(&self, facts: &Facts<'_>, kind: &Kind, step: &Step, target: &str) -> bool {
        let known = facts.met.known.get(&step.source).is_some_and(|id| id == target);
        let stamp = format!("{}/{}", facts.plan.source.workspace_id, step.source.id);
        known || self.0.get(&(kind.name, target)).is_some_and(|found| *found == stamp)
    }
}

/// What would be changed and nobody knows to be ours.
pub(super) fn overwritten(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let stamps = Stamps::of(facts);
    for step in facts.plan.steps.iter().filter(|_| facts.offer.is_some()) {
        let Some(kind) = kinds::by_name(&step.source.kind).filter(|kind| !is_principal(kind.name)) else { continue };
        let Some(target) = changed(step) else { continue };
        if !stamps.are_ours(facts, kind, step, &target) {
            let text =
                format!("{} are in the target, no import is known to have made them, and they would be changed", kind.title);
            let hint = "leave them as they are by a map to themselves or a rule with `skip`, or give the `--state` of the earlier imports";
            findings.add(Severity::Warning, Check::Present, text, hint, Some(label(kind, step)));
        }
    }
    findings.finish()
}

/// The id of what a step changes in the target.
fn changed(step: &Step) -> Option<String> {
    let id = |target: &Found| text(&target.id);
    match &step.action {
        Action::Update { target, .. } | Action::Mark { target } => Some(id(target)),
        Action::Content { overwrite: true, .. } => Some(step.source.id.clone()),
        _ => None,
    }
}

/// How much there is to do.
pub(super) fn summary(facts: &Facts<'_>) -> Vec<Finding> {
    if facts.offer.is_none() {
        return Vec::new();
    }
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    facts.plan.steps.iter().filter(|step| !step.implied).for_each(|step| *counts.entry(step.action.name()).or_default() += 1);
    let of = |words: &[&str]| words.iter().filter_map(|word| counts.get(word)).sum::<u64>();
    let text = format!(
        "an import would make {}, change {} and leave {} as they are; {} adopted, {} not done, {} wait for people",
        of(&["create", "attach"]),
        of(&["update"]),
        of(&["unchanged"]),
        of(&["adopt"]),
        of(&["skip"]),
        of(&["wait"]),
    );
    let mut findings = Findings::default();
    findings.add(Severity::Note, Check::Present, text, "`lifeboat import --plan-only` shows each of them", None);
    findings.finish()
}

/// What the target has and did not show.
pub(super) fn unread(facts: &Facts<'_>) -> Vec<Finding> {
    let told = |(kind, id): &(String, String)| {
        let title = kinds::by_name(kind).map_or(kind.as_str(), |kind| kind.title);
        let what = if id == "*" { format!("{title} of the target") } else { format!("\"{id}\" among the {title} of the target") };
        unchecked(&what, "it could not be read")
    };
    facts.met.inventory.unread.iter().map(told).collect()
}
