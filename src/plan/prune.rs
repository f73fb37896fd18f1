//! What an import made and the bundle does not hold any more: deleted, if that is asked for and beyond doubt.
//!
//! Doubt keeps: a kind that the bundle may not hold in full, something that people changed, something that is used, more at
//! once than a source loses in a night.

use super::conflict::SHA;
use super::index::{found, stamped};
use super::notes::What;
use super::refs::{references, text};
use super::{Action, Inventory, Planner, Prune, Step, Theirs, name_of, paths};
use crate::kinds::{self, By, Kind, Place, Shape, Tree};
use crate::object::{Object, SourceId};
use crate::pointer;
use crate::rules::{Conflicts, comparable, equal, without_blanks};
use crate::spool::hex;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Kinds whose objects may refer to what is deleted.
pub const REFERRERS: &[&str] = &["job", "cluster", "cluster_policy", "instance_pool", "cluster_libraries", "global_init_script"];

/// What may go, and all that must be known for it.
#[derive(Clone, Debug)]
pub struct Pruning {
    /// How much may be deleted.
    pub how: Prune,
    /// What imports made and the bundle does not hold any more: object of the bundle, object of the target.
    pub candidates: Vec<(SourceId, Object)>,
    /// Every object of the target that may refer to one.
    pub referrers: Vec<Object>,
    /// Kinds of which the bundle may not hold everything, and why; `*` for all.
    pub doubtful: BTreeMap<String, String>,
    /// What rules say of people's changes in a candidate.
    pub conflicts: HashMap<SourceId, Conflicts>,
}

/// So many objects of a kind may always go.
const FEW: usize = 10;

/// Whether an import may delete objects of this kind. Not people, not what holds values or work of people that no bundle has.
fn is_prunable(kind: &Kind) -> bool {
    match &kind.shape {
        Shape::Collection(collection) => collection.delete.is_some(),
        Shape::Tree(tree) => matches!(tree, Tree::Directory | Tree::Notebook | Tree::File),
        Shape::Attached(_) | Shape::Recorded(_) => false,
    }
}

/// What imports from this source made, by stamp or journal, and `held` has no more, in order of kinds and ids. `origins` are ids
/// that rules changed.
pub fn prunable(
    inventory: &Inventory,
    source_workspace: &str,
    made: &BTreeMap<SourceId, String>,
    origins: &BTreeMap<SourceId, String>,
    held: &BTreeSet<SourceId>,
) -> Vec<(SourceId, Object)> {
    let by_target: HashMap<(&str, &str), &SourceId> =
        made.iter().map(|(source, id)| ((source.kind.as_str(), id.as_str()), source)).collect();
    let source_of = |object: &Object| match object.kind.stamp {
        Some(_) => {
            let id = stamped(object, source_workspace)?;
            Some(SourceId { kind: object.kind.name.to_owned(), id })
        }
        None => by_target.get(&(object.kind.name, object.id.as_str())).map(|source| (*source).clone()),
    };
    let gone = |source: &SourceId| {
        let origin = origins.get(source).map(|id| SourceId { kind: source.kind.clone(), id: id.clone() });
        !held.contains(source) && origin.is_none_or(|origin| !held.contains(&origin))
    };
    let objects = inventory.objects.iter().filter(|object| is_prunable(object.kind) && !is_everybodys(object));
    let mut found: Vec<(SourceId, Object)> =
        objects.filter_map(|object| Some((source_of(object).filter(gone)?, object.clone()))).collect();
    // A survey answers in no order, and a plan must not depend on it.
    found.sort_by(|a, b| (&a.0, &a.1.id).cmp(&(&b.0, &b.1.id)));
    found
}

/// What every workspace or person has.
fn is_everybodys(object: &Object) -> bool {
    let built_in = match &object.kind.shape {
        Shape::Collection(one) => one.built_in.zip(object.document()).is_some_and(|(built_in, document)| built_in(&document)),
        _ => false,
    };
    built_in || (object.kind.name == "directory" && (paths::always_there(&object.key) || paths::home_of(&object.key).is_some()))
}

