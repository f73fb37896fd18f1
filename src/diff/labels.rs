//! What stands for ids and names in both sides' documents, so that they compare by what they mean: the same words for two objects
//! that are one.

use super::pairs::Pairs;
use super::{Link, Side};
use crate::compare::meaning::{GONE, Naming};
use crate::kinds::{self, By, Kind};
use crate::object::{Object, fold};
use std::collections::{HashMap, HashSet};

/// Stands for what one side does not know: nothing differs from it.
pub(super) const UNKNOWN: &str = "(not known)";

/// Words for the ids and keys of one side.
#[derive(Debug, Default)]
pub(super) struct Labels {
    ids: HashMap<(&'static str, String), String>,
    /// Keys of what has two names, by kind and folded key.
    keys: HashMap<(&'static str, String), String>,
    /// Kinds of which the side knows nothing.
    dark: HashSet<&'static str>,
    /// In one workspace an id is the same on both sides, also where nothing is called so any more.
    same: bool,
}

impl Naming for Labels {
    fn by_id(&self, to: &[&'static str], id: &str) -> Option<String> {
        let known = to.iter().find_map(|kind| self.ids.get(&(*kind, id.to_owned())).cloned());
        let otherwise = || match self.same {
            true => Some(id.to_owned()),
            false => to.iter().any(|kind| self.dark.contains(kind)).then(|| UNKNOWN.to_owned()),
        };
        known.or_else(otherwise)
    }

    fn by_key(&self, to: &[&'static str], key: &str) -> String {
        let folded = key.to_lowercase();
        let known = to.iter().find_map(|kind| self.keys.get(&(*kind, folded.clone())).cloned());
        known.unwrap_or(folded)
    }
}

/// Whether a text is an id that leads to nothing.
pub(super) fn is_gone(text: &str) -> bool {
    text.starts_with(GONE)
}

/// The words of both sides.
pub(super) fn labels(before: &Side, after: &Side, pairs: &Pairs) -> (Labels, Labels) {
    let named = referred();
    let (mut here, mut there) = (Labels::default(), Labels::default());
    for pair in &pairs.both {
        let (one, other) = (&before.objects[pair.before], &after.objects[pair.after]);
        if named.contains(one.kind.name) {
            let word = word(one, other);
            here.ids.insert((one.kind.name, one.id.clone()), word.clone());
            there.ids.insert((one.kind.name, other.id.clone()), word);
        }
        let keys = (one.key.to_lowercase(), other.key.to_lowercase());
        if one.kind.key.unique && one.kind.key.at.len() > 1 && keys.0 != keys.1 {
            let word = keys.0.clone().min(keys.1.clone());
            here.keys.insert((one.kind.name, keys.0), word.clone());
            there.keys.insert((one.kind.name, keys.1), word);
        }
    }
    let lone = |side: &Side, left: &[usize], labels: &mut Labels| {
        for object in left.iter().map(|at| &side.objects[*at]).filter(|object| named.contains(object.kind.name)) {
            labels.ids.insert((object.kind.name, object.id.clone()), word(object, object));
        }
    };
    lone(before, &pairs.removed, &mut here);
    lone(after, &pairs.added, &mut there);
    if pairs.link == Link::Same {
        let only = |from: &Labels, to: &Labels| {
            let new = from.ids.iter().filter(|(id, _)| !to.ids.contains_key(*id));
            new.map(|(id, word)| (id.clone(), word.clone())).collect::<Vec<_>>()
        };
        let (gone, new) = (only(&here, &there), only(&there, &here));
        there.ids.extend(gone);
        here.ids.extend(new);
    }
    for (side, labels) in [(before, &mut here), (after, &mut there)] {
        labels.same = pairs.link == Link::Same;
        labels.dark = named.iter().copied().filter(|kind| side.knows_none(kind)).collect();
    }
    (here, there)
}

/// A word for two objects that are one: the same whichever of them is asked first, and no other's.
fn word(one: &Object, other: &Object) -> String {
    let name = (&one.key).min(&other.key);
    let keys = fold(one.kind, &one.key) == fold(one.kind, &other.key);
    if one.kind.key.unique && keys {
        return name.clone();
    }
    match one.id.cmp(&other.id) {
        std::cmp::Ordering::Equal => format!("{name} ({})", one.id),
        std::cmp::Ordering::Less => format!("{name} ({} / {})", one.id, other.id),
        std::cmp::Ordering::Greater => format!("{name} ({} / {})", other.id, one.id),
    }
}

/// Kinds that something refers to by id.
fn referred() -> HashSet<&'static str> {
    let refers = |kind: &'static &'static Kind| kind.references().filter(|(_, one)| one.by == By::Id).flat_map(|(_, one)| one.to);
    kinds::all().iter().flat_map(refers).copied().collect()
}
