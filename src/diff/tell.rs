//! From pairs of objects to what a person wants to know.

use super::access::{self, Reading};
use super::counts;
use super::fields::{fields, marks, plain};
use super::known::{Gap, Gaps};
use super::labels::{Labels, is_gone, labels};
use super::moved::Moves;
use super::pairs::{Pair, Pairs, holds_bytes, is_attached, object_id, pairs};
use super::parts::{blank, content, is_same, members};
use super::{AccessChange, Change, Counts, Degraded, Diff, Expected, Link, Matched, Options, Party, Side, Unknown, What, Which};
use crate::brief;
use crate::kinds::{self, Shape};
use crate::object::{Object, Selection};
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

pub(super) fn diff(before: &Side, after: &Side, options: &Options) -> Diff {
    let pairs = pairs(before, after, options);
    let labels = labels(before, after, &pairs);
    let held = |side| Side::held(side);
    let mut teller = Teller {
        sides: (before, after),
        labels: (&labels.0, &labels.1),
        held: (held(before), held(after)),
        gaps: (Gaps::of(before), Gaps::of(after)),
        moves: Moves::between(before, after, &pairs),
        pairs: &pairs,
        selection: &options.selection,
        kinds: BTreeMap::new(),
        changes: Vec::new(),
        expected: Vec::new(),
        unknown: BTreeMap::new(),
        names: (OnceCell::new(), OnceCell::new()),
        fates: HashMap::new(),
    };
    teller.count(Which::Before);
    teller.count(Which::After);
    pairs.both.iter().for_each(|pair| teller.pair(pair));
    for hanging in [false, true] {
        let is_now = |side: &Side, at: &usize| is_attached(&side.objects[*at]) == hanging;
        pairs.removed.iter().filter(|at| is_now(before, at)).for_each(|at| teller.lone(Which::Before, *at));
        pairs.added.iter().filter(|at| is_now(after, at)).for_each(|at| teller.lone(Which::After, *at));
    }
    teller.end()
}

impl Side {
    fn held(&self) -> HashSet<&str> {
        self.objects.iter().filter(|object| object.kind.name == "permissions").map(|object| object.id.as_str()).collect()
    }
}

/// What became of an object that what hangs on it shares.
#[derive(Clone, Copy)]
enum Fate {
    Told,
    Expected,
    Unknown,
}

type Names<'a> = OnceCell<HashMap<(&'a str, &'a str), &'a Object>>;

struct Teller<'a> {
    sides: (&'a Side, &'a Side),
    labels: (&'a Labels, &'a Labels),
    held: (HashSet<&'a str>, HashSet<&'a str>),
    gaps: (Gaps<'a>, Gaps<'a>),
    moves: Moves<'a>,
    pairs: &'a Pairs,
    selection: &'a Selection,
    kinds: BTreeMap<String, Counts>,
    changes: Vec<Change>,
    expected: Vec<Change>,
    unknown: BTreeMap<(String, Which, String, String), BTreeSet<String>>,
    /// The objects of each side by kind and id, once somebody asks.
    names: (Names<'a>, Names<'a>),
    /// What became of objects that only one side has, and where they are told of.
    fates: HashMap<(Which, usize), (Fate, usize)>,
}

