//! Every kind of workspace object, as data: all that export, import, sanitizing, comparison and the support matrix know.
//!
//! Adding a kind means one literal in one of the family files and its name in [`all`]. Facts come from the published REST
//! reference; where the reference is silent, the reason stands beside the entry. Pointers are those of [`crate::pointer`].

mod compute;
mod identity;
mod jobs;
mod levels;
mod path;
mod people;
mod permissions;
mod policies;
mod recorded;
mod scripts;
mod secrets;
mod spec;
mod tree;

pub use identity::{PRINCIPALS, is_everybody, is_principal};
pub use levels::{Capability, Level, levels};
pub use path::{Place, always_there, home_of, looks_like_uuid, parent, parents, place, places, secrets_in, storage};
pub use people::{Role, people};
pub use spec::*;

/// All kinds, in the order in which they are read, listed and, where nothing else decides, restored.
pub fn all() -> &'static [&'static Kind] {
    ALL
}

static ALL: &[&Kind] = &[
    &identity::SERVICE_PRINCIPAL,
    &identity::USER,
    &identity::GROUP,
    &compute::INSTANCE_PROFILE,
    &secrets::SECRET_SCOPE,
    &secrets::SECRET,
    &secrets::SECRET_VALUE,
    &tree::DIRECTORY,
    &tree::REPO,
    &tree::FILE,
    &tree::NOTEBOOK,
    &tree::WORKSPACE_OBJECT,
    &tree::DBFS_FILE,
    &tree::VOLUME_FILE,
    &scripts::GLOBAL_INIT_SCRIPT,
    &compute::INSTANCE_POOL,
    &policies::POLICY_FAMILY,
    &policies::CLUSTER_POLICY,
    &compute::CLUSTER,
    &compute::CLUSTER_LIBRARIES,
    &recorded::WAREHOUSE,
    &recorded::QUERY,
    &recorded::ALERT,
    &recorded::DASHBOARD,
    &recorded::PIPELINE,
    &recorded::NOTIFICATION_DESTINATION,
    &recorded::GIT_CREDENTIAL,
    &jobs::JOB,
    &secrets::SECRET_ACL,
    &permissions::PERMISSIONS,
];

/// The kind of this name, if there is one.
pub fn by_name(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name).copied()
}

/// The folder in which imports keep what is their own: no object of anybody's, neither to be read nor to be written to.
pub const OWN_FOLDER: &str = "/Shared/.lifeboat";

/// Whether a path is that folder, or lies in it.
pub fn is_own(path: &str) -> bool {
    let path = path.strip_prefix("/Workspace").unwrap_or(path);
    path.strip_prefix(OWN_FOLDER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The kind that holds workspace objects of this `object_type` (a Git folder may say `DIRECTORY`: the caller looks first).
pub fn by_object_type(object_type: &str) -> &'static Kind {
    let shows = |kind: &&&Kind| matches!(&kind.shape, Shape::Tree(tree) if tree.object_types().contains(&object_type));
    ALL.iter().find(shows).copied().unwrap_or(&tree::WORKSPACE_OBJECT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_well_formed() {
        let names: BTreeSet<_> = all().iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), all().len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn the_folder_of_imports_is_known_under_both_names() {
        for path in ["/Shared/.lifeboat", "/Shared/.lifeboat/lock", "/Workspace/Shared/.lifeboat/lock"] {
            assert!(is_own(path), "{path}");
        }
        assert!(!is_own("/Shared/.lifeboats") && !is_own("/Shared"));
    }

    #[test]
    fn references_name_known_kinds() {
        for kind in all() {
            for reference in kind.references() {
                for to in reference.1.to {
                    assert!(by_name(to).is_some(), "{}: {} refers to {to}", kind.name, reference.0);
                }
            }
            for (after, _) in kind.after {
                assert!(by_name(after).is_some(), "{} comes after {after}", kind.name);
            }
        }
    }

    #[test]
    fn every_pointer_is_well_formed() {
        for kind in all() {
            let fields = kind.fields().map(|(at, _)| at);
            let pointers = fields.chain(kind.references().map(|(at, _)| at));
            for pointer in pointers {
                assert!(
                    pointer.starts_with('/') && !pointer.ends_with('/') && !pointer.contains("//"),
                    "{}: {pointer}",
                    kind.name
                );
            }
        }
    }

    #[test]
    fn what_is_restored_sends_something() {
        for kind in all() {
            if let Shape::Collection(_) = kind.shape {
                assert!(kind.sent().count() > 0, "{} would be restored empty", kind.name);
            }
        }
    }

    #[test]
    fn the_job_checklist_has_more_than_a_hundred_references() {
        let job = by_name("job").map(|kind| kind.references().count());
        assert!(job > Some(140), "{job:?}");
    }
}
