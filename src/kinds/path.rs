//! Paths as jobs, clusters and libraries write them, and the secrets that texts name.

use regex::Regex;
use std::sync::LazyLock;

/// What a path leads to, whatever form it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the workspace, without the alias `/Workspace`.
    Workspace(String),
    /// In DBFS, without `dbfs:`.
    Dbfs(String),
    /// In a Unity Catalog volume.
    Volume(String),
    /// A relative path, another storage, a template: nobody's.
    Elsewhere,
}

/// Reads a path (core reference §9.2, §10.4). `-r /path`, as environments write it, is read too; `dbfs:///x` is `dbfs:/x`.
pub fn place(text: &str) -> Place {
    let text = text.strip_prefix("-r ").unwrap_or(text).trim();
    let (text, dbfs) = match (text.strip_prefix("dbfs:"), text.strip_prefix("/dbfs/")) {
        (Some(path), _) => (path, true),
        (None, Some(_)) => (&text["/dbfs".len()..], true),
        _ => (text, false),
    };
    if !text.starts_with('/') || text.contains("{{") {
        return Place::Elsewhere;
    }
    let path: String = text.split('/').filter(|name| !name.is_empty()).flat_map(|name| ["/", name]).collect();
    match path.starts_with("/Volumes/") {
        true => Place::Volume(path),
        false if dbfs => Place::Dbfs(path),
        false => Place::Workspace(plain(&path).to_owned()),
    }
}

/// The paths in a text: one, or several with commas between them, as `spark-submit` takes them.
pub fn places(text: &str) -> Vec<Place> {
    let several: Vec<Place> = text.split(',').map(place).collect();
    if several.contains(&Place::Elsewhere) { vec![place(text)] } else { several }
}

/// The storage that an address lies in: scheme and host.
pub fn storage(text: &str) -> Option<&str> {
    let scheme = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let host = text.find("://").filter(|at| scheme(&text[..*at]) && !text.contains("{{"))? + 3;
    let end = text[host..].find('/').map_or(text.len(), |at| host + at);
    (end > host).then(|| &text[..end])
}

/// `/Workspace` is another name of the root (core reference §2).
fn plain(path: &str) -> &str {
    path.strip_prefix("/Workspace").filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

/// The folder that a path lies in; nothing for what lies in the root.
pub fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}

/// The folders that a path lies in, nearest first.
pub fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}

/// Folders that every workspace has (core reference §2, Paths).
pub fn always_there(path: &str) -> bool {
    matches!(path, "/" | "/Users" | "/Shared" | "/Repos" | "/Workspace")
}

/// The owner of a home folder, if the path is one.
pub fn home_of(path: &str) -> Option<&str> {
    path.strip_prefix("/Users/").filter(|name| !name.is_empty() && !name.contains('/'))
}

/// Whether a name looks like the application id of a service principal.
pub fn looks_like_uuid(name: &str) -> bool {
    name.len() == 36
        && name.bytes().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// The secrets that a text names: scope and key of each `{{secrets/scope/key}}`.
pub fn secrets_in(text: &str) -> Vec<(String, String)> {
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
            ("/Users/a//x/", Place::Workspace("/Users/a/x".into())),
            ("dbfs:/FileStore/a.jar", Place::Dbfs("/FileStore/a.jar".into())),
            ("dbfs:///FileStore/a.jar", Place::Dbfs("/FileStore/a.jar".into())),
            ("/dbfs/FileStore/a.jar", Place::Dbfs("/FileStore/a.jar".into())),
            ("dbfs:/Volumes/c/s/v/a", Place::Volume("/Volumes/c/s/v/a".into())),
            ("/Volumes/c/s/v/a", Place::Volume("/Volumes/c/s/v/a".into())),
            ("-r /Workspace/a/r.txt", Place::Workspace("/a/r.txt".into())),
            ("-r /Volumes/c/s/v/r.txt", Place::Volume("/Volumes/c/s/v/r.txt".into())),
            ("notebooks/etl", Place::Elsewhere),
            ("abfss://c@a.dfs.core.windows.net/x", Place::Elsewhere),
            ("dbfs:/x/{{job.id}}.jar", Place::Elsewhere),
        ] {
            assert_eq!(place(text), wanted, "{text}");
        }
    }

    #[test]
    fn several_paths_may_stand_in_one_text() {
        let both = [Place::Dbfs("/a.jar".into()), Place::Volume("/Volumes/c/s/v/b.jar".into())];
        assert_eq!(places("dbfs:/a.jar,/Volumes/c/s/v/b.jar"), both);
        assert_eq!(places("dbfs:/one,two.jar"), [Place::Dbfs("/one,two.jar".into())], "a comma in a name");
    }

    #[test]
    fn storage_is_scheme_and_host() {
        assert_eq!(storage("abfss://c@a.dfs.core.windows.net/x/y"), Some("abfss://c@a.dfs.core.windows.net"));
        assert_eq!(storage("s3://bucket"), Some("s3://bucket"));
        for none in
            ["dbfs:/x", "/Volumes/c/s/v", "file:///x", "{{job.parameters.at}}://x", "://x", "numpy", "--index-url https://x/y"]
        {
            assert_eq!(storage(none), None, "{none}");
        }
    }

    #[test]
    fn texts_may_name_several_secrets() {
        let named = secrets_in("x {{secrets/a/b}} and {{ secrets/c.d/e-f }} but not {{secrets/only}}");
        assert_eq!(named, [("a".into(), "b".into()), ("c.d".into(), "e-f".into())]);
    }
}