impl Planner<'_> {
    /// Adds a step for each candidate: it goes, or why it stays.
    pub(super) fn prune(&mut self, steps: &mut Vec<Step>) {
        let Some(pruning) = self.options.pruning.clone() else { return };
        let candidates: Vec<&(SourceId, Object)> =
            pruning.candidates.iter().filter(|(_, one)| self.options.selection.wants(one.kind.name, &one.key)).collect();
        let mut stays: BTreeMap<usize, String> = BTreeMap::new();
        for (index, (source, object)) in candidates.iter().enumerate() {
            stays.extend(self.doubt(&pruning, source, object).map(|why| (index, why)));
        }
        too_many(&pruning, &candidates, &self.present_of(&candidates), &mut stays);
        let users = users_of(&pruning, &candidates);
        keep_used(&candidates, &users, &mut stays);
        self.add_deletes(&pruning, &candidates, &users, &stays, steps);
    }

    /// How many objects of each kind imports from this source made, as far as the inventory shows.
    fn present_of(&self, candidates: &[&(SourceId, Object)]) -> HashMap<&'static str, usize> {
        let mut count: HashMap<&'static str, usize> = HashMap::new();
        let known: HashSet<&str> = self.options.known.values().map(String::as_str).collect();
        for object in &self.inventory.objects {
            let ours = match object.kind.stamp {
                Some(_) => stamped(object, &self.source.workspace_id).is_some(),
                None => known.contains(object.id.as_str()),
            };
            *count.entry(object.kind.name).or_default() += usize::from(ours);
        }
        for (_, object) in candidates {
            count.entry(object.kind.name).or_insert(0);
        }
        count
    }

    fn doubt(&self, pruning: &Pruning, source: &SourceId, object: &Object) -> Option<String> {
        let kind = object.kind.name;
        if self.same_workspace {
            return Some("this is the workspace that the bundle comes from".into());
        }
        if let Some(why) = pruning.doubtful.get("*").or_else(|| pruning.doubtful.get(kind)) {
            return Some(format!("the bundle may not hold all {}: {why}", object.kind.title));
        }
        let unread = self.inventory.unread.iter().find(|(unread, _)| unread == kind || REFERRERS.contains(&unread.as_str()));
        if let Some((unread, _)) = unread {
            return Some(format!("could not read all {unread} of the target"));
        }
        let policy = self.conflicts_of(pruning, source);
        (policy == Conflicts::Theirs).then(|| self.changed_by_people(source, object)).flatten()
    }

    fn conflicts_of(&self, pruning: &Pruning, source: &SourceId) -> Conflicts {
        pruning.conflicts.get(source).copied().or(self.options.conflicts).unwrap_or_default()
    }

    /// Whether people changed it since an import wrote it, or nobody knows.
    fn changed_by_people(&self, source: &SourceId, object: &Object) -> Option<String> {
        if object.kind.name == "directory" {
            return None;
        }
        let unknown = || "nothing here remembers what was written last, and people may have changed it".to_owned();
        let Some(wrote) = self.options.memory.body(source, &object.id) else { return Some(unknown()) };
        let same = match object.body.digest() {
            Some((_, sha256)) => wrote.get(SHA) == Some(&json!(hex(&sha256))),
            None => equal(object.kind, &without_blanks(wrote), &comparable(object)).is_empty(),
        };
        (!same).then(|| "people changed it here".to_owned())
    }

    fn add_deletes(
        &mut self,
        pruning: &Pruning,
        candidates: &[&(SourceId, Object)],
        users: &[BTreeSet<User>],
        stays: &BTreeMap<usize, String>,
        steps: &mut Vec<Step>,
    ) {
        let order = in_order(candidates, users, stays);
        let place: HashMap<usize, usize> = order.iter().enumerate().map(|(at, index)| (*index, steps.len() + at)).collect();
        for index in &order {
            let (source, object) = candidates[*index];
            let reason = "an import made it, and the bundle does not hold it any more".to_owned();
            let delete = Action::Delete { target: found(object), reason };
            let mut step = Step::alone(source.clone(), object.key.clone(), delete);
            let set = |name: &&str| object.meta.has(name);
            if let Shape::Collection(collection) = &object.kind.shape {
                step.marks = collection.marks.iter().map(|mark| mark.name).filter(set).map(str::to_owned).collect();
            }
            if object.kind.name == "directory" {
                step.notes.push("only if it is empty by then".into());
            }
            let before =
                users[*index].iter().filter_map(|user| if let User::Candidate(user) = user { place.get(user) } else { None });
            step.after = before.copied().collect();
            if self.conflicts_of(pruning, source) == Conflicts::Ask
                && let Some(question) = self.changed_by_people(source, object)
            {
                let theirs = Theirs::just(Action::Skip { reason: question.clone() });
                step.action = Action::Ask { ours: Box::new(step.action), theirs: Box::new(theirs), question };
            }
            steps.push(step);
        }
        for (index, why) in stays {
            let (source, object) = candidates[*index];
            let reason = format!("an import made it, and the bundle does not hold it any more; it stays: {why}");
            self.todos.add(What::Look, reason.clone(), name_of(object.kind, &object.key, &object.id));
            let step = Step::alone(source.clone(), object.key.clone(), Action::Skip { reason });
            steps.push(Step { unwanted: true, ..step });
        }
    }
}

