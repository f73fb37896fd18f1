//! Effective grants in room that grows with what is granted, however deep folders lie in one another, and however many people each
//! of them names.

use super::people::Who;
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lists up to this length are written whole, so that equal ones are one, however they came about. Longer ones are written as what
/// they add to the list of the folder above.
const SHORT: usize = 64;

/// The strongest level of each principal that is named, ascending by principal.
type Levels = Arc<[(Who, u8)]>;

/// A list of who has which level.
#[derive(Debug)]
struct Set {
    /// The list that this one adds to. It has a lower number.
    above: Option<u32>,
    own: Levels,
}

/// All lists, each once.
#[derive(Debug, Default)]
pub(super) struct Sets(Vec<Set>);

impl Sets {
    /// The strongest level that a list gives to whoever is one of these.
    pub(super) fn level(&self, set: u32, has: &dyn Fn(Who) -> bool) -> Option<u8> {
        self.from(set).filter_map(|set| strongest(&set.own, has)).max()
    }

    /// The same for every list at once, in one go through all of them.
    pub(super) fn levels(&self, has: &dyn Fn(Who) -> bool) -> Vec<Option<u8>> {
        let mut levels: Vec<Option<u8>> = Vec::with_capacity(self.0.len());
        for set in &self.0 {
            let above = set.above.and_then(|above| levels[above as usize]);
            levels.push(above.max(strongest(&set.own, has)));
        }
        levels
    }

    /// Everybody whom a list names.
    pub(super) fn named(&self, set: u32) -> impl Iterator<Item = Who> + '_ {
        self.from(set).flat_map(|set| set.own.iter().map(|(who, _)| *who))
    }

    /// A list, and those that it adds to.
    fn from(&self, set: u32) -> impl Iterator<Item = &Set> {
        std::iter::successors(Some(&self.0[set as usize]), |set| Some(&self.0[set.above? as usize]))
    }
}

fn strongest(own: &[(Who, u8)], has: &dyn Fn(Who) -> bool) -> Option<u8> {
    own.iter().filter(|(who, _)| has(*who)).map(|(_, level)| *level).max()
}

/// A way down through folders: what is granted at the place that was reached.
#[derive(Debug, Default)]
pub(super) struct Descent {
    sets: Sets,
    known: HashMap<(Option<u32>, Levels), u32>,
    now: BTreeMap<Who, u8>,
}

/// What was so before a step down.
pub(super) type Before = Vec<(Who, Option<u8>)>;

impl Descent {
    /// Goes down to what lies in the folder that was reached, and has these grants. Answers with its list, and with what leads back.
    pub(super) fn down(&mut self, above: Option<u32>, grants: impl Iterator<Item = (Who, u8)>) -> (u32, Before) {
        let mut before = Before::new();
        for (who, level) in grants {
            let known = self.now.get(&who).copied();
            if known < Some(level) {
                self.now.insert(who, level);
                before.push((who, known));
            }
        }
        let set = match above.filter(|_| before.is_empty()) {
            Some(above) => above,
            None => self.set(above, &before),
        };
        (set, before)
    }

    /// Goes back up.
    pub(super) fn up(&mut self, before: Before) {
        for (who, level) in before.into_iter().rev() {
            match level {
                Some(level) => self.now.insert(who, level),
                None => self.now.remove(&who),
            };
        }
    }

    fn set(&mut self, above: Option<u32>, before: &Before) -> u32 {
        let (above, own): (Option<u32>, Levels) = if self.now.len() <= SHORT {
            (None, self.now.iter().map(|(who, level)| (*who, *level)).collect())
        } else {
            let own: BTreeMap<Who, u8> = before.iter().map(|(who, _)| (*who, self.now[who])).collect();
            (above, own.into_iter().collect())
        };
        let sets = &mut self.sets.0;
        *self.known.entry((above, own)).or_insert_with_key(|(above, own)| {
            sets.push(Set { above: *above, own: own.clone() });
            u32::try_from(sets.len() - 1).unwrap_or(u32::MAX)
        })
    }

    pub(super) fn done(self) -> Sets {
        self.sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(sets: &Sets) -> usize {
        sets.0.iter().map(|set| set.own.len()).sum()
    }

    #[test]
    fn equal_lists_are_one_however_they_came_about() {
        let mut descent = Descent::default();
        let (top, at_top) = descent.down(None, [(1, 0), (2, 3)].into_iter());
        let (same, at_same) = descent.down(Some(top), [(2, 1), (1, 0)].into_iter());
        assert_eq!(same, top, "nothing was added");
        descent.up(at_same);
        let (more, at_more) = descent.down(Some(top), [(3, 2)].into_iter());
        descent.up(at_more);
        descent.up(at_top);
        let (other, _) = descent.down(None, [(3, 2), (2, 3), (1, 0), (3, 1)].into_iter());
        assert!(other == more && other != top);
        let sets = descent.done();
        assert_eq!((sets.level(more, &|who| who == 3), sets.level(top, &|who| who == 3)), (Some(2), None));
    }

    #[test]
    fn a_deep_chain_takes_room_for_what_is_granted_and_no_more() {
        let (mut descent, mut above) = (Descent::default(), None);
        for who in 0..10_000 {
            above = Some(descent.down(above, std::iter::once((who, u8::from(who % 2 == 0)))).0);
        }
        let sets = descent.done();
        assert!(size(&sets) < 10_000 + SHORT * SHORT, "{}", size(&sets));
        let last = above.expect("a list");
        assert_eq!(sets.level(last, &|who| who == 0), Some(1));
        assert_eq!(sets.levels(&|who| who == 4999)[last as usize], Some(0));
        assert_eq!(sets.named(last).count(), 10_000);
    }

    #[test]
    fn both_ways_to_ask_say_the_same() {
        let (mut descent, mut above) = (Descent::default(), None);
        for step in 0..500_u32 {
            let grants = (0..3).map(|turn| ((step * 7 + turn * 31) % 150, u8::try_from((step + turn) % 5).unwrap_or(0)));
            above = Some(descent.down(above, grants).0);
        }
        let sets = descent.done();
        for who in 0..150 {
            let has = |one: Who| one == who || one == who / 2;
            let levels = sets.levels(&has);
            assert!((0..).zip(&levels).all(|(set, level)| sets.level(set, &has) == *level));
        }
    }
}
