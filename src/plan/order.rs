//! From drafts to steps: second halves for circles, folders' permissions from the top down, and an order that works.

use super::{Action, Draft, Step, paths};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Implied folders are counted from here on in needs, apart from the objects of the bundle.
pub(super) const IMPLIED: usize = usize::MAX / 2;

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

/// Steps with needs as indexes of steps: first halves in the order of the drafts, then second halves. An object's first half
/// stands for it. And the rank of each step among those that are free, which is where it would stand with halves together.
///
/// There may be very many: steps are moved where they are, and never held twice.
fn flatten(mut drafts: Vec<Draft>) -> (Vec<Step>, Vec<usize>) {
    let of_object = by_object(&drafts);
    let halves = drafts.iter().map(|draft| 1 + usize::from(draft.second.is_some()));
    let rank = |next: &mut usize, halves: usize| Some(std::mem::replace(next, *next + halves));
    let mut ranks: Vec<usize> = halves.scan(0, rank).collect();
    let second = |(first, draft): (usize, &mut Draft)| Some((first, *draft.second.take()?));
    let seconds: Vec<(usize, Draft)> = drafts.iter_mut().enumerate().filter_map(second).collect();
    let behind: Vec<usize> = seconds.iter().map(|(first, _)| ranks[*first] + 1).collect();
    ranks.extend(behind);
    let mut steps: Vec<Step> = drafts.into_iter().map(|draft| finished(draft, None, &of_object)).collect();
    steps.reserve_exact(seconds.len());
    steps.extend(seconds.into_iter().map(|(first, draft)| finished(draft, Some(first), &of_object)));
    (steps, ranks)
}

/// The draft of each object, by the number that needs know it by.
fn by_object(drafts: &[Draft]) -> HashMap<usize, usize> {
    let mut of_object = HashMap::with_capacity(drafts.len());
    let mut implied = IMPLIED..;
    for (first, draft) in drafts.iter().enumerate() {
        let number = if draft.step.implied { implied.next() } else { None };
        of_object.extend(number.into_iter().chain(draft.object).map(|number| (number, first)));
    }
    of_object
}

fn finished(draft: Draft, first: Option<usize>, of_object: &HashMap<usize, usize>) -> Step {
    let Draft { mut step, needs, after, .. } = draft;
    let steps =
        |objects: BTreeSet<usize>| objects.into_iter().filter_map(|one| of_object.get(&one).copied()).collect::<BTreeSet<_>>();
    step.needs = steps(needs).into_iter().chain(first).collect::<BTreeSet<_>>().into_iter().collect();
    step.after = steps(after).into_iter().filter(|one| !step.needs.contains(one)).collect();
    step
}

/// Sorts topologically; among those that are free, the one of lowest rank comes first.
fn sorted((steps, ranks): (Vec<Step>, Vec<usize>)) -> Vec<Step> {
    let waits = |step: &Step| step.needs.len() + step.after.len();
    let mut open: Vec<usize> = steps.iter().map(waits).collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (index, step) in steps.iter().enumerate() {
        step.needs.iter().chain(&step.after).for_each(|one| waiting[*one].push(index));
    }
    let mut free: BTreeSet<(usize, usize)> =
        (0..steps.len()).filter(|one| open[*one] == 0).map(|one| (ranks[one], one)).collect();
    let mut places: Vec<Option<usize>> = vec![None; steps.len()];
    let mut placed = 0..;
    while let Some((_, index)) = free.pop_first() {
        places[index] = placed.next();
        for other in &waiting[index] {
            open[*other] -= 1;
            if open[*other] == 0 {
                free.insert((ranks[*other], *other));
            }
        }
    }
    // What still waits for itself keeps its place at the end; carrying it out then says so.
    let mut left: Vec<usize> = (0..steps.len()).filter(|one| places[*one].is_none()).collect();
    left.sort_by_key(|one| ranks[*one]);
    left.into_iter().for_each(|one| places[one] = placed.next());
    moved(steps, places.into_iter().flatten().collect())
}

/// Puts each step in its place, and renumbers what it waits for.
fn moved(mut steps: Vec<Step>, mut places: Vec<usize>) -> Vec<Step> {
    for step in &mut steps {
        for list in [&mut step.needs, &mut step.after] {
            list.iter_mut().for_each(|one| *one = places[*one]);
            list.sort_unstable();
        }
    }
    for at in 0..places.len() {
        while places[at] != at {
            let to = places[at];
            steps.swap(at, to);
            places.swap(at, to);
        }
    }
    steps
}