/// An empty or broken source must not wipe a standby.
fn too_many(
    pruning: &Pruning,
    candidates: &[&(SourceId, Object)],
    ours: &HashMap<&'static str, usize>,
    stays: &mut BTreeMap<usize, String>,
) {
    if pruning.how == Prune::All {
        return;
    }
    let mut going: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    for (index, (_, object)) in candidates.iter().enumerate().filter(|(index, _)| !stays.contains_key(index)) {
        going.entry(object.kind.name).or_default().push(index);
    }
    for (kind, indexes) in going {
        let all = ours.get(kind).copied().unwrap_or_default();
        // Where there are few, most of them may not go either: one may.
        let most = if all > 2 * FEW { all / 2 } else { FEW.min(all.div_ceil(2)) };
        if indexes.len() > most.max(1) {
            let why = format!("{} of {all} would go at once, and `--prune=all` is not given", indexes.len());
            stays.extend(indexes.into_iter().map(|index| (index, why.clone())));
        }
    }
}

/// Who refers to a candidate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum User {
    Candidate(usize),
    Other(String),
}

/// Who refers to each candidate, in the target as it is.
fn users_of(pruning: &Pruning, candidates: &[&(SourceId, Object)]) -> Vec<BTreeSet<User>> {
    let by_id: HashMap<(&str, &str), usize> =
        candidates.iter().enumerate().map(|(index, (_, one))| ((one.kind.name, one.id.as_str()), index)).collect();
    let mut users = vec![BTreeSet::new(); candidates.len()];
    for referrer in &pruning.referrers {
        let me = by_id.get(&(referrer.kind.name, referrer.id.as_str()));
        let user = me.map_or_else(|| User::Other(name_of(referrer.kind, &referrer.key, &referrer.id)), |me| User::Candidate(*me));
        for index in referred(referrer, candidates, &by_id).into_iter().filter(|index| Some(index) != me) {
            users[index].insert(user.clone());
        }
    }
    // What lies in a folder uses it.
    for (index, (_, one)) in candidates.iter().enumerate().filter(|(_, (_, one))| one.key.starts_with('/')) {
        if let Some(folder) = paths::parent(&one.key).and_then(|folder| by_id.get(&("directory", folder))) {
            users[*folder].insert(User::Candidate(index));
        }
    }
    users
}

