//! The one place that counts what differs: every output tells these numbers.

use super::{Change, Counts, Diff, What};
use std::collections::BTreeMap;
use std::ops::AddAssign;

impl Diff {
    /// The account of all kinds together.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.kinds.values().for_each(|counts| total += *counts);
        total
    }
}

impl Change {
    /// Whether more than the name or the place of what both sides have is new, and no import excuses it.
    pub(super) fn is_inside(&self) -> bool {
        let mut excuses = self.fields.iter().map(|one| one.expected).chain(self.access.iter().map(|one| one.expected));
        self.members.is_some() || self.content.is_some() || excuses.any(|expected| expected.is_none())
    }
}

/// Counts what is told as different, by kind.
pub(super) fn count(changes: &[Change], kinds: &mut BTreeMap<String, Counts>) {
    for change in changes {
        kinds.entry(change.kind.clone()).or_default().differs(change);
    }
}

impl Counts {
    fn differs(&mut self, change: &Change) {
        self.differ += 1;
        match change.what {
            What::Added => self.added += 1,
            What::Removed => self.removed += 1,
            What::Changed => {
                self.changed += u64::from(change.is_inside());
                self.renamed += u64::from(change.renamed);
                self.moved += u64::from(change.moved);
                self.replaced += u64::from(change.replaced);
            }
        }
    }

    /// Whether something differs in more than one way, and counts under each.
    pub fn overlap(&self) -> bool {
        self.added + self.removed + self.changed + self.renamed + self.moved + self.replaced > self.differ
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { before, after, equal, differ, added, removed, added_along, removed_along, .. } = other;
        let Self { changed, renamed, moved, moved_along, replaced, expected, unknown, .. } = other;
        self.before += before;
        self.after += after;
        self.equal += equal;
        self.differ += differ;
        self.added += added;
        self.removed += removed;
        self.added_along += added_along;
        self.removed_along += removed_along;
        self.changed += changed;
        self.renamed += renamed;
        self.moved += moved;
        self.moved_along += moved_along;
        self.replaced += replaced;
        self.expected += expected;
        self.unknown += unknown;
    }
}
