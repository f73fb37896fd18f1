//! What has another name or lies elsewhere: by itself, or along with the folder that it is in.

use super::pairs::{Pairs, is_attached};
use super::{Change, Link, Side};
use crate::compare::meaning::home_folded;
use crate::kinds::{Shape, Tree};
use crate::object::{Object, fold};
use std::collections::HashMap;

/// The folders that moved, and what went along with them.
pub(super) struct Moves<'a> {
    /// Old path and new.
    folders: HashMap<&'a str, &'a str>,
    /// How many objects went along, by the old path of the folder that moved by itself.
    along: HashMap<&'a str, u64>,
}

impl<'a> Moves<'a> {
    pub(super) fn between(before: &'a Side, after: &'a Side, pairs: &Pairs) -> Self {
        let folders = pairs.both.iter().map(|pair| (&before.objects[pair.before], &after.objects[pair.after]));
        let folders = folders.filter(|(one, _)| matches!(one.kind.shape, Shape::Tree(Tree::Directory | Tree::Repo)));
        let folders = folders.filter(|(one, other)| one.id != other.id);
        Self { folders: folders.map(|(one, other)| (one.id.as_str(), other.id.as_str())).collect(), along: HashMap::new() }
    }

    /// Notes whether the object has another name, or lies elsewhere. Says whether it did no more than go along with its folder.
    pub(super) fn note(&mut self, one: &'a Object, other: &'a Object, link: Link, change: &mut Change) -> bool {
        if is_attached(one) {
            return false;
        }
        if !matches!(one.kind.shape, Shape::Tree(_)) {
            change.renamed = fold(one.kind, &one.key) != fold(other.kind, &other.key);
            return false;
        }
        let path = |object: &Object| if link == Link::Same { object.id.clone() } else { home_folded(&object.id) };
        if path(one) == path(other) {
            return false;
        }
        let ((folder, name), (to, new_name)) = (split(&one.id), split(&other.id));
        let carried = self.folders.get(folder).copied();
        change.renamed = name != new_name;
        change.moved = carried.unwrap_or(folder) != to;
        let along = !change.renamed && !change.moved && carried.is_some();
        if along {
            *self.along.entry(self.root_of(folder)).or_default() += 1;
        }
        along
    }

    /// How many objects went along with the folder of this old path.
    pub(super) fn along(&self, folder: &str) -> u64 {
        self.along.get(folder).copied().unwrap_or_default()
    }

    /// The highest folder above that moved of its own.
    fn root_of(&self, folder: &'a str) -> &'a str {
        let mut root = folder;
        loop {
            let ((above, name), to) = (split(root), self.folders.get(root).copied().unwrap_or(root));
            match self.folders.get(above) {
                Some(new) if split(to) == (*new, name) => root = above,
                _ => return root,
            }
        }
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
