//! What a plan would write, and the cluster specifications in it, wherever the table of kinds knows one to stand.

use super::Facts;
use crate::kinds::{self, By, Kind};
use crate::plan::{Action, Plan, Step, name_of};
use crate::pointer;
use crate::rules::below_body;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// A body that would be written.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub step: &'a Step,
    pub kind: &'static Kind,
    pub body: Value,
}

impl Written<'_> {
    /// `kind:name`, as todos name objects.
    pub(super) fn label(&self) -> String {
        label(self.kind, self.step)
    }
}

pub(super) fn label(kind: &Kind, step: &Step) -> String {
    name_of(kind, &step.key, &step.source.id)
}

/// Every body that the plan would write.
pub(super) fn written(plan: &Plan) -> Vec<Written<'_>> {
    let body = |step: &Step| match &step.action {
        Action::Create { body } | Action::Update { body, .. } | Action::Attach { body, .. } => Some(body.clone()),
        _ => None,
    };
    let one = |step| Some(Written { step, kind: kinds::by_name(&step.source.kind)?, body: Value::Object(body(step)?) });
    plan.steps.iter().filter_map(one).collect()
}

/// Every value that lies elsewhere and belongs to this section of the maps, with its exact place.
pub(super) fn elsewhere(written: &Written<'_>, section: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let of_section = |by: By| matches!(by, By::Elsewhere(name) if name == section);
    for (at, _) in written.kind.references().filter(|(_, reference)| of_section(reference.by)) {
        let Some(at) = below_body(written.kind, &at) else { continue };
        pointer::each(&written.body, &at, &mut |at, value| {
            found.extend(value.as_str().filter(|text| !text.is_empty()).map(|text| (at.to_owned(), text.to_owned())));
        });
    }
    found
}

/// A cluster specification in a body.
#[derive(Debug)]
pub(super) struct Spec {
    /// `kind:name` of what holds it.
    pub label: String,
    /// Kind of what holds it.
    pub kind: &'static Kind,
    /// Where it stands below the body.
    pub at: String,
    pub body: Map<String, Value>,
}

impl Spec {
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.body.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Workers at most.
    pub(super) fn workers(&self) -> i64 {
        let most = self.body.get("autoscale").and_then(|range| range.get("max_workers")).and_then(Value::as_i64);
        most.or_else(|| self.body.get("num_workers").and_then(Value::as_i64)).unwrap_or_default()
    }

    /// The object, and where in it.
    pub(super) fn place(&self) -> String {
        if self.at.is_empty() { self.label.clone() } else { format!("{} {}", self.label, self.at) }
    }
}

/// Every cluster specification that would be written: whatever may stand under a policy.
pub(super) fn specs(facts: &Facts<'_>) -> Vec<Spec> {
    facts.written.iter().flat_map(specs_of).collect()
}

fn specs_of(written: &Written<'_>) -> Vec<Spec> {
    let mut found = Vec::new();
    for at in places(written.kind) {
        pointer::each(&written.body, &at, &mut |at, value| {
            let body = value.as_object().cloned();
            found.extend(body.map(|body| Spec { label: written.label(), kind: written.kind, at: at.to_owned(), body }));
        });
    }
    found
}

/// Where a kind holds cluster specifications, below its body.
fn places(kind: &'static Kind) -> BTreeSet<String> {
    let under_policy = kind.references().filter(|(_, reference)| reference.to == ["cluster_policy"]);
    let holder = |(at, reference): (String, &kinds::Ref)| {
        below_body(kind, &at).and_then(|at| at.strip_suffix(reference.at).map(str::to_owned))
    };
    under_policy.filter_map(holder).collect()
}

/// What ids in planned bodies lead to, as it will be once the plan is done.
pub(super) struct Planned<'a> {
    by_id: HashMap<(&'static str, String), Map<String, Value>>,
    facts: &'a Facts<'a>,
}

impl<'a> Planned<'a> {
    pub(super) fn of(facts: &'a Facts<'a>, kinds: &[&'static str]) -> Self {
        let mut planned = Self { by_id: HashMap::new(), facts };
        for kind in kinds {
            let objects = facts.met.inventory.objects.iter().filter(|object| object.kind.name == *kind);
            for object in objects {
                let document = object.document().and_then(|document| document.as_object().cloned()).unwrap_or_default();
                planned.by_id.insert((kind, object.id.clone()), document);
            }
            facts.plan.steps.iter().filter(|step| step.source.kind == *kind).for_each(|step| planned.learn(kind, step));
        }
        planned
    }

    fn learn(&mut self, kind: &'static str, step: &Step) {
        match &step.action {
            Action::Create { body } => drop(self.by_id.insert((kind, step.source.id.clone()), body.clone())),
            Action::Update { target, body, .. } => {
                let there = self.by_id.entry((kind, text(&target.id))).or_default();
                there.extend(body.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => {}
        }
    }

    pub(super) fn get(&self, kind: &'static str, id: &str) -> Option<&Map<String, Value>> {
        self.by_id.get(&(kind, id.to_owned()))
    }

    /// The rules of a policy: its own, or its family's with the overrides laid over them.
    pub(super) fn definition(&self, policy: &Map<String, Value>) -> Option<Map<String, Value>> {
        let rules = |text: Option<&Value>| match text {
            Some(text) => serde_json::from_str::<Map<String, Value>>(text.as_str()?).ok(),
            None => Some(Map::new()),
        };
        let family = policy.get("policy_family_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let Some(family) = family else { return rules(policy.get("definition")) };
        let mut all = rules(self.family(family)?.get("definition"))?;
        all.extend(rules(policy.get("policy_family_definition_overrides"))?);
        Some(all)
    }

    /// A family as the target has it, or else the bundle.
    fn family(&self, id: &str) -> Option<Cow<'_, Value>> {
        let (there, here) = (&self.facts.met.inventory.objects, &self.facts.prepared.contents.recorded);
        let mut all = there.iter().chain(here);
        all.find(|object| object.kind.name == "policy_family" && object.id == id)?.document()
    }
}

/// A text or number as text.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
