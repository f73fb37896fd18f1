//! What a path says of folders and homes.

pub(super) use crate::kinds::{always_there, home_of, parent, parents};

/// Depth of the folders in `/Repos`: one level holds Git folders, nothing else may be made there.
pub(super) fn too_deep_in_repos(path: &str) -> bool {
    path.strip_prefix("/Repos/").is_some_and(|rest| rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_and_parents() {
        assert_eq!((home_of("/Users/a@b"), home_of("/Users/a@b/x"), home_of("/Users")), (Some("a@b"), None, None));
        assert_eq!(parents("/a/b/c").collect::<Vec<_>>(), ["/a/b", "/a"]);
        assert!(too_deep_in_repos("/Repos/a/b") && !too_deep_in_repos("/Repos/a"));
    }
}
