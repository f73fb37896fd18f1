//! Who asks, and whether they may do what the plan asks for.

use super::specs::{Written, label, text};
use super::{Check, Facts, Finding, Findings, Severity, unchecked};
use crate::kinds;
use crate::plan::{Action, Step};
use serde_json::Value;

/// Kinds that only an admin makes, and those for which an entitlement is enough (core reference §5–§9, more §1).
const RIGHTS: &[(&str, Option<&str>)] = &[
    ("user", None),
    ("service_principal", None),
    ("group", None),
    ("instance_profile", None),
    ("global_init_script", None),
    ("cluster_policy", None),
    ("instance_pool", Some("allow-instance-pool-create")),
    ("cluster", Some("allow-cluster-create")),
];

pub(super) fn workspace(facts: &Facts<'_>) -> Vec<Finding> {
    let (source, target) = (&facts.plan.source, &facts.plan.target);
    let same = match (source.workspace_id.as_str(), target.workspace_id.as_str()) {
        ("", _) | (_, "") => !source.host.is_empty() && source.host.eq_ignore_ascii_case(&target.host),
        (source, target) => source == target,
    };
    let mut findings = Findings::default();
    if same && !facts.allow_same_workspace {
        let hint = "name the other workspace, or give `--allow-same-workspace` to bring back what was backed up in place";
        findings.add(Severity::Blocker, Check::Workspace, "the bundle comes from this very workspace", hint, None);
    }
    if same && facts.allow_same_workspace && !facts.prepared.rules.is_standby() {
        let text = "the bundle comes from this very workspace, and the rules would change the originals in place";
        findings.add(Severity::Blocker, Check::Workspace, text, "leave out `--rules` and `--map`", None);
    }
    findings.finish()
}

pub(super) fn rights(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(offer) = facts.offer else { return Vec::new() };
    let caller = match &offer.caller {
        Ok(caller) if caller.is_admin => return Vec::new(),
        Ok(caller) => caller,
        Err(why) => return vec![unchecked("what the caller may do", why)],
    };
    let mut findings = Findings::default();
    let blind = "the caller is no admin of the target: its listings are cut short, and what is there may be made again";
    let hint = "sign in as a workspace admin";
    findings.add(Severity::Blocker, Check::Caller, blind, hint, None);
    for written in facts.written.iter().filter(|written| matches!(written.step.action, Action::Create { .. })) {
        let Some((_, right)) = RIGHTS.iter().find(|(kind, _)| *kind == written.kind.name) else { continue };
        if right.is_some_and(|right| caller.entitlements.contains(right)) {
            continue;
        }
        let text = match right {
            Some(right) => format!("the caller may not make {}: it lacks `{right}`", written.kind.title),
            None => format!("only an admin makes {}", written.kind.title),
        };
        findings.add(Severity::Blocker, Check::Caller, text, hint, Some(written.label()));
    }
    findings.finish()
}

/// A private repository is fetched with the caller's own credential.
pub(super) fn git(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(offer) = facts.offer else { return Vec::new() };
    let mut findings = Findings::default();
    let repos: Vec<_> = facts.written.iter().filter(|written| makes_repo(written.step)).collect();
    for written in &repos {
        let Some(provider) = written.body.get("provider").and_then(Value::as_str) else { continue };
        if offer.git.as_ref().is_ok_and(|known| !known.contains(&provider.to_lowercase())) {
            let text = format!("the caller has no Git credential for {provider}: only public repositories can be fetched");
            let hint = "add one in the target's user settings before the import";
            findings.add(Severity::Warning, Check::Caller, text, hint, Some(written.label()));
        }
    }
    let mut found = findings.finish();
    if let (Err(why), false) = (&offer.git, repos.is_empty()) {
        found.push(unchecked("the caller's Git credentials", why));
    }
    found
}

pub(super) fn makes_repo(step: &Step) -> bool {
    step.source.kind == "repo" && matches!(step.action, Action::Create { .. })
}

/// Addresses of the Git folders that would be made, with their names.
pub(super) fn repo_urls(facts: &Facts<'_>) -> Vec<(String, String)> {
    let repos = facts.written.iter().filter(|written| makes_repo(written.step));
    let kind = kinds::by_name("repo");
    let pair = |written: &Written<'_>| Some((text(written.body.get("url")?), label(kind?, written.step)));
    repos.filter_map(pair).collect()
}
