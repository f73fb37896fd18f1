//! Where a referring value leads.

use super::NodeId;
use super::Relation;
use super::nodes::{IN_TREE, Nodes};
use crate::kinds::{self, By, Gone, Kind, Place, Ref};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What every workspace of a cloud offers, or not: no things of their own.
const OFFERED: &[&str] = &["node_type", "spark_version", "zone"];

/// One place in the documents of a kind where something is named.
#[derive(Debug)]
pub(super) struct Spot {
    pub pointer: String,
    pub reference: &'static Ref,
    pub relation: Relation,
}

/// Every such place of a kind.
pub(super) fn spots(kind: &'static Kind) -> &'static [Spot] {
    static ALL: LazyLock<HashMap<&'static str, Vec<Spot>>> = LazyLock::new(|| {
        let of = |kind: &'static Kind| kind.references().map(move |(pointer, reference)| spot(kind, pointer, reference));
        kinds::all().iter().map(|kind| (kind.name, of(kind).collect())).collect()
    });
    ALL.get(kind.name).map_or(&[], Vec::as_slice)
}

/// Every place of a kind where a package or an image from outside is named. They stand beside what the table knows: packages
/// beside jars, images beside pools (core reference §5, §5.1).
pub(super) fn packages(kind: &'static Kind) -> &'static [(String, &'static str)] {
    static ALL: LazyLock<HashMap<&'static str, Vec<(String, &'static str)>>> =
        LazyLock::new(|| kinds::all().iter().map(|kind| (kind.name, packages_of(kind))).collect());
    ALL.get(kind.name).map_or(&[], Vec::as_slice)
}

fn packages_of(kind: &'static Kind) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for (pointer, _) in kind.references() {
        if let Some(library) = pointer.strip_suffix("/jar") {
            let fields = ["/pypi/package", "/maven/coordinates", "/cran/package"];
            found.extend(fields.map(|field| (format!("{library}{field}"), "package")));
        }
        if let Some(cluster) = pointer.strip_suffix("/policy_id") {
            found.push((format!("{cluster}/docker_image/url"), "image"));
        }
    }
    if kind.name == "job" {
        found.push(("/settings/git_source/git_url".to_owned(), "git_repository"));
    }
    if kind.name == "repo" {
        found.push(("/url".to_owned(), "git_repository"));
    }
    found
}

fn spot(kind: &'static Kind, pointer: String, reference: &'static Ref) -> Spot {
    let relation = relation(kind.name, &pointer, reference);
    Spot { pointer, reference, relation }
}

fn relation(kind: &str, pointer: &str, reference: &Ref) -> Relation {
    let has = |parts: &[&str]| parts.iter().any(|part| pointer.contains(part));
    let ends = |ends: &[&str]| ends.iter().any(|end| pointer.ends_with(end));
    match kind {
        "group" if has(&["/members/"]) => return Relation::HasMember,
        "permissions" | "secret_acl" => return Relation::Grants,
        _ => {}
    }
    let machine = |to: &&str| matches!(*to, "cluster" | "warehouse" | "cluster_policy" | "instance_pool" | "instance_profile");
    if matches!(reference.by, By::Elsewhere(_)) {
        Relation::NeedsOutside
    } else if has(&["_notifications/", "subscri"]) {
        Relation::Notifies
    } else if has(&["/run_as/", "/single_user_name"]) {
        Relation::RunsAs
    } else if has(&["/init_scripts"]) {
        Relation::StartsWith
    } else if ends(&["/jar", "/egg", "/whl", "/requirements"]) || has(&["dependencies/"]) {
        Relation::Installs
    } else if ends(&["/parent_path"]) {
        Relation::LiesIn
    } else if has(&["_task/", "/spec/libraries/"]) && !reference.to.iter().any(machine) {
        Relation::Runs
    } else {
        Relation::Uses
    }
}

impl Nodes {
    /// The nodes that a referring value leads to: none where it is no reference, or need not be one.
    pub(super) fn lead(&mut self, spot: &Spot, value: &Value) -> Vec<NodeId> {
        let name = text(value);
        let reference = spot.reference;
        match reference.by {
            _ if name.is_empty() || name.contains("{{") => Vec::new(),
            By::Id | By::Key => self.object(reference, &name).into_iter().collect(),
            By::Path => self.paths(spot, &name),
            By::Elsewhere(section) if OFFERED.contains(&section) => Vec::new(),
            By::Elsewhere(section) => vec![self.outside(section, &name)],
        }
    }

    fn object(&mut self, reference: &Ref, name: &str) -> Option<NodeId> {
        let kinds = || reference.to.iter().filter_map(|to| kinds::by_name(to));
        let found = kinds().find_map(|kind| match reference.by {
            By::Key => self.by_key(kind, name),
            _ => self.there(kind.name, name),
        });
        if found.is_some() || reference.gone == Gone::Silent {
            return found;
        }
        let likely = if kinds::looks_like_uuid(name) { "service_principal" } else { "" };
        let kind = kinds().find(|kind| kind.name == likely).or_else(|| kinds().next())?;
        Some(self.missing(kind.name, name))
    }

    /// The principal of this name.
    pub(super) fn principal(&mut self, name: &str) -> NodeId {
        let who = Ref { at: "", to: &["user", "service_principal", "group"], by: By::Key, gone: Gone::Keep };
        self.object(&who, name).unwrap_or_else(|| self.missing("user", name))
    }

    fn paths(&mut self, spot: &Spot, name: &str) -> Vec<NodeId> {
        let mut found = Vec::new();
        for place in kinds::places(name) {
            found.extend(match place {
                Place::Elsewhere => self.beyond(spot, name),
                Place::Workspace(path) => self.in_workspace(spot.reference, &path),
                Place::Dbfs(path) => self.in_storage(spot.reference, "dbfs_file", &path),
                Place::Volume(path) => self.in_storage(spot.reference, "volume_file", &path),
            });
        }
        found
    }

    /// Storage of one's own; or, in a list of dependencies, a package.
    fn beyond(&mut self, spot: &Spot, name: &str) -> Option<NodeId> {
        if let Some(storage) = kinds::storage(name) {
            return Some(self.outside("storage", storage));
        }
        let package = spot.pointer.ends_with("/dependencies/*") && !name.starts_with(['-', '.', '/']);
        package.then(|| self.outside("package", name))
    }

    fn in_workspace(&mut self, reference: &Ref, path: &str) -> Option<NodeId> {
        let wanted = || reference.to.iter().filter_map(|to| IN_TREE.iter().find(|kind| **kind == *to)).copied();
        let found = self.at_path(wanted(), path);
        if found.is_some() || reference.gone == Gone::Silent || reference.to.is_empty() || kinds::always_there(path) {
            return found;
        }
        Some(self.missing(wanted().next().unwrap_or("file"), path))
    }

    /// What lies at a path of the workspace, of these kinds before others; or the Git folder around it, whose contents Git has.
    pub(super) fn at_path(&self, first: impl Iterator<Item = &'static str>, path: &str) -> Option<NodeId> {
        let at = first.chain(IN_TREE.iter().copied()).find_map(|kind| self.there(kind, path));
        at.or_else(|| kinds::parents(path).find_map(|folder| self.there("repo", folder)))
    }

    fn in_storage(&mut self, reference: &Ref, kind: &'static str, path: &str) -> Option<NodeId> {
        let found = self.there(kind, path);
        if found.is_some() || reference.gone == Gone::Silent || !reference.to.contains(&kind) {
            return found;
        }
        Some(self.missing(kind, path))
    }
}

/// A text, or the digits of a number.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
