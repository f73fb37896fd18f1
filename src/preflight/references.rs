//! References that lead nowhere, and all else that a plan leaves to people.

use super::people::nowhere;
use super::{Check, Facts, Finding, Findings, Severity};
use crate::kinds::{self, Gone, Shape, is_principal};
use crate::plan::{Action, Dangling, Todo, What, name_of};
use std::collections::BTreeSet;

/// Rules that do not fit, and rules that find nothing.
pub(super) fn rules(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let applied = &facts.prepared.applied;
    let see = "`lifeboat rules test RULES BUNDLE` shows all of it";
    for (severity, remarks) in [(Severity::Blocker, &applied.problems), (Severity::Warning, &applied.warnings)] {
        remarks.iter().for_each(|remark| findings.add(severity, Check::Rules, remark.to_string(), see, None));
    }
    findings.finish()
}

pub(super) fn dangling(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    for one in facts.plan.dangling.iter().filter(|one| !one.to.iter().any(|to| is_principal(to))) {
        let what = one.to.join(" or ").replace('_', " ");
        let text = format!("{what} \"{}\" is referred to, and {}", one.value, nowhere(facts));
        let (severity, check, hint) = weigh(one);
        findings.add(severity, check, text, &hint, Some(place(one)));
    }
    findings.finish()
}

fn place(one: &Dangling) -> String {
    one.at.as_ref().map_or_else(|| one.label.clone(), |at| format!("{} {at}", one.label))
}

/// A workspace refuses ids that it does not know; a path or a secret is looked for when something runs.
fn weigh(one: &Dangling) -> (Severity, Check, String) {
    let map = one.to.first().copied().unwrap_or_default();
    if one.to == ["secret"] {
        let hint = "what names it does not start without it: make the secret, or change the name by a rule";
        return (Severity::Warning, Check::Secret, hint.to_owned());
    }
    let path = one.to.iter().filter_map(|to| kinds::by_name(to)).any(|kind| matches!(kind.shape, Shape::Tree(_)));
    match one.gone {
        Gone::Drop | Gone::DropParent => {
            (Severity::Warning, Check::Reference, format!("it is left out: map it (`{map}:`) if the target has one for it"))
        }
        Gone::Keep | Gone::Needed | Gone::Silent if path => (
            Severity::Warning,
            Check::Reference,
            "what needs it fails when it runs: bring it along, or change it by a rule".to_owned(),
        ),
        Gone::Keep | Gone::Needed | Gone::Silent => {
            let hint = format!("the workspace may refuse it: map it (`{map}:`), change it or skip the object by a rule");
            (Severity::Blocker, Check::Reference, hint)
        }
    }
}

/// What a plan leaves to people, but for what other checks tell in more detail.
pub(super) fn todos(facts: &Facts<'_>) -> Vec<Finding> {
    let told: BTreeSet<&str> = facts.plan.dangling.iter().map(|one| one.text.as_str()).collect();
    let reasons = facts.plan.steps.iter().filter_map(|step| match &step.action {
        Action::Skip { reason } => Some(reason.as_str()),
        _ => None,
    });
    let reasons: BTreeSet<&str> = reasons.collect();
    let mut findings = Findings::default();
    for todo in facts.plan.todos.iter().filter(|todo| !told.contains(todo.text.as_str()) && !reasons.contains(todo.text.as_str()))
    {
        let Some((severity, check, hint)) = sort(todo) else { continue };
        if facts.offer.is_none() && matches!(todo.what, What::Owner | What::Principal) {
            continue;
        }
        for object in &todo.objects {
            findings.add(severity, check, &todo.text, hint, Some(object.clone()));
        }
    }
    findings.finish()
}

fn sort(todo: &Todo) -> Option<(Severity, Check, &'static str)> {
    Some(match todo.what {
        // Told with the people themselves.
        What::Principal if todo.objects.iter().all(|name| is_principal(name.split(':').next().unwrap_or_default())) => {
            return None;
        }
        What::Principal => (Severity::Warning, Check::Principal, "decide by hand"),
        What::Owner => (Severity::Note, Check::Principal, "name another owner after the import, if need be"),
        What::SecretValue => (Severity::Warning, Check::Secret, "set it in the target: `databricks secrets put-secret`"),
        What::RedactedField => {
            (Severity::Warning, Check::Elsewhere, "put a secret's name there by a rule, or set it after the import")
        }
        What::GitToken | What::NotRestored => (Severity::Note, Check::LeftOut, ""),
        What::DeadReference => (Severity::Note, Check::Reference, ""),
        What::Ambiguous => (Severity::Warning, Check::Clash, "map one to the other if they are the same, or rename by a rule"),
        What::Leak => (Severity::Warning, Check::Leak, ""),
        What::Look | What::Quota => (Severity::Note, Check::Elsewhere, ""),
    })
}

/// What is in the bundle and no import brings back.
pub(super) fn left_out(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    for one in &facts.prepared.contents.unfit {
        let name = kinds::by_name(&one.object.kind)
            .map_or_else(|| one.object.to_string(), |kind| name_of(kind, &one.key, &one.object.id));
        let text = format!("cannot be restored: {}", one.reason);
        findings.add(Severity::Warning, Check::LeftOut, text, "use a newer version of lifeboat, or another copy", Some(name));
    }
    for step in &facts.plan.steps {
        let (Action::Skip { reason }, Some(kind)) = (&step.action, kinds::by_name(&step.source.kind)) else { continue };
        // What is only recorded is among the todos.
        if !kind.restorable() && !step.unwanted && matches!(kind.shape, Shape::Tree(_)) {
            let text = format!("{}: {reason}", kind.title);
            findings.add(
                Severity::Note,
                Check::LeftOut,
                text,
                "bring them back by other means",
                Some(name_of(kind, &step.key, &step.source.id)),
            );
        }
    }
    findings.finish()
}
