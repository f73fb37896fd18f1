//! The workspace tree: nodes by path, and the other way round by object id.

use super::body::Body;
use super::call::Problem;
use super::paths::{self, Paths};
use super::world::World;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// One object of the workspace tree.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) id: i64,
    /// `NOTEBOOK`, `FILE`, `DIRECTORY`, …: an open list.
    pub(super) kind: String,
    pub(super) language: Option<String>,
    /// Whether a notebook is stored as ipynb rather than as source.
    pub(super) jupyter: bool,
    pub(super) git_folder: bool,
    pub(super) body: Body,
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) resource_id: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub(super) struct Tree {
    nodes: Paths<Node>,
    #[serde(skip)]
    by_id: HashMap<i64, String>,
}

/// A tree as it is saved: the ids are found again from the nodes.
#[derive(Deserialize)]
struct Stored {
    nodes: Paths<Node>,
}

impl From<Stored> for Tree {
    fn from(Stored { nodes }: Stored) -> Self {
        let by_id = nodes.iter().map(|(path, node)| (node.id, path)).collect();
        Self { nodes, by_id }
    }
}

impl Tree {
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(super) fn path_of(&self, id: i64) -> Option<&str> {
        self.by_id.get(&id).map(String::as_str)
    }

    pub(super) fn insert(&mut self, path: &str, node: Node) {
        self.by_id.insert(node.id, path.to_owned());
        if let Some(old) = self.nodes.insert(path, node).filter(|old| self.nodes.get(path).is_none_or(|new| new.id != old.id)) {
            self.by_id.remove(&old.id);
        }
    }

    pub(super) fn remove(&mut self, path: &str) -> Option<Node> {
        let node = self.nodes.remove(path)?;
        self.by_id.remove(&node.id);
        Some(node)
    }

    pub(super) fn children(&self, folder: &str) -> impl Iterator<Item = (String, &Node)> {
        self.nodes.children(folder)
    }

    pub(super) fn below(&self, folder: &str) -> Vec<String> {
        self.nodes.below(folder)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (String, &Node)> {
        self.nodes.iter()
    }

    pub(super) fn bodies_mut(&mut self) -> impl Iterator<Item = &mut Body> {
        self.nodes.values_mut().map(|node| &mut node.body)
    }

    /// Whether things can lie in it; `/` can.
    pub(super) fn is_folder(&self, path: &str) -> bool {
        path == "/" || self.get(path).is_some_and(Node::is_folder)
    }
}

impl Node {
    pub(super) fn is_folder(&self) -> bool {
        self.kind == "DIRECTORY" || self.kind == "REPO"
    }

    /// `ObjectInfo` of the API.
    pub(super) fn info(&self, path: &str) -> Map<String, Value> {
        let mut info = Map::new();
        let mut put = |key: &str, value: Value| info.insert(key.to_owned(), value);
        put("object_type", json!(self.kind));
        put("path", json!(path));
        if let Some(language) = &self.language {
            // An ipynb notebook calls itself Python whatever it holds (workspace API, ObjectInfo.language).
            put("language", if self.jupyter { json!("PYTHON") } else { json!(language) });
        }
        if matches!(self.kind.as_str(), "FILE" | "NOTEBOOK") {
            put("created_at", json!(self.created));
            put("modified_at", json!(self.modified));
            put("modified_at_interactive", json!({ "time_millis": self.modified }));
        }
        if self.kind == "FILE" {
            put("size", json!(self.body.len()));
        }
        put("object_id", json!(self.id));
        put("resource_id", json!(self.resource_id.clone().unwrap_or_else(|| self.id.to_string())));
        if self.git_folder {
            put("directory_info", json!({ "is_git_folder": true }));
        }
        info
    }
}

impl World {
    /// Adds an object whose parent exists; ids and times are given here where they are missing.
    pub(super) fn add_node(&mut self, path: &str, mut node: Node) -> i64 {
        if node.id == 0 {
            node.id = self.number();
        }
        if node.created == 0 {
            node.created = self.now();
            node.modified = node.created;
        }
        let id = node.id;
        self.tree.insert(path, node);
        id
    }

    /// Makes a folder and those above it, without any question.
    pub(super) fn make_folder(&mut self, path: &str) {
        for folder in paths::ancestors(path).into_iter().rev().chain([path]) {
            if folder != "/" && self.tree.get(folder).is_none() {
                self.add_node(folder, Node { kind: "DIRECTORY".into(), ..Node::default() });
            }
        }
    }
}

/// A path as the tree knows it: without the `/Workspace` alias, one slash where there are many.
pub(super) fn tree_path(path: &str) -> Result<String, Problem> {
    let wrong = || Problem::invalid(format!("Path ({path}) doesn't start with '/'"));
    let tidy = paths::tidy(path).ok_or_else(wrong)?;
    match tidy.strip_prefix("/Workspace") {
        Some("") => Ok("/".to_owned()),
        Some(rest) if rest.starts_with('/') => Ok(rest.to_owned()),
        _ => Ok(tidy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_is_an_alias_of_the_root() {
        assert_eq!(tree_path("/Workspace/Users/a").unwrap(), "/Users/a");
        assert_eq!(tree_path("/Workspace").unwrap(), "/");
        assert_eq!(tree_path("/Workspaces/x").unwrap(), "/Workspaces/x");
        assert!(tree_path("Users").is_err());
    }

    #[test]
    fn replacing_a_node_forgets_its_id() {
        let mut tree = Tree::default();
        tree.insert("/a", Node { id: 1, ..Node::default() });
        tree.insert("/a", Node { id: 2, ..Node::default() });
        assert_eq!((tree.path_of(1), tree.path_of(2)), (None, Some("/a")));
        tree.insert("/a", Node { id: 2, ..Node::default() });
        assert_eq!(tree.path_of(2), Some("/a"));
    }
}
