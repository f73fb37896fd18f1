//! Which object of one side is which of the other.

use super::{Link, Matched, Options, Party, Side};
use crate::compare::meaning::home_folded;
use crate::kinds::{Kind, Shape, Tree};
use crate::object::{Object, SourceId, fold};
use crate::spool::Sha;
use std::collections::{BTreeMap, HashMap};

/// Two objects that are one, as indexes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub before: usize,
    pub after: usize,
    pub by: Matched,
    /// The same name, and yet another object.
    pub replaced: bool,
}

/// All objects of two sides.
#[derive(Debug)]
pub(super) struct Pairs {
    /// On both.
    pub both: Vec<Pair>,
    /// Only before.
    pub removed: Vec<usize>,
    /// Only after.
    pub added: Vec<usize>,
    pub link: Link,
    /// What each attached object hangs on, as indexes of its own side.
    pub on: Hangs,
    /// The other of each object of the first side, and of the second.
    pub twins: (Vec<Option<usize>>, Vec<Option<usize>>),
}

/// What attached objects hang on, before and after.
type Hangs = (HashMap<usize, usize>, HashMap<usize, usize>);

pub(super) fn pairs(before: &Side, after: &Side, options: &Options) -> Pairs {
    let mut matcher = Matcher::new(before, after);
    let link = if is_same(&before.party, &after.party) {
        matcher.by_ids();
        Link::Same
    } else {
        matcher.by_map(&options.ids);
        matcher.by_stamps();
        let restored = !matcher.both.is_empty();
        matcher.by_names();
        if restored { Link::Restored } else { Link::Apart }
    };
    matcher.by_content();
    let on = matcher.attached();
    matcher.end(link, on)
}

/// Whether both are of one workspace: ids tell, and where one side has none, the address does.
pub(super) fn is_same(one: &Party, other: &Party) -> bool {
    let known = |id: &str| !id.is_empty();
    match known(&one.workspace_id) && known(&other.workspace_id) {
        true => one.workspace_id == other.workspace_id,
        false => known(&one.host) && one.host.eq_ignore_ascii_case(&other.host),
    }
}

struct Matcher<'a> {
    before: &'a Side,
    after: &'a Side,
    /// Where an object is, by kind and id.
    here: HashMap<(&'static str, &'a str), usize>,
    there: HashMap<(&'static str, &'a str), usize>,
    both: Vec<Pair>,
    /// The other of each object, once it is found.
    twin: Vec<Option<usize>>,
    taken: Vec<bool>,
}

fn places(side: &Side) -> HashMap<(&'static str, &str), usize> {
    side.objects.iter().enumerate().map(|(index, object)| ((object.kind.name, object.id.as_str()), index)).collect()
}

pub(super) fn is_attached(object: &Object) -> bool {
    matches!(object.kind.shape, Shape::Attached(_))
}

impl<'a> Matcher<'a> {
    fn new(before: &'a Side, after: &'a Side) -> Self {
        Self {
            before,
            after,
            here: places(before),
            there: places(after),
            both: Vec::with_capacity(before.objects.len()),
            twin: vec![None; before.objects.len()],
            taken: vec![false; after.objects.len()],
        }
    }

    fn join(&mut self, before: usize, after: usize, by: Matched, replaced: bool) {
        if self.twin[before].is_none() && !self.taken[after] {
            self.twin[before] = Some(after);
            self.taken[after] = true;
            self.both.push(Pair { before, after, by, replaced });
        }
    }

    /// Objects of the first side, and of the second, that have no other yet and hang on nothing.
    fn left(&self) -> Vec<usize> {
        (0..self.twin.len()).filter(|at| self.twin[*at].is_none() && !is_attached(&self.before.objects[*at])).collect()
    }

    fn free(&self) -> Vec<usize> {
        (0..self.taken.len()).filter(|at| !self.taken[*at] && !is_attached(&self.after.objects[*at])).collect()
    }

