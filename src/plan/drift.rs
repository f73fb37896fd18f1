//! What a plan would be now, where that is not what it was when it was saved.

use super::{Difference, Plan, Step};
use crate::object::SourceId;
use std::collections::{BTreeMap, BTreeSet};

/// One object for which something else would be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The object of the bundle.
    pub object: SourceId,
    /// What people call it.
    pub key: String,
    /// What the saved plan does with it; nothing if it knows no such object.
    pub was: Option<&'static str>,
    /// What would be done now.
    pub now: Option<&'static str>,
    /// Places where it would change something else, for what is changed.
    pub fields: Vec<String>,
}

/// The objects that the two plans treat differently, in order. Equal words mean that something else would be sent.
pub fn drift(saved: &Plan, fresh: &Plan) -> Vec<Drift> {
    let (saved, fresh) = (by_object(saved), by_object(fresh));
    let objects = saved.keys().chain(fresh.keys().filter(|object| !saved.contains_key(*object)));
    let mut drifts: Vec<Drift> = objects.filter_map(|object| differ(object, saved.get(object), fresh.get(object))).collect();
    drifts.sort_by(|a, b| a.object.cmp(&b.object));
    drifts
}

/// An object may have two steps. Where a step stands in the plan is of no account.
fn by_object(plan: &Plan) -> BTreeMap<&SourceId, Vec<&Step>> {
    let mut steps: BTreeMap<&SourceId, Vec<&Step>> = BTreeMap::new();
    plan.steps.iter().for_each(|step| steps.entry(&step.source).or_default().push(step));
    steps
}

fn differ(object: &SourceId, was: Option<&Vec<&Step>>, now: Option<&Vec<&Step>>) -> Option<Drift> {
    let same = match (was, now) {
        (Some(was), Some(now)) => was.len() == now.len() && was.iter().zip(now).all(|(was, now)| same_act(was, now)),
        _ => false,
    };
    let word = |steps: Option<&Vec<&Step>>| steps.and_then(|steps| steps.first()).map(|step| step.action.name());
    let key = was.or(now).and_then(|steps| steps.first()).map(|step| step.key.clone()).unwrap_or_default();
    (!same).then(|| Drift { object: object.clone(), key, was: word(was), now: word(now), fields: fields(was, now) })
}

/// Places of which only one of the two plans says that they differ, or says something else.
fn fields(was: Option<&Vec<&Step>>, now: Option<&Vec<&Step>>) -> Vec<String> {
    let all = |steps: Option<&Vec<&Step>>| -> Vec<Difference> {
        steps.into_iter().flatten().flat_map(|step| step.action.differences()).cloned().collect()
    };
    let (was, now) = (all(was), all(now));
    let other = was.iter().filter(|one| !now.contains(one)).chain(now.iter().filter(|one| !was.contains(one)));
    other.map(|one| one.at.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn same_act(was: &Step, now: &Step) -> bool {
    (&was.action, &was.links, &was.marks) == (&now.action, &now.links, &now.marks)
}
