//! A map from absolute paths to things, in which one folder's children are one short range scan.
//!
//! The key of `/a/b/c` is `/a/b`, a zero character, `c`: children of `/a/b` stand side by side, whatever lies below them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Paths<T> {
    map: BTreeMap<String, T>,
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { map: BTreeMap::new() }
    }
}

impl<T> Paths<T> {
    pub(super) fn get(&self, path: &str) -> Option<&T> {
        self.map.get(&key(path))
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.map.contains_key(&key(path))
    }

    pub(super) fn insert(&mut self, path: &str, thing: T) -> Option<T> {
        self.map.insert(key(path), thing)
    }

    pub(super) fn remove(&mut self, path: &str) -> Option<T> {
        self.map.remove(&key(path))
    }

    /// The direct children of a folder, by name.
    pub(super) fn children(&self, folder: &str) -> impl Iterator<Item = (String, &T)> {
        self.starting(format!("{}\0", stem(folder)))
    }

    /// All that lies below a folder: its children first, then everything deeper.
    pub(super) fn below(&self, folder: &str) -> Vec<String> {
        let deeper = self.starting(format!("{}/", stem(folder)));
        self.children(folder).chain(deeper).map(|(path, _)| path).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (String, &T)> {
        self.map.iter().map(|(key, thing)| (path_of(key), thing))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.map.values_mut()
    }

    fn starting(&self, prefix: String) -> impl Iterator<Item = (String, &T)> {
        let range = self.map.range(prefix.clone()..);
        range.take_while(move |(key, _)| key.starts_with(&prefix)).map(|(key, thing)| (path_of(key), thing))
    }
}

/// The folder that holds a path; of `/a` it is `/`.
pub(super) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(cut) => &path[..cut],
    }
}

/// The last part of a path.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// All folders above a path, the nearest first, `/` last.
pub(super) fn ancestors(path: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = path;
    while at != "/" {
        at = parent(at);
        found.push(at);
    }
    found
}

/// Makes one slash of many and drops the last one. `None` where the path is not absolute.
pub(super) fn tidy(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    Some(format!("/{}", parts.join("/")))
}

fn stem(folder: &str) -> &str {
    if folder == "/" { "" } else { folder }
}

fn key(path: &str) -> String {
    format!("{}\0{}", stem(parent(path)), name(path))
}

fn path_of(key: &str) -> String {
    key.replacen('\0', "/", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_only_the_direct_ones() {
        let mut paths = Paths::default();
        for path in ["/a", "/a/b", "/a/b/c", "/a/b c", "/ab", "/a/b/c/d"] {
            paths.insert(path, ());
        }
        let children = |folder: &str| paths.children(folder).map(|(path, ())| path).collect::<Vec<_>>();
        assert_eq!(children("/"), ["/a", "/ab"]);
        assert_eq!(children("/a"), ["/a/b", "/a/b c"]);
        assert_eq!(children("/a/b/c/d"), Vec::<String>::new());
        assert_eq!(paths.below("/a"), ["/a/b", "/a/b c", "/a/b/c", "/a/b/c/d"]);
        assert_eq!(paths.below("/").len(), 6);
    }

    #[test]
    fn paths_are_tidied() {
        assert_eq!(tidy("//a///b/").as_deref(), Some("/a/b"));
        assert_eq!(tidy("/").as_deref(), Some("/"));
        assert_eq!(tidy("a/b"), None);
        assert_eq!(ancestors("/a/b/c"), ["/a/b", "/a", "/"]);
    }
}
