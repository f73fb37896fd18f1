//! Features that the target does not have, or has switched off.

use super::caller::repo_urls;
use super::specs::label;
use super::{Check, Facts, Finding, Findings, Severity, unchecked};
use crate::kinds::{self, Shape, Tree};
use crate::plan::name_of;

/// Kinds whose listing the target does not offer.
pub(super) fn kinds(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    for kind in facts.met.inventory.unavailable.iter().filter_map(|name| kinds::by_name(name)) {
        let text = format!("the target does not offer {}", kind.title);
        let hint = "switch the feature on, or leave them out (`--exclude`, or a rule with `skip`)";
        for object in facts.prepared.applied.objects.iter().filter(|object| object.kind().name == kind.name) {
            let name = name_of(kind, object.key(), object.id());
            findings.add(Severity::Blocker, Check::Feature, &text, hint, Some(name));
        }
        for object in facts.prepared.contents.recorded.iter().filter(|object| object.kind.name == kind.name) {
            let text = format!("{text}, to which others may refer");
            findings.add(Severity::Warning, Check::Feature, text, hint, Some(name_of(kind, &object.key, &object.id)));
        }
    }
    findings.finish()
}

/// Switches that make a part of a restore fail, and the sort of object that they stop (more, §9.2).
const STOPS: &[(&str, Tree, &str)] = &[
    ("enableProjectTypeInWorkspace", Tree::Repo, "Git folders are switched off"),
    ("enableWorkspaceFilesystem", Tree::File, "workspace files are switched off"),
];

pub(super) fn switches(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(offer) = facts.offer else { return Vec::new() };
    let switches = match &offer.switches {
        Ok(switches) => switches,
        Err(why) => return vec![unchecked("which features are switched on", why)],
    };
    let mut findings = Findings::default();
    let is = |name: &str, value: &str| switches.get(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
    for (name, tree, what) in STOPS.iter().filter(|(name, ..)| is(name, "false")) {
        let text = format!("{what} (`{name}` is false)");
        for step in facts.plan.steps.iter().filter(|step| step.action.writes()) {
            let kind = kinds::by_name(&step.source.kind);
            let stopped = kind.filter(|kind| matches!(kind.shape, Shape::Tree(one) if one == *tree));
            if let Some(kind) = stopped {
                let hint = "an admin of the target switches it on in the settings";
                findings.add(Severity::Blocker, Check::Feature, &text, hint, Some(label(kind, step)));
            }
        }
    }
    if is("enableProjectsAllowList", "true") {
        allow_list(facts, switches.get("projectsAllowList").map_or("", String::as_str), &mut findings);
    }
    findings.finish()
}

/// Addresses from which Git folders may be made, with commas between them.
fn allow_list(facts: &Facts<'_>, list: &str, findings: &mut Findings) {
    let allowed: Vec<String> = list.split(',').map(|one| one.trim().to_lowercase()).filter(|one| !one.is_empty()).collect();
    for (url, object) in repo_urls(facts) {
        if !allowed.iter().any(|one| url.to_lowercase().starts_with(one)) {
            let text = format!("the target's list of allowed Git addresses does not hold {url}");
            let hint = "an admin adds it, or map the host (`git_host:`)";
            findings.add(Severity::Blocker, Check::Feature, text, hint, Some(object));
        }
    }
}

pub(super) fn permissions(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(offer) = facts.offer else { return Vec::new() };
    let mut findings = Findings::default();
    let lists: Vec<_> =
        facts.plan.steps.iter().filter(|step| step.source.kind == "permissions" && step.action.writes()).collect();
    match &offer.permissions {
        _ if lists.is_empty() => {}
        Ok(true) => {}
        Err(why) => return vec![unchecked("whether the target has permissions", why)],
        Ok(false) => {
            let text = format!("the target has no permissions (its tier has none), and the bundle has {}", lists.len());
            let hint = "use a workspace of the Premium tier, or say that you know: `--exclude permissions`";
            findings.add(Severity::Blocker, Check::Feature, text, hint, None);
        }
    }
    findings.finish()
}