    /// In one workspace: by id; by path only what has no id, or whose id is of no other.
    fn by_ids(&mut self) {
        for at in self.left() {
            let object = &self.before.objects[at];
            let Some(other) = self.there.get(&(object.kind.name, object.id.as_str())).copied() else { continue };
            if !is_another(object, &self.after.objects[other]) {
                let by = if matches!(object.kind.shape, Shape::Tree(_)) && object_id(object).is_none() {
                    Matched::Name
                } else {
                    Matched::Id
                };
                self.join(at, other, by, false);
            }
        }
        let moved: HashMap<(&'static str, String), usize> = self
            .free()
            .into_iter()
            .filter_map(|at| Some(((self.after.objects[at].kind.name, object_id(&self.after.objects[at])?), at)))
            .collect();
        for at in self.left() {
            let object = &self.before.objects[at];
            let other = object_id(object).and_then(|id| moved.get(&(object.kind.name, id)).copied());
            other.into_iter().for_each(|other| self.join(at, other, Matched::Id, false));
        }
        self.replaced();
    }

    /// What was deleted and made anew under a name that only one can have.
    fn replaced(&mut self) {
        let unique = |object: &Object| object.kind.key.unique;
        let free = self.free();
        let names: HashMap<(&'static str, String), usize> = free
            .into_iter()
            .filter(|at| unique(&self.after.objects[*at]))
            .map(|at| (named(&self.after.objects[at]), at))
            .collect();
        for at in self.left() {
            let object = &self.before.objects[at];
            if let Some(other) = names.get(&named(object)).copied().filter(|_| unique(object)) {
                self.join(at, other, Matched::Name, true);
            }
        }
    }

    fn by_map(&mut self, ids: &super::Ids) {
        if ids.is_empty() {
            return;
        }
        for at in self.left() {
            let object = &self.before.objects[at];
            let to = ids.get(&SourceId { kind: object.kind.name.to_owned(), id: object.id.clone() });
            let other = to.and_then(|to| self.there.get(&(object.kind.name, to.as_str())).copied());
            other.into_iter().for_each(|other| self.join(at, other, Matched::Map, false));
        }
    }

    /// A stamp names the workspace and the id that an object was restored from. What two bear tells of neither.
    fn by_stamps(&mut self) {
        let stamps = |side: &Side, left: &[usize]| {
            let mut all: HashMap<(&'static str, String), Vec<usize>> = HashMap::new();
            for at in left {
                let object = &side.objects[*at];
                let origin = || format!("{}/{}", side.party.workspace_id, object.id);
                if object.kind.stamp.is_some() {
                    all.entry((object.kind.name, object.stamp().unwrap_or_else(origin))).or_default().push(*at);
                }
            }
            all
        };
        let (left, free) = (self.left(), self.free());
        let (ours, theirs) = (stamps(self.before, &left), stamps(self.after, &free));
        for (origin, here) in ours {
            if let ([at], Some([other])) = (here.as_slice(), theirs.get(&origin).map(Vec::as_slice)) {
                self.join(*at, *other, Matched::Stamp, false);
            }
        }
    }

    /// By name; where several have one, in the order of their ids, as far as both sides have as many.
    fn by_names(&mut self) {
        let groups = |side: &Side, left: Vec<usize>| {
            let mut all: BTreeMap<(&'static str, String), Vec<usize>> = BTreeMap::new();
            for at in left {
                all.entry(named(&side.objects[at])).or_default().push(at);
            }
            let id = |at: &usize| (side.objects[*at].id.len(), side.objects[*at].id.clone());
            all.values_mut().for_each(|group| group.sort_by_key(id));
            all
        };
        let (left, free) = (self.left(), self.free());
        let (ours, theirs) = (groups(self.before, left), groups(self.after, free));
        for (name, here) in ours {
            let Some(there) = theirs.get(&name) else { continue };
            let by = if here.len() == 1 && there.len() == 1 { Matched::Name } else { Matched::Guess };
            here.iter().zip(there).for_each(|(at, other)| self.join(*at, *other, by, false));
        }
    }

    /// Files without an id that went from one path to another, as far as their bytes are like no other's.
    fn by_content(&mut self) {
        let digests = |side: &Side, left: Vec<usize>| {
            let mut all: HashMap<(&'static str, u64, Sha), Vec<usize>> = HashMap::new();
            for at in left {
                let object = &side.objects[at];
                if let Some((len, sha256)) = object.body.digest().filter(|(len, _)| *len > 0 && holds_bytes(object.kind)) {
                    all.entry((object.kind.name, len, sha256)).or_default().push(at);
                }
            }
            all
        };
        let (left, free) = (self.left(), self.free());
        let (ours, theirs) = (digests(self.before, left), digests(self.after, free));
        for (digest, here) in ours {
            if let ([at], Some([other])) = (here.as_slice(), theirs.get(&digest).map(Vec::as_slice))
                && !is_another(&self.before.objects[*at], &self.after.objects[*other])
            {
                self.join(*at, *other, Matched::Content, false);
            }
        }
    }

    /// What hangs on an object, by the object that it hangs on.
    fn attached(&mut self) -> Hangs {
        let mut hangs = Hangs::default();
        let mut theirs = HashMap::new();
        for (at, object) in self.after.objects.iter().enumerate().filter(|(_, object)| is_attached(object)) {
            if let Some((parent, rest)) = on(object, &self.there) {
                theirs.insert((object.kind.name, parent, fold(object.kind, rest)), at);
                hangs.1.insert(at, parent);
            }
        }
        for (at, object) in self.before.objects.iter().enumerate().filter(|(_, object)| is_attached(object)) {
            let Some((parent, rest)) = on(object, &self.here) else { continue };
            hangs.0.insert(at, parent);
            let other =
                self.twin[parent].and_then(|twin| theirs.get(&(object.kind.name, twin, fold(object.kind, rest))).copied());
            other.into_iter().for_each(|other| self.join(at, other, Matched::Parent, false));
        }
        hangs
    }

    fn end(self, link: Link, on: Hangs) -> Pairs {
        let removed = (0..self.twin.len()).filter(|at| self.twin[*at].is_none()).collect();
        let added = (0..self.taken.len()).filter(|at| !self.taken[*at]).collect();
        let mut back = vec![None; self.taken.len()];
        self.both.iter().for_each(|pair| back[pair.after] = Some(pair.before));
        Pairs { both: self.both, removed, added, link, on, twins: (self.twin, back) }
    }
}

/// What an object hangs on, and what tells it apart from others that hang there.
fn on<'a>(object: &'a Object, places: &HashMap<(&'static str, &str), usize>) -> Option<(usize, &'a str)> {
    let (kind, id) = object.meta.parent()?;
    let kind = crate::kinds::by_name(&kind)?;
    let rest = object.id.strip_prefix(id.as_str()).unwrap_or_default();
    Some((*places.get(&(kind.name, id.as_str()))?, rest))
}

/// Whether the objects of a kind are bytes, known by their digest.
pub(super) fn holds_bytes(kind: &Kind) -> bool {
    matches!(kind.shape, Shape::Tree(Tree::Notebook | Tree::File | Tree::Dbfs | Tree::Volume))
}

/// Whether the workspace says of two at one path that they are two.
fn is_another(one: &Object, other: &Object) -> bool {
    let ids = (object_id(one), object_id(other));
    matches!(ids, (Some(one), Some(other)) if one != other)
}

/// The id behind a path.
pub(super) fn object_id(object: &Object) -> Option<String> {
    if !matches!(object.kind.shape, Shape::Tree(_)) {
        return None;
    }
    // A number from a listing, a text from a bundle.
    let id = object.meta.get("object_id")?;
    Some(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

/// A natural key as it compares; a home is called as its user is.
fn named(object: &Object) -> (&'static str, String) {
    (object.kind.name, home_folded(&fold(object.kind, &object.key)))
}