impl<'a> Teller<'a> {
    fn side(&self, which: Which) -> &'a Side {
        of::<&Side>(which, &self.sides)
    }

    fn reading(&self, which: Which) -> Reading<'_> {
        Reading { labels: of::<&Labels>(which, &self.labels), held: of(which, &self.held), caller: &self.side(which).caller }
    }

    fn counts(&mut self, kind: &str) -> &mut Counts {
        self.kinds.entry(kind.to_owned()).or_default()
    }

    /// Whether an object is asked for; what hangs on one goes with it.
    fn wants(&self, which: Which, at: usize) -> bool {
        if self.selection.is_everything() {
            return true;
        }
        let side = self.side(which);
        let object = &side.objects[at];
        match of(which, &self.pairs.on).get(&at) {
            Some(parent) => self.selection.wants_attached(object.kind.name) && self.wants(which, *parent),
            None => self.selection.wants(object.kind.name, &object.key),
        }
    }

    fn count(&mut self, which: Which) {
        for (at, object) in self.side(which).objects.iter().enumerate() {
            if self.wants(which, at) {
                let counts = self.counts(object.kind.name);
                *(if which == Which::Before { &mut counts.before } else { &mut counts.after }) += 1;
            }
        }
    }

    /// An object of both sides.
    fn pair(&mut self, pair: &Pair) {
        if !self.wants(Which::Before, pair.before) && !self.wants(Which::After, pair.after) {
            return;
        }
        let (one, other) = (&self.sides.0.objects[pair.before], &self.sides.1.objects[pair.after]);
        let mut change =
            Change { matched: Some(pair.by), replaced: pair.replaced, ..blank(What::Changed, Some(one), Some(other)) };
        if self.moves.note(one, other, self.pairs.link, &mut change) {
            self.counts(one.kind.name).moved_along += 1;
        }
        self.compare(Some(one), Some(other), &mut change);
        change.fields.extend(marks(one, other));
        self.settle(change, (one.degraded.as_ref(), other.degraded.as_ref()));
    }

    /// What the two hold: documents by field, bytes by digest.
    fn compare(&self, one: Option<&Object>, other: Option<&Object>, change: &mut Change) {
        let Some(kind) = one.or(other).map(|object| object.kind) else { return };
        if let (Some(one), Some(other)) = (one, other) {
            if is_same(&one.body, &other.body) {
                return;
            }
            if holds_bytes(kind) {
                change.content = content(one, other);
                return;
            }
            // Their ids and times are the workspace's own, and no table says which.
            if matches!(kind.shape, Shape::Recorded(_)) && self.pairs.link != Link::Same {
                return;
            }
        }
        let (before, after) = (one.and_then(Object::document), other.and_then(Object::document));
        let (before, after) = (before.as_deref(), after.as_deref());
        if access::is_list(kind) {
            let (here, there) = (self.reading(Which::Before), self.reading(Which::After));
            change.access.extend(access::changes((before, &here), (after, &there), self.pairs.link));
            return;
        }
        let (mut before, mut after) = (plain(kind, before, self.labels.0), plain(kind, after, self.labels.1));
        if kind.name == "group" {
            let members = members(&mut before, &mut after);
            // Of the group of everybody a workspace says itself who is in it.
            change.members = members.filter(|_| !one.or(other).is_some_and(|group| kinds::is_everybody(&group.key)));
        }
        change.fields.extend(fields(kind, self.pairs.link, &before, &after));
    }

    /// Files a change where it belongs: told, expected, doubtful, or none.
    fn settle(&mut self, mut change: Change, degraded: (Option<&String>, Option<&String>)) {
        let says = change.fields.iter().map(|one| one.expected).chain(change.access.iter().map(|one| one.expected));
        let says: Vec<Option<Expected>> = says.collect();
        let told = change.is_inside() || change.renamed || change.moved || change.replaced;
        let name = change.after.as_ref().or(change.before.as_ref()).map(|one| one.name.clone()).unwrap_or_default();
        let kind = change.kind.clone();
        let counts = self.counts(&kind);
        match (told, says.first()) {
            (false, None) => counts.equal += 1,
            (false, Some(_)) => counts.expected += 1,
            (true, _) => {}
        }
        if degraded.0.is_some() || degraded.1.is_some() {
            change.degraded = Some(Degraded { before: degraded.0.cloned(), after: degraded.1.cloned() });
        }
        match (told, says.into_iter().flatten().next()) {
            (true, _) => self.changes.push(change),
            (false, Some(why)) => self.expected.push(Change { expected: Some(why), ..change }),
            (false, None) => self.doubt(&kind, &name, degraded),
        }
    }

    /// What shows no difference, and is less than it should be on one side.
    fn doubt(&mut self, kind: &str, name: &str, degraded: (Option<&String>, Option<&String>)) {
        let (side, reason) = match degraded {
            (Some(reason), None) => (Which::Before, reason),
            (None, Some(reason)) => (Which::After, reason),
            _ => return,
        };
        self.not_known(kind, side, "degraded", reason, name);
    }

    fn not_known(&mut self, kind: &str, side: Which, state: &str, reason: &str, name: &str) {
        let key = (kind.to_owned(), side, state.to_owned(), reason.to_owned());
        self.unknown.entry(key).or_default().insert(name.to_owned());
    }

    /// An object that only one side has.
    fn lone(&mut self, which: Which, at: usize) {
        if !self.wants(which, at) {
            return;
        }
        let object = &self.side(which).objects[at];
        let parent = of(which, &self.pairs.on).get(&at).copied();
        let twin = parent.and_then(|parent| of(which, &self.pairs.twins)[parent]);
        if let Some(parent) = parent.filter(|_| twin.is_none()) {
            return self.goes_along(which, object, parent);
        }
        if let Some(gap) = self.gap(which, object, twin).cloned() {
            self.not_known(object.kind.name, other(which), gap.state, &gap.reason, &object.key);
            self.counts(object.kind.name).unknown += 1;
            self.fates.insert((which, at), (Fate::Unknown, 0));
            return;
        }
        // A document that hangs on what both sides have is as good as empty on the other.
        if twin.is_some() && object.kind.name != "secret" {
            let (one, two) = in_order(which, object);
            let mut change = Change { matched: Some(Matched::Parent), ..blank(What::Changed, Some(object), Some(object)) };
            self.compare(one, two, &mut change);
            return self.settle(change, (None, None));
        }
        let (one, two) = in_order(which, object);
        let what = if which == Which::Before { What::Removed } else { What::Added };
        let brief = self.brief(which, object);
        let change = Change { expected: self.excuse(which, object), brief, ..blank(what, one, two) };
        let fate = if change.expected.is_some() { Fate::Expected } else { Fate::Told };
        if matches!(fate, Fate::Expected) {
            self.counts(object.kind.name).expected += 1;
        }
        let list = if matches!(fate, Fate::Expected) { &mut self.expected } else { &mut self.changes };
        list.push(change);
        self.fates.insert((which, at), (fate, list.len() - 1));
    }

    /// What an object is, in a line.
    fn brief(&self, which: Which, object: &Object) -> Option<String> {
        let side = self.side(which);
        let names = of(which, &self.names);
        let names = || names.get_or_init(|| side.objects.iter().map(|one| ((one.kind.name, one.id.as_str()), one)).collect());
        let name_of = |kind: &str, id: &str| match names().get(&(kind, id)) {
            Some(one) if one.key != one.id => format!("{} [{id}]", one.key),
            _ => id.to_owned(),
        };
        brief::line(object.kind.name, object.document().as_deref()?, &name_of)
    }

    /// What hangs on an object shares its fate; who had access to it is told with it.
    fn goes_along(&mut self, which: Which, object: &Object, parent: usize) {
        let (fate, place) = self.fates.get(&(which, parent)).copied().unwrap_or((Fate::Unknown, 0));
        let counts = self.counts(object.kind.name);
        match (fate, which) {
            (Fate::Unknown, _) => counts.unknown += 1,
            (Fate::Expected, _) => counts.expected += 1,
            (Fate::Told, Which::Before) => counts.removed_along += 1,
            (Fate::Told, Which::After) => counts.added_along += 1,
        }
        if !access::is_list(object.kind) || matches!(fate, Fate::Unknown) {
            return;
        }
        let document = object.document();
        let (here, there) = (self.reading(Which::Before), self.reading(Which::After));
        let (before, after) = if which == Which::Before { (document.as_deref(), None) } else { (None, document.as_deref()) };
        let mut found: Vec<AccessChange> = access::changes((before, &here), (after, &there), self.pairs.link);
        found.retain(|one| !one.inherited);
        let list = if matches!(fate, Fate::Expected) { &mut self.expected } else { &mut self.changes };
        list.iter_mut().skip(place).take(1).for_each(|change| change.access.append(&mut found));
    }

    /// The gap of the other side in which an object may be.
    fn gap(&self, which: Which, object: &Object, twin: Option<usize>) -> Option<&'a Gap> {
        let there = of(other(which), &self.gaps);
        if let Some(twin) = twin {
            let parent = &self.side(other(which)).objects[twin];
            return there.find(object.kind.name, &id_on(object, parent), &object.key);
        }
        // Another workspace calls it by another id: whatever of the kind is not known there may be it.
        let by_id = self.pairs.link != Link::Same && !matches!(object.kind.shape, Shape::Tree(_));
        there.find(object.kind.name, &object.id, &object.key).or_else(|| there.any(object.kind.name).filter(|_| by_id))
    }

    /// Why a restored workspace may do without it.
    fn excuse(&self, which: Which, object: &Object) -> Option<Expected> {
        if self.pairs.link != Link::Restored {
            return None;
        }
        if !object.kind.restorable() {
            return Some(Expected::NotRestored);
        }
        let document = object.document()?;
        holds_gone(&plain(object.kind, Some(&document), of::<&Labels>(which, &self.labels))).then_some(Expected::Gone)
    }

    fn end(mut self) -> Diff {
        for change in self.changes.iter_mut().filter(|change| change.what == What::Changed) {
            change.along = change.before.as_ref().map_or(0, |one| self.moves.along(&one.id));
        }
        let place: HashMap<&str, usize> = kinds::all().iter().enumerate().map(|(at, kind)| (kind.name, at)).collect();
        let order = |change: &Change| {
            let (one, other) = (change.before.as_ref(), change.after.as_ref());
            let name = one.into_iter().chain(other).map(|one| (one.name.clone(), one.id.clone())).min();
            (place.get(change.kind.as_str()).copied(), name)
        };
        counts::count(&self.changes, &mut self.kinds);
        self.changes.sort_by_cached_key(order);
        self.expected.sort_by_cached_key(order);
        let unknown = self.unknown.into_iter().map(|((kind, side, state, reason), objects)| Unknown {
            kind,
            side,
            state,
            reason,
            objects: objects.into_iter().collect(),
        });
        Diff {
            before: party(self.sides.0, self.selection),
            after: party(self.sides.1, self.selection),
            link: self.pairs.link,
            kinds: self.kinds,
            changes: self.changes,
            expected: self.expected,
            unknown: unknown.collect(),
        }
    }
}

