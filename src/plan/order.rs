//! From drafts to steps: second halves for circles, folders' permissions from the top down, and an order that works.

use super::tree::IMPLIED;
use super::{Action, Draft, Step, paths};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Orders the steps so that each comes after those that it needs.
pub(super) fn arrange(mut drafts: Vec<Draft>) -> Vec<Step> {
    break_circles(&mut drafts);
    order_permissions(&mut drafts);
    sorted(flatten(drafts))
}

/// Objects that wait for each other in a circle are made bare first, and completed once all are there.
fn break_circles(drafts: &mut [Draft]) {
    for index in in_circles(drafts) {
        let draft = &mut drafts[index];
        let Action::Create { body } = &draft.step.action else { continue };
        let bare: Map<String, Value> = body
            .iter()
            .filter(|(name, _)| ["name", "tags"].contains(&name.as_str()))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let full = std::mem::replace(&mut draft.step.action, Action::Create { body: bare });
        let Action::Create { body } = full else { continue };
        let mut second = Draft {
            step: draft.step.clone(),
            object: draft.object,
            needs: BTreeSet::new(),
            after: BTreeSet::new(),
            second: None,
        };
        second.step.action = Action::Complete { target: None, body };
        second.step.marks.clear();
        draft.step.links.clear();
        draft.step.changes.clear();
        draft.step.notes.push("made bare first: it and others refer to each other".into());
        (second.needs, second.after) = (std::mem::take(&mut draft.needs), std::mem::take(&mut draft.after));
        draft.second = Some(Box::new(second));
    }
}

/// The drafts that are left when those that need nobody, and then those that nobody needs, are taken away again and again.
fn in_circles(drafts: &[Draft]) -> Vec<usize> {
    let by_object: HashMap<usize, usize> =
        drafts.iter().enumerate().filter_map(|(at, draft)| Some((draft.object?, at))).collect();
    let targets = |draft: &Draft| draft.needs.iter().filter_map(|one| by_object.get(one).copied()).collect::<Vec<_>>();
    let needs: Vec<Vec<usize>> = drafts.iter().map(targets).collect();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); drafts.len()];
    for (from, to) in needs.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |to| (from, *to))) {
        needed_by[to].push(from);
    }
    let mut left = vec![true; drafts.len()];
    peel(&needs, &needed_by, &mut left);
    peel(&needed_by, &needs, &mut left);
    (0..drafts.len()).filter(|index| left[*index]).collect()
}

fn peel(needs: &[Vec<usize>], needed_by: &[Vec<usize>], left: &mut [bool]) {
    let mut open: Vec<usize> = needs.iter().map(|needs| needs.iter().filter(|one| left[**one]).count()).collect();
    let mut free: Vec<usize> = (0..needs.len()).filter(|one| left[*one] && open[*one] == 0).collect();
    while let Some(one) = free.pop() {
        left[one] = false;
        for other in needed_by[one].iter().copied().filter(|other| left[*other]) {
            open[other] -= 1;
            if open[other] == 0 {
                free.push(other);
            }
        }
    }
}

/// Permissions of a folder come before those of what lies in it: rights are then never wider than they will be.
fn order_permissions(drafts: &mut [Draft]) {
    let tree = |draft: &Draft| {
        draft.step.parent.clone().filter(|_| draft.step.source.kind == "permissions").filter(|parent| parent.id.starts_with('/'))
    };
    let folders: BTreeMap<String, usize> = drafts
        .iter()
        .filter_map(|draft| Some((tree(draft).filter(|parent| parent.kind == "directory")?.id, draft.object?)))
        .collect();
    for draft in drafts.iter_mut().filter(|draft| draft.step.action.writes()) {
        let Some(parent) = tree(draft) else { continue };
        draft.after.extend(paths::parents(&parent.id).find_map(|folder| folders.get(folder)));
    }
}

/// A step with its needs as indexes of objects, and the step whose second half it is.
struct Flat {
    step: Step,
    needs: BTreeSet<usize>,
    after: BTreeSet<usize>,
    first: Option<usize>,
}

/// Steps with needs as indexes of steps; an object's first half stands for it.
fn flatten(drafts: Vec<Draft>) -> Vec<Step> {
    let mut of_object: HashMap<usize, usize> = HashMap::new();
    let mut flat: Vec<Flat> = Vec::new();
    let mut implied = 0;
    for draft in drafts {
        let first = flat.len();
        if draft.step.implied {
            of_object.insert(IMPLIED + implied, first);
            implied += 1;
        }
        draft.object.map(|object| of_object.insert(object, first));
        flat.push(Flat { step: draft.step, needs: draft.needs, after: draft.after, first: None });
        if let Some(second) = draft.second {
            flat.push(Flat { step: second.step, needs: second.needs, after: second.after, first: Some(first) });
        }
    }
    let steps = |objects: BTreeSet<usize>| objects.iter().filter_map(|one| of_object.get(one).copied()).collect::<BTreeSet<_>>();
    let finish = |Flat { mut step, needs, after, first }: Flat| {
        step.needs = steps(needs).into_iter().chain(first).collect::<BTreeSet<_>>().into_iter().collect();
        step.after = steps(after).into_iter().filter(|one| !step.needs.contains(one)).collect();
        step
    };
    flat.into_iter().map(finish).collect()
}

/// Sorts topologically; among those that are free, the first in the table's order comes first.
fn sorted(steps: Vec<Step>) -> Vec<Step> {
    let waits = |step: &Step| step.needs.len() + step.after.len();
    let mut open: Vec<usize> = steps.iter().map(waits).collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (index, step) in steps.iter().enumerate() {
        step.needs.iter().chain(&step.after).for_each(|one| waiting[*one].push(index));
    }
    let mut free: BTreeSet<usize> = (0..steps.len()).filter(|index| open[*index] == 0).collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(index) = free.pop_first() {
        order.push(index);
        for other in &waiting[index] {
            open[*other] -= 1;
            if open[*other] == 0 {
                free.insert(*other);
            }
        }
    }
    // What still waits for itself keeps its place at the end; carrying it out then says so.
    let placed: BTreeSet<usize> = order.iter().copied().collect();
    order.extend((0..steps.len()).filter(|index| !placed.contains(index)));
    renumbered(steps, &order)
}

fn renumbered(steps: Vec<Step>, order: &[usize]) -> Vec<Step> {
    let mut new = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, old)| new[*old] = place);
    let mut slots: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let moved = |old: &usize| {
        let mut step = slots[*old].take()?;
        for list in [&mut step.needs, &mut step.after] {
            for one in list.iter_mut() {
                *one = new[*one];
            }
            list.sort_unstable();
        }
        Some(step)
    };
    order.iter().filter_map(moved).collect()
}
