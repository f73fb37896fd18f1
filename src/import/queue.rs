//! Which step may begin now: its needs are over, its kind has a free lane, and what must come first is through.

use crate::kinds::{self, Kind};
use crate::plan::{Action, Plan};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rights come last of all: until then only the restorer can touch what was made (core reference §14, rule 4).
const LAST: &str = "permissions";

/// Steps that are not over yet.
pub(super) struct Queue {
    /// How many needs are open, by step.
    open: HashMap<usize, usize>,
    waiting: HashMap<usize, Vec<usize>>,
    /// Steps that may begin, by the place of their kind in the table.
    free: BTreeMap<usize, BTreeSet<usize>>,
    /// Steps of each kind that are not over.
    left: HashMap<usize, usize>,
    busy: HashMap<usize, usize>,
    kind_of: HashMap<usize, usize>,
}

impl Queue {
    /// A queue of some of a plan's steps; the others count as over.
    pub(super) fn new(plan: &Plan, steps: &BTreeSet<usize>) -> Self {
        let mut queue = Self {
            open: HashMap::new(),
            waiting: HashMap::new(),
            free: BTreeMap::new(),
            left: HashMap::new(),
            busy: HashMap::new(),
            kind_of: HashMap::new(),
        };
        for index in steps {
            let step = &plan.steps[*index];
            // Deletes go one by one, in their own order: what is made first by kind is deleted last.
            let kind = if matches!(step.action, Action::Delete { .. }) { usize::MAX } else { place(&step.source.kind) };
            let before: Vec<usize> = step.needs.iter().chain(&step.after).copied().filter(|one| steps.contains(one)).collect();
            queue.kind_of.insert(*index, kind);
            *queue.left.entry(kind).or_default() += 1;
            queue.open.insert(*index, before.len());
            if before.is_empty() {
                queue.free.entry(kind).or_default().insert(*index);
            }
            for one in before {
                queue.waiting.entry(one).or_default().push(*index);
            }
        }
        queue
    }

    /// The next step that may begin.
    pub(super) fn next(&mut self) -> Option<usize> {
        let may = |kind: &&usize| self.has_lane(**kind) && self.is_turn_of(**kind);
        let kind = self.free.iter().filter(|(_, steps)| !steps.is_empty()).map(|(kind, _)| kind).find(may).copied()?;
        let index = self.free.get_mut(&kind)?.pop_first()?;
        *self.busy.entry(kind).or_default() += 1;
        Some(index)
    }

    /// A step is over, whatever came of it.
    pub(super) fn over(&mut self, index: usize) {
        let Some(kind) = self.kind_of.remove(&index) else { return };
        self.open.remove(&index);
        self.left.entry(kind).and_modify(|left| *left -= 1);
        self.busy.entry(kind).and_modify(|busy| *busy = busy.saturating_sub(1));
        for other in self.waiting.remove(&index).unwrap_or_default() {
            let Some(open) = self.open.get_mut(&other) else { continue };
            *open -= 1;
            if *open == 0 {
                self.free.entry(self.kind_of[&other]).or_default().insert(other);
            }
        }
    }

    /// Whether every step is over.
    pub(super) fn is_empty(&self) -> bool {
        self.kind_of.is_empty()
    }

    /// Takes all that is left.
    pub(super) fn drain(&mut self) -> Vec<usize> {
        let mut left: Vec<usize> = self.kind_of.drain().map(|(index, _)| index).collect();
        left.sort_unstable();
        left
    }

    fn has_lane(&self, kind: usize) -> bool {
        self.busy.get(&kind).copied().unwrap_or(0) < table(kind).map_or(1, |kind| kind.lanes)
    }

    fn is_turn_of(&self, kind: usize) -> bool {
        let left = |kind: usize| self.left.get(&kind).copied().unwrap_or(0) > 0;
        match table(kind) {
            Some(one) if one.name == LAST => !self.left.iter().any(|(other, left)| *other != kind && *left > 0),
            Some(one) => one.after.iter().all(|(first, _)| !left(place(first))),
            None => true,
        }
    }
}

fn place(kind: &str) -> usize {
    kinds::all().iter().position(|one| one.name == kind).unwrap_or(usize::MAX)
}

fn table(place: usize) -> Option<&'static Kind> {
    kinds::all().get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::SourceId;
    use crate::plan::{FORMAT, Recipe, Source, Step, Target};

    fn step(kind: &str, needs: &[usize]) -> Step {
        let source = SourceId { kind: kind.into(), id: String::new() };
        Step { needs: needs.to_vec(), ..Step::alone(source, String::new(), Action::Folder) }
    }

    fn queue(steps: Vec<Step>) -> Queue {
        let all = (0..steps.len()).collect();
        let (source, target, made_with) = (Source::default(), Target::default(), Recipe::default());
        let plan = Plan { format: FORMAT, source, target, made_with, steps, todos: vec![], agreed: vec![], dangling: vec![] };
        Queue::new(&plan, &all)
    }

    #[test]
    fn folders_go_one_by_one_and_rights_last() {
        let mut queue =
            queue(vec![step("directory", &[]), step("directory", &[]), step("permissions", &[]), step("notebook", &[0])]);
        assert_eq!((queue.next(), queue.next()), (Some(0), None), "one lane for folders, and notebooks come after folders");
        queue.over(0);
        assert_eq!((queue.next(), queue.next()), (Some(1), None));
        queue.over(1);
        assert_eq!((queue.next(), queue.next()), (Some(3), None));
        queue.over(3);
        assert_eq!(queue.next(), Some(2));
        queue.over(2);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_kind_has_so_many_lanes() {
        let mut queue = queue((0..20).map(|_| step("job", &[])).collect());
        let begun = std::iter::from_fn(|| queue.next()).count();
        assert_eq!(begun, kinds::by_name("job").map_or(0, |kind| kind.lanes));
    }

    #[test]
    fn what_waits_for_itself_is_drained() {
        let mut queue = queue(vec![step("job", &[1]), step("job", &[0])]);
        assert_eq!((queue.next(), queue.is_empty()), (None, false));
        assert_eq!(queue.drain(), [0, 1]);
        assert!(queue.is_empty());
    }
}