fn referred(referrer: &Object, candidates: &[&(SourceId, Object)], by_id: &HashMap<(&str, &str), usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let Some(document) = referrer.document() else { return found };
    let Some(body) = referrer.kind.body_of(&document) else { return found };
    for (at, reference) in references(referrer.kind) {
        pointer::each(body, at, &mut |_, value| {
            let name = text(value);
            match (reference.by, kinds::place(&name)) {
                (By::Id, _) => found.extend(reference.to.iter().filter_map(|kind| by_id.get(&(*kind, name.as_str())))),
                (By::Key, _) => {
                    let named = |one: &Object| reference.to.contains(&one.kind.name) && one.key == name;
                    found.extend((0..candidates.len()).filter(|index| named(&candidates[*index].1)));
                }
                (By::Path, Place::Workspace(path)) => {
                    let at = ["notebook", "file", "directory"].into_iter().filter_map(|kind| by_id.get(&(kind, path.as_str())));
                    found.extend(at);
                }
                (By::Path | By::Elsewhere(_), _) => {}
            }
        });
    }
    found
}

/// What is used by something that stays, stays.
fn keep_used(candidates: &[&(SourceId, Object)], users: &[BTreeSet<User>], stays: &mut BTreeMap<usize, String>) {
    loop {
        let used = |index: &usize| {
            users[*index].iter().find_map(|user| match user {
                User::Other(name) => Some(format!("{name} still uses it")),
                User::Candidate(user) => {
                    let (_, one) = candidates[*user];
                    stays.contains_key(user).then(|| format!("{} still uses it", name_of(one.kind, &one.key, &one.id)))
                }
            })
        };
        let open = (0..candidates.len()).filter(|index| !stays.contains_key(index));
        let found: Vec<(usize, String)> = open.filter_map(|index| Some((index, used(&index)?))).collect();
        if found.is_empty() {
            return;
        }
        stays.extend(found);
    }
}

/// Users first; circles in any order.
fn in_order(candidates: &[&(SourceId, Object)], users: &[BTreeSet<User>], stays: &BTreeMap<usize, String>) -> Vec<usize> {
    let mut open: BTreeSet<usize> = (0..candidates.len()).filter(|index| !stays.contains_key(index)).collect();
    let mut order = Vec::new();
    while !open.is_empty() {
        let waits = |index: &usize| users[*index].iter().any(|user| matches!(user, User::Candidate(user) if open.contains(user)));
        let mut free: Vec<usize> = open.iter().copied().filter(|index| !waits(index)).collect();
        if free.is_empty() {
            free = open.iter().copied().collect();
        }
        open.retain(|index| !free.contains(index));
        order.extend(free);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{folder, object};

    #[test]
    fn what_may_go_is_in_the_same_order_however_a_survey_answered() {
        let made: BTreeMap<SourceId, String> =
            [("job", "7", "70"), ("job", "12", "120"), ("notebook", "/a", "/a"), ("job", "9", "90")]
                .into_iter()
                .map(|(kind, source, target)| (SourceId { kind: kind.into(), id: source.into() }, target.to_owned()))
                .collect();
        let stamp = |id: &str| json!({ "settings": { "name": id, "tags": { crate::object::STAMP: format!("1/{id}") } } });
        let objects = [
            object("job", "70", stamp("7")),
            folder("notebook", "/a"),
            object("job", "120", stamp("12")),
            object("job", "90", stamp("9")),
        ];
        let order = |objects: Vec<Object>| -> Vec<String> {
            let inventory = Inventory { objects, ..Inventory::default() };
            let found = prunable(&inventory, "1", &made, &BTreeMap::new(), &BTreeSet::new());
            found.iter().map(|(source, object)| format!("{source} {}", object.id)).collect()
        };
        let first = order(objects.to_vec());
        assert_eq!(first, ["job:12 120", "job:7 70", "job:9 90", "notebook:/a /a"]);
        let turned = (0..objects.len()).map(|by| {
            let mut objects = objects.to_vec();
            objects.rotate_left(by);
            objects
        });
        turned.chain([objects.iter().rev().cloned().collect()]).for_each(|objects| assert_eq!(order(objects), first));
    }
}
