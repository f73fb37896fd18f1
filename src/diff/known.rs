//! One side of a comparison: objects, and what is not known of them.

use super::Party;
use crate::kinds::{self, Shape};
use crate::object::Object;
use std::collections::HashMap;

/// A workspace as it was at one time.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Who and when; the counts are made by the comparison.
    pub party: Party,
    /// Who read it, or restored it: a workspace lets whoever makes an object manage it.
    pub caller: String,
    /// All objects, those of kinds that are only recorded as well. A document may be left where it lies, known by its digest, if
    /// the other side has the very same.
    pub objects: Vec<Object>,
    /// What is there, or may be there, and is not among the objects.
    pub gaps: Vec<Gap>,
}

/// Something that a side does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// `missing`, `excluded`, `unavailable` or `unfit`.
    pub state: &'static str,
    /// Name of the kind.
    pub kind: String,
    /// Path or id; with `*` at its end whatever begins so.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// The gaps of a side, so that one need not look at all of them for each object.
#[derive(Debug)]
pub(super) struct Gaps<'a> {
    /// By kind and path; what could not be listed below a folder may be of any kind that lies in a workspace.
    places: HashMap<(&'a str, &'a str), &'a Gap>,
    kinds: HashMap<&'a str, &'a Gap>,
}

/// Stands for all kinds that the listing of a workspace folder shows.
const TREE: &str = "/";

impl<'a> Gaps<'a> {
    pub(super) fn of(side: &'a Side) -> Self {
        let place =
            |gap: &'a Gap| (if gap.path.ends_with("**") { lies(&gap.kind) } else { gap.kind.as_str() }, gap.path.as_str());
        // Of several the first is told.
        let places = side.gaps.iter().rev().map(|gap| (place(gap), gap)).collect();
        let kinds = side.gaps.iter().rev().map(|gap| (gap.kind.as_str(), gap)).collect();
        Self { places, kinds }
    }

    /// The gap in which an object would be that is not here.
    pub(super) fn find(&self, kind: &str, id: &str, name: &str) -> Option<&'a Gap> {
        let own = [id, name].into_iter().find_map(|path| self.places.get(&(kind, path)));
        let begins = std::iter::once(0).chain(id.match_indices('/').map(|(at, _)| at + 1)).map(|end| &id[..end]);
        let mut above = begins.filter_map(|begin| {
            let some = self.places.get(&(kind, format!("{begin}*").as_str())).copied();
            some.or_else(|| self.places.get(&(lies(kind), format!("{begin}**").as_str())).copied())
        });
        own.copied().or_else(|| above.next())
    }

    /// Any gap of a kind.
    pub(super) fn any(&self, kind: &str) -> Option<&'a Gap> {
        self.kinds.get(kind).copied()
    }
}

/// The kind, or what stands for all that lie in a workspace.
fn lies(kind: &str) -> &str {
    use kinds::Tree::{Dbfs, Volume};
    let in_workspace = |kind: &kinds::Kind| matches!(kind.shape, Shape::Tree(tree) if !matches!(tree, Dbfs | Volume));
    if kinds::by_name(kind).is_some_and(in_workspace) { TREE } else { kind }
}

impl Side {
    /// Whether nothing at all is known of a kind.
    pub(super) fn knows_none(&self, kind: &str) -> bool {
        self.gaps.iter().any(|gap| gap.kind == kind && gap.path == "*")
    }
}