/// The half of a pair that is of this side.
fn of<T>(which: Which, both: &(T, T)) -> &T {
    if which == Which::Before { &both.0 } else { &both.1 }
}

fn other(which: Which) -> Which {
    if which == Which::Before { Which::After } else { Which::Before }
}

fn in_order(which: Which, object: &Object) -> (Option<&Object>, Option<&Object>) {
    if which == Which::Before { (Some(object), None) } else { (None, Some(object)) }
}

/// What an attached object would be called where it hangs on another object.
fn id_on(object: &Object, parent: &Object) -> String {
    let Some((_, own)) = object.meta.parent() else { return object.id.clone() };
    match (&object.kind.shape, parent.kind.permissions) {
        (Shape::Attached(attached), Some(object_type)) if attached.to.is_empty() => {
            format!("{object_type}/{}", object_id(parent).unwrap_or_else(|| parent.id.clone()))
        }
        _ => format!("{}{}", parent.id, object.id.strip_prefix(own.as_str()).unwrap_or_default()),
    }
}

fn holds_gone(value: &Value) -> bool {
    match value {
        Value::String(text) => is_gone(text),
        Value::Array(items) => items.iter().any(holds_gone),
        Value::Object(members) => members.values().any(holds_gone),
        _ => false,
    }
}

fn party(side: &Side, selection: &Selection) -> Party {
    let gaps = |state: &str| {
        let asked = |gap: &&Gap| gap.state == state && (gap.path.ends_with('*') || selection.wants(&gap.kind, &gap.path));
        side.gaps.iter().filter(asked).count() as u64
    };
    let asked = |object: &&Object| object.meta.parent().is_some() || selection.wants(object.kind.name, &object.key);
    let degraded = side.objects.iter().filter(|object| object.degraded.is_some()).filter(asked).count() as u64;
    let objects = if selection.is_everything() { side.objects.len() } else { side.objects.iter().filter(asked).count() } as u64;
    Party { objects, missing: gaps("missing") + gaps("unfit"), excluded: gaps("excluded"), degraded, ..side.party.clone() }
}
