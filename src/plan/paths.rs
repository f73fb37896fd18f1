//! Paths as jobs, clusters and libraries write them, and the secrets that texts name.

use regex::Regex;
use std::sync::LazyLock;

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the workspace, without the alias `/Workspace`.
    Workspace(String),
    /// In DBFS, without `dbfs:`.
    Dbfs(String),
    /// In a Unity Catalog volume.
    Volume(String),
    /// A relative path, another storage, a template: nobody's.
    Elsewhere,
}

/// Reads a path (core reference §9.2, §10.4). `-r /path`, as environments write it, is read too.
pub(super) fn place(text: &str) -> Place {
    let text = text.strip_prefix("-r ").unwrap_or(text).trim();
    let (text, dbfs) = match (text.strip_prefix("dbfs:"), text.strip_prefix("/dbfs/")) {
        (Some(path), _) => (path, true),
        (None, Some(_)) => (&text["/dbfs".len()..], true),
        _ => (text, false),
    };
    let path = text.trim_end_matches('/').to_owned();
    match () {
        () if !text.starts_with('/') || text.contains("{{") => Place::Elsewhere,
        () if text.starts_with("/Volumes/") => Place::Volume(path),
        () if dbfs => Place::Dbfs(path),
        () => Place::Workspace(plain(&path).to_owned()),
    }
}

/// The storage that an address lies in: scheme and host.
pub(super) fn storage(text: &str) -> Option<&str> {
    let host = text.find("://").map(|at| at + 3).filter(|at| *at > 3 && !text.contains("{{"))?;
    let end = text[host..].find('/').map_or(text.len(), |at| host + at);
    (end > host).then(|| &text[..end])
}

/// `/Workspace` is another name of the root (core reference §2).
pub(super) fn plain(path: &str) -> &str {
    path.strip_prefix("/Workspace").filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

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
    fn paths_lead_where_they_say() {
        for (text, wanted) in [
            ("/Workspace/Users/a/x", Place::Workspace("/Users/a/x".into())),
            ("/Users/a/x", Place::Workspace("/Users/a/x".into())),
            ("dbfs:/FileStore/a.jar", Place::Dbfs("/FileStore/a.jar".into())),
            ("/dbfs/FileStore/a.jar", Place::Dbfs("/FileStore/a.jar".into())),
            ("dbfs:/Volumes/c/s/v/a", Place::Volume("/Volumes/c/s/v/a".into())),
            ("/Volumes/c/s/v/a", Place::Volume("/Volumes/c/s/v/a".into())),
            ("-r /Workspace/a/r.txt", Place::Workspace("/a/r.txt".into())),
            ("notebooks/etl", Place::Elsewhere),
            ("abfss://c@a.dfs.core.windows.net/x", Place::Elsewhere),
            ("{{job.parameters.path}}", Place::Elsewhere),
        ] {
            assert_eq!(place(text), wanted, "{text}");
        }
    }

    #[test]
    fn storage_is_scheme_and_host() {
        assert_eq!(storage("abfss://c@a.dfs.core.windows.net/x/y"), Some("abfss://c@a.dfs.core.windows.net"));
        assert_eq!(storage("s3://bucket"), Some("s3://bucket"));
        for none in ["dbfs:/x", "/Volumes/c/s/v", "file:///x", "{{job.parameters.at}}://x", "://x", "numpy"] {
            assert_eq!(storage(none), None, "{none}");
        }
    }

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
