//! What a path says of folders and homes, and the secrets that texts name.

use regex::Regex;
use std::sync::LazyLock;

/// The folder that a path lies in; nothing for what lies in the root.
pub(super) fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}

/// The folders that a path lies in, nearest first.
pub(super) fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}

/// Folders that every workspace has (core reference §2, Paths).
pub(super) fn always_there(path: &str) -> bool {
    matches!(path, "/" | "/Users" | "/Shared" | "/Repos" | "/Workspace")
}

/// The owner of a home folder, if the path is one.
pub(super) fn home_of(path: &str) -> Option<&str> {
    path.strip_prefix("/Users/").filter(|name| !name.is_empty() && !name.contains('/'))
}

/// Depth of the folders in `/Repos`: one level holds Git folders, nothing else may be made there.
pub(super) fn too_deep_in_repos(path: &str) -> bool {
    path.strip_prefix("/Repos/").is_some_and(|rest| rest.contains('/'))
}

/// The secrets that a text names: scope and key of each `{{secrets/scope/key}}`.
pub(super) fn secrets(text: &str) -> Vec<(String, String)> {
    static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{\s*secrets/([^/{}]+)/([^{}]+?)\s*\}\}").ok());
    let Some(token) = TOKEN.as_ref() else { return Vec::new() };
    token.captures_iter(text).map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
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

    #[test]
    fn texts_may_name_several_secrets() {
        let named = secrets("x {{secrets/a/b}} and {{ secrets/c.d/e-f }} but not {{secrets/only}}");
        assert_eq!(named, [("a".into(), "b".into()), ("c.d".into(), "e-f".into())]);
    }
}
