//! Things at a path: the workspace tree, DBFS, volumes. Core reference §2–§4, §13.

use super::spec::*;

const NO_KEY: Key = Key { at: "", unique: true, fold: false };

macro_rules! at_a_path {
    ($name:literal, $title:literal, $tree:expr, permissions: $permissions:expr, fields: $fields:expr, after: $after:expr, lanes: $lanes:expr, changed: $changed:expr) => {
        Kind {
            name: $name,
            title: $title,
            shape: Shape::Tree($tree),
            key: NO_KEY,
            body: &[""],
            fields: $fields,
            refs: &[],
            after: $after,
            permissions: $permissions,
            unordered: &[],
            defaults: &[],
            shaping: &[],
            stamp: None,
            lanes: $lanes,
            changed: $changed,
        }
    };
}

/// What a listing says of an object besides its path and type is the server's.
const LISTED: &[Fields] = &[Fields {
    at: &[""],
    fields: &[
        ("/object_id", Class::ServerSet),
        ("/resource_id", Class::ServerSet),
        ("/created_at", Class::ServerSet),
        ("/modified_at", Class::ServerSet),
    ],
}];

const HOMES: &[(&str, &str)] =
    &[("user", "a home folder comes with its user"), ("service_principal", "a home folder comes with its service principal")];

/// Parallel `mkdirs` of one tree once made folders twice (core reference §2, Concurrency): one lane.
pub(super) static DIRECTORY: Kind = at_a_path!("directory", "folders", Tree::Directory, permissions: Some("directories"), fields: LISTED, after: HOMES, lanes: 1, changed: None);

pub(super) static REPO: Kind = at_a_path!("repo", "Git folders", Tree::Repo, permissions: Some("repos"), fields: REPO_FIELDS, after: &[("directory", "the parent folder must exist")], lanes: 2, changed: None);

const REPO_FIELDS: &[Fields] = &[Fields {
    at: &[""],
    fields: &[
        ("/url", Class::FixedAtCreate),
        ("/provider", Class::FixedAtCreate),
        ("/path", Class::FixedAtCreate),
        ("/sparse_checkout", Class::FixedAtCreate),
        ("/branch", Class::Later),
        ("/id", Class::ServerSet),
        ("/head_commit_id", Class::ServerSet),
        ("/git_cli_enabled", Class::ServerSet),
    ],
}];

pub(super) static FILE: Kind = at_a_path!("file", "workspace files", Tree::File, permissions: Some("files"), fields: &[], after: &[("directory", "the parent folder must exist")], lanes: 8, changed: Some("/modified_at"));

pub(super) static NOTEBOOK: Kind = at_a_path!("notebook", "notebooks", Tree::Notebook, permissions: Some("notebooks"), fields: &[], after: &[("directory", "the parent folder must exist")], lanes: 8, changed: Some("/modified_at"));

pub(super) static WORKSPACE_OBJECT: Kind = at_a_path!("workspace_object", "workspace objects of other types", Tree::Other, permissions: None, fields: LISTED, after: &[], lanes: 1, changed: None);

pub(super) static DBFS_FILE: Kind = at_a_path!("dbfs_file", "DBFS files", Tree::Dbfs, permissions: None, fields: &[], after: &[], lanes: 4, changed: Some("/modification_time"));

pub(super) static VOLUME_FILE: Kind = at_a_path!("volume_file", "volume files that are referred to", Tree::Volume, permissions: None, fields: &[], after: &[], lanes: 4, changed: None);
