//! Is there room? Pools, cores, numbers of objects.

use super::ask::Machine;
use super::specs::{Planned, Spec, label, specs};
use super::{Check, Facts, Finding, Findings, Severity};
use crate::kinds;
use crate::plan::Action;
use serde_json::Value;

/// Objects of a kind that a workspace holds at most (core reference §1.4).
const MOST: &[(&str, u64)] = &[("job", 10_000), ("secret_scope", 1_000)];

/// Secrets that a scope holds at most (core reference §12).
const SECRETS_IN_SCOPE: usize = 1_000;

/// Clusters that a workspace pins at most (core reference §5).
const PINNED: usize = 100;

/// A pool gives no more machines than its `max_capacity`.
pub(super) fn pools(facts: &Facts<'_>) -> Vec<Finding> {
    let planned = Planned::of(facts, &["instance_pool"]);
    let mut findings = Findings::default();
    for spec in specs(facts) {
        let Some(id) = spec.text("instance_pool_id") else { continue };
        let Some(pool) = planned.get("instance_pool", id) else { continue };
        let own_driver = spec.text("driver_instance_pool_id").is_none_or(|driver| driver == id);
        let needed = spec.workers() + i64::from(own_driver);
        let name = pool.get("instance_pool_name").and_then(Value::as_str).unwrap_or(id);
        if let Some(most) = pool.get("max_capacity").and_then(Value::as_i64).filter(|most| *most < needed) {
            let text = format!("the pool \"{name}\" holds {most} machines at most, and up to {needed} are asked of it");
            let hint = "raise `max_capacity`, or clamp the workers by a rule";
            findings.add(Severity::Warning, Check::Pool, text, hint, Some(spec.place()));
        }
        if let Some(state) = pool.get("state").and_then(Value::as_str).filter(|state| *state != "ACTIVE") {
            let text = format!("the pool \"{name}\" is {state} in the target");
            findings.add(
                Severity::Warning,
                Check::Pool,
                text,
                "start it, or map it to another one (`instance_pool:`)",
                Some(spec.place()),
            );
        }
    }
    findings.finish()
}

/// The largest cluster alone must fit into what the subscription has left: how many run at once, nobody can say.
pub(super) fn cores(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(Ok(machines)) = facts.offer.map(|offer| &offer.machines) else { return Vec::new() };
    let planned = Planned::of(facts, &["instance_pool"]);
    let sizes = specs(facts).into_iter().filter_map(|spec| Some((demand(&spec, &planned, machines)?, spec)));
    let mut sizes: Vec<(Demand, Spec)> = sizes.collect();
    sizes.sort_by(|one, other| other.0.cores.total_cmp(&one.0.cores));
    let mut findings = Findings::default();
    let silent = sizes.first().filter(|(one, _)| one.quota.is_none());
    if let Some((one, spec)) = silent {
        let text = format!("the target does not tell its quota of cores; the largest cluster takes up to {}", one.cores);
        let hint = "see that the quota of the subscription in this region is larger";
        findings.add(Severity::Note, Check::Quota, text, hint, Some(spec.place()));
    }
    for (one, spec) in &sizes {
        if let Some(quota) = one.quota.filter(|quota| *quota < one.cores) {
            let text = format!("up to {} cores are asked for, and the subscription has {quota} left here", one.cores);
            let hint = "ask for more quota in this region, or clamp the workers by a rule";
            findings.add(Severity::Warning, Check::Quota, text, hint, Some(spec.place()));
        }
    }
    findings.finish()
}

struct Demand {
    cores: f64,
    quota: Option<f64>,
}

fn demand(spec: &Spec, planned: &Planned<'_>, machines: &[Machine]) -> Option<Demand> {
    let pooled = |id: &str| planned.get("instance_pool", id)?.get("node_type_id")?.as_str().map(str::to_owned);
    let named = |field: &str| spec.text(field).map(str::to_owned);
    let worker = spec.text("instance_pool_id").map_or_else(|| named("node_type_id"), pooled)?;
    let driver = spec.text("driver_instance_pool_id").map_or_else(|| named("driver_node_type_id"), pooled);
    let machine = |name: &str| machines.iter().find(|one| one.node_type_id == name);
    let (worker, driver) = (machine(&worker)?, machine(driver.as_deref().unwrap_or(&worker))?);
    let workers = f64::from(i32::try_from(spec.workers()).unwrap_or(i32::MAX));
    Some(Demand { cores: workers * worker.num_cores + driver.num_cores, quota: worker.quota() })
}

pub(super) fn numbers(facts: &Facts<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    for (name, most) in MOST {
        let Some(kind) = kinds::by_name(name) else { continue };
        let made =
            facts.plan.steps.iter().filter(|step| step.source.kind == *name && matches!(step.action, Action::Create { .. }));
        let (there, made) = (facts.met.listed.get(name).copied().unwrap_or_default(), made.count() as u64);
        if there + made > *most {
            let text =
                format!("{there} {} are in the target and {made} would be made: a workspace holds {most} at most", kind.title);
            findings.add(Severity::Blocker, Check::Quota, text, "leave some out, or ask for a higher limit", None);
        }
    }
    pinned(facts, &mut findings);
    secrets(facts, &mut findings);
    findings.finish()
}

fn pinned(facts: &Facts<'_>, findings: &mut Findings) {
    let there = facts.met.inventory.objects.iter().filter(|object| object.meta.get("pinned").is_some()).count();
    let steps = facts.plan.steps.iter().filter(|step| step.marks.iter().any(|mark| mark == "pinned"));
    let made: Vec<_> = steps.collect();
    if there + made.len() > PINNED {
        let text = format!("{} clusters would be pinned: a workspace pins {PINNED} at most", there + made.len());
        let kind = kinds::by_name("cluster");
        for step in made {
            let object = kind.map(|kind| label(kind, step));
            findings.add(Severity::Warning, Check::Quota, &text, "unpin some in the target, or leave some out", object);
        }
    }
}

fn secrets(facts: &Facts<'_>, findings: &mut Findings) {
    let mut count = std::collections::BTreeMap::<&str, usize>::new();
    for step in facts.plan.steps.iter().filter(|step| step.source.kind == "secret") {
        let scope = step.parent.as_ref().map(|parent| parent.id.as_str());
        scope.into_iter().for_each(|scope| *count.entry(scope).or_default() += 1);
    }
    for (scope, keys) in count.into_iter().filter(|(_, keys)| *keys > SECRETS_IN_SCOPE) {
        let text = format!("a scope would hold {keys} secrets, and takes {SECRETS_IN_SCOPE} at most");
        findings.add(Severity::Blocker, Check::Quota, text, "leave some out", Some(format!("secret_scope:{scope}")));
    }
}
